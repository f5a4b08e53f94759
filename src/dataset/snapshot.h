/* SPDX-License-Identifier: Apache-2.0
 *
 * snapshot.h - saved data sets, as TensorFlow's save and snapshot write them: a folder with snapshot.metadata and a
 * folder of its run, in which each shard has a folder with files of records, one a component of an element. This is
 * the form with TFRecords (version 2); in the former one (version 1) the run's folder has the files itself.
 */
#ifndef TN_DATASET_SNAPSHOT_H
#define TN_DATASET_SNAPSHOT_H

#include "../plan/files.h"
#include "../wire/proto.h"
#include "dataset.h"

enum { TN_SNAPSHOT_FORMER = 1, TN_SNAPSHOT_VERSION = 2 };

/* By its name; any other one stands for none, as in TensorFlow. */
tn_packing tn_packing_of(tn_view name);
tn_packing tn_packing_of_attr(const tn_run *r);

/* What a folder's snapshot.metadata says, in the arena. NOT_FOUND: there is none. */
tn_code tn_snapshot_describe(const tn_files *f, const char *owner, tn_view folder, tn_arena *a,
                             tn_SnapshotMetadataRecord **out, tn_error *err);
/* The text of a path's parts with slashes between, in the arena; NULL: no memory. */
const char *tn_path_of(tn_arena *a, tn_view folder, tn_view name);

/* ==== one file ==== */
typedef struct tn_snapshot_file {
    tn_buf bytes; /* expanded */
    tn_charge charge;
    size_t at;
    bool open;
} tn_snapshot_file;
tn_code tn_snapshot_open(tn_snapshot_file *f, const tn_files *files, const char *owner, const char *path, tn_packing p,
                         tn_error *err);
void tn_snapshot_close(tn_snapshot_file *f);
/* An element of so many components; *end. DATA_LOSS: damaged, or it ends within one. */
tn_code tn_snapshot_next(tn_snapshot_file *f, int width, tn_tensor **out, bool *end, tn_error *err);
/* The same of the former version (snapshot_v1.c), whose packings are those of tn_snapshot_v1_file as a whole; and its
 * records. */
tn_code tn_snapshot_v1_next(tn_snapshot_file *f, tn_packing p, const tn_dataset *d, tn_tensor **out, bool *end,
                            tn_error *err);
tn_code tn_snapshot_v1_put(tn_buf *to, tn_packing p, tn_tensor *const *e, int width, tn_error *err);
static inline tn_packing tn_snapshot_v1_file(tn_packing p) { return p == TN_PACK_SNAPPY ? TN_PACK_NONE : p; }
/* What is in a run's folder and ends so, in order: the paths of shards, or of files. */
tn_code tn_snapshot_list(const tn_files *f, const char *owner, tn_view folder, tn_view run, const char *ending,
                         tn_arena *a, tn_paths *out, tn_error *err);
/* The shards of a run as a data set of data sets like that one (op_dataset_snapshot.c). */
tn_code tn_snapshot_shards(const tn_run *r, const tn_dataset *like, tn_view folder, tn_view run, tn_packing p,
                           tn_tensor **out, tn_error *err);
/* The data set that a reader has made, s->in, is as wide as that of s. */
tn_code tn_snapshot_fits(const tn_source *s, tn_error *err);

/* ==== writing one ==== */
typedef struct tn_snapshot_writer tn_snapshot_writer;
/* Nothing can be read under the folder's name before it is finished. */
typedef struct tn_snapshot_form {
    int version;
    tn_packing packing;
    tn_view hash; /* as it is to be told; may be empty */
    tn_view run;  /* the name of its folder; empty: a new one */
    bool counts;  /* how many elements there are is told */
} tn_snapshot_form;
tn_code tn_snapshot_writer_new(const char *owner, tn_view folder, const tn_snapshot_form *form,
                               tn_snapshot_writer **out, tn_error *err);
tn_code tn_snapshot_put(tn_snapshot_writer *w, const tn_files *f, int64_t shard, tn_tensor *const *e, int width,
                        tn_error *err);
tn_code tn_snapshot_finish(tn_snapshot_writer *w, const tn_files *f, const tn_dataset *of, tn_error *err);
void tn_snapshot_writer_free(tn_snapshot_writer *w); /* NULL is OK */

#endif
