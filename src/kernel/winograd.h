/* SPDX-License-Identifier: Apache-2.0
 *
 * winograd.h - images cut into tiles, for conv_winograd.c and conv_winograd_filter.c: which 4 x 4 numbers of the input
 * make which 2 x 2 results of a convolution whose filter is 3 x 3 and whose strides are one. Tiles are counted row by
 * row, image by image.
 */
#ifndef TN_WINOGRAD_H
#define TN_WINOGRAD_H

#include "conv.h"
#include "isa_winograd.h"

enum { TN_TILE_SHIFT = 16 }; /* floats more between the 16 places, which are not to fall on the same few cache lines */

typedef struct tn_tiles {
    const float *in;
    int64_t batch, in_h, in_w, in_c, out_h, out_w, top, left;
    int64_t rows, cols, all; /* tiles of an image; of all images */
} tn_tiles;

typedef struct tn_tile {
    int64_t image, y, x; /* of its first result */
} tn_tile;

static inline void tn_tiles_cut(tn_tiles *t, int64_t rows, int64_t cols)
{
    t->rows = rows;
    t->cols = cols;
    t->all = t->batch * rows * cols;
}

static inline tn_tiles tn_tiles_of(const tn_conv_size *s)
{
    tn_tiles t = {.batch = s->batch, .in_h = s->in[1], .in_w = s->in[2], .in_c = s->in_c, .out_h = s->out[1],
                  .out_w = s->out[2], .top = s->pad[1], .left = s->pad[2]};
    tn_tiles_cut(&t, (t.out_h + 1) / 2, (t.out_w + 1) / 2);
    return t;
}

/* Filters of 3 x 3 that move by one, between whole vectors of channels. */
static inline bool tn_tiles_fit(const tn_conv_desc *d, const tn_conv_size *s)
{
    const int vl = TN_ISA_PICK(tn_isa_winograd, tn_isa_level_now())->vl;
    bool fit = d->dtype == TN_FLOAT && !d->portable && s->groups == 1 && s->in_count > 0 && s->out_count > 0 &&
               s->in[0] == 1 && s->filter[0] == 1 && s->out[0] == 1 && s->pad[0] == 0 && s->in_c % vl == 0 &&
               s->out_c % vl == 0;
    for (int i = 1; i < 3; i++)
        fit = fit && s->filter[i] == 3 && s->stride[i] == 1 && s->dilation[i] == 1 && s->pad[i] <= 2;
    return fit;
}

/* Not many results are computed that aren't wanted. */
static inline bool tn_tiles_are_full(const tn_tiles *t)
{
    return 2 * TN_TILE_OUT * t->all <= 3 * t->batch * t->out_h * t->out_w;
}

static inline tn_tile tn_tile_at(const tn_tiles *t, int64_t i)
{
    const int64_t in_image = i % (t->rows * t->cols);
    return (tn_tile){i / (t->rows * t->cols), 2 * (in_image / t->cols), 2 * (in_image % t->cols)};
}

static inline tn_tile tn_tile_next(const tn_tiles *t, tn_tile p)
{
    if (p.x + 2 < 2 * t->cols) return (tn_tile){p.image, p.y, p.x + 2};
    if (p.y + 2 < 2 * t->rows) return (tn_tile){p.image, p.y + 2, 0};
    return (tn_tile){p.image + 1, 0, 0};
}

/* The channels at a place of the input; NULL: outside. */
static inline const float *tn_tile_number(const tn_tiles *t, int64_t image, int64_t y, int64_t x)
{
    const bool inside = y >= 0 && y < t->in_h && x >= 0 && x < t->in_w;
    return inside ? t->in + ((image * t->in_h + y) * t->in_w + x) * t->in_c : NULL;
}

/* A tile's input to 16 rows of in_c. */
static inline void tn_tile_transform(const tn_tiles *t, tn_tile p, const tn_winograd_isa *isa, const float *zeros,
                                     float *v, int64_t apart)
{
    const int64_t y = p.y - t->top, x = p.x - t->left;
    const bool within = y >= 0 && y + 4 <= t->in_h && x >= 0 && x + 4 <= t->in_w;
    const float *at[TN_TILE_IN], *first = within ? tn_tile_number(t, p.image, y, x) : NULL;
    for (int i = 0; i < TN_TILE_IN; i++) {
        at[i] = within ? first + (i / 4 * t->in_w + i % 4) * t->in_c : tn_tile_number(t, p.image, y + i / 4, x + i % 4);
        if (!at[i]) at[i] = zeros;
    }
    isa->input(at, t->in_c, v, apart);
}

#endif
