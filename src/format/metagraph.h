/* SPDX-License-Identifier: Apache-2.0
 *
 * metagraph.h - what metagraph.c, its signatures and collections, the exporter and the SavedModel share.
 * Private to them.
 */
#ifndef TN_FORMAT_METAGRAPH_H
#define TN_FORMAT_METAGRAPH_H

#include "graphdef.h"

/* Makes a tn_metagraph of a message; bytes are taken over (and freed), as is the arena. to_ask: as those of
 * tn_metagraph_load_to_ask. */
tn_code tn_metagraph_of(tn_MetaGraphDef *def, tn_arena *a, tn_mapped *file, bool to_ask, tn_metagraph **out,
                        tn_error *err);

/* Fills in what m->def says, in m->arena: signatures, tags, assets first, so that they are there when the graph, which
 * comes last and is freed by the caller, cannot be made. */
tn_code tn_metagraph_take(tn_metagraph *m, tn_error *err);

/* loaded.c: a signature in the public form */
tn_code tn_loaded_signature_of(const tn_signature *s, tn_arena *a, tn_loaded_signature *out, tn_error *err);

/* signature.c */
tn_code tn_signatures_from_proto(const tn_MetaGraphDef *def, tn_arena *a, tn_signature **out, int *n,
                                 tn_error *err);
tn_code tn_signatures_to_proto(const tn_signature *s, int n, tn_arena *a, tn_MetaGraphDef *out,
                               tn_error *err);
tn_code tn_tensor_info_to_proto(const tn_tensor_info *t, tn_arena *a, tn_TensorInfo *out, tn_error *err);
#define TN_INIT_OP_SIGNATURE "__saved_model_init_op"
#define TN_MAIN_OP "saved_model_main_op"
#define TN_LEGACY_INIT_OP "legacy_init_op"
#define TN_ASSETS_COLLECTION "saved_model_assets"

/* collection_def.c: the graph's collections and variables */
tn_code tn_collections_import(const tn_MetaGraphDef *def, tn_graph *g, tn_arena *a, tn_error *err);
tn_code tn_collections_export(const tn_graph *g, tn_arena *a, tn_MetaGraphDef *out, tn_error *err);

/* variables.c: those to be saved, ascending by key; neighbours may be alike: one variable, two handles. */
tn_code tn_export_variables(const tn_export *e, tn_arena *a, tn_saved_variable **out, int *n, tn_error *err);
/* "10 4 0,5:-", "" for a whole variable; NULL: no memory. */
const char *tn_slice_text(const tn_saved_variable *v, tn_arena *a);
bool tn_saved_alike(const tn_saved_variable *a, const tn_saved_variable *b);

/* variables.c: operations of the restoring part that give a resource its content, those that `is` knows; of several for
 * one resource the first. */
typedef struct tn_restored {
    const tn_operation *op, *into; /* into: the graph's own, that gives op's input 0 */
    const char **keys;             /* of the tensors that are op's other inputs */
    tn_node *values;               /* RestoreV2's outputs that these are */
    int n;
    bool inside; /* op and values are in a function that is called */
    struct tn_restored *next;
} tn_restored;
tn_code tn_restored_contents(const tn_graph *g, bool (*is)(const tn_operation *op), tn_arena *a,
                             const tn_restored **out, tn_error *err);

/* saved_tables.c: tables and tree ensembles that the graph's Saver keeps, between a checkpoint and a session; what is
 * added is noted in `written` (NULL: nobody asks). */
tn_code tn_saved_tables_restore(tn_bundle *b, const tn_graph *g, tn_session *s, bool may_lack, tn_arena *a,
                                tn_error *err);
tn_code tn_saved_tables_add(tn_bundle_writer *w, const tn_graph *g, tn_session *s, tn_map *written, tn_arena *a,
                            tn_error *err);

/* saver_nodes.c: adds the operations of a Saver to the message's graph, and its SaverDef. */
tn_code tn_saver_nodes_add(const tn_export *e, tn_arena *a, tn_MetaGraphDef *out, tn_error *err);

#endif
