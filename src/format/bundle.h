/* SPDX-License-Identifier: Apache-2.0
 *
 * bundle.h - what the bundle's reader and writer share: names of files, keys of slices. Private to them
 * and to the saver.
 */
#ifndef TN_FORMAT_BUNDLE_H
#define TN_FORMAT_BUNDLE_H

#include "format.h"

#define TN_BUNDLE_VERSION 1 /* of the bundle format, in the header */

/* PREFIX.data-00003-of-00007 */
char *tn_bundle_shard_path(tn_arena *a, const char *prefix, int shard, int n);
/* A new checkpoint is written beside the old one, as SHARD.new and PREFIX.index.new, and then renamed,
 * data first. When only the index's .new is there, the crash came between the two: it is the index. */
char *tn_bundle_index_path(tn_arena *a, const char *prefix);
bool tn_bundle_half_placed(tn_arena *a, const char *prefix);
#define TN_BUNDLE_NEW ".new"

/* Checkpoints of Saver's V1 (bundle_v1.c): a file, or "PREFIX-?????-of-00002" for its shards. */
typedef struct tn_v1 tn_v1;
bool tn_v1_exists(const char *path);
tn_code tn_v1_open(const char *path, tn_v1 **out, tn_error *err);
void tn_v1_close(tn_v1 *v);
int tn_v1_shards(const tn_v1 *v);
/* What a shard lists, in the arena. */
tn_code tn_v1_list(tn_v1 *v, int shard, tn_arena *a, tn_SavedTensorSliceMeta **out, tn_error *err);
/* The bytes of a slice of so many elements, by its key; valid until the next call. DATA_LOSS: absent, or too few. */
tn_code tn_v1_find(tn_v1 *v, int shard, tn_view key, int64_t count, tn_view *value, tn_error *err);
tn_code tn_v1_read(tn_v1 *v, int shard, tn_view key, tn_dtype t, const tn_shape *shape, tn_tensor **out, tn_error *err);

/* Writing one (bundle_v1_write.c): tensors are kept until all are there. slice NULL: all of it. A bundle that had been
 * saved under the same name is removed at last. */
typedef struct tn_v1_writer tn_v1_writer;
tn_code tn_v1_writer_open(const char *path, tn_v1_writer **out, tn_error *err);
tn_code tn_v1_add(tn_v1_writer *w, const char *name, const tn_shape *full, const tn_slice *slice, const tn_tensor *t,
                  tn_error *err);
tn_code tn_v1_commit(tn_v1_writer *w, tn_error *err);
void tn_v1_writer_free(tn_v1_writer *w); /* NULL is OK */
/* The files of a bundle, index first; absent is OK (checkpoint_state.c). */
tn_code tn_bundle_remove(const char *prefix, tn_error *err);
tn_code tn_slice_to_proto(const tn_slice *s, tn_arena *a, tn_TensorSliceProto *out, tn_error *err);

/* The key under which a piece is stored: TensorFlow's ordered code of 0, name, rank, (start, length)... */
void tn_bundle_slice_key(const char *name, const tn_slice *s, tn_buf *out);
bool tn_slice_equal(const tn_slice *a, const tn_slice *b, const tn_shape *full);
/* Copies a slice of full out to part, or part into it. Dtypes are equal, shapes fit. */
tn_code tn_slice_cut(const tn_tensor *full, const tn_slice *s, tn_tensor *part, tn_error *err);
tn_code tn_slice_put(tn_tensor *full, const tn_slice *s, const tn_tensor *part, tn_error *err);

#endif
