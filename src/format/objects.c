/* SPDX-License-Identifier: Apache-2.0
 *
 * objects.c - the graph of objects in a checkpoint of TensorFlow 2: tensors by the names that their variables
 * had, and the slots of optimizers. tf.train's optimizers and the older of Keras 2 tell for each slot which
 * variable it is of; those of Keras 3 have lists, of variables and of each kind of slot, in the same order;
 * those of Keras 2.11 and later only the lists of slots, each of which is named after its kind and its
 * variable.
 *
 * Invariant: numbers of nodes are checked where they are followed; what is damaged is not found.
 */
#include "objects.h"

typedef struct place { /* of a tensor */
    const char *name, *key;
    uint32_t node;
} place;

struct tn_objects {
    tn_arena *arena;
    tn_tensor *text;                      /* that the graph's strings are in */
    const tn_TrackableObjectGraph *graph; /* NULL: none */
    tn_map *by_name, *by_key;             /* -> place */
};

/* ==== reading ==== */

static tn_code add_place(tn_objects *o, uint32_t node, const tn_SerializedTensor *t, tn_error *err)
{
    place *p = TN_NEW(o->arena, place);
    if (!p) return tn_no_memory(err, sizeof *p);
    p->node = node;
    p->name = tn_arena_strndup(o->arena, t->full_name.n ? t->full_name.p : "", t->full_name.n);
    p->key = tn_arena_strndup(o->arena, t->checkpoint_key.n ? t->checkpoint_key.p : "", t->checkpoint_key.n);
    bool ok = p->name && p->key && tn_map_put(o->by_name, p->name, p) && tn_map_put(o->by_key, p->key, p);
    return ok ? TN_OK : tn_no_memory(err, t->full_name.n);
}

static tn_code add_places(tn_objects *o, tn_error *err)
{
    for (uint32_t i = 0; i < o->graph->nodes.n; i++) {
        const tn_TrackableObject *node = &o->graph->nodes.items[i];
        for (uint32_t k = 0; k < node->attributes.n; k++)
            TN_TRY(add_place(o, i, &node->attributes.items[k], err));
    }
    return TN_OK;
}

static tn_code read_graph(tn_objects *o, tn_bundle *b, tn_error *err)
{
    tn_TrackableObjectGraph *g;
    if (!tn_bundle_find(b, TN_OBJECT_GRAPH)) return TN_OK;
    TN_TRY(tn_bundle_read(b, TN_OBJECT_GRAPH, &o->text, err));
    if (o->text->dtype != TN_STRING || tn_tensor_count(o->text) != 1) return TN_OK;
    tn_view bytes = {TN_STRINGS(o->text)->p, TN_STRINGS(o->text)->n};
    TN_TRY(TN_DECODE(TrackableObjectGraph, bytes, o->arena, &g, err));
    o->graph = g;
    return add_places(o, err);
}

tn_code tn_objects_read(tn_bundle *b, tn_objects **out, tn_error *err)
{
    tn_objects *o = tn_calloc(1, sizeof *o);
    if (!o) return tn_no_memory(err, sizeof *o);
    o->arena = tn_arena_new(0);
    o->by_name = tn_map_new();
    o->by_key = tn_map_new();
    tn_code code = o->arena && o->by_name && o->by_key ? read_graph(o, b, err) : tn_no_memory(err, sizeof *o);
    if (code == TN_OK)
        *out = o;
    else
        tn_objects_free(o);
    return code;
}

void tn_objects_free(tn_objects *o)
{
    if (!o) return;
    tn_map_free(o->by_name);
    tn_map_free(o->by_key);
    tn_tensor_unref(o->text);
    tn_arena_free(o->arena);
    tn_free(o);
}

bool tn_objects_any(const tn_objects *o)
{
    return tn_map_count(o->by_name) > 0;
}

const char *tn_objects_key(const tn_objects *o, const char *name)
{
    const place *p = tn_map_get(o->by_name, name);
    return p ? p->key : NULL;
}

const char *tn_objects_variable(const tn_objects *o, const char *key)
{
    const place *p = tn_map_get(o->by_key, key);
    return p ? p->name : NULL;
}

/* ==== nodes ==== */

static const tn_TrackableObject *node_at(const tn_objects *o, int64_t id)
{
    return o->graph && id >= 0 && id < o->graph->nodes.n ? &o->graph->nodes.items[id] : NULL;
}

static const tn_TrackableObject *child_of(const tn_objects *o, const tn_TrackableObject *node, tn_view name)
{
    for (uint32_t i = 0; node && i < node->children.n; i++)
        if (tn_view_eq(node->children.items[i].local_name, name))
            return node_at(o, node->children.items[i].node_id);
    return NULL;
}

static const tn_TrackableObject *child_named(const tn_objects *o, const tn_TrackableObject *node,
                                             const char *name)
{
    return child_of(o, node, tn_view_of(name));
}

/* The one tensor of a node. */
static const place *place_of(const tn_objects *o, const tn_TrackableObject *node)
{
    return node && node->attributes.n ? tn_map_get_view(o->by_key, node->attributes.items[0].checkpoint_key)
                                      : NULL;
}

static const char *key_of(const tn_objects *o, const tn_TrackableObject *node)
{
    const place *p = place_of(o, node);
    return p ? p->key : NULL;
}

/* ==== optimizers ==== */

/* What the variable is called in the list; its slots are called the same in theirs. */
static bool name_in(const tn_TrackableObject *list, uint32_t variable, tn_view *out)
{
    for (uint32_t i = 0; list && i < list->children.n; i++)
        if (list->children.items[i].node_id == (int64_t)variable) {
            *out = list->children.items[i].local_name;
            return true;
        }
    return false;
}

/* "m/dense/kernel", or "Adam/m/dense/kernel": of the variable, and (NULL: any) of the kind. */
static bool is_slot_of(const char *slot, const char *variable, const char *kind)
{
    size_t n = strlen(slot), k = strlen(variable);
    if (n < k + 2 || slot[n - k - 1] != '/' || strcmp(slot + n - k, variable) != 0) return false;
    const char *from = slot, *end = slot + n - k - 1, *slash = memchr(from, '/', (size_t)(end - from));
    if (slash) from = slash + 1;
    if (memchr(from, '/', (size_t)(end - from))) return false;
    return !kind || (strlen(kind) == (size_t)(end - from) && !memcmp(from, kind, (size_t)(end - from)));
}

/* The one in the list that is named so; NULL: none, or several. */
static const tn_TrackableObject *slot_named(const tn_objects *o, const tn_TrackableObject *list,
                                            const char *variable, const char *kind)
{
    const tn_TrackableObject *found = NULL;
    for (uint32_t i = 0; list && i < list->children.n; i++) {
        const tn_TrackableObject *node = node_at(o, list->children.items[i].node_id);
        const place *p = place_of(o, node);
        if (!p || !is_slot_of(p->name, variable, kind)) continue;
        if (found) return NULL;
        found = node;
    }
    return found;
}

static bool has_slot_named(const tn_objects *o, const tn_TrackableObject *list, const char *variable)
{
    for (uint32_t i = 0; list && i < list->children.n; i++) {
        const place *p = place_of(o, node_at(o, list->children.items[i].node_id));
        if (p && is_slot_of(p->name, variable, NULL)) return true;
    }
    return false;
}

#define TRAINED "_trainable_variables"
#define ALL "_variables" /* the count of steps, and all slots */

static bool trains(const tn_objects *o, const tn_TrackableObject *optimizer, const place *variable_place)
{
    tn_view name;
    uint32_t variable = variable_place->node;
    for (uint32_t i = 0; i < optimizer->slot_variables.n; i++)
        if (optimizer->slot_variables.items[i].original_variable_node_id == (int64_t)variable) return true;
    if (!key_of(o, child_named(o, optimizer, "_iterations"))) return false;
    const tn_TrackableObject *trained = child_named(o, optimizer, TRAINED);
    return trained ? name_in(trained, variable, &name)
                   : has_slot_named(o, child_named(o, optimizer, ALL), variable_place->name);
}

static const tn_TrackableObject *optimizer_of(const tn_objects *o, const place *variable)
{
    for (uint32_t i = 0; variable && i < o->graph->nodes.n; i++)
        if (trains(o, &o->graph->nodes.items[i], variable)) return &o->graph->nodes.items[i];
    return NULL;
}

const char *tn_objects_iterations(const tn_objects *o, const char *key)
{
    const tn_TrackableObject *optimizer = optimizer_of(o, tn_map_get(o->by_key, key));
    const char *found = key_of(o, child_named(o, optimizer, "_iterations"));
    return found ? found : key_of(o, child_named(o, optimizer, "iter"));
}

typedef struct slot_row {
    const char *ours, *slot, *list; /* the name of a slot; of the list of those that have lists */
    const char *kind;               /* in the names of those in a list */
    bool by_rate;                   /* Keras keeps -rate times what tf.train's optimizer does */
} slot_row;

static const slot_row *row_of(const char *ours, bool centered)
{
    static const slot_row rows[] = {
        {"Adam", "m", "_momentums", "m", false},
        {"Adam_1", "v", "_velocities", "v", false},
        {"Momentum", "momentum", "momentums", "m", true},
        {"Adagrad", "accumulator", "_accumulators", "accumulator", false},
        {"Adadelta", "accum_grad", "_accumulated_grads", "accumulated_grad", false},
        {"Adadelta_1", "accum_var", "_accumulated_delta_vars", "accumulated_delta_var", false},
        {"RMSProp", "rms", "_velocities", "velocity", false},
        {"RMSProp_2", "momentum", "_momentums", "momentum", false},
        {"Ftrl", "accumulator", "_accumulators", "accumulator", false},
        {"Ftrl_1", "linear", "_linears", "linear", false},
    };
    static const slot_row mean = {"RMSProp_1", "mg", "_average_gradients", "average_gradient", false},
                          momentum = {"RMSProp_1", "momentum", "_momentums", "momentum", false};
    if (!strcmp(ours, mean.ours)) return centered ? &mean : &momentum;
    for (size_t i = 0; i < TN_COUNT(rows); i++)
        if (!strcmp(rows[i].ours, ours)) return &rows[i];
    return NULL;
}

static const tn_TrackableObject *slot_of(const tn_objects *o, const tn_TrackableObject *optimizer,
                                         const place *variable, const slot_row *row)
{
    tn_view name;
    for (uint32_t i = 0; i < optimizer->slot_variables.n; i++) {
        const tn_SlotVariableReference *s = &optimizer->slot_variables.items[i];
        if (s->original_variable_node_id == (int64_t)variable->node && tn_view_is(s->slot_name, row->slot))
            return node_at(o, s->slot_variable_node_id);
    }
    const tn_TrackableObject *trained = child_named(o, optimizer, TRAINED),
                             *list = child_named(o, optimizer, row->list);
    if (!trained) return slot_named(o, list, variable->name, row->kind);
    return name_in(trained, variable->node, &name) ? child_of(o, list, name) : NULL;
}

/* tf.train's optimizers name a slot as we do: "w/Momentum". */
static bool is_named_as_ours(const char *name, const char *ours)
{
    size_t n = strlen(name), k = strlen(ours);
    return n > k && name[n - k - 1] == '/' && !strcmp(name + n - k, ours);
}

tn_object_slot tn_objects_slot(const tn_objects *o, const char *key, const char *slot, bool centered)
{
    const place *variable = tn_map_get(o->by_key, key);
    const slot_row *row = row_of(slot, centered);
    const tn_TrackableObject *optimizer = row ? optimizer_of(o, variable) : NULL;
    const place *p = optimizer ? place_of(o, slot_of(o, optimizer, variable, row)) : NULL;
    tn_object_slot out = {.key = p ? p->key : NULL};
    if (!p || !row->by_rate || is_named_as_ours(p->name, slot)) return out;
    out.by_rate = true;
    out.rate = key_of(o, child_named(o, optimizer, "_learning_rate"));
    if (!out.rate) out.rate = key_of(o, child_named(o, optimizer, "learning_rate"));
    return out;
}
