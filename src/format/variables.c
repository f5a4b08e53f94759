/* SPDX-License-Identifier: Apache-2.0
 *
 * variables.c - which key of a checkpoint a variable is kept under: found by reading the graph's restoring
 * part, RestoreV2 -> (Identity ...) -> Assign or AssignVariableOp, through calls of functions (or the first
 * Saver's Restore and RestoreSlice, of one tensor each). Nothing is run.
 */
#include "metagraph.h"

#define CALL_DEPTH 16
#define MOST_LOOKED_AT 10000000 /* operations in calls, each as often as it is called */
#define MOST_STEPS 64           /* Identity and the like between a value and where it comes from */

/* A function's arguments as values of its caller. */
typedef struct frame {
    const struct frame *caller;
    const tn_operation *call; /* NULL: the graph itself */
    int depth;
} frame;

typedef struct place { /* a value, and the frame it is in */
    tn_node node;
    const frame *frame;
} place;

typedef struct finder {
    tn_arena *arena;
    tn_map *by_op; /* operation's name -> tn_saved_variable */
    tn_map *known; /* function's name -> whether it restores: itself or NULL */
    int64_t looked_at;
    bool has_restore;
    bool (*is)(const tn_operation *op); /* what is looked for when it is not variables */
    tn_restored *contents, **last;
} finder;

/* ---- the variables ---- */

static bool is_variable(const tn_operation *op)
{
    return !strcmp(op->type, "VarHandleOp") || !strcmp(op->type, "VariableV2") ||
           !strcmp(op->type, "Variable");
}

/* The slice in a VariableDef's save_slice_info_def: a variable that was made by a partitioner. */
static tn_code set_slice_info(const tn_variable_info *info, tn_arena *a, tn_saved_variable *v, tn_error *err)
{
    tn_VariableDef *def;
    if (!info || !info->def.n) return TN_OK;
    TN_TRY(TN_DECODE(VariableDef, info->def, a, &def, err));
    const tn_SaveSliceInfoDef *s = def->save_slice_info_def;
    if (!s || !s->full_name.n) return TN_OK;
    uint32_t rank = s->full_shape.n;
    if (rank > TN_MAX_RANK || s->var_offset.n != rank || s->var_shape.n != rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "variable '%s' has a malformed save_slice_info_def",
                       v->name);
    v->full.rank = v->slice.rank = (int)rank;
    for (uint32_t i = 0; i < rank; i++) {
        v->full.dim[i] = s->full_shape.items[i];
        v->slice.start[i] = s->var_offset.items[i];
        v->slice.length[i] = s->var_shape.items[i];
    }
    tn_shape shape;
    TN_TRY(tn_slice_shape(&v->slice, &v->full, &shape, err));
    v->has_slice = true;
    v->key = tn_arena_strndup(a, s->full_name.p, s->full_name.n);
    return v->key ? TN_OK : tn_no_memory(err, s->full_name.n);
}

static tn_code describe(const tn_graph *g, const tn_operation *op, tn_arena *a, tn_saved_variable *v,
                        tn_error *err)
{
    const tn_variable_info *info = tn_graph_variable(g, op->name);
    *v = (tn_saved_variable){.name = tn_variable_session_name(op, a), .op = op->name, .shape = tn_shape_unknown()};
    if (!v->name) return tn_no_memory(err, 0);
    v->key = v->name;
    v->is_resource = !strcmp(op->type, "VarHandleOp");
    v->local = info && info->local;
    tn_attr_get_type(&op->attrs, "dtype", &v->dtype);
    tn_attr_get_shape(&op->attrs, "shape", &v->shape);
    return set_slice_info(info, a, v, err);
}

static tn_code list_variables(finder *f, const tn_graph *g, tn_saved_variable **out, int *n, tn_error *err)
{
    int count = 0;
    for (int i = 0; i < tn_graph_count(g); i++) count += is_variable(tn_graph_at(g, i));
    tn_saved_variable *v = TN_ARRAY(f->arena, count + 1, tn_saved_variable);
    if (!v) return tn_no_memory(err, (size_t)count * sizeof *v);
    for (int i = 0, k = 0; i < tn_graph_count(g); i++) {
        const tn_operation *op = tn_graph_at(g, i);
        if (!is_variable(op)) continue;
        TN_TRY(describe(g, op, f->arena, &v[k], err));
        if (!tn_map_put(f->by_op, op->name, &v[k++])) return tn_no_memory(err, 0);
    }
    *out = v;
    *n = count;
    return TN_OK;
}

/* ---- where a value comes from ---- */

static bool passes_on(const tn_operation *op)
{
    static const char *const types[] = {"Identity", "ReadVariableOp", "Reshape", "Snapshot",
                                        "Cast",     "EnsureShape",    "Squeeze"};
    for (size_t i = 0; i < TN_COUNT(types); i++)
        if (!strcmp(op->type, types[i])) return op->n_in > 0;
    return false;
}

/* Back through Identity and the like, and from a function's argument to what the caller gave. */
static place origin(tn_node node, const frame *f)
{
    for (int i = 0; i < MOST_STEPS && node.op; i++) {
        int64_t index;
        if (passes_on(node.op)) {
            node = node.op->in[0];
        } else if (f->call && !strcmp(node.op->type, "_Arg") &&
                   tn_attr_get_int(&node.op->attrs, "index", &index) && index >= 0 && index < f->call->n_in) {
            node = f->call->in[index];
            f = f->caller;
        } else {
            break;
        }
    }
    return (place){node, f};
}

static const tn_tensor *constant(tn_node node, const frame *f)
{
    place p = origin(node, f);
    if (!p.node.op || strcmp(p.node.op->type, "Const") != 0) return NULL;
    return tn_attr_get_tensor(&p.node.op->attrs, "value");
}

/* Element k of a constant vector of strings. */
static const tn_string *string_at(const tn_tensor *t, int k)
{
    return t && t->dtype == TN_STRING && k < tn_tensor_count(t) ? &TN_STRINGS(t)[k] : NULL;
}

static tn_code note_key(finder *f, tn_saved_variable *v, const tn_string *key, const tn_string *slice,
                        tn_error *err)
{
    if (v->restored) return TN_OK; /* by another Saver of the same graph */
    v->key = tn_arena_strndup(f->arena, key->n ? key->p : "", key->n);
    if (!v->key) return tn_no_memory(err, key->n);
    v->restored = true;
    v->has_slice = slice && slice->n;
    if (!v->has_slice) return TN_OK;
    char *text = tn_arena_strndup(f->arena, slice->p, slice->n);
    if (!text) return tn_no_memory(err, slice->n);
    return tn_slice_parse(text, &v->full, &v->slice, err);
}

static bool is_assignment(const tn_operation *op)
{
    return (!strcmp(op->type, "Assign") || !strcmp(op->type, "AssignVariableOp")) && op->n_in >= 2;
}

static bool is_restore(const tn_operation *op)
{
    static const char *const types[] = {"RestoreV2", "RestoreSlice", "Restore"};
    for (size_t i = 0; i < TN_COUNT(types); i++)
        if (!strcmp(op->type, types[i])) return op->n_in >= 2;
    return false;
}

static tn_code look_at_assignment(finder *f, const tn_operation *op, const frame *in, tn_error *err)
{
    place value = origin(op->in[1], in), variable = origin(op->in[0], in);
    if (!value.node.op || !is_restore(value.node.op)) return TN_OK;
    f->has_restore = true;
    if (!variable.node.op || variable.frame->call) return TN_OK;
    tn_saved_variable *v = tn_map_get(f->by_op, variable.node.op->name);
    const tn_string *key = string_at(constant(value.node.op->in[1], value.frame), value.node.index);
    const tn_tensor *slices = value.node.op->n_in > 2 ? constant(value.node.op->in[2], value.frame) : NULL;
    const tn_string *slice = string_at(slices, value.node.index);
    return v && key ? note_key(f, v, key, slice, err) : TN_OK;
}

/* The keys of what an operation puts into a resource; n stays 0 where one does not come from a checkpoint. */
static tn_code content_keys(finder *f, const tn_operation *op, const frame *in, tn_restored *r, tn_error *err)
{
    int n = op->n_in - 1;
    r->keys = TN_ARRAY(f->arena, n, const char *);
    r->values = TN_ARRAY(f->arena, n, tn_node);
    if (!r->keys || !r->values) return tn_no_memory(err, (size_t)n * sizeof *r->values);
    for (int i = 0; i < n; i++) {
        place p = origin(op->in[1 + i], in);
        bool read = p.node.op && is_restore(p.node.op);
        const tn_string *key = read ? string_at(constant(p.node.op->in[1], p.frame), p.node.index) : NULL;
        if (!key) return TN_OK;
        r->values[i] = p.node;
        r->keys[i] = tn_arena_strndup(f->arena, key->n ? key->p : "", key->n);
        if (!r->keys[i]) return tn_no_memory(err, key->n);
    }
    r->n = n;
    return TN_OK;
}

static tn_code look_at_content(finder *f, const tn_operation *op, const frame *in, tn_error *err)
{
    place into = op->n_in >= 2 ? origin(op->in[0], in) : (place){0};
    if (!into.node.op || into.frame->call) return TN_OK;
    for (const tn_restored *r = f->contents; r; r = r->next)
        if (r->into == into.node.op) return TN_OK; /* by another Saver of the same graph */
    tn_restored *r = TN_NEW(f->arena, tn_restored);
    if (!r) return tn_no_memory(err, sizeof *r);
    *r = (tn_restored){.op = op, .into = into.node.op, .inside = in->call != NULL};
    TN_TRY(content_keys(f, op, in, r, err));
    if (!r->n) return TN_OK;
    *f->last = r;
    f->last = &r->next;
    return TN_OK;
}

static const tn_function *called(const tn_graph *g, const tn_operation *op)
{
    const tn_func_attr *f = tn_attr_get_func(&op->attrs, "f");
    bool call = !strcmp(op->type, "StatefulPartitionedCall") || !strcmp(op->type, "PartitionedCall");
    return call && f ? tn_graph_function(g, f->name) : NULL;
}

static bool restores(finder *f, const tn_function *fn, int depth);

static bool body_restores(finder *f, const tn_function *fn, int depth)
{
    for (int i = 0; depth < CALL_DEPTH && i < tn_graph_count(fn->body); i++) {
        const tn_operation *op = tn_graph_at(fn->body, i);
        if (is_restore(op)) return true;
        const tn_function *inner = called(fn->body, op);
        if (inner && restores(f, inner, depth + 1)) return true;
    }
    return false;
}

/* Whether a function, or one it calls, restores: the others need not be looked into. */
static bool restores(finder *f, const tn_function *fn, int depth)
{
    if (tn_map_has(f->known, fn->name)) return tn_map_get(f->known, fn->name) != NULL;
    tn_map_put(f->known, fn->name, NULL); /* a function that calls itself adds nothing by that */
    bool yes = body_restores(f, fn, depth);
    if (yes) tn_map_put(f->known, fn->name, f); /* without memory it is only found out again */
    return yes;
}

static tn_code look_at(finder *f, const tn_operation *op, const frame *in, tn_error *err);

static tn_code look_into(finder *f, const tn_function *fn, const tn_operation *call, const frame *in,
                         tn_error *err)
{
    frame inner = {in, call, in->depth + 1};
    if (inner.depth > CALL_DEPTH || !restores(f, fn, inner.depth)) return TN_OK;
    f->has_restore = true;
    f->looked_at += tn_graph_count(fn->body);
    if (f->looked_at > MOST_LOOKED_AT)
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "the graph's restoring part has over %d operations",
                       MOST_LOOKED_AT);
    for (int i = 0; i < tn_graph_count(fn->body); i++)
        TN_TRY(look_at(f, tn_graph_at(fn->body, i), &inner, err));
    return TN_OK;
}

static tn_code look_at(finder *f, const tn_operation *op, const frame *in, tn_error *err)
{
    if (f->is && f->is(op)) return look_at_content(f, op, in, err);
    if (!f->is && is_assignment(op)) return look_at_assignment(f, op, in, err);
    const tn_function *fn = called(op->graph, op);
    return fn ? look_into(f, fn, op, in, err) : TN_OK;
}

/* What an operation runs, by all its inputs: marks[id]. */
static tn_code mark_reached(const tn_graph *g, tn_operation *from, tn_arena *a, bool **marks, tn_error *err)
{
    bool *seen = TN_ARRAY(a, tn_graph_count(g) + 1, bool);
    tn_operation **stack = TN_ARRAY(a, tn_graph_count(g) + 1, tn_operation *);
    int depth = 0;
    if (!seen || !stack) return tn_no_memory(err, (size_t)tn_graph_count(g) * sizeof *stack);
    seen[from->id] = true;
    stack[depth++] = from;
    while (depth) {
        tn_operation *op = stack[--depth];
        for (int i = 0; i < op->n_in + op->n_control; i++) {
            tn_operation *next = i < op->n_in ? op->in[i].op : op->control[i - op->n_in];
            if (!next || seen[next->id]) continue;
            seen[next->id] = true;
            stack[depth++] = next;
        }
    }
    *marks = seen;
    return TN_OK;
}

static tn_code find_keys(finder *f, const tn_graph *g, const char *restore_op, tn_error *err)
{
    const frame top = {0};
    bool *marks = NULL;
    tn_operation *from = restore_op ? tn_graph_operation(g, restore_op) : NULL;
    if (restore_op && !from)
        return tn_fail(err, TN_INVALID_ARGUMENT, "the graph has no operation '%s' to restore with",
                       restore_op);
    if (from) TN_TRY(mark_reached(g, from, f->arena, &marks, err));
    for (int i = 0; i < tn_graph_count(g); i++) {
        if (marks && !marks[i]) continue;
        TN_TRY(look_at(f, tn_graph_at(g, i), &top, err));
    }
    return TN_OK;
}

/* The variable that an assignment in the graph gives another one's value to begin with, or the one it reads; NULL: it
 * is of another kind. */
static tn_saved_variable *variable_at(const finder *f, const tn_operation *op, int i)
{
    const tn_operation *from = op->in[i].op;
    if (i == 1) from = !strcmp(from->type, "ReadVariableOp") ? from->in[0].op : NULL;
    return from && !strcmp(from->type, "VarHandleOp") ? tn_map_get(f->by_op, from->name) : NULL;
}

/* Files of Keras have two nodes for some variables: one that functions use, and one that is saved, which begins as a
 * copy of the other. What is restored into the second is the first's value too. */
static void find_twins(const finder *f, const tn_graph *g)
{
    for (int i = 0; i < tn_graph_count(g); i++) {
        const tn_operation *op = tn_graph_at(g, i);
        if (strcmp(op->type, "AssignVariableOp") != 0 || op->n_in < 2) continue;
        const tn_saved_variable *saved = variable_at(f, op, 0);
        tn_saved_variable *used = variable_at(f, op, 1);
        if (!saved || !used || !saved->restored || saved->twin || used->restored) continue;
        if (saved->dtype != used->dtype) continue;
        used->key = saved->key;
        used->has_slice = saved->has_slice;
        used->slice = saved->slice;
        used->full = saved->full;
        used->restored = used->twin = true;
    }
}

tn_code tn_variables_of(const tn_graph *g, const char *restore_op, tn_arena *a, tn_saved_variable **out,
                        int *n, bool *has_restore, tn_error *err)
{
    finder f = {.arena = a, .by_op = tn_map_new(), .known = tn_map_new()};
    tn_saved_variable *v = NULL;
    int count = 0;
    tn_code code = f.by_op && f.known ? list_variables(&f, g, &v, &count, err) : tn_no_memory(err, 0);
    if (code == TN_OK) code = find_keys(&f, g, restore_op, err);
    if (code == TN_OK) find_twins(&f, g);
    tn_map_free(f.by_op);
    tn_map_free(f.known);
    if (code != TN_OK) return code;
    *out = v;
    *n = count;
    if (has_restore) *has_restore = f.has_restore;
    return TN_OK;
}

tn_code tn_restored_contents(const tn_graph *g, bool (*is)(const tn_operation *op), tn_arena *a,
                             const tn_restored **out, tn_error *err)
{
    finder f = {.arena = a, .known = tn_map_new(), .is = is};
    f.last = &f.contents;
    tn_code code = f.known ? find_keys(&f, g, NULL, err) : tn_no_memory(err, 0);
    tn_map_free(f.known);
    if (code == TN_OK) *out = f.contents;
    return code;
}

const char *tn_slice_text(const tn_saved_variable *v, tn_arena *a)
{
    tn_buf b = {0};
    if (!v->has_slice) return "";
    for (int i = 0; i < v->full.rank; i++) tn_buf_printf(&b, "%lld ", (long long)v->full.dim[i]);
    for (int i = 0; i < v->slice.rank; i++) {
        const char *colon = i ? ":" : "";
        if (v->slice.length[i] < 0)
            tn_buf_printf(&b, "%s-", colon);
        else
            tn_buf_printf(&b, "%s%lld,%lld", colon, (long long)v->slice.start[i],
                          (long long)v->slice.length[i]);
    }
    char *text = tn_buf_check(&b, NULL) == TN_OK ? tn_arena_strndup(a, b.data, b.n) : NULL;
    tn_buf_free(&b);
    return text;
}

/* ---- those that are saved ---- */

static int compare_keys(const tn_saved_variable *x, const tn_saved_variable *y)
{
    int c = strcmp(x->key, y->key);
    for (int i = 0; !c && x->has_slice && y->has_slice && i < TN_MIN(x->slice.rank, y->slice.rank); i++)
        c = (x->slice.start[i] > y->slice.start[i]) - (x->slice.start[i] < y->slice.start[i]);
    return c;
}

/* Of twins the one first that functions use: its value is saved. */
static int by_key(const void *a, const void *b)
{
    const tn_saved_variable *x = a, *y = b;
    int c = compare_keys(x, y);
    if (!c) c = (int)y->twin - (int)x->twin;
    return c ? c : strcmp(x->name, y->name);
}

bool tn_saved_alike(const tn_saved_variable *a, const tn_saved_variable *b)
{
    return compare_keys(a, b) == 0 && (a->twin != b->twin || !strcmp(a->name, b->name));
}

static bool is_chosen(const tn_export *e, const tn_saved_variable *v, bool has_restore)
{
    if (!e->variables) return v->restored || (!has_restore && !v->local);
    for (int i = 0; i < e->n_variables; i++)
        if (!strcmp(e->variables[i], v->op) || !strcmp(e->variables[i], v->name)) return true;
    return false;
}

static tn_code check_chosen(const tn_export *e, const tn_saved_variable *v, int n, tn_error *err)
{
    for (int i = 0; i < e->n_variables; i++) {
        int k = 0;
        while (k < n && strcmp(e->variables[i], v[k].op) && strcmp(e->variables[i], v[k].name)) k++;
        if (k == n)
            return tn_fail(err, TN_NOT_FOUND, "there is no variable '%s' to be saved", e->variables[i]);
    }
    return TN_OK;
}

tn_code tn_export_variables(const tn_export *e, tn_arena *a, tn_saved_variable **out, int *n, tn_error *err)
{
    tn_saved_variable *v;
    int count, kept = 0;
    bool has_restore;
    TN_TRY(tn_variables_of(e->graph, NULL, a, &v, &count, &has_restore, err));
    for (int i = 0; i < count; i++)
        if (is_chosen(e, &v[i], has_restore)) v[kept++] = v[i];
    TN_TRY(check_chosen(e, v, kept, err));
    qsort(v, (size_t)kept, sizeof *v, by_key);
    *out = v;
    *n = kept;
    return TN_OK;
}
