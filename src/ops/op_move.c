/* SPDX-License-Identifier: Apache-2.0
 *
 * op_move.c - strided moves of elements of any dtype, and small helpers of inference.
 */
#include "op_move.h"

void tn_move_dim(tn_move *m, int64_t n, int64_t out_stride, int64_t in_stride)
{
    if (n == 0) m->empty = true;
    if (n <= 1) return;
    if (out_stride < 0) { /* walked the other way, so that only the reading side goes backwards */
        m->out0 += (n - 1) * out_stride;
        m->in0 += (n - 1) * in_stride;
        out_stride = -out_stride;
        in_stride = -in_stride;
    }
    if (m->rank) {
        int k = m->rank - 1;
        if (m->out[k] == n * out_stride && m->in[k] == n * in_stride) {
            m->dim[k] *= n;
            m->out[k] = out_stride;
            m->in[k] = in_stride;
            return;
        }
    }
    m->dim[m->rank] = n;
    m->out[m->rank] = out_stride;
    m->in[m->rank++] = in_stride;
}

static tn_code move_object(tn_tensor *out, int64_t o, const tn_tensor *in, int64_t i, tn_error *err)
{
    if (in->dtype == TN_STRING) {
        const tn_string *s = TN_STRINGS(in) + i;
        return tn_string_set(out, o, s->p, s->n, err);
    }
    if (in->dtype == TN_RESOURCE) {
        tn_resource **to = (tn_resource **)out->data + o, *v = tn_resource_ref(((tn_resource **)in->data)[i]);
        tn_resource_unref(*to);
        *to = v;
        return TN_OK;
    }
    tn_variant **to = (tn_variant **)out->data + o, *v = tn_variant_ref(((tn_variant **)in->data)[i]);
    tn_variant_unref(*to);
    *to = v;
    return TN_OK;
}

static tn_code move_objects(tn_tensor *out, int64_t o, int64_t os, const tn_tensor *in, int64_t i, int64_t is,
                            int64_t n, tn_error *err)
{
    for (int64_t k = 0; k < n; k++) TN_TRY(move_object(out, o + k * os, in, i + k * is, err));
    return TN_OK;
}

tn_code tn_move_row(tn_tensor *out, int64_t out0, const tn_tensor *in, int64_t in0, int64_t n, tn_error *err)
{
    if (n <= 0) return TN_OK;
    if (!tn_dtype_is_pod(in->dtype)) return move_objects(out, out0, 1, in, in0, 1, n, err);
    size_t size = tn_dtype_size(in->dtype);
    memcpy((char *)out->data + (size_t)out0 * size, (const char *)in->data + (size_t)in0 * size,
           (size_t)n * size);
    return TN_OK;
}

tn_code tn_row_of(const tn_tensor *t, int64_t i, tn_tensor **out, tn_error *err)
{
    tn_shape s = {.rank = t->shape.rank - 1};
    tn_tensor *row;
    memcpy(s.dim, t->shape.dim + 1, (size_t)s.rank * sizeof *s.dim);
    int64_t n = tn_shape_count(&s);
    TN_TRY(tn_tensor_new(t->dtype, &s, &row, err));
    tn_code code = tn_move_row(row, 0, t, i * n, n, err);
    if (code == TN_OK)
        *out = row;
    else
        tn_tensor_unref(row);
    return code;
}

tn_code tn_move_fill(tn_tensor *out, int64_t out0, int64_t n, const tn_tensor *value, int64_t from,
                     tn_error *err)
{
    if (n <= 0) return TN_OK;
    if (!tn_dtype_is_pod(value->dtype)) return move_objects(out, out0, 1, value, from, 0, n, err);
    size_t size = tn_dtype_size(value->dtype);
    tn_fill((int)size, (const char *)value->data + (size_t)from * size, n,
            (char *)out->data + (size_t)out0 * size, 1);
    return TN_OK;
}

tn_code tn_move_ready(tn_move *m, tn_dtype t, int threads, tn_error *err)
{
    if (m->empty || !tn_dtype_is_pod(t)) return TN_OK;
    return tn_ncopy_prepare((int)tn_dtype_size(t), m->rank, m->dim, m->in, m->out, threads, &m->plan, err);
}

static tn_code walk_objects(const tn_move *m, tn_tensor *out, const tn_tensor *in, tn_error *err)
{
    int last = m->rank - 1;
    int64_t n = m->rank ? m->dim[last] : 1, os = m->rank ? m->out[last] : 1, is = m->rank ? m->in[last] : 1;
    int64_t at[TN_MOVE_RANK] = {0}, o = m->out0, i = m->in0;
    for (;;) {
        TN_TRY(move_objects(out, o, os, in, i, is, n, err));
        int k = last - 1;
        for (; k >= 0; k--) {
            o += m->out[k];
            i += m->in[k];
            if (++at[k] < m->dim[k]) break;
            o -= m->out[k] * m->dim[k];
            i -= m->in[k] * m->dim[k];
            at[k] = 0;
        }
        if (k < 0) return TN_OK;
    }
}

tn_code tn_move_run(const tn_move *m, tn_tensor *out, const tn_tensor *in, tn_error *err)
{
    if (m->empty) return TN_OK;
    if (!tn_dtype_is_pod(in->dtype)) return walk_objects(m, out, in, err);
    ptrdiff_t size = (ptrdiff_t)tn_dtype_size(in->dtype);
    tn_ncopy_run(&m->plan, (const char *)in->data + m->in0 * size, (char *)out->data + m->out0 * size);
    return TN_OK;
}

tn_code tn_run_move(tn_run *r, tn_error *err)
{
    return tn_move_run(r->params, r->out[0], r->in[0], err);
}

tn_code tn_run_copy(tn_run *r, tn_error *err)
{
    if (r->out[0]->data == r->in[0]->data) return TN_OK;
    return tn_move_row(r->out[0], 0, r->in[0], 0, tn_tensor_count(r->in[0]), err);
}

/* ==== helpers ==== */

int64_t tn_shape_product(const tn_shape *s, int from, int to)
{
    int64_t n = 1;
    for (int k = from; k < to; k++) n = tn_dim_mul(n, s->dim[k]);
    return n;
}

tn_code tn_axis_check(int64_t axis, int rank, int *out, tn_error *err)
{
    if (axis < -rank || axis >= rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected dimension in the range [%d, %d), but got %lld",
                       -rank, rank, (long long)axis);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return TN_OK;
}

bool tn_info_ints(const tn_info *in, tn_shape *out)
{
    if (in->value && in->value->shape.rank <= 1) {
        int64_t n = tn_tensor_count(in->value);
        tn_dtype t = tn_dtype_base(in->value->dtype);
        if (n > TN_MAX_RANK || !(tn_dtype_is_integer(t) || t == TN_BOOL)) return false;
        out->rank = (int)n;
        for (int64_t k = 0; k < n; k++) out->dim[k] = tn_tensor_int(in->value, k);
        return true;
    }
    if (!in->has_ints) return false;
    *out = in->ints;
    return true;
}

tn_shape tn_shape_as_ints(const tn_shape *s)
{
    tn_shape v = *s;
    for (int k = 0; k < v.rank; k++)
        if (v.dim[k] < 0) v.dim[k] = TN_UNKNOWN_INT;
    return v;
}

tn_code tn_infer_axis(const tn_infer *c, int i, int rank, int *axis, bool *known, tn_error *err)
{
    int64_t v;
    *known = false;
    if (rank < 0 || !tn_infer_int(c, i, &v)) return TN_OK;
    *known = true;
    return tn_axis_check(v, rank, axis, err);
}

void tn_infer_set_rank(tn_infer *c, int o, int rank)
{
    tn_shape *s = &c->out[o].shape;
    s->rank = rank > TN_MAX_RANK ? -1 : rank;
    for (int k = 0; k < s->rank; k++) s->dim[k] = -1;
}

tn_code tn_ints_of(const tn_tensor *t, const char *what, tn_shape *out, tn_error *err)
{
    char text[64];
    if (t->shape.rank > 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s must be a vector, got shape %s", what,
                       tn_shape_text(&t->shape, text, sizeof text));
    int64_t n = tn_tensor_count(t);
    if (n > TN_MAX_RANK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s has %lld elements, more than %d dimensions", what,
                       (long long)n, TN_MAX_RANK);
    out->rank = (int)n;
    for (int64_t k = 0; k < n; k++) out->dim[k] = tn_tensor_int(t, k);
    return TN_OK;
}

tn_code tn_int_of(const tn_tensor *t, const char *what, int64_t *out, tn_error *err)
{
    if (tn_tensor_count(t) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s must be a scalar, got %lld elements", what,
                       (long long)tn_tensor_count(t));
    *out = tn_tensor_int(t, 0);
    return TN_OK;
}

static tn_code point_outside(const tn_tensor *indices, int64_t i, int depth, const tn_shape *shape,
                             const char *what, tn_error *err)
{
    tn_shape place = {.rank = indices->shape.rank - 1};
    char a[128], b[128], c[128];
    int64_t rest = i;
    for (int k = place.rank - 1; k >= 0; k--) {
        place.dim[k] = rest % indices->shape.dim[k];
        rest /= indices->shape.dim[k];
    }
    size_t at = 0;
    for (int k = 0; k < depth && at < sizeof b - 24; k++)
        at += (size_t)snprintf(b + at, sizeof b - at, "%s%lld", k ? ", " : "",
                               (long long)tn_tensor_int(indices, i * depth + k));
    return tn_fail(err, TN_INVALID_ARGUMENT, "indices%s = [%s] does not index into %s %s",
                   tn_shape_text(&place, a, sizeof a), depth ? b : "", what,
                   tn_shape_text(shape, c, sizeof c));
}

tn_code tn_check_points(const tn_tensor *indices, int depth, const tn_shape *shape, const char *what,
                        tn_error *err)
{
    int64_t n = tn_shape_product(&indices->shape, 0, indices->shape.rank - 1);
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < depth; k++) {
            int64_t v = tn_tensor_int(indices, i * depth + k);
            if (v < 0 || v >= shape->dim[k]) return point_outside(indices, i, depth, shape, what, err);
        }
    return TN_OK;
}
