/* SPDX-License-Identifier: Apache-2.0
 *
 * serve_test.h - for tests of what serves models: folders of versions made of golden models, configurations in a line,
 * and waiting for what other threads do.
 */
#ifndef TN_TEST_SERVE_H
#define TN_TEST_SERVE_H

#include <time.h>

#include "place.h"
#include "serve/models.h"

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
static inline void put_version(void **state, const char *base, const char *version, const char *model)
{
    tn_error err;
    const char *at = in(state, base), *to = tn_path_join(arena_of(state), at, version);
    const char *aside = tn_arena_printf(arena_of(state), "%s/%s.new", at, version);
    copy_tree(state, golden(state, model), aside);
    assert_ok(tn_rename(aside, to, &err), &err);
}

static inline void remove_version(void **state, const char *base, const char *version)
{
    tn_error err;
    assert_ok(tn_remove_tree(tn_path_join(arena_of(state), in(state, base), version), &err), &err);
}

static inline tn_model_configs config_text(const char *text)
{
    tn_model_configs c;
    tn_error err;
    assert_ok(tn_model_configs_parse(tn_view_of(text), &c, &err), &err);
    return c;
}

/* A configuration of one model m at the test's folder "m", with more in it. */
static inline tn_code set_model(void **state, tn_manager *m, const char *more, tn_error *err)
{
    tn_model_configs c = config_text(tn_arena_printf(arena_of(state), "model_config_list { config { name: 'm' base_path: '%s' "
                                     "model_platform: 'tensorflow' %s } }", in(state, "m"), more));
    tn_code code = tn_manager_set_models(m, &c, err);
    tn_model_configs_free(&c);
    return code;
}

static inline tn_code get(tn_manager *m, const char *model, int64_t version, const char *label, tn_servable **out, tn_error *err)
{
    tn_Int64Value v = {.value = version};
    tn_ModelSpec spec = {.name = tn_view_of(model)};
    if (label) TN_SET(&spec, ModelSpec, version_choice, version_label) = tn_view_of(label);
    else if (version >= 0) TN_SET(&spec, ModelSpec, version_choice, version) = &v;
    return tn_manager_get(m, &spec, out, err);
}

/* The version that answers; -1: none. */
static inline int64_t answers(tn_manager *m, const char *model)
{
    tn_servable *s;
    if (get(m, model, -1, NULL, &s, NULL) != TN_OK) return -1;
    int64_t version = s->version;
    tn_servable_drop(s);
    return version;
}

static inline tn_servable_state state_of(tn_manager *m, const char *model, int64_t version)
{
    tn_arena *a = tn_arena_new(0);
    tn_model_status *s;
    tn_servable_state got = TN_STATE_UNKNOWN;
    int n;
    if (tn_manager_status(m, model, a, &s, &n, NULL) == TN_OK)
        for (int i = 0; i < s->n_versions; i++)
            if (s->versions[i].version == version) got = s->versions[i].state;
    tn_arena_free(a);
    return got;
}

/* What other threads do, sooner or later; a minute is for ever. */
#define assert_soon(condition)                                                                    \
    do {                                                                                          \
        int64_t until_ = tn_now_us() + 60000000;                                                  \
        while (!(condition) && tn_now_us() < until_) nanosleep(&(struct timespec){0, 1000000}, NULL); \
        if (!(condition)) fail_msg("never: %s", #condition);                                      \
    } while (0)

#endif
