/* SPDX-License-Identifier: Apache-2.0
 *
 * graphdef.h - what the files about GraphDef share: nodes (graphdef_nodes.c), functions (function_def.c),
 * attributes (attr_value.c), bytes and files (graphdef.c). Private to them.
 */
#ifndef TN_FORMAT_GRAPHDEF_H
#define TN_FORMAT_GRAPHDEF_H

#include "../graph/op.h"
#include "format.h"

/* In a function, values are called "node:argument:number". Of an operator we do not have we cannot know
 * its output arguments, so those that were seen are kept in this attribute ("argument:number", one for
 * each output), which is never written to a file. */
#define TN_OUTPUT_NAMES "_output_names"

/* All of a node's attributes. The tensors in *out are the caller's to drop (tn_attrs_drop). */
tn_code tn_attrs_from_proto(const tn_AttrEntry_list *list, tn_arena *a, tn_attrs *out, tn_error *err);
tn_code tn_attrs_to_proto(const tn_attrs *attrs, tn_arena *a, tn_AttrEntry_list *out, tn_error *err);

/* Adds nodes in an order in which inputs come first (their own order, when it is such a one). */
typedef struct tn_node_import {
    tn_graph *graph;
    const char *prefix;                   /* "" or "scope/" */
    bool in_function;                     /* the form of references */
    const tn_map *signatures;             /* of functions by name, which a node's op may be; may be NULL */
    const tn_view *more;                  /* further references into these nodes (a function's results) */
    const tn_dtype *more_types;           /* what they are known to be */
    size_t n_more;
    tn_arena *arena; /* for the time of the import */
} tn_node_import;
tn_code tn_nodes_import(const tn_node_import *c, const tn_NodeDef_list *nodes, tn_error *err);
/* What the file notes of nodes' shapes goes, where these are found anyway: who only runs a graph need not hold it. */
void tn_nodes_forget_shapes(tn_NodeDef_list *nodes);
/* "node:argument:0" of a function's body that is there. */
tn_code tn_body_value(const tn_graph *body, tn_view ref, tn_node *out, tn_error *err);

/* A node's references are written in the form of the graph or of a function. */
tn_code tn_node_export(const tn_operation *op, bool in_function, tn_arena *a, tn_NodeDef *out, tn_error *err);
/* "node:argument:0" */
tn_code tn_body_ref(tn_node value, tn_arena *a, tn_view *out, tn_error *err);

/* An order of 0..n-1 in which what an item needs comes before it, as near to the given one as can be. The
 * needs of i are need[first[i]] .. need[first[i + 1] - 1]. Returns an item of a cycle, or -1. */
int tn_order(int n, const int *first, const int *need, int *order, tn_arena *a, bool *no_memory);
typedef struct tn_needs { /* collects them: items in their order, their needs in any */
    int *first, *need;
    int n, n_need, cap;
    tn_arena *arena;
} tn_needs;
bool tn_needs_begin(tn_needs *e, int n, tn_arena *a);
void tn_needs_item(tn_needs *e); /* what follows is needed by the next item */
bool tn_needs_add(tn_needs *e, int on);

/* Bytes of a message in its text form, not the binary one (guessed). */
bool tn_is_text_proto(tn_view bytes);

/* The message with functions of their own for the calls of polymorphic ones (polymorphic.c); *out: it itself, where
 * there are none. */
tn_code tn_library_instantiate(const tn_GraphDef *def, tn_arena *a, const tn_GraphDef **out, tn_error *err);
/* The signatures (tn_OpDef) of a library (may be NULL) by name. */
tn_code tn_library_signatures(const tn_FunctionDefLibrary *library, tn_map **out, tn_error *err);
tn_code tn_library_import(const tn_FunctionDefLibrary *library, tn_graph *g, tn_error *err);
/* Functions that nothing calls, from the message's nodes on, leave it. */
tn_code tn_library_keep_called(tn_GraphDef *def, tn_error *err);
tn_code tn_library_export(const tn_graph *g, tn_arena *a, tn_FunctionDefLibrary *out, tn_error *err);

#endif
