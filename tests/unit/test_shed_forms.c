/* SPDX-License-Identifier: Apache-2.0
 * Weights of a session at rest: constants of the graph, filters of convolutions, weights with factors, and those that
 * programs know in two forms. Answers and values are the same to the bit as those of a session that never rests. */
#include "plan_test.h"

#include "plan/programs.h"

enum { N = 256, SIDE = 12, IN = 64, OUT = 128 };

static tn_tensor *numbers(const tn_shape *shape, uint32_t seed)
{
    tn_tensor *t;
    assert_int_equal(tn_tensor_new(TN_FLOAT, shape, &t, NULL), TN_OK);
    for (int64_t i = 0; i < tn_tensor_count(t); i++) {
        seed = seed * 1664525 + 1013904223;
        TN_FLOATS(t)[i] = (float)(seed >> 8) / (float)(1 << 24) - 0.5f;
    }
    return t;
}

static tn_node constant(fixture *f, tn_shape shape, uint32_t seed)
{
    tn_tensor *t = numbers(&shape, seed);
    tn_node n = tn_constant(f->b, NULL, t);
    tn_tensor_unref(t);
    return n;
}

static void set(fixture *f, const char *name, tn_shape shape, uint32_t seed)
{
    tn_tensor *t = numbers(&shape, seed);
    assert_ok(tn_session_set(f->s, name, t, &f->err), &f->err);
    tn_tensor_unref(t);
}

static const tn_shape filter_shape = {.rank = 4, .dim = {5, 5, IN, OUT}}, thin_shape = {.rank = 4, .dim = {1, 1, IN, OUT}};

static tn_node conv(fixture *f, tn_node x, tn_node k, const char *name)
{
    return tn_output_of(tn_op_named(f->b, "Conv2D", name, TN_INPUTS(x, k),
                                    TN_ATTRS(tn_attr_ints("strides", (int64_t[]){1, 1, 1, 1}, 4),
                                             tn_attr_str("padding", "SAME"))).op, 0);
}

/* "product": of x and a constant; "conv", "thin": of an image and variables; "scaled": the second times factors;
 * "frozen": the same with a constant. */
static void open_all(fixture *f)
{
    fixture_open(f);
    tn_node x = tn_placeholder(f->b, "x", TN_FLOAT, TN_SHAPE(-1, N)), zero = tn_scalar(f->b, TN_FLOAT, 0);
    tn_node image = tn_placeholder(f->b, "image", TN_FLOAT, TN_SHAPE(-1, SIDE, SIDE, IN));
    tn_node k = tn_variable(f->b, "k", tn_op(f->b, "Fill", TN_INPUTS(tn_ints(f->b, filter_shape.dim, 4), zero), TN_NO_ATTRS), 0);
    tn_node t = tn_variable(f->b, "t", tn_op(f->b, "Fill", TN_INPUTS(tn_ints(f->b, thin_shape.dim, 4), zero), TN_NO_ATTRS), 0);
    tn_op_named(f->b, "MatMul", "product", TN_INPUTS(x, constant(f, TN_SHAPE(N, N), 1)), TN_NO_ATTRS);
    conv(f, image, k, "conv");
    conv(f, image, t, "thin");
    tn_op_named(f->b, "Mul", "scaled", TN_INPUTS(conv(f, image, t, NULL), constant(f, TN_SHAPE(OUT), 4)), TN_NO_ATTRS);
    tn_op_named(f->b, "Mul", "frozen", TN_INPUTS(conv(f, image, constant(f, thin_shape, 5), NULL), constant(f, TN_SHAPE(OUT), 4)),
                TN_NO_ATTRS);
}

static void renew(fixture *f)
{
    fixture_session(f, 0);
    set(f, "k", filter_shape, 2);
    set(f, "t", thin_shape, 3);
}

static tn_tensor *ask(fixture *f, const char *fetch, int rows)
{
    const bool product = !strcmp(fetch, "product:0");
    const tn_shape shape = product ? TN_SHAPE(rows, N) : TN_SHAPE(rows, SIDE, SIDE, IN);
    tn_tensor *x = numbers(&shape, 9), *y = run_fed(f, &(tn_feed){product ? "x:0" : "image:0", x}, 1, fetch);
    tn_tensor_unref(x);
    return y;
}

static void check_same(fixture *f, const char *fetch, int rows, const tn_tensor *want)
{
    tn_tensor *got = ask(f, fetch, rows);
    assert_true(tn_tensor_equal(got, want));
    tn_tensor_unref(got);
}

static void check_value(fixture *f, const char *name, tn_shape shape, uint32_t seed)
{
    tn_tensor *got, *want = numbers(&shape, seed);
    assert_ok(tn_session_get(f->s, name, &got, &f->err), &f->err);
    assert_memory_equal(got->data, want->data, tn_tensor_bytes(want));
    tn_tensor_unref(got);
    tn_tensor_unref(want);
}

static bool is_shed(fixture *f, const char *name)
{
    const tn_stored *v = tn_map_get(tn_session_store(f->s)->variables, name);
    return v && v->shed;
}

/* Filled packs that are as large as weights are. */
static int filled(fixture *f)
{
    int n = 0;
    for (const tn_pack *p = tn_session_store(f->s)->packs.first; p; p = p->next) n += !p->hollow && p->bytes > 4096;
    return n;
}

/* Weights are there in a form of which they can be made again. */
static bool is_packed(fixture *f)
{
    for (const tn_pack *p = tn_session_store(f->s)->packs.first; p; p = p->next)
        if (!p->hollow && p->recipe.undo && p->bytes > 4096) return true;
    return false;
}

static const char *const fetches[] = {"product:0", "conv:0", "thin:0", "scaled:0", "frozen:0"};
static const int rows[] = {1, 40, 3};

static void test_two_forms(void **state)
{
    (void)state;
    for (size_t k = 0; k < TN_COUNT(fetches); k++) {
        fixture f;
        tn_tensor *want[TN_COUNT(rows)];
        open_all(&f);
        renew(&f);
        for (size_t i = 0; i < TN_COUNT(rows); i++) want[i] = ask(&f, fetches[k], rows[i]);
        renew(&f);
        tn_session_own_constants(f.s);
        for (size_t i = 0; i < TN_COUNT(rows); i++) {
            check_same(&f, fetches[k], rows[i], want[i]);
            tn_session_rest(f.s);
            assert_true(filled(&f) <= 1);
            check_same(&f, fetches[k], rows[0], want[0]);
            tn_session_rest(f.s);
        }
        for (size_t i = 0; i < 2 * TN_COUNT(rows); i++) { /* what is there already */
            check_same(&f, fetches[k], rows[i % TN_COUNT(rows)], want[i % TN_COUNT(rows)]);
            if (i % 2) tn_session_rest(f.s);
        }
        check_value(&f, "k", filter_shape, 2);
        check_value(&f, "t", thin_shape, 3);
        for (size_t i = 0; i < TN_COUNT(rows); i++) tn_tensor_unref(want[i]);
        fixture_close(&f);
    }
}

/* The program that knew the form that stayed has gone when the other one is wanted. */
static void test_the_other_goes(void **state)
{
    (void)state;
    fixture f;
    open_all(&f);
    renew(&f);
    tn_session_own_constants(f.s);
    tn_tensor *want = ask(&f, "product:0", 40);
    tn_tensor_unref(ask(&f, "product:0", 1));
    tn_session_rest(f.s);
    assert_int_equal(filled(&f), 1);
    tn_plan *p = tn_map_value(f.s->plans, 0);
    for (int i = 0; i < p->n_bound; i++) atomic_store(&p->bound[i]->asked, p->bound[i]->program->feed_shapes[0].dim[0] == 40);
    assert_true(tn_session_forget_ahead(f.s));
    assert_int_equal(p->n_bound, 1);
    check_same(&f, "product:0", 40, want);
    tn_tensor_unref(ask(&f, "product:0", 1));
    tn_session_rest(f.s);
    check_same(&f, "product:0", 40, want);
    tn_tensor_unref(want);
    fixture_close(&f);
}

/* Filters that kernels have in another layout, also times factors, are held so alone. */
static void test_filters(void **state)
{
    (void)state;
    fixture f;
    open_all(&f);
    for (size_t k = 2; k < 4; k++) {
        renew(&f);
        tn_tensor *want = ask(&f, fetches[k], 1);
        const bool packed = is_packed(&f);
        tn_session_rest(f.s);
        assert_true(is_shed(&f, "t") == packed);
        assert_true(filled(&f) <= 1);
        check_same(&f, fetches[k], 1, want);
        check_value(&f, "t", thin_shape, 3);
        assert_false(is_shed(&f, "t"));
        tn_session_rest(f.s);
        assert_true(is_shed(&f, "t") == packed);
        set(&f, "t", thin_shape, 8);
        tn_tensor *other = ask(&f, fetches[k], 1);
        assert_false(tn_tensor_equal(other, want));
        tn_session_rest(f.s);
        check_same(&f, fetches[k], 1, other);
        check_value(&f, "t", thin_shape, 8);
        tn_tensor_unref(other);
        tn_tensor_unref(want);
    }
    fixture_close(&f);
}

/* Weights that do not come back of what they were multiplied to stay. */
static void test_factors_that_lose(void **state)
{
    (void)state;
    static const float odd[] = {1e-39f, INFINITY, NAN, 1e-30f};
    for (size_t k = 0; k < TN_COUNT(odd); k++) {
        fixture f;
        open_all(&f);
        renew(&f);
        tn_tensor *t = numbers(&thin_shape, 3), *got;
        TN_FLOATS(t)[5] = -0.0f;
        TN_FLOATS(t)[77] = odd[k];
        assert_ok(tn_session_set(f.s, "t", t, &f.err), &f.err);
        tn_tensor_unref(ask(&f, "scaled:0", 1));
        tn_session_rest(f.s);
        assert_true(k > 0 || !is_shed(&f, "t"));
        assert_ok(tn_session_get(f.s, "t", &got, &f.err), &f.err);
        assert_memory_equal(got->data, t->data, tn_tensor_bytes(t));
        tn_tensor_unref(got);
        tn_tensor_unref(t);
        fixture_close(&f);
    }
}

/* ==== constants ==== */

static const tn_tensor *weights_of(fixture *f)
{
    const tn_pack *p = tn_session_store(f->s)->packs.first;
    return p ? tn_graph_constant_at(f->g, p->source) : NULL;
}

static void test_constants(void **state)
{
    (void)state;
    fixture f;
    tn_tensor *want = numbers(&TN_SHAPE(N, N), 1);
    open_all(&f);
    renew(&f);
    tn_packs *packs = &tn_session_store(f.s)->packs;
    tn_tensor *one = ask(&f, "product:0", 1), *two;
    const tn_tensor *t = weights_of(&f);
    assert_non_null(t);
    tn_session_rest(f.s);
    assert_int_equal(packs->n_alone, 0); /* somebody else may look at the graph */
    assert_true(tn_tensor_equal(t, want));
    tn_session_own_constants(f.s);
    tn_session_rest(f.s);
    assert_int_equal(packs->n_alone, 1);
    assert_false(tn_tensor_equal(t, want));
    tn_session_rest(f.s);
    assert_int_equal(packs->n_alone, 1);
    check_same(&f, "product:0", 1, one);
    assert_int_equal(packs->n_alone, 1);
    two = ask(&f, "product:0", 2); /* another plan */
    assert_int_equal(packs->n_alone, 0);
    assert_true(tn_tensor_equal(t, want));
    tn_session_rest(f.s);
    check_same(&f, "product:0", 2, two);
    assert_int_equal(packs->n_alone, 1);
    tn_tensor_unref(one);
    tn_tensor_unref(two);
    tn_tensor_unref(want);
    fixture_close(&f); /* the session goes while the constant is not there */
}

static void test_constants_with_factors(void **state)
{
    (void)state;
    fixture f;
    tn_tensor *want = numbers(&thin_shape, 5);
    const tn_tensor *t = NULL;
    open_all(&f);
    renew(&f);
    tn_session_own_constants(f.s);
    tn_packs *packs = &tn_session_store(f.s)->packs;
    tn_tensor *one = ask(&f, "frozen:0", 1);
    for (const tn_pack *p = packs->first; p && !t; p = p->next) t = tn_graph_constant_at(f.g, p->source);
    assert_non_null(t);
    const bool packed = is_packed(&f);
    for (int rows = 2; rows < 4; rows++) {
        tn_session_rest(f.s);
        assert_int_equal(packs->n_alone, packed);
        assert_true(tn_tensor_equal(t, want) == !packed);
        check_same(&f, "frozen:0", 1, one);
        tn_tensor_unref(ask(&f, "frozen:0", rows)); /* another plan */
        assert_true(tn_tensor_equal(t, want));
        check_same(&f, "frozen:0", 1, one);
    }
    tn_session_rest(f.s);
    tn_tensor_unref(one);
    tn_tensor_unref(want);
    fixture_close(&f);
}

static void test_constants_that_are_read(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node w = constant(&f, TN_SHAPE(N, N), 1), x = tn_placeholder(f.b, "x", TN_FLOAT, TN_SHAPE(-1, N));
    tn_op_named(f.b, "MatMul", "product", TN_INPUTS(x, w), TN_NO_ATTRS);
    tn_op_named(f.b, "AddV2", "sum", TN_INPUTS(tn_placeholder(f.b, "a", TN_FLOAT, TN_SHAPE(-1, N)), w), TN_NO_ATTRS);
    fixture_session(&f, 0);
    tn_session_own_constants(f.s);
    tn_tensor *a = numbers(&TN_SHAPE(1, N), 5), *y = ask(&f, "product:0", 1);
    tn_tensor *sum = run_fed(&f, &(tn_feed){"a:0", a}, 1, "sum:0");
    tn_session_rest(f.s);
    assert_int_equal(tn_session_store(f.s)->packs.n_alone, 0);
    tn_tensor *again = run_fed(&f, &(tn_feed){"a:0", a}, 1, "sum:0");
    assert_true(tn_tensor_equal(again, sum));
    check_same(&f, "product:0", 1, y);
    tn_tensor_unref(again);
    tn_tensor_unref(sum);
    tn_tensor_unref(a);
    tn_tensor_unref(y);
    fixture_close(&f);
}

/* ==== no memory ==== */

/* Whatever allocation fails at rest, when it is woken and while it plans: the answer is the same, or there is none. */
static void test_no_memory(void **state)
{
    (void)state;
    fixture f;
    open_all(&f);
    for (size_t k = 0; k < TN_COUNT(fetches); k += 3) {
        bool ended = false;
        renew(&f);
        tn_session_own_constants(f.s);
        tn_tensor *want = ask(&f, fetches[k], 40);
        tn_tensor_unref(ask(&f, fetches[k], 1));
        const tn_shape shape = k ? TN_SHAPE(40, SIDE, SIDE, IN) : TN_SHAPE(40, N);
        tn_tensor *x = numbers(&shape, 9);
        const tn_feed feed = {k ? "image:0" : "x:0", x};
        for (int at = 1; !ended && at < 100; at++) {
            tn_tensor *y = NULL;
            tn_malloc_fail_at(at);
            tn_session_rest(f.s);
            tn_code code = tn_session_run(f.s, &feed, 1, &fetches[k], 1, &y, NULL, 0, &f.err);
            ended = tn_malloc_count() < at;
            tn_malloc_fail_at(0);
            assert_true(code == TN_OK || code == TN_RESOURCE_EXHAUSTED);
            if (code == TN_OK) assert_true(tn_tensor_equal(y, want));
            tn_tensor_unref(y);
        }
        assert_true(ended);
        check_same(&f, fetches[k], 40, want);
        check_value(&f, "t", thin_shape, 3);
        tn_tensor_unref(want);
        tn_tensor_unref(x);
    }
    fixture_close(&f);
}

/* ==== at once ==== */

typedef struct crowd {
    fixture *f;
    tn_tensor *want[TN_COUNT(fetches)][TN_COUNT(rows)];
    atomic_int stop, wrong;
} crowd;

static void *keep_resting(void *p)
{
    crowd *c = p;
    while (!atomic_load(&c->stop)) tn_session_rest(c->f->s);
    return NULL;
}

static void *keep_running(void *p)
{
    crowd *c = p;
    tn_error err;
    for (size_t i = 0; i < 120; i++) {
        const size_t k = i % TN_COUNT(fetches), r = i / 7 % TN_COUNT(rows);
        const tn_shape shape = k ? TN_SHAPE(rows[r], SIDE, SIDE, IN) : TN_SHAPE(rows[r], N);
        tn_tensor *x = numbers(&shape, 9), *y = NULL;
        const tn_feed feed = {k ? "image:0" : "x:0", x};
        if (tn_session_run(c->f->s, &feed, 1, &fetches[k], 1, &y, NULL, 0, &err) != TN_OK ||
            !tn_tensor_equal(y, c->want[k][r]))
            atomic_fetch_add(&c->wrong, 1);
        tn_tensor_unref(x);
        tn_tensor_unref(y);
    }
    return NULL;
}

static void test_many_at_once(void **state)
{
    (void)state;
    fixture f;
    pthread_t rests, runs[2];
    open_all(&f);
    renew(&f);
    tn_session_own_constants(f.s);
    crowd c = {.f = &f};
    for (size_t k = 0; k < TN_COUNT(fetches); k++)
        for (size_t r = 0; r < TN_COUNT(rows); r++) c.want[k][r] = ask(&f, fetches[k], rows[r]);
    pthread_create(&rests, NULL, keep_resting, &c);
    for (int i = 0; i < 2; i++) pthread_create(&runs[i], NULL, keep_running, &c);
    for (int i = 0; i < 2; i++) pthread_join(runs[i], NULL);
    atomic_store(&c.stop, 1);
    pthread_join(rests, NULL);
    assert_int_equal(atomic_load(&c.wrong), 0);
    for (size_t k = 0; k < TN_COUNT(fetches); k++)
        for (size_t r = 0; r < TN_COUNT(rows); r++) tn_tensor_unref(c.want[k][r]);
    fixture_close(&f);
}

/* ==== by itself ==== */

static int alone(fixture *f)
{
    return tn_session_store(f->s)->packs.n_alone;
}

static void test_settles_itself(void **state)
{
    (void)state;
    fixture f;
    open_all(&f);
    renew(&f);
    tn_session_own_constants(f.s);
    tn_session_settle_itself(f.s);
    tn_tensor *one = ask(&f, "product:0", 1);
    assert_int_equal(alone(&f), 0); /* it may have been the only run */
    check_same(&f, "product:0", 1, one);
    assert_int_equal(alone(&f), 1);
    tn_tensor *three = ask(&f, "product:0", 3); /* a new plan, then some runs more without one */
    for (int i = 0; i < 3; i++, check_same(&f, "product:0", 1, one)) assert_int_equal(alone(&f), 0);
    assert_int_equal(alone(&f), 1);
    check_same(&f, "product:0", 3, three);
    tn_tensor_unref(ask(&f, "conv:0", 1)); /* variables, too */
    for (int i = 0; i < 7; i++, check_same(&f, "product:0", 3, three)) assert_false(is_shed(&f, "k"));
    assert_true(is_shed(&f, "k"));
    assert_int_equal(alone(&f), 1);
    tn_tensor_unref(one);
    tn_tensor_unref(three);
    fixture_close(&f);
}

/* What fails while it is planned has brought constants back, too. */
static void test_plan_that_fails(void **state)
{
    (void)state;
    fixture f;
    open_all(&f);
    renew(&f);
    tn_session_own_constants(f.s);
    tn_session_settle_itself(f.s);
    tn_tensor *want = ask(&f, "product:0", 1), *none = NULL;
    check_same(&f, "product:0", 1, want);
    assert_int_equal(alone(&f), 1);
    const char *fetch = "nothing:0";
    assert_int_not_equal(tn_session_run(f.s, NULL, 0, &fetch, 1, &none, NULL, 0, &f.err), TN_OK);
    for (int i = 0; i < 8; i++) check_same(&f, "product:0", 1, want);
    assert_int_equal(alone(&f), 1);
    tn_tensor_unref(want);
    fixture_close(&f);
}

/* Another session of the same graph finds all constants, and they stay. */
static void test_two_sessions(void **state)
{
    (void)state;
    fixture f;
    open_all(&f);
    renew(&f);
    tn_session_own_constants(f.s);
    tn_session_settle_itself(f.s);
    tn_tensor *want = ask(&f, "product:0", 1);
    check_same(&f, "product:0", 1, want);
    assert_int_equal(alone(&f), 1);
    fixture other = f;
    other.s = NULL;
    fixture_session(&other, 0);
    assert_int_equal(alone(&f), 0);
    check_same(&other, "product:0", 1, want);
    tn_tensor_unref(ask(&f, "product:0", 3));
    for (int i = 0; i < 8; i++) check_same(&f, "product:0", 1, want);
    assert_int_equal(alone(&f), 0);
    tn_tensor *many = ask(&other, "product:0", 40);
    check_same(&f, "product:0", 40, many);
    tn_session_free(f.s);
    f.s = other.s;
    fixture_session(&f, 0); /* when the one that had them is gone */
    check_same(&f, "product:0", 40, many);
    tn_tensor_unref(want);
    tn_tensor_unref(many);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_forms), cmocka_unit_test(test_the_other_goes), cmocka_unit_test(test_filters),
        cmocka_unit_test(test_factors_that_lose), cmocka_unit_test(test_constants),
        cmocka_unit_test(test_constants_with_factors),
        cmocka_unit_test(test_constants_that_are_read), cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_settles_itself), cmocka_unit_test(test_plan_that_fails), cmocka_unit_test(test_two_sessions)};
    return cmocka_run_group_tests_name("shed_forms", tests, NULL, NULL);
}
