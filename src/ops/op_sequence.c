/* SPDX-License-Identifier: Apache-2.0
 *
 * op_sequence.c - Range and LinSpace; what gradients need of shapes: BroadcastGradientArgs, BroadcastArgs.
 */
#include <math.h>

#include "op_math.h"

/* ==== Range ==== */

static bool one_number(const tn_tensor *t)
{
    return t && tn_shape_count(&t->shape) == 1 && t->shape.rank <= 1;
}

static tn_code direction_error(bool up, const tn_tensor *start, const tn_tensor *limit, tn_error *err)
{
    return tn_fail(err, TN_INVALID_ARGUMENT, "Requires start %s limit when delta %s 0: %g/%g",
                   up ? "<=" : ">=", up ? ">" : "<", tn_tensor_number(start, 0), tn_tensor_number(limit, 0));
}

__extension__ typedef __int128 wide; /* differences of 64-bit numbers */

static tn_code too_many(double n, tn_error *err)
{
    return tn_fail(err, TN_INVALID_ARGUMENT, "Requires ((limit - start) / delta) <= 9223372036854775807: %g",
                   n);
}

/* How many numbers from start to limit, exclusive. */
static tn_code range_size(const tn_tensor *start, const tn_tensor *limit, const tn_tensor *delta, int64_t *n,
                          tn_error *err)
{
    if (tn_dtype_is_integer(start->dtype)) {
        wide a = tn_tensor_int(start, 0), b = tn_tensor_int(limit, 0), d = tn_tensor_int(delta, 0);
        if (start->dtype == TN_UINT64) {
            a = (uint64_t)a;
            b = (uint64_t)b;
            d = (uint64_t)d;
        }
        if (d == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Requires delta != 0: 0");
        if (d > 0 ? a > b : a < b) return direction_error(d > 0, start, limit, err);
        wide size = (d > 0 ? b - a + d - 1 : a - b - d - 1) / (d > 0 ? d : -d);
        if (size > INT64_MAX) return too_many((double)size, err);
        *n = (int64_t)size;
        return TN_OK;
    }
    double a = tn_tensor_number(start, 0), b = tn_tensor_number(limit, 0), d = tn_tensor_number(delta, 0);
    if (d == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Requires delta != 0: 0");
    if (d > 0 ? a > b : a < b) return direction_error(d > 0, start, limit, err);
    double size = ceil(fabs((b - a) / d));
    if (!(size < 9e18)) return too_many(size, err);
    *n = (int64_t)size;
    return TN_OK;
}

static tn_code range_known(tn_infer *c, int64_t n, tn_error *err)
{
    int64_t start, delta;
    (void)err;
    c->out[0].shape = tn_shape_vector(n);
    if (n > TN_MAX_RANK || !tn_infer_int(c, 0, &start) || !tn_infer_int(c, 2, &delta)) return TN_OK;
    tn_shape ints = {.rank = (int)n};
    for (int i = 0; i < n; i++) ints.dim[i] = start + i * delta;
    tn_infer_set_ints(c, 0, &ints);
    return TN_OK;
}

static tn_code range_infer(tn_infer *c, tn_error *err)
{
    static const char *const names[] = {"start", "limit", "delta"};
    const tn_tensor *v[3];
    int64_t value[3], n = 0;
    tn_tensor known[3];
    tn_shape scalar = {.rank = 0};
    char text[160];
    c->out[0].shape = tn_shape_vector(-1);
    bool all = true;
    for (int i = 0; i < 3; i++) {
        const tn_shape *s = &c->in[i]->shape;
        if (s->rank > 1 || (s->rank == 1 && s->dim[0] > 1))
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s must be a scalar, not shape %s", names[i],
                           tn_shape_text(s, text, sizeof text));
        v[i] = one_number(c->in[i]->value) ? c->in[i]->value : NULL;
        if (!v[i] && tn_infer_int(c, i, &value[i])) {
            known[i] = tn_tensor_view(TN_INT64, &scalar, &value[i]);
            v[i] = &known[i];
        }
        all = all && v[i];
    }
    if (!all) return TN_OK;
    TN_TRY(range_size(v[0], v[1], v[2], &n, err));
    return range_known(c, n, err);
}

#define FILL(T)                                                                                              \
    do {                                                                                                     \
        T value = *(const T *)r->in[0]->data, delta = *(const T *)r->in[2]->data, *y = r->out[0]->data;      \
        for (int64_t i = 0; i < n; i++) y[i] = (T)(value + (T)i * delta);                                    \
    } while (0)

static tn_code range_run(tn_run *r, tn_error *err)
{
    int64_t n = tn_shape_count(&r->out[0]->shape);
    (void)err;
    switch (r->out[0]->dtype) {
    case TN_FLOAT: FILL(float); break;
    case TN_DOUBLE: FILL(double); break;
    case TN_INT8: FILL(uint8_t); break;
    case TN_INT16: case TN_UINT16: FILL(uint16_t); break;
    case TN_INT32: case TN_UINT32: FILL(uint32_t); break;
    case TN_INT64: case TN_UINT64: FILL(uint64_t); break;
    default: { /* half, bfloat16 */
        double start = tn_tensor_number(r->in[0], 0), delta = tn_tensor_number(r->in[2], 0);
        for (int64_t i = 0; i < n; i++) tn_tensor_set_number(r->out[0], i, start + (double)i * delta);
    }
    }
    return TN_OK;
}

const tn_op tn_op_Range = {
    .name = "Range",
    .sig = "start:Tidx limit:Tidx delta:Tidx -> output:Tidx; "
           "Tidx:type{bfloat16,half,float,double,int8,int16,int32,"
           "int64,uint16,uint32,uint64}=int32",
    .infer = range_infer,
    .run = range_run,
    .flags = TN_NO_GRADIENT,
    .values = TN_BIT(0) | TN_BIT(1) | TN_BIT(2),
};

/* ==== LinSpace ==== */

static tn_code linspace_infer(tn_infer *c, tn_error *err)
{
    int64_t n = -1;
    for (int i = 0; i < 3; i++) TN_TRY(tn_infer_rank(c, i, 0, err));
    if (tn_infer_int(c, 2, &n) && n <= 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Requires num > 0: %lld", (long long)n);
    c->out[0].shape = tn_shape_vector(n);
    return TN_OK;
}

static tn_code linspace_run(tn_run *r, tn_error *err)
{
    tn_tensor *y = r->out[0];
    int64_t n = tn_shape_count(&y->shape);
    double start = tn_tensor_number(r->in[0], 0), stop = tn_tensor_number(r->in[1], 0);
    double step = n > 1 ? (stop - start) / (double)(n - 1) : 0;
    (void)err;
    if (y->dtype == TN_FLOAT) { /* in single precision, as TensorFlow */
        float first = (float)start, width = n > 1 ? ((float)stop - first) / (float)(n - 1) : 0;
        for (int64_t i = 0; i < n; i++) TN_FLOATS(y)[i] = first + width * (float)i;
    } else {
        for (int64_t i = 0; i < n; i++) tn_tensor_set_number(y, i, start + step * (double)i);
    }
    if (n > 1) tn_tensor_set_number(y, n - 1, stop);
    return TN_OK;
}

const tn_op tn_op_LinSpace = {
    .name = "LinSpace",
    .sig = "start:T stop:T num:Tidx -> output:T; T:type{bfloat16,half,float,double} "
           "Tidx:type{int32,int64}=int32",
    .infer = linspace_infer,
    .run = linspace_run,
    .flags = TN_NO_GRADIENT,
    .values = TN_BIT(2),
};

/* ==== BroadcastGradientArgs, BroadcastArgs ==== */

typedef struct broadcast { /* the axes each side is summed over, and the common shape */
    tn_shape axes[2], out;
} broadcast;

static tn_code vector_check(const tn_shape *s, int i, tn_error *err)
{
    char text[160];
    if (s->rank < 0 || s->rank == 1) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "In[%d] must be a vector.%s", i,
                   tn_shape_text(s, text, sizeof text));
}

static tn_code mismatch(const tn_shape *a, const tn_shape *b, tn_error *err)
{
    char x[160], y[160];
    return tn_fail(err, TN_INVALID_ARGUMENT, "Incompatible shapes: %s vs. %s", tn_shape_text(a, x, sizeof x),
                   tn_shape_text(b, y, sizeof y));
}

/* Equal shapes have no axes; a dimension that is 1 on both sides counts for both. */
static tn_code broadcast_of(const tn_shape *a, const tn_shape *b, broadcast *r, tn_error *err)
{
    int rank = TN_MAX(a->rank, b->rank);
    bool equal = tn_shape_equal(a, b);
    memset(r, 0, sizeof *r);
    for (int i = 0; i < rank; i++) {
        int64_t x = i < rank - a->rank ? 1 : a->dim[i - (rank - a->rank)];
        int64_t y = i < rank - b->rank ? 1 : b->dim[i - (rank - b->rank)];
        if (x != y && x != 1 && y != 1) return mismatch(a, b, err);
        r->out.dim[r->out.rank++] = x == 1 ? y : x;
        if (equal) continue;
        if (x == 1) r->axes[0].dim[r->axes[0].rank++] = i;
        if (y == 1) r->axes[1].dim[r->axes[1].rank++] = i;
    }
    return TN_OK;
}

static bool all_known(const tn_shape *s)
{
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] == TN_UNKNOWN_INT) return false;
    return true;
}

static tn_code args_infer(tn_infer *c, tn_error *err)
{
    tn_shape a, b;
    broadcast r;
    bool gradient = c->n_out == 2;
    for (int o = 0; o < c->n_out; o++) {
        TN_TRY(vector_check(&c->in[o]->shape, o, err));
        c->out[o].shape = tn_shape_vector(-1);
    }
    TN_TRY(vector_check(&c->in[1]->shape, 1, err));
    if (!tn_known_ints(c->in[0], &a) || !tn_known_ints(c->in[1], &b) || !all_known(&a) || !all_known(&b))
        return TN_OK;
    TN_TRY(broadcast_of(&a, &b, &r, err));
    for (int o = 0; o < c->n_out; o++) {
        const tn_shape *v = gradient ? &r.axes[o] : &r.out;
        c->out[o].shape = tn_shape_vector(v->rank);
        tn_infer_set_ints(c, o, v);
    }
    return TN_OK;
}

static tn_code shape_value(const tn_tensor *t, tn_shape *out, tn_error *err)
{
    int64_t n = tn_shape_count(&t->shape);
    if (n > TN_MAX_RANK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a shape of %lld dimensions, at most %d are possible",
                       (long long)n, TN_MAX_RANK);
    *out = (tn_shape){.rank = (int)n};
    for (int i = 0; i < n; i++) out->dim[i] = tn_tensor_int(t, i);
    return TN_OK;
}

static tn_code args_run(tn_run *r, tn_error *err)
{
    tn_shape a, b;
    broadcast v;
    TN_TRY(shape_value(r->in[0], &a, err));
    TN_TRY(shape_value(r->in[1], &b, err));
    TN_TRY(broadcast_of(&a, &b, &v, err));
    for (int o = 0; o < r->n_out; o++) {
        const tn_shape *ints = r->n_out == 2 ? &v.axes[o] : &v.out;
        if (tn_shape_count(&r->out[o]->shape) != ints->rank)
            return tn_fail(err, TN_INTERNAL, "%s: %d elements where %lld were planned", r->op->name,
                           ints->rank, (long long)tn_shape_count(&r->out[o]->shape));
        for (int i = 0; i < ints->rank; i++) tn_tensor_set_number(r->out[o], i, (double)ints->dim[i]);
    }
    return TN_OK;
}

const tn_op tn_op_BroadcastGradientArgs = {
    .name = "BroadcastGradientArgs",
    .sig = "s0:T s1:T -> r0:T r1:T; T:type{int32,int64}=int32",
    .infer = args_infer,
    .run = args_run,
    .flags = TN_NO_GRADIENT,
    .values = TN_BIT(0) | TN_BIT(1),
};

const tn_op tn_op_BroadcastArgs = {
    .name = "BroadcastArgs",
    .sig = "s0:T s1:T -> r0:T; T:type{int32,int64}=int32",
    .infer = args_infer,
    .run = args_run,
    .flags = TN_NO_GRADIENT,
    .values = TN_BIT(0) | TN_BIT(1),
};
