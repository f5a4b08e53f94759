/* SPDX-License-Identifier: Apache-2.0
 * Data sets in graphs: what iterators remember between runs, what outlives what, and what hostile graphs ask
 * for. Which elements come is compared with TensorFlow's (golden_datasets).
 */
#include "graph_fixture.h"

static void refused(fixture *f, const char *fetch, const char *target, tn_code code, const char *says)
{
    tn_tensor *t;
    assert_code(fixture_run(f, fetch, target, &t), code);
    assert_says(&f->err, says);
}

/* The element is these numbers. */
static void gives(fixture *f, const char *fetch, int n, const int64_t *want)
{
    tn_tensor *t;
    assert_ok(fixture_run(f, fetch, NULL, &t), &f->err);
    assert_int_equal(tn_tensor_count(t), n);
    for (int i = 0; i < n; i++) assert_int_equal(tn_tensor_int(t, i), want[i]);
    tn_tensor_unref(t);
}

#define SHAPES                          \
    ((tn_attr){.name = "output_shapes", \
               .kind = TN_ATTR_SHAPE,   \
               .is_list = true,         \
               .n = 1,                  \
               .shapes = (tn_shape[]){tn_shape_unknown()}})
#define OF(type) tn_attr_types("output_types", (tn_dtype[]){type}, 1), SHAPES
#define NUMBERS OF(TN_INT64)

static tn_node number(tn_builder *b, int64_t v)
{
    return tn_scalar(b, TN_INT64, (double)v);
}

static tn_node range(tn_builder *b, int64_t n)
{
    return tn_op(b, "RangeDataset", TN_INPUTS(number(b, 0), number(b, n), number(b, 1)), TN_ATTRS(NUMBERS));
}

static tn_node with(tn_builder *b, const char *type, tn_node in, int64_t n)
{
    return tn_op(b, type, TN_INPUTS(in, number(b, n)), TN_ATTRS(NUMBERS));
}

static tn_node iterator(tn_builder *b, const char *name)
{
    return tn_op_named(b, "IteratorV2", name, TN_NO_INPUTS,
                       TN_ATTRS(tn_attr_str("shared_name", ""), tn_attr_str("container", ""), NUMBERS));
}

/* "init" makes the iterator begin over d, "next:0" is its next element. */
static void asked(tn_builder *b, tn_node d)
{
    tn_node it = iterator(b, "it");
    tn_add_operation(b, "MakeIterator", "init", TN_INPUTS(d, it), TN_NO_ATTRS);
    tn_op_named(b, "IteratorGetNext", "next", TN_INPUTS(it), TN_ATTRS(NUMBERS));
}

/* ==== between runs ==== */

static void test_iterator(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    asked(f.b, with(f.b, "BatchDataset", range(f.b, 5), 3));
    refused(&f, "next:0", NULL, TN_FAILED_PRECONDITION, "has not been initialized");
    for (int again = 0; again < 2; again++) {
        assert_ok(fixture_run(&f, NULL, "init", NULL), &f.err);
        gives(&f, "next:0", 3, (int64_t[]){0, 1, 2});
        gives(&f, "next:0", 2, (int64_t[]){3, 4});
        refused(&f, "next:0", NULL, TN_OUT_OF_RANGE, "End of sequence [[{{node next}}]]");
        refused(&f, "next:0", NULL, TN_OUT_OF_RANGE, "End of sequence");
    }
    assert_ok(fixture_run(&f, NULL, "init", NULL), &f.err); /* and stops in the middle */
    fixture_close(&f);
}

static void test_outlives_session(void **state)
{
    (void)state;
    fixture f;
    tn_tensor *d, *it;
    fixture_open(&f);
    tn_op_named(f.b, "RepeatDataset", "d", TN_INPUTS(range(f.b, 3), number(f.b, -1)), TN_ATTRS(NUMBERS));
    asked(f.b, (tn_node){tn_graph_operation(f.g, "d"), 0});
    assert_ok(fixture_run(&f, NULL, "init", NULL), &f.err);
    gives(&f, "next:0", 1, (int64_t[]){0});
    assert_ok(fixture_run(&f, "d:0", NULL, &d), &f.err);
    assert_ok(fixture_run(&f, "it:0", NULL, &it), &f.err);
    fixture_close(&f);
    tn_tensor_unref(it);
    tn_tensor_unref(d);
}

/* ==== what is no data set, or a large one ==== */

static void test_refused(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node map = tn_op(f.b, "EmptyTensorMap", TN_NO_INPUTS, TN_NO_ATTRS);
    tn_op_named(f.b, "TakeDataset", "of_map", TN_INPUTS(map, number(f.b, 1)), TN_ATTRS(NUMBERS));
    tn_op_named(f.b, "BatchDataset", "none", TN_INPUTS(range(f.b, 3), number(f.b, 0)), TN_ATTRS(NUMBERS));
    tn_op_named(f.b, "BatchDataset", "less", TN_INPUTS(range(f.b, 3), number(f.b, INT64_MIN)),
                TN_ATTRS(NUMBERS));
    tn_op_named(f.b, "ShuffleDataset", "shuffled",
                TN_INPUTS(range(f.b, 3), number(f.b, 0), number(f.b, 1), number(f.b, 2)), TN_ATTRS(NUMBERS));
    tn_op_named(f.b, "TensorSliceDataset", "scalar", TN_INPUTS(number(f.b, 3)),
                TN_ATTRS(tn_attr_types("Toutput_types", (tn_dtype[]){TN_INT64}, 1), SHAPES));
    tn_node texts =
        tn_op_named(f.b, "IteratorV2", "texts", TN_NO_INPUTS,
                    TN_ATTRS(tn_attr_str("shared_name", ""), tn_attr_str("container", ""), OF(TN_STRING)));
    tn_add_operation(f.b, "MakeIterator", "other", TN_INPUTS(range(f.b, 3), texts), TN_NO_ATTRS);
    refused(&f, "of_map:0", NULL, TN_INVALID_ARGUMENT, "does not represent a dataset");
    refused(&f, "none:0", NULL, TN_INVALID_ARGUMENT, "Batch size must be greater than zero");
    refused(&f, "less:0", NULL, TN_INVALID_ARGUMENT, "Batch size");
    refused(&f, "shuffled:0", NULL, TN_INVALID_ARGUMENT, "buffer_size must be greater than zero");
    refused(&f, "scalar:0", NULL, TN_INVALID_ARGUMENT, "1-dimensional");
    refused(&f, NULL, "other", TN_INVALID_ARGUMENT,
            "Data type mismatch at component 0: expected string but got int64");
    fixture_close(&f);
}

/* Memory is taken for what there is. */
static void test_large_sizes(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    const int64_t large = INT64_C(1) << 52; /* a double holds it */
    tn_node d = tn_op(f.b, "ShuffleDataset",
                      TN_INPUTS(range(f.b, 1), number(f.b, large), number(f.b, 1), number(f.b, 2)),
                      TN_ATTRS(NUMBERS));
    asked(f.b, with(f.b, "BatchDataset", with(f.b, "TakeDataset", with(f.b, "RepeatDataset", d, large), 4),
                    large));
    assert_ok(fixture_run(&f, NULL, "init", NULL), &f.err);
    gives(&f, "next:0", 4, (int64_t[]){0, 0, 0, 0});
    fixture_close(&f);
}

static void test_deep(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node d = range(f.b, 3);
    for (int i = 0; i < 100; i++) d = with(f.b, "TakeDataset", d, 2);
    asked(f.b, d);
    for (int i = 0; i < 200; i++) d = with(f.b, "TakeDataset", d, 2);
    tn_op_named(f.b, "TakeDataset", "deep", TN_INPUTS(d, number(f.b, 1)), TN_ATTRS(NUMBERS));
    assert_ok(fixture_run(&f, NULL, "init", NULL), &f.err);
    gives(&f, "next:0", 1, (int64_t[]){0});
    refused(&f, "deep:0", NULL, TN_INVALID_ARGUMENT, "nested deeper than");
    fixture_close(&f);
}

/* Each twice the one before. */
static void test_doubled(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node d = range(f.b, 3);
    for (int i = 0; i < 10; i++) d = tn_op(f.b, "ConcatenateDataset", TN_INPUTS(d, d), TN_ATTRS(NUMBERS));
    tn_op_named(f.b, "DatasetCardinality", "n", TN_INPUTS(d), TN_NO_ATTRS);
    for (int i = 0; i < 60; i++) d = tn_op(f.b, "ConcatenateDataset", TN_INPUTS(d, d), TN_ATTRS(NUMBERS));
    tn_op_named(f.b, "TakeDataset", "large", TN_INPUTS(d, number(f.b, 1)), TN_ATTRS(NUMBERS));
    gives(&f, "n:0", 1, (int64_t[]){3 << 10});
    refused(&f, "large:0", NULL, TN_RESOURCE_EXHAUSTED, "of more than 65536 others");
    fixture_close(&f);
}

/* ==== functions ==== */

static tn_node flat_map(tn_builder *b, tn_node in, const char *function)
{
    return tn_op(b, "FlatMapDataset", TN_INPUTS(in),
                 TN_ATTRS(tn_attr_func("f", function), tn_attr_types("Targuments", NULL, 0), NUMBERS));
}

/* x -> a data set whose elements come from the function itself. */
static void test_function_of_itself(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_builder *body = tn_builder_new(tn_function_graph(f.g));
    tn_function_arg(body, "x", TN_INT64, TN_SHAPE());
    tn_node again = flat_map(body, range(body, 1), "again");
    tn_function_define(f.b, "again", body, &again, 1);
    tn_builder_free(body);
    asked(f.b, flat_map(f.b, range(f.b, 1), "again"));
    assert_ok(fixture_run(&f, NULL, "init", NULL), &f.err);
    refused(&f, "next:0", NULL, TN_INVALID_ARGUMENT, "deep");
    fixture_close(&f);
}

static tn_node text(tn_builder *b, const char *v)
{
    tn_tensor *t;
    tn_error err;
    assert_ok(tn_tensor_new(TN_STRING, &TN_SHAPE(), &t, &err), &err);
    assert_ok(tn_string_set(t, 0, v, strlen(v), &err), &err);
    tn_node n = tn_constant(b, NULL, t);
    tn_tensor_unref(t);
    return n;
}

/* x -> the next element of the iterator that is being moved, found by its name. */
static void test_iterator_of_itself(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_builder *body = tn_builder_new(tn_function_graph(f.g));
    tn_function_arg(body, "x", TN_INT64, TN_SHAPE());
    tn_node it = tn_op(body, "IteratorFromStringHandle", TN_INPUTS(text(body, "iterator:it")), TN_NO_ATTRS);
    tn_node next = tn_op(body, "IteratorGetNext", TN_INPUTS(it), TN_ATTRS(NUMBERS));
    tn_function_define(f.b, "next_of", body, &next, 1);
    tn_builder_free(body);
    asked(f.b, tn_op(f.b, "MapDataset", TN_INPUTS(range(f.b, 2)),
                     TN_ATTRS(tn_attr_func("f", "next_of"), tn_attr_types("Targuments", NULL, 0), NUMBERS)));
    assert_ok(fixture_run(&f, NULL, "init", NULL), &f.err);
    refused(&f, "next:0", NULL, TN_INVALID_ARGUMENT, "moved by a function of its own data set");
    fixture_close(&f);
}

/* x, iterator -> x */
static tn_node given(tn_builder *b, tn_node iterator)
{
    return tn_op(b, "MapDataset", TN_INPUTS(range(b, 2), iterator),
                 TN_ATTRS(tn_attr_func("f", "first"),
                          tn_attr_types("Targuments", (tn_dtype[]){TN_RESOURCE}, 1), NUMBERS));
}

/* Iterators that would hold themselves, or each other, are not begun. */
static void test_circle(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_builder *body = tn_builder_new(tn_function_graph(f.g));
    tn_node x = tn_function_arg(body, "x", TN_INT64, TN_SHAPE());
    tn_function_arg(body, "it", TN_RESOURCE, (tn_shape){.rank = -1});
    tn_function_define(f.b, "first", body, &x, 1);
    tn_builder_free(body);
    tn_node a = iterator(f.b, "a"), b = iterator(f.b, "b"), both = tn_op(f.b, "Pack", TN_INPUTS(b, a), TN_NO_ATTRS);
    tn_add_operation(f.b, "MakeIterator", "among_others", TN_INPUTS(given(f.b, both), a), TN_NO_ATTRS);
    tn_add_operation(f.b, "MakeIterator", "itself", TN_INPUTS(given(f.b, a), a), TN_NO_ATTRS);
    tn_add_operation(f.b, "MakeIterator", "over_b", TN_INPUTS(given(f.b, b), a), TN_NO_ATTRS);
    tn_add_operation(f.b, "MakeIterator", "over_a", TN_INPUTS(with(f.b, "TakeDataset", given(f.b, a), 1), b),
                     TN_NO_ATTRS);
    refused(&f, NULL, "itself", TN_INVALID_ARGUMENT, "asks the iterator 'a'");
    refused(&f, NULL, "among_others", TN_INVALID_ARGUMENT, "asks the iterator 'a'");
    assert_ok(fixture_run(&f, NULL, "over_b", NULL), &f.err);
    refused(&f, NULL, "over_a", TN_INVALID_ARGUMENT, "asks the iterator 'b'");
    fixture_close(&f);
}

/* A function of other arguments, and of other results, than it is used for. */
static void test_wrong_function(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_builder *body = tn_builder_new(tn_function_graph(f.g));
    tn_function_arg(body, "x", TN_FLOAT, TN_SHAPE());
    tn_node y = tn_scalar(body, TN_FLOAT, 1);
    tn_function_define(f.b, "of_floats", body, &y, 1);
    tn_builder_free(body);
    asked(f.b,
          tn_op(f.b, "MapDataset", TN_INPUTS(range(f.b, 2)),
                TN_ATTRS(tn_attr_func("f", "of_floats"), tn_attr_types("Targuments", NULL, 0), NUMBERS)));
    assert_ok(fixture_run(&f, NULL, "init", NULL), &f.err);
    refused(&f, "next:0", NULL, TN_INVALID_ARGUMENT, "float");
    fixture_close(&f);
}

/* ==== memory that ends ==== */

static tn_code all_of_it(fixture *f, int64_t fail_at)
{
    tn_tensor *t = NULL;
    tn_malloc_fail_at(fail_at);
    const char *init = "init", *next = "next:0";
    tn_code code = tn_session_new(f->g, NULL, &f->s, &f->err);
    if (code == TN_OK) code = tn_session_run(f->s, NULL, 0, NULL, 0, NULL, &init, 1, &f->err);
    if (code == TN_OK) code = tn_session_run(f->s, NULL, 0, &next, 1, &t, NULL, 0, &f->err);
    tn_malloc_fail_at(0);
    tn_tensor_unref(t);
    tn_session_free(f->s);
    f->s = NULL;
    return code;
}

static void test_no_memory(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_builder *body = tn_builder_new(tn_function_graph(f.g));
    tn_node x = tn_function_arg(body, "x", TN_INT64, TN_SHAPE());
    tn_node y = tn_op(body, "AddV2", TN_INPUTS(x, x), TN_NO_ATTRS);
    tn_function_define(f.b, "twice", body, &y, 1);
    tn_builder_free(body);
    tn_node d =
        tn_op(f.b, "ShuffleDataset", TN_INPUTS(range(f.b, 4), number(f.b, 3), number(f.b, 1), number(f.b, 2)),
              TN_ATTRS(NUMBERS));
    d = tn_op(f.b, "MapDataset", TN_INPUTS(d),
              TN_ATTRS(tn_attr_func("f", "twice"), tn_attr_types("Targuments", NULL, 0), NUMBERS));
    asked(f.b, with(f.b, "RepeatDataset", with(f.b, "BatchDataset", d, 2), 2));
    assert_ok(tn_builder_check(f.b, &f.err), &f.err);
    int64_t n = 1;
    for (tn_code code = TN_RESOURCE_EXHAUSTED; code != TN_OK && n < 20000; n++)
        if ((code = all_of_it(&f, n)) != TN_OK) assert_int_equal(code, TN_RESOURCE_EXHAUSTED);
    assert_true(n > 100 && n < 20000);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_iterator),
        cmocka_unit_test(test_outlives_session),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_large_sizes),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_function_of_itself),
        cmocka_unit_test(test_iterator_of_itself),
        cmocka_unit_test(test_wrong_function),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_circle),
        cmocka_unit_test(test_doubled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
