/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_winograd.h - the transforms of conv_winograd.c, one table per level of instructions. They work on vectors of
 * channels, which lie side by side; numbers of channels are multiples of a vector's.
 */
#ifndef TN_ISA_WINOGRAD_H
#define TN_ISA_WINOGRAD_H

#include "isa.h"

/* A tile is 4 x 4 numbers of a channel, of which its filter makes 2 x 2; transformed ones are in 16 places that lie
 * `apart` floats from each other. */
enum { TN_TILE_IN = 16, TN_TILE_OUT = 4 };

/* Where the nine numbers of a filter are: floats from tap to tap, from input channel to input channel, and from output
 * channel to output channel. */
typedef struct tn_winograd_filter {
    const float *taps;
    int64_t tap, in, out;
} tn_winograd_filter;

/* How results are finished: pooled ones are one a tile, written to the first place of four. */
typedef struct tn_winograd_end {
    const float *bias; /* of the first channel; NULL: none */
    bool relu;
    float most; /* with relu: INFINITY, or 6 */
    bool pools;
    tn_pool_kind pool; /* of two by two */
} tn_winograd_end;

/* Transformed gradients by a filter: the same of several parts of the tiles, to be added. */
typedef struct tn_winograd_sums {
    const float *sum;
    int64_t apart;
    int parts;
    int64_t parts_apart;
} tn_winograd_sums;

typedef struct tn_winograd_isa {
    int vl; /* floats in a vector */
    /* One vector of output channels for one input channel. */
    void (*filter)(const tn_winograd_filter *f, float *u, int64_t apart);
    /* at: where each of the 16 numbers has its channels. */
    void (*input)(const float *const *at, int64_t channels, float *v, int64_t apart);
    /* `channels` channels of tiles, whose transformed results are rows of as many. to: four places a tile, NULL for
     * what isn't wanted. false: some aren't finite, which may be the transforms' doing. */
    bool (*output)(const tn_winograd_end *e, const float *m, int64_t apart, int64_t channels, float *const *to,
                   int64_t tiles);
    /* at: where each of a tile's four gradients has its channels. */
    void (*gradient)(const float *const *at, int64_t channels, float *g, int64_t apart);
    /* One vector of output channels: nine numbers, `tap` floats apart. false: some aren't finite. */
    bool (*filter_gradient)(const tn_winograd_sums *s, float *filter, int64_t tap);
} tn_winograd_isa;
TN_ISA_TABLES(tn_winograd_isa, tn_isa_winograd);

#endif
