/* SPDX-License-Identifier: Apache-2.0
 *
 * fold.c - what is known of every value once the shapes of the feeds are: one walk that infers shapes and
 * evaluates what is constant, loops to a fixed point. Then constants replace the nodes that made them.
 *
 * Invariants: random and stateful operators are never evaluated; results over FOLD_LIMIT bytes are not kept.
 */
#include "plan.h"

enum { FOLD_LIMIT = 1 << 24, ZEROS_LIMIT = 1 << 20 };

static tn_code infer_region(tn_binding *b, tn_region *r, bool lenient, tn_error *err);

tn_code tn_binding_own(tn_binding *b, tn_tensor *t, tn_error *err)
{
    if (!TN_ROOM(NULL, b->owned, b->n_owned, b->cap_owned)) {
        tn_tensor_unref(t);
        return tn_no_memory(err, 0);
    }
    b->owned[b->n_owned++] = t;
    return TN_OK;
}

static void forget(tn_pnode *n)
{
    for (int i = 0; i < n->n_out; i++) {
        tn_dtype t = n->out[i].dtype;
        n->out[i] = (tn_info){.dtype = t, .shape = tn_shape_unknown(), .bound = -1};
    }
}

/* A fully known integer vector (a Shape's output) becomes a value. */
static tn_code value_from_ints(tn_binding *b, tn_info *o, tn_error *err)
{
    if (o->value || !o->has_ints || !tn_shape_known(&o->shape)) return TN_OK;
    for (int i = 0; i < o->ints.rank; i++)
        if (o->ints.dim[i] == TN_UNKNOWN_INT) return TN_OK;
    tn_tensor *t;
    tn_dtype dt = o->dtype;
    if (dt != TN_INT32 && dt != TN_INT64) return TN_OK;
    TN_TRY(tn_tensor_int64s(dt, o->ints.dim, o->ints.rank, &t, err));
    t->shape = o->shape;
    TN_TRY(tn_binding_own(b, t, err));
    o->value = t;
    return TN_OK;
}

/* ZerosLike looks at a shape only. */
static tn_code zeros_of_shape(tn_binding *b, tn_info *o, tn_error *err)
{
    int64_t count = tn_shape_count(&o->shape);
    tn_tensor *t;
    if (count < 0 || !tn_dtype_is_pod(o->dtype) || count > ZEROS_LIMIT / (int64_t)tn_dtype_size(o->dtype)) return TN_OK;
    TN_TRY(tn_tensor_new(o->dtype, &o->shape, &t, err));
    TN_TRY(tn_binding_own(b, t, err));
    o->value = t;
    return TN_OK;
}

static bool may_evaluate(const tn_pnode *n)
{
    if ((n->op->flags & (TN_STATEFUL | TN_EFFECT)) || n->op->reads || n->op->writes || n->n_sub || !n->n_out)
        return false;
    if (!n->op->run && !(n->op->flags & TN_ALIAS)) return false;
    for (int i = 0; i < n->n_in; i++)
        if (!n->in[i].node->out[n->in[i].index].value) return false;
    for (int i = 0; i < n->n_out; i++) {
        int64_t count = tn_shape_count(&n->out[i].shape);
        if (!tn_dtype_is_pod(n->out[i].dtype) && n->out[i].dtype != TN_STRING) return false;
        if (count < 0 ? !tn_op_is_dynamic(n->op, i) : count > FOLD_LIMIT / (int64_t)tn_dtype_size(n->out[i].dtype))
            return false;
    }
    return true;
}

static tn_code evaluate(tn_binding *b, tn_pnode *n, tn_error *err)
{
    const tn_tensor **in = TN_ARRAY(b->arena, n->n_in + 1, const tn_tensor *);
    tn_tensor **out = TN_ARRAY(b->arena, n->n_out, tn_tensor *);
    tn_dtype *dtypes = TN_ARRAY(b->arena, n->n_out, tn_dtype);
    if (!in || !out || !dtypes) return tn_no_memory(err, 0);
    for (int i = 0; i < n->n_in; i++) in[i] = n->in[i].node->out[n->in[i].index].value;
    for (int i = 0; i < n->n_out; i++) dtypes[i] = n->out[i].dtype;
    tn_code code = tn_evaluate(n->op, n->name, n->attrs, in, n->n_in, out, n->n_out, dtypes, err);
    if (code == TN_CANCELLED || code == TN_DEADLINE_EXCEEDED) return TN_OK; /* in a run, then, which has its own time */
    TN_TRY(code);
    for (int i = 0; i < n->n_out; i++) {
        TN_TRY(tn_binding_own(b, out[i], err));
        n->out[i].value = out[i];
        n->out[i].shape = out[i]->shape;
    }
    return TN_OK;
}

static tn_code call_infer(tn_binding *b, tn_pnode *n, tn_error *err)
{
    const tn_info **in = TN_ARRAY(b->arena, n->n_in + 1, const tn_info *);
    if (!in) return tn_no_memory(err, 0);
    for (int i = 0; i < n->n_in; i++) in[i] = &n->in[i].node->out[n->in[i].index];
    tn_infer c = {.op = n->op,
                  .name = n->name,
                  .attrs = n->attrs,
                  .library = b->library,
                  .n_in = n->n_in,
                  .n_out = n->n_out,
                  .in = in,
                  .out = n->out,
                  .arena = b->arena,
                  .late = b->follows ? &b->late : NULL};
    return n->op->infer(&c, err);
}

/* A variable's value has the shape it has now, which assignments keep unless they may change it. Without variables
 * the graph says what is known. */
static tn_code infer_read(tn_binding *b, tn_pnode *n, tn_error *err)
{
    tn_resource *res = tn_pval_resource(n->in[0]);
    if (!b->store && n->op->infer) return call_infer(b, n, err);
    if (!res || res->kind != TN_RES_VARIABLE) return TN_OK;
    tn_stored *v = (tn_stored *)res;
    if (tn_shape_known(&v->shape)) n->out[0].shape = v->shape;
    return TN_OK;
}

/* What operators that change or gather rows of a variable are told of it: the same. */
static tn_code infer_handle(tn_binding *b, tn_pnode *n, tn_error *err)
{
    const tn_stored *v = (const tn_stored *)n->resource;
    if (!b->store || !v || n->resource->kind != TN_RES_VARIABLE || !tn_shape_known(&v->shape)) return TN_OK;
    tn_info *held = TN_NEW(b->arena, tn_info);
    if (!held) return tn_no_memory(err, sizeof *held);
    *held = (tn_info){.dtype = v->dtype, .shape = v->shape, .bound = -1};
    n->out[0].handle = held;
    return TN_OK;
}

/* Who does not say what becomes of what is behind a handle may do anything to it. */
static void end_kept(tn_pnode *n)
{
    if (n->op->flags & TN_KEEPS) return;
    for (int i = 0; i < n->n_in; i++) tn_kept_end(n->in[i].node->out[n->in[i].index].kept);
}

static tn_code infer_plain(tn_binding *b, tn_pnode *n, tn_error *err)
{
    end_kept(n);
    if (n->op == &tn_pseudo_feed || n->op == &tn_pseudo_constant) return TN_OK;
    if (n->op == &tn_pseudo_handle) return infer_handle(b, n, err);
    if (n->op->infer == tn_infer_kept && !tn_pnode_is_read(n)) return TN_OK;
    forget(n);
    if (tn_pnode_is_read(n)) return infer_read(b, n, err);
    if (n->op->infer) TN_TRY(call_infer(b, n, err));
    if (!(b->passes & TN_PASS(FOLD))) return TN_OK;
    for (int i = 0; i < n->n_out; i++) TN_TRY(value_from_ints(b, &n->out[i], err));
    if (n->n_out && n->out[0].value) return TN_OK;
    if (tn_pnode_is(n, "ZerosLike")) return zeros_of_shape(b, &n->out[0], err);
    return may_evaluate(n) ? evaluate(b, n, err) : TN_OK;
}

/* ==== branches and loops ==== */

static void merge_info(tn_info *into, const tn_info *x)
{
    if (into->kept != x->kept) {
        tn_kept_end(into->kept);
        tn_kept_end(x->kept);
        into->kept = NULL;
    }
    if (into->shape.rank != x->shape.rank) into->shape = tn_shape_unknown();
    for (int d = 0; d < into->shape.rank; d++)
        if (into->shape.dim[d] != x->shape.dim[d]) into->shape.dim[d] = -1;
    if (into->value != x->value) into->value = NULL;
    into->has_ints = false;
    into->bound = -1;
}

static void set_arg(tn_pnode *arg, const tn_info *from, bool with_value)
{
    tn_dtype t = arg->out[0].dtype;
    arg->out[0] = *from;
    arg->out[0].dtype = t;
    if (!with_value) {
        arg->out[0].value = NULL;
        arg->out[0].has_ints = false;
        arg->out[0].bound = -1;
        arg->out[0].kept = NULL;
    }
}

static const tn_info *ret_info(const tn_region *r, int i)
{
    return &r->rets[i].node->out[r->rets[i].index];
}

/* Stands for a value that its branch does not compute: nobody looks at it, so it is of whatever shape is wanted. */
static bool is_stand_in(const tn_pnode *n)
{
    return tn_pnode_is(n, "FakeParam") || n->op == &tn_pseudo_dead;
}

/* What result i is: what all branches agree on that compute it; the others' stand-ins are made like it. */
static void infer_result(tn_pnode *n, int i)
{
    tn_info *out = &n->out[i];
    tn_dtype t = out->dtype;
    bool first = true;
    for (int s = 0; s < n->n_sub; s++) {
        if (is_stand_in(n->sub[s]->rets[i].node)) continue;
        if (first) *out = *ret_info(n->sub[s], i);
        else merge_info(out, ret_info(n->sub[s], i));
        first = false;
    }
    out->dtype = t;
    out->value = NULL;
    out->has_ints = false;
    out->bound = -1; /* what comes out of a branch has a place of its own */
    for (int s = 0; s < n->n_sub && tn_shape_known(&out->shape); s++) {
        tn_pnode *ret = n->sub[s]->rets[i].node;
        if (is_stand_in(ret)) ret->out[0] = (tn_info){.dtype = ret->out[0].dtype, .shape = out->shape, .bound = -1};
    }
}

static tn_code infer_branches(tn_binding *b, tn_pnode *n, tn_error *err)
{
    forget(n);
    for (int s = 0; s < n->n_sub; s++) {
        tn_region *r = n->sub[s];
        for (int i = 0; i < r->n_args; i++) set_arg(r->args[i], &n->in[i + 1].node->out[n->in[i + 1].index], true);
        TN_TRY(infer_region(b, r, true, err));
    }
    for (int i = 0; i < n->n_out; i++) infer_result(n, i);
    return TN_OK;
}

static bool is_invariant(const tn_region *body, int i)
{
    return body->rets[i].node == body->args[i];
}

/* True when the body gives back what it was given; else widens what is given. */
static bool widen(tn_region *cond, tn_region *body)
{
    bool same = true;
    for (int i = 0; i < body->n_args; i++) {
        tn_info *given = &body->args[i]->out[0];
        if (!is_invariant(body, i)) tn_kept_end(ret_info(body, i)->kept);
        if (tn_shape_equal(&given->shape, &ret_info(body, i)->shape) || is_invariant(body, i)) continue;
        tn_shape before = given->shape;
        merge_info(given, ret_info(body, i));
        cond->args[i]->out[0].shape = given->shape;
        same = same && tn_shape_equal(&before, &given->shape);
    }
    return same;
}

static tn_code infer_while(tn_binding *b, tn_pnode *n, tn_error *err)
{
    tn_region *cond = n->sub[0], *body = n->sub[1];
    for (int i = 0; i < n->n_in; i++) {
        const tn_info *from = &n->in[i].node->out[n->in[i].index];
        if (!is_invariant(body, i)) tn_kept_end(from->kept);
        set_arg(body->args[i], from, is_invariant(body, i));
        set_arg(cond->args[i], from, is_invariant(body, i));
    }
    do TN_TRY(infer_region(b, body, true, err));
    while (!widen(cond, body));
    TN_TRY(infer_region(b, cond, true, err));
    for (int i = 0; i < n->n_out; i++) {
        tn_dtype t = n->out[i].dtype;
        n->out[i] = body->args[i]->out[0];
        n->out[i].dtype = t;
    }
    return TN_OK;
}

static tn_code infer_node(tn_binding *b, tn_pnode *n, tn_error *err)
{
    if (tn_pnode_is_loop(n)) return infer_while(b, n, err);
    if (n->n_sub) return infer_branches(b, n, err);
    return infer_plain(b, n, err);
}

/* lenient: in a branch or body, which may never run, an error waits until it does. */
static tn_code infer_region(tn_binding *b, tn_region *r, bool lenient, tn_error *err)
{
    for (int i = 0; i < r->n_nodes; i++) {
        tn_pnode *n = r->nodes[i];
        tn_error local;
        tn_code code = infer_node(b, n, &local);
        if (code == TN_OK) continue;
        if (!lenient || code == TN_RESOURCE_EXHAUSTED) {
            if (err) *err = local;
            return strstr(local.message, "[[{{node") ? code : tn_note(err, "[[{{node %s}}]]", n->name);
        }
        forget(n);
    }
    return TN_OK;
}

/* ==== constants replace the nodes that made them ==== */

/* One of several outputs is known, or a loop's: whoever looks at it looks at a constant of its own. */
static tn_code commit_output(tn_binding *b, tn_region *r, tn_pnode *n, int k, tn_error *err)
{
    tn_pnode *c = tn_pnode_new(b->arena, &tn_pseudo_constant, n->name, 0, 1);
    if (!c || !tn_region_add(b->arena, r, c)) return tn_no_memory(err, sizeof *c);
    c->out[0] = n->out[k];
    tn_region_replace(r, (tn_pval){n, k}, (tn_pval){c, 0});
    n->out[k].value = NULL;
    return TN_OK;
}

static bool is_source(const tn_pnode *n)
{
    return n->op == &tn_pseudo_feed || n->op == &tn_pseudo_handle || n->op == &tn_pseudo_constant;
}

static tn_code commit(tn_binding *b, tn_region *r, tn_error *err)
{
    int n_nodes = r->n_nodes;
    for (int i = 0; i < n_nodes; i++) {
        tn_pnode *n = r->nodes[i];
        int known = 0;
        for (int s = 0; s < n->n_sub; s++) TN_TRY(commit(b, n->sub[s], err));
        if (is_source(n)) continue;
        for (int k = 0; k < n->n_out; k++) known += n->out[k].value != NULL;
        if (known && known == n->n_out && !n->n_sub && !n->effect) {
            n->op = &tn_pseudo_constant;
            n->n_in = 0;
            continue;
        }
        for (int k = 0; known && k < n->n_out; k++)
            if (n->out[k].value) TN_TRY(commit_output(b, r, n, k, err));
    }
    return TN_OK;
}

static tn_code order_all(tn_binding *b, tn_region *r, tn_error *err)
{
    for (int i = 0; i < r->n_nodes; i++)
        for (int s = 0; s < r->nodes[i]->n_sub; s++) TN_TRY(order_all(b, r->nodes[i]->sub[s], err));
    return tn_region_order(b->arena, r, err);
}

tn_code tn_bind_infer(tn_binding *b, tn_region *r, tn_error *err)
{
    TN_TRY(order_all(b, r, err));
    if (b->passes & TN_PASS(FOLD)) tn_region_drop_idle_controls(r);
    for (bool again = true; again;) { /* what a branch gives is known better once it is the only one */
        again = false;
        TN_TRY(infer_region(b, r, false, err));
        if (b->late) { /* some of what was told of handles did not hold */
            b->follows = b->late = false;
            TN_TRY(infer_region(b, r, false, err));
        }
        TN_TRY(tn_pass_take_branches(b, r, &again, err));
        TN_TRY(tn_pass_arrays(b, r, &again, err));
        if (again) TN_TRY(tn_regular_loops(b, r, err)); /* a branch may have handed arguments through */
    }
    if (b->passes & TN_PASS(FOLD)) TN_TRY(commit(b, r, err));
    return order_all(b, r, err);
}

tn_code tn_infer_regions(tn_arena *a, const tn_graph *library, tn_region *r, tn_error *err)
{
    tn_binding b = {.arena = a, .kept = a, .top = r, .library = library};
    TN_TRY(order_all(&b, r, err));
    return infer_region(&b, r, true, err);
}
