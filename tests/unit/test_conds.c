/* SPDX-License-Identifier: Apache-2.0
 * TensorFlow 1's conditionals (Switch and Merge), alone, nested, in and around loops, with gradients and effects:
 * graphs that TensorFlow wrote, against what it answered (tests/golden/cond). */
#include <stdlib.h>

#include "plan_test.h"

static char *folder_file(const char *name, const char *file)
{
    char path[600];
    snprintf(path, sizeof path, "%s/tests/golden/cond/%s/%s", getenv("TN_SOURCE"), name, file);
    return tn_strdup(path);
}

/* The numbers up to the next | or the end of the line. */
static int numbers(const char **p, double *v, int most)
{
    int n = 0;
    while (**p == ' ' || **p == '|') ++*p;
    while (**p && **p != '\n' && **p != '|') {
        char *end;
        assert_true(n < most);
        v[n++] = strtod(*p, &end);
        assert_true(end != *p);
        for (*p = end; **p == ' ';) ++*p;
    }
    return n;
}

static void run_line(tn_session *s, const char *line, const char *what)
{
    double v[64];
    tn_error err = {0};
    assert_int_equal(numbers(&line, v, 64), 3);
    tn_tensor *p = scalar_of(TN_BOOL, v[0]), *x = floats(TN_SHAPE(2), (float[]){(float)v[1], (float)v[2]});
    tn_feed feeds[] = {{"p:0", p}, {"x:0", x}};
    char place[200];
    const char *fetch[8];
    char names[8][32];
    tn_tensor *outs[8];
    const char *rest = line;
    int n = 0;
    for (double w[64]; numbers(&rest, w, 64) > 0; n++) {
        snprintf(names[n], sizeof names[n], "out_%d:0", n);
        fetch[n] = names[n];
    }
    tn_code code = tn_session_run(s, feeds, 2, fetch, n, outs, NULL, 0, &err);
    if (code) fail_msg("%s, p %g, x %g %g: %s", what, v[0], v[1], v[2], err.message);
    for (int i = 0; i < n; i++) {
        double want[64];
        int count = numbers(&line, want, 64);
        snprintf(place, sizeof place, "%.100s, p %g, %.20s", what, v[0], names[i]);
        if (tn_tensor_count(outs[i]) != count) fail_msg("%s: %d elements", place, (int)tn_tensor_count(outs[i]));
        for (int k = 0; k < count; k++)
            if (!is_close(tn_tensor_number(outs[i], k), want[k], 1e-5))
                fail_msg("%s: element %d is %g instead of %g", place, k, tn_tensor_number(outs[i], k), want[k]);
        tn_tensor_unref(outs[i]);
    }
    tn_tensor_unref(p);
    tn_tensor_unref(x);
}

static void run_mode(const char *name, const char *graph, const char *text, unsigned passes_off)
{
    tn_error err = {0};
    tn_loaded *m;
    char what[100];
    const char *init = "init";
    tn_session_options o = {.threads = 1, .passes_off = passes_off};
    snprintf(what, sizeof what, "%.60s, passes off %x", name, passes_off);
    assert_ok(tn_load_graph(graph, &o, &m, &err), &err);
    assert_ok(tn_session_run(tn_loaded_session(m), NULL, 0, NULL, 0, NULL, &init, 1, &err), &err);
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) run_line(tn_loaded_session(m), line, what);
    tn_loaded_free(m);
}

static void run_case(void **state)
{
    const char *name = *state;
    char *graph = folder_file(name, "graph.pb"), *cases = folder_file(name, "cases.txt");
    tn_buf text = {0};
    tn_error err = {0};
    assert_ok(tn_file_read(cases, 1 << 20, &text, &err), &err);
    for (int m = 0; m < PLAN_MODES; m++) run_mode(name, graph, text.data, plan_mode(m));
    tn_buf_free(&text);
    tn_free(graph);
    tn_free(cases);
}

/* What lives in a branch that is not taken has no value: whoever fetches it is told. */
static void test_fetch_of_a_branch(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node p = tn_placeholder(f.b, "p", TN_BOOL, TN_SHAPE());
    tn_operation *sw = tn_add_operation(f.b, "Switch", NULL, TN_INPUTS(tn_scalar(f.b, TN_FLOAT, 3), p), TN_NO_ATTRS);
    tn_node yes = tn_op_named(f.b, "Square", "yes", TN_INPUTS(tn_output_of(sw, 1)), TN_NO_ATTRS);
    tn_op_named(f.b, "Merge", "y", TN_INPUTS(tn_output_of(sw, 0), yes), TN_NO_ATTRS);
    for (int m = 0; m < PLAN_MODES; m++) {
        fixture_session(&f, plan_mode(m));
        for (int k = 0; k < 2; k++) {
            const char *fetch = "yes:0";
            tn_tensor *t = scalar_of(TN_BOOL, k), *out, *y = run_fed(&f, &(tn_feed){"p", t}, 1, "y:0");
            tn_tensor *index = run_fed(&f, &(tn_feed){"p", t}, 1, "y:1");
            assert_float_equal(TN_FLOATS(y)[0], k ? 9 : 3, 0);
            assert_int_equal(tn_tensor_int(index, 0), k);
            tn_code code = tn_session_run(f.s, &(tn_feed){"p", t}, 1, &fetch, 1, &out, NULL, 0, &f.err);
            assert_int_equal(code, k ? TN_OK : TN_INVALID_ARGUMENT);
            if (k) tn_tensor_unref(out);
            tn_tensor_unref(index);
            tn_tensor_unref(y);
            tn_tensor_unref(t);
        }
    }
    fixture_close(&f);
}

/* ==== memory ends, at every allocation of loading, planning and running ==== */

static tn_code load_and_run(const char *graph, double *out, tn_error *err)
{
    tn_loaded *m;
    tn_session_options o = {.threads = 1};
    float v[2] = {0.5f, -0.25f};
    const char *fetch = "out_1:0";
    tn_tensor *p = NULL, *x = NULL, *y = NULL;
    TN_TRY(tn_load_graph(graph, &o, &m, err));
    tn_code code = tn_tensor_scalar(TN_BOOL, 1, &p, err);
    if (!code) code = tn_tensor_of(TN_FLOAT, &TN_SHAPE(2), v, &x, err);
    tn_feed feeds[] = {{"p:0", p}, {"x:0", x}};
    if (!code) code = tn_session_run(tn_loaded_session(m), feeds, 2, &fetch, 1, &y, NULL, 0, err);
    if (!code) *out = tn_tensor_number(y, 0);
    tn_tensor_unref(p);
    tn_tensor_unref(x);
    tn_tensor_unref(y);
    tn_loaded_free(m);
    return code;
}

static void test_memory_ends(void **state)
{
    (void)state;
    static const char *const names[] = {"same_predicate", "loops_and_conds"};
    for (size_t i = 0; i < TN_COUNT(names); i++) {
        char *graph = folder_file(names[i], "graph.pb");
        tn_error err = {0};
        double want = 0, got = 0;
        int n = 1;
        assert_ok(load_and_run(graph, &want, &err), &err);
        tn_code code = TN_RESOURCE_EXHAUSTED;
        for (; code == TN_RESOURCE_EXHAUSTED && n < 100000; n++) {
            tn_malloc_fail_at(n);
            code = load_and_run(graph, &got, &err);
            if (code && code != TN_RESOURCE_EXHAUSTED) fail_msg("allocation %d: %s %s", n, tn_code_name(code), err.message);
        }
        tn_malloc_fail_at(0);
        assert_int_equal(code, TN_OK);
        assert_true(n > 100 && is_close(got, want, 1e-6));
        tn_free(graph);
    }
}

#define CASE(name) {#name, run_case, NULL, NULL, #name}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(plain), CASE(gradient), CASE(one_side), CASE(nested), CASE(same_predicate), CASE(guard), CASE(variables),
        CASE(loop_in_cond), CASE(cond_in_loop), CASE(loops_and_conds), CASE(case), CASE(many_values), CASE(two_towers),
        CASE(nested_loops), CASE(arrays), CASE(call_in_loop), CASE(two_loops), CASE(seen_late),
        CASE(fed_first), CASE(partly_known), CASE(overlapping), CASE(second_gradient), CASE(switch_n),
        cmocka_unit_test(test_fetch_of_a_branch),
        cmocka_unit_test(test_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
