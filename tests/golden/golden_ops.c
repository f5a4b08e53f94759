/* SPDX-License-Identifier: Apache-2.0
 *
 * golden_ops.c - runs TensorFlow's goldens of single operators and of their gradient graphs, each with all
 * passes of the planner on, with all off, and without each of them, and compares with what TensorFlow gave.
 *
 * usage: golden_ops FOLDER [PATTERN...]     (folders with case.json; PATTERN: glob of case names)
 */
#include <fnmatch.h>

#include "plan/session.h"
#include "side.h"

typedef struct tally {
    int passed, failed;
} tally;

/* ==== a case ==== */

static tn_code run_case(tn_graph *g, unsigned passes_off, const side *in, const side *want, tolerance t, tn_error *err)
{
    tn_session_options o = {.threads = 2, .passes_off = passes_off};
    tn_feed feeds[MAX_VALUES];
    tn_tensor *out[MAX_VALUES];
    tn_session *s;
    char why[300];
    for (int i = 0; i < in->n; i++) feeds[i] = (tn_feed){in->names[i], in->values[i]};
    TN_TRY(tn_session_new(g, &o, &s, err));
    tn_code code = tn_session_run(s, feeds, in->n, (const char *const *)want->names, want->n, out, NULL, 0, err);
    if (code == TN_OK) {
        for (int i = 0; i < want->n; i++) {
            const char *bad = differs(out[i], want->values[i], t, why, sizeof why);
            if (bad && code == TN_OK) code = tn_fail(err, TN_INTERNAL, "%s: %s", want->names[i], bad);
        }
        for (int i = 0; i < want->n; i++) tn_tensor_unref(out[i]);
    }
    tn_session_free(s);
    return code;
}

static tn_code run_modes(const char *graph_path, const side *in, const side *want, tolerance t, tn_error *err)
{
    tn_graph *g;
    TN_TRY(tn_graphdef_load(graph_path, &g, err));
    tn_code code = run_case(g, 0, in, want, t, err);
    if (code != TN_OK) tn_wrap(err, "all passes");
    if (code == TN_OK && (code = run_case(g, TN_ALL_PASSES, in, want, t, err)) != TN_OK) tn_wrap(err, "no passes");
    for (int p = 0; code == TN_OK && p < TN_PASS_COUNT; p++)
        if ((code = run_case(g, 1u << p, in, want, t, err)) != TN_OK) tn_wrap(err, "without pass %d", p);
    tn_graph_free(g);
    return code;
}

static tn_code check_side(tn_arena *a, const char *dir, const tn_json *c, bool grads, tn_error *err)
{
    side in = {0}, want = {0};
    tn_code code = load_side(a, dir, tn_json_find(c, "inputs"), &in, err);
    if (code == TN_OK && grads) code = load_side(a, dir, tn_json_find(c, "grad_seeds"), &in, err);
    if (code == TN_OK) code = load_side(a, dir, tn_json_find(c, grads ? "gradients" : "outputs"), &want, err);
    if (code == TN_OK)
        code = run_modes(tn_path_join(a, dir, grads ? "graph_grad.pb" : "graph.pb"), &in, &want, tolerance_of(c), err);
    drop_side(&in);
    drop_side(&want);
    return code;
}

static void report(tally *t, const char *name, const char *kind, tn_code code, const tn_error *err)
{
    if (code == TN_OK) {
        t->passed++;
        return;
    }
    t->failed++;
    printf("FAIL %s %s: %s\n", kind, name, err->message);
}

static void check_folder(const char *root, const char *name, tally *t)
{
    tn_arena *a = tn_arena_new(0);
    tn_error err = {0};
    tn_json *c = NULL;
    char *dir = tn_path_join(a, root, name);
    tn_code code = load_json(a, tn_path_join(a, dir, "case.json"), &c, &err);
    if (code == TN_OK) code = check_side(a, dir, c, false, &err);
    report(t, name, "op  ", code, &err);
    const tn_json *d = c ? tn_json_find(c, "differentiable") : NULL;
    if (d && d->boolean && tn_file_exists(tn_path_join(a, dir, "graph_grad.pb")))
        report(t, name, "grad", check_side(a, dir, c, true, &err), &err);
    tn_arena_free(a);
}

static bool wanted(const char *name, int n, char **patterns)
{
    for (int i = 0; i < n; i++)
        if (fnmatch(patterns[i], name, 0) == 0) return true;
    return n == 0;
}

int main(int argc, char **argv)
{
    tally t = {0};
    char **names;
    size_t n;
    tn_error err;
    tn_arena *a = tn_arena_new(0);
    if (argc < 2 || tn_list_folder(argv[1], a, &names, &n, &err) != TN_OK) {
        fprintf(stderr, "usage: golden_ops FOLDER [PATTERN...]\n");
        return 2;
    }
    for (size_t i = 0; i < n; i++)
        if (wanted(names[i], argc - 2, argv + 2) && tn_is_folder(tn_path_join(a, argv[1], names[i])))
            check_folder(argv[1], names[i], &t);
    tn_arena_free(a);
    printf("%d passed, %d failed\n", t.passed, t.failed);
    return t.failed != 0;
}
