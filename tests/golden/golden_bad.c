/* SPDX-License-Identifier: Apache-2.0
 *
 * golden_bad.c - graphs and requests that must fail: each with the code that TensorFlow gives and the words its message
 * must have, with all passes of the planner and with none. tests/interop/bad_graphs.py wrote them.
 *
 * usage: golden_bad FILE.jsonl [PATTERN...]
 */
#include <fnmatch.h>

#include "case_tensor.h"
#include "near.h"

enum { MOST = 16 };

typedef struct request {
    const char *names[3][MOST]; /* fetches, targets, feeds */
    int n[3];
    tn_feed feeds[MOST];
} request;

typedef struct tally {
    int run, failed;
} tally;

static const char *text_of(const tn_json *object, const char *key)
{
    const tn_json *v = tn_json_find(object, key);
    return v ? v->text.p : "";
}

static int names_of(const tn_json *c, const char *key, const char **out)
{
    const tn_json *list = tn_json_find(c, key);
    int n = 0;
    for (const tn_json *v = list ? list->child : NULL; v && n < MOST; v = v->next) out[n++] = v->text.p;
    return n;
}

static void set_element(tn_tensor *t, int64_t i, const tn_json *v)
{
    if (t->dtype == TN_STRING) tn_string_set(t, i, v->text.p, v->text.n, NULL);
    else if (v->kind == TN_JSON_BOOL) ((char *)t->data)[i] = v->boolean;
    else if (v->is_int && t->dtype == TN_INT64) TN_INT64S(t)[i] = v->integer;
    else tn_tensor_set_number(t, i, v->kind == TN_JSON_STRING ? NAN : v->number);
}

/* [name, dtype, shape, values] */
static tn_code load_feed(const tn_json *f, tn_feed *out, tn_error *err)
{
    const tn_json *dtype = f->child->next, *dims = dtype->next, *values = dims->next;
    tn_shape shape = {.rank = 0};
    tn_tensor *t;
    for (const tn_json *d = dims->child; d; d = d->next) shape.dim[shape.rank++] = d->integer;
    TN_TRY(tn_tensor_new(tn_dtype_named(dtype->text.p), &shape, &t, err));
    int64_t i = 0, n = tn_tensor_count(t);
    for (const tn_json *v = values->child; v && i < n; v = v->next, i++) set_element(t, i, v);
    *out = (tn_feed){f->child->text.p, t};
    return TN_OK;
}

static tn_code load_request(const tn_json *c, request *q, tn_error *err)
{
    const tn_json *feeds = tn_json_find(c, "feeds");
    q->n[0] = names_of(c, "fetches", q->names[0]);
    q->n[1] = names_of(c, "targets", q->names[1]);
    for (const tn_json *f = feeds ? feeds->child : NULL; f; f = f->next)
        TN_TRY(load_feed(f, &q->feeds[q->n[2]++], err));
    return TN_OK;
}

static tn_code run(const tn_json *c, tn_arena *a, unsigned passes_off, tn_error *err)
{
    request q = {.n = {0}};
    tn_tensor *out[MOST] = {NULL};
    tn_session *s;
    tn_graph *g = NULL;
    tn_code code = load_request(c, &q, err);
    if (code == TN_OK) code = case_graph_text(tn_json_find(c, "graph")->text, a, &g, err);
    tn_session_options o = {.threads = 1, .passes_off = passes_off, .memory_limit = (size_t)1 << 30};
    if (code == TN_OK && (code = tn_session_new(g, &o, &s, err)) == TN_OK) {
        code = tn_session_run(s, q.feeds, q.n[2], q.names[0], q.n[0], out, q.names[1], q.n[1], err);
        tn_session_free(s);
    }
    if (g && code != TN_OK && err->code != code) code = TN_UNKNOWN;
    if (g) tn_graph_free(g);
    for (int i = 0; i < MOST; i++) tn_tensor_unref(out[i]);
    for (int i = 0; i < q.n[2]; i++) tn_tensor_unref((tn_tensor *)q.feeds[i].value);
    return code;
}

static void check(const tn_json *c, const char *mode, unsigned passes_off, tally *t)
{
    tn_arena *a = tn_arena_new(0);
    tn_error err = {0};
    const tn_json *says = tn_json_find(c, "says");
    const char *want = text_of(c, "code"), *name = text_of(c, "name"), *silent = NULL;
    tn_code code = run(c, a, passes_off, &err);
    for (const tn_json *s = says && code ? says->child : NULL; s && !silent; s = s->next)
        if (!strstr(err.message, s->text.p)) silent = s->text.p;
    bool ok = !silent && !strcmp(tn_code_name(code), want);
    t->run++;
    t->failed += !ok;
    for (char *p = err.message; *p; p++)
        if (*p == '\n') *p = ' ';
    printf("%s %d - %s, %s\n", ok ? "ok" : "not ok", t->run, name, mode);
    if (!ok) printf("# %s: %s\n# expected %s %s\n# %s\n", tn_code_name(code), code ? err.message : "", want,
                    silent ? silent : "", text_of(c, "tensorflow"));
    fflush(stdout);
    tn_arena_free(a);
}

static bool wanted(const char *name, char *const *patterns)
{
    if (!*patterns) return true;
    for (; *patterns; patterns++)
        if (fnmatch(*patterns, name, 0) == 0) return true;
    return false;
}

static tn_code check_line(tn_view line, char *const *patterns, tally *t, tn_error *err)
{
    tn_arena *a = tn_arena_new(0);
    tn_json *c;
    tn_code code = a ? tn_json_parse(line, a, &c, err) : tn_no_memory(err, 0);
    if (code == TN_OK && wanted(text_of(c, "name"), patterns)) {
        check(c, "all passes", 0, t);
        check(c, "no pass", TN_ALL_PASSES, t);
    }
    tn_arena_free(a);
    return code;
}

int main(int argc, char **argv)
{
    tally t = {0};
    tn_buf text = {0};
    tn_error err = {0};
    tn_code code = argc > 1 ? tn_file_read(argv[1], 0, &text, &err) : TN_INVALID_ARGUMENT;
    for (char *p = text.data, *end; code == TN_OK && p && *p; p = end + 1) {
        if (!(end = strchr(p, '\n'))) break;
        code = check_line((tn_view){p, (size_t)(end - p)}, argv + 2, &t, &err);
    }
    if (code != TN_OK) fprintf(stderr, "usage: golden_bad FILE.jsonl [PATTERN...]: %s\n", err.message);
    tn_buf_free(&text);
    printf("1..%d\n", t.run);
    return code != TN_OK || t.failed;
}
