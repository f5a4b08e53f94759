/* SPDX-License-Identifier: Apache-2.0
 *
 * graph.c - graphs: operations by name and number, added one at a time and never taken away. Scopes and
 * what makes adding comfortable are builder.c's; signatures complete.c's; collections and functions have
 * files of their own.
 *
 * Invariants: an operation is in ops and by_name or in neither; its name never changes; ids are positions.
 * A failed addition leaves the graph as it was (some arena memory aside).
 */
#include "inside.h"

#include <ctype.h>

/* ==== life ==== */

tn_graph *tn_graph_new(void)
{
    tn_graph *g = tn_calloc(1, sizeof *g);
    if (!g) return NULL;
    g->arena = tn_arena_new(0);
    g->by_name = tn_map_new();
    g->names = tn_map_new();
    g->functions = tn_map_new();
    g->for_cpus = tn_map_new();
    g->collections = tn_map_new();
    g->variables = tn_map_new();
    if (g->arena && g->by_name && g->names && g->functions && g->for_cpus && g->collections && g->variables) return g;
    tn_graph_free(g);
    return NULL;
}

tn_graph *tn_graph_new_body(tn_graph *library)
{
    tn_graph *g = tn_graph_new();
    if (g) g->library = tn_graph_library(library);
    return g;
}

tn_graph *tn_function_graph(tn_graph *g)
{
    return tn_graph_new_body(g);
}

void tn_graph_free(tn_graph *g)
{
    if (!g) return;
    for (int i = 0; i < g->n; i++) tn_attrs_drop(&g->ops[i]->attrs);
    tn_free(g->ops);
    if (g->functions) tn_graph_free_functions(g);
    if (g->collections) tn_graph_free_collections(g);
    tn_map_free(g->by_name);
    tn_map_free(g->names);
    tn_map_free(g->functions);
    tn_map_free(g->for_cpus);
    tn_map_free(g->collections);
    tn_map_free(g->variables);
    tn_attr_sets_end(&g->attrs);
    tn_arena_free(g->arena);
    tn_free(g);
}

tn_graph *tn_graph_library(const tn_graph *g)
{
    return g->library ? g->library : (tn_graph *)g;
}

void tn_graph_freeze(tn_graph *g)
{
    if (!atomic_exchange(&g->frozen, true)) tn_arena_settle(g->arena);
}

void tn_graph_keep_constants(tn_graph *g, void (*bring_back)(void *keeper), void *keeper)
{
    g->bring_back = bring_back;
    g->keeper = keeper;
}

void tn_graph_want_constants(tn_graph *g)
{
    if (g->bring_back) g->bring_back(g->keeper);
}

tn_code tn_graph_check_open(const tn_graph *g, tn_error *err)
{
    if (!atomic_load(&g->frozen)) return TN_OK;
    return tn_fail(err, TN_FAILED_PRECONDITION,
                   "the graph is frozen: a session holds it, or it is a function's body");
}

/* ==== look-up ==== */

tn_operation *tn_graph_operation(const tn_graph *g, const char *name)
{
    return tn_map_get(g->by_name, name);
}
int tn_graph_count(const tn_graph *g)
{
    return g->n;
}
tn_operation *tn_graph_at(const tn_graph *g, int i)
{
    return i >= 0 && i < g->n ? g->ops[i] : NULL;
}
const char *tn_operation_name(const tn_operation *op)
{
    return op->name;
}
const char *tn_operation_type(const tn_operation *op)
{
    return op->type;
}
int tn_operation_outputs(const tn_operation *op)
{
    return op->n_out;
}

static bool has_value(tn_node n)
{
    return n.op && n.index >= 0 && n.index < n.op->n_out;
}
tn_dtype tn_node_dtype(tn_node n)
{
    return has_value(n) ? n.op->out[n.index].dtype : TN_INVALID_DTYPE;
}
tn_shape tn_node_shape(tn_node n)
{
    return has_value(n) ? n.op->out[n.index].shape : tn_shape_unknown();
}

static tn_code absent(const tn_graph *g, const char *name, tn_error *err)
{
    tn_code code = tn_fail(err, TN_NOT_FOUND, "the graph has no operation '%s'", name);
    const char **names = tn_calloc((size_t)g->n + 1, sizeof *names);
    if (!names) return code;
    for (int i = 0; i < g->n; i++) names[i] = g->ops[i]->name;
    const char *near = tn_nearest(name, names, (size_t)g->n);
    if (near) tn_note(err, "(did you mean '%s'?)", near);
    tn_free(names);
    return code;
}

/* "name:12" -> the length of "name", and 12; no number: 0. False: the number is malformed. */
static bool split_value(const char *text, size_t *n, int *index)
{
    const char *colon = strrchr(text, ':');
    *n = colon ? (size_t)(colon - text) : strlen(text);
    *index = 0;
    if (!colon) return true;
    size_t digits = strspn(colon + 1, "0123456789");
    if (!digits || digits > 6 || colon[1 + digits]) return false;
    *index = (int)strtol(colon + 1, NULL, 10);
    return true;
}

tn_code tn_graph_value(const tn_graph *g, const char *name, tn_node *out, tn_error *err)
{
    size_t n;
    int index;
    if (!split_value(name, &n, &index)) {
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "'%s' is not the name of a value: expected 'operation:output'", name);
    }
    tn_operation *op = tn_map_get_view(g->by_name, (tn_view){name, n});
    if (!op) {
        char short_name[256];
        snprintf(short_name, sizeof short_name, "%.*s", (int)TN_MIN(n, sizeof short_name - 1), name);
        return absent(g, short_name, err);
    }
    if (index >= op->n_out && !op->def)
        return tn_fail(err, TN_NOT_FOUND, "Op type not registered '%s' [[{{node %s}}]]", op->type, op->name);
    if (index >= op->n_out) {
        return tn_fail(err, TN_OUT_OF_RANGE, "operation '%s' (%s) has %d outputs; there is no '%s'", op->name,
                       op->type, op->n_out, name);
    }
    *out = tn_output_of(op, index);
    return TN_OK;
}

/* ==== unique names ==== */

/* TensorFlow compares names without case, so that event files of two scopes never share a folder. */
static char *lower(tn_arena *a, const char *name)
{
    char *copy = tn_arena_strdup(a, name);
    for (char *s = copy; s && *s; s++) *s = (char)tolower((unsigned char)*s);
    return copy;
}

static int64_t times_used(const tn_graph *g, const char *key)
{
    return (int64_t)(intptr_t)tn_map_get(g->names, key);
}

static bool set_used(tn_graph *g, const char *key, int64_t times)
{
    return tn_map_put(g->names, key, (void *)(intptr_t)times);
}

const char *tn_graph_unique(tn_graph *g, tn_arena *a, const char *name)
{
    const char *key = lower(a, name), *base = key;
    if (!key) return NULL;
    int64_t i = times_used(g, key);
    if (!i) return set_used(g, key, 1) ? tn_arena_strdup(a, name) : NULL;
    if (!set_used(g, base, i + 1)) return NULL;
    while (times_used(g, key)) {
        if (!(key = tn_arena_printf(a, "%s_%lld", base, (long long)i++))) return NULL;
    }
    return set_used(g, key, 1) ? tn_arena_printf(a, "%s_%lld", name, (long long)i - 1) : NULL;
}

static bool mark_used(tn_graph *g, const char *name)
{
    const char *key = lower(g->arena, name);
    return key && (times_used(g, key) || set_used(g, key, 1));
}

/* ==== adding ==== */

static tn_code check_names(const tn_graph *g, const tn_operation_spec *spec, tn_error *err)
{
    if (!spec->name || !spec->name[0])
        return tn_fail(err, TN_INVALID_ARGUMENT, "an operation without a name");
    if (!spec->type || !spec->type[0]) {
        return tn_fail(err, TN_INVALID_ARGUMENT, "operation '%s' has no type", spec->name);
    }
    if (!tn_map_has(g->by_name, spec->name)) return TN_OK;
    return tn_fail(err, TN_ALREADY_EXISTS, "the graph has an operation '%s' already", spec->name);
}

static bool is_merge(const char *type)
{
    return !strcmp(type, "Merge") || !strcmp(type, "RefMerge");
}

static tn_code check_input(const tn_graph *g, const char *type, int i, tn_node in, tn_error *err)
{
    if (!in.op && is_merge(type)) return TN_OK; /* a loop's back edge: tn_operation_set_input gives it */
    if (!in.op) return tn_fail(err, TN_INVALID_ARGUMENT, "input %d has no value", i);
    if (in.op->graph != g) {
        return tn_fail(err, TN_INVALID_ARGUMENT, "input %d, '%s', is of another graph", i, in.op->name);
    }
    if (in.index >= 0 && in.index < in.op->n_out) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "input %d is output %d of '%s', which has %d", i, in.index,
                   in.op->name, in.op->n_out);
}

static tn_code check_edges(const tn_graph *g, const tn_operation_spec *spec, tn_error *err)
{
    for (int i = 0; i < spec->n_in; i++) TN_TRY(check_input(g, spec->type, i, spec->in[i], err));
    for (int i = 0; i < spec->n_control; i++) {
        if (!spec->control[i] || spec->control[i]->graph != g) {
            return tn_fail(err, TN_INVALID_ARGUMENT, "control input %d is not of this graph", i);
        }
    }
    return TN_OK;
}

/* An operator we do not have: as many outputs as we are told, shapes as TensorFlow noted them. */
static tn_code complete_unknown(const tn_operation_spec *spec, tn_arena *a, tn_completed *out, tn_error *err)
{
    if (spec->n_out < 0 || spec->n_out > TN_MAX_OUTPUTS) {
        return tn_fail(err, TN_INVALID_ARGUMENT, "%d outputs: at most %d", spec->n_out, TN_MAX_OUTPUTS);
    }
    *out = (tn_completed){(tn_attr *)spec->attrs, spec->n_attrs,
                          TN_ARRAY(a, TN_MAX(spec->n_out, 1), tn_dtype), spec->n_out};
    if (!out->out_types) return tn_no_memory(err, (size_t)spec->n_out * sizeof(tn_dtype));
    for (int i = 0; i < spec->n_out && spec->out_types; i++) out->out_types[i] = spec->out_types[i];
    return TN_OK;
}

static tn_info unknown_info(tn_dtype t)
{
    return (tn_info){.dtype = t, .shape = tn_shape_unknown(), .bound = -1};
}

static tn_code make_outputs(tn_operation *op, const tn_completed *done, tn_arena *a, tn_error *err)
{
    op->n_out = done->n_out;
    op->out = TN_ARRAY(a, TN_MAX(done->n_out, 1), tn_info);
    if (!op->out) return tn_no_memory(err, (size_t)done->n_out * sizeof(tn_info));
    for (int i = 0; i < done->n_out; i++) op->out[i] = unknown_info(done->out_types[i]);
    const tn_attr *noted = tn_attr_find(&op->attrs, "_output_shapes");
    if (op->def || !noted || noted->kind != TN_ATTR_SHAPE || !noted->is_list) return TN_OK;
    if (tn_attr_find(&op->attrs, "_output_names"))
        return TN_OK; /* in a function: its outputs' order is not known */
    for (int i = 0; i < TN_MIN(noted->n, op->n_out); i++) op->out[i].shape = noted->shapes[i];
    return TN_OK;
}

/* From what the inputs are now. */
static tn_code infer_outputs(tn_operation *op, tn_error *err)
{
    static const tn_info nothing = {.shape = {.rank = -1}, .bound = -1};
    const tn_info *few[8], **in = few;
    if (!op->def || !op->def->infer) return TN_OK;
    if (op->n_in > (int)TN_COUNT(few) && !(in = TN_ARRAY(op->graph->arena, op->n_in, const tn_info *)))
        return tn_no_memory(err, (size_t)op->n_in * sizeof *in);
    for (int i = 0; i < op->n_in; i++) in[i] = op->in[i].op ? &op->in[i].op->out[op->in[i].index] : &nothing;
    for (int i = 0; i < op->n_out; i++) op->out[i] = unknown_info(op->out[i].dtype);
    tn_infer c = {.op = op->def,
                  .name = op->name,
                  .attrs = &op->attrs,
                  .library = tn_graph_library(op->graph),
                  .n_in = op->n_in,
                  .n_out = op->n_out,
                  .in = in,
                  .out = op->out,
                  .arena = op->graph->arena};
    return op->def->infer(&c, err);
}

static void *copy_array(tn_arena *a, const void *from, int n, size_t size)
{
    void *to = tn_arena_array(a, (size_t)TN_MAX(n, 1), size);
    if (to && n > 0) memcpy(to, from, (size_t)n * size);
    return to;
}

static tn_code make_operation(tn_graph *g, const tn_operation_spec *spec, tn_operation *op, tn_error *err)
{
    tn_arena *a = g->arena;
    *op = (tn_operation){.name = tn_arena_strdup(a, spec->name),
                         .type = tn_arena_strdup(a, spec->type),
                         .def = tn_op_find(spec->type),
                         .in = copy_array(a, spec->in, spec->n_in, sizeof *spec->in),
                         .n_in = spec->n_in,
                         .control = copy_array(a, spec->control, spec->n_control, sizeof *spec->control),
                         .n_control = spec->n_control,
                         .device = tn_arena_strdup(a, spec->device ? spec->device : ""),
                         .graph = g,
                         .id = g->n};
    if (op->name && op->type && op->in && op->control && op->device) return TN_OK;
    return tn_no_memory(err, (size_t)spec->n_in * sizeof *spec->in);
}

static tn_code complete(tn_operation *op, const tn_operation_spec *spec, tn_arena *scratch, tn_error *err)
{
    tn_completed done;
    tn_arena *a = op->graph->arena;
    TN_TRY(op->def ? tn_complete(op->def, spec, scratch, &done, err)
                   : complete_unknown(spec, scratch, &done, err));
    TN_TRY(tn_attr_sets_copy(&op->graph->attrs, a, done.attrs, done.n_attrs, &op->attrs, err));
    return make_outputs(op, &done, a, err);
}

/* After this only op->attrs holds anything that must be given back. */
static tn_code fill_operation(tn_operation *op, const tn_operation_spec *spec, tn_error *err)
{
    TN_TRY(check_edges(op->graph, spec, err));
    tn_arena *scratch = tn_arena_new(0);
    if (!scratch) return tn_no_memory(err, 0);
    tn_code code = complete(op, spec, scratch, err);
    tn_arena_free(scratch);
    return code ? code : infer_outputs(op, err);
}

static tn_code insert(tn_graph *g, tn_operation *op, tn_error *err)
{
    if (!TN_ROOM(NULL, g->ops, g->n, g->cap)) return tn_no_memory(err, 0);
    if (!mark_used(g, op->name) || !tn_map_put(g->by_name, op->name, op))
        return tn_no_memory(err, sizeof *op);
    g->ops[g->n++] = op;
    return TN_OK;
}

tn_code tn_graph_add(tn_graph *g, const tn_operation_spec *spec, tn_operation **out, tn_error *err)
{
    TN_TRY(tn_graph_check_open(g, err));
    TN_TRY(check_names(g, spec, err));
    tn_operation *op = TN_NEW(g->arena, tn_operation);
    if (!op) return tn_no_memory(err, sizeof *op);
    TN_TRY(make_operation(g, spec, op, err));
    tn_code code = fill_operation(op, spec, err);
    if (code)
        tn_wrap(err, "operation '%s' (%s)", op->name, op->type);
    else
        code = insert(g, op, err);
    if (code)
        tn_attrs_drop(&op->attrs);
    else if (out)
        *out = op;
    return code;
}

/* ==== the few changes there are ==== */

tn_code tn_operation_set_input(tn_operation *op, int i, tn_node value, tn_error *err)
{
    TN_TRY(tn_graph_check_open(op->graph, err));
    if (i < 0 || i >= op->n_in || op->in[i].op || !has_value(value) || value.op->graph != op->graph) {
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "operation '%s': input %d is not open to a value of this graph", op->name, i);
    }
    tn_dtype is = tn_dtype_base(tn_node_dtype(value)), wanted = tn_attr_t(&op->attrs, "T");
    if (is != wanted && is != TN_INVALID_DTYPE) {
        return tn_fail(err, TN_INVALID_ARGUMENT, "operation '%s': input %d is a %s, not a %s", op->name, i,
                       tn_dtype_name(is), tn_dtype_name(wanted));
    }
    op->in[i] = value;
    return TN_OK;
}

static void *extended(tn_arena *a, const void *old, int n, const void *more, int n_more, size_t size)
{
    char *all = tn_arena_array(a, (size_t)TN_MAX(n + n_more, 1), size);
    if (!all) return NULL;
    if (n) memcpy(all, old, (size_t)n * size);
    if (n_more) memcpy(all + (size_t)n * size, more, (size_t)n_more * size);
    return all;
}

tn_code tn_operation_append(tn_operation *op, const tn_info *outs, int n_outs, const tn_node *ins, int n_ins,
                            tn_error *err)
{
    tn_arena *a = op->graph->arena;
    TN_TRY(tn_graph_check_open(op->graph, err));
    for (int i = 0; i < n_ins; i++) TN_TRY(check_input(op->graph, op->type, op->n_in + i, ins[i], err));
    tn_info *out = extended(a, op->out, op->n_out, outs, n_outs, sizeof *out);
    tn_node *in = extended(a, op->in, op->n_in, ins, n_ins, sizeof *in);
    if (!out || !in) return tn_no_memory(err, (size_t)(n_outs + n_ins) * sizeof *out);
    op->out = out;
    op->in = in;
    op->n_out += n_outs;
    op->n_in += n_ins;
    return TN_OK;
}

tn_code tn_operation_set_attr(tn_operation *op, const tn_attr *attr, tn_error *err)
{
    tn_arena *a = op->graph->arena;
    tn_attrs one;
    TN_TRY(tn_graph_check_open(op->graph, err));
    TN_TRY(tn_attrs_copy(a, attr, 1, &one, err));
    tn_attr *all = extended(a, op->attrs.v, op->attrs.n, one.v, 1, sizeof *all); /* others may share the old ones */
    if (!all) {
        tn_attrs_drop(&one);
        return tn_no_memory(err, sizeof *all);
    }
    op->attrs.v = all;
    tn_attr *old = (tn_attr *)tn_attr_find(&op->attrs, attr->name);
    if (old) {
        tn_attr was = *old;
        tn_attrs drop = {&was, 1};
        *old = one.v[0];
        tn_attrs_drop(&drop);
    } else {
        op->attrs.n++;
    }
    return TN_OK;
}

tn_code tn_operation_hand_on(tn_operation *op, const tn_node *to, tn_error *err)
{
    tn_arena *a = op->graph->arena;
    TN_TRY(tn_graph_check_open(op->graph, err));
    for (int i = 0; i < op->n_out; i++) TN_TRY(check_input(op->graph, "", i, to[i], err));
    bool one = op->n_out == 1;
    tn_dtype *types = TN_ARRAY(a, TN_MAX(op->n_out, 1), tn_dtype);
    tn_node *in = copy_array(a, to, op->n_out, sizeof *in);
    if (!types || !in) return tn_no_memory(err, (size_t)op->n_out * sizeof *in);
    for (int i = 0; i < op->n_out; i++) types[i] = tn_dtype_base(op->out[i].dtype);
    tn_attr attr = one ? tn_attr_type("T", types[0]) : tn_attr_types("T", types, op->n_out);
    tn_attrs attrs, old = op->attrs;
    TN_TRY(tn_attrs_copy(a, &attr, 1, &attrs, err));
    op->attrs = attrs;
    tn_attrs_drop(&old);
    op->type = one ? "Identity" : "IdentityN";
    op->def = tn_op_find(op->type);
    op->in = in;
    op->n_in = op->n_out;
    op->n_control = 0;
    return infer_outputs(op, err);
}

const tn_tensor *tn_graph_constant_at(const tn_graph *g, const void *data)
{
    for (int i = 0; i < g->n; i++) {
        const tn_tensor *t = tn_attr_get_tensor(&g->ops[i]->attrs, "value");
        if (t && t->data == data && !strcmp(g->ops[i]->type, "Const")) return t;
    }
    for (int i = 0; !g->library && i < tn_graph_function_count(g); i++) {
        const tn_tensor *t = tn_graph_constant_at(tn_graph_function_at(g, i)->body, data);
        if (t) return t;
    }
    return NULL;
}
