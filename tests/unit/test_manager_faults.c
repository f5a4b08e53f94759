/* SPDX-License-Identifier: Apache-2.0
 * What is done to folders while they are served: versions half there, cut, damaged, replaced, removed; base paths that
 * cannot be read; memory that runs out, and memory that comes back. */
#include "serve_test.h"

#include <malloc.h>
#include <unistd.h>

static const tn_manager_options quick = {.file_system_poll_wait_seconds = 0.01, .max_num_load_retries = 5,
                                         .load_retry_interval_micros = 60000000, .warm_up = true};

static tn_manager *start(const tn_manager_options *o)
{
    tn_manager *m;
    tn_error err;
    assert_ok(tn_manager_new(o, &m, &err), &err);
    return m;
}

static tn_manager *serve(void **state, const tn_manager_options *o)
{
    tn_error err;
    tn_manager *m = start(o);
    assert_ok(set_model(state, m, "", &err), &err);
    return m;
}

static float ask_latest(tn_manager *m)
{
    tn_servable *s;
    tn_error err;
    assert_ok(get(m, "m", -1, NULL, &s, &err), &err);
    float y = ask_one(s);
    tn_servable_unref(s);
    return y;
}

static void cut(void **state, const char *base, const char *file, off_t n)
{
    assert_int_equal(truncate(path_in(state, base, file), n), 0);
}

/* Some looks later. */
static void look_on(tn_manager *m)
{
    tn_error err;
    for (int i = 0; i < 5; i++) {
        tn_manager_poll_now(m, &err);
        nanosleep(&(struct timespec){0, 5000000}, NULL);
    }
}

static const char *const files[] = {"saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"};

/* A version is copied file by file, the last of them byte by byte; whatever the order, only the whole one is taken. */
static void test_half_copied(void **state)
{
    tn_error err;
    put_version(state, "m", 1, 64);
    tn_manager *m = serve(state, &quick);
    for (int last = 0; last < 3; last++) {
        const char *version = tn_arena_printf(arena_of(state), "%d", 2 + last);
        put_version(state, "aside", 2 + last, 64);
        assert_ok(tn_make_folders(path_in(state, path_in(state, "m", version) + strlen(((place *)*state)->folder) + 1, "variables"),
                                  &err), &err);
        for (int k = 1; k <= 3; k++) {
            const char *name = tn_arena_printf(arena_of(state), "%s/%s", version, files[(last + k) % 3]);
            tn_view bytes = content(state, path_in(state, "aside", name));
            for (size_t n = k < 3 ? bytes.n : bytes.n / 2;; n = bytes.n) {
                FILE *f = fopen(path_in(state, "m", name), "wb");
                assert_non_null(f);
                assert_int_equal(fwrite(bytes.p, 1, n, f), n);
                fclose(f);
                if (n == bytes.n) break;
                look_on(m);
            }
            if (k < 3) look_on(m);
            if (k < 3) assert_int_equal(latest(m), 1 + last);
        }
        assert_soon(latest(m) == 2 + last);
        assert_float_equal(ask_latest(m), 2 + last, 0);
    }
    tn_manager_free(m);
}

/* A damaged version does not take the place of a good one; once it is good, it does. */
static void test_damaged(void **state)
{
    put_version(state, "m", 1, 64);
    tn_manager *m = serve(state, &quick);
    put_version(state, "aside", 2, 64);
    const char *data = path_in(state, "aside", "2/variables/variables.data-00000-of-00001");
    tn_view good = content(state, data);
    char *bad = tn_arena_strndup(arena_of(state), good.p, good.n);
    bad[17] ^= 1;
    write_file(data, (tn_view){bad, good.n});
    assert_ok(tn_rename(path_in(state, "aside", "2"), path_in(state, "m", "2"), NULL), (&(tn_error){0}));
    assert_soon(state_of(m, 2) == TN_STATE_END);
    assert_int_equal(status_of(m, "m", 2).code, TN_DATA_LOSS);
    look_on(m);
    assert_int_equal(latest(m), 1);
    assert_int_equal(state_of(m, 1), TN_STATE_AVAILABLE);
    write_file(path_in(state, "m", "2/variables/variables.data-00000-of-00001"), good);
    assert_soon(latest(m) == 2);
    assert_float_equal(ask_latest(m), 2, 0);
    tn_manager_free(m);
}

/* Whatever is done to the files of a version that is served, it goes on as it was. */
static void test_cut_while_served(void **state)
{
    put_version(state, "m", 1, 3 << 20); /* as large as what is mapped elsewhere */
    tn_manager *m = serve(state, &quick);
    tn_servable *s;
    tn_error err;
    assert_ok(get(m, "m", -1, NULL, &s, &err), &err);
    for (size_t i = 0; i < TN_COUNT(files); i++) cut(state, "m/1", files[i], 1);
    tn_tensor *w;
    assert_ok(tn_session_get(tn_loaded_session(s->loaded), "w", &w, &err), &err);
    assert_float_equal(TN_FLOATS(w)[(3 << 20) - 1], 1, 0);
    tn_tensor_unref(w);
    assert_float_equal(ask_one(s), 1, 0);
    look_on(m);
    assert_float_equal(ask_latest(m), 1, 0);
    put_version(state, "m", 2, 8);
    assert_soon(latest(m) == 2);
    tn_servable_unref(s);
    tn_manager_free(m);
}

static void test_replaced_and_removed(void **state)
{
    put_version(state, "m", 1, 8);
    put_version(state, "m", 2, 8);
    tn_manager *m = serve(state, &quick);
    assert_int_equal(latest(m), 2);
    remove_version(state, "m", "2");
    put_golden(state, "m", "2", HALF_PLUS_TWO); /* another one under its number */
    look_on(m);
    assert_true(latest(m) > 0);
    remove_version(state, "m", "1");
    remove_version(state, "m", "2");
    assert_soon(latest(m) == -1 && state_of(m, 2) == TN_STATE_END); /* the folder says that there are none */
    put_version(state, "m", 1, 8);
    assert_soon(latest(m) == 1);
    assert_float_equal(ask_latest(m), 1, 0);
    tn_manager_free(m);
}

/* What cannot be seen has not gone. */
static void test_base_path_lost(void **state)
{
    tn_error err;
    put_version(state, "m", 1, 8);
    tn_manager *m = serve(state, &quick);
    assert_ok(tn_rename(in(state, "m"), in(state, "away"), &err), &err);
    assert_code(tn_manager_poll_now(m, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, tn_arena_printf(arena_of(state), "Could not find base path %s for servable m", in(state, "m")));
    look_on(m);
    assert_float_equal(ask_latest(m), 1, 0);
    write_file(in(state, "m"), TN_VIEW("no folder"));
    assert_true(tn_manager_poll_now(m, &err) != TN_OK);
    look_on(m);
    assert_float_equal(ask_latest(m), 1, 0);
    assert_ok(tn_remove_file(in(state, "m"), &err), &err);
    assert_ok(tn_rename(in(state, "away"), in(state, "m"), &err), &err);
    put_version(state, "m", 2, 8);
    assert_soon(latest(m) == 2);
    tn_manager_free(m);
}

/* ==== wanted again ==== */

static atomic_int looks;

static tn_code count_look(const tn_model_config *c, tn_arena *a, tn_look *out, tn_error *err)
{
    tn_code code = tn_source_look(c, a, out, err);
    atomic_fetch_add(&looks, 1);
    return code;
}

typedef struct setting {
    void **state;
    tn_manager *m;
    tn_error err;
    tn_code code;
} setting;

static void *set_again(void *payload)
{
    setting *s = payload;
    s->code = set_model(s->state, s->m, "", &s->err);
    return NULL;
}

/* A version that is wanted again while it is still being unloaded comes back, though nobody looks again. */
static void test_wanted_while_unloading(void **state)
{
    tn_error err;
    tn_servable *s;
    pthread_t t;
    tn_manager_options o = {.warm_up = true, .look_at = count_look};
    put_version(state, "m", 1, 8);
    put_version(state, "n", 1, 8);
    tn_manager *m = serve(state, &o);
    assert_ok(get(m, "m", -1, NULL, &s, &err), &err);
    assert_ok(set_text(state, m, model_text(state, "n", ""), &err), &err);
    assert_soon(state_of(m, 1) == TN_STATE_UNLOADING); /* as long as somebody has it */
    int before = atomic_load(&looks);
    setting again = {.state = state, .m = m};
    assert_int_equal(pthread_create(&t, NULL, set_again, &again), 0);
    assert_soon(atomic_load(&looks) > before);
    tn_servable_unref(s);
    pthread_join(t, NULL);
    assert_ok(again.code, &again.err);
    assert_float_equal(ask_latest(m), 1, 0);
    tn_manager_free(m);
}

/* ==== a file system that does not answer ==== */

static atomic_int hangs, hanging;

static tn_code look_or_hang(const tn_model_config *c, tn_arena *a, tn_look *out, tn_error *err)
{
    if (strstr(c->base_path, "far") && atomic_load(&hangs)) {
        atomic_fetch_add(&hanging, 1);
        while (atomic_load(&hangs)) nanosleep(&(struct timespec){0, 1000000}, NULL);
        atomic_fetch_sub(&hanging, 1);
    }
    return tn_source_look(c, a, out, err);
}

static tn_manager *serve_far(void **state)
{
    tn_error err;
    tn_manager_options o = quick;
    o.look_at = look_or_hang;
    o.look_seconds = 0.05;
    put_version(state, "far", 1, 8);
    put_version(state, "m", 1, 8);
    atomic_store(&hangs, 0);
    tn_manager *m = start(&o);
    const char *both = tn_arena_printf(arena_of(state), "%s %s", model_text(state, "far", ""), model_text(state, "m", ""));
    assert_ok(set_text(state, m, both, &err), &err);
    return m;
}

/* It holds up neither the other models, nor what it serves; what it says in the end is taken. */
static void test_hung_mount(void **state)
{
    tn_error err;
    tn_manager *m = serve_far(state);
    for (int round = 0; round < 2; round++) {
        atomic_store(&hangs, 1);
        assert_soon(atomic_load(&hanging) == 1);
        put_version(state, "m", 2 + round, 8);
        put_version(state, "far", 2 + round, 8);
        assert_soon(latest(m) == 2 + round);
        assert_int_equal(version_of(m, "far", -1, NULL), 1 + round);
        assert_code(tn_manager_poll_now(m, &err), TN_UNAVAILABLE);
        assert_says(&err, tn_arena_printf(arena_of(state), "The file system of %s, of servable far, does not answer", in(state, "far")));
        assert_int_equal(atomic_load(&hanging), 1); /* it is not asked again */
        atomic_store(&hangs, 0);
        assert_soon(version_of(m, "far", -1, NULL) == 2 + round);
        assert_soon(tn_manager_poll_now(m, &err) == TN_OK);
    }
    tn_manager_free(m);
}

/* The same model from elsewhere; and the end, with two looks that have not come back. */
static void test_hung_mount_is_left(void **state)
{
    tn_error err;
    tn_manager *m = serve_far(state);
    atomic_store(&hangs, 1);
    assert_soon(atomic_load(&hanging) == 1);
    put_version(state, "near", 5, 8);
    const char *near = tn_arena_printf(arena_of(state), "config { name: 'far' base_path: '%s' model_platform: 'tensorflow' }", in(state, "near"));
    assert_ok(set_text(state, m, near, &err), &err);
    assert_soon(version_of(m, "far", -1, NULL) == 5);
    assert_ok(set_text(state, m, model_text(state, "far", ""), &err), &err);
    assert_soon(atomic_load(&hanging) == 2);
    assert_int_equal(version_of(m, "far", -1, NULL), 5);
    tn_manager_free(m);
    assert_int_equal(atomic_load(&hanging), 2);
    atomic_store(&hangs, 0);
    assert_soon(atomic_load(&hanging) == 0);
}

/* Without memory something fails or is tried again; with it, all is well in the end. */
static void test_memory_ends(void **state)
{
    tn_error err;
    put_version(state, "m", 1, 8);
    tn_manager_options o = quick;
    o.load_retry_interval_micros = 1000;
    o.max_num_load_retries = 1000;
    o.num_load_threads = 1;
    tn_model_configs c = config_text(tn_arena_printf(arena_of(state), "model_config_list { %s }", model_text(state, "m", "")));
    for (int64_t n = 1; n < 20000; n += 1 + n / 5) {
        tn_manager *m = NULL;
        tn_malloc_fail_at(n);
        tn_code code = tn_manager_new(&o, &m, &err);
        if (code == TN_OK) code = tn_manager_set_models(m, &c, &err);
        tn_malloc_fail_at(0);
        if (code != TN_OK && code != TN_RESOURCE_EXHAUSTED && code != TN_UNKNOWN) fail_msg("%lld: %s", (long long)n, err.message);
        if (m && code != TN_OK) assert_ok(tn_manager_set_models(m, &c, &err), &err);
        if (m) assert_soon(latest(m) == 1);
        tn_manager_free(m);
    }
    tn_model_configs_free(&c);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MEASURED = 0 };
#else
enum { MEASURED = 1 };
#endif

static int64_t resident(void)
{
    long pages = 0, total = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%ld %ld", &total, &pages) != 2) pages = 0;
    if (f) fclose(f);
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

/* The memory of a version that has gone is the system's again. */
static void test_memory_returns(void **state)
{
    enum { SIZE = 50 << 20 };
    tn_error err;
    put_version(state, "m", 1, SIZE / 4);
    tn_manager *m = start(&quick);
    malloc_trim(0);
    int64_t before = resident(), during = 0;
    for (int round = 0; round < 5; round++) {
        assert_ok(set_model(state, m, "", &err), &err);
        assert_float_equal(ask_latest(m), 1, 0);
        assert_true(status_of(m, "m", 1).bytes >= SIZE);
        during = TN_MAX(during, resident());
        assert_ok(set_text(state, m, "", &err), &err);
        assert_soon(state_of(m, 1) == TN_STATE_END);
    }
    int64_t after = resident();
    if (MEASURED && after - before > 16 << 20) fail_msg("%lld MB more than before", (long long)(after - before) >> 20);
    if (MEASURED && during - before > 2 * SIZE) fail_msg("%lld MB for a model of 50", (long long)(during - before) >> 20);
    tn_manager_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_half_copied),    TEST(test_damaged),     TEST(test_cut_while_served), TEST(test_replaced_and_removed),
        TEST(test_base_path_lost), TEST(test_memory_ends), TEST(test_memory_returns),       TEST(test_hung_mount),
        TEST(test_hung_mount_is_left), TEST(test_wanted_while_unloading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
