/* SPDX-License-Identifier: Apache-2.0
 *
 * builder.c - builders: the first error is kept and later calls do nothing; adding operations under what
 * scope.c has in force; placeholders, constants, groups. Variables and functions have files of their own.
 */
#include "inside.h"

/* ==== life and errors ==== */

static bool make_root(tn_builder *b)
{
    b->scope = TN_NEW(b->arena, tn_scope);
    b->variables = TN_NEW(b->arena, tn_variable_frame);
    if (!b->scope || !b->variables) return false;
    b->scope->prefix = b->variables->prefix = "";
    return true;
}

tn_builder *tn_builder_new(tn_graph *g)
{
    tn_builder *b = g ? tn_calloc(1, sizeof *b) : NULL;
    if (!b) return NULL;
    b->graph = g;
    b->arena = tn_arena_new(0);
    if (b->arena && make_root(b)) return b;
    tn_builder_free(b);
    return NULL;
}

void tn_builder_free(tn_builder *b)
{
    if (!b) return;
    tn_free(b->args);
    tn_free(b->arg_names);
    tn_arena_free(b->arena);
    tn_free(b);
}

bool tn_builder_ok(const tn_builder *b)
{
    return b->error.code == TN_OK;
}

tn_code tn_builder_check(const tn_builder *b, tn_error *err)
{
    if (!tn_builder_ok(b) && err) *err = b->error;
    return b->error.code;
}

tn_graph *tn_builder_graph(tn_builder *b)
{
    return b->graph;
}
tn_arena *tn_builder_arena(tn_builder *b)
{
    return b->arena;
}

tn_code tn_builder_fail_with(tn_builder *b, const tn_error *err)
{
    if (tn_builder_ok(b)) b->error = *err;
    return b->error.code;
}

void tn_builder_fail(tn_builder *b, tn_code code, const char *message)
{
    tn_error err;
    tn_fail(&err, code, "%s", message);
    if (*b->scope->prefix) tn_wrap(&err, "%s", b->scope->prefix);
    tn_builder_fail_with(b, &err);
}

bool tn_builder_got(tn_builder *b, const void *p)
{
    tn_error err;
    if (p) return true;
    tn_no_memory(&err, 0);
    tn_builder_fail_with(b, &err);
    return false;
}

/* ==== files that are named ==== */

void tn_builder_set_origin(tn_builder *b, const char *folder, bool values_come)
{
    b->folder = folder;
    b->values_come = values_come;
}

bool tn_builder_values_come(const tn_builder *b) { return b->values_come; }

const char *tn_builder_path(tn_builder *b, const char *path)
{
    bool as_is = !b->folder || path[0] == '/';
    const char *full = as_is ? tn_arena_strdup(b->arena, path) : tn_path_join(b->arena, b->folder, path);
    return tn_builder_got(b, full) ? full : NULL;
}

/* ==== random seeds ==== */

void tn_set_random_seed(tn_builder *b, int64_t seed)
{
    b->graph->has_seed = true;
    b->graph->seed = seed;
}

static bool given(const tn_attr *attrs, int n, const char *name)
{
    const tn_attrs all = {(tn_attr *)attrs, n};
    return tn_attr_find(&all, name) != NULL;
}

static bool takes_seeds(const tn_op *def)
{
    const tn_sig *sig = def ? tn_op_sig(def) : NULL;
    int found = 0;
    for (int i = 0; sig && i < sig->n_attrs; i++) {
        found += !strcmp(sig->attrs[i].name, "seed") || !strcmp(sig->attrs[i].name, "seed2");
    }
    return found == 2;
}

/* TensorFlow's get_seed: the graph's seed and the operation's; without the latter, how many operations
 * there are. Given both attributes, or neither kind of seed, the operation stays as it is. */
static int add_seeds(tn_builder *b, const char *type, const tn_attr *attrs, int n, tn_attr *out)
{
    enum { DEFAULT_GRAPH_SEED = 87654321 };
    const tn_graph *g = b->graph->has_seed ? b->graph : tn_graph_library(b->graph);
    const tn_attrs all = {(tn_attr *)attrs, n};
    int64_t own = b->graph->n;
    bool has_own = tn_attr_get_int(&all, "seed", &own);
    if (n) memcpy(out, attrs, (size_t)n * sizeof *out);
    if (given(attrs, n, "seed2") || (!has_own && !g->has_seed) || !takes_seeds(tn_op_find(type))) return n;
    int64_t first = g->has_seed ? g->seed : DEFAULT_GRAPH_SEED;
    if (!first && !own) own = INT32_MAX; /* 0, 0 would mean: no seed */
    if (has_own)
        ((tn_attr *)tn_attr_find(&(tn_attrs){out, n}, "seed"))->i = first;
    else
        out[n++] = tn_attr_int("seed", first);
    out[n++] = tn_attr_int("seed2", own);
    return n;
}

/* ==== operations ==== */

static tn_operation *add_with(tn_builder *b, tn_operation_spec *spec)
{
    tn_error err;
    tn_operation *op = NULL, **control;
    if (!(spec->name = tn_builder_unique(b, spec->name))) return NULL;
    if (!tn_builder_control(b, spec->in, spec->n_in, &control, &spec->n_control)) return NULL;
    spec->control = control;
    if (tn_graph_add(b->graph, spec, &op, &err)) tn_builder_fail_with(b, &err);
    return op;
}

static bool have_values(tn_builder *b, const char *type, const char *name, const tn_node *in, int n_in)
{
    char text[300];
    for (int i = 0; i < n_in; i++) {
        if (in[i].op) continue;
        snprintf(text, sizeof text, "operation '%.180s' (%.60s): input %d has no value", name, type, i);
        tn_builder_fail(b, TN_INVALID_ARGUMENT, text);
        return false;
    }
    return true;
}

tn_operation *tn_add_operation(tn_builder *b, const char *type, const char *name, const tn_node *in, int n_in,
                               const tn_attr *attrs, int n_attrs)
{
    if (!tn_builder_ok(b)) return NULL;
    if (!name) name = type[0] == '_' ? type + 1 : type;
    if (!tn_op_find(type)) {
        char text[200];
        snprintf(text, sizeof text, "operation '%.80s': there is no operator '%.60s'", name, type);
        tn_builder_fail(b, TN_UNIMPLEMENTED, text);
        return NULL;
    }
    if (!have_values(b, type, name, in, n_in)) return NULL;
    tn_attr *all = TN_ARRAY(b->arena, n_attrs + 2, tn_attr);
    if (!tn_builder_got(b, all)) return NULL;
    n_attrs = add_seeds(b, type, attrs, n_attrs, all);
    tn_operation_spec spec = {
        .type = type, .name = name, .in = in, .n_in = n_in, .attrs = all, .n_attrs = n_attrs};
    return add_with(b, &spec);
}

tn_node tn_placeholder(tn_builder *b, const char *name, tn_dtype t, tn_shape shape)
{
    return tn_op_named(b, "Placeholder", name, TN_NO_INPUTS,
                       TN_ATTRS(tn_attr_type("dtype", t), tn_attr_shape("shape", shape)));
}

tn_node tn_placeholder_with_default(tn_builder *b, const char *name, tn_node value, tn_shape shape)
{
    return tn_op_named(b, "PlaceholderWithDefault", name, TN_INPUTS(value),
                       TN_ATTRS(tn_attr_shape("shape", shape)));
}

tn_node tn_constant(tn_builder *b, const char *name, const tn_tensor *value)
{
    tn_dtype t = value ? tn_tensor_dtype(value) : TN_INVALID_DTYPE;
    return tn_op_named(b, "Const", name, TN_NO_INPUTS,
                       TN_ATTRS(tn_attr_tensor("value", value), tn_attr_type("dtype", t)));
}

/* Adds a constant and lets go of the tensor, or records why there is none. */
static tn_node take_constant(tn_builder *b, tn_code code, tn_tensor *value, const tn_error *err)
{
    if (code) {
        tn_builder_fail_with(b, err);
        return (tn_node){NULL, 0};
    }
    tn_node node = tn_constant(b, "Const", value);
    tn_tensor_unref(value);
    return node;
}

tn_node tn_scalar(tn_builder *b, tn_dtype t, double v)
{
    tn_error err;
    tn_tensor *value = NULL;
    tn_code code = tn_tensor_scalar(t, v, &value, &err);
    return take_constant(b, code, value, &err);
}

tn_node tn_ints(tn_builder *b, const int64_t *v, int n)
{
    tn_error err;
    tn_tensor *value = NULL;
    tn_code code = tn_tensor_int64s(TN_INT32, v, n, &value, &err);
    return take_constant(b, code, value, &err);
}

tn_operation *tn_group(tn_builder *b, const char *name, int n, tn_operation *const *ops)
{
    tn_control_dependencies(b, n, ops);
    tn_operation *op = tn_add_operation(b, "NoOp", name ? name : "group_deps", TN_NO_INPUTS, TN_NO_ATTRS);
    tn_control_dependencies_end(b);
    return op;
}

/* ==== small helpers of gradients ==== */

tn_node tn_zeros_like(tn_builder *b, tn_node x)
{
    return tn_op_named(b, "ZerosLike", "zeros_like", TN_INPUTS(x), TN_NO_ATTRS);
}

tn_node tn_shape_of(tn_builder *b, tn_node x)
{
    tn_shape s = tn_node_shape(x);
    if (x.op && tn_shape_known(&s)) {
        tn_error err;
        tn_tensor *value = NULL;
        tn_code code = tn_tensor_int64s(TN_INT32, s.dim, s.rank, &value, &err);
        if (code) return take_constant(b, code, NULL, &err);
        tn_node node = tn_constant(b, "Shape", value);
        tn_tensor_unref(value);
        return node;
    }
    return tn_op(b, "Shape", TN_INPUTS(x), TN_NO_ATTRS);
}
