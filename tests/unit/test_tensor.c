/* SPDX-License-Identifier: Apache-2.0
 *
 * test_tensor.c - dtypes, 16-bit floats, shapes, tensors, elements, tensors as text.
 */
#include "test.h"

#include "tensor/tensor.h"

#include <float.h>
#include <math.h>

/* ==== dtypes ==== */

static void dtypes_have_sizes_and_names(void **state)
{
    (void)state;
    static const struct {
        tn_dtype t;
        size_t size;
        const char *name;
    } rows[] = {
        {TN_FLOAT, 4, "float"},
        {TN_HALF, 2, "half"},
        {TN_COMPLEX128, 16, "complex128"},
        {TN_UINT64, 8, "uint64"},
        {TN_INVALID_DTYPE, 0, "invalid"},
        {TN_DTYPE_COUNT, 0, "invalid"},
        {TN_REF, 0, "invalid"},
        {(tn_dtype)(TN_REF + 31), 0, "invalid"},
        {TN_FLOAT8_E4M3FN, 1, "float8_e4m3fn"},
        {TN_UINT4, 1, "uint4"},
        {(tn_dtype)-1, 0, "invalid"},
        {(tn_dtype)1000, 0, "invalid"},
        {(tn_dtype)(TN_FLOAT + TN_REF), 4, "float_ref"},
        {(tn_dtype)(TN_INT32 + TN_REF), 4, "int32_ref"},
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        assert_int_equal(tn_dtype_size(rows[i].t), rows[i].size);
        assert_string_equal(tn_dtype_name(rows[i].t), rows[i].name);
        tn_dtype back = rows[i].size ? rows[i].t : TN_INVALID_DTYPE;
        assert_int_equal(tn_dtype_named(rows[i].name), back);
    }
    assert_int_equal(tn_dtype_named("float32"), TN_FLOAT);
    assert_int_equal(tn_dtype_named("float16"), TN_HALF);
    assert_int_equal(tn_dtype_named(""), TN_INVALID_DTYPE);
    assert_int_equal(tn_dtype_base((tn_dtype)(TN_FLOAT + TN_REF)), TN_FLOAT);
}

static void dtypes_have_kinds(void **state)
{
    (void)state;
    assert_true(tn_dtype_is_float(TN_BFLOAT16) && tn_dtype_is_float((tn_dtype)(TN_FLOAT + TN_REF)));
    assert_false(tn_dtype_is_float(TN_COMPLEX64) || tn_dtype_is_float(TN_INT32));
    assert_true(tn_dtype_is_integer(TN_UINT64));
    assert_false(tn_dtype_is_integer(TN_QINT8) || tn_dtype_is_integer(TN_BOOL));
    assert_true(tn_dtype_is_complex(TN_COMPLEX128));
    assert_true(tn_dtype_is_pod(TN_QINT32) && tn_dtype_is_pod(TN_BOOL));
    assert_false(tn_dtype_is_pod(TN_STRING) || tn_dtype_is_pod(TN_RESOURCE) ||
                 tn_dtype_is_pod(TN_INVALID_DTYPE));
}

static void halves_are_floats_and_back(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float f = tn_half_to_float((uint16_t)h);
        uint16_t back = tn_float_to_half(f);
        if (isnan(f))
            assert_int_equal(back, h | 0x200);
        else
            assert_int_equal(back, h);
    }
}

static void halves_round_to_even(void **state)
{
    (void)state;
    static const struct {
        float f;
        uint16_t h;
    } rows[] = {
        {1.0f, 0x3C00},
        {-2.0f, 0xC000},
        {65504, 0x7BFF},
        {65519.996f, 0x7BFF},
        {65520, 0x7C00},
        {1e10f, 0x7C00},
        {-INFINITY, 0xFC00},
        {0x1p-14f, 0x0400},
        {0x1p-24f, 1},
        {0x1p-25f, 0},
        {0x1.000002p-25f, 1},
        {0x1.8p-24f, 2},
        {1.00048828125f, 0x3C00},
        {1.00146484375f, 0x3C02},
        {0x1.ffep-15f, 0x0400},
        {-0.0f, 0x8000},
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) assert_int_equal(tn_float_to_half(rows[i].f), rows[i].h);
    assert_true(signbit(tn_half_to_float(0x8000)));
}

/* Sums over what ml_dtypes makes of every byte, and of floats that lie on, beside and between those of eight bits. */
static void float8_is_ml_dtypes(void **state)
{
    (void)state;
    static const struct {
        tn_dtype t;
        uint32_t widened, narrowed;
    } rows[] = {
        {TN_FLOAT8_E5M2, 0x2F000000u, 0x63360880u},        {TN_FLOAT8_E4M3FN, 0x96200000u, 0xD2B9D480u},
        {TN_FLOAT8_E4M3FNUZ, 0x85C00000u, 0x6A776900u},    {TN_FLOAT8_E4M3B11FNUZ, 0x22C00000u, 0x58276900u},
        {TN_FLOAT8_E5M2FNUZ, 0xA6400000u, 0x96E6B100u},
    };
    static const uint32_t tails[] = {0, 1, 0x8000, 0xFFFF};
    for (size_t k = 0; k < TN_COUNT(rows); k++) {
        uint32_t widened = 0, narrowed = 0, bits;
        float f;
        for (int x = 0; x < 256; x++) {
            f = tn_float8_to_float(rows[k].t, (uint8_t)x);
            memcpy(&bits, &f, sizeof bits);
            widened = widened * 31 + bits;
        }
        for (size_t i = 0; i < TN_COUNT(tails); i++)
            for (uint32_t high = 0; high < 65536; high++) {
                bits = high << 16 | tails[i];
                memcpy(&f, &bits, sizeof f);
                narrowed = narrowed * 31 + tn_float_to_float8(rows[k].t, f);
            }
        assert_int_equal(widened, rows[k].widened);
        assert_int_equal(narrowed, rows[k].narrowed);
    }
    assert_int_equal(tn_int4_of(100), 4);
    assert_int_equal(tn_int4_of(-9), 7);
}

static void bfloat16_rounds_to_even(void **state)
{
    (void)state;
    static const struct {
        float f;
        uint16_t h;
    } rows[] = {
        {1.0f, 0x3F80},  {1.00390625f, 0x3F80}, {1.01171875f, 0x3F82}, {FLT_MAX, 0x7F80}, {INFINITY, 0x7F80},
        {-0.0f, 0x8000}, {NAN, 0x7FC0},         {-NAN, 0xFFC0},        {1e-45f, 0},
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) assert_int_equal(tn_float_to_bfloat16(rows[i].f), rows[i].h);
    assert_true(tn_bfloat16_to_float(0x4049) == 3.140625f);
}

/* ==== shapes ==== */

static void expect_shape(const tn_shape *s, const char *text)
{
    char buf[256];
    assert_string_equal(tn_shape_text(s, buf, sizeof buf), text);
}

static void shapes_are_written(void **state)
{
    (void)state;
    char buf[6];
    tn_shape s = tn_shape_unknown(), scalar = TN_SHAPE(), mixed = TN_SHAPE(2, -1, 3);
    expect_shape(&s, "<unknown>");
    expect_shape(&scalar, "[]");
    expect_shape(&mixed, "[2,?,3]");
    assert_string_equal(tn_shape_text(&mixed, buf, sizeof buf), "[2,?,");
    assert_string_equal(tn_shape_text(&s, buf, sizeof buf), "<unkn");
    s = TN_SHAPE(INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX,
                 INT64_MAX, INT64_MAX);
    char all[256];
    assert_int_equal(strlen(tn_shape_text(&s, all, sizeof all)), 10 * 19 + 11);
}

static void shapes_count(void **state)
{
    (void)state;
    tn_error err;
    int64_t n = -5;
    tn_shape unknown = tn_shape_unknown(), scalar = TN_SHAPE(), partly = TN_SHAPE(2, -1),
             empty = TN_SHAPE(3, 0);
    tn_shape huge = TN_SHAPE(INT64_C(1) << 32, INT64_C(1) << 32), hidden = TN_SHAPE(0, INT64_MAX, INT64_MAX);
    assert_int_equal(tn_shape_count(&unknown), -1);
    assert_int_equal(tn_shape_count(&scalar), 1);
    assert_int_equal(tn_shape_count(&partly), -1);
    assert_int_equal(tn_shape_count(&empty), 0);
    assert_int_equal(tn_shape_count(&huge), -1);
    assert_ok(tn_shape_count_checked(&empty, &n, &err), &err);
    assert_int_equal(n, 0);
    assert_code(tn_shape_count_checked(&partly, &n, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "[2,?] is not fully known");
    assert_code(tn_shape_count_checked(&huge, &n, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "[4294967296,4294967296] has too many elements");
    assert_code(tn_shape_count_checked(&hidden, &n, &err), TN_INVALID_ARGUMENT);
    tn_shape deep = {.rank = TN_MAX_RANK + 1};
    assert_code(tn_shape_count_checked(&deep, &n, &err), TN_INVALID_ARGUMENT);
    assert_int_equal(n, 0);
    assert_true(tn_shape_known(&scalar) && !tn_shape_known(&unknown) && !tn_shape_known(&partly));
}

static void shapes_compare_and_merge(void **state)
{
    (void)state;
    tn_error err;
    tn_shape a = TN_SHAPE(2, -1), b = TN_SHAPE(-1, 3), c = TN_SHAPE(4, 3), u = tn_shape_unknown(), out = u;
    assert_true(tn_shape_equal(&a, &a) && tn_shape_equal(&u, &u));
    assert_false(tn_shape_equal(&a, &b) || tn_shape_equal(&a, &u));
    assert_true(tn_shape_compatible(&a, &b) && tn_shape_compatible(&a, &u));
    assert_false(tn_shape_compatible(&a, &c));
    assert_ok(tn_shape_merge(&a, &b, &out, &err), &err);
    expect_shape(&out, "[2,3]");
    assert_ok(tn_shape_merge(&u, &b, &out, &err), &err);
    expect_shape(&out, "[?,3]");
    assert_ok(tn_shape_merge(&a, &u, &out, &err), &err);
    expect_shape(&out, "[2,?]");
    assert_code(tn_shape_merge(&a, &c, &out, &err), TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, "Dimension 0 in both shapes must be equal, but are 2 and 4. "
                                     "Shapes are [2,?] and [4,3].");
    tn_shape vector = tn_shape_vector(3);
    assert_code(tn_shape_merge(&a, &vector, &out, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "Shapes must be equal rank, but are 2 and 1");
    expect_shape(&out, "[2,?]");
}

static void shapes_broadcast(void **state)
{
    (void)state;
    const struct {
        tn_shape a, b;
        const char *text;
    } rows[] = {
        {TN_SHAPE(2, 3), TN_SHAPE(3), "[2,3]"},
        {TN_SHAPE(2, 1), TN_SHAPE(1, 5), "[2,5]"},
        {TN_SHAPE(), TN_SHAPE(4), "[4]"},
        {TN_SHAPE(-1, 3), TN_SHAPE(3), "[?,3]"},
        {TN_SHAPE(-1), TN_SHAPE(5), "[5]"},
        {TN_SHAPE(-1), TN_SHAPE(1), "[?]"},
        {TN_SHAPE(-1), TN_SHAPE(-1), "[?]"},
        {TN_SHAPE(0), TN_SHAPE(1), "[0]"},
        {tn_shape_unknown(), TN_SHAPE(3), "<unknown>"},
        {TN_SHAPE(-1), TN_SHAPE(0), "[?]"},
    };
    tn_error err;
    tn_shape out;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        assert_ok(tn_shape_broadcast(&rows[i].a, &rows[i].b, &out, &err), &err);
        expect_shape(&out, rows[i].text);
        assert_ok(tn_shape_broadcast(&rows[i].b, &rows[i].a, &out, &err), &err);
        expect_shape(&out, rows[i].text);
    }
    tn_shape two = TN_SHAPE(2), three = TN_SHAPE(3);
    assert_code(tn_shape_broadcast(&two, &three, &out, &err), TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, "Incompatible shapes: [2] vs. [3]");
    int64_t strides[3];
    tn_shape cube = TN_SHAPE(4, 2, 3);
    tn_shape_strides(&cube, strides);
    assert_true(strides[0] == 6 && strides[1] == 3 && strides[2] == 1);
}

/* ==== tensors ==== */

static tn_tensor *make(tn_dtype t, tn_shape shape)
{
    tn_error err;
    tn_tensor *x = NULL;
    assert_ok(tn_tensor_new(t, &shape, &x, &err), &err);
    return x;
}

static void tensors_begin_zeroed_and_aligned(void **state)
{
    (void)state;
    for (int t = 1; t < TN_DTYPE_COUNT; t++) {
        tn_tensor *x = make((tn_dtype)t, TN_SHAPE(3, 2));
        assert_int_equal(tn_tensor_dtype(x), t);
        assert_int_equal(tn_tensor_count(x), 6);
        assert_int_equal(tn_tensor_bytes(x), 6 * tn_dtype_size((tn_dtype)t));
        assert_int_equal((uintptr_t)tn_tensor_data(x) % 64, 0);
        expect_shape(tn_tensor_shape(x), "[3,2]");
        for (size_t i = 0; i < tn_tensor_bytes(x); i++) assert_int_equal(((char *)x->data)[i], 0);
        tn_tensor_unref(x);
    }
    for (int64_t n = 0; n < 1100; n++) {
        tn_tensor *x = make(TN_UINT8, TN_SHAPE(n));
        assert_int_equal((uintptr_t)tn_tensor_data(x) % 64, 0);
        memset(x->data, 1, (size_t)n);
        tn_tensor_unref(x);
    }
    tn_tensor_unref(NULL);
}

static void impossible_tensors_are_refused(void **state)
{
    (void)state;
    const struct {
        tn_dtype t;
        tn_shape shape;
        tn_code code;
    } rows[] = {
        {TN_FLOAT, TN_SHAPE(-1), TN_INVALID_ARGUMENT},
        {TN_FLOAT, tn_shape_unknown(), TN_INVALID_ARGUMENT},
        {TN_FLOAT, TN_SHAPE(INT64_MAX), TN_RESOURCE_EXHAUSTED},
        {TN_FLOAT, TN_SHAPE(INT64_MAX, 2), TN_INVALID_ARGUMENT},
        {TN_INVALID_DTYPE, TN_SHAPE(1), TN_INVALID_ARGUMENT},
        {(tn_dtype)(TN_FLOAT + TN_REF), TN_SHAPE(1), TN_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        tn_tensor *x = NULL;
        tn_error err;
        assert_code(tn_tensor_new(rows[i].t, &rows[i].shape, &x, &err), rows[i].code);
        assert_null(x);
    }
}

static void failing_memory_is_reported(void **state)
{
    (void)state;
    tn_shape shape = TN_SHAPE(2);
    tn_error err;
    tn_tensor *x = NULL, *strings = make(TN_STRING, shape);
    assert_ok(tn_string_set(strings, 0, "abc", 3, &err), &err);
    for (int64_t n = 1; n <= 2; n++) {
        tn_malloc_fail_at(n);
        assert_code(tn_tensor_new(TN_FLOAT, &shape, &x, &err), TN_RESOURCE_EXHAUSTED);
    }
    for (int64_t n = 1; n <= 4; n++) {
        tn_malloc_fail_at(n);
        assert_code(tn_tensor_copy(strings, &x, &err), TN_RESOURCE_EXHAUSTED);
    }
    tn_malloc_fail_at(1);
    assert_code(tn_string_set(strings, 0, "xyz", 3, &err), TN_RESOURCE_EXHAUSTED);
    tn_malloc_fail_at(1);
    assert_null(tn_tensor_text(strings, -1));
    tn_malloc_fail_at(0);
    assert_null(x);
    assert_string_equal(TN_STRINGS(strings)[0].p, "abc");
    tn_tensor_unref(strings);
}

static void tensors_are_shared_and_copied(void **state)
{
    (void)state;
    tn_shape shape = TN_SHAPE(2, 2), flat = TN_SHAPE(4), wrong = TN_SHAPE(3);
    tn_error err;
    tn_tensor *x, *copy, *reshaped, *kept;
    assert_ok(tn_tensor_of(TN_FLOAT, &shape, (float[]){1, 2, 3, NAN}, &x, &err), &err);
    assert_ptr_equal(tn_tensor_ref(x), x);
    tn_tensor_unref(x);
    assert_ok(tn_tensor_copy(x, &copy, &err), &err);
    assert_true(copy->data != x->data && tn_tensor_equal(x, copy));
    assert_ok(tn_tensor_reshaped(x, &flat, &reshaped, &err), &err);
    assert_ptr_equal(reshaped->data, x->data);
    assert_false(tn_tensor_equal(x, reshaped));
    assert_code(tn_tensor_reshaped(x, &wrong, &kept, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "4 values cannot be reshaped to [3], which has 3");
    tn_tensor view = tn_tensor_view(TN_FLOAT, &flat, x->data);
    tn_tensor *square;
    assert_ok(tn_tensor_reshaped(&view, &shape, &square, &err), &err);
    assert_true(square->data != x->data && tn_tensor_equal(square, x));
    tn_tensor_unref(square);
    assert_ok(tn_tensor_keep(x, &kept, &err), &err);
    assert_ptr_equal(kept, x);
    tn_tensor_unref(kept);
    assert_ok(tn_tensor_keep(&view, &kept, &err), &err);
    assert_true(kept->data != x->data && tn_tensor_equal(kept, reshaped));
    tn_tensor_unref(kept);
    view.buffer = x->buffer;
    assert_ok(tn_tensor_keep(&view, &kept, &err), &err);
    assert_ptr_equal(kept->data, x->data);
    tn_tensor_unref(x);
    assert_true(TN_FLOATS(reshaped)[2] == 3);
    TN_FLOATS(copy)[0] = 9;
    copy->shape = flat;
    assert_false(tn_tensor_equal(copy, kept));
    tn_tensor_unref(kept);
    tn_tensor_unref(reshaped);
    tn_tensor_unref(copy);
}

static void tensors_lie_within_their_buffer(void **state)
{
    (void)state;
    tn_shape shape = TN_SHAPE(4);
    tn_error err;
    tn_tensor *x = NULL;
    tn_buffer *b = tn_buffer_new(20, &err);
    assert_ok(tn_tensor_on(TN_FLOAT, &shape, b, (char *)b->data + 4, &x, &err), &err);
    tn_tensor_unref(x);
    x = NULL;
    assert_code(tn_tensor_on(TN_FLOAT, &shape, b, (char *)b->data + 8, &x, &err), TN_INVALID_ARGUMENT);
    assert_code(tn_tensor_on(TN_FLOAT, &shape, b, (char *)b->data - 4, &x, &err), TN_INVALID_ARGUMENT);
    assert_null(x);
    tn_buffer_unref(b);
    assert_null(tn_buffer_new(SIZE_MAX - 10, &err));
    assert_int_equal(err.code, TN_RESOURCE_EXHAUSTED);
}

static void strings_are_owned(void **state)
{
    (void)state;
    tn_shape flat = TN_SHAPE(4), shape = TN_SHAPE(2, 2);
    tn_error err;
    tn_tensor *x = make(TN_STRING, shape), *copy, *reshaped;
    assert_ok(tn_string_set(x, 3, "a\0b", 3, &err), &err);
    assert_ok(tn_string_set(x, 3, "longer", 6, &err), &err);
    assert_ok(tn_string_set(x, 0, NULL, 0, &err), &err);
    assert_code(tn_string_set(x, 4, "x", 1, &err), TN_OUT_OF_RANGE);
    assert_code(tn_string_set(x, -1, "x", 1, &err), TN_OUT_OF_RANGE);
    assert_ok(tn_tensor_copy(x, &copy, &err), &err);
    assert_true(tn_tensor_equal(x, copy));
    assert_ok(tn_string_set(copy, 1, "y", 1, &err), &err);
    assert_false(tn_tensor_equal(x, copy));
    assert_ok(tn_tensor_reshaped(x, &flat, &reshaped, &err), &err);
    tn_tensor_unref(x);
    assert_string_equal(TN_STRINGS(reshaped)[3].p, "longer");
    tn_tensor_unref(reshaped);
    tn_tensor_unref(copy);
    assert_code(tn_tensor_of(TN_STRING, &shape, "x", &x, &err), TN_INVALID_ARGUMENT);
    x = make(TN_FLOAT, shape);
    assert_code(tn_string_set(x, 0, "x", 1, &err), TN_INVALID_ARGUMENT);
    tn_tensor_unref(x);
}

static void count_release(tn_variant *v)
{
    v->release = NULL;
}

static void variants_are_counted(void **state)
{
    (void)state;
    tn_error err;
    tn_variant v = {.release = count_release};
    atomic_init(&v.refs, 1);
    tn_tensor *x = make(TN_VARIANT, TN_SHAPE(2)), *copy;
    ((tn_variant **)x->data)[0] = tn_variant_ref(&v);
    assert_ok(tn_tensor_copy(x, &copy, &err), &err);
    assert_int_equal(atomic_load(&v.refs), 3);
    tn_tensor_unref(x);
    tn_tensor_unref(copy);
    assert_int_equal(atomic_load(&v.refs), 1);
    assert_non_null(v.release);
    tn_variant_unref(&v);
    assert_null(v.release);
    tn_variant_unref(tn_variant_ref(NULL));
}

/* ==== elements ==== */

static void numbers_are_set_and_read_in_every_dtype(void **state)
{
    (void)state;
    tn_error err;
    for (int t = 1; t < TN_DTYPE_COUNT; t++) {
        tn_tensor *x = NULL;
        tn_code code = tn_tensor_scalar((tn_dtype)t, 1, &x, &err);
        assert_int_equal(code, tn_dtype_is_pod((tn_dtype)t) ? TN_OK : TN_INVALID_ARGUMENT);
        if (code != TN_OK) continue;
        assert_true(tn_tensor_number(x, 0) == 1);
        if (!tn_dtype_is_complex((tn_dtype)t)) assert_int_equal(tn_tensor_int(x, 0), 1);
        tn_tensor_unref(x);
    }
}

static void numbers_are_clamped(void **state)
{
    (void)state;
    static const struct {
        tn_dtype t;
        double v;
        int64_t back;
    } rows[] = {
        {TN_INT8, 300, 127},
        {TN_INT8, -300, -128},
        {TN_UINT8, -1, 0},
        {TN_UINT8, 256, 255},
        {TN_INT32, 1e10, INT32_MAX},
        {TN_INT64, 1e30, INT64_MAX},
        {TN_INT64, -1e30, INT64_MIN},
        {TN_UINT64, -5, 0},
        {TN_UINT64, 1e30, -1},
        {TN_INT16, NAN, 0},
        {TN_UINT32, 4e9, 4000000000},
        {TN_INT32, -2.9, -2},
        {TN_BOOL, 0.5, 1},
        {TN_UINT64, NAN, 0},
    };
    tn_error err;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        tn_tensor *x;
        assert_ok(tn_tensor_scalar(rows[i].t, rows[i].v, &x, &err), &err);
        assert_true(tn_tensor_int(x, 0) == rows[i].back);
        tn_tensor_unref(x);
    }
    tn_tensor *x = make(TN_UINT64, TN_SHAPE());
    *(uint64_t *)x->data = UINT64_MAX;
    assert_true(tn_tensor_number(x, 0) == 0x1p64);
    tn_tensor_unref(x);
}

/* A double just over the middle between two halves: rounding to float first would lose that. */
static void doubles_are_rounded_once(void **state)
{
    (void)state;
    tn_error err;
    tn_tensor *x;
    assert_ok(tn_tensor_scalar(TN_HALF, 1.00048828125 + 1e-12, &x, &err), &err);
    assert_int_equal(*(uint16_t *)x->data, 0x3C01);
    tn_tensor_unref(x);
    assert_ok(tn_tensor_scalar(TN_BFLOAT16, -(1.01171875 - 1e-12), &x, &err), &err);
    assert_int_equal(*(uint16_t *)x->data, 0xBF81);
    tn_tensor_unref(x);
    assert_ok(tn_tensor_scalar(TN_HALF, 1e300, &x, &err), &err);
    assert_int_equal(*(uint16_t *)x->data, 0x7C00);
    tn_tensor_unref(x);
}

static void integer_vectors(void **state)
{
    (void)state;
    const int64_t v[] = {1, -2, INT64_C(1) << 40};
    tn_error err;
    tn_tensor *x;
    assert_ok(tn_tensor_int64s(TN_INT64, v, 3, &x, &err), &err);
    assert_true(tn_tensor_int(x, 2) == INT64_C(1) << 40);
    tn_tensor_unref(x);
    assert_ok(tn_tensor_int64s(TN_INT32, v, 2, &x, &err), &err);
    assert_int_equal(TN_INT32S(x)[1], -2);
    tn_tensor_unref(x);
    assert_code(tn_tensor_int64s(TN_INT32, v, 3, &x, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "1099511627776 does not fit in int32");
    assert_code(tn_tensor_int64s(TN_FLOAT, v, 3, &x, &err), TN_INVALID_ARGUMENT);
}

/* ==== text ==== */

static void expect_text(tn_tensor *x, int64_t most, const char *wanted)
{
    char *text = tn_tensor_text(x, most);
    assert_string_equal(text, wanted);
    tn_text_free(text);
    tn_tensor_unref(x);
}

static tn_tensor *numbers(tn_dtype t, tn_shape shape, const double *v)
{
    tn_tensor *x = make(t, shape);
    for (int64_t i = 0; i < tn_tensor_count(x); i++) tn_tensor_set_number(x, i, v[i]);
    return x;
}

#define NUMBERS(t, shape, ...) numbers(t, shape, (const double[]){__VA_ARGS__})

static void text_is_numpys(void **state)
{
    (void)state;
    expect_text(NUMBERS(TN_INT32, TN_SHAPE(2, 3), 1, 2, 3, 4, 5, -6), -1, "[[ 1  2  3]\n [ 4  5 -6]]");
    expect_text(NUMBERS(TN_FLOAT, TN_SHAPE(3), 0.1, 2.5, -100), -1, "[   0.1    2.5 -100. ]");
    expect_text(NUMBERS(TN_FLOAT, TN_SHAPE(3), 1e-5, 1, 1234.5), -1, "[1.0000e-05 1.0000e+00 1.2345e+03]");
    expect_text(NUMBERS(TN_DOUBLE, TN_SHAPE(2), 1, NAN), -1, "[ 1. nan]");
    expect_text(NUMBERS(TN_DOUBLE, TN_SHAPE(3), INFINITY, 0.25, -INFINITY), -1, "[ inf 0.25 -inf]");
    expect_text(NUMBERS(TN_DOUBLE, TN_SHAPE(2), 1.0 / 3, 0), -1, "[0.33333333 0.        ]");
    expect_text(NUMBERS(TN_HALF, TN_SHAPE(2), 0.1, 1), -1, "[0.1 1. ]");
    expect_text(NUMBERS(TN_BOOL, TN_SHAPE(2), 1, 0), -1, "[ True False]");
    expect_text(NUMBERS(TN_FLOAT, TN_SHAPE(), 3), -1, "3.0");
    expect_text(NUMBERS(TN_BFLOAT16, TN_SHAPE(), 0.1), -1, "0.1");
    expect_text(NUMBERS(TN_INT64, TN_SHAPE(), -7), 0, "-7");
    expect_text(make(TN_FLOAT, TN_SHAPE(0, 1000000000)), 10, "[]");
    expect_text(NUMBERS(TN_COMPLEX64, TN_SHAPE(1), 1.5), -1, "[1.5+0j]");
    expect_text(NUMBERS(TN_COMPLEX128, TN_SHAPE(), 0.1), -1, "0.1+0j");
    expect_text(NUMBERS(TN_UINT64, TN_SHAPE(1), 1e30), -1, "[18446744073709551615]");
    expect_text(NUMBERS(TN_DOUBLE, TN_SHAPE(), 0.1), -1, "0.1");
    expect_text(NUMBERS(TN_DOUBLE, TN_SHAPE(), -INFINITY), -1, "-inf");
    expect_text(make(TN_VARIANT, TN_SHAPE(1)), -1, "[<variant>]");
    expect_text(make(TN_RESOURCE, TN_SHAPE()), -1, "<resource>");
    expect_text(make(TN_INT8, TN_SHAPE(2, 2, 1)), -1, "[[[0]\n  [0]]\n\n [[0]\n  [0]]]");
}

static void long_tensors_are_elided(void **state)
{
    (void)state;
    double v[64];
    for (int i = 0; i < 64; i++) v[i] = i;
    expect_text(numbers(TN_INT32, TN_SHAPE(64), v), 63, "[ 0  1  2 ... 61 62 63]");
    expect_text(numbers(TN_INT32, TN_SHAPE(8), v), 8, "[0 1 2 3 4 5 6 7]");
    expect_text(numbers(TN_INT32, TN_SHAPE(8), v), 5, "[0 1 ... 6 7]");
    expect_text(numbers(TN_INT32, TN_SHAPE(8), v), 1, "[...]");
    expect_text(numbers(TN_INT32, TN_SHAPE(8, 8), v), 5, "[[ 0 ...  7]\n ...\n [56 ... 63]]");
}

static void strings_are_quoted(void **state)
{
    (void)state;
    tn_error err;
    char many[100];
    memset(many, 'x', sizeof many);
    tn_tensor *x = make(TN_STRING, TN_SHAPE(3));
    assert_ok(tn_string_set(x, 0, "a'\\\n\0\xFF", 6, &err), &err);
    assert_ok(tn_string_set(x, 2, many, 65, &err), &err);
    many[64] = 0;
    char wanted[200];
    snprintf(wanted, sizeof wanted, "[b'a\\'\\\\\\n\\x00\\xff' b'' b'%s...']", many);
    expect_text(x, -1, wanted);
    x = make(TN_STRING, TN_SHAPE());
    memset(many, 1, sizeof many);
    assert_ok(tn_string_set(x, 0, many, 100, &err), &err);
    char *text = tn_tensor_text(x, -1);
    assert_int_equal(strlen(text), 2 + 64 * 4 + 4);
    tn_text_free(text);
    tn_tensor_unref(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dtypes_have_sizes_and_names),
        cmocka_unit_test(dtypes_have_kinds),
        cmocka_unit_test(halves_are_floats_and_back),
        cmocka_unit_test(halves_round_to_even),
        cmocka_unit_test(float8_is_ml_dtypes),
        cmocka_unit_test(bfloat16_rounds_to_even),
        cmocka_unit_test(shapes_are_written),
        cmocka_unit_test(shapes_count),
        cmocka_unit_test(shapes_compare_and_merge),
        cmocka_unit_test(shapes_broadcast),
        cmocka_unit_test(tensors_begin_zeroed_and_aligned),
        cmocka_unit_test(impossible_tensors_are_refused),
        cmocka_unit_test(failing_memory_is_reported),
        cmocka_unit_test(tensors_are_shared_and_copied),
        cmocka_unit_test(tensors_lie_within_their_buffer),
        cmocka_unit_test(strings_are_owned),
        cmocka_unit_test(variants_are_counted),
        cmocka_unit_test(numbers_are_set_and_read_in_every_dtype),
        cmocka_unit_test(numbers_are_clamped),
        cmocka_unit_test(doubles_are_rounded_once),
        cmocka_unit_test(integer_vectors),
        cmocka_unit_test(text_is_numpys),
        cmocka_unit_test(long_tensors_are_elided),
        cmocka_unit_test(strings_are_quoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
