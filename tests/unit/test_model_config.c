/* SPDX-License-Identifier: Apache-2.0
 * ModelServerConfig as text and as a message: what is taken, what is refused in which words; and what the source finds
 * in folders for it. */
#include "serve_test.h"

static const char *const whole =
    "model_config_list {\n"
    "  config { name: 'a' base_path: '/models/a' model_platform: 'tensorflow'\n"
    "    model_version_policy { latest { num_versions: 3 } }\n"
    "    version_labels { key: 'stable' value: 2 } version_labels { key: 'canary' value: 3 }\n"
    "    logging_config { log_collector_config { type: 'file' filename_prefix: '/tmp/x' } sampling_config { sampling_rate: 0.5 } } }\n"
    "  config { name: 'b' base_path: 'file:///models/b' model_type: TENSORFLOW model_version_policy { all {} } }\n"
    "  config { name: 'c' base_path: '/c' model_platform: 'tensorflow' model_version_policy { specific { versions: 7 versions: 9 } } }\n"
    "  config { name: 'd' base_path: '/d' model_platform: 'tensorflow' model_version_policy { latest {} } }\n"
    "}\n";

static void check_whole(const tn_model_configs *c)
{
    assert_int_equal(c->n, 4);
    assert_string_equal(c->v[0].name, "a");
    assert_string_equal(c->v[0].base_path, "/models/a");
    assert_string_equal(c->v[0].platform, "tensorflow");
    assert_int_equal(c->v[0].policy, TN_POLICY_LATEST);
    assert_int_equal(c->v[0].latest, 3);
    assert_int_equal(c->v[0].n_labels, 2);
    assert_string_equal(c->v[0].labels[0].label, "canary");
    assert_int_equal(c->v[0].labels[0].version, 3);
    assert_non_null(c->v[0].logging);
    assert_true(tn_view_is(c->v[0].logging->log_collector_config->filename_prefix, "/tmp/x"));
    assert_float_equal(c->v[0].logging->sampling_config->sampling_rate, 0.5, 0);
    assert_string_equal(c->v[1].base_path, "/models/b");
    assert_string_equal(c->v[1].platform, "tensorflow");
    assert_int_equal(c->v[1].policy, TN_POLICY_ALL);
    assert_null(c->v[1].logging);
    assert_int_equal(c->v[2].policy, TN_POLICY_SPECIFIC);
    assert_int_equal(c->v[2].n_specific, 2);
    assert_int_equal(c->v[2].specific[1], 9);
    assert_int_equal(c->v[3].latest, 1);
}

static void test_whole(void **state)
{
    (void)state;
    tn_error err;
    tn_model_configs copy, c = config_text(whole);
    check_whole(&c);
    assert_ok(tn_model_configs_copy(&c, &copy, &err), &err);
    tn_model_configs_free(&c);
    assert_null(c.v);
    check_whole(&copy);
    tn_model_configs_free(&copy);
    tn_model_configs_free(NULL);
    c = config_text("");
    assert_int_equal(c.n, 0);
    tn_model_configs_free(&c);
}

/* The message may go: nothing of it is pointed to. */
static void test_from_message(void **state)
{
    tn_error err;
    tn_arena *a = tn_arena_new(0);
    char *text = tn_arena_strdup(a, whole);
    tn_ModelServerConfig *config;
    tn_model_configs c;
    (void)state;
    assert_ok(TN_PARSE(ModelServerConfig, tn_view_of(text), a, &config, &err), &err);
    assert_ok(tn_model_configs_from(config, &c, &err), &err);
    tn_arena_free(a);
    check_whole(&c);
    tn_model_configs_free(&c);
    tn_Any any = {0};
    tn_ModelServerConfig custom = {0};
    TN_SET(&custom, ModelServerConfig, config, custom_model_config) = &any;
    assert_code(tn_model_configs_from(&custom, &c, &err), TN_INVALID_ARGUMENT);
}

#define LIST(text) "model_config_list { " text " }"
#define A(more) "config { name: 'a' base_path: '/a' model_platform: 'tensorflow' " more " }"

static void test_refused(void **state)
{
    static const struct { const char *text, *says; } cases[] = {
        {LIST(A("") A("")), "Illegal to list model a multiple times in config list"},
        {LIST("config { name: 'm' base_path: 'models/m' model_platform: 'tensorflow' }"),
         "Expected model m to have an absolute path or URI; got base_path()=models/m"},
        {LIST("config { name: 'm' model_platform: 'tensorflow' }"), "Expected model m to have an absolute path or URI; got base_path()="},
        {LIST("config { name: 'm' base_path: '/m' }"),
         "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform."},
        {LIST("config { name: 'm' base_path: '/m' model_type: TENSORFLOW model_platform: 'tensorflow' }"),
         "Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform."},
        {LIST("config { name: 'm' base_path: '/m' model_type: OTHER }"), "ModelServerConfig::model_type choice 2 not supported."},
        {LIST("config { base_path: '/m' model_platform: 'tensorflow' }"), "config 1 of the list has no model name"},
        {LIST("config { name: 'm' base_path: 's3://bucket/m' model_platform: 'tensorflow' }"), "s3:// is not supported"},
        {LIST("config { name: 'm' base_path: 'gs://bucket/m' model_platform: 'tensorflow' }"), "gs:// is not supported"},
        {LIST("config { name: 'm' base_path: 'hdfs://host:9/m' model_platform: 'tensorflow' }"), "hdfs:// is not supported"},
        {LIST("config { nam: 'm' }"), "Error parsing text-format tensorflow.serving.ModelServerConfig: line 1, column "},
        {"model_config_list { config {", "Error parsing text-format tensorflow.serving.ModelServerConfig"},
        {LIST(A("model_version_policy { latest { num_versions: -1 } }")), "Error parsing text-format"},
        {LIST(A("version_labels { key: 'x' value: 'y' }")), "Error parsing text-format"},
    };
    tn_error err;
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        tn_model_configs c = {.n = 77};
        assert_code(tn_model_configs_parse(tn_view_of(cases[i].text), NULL, &c, &err), TN_INVALID_ARGUMENT);
        assert_says(&err, cases[i].says);
        assert_int_equal(c.n, 77);
    }
}

static void test_memory(void **state)
{
    (void)state;
    tn_error err;
    for (int n = 1;; n++) {
        tn_model_configs c, copy = {0};
        tn_malloc_fail_at(n);
        tn_code code = tn_model_configs_parse(tn_view_of(whole), NULL, &c, &err);
        if (code == TN_OK) {
            code = tn_model_configs_copy(&c, &copy, &err);
            tn_model_configs_free(&c);
        }
        tn_malloc_fail_at(0);
        tn_model_configs_free(&copy);
        if (code == TN_OK) break;
        assert_code(code, TN_RESOURCE_EXHAUSTED);
    }
}

/* ==== the source ==== */

static void test_version_names(void **state)
{
    static const struct { const char *name; int64_t version; } good[] = {
        {"0", 0}, {"1", 1}, {"007", 7}, {"1700000000", 1700000000}, {"9223372036854775807", INT64_MAX}};
    static const char *const bad[] = {"", "v1", "1a", "-1", "+1", "1.5", "9223372036854775808", "99999999999999999999", "1.new", " 1"};
    int64_t v;
    (void)state;
    for (size_t i = 0; i < TN_COUNT(good); i++) {
        assert_true(tn_version_parse(good[i].name, &v));
        assert_true(v == good[i].version);
    }
    for (size_t i = 0; i < TN_COUNT(bad); i++) assert_false(tn_version_parse(bad[i], &v));
}

static void look(void **state, tn_model_config *c, const char *wanted, tn_look *l)
{
    tn_error err;
    tn_buf got = {0};
    assert_ok(tn_source_look(c, arena_of(state), l, &err), &err);
    for (int i = 0; i < l->n; i++) tn_buf_printf(&got, "%lld=%s ", (long long)l->v[i].version, tn_path_base(l->v[i].path));
    assert_string_equal(got.n ? got.data : "", wanted);
    tn_buf_free(&got);
}

static void test_source(void **state)
{
    static const char *const folders[] = {"1", "002", "3", "03", "10", "v4", "latest", "5.tmp"};
    tn_error err;
    tn_look l;
    tn_model_config c = {.name = "m", .base_path = in(state, "m"), .latest = 1};
    assert_code(tn_source_look(&c, arena_of(state), &l, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, tn_arena_printf(arena_of(state), "Could not find base path %s for servable m with error NOT_FOUND", c.base_path));
    assert_ok(tn_make_folders(c.base_path, &err), &err);
    look(state, &c, "", &l);
    assert_string_equal(l.warning, tn_arena_printf(arena_of(state), "No versions of servable m found under base path %s. Did you "
                        "forget to name your leaf directory as a number (eg. '/1/')?", c.base_path));
    for (size_t i = 0; i < TN_COUNT(folders); i++) assert_ok(tn_make_folders(path_in(state, "m", folders[i]), &err), &err);
    write_file(path_in(state, "m", "77"), TN_VIEW("a file, no folder"));
    look(state, &c, "10=10 ", &l);
    assert_true(strstr(l.warning, "Duplicate version directories detected. Version 3 will be loaded from ") != NULL);
    c.latest = 3;
    look(state, &c, "2=002 3=3 10=10 ", &l);
    c.latest = 100;
    look(state, &c, "1=1 2=002 3=3 10=10 ", &l);
    c.policy = TN_POLICY_ALL;
    look(state, &c, "1=1 2=002 3=3 10=10 ", &l);
    c.policy = TN_POLICY_SPECIFIC;
    c.specific = (int64_t[]){3, 4, 1};
    c.n_specific = 3;
    look(state, &c, "1=1 3=3 ", &l);
    assert_true(strstr(l.warning, "Version 4 of servable m, which was requested to be served as a 'specific' version in the servable's "
                       "version policy, was not found in the file system") != NULL);
}

/* Whatever is done to a version's files shows in its stamp. */
static void test_stamps(void **state)
{
    tn_model_config c = {.name = "m", .base_path = in(state, "m"), .latest = 1};
    put_golden(state, "m", "1", HALF_PLUS_TWO);
    const char *path = path_in(state, "m", "1"), *file = path_in(state, "m", "1/variables/variables.index");
    uint64_t stamp = tn_source_stamp(&c, path), other;
    assert_true(stamp == tn_source_stamp(&c, path));
    write_file(file, content(state, file)); /* the same bytes in another file */
    assert_true(stamp != (other = tn_source_stamp(&c, path)));
    assert_int_equal(truncate(file, 10), 0);
    assert_true(other != (stamp = tn_source_stamp(&c, path)));
    write_file(path_in(state, "m", "1/assets/more.txt"), TN_VIEW("x"));
    assert_true(stamp != (other = tn_source_stamp(&c, path)));
    remove_version(state, "m", "1/variables");
    assert_true(other != tn_source_stamp(&c, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_whole), TEST(test_from_message), TEST(test_refused), TEST(test_memory), TEST(test_version_names),
        TEST(test_source), TEST(test_stamps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
