/* SPDX-License-Identifier: Apache-2.0
 *
 * bind.c - a lowered region for concrete feed shapes becomes a program: passes in order, layout, then one
 * prepared step a node that has something to do.
 *
 * Leaves running to run.c. Invariants: a program is immutable once tn_bind returns; inner regions' steps
 * come before the steps of the region that runs them, each region's steps in a row.
 */
#include "array.h"
#include "composite.h"
#include "layout.h"

typedef struct emitter {
    tn_binding *b;
    tn_layout *l;
    tn_program *p;
    int *last_use; /* by slot: position within its region of the last node that looks at it */
    int cap_steps;
} emitter;

static tn_code no_memory(tn_error *err)
{
    return tn_no_memory(err, 0);
}

/* ==== loops are made regular ==== a value that a loop's body gives back under another's name is copied,
 * one that it merely passes through is its argument */

/* An inner loop hands this value through unchanged (its own body is regular already). */
static bool passes_through(tn_pval v)
{
    if (!tn_pnode_is_loop(v.node)) return false;
    const tn_region *body = v.node->sub[1];
    return body->rets[v.index].node == body->args[v.index];
}

static tn_pval strip(tn_pval v)
{
    for (;;) {
        if (passes_through(v)) v = v.node->in[v.index];
        else if (tn_pnode_is(v.node, "Identity") && !v.node->n_control) v = v.node->in[0];
        else return v;
    }
}

static tn_pval view_root(tn_pval v)
{
    while (passes_through(v) || ((v.node->op->flags & TN_ALIAS) && v.index < v.node->n_in)) v = v.node->in[v.index];
    return v;
}

static tn_code copy_ret(tn_binding *b, tn_region *body, int i, tn_error *err)
{
    tn_pnode *c = tn_pnode_new(b->arena, &tn_pseudo_copy, body->rets[i].node->name, 1, 1);
    if (!c || !tn_region_add(b->arena, body, c)) return no_memory(err);
    c->in[0] = body->rets[i];
    c->out[0].dtype = body->rets[i].node->out[body->rets[i].index].dtype;
    body->rets[i] = (tn_pval){c, 0};
    return TN_OK;
}

static tn_code regular_loop(tn_binding *b, tn_region *body, tn_error *err)
{
    for (int i = 0; i < body->n_rets; i++) {
        tn_pval root = strip(body->rets[i]);
        if (root.node == body->args[i]) {
            body->rets[i] = root;
        } else {
            tn_pval seen = view_root(body->rets[i]);
            tn_dtype t = body->rets[i].node->out[body->rets[i].index].dtype;
            if (seen.node->op == &tn_pseudo_arg && tn_dtype_is_pod(tn_dtype_base(t))) TN_TRY(copy_ret(b, body, i, err));
        }
    }
    return TN_OK;
}

tn_code tn_regular_loops(tn_binding *b, tn_region *r, tn_error *err)
{
    for (int i = 0; i < r->n_nodes; i++) {
        tn_pnode *n = r->nodes[i];
        for (int s = 0; s < n->n_sub; s++) TN_TRY(tn_regular_loops(b, n->sub[s], err));
        if (tn_pnode_is_loop(n)) TN_TRY(regular_loop(b, n->sub[1], err));
    }
    return TN_OK;
}

/* ==== emitting ==== */

static tn_step *add_step(emitter *e, const tn_pnode *n, tn_exec_fn exec)
{
    tn_program *p = e->p;
    if (!TN_ROOM(p->arena, p->steps, p->n_steps, e->cap_steps)) return NULL;
    int *in = TN_ARRAY(p->arena, n->n_in + 1, int), *out = TN_ARRAY(p->arena, n->n_out + 1, int);
    if (!in || !out) return NULL;
    for (int i = 0; i < n->n_in; i++) in[i] = n->in[i].node->slot + n->in[i].index;
    for (int i = 0; i < n->n_out; i++) out[i] = n->slot + i;
    tn_step *s = &p->steps[p->n_steps];
    *s = (tn_step){.exec = exec,
                   .run = n->op->run,
                   .op = n->op,
                   .name = n->name,
                   .attrs = n->attrs,
                   .in = in,
                   .out = out,
                   .n_in = n->n_in,
                   .n_out = n->n_out,
                   .resource = n->resource,
                   .dynamic = -1,
                   .index = p->n_steps,
                   .locks_store = n->op->writes != 0,
                   .kernel = n->op->name};
    p->n_steps++;
    return s;
}

static tn_code emit_range(emitter *e, tn_region *r, tn_pnode *owner, tn_code_range *out, tn_error *err);

static tn_code emit_sub(emitter *e, tn_pnode *n, tn_code_range **out, tn_error *err)
{
    tn_code_range *sub = TN_ARRAY(e->p->arena, n->n_sub, tn_code_range);
    if (!sub) return no_memory(err);
    for (int s = 0; s < n->n_sub; s++) TN_TRY(emit_range(e, n->sub[s], n, &sub[s], err));
    *out = sub;
    return TN_OK;
}

/* Of files goes what preparing was the last to look at. */
static void forget_unread(const emitter *e, const tn_step *s, const tn_prepare *prep)
{
    for (int i = 0; i < s->n_in && i < 32; i++) {
        const tn_tensor *c = prep->unread & TN_BIT(i) ? e->p->slots[s->in[i]].constant : NULL;
        if (c && c->buffer && c->buffer->of_file) tn_pages_forget(c->data, tn_tensor_bytes(c));
    }
}

/* Prepares a static step; a failure in a branch that may never run leaves it to be found when it does. */
static tn_code prepare_static(emitter *e, const tn_pnode *n, tn_step *s, tn_error *err)
{
    tn_program *p = e->p;
    const tn_tensor **in = TN_ARRAY(p->arena, s->n_in + 1, const tn_tensor *);
    const tn_tensor **out = TN_ARRAY(p->arena, s->n_out + 1, const tn_tensor *);
    bool *constant = TN_ARRAY(p->arena, s->n_in + 1, bool);
    if (!in || !out || !constant) return no_memory(err);
    for (int i = 0; i < s->n_in; i++) {
        in[i] = &p->values[s->in[i]];
        constant[i] = p->slots[s->in[i]].place == TN_PLACE_CONSTANT;
    }
    for (int i = 0; i < s->n_out; i++) out[i] = &p->values[s->out[i]];
    tn_prepare prep = {.op = n->op,
                       .name = n->name,
                       .attrs = n->attrs,
                       .n_in = s->n_in,
                       .n_out = s->n_out,
                       .in = in,
                       .out = out,
                       .is_constant = constant,
                       .threads = p->threads,
                       .arena = p->arena,
                       .packs = &p->store->packs,
                       .room = e->b->room,
                       .files = &p->store->files,
                       .run = n->op->run,
                       .params = n->extra};
    if (n->op->prepare) TN_TRY(n->op->prepare(&prep, err));
    forget_unread(e, s, &prep);
    s->run = tn_run_chosen(&prep);
    s->params = prep.params;
    s->done = prep.done;
    s->rest = prep.rest;
    s->scratch = prep.scratch;
    s->unread = prep.unread;
    s->pack = prep.pack;
    p->scratch = TN_MAX(p->scratch, prep.scratch);
    return TN_OK;
}

/* What a pass made of it is known to preparing in each run, too. */
static void make_dynamic(emitter *e, const tn_pnode *n, tn_step *s)
{
    s->exec = tn_exec_dynamic;
    s->params = n->extra;
    s->dynamic = e->p->n_dynamic++;
}

/* Outputs in the block keep their place; the others are made when the step runs. */
static bool outputs_in_block(const emitter *e, const tn_step *s)
{
    for (int i = 0; i < s->n_out; i++)
        if (e->p->slots[s->out[i]].place != TN_PLACE_BLOCK && !tn_dtype_is_ref(e->p->slots[s->out[i]].dtype))
            return false;
    return true;
}

static void heed_mask(const tn_pnode *n, tn_step *s)
{
    s->exec = tn_exec_masked;
    s->mask = n->mask.node->slot + n->mask.index;
    s->discards = n->discards;
}

static tn_code emit_plain(emitter *e, tn_pnode *n, bool lenient, tn_error *err)
{
    tn_step *s;
    if (tn_pnode_is_read(n)) return add_step(e, n, tn_exec_read) ? TN_OK : no_memory(err);
    if ((n->op->flags & TN_ALIAS) || n->op == &tn_pseudo_copy) {
        if (!(s = add_step(e, n, n->op == &tn_pseudo_copy ? tn_exec_copy : tn_exec_alias))) return no_memory(err);
        if (n->op->flags & TN_ALIAS) s->dynamic = e->p->n_dynamic++;
        return TN_OK;
    }
    if (n->op == &tn_array_look || n->op == &tn_array_piece) {
        if (!(s = add_step(e, n, n->op == &tn_array_look ? tn_exec_look : tn_exec_piece))) return no_memory(err);
        s->params = n->extra;
        return TN_OK;
    }
    if (!n->op->run && n->n_out)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s stands outside of the loop or conditional it belongs to "
                       "[[{{node %s}}]]", n->op->name, n->name);
    if (!(s = add_step(e, n, tn_exec_static))) return no_memory(err);
    if (!tn_pnode_is_static(e->b, n) || !outputs_in_block(e, s)) {
        make_dynamic(e, n, s);
        return TN_OK;
    }
    tn_error local;
    tn_code code = prepare_static(e, n, s, &local);
    if (code == TN_OK && n->mask.node) heed_mask(n, s);
    if (code == TN_OK) return TN_OK;
    if (lenient && code != TN_RESOURCE_EXHAUSTED) {
        make_dynamic(e, n, s);
        return TN_OK;
    }
    if (err) *err = local;
    return tn_note(err, "[[{{node %s}}]]", n->name);
}

static tn_code emit_node(emitter *e, tn_pnode *n, bool lenient, tn_code_range *sub, tn_error *err)
{
    if (!n->n_sub) return emit_plain(e, n, lenient, err);
    tn_step *s = add_step(e, n, tn_pnode_is_loop(n) ? tn_exec_while : tn_exec_if);
    if (!s) return no_memory(err);
    s->sub = sub;
    s->n_sub = n->n_sub;
    return TN_OK;
}

/* ==== releasing ==== */

static void find_last_uses(emitter *e, tn_region *r)
{
    for (int i = 0; i < r->n_nodes; i++) {
        tn_pnode *n = r->nodes[i];
        for (int k = 0; k < n->n_out; k++) e->last_use[n->slot + k] = i;
        for (int k = 0; k < n->n_in; k++) e->last_use[n->in[k].node->slot + n->in[k].index] = i;
    }
    for (int i = 0; i < r->n_rets; i++) e->last_use[r->rets[i].node->slot + r->rets[i].index] = r->n_nodes;
}

/* Arguments belong to whoever runs the region, but for those that a loop's body replaces. */
static bool may_release(const tn_region *r, const tn_pnode *owner, tn_pval v)
{
    if (v.node->op != &tn_pseudo_arg) return true;
    if (!owner || !tn_pnode_is_loop(owner) || r != owner->sub[1]) return false;
    return r->rets[v.node->feed].node != v.node;
}

static bool release_if_last(emitter *e, tn_region *r, tn_pnode *owner, tn_pval v, int at, int *out, int *n)
{
    int slot = v.node->slot + v.index;
    if (e->last_use[slot] != at || e->p->slots[slot].place != TN_PLACE_HEAP || !may_release(r, owner, v)) return false;
    for (int i = 0; i < *n; i++)
        if (out[i] == slot) return false;
    out[(*n)++] = slot;
    return true;
}

static tn_code set_releases(emitter *e, tn_region *r, tn_pnode *owner, int at, tn_step *s, tn_error *err)
{
    tn_pnode *node = r->nodes[at];
    int *list = TN_ARRAY(e->p->arena, node->n_in + node->n_out + 1, int);
    if (!list) return no_memory(err);
    for (int i = 0; i < node->n_in; i++) release_if_last(e, r, owner, node->in[i], at, list, &s->n_release);
    for (int i = 0; i < node->n_out; i++) release_if_last(e, r, owner, (tn_pval){node, i}, at, list, &s->n_release);
    s->release = list;
    return TN_OK;
}

static int *slots_of(emitter *e, tn_pnode **args, const tn_pval *rets, int n)
{
    int *v = TN_ARRAY(e->p->arena, n + 1, int);
    for (int i = 0; v && i < n; i++) v[i] = args ? args[i]->slot : rets[i].node->slot + rets[i].index;
    return v;
}

static tn_code emit_range(emitter *e, tn_region *r, tn_pnode *owner, tn_code_range *out, tn_error *err)
{
    tn_code_range **sub = TN_ARRAY(e->b->arena, r->n_nodes + 1, tn_code_range *);
    if (!sub) return no_memory(err);
    for (int i = 0; i < r->n_nodes; i++)
        if (r->nodes[i]->n_sub) TN_TRY(emit_sub(e, r->nodes[i], &sub[i], err));
    find_last_uses(e, r);
    out->first = e->p->n_steps;
    for (int i = 0; i < r->n_nodes; i++) {
        if (!r->nodes[i]->n_sub && tn_pnode_is_free(e->l, r->nodes[i])) continue;
        TN_TRY(emit_node(e, r->nodes[i], owner != NULL, sub[i], err));
        TN_TRY(set_releases(e, r, owner, i, &e->p->steps[e->p->n_steps - 1], err));
    }
    out->last = e->p->n_steps;
    out->n_args = r->n_args;
    out->n_rets = r->n_rets;
    out->args = slots_of(e, r->args, NULL, r->n_args);
    out->rets = slots_of(e, NULL, r->rets, r->n_rets);
    return out->args && out->rets ? TN_OK : no_memory(err);
}

/* ==== the program ==== */

static tn_code take_layout(tn_program *p, const tn_layout *l, tn_error *err)
{
    p->slots = l->slots;
    p->n_slots = l->n_slots;
    p->block = l->block;
    p->values = TN_ARRAY(p->arena, l->n_slots + 1, tn_tensor);
    p->fed_slots = TN_ARRAY(p->arena, l->n_slots + 1, int);
    if (!p->values || !p->fed_slots) return no_memory(err);
    for (int i = 0; i < l->n_slots; i++) {
        const tn_slot *s = &l->slots[i];
        p->values[i] = tn_tensor_view(tn_dtype_base(s->dtype), &s->shape, s->constant ? s->constant->data : NULL);
        if (s->place == TN_PLACE_CONSTANT && s->constant) p->values[i].dtype = s->constant->dtype;
        if (s->place == TN_PLACE_FEED) p->fed_slots[p->n_fed_slots++] = i;
    }
    return TN_OK;
}

static tn_code run_passes(tn_binding *b, tn_error *err)
{
    if (b->passes & TN_PASS(FREEZE)) TN_TRY(tn_pass_freeze(b, b->top, err));
    TN_TRY(tn_pass_composites(b, b->top, err));
    TN_TRY(tn_regular_loops(b, b->top, err));
    TN_TRY(tn_bind_infer(b, b->top, err));
    if ((b->passes & TN_PASS(HOIST)) && (b->passes & TN_PASS(STATIC))) TN_TRY(tn_pass_hoist(b, b->top, err));
    if (b->passes & TN_PASS(MERGE)) TN_TRY(tn_pass_merge(b, b->top, err));
    if (!(b->passes & TN_PASS(STATIC))) return TN_OK;
    if (b->passes & TN_PASS(ALIAS)) TN_TRY(tn_pass_pieces(b, b->top, err));
    if (b->passes & TN_PASS(FUSE_SCALE)) TN_TRY(tn_pass_fuse_scale(b, b->top, err));
    if (b->passes & TN_PASS(FUSE_BIAS)) TN_TRY(tn_pass_fuse_bias(b, b->top, err));
    if (b->passes & TN_PASS(FUSE_POOL)) TN_TRY(tn_pass_fuse_pool(b, b->top, err));
    if (b->passes & TN_PASS(MASKS)) TN_TRY(tn_pass_masks(b, b->top, err));
    if (b->passes & TN_PASS(FUSE_POINTWISE)) TN_TRY(tn_pass_fuse_pointwise(b, b->top, err));
    if (b->passes & TN_PASS(FUSE_UPDATES)) TN_TRY(tn_pass_fuse_updates(b, b->top, err));
    return TN_OK;
}

static tn_code set_feeds(tn_binding *b, tn_program *p, const tn_tensor *const *feeds, int n, tn_error *err)
{
    p->n_feeds = n;
    p->feed_shapes = TN_ARRAY(p->arena, n + 1, tn_shape);
    if (!p->feed_shapes) return no_memory(err);
    for (int i = 0; i < n; i++) p->feed_shapes[i] = feeds[i]->shape;
    for (int i = 0; i < b->top->n_nodes; i++) {
        tn_pnode *node = b->top->nodes[i];
        if (node->op == &tn_pseudo_feed) node->out[0].shape = feeds[node->feed]->shape;
    }
    return TN_OK;
}

static tn_region *own_copy(tn_binding *b, const tn_lowered *l, pthread_mutex_t *copying)
{
    if (copying) pthread_mutex_lock(copying);
    tn_region *r = tn_region_copy(b->arena, l->top);
    if (copying) pthread_mutex_unlock(copying);
    return r;
}

static tn_code bind_into(tn_program *p, tn_binding *b, const tn_lowered *l, const tn_tensor *const *feeds,
                         pthread_mutex_t *copying, tn_error *err)
{
    tn_layout layout;
    b->top = own_copy(b, l, copying);
    if (!b->top) return no_memory(err);
    TN_TRY(set_feeds(b, p, feeds, l->n_feeds, err));
    TN_TRY(run_passes(b, err));
    TN_TRY(tn_layout_make(b, &layout, err));
    TN_TRY(take_layout(p, &layout, err));
    emitter e = {.b = b, .l = &layout, .p = p, .last_use = TN_ARRAY(b->arena, layout.n_slots + 1, int)};
    if (!e.last_use) return no_memory(err);
    return emit_range(&e, b->top, NULL, &p->top, err);
}

/* Some of the n values, ascending by address, is (a part of) the tensor. */
static bool is_among(const uintptr_t *values, int n, const tn_tensor *t)
{
    const uintptr_t first = (uintptr_t)t->data, end = first + TN_MAX(tn_tensor_bytes(t), 1);
    int low = 0, high = n;
    while (low < high) {
        int middle = (low + high) / 2;
        if (values[middle] < first) low = middle + 1;
        else high = middle;
    }
    return low < n && values[low] < end;
}

/* What was only folded further, or into weights, goes: a program holds what its steps look at, and the variables'
 * values by which it knows that it is fresh. */
static tn_code drop_unused(tn_program *p, tn_arena *a, tn_error *err)
{
    uintptr_t *values = TN_ARRAY(a, p->n_slots + p->n_frozen + 1, uintptr_t);
    int n = 0, kept = 0;
    if (!values) return no_memory(err);
    for (int i = 0; i < p->n_slots; i++) {
        if (p->slots[i].constant) values[n++] = (uintptr_t)p->slots[i].constant->data;
        p->slots[i].constant = NULL;
    }
    for (int i = 0; i < p->n_frozen; i++) values[n++] = (uintptr_t)p->frozen[i].value->data;
    if (n) qsort(values, (size_t)n, sizeof *values, tn_by_address);
    for (int i = 0; i < p->n_owned; i++) {
        if (is_among(values, n, p->owned[i])) p->owned[kept++] = p->owned[i];
        else tn_tensor_unref(p->owned[i]);
    }
    p->n_owned = kept;
    return TN_OK;
}

/* What runs look at as it is stays; of files goes what they do not. */
static void settle_constants(const tn_program *p)
{
    for (int i = 0; i < p->n_owned; i++) {
        const tn_tensor *t = p->owned[i];
        const bool of_file = t->buffer && t->buffer->of_file && tn_tensor_bytes(t) >= TN_PACK_LEAST;
        if (!of_file && !atomic_load(&p->store->packs.n_scaled)) continue;
        if (!tn_program_reads(p, t)) {
            if (of_file) tn_pages_forget(t->data, tn_tensor_bytes(t));
            continue;
        }
        tn_packs_looked(&p->store->packs, tn_packs_look(&p->store->packs, t->data), true);
    }
}

tn_code tn_bind(const tn_lowered *l, const tn_tensor *const *feeds, const tn_bind_options *o,
                tn_program **out, tn_error *err)
{
    tn_program *p = tn_calloc(1, sizeof *p);
    if (!p || !(p->arena = tn_arena_new(0))) {
        tn_free(p);
        return tn_no_memory(err, sizeof *p);
    }
    pthread_mutex_init(&p->lock, NULL);
    p->threads = o->threads;
    p->passes = o->passes;
    p->store = l->store;
    tn_binding b = {.arena = tn_arena_new(0), .kept = p->arena, .passes = o->passes, .threads = o->threads,
                    .store = l->store, .room = o->room, .library = tn_graph_library(l->graph),
                    .follows = (o->passes & TN_PASS(FOLD)) != 0};
    tn_code code = b.arena ? bind_into(p, &b, l, feeds, o->copying, err) : no_memory(err);
    p->owned = b.owned;
    p->n_owned = b.n_owned;
    p->frozen = b.frozen;
    p->n_frozen = b.n_frozen;
    if (code == TN_OK) code = drop_unused(p, b.arena, err);
    if (code == TN_OK) settle_constants(p);
    tn_arena_free(b.arena);
    if (code != TN_OK) {
        tn_program_free(p);
        return code;
    }
    tn_arena_settle(p->arena);
    *out = p;
    return TN_OK;
}

void tn_program_free(tn_program *p)
{
    if (!p) return;
    tn_program_rest(p);
    for (int i = 0; i < p->n_steps; i++)
        if (p->steps[i].done) p->steps[i].done(p->steps[i].params);
    for (int i = 0; i < p->n_owned; i++) tn_tensor_unref(p->owned[i]);
    tn_free(p->owned);
    pthread_mutex_destroy(&p->lock);
    tn_arena_free(p->arena);
    tn_free(p);
}
