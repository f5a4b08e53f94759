/* SPDX-License-Identifier: Apache-2.0
 *
 * conv_winograd_filter.c - gradients by filters of 3 x 3, of floats: conv_winograd.c's algorithm transposed. Tiles of
 * the input and of the gradient are transformed, 16 matrix products sum over them, and their results are transformed
 * back.
 *
 * Each thread sums its own tiles, and the threads' sums are added in their order. What is not finite may be the
 * transforms' doing: who called is told, and has it done in another way.
 */
#include "isa_gemm.h"
#include "winograd.h"

#include <omp.h>

enum { LEAST_TILES = 256, LEAST_CHUNK = 32, MOST_CHUNK = 96,
       MOST_PAIRS = 1 << 17,    /* of channels, whose sums are read and written in each chunk */
       MOST_SPACE = 96 << 10 }; /* floats of a thread's transformed tiles */

typedef struct cut {
    tn_tiles tiles;
    int64_t in_c, out_c;
    int64_t chunk;             /* tiles that a thread transforms at once, at most */
    int64_t sum_apart, floats; /* sum_apart: of the 16 products; floats: of a thread's space */
} cut;

static cut cut_of(const tn_conv_size *s)
{
    cut c = {.tiles = tn_tiles_of(s), .in_c = s->in_c, .out_c = s->out_c};
    c.sum_apart = c.in_c * c.out_c + TN_TILE_SHIFT;
    c.chunk = TN_MIN(TN_MAX(MOST_SPACE / (TN_TILE_IN * (c.in_c + c.out_c)), LEAST_CHUNK), MOST_CHUNK);
    const int64_t tiles = c.chunk * (c.in_c + c.out_c) + 2 * TN_TILE_SHIFT;
    c.floats = TN_TILE_IN * (c.sum_apart + tiles) + TN_MAX(c.in_c, c.out_c);
    return c;
}

bool tn_conv_is_winograd_filter(const tn_conv_desc *d, const tn_conv_size *s)
{
    if (d->kind != TN_CONV_BACKWARD_FILTER || d->bias || !tn_tiles_fit(d, s)) return false;
    const tn_tiles t = tn_tiles_of(s);
    return t.all >= LEAST_TILES && s->in_c * s->out_c <= MOST_PAIRS && tn_tiles_are_full(&t);
}

size_t tn_conv_winograd_filter_scratch(const tn_conv_desc *d, const tn_conv_size *s)
{
    return (size_t)cut_of(s).floats * sizeof(float) * (size_t)TN_MAX(d->threads, 1);
}

/* ==== one thread's part ==== */

typedef struct work {
    cut c;
    const tn_gemm_type *gemm;
    const tn_winograd_isa *t;
    const float *grad;
    float *space, *filter;
} work;

typedef struct chunk {
    tn_tile first;
    int64_t tiles, v_apart, g_apart;
    float *sum, *v, *g, *zeros;
    bool add;
} chunk;

static void transform_gradient(const work *w, tn_tile p, const chunk *k, float *g)
{
    const tn_tiles *t = &w->c.tiles;
    const float *at[TN_TILE_OUT];
    for (int i = 0; i < TN_TILE_OUT; i++) {
        const int64_t y = p.y + i / 2, x = p.x + i % 2, pixel = (p.image * t->out_h + y) * t->out_w + x;
        at[i] = y < t->out_h && x < t->out_w ? w->grad + pixel * w->c.out_c : k->zeros;
    }
    w->t->gradient(at, w->c.out_c, g, k->g_apart);
}

static void products(const work *w, const chunk *k)
{
    const cut *c = &w->c;
    const int64_t vecs = c->out_c / w->gemm->vl, panels = (vecs + w->gemm->vecs - 1) / w->gemm->vecs,
                  width = (vecs + panels - 1) / panels * w->gemm->vl;
    for (int i = 0; i < TN_TILE_IN; i++)
        for (int64_t col = 0; col < c->out_c; col += width) {
            const int64_t cols = TN_MIN(width, c->out_c - col);
            w->gemm->strip(&(tn_gemm_strip){
                .m = c->in_c, .k = k->tiles, .cols = (int)cols, .vecs = (int)(cols / w->gemm->vl),
                .a = k->v + i * k->v_apart, .a_row = 1, .a_col = c->in_c, .b = k->g + i * k->g_apart + col,
                .b_row = c->out_c, .b_padded = true, .c = k->sum + i * c->sum_apart + col, .c_row = c->out_c,
                .add = k->add});
        }
}

static void one_chunk(const work *w, const chunk *k)
{
    const cut *c = &w->c;
    tn_tile p = k->first;
    for (int64_t i = 0; i < k->tiles; i++, p = tn_tile_next(&c->tiles, p)) {
        tn_tile_transform(&c->tiles, p, w->t, k->zeros, k->v + i * c->in_c, k->v_apart);
        transform_gradient(w, p, k, k->g + i * c->out_c);
    }
    products(w, k);
}

/* The sums over one share of the tiles, at the beginning of the thread's space. */
static void sum_part(const work *w, int me, int parts)
{
    const cut *c = &w->c;
    int64_t from, to;
    chunk k = {.sum = w->space + me * c->floats};
    k.v = k.sum + TN_TILE_IN * c->sum_apart;
    k.g = k.v + TN_TILE_IN * (c->chunk * c->in_c + TN_TILE_SHIFT);
    k.zeros = k.g + TN_TILE_IN * (c->chunk * c->out_c + TN_TILE_SHIFT);
    memset(k.zeros, 0, (size_t)TN_MAX(c->in_c, c->out_c) * sizeof(float));
    tn_share(c->tiles.all, 1, me, parts, &from, &to);
    const int chunks = (int)((to - from + c->chunk - 1) / c->chunk);
    for (int i = 0; i < chunks; i++, k.add = true) {
        int64_t a, b;
        tn_share(to - from, 1, i, chunks, &a, &b);
        k.first = tn_tile_at(&c->tiles, from + a);
        k.tiles = b - a;
        k.v_apart = k.tiles * c->in_c + TN_TILE_SHIFT;
        k.g_apart = k.tiles * c->out_c + TN_TILE_SHIFT;
        one_chunk(w, &k);
    }
}

/* Input channels of the filter, from all threads' sums. false: not all are finite. */
static bool filter_part(const work *w, int me, int parts)
{
    const cut *c = &w->c;
    const int64_t tap = c->in_c * c->out_c;
    bool finite = true;
    int64_t from, to;
    tn_share(c->in_c, 1, me, parts, &from, &to);
    for (int64_t i = from * c->out_c; i < to * c->out_c; i += w->t->vl) {
        const tn_winograd_sums s = {.sum = w->space + i, .apart = c->sum_apart, .parts = parts,
                                    .parts_apart = c->floats};
        finite = w->t->filter_gradient(&s, w->filter + i, tap) && finite;
    }
    return finite;
}

/* ==== all of it ==== */

bool tn_conv_winograd_filter(const tn_conv_desc *d, const tn_conv_size *s, int isa, const tn_conv_args *a)
{
    work w = {.c = cut_of(s), .gemm = &TN_ISA_PICK(tn_isa_gemm, isa)->f32, .t = TN_ISA_PICK(tn_isa_winograd, isa),
              .grad = a->out, .space = a->scratch, .filter = a->filter};
    w.c.tiles.in = a->in;
    bool finite = true;
    const int threads = (int)TN_MIN(tn_team(d->threads, (double)w.c.tiles.all * (double)(s->in_c * s->out_c)),
                                    w.c.tiles.all / LEAST_CHUNK);
#pragma omp parallel num_threads(threads) reduction(&& : finite) if (threads > 1)
    {
        const int me = omp_get_thread_num(), parts = omp_get_num_threads();
        sum_part(&w, me, parts);
#pragma omp barrier
        finite = filter_part(&w, me, parts);
    }
    return finite;
}
