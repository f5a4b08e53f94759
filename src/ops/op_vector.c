/* SPDX-License-Identifier: Apache-2.0
 *
 * op_vector.c - Cross and Bucketize.
 */
#include "op_math.h"

/* ==== Cross ==== */

static tn_code cross_infer(tn_infer *c, tn_error *err)
{
    char x[160], y[160];
    const tn_shape *a = &c->in[0]->shape, *b = &c->in[1]->shape;
    if (tn_infer_same(c, NULL) != TN_OK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Both inputs must be of same shape: %s vs. %s",
                       tn_shape_text(a, x, sizeof x), tn_shape_text(b, y, sizeof y));
    const tn_shape *s = &c->out[0].shape;
    if (s->rank == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Input must be at least 1D[]");
    if (s->rank > 0 && s->dim[s->rank - 1] >= 0 && s->dim[s->rank - 1] != 3)
        return tn_fail(err, TN_FAILED_PRECONDITION, "Cross-products are only defined for 3-element vectors.");
    return TN_OK;
}

#define CROSS(T)                                                                                             \
    do {                                                                                                     \
        const T *a = r->in[0]->data, *b = r->in[1]->data;                                                    \
        T *y = r->out[0]->data;                                                                              \
        for (int64_t i = 0; i + 3 <= n; i += 3) {                                                            \
            T x0 = (T)(a[i + 1] * b[i + 2] - a[i + 2] * b[i + 1]);                                           \
            T x1 = (T)(a[i + 2] * b[i] - a[i] * b[i + 2]);                                                   \
            T x2 = (T)(a[i] * b[i + 1] - a[i + 1] * b[i]);                                                   \
            y[i] = x0;                                                                                       \
            y[i + 1] = x1;                                                                                   \
            y[i + 2] = x2;                                                                                   \
        }                                                                                                    \
    } while (0)

static void cross_small_floats(tn_run *r, int64_t n)
{
    for (int64_t i = 0; i + 3 <= n; i += 3) {
        double a[3], b[3];
        for (int k = 0; k < 3; k++) {
            a[k] = tn_tensor_number(r->in[0], i + k);
            b[k] = tn_tensor_number(r->in[1], i + k);
        }
        for (int k = 0; k < 3; k++) {
            int u = (k + 1) % 3, v = (k + 2) % 3;
            tn_tensor_set_number(r->out[0], i + k, a[u] * b[v] - a[v] * b[u]);
        }
    }
}

/* Integers wrap, so their signedness does not matter. */
static tn_code cross_run(tn_run *r, tn_error *err)
{
    int64_t n = tn_shape_count(&r->out[0]->shape);
    (void)err;
    switch (r->out[0]->dtype) {
    case TN_FLOAT: CROSS(float); break;
    case TN_DOUBLE: CROSS(double); break;
    case TN_INT8: case TN_UINT8: CROSS(uint8_t); break;
    case TN_INT16: case TN_UINT16: CROSS(uint16_t); break;
    case TN_INT32: case TN_UINT32: CROSS(uint32_t); break;
    case TN_INT64: case TN_UINT64: CROSS(uint64_t); break;
    default: cross_small_floats(r, n);
    }
    return TN_OK;
}

TN_GRAD_FORMULA(cross_grad, "y dy Cross", "dy x Cross")
const tn_op tn_op_Cross = {
    .name = "Cross",
    .sig = "a:T b:T -> product:T; T:type{realnumbertype}",
    .infer = cross_infer,
    .run = cross_run,
    .grad = cross_grad,
    .flags = TN_INPLACE,
};

/* ==== Bucketize ==== */

static tn_code bucketize_prepare(tn_prepare *p, tn_error *err)
{
    const tn_attr *a = tn_attr_find(p->attrs, "boundaries");
    for (int i = 1; a && i < a->n; i++)
        if (!(a->fs[i - 1] <= a->fs[i]))
            return tn_fail(err, TN_INVALID_ARGUMENT, "Expected sorted boundaries");
    return TN_OK;
}

static tn_code bucketize_run(tn_run *r, tn_error *err)
{
    const tn_attr *a = tn_attr_find(r->attrs, "boundaries");
    int64_t n = tn_shape_count(&r->in[0]->shape);
    (void)err;
    for (int64_t i = 0; i < n; i++) {
        double v = tn_tensor_number(r->in[0], i);
        int low = 0, high = a ? a->n : 0;
        while (low < high) { /* the first boundary above v; none is above NaN */
            int mid = (low + high) / 2;
            if (v < (double)a->fs[mid])
                high = mid;
            else
                low = mid + 1;
        }
        TN_INT32S(r->out[0])[i] = low;
    }
    return TN_OK;
}

const tn_op tn_op_Bucketize = {
    .name = "Bucketize",
    .sig = "input:T -> output:int32; T:type{int32,int64,float,double} boundaries:list(float)",
    .infer = tn_infer_unchanged,
    .prepare = bucketize_prepare,
    .run = bucketize_run,
    .flags = TN_NO_GRADIENT,
};
