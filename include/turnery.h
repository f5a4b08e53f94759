/* SPDX-License-Identifier: Apache-2.0
 *
 * turnery.h - the public interface of libturnery: define, train, watch, test, export and run models in
 * TensorFlow's own formats.
 *
 * Conventions. A function that can fail returns a tn_code (TensorFlow's = gRPC's 17) and takes a
 * caller-owned tn_error last, which may be NULL; results are written only on success. Returned pointers
 * are borrowed; out-parameters belong to the caller, who releases them with the matching free. Every
 * free accepts NULL. The library never prints and never exits. Types and constants carry TensorFlow's
 * names and numbers.
 *
 * Chapters: 1 status, 2 options, 3 tensors, 4 graphs, 5 sessions, 6 layers and losses, 7 optimizers,
 * 8 data, 9 the experiment, 10 files, 11 serving, 12 clients.
 */
#ifndef TURNERY_H
#define TURNERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TN_VERSION "0.1.0"
#define TN_ABI 1 /* raised when a record or a function of this header changes incompatibly */

#if defined(__GNUC__)
#define TN_API __attribute__((visibility("default")))
#else
#define TN_API
#endif

/* ==== 1 Status ============================================================================== */

/* Each row: name, number (= gRPC's), exit status of the command, text. */
#define TN_CODES(X)                                                                               \
    X(OK, 0, 0, "OK")                                                                             \
    X(CANCELLED, 1, 130, "CANCELLED")                                                             \
    X(UNKNOWN, 2, 1, "UNKNOWN")                                                                   \
    X(INVALID_ARGUMENT, 3, 2, "INVALID_ARGUMENT")                                                 \
    X(DEADLINE_EXCEEDED, 4, 1, "DEADLINE_EXCEEDED")                                               \
    X(NOT_FOUND, 5, 3, "NOT_FOUND")                                                               \
    X(ALREADY_EXISTS, 6, 4, "ALREADY_EXISTS")                                                     \
    X(PERMISSION_DENIED, 7, 5, "PERMISSION_DENIED")                                               \
    X(RESOURCE_EXHAUSTED, 8, 6, "RESOURCE_EXHAUSTED")                                             \
    X(FAILED_PRECONDITION, 9, 7, "FAILED_PRECONDITION")                                           \
    X(ABORTED, 10, 1, "ABORTED")                                                                  \
    X(OUT_OF_RANGE, 11, 8, "OUT_OF_RANGE")                                                        \
    X(UNIMPLEMENTED, 12, 9, "UNIMPLEMENTED")                                                      \
    X(INTERNAL, 13, 10, "INTERNAL")                                                               \
    X(UNAVAILABLE, 14, 1, "UNAVAILABLE")                                                          \
    X(DATA_LOSS, 15, 11, "DATA_LOSS")                                                             \
    X(UNAUTHENTICATED, 16, 5, "UNAUTHENTICATED")

typedef enum tn_code {
#define TN_CODE_ROW(name, number, exit, text) TN_##name = number,
    TN_CODES(TN_CODE_ROW)
#undef TN_CODE_ROW
} tn_code;

/* What went wrong, where and with which value. Fixed size, so that reporting never allocates. */
typedef struct tn_error {
    tn_code code;
    char message[2044];
} tn_error;

TN_API const char *tn_code_name(tn_code code); /* "INVALID_ARGUMENT" */
TN_API int tn_code_exit(tn_code code);         /* the command's exit status for it */
TN_API tn_code tn_code_of_errno(int errnum);   /* ENOENT: NOT_FOUND, EACCES: PERMISSION_DENIED, ... */
/* The one of n names that is nearest to s by edit distance, for a hint; NULL when none is near. */
TN_API const char *tn_nearest(const char *s, const char *const *names, size_t n);
TN_API const char *tn_version(void);

/* ==== 2 Options ============================================================================= */

/* One row gives a command-line flag, a settings key, its range, default and help, and a line in the
 * saved settings of a run. The field's type is taken from the struct, so row and field cannot
 * disagree: int64_t, int32_t, double, float, bool, or const char * (a string the rows own). */
typedef enum tn_option_type {
    TN_OPTION_INT64, TN_OPTION_INT32, TN_OPTION_DOUBLE, TN_OPTION_FLOAT, TN_OPTION_BOOL, TN_OPTION_STRING
} tn_option_type;

typedef struct tn_option {
    const char *name; /* NULL ends the rows */
    tn_option_type type;
    size_t offset, size;
    const char *def;     /* the default, as it would be typed */
    double min, max;     /* numbers: inclusive range; both 0: no limit */
    const char *choices; /* strings: "a|b|c", or NULL for any */
    const char *unit;
    const char *help;
} tn_option;

#ifndef __cplusplus
#define TN_OPTION_TYPE(T, field)                                                                  \
    _Generic(((T *)0)->field, int64_t: TN_OPTION_INT64, int32_t: TN_OPTION_INT32,                 \
             double: TN_OPTION_DOUBLE, float: TN_OPTION_FLOAT, bool: TN_OPTION_BOOL,              \
             char *: TN_OPTION_STRING, const char *: TN_OPTION_STRING)
#define TN_OPTION(T, field, ...)                                                                  \
    {.name = #field, .type = TN_OPTION_TYPE(T, field), .offset = offsetof(T, field),              \
     .size = sizeof(((T *)0)->field), __VA_ARGS__}
#endif
#define TN_OPTIONS_END {.name = NULL}

/* ==== 3 Tensors ============================================================================= */

/* TensorFlow's DataType numbers. Rows: constant, number, bytes per element, name in attributes,
 * name in numpy (NULL: none of its own). */
#define TN_DTYPES(X)                                                                              \
    X(FLOAT, 1, 4, "float", "float32")                                                            \
    X(DOUBLE, 2, 8, "double", "float64")                                                          \
    X(INT32, 3, 4, "int32", "int32")                                                              \
    X(UINT8, 4, 1, "uint8", "uint8")                                                              \
    X(INT16, 5, 2, "int16", "int16")                                                              \
    X(INT8, 6, 1, "int8", "int8")                                                                 \
    X(STRING, 7, 16, "string", NULL)                                                              \
    X(COMPLEX64, 8, 8, "complex64", "complex64")                                                  \
    X(INT64, 9, 8, "int64", "int64")                                                              \
    X(BOOL, 10, 1, "bool", "bool")                                                                \
    X(QINT8, 11, 1, "qint8", NULL)                                                                \
    X(QUINT8, 12, 1, "quint8", NULL)                                                              \
    X(QINT32, 13, 4, "qint32", NULL)                                                              \
    X(BFLOAT16, 14, 2, "bfloat16", NULL)                                                          \
    X(QINT16, 15, 2, "qint16", NULL)                                                              \
    X(QUINT16, 16, 2, "quint16", NULL)                                                            \
    X(UINT16, 17, 2, "uint16", "uint16")                                                          \
    X(COMPLEX128, 18, 16, "complex128", "complex128")                                             \
    X(HALF, 19, 2, "half", "float16")                                                             \
    X(RESOURCE, 20, 8, "resource", NULL)                                                          \
    X(VARIANT, 21, 8, "variant", NULL)                                                            \
    X(UINT32, 22, 4, "uint32", "uint32")                                                          \
    X(UINT64, 23, 8, "uint64", "uint64")                                                          \
    X(FLOAT8_E5M2, 24, 1, "float8_e5m2", NULL)                                                    \
    X(FLOAT8_E4M3FN, 25, 1, "float8_e4m3fn", NULL)                                                \
    X(FLOAT8_E4M3FNUZ, 26, 1, "float8_e4m3fnuz", NULL)                                            \
    X(FLOAT8_E4M3B11FNUZ, 27, 1, "float8_e4m3b11fnuz", NULL)                                      \
    X(FLOAT8_E5M2FNUZ, 28, 1, "float8_e5m2fnuz", NULL)                                            \
    X(INT4, 29, 1, "int4", NULL)                                                                  \
    X(UINT4, 30, 1, "uint4", NULL)

typedef enum tn_dtype {
    TN_INVALID_DTYPE = 0,
#define TN_DTYPE_ROW(name, number, size, text, numpy) TN_##name = number,
    TN_DTYPES(TN_DTYPE_ROW)
#undef TN_DTYPE_ROW
    TN_DTYPE_COUNT = 31,
    TN_REF = 100 /* added to a dtype: a reference to a variable (TensorFlow 1.x) */
} tn_dtype;

TN_API size_t tn_dtype_size(tn_dtype t);       /* bytes per element; 0: no such dtype */
TN_API const char *tn_dtype_name(tn_dtype t);  /* "float", "int32_ref"; "invalid" */
TN_API tn_dtype tn_dtype_named(const char *s); /* "float" or "float32"; TN_INVALID_DTYPE when unknown */

#define TN_MAX_RANK 16

/* rank -1: unknown; a dimension of -1: unknown. */
typedef struct tn_shape {
    int rank;
    int64_t dim[TN_MAX_RANK];
} tn_shape;

#ifndef __cplusplus
/* TN_SHAPE(): a scalar. TN_SHAPE(-1, 28): [?, 28]. */
#define TN_SHAPE(...)                                                                             \
    (__extension__ (tn_shape){.rank = (int)(sizeof((int64_t[]){0, ##__VA_ARGS__}) / sizeof(int64_t)) - 1,       \
                              .dim = {__VA_ARGS__}})
#endif
TN_API tn_shape tn_shape_unknown(void);
TN_API int64_t tn_shape_count(const tn_shape *s); /* number of elements; -1: unknown */
TN_API bool tn_shape_equal(const tn_shape *a, const tn_shape *b);
/* "[2,?,3]", "<unknown>"; returns buf. */
TN_API const char *tn_shape_text(const tn_shape *s, char *buf, size_t n);

/* An element of a TN_STRING tensor; the bytes are owned by the tensor. */
typedef struct tn_string {
    char *p;
    size_t n;
} tn_string;

/* A counted n-dimensional array, row-major. A tensor that others may see is never written to. */
typedef struct tn_tensor tn_tensor;

/* Zeroed (strings empty). Fails with RESOURCE_EXHAUSTED or INVALID_ARGUMENT (a negative or
 * overflowing shape). */
TN_API tn_code tn_tensor_new(tn_dtype t, const tn_shape *shape, tn_tensor **out, tn_error *err);
/* Copies count * size bytes from data. INVALID_ARGUMENT: strings, resources, variants. */
TN_API tn_code tn_tensor_of(tn_dtype t, const tn_shape *shape, const void *data, tn_tensor **out, tn_error *err);
TN_API tn_tensor *tn_tensor_ref(tn_tensor *t); /* another reference: t */
TN_API void tn_tensor_unref(tn_tensor *t);
TN_API tn_dtype tn_tensor_dtype(const tn_tensor *t);
TN_API const tn_shape *tn_tensor_shape(const tn_tensor *t);
TN_API int64_t tn_tensor_count(const tn_tensor *t); /* elements */
TN_API size_t tn_tensor_bytes(const tn_tensor *t); /* of them; of strings their tn_string only */
TN_API void *tn_tensor_data(const tn_tensor *t);   /* the elements; tn_string's where the dtype is TN_STRING */
/* Copies n bytes. INVALID_ARGUMENT: it holds no strings; OUT_OF_RANGE: it has no such element. */
TN_API tn_code tn_string_set(tn_tensor *t, int64_t index, const char *p, size_t n, tn_error *err);
/* Element i as a double (numbers and bool; 0 for others). */
TN_API double tn_tensor_number(const tn_tensor *t, int64_t i);
/* The same to be set: v converted to the dtype. int64 beyond 2^53: through tn_tensor_data. */
TN_API void tn_tensor_set_number(tn_tensor *t, int64_t i, double v);
/* "[[1 2 3]\n [4 5 6]]" with at most `most` elements shown (numpy's manner); caller releases with
 * tn_text_free. */
TN_API char *tn_tensor_text(const tn_tensor *t, int64_t most);
TN_API void tn_text_free(char *text);

/* All numbers of a tensor at one look. min, max, mean and std are of those that are finite (NaN when there are none);
 * std is the population's. */
typedef struct tn_stats {
    int64_t count, nan, inf, zero;
    double min, max, mean, std;
} tn_stats;
/* INVALID_ARGUMENT for strings and complex numbers. */
TN_API tn_code tn_tensor_stats(const tn_tensor *t, tn_stats *out, tn_error *err);

/* ==== 4 Graphs ============================================================================== */

/* A graph in memory is a GraphDef: TensorFlow's op names, attributes, functions and collections;
 * append-only. It is frozen, and may be shared by threads, once a session holds it. */
typedef struct tn_graph tn_graph;
typedef struct tn_operation tn_operation;

/* One output of an operation, by value. op NULL: no value (also what a failed builder returns). */
typedef struct tn_node {
    tn_operation *op;
    int index;
} tn_node;

TN_API tn_graph *tn_graph_new(void); /* NULL: no memory */
TN_API void tn_graph_free(tn_graph *g);
TN_API tn_operation *tn_graph_operation(const tn_graph *g, const char *name); /* NULL: absent */
/* "name:0", "name" (output 0) -> the value. NOT_FOUND names the nearest. */
TN_API tn_code tn_graph_value(const tn_graph *g, const char *name, tn_node *out, tn_error *err);
TN_API int tn_graph_count(const tn_graph *g);
TN_API tn_operation *tn_graph_at(const tn_graph *g, int i); /* in the order they were added */
TN_API const char *tn_operation_name(const tn_operation *op);
TN_API const char *tn_operation_type(const tn_operation *op);
TN_API int tn_operation_outputs(const tn_operation *op);
TN_API tn_dtype tn_node_dtype(tn_node n);
TN_API tn_shape tn_node_shape(tn_node n); /* as inferred; unknown where it is */
/* Named collections (kept in the MetaGraph): values or operations by name. An absent one has no items. Adding
 * fails with FAILED_PRECONDITION once a session holds the graph. */
TN_API tn_code tn_collection_add(tn_graph *g, const char *collection, const char *name, tn_error *err);
TN_API int tn_collection_count(const tn_graph *g, const char *collection);
TN_API const char *tn_collection_at(const tn_graph *g, const char *collection, int i);
#define TN_GLOBAL_VARIABLES "variables"
#define TN_TRAINABLE_VARIABLES "trainable_variables"
#define TN_UPDATE_OPS "update_ops"
#define TN_LOSSES "losses"
#define TN_REGULARIZATION_LOSSES "regularization_losses"

/* Attributes of an operation. Values are copied when an operation is added. */
typedef enum tn_attr_kind {
    TN_ATTR_STRING, TN_ATTR_INT, TN_ATTR_FLOAT, TN_ATTR_BOOL, TN_ATTR_TYPE, TN_ATTR_SHAPE, TN_ATTR_TENSOR,
    TN_ATTR_FUNC
} tn_attr_kind;

typedef struct tn_bytes { /* borrowed bytes */
    const char *p;
    size_t n;
} tn_bytes;

struct tn_attr;
typedef struct tn_func_attr { /* a function by name, with attributes of its own */
    const char *name;
    const struct tn_attr *attrs;
    int n_attrs;
} tn_func_attr;

typedef struct tn_attr {
    const char *name;
    tn_attr_kind kind;
    bool is_list;
    int n; /* elements of a list */
    union {
        tn_bytes s;
        int64_t i;
        float f;
        bool b;
        tn_dtype type;
        tn_shape shape;
        const tn_tensor *tensor;
        tn_func_attr func;
        const tn_bytes *ss;
        const int64_t *is;
        const float *fs;
        const bool *bs;
        const tn_dtype *types;
        const tn_shape *shapes;
        const tn_tensor *const *tensors;
        const tn_func_attr *funcs;
    };
} tn_attr;

static inline tn_attr tn_attr_int(const char *name, int64_t v) {
    tn_attr a; a.name = name; a.kind = TN_ATTR_INT; a.is_list = false; a.n = 0; a.i = v; return a;
}
static inline tn_attr tn_attr_float(const char *name, float v) {
    tn_attr a; a.name = name; a.kind = TN_ATTR_FLOAT; a.is_list = false; a.n = 0; a.f = v; return a;
}
static inline tn_attr tn_attr_bool(const char *name, bool v) {
    tn_attr a; a.name = name; a.kind = TN_ATTR_BOOL; a.is_list = false; a.n = 0; a.b = v; return a;
}
static inline tn_attr tn_attr_type(const char *name, tn_dtype v) {
    tn_attr a; a.name = name; a.kind = TN_ATTR_TYPE; a.is_list = false; a.n = 0; a.type = v; return a;
}
static inline tn_attr tn_attr_shape(const char *name, tn_shape v) {
    tn_attr a; a.name = name; a.kind = TN_ATTR_SHAPE; a.is_list = false; a.n = 0; a.shape = v; return a;
}
static inline tn_attr tn_attr_tensor(const char *name, const tn_tensor *v) {
    tn_attr a; a.name = name; a.kind = TN_ATTR_TENSOR; a.is_list = false; a.n = 0; a.tensor = v; return a;
}
TN_API tn_attr tn_attr_str(const char *name, const char *v); /* borrowed until the operation is added */
static inline tn_attr tn_attr_ints(const char *name, const int64_t *v, int n) {
    tn_attr a; a.name = name; a.kind = TN_ATTR_INT; a.is_list = true; a.n = n; a.is = v; return a;
}
static inline tn_attr tn_attr_types(const char *name, const tn_dtype *v, int n) {
    tn_attr a; a.name = name; a.kind = TN_ATTR_TYPE; a.is_list = true; a.n = n; a.types = v; return a;
}
static inline tn_attr tn_attr_func(const char *name, const char *function) {
    tn_attr a; a.name = name; a.kind = TN_ATTR_FUNC; a.is_list = false; a.n = 0;
    a.func.name = function; a.func.attrs = NULL; a.func.n_attrs = 0; return a;
}

/* A builder adds operations to a graph. It keeps the first error that happened, with the name of the
 * operation, and every later call on it does nothing and returns a node without value, so that model
 * code is mathematics without checks; tn_builder_check reports the error. */
typedef struct tn_builder tn_builder;
TN_API tn_builder *tn_builder_new(tn_graph *g); /* NULL: no memory; borrows g */
TN_API void tn_builder_free(tn_builder *b);
TN_API tn_code tn_builder_check(const tn_builder *b, tn_error *err);
TN_API tn_graph *tn_builder_graph(tn_builder *b);
/* Records an error of the caller's own, unless there is one already. */
TN_API void tn_builder_fail(tn_builder *b, tn_code code, const char *message);
/* The graph-level random seed that random operations combine with their own (tf.set_random_seed);
 * without one, unseeded operations draw a fresh seed in each session. */
TN_API void tn_set_random_seed(tn_builder *b, int64_t seed);
/* Name scopes prefix every operation; variable scopes prefix variables (and operations). A name that
 * ends in '/' is taken as it is, from the root. */
TN_API void tn_name_scope(tn_builder *b, const char *name);
TN_API void tn_name_scope_end(tn_builder *b);
typedef enum tn_reuse { TN_REUSE_INHERIT, TN_REUSE, TN_REUSE_AUTO } tn_reuse;
TN_API void tn_variable_scope(tn_builder *b, const char *name, tn_reuse reuse);
TN_API void tn_variable_scope_end(tn_builder *b);
/* Everything added until the matching end runs after these operations. n -1: none of those in force. */
TN_API void tn_control_dependencies(tn_builder *b, int n, tn_operation *const *ops);
TN_API void tn_control_dependencies_end(tn_builder *b);
/* Any operation by TensorFlow's name. name NULL: the op's own name, made unique; a name given is made
 * unique too and put under the name scope. Attributes that inputs imply (T, N) need not be given;
 * others default as in TensorFlow. Returns the operation (NULL after an error); shapes are inferred. */
TN_API tn_operation *tn_add_operation(tn_builder *b, const char *type, const char *name, const tn_node *in, int n_in,
                                      const tn_attr *attrs, int n_attrs);
static inline tn_node tn_output_of(tn_operation *op, int index) {
    tn_node n; n.op = op; n.index = index; return n;
}
#ifndef __cplusplus
#define TN_INPUTS(...) (const tn_node[]){__VA_ARGS__}, (int)(sizeof((const tn_node[]){__VA_ARGS__}) / sizeof(tn_node))
#define TN_NO_INPUTS NULL, 0
#define TN_ATTRS(...) (const tn_attr[]){__VA_ARGS__}, (int)(sizeof((const tn_attr[]){__VA_ARGS__}) / sizeof(tn_attr))
#define TN_NO_ATTRS NULL, 0
/* First output: tn_op(b, "MatMul", TN_INPUTS(x, w), TN_ATTRS(tn_attr_bool("transpose_a", true))) */
#define tn_op(b, type, ...) tn_output_of(tn_add_operation((b), (type), NULL, __VA_ARGS__), 0)
#define tn_op_named(b, type, name, ...) tn_output_of(tn_add_operation((b), (type), (name), __VA_ARGS__), 0)
#endif
/* What runs feed: a Placeholder of this dtype and shape, which may have unknowns; value where nothing is fed. */
TN_API tn_node tn_placeholder(tn_builder *b, const char *name, tn_dtype t, tn_shape shape);
TN_API tn_node tn_placeholder_with_default(tn_builder *b, const char *name, tn_node value, tn_shape shape);
/* Const: the tensor, which the graph keeps a reference to; a scalar, v converted to the dtype; an int32 vector. */
TN_API tn_node tn_constant(tn_builder *b, const char *name, const tn_tensor *value);
TN_API tn_node tn_scalar(tn_builder *b, tn_dtype t, double v);
TN_API tn_node tn_ints(tn_builder *b, const int64_t *v, int n);
/* Variables. Creating one under a scope that reuses returns the one that is there. The value returned
 * reads it; tn_variable_of gives its handle operation. Resource variables (TensorFlow 2's) by default;
 * TN_VAR_REF makes TensorFlow 1's VariableV2. initializer: a node whose value it starts with. */
enum { TN_VAR_NOT_TRAINABLE = 1, TN_VAR_REF = 2, TN_VAR_LOCAL = 4 };
TN_API tn_node tn_variable(tn_builder *b, const char *name, tn_node initializer, unsigned flags);
/* The variable of this name under the current scope when it may be reused; a node without value
 * otherwise (no error). */
TN_API tn_node tn_variable_reused(tn_builder *b, const char *name, tn_dtype t, tn_shape shape);
TN_API tn_operation *tn_variable_of(tn_builder *b, tn_node read); /* VarHandleOp or VariableV2 */
TN_API tn_operation *tn_assign(tn_builder *b, tn_operation *variable, tn_node value);
TN_API tn_operation *tn_group(tn_builder *b, const char *name, int n, tn_operation *const *ops); /* NoOp */
TN_API tn_operation *tn_global_variables_initializer(tn_builder *b);
/* d(sum of ys)/dx for each x: nodes of TensorFlow's gradient ops; dx[i].op NULL where y does not
 * depend on x. grad_ys NULL: ones. Slices (of Gather) are densified; optimizers keep them sparse. */
TN_API void tn_gradients(tn_builder *b, const tn_node *ys, int n_ys, const tn_node *xs, int n_xs,
                         const tn_node *grad_ys, tn_node *dx);
/* Functions: body is a graph of its own, built with its own builder; args in the order of
 * tn_function_arg calls. The graph keeps the function in its library under `name` and owns body's graph,
 * or frees it after an error. A body that calls functions of g is made by tn_function_graph. */
TN_API tn_graph *tn_function_graph(tn_graph *g);
TN_API tn_node tn_function_arg(tn_builder *body, const char *name, tn_dtype t, tn_shape shape);
TN_API void tn_function_define(tn_builder *b, const char *name, tn_builder *body, const tn_node *rets, int n_rets);
/* Calls it (PartitionedCall, Stateful- when it has effects). Returns the operation. */
TN_API tn_operation *tn_call(tn_builder *b, const char *function, const tn_node *in, int n_in);
/* While cond(vars): vars = body(vars). Functions take and return all the loop's values. */
TN_API tn_operation *tn_while(tn_builder *b, const char *cond, const char *body, const tn_node *in, int n_in);
TN_API tn_operation *tn_if(tn_builder *b, tn_node cond, const char *then_branch, const char *else_branch,
                           const tn_node *in, int n_in);

/* Operators that a graph brings and that are not there: what does not need them runs; what does, fails before
 * anything runs. Each node is listed; strings are the graph's. */
typedef struct tn_missing {
    const char *type, *node;
    const char *function; /* the one whose body has the node; NULL: none */
} tn_missing;
/* What these fetches and targets need, fed so, through functions, branches and loops; no fetches and targets: all
 * of the graph. tn_missing_free *out; *n 0: nothing is missing. */
TN_API tn_code tn_graph_missing(const tn_graph *g, const char *const *feeds, int n_feeds, const char *const *fetches,
                                int n_fetches, const char *const *targets, int n_targets, tn_missing **out, int *n,
                                tn_error *err);
TN_API void tn_missing_free(tn_missing *m);

/* ==== 5 Sessions ============================================================================ */

/* A session owns the variables and runs parts of a graph. Threads may run one session at once. */
typedef struct tn_session tn_session;

/* Passes of the planner that can be switched off, one by one (bits) or all. */
#define TN_PASSES(X)                                                                              \
    X(FOLD, "fold", "evaluate constant parts ahead")                                              \
    X(MERGE, "merge", "compute equal nodes once")                                                 \
    X(ALIAS, "alias", "read variables and reshape without copies")                                \
    X(STATIC, "static", "fix shapes, memory and kernels ahead of running")                        \
    X(INPLACE, "inplace", "reuse an input's memory for the output")                               \
    X(FUSE_BIAS, "fuse_bias", "bias and activation inside matrix products and convolutions")      \
    X(FUSE_POINTWISE, "fuse_pointwise", "chains of element-wise operations in one pass")          \
    X(FUSE_UPDATES, "fuse_updates", "all optimizer updates in one pass")                          \
    X(COMPOSITES, "composites", "marked functions as fused kernels")                              \
    X(FREEZE, "freeze", "variables that nobody changes as constants")                             \
    X(ARRAYS, "arrays", "lists that loops read or fill as arrays")                                \
    X(HOIST, "hoist", "products with each row in a loop as one before it")                        \
    X(FUSE_SCALE, "fuse_scale", "factors on channels, batch normalization inside constant weights") \
    X(FUSE_POOL, "fuse_pool", "pools inside the convolutions before them")                        \
    X(MASKS, "masks", "no products in a loop for steps that a mask throws away")
enum {
#define TN_PASS_ROW(name, text, help) TN_PASS_BIT_##name,
    TN_PASSES(TN_PASS_ROW)
#undef TN_PASS_ROW
    TN_PASS_COUNT
};
#define TN_PASS(name) (1u << TN_PASS_BIT_##name)
#define TN_ALL_PASSES ((1u << TN_PASS_COUNT) - 1)

typedef struct tn_session_options {
    int threads;              /* intra-op threads; 0: all cores */
    unsigned passes_off;      /* TN_PASS(FOLD) | ...; TN_ALL_PASSES: the plain interpreter */
    size_t memory_limit;      /* bytes of all values that runs make and variables hold; 0: none */
    double time_limit;        /* seconds that a run may take, else DEADLINE_EXCEEDED; 0: none */
    int max_bound_shapes;     /* plans kept for shapes seen before; 0: 16 */
    uint64_t seed;            /* for random ops without a seed; 0: from the system */
} tn_session_options;

/* options NULL: defaults. The graph is borrowed and frozen. */
TN_API tn_code tn_session_new(tn_graph *g, const tn_session_options *options, tn_session **out, tn_error *err);
TN_API void tn_session_free(tn_session *s);
TN_API tn_graph *tn_session_graph(tn_session *s); /* the one it was made for */

/* Who is told what the operators Print and PrintV2 say (nobody to begin with): n bytes of text, a zero behind them;
 * stream: "stdout", "stderr", "log(info)", ... Called while a run goes on, by the thread that runs. */
typedef void (*tn_print_fn)(void *payload, const char *stream, const char *text, size_t n);
TN_API void tn_session_on_print(tn_session *s, tn_print_fn print, void *payload);

typedef struct tn_feed {
    const char *name; /* "x:0" */
    const tn_tensor *value;
} tn_feed;

/* Runs what the fetches and targets need, each operation at most once. out[i] belongs to the caller.
 * On error out is untouched. Errors name node, operator and value as TensorFlow does. */
TN_API tn_code tn_session_run(tn_session *s, const tn_feed *feeds, int n_feeds, const char *const *fetches,
                              int n_fetches, tn_tensor **out, const char *const *targets, int n_targets,
                              tn_error *err);
/* The same, prepared once and run many times without allocation: a callable belongs to one thread at a
 * time; out[i] is borrowed until the next run of the callable. feeds are values in the order given. */
typedef struct tn_callable tn_callable;
TN_API tn_code tn_callable_new(tn_session *s, const char *const *feeds, int n_feeds,
                               const char *const *fetches, int n_fetches, const char *const *targets,
                               int n_targets, tn_callable **out, tn_error *err);
TN_API tn_code tn_callable_run(tn_callable *c, const tn_tensor *const *feeds, const tn_tensor **out, tn_error *err);
TN_API void tn_callable_free(tn_callable *c);
/* The plan for these feeds as a table: steps, kernels, fusions, places, bytes, and the time of each step
 * measured over `runs` runs (0: none). Released by tn_text_free. Runs have their usual effects. */
TN_API tn_code tn_callable_plan(tn_callable *c, const tn_tensor *const *feeds, int runs, char **text, tn_error *err);
/* Asks runs in progress to stop: they return CANCELLED. */
TN_API void tn_session_cancel(tn_session *s);

/* Graphs of TensorFlow 1 that read their input themselves have queues, and a collection "queue_runners" which says what
 * fills them. start: those whose queues the named values and operations need (n 0: all), each with a thread for every
 * enqueue operation, which runs it again and again. Before that, local variables without a value and tables which they
 * need are initialized (collections "local_init_op", "local_variables", "table_initializer"). A queue whose threads
 * have no more to give is closed: whoever takes from it gets OUT_OF_RANGE once it is empty. An error ends all threads
 * and closes all queues; check tells it. stop: closes all queues, waits for the threads, frees r (NULL: nothing), and
 * tells the first error of a thread. */
typedef struct tn_runners tn_runners;
TN_API tn_code tn_runners_start(tn_session *s, const char *const *names, int n, tn_runners **out, tn_error *err);
TN_API int tn_runners_count(const tn_runners *r); /* threads that were started */
TN_API tn_code tn_runners_check(tn_runners *r, tn_error *err);
TN_API tn_code tn_runners_stop(tn_runners *r, tn_error *err);

/* Variables by name, for savers and tests. get: a counted tensor; NOT_FOUND, FAILED_PRECONDITION
 * (uninitialised). set: copies; creates the variable when absent. */
TN_API tn_code tn_session_get(tn_session *s, const char *variable, tn_tensor **out, tn_error *err);
TN_API tn_code tn_session_set(tn_session *s, const char *variable, const tn_tensor *value, tn_error *err);

/* ==== 6 Layers and losses =================================================================== */

/* What experiments are written with. All of these add TensorFlow's operations through the builder and
 * return nodes; a mistake is kept by the builder (see above), named after the layer. */
#ifdef __cplusplus
#define TN_NONE (tn_node{NULL, 0})
#else
#define TN_NONE ((tn_node){NULL, 0}) /* no value: "without weights", "without mask" */
#endif

typedef enum tn_mode { TN_TRAINING = 1, TN_EVALUATION, TN_PREDICTION } tn_mode;

/* Short forms of common operations, for dtypes and shapes as in TensorFlow: two inputs have one dtype and broadcast.
 * Axes may be negative, from the last; NULL, 0: all of them. */
TN_API tn_node tn_add(tn_builder *b, tn_node x, tn_node y);
TN_API tn_node tn_sub(tn_builder *b, tn_node x, tn_node y);
TN_API tn_node tn_mul(tn_builder *b, tn_node x, tn_node y);
TN_API tn_node tn_div(tn_builder *b, tn_node x, tn_node y);
TN_API tn_node tn_scale(tn_builder *b, tn_node x, double factor);
TN_API tn_node tn_neg(tn_builder *b, tn_node x);
TN_API tn_node tn_square(tn_builder *b, tn_node x);
TN_API tn_node tn_sqrt(tn_builder *b, tn_node x);
TN_API tn_node tn_exp(tn_builder *b, tn_node x);
TN_API tn_node tn_abs(tn_builder *b, tn_node x);
TN_API tn_node tn_matmul(tn_builder *b, tn_node x, tn_node y); /* [n,k] by [k,m]: [n,m] */
TN_API tn_node tn_cast_to(tn_builder *b, tn_node x, tn_dtype t); /* x itself when it is of that dtype */
TN_API tn_node tn_reshape(tn_builder *b, tn_node x, tn_shape shape); /* one dimension may be -1 */
TN_API tn_node tn_join(tn_builder *b, const tn_node *x, int n, int axis); /* ConcatV2 */
TN_API tn_node tn_argmax(tn_builder *b, tn_node x, int axis); /* int64, without the axis */
TN_API tn_node tn_one_hot(tn_builder *b, tn_node ids, int64_t depth); /* float, one axis more: 1 at ids, else 0 */
TN_API tn_node tn_reduce_sum(tn_builder *b, tn_node x, const int64_t *axes, int n, bool keep_dims);
TN_API tn_node tn_reduce_mean(tn_builder *b, tn_node x, const int64_t *axes, int n, bool keep_dims);
TN_API tn_node tn_l2_normalize(tn_builder *b, tn_node x, int axis); /* of length 1 along the axis */
/* The value under a name of the caller's own: what is fetched by it, what a viewer shows. */
TN_API tn_node tn_named(tn_builder *b, const char *name, tn_node x);

typedef enum tn_activation {
    TN_LINEAR, TN_RELU, TN_RELU6, TN_LEAKY_RELU, TN_ELU, TN_SELU, TN_SIGMOID, TN_TANH, TN_SOFTPLUS, TN_SOFTSIGN,
    TN_SOFTMAX, TN_SWISH, TN_GELU
} tn_activation;
/* TensorFlow's operators of these names, of floats of any shape. Leaky: slope 0.2 below 0. Softmax: over the last axis.
 * Swish: x * sigmoid(x). Gelu: x * (1 + erf(x / sqrt 2)) / 2, not its approximation by tanh. */
TN_API tn_node tn_activate(tn_builder *b, tn_node x, tn_activation a);

/* How a variable begins; a and b as said. Random ones draw from TensorFlow's generators with the graph's
 * seed, or with their own where has_seed is set. Glorot (Glorot and Bengio 2010), He (2015), LeCun (1998): of variance
 * 2 / (in + out), 2 / in, 1 / in; normal ones are cut at two deviations and made up for that, as Keras has them. */
typedef enum tn_initializer_kind {
    TN_INIT_DEFAULT,  /* the layer's own: Glorot uniform for weights, zeros for biases */
    TN_INIT_ZEROS,
    TN_INIT_ONES,
    TN_INIT_CONSTANT,         /* a */
    TN_INIT_UNIFORM,          /* from a to b */
    TN_INIT_NORMAL,           /* mean a, deviation b */
    TN_INIT_TRUNCATED_NORMAL, /* mean a, deviation b, nothing beyond two deviations */
    TN_INIT_GLOROT_UNIFORM,
    TN_INIT_GLOROT_NORMAL,
    TN_INIT_HE_UNIFORM,
    TN_INIT_HE_NORMAL,
    TN_INIT_LECUN_UNIFORM,
    TN_INIT_LECUN_NORMAL
} tn_initializer_kind;
typedef struct tn_initializer {
    tn_initializer_kind kind;
    double a, b;
    bool has_seed;
    int64_t seed;
} tn_initializer;
/* A value of the shape (known), as operations of the graph. */
TN_API tn_node tn_initial_value(tn_builder *b, tn_initializer how, tn_dtype t, tn_shape shape);
/* The variable of this name in the variable scope: the one that is there when the scope reuses, else a new
 * one (flags as tn_variable's). */
TN_API tn_node tn_get_variable(tn_builder *b, const char *name, tn_dtype t, tn_shape shape, tn_initializer how,
                               unsigned flags);

typedef enum tn_padding { TN_VALID, TN_SAME } tn_padding;

/* Layers: a variable scope of the layer's name with the variables TensorFlow's layers have ("kernel",
 * "bias", ...). Options that are zero mean what the comment says. */
typedef struct tn_dense_options {
    int64_t units;
    tn_activation activation;
    bool no_bias;
    tn_initializer kernel, bias;
    double l1, l2; /* penalties: l1 * sum |w|, l2 * sum w*w / 2, collected as regularization losses */
} tn_dense_options;
/* On the last axis of x, whatever its rank. */
TN_API tn_node tn_dense_with(tn_builder *b, const char *name, tn_node x, const tn_dense_options *o);
TN_API tn_node tn_dense(tn_builder *b, const char *name, tn_node x, int64_t units, tn_activation a);

typedef struct tn_conv2d_options {
    int64_t filters;
    int64_t size[2];     /* height and width; [1] 0: square */
    int64_t stride[2];   /* 0: 1; [1] 0: the same */
    int64_t dilation[2]; /* 0: 1 */
    tn_padding padding;
    tn_activation activation;
    bool no_bias;
    tn_initializer kernel, bias;
    double l1, l2;
} tn_conv2d_options;
/* x is [batch, height, width, channels] */
TN_API tn_node tn_conv2d_with(tn_builder *b, const char *name, tn_node x, const tn_conv2d_options *o);
/* Square filters, stride 1, TN_VALID. */
TN_API tn_node tn_conv2d(tn_builder *b, const char *name, tn_node x, int64_t filters, int64_t size, tn_activation a);
/* Square windows of [batch, height, width, channels]. */
TN_API tn_node tn_max_pool(tn_builder *b, tn_node x, int64_t size, int64_t stride, tn_padding padding);
TN_API tn_node tn_avg_pool(tn_builder *b, tn_node x, int64_t size, int64_t stride, tn_padding padding);
TN_API tn_node tn_global_avg_pool(tn_builder *b, tn_node x); /* [batch, channels] */
TN_API tn_node tn_flatten(tn_builder *b, tn_node x);         /* [batch, all the rest] */
/* Zeroes a share `rate` (0 to below 1) of the elements when training, and scales the others by 1 / (1 - rate)
 * (Srivastava et al. 2014). */
TN_API tn_node tn_dropout(tn_builder *b, tn_mode mode, tn_node x, double rate);
/* Each example by itself over the last axis of x (float), scaled by gamma and moved by beta (Ba et al. 2016). A call of
 * a function marked as layer normalisation, which TensorFlow runs as plain operators. epsilon 0: 0.001. */
TN_API tn_node tn_layer_norm(tn_builder *b, const char *name, tn_node x, double epsilon);
/* Over the last axis; x of rank 2 or 4 (Ioffe and Szegedy 2015). Training adds the moving averages' updates to
 * TN_UPDATE_OPS, which tn_minimize runs. momentum 0: 0.99; epsilon 0: 0.001. */
TN_API tn_node tn_batch_normalization(tn_builder *b, const char *name, tn_mode mode, tn_node x, double momentum,
                                      double epsilon);
/* Rows of a table [vocabulary, size] for ids (int32, int64) of any shape: [..., size]. Its gradient stays sparse. */
TN_API tn_node tn_embedding(tn_builder *b, const char *name, tn_node ids, int64_t vocabulary, int64_t size);
/* Sum of what the layers' l1 and l2 collected; a scalar 0 without any. */
TN_API tn_node tn_regularization_loss(tn_builder *b);

/* Losses: scalars, the mean over all elements; with weights (broadcast) the weighted sum divided by the number
 * of weights that are not zero, as in TensorFlow. weights may be TN_NONE. Labels are taken in the predictions' dtype
 * and have their shape: [n] beside [n,1] is INVALID_ARGUMENT. */
TN_API tn_node tn_mean_squared_error(tn_builder *b, tn_node labels, tn_node predictions, tn_node weights);
TN_API tn_node tn_absolute_difference(tn_builder *b, tn_node labels, tn_node predictions, tn_node weights);
TN_API tn_node tn_huber_loss(tn_builder *b, tn_node labels, tn_node predictions, double delta, tn_node weights);
/* 1 - sum(labels * predictions) along the axis; both of unit length. */
TN_API tn_node tn_cosine_distance(tn_builder *b, tn_node labels, tn_node predictions, int axis, tn_node weights);
/* Both [batch, classes]; a label is a distribution. Sparse: labels are class numbers, [batch] or [batch, 1]. */
TN_API tn_node tn_softmax_cross_entropy(tn_builder *b, tn_node one_hot_labels, tn_node logits, tn_node weights);
TN_API tn_node tn_sparse_softmax_cross_entropy(tn_builder *b, tn_node labels, tn_node logits, tn_node weights);
TN_API tn_node tn_sigmoid_cross_entropy(tn_builder *b, tn_node labels, tn_node logits, tn_node weights);
/* For losses of one's own: elementwise values -> the scalar, by the rule above; added to TN_LOSSES. */
TN_API tn_node tn_reduce_loss(tn_builder *b, tn_node losses, tn_node weights);

/* ==== 7 Optimizers ========================================================================== */

typedef enum tn_solver_kind {
    TN_SGD = 1, TN_MOMENTUM, TN_ADAGRAD, TN_ADADELTA, TN_ADAM, TN_RMSPROP, TN_FTRL
} tn_solver_kind;

/* Made by one of the functions below with TensorFlow's defaults; fields may be changed after. Beside each the operator
 * that updates a variable (of resources: Resource- before its name) and its paper. */
typedef struct tn_solver {
    tn_solver_kind kind;
    tn_node learning_rate; /* a scalar */
    double momentum, beta1, beta2, rho, epsilon, initial_accumulator, l1, l2, learning_rate_power;
    bool nesterov, centered;
    double clip_value, clip_norm, clip_global_norm; /* of gradients; 0: not clipped */
} tn_solver;
TN_API tn_solver tn_sgd(tn_node learning_rate); /* ApplyGradientDescent */
TN_API tn_solver tn_momentum(tn_node learning_rate, double momentum); /* ApplyMomentum */
TN_API tn_solver tn_nesterov(tn_node learning_rate, double momentum); /* the same with use_nesterov */
/* ApplyAdagrad (Duchi et al. 2011): initial_accumulator 0.1. */
TN_API tn_solver tn_adagrad(tn_node learning_rate);
/* ApplyAdadelta (Zeiler 2012): rho 0.95, epsilon 1e-8. */
TN_API tn_solver tn_adadelta(tn_node learning_rate);
/* ApplyAdam (Kingma and Ba 2015): beta1 0.9, beta2 0.999, epsilon 1e-8. */
TN_API tn_solver tn_adam(tn_node learning_rate);
/* ApplyRMSProp (Tieleman and Hinton 2012): epsilon 1e-10; with `centered`, ApplyCenteredRMSProp. */
TN_API tn_solver tn_rmsprop(tn_node learning_rate, double decay, double momentum);
/* ApplyFtrl (McMahan et al. 2013): initial_accumulator 0.1, learning_rate_power -0.5, l1 and l2 0. */
TN_API tn_solver tn_ftrl(tn_node learning_rate);
/* One step: gradients of the loss by all trainable variables, clipping, the updates with slot variables named
 * as TensorFlow's optimizers name them ("w/Adam", "beta1_power", ...), TN_UPDATE_OPS, then the global step + 1.
 * global_step may be TN_NONE. Returns the operation to run. */
TN_API tn_operation *tn_minimize(tn_builder *b, tn_solver o, tn_node loss, tn_node global_step);
TN_API tn_node tn_global_step(tn_builder *b); /* int64 "global_step"; made when absent */

/* Clipping by value, by the 2-norm of x, or by that of all n of x together, which are replaced in place (those without
 * a value stay so). */
TN_API tn_node tn_clip_by_value(tn_builder *b, tn_node x, double lo, double hi);
TN_API tn_node tn_clip_by_norm(tn_builder *b, tn_node x, double norm);
TN_API tn_node tn_global_norm(tn_builder *b, const tn_node *x, int n);
TN_API void tn_clip_by_global_norm(tn_builder *b, tn_node *x, int n, double norm);

/* Learning rates as functions of the step: scalars of float, as tf.compat.v1.train has them. p is step / decay_steps
 * (which is above 0); staircase: cut to a whole number.
 *   exponential    rate * decay_rate^p
 *   natural_exp    rate * exp(-decay_rate * p)
 *   inverse_time   rate / (1 + decay_rate * p)
 *   polynomial     (rate - end_rate) * (1 - p)^power + end_rate, p at most 1; cycle: for longer periods
 *   cosine         rate * ((1 - alpha) * (1 + cos(pi * p)) / 2 + alpha), p at most 1 */
TN_API tn_node tn_constant_rate(tn_builder *b, double rate);
TN_API tn_node tn_exponential_decay(tn_builder *b, double rate, tn_node step, double decay_steps, double decay_rate,
                                    bool staircase);
TN_API tn_node tn_natural_exp_decay(tn_builder *b, double rate, tn_node step, double decay_steps, double decay_rate,
                                    bool staircase);
TN_API tn_node tn_inverse_time_decay(tn_builder *b, double rate, tn_node step, double decay_steps, double decay_rate,
                                     bool staircase);
TN_API tn_node tn_polynomial_decay(tn_builder *b, double rate, tn_node step, double decay_steps, double end_rate,
                                   double power, bool cycle);
TN_API tn_node tn_cosine_decay(tn_builder *b, double rate, tn_node step, double decay_steps, double alpha);
/* values[0] up to and with step boundaries[0], and so on: n boundaries, n + 1 values. */
TN_API tn_node tn_piecewise_constant(tn_builder *b, tn_node step, const int64_t *boundaries,
                                     const double *values, int n);

/* Layers, output shapes and parameter counts as a table; released by tn_text_free. NULL: no memory. */
TN_API char *tn_model_summary(const tn_graph *g);

/* ==== 8 Data ================================================================================ */

/* The settings of an experiment: the file that has the rows says what is in it (struct tn_settings {...};).
 * Only fields with a row exist when the record's functions are called. */
typedef struct tn_settings tn_settings;

/* A set of examples in memory: columns, the first dimension of each being the example. Features go into the
 * model, labels into loss and metrics. Like a builder it keeps the first error that happened. Relative paths
 * are relative to the folder of the experiment's file. */
typedef struct tn_data tn_data;
typedef enum tn_role { TN_FEATURE = 1, TN_LABEL } tn_role;
/* A new column of n examples of this shape each, zeroed, to be filled in. Never NULL for POD types of a
 * sensible size: after an error it points to scratch memory of that size; NULL when even that is impossible. */
TN_API void *tn_data_new(tn_data *d, tn_role role, const char *name, tn_dtype t, int64_t n, tn_shape each);
TN_API void tn_data_tensor(tn_data *d, tn_role role, const char *name, const tn_tensor *value); /* shares it */
/* A file's items or rows are the examples, in its own dtype. IDX also as .gz. */
TN_API void tn_data_idx(tn_data *d, tn_role role, const char *name, const char *path);
TN_API void tn_data_npy(tn_data *d, tn_role role, const char *name, const char *path);
/* Float columns of a CSV file with a header: columns "x" or "lpc1,lpc2,lpc3"; each example has one number (a
 * scalar for a single column), or as many as there are columns. */
TN_API void tn_data_csv(tn_data *d, tn_role role, const char *name, const char *path, const char *columns);
/* Keeps count examples from the first given on (count -1: all the rest), of every column so far. */
TN_API void tn_data_slice(tn_data *d, int64_t first, int64_t count);
TN_API int64_t tn_data_count(const tn_data *d);
TN_API const tn_tensor *tn_data_column(const tn_data *d, const char *name); /* NULL: absent, or an error before */
TN_API void tn_data_fail(tn_data *d, tn_code code, const char *message);
/* Changes examples on their way into a batch (augmentation), in the thread that prepares batches: column c of
 * one example, its bytes in place. random: 64 bits that depend on seed, epoch and example only. */
typedef void (*tn_data_map_fn)(const tn_settings *s, const char *column, void *example, uint64_t random);
TN_API void tn_data_map(tn_data *d, tn_data_map_fn map);

/* ==== 9 The experiment ====================================================================== */

/* Named nodes, in order. x is the first of them, so that a model with one input reads in->x. */
typedef struct tn_values tn_values;
struct tn_value;
struct tn_values {
    tn_node x;
    tn_builder *builder;
    struct tn_value *v;
    int n, cap;
};
typedef tn_values tn_features;
typedef tn_values tn_outputs;
/* By name; the builder records NOT_FOUND with what there is. */
TN_API tn_node tn_value_of(const tn_values *v, const char *name);

enum { TN_DEFAULT_OUTPUT = 1 }; /* part of the signature "serving_default" */
TN_API void tn_output(tn_outputs *out, const char *name, tn_node value, unsigned flags);

/* What loss, metrics and summaries are made of. */
typedef struct tn_results {
    const tn_features *inputs; /* as the model saw them */
    const tn_outputs *outputs; /* the model's */
    const tn_features *labels;
    tn_node y;                 /* the default output (the first one without a flag) */
    tn_node label;             /* the first label */
    tn_node weights_loss;      /* tn_regularization_loss */
    tn_node loss;              /* for metrics and summaries; TN_NONE while the loss is made */
    tn_mode mode;
} tn_results;

/* Metrics over a whole data set: total of `sum` by total of `count`, both scalars of a batch (so that a last,
 * smaller batch weighs what it should). root: the square root of it. mean: of all elements. */
TN_API void tn_metric(tn_outputs *out, const char *name, tn_node sum, tn_node count, bool root);
TN_API void tn_metric_mean(tn_outputs *out, const char *name, tn_node values);
/* labels and classes: class numbers of any integer or float dtype, as many of the one as of the other. logits: [batch,
 * classes]; the share of labels among the k largest. */
TN_API void tn_metric_accuracy(tn_outputs *out, const char *name, tn_node labels, tn_node classes);
TN_API void tn_metric_top_k(tn_outputs *out, const char *name, tn_node labels, tn_node logits, int k);
/* Of numbers of one shape: [n] beside [n,1] is INVALID_ARGUMENT. */
TN_API void tn_metric_mse(tn_outputs *out, const char *name, tn_node labels, tn_node predictions);
TN_API void tn_metric_rmse(tn_outputs *out, const char *name, tn_node labels, tn_node predictions);
TN_API void tn_metric_mae(tn_outputs *out, const char *name, tn_node labels, tn_node predictions);
/* labels and predictions of one shape: bool, or numbers where 0 is false. Of none at all: 0. */
TN_API void tn_metric_precision(tn_outputs *out, const char *name, tn_node labels, tn_node predictions);
TN_API void tn_metric_recall(tn_outputs *out, const char *name, tn_node labels, tn_node predictions);

/* Summaries: what is written for viewing beside loss, learning rate and metrics. */
TN_API void tn_summary_scalar(tn_outputs *out, const char *name, tn_node value);
TN_API void tn_summary_histogram(tn_outputs *out, const char *name, tn_node value);
TN_API void tn_summary_image(tn_outputs *out, const char *name, tn_node images, int most); /* [n,h,w,c] */

/* What is sent to the served model; shape with -1 for the batch first. */
typedef struct tn_inputs tn_inputs;
TN_API void tn_serving_input(tn_inputs *in, const char *name, tn_dtype t, tn_shape shape);

/* Settings that every run has. In a record: what the experiment wants them to be; 0 (NULL): the default. Units, ranges
 * and defaults: `turnery check FILE.c --options`. */
typedef struct tn_run_settings {
    int64_t batch_size, eval_batch_size, max_steps, epochs, validate_every, summary_every, log_every, save_every;
    double save_seconds;
    int64_t keep, export_every, seed, threads, prefetch;
    const char *shuffle, *last_batch, *validate_unit;
} tn_run_settings;

/* A generic client, host code: one sample in, an answer as text. */
typedef struct tn_client {
    void *(*init)(const tn_settings *s, bool debug, tn_error *err); /* NULL with *err set: failed. May be absent */
    /* Sample `index` into d, as one example; recording OUT_OF_RANGE: there are no more. */
    void (*input)(void *state, const tn_settings *s, int64_t index, tn_data *d);
    /* What a line typed by the user means, as one example; may be absent (numbers are then taken as they are). */
    void (*parse)(void *state, const tn_settings *s, const char *line, tn_data *d);
    /* The answer as text for people into text (n bytes); names, values: the inputs, then the outputs. */
    void (*decode)(void *state, const tn_settings *s, const tn_feed *values, int n_values, char *text, size_t n);
    void (*finalize)(void *state);
} tn_client;

/* The experiment: settings and functions. Functions marked * may be NULL. */
typedef struct tn_experiment {
    const char *name;          /* letters, digits, '_', '-' and '.': names of run folders begin with it */
    const char *help;          /* * one line */
    const tn_option *options;  /* * rows of struct tn_settings */
    tn_run_settings run;
    void (*train)(tn_data *d, const tn_settings *s);
    void (*validate)(tn_data *d, const tn_settings *s); /* * */
    void (*test)(tn_data *d, const tn_settings *s);     /* * what only `turnery test` reads */
    void (*serving)(tn_inputs *in, const tn_settings *s); /* * without: the features as in training */
    /* * raw features -> the model's; part of the graph, also of the served one. */
    void (*preprocess)(tn_builder *b, const tn_settings *s, tn_mode mode, const tn_features *raw, tn_features *out);
    void (*model)(tn_builder *b, const tn_settings *s, tn_mode mode, const tn_features *in, tn_outputs *out);
    /* * the model's outputs -> what the served model answers. */
    void (*postprocess)(tn_builder *b, const tn_settings *s, const tn_outputs *model, tn_outputs *out);
    tn_node (*loss)(tn_builder *b, const tn_settings *s, const tn_results *r);
    tn_operation *(*optimizer)(tn_builder *b, const tn_settings *s, tn_node loss, tn_node global_step);
    void (*metrics)(tn_builder *b, const tn_settings *s, const tn_results *r, tn_outputs *out);   /* * */
    void (*summaries)(tn_builder *b, const tn_settings *s, const tn_results *r, tn_outputs *out); /* * */
    const tn_client *client; /* * */
} tn_experiment;

/* A model in a file of its own (--model FILE.c), with settings of its own; takes the place of the
 * experiment's. */
typedef struct tn_model {
    const char *name, *help;
    const tn_option *options;
    void (*model)(tn_builder *b, const tn_settings *s, tn_mode mode, const tn_features *in, tn_outputs *out);
} tn_model;

/* What a compiled file says of itself, so that a file compiled against another header is refused. */
typedef struct tn_abi_record {
    int abi;
    size_t size; /* of the record */
} tn_abi_record;
#ifndef __cplusplus
/* TN_EXPERIMENT = { .name = "...", ... }; */
#define TN_EXPERIMENT                                                                             \
    TN_API const tn_abi_record tn_experiment_abi = {TN_ABI, sizeof(tn_experiment)};               \
    TN_API const tn_experiment tn_experiment_record
#define TN_MODEL                                                                                  \
    TN_API const tn_abi_record tn_model_abi = {TN_ABI, sizeof(tn_model)};                         \
    TN_API const tn_model tn_model_record
#endif

/* A job: an experiment's file compiled, loaded and checked, with the settings given. What it reports on the way
 * goes to a listener: the library itself prints nothing. One thread at a time. */
typedef struct tn_job tn_job;
struct tn_news;
typedef struct tn_listener {
    void *payload;
    void (*words)(void *payload, const char *line);                     /* the compiler's, and warnings; may be NULL */
    void (*news)(void *payload, const struct tn_news *news);            /* of training; may be NULL */
} tn_listener;
typedef struct tn_job_options {
    const char *file;          /* FILE.c, or a run's folder: the source kept there, with the run's settings */
    const char *model;         /* MODEL.c; NULL: the experiment's own */
    const char *settings_file; /* JSON: {"name": value, ...}, or a run's settings.json; NULL: none */
    const char *const *set;    /* "name=value", stronger than the file */
    int n_set;
    size_t memory_limit; /* of each of its sessions, as in tn_session_options; 0: none */
    double time_limit;
    const tn_listener *listener; /* kept: must live as long as the job */
} tn_job_options;
TN_API tn_code tn_job_open(const tn_job_options *o, tn_job **out, tn_error *err);
TN_API void tn_job_close(tn_job *j);
TN_API const tn_experiment *tn_job_experiment(const tn_job *j);
TN_API const tn_settings *tn_job_settings(const tn_job *j);
TN_API const tn_run_settings *tn_job_run_settings(const tn_job *j);
TN_API char *tn_job_help(const tn_job *j);     /* all settings, as a table; tn_text_free */
/* Builds the networks and describes them: layers and parameters. tn_text_free. */
TN_API tn_code tn_job_summary(tn_job *j, char **out, tn_error *err);

typedef enum tn_news_kind {
    TN_NEWS_START, TN_NEWS_PROGRESS, TN_NEWS_STEP, TN_NEWS_VALIDATION, TN_NEWS_CHECKPOINT, TN_NEWS_EXPORT, TN_NEWS_END
} tn_news_kind;
typedef struct tn_news {
    tn_news_kind kind;
    int64_t step, max_steps;
    double loss, steps_per_s, seconds; /* steps_per_s: since the last report; at the end: of all */
    const char *run;     /* the run's folder */
    const char *path;    /* a checkpoint's or an export's */
    const char *reason;  /* the end's: "max_steps", "stopped", "failed" */
    const char *const *names; /* metrics */
    const double *values;
    int n_metrics;
} tn_news;
typedef struct tn_train_options {
    const char *logdir;       /* where run folders are made; NULL: "runs" */
    const char *resume;       /* a run's folder; NULL: a new run */
    bool fall_back;           /* on resume: when the newest checkpoint is damaged, take the one before */
    const volatile int *stop; /* set to other than 0: stops after the step in progress, with a checkpoint */
} tn_train_options;
TN_API tn_code tn_job_train(tn_job *j, const tn_train_options *o, tn_error *err);
/* A run's folder by path, by unique prefix of its name in logdir, or "latest" (of the experiment `name`, when not
 * NULL). tn_text_free. */
TN_API tn_code tn_find_run(const char *logdir, const char *run, const char *name, char **out, tn_error *err);
/* Metrics of a run's newest checkpoint on "test", "validate" or "train"; they come as TN_NEWS_VALIDATION. */
TN_API tn_code tn_job_test(tn_job *j, const char *run, const char *set, tn_error *err);
/* Exports a run's newest checkpoint to BASE/STEP (base NULL: the run's own folder). tn_text_free *path. */
TN_API tn_code tn_job_export(tn_job *j, const char *run, const char *base, char **path, tn_error *err);
/* Asks a run's newest checkpoint about one sample after another: the client's sample `index`, or (line not NULL)
 * what the line means. The answer is text; tn_text_free. OUT_OF_RANGE: there is no such sample. */
TN_API tn_code tn_job_ask(tn_job *j, const char *run, int64_t index, const char *line, char **answer, tn_error *err);
/* An image of [n,h,w] or [n,h,w,1], bytes or floats from 0 to 1, as characters, one line for two rows; tn_text_free.
 * NULL: it is no image of 4 to 128 pixels a side (or there is no memory). */
TN_API char *tn_image_text(const tn_tensor *images, int64_t index);
typedef struct tn_bench {
    int64_t steps, blocks; /* steps of a block; blocks that are timed, after one that is not */
    double first_step_s, final_loss;
    double ms_per_step[64];
    int n_blocks;
    int64_t batch;
    int threads;
} tn_bench;
/* Times training steps over the experiment's data in its order; fills in what is below steps and blocks. */
TN_API tn_code tn_job_bench(tn_job *j, tn_bench *bench, tn_error *err);

/* ==== 10 Files ============================================================================== */

/* A model that answers: a SavedModel's signature, prepared to be asked many times. One thread at a time. */
typedef struct tn_predictor tn_predictor;
typedef struct tn_spec {
    const char *name;
    tn_dtype dtype;
    tn_shape shape;
} tn_spec;
/* folder: a SavedModel, or a folder of numbered versions (the newest is taken). signature NULL:
 * "serving_default". options NULL: defaults. A sparse input or output KEY is three: KEY.indices, KEY.values,
 * KEY.dense_shape. */
TN_API tn_code tn_predictor_open(const char *folder, const char *signature, const tn_session_options *options,
                                 tn_predictor **out, tn_error *err);
TN_API void tn_predictor_close(tn_predictor *p);
/* Operators that are not there, of all the model's signatures: this one can run without them. */
TN_API const tn_missing *tn_predictor_missing(const tn_predictor *p, int *n);
TN_API int tn_predictor_inputs(const tn_predictor *p);
TN_API int tn_predictor_outputs(const tn_predictor *p);
TN_API const tn_spec *tn_predictor_input(const tn_predictor *p, int i);
TN_API const tn_spec *tn_predictor_output(const tn_predictor *p, int i);
/* in: by input; out: borrowed until the next call. */
TN_API tn_code tn_predictor_run(tn_predictor *p, const tn_tensor *const *in, const tn_tensor **out, tn_error *err);

/* Tensors: .npy for numbers, .json for strings (nested lists). */
TN_API tn_code tn_tensor_load(const char *path, tn_tensor **out, tn_error *err);
TN_API tn_code tn_tensor_save(const char *path, const tn_tensor *t, tn_error *err);

/* IDX files, plain or gzip; at most `most` items (0: all) and `limit` bytes (0: 2^33). */
TN_API tn_code tn_idx_load(const char *path, int64_t most, size_t limit, tn_tensor **out, tn_error *err);
/* A PNG or JPEG file: uint8 [height, width, channels]. channels 0: the file's own. */
TN_API tn_code tn_image_load(const char *path, int channels, tn_tensor **out, tn_error *err);

/* What was loaded: a graph, a session with its variables' values, and signatures. From a SavedModel folder (the
 * MetaGraph with these tags; none given: the only one, or "serve"); from a MetaGraph with a checkpoint
 * (checkpoint NULL: variables stay uninitialised); from a bare GraphDef (.pb, .pbtxt). After some runs of the same
 * shapes weights, be they variables or the graph's constants, are in memory once: in the form that runs look at. */
typedef struct tn_loaded tn_loaded;
typedef struct tn_loaded_value {
    const char *key;  /* what callers say: "x" */
    const char *name; /* the graph's value: "x:0" */
    tn_dtype dtype;
    tn_shape shape;
    const char *values, *indices, *dense_shape; /* of a sparse one, which has no name; else NULL */
} tn_loaded_value;
typedef struct tn_loaded_signature {
    const char *name, *method;
    const tn_loaded_value *in, *out;
    int n_in, n_out;
} tn_loaded_signature;
TN_API tn_code tn_load_saved_model(const char *folder, const char *const *tags, int n_tags,
                                   const tn_session_options *options, tn_loaded **out, tn_error *err);
TN_API tn_code tn_load_meta_graph(const char *meta_graph, const char *checkpoint, const tn_session_options *options,
                                  tn_loaded **out, tn_error *err);
TN_API tn_code tn_load_graph(const char *graph, const tn_session_options *options, tn_loaded **out, tn_error *err);
TN_API void tn_loaded_free(tn_loaded *m);
TN_API tn_graph *tn_loaded_graph(tn_loaded *m);
TN_API tn_session *tn_loaded_session(tn_loaded *m);
/* Operators that are not there and that signatures, or else any part of the graph, would need. The others run. */
TN_API const tn_missing *tn_loaded_missing(const tn_loaded *m, int *n);
TN_API int tn_loaded_signatures(const tn_loaded *m);
TN_API const tn_loaded_signature *tn_loaded_signature_at(const tn_loaded *m, int i);
/* By name; NULL or "": "serving_default". NOT_FOUND lists those there are. */
TN_API tn_code tn_loaded_find_signature(const tn_loaded *m, const char *name, const tn_loaded_signature **out,
                                        tn_error *err);
/* Saves it as TensorFlow's Saver does: PREFIX.index, PREFIX.data-00000-of-00001, PREFIX.meta, and the folder's state
 * file "checkpoint"; all that the graph's own restoring part names, else all variables that are not local. Where the
 * values came from a checkpoint of objects (TensorFlow 2's tf.train.Checkpoint, a SavedModel of TensorFlow 2) it is
 * one again, with its object graph and whatever else was in it. FAILED_PRECONDITION: a variable has no value. */
TN_API tn_code tn_loaded_save(tn_loaded *m, const char *prefix, tn_error *err);

/* Going on from a model that is there. Paths in an experiment are relative to its file, as its data's are.
 *
 * tn_import adds to the builder's graph what some values of another model need, as tf.import_graph_def with
 * input_map and return_elements. `from`: a SavedModel's folder (or one of numbered versions), a MetaGraph (NAME.meta)
 * or a bare GraphDef (.pb, .pbtxt). `prefix`: a variable scope for all of it; NULL or "": none.
 *   in: what takes the place of its inputs (or of any other of its values), of the same dtype and a fitting shape;
 *   results: the n_results values wanted; out[i] is results[i] in the builder's graph.
 * Values are called by a signature's key, by their name ("hidden/Relu:0", "hidden/Relu"), inside functions by the
 * names of calls and operation ("StatefulPartitionedCall/model/hidden/Relu"), or by the end of a name, where just one
 * operation that the signature needs has it ("hidden/Relu"). Calls of functions that only read are inlined.
 * Its variables become variables of the builder's graph under the prefix: they are shared where the scope reuses,
 * trained where they were trainable there, saved and exported, and begin with the checkpoint's values, whatever way
 * the graph's own restoring part keeps them (by names, by TensorFlow 2's objects, partitioned). Its tables come with
 * what is in them, as constants; what fills them is in the collection "table_initializer".
 * The builder records: NOT_FOUND (no such value: with the nearest name; no such file), INVALID_ARGUMENT (an input of
 * another dtype or shape; a placeholder that is needed and not given; variables that the checkpoint lacks or has in
 * another dtype or shape: all of them in one message), UNIMPLEMENTED (it needs another resource, or a table of a bare
 * GraphDef). */
typedef struct tn_input_map {
    const char *name;
    tn_node value;
} tn_input_map;
typedef struct tn_assignment {
    const char *from, *to; /* in the checkpoint; in the graph */
} tn_assignment;
typedef struct tn_import_options { /* zeros, or NULL for all of it: as said */
    const char *tags;       /* of the SavedModel's MetaGraph, separated by commas; NULL: the only one, or "serve" */
    const char *signature;  /* whose keys are names, too; NULL: "serving_default", where there is such */
    const char *checkpoint; /* where variables begin; NULL: the SavedModel's own, NAME of NAME.meta when it is there, or
                             * none; "": none. Without, they begin with the graph's own initial values */
    const tn_assignment *rules; /* where the checkpoint has other names than the model (to: a variable of the model,
                                 * or a scope), as tn_init_from_checkpoint's; those that no rule names have their own */
    int n_rules;
    unsigned flags; /* TN_PARTIAL, TN_FROZEN, TN_SLOTS */
} tn_import_options;
enum {
    TN_PARTIAL = 1, /* variables that the checkpoint lacks, or has otherwise, begin as they would without it */
    TN_FROZEN = 2,  /* none of them is trained */
    TN_SLOTS = 4    /* optimizers' slots begin with the checkpoint's, too: "w/Adam", "beta1_power" of TensorFlow 1's
                     * Saver, or what tf.train.Checkpoint and Keras keep; INVALID_ARGUMENT at the begin of training
                     * when it has none of them */
};
TN_API void tn_import(tn_builder *b, const char *prefix, const char *from, const tn_input_map *in, int n_in,
                      const char *const *results, int n_results, tn_node *out, const tn_import_options *o);
#ifndef __cplusplus
/* tn_import(b, "base", "model.meta", TN_GIVEN({"image:0", x}), TN_WANTED("hidden/Relu:0"), &hidden, NULL) */
#define TN_GIVEN(...) (const tn_input_map[]){__VA_ARGS__}, \
                      (int)(sizeof((const tn_input_map[]){__VA_ARGS__}) / sizeof(tn_input_map))
#define TN_WANTED(...) (const char *const[]){__VA_ARGS__}, \
                       (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))
#endif

/* Variables of the graph begin with a checkpoint's tensors, as tf.train.init_from_checkpoint. A rule takes one tensor
 * to one variable, or, where both names end in '/', all variables of a scope to the tensors of the same names in
 * another ("": the outermost). No rules: all variables there are, by their own names. Where several calls name one
 * variable the last counts. flags: TN_PARTIAL, TN_SLOTS. Only variables that are there at the time of the call; in
 * graphs for evaluation, serving and for a run that is resumed it does nothing. Recorded: NOT_FOUND (no checkpoint; no
 * such variable; a scope without variables), INVALID_ARGUMENT (tensors that are absent or of another dtype or shape:
 * all of them in one message). */
TN_API void tn_init_from_checkpoint(tn_builder *b, const char *checkpoint, const tn_assignment *rules, int n_rules,
                                    unsigned flags);
#ifndef __cplusplus
#define TN_RULES(...) (const tn_assignment[]){__VA_ARGS__}, \
                      (int)(sizeof((const tn_assignment[]){__VA_ARGS__}) / sizeof(tn_assignment))
#endif
/* The variable of this name, or all of the scope ("base/"; "": of the graph), are not trained: tn_minimize makes no
 * gradient, no update, no slots for them. They are saved and exported as before. NOT_FOUND: there is none. */
TN_API void tn_freeze(tn_builder *b, const char *name);
/* For programs with a session of their own: after the initializer, gives variables what they begin with by the two
 * above, and fills imported tables. NOT_FOUND, DATA_LOSS: of the checkpoint. `turnery train` does it by itself. */
TN_API tn_code tn_start_variables(tn_graph *g, tn_session *s, tn_error *err);

/* A checkpoint's tensors. */
typedef struct tn_bundle tn_bundle;
/* prefix: of PREFIX.index; or, of what Saver's V1 wrote, the file, or PREFIX-?????-of-00002. */
TN_API tn_code tn_bundle_open(const char *prefix, tn_bundle **out, tn_error *err);
TN_API bool tn_checkpoint_exists(const char *prefix);
TN_API void tn_bundle_close(tn_bundle *b);
TN_API int tn_bundle_count(const tn_bundle *b);
TN_API const char *tn_bundle_name(const tn_bundle *b, int i);
TN_API tn_code tn_bundle_read(tn_bundle *b, const char *name, tn_tensor **out, tn_error *err); /* DATA_LOSS: damaged */

/* ---- Looking into files: what they hold, as it is. Nothing is restored or run, operators need not be there. What is
 * given is borrowed until the reader is closed or, where said, asked for the next. ---- */

/* A tensor in a checkpoint's index. One in slices has n_slices > 0; its bytes are theirs together. */
typedef struct tn_bundle_info {
    const char *name;
    tn_dtype dtype; /* TN_INVALID_DTYPE: none of ours */
    tn_shape shape;
    int64_t bytes, offset; /* in the shard */
    int shard, n_slices;
} tn_bundle_info;
typedef struct tn_bundle_piece {
    tn_shape start, shape;
    int64_t bytes, offset;
    int shard;
} tn_bundle_piece;
TN_API int tn_bundle_shards(const tn_bundle *b);
TN_API tn_bundle_info tn_bundle_info_at(const tn_bundle *b, int i);
/* Where the checkpoint keeps TensorFlow 2's objects: what the variable, or the optimizer's slot, was called. NULL: not
 * known. */
TN_API const char *tn_bundle_variable(tn_bundle *b, int i);
/* Slice k of tensor i. DATA_LOSS: the index does not have it. */
TN_API tn_code tn_bundle_piece_at(const tn_bundle *b, int i, int k, tn_bundle_piece *out, tn_error *err);

/* The checkpoints of a folder, oldest first: those of the state file "checkpoint", then others that are there. */
typedef struct tn_checkpoint_info {
    const char *prefix;
    int64_t step;     /* the number after the last "-"; -1: none */
    int64_t bytes;    /* of its files */
    double timestamp; /* as the state file says; 0: it does not */
    bool is_listed, is_there, is_latest;
} tn_checkpoint_info;
typedef struct tn_checkpoint_list {
    const tn_checkpoint_info *v;
    int n;
    bool has_state; /* there is a state file */
    void *memory;
} tn_checkpoint_list;
/* DATA_LOSS or INVALID_ARGUMENT, with *out filled from the folder nevertheless: the state file is damaged. */
TN_API tn_code tn_checkpoint_list_read(const char *folder, tn_checkpoint_list *out, tn_error *err);
TN_API void tn_checkpoint_list_free(tn_checkpoint_list *list);

/* A SavedModel's folder, a MetaGraph or a GraphDef file (.pb, .pbtxt; by content). A graph that cannot be made use of
 * is shown as far as its message goes, and `problem` says what is wrong with it. */
typedef struct tn_graph_node {
    const char *name, *op, *device;
    const char *const *inputs; /* as written: "x", "x:1", "^x" */
    int n_inputs;
} tn_graph_node;
typedef struct tn_function_info {
    const char *name, *gradient; /* gradient: the function that is its; NULL */
    const tn_graph_node *nodes;
    int n_nodes, n_inputs, n_outputs;
} tn_function_info;
typedef struct tn_operator_count {
    const char *op;
    int in_graph, in_functions;
    bool is_function; /* a call by name */
    bool is_missing;
} tn_operator_count;
typedef struct tn_variable_entry {
    const char *name, *op, *key; /* key: in a checkpoint */
    tn_dtype dtype;
    tn_shape shape;
    bool is_local, is_slice; /* is_slice: a piece of a partitioned variable */
} tn_variable_entry;
typedef struct tn_asset_info {
    const char *tensor, *filename;
    int64_t bytes; /* -1: the file is not there */
} tn_asset_info;
typedef struct tn_collection_info {
    const char *name, *kind;  /* kind: "node_list", "bytes_list", "int64_list", "float_list", "any_list" */
    const char *const *items; /* as text; variables by name */
    int n;
} tn_collection_info;
typedef struct tn_saver_info {
    const char *filename_tensor, *save_tensor, *restore_op, *version;
    int max_to_keep;
    bool sharded;
    double keep_every_hours;
} tn_saver_info;
typedef struct tn_signature_info {
    tn_loaded_signature signature;
    const tn_missing *missing; /* operators it needs that are not there */
    int n_missing;
    const char *problem; /* other than those: a value that is not in the graph; NULL */
} tn_signature_info;
typedef struct tn_meta_graph_info {
    const char *const *tags;
    int n_tags;
    const char *tensorflow_version, *git_version, *init_op;
    int producer, min_consumer;
    const tn_graph_node *nodes;
    int n_nodes;
    const tn_function_info *functions;
    int n_functions;
    const tn_operator_count *ops; /* by name */
    int n_ops;
    const tn_signature_info *signatures;
    int n_signatures;
    const tn_variable_entry *variables;
    int n_variables;
    const tn_asset_info *assets;
    int n_assets;
    const tn_collection_info *collections;
    int n_collections;
    const tn_saver_info *saver; /* NULL: none */
    const tn_missing *missing;  /* of all signatures (without any: of the graph) and the initialization */
    int n_missing;
    tn_code problem_code;
    const char *problem; /* why the graph cannot be used; NULL: it can */
} tn_meta_graph_info;
typedef enum tn_archive_kind { TN_ARCHIVE_SAVED_MODEL = 1, TN_ARCHIVE_META_GRAPH, TN_ARCHIVE_GRAPH } tn_archive_kind;
typedef struct tn_archive tn_archive;
TN_API tn_code tn_archive_open(const char *path, tn_archive **out, tn_error *err);
TN_API void tn_archive_close(tn_archive *a);
TN_API tn_archive_kind tn_archive_kind_of(const tn_archive *a);
TN_API int tn_archive_count(const tn_archive *a); /* MetaGraphs; 1 for other kinds */
TN_API const tn_meta_graph_info *tn_archive_at(const tn_archive *a, int i);

/* TFRecord files, plain, GZIP or ZLIB (by their content). */
typedef struct tn_record_file tn_record_file;
TN_API tn_code tn_record_file_open(const char *path, tn_record_file **out, tn_error *err);
/* The next record, valid until the one after. OUT_OF_RANGE: the end; DATA_LOSS gives file, record and offset. */
TN_API tn_code tn_record_file_next(tn_record_file *r, tn_bytes *record, tn_error *err);
TN_API void tn_record_file_close(tn_record_file *r);
TN_API const char *tn_record_file_compression(const tn_record_file *r); /* "none", "GZIP", "ZLIB" */

/* A record as a tf.Example or tf.SequenceExample. */
typedef enum tn_feature_kind { TN_FEATURE_NONE, TN_FEATURE_BYTES, TN_FEATURE_FLOATS, TN_FEATURE_INTS } tn_feature_kind;
typedef struct tn_feature_value {
    tn_feature_kind kind;
    int64_t n;
    const tn_bytes *bytes;
    const float *floats;
    const int64_t *ints;
} tn_feature_value;
typedef struct tn_named_feature {
    const char *name;
    tn_feature_value value;
} tn_named_feature;
typedef struct tn_named_feature_list {
    const char *name;
    const tn_feature_value *v;
    int64_t n;
} tn_named_feature_list;
typedef struct tn_example {
    bool is_sequence;
    const tn_named_feature *features; /* a sequence's: its context */
    int n_features;
    const tn_named_feature_list *lists;
    int n_lists;
    void *memory;
} tn_example;
/* INVALID_ARGUMENT: the record is neither of them. Bytes are the record's. */
TN_API tn_code tn_example_read(tn_bytes record, tn_example *out, tn_error *err);
TN_API void tn_example_free(tn_example *e);
/* A list of objects, [{"age": [22, 24], "name": ["a"]}, ...], as serialized tf.Examples: strings [n]. Whole numbers
 * are int64_list, others float_list, strings bytes_list; by the first of each. */
TN_API tn_code tn_examples_from_json(const char *text, tn_tensor **out, tn_error *err);

/* Event files, as TensorBoard reads them. */
typedef struct tn_event_histogram {
    double min, max, num, sum, sum_squares;
    const double *limits, *counts;
    int64_t n;
} tn_event_histogram;
typedef struct tn_event_value {
    const char *tag;
    const char *kind; /* "simple_value", "tensor", "histo", "image", "audio", "obsolete_old_style_histogram", "" */
    bool has_metadata;
    const char *plugin, *display_name, *description; /* metadata's */
    tn_bytes plugin_content;
    int data_class;
    float simple_value;
    const tn_tensor *tensor; /* NULL when it is none, or `problem` says why it cannot be read */
    const char *problem;
    tn_event_histogram histogram;
    tn_bytes encoded; /* of an image or audio */
    int height, width, colorspace;
    float sample_rate;
    int64_t channels, frames;
    const char *content_type;
} tn_event_value;
typedef struct tn_event {
    double wall_time;
    int64_t step;
    const char *what;  /* "file_version", "graph_def", "summary", "session_log", ..., "" */
    const char *text;  /* the version, the message, a run's tag, a session's status; NULL */
    const char *path, *message; /* a session log's; NULL */
    tn_bytes bytes;    /* of a graph_def, meta_graph_def or tagged_run_metadata */
    const char *const *nodes; /* of a graph_def */
    int n_nodes;
    const tn_event_value *values; /* of a summary */
    int n_values;
} tn_event;
typedef struct tn_event_file tn_event_file;
TN_API tn_code tn_event_file_open(const char *path, tn_event_file **out, tn_error *err);
/* The next event, valid until the one after. OUT_OF_RANGE: the end; DATA_LOSS gives file, record and offset. */
TN_API tn_code tn_event_file_next(tn_event_file *f, const tn_event **out, tn_error *err);
TN_API void tn_event_file_close(tn_event_file *f);

/* ==== 11 Serving ============================================================================ */

/* The model server: PredictionService, ModelService and TensorFlow Serving's REST API for any number of models and
 * versions. Options are the flags of tensorflow_model_server by the same names and with the same meaning and defaults
 * (tn_server_defaults), then those that are ours. Strings are borrowed until the server is gone. */
typedef struct tn_server_options {
    /* gRPC */
    int64_t port; /* 0: none */
    const char *grpc_socket_path, *grpc_channel_arguments, *ssl_config_file;
    int64_t grpc_max_threads; /* that move bytes; 0: one a core, at most 4 */
    bool enable_grpc_healthcheck_service, enable_serialization_as_tensor_content;
    /* REST */
    int64_t rest_api_port, rest_api_num_threads, rest_api_timeout_in_ms;
    bool rest_api_enable_cors_support;
    /* models */
    const char *model_name, *model_base_path, *model_config_file, *saved_model_tags;
    double model_config_file_poll_wait_seconds, file_system_poll_wait_seconds; /* the second: < 0: never, 0: once */
    int64_t num_load_threads, num_unload_threads, max_num_load_retries, load_retry_interval_micros;
    bool allow_version_labels_for_unavailable_models, enable_signature_method_name_check;
    /* batching */
    bool enable_batching, enable_per_model_batching_parameters;
    const char *batching_parameters_file;
    /* running */
    int64_t tensorflow_session_parallelism, tensorflow_intra_op_parallelism, tensorflow_inter_op_parallelism;
    const char *tensorflow_session_config_file;
    bool enable_model_warmup;
    int64_t num_request_iterations_for_warmup;
    const char *monitoring_config_file;
    /* ours */
    const char *model_dir;              /* a training run: its exports are followed */
    const char *meta_graph, *checkpoint; /* served as they are; meta_graph NULL: the checkpoint's own .meta */
    /* What is asked of a MetaGraph without signatures, as "x=x:0,keep=keep_prob:0" and "y=softmax:0". */
    const char *signature_inputs, *signature_outputs;
    double batch_latency_ms;            /* batches tune themselves to it; 0: no */
    const char *access_log;             /* a file, "-": standard error */
    const char *auth_tokens_file;       /* who may ask which model */
    bool rest_api_ssl;                  /* ssl_config_file serves the REST port, too */
    bool rest_api_gzip;                 /* REST's answers are compressed for those who accept that */
    int64_t max_connections, max_streams; /* 0: by the descriptors there may be; 1000 a connection */
    size_t max_request_size;            /* bytes; 0: 2^31 - 1 */
    size_t model_memory_limit;          /* of each version; 0: none */
    bool strictly_tensorflow;           /* every reply as TensorFlow Serving's: none of our own */
    /* level: 0 debug, 1 info, 2 warning, 3 error. From any thread. */
    void (*log)(void *payload, int level, const char *line);
    void *payload;
} tn_server_options;
TN_API void tn_server_defaults(tn_server_options *o);

typedef struct tn_server tn_server;
/* Checks the options and reads the files they name; nothing runs yet. INVALID_ARGUMENT names the flag. */
TN_API tn_code tn_server_new(const tn_server_options *o, tn_server **out, tn_error *err);
/* Loads the models, then opens the ports: returns when requests are answered, or CANCELLED when it was stopped
 * meanwhile. */
TN_API tn_code tn_server_start(tn_server *s, tn_error *err);
/* The port that was opened: 0 gRPC, 1 REST; 0: none. */
TN_API int tn_server_port(const tn_server *s, int which);
/* Reads the model configuration again and looks at the folders. Waits until it is so, or until another configuration
 * takes its place (ABORTED). */
TN_API tn_code tn_server_reload(tn_server *s, tn_error *err);
/* Health goes NOT_SERVING, no new connections are taken, running requests get `seconds` to finish. From any thread,
 * once. true: all of them finished. */
TN_API bool tn_server_stop(tn_server *s, double seconds);
TN_API void tn_server_free(tn_server *s); /* stops it when nobody has */

/* ==== 12 Clients ============================================================================ */

/* A stub: a client of a model server, ours or TensorFlow Serving's. Threads may share one. */
typedef struct tn_stub tn_stub;
typedef struct tn_stub_options {
    const char *server; /* "HOST:PORT" or "unix:PATH": gRPC; "http://HOST:PORT", "https://HOST:PORT": REST */
    bool tls;           /* gRPC within TLS; also when one of the following files is given */
    const char *ca_file, *cert_file, *key_file; /* PEM; NULL: the system's authorities, no certificate */
    const char *host;   /* the name that the server's certificate has, where that is not the server's */
    const char *token;  /* a bearer token */
    bool gzip;          /* requests are compressed */
    size_t max_message; /* of an answer, bytes; 0: 2^31 - 1 */
} tn_stub_options;
/* No connection is made yet. INVALID_ARGUMENT, NOT_FOUND: the options. */
TN_API tn_code tn_stub_new(const tn_stub_options *o, tn_stub **out, tn_error *err);
TN_API void tn_stub_free(tn_stub *c); /* questions not yet answered end as CANCELLED */

typedef struct tn_question { /* borrowed during the call only */
    const char *model;
    int64_t version;     /* 0: the newest, or the label's */
    const char *label;   /* NULL: none */
    const char *signature; /* NULL: serving_default */
    const tn_feed *inputs; /* by the signature's keys */
    int n_inputs;
    const char *const *outputs; /* those wanted; n_outputs 0: all */
    int n_outputs;
    double seconds;      /* the deadline from now; 0: none */
} tn_question;
typedef struct tn_answer {
    const char *model, *signature; /* as the server says; NULL: it does not (REST) */
    int64_t version;
    const char *const *names; /* of outputs, ascending */
    tn_tensor *const *values;
    int n;
    void *memory;
} tn_answer;
/* The server's code and message when it refuses; UNAVAILABLE: it cannot be reached. */
TN_API tn_code tn_stub_predict(tn_stub *c, const tn_question *q, tn_answer *out, tn_error *err);
TN_API void tn_answer_free(tn_answer *a);
/* Returns at once; `answered` is called once, from the client's own thread, with an answer that is borrowed (NULL when
 * code is not TN_OK), and must not wait. gRPC only. */
typedef void (*tn_answered)(void *payload, tn_code code, const char *message, const tn_answer *answer);
typedef struct tn_future tn_future;
TN_API tn_code tn_stub_predict_async(tn_stub *c, const tn_question *q, tn_answered answered, void *payload,
                                       tn_future **out, tn_error *err); /* out NULL: it is not to be cancelled */
TN_API void tn_future_cancel(tn_future *f);
TN_API void tn_future_free(tn_future *f);

/* A signature as the server describes it (GetModelMetadata). NOT_FOUND lists those there are. */
typedef struct tn_described_signature {
    int64_t version;
    tn_loaded_signature signature;
    void *memory;
} tn_described_signature;
TN_API tn_code tn_stub_describe(tn_stub *c, const tn_question *q, tn_described_signature *out, tn_error *err);
TN_API void tn_described_signature_free(tn_described_signature *s);

/* A request log (TFRecord of PredictionLog: a server's logging_config, or warm-up requests) asked again, at another
 * server or version, and its answers compared. gRPC only. */
typedef enum tn_replay_verdict {
    TN_REPLAY_EQUAL,
    TN_REPLAY_NEAR,      /* within the tolerance */
    TN_REPLAY_DIFFERENT,
    TN_REPLAY_FAILED,    /* the server refused, or the record is damaged: code and text */
    TN_REPLAY_ALONE,     /* answered, but there is no recorded answer */
    TN_REPLAY_SKIPPED    /* no request of a kind that can be asked, or recorded after the replay began */
} tn_replay_verdict;
typedef struct tn_replayed { /* of one record; borrowed */
    const char *path, *kind, *model; /* kind: "predict", "classify", "regress", "multi_inference", "other" */
    int64_t record;
    tn_replay_verdict verdict;
    tn_code code;
    const char *text;     /* where it differs first, with both values; the error's message */
    int64_t different;    /* values that differ */
    int64_t microseconds; /* until the answer */
} tn_replayed;
typedef struct tn_replay_options {
    const char *model;   /* NULL: the recorded one */
    int64_t version;     /* 0, and label NULL: the recorded ones, or the newest of another model */
    const char *label;
    double tolerance;    /* of |is - was|, relative to |was| where that is more than 1; 0: equal numbers only */
    int concurrency;     /* questions on their way at once; 0: one */
    double seconds;      /* each one's deadline; 0: none */
    void (*told)(void *payload, const tn_replayed *r); /* of every record, one thread at a time, in any order */
    void *payload;
} tn_replay_options;
/* NOT_FOUND, DATA_LOSS: the file. What a record comes to is no error here. */
TN_API tn_code tn_stub_replay(tn_stub *c, const char *path, const tn_replay_options *o, tn_error *err);

#ifdef __cplusplus
}
#endif

#endif
