/* SPDX-License-Identifier: Apache-2.0
 *
 * conv_winograd.c - convolutions of floats with filters of 3 x 3 and strides of one, forward and by input, with 16
 * products where others need 36 (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015): tiles of
 * the input and the filter are transformed, 16 matrix products follow, whose results are transformed back. The gradient
 * by input is a convolution of the gradient with the filter turned round.
 *
 * Each result depends on the numbers of its own window alone, as it should; but of numbers that are infinite, or
 * nearly, the transforms' differences may make a NaN. So tiles whose results are not finite are done again, by plain
 * loops.
 *
 * The filter is transformed in each run: that takes a small part of the time where there are as many tiles as are asked
 * for here, and no second form of it stays in memory.
 */
#include "conv.h"
#include "isa_conv.h"
#include "winograd.h"

#include <math.h>
#include <omp.h>

enum { LEAST_TILES = 32,
       MOST_SPACE = 96 << 10 }; /* floats of a thread's transformed tiles, which should stay in the second cache */

typedef struct cut {
    tn_tiles tiles;
    int64_t in_c, out_c, width; /* width: channels in a panel, at most */
    int64_t chunk;              /* tiles that a thread transforms at once, at most */
    int64_t filter_apart;
    size_t filter, in, each; /* bytes: of the filter and of a chunk, transformed; of a thread's space */
} cut;

/* ==== sizes ==== */

/* As a forward convolution. */
static cut shape_of(tn_conv_kind kind, const tn_conv_size *s)
{
    if (kind == TN_CONV_FORWARD) return (cut){.tiles = tn_tiles_of(s), .in_c = s->in_c, .out_c = s->out_c};
    const tn_conv_size turned = {.batch = s->batch, .in_c = s->out_c, .in = {1, s->out[1], s->out[2]},
                                 .out = {1, s->in[1], s->in[2]}, .pad = {0, 2 - s->pad[1], 2 - s->pad[2]}};
    return (cut){.tiles = tn_tiles_of(&turned), .in_c = s->out_c, .out_c = s->in_c};
}

/* A pool of two by two whose windows are tiles. */
bool tn_conv_winograd_pools(const tn_conv_desc *d)
{
    const tn_pool_desc *p = &d->pool;
    bool fits = d->pools && tn_conv_tile_does_act(d->act);
    for (int i = 0; fits && i < 2; i++) fits = p->window[i] == 2 && p->stride[i] == 2 && 2 * p->out[i] <= p->in[i];
    return fits;
}

static cut cut_of(const tn_conv_desc *d, const tn_conv_size *size, int isa)
{
    const tn_conv_isa *t = TN_ISA_PICK(tn_isa_conv, isa);
    cut c = shape_of(d->kind, size);
    if (d->pools) tn_tiles_cut(&c.tiles, d->pool.out[0], d->pool.out[1]);
    c.width = TN_CONV_VECS * t->vl;
    c.chunk = TN_MAX(MOST_SPACE / (TN_TILE_IN * (c.in_c + c.width)) / t->rows, 1) * t->rows;
    c.filter_apart = c.in_c * c.out_c + TN_TILE_SHIFT;
    c.filter = (size_t)(TN_TILE_IN * c.filter_apart) * sizeof(float);
    c.in = (size_t)(TN_TILE_IN * (c.chunk * c.in_c + TN_TILE_SHIFT)) * sizeof(float);
    c.each = tn_round64(c.in + (size_t)(TN_TILE_IN * (c.chunk * c.width + TN_TILE_SHIFT) + c.in_c) * sizeof(float) +
                        (size_t)c.chunk * TN_TILE_OUT * sizeof(float *));
    return c;
}

bool tn_conv_is_winograd(const tn_conv_desc *d, const tn_conv_size *s)
{
    if (d->kind == TN_CONV_BACKWARD_FILTER || !tn_tiles_fit(d, s)) return false;
    tn_conv_desc bare = *d;
    bare.pools = false;
    const cut c = cut_of(&bare, s, tn_isa_level_now());
    return c.tiles.all >= LEAST_TILES && tn_tiles_are_full(&c.tiles);
}

size_t tn_conv_winograd_scratch(const tn_conv_desc *d, const tn_conv_size *s, int isa)
{
    const cut c = cut_of(d, s, isa);
    return c.filter + c.each * (size_t)TN_MAX(d->threads, 1);
}

/* ==== one thread's part ==== */

typedef struct work {
    cut c;
    const tn_conv_isa *piece;
    const tn_winograd_isa *t;
    tn_winograd_filter filter;
    tn_winograd_end end;
    const float *bias;
    float *out, *u; /* u: the filter transformed: [16, panels, in_c, width] */
} work;

static void filter_part(const work *w, int me, int parts)
{
    const cut *s = &w->c;
    const int64_t vl = w->t->vl;
    int64_t from, to;
    tn_share(s->in_c, 1, me, parts, &from, &to);
    for (int64_t col = 0; col < s->out_c; col += w->c.width) {
        const int64_t width = TN_MIN(w->c.width, s->out_c - col);
        for (int64_t i = from; i < to; i++)
            for (int64_t v = 0; v < width; v += vl) {
                tn_winograd_filter f = w->filter;
                f.taps += i * f.in + (col + v) * f.out;
                w->t->filter(&f, w->u + col * s->in_c + i * width + v, w->c.filter_apart);
            }
    }
}

/* Where channel col of a tile's results goes. */
static void places_of_results(const work *w, tn_tile p, int64_t col, float **to)
{
    const tn_tiles *t = &w->c.tiles;
    const int64_t out_c = w->c.out_c;
    float *first = w->out + ((p.image * t->out_h + p.y) * t->out_w + p.x) * out_c + col;
    if (w->end.pools) {
        to[0] = w->out + ((p.image * t->rows + p.y / 2) * t->cols + p.x / 2) * out_c + col;
        to[1] = to[2] = to[3] = NULL;
        return;
    }
    for (int i = 0; i < TN_TILE_OUT; i++)
        to[i] = p.y + i / 2 < t->out_h && p.x + i % 2 < t->out_w ? first + (i / 2 * t->out_w + i % 2) * out_c : NULL;
}

/* ---- by plain loops ---- */

static float ended(const tn_winograd_end *e, float x)
{
    if (!e->relu) return x;
    return x < 0 ? 0 : x > e->most ? e->most : x;
}

static float pooled(const tn_winograd_end *e, const float *y)
{
    float best = y[0];
    if (e->pool == TN_POOL_AVG) return (y[0] + y[1] + y[2] + y[3]) * 0.25F;
    for (int i = 1; i < TN_TILE_OUT; i++)
        if (y[i] > best || isnan(best)) best = y[i];
    return best;
}

static float plain_sum(const work *w, int64_t image, int64_t y, int64_t x, int64_t channel)
{
    const tn_winograd_filter *f = &w->filter;
    float sum = 0;
    for (int k = 0; k < 9; k++) {
        const float *in = tn_tile_number(&w->c.tiles, image, y - w->c.tiles.top + k / 3, x - w->c.tiles.left + k % 3);
        const float *tap = f->taps + k * f->tap + channel * f->out;
        for (int64_t i = 0; in && i < w->c.in_c; i++) sum += in[i] * tap[i * f->in];
    }
    return sum + (w->bias ? w->bias[channel] : 0);
}

static void plain_tile(const work *w, tn_tile p, int64_t col, int64_t width, float *const *to)
{
    for (int64_t j = 0; j < width; j++) {
        float y[TN_TILE_OUT] = {0};
        for (int i = 0; i < TN_TILE_OUT; i++)
            if (to[i] || w->end.pools) y[i] = ended(&w->end, plain_sum(w, p.image, p.y + i / 2, p.x + i % 2, col + j));
        if (w->end.pools) y[0] = pooled(&w->end, y);
        for (int i = 0; i < TN_TILE_OUT; i++)
            if (to[i]) to[i][j] = y[i];
    }
}

/* ---- chunks ---- */

typedef struct chunk {
    tn_tile first;
    int64_t tiles, in_apart;
    float *v, *m, *zeros, **to;
} chunk;

static void products(const work *w, const chunk *k, int64_t col, int64_t width, int64_t apart)
{
    const cut *s = &w->c;
    for (int i = 0; i < TN_TILE_IN; i++) {
        const float *v = k->v + i * k->in_apart;
        tn_conv_piece p = {.segs = &v, .n_segs = 1, .length = s->in_c, .step = s->in_c, .out_step = width,
                           .panel = w->u + i * w->c.filter_apart + col * s->in_c, .cols = (int)width};
        for (int64_t t = 0; t < k->tiles; t += w->piece->rows) {
            p.at = t * s->in_c;
            p.out = k->m + i * apart + t * width;
            w->piece->piece(&p, (int)TN_MIN(w->piece->rows, k->tiles - t));
        }
    }
}

static void finish(const work *w, const chunk *k, int64_t col, int64_t width, int64_t apart)
{
    tn_winograd_end end = w->end;
    float **to = k->to;
    tn_tile p = k->first;
    end.bias = w->bias ? w->bias + col : NULL;
    for (int64_t i = 0; i < k->tiles; i++, p = tn_tile_next(&w->c.tiles, p))
        places_of_results(w, p, col, to + i * TN_TILE_OUT);
    if (w->t->output(&end, k->m, apart, width, to, k->tiles)) return;
    p = k->first;
    for (int64_t i = 0; i < k->tiles; i++, p = tn_tile_next(&w->c.tiles, p), to += TN_TILE_OUT)
        if (!w->t->output(&end, k->m + i * width, apart, width, to, 1)) plain_tile(w, p, col, width, to);
}

static void one_chunk(const work *w, const chunk *k)
{
    const cut *s = &w->c;
    tn_tile p = k->first;
    for (int64_t i = 0; i < k->tiles; i++, p = tn_tile_next(&w->c.tiles, p))
        tn_tile_transform(&s->tiles, p, w->t, k->zeros, k->v + i * s->in_c, k->in_apart);
    for (int64_t col = 0; col < s->out_c; col += w->c.width) {
        const int64_t width = TN_MIN(w->c.width, s->out_c - col), apart = k->tiles * width + TN_TILE_SHIFT;
        products(w, k, col, width, apart);
        finish(w, k, col, width, apart);
    }
}

static void part(const work *w, float *space, int me, int parts)
{
    const cut *c = &w->c;
    int64_t from, to;
    chunk k = {.v = space, .m = space + c->in / sizeof(float)};
    k.zeros = k.m + TN_TILE_IN * (c->chunk * c->width + TN_TILE_SHIFT);
    k.to = (float **)(void *)(k.zeros + c->in_c);
    memset(k.zeros, 0, (size_t)c->in_c * sizeof(float));
    tn_share(c->tiles.all, w->piece->rows, me, parts, &from, &to);
    const int chunks = (int)((to - from + c->chunk - 1) / c->chunk);
    for (int i = 0; i < chunks; i++) {
        int64_t a, b;
        tn_share(to - from, w->piece->rows, i, chunks, &a, &b);
        k.first = tn_tile_at(&c->tiles, from + a);
        k.tiles = b - a;
        k.in_apart = k.tiles * c->in_c + TN_TILE_SHIFT;
        one_chunk(w, &k);
    }
}

/* ==== all of it ==== */

static void team_part(const work *w, float *space, int me, int parts)
{
    filter_part(w, me, parts);
    if (parts > 1) {
#pragma omp barrier
    }
    part(w, space + (size_t)me * (w->c.each / sizeof(float)), me, parts);
}

static tn_winograd_filter filter_of(tn_conv_kind kind, const tn_conv_size *s, const float *filter)
{
    const int64_t tap = s->in_c * s->out_c;
    if (kind == TN_CONV_FORWARD) return (tn_winograd_filter){filter, tap, s->out_c, 1};
    return (tn_winograd_filter){filter + 8 * tap, -tap, 1, s->out_c}; /* turned round */
}

void tn_conv_winograd(const tn_conv_desc *d, const tn_conv_size *s, int isa, const tn_conv_args *a)
{
    const bool forward = d->kind == TN_CONV_FORWARD;
    work w = {.c = cut_of(d, s, isa), .piece = TN_ISA_PICK(tn_isa_conv, isa), .t = TN_ISA_PICK(tn_isa_winograd, isa),
              .filter = filter_of(d->kind, s, a->filter), .out = forward ? a->out : a->in,
              .bias = forward && d->bias ? a->bias : NULL, .u = a->scratch};
    if (forward)
        w.end = (tn_winograd_end){.relu = tn_conv_tile_does_act(d->act) && d->act != TN_ACT_NONE,
                                  .most = d->act == TN_ACT_RELU6 ? 6 : INFINITY, .pools = d->pools,
                                  .pool = d->pool.kind};
    w.c.tiles.in = forward ? a->in : a->out;
    float *space = w.u + w.c.filter / sizeof(float);
    const int threads = tn_team(d->threads, (double)w.c.tiles.all * (double)w.c.in_c * (double)w.c.out_c);
    if (threads == 1) {
        team_part(&w, space, 0, 1);
        return;
    }
#pragma omp parallel num_threads(threads)
    team_part(&w, space, omp_get_thread_num(), omp_get_num_threads());
}
