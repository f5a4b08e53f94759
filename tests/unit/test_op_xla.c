/* SPDX-License-Identifier: Apache-2.0
 * XlaGather, XlaPad, XlaDotV2 at their borders. Numbers that fit each other in all but one thing are refused, whether sizes are
 * known when the operation is added or only when it runs; what they give is told by the goldens of the family xla.
 */
#include "graph_fixture.h"

/* As XlaGather's dimension_numbers: bytes of an xla.GatherDimensionNumbers. */
#define NUMBERS(...)                                                           \
    (tn_attr)                                                                  \
    {                                                                          \
        .name = "dimension_numbers", .kind = TN_ATTR_STRING,                   \
        .s = {(const char[]){__VA_ARGS__}, sizeof((const char[]){__VA_ARGS__})} \
    }
enum { OFFSET = 0x08, COLLAPSED = 0x10, START = 0x18, VECTOR = 0x20, BATCHING = 0x28, INDEX_BATCHING = 0x30 };

static tn_node int64s(fixture *f, int64_t n, const int64_t *v)
{
    tn_tensor *t;
    const tn_shape s = TN_SHAPE(n);
    assert_ok(tn_tensor_new(TN_INT64, &s, &t, &f->err), &f->err);
    memcpy(t->data, v, (size_t)n * sizeof *v);
    tn_node node = tn_constant(f->b, NULL, t);
    tn_tensor_unref(t);
    return node;
}

static tn_tensor *counted(tn_dtype t, tn_shape s)
{
    tn_tensor *x;
    tn_error err;
    assert_ok(tn_tensor_new(t, &s, &x, &err), &err);
    for (int64_t i = 0; i < tn_tensor_count(x); i++)
        if (t == TN_FLOAT) TN_FLOATS(x)[i] = (float)i;
        else ((int32_t *)x->data)[i] = (int32_t)i;
    return x;
}

/* A gather of an operand by indices, both of any size when it is added if not `known`. */
static tn_code gather(tn_shape operand, tn_shape indices, tn_shape sizes, tn_attr numbers, bool known, tn_tensor **out,
                      tn_error *err)
{
    fixture f;
    fixture_open(&f);
    tn_shape any[] = {operand, indices};
    for (int i = 0; i < 2; i++)
        for (int k = 0; !known && k < any[i].rank; k++) any[i].dim[k] = -1;
    tn_tensor *x = counted(TN_FLOAT, operand), *at = counted(TN_INT32, indices);
    tn_node a = tn_placeholder(f.b, "x", TN_FLOAT, any[0]), b = tn_placeholder(f.b, "at", TN_INT32, any[1]);
    tn_op_named(f.b, "XlaGather", "y", TN_INPUTS(a, b, tn_ints(f.b, sizes.dim, sizes.rank)),
                TN_ATTRS(numbers, tn_attr_bool("indices_are_sorted", false)));
    tn_code code = tn_builder_check(f.b, err);
    if (code == TN_OK) {
        const char *fetch = "y:0";
        assert_ok(tn_session_new(f.g, NULL, &f.s, err), err);
        code = tn_session_run(f.s, (const tn_feed[]){{"x:0", x}, {"at:0", at}}, 2, &fetch, 1, out, NULL, 0, err);
    }
    tn_tensor_unref(x);
    tn_tensor_unref(at);
    fixture_close(&f);
    return code;
}

static void gather_refuses(tn_shape operand, tn_shape indices, tn_shape sizes, tn_attr numbers, const char *says)
{
    for (int known = 0; known < 2; known++) {
        tn_tensor *y;
        tn_error err = {0};
        assert_code(gather(operand, indices, sizes, numbers, known, &y, &err), TN_INVALID_ARGUMENT);
        assert_says(&err, says);
    }
}

static void test_batching_sizes_differ(void **state)
{
    (void)state;
    gather_refuses(TN_SHAPE(2, 3), TN_SHAPE(1000, 1), TN_SHAPE(1, 1),
                   NUMBERS(COLLAPSED, 1, START, 1, VECTOR, 1, BATCHING, 0, INDEX_BATCHING, 0),
                   "operand batching dims and indices batching dims to have the same size, got 2 and 1000");
}

static void test_a_start_in_a_batch(void **state)
{
    (void)state;
    gather_refuses(TN_SHAPE(5, 1), TN_SHAPE(5, 1), TN_SHAPE(1, 1),
                   NUMBERS(OFFSET, 1, START, 0, VECTOR, 1, BATCHING, 0, INDEX_BATCHING, 0), "do not fit an operand of rank 2");
}

/* Slices of nothing, collapsed: the result has elements that no operand gives. */
static void test_slices_of_nothing(void **state)
{
    (void)state;
    for (int64_t n = 0; n < 5; n += 4) {
        tn_tensor *y;
        tn_error err = {0};
        assert_ok(gather(TN_SHAPE(n), TN_SHAPE(5, 1), TN_SHAPE(0), NUMBERS(COLLAPSED, 0, START, 0, VECTOR, 1), true, &y, &err),
                  &err);
        assert_int_equal(tn_tensor_count(y), 5);
        for (int i = 0; i < 5; i++) assert_true(TN_FLOATS(y)[i] == 0);
        tn_tensor_unref(y);
    }
}

/* Distances of which nothing comes, as there is only one element, may be as large as they like. */
static void test_a_wide_interior(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_tensor *x = counted(TN_FLOAT, TN_SHAPE(1, 8)), *y;
    tn_node none = int64s(&f, 2, (int64_t[]){0, 0}), wide = int64s(&f, 2, (int64_t[]){INT64_C(1) << 60, 0});
    tn_op_named(f.b, "XlaPad", "y", TN_INPUTS(tn_constant(f.b, NULL, x), tn_scalar(f.b, TN_FLOAT, 9), none, none, wide),
                TN_NO_ATTRS);
    assert_ok(fixture_run(&f, "y:0", NULL, &y), &f.err);
    assert_true(tn_tensor_equal(x, y));
    tn_tensor_unref(x);
    tn_tensor_unref(y);
    fixture_close(&f);
}

/* Of a float and a wider integer: no digits are lost. */
static void test_mixed_product(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_tensor *x, *y;
    tn_shape one = TN_SHAPE(1);
    assert_ok(tn_tensor_new(TN_FLOAT, &one, &x, &f.err), &f.err);
    TN_FLOATS(x)[0] = 1.5F;
    tn_attr numbers = NUMBERS(0x08, 0, 0x10, 0); /* contracts dimension 0 of both */
    tn_op_named(f.b, "XlaDotV2", "y", TN_INPUTS(tn_constant(f.b, NULL, x), int64s(&f, 1, (int64_t[]){2})),
                TN_ATTRS(numbers, tn_attr_str("precision_config", ""), tn_attr_type("preferred_element_type", TN_FLOAT)));
    assert_ok(fixture_run(&f, "y:0", NULL, &y), &f.err);
    assert_true(TN_FLOATS(y)[0] == 3);
    tn_tensor_unref(x);
    tn_tensor_unref(y);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batching_sizes_differ), cmocka_unit_test(test_a_start_in_a_batch),
        cmocka_unit_test(test_slices_of_nothing), cmocka_unit_test(test_a_wide_interior), cmocka_unit_test(test_mixed_product)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
