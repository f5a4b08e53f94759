/* SPDX-License-Identifier: Apache-2.0
 *
 * session.h - a session's insides, for what stands above plan/: savers, loops, `show --plan`.
 */
#ifndef TN_SESSION_H
#define TN_SESSION_H

#include "plan.h"

tn_store *tn_session_store(tn_session *s);
/* Files that operators may use from now on (borrowed; NULL: none). To begin with: the process's. */
void tn_session_set_outside(tn_session *s, const tn_outside *outside);
/* What reads and writes checkpoints for operators (borrowed); none to begin with. */
void tn_session_set_checkpoints(tn_session *s, const tn_checkpoint_hooks *hooks);
int tn_session_threads(const tn_session *s);
/* The value that must be finite before a run of the callable writes anything (fetch i); the run then
 * fails with INVALID_ARGUMENT and leaves all variables as they were. i < 0: none. */
void tn_callable_guard(tn_callable *c, int fetch);
/* One run that looks at every float output: an error names the first that is not finite. Writes too. */
tn_code tn_callable_run_checked(tn_callable *c, const tn_tensor *const *feeds, const tn_tensor **out, tn_error *err);
/* The same run of parts of a graph again and again, by any number of threads at once: what tn_session_run does without
 * looking its plan up by names each time. Feeds may have any shape: operators say what does not fit, as in TensorFlow.
 * feeds and fetches are copied; out[i] belongs to the caller. */
typedef struct tn_prepared tn_prepared;
typedef struct tn_run_limits { /* zeros: none but the session's own */
    int64_t deadline;         /* on the clock of tn_now_us: then DEADLINE_EXCEEDED */
    const atomic_int *cancel; /* not 0: CANCELLED */
    bool patient;             /* a run that feeds others waits for them as long as it takes, whatever the session's own
                               * limit; its thread counts itself among the store's running ones */
    int threads;              /* that share the work; what is planned is planned for so many */
    bool ahead;               /* nobody has asked for it yet: its plan may be forgotten (tn_session_forget_ahead) */
} tn_run_limits;
/* For all runs of the callable from now on; borrowed. */
void tn_callable_limit(tn_callable *c, const tn_run_limits *limits);
tn_code tn_prepared_new(tn_session *s, const char *const *feeds, int n_feeds, const char *const *fetches, int n_fetches,
                        tn_prepared **out, tn_error *err);
tn_code tn_prepared_run(tn_prepared *p, const tn_tensor *const *feeds, tn_tensor **out, const tn_run_limits *limits,
                        tn_error *err);
/* Makes the plan for feeds of these shapes ahead, in a thread that nobody waits for; *bytes: what the values of a run
 * take beside what is fed and fetched. */
tn_code tn_prepared_bind(tn_prepared *p, const tn_tensor *const *feeds, size_t *bytes, tn_error *err);
/* There are loops in it: values, not shapes alone, decide how long a run takes. */
bool tn_prepared_loops(const tn_prepared *p);
/* A run may change what later runs see (variables, tables, generators with a seed) or what is outside (files). */
bool tn_prepared_changes_state(const tn_prepared *p);
void tn_prepared_free(tn_prepared *p);
/* Ends the team of threads with which the calling thread has run: of one that will not run so again soon. */
void tn_session_team_end(void);
/* Forgets the values of variables that no plan made so far looks at: whoever asks only what has been prepared needs no
 * others. A plan made later finds them uninitialised. */
tn_code tn_session_forget_unused(tn_session *s, tn_error *err);
/* Forgets functions of the graph that no plan made so far calls, if the session owns the graph's constants, and with
 * them the whole graph (tn_session_own_constants). */
tn_code tn_session_forget_functions(tn_session *s, tn_error *err);
/* Forgets programs that were made ahead and that no run but such as were ahead has used so far, and of those that
 * differ in their number of threads alone all but the one that was used last; false: there were none. */
bool tn_session_forget_ahead(tn_session *s);
/* Forgets what sessions that are gone had in common with others to come. */
void tn_sessions_forget(void);
/* From now on nobody but the session looks at the elements of the graph's constants: they are held once, as programs
 * know them, as variables are. The graph goes with the session, or asks for them before (tn_graph_want_constants), as
 * every further session of it does. */
void tn_session_own_constants(tn_session *s);
/* They are there until the end. */
void tn_session_begin_reading(tn_session *s);
void tn_session_end_reading(tn_session *s);
/* Gives back what only runs need and none has at the moment: of a session that will not run for a while. */
void tn_session_rest(tn_session *s);
/* What every program knows packed is held so alone from now on, while runs go on: until the next plan wants it. false:
 * there is no program that was not there the last time. */
bool tn_session_settle(tn_session *s);
/* It does that by itself, when some runs in turn have made no plan; of more and more, as others come after that. */
void tn_session_settle_itself(tn_session *s);
/* The plan as a table: steps, kernels, fusions, shapes, bytes, and times when step_ns is not NULL (sums
 * over `runs` runs, nanoseconds). */
void tn_program_text(const tn_program *p, const int64_t *step_ns, int runs, tn_buf *out);

#endif
