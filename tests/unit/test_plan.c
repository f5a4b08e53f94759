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
            fixture_open(&f);
            make_random_graph(&r, f.b, seed, batches[k], 30);
            run_modes(&f, &r, batches[k], seed);
            fixture_close(&f);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
