/* SPDX-License-Identifier: Apache-2.0
 *
 * import_copy.c - operations of a model that is imported, copied into the builder's graph: those that are needed, in
 * their order, inputs exchanged as the caller says; and the functions that they call.
 */
#include "graphdef.h"
#include "import.h"

/* ==== values ==== */

tn_code tn_import_value(tn_importing *m, tn_place p, tn_node *out, tn_error *err)
{
    const tn_swap *swap;
    *out = (tn_node){NULL, 0};
    TN_TRY(tn_import_settle(m, &p, &swap, err));
    tn_operation *copy = swap ? NULL : p.frame->copies[p.node.op->id];
    if (swap)
        *out = swap->value;
    else if (copy)
        *out = (tn_node){copy, p.node.index};
    return TN_OK;
}

/* The value that a variable's canonical reading operation has is the builder's own reading of it: "w/read",
 * "w/Read/ReadVariableOp". */
static tn_operation *own_read(tn_importing *m, const tn_frame *f, const tn_operation *op)
{
    tn_node read;
    if (f->f || op->n_in != 1 || op->n_control || !op->in[0].op || !tn_import_is_variable(op->in[0].op)) return NULL;
    const char *suffix = op->name + TN_MIN(strlen(op->in[0].op->name), strlen(op->name));
    bool reads = (!strcmp(op->type, "Identity") && !strcmp(suffix, "/read")) ||
                 (!strcmp(op->type, "ReadVariableOp") && !strcmp(suffix, "/Read/ReadVariableOp"));
    tn_operation *variable = reads ? f->copies[op->in[0].op->id] : NULL;
    tn_graph *g = tn_builder_graph(m->b);
    const tn_variable_info *info = variable ? tn_graph_variable(g, variable->name) : NULL;
    return info && tn_graph_value(g, info->snapshot_name, &read, NULL) == TN_OK ? read.op : NULL;
}

/* ==== one operation ==== */

/* What says where an operation runs, or what its values were in the other graph, is left out. */
static bool keeps(const tn_operation *op, const tn_attr *a)
{
    if (!strcmp(a->name, "_class")) return false;
    return !op->def || strcmp(a->name, "_output_shapes") != 0;
}

static tn_code set_inputs(tn_importing *m, tn_frame *f, const tn_operation *op, tn_operation_spec *spec, tn_error *err)
{
    tn_node *in = TN_ARRAY(m->arena, op->n_in + 1, tn_node);
    tn_operation **control = TN_ARRAY(m->arena, op->n_control + 1, tn_operation *);
    if (!in || !control) return tn_no_memory(err, (size_t)op->n_in * sizeof *in);
    for (int i = 0; i < op->n_in; i++) {
        TN_TRY(tn_import_value(m, (tn_place){f, op->in[i]}, &in[i], err));
        bool back = op->in[i].op->id >= op->id; /* of a loop: closed afterwards */
        if (!in[i].op && !back) return tn_fail(err, TN_INTERNAL, "input %d of '%s' was not copied", i, op->name);
    }
    for (int i = 0; i < op->n_control; i++) {
        tn_operation *copy = f->needed[op->control[i]->id] ? f->copies[op->control[i]->id] : NULL;
        if (copy) control[spec->n_control++] = copy;
    }
    spec->in = in;
    spec->n_in = op->n_in;
    spec->control = control;
    return TN_OK;
}

/* A frame's name tells loops apart: a model that comes twice has loops of its own each time. */
static tn_code own_frame(tn_importing *m, const tn_operation *op, tn_attr *a, tn_error *err)
{
    if (strcmp(a->name, "frame_name") != 0 || a->kind != TN_ATTR_STRING) return TN_OK;
    if (strcmp(op->type, "Enter") != 0 && strcmp(op->type, "RefEnter") != 0) return TN_OK;
    if (!m->frames && !(m->frames = tn_builder_unique(m->b, "frames"))) return tn_builder_check(m->b, err);
    const char *own = tn_arena_printf(m->arena, "%s/%.*s", m->frames, (int)TN_MIN(a->s.n, (size_t)1 << 16), a->s.p);
    if (!own) return tn_no_memory(err, a->s.n);
    a->s = (tn_bytes){own, strlen(own)};
    return TN_OK;
}

static tn_code copy_operation(tn_importing *m, tn_frame *f, const tn_operation *op, tn_error *err)
{
    tn_attr *attrs = TN_ARRAY(m->arena, op->attrs.n + 1, tn_attr);
    tn_dtype *types = TN_ARRAY(m->arena, op->n_out + 1, tn_dtype);
    const char *path = tn_arena_printf(m->arena, "%s%s", f->path, op->name);
    if (!attrs || !types || !path) return tn_no_memory(err, 0);
    tn_operation_spec spec = {.type = op->type, .device = "", .attrs = attrs, .out_types = types, .n_out = op->n_out};
    for (int i = 0; i < op->attrs.n; i++)
        if (keeps(op, &op->attrs.v[i])) attrs[spec.n_attrs++] = op->attrs.v[i];
    for (int i = 0; i < spec.n_attrs; i++) TN_TRY(own_frame(m, op, &attrs[i], err));
    for (int i = 0; i < op->n_out; i++) types[i] = op->out[i].dtype;
    TN_TRY(set_inputs(m, f, op, &spec, err));
    spec.name = tn_builder_unique(m->b, path);
    if (!spec.name) return tn_builder_check(m->b, err);
    tn_code code = tn_graph_add(tn_builder_graph(m->b), &spec, &f->copies[op->id], err);
    if (code != TN_OK && !strstr(err->message, op->name)) tn_wrap(err, "'%s' (%s)", path, op->type);
    return code;
}

static bool makes_resource(const tn_operation *op)
{
    for (int i = 0; i < op->n_out; i++)
        if (!op->n_in && op->out[i].dtype == TN_RESOURCE) return true;
    return !strcmp(op->type, "HashTable") || !strcmp(op->type, "MutableHashTable");
}

static tn_code copy_one(tn_importing *m, tn_frame *f, const tn_operation *op, tn_error *err)
{
    if (tn_import_is_variable(op) && (f->f || f->copies[op->id]))
        return f->f ? tn_fail(err, TN_UNIMPLEMENTED, "'%s%s' (%s) is a variable inside a function", f->path, op->name,
                              op->type)
                    : TN_OK;
    if (tn_import_is_variable(op)) {
        TN_TRY(tn_import_variable(m, op, &f->copies[op->id], err));
        if (f->copies[op->id] || m->problems.n) return TN_OK;
        return tn_fail(err, TN_INTERNAL, "the variable '%s' was not made", op->name);
    }
    if (!strcmp(op->type, "Placeholder") || !strcmp(op->type, "PlaceholderV2")) {
        tn_problems_add(&m->problems, "the placeholder '%.150s' is needed, and nothing is given for it", op->name);
        return TN_OK;
    }
    if (tn_import_is_table(op) && !f->f) return tn_import_table(m, op, &f->copies[op->id], err);
    if (makes_resource(op))
        return tn_fail(err, TN_UNIMPLEMENTED, "'%s%s' (%s) holds what an initialization of the model fills", f->path,
                       op->name, op->type);
    if ((f->copies[op->id] = own_read(m, f, op))) return TN_OK;
    return copy_operation(m, f, op, err);
}

/* ==== all that are needed ==== */

/* Whether all of its inputs are there. */
static tn_code is_ready(tn_importing *m, tn_frame *f, const tn_operation *op, bool *ready, tn_error *err)
{
    *ready = f->needed[op->id] && !tn_import_is_variable(op) && !op->n_control && !f->children[op->id] &&
             strncmp(op->type, "Placeholder", 11) != 0;
    for (int i = 0; *ready && i < op->n_in; i++) {
        tn_node in;
        TN_TRY(tn_import_value(m, (tn_place){f, op->in[i]}, &in, err));
        *ready = in.op != NULL;
    }
    return TN_OK;
}

/* What depends on no variable comes first, so that initial values are there when variables are made. */
static tn_code copy_variables(tn_importing *m, tn_frame *f, tn_error *err)
{
    bool ready;
    for (int i = 0; i < tn_graph_count(f->graph); i++) {
        const tn_operation *op = tn_graph_at(f->graph, i);
        TN_TRY(is_ready(m, f, op, &ready, err));
        if (ready) TN_TRY(copy_one(m, f, op, err));
    }
    for (int i = 0; i < tn_graph_count(f->graph); i++) {
        const tn_operation *op = tn_graph_at(f->graph, i);
        if (f->needed[i] && tn_import_is_variable(op)) TN_TRY(copy_one(m, f, op, err));
    }
    return TN_OK;
}

static tn_code close_loops(tn_importing *m, tn_frame *f, tn_error *err)
{
    for (int i = 0; i < tn_graph_count(f->graph); i++) {
        const tn_operation *op = tn_graph_at(f->graph, i);
        for (int k = 0; f->needed[i] && f->copies[i] && k < op->n_in; k++) {
            tn_node value;
            if (op->in[k].op->id < op->id) continue;
            TN_TRY(tn_import_value(m, (tn_place){f, op->in[k]}, &value, err));
            TN_TRY(tn_operation_set_input(f->copies[i], k, value, err));
        }
    }
    return TN_OK;
}

tn_code tn_import_copy(tn_importing *m, tn_frame *f, tn_error *err)
{
    if (!f->f) TN_TRY(copy_variables(m, f, err));
    for (int i = 0; i < tn_graph_count(f->graph) && !m->problems.n; i++) {
        const tn_operation *op = tn_graph_at(f->graph, i);
        if (f->children[i])
            TN_TRY(tn_import_copy(m, f->children[i], err));
        else if (f->needed[i] && !f->copies[i])
            TN_TRY(copy_one(m, f, op, err));
    }
    return m->problems.n ? TN_OK : close_loops(m, f, err);
}

/* ==== functions ==== */

static bool list_called(tn_map *names, const tn_operation *op);

static bool list_function(tn_map *names, const tn_graph *library, const char *name)
{
    const tn_function *f = tn_graph_function(library, name);
    if (!f || tn_map_has(names, name)) return true;
    bool ok = tn_map_put(names, name, (void *)f);
    for (int i = 0; ok && i < tn_graph_count(f->body); i++) ok = list_called(names, tn_graph_at(f->body, i));
    return ok && (!f->grad || list_function(names, library, f->grad));
}

static bool list_called(tn_map *names, const tn_operation *op)
{
    const tn_graph *library = tn_graph_library(op->graph);
    bool ok = op->def || list_function(names, library, op->type); /* the old form of a call */
    for (int i = 0; ok && i < op->attrs.n; i++) {
        const tn_attr *a = &op->attrs.v[i];
        if (a->kind != TN_ATTR_FUNC) continue;
        for (int k = 0; ok && k < (a->is_list ? a->n : 1); k++)
            ok = list_function(names, library, a->is_list ? a->funcs[k].name : a->func.name);
    }
    return ok;
}

static bool list_in_frame(tn_map *names, const tn_frame *f)
{
    bool ok = true;
    for (int i = 0; ok && i < tn_graph_count(f->graph); i++) {
        if (f->children[i]) ok = list_in_frame(names, f->children[i]);
        else if (f->needed[i]) ok = list_called(names, tn_graph_at(f->graph, i));
    }
    return ok;
}

tn_code tn_import_functions(tn_importing *m, tn_error *err)
{
    tn_map *names = tn_map_new();
    tn_FunctionDefLibrary all = {0}, wanted = {0};
    tn_code code = names && list_in_frame(names, m->top) ? TN_OK : tn_no_memory(err, 0);
    if (code == TN_OK && tn_map_count(names)) code = tn_library_export(m->graph, m->arena, &all, err);
    for (uint32_t i = 0; code == TN_OK && i < all.function.n; i++) {
        if (!tn_map_get_view(names, all.function.items[i].signature->name)) continue;
        tn_FunctionDef *f = TN_PUSH(m->arena, &wanted.function);
        if (f)
            *f = all.function.items[i];
        else
            code = tn_no_memory(err, sizeof *f);
    }
    for (uint32_t i = 0; code == TN_OK && i < all.gradient.n; i++) {
        if (!tn_map_get_view(names, all.gradient.items[i].function_name)) continue;
        tn_GradientDef *g = TN_PUSH(m->arena, &wanted.gradient);
        if (g)
            *g = all.gradient.items[i];
        else
            code = tn_no_memory(err, sizeof *g);
    }
    if (code == TN_OK && wanted.function.n) code = tn_library_import(&wanted, tn_builder_graph(m->b), err);
    tn_map_free(names);
    return code;
}
