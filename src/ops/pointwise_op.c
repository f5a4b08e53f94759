/* SPDX-License-Identifier: Apache-2.0
 *
 * pointwise_op.c - what element-wise operators have in common: inference, and running as one operation of
 * kernel/. The operators themselves are rows in op_unary.c, op_binary.c, op_compare.c, op_activation.c.
 *
 * Invariant: the record's `pointwise` names the kernel operation whether or not it may stand in a fused
 * program (TN_POINTWISE says that).
 */
#include "op_math.h"

/* ==== inference ==== */

bool tn_known_ints(const tn_info *info, tn_shape *out)
{
    const tn_tensor *v = info->value;
    if (!v) {
        if (info->has_ints) *out = info->ints;
        return info->has_ints;
    }
    if ((v->dtype != TN_INT32 && v->dtype != TN_INT64) || v->shape.rank > 1) return false;
    int64_t n = tn_shape_count(&v->shape);
    if (n > TN_MAX_RANK) return false;
    *out = (tn_shape){.rank = (int)n};
    for (int i = 0; i < n; i++) out->dim[i] = tn_tensor_int(v, i);
    return true;
}

static int64_t arithmetic(const char *op, int64_t a, int64_t b)
{
    int64_t r;
    if (a == TN_UNKNOWN_INT || b == TN_UNKNOWN_INT) return TN_UNKNOWN_INT;
    if (!strcmp(op, "ADD")) return __builtin_add_overflow(a, b, &r) ? TN_UNKNOWN_INT : r;
    if (!strcmp(op, "SUB")) return __builtin_sub_overflow(a, b, &r) ? TN_UNKNOWN_INT : r;
    if (!strcmp(op, "MUL")) return __builtin_mul_overflow(a, b, &r) ? TN_UNKNOWN_INT : r;
    if (!strcmp(op, "MAXIMUM")) return TN_MAX(a, b);
    if (!strcmp(op, "MINIMUM")) return TN_MIN(a, b);
    if (b <= 0 || a < 0) return TN_UNKNOWN_INT; /* what sizes never are is left to run */
    if (!strcmp(op, "FLOOR_DIV")) return a / b;
    if (!strcmp(op, "FLOOR_MOD")) return a % b;
    return TN_UNKNOWN_INT;
}

tn_code tn_infer_arithmetic(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_broadcast(c, err));
    tn_shape a, b;
    tn_dtype t = tn_dtype_base(c->out[0].dtype);
    if ((t != TN_INT32 && t != TN_INT64) || c->out[0].shape.rank < 0 || c->out[0].shape.rank > 1)
        return TN_OK;
    if (!tn_known_ints(c->in[0], &a) || !tn_known_ints(c->in[1], &b)) return TN_OK;
    if (a.rank != b.rank && a.rank != 1 && b.rank != 1) return TN_OK;
    tn_shape r = {.rank = a.rank == 1 ? b.rank : a.rank};
    for (int i = 0; i < r.rank; i++) {
        r.dim[i] = arithmetic(c->op->pointwise, a.dim[a.rank == 1 ? 0 : i], b.dim[b.rank == 1 ? 0 : i]);
        if (t == TN_INT32 && r.dim[i] != (int32_t)r.dim[i]) r.dim[i] = TN_UNKNOWN_INT; /* run wraps */
    }
    c->out[0].has_ints = true;
    c->out[0].ints = r;
    return TN_OK;
}

tn_code tn_infer_same(tn_infer *c, tn_error *err)
{
    tn_shape s = c->in[0]->shape;
    for (int i = 1; i < c->n_in; i++) TN_TRY(tn_shape_merge(&s, &c->in[i]->shape, &s, err));
    c->out[0].shape = s;
    c->out[0].bound = c->in[0]->bound;
    return TN_OK;
}

/* ==== one kernel operation ==== */

static tn_pw_op operation_named(const char *name)
{
    for (int i = 0; i < TN_PW_COUNT; i++)
        if (!strcmp(tn_pw_name((tn_pw_op)i), name)) return (tn_pw_op)i;
    return TN_PW_COUNT;
}

/* The dtype kernel/ is asked for: of the operands; SELECT's first is bool. */
static tn_dtype operand_dtype(tn_pw_op op, const tn_prepare *p)
{
    return tn_dtype_base(p->in[op == TN_PW_SELECT ? 1 : 0]->dtype);
}

tn_code tn_pointwise_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, tn_pw_plan, plan);
    tn_pw_op op = operation_named(p->op->pointwise);
    if (op == TN_PW_COUNT || tn_pw_arity(op) != p->n_in)
        return tn_fail(err, TN_INTERNAL, "%s: no kernel operation %s", p->op->name, p->op->pointwise);
    tn_dtype t = operand_dtype(op, p);
    if (!tn_pw_supported(op, t))
        return tn_fail(err, TN_UNIMPLEMENTED, "%s of %s is not supported", p->op->name, tn_dtype_name(t));
    if (p->out[0]->dtype != tn_pw_result(op, t))
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s of %s gives no %s", p->op->name, tn_dtype_name(t),
                       tn_dtype_name(p->out[0]->dtype));
    const tn_shape *shapes[3] = {NULL};
    for (int i = 0; i < p->n_in; i++) shapes[i] = &p->in[i]->shape;
    float attr = 0;
    if (!tn_attr_get_float(p->attrs, "alpha", &attr)) tn_attr_get_float(p->attrs, "tolerance", &attr);
    return tn_pw_prepare(op, t, shapes, &p->out[0]->shape, attr, p->threads, plan, err);
}

tn_code tn_pointwise_run(tn_run *r, tn_error *err)
{
    const void *in[3] = {NULL};
    for (int i = 0; i < r->n_in; i++) in[i] = r->in[i]->data;
    return tn_pw_run(r->params, in, r->out[0]->data, err);
}

/* ==== functions computed in double ==== */

typedef struct slow {
    tn_slow_fn f;
    tn_walk walk;
    int n;
} slow;

tn_code tn_slow_prepare(tn_prepare *p, tn_slow_fn f, tn_error *err)
{
    TN_PARAMS(p, slow, s);
    const tn_shape *shapes[3] = {NULL};
    s->f = f;
    s->n = p->n_in;
    for (int i = 0; i < p->n_in; i++) shapes[i] = &p->in[i]->shape;
    return tn_walk_prepare(&p->out[0]->shape, shapes, p->n_in, &s->walk, err);
}

static double number_at(const tn_tensor *t, int64_t i)
{
    switch (tn_dtype_base(t->dtype)) {
    case TN_FLOAT: return ((const float *)t->data)[i];
    case TN_DOUBLE: return ((const double *)t->data)[i];
    case TN_HALF: return tn_half_to_float(((const uint16_t *)t->data)[i]);
    case TN_BFLOAT16: return tn_bfloat16_to_float(((const uint16_t *)t->data)[i]);
    default: return tn_tensor_number(t, i);
    }
}

void tn_walk_next(const tn_walk *w, int n, int64_t *index, int64_t *at)
{
    for (int d = w->rank - 1; d >= 0; d--) {
        for (int k = 0; k < n; k++) at[k] += w->stride[k][d];
        if (++index[d] < w->dim[d]) return;
        index[d] = 0;
        for (int k = 0; k < n; k++) at[k] -= w->stride[k][d] * w->dim[d];
    }
}

tn_code tn_slow_run(tn_run *r, tn_error *err)
{
    const slow *s = r->params;
    int64_t index[TN_MAX_RANK] = {0}, at[4] = {0};
    (void)err;
    for (int64_t i = 0; i < s->walk.count; i++) {
        double arg[3];
        for (int k = 0; k < s->n; k++) arg[k] = number_at(r->in[k], at[k]);
        tn_tensor_set_number(r->out[0], i, s->f(arg));
        tn_walk_next(&s->walk, s->n, index, at);
    }
    return TN_OK;
}
