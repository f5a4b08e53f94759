/* SPDX-License-Identifier: Apache-2.0
 *
 * warm_up.c - a model's first questions, asked before it is AVAILABLE, so that no request pays for planning: those it
 * brings (assets.extra/tf_serving_warmup_requests, as TensorFlow Serving reads them), or else one of zeros for each
 * signature; and, afterwards, plans for the batch sizes that are to be expected.
 *
 * Invariant: requests that the model brings must succeed; what is made up here may fail.
 */
#include "asking.h"
#include "models.h"

enum { MOST_EXPECTED = 64 };

static bool is_cancelled(const atomic_int *cancel)
{
    return cancel && atomic_load_explicit(cancel, memory_order_relaxed);
}

/* ==== questions of zeros ==== */

/* Dimension 0 is `rows` where it is not known, others 1. false: the signature does not say enough. */
static bool shape_of(const tn_loaded_value *v, int64_t rows, tn_shape *out)
{
    if (v->shape.rank < 0) return false;
    *out = v->shape;
    for (int i = 0; i < out->rank; i++)
        if (out->dim[i] < 0) out->dim[i] = i ? 1 : rows;
    return true;
}

static void drop_all(tn_tensor **v, int n)
{
    for (int i = 0; v && i < n; i++) tn_tensor_unref(v[i]);
    tn_free(v);
}

static tn_tensor **zeros_for(const tn_loaded_signature *g, int64_t rows)
{
    tn_tensor **v = tn_calloc((size_t)g->n_in + 1, sizeof *v);
    for (int i = 0; v && i < g->n_in; i++) {
        tn_shape shape;
        if (shape_of(&g->in[i], rows, &shape) && tn_tensor_new(g->in[i].dtype, &shape, &v[i], NULL) == TN_OK) continue;
        drop_all(v, i);
        return NULL;
    }
    return v;
}

/* Twice: the first run makes the plan, the second shows how long such a question takes. */
static tn_code ask_twice(tn_ask *a, tn_error *err)
{
    TN_TRY(tn_ask_ready(a, err));
    for (int i = 0; i < 2; i++) {
        TN_TRY(tn_ask_compute(a, err));
        for (int k = 0; k < a->asker->signature->n_out; k++) tn_tensor_unref(a->out[k]);
    }
    return TN_OK;
}

static tn_code ask_zeros(const tn_asker *a, int64_t rows, const atomic_int *cancel, tn_error *err)
{
    const tn_loaded_signature *g = a->signature;
    tn_tensor **in = zeros_for(g, rows);
    if (!in) return tn_fail(err, TN_UNIMPLEMENTED, "a shape is not known");
    tn_tensor **out = tn_calloc((size_t)g->n_out + 1, sizeof *out);
    tn_ask ask = {.asker = a, .in = (const tn_tensor **)in, .out = out, .cancel = cancel};
    tn_code code = out ? ask_twice(&ask, err) : tn_no_memory(err, 0);
    tn_free(out);
    drop_all(in, g->n_in);
    return code;
}

static tn_code ask_all_zeros(tn_servable *s, const tn_servable_options *o, tn_error *err)
{
    for (int i = 0; i < tn_askers_count(s->askers); i++) {
        tn_error why;
        const tn_asker *a = tn_askers_at(s->askers, i);
        tn_code code = ask_zeros(a, 1, o->cancel, &why);
        if (is_cancelled(o->cancel)) return tn_fail(err, TN_CANCELLED, "loading was cancelled");
        if (code != TN_OK)
            tn_logf(o->log, TN_INFO, "signature %s of {name: %s version: %lld} was not warmed up: %s",
                    a->signature->name, s->model, (long long)s->version, why.message);
    }
    return TN_OK;
}

tn_code tn_warm_up(tn_servable *s, const tn_servable_options *o, tn_error *err)
{
    return ask_all_zeros(s, o, err);
}

/* ==== batch sizes that are to be expected ==== */

static bool has_open_batch(const tn_loaded_signature *g)
{
    for (int i = 0; i < g->n_in; i++)
        if (g->in[i].shape.rank > 0 && g->in[i].shape.dim[0] < 0) return true;
    return false;
}

static bool plan_for(const tn_asker *a, int64_t rows, const atomic_int *cancel)
{
    return ask_zeros(a, rows, cancel, NULL) == TN_OK;
}

/* Somebody else than who works here still has it. */
static bool is_wanted(tn_servable *s, const atomic_int *cancel)
{
    return !is_cancelled(cancel) && atomic_load(&s->refs) > 1;
}

void tn_warm_up_sizes(tn_servable *s, const tn_batching *b, const atomic_int *cancel)
{
    for (int i = 0; i < tn_askers_count(s->askers); i++) {
        const tn_asker *a = tn_askers_at(s->askers, i);
        if (!has_open_batch(a->signature)) continue;
        if (b && b->n_allowed) {
            for (int k = 0; k < b->n_allowed && is_wanted(s, cancel); k++)
                if (!plan_for(a, b->allowed_batch_sizes[k], cancel)) break;
        } else {
            for (int64_t n = 2; n <= MOST_EXPECTED && is_wanted(s, cancel); n *= 2)
                if (!plan_for(a, n, cancel)) break;
        }
    }
}
