/* SPDX-License-Identifier: Apache-2.0
 *
 * concat.c - putting arrays side by side and taking them apart, filling, padding: by size of element.
 */
#include <omp.h>

#include "walk.h"

/* Outer slices [from, to): rows of each small array against their places in the big one. */
typedef struct side_by_side {
    int n;
    int64_t inner_bytes, total; /* bytes per index; indices in a row of the big array */
    const int64_t *size;
    const void *const *in; /* concat */
    void *const *out;      /* split */
    char *big;
} side_by_side;

static void move_rows(const side_by_side *s, int64_t from, int64_t to)
{
    for (int64_t i = from; i < to; i++) {
        char *at = s->big + i * s->total * s->inner_bytes;
        for (int k = 0; k < s->n; k++) {
            const int64_t bytes = s->size[k] * s->inner_bytes;
            if (bytes == 0) continue;
            if (s->in)
                memcpy(at, (const char *)s->in[k] + i * bytes, (size_t)bytes);
            else
                memcpy((char *)s->out[k] + i * bytes, at, (size_t)bytes);
            at += bytes;
        }
    }
}

static void move_all(const side_by_side *s, int64_t outer, int threads)
{
    if (s->total == 0 || s->inner_bytes == 0) return; /* however many rows there are */
    threads = tn_team(threads, (double)outer * (double)(s->total * s->inner_bytes) / 4);
    if (threads == 1 || outer < threads) {
        move_rows(s, 0, outer);
        return;
    }
#pragma omp parallel num_threads(threads)
    {
        int64_t from, to;
        tn_share(outer, 1, omp_get_thread_num(), omp_get_num_threads(), &from, &to);
        move_rows(s, from, to);
    }
}

static int64_t total_of(int n, const int64_t *size)
{
    int64_t total = 0;
    for (int i = 0; i < n; i++) total += size[i];
    return total;
}

void tn_concat(int elem, int64_t outer, int64_t inner, int n, const int64_t *size, const void *const *in,
               void *out, int threads)
{
    const side_by_side s = {
        .n = n, .inner_bytes = inner * elem, .total = total_of(n, size), .size = size, .in = in, .big = out};
    move_all(&s, outer, threads);
}

void tn_split(int elem, int64_t outer, int64_t inner, int n, const int64_t *size, const void *in,
              void *const *out, int threads)
{
    union {
        const void *c;
        char *p;
    } big = {in}; /* only read from: see move_rows */
    const side_by_side s = {.n = n,
                            .inner_bytes = inner * elem,
                            .total = total_of(n, size),
                            .size = size,
                            .out = out,
                            .big = big.p};
    move_all(&s, outer, threads);
}

void tn_fill(int elem, const void *value, int64_t count, void *out, int threads)
{
    threads = tn_team(threads, (double)count * elem / 4);
    if (threads == 1) {
        tn_spread(elem, value, count, out);
        return;
    }
#pragma omp parallel num_threads(threads)
    {
        int64_t from, to;
        tn_share(count, 64, omp_get_thread_num(), omp_get_num_threads(), &from, &to);
        tn_spread(elem, value, to - from, (char *)out + from * elem);
    }
}

/* ---- pad ---- */

static tn_code pad_constant(int elem, const tn_shape *in, const int64_t *before, const tn_shape *out,
                            const void *value, const void *src, void *dst, int threads, tn_error *err)
{
    tn_ncopy plan;
    int64_t offset;
    TN_TRY(tn_unslice_prepare(elem, in, before, NULL, out, threads, &plan, &offset, err));
    tn_fill(elem, value, tn_shape_count(out), dst, threads);
    tn_ncopy_run(&plan, src, (char *)dst + offset * elem);
    return TN_OK;
}

/* Where index i of a padded dimension comes from. edge: 1 when the border itself is repeated. */
static int64_t mirrored(int64_t i, int64_t before, int64_t n, int edge)
{
    int64_t x = i - before;
    if (x < 0) x = -x - edge;
    if (x >= n) x = 2 * n - 2 - x + edge;
    return x;
}

/* One dimension after the other, in place in dst, from the innermost out: the rows that exist are copied to
 * where they are mirrored. */
static void mirror_dim(int elem, const tn_shape *in, const tn_shape *out, const int64_t *before, int d,
                       int edge, char *dst)
{
    int64_t stride[TN_MAX_RANK], outer = 1, offset = 0;
    tn_shape_strides(out, stride);
    for (int i = 0; i < d; i++) outer *= in->dim[i];
    const size_t row = (size_t)(stride[d] * elem);
    for (int64_t o = 0; o < outer; o++) {
        int64_t rest = o;
        offset = 0;
        for (int i = d - 1; i >= 0; i--) {
            offset += (rest % in->dim[i] + before[i]) * stride[i];
            rest /= in->dim[i];
        }
        char *base = dst + offset * elem;
        for (int64_t i = 0; i < out->dim[d]; i++) {
            const int64_t from = mirrored(i, before[d], in->dim[d], edge) + before[d];
            if (from != i) memcpy(base + (size_t)i * row, base + (size_t)from * row, row);
        }
    }
}

static tn_code pad_mirror(int elem, int edge, const tn_shape *in, const int64_t *before, const int64_t *after,
                          const tn_shape *out, const void *src, void *dst, int threads, tn_error *err)
{
    tn_ncopy plan;
    int64_t offset;
    for (int i = 0; i < in->rank; i++)
        if (before[i] > in->dim[i] - 1 + edge || after[i] > in->dim[i] - 1 + edge)
            return tn_fail(
                err, TN_INVALID_ARGUMENT,
                "paddings %lld, %lld of dimension %d must be no greater than the dimension size%s: %lld",
                (long long)before[i], (long long)after[i], i, edge ? "" : " - 1",
                (long long)in->dim[i] - 1 + edge);
    TN_TRY(tn_unslice_prepare(elem, in, before, NULL, out, threads, &plan, &offset, err));
    tn_ncopy_run(&plan, src, (char *)dst + offset * elem);
    if (tn_shape_count(in) > 0)
        for (int d = in->rank - 1; d >= 0; d--) mirror_dim(elem, in, out, before, d, edge, dst);
    return TN_OK;
}

tn_code tn_pad(int elem, tn_pad_mode mode, const tn_shape *in, const int64_t *before, const int64_t *after,
               const void *value, const void *src, void *dst, int threads, tn_error *err)
{
    tn_shape out = *in;
    int64_t count;
    for (int i = 0; i < in->rank; i++) {
        if (before[i] < 0 || after[i] < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Paddings must be non-negative: %lld %lld",
                           (long long)before[i], (long long)after[i]);
        if (__builtin_add_overflow(out.dim[i], before[i], &out.dim[i]) ||
            __builtin_add_overflow(out.dim[i], after[i], &out.dim[i]))
            return tn_fail(err, TN_INVALID_ARGUMENT, "the padding of dimension %d is out of range", i);
    }
    TN_TRY(tn_shape_count_checked(&out, &count, err));
    if (mode == TN_PAD_CONSTANT) return pad_constant(elem, in, before, &out, value, src, dst, threads, err);
    return pad_mirror(elem, mode == TN_PAD_SYMMETRIC, in, before, after, &out, src, dst, threads, err);
}
