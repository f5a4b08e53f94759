/* SPDX-License-Identifier: Apache-2.0
 *
 * loaded.h - what a model that was opened consists of; shared by loaded.c and loaded_save.c.
 */
#ifndef TN_FORMAT_LOADED_H
#define TN_FORMAT_LOADED_H

#include "metagraph.h"

struct tn_loaded {
    tn_metagraph *meta; /* NULL for a bare GraphDef */
    tn_graph *graph;
    tn_session *session;
    tn_arena *arena;
    tn_loaded_signature *signatures;
    int n_signatures;
    tn_missing *missing;
    int n_missing;
    bool saved_model;
    const char *checkpoint; /* where its values came from; NULL: none */
};

#endif
