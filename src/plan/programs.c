/* SPDX-License-Identifier: Apache-2.0
 *
 * programs.c - a session's plans, by what is fed, fetched and targeted, and their programs, by the shapes of the
 * feeds and by the threads that share the work.
 *
 * Invariants: the session's lock guards these tables only and is not held while lowering or binding: known shapes go
 * on, new ones are bound side by side. A shape is bound once, by the first who needs it, and the others wait for it.
 * Nobody waits for who binds ahead: that thread may be of low priority.
 */
#include "programs.h"

#include "callee.h"
#include "missing.h"

#define MOST_AHEAD ((size_t)16 << 20) /* bytes packed for a plan that nobody has asked for yet */

void tn_plan_free(tn_plan *p)
{
    if (!p) return;
    for (int i = 0; i < p->n_bound; i++) {
        tn_program_free(p->bound[i]->program);
        tn_free(p->bound[i]);
    }
    tn_free(p->bound);
    tn_lowered_free(p->lowered);
    pthread_mutex_destroy(&p->lower_lock);
    tn_free(p->key);
    tn_free(p);
}

/* ==== plans ==== */

static char *request_key(const tn_request *q)
{
    tn_buf b = {0};
    for (int i = 0; i < q->n_feeds; i++) tn_buf_printf(&b, "<%s\n", q->feeds[i]);
    for (int i = 0; i < q->n_fetches; i++) tn_buf_printf(&b, ">%s\n", q->fetches[i]);
    for (int i = 0; i < q->n_targets; i++) tn_buf_printf(&b, "!%s\n", q->targets[i]);
    tn_buf_char(&b, '.');
    return tn_buf_take(&b, NULL);
}

static tn_plan *plan_new(char *key)
{
    tn_plan *p = tn_calloc(1, sizeof *p);
    if (!p) return NULL;
    p->key = key;
    pthread_mutex_init(&p->lower_lock, NULL);
    return p;
}

/* The table's entry; lowering it is tn_plan_get's. Takes key. */
static tn_plan *find_plan(tn_session *s, char *key)
{
    pthread_mutex_lock(&s->lock);
    tn_plan *p = tn_map_get(s->plans, key);
    if (p) {
        tn_free(key);
    } else if ((p = plan_new(key))) {
        if (!tn_map_put(s->plans, key, p)) {
            tn_plan_free(p);
            p = NULL;
        }
    } else {
        tn_free(key);
    }
    pthread_mutex_unlock(&s->lock);
    return p;
}

tn_code tn_plan_get(tn_session *s, const tn_request *q, tn_plan **out, tn_error *err)
{
    char *key = request_key(q);
    tn_plan *p = key ? find_plan(s, key) : NULL;
    if (!p) return tn_no_memory(err, 0);
    pthread_mutex_lock(&p->lower_lock);
    tn_code code = TN_OK;
    if (!p->lowered) {
        tn_session_begin_reading(s);
        code = tn_lower(s->graph, s->store, q->feeds, q->n_feeds, q->fetches, q->n_fetches, q->targets, q->n_targets,
                        &p->lowered, err);
        tn_session_end_reading(s);
    }
    pthread_mutex_unlock(&p->lower_lock);
    if (code == TN_OK) *out = p;
    return code;
}

/* ==== programs ==== */

bool tn_bound_fits(const tn_program *p, const tn_tensor *const *feeds)
{
    for (int i = 0; i < p->n_feeds; i++)
        if (!tn_shape_equal(&p->feed_shapes[i], &feeds[i]->shape)) return false;
    return true;
}

tn_code tn_plan_check(const tn_plan *p, const tn_request *q, const tn_tensor *const *feeds, tn_error *err)
{
    char a[128], b[128];
    for (int i = 0; i < p->lowered->n_feeds; i++) {
        const tn_info *want = &p->lowered->feeds[i]->out[0];
        if (feeds[i]->dtype != want->dtype)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Cannot feed a tensor of dtype %s for '%s', which is of dtype %s",
                           tn_dtype_name(feeds[i]->dtype), q->feeds[i], tn_dtype_name(want->dtype));
        if (!q->any_shape && !tn_shape_compatible(&feeds[i]->shape, &want->shape))
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Cannot feed value of shape %s for Tensor '%s', which has shape '%s'",
                           tn_shape_text(&feeds[i]->shape, a, sizeof a), q->feeds[i],
                           tn_shape_text(&want->shape, b, sizeof b));
    }
    return TN_OK;
}

/* A program nobody uses whose variables have changed meanwhile. Called with the lock held. */
static tn_program *take_stale(tn_plan *p)
{
    for (int i = 0; i < p->n_bound; i++) {
        tn_program *gone = p->bound[i]->program;
        if (p->bound[i]->refs || tn_program_is_fresh(gone)) continue;
        tn_free(p->bound[i]);
        p->bound[i] = p->bound[--p->n_bound];
        return gone;
    }
    return NULL;
}

static void drop_stale(tn_session *s, tn_plan *p)
{
    for (tn_program *gone = NULL;; tn_program_free(gone)) {
        pthread_mutex_lock(&s->lock);
        gone = take_stale(p);
        pthread_mutex_unlock(&s->lock);
        if (!gone) return;
    }
}

/* Called with the lock held. */
static tn_bound *take_bound(tn_session *s, tn_plan *p, const tn_tensor *const *feeds, int threads)
{
    tn_bound *found = NULL;
    for (int i = 0; i < p->n_bound && !found; i++) {
        tn_program *program = p->bound[i]->program;
        if (program->threads == threads && tn_bound_fits(program, feeds) && tn_program_is_fresh(program))
            found = p->bound[i];
    }
    if (found) {
        found->refs++;
        found->used = ++s->clock;
    }
    return found;
}

/* Forgets the program unused for longest when there are too many. Called with the lock held. */
static tn_program *evict(tn_session *s, tn_plan *p)
{
    int oldest = -1;
    if (p->n_bound < s->options.max_bound_shapes) return NULL;
    for (int i = 0; i < p->n_bound; i++)
        if (!p->bound[i]->refs && (oldest < 0 || p->bound[i]->used < p->bound[oldest]->used)) oldest = i;
    if (oldest < 0) return NULL;
    tn_program *gone = p->bound[oldest]->program;
    tn_free(p->bound[oldest]);
    p->bound[oldest] = p->bound[--p->n_bound];
    return gone;
}

/* Takes program. When somebody else has bound the same meanwhile, that is it. */
static tn_code add_bound(tn_session *s, tn_plan *p, tn_program *program, const tn_tensor *const *feeds, tn_bound **out,
                         tn_error *err)
{
    tn_bound *b = tn_calloc(1, sizeof *b);
    pthread_mutex_lock(&s->lock);
    tn_bound *there = take_bound(s, p, feeds, program->threads);
    tn_program *gone = there ? program : evict(s, p);
    bool ok = !there && b && TN_ROOM(NULL, p->bound, p->n_bound, p->cap_bound);
    if (ok) {
        *b = (tn_bound){.program = program, .refs = 1, .used = ++s->clock};
        s->quiet = 0;
        p->bound[p->n_bound++] = b;
    }
    pthread_mutex_unlock(&s->lock);
    tn_program_free(gone);
    *out = ok ? b : there;
    if (ok) return TN_OK;
    tn_free(b);
    if (there) return TN_OK;
    tn_program_free(program);
    return tn_no_memory(err, sizeof *b);
}

static tn_code bind_and_add(tn_session *s, tn_plan *p, const tn_tensor *const *feeds, int threads, size_t most,
                            tn_bound **out, tn_error *err)
{
    tn_bind_options o = {.passes = TN_ALL_PASSES & ~s->options.passes_off,
                         .threads = threads,
                         .copying = &p->lower_lock,
                         .room = most ? &most : NULL};
    tn_program *program;
    TN_TRY(tn_bind(p->lowered, feeds, &o, &program, err));
    return add_bound(s, p, program, feeds, out, err);
}

/* most: bytes that the program may add to what is packed; 0: no limit. Constants stay there until the
 * program can be seen, which may look at them. */
static tn_code bind_now(tn_session *s, tn_plan *p, const tn_tensor *const *feeds, int threads, size_t most,
                        tn_bound **out, tn_error *err)
{
    drop_stale(s, p);
    tn_session_begin_reading(s);
    const tn_code code = bind_and_add(s, p, feeds, threads, most, out, err);
    tn_session_end_reading(s);
    return code;
}

static bool is_pending(const tn_plan *p, const tn_tensor *const *feeds, int threads)
{
    for (const tn_pending *q = p->pending; q; q = q->next) {
        bool same = q->threads == threads;
        for (int i = 0; same && i < p->lowered->n_feeds; i++)
            same = tn_shape_equal(&q->feeds[i]->shape, &feeds[i]->shape);
        if (same) return true;
    }
    return false;
}

/* What is bound for these shapes; or NULL, and then the caller is to bind it, and has said so by q. */
static tn_bound *take_or_announce(tn_session *s, tn_plan *p, const tn_tensor *const *feeds, int threads, tn_pending *q)
{
    pthread_mutex_lock(&s->lock);
    tn_bound *b = take_bound(s, p, feeds, threads);
    while (!b && is_pending(p, feeds, threads)) {
        pthread_cond_wait(&s->bound, &s->lock);
        b = take_bound(s, p, feeds, threads);
    }
    if (!b) {
        *q = (tn_pending){feeds, threads, p->pending};
        p->pending = q;
    }
    pthread_mutex_unlock(&s->lock);
    return b;
}

static void no_longer_pending(tn_session *s, tn_plan *p, tn_pending *q)
{
    pthread_mutex_lock(&s->lock);
    tn_pending **at = &p->pending;
    while (*at != q) at = &(*at)->next;
    *at = q->next;
    pthread_cond_broadcast(&s->bound);
    pthread_mutex_unlock(&s->lock);
}

tn_code tn_bound_get(tn_session *s, tn_plan *p, const tn_tensor *const *feeds, int threads, tn_bound **out,
                     tn_error *err)
{
    tn_pending q;
    if ((*out = take_or_announce(s, p, feeds, threads, &q))) return TN_OK;
    tn_code code = bind_now(s, p, feeds, threads, 0, out, err);
    no_longer_pending(s, p, &q);
    return code;
}

tn_code tn_bound_ahead(tn_session *s, tn_plan *p, const tn_tensor *const *feeds, int threads, tn_bound **out,
                       tn_error *err)
{
    pthread_mutex_lock(&s->lock);
    *out = take_bound(s, p, feeds, threads);
    pthread_mutex_unlock(&s->lock);
    return *out ? TN_OK : bind_now(s, p, feeds, threads, MOST_AHEAD, out, err);
}

void tn_bound_put(tn_session *s, tn_bound *b)
{
    pthread_mutex_lock(&s->lock);
    b->refs--;
    pthread_mutex_unlock(&s->lock);
}

void tn_bound_asked(tn_bound *b)
{
    if (!atomic_load_explicit(&b->asked, memory_order_relaxed))
        atomic_store_explicit(&b->asked, true, memory_order_relaxed);
}

static bool same_shapes(const tn_program *a, const tn_program *b)
{
    for (int i = 0; i < a->n_feeds; i++)
        if (!tn_shape_equal(&a->feed_shapes[i], &b->feed_shapes[i])) return false;
    return true;
}

/* The same was asked since, of another number of threads. */
static bool has_heir(const tn_plan *p, const tn_bound *b)
{
    for (int i = 0; i < p->n_bound; i++) {
        const tn_bound *o = p->bound[i];
        if (o->used > b->used && atomic_load(&o->asked) && same_shapes(o->program, b->program)) return true;
    }
    return false;
}

/* One that nobody has asked for, or not lately, out of its table. Called with the lock held. */
static tn_program *take_unasked(tn_plan *p)
{
    for (int i = 0; i < p->n_bound; i++) {
        tn_bound *b = p->bound[i];
        if (b->refs || (atomic_load(&b->asked) && !has_heir(p, b))) continue;
        tn_program *gone = b->program;
        tn_free(b);
        p->bound[i] = p->bound[--p->n_bound];
        return gone;
    }
    return NULL;
}

bool tn_session_forget_ahead(tn_session *s)
{
    for (bool any = false;; any = true) {
        tn_program *gone = NULL;
        pthread_mutex_lock(&s->lock);
        for (size_t i = 0; i < tn_map_count(s->plans) && !gone; i++) gone = take_unasked(tn_map_value(s->plans, i));
        pthread_mutex_unlock(&s->lock);
        if (!gone) return any;
        tn_program_free(gone);
    }
}

void tn_session_rest_programs(tn_session *s)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < tn_map_count(s->plans); i++) {
        const tn_plan *p = tn_map_value(s->plans, i);
        for (int k = 0; k < p->n_bound; k++) tn_program_rest(p->bound[k]->program);
    }
    pthread_mutex_unlock(&s->lock);
    tn_callees_rest(s->store->callees);
}

/* ==== variables that are needed ==== */

static tn_view address_of(const tn_resource *const *r)
{
    return (tn_view){(const char *)r, sizeof *r};
}

static bool note_resources(const tn_region *r, tn_map *needed)
{
    bool ok = true;
    for (int i = 0; i < r->n_nodes && ok; i++) {
        const tn_pnode *n = r->nodes[i];
        const tn_resource *res = n->resource;
        if (res) ok = tn_map_put_view(needed, address_of(&res), needed);
        for (int k = 0; k < n->n_sub && ok; k++) ok = note_resources(n->sub[k], needed);
    }
    return ok;
}

static bool note_plans(tn_session *s, tn_map *needed)
{
    bool ok = true;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < tn_map_count(s->plans) && ok; i++) {
        const tn_plan *p = tn_map_value(s->plans, i);
        if (p->lowered) ok = note_resources(p->lowered->top, needed);
    }
    pthread_mutex_unlock(&s->lock);
    return ok;
}

tn_code tn_session_forget_unused(tn_session *s, tn_error *err)
{
    tn_map *needed = tn_map_new();
    if (!needed || !note_plans(s, needed)) {
        tn_map_free(needed);
        return tn_no_memory(err, 0);
    }
    pthread_mutex_lock(&s->store->lock);
    for (size_t i = 0; i < tn_map_count(s->store->variables); i++) {
        tn_stored *v = tn_map_value(s->store->variables, i);
        const tn_resource *res = &v->base;
        tn_view key = address_of(&res);
        if (!v->value || tn_map_get_view(needed, key)) continue;
        tn_stored_drop_shed(v);
        tn_tensor_unref(v->value);
        v->value = NULL;
        atomic_fetch_add(&s->store->changes, 1);
    }
    pthread_mutex_unlock(&s->store->lock);
    tn_map_free(needed);
    return TN_OK;
}

/* ==== functions that are needed ==== */

typedef struct roots {
    tn_operation **ops;
    int n, cap;
} roots;

/* What a plan was made for, as its key tells it, which is written on. A name that the graph does not have has no
 * plan. */
static bool note_names(const tn_graph *g, char *key, roots *r)
{
    tn_node v;
    for (char *line = key, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        tn_operation *op = tn_graph_operation(g, line + 1);
        if (!op && tn_graph_value(g, line + 1, &v, NULL) == TN_OK) op = v.op;
        if (!op) continue;
        if (!TN_ROOM(NULL, r->ops, r->n, r->cap)) return false;
        r->ops[r->n++] = op;
    }
    return true;
}

static bool note_requests(tn_session *s, roots *r)
{
    bool ok = true;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < tn_map_count(s->plans) && ok; i++) {
        const tn_plan *p = tn_map_value(s->plans, i);
        char *key = tn_strdup(p->key);
        ok = key && note_names(s->graph, key, r);
        tn_free(key);
    }
    pthread_mutex_unlock(&s->lock);
    return ok;
}

tn_code tn_session_forget_functions(tn_session *s, tn_error *err)
{
    roots r = {0};
    tn_map *called;
    if (!s->owns_constants || tn_callees_any(s->store->callees)) return TN_OK;
    tn_code code = note_requests(s, &r) ? TN_OK : tn_no_memory(err, 0);
    const tn_wanted w = {.targets = r.ops, .n_targets = r.n};
    if (code == TN_OK && r.n && (code = tn_find_called(s->graph, &w, &called, err)) == TN_OK) {
        tn_graph_keep_functions(s->graph, called);
        tn_map_free(called);
    }
    tn_free(r.ops);
    return code;
}
