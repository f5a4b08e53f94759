/* SPDX-License-Identifier: Apache-2.0
 *
 * callee.c - functions that operators call while they run.
 *
 * Invariants: a callee lives as long as its session; its plan is lowered once, under its own lock, and no
 * lock is held while it runs. A function that calls itself, be it by way of data sets, ends at TN_CALL_DEPTH.
 */
#include "callee.h"
#include "programs.h"

typedef struct callee {
    tn_session session; /* the function's own tables; graph, store and options are the caller's */
    tn_plan plan;
    tn_request request;
    const tn_function *function;
    char *prefix;
} callee;

struct tn_callees {
    tn_session *session;
    pthread_mutex_t lock;
    tn_map *by_name; /* "owner/function/" */
};

tn_callees *tn_callees_new(tn_session *s)
{
    tn_callees *c = tn_calloc(1, sizeof *c);
    tn_map *by_name = tn_map_new();
    if (!c || !by_name) {
        tn_free(c);
        tn_map_free(by_name);
        return NULL;
    }
    c->session = s;
    c->by_name = by_name;
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

static void callee_free(callee *f)
{
    for (int i = 0; i < f->plan.n_bound; i++) {
        tn_program_free(f->plan.bound[i]->program);
        tn_free(f->plan.bound[i]);
    }
    tn_free(f->plan.bound);
    tn_lowered_free(f->plan.lowered);
    pthread_mutex_destroy(&f->plan.lower_lock);
    pthread_mutex_destroy(&f->session.lock);
    pthread_cond_destroy(&f->session.bound);
    tn_free(f->prefix);
    tn_free((void *)f->request.feeds);
    tn_free(f);
}

bool tn_callees_any(tn_callees *c)
{
    pthread_mutex_lock(&c->lock);
    const bool any = tn_map_count(c->by_name) > 0;
    pthread_mutex_unlock(&c->lock);
    return any;
}

static void callee_rest(callee *f)
{
    pthread_mutex_lock(&f->session.lock);
    for (int i = 0; i < f->plan.n_bound; i++) tn_program_rest(f->plan.bound[i]->program);
    pthread_mutex_unlock(&f->session.lock);
}

void tn_callees_rest(tn_callees *c)
{
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < tn_map_count(c->by_name); i++) callee_rest(tn_map_value(c->by_name, i));
    pthread_mutex_unlock(&c->lock);
}

void tn_callees_free(tn_callees *c)
{
    if (!c) return;
    for (size_t i = 0; i < tn_map_count(c->by_name); i++) callee_free(tn_map_value(c->by_name, i));
    tn_map_free(c->by_name);
    pthread_mutex_destroy(&c->lock);
    tn_free(c);
}

/* ==== finding ==== */

static callee *callee_new(const tn_session *s, const tn_function *f, const char *prefix)
{
    callee *c = tn_calloc(1, sizeof *c);
    char *copy = tn_strdup(prefix);
    const char **names = tn_calloc((size_t)f->n_args + 1, sizeof *names);
    if (!c || !copy || !names) {
        tn_free(c);
        tn_free(copy);
        tn_free(names);
        return NULL;
    }
    for (int i = 0; i < f->n_args; i++) names[i] = f->args[i]->name;
    c->session = (tn_session){.graph = f->body, .store = s->store, .options = s->options};
    pthread_mutex_init(&c->session.lock, NULL);
    pthread_cond_init(&c->session.bound, NULL);
    pthread_mutex_init(&c->plan.lower_lock, NULL);
    c->function = f;
    c->prefix = copy;
    c->request =
        (tn_request){.feeds = names, .n_feeds = f->n_args, .n_fetches = f->n_rets, .any_shape = true};
    return c;
}

static tn_code find(tn_callees *all, const tn_function_call *call, callee **out, tn_error *err)
{
    const tn_function *f = tn_graph_function(all->session->graph, call->function);
    if (!f) return tn_fail(err, TN_NOT_FOUND, "Function '%s' is not defined", call->function);
    tn_buf name = {0};
    tn_buf_printf(&name, "%s/%s/", call->owner, call->function);
    tn_code code = tn_buf_check(&name, err);
    callee *c = NULL;
    if (code == TN_OK) {
        pthread_mutex_lock(&all->lock);
        c = tn_map_get(all->by_name, name.data);
        if (!c && (c = callee_new(all->session, f, name.data)) && !tn_map_put(all->by_name, name.data, c)) {
            callee_free(c);
            c = NULL;
        }
        pthread_mutex_unlock(&all->lock);
        if (!c) code = tn_no_memory(err, sizeof *c);
    }
    tn_buf_free(&name);
    *out = c;
    return code;
}

static tn_code lowered(callee *c, tn_error *err)
{
    pthread_mutex_lock(&c->plan.lower_lock);
    tn_code code = TN_OK;
    if (!c->plan.lowered)
        code = tn_lower_function(c->function, c->session.store, c->prefix, &c->plan.lowered, err);
    pthread_mutex_unlock(&c->plan.lower_lock);
    return code;
}

/* ==== calling ==== */

static tn_code keep_results(const tn_run_context *c, int n, tn_tensor **out, tn_error *err)
{
    for (int i = 0; i < n; i++) {
        tn_code code = tn_tensor_keep(&c->values[c->program->top.rets[i]], &out[i], err);
        if (code == TN_OK) continue;
        while (i--) tn_tensor_unref(out[i]);
        return code;
    }
    return TN_OK;
}

static tn_code run_bound(const tn_run *r, const tn_function_call *call, tn_program *p, tn_tensor **out,
                         tn_error *err)
{
    tn_run_context *c;
    TN_TRY(tn_context_get(p, &c, err));
    c->deadline = r->context->deadline;
    c->callers_cancel = r->context->callers_cancel;
    c->depth = call->depth;
    tn_code code = tn_program_run(c, (const tn_tensor *const *)call->args, r->context->cancel, err);
    if (code == TN_OK) code = keep_results(c, call->n_out, out, err);
    tn_context_put(p, c);
    return code;
}

static tn_code check(const callee *c, const tn_function_call *call, tn_error *err)
{
    const tn_function *f = c->function;
    if (call->depth > TN_CALL_DEPTH)
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "function '%s': functions call each other more than %d deep",
                       call->function, TN_CALL_DEPTH);
    if (f->n_args != call->n_args)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Function '%s' has %d arguments, but is given %d", f->name,
                       f->n_args, call->n_args);
    if (f->n_rets != call->n_out)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Function '%s' returns %d values, but %d are expected",
                       f->name, f->n_rets, call->n_out);
    return TN_OK;
}

tn_code tn_call_function(const tn_run *r, const tn_function_call *call, tn_tensor **out, tn_error *err)
{
    tn_callees *all = r->context ? r->context->program->store->callees : NULL;
    callee *c;
    tn_bound *b;
    if (!all)
        return tn_fail(err, TN_FAILED_PRECONDITION, "'%s' calls functions, which only sessions do", r->name);
    TN_TRY(find(all, call, &c, err));
    TN_TRY(check(c, call, err));
    TN_TRY(lowered(c, err));
    const tn_tensor *const *args = (const tn_tensor *const *)call->args;
    TN_TRY(tn_plan_check(&c->plan, &c->request, args, err));
    TN_TRY(tn_bound_get(&c->session, &c->plan, args, c->session.options.threads, &b, err));
    tn_code code = run_bound(r, call, b->program, out, err);
    tn_bound_put(&c->session, b);
    return code;
}

const tn_function *tn_run_function(const tn_run *r, const char *name)
{
    tn_callees *all = r->context ? r->context->program->store->callees : NULL;
    return all ? tn_graph_function(all->session->graph, name) : NULL;
}

int tn_run_depth(const tn_run *r)
{
    return r->context ? r->context->depth : 0;
}
