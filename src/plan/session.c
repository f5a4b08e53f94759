/* SPDX-License-Identifier: Apache-2.0
 *
 * session.c - sessions: runs by any number of threads, prepared ones and callables for the same run again and again,
 * variables by name. Plans and programs are programs.c's.
 *
 * Invariant: the session's lock guards its tables only, never a run.
 */
#include "callee.h"
#include "programs.h"

#include "../kernel/kernel.h"

/* ==== sessions ==== */

static uint64_t system_seed(void)
{
    uint64_t seed = 0;
    FILE *f = fopen("/dev/urandom", "rb");
    if (f) {
        if (fread(&seed, sizeof seed, 1, f) != 1) seed = 0;
        fclose(f);
    }
    return seed ? seed : (uint64_t)tn_now_us();
}

tn_code tn_session_new(tn_graph *g, const tn_session_options *options, tn_session **out, tn_error *err)
{
    if (options && (options->threads < 0 || options->threads > 1024))
        return tn_fail(err, TN_INVALID_ARGUMENT, "threads=%d is out of range: 0 to 1024", options->threads);
    tn_session *s = tn_calloc(1, sizeof *s);
    if (!s) return tn_no_memory(err, sizeof *s);
    if (options) s->options = *options;
    if (s->options.threads <= 0) s->options.threads = tn_core_count();
    if (s->options.max_bound_shapes <= 0) s->options.max_bound_shapes = 16;
    s->graph = g;
    tn_graph_want_constants(g); /* another session may have them */
    tn_code code = tn_store_new(s->options.seed ? s->options.seed : system_seed(), &s->store, err);
    if (code == TN_OK) s->store->files.outside = &tn_outside_process;
    if (code == TN_OK && s->options.memory_limit) {
        tn_budget *callers = tn_budget_now(); /* what the graph was read within */
        s->store->budget = callers ? tn_budget_keep(callers) : tn_budget_new(s->options.memory_limit);
        if (!s->store->budget) code = tn_no_memory(err, 0);
    }
    if (code == TN_OK && !(s->plans = tn_map_new())) code = tn_no_memory(err, 0);
    if (code == TN_OK && !(s->store->callees = tn_callees_new(s))) code = tn_no_memory(err, 0);
    if (code != TN_OK) {
        tn_map_free(s->plans);
        tn_store_free(s->store);
        tn_free(s);
        return code;
    }
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->bound, NULL);
    *out = s;
    return TN_OK;
}

void tn_session_free(tn_session *s)
{
    if (!s) return;
    if (s->is_keeper) tn_graph_keep_constants(s->graph, NULL, NULL);
    for (size_t i = 0; i < tn_map_count(s->plans); i++) tn_plan_free(tn_map_value(s->plans, i));
    tn_map_free(s->plans);
    tn_callees_free(s->store->callees);
    tn_store_free(s->store);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->bound);
    tn_free(s);
}

tn_store *tn_session_store(tn_session *s)
{
    return s->store;
}

tn_graph *tn_session_graph(tn_session *s)
{
    return s->graph;
}

void tn_session_set_outside(tn_session *s, const tn_outside *outside)
{
    s->store->files.outside = outside;
}

void tn_session_set_checkpoints(tn_session *s, const tn_checkpoint_hooks *hooks)
{
    s->store->files.checkpoints = hooks;
}

void tn_session_on_print(tn_session *s, tn_print_fn print, void *payload)
{
    s->store->files.print = print;
    s->store->files.print_payload = payload;
}

void tn_sessions_forget(void)
{
    tn_conv_forget_unused();
}

/* For good: of the graph's new user nobody knows when he looks. */
static void bring_constants_back(void *keeper)
{
    tn_session *s = keeper;
    pthread_mutex_lock(&s->lock);
    s->owns_constants = false;
    pthread_mutex_unlock(&s->lock);
    tn_session_begin_reading(s);
    tn_session_end_reading(s);
}

void tn_session_own_constants(tn_session *s)
{
    s->owns_constants = s->is_keeper = true;
    tn_graph_keep_constants(s->graph, bring_constants_back, s);
}

void tn_session_begin_reading(tn_session *s)
{
    tn_packs_begin_planning(&s->store->packs);
}

void tn_session_end_reading(tn_session *s)
{
    tn_packs_end_planning(&s->store->packs);
    atomic_store(&s->has_new, true); /* not before: who settles while constants are looked at leaves them */
}

enum { LEAST_PATIENCE = 2, MOST_PATIENCE = 1024 }; /* runs: what is done for one alone would be in vain */

void tn_session_settle_itself(tn_session *s)
{
    s->settles = true;
    s->patience = LEAST_PATIENCE;
}

void tn_session_rest(tn_session *s)
{
    tn_session_rest_programs(s);
    tn_blocks_rest(&s->store->blocks);
    tn_session_shed(s);
}

int tn_session_threads(const tn_session *s)
{
    return s->options.threads;
}

void tn_session_cancel(tn_session *s)
{
    pthread_mutex_lock(&s->lock);
    if (s->active) atomic_store(&s->cancel, 1);
    pthread_mutex_unlock(&s->lock);
}

static void run_begins(tn_session *s, bool patient)
{
    if (!patient) atomic_fetch_add(&s->store->running, 1);
    pthread_mutex_lock(&s->lock);
    s->active++;
    pthread_mutex_unlock(&s->lock);
}

/* Called with the lock held, when nothing runs. */
static bool is_quiet(tn_session *s)
{
    if (!s->settles || !atomic_load(&s->has_new) || ++s->quiet < s->patience) return false;
    s->quiet = 0;
    s->patience = TN_MIN(2 * s->patience, MOST_PATIENCE);
    return true;
}

static void run_ends(tn_session *s, bool patient)
{
    pthread_mutex_lock(&s->lock);
    const bool last = --s->active == 0, settles = last && is_quiet(s);
    if (last) atomic_store(&s->cancel, 0);
    pthread_mutex_unlock(&s->lock);
    if (!patient) atomic_fetch_sub(&s->store->running, 1);
    if (settles) tn_session_settle(s);
}

static int64_t deadline_of(const tn_session *s, const tn_run_limits *limits)
{
    bool patient = limits && limits->patient;
    int64_t own = s->options.time_limit > 0 && !patient ? tn_now_us() + (int64_t)(s->options.time_limit * 1e6) : 0;
    int64_t callers = limits ? limits->deadline : 0;
    return own && callers ? TN_MIN(own, callers) : own + callers;
}

/* limits NULL: the session's own alone. */
static tn_code run_program(tn_session *s, tn_run_context *c, const tn_tensor *const *feeds, const tn_run_limits *limits,
                           tn_error *err)
{
    c->deadline = deadline_of(s, limits);
    c->callers_cancel = limits ? limits->cancel : NULL;
    c->patient = limits && limits->patient;
    run_begins(s, c->patient);
    tn_code code = tn_program_run(c, feeds, &s->cancel, err);
    run_ends(s, c->patient);
    return code;
}

/* ==== runs ==== */

static tn_code copy_fetches(tn_run_context *c, int n, tn_tensor **out, tn_error *err)
{
    for (int i = 0; i < n; i++) {
        const tn_tensor *v = &c->values[c->program->top.rets[i]];
        tn_code code = tn_tensor_keep(v, &out[i], err);
        if (code == TN_OK) continue;
        while (i--) tn_tensor_unref(out[i]);
        return code;
    }
    return TN_OK;
}

static tn_code run_once(tn_session *s, tn_bound *b, const tn_tensor *const *feeds, int n_fetches, tn_tensor **out,
                        const tn_run_limits *limits, tn_error *err)
{
    tn_run_context *c;
    TN_TRY(tn_context_get(b->program, &c, err));
    tn_code code = run_program(s, c, feeds, limits, err);
    if (code == TN_OK) code = copy_fetches(c, n_fetches, out, err);
    tn_context_put(b->program, c);
    return code;
}

struct tn_prepared {
    tn_session *session;
    tn_plan *plan;
    tn_request request; /* the feeds' names, for errors, and counts */
    char **names;
};

static int threads_of(const tn_prepared *p, const tn_run_limits *limits)
{
    return limits && limits->threads ? limits->threads : p->session->options.threads;
}

static tn_code run_within(const tn_prepared *p, const tn_tensor *const *feeds, tn_tensor **out,
                          const tn_run_limits *limits, tn_error *err)
{
    tn_bound *b;
    TN_TRY(tn_plan_check(p->plan, &p->request, feeds, err));
    TN_TRY(tn_bound_get(p->session, p->plan, feeds, threads_of(p, limits), &b, err));
    if (!limits || !limits->ahead) tn_bound_asked(b);
    tn_code code = run_once(p->session, b, feeds, p->request.n_fetches, out, limits, err);
    tn_bound_put(p->session, b);
    return code;
}

tn_code tn_prepared_run(tn_prepared *p, const tn_tensor *const *feeds, tn_tensor **out, const tn_run_limits *limits,
                        tn_error *err)
{
    tn_tensor *few[8], **results = few;
    int n = p->request.n_fetches;
    if (n > (int)TN_COUNT(few) && !(results = tn_calloc((size_t)n, sizeof *results))) return tn_no_memory(err, 0);
    tn_kernel_thread_init(threads_of(p, limits));
    tn_budget *before = tn_budget_enter(p->session->store->budget);
    tn_code code = run_within(p, feeds, results, limits, err);
    tn_budget_enter(before);
    if (code == TN_OK && n) memcpy(out, results, (size_t)n * sizeof *out);
    if (results != few) tn_free(results);
    return code;
}

static tn_code bind_ahead(tn_prepared *p, const tn_tensor *const *feeds, size_t *bytes, tn_error *err)
{
    tn_bound *b;
    TN_TRY(tn_plan_check(p->plan, &p->request, feeds, err));
    TN_TRY(tn_bound_ahead(p->session, p->plan, feeds, p->session->options.threads, &b, err));
    *bytes = b->program->block + b->program->scratch;
    tn_bound_put(p->session, b);
    return TN_OK;
}

tn_code tn_prepared_bind(tn_prepared *p, const tn_tensor *const *feeds, size_t *bytes, tn_error *err)
{
    tn_budget *before = tn_budget_enter(p->session->store->budget);
    tn_code code = bind_ahead(p, feeds, bytes, err);
    tn_budget_enter(before);
    return code;
}

static tn_code prepare(tn_session *s, const tn_request *q, tn_prepared *p, tn_error *err)
{
    tn_budget *before = tn_budget_enter(s->store->budget);
    *p = (tn_prepared){.session = s, .request = *q};
    tn_code code = tn_plan_get(s, q, &p->plan, err);
    tn_budget_enter(before);
    return code;
}

static char **copy_names(const char *const *names, int n)
{
    char **copies = tn_calloc((size_t)n + 1, sizeof *copies);
    for (int i = 0; copies && i < n; i++)
        if (!(copies[i] = tn_strdup(names[i]))) {
            while (i--) tn_free(copies[i]);
            tn_free(copies);
            return NULL;
        }
    return copies;
}

tn_code tn_prepared_new(tn_session *s, const char *const *feeds, int n_feeds, const char *const *fetches, int n_fetches,
                        tn_prepared **out, tn_error *err)
{
    tn_prepared *p = tn_calloc(1, sizeof *p);
    char **names = p ? copy_names(feeds, n_feeds) : NULL;
    tn_request q = {
        .feeds = feeds, .fetches = fetches, .n_feeds = n_feeds, .n_fetches = n_fetches, .any_shape = true};
    tn_code code = names ? prepare(s, &q, p, err) : tn_no_memory(err, sizeof *p);
    if (names) {
        p->names = names;
        p->request = q;
        p->request.feeds = (const char *const *)names;
    }
    if (code == TN_OK) {
        *out = p;
        return TN_OK;
    }
    if (names) tn_prepared_free(p);
    else tn_free(p);
    return code;
}

bool tn_prepared_loops(const tn_prepared *p)
{
    return tn_region_loops(p->plan->lowered->top);
}

bool tn_prepared_changes_state(const tn_prepared *p)
{
    return tn_region_changes_state(p->plan->lowered->top);
}

void tn_session_team_end(void)
{
    tn_kernel_team_end();
}

void tn_prepared_free(tn_prepared *p)
{
    if (!p) return;
    for (int i = 0; i < p->request.n_feeds; i++) tn_free(p->names[i]);
    tn_free(p->names);
    tn_free(p);
}

tn_code tn_session_run(tn_session *s, const tn_feed *feeds, int n_feeds, const char *const *fetches, int n_fetches,
                       tn_tensor **out, const char *const *targets, int n_targets, tn_error *err)
{
    const char **names = tn_calloc((size_t)n_feeds + 1, sizeof *names);
    const tn_tensor **values = tn_calloc((size_t)n_feeds + 1, sizeof *values);
    tn_code code = names && values ? TN_OK : tn_no_memory(err, 0);
    tn_prepared p;
    for (int i = 0; code == TN_OK && i < n_feeds; i++) {
        names[i] = feeds[i].name;
        values[i] = feeds[i].value;
    }
    tn_request q = {names, fetches, targets, n_feeds, n_fetches, n_targets, false};
    if (code == TN_OK) code = prepare(s, &q, &p, err);
    if (code == TN_OK) code = tn_prepared_run(&p, values, out, NULL, err);
    tn_free(names);
    tn_free(values);
    return code;
}

/* ==== callables ==== */

struct tn_callable {
    tn_session *session;
    tn_plan *plan;
    tn_bound *bound;
    tn_run_context *context;
    char **names; /* of feeds, for errors */
    tn_request request;
    int guard;
    bool timing;
    const tn_run_limits *limits;
};

tn_code tn_callable_new(tn_session *s, const char *const *feeds, int n_feeds, const char *const *fetches, int n_fetches,
                        const char *const *targets, int n_targets, tn_callable **out, tn_error *err)
{
    tn_request q = {feeds, fetches, targets, n_feeds, n_fetches, n_targets, false};
    tn_callable *c = tn_calloc(1, sizeof *c);
    if (!c || !(c->names = tn_calloc((size_t)n_feeds + 1, sizeof *c->names))) {
        tn_free(c);
        return tn_no_memory(err, sizeof *c);
    }
    c->session = s;
    c->guard = -1;
    c->request = (tn_request){.feeds = (const char *const *)c->names, .n_feeds = n_feeds, .n_fetches = n_fetches};
    tn_budget *before = tn_budget_enter(s->store->budget);
    tn_code code = tn_plan_get(s, &q, &c->plan, err);
    tn_budget_enter(before);
    for (int i = 0; code == TN_OK && i < n_feeds; i++)
        if (!(c->names[i] = tn_strdup(feeds[i]))) code = tn_no_memory(err, 0);
    if (code != TN_OK) {
        tn_callable_free(c);
        return code;
    }
    tn_kernel_thread_init(s->options.threads);
    *out = c;
    return TN_OK;
}

static void leave_program(tn_callable *c)
{
    if (c->context) tn_context_put(c->bound->program, c->context);
    if (c->bound) tn_bound_put(c->session, c->bound);
    c->context = NULL;
    c->bound = NULL;
}

void tn_callable_free(tn_callable *c)
{
    if (!c) return;
    leave_program(c);
    for (int i = 0; i < c->request.n_feeds; i++) tn_free(c->names[i]);
    tn_free(c->names);
    tn_free(c);
}

static tn_code enter_program(tn_callable *c, const tn_tensor *const *feeds, tn_error *err)
{
    leave_program(c);
    TN_TRY(tn_plan_check(c->plan, &c->request, feeds, err));
    TN_TRY(tn_bound_get(c->session, c->plan, feeds, c->session->options.threads, &c->bound, err));
    tn_bound_asked(c->bound);
    tn_code code = tn_context_get(c->bound->program, &c->context, err);
    if (code != TN_OK) leave_program(c);
    return code;
}

static bool same_dtypes(const tn_callable *c, const tn_tensor *const *feeds)
{
    for (int i = 0; i < c->request.n_feeds; i++)
        if (feeds[i]->dtype != c->plan->lowered->feeds[i]->out[0].dtype) return false;
    return true;
}

static void set_up_context(tn_callable *c, bool check)
{
    tn_run_context *x = c->context;
    x->guard = c->guard >= 0 ? x->program->top.rets[c->guard] : -1;
    x->check_numbers = check;
    if (c->timing && !x->step_ns) x->step_ns = tn_calloc((size_t)x->program->n_steps + 1, sizeof *x->step_ns);
    if (!c->timing && x->step_ns) {
        tn_free(x->step_ns);
        x->step_ns = NULL;
    }
}

static tn_code run_within_budget(tn_callable *c, const tn_tensor *const *feeds, const tn_tensor **out, bool check,
                                 tn_error *err)
{
    bool ready = c->context && tn_program_is_fresh(c->bound->program) && tn_bound_fits(c->bound->program, feeds);
    if (!ready || !same_dtypes(c, feeds)) TN_TRY(enter_program(c, feeds, err));
    set_up_context(c, check);
    if (c->guard >= 0) tn_context_save_random(c->context);
    tn_code code = run_program(c->session, c->context, feeds, c->limits, err);
    if (code != TN_OK) {
        if (c->guard >= 0) tn_context_restore_random(c->context);
        tn_context_clear(c->context);
        return code;
    }
    for (int i = 0; i < c->request.n_fetches; i++) out[i] = &c->context->values[c->bound->program->top.rets[i]];
    return TN_OK;
}

static tn_code callable_run(tn_callable *c, const tn_tensor *const *feeds, const tn_tensor **out, bool check,
                            tn_error *err)
{
    tn_budget *before = tn_budget_enter(c->session->store->budget);
    tn_code code = run_within_budget(c, feeds, out, check, err);
    tn_budget_enter(before);
    return code;
}

tn_code tn_callable_run(tn_callable *c, const tn_tensor *const *feeds, const tn_tensor **out, tn_error *err)
{
    return callable_run(c, feeds, out, false, err);
}

tn_code tn_callable_run_checked(tn_callable *c, const tn_tensor *const *feeds, const tn_tensor **out, tn_error *err)
{
    return callable_run(c, feeds, out, true, err);
}

void tn_callable_guard(tn_callable *c, int fetch)
{
    c->guard = fetch;
}

void tn_callable_limit(tn_callable *c, const tn_run_limits *limits)
{
    c->limits = limits;
}

/* The first run, which touches memory for the first time, is not measured. */
static tn_code timed_runs(tn_callable *c, const tn_tensor *const *feeds, int runs, tn_error *err)
{
    const tn_tensor **out = tn_calloc((size_t)c->request.n_fetches + 1, sizeof *out);
    tn_code code = out ? TN_OK : tn_no_memory(err, 0);
    for (int i = 0; code == TN_OK && i <= runs; i++) {
        c->timing = i > 0;
        code = callable_run(c, feeds, out, false, err);
    }
    c->timing = false;
    tn_free(out);
    return code;
}

tn_code tn_callable_plan(tn_callable *c, const tn_tensor *const *feeds, int runs, char **text, tn_error *err)
{
    tn_buf b = {0};
    TN_TRY(runs > 0 ? timed_runs(c, feeds, runs, err) : enter_program(c, feeds, err));
    tn_program_text(c->bound->program, runs > 0 ? c->context->step_ns : NULL, runs, &b);
    TN_TRY(tn_buf_check(&b, err));
    *text = tn_buf_take(&b, NULL);
    return TN_OK;
}

/* ==== variables by name ==== */

static tn_stored *find_variable(tn_session *s, const char *name)
{
    pthread_mutex_lock(&s->store->lock);
    tn_stored *v = tn_map_get(s->store->variables, name);
    pthread_mutex_unlock(&s->store->lock);
    return v;
}

tn_code tn_session_get(tn_session *s, const char *variable, tn_tensor **out, tn_error *err)
{
    tn_stored *v = find_variable(s, variable);
    if (!v) return tn_fail(err, TN_NOT_FOUND, "there is no variable '%s'", variable);
    tn_tensor *t = tn_variable_value(v);
    if (!t) return tn_fail(err, TN_FAILED_PRECONDITION, "Attempting to use uninitialized value %s", variable);
    *out = t;
    return TN_OK;
}

tn_code tn_session_take(tn_session *s, const char *variable, tn_tensor *value, tn_error *err)
{
    tn_stored *v;
    tn_code code = tn_store_variable(s->store, variable, value->dtype, &value->shape, &v, err);
    if (code == TN_OK) {
        tn_budget *before = tn_budget_enter(s->store->budget);
        pthread_mutex_lock(&s->store->lock);
        code = tn_variable_take(v, value, err);
        pthread_mutex_unlock(&s->store->lock);
        tn_budget_enter(before);
    } else {
        tn_tensor_unref(value);
    }
    return code;
}

tn_code tn_session_set(tn_session *s, const char *variable, const tn_tensor *value, tn_error *err)
{
    tn_stored *v;
    TN_TRY(tn_store_variable(s->store, variable, value->dtype, &value->shape, &v, err));
    tn_budget *before = tn_budget_enter(s->store->budget);
    pthread_mutex_lock(&s->store->lock);
    tn_code code = tn_variable_set(v, value, false, err);
    pthread_mutex_unlock(&s->store->lock);
    tn_budget_enter(before);
    return code;
}
