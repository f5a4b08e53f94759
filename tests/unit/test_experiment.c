/* SPDX-License-Identifier: Apache-2.0
 *
 * test_experiment.c - the record's checker, settings, and compiling and loading files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "train/train.h"

struct tn_settings {
    int64_t hidden;
    double rate;
    const char *word;
};

static void data(tn_data *d, const tn_settings *s)
{
    (void)d, (void)s;
}
static void model(tn_builder *b, const tn_settings *s, tn_mode m, const tn_features *in, tn_outputs *out)
{
    (void)b, (void)s, (void)m, (void)in, (void)out;
}
static tn_node loss(tn_builder *b, const tn_settings *s, const tn_results *r)
{
    return (void)b, (void)s, r->loss;
}
static tn_operation *optimizer(tn_builder *b, const tn_settings *s, tn_node l, tn_node step)
{
    return (void)b, (void)s, (void)l, step.op;
}

static const tn_option rows[] = {
    TN_OPTION(tn_settings, hidden, .def = "64", .min = 1, .max = 4096, .help = "units"),
    TN_OPTION(tn_settings, rate, .def = "0.5", .help = "a rate"),
    TN_OPTION(tn_settings, word, .def = "one", .choices = "one|two", .help = "a word"), TN_OPTIONS_END};
static const tn_experiment whole = {.name = "whole",
                                    .options = rows,
                                    .run = {.batch_size = 32, .shuffle = "no"},
                                    .train = data,
                                    .model = model,
                                    .loss = loss,
                                    .optimizer = optimizer};

/* ==== the checker ==== */

static tn_buf problems_of(const tn_experiment *e, bool has_model)
{
    tn_buf b = {0};
    tn_check_experiment(e, has_model, &b);
    return b;
}

static void a_complete_record_has_no_problems(void **state)
{
    (void)state;
    tn_buf b = problems_of(&whole, false);
    assert_int_equal(tn_problem_count(&b), 0);
    tn_buf_free(&b);
}

static void an_empty_record_is_told_everything(void **state)
{
    (void)state;
    static const char *const fields[] = {".name: missing", ".train: missing", ".model: missing",
                                         ".loss: missing", ".optimizer: missing"};
    tn_buf b = problems_of(&(tn_experiment){.name = NULL}, false);
    assert_int_equal(tn_problem_count(&b), TN_COUNT(fields));
    for (size_t i = 0; i < TN_COUNT(fields); i++) assert_non_null(strstr(b.data, fields[i]));
    tn_buf_free(&b);
}

static void a_model_may_come_from_another_file(void **state)
{
    (void)state;
    tn_experiment e = whole;
    e.model = NULL;
    tn_buf b = problems_of(&e, true);
    assert_int_equal(tn_problem_count(&b), 0);
    tn_check_model(&(tn_model){.name = "m"}, &b);
    assert_int_equal(tn_problem_count(&b), 1);
    assert_non_null(strstr(b.data, ".model: missing"));
    tn_buf_free(&b);
}

static void wrong_rows_are_named(void **state)
{
    (void)state;
    const tn_option wrong[] = {
        TN_OPTION(tn_settings, hidden, .def = "many", .min = 1, .max = 9, .help = "units"),
        TN_OPTION(tn_settings, rate, .def = "1", .help = "once"),
        TN_OPTION(tn_settings, rate, .def = "1", .help = "twice"),
        {.name = "seed", .type = TN_OPTION_INT64, .offset = 0, .size = 8, .def = "1", .help = "taken"},
        TN_OPTIONS_END};
    tn_experiment e = whole;
    e.options = wrong;
    e.run = (tn_run_settings){.batch_size = -1, .last_batch = "maybe"};
    e.name = "../evil";
    tn_buf b = problems_of(&e, false);
    assert_int_equal(tn_problem_count(&b), 6);
    static const char *const words[] = {".name: not usable",
                                        "options (hidden)",
                                        "options (rate): named twice",
                                        "options (seed): is a setting that every run has",
                                        ".run.batch_size",
                                        ".run.last_batch"};
    for (size_t i = 0; i < TN_COUNT(words); i++) assert_non_null(strstr(b.data, words[i]));
    tn_buf_free(&b);
}

/* ==== settings ==== */

static void settings_have_their_precedence(void **state)
{
    (void)state;
    tn_all_settings s;
    tn_error err;
    assert_int_equal(tn_settings_new(&whole, NULL, &s, &err), TN_OK);
    const tn_settings *own = s.values[0];
    assert_int_equal(s.run.batch_size, 32); /* the record's */
    assert_int_equal(s.run.log_every, 100); /* the default */
    assert_string_equal(s.run.shuffle, "no");
    assert_int_equal(own->hidden, 64);
    assert_int_equal(tn_settings_set(&s, "hidden", "7", &err), TN_OK);
    assert_int_equal(tn_settings_set(&s, "batch_size", "8", &err), TN_OK);
    assert_int_equal(own->hidden, 7);
    assert_int_equal(s.run.batch_size, 8);
    assert_int_equal(tn_settings_set(&s, "hiden", "7", &err), TN_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "did you mean 'hidden'"));
    assert_int_equal(tn_settings_set(&s, "hidden", "9999", &err), TN_INVALID_ARGUMENT);
    assert_int_equal(own->hidden, 7);
    tn_settings_free(&s);
}

static void settings_survive_their_file(void **state)
{
    (void)state;
    tn_all_settings a, b;
    tn_error err;
    tn_buf text = {0};
    char path[] = "/tmp/turnery-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(tn_settings_new(&whole, NULL, &a, NULL), TN_OK);
    assert_int_equal(tn_settings_new(&whole, NULL, &b, NULL), TN_OK);
    assert_int_equal(tn_settings_set(&a, "rate", "0.1", NULL), TN_OK);
    assert_int_equal(tn_settings_set(&a, "word", "two", NULL), TN_OK);
    assert_int_equal(tn_settings_set(&a, "save_seconds", "1.5", NULL), TN_OK);
    tn_json_writer w = {.out = &text};
    tn_json_begin(&w, '{'), tn_settings_json(&a, &w), tn_json_end(&w, '}');
    assert_int_equal(tn_file_write(path, text.data, text.n, &err), TN_OK);
    assert_int_equal(tn_settings_load(&b, path, &err), TN_OK);
    const tn_settings *own = b.values[0];
    assert_true(own->rate == 0.1 && b.run.save_seconds == 1.5);
    assert_string_equal(own->word, "two");
    assert_int_equal(tn_file_write(path, "{\"rate\": [1]}", 13, &err), TN_OK);
    assert_int_equal(tn_settings_load(&b, path, &err), TN_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, path));
    unlink(path);
    tn_buf_free(&text);
    tn_settings_free(&a);
    tn_settings_free(&b);
}

static void no_memory_for_settings_is_an_error(void **state)
{
    (void)state;
    tn_all_settings s;
    tn_error err;
    for (int64_t k = 1;; k++) {
        tn_malloc_fail_at(k);
        tn_code code = tn_settings_new(&whole, NULL, &s, &err);
        tn_malloc_fail_at(0);
        if (code == TN_OK) break;
        assert_int_equal(code, TN_RESOURCE_EXHAUSTED);
    }
    tn_settings_free(&s);
}

/* ==== loading ==== */

typedef struct words {
    tn_buf text;
} words;

static void hear(void *payload, const char *line)
{
    tn_buf_printf(&((words *)payload)->text, "%s\n", line);
}

static tn_code load(const char *source, bool model_wanted, words *heard, tn_module *m, tn_error *err)
{
    char dir[] = "/tmp/turnery-test-XXXXXX", path[64];
    tn_listener l = {.payload = heard, .words = hear};
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/e.c", dir);
    assert_int_equal(tn_file_write(path, source, strlen(source), NULL), TN_OK);
    tn_code code = tn_module_load(path, NULL, model_wanted, &l, m, err);
    assert_int_equal(tn_remove_tree(dir, NULL), TN_OK);
    return code;
}

static void a_file_is_compiled_and_loaded(void **state)
{
    (void)state;
    tn_module m;
    tn_error err = {TN_OK, ""};
    words w = {{0}};
    tn_code code = load("#include <turnery.h>\nstatic int unused;\nTN_EXPERIMENT = {.name = \"loaded\"};\n",
                        false, &w, &m, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(code, TN_OK);
    assert_string_equal(m.experiment->name, "loaded");
    assert_non_null(strstr(w.text.data, "unused")); /* the warning */
    tn_module_close(&m);
    tn_buf_free(&w.text);
}

static void what_does_not_compile_is_shown(void **state)
{
    (void)state;
    tn_module m;
    tn_error err;
    words w = {{0}};
    assert_int_equal(load("#include <turnery.h>\nTN_MODEL = {.nome = \"x\"};\n", true, &w, &m, &err),
                     TN_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "e.c:2"));
    assert_non_null(strstr(w.text.data, "nome"));
    tn_buf_free(&w.text);
}

static void the_wrong_kind_of_record_is_refused(void **state)
{
    (void)state;
    tn_module m;
    tn_error err;
    words w = {{0}};
    assert_int_equal(load("#include <turnery.h>\nTN_MODEL = {.name = \"x\"};\n", false, &w, &m, &err),
                     TN_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "TN_EXPERIMENT"));
    assert_int_equal(load("#include <turnery.h>\nTN_API const tn_abi_record tn_model_abi = {TN_ABI, "
                          "8};\nTN_API int tn_model_record;\n",
                          true, &w, &m, &err),
                     TN_FAILED_PRECONDITION);
    tn_buf_free(&w.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_complete_record_has_no_problems),
        cmocka_unit_test(an_empty_record_is_told_everything),
        cmocka_unit_test(a_model_may_come_from_another_file),
        cmocka_unit_test(wrong_rows_are_named),
        cmocka_unit_test(settings_have_their_precedence),
        cmocka_unit_test(settings_survive_their_file),
        cmocka_unit_test(no_memory_for_settings_is_an_error),
        cmocka_unit_test(a_file_is_compiled_and_loaded),
        cmocka_unit_test(what_does_not_compile_is_shown),
        cmocka_unit_test(the_wrong_kind_of_record_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
