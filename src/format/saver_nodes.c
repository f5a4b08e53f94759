/* SPDX-License-Identifier: Apache-2.0
 *
 * saver_nodes.c - the operations by which TensorFlow saves and restores a graph's variables, as its Saver
 * writes them: added to the GraphDef that is exported, never to the graph.
 *
 *     SCOPE/Const (the file) -> SCOPE/SaveV2 -> SCOPE/control_dependency
 *     SCOPE/RestoreV2 -> SCOPE/Assign, SCOPE/Assign_1, ... -> SCOPE/restore_all
 */
#include "metagraph.h"

typedef struct saver {
    const char *scope;
    tn_arena *arena;
    tn_GraphDef *def;
    const tn_saved_variable *v;
    int n;
    bool failed;        /* no memory: nodes are not looked at any more */
    tn_NodeDef no_node; /* written to then */
    tn_AttrValue no_attr;
} saver;

/* ---- nodes ---- */

static void check(saver *s, const void *p)
{
    s->failed |= !p;
}

static const char *scoped(saver *s, const char *name)
{
    char *text = tn_arena_printf(s->arena, "%s/%s", s->scope, name);
    check(s, text);
    return text ? text : "";
}

static const char *nth(saver *s, const char *name, int i)
{
    char *text = i ? tn_arena_printf(s->arena, "%s/%s_%d", s->scope, name, i)
                   : tn_arena_printf(s->arena, "%s/%s", s->scope, name);
    check(s, text);
    return text ? text : "";
}

static tn_NodeDef *add(saver *s, const char *name, const char *op)
{
    tn_NodeDef *n = TN_PUSH(s->arena, &s->def->node);
    check(s, n);
    if (!n) return &s->no_node;
    n->name = tn_view_of(name);
    n->op = tn_view_of(op);
    return n;
}

static void input(saver *s, tn_NodeDef *n, const char *from)
{
    tn_view *in = TN_PUSH(s->arena, &n->input);
    check(s, in);
    if (in) *in = tn_view_of(from);
}

static void control(saver *s, tn_NodeDef *n, const char *from)
{
    char *text = tn_arena_printf(s->arena, "^%s", from);
    check(s, text);
    input(s, n, text ? text : "");
}

static tn_AttrValue *attr(saver *s, tn_NodeDef *n, const char *name)
{
    tn_AttrValue *v = tn_attr_put(s->arena, &n->attr, name);
    check(s, v);
    return v ? v : &s->no_attr;
}

static void attr_type(saver *s, tn_NodeDef *n, const char *name, tn_dtype t)
{
    TN_SET(attr(s, n, name), AttrValue, value, type) = (int32_t)t;
}

static void attr_bool(saver *s, tn_NodeDef *n, const char *name, bool b)
{
    TN_SET(attr(s, n, name), AttrValue, value, b) = b;
}

/* _class: loc:@NAME */
static void attr_class(saver *s, tn_NodeDef *n, const char *with)
{
    tn_AttrValue_ListValue *list = TN_NEW(s->arena, tn_AttrValue_ListValue);
    tn_view *item = list ? TN_PUSH(s->arena, &list->s) : NULL;
    char *text = tn_arena_printf(s->arena, "loc:@%s", with);
    check(s, item);
    check(s, text);
    if (!item || !text) return;
    *item = tn_view_of(text);
    TN_SET(attr(s, n, "_class"), AttrValue, value, list) = list;
}

static void attr_types(saver *s, tn_NodeDef *n)
{
    tn_AttrValue_ListValue *list = TN_NEW(s->arena, tn_AttrValue_ListValue);
    check(s, list);
    for (int i = 0; list && i < s->n; i++) {
        int32_t *t = TN_PUSH(s->arena, &list->type);
        check(s, t);
        if (t) *t = (int32_t)s->v[i].dtype;
    }
    if (list) TN_SET(attr(s, n, "dtypes"), AttrValue, value, list) = list;
}

static void attr_scalar_shape(saver *s, tn_NodeDef *n)
{
    tn_TensorShapeProto *shape = TN_NEW(s->arena, tn_TensorShapeProto);
    check(s, shape);
    if (shape) TN_SET(attr(s, n, "shape"), AttrValue, value, shape) = shape;
}

/* A constant of strings: a vector of n, or a scalar when n < 0. */
static void add_strings(saver *s, const char *name, const tn_view *strings, int n)
{
    tn_NodeDef *node = add(s, name, "Const");
    tn_TensorProto *t = TN_NEW(s->arena, tn_TensorProto);
    tn_TensorShapeProto *shape = TN_NEW(s->arena, tn_TensorShapeProto);
    tn_Dim *dim = shape && n >= 0 ? TN_PUSH(s->arena, &shape->dim) : NULL;
    check(s, t);
    check(s, shape);
    if (dim) dim->size = n;
    for (int i = 0; t && i < TN_MAX(n, n < 0 ? 1 : 0); i++) {
        tn_view *v = TN_PUSH(s->arena, &t->string_val);
        check(s, v);
        if (v) *v = strings[i];
    }
    if (!t || !shape) return;
    t->dtype = TN_STRING;
    t->tensor_shape = shape;
    attr_type(s, node, "dtype", TN_STRING);
    TN_SET(attr(s, node, "value"), AttrValue, value, tensor) = t;
}

/* ---- the parts ---- */

static void add_file_name(saver *s)
{
    const tn_view model = TN_VIEW("model");
    add_strings(s, scoped(s, "filename/input"), &model, -1);
    const char *names[] = {scoped(s, "filename/input"), scoped(s, "filename"), scoped(s, "Const")};
    for (int i = 1; i < 3; i++) {
        tn_NodeDef *n = add(s, names[i], "PlaceholderWithDefault");
        input(s, n, names[i - 1]);
        attr_type(s, n, "dtype", TN_STRING);
        attr_scalar_shape(s, n);
    }
}

static const char *slice_text(saver *s, const tn_saved_variable *v)
{
    const char *text = tn_slice_text(v, s->arena);
    check(s, text);
    return text ? text : "";
}

/* The two constants that SaveV2 and RestoreV2 have each of their own. */
static void add_names(saver *s, const char *op)
{
    tn_view *keys = TN_ARRAY(s->arena, s->n + 1, tn_view), *slices = TN_ARRAY(s->arena, s->n + 1, tn_view);
    char *first = tn_arena_printf(s->arena, "%s/tensor_names", op),
         *second = tn_arena_printf(s->arena, "%s/shape_and_slices", op);
    check(s, keys && slices && first && second ? s : NULL);
    if (s->failed) return;
    for (int i = 0; i < s->n; i++) {
        keys[i] = tn_view_of(s->v[i].key);
        slices[i] = tn_view_of(slice_text(s, &s->v[i]));
    }
    add_strings(s, scoped(s, first), keys, s->n);
    add_strings(s, scoped(s, second), slices, s->n);
}

static const char *add_read(saver *s, int i)
{
    const tn_saved_variable *v = &s->v[i];
    if (!v->is_resource) return v->op;
    const char *name = nth(s, "ReadVariableOp", i);
    tn_NodeDef *n = add(s, name, "ReadVariableOp");
    input(s, n, v->op);
    attr_type(s, n, "dtype", v->dtype);
    return name;
}

static void add_save(saver *s)
{
    const char **values = TN_ARRAY(s->arena, s->n + 1, const char *);
    check(s, values);
    for (int i = 0; values && i < s->n; i++) values[i] = add_read(s, i);
    add_names(s, "SaveV2");
    if (s->failed) return;
    tn_NodeDef *n = add(s, scoped(s, "SaveV2"), "SaveV2");
    input(s, n, scoped(s, "Const"));
    input(s, n, scoped(s, "SaveV2/tensor_names"));
    input(s, n, scoped(s, "SaveV2/shape_and_slices"));
    for (int i = 0; i < s->n; i++) input(s, n, values[i]);
    attr_types(s, n);
    n = add(s, scoped(s, "control_dependency"), "Identity");
    input(s, n, scoped(s, "Const"));
    control(s, n, scoped(s, "SaveV2"));
    attr_type(s, n, "T", TN_STRING);
    attr_class(s, n, scoped(s, "Const"));
}

static const char *add_assign(saver *s, int i)
{
    const tn_saved_variable *v = &s->v[i];
    const char *name = nth(s, v->is_resource ? "AssignVariableOp" : "Assign", i);
    char *value = i ? tn_arena_printf(s->arena, "%s/RestoreV2:%d", s->scope, i)
                    : tn_arena_printf(s->arena, "%s/RestoreV2", s->scope);
    check(s, value);
    tn_NodeDef *n = add(s, name, v->is_resource ? "AssignVariableOp" : "Assign");
    input(s, n, v->op);
    input(s, n, value ? value : "");
    attr_type(s, n, v->is_resource ? "dtype" : "T", v->dtype);
    if (v->is_resource) return name;
    attr_bool(s, n, "use_locking", true);
    attr_bool(s, n, "validate_shape", true);
    attr_class(s, n, v->op);
    return name;
}

static void add_restore(saver *s)
{
    add_names(s, "RestoreV2");
    tn_NodeDef *n = add(s, scoped(s, "RestoreV2"), "RestoreV2");
    input(s, n, scoped(s, "Const"));
    input(s, n, scoped(s, "RestoreV2/tensor_names"));
    input(s, n, scoped(s, "RestoreV2/shape_and_slices"));
    attr_types(s, n);
    const char **names = TN_ARRAY(s->arena, s->n + 1, const char *);
    check(s, names);
    for (int i = 0; names && i < s->n; i++) names[i] = add_assign(s, i);
    n = add(s, scoped(s, "restore_all"), "NoOp");
    for (int i = 0; names && i < s->n; i++) control(s, n, names[i]);
}

/* ---- all ---- */

/* "save", or "save_1", ...: a scope that no node is in. */
static const char *free_scope(const tn_GraphDef *def, tn_arena *a)
{
    for (int k = 0;; k++) {
        char *scope = k ? tn_arena_printf(a, "save_%d", k) : tn_arena_strdup(a, "save");
        size_t n = scope ? strlen(scope) : 0;
        bool taken = false;
        if (!scope) return NULL;
        for (uint32_t i = 0; i < def->node.n && !taken; i++) {
            tn_view name = def->node.items[i].name;
            taken = tn_view_starts(name, scope) && (name.n == n || name.p[n] == '/');
        }
        if (!taken) return scope;
    }
}

static tn_code set_saver_def(saver *s, const tn_export *e, tn_MetaGraphDef *out, tn_error *err)
{
    tn_SaverDef *d = TN_NEW(s->arena, tn_SaverDef);
    char *file = tn_arena_printf(s->arena, "%s/Const:0", s->scope);
    char *save = tn_arena_printf(s->arena, "%s/control_dependency:0", s->scope);
    if (!d || !file || !save) return tn_no_memory(err, sizeof *d);
    *d = (tn_SaverDef){.filename_tensor_name = tn_view_of(file),
                       .save_tensor_name = tn_view_of(save),
                       .restore_op_name = tn_view_of(scoped(s, "restore_all")),
                       .max_to_keep = e->max_to_keep ? e->max_to_keep : 5,
                       .keep_checkpoint_every_n_hours = 10000,
                       .version = TN_CheckpointFormatVersion_V2};
    out->saver_def = d;
    return TN_OK;
}

/* A Saver that the graph came with is kept. */
static bool keeps_saver(const tn_export *e, tn_arena *a)
{
    const tn_SaverDef *d = e->base && !e->variables ? e->base->saver_def : NULL;
    if (!d) return false;
    const char *colon = d->restore_op_name.n ? memchr(d->restore_op_name.p, ':', d->restore_op_name.n) : NULL;
    size_t n = colon ? (size_t)(colon - d->restore_op_name.p) : d->restore_op_name.n;
    char *name = tn_arena_strndup(a, n ? d->restore_op_name.p : "", n);
    return name && tn_graph_operation(e->graph, name);
}

tn_code tn_saver_nodes_add(const tn_export *e, tn_arena *a, tn_MetaGraphDef *out, tn_error *err)
{
    saver s = {.arena = a, .def = out->graph_def};
    tn_saved_variable *v;
    if (keeps_saver(e, a)) {
        out->saver_def = e->base->saver_def;
        return TN_OK;
    }
    TN_TRY(tn_export_variables(e, a, &v, &s.n, err));
    if (!s.n) return TN_OK;
    s.v = v;
    s.scope = free_scope(s.def, a);
    if (!s.scope) return tn_no_memory(err, 0);
    add_file_name(&s);
    add_save(&s);
    add_restore(&s);
    return s.failed ? tn_no_memory(err, 0) : set_saver_def(&s, e, out, err);
}
