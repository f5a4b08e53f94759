/* SPDX-License-Identifier: Apache-2.0
 *
 * conds.c - TensorFlow 1's conditionals (Switch and Merge outside of frames) become If nodes, innermost first.
 *
 * What runs under which conditions is found by following values and control edges: a Switch's output k lives where
 * its predicate is k, a Merge of both sides lives again wherever the Switch did. Nodes of one predicate move into
 * the branches of one If for each level: the level counts the Merges passed on the way, so that no If waits for
 * itself. What a later level needs of an earlier one's branch comes out of that If as one more result, for which
 * the other branch has a stand-in. Loops became functional before, so a loop in a branch is a node like others.
 *
 * Invariants: afterwards the region and those inside it have no Switch and no Merge. Conditions that overlap are made
 * to nest first, Merges of many values to be Merges of two (conds_nest.c). Working fields: mark is the condition, slot
 * a Switch's conditions or a node's If, order a predicate's list of conditions and then the level.
 */
#include "conds.h"

typedef tn_conds conds;
typedef tn_condition condition;

typedef struct tn_selection { /* an If being made: both branches of one predicate at one level */
    tn_pnode *node;
    int id, side, level, next; /* side: the condition that the predicate is false */
    tn_region *branch[2];
    tn_pval pred;
    tn_pval *in;     /* without the predicate */
    tn_pval *inside; /* what each result is there: of branch 0 and 1 in turn; node NULL: the stand-in */
    bool *dead;      /* nobody may look at the stand-in */
    int n_in, cap_in, n_out, cap_out;
} selection;

static tn_code no_memory(tn_error *err)
{
    return tn_no_memory(err, 0);
}

tn_code tn_cond_unsupported(const tn_pnode *n, const char *why, tn_error *err)
{
    return tn_fail(err, TN_UNIMPLEMENTED, "conditional: %s [[{{node %s}}]]", why, n->name);
}

static bool is_switch(const tn_pnode *n)
{
    return tn_pnode_is(n, "Switch") || tn_pnode_is(n, "RefSwitch");
}

static bool is_merge(const tn_pnode *n)
{
    return tn_pnode_is(n, "Merge") || tn_pnode_is(n, "RefMerge");
}

/* ==== conditions ==== */

/* Equal predicates are one, by whatever ways they come. */
static tn_pval predicate(tn_pval v)
{
    while (tn_pnode_is(v.node, "Identity") || is_switch(v.node) || (is_merge(v.node) && v.node->n_in == 1))
        v = v.node->in[0];
    return v;
}

/* The first of the two conditions that a predicate makes under another condition; -1: not met yet. */
static int find_condition(const conds *c, int parent, tn_pval key)
{
    for (int i = key.node->order; i >= 0; i = c->c[i].next)
        if (c->c[i].parent == parent && c->c[i].key.index == key.index) return i;
    return -1;
}

/* Both sides of a Switch: conditions sw->slot and the one after. */
tn_code tn_cond_of_switch(conds *c, tn_pnode *sw, tn_error *err)
{
    tn_pval key = predicate(sw->in[1]);
    int parent = sw->mark;
    if ((sw->slot = find_condition(c, parent, key)) >= 0) return TN_OK;
    if (c->c[parent].depth >= TN_MOST_NESTED) return tn_cond_unsupported(sw, "conditions nest too deep", err);
    for (int k = 0; k < 2; k++) {
        if (!TN_ROOM(c->a, c->c, c->n, c->cap)) return no_memory(err);
        c->c[c->n++] = (condition){parent, c->c[parent].depth + 1, k, key, sw->in[1], key.node->order, -1};
    }
    sw->slot = key.node->order = c->n - 2;
    return TN_OK;
}

int tn_condition_of(tn_pval v)
{
    return is_switch(v.node) ? v.node->slot + v.index : v.node->mark;
}

bool tn_condition_within(const conds *c, int inner, int outer)
{
    while (c->c[inner].depth > c->c[outer].depth) inner = c->c[inner].parent;
    return inner == outer;
}

/* Whether n may live under the condition too: one of the two is within the other. */
static bool narrow(const conds *c, tn_pnode *n, int by)
{
    if (tn_condition_within(c, by, n->mark)) n->mark = by;
    else if (!tn_condition_within(c, n->mark, by)) return false;
    return true;
}

static tn_code merge_condition(conds *c, tn_pnode *n, tn_error *err)
{
    const condition *x = &c->c[tn_condition_of(n->in[0])];
    const condition *y = n->n_in > 1 ? &c->c[tn_condition_of(n->in[1])] : NULL;
    bool sides = n->n_in == 2 && x->depth && (x->branch ? y + 1 == x : x + 1 == y);
    if (!sides && (n->n_in != 1 || !x->depth)) return tn_cond_split_merge(c, n, err);
    n->mark = x->parent;
    return TN_OK;
}

static tn_code find_node_condition(conds *c, tn_pnode *n, tn_error *err)
{
    n->mark = 0;
    if (is_merge(n)) return merge_condition(c, n, err);
    if (tn_pnode_is(n, "ControlTrigger")) return TN_OK; /* runs whether or not what it waits for did */
    for (int i = 0; i < n->n_in; i++)
        if (!narrow(c, n, tn_condition_of(n->in[i]))) {
            TN_TRY(tn_cond_nest_input(c, n, i, err));
            narrow(c, n, tn_condition_of(n->in[i]));
        }
    for (int i = 0; i < n->n_control; i++) /* those that are added too */
        if (!narrow(c, n, n->control[i]->mark)) TN_TRY(tn_cond_nest_control(c, n, i, err));
    return is_switch(n) ? tn_cond_of_switch(c, n, err) : TN_OK;
}

/* Marks every node; the deepest condition that anything lives under becomes c->depth. */
static tn_code find_conditions(conds *c, tn_error *err)
{
    c->n = c->n_s = c->depth = 0;
    c->again = false;
    int n_nodes = c->r->n_nodes; /* those that are added have their conditions */
    if (!TN_ROOM(c->a, c->c, 0, c->cap)) return no_memory(err);
    c->c[c->n++] = (condition){.parent = -1, .next = -1, .ifs = -1};
    for (int i = 0; i < c->r->n_args; i++) {
        c->r->args[i]->mark = 0;
        c->r->args[i]->order = -1;
    }
    for (int i = 0; i < c->r->n_nodes; i++) c->r->nodes[i]->order = -1;
    for (int i = 0; i < n_nodes; i++) {
        tn_pnode *n = c->r->nodes[i];
        TN_TRY(find_node_condition(c, n, err));
        int depth = c->c[n->mark].depth + is_merge(n); /* it may join Switches' outputs themselves */
        c->depth = TN_MAX(c->depth, depth);
    }
    for (int i = 0; i < c->r->n_rets && !c->again; i++) {
        int side = tn_condition_of(c->r->rets[i]);
        c->depth = TN_MAX(c->depth, c->c[side].depth);
    }
    return TN_OK;
}

/* ==== levels ==== */

/* It moves into a branch now. */
static bool moves(const conds *c, const tn_pnode *n)
{
    return c->c[n->mark].depth == c->depth && !is_switch(n) && !is_merge(n);
}

/* It joins branches that are made now. */
static bool joins(const conds *c, const tn_pnode *n)
{
    return is_merge(n) && c->c[n->mark].depth == c->depth - 1;
}

static int level_after(const conds *c, const tn_pnode *before, const tn_pnode *n)
{
    bool leaves = moves(c, before) && !moves(c, n) && !is_switch(n) && !is_merge(n);
    return before->order + (joins(c, before) || leaves);
}

static void find_levels(conds *c)
{
    for (int i = 0; i < c->r->n_args; i++) c->r->args[i]->order = 0;
    for (int i = 0; i < c->r->n_nodes; i++) {
        tn_pnode *n = c->r->nodes[i];
        n->order = 0;
        for (int k = 0; k < n->n_in; k++) n->order = TN_MAX(n->order, level_after(c, n->in[k].node, n));
        for (int k = 0; k < n->n_control; k++) n->order = TN_MAX(n->order, level_after(c, n->control[k], n));
    }
}

/* ==== Ifs ==== */

static bool new_selection(conds *c, int side, int level, const tn_pnode *namesake, selection **out)
{
    selection *s = *out = TN_NEW(c->a, selection);
    if (!s || !TN_ROOM(c->a, c->s, c->n_s, c->cap_s)) return false;
    *s = (selection){.node = tn_pnode_new(c->a, tn_op_find("If"), namesake->name, 0, 0),
                     .id = c->n_s,
                     .side = side,
                     .level = level,
                     .next = c->c[side].ifs,
                     .branch = {TN_NEW(c->a, tn_region), TN_NEW(c->a, tn_region)}};
    c->c[side].ifs = c->n_s;
    c->s[c->n_s++] = s;
    if (!s->node || !s->branch[0] || !s->branch[1]) return false;
    s->node->slot = s->id;
    return true;
}

/* The If of this side's predicate at the level. */
static tn_code find_selection(conds *c, int side, int level, const tn_pnode *namesake, selection **out, tn_error *err)
{
    side -= c->c[side].branch;
    for (int i = c->c[side].ifs; i >= 0; i = c->s[i]->next) {
        *out = c->s[i];
        if ((*out)->level == level) return TN_OK;
    }
    return new_selection(c, side, level, namesake, out) ? TN_OK : no_memory(err);
}

/* Nodes go to their branches; node->slot: which If. */
static tn_code move_nodes(conds *c, tn_error *err)
{
    for (int i = 0; i < c->r->n_nodes; i++) {
        tn_pnode *n = c->r->nodes[i];
        selection *s;
        if (!moves(c, n) && !joins(c, n)) continue;
        int side = joins(c, n) ? tn_condition_of(n->in[0]) : n->mark;
        TN_TRY(find_selection(c, side, n->order, n, &s, err));
        n->slot = s->id;
        if (moves(c, n) && !tn_region_add(c->a, s->branch[c->c[n->mark].branch], n)) return no_memory(err);
        s->node->effect = s->node->effect || n->effect || tn_pnode_has_writes(n);
    }
    return TN_OK;
}

/* ==== values that cross ==== */

static const tn_info *info_of(tn_pval v)
{
    return &v.node->out[v.index];
}

/* An If that is being made has no outputs yet: its results' types are known from inside. */
static tn_dtype dtype_of(const conds *c, tn_pval v)
{
    while (!v.node->n_out) {
        const tn_pval *r = &c->s[v.node->slot]->inside[2 * v.index];
        v = r[r[0].node == NULL];
    }
    return info_of(v)->dtype;
}

/* Through Switches whose outputs live under conditions of the present depth. */
static tn_pval through(const conds *c, tn_pval v)
{
    while (is_switch(v.node) && c->c[v.node->mark].depth == c->depth - 1) v = v.node->in[0];
    return v;
}

static tn_code add_result(conds *c, selection *s, tn_pval in0, tn_pval in1, bool dead, int *out, tn_error *err)
{
    int cap = s->cap_out;
    if (!tn_grow(c->a, &s->inside, 2 * s->n_out, &s->cap_out, sizeof *s->inside)) return no_memory(err);
    if (s->cap_out != cap) {
        bool *grown = TN_ARRAY(c->a, s->cap_out, bool);
        if (!grown) return no_memory(err);
        if (s->n_out) memcpy(grown, s->dead, (size_t)s->n_out * sizeof *grown);
        s->dead = grown;
    }
    s->inside[2 * s->n_out] = in0;
    s->inside[2 * s->n_out + 1] = in1;
    s->dead[s->n_out] = dead;
    *out = s->n_out++;
    return TN_OK;
}

/* What is computed in one branch and looked at elsewhere. */
static tn_code residual(conds *c, tn_pval v, bool dead, tn_pval *out, tn_error *err)
{
    selection *s = c->s[v.node->slot];
    int k = c->c[v.node->mark].branch;
    tn_pval both[2] = {{0}};
    out->node = s->node;
    for (out->index = 0; out->index < s->n_out; out->index++) {
        const tn_pval *r = &s->inside[2 * out->index];
        if (r[k].node == v.node && r[k].index == v.index && !r[1 - k].node && s->dead[out->index] == dead) return TN_OK;
    }
    both[k] = v;
    return add_result(c, s, both[0], both[1], dead, &out->index, err);
}

static tn_code joined(conds *c, tn_pval v, tn_pval *out, tn_error *err);

/* The value as those see it who are in no branch that is made now. */
static tn_code outside(conds *c, tn_pval v, tn_pval *out, tn_error *err)
{
    if (joins(c, v.node)) return joined(c, v, out, err);
    if (moves(c, v.node)) return residual(c, v, false, out, err);
    *out = v;
    return TN_OK;
}

static tn_code new_argument(conds *c, selection *s, tn_pval from, tn_error *err)
{
    for (int k = 0; k < 2; k++) {
        tn_region *r = s->branch[k];
        int cap = s->cap_in;
        tn_pnode *arg = tn_pnode_new(c->a, &tn_pseudo_arg, from.node->name, 0, 1);
        if (!arg || !TN_ROOM(c->a, r->args, s->n_in, cap)) return no_memory(err);
        arg->feed = s->n_in;
        arg->out[0].dtype = dtype_of(c, from);
        arg->resource = from.node->n_out ? tn_pval_resource(from) : NULL;
        r->args[r->n_args++] = arg;
    }
    if (!TN_ROOM(c->a, s->in, s->n_in, s->cap_in)) return no_memory(err);
    s->in[s->n_in++] = from;
    return TN_OK;
}

/* The value as branch k sees it: its own, or an argument. */
static tn_code inside(conds *c, selection *s, int k, tn_pval v, tn_pval *out, tn_error *err)
{
    tn_pval from;
    v = through(c, v);
    if (moves(c, v.node) && v.node->slot == s->id && c->c[v.node->mark].branch == k) {
        *out = v;
        return TN_OK;
    }
    TN_TRY(outside(c, v, &from, err));
    int i = 0;
    while (i < s->n_in && (s->in[i].node != from.node || s->in[i].index != from.index)) i++;
    if (i == s->n_in) TN_TRY(new_argument(c, s, from, err));
    *out = (tn_pval){s->branch[k]->args[i], 0};
    return TN_OK;
}

/* Which of a Merge's inputs is branch k's; -1: none, of one that brings a value out of its branch. */
static int input_of_branch(const conds *c, const tn_pnode *merge, int k)
{
    bool first = c->c[tn_condition_of(merge->in[0])].branch == k;
    if (merge->n_in == 1) return first ? 0 : -1;
    return first ? 0 : 1;
}

static tn_code index_constant(conds *c, const tn_pnode *merge, tn_region *r, int index, tn_pval *out, tn_error *err)
{
    tn_shape scalar = {.rank = 0};
    tn_pnode *n = tn_pnode_new(c->a, &tn_pseudo_constant, merge->name, 0, 1);
    tn_tensor *t = TN_NEW(c->a, tn_tensor);
    int32_t *value = TN_NEW(c->a, int32_t);
    if (!n || !t || !value || !tn_region_add(c->a, r, n)) return no_memory(err);
    *value = index;
    *t = tn_tensor_view(TN_INT32, &scalar, value);
    n->out[0] = (tn_info){.dtype = TN_INT32, .shape = scalar, .value = t, .bound = -1};
    *out = (tn_pval){n, 0};
    return TN_OK;
}

/* A Merge's output is a result of the If; merge->copy, and for its index merge->extra, remember which. */
static tn_code joined(conds *c, tn_pval v, tn_pval *out, tn_error *err)
{
    tn_pnode *merge = v.node;
    selection *s = c->s[merge->slot];
    tn_pval both[2];
    int *known = merge->extra;
    if (!known) {
        if (!(known = TN_ARRAY(c->a, 2, int))) return no_memory(err);
        known[0] = known[1] = -1;
        merge->extra = known;
    }
    for (int k = 0; k < 2 && known[v.index] < 0; k++) {
        int i = input_of_branch(c, merge, k);
        both[k] = (tn_pval){0};
        if (i < 0) continue;
        if (v.index == 1) TN_TRY(index_constant(c, merge, s->branch[k], i, &both[k], err));
        else TN_TRY(inside(c, s, k, merge->in[i], &both[k], err));
    }
    if (known[v.index] < 0) TN_TRY(add_result(c, s, both[0], both[1], false, &known[v.index], err));
    *out = (tn_pval){s->node, known[v.index]};
    return TN_OK;
}

/* ==== control edges ==== */

/* What to wait for in place of n: the If it has become part of; Switches' own inputs. */
static tn_pnode *stands_for(conds *c, tn_pnode *n)
{
    while (is_switch(n)) n = n->in[0].node;
    return joins(c, n) || moves(c, n) ? c->s[n->slot]->node : n;
}

static tn_code wait_outside(conds *c, tn_pnode *n, tn_pnode *who, tn_error *err)
{
    tn_pnode *before = stands_for(c, n);
    return before == who || tn_pnode_add_control(c->a, who, before) ? TN_OK : no_memory(err);
}

static tn_code move_controls(conds *c, tn_pnode *n, tn_pnode *who, tn_error *err)
{
    tn_pnode **control = n->control;
    int n_control = n->n_control;
    selection *s = moves(c, n) ? c->s[n->slot] : NULL;
    n->control = NULL;
    n->n_control = n->cap_control = 0;
    for (int i = 0; i < n_control; i++) {
        tn_pnode *before = control[i];
        bool together = s && moves(c, before) && before->slot == n->slot && before->mark == n->mark;
        if (!together) TN_TRY(wait_outside(c, before, who, err));
        else if (!tn_pnode_add_control(c->a, n, before)) return no_memory(err);
    }
    return TN_OK;
}

/* ==== rewriting ==== */

static tn_code rewrite_node(conds *c, tn_pnode *n, tn_error *err)
{
    if (joins(c, n)) {
        tn_pval ignored;
        TN_TRY(move_controls(c, n, c->s[n->slot]->node, err));
        return joined(c, (tn_pval){n, 0}, &ignored, err);
    }
    if (moves(c, n)) {
        selection *s = c->s[n->slot];
        TN_TRY(move_controls(c, n, s->node, err));
        for (int i = 0; i < n->n_in; i++) TN_TRY(inside(c, s, c->c[n->mark].branch, n->in[i], &n->in[i], err));
        return TN_OK;
    }
    TN_TRY(move_controls(c, n, n, err));
    for (int i = 0; i < n->n_in; i++) TN_TRY(outside(c, n->in[i], &n->in[i], err));
    return TN_OK;
}

/* A result of the whole that lives in a branch: whoever fetches it when the branch is not taken gets an error. */
static tn_code rewrite_ret(conds *c, tn_pval *ret, tn_error *err)
{
    int side = tn_condition_of(*ret);
    tn_pval v = through(c, *ret);
    if (c->c[side].depth < c->depth || moves(c, v.node)) {
        if (moves(c, v.node)) return residual(c, v, true, ret, err);
        return outside(c, v, ret, err);
    }
    selection *s;
    tn_pval both[2] = {{0}};
    int k = c->c[side].branch;
    TN_TRY(find_selection(c, side, ret->node->order, ret->node, &s, err));
    TN_TRY(inside(c, s, k, v, &both[k], err));
    ret->node = s->node;
    return add_result(c, s, both[0], both[1], true, &ret->index, err);
}

/* ==== finishing ==== */

static tn_code stand_in(conds *c, tn_region *r, tn_pval for_value, bool dead, tn_pval *out, tn_error *err)
{
    tn_pnode *n = tn_pnode_new(c->a, dead ? &tn_pseudo_dead : tn_op_find("FakeParam"), for_value.node->name, 0, 1);
    tn_attrs *attrs = TN_NEW(c->a, tn_attrs);
    tn_attr *v = TN_ARRAY(c->a, 2, tn_attr);
    if (!n || !attrs || !v || !tn_region_add(c->a, r, n)) return no_memory(err);
    bool is_pred = info_of(for_value)->dtype == TN_BOOL; /* flags are computed of these */
    v[0] = tn_attr_type("dtype", info_of(for_value)->dtype);
    v[1] = tn_attr_shape("shape", is_pred ? TN_SHAPE() : tn_shape_unknown());
    *attrs = (tn_attrs){v, 2};
    n->attrs = attrs;
    n->out[0].dtype = info_of(for_value)->dtype;
    *out = (tn_pval){n, 0};
    return TN_OK;
}

static tn_code set_results(conds *c, selection *s, tn_error *err)
{
    for (int k = 0; k < 2; k++) {
        tn_region *r = s->branch[k];
        r->n_rets = s->n_out;
        if (!(r->rets = TN_ARRAY(c->a, s->n_out + 1, tn_pval))) return no_memory(err);
        for (int i = 0; i < s->n_out; i++) {
            r->rets[i] = s->inside[2 * i + k];
            if (!r->rets[i].node) TN_TRY(stand_in(c, r, s->inside[2 * i + 1 - k], s->dead[i], &r->rets[i], err));
        }
    }
    return TN_OK;
}

/* The If's predicate, inputs and outputs; then: branch 1. */
static tn_code finish(conds *c, selection *s, tn_error *err)
{
    tn_pnode *n = s->node;
    TN_TRY(set_results(c, s, err));
    n->n_in = s->n_in + 1;
    n->n_out = s->n_out;
    n->in = TN_ARRAY(c->a, n->n_in, tn_pval);
    n->out = TN_ARRAY(c->a, s->n_out + 1, tn_info);
    n->sub = TN_ARRAY(c->a, 2, tn_region *);
    if (!n->in || !n->out || !n->sub) return no_memory(err);
    n->in[0] = s->pred;
    for (int i = 0; i < s->n_in; i++) n->in[i + 1] = s->in[i];
    for (int i = 0; i < s->n_out; i++) {
        const tn_pval *r = &s->inside[2 * i];
        n->out[i] = (tn_info){.dtype = info_of(r[r[0].node == NULL])->dtype, .shape = tn_shape_unknown(), .bound = -1};
    }
    n->n_sub = 2;
    n->sub[0] = s->branch[1];
    n->sub[1] = s->branch[0];
    return tn_region_add(c->a, c->r, n) ? TN_OK : no_memory(err);
}

static tn_code convert(conds *c, tn_error *err)
{
    int n = c->r->n_nodes, kept = 0;
    find_levels(c);
    for (int i = 0; i < n; i++) c->r->nodes[i]->extra = is_merge(c->r->nodes[i]) ? NULL : c->r->nodes[i]->extra;
    TN_TRY(move_nodes(c, err));
    for (int i = 0; i < n; i++) TN_TRY(rewrite_node(c, c->r->nodes[i], err));
    for (int i = 0; i < c->r->n_rets; i++) TN_TRY(rewrite_ret(c, &c->r->rets[i], err));
    for (int i = 0; i < n; i++) {
        tn_pnode *p = c->r->nodes[i];
        if (!moves(c, p) && !joins(c, p)) c->r->nodes[kept++] = p;
    }
    c->r->n_nodes = kept;
    for (int i = 0; i < c->n_s; i++) TN_TRY(outside(c, c->c[c->s[i]->side].pred, &c->s[i]->pred, err));
    for (int i = 0; i < c->n_s; i++) TN_TRY(finish(c, c->s[i], err));
    return TN_OK;
}

static bool has_conds(const tn_region *r)
{
    for (int i = 0; i < r->n_nodes; i++)
        if (is_switch(r->nodes[i]) || is_merge(r->nodes[i])) return true;
    return false;
}

tn_code tn_make_conds_functional(tn_arena *a, tn_region *r, tn_error *err)
{
    conds c = {.a = a, .r = r};
    for (int i = 0; i < r->n_nodes; i++)
        for (int s = 0; s < r->nodes[i]->n_sub; s++) TN_TRY(tn_make_conds_functional(a, r->nodes[i]->sub[s], err));
    TN_TRY(tn_cond_split_switches(a, r, err));
    while (has_conds(r)) {
        TN_TRY(tn_region_order(a, r, err));
        TN_TRY(find_conditions(&c, err));
        if (c.again) continue;
        if (!c.depth) break;
        TN_TRY(convert(&c, err));
    }
    return TN_OK;
}
