/* SPDX-License-Identifier: Apache-2.0
 *
 * start.c - what variables begin with when it is a checkpoint: rules that say so while a graph is built, and the
 * values themselves once there is a session.
 *
 * Invariant: a graph's variable has a start only when its tensor was there, of its dtype and a fitting shape.
 */
#include "import.h"
#include "objects.h"

#include <math.h>

enum { MOST_NAMED = 6 }; /* in one message */

/* ==== problems, all in one message ==== */

void tn_problems_add(tn_problems *p, const char *fmt, ...)
{
    char text[240];
    va_list args;
    if (p->n++ >= MOST_NAMED) return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    tn_buf_printf(&p->text, "%s%s", p->n > 1 ? "; " : "", text);
}

tn_code tn_problems_end(tn_problems *p, tn_code code, const char *what, tn_error *err)
{
    tn_code result = TN_OK;
    if (p->n && p->n <= MOST_NAMED) result = tn_fail(err, code, "%s: %s", what, p->text.data ? p->text.data : "");
    if (p->n > MOST_NAMED)
        result = tn_fail(err, code, "%s: %s; and %d more", what, p->text.data ? p->text.data : "", p->n - MOST_NAMED);
    tn_buf_free(&p->text);
    *p = (tn_problems){.n = 0};
    return result;
}

/* ==== one variable ==== */

static tn_shape shape_of(const tn_variable_info *v)
{
    tn_shape s = tn_shape_unknown();
    tn_attr_get_shape(&v->op->attrs, "shape", &s);
    return s;
}

static bool fits(const tn_variable_info *v, tn_dtype dtype, const tn_shape *shape)
{
    tn_shape own = shape_of(v);
    return tn_attr_t(&v->op->attrs, "dtype") == dtype && tn_shape_compatible(&own, shape);
}

static tn_code slice_shape(const char *slice, tn_shape *shape, tn_error *err)
{
    tn_shape full, whole = *shape;
    tn_slice s;
    if (!slice || !*slice) return TN_OK;
    TN_TRY(tn_slice_parse(slice, &full, &s, err));
    return tn_slice_shape(&s, &whole, shape, err);
}

tn_code tn_start_find(tn_checkpoint *from, const tn_wanted *w, tn_problems *problems, const tn_bundle_entry **out,
                      tn_shape *shape, tn_error *err)
{
    char wanted[120], has[120];
    const tn_bundle_entry *e;
    *out = NULL;
    TN_TRY(tn_checkpoint_find(from, w->key, w->name, &e, err));
    if (!e) {
        if (problems) tn_problems_add(problems, "no tensor '%.100s' for the variable '%.100s'", w->key, w->variable);
        return TN_OK;
    }
    *shape = e->shape;
    TN_TRY(slice_shape(w->slice, shape, err));
    if (e->dtype == w->dtype && tn_shape_compatible(&w->shape, shape))
        *out = e;
    else if (problems)
        tn_problems_add(problems, "variable '%.80s' is %s %s, the tensor '%.80s' is %s %s", w->variable,
                        tn_dtype_name(w->dtype), tn_shape_text(&w->shape, wanted, sizeof wanted), e->name,
                        tn_dtype_name(e->dtype), tn_shape_text(shape, has, sizeof has));
    return TN_OK;
}

static tn_code begin_at(tn_graph *g, const tn_variable_info *v, tn_checkpoint *from, const char *key, unsigned flags,
                        tn_problems *problems, tn_error *err)
{
    const tn_bundle_entry *e;
    tn_shape shape;
    tn_wanted w = {v->name, tn_attr_t(&v->op->attrs, "dtype"), shape_of(v), key, key, NULL};
    TN_TRY(tn_start_find(from, &w, flags & TN_PARTIAL ? NULL : problems, &e, &shape, err));
    if (!e) return TN_OK;
    tn_start start = {.checkpoint = tn_bundle_prefix(tn_checkpoint_bundle(from)),
                      .key = e->name,
                      .slots = (flags & TN_SLOTS) != 0};
    return tn_graph_set_start(g, v->name, &start, err);
}

/* ==== rules ==== */

bool tn_is_scope(const char *name)
{
    size_t n = strlen(name);
    return !n || name[n - 1] == '/';
}

tn_code tn_check_rule(const tn_assignment *rule, tn_error *err)
{
    if (!rule->from || !rule->to) return tn_fail(err, TN_INVALID_ARGUMENT, "a rule without a name");
    if (tn_is_scope(rule->from) == tn_is_scope(rule->to)) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "rule '%s' -> '%s': only one of them is a scope, which ends in '/'",
                   rule->from, rule->to);
}

static tn_code apply_scope(tn_builder *b, tn_checkpoint *from, const tn_assignment *rule, unsigned flags,
                           tn_problems *p, tn_error *err)
{
    tn_graph *g = tn_builder_graph(b);
    size_t n = strlen(rule->to);
    int matched = 0;
    for (int i = 0; i < tn_graph_variable_count(g); i++) {
        const tn_variable_info *v = tn_graph_variable_at(g, i);
        if (v->local || strncmp(v->name, rule->to, n) != 0) continue;
        const char *key = tn_arena_printf(tn_builder_arena(b), "%s%s", rule->from, v->name + n);
        if (!key) return tn_no_memory(err, n);
        TN_TRY(begin_at(g, v, from, key, flags, p, err));
        matched++;
    }
    return matched ? TN_OK : tn_fail(err, TN_NOT_FOUND, "the graph has no variables under '%s'", rule->to);
}

static tn_code no_variable(const tn_graph *g, const char *name, tn_error *err)
{
    int n = tn_graph_variable_count(g);
    const char **names = tn_calloc((size_t)n + 1, sizeof *names);
    tn_code code = tn_fail(err, TN_NOT_FOUND, "the graph has no variable '%s'", name);
    for (int i = 0; names && i < n; i++) names[i] = tn_graph_variable_at(g, i)->name;
    const char *near = names ? tn_nearest(name, names, (size_t)n) : NULL;
    if (near) tn_note(err, "(did you mean '%s'?)", near);
    tn_free(names);
    return code;
}

static tn_code apply_rule(tn_builder *b, tn_checkpoint *from, const tn_assignment *rule, unsigned flags, tn_problems *p,
                          tn_error *err)
{
    tn_graph *g = tn_builder_graph(b);
    TN_TRY(tn_check_rule(rule, err));
    if (tn_is_scope(rule->to)) return apply_scope(b, from, rule, flags, p, err);
    const tn_variable_info *v = tn_graph_variable(g, rule->to);
    return v ? begin_at(g, v, from, rule->from, flags, p, err) : no_variable(g, rule->to, err);
}

static tn_code apply_rules(tn_builder *b, const char *path, const tn_assignment *rules, int n, unsigned flags,
                           tn_error *err)
{
    static const tn_assignment all = {"", ""};
    tn_checkpoint *from;
    tn_problems problems = {.n = 0};
    char what[300];
    TN_TRY(tn_checkpoint_open(path, &from, err));
    tn_code code = n ? TN_OK : apply_rule(b, from, &all, flags, &problems, err);
    for (int i = 0; i < n && code == TN_OK; i++) code = apply_rule(b, from, &rules[i], flags, &problems, err);
    if (code != TN_OK) tn_wrap(err, "checkpoint %s", path);
    snprintf(what, sizeof what, "checkpoint %.250s", path);
    tn_code found = tn_problems_end(&problems, TN_INVALID_ARGUMENT, what, code == TN_OK ? err : NULL);
    tn_checkpoint_close(from);
    return code != TN_OK ? code : found;
}

void tn_init_from_checkpoint(tn_builder *b, const char *checkpoint, const tn_assignment *rules, int n_rules,
                             unsigned flags)
{
    tn_error err;
    if (!tn_builder_ok(b) || tn_builder_values_come(b) || tn_builder_reuse(b) == TN_REUSE) return;
    const char *path = tn_builder_path(b, checkpoint ? checkpoint : "");
    if (path && apply_rules(b, path, rules, n_rules, flags, &err) != TN_OK) tn_builder_fail_with(b, &err);
}

void tn_freeze(tn_builder *b, const char *name)
{
    tn_error err;
    int frozen = 0;
    if (!tn_builder_ok(b)) return;
    tn_graph *g = tn_builder_graph(b);
    bool scope = tn_is_scope(name);
    for (int i = 0; i < tn_graph_variable_count(g); i++) {
        const tn_variable_info *v = tn_graph_variable_at(g, i);
        if (scope ? strncmp(v->name, name, strlen(name)) : strcmp(v->name, name)) continue;
        frozen++;
        if (tn_graph_set_trainable(g, v->name, false, &err) != TN_OK) tn_builder_fail_with(b, &err);
    }
    if (frozen) return;
    no_variable(g, name, &err);
    tn_wrap(&err, "tn_freeze");
    tn_builder_fail_with(b, &err);
}

/* ==== values ==== */

typedef struct starting {
    tn_graph *graph;
    tn_session *session;
    tn_checkpoint *from; /* the one that is open */
    bool wants_slots;
    int slots;
} starting;

static tn_code open_from(starting *s, const char *prefix, tn_error *err)
{
    if (s->from && !strcmp(tn_bundle_prefix(tn_checkpoint_bundle(s->from)), prefix)) return TN_OK;
    tn_checkpoint_close(s->from);
    s->from = NULL;
    return tn_checkpoint_open(prefix, &s->from, err);
}

static tn_code set_value(starting *s, const tn_variable_info *v, const tn_bundle_entry *e, const char *slice,
                         tn_error *err)
{
    tn_tensor *t;
    tn_slice part;
    tn_shape full;
    bool whole = !slice || !*slice;
    if (!whole) TN_TRY(tn_slice_parse(slice, &full, &part, err));
    TN_TRY(tn_checkpoint_read(s->from, e, whole ? NULL : &part, &t, err));
    tn_code code = TN_OK;
    if (!fits(v, t->dtype, &t->shape))
        code = tn_fail(err, TN_INVALID_ARGUMENT, "checkpoint %s: the tensor '%s' does not fit the variable '%s'",
                       tn_bundle_prefix(tn_checkpoint_bundle(s->from)), e->name, v->name);
    if (code == TN_OK) return tn_session_take(s->session, v->name, t, err);
    tn_tensor_unref(t);
    return code;
}

static tn_code start_one(starting *s, const tn_variable_info *v, tn_error *err)
{
    const tn_bundle_entry *e;
    TN_TRY(open_from(s, v->start.checkpoint, err));
    TN_TRY(tn_checkpoint_find(s->from, v->start.key, NULL, &e, err));
    if (!e)
        return tn_fail(err, TN_NOT_FOUND, "checkpoint %s: no tensor '%s' for the variable '%s'", v->start.checkpoint,
                       v->start.key, v->name);
    return set_value(s, v, e, v->start.slice, err);
}

static bool begins_anywhere(const tn_variable_info *v)
{
    return v->start.checkpoint != NULL;
}

/* What an optimizer keeps, by its name: "w/Adam" of a variable "w" that asks for it, "beta1_power" of any. */
static tn_code start_by_name(starting *s, const tn_variable_info *slot, const tn_variable_info *of,
                             const char *suffix, bool *done, tn_error *err)
{
    char key[1200];
    const tn_bundle_entry *e;
    snprintf(key, sizeof key, "%s%s", suffix ? of->start.key : "", suffix ? suffix : slot->name);
    TN_TRY(tn_checkpoint_find(s->from, key, suffix ? NULL : slot->name, &e, err));
    *done = e && fits(slot, e->dtype, &e->shape);
    return *done ? set_value(s, slot, e, of->start.slice, err) : TN_OK;
}

static tn_code read_number(starting *s, const char *key, double *out, tn_error *err)
{
    tn_tensor *t;
    TN_TRY(tn_bundle_read(tn_checkpoint_bundle(s->from), key, &t, err));
    tn_code code = tn_tensor_count(t) == 1 && tn_dtype_is_pod(t->dtype)
                       ? TN_OK
                       : tn_fail(err, TN_DATA_LOSS, "the tensor '%s' is no number", key);
    if (code == TN_OK) *out = tn_tensor_number(t, 0);
    tn_tensor_unref(t);
    return code;
}

/* Keras keeps a momentum with the learning rate in it. */
static tn_code divide_by_rate(starting *s, const tn_variable_info *slot, const tn_object_slot *o, tn_error *err)
{
    double rate = 0;
    tn_tensor *t;
    const char *prefix = tn_bundle_prefix(tn_checkpoint_bundle(s->from));
    if (o->rate) TN_TRY(read_number(s, o->rate, &rate, err));
    if (!(rate > 0))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "checkpoint %s: the momentum '%s' has a learning rate in it that is not in the checkpoint",
                       prefix, o->key);
    TN_TRY(tn_checkpoint_read(s->from, tn_bundle_find(tn_checkpoint_bundle(s->from), o->key), NULL, &t, err));
    for (int64_t i = 0, n = tn_tensor_count(t); i < n; i++)
        tn_tensor_set_number(t, i, -tn_tensor_number(t, i) / rate);
    return tn_session_take(s->session, slot->name, t, err);
}

/* What a power is after so many steps, of its first value. */
static tn_code start_power(starting *s, const tn_variable_info *slot, const char *iterations, tn_error *err)
{
    double steps;
    tn_tensor *first, *t;
    TN_TRY(read_number(s, iterations, &steps, err));
    TN_TRY(tn_session_get(s->session, slot->name, &first, err));
    tn_code code = tn_tensor_copy(first, &t, err);
    tn_tensor_unref(first);
    TN_TRY(code);
    tn_tensor_set_number(t, 0, pow(tn_tensor_number(t, 0), steps + 1));
    return tn_session_take(s->session, slot->name, t, err);
}

/* The same in a checkpoint of objects. */
static tn_code start_by_object(starting *s, const tn_variable_info *slot, const tn_variable_info *of,
                               const char *suffix, bool *done, tn_error *err)
{
    const tn_objects *objects;
    char mean[1200];
    tn_bundle *b = tn_checkpoint_bundle(s->from);
    TN_TRY(tn_bundle_objects(b, &objects, err));
    if (!suffix) {
        const char *iterations = tn_objects_iterations(objects, of->start.key);
        *done = iterations && tn_bundle_find(b, iterations);
        return *done ? start_power(s, slot, iterations, err) : TN_OK;
    }
    snprintf(mean, sizeof mean, "%s/RMSProp_2", of->name);
    tn_object_slot o = tn_objects_slot(objects, of->start.key, suffix + 1, tn_graph_variable(s->graph, mean) != NULL);
    const tn_bundle_entry *e = o.key ? tn_bundle_find(b, o.key) : NULL;
    *done = e && fits(slot, e->dtype, &e->shape);
    if (!*done) return TN_OK;
    return o.by_rate ? divide_by_rate(s, slot, &o, err) : set_value(s, slot, e, of->start.slice, err);
}

static tn_code start_slot(starting *s, const tn_variable_info *slot, const tn_variable_info *of, tn_error *err)
{
    bool done = false;
    size_t n = strlen(of->name);
    const char *suffix = !strncmp(slot->name, of->name, n) && slot->name[n] == '/' ? slot->name + n : NULL;
    TN_TRY(open_from(s, of->start.checkpoint, err));
    TN_TRY(start_by_name(s, slot, of, suffix, &done, err));
    if (!done) TN_TRY(start_by_object(s, slot, of, suffix, &done, err));
    s->slots += done;
    return TN_OK;
}

static bool is_slot_of(const tn_variable_info *slot, const tn_variable_info *v)
{
    size_t n = strlen(v->name);
    bool power = !strcmp(slot->name, "beta1_power") || !strcmp(slot->name, "beta2_power");
    bool below = !strncmp(slot->name, v->name, n) && slot->name[n] == '/' && !strchr(slot->name + n + 1, '/');
    return v->start.slots && v->trainable && !slot->trainable && (below || power);
}

static tn_code start_slots(starting *s, tn_error *err)
{
    for (int i = 0; i < tn_graph_variable_count(s->graph); i++) {
        const tn_variable_info *slot = tn_graph_variable_at(s->graph, i), *of = NULL;
        for (int k = 0; !begins_anywhere(slot) && !of && k < tn_graph_variable_count(s->graph); k++)
            if (is_slot_of(slot, tn_graph_variable_at(s->graph, k))) of = tn_graph_variable_at(s->graph, k);
        if (!of) continue;
        s->wants_slots = true;
        TN_TRY(start_slot(s, slot, of, err));
    }
    if (s->slots || !s->wants_slots) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "the checkpoint has none of the optimizer's slots that TN_SLOTS asks for");
}

tn_code tn_start_variables(tn_graph *g, tn_session *session, tn_error *err)
{
    starting s = {.graph = g, .session = session};
    tn_code code = TN_OK;
    for (int i = 0; i < tn_graph_variable_count(g) && code == TN_OK; i++)
        if (begins_anywhere(tn_graph_variable_at(g, i))) code = start_one(&s, tn_graph_variable_at(g, i), err);
    if (code == TN_OK) code = start_slots(&s, err);
    tn_checkpoint_close(s.from);
    return code == TN_OK ? tn_initialize_tables(g, session, err) : code;
}
