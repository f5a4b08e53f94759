/* SPDX-License-Identifier: Apache-2.0
 *
 * import.h - what the files share by which a graph goes on from a model that is there: import.c (the model, its names,
 * what is needed), import_copy.c (operations), import_variables.c (variables), start.c (their first values).
 */
#ifndef TN_FORMAT_IMPORT_H
#define TN_FORMAT_IMPORT_H

#include <stdarg.h>

#include "metagraph.h"

/* ==== start.c ==== */

typedef struct tn_problems { /* found one after another, told in one message */
    tn_buf text;
    int n;
} tn_problems;
void tn_problems_add(tn_problems *p, const char *fmt, ...) TN_PRINTF(2, 3);
/* TN_OK when there were none; frees them. */
tn_code tn_problems_end(tn_problems *p, tn_code code, const char *what, tn_error *err);
typedef struct tn_wanted { /* of a checkpoint, for a variable */
    const char *variable;
    tn_dtype dtype;
    tn_shape shape;
    const char *key, *name; /* as tn_checkpoint_find's */
    const char *slice;      /* as tn_start's */
} tn_wanted;
/* *out NULL: it is not there, or is of another dtype or shape: that is a problem where `problems` is not NULL. *shape:
 * of the slice. */
tn_code tn_start_find(tn_checkpoint *from, const tn_wanted *w, tn_problems *problems, const tn_bundle_entry **out,
                      tn_shape *shape, tn_error *err);

bool tn_is_scope(const char *name); /* ends in '/', or is empty */
tn_code tn_check_rule(const tn_assignment *rule, tn_error *err);

/* ==== import.c ==== */

/* A part of the model: its graph, or the body of a function at a call of it. */
typedef struct tn_frame {
    const tn_graph *graph;
    const tn_function *f; /* NULL: the graph itself */
    struct tn_frame *caller;
    const tn_operation *call;
    const char *path;            /* "", "StatefulPartitionedCall/" */
    bool *needed;                /* by id */
    tn_operation **copies;       /* by id, in the builder's graph */
    struct tn_frame **children;  /* by id: calls that are inlined */
    int depth;
} tn_frame;

typedef struct tn_place { /* a value of the model */
    tn_frame *frame;
    tn_node node;
} tn_place;

typedef struct tn_swap {
    tn_place place;
    tn_node value; /* of the builder's graph */
} tn_swap;

typedef struct tn_table_content {
    const tn_operation *op;
    tn_tensor *keys, *values;
} tn_table_content;

typedef struct tn_importing {
    tn_builder *b;
    tn_arena *arena;
    const tn_import_options *o;
    const char *from;
    tn_metagraph *meta; /* NULL: a bare GraphDef */
    tn_graph *graph;
    tn_frame *top;
    const tn_signature *signature; /* NULL: none */
    tn_swap *swaps;
    int n_swaps;
    tn_place *stack; /* operations whose inputs are to be looked at */
    size_t depth, cap;
    bool failed;  /* no memory */
    bool looking; /* for a name: nothing is decided yet */
    tn_map *reading; /* function's name -> itself when calls of it are inlined, else NULL */
    int64_t instances; /* operations in all frames */
    tn_saved_variable *variables;
    int n_variables;
    tn_map *by_name;           /* session name -> full name in the builder's graph */
    const char *prefix;        /* the checkpoint's; NULL: none */
    const char *frames;        /* before the names of loops' frames; NULL: there was none yet */
    tn_checkpoint *checkpoint; /* NULL: none, or not needed */
    tn_problems problems;
    const char **tags; /* of the SavedModel's MetaGraph */
    int n_tags;
    bool *rule_used;
    tn_table_content *tables; /* that are needed */
    int n_tables;
} tn_importing;

/* The model read once more. */
tn_code tn_import_load(const tn_importing *m, tn_metagraph **out, tn_error *err);

/* Through functions' arguments and results, to the operation that makes the value; *swap: what takes its place, or
 * NULL. */
tn_code tn_import_settle(tn_importing *m, tn_place *p, const tn_swap **swap, tn_error *err);
bool tn_import_is_variable(const tn_operation *op);
/* Marks what the value needs. */
tn_code tn_import_need(tn_importing *m, tn_place p, tn_error *err);

/* ==== import_copy.c ==== */
tn_code tn_import_copy(tn_importing *m, tn_frame *f, tn_error *err);
/* The value in the builder's graph; op NULL: not copied (yet). */
tn_code tn_import_value(tn_importing *m, tn_place p, tn_node *out, tn_error *err);
/* Functions that the needed operations call. */
tn_code tn_import_functions(tn_importing *m, tn_error *err);

/* ==== import_variables.c ==== */
tn_code tn_import_list_variables(tn_importing *m, tn_error *err);
tn_code tn_import_check_rules(tn_importing *m, bool done, tn_error *err);
/* Marks what the initial values of needed variables need: those that begin with no checkpoint. */
tn_code tn_import_need_initial(tn_importing *m, const tn_operation *op, tn_error *err);
/* The variable of the builder's graph that stands for this operation. */
tn_code tn_import_variable(tn_importing *m, const tn_operation *op, tn_operation **out, tn_error *err);

/* ==== import_tables.c ==== */
bool tn_import_is_table(const tn_operation *op);
/* Reads what is in the tables that are needed. */
tn_code tn_import_tables(tn_importing *m, tn_error *err);
void tn_import_drop_tables(tn_importing *m);
/* The table of the builder's graph that stands for this one. */
tn_code tn_import_table(tn_importing *m, const tn_operation *op, tn_operation **out, tn_error *err);

#endif
