/* SPDX-License-Identifier: Apache-2.0
 *
 * test_tensor_wire.c - tensors straight to the bytes of TensorProto messages, and looked at in them.
 */
#include "graph/tensorproto.h"
#include "place.h"

static const tn_dtype dtypes[] = {
    TN_FLOAT, TN_DOUBLE, TN_INT32,  TN_UINT8, TN_INT16,    TN_INT8,   TN_STRING, TN_COMPLEX64,  TN_INT64, TN_BOOL,
    TN_QINT8, TN_QUINT8, TN_QINT32, TN_QINT16, TN_BFLOAT16, TN_UINT16, TN_HALF,   TN_COMPLEX128, TN_UINT32, TN_UINT64,
    TN_FLOAT8_E5M2, TN_FLOAT8_E4M3FN, TN_FLOAT8_E4M3FNUZ, TN_FLOAT8_E4M3B11FNUZ, TN_FLOAT8_E5M2FNUZ, TN_INT4, TN_UINT4,
};
static const tn_shape shapes[] = {{.rank = 0}, {1, {3}}, {2, {2, 2}}, {2, {0, 4}}, {3, {1, 200, 1}}};

static void fill(tn_tensor *t)
{
    uint8_t *bytes = t->data;
    int64_t n = tn_tensor_count(t);
    for (int64_t i = 0; i < n; i++) {
        char text[400];
        memset(text, 'a' + (int)(i % 26), sizeof text);
        if (t->dtype == TN_STRING) assert_int_equal(tn_string_set(t, i, text, (size_t)(i * 37 % 400), NULL), TN_OK);
        else if (t->dtype == TN_BOOL) bytes[i] = i % 2 == 0;
    }
    if (t->dtype == TN_STRING || t->dtype == TN_BOOL) return;
    for (size_t i = 0; i < tn_tensor_bytes(t); i++) bytes[i] = (uint8_t)(i * 151 + 17);
    for (int64_t i = 0; tn_dtype_is_int4(t->dtype) && i < n; i++) tn_tensor_set_number(t, i, (double)(i % 8));
}

static tn_view encode(tn_arena *a, const tn_tensor *t, bool content)
{
    tn_tensor_wire w;
    tn_error err;
    assert_ok(tn_tensor_wire_of(t, content, &w, &err), &err);
    char *bytes = tn_arena_alloc(a, (size_t)w.size + 1);
    assert_ptr_equal(tn_tensor_wire_put(&w, bytes), bytes + w.size);
    return (tn_view){bytes, (size_t)w.size};
}

/* Message tables, the copying reader and the looking one all see the same tensor. */
static void check(tn_arena *a, const tn_tensor *t, bool content)
{
    tn_error err;
    tn_TensorProto *p;
    tn_tensor *copy, view;
    tn_buf again = {0};
    tn_view bytes = encode(a, t, content);
    assert_ok(TN_DECODE(TensorProto, bytes, a, &p, &err), &err);
    assert_int_equal(p->unknown_fields.n, 0);
    assert_ok(TN_ENCODE(TensorProto, p, &again, &err), &err);
    assert_int_equal(again.n, bytes.n);
    assert_memory_equal(again.data, bytes.p, bytes.n);
    tn_buf_free(&again);
    assert_ok(tn_tensor_from_proto(p, 0, &copy, &err), &err);
    assert_true(tn_tensor_equal(copy, t));
    assert_ok(tn_tensor_view_of_proto(p, a, 0, &view, &err), &err);
    assert_true(tn_tensor_equal(&view, t));
    assert_null(view.buffer);
    tn_tensor_unref(copy);
}

static void test_all_dtypes(void **state)
{
    tn_error err;
    for (size_t i = 0; i < TN_COUNT(dtypes); i++)
        for (size_t k = 0; k < TN_COUNT(shapes); k++) {
            tn_tensor *t;
            assert_ok(tn_tensor_new(dtypes[i], &shapes[k], &t, &err), &err);
            fill(t);
            check(arena_of(state), t, false);
            check(arena_of(state), t, true);
            tn_tensor_unref(t);
        }
}

/* tensor_content and packed floats are looked at where they lie when that is aligned; else copied, with the same
 * values. */
static void test_looks_where_it_can(void **state)
{
    tn_error err;
    tn_tensor *t = floats(&TN_SHAPE(2, 2), (float[]){1, 2, 3, 4}), view;
    for (int content = 0; content < 2; content++) {
        tn_view bytes = encode(arena_of(state), t, content);
        int looked = 0;
        for (size_t shift = 0; shift < 4; shift++) {
            char *moved = (char *)tn_arena_alloc(arena_of(state), bytes.n + 4) + shift;
            memcpy(moved, bytes.p, bytes.n);
            tn_TensorProto *p;
            assert_ok(TN_DECODE(TensorProto, ((tn_view){moved, bytes.n}), arena_of(state), &p, &err), &err);
            assert_ok(tn_tensor_view_of_proto(p, arena_of(state), 0, &view, &err), &err);
            assert_true(tn_tensor_equal(&view, t));
            looked += (char *)view.data > moved && (char *)view.data < moved + bytes.n;
        }
        assert_int_equal(looked, 1);
    }
    tn_tensor_unref(t);
}

static void test_last_value_repeats(void **state)
{
    tn_error err;
    tn_tensor view;
    tn_Dim dims[] = {{.size = 2}, {.size = 3}};
    tn_TensorShapeProto shape = {.dim = {dims, 2, 0}};
    tn_TensorProto p = {.dtype = TN_INT16, .tensor_shape = &shape, .int_val = {(int32_t[]){7, -2}, 2, 0}};
    assert_ok(tn_tensor_view_of_proto(&p, arena_of(state), 0, &view, &err), &err);
    const int16_t *v = view.data;
    assert_true(v[0] == 7 && v[1] == -2 && v[5] == -2);
    p = (tn_TensorProto){.dtype = TN_FLOAT, .tensor_shape = &shape, .float_val = {(float[]){1.5f}, 1, 0}};
    assert_ok(tn_tensor_view_of_proto(&p, arena_of(state), 0, &view, &err), &err);
    assert_true(TN_FLOATS(&view)[0] == 1.5f && TN_FLOATS(&view)[5] == 1.5f);
    p = (tn_TensorProto){.dtype = TN_FLOAT, .tensor_shape = &shape};
    assert_ok(tn_tensor_view_of_proto(&p, arena_of(state), 0, &view, &err), &err);
    assert_true(TN_FLOATS(&view)[5] == 0);
    p = (tn_TensorProto){.dtype = TN_FLOAT, .tensor_shape = &shape, .float_val = {(float[]){1, 2, 3, 4, 5, 6, 7}, 7, 0}};
    assert_ok(tn_tensor_view_of_proto(&p, arena_of(state), 0, &view, &err), &err);
    assert_true(TN_FLOATS(&view)[5] == 6);
    p = (tn_TensorProto){
        .dtype = TN_STRING, .tensor_shape = &shape, .string_val = {(tn_view[]){TN_VIEW("a"), TN_VIEW("bc")}, 2, 0}};
    assert_ok(tn_tensor_view_of_proto(&p, arena_of(state), 0, &view, &err), &err);
    assert_true(TN_STRINGS(&view)[0].n == 1 && TN_STRINGS(&view)[5].n == 2);
}

static void test_bools_are_0_or_1(void **state)
{
    tn_error err;
    tn_tensor view;
    tn_Dim dim = {.size = 3};
    tn_TensorShapeProto shape = {.dim = {&dim, 1, 0}};
    tn_TensorProto p = {.dtype = TN_BOOL, .tensor_shape = &shape, .tensor_content = TN_VIEW("\0\7\1")};
    assert_ok(tn_tensor_view_of_proto(&p, arena_of(state), 0, &view, &err), &err);
    assert_memory_equal(view.data, "\0\1\1", 3);
}

static void test_bad(void **state)
{
    tn_error err;
    tn_tensor view;
    tn_Dim dims[] = {{.size = 1 << 20}, {.size = 1 << 20}}, negative = {.size = -1};
    tn_TensorShapeProto large = {.dim = {dims, 2, 0}}, unknown = {.dim = {&negative, 1, 0}};
    tn_TensorProto p = {.dtype = TN_FLOAT, .tensor_shape = &large, .float_val = {(float[]){1}, 1, 0}};
    assert_code(tn_tensor_view_of_proto(&p, arena_of(state), 0, &view, &err), TN_RESOURCE_EXHAUSTED);
    p.tensor_content = TN_VIEW("abcd");
    assert_code(tn_tensor_view_of_proto(&p, arena_of(state), 0, &view, &err), TN_INVALID_ARGUMENT);
    p.dtype = TN_STRING;
    assert_code(tn_tensor_view_of_proto(&p, arena_of(state), 0, &view, &err), TN_INVALID_ARGUMENT);
    p.tensor_shape = &unknown;
    assert_code(tn_tensor_view_of_proto(&p, arena_of(state), 0, &view, &err), TN_INVALID_ARGUMENT);
    for (int32_t t = -1; t <= 120; t++) {
        p = (tn_TensorProto){.dtype = t};
        tn_code code = tn_tensor_view_of_proto(&p, arena_of(state), 0, &view, &err);
        assert_true(code == TN_OK || code == TN_UNIMPLEMENTED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_all_dtypes),       TEST(test_looks_where_it_can), TEST(test_last_value_repeats),
        TEST(test_bools_are_0_or_1), TEST(test_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
