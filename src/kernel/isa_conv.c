/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_conv.c - the table of isa_conv.h for one level of instructions. The accumulators of a piece and what it
 * multiplies fill the registers. Each result is summed in one order, however the pieces are cut.
 */
#include "isa_conv.h"

#if defined(__AVX512F__) || defined(__aarch64__)
#define ROWS 12
#else
#define ROWS 6
#endif

typedef float vec __attribute__((vector_size(VBYTES), aligned(4), may_alias));
enum { VL = VBYTES / sizeof(float), GROUP = 3, GROUPS = (ROWS + GROUP - 1) / GROUP, AHEAD = 16 };

static inline __attribute__((always_inline)) vec finished(vec x, const tn_conv_piece *p)
{
    const vec most = (vec){0} + p->most;
    if (!p->relu) return x;
    x = (vec)((__typeof__(x < x))x & ~(x < (vec){0})); /* a NaN stays */
    const __typeof__(x < x) above = x > most;
    return (vec)((above & (__typeof__(x < x))most) | (~above & (__typeof__(x < x))x));
}

/* Results of the last panel may not fill its vectors. */
static inline __attribute__((always_inline)) void put(const tn_conv_piece *p, vec (*sum)[TN_CONV_VECS], int rows,
                                                      int vecs)
{
    float bias[TN_CONV_VECS * VL] = {0}, line[TN_CONV_VECS * VL];
    const bool whole = p->cols == vecs * VL;
    const float *b = p->bias ? p->bias : bias;
    if (p->bias && !whole) {
        memcpy(bias, p->bias, (size_t)p->cols * sizeof *bias);
        b = bias;
    }
    for (int i = 0; i < rows; i++) {
        float *out = p->out + i * p->out_step, *to = whole ? out : line;
        for (int v = 0; v < vecs; v++) *(vec *)(to + v * VL) = finished(sum[i][v] + *(const vec *)(b + v * VL), p);
        if (!whole) memcpy(out, line, (size_t)p->cols * sizeof *out);
    }
}

/* The compiler unrolls all of it: rows and vecs are constants. Rows are reached by threes from one pointer, so that
 * the pointers have registers too. */
static inline __attribute__((always_inline)) void tile(const tn_conv_piece *p, int rows, int vecs)
{
    const int64_t step = p->step, length = p->length;
    const float *panel = p->panel;
    vec sum[ROWS][TN_CONV_VECS];
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vecs; v++) sum[i][v] = (vec){0};
    for (int64_t s = 0; s < p->n_segs; s++) {
        const float *x[GROUPS];
        for (int g = 0; g * GROUP < rows; g++) x[g] = p->segs[s] + p->at + g * GROUP * step;
        for (int64_t k = 0; k < length; k++) {
            vec f[TN_CONV_VECS];
            for (int v = 0; v < vecs; v++) {
                f[v] = *(const vec *)(panel + v * VL);
                __builtin_prefetch(panel + (AHEAD * vecs + v) * VL);
            }
            for (int i = 0; i < rows; i++) {
                const float one = x[i / GROUP][i % GROUP * step];
                for (int v = 0; v < vecs; v++) sum[i][v] += one * f[v];
            }
            for (int g = 0; g * GROUP < rows; g++) x[g]++;
            panel += vecs * VL;
        }
    }
    put(p, sum, rows, vecs);
}

#define TILES(n)                             \
    static void tile##n(const tn_conv_piece *p) \
    {                                        \
        if (p->cols > VL)                    \
            tile(p, n, 2);                   \
        else                                 \
            tile(p, n, 1);                   \
    }
TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)
#if ROWS == 12
TILES(7)
TILES(8)
TILES(9)
TILES(10)
TILES(11)
TILES(12)
#endif

static void piece(const tn_conv_piece *p, int rows)
{
    static void (*const tiles[])(const tn_conv_piece *) = {
        tile1, tile2, tile3, tile4, tile5, tile6,
#if ROWS == 12
        tile7, tile8, tile9, tile10, tile11, tile12,
#endif
    };
    tiles[rows - 1](p);
}

const tn_conv_isa TN_ISA_SYM(tn_isa_conv) = {VL, ROWS, piece};
