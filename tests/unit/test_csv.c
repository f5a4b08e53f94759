/* SPDX-License-Identifier: Apache-2.0
 *
 * test_csv.c - CSV: quotes, headers, chosen columns, numbers under any locale, errors with line and column.
 */
#include <locale.h>
#include <math.h>

#include "format/format.h"
#include "place.h"

static tn_csv parsed(const char *text, const tn_csv_options *o)
{
    tn_csv c;
    tn_error err;
    assert_ok(tn_csv_parse(tn_view_of(text), o, &c, &err), &err);
    return c;
}

static float at(const tn_csv *c, int64_t row, int column)
{
    return TN_FLOATS(c->values)[row * c->n_columns + column];
}

static void test_header_and_numbers(void **state)
{
    (void)state;
    tn_csv c = parsed("a,\"b \"\"x\"\"\",c\r\n1, -2.5 ,3e2\r\n.5,+7,\r\n", NULL);
    assert_int_equal(c.n_columns, 3);
    assert_string_equal(c.names[1], "b \"x\"");
    assert_true(tn_shape_equal(&c.values->shape, &TN_SHAPE(2, 3)));
    assert_true(at(&c, 0, 0) == 1 && at(&c, 0, 1) == -2.5f && at(&c, 0, 2) == 300 && at(&c, 1, 0) == .5f &&
                at(&c, 1, 1) == 7);
    assert_true(isnan(at(&c, 1, 2)));
    tn_csv_free(&c);
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        float v;
    } cases[] = {
        {"0.1", 0.1f},
        {"3.4028235e38", 3.4028235e38f},
        {"1e-45", 1e-45f},
        {"1e99999", INFINITY},
        {"0e99999", 0},
        {"123456789012345678901234567890", 1.2345679e29f},
        {"-inf", -INFINITY},
        {"1e-99999", 0},
        {"16777217", 16777216.f},
        {"0.000000000000000000000000000000000000011754943508", 1.1754944e-38f},
    };
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        tn_csv c = parsed(cases[i].text, &(tn_csv_options){.no_header = true});
        if (at(&c, 0, 0) != cases[i].v) fail_msg("%s is %g", cases[i].text, (double)at(&c, 0, 0));
        tn_csv_free(&c);
    }
    const char *old = setlocale(LC_NUMERIC, "de_DE.UTF-8");
    tn_csv c = parsed("2.5", &(tn_csv_options){.no_header = true});
    assert_true(at(&c, 0, 0) == 2.5f);
    tn_csv_free(&c);
    if (old) setlocale(LC_NUMERIC, "C");
}

static void test_columns(void **state)
{
    (void)state;
    const char *names[] = {"y", "x"}, *absent[] = {"yy"}, *twice[] = {"x", "x"};
    tn_error err;
    tn_csv c = parsed("x,name,y\n1,\"Smith, J.\nII\",2\n3,b,4\n",
                      &(tn_csv_options){.columns = names, .n_columns = 2});
    assert_string_equal(c.names[0], "y");
    assert_true(at(&c, 0, 0) == 2 && at(&c, 0, 1) == 1 && at(&c, 1, 0) == 4);
    tn_csv_free(&c);
    assert_code(
        tn_csv_parse(TN_VIEW("x,y\n"), &(tn_csv_options){.columns = absent, .n_columns = 1}, &c, &err),
        TN_NOT_FOUND);
    assert_says(&err, "'y'");
    assert_code(tn_csv_parse(TN_VIEW("x,y\n"), &(tn_csv_options){.columns = twice, .n_columns = 2}, &c, &err),
                TN_INVALID_ARGUMENT);
}

static void test_shapes(void **state)
{
    (void)state;
    tn_csv c = parsed("\xef\xbb\xbf\n1;2\n\n3;4", &(tn_csv_options){.no_header = true, .separator = ';'});
    assert_true(tn_shape_equal(&c.values->shape, &TN_SHAPE(2, 2)));
    assert_string_equal(c.names[1], "1");
    tn_csv_free(&c);
    c = parsed("a,b\n", NULL);
    assert_true(tn_shape_equal(&c.values->shape, &TN_SHAPE(0, 2)));
    tn_csv_free(&c);
    c = parsed("a\n1\n2\n3\n", &(tn_csv_options){.max_rows = 2});
    assert_true(tn_shape_equal(&c.values->shape, &TN_SHAPE(2, 1)));
    tn_csv_free(&c);
}

static void test_errors(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "1:1"},
        {"a,b\n1,x\n", "2:3: column 'b': 'x' is no number"},
        {"a,b\n1,2\n3\n", "3:1: the row has 1 fields, not 2"},
        {"a,b\n1,2,3\n", "more than 2 fields"},
        {"a,b\n1,\"2", "2:3: a quoted field that does not end"},
        {"a,b\n\"1\"x,2\n", "2:1: text after a quoted field"},
        {"a,\"b\nc\"\n1,2e\n", "3:3"},
        {"a\n1.5.2\n", "2:1"},
        {"a\n--1\n", "2:1"},
    };
    tn_csv c;
    tn_error err;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        assert_code(tn_csv_parse(tn_view_of(cases[i].text), NULL, &c, &err), TN_INVALID_ARGUMENT);
        assert_says(&err, cases[i].says);
    }
    write_file(in(state, "x.csv"), TN_VIEW("a\nb\n"));
    assert_code(tn_csv_load(in(state, "x.csv"), NULL, &c, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "x.csv: 2:1");
}

static void test_no_memory(void **state)
{
    (void)state;
    for (int n = 1;; n++) {
        tn_csv c;
        tn_malloc_fail_at(n);
        tn_code code = tn_csv_parse(TN_VIEW("a,b\n1,2\n"), NULL, &c, NULL);
        tn_malloc_fail_at(0);
        if (code == TN_OK) {
            tn_csv_free(&c);
            break;
        }
        assert_code(code, TN_RESOURCE_EXHAUSTED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_header_and_numbers),
        TEST(test_numbers),
        TEST(test_columns),
        TEST(test_shapes),
        TEST(test_errors),
        TEST(test_no_memory),
    };
    return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
