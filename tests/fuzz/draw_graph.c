/* SPDX-License-Identifier: Apache-2.0
 *
 * draw_graph.c - graphs drawn by chance (draw_graph.h): nodes of any operator by its signature, with inputs of the dtypes it
 * wants; constants, attributes and edges changed; nodes removed and doubled.
 */
#include "draw_graph.h"

#include "graph/op.h"

typedef struct mutation {
    tn_arena *a;
    tn_GraphDef *g;
    tn_NodeDef_list *nodes; /* of the graph, or of one of its functions */
    uint64_t state;
    int depth; /* of operators added for others */
    int size;  /* most dimensions have it, so that what belongs together often fits */
} mutation;

static uint32_t any(mutation *m, uint32_t n)
{
    m->state = m->state * 6364136223846793005u + 1442695040888963407u;
    return n ? (uint32_t)(m->state >> 33) % n : 0;
}

static int64_t any_int(mutation *m)
{
    static const int64_t some[] = {0, 1, 1, 2, 2, 3, 4, 5, 7, 8, 64, 1000, -1, -1, -2, -3, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN,
                                   (int64_t)1 << 32, (int64_t)1 << 62, 65536};
    return any(m, 4) ? some[any(m, 12)] : some[any(m, TN_COUNT(some))];
}

static double any_number(mutation *m)
{
    static const double some[] = {0, 1, -1, 0.5, 2, 3, -2.5, 1e-30, 1e30, -1e30, __builtin_inf(), -__builtin_inf(), __builtin_nan("")};
    return some[any(m, TN_COUNT(some))];
}

static tn_view any_text(mutation *m)
{
    static const char *const some[] = {"", "a", "b c", "NHWC", "NCHW", "SAME", "VALID", "(a|b)*", "[0-9]+", "%1", "ij,jk->ik", "...ij->...ji",
                                       "1,2,\"x\"", "-1", "1e5", "\xff\xfe",
                                       "\xc3\xa9", "{\"a\":[1]}", "UTF-8", "\n\x09\n\x07\n\x01k\x12\x02\x12\x00"};
    return tn_view_of(some[any(m, TN_COUNT(some))]);
}

static tn_dtype any_dtype(mutation *m, uint32_t allowed)
{
    static const tn_dtype often[] = {TN_FLOAT, TN_FLOAT, TN_INT32, TN_INT64, TN_DOUBLE, TN_BOOL, TN_STRING};
    for (int i = 0; i < 20; i++) {
        tn_dtype t = any(m, 3) ? often[any(m, TN_COUNT(often))] : (tn_dtype)(1 + any(m, TN_DTYPE_COUNT - 1));
        if (!allowed || (t < 32 && allowed >> t & 1)) return t;
    }
    for (int t = 1; t < 32; t++)
        if (allowed >> t & 1) return (tn_dtype)t;
    return TN_FLOAT;
}

/* Without an element, however long its other dimensions are. */
static tn_TensorShapeProto *vast_shape(mutation *m)
{
    static const int64_t some[] = {1, 2, 3, INT32_MAX, (int64_t)1 << 32, (int64_t)1 << 40, (int64_t)1 << 62, INT64_MAX};
    tn_TensorShapeProto *s = TN_NEW(m->a, tn_TensorShapeProto);
    uint32_t rank = 1 + any(m, 4), empty = any(m, rank);
    for (uint32_t i = 0; i < rank; i++) {
        __typeof__(s->dim.items) d = TN_PUSH(m->a, &s->dim);
        d->size = i == empty ? 0 : some[any(m, TN_COUNT(some))];
    }
    return s;
}

/* How many dimensions an input of that name often has; -1: any. */
static int rank_of(mutation *m, const char *name)
{
    static const struct {
        const char *part;
        int rank;
    } some[] = {{"indices", 2}, {"values", 1}, {"shape", 1},  {"splits", 1}, {"handle", 0}, {"min", 0},    {"max", 0},  {"size", 0},
                {"index", 0},   {"seed", 0},   {"axis", 0},   {"num", 0},    {"dim", 0},    {"images", 4}, {"key", 1}, {"counter", 1},
                {"row", 1},     {"count", 0},  {"buffer", 0}, {"stop", 0},   {"step", 0},   {"start", 0},  {"name", 0}, {"serialized", 1}};
    for (size_t i = 0; name && any(m, 4) && i < TN_COUNT(some); i++)
        if (strstr(name, some[i].part)) return some[i].rank;
    return -1;
}

static tn_TensorShapeProto *any_shape(mutation *m, bool known, const char *name)
{
    if (known && !any(m, 20)) return vast_shape(m);
    tn_TensorShapeProto *s = TN_NEW(m->a, tn_TensorShapeProto);
    int rank = rank_of(m, name);
    if (rank < 0) rank = (int)any(m, 5);
    if (!known && !any(m, 4)) s->unknown_rank = true;
    for (int i = 0; i < rank && !s->unknown_rank; i++) {
        __typeof__(s->dim.items) d = TN_PUSH(m->a, &s->dim);
        d->size = any(m, 30) ? (int64_t)any(m, known ? 5 : 4) - (known ? 0 : 1) : any_int(m);
        if (m->size && any(m, 4)) d->size = m->size;
        if (!known && d->size > 1000) d->size = -1;
    }
    return s;
}

static void fill(mutation *m, tn_TensorProto *t, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        bool wild = !any(m, 3);
        switch (t->dtype) {
        case TN_FLOAT: *TN_PUSH(m->a, &t->float_val) = (float)(wild ? any_number(m) : any(m, 5)); break;
        case TN_DOUBLE: *TN_PUSH(m->a, &t->double_val) = wild ? any_number(m) : any(m, 5); break;
        case TN_INT64: *TN_PUSH(m->a, &t->int64_val) = wild ? any_int(m) : any(m, 5); break;
        case TN_BOOL: *TN_PUSH(m->a, &t->bool_val) = any(m, 2); break;
        case TN_STRING: *TN_PUSH(m->a, &t->string_val) = any_text(m); break;
        case TN_COMPLEX64:
            for (int k = 0; k < 2; k++) *TN_PUSH(m->a, &t->scomplex_val) = (float)any_number(m);
            break;
        case TN_HALF:
        case TN_BFLOAT16: *TN_PUSH(m->a, &t->half_val) = (int32_t)any(m, 65536); break;
        case TN_UINT32: *TN_PUSH(m->a, &t->uint32_val) = any(m, 9); break;
        case TN_UINT64: *TN_PUSH(m->a, &t->uint64_val) = any(m, 9); break;
        default: *TN_PUSH(m->a, &t->int_val) = (int32_t)(wild ? any_int(m) : any(m, 5)); break;
        }
    }
}

static tn_TensorProto *any_tensor(mutation *m, tn_dtype dtype, const char *name)
{
    tn_TensorProto *t = TN_NEW(m->a, tn_TensorProto);
    int64_t n = 1;
    t->dtype = (int32_t)dtype;
    t->tensor_shape = any_shape(m, true, name);
    for (uint32_t i = 0; i < t->tensor_shape->dim.n; i++) n *= TN_MIN(TN_MAX(t->tensor_shape->dim.items[i].size, 0), 8);
    fill(m, t, TN_MIN(n, 64));
    return t;
}

static const char *any_function(mutation *m)
{
    uint32_t n = m->g->library ? m->g->library->function.n : 0;
    if (!n) return "f";
    const tn_FunctionDef *f = &m->g->library->function.items[any(m, n)];
    return f->signature ? tn_arena_strndup(m->a, f->signature->name.p, f->signature->name.n) : "f";
}

static tn_view allowed_text(mutation *m, const char *allowed)
{
    if (!allowed) return any_text(m);
    const char *from = allowed;
    for (const char *p = allowed; *p; p++)
        if (*p == '|' && any(m, 2)) from = p + 1;
    return (tn_view){from, strcspn(from, "|")};
}

static tn_NameAttrList *function_named(mutation *m, const char *name)
{
    tn_NameAttrList *f = TN_NEW(m->a, tn_NameAttrList);
    f->name = tn_view_of(name);
    return f;
}

static void set_list(mutation *m, tn_AttrValue *v, const tn_sig_attr *d)
{
    tn_AttrValue_ListValue *list = TN_SET(v, AttrValue, value, list) = TN_NEW(m->a, tn_AttrValue_ListValue);
    static const int lengths[] = {0, 1, 1, 2, 3, 4, 4, 5};
    bool window = !any(m, 2); /* as strides and sizes of windows are */
    int n = m->size % 2 && d->kind != TN_ATTR_INT ? 1 : lengths[any(m, TN_COUNT(lengths))];
    for (int i = 0; i < n; i++) {
        switch (d->kind) {
        case TN_ATTR_INT: *TN_PUSH(m->a, &list->i) = window ? (i % 3 ? 2 : 1) : any_int(m); break;
        case TN_ATTR_FLOAT: *TN_PUSH(m->a, &list->f) = (float)any_number(m); break;
        case TN_ATTR_BOOL: *TN_PUSH(m->a, &list->b) = any(m, 2); break;
        case TN_ATTR_TYPE: *TN_PUSH(m->a, &list->type) = (int32_t)(m->size % 2 && any(m, 4) ? TN_FLOAT : any_dtype(m, d->allowed_types)); break;
        case TN_ATTR_SHAPE: *TN_PUSH(m->a, &list->shape) = *any_shape(m, false, NULL); break;
        case TN_ATTR_STRING: *TN_PUSH(m->a, &list->s) = allowed_text(m, d->allowed_strings); break;
        case TN_ATTR_FUNC: *TN_PUSH(m->a, &list->func) = *function_named(m, any_function(m)); break;
        default: break;
        }
    }
}

static void set_attr(mutation *m, tn_NodeDef *n, const tn_sig_attr *d)
{
    tn_AttrValue *v = tn_attr_put(m->a, &n->attr, d->name);
    if (d->is_list) {
        set_list(m, v, d);
        return;
    }
    switch (d->kind) {
    case TN_ATTR_INT: TN_SET(v, AttrValue, value, i) = d->has_min ? d->min + any(m, 3) : any_int(m); break;
    case TN_ATTR_FLOAT: TN_SET(v, AttrValue, value, f) = (float)any_number(m); break;
    case TN_ATTR_BOOL: TN_SET(v, AttrValue, value, b) = any(m, 2); break;
    case TN_ATTR_TYPE: TN_SET(v, AttrValue, value, type) = (int32_t)any_dtype(m, d->allowed_types); break;
    case TN_ATTR_SHAPE: TN_SET(v, AttrValue, value, shape) = any_shape(m, false, NULL); break;
    case TN_ATTR_STRING: TN_SET(v, AttrValue, value, s) = allowed_text(m, d->allowed_strings); break;
    case TN_ATTR_FUNC: TN_SET(v, AttrValue, value, func) = function_named(m, any_function(m)); break;
    case TN_ATTR_TENSOR: TN_SET(v, AttrValue, value, tensor) = any_tensor(m, any_dtype(m, 0), NULL); break;
    default: break;
    }
}

static tn_NodeDef *new_node(mutation *m, const char *op)
{
    tn_NodeDef *n = TN_PUSH(m->a, m->nodes);
    n->name = tn_view_of(tn_arena_printf(m->a, "n%u_%u", m->nodes->n, any(m, 1u << 20)));
    n->op = tn_view_of(op);
    return n;
}

static tn_view new_value(mutation *m, tn_dtype dtype, const char *name)
{
    static const tn_sig_attr kept = {.name = "dtype"};
    bool fed = !any(m, 3);
    tn_NodeDef *n = new_node(m, fed ? "Placeholder" : "Const");
    tn_AttrValue *v = tn_attr_put(m->a, &n->attr, kept.name);
    TN_SET(v, AttrValue, value, type) = (int32_t)dtype;
    v = tn_attr_put(m->a, &n->attr, fed ? "shape" : "value");
    if (fed) TN_SET(v, AttrValue, value, shape) = any_shape(m, false, name);
    else TN_SET(v, AttrValue, value, tensor) = any_tensor(m, dtype, name);
    return n->name;
}

/* How many letters in a row two operators' names have in common. */
static size_t likeness(const char *x, const char *y)
{
    size_t most = 0;
    for (; *x; x++)
        for (const char *z = y; *z; z++) {
            size_t n = 0;
            while (x[n] && x[n] == z[n]) n++;
            most = TN_MAX(most, n);
        }
    return most;
}

static bool gives(const tn_op *op, tn_dtype dtype)
{
    const tn_sig *sig = tn_op_sig(op);
    if (!sig || !sig->n_out) return false;
    const tn_sig_arg *first = &sig->out[0];
    return first->is_ref ? tn_dtype_is_ref(dtype) : first->type == dtype && !first->type_attr;
}

static void add_operator(mutation *m, const tn_op *op);

/* What is no tensor of numbers comes from an operator, often from one that is named like its user. */
static tn_view made_value(mutation *m, tn_dtype dtype, const tn_op *user)
{
    const tn_op *best = NULL;
    size_t most = 0;
    bool any_of_them = !any(m, 8);
    for (int i = 0; i < tn_op_count(); i++) {
        const tn_op *op = tn_op_at(i);
        if (!gives(op, dtype)) continue;
        size_t like = 1 + any(m, 6) + (any_of_them ? 0 : likeness(op->name, user->name));
        if (like > most || (like == most && !any(m, 2))) best = op;
        most = TN_MAX(most, like);
    }
    if (!best || m->depth == 4) return tn_view_of("none");
    m->depth++;
    add_operator(m, best);
    m->depth--;
    return m->nodes->items[m->nodes->n - 1].name;
}

static tn_view any_input(mutation *m, tn_dtype dtype, const tn_op *user, const char *name)
{
    bool plain = dtype != TN_RESOURCE && dtype != TN_VARIANT && !tn_dtype_is_ref(dtype);
    if (!plain && user && any(m, 3)) return made_value(m, dtype, user);
    if (m->nodes->n && (!plain || !any(m, 3))) {
        tn_view from = m->nodes->items[any(m, m->nodes->n)].name;
        if (any(m, 6)) return from;
        return tn_view_of(tn_arena_printf(m->a, "%.*s:%u", (int)from.n, from.p, any(m, 3)));
    }
    return new_value(m, plain ? dtype : TN_FLOAT, name);
}

static tn_dtype dtype_of(const tn_NodeDef *n, const tn_sig *sig, const tn_sig_arg *arg, int k)
{
    tn_dtype t = arg->type;
    const char *name = arg->type_attr ? arg->type_attr : arg->type_list_attr;
    const tn_AttrValue *v = name ? tn_attr_value(&n->attr, name) : NULL;
    if (v && arg->type_attr) t = (tn_dtype)v->type;
    else if (v && v->value_case == TN_AttrValue_list && (uint32_t)k < v->list->type.n) t = (tn_dtype)v->list->type.items[k];
    for (int i = 0; name && !v && i < sig->n_attrs; i++)
        if (!strcmp(sig->attrs[i].name, name) && sig->attrs[i].has_default) t = sig->attrs[i].def.type;
    return arg->is_ref ? (tn_dtype)(t + TN_REF) : t;
}

static int length_of(const tn_NodeDef *n, const tn_sig_arg *arg)
{
    const tn_AttrValue *v = NULL;
    if (arg->number_attr) return (v = tn_attr_value(&n->attr, arg->number_attr)) && v->i >= 0 && v->i < 8 ? (int)v->i : 2;
    if (!arg->type_list_attr) return 1;
    v = tn_attr_value(&n->attr, arg->type_list_attr);
    return v && v->value_case == TN_AttrValue_list ? (int)v->list->type.n : 0;
}

/* A node of this operator, with inputs and attributes as its signature has them. */
static void add_operator(mutation *m, const tn_op *op)
{
    const tn_sig *sig = tn_op_sig(op);
    tn_NodeDef n = {.op = tn_view_of(op->name)};
    if (!sig) return;
    if (!m->depth) m->size = (int)any(m, 5);
    for (int i = 0; i < sig->n_attrs; i++)
        if (!sig->attrs[i].has_default || !any(m, 2)) set_attr(m, &n, &sig->attrs[i]);
    for (int i = 0; i < sig->n_in; i++)
        for (int k = 0, length = length_of(&n, &sig->in[i]); k < length; k++) {
            tn_view from = any_input(m, dtype_of(&n, sig, &sig->in[i], k), op, sig->in[i].name);
            *TN_PUSH(m->a, &n.input) = from;
        }
    tn_NodeDef *made = new_node(m, op->name);
    tn_view name = made->name;
    *made = n;
    made->name = name;
}

static void change_constant(mutation *m, tn_NodeDef *n)
{
    tn_AttrValue *v = (tn_AttrValue *)tn_attr_value(&n->attr, "value");
    if (!v || v->value_case != TN_AttrValue_tensor) return;
    v->tensor = any_tensor(m, (tn_dtype)v->tensor->dtype, NULL);
}

static void change_attr(mutation *m, tn_NodeDef *n)
{
    char *type = tn_arena_strndup(m->a, n->op.p, n->op.n);
    const tn_op *op = tn_op_find(type);
    const tn_sig *sig = op ? tn_op_sig(op) : NULL;
    if (sig && sig->n_attrs) set_attr(m, n, &sig->attrs[any(m, (uint32_t)sig->n_attrs)]);
}

static void change_input(mutation *m, tn_NodeDef *n)
{
    if (!n->input.n) return;
    uint32_t at = any(m, n->input.n), i = (uint32_t)(n - m->nodes->items);
    tn_view from = any(m, 2) ? any_input(m, TN_FLOAT, NULL, NULL) : new_value(m, any_dtype(m, 0), NULL);
    n = &m->nodes->items[i]; /* it may have moved */
    *TN_PUSH(m->a, &n->input) = from;
    n->input.items[at] = from;
    n->input.n--;
}

static void remove_node(mutation *m, tn_NodeDef *n)
{
    memmove(n, n + 1, (size_t)(m->nodes->items + --m->nodes->n - n) * sizeof *n);
}

static void double_node(mutation *m, tn_NodeDef *n)
{
    tn_NodeDef copy = *n, *twin = new_node(m, "");
    copy.name = twin->name;
    *twin = copy;
}

static void change(mutation *m)
{
    uint32_t n = m->nodes->n;
    if (!n || any(m, 3) == 0) {
        add_operator(m, tn_op_at((int)any(m, (uint32_t)tn_op_count())));
        return;
    }
    tn_NodeDef *node = &m->nodes->items[any(m, n)];
    switch (any(m, 8)) {
    case 0:
    case 1:
    case 2: change_constant(m, node); break;
    case 3:
    case 4: change_attr(m, node); break;
    case 5: change_input(m, node); break;
    case 6: double_node(m, node); break;
    default: remove_node(m, node); break;
    }
}

/* In place of the graph: its list of nodes in memory of ours, since what is decoded may be borrowed. */
static void own(mutation *m, tn_NodeDef_list *list)
{
    tn_NodeDef_list mine = {0};
    for (uint32_t i = 0; i < list->n; i++) *TN_PUSH(m->a, &mine) = list->items[i];
    *list = mine;
}

void tn_draw_changes(tn_GraphDef *g, tn_arena *a, uint64_t seed)
{
    mutation m = {.a = a, .g = g, .nodes = &g->node, .state = seed};
    tn_FunctionDefLibrary *l = g->library;
    if (l && l->function.n && !any(&m, 3)) m.nodes = &l->function.items[any(&m, l->function.n)].node_def;
    own(&m, m.nodes);
    for (uint32_t i = 0, n = 1 + any(&m, 4); i < n; i++) change(&m);
}

/* name: x -> x, of one dtype; or what is fed to it compared with itself. */
static void add_function(mutation *m, const char *name, tn_dtype dtype, const char *op)
{
    tn_FunctionDef *f = TN_PUSH(m->a, &m->g->library->function);
    bool compares = !strcmp(op, "Equal");
    f->signature = TN_NEW(m->a, tn_OpDef);
    f->signature->name = tn_view_of(name);
    __typeof__(f->signature->input_arg.items) in = TN_PUSH(m->a, &f->signature->input_arg), out = TN_PUSH(m->a, &f->signature->output_arg);
    in->name = tn_view_of("x");
    in->type = (int32_t)dtype;
    out->name = tn_view_of("y");
    out->type = (int32_t)(compares ? TN_BOOL : dtype);
    tn_NodeDef *n = TN_PUSH(m->a, &f->node_def);
    n->name = tn_view_of("n");
    n->op = tn_view_of(op);
    TN_SET(tn_attr_put(m->a, &n->attr, "T"), AttrValue, value, type) = (int32_t)dtype;
    for (int i = 0; i <= compares; i++) *TN_PUSH(m->a, &n->input) = tn_view_of("x");
    __typeof__(f->ret.items) r = TN_PUSH(m->a, &f->ret);
    r->key = tn_view_of("y");
    r->value = tn_view_of(compares ? "n:z:0" : "n:output:0");
}

static void add_library(mutation *m)
{
    m->g->library = TN_NEW(m->a, tn_FunctionDefLibrary);
    add_function(m, "f", TN_FLOAT, "Identity");
    add_function(m, "i", TN_INT64, "Identity");
    add_function(m, "v", TN_VARIANT, "Identity");
    add_function(m, "b", TN_FLOAT, "Equal");
    add_function(m, "k", TN_INT64, "Equal");
}

void tn_draw_operator(tn_GraphDef *g, tn_arena *a, const tn_op *op, uint64_t seed)
{
    mutation m = {.a = a, .g = g, .nodes = &g->node, .state = seed};
    for (int i = 0; i < 4; i++) any(&m, 2); /* seeds that are near to each other go apart */
    add_library(&m);
    add_operator(&m, op);
}
