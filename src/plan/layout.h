/* SPDX-License-Identifier: Apache-2.0
 *
 * layout.h - where values live: slots, and the one block of memory by lifetime. Private to bind.c and
 * layout.c.
 */
#ifndef TN_LAYOUT_H
#define TN_LAYOUT_H

#include "plan.h"

typedef struct tn_storage { /* bytes of the block, alive from step time `first` to `last` */
    size_t size, offset;
    int first, last;
    int may_reuse[3]; /* storages whose place an in-place operator may take over; -1: none */
} tn_storage;

typedef struct tn_layout {
    tn_binding *b;
    tn_slot *slots;
    int *storage_of; /* by slot; -1: none */
    int *replaces; /* by slot: a loop's argument (its slot + 1) in whose place its next value is made; 0: none */
    int n_slots;
    tn_storage *storages;
    int n_storages, cap_storages, time;
    size_t block;
} tn_layout;

/* Gives every output of every node a slot (node->slot + index) and a place, static ones in the block. */
tn_code tn_layout_make(tn_binding *b, tn_layout *out, tn_error *err);
/* Everything about the node is known ahead: shapes, and the values it wants. */
bool tn_pnode_is_static(const tn_binding *b, const tn_pnode *n);
/* The node needs no step: its outputs are somebody else's bytes. */
bool tn_pnode_is_free(const tn_layout *l, const tn_pnode *n);

#endif
