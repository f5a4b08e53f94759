/* SPDX-License-Identifier: Apache-2.0
 *
 * pass_updates.c - all variables' updates by one optimizer in one pass over memory: neighbours in the order
 * of running with the same operator, the same attributes and the same scalars become one step.
 *
 * Members stand side by side in the inputs, each with all its own; what a member is, op_training.h reads
 * from the signature. Invariant: no member waits for another.
 */
#include "../ops/op_training.h"
#include "fused.h"

typedef struct updates { /* the fused node's extra */
    tn_apply apply;
    const tn_op *op; /* of the members */
    int n, each;     /* members; inputs of each */
    bool refs;       /* members give their variable back as a reference */
} updates;

static bool is_same_value(tn_pval x, tn_pval y)
{
    return x.node == y.node && x.index == y.index;
}

static bool is_update(const tn_pnode *n, tn_apply *a)
{
    return n->attrs && n->op->writes && !n->n_sub && tn_apply_read(n->op, n->attrs, a) && a->indices < 0;
}

static bool waits_for(const tn_pnode *n, tn_pnode *const *members, int count)
{
    for (int m = 0; m < count; m++) {
        for (int i = 0; i < n->n_in; i++)
            if (n->in[i].node == members[m]) return true;
        for (int i = 0; i < n->n_control; i++)
            if (n->control[i] == members[m]) return true;
    }
    return false;
}

static bool belongs(const tn_pnode *first, const tn_apply *a, const tn_pnode *n)
{
    if (n->op != first->op || n->n_in != first->n_in || n->n_out != first->n_out) return false;
    if (!tn_attrs_equal(first->attrs, n->attrs)) return false;
    for (int i = 0; i < a->n_scalars; i++)
        if (!is_same_value(first->in[a->scalar[i].in], n->in[a->scalar[i].in])) return false;
    return true;
}

static tn_code add_member(tn_binding *b, tn_pnode *n, const tn_pnode *member, int m, tn_error *err)
{
    memcpy(n->in + m * member->n_in, member->in, (size_t)member->n_in * sizeof *n->in);
    for (int i = 0; i < member->n_out; i++) n->out[m * member->n_out + i] = member->out[i];
    for (int i = 0; i < member->n_control; i++)
        if (!tn_pnode_add_control(b->arena, n, member->control[i])) return tn_no_memory(err, 0);
    return TN_OK;
}

static void use_fused(tn_region *r, const tn_pnode *member, tn_pnode *n, int m)
{
    for (int o = 0; o < member->n_out; o++)
        tn_region_replace(r, (tn_pval){(tn_pnode *)member, o}, (tn_pval){n, m * member->n_out + o});
    tn_region_replace_node(r, (tn_pnode *)member, n);
}

static tn_code fuse(tn_binding *b, tn_region *r, tn_pnode **members, int count, const tn_apply *a, tn_error *err)
{
    const tn_pnode *first = members[0];
    tn_pnode *n = tn_pnode_new(b->arena, &tn_fused_updates, first->name, count * first->n_in, count * first->n_out);
    updates *u = TN_NEW(b->kept, updates);
    if (!n || !u) return tn_no_memory(err, 0);
    *u = (updates){*a, first->op, count, first->n_in, first->n_out > 0};
    n->attrs = first->attrs;
    n->extra = u;
    n->effect = true;
    for (int m = 0; m < count; m++) TN_TRY(add_member(b, n, members[m], m, err));
    for (int m = 0; m < count; m++) {
        use_fused(r, members[m], n, m);
        members[m]->effect = false; /* nobody needs it now */
    }
    return tn_region_add(b->arena, r, n) ? TN_OK : tn_no_memory(err, 0);
}

tn_code tn_pass_fuse_updates(tn_binding *b, tn_region *r, tn_error *err)
{
    int total = r->n_nodes;
    tn_pnode **members = TN_ARRAY(b->arena, total + 1, tn_pnode *);
    if (!members) return tn_no_memory(err, 0);
    for (int i = 0, count; i < total; i += TN_MAX(count, 1)) {
        tn_apply a, other;
        count = 0;
        for (int s = 0; s < r->nodes[i]->n_sub; s++) TN_TRY(tn_pass_fuse_updates(b, r->nodes[i]->sub[s], err));
        if (!is_update(r->nodes[i], &a)) continue;
        for (int k = i; k < total; k++) {
            tn_pnode *n = r->nodes[k];
            if (!is_update(n, &other) || !belongs(r->nodes[i], &a, n) || waits_for(n, members, count)) break;
            members[count++] = n;
        }
        if (count > 1) TN_TRY(fuse(b, r, members, count, &a, err));
    }
    return tn_region_order(b->arena, r, err);
}

/* ==== the operator ==== */

static tn_code prepare(tn_prepare *p, tn_error *err)
{
    const updates *u = p->params;
    (void)err;
    p->scratch = (size_t)u->n * sizeof(tn_opt_entry);
    return TN_OK;
}

static tn_code check_size(const tn_run *r, int in, const tn_tensor *var, const tn_tensor *other, tn_error *err)
{
    char a[128], b[128];
    if (other->dtype == var->dtype && tn_shape_equal(&var->shape, &other->shape)) return TN_OK;
    const tn_resource *res = *(tn_resource **)r->in[in]->data;
    return tn_fail(err, TN_INVALID_ARGUMENT, "variable '%s' of shape %s cannot be updated by %s of %s",
                   res->name, tn_shape_text(&var->shape, a, sizeof a), tn_dtype_name(other->dtype),
                   tn_shape_text(&other->shape, b, sizeof b));
}

static tn_code fill_entry(tn_run *r, const updates *u, int m, const tn_opt_params *params, tn_opt_entry *e,
                          tn_error *err)
{
    int base = m * u->each;
    tn_tensor *var, *slot;
    const tn_tensor *grad = r->in[base + u->apply.grad];
    *e = (tn_opt_entry){.params = params, .grad = grad->data};
    TN_TRY(tn_run_variable_writable(r, base, &var, err));
    TN_TRY(check_size(r, base, var, grad, err));
    e->var = var->data;
    e->n = tn_tensor_count(var);
    for (int i = 0; i < u->apply.n_slots; i++) {
        TN_TRY(tn_run_variable_writable(r, base + u->apply.slot[i], &slot, err));
        TN_TRY(check_size(r, base, var, slot, err));
        e->slot[i] = slot->data;
    }
    return TN_OK;
}

static tn_code run(tn_run *r, tn_error *err)
{
    const updates *u = r->params;
    tn_opt_entry *entries = r->scratch;
    tn_opt_params params;
    TN_TRY(tn_apply_params(&u->apply, u->op, (const tn_tensor *const *)r->in, &params, err));
    for (int m = 0; m < u->n; m++) TN_TRY(fill_entry(r, u, m, &params, &entries[m], err));
    TN_TRY(tn_optimizer_run(u->apply.optimizer, u->apply.dtype, entries, u->n, r->threads, err));
    for (int m = 0; u->refs && m < u->n; m++) tn_run_forward_ref(r, m, m * u->each);
    return TN_OK;
}

const tn_op tn_fused_updates = {
    .name = "_Updates", .infer = tn_infer_kept, .prepare = prepare, .run = run, .writes = ~0u};
