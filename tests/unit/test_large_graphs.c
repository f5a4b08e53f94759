/* SPDX-License-Identifier: Apache-2.0
 * Graphs of very many nodes: a plan's memory grows with them, not with their square, and what is computed is right.
 */
#include "plan_test.h"

#include "format/format.h"
#include "plan/plan.h"
#include "wire/proto.h"

/* A graph given as text; the fixture's own goes. */
static void open_text(fixture *f, tn_buf *text)
{
    tn_arena *a = tn_arena_new(0);
    tn_GraphDef *def;
    tn_buf bytes = {0};
    assert_ok(tn_buf_check(text, &f->err), &f->err);
    assert_ok(TN_PARSE(GraphDef, ((tn_view){text->data, text->n}), a, &def, &f->err), &f->err);
    assert_ok(TN_ENCODE(GraphDef, def, &bytes, &f->err), &f->err);
    fixture_close(f);
    assert_ok(tn_graphdef_decode((tn_view){bytes.data, bytes.n}, &f->g, &f->err), &f->err);
    f->b = tn_builder_new(f->g);
    tn_buf_free(&bytes);
    tn_buf_free(text);
    tn_arena_free(a);
}

/* What the plan of y takes. */
static size_t plan_bytes(fixture *f)
{
    const char *y = "y:0";
    tn_store *store;
    tn_lowered *l;
    assert_ok(tn_store_new(1, &store, &f->err), &f->err);
    assert_ok(tn_lower(f->g, store, NULL, 0, &y, 1, NULL, 0, &l, &f->err), &f->err);
    size_t n = tn_arena_used(l->arena);
    tn_lowered_free(l);
    tn_store_free(store);
    return n;
}

static void check_y(fixture *f, double want)
{
    tn_tensor *y;
    assert_ok(fixture_run(f, "y:0", NULL, &y), &f->err);
    assert_true(tn_tensor_number(y, 0) == want);
    tn_tensor_unref(y);
}

static void test_many_controls(void **state)
{
    (void)state;
    enum { MANY = 8000 };
    fixture f;
    tn_buf text = {0};
    fixture_open(&f);
    for (int i = 0; i < MANY; i++) tn_buf_printf(&text, "node { name: 'n%d' op: 'NoOp' }\n", i);
    tn_buf_str(&text, "node { name: 'c' op: 'Const' attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'value' value { tensor { "
                      "dtype: DT_FLOAT tensor_shape { } float_val: 3 } } } }\n"
                      "node { name: 'y' op: 'Neg' input: 'c' attr { key: 'T' value { type: DT_FLOAT } }");
    for (int i = 0; i < MANY; i++) tn_buf_printf(&text, " input: '^n%d' input: '^n%d'", i, MANY - 1 - i);
    tn_buf_str(&text, " }\n");
    open_text(&f, &text);
    assert_in_range(plan_bytes(&f), 0, 32 << 20);
    check_y(&f, -3);
    fixture_close(&f);
}

/* One loop, which adds 1 three times to the value named `from`; its exit is "lI/x". */
static void put_loop(tn_buf *b, int i, const char *from)
{
    static const char *const nodes[] = {
        "e' op: 'Enter' input: 'FROM' attr { key: 'frame_name' value { s: 'NAME' } }",
        "z' op: 'Enter' input: 'zero' attr { key: 'frame_name' value { s: 'NAME' } }",
        "o' op: 'Enter' input: 'one' attr { key: 'frame_name' value { s: 'NAME' } } attr { key: 'is_constant' value { b: true } }",
        "t' op: 'Enter' input: 'three' attr { key: 'frame_name' value { s: 'NAME' } } attr { key: 'is_constant' value { b: true } }",
        "m' op: 'Merge' input: 'NAME/e' input: 'NAME/n' attr { key: 'N' value { i: 2 } }",
        "k' op: 'Merge' input: 'NAME/z' input: 'NAME/h' attr { key: 'N' value { i: 2 } }",
        "l' op: 'Less' input: 'NAME/k' input: 'NAME/t'", "s' op: 'Switch' input: 'NAME/m' input: 'NAME/c'",
        "w' op: 'Switch' input: 'NAME/k' input: 'NAME/c'", "a' op: 'AddV2' input: 'NAME/s:1' input: 'NAME/o'",
        "d' op: 'AddV2' input: 'NAME/w:1' input: 'NAME/o'", "n' op: 'NextIteration' input: 'NAME/a'",
        "h' op: 'NextIteration' input: 'NAME/d'", "x' op: 'Exit' input: 'NAME/s'"};
    char name[16];
    snprintf(name, sizeof name, "l%d", i);
    tn_buf_printf(b, "node { name: '%s/c' op: 'LoopCond' input: '%s/l' }\n", name, name);
    for (size_t k = 0; k < TN_COUNT(nodes); k++) {
        tn_buf_printf(b, "node { name: '%s/", name);
        for (const char *p = nodes[k]; *p;) {
            bool is_name = !strncmp(p, "NAME", 4), is_from = !strncmp(p, "FROM", 4);
            if (is_name || is_from) tn_buf_str(b, is_name ? name : from);
            else tn_buf_char(b, *p);
            p += is_name || is_from ? 4 : 1;
        }
        tn_buf_str(b, " attr { key: 'T' value { type: DT_FLOAT } } }\n");
    }
}

static void test_many_loops(void **state)
{
    (void)state;
    enum { MANY = 400 };
    static const char *const constants[] = {"zero", "one", "three"};
    fixture f;
    tn_buf text = {0};
    char from[24] = "zero";
    fixture_open(&f);
    for (int i = 0; i < 3; i++)
        tn_buf_printf(&text, "node { name: '%s' op: 'Const' attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'value' value { tensor { "
                             "dtype: DT_FLOAT tensor_shape { } float_val: %d } } } }\n", constants[i], i == 2 ? 3 : i);
    for (int i = 0; i < MANY; i++) {
        put_loop(&text, i, from);
        snprintf(from, sizeof from, "l%d/x", i);
    }
    tn_buf_printf(&text, "node { name: 'y' op: 'Neg' input: '%s' attr { key: 'T' value { type: DT_FLOAT } } }\n", from);
    open_text(&f, &text);
    assert_in_range(plan_bytes(&f), 0, 16 << 20);
    check_y(&f, -3 * MANY);
    fixture_close(&f);
}

/* Values of many sizes that are all alive at a time, and die in another order than they came. */
static void test_many_values(void **state)
{
    (void)state;
    enum { MANY = 300 };
    double want = 0;
    fixture f;
    tn_node made[MANY], sums[MANY];
    fixture_open(&f);
    tn_node x = tn_placeholder(f.b, "x", TN_FLOAT, TN_SHAPE(2)), axis = tn_scalar(f.b, TN_INT32, 0);
    for (int i = 0; i < MANY; i++) {
        tn_node more = tn_op(f.b, "Tile", TN_INPUTS(x, tn_ints(f.b, (int64_t[]){1 + i % 41}, 1)), TN_NO_ATTRS);
        made[i] = tn_op(f.b, "Cumsum", TN_INPUTS(more, axis), TN_NO_ATTRS);
    }
    for (int i = 0; i < MANY; i++) {
        const int k = i * 89 % MANY, n = 2 * (1 + k % 41);
        sums[i] = tn_op(f.b, "Sum", TN_INPUTS(tn_op(f.b, "Cumsum", TN_INPUTS(made[k], axis), TN_NO_ATTRS), axis), TN_NO_ATTRS);
        want += n * (n + 1) * (n + 2) / 6;
    }
    tn_op_named(f.b, "AddN", "y", sums, MANY, TN_ATTRS(tn_attr_int("N", MANY)));
    for (int m = 0; m < PLAN_MODES; m++) {
        fixture_session(&f, plan_mode(m));
        tn_tensor *ones = floats(TN_SHAPE(2), (float[]){1, 1});
        tn_tensor *y = run_fed(&f, &(tn_feed){"x:0", ones}, 1, "y:0");
        assert_true(fabs(tn_tensor_number(y, 0) - want) <= want * 1e-6);
        tn_tensor_unref(y);
        tn_tensor_unref(ones);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_controls),
        cmocka_unit_test(test_many_loops),
        cmocka_unit_test(test_many_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
