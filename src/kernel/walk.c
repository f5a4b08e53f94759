/* SPDX-License-Identifier: Apache-2.0
 *
 * walk.c - broadcasting: shapes to collapsed strides, and blocks of an operand made contiguous.
 */
#include "walk.h"

/* pitch: elements from row to row; 0: rows follow one another. */
static tn_code operand_strides(const tn_shape *out, const tn_shape *s, int64_t pitch, int64_t *stride, tn_error *err)
{
    int64_t step = 1;
    int lead = out->rank - s->rank;
    bool fits = lead >= 0;
    for (int i = 0; i < out->rank; i++) stride[i] = 0;
    for (int i = s->rank - 1; fits && i >= 0; i--) {
        int64_t d = s->dim[i], o = out->dim[i + lead];
        fits = d == o || d == 1;
        stride[i + lead] = d == 1 ? 0 : step;
        step = pitch && i == s->rank - 1 ? pitch : step * d;
    }
    char a[128], b[128];
    if (!fits)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Incompatible shapes: %s does not broadcast to %s",
                       tn_shape_text(s, a, sizeof(a)), tn_shape_text(out, b, sizeof(b)));
    return TN_OK;
}

/* May dimension d (outer) be merged into the one before it, at the end of those collected? */
static bool merges(int n, int64_t (*stride)[TN_MAX_RANK], int outer, int64_t (*now)[TN_MAX_RANK], int d,
                   int64_t size)
{
    for (int i = 0; i < n; i++)
        if (stride[i][outer] != now[i][d] * size) return false;
    return true;
}

tn_code tn_walk_collapse(const tn_shape *out, const tn_shape *const *operands, const int64_t *pitch, int n, int *rank,
                         int64_t *dim, int64_t (*stride)[TN_MAX_RANK], tn_error *err)
{
    int64_t full[TN_PW_MAX_INPUTS][TN_MAX_RANK], count;
    if (out->rank < 0 || out->rank > TN_MAX_RANK)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "an element-wise kernel was prepared for a shape that is not known");
    TN_TRY(tn_shape_count_checked(out, &count, err));
    for (int i = 0; i < n; i++) TN_TRY(operand_strides(out, operands[i], pitch ? pitch[i] : 0, full[i], err));
    int r = 0;
    for (int d = 0; d < out->rank; d++) {
        if (out->dim[d] == 1) continue;
        if (r > 0 && merges(n, stride, r - 1, full, d, out->dim[d])) {
            dim[r - 1] *= out->dim[d];
            for (int i = 0; i < n; i++) stride[i][r - 1] = full[i][d];
            continue;
        }
        dim[r] = out->dim[d];
        for (int i = 0; i < n; i++) stride[i][r] = full[i][d];
        r++;
    }
    if (r == 0) { /* one element: a flat one */
        dim[0] = 1;
        for (int i = 0; i < n; i++) stride[i][0] = 1;
        r = 1;
    }
    *rank = r;
    return TN_OK;
}

tn_code tn_walk_prepare(const tn_shape *out, const tn_shape *const *operands, int n, tn_walk *w,
                        tn_error *err)
{
    tn_walk v = {0};
    if (n < 0 || n > 4) return tn_fail(err, TN_INVALID_ARGUMENT, "an element-wise kernel has %d operands", n);
    TN_TRY(tn_walk_collapse(out, operands, NULL, n, &v.rank, v.dim, v.stride, err));
    v.count = tn_shape_count(out);
    *w = v;
    return TN_OK;
}

typedef struct two {
    uint64_t w[2];
} two;

#define SPREAD(T)                                          \
    do {                                                   \
        const T v = *(const T *)value;                     \
        for (int64_t i = 0; i < n; i++) ((T *)out)[i] = v; \
    } while (0)

void tn_spread(int size, const void *value, int64_t n, void *out)
{
    switch (size) {
    case 1: memset(out, *(const uint8_t *)value, (size_t)n); break;
    case 2: SPREAD(uint16_t); break;
    case 4: SPREAD(uint32_t); break;
    case 8: SPREAD(uint64_t); break;
    default: SPREAD(two); break;
    }
}

#define PICK_UP(T) \
    for (int64_t i = 0; i < n; i++) ((T *)out)[i] = ((const T *)data)[i * step]

static void pick_up(int size, const void *data, int64_t step, int64_t n, void *out)
{
    switch (size) {
    case 1: PICK_UP(uint8_t); break;
    case 2: PICK_UP(uint16_t); break;
    case 4: PICK_UP(uint32_t); break;
    case 8: PICK_UP(uint64_t); break;
    default: PICK_UP(two); break;
    }
}

static void copy_run(int size, const char *from, int64_t step, int64_t n, char *to)
{
    if (step == 1)
        memcpy(to, from, (size_t)(n * size));
    else if (step == 0)
        tn_spread(size, from, n, to);
    else
        pick_up(size, from, step, n, to);
}

const void *tn_walk_fetch(int rank, const int64_t *dim, const int64_t *stride, int size, const void *data,
                          int64_t at, int n, bool first, void *buf)
{
    if (tn_walk_dense(rank, dim, stride)) return (const char *)data + at * size;
    if (tn_walk_scalar(rank, stride)) {
        if (first) tn_spread(size, data, TN_MIN(dim[0], TN_BLOCK), buf);
        return buf;
    }
    const bool same = rank == 2 && stride[0] == 0 && dim[1] <= TN_BLOCK;
    if (same && !first) return buf;
    int64_t index[TN_MAX_RANK], offset = 0, rest = at;
    for (int d = rank - 1; d >= 0; d--) {
        index[d] = rest % dim[d];
        rest /= dim[d];
        offset += index[d] * stride[d];
    }
    const int last = rank - 1;
    const int64_t step = stride[last];
    if (step == 1 && !same && dim[last] - index[last] >= n) return (const char *)data + offset * size;
    for (int64_t done = 0; done < n;) {
        int64_t run = TN_MIN(dim[last] - index[last], n - done);
        copy_run(size, (const char *)data + offset * size, step, run, (char *)buf + done * size);
        done += run;
        offset -= index[last] * step;
        index[last] = 0;
        for (int d = last - 1; d >= 0 && done < n; d--) {
            offset += stride[d];
            if (++index[d] < dim[d]) break;
            offset -= index[d] * stride[d];
            index[d] = 0;
        }
    }
    return buf;
}
