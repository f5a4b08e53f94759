/* SPDX-License-Identifier: Apache-2.0
 *
 * op_compare.c - comparisons and logic, with broadcasting. None has a gradient.
 *
 * Equal and NotEqual are of any dtype, strings included; with incompatible_shape_error false, shapes that
 * do not broadcast give the scalar false (true) instead of an error.
 */
#include "op_math.h"

#define ORDER(Name, Pw)                                                                                      \
    TN_ELEMENTWISE(Name, "x:T y:T -> z:bool; T:type{realnumbertype}", tn_infer_broadcast, NULL,              \
                   TN_POINTWISE | TN_NO_GRADIENT, Pw)
ORDER(Less, "LESS");
ORDER(LessEqual, "LESS_EQUAL");
ORDER(Greater, "GREATER");
ORDER(GreaterEqual, "GREATER_EQUAL");

#define LOGIC(Name, Pw)                                                                                      \
    TN_ELEMENTWISE(Name, "x:bool y:bool -> z:bool;", tn_infer_broadcast, NULL,                               \
                   TN_INPLACE | TN_NO_GRADIENT, Pw)
LOGIC(LogicalAnd, "LOGICAL_AND");
LOGIC(LogicalOr, "LOGICAL_OR");

/* ==== Equal, NotEqual ==== */

static bool may_differ(const tn_attrs *attrs)
{
    bool strict;
    return tn_attr_get_bool(attrs, "incompatible_shape_error", &strict) && !strict;
}

static tn_code equal_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *a = &c->in[0]->shape, *b = &c->in[1]->shape;
    tn_shape out;
    if (!may_differ(c->attrs)) return tn_infer_broadcast(c, err);
    if (!tn_shape_known(a) || !tn_shape_known(b)) return TN_OK;
    c->out[0].shape = tn_shape_broadcast(a, b, &out, NULL) == TN_OK ? out : (tn_shape){.rank = 0};
    return TN_OK;
}

typedef struct equality {
    tn_walk walk;
    bool differ; /* what equals does not give: NotEqual */
} equality;

static bool same_string(const tn_string *a, const tn_string *b)
{
    return a->n == b->n && (a->n == 0 || !memcmp(a->p, b->p, a->n));
}

static tn_code equal_strings_run(tn_run *r, tn_error *err)
{
    const equality *e = r->params;
    int64_t index[TN_MAX_RANK] = {0}, at[4] = {0};
    bool *z = r->out[0]->data;
    (void)err;
    for (int64_t i = 0; i < e->walk.count; i++) {
        z[i] = same_string(&TN_STRINGS(r->in[0])[at[0]], &TN_STRINGS(r->in[1])[at[1]]) != e->differ;
        tn_walk_next(&e->walk, 2, index, at);
    }
    return TN_OK;
}

static tn_code mismatch_run(tn_run *r, tn_error *err)
{
    const equality *e = r->params;
    (void)err;
    *(bool *)r->out[0]->data = e->differ;
    return TN_OK;
}

static tn_code equal_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *shapes[] = {&p->in[0]->shape, &p->in[1]->shape};
    tn_shape out;
    bool mismatch = may_differ(p->attrs) && tn_shape_broadcast(shapes[0], shapes[1], &out, NULL) != TN_OK;
    if (!mismatch && p->in[0]->dtype != TN_STRING) return tn_pointwise_prepare(p, err);
    TN_PARAMS(p, equality, e);
    e->differ = !strcmp(p->op->name, "NotEqual");
    p->run = mismatch ? mismatch_run : equal_strings_run;
    return mismatch ? TN_OK : tn_walk_prepare(&p->out[0]->shape, shapes, 2, &e->walk, err);
}

#define EQUALITY(Name, Pw)                                                                                   \
    const tn_op tn_op_##Name = {                                                                             \
        .name = #Name,                                                                                       \
        .sig = "x:T y:T -> z:bool; T:type incompatible_shape_error:bool=true",                               \
        .infer = equal_infer,                                                                                \
        .prepare = equal_prepare,                                                                            \
        .run = tn_pointwise_run,                                                                             \
        .flags = TN_POINTWISE | TN_NO_GRADIENT,                                                 \
        .pointwise = Pw,                                                                                     \
    }
EQUALITY(Equal, "EQUAL");
EQUALITY(NotEqual, "NOT_EQUAL");

/* ==== ApproximateEqual ==== no broadcasting */

static tn_code approximate_infer(tn_infer *c, tn_error *err)
{
    char a[160], b[160];
    if (tn_infer_same(c, NULL) == TN_OK) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "x and y must be of the same shape. x shape: %s. y shape: %s",
                   tn_shape_text(&c->in[0]->shape, a, sizeof a),
                   tn_shape_text(&c->in[1]->shape, b, sizeof b));
}
TN_ELEMENTWISE(ApproximateEqual,
               "x:T y:T -> z:bool; T:type{numbertype} tolerance:float=9.999999747378752e-06",
               approximate_infer, NULL, TN_NO_GRADIENT, "APPROX_EQUAL");
