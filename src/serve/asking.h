/* SPDX-License-Identifier: Apache-2.0
 *
 * asking.h - outputs that are fetched together: what asking.c, batching.c and api_multi.c share.
 */
#ifndef TN_SERVE_ASKING_H
#define TN_SERVE_ASKING_H

#include "serve.h"

enum { TN_MOST_CHOICES = 32, TN_ASK_SIZES = 32 };

/* Outputs of signatures with the same inputs, as one plan. Never freed before the model. */
typedef struct tn_choice {
    struct tn_choice *next;
    tn_prepared *prepared;
    bool loops;         /* how long a run takes is not told by those before */
    bool changes_state; /* it is run for requests only */
    const int *keys; /* tn_choice_key of each output, in the order of the fetches */
    int n;
    /* What a run lately takes in one thread, by the size of its inputs (powers of two): microseconds times 256; 0: not
     * known. */
    atomic_int_fast64_t run_us[TN_ASK_SIZES];
    atomic_bool is_short[TN_ASK_SIZES];
    void *_Atomic queue; /* batching.c's */
} tn_choice;

static inline int tn_choice_key(int signature, int output)
{
    return signature << 16 | output;
}

/* The inputs are those of `a`. *out NULL: too many choices have been asked for already. */
tn_code tn_choice_get(const tn_asker *a, const int *keys, int n, tn_choice **out, tn_error *err);

/* Sets a->choice, puts defaults in, checks dtypes. */
tn_code tn_ask_ready(tn_ask *a, tn_error *err);
/* Runs it in this thread, whatever batching there is. */
tn_code tn_ask_compute(tn_ask *a, tn_error *err);
typedef struct tn_choice_run {
    const tn_tensor *const *in;
    tn_tensor **out;
    int n_in;
    int64_t deadline;
    const atomic_int *cancel;
    int team;   /* threads; 0: the session's */
    bool ahead; /* nobody asks for it yet */
} tn_choice_run;
/* Computes the outputs. *us: how long it took. */
tn_code tn_choice_compute(tn_choice *c, const tn_choice_run *r, int64_t *us, tn_error *err);
/* How long a run took in one thread, and what for. */
void tn_choice_measured(tn_choice *c, int size, int64_t us);
int tn_ask_size(const tn_tensor *const *in, int n);
int64_t tn_ask_usual(const tn_ask *a); /* how long it usually takes in one thread; 0: not known */
/* A failed run's message as TensorFlow breaks it into lines: each "[[{{node X}}]]" on its own. */
void tn_ask_words(tn_error *err);
/* CANCELLED, DEADLINE_EXCEEDED: nobody waits for it any more. */
tn_code tn_ask_may_go_on(const tn_ask *a, tn_error *err);

#endif
