/* SPDX-License-Identifier: Apache-2.0
 *
 * test_json.c - numbers as text, the JSON reader and writer.
 */
#include "test.h"

#include <float.h>
#include <locale.h>
#include <math.h>

/* ==== numbers ==== */

static void doubles_are_written_as_short_as_can_be(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } rows[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-64, "-64"},
        {0.1, "0.1"},
        {0.001, "0.001"},
        {1e-4, "0.0001"},
        {1e-5, "1e-05"},
        {1.5e-7, "1.5e-07"},
        {1e15, "1000000000000000"},
        {1e16, "1e+16"},
        {1e22, "1e+22"},
        {1e23, "1e+23"},
        {0.1 + 0.2, "0.30000000000000004"},
        {123456.789, "123456.789"},
        {5e-324, "5e-324"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {DBL_MIN, "2.2250738585072014e-308"},
        {1.0 / 3, "0.3333333333333333"},
        {9007199254740993.0, "9007199254740992"},
        {INFINITY, "Infinity"},
        {-INFINITY, "-Infinity"},
        {NAN, "NaN"},
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        char text[32];
        assert_int_equal(tn_format_double(text, rows[i].v), strlen(rows[i].text));
        assert_string_equal(text, rows[i].text);
    }
}

static void floats_are_written_as_short_as_can_be(void **state)
{
    (void)state;
    static const struct {
        float v;
        const char *text;
    } rows[] = {
        {0, "0"},
        {0.1f, "0.1"},
        {16777216, "16777216"},
        {16777218, "16777218"},
        {33554432, "33554432"},
        {3.14159274f, "3.1415927"},
        {1e-5f, "1e-05"},
        {FLT_MAX, "3.4028235e+38"},
        {FLT_MIN, "1.1754944e-38"},
        {1e-45f, "1e-45"},
        {0.3f, "0.3"},
        {1.0f / 3, "0.33333334"},
        {-2.5f, "-2.5"},
        {1e10f, "10000000000"},
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        char text[32];
        assert_int_equal(tn_format_float(text, rows[i].v), strlen(rows[i].text));
        assert_string_equal(text, rows[i].text);
    }
}

static void numbers_read_back_bit_for_bit(void **state)
{
    (void)state;
    uint64_t x = 88172645463325252ULL;
    for (int i = 0; i < 20000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        double d, back = 0;
        float f;
        char text[32];
        memcpy(&d, &x, sizeof d);
        memcpy(&f, &x, sizeof f);
        if (i % 2) d = (double)(int64_t)(x % 2000000000) / 1000 - 1e6;
        if (i % 2) f = (float)(x >> 40) / 65536.0f;
        if (!isfinite(d) || !isfinite(f)) continue;
        assert_true(tn_parse_double((tn_view){text, (size_t)tn_format_double(text, d)}, &back));
        assert_memory_equal(&d, &back, sizeof d);
        assert_true(tn_parse_double((tn_view){text, (size_t)tn_format_float(text, f)}, &back));
        assert_true((float)back == f);
    }
}

static void decimals_are_rounded_to_nearest(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double v;
    } rows[] = {
        {"0", 0},
        {"+1.5", 1.5},
        {"-1.5E2", -150},
        {".5", 0.5},
        {"5.", 5},
        {"1e400", INFINITY},
        {"1e-400", 0},
        {"9007199254740993", 9007199254740992.0},
        {"9007199254740993.00000000000000000001", 9007199254740994.0},
        {"2.2250738585072011e-308", 2.2250738585072011e-308},
        {"179769313486231580793e289", INFINITY},
        {"123456789012345678901234567890", 123456789012345678901234567890.0},
        {"inf", INFINITY},
        {"-Infinity", -INFINITY},
        {"0.000000000000000000000000000000000001e36", 1},
        {"1e99999999999", INFINITY},
        {"0e99999999999", 0},
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        double v = -1;
        assert_true(tn_parse_double(tn_view_of(rows[i].text), &v));
        assert_memory_equal(&v, &rows[i].v, sizeof v);
    }
    double v;
    assert_true(tn_parse_double(TN_VIEW("NaN"), &v));
    assert_true(isnan(v));
}

/* 2^53 + 1 lies exactly between two doubles: only the last of many digits tells which way. */
static void very_long_decimals_are_exact(void **state)
{
    (void)state;
    tn_buf text = {0};
    double v;
    tn_buf_str(&text, "9007199254740993.");
    for (int i = 0; i < 2000; i++) tn_buf_char(&text, '0');
    assert_true(tn_parse_double((tn_view){text.data, text.n}, &v));
    assert_true(v == 9007199254740992.0);
    tn_buf_char(&text, '1');
    assert_true(tn_parse_double((tn_view){text.data, text.n}, &v));
    assert_true(v == 9007199254740994.0);
    tn_buf_free(&text);
}

static void what_is_no_number_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",   "+",     ".",    "e5",  "1e",    "1e+", "1 ",
                                      " 1", "1.2.3", "0x10", "1,5", "infin", "--1"};
    double v = 7;
    int64_t n = 7;
    for (size_t i = 0; i < TN_COUNT(bad); i++) {
        assert_false(tn_parse_double(tn_view_of(bad[i]), &v));
        assert_false(tn_parse_int(tn_view_of(bad[i]), &n));
    }
    assert_true(v == 7 && n == 7);
    assert_true(tn_parse_int(TN_VIEW("-9223372036854775808"), &n));
    assert_true(n == INT64_MIN);
    assert_true(tn_parse_int(TN_VIEW("+9223372036854775807"), &n));
    assert_true(n == INT64_MAX);
    assert_false(tn_parse_int(TN_VIEW("9223372036854775808"), &n));
    assert_false(tn_parse_int(TN_VIEW("-9223372036854775809"), &n));
    assert_false(tn_parse_int(TN_VIEW("1.0"), &n));
}

static void locales_change_nothing(void **state)
{
    (void)state;
    char text[32];
    double v = 0;
    if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "fr_FR.UTF-8")) return; /* not installed */
    tn_format_double(text, 0.1 + 0.2);
    bool read = tn_parse_double(TN_VIEW("1.2345678901234567890123"), &v);
    setlocale(LC_ALL, "C");
    assert_string_equal(text, "0.30000000000000004");
    assert_true(read && v == 1.2345678901234567890123);
}

/* ==== reading ==== */

static tn_json *parse(tn_arena *a, const char *text)
{
    tn_error err;
    tn_json *root = NULL;
    assert_ok(tn_json_parse(tn_view_of(text), a, &root, &err), &err);
    return root;
}

static void documents_become_trees(void **state)
{
    (void)state;
    tn_arena *a = tn_arena_new(0);
    tn_json *root = parse(
        a, " {\"a\": [1, -2.5e1, \"x\"], \"b\": {\"c\": null}, \"d\": true,\n\"e\": false, \"f\": []} ");
    assert_int_equal(root->kind, TN_JSON_OBJECT);
    assert_int_equal(root->count, 5);
    const tn_json *array = tn_json_find(root, "a");
    assert_int_equal(array->count, 3);
    assert_true(array->child->is_int && array->child->integer == 1);
    assert_true(!array->child->next->is_int && array->child->next->number == -25);
    assert_true(tn_view_is(array->child->next->next->text, "x"));
    assert_null(array->child->next->next->next);
    assert_int_equal(tn_json_find(tn_json_find(root, "b"), "c")->kind, TN_JSON_NULL);
    assert_true(tn_json_find(root, "d")->boolean);
    assert_false(tn_json_find(root, "e")->boolean);
    assert_int_equal(tn_json_find(root, "f")->count, 0);
    assert_null(tn_json_find(root, "g"));
    assert_null(tn_json_find(array, "a"));
    assert_null(tn_json_find(NULL, "a"));
    tn_arena_free(a);
}

static void strings_are_unescaped(void **state)
{
    (void)state;
    tn_arena *a = tn_arena_new(0);
    tn_json *s = parse(a, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\u0000z\"");
    assert_true(tn_view_eq(s->text, TN_VIEW("\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\0z")));
    assert_int_equal(s->text.p[s->text.n], 0);
    tn_arena_free(a);
}

static void numbers_keep_their_kind(void **state)
{
    (void)state;
    tn_arena *a = tn_arena_new(0);
    tn_json *n =
        parse(a, "[9223372036854775807, 9223372036854775808, 1.0, NaN, Infinity, -Infinity, -0]")->child;
    assert_true(n->is_int && n->integer == INT64_MAX);
    n = n->next;
    assert_true(!n->is_int && n->number == 9223372036854775808.0);
    n = n->next;
    assert_true(!n->is_int && n->number == 1);
    n = n->next;
    assert_true(isnan(n->number));
    n = n->next;
    assert_true(n->number == INFINITY);
    n = n->next;
    assert_true(n->number == -INFINITY);
    n = n->next;
    assert_true(n->is_int && n->integer == 0 && signbit(n->number));
    tn_arena_free(a);
}

static void the_last_of_equal_names_counts(void **state)
{
    (void)state;
    tn_arena *a = tn_arena_new(0);
    assert_int_equal(tn_json_find(parse(a, "{\"a\":1,\"a\":2}"), "a")->integer, 2);
    tn_arena_free(a);
}

static void errors_name_line_and_column(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"", "1:1: expected a value, found the end"},
        {"[1,]", "1:4: expected a value, found ']'"},
        {"[1 2]", "1:4: expected ',' or ']', found '2'"},
        {"{\"a\":1,}", "1:8: expected a name in quotes"},
        {"{\"a\" 1}", "1:6: expected ':'"},
        {"{\"a\":1 \"b\"", "1:8: expected ',' or '}'"},
        {"[\n\"\xC3\xA9\" x]", "2:5: expected ',' or ']', found 'x'"},
        {"01", "1:2: expected the end"},
        {"-", "1:2: expected a digit"},
        {"1.", "1:3: expected a digit after the decimal point"},
        {"1e", "1:3: expected a digit in the exponent"},
        {"1e999", "1:1: the number 1e999 is too large"},
        {"nul", "1:1: expected a value"},
        {"\"abc", "1:1: a string that is not closed"},
        {"\"a\nb\"", "1:3: a control character (0x0a)"},
        {"\"\xFF\"", "1:2: byte 0xff is not UTF-8"},
        {"\"\\x\"", "1:3: expected one of"},
        {"\"\\u12g4\"", "1:6: expected four hexadecimal digits"},
        {"\"\\ud800x\"", "1:2: half of a surrogate pair"},
        {"\"\\udc00\"", "1:2: half of a surrogate pair"},
        {"\"\\ud800\\u0041\"", "1:2: half of a surrogate pair"},
        {"{} {}", "1:4: expected the end"},
        {"'a'", "1:1: expected a value, found '''"},
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        tn_arena *a = tn_arena_new(0);
        tn_json *root = NULL;
        tn_error err = {0};
        assert_code(tn_json_parse(tn_view_of(rows[i].text), a, &root, &err), TN_INVALID_ARGUMENT);
        assert_says(&err, rows[i].says);
        assert_null(root);
        tn_arena_free(a);
    }
}

static void nesting_is_limited(void **state)
{
    (void)state;
    char text[402];
    tn_error err;
    tn_json *root;
    tn_arena *a = tn_arena_new(0);
    memset(text, '[', 200);
    memset(text + 200, ']', 200);
    assert_ok(tn_json_parse((tn_view){text, 400}, a, &root, &err), &err);
    memset(text, '[', 201);
    assert_code(tn_json_parse((tn_view){text, 401}, a, &root, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "1:201: nested deeper than 200");
    tn_arena_free(a);
}

static void reading_stays_within_the_arena(void **state)
{
    (void)state;
    tn_arena *a = tn_arena_new(1000);
    tn_json *root = NULL;
    tn_error err;
    assert_code(tn_json_parse(TN_VIEW("[1,2,3,4,5,6,7,8,9,10,11,12]"), a, &root, &err),
                TN_RESOURCE_EXHAUSTED);
    assert_null(root);
    tn_arena_free(a);
    for (int64_t n = 1; n < 4; n++) {
        a = tn_arena_new(0);
        tn_malloc_fail_at(n);
        tn_code code = tn_json_parse(TN_VIEW("{\"a\":[\"b\"]}"), a, &root, &err);
        tn_malloc_fail_at(0);
        assert_true(code == (n == 1 ? TN_RESOURCE_EXHAUSTED : TN_OK));
        tn_arena_free(a);
    }
}

/* ==== writing ==== */

static void put_sample(tn_json_writer *w)
{
    tn_json_begin(w, '{');
    tn_json_key(w, "empty");
    tn_json_begin(w, '[');
    tn_json_end(w, ']');
    tn_json_key(w, "n");
    tn_json_begin(w, '[');
    tn_json_int(w, INT64_MIN);
    tn_json_double(w, 2);
    tn_json_float(w, 0.1f);
    tn_json_double(w, 1e300);
    tn_json_double(w, NAN);
    tn_json_float(w, -INFINITY);
    tn_json_end(w, ']');
    tn_json_key(w, "\"q\"");
    tn_json_bool(w, true);
    tn_json_key(w, "z");
    tn_json_null(w);
    tn_json_end(w, '}');
}

static void writing_keeps_commas_and_nesting(void **state)
{
    (void)state;
    tn_buf out = {0};
    tn_json_writer w = {.out = &out};
    put_sample(&w);
    assert_string_equal(out.data, "{\"empty\":[],\"n\":[-9223372036854775808,2.0,0.1,1e+300,NaN,-Infinity],"
                                  "\"\\\"q\\\"\":true,\"z\":null}");
    tn_buf_char(&out, '\n');
    tn_json_bool(&w, false);
    assert_string_equal(out.data + out.n - 7, "}\nfalse");
    tn_buf_free(&out);
}

static void writing_can_be_pretty(void **state)
{
    (void)state;
    tn_buf out = {0};
    tn_json_writer w = {.out = &out, .pretty = true};
    tn_json_begin(&w, '{');
    tn_json_key(&w, "a");
    tn_json_begin(&w, '[');
    tn_json_int(&w, 1);
    tn_json_cstr(&w, "x");
    tn_json_end(&w, ']');
    tn_json_key(&w, "b");
    tn_json_begin(&w, '{');
    tn_json_end(&w, '}');
    tn_json_end(&w, '}');
    assert_string_equal(out.data, "{\n  \"a\": [\n    1,\n    \"x\"\n  ],\n  \"b\": {}\n}");
    tn_buf_free(&out);
}

static void strings_are_escaped_and_made_valid(void **state)
{
    (void)state;
    tn_buf out = {0};
    tn_json_writer w = {.out = &out};
    tn_json_string(&w, TN_VIEW("a\"\\\b\f\n\r\t\x01\0\x7F\xC3\xA9\xFF\xE2\x82z"));
    assert_string_equal(out.data, "\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u0000\x7F\xC3\xA9"
                                  "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz\"");
    tn_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_are_written_as_short_as_can_be),
        cmocka_unit_test(floats_are_written_as_short_as_can_be),
        cmocka_unit_test(numbers_read_back_bit_for_bit),
        cmocka_unit_test(decimals_are_rounded_to_nearest),
        cmocka_unit_test(very_long_decimals_are_exact),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(locales_change_nothing),
        cmocka_unit_test(documents_become_trees),
        cmocka_unit_test(strings_are_unescaped),
        cmocka_unit_test(numbers_keep_their_kind),
        cmocka_unit_test(the_last_of_equal_names_counts),
        cmocka_unit_test(errors_name_line_and_column),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(reading_stays_within_the_arena),
        cmocka_unit_test(writing_keeps_commas_and_nesting),
        cmocka_unit_test(writing_can_be_pretty),
        cmocka_unit_test(strings_are_escaped_and_made_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
