/* SPDX-License-Identifier: Apache-2.0
 *
 * test_asking.c - questions to signatures: outputs that are wanted, defaults, dtypes, and where they are run.
 */
#include <sched.h>

#include "served_model.h"
#include "serve/asking.h"

static const tn_asker *asker(const tn_servable *s, const char *signature)
{
    const tn_asker *a = tn_askers_named(s->askers, tn_view_of(signature));
    assert_non_null(a);
    return a;
}

static tn_tensor *number(float v)
{
    return floats(&TN_SHAPE(1, 1), &v);
}

/* ==== signatures ==== */

static void test_signatures(void **state)
{
    tn_servable *s = load_served(state, false);
    assert_int_equal(tn_askers_count(s->askers), 11);
    assert_null(tn_askers_named(s->askers, TN_VIEW("nothing")));
    assert_null(tn_askers_named(s->askers, TN_VIEW("scal")));
    assert_string_equal(tn_askers_named(s->askers, TN_VIEW(""))->signature->name, "serving_default");
    const tn_asker *a = asker(s, "with_default");
    assert_int_equal(a->n_defaults, 1);
    assert_null(a->defaults[0]);
    assert_true(TN_FLOATS(a->defaults[1])[0] == 10);
    assert_int_equal(a->fed[0], TN_FLOAT);
    for (int i = 0; i < tn_askers_count(s->askers); i++) assert_int_equal(tn_askers_at(s->askers, i)->index, i);
    tn_servable_unref(s);
}

/* ==== questions ==== */

static void test_wanted(void **state)
{
    tn_error err;
    tn_servable *s = load_served(state, false);
    tn_tensor *a = number(2), *b = number(3), *out[2];
    const tn_tensor *in[] = {a, b};
    for (int first = 0; first < 2; first++) {
        tn_ask q = {.servable = s, .asker = asker(s, ""), .in = in, .wanted = &first, .n_wanted = 1, .out = out};
        assert_ok(tn_ask_run(&q, &err), &err);
        assert_true(TN_FLOATS(out[0])[0] == (first ? 5 : 6));
        tn_tensor_unref(out[0]);
    }
    tn_ask all = {.servable = s, .asker = asker(s, ""), .in = in, .n_wanted = 2, .out = out};
    assert_ok(tn_ask_run(&all, &err), &err);
    assert_true(TN_FLOATS(out[0])[0] == 6 && TN_FLOATS(out[1])[0] == 5);
    tn_tensor_unref(out[0]);
    tn_tensor_unref(out[1]);
    tn_tensor_unref(a);
    tn_tensor_unref(b);
    tn_servable_unref(s);
}

/* Beyond so many, all outputs are computed and those wanted picked. */
static void test_many_choices(void **state)
{
    tn_error err;
    tn_choice *c;
    tn_servable *s = load_served(state, false);
    const tn_asker *q = asker(s, "");
    int keys[TN_MOST_CHOICES + 1], made = 0;
    for (int i = 0; i <= TN_MOST_CHOICES; i++) {
        keys[i] = tn_choice_key(q->index, 0);
        assert_ok(tn_choice_get(q, keys, i + 1, &c, &err), &err);
        made += c != NULL;
    }
    assert_int_equal(made, TN_MOST_CHOICES);
    assert_ok(tn_choice_get(q, keys, 3, &c, &err), &err);
    assert_int_equal(c->n, 3);
    tn_tensor *a = number(2), *b = number(3), *out[1];
    const tn_tensor *in[] = {a, b};
    const int second = 1;
    tn_ask ask = {.servable = s, .asker = q, .in = in, .wanted = &second, .n_wanted = 1, .out = out};
    assert_ok(tn_ask_run(&ask, &err), &err);
    assert_true(TN_FLOATS(out[0])[0] == 5);
    tn_tensor_unref(out[0]);
    tn_tensor_unref(a);
    tn_tensor_unref(b);
    tn_servable_unref(s);
}

static void test_inputs(void **state)
{
    tn_error err;
    tn_servable *s = load_served(state, false);
    tn_tensor *a = number(2), *wrong, *out[2];
    const tn_tensor *in[] = {a, NULL};
    tn_ask q = {.servable = s, .asker = asker(s, "with_default"), .in = in, .n_wanted = 1, .out = out};
    assert_ok(tn_ask_run(&q, &err), &err);
    assert_true(TN_FLOATS(out[0])[0] == 12);
    tn_tensor_unref(out[0]);
    in[1] = NULL;
    q.asker = asker(s, "");
    assert_code(tn_ask_run(&q, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "neither a value nor a default");
    assert_ok(tn_tensor_scalar(TN_INT64, 1, &wrong, &err), &err);
    in[1] = wrong;
    assert_code(tn_ask_run(&q, &err), TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, "Expects arg[1] to be float but int64 is provided");
    tn_tensor_unref(wrong);
    tn_tensor_unref(a);
    tn_servable_unref(s);
}

static void test_limits(void **state)
{
    tn_error err;
    tn_servable *s = load_served(state, false);
    tn_tensor *x = number(2), *out[1];
    const tn_tensor *in[] = {x};
    atomic_int cancel = 1;
    tn_ask q = {.servable = s, .asker = asker(s, "scale"), .in = in, .n_wanted = 1, .out = out, .cancel = &cancel};
    assert_code(tn_ask_may_go_on(&q, &err), TN_CANCELLED);
    assert_code(tn_ask_run(&q, &err), TN_CANCELLED);
    q.cancel = NULL;
    q.deadline = 1;
    assert_code(tn_ask_may_go_on(&q, &err), TN_DEADLINE_EXCEEDED);
    assert_code(tn_ask_run(&q, &err), TN_DEADLINE_EXCEEDED);
    tn_tensor_unref(x);
    tn_servable_unref(s);
}

static void test_words(void **state)
{
    (void)state;
    tn_error err;
    tn_fail(&err, TN_INVALID_ARGUMENT, "bad [[{{node A}}]] [[{{node B}}]]");
    tn_ask_words(&err);
    assert_string_equal(err.message, "bad\n\t [[{{node A}}]]\n\t [[{{node B}}]]");
    tn_ask_words(&err);
    assert_string_equal(err.message, "bad\n\t [[{{node A}}]]\n\t [[{{node B}}]]");
    memset(err.message, 'x', sizeof err.message);
    memcpy(err.message + sizeof err.message - 16, " [[{{node A}}]]", 16);
    tn_ask_words(&err); /* no room for more: it stays */
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    tn_ask_words(NULL);
}

/* ==== where ==== */

static void test_hysteresis(void **state)
{
    (void)state;
    tn_choice *c = tn_calloc(1, sizeof *c);
    assert_false(atomic_load(&c->is_short[3])); /* not known */
    tn_choice_measured(c, 3, 3000);
    assert_false(atomic_load(&c->is_short[3]));
    for (int i = 0; i < 8; i++) tn_choice_measured(c, 3, 100);
    assert_true(atomic_load(&c->is_short[3]));
    assert_false(atomic_load(&c->is_short[4]));
    tn_choice_measured(c, 3, 1000000); /* once is no rule */
    assert_true(atomic_load(&c->is_short[3]));
    for (int i = 0; i < 100; i++) tn_choice_measured(c, 3, 200); /* between the two thresholds it stays what it was */
    assert_true(atomic_load(&c->is_short[3]));
    for (int i = 0; i < 100; i++) tn_choice_measured(c, 3, 400);
    assert_false(atomic_load(&c->is_short[3]));
    for (int i = 0; i < 100; i++) tn_choice_measured(c, 3, 200);
    assert_false(atomic_load(&c->is_short[3]));
    tn_free(c);
}

typedef struct place_of_run {
    pthread_t thread;
    tn_code code;
    atomic_int done;
} place_of_run;

static void note(tn_ask *a, tn_code code, tn_error *err)
{
    place_of_run *p = a->payload;
    (void)err;
    p->thread = pthread_self();
    p->code = code;
    atomic_store(&p->done, 1);
}

static bool runs_here(tn_servable *s, tn_pool *pool, tn_tensor *x)
{
    tn_tensor *out[1] = {NULL};
    const tn_tensor *in[] = {x};
    place_of_run p = {.done = 0};
    tn_ask q = {.servable = s, .asker = asker(s, "scale"), .in = in, .n_wanted = 1, .out = out, .done = note, .payload = &p};
    tn_ask_start(&q, pool);
    while (!atomic_load(&p.done)) sched_yield();
    assert_int_equal(p.code, TN_OK);
    assert_true(TN_FLOATS(out[0])[0] == 2 * TN_FLOATS(x)[0]);
    tn_tensor_unref(out[0]);
    return pthread_equal(p.thread, pthread_self());
}

static void test_where(void **state)
{
    tn_error err;
    tn_pool *pool;
    tn_choice *c;
    assert_ok(tn_pool_new(1, 0, &pool, &err), &err);
    tn_servable *s = load_served(state, false);
    tn_tensor *x = number(4), *large = floats(&TN_SHAPE(64, 1), (float[64]){4});
    assert_false(runs_here(s, pool, x)); /* it was never measured */
    const tn_tensor *in[] = {x};
    tn_ask q = {.servable = s, .asker = asker(s, "scale"), .in = in, .n_wanted = 1};
    assert_ok(tn_ask_ready(&q, &err), &err);
    c = q.choice;
    for (int i = 0; i < 50; i++) tn_choice_measured(c, tn_ask_size(in, 1), 1);
    assert_true(runs_here(s, pool, x));
    assert_false(runs_here(s, pool, large)); /* nor was this */
    assert_true(runs_here(s, NULL, large));
    tn_pool_free(pool);
    tn_tensor_unref(x);
    tn_tensor_unref(large);
    tn_servable_unref(s);
}

/* A quick run of a loop does not tell that the next is quick. */
static void test_loops_are_not_short(void **state)
{
    static const char *const names[] = {"branch", "collatz"};
    tn_error err;
    tn_servable *s;
    tn_servable_options o = {
        .model = "m", .version = 1, .path = golden(state, "models/module_control_flow/saved_model/1")};
    assert_ok(tn_servable_load(&o, &s, &err), &err);
    tn_tensor *one, *x = floats(&TN_SHAPE(1), (float[]){1});
    assert_ok(tn_tensor_new(TN_INT32, &TN_SHAPE(1), &one, &err), &err);
    *(int32_t *)one->data = 1;
    for (int i = 0; i < 2; i++) {
        tn_tensor *out[2] = {NULL};
        const tn_tensor *in[] = {i ? one : x};
        tn_ask q = {.servable = s, .asker = asker(s, names[i]), .in = in, .n_wanted = i ? 1 : 2, .out = out};
        assert_ok(tn_ask_run(&q, &err), &err);
        for (int k = 0; k < 50; k++) tn_choice_measured(q.choice, tn_ask_size(in, 1), 1);
        assert_int_equal(tn_ask_is_short(&q), i == 0);
        for (int k = 0; k < 2; k++) tn_tensor_unref(out[k]);
    }
    tn_tensor_unref(one);
    tn_tensor_unref(x);
    tn_servable_unref(s);
}

/* ==== teams ==== */

static void test_teams(void **state)
{
    (void)state;
    assert_int_equal(tn_team_for(8, 0), 1); /* not known, or short */
    assert_int_equal(tn_team_for(8, 999), 1);
    assert_int_equal(tn_team_for(8, 1000), 2);
    assert_int_equal(tn_team_for(8, 1000000), 8);
    assert_int_equal(tn_team_for(7, 1000000), 4);
    assert_int_equal(tn_team_for(1, 1000000), 1);
    assert_int_equal(tn_team_for(1000, 1000000), 16);
}

static void test_run_by_a_team(void **state)
{
    tn_error err;
    tn_pool *pool;
    assert_ok(tn_pool_new(2, 0, &pool, &err), &err);
    tn_servable *s = load_served(state, false);
    tn_tensor *x = number(4), *out[1];
    const tn_tensor *in[] = {x};
    s->team = 2;
    for (int i = 0; i < 4; i++) {
        place_of_run p = {.done = 0};
        tn_ask q = {.servable = s, .asker = asker(s, "scale"), .in = in, .n_wanted = 1, .out = out, .done = note, .payload = &p};
        assert_ok(tn_ask_ready(&q, &err), &err);
        for (int k = 0; i && k < 100; k++) tn_choice_measured(q.choice, tn_ask_size(in, 1), 1000000); /* so it seems */
        tn_ask_start(&q, pool);
        while (!atomic_load(&p.done)) sched_yield();
        assert_int_equal(p.code, TN_OK);
        assert_true(TN_FLOATS(out[0])[0] == 8);
        if (i) assert_in_range(q.team, 1, 2); /* 2 where the other thread has begun to wait */
        tn_tensor_unref(out[0]);
    }
    tn_pool_free(pool);
    tn_tensor_unref(x);
    tn_servable_unref(s);
}

static void test_refused_at_start(void **state)
{
    tn_servable *s = load_served(state, false);
    const tn_tensor *in[] = {NULL};
    place_of_run p = {.done = 0};
    tn_ask q = {.servable = s, .asker = asker(s, "scale"), .in = in, .n_wanted = 1, .done = note, .payload = &p};
    tn_ask_start(&q, NULL);
    assert_int_equal(atomic_load(&p.done), 1);
    assert_int_equal(p.code, TN_INVALID_ARGUMENT);
    tn_servable_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_signatures), TEST(test_wanted),     TEST(test_many_choices), TEST(test_inputs),
        TEST(test_limits),     TEST(test_words),      TEST(test_hysteresis),   TEST(test_where),
        TEST(test_loops_are_not_short), TEST(test_teams),      TEST(test_run_by_a_team),
        TEST(test_refused_at_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
