/* SPDX-License-Identifier: Apache-2.0
 *
 * op_quantized_concat.c - QuantizedConcat: tensors of a quantised dtype joined, in one range that holds all
 * of theirs and zero. Those of another range are read as floats and rounded again.
 */
#include "op_move.h"
#include "quantized.h"

#include <math.h>

/* Inputs: concat_dim, values, mins, maxes. */
static int parts(int n_in)
{
    return (n_in - 1) / 3;
}

static tn_code check_shapes(const tn_run *r, int n, int *axis, tn_error *err)
{
    char a[96], b[96];
    int64_t given;
    const tn_shape *s = &r->in[1]->shape;
    TN_TRY(tn_int_of(r->in[0], "Concat dim tensor", &given, err));
    for (int k = 1; k <= n; k++) {
        const tn_shape *t = &r->in[k]->shape;
        if (given < 0 || given >= s->rank)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "ConcatOp : Expected concatenating dimensions in the range [0, %d), but got %lld",
                           s->rank, (long long)given);
        bool fits = t->rank == s->rank;
        for (int d = 0; fits && d < s->rank; d++) fits = d == given || s->dim[d] == t->dim[d];
        if (!fits)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "ConcatOp : Dimensions of inputs should match: shape[0] = %s vs. shape[%d] = %s",
                           tn_shape_text(s, a, sizeof a), k - 1, tn_shape_text(t, b, sizeof b));
        if (!tn_tensor_count(r->in[n + k]) || !tn_tensor_count(r->in[2 * n + k]))
            return tn_fail(err, TN_INVALID_ARGUMENT, "input_mins and input_maxes must not be empty");
    }
    *axis = (int)given;
    return TN_OK;
}

static void whole_range(const tn_run *r, int n, float range[2])
{
    range[0] = 0;
    range[1] = -INFINITY;
    for (int k = 1; k <= n; k++) {
        range[0] = fminf(range[0], TN_FLOATS(r->in[n + k])[0]);
        range[1] = fmaxf(range[1], TN_FLOATS(r->in[2 * n + k])[0]);
    }
    if (tn_integers_of(r->in[1]->dtype).first >= 0) return;
    range[1] = fmaxf(fabsf(range[0]), fabsf(range[1])); /* signed ones: around zero */
    range[0] = -range[1];
}

static void put(tn_run *r, int k, int n, const float range[2], int64_t from, int64_t to, int64_t count)
{
    const tn_tensor *in = r->in[k];
    float min = TN_FLOATS(r->in[n + k])[0], max = TN_FLOATS(r->in[2 * n + k])[0];
    tn_integers q = tn_integers_of(in->dtype);
    size_t size = tn_dtype_size(in->dtype);
    if (min == range[0] && max == range[1]) {
        memcpy((char *)r->out[0]->data + (size_t)to * size, (const char *)in->data + (size_t)from * size,
               (size_t)count * size);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        float x = tn_from_quantized(tn_quantized_get(in, from + i), min, max, q);
        tn_quantized_put(r->out[0], to + i, tn_to_quantized(x, range[0], range[1], q, true));
    }
}

static tn_code concat_run(tn_run *r, tn_error *err)
{
    int n = parts(r->n_in), axis = 0;
    float range[2];
    TN_TRY(check_shapes(r, n, &axis, err));
    tn_shape s = r->in[1]->shape;
    int64_t outer = tn_shape_product(&s, 0, axis), at = 0;
    s.dim[axis] = 0;
    for (int k = 1; k <= n; k++) s.dim[axis] += r->in[k]->shape.dim[axis];
    TN_TRY(tn_run_output(r, 0, &s, err));
    whole_range(r, n, range);
    for (int64_t o = 0; o < outer; o++)
        for (int k = 1; k <= n; k++) {
            int64_t count = tn_shape_product(&r->in[k]->shape, axis, s.rank);
            put(r, k, n, range, o * count, at, count);
            at += count;
        }
    *TN_FLOATS(r->out[1]) = range[0];
    *TN_FLOATS(r->out[2]) = range[1];
    return TN_OK;
}

static tn_code concat_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[1].shape = c->out[2].shape = TN_SHAPE();
    if (c->in[1]->shape.rank > 0) tn_infer_set_rank(c, 0, c->in[1]->shape.rank);
    return TN_OK;
}

const tn_op tn_op_QuantizedConcat = {
    .name = "QuantizedConcat",
    .sig = "concat_dim:int32 values:N*T input_mins:N*float input_maxes:N*float -> output:T output_min:float "
           "output_max:float; N:int>=2 T:type",
    .infer = concat_infer,
    .run = concat_run,
    .dynamic = TN_BIT(0),
};
