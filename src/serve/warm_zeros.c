/* SPDX-License-Identifier: Apache-2.0
 *
 * warm_zeros.c - questions that are made up of what signatures say of their inputs: zeros of one row, before a
 * model is AVAILABLE, and plans for larger batches afterwards, in the background, as far as they do not take too
 * much memory.
 *
 * Invariant: what fails here is no failure of the model.
 */
#include "asking.h"
#include "models.h"

enum { MOST_EXPECTED = 64 };
#define LARGEST_INPUT ((int64_t)64 << 20) /* bytes that are fed */
#define LARGEST_RUN ((size_t)16 << 20)    /* values of a run: beyond, a plan is made but not run */
#define LARGEST_PLAN ((size_t)64 << 20)   /* beyond, no larger batches are expected */
#define ALL_PLANS ((size_t)256 << 20)     /* of one model */

static bool is_cancelled(const atomic_int *cancel)
{
    return cancel && atomic_load_explicit(cancel, memory_order_relaxed);
}

/* ==== zeros ==== */

/* Dimension 0 is `rows` where it is not known, others 1. false: the signature does not say enough. */
static bool shape_of(const tn_loaded_value *v, tn_dtype t, int64_t rows, tn_shape *out)
{
    int64_t count;
    if (v->shape.rank < 0 || (!tn_dtype_is_pod(t) && t != TN_STRING)) return false;
    *out = v->shape;
    for (int i = 0; i < out->rank; i++)
        if (out->dim[i] < 0) out->dim[i] = i ? 1 : rows;
    return tn_shape_count_checked(out, &count, NULL) == TN_OK && count <= LARGEST_INPUT / (int64_t)tn_dtype_size(t);
}

static void drop_all(tn_tensor **v, int n)
{
    for (int i = 0; v && i < n; i++) tn_tensor_unref(v[i]);
    tn_free(v);
}

static tn_tensor **zeros_for(const tn_asker *a, int64_t rows)
{
    const tn_loaded_signature *g = a->signature;
    tn_tensor **v = tn_calloc((size_t)g->n_in + 1, sizeof *v);
    for (int i = 0; v && i < g->n_in; i++) {
        tn_shape shape;
        if (shape_of(&g->in[i], a->fed[i], rows, &shape) && tn_tensor_new(a->fed[i], &shape, &v[i], NULL) == TN_OK)
            continue;
        drop_all(v, i);
        return NULL;
    }
    return v;
}

typedef struct question {
    tn_ask ask;
    tn_tensor **in, **out;
} question;

static void question_free(question *q)
{
    drop_all(q->in, q->ask.asker->signature->n_in);
    tn_free(q->out);
}

static tn_code question_of(const tn_asker *a, int64_t rows, const atomic_int *cancel, question *q, tn_error *err)
{
    *q = (question){.in = zeros_for(a, rows), .out = tn_calloc((size_t)a->signature->n_out + 1, sizeof *q->out)};
    q->ask = (tn_ask){.asker = a, .in = (const tn_tensor **)q->in, .out = q->out, .cancel = cancel};
    tn_code code = q->out ? TN_OK : tn_no_memory(err, 0);
    if (code == TN_OK && !q->in) code = tn_fail(err, TN_UNIMPLEMENTED, "the shape of an input is not known");
    if (code == TN_OK) code = tn_ask_ready(&q->ask, err);
    if (code != TN_OK) question_free(q);
    return code;
}

static tn_code ask_times(question *q, int times, tn_error *err)
{
    for (int i = 0; i < times; i++) {
        TN_TRY(tn_ask_compute(&q->ask, err));
        for (int k = 0; k < q->ask.asker->signature->n_out; k++) tn_tensor_unref(q->out[k]);
    }
    return TN_OK;
}

/* The first run makes the plan, the second shows how long such a question takes, and the third is that of the team
 * it may have. What changes the model's state is planned and not run: nobody has asked for the change. */
static tn_code ask_both_ways(question *q, int most, tn_error *err)
{
    size_t bytes;
    if (q->ask.choice->changes_state)
        return tn_prepared_bind(q->ask.choice->prepared, q->ask.in, &bytes, err);
    TN_TRY(ask_times(q, 2, err));
    q->ask.team = tn_team_for(most, tn_ask_usual(&q->ask));
    return q->ask.team > 1 ? ask_times(q, 1, err) : TN_OK;
}

static tn_code ask_zeros(const tn_asker *a, int team, const atomic_int *cancel, tn_error *err)
{
    question q;
    TN_TRY(question_of(a, 1, cancel, &q, err));
    tn_code code = ask_both_ways(&q, team, err);
    question_free(&q);
    return code;
}

tn_code tn_warm_up_zeros(tn_servable *s, const tn_servable_options *o, tn_error *err)
{
    for (int i = 0; i < tn_askers_count(s->askers); i++) {
        tn_error why;
        const tn_asker *a = tn_askers_at(s->askers, i);
        tn_code code = ask_zeros(a, s->team, o->cancel, &why);
        tn_session_team_end();
        if (is_cancelled(o->cancel)) return tn_fail(err, TN_CANCELLED, "loading was cancelled");
        if (code != TN_OK)
            tn_logf(o->log, TN_DEBUG, "signature %s of {name: %s version: %lld} was not warmed up: %s",
                    a->signature->name, s->model, (long long)s->version, why.message);
    }
    return TN_OK;
}

/* ==== batch sizes that are to be expected ==== */

static bool has_open_batch(const tn_loaded_signature *g)
{
    for (int i = 0; i < g->n_in; i++)
        if (g->in[i].shape.rank > 0 && g->in[i].shape.dim[0] < 0) return true;
    return false;
}

/* A run touches memory for the first time and prepares what is prepared while running. */
static tn_code plan_and_run(question *q, int team, size_t *bytes, tn_error *err)
{
    q->ask.ahead = true;
    TN_TRY(tn_prepared_bind(q->ask.choice->prepared, q->ask.in, bytes, err));
    return *bytes > LARGEST_RUN ? TN_OK : ask_both_ways(q, team, err);
}

/* false: larger ones are not tried. */
static bool plan_for(const tn_asker *a, int64_t rows, int team, const atomic_int *cancel, size_t *sum)
{
    question q;
    size_t bytes = 0;
    if (question_of(a, rows, cancel, &q, NULL) != TN_OK) return false;
    tn_code code = plan_and_run(&q, team, &bytes, NULL);
    question_free(&q);
    *sum += bytes;
    return code == TN_OK && bytes <= LARGEST_PLAN && *sum <= ALL_PLANS;
}

/* Somebody else than who works here still has it. */
static bool is_wanted(tn_servable *s, const atomic_int *cancel)
{
    return !is_cancelled(cancel) && atomic_load(&s->refs) > 1;
}

/* The k-th, 0: no more. */
static int64_t expected_size(const tn_batching *b, int k)
{
    int64_t most = b ? TN_MIN(b->max_execution_batch_size, MOST_EXPECTED) : MOST_EXPECTED, size = (int64_t)2 << k;
    if (b && b->n_allowed) return k < b->n_allowed ? b->allowed_batch_sizes[k] : 0;
    return size <= most ? size : 0;
}

void tn_warm_up_sizes(tn_servable *s, const atomic_int *cancel)
{
    bool before = tn_file_copies_enter(true);
    size_t sum = 0;
    for (int i = 0; i < tn_askers_count(s->askers); i++) {
        const tn_asker *a = tn_askers_at(s->askers, i);
        int64_t rows = 1;
        for (int k = 0; rows && has_open_batch(a->signature) && is_wanted(s, cancel); k++) {
            rows = expected_size(s->batching, k);
            if (rows && !plan_for(a, rows, s->team, cancel, &sum)) break;
        }
    }
    tn_session_team_end();
    tn_file_copies_enter(before);
}
