/* SPDX-License-Identifier: Apache-2.0
 *
 * missing.h - operators that are needed and not there, as lower.c asks before it lowers.
 */
#ifndef TN_PLAN_MISSING_H
#define TN_PLAN_MISSING_H

#include "../graph/op.h"

typedef struct tn_wanted { /* no fetches and no targets: every operation of the graph */
    const tn_node *fed;
    int n_fed;
    const tn_node *fetched;
    int n_fetched;
    tn_operation *const *targets;
    int n_targets;
} tn_wanted;
/* tn_missing_free *out; its strings are the graph's. */
tn_code tn_find_missing(const tn_graph *g, const tn_wanted *w, tn_missing **out, int *n, tn_error *err);
/* The functions that these call, through others too: name -> tn_function; tn_map_free *out. */
tn_code tn_find_called(const tn_graph *g, const tn_wanted *w, tn_map **out, tn_error *err);
/* One error that names all of them, in TensorFlow's words and with its code. */
tn_code tn_fail_missing(const tn_missing *m, int n, tn_error *err);
/* Runs in a function's body whether its results need it or not. */
bool tn_is_reached_anyway(const tn_operation *op);

#endif
