/* SPDX-License-Identifier: Apache-2.0
 *
 * objects.h - the graph of objects that TensorFlow 2 keeps with a checkpoint: which variable a tensor was of, and what
 * an optimizer kept for it.
 */
#ifndef TN_FORMAT_OBJECTS_H
#define TN_FORMAT_OBJECTS_H

#include "format.h"

#define TN_OBJECT_GRAPH "_CHECKPOINTABLE_OBJECT_GRAPH"

typedef struct tn_objects tn_objects;
/* Of a bundle that has none: without objects. */
tn_code tn_objects_read(tn_bundle *b, tn_objects **out, tn_error *err);
void tn_objects_free(tn_objects *o);
/* The bundle's own, read when first asked for. */
tn_code tn_bundle_objects(tn_bundle *b, const tn_objects **out, tn_error *err);
bool tn_objects_any(const tn_objects *o);
const char *tn_objects_key(const tn_objects *o, const char *name);    /* of the variable of this name; NULL: none */
const char *tn_objects_variable(const tn_objects *o, const char *key); /* the name that it had; NULL: none */

/* What optimizers of TensorFlow 2 and Keras (2 and 3) keep, by our slot's name behind its variable's: "Adam_1". */
typedef struct tn_object_slot {
    const char *key;  /* its tensor; NULL: there is none */
    const char *rate; /* the tensor of the optimizer's learning rate, where ours is the slot divided by -rate */
    bool by_rate;
} tn_object_slot;
/* key: the variable's tensor. centered: of an RMSProp that has its gradients' mean in RMSProp_1. */
tn_object_slot tn_objects_slot(const tn_objects *o, const char *key, const char *slot, bool centered);
/* The tensor that counts the steps of the optimizer that trains the variable; NULL: none. */
const char *tn_objects_iterations(const tn_objects *o, const char *key);

#endif
