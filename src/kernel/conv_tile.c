/* SPDX-License-Identifier: Apache-2.0
 *
 * conv_tile.c - our own forward convolutions of floats: of images with very few channels, the first layer of a network,
 * where the library spends its time on the channels that are not there; and those that a pool follows, which is done
 * while its input is in the first cache. A row of results is a matrix product in which the rows of the left factor are
 * windows of the image where they lie. Nothing is rearranged but the filter, once, and rows that need a border, as
 * they come.
 *
 * Work goes by bands: the few rows of results that a row of the pool covers, or that are enough for the filter to be
 * worth fetching.
 */
#include "conv.h"
#include "isa_conv.h"
#include "pool.h"

#include <math.h>
#include <omp.h>

enum { MOST_SEGS = 64, MOST_ROWS = 64, LEAST_RESULTS = 8, BAND_RESULTS = 48, THIN = 2,
       MOST_SPACE = 1 << 18 }; /* floats of rows with border, which should stay in the second cache */

/* Images of [in_h, in_w, in_c] to [out_h, out_w, out_c]. */
typedef struct shape {
    int64_t batch, in_h, in_w, in_c, out_h, out_w, out_c;
    int64_t filter_h, filter_w, stride_h, stride_w, dilation_h, dilation_w, top, left;
} shape;

typedef struct cut {
    shape s;
    int64_t n_segs, length, wide; /* wide: columns a row of windows covers */
    bool border;                  /* rows are copied, with zeros on both sides */
    int64_t band, bands, slots;   /* rows in a band; bands in an image; rows of an image a band needs */
    int64_t panels, panel_floats;
    size_t packed, row, pooled, each; /* bytes: of the filter, a row with border, a band before pooling, a thread's */
} cut;

/* ==== sizes ==== */

static shape shape_of(const tn_conv_size *s)
{
    return (shape){.batch = s->batch, .in_h = s->in[1], .in_w = s->in[2], .in_c = s->in_c, .out_h = s->out[1],
                   .out_w = s->out[2], .out_c = s->out_c, .filter_h = s->filter[1], .filter_w = s->filter[2],
                   .stride_h = s->stride[1], .stride_w = s->stride[2], .dilation_h = s->dilation[1],
                   .dilation_w = s->dilation[2], .top = s->pad[1], .left = s->pad[2]};
}

static cut cut_of(const tn_conv_desc *d, const tn_conv_size *size, int isa)
{
    const int64_t vl = TN_ISA_PICK(tn_isa_conv, isa)->vl;
    cut c = {.s = shape_of(size)};
    const shape *s = &c.s;
    const bool apart = s->dilation_w > 1 && s->filter_w > 1;
    c.n_segs = apart ? s->filter_h * s->filter_w : s->filter_h;
    c.length = apart ? s->in_c : s->filter_w * s->in_c;
    c.wide = (s->out_w - 1) * s->stride_w + (s->filter_w - 1) * s->dilation_w + 1;
    c.border = s->left > 0 || c.wide > s->in_w;
    c.band = TN_MIN(d->pools ? d->pool.window[0] : TN_MAX(BAND_RESULTS / s->out_w, 1), s->out_h);
    c.bands = d->pools ? d->pool.out[0] : (s->out_h + c.band - 1) / c.band;
    c.slots = (c.band - 1) * s->stride_h + (s->filter_h - 1) * s->dilation_h + 1;
    c.panels = (s->out_c + TN_CONV_VECS * vl - 1) / (TN_CONV_VECS * vl);
    c.panel_floats = c.n_segs * c.length * TN_CONV_VECS * vl;
    c.packed = tn_round64((size_t)(c.n_segs * c.length * ((s->out_c + vl - 1) / vl * vl)) * sizeof(float));
    c.row = tn_round64((size_t)TN_MAX(c.wide, s->in_w) * (size_t)s->in_c * sizeof(float));
    c.pooled = d->pools ? (size_t)(c.band * s->out_w * s->out_c) * sizeof(float) : 0;
    c.each = tn_round64(c.pooled) + c.row * (size_t)(c.border ? c.slots + 1 : 1);
    return c;
}

/* With a pool: where pieces are long enough to be as fast as the library. */
static bool gains(const tn_conv_desc *d, const cut *c, int rows)
{
    const int64_t pieces = (c->s.out_w + rows - 1) / rows;
    return c->s.in_c <= THIN || (d->pools && c->s.in_c >= 16 && 3 * c->s.out_w >= 2 * pieces * rows);
}

bool tn_conv_is_tiled(const tn_conv_desc *d, const tn_conv_size *s)
{
    if (d->kind != TN_CONV_FORWARD || d->dtype != TN_FLOAT || d->portable || d->groups != 1 || d->spatial > 2 ||
        s->in_count == 0 || s->out_count == 0)
        return false;
    const int isa = tn_isa_level_now();
    const cut c = cut_of(d, s, isa);
    const double space = (double)TN_MAX(c.wide, c.s.in_w) * (double)c.s.in_c * (double)c.slots;
    return gains(d, &c, TN_ISA_PICK(tn_isa_conv, isa)->rows) && c.s.out_c >= LEAST_RESULTS && c.n_segs <= MOST_SEGS &&
           c.slots <= MOST_ROWS && space <= MOST_SPACE;
}

size_t tn_conv_tiled_packed(const tn_conv_desc *d, const tn_conv_size *s, int isa)
{
    return cut_of(d, s, isa).packed;
}

size_t tn_conv_tiled_scratch(const tn_conv_desc *d, const tn_conv_size *s, int isa)
{
    const cut c = cut_of(d, s, isa);
    return c.packed + c.each * (size_t)TN_MAX(d->threads, 1);
}

/* ==== the filter ==== */

/* Rows [from, to) of the filter as a matrix [n_segs * length, out_c], in panels. */
static void pack_rows(const cut *c, int vl, const float *filter, float *packed, int64_t from, int64_t to)
{
    for (int64_t p = 0; p < c->panels; p++) {
        const int64_t col = p * TN_CONV_VECS * vl, cols = TN_MIN(c->s.out_c - col, TN_CONV_VECS * vl),
                      width = (cols + vl - 1) / vl * vl;
        for (int64_t k = from; k < to; k++) {
            float *line = packed + p * c->panel_floats + k * width;
            const float *row = filter + k * c->s.out_c + col;
            for (int64_t i = 0; i < width; i++) line[i] = i < cols ? row[i] : 0;
        }
    }
}

void tn_conv_tiled_pack(const tn_conv_desc *d, const tn_conv_size *s, int isa, const void *filter, void *packed)
{
    const cut c = cut_of(d, s, isa);
    pack_rows(&c, TN_ISA_PICK(tn_isa_conv, isa)->vl, filter, packed, 0, c.n_segs * c.length);
}

/* ==== one thread's part ==== */

typedef struct work {
    cut c;
    const tn_conv_desc *d;
    const tn_conv_isa *t;
    const tn_pool_isa *pool;
    const float *in, *bias, *packed;
    float *out;
} work;

/* The rows of an image that a thread looks at. */
typedef struct rows {
    const work *w;
    const float *image;
    float *zeros, *ring; /* ring: rows with border; slot y % slots holds row held[y % slots] */
    int64_t held[MOST_ROWS];
} rows;

static void rows_begin(rows *r, const work *w, float *space)
{
    const size_t bytes = w->c.row * (size_t)(w->c.border ? w->c.slots + 1 : 1);
    memset(space, 0, bytes);
    *r = (rows){.w = w, .zeros = space, .ring = space + w->c.row / sizeof(float)};
}

static void rows_of_image(rows *r, int64_t image)
{
    const shape *s = &r->w->c.s;
    r->image = r->w->in + image * s->in_h * s->in_w * s->in_c;
    for (int64_t i = 0; i < r->w->c.slots; i++) r->held[i] = -1;
}

/* Row y from the left end of the first window on. */
static const float *row_at(rows *r, int64_t y)
{
    const cut *c = &r->w->c;
    const int64_t width = c->s.in_w * c->s.in_c;
    if (y < 0 || y >= c->s.in_h) return r->zeros;
    const float *row = r->image + y * width;
    if (!c->border) return row;
    const int64_t slot = y % c->slots;
    float *copy = r->ring + slot * (int64_t)(c->row / sizeof(float));
    if (r->held[slot] != y) {
        const int64_t room = c->wide * c->s.in_c - c->s.left * c->s.in_c;
        if (room > 0) memcpy(copy + c->s.left * c->s.in_c, row, (size_t)TN_MIN(width, room) * sizeof *copy);
        r->held[slot] = y;
    }
    return copy;
}

/* Results of row y for one panel, in pieces of nearly one size. */
static void one_row(rows *r, int64_t y, int64_t panel, float *out)
{
    const work *w = r->w;
    const shape *s = &w->c.s;
    const float *segs[MOST_SEGS];
    const int64_t col = panel * TN_CONV_VECS * w->t->vl;
    for (int64_t i = 0, per = w->c.n_segs / s->filter_h; i < w->c.n_segs; i++)
        segs[i] = row_at(r, y * s->stride_h - s->top + i / per * s->dilation_h) + i % per * s->dilation_w * s->in_c;
    tn_conv_piece p = {.segs = segs, .n_segs = w->c.n_segs, .length = w->c.length, .step = s->stride_w * s->in_c,
                       .panel = w->packed + panel * w->c.panel_floats, .bias = w->bias ? w->bias + col : NULL,
                       .out_step = s->out_c, .cols = (int)TN_MIN(TN_CONV_VECS * w->t->vl, s->out_c - col),
                       .relu = tn_conv_tile_does_act(w->d->act) && w->d->act != TN_ACT_NONE,
                       .most = w->d->act == TN_ACT_RELU6 ? 6 : INFINITY};
    const int64_t pieces = (s->out_w + w->t->rows - 1) / w->t->rows;
    for (int64_t i = 0; i < pieces; i++) {
        int64_t from, to;
        tn_share(s->out_w, 1, (int)i, (int)pieces, &from, &to);
        p.at = from * p.step;
        p.out = out + from * s->out_c + col;
        w->t->piece(&p, (int)(to - from));
    }
}

/* Rows of the image that the next band will be the first to need are on their way meanwhile. */
static void fetch_ahead(const rows *r, int64_t image, int64_t y)
{
    const shape *s = &r->w->c.s;
    const int64_t width = s->in_w * s->in_c, first = image * s->in_h + y * s->stride_h - s->top + r->w->c.slots;
    const int64_t from = TN_MAX(first, 0) * width,
                  to = TN_MIN(first + r->w->c.band * s->stride_h, s->batch * s->in_h) * width;
    for (int64_t i = from; i < to; i += 64 / (int64_t)sizeof(float)) __builtin_prefetch(r->w->in + i, 0, 2);
}

static void pool_band(const work *w, float *band, int64_t height, float *out)
{
    tn_pool_desc d = w->d->pool;
    d.batch = d.out[0] = 1;
    d.in[0] = height;
    (d.kind == TN_POOL_MAX ? w->pool->f32.max_rows : w->pool->f32.avg_rows)(&d, band, out, 0, 1);
}

static void one_band(rows *r, int64_t image, int64_t band, float *pooled)
{
    const work *w = r->w;
    const shape *s = &w->c.s;
    const tn_pool_desc *pool = &w->d->pool;
    const int64_t line = s->out_w * s->out_c, y0 = band * (pooled ? pool->stride[0] : w->c.band),
                  y1 = TN_MIN(y0 + w->c.band, s->out_h);
    float *to = pooled ? pooled : w->out + (image * s->out_h + y0) * line;
    fetch_ahead(r, image, y0);
    for (int64_t p = 0; p < w->c.panels; p++)
        for (int64_t y = y0; y < y1; y++) one_row(r, y, p, to + (y - y0) * line);
    if (pooled)
        pool_band(w, pooled, y1 - y0, w->out + (image * pool->out[0] + band) * pool->out[1] * s->out_c);
}

static void part(const work *w, float *space, int part, int parts)
{
    const cut *c = &w->c;
    float *mine = space + (size_t)part * (c->each / sizeof(float)), *pooled = w->d->pools ? mine : NULL;
    int64_t from, to;
    rows r;
    tn_share(c->s.batch * c->bands, 1, part, parts, &from, &to);
    rows_begin(&r, w, mine + tn_round64(c->pooled) / sizeof(float));
    for (int64_t i = from, image = -1; i < to; i++) {
        if (i / c->bands != image) rows_of_image(&r, image = i / c->bands);
        one_band(&r, image, i % c->bands, pooled);
    }
}

bool tn_conv_tile_does_act(tn_act act)
{
    return act == TN_ACT_NONE || act == TN_ACT_RELU || act == TN_ACT_RELU6;
}

/* ==== all of it ==== */

static void team_part(const work *w, const float *filter, float *packed, float *space, int me, int parts)
{
    int64_t from, to;
    if (filter) {
        tn_share(w->c.n_segs * w->c.length, 1, me, parts, &from, &to);
        pack_rows(&w->c, w->t->vl, filter, packed, from, to);
        if (parts > 1) {
#pragma omp barrier
        }
    }
    part(w, space, me, parts);
}

void tn_conv_tiled(const tn_conv_desc *d, const tn_conv_size *s, int isa, const tn_conv_args *a)
{
    work w = {.c = cut_of(d, s, isa), .d = d, .t = TN_ISA_PICK(tn_isa_conv, isa), .pool = TN_ISA_PICK(tn_isa_pool, isa),
              .in = a->in, .bias = d->bias ? a->bias : NULL, .out = a->out,
              .packed = a->packed ? a->packed : a->scratch};
    const float *filter = a->packed ? NULL : a->filter;
    float *packed = a->scratch, *space = packed + w.c.packed / sizeof(float);
    const double products = (double)s->out_count * (double)(s->filter_count / s->out_c);
    const int threads = tn_team(d->threads, products / 8);
    if (threads == 1) {
        team_part(&w, filter, packed, space, 0, 1);
        return;
    }
#pragma omp parallel num_threads(threads)
    team_part(&w, filter, packed, space, omp_get_thread_num(), omp_get_num_threads());
}
