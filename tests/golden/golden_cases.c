/* SPDX-License-Identifier: Apache-2.0
 *
 * golden_cases.c - runs small graphs that TensorFlow has run, and compares: values, gradients (TensorFlow's own nodes
 * for them, and those that tn_gradients adds), and the codes of errors. With all passes of the planner on, with all
 * off, and without one of them, another one for each case.
 *
 * A case is a line of JSON (tests/interop/operators/case.py writes them):
 *   name; graph: GraphDef as text; in, out, seed, grad: {name in the graph: tensor}; tol: [relative, absolute];
 *   ours: false where tn_gradients cannot; error: the code's name, instead of out.
 *   tensor: t (dtype), s (shape), b (bytes, base64) or v (strings)
 *
 * usage: golden_cases [-k PATTERN] FILE...     TAP on stdout
 */
#include <fnmatch.h>

#include "case_tensor.h"
#include "near.h"
#include "plan/session.h"

enum { MOST = 64 };

typedef struct values { /* tensors by the names of nodes */
    char *names[MOST];
    tn_tensor *tensors[MOST];
    int n;
} values;

typedef struct golden {
    tn_arena *arena;
    const char *name;
    tn_view graph;
    values in, out, seed, grad;
    tolerance tol;
    const char *error; /* NULL: it runs */
    bool theirs_only; /* gradients through TensorFlow 1's frames: TensorFlow's own nodes only */
    int number;
} golden;

/* ==== reading ==== */

static tn_code read_values(golden *c, const tn_json *j, values *out, tn_error *err)
{
    for (const tn_json *m = j ? j->child : NULL; m; m = m->next) {
        if (out->n == MOST) return tn_fail(err, TN_DATA_LOSS, "more than %d tensors", MOST);
        out->names[out->n] = tn_arena_printf(c->arena, "%.*s:0", (int)m->key.n, m->key.p);
        if (case_tensor(m, &out->tensors[out->n], err)) return tn_wrap(err, "%s", out->names[out->n]);
        out->n++;
    }
    return TN_OK;
}

static const char *text_of(const tn_json *j, const char *key)
{
    const tn_json *v = tn_json_find(j, key);
    return v ? v->text.p : NULL;
}

static tn_code read_case(golden *c, tn_view line, tn_error *err)
{
    tn_json *j;
    TN_TRY(tn_json_parse(line, c->arena, &j, err));
    const tn_json *graph = tn_json_find(j, "graph"), *tol = tn_json_find(j, "tol");
    if (!graph || !text_of(j, "name")) return tn_fail(err, TN_DATA_LOSS, "a case needs a name and a graph");
    c->name = text_of(j, "name");
    c->graph = graph->text;
    c->error = text_of(j, "error");
    const tn_json *ours = tn_json_find(j, "ours");
    c->theirs_only = ours && !ours->boolean;
    if (tol && tol->count == 2) c->tol = (tolerance){tol->child->number, tol->child->next->number};
    TN_TRY(read_values(c, tn_json_find(j, "in"), &c->in, err));
    TN_TRY(read_values(c, tn_json_find(j, "out"), &c->out, err));
    TN_TRY(read_values(c, tn_json_find(j, "seed"), &c->seed, err));
    return read_values(c, tn_json_find(j, "grad"), &c->grad, err);
}

static void drop(values *v)
{
    for (int i = 0; i < v->n; i++) tn_tensor_unref(v->tensors[i]);
}

/* ==== files ==== what a graph writes is there for it to read, and nowhere else */

static tn_code read_kept(void *payload, const char *path, size_t limit, tn_buf *out, tn_error *err)
{
    const tn_buf *kept = tn_map_get(payload, path);
    if (!kept) return tn_fail(err, TN_NOT_FOUND, "%s: no such file", path);
    if (kept->n > limit) return tn_fail(err, TN_RESOURCE_EXHAUSTED, "%s: %zu bytes", path, kept->n);
    tn_buf_add(out, kept->data, kept->n);
    return tn_buf_check(out, err);
}

static tn_code keep(void *payload, const char *path, tn_view bytes, bool append, tn_error *err)
{
    tn_buf *kept = tn_map_get(payload, path);
    if (!kept && (!(kept = tn_calloc(1, sizeof *kept)) || !tn_map_put(payload, path, kept))) return tn_no_memory(err, 0);
    if (!append) tn_buf_clear(kept);
    tn_buf_add(kept, bytes.p, bytes.n);
    return tn_buf_check(kept, err);
}

/* A folder is what paths begin with. */
static bool is_below(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    return !strncmp(path, folder, n) && path[n] == '/';
}

static tn_code look_kept(void *payload, const char *path, bool *is_there, bool *is_folder, tn_error *err)
{
    (void)err;
    *is_folder = false;
    for (size_t i = 0; i < tn_map_count(payload); i++) *is_folder |= is_below(tn_map_key(payload, i), path);
    *is_there = *is_folder || tn_map_get(payload, path);
    return TN_OK;
}

static tn_code list_kept(void *payload, const char *folder, tn_arena *a, char ***names, size_t *n, tn_error *err)
{
    *n = 0;
    *names = TN_ARRAY(a, tn_map_count(payload) + 1, char *);
    if (!*names) return tn_no_memory(err, 0);
    for (size_t i = 0; i < tn_map_count(payload); i++) {
        const char *path = tn_map_key(payload, i);
        if (!is_below(path, folder)) continue;
        path += strlen(folder) + 1;
        char *name = tn_arena_strndup(a, path, strcspn(path, "/"));
        if (!name) return tn_no_memory(err, 0);
        bool again = false;
        for (size_t k = 0; k < *n; k++) again |= !strcmp((*names)[k], name);
        if (!again) (*names)[(*n)++] = name;
    }
    return TN_OK;
}

static void drop_kept(tn_map *files)
{
    for (size_t i = 0; i < tn_map_count(files); i++) {
        tn_buf_free(tn_map_value(files, i));
        tn_free(tn_map_value(files, i));
    }
    tn_map_free(files);
}

/* ==== running ==== */

static tn_code run_session(tn_graph *g, const tn_session_options *o, const tn_feed *feeds, int n_feeds,
                           const char *const *fetches, int n_fetches, tn_tensor **got, tn_error *err)
{
    tn_outside outside = {
        .payload = tn_map_new(), .read = read_kept, .write = keep, .list = list_kept, .look = look_kept};
    tn_session *s;
    tn_code code = outside.payload ? tn_session_new(g, o, &s, err) : tn_no_memory(err, 0);
    if (code == TN_OK) {
        tn_session_set_outside(s, &outside);
        code = tn_session_run(s, feeds, n_feeds, fetches, n_fetches, got, NULL, 0, err);
        tn_session_free(s);
    }
    if (outside.payload) drop_kept(outside.payload);
    return code;
}

static int put_feeds(const golden *c, tn_feed *feeds)
{
    int n = 0;
    for (int i = 0; i < c->in.n; i++) feeds[n++] = (tn_feed){c->in.names[i], c->in.tensors[i]};
    for (int i = 0; i < c->seed.n; i++) feeds[n++] = (tn_feed){c->seed.names[i], c->seed.tensors[i]};
    return n;
}

static tn_code compare(const golden *c, const values *want, tn_tensor **got, tn_error *err)
{
    char why[300];
    for (int i = 0; i < want->n; i++) {
        const char *bad = differs(got[i], want->tensors[i], c->tol, why, sizeof why);
        if (bad) return tn_fail(err, TN_DATA_LOSS, "%s: %s", want->names[i], bad);
    }
    return TN_OK;
}

/* The fetches and what is wanted of them; with prefix, other names for the same. */
static tn_code run(const golden *c, tn_graph *g, unsigned passes_off, const values *want, const char *prefix,
                   tn_error *err)
{
    tn_session_options o = {.threads = 2, .passes_off = passes_off};
    tn_feed feeds[2 * MOST];
    const char *fetches[MOST];
    tn_tensor *got[MOST];
    int n = put_feeds(c, feeds);
    for (int i = 0; i < want->n; i++) fetches[i] = tn_arena_printf(c->arena, "%s%s", prefix, want->names[i]);
    TN_TRY(run_session(g, &o, feeds, n, fetches, want->n, got, err));
    tn_code code = compare(c, want, got, err);
    for (int i = 0; i < want->n; i++) tn_tensor_unref(got[i]);
    return code;
}

static const unsigned MODES[] = {0, TN_ALL_PASSES};

/* All passes, none, and all but one. */
static unsigned mode(const golden *c, int i)
{
    return i < (int)TN_COUNT(MODES) ? MODES[i] : 1u << (c->number % TN_PASS_COUNT);
}

static tn_code run_modes(const golden *c, tn_graph *g, const values *want, const char *prefix, tn_error *err)
{
    for (int i = 0; i <= (int)TN_COUNT(MODES); i++) {
        unsigned off = mode(c, i);
        if (run(c, g, off, want, prefix, err)) return tn_wrap(err, off ? "passes off: 0x%x" : "all passes", off);
    }
    return TN_OK;
}

/* ==== gradients that we add ==== */

/* out_K of seed_K, in_K of grad_K. */
static tn_code node_of(tn_graph *g, const char *kind, const char *name, tn_node *out, tn_error *err)
{
    char full[64];
    snprintf(full, sizeof full, "%s_%s", kind, strchr(name, '_') + 1);
    return tn_graph_value(g, full, out, err);
}

static tn_code add_gradients(const golden *c, tn_graph *g, tn_builder *b, tn_error *err)
{
    tn_node y[MOST], dy[MOST], x[MOST], dx[MOST];
    for (int i = 0; i < c->seed.n; i++) {
        TN_TRY(node_of(g, "out", c->seed.names[i], &y[i], err));
        TN_TRY(tn_graph_value(g, c->seed.names[i], &dy[i], err));
    }
    for (int i = 0; i < c->grad.n; i++) TN_TRY(node_of(g, "in", c->grad.names[i], &x[i], err));
    tn_gradients(b, y, c->seed.n, x, c->grad.n, dy, dx);
    TN_TRY(tn_builder_check(b, err));
    for (int i = 0; i < c->grad.n; i++) {
        if (!dx[i].op) return tn_fail(err, TN_UNIMPLEMENTED, "no %s", c->grad.names[i]);
        char name[64];
        snprintf(name, sizeof name, "ours/%.*s", (int)strcspn(c->grad.names[i], ":"), c->grad.names[i]);
        tn_op_named(b, "Identity", name, TN_INPUTS(dx[i]), TN_NO_ATTRS);
    }
    return tn_builder_check(b, err);
}

static tn_code check_our_gradients(const golden *c, tn_error *err)
{
    tn_graph *g;
    TN_TRY(case_graph_text(c->graph, c->arena, &g, err));
    tn_builder *b = tn_builder_new(g);
    tn_code code = b ? add_gradients(c, g, b, err) : tn_no_memory(err, 0);
    if (!code) code = run_modes(c, g, &c->grad, "ours/", err);
    tn_builder_free(b);
    tn_graph_free(g);
    return code ? tn_wrap(err, "our gradients") : TN_OK;
}

/* ==== a case ==== */

static tn_code expect_error(const golden *c, tn_code code, tn_error *err)
{
    if (!code) return tn_fail(err, TN_DATA_LOSS, "runs; TensorFlow: %s", c->error);
    if (!strcmp(tn_code_name(code), c->error)) return TN_OK;
    return tn_wrap(err, "TensorFlow: %s", c->error);
}

static tn_code check_failing(const golden *c, tn_error *err)
{
    values want = {.n = 1};
    want.names[0] = "out_0:0";
    for (int i = 0; i < (int)TN_COUNT(MODES); i++) {
        tn_graph *g;
        tn_code code = case_graph_text(c->graph, c->arena, &g, err);
        if (!code) {
            tn_session_options o = {.threads = 2, .passes_off = MODES[i]};
            tn_feed feeds[2 * MOST];
            const char *fetch = want.names[0];
            tn_tensor *got;
            int n = put_feeds(c, feeds);
            code = run_session(g, &o, feeds, n, &fetch, 1, &got, err);
            if (!code) tn_tensor_unref(got);
            tn_graph_free(g);
        }
        TN_TRY(expect_error(c, code, err));
    }
    return TN_OK;
}

static tn_code check_values(const golden *c, tn_error *err)
{
    tn_graph *g;
    TN_TRY(case_graph_text(c->graph, c->arena, &g, err));
    tn_code code = run_modes(c, g, &c->out, "", err);
    if (!code && c->grad.n) code = run_modes(c, g, &c->grad, "", err);
    tn_graph_free(g);
    if (!code && c->grad.n && !c->theirs_only) code = check_our_gradients(c, err);
    return code;
}

static bool check_line(tn_view line, int number, const char *pattern)
{
    golden c = {.arena = tn_arena_new(0), .tol = {1e-5, 1e-6}, .number = number};
    tn_error err = {0};
    tn_code code = read_case(&c, line, &err);
    bool wanted = code || !pattern || fnmatch(pattern, c.name, 0) == 0;
    if (!code && wanted) code = c.error ? check_failing(&c, &err) : check_values(&c, &err);
    if (wanted) printf("%s %d - %s\n", code ? "not ok" : "ok", number, c.name ? c.name : "?");
    if (code) printf("# %s\n", err.message);
    drop(&c.in);
    drop(&c.out);
    drop(&c.seed);
    drop(&c.grad);
    tn_arena_free(c.arena);
    return !code;
}

static bool check_file(const char *path, const char *pattern, int *number)
{
    tn_buf text = {0};
    tn_error err = {0};
    bool good = tn_file_read(path, (size_t)1 << 30, &text, &err) == TN_OK;
    if (!good) printf("not ok %d - %s\n# %s\n", ++*number, path, err.message);
    for (size_t at = 0; at < text.n;) {
        const char *line = text.data + at, *end = memchr(line, '\n', text.n - at);
        size_t n = end ? (size_t)(end - line) : text.n - at;
        good &= check_line((tn_view){line, n}, ++*number, pattern);
        at += n + 1;
    }
    tn_buf_free(&text);
    return good;
}

int main(int argc, char **argv)
{
    bool patterned = argc > 2 && !strcmp(argv[1], "-k"), good = true;
    int first = patterned ? 3 : 1, number = 0;
    if (first >= argc) {
        fprintf(stderr, "usage: golden_cases [-k PATTERN] FILE...\n");
        return 2;
    }
    for (int i = first; i < argc; i++) good &= check_file(argv[i], patterned ? argv[2] : NULL, &number);
    printf("1..%d\n", number);
    return !good;
}
