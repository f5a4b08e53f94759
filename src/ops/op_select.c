/* SPDX-License-Identifier: Apache-2.0
 *
 * op_select.c - Select, SelectV2, ClipByValue. Select is of equal shapes, or the condition is a scalar or a
 * vector that chooses rows; SelectV2 broadcasts all three.
 */
#include "op_math.h"
#include "op_move.h"

/* ==== inference ==== */

static tn_code different(const char *what, const tn_shape *a, const char *between, const tn_shape *b,
                         tn_error *err)
{
    char x[160], y[160];
    return tn_fail(err, TN_INVALID_ARGUMENT, "%s %s%s %s", what, tn_shape_text(a, x, sizeof x), between,
                   tn_shape_text(b, y, sizeof y));
}

static tn_code select_infer(tn_infer *c, tn_error *err)
{
    tn_shape s;
    const tn_shape *cond = &c->in[0]->shape;
    if (tn_shape_merge(&c->in[1]->shape, &c->in[2]->shape, &s, NULL) != TN_OK)
        return different("'then' and 'else' must have the same size.  but received:", &c->in[1]->shape,
                         " vs.", &c->in[2]->shape, err);
    c->out[0].shape = s;
    c->out[0].bound = c->in[1]->bound;
    if (cond->rank <= 0 || s.rank < 0) return TN_OK;
    int64_t rows;
    bool fits = cond->rank == 1 && s.rank > 1
                    ? tn_infer_merge_dim(cond->dim[0], s.dim[0], &rows, NULL) == TN_OK
                    : tn_shape_merge(cond, &s, &c->out[0].shape, NULL) == TN_OK;
    if (fits) return TN_OK;
    return different("Inputs to operation Select of type Select must have the same size and shape.  Input 0:",
                     cond, " != input 1:", &s, err);
}

static tn_code not_broadcastable(const tn_infer *c, tn_error *err)
{
    char a[160], b[160], d[160];
    return tn_fail(err, TN_INVALID_ARGUMENT, "condition %s, then %s, and else %s must be broadcastable",
                   tn_shape_text(&c->in[0]->shape, a, sizeof a), tn_shape_text(&c->in[1]->shape, b, sizeof b),
                   tn_shape_text(&c->in[2]->shape, d, sizeof d));
}

static tn_code select_v2_infer(tn_infer *c, tn_error *err)
{
    tn_shape s;
    if (tn_shape_broadcast(&c->in[1]->shape, &c->in[2]->shape, &s, NULL) != TN_OK ||
        tn_shape_broadcast(&c->in[0]->shape, &s, &c->out[0].shape, NULL) != TN_OK)
        return not_broadcastable(c, err);
    return TN_OK;
}

/* ==== running ==== */

typedef struct choice {
    tn_pw_plan plan; /* first: what tn_pointwise_run takes params for */
    tn_walk walk;
} choice;

/* Of strings, resources and variants. */
static tn_code select_elements_run(tn_run *r, tn_error *err)
{
    const choice *c = r->params;
    int64_t index[TN_MAX_RANK] = {0}, at[4] = {0};
    const bool *cond = r->in[0]->data;
    for (int64_t i = 0; i < c->walk.count; i++) {
        const int from = cond[at[0]] ? 1 : 2;
        TN_TRY(tn_move_row(r->out[0], i, r->in[from], at[from], 1, err));
        tn_walk_next(&c->walk, 3, index, at);
    }
    return TN_OK;
}

static tn_code select_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, choice, c);
    tn_shape cond = p->in[0]->shape, *out = (tn_shape *)&p->out[0]->shape;
    /* A vector that chooses rows, seen as [n, 1, 1, ...]. */
    if (!strcmp(p->op->name, "Select") && cond.rank == 1)
        for (; cond.rank < out->rank; cond.rank++) cond.dim[cond.rank] = 1;
    const tn_shape *shapes[] = {&cond, &p->in[1]->shape, &p->in[2]->shape};
    tn_dtype t = tn_dtype_base(p->in[1]->dtype);
    if (!tn_dtype_is_pod(t)) {
        p->run = select_elements_run;
        return tn_walk_prepare(out, shapes, 3, &c->walk, err);
    }
    if (!tn_pw_supported(TN_PW_SELECT, t))
        return tn_fail(err, TN_UNIMPLEMENTED, "%s of %s is not supported", p->op->name, tn_dtype_name(t));
    return tn_pw_prepare(TN_PW_SELECT, t, shapes, out, 0, p->threads, &c->plan, err);
}

/* ==== gradients ==== */

static tn_code select_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node c = tn_grad_in(g, 0), dy = tn_grad_dy(g, 0), zeros = tn_zeros_like(g->b, tn_grad_in(g, 1));
    tn_grad_set(g, 1, tn_g3(g->b, "Select", c, dy, zeros));
    tn_grad_set(g, 2, tn_g3(g->b, "Select", c, zeros, dy));
    return TN_OK;
}

static tn_code select_v2_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node c = tn_grad_in(g, 0), dy = tn_grad_dy(g, 0);
    tn_node zero = tn_scalar(g->b, tn_dtype_base(tn_node_dtype(dy)), 0);
    tn_node out = tn_grad_out(g, 0);
    tn_grad_set(g, 1, tn_g_sum_to(g->b, tn_g3(g->b, "SelectV2", c, dy, zero), tn_grad_in(g, 1), out));
    tn_grad_set(g, 2, tn_g_sum_to(g->b, tn_g3(g->b, "SelectV2", c, zero, dy), tn_grad_in(g, 2), out));
    return TN_OK;
}

const tn_op tn_op_Select = {
    .name = "Select",
    .sig = "condition:bool t:T e:T -> output:T; T:type",
    .infer = select_infer,
    .prepare = select_prepare,
    .run = tn_pointwise_run,
    .grad = select_grad,
};

const tn_op tn_op_SelectV2 = {
    .name = "SelectV2",
    .sig = "condition:bool t:T e:T -> output:T; T:type",
    .infer = select_v2_infer,
    .prepare = select_prepare,
    .run = tn_pointwise_run,
    .grad = select_v2_grad,
    .flags = TN_POINTWISE,
    .pointwise = "SELECT",
};

/* ==== ClipByValue ==== */

static tn_code clip_infer(tn_infer *c, tn_error *err)
{
    char a[160], b[160], d[160];
    c->out[0].shape = c->in[0]->shape;
    c->out[0].bound = c->in[0]->bound;
    for (int i = 1; i < 3; i++) {
        if (c->in[i]->shape.rank == 0 || tn_shape_compatible(&c->in[i]->shape, &c->in[0]->shape)) continue;
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "clip_value_min and clip_value_max must be either of the same shape "
            "as input, or a scalar. input shape: %sclip_value_min shape: %sclip_value_max shape: %s",
            tn_shape_text(&c->in[0]->shape, a, sizeof a), tn_shape_text(&c->in[1]->shape, b, sizeof b),
            tn_shape_text(&c->in[2]->shape, d, sizeof d));
    }
    return TN_OK;
}

/* Complex numbers are clipped by their parts: as real ones with a last dimension of 2. */
static tn_code clip_prepare(tn_prepare *p, tn_error *err)
{
    tn_shape shape[4];
    tn_dtype t = tn_dtype_base(p->in[0]->dtype);
    if (!tn_dtype_is_complex(t)) return tn_pointwise_prepare(p, err);
    TN_PARAMS(p, tn_pw_plan, plan);
    for (int i = 0; i < 4; i++) {
        shape[i] = i < 3 ? p->in[i]->shape : p->out[0]->shape;
        if (shape[i].rank == TN_MAX_RANK)
            return tn_fail(err, TN_UNIMPLEMENTED, "ClipByValue of complex numbers of rank %d", TN_MAX_RANK);
        shape[i].dim[shape[i].rank++] = 2;
    }
    const tn_shape *operands[] = {&shape[0], &shape[1], &shape[2]};
    return tn_pw_prepare(TN_PW_CLIP, t == TN_COMPLEX64 ? TN_FLOAT : TN_DOUBLE, operands, &shape[3], 0,
                         p->threads, plan, err);
}

static tn_code clip_grad(tn_grad *g, tn_error *err)
{
    tn_node x = tn_grad_in(g, 0), dy = tn_grad_dy(g, 0), zeros = tn_zeros_like(g->b, dy);
    tn_node low = tn_formula(g, "x y Less", err), high = tn_formula(g, "x z Greater", err);
    tn_grad_set(g, 0, tn_g3(g->b, "SelectV2", tn_g2(g->b, "LogicalOr", low, high), zeros, dy));
    tn_grad_set(g, 1, tn_g_sum_to(g->b, tn_g3(g->b, "SelectV2", low, dy, zeros), tn_grad_in(g, 1), x));
    tn_grad_set(g, 2, tn_g_sum_to(g->b, tn_g3(g->b, "SelectV2", high, dy, zeros), tn_grad_in(g, 2), x));
    return TN_OK;
}

const tn_op tn_op_ClipByValue = {
    .name = "ClipByValue",
    .sig = "t:T clip_value_min:T clip_value_max:T -> output:T; T:type{numbertype}",
    .infer = clip_infer,
    .prepare = clip_prepare,
    .run = tn_pointwise_run,
    .grad = clip_grad,
    .flags = TN_POINTWISE | TN_INPLACE,
    .pointwise = "CLIP",
};
