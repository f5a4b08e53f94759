/* SPDX-License-Identifier: Apache-2.0
 *
 * layout.c - a slot for every value, and for those whose size is known a place in one block of memory that
 * is shared by values which are not alive at the same time.
 *
 * One walk in the order of running numbers the times; a value used inside a loop lives to the end of the
 * loop. Views (Reshape, arguments of branches) share the storage of what they look at. Invariants: a
 * storage's offset is a multiple of 64; two storages alive at one time never overlap, but for in-place
 * operators, whose input dies in the very step that makes the output.
 */
#include "array.h"
#include "layout.h"

enum { ALIGN = 64, FOREVER = INT32_MAX };
#define MOST_OF_ONE ((size_t)1 << 40) /* a larger value is no part of the block: it fails when its step is reached */
#define MOST_OF_ALL ((size_t)1 << 46)

static tn_code no_memory(tn_error *err)
{
    return tn_no_memory(err, 0);
}

/* ==== storages ==== */

static int new_storage(tn_layout *l, size_t size, int first)
{
    if (!TN_ROOM(l->b->arena, l->storages, l->n_storages, l->cap_storages)) return -1;
    size = (size + ALIGN - 1) / ALIGN * ALIGN;
    l->storages[l->n_storages] = (tn_storage){.size = size, .first = first, .last = first, .may_reuse = {-1, -1, -1}};
    return l->n_storages++;
}

static void touch(tn_layout *l, int slot, int time)
{
    int s = l->storage_of[slot];
    if (s >= 0 && l->storages[s].last < time) l->storages[s].last = time;
}

static int slot_of(tn_pval v)
{
    return v.node->slot + v.index;
}

/* ==== slots ==== */

static void number_node(tn_pnode *n, int *next)
{
    n->slot = *next;
    *next += n->n_out;
}

static void number_region(tn_region *r, int *next)
{
    for (int i = 0; i < r->n_args; i++) number_node(r->args[i], next);
    for (int i = 0; i < r->n_nodes; i++) {
        tn_pnode *n = r->nodes[i];
        number_node(n, next);
        for (int s = 0; s < n->n_sub; s++) number_region(n->sub[s], next);
        if (tn_pnode_is_loop(n)) /* condition and body look at the same values */
            for (int k = 0; k < n->sub[0]->n_args; k++) n->sub[0]->args[k]->slot = n->sub[1]->args[k]->slot;
    }
}

/* Bytes that are enough: the shape's, with the bound in the place of a first dimension that is not known. */
static bool size_known(const tn_info *o, size_t *bytes)
{
    tn_shape s = o->shape;
    if (s.rank > 0 && s.dim[0] < 0 && o->bound >= 0) s.dim[0] = o->bound;
    int64_t count = tn_shape_count(&s);
    if (count < 0 || !tn_dtype_is_pod(tn_dtype_base(o->dtype)) || tn_dtype_is_ref(o->dtype)) return false;
    if ((size_t)count > MOST_OF_ONE / tn_dtype_size(o->dtype)) return false;
    *bytes = (size_t)count * tn_dtype_size(o->dtype);
    return true;
}

/* A slot of its own: in the block when the size is known and `fixed`, else on the heap. */
static tn_code own_place(tn_layout *l, const tn_info *o, int slot, bool fixed, int first, tn_error *err)
{
    size_t bytes = 0;
    tn_slot *s = &l->slots[slot];
    s->dtype = o->dtype;
    s->shape = o->shape;
    s->place = TN_PLACE_HEAP;
    l->storage_of[slot] = -1;
    if (!fixed || !(l->b->passes & TN_PASS(STATIC)) || !size_known(o, &bytes)) return TN_OK;
    s->place = TN_PLACE_BLOCK;
    s->capacity = bytes;
    l->storage_of[slot] = new_storage(l, bytes, first);
    return l->storage_of[slot] < 0 ? no_memory(err) : TN_OK;
}

static void share_place(tn_layout *l, int from, int slot, const tn_info *o)
{
    l->slots[slot] = l->slots[from];
    l->slots[slot].dtype = o->dtype;
    l->slots[slot].shape = o->shape;
    l->storage_of[slot] = l->storage_of[from];
}

static bool is_fixed_place(const tn_slot *s)
{
    return s->place == TN_PLACE_BLOCK || s->place == TN_PLACE_CONSTANT || s->place == TN_PLACE_FEED;
}

bool tn_pnode_is_static(const tn_binding *b, const tn_pnode *n)
{
    if (!(b->passes & TN_PASS(STATIC)) || n->op->dynamic || !n->op->run) return false;
    for (int i = 0; i < n->n_out; i++) {
        size_t bytes;
        bool plain = tn_shape_known(&n->out[i].shape) && size_known(&n->out[i], &bytes);
        if (!plain && !tn_dtype_is_ref(n->out[i].dtype)) return false;
    }
    for (int i = 0; i < n->n_in; i++) {
        const tn_info *in = &n->in[i].node->out[n->in[i].index];
        if (!tn_shape_known(&in->shape)) return false;
        if (tn_op_wants_value(n->op, i, n->n_in) && !in->value) return false;
    }
    return true;
}

static bool is_pseudo(const tn_pnode *n)
{
    return n->op == &tn_pseudo_feed || n->op == &tn_pseudo_constant || n->op == &tn_pseudo_handle;
}

static bool is_free_view(const tn_layout *l, const tn_pnode *n)
{
    if (!(n->op->flags & TN_ALIAS) || !(l->b->passes & TN_PASS(ALIAS)) || !(l->b->passes & TN_PASS(STATIC)))
        return false;
    for (int i = 0; i < n->n_out; i++)
        if (!tn_shape_known(&n->out[i].shape) || !is_fixed_place(&l->slots[slot_of(n->in[i])])) return false;
    return true;
}

bool tn_pnode_is_free(const tn_layout *l, const tn_pnode *n)
{
    return is_pseudo(n) || (n->n_out == 0 && !n->op->run && !n->n_sub) || is_free_view(l, n);
}

/* ==== the walk ==== */

static tn_code walk_region(tn_layout *l, tn_region *r, tn_error *err);

static tn_code place_constant(tn_layout *l, tn_pnode *n, tn_error *err)
{
    for (int i = 0; i < n->n_out; i++) {
        tn_slot *s = &l->slots[n->slot + i];
        *s = (tn_slot){.dtype = n->out[i].dtype, .shape = n->out[i].shape, .place = TN_PLACE_CONSTANT,
                       .constant = (tn_tensor *)n->out[i].value};
        if (n->op != &tn_pseudo_handle) continue;
        TN_TRY(tn_resource_tensor(n->resource, &s->constant, err));
        TN_TRY(tn_binding_own(l->b, s->constant, err));
    }
    return TN_OK;
}

static void place_feed(tn_layout *l, tn_pnode *n)
{
    l->slots[n->slot] = (tn_slot){
        .dtype = n->out[0].dtype, .shape = n->out[0].shape, .place = TN_PLACE_FEED, .feed = n->feed};
}

static void note_inplace(tn_layout *l, const tn_pnode *n)
{
    int mine = l->storage_of[n->slot], k = 0, most = n->op->flags & TN_INPLACE_FIRST ? 1 : n->n_in;
    if (!(n->op->flags & (TN_INPLACE | TN_INPLACE_FIRST)) || !(l->b->passes & TN_PASS(INPLACE)) || mine < 0) return;
    for (int i = 0; i < most && k < 3; i++) {
        const tn_info *in = &n->in[i].node->out[n->in[i].index];
        int s = l->storage_of[slot_of(n->in[i])];
        if (s >= 0 && s != mine && tn_shape_equal(&in->shape, &n->out[0].shape) &&
            tn_dtype_size(in->dtype) == tn_dtype_size(n->out[0].dtype))
            l->storages[mine].may_reuse[k++] = s;
    }
}

static tn_code place_plain(tn_layout *l, tn_pnode *n, tn_error *err)
{
    int t = ++l->time;
    for (int i = 0; i < n->n_in; i++) touch(l, slot_of(n->in[i]), t);
    if (is_free_view(l, n)) {
        for (int i = 0; i < n->n_out; i++) share_place(l, slot_of(n->in[i]), n->slot + i, &n->out[i]);
        return TN_OK;
    }
    if (n->op == &tn_array_set && l->slots[slot_of(n->in[0])].place == TN_PLACE_BLOCK) {
        share_place(l, slot_of(n->in[0]), n->slot, &n->out[0]);
        return TN_OK;
    }
    if (n->n_out == 1 && l->replaces[n->slot] && l->slots[l->replaces[n->slot] - 1].place == TN_PLACE_BLOCK) {
        share_place(l, l->replaces[n->slot] - 1, n->slot, &n->out[0]);
        return TN_OK;
    }
    const bool look = n->op == &tn_array_look || n->op == &tn_array_piece;
    bool view = tn_pnode_is_read(n) || (n->op->flags & (TN_ALIAS | TN_SHARES)) || look;
    for (int i = 0; i < n->n_out; i++) TN_TRY(own_place(l, &n->out[i], n->slot + i, !view, t, err));
    for (int i = 0; (n->op->flags & TN_ALIAS) && i < n->n_out; i++) /* keeps alive what it looks at */
        l->storage_of[n->slot + i] = l->storage_of[slot_of(n->in[i])];
    for (int i = 0; look && i < n->n_out; i++) l->storage_of[n->slot + i] = l->storage_of[slot_of(n->in[0])];
    if (tn_pnode_is_static(l->b, n)) note_inplace(l, n);
    return TN_OK;
}

static tn_code place_arg(tn_layout *l, tn_pval from, tn_pnode *arg, tn_error *err)
{
    int slot = slot_of(from);
    if (is_fixed_place(&l->slots[slot])) {
        share_place(l, slot, arg->slot, &arg->out[0]);
        l->slots[arg->slot].shape = l->slots[slot].shape;
        return TN_OK;
    }
    TN_TRY(own_place(l, &arg->out[0], arg->slot, false, l->time, err));
    l->storage_of[arg->slot] = l->storage_of[slot];
    return TN_OK;
}

static tn_code place_branches(tn_layout *l, tn_pnode *n, tn_error *err)
{
    int start = ++l->time;
    for (int i = 0; i < n->n_out; i++) TN_TRY(own_place(l, &n->out[i], n->slot + i, true, start, err));
    for (int s = 0; s < n->n_sub; s++) {
        for (int i = 0; i < n->sub[s]->n_args; i++) TN_TRY(place_arg(l, n->in[i + 1], n->sub[s]->args[i], err));
        TN_TRY(walk_region(l, n->sub[s], err));
    }
    int end = ++l->time;
    for (int i = 0; i < n->n_in; i++) touch(l, slot_of(n->in[i]), end);
    for (int i = 0; i < n->n_out; i++) touch(l, n->slot + i, end);
    return TN_OK;
}

static int uses_of(const tn_region *r, const tn_pnode *of)
{
    int uses = 0;
    for (int i = 0; i < r->n_nodes; i++)
        for (int k = 0; k < r->nodes[i]->n_in; k++) uses += r->nodes[i]->in[k].node == of;
    for (int i = 0; i < r->n_rets; i++) uses += r->rets[i].node == of;
    return uses;
}

/* n makes the argument's next value of the argument, at which nobody else looks: a sum over steps. */
static bool may_replace(const tn_layout *l, const tn_region *body, const tn_pnode *n, const tn_pnode *arg)
{
    const unsigned inplace = n->op->flags & (TN_INPLACE | TN_INPLACE_FIRST);
    int looks = 0;
    if (!inplace || !(l->b->passes & TN_PASS(INPLACE)) || n->n_out != 1 || !tn_pnode_is_static(l->b, n)) return false;
    if (n->out[0].dtype != arg->out[0].dtype || !tn_shape_equal(&n->out[0].shape, &arg->out[0].shape)) return false;
    for (int k = 0; k < n->n_in; k++) looks += n->in[k].node == arg;
    if (!looks || ((inplace & TN_INPLACE_FIRST) && (looks > 1 || n->in[0].node != arg))) return false;
    return uses_of(body, arg) == looks;
}

static tn_code place_loop(tn_layout *l, tn_pnode *n, tn_error *err)
{
    int start = ++l->time;
    tn_region *body = n->sub[1];
    for (int i = 0; i < n->n_in; i++) {
        if (body->rets[i].node == body->args[i]) TN_TRY(place_arg(l, n->in[i], body->args[i], err));
        else TN_TRY(own_place(l, &body->args[i]->out[0], body->args[i]->slot, true, start, err));
        if (body->rets[i].node != body->args[i] && may_replace(l, body, body->rets[i].node, body->args[i]))
            l->replaces[body->rets[i].node->slot] = body->args[i]->slot + 1;
    }
    TN_TRY(walk_region(l, n->sub[0], err));
    TN_TRY(walk_region(l, body, err));
    int end = ++l->time;
    for (int i = 0; i < n->n_in; i++) {
        touch(l, slot_of(n->in[i]), end);
        touch(l, body->args[i]->slot, end);
        if (is_fixed_place(&l->slots[body->args[i]->slot]))
            share_place(l, body->args[i]->slot, n->slot + i, &n->out[i]);
        else TN_TRY(own_place(l, &n->out[i], n->slot + i, false, end, err));
    }
    return TN_OK;
}

static tn_code place_node(tn_layout *l, tn_pnode *n, tn_error *err)
{
    if (n->op == &tn_pseudo_feed) return place_feed(l, n), TN_OK;
    if (is_pseudo(n)) return place_constant(l, n, err);
    if (tn_pnode_is_loop(n)) return place_loop(l, n, err);
    if (n->n_sub) return place_branches(l, n, err);
    return place_plain(l, n, err);
}

static tn_code walk_region(tn_layout *l, tn_region *r, tn_error *err)
{
    for (int i = 0; i < r->n_nodes; i++) TN_TRY(place_node(l, r->nodes[i], err));
    ++l->time;
    for (int i = 0; i < r->n_rets; i++) touch(l, slot_of(r->rets[i]), l->time);
    return TN_OK;
}

/* ==== offsets ==== */

typedef struct alive { /* storages in use, by offset */
    int *v;
    int n;
    int soonest;      /* none of them dies before this time */
    size_t used, top; /* their bytes, and where the last one ends */
} alive;

static void retire(const tn_layout *l, alive *a, int time)
{
    int n = 0;
    if (a->soonest >= time) return;
    a->soonest = FOREVER;
    a->used = a->top = 0;
    for (int i = 0; i < a->n; i++) {
        const tn_storage *s = &l->storages[a->v[i]];
        if (s->last < time) continue;
        a->v[n++] = a->v[i];
        a->soonest = TN_MIN(a->soonest, s->last);
        a->used += s->size;
        a->top = TN_MAX(a->top, s->offset + s->size);
    }
    a->n = n;
}

static void insert(const tn_layout *l, alive *a, int s)
{
    const tn_storage *mine = &l->storages[s];
    int i = a->n++;
    for (; i > 0 && l->storages[a->v[i - 1]].offset > mine->offset; i--) a->v[i] = a->v[i - 1];
    a->v[i] = s;
    a->soonest = TN_MIN(a->soonest, mine->last);
    a->used += mine->size;
    a->top = TN_MAX(a->top, mine->offset + mine->size);
}

/* The smallest gap between living storages that is large enough. */
static size_t best_gap(const tn_layout *l, const alive *a, size_t size)
{
    size_t at = 0, best = SIZE_MAX, best_size = SIZE_MAX;
    if (a->used == a->top) return a->top; /* there is none */
    for (int i = 0; i < a->n; i++) {
        const tn_storage *s = &l->storages[a->v[i]];
        if (s->offset > at && s->offset - at >= size && s->offset - at < best_size) {
            best = at;
            best_size = s->offset - at;
        }
        at = TN_MAX(at, s->offset + s->size);
    }
    return best == SIZE_MAX ? at : best;
}

/* Takes over the place of an input that dies in the step which makes s; false: none does. */
static bool reuse(tn_layout *l, alive *a, int s)
{
    tn_storage *mine = &l->storages[s];
    for (int k = 0; k < 3 && mine->may_reuse[k] >= 0; k++) {
        tn_storage *other = &l->storages[mine->may_reuse[k]];
        if (other->last != mine->first || other->size != mine->size || !other->size) continue;
        mine->offset = other->offset;
        a->soonest = other->last = mine->first - 1;
        retire(l, a, mine->first);
        return true;
    }
    return false;
}

static tn_code assign_offsets(tn_layout *l, tn_error *err)
{
    alive a = {.v = TN_ARRAY(l->b->arena, l->n_storages + 1, int), .soonest = FOREVER};
    if (!a.v) return no_memory(err);
    for (int s = 0; s < l->n_storages; s++) {
        tn_storage *mine = &l->storages[s];
        if (!mine->size) continue;
        retire(l, &a, mine->first);
        if (!reuse(l, &a, s)) mine->offset = best_gap(l, &a, mine->size);
        insert(l, &a, s);
        l->block = TN_MAX(l->block, mine->offset + mine->size);
        if (l->block > MOST_OF_ALL)
            return tn_fail(err, TN_RESOURCE_EXHAUSTED, "the graph's values need more than %zu bytes", MOST_OF_ALL);
    }
    for (int i = 0; i < l->n_slots; i++)
        if (l->slots[i].place == TN_PLACE_BLOCK) l->slots[i].offset = l->storages[l->storage_of[i]].offset;
    return TN_OK;
}

tn_code tn_layout_make(tn_binding *b, tn_layout *out, tn_error *err)
{
    tn_layout l = {.b = b};
    number_region(b->top, &l.n_slots);
    l.slots = TN_ARRAY(b->kept, l.n_slots + 1, tn_slot);
    l.storage_of = TN_ARRAY(b->arena, l.n_slots + 1, int);
    l.replaces = TN_ARRAY(b->arena, l.n_slots + 1, int);
    if (!l.slots || !l.storage_of || !l.replaces) return no_memory(err);
    for (int i = 0; i < l.n_slots; i++) l.storage_of[i] = -1;
    TN_TRY(walk_region(&l, b->top, err));
    for (int i = 0; i < b->top->n_rets; i++) touch(&l, slot_of(b->top->rets[i]), FOREVER);
    TN_TRY(assign_offsets(&l, err));
    *out = l;
    return TN_OK;
}
