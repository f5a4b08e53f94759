/* SPDX-License-Identifier: Apache-2.0
 *
 * op.h - how an operator is written. One record per TensorFlow op, in an op_*.c, plus one line in
 * ops.def. Shape, value and gradient of an operator stand together; how fast is kernel/'s business.
 *
 * Life of a record: `infer` says what is known of the outputs from what is known of the inputs (when a
 * graph is built, when a plan is bound to shapes, and while running where shapes are known only then).
 * `prepare` is given concrete shapes, once per bound plan (or whenever shapes change, in dynamic steps):
 * it parses attributes into params, picks a kernel and asks for scratch. `run` computes, many times,
 * from many threads at once, allocating nothing. `grad` adds the graph nodes of the gradient. `expand`
 * replaces the operation in the plan by simpler ones.
 *
 * Invariants: run writes only its outputs (or, as an in-place operator, the input they alias) and the
 * variables it declares in `writes`; params are read-only in run.
 */
#ifndef TN_OP_H
#define TN_OP_H

#include "graph.h"

struct tn_run_context;

/* ==== inference ==== */
typedef struct tn_infer {
    const tn_op *op;
    const char *name;
    const tn_attrs *attrs;
    const tn_graph *library; /* functions */
    int n_in, n_out;
    const tn_info *const *in;
    tn_info *out; /* dtype is set already; shape starts unknown, value NULL */
    tn_arena *arena;
    bool *late; /* NULL: what is behind handles is not followed (tn_kept) */
} tn_infer;
/* Helpers (infer.c). All fail with INVALID_ARGUMENT in TensorFlow's words. */
tn_code tn_infer_rank(const tn_infer *c, int i, int rank, tn_error *err); /* unknown passes */
tn_code tn_infer_rank_at_least(const tn_infer *c, int i, int rank, tn_error *err);
tn_code tn_infer_merge_dim(int64_t a, int64_t b, int64_t *out, tn_error *err); /* -1 unknown */
/* An integer vector input as a shape: unknown elements -1 (so is a literal -1); false: length unknown. */
bool tn_infer_ints(const tn_infer *c, int i, tn_shape *out);
/* The same where the vector is the shape of what is made: a negative element is refused; rank -1: unknown. */
tn_code tn_infer_new_shape(const tn_infer *c, int i, tn_shape *out, tn_error *err);
bool tn_infer_int(const tn_infer *c, int i, int64_t *out);        /* a known integer scalar */
void tn_infer_set_ints(tn_infer *c, int o, const tn_shape *ints); /* partly known output vector */
/* Ready-made `infer`s */
tn_code tn_infer_unchanged(tn_infer *c, tn_error *err);  /* every output k like input k */
tn_code tn_infer_like_first(tn_infer *c, tn_error *err); /* every output like input 0 */
tn_code tn_infer_broadcast(tn_infer *c, tn_error *err);  /* output 0: inputs 0 and 1 broadcast */
tn_code tn_infer_scalar(tn_infer *c, tn_error *err);
tn_code tn_infer_none(tn_infer *c, tn_error *err); /* outputs unknown (or there are none) */

/* What is behind a handle: followed where a plan is made, by operators with TN_KEEPS; whatever else is given such a
 * handle ends it (kept.c). k NULL: it is not followed. */
typedef struct tn_kept tn_kept;
tn_code tn_kept_new(const tn_infer *c, int o, tn_error *err); /* output o is a new handle */
void tn_kept_put(tn_kept *k, const tn_shape *shape, const tn_tensor *value);
void tn_kept_get(tn_kept *k, tn_info *out); /* one of the values: its shape, and what it is, as far as they are known */
void tn_kept_end(tn_kept *k);               /* from now on nothing is known */

/* ==== preparation and running ==== */
typedef struct tn_run tn_run;
typedef tn_code (*tn_run_fn)(tn_run *r, tn_error *err);

typedef struct tn_prepare {
    const tn_op *op;
    const char *name;
    const tn_attrs *attrs;
    int n_in, n_out;
    /* Concrete dtypes and shapes. data is there for the inputs in the record's `values`, and for other
     * inputs that are constants (is_constant); never for outputs. Outputs in `dynamic` have no shape. */
    const tn_tensor *const *in;
    const tn_tensor *const *out;
    const bool *is_constant;
    int threads;
    tn_arena *arena;              /* for params: lives as long as they do */
    const struct tn_files *files; /* the session's (files.h); NULL: none */
    struct tn_packs
        *packs; /* where constants are packed (pack.h); NULL: the constants may go before the params do */
    size_t *room; /* bytes that may be packed still; NULL: no limit */
    /* results */
    void *params;
    tn_run_fn run;              /* starts as the record's */
    size_t scratch;             /* bytes handed to run, 64-byte aligned */
    uint32_t unread;            /* constant inputs at which no run looks: params has them in another form */
    struct tn_pack *pack;       /* a constant in another form, at which runs look; NULL: none, or not one alone */
    void (*done)(void *params); /* releases what params holds outside the arena; may be NULL */
    void (*rest)(void *params); /* releases what runs have left and the next one makes anew; may be NULL */
} tn_prepare;
/* params of a type, zeroed, set in p->params; RESOURCE_EXHAUSTED when there is no memory. */
#define TN_PARAMS(p, T, var)                       \
    T *var = TN_NEW((p)->arena, T);                \
    if (!var) return tn_no_memory(err, sizeof(T)); \
    (p)->params = var

struct tn_run {
    const tn_tensor **in;
    tn_tensor **out; /* storage is there, of the inferred shape; not for outputs in `dynamic` */
    int n_in, n_out;
    const void *params;
    void *scratch;
    int threads;
    const char *name;
    const tn_op *op;
    const tn_attrs *attrs;
    struct tn_run_context *context;
    const void *step;
};
/* Storage of an output in `dynamic`, once its shape is known (before any of it is written). On the heap where the run
 * is no step's but an operator's own, to have another's code do a part of its work. */
tn_code tn_run_output(tn_run *r, int o, const tn_shape *shape, tn_error *err);
/* Makes output o share the data of t (a counted tensor, or one of the inputs) instead of copying. */
tn_code tn_run_output_share(tn_run *r, int o, const tn_tensor *t, tn_error *err);
bool tn_run_cancelled(const tn_run *r); /* long loops look at it */

/* ==== state: what inputs of dtype resource, or references, point to (state.c) ==== */
typedef enum {
    TN_RES_ITERATOR,
    TN_RES_MULTI_ITERATOR,
    TN_RES_CACHE,
    TN_RES_SEEDS,
    TN_RES_DUMMY, /* of data sets */
    TN_RES_TREES,
    TN_RES_QUANTILES,
    TN_RES_SUMMARY_WRITER,
    TN_RES_VARIABLE,
    TN_RES_TENSOR_ARRAY,
    TN_RES_STACK,
    TN_RES_TABLE,
    TN_RES_RNG,
    TN_RES_QUEUE,
    TN_RES_SPARSE_MAP,
    TN_RES_SAMPLER,
    TN_RES_COUNT,
    TN_RES_ACCUMULATOR,
    TN_RES_READER,
    TN_RES_BARRIER,
    TN_RES_STAGE_MAP,
    TN_RES_MUTEX,
    TN_RES_KEPT_TENSORS,
    TN_RES_CORPUS,   /* Skipgram's text */
    TN_RES_RECORDS,  /* RecordInput's */
    TN_RES_CALIBRATION /* CalibrationStatisticsSaver's */
} tn_resource_kind;
/* One of `size` bytes, zeroed behind its head, which has a copy of the name and one reference. NULL: no memory.
 * `release` drops what it holds and ends with tn_resource_free. */
void *tn_resource_new(size_t size, tn_resource_kind kind, const char *name, void (*release)(tn_resource *self));
void tn_resource_free(tn_resource *self);
/* The resource input i refers to. INVALID_ARGUMENT when it is of another kind or none. */
tn_code tn_run_resource(const tn_run *r, int i, tn_resource_kind kind, tn_resource **out, tn_error *err);
/* A new resource in output o; it lives as long as the run (or the tensors that hold it). Takes `res`. */
tn_code tn_run_new_resource(tn_run *r, int o, tn_resource *res, tn_error *err);
/* The session's resource of this kind and name (tables), made by `make` at the first call, in output o. It
 * lives as long as the session. make gives one with one reference, NULL: no memory. */
tn_code tn_run_named_resource(tn_run *r, int o, tn_resource_kind kind, const char *name,
                              tn_resource *(*make)(const tn_run *r), tn_error *err);

/* The same by the attributes container and shared_name, as handles of TensorFlow's resources are found: of
 * each prefix for itself, and all that have no name are one. */
tn_code tn_run_shared_resource(tn_run *r, int o, tn_resource_kind kind, const char *prefix,
                               tn_resource *(*make)(const tn_run *r), tn_error *err);
/* The same without a handle: a reference on it. */
tn_code tn_run_session_resource(const tn_run *r, tn_resource_kind kind, const char *name,
                                tn_resource *(*make)(const tn_run *r), tn_resource **out, tn_error *err);

/* The same by the attribute shared_name, or the operation's own name where that is empty, after a prefix. */
tn_code tn_run_own_resource(const tn_run *r, tn_resource_kind kind, const char *prefix,
                            tn_resource *(*make)(const tn_run *r), tn_resource **out, tn_error *err);

/* What the session has by this name, with a reference; NOT_FOUND. */
tn_code tn_run_find_resource(const tn_run *r, tn_resource_kind kind, const char *name, tn_resource **out,
                             tn_error *err);

/* A variable's value, borrowed for the time of this step. FAILED_PRECONDITION "... uninitialized". */
tn_code tn_run_variable(const tn_run *r, int i, const tn_tensor **out, tn_error *err);
/* The same to be changed in place: copied first when a reader still holds it. For inputs in `writes`. */
tn_code tn_run_variable_writable(tn_run *r, int i, tn_tensor **out, tn_error *err);
/* Replaces it (dtype must fit; shape too unless the variable's is unknown or any_shape). */
tn_code tn_run_variable_assign(tn_run *r, int i, const tn_tensor *value, bool any_shape, tn_error *err);
bool tn_run_variable_initialized(const tn_run *r, int i);
/* Output o, a reference (TensorFlow 1's Assign, AssignAdd, ...), becomes input i's. */
void tn_run_forward_ref(tn_run *r, int o, int i);
/* The op instance's own Philox generator: reserves n 128-bit samples and returns the state to start from
 * (key in seed order as TensorFlow's GuardedPhiloxRandom: attributes seed, seed2; both 0: session's). */
typedef struct tn_philox_state {
    uint32_t counter[4], key[2];
} tn_philox_state;
tn_code tn_run_random(tn_run *r, uint64_t samples, tn_philox_state *out, tn_error *err);

/* ==== gradients ==== */
typedef struct tn_grad {
    tn_builder *b;
    tn_operation *op;  /* the forward operation */
    const tn_node *dy; /* gradient of each output; op NULL: none (use tn_grad_dy for zeros) */
    tn_gradient *dx;   /* results, one an input; TN_GRAD_NONE to begin with */
} tn_grad;
typedef tn_code (*tn_grad_fn)(tn_grad *g, tn_error *err);
static inline tn_node tn_grad_in(const tn_grad *g, int i)
{
    return g->op->in[i];
}
static inline tn_node tn_grad_out(const tn_grad *g, int i)
{
    return (tn_node){g->op, i};
}
tn_node tn_grad_dy(tn_grad *g, int o); /* zeros like the output where there is none */
void tn_grad_set(tn_grad *g, int i, tn_node dx);
void tn_grad_set_slices(tn_grad *g, int i, tn_node values, tn_node indices, tn_node dense_shape);
/* dx of a broadcasting binary op: sums over the axes that `input i` was broadcast along, as TensorFlow
 * does (BroadcastGradientArgs, Sum, Reshape), skipped when shapes are equal and known. */
void tn_grad_set_unbroadcast(tn_grad *g, int i, tn_node dx, int other);

/* ==== the record ==== */
enum {
    TN_STATEFUL = 1, /* never merged, folded or dropped when it has effects: random, state, I/O */
    TN_ALIAS = 2, /* output k is input k's data under its inferred shape (Reshape, IdentityN, ...): no run */
    TN_INPLACE = 4, /* run may be given an output that is the memory of an input of the same shape and size */
    TN_INPLACE_FIRST =
        16,              /* the same of input 0 alone: the others are read when the output is being written */
    TN_POINTWISE = 8,    /* element-wise float op that the fused program of kernel/ knows (by `pointwise`) */
    TN_EFFECT = 32,      /* runs whenever it is reached in a function body, fetched or not (Assert, writes) */
    TN_NO_GRADIENT = 64, /* TensorFlow gives none (NotDifferentiable): the gradient stops here */
    TN_FRAMED =
        128, /* of loops and branches of TensorFlow 1, which are differentiated in their functional form */
    TN_KEEPS = 256, /* infer says what it does with what is behind its handle (tn_kept) */
    TN_SHARES = 512, /* outputs are buffers that others hold, too: never in the plan's block */
};
#define TN_BIT(i) (1u << (i))
#define TN_LAST_INPUT TN_BIT(31) /* in values: the last input, whatever its number (ConcatV2's axis) */

struct tn_op {
    const char *name;
    /* TensorFlow's signature in one line, as tools/op-sig prints it from the op definitions:
     * "a:T b:T -> product:T; transpose_a:bool=false T:type{bfloat16,half,float}" */
    const char *sig;
    tn_code (*infer)(tn_infer *c, tn_error *err);
    tn_code (*prepare)(tn_prepare *p, tn_error *err); /* NULL: nothing to prepare */
    tn_run_fn run;                                    /* NULL: an alias, or expanded, or the planner's own */
    tn_grad_fn grad; /* NULL with TN_NO_GRADIENT unset: an error names the op */
    unsigned flags;
    unsigned values;  /* bits of inputs whose value infer and prepare need (axis, shape, perm, ...) */
    unsigned dynamic; /* bits of outputs whose shape only run knows (Where, ...); bit 31: and all after */
    unsigned reads, writes; /* bits of inputs (resources or references) that are read, written */
    const char *pointwise;  /* name in kernel/'s fused program, with TN_POINTWISE */
};

/* A record of an operator with state that has nothing to prepare; in the file's own macros, where rows share more. */
#define TN_STATE_OP(Name, Run, Infer, Flags, Dynamic, Sig)      \
    const tn_op tn_op_##Name = {.name = #Name,                  \
                                .sig = Sig,                     \
                                .infer = Infer,                 \
                                .run = Run,                     \
                                .flags = TN_STATEFUL | (Flags), \
                                .dynamic = (Dynamic)}

static inline bool tn_op_is_dynamic(const tn_op *op, int o)
{
    return op->dynamic >> (o < 31 ? o : 31) & 1;
}

/* ==== registry (registry.c) ==== */
const tn_op *tn_op_find(const char *name);
int tn_op_count(void);
const tn_op *tn_op_at(int i);

/* ==== signatures (sig.c) ==== */
typedef struct tn_sig_arg {
    const char *name;
    tn_dtype type;              /* fixed dtype, or TN_INVALID_DTYPE: */
    const char *type_attr;      /* attribute that names the dtype */
    const char *number_attr;    /* a list of this many of one dtype */
    const char *type_list_attr; /* a list with these dtypes */
    bool is_ref;
} tn_sig_arg;
typedef struct tn_sig_attr {
    const char *name;
    tn_attr_kind kind;
    bool is_list, has_default;
    tn_attr def;
    uint32_t allowed_types;      /* bit per dtype; 0: any */
    const char *allowed_strings; /* "SAME|VALID"; NULL: any */
    bool has_min;
    int64_t min;
} tn_sig_attr;
typedef struct tn_sig {
    tn_sig_arg *in, *out;
    int n_in, n_out;
    tn_sig_attr *attrs;
    int n_attrs;
} tn_sig;
/* The parsed sig of a row, made on first use, shared by threads; NULL: the line is malformed (a test
 * checks that none is). */
const tn_sig *tn_op_sig(const tn_op *op);
/* One line parsed into one block of memory (tn_free it). NULL: malformed, or no memory. */
tn_sig *tn_sig_parse(const char *line);

#endif
