/* SPDX-License-Identifier: Apache-2.0
 *
 * test_rest_read.c - JSON bodies -> tensors and examples: forms, types, and every mistake with its words and offset.
 */
#include "test.h"

#include <math.h>

#include "serve/rest.h"
#include "serve/rest_scan.h"

/* ==== signatures to read for ==== */

#define VALUE(k, t) {.key = k, .name = k ":0", .dtype = t}
static const tn_loaded_value one_float[] = {VALUE("x", TN_FLOAT)};
static const tn_loaded_value two[] = {VALUE("a", TN_FLOAT), VALUE("b", TN_INT32)};
static const tn_loaded_value one_string[] = {VALUE("s", TN_STRING)};
static const tn_loaded_value typed[][1] = {
    {VALUE("x", TN_DOUBLE)}, {VALUE("x", TN_INT32)},  {VALUE("x", TN_INT64)},  {VALUE("x", TN_UINT8)},   {VALUE("x", TN_INT8)}, {VALUE("x", TN_INT16)},
    {VALUE("x", TN_UINT32)}, {VALUE("x", TN_UINT64)}, {VALUE("x", TN_BOOL)},   {VALUE("x", TN_HALF)},    {VALUE("x", TN_COMPLEX64)},
};
static const tn_loaded_signature signatures[] = {
    {.name = "serving_default", .in = one_float, .n_in = 1}, {.name = "two", .in = two, .n_in = 2},
    {.name = "string", .in = one_string, .n_in = 1},         {.name = "none"},
    {.name = "double", .in = typed[0], .n_in = 1},           {.name = "int32", .in = typed[1], .n_in = 1},
    {.name = "int64", .in = typed[2], .n_in = 1},            {.name = "uint8", .in = typed[3], .n_in = 1},
    {.name = "int8", .in = typed[4], .n_in = 1},             {.name = "int16", .in = typed[5], .n_in = 1},
    {.name = "uint32", .in = typed[6], .n_in = 1},           {.name = "uint64", .in = typed[7], .n_in = 1},
    {.name = "bool", .in = typed[8], .n_in = 1},             {.name = "half", .in = typed[9], .n_in = 1},
    {.name = "complex64", .in = typed[10], .n_in = 1},
};

static tn_code find(void *payload, tn_view name, const tn_loaded_signature **out, tn_error *err)
{
    (void)payload;
    if (name.n == 0) name = TN_VIEW("serving_default");
    for (size_t i = 0; i < TN_COUNT(signatures); i++)
        if (tn_view_is(name, signatures[i].name)) {
            *out = &signatures[i];
            return TN_OK;
        }
    return tn_fail(err, TN_INVALID_ARGUMENT, "Serving signature name: \"%.*s\" not found in signature def", (int)name.n, name.p);
}

static tn_arena *arena;
static tn_rest_inputs in;
static tn_error err;

static tn_code read_body(const char *json, bool more_types)
{
    const tn_rest_reading how = {.find = find, .more_types = more_types};
    tn_rest_inputs_drop(&in);
    if (arena) tn_arena_free(arena);
    arena = tn_arena_new(0);
    size_t n = strlen(json);
    char *exact = tn_malloc(n + 1); /* so that a sanitizer sees what is read too far */
    memcpy(exact, json, n + 1);
    tn_code code = tn_rest_read_predict((tn_view){exact, n}, &how, arena, &in, &err);
    tn_free(exact);
    return code;
}

static int tear_down(void **state)
{
    (void)state;
    tn_rest_inputs_drop(&in);
    if (arena) tn_arena_free(arena);
    arena = NULL;
    return 0;
}

static void expect_shape(const tn_tensor *t, const char *shape)
{
    char text[128];
    assert_string_equal(tn_shape_text(&t->shape, text, sizeof text), shape);
}

/* ==== what is right ==== */

static void rows_and_columns(void **state)
{
    (void)state;
    static const struct {
        const char *json, *shape;
        bool columnar;
    } rows[] = {
        {"{\"instances\": [1.0, 2, 5e0]}", "[3]", false},
        {"{\"instances\": [[1,2],[3,4],[5,6]]}", "[3,2]", false},
        {" { \"instances\" : [ [ [ 1 ] ] ] } ", "[1,1,1]", false},
        {"{\"instances\": [{\"x\": 1}, {\"x\": 2}]}", "[2]", false},
        {"{\"instances\": [{\"\\u0078\": [1, 2]}]}", "[1,2]", false},
        {"{\"instances\": [[]]}", "[1,0]", false},
        {"{\"instances\": [[], []]}", "[2,0]", false},
        {"{\"inputs\": 1.5}", "[]", true},
        {"{\"inputs\": [1, 2]}", "[2]", true},
        {"{\"inputs\": []}", "[0]", true},
        {"{\"inputs\": [[], []]}", "[2,0]", true},
        {"{\"inputs\": {\"x\": [[1, 2, 3]]}}", "[1,3]", true},
        {"{\"inputs\": {\"y\": [\"\\ud834\\udd1e\", {}], \"x\": [1]}}", "[1]", true},
        {"{\"inputs\": {\"x\": [1], \"x\": [1, 2]}}", "[1]", true},
        {"{\"instances\": [1], \"signature_name\": \"serving_default\"}", "[1]", false},
        {"{\"instances\": [1], \"signature_name\": \"\"}", "[1]", false},
        {"{\"signature_name\": \"\", \"other\": {\"a\": [null, true, false, \"\\n\", -0.5e-3]}, \"instances\": [1]}", "[1]", false},
        {"{\"instances\": [1], \"instances\": \"twice\"}", "[1]", false},
        {"{\"instan\\u0063es\": [1, 2]}", "[2]", false},
        {"\xEF\xBB\xBF{\"instances\": [1]}", "[1]", false},
        {"{\"inputs\": [[[[[[[[[[7]]]]]]]]]]}", "[1,1,1,1,1,1,1,1,1,1]", true},
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        tn_code code = read_body(rows[i].json, false);
        if (code != TN_OK) fail_msg("%s: %s", rows[i].json, err.message);
        expect_shape(in.in[0], rows[i].shape);
        assert_int_equal(in.columnar, rows[i].columnar);
        assert_int_equal(in.in[0]->dtype, TN_FLOAT);
    }
}

static void several_inputs(void **state)
{
    (void)state;
    assert_ok(read_body("{\"signature_name\":\"two\",\"instances\":[{\"b\":1,\"a\":[1,2]},{\"a\":[3,4.5],\"b\":-7}]}", false), &err);
    expect_shape(in.in[0], "[2,2]");
    expect_shape(in.in[1], "[2]");
    assert_true(TN_FLOATS(in.in[0])[3] == 4.5f);
    assert_int_equal(TN_INT32S(in.in[1])[1], -7);
    /* named behind the values, for which another signature was guessed */
    assert_ok(read_body("{\"inputs\":{\"a\":3,\"b\":[4]},\"signature_name\":\"two\"}", false), &err);
    expect_shape(in.in[0], "[]");
    expect_shape(in.in[1], "[1]");
    assert_int_equal(TN_INT32S(in.in[1])[0], 4);
}

static void numbers_are_the_nearest(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0", "-0.0", "0.1", "1e-3", "123456789012345678901234567890e-25", "3.4028234663852886e38", "1e-45", "1.1754943508222875e-38", "0.30000001192092896",
        "16777215", "0.1000000014901161193847656250", "-2.5E+3", "9007199254740993.0", "0.00000000000000000000000000000000000001", "8.5899345919999996e9",
        "1.00000005960464477539062500000", "1.000000059604644775390625000001", "7.038531e-26", "12345678.5", "1234567812345678.25", "5e-324",
        "2.2250738585072011e-308",
        "1.7976931348623157e308",
    };
    for (size_t i = 0; i < TN_COUNT(texts); i++) {
        tn_scanner s = {.begin = texts[i], .at = texts[i], .end = texts[i] + strlen(texts[i])};
        tn_scanned n;
        assert_true(tn_scan_number(&s, &n));
        assert_true(s.at == s.end);
        double v = strtod(texts[i], NULL), got = tn_scanned_double(&n);
        float single = tn_scanned_float(&n), wanted = (float)v;
        assert_memory_equal(&got, &v, sizeof v);
        assert_memory_equal(&single, &wanted, sizeof single);
    }
    uint64_t seed = 88172645463325252u;
    for (int i = 0; i < 200000; i++) {
        char text[48];
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        static const char *const forms[] = {"%.17g", "%.9g", "%.6g", "%.16f", "%.8e", "%.20g"};
        double v = (double)(int64_t)seed / 9.3e18 * (i % 7 ? 1 : 1e-30 * (i % 97));
        int length = snprintf(text, sizeof text, forms[i % 6], v);
        tn_scanner s = {.begin = text, .at = text, .end = text + length};
        tn_scanned n;
        assert_true(tn_scan_number(&s, &n));
        v = strtod(text, NULL);
        if (n.whole) v += 0.0; /* integers have no -0 */
        if (tn_scanned_double(&n) != v || tn_scanned_float(&n) != (float)v) fail_msg("%s is %.17g", text, tn_scanned_double(&n));
    }
}

static void not_a_number_and_infinities(void **state)
{
    (void)state;
    assert_ok(read_body("{\"instances\": [NaN, Infinity, -Infinity, Inf, -Inf, -NaN]}", false), &err);
    const float *v = TN_FLOATS(in.in[0]);
    assert_true(isnan(v[0]) && isnan(v[5]));
    assert_true(isinf(v[1]) && v[1] > 0 && isinf(v[2]) && v[2] < 0 && isinf(v[3]) && v[3] > 0 && isinf(v[4]) && v[4] < 0);
    assert_ok(read_body("{\"signature_name\":\"double\",\"instances\": [NaN, 1e308]}", false), &err);
    assert_true(((double *)in.in[0]->data)[1] == 1e308);
}

static void integers_of_every_width(void **state)
{
    (void)state;
    assert_ok(read_body("{\"signature_name\":\"int64\",\"instances\": [9223372036854775807, -9223372036854775808, -0]}", false), &err);
    assert_true(TN_INT64S(in.in[0])[0] == INT64_MAX && TN_INT64S(in.in[0])[1] == INT64_MIN && TN_INT64S(in.in[0])[2] == 0);
    assert_ok(read_body("{\"signature_name\":\"uint64\",\"instances\": [18446744073709551615, 0]}", false), &err);
    assert_true(((uint64_t *)in.in[0]->data)[0] == UINT64_MAX);
    assert_ok(read_body("{\"signature_name\":\"uint32\",\"instances\": [4294967295]}", false), &err);
    assert_true(((uint32_t *)in.in[0]->data)[0] == UINT32_MAX);
    assert_ok(read_body("{\"signature_name\":\"int8\",\"instances\": [-128, 127]}", false), &err);
    assert_true(((int8_t *)in.in[0]->data)[0] == -128);
    assert_ok(read_body("{\"signature_name\":\"uint8\",\"instances\": [0, 255]}", false), &err);
    assert_true(((uint8_t *)in.in[0]->data)[1] == 255);
    assert_ok(read_body("{\"signature_name\":\"int16\",\"instances\": [-32768]}", false), &err);
    assert_true(((int16_t *)in.in[0]->data)[0] == INT16_MIN);
    assert_ok(read_body("{\"signature_name\":\"int8\",\"instances\": [300, -129, 2147483647]}", false), &err); /* cut, as by TensorFlow Serving */
    assert_true(((int8_t *)in.in[0]->data)[0] == 44 && ((int8_t *)in.in[0]->data)[1] == 127 && ((int8_t *)in.in[0]->data)[2] == -1);
    assert_ok(read_body("{\"signature_name\":\"uint8\",\"instances\": [256, -1]}", false), &err);
    assert_true(((uint8_t *)in.in[0]->data)[0] == 0 && ((uint8_t *)in.in[0]->data)[1] == 255);
    assert_ok(read_body("{\"signature_name\":\"int16\",\"instances\": [40000]}", false), &err);
    assert_true(((int16_t *)in.in[0]->data)[0] == -25536);
    static const char *const beyond[] = {"int8\", \"inputs\": [128]", "uint8\", \"inputs\": [-1]", "int16\", \"inputs\": [32768]"};
    for (int i = 0; i < 3; i++) {
        char text[80];
        snprintf(text, sizeof text, "{\"signature_name\": \"%s}", beyond[i]);
        assert_int_equal(read_body(text, true), TN_INVALID_ARGUMENT);
    }
    assert_ok(read_body("{\"signature_name\":\"bool\",\"instances\": [[true, false]]}", false), &err);
    assert_true(((bool *)in.in[0]->data)[0] && !((bool *)in.in[0]->data)[1]);
    assert_ok(read_body("{\"signature_name\":\"half\",\"instances\": [0.5]}", true), &err);
    assert_true(tn_half_to_float(((uint16_t *)in.in[0]->data)[0]) == 0.5f);
}

static void strings_and_bytes(void **state)
{
    (void)state;
    assert_ok(read_body("{\"signature_name\":\"string\","
                        "\"instances\": [\"a\\u00e9\\n\\/\", {\"b64\": \"AP8=\"}, \"\", \"\\ud83d\\ude00\", \"\xff\", {\"b64\":\"\"}]}",
                        false), &err);
    const tn_string *s = TN_STRINGS(in.in[0]);
    expect_shape(in.in[0], "[6]");
    assert_int_equal(s[0].n, 5);
    assert_memory_equal(s[0].p, "a\xc3\xa9\n/", 5);
    assert_int_equal(s[1].n, 2);
    assert_memory_equal(s[1].p, "\0\xff", 2);
    assert_int_equal(s[2].n, 0);
    assert_memory_equal(s[3].p, "\xf0\x9f\x98\x80", 4);
    assert_memory_equal(s[4].p, "\xff", 1);
    assert_int_equal(s[5].n, 0);
    assert_ok(read_body("{\"signature_name\":\"string\",\"inputs\": {\"b64\": \"\\u0061GVsbG8=\"}}", false), &err);
    expect_shape(in.in[0], "[]");
    assert_string_equal(TN_STRINGS(in.in[0])[0].p, "hello");
}

/* ==== what is wrong ==== */

typedef struct mistake {
    const char *json, *message;
} mistake;

static void expect_mistakes(const mistake *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        tn_code code = read_body(rows[i].json, false);
        if (code == TN_OK) fail_msg("%s was read", rows[i].json);
        if (strcmp(err.message, rows[i].message) != 0) fail_msg("%s:\n  %s\n  instead of\n  %s", rows[i].json, err.message, rows[i].message);
    }
}

static void syntax(void **state)
{
    (void)state;
    static const mistake rows[] = {
        {"", "JSON Parse error: The document is empty"},
        {"  ", "JSON Parse error: The document is empty. at offset: 2"},
        {"{", "JSON Parse error: Missing a name for object member. at offset: 1"},
        {"{\"a\"", "JSON Parse error: Missing a colon after a name of object member. at offset: 4"},
        {"{\"a\":", "JSON Parse error: Invalid value. at offset: 5"},
        {"{\"a\":1", "JSON Parse error: Missing a comma or '}' after an object member. at offset: 6"},
        {"{\"a\":1,}", "JSON Parse error: Missing a name for object member. at offset: 7"},
        {"{\"instances\": [1,]}", "JSON Parse error: Invalid value. at offset: 17"},
        {"{\"instances\": [1 2]}", "JSON Parse error: Missing a comma or ']' after an array element. at offset: 17"},
        {"{\"instances\": [1", "JSON Parse error: Missing a comma or ']' after an array element. at offset: 16"},
        {"{\"instances\": [01]}", "JSON Parse error: Missing a comma or ']' after an array element. at offset: 16"},
        {"{\"instances\": [1]} x", "JSON Parse error: The document root must not be followed by other values. at offset: 19"},
        {"{\"instances\": [1.]}", "JSON Parse error: Miss fraction part in number. at offset: 17"},
        {"{\"instances\": [1e]}", "JSON Parse error: Miss exponent in number. at offset: 17"},
        {"{\"instances\": [1e+]}", "JSON Parse error: Miss exponent in number. at offset: 18"},
        {"{\"instances\": [+1]}", "JSON Parse error: Invalid value. at offset: 15"},
        {"{\"instances\": [.5]}", "JSON Parse error: Invalid value. at offset: 15"},
        {"{\"instances\": [-]}", "JSON Parse error: Invalid value. at offset: 16"},
        {"{\"instances\": [1e309]}", "JSON Parse error: Number too big to be stored in double. at offset: 15"},
        {"{\"instances\": [1.8e308]}", "JSON Parse error: Number too big to be stored in double. at offset: 15"},
        {"{\"instances\": [nul]}", "JSON Parse error: Invalid value. at offset: 18"},
        {"{\"instances\": [Nan]}", "JSON Parse error: Invalid value. at offset: 17"},
        {"{\"instances\": [Infinit]}", "JSON Parse error: Invalid value. at offset: 22"},
        {"{\"instances\": [tru]}", "JSON Parse error: Invalid value. at offset: 18"},
        {"{\"a\": \"x}", "JSON Parse error: Missing a closing quotation mark in string. at offset: 9"},
        {"{\"a\": \"\\x\"}", "JSON Parse error: Invalid escape character in string. at offset: 7"},
        {"{\"a\": \"\\u12g4\"}", "JSON Parse error: Incorrect hex digit after \\u escape in string. at offset: 7"},
        {"{\"a\": \"\\ud800x\"}", "JSON Parse error: The surrogate pair in string is invalid. at offset: 7"},
        {"{\"a\": \"\\ud800\\u0041\"}", "JSON Parse error: The surrogate pair in string is invalid. at offset: 7"},
        {"{\"a\": \"\n\"}", "JSON Parse error: Invalid escape character in string. at offset: 7"},
        {"abcd", "JSON Parse error: Invalid value. at offset: 0"},
        /* a mistake in the values counts less than one in the syntax behind them */
        {"{\"instances\": [\"x\"], }", "JSON Parse error: Missing a name for object member. at offset: 21"},
    };
    expect_mistakes(rows, TN_COUNT(rows));
    char deep[6000];
    memset(deep, '[', sizeof deep);
    deep[sizeof deep - 1] = 0;
    assert_code(read_body(deep, false), TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, "JSON Parse error: Nested too deeply. at offset: 1000");
}

static void forms(void **state)
{
    (void)state;
    static const mistake rows[] = {
        {"[1]", "JSON Value: [\n    1\n] Is not object"},
        {"3", "JSON Value: 3 Is not object"},
        {"{}", "Missing 'inputs' or 'instances' key"},
        {"{\"signature_name\": 5}", "JSON Value: {\n    \"signature_name\": 5\n} not formatted correctly. 'signature_name' key must be a string value."},
        {"{\"signature_name\": \"nix\", \"instances\": [1]}", "Serving signature name: \"nix\" not found in signature def"},
        {"{\"signature_name\": \"none\", \"instances\": [1]}", "Failed to get input map for signature: none"},
        {"{\"inputs\": 1, \"instances\": [1]}",
         "JSON Value: {\n    \"inputs\": 1,\n    \"instances\": [\n        1\n    ]\n} Not formatted correctly expecting only one of 'inputs' or 'instances' "
         "keys to exist "},
        {"{\"instances\": 1}", "JSON Value: {\n    \"instances\": 1\n} Excepting 'instances' to be an list/array"},
        {"{\"instances\": []}", "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array"},
        {"{\"signature_name\": \"two\", \"instances\": [1, 2]}",
         "instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map"},
        {"{\"signature_name\": \"two\", \"inputs\": [1, 2]}",
         "inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map"},
        {"{\"signature_name\": \"two\", \"inputs\": {\"a\": [1]}}", "Missing named input: b in 'inputs' object."},
        {"{\"instances\": [{\"x\": 1}, 2]}", "Expecting object but got list at item 1 of input list"},
        {"{\"instances\": [1, {\"x\": 1}]}", "Expecting value/list but got object at item 1 of input list"},
        {"{\"signature_name\": \"two\", \"instances\": [{\"a\": 1}]}",
         "Failed to process element: 0 of 'instances' list. JSON object: {\n    \"a\": 1\n} keys must be equal to: a,b"},
        {"{\"instances\": [{}]}", "Failed to process element: 0 of 'instances' list. JSON object: {} keys must be equal to: x"},
        {"{\"instances\": [{\"x\": 1}, {\"z\": 1}]}",
         "Failed to process element: 1 key: z of 'instances' list. Error: INVALID_ARGUMENT: JSON object: does not have named input: z"},
        /* numbers within a value are shown with all digits, alone with those of a float */
        {"{\"instances\": 0.1, \"a\": [5.924060223704473, 0.00001, 1e-7, 1e21, 1e22, -0.0, 123456789012.5, 1e308, 18446744073709551616, 3]}",
         "JSON Value: {\n    \"instances\": 0.1,\n    \"a\": [\n        5.924060223704473,\n        0.00001,\n        1e-7,\n        1e21,\n        1e22,\n"
         "        -0.0,\n        123456789012.5,\n        1e308,\n        18446744073709552000.0,\n        3\n    ]\n} Excepting 'instances' to be an "
         "list/array"},
        {"{\"a\": [], \"b\": {}, \"c\": [[], {}], \"instances\": 1, \"d\": \"e\"}",
         "JSON Value: {\n    \"a\": [],\n    \"b\": {},\n    \"c\": [\n        [],\n        {}\n    ],\n    \"instances\": 1,\n    \"d\": \"e\"\n} "
         "Excepting 'instances' to be an list/array"},
        {"{\"instances\": [{\"x\": 1, \"x\": 2}]}",
         "Failed to process element: 0 key: x of 'instances' list. Error: INVALID_ARGUMENT: tensor parsing error: x"},
    };
    expect_mistakes(rows, TN_COUNT(rows));
}

#define ROW(i) "Failed to process element: " #i " of 'instances' list. Error: INVALID_ARGUMENT: "

static void values(void **state)
{
    (void)state;
    static const mistake rows[] = {
        {"{\"instances\": [\"x\"]}", ROW(0) "JSON Value: \"x\" Type: String is not of expected type: float"},
        {"{\"inputs\": \"x\"}", "JSON Value: \"x\" Type: String is not of expected type: float"},
        {"{\"inputs\": [null]}", "JSON Value: null Type: Null is not of expected type: float"},
        {"{\"inputs\": [true]}", "JSON Value: true Type: True is not of expected type: float"},
        {"{\"inputs\": [false]}", "JSON Value: false Type: False is not of expected type: float"},
        {"{\"inputs\": [{\"b64\": \"AA==\"}]}", "JSON Value: {\n    \"b64\": \"AA==\"\n} Type: Object is not of expected type: float"},
        {"{\"inputs\": [16777216]}", "Cannot convert JSON value: 16777216 to float without loss of precision."},
        {"{\"inputs\": [-16777216]}", "Cannot convert JSON value: -16777216 to float without loss of precision."},
        {"{\"inputs\": [1e39]}", "Cannot convert JSON value: 1e+39 to float without loss of precision."},
        {"{\"signature_name\": \"double\", \"inputs\": [9007199254740992]}",
         "Cannot convert JSON value: 9007199254740992 to double without loss of precision."},
        {"{\"signature_name\": \"int32\", \"inputs\": [1.0]}", "JSON Value: 1.0 Type: Number is not of expected type: int32"},
        {"{\"signature_name\": \"int32\", \"inputs\": [1e2]}", "JSON Value: 100.0 Type: Number is not of expected type: int32"},
        {"{\"signature_name\": \"int32\", \"inputs\": [2147483648]}", "JSON Value: 2147483648 Type: Number is not of expected type: int32"},
        {"{\"signature_name\": \"int64\", \"inputs\": [9223372036854775808]}", "JSON Value: 9223372036854775808 Type: Number is not of expected type: int64"},
        {"{\"signature_name\": \"uint8\", \"inputs\": [2147483648]}", "JSON Value: 2147483648 Type: Number is not of expected type: uint8"},
        {"{\"signature_name\": \"uint32\", \"inputs\": [-1]}", "JSON Value: -1 Type: Number is not of expected type: uint32"},
        {"{\"signature_name\": \"uint64\", \"inputs\": [18446744073709551616]}",
         "JSON Value: 1.84467441e+19 Type: Number is not of expected type: uint64"},
        {"{\"signature_name\": \"bool\", \"inputs\": [1]}", "JSON Value: 1 Type: Number is not of expected type: bool"},
        {"{\"signature_name\": \"string\", \"inputs\": [1]}", "JSON Value: 1 Type: Number is not of expected type: string"},
        {"{\"signature_name\": \"string\", \"inputs\": [{\"b64\": \"*\"}]}", "Unable to base64 decode"},
        {"{\"signature_name\": \"string\", \"inputs\": [{\"b65\": \"\"}]}",
         "JSON Value: {\n    \"b65\": \"\"\n} not formatted correctly for base64 data"},
        {"{\"signature_name\": \"half\", \"inputs\": [1]}", "Conversion of JSON Value: 1 to type: half"},
        {"{\"signature_name\": \"complex64\", \"inputs\": [1]}", "Conversion of JSON Value: 1 to type: complex64"},
        {"{\"signature_name\": \"two\", \"instances\": [{\"a\": 1, \"b\": 1.5}]}",
         "Failed to process element: 0 key: b of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: 1.5 Type: Number is not of expected type: int32"},
        /* shapes */
        {"{\"instances\": [[1, 2, 3], [1, 2]]}", ROW(1) "Expecting tensor size: 3 but got: 2"},
        {"{\"instances\": [[[1, 2, 3], [4, 5, 6]], [[1, 2], [3, 4], [5, 6]]]}", ROW(1) "Expecting shape [2,3] but got: [3,2]"},
        {"{\"instances\": [1, [2]]}", ROW(1) "Expecting shape [] but got: [1]"},
        {"{\"instances\": [[1, [2]]]}", ROW(0) "Encountered list at unexpected level: 1 expected < 1"},
        {"{\"instances\": [[[1], 2]]}", ROW(0) "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2"},
        {"{\"inputs\": [[1, 2], [3]]}", "Encountered list at unexpected size: 1 at level: 1 expected size: 2"},
        {"{\"inputs\": [[], [3]]}", "Encountered list at unexpected size: 1 at level: 1 expected size: 0"},
        {"{\"inputs\": [[1, 2], [3, 4, \"x\"]]}", "Encountered list at unexpected size: 3 at level: 1 expected size: 2"},
        {"{\"inputs\": [[1, 2], [3, \"x\"]]}", "JSON Value: \"x\" Type: String is not of expected type: float"},
        {"{\"inputs\": [[[1], [2]], [[3], [\"y\"], [5]]]}", "Encountered list at unexpected size: 3 at level: 1 expected size: 2"},
        {"{\"inputs\": [[[[[[[[[[[[[[[[[7]]]]]]]]]]]]]]]]]}", "Lists are nested deeper than the 16 dimensions that a tensor may have"},
        {"{\"instances\": [[[[[[[[[[[[[[[[[7]]]]]]]]]]]]]]]]]}", "Lists are nested deeper than the 16 dimensions that a tensor may have"},
    };
    expect_mistakes(rows, TN_COUNT(rows));
}

/* What a message shows of a value is cut. */
static void long_values_are_cut(void **state)
{
    (void)state;
    char json[4096], wanted[600];
    int n = snprintf(json, sizeof json, "{\"inputs\": \"");
    memset(json + n, 'a', 3000);
    snprintf(json + n + 3000, 8, "\"}");
    assert_code(read_body(json, false), TN_INVALID_ARGUMENT);
    n = snprintf(wanted, sizeof wanted, "JSON Value: \"");
    memset(wanted + n, 'a', 255);
    snprintf(wanted + n + 255, 64, " Type: String is not of expected type: float");
    assert_string_equal(err.message, wanted);
}

static void memory_that_ends(void **state)
{
    (void)state;
    static const char *const bodies[] = {"{\"instances\":[[1,2],[3,4]]}", "{\"signature_name\":\"string\",\"instances\":[\"a\\n\",{\"b64\":\"AA\\u003d=\"}]}",
                                         "{\"instances\":[\"x\"]}", "{\"inputs\":{\"a\":[1],\"b\":[2]},\"signature_name\":\"two\"}"};
    for (size_t i = 0; i < TN_COUNT(bodies); i++)
        for (int64_t at = 4; at < 60; at++) { /* behind what the test itself takes */
            tn_malloc_fail_at(at);
            tn_code code = read_body(bodies[i], false);
            tn_malloc_fail_at(0);
            if (i == 2 ? code != TN_INVALID_ARGUMENT && code != TN_RESOURCE_EXHAUSTED : code != TN_OK && code != TN_RESOURCE_EXHAUSTED)
                fail_msg("%s, allocation %d: %s", bodies[i], (int)at, err.message);
        }
}

/* ==== examples ==== */

static tn_code read_examples(const char *json, tn_Input *input, tn_view *signature)
{
    tn_rest_inputs_drop(&in);
    if (arena) tn_arena_free(arena);
    arena = tn_arena_new(0);
    return tn_rest_read_examples(tn_view_of(json), arena, signature, input, &err);
}

static void examples(void **state)
{
    (void)state;
    tn_Input input;
    tn_view signature;
    assert_ok(read_examples("{\"signature_name\":\"c\","
                            "\"examples\":[{\"f\":[1.5,NaN],\"i\":[1,true,false],\"s\":[\"a\",{\"b64\":\"/w==\"}],\"e\":[],\"one\":7}]}",
                            &input, &signature), &err);
    assert_true(tn_view_is(signature, "c"));
    assert_int_equal(input.kind_case, TN_Input_example_list);
    const tn_Example *e = &input.example_list->examples.items[0];
    assert_int_equal(e->features->feature.n, 5);
    assert_true(tn_example_feature(e, "f")->float_list->value.items[0] == 1.5f);
    assert_int_equal(tn_example_feature(e, "i")->int64_list->value.n, 3);
    assert_int_equal(tn_example_feature(e, "i")->int64_list->value.items[1], 1);
    assert_true(tn_view_eq(tn_example_feature(e, "s")->bytes_list->value.items[1], (tn_view){"\xff", 1}));
    assert_int_equal(tn_example_feature(e, "e")->kind_case, 0);
    assert_int_equal(tn_example_feature(e, "one")->int64_list->value.items[0], 7);

    assert_ok(read_examples("{\"examples\":[{\"a\":1,\"a\":2},{}],\"context\":{\"c\":\"x\"}}", &input, &signature), &err);
    assert_int_equal(signature.n, 0);
    assert_int_equal(input.kind_case, TN_Input_example_list_with_context);
    assert_int_equal(input.example_list_with_context->examples.n, 2);
    e = &input.example_list_with_context->examples.items[0];
    assert_int_equal(tn_example_feature(e, "a")->int64_list->value.items[0], 2);
    assert_true(tn_view_is(tn_example_feature(input.example_list_with_context->context, "c")->bytes_list->value.items[0], "x"));
}

static void wrong_examples(void **state)
{
    (void)state;
    static const mistake rows[] = {
        {"", "JSON Parse error: The document is empty"},
        {"{\"examples\": [}", "JSON Parse error: Invalid value. at offset: 14"},
        {"{}", "JSON Value: {} When method is classify, key 'examples' is expected and was not found"},
        {"{\"examples\": 1}", "JSON Value: {\n    \"examples\": 1\n} Expecting 'examples' value to be an list/array"},
        {"{\"examples\": []}", "JSON Value: {\n    \"examples\": []\n} 'examples' value is an empty array"},
        {"{\"examples\": [1]}", "Example must be JSON object but got JSON Number"},
        {"{\"examples\": [[]]}", "Example must be JSON object but got JSON Array"},
        {"{\"context\": null, \"examples\": [{}]}", "Example must be JSON object but got JSON Null"},
        {"{\"examples\": [{\"a\": null}]}", "Feature: a has element with unexpected JSON type: Null"},
        {"{\"examples\": [{\"a\": [[1]]}]}", "Feature: a has element with unexpected JSON type: Array"},
        {"{\"examples\": [{\"a\": {\"c\": 1}}]}", "Feature: a has element with unexpected JSON type: Object"},
        {"{\"examples\": [{\"a\": {\"b64\": \"?\"}}]}", "Unable to base64 decode"},
        {"{\"examples\": [{\"a\": [1, 2.5]}]}", "Unexpected element type in feature: a expecting type: int64"},
        {"{\"examples\": [{\"a\": [2.5, \"x\"]}]}", "Unexpected element type in feature: a expecting type: float"},
        {"{\"examples\": [{\"a\": [\"x\", 1]}]}", "Unexpected element type in feature: a expecting type: bytes"},
        {"{\"examples\": [{\"a\": 18446744073709551615}]}", "Feature: a has uint64 element. Only int64 is supported."},
        {"{\"examples\": [{\"a\": 1e39}]}", "Cannot convert JSON value: 1e+39 to float without loss of precision."},
        {"{\"signature_name\": null, \"examples\": [{}]}",
         "JSON Value: {\n    \"signature_name\": null,"
         "\n    \"examples\": [\n        {}\n    ]\n} not formatted correctly. 'signature_name' key must be a string value."},
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        tn_Input input;
        tn_view signature;
        assert_code(read_examples(rows[i].json, &input, &signature), TN_INVALID_ARGUMENT);
        assert_string_equal(err.message, rows[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_columns), cmocka_unit_test(several_inputs),          cmocka_unit_test(numbers_are_the_nearest),
        cmocka_unit_test(not_a_number_and_infinities),                                 cmocka_unit_test(integers_of_every_width),
        cmocka_unit_test(strings_and_bytes), cmocka_unit_test(syntax),                 cmocka_unit_test(forms),
        cmocka_unit_test(values),            cmocka_unit_test(long_values_are_cut),    cmocka_unit_test(memory_that_ends),
        cmocka_unit_test(examples),          cmocka_unit_test(wrong_examples),
    };
    return cmocka_run_group_tests_name("rest_read", tests, NULL, tear_down);
}
