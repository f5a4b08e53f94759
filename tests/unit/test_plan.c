/* SPDX-License-Identifier: Apache-2.0
 * Plans: what layout, merging, fusing and aliasing give is what the plain interpreter gives, for graphs made by
 * chance; values that share memory; values whose size is found while running; what the passes do at all. */
#include "random_graph.h"

/* ==== graphs by chance ==== */

enum { FETCHES = 6, BATCHES = 3 };

static void name_fetches(const random_graph *r, char text[FETCHES][300], const char **names)
{
    for (int i = 0; i < FETCHES; i++) {
        int at = i < 3 ? r->n - 1 - i : (i * r->n) / FETCHES;
        snprintf(text[i], 300, "%s:%d", tn_operation_name(r->v[at].node.op), r->v[at].node.index);
        names[i] = text[i];
    }
}

static void make_feeds(int64_t batch, tn_tensor **x, tn_tensor **y, tn_tensor **s)
{
    float v[64];
    for (int i = 0; i < 64; i++) v[i] = (float)((i * 37 + 11) % 29 - 14) / 8;
    *x = floats(TN_SHAPE(batch, 4), v);
    *y = floats(TN_SHAPE(3, 4), v + 5);
    *s = scalar_of(TN_FLOAT, 0.75);
}

static void run_modes(fixture *f, const random_graph *r, int64_t batch, uint64_t seed)
{
    char text[FETCHES][300], what[100];
    const char *names[FETCHES];
    tn_tensor *want[FETCHES], *got[FETCHES], *x, *y, *s;
    make_feeds(batch, &x, &y, &s);
    tn_feed feeds[] = {{"x:0", x}, {"y:0", y}, {"s:0", s}};
    name_fetches(r, text, names);
    fixture_session(f, TN_ALL_PASSES);
    assert_ok(tn_session_run(f->s, feeds, 3, names, FETCHES, want, NULL, 0, &f->err), &f->err);
    for (int m = 0; m < PLAN_MODES; m++) {
        fixture_session(f, plan_mode(m));
        for (int again = 0; again < 2; again++) {
            tn_code code = tn_session_run(f->s, feeds, 3, names, FETCHES, got, NULL, 0, &f->err);
            if (code) fail_msg("seed %d, batch %d, passes off %x: %s", (int)seed, (int)batch, plan_mode(m), f->err.message);
            for (int i = 0; i < FETCHES; i++) {
                snprintf(what, sizeof what, "seed %d, batch %d, passes off %x, %.40s", (int)seed, (int)batch, plan_mode(m), names[i]);
                assert_close_tensors(got[i], want[i], 1e-5, what);
                tn_tensor_unref(got[i]);
            }
        }
    }
    for (int i = 0; i < FETCHES; i++) tn_tensor_unref(want[i]);
    tn_tensor_unref(x);
    tn_tensor_unref(y);
    tn_tensor_unref(s);
}

static void test_random_graphs(void **state)
{
    (void)state;
    static const int64_t batches[BATCHES] = {1, 3, 6};
    const char *only = getenv("TN_TEST_SEED"), *most = getenv("TN_TEST_SEEDS");
    uint64_t first = only ? strtoull(only, NULL, 10) : 1, n = only ? 1 : most ? strtoull(most, NULL, 10) : 60;
    for (uint64_t seed = first; seed < first + n; seed++) {
        for (int k = 0; k < BATCHES; k++) {
            fixture f;
            random_graph r;
            tn_node xys[3];
            fixture_open(&f);
            make_feeds_nodes(f.b, xys);
            grow_random_graph(&r, f.b, xys, seed, batches[k], 30);
            run_modes(&f, &r, batches[k], seed);
            fixture_close(&f);
        }
    }
}

/* ==== the same inside of branches and loops ==== */

/* A function of (x, y, s); in a loop of (i, x, y, s), which gives back i + 1, x, y and a new s. */
static void define_random(fixture *f, const char *name, uint64_t seed, int64_t batch, bool loop)
{
    random_graph r;
    tn_builder *b = tn_builder_new(tn_function_graph(f->g));
    tn_node i = loop ? tn_function_arg(b, "i", TN_INT32, TN_SHAPE()) : (tn_node){NULL, 0}, xys[3];
    xys[0] = tn_function_arg(b, "x", TN_FLOAT, TN_SHAPE(-1, 4));
    xys[1] = tn_function_arg(b, "y", TN_FLOAT, TN_SHAPE(3, 4));
    xys[2] = tn_function_arg(b, "s", TN_FLOAT, TN_SHAPE());
    grow_random_graph(&r, b, xys, seed, batch, 15);
    tn_node sum = sum_of_random_graph(&r), rets[4] = {sum, xys[0], xys[1], sum};
    if (loop) rets[0] = tn_op(b, "AddV2", TN_INPUTS(i, tn_scalar(b, TN_INT32, 1)), TN_NO_ATTRS);
    tn_function_define(f->b, name, b, rets, loop ? 4 : 1);
    tn_builder_free(b);
}

static void define_condition(fixture *f)
{
    tn_builder *b = tn_builder_new(tn_function_graph(f->g));
    tn_node i = tn_function_arg(b, "i", TN_INT32, TN_SHAPE());
    tn_function_arg(b, "x", TN_FLOAT, TN_SHAPE(-1, 4));
    tn_function_arg(b, "y", TN_FLOAT, TN_SHAPE(3, 4));
    tn_function_arg(b, "s", TN_FLOAT, TN_SHAPE());
    tn_node below = tn_op(b, "Less", TN_INPUTS(i, tn_scalar(b, TN_INT32, 3)), TN_NO_ATTRS);
    tn_function_define(f->b, "below", b, &below, 1);
    tn_builder_free(b);
}

/* x -> a branch -> a loop from what it gives -> another branch, whose predicate is computed. */
static void nest(fixture *f, random_graph *r, uint64_t seed, int64_t batch)
{
    tn_node xys[3], in[4];
    define_random(f, "one", seed * 3, batch, false);
    define_random(f, "other", seed * 3 + 1, batch, false);
    define_random(f, "body", seed * 3 + 2, batch, true);
    define_condition(f);
    make_feeds_nodes(f->b, xys);
    grow_random_graph(r, f->b, xys, seed, batch, 6);
    tn_node p = tn_op(f->b, "Greater", TN_INPUTS(sum_of_random_graph(r), xys[2]), TN_NO_ATTRS);
    tn_node s = tn_output_of(tn_if(f->b, p, "one", "other", xys, 3), 0);
    keep_value(r, s, TN_SHAPE(), 0);
    in[0] = tn_scalar(f->b, TN_INT32, 0), in[1] = xys[0], in[2] = xys[1], in[3] = s;
    s = tn_output_of(tn_while(f->b, "below", "body", in, 4), 3);
    keep_value(r, s, TN_SHAPE(), 0);
    xys[2] = s;
    keep_value(r, tn_output_of(tn_if(f->b, tn_scalar(f->b, TN_BOOL, seed % 2), "other", "one", xys, 3), 0), TN_SHAPE(), 0);
}

static void test_random_regions(void **state)
{
    (void)state;
    static const int64_t batches[BATCHES] = {1, 3, 6};
    const char *most = getenv("TN_TEST_SEEDS");
    for (uint64_t seed = 1; seed <= (most ? strtoull(most, NULL, 10) : 30); seed++) {
        for (int k = 0; k < BATCHES; k++) {
            fixture f;
            random_graph r;
            fixture_open(&f);
            nest(&f, &r, seed, batches[k]);
            run_modes(&f, &r, batches[k], seed);
            fixture_close(&f);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_graphs),
        cmocka_unit_test(test_random_regions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
