/* SPDX-License-Identifier: Apache-2.0
 *
 * bundle_index.h - an open tensor bundle, as bundle_index.c makes it and bundle_read.c reads its tensors.
 */
#ifndef TN_FORMAT_BUNDLE_INDEX_H
#define TN_FORMAT_BUNDLE_INDEX_H

#include "bundle.h"
#include "objects.h"

typedef struct tn_bundle_item {
    tn_bundle_entry entry;
    int32_t dtype; /* as stored, which may be none of ours */
    tn_slice *slices;
    tn_view key; /* of an older checkpoint's slice */
} tn_bundle_item;

struct tn_bundle {
    tn_arena *arena;
    char *prefix, *index_path;
    int n_shards;
    tn_v1 *v1; /* an older checkpoint, whose tensors are there; NULL: none */
    tn_mapped *shards;
    bool *is_mapped;
    bool copies;              /* nothing is mapped: every tensor is read where it is needed */
    tn_buf part;              /* the last one that was read */
    tn_map *items;            /* every key, slices too -> tn_bundle_item */
    tn_bundle_item **visible; /* without the slices */
    int n_visible;
    tn_objects *objects; /* NULL: not read yet */
};

#endif
