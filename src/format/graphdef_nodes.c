/* SPDX-License-Identifier: Apache-2.0
 *
 * graphdef_nodes.c - NodeDef messages <-> operations, in a graph ("node:1") and in a function's body
 * ("node:argument:0"). Functions as a whole are function_def.c's.
 *
 * Invariants: nodes are added inputs first; only the back edges of version 1 loops (NextIteration into
 * Merge) are closed afterwards. Operators we do not have keep what the file says of them.
 */
#include <ctype.h>

#include "graphdef.h"

#define MOST_OUTPUTS 65535

/* A reference to a value or to a node, taken apart. */
typedef struct ref {
    tn_view node, argument;
    int index;
    bool control;
} ref;

typedef struct node {
    const tn_NodeDef *def;
    tn_operation *op;         /* when it was added */
    const tn_OpDef *function; /* its operator is a function of the file */
    int id, n_out;            /* of an operator we do not have: outputs that are referred to */
    tn_bytes *out_names;
    tn_dtype *out_types; /* as far as they are known */
    int cap;
} node;

typedef struct importing {
    const tn_node_import *c;
    node *nodes;
    int n;
    tn_map *by_name;
    tn_arena *scratch; /* what is of one node; the graph has copies */
} importing;

static const tn_OpDef *function_named(const importing *m, tn_view name)
{
    return m->c->signatures ? tn_map_get_view(m->c->signatures, name) : NULL;
}

/* ---- references ---- */

static bool number_at(tn_view s, int *out)
{
    int64_t v = 0;
    if (!s.n || s.n > 6) return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return false;
        v = v * 10 + (s.p[i] - '0');
    }
    *out = (int)v;
    return true;
}

static tn_view before(tn_view s, const char *at)
{
    return (tn_view){s.p, (size_t)(at - s.p)};
}
static tn_view after(tn_view s, const char *at)
{
    return (tn_view){at + 1, s.n - (size_t)(at - s.p) - 1};
}

static bool take_ref(tn_view text, bool in_function, ref *out)
{
    ref r = {.node = text};
    if (text.n && text.p[0] == '^') {
        r.control = true;
        r.node = (tn_view){text.p + 1, text.n - 1};
        *out = r;
        return r.node.n > 0;
    }
    const char *colon = text.n ? memchr(text.p, ':', text.n) : NULL;
    if (colon) {
        tn_view rest = after(text, colon);
        r.node = before(text, colon);
        const char *second = in_function && rest.n ? memchr(rest.p, ':', rest.n) : NULL;
        if (second) {
            r.argument = before(rest, second);
            rest = after(rest, second);
        }
        if (!number_at(rest, &r.index)) return false;
    }
    *out = r;
    return r.node.n > 0;
}

/* ---- outputs by name ---- */

static int64_t argument_length(const tn_operation *op, const tn_sig_arg *arg)
{
    const char *name = arg->number_attr ? arg->number_attr : arg->type_list_attr;
    if (!name) return 1;
    const tn_attr *a = tn_attr_find(&op->attrs, name);
    if (!a) return 0;
    return arg->number_attr ? a->i : a->n;
}

/* The position of "argument:index" among an operation's outputs; -1: there is none. */
static int output_position(const tn_operation *op, tn_view argument, int index)
{
    const tn_sig *sig = op->def ? tn_op_sig(op->def) : NULL;
    int64_t at = 0;
    for (int i = 0; sig && i < sig->n_out; i++) {
        int64_t n = argument_length(op, &sig->out[i]);
        if (tn_view_is(argument, sig->out[i].name)) return index < n ? (int)(at + index) : -1;
        at += n;
    }
    const tn_attr *names = tn_attr_find(&op->attrs, TN_OUTPUT_NAMES);
    for (int i = 0; names && i < names->n; i++) {
        tn_view name = {names->ss[i].p, names->ss[i].n};
        const char *colon = memchr(name.p, ':', name.n);
        int k;
        if (number_at(after(name, colon), &k) && k == index && tn_view_eq(before(name, colon), argument))
            return i;
    }
    return -1;
}

static tn_code value_of(tn_operation *op, const ref *r, bool in_function, tn_node *out, tn_error *err)
{
    int at = r->index;
    if (in_function && r->argument.n) at = output_position(op, r->argument, r->index);
    if (at < 0 || at >= op->n_out)
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s' (%s) has no output '%.*s:%d'", op->name, op->type,
                       (int)TN_MIN(r->argument.n, 100), r->argument.n ? r->argument.p : "", r->index);
    *out = (tn_node){op, at};
    return TN_OK;
}

tn_code tn_body_value(const tn_graph *body, tn_view text, tn_node *out, tn_error *err)
{
    ref r;
    if (!take_ref(text, true, &r) || r.control)
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%.*s' is no value of a function", (int)TN_MIN(text.n, 200),
                       text.p);
    char name[512];
    snprintf(name, sizeof name, "%.*s", (int)TN_MIN(r.node.n, sizeof name - 1), r.node.p);
    tn_operation *op = tn_graph_operation(body, name);
    if (!op) return tn_fail(err, TN_INVALID_ARGUMENT, "there is no node '%s'", name);
    return value_of(op, &r, true, out, err);
}

/* ---- what nodes need ---- */

static bool is_back_edge(const node *from, const node *to)
{
    return (tn_view_is(from->def->op, "NextIteration") || tn_view_is(from->def->op, "RefNextIteration")) &&
           (tn_view_is(to->def->op, "Merge") || tn_view_is(to->def->op, "RefMerge"));
}

static tn_code no_ref(const node *n, tn_view text, const char *what, tn_error *err)
{
    return tn_fail(err, TN_INVALID_ARGUMENT, "node '%.*s': input '%.*s' %s", (int)TN_MIN(n->def->name.n, 200),
                   n->def->name.p, (int)TN_MIN(text.n, 200), text.p, what);
}

static tn_code grow_outputs(importing *m, node *n, tn_error *err)
{
    int cap = n->cap ? 2 * n->cap : 4;
    tn_bytes *names = TN_ARRAY(m->c->arena, cap, tn_bytes);
    tn_dtype *types = TN_ARRAY(m->c->arena, cap, tn_dtype);
    if (!names || !types) return tn_no_memory(err, (size_t)cap * sizeof *names);
    if (n->n_out) {
        memcpy(names, n->out_names, (size_t)n->n_out * sizeof *names);
        memcpy(types, n->out_types, (size_t)n->n_out * sizeof *types);
    }
    n->out_names = names;
    n->out_types = types;
    n->cap = cap;
    return TN_OK;
}

/* Notes that this output of an operator we do not have is used, and its dtype when that is known. */
static tn_code note_output(importing *m, node *n, const ref *r, tn_dtype type, tn_error *err)
{
    if (n->function || r->control || function_named(m, n->def->op)) return TN_OK;
    if (!m->c->in_function) {
        n->n_out = TN_MAX(n->n_out, r->index + 1);
        return TN_OK;
    }
    char *name = tn_arena_printf(m->c->arena, "%.*s:%d", (int)r->argument.n,
                                 r->argument.n ? r->argument.p : "", r->index);
    if (!name) return tn_no_memory(err, r->argument.n);
    int i = 0;
    while (i < n->n_out && strcmp(n->out_names[i].p, name)) i++;
    if (i == MOST_OUTPUTS)
        return tn_fail(err, TN_INVALID_ARGUMENT, "node '%.*s' has too many outputs",
                       (int)TN_MIN(n->def->name.n, 200), n->def->name.p);
    if (i == n->cap) TN_TRY(grow_outputs(m, n, err));
    if (i == n->n_out) n->out_names[n->n_out++] = (tn_bytes){name, strlen(name)};
    if (type != TN_INVALID_DTYPE) n->out_types[i] = type;
    return TN_OK;
}

/* The node that a reference is to; NULL when it is an argument of the function. */
static tn_code find_node(const importing *m, const node *user, tn_view text, ref *r, node **out,
                         tn_error *err)
{
    char name[512];
    if (!take_ref(text, m->c->in_function, r)) return no_ref(user, text, "is malformed", err);
    *out = tn_map_get_view(m->by_name, r->node);
    if (*out) return TN_OK;
    snprintf(name, sizeof name, "%.*s", (int)TN_MIN(r->node.n, sizeof name - 1), r->node.p);
    if (m->c->in_function && tn_graph_operation(m->c->graph, name)) return TN_OK;
    return no_ref(user, text, "is not in the graph", err);
}

static tn_code collect_needs(importing *m, tn_needs *needs, tn_error *err)
{
    for (int i = 0; i < m->n; i++) {
        node *n = &m->nodes[i];
        tn_needs_item(needs);
        for (uint32_t k = 0; k < n->def->input.n; k++) {
            ref r;
            node *from;
            TN_TRY(find_node(m, n, n->def->input.items[k], &r, &from, err));
            if (!from) continue;
            TN_TRY(note_output(m, from, &r, TN_INVALID_DTYPE, err));
            if (is_back_edge(from, n)) continue;
            if (!tn_needs_add(needs, from->id)) return tn_no_memory(err, sizeof(int));
        }
    }
    for (size_t i = 0; i < m->c->n_more; i++) {
        ref r;
        if (!take_ref(m->c->more[i], m->c->in_function, &r)) continue; /* its user complains */
        node *from = tn_map_get_view(m->by_name, r.node);
        if (from) TN_TRY(note_output(m, from, &r, m->c->more_types[i], err));
    }
    return TN_OK;
}

/* ---- adding ---- */

/* "loc:@node" in the attribute _class follows the node's new name. */
static tn_code prefix_class(const importing *m, tn_attrs *attrs, tn_error *err)
{
    if (!*m->c->prefix) return TN_OK;
    tn_attr *a = (tn_attr *)tn_attr_find(attrs, "_class");
    if (!a || !a->is_list || a->kind != TN_ATTR_STRING) return TN_OK;
    tn_bytes *ss = TN_ARRAY(m->scratch, a->n + 1, tn_bytes);
    if (!ss) return tn_no_memory(err, (size_t)a->n * sizeof *ss);
    for (int i = 0; i < a->n; i++) {
        ss[i] = a->ss[i];
        if (ss[i].n < 5 || memcmp(ss[i].p, "loc:@", 5)) continue;
        char *s = tn_arena_printf(m->scratch, "loc:@%s%.*s", m->c->prefix, (int)ss[i].n - 5, ss[i].p + 5);
        if (!s) return tn_no_memory(err, ss[i].n);
        ss[i] = (tn_bytes){s, strlen(s)};
    }
    a->ss = ss;
    return TN_OK;
}

static tn_code set_inputs(importing *m, node *n, tn_operation_spec *spec, tn_error *err)
{
    tn_node *in = TN_ARRAY(m->scratch, n->def->input.n + 1, tn_node);
    tn_operation **control = TN_ARRAY(m->scratch, n->def->input.n + 1, tn_operation *);
    if (!in || !control) return tn_no_memory(err, n->def->input.n * sizeof *in);
    spec->in = in;
    spec->control = control;
    for (uint32_t k = 0; k < n->def->input.n; k++) {
        ref r;
        node *from;
        tn_view text = n->def->input.items[k];
        TN_TRY(find_node(m, n, text, &r, &from, err));
        if (from && is_back_edge(from, n) && !r.control) {
            in[spec->n_in++] = (tn_node){NULL, 0};
            continue;
        }
        char name[512];
        snprintf(name, sizeof name, "%.*s", (int)TN_MIN(r.node.n, sizeof name - 1), r.node.p);
        tn_operation *op = from ? from->op : tn_graph_operation(m->c->graph, name);
        if (r.control) {
            if (op) control[spec->n_control++] = op; /* a control edge back round a loop says nothing */
            continue;
        }
        if (spec->n_control) return no_ref(n, text, "follows a control input", err);
        if (value_of(op, &r, m->c->in_function, &in[spec->n_in++], err) != TN_OK) {
            tn_wrap(err, "node '%.*s': input %u", (int)TN_MIN(n->def->name.n, 200), n->def->name.p,
                    (unsigned)k);
            return TN_INVALID_ARGUMENT;
        }
    }
    return TN_OK;
}

/* Outputs of an operator we do not have: by the function it calls, or by what is referred to. */
static tn_code set_unknown(importing *m, node *n, tn_operation_spec *spec, tn_attrs *attrs, tn_error *err)
{
    const tn_OpDef *f = n->function;
    int n_out = f ? (int)f->output_arg.n : n->n_out;
    tn_bytes *names = f ? TN_ARRAY(m->scratch, n_out + 1, tn_bytes) : n->out_names;
    tn_dtype *types = f ? TN_ARRAY(m->scratch, n_out + 1, tn_dtype) : n->out_types;
    if ((f && !types) || (f && !names)) return tn_no_memory(err, (size_t)n_out * sizeof *types);
    for (int i = 0; f && i < n_out; i++) {
        const tn_ArgDef *arg = &f->output_arg.items[i];
        char *name = tn_arena_printf(m->scratch, "%.*s:0", (int)arg->name.n, arg->name.p);
        if (!name) return tn_no_memory(err, arg->name.n);
        names[i] = (tn_bytes){name, strlen(name)};
        types[i] = (tn_dtype)arg->type;
    }
    if (!m->c->in_function && !f) n_out = TN_MAX(n_out, 1); /* what nobody reads may be fetched */
    if (n_out > MOST_OUTPUTS)
        return tn_fail(err, TN_INVALID_ARGUMENT, "node '%.*s' has %d outputs",
                       (int)TN_MIN(n->def->name.n, 200), n->def->name.p, n_out);
    spec->n_out = n_out;
    spec->out_types = types;
    if (names) {
        tn_attr *a = &attrs->v[attrs->n++]; /* there is room for one more */
        *a = (tn_attr){
            .name = TN_OUTPUT_NAMES, .kind = TN_ATTR_STRING, .is_list = true, .n = n_out, .ss = names};
    }
    return TN_OK;
}

static bool is_name(tn_view name)
{
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (!isalnum(c) && !strchr("_.\\/>-", c)) return false;
        if (!c) return false;
    }
    return true;
}

static tn_code add_node(importing *m, node *n, tn_error *err)
{
    tn_arena *a = m->scratch;
    tn_arena_reset(a);
    char *name = tn_arena_printf(a, "%s%.*s", m->c->prefix, (int)n->def->name.n, n->def->name.p);
    char *type = tn_arena_strndup(a, n->def->op.p, n->def->op.n);
    char *device = tn_arena_strndup(a, n->def->device.p, n->def->device.n);
    if (!name || !type || !device) return tn_no_memory(err, n->def->name.n);
    tn_operation_spec spec = {.name = name, .type = type, .device = device, .is_file = true};
    tn_attrs attrs;
    if (!is_name(n->def->name))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Node '%s': Node name contains invalid characters", name);
    TN_TRY(set_inputs(m, n, &spec, err));
    tn_code code = tn_attrs_from_proto(&n->def->attr, a, &attrs, err);
    if (code != TN_OK) {
        tn_wrap(err, "node '%s' (%s)", name, type);
        return code;
    }
    code = prefix_class(m, &attrs, err);
    if (code == TN_OK && !tn_op_find(type)) code = set_unknown(m, n, &spec, &attrs, err);
    spec.attrs = attrs.v;
    spec.n_attrs = attrs.n;
    if (code == TN_OK) code = tn_graph_add(m->c->graph, &spec, &n->op, err);
    tn_attrs_drop(&attrs);
    return code;
}

static tn_code close_loops(importing *m, tn_error *err)
{
    for (int i = 0; i < m->n; i++) {
        node *n = &m->nodes[i];
        int at = 0;
        for (uint32_t k = 0; k < n->def->input.n; k++) {
            ref r;
            node *from;
            TN_TRY(find_node(m, n, n->def->input.items[k], &r, &from, err));
            if (r.control) continue;
            tn_node value;
            if (from && is_back_edge(from, n)) {
                TN_TRY(value_of(from->op, &r, m->c->in_function, &value, err));
                TN_TRY(tn_operation_set_input(n->op, at, value, err));
            }
            at++;
        }
    }
    return TN_OK;
}

/* ---- all of them ---- */

static tn_code index_nodes(importing *m, const tn_NodeDef_list *nodes, tn_error *err)
{
    for (int i = 0; i < m->n; i++) {
        node *n = &m->nodes[i];
        n->def = &nodes->items[i];
        n->id = i;
        n->function = function_named(m, n->def->op);
        tn_view name = n->def->name;
        if (!name.n || name.p[0] == '^')
            return tn_fail(err, TN_INVALID_ARGUMENT, "node %d has the name '%.*s'", i,
                           (int)TN_MIN(name.n, 200), name.n ? name.p : "");
        if (tn_map_get_view(m->by_name, name))
            return tn_fail(err, TN_INVALID_ARGUMENT, "there are two nodes '%.*s'", (int)TN_MIN(name.n, 200),
                           name.p);
        if (!tn_map_put_view(m->by_name, name, n)) return tn_no_memory(err, name.n);
    }
    return TN_OK;
}

static tn_code import_ordered(importing *m, tn_error *err)
{
    tn_needs needs;
    bool no_memory;
    int *order = TN_ARRAY(m->c->arena, m->n + 1, int);
    if (!order || !tn_needs_begin(&needs, m->n, m->c->arena))
        return tn_no_memory(err, (size_t)m->n * sizeof *order);
    TN_TRY(collect_needs(m, &needs, err));
    int cycle = tn_order(m->n, needs.first, needs.need, order, m->c->arena, &no_memory);
    if (no_memory) return tn_no_memory(err, (size_t)m->n * sizeof *order);
    if (cycle >= 0) {
        tn_view name = m->nodes[cycle].def->name;
        return tn_fail(err, TN_INVALID_ARGUMENT, "the nodes form a cycle through '%.*s'",
                       (int)TN_MIN(name.n, 200), name.p);
    }
    for (int i = 0; i < m->n; i++) TN_TRY(add_node(m, &m->nodes[order[i]], err));
    return close_loops(m, err);
}

/* Of operators whose shapes we find ourselves; an argument's are what the file says of them. */
static bool finds_shapes(tn_view type)
{
    char name[128];
    if (type.n >= sizeof name || tn_view_is(type, "_Arg")) return false;
    snprintf(name, sizeof name, "%.*s", (int)type.n, type.n ? type.p : "");
    return tn_op_find(name) != NULL;
}

void tn_nodes_forget_shapes(tn_NodeDef_list *nodes)
{
    for (uint32_t i = 0; i < nodes->n; i++) {
        tn_NodeDef *n = &nodes->items[i];
        uint32_t kept = 0;
        if (!finds_shapes(n->op)) continue;
        for (uint32_t k = 0; k < n->attr.n; k++)
            if (!tn_view_is(n->attr.items[k].key, "_output_shapes")) n->attr.items[kept++] = n->attr.items[k];
        n->attr.n = kept;
    }
}

tn_code tn_nodes_import(const tn_node_import *c, const tn_NodeDef_list *nodes, tn_error *err)
{
    if (nodes->n > INT32_MAX / 8) return tn_fail(err, TN_RESOURCE_EXHAUSTED, "%u nodes", (unsigned)nodes->n);
    importing m = {.c = c,
                   .n = (int)nodes->n,
                   .by_name = tn_map_new(),
                   .scratch = tn_arena_new(0),
                   .nodes = TN_ARRAY(c->arena, nodes->n + 1, node)};
    tn_code code = m.by_name && m.scratch && m.nodes ? index_nodes(&m, nodes, err)
                                                     : tn_no_memory(err, nodes->n * sizeof(node));
    if (code == TN_OK) code = import_ordered(&m, err);
    tn_arena_free(m.scratch);
    tn_map_free(m.by_name);
    return code;
}

/* ---- to the message ---- */

tn_code tn_body_ref(tn_node value, tn_arena *a, tn_view *out, tn_error *err)
{
    const tn_operation *op = value.op;
    const tn_sig *sig = op->def ? tn_op_sig(op->def) : NULL;
    const tn_attr *names = tn_attr_find(&op->attrs, TN_OUTPUT_NAMES);
    char *text = NULL;
    int64_t at = 0;
    if (!strcmp(op->type, "_Arg")) {
        *out = tn_view_of(op->name);
        return TN_OK;
    }
    if (names && value.index < names->n) {
        text =
            tn_arena_printf(a, "%s:%.*s", op->name, (int)names->ss[value.index].n, names->ss[value.index].p);
        if (!text) return tn_no_memory(err, strlen(op->name));
    }
    for (int i = 0; sig && !text && i < sig->n_out; i++) {
        int64_t n = argument_length(op, &sig->out[i]);
        if (value.index < at + n) {
            text =
                tn_arena_printf(a, "%s:%s:%lld", op->name, sig->out[i].name, (long long)(value.index - at));
            if (!text) return tn_no_memory(err, strlen(op->name));
        }
        at += n;
    }
    if (!text)
        return tn_fail(err, TN_INTERNAL, "output %d of '%s' (%s) has no name", value.index, op->name,
                       op->type);
    *out = tn_view_of(text);
    return TN_OK;
}

static tn_code graph_ref(tn_node value, tn_arena *a, tn_view *out, tn_error *err)
{
    *out = tn_view_of(value.op->name);
    if (value.index == 0) return TN_OK;
    char *text = tn_arena_printf(a, "%s:%d", value.op->name, value.index);
    if (!text) return tn_no_memory(err, strlen(value.op->name));
    *out = tn_view_of(text);
    return TN_OK;
}

tn_code tn_node_export(const tn_operation *op, bool in_function, tn_arena *a, tn_NodeDef *out, tn_error *err)
{
    out->name = tn_view_of(op->name);
    out->op = tn_view_of(op->type);
    out->device = tn_view_of(op->device);
    for (int i = 0; i < op->n_in; i++) {
        tn_view *in = TN_PUSH(a, &out->input);
        if (!in) return tn_no_memory(err, sizeof *in);
        if (!op->in[i].op)
            return tn_fail(err, TN_FAILED_PRECONDITION, "input %d of '%s' was never set", i, op->name);
        TN_TRY(in_function ? tn_body_ref(op->in[i], a, in, err) : graph_ref(op->in[i], a, in, err));
    }
    for (int i = 0; i < op->n_control; i++) {
        tn_view *in = TN_PUSH(a, &out->input);
        char *text = tn_arena_printf(a, "^%s", op->control[i]->name);
        if (!in || !text) return tn_no_memory(err, sizeof *in);
        *in = tn_view_of(text);
    }
    tn_code code = tn_attrs_to_proto(&op->attrs, a, &out->attr, err);
    if (code != TN_OK) tn_wrap(err, "node '%s' (%s)", op->name, op->type);
    return code;
}
