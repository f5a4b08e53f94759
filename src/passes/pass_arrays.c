/* SPDX-License-Identifier: Apache-2.0
 *
 * pass_arrays.c - lists of tensors in loops become arrays, where that cannot be told apart: a list made of a
 * tensor's rows that the loop only reads is that tensor; a reserved list that the loop only sets elements of, and
 * that is stacked afterwards, is the stacked tensor, each element written to its place. The loop's values have
 * known shapes then.
 *
 * Invariants: nobody else sees the lists: conditions, other operators and nested regions do not look at them. An
 * element that is never set is zeros, as in a list of known shape.
 */
#include "../plan/array.h"
#include "fused.h"

static bool is_same(tn_pval a, tn_pval b)
{
    return a.node == b.node && a.index == b.index;
}

/* Uses of what an Identity gives are uses of what it is given; nodes that nobody needs then are gone. */
static tn_code skip_identities(tn_binding *b, tn_region *r, tn_error *err)
{
    for (int i = 0; i < r->n_nodes; i++) {
        tn_pnode *n = r->nodes[i];
        if (tn_pnode_is(n, "Identity") && !n->n_control && !n->effect && !tn_dtype_is_ref(n->out[0].dtype))
            tn_region_replace(r, (tn_pval){n, 0}, n->in[0]);
    }
    return tn_region_order(b->arena, r, err);
}

/* Every look at v in the region is an operator of this kind's at its first input, or the region's result `ret`. */
static bool only_for(const tn_region *r, tn_pval v, const char *kind, int ret)
{
    for (int i = 0; i < r->n_nodes; i++) {
        const tn_pnode *n = r->nodes[i];
        for (int k = 0; k < n->n_in; k++)
            if (is_same(n->in[k], v) && (k || !kind || !tn_pnode_is(n, kind))) return false;
    }
    for (int i = 0; i < r->n_rets; i++)
        if (is_same(r->rets[i], v) && i != ret) return false;
    return true;
}

/* The element shape that input i asks for is known, and fits. */
static bool asks_for(const tn_pnode *n, int i, const tn_shape *element)
{
    tn_shape asked = tn_shape_unknown();
    const tn_tensor *t = n->in[i].node->out[n->in[i].index].value;
    if (!t || t->shape.rank > 1 || tn_tensor_count(t) > TN_MAX_RANK) return false;
    if (t->shape.rank == 1) {
        asked.rank = (int)tn_tensor_count(t);
        for (int d = 0; d < asked.rank; d++) asked.dim[d] = TN_MAX(tn_tensor_int(t, d), -1);
    }
    return tn_shape_compatible(element, &asked);
}

static bool all_ask_for(const tn_region *r, tn_pval list, int shape_input, const tn_shape *element)
{
    for (int i = 0; i < r->n_nodes; i++) {
        const tn_pnode *n = r->nodes[i];
        if (n->n_in && is_same(n->in[0], list) && !asks_for(n, shape_input, element)) return false;
    }
    return true;
}

static tn_shape without_first(tn_shape s)
{
    s.rank--;
    memmove(s.dim, s.dim + 1, (size_t)s.rank * sizeof s.dim[0]);
    return s;
}

static void retype(tn_pnode *loop, int k, tn_pval array)
{
    const tn_info *o = &array.node->out[array.index];
    const tn_info info = {.dtype = tn_dtype_base(o->dtype), .shape = o->shape, .bound = -1};
    loop->in[k] = array;
    loop->out[k] = info;
    for (int s = 0; s < 2; s++) loop->sub[s]->args[k]->out[0] = info;
}

/* Rows of a tensor, which the loop only reads. */
static bool take_read_list(tn_region *r, tn_pnode *loop, int k)
{
    tn_region *body = loop->sub[1];
    const tn_pnode *from = loop->in[k].node;
    const tn_pval arg = {body->args[k], 0};
    if (body->rets[k].node != arg.node || !tn_pnode_is(from, "TensorListFromTensor")) return false;
    const tn_info *x = &from->in[0].node->out[from->in[0].index];
    if (!tn_shape_known(&x->shape) || x->shape.rank < 1 || !tn_dtype_is_pod(x->dtype)) return false;
    const tn_shape element = without_first(x->shape);
    if (!asks_for(from, 1, &element) || !only_for(r, (tn_pval){loop, k}, NULL, -1)) return false;
    if (!only_for(body, arg, "TensorListGetItem", k) || !all_ask_for(body, arg, 2, &element)) return false;
    if (!only_for(loop->sub[0], (tn_pval){loop->sub[0]->args[k], 0}, NULL, -1)) return false;
    retype(loop, k, from->in[0]);
    for (int i = 0; i < body->n_nodes; i++) {
        tn_pnode *n = body->nodes[i];
        if (!n->n_in || !is_same(n->in[0], arg)) continue;
        n->op = &tn_array_row;
        n->n_in = 2;
    }
    return true;
}

/* The element that the loop sets in its list k, of known shape; NULL: there is no such thing. */
static tn_pnode *only_set(tn_pnode *loop, int k)
{
    tn_region *body = loop->sub[1];
    tn_pnode *set = body->rets[k].node;
    if (!tn_pnode_is(set, "TensorListSetItem") || tn_attr_b(set->attrs, "resize_if_index_out_of_bounds")) return NULL;
    if (set->in[0].node != body->args[k] || set->n_control) return NULL;
    const tn_info *item = &set->in[2].node->out[set->in[2].index];
    if (!tn_shape_known(&item->shape) || !tn_dtype_is_pod(item->dtype) || item->shape.rank == TN_MAX_RANK) return NULL;
    if (tn_attr_t(set->attrs, "element_dtype") != item->dtype) return NULL;
    if (!only_for(body, (tn_pval){body->args[k], 0}, "TensorListSetItem", -1)) return NULL;
    if (!only_for(body, (tn_pval){set, 0}, NULL, k)) return NULL;
    return only_for(loop->sub[0], (tn_pval){loop->sub[0]->args[k], 0}, NULL, -1) ? set : NULL;
}

static bool stacks_fit(const tn_region *r, tn_pval list, int64_t n)
{
    for (int i = 0; i < r->n_nodes; i++) {
        const tn_pnode *p = r->nodes[i];
        if (!p->n_in || !is_same(p->in[0], list)) continue;
        int64_t wanted = tn_attr_i(p->attrs, "num_elements");
        if (wanted >= 0 && wanted != n) return false;
    }
    return true;
}

/* How many elements are reserved; -1: not known, or no list of such elements. */
static int64_t reserved(const tn_pnode *from, const tn_info *item)
{
    if (!tn_pnode_is(from, "TensorListReserve") || from->n_control) return -1;
    const tn_tensor *n = from->in[1].node->out[from->in[1].index].value;
    if (!n || tn_tensor_count(n) != 1 || tn_attr_t(from->attrs, "element_dtype") != item->dtype) return -1;
    return asks_for(from, 0, &item->shape) ? tn_tensor_int(n, 0) : -1;
}

static tn_code take_written_list(tn_binding *b, tn_region *r, tn_pnode *loop, int k, bool *taken, tn_error *err)
{
    const tn_pval result = {loop, k};
    tn_pnode *set = only_set(loop, k);
    if (!set) return TN_OK;
    const tn_info *item = &set->in[2].node->out[set->in[2].index];
    int64_t n = reserved(loop->in[k].node, item);
    if (n < 1 || !only_for(r, result, "TensorListStack", -1) || !stacks_fit(r, result, n) ||
        !all_ask_for(r, result, 1, &item->shape))
        return TN_OK;
    tn_shape all = {.rank = item->shape.rank + 1, .dim = {n}};
    memcpy(all.dim + 1, item->shape.dim, (size_t)item->shape.rank * sizeof all.dim[0]);
    if (tn_shape_count(&all) < 0) return TN_OK;
    tn_pnode *array = tn_pnode_new(b->arena, &tn_array_new, loop->in[k].node->name, 0, 1);
    if (!array || !tn_region_add(b->arena, r, array)) return tn_no_memory(err, sizeof *array);
    array->attrs = loop->in[k].node->attrs;
    array->out[0] = (tn_info){.dtype = item->dtype, .shape = all, .bound = -1};
    retype(loop, k, (tn_pval){array, 0});
    set->op = &tn_array_set;
    set->out[0] = array->out[0];
    for (int i = 0; i < r->n_nodes; i++) {
        tn_pnode *stack = r->nodes[i];
        if (!stack->n_in || !is_same(stack->in[0], result) || !tn_pnode_is(stack, "TensorListStack")) continue;
        tn_region_replace(r, (tn_pval){stack, 0}, result);
        tn_region_replace_node(r, stack, loop); /* for who only waits for it */
    }
    *taken = true;
    return TN_OK;
}

static tn_code take_lists(tn_binding *b, tn_region *r, tn_pnode *loop, bool *changed, tn_error *err)
{
    for (int k = 0; k < loop->n_in; k++) {
        if (loop->out[k].dtype != TN_VARIANT) continue;
        bool taken = take_read_list(r, loop, k);
        if (!taken) TN_TRY(take_written_list(b, r, loop, k, &taken, err));
        *changed = *changed || taken;
    }
    return TN_OK;
}

static tn_code walk(tn_binding *b, tn_region *r, bool *changed, tn_error *err)
{
    bool here = false;
    TN_TRY(skip_identities(b, r, err));
    for (int i = 0, n = r->n_nodes; i < n; i++) {
        tn_pnode *p = r->nodes[i];
        for (int s = 0; s < p->n_sub; s++) TN_TRY(walk(b, p->sub[s], changed, err));
        if (tn_pnode_is_loop(p)) TN_TRY(take_lists(b, r, p, &here, err));
    }
    if (!here) return TN_OK;
    *changed = true;
    return tn_region_order(b->arena, r, err);
}

tn_code tn_pass_arrays(tn_binding *b, tn_region *r, bool *changed, tn_error *err)
{
    const unsigned needed = TN_PASS(ARRAYS) | TN_PASS(STATIC) | TN_PASS(FOLD);
    return (b->passes & needed) == needed ? walk(b, r, changed, err) : TN_OK;
}
