/* SPDX-License-Identifier: Apache-2.0
 *
 * table.h - lookup tables, as what their operators share: from keys to values, which may be tensors of one
 * shape. A table belongs to the session under its shared name (or its node's); it has a lock of its own.
 */
#ifndef TN_OPS_TABLE_H
#define TN_OPS_TABLE_H

#include "op_move.h"

/* A value: plain bytes, or a string's, or several strings' with their lengths, or variants, a reference on each. */
typedef struct tn_cell {
    tn_charge charge; /* with its key's */
    tn_dtype dtype;
    size_t n;
    char data[];
} tn_cell;

typedef struct tn_table {
    tn_resource base;
    tn_dtype key, value;
    tn_shape value_shape;
    int64_t each; /* elements of a value */
    bool is_mutable, is_set;
    tn_tensor *reserved[2]; /* keys that no entry may have: of free buckets of dense tables; NULL: any may */
    int64_t first_buckets;  /* of dense tables: how many there are to begin with, and how full they may get */
    float most_load;
    tn_map *map;            /* key bytes -> tn_cell */
    pthread_mutex_t lock;
} tn_table;

/* A new one as the operation's attributes (and inputs: reserved keys) describe it; NULL: no memory. */
tn_resource *tn_table_make(const tn_run *r);
tn_code tn_table_of(const tn_run *r, tn_table **out, tn_error *err); /* by input 0 */
tn_code tn_table_check_types(const tn_table *t, tn_dtype key, tn_dtype value, tn_error *err);
tn_view tn_table_key(const tn_tensor *keys, int64_t i);
/* Value i of a tensor of values, and elements made of a cell. */
tn_code tn_table_set(const tn_table *t, tn_tensor *out, int64_t i, const tn_cell *c, tn_error *err);
/* unique: another value for a key that is there is an error. */
tn_code tn_table_insert(const tn_table *t, tn_map *m, tn_view key, tn_view value, bool unique, tn_error *err);
tn_code tn_table_insert_all(const tn_table *t, tn_map *m, const tn_tensor *keys, const tn_tensor *values,
                            bool unique, tn_error *err);
tn_code tn_table_insert_one(const tn_table *t, tn_map *m, const tn_tensor *keys, const tn_tensor *values, int64_t i,
                            tn_error *err);
/* op_table_dense.c: outputs 0 and 1, or a map that is to be filled, and buckets as they lie in memory. */
tn_code tn_table_export_buckets(tn_run *r, const tn_table *t, tn_error *err);
tn_code tn_table_import_buckets(tn_table *t, tn_map *map, const tn_tensor *keys, const tn_tensor *values,
                                tn_error *err);
/* INVALID_ARGUMENT when one of the keys is reserved. */
tn_code tn_table_check_keys(const tn_table *t, const tn_tensor *keys, tn_error *err);
/* Puts a whole new map in place (or frees it); a table that is set once only takes the same again. */
tn_code tn_table_replace(tn_table *t, tn_map *map, tn_error *err);
void tn_table_drop_map(tn_map *m);
void tn_table_drop_cell(tn_cell *c);

#endif
