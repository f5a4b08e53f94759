/* SPDX-License-Identifier: Apache-2.0
 *
 * iterator.h - iterators over data sets as resources of a session.
 */
#ifndef TN_DATASET_ITERATOR_H
#define TN_DATASET_ITERATOR_H

#include "dataset.h"

/* One run at a time goes through a gate. */
typedef struct tn_gate {
    pthread_mutex_t lock;
    pthread_cond_t free;
    bool busy;
    pthread_t mover; /* while it is busy */
} tn_gate;
void tn_gate_init(tn_gate *g);
void tn_gate_destroy(tn_gate *g);
/* Waits until nobody else is in it. CANCELLED; INVALID_ARGUMENT: the thread is in it itself, of the iterator `name`. */
tn_code tn_gate_enter(tn_gate *g, const tn_run *r, const char *name, tn_error *err);
void tn_gate_leave(tn_gate *g);

/* What a resource of kind TN_RES_MULTI_ITERATOR begins with (op_multi_iterator.c). */
typedef struct tn_shared_iterator {
    tn_resource base;
    tn_resource *inner; /* the iterator whose elements are handed out */
} tn_shared_iterator;

/* What the session knows the run's iterator by: "iterator:" and its shared name, or the operation's. tn_free
 * it; NULL: no memory. */
char *tn_iterator_name(const tn_run *r);
/* On whose behalf its functions are called. */
const char *tn_iterator_owner(const tn_resource *res);
/* A resource of kind TN_RES_ITERATOR with the attributes' types and shapes, not yet over any data set; NULL:
 * no memory, or none that could be. */
tn_resource *tn_iterator_make(const tn_run *r);
/* It begins to go over d; once: unless it has begun already. INVALID_ARGUMENT: elements of other types or shapes. */
tn_code tn_iterator_begin(tn_resource *res, const tn_run *r, tn_dataset *d, bool once, tn_error *err);
/* Where it is, as a vector of numbers; and it goes on from there, over the data set that it is over already: what came
 * before is made again. FAILED_PRECONDITION: it has not begun; INVALID_ARGUMENT: they are of another data set. */
tn_code tn_iterator_save(tn_resource *res, const tn_run *r, tn_tensor **out, tn_error *err);
tn_code tn_iterator_restore(tn_resource *res, const tn_run *r, const tn_tensor *state, tn_error *err);
bool tn_iterator_has_begun(tn_resource *res);
/* An element of tn_iterator_width tensors. FAILED_PRECONDITION: it has not begun. */
tn_code tn_iterator_next(tn_resource *res, const tn_run *r, tn_tensor **out, bool *end, tn_error *err);
/* Shapes by the attribute output_shapes; an element as the run's outputs, whose dtypes and shapes the attributes say
 * (op_iterator.c). */
tn_code tn_element_infer(tn_infer *c, tn_error *err);
tn_code tn_element_give(tn_run *r, tn_tensor *const *e, int width, tn_error *err);
int tn_iterator_width(const tn_resource *res);
/* The iterator's types and shapes are those of the attributes, if there are any. */
tn_code tn_iterator_check(const tn_resource *res, const tn_run *r, tn_error *err);

#endif
