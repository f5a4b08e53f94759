/* SPDX-License-Identifier: Apache-2.0
 *
 * list.c - lists of tensors as trees of 32 branches. The operators on them are op_list.c's.
 *
 * Invariants: nodes are counted and never change once a list holds them, so lists may be shared by
 * threads; a missing node stands for elements that are not set; elements beyond n are missing.
 */
#include "list.h"

enum { BITS = 5, WIDTH = 1 << BITS, MAX_LEVELS = 7 }; /* 2^35 elements */

typedef struct tn_list_node {
    atomic_int refs;
    tn_charge charge;
    void *at[WIDTH]; /* nodes, at level 0 tensors */
} node;

static void unref(node *n, int level)
{
    if (!n || atomic_fetch_sub(&n->refs, 1) != 1) return;
    for (int i = 0; i < WIDTH; i++) {
        if (level)
            unref(n->at[i], level - 1);
        else
            tn_tensor_unref(n->at[i]);
    }
    tn_charge_drop(&n->charge);
    tn_free(n);
}

static node *ref(node *n)
{
    if (n) atomic_fetch_add(&n->refs, 1);
    return n;
}

static node *copy(const node *from, int level)
{
    tn_charge charge = {NULL, 0};
    node *n = tn_charge_add(&charge, sizeof *n) ? tn_calloc(1, sizeof *n) : NULL;
    if (!n) {
        tn_charge_drop(&charge);
        return NULL;
    }
    n->charge = charge;
    atomic_init(&n->refs, 1);
    for (int i = 0; from && i < WIDTH; i++) {
        if (!from->at[i]) continue;
        n->at[i] = level ? (void *)ref(from->at[i]) : tn_tensor_ref(from->at[i]);
    }
    return n;
}

/* A copy of the path to element i, with another element there (taken even when it fails). */
static node *with(const node *from, int level, int64_t i, tn_tensor *item)
{
    node *n = copy(from, level);
    if (!n) {
        tn_tensor_unref(item);
        return NULL;
    }
    void **at = &n->at[i >> (BITS * level) & (WIDTH - 1)];
    if (level == 0) {
        tn_tensor_unref(*at);
        *at = item;
        return n;
    }
    node *below = with(*at, level - 1, i, item);
    if (below) {
        unref(*at, level - 1);
        *at = below;
        return n;
    }
    unref(n, level);
    return NULL;
}

/* ==== lists ==== */

static void release(tn_variant *v)
{
    tn_list *l = (tn_list *)v;
    unref(l->root, l->levels);
    tn_free(l);
}

static int levels_for(int64_t n)
{
    int levels = 0;
    while (levels < MAX_LEVELS - 1 && n > (int64_t)1 << (BITS * (levels + 1))) levels++;
    return levels;
}

tn_list *tn_list_new(tn_dtype t, const tn_shape *element_shape, int64_t most, int64_t n)
{
    tn_list *l = tn_calloc(1, sizeof *l);
    if (!l) return NULL;
    atomic_init(&l->head.refs, 1);
    l->head.release = release;
    l->dtype = t;
    l->element_shape = *element_shape;
    l->most = most;
    l->n = n;
    l->levels = levels_for(n);
    l->head.depth = 1;
    return l;
}

const tn_tensor *tn_list_at(const tn_list *l, int64_t i)
{
    const node *n = l->root;
    for (int level = l->levels; n && level > 0; level--) n = n->at[i >> (BITS * level) & (WIDTH - 1)];
    return n ? n->at[i & (WIDTH - 1)] : NULL;
}

/* Another level above the root. */
static bool deepen(tn_list *l)
{
    node *above = l->root ? copy(NULL, 1) : NULL;
    if (l->root && !above) return false;
    if (above) above->at[0] = l->root;
    l->root = above;
    l->levels++;
    return true;
}

static tn_list *fail(tn_list *l)
{
    if (l) release(&l->head);
    return NULL;
}

static tn_list *same(const tn_list *l, int64_t n)
{
    tn_list *r = tn_list_new(l->dtype, &l->element_shape, l->most, l->n);
    if (!r) return NULL;
    r->levels = l->levels;
    r->head.depth = l->head.depth;
    r->root = ref(l->root);
    r->n = n;
    while (r->levels < levels_for(n)) {
        if (!deepen(r)) return fail(r);
    }
    return r;
}

static bool set(tn_list *l, int64_t i, tn_tensor *item)
{
    node *root = with(l->root, l->levels, i, item);
    if (!root) return false;
    unref(l->root, l->levels);
    l->root = root;
    return true;
}

tn_list *tn_list_with(const tn_list *l, int64_t i, const tn_tensor *item)
{
    tn_tensor *kept;
    tn_list *r = same(l, TN_MAX(l->n, i + 1));
    if (!r) return NULL;
    if (tn_tensor_keep(item, &kept, NULL) || !set(r, i, kept)) return fail(r);
    r->head.depth = TN_MAX(r->head.depth, 1 + tn_list_depth(item));
    return r;
}

tn_list *tn_list_resized(const tn_list *l, int64_t n)
{
    tn_list *r = same(l, n);
    for (int64_t i = n; r && r->root && i < l->n; i++) {
        if (tn_list_at(r, i) && !set(r, i, NULL)) return fail(r);
    }
    return r;
}

int tn_list_depth(const tn_tensor *t)
{
    int depth = 0;
    if (t->dtype != TN_VARIANT) return 0;
    for (int64_t i = 0; i < tn_tensor_count(t); i++) {
        const tn_variant *v = ((tn_variant **)t->data)[i];
        if (v) depth = TN_MAX(depth, v->depth);
    }
    return depth;
}

tn_code tn_list_of(const tn_tensor *t, const tn_list **out, tn_error *err)
{
    const tn_variant *v =
        t->dtype == TN_VARIANT && t->data && tn_tensor_count(t) == 1 ? *(tn_variant **)t->data : NULL;
    if (!v || v->release != release) return tn_fail(err, TN_INVALID_ARGUMENT, "Input handle is not a list.");
    *out = (const tn_list *)v;
    return TN_OK;
}
