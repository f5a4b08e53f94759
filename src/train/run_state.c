/* SPDX-License-Identifier: Apache-2.0
 *
 * run_state.c - all of a run's state as one checkpoint: variables, then, under "_turnery/", the random
 * generators and where the run is in its steps and its data. TensorFlow's Saver restores the variables and
 * passes over the rest.
 */
#include "train.h"

#define OURS "_turnery/"
#define RNG OURS "rng/"

/* ==== saving ==== */

static tn_code add_int(tn_bundle_writer *w, const char *name, int64_t v, tn_error *err)
{
    tn_tensor *t;
    TN_TRY(tn_tensor_of(TN_INT64, &TN_SHAPE(), &v, &t, err));
    tn_code code = tn_bundle_add(w, name, t, err);
    tn_tensor_unref(t);
    return code;
}

static tn_code add_generator(tn_bundle_writer *w, const char *name, const tn_rng *r, tn_error *err)
{
    int64_t v[6];
    tn_tensor *t;
    char key[1024];
    for (int i = 0; i < 4; i++) v[i] = r->state.counter[i];
    for (int i = 0; i < 2; i++) v[4 + i] = r->state.key[i];
    snprintf(key, sizeof key, RNG "%s", name);
    TN_TRY(tn_tensor_of(TN_INT64, &TN_SHAPE(6), v, &t, err));
    tn_code code = tn_bundle_add(w, key, t, err);
    tn_tensor_unref(t);
    return code;
}

static tn_code add_all(tn_bundle_writer *w, const tn_export *e, tn_session *s, const tn_run_state *state,
                       tn_error *err)
{
    tn_store *store = tn_session_store(s);
    TN_TRY(tn_checkpoint_add(w, e, s, err));
    TN_TRY(add_int(w, OURS "position", state->position, err));
    for (size_t i = 0; i < tn_map_count(store->rngs); i++)
        TN_TRY(add_generator(w, tn_map_key(store->rngs, i), tn_map_value(store->rngs, i), err));
    return add_int(w, OURS "step", state->step, err);
}

tn_code tn_state_save(tn_saver *saver, const tn_network *n, tn_session *s, const tn_run_state *state,
                      const char **path, tn_error *err)
{
    tn_bundle_writer *w;
    tn_export e = {.graph = n->graph};
    TN_TRY(tn_saver_begin(saver, state->step, &w, path, err));
    tn_code code = add_all(w, &e, s, state, err);
    if (code != TN_OK) {
        tn_bundle_abandon(w);
        return code;
    }
    return tn_saver_finish(saver, w, &e, err);
}

/* ==== restoring ==== */

static tn_code read_int(tn_bundle *b, const char *name, int64_t *out, tn_error *err)
{
    tn_tensor *t;
    TN_TRY(tn_bundle_read(b, name, &t, err));
    tn_code code = TN_OK;
    if (t->dtype == TN_INT64 && tn_tensor_count(t) == 1 && TN_INT64S(t)[0] >= 0)
        *out = TN_INT64S(t)[0];
    else
        code = tn_fail(err, TN_DATA_LOSS, "%s: tensor %s is no count", tn_bundle_prefix(b), name);
    tn_tensor_unref(t);
    return code;
}

static tn_code read_generator(tn_bundle *b, const char *key, tn_store *store, tn_error *err)
{
    tn_tensor *t;
    tn_rng *r;
    TN_TRY(tn_bundle_read(b, key, &t, err));
    tn_code code = TN_OK;
    if (t->dtype != TN_INT64 || tn_tensor_count(t) != 6)
        code = tn_fail(err, TN_DATA_LOSS, "%s: tensor %s is no generator", tn_bundle_prefix(b), key);
    if (code == TN_OK) code = tn_store_rng(store, key + strlen(RNG), 1, 1, &r, err);
    for (int i = 0; code == TN_OK && i < 6; i++) {
        if (i < 4)
            r->state.counter[i] = (uint32_t)TN_INT64S(t)[i];
        else
            r->state.key[i - 4] = (uint32_t)TN_INT64S(t)[i];
    }
    tn_tensor_unref(t);
    return code;
}

static tn_code read_ours(tn_bundle *b, tn_session *s, tn_run_state *state, tn_error *err)
{
    TN_TRY(read_int(b, OURS "position", &state->position, err));
    TN_TRY(read_int(b, OURS "step", &state->step, err));
    for (int i = 0; i < tn_bundle_count(b); i++) {
        const char *name = tn_bundle_at(b, i)->name;
        if (!strncmp(name, RNG, strlen(RNG))) TN_TRY(read_generator(b, name, tn_session_store(s), err));
    }
    return TN_OK;
}

tn_code tn_state_restore(const char *prefix, const tn_network *n, tn_session *s, tn_run_state *state,
                         tn_error *err)
{
    tn_bundle *b;
    TN_TRY(tn_checkpoint_restore(prefix, n->graph, NULL, s, NULL, err));
    TN_TRY(tn_initialize_tables(n->graph, s, err));
    TN_TRY(tn_bundle_open(prefix, &b, err));
    tn_code code = read_ours(b, s, state, err);
    tn_bundle_close(b);
    return code;
}
