/* SPDX-License-Identifier: Apache-2.0
 *
 * graph.h - what: graphs, operations, functions, gradients; the interface of this folder to the ones
 * above. How an operator is written is op.h's; how a graph is run is plan.h's. Knows no file.
 *
 * Invariants: a graph is append-only; an operation, once added, changes only by tn_operation_append
 * (residual outputs for its gradient; numbers of outputs are never changed) and tn_operation_hand_on (the
 * same values from elsewhere). Names are unique in a
 * graph. Everything a graph holds lives in its arena, tensors excepted (counted).
 */
#ifndef TN_GRAPH_H
#define TN_GRAPH_H

#include "../tensor/tensor.h"

typedef struct tn_op tn_op; /* op.h */

typedef struct tn_attrs {
    tn_attr *v;
    int n;
} tn_attrs;

/* What is known of a value before it is computed. */
#define TN_UNKNOWN_INT INT64_MIN
typedef struct tn_info {
    tn_dtype dtype;         /* base dtype, or dtype + TN_REF */
    tn_shape shape;         /* unknowns are -1 */
    const tn_tensor *value; /* the value itself, when known; else NULL; borrowed */
    bool has_ints;          /* an integer scalar or vector partly known: */
    tn_shape ints;          /* rank = its length (1 for a scalar), dim[k] = element k or TN_UNKNOWN_INT */
    int64_t bound;          /* when dim[0] is unknown: it is at most this; -1: no bound known */
    const struct tn_info *handle; /* of a resource: dtype and shape of what it refers to; NULL: not known */
    struct tn_kept *kept; /* of a TensorArray or a stack, while a plan is made: what is in it (op.h); NULL: not known */
} tn_info;

struct tn_operation {
    const char *name, *type;
    const tn_op *def; /* its row; NULL: an operator we do not have (an error when it is planned) */
    tn_attrs attrs;
    tn_node *in;
    int n_in;
    tn_operation **control; /* operations that must run before */
    int n_control;
    tn_info *out;
    int n_out;
    const char *device;
    tn_graph *graph;
    int id; /* position in the graph */
};

/* ==== attributes (attr.c) ==== lookups return false / NULL when absent or of another kind */
const tn_attr *tn_attr_find(const tn_attrs *a, const char *name);
bool tn_attr_get_int(const tn_attrs *a, const char *name, int64_t *out);
bool tn_attr_get_float(const tn_attrs *a, const char *name, float *out);
bool tn_attr_get_bool(const tn_attrs *a, const char *name, bool *out);
bool tn_attr_get_type(const tn_attrs *a, const char *name, tn_dtype *out);
bool tn_attr_get_shape(const tn_attrs *a, const char *name, tn_shape *out);
bool tn_attr_get_string(const tn_attrs *a, const char *name, tn_view *out);
const tn_tensor *tn_attr_get_tensor(const tn_attrs *a, const char *name);
const tn_func_attr *tn_attr_get_func(const tn_attrs *a, const char *name);
/* Shorthands for attributes that a sig declares with a default, so that they are always there. */
int64_t tn_attr_i(const tn_attrs *a, const char *name);
float tn_attr_f(const tn_attrs *a, const char *name);
bool tn_attr_b(const tn_attrs *a, const char *name);
tn_dtype tn_attr_t(const tn_attrs *a, const char *name);
bool tn_attr_is(const tn_attrs *a, const char *name, const char *value); /* a string attribute equals */
int tn_attr_list(const tn_attrs *a, const char *name, const int64_t **ints); /* elements; 0: absent */
/* Deep copy into an arena (tensors are referenced, not copied; tn_attrs_drop unrefs them). */
tn_code tn_attrs_copy(tn_arena *a, const tn_attr *v, int n, tn_attrs *out, tn_error *err);
void tn_attrs_drop(tn_attrs *a);
bool tn_attrs_equal(const tn_attrs *a, const tn_attrs *b);

/* ==== functions ==== the body is a graph whose arguments are "_Arg" operations (attributes T, index) */
typedef struct tn_function {
    const char *name;
    tn_graph *body;
    tn_operation **args;
    int n_args;
    tn_node *rets;
    const char **ret_names, **arg_names;
    int n_rets;
    tn_operation **control_rets; /* always run, fetched or not */
    const char **control_ret_names;
    int n_control_rets;
    bool stateful;
    tn_attrs attrs;   /* FunctionDef.attr: markings such as a composite's, API_IMPLEMENTS, ... */
    const char *grad; /* GradientDef's function, or NULL */
} tn_function;
tn_function *tn_graph_function(const tn_graph *g, const char *name);
/* What a call of the function runs where there are CPUs, as TensorFlow chooses: the one with the same attribute
 * api_implements whose api_preferred_device is CPU; else itself. */
const char *tn_graph_implementation(const tn_graph *g, const char *name);
int tn_graph_function_count(const tn_graph *g);
tn_function *tn_graph_function_at(const tn_graph *g, int i);
/* The constant, of the graph or a function of its library, whose elements are there; NULL: none. */
const tn_tensor *tn_graph_constant_at(const tn_graph *g, const void *data);
/* Elements of constants that are not there bring themselves back: want asks whoever said that they may be away
 * (keeper), who lets them stay from then on. */
void tn_graph_keep_constants(tn_graph *g, void (*bring_back)(void *keeper), void *keeper); /* NULL: nobody any more */
void tn_graph_want_constants(tn_graph *g);
/* Adds a function (owns body and freezes it; strings and arrays are copied). ALREADY_EXISTS. */
tn_code tn_graph_add_function(tn_graph *g, const tn_function *f, tn_error *err);
/* The others leave the library, and nobody may look at them any more: functions by name, as tn_find_called has them. */
void tn_graph_keep_functions(tn_graph *g, const tn_map *kept);
/* The library that a body's own calls are looked up in: the outermost graph. */
tn_graph *tn_graph_library(const tn_graph *g);
tn_graph *tn_graph_new_body(tn_graph *library); /* may call functions of the library while it is written */

/* ==== building (graph.c), below the builder ==== */
/* Adds one operation exactly as given: the name as is (ALREADY_EXISTS), attributes completed by the sig
 * when the operator is ours, shapes inferred. Forward references are not possible; importing adds in
 * topological order, except for the back edges of v1 loops (tn_operation_set_input afterwards). */
typedef struct tn_operation_spec {
    const char *type, *name, *device;
    const tn_node *in;
    int n_in;
    tn_operation *const *control;
    int n_control;
    const tn_attr *attrs;
    int n_attrs;
    int n_out;                  /* for operators we do not have: how many outputs, and their dtypes */
    const tn_dtype *out_types;  /* (NULL: unknown); shapes come from an attribute _output_shapes */
    bool is_file;               /* from a file: attributes that the operator does not have are kept, not refused */
} tn_operation_spec;
tn_code tn_graph_add(tn_graph *g, const tn_operation_spec *spec, tn_operation **out, tn_error *err);
tn_code tn_operation_set_input(tn_operation *op, int i, tn_node value, tn_error *err); /* back edges only */
/* More outputs after the present ones, and more inputs (list inputs): for residuals of While, If, calls. */
tn_code tn_operation_append(tn_operation *op, const tn_info *outs, int n_outs, const tn_node *ins, int n_ins,
                            tn_error *err);
tn_code tn_operation_set_attr(tn_operation *op, const tn_attr *attr, tn_error *err); /* with append only */
/* An Exit or Merge hands on what the functional form of its loop or conditional computes, from now on: to is by
 * output. It becomes an Identity or IdentityN of the same name. */
tn_code tn_operation_hand_on(tn_operation *op, const tn_node *to, tn_error *err);
void tn_graph_freeze(tn_graph *g); /* adding is FAILED_PRECONDITION from now on */
int tn_collection_kinds(const tn_graph *g);
const char *tn_collection_name(const tn_graph *g, int i);
/* Collections whose items are not names (bytes: VariableDef, ...): kept as they came. */
tn_code tn_collection_add_bytes(tn_graph *g, const char *collection, tn_view item, tn_error *err);
/* Takes an item out, every time it is there; absent is fine. */
tn_code tn_collection_remove(tn_graph *g, const char *collection, const char *name, tn_error *err);
/* Item i of a collection of bytes. */
tn_code tn_collection_remove_bytes(tn_graph *g, const char *collection, int i, tn_error *err);
bool tn_collection_is_bytes(const tn_graph *g, const char *collection);
tn_view tn_collection_bytes_at(const tn_graph *g, const char *collection, int i);

/* What a variable begins with instead of its initializer's value: a tensor of a checkpoint. */
typedef struct tn_start {
    const char *checkpoint, *key; /* prefix of the files, and name in them; NULL: the initializer's value */
    const char *slice;            /* of a partitioned one, as SaveV2 has it: "10 4 0,5:-"; "" or NULL: all of it */
    bool slots;                   /* what optimizers keep with it begins there, too */
} tn_start;

/* ==== variables (variable.c) ==== what a VariableDef holds. The collections "variables", "local_variables" and
 * "trainable_variables" hold their names ("w:0"); the exporter turns these into VariableDefs. */
typedef struct tn_variable_info {
    const char *name;               /* "scope/w"; VariableDef.variable_name is "scope/w:0" */
    const char *initializer_name;   /* operation "scope/w/Assign" */
    const char *snapshot_name;      /* "scope/w/Read/ReadVariableOp:0", "scope/w/read:0" */
    const char *initial_value_name; /* "..:0"; "" when there is none */
    bool is_resource, trainable, local;
    tn_operation *op; /* VarHandleOp or VariableV2; found by name when NULL is given */
    tn_view def;      /* the VariableDef's bytes as they came; n = 0: built here */
    tn_start start;
} tn_variable_info;
/* Registers a variable (strings and bytes are copied) and adds its name to the collections it belongs to. */
tn_code tn_graph_add_variable(tn_graph *g, const tn_variable_info *v, tn_error *err);
/* What a variable's operation is called in a session: a resource's shared_name (after its container's name, if it has
 * one), else the operation's own name, which a reference always has. NULL: no memory. */
const char *tn_variable_session_name(const tn_operation *op, tn_arena *a);
int tn_graph_variable_count(const tn_graph *g);
const tn_variable_info *tn_graph_variable_at(const tn_graph *g, int i);
const tn_variable_info *tn_graph_variable(const tn_graph *g, const char *name); /* "scope/w"; NULL: absent */
/* NOT_FOUND: there is no such variable. */
tn_code tn_graph_set_trainable(tn_graph *g, const char *name, bool trainable, tn_error *err);
tn_code tn_graph_set_start(tn_graph *g, const char *name, const tn_start *start, tn_error *err);

/* ==== variables of a session (session.c) ==== */
/* As tn_session_set, but the caller's reference becomes the variable's (also when it fails): no copy is made of a
 * tensor that nobody else holds. */
tn_code tn_session_take(tn_session *s, const char *variable, tn_tensor *value, tn_error *err);

/* ==== the builder's insides (builder.c, scope.c) ==== */
/* The name a variable would get under the variable scopes in force, in the builder's arena. An initializer is
 * built under tn_name_scope(b, "<that name>/Initializer/"): a name scope that ends in '/' is taken as it is. */
const char *tn_builder_variable_name(tn_builder *b, const char *name);
tn_arena *tn_builder_arena(tn_builder *b);
/* Where relative paths begin (NULL: where the process is), and whether the variables will be given values later
 * anyway: then checkpoints to begin with are not looked for. folder is borrowed. */
void tn_builder_set_origin(tn_builder *b, const char *folder, bool values_come);
const char *tn_builder_path(tn_builder *b, const char *path); /* in the builder's arena; NULL: no memory */
bool tn_builder_values_come(const tn_builder *b);
tn_code tn_builder_fail_with(tn_builder *b, const tn_error *err);
bool tn_builder_ok(const tn_builder *b);
/* The name of the computation of gradients that is under way, in the functions it makes too: "gradients_1". */
const char *tn_builder_gradients(const tn_builder *b);
const char *tn_builder_unique(tn_builder *b, const char *name); /* under the scope, made unique */
/* Whether the variable scope in force reuses; sets it, for everything below that does not say otherwise. */
tn_reuse tn_builder_reuse(const tn_builder *b);
void tn_builder_set_reuse(tn_builder *b, tn_reuse mode);
tn_node tn_zeros_like(tn_builder *b, tn_node x);
tn_node tn_shape_of(tn_builder *b, tn_node x); /* a constant when the shape is known, else Shape */

/* ==== gradients (grad.c) ==== */
typedef enum { TN_GRAD_NONE, TN_GRAD_NODE, TN_GRAD_SLICES } tn_gradient_kind;
typedef struct tn_gradient {
    tn_gradient_kind kind;
    tn_node value;          /* the gradient, or the slices' values [n, ...] */
    tn_node indices, shape; /* slices: rows they belong to; the dense shape */
} tn_gradient;
/* As tn_gradients, slices kept as slices. */
void tn_gradients_sparse(tn_builder *b, const tn_node *ys, int n_ys, const tn_node *xs, int n_xs,
                         const tn_node *grad_ys, tn_gradient *dx);
tn_node tn_gradient_dense(tn_builder *b, const tn_gradient *g);

#endif
