/* SPDX-License-Identifier: Apache-2.0
 *
 * list.h - lists of tensors, the variants that loops collect values in. A list never changes: what looks
 * like a change makes a new one that shares all but a path of a few nodes with the old.
 */
#ifndef TN_OPS_LIST_H
#define TN_OPS_LIST_H

#include "../tensor/tensor.h"

struct tn_list_node;
typedef struct tn_list {
    tn_variant head;
    tn_dtype dtype;
    tn_shape element_shape; /* what every element's shape fits */
    int64_t most;           /* elements it may hold; -1: any number */
    int64_t n;
    int levels; /* of the tree: its leaves hold elements at level 0 */
    struct tn_list_node *root;
} tn_list;

/* All functions that make a list give a new one with one reference; NULL: no memory. */
tn_list *tn_list_new(tn_dtype t, const tn_shape *element_shape, int64_t most, int64_t n);
const tn_tensor *tn_list_at(const tn_list *l, int64_t i);                  /* NULL: not set yet */
tn_list *tn_list_with(const tn_list *l, int64_t i, const tn_tensor *item); /* i == n appends; item is kept */
tn_list *tn_list_resized(const tn_list *l, int64_t n);
/* How deep the variants in a tensor are nested; 0: none there. */
int tn_list_depth(const tn_tensor *t);
enum { TN_LIST_MAX_DEPTH = 64 };
/* The list in a scalar variant tensor. INVALID_ARGUMENT: there is none. */
tn_code tn_list_of(const tn_tensor *t, const tn_list **out, tn_error *err);

/* Optionals: some tensors, or none (n = 0). */
typedef struct tn_optional {
    tn_variant head;
    int n;
    tn_tensor *at[];
} tn_optional;
tn_optional *tn_optional_new(const tn_tensor *const *values, int n); /* keeps them; NULL: no memory */
const tn_optional *tn_optional_of(const tn_variant *v);              /* NULL: it is none */

/* ZerosLike and AddN of variants: element by element of lists and optionals. */
struct tn_run;
tn_code tn_variant_zeros_like(struct tn_run *r, tn_error *err);
tn_code tn_variant_add_n(struct tn_run *r, tn_error *err);

#endif
