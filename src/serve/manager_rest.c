/* SPDX-License-Identifier: Apache-2.0
 *
 * manager_rest.c - memory that only requests need goes back to the system when none have come for a while: blocks of
 * values that runs have left, plans for sizes that nobody has asked for, model by model, and once all models rest, what
 * the allocator keeps of messages, and the program's code.
 *
 * Of models that are asked, weights that new plans wanted in two forms are held in one again (tn_session_settle).
 *
 * The manager's own thread looks from time to time whether models were asked since. The first request afterwards finds
 * its plans and weights where they were, and touches the memory of its values anew; the other sizes' plans are made
 * ahead again.
 */
#include "models.h"

#define USUAL_REST 5.0 /* seconds */

static int64_t interval(const tn_manager *m)
{
    return (int64_t)((m->options.rest_seconds > 0 ? m->options.rest_seconds : USUAL_REST) * 1e6);
}

/* Who asks has a reference beside the manager's and the routes', and leaves blocks behind before giving it back. */
static bool is_asked(const tn_tracked *v)
{
    const tn_servable *s = v->servable;
    const int own = v->state == TN_STATE_AVAILABLE ? 2 : 1;
    return atomic_load(&s->refs) > own || atomic_load_explicit(&s->asked, memory_order_relaxed) != s->asked_before;
}

/* One that nobody has asked since the last look, kept; *awake: others were asked. With the lock held. */
static tn_servable *take_tired(tn_manager *m, bool *awake)
{
    tn_servable *found = NULL;
    for (int i = 0; i < m->n_models; i++)
        for (int j = 0; j < m->models[i]->n; j++) {
            tn_servable *s = m->models[i]->v[j]->servable;
            if (!s) continue;
            const bool asked = is_asked(m->models[i]->v[j]);
            *awake = *awake || asked;
            if (asked || s->rests || found) continue;
            found = tn_servable_ref(s);
            s->rests = true;
        }
    return found;
}

/* One that is asked, and has not been made to hold its weights once at this look. With the lock held. */
static tn_servable *take_awake(tn_manager *m, int64_t now)
{
    for (int i = 0; i < m->n_models; i++)
        for (int j = 0; j < m->models[i]->n; j++) {
            tn_servable *s = m->models[i]->v[j]->servable;
            if (!s || s->settled_at == now || !is_asked(m->models[i]->v[j])) continue;
            s->settled_at = now;
            return tn_servable_ref(s);
        }
    return NULL;
}

/* One that is asked again has its plans made ahead again. */
static void wakes(tn_manager *m, tn_servable *s)
{
    s->rests = false;
    if (s->forgot_sizes && !atomic_load(&m->ends)) tn_queue_sizes(m, s);
    s->forgot_sizes = false;
}

static void note_asked(tn_manager *m)
{
    for (int i = 0; i < m->n_models; i++)
        for (int j = 0; j < m->models[i]->n; j++) {
            tn_servable *s = m->models[i]->v[j]->servable;
            if (!s) continue;
            const uint64_t asked = atomic_load_explicit(&s->asked, memory_order_relaxed);
            if (asked != s->asked_before) wakes(m, s);
            s->asked_before = asked;
        }
}

void tn_manager_wakes(tn_manager *m)
{
    if (atomic_exchange(&m->rests, false)) tn_memory_large_pages(true);
}

int64_t tn_manager_rest(tn_manager *m, int64_t now)
{
    bool awake = false, any = false;
    if (now < m->rest_at) return m->rest_at;
    for (tn_servable *s; (s = take_tired(m, &awake)); any = true) {
        pthread_mutex_unlock(&m->lock);
        if (tn_session_forget_ahead(tn_loaded_session(s->loaded))) {
            s->forgot_sizes = true; /* this thread's alone */
            tn_sessions_forget();
        }
        tn_session_rest(tn_loaded_session(s->loaded));
        tn_servable_unref(s);
        pthread_mutex_lock(&m->lock);
    }
    for (tn_servable *s; (s = take_awake(m, now));) {
        pthread_mutex_unlock(&m->lock);
        tn_session_settle(tn_loaded_session(s->loaded));
        tn_servable_unref(s);
        pthread_mutex_lock(&m->lock);
    }
    if (any && !awake) {
        pthread_mutex_unlock(&m->lock);
        tn_memory_large_pages(false);
        atomic_store(&m->rests, true);
        tn_memory_trim();
        tn_memory_forget_code();
        pthread_mutex_lock(&m->lock);
    }
    note_asked(m);
    return m->rest_at = now + interval(m);
}
