/* SPDX-License-Identifier: Apache-2.0
 *
 * golden_grads.c - builds the gradients of TensorFlow's goldens of single operators and compares what they
 * compute with what TensorFlow's own gradient graph gave.
 *
 * usage: golden_grads FOLDER [PATTERN...]     (folders with case.json; PATTERN: glob of case names)
 */
#include <fnmatch.h>

#include "plan/session.h"
#include "side.h"

typedef struct problem { /* ys, their given gradients, xs */
    tn_node y[MAX_VALUES], gy[MAX_VALUES], x[MAX_VALUES], dx[MAX_VALUES];
    int n_y, n_x;
    char x_name[MAX_VALUES][32];
} problem;

/* gseed_k feeds the gradient of out_k. */
static tn_code find_ys(tn_builder *b, const side *seeds, problem *p, tn_error *err)
{
    for (int i = 0; i < seeds->n; i++) {
        char name[64];
        int k = (int)strtol(seeds->names[i] + strlen("gseed_"), NULL, 10);
        snprintf(name, sizeof name, "out_%d:0", k);
        TN_TRY(tn_graph_value(tn_builder_graph(b), name, &p->y[p->n_y], err));
        snprintf(name, sizeof name, "gseed_%d", k);
        p->gy[p->n_y++] =
            tn_placeholder(b, name, tn_tensor_dtype(seeds->values[i]), *tn_tensor_shape(seeds->values[i]));
    }
    return tn_builder_check(b, err);
}

static tn_code find_xs(tn_graph *g, const side *in, problem *p, tn_error *err)
{
    for (int i = 0; i < in->n; i++) {
        snprintf(p->x_name[p->n_x], sizeof p->x_name[0], "%.*s", (int)strcspn(in->names[i], ":"),
                 in->names[i]);
        TN_TRY(tn_graph_value(g, in->names[i], &p->x[p->n_x++], err));
    }
    return TN_OK;
}

/* Results under the names the golden has; a gradient TensorFlow has must be there. */
static tn_code name_results(tn_builder *b, const problem *p, const side *want, tn_error *err)
{
    for (int i = 0; i < p->n_x; i++) {
        char name[40], value[48];
        snprintf(name, sizeof name, "grad_%s", p->x_name[i] + strlen("in_"));
        snprintf(value, sizeof value, "%s:0", name);
        if (p->dx[i].op) tn_op_named(b, "Identity", name, TN_INPUTS(p->dx[i]), TN_NO_ATTRS);
        for (int k = 0; k < want->n; k++) {
            if (!strcmp(want->names[k], value) && !p->dx[i].op)
                return tn_fail(err, TN_INTERNAL, "no %s", name);
        }
    }
    return tn_builder_check(b, err);
}

static tn_code differentiate(tn_builder *b, const side *in, const side *seeds, const side *want,
                             tn_error *err)
{
    problem p = {0};
    TN_TRY(find_ys(b, seeds, &p, err));
    TN_TRY(find_xs(tn_builder_graph(b), in, &p, err));
    tn_gradients(b, p.y, p.n_y, p.x, p.n_x, p.gy, p.dx);
    TN_TRY(tn_builder_check(b, err));
    return name_results(b, &p, want, err);
}

static tn_code compare(tn_graph *g, unsigned passes_off, const side *in, const side *seeds, const side *want,
                       tolerance t, tn_error *err)
{
    tn_session_options o = {.threads = 2, .passes_off = passes_off};
    tn_feed feeds[2 * MAX_VALUES];
    tn_tensor *out[MAX_VALUES];
    tn_session *s;
    char why[300];
    for (int i = 0; i < in->n; i++) feeds[i] = (tn_feed){in->names[i], in->values[i]};
    for (int i = 0; i < seeds->n; i++) feeds[in->n + i] = (tn_feed){seeds->names[i], seeds->values[i]};
    TN_TRY(tn_session_new(g, &o, &s, err));
    tn_code code = tn_session_run(s, feeds, in->n + seeds->n, (const char *const *)want->names, want->n, out,
                                  NULL, 0, err);
    for (int i = 0; code == TN_OK && i < want->n; i++) {
        const char *bad = differs(out[i], want->values[i], t, why, sizeof why);
        if (bad) code = tn_fail(err, TN_INTERNAL, "%s: %s", want->names[i], bad);
        for (int k = i; bad && k < want->n; k++) tn_tensor_unref(out[k]);
        if (!bad) tn_tensor_unref(out[i]);
    }
    tn_session_free(s);
    return code;
}

static tn_code check_graph(const char *path, const side *in, const side *seeds, const side *want, tolerance t,
                           tn_error *err)
{
    tn_graph *g;
    TN_TRY(tn_graphdef_load(path, &g, err));
    tn_builder *b = tn_builder_new(g);
    tn_code code = b ? differentiate(b, in, seeds, want, err) : TN_RESOURCE_EXHAUSTED;
    if (!code) code = compare(g, 0, in, seeds, want, t, err);
    if (!code && (code = compare(g, TN_ALL_PASSES, in, seeds, want, t, err))) tn_wrap(err, "no passes");
    tn_builder_free(b);
    tn_graph_free(g);
    return code;
}

static tn_code check_case(tn_arena *a, const char *dir, const tn_json *c, tn_error *err)
{
    side in = {0}, seeds = {0}, want = {0};
    tn_code code = load_side(a, dir, tn_json_find(c, "inputs"), &in, err);
    if (!code) code = load_side(a, dir, tn_json_find(c, "grad_seeds"), &seeds, err);
    if (!code) code = load_side(a, dir, tn_json_find(c, "gradients"), &want, err);
    if (!code) code = check_graph(tn_path_join(a, dir, "graph.pb"), &in, &seeds, &want, tolerance_of(c), err);
    drop_side(&in);
    drop_side(&seeds);
    drop_side(&want);
    return code;
}

/* 1: passed, 0: failed, -1: nothing to differentiate. */
static int check_folder(const char *root, const char *name)
{
    tn_arena *a = tn_arena_new(0);
    tn_error err = {TN_OK, ""};
    tn_json *c = NULL;
    char *dir = tn_path_join(a, root, name);
    tn_code code = load_json(a, tn_path_join(a, dir, "case.json"), &c, &err);
    const tn_json *d = code ? NULL : tn_json_find(c, "differentiable");
    bool any = code || (d && d->boolean);
    if (!code && any) code = check_case(a, dir, c, &err);
    if (code) printf("FAIL grad %s: %s\n", name, err.message);
    tn_arena_free(a);
    return any ? code == TN_OK : -1;
}

static bool wanted(const char *name, int n, char **patterns)
{
    for (int i = 0; i < n; i++) {
        if (fnmatch(patterns[i], name, 0) == 0) return true;
    }
    return n == 0;
}

int main(int argc, char **argv)
{
    char **names;
    size_t n;
    tn_error err;
    int passed = 0, failed = 0;
    tn_arena *a = tn_arena_new(0);
    if (argc < 2 || tn_list_folder(argv[1], a, &names, &n, &err) != TN_OK) {
        fprintf(stderr, "usage: golden_grads FOLDER [PATTERN...]\n");
        return 2;
    }
    for (size_t i = 0; i < n; i++) {
        if (!wanted(names[i], argc - 2, argv + 2) || !tn_is_folder(tn_path_join(a, argv[1], names[i])))
            continue;
        int result = check_folder(argv[1], names[i]);
        passed += result == 1;
        failed += result == 0;
    }
    tn_arena_free(a);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
