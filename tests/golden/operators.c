/* SPDX-License-Identifier: Apache-2.0
 *
 * operators.c - writes docs/operators.md: the operators that there are, with the dtypes they are seen to take, gradients
 * and properties; and those of TensorFlow that are absent, and why (absent.h).
 *
 * A record says which dtypes TensorFlow's definition allows; which of them its kernels really take only shows when they
 * are run. So every golden graph is run as it is, and again with each of its dtypes replaced by every other that an
 * operator in it allows, the inputs converted. What runs is taken.
 *
 * usage: operators SOURCE_ROOT     the page on stdout
 */
#include "absent.h"
#include "case_tensor.h"
#include "flows.h"
#include "graph/op.h"
#include "plan/session.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>

enum { MOST_INPUTS = 64, MOST_ATTRS = 16, MOST_OPS = 2048, TRIES = 5 };

typedef struct known { /* of one operator */
    uint32_t taken[MOST_ATTRS];                       /* bits by dtype, for each attribute of the signature */
    uint8_t tried[MOST_ATTRS][TN_DTYPE_COUNT];
    bool seen;
} known;

typedef struct probe { /* one golden graph */
    tn_arena *a;
    tn_GraphDef *def;
    const char *names[MOST_INPUTS];
    tn_tensor *in[MOST_INPUTS];
    int n;
} probe;

static known all[MOST_OPS];

/* ==== which attributes name a dtype ==== */

static int row_of(const tn_NodeDef *node)
{
    char name[128];
    if (node->op.n >= sizeof name) return -1;
    memcpy(name, node->op.p, node->op.n);
    name[node->op.n] = 0;
    const tn_op *op = tn_op_find(name);
    for (int i = 0; op && i < tn_op_count() && i < MOST_OPS; i++)
        if (tn_op_at(i) == op) return i;
    return -1;
}

static bool names_a_dtype(const tn_sig *sig, int k)
{
    return k < MOST_ATTRS && sig->attrs[k].kind == TN_ATTR_TYPE && !sig->attrs[k].is_list;
}

/* The attribute's value in the node, or its default; 0: none. */
static tn_dtype dtype_in(const tn_NodeDef *node, const tn_sig_attr *attr)
{
    const tn_AttrValue *v = tn_attr_value(&node->attr, attr->name);
    if (v && v->value_case == TN_AttrValue_type) return (tn_dtype)v->type;
    return attr->has_default ? attr->def.type : TN_INVALID_DTYPE;
}

/* All attributes of all nodes that name this dtype (of any, where it is 0): `use` says whether to go on. */
static bool each_attr(const probe *p, tn_dtype t, bool (*use)(known *k, int attr, const tn_sig_attr *sig, tn_dtype t, tn_dtype to),
                      tn_dtype to)
{
    for (uint32_t i = 0; i < p->def->node.n; i++) {
        int row = row_of(&p->def->node.items[i]);
        const tn_sig *sig = row < 0 ? NULL : tn_op_sig(tn_op_at(row));
        for (int k = 0; sig && k < sig->n_attrs; k++) {
            tn_dtype is = names_a_dtype(sig, k) ? dtype_in(&p->def->node.items[i], &sig->attrs[k]) : TN_INVALID_DTYPE;
            if (is <= 0 || is >= TN_DTYPE_COUNT || (t && is != t)) continue;
            if (use(&all[row], k, &sig->attrs[k], is, to)) return true;
        }
    }
    return false;
}

static bool note(known *k, int attr, const tn_sig_attr *sig, tn_dtype t, tn_dtype to)
{
    (void)sig;
    k->taken[attr] |= 1u << (to ? to : t);
    return false;
}

/* Whether it would tell something new that this one takes `to`. */
static bool is_new(known *k, int attr, const tn_sig_attr *sig, tn_dtype t, tn_dtype to)
{
    (void)t;
    bool allowed = !sig->allowed_types || sig->allowed_types >> to & 1;
    return allowed && !(k->taken[attr] >> to & 1) && k->tried[attr][to]++ < TRIES;
}

/* ==== another dtype ==== */

static bool is_number(tn_dtype t)
{
    return tn_dtype_is_float(t) || tn_dtype_is_integer(t) || tn_dtype_is_complex(t) || t == TN_BOOL;
}

/* Small numbers that every dtype has; what was no zero is none. */
static double number_for(tn_dtype to, double v)
{
    if (!isfinite(v)) v = 1;
    if (to == TN_BOOL) return v != 0;
    if (!tn_dtype_is_integer(to) || v == floor(v)) return v;
    return v < 0 ? -1 - floor(fmin(-v, 3)) : 1 + floor(fmin(v, 3));
}

static tn_tensor *converted(const tn_tensor *t, tn_dtype to)
{
    tn_tensor *made;
    if (tn_tensor_new(to, &t->shape, &made, NULL) != TN_OK) return NULL;
    for (int64_t i = 0; is_number(to) && is_number(t->dtype) && i < tn_tensor_count(t); i++)
        tn_tensor_set_number(made, i, number_for(to, tn_tensor_number(t, i)));
    return made;
}

/* Which dtype stands for which; complex numbers and what they are made of change together. */
typedef struct change {
    int to[TN_DTYPE_COUNT]; /* 0: itself */
} change;

static int changed(const change *c, int t)
{
    return t > 0 && t < TN_DTYPE_COUNT && c->to[t] ? c->to[t] : t;
}

/* Replaces dtypes in every attribute, lists and constants included. */
static tn_code replace_in(tn_AttrValue *v, tn_arena *a, const change *c, tn_error *err)
{
    if (v->value_case == TN_AttrValue_type) v->type = changed(c, v->type);
    for (uint32_t i = 0; v->value_case == TN_AttrValue_list && i < v->list->type.n; i++)
        v->list->type.items[i] = changed(c, v->list->type.items[i]);
    if (v->value_case != TN_AttrValue_tensor || v->tensor->dtype == changed(c, v->tensor->dtype)) return TN_OK;
    tn_dtype to = (tn_dtype)changed(c, v->tensor->dtype);
    tn_tensor *was, *is;
    TN_TRY(tn_tensor_from_proto(v->tensor, 0, &was, err));
    is = converted(was, to);
    tn_tensor_unref(was);
    tn_TensorProto *p = is ? TN_NEW(a, tn_TensorProto) : NULL;
    tn_buf bytes = {0};
    tn_TensorProto borrowed = {0};
    tn_code code = p ? tn_tensor_to_proto(is, a, &borrowed, err) : tn_no_memory(err, 0);
    if (code == TN_OK) code = TN_ENCODE(TensorProto, &borrowed, &bytes, err);
    char *copy = code == TN_OK ? tn_arena_strndup(a, bytes.n ? bytes.data : "", bytes.n) : NULL;
    if (copy) code = TN_DECODE(TensorProto, ((tn_view){copy, bytes.n}), a, &v->tensor, err);
    tn_buf_free(&bytes);
    tn_tensor_unref(is);
    return code;
}

static tn_code copy_def(const probe *p, tn_arena *a, tn_GraphDef **out, tn_error *err)
{
    tn_buf bytes = {0};
    tn_code code = TN_ENCODE(GraphDef, p->def, &bytes, err);
    char *copy = code == TN_OK ? tn_arena_strndup(a, bytes.n ? bytes.data : "", bytes.n) : NULL;
    if (code == TN_OK) code = copy ? TN_DECODE(GraphDef, ((tn_view){copy, bytes.n}), a, out, err) : tn_no_memory(err, bytes.n);
    tn_buf_free(&bytes);
    return code;
}

/* ==== running ==== */

static int fetches_of(const tn_GraphDef *def, tn_arena *a, const char **names)
{
    int n = 0;
    for (uint32_t i = 0; i < def->node.n && n < MOST_INPUTS; i++)
        if (tn_view_starts(def->node.items[i].name, "out_") || tn_view_starts(def->node.items[i].name, "grad_"))
            names[n++] = tn_arena_strndup(a, def->node.items[i].name.p, def->node.items[i].name.n);
    return n;
}

static tn_code run_def(tn_GraphDef *def, const probe *p, tn_tensor *const *in, tn_arena *a, tn_error *err)
{
    const char *names[MOST_INPUTS];
    tn_tensor *out[MOST_INPUTS];
    tn_feed feeds[MOST_INPUTS];
    tn_session_options o = {.threads = 1};
    tn_session *s = NULL;
    int n = fetches_of(def, a, names);
    tn_graph *g = NULL;
    tn_code code = case_graph(def, &g, err);
    if (code == TN_OK) code = tn_session_new(g, &o, &s, err);
    for (int i = 0; i < p->n; i++) feeds[i] = (tn_feed){p->names[i], in[i]};
    if (code == TN_OK) code = n ? tn_session_run(s, feeds, p->n, names, n, out, NULL, 0, err) : TN_NOT_FOUND;
    for (int i = 0; code == TN_OK && i < n; i++) tn_tensor_unref(out[i]);
    tn_session_free(s);
    tn_graph_free(g);
    return code;
}

static bool runs_with(const probe *p, const change *c)
{
    tn_error err;
    tn_GraphDef *def;
    tn_tensor *in[MOST_INPUTS] = {NULL};
    tn_arena *a = tn_arena_new(0);
    tn_code code = a ? copy_def(p, a, &def, &err) : TN_RESOURCE_EXHAUSTED;
    for (uint32_t i = 0; code == TN_OK && i < def->node.n; i++)
        for (uint32_t k = 0; code == TN_OK && k < def->node.items[i].attr.n; k++)
            code = replace_in(def->node.items[i].attr.items[k].value, a, c, &err);
    for (int i = 0; i < p->n; i++) {
        tn_dtype is = p->in[i]->dtype, to = (tn_dtype)changed(c, (int)is);
        in[i] = is == to ? tn_tensor_ref(p->in[i]) : converted(p->in[i], to);
    }
    for (int i = 0; code == TN_OK && i < p->n; i++) code = in[i] ? TN_OK : TN_RESOURCE_EXHAUSTED;
    if (code == TN_OK) code = run_def(def, p, in, a, &err);
    for (int i = 0; i < p->n; i++) tn_tensor_unref(in[i]);
    tn_arena_free(a);
    return code == TN_OK;
}

static void try_other(const probe *p, tn_dtype t, tn_dtype to)
{
    static const int pairs[][4] = {{TN_COMPLEX64, TN_COMPLEX128, TN_FLOAT, TN_DOUBLE},
                                   {TN_COMPLEX128, TN_COMPLEX64, TN_DOUBLE, TN_FLOAT}};
    change c = {.to = {0}};
    c.to[t] = (int)to;
    if (runs_with(p, &c)) each_attr(p, t, note, to);
    for (size_t i = 0; i < TN_COUNT(pairs); i++) {
        const int *with = pairs[i][0] == (int)t && pairs[i][1] == (int)to ? pairs[i] + 2 : NULL;
        if (!with) continue;
        c.to[with[0]] = with[1];
        if (!runs_with(p, &c)) continue;
        each_attr(p, t, note, to);
        each_attr(p, (tn_dtype)with[0], note, (tn_dtype)with[1]);
    }
}

/* The dtypes that attributes of the graph have, as bits. */
static uint32_t in_use;
static bool add_in_use(known *k, int attr, const tn_sig_attr *sig, tn_dtype t, tn_dtype to)
{
    (void)k, (void)attr, (void)sig, (void)to;
    in_use |= 1u << t;
    return false;
}

static void run_probe(const probe *p)
{
    tn_error err;
    for (uint32_t i = 0; i < p->def->node.n; i++) {
        int row = row_of(&p->def->node.items[i]);
        if (row >= 0) all[row].seen = true;
    }
    if (run_def(p->def, p, p->in, p->a, &err) != TN_OK) return;
    each_attr(p, 0, note, 0);
    in_use = 0;
    each_attr(p, 0, add_in_use, 0);
    for (int t = 1; t < TN_DTYPE_COUNT; t++) {
        if (!(in_use >> t & 1) || !is_number((tn_dtype)t)) continue;
        for (int to = 1; to < TN_DTYPE_COUNT; to++)
            if (to != t && each_attr(p, (tn_dtype)t, is_new, (tn_dtype)to)) try_other(p, (tn_dtype)t, (tn_dtype)to);
    }
}

static void drop_probe(probe *p)
{
    for (int i = 0; i < p->n; i++) tn_tensor_unref(p->in[i]);
    tn_arena_free(p->a);
}

/* ==== the golden graphs ==== */

static tn_code read_inputs(const char *folder, const char *kind, probe *p, tn_error *err)
{
    for (int i = 0; p->n < MOST_INPUTS; i++) {
        const char *npy = tn_arena_printf(p->a, "%s/%s_%d.npy", folder, kind, i);
        const char *json = tn_arena_printf(p->a, "%s/%s_%d.json", folder, kind, i);
        const char *path = tn_file_exists(npy) ? npy : tn_file_exists(json) ? json : NULL;
        if (!path) break;
        TN_TRY(tn_tensor_load(path, &p->in[p->n], err));
        p->names[p->n++] = tn_arena_printf(p->a, "%s_%d:0", kind, i);
    }
    return TN_OK;
}

/* The operator alone, or with TensorFlow's nodes for its gradient. */
static tn_code read_folder(const char *folder, bool gradient, probe *p, tn_error *err)
{
    tn_buf bytes = {0};
    TN_TRY(tn_file_read(tn_path_join(p->a, folder, gradient ? "graph_grad.pb" : "graph.pb"), 0, &bytes, err));
    char *copy = tn_arena_strndup(p->a, bytes.data, bytes.n);
    tn_view view = {copy, bytes.n};
    tn_buf_free(&bytes);
    TN_TRY(TN_DECODE(GraphDef, view, p->a, &p->def, err));
    TN_TRY(read_inputs(folder, "in", p, err));
    return gradient ? read_inputs(folder, "gseed", p, err) : TN_OK;
}

/* bfloat16 is kept as uint16 in .npy. */
static void set_bfloat16(probe *p)
{
    for (uint32_t i = 0; i < p->def->node.n; i++)
        for (int k = 0; k < p->n; k++) {
            const tn_AttrValue *t = tn_attr_value(&p->def->node.items[i].attr, "dtype");
            tn_view name = p->def->node.items[i].name;
            bool is = strlen(p->names[k]) == name.n + 2 && !memcmp(p->names[k], name.p, name.n);
            if (is && t && t->type == TN_BFLOAT16 && p->in[k]->dtype == TN_UINT16) p->in[k]->dtype = TN_BFLOAT16;
        }
}

static tn_code read_members(const tn_json *in, probe *p, tn_error *err)
{
    for (const tn_json *m = in ? in->child : NULL; m && p->n < MOST_INPUTS; m = m->next) {
        TN_TRY(case_tensor(m, &p->in[p->n], err));
        p->names[p->n++] = tn_arena_printf(p->a, "%.*s:0", (int)m->key.n, m->key.p);
    }
    return TN_OK;
}

static tn_code read_line(tn_view line, probe *p, tn_error *err)
{
    tn_json *j;
    TN_TRY(tn_json_parse(line, p->a, &j, err));
    const tn_json *graph = tn_json_find(j, "graph");
    if (!graph || tn_json_find(j, "error")) return TN_NOT_FOUND;
    TN_TRY(TN_PARSE(GraphDef, graph->text, p->a, &p->def, err));
    TN_TRY(read_members(tn_json_find(j, "in"), p, err));
    return read_members(tn_json_find(j, "seed"), p, err);
}

static void probe_folders(const char *root, tn_arena *a)
{
    char **names, *ops = tn_path_join(a, root, "tests/golden/ops");
    size_t n = 0;
    if (tn_list_folder(ops, a, &names, &n, NULL) != TN_OK) return;
    for (size_t i = 0; i < 2 * n; i++) {
        tn_error err;
        probe p = {.a = tn_arena_new(0)};
        if (read_folder(tn_path_join(a, ops, names[i / 2]), i % 2, &p, &err) == TN_OK) {
            set_bfloat16(&p);
            run_probe(&p);
        }
        drop_probe(&p);
    }
}

static void probe_lines(const char *path)
{
    tn_buf text = {0};
    if (tn_file_read(path, 0, &text, NULL) != TN_OK) return;
    for (const char *at = text.data, *end = at + text.n, *next; at < end; at = next + 1) {
        tn_error err;
        next = memchr(at, '\n', (size_t)(end - at));
        if (!next) next = end;
        probe p = {.a = tn_arena_new(0)};
        if (read_line((tn_view){at, (size_t)(next - at)}, &p, &err) == TN_OK) run_probe(&p);
        drop_probe(&p);
    }
    tn_buf_free(&text);
}

static void probe_cases(const char *root, tn_arena *a)
{
    char **names, *cases = tn_path_join(a, root, "tests/golden/cases");
    size_t n = 0;
    if (tn_list_folder(cases, a, &names, &n, NULL) != TN_OK) return;
    for (size_t i = 0; i < n; i++) probe_lines(tn_path_join(a, cases, names[i]));
}

/* ==== the page ==== */

static const char *dtype_name(int t)
{
    switch (t) {
    case TN_FLOAT: return "float32";
    case TN_DOUBLE: return "float64";
    case TN_HALF: return "float16";
    default: return tn_dtype_name((tn_dtype)t);
    }
}

static bool is_left_out(int t)
{
    bool quantised = t == TN_QINT8 || t == TN_QUINT8 || t == TN_QINT32 || t == TN_QINT16 || t == TN_QUINT16;
    return quantised || tn_dtype_is_float8((tn_dtype)t) || tn_dtype_is_int4((tn_dtype)t);
}

static uint32_t left_out(void)
{
    uint32_t bits = 0;
    for (int t = 0; t < TN_DTYPE_COUNT; t++) bits |= is_left_out(t) ? 1u << t : 0;
    return bits;
}

static void print_bits(uint32_t bits)
{
    const char *between = "";
    for (int t = 1; t < TN_DTYPE_COUNT; t++) {
        if (!(bits >> t & 1)) continue;
        printf("%s%s", between, dtype_name(t));
        between = " ";
    }
}

static void print_dtypes(const tn_sig *sig, const known *k)
{
    const char *between = "";
    for (int i = 0; i < sig->n_attrs; i++) {
        if (!names_a_dtype(sig, i)) continue;
        uint32_t not = sig->attrs[i].allowed_types & ~k->taken[i] & ~left_out();
        printf("%s`%s`: ", between, sig->attrs[i].name);
        print_bits(k->taken[i] & ~left_out() ? k->taken[i] & ~left_out() : k->taken[i]);
        if (!k->taken[i]) printf("not seen");
        if (not) {
            printf(k->taken[i] ? "; not " : ", of ");
            print_bits(not);
        }
        between = "<br>";
    }
}

/* What TensorFlow's registry of gradients has: "yes", "none", or NULL. */
static const char *registered(tn_view list, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = list.p, *end = at + list.n, *next; at < end; at = next + 1) {
        next = memchr(at, '\n', (size_t)(end - at));
        if (!next) break;
        if ((size_t)(next - at) > n && !memcmp(at, name, n) && at[n] == '\t') return at[n + 1] == 'y' ? "yes" : "none";
    }
    return NULL;
}

static const char *gradient_of(const tn_op *op, tn_view list)
{
    const char *theirs = registered(list, op->name);
    if (op->grad || op->flags & TN_FRAMED) return "yes";
    if (op->flags & TN_NO_GRADIENT || !gradients_flow(op)) return "none";
    return !theirs ? "refused" : !strcmp(theirs, "none") ? "none" : "no";
}

static void print_notes(const tn_op *op)
{
    const char *between = "";
    const struct {
        bool is;
        const char *text;
    } notes[] = {{op->flags & TN_STATEFUL, "stateful"},
                 {op->reads != 0, "reads a variable"},
                 {op->writes != 0, "writes a variable"},
                 {op->flags & TN_ALIAS, "copies nothing"},
                 {op->dynamic != 0, "shape known when it has run"}};
    for (size_t i = 0; i < TN_COUNT(notes); i++) {
        if (!notes[i].is) continue;
        printf("%s%s", between, notes[i].text);
        between = ", ";
    }
}

static int by_name(const void *x, const void *y)
{
    return strcmp((*(const tn_op *const *)x)->name, (*(const tn_op *const *)y)->name);
}

static void print_operators(tn_view gradients)
{
    const tn_op *ops[MOST_OPS];
    int n = tn_op_count() < MOST_OPS ? tn_op_count() : MOST_OPS;
    for (int i = 0; i < n; i++) ops[i] = tn_op_at(i);
    qsort(ops, (size_t)n, sizeof *ops, by_name);
    puts("| operator | dtypes | gradient | notes |\n| --- | --- | --- | --- |");
    for (int i = 0; i < n; i++) {
        int row = 0;
        const tn_sig *sig = tn_op_sig(ops[i]);
        if (*ops[i]->name == '_' || !sig) continue; /* the planner's own */
        while (tn_op_at(row) != ops[i]) row++;
        printf("| %s | ", ops[i]->name);
        print_dtypes(sig, &all[row]);
        printf(" | %s | ", gradient_of(ops[i], gradients));
        print_notes(ops[i]);
        puts(" |");
    }
}

static bool is_named(const char *names, const char *name)
{
    char word[64];
    for (size_t n; *names; names += n + (names[n] == ' ')) {
        n = strcspn(names, " ");
        snprintf(word, sizeof word, "%.*s", (int)n, names);
        if (fnmatch(word, name, 0) == 0) return true;
    }
    return false;
}

static const absence *absence_of(const char *name)
{
    for (size_t i = 0; i < TN_COUNT(absences); i++)
        if (is_named(absences[i].names, name)) return &absences[i];
    return &within_reach;
}

/* The names of TensorFlow's operators that are absent. */
static int list_absent(tn_view sigs, tn_arena *a, const char **names)
{
    int n = 0;
    for (const char *at = sigs.p, *end = at + sigs.n, *line; at < end && n < MOST_OPS; at = line + 1) {
        line = memchr(at, '\n', (size_t)(end - at));
        if (!line) line = end;
        const char *tab = memchr(at, '\t', (size_t)(line - at));
        const char *name = tab ? tn_arena_strndup(a, at, (size_t)(tab - at)) : NULL;
        if (name && !tn_op_find(name) && *name != '_') names[n++] = name;
    }
    return n;
}

static void print_group(const absence *why, const char *const *names, int n)
{
    int members = 0;
    for (int i = 0; i < n; i++) members += absence_of(names[i]) == why;
    if (!members) return;
    printf("\n### %s (%d)\n\n%s\n", why->title, members, why->why);
    if (!why->unlisted) puts("");
    for (int i = 0; i < n && !why->unlisted; i++)
        if (absence_of(names[i]) == why) printf("- %s\n", names[i]);
}

static void print_absent(const char *root, tn_arena *a)
{
    tn_buf sigs = {0};
    const char *names[MOST_OPS];
    if (tn_file_read(tn_path_join(a, root, "tests/golden/tensorflow/op_sigs.txt"), 0, &sigs, NULL) != TN_OK) return;
    int n = list_absent((tn_view){sigs.data, sigs.n}, a, names);
    print_group(&within_reach, names, n);
    for (size_t i = 0; i < TN_COUNT(absences); i++) print_group(&absences[i], names, n);
    tn_buf_free(&sigs);
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    tn_arena *a = tn_arena_new(0);
    tn_buf gradients = {0};
    if (!a) return 1;
    if (tn_file_read(tn_path_join(a, argv[1], "tests/golden/tensorflow/gradients.txt"), 0, &gradients, NULL) != TN_OK) return 1;
    probe_folders(argv[1], a);
    probe_cases(argv[1], a);
    puts("# Operators\n\n"
         "Written by `tools/operators --write` from the operators' records and from what their tests show. After a merge, run it again.\n\n"
         "**dtypes**: for each attribute that names one, those with which a golden case ran; *not*: TensorFlow's definition allows them, but\n"
         "no case runs with them (TensorFlow has no CPU kernel for many of these, either; quantised types, floats of eight bits\n"
         "and integers of four are left out); *not seen*: no\n"
         "case at all (but a test of another kind).\n"
         "**gradient**: *none*: TensorFlow gives none, gradients stop there or never come; *refused*: TensorFlow has defined none,\n"
         "and differentiating through it is an error there and here; *no*: TensorFlow has one that we lack.\n\n"
         "## Those that are there\n");
    print_operators((tn_view){gradients.data, gradients.n});
    puts("\n## Those of TensorFlow 2.21 that are absent\n\n"
         "A graph that has one of these is loaded; what needs it says so before anything runs, the rest runs.");
    print_absent(argv[1], a);
    tn_buf_free(&gradients);
    tn_arena_free(a);
    return 0;
}
