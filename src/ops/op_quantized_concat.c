/* SPDX-License-Identifier: Apache-2.0
 *
 * op_quantized_concat.c - QuantizedConcat and -V2: tensors of a quantised dtype joined, in one range that holds all
 * of theirs and zero (V2 leaves out what is below zero where the integers are unsigned). Those of another range are
 * read as floats and rounded again.
 */
#include "op_move.h"
#include "quantized.h"

#include <math.h>

/* Inputs: concat_dim, values, mins, maxes; V2: values, axis, mins, maxes. */
typedef struct parts {
    int n;
    bool second;
    const tn_tensor *axis, **value, **min, **max;
} parts;

static parts parts_of(const tn_run *r)
{
    parts p = {.n = (r->n_in - 1) / 3, .second = !strcmp(r->op->name, "QuantizedConcatV2")};
    p.axis = r->in[p.second ? p.n : 0];
    p.value = r->in + !p.second;
    p.min = r->in + p.n + 1;
    p.max = p.min + p.n;
    return p;
}

static tn_code check_shapes(const parts *p, int *axis, tn_error *err)
{
    char a[96], b[96];
    int64_t given;
    const tn_shape *s = &p->value[0]->shape;
    TN_TRY(tn_int_of(p->axis, "Concat dim tensor", &given, err));
    if (p->second && given < 0) given += s->rank;
    for (int k = 0; k < p->n; k++) {
        const tn_shape *t = &p->value[k]->shape;
        if (given < 0 || given >= s->rank)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "ConcatOp : Expected concatenating dimensions in the range [0, %d), but got %lld",
                           s->rank, (long long)given);
        bool fits = t->rank == s->rank;
        for (int d = 0; fits && d < s->rank; d++) fits = d == given || s->dim[d] == t->dim[d];
        if (!fits)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "ConcatOp : Dimensions of inputs should match: shape[0] = %s vs. shape[%d] = %s",
                           tn_shape_text(s, a, sizeof a), k, tn_shape_text(t, b, sizeof b));
        if (!tn_tensor_count(p->min[k]) || !tn_tensor_count(p->max[k]))
            return tn_fail(err, TN_INVALID_ARGUMENT, "input_mins and input_maxes must not be empty");
    }
    *axis = (int)given;
    return TN_OK;
}

static void whole_range(const parts *p, float range[2])
{
    range[0] = 0;
    range[1] = -INFINITY;
    for (int k = 0; k < p->n; k++) {
        range[0] = fminf(range[0], TN_FLOATS(p->min[k])[0]);
        range[1] = fmaxf(range[1], TN_FLOATS(p->max[k])[0]);
    }
    if (tn_integers_of(p->value[0]->dtype).first >= 0) {
        if (p->second) range[0] = 0;
        return;
    }
    range[1] = fmaxf(fabsf(range[0]), fabsf(range[1])); /* signed ones: around zero */
    range[0] = -range[1];
}

static void put(tn_run *r, const parts *p, int k, const float range[2], int64_t from, int64_t to, int64_t count)
{
    const tn_tensor *in = p->value[k];
    float min = TN_FLOATS(p->min[k])[0], max = TN_FLOATS(p->max[k])[0];
    tn_integers q = tn_integers_of(in->dtype);
    size_t size = tn_dtype_size(in->dtype);
    if (min == range[0] && max == range[1]) {
        memcpy((char *)r->out[0]->data + (size_t)to * size, (const char *)in->data + (size_t)from * size,
               (size_t)count * size);
        return;
    }
    float steps = (float)(ldexp(1, q.bits) - 1), from_scale = (max - min) / steps;
    float first = min == max ? min : roundf(min / from_scale) * from_scale - (float)q.first * from_scale;
    float to_scale = range[0] == range[1] ? 0 : steps / (range[1] - range[0]);
    double last = q.bits == 32 ? 2147483520 : q.last; /* the greatest that is a float */
    float down = roundf(range[0] * to_scale) - (float)q.first;
    for (int64_t i = 0; i < count; i++) {
        float x = first + (float)tn_quantized_get(in, from + i) * from_scale, y = roundf(x * to_scale) - down;
        tn_quantized_put(r->out[0], to + i, fmin(fmax((double)y, q.first), last));
    }
}

static tn_code concat_run(tn_run *r, tn_error *err)
{
    const parts p = parts_of(r);
    int axis = 0;
    float range[2];
    TN_TRY(check_shapes(&p, &axis, err));
    tn_shape s = p.value[0]->shape;
    int64_t outer = tn_shape_product(&s, 0, axis), at = 0;
    s.dim[axis] = 0;
    for (int k = 0; k < p.n; k++) s.dim[axis] += p.value[k]->shape.dim[axis];
    TN_TRY(tn_run_output(r, 0, &s, err));
    whole_range(&p, range);
    for (int64_t o = 0; o < outer; o++)
        for (int k = 0; k < p.n; k++) {
            int64_t count = tn_shape_product(&p.value[k]->shape, axis, s.rank);
            put(r, &p, k, range, o * count, at, count);
            at += count;
        }
    *TN_FLOATS(r->out[1]) = range[0];
    *TN_FLOATS(r->out[2]) = range[1];
    return TN_OK;
}

static tn_code concat_prepare(tn_prepare *p, tn_error *err)
{
    if (tn_is_quantized(p->out[0]->dtype)) return TN_OK;
    return tn_fail(err, TN_UNIMPLEMENTED, "%s of %s", p->op->name, tn_dtype_name(p->out[0]->dtype));
}

static tn_code concat_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    int first = strcmp(c->op->name, "QuantizedConcatV2") != 0;
    c->out[1].shape = c->out[2].shape = TN_SHAPE();
    if (c->in[first]->shape.rank > 0) tn_infer_set_rank(c, 0, c->in[first]->shape.rank);
    return TN_OK;
}

#define CONCAT(Name, Sig)            \
    const tn_op tn_op_##Name = {     \
        .name = #Name,               \
        .sig = Sig,                  \
        .infer = concat_infer,       \
        .prepare = concat_prepare,   \
        .run = concat_run,           \
        .dynamic = TN_BIT(0),        \
    }
#define RANGES "input_mins:N*float input_maxes:N*float -> output:T output_min:float output_max:float; N:int>=2 T:type"
CONCAT(QuantizedConcat, "concat_dim:int32 values:N*T " RANGES);
CONCAT(QuantizedConcatV2, "values:N*T axis:Tidx " RANGES " Tidx:type{int32,int64}=int32");
