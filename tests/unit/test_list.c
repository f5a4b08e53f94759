/* SPDX-License-Identifier: Apache-2.0
 *
 * test_list.c - lists of tensors: the tree, and TensorFlow's operators on them, run with all passes on and
 * off.
 */
#include "graph_fixture.h"

#include "ops/list.h"

/* ==== the tree ==== */

static tn_tensor *number(double v)
{
    tn_tensor *t = NULL;
    assert_int_equal(tn_tensor_scalar(TN_FLOAT, v, &t, NULL), TN_OK);
    return t;
}

static tn_list *push(tn_list *l, double v)
{
    tn_tensor *t = number(v);
    tn_list *r = tn_list_with(l, l->n, t);
    assert_non_null(r);
    tn_tensor_unref(t);
    tn_variant_unref(&l->head);
    return r;
}

static double at(const tn_list *l, int64_t i)
{
    const tn_tensor *t = tn_list_at(l, i);
    return t ? tn_tensor_number(t, 0) : -1;
}

static void lists_grow_and_shrink(void **state)
{
    (void)state;
    enum { N = 2100 }; /* three levels */
    tn_list *l = tn_list_new(TN_FLOAT, &TN_SHAPE(), -1, 0);
    for (int i = 0; i < N; i++) l = push(l, i);
    assert_int_equal(l->n, N);
    for (int i = 0; i < N; i++) assert_true(at(l, i) == i);
    tn_list *half = tn_list_resized(l, N / 2), *wide = tn_list_resized(half, 40000);
    assert_int_equal(half->n, N / 2);
    assert_true(at(l, N - 1) == N - 1); /* the old one is as it was */
    assert_true(at(wide, N / 2 - 1) == N / 2 - 1);
    assert_null(tn_list_at(wide, N / 2)); /* what was cut off does not come back */
    assert_null(tn_list_at(wide, 39999));
    tn_variant_unref(&l->head);
    tn_variant_unref(&half->head);
    tn_variant_unref(&wide->head);
}

static void a_change_makes_a_new_list(void **state)
{
    (void)state;
    tn_list *l = tn_list_new(TN_FLOAT, &TN_SHAPE(), -1, 100);
    tn_tensor *t = number(7);
    tn_list *m = tn_list_with(l, 50, t), *far = tn_list_with(l, 1000000, t);
    assert_null(tn_list_at(l, 50));
    assert_true(at(m, 50) == 7);
    assert_null(tn_list_at(m, 51));
    assert_int_equal(far->n, 1000001);
    assert_true(at(far, 1000000) == 7);
    assert_int_equal(atomic_load(&t->refs), 3);
    tn_variant_unref(&m->head);
    tn_variant_unref(&far->head);
    assert_int_equal(atomic_load(&t->refs), 1);
    tn_variant_unref(&l->head);
    tn_tensor_unref(t);
}

static void no_memory(void **state)
{
    (void)state;
    for (int64_t k = 1;; k++) {
        tn_list *l = tn_list_new(TN_FLOAT, &TN_SHAPE(), -1, 0);
        for (int i = 0; i < 40; i++) l = push(l, i);
        tn_tensor *t = number(1);
        tn_malloc_fail_at(k);
        tn_list *m = tn_list_with(l, 1500, t);
        tn_malloc_fail_at(0);
        bool done = m != NULL;
        if (m) tn_variant_unref(&m->head);
        assert_int_equal(atomic_load(&t->refs), 1);
        assert_true(at(l, 39) == 39);
        tn_variant_unref(&l->head);
        tn_tensor_unref(t);
        if (done) break;
    }
}

/* ==== the operators ==== */

static tn_node list_op(fixture *f, const char *type, const tn_node *in, int n)
{
    return tn_op(f->b, type, in, n, TN_ATTRS(tn_attr_type("element_dtype", TN_FLOAT)));
}

static tn_node int_node(fixture *f, int64_t v)
{
    return tn_scalar(f->b, TN_INT32, (double)v);
}

static tn_node pair(fixture *f, float a, float b)
{
    tn_tensor *t = NULL;
    assert_int_equal(tn_tensor_of(TN_FLOAT, &TN_SHAPE(2), (float[]){a, b}, &t, NULL), TN_OK);
    tn_node n = tn_constant(f->b, "pair", t);
    tn_tensor_unref(t);
    return n;
}

static tn_code run(fixture *f, tn_node n, unsigned passes_off, tn_tensor **out)
{
    char name[200];
    const char *fetch = name;
    tn_session *s = NULL;
    tn_session_options o = {.threads = 1, .passes_off = passes_off};
    assert_ok(tn_builder_check(f->b, &f->err), &f->err);
    snprintf(name, sizeof name, "%s:%d", n.op->name, n.index);
    assert_ok(tn_session_new(f->g, &o, &s, &f->err), &f->err);
    tn_code code = tn_session_run(s, NULL, 0, &fetch, 1, out, NULL, 0, &f->err);
    tn_session_free(s);
    return code;
}

static void gives(fixture *f, tn_node n, tn_shape shape, const double *v)
{
    for (int mode = 0; mode < 2; mode++) {
        tn_tensor *t = NULL;
        assert_ok(run(f, n, mode ? TN_ALL_PASSES : 0, &t), &f->err);
        assert_true(tn_shape_equal(tn_tensor_shape(t), &shape));
        for (int64_t i = 0; i < tn_tensor_count(t); i++) assert_true(tn_tensor_number(t, i) == v[i]);
        tn_tensor_unref(t);
    }
}

static void fails(fixture *f, tn_node n, const char *word)
{
    for (int mode = 0; mode < 2; mode++) {
        tn_tensor *t = NULL;
        assert_code(run(f, n, mode ? TN_ALL_PASSES : 0, &t), TN_INVALID_ARGUMENT);
        assert_says(&f->err, word);
    }
}

static tn_node empty(fixture *f, int64_t most)
{
    return list_op(f, "EmptyTensorList", (tn_node[]){tn_ints(f->b, (int64_t[]){2}, 1), int_node(f, most)}, 2);
}

static void push_and_pop(void **state)
{
    fixture *f = *state;
    tn_node shape = tn_ints(f->b, (int64_t[]){-1}, 1);
    tn_node one = list_op(f, "TensorListPushBack", (tn_node[]){empty(f, -1), pair(f, 1, 2)}, 2);
    tn_node two = list_op(f, "TensorListPushBack", (tn_node[]){one, pair(f, 3, 4)}, 2);
    tn_node pop = list_op(f, "TensorListPopBack", (tn_node[]){two, shape}, 2);
    gives(f, tn_output_of(pop.op, 1), TN_SHAPE(2), (double[]){3, 4});
    gives(f, tn_op(f->b, "TensorListLength", TN_INPUTS(pop), TN_NO_ATTRS), TN_SHAPE(), (double[]){1});
    gives(f, tn_op(f->b, "TensorListLength", TN_INPUTS(two), TN_NO_ATTRS), TN_SHAPE(), (double[]){2});
    gives(f, list_op(f, "TensorListStack", (tn_node[]){two, shape}, 2), TN_SHAPE(2, 2),
          (double[]){1, 2, 3, 4});
    tn_node again = list_op(f, "TensorListPopBack", (tn_node[]){pop, shape}, 2);
    tn_node never = list_op(f, "TensorListPopBack", (tn_node[]){again, shape}, 2);
    fails(f, tn_output_of(never.op, 1), "empty list");
    tn_node full = list_op(f, "TensorListPushBack", (tn_node[]){empty(f, 0), pair(f, 1, 2)}, 2);
    fails(f, tn_op(f->b, "TensorListLength", TN_INPUTS(full), TN_NO_ATTRS), "full list");
    tn_node odd = list_op(f, "TensorListPushBack", (tn_node[]){one, tn_scalar(f->b, TN_FLOAT, 1)}, 2);
    fails(f, tn_op(f->b, "TensorListLength", TN_INPUTS(odd), TN_NO_ATTRS), "incompatible shape");
}

static void elements(void **state)
{
    fixture *f = *state;
    tn_node shape = tn_ints(f->b, (int64_t[]){2}, 1), any = int_node(f, -1);
    tn_node l = list_op(f, "TensorListReserve", (tn_node[]){any, int_node(f, 3)}, 2);
    tn_node s = list_op(f, "TensorListSetItem", (tn_node[]){l, int_node(f, 1), pair(f, 5, 6)}, 3);
    gives(f, list_op(f, "TensorListGetItem", (tn_node[]){s, int_node(f, 1), any}, 3), TN_SHAPE(2),
          (double[]){5, 6});
    gives(f, list_op(f, "TensorListGetItem", (tn_node[]){s, int_node(f, 0), any}, 3), TN_SHAPE(2),
          (double[]){0, 0});
    gives(f, list_op(f, "TensorListStack", (tn_node[]){s, shape}, 2), TN_SHAPE(3, 2),
          (double[]){0, 0, 5, 6, 0, 0});
    fails(f, list_op(f, "TensorListGetItem", (tn_node[]){s, int_node(f, 3), any}, 3), "element 3");
    fails(f, list_op(f, "TensorListGetItem", (tn_node[]){s, int_node(f, -1), any}, 3), "element -1");
    fails(f, list_op(f, "TensorListGetItem", (tn_node[]){l, int_node(f, 0), any}, 3), "not fully defined");
    fails(f, list_op(f, "TensorListStack", (tn_node[]){l, any}, 2), "non-fully-defined");
    tn_node bad = list_op(f, "TensorListReserve", (tn_node[]){any, int_node(f, -2)}, 2);
    fails(f, tn_op(f->b, "TensorListLength", TN_INPUTS(bad), TN_NO_ATTRS), "non negative");
    tn_node small = tn_op(f->b, "TensorListResize", TN_INPUTS(s, int_node(f, 1)), TN_NO_ATTRS);
    gives(f, tn_op(f->b, "TensorListLength", TN_INPUTS(small), TN_NO_ATTRS), TN_SHAPE(), (double[]){1});
    tn_node huge = list_op(f, "TensorListReserve", (tn_node[]){shape, int_node(f, INT32_MAX)}, 2);
    gives(f, tn_op(f->b, "TensorListLength", TN_INPUTS(huge), TN_NO_ATTRS), TN_SHAPE(),
          (double[]){INT32_MAX});
}

static void lists_of_lists(void **state)
{
    fixture *f = *state;
    tn_node any = int_node(f, -1), l = empty(f, -1);
    tn_attr v = tn_attr_type("element_dtype", TN_VARIANT);
    for (int depth = 1; depth < 70; depth++) {
        tn_node outer = tn_op(f->b, "EmptyTensorList", TN_INPUTS(any, any), TN_ATTRS(v));
        if (depth == 3) {
            tn_node in = tn_op(f->b, "TensorListPushBack", TN_INPUTS(outer, l), TN_ATTRS(v));
            tn_node pop = tn_op(f->b, "TensorListPopBack", TN_INPUTS(in, any), TN_ATTRS(v));
            gives(f, tn_op(f->b, "TensorListLength", TN_INPUTS(tn_output_of(pop.op, 1)), TN_NO_ATTRS),
                  TN_SHAPE(), (double[]){1});
        }
        l = tn_op(f->b, "TensorListPushBack", TN_INPUTS(outer, l), TN_ATTRS(v));
    }
    fails(f, tn_op(f->b, "TensorListLength", TN_INPUTS(l), TN_NO_ATTRS), "nested deeper");
}

static void from_a_tensor(void **state)
{
    fixture *f = *state;
    tn_node both = tn_op(f->b, "Pack", TN_INPUTS(pair(f, 1, 2), pair(f, 3, 4)), TN_NO_ATTRS);
    tn_node shape = tn_ints(f->b, (int64_t[]){2}, 1), wrong = tn_ints(f->b, (int64_t[]){3}, 1);
    tn_node l = list_op(f, "TensorListFromTensor", (tn_node[]){both, shape}, 2);
    gives(f, list_op(f, "TensorListGetItem", (tn_node[]){l, int_node(f, 1), shape}, 3), TN_SHAPE(2),
          (double[]){3, 4});
    gives(f, list_op(f, "TensorListStack", (tn_node[]){l, shape}, 2), TN_SHAPE(2, 2), (double[]){1, 2, 3, 4});
    tn_attr t = tn_attr_type("shape_type", TN_INT64);
    gives(f, tn_op(f->b, "TensorListElementShape", TN_INPUTS(l), TN_ATTRS(t)), TN_SHAPE(1), (double[]){2});
    tn_node w = list_op(f, "TensorListFromTensor", (tn_node[]){both, wrong}, 2);
    fails(f, tn_op(f->b, "TensorListLength", TN_INPUTS(w), TN_NO_ATTRS), "incompatible shape");
    tn_node scalar = list_op(f, "TensorListFromTensor", (tn_node[]){tn_scalar(f->b, TN_FLOAT, 1), shape}, 2);
    fails(f, tn_op(f->b, "TensorListLength", TN_INPUTS(scalar), TN_NO_ATTRS), "at least a vector");
    fails(f,
          tn_op(f->b, "TensorListStack", TN_INPUTS(l, shape),
                TN_ATTRS(tn_attr_type("element_dtype", TN_INT32))),
          "Invalid data types");
    gives(f, tn_op(f->b, "TensorListLength", TN_INPUTS(tn_zeros_like(f->b, l)), TN_NO_ATTRS), TN_SHAPE(),
          (double[]){2});
    tn_node sum = tn_op(f->b, "AddN", TN_INPUTS(l, l, tn_zeros_like(f->b, l)), TN_NO_ATTRS);
    gives(f, list_op(f, "TensorListStack", (tn_node[]){sum, shape}, 2), TN_SHAPE(2, 2),
          (double[]){2, 4, 6, 8});
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_grow_and_shrink),
        cmocka_unit_test(a_change_makes_a_new_list),
        cmocka_unit_test(no_memory),
        TEST(push_and_pop),
        TEST(elements),
        TEST(from_a_tensor),
        TEST(lists_of_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
