/* SPDX-License-Identifier: Apache-2.0
 *
 * format.h - files: checkpoints (tensor bundles), GraphDef, MetaGraph, SavedModel, event files; and data
 * files: npy, json, csv, idx, png. The interface of this folder to the ones above.
 *
 * What bytes mean is wire/'s; what a graph is, graph/'s; when to save is train/'s.
 *
 * Invariants: a file is written whole or not at all; a failed write leaves what was there before. What
 * is read is hostile until checked: an error names the file, the place in it and the value. A graph
 * survives a round trip: operators we do not have are kept as they came.
 */
#ifndef TN_FORMAT_H
#define TN_FORMAT_H

#include "../graph/graph.h"
#include "../graph/tensorproto.h"
#include "../ops/histogram.h"
#include "../wire/proto.h"
#include "../wire/wire.h"

/* The version of GraphDef that is written and the newest that is understood (TensorFlow 2.21's). */
#define TN_GRAPH_PRODUCER 2474
#define TN_GRAPH_MIN_CONSUMER 0
#define TN_TENSORFLOW_VERSION "2.21.0"

/* ==== tensors in files (tensorfile.c) ==== .npy for numbers; .json for strings (nested lists; bytes that
 * are no UTF-8 text are {"b64": "..."}) */

/* tn_tensor_load: turnery.h. tn_tensor_save: by the tensor's dtype, whatever the name ends in: strings as
 * JSON, all others as npy. */

/* ==== tensor bundles (bundle.c, bundle_read.c, bundle_write.c) ==== PREFIX.index and .data-00000-of-00001 */

/* A part of a partitioned tensor: in each dimension where it starts and how long it is (-1: all of it). */
typedef struct tn_slice {
    int rank;
    int64_t start[TN_MAX_RANK], length[TN_MAX_RANK];
} tn_slice;
/* "10 4 0,5:-" as TensorFlow writes it in SaveV2's shape_and_slices; the full shape, the slice. */
tn_code tn_slice_parse(const char *text, tn_shape *full, tn_slice *slice, tn_error *err);
/* The slice's own shape in a tensor of this full shape; INVALID_ARGUMENT when it reaches outside. */
tn_code tn_slice_shape(const tn_slice *s, const tn_shape *full, tn_shape *out, tn_error *err);

typedef struct tn_bundle_entry {
    const char *name;
    tn_dtype dtype;
    tn_shape shape;
    int shard;
    uint64_t offset, size; /* in the shard; 0, 0 for a tensor in slices */
    uint32_t crc32c;       /* masked, as stored */
    int n_slices;          /* pieces of a partitioned tensor; 0: in one piece */
} tn_bundle_entry;
/* Reads and checks the index; shards are mapped when first needed. One thread at a time. */
const char *tn_bundle_prefix(const tn_bundle *b);
/* Opening, closing, counting and reading whole tensors: turnery.h. Tensors count, not their slices,
 * ascending by name. */
const tn_bundle_entry *tn_bundle_at(const tn_bundle *b, int i);
const tn_bundle_entry *tn_bundle_find(const tn_bundle *b, const char *name); /* NULL: absent */
/* tn_bundle_read for who keeps the tensor as it is: its pages may be the file's (tn_buffer.of_file). */
tn_code tn_bundle_read_kept(tn_bundle *b, const char *name, tn_tensor **out, tn_error *err);
/* Part of a tensor, its crc checked. NOT_FOUND gives the nearest name; DATA_LOSS file, tensor and offset. */
tn_code tn_bundle_read_slice(tn_bundle *b, const char *name, const tn_slice *slice, tn_tensor **out,
                             tn_error *err);

/* Every tensor is there, of its size and with its checksum; nothing is mapped or kept. CANCELLED when *cancel (may be
 * NULL) is set. */
tn_code tn_bundle_check(const char *prefix, const atomic_int *cancel, tn_error *err);

typedef struct tn_bundle_writer tn_bundle_writer;
tn_code tn_bundle_writer_open(const char *prefix, tn_bundle_writer **out, tn_error *err);
/* The same as Saver's V1 wrote it: one file, `prefix` itself, from whole tensors and slices of most dtypes. */
tn_code tn_bundle_writer_open_v1(const char *prefix, tn_bundle_writer **out, tn_error *err);
/* Tensors are written in the order given, as TensorFlow's SaveV2 does: ascending by name to be bit for bit
 * the same. ALREADY_EXISTS: a name twice. A writer keeps its first failure. */
tn_code tn_bundle_add(tn_bundle_writer *w, const char *name, const tn_tensor *t, tn_error *err);
/* One piece of a tensor of the full shape given. */
tn_code tn_bundle_add_slice(tn_bundle_writer *w, const char *name, const tn_shape *full,
                            const tn_slice *slice, const tn_tensor *t, tn_error *err);
/* Puts both files in place; frees w either way. A crash between the two is repaired by the next open. */
tn_code tn_bundle_commit(tn_bundle_writer *w, tn_error *err);
void tn_bundle_abandon(tn_bundle_writer *w);

/* ==== GraphDef (graphdef.c, function_def.c, attr_value.c) ==== */

/* Adds the nodes and functions of a GraphDef, each name after `prefix` and "/" (NULL or "": none). */
tn_code tn_graphdef_import(const tn_GraphDef *def, const char *prefix, tn_graph *g, tn_error *err);
/* Binary bytes -> graph. */
tn_code tn_graphdef_decode(tn_view bytes, tn_graph **out, tn_error *err);
/* A .pb or .pbtxt file (by its content) -> graph. */
tn_code tn_graphdef_load(const char *path, tn_graph **out, tn_error *err);
/* The message, in the arena; tensors are borrowed from the graph. */
tn_code tn_graphdef_export(const tn_graph *g, tn_arena *a, tn_GraphDef **out, tn_error *err);
tn_code tn_graphdef_encode(const tn_graph *g, tn_buf *out, tn_error *err);
/* Text when the path ends in ".pbtxt", else binary. */
tn_code tn_graphdef_save(const tn_graph *g, const char *path, tn_error *err);

/* ==== MetaGraph (metagraph.c, signature.c) ==== a graph, how it is saved, and what may be asked of it */

typedef struct tn_tensor_info {
    const char *key;  /* what callers say */
    const char *name; /* the graph's value, "x:0"; NULL for a sparse or composite one */
    tn_dtype dtype;
    tn_shape shape;
    const char *values, *indices, *dense_shape; /* a sparse one's three values; else NULL */
} tn_tensor_info;
typedef struct tn_signature {
    const char *name, *method;
    const tn_tensor_info *in, *out; /* ascending by key */
    int n_in, n_out;
} tn_signature;
#define TN_DEFAULT_SIGNATURE "serving_default"
#define TN_PREDICT_METHOD "tensorflow/serving/predict"

typedef struct tn_asset {
    const char *tensor;   /* "Const:0": the value that is the file's path when running */
    const char *filename; /* in the SavedModel's assets/ */
} tn_asset;

typedef struct tn_metagraph {
    tn_graph *graph;      /* with its collections */
    tn_MetaGraphDef *def; /* all else as it came; graph_def is NULL */
    const tn_signature *signatures;
    int n_signatures;
    const char *const *tags;
    int n_tags;
    const tn_asset *assets;
    int n_assets;
    const char *init_op;    /* initializes tables and the like after restoring; NULL: none */
    const char *restore_op; /* the Saver's; NULL: none */
    tn_arena *arena;
    tn_mapped file; /* def's views point into it */
} tn_metagraph;

tn_code tn_metagraph_load(const char *path, tn_metagraph **out, tn_error *err);
/* For who only runs it: without functions that nothing calls from the graph on, and without what of the message only
 * saving needs (the object graph, the list of operators); no more of the file is kept. */
tn_code tn_metagraph_load_to_ask(const char *path, tn_metagraph **out, tn_error *err);
void tn_metagraph_free(tn_metagraph *m);
const tn_signature *tn_metagraph_signature(const tn_metagraph *m, const char *name); /* NULL: absent */

/* Operators that are not there and that the signatures or the initialization need; without signatures: any of the
 * graph's. Each node once; tn_missing_free *out (missing_operators.c). */
tn_code tn_metagraph_missing(const tn_metagraph *m, tn_missing **out, int *n, tn_error *err);
/* The same of one signature, or (NULL) of the initialization alone. */
tn_code tn_signature_missing(const tn_metagraph *m, const tn_signature *s, tn_missing **out, int *n, tn_error *err);

/* What is to be exported; zeros: nothing of it. */
typedef struct tn_export {
    const tn_graph *graph;
    const tn_MetaGraphDef *base; /* where the graph came from: collections and the like that are kept */
    const tn_signature *signatures;
    int n_signatures;
    const char *const *tags;
    int n_tags;
    const tn_asset *assets;           /* with the folder they are copied from: */
    const char *const *asset_sources; /* one path an asset */
    int n_assets;
    const char *init_op;          /* name of an operation of the graph */
    const char *const *variables; /* saved and restored; NULL: all of the graph that are not local */
    int n_variables;
    int max_to_keep; /* in SaverDef; 0: 5 */
    bool no_saver;   /* leaves out the "save/" part */
} tn_export;
/* The MetaGraphDef with the standard Saver's operations ("save/...") added to a copy of the graph. */
tn_code tn_metagraph_export(const tn_export *e, tn_arena *a, tn_MetaGraphDef **out, tn_error *err);
tn_code tn_metagraph_save(const tn_export *e, const char *path, tn_error *err);

/* ==== variables and checkpoints (variables.c, checkpoint.c) ==== */

/* How a variable of a graph is kept in a checkpoint. */
typedef struct tn_saved_variable {
    const char *name; /* in a session: a resource's shared_name, or else the operation's name */
    const char *op;   /* VarHandleOp, VariableV2, ... */
    const char *key;  /* in a checkpoint */
    tn_dtype dtype;
    tn_shape shape;
    bool is_resource;
    bool local;     /* not saved, unless the graph's restoring part names it */
    bool restored;  /* the graph has a restoring part, which names this one */
    bool has_slice; /* it is a piece of a partitioned tensor: */
    tn_shape full;
    tn_slice slice;
    bool twin; /* restored as another one that began as a copy of it */
} tn_saved_variable;
/* All of the graph's variables, in the graph's order. Keys are what the graph's restoring part says (its
 * RestoreV2 operations, in functions too; those that `restore_op` runs, NULL: all), else their names.
 * *has_restore (may be NULL): there is such a part. */
tn_code tn_variables_of(const tn_graph *g, const char *restore_op, tn_arena *a, tn_saved_variable **out,
                        int *n, bool *has_restore, tn_error *err);
/* Runs what the collection "table_initializer" names: imported tables are empty without. */
#define TN_TABLE_INITIALIZERS "table_initializer"
tn_code tn_initialize_tables(const tn_graph *g, tn_session *s, tn_error *err);
/* A checkpoint in which variables are looked for. */
typedef struct tn_checkpoint tn_checkpoint;
tn_code tn_checkpoint_open(const char *prefix, tn_checkpoint **out, tn_error *err);
void tn_checkpoint_close(tn_checkpoint *c);
/* For tn_session_set_checkpoints (checkpoint_hooks.c): the process's files. */
extern const struct tn_checkpoint_hooks tn_checkpoints_of_process;
/* One tensor. NOT_FOUND "Key .. not found in checkpoint". */
tn_code tn_checkpoint_tensor(const char *prefix, const char *name, tn_tensor **out, tn_error *err);
tn_bundle *tn_checkpoint_bundle(const tn_checkpoint *c);
/* *out NULL: absent. name: in an object-based checkpoint (TensorFlow 2) also the one of the variable that had this
 * name, or whose key without its ending is `key`; NULL: only the key itself. */
tn_code tn_checkpoint_find(tn_checkpoint *c, const char *key, const char *name, const tn_bundle_entry **out,
                           tn_error *err);
tn_code tn_checkpoint_read(tn_checkpoint *c, const tn_bundle_entry *e, const tn_slice *slice, tn_tensor **out,
                           tn_error *err); /* slice NULL: all of it */
/* Sets the session's variables from a checkpoint. A variable that the checkpoint lacks is NOT_FOUND, or,
 * when `missing` is not NULL, counted there and left as it is; but one that the graph's restoring part
 * passes over may always lack. An object-based checkpoint (TensorFlow 2) is found by variables' names. */
tn_code tn_checkpoint_restore(const char *prefix, const tn_graph *g, const char *restore_op, tn_session *s,
                              int *missing, tn_error *err);
/* The same without variables that the session does not know: that none of its plans looks at. */
tn_code tn_checkpoint_restore_known(const char *prefix, const tn_graph *g, const char *restore_op, tn_session *s,
                                    tn_error *err);
/* Adds the export's variables (by default all of the graph that are not local) to a bundle, ascending by
 * key. FAILED_PRECONDITION: one has no value. */
tn_code tn_checkpoint_add(tn_bundle_writer *w, const tn_export *e, tn_session *s, tn_error *err);
/* The same as a bundle of its own. */
tn_code tn_checkpoint_save(const char *prefix, const tn_export *e, tn_session *s, tn_error *err);

/* ==== the Saver (saver.c, checkpoint_state.c) ==== PREFIX[-STEP].{index,data,meta}, and "checkpoint" */

typedef struct tn_checkpoint_state { /* paths as to be used, not as written */
    const char *latest;
    const char *const *all;   /* oldest first */
    const double *timestamps; /* NULL: not given */
    double last_preserved;
    int n;
} tn_checkpoint_state;
tn_code tn_checkpoint_state_parse(tn_view text, const char *folder, tn_arena *a, tn_checkpoint_state *out,
                                  tn_error *err);
tn_code tn_checkpoint_state_read(const char *folder, tn_arena *a, tn_checkpoint_state *out, tn_error *err);
/* Paths inside the folder are written relative to it. */
tn_code tn_checkpoint_state_write(const char *folder, const tn_checkpoint_state *state, tn_error *err);
/* The newest checkpoint of a folder that is there; NOT_FOUND: none. `before`: how many to pass over. */
tn_code tn_latest_checkpoint(const char *folder, int before, tn_arena *a, const char **prefix, tn_error *err);
int64_t tn_checkpoint_step(const char *prefix); /* the number after the last "-"; -1: none */
tn_code tn_checkpoint_remove(const char *prefix, tn_error *err); /* index first; absent is OK */

typedef struct tn_saver tn_saver;
typedef struct tn_saver_options {
    int max_to_keep;         /* 0: all are kept */
    double keep_every_hours; /* one in so many hours is kept for good; 0: none */
    bool no_meta;            /* do not write PREFIX.meta */
    bool v1;                 /* the format of Saver's V1 */
} tn_saver_options;
/* Continues the list of checkpoints that the folder of `prefix` already has. */
tn_code tn_saver_new(const char *prefix, const tn_saver_options *o, tn_saver **out, tn_error *err);
void tn_saver_free(tn_saver *s);
/* A writer for one more checkpoint (step < 0: without "-STEP"): tn_bundle_add to it, then finish, or
 * abandon it. `path` (may be NULL) is borrowed until the next call. */
tn_code tn_saver_begin(tn_saver *s, int64_t step, tn_bundle_writer **w, const char **path, tn_error *err);
/* Commits it, writes .meta from `meta` (NULL: none), then the state file, then removes what is too old. */
tn_code tn_saver_finish(tn_saver *s, tn_bundle_writer *w, const tn_export *meta, tn_error *err);

/* ==== SavedModel (savedmodel.c, savedmodel_write.c) ==== */

/* The MetaGraph with exactly these tags (n_tags 0: the only one, else that tagged "serve"). */
tn_code tn_savedmodel_load(const char *folder, const char *const *tags, int n_tags, tn_metagraph **out,
                           tn_error *err);
/* As tn_metagraph_load_to_ask. */
tn_code tn_savedmodel_load_to_ask(const char *folder, const char *const *tags, int n_tags, tn_metagraph **out,
                                  tn_error *err);
/* Variables into the session; then runs the init operation, assets fed with their paths. */
tn_code tn_savedmodel_restore(const char *folder, const tn_metagraph *m, tn_session *s, tn_error *err);
tn_code tn_savedmodel_restore_known(const char *folder, const tn_metagraph *m, tn_session *s, tn_error *err);
/* tn_load_saved_model for who asks only its signatures: variables that none of them looks at are not read. */
tn_code tn_load_signatures(const char *folder, const char *const *tags, int n_tags, const tn_session_options *options,
                           tn_loaded **out, tn_error *err);
/* The same of tn_load_meta_graph, whose variables are all read. */
tn_code tn_load_meta_signatures(const char *meta_graph, const char *checkpoint, const tn_session_options *options,
                                tn_loaded **out, tn_error *err);
/* A signature for a model that has none: "serving_default", whose inputs and outputs are values of the graph, each as
 * KEY=TENSOR or TENSOR (whose operation's name is the key then), separated by commas. INVALID_ARGUMENT: the form, a key
 * twice; NOT_FOUND: no such value. */
tn_code tn_loaded_sign(tn_loaded *m, const char *inputs, const char *outputs, tn_error *err);
/* The folder seems whole: a model is there, and, where there are variables, all of them (tn_bundle_check). */
tn_code tn_savedmodel_check(const char *folder, const atomic_int *cancel, tn_error *err);
/* The newest numbered version in a folder; NOT_FOUND: none. */
tn_code tn_savedmodel_latest(const char *base, int64_t *version, tn_error *err);
/* Every variable that the model restores and that a plan looks at has a value; FAILED_PRECONDITION names one that has
 * none. */
tn_code tn_loaded_check(tn_loaded *m, tn_error *err);
/* Writes BASE/VERSION (version < 0: BASE itself) with the session's variables. ALREADY_EXISTS; but when
 * `kept` is not NULL and what is there is the same, it is left, and *kept set. */
tn_code tn_savedmodel_save(const char *base, int64_t version, const tn_export *e, tn_session *s, bool *kept,
                           tn_error *err);

/* ==== event files (events.c, event_read.c) ==== */

typedef struct tn_events tn_events;
typedef enum tn_events_style {
    TN_EVENTS_V2, /* tensors with plugin data, as tf.summary of TensorFlow 2 */
    TN_EVENTS_V1  /* simple_value, HistogramProto, Image */
} tn_events_style;
/* FOLDER/events.out.tfevents.SECONDS.HOST.PID.N[suffix]; the folder is made. One thread at a time. */
tn_code tn_events_open(const char *folder, const char *suffix, tn_events_style style, tn_events **out,
                       tn_error *err);
const char *tn_events_path(const tn_events *e);
tn_code tn_events_scalar(tn_events *e, int64_t step, const char *tag, float value, tn_error *err);
tn_code tn_events_histogram(tn_events *e, int64_t step, const char *tag, const tn_tensor *values,
                            tn_error *err);
/* [h,w,c] or [n,h,w,c], c 1, 3 or 4, uint8 or float 0..1; at most `most` of n. */
tn_code tn_events_images(tn_events *e, int64_t step, const char *tag, const tn_tensor *images, int most,
                         tn_error *err);
tn_code tn_events_graph(tn_events *e, const tn_graph *g, tn_error *err);
tn_code tn_events_text(tn_events *e, int64_t step, const char *tag, tn_view markdown, tn_error *err);
tn_code tn_events_settings(tn_events *e, const char *tag, const tn_option *rows, const void *settings,
                           tn_error *err);
tn_code tn_events_put(tn_events *e, const tn_Event *event, tn_error *err); /* any other */
tn_code tn_events_flush(tn_events *e, tn_error *err);
tn_code tn_events_close(tn_events *e, tn_error *err); /* flushes; frees e either way */

typedef struct tn_event_reader tn_event_reader;
tn_code tn_event_reader_open(const char *path, tn_event_reader **out, tn_error *err);
/* The next event, valid until the next call. OUT_OF_RANGE: the end. DATA_LOSS: damage; what follows
 * cannot be read. */
tn_code tn_event_reader_next(tn_event_reader *r, const tn_Event **out, tn_error *err);
void tn_event_reader_close(tn_event_reader *r);

/* ==== data files (idx.c, csv.c, imagefile.c) ==== */

/* IDX, plain or gzip: a tensor of the file's dtype and shape. limit: bytes, 0: 2^33. Items beyond `most`
 * (0: all) are not read. */
tn_code tn_idx_load(const char *path, int64_t most, size_t limit, tn_tensor **out, tn_error *err);
tn_code tn_idx_decode(tn_view bytes, int64_t most, size_t limit, tn_tensor **out, tn_error *err);

typedef struct tn_csv_options { /* zeros: a comma, a header row, all columns */
    char separator;
    bool no_header;
    const char *const *columns; /* only these, in this order */
    int n_columns;
    int64_t max_rows; /* 0: all */
} tn_csv_options;
typedef struct tn_csv {
    tn_tensor *values;        /* float [rows, columns] */
    const char *const *names; /* of the columns; "0", "1", ... without a header */
    int n_columns;
    tn_arena *arena;
} tn_csv;
/* RFC 4180; every field taken is a number (an empty one NaN). Errors give line:column. */
tn_code tn_csv_load(const char *path, const tn_csv_options *o, tn_csv *out, tn_error *err);
tn_code tn_csv_parse(tn_view text, const tn_csv_options *o, tn_csv *out, tn_error *err);
void tn_csv_free(tn_csv *c);

#endif
