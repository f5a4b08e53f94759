/* SPDX-License-Identifier: Apache-2.0
 * Weights of a session at rest: held once, as products want them, where nobody looks at them otherwise; and there again,
 * bit for bit, for whoever does. */
#include "plan_test.h"

#include "plan/programs.h"

enum { N = 300 }; /* N x N floats are worth it */

static tn_tensor *numbers(int rows, int columns, uint32_t seed)
{
    tn_tensor *t;
    assert_int_equal(tn_tensor_new(TN_FLOAT, &TN_SHAPE(rows, columns), &t, NULL), TN_OK);
    for (int i = 0; i < rows * columns; i++) {
        seed = seed * 1664525 + 1013904223;
        TN_FLOATS(t)[i] = (float)(seed >> 8) / (float)(1 << 24) - 0.5f;
    }
    return t;
}

static void set(fixture *f, const char *name, uint32_t seed)
{
    tn_tensor *t = numbers(N, N, seed);
    assert_ok(tn_session_set(f->s, name, t, &f->err), &f->err);
    tn_tensor_unref(t);
}

/* "y" is x times w, "z" x times v transposed, "sum" looks at w's elements while running. */
static void open_products(fixture *f)
{
    fixture_open(f);
    tn_node x = tn_placeholder(f->b, "x", TN_FLOAT, TN_SHAPE(-1, N)), none = tn_op(f->b, "Fill",
        TN_INPUTS(tn_ints(f->b, (int64_t[]){N, N}, 2), tn_scalar(f->b, TN_FLOAT, 0)), TN_NO_ATTRS);
    tn_node w = tn_variable(f->b, "w", none, 0), v = tn_variable(f->b, "v", none, 0);
    tn_op_named(f->b, "MatMul", "y", TN_INPUTS(x, w), TN_NO_ATTRS);
    tn_op_named(f->b, "MatMul", "z", TN_INPUTS(x, v), TN_ATTRS(tn_attr_bool("transpose_b", true)));
    tn_op_named(f->b, "AddV2", "sum", TN_INPUTS(tn_placeholder(f->b, "a", TN_FLOAT, TN_SHAPE(-1, N)), w), TN_NO_ATTRS);
    tn_op_named(f->b, "Identity", "same", TN_INPUTS(w), TN_NO_ATTRS);
    fixture_session(f, 0);
    set(f, "w", 1);
    set(f, "v", 2);
}

static tn_tensor *product(fixture *f, const char *fetch, int rows)
{
    tn_tensor *x = numbers(rows, N, 77), *y = run_fed(f, &(tn_feed){"x:0", x}, 1, fetch);
    tn_tensor_unref(x);
    return y;
}

static bool is_shed(fixture *f, const char *name)
{
    tn_store *s = tn_session_store(f->s);
    pthread_mutex_lock(&s->lock);
    const tn_stored *v = tn_map_get(s->variables, name);
    const bool shed = v && v->shed;
    pthread_mutex_unlock(&s->lock);
    return shed;
}

static void check_same(fixture *f, const char *fetch, int rows, const tn_tensor *want)
{
    tn_tensor *got = product(f, fetch, rows);
    assert_true(tn_tensor_equal(got, want));
    tn_tensor_unref(got);
}

static void check_value(fixture *f, const char *name, uint32_t seed)
{
    tn_tensor *got, *want = numbers(N, N, seed);
    assert_ok(tn_session_get(f->s, name, &got, &f->err), &f->err);
    assert_true(tn_tensor_equal(got, want));
    tn_tensor_unref(got);
    tn_tensor_unref(want);
}

static void test_once(void **state)
{
    (void)state;
    static const char *const fetches[] = {"y:0", "z:0"}, *const names[] = {"w", "v"};
    static const int rows[] = {2, 3, 40, 100};
    for (int k = 0; k < 2; k++) {
        fixture f;
        open_products(&f);
        tn_tensor *one = product(&f, fetches[k], 1), *want[TN_COUNT(rows)];
        assert_false(is_shed(&f, names[k]));
        tn_session_rest(f.s);
        assert_true(is_shed(&f, names[k]));
        assert_false(is_shed(&f, names[1 - k])); /* which no plan knows */
        check_same(&f, fetches[k], 1, one);
        assert_true(is_shed(&f, names[k]));
        for (size_t i = 0; i < TN_COUNT(rows); i++) { /* other plans need it */
            tn_session_rest(f.s);
            want[i] = product(&f, fetches[k], rows[i]);
        }
        tn_session_rest(f.s);
        check_same(&f, fetches[k], 1, one);
        check_value(&f, names[k], k ? 2 : 1);
        assert_false(is_shed(&f, names[k]));
        fixture_session(&f, 0); /* one that never rests */
        set(&f, "w", 1);
        set(&f, "v", 2);
        check_same(&f, fetches[k], 1, one);
        for (size_t i = 0; i < TN_COUNT(rows); i++) {
            check_same(&f, fetches[k], rows[i], want[i]);
            tn_tensor_unref(want[i]);
        }
        tn_tensor_unref(one);
        fixture_close(&f);
    }
}

static int contexts_of(tn_session *s)
{
    int n = 0;
    for (size_t i = 0; i < tn_map_count(s->plans); i++) {
        const tn_plan *p = tn_map_value(s->plans, i);
        for (int k = 0; k < p->n_bound; k++)
            for (const tn_run_context *c = p->bound[k]->program->idle; c; c = c->next) n++;
    }
    return n;
}

static void test_contexts(void **state)
{
    (void)state;
    fixture f;
    open_products(&f);
    tn_tensor *one = product(&f, "y:0", 1), *two = product(&f, "y:0", 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(contexts_of(f.s), 2);
        tn_session_rest(f.s);
        assert_int_equal(contexts_of(f.s), 0);
        check_same(&f, "y:0", 1, one);
        assert_int_equal(contexts_of(f.s), 1);
        check_same(&f, "y:0", 2, two);
    }
    tn_tensor_unref(one);
    tn_tensor_unref(two);
    fixture_close(&f);
}

static void test_looked_at(void **state)
{
    (void)state;
    fixture f;
    open_products(&f);
    tn_tensor *y = product(&f, "y:0", 1), *held, *a = numbers(1, N, 5);
    assert_ok(tn_session_get(f.s, "w", &held, &f.err), &f.err);
    tn_session_rest(f.s);
    assert_false(is_shed(&f, "w")); /* somebody has it */
    tn_tensor_unref(held);
    tn_session_rest(f.s);
    assert_true(is_shed(&f, "w"));
    tn_tensor *same = run_fed(&f, NULL, 0, "same:0"), *want = numbers(N, N, 1);
    assert_true(tn_tensor_equal(same, want));
    tn_tensor_unref(same);
    tn_session_rest(f.s);
    assert_false(is_shed(&f, "w")); /* a plan gives it out */
    fixture_session(&f, 0);
    set(&f, "w", 1);
    check_same(&f, "y:0", 1, y);
    tn_session_rest(f.s);
    assert_true(is_shed(&f, "w"));
    tn_tensor *sum = run_fed(&f, &(tn_feed){"a:0", a}, 1, "sum:0");
    for (int i = 0; i < N * N; i++) assert_true(TN_FLOATS(sum)[i] == TN_FLOATS(a)[i % N] + TN_FLOATS(want)[i]);
    tn_session_rest(f.s);
    assert_false(is_shed(&f, "w")); /* a step reads it */
    check_same(&f, "y:0", 1, y);
    tn_tensor_unref(sum);
    tn_tensor_unref(want);
    tn_tensor_unref(a);
    tn_tensor_unref(y);
    fixture_close(&f);
}

static void test_changed(void **state)
{
    (void)state;
    fixture f;
    open_products(&f);
    tn_tensor *before = product(&f, "y:0", 2);
    tn_session_rest(f.s);
    assert_true(is_shed(&f, "w"));
    set(&f, "w", 9);
    assert_false(is_shed(&f, "w"));
    check_value(&f, "w", 9);
    tn_tensor *after = product(&f, "y:0", 2);
    assert_false(tn_tensor_equal(before, after));
    tn_session_rest(f.s);
    assert_true(is_shed(&f, "w"));
    check_same(&f, "y:0", 2, after);
    set(&f, "w", 1);
    check_same(&f, "y:0", 2, before);
    tn_tensor_unref(before);
    tn_tensor_unref(after);
    fixture_close(&f);
}

/* ==== weights with factors in them ==== */

/* "s" is x times w, "c" an image (of one channel) convolved with k; each channel of the results times a factor. */
static void open_scaled(fixture *f)
{
    float factors[N];
    for (int i = 0; i < N; i++) factors[i] = 0.5f + (float)i / N;
    fixture_open(f);
    tn_node x = tn_placeholder(f->b, "x", TN_FLOAT, TN_SHAPE(-1, N)), by = constant_floats(f->b, TN_SHAPE(N), factors);
    tn_node zero = tn_scalar(f->b, TN_FLOAT, 0);
    tn_node w = tn_variable(f->b, "w", tn_op(f->b, "Fill", TN_INPUTS(tn_ints(f->b, (int64_t[]){N, N}, 2), zero), TN_NO_ATTRS), 0);
    tn_node k = tn_op(f->b, "Reshape", TN_INPUTS(w, tn_ints(f->b, (int64_t[]){10, 30, 1, N}, 4)), TN_NO_ATTRS);
    tn_node image = tn_op(f->b, "Reshape", TN_INPUTS(x, tn_ints(f->b, (int64_t[]){-1, 10, 30, 1}, 4)), TN_NO_ATTRS);
    tn_node conv = tn_op(f->b, "Conv2D", TN_INPUTS(image, k),
                         TN_ATTRS(tn_attr_ints("strides", (int64_t[]){1, 1, 1, 1}, 4), tn_attr_str("padding", "SAME")));
    tn_node product = tn_op(f->b, "MatMul", TN_INPUTS(x, w), TN_NO_ATTRS);
    tn_op_named(f->b, "Mul", "s", TN_INPUTS(product, by), TN_NO_ATTRS);
    tn_op_named(f->b, "Mul", "c", TN_INPUTS(conv, by), TN_NO_ATTRS);
    fixture_session(f, 0);
    set(f, "w", 3);
}

static int hollow_packs(fixture *f)
{
    tn_packs *all = &tn_session_store(f->s)->packs;
    int n = 0;
    pthread_mutex_lock(&all->lock);
    for (const tn_pack *p = all->first; p; p = p->next) n += p->hollow;
    pthread_mutex_unlock(&all->lock);
    return n;
}

static void test_scaled(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        const char *fetch = k ? "c:0" : "s:0";
        fixture f;
        open_scaled(&f);
        tn_tensor *want[3];
        for (int i = 0; i < 3; i++) want[i] = product(&f, fetch, i + 1);
        fixture_session(&f, 0);
        set(&f, "w", 3);
        for (int i = 0; i < 3; i++) { /* each plan finds what the one before left */
            check_same(&f, fetch, i + 1, want[i]);
            tn_session_rest(f.s);
            if (!k) assert_int_equal(hollow_packs(&f), 1); /* convolutions may look at both forms */
            check_same(&f, fetch, 1, want[0]);
            check_same(&f, fetch, i + 1, want[i]);
        }
        check_value(&f, "w", 3);
        set(&f, "w", 4);
        tn_tensor *other = product(&f, fetch, 1);
        assert_false(tn_tensor_equal(other, want[0]));
        tn_session_rest(f.s);
        check_same(&f, fetch, 1, other);
        tn_tensor_unref(other);
        for (int i = 0; i < 3; i++) tn_tensor_unref(want[i]);
        fixture_close(&f);
    }
}

/* What was multiplied goes once it is packed, and stays where runs look at it. */
static void test_scaled_while_it_works(void **state)
{
    (void)state;
    fixture f;
    open_scaled(&f);
    tn_packs *all = &tn_session_store(f.s)->packs;
    tn_tensor *one = product(&f, "s:0", 1), *want = numbers(1, N, 77);
    assert_int_equal(hollow_packs(&f), 1);
    for (int i = 0; i < 3; i++) tn_tensor_unref(product(&f, "s:0", i + 2)); /* other plans, the same pack */
    assert_int_equal(hollow_packs(&f), 1);
    check_same(&f, "s:0", 1, one);
    fixture_session(&f, TN_PASS(FUSE_SCALE));
    set(&f, "w", 3);
    tn_tensor *plain = product(&f, "s:0", 1);
    for (int i = 0; i < N; i++) assert_true(fabsf(TN_FLOATS(plain)[i] - TN_FLOATS(one)[i]) < 1e-3F);
    fixture_session(&f, 0);
    set(&f, "w", 3);
    all = &tn_session_store(f.s)->packs;
    tn_pack *scaled = NULL;
    tn_tensor_unref(product(&f, "s:0", 1));
    for (tn_pack *p = all->first; p; p = p->next) scaled = p->factors ? p : scaled;
    assert_non_null(scaled);
    assert_true(scaled->hollow);
    tn_pack *looked = tn_packs_look(all, scaled->data);
    assert_ptr_equal(looked, scaled);
    assert_false(scaled->hollow);
    for (int i = 0; i < N; i++) /* the first row */
        assert_true(((const float *)scaled->data)[i] != 0);
    tn_pack *second = tn_packs_look(all, (const char *)scaled->data + 4);
    tn_packs_looked(all, second, false);
    assert_false(scaled->hollow); /* the other one still looks */
    tn_packs_looked(all, looked, false);
    assert_true(scaled->hollow);
    tn_packs_looked(all, tn_packs_look(all, scaled->data), true);
    assert_false(scaled->hollow);
    tn_session_rest(f.s); /* no run looks at it after all */
    assert_true(scaled->hollow);
    assert_null(tn_packs_look(all, want->data));
    tn_tensor_unref(plain);
    tn_tensor_unref(want);
    tn_tensor_unref(one);
    fixture_close(&f);
}

/* Factors and weights of all sizes: what they are made of comes back bit for bit, or they stay. */
static void test_factors_of_all_sizes(void **state)
{
    (void)state;
    float factors[N];
    uint32_t seed = 5;
    fixture f;
    fixture_open(&f);
    for (int i = 0; i < N; i++) {
        seed = seed * 1664525 + 1013904223;
        factors[i] = ldexpf((float)(seed >> 8 | 1) / (float)(1 << 24), (int)(seed % 19) - 9) * (i % 3 ? 1 : -1);
    }
    tn_node x = tn_placeholder(f.b, "x", TN_FLOAT, TN_SHAPE(-1, N)), by = constant_floats(f.b, TN_SHAPE(N), factors);
    tn_node none = tn_op(f.b, "Fill", TN_INPUTS(tn_ints(f.b, (int64_t[]){N, N}, 2), tn_scalar(f.b, TN_FLOAT, 0)), TN_NO_ATTRS);
    tn_node w = tn_variable(f.b, "w", none, 0);
    tn_op_named(f.b, "Mul", "s", TN_INPUTS(tn_op(f.b, "MatMul", TN_INPUTS(x, w), TN_NO_ATTRS), by), TN_NO_ATTRS);
    fixture_session(&f, 0);
    tn_tensor *v = numbers(N, N, 12), *got;
    for (int i = 0; i < N * N; i++) {
        seed = seed * 1664525 + 1013904223;
        TN_FLOATS(v)[i] = i % 100 ? ldexpf(TN_FLOATS(v)[i], (int)(seed >> 16) % 60 - 30) : i % 200 ? 0.0F : -0.0F;
    }
    assert_ok(tn_session_set(f.s, "w", v, &f.err), &f.err);
    tn_tensor *one = product(&f, "s:0", 1);
    tn_session_rest(f.s);
    assert_true(is_shed(&f, "w"));
    assert_ok(tn_session_get(f.s, "w", &got, &f.err), &f.err);
    assert_memory_equal(got->data, v->data, tn_tensor_bytes(v));
    check_same(&f, "s:0", 1, one);
    tn_tensor_unref(got);
    tn_tensor_unref(one);
    tn_tensor_unref(v);
    fixture_close(&f);
}

/* ==== while it works ==== */

static void test_settled(void **state)
{
    (void)state;
    fixture f;
    open_products(&f);
    assert_false(tn_session_settle(f.s));
    tn_tensor *one = product(&f, "y:0", 1);
    assert_false(is_shed(&f, "w"));
    assert_true(tn_session_settle(f.s));
    assert_true(is_shed(&f, "w"));
    assert_false(tn_session_settle(f.s)); /* nothing is new */
    check_same(&f, "y:0", 1, one);
    assert_true(is_shed(&f, "w"));
    tn_tensor *two = product(&f, "y:0", 2); /* a new plan wants it */
    assert_false(is_shed(&f, "w"));
    assert_true(tn_session_settle(f.s));
    assert_true(is_shed(&f, "w"));
    assert_int_equal(contexts_of(f.s), 2); /* which only rest takes */
    check_same(&f, "y:0", 1, one);
    check_same(&f, "y:0", 2, two);
    check_value(&f, "w", 1);
    tn_tensor_unref(one);
    tn_tensor_unref(two);
    fixture_close(&f);
}

/* ==== plans made ahead ==== */

static int bound_plans(fixture *f)
{
    int n = 0;
    pthread_mutex_lock(&f->s->lock);
    for (size_t i = 0; i < tn_map_count(f->s->plans); i++) n += ((tn_plan *)tn_map_value(f->s->plans, i))->n_bound;
    pthread_mutex_unlock(&f->s->lock);
    return n;
}

/* What would pack more than a plan that nobody has asked for may is refused before it has packed anything. */
static void test_ahead_within_its_room(void **state)
{
    (void)state;
    enum { LARGE = 2100 };
    static const char *feed = "a:0", *fetch = "p:0";
    fixture f;
    size_t bytes;
    tn_prepared *p;
    fixture_open(&f);
    tn_node a = tn_placeholder(f.b, "a", TN_FLOAT, TN_SHAPE(-1, LARGE)), none = tn_op(f.b, "Fill",
        TN_INPUTS(tn_ints(f.b, (int64_t[]){LARGE, LARGE}, 2), tn_scalar(f.b, TN_FLOAT, 0)), TN_NO_ATTRS);
    tn_op_named(f.b, "MatMul", "p", TN_INPUTS(a, tn_variable(f.b, "large", none, 0)), TN_NO_ATTRS);
    fixture_session(&f, 0);
    tn_tensor *w = numbers(LARGE, LARGE, 4), *x = numbers(2, LARGE, 5), *y;
    assert_ok(tn_session_set(f.s, "large", w, &f.err), &f.err);
    tn_packs *all = &tn_session_store(f.s)->packs;
    const tn_tensor *in = x;
    assert_ok(tn_prepared_new(f.s, &feed, 1, &fetch, 1, &p, &f.err), &f.err);
    assert_int_equal(tn_prepared_bind(p, &in, &bytes, &f.err), TN_RESOURCE_EXHAUSTED);
    assert_null(all->first);
    assert_int_equal(bound_plans(&f), 0);
    assert_ok(tn_prepared_run(p, &in, &y, NULL, &f.err), &f.err);
    assert_non_null(all->first);
    assert_true(tn_session_forget_ahead(f.s) == false);
    tn_tensor_unref(x);
    x = numbers(3, LARGE, 5);
    in = x;
    assert_ok(tn_prepared_bind(p, &in, &bytes, &f.err), &f.err); /* packed already */
    assert_null(all->first->next);
    assert_int_equal(bound_plans(&f), 2);
    tn_tensor_unref(y);
    tn_tensor_unref(x);
    tn_tensor_unref(w);
    tn_prepared_free(p);
    fixture_close(&f);
}

static void run_prepared(fixture *f, tn_prepared *p, int rows, bool ahead)
{
    const tn_run_limits limits = {.ahead = ahead};
    tn_tensor *x = numbers(rows, N, 77), *y;
    const tn_tensor *in = x;
    assert_ok(tn_prepared_run(p, &in, &y, &limits, &f->err), &f->err);
    tn_tensor_unref(x);
    tn_tensor_unref(y);
}

static void test_ahead(void **state)
{
    (void)state;
    fixture f;
    size_t bytes;
    const char *feed = "x:0", *fetch = "y:0";
    tn_prepared *p;
    open_products(&f);
    assert_false(tn_session_forget_ahead(f.s));
    assert_ok(tn_prepared_new(f.s, &feed, 1, &fetch, 1, &p, &f.err), &f.err);
    for (int rows = 1; rows <= 3; rows++) {
        tn_tensor *x = numbers(rows, N, 77);
        const tn_tensor *in = x;
        assert_ok(tn_prepared_bind(p, &in, &bytes, &f.err), &f.err);
        tn_tensor_unref(x);
    }
    run_prepared(&f, p, 1, true);
    run_prepared(&f, p, 2, true);
    run_prepared(&f, p, 2, false);
    run_prepared(&f, p, 2, true);
    assert_int_equal(bound_plans(&f), 3);
    assert_true(tn_session_forget_ahead(f.s)); /* those of 1 and 3 rows */
    assert_int_equal(bound_plans(&f), 1);
    assert_false(tn_session_forget_ahead(f.s));
    run_prepared(&f, p, 1, true);
    run_prepared(&f, p, 3, false);
    run_prepared(&f, p, 2, true);
    assert_int_equal(bound_plans(&f), 3);
    assert_true(tn_session_forget_ahead(f.s));
    assert_int_equal(bound_plans(&f), 2);
    tn_prepared_free(p);
    fixture_close(&f);
}

/* ==== at once ==== */

/* Some run, some have values or other plans, one makes the session rest all the time: the same answers. */
typedef struct crowd {
    fixture *f;
    tn_tensor *want[4];
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
    const char *fetch = "y:0";
    for (int i = 0; i < 200; i++) {
        const int rows = i % 4 + 1;
        tn_tensor *x = numbers(rows, N, 77), *y = NULL, *w = NULL;
        if (tn_session_run(c->f->s, &(tn_feed){"x:0", x}, 1, &fetch, 1, &y, NULL, 0, &err) != TN_OK ||
            !tn_tensor_equal(y, c->want[rows - 1]))
            atomic_fetch_add(&c->wrong, 1);
        if (i % 10 == 0 && (tn_session_get(c->f->s, "w", &w, &err) != TN_OK || TN_FLOATS(w)[N * N / 2] == 0))
            atomic_fetch_add(&c->wrong, 1);
        tn_tensor_unref(w);
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
    open_products(&f);
    crowd c = {.f = &f};
    for (int i = 0; i < 4; i++) c.want[i] = product(&f, "y:0", i + 1);
    pthread_create(&rests, NULL, keep_resting, &c);
    for (int i = 0; i < 2; i++) pthread_create(&runs[i], NULL, keep_running, &c);
    for (int i = 0; i < 2; i++) pthread_join(runs[i], NULL);
    atomic_store(&c.stop, 1);
    pthread_join(rests, NULL);
    assert_int_equal(atomic_load(&c.wrong), 0);
    for (int i = 0; i < 4; i++) tn_tensor_unref(c.want[i]);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_once), cmocka_unit_test(test_contexts), cmocka_unit_test(test_looked_at),
                                       cmocka_unit_test(test_changed), cmocka_unit_test(test_scaled), cmocka_unit_test(test_ahead),
                                       cmocka_unit_test(test_scaled_while_it_works), cmocka_unit_test(test_factors_of_all_sizes),
                                       cmocka_unit_test(test_settled), cmocka_unit_test(test_ahead_within_its_room),
                                       cmocka_unit_test(test_many_at_once)};
    return cmocka_run_group_tests_name("shed", tests, NULL, NULL);
}
