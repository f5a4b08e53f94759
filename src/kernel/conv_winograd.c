/* SPDX-License-Identifier: Apache-2.0
 *
 * conv_winograd.c - convolutions of floats with filters of 3 x 3 and strides of one, forward and by input, with 16
 * products where others need 36 (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015): tiles of
 * the input and the filter are transformed, 16 matrix products follow, whose results are transformed back. The gradient
 * by input is a convolution of the gradient with the filter turned round.
 *
 * Each result depends on the numbers of its own window alone, as it should; but of numbers that are infinite, or nearly,
 * the transforms' differences may make a NaN. So tiles whose results are not finite are done again, by plain loops.
 *
 * The filter is transformed in each run: that takes a small part of the time where there are as many tiles as are asked
 * for here, and no second form of it stays in memory.
 */
#include "conv.h"
#include "isa_conv.h"
#include "isa_winograd.h"

#include <math.h>
#include <omp.h>

enum { LEAST_TILES = 32, SHIFT = 16, /* SHIFT: floats more between the 16 places, so that they share no cache lines' sets */
       MOST_SPACE = 96 << 10 }; /* floats of a thread's transformed tiles, which should stay in the second cache */

/* Images of [in_h, in_w, in_c] to [out_h, out_w, out_c], as a forward convolution. */
typedef struct shape {
    int64_t batch, in_h, in_w, in_c, out_h, out_w, out_c, top, left;
} shape;

typedef struct cut {
    shape s;
    int64_t tiles_h, tiles_w, tiles; /* of an image; of all */
    int64_t width;                   /* channels in a panel, at most */
    int64_t chunk;                   /* tiles that a thread transforms at once, at most */
    int64_t filter_apart;
    size_t filter, in, each;         /* bytes: of the filter and of a chunk, transformed; of a thread's space */
} cut;

/* ==== sizes ==== */

static shape shape_of(tn_conv_kind kind, const tn_conv_size *s)
{
    if (kind == TN_CONV_FORWARD)
        return (shape){.batch = s->batch, .in_h = s->in[1], .in_w = s->in[2], .in_c = s->in_c, .out_h = s->out[1],
                       .out_w = s->out[2], .out_c = s->out_c, .top = s->pad[1], .left = s->pad[2]};
    return (shape){.batch = s->batch, .in_h = s->out[1], .in_w = s->out[2], .in_c = s->out_c, .out_h = s->in[1],
                   .out_w = s->in[2], .out_c = s->in_c, .top = 2 - s->pad[1], .left = 2 - s->pad[2]};
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
    cut c = {.s = shape_of(d->kind, size), .width = TN_CONV_VECS * t->vl};
    c.tiles_h = d->pools ? d->pool.out[0] : (c.s.out_h + 1) / 2;
    c.tiles_w = d->pools ? d->pool.out[1] : (c.s.out_w + 1) / 2;
    c.tiles = c.s.batch * c.tiles_h * c.tiles_w;
    c.chunk = TN_MAX(MOST_SPACE / (TN_TILE_IN * (c.s.in_c + c.width)) / t->rows, 1) * t->rows;
    c.filter_apart = c.s.in_c * c.s.out_c + SHIFT;
    c.filter = (size_t)(TN_TILE_IN * c.filter_apart) * sizeof(float);
    c.in = (size_t)(TN_TILE_IN * (c.chunk * c.s.in_c + SHIFT)) * sizeof(float);
    c.each = tn_round64(c.in + (size_t)(TN_TILE_IN * (c.chunk * c.width + SHIFT) + c.s.in_c) * sizeof(float) +
                        (size_t)c.chunk * TN_TILE_OUT * sizeof(float *));
    return c;
}

bool tn_conv_is_winograd(const tn_conv_desc *d, const tn_conv_size *s)
{
    const int isa = tn_isa_level_now();
    bool fits = d->kind != TN_CONV_BACKWARD_FILTER && d->dtype == TN_FLOAT && !d->portable && s->groups == 1 &&
                s->in[0] == 1 && s->filter[0] == 1 && s->out[0] == 1 && s->in_count > 0 && s->out_count > 0;
    for (int i = 1; i < 3; i++)
        fits = fits && s->filter[i] == 3 && s->stride[i] == 1 && s->dilation[i] == 1 && s->pad[i] <= 2;
    if (!fits) return false;
    tn_conv_desc bare = *d;
    bare.pools = false;
    const cut c = cut_of(&bare, s, isa);
    const int64_t vl = c.width / TN_CONV_VECS, wanted = c.s.batch * c.s.out_h * c.s.out_w;
    return c.s.in_c % vl == 0 && c.s.out_c % vl == 0 && c.tiles >= LEAST_TILES && 2 * TN_TILE_OUT * c.tiles <= 3 * wanted;
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
    const float *in, *bias;
    float *out, *u; /* u: the filter transformed: [16, panels, in_c, width] */
} work;

typedef struct place {
    int64_t image, y, x; /* of a tile's first result */
} place;

static place place_of(const cut *c, int64_t tile)
{
    const int64_t in_image = tile % (c->tiles_h * c->tiles_w);
    return (place){tile / (c->tiles_h * c->tiles_w), 2 * (in_image / c->tiles_w), 2 * (in_image % c->tiles_w)};
}

static void filter_part(const work *w, int me, int parts)
{
    const shape *s = &w->c.s;
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

static place next_place(const cut *c, place p)
{
    p.x += 2;
    if (p.x < 2 * c->tiles_w) return p;
    p.x = 0;
    p.y += 2;
    if (p.y < 2 * c->tiles_h) return p;
    return (place){p.image + 1, 0, 0};
}

/* The channels at a place of the input; NULL: outside. */
static inline const float *input_at(const work *w, int64_t image, int64_t y, int64_t x)
{
    const shape *s = &w->c.s;
    const bool inside = y >= 0 && y < s->in_h && x >= 0 && x < s->in_w;
    return inside ? w->in + ((image * s->in_h + y) * s->in_w + x) * s->in_c : NULL;
}

static void transform_tile(const work *w, place p, const float *zeros, float *v, int64_t apart)
{
    const shape *s = &w->c.s;
    const int64_t y = p.y - s->top, x = p.x - s->left;
    const bool within = y >= 0 && y + 4 <= s->in_h && x >= 0 && x + 4 <= s->in_w;
    const float *at[TN_TILE_IN], *first = within ? input_at(w, p.image, y, x) : NULL;
    for (int i = 0; i < TN_TILE_IN; i++) {
        const float *one = within ? first + (i / 4 * s->in_w + i % 4) * s->in_c : input_at(w, p.image, y + i / 4, x + i % 4);
        at[i] = one ? one : zeros;
    }
    w->t->input(at, s->in_c, v, apart);
}

/* Where channel col of a tile's results goes. */
static void places_of_results(const work *w, place p, int64_t col, float **to)
{
    const shape *s = &w->c.s;
    const cut *c = &w->c;
    float *first = w->out + ((p.image * s->out_h + p.y) * s->out_w + p.x) * s->out_c + col;
    if (w->end.pools) {
        to[0] = w->out + ((p.image * c->tiles_h + p.y / 2) * c->tiles_w + p.x / 2) * s->out_c + col;
        to[1] = to[2] = to[3] = NULL;
        return;
    }
    for (int i = 0; i < TN_TILE_OUT; i++)
        to[i] = p.y + i / 2 < s->out_h && p.x + i % 2 < s->out_w ? first + (i / 2 * s->out_w + i % 2) * s->out_c : NULL;
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
        const float *in = input_at(w, image, y - w->c.s.top + k / 3, x - w->c.s.left + k % 3);
        const float *tap = f->taps + k * f->tap + channel * f->out;
        for (int64_t i = 0; in && i < w->c.s.in_c; i++) sum += in[i] * tap[i * f->in];
    }
    return sum + (w->bias ? w->bias[channel] : 0);
}

static void plain_tile(const work *w, place p, int64_t col, int64_t width, float *const *to)
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
    place first;
    int64_t tiles, in_apart;
    float *v, *m, *zeros, **to;
} chunk;

static void products(const work *w, const chunk *k, int64_t col, int64_t width, int64_t apart)
{
    const shape *s = &w->c.s;
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
    place p = k->first;
    end.bias = w->bias ? w->bias + col : NULL;
    for (int64_t i = 0; i < k->tiles; i++, p = next_place(&w->c, p)) places_of_results(w, p, col, to + i * TN_TILE_OUT);
    if (w->t->output(&end, k->m, apart, width, to, k->tiles)) return;
    p = k->first;
    for (int64_t i = 0; i < k->tiles; i++, p = next_place(&w->c, p), to += TN_TILE_OUT)
        if (!w->t->output(&end, k->m + i * width, apart, width, to, 1)) plain_tile(w, p, col, width, to);
}

static void one_chunk(const work *w, const chunk *k)
{
    const shape *s = &w->c.s;
    place p = k->first;
    for (int64_t i = 0; i < k->tiles; i++, p = next_place(&w->c, p))
        transform_tile(w, p, k->zeros, k->v + i * s->in_c, k->in_apart);
    for (int64_t col = 0; col < s->out_c; col += w->c.width) {
        const int64_t width = TN_MIN(w->c.width, s->out_c - col), apart = k->tiles * width + SHIFT;
        products(w, k, col, width, apart);
        finish(w, k, col, width, apart);
    }
}

static void part(const work *w, float *space, int me, int parts)
{
    const cut *c = &w->c;
    int64_t from, to;
    chunk k = {.v = space, .m = space + c->in / sizeof(float)};
    k.zeros = k.m + TN_TILE_IN * (c->chunk * c->width + SHIFT);
    k.to = (float **)(void *)(k.zeros + c->s.in_c);
    memset(k.zeros, 0, (size_t)c->s.in_c * sizeof(float));
    tn_share(c->tiles, w->piece->rows, me, parts, &from, &to);
    const int chunks = (int)((to - from + c->chunk - 1) / c->chunk);
    for (int i = 0; i < chunks; i++) {
        int64_t a, b;
        tn_share(to - from, w->piece->rows, i, chunks, &a, &b);
        k.first = place_of(c, from + a);
        k.tiles = b - a;
        k.in_apart = k.tiles * c->s.in_c + SHIFT;
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
              .filter = filter_of(d->kind, s, a->filter), .in = forward ? a->in : a->out,
              .out = forward ? a->out : a->in, .bias = forward && d->bias ? a->bias : NULL, .u = a->scratch};
    if (forward)
        w.end = (tn_winograd_end){.relu = tn_conv_tile_does_act(d->act) && d->act != TN_ACT_NONE,
                                  .most = d->act == TN_ACT_RELU6 ? 6 : INFINITY, .pools = d->pools, .pool = d->pool.kind};
    float *space = w.u + w.c.filter / sizeof(float);
    const int threads = tn_team(d->threads, (double)w.c.tiles * (double)w.c.s.in_c * (double)w.c.s.out_c);
    if (threads == 1) {
        team_part(&w, space, 0, 1);
        return;
    }
#pragma omp parallel num_threads(threads)
    team_part(&w, space, omp_get_thread_num(), omp_get_num_threads());
}
