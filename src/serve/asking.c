/* SPDX-License-Identifier: Apache-2.0
 *
 * asking.c - questions to a model: signatures made ready to be asked, plans by the outputs that are wanted, and where a
 * question is run. What requests look like is api_*'s; putting several together batching's.
 *
 * Invariants: a choice once published does not change and stays as long as its model; their number is limited. A
 * question calls done exactly once.
 */
#include "batching.h"

#include "../format/loaded.h"

struct tn_askers {
    tn_loaded *model;
    tn_arena *arena;
    tn_asker *v;
    int n;
    pthread_mutex_t lock;
    _Atomic(tn_choice *) choices; /* the newest first */
    _Atomic(tn_choice *) *whole;  /* by signature: all outputs */
    int n_choices;
};

/* ==== signatures ==== */

static const tn_SignatureDef *def_of(const tn_loaded *m, const char *name)
{
    if (!m->meta) return NULL;
    const tn_SignatureDefEntry *e = TN_FIND(&m->meta->def->signature_def, name);
    return e ? e->value : NULL;
}

const tn_SignatureDef *tn_asker_def(const tn_asker *a)
{
    return def_of(a->of->model, a->signature->name);
}

/* The dtype of the graph's value, which is what a feed must have, whatever the signature says. */
static tn_dtype fed_dtype(const tn_loaded *m, const tn_loaded_value *v)
{
    tn_node node;
    if (!v->name || tn_graph_value(m->graph, v->name, &node, NULL) != TN_OK) return v->dtype;
    return tn_dtype_base(tn_node_dtype(node));
}

static const char *feed_name(const tn_loaded_value *v)
{
    return v->name ? v->name : "";
}

/* Inputs ascending by the names of what is fed. */
static void put_in_order(const tn_loaded_signature *s, int *order)
{
    for (int i = 0; i < s->n_in; i++) {
        int k = i;
        for (; k > 0 && strcmp(feed_name(&s->in[order[k - 1]]), feed_name(&s->in[i])) > 0; k--) order[k] = order[k - 1];
        order[k] = i;
    }
}

static tn_code take_defaults(tn_asker *a, tn_error *err)
{
    const tn_SignatureDef *def = tn_asker_def(a);
    if (!def || !def->defaults.n) return TN_OK;
    const tn_loaded_signature *s = a->signature;
    const tn_tensor **defaults = TN_ARRAY(a->of->arena, s->n_in + 1, const tn_tensor *);
    a->defaults = defaults;
    if (!defaults) return tn_no_memory(err, 0);
    for (int i = 0; i < s->n_in; i++) {
        const tn_TensorEntry *e = TN_FIND(&def->defaults, s->in[i].key);
        tn_tensor *t = e ? TN_NEW(a->of->arena, tn_tensor) : NULL;
        if (!e) continue;
        if (!t) return tn_no_memory(err, sizeof *t);
        TN_TRY(tn_tensor_view_of_proto(e->value, a->of->arena, 0, t, err));
        defaults[i] = t;
        a->n_defaults++;
    }
    return TN_OK;
}

static tn_code asker_init(tn_askers *of, int i, tn_error *err)
{
    const tn_loaded_signature *s = tn_loaded_signature_at(of->model, i);
    tn_dtype *fed = TN_ARRAY(of->arena, s->n_in + 1, tn_dtype);
    int *order = TN_ARRAY(of->arena, s->n_in + 1, int);
    if (!fed || !order) return tn_no_memory(err, 0);
    if (i > INT16_MAX || s->n_out > UINT16_MAX)
        return tn_fail(err, TN_UNIMPLEMENTED, "signature %d, '%s', has %d outputs: too many", i, s->name, s->n_out);
    for (int k = 0; k < s->n_in; k++) fed[k] = fed_dtype(of->model, &s->in[k]);
    put_in_order(s, order);
    of->v[i] = (tn_asker){.of = of, .signature = s, .index = i, .fed = fed, .order = order};
    tn_code code = take_defaults(&of->v[i], err);
    if (code != TN_OK) tn_wrap(err, "the defaults of signature '%s'", s->name);
    return code;
}

tn_code tn_askers_new(tn_loaded *m, tn_askers **out, tn_error *err)
{
    tn_askers *a = tn_calloc(1, sizeof *a);
    if (!a || !(a->arena = tn_arena_new(0))) {
        tn_free(a);
        return tn_no_memory(err, sizeof *a);
    }
    pthread_mutex_init(&a->lock, NULL);
    a->model = m;
    a->n = tn_loaded_signatures(m);
    a->v = TN_ARRAY(a->arena, a->n + 1, tn_asker);
    a->whole = tn_arena_array(a->arena, (size_t)a->n + 1, sizeof *a->whole);
    tn_code code = a->v && a->whole ? TN_OK : tn_no_memory(err, 0);
    for (int i = 0; code == TN_OK && i < a->n; i++) code = asker_init(a, i, err);
    if (code == TN_OK) *out = a;
    else tn_askers_free(a);
    return code;
}

void tn_askers_free(tn_askers *a)
{
    if (!a) return;
    for (tn_choice *c = atomic_load(&a->choices); c; c = c->next) tn_prepared_free(c->prepared);
    for (int i = 0; a->whole && i < a->n; i++) {
        tn_choice *c = atomic_load(&a->whole[i]);
        if (c) tn_prepared_free(c->prepared);
    }
    pthread_mutex_destroy(&a->lock);
    tn_arena_free(a->arena);
    tn_free(a);
}

int tn_askers_count(const tn_askers *a)
{
    return a->n;
}

const tn_asker *tn_askers_at(const tn_askers *a, int i)
{
    return &a->v[i];
}

const char *tn_asker_nameless(const tn_asker *a)
{
    const tn_loaded_signature *s = a->signature;
    for (int i = 0; i < s->n_in; i++)
        if (!s->in[i].name) return s->in[i].key;
    for (int i = 0; i < s->n_out; i++)
        if (!s->out[i].name) return s->out[i].key;
    return NULL;
}

const tn_asker *tn_askers_named(const tn_askers *a, tn_view name)
{
    if (!name.n) name = TN_VIEW(TN_DEFAULT_SIGNATURE);
    for (int i = 0; i < a->n; i++)
        if (tn_view_is(name, a->v[i].signature->name)) return &a->v[i];
    return NULL;
}

/* ==== choices ==== */

static tn_choice *find(const tn_askers *of, const int *keys, int n)
{
    tn_choice *c = atomic_load_explicit(&of->choices, memory_order_acquire);
    while (c && (c->n != n || memcmp(c->keys, keys, (size_t)n * sizeof *keys) != 0)) c = c->next;
    return c;
}

static int nameless(const char *const *names, int n)
{
    int k = 0;
    for (int i = 0; i < n; i++) k += !names[i];
    return k;
}

/* A sparse or composite value has no name by itself, its parts have: a signature that means to be asked names these.
 * The words are those of TensorFlow's session, which looks for "". */
static tn_code check_names(const char *const *names, int n_in, int n_out, tn_error *err)
{
    int fed = nameless(names, n_in), fetched = nameless(names + n_in, n_out);
    if (fed > 1) return tn_fail(err, TN_INVALID_ARGUMENT, "Endpoint \"\" fed more than once.");
    if (fed && fetched) return tn_fail(err, TN_INVALID_ARGUMENT, " is both fed and fetched.");
    if (fed) return tn_fail(err, TN_NOT_FOUND, "FeedInputs: unable to find feed output ");
    return fetched ? tn_fail(err, TN_NOT_FOUND, "FetchOutputs node : not found") : TN_OK;
}

/* The prepared run for these outputs. Called with the lock held. */
static tn_code make(const tn_asker *a, const int *keys, int n, tn_choice **out, tn_error *err)
{
    tn_askers *of = a->of;
    const tn_loaded_signature *s = a->signature;
    tn_choice *c = TN_NEW(of->arena, tn_choice);
    int *copy = TN_ARRAY(of->arena, n + 1, int);
    const char **names = TN_ARRAY(of->arena, s->n_in + n + 1, const char *);
    if (!c || !copy || !names) return tn_no_memory(err, 0);
    for (int i = 0; i < s->n_in; i++) names[i] = s->in[i].name;
    for (int i = 0; i < n; i++) {
        copy[i] = keys[i];
        names[s->n_in + i] = of->v[keys[i] >> 16].signature->out[keys[i] & 0xffff].name;
    }
    TN_TRY(check_names(names, s->n_in, n, err));
    c->keys = copy;
    c->n = n;
    TN_TRY(tn_prepared_new(of->model->session, names, s->n_in, names + s->n_in, n, &c->prepared, err));
    c->loops = tn_prepared_loops(c->prepared);
    c->changes_state = tn_prepared_changes_state(c->prepared);
    *out = c;
    return TN_OK;
}

tn_code tn_choice_get(const tn_asker *a, const int *keys, int n, tn_choice **out, tn_error *err)
{
    tn_askers *of = a->of;
    if ((*out = find(of, keys, n))) return TN_OK;
    pthread_mutex_lock(&of->lock);
    tn_code code = TN_OK;
    if (!(*out = find(of, keys, n)) && of->n_choices < TN_MOST_CHOICES) {
        of->n_choices++; /* whether it can be made or not, so that failures are limited too */
        code = make(a, keys, n, out, err);
        if (code == TN_OK) {
            (*out)->next = atomic_load(&of->choices);
            atomic_store_explicit(&of->choices, *out, memory_order_release);
        }
    }
    pthread_mutex_unlock(&of->lock);
    return code;
}

static tn_code whole_choice(const tn_asker *a, tn_choice **out, tn_error *err)
{
    tn_askers *of = a->of;
    if ((*out = atomic_load_explicit(&of->whole[a->index], memory_order_acquire))) return TN_OK;
    int n = a->signature->n_out, *keys = tn_malloc(((size_t)n + 1) * sizeof *keys);
    if (!keys) return tn_no_memory(err, (size_t)n * sizeof *keys);
    for (int i = 0; i < n; i++) keys[i] = tn_choice_key(a->index, i);
    pthread_mutex_lock(&of->lock);
    tn_code code = TN_OK;
    if (!(*out = atomic_load(&of->whole[a->index])) && (code = make(a, keys, n, out, err)) == TN_OK)
        atomic_store_explicit(&of->whole[a->index], *out, memory_order_release);
    pthread_mutex_unlock(&of->lock);
    tn_free(keys);
    return code;
}

tn_code tn_asker_prepare(const tn_asker *a, tn_error *err)
{
    tn_choice *c;
    return whole_choice(a, &c, err);
}

static tn_code some_choice(const tn_asker *a, const int *wanted, int n, tn_choice **out, tn_error *err)
{
    int few[16] = {0}, *keys = few;
    if (n > (int)TN_COUNT(few) && !(keys = tn_malloc((size_t)n * sizeof *keys))) return tn_no_memory(err, 0);
    for (int i = 0; i < n; i++) keys[i] = tn_choice_key(a->index, wanted[i]);
    tn_code code = tn_choice_get(a, keys, n, out, err);
    if (keys != few) tn_free(keys);
    return code;
}

/* ==== a question ==== */

static tn_code check_dtypes(const tn_ask *a, tn_error *err)
{
    const tn_asker *q = a->asker;
    for (int i = 0; i < q->signature->n_in; i++) {
        int k = q->order[i];
        if (a->in[k] && a->in[k]->dtype != q->fed[k])
            return tn_fail(err, TN_INVALID_ARGUMENT, "Expects arg[%d] to be %s but %s is provided", i,
                           tn_dtype_name(q->fed[k]), tn_dtype_name(a->in[k]->dtype));
    }
    return TN_OK;
}

static tn_code take_default(const tn_ask *a, int i, tn_error *err)
{
    const tn_asker *q = a->asker;
    if (q->defaults) a->in[i] = q->defaults[i];
    if (a->in[i]) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "input '%s' of signature '%s' has neither a value nor a default",
                   q->signature->in[i].key, q->signature->name);
}

static tn_code choose(tn_ask *a, tn_choice **out, tn_error *err)
{
    const tn_asker *q = a->asker;
    *out = NULL;
    if (a->wanted && a->n_wanted < q->signature->n_out) TN_TRY(some_choice(q, a->wanted, a->n_wanted, out, err));
    return *out ? TN_OK : whole_choice(q, out, err);
}

/* In TensorFlow's order: what is fed and fetched at all, then what it is fed with. */
tn_code tn_ask_ready(tn_ask *a, tn_error *err)
{
    tn_choice *c;
    const tn_asker *q = a->asker;
    a->choice = NULL;
    TN_TRY(choose(a, &c, err));
    TN_TRY(check_dtypes(a, err));
    for (int i = 0; i < q->signature->n_in; i++)
        if (!a->in[i]) TN_TRY(take_default(a, i, err));
    a->choice = c;
    return TN_OK;
}

tn_code tn_ask_may_go_on(const tn_ask *a, tn_error *err)
{
    if (a->cancel && atomic_load_explicit(a->cancel, memory_order_relaxed))
        return tn_fail(err, TN_CANCELLED, "Run() cancelled");
    if (a->deadline && tn_now_us() > a->deadline)
        return tn_fail(err, TN_DEADLINE_EXCEEDED, "Timed out waiting for notification");
    return TN_OK;
}

/* ==== computing ==== */

static tn_code compute_into(tn_ask *a, tn_tensor **out, tn_error *err)
{
    tn_choice_run r = {a->in, out, a->asker->signature->n_in, a->deadline, a->cancel, a->team, a->ahead};
    return tn_choice_compute(a->choice, &r, &a->ran_us, err);
}

/* All outputs are computed, those wanted kept: for choices beyond the limit. */
static tn_code compute_all(tn_ask *a, tn_error *err)
{
    int n = a->asker->signature->n_out, next = 0;
    tn_tensor **all = tn_calloc((size_t)n + 1, sizeof *all);
    if (!all) return tn_no_memory(err, 0);
    tn_code code = compute_into(a, all, err);
    for (int i = 0; code == TN_OK && i < n; i++) {
        if (next < a->n_wanted && a->wanted[next] == i) a->out[next++] = all[i];
        else tn_tensor_unref(all[i]);
    }
    tn_free(all);
    return code;
}

static tn_code compute(tn_ask *a, tn_error *err)
{
    bool picks = a->wanted && a->choice->n != a->n_wanted;
    return picks ? compute_all(a, err) : compute_into(a, a->out, err);
}

/* A long one has a team, where this is the thread that leads one. */
tn_code tn_ask_compute(tn_ask *a, tn_error *err)
{
    int64_t us = a->pool && a->servable ? tn_ask_usual(a) : 0;
    if (tn_team_for(2, us) < 2) return compute(a, err);
    if (a->servable->team) a->team = tn_team_for(TN_MIN(tn_pool_lead(a->pool), a->servable->team), us);
    tn_code code = compute(a, err);
    tn_pool_almost_done(a->pool);
    return code;
}

/* ==== waiting for it ==== */

typedef struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool done;
    tn_code code;
    tn_error *err;
} waiter;

static void tell_waiter(tn_ask *a, tn_code code, tn_error *err)
{
    waiter *w = a->payload;
    pthread_mutex_lock(&w->lock);
    w->code = code;
    if (code != TN_OK && w->err) *w->err = *err;
    w->done = true;
    pthread_cond_signal(&w->answered);
    pthread_mutex_unlock(&w->lock);
}

static tn_batcher *batcher_of(const tn_ask *a)
{
    return a->servable ? a->servable->batcher : NULL;
}

tn_code tn_ask_run(tn_ask *a, tn_error *err)
{
    TN_TRY(tn_ask_ready(a, err));
    if (!batcher_of(a)) return tn_ask_compute(a, err);
    waiter w = {.lock = PTHREAD_MUTEX_INITIALIZER, .answered = PTHREAD_COND_INITIALIZER, .err = err};
    a->done = tell_waiter;
    a->payload = &w;
    if (!tn_batcher_start(batcher_of(a), a)) return tn_ask_compute(a, err);
    pthread_mutex_lock(&w.lock);
    while (!w.done) pthread_cond_wait(&w.answered, &w.lock);
    pthread_mutex_unlock(&w.lock);
    return w.code;
}

/* ==== where it is run ==== */

bool tn_ask_is_short(tn_ask *a)
{
    if (batcher_of(a)) return false;
    if (!a->choice && tn_ask_ready(a, NULL) != TN_OK) return true; /* it fails at once */
    return atomic_load_explicit(&a->choice->is_short[tn_ask_size(a->in, a->asker->signature->n_in)],
                                memory_order_relaxed);
}

static void compute_and_tell(tn_ask *a)
{
    tn_error err; /* large, and set by what fails */
    tn_code code = tn_ask_may_go_on(a, &err);
    if (code == TN_OK) code = tn_ask_compute(a, &err);
    a->done(a, code, &err);
}

static void run_task(tn_task *t)
{
    tn_ask *a = (tn_ask *)((char *)t - offsetof(tn_ask, task));
    a->queued_us = tn_now_us() - a->began;
    compute_and_tell(a);
}

void tn_ask_start(tn_ask *a, tn_pool *pool)
{
    tn_error err;
    tn_code code = tn_ask_ready(a, &err);
    if (code != TN_OK) {
        a->done(a, code, &err);
        return;
    }
    if (batcher_of(a) && tn_batcher_start(batcher_of(a), a)) return;
    if (!pool || tn_ask_is_short(a)) {
        compute_and_tell(a);
        return;
    }
    a->began = tn_now_us();
    a->pool = pool;
    a->task.run = run_task;
    if (tn_pool_add(pool, &a->task)) return;
    a->done(a, tn_fail(&err, TN_RESOURCE_EXHAUSTED, "Server Threadpool Exhausted"), &err);
}
