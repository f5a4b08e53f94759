/* SPDX-License-Identifier: Apache-2.0
 *
 * plan.h - from graph to steps. For those that plan and for passes/; others see sessions (session.h).
 *
 *   lower    what fetches, feeds and targets need of a graph, pruned, calls inlined, loops functional:
 *            a region of plan nodes. Once per (feeds, fetches, targets).
 *   bind     a copy of it for concrete feed shapes and a number of threads: inferred, folded, merged,
 *            fused, ordered; every value has a place; every step is prepared. Once per shape.
 *   run      a loop over the steps, in a run context which one thread holds at a time.
 *
 * All rewriting happens here, never in the graph; plan nodes keep the names of the operations they
 * came from. Invariants: a bound program is immutable and shared by threads; what a run changes lives in
 * its context; nodes of a region are in an order that respects data, control and effects.
 */
#ifndef TN_PLAN_H
#define TN_PLAN_H

#include "state.h"

/* ==== the representation ==== */
typedef struct tn_pnode tn_pnode;
typedef struct tn_region tn_region;
typedef struct tn_pval {
    tn_pnode *node;
    int index;
} tn_pval;

struct tn_pnode {
    const tn_op *op;
    const char *name;
    const tn_attrs *attrs;
    tn_pval *in;
    int n_in;
    tn_pnode **control;
    int n_control, cap_control; /* 0: room that may be another node's, too */
    tn_info *out;
    int n_out;
    tn_region **sub; /* If: then, else; Case: the branches; While: condition, body */
    int n_sub;
    tn_resource *resource; /* of a variable's handle; of a random operation its generator */
    bool effect;           /* runs though nobody uses its outputs */
    int feed;              /* _Feed: which; _Arg: which */
    tn_pval mask;          /* where it is `discards` throughout, nobody looks at the outputs; node NULL: always */
    bool discards;
    /* working fields of a pass */
    int mark, order, slot;
    tn_pnode *copy;
    void *extra; /* fused steps: what the kernel needs */
};

struct tn_region {
    tn_pnode **args; /* "_Arg" nodes: one for each input of the node that runs the region */
    int n_args;
    tn_pnode **nodes; /* in order; without the args */
    int n_nodes, cap_nodes;
    tn_pval *rets;
    int n_rets;
};

typedef struct tn_made { /* a body that was made for an operator (made.h) */
    tn_graph *body;
    struct tn_made *next;
} tn_made;

typedef struct tn_lowered {
    tn_arena *arena;
    const tn_graph *graph;
    tn_store *store;
    tn_region *top; /* rets are the fetches; "_Feed" nodes among its nodes */
    tn_pnode **feeds;
    int n_feeds, n_fetches;
    tn_made *made; /* freed with the plan */
} tn_lowered;

/* Values of the graph by name, e.g. "x:0". Errors: NOT_FOUND; UNIMPLEMENTED lists every operator we do
 * not have, with the node that needs it. */
tn_code tn_lower(const tn_graph *g, tn_store *store, const char *const *feeds, int n_feeds, const char *const *fetches,
                 int n_fetches, const char *const *targets, int n_targets, tn_lowered **out, tn_error *err);
/* A function of the library: its arguments are the feeds, its results the fetches; names begin with the prefix. */
tn_code tn_lower_function(const tn_function *f, tn_store *store, const char *prefix, tn_lowered **out, tn_error *err);
void tn_lowered_free(tn_lowered *l);

/* Building blocks of passes (region.c); NULL: no memory. */
tn_pnode *tn_pnode_new(tn_arena *a, const tn_op *op, const char *name, int n_in, int n_out);
bool tn_region_add(tn_arena *a, tn_region *r, tn_pnode *n);
bool tn_pnode_add_control(tn_arena *a, tn_pnode *n, tn_pnode *before); /* unless it is there already */
bool tn_pnode_push_control(tn_arena *a, tn_pnode *n, tn_pnode *before); /* twice is no harm */
/* A copy whose inputs are still to be set (controls too). */
tn_pnode *tn_pnode_copy(tn_arena *a, const tn_pnode *n);
tn_region *tn_region_copy(tn_arena *a, const tn_region *r);
/* Replaces every use of `from` within the region (inputs, rets) by `to`. */
void tn_region_replace(tn_region *r, tn_pval from, tn_pval to);
/* Orders the nodes: data and control first, writers as late as possible; drops what nobody needs. */
tn_code tn_region_order(tn_arena *a, tn_region *r, tn_error *err);
/* Nobody waits any more for what does nothing: constants, arguments, and NoOps that wait for nothing else. Nodes
 * must be in order. */
void tn_region_drop_idle_controls(tn_region *r);
bool tn_pnode_is(const tn_pnode *n, const char *op);
/* The node changes variables, itself or in its regions. */
bool tn_pnode_has_writes(const tn_pnode *n);
/* The variable or generator that a value statically is; NULL: not known before running. */
tn_resource *tn_pval_resource(tn_pval v);

/* Old control flow: frames of Enter .. Exit become While nodes (loops.c); Switch and Merge outside of
 * loops become If (conds.c). */
tn_code tn_make_loops_functional(tn_arena *a, tn_region *r, tn_error *err);
tn_code tn_make_conds_functional(tn_arena *a, tn_region *r, tn_error *err);

/* ==== binding ==== */
typedef enum { TN_PLACE_NONE, TN_PLACE_BLOCK, TN_PLACE_CONSTANT, TN_PLACE_FEED, TN_PLACE_HEAP } tn_place;

typedef struct tn_slot { /* where a value lives while running */
    tn_dtype dtype;
    tn_shape shape; /* as bound; unknown dimensions: set at run time */
    tn_place place;
    size_t offset;    /* in the block */
    size_t capacity;  /* bytes there */
    int feed;
    tn_tensor *constant; /* while it is bound */
} tn_slot;

typedef struct tn_step tn_step;
typedef struct tn_program tn_program;
typedef struct tn_run_context tn_run_context;
typedef tn_code (*tn_exec_fn)(tn_run_context *c, const tn_step *s, tn_error *err);

struct tn_step {
    tn_exec_fn exec;
    tn_run_fn run;
    const tn_op *op;
    const char *name;
    const tn_attrs *attrs;
    const int *in, *out; /* slots */
    int n_in, n_out;
    void *params;
    void (*done)(void *params), (*rest)(void *params);
    size_t scratch;
    uint32_t unread; /* constant inputs at which no run looks */
    tn_pack *pack;   /* what it looks at instead, if it may be emptied between runs */
    tn_resource *resource;
    const int *release; /* slots whose values nobody needs after this step */
    int n_release;
    const struct tn_code_range *sub; /* steps of the regions, with their slots */
    int n_sub;
    int mask;         /* slot: where that is `discards` throughout, the step does nothing (tn_exec_masked) */
    bool discards;
    int dynamic;      /* index of the step's state in the context; -1: static */
    bool locks_store; /* it changes variables */
    int index;
    const char *kernel; /* for show --plan */
};

typedef struct tn_code_range { /* a region as steps [first, last) */
    int first, last;
    const int *args, *rets;
    int n_args, n_rets;
} tn_code_range;

typedef struct tn_frozen { /* a variable's value that was taken for a constant */
    tn_stored *variable;
    const tn_tensor *value;
} tn_frozen;

struct tn_program {
    tn_arena *arena;
    tn_slot *slots;
    tn_tensor *values; /* as a context begins with: dtype, shape, constants' data */
    int n_slots;
    tn_step *steps;
    int n_steps;
    tn_code_range top;
    size_t block, scratch;
    int n_dynamic, threads;
    tn_store *store;
    tn_shape *feed_shapes;
    int n_feeds;
    int *fed_slots; /* slots that are feeds (or views of them) */
    int n_fed_slots;
    tn_tensor **owned;
    int n_owned;
    tn_frozen *frozen;
    int n_frozen;
    atomic_uint_fast64_t checked; /* the store's changes when the frozen ones were last looked at */
    unsigned passes;
    atomic_bool asleep; /* packs of its steps may be empty (shed.c) */
    pthread_mutex_t lock;
    tn_run_context *idle; /* contexts kept for the next run */
};

typedef struct tn_bind_options {
    unsigned passes; /* TN_PASS bits that are on */
    int threads;
    pthread_mutex_t *copying; /* held while the region is copied, where several threads bind it; NULL */
    size_t *room; /* bytes that may be packed, less what is; NULL: no limit */
} tn_bind_options;
tn_code tn_bind(const tn_lowered *l, const tn_tensor *const *feeds, const tn_bind_options *o,
                tn_program **out, tn_error *err);
void tn_program_free(tn_program *p);
/* What the program took for constants are still the variables' values; else it must not run again. */
bool tn_program_is_fresh(tn_program *p);
int tn_by_address(const void *a, const void *b); /* for qsort and bsearch: of pointers (pass_freeze.c) */

/* ==== the stages of binding ==== each works on the private copy */
typedef struct tn_binding {
    tn_arena *arena; /* until the program is made */
    tn_arena *kept;  /* as long as the program: what its steps look at */
    tn_region *top;
    unsigned passes;
    int threads;
    tn_store *store;
    const tn_graph *library;
    tn_tensor **owned; /* constants made by folding */
    int n_owned, cap_owned;
    tn_frozen *frozen; /* whose values are among the owned */
    int n_frozen, cap_frozen;
    size_t *room; /* for packs; NULL: no limit */
    bool follows, late; /* inference follows what is behind handles (kept.c); and has told of it what does not hold */
} tn_binding;
tn_code tn_pass_freeze(tn_binding *b, tn_region *r, tn_error *err);         /* pass_freeze.c */
tn_code tn_bind_infer(tn_binding *b, tn_region *r, tn_error *err);          /* infer.. and fold (fold.c) */
/* Orders a region of a graph that is not to run and infers shapes, without variables or folding. */
tn_code tn_infer_regions(tn_arena *a, const tn_graph *library, tn_region *r, tn_error *err);
/* Results of loops' bodies that are other arguments (or views of them) are copied (bind.c). */
tn_code tn_regular_loops(tn_binding *b, tn_region *r, tn_error *err);
/* Ifs whose predicates are known give way to their branches (pass_branch.c). */
tn_code tn_pass_take_branches(tn_binding *b, tn_region *r, bool *changed, tn_error *err);
/* Lists of loops as arrays (pass_arrays.c); products with a loop's rows before it (pass_hoist.c). */
tn_code tn_pass_arrays(tn_binding *b, tn_region *r, bool *changed, tn_error *err);
tn_code tn_pass_hoist(tn_binding *b, tn_region *r, tn_error *err);
tn_code tn_pass_pieces(tn_binding *b, tn_region *r, tn_error *err);         /* pass_pieces.c */
tn_code tn_pass_merge(tn_binding *b, tn_region *r, tn_error *err);          /* pass_merge.c */
tn_code tn_pass_fuse_scale(tn_binding *b, tn_region *r, tn_error *err);     /* pass_scale.c */
tn_code tn_pass_fuse_bias(tn_binding *b, tn_region *r, tn_error *err);      /* pass_bias.c */
tn_code tn_pass_fuse_pool(tn_binding *b, tn_region *r, tn_error *err);      /* pass_pool.c */
tn_code tn_pass_masks(tn_binding *b, tn_region *r, tn_error *err);          /* pass_masks.c */
tn_code tn_pass_fuse_pointwise(tn_binding *b, tn_region *r, tn_error *err); /* pass_pointwise.c */
tn_code tn_pass_fuse_updates(tn_binding *b, tn_region *r, tn_error *err);   /* pass_updates.c */
tn_code tn_binding_own(tn_binding *b, tn_tensor *t, tn_error *err);         /* takes t */

/* ==== running (run.c) ==== */
typedef struct tn_dynamic { /* what a step whose shapes are found while running remembers */
    tn_arena *arena;   /* of the preparation */
    tn_prepare prepared;
    bool is_prepared;
    tn_buf key;        /* the shapes and values it was prepared for */
    tn_shape *out_shapes;
    bool *is_constant;
    void *scratch;
    size_t scratch_size;
    tn_charge charge; /* of the scratch */
} tn_dynamic;

enum { TN_MAX_PINS = 8 };

struct tn_run_context {
    const tn_program *program;
    tn_tensor *values; /* one a slot */
    tn_run *runs;      /* one a step */
    tn_dynamic *dynamic;
    char *block;      /* NULL: while nobody runs it, a large one is the store's */
    void *scratch;
    tn_block shared;  /* that block and scratch are in, if they are large */
    tn_charge charge; /* of both */
    int64_t deadline; /* on the clock of tn_now_us; 0: none */
    const atomic_int *cancel, *callers_cancel; /* the session's; the caller's, or NULL */
    bool patient; /* waits for others as long as it takes */
    tn_tensor *pins[TN_MAX_PINS]; /* variables' values that the present step looks at */
    int n_pins;
    int depth;          /* of functions that operators call (callee.h) */
    int guard;          /* slot of a float that must be finite before anything is written; -1: none */
    bool guarded;       /* it was looked at in this run */
    tn_rng **rngs;      /* the program's generators, and their states when a guarded run began */
    tn_philox_state *rng_states;
    int n_rngs;
    bool check_numbers; /* looks at every float output: finds where NaN or infinity first appears */
    int64_t *step_ns; /* when timing: one a step; else NULL */
    tn_run_context *next;
};
tn_code tn_context_get(tn_program *p, tn_run_context **out, tn_error *err); /* an idle one, or new */
void tn_context_put(tn_program *p, tn_run_context *c);                      /* for the next run */
/* What runs have left with the program: its contexts, and what its steps keep from run to run. */
void tn_program_rest(tn_program *p);
bool tn_context_runs(tn_run_context *c); /* makes its runs, one a step; false: no memory */
void tn_dynamic_drop(tn_dynamic *d);     /* what was prepared */
void tn_dynamic_free(tn_dynamic *d);
/* Its steps look at t's bytes, or it gives them out (shed.c). */
bool tn_program_reads(const tn_program *p, const tn_tensor *t);
/* Packs of its steps that were emptied are filled again. */
tn_code tn_program_wake(tn_program *p, tn_error *err);
/* Runs the program; feeds in order. Fetched values are in c->values[top.rets[i]] until the next run. */
tn_code tn_program_run(tn_run_context *c, const tn_tensor *const *feeds, const atomic_int *cancel, tn_error *err);
/* A run that the guard ends draws its random numbers again when it is repeated. */
void tn_context_save_random(tn_run_context *c);
void tn_context_restore_random(tn_run_context *c);
/* Releases what the values hold beyond the block. */
void tn_context_clear(tn_run_context *c);

/* One operation on given tensors, outside of any program: for folding. out[i]: counted tensors. */
tn_code tn_evaluate(const tn_op *op, const char *name, const tn_attrs *attrs, const tn_tensor *const *in,
                    int n_in, tn_tensor **out, int n_out, const tn_dtype *out_dtypes, tn_error *err);

/* exec functions, one a kind of step */
/* A context's value lets go of its buffer; takes over what a counted tensor holds; looks at another's. */
void tn_value_drop(tn_tensor *v);
void tn_value_take(tn_tensor *v, tn_tensor *t);
void tn_value_share(tn_tensor *v, const tn_tensor *from);
/* CANCELLED, DEADLINE_EXCEEDED: the run is to end. */
tn_code tn_may_go_on(const tn_run_context *c, tn_error *err);
/* The steps of a region, in order. */
tn_code tn_run_range(tn_run_context *c, const tn_code_range *range, tn_error *err);
tn_code tn_exec_static(tn_run_context *c, const tn_step *s, tn_error *err);
tn_code tn_exec_masked(tn_run_context *c, const tn_step *s, tn_error *err); /* static, but for what its mask discards */
tn_code tn_exec_dynamic(tn_run_context *c, const tn_step *s, tn_error *err);
/* The kernel to run as this was prepared: none whose results have no element while a dimension is so long that to go
 * along it takes time. */
tn_run_fn tn_run_chosen(const tn_prepare *p);
tn_code tn_exec_copy(tn_run_context *c, const tn_step *s, tn_error *err);
tn_code tn_exec_alias(tn_run_context *c, const tn_step *s, tn_error *err);
tn_code tn_exec_look(tn_run_context *c, const tn_step *s, tn_error *err);  /* array.c */
tn_code tn_exec_piece(tn_run_context *c, const tn_step *s, tn_error *err); /* array.c */
tn_code tn_exec_read(tn_run_context *c, const tn_step *s, tn_error *err);
tn_code tn_exec_if(tn_run_context *c, const tn_step *s, tn_error *err);
tn_code tn_exec_while(tn_run_context *c, const tn_step *s, tn_error *err);

/* Pseudo operators of the plan (pseudo.c) */
/* infer and prepare look at the value of input i of n_in. */
bool tn_op_wants_value(const tn_op *op, int i, int n_in);
bool tn_region_loops(const tn_region *r); /* it has a loop, or its nodes' regions have */
bool tn_region_changes_state(const tn_region *r); /* variables, tables, generators, files: others see that it ran */
bool tn_pnode_is_loop(const tn_pnode *n); /* While, StatelessWhile */
bool tn_pnode_is_read(const tn_pnode *n); /* of a variable: ReadVariableOp, a dereference */
/* What is known of the outputs stays as the pass that made the node set it. */
tn_code tn_infer_kept(tn_infer *c, tn_error *err);
extern const tn_op tn_pseudo_feed, tn_pseudo_arg, tn_pseudo_constant, tn_pseudo_handle, tn_pseudo_read_ref,
    tn_pseudo_copy, tn_pseudo_dead, tn_pseudo_call;

#endif
