/* SPDX-License-Identifier: Apache-2.0
 *
 * show.h - what the kinds of things that `turnery show` knows share. One kind, one record; show.c lists them.
 */
#ifndef TN_CMD_SHOW_H
#define TN_CMD_SHOW_H

#include "facts.h"

typedef struct show_values {
    const char *tensors, *tensor, *signature, *checkpoint, *tag_set, *tag, *as;
    strings fetches, targets;
    bool plan, json, dot, nodes, verify;
    int64_t batch, runs, threads, limit, depth;
} show_values;

typedef struct look { /* at a path, before it is opened */
    const char *path;
    bool exists, is_folder;
    unsigned char head[64]; /* the file's first bytes */
    size_t n;
} look;

typedef struct show_kind {
    const char *name; /* of --as, and the value of "kind" in JSON */
    bool (*fits)(const look *l);
    /* Adds members; what could be read is there, whatever is returned. */
    tn_code (*show)(const show_values *v, const char *path, facts *f, tn_error *err);
} show_kind;
extern const show_kind show_saved_model, show_versions, show_run_folder, show_checkpoint_folder, show_event_folder,
    show_checkpoint, show_npy, show_graph_file, show_event_file, show_record_file;

/* ==== what they share ==== */
const char *dtype_text(tn_dtype t); /* "float32", "string", "int32_ref": tf.DType's names */
bool ends_with(const char *s, const char *end);
bool path_exists(const char *folder, const char *name); /* name NULL: the folder itself */
int64_t bytes_below(const char *path);                   /* of all files; links are not followed */
/* Names in a folder, ascending, that pass; free_names. NULL: no memory, or no folder (n is 0 then). */
char **names_in(const char *folder, bool (*passes)(const char *folder, const char *name), int *n);
void free_names(char **names, int n);
bool is_version(const char *folder, const char *name); /* "3", with a SavedModel in it */
/* Keeps the first error. */
tn_code keep_first(tn_error *first, const tn_error *next);

/* dtype, shape, statistics, values: "tensor" of a checkpoint, an .npy file (show_tensor.c). */
void tensor_facts(const show_values *v, const tn_tensor *t, facts *f);
/* Tags of all event files below a folder (show_events.c); none: no members. */
tn_code event_facts(const show_values *v, const char *folder, facts *f, tn_error *err);
bool has_events(const char *folder);
/* A checkpoint's tensors as a section (show_checkpoint.c). */
tn_code bundle_facts(const show_values *v, const char *prefix, facts *f, tn_error *err);
/* How a model is run (show_plan.c). */
tn_code show_plan(const show_values *v, const char *path, facts *f, tn_error *err);
/* A graph for Graphviz, its scopes as a tree (show_scopes.c). */
void print_dot(FILE *to, const tn_meta_graph_info *g);
void scope_facts(const show_values *v, const tn_graph_node *nodes, int n, facts *f);

#endif
