/* SPDX-License-Identifier: Apache-2.0
 *
 * pool.h - the parts of a pooling for one element type: rows of results forward, an image backward.
 */
#ifndef TN_POOL_H
#define TN_POOL_H

#include "isa.h"

typedef struct tn_pool_type {
    /* Output rows [from, to), counted over all images. */
    void (*max_rows)(const tn_pool_desc *d, const void *in, void *out, int64_t from, int64_t to);
    void (*avg_rows)(const tn_pool_desc *d, const void *in, void *out, int64_t from, int64_t to);
    /* Images [from, to). */
    void (*max_back)(const tn_pool_desc *d, const void *in, const void *grad, void *grad_in, int64_t from,
                     int64_t to);
    void (*avg_back)(const tn_pool_desc *d, const void *grad, void *grad_in, int64_t from, int64_t to);
    /* One output row with the places of the maxima, within the image. */
    void (*max_args)(const tn_pool_desc *d, const void *in, void *out, int64_t *args, int64_t from,
                     int64_t to);
} tn_pool_type;

typedef struct tn_pool_isa {
    tn_pool_type f32;
} tn_pool_isa;
TN_ISA_TABLES(tn_pool_isa, tn_isa_pool);

/* The part of the input a window covers: rows [y0, y1), columns [x0, x1). */
typedef struct tn_window {
    int64_t y0, y1, x0, x1;
} tn_window;
static inline tn_window tn_window_at(const tn_pool_desc *d, int64_t oy, int64_t ox)
{
    const int64_t y = oy * d->stride[0] - d->pad_lo[0], x = ox * d->stride[1] - d->pad_lo[1];
    return (tn_window){TN_MAX(y, 0), TN_MIN(y + d->window[0], d->in[0]), TN_MAX(x, 0),
                       TN_MIN(x + d->window[1], d->in[1])};
}

#endif
