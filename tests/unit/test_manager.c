/* SPDX-License-Identifier: Apache-2.0
 * The manager: versions come and go as folders and configurations do; what answers, states, labels, errors, many
 * threads. What is done to folders meanwhile is test_manager_faults.c's. */
#include "serve_test.h"

#include "plan/programs.h"

#ifdef __linux__
#include <sys/prctl.h>
#endif

static tn_manager *start(const tn_manager_options *o)
{
    tn_manager *m;
    tn_error err;
    assert_ok(tn_manager_new(o, &m, &err), &err);
    return m;
}

static const tn_manager_options quick = {.file_system_poll_wait_seconds = 0.01, .max_num_load_retries = 5,
                                         .load_retry_interval_micros = 60000000, .warm_up = true};

static const char *long_name(void)
{
    static char name[1501];
    memset(name, 'n', sizeof name - 1);
    return name;
}

static void test_one_model(void **state)
{
    tn_error err;
    tn_servable *s;
    put_golden(state, "m", "00123", HALF_PLUS_TWO);
    tn_manager *m = start(&quick);
    assert_false(tn_manager_is_ready(m));
    assert_ok(set_model(state, m, "", &err), &err);
    assert_true(tn_manager_is_ready(m));
    assert_ok(get(m, "m", -1, NULL, &s, &err), &err);
    assert_int_equal(s->version, 123);
    assert_string_equal(s->model, "m");
    assert_true(s->bytes > 0);
    tn_servable_unref(s);
    assert_int_equal(version_of(m, "m", 123, NULL), 123);
    assert_code(get(m, "m", 99, NULL, &s, &err), TN_NOT_FOUND);
    assert_string_equal(err.message, "Servable not found for request: Specific(m, 99)");
    assert_code(get(m, "other", -1, NULL, &s, &err), TN_NOT_FOUND);
    assert_string_equal(err.message, "Servable not found for request: Latest(other)");
    assert_code(get(m, "m", -1, "stable", &s, &err), TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, "Unrecognized servable version label: stable");
    assert_code(get(m, long_name(), -1, NULL, &s, &err), TN_NOT_FOUND); /* gRPC cuts messages at 1,024 bytes: so much is whole */
    assert_true(strncmp(err.message + 39, long_name(), 1024 - 39) == 0);
    assert_code(get(m, "", -1, NULL, &s, &err), TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, "ModelSpec has no name specified.");
    assert_int_equal(state_of(m, 123), TN_STATE_AVAILABLE);
    tn_arena *a = arena_of(state);
    tn_model_status *status;
    int n;
    assert_code(tn_manager_status(m, "other", a, &status, &n, &err), TN_NOT_FOUND);
    assert_string_equal(err.message, "Could not find any versions of model other");
    assert_ok(tn_manager_status(m, NULL, a, &status, &n, &err), &err);
    assert_int_equal(n, 1);
    assert_string_equal(status[0].model, "m");
    assert_int_equal(status[0].versions[0].code, TN_OK);
    assert_true(status[0].versions[0].bytes > 0);
    tn_manager_free(m);
}

/* One thread asks all the time: some version always answers, with what is its own. */
typedef struct asking {
    tn_manager *manager;
    atomic_int stop;
    int64_t asked, failed, wrong;
} asking;

static void *keep_asking(void *p)
{
    asking *q = p;
    tn_servable *s;
    while (!atomic_load(&q->stop)) {
        q->asked++;
        if (get(q->manager, "m", -1, NULL, &s, NULL) != TN_OK) {
            q->failed++;
            continue;
        }
        if (ask_one(s) != (float)s->version) q->wrong++;
        tn_servable_unref(s);
    }
    return NULL;
}

static void test_versions_follow(void **state)
{
    tn_error err;
    pthread_t threads[2];
    put_version(state, "m", 1, 4);
    tn_manager *m = start(&quick);
    asking q[2] = {{.manager = m}, {.manager = m}};
    assert_ok(set_model(state, m, "", &err), &err);
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, keep_asking, &q[i]);
    for (int v = 2; v <= 14; v++) {
        put_version(state, "m", v, 4);
        assert_soon(latest(m) == v);
        assert_soon(state_of(m, v - 1) == TN_STATE_END);
    }
    remove_version(state, "m", "14"); /* the newest goes: the one before comes again */
    assert_soon(latest(m) == 13);
    for (int i = 0; i < 2; i++) {
        atomic_store(&q[i].stop, 1);
        pthread_join(threads[i], NULL);
        assert_true(q[i].asked > 0);
        assert_int_equal(q[i].failed, 0);
        assert_int_equal(q[i].wrong, 0);
    }
    tn_model_status *s;
    int n;
    assert_soon(state_of(m, 14) == TN_STATE_END);
    assert_ok(tn_manager_status(m, "m", arena_of(state), &s, &n, &err), &err);
    assert_true(s->n_versions <= 9); /* not all that have ended are remembered */
    for (int i = 1; i < s->n_versions; i++) assert_true(s->versions[i - 1].version > s->versions[i].version);
    tn_manager_free(m);
}

static void test_policies(void **state)
{
    tn_error err;
    for (int v = 1; v <= 4; v++) put_version(state, "m", v, 1);
    tn_manager *m = start(&quick);
    assert_ok(set_model(state, m, "model_version_policy { latest { num_versions: 2 } }", &err), &err);
    assert_soon(version_of(m, "m", 3, NULL) == 3 && version_of(m, "m", 4, NULL) == 4);
    assert_int_equal(version_of(m, "m", 2, NULL), -1);
    assert_ok(set_model(state, m, "model_version_policy { specific { versions: 1 versions: 3 versions: 9 } }", &err), &err);
    assert_soon(version_of(m, "m", 1, NULL) == 1 && state_of(m, 4) == TN_STATE_END);
    assert_int_equal(latest(m), 3);
    assert_ok(set_model(state, m, "model_version_policy { all {} }", &err), &err);
    for (int v = 1; v <= 4; v++) assert_soon(version_of(m, "m", v, NULL) == v);
    assert_ok(set_model(state, m, "", &err), &err);
    assert_soon(state_of(m, 1) == TN_STATE_END && state_of(m, 2) == TN_STATE_END && state_of(m, 3) == TN_STATE_END);
    assert_int_equal(latest(m), 4);
    assert_ok(set_text(state, m, "", &err), &err); /* none: all are unloaded */
    assert_soon(latest(m) == -1 && state_of(m, 4) == TN_STATE_END);
    assert_true(tn_manager_is_ready(m));
    assert_ok(set_model(state, m, "", &err), &err);
    assert_int_equal(latest(m), 4);
    tn_manager_free(m);
}

/* A version that is wanted again while it is still being unloaded: somebody has not given it back yet. */
static void test_wanted_again(void **state)
{
    tn_error err;
    tn_servable *held;
    tn_manager_options o = quick;
    o.file_system_poll_wait_seconds = -1;
    put_version(state, "m", 1, 1);
    tn_manager *m = start(&o);
    assert_ok(set_model(state, m, "", &err), &err);
    assert_ok(tn_manager_poll_now(m, &err), &err);
    assert_soon(latest(m) == 1);
    assert_ok(get(m, "m", 1, NULL, &held, &err), &err);
    put_version(state, "m", 2, 1);
    assert_ok(tn_manager_poll_now(m, &err), &err);
    assert_soon(state_of(m, 1) == TN_STATE_UNLOADING);
    remove_version(state, "m", "2");
    assert_ok(tn_manager_poll_now(m, &err), &err);
    assert_int_equal(state_of(m, 1), TN_STATE_UNLOADING);
    tn_servable_unref(held);
    assert_soon(state_of(m, 1) == TN_STATE_AVAILABLE && state_of(m, 2) == TN_STATE_END);
    assert_int_equal(latest(m), 1);
    tn_manager_free(m);
}

#define ONE_AND_TWO "model_version_policy { specific { versions: 1 versions: 2 } } "

static void test_labels(void **state)
{
    tn_error err;
    tn_servable *s;
    for (int v = 1; v <= 3; v++) put_version(state, "m", v, 1);
    tn_manager *m = start(&quick);
    assert_ok(set_model(state, m, ONE_AND_TWO "version_labels { key: 'stable' value: 1 } version_labels { key: 'canary' value: 2 }",
                        &err), &err);
    assert_soon(version_of(m, "m", -1, "stable") == 1 && version_of(m, "m", -1, "canary") == 2);
    assert_code(set_model(state, m, ONE_AND_TWO "version_labels { key: 'stable' value: 3 }", &err), TN_FAILED_PRECONDITION);
    assert_string_equal(err.message, "Request to assign label to version 3 of model m, which is not currently available for inference");
    assert_int_equal(version_of(m, "m", -1, "canary"), 2); /* nothing has changed */
    assert_ok(set_model(state, m, ONE_AND_TWO "version_labels { key: 'stable' value: 2 }", &err), &err);
    assert_soon(version_of(m, "m", -1, "stable") == 2);
    assert_code(get(m, "m", -1, "canary", &s, &err), TN_INVALID_ARGUMENT);
    tn_manager_free(m);
    tn_manager_options o = quick;
    o.allow_version_labels_for_unavailable_models = true;
    m = start(&o);
    assert_ok(set_model(state, m, ONE_AND_TWO "version_labels { key: 'stable' value: 1 }", &err), &err);
    assert_ok(set_model(state, m, ONE_AND_TWO "version_labels { key: 'stable' value: 1 } version_labels { key: 'next' value: 3 }",
                        &err), &err);
    assert_code(get(m, "m", -1, "next", &s, &err), TN_NOT_FOUND);
    assert_string_equal(err.message, "Servable not found for request: Specific(m, 3)");
    assert_code(set_model(state, m, ONE_AND_TWO "version_labels { key: 'stable' value: 3 }", &err), TN_FAILED_PRECONDITION);
    tn_manager_free(m);
}

static void test_errors_of_sets(void **state)
{
    tn_error err;
    put_version(state, "good", 1, 1);
    put_version(state, "bad", 2, 1);
    write_file(path_in(state, "bad", "2/saved_model.pb"), TN_VIEW("this is none"));
    tn_manager *m = start(&quick);
    assert_code(set_text(state, m, tn_arena_printf(arena_of(state), "%s%s", model_text(state, "bad", ""),
                         model_text(state, "good", "")), &err), TN_UNKNOWN);
    const char *begins = "1 servable(s) did not become available: {{{name: bad version: 2} due to error: DATA_LOSS: ";
    assert_true(strncmp(err.message, begins, strlen(begins)) == 0);
    assert_string_equal(err.message + strlen(err.message) - 4, "}, }");
    assert_int_equal(version_of(m, "good", -1, NULL), 1); /* one does not keep the other from it */
    assert_int_equal(status_of(m, "bad", 2).state, TN_STATE_END);
    assert_int_equal(status_of(m, "bad", 2).code, TN_DATA_LOSS);
    assert_false(tn_manager_is_ready(m));
    tn_model_config other[] = {{.name = "good", .base_path = in(state, "good"), .platform = "other", .latest = 1}};
    assert_code(tn_manager_set_models(m, &(tn_model_configs){other, 1, NULL}, &err), TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, "Illegal to change a model's platform. For model good platform was tensorflow and new platform "
                        "requested is other");
    other[0].name = "new";
    assert_code(tn_manager_set_models(m, &(tn_model_configs){other, 1, NULL}, &err), TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, "Model new requests unsupported platform other");
    assert_int_equal(version_of(m, "good", -1, NULL), 1);
    for (int i = 0; i < 2; i++) { /* what has failed is tried again when its model comes anew */
        assert_ok(set_text(state, m, model_text(state, "good", ""), &err), &err);
        assert_code(set_text(state, m, tn_arena_printf(arena_of(state), "%s%s", model_text(state, "bad", ""),
                             model_text(state, "good", "")), &err), TN_UNKNOWN);
        assert_says(&err, "1 model(s) did not become available: {{{name: bad version: 2} due to error: DATA_LOSS: ");
    }
    remove_version(state, "bad", "2");
    put_version(state, "bad", 2, 1); /* repaired: it comes by itself */
    assert_soon(version_of(m, "bad", -1, NULL) == 2);
    assert_true(tn_manager_is_ready(m));
    put_version(state, "worse", 5, 1);
    remove_version(state, "worse", "5/variables");
    assert_code(set_text(state, m, tn_arena_printf(arena_of(state), "%s%s", model_text(state, "worse", ""),
                         model_text(state, "good", "")), &err), TN_UNKNOWN);
    begins = "1 model(s) did not become available: {{{name: worse version: 5} due to error: FAILED_PRECONDITION: variable 'w' has no value";
    assert_true(strncmp(err.message, begins, strlen(begins)) == 0);
    tn_manager_free(m);
}

typedef struct setting {
    tn_manager *manager;
    tn_model_configs configs;
    tn_code code;
    tn_error err;
    atomic_int done;
} setting;

static void *set_in_thread(void *p)
{
    setting *s = p;
    s->code = tn_manager_set_models(s->manager, &s->configs, &s->err);
    atomic_store(&s->done, 1);
    return NULL;
}

/* A folder without versions is waited for; another set, or the end, ends the waiting. */
static void test_waiting(void **state)
{
    tn_error err;
    pthread_t thread;
    for (int how = 0; how < 3; how++) {
        tn_manager *m = start(&quick);
        setting s = {.manager = m};
        s.configs = config_text(tn_arena_printf(arena_of(state), "model_config_list { %s }", model_text(state, "m", "")));
        const char *base = in(state, "m");
        assert_ok(tn_make_folders(base, &err), &err);
        pthread_create(&thread, NULL, set_in_thread, &s);
        tn_model_status *status = NULL;
        int n = 0;
        assert_soon(tn_manager_status(m, NULL, arena_of(state), &status, &n, NULL) == TN_OK && n == 1);
        assert_false(atomic_load(&s.done));
        if (how == 0) put_version(state, "m", 3, 1);
        if (how == 1) assert_ok(tn_manager_set_models(m, &(tn_model_configs){NULL, 0, NULL}, &err), &err);
        if (how == 2) tn_manager_cancel(m);
        pthread_join(thread, NULL);
        tn_model_configs_free(&s.configs);
        assert_int_equal(s.code, how == 0 ? TN_OK : how == 1 ? TN_ABORTED : TN_CANCELLED);
        tn_manager_free(m);
        assert_ok(tn_remove_tree(base, &err), &err);
    }
    tn_manager_options once = quick;
    once.file_system_poll_wait_seconds = 0;
    assert_ok(tn_make_folders(in(state, "m"), &err), &err);
    tn_manager *m = start(&once);
    assert_code(set_model(state, m, "", &err), TN_UNKNOWN);
    assert_says(&err, "No versions of servable m found under base path ");
    assert_says(&err, "Did you forget to name your leaf directory as a number (eg. '/1/')?");
    tn_manager_free(m);
}

/* Whoever gives up does not keep the next one out; what was placed stays in place. */
static void test_patience(void **state)
{
    tn_error err;
    atomic_int given_up;
    atomic_init(&given_up, 1);
    const tn_patience ends[] = {{.deadline = 1}, {.cancel = &given_up}, {.deadline = INT64_MAX, .cancel = &given_up}};
    assert_ok(tn_make_folders(in(state, "m"), &err), &err);
    tn_manager *m = start(&quick);
    const char *text = tn_arena_printf(arena_of(state), "model_config_list { %s }", model_text(state, "m", ""));
    for (size_t i = 0; i < TN_COUNT(ends); i++) {
        tn_placed p;
        tn_model_configs c = config_text(text);
        assert_ok(tn_manager_place_models(m, &(tn_model_configs){NULL, 0, NULL}, &p, &err), &err);
        tn_placed_drop(&p);
        assert_ok(tn_manager_place_models(m, &c, &p, &err), &err);
        assert_code(tn_manager_await(m, &p, &ends[i], &err), i == 0 ? TN_DEADLINE_EXCEEDED : TN_CANCELLED);
        assert_null(p.set);
        tn_model_configs_free(&c);
    }
    tn_placed again;
    tn_model_configs c = config_text(text);
    assert_ok(tn_manager_place_models(m, &c, &again, &err), &err);
    tn_placed_want_all(m, &again); /* it is no new model any more */
    assert_code(tn_manager_await(m, &again, &ends[0], &err), TN_DEADLINE_EXCEEDED);
    tn_model_configs_free(&c);
    put_version(state, "m", 3, 1);
    assert_ok(set_model(state, m, "", &err), &err);
    assert_soon(latest(m) == 3);
    tn_manager_free(m);
}

/* Who has a servable keeps it, whatever becomes of the manager. */
static void test_given_out(void **state)
{
    tn_error err;
    tn_servable *one, *two;
    put_version(state, "m", 1, 1);
    tn_manager *m = start(&quick);
    assert_ok(set_model(state, m, "", &err), &err);
    assert_ok(get(m, "m", -1, NULL, &one, &err), &err);
    put_version(state, "m", 2, 1);
    assert_soon(latest(m) == 2);
    assert_soon(state_of(m, 1) == TN_STATE_UNLOADING);
    assert_float_equal(ask_one(one), 1, 0);
    assert_ok(get(m, "m", -1, NULL, &two, &err), &err);
    tn_servable_unref(one);
    assert_soon(state_of(m, 1) == TN_STATE_END);
    tn_manager_free(m);
    assert_float_equal(ask_one(two), 2, 0);
    tn_servable_unref(two);
}

typedef struct told {
    pthread_mutex_t lock;
    char text[2000];
} told;

static void note_change(void *payload, const char *model, int64_t version, tn_servable_state state, const tn_error *error)
{
    told *t = payload;
    pthread_mutex_lock(&t->lock);
    size_t n = strlen(t->text);
    snprintf(t->text + n, sizeof t->text - n, "%s %lld %d %s;", model, (long long)version, (int)state, tn_code_name(error->code));
    pthread_mutex_unlock(&t->lock);
}

static void test_changes_are_told(void **state)
{
    tn_error err;
    told t = {.lock = PTHREAD_MUTEX_INITIALIZER};
    tn_manager_options o = quick;
    o.changed = note_change;
    o.payload = &t;
    put_version(state, "m", 1, 1);
    tn_manager *m = start(&o);
    assert_ok(set_model(state, m, "", &err), &err);
    put_version(state, "m", 2, 1);
    assert_soon(state_of(m, 1) == TN_STATE_END);
    put_golden(state, "m", "3", HALF_PLUS_TWO);
    assert_soon(state_of(m, 2) == TN_STATE_END);
    tn_manager_free(m);
    const char *const parts[] = {"m 1 10 OK;m 1 20 OK;m 1 30 OK;", "m 2 10 OK;m 2 20 OK;m 2 30 OK;m 1 40 OK;m 1 50 OK;",
                                 "m 3 10 OK;m 3 20 OK;m 3 30 OK;m 2 40 OK;"};
    const char *at = t.text;
    for (size_t i = 0; i < TN_COUNT(parts); i++) {
        if (strncmp(at, parts[i], strlen(parts[i])) != 0) fail_msg("%s", t.text);
        at += strlen(parts[i]);
    }
}

static void test_run_folder(void **state)
{
    tn_error err;
    tn_manager *m = start(&quick);
    tn_model_config run = {.name = "m", .base_path = in(state, "run"), .latest = 1, .is_run = true};
    assert_ok(tn_make_folders(in(state, "run/logs"), &err), &err);
    put_version(state, "run/exports", 100, 1);
    assert_ok(tn_manager_set_models(m, &(tn_model_configs){&run, 1, NULL}, &err), &err);
    assert_int_equal(latest(m), 100);
    put_version(state, "run/exports", 200, 1);
    assert_soon(latest(m) == 200);
    tn_manager_free(m);
}

static void test_meta_graph(void **state)
{
    tn_error err;
    tn_manager *m = start(&quick);
    tn_model_config c = {.name = "m", .latest = 1};
    c.meta_graph = golden(state, "models/qa_ranker_conv2d/saver/m.meta");
    c.checkpoint = golden(state, "models/qa_ranker_conv2d/saver/m");
    assert_code(tn_manager_set_models(m, &(tn_model_configs){&c, 1, NULL}, &err), TN_UNKNOWN);
    assert_says(&err, "{name: m version: 1} due to error: FAILED_PRECONDITION: ");
    assert_says(&err, "m.meta has no signature_def");
    tn_manager_free(m);
}

/* A log that cannot be is found before anything changes. */
static void test_request_log(void **state)
{
    tn_error err;
    tn_servable *s;
    put_version(state, "m", 1, 1);
    tn_manager *m = start(&quick);
    const char *wish = tn_arena_printf(arena_of(state), "logging_config { log_collector_config { filename_prefix: '%s' } "
                                       "sampling_config { sampling_rate: 1 } }", in(state, "log"));
    assert_ok(set_model(state, m, wish, &err), &err);
    assert_ok(get(m, "m", -1, NULL, &s, &err), &err);
    tn_request_log *log = s->request_log;
    assert_non_null(log);
    assert_true(tn_request_log_wants(log));
    assert_ok(set_model(state, m, wish, &err), &err);
    assert_ptr_equal(s->request_log, log);
    assert_code(set_model(state, m, "logging_config { log_collector_config { type: 'kafka' filename_prefix: 'x' } }", &err), TN_NOT_FOUND);
    assert_ptr_equal(s->request_log, log);
    assert_ok(set_model(state, m, "", &err), &err);
    assert_null(s->request_log);
    assert_true(tn_request_log_wants(log)); /* somebody may still be at it */
    tn_servable_unref(s);
    tn_manager_free(m);
}

/* ==== memory ==== */

static size_t idle_bytes(const tn_servable *s)
{
    tn_blocks *b = &tn_session_store(tn_loaded_session(s->loaded))->blocks;
    pthread_mutex_lock(&b->lock);
    size_t bytes = b->bytes;
    pthread_mutex_unlock(&b->lock);
    return bytes;
}

/* Asked with so many numbers, none of which fit into small blocks. */
static void ask_many(tn_servable *s)
{
    tn_error err;
    tn_tensor *x, *y;
    const char *fetch = "y:0";
    assert_ok(tn_tensor_new(TN_FLOAT, &TN_SHAPE(1 << 18), &x, &err), &err);
    for (int i = 0; i < 1 << 18; i++) TN_FLOATS(x)[i] = (float)i;
    assert_ok(tn_session_run(tn_loaded_session(s->loaded), &(tn_feed){"x:0", x}, 1, &fetch, 1, &y, NULL, 0, &err), &err);
    assert_true(TN_FLOATS(y)[1000] == 1000 * (float)s->version);
    tn_tensor_unref(x);
    tn_tensor_unref(y);
}

/* The system makes no large pages of a process whose models all rest. -1: it does not tell. */
static int small_pages(void)
{
#ifdef PR_GET_THP_DISABLE
    return prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0);
#else
    return -1;
#endif
}

static void test_idle_models_rest(void **state)
{
    tn_error err;
    tn_servable *s, *other;
    tn_manager_options o = quick;
    put_version(state, "m", 3, 4);
    o.rest_seconds = 1000;
    tn_manager *m = start(&o);
    assert_ok(set_model(state, m, "", &err), &err);
    assert_ok(get(m, "m", -1, NULL, &s, &err), &err);
    ask_many(s);
    assert_true(idle_bytes(s) >= 4 << 18); /* kept for the next one */
    tn_servable_unref(s);
    tn_manager_free(m);
    o.rest_seconds = 0.01;
    m = start(&o);
    assert_ok(set_model(state, m, "", &err), &err);
    for (int i = 0; i < 3; i++) {
        assert_ok(get(m, "m", -1, NULL, &s, &err), &err);
        assert_int_equal(idle_bytes(s), 0);
        nanosleep(&(struct timespec){0, 50000000}, NULL); /* it does not rest while it is had */
        ask_many(s);
        assert_true(idle_bytes(s) >= 4 << 18);
        assert_true(small_pages() <= 0);
        tn_servable_unref(s);
        assert_soon(idle_bytes(s) == 0); /* the manager has it still */
        assert_soon(small_pages() != 0);
        assert_ok(get(m, "m", -1, NULL, &other, &err), &err);
        assert_true(small_pages() <= 0);
        assert_ptr_equal(other, s);
        tn_servable_unref(other);
    }
    tn_manager_free(m);
}

static int plans_of(tn_servable *s)
{
    tn_session *session = tn_loaded_session(s->loaded);
    int n = 0;
    pthread_mutex_lock(&session->lock);
    for (size_t i = 0; i < tn_map_count(session->plans); i++)
        n += ((tn_plan *)tn_map_value(session->plans, i))->n_bound;
    pthread_mutex_unlock(&session->lock);
    return n;
}

/* What was planned ahead goes when nobody asks, and is planned again when somebody does. */
static void test_sizes_rest(void **state)
{
    tn_error err;
    tn_servable *s;
    tn_manager_options o = quick;
    put_version(state, "m", 3, 4);
    o.rest_seconds = 0.2;
    tn_manager *m = start(&o);
    assert_ok(set_model(state, m, "", &err), &err);
    assert_ok(get(m, "m", -1, NULL, &s, &err), &err);
    assert_soon(plans_of(s) > 2);
    tn_servable_unref(s);
    for (int i = 0; i < 2; i++) {
        assert_soon(plans_of(s) <= 2); /* the manager has it still */
        assert_ok(get(m, "m", -1, NULL, &s, &err), &err);
        assert_soon(plans_of(s) > 2);
        tn_servable_unref(s);
    }
    tn_manager_free(m);
}

static size_t resident(void)
{
    long pages = 0, all = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f) return 0;
    if (fscanf(f, "%ld %ld", &all, &pages) != 2) pages = 0;
    fclose(f);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Ten versions of 16 MB, one after another, take the memory of two or three, not of ten. */
static void test_memory_comes_back(void **state)
{
    enum { NUMBERS = 4 << 20 };
    tn_error err;
    put_version(state, "m", 1, NUMBERS);
    tn_manager *m = start(&quick);
    assert_ok(set_model(state, m, "", &err), &err);
    size_t first = resident();
    for (int v = 2; v <= 10; v++) {
        char old[16];
        snprintf(old, sizeof old, "%d", v - 1);
        put_version(state, "m", v, NUMBERS);
        assert_soon(latest(m) == v);
        assert_soon(state_of(m, v - 1) == TN_STATE_END);
        remove_version(state, "m", old);
    }
#ifndef __SANITIZE_ADDRESS__ /* which keeps what is freed */
    assert_true(resident() < first + 3 * sizeof(float) * NUMBERS);
#endif
    (void)first;
    tn_manager_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_model),       TEST(test_versions_follow), TEST(test_policies),    TEST(test_labels),
        TEST(test_errors_of_sets),  TEST(test_waiting),         TEST(test_given_out),   TEST(test_changes_are_told),
        TEST(test_errors_of_sets),  TEST(test_patience),         TEST(test_given_out),   TEST(test_changes_are_told),
        TEST(test_run_folder),      TEST(test_meta_graph),      TEST(test_request_log),   TEST(test_wanted_again),
        TEST(test_idle_models_rest), TEST(test_sizes_rest), TEST(test_memory_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
