/* SPDX-License-Identifier: Apache-2.0
 *
 * test_rest_write.c - tensors and results -> JSON, to the byte.
 */
#include "test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "serve/rest.h"
#include "serve/rest_text.h"

static tn_error err;

static void expect_float(float v, const char *wanted)
{
    char text[TN_REST_DECIMAL + 1];
    text[tn_rest_float(text, v)] = 0;
    assert_string_equal(text, wanted);
}

static void expect_double(double v, const char *wanted)
{
    char text[TN_REST_DECIMAL + 1];
    text[tn_rest_double(text, v)] = 0;
    assert_string_equal(text, wanted);
}

static void decimals(void **state)
{
    (void)state;
    expect_float(0, "0.0");
    expect_float(-0.0f, "-0.0");
    expect_float(1, "1.0");
    expect_float(2.5f, "2.5");
    expect_float(-64, "-64.0");
    expect_float(0.1f, "0.1");
    expect_float(1.0f / 3, "0.333333343");
    expect_float(100000, "100000.0");
    expect_float(1e6f, "1e+06");
    expect_float(9000000, "9e+06");
    expect_float(0.00003f, "3e-05");
    expect_float(0.0001f, "0.0001");
    expect_float(0.00012345678f, "0.000123456775");
    expect_float(16777216, "16777216.0");
    expect_float(123456789, "123456792.0");
    expect_float(1234567936, "1.23456794e+09");
    expect_float(FLT_MAX, "3.40282347e+38");
    expect_float(FLT_MIN, "1.17549435e-38");
    expect_float(1e-45f, "1.4013e-45");
    expect_float(NAN, "NaN");
    expect_float(INFINITY, "Infinity");
    expect_float(-INFINITY, "-Infinity");
    expect_double(0.1, "0.1");
    expect_double(1.0 / 3, "0.33333333333333331");
    expect_double(1e100, "1e+100");
    expect_double(123456789, "123456789.0");
    expect_double(DBL_MAX, "1.7976931348623157e+308");
    expect_double(5e-324, "4.94066e-324");
    expect_double(1.5e16, "1.5e+16");
    expect_double(-0.0001, "-0.0001");
}

/* What the rule says, by way of printf. */
static void expect_rule(double v, bool single)
{
    char wanted[64], got[TN_REST_DECIMAL + 1];
    snprintf(wanted, sizeof wanted - 3, "%g", v);
    double back = strtod(wanted, NULL);
    if (single ? strtof(wanted, NULL) != (float)v : back != v) snprintf(wanted, sizeof wanted - 3, "%.*g", single ? 9 : 17, v);
    if (!strpbrk(wanted, ".e")) memcpy(wanted + strlen(wanted), ".0", 3);
    got[single ? tn_rest_float(got, (float)v) : tn_rest_double(got, v)] = 0;
    if (strcmp(got, wanted) != 0) fail_msg("%a: %s instead of %s", v, got, wanted);
}

static void decimals_of_many_numbers(void **state)
{
    (void)state;
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < 150000; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        uint32_t bits = (uint32_t)(x >> 16);
        float f;
        double d;
        memcpy(&f, &bits, sizeof f);
        memcpy(&d, &x, sizeof d);
        if (i % 3 == 1) f = (float)((int)(bits % 2000000) - 1000000) / 1000.0f;
        if (i % 3 == 2) f = (float)(bits % 100000) * powf(10, (float)(x % 20) - 10);
        if (isfinite(f) && f != 0) expect_rule((double)f, true);
        if (i % 8 == 1) d = (double)(x % 1000000) * pow(10, (double)(bits % 40) - 20);
        if (i % 8 < 3 && isfinite(d) && d != 0) expect_rule(d, false);
    }
}

/* ==== outputs ==== */

typedef struct output {
    const char *name;
    tn_tensor *t;
} output;

static tn_tensor *floats(const tn_shape *s, const float *v)
{
    tn_tensor *t;
    assert_ok(tn_tensor_of(TN_FLOAT, s, v, &t, &err), &err);
    return t;
}

/* Takes the tensors. */
static tn_code write_outputs(const output *v, int n, bool columnar, bool more_types, char *to, size_t size)
{
    const char *names[4] = {NULL};
    tn_tensor *tensors[4] = {NULL};
    tn_buf out = {0};
    for (int i = 0; i < n; i++) names[i] = v[i].name, tensors[i] = v[i].t;
    tn_code code = tn_rest_write_predict(names, tensors, n, columnar, more_types, &out, &err);
    snprintf(to, size, "%s", out.data ? out.data : "");
    tn_buf_free(&out);
    for (int i = 0; i < n; i++) tn_tensor_unref(tensors[i]);
    return code;
}

static void rows_stand_on_one_line(void **state)
{
    (void)state;
    char text[1024];
    const float v[] = {2.5f, 3, 4.5f, 1e10f};
    assert_ok(write_outputs((output[]){{"y", floats(&TN_SHAPE(3), v)}}, 1, false, false, text, sizeof text), &err);
    assert_string_equal(text, "{\n    \"predictions\": [2.5, 3.0, 4.5\n    ]\n}");
    assert_ok(write_outputs((output[]){{"y", floats(&TN_SHAPE(2, 2), v)}}, 1, false, false, text, sizeof text), &err);
    assert_string_equal(text, "{\n    \"predictions\": [[2.5, 3.0], [4.5, 1e+10]\n    ]\n}");
    assert_ok(write_outputs((output[]){{"y", floats(&TN_SHAPE(1, 2, 2), v)}}, 1, false, false, text, sizeof text), &err);
    assert_string_equal(text, "{\n    \"predictions\": [[[2.5, 3.0], [4.5, 1e+10]]\n    ]\n}");
    assert_ok(write_outputs((output[]){{"y", floats(&TN_SHAPE(2, 0), v)}}, 1, false, false, text, sizeof text), &err);
    assert_string_equal(text, "{\n    \"predictions\": [[], []\n    ]\n}");
    assert_ok(write_outputs((output[]){{"a", floats(&TN_SHAPE(2, 2), v)}, {"b", floats(&TN_SHAPE(2), v)}}, 2, false, false, text, sizeof text), &err);
    assert_string_equal(text, "{\n    \"predictions\": [\n        {\n            \"a\": [2.5, 3.0],\n            \"b\": 2.5\n        },\n        {\n"
                              "            \"a\": [4.5, 1e+10],\n            \"b\": 3.0\n        }\n    ]\n}");
}

static void columns_have_a_line_for_each_number(void **state)
{
    (void)state;
    char text[1024];
    const float v[] = {2.5f, 3};
    assert_ok(write_outputs((output[]){{"y", floats(&TN_SHAPE(2), v)}}, 1, true, false, text, sizeof text), &err);
    assert_string_equal(text, "{\n    \"outputs\": [\n        2.5,\n        3.0\n    ]\n}");
    assert_ok(write_outputs((output[]){{"y", floats(&TN_SHAPE(), v)}}, 1, true, false, text, sizeof text), &err);
    assert_string_equal(text, "{\n    \"outputs\": 2.5\n}");
    assert_ok(write_outputs((output[]){{"a", floats(&TN_SHAPE(1, 2), v)}, {"b", floats(&TN_SHAPE(0), v)}}, 2, true, false, text, sizeof text), &err);
    assert_string_equal(text, "{\n    \"outputs\": {\n        \"a\": [\n            [\n                2.5,\n                3.0\n            ]\n        ],\n"
                              "        \"b\": []\n    }\n}");
}

static void strings_and_other_types(void **state)
{
    (void)state;
    char text[1024];
    tn_tensor *s, *i;
    assert_ok(tn_tensor_new(TN_STRING, &TN_SHAPE(2), &s, &err), &err);
    assert_ok(tn_string_set(s, 0, "a\"\\\n\x01\xc3\xa9/", 8, &err), &err);
    assert_ok(write_outputs((output[]){{"s", tn_tensor_ref(s)}}, 1, false, false, text, sizeof text), &err);
    assert_string_equal(text, "{\n    \"predictions\": [\"a\\\"\\\\\\n\\u0001\xc3\xa9/\", \"\"\n    ]\n}");
    assert_ok(tn_string_set(s, 0, "\xff", 1, &err), &err);
    assert_ok(write_outputs((output[]){{"s_bytes", tn_tensor_ref(s)}}, 1, false, false, text, sizeof text), &err);
    assert_string_equal(text, "{\n    \"predictions\": [{\n            \"b64\": \"/w==\"\n        }, {\n            \"b64\": \"\"\n        }\n    ]\n}");
    assert_ok(write_outputs((output[]){{"s_bytes", s}}, 1, true, false, text, sizeof text), &err);
    assert_string_equal(text, "{\n    \"outputs\": [\n        {\n            \"b64\": \"/w==\"\n        },"
                              "\n        {\n            \"b64\": \"\"\n        }\n    ]\n}");
    assert_ok(tn_tensor_of(TN_INT64, &TN_SHAPE(2), (int64_t[]){INT64_MIN, 7}, &i, &err), &err);
    assert_ok(write_outputs((output[]){{"i", i}}, 1, false, false, text, sizeof text), &err);
    assert_string_equal(text, "{\n    \"predictions\": [-9223372036854775808, 7\n    ]\n}");
    assert_ok(tn_tensor_of(TN_UINT64, &TN_SHAPE(1), (uint64_t[]){UINT64_MAX}, &i, &err), &err);
    assert_ok(write_outputs((output[]){{"i", i}}, 1, false, false, text, sizeof text), &err);
    assert_string_equal(text, "{\n    \"predictions\": [18446744073709551615\n    ]\n}");
    assert_ok(tn_tensor_of(TN_BOOL, &TN_SHAPE(2), (bool[]){true, false}, &i, &err), &err);
    assert_ok(write_outputs((output[]){{"i", i}}, 1, false, false, text, sizeof text), &err);
    assert_string_equal(text, "{\n    \"predictions\": [true, false\n    ]\n}");
    assert_ok(tn_tensor_of(TN_HALF, &TN_SHAPE(1), (uint16_t[]){0x3800}, &i, &err), &err);
    assert_code(write_outputs((output[]){{"i", tn_tensor_ref(i)}}, 1, false, false, text, sizeof text), TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, "Failed to write JSON value for tensor type: half");
    assert_ok(write_outputs((output[]){{"i", i}}, 1, false, true, text, sizeof text), &err);
    assert_string_equal(text, "{\n    \"predictions\": [0.5\n    ]\n}");
}

static void outputs_that_have_no_rows(void **state)
{
    (void)state;
    char text[1024];
    const float v[] = {1, 2};
    assert_code(write_outputs((output[]){{"t", floats(&TN_SHAPE(), v)}}, 1, false, false, text, sizeof text), TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, "Tensor name: t has no shape information ");
    assert_code(write_outputs((output[]){{"t", floats(&TN_SHAPE(0, 2), v)}}, 1, false, false, text, sizeof text), TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, "Tensor name: t has invalid batch size: 0");
    assert_code(write_outputs((output[]){{"s", floats(&TN_SHAPE(1), v)}, {"t", floats(&TN_SHAPE(2), v)}}, 2, false, false, text, sizeof text),
                TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, "Tensor name: t has inconsistent batch size: 2 expecting: 1");
    assert_code(write_outputs(NULL, 0, false, false, text, sizeof text), TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, "Cannot convert empty tensor map to JSON");
}

/* ==== results ==== */

static void results(void **state)
{
    (void)state;
    tn_buf out = {0};
    tn_Class classes[] = {{.label = TN_VIEW("a"), .score = 0.5f}, {.label = TN_VIEW(""), .score = 2}};
    tn_Classifications lists[] = {{.classes = {classes, 2, 2}}, {.classes = {classes, 1, 1}}};
    tn_ClassificationResult c = {.classifications = {lists, 2, 2}};
    assert_ok(tn_rest_write_classes(&c, &out, &err), &err);
    assert_string_equal(out.data, "{\n    \"results\": [[[\"a\", 0.5], [\"\", 2.0]], [[\"a\", 0.5]]\n    ]\n}");
    tn_buf_clear(&out);
    tn_Regression values[] = {{.value = 2.5f}, {.value = 3}};
    tn_RegressionResult r = {.regressions = {values, 2, 2}};
    assert_ok(tn_rest_write_values(&r, &out, &err), &err);
    assert_string_equal(out.data, "{\n    \"results\": [2.5, 3.0]\n}");
    tn_buf_free(&out);
    assert_code(tn_rest_write_classes(NULL, &out, &err), TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, "Cannot convert empty ClassificationResults to JSON");
    assert_code(tn_rest_write_values(&(tn_RegressionResult){0}, &out, &err), TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, "Cannot convert empty RegressionResults to JSON");
}

static void errors(void **state)
{
    (void)state;
    tn_buf out = {0};
    tn_rest_put_error("Serving signature name: \"s\"\tnot found", &out);
    assert_string_equal(out.data, "{\n    \"error\": \"Serving signature name: \\\"s\\\"\\tnot found\"\n}");
    tn_buf_free(&out);
}

static void memory_that_ends(void **state)
{
    (void)state;
    const char *name = "y_bytes";
    tn_tensor *s;
    assert_ok(tn_tensor_new(TN_STRING, &TN_SHAPE(2, 2), &s, &err), &err);
    for (int64_t at = 1; at < 12; at++) {
        tn_buf out = {0};
        tn_malloc_fail_at(at);
        tn_code code = tn_rest_write_predict(&name, &s, 1, false, false, &out, &err);
        tn_malloc_fail_at(0);
        if (code != TN_OK) assert_int_equal(code, TN_RESOURCE_EXHAUSTED);
        tn_buf_free(&out);
    }
    tn_tensor_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals),
        cmocka_unit_test(decimals_of_many_numbers),
        cmocka_unit_test(rows_stand_on_one_line),
        cmocka_unit_test(columns_have_a_line_for_each_number),
        cmocka_unit_test(strings_and_other_types),
        cmocka_unit_test(outputs_that_have_no_rows),
        cmocka_unit_test(results),
        cmocka_unit_test(errors),
        cmocka_unit_test(memory_that_ends),
    };
    return cmocka_run_group_tests_name("rest_write", tests, NULL, NULL);
}
