/* SPDX-License-Identifier: Apache-2.0
 *
 * conds.h - what the two files about TensorFlow 1's conditionals share: conditions as a tree (conds.c makes Ifs of
 * them), and graphs whose conditions do not nest made to nest (conds_nest.c).
 */
#ifndef TN_CONDS_H
#define TN_CONDS_H

#include "plan.h"

enum { TN_MOST_NESTED = 200 };

typedef struct tn_condition {
    int parent, depth, branch;
    tn_pval key;  /* what is looked at, behind Identity and the like: equal keys are one predicate */
    tn_pval pred; /* it as it is seen here */
    int next;     /* of the same key's node; -1 */
    int ifs;      /* of side 0: the newest of its Ifs; -1 */
} tn_condition;

typedef struct tn_selection tn_selection;
typedef struct tn_conds {
    tn_arena *a;
    tn_region *r;
    tn_condition *c; /* [0]: always */
    int n, cap;
    tn_selection **s;
    int n_s, cap_s;
    int depth; /* that is being converted */
    bool again; /* the region was changed so that conditions nest: order and conditions are to be found anew */
    int changes;
} tn_conds;

/* Under which condition a value lives: a Switch's outputs under those it makes. */
int tn_condition_of(tn_pval v);
bool tn_condition_within(const tn_conds *c, int inner, int outer);
tn_code tn_cond_unsupported(const tn_pnode *n, const char *why, tn_error *err);

/* The conditions that a Switch makes, by its mark, its own condition. */
tn_code tn_cond_of_switch(tn_conds *c, tn_pnode *sw, tn_error *err);

/* ==== conds_nest.c ==== each changes the region and sets c->again; nodes that are added have their conditions */
/* Input i of n, or what its control edge i comes from, lives under a condition beside n's: it is seen through Switches
 * of that condition inside of n's. */
tn_code tn_cond_nest_input(tn_conds *c, tn_pnode *n, int i, tn_error *err);
tn_code tn_cond_nest_control(tn_conds *c, tn_pnode *n, int i, tn_error *err);
/* A Merge of other than the two sides of one condition becomes Merges of two. */
tn_code tn_cond_split_merge(tn_conds *c, tn_pnode *n, tn_error *err);
/* Every _SwitchN of a region becomes Switches. */
tn_code tn_cond_split_switches(tn_arena *a, tn_region *r, tn_error *err);

#endif
