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
 * for here, and only the block of a run holds it in that form.
 */
#include "conv.h"
#include "isa_conv.h"
#include "winograd.h"

#include <math.h>
#include <omp.h>

enum { LEAST_TILES = 32,
       LEAST_PRODUCTS = 1 << 19, /* with fewer, two threads are sooner done by the library; one choice for any number */
       MOST_PAIRS = 1 << 18,     /* of channels: the filter takes 16 MB when it is transformed */
       TILE_PAYS = 1400,         /* pairs of channels whose filters' transforms one tile makes up for */
       MOST_SPACE = 96 << 10, LEAST_PIECES = 4 }; /* floats of a thread's transformed tiles, which should stay in the
                                                   * second cache; but a filter that doesn't is read once a chunk */

typedef struct cut {
    tn_tiles tiles;
    int64_t in_c, out_c, width;      /* width: channels in a panel, at most */
    int tile_shares, channel_shares; /* into which the work is divided; threads share nothing */
    int64_t most_channels;           /* of a share */
    int64_t chunk;                   /* tiles that are transformed at once, at most */
    int64_t filter_apart;
    size_t filter, in, each; /* bytes: of a share's filter and of a chunk, transformed; of a thread's space */
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

static int64_t parts_of(int64_t count, int64_t each)
{
    return (count + each - 1) / each;
}

/* Shares for threads: those of one share of channels transform the same filter, those of one share of tiles the same
 * input, each for itself, which is sooner done than that one gets it out of the other's cache. */
static void divide(cut *c, int threads, int grain)
{
    enum { PRODUCTS = 16, FILTER = 70, INPUT = 35 }; /* what a vector's take of each other's time */
    enum { MOST_FILTERS = 4 << 20 };                 /* floats of all threads' transformed filters, if it can be */
    const int64_t panels = parts_of(c->out_c, c->width);
    int64_t least = INT64_MAX;
    for (int shares = 1; shares <= threads; shares++) {
        if (threads % shares || shares > panels) continue;
        const int64_t tiles = parts_of(parts_of(c->tiles.all, grain), threads / shares) * grain,
                      channels = parts_of(panels, shares) * c->width;
        int64_t cost = tiles * (PRODUCTS * channels + INPUT) + FILTER * channels;
        if (threads > 1 && TN_TILE_IN * c->in_c * channels > MOST_FILTERS / threads) cost = INT64_MAX - shares;
        if (cost >= least) continue;
        least = cost;
        c->tile_shares = threads / shares;
        c->channel_shares = shares;
        c->most_channels = TN_MIN(channels, c->out_c);
    }
}

static cut cut_of(const tn_conv_desc *d, const tn_conv_size *size, int isa)
{
    const tn_conv_isa *t = TN_ISA_PICK(tn_isa_conv, isa);
    cut c = shape_of(d->kind, size);
    if (d->pools) tn_tiles_cut(&c.tiles, d->pool.out[0], d->pool.out[1]);
    c.width = TN_CONV_VECS * t->vl;
    divide(&c, TN_MAX(d->threads, 1), t->rows);
    c.chunk = TN_MAX(MOST_SPACE / (TN_TILE_IN * (c.in_c + c.width)) / t->rows, LEAST_PIECES) * t->rows;
    c.filter_apart = c.in_c * c.most_channels + TN_TILE_SHIFT;
    c.filter = (size_t)(TN_TILE_IN * c.filter_apart) * sizeof(float);
    c.in = (size_t)(TN_TILE_IN * (c.chunk * c.in_c + TN_TILE_SHIFT)) * sizeof(float);
    c.each = tn_round64(c.filter + c.in + (size_t)c.chunk * TN_TILE_OUT * sizeof(float *) +
                        (size_t)(TN_TILE_IN * (c.chunk * c.width + TN_TILE_SHIFT) + c.in_c) * sizeof(float));
    return c;
}

bool tn_conv_is_winograd(const tn_conv_desc *d, const tn_conv_size *s)
{
    if (d->kind == TN_CONV_BACKWARD_FILTER || !tn_tiles_fit(d, s)) return false;
    tn_conv_desc bare = *d;
    bare.pools = false;
    const cut c = cut_of(&bare, s, tn_isa_level_now());
    const int64_t pairs = c.in_c * c.out_c;
    const bool pays = c.tiles.all >= TN_MAX(LEAST_TILES, pairs / TILE_PAYS) &&
                      (double)(TN_TILE_IN * c.tiles.all) * (double)pairs >= LEAST_PRODUCTS;
    return pays && pairs <= MOST_PAIRS && tn_tiles_are_full(&c.tiles);
}

size_t tn_conv_winograd_scratch(const tn_conv_desc *d, const tn_conv_size *s, int isa)
{
    return cut_of(d, s, isa).each * (size_t)TN_MAX(d->threads, 1);
}

/* ==== one share ==== */

typedef struct work {
    cut c;
    const tn_conv_isa *piece;
    const tn_winograd_isa *t;
    tn_winograd_filter filter;
    tn_winograd_end end;
    const float *bias;
    float *out;
} work;

typedef struct share {
    int64_t from_tile, to_tile, from, to; /* from, to: channels */
    float *u;                             /* the filter transformed: [16, panels, in_c, width] */
    float *v, *m, *zeros, **to_places;    /* a chunk's tiles transformed, their products, where results go */
} share;

static void transform_filter(const work *w, const share *s)
{
    const int64_t in_c = w->c.in_c, vl = w->t->vl;
    for (int64_t col = s->from; col < s->to; col += w->c.width) {
        const int64_t width = TN_MIN(w->c.width, s->to - col);
        for (int64_t i = 0; i < in_c; i++)
            for (int64_t v = 0; v < width; v += vl) {
                tn_winograd_filter f = w->filter;
                f.taps += i * f.in + (col + v) * f.out;
                w->t->filter(&f, s->u + (col - s->from) * in_c + i * width + v, w->c.filter_apart);
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

/* Then all results there are NaN. */
static bool window_has_nan(const work *w, int64_t image, int64_t y, int64_t x)
{
    for (int k = 0; k < 9; k++) {
        const float *in = tn_tile_number(&w->c.tiles, image, y - w->c.tiles.top + k / 3, x - w->c.tiles.left + k % 3);
        for (int64_t i = 0; in && i < w->c.in_c; i++)
            if (isnan(in[i])) return true;
    }
    return false;
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
    bool wanted[TN_TILE_OUT], nan[TN_TILE_OUT];
    for (int i = 0; i < TN_TILE_OUT; i++) {
        wanted[i] = to[i] || w->end.pools;
        nan[i] = wanted[i] && window_has_nan(w, p.image, p.y + i / 2, p.x + i % 2);
    }
    for (int64_t j = 0; j < width; j++) {
        float y[TN_TILE_OUT] = {0};
        for (int i = 0; i < TN_TILE_OUT; i++)
            if (nan[i]) y[i] = NAN;
            else if (wanted[i]) y[i] = ended(&w->end, plain_sum(w, p.image, p.y + i / 2, p.x + i % 2, col + j));
        if (w->end.pools) y[0] = pooled(&w->end, y);
        for (int i = 0; i < TN_TILE_OUT; i++)
            if (to[i]) to[i][j] = y[i];
    }
}

/* ---- chunks ---- */

typedef struct chunk {
    tn_tile first;
    int64_t tiles, in_apart;
} chunk;

/* Channels that go through the products together. */
typedef struct panel {
    int64_t col, width, apart;
} panel;

static void products(const work *w, const share *s, const chunk *k, const panel *q)
{
    const int64_t in_c = w->c.in_c;
    for (int i = 0; i < TN_TILE_IN; i++) {
        const float *v = s->v + i * k->in_apart;
        tn_conv_piece p = {.segs = &v, .n_segs = 1, .length = in_c, .step = in_c, .out_step = q->width,
                           .panel = s->u + i * w->c.filter_apart + (q->col - s->from) * in_c, .cols = (int)q->width};
        for (int64_t t = 0; t < k->tiles; t += w->piece->rows) {
            p.at = t * in_c;
            p.out = s->m + i * q->apart + t * q->width;
            w->piece->piece(&p, (int)TN_MIN(w->piece->rows, k->tiles - t));
        }
    }
}

static void finish(const work *w, const share *s, const chunk *k, const panel *q)
{
    tn_winograd_end end = w->end;
    float **to = s->to_places;
    tn_tile p = k->first;
    end.bias = w->bias ? w->bias + q->col : NULL;
    for (int64_t i = 0; i < k->tiles; i++, p = tn_tile_next(&w->c.tiles, p))
        places_of_results(w, p, q->col, to + i * TN_TILE_OUT);
    if (w->t->output(&end, s->m, q->apart, q->width, to, k->tiles)) return;
    p = k->first;
    for (int64_t i = 0; i < k->tiles; i++, p = tn_tile_next(&w->c.tiles, p), to += TN_TILE_OUT)
        if (!w->t->output(&end, s->m + i * q->width, q->apart, q->width, to, 1)) plain_tile(w, p, q->col, q->width, to);
}

static void one_chunk(const work *w, const share *s, const chunk *k)
{
    const cut *c = &w->c;
    tn_tile p = k->first;
    for (int64_t i = 0; i < k->tiles; i++, p = tn_tile_next(&c->tiles, p))
        tn_tile_transform(&c->tiles, p, w->t, s->zeros, s->v + i * c->in_c, k->in_apart);
    for (int64_t col = s->from; col < s->to; col += c->width) {
        panel q = {.col = col, .width = TN_MIN(c->width, s->to - col)};
        q.apart = k->tiles * q.width + TN_TILE_SHIFT;
        products(w, s, k, &q);
        finish(w, s, k, &q);
    }
}

static share share_of(const work *w, int which, float *space)
{
    const cut *c = &w->c;
    share s = {.u = space};
    s.v = s.u + c->filter / sizeof(float);
    s.m = s.v + c->in / sizeof(float);
    s.zeros = s.m + TN_TILE_IN * (c->chunk * c->width + TN_TILE_SHIFT);
    s.to_places = (float **)(void *)(s.zeros + c->in_c);
    tn_share(c->tiles.all, w->piece->rows, which / c->channel_shares, c->tile_shares, &s.from_tile, &s.to_tile);
    tn_share(c->out_c, c->width, which % c->channel_shares, c->channel_shares, &s.from, &s.to);
    return s;
}

static void one_share(const work *w, int which, float *space)
{
    const cut *c = &w->c;
    const share s = share_of(w, which, space);
    const int chunks = (int)parts_of(s.to_tile - s.from_tile, c->chunk);
    if (chunks == 0) return;
    memset(s.zeros, 0, (size_t)c->in_c * sizeof(float));
    transform_filter(w, &s);
    for (int i = 0; i < chunks; i++) {
        int64_t from, to;
        tn_share(s.to_tile - s.from_tile, w->piece->rows, i, chunks, &from, &to);
        const chunk k = {tn_tile_at(&c->tiles, s.from_tile + from), to - from,
                         (to - from) * c->in_c + TN_TILE_SHIFT};
        one_chunk(w, &s, &k);
    }
}

/* ==== all of it ==== */

static void team_part(const work *w, float *space, int me, int parts)
{
    const int shares = w->c.tile_shares * w->c.channel_shares;
    for (int i = me; i < shares; i += parts) one_share(w, i, space + (size_t)me * (w->c.each / sizeof(float)));
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
              .filter = filter_of(d->kind, s, a->packed ? a->packed : a->filter),
              .out = forward ? a->out : a->in,
              .bias = forward && d->bias ? a->bias : NULL};
    if (forward)
        w.end = (tn_winograd_end){.relu = tn_conv_tile_does_act(d->act) && d->act != TN_ACT_NONE,
                                  .most = d->act == TN_ACT_RELU6 ? 6 : INFINITY, .pools = d->pools,
                                  .pool = d->pool.kind};
    w.c.tiles.in = forward ? a->in : a->out;
    const double products = TN_TILE_IN * (double)w.c.tiles.all * (double)w.c.in_c * (double)w.c.out_c;
    const int threads = tn_team(d->threads, products / 4);
    if (threads == 1) {
        team_part(&w, a->scratch, 0, 1);
        return;
    }
#pragma omp parallel num_threads(threads)
    team_part(&w, a->scratch, omp_get_thread_num(), omp_get_num_threads());
}
