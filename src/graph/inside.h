/* SPDX-License-Identifier: Apache-2.0
 *
 * inside.h - the insides of graphs and builders, shared by the files of this folder that make them.
 * Nobody else includes it: graph.h is the interface.
 */
#ifndef TN_GRAPH_INSIDE_H
#define TN_GRAPH_INSIDE_H

#include "op.h"

/* ==== graphs ==== */
/* Attributes of operations, what is alike once (attr_sets.c). */
typedef struct tn_attr_set {
    uint64_t hash;
    tn_attrs attrs; /* v NULL: free */
} tn_attr_set;
typedef struct tn_attr_sets {
    tn_attr_set *slots;
    size_t cap, n; /* cap: a power of two, or 0 */
} tn_attr_sets;
void tn_attr_sets_end(tn_attr_sets *s);
/* As tn_attrs_copy, but what comes out may be others' too. */
tn_code tn_attr_sets_copy(tn_attr_sets *s, tn_arena *a, const tn_attr *v, int n, tn_attrs *out, tn_error *err);
/* A number for bytes, shapes, attributes (of tensors and functions only the name), from TN_MIX_BEGIN on. */
#define TN_MIX_BEGIN UINT64_C(0xcbf29ce484222325)
uint64_t tn_mix(uint64_t h, const void *p, size_t n);
uint64_t tn_mix_shape(uint64_t h, const tn_shape *s);
uint64_t tn_attr_mix(uint64_t h, const tn_attr *a);

struct tn_graph {
    tn_arena *arena;
    tn_graph *library;  /* the outermost graph; NULL: this is it */
    tn_operation **ops; /* by id */
    int n, cap;
    tn_map *by_name;
    tn_map *names;       /* lower-case names in use -> how many times they were asked for */
    tn_map *functions;   /* -> tn_function */
    tn_map *for_cpus;    /* what functions implement -> the one of them for CPUs */
    tn_map *collections; /* -> collection */
    tn_map *variables;   /* -> tn_variable_info */
    atomic_bool frozen;
    void (*bring_back)(void *keeper); /* elements of constants; NULL: they are there */
    void *keeper;
    tn_attr_sets attrs;
    bool has_seed; /* tn_set_random_seed */
    int64_t seed;
};

/* name as TensorFlow would make it unique in the graph: "a", "a_1", ...; NULL: no memory. */
const char *tn_graph_unique(tn_graph *g, tn_arena *a, const char *name);
tn_code tn_graph_check_open(const tn_graph *g, tn_error *err); /* FAILED_PRECONDITION: frozen */
void tn_graph_free_functions(tn_graph *g);
void tn_graph_free_collections(tn_graph *g);

/* ==== what a signature implies (complete.c) ==== */
typedef struct tn_completed {
    tn_attr *attrs; /* given, implied and default ones; borrowed from spec, sig and arena */
    int n_attrs;
    tn_dtype *out_types;
    int n_out;
} tn_completed;
tn_code tn_complete(const tn_op *def, const tn_operation_spec *spec, tn_arena *a, tn_completed *out,
                    tn_error *err);
enum { TN_MAX_OUTPUTS = 1 << 16 };

/* ==== builders ==== */
typedef struct tn_scope {
    struct tn_scope *outer;
    const char *prefix; /* of operations: "" or "a/b" */
} tn_scope;

typedef struct tn_variable_frame {
    struct tn_variable_frame *outer;
    const char *prefix; /* of variables: "" or "a/b" */
    tn_reuse reuse;     /* TN_REUSE_INHERIT: none */
} tn_variable_frame;

typedef struct tn_control_frame {
    struct tn_control_frame *outer;
    bool clears; /* no dependencies of outer frames either */
    tn_operation **ops;
    int n;
    /* Operations added under it, as ranges of ids; the last is open (end 0) while it is in force. */
    struct {
        int from, to;
    } * ranges;
    int n_ranges, cap_ranges;
} tn_control_frame;

struct tn_builder {
    tn_graph *graph;
    tn_arena *arena;
    tn_error error; /* code TN_OK: none yet */
    tn_scope *scope;
    tn_variable_frame *variables;
    tn_control_frame *control;
    tn_operation **args; /* tn_function_arg */
    const char **arg_names;
    int n_args, cap_args;
    const char *gradients; /* the name of the computation of gradients that is under way; NULL */
    const char *folder; /* where relative paths begin; NULL: where the process is */
    bool values_come;   /* from a run's checkpoint: no other is looked for */
};

/* Records "out of memory" when p is NULL; returns p != NULL. */
bool tn_builder_got(tn_builder *b, const void *p);
/* The control inputs in force for an operation with these inputs (those that imply one make it needless). */
bool tn_builder_control(tn_builder *b, const tn_node *in, int n_in, tn_operation ***out, int *n);
/* Name scopes by their full name, as it is. */
void tn_scope_enter(tn_builder *b, const char *prefix);
void tn_scope_leave(tn_builder *b);

#endif
