/* SPDX-License-Identifier: Apache-2.0
 *
 * test_attr.c - attributes: look-up by kind, deep copies, counted tensors, equality.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "graph/graph.h"

static void look_up_minds_the_kind(void **state)
{
    (void)state;
    int64_t list[] = {3, 4};
    tn_attr v[] = {tn_attr_int("i", 7),        tn_attr_float("f", 2.5f),
                   tn_attr_bool("b", true),    tn_attr_type("t", TN_HALF),
                   tn_attr_str("s", "SAME"),   tn_attr_ints("l", list, 2),
                   tn_attr_func("fn", "body"), tn_attr_shape("sh", TN_SHAPE(2, -1))};
    tn_attrs a = {v, TN_COUNT(v)};
    int64_t i = 0;
    float f = 0;
    tn_shape shape;
    const int64_t *ints = NULL;
    assert_true(tn_attr_get_int(&a, "i", &i));
    assert_int_equal(i, 7);
    assert_false(tn_attr_get_int(&a, "f", &i));
    assert_false(tn_attr_get_int(&a, "l", &i)); /* a list is not a number */
    assert_false(tn_attr_get_float(&a, "none", &f));
    assert_int_equal(tn_attr_i(&a, "none"), 0);
    assert_true(tn_attr_b(&a, "b"));
    assert_int_equal(tn_attr_t(&a, "t"), TN_HALF);
    assert_true(tn_attr_is(&a, "s", "SAME"));
    assert_false(tn_attr_is(&a, "s", "SAM"));
    assert_int_equal(tn_attr_list(&a, "l", &ints), 2);
    assert_int_equal(ints[1], 4);
    assert_int_equal(tn_attr_list(&a, "i", &ints), 0);
    assert_true(tn_attr_get_shape(&a, "sh", &shape));
    assert_int_equal(shape.rank, 2);
    assert_string_equal(tn_attr_get_func(&a, "fn")->name, "body");
    assert_null(tn_attr_get_tensor(&a, "i"));
}

static void a_copy_shares_nothing(void **state)
{
    (void)state;
    tn_arena *arena = tn_arena_new(0);
    tn_tensor *t = NULL;
    assert_int_equal(tn_tensor_scalar(TN_FLOAT, 3, &t, NULL), TN_OK);
    char text[] = "abc", name[] = "s";
    const tn_tensor *tensors[] = {t, t};
    tn_attr inner = tn_attr_tensor("w", t);
    tn_attr v[] = {tn_attr_str(name, text),
                   {.name = "ts", .kind = TN_ATTR_TENSOR, .is_list = true, .n = 2, .tensors = tensors},
                   tn_attr_func("f", "g")};
    v[2].func.attrs = &inner;
    v[2].func.n_attrs = 1;
    tn_attrs a = {v, 3}, copy;
    assert_int_equal(tn_attrs_copy(arena, v, 3, &copy, NULL), TN_OK);
    assert_true(tn_attrs_equal(&a, &copy));
    assert_int_equal(atomic_load(&t->refs), 4);
    text[0] = name[0] = 'x';
    assert_true(tn_attr_is(&copy, "s", "abc"));
    tn_attrs_drop(&copy);
    assert_int_equal(atomic_load(&t->refs), 1);
    tn_tensor_unref(t);
    tn_arena_free(arena);
}

static void equality(void **state)
{
    (void)state;
    int64_t l1[] = {1, 2}, l2[] = {1, 3};
    tn_attr x[] = {tn_attr_int("a", 1), tn_attr_ints("l", l1, 2)},
            y[] = {tn_attr_ints("l", l1, 2), tn_attr_int("a", 1)};
    tn_attr z[] = {tn_attr_int("a", 1), tn_attr_ints("l", l2, 2)},
            w[] = {tn_attr_bool("a", true), tn_attr_ints("l", l1, 2)};
    assert_true(tn_attrs_equal(&(tn_attrs){x, 2}, &(tn_attrs){y, 2})); /* in any order */
    assert_false(tn_attrs_equal(&(tn_attrs){x, 2}, &(tn_attrs){z, 2}));
    assert_false(tn_attrs_equal(&(tn_attrs){x, 2}, &(tn_attrs){w, 2}));
    assert_false(tn_attrs_equal(&(tn_attrs){x, 2}, &(tn_attrs){x, 1}));
    assert_true(tn_attrs_equal(&(tn_attrs){x, 0}, &(tn_attrs){y, 0}));
}

/* Functions nested in attributes of functions come from files: their depth is limited. */
static void nesting_is_limited(void **state)
{
    (void)state;
    enum { DEEP = 200 };
    tn_attr v[DEEP];
    for (int i = 0; i < DEEP; i++) {
        v[i] = tn_attr_func("f", "g");
        if (i) v[i].func.attrs = &v[i - 1];
        v[i].func.n_attrs = i ? 1 : 0;
    }
    tn_arena *arena = tn_arena_new(0);
    tn_attrs copy;
    tn_error err;
    assert_int_equal(tn_attrs_copy(arena, &v[10], 1, &copy, &err), TN_OK);
    assert_int_equal(tn_attrs_copy(arena, &v[DEEP - 1], 1, &copy, &err), TN_INVALID_ARGUMENT);
    tn_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(look_up_minds_the_kind),
        cmocka_unit_test(a_copy_shares_nothing),
        cmocka_unit_test(equality),
        cmocka_unit_test(nesting_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
