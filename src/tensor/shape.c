/* SPDX-License-Identifier: Apache-2.0
 *
 * shape.c - shapes, with unknown ranks and dimensions.
 */
#include "tensor.h"

#define TEXT_SIZE 256 /* holds every shape's text */

tn_shape tn_shape_unknown(void)
{
    return (tn_shape){.rank = -1};
}

tn_shape tn_shape_vector(int64_t n)
{
    return (tn_shape){.rank = 1, .dim = {n}};
}

bool tn_shape_known(const tn_shape *s)
{
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] < 0) return false;
    return s->rank >= 0;
}

int64_t tn_shape_count(const tn_shape *s)
{
    int64_t count = 1;
    if (s->rank < 0) return -1;
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] < 0 || __builtin_mul_overflow(count, s->dim[i], &count)) return -1;
    return count;
}

tn_code tn_shape_count_checked(const tn_shape *s, int64_t *out, tn_error *err)
{
    char text[TEXT_SIZE];
    if (s->rank > TN_MAX_RANK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a rank of %d is above the limit of %d", s->rank,
                       TN_MAX_RANK);
    if (!tn_shape_known(s))
        return tn_fail(err, TN_INVALID_ARGUMENT, "shape %s is not fully known",
                       tn_shape_text(s, text, sizeof text));
    int64_t product = 1; /* without the zeros, so that strides fit too */
    bool empty = false;
    for (int i = 0; i < s->rank; i++) {
        if (s->dim[i] == 0)
            empty = true;
        else if (__builtin_mul_overflow(product, s->dim[i], &product))
            return tn_fail(err, TN_INVALID_ARGUMENT, "shape %s has too many elements",
                           tn_shape_text(s, text, sizeof text));
    }
    *out = empty ? 0 : product;
    return TN_OK;
}

bool tn_shape_equal(const tn_shape *a, const tn_shape *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

const char *tn_shape_text(const tn_shape *s, char *buf, size_t n)
{
    if (n == 0) return buf;
    if (s->rank < 0) {
        snprintf(buf, n, "<unknown>");
        return buf;
    }
    size_t at = (size_t)snprintf(buf, n, "[");
    for (int i = 0; i < s->rank && at < n; i++) {
        const char *comma = i ? "," : "";
        if (s->dim[i] < 0)
            at += (size_t)snprintf(buf + at, n - at, "%s?", comma);
        else
            at += (size_t)snprintf(buf + at, n - at, "%s%lld", comma, (long long)s->dim[i]);
    }
    if (at < n) snprintf(buf + at, n - at, "]");
    return buf;
}

bool tn_shape_compatible(const tn_shape *a, const tn_shape *b)
{
    if (a->rank < 0 || b->rank < 0) return true;
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] >= 0 && b->dim[i] >= 0 && a->dim[i] != b->dim[i]) return false;
    return true;
}

tn_code tn_shape_merge(const tn_shape *a, const tn_shape *b, tn_shape *out, tn_error *err)
{
    char first[TEXT_SIZE], second[TEXT_SIZE];
    if (a->rank >= 0 && b->rank >= 0 && a->rank != b->rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Shapes must be equal rank, but are %d and %d: %s and %s",
                       a->rank, b->rank, tn_shape_text(a, first, sizeof first),
                       tn_shape_text(b, second, sizeof second));
    tn_shape merged = a->rank >= 0 ? *a : *b;
    for (int i = 0; i < merged.rank && a->rank == b->rank; i++) {
        if (a->dim[i] >= 0 && b->dim[i] >= 0 && a->dim[i] != b->dim[i])
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Dimension %d in both shapes must be equal, but are %lld and %lld. "
                           "Shapes are %s and %s.",
                           i, (long long)a->dim[i], (long long)b->dim[i],
                           tn_shape_text(a, first, sizeof first), tn_shape_text(b, second, sizeof second));
        merged.dim[i] = a->dim[i] >= 0 ? a->dim[i] : b->dim[i];
    }
    *out = merged;
    return TN_OK;
}

/* One dimension of two that are broadcast against each other; -2: they cannot be. */
static int64_t broadcast_dim(int64_t x, int64_t y)
{
    if (x == y) return x;
    if (x >= 0 && y >= 0) return x == 1 ? y : y == 1 ? x : -2;
    int64_t known = TN_MAX(x, y); /* the other is unknown: more than 1 decides, 0 and 1 do not */
    return known > 1 ? known : -1;
}

tn_code tn_shape_broadcast(const tn_shape *a, const tn_shape *b, tn_shape *out, tn_error *err)
{
    char first[TEXT_SIZE], second[TEXT_SIZE];
    if (a->rank < 0 || b->rank < 0) {
        *out = tn_shape_unknown();
        return TN_OK;
    }
    tn_shape wide = {.rank = TN_MAX(a->rank, b->rank)};
    for (int i = 0; i < wide.rank; i++) {
        int ia = i - (wide.rank - a->rank), ib = i - (wide.rank - b->rank);
        wide.dim[i] = broadcast_dim(ia >= 0 ? a->dim[ia] : 1, ib >= 0 ? b->dim[ib] : 1);
        if (wide.dim[i] == -2)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Incompatible shapes: %s vs. %s",
                           tn_shape_text(a, first, sizeof first), tn_shape_text(b, second, sizeof second));
    }
    *out = wide;
    return TN_OK;
}

void tn_shape_strides(const tn_shape *s, int64_t *strides)
{
    int64_t stride = 1;
    for (int i = s->rank - 1; i >= 0; i--) {
        strides[i] = stride;
        stride *= TN_MAX(s->dim[i], 1);
    }
}
