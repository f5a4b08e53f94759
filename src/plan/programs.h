/* SPDX-License-Identifier: Apache-2.0
 *
 * programs.h - a session's plans and their programs; shared by session.c and programs.c.
 */
#ifndef TN_PLAN_PROGRAMS_H
#define TN_PLAN_PROGRAMS_H

#include "session.h"

typedef struct tn_bound { /* a program for some feed shapes, in use by `refs` */
    tn_program *program;
    int refs;
    uint64_t used;
    atomic_bool asked; /* by a run that was not ahead */
} tn_bound;

typedef struct tn_pending { /* a program that is being bound, by a thread that waits for it */
    const tn_tensor *const *feeds;
    int threads;
    struct tn_pending *next;
} tn_pending;

typedef struct tn_plan {
    char *key;
    pthread_mutex_t lower_lock; /* lowering, and copying what came of it */
    tn_lowered *lowered;
    tn_pending *pending;
    int version; /* of the graph it was made from */
    tn_bound **bound;
    int n_bound, cap_bound;
} tn_plan;

struct tn_session {
    tn_graph *graph;
    tn_store *store;
    tn_session_options options;
    pthread_mutex_t lock;
    pthread_cond_t bound; /* something that was pending is there, or failed */
    tn_map *plans;
    uint64_t clock;
    int active;
    atomic_int cancel;
    atomic_bool has_new; /* programs, or constants that came back, since values were held once */
    bool owns_constants; /* nobody else looks at those of the graph */
    bool is_keeper;      /* the graph asks for them, also when they are there for good */
    bool settles;        /* by itself, after some runs for which there were programs: */
    int quiet, patience; /* such runs so far; how many it takes */
};

typedef struct tn_request {
    const char *const *feeds, *const *fetches, *const *targets;
    int n_feeds, n_fetches, n_targets;
    bool any_shape; /* feeds need not have their placeholders' shapes: operators say what does not fit */
} tn_request;

/* The plan of a request, lowered. */
tn_code tn_plan_get(tn_session *s, const tn_request *q, tn_plan **out, tn_error *err);
void tn_plan_free(tn_plan *p);
/* INVALID_ARGUMENT: a feed of another dtype, or of a shape that its placeholder does not take. */
tn_code tn_plan_check(const tn_plan *p, const tn_request *q, const tn_tensor *const *feeds, tn_error *err);
bool tn_bound_fits(const tn_program *p, const tn_tensor *const *feeds);
/* The program for feeds of these shapes and so many threads, which is bound if it is not there; tn_bound_put gives it
 * back. */
tn_code tn_bound_get(tn_session *s, tn_plan *p, const tn_tensor *const *feeds, int threads, tn_bound **out,
                     tn_error *err);
/* The same, and nobody is to wait for it. */
tn_code tn_bound_ahead(tn_session *s, tn_plan *p, const tn_tensor *const *feeds, int threads, tn_bound **out,
                       tn_error *err);
void tn_bound_put(tn_session *s, tn_bound *b);
void tn_bound_asked(tn_bound *b); /* it is not forgotten as one that was made ahead */

/* What runs have left with programs goes. */
void tn_session_rest_programs(tn_session *s);
/* Values of variables that every program knows packed are held so alone (shed.c). */
void tn_session_shed(tn_session *s);

#endif
