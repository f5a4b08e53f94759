/* SPDX-License-Identifier: Apache-2.0
 *
 * copy.c - the n-dimensional strided copy and what is made of it: transpose, slice, reverse, broadcast, tile.
 *
 * A prepared copy has its dimensions merged where both sides walk together, and sorted so that dst's smallest
 * stride is innermost. Three inner loops: runs that are contiguous on both sides; a transposition (src
 * contiguous along one dimension, dst along another) in blocks; and single elements with strides.
 */
#include <omp.h>

#include "isa.h"

enum { RUNS, TURN, ELEMENTS };

/* ---- prepare ---- */

static void swap_dims(tn_ncopy *p, int a, int b)
{
    int64_t t;
    t = p->dim[a], p->dim[a] = p->dim[b], p->dim[b] = t;
    t = p->src[a], p->src[a] = p->src[b], p->src[b] = t;
    t = p->dst[a], p->dst[a] = p->dst[b], p->dst[b] = t;
}

static void sort_by_dst(tn_ncopy *p)
{
    for (int i = 1; i < p->rank; i++)
        for (int j = i; j > 0 && p->dst[j] > p->dst[j - 1]; j--) swap_dims(p, j, j - 1);
}

static void merge_dims(tn_ncopy *p)
{
    int r = 0;
    for (int i = 0; i < p->rank; i++) {
        if (p->dim[i] == 1) continue;
        if (r > 0 && p->dst[r - 1] == p->dst[i] * p->dim[i] && p->src[r - 1] == p->src[i] * p->dim[i]) {
            p->dim[r - 1] *= p->dim[i];
            p->dst[r - 1] = p->dst[i];
            p->src[r - 1] = p->src[i];
            continue;
        }
        p->dim[r] = p->dim[i], p->src[r] = p->src[i], p->dst[r] = p->dst[i];
        r++;
    }
    if (r == 0) p->dim[0] = 1, p->src[0] = p->dst[0] = 1, r = 1;
    p->rank = r;
}

static int choose(tn_ncopy *p)
{
    const int last = p->rank - 1;
    if (p->dst[last] == 1 && p->src[last] == 1) return RUNS;
    if (p->dst[last] != 1 || p->elem == 16) return ELEMENTS;
    for (int i = last - 1; i >= 0; i--) {
        if (p->src[i] != 1 || p->dim[i] < 4 || p->dim[last] < 4) continue;
        for (; i < last - 1; i++) swap_dims(p, i, i + 1);
        return TURN;
    }
    return ELEMENTS;
}

tn_code tn_ncopy_prepare(int elem, int rank, const int64_t *dim, const int64_t *src, const int64_t *dst,
                         int threads, tn_ncopy *plan, tn_error *err)
{
    tn_ncopy p = {.elem = elem, .rank = rank, .count = 1};
    if (elem != 1 && elem != 2 && elem != 4 && elem != 8 && elem != 16)
        return tn_fail(err, TN_INVALID_ARGUMENT, "cannot copy elements of %d bytes", elem);
    if (rank < 0 || rank > 2 * TN_MAX_RANK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "cannot copy %d dimensions", rank);
    for (int i = 0; i < rank; i++) {
        if (dim[i] < 0 || __builtin_mul_overflow(p.count, dim[i], &p.count))
            return tn_fail(err, TN_INVALID_ARGUMENT, "cannot copy %lld elements along dimension %d",
                           (long long)dim[i], i);
        p.dim[i] = dim[i], p.src[i] = src[i], p.dst[i] = dst[i];
    }
    sort_by_dst(&p);
    merge_dims(&p);
    p.path = choose(&p);
    p.threads = tn_team(threads, (double)p.count * elem / 4);
    *plan = p;
    return TN_OK;
}

/* ---- run ---- */

typedef struct two {
    uint64_t w[2];
} two;

#define DEFINE_ELEM(name, T)                                                                         \
    static void strided_##name(int64_t n, int64_t from, int64_t to, const void *s, void *d)          \
    {                                                                                                \
        for (int64_t i = 0; i < n; i++) ((T *)d)[i * to] = ((const T *)s)[i * from];                 \
    }                                                                                                \
    /* d[i * d_row + j] = s[i + j * s_row], in squares that stay in the cache */                     \
    static void turn_##name(int64_t rows, int64_t cols, int64_t s_row, int64_t d_row, const void *s, \
                            void *d)                                                                 \
    {                                                                                                \
        const T *from = s;                                                                           \
        T *to = d;                                                                                   \
        for (int64_t j0 = 0; j0 < cols; j0 += 16)                                                    \
            for (int64_t i0 = 0; i0 < rows; i0 += 16) {                                              \
                const int64_t i1 = TN_MIN(i0 + 16, rows), j1 = TN_MIN(j0 + 16, cols);                \
                for (int64_t i = i0; i < i1; i++)                                                    \
                    for (int64_t j = j0; j < j1; j++) to[i * d_row + j] = from[i + j * s_row];       \
            }                                                                                        \
    }
DEFINE_ELEM(1, uint8_t)
DEFINE_ELEM(2, uint16_t)
DEFINE_ELEM(4, uint32_t)
DEFINE_ELEM(8, uint64_t)
DEFINE_ELEM(16, two)

typedef uint32_t four __attribute__((vector_size(16), aligned(4), may_alias));
#if defined(__clang__)
#define PICK(a, b, w, x, y, z) __builtin_shufflevector(a, b, w, x, y, z)
#else
#define PICK(a, b, w, x, y, z) __builtin_shuffle(a, b, (four){w, x, y, z})
#endif

/* A 4 x 4 corner of words. */
static inline void turn_corner(const uint32_t *s, int64_t s_row, uint32_t *d, int64_t d_row)
{
    const four a = *(const four *)s, b = *(const four *)(s + s_row), c = *(const four *)(s + 2 * s_row),
               e = *(const four *)(s + 3 * s_row);
    const four ab = PICK(a, b, 0, 4, 1, 5), ab2 = PICK(a, b, 2, 6, 3, 7), ce = PICK(c, e, 0, 4, 1, 5),
               ce2 = PICK(c, e, 2, 6, 3, 7);
    *(four *)d = PICK(ab, ce, 0, 1, 4, 5);
    *(four *)(d + d_row) = PICK(ab, ce, 2, 3, 6, 7);
    *(four *)(d + 2 * d_row) = PICK(ab2, ce2, 0, 1, 4, 5);
    *(four *)(d + 3 * d_row) = PICK(ab2, ce2, 2, 3, 6, 7);
}

static void turn_words(int64_t rows, int64_t cols, int64_t s_row, int64_t d_row, const uint32_t *s,
                       uint32_t *d)
{
    const int64_t whole_rows = rows / 4 * 4, whole_cols = cols / 4 * 4;
    for (int64_t i0 = 0; i0 < whole_rows; i0 += 16)
        for (int64_t j = 0; j < whole_cols; j += 4)
            for (int64_t i = i0; i < TN_MIN(i0 + 16, whole_rows); i += 4)
                turn_corner(s + i + j * s_row, s_row, d + i * d_row + j, d_row);
    turn_4(whole_rows, cols - whole_cols, s_row, d_row, s + whole_cols * s_row, d + whole_cols);
    turn_4(rows - whole_rows, cols, s_row, d_row, s + whole_rows, d + whole_rows * d_row);
}

static void strided(int elem, int64_t n, int64_t from, int64_t to, const void *s, void *d)
{
    switch (elem) {
    case 1: strided_1(n, from, to, s, d); break;
    case 2: strided_2(n, from, to, s, d); break;
    case 4: strided_4(n, from, to, s, d); break;
    case 8: strided_8(n, from, to, s, d); break;
    default: strided_16(n, from, to, s, d); break;
    }
}
static void turn(int elem, int64_t rows, int64_t cols, int64_t s_row, int64_t d_row, const void *s, void *d)
{
    switch (elem) {
    case 1: turn_1(rows, cols, s_row, d_row, s, d); break;
    case 2: turn_2(rows, cols, s_row, d_row, s, d); break;
    case 4: turn_words(rows, cols, s_row, d_row, s, d); break;
    case 8: turn_8(rows, cols, s_row, d_row, s, d); break;
    default: turn_16(rows, cols, s_row, d_row, s, d); break;
    }
}

static void copy_run(int elem, int64_t n, const char *s, char *d)
{
    const size_t bytes = (size_t)(n * elem);
    if (bytes <= 64 && elem >= 4) { /* a call of memcpy costs more than the words */
        const uint32_t *from = (const void *)s;
        uint32_t *to = (void *)d;
        for (size_t i = 0; i < bytes / 4; i++) to[i] = from[i];
        return;
    }
    memcpy(d, s, bytes);
}

/* The innermost one or two dimensions at s and d. */
static void inner(const tn_ncopy *p, const char *s, char *d)
{
    const int last = p->rank - 1;
    switch (p->path) {
    case RUNS: copy_run(p->elem, p->dim[last], s, d); break;
    case TURN: turn(p->elem, p->dim[last - 1], p->dim[last], p->src[last], p->dst[last - 1], s, d); break;
    default: strided(p->elem, p->dim[last], p->src[last], p->dst[last], s, d); break;
    }
}

/* Positions [from, to) of the outer dimensions. */
static void run_outer(const tn_ncopy *p, int outer, int64_t from, int64_t to, const char *s, char *d)
{
    int64_t index[2 * TN_MAX_RANK], rest = from;
    for (int i = outer - 1; i >= 0; i--) {
        index[i] = rest % p->dim[i];
        rest /= p->dim[i];
        s += index[i] * p->src[i] * p->elem;
        d += index[i] * p->dst[i] * p->elem;
    }
    for (int64_t n = from; n < to; n++) {
        inner(p, s, d);
        for (int i = outer - 1; i >= 0; i--) {
            s += p->src[i] * p->elem;
            d += p->dst[i] * p->elem;
            if (++index[i] < p->dim[i]) break;
            s -= p->dim[i] * p->src[i] * p->elem;
            d -= p->dim[i] * p->dst[i] * p->elem;
            index[i] = 0;
        }
    }
}

/* Few outer positions: the threads share the innermost dimensions' first one instead. */
static void run_split(const tn_ncopy *p, const char *s, char *d, int part, int parts)
{
    const int at = p->path == TURN ? p->rank - 2 : p->rank - 1;
    tn_ncopy q = *p;
    int64_t from, to, outer = 1;
    tn_share(p->dim[at], 64, part, parts, &from, &to);
    q.dim[at] = to - from;
    for (int i = 0; i < at; i++) outer *= p->dim[i];
    if (from < to)
        run_outer(&q, at, 0, outer, s + from * p->src[at] * p->elem, d + from * p->dst[at] * p->elem);
}

void tn_ncopy_run(const tn_ncopy *p, const void *src, void *dst)
{
    const int inner_rank = p->path == TURN ? 2 : 1, outer = p->rank - inner_rank;
    int64_t count = 1;
    if (p->count == 0) return;
    for (int i = 0; i < outer; i++) count *= p->dim[i];
    if (p->threads == 1) {
        run_outer(p, outer, 0, count, src, dst);
        return;
    }
#pragma omp parallel num_threads(p->threads)
    {
        const int part = omp_get_thread_num(), parts = omp_get_num_threads();
        int64_t from, to;
        if (count >= 4 * parts) {
            tn_share(count, 1, part, parts, &from, &to);
            run_outer(p, outer, from, to, src, dst);
        } else {
            run_split(p, src, dst, part, parts);
        }
    }
}

/* ---- the common ones ---- */

tn_code tn_transpose_prepare(int elem, const tn_shape *in, const int *perm, int threads, tn_ncopy *plan,
                             tn_error *err)
{
    int64_t dim[TN_MAX_RANK], src[TN_MAX_RANK], dst[TN_MAX_RANK], stride[TN_MAX_RANK], step = 1;
    bool seen[TN_MAX_RANK] = {false};
    tn_shape_strides(in, stride);
    for (int i = in->rank - 1; i >= 0; i--) {
        if (perm[i] < 0 || perm[i] >= in->rank || seen[perm[i]])
            return tn_fail(err, TN_INVALID_ARGUMENT, "%d at %d is out of place in the permutation", perm[i],
                           i);
        seen[perm[i]] = true;
        dim[i] = in->dim[perm[i]];
        src[i] = stride[perm[i]];
        dst[i] = step;
        step *= dim[i];
    }
    return tn_ncopy_prepare(elem, in->rank, dim, src, dst, threads, plan, err);
}

/* Part of whole with begin and step; the part's strides within it, and where it starts. */
static tn_code part_of(const tn_shape *whole, const int64_t *begin, const int64_t *step, const tn_shape *part,
                       int64_t *stride, int64_t *offset, tn_error *err)
{
    int64_t full[TN_MAX_RANK], at = 0;
    if (whole->rank != part->rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a slice of %d dimensions has %d", whole->rank, part->rank);
    tn_shape_strides(whole, full);
    for (int i = 0; i < whole->rank; i++) {
        const int64_t s = step ? step[i] : 1, last = begin[i] + (part->dim[i] - 1) * s;
        if (part->dim[i] > 0 &&
            (begin[i] < 0 || begin[i] >= whole->dim[i] || last < 0 || last >= whole->dim[i]))
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "dimension %d of a slice: [%lld .. %lld] is not within %lld", i,
                           (long long)begin[i], (long long)last, (long long)whole->dim[i]);
        stride[i] = full[i] * s;
        if (part->dim[i] > 0) at += begin[i] * full[i];
    }
    *offset = at;
    return TN_OK;
}

tn_code tn_unslice_prepare(int elem, const tn_shape *src_shape, const int64_t *begin, const int64_t *step,
                           const tn_shape *dst_shape, int threads, tn_ncopy *plan, int64_t *offset,
                           tn_error *err)
{
    int64_t src[TN_MAX_RANK], dst[TN_MAX_RANK], at = 0;
    TN_TRY(part_of(dst_shape, begin, step, src_shape, dst, &at, err));
    tn_shape_strides(src_shape, src);
    TN_TRY(tn_ncopy_prepare(elem, src_shape->rank, src_shape->dim, src, dst, threads, plan, err));
    *offset = at;
    return TN_OK;
}
