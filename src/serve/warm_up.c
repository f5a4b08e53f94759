/* SPDX-License-Identifier: Apache-2.0
 *
 * warm_up.c - a model's first questions, asked before it is AVAILABLE, so that no request pays for planning: those it
 * brings (assets.extra/tf_serving_warmup_requests, as TensorFlow Serving reads them), or else one of zeros for each
 * signature; and, afterwards, plans for the batch sizes that are to be expected.
 *
 * Invariant: requests that the model brings must succeed; what is made up here may fail.
 */
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

static tn_code ask_zeros(const tn_asker *a, int64_t rows, const atomic_int *cancel, tn_error *err)
{
    const tn_loaded_signature *g = a->signature;
    tn_tensor **in = zeros_for(g, rows);
    if (!in) return tn_fail(err, TN_UNIMPLEMENTED, "a shape is not known");
    tn_tensor **out = tn_calloc((size_t)g->n_out + 1, sizeof *out);
    tn_run_limits limits = {.cancel = cancel};
    tn_code code = tn_no_memory(err, 0);
    if (out) code = tn_prepared_run(a->all, (const tn_tensor *const *)in, out, &limits, err);
    if (code == TN_OK) drop_all(out, g->n_out);
    else tn_free(out);
    drop_all(in, g->n_in);
    return code;
}

static tn_code ask_all_zeros(tn_servable *s, const tn_servable_options *o, tn_error *err)
{
    for (int i = 0; i < s->n_askers; i++) {
        tn_error why;
        if (!s->askers[i].all) continue;
        tn_code code = ask_zeros(&s->askers[i], 1, o->cancel, &why);
        if (is_cancelled(o->cancel)) return tn_fail(err, TN_CANCELLED, "loading was cancelled");
        if (code != TN_OK)
            tn_logf(o->log, TN_INFO, "signature %s of {name: %s version: %lld} was not warmed up: %s",
                    s->askers[i].signature->name, s->model, (long long)s->version, why.message);
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

static bool plan_for(tn_servable *s, tn_asker *a, int64_t rows, const atomic_int *cancel)
{
    (void)s;
    return ask_zeros(a, rows, cancel, NULL) == TN_OK;
}

/* Somebody else than who works here still has it. */
static bool is_wanted(tn_servable *s, const atomic_int *cancel)
{
    return !is_cancelled(cancel) && atomic_load(&s->refs) > 1;
}

void tn_warm_up_sizes(tn_servable *s, const tn_batching *b, const atomic_int *cancel)
{
    for (int i = 0; i < s->n_askers; i++) {
        tn_asker *a = &s->askers[i];
        if (!a->all || !has_open_batch(a->signature)) continue;
        if (b && b->n_allowed) {
            for (int k = 0; k < b->n_allowed && is_wanted(s, cancel); k++)
                if (!plan_for(s, a, b->allowed_batch_sizes[k], cancel)) break;
        } else {
            for (int64_t n = 2; n <= MOST_EXPECTED && is_wanted(s, cancel); n *= 2)
                if (!plan_for(s, a, n, cancel)) break;
        }
    }
}
