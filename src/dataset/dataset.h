/* SPDX-License-Identifier: Apache-2.0
 *
 * dataset.h - data sets in graphs. A data set is a variant that describes where elements come from: a tree
 * that never changes. Who wants the elements starts it: a tree of iterators with the state, each of one kind
 * of data set.
 *
 * An element is as many tensors as its data set is wide, of its dtypes. All is done in the thread that asks,
 * in order, also what TensorFlow does ahead or in parallel: the elements and their order are the same.
 */
#ifndef TN_DATASET_H
#define TN_DATASET_H

#include "../ops/op_move.h"
#include "../plan/callee.h"

typedef struct tn_dataset tn_dataset;
typedef struct tn_source tn_source;

typedef struct tn_pull { /* who asks for the next element */
    const tn_run *run;
    const char *owner; /* whose functions are called */
    int depth;
} tn_pull;

enum { TN_UNKNOWN_CARDINALITY = -2, TN_INFINITE_CARDINALITY = -1 };

typedef struct tn_dataset_kind {
    const char *name;
    size_t state;      /* of its iterators, each of which begins with a tn_source; zeroed to begin with */
    bool starts_input; /* the iterator of input 0 is there when start is called */
    tn_code (*start)(tn_source *s, tn_pull *t, tn_error *err); /* may be NULL */
    /* The next element into out (width NULLs), or *end. out is the caller's, also when it fails. */
    tn_code (*next)(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err);
    void (*stop)(tn_source *s);                  /* releases what start and next have made; may be NULL */
    int64_t (*cardinality)(const tn_dataset *d); /* NULL: unknown */
    void (*drop)(tn_dataset *d);                 /* releases what `own` holds; may be NULL */
} tn_dataset_kind;

typedef struct tn_data_function {
    const char *name;
    tn_tensor **captured;
    int n_captured;
} tn_data_function;

enum { TN_DATA_NUMBERS = 6, TN_DATA_FUNCTIONS = 4, TN_DATA_PARTS = 1 << 16 };
struct tn_dataset {
    tn_variant head;
    const tn_dataset_kind *kind;
    tn_arena *arena;
    const char *node; /* the operation that made it */
    uint64_t said;    /* what it says: see tn_dataset_said */
    tn_dataset **input;
    int n_inputs;
    int parts;          /* data sets in it, each as often as it is an input */
    tn_tensor **tensor; /* what it keeps of the operation's inputs */
    int n_tensors;
    int width;
    tn_dtype *types;
    tn_shape *shapes; /* as far as known */
    int64_t n[TN_DATA_NUMBERS];
    tn_data_function f[TN_DATA_FUNCTIONS];
    tn_resource *shared; /* a reference, or NULL */
    void *own;
};

struct tn_source {       /* an iterator */
    const tn_dataset *d; /* with a reference on it */
    tn_source *in;       /* of input 0, as far as there is one */
    bool ended;          /* and then it stays so */
};

/* ==== making them (dataset.c) ==== for an operation's run */

/* One of the kind, whose first n_inputs inputs are data sets; its types and shapes are the attributes
 * output_types and output_shapes, or those of the first input where as_input. Given to tn_dataset_give, or
 * released. */
tn_code tn_dataset_new(const tn_run *r, const tn_dataset_kind *k, int n_inputs, bool as_input,
                       tn_dataset **out, tn_error *err);
/* The same over another data set, made within the same operation: as its elements. */
tn_code tn_dataset_over(const tn_run *r, const tn_dataset_kind *k, tn_dataset *in, tn_dataset **out,
                        tn_error *err);
/* One without inputs or types, for what is made while elements are taken; and in a tensor if code is OK, else
 * released, code again. */
tn_code tn_dataset_bare(const tn_run *r, const tn_dataset_kind *k, tn_dataset **out, tn_error *err);
tn_code tn_dataset_box(tn_dataset *d, tn_code code, tn_tensor **out, tn_error *err);
/* It holds something nested so deep. */
tn_code tn_dataset_deepen(tn_dataset *d, int depth, tn_error *err);
/* What MapDataset makes, of function f with Targuments captured inputs from 1 on (op_dataset_map.c). */
tn_code tn_dataset_new_map(const tn_run *r, tn_dataset **out, tn_error *err);
/* What UnbatchDataset makes of input 0 (op_dataset_batch.c). */
tn_code tn_dataset_new_unbatch(const tn_run *r, tn_dataset **out, tn_error *err);
/* Keeps elements in files, by the prefix in its tensor 0 (op_dataset_file_cache.c). */
extern const tn_dataset_kind tn_file_cache_kind;
/* The width and dtypes are these. */
tn_code tn_dataset_types(tn_dataset *d, int width, const tn_dtype *types, tn_error *err);
/* Keeps the operation's inputs [first, first + n). */
tn_code tn_dataset_keep(tn_dataset *d, const tn_run *r, int first, int n, tn_error *err);
/* Function number k is the attribute's, with that many captured inputs from `first` on. */
tn_code tn_dataset_function(tn_dataset *d, int k, const tn_run *r, const char *attr, int first, int n,
                            tn_error *err);
/* How many tensors a list attribute of types stands for. */
int tn_dataset_count(const tn_run *r, const char *attr);
/* The run's output 0 becomes d if code is OK, else d is released; code again. */
tn_code tn_dataset_give(tn_run *r, tn_dataset *d, tn_code code, tn_error *err);
/* A scalar number or truth among the operation's inputs: "<what> must be a scalar". */
tn_code tn_dataset_int(const tn_run *r, int input, const char *what, int64_t *out, tn_error *err);
void tn_dataset_unref(tn_dataset *d);
/* The data set in a scalar variant. INVALID_ARGUMENT: there is none. */
tn_code tn_dataset_of(const tn_tensor *t, tn_dataset **out, tn_error *err);
int64_t tn_dataset_cardinality(const tn_dataset *d);
/* Where a generator of seeds (a resource of kind TN_RES_SEEDS) is; and it goes on from there (op_dataset_shuffle.c). */
enum { TN_SEEDS_STATE = 3 };
void tn_seeds_get(tn_resource *res, int64_t out[TN_SEEDS_STATE]);
void tn_seeds_set(tn_resource *res, const int64_t state[TN_SEEDS_STATE]);
/* Its elements have the same numbers each time: nothing in it is drawn. */
bool tn_dataset_is_ordered(const tn_dataset *d);
/* Handed through: that of input 0. */
int64_t tn_dataset_cardinality_of_input(const tn_dataset *d);
/* What an operation says of the data set that it makes (fingerprint.c), and a number for all of it: its operations,
 * their inputs and functions, which the run can look up. */
uint64_t tn_dataset_said(const tn_run *r);
tn_code tn_dataset_fingerprint(const tn_run *r, const tn_dataset *d, uint64_t *out, tn_error *err);
/* dtypes fit, and shapes may: INVALID_ARGUMENT in TensorFlow's words. */
tn_code tn_dataset_fits(const tn_dataset *d, int width, const tn_dtype *types, const tn_shape *shapes,
                        tn_error *err);

/* ==== taking their elements ==== */

tn_pull tn_turn_of(const tn_run *r, const char *owner);
tn_code tn_source_start(tn_dataset *d, tn_pull *t, tn_source **out, tn_error *err);
void tn_source_stop(tn_source *s);
/* out: width places; all NULL where it ends or fails. */
tn_code tn_source_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err);
void tn_element_drop(tn_tensor **e, int n); /* and NULLs in their places */
/* NULLs, tn_free; NULL: no memory. */
tn_tensor **tn_element_new(int n);
/* Function k of the data set on an element and what it captured. */
tn_code tn_source_call(const tn_source *s, int k, tn_pull *t, tn_tensor *const *args, int n_args,
                       tn_tensor **out, int n_out, tn_error *err);
/* The same of a predicate. */
tn_code tn_source_ask(const tn_source *s, int k, tn_pull *t, tn_tensor *const *args, int n_args, bool *yes,
                      tn_error *err);
/* The data set that function k makes of an element, started. */
tn_code tn_source_expand(const tn_source *s, int k, tn_pull *t, tn_tensor *const *args, int n_args,
                         tn_source **out, tn_error *err);
/* Elements that are kept (elements.c). */
typedef struct tn_elements {
    tn_tensor **at; /* n of `width` tensors each */
    int64_t n;
    int cap;
    int width;
    const tn_dtype *types; /* the data set's */
} tn_elements;
void tn_elements_begin(tn_elements *e, const tn_dataset *of);
tn_code tn_elements_add(tn_elements *e, tn_tensor *const *element, tn_error *err);
/* Until there are `most`, or *end. */
tn_code tn_elements_fill(tn_elements *e, tn_source *from, tn_pull *t, int64_t most, bool *end, tn_error *err);
void tn_elements_forget(tn_elements *e, int64_t n); /* the first n */
void tn_elements_drop(tn_elements *e);
/* Component k of every stride-th of the first n, which is at least one, as the rows of a tensor. */
tn_code tn_elements_stack(const tn_elements *e, int64_t n, int64_t stride, int k, tn_tensor **out, tn_error *err);
/* Of every stride-th of the first n the components [first, first + width), as a data set in a tensor
 * (op_dataset_window.c). */
tn_code tn_elements_dataset(const tn_pull *t, const tn_elements *e, int64_t n, int64_t stride, int first, int width,
                            tn_tensor **out, tn_error *err);
tn_code tn_batch_shape(int64_t n, const tn_shape *of, tn_shape *out, tn_error *err); /* of n such elements */

/* ==== their operators ==== */
#define TN_DATA_OUT " output_types:list(type)>=1 output_shapes:list(shape)>=1"
#define TN_DATA_META TN_DATA_OUT " metadata:string=\"\""
#define TN_DATASET_AS(Op, Run, Sig) \
    const tn_op tn_op_##Op = {      \
        .name = #Op, .sig = Sig, .infer = tn_infer_scalar, .run = Run, .flags = TN_STATEFUL}
#define TN_DATASET(Op, Run, In, Attrs) TN_DATASET_AS(Op, Run, In " -> handle:variant;" Attrs)

#endif
