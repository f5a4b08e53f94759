/* SPDX-License-Identifier: Apache-2.0
 *
 * op_cast.c - Cast and Bitcast, and CheckNumerics.
 */
#include <math.h>

#include "op_math.h"

/* ==== Cast ==== */

static tn_code cast_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[0].shape = c->in[0]->shape;
    c->out[0].bound = c->in[0]->bound;
    tn_dtype t = tn_dtype_base(c->out[0].dtype);
    if (t != TN_INT32 && t != TN_INT64) return TN_OK;
    tn_shape *ints = &c->out[0].ints;
    c->out[0].has_ints = tn_known_ints(c->in[0], ints);
    for (int i = 0; c->out[0].has_ints && t == TN_INT32 && i < ints->rank; i++)
        if (ints->dim[i] != (int32_t)ints->dim[i]) ints->dim[i] = TN_UNKNOWN_INT;
    return TN_OK;
}

typedef struct cast {
    tn_dtype from, to;
    int64_t count;
    bool truncate;
} cast;

static tn_code cast_run(tn_run *r, tn_error *err)
{
    const cast *c = r->params;
    if (c->from == c->to) {
        memmove(r->out[0]->data, r->in[0]->data, (size_t)c->count * tn_dtype_size(c->from));
        return TN_OK;
    }
    return tn_cast(c->from, c->to, c->count, r->in[0]->data, r->out[0]->data, c->truncate, r->threads, err);
}

static tn_code same_run(tn_run *r, tn_error *err)
{
    return tn_run_output_share(r, 0, r->in[0], err);
}

static tn_code cast_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, cast, c);
    c->from = tn_dtype_base(p->in[0]->dtype);
    c->to = tn_dtype_base(p->out[0]->dtype);
    c->count = tn_shape_count(&p->in[0]->shape);
    c->truncate = tn_attr_b(p->attrs, "Truncate");
    if (c->from == c->to && !tn_dtype_is_pod(c->from)) {
        p->run = same_run;
        return TN_OK;
    }
    if (tn_dtype_is_pod(c->from) && tn_dtype_is_pod(c->to)) return TN_OK;
    return tn_fail(err, TN_UNIMPLEMENTED, "Cast %s to %s is not supported", tn_dtype_name(c->from),
                   tn_dtype_name(c->to));
}

static bool continuous(tn_dtype t)
{
    return tn_dtype_is_float(t) || tn_dtype_is_complex(t);
}

static tn_code cast_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_dtype from = tn_dtype_base(tn_node_dtype(tn_grad_in(g, 0)));
    tn_dtype to = tn_dtype_base(tn_node_dtype(tn_grad_out(g, 0)));
    if (continuous(from) && continuous(to)) tn_grad_set(g, 0, tn_grad_cast(g->b, tn_grad_dy(g, 0), from));
    return TN_OK;
}

const tn_op tn_op_Cast = {
    .name = "Cast",
    .sig = "x:SrcT -> y:DstT; SrcT:type DstT:type Truncate:bool=false",
    .infer = cast_infer,
    .prepare = cast_prepare,
    .run = cast_run,
    .grad = cast_grad,
};

/* ==== Bitcast ==== a larger element becomes a last dimension of smaller ones, and back */

static tn_code bitcast_infer(tn_infer *c, tn_error *err)
{
    int64_t from = (int64_t)tn_dtype_size(tn_dtype_base(c->in[0]->dtype));
    int64_t to = (int64_t)tn_dtype_size(tn_dtype_base(c->out[0].dtype));
    tn_shape s = c->in[0]->shape;
    if (from > to && from % to == 0 && s.rank >= 0) {
        if (s.rank == TN_MAX_RANK) return tn_fail(err, TN_INVALID_ARGUMENT, "Bitcast of rank %d", s.rank);
        s.dim[s.rank++] = from / to;
    } else if (from < to && s.rank >= 0) {
        int64_t last = s.rank > 0 ? s.dim[s.rank - 1] : 1;
        if (s.rank == 0 || to % from != 0 || (last >= 0 && last != to / from))
            return tn_fail(err, TN_INVALID_ARGUMENT, "Cannot bitcast from %lld to %lld", (long long)to,
                           (long long)from);
        s.rank--;
    } else if (from != to && s.rank >= 0) {
        return tn_fail(err, TN_INVALID_ARGUMENT, "Cannot bitcast from %lld to %lld", (long long)to,
                       (long long)from);
    }
    c->out[0].shape = s;
    return TN_OK;
}

static tn_code bitcast_run(tn_run *r, tn_error *err)
{
    (void)err;
    memmove(r->out[0]->data, r->in[0]->data, tn_tensor_bytes(r->out[0]));
    return TN_OK;
}

const tn_op tn_op_Bitcast = {
    .name = "Bitcast",
    .sig = "input:T -> output:type; T:type{numbertype} type:type{numbertype}",
    .infer = bitcast_infer,
    .run = bitcast_run,
};

/* ==== CheckNumerics ==== */

enum { HAS_NAN = 1, HAS_INF = 2, HAS_MINUS_INF = 4 };

static unsigned seen(double v)
{
    if (isnan(v)) return HAS_NAN;
    return !isinf(v) ? 0 : v > 0 ? HAS_INF : HAS_MINUS_INF;
}

#define SCAN(T, VALUE)                                        \
    do {                                                      \
        const T *x = t->data;                                 \
        for (int64_t i = 0; i < n; i++) found |= seen(VALUE); \
    } while (0)

static unsigned scan(const tn_tensor *t)
{
    unsigned found = 0;
    int64_t n = tn_shape_count(&t->shape);
    switch (tn_dtype_base(t->dtype)) {
    case TN_FLOAT: SCAN(float, (double)x[i]); break;
    case TN_DOUBLE: SCAN(double, x[i]); break;
    case TN_HALF: SCAN(uint16_t, (double)tn_half_to_float(x[i])); break;
    default: SCAN(uint16_t, (double)tn_bfloat16_to_float(x[i])); break;
    }
    return found;
}

/* V2 tells the infinities apart. */
static const char *what_was_seen(unsigned found, bool v2)
{
    static const char *const v1[] = {"", "NaN", "Inf", "Inf and NaN"};
    static const char *const signs[] = {"",     "NaN",          "+Inf",          "+Inf and NaN",
                                        "-Inf", "-Inf and NaN", "-Inf and +Inf", "-Inf, +Inf, and NaN"};
    if (v2) return signs[found];
    return v1[(found & HAS_NAN) | (found & (HAS_INF | HAS_MINUS_INF) ? HAS_INF : 0)];
}

static tn_code check_run(tn_run *r, tn_error *err)
{
    unsigned found = scan(r->in[0]);
    tn_view message = {"", 0};
    if (!found) {
        memmove(r->out[0]->data, r->in[0]->data, tn_tensor_bytes(r->out[0]));
        return TN_OK;
    }
    tn_attr_get_string(r->attrs, "message", &message);
    return tn_fail(err, TN_INVALID_ARGUMENT, "%.*s : Tensor had %s values", (int)message.n, message.p,
                   what_was_seen(found, !strcmp(r->op->name, "CheckNumericsV2")));
}

static tn_code check_grad(tn_grad *g, tn_error *err)
{
    tn_view message = {"", 0};
    char text[512];
    (void)err;
    tn_attr_get_string(&g->op->attrs, "message", &message);
    snprintf(text, sizeof text, "Not a number (NaN) or infinity (Inf) values detected in gradient. %.*s",
             (int)message.n, message.p);
    tn_grad_set(
        g, 0, tn_op(g->b, g->op->type, TN_INPUTS(tn_grad_dy(g, 0)), TN_ATTRS(tn_attr_str("message", text))));
    return TN_OK;
}

#define CHECK(Name)                                                       \
    const tn_op tn_op_##Name = {                                          \
        .name = #Name,                                                    \
        .sig = "tensor:T -> output:T; T:type{" T_REAL "} message:string", \
        .infer = tn_infer_unchanged,                                      \
        .run = check_run,                                                 \
        .grad = check_grad,                                               \
        .flags = TN_INPLACE | TN_STATEFUL,                                \
    }
CHECK(CheckNumerics);
CHECK(CheckNumericsV2);
