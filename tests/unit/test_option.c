/* SPDX-License-Identifier: Apache-2.0
 *
 * test_option.c - option rows: defaults, setting, text, JSON, help, checks.
 */
#include "test.h"

typedef struct settings {
    int64_t hidden;
    int32_t steps;
    double rate;
    float momentum;
    bool shuffle;
    const char *optimizer, *note;
} settings;

static const tn_option rows[] = {
    TN_OPTION(settings, hidden, .def = "64", .min = 1, .max = 4096, .help = "units in each hidden layer"),
    TN_OPTION(settings, steps, .def = "1e3", .min = 0, .max = 2147483647, .unit = "steps",
              .help = "how long"),
    TN_OPTION(settings, rate, .def = "0.001", .min = 0, .max = 1, .help = "the step's size"),
    TN_OPTION(settings, momentum, .def = "0.9"),
    TN_OPTION(settings, shuffle, .def = "true", .help = "in a new order each time"),
    TN_OPTION(settings, optimizer, .def = "adam", .choices = "sgd|adam|adagrad", .help = "which"),
    TN_OPTION(settings, note, .help = "anything"),
    TN_OPTIONS_END,
};

static settings defaults(void)
{
    settings s;
    tn_error err;
    memset(&s, 0xFF, sizeof s);
    assert_ok(tn_options_defaults(rows, &s, &err), &err);
    return s;
}

static void defaults_fill_every_field(void **state)
{
    (void)state;
    settings s = defaults();
    assert_int_equal(s.hidden, 64);
    assert_int_equal(s.steps, 1000);
    assert_true(s.rate == 0.001);
    assert_true(s.momentum == 0.9f);
    assert_true(s.shuffle);
    assert_string_equal(s.optimizer, "adam");
    assert_null(s.note);
    tn_options_free(rows, &s);
    assert_null(s.optimizer);
}

static void defaults_that_fail_leave_nothing(void **state)
{
    (void)state;
    static const tn_option wrong[] = {
        TN_OPTION(settings, note, .def = "kept?"),
        TN_OPTION(settings, hidden, .def = "many"),
        TN_OPTIONS_END,
    };
    settings s;
    tn_error err;
    assert_code(tn_options_defaults(wrong, &s, &err), TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, "the default: hidden=many: expected a whole number");
    assert_null(s.note);
    tn_malloc_fail_at(1);
    assert_code(tn_options_defaults(rows, &s, &err), TN_RESOURCE_EXHAUSTED);
    tn_malloc_fail_at(0);
    assert_null(s.optimizer);
}

static void values_are_read_by_type(void **state)
{
    (void)state;
    settings s = defaults();
    tn_error err;
    assert_ok(tn_option_set(rows, &s, "hidden", "128", &err), &err);
    assert_ok(tn_option_set(rows, &s, "steps", "2e6", &err), &err);
    assert_ok(tn_option_set(rows, &s, "rate", "1e-4", &err), &err);
    assert_ok(tn_option_set(rows, &s, "momentum", "-.5", &err), &err);
    assert_ok(tn_option_set(rows, &s, "shuffle", "OFF", &err), &err);
    assert_ok(tn_option_set(rows, &s, "optimizer", "sgd", &err), &err);
    assert_ok(tn_option_set(rows, &s, "note", "", &err), &err);
    assert_true(s.hidden == 128 && s.steps == 2000000 && s.rate == 1e-4 && s.momentum == -0.5f && !s.shuffle);
    assert_string_equal(s.optimizer, "sgd");
    assert_string_equal(s.note, "");
    tn_options_free(rows, &s);
}

static void wrong_values_are_explained(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *says;
    } wrong[] = {
        {"hidden", "0", "hidden=0 is out of range: 1 to 4096"},
        {"hidden", "5000", "hidden=5000 is out of range"},
        {"hidden", "1.5", "hidden=1.5: expected a whole number"},
        {"hidden", "", "hidden=: expected a whole number"},
        {"hidden", "99999999999999999999", "expected a whole number"},
        {"steps", "3000000000", "steps=3000000000: expected a whole number"},
        {"rate", "2", "rate=2 is out of range: 0 to 1"},
        {"rate", "nan", "rate=nan: expected a number"},
        {"rate", "fast", "rate=fast: expected a number"},
        {"shuffle", "maybe", "shuffle=maybe: expected true or false"},
        {"optimizer", "ada", "optimizer=ada: expected one of sgd|adam|adagrad"},
        {"hiden", "3", "no setting is named hiden (did you mean hidden?)"},
        {"qqqqqq", "3", "no setting is named qqqqqq"},
    };
    settings s = defaults();
    for (size_t i = 0; i < TN_COUNT(wrong); i++) {
        tn_error err;
        assert_code(tn_option_set(rows, &s, wrong[i].name, wrong[i].value, &err), TN_INVALID_ARGUMENT);
        assert_says(&err, wrong[i].says);
    }
    assert_int_equal(s.hidden, 64);
    assert_string_equal(s.optimizer, "adam");
    tn_options_free(rows, &s);
}

static void text_reads_back(void **state)
{
    (void)state;
    settings s = defaults(), other = defaults();
    tn_error err;
    s.hidden = 77;
    s.rate = 0.1 + 0.2;
    s.momentum = 1.0f / 3;
    s.shuffle = false;
    for (const tn_option *row = rows; row->name; row++) {
        tn_buf text = {0};
        tn_option_text(row, &s, &text);
        assert_ok(tn_option_set(rows, &other, row->name, text.n ? text.data : "", &err), &err);
        tn_buf_free(&text);
    }
    assert_true(s.hidden == other.hidden && s.steps == other.steps && s.rate == other.rate);
    assert_true(s.momentum == other.momentum && s.shuffle == other.shuffle);
    assert_string_equal(other.optimizer, "adam");
    tn_options_free(rows, &s);
    tn_options_free(rows, &other);
}

static void write_json(const settings *s, tn_buf *out)
{
    tn_json_writer w = {.out = out};
    tn_json_begin(&w, '{');
    tn_options_json(rows, s, &w);
    tn_json_end(&w, '}');
}

static void json_has_every_member(void **state)
{
    (void)state;
    settings s = defaults();
    tn_error err;
    tn_buf out = {0};
    static const char *const set[][2] = {{"hidden", "5"}, {"rate", "1"}, {"shuffle", "false"}, {"note", "a"}, {"steps", "12"}};
    for (size_t i = 0; i < TN_COUNT(set); i++) assert_ok(tn_option_set(rows, &s, set[i][0], set[i][1], &err), &err);
    write_json(&s, &out);
    assert_string_equal(out.data, "{\"hidden\":5,\"steps\":12,\"rate\":1.0,\"momentum\":0.9,\"shuffle\":false,"
                                  "\"optimizer\":\"adam\",\"note\":\"a\"}");
    tn_buf_free(&out);
    tn_options_free(rows, &s);
}

static void help_is_a_table(void **state)
{
    (void)state;
    tn_buf out = {0};
    tn_options_help(rows, "--", &out);
    assert_non_null(strstr(out.data, "  --hidden=64       units in each hidden layer (1 to 4096)\n"));
    assert_non_null(strstr(out.data, "  --steps=1e3       how long (0 to 2147483647, steps)\n"));
    assert_non_null(strstr(out.data, "  --optimizer=adam  which (sgd|adam|adagrad)\n"));
    assert_non_null(strstr(out.data, "  --note=           anything\n"));
    tn_buf_free(&out);
}

static void rows_are_checked(void **state)
{
    (void)state;
    const size_t size = sizeof(settings);
    const size_t at = offsetof(settings, hidden);
    const struct {
        tn_option row;
        const char *says;
    } wrong[] = {
        {{.name = NULL, .type = TN_OPTION_INT64, .offset = at, .size = 8}, "cannot be named"},
        {{.name = "two words", .type = TN_OPTION_INT64, .offset = at, .size = 8}, "\"two words\""},
        {{.name = "hidden", .type = TN_OPTION_BOOL, .offset = at, .size = 8}, "is not of its type"},
        {{.name = "hidden", .type = (tn_option_type)17, .offset = at, .size = 8}, "17 is no type"},
        {{.name = "hidden", .type = TN_OPTION_INT64, .offset = size, .size = 8}, "outside the settings"},
        {{.name = "hidden", .type = TN_OPTION_INT64, .offset = SIZE_MAX - 7, .size = 8},
         "outside the settings"},
        {{.name = "hidden", .type = TN_OPTION_INT64, .offset = 4, .size = 8}, "is not of its type"},
        {TN_OPTION(settings, hidden, .min = 2, .max = 1), "its range is empty"},
        {TN_OPTION(settings, note, .max = 1), "only numbers have a range"},
        {TN_OPTION(settings, hidden, .choices = "1|2"), "only text has choices"},
        {TN_OPTION(settings, hidden, .def = "x"), "option hidden: its default: hidden=x"},
        {TN_OPTION(settings, hidden, .def = "9", .max = 8), "out of range"},
        {TN_OPTION(settings, note, .def = "c", .choices = "a|b"), "expected one of a|b"},
    };
    tn_error err;
    for (const tn_option *row = rows; row->name; row++) assert_ok(tn_option_check_row(row, size, &err), &err);
    for (size_t i = 0; i < TN_COUNT(wrong); i++) {
        assert_code(tn_option_check_row(&wrong[i].row, size, &err), TN_INVALID_ARGUMENT);
        assert_says(&err, wrong[i].says);
    }
    assert_ptr_equal(tn_option_find(rows, "rate"), &rows[2]);
    assert_null(tn_option_find(rows, "nothing"));
    assert_null(tn_option_find(NULL, "nothing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_fill_every_field),
        cmocka_unit_test(defaults_that_fail_leave_nothing),
        cmocka_unit_test(values_are_read_by_type),
        cmocka_unit_test(wrong_values_are_explained),
        cmocka_unit_test(text_reads_back),
        cmocka_unit_test(json_has_every_member),
        cmocka_unit_test(help_is_a_table),
        cmocka_unit_test(rows_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
