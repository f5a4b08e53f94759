/* SPDX-License-Identifier: Apache-2.0
 *
 * batch_rows.c - rows of several tensors as one, and back.
 *
 * Invariant: sizes are checked before memory is taken.
 */
#include "batch_rows.h"

/* Elements from one place to another; strings are copied, and what is held by references is not taken apart. */
static tn_code put(tn_tensor *to, int64_t at, const tn_tensor *from, int64_t first, int64_t n, tn_error *err)
{
    size_t size = tn_dtype_size(to->dtype);
    if (!tn_dtype_is_pod(to->dtype) && to->dtype != TN_STRING)
        return tn_fail(err, TN_UNIMPLEMENTED, "tensors of dtype %s are not batched", tn_dtype_name(to->dtype));
    if (to->dtype != TN_STRING) {
        const char *source = (const char *)from->data + (size_t)first * size;
        if (n) memcpy((char *)to->data + (size_t)at * size, source, (size_t)n * size);
        return TN_OK;
    }
    for (int64_t i = 0; i < n; i++) {
        const tn_string *s = &TN_STRINGS(from)[first + i];
        if (s->n) TN_TRY(tn_string_set(to, at + i, s->p, s->n, err));
    }
    return TN_OK;
}

static int64_t row_elements(const tn_shape *s)
{
    int64_t n = 1;
    for (int k = 1; k < s->rank; k++) n *= s->dim[k];
    return n;
}

/* ==== shapes ==== */

static bool alike(const tn_shape *a, const tn_shape *b)
{
    return a->rank == b->rank && !memcmp(a->dim + 1, b->dim + 1, sizeof a->dim[0] * (size_t)TN_MAX(a->rank - 1, 0));
}

static tn_code fail_shapes(const tn_piece *p, int i, int rank, bool pads, tn_error *err)
{
    const int own = p->ask->in[i]->shape.rank;
    if (pads)
        return tn_fail(err, TN_FAILED_PRECONDITION,
                       "Tensors with name '%s' from different tasks have ranks %d and %d, which no padding makes alike",
                       p->ask->asker->signature->in[i].name, rank, own);
    return tn_fail(err, TN_FAILED_PRECONDITION,
                   "Tensors with name '%s' from different tasks have different shapes and padding is turned off. Set "
                   "pad_variable_length_inputs to true, or ensure that all tensors with the same name have equal "
                   "dimensions starting with the first dim.", p->ask->asker->signature->in[i].name);
}

static tn_code common_shape(const tn_batch *b, int i, bool pads, tn_shape *out, tn_error *err)
{
    *out = b->first->ask->in[i]->shape;
    for (const tn_piece *p = b->first->next; p; p = p->next) {
        const tn_shape *s = &p->ask->in[i]->shape;
        if (alike(s, out)) continue;
        if (!pads || s->rank != out->rank) return fail_shapes(p, i, out->rank, pads, err);
        for (int k = 1; k < s->rank; k++) out->dim[k] = TN_MAX(out->dim[k], s->dim[k]);
    }
    return TN_OK;
}

/* ==== merging ==== */

static tn_code fill(tn_tensor *to, int64_t at, int64_t n, const tn_tensor *from, int64_t element, tn_error *err)
{
    for (int64_t i = 0; i < n; i++) TN_TRY(put(to, at + i, from, element, 1, err));
    return TN_OK;
}

/* Dimension k and those below it, of a smaller tensor into a larger one of the same rank, which is filled up. */
static tn_code put_padded(tn_tensor *to, int64_t at, const tn_tensor *from, int64_t first, int k, tn_error *err)
{
    int64_t inner_to = 1, inner_from = 1, n = from->shape.dim[k];
    for (int d = k + 1; d < to->shape.rank; d++) {
        inner_to *= to->shape.dim[d];
        inner_from *= from->shape.dim[d];
    }
    if (inner_to == inner_from) {
        TN_TRY(put(to, at, from, first, n * inner_from, err));
    } else {
        for (int64_t i = 0; i < n; i++)
            TN_TRY(put_padded(to, at + i * inner_to, from, first + i * inner_from, k + 1, err));
    }
    return fill(to, at + n * inner_to, (to->shape.dim[k] - n) * inner_to, from, 0, err);
}

static tn_code put_rows(tn_tensor *to, int64_t row, const tn_tensor *from, int64_t first, int64_t n, tn_error *err)
{
    int64_t wide = row_elements(&to->shape), narrow = row_elements(&from->shape);
    if (alike(&to->shape, &from->shape)) return put(to, row * wide, from, first * narrow, n * narrow, err);
    if (!tn_tensor_count(from))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Got empty tensor in batch of non-empty tensors.");
    for (int64_t i = 0; i < n; i++)
        TN_TRY(put_padded(to, (row + i) * wide, from, (first + i) * narrow, 1, err));
    return TN_OK;
}

static tn_code put_all(tn_tensor *to, const tn_batch *b, int i, int64_t extra, tn_error *err)
{
    int64_t row = 0;
    for (const tn_piece *p = b->first; p; p = p->next) {
        TN_TRY(put_rows(to, row, p->ask->in[i], p->first, p->rows, err));
        row += p->rows;
        if (p->next) continue;
        for (int64_t k = 0; k < extra; k++) TN_TRY(put_rows(to, row + k, p->ask->in[i], p->first, 1, err));
    }
    return TN_OK;
}

tn_code tn_rows_merge(const tn_batch *b, int i, int64_t extra, bool pads, tn_tensor **out, tn_error *err)
{
    tn_shape shape;
    tn_tensor *t;
    TN_TRY(common_shape(b, i, pads, &shape, err));
    shape.dim[0] = b->rows + extra;
    TN_TRY(tn_tensor_alloc(b->first->ask->in[i]->dtype, &shape, &t, err));
    tn_code code = put_all(t, b, i, extra, err);
    if (code == TN_OK) *out = t;
    else tn_tensor_unref(t);
    return code;
}

/* ==== and back ==== */

tn_code tn_rows_of(tn_tensor *whole, int64_t first, int64_t rows, tn_tensor **out, tn_error *err)
{
    if (first == 0 && rows == whole->shape.dim[0]) {
        *out = tn_tensor_ref(whole);
        return TN_OK;
    }
    tn_shape shape = whole->shape;
    shape.dim[0] = rows;
    size_t row = (size_t)row_elements(&shape) * tn_dtype_size(whole->dtype);
    return tn_tensor_on(whole->dtype, &shape, whole->buffer, (char *)whole->data + (size_t)first * row, out, err);
}

tn_code tn_rows_join(tn_tensor *const *parts, int n, tn_tensor **out, tn_error *err)
{
    tn_shape shape = parts[0]->shape;
    tn_tensor *t;
    shape.dim[0] = 0;
    for (int i = 0; i < n; i++) {
        if (parts[i]->dtype != parts[0]->dtype || !alike(&parts[i]->shape, &parts[0]->shape))
            return tn_fail(err, TN_FAILED_PRECONDITION,
                           "the batches that a question was split into have answers of different shapes");
        shape.dim[0] += parts[i]->shape.dim[0];
    }
    TN_TRY(tn_tensor_alloc(parts[0]->dtype, &shape, &t, err));
    tn_code code = TN_OK;
    int64_t at = 0;
    for (int i = 0; i < n && code == TN_OK; i++) {
        code = put(t, at, parts[i], 0, tn_tensor_count(parts[i]), err);
        at += tn_tensor_count(parts[i]);
    }
    if (code == TN_OK) *out = t;
    else tn_tensor_unref(t);
    return code;
}
