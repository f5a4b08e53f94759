/* SPDX-License-Identifier: Apache-2.0
 *
 * runners.c - TensorFlow 1's queue runners: threads that fill the queues of a graph, as its collection "queue_runners"
 * says, beside whoever trains. What they do when a queue ends or an error comes is what tf.train.QueueRunner and
 * tf.train.Coordinator do.
 *
 * Invariants: a thread is one of the store's running ones from its start to its end; the first error stops all; after
 * tn_runners_stop no thread is left.
 */
#include "session.h"

#include "../wire/proto.h"

#define QUEUE_RUNNERS "queue_runners"
#define LOCAL_INIT "local_init_op"
#define TABLE_INIT "table_initializer"
enum { MOST_THREADS = 1024 };

typedef struct runner {
    const char *queue;
    const char **enqueue; /* operations, or values of theirs; a thread each */
    int n;
    const char *close, *cancel; /* "": none */
    uint32_t ends; /* bits of codes with which an enqueue says that there is no more */
    atomic_int left; /* threads that go on */
    bool needed;
} runner;

typedef struct filler {
    tn_runners *all;
    runner *of;
    tn_callable *enqueue;
    pthread_t thread;
} filler;

struct tn_runners {
    tn_session *session;
    tn_arena *arena;
    runner *runners;
    int n_runners;
    filler *fillers;
    int n_fillers;
    atomic_int stopping;
    tn_run_limits limits;
    pthread_mutex_t lock;
    tn_error first; /* code TN_OK: no error so far */
};

/* ==== what the collection says ==== */

static uint32_t ends_of(const tn_QueueRunnerDef *d)
{
    uint32_t ends = 0;
    for (uint32_t i = 0; i < d->queue_closed_exception_types.n; i++) {
        int64_t code = d->queue_closed_exception_types.items[i];
        if (code > 0 && code < 32) ends |= (uint32_t)1 << code;
    }
    return ends ? ends : (uint32_t)1 << TN_OUT_OF_RANGE;
}

static tn_code read_runner(tn_runners *r, tn_view bytes, runner *out, tn_error *err)
{
    tn_QueueRunnerDef *d;
    TN_TRY(TN_DECODE(QueueRunnerDef, bytes, r->arena, &d, err));
    out->n = (int)TN_MIN(d->enqueue_op_name.n, (uint32_t)MOST_THREADS + 1);
    out->enqueue = TN_ARRAY(r->arena, out->n + 1, const char *);
    out->queue = tn_arena_strndup(r->arena, d->queue_name.p, d->queue_name.n);
    out->close = tn_arena_strndup(r->arena, d->close_op_name.p, d->close_op_name.n);
    out->cancel = tn_arena_strndup(r->arena, d->cancel_op_name.p, d->cancel_op_name.n);
    out->ends = ends_of(d);
    if (!out->queue || !out->enqueue || !out->close || !out->cancel) return tn_no_memory(err, 0);
    for (int i = 0; i < out->n; i++) {
        tn_view name = d->enqueue_op_name.items[i];
        if (!(out->enqueue[i] = tn_arena_strndup(r->arena, name.p, name.n))) return tn_no_memory(err, name.n);
    }
    return TN_OK;
}

static tn_code read_runners(tn_runners *r, tn_error *err)
{
    const tn_graph *g = tn_session_graph(r->session);
    int n = tn_collection_is_bytes(g, QUEUE_RUNNERS) ? tn_collection_count(g, QUEUE_RUNNERS) : 0;
    if (!(r->runners = TN_ARRAY(r->arena, n + 1, runner))) return tn_no_memory(err, 0);
    for (; r->n_runners < n; r->n_runners++) {
        tn_view bytes = tn_collection_bytes_at(g, QUEUE_RUNNERS, r->n_runners);
        tn_code code = read_runner(r, bytes, &r->runners[r->n_runners], err);
        if (code != TN_OK) return tn_wrap(err, QUEUE_RUNNERS " %d", r->n_runners);
    }
    return TN_OK;
}

/* ==== what is needed ==== */

typedef struct needs { /* operations, by their ids */
    const tn_graph *graph;
    bool *marked;
    const tn_operation **todo;
    int n_todo;
} needs;

static void mark(needs *k, const tn_operation *op) /* NULL: nothing */
{
    if (!op || k->marked[op->id]) return;
    k->marked[op->id] = true;
    k->todo[k->n_todo++] = op; /* each at most once */
}

/* And what comes before. */
static void mark_all(needs *k, const tn_operation *op)
{
    for (mark(k, op); k->n_todo;) {
        op = k->todo[--k->n_todo];
        for (int i = 0; i < op->n_in; i++) mark(k, op->in[i].op);
        for (int i = 0; i < op->n_control; i++) mark(k, op->control[i]);
    }
}

static const tn_operation *named(const tn_graph *g, const char *name)
{
    tn_node value;
    const tn_operation *op = tn_graph_operation(g, name);
    return op ? op : tn_graph_value(g, name, &value, NULL) == TN_OK ? value.op : NULL;
}

/* Its queue is read, which has the name given or is what it enqueues into. */
static bool is_needed(const needs *k, const runner *r)
{
    const tn_operation *queue = tn_graph_operation(k->graph, r->queue);
    if (queue && k->marked[queue->id]) return true;
    for (int i = 0; i < r->n; i++) {
        const tn_operation *op = named(k->graph, r->enqueue[i]);
        if (op && op->n_in && op->in[0].op && k->marked[op->in[0].op->id]) return true;
    }
    return false;
}

static void need_runners(tn_runners *r, needs *k)
{
    for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < r->n_runners; i++) {
            runner *x = &r->runners[i];
            if (x->needed || !is_needed(k, x)) continue;
            x->needed = more = true;
            for (int j = 0; j < x->n; j++) mark_all(k, named(k->graph, x->enqueue[j]));
        }
    }
}

static tn_code find_needs(tn_runners *r, const char *const *names, int n, needs *k, tn_error *err)
{
    int count = tn_graph_count(k->graph);
    k->marked = TN_ARRAY(r->arena, count + 1, bool);
    k->todo = TN_ARRAY(r->arena, count + 1, const tn_operation *);
    if (!k->marked || !k->todo) return tn_no_memory(err, 0);
    for (int i = 0; i < n; i++) mark_all(k, named(k->graph, names[i]));
    for (int i = 0; !n && i < count; i++) mark(k, tn_graph_at(k->graph, i));
    k->n_todo = 0;
    need_runners(r, k);
    return TN_OK;
}

/* ==== local variables and tables ==== */

typedef struct targets {
    const char **at;
    int n;
} targets;

static bool has_value(tn_runners *r, const tn_variable_info *v)
{
    tn_tensor *t = NULL;
    const char *name = tn_variable_session_name(v->op, r->arena);
    bool has = !name || tn_session_get(r->session, name, &t, NULL) == TN_OK;
    tn_tensor_unref(t);
    return has;
}

static tn_code list_variables(tn_runners *r, const needs *k, targets *t, tn_error *err)
{
    int n = tn_graph_variable_count(k->graph);
    if (!(t->at = TN_ARRAY(r->arena, n + 1, const char *))) return tn_no_memory(err, 0);
    for (int i = 0; i < n; i++) {
        const tn_variable_info *v = tn_graph_variable_at(k->graph, i);
        if (v->local && v->op && k->marked[v->op->id] && *v->initializer_name && !has_value(r, v))
            t->at[t->n++] = v->initializer_name;
    }
    return TN_OK;
}

static tn_code list_names(tn_runners *r, const char *collection, targets *t, tn_error *err)
{
    const tn_graph *g = tn_session_graph(r->session);
    int n = tn_collection_is_bytes(g, collection) ? 0 : tn_collection_count(g, collection);
    if (!(t->at = TN_ARRAY(r->arena, n + 1, const char *))) return tn_no_memory(err, 0);
    for (int i = 0; i < n; i++) t->at[t->n++] = tn_collection_at(g, collection, i);
    return TN_OK;
}

/* Those that fill what is needed. */
static void keep_needed(const needs *k, targets *t)
{
    int kept = 0;
    for (int i = 0; i < t->n; i++) {
        const tn_operation *op = named(k->graph, t->at[i]);
        bool needed = op && !op->n_in;
        for (int j = 0; op && j < op->n_in; j++) needed |= op->in[j].op && k->marked[op->in[j].op->id];
        if (needed) t->at[kept++] = t->at[i];
    }
    t->n = kept;
}

static tn_code run_targets(tn_runners *r, const targets *t, tn_error *err)
{
    return t->n ? tn_session_run(r->session, NULL, 0, NULL, 0, NULL, t->at, t->n, err) : TN_OK;
}

/* By the graph's own operation for it, where it has one; then what it has left. */
static tn_code initialize(tn_runners *r, const needs *k, tn_error *err)
{
    targets variables = {0}, tables = {0}, own = {0}, rest = {0};
    TN_TRY(list_variables(r, k, &variables, err));
    TN_TRY(list_names(r, TABLE_INIT, &tables, err));
    TN_TRY(list_names(r, LOCAL_INIT, &own, err));
    keep_needed(k, &tables);
    if (!variables.n && !tables.n) return TN_OK;
    TN_TRY(own.n ? run_targets(r, &own, err) : run_targets(r, &tables, err));
    TN_TRY(list_variables(r, k, &rest, err));
    return run_targets(r, &rest, err);
}

/* ==== threads ==== */

static void run_quietly(tn_runners *r, const char *target)
{
    if (*target) tn_session_run(r->session, NULL, 0, NULL, 0, NULL, &target, 1, NULL);
}

/* Whoever waits for a queue goes on: it is closed. */
static void stop_all(tn_runners *r)
{
    if (atomic_exchange(&r->stopping, 1)) return;
    for (int i = 0; i < r->n_runners; i++)
        if (r->runners[i].needed) run_quietly(r, r->runners[i].cancel);
}

static void note_error(tn_runners *r, const tn_error *why)
{
    pthread_mutex_lock(&r->lock);
    if (!atomic_load(&r->stopping) && r->first.code == TN_OK) r->first = *why;
    pthread_mutex_unlock(&r->lock);
}

static void *fill(void *payload)
{
    filler *f = payload;
    tn_runners *r = f->all;
    tn_error why = {.code = TN_OK};
    tn_code code = TN_OK;
    tn_kernel_thread_init(1);
    while (code == TN_OK && !atomic_load(&r->stopping)) code = tn_callable_run(f->enqueue, NULL, NULL, &why);
    bool ended = code != TN_OK && (unsigned)code < 32 && f->of->ends >> code & 1;
    if (ended) {
        if (atomic_fetch_sub(&f->of->left, 1) == 1) run_quietly(r, f->of->close);
    } else if (code != TN_OK) {
        note_error(r, &why);
        stop_all(r);
    }
    atomic_fetch_sub(&tn_session_store(r->session)->running, 1);
    return NULL;
}

static tn_code make_filler(tn_runners *r, runner *x, const char *enqueue, tn_error *err)
{
    filler *f = &r->fillers[r->n_fillers];
    const tn_operation *op = named(tn_session_graph(r->session), enqueue);
    const char *target = op ? op->name : enqueue;
    TN_TRY(tn_callable_new(r->session, NULL, 0, NULL, 0, &target, 1, &f->enqueue, err));
    tn_callable_limit(f->enqueue, &r->limits);
    f->all = r;
    f->of = x;
    r->n_fillers++;
    return TN_OK;
}

static tn_code make_fillers(tn_runners *r, tn_error *err)
{
    int n = 0;
    for (int i = 0; i < r->n_runners && n <= MOST_THREADS; i++) n += r->runners[i].needed ? r->runners[i].n : 0;
    if (n > MOST_THREADS)
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, QUEUE_RUNNERS ": more than %d threads", MOST_THREADS);
    if (!(r->fillers = TN_ARRAY(r->arena, n + 1, filler))) return tn_no_memory(err, 0);
    for (int i = 0; i < r->n_runners; i++) {
        runner *x = &r->runners[i];
        for (int k = 0; x->needed && k < x->n; k++) TN_TRY(make_filler(r, x, x->enqueue[k], err));
        atomic_init(&x->left, x->n);
    }
    return TN_OK;
}

/* *started: so many run. */
static tn_code start_fillers(tn_runners *r, int *started, tn_error *err)
{
    atomic_int *running = &tn_session_store(r->session)->running;
    for (*started = 0; *started < r->n_fillers; ++*started) {
        filler *f = &r->fillers[*started];
        atomic_fetch_add(running, 1);
        int failed = pthread_create(&f->thread, NULL, fill, f);
        if (!failed) continue;
        atomic_fetch_sub(running, 1);
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "thread %d of the queue runners: %s", *started, strerror(failed));
    }
    return TN_OK;
}

static void join(tn_runners *r, int started)
{
    if (started) stop_all(r);
    for (int i = 0; i < started; i++) pthread_join(r->fillers[i].thread, NULL);
}

static void drop(tn_runners *r)
{
    for (int i = 0; i < r->n_fillers; i++) tn_callable_free(r->fillers[i].enqueue);
    pthread_mutex_destroy(&r->lock);
    tn_arena_free(r->arena);
    tn_free(r);
}

/* ==== for callers ==== */

static tn_code prepare(tn_runners *r, const char *const *names, int n, tn_error *err)
{
    needs k = {.graph = tn_session_graph(r->session)};
    TN_TRY(read_runners(r, err));
    TN_TRY(find_needs(r, names, n, &k, err));
    TN_TRY(initialize(r, &k, err));
    return make_fillers(r, err);
}

tn_code tn_runners_start(tn_session *s, const char *const *names, int n, tn_runners **out, tn_error *err)
{
    tn_runners *r = tn_calloc(1, sizeof *r);
    int started = 0;
    if (!r || !(r->arena = tn_arena_new(0))) {
        tn_free(r);
        return tn_no_memory(err, sizeof *r);
    }
    r->session = s;
    r->limits = (tn_run_limits){.cancel = &r->stopping, .patient = true};
    pthread_mutex_init(&r->lock, NULL);
    tn_code code = prepare(r, names, n, err);
    if (code == TN_OK) code = start_fillers(r, &started, err);
    if (code == TN_OK) {
        *out = r;
    } else {
        join(r, started);
        drop(r);
    }
    return code;
}

int tn_runners_count(const tn_runners *r)
{
    return r->n_fillers;
}

tn_code tn_runners_check(tn_runners *r, tn_error *err)
{
    pthread_mutex_lock(&r->lock);
    tn_error first = r->first;
    pthread_mutex_unlock(&r->lock);
    return first.code == TN_OK ? TN_OK : tn_fail(err, first.code, "%s", first.message);
}

tn_code tn_runners_stop(tn_runners *r, tn_error *err)
{
    if (!r) return TN_OK;
    join(r, r->n_fillers);
    tn_code code = tn_runners_check(r, err);
    drop(r);
    return code;
}
