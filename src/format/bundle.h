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

/* The key under which a piece is stored: TensorFlow's ordered code of 0, name, rank, (start, length)... */
void tn_bundle_slice_key(const char *name, const tn_slice *s, tn_buf *out);
bool tn_slice_equal(const tn_slice *a, const tn_slice *b, const tn_shape *full);
/* Copies a slice of full out to part, or part into it. Dtypes are equal, shapes fit. */
tn_code tn_slice_cut(const tn_tensor *full, const tn_slice *s, tn_tensor *part, tn_error *err);
tn_code tn_slice_put(tn_tensor *full, const tn_slice *s, const tn_tensor *part, tn_error *err);

#endif
