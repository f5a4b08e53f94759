/* SPDX-License-Identifier: Apache-2.0
 *
 * serve_test.h - for tests of what serves models: folders of versions, configurations in a line, questions, and waiting
 * for what other threads do.
 */
#ifndef TN_TEST_SERVE_H
#define TN_TEST_SERVE_H

#include <time.h>

#include "place.h"
#include "serve/models.h"

/* ==== models ==== */

static inline const char *path_in(void **state, const char *folder, const char *name)
{
    return tn_path_join(arena_of(state), in(state, folder), name);
}

static inline void copy_tree(void **state, const char *from, const char *to)
{
    char **names;
    size_t n;
    tn_error err;
    assert_ok(tn_make_folders(to, &err), &err);
    assert_ok(tn_list_folder(from, arena_of(state), &names, &n, &err), &err);
    for (size_t i = 0; i < n; i++) {
        const char *a = tn_path_join(arena_of(state), from, names[i]), *b = tn_path_join(arena_of(state), to, names[i]);
        if (tn_is_folder(a)) copy_tree(state, a, b);
        else write_file(b, content(state, a));
    }
}

#define HALF_PLUS_TWO "models/half_plus_two/saved_model/1"

/* BASE/VERSION in the test's folder, whole at once. */
static inline void put_golden(void **state, const char *base, const char *version, const char *model)
{
    tn_error err;
    const char *aside = path_in(state, base, tn_arena_printf(arena_of(state), "%s.new", version));
    copy_tree(state, golden(state, model), aside);
    assert_ok(tn_rename(aside, path_in(state, base, version), &err), &err);
}

/* y = version * x, whose variable w has n elements; saved as BASE/VERSION. */
static inline void put_version(void **state, const char *base, int64_t version, int64_t n)
{
    static const tn_tensor_info x_info = {.key = "x", .name = "x:0", .dtype = TN_FLOAT, .shape = {1, {-1}}};
    static const tn_tensor_info y_info = {.key = "y", .name = "y:0", .dtype = TN_FLOAT, .shape = {1, {-1}}};
    static const tn_signature signature = {"serving_default", TN_PREDICT_METHOD, &x_info, &y_info, 1, 1};
    tn_error err;
    tn_graph *g = tn_graph_new();
    tn_builder *b = tn_builder_new(g);
    tn_session *s;
    tn_node x = tn_placeholder(b, "x", TN_FLOAT, TN_SHAPE(-1));
    tn_node fill = tn_op(b, "Fill", TN_INPUTS(tn_ints(b, (int64_t[]){n}, 1), tn_scalar(b, TN_FLOAT, (double)version)), TN_NO_ATTRS);
    tn_node first = tn_op(b, "Slice", TN_INPUTS(tn_variable(b, "w", fill, 0), tn_ints(b, (int64_t[]){0}, 1),
                          tn_ints(b, (int64_t[]){1}, 1)), TN_NO_ATTRS);
    tn_op_named(b, "Mul", "y", TN_INPUTS(x, first), TN_NO_ATTRS);
    const char *init = tn_operation_name(tn_global_variables_initializer(b));
    assert_ok(tn_builder_check(b, &err), &err);
    assert_ok(tn_session_new(g, NULL, &s, &err), &err);
    assert_ok(tn_session_run(s, NULL, 0, NULL, 0, NULL, &init, 1, &err), &err);
    static const char *const tags[] = {"serve"};
    tn_export e = {.graph = g, .signatures = &signature, .n_signatures = 1, .tags = tags, .n_tags = 1};
    assert_ok(tn_savedmodel_save(in(state, base), version, &e, s, NULL, &err), &err);
    tn_session_free(s);
    tn_builder_free(b);
    tn_graph_free(g);
}

/* BASE/1: a graph without variables; the builder and its graph are freed. */
static inline void put_graph(void **state, const char *base, tn_builder *b, const tn_signature *signature)
{
    static const char *const tags[] = {"serve"};
    tn_error err;
    tn_graph *g = tn_builder_graph(b);
    tn_session *s;
    assert_ok(tn_builder_check(b, &err), &err);
    assert_ok(tn_session_new(g, NULL, &s, &err), &err);
    tn_export e = {.graph = g, .signatures = signature, .n_signatures = 1, .tags = tags, .n_tags = 1, .no_saver = true};
    assert_ok(tn_savedmodel_save(in(state, base), 1, &e, s, NULL, &err), &err);
    tn_session_free(s);
    tn_builder_free(b);
    tn_graph_free(g);
}

static inline void remove_version(void **state, const char *base, const char *version)
{
    tn_error err;
    assert_ok(tn_remove_tree(path_in(state, base, version), &err), &err);
}

/* ==== configurations ==== */

static inline tn_model_configs config_text(const char *text)
{
    tn_model_configs c;
    tn_error err;
    assert_ok(tn_model_configs_parse(tn_view_of(text), NULL, &c, &err), &err);
    return c;
}

/* "config { ... }" of a model at the test's folder of its name, with more in it. */
static inline const char *model_text(void **state, const char *name, const char *more)
{
    return tn_arena_printf(arena_of(state), "config { name: '%s' base_path: '%s' model_platform: 'tensorflow' %s } ", name,
                           in(state, name), more);
}

static inline tn_code set_text(void **state, tn_manager *m, const char *models, tn_error *err)
{
    tn_model_configs c = config_text(tn_arena_printf(arena_of(state), "model_config_list { %s }", models));
    tn_code code = tn_manager_set_models(m, &c, err);
    tn_model_configs_free(&c);
    return code;
}

static inline tn_code set_model(void **state, tn_manager *m, const char *more, tn_error *err)
{
    return set_text(state, m, model_text(state, "m", more), err);
}

/* For tn_service: a request's configuration, waited for as the server does. */
static inline tn_code reload_models(void *manager, const tn_ModelServerConfig *config, const tn_patience *patience, tn_error *err)
{
    tn_model_configs c;
    TN_TRY(tn_model_configs_from(config, &c, err));
    tn_placed placed;
    tn_code code = tn_manager_place_models(manager, &c, &placed, err);
    tn_model_configs_free(&c);
    return code == TN_OK ? tn_manager_await(manager, &placed, patience, err) : code;
}

/* The log whose filename_prefix is "asked" in the test's folder. */
static inline const char *asked_log(void **state)
{
    char **names;
    size_t n;
    tn_error err;
    assert_ok(tn_list_folder(((place *)*state)->folder, arena_of(state), &names, &n, &err), &err);
    for (size_t i = 0; i < n; i++)
        if (strncmp(names[i], "asked-", 6) == 0) return in(state, names[i]);
    fail_msg("no request log");
    return NULL;
}

/* ==== asking ==== */

static inline tn_code get(tn_manager *m, const char *model, int64_t version, const char *label, tn_servable **out, tn_error *err)
{
    tn_Int64Value v = {.value = version};
    tn_ModelSpec spec = {.name = tn_view_of(model)};
    if (label) TN_SET(&spec, ModelSpec, version_choice, version_label) = tn_view_of(label);
    else if (version >= 0) TN_SET(&spec, ModelSpec, version_choice, version) = &v;
    return tn_manager_get(m, &spec, out, err);
}

/* What a model of put_version makes of 1: its version. */
static inline float ask_one(tn_servable *s)
{
    tn_error err;
    tn_tensor *x = floats(&TN_SHAPE(1), (float[]){1}), *y;
    const char *fetch = "y:0";
    assert_ok(tn_session_run(tn_loaded_session(s->loaded), &(tn_feed){"x:0", x}, 1, &fetch, 1, &y, NULL, 0, &err), &err);
    float v = TN_FLOATS(y)[0];
    tn_tensor_unref(x);
    tn_tensor_unref(y);
    return v;
}

/* The version that is given out; -1: none. */
static inline int64_t version_of(tn_manager *m, const char *model, int64_t version, const char *label)
{
    tn_servable *s;
    if (get(m, model, version, label, &s, NULL) != TN_OK) return -1;
    int64_t number = s->version;
    tn_servable_unref(s);
    return number;
}

static inline int64_t latest(tn_manager *m)
{
    return version_of(m, "m", -1, NULL);
}

static inline tn_version_status status_of(tn_manager *m, const char *model, int64_t version)
{
    tn_arena *a = tn_arena_new(0);
    tn_model_status *s;
    tn_version_status got = {0};
    int n;
    if (tn_manager_status(m, model, a, &s, &n, NULL) == TN_OK)
        for (int i = 0; i < s->n_versions; i++)
            if (s->versions[i].version == version) got = s->versions[i];
    got.message = NULL;
    tn_arena_free(a);
    return got;
}

static inline tn_servable_state state_of(tn_manager *m, int64_t version)
{
    return status_of(m, "m", version).state;
}

/* What other threads do, sooner or later; a minute is for ever. */
#define assert_soon(condition)                                                                    \
    do {                                                                                          \
        int64_t until_ = tn_now_us() + 60000000;                                                  \
        while (!(condition) && tn_now_us() < until_) nanosleep(&(struct timespec){0, 1000000}, NULL); \
        if (!(condition)) fail_msg("never: %s", #condition);                                      \
    } while (0)

#endif
