/* SPDX-License-Identifier: Apache-2.0
 *
 * test_train.c - the loop, run in this process: going on where a run stopped, failures while saving, NaN,
 * what the listener hears, metrics.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "train/train.h"

struct tn_settings {
    int64_t spoil;
};
static const tn_option rows[] = {
    TN_OPTION(tn_settings, spoil, .def = "-1", .min = -1, .max = 1000, .help = "the example that is NaN"),
    TN_OPTIONS_END};

static void points(tn_data *d, const tn_settings *s)
{
    float *x = tn_data_new(d, TN_FEATURE, "x", TN_FLOAT, 50, TN_SHAPE(1));
    float *y = tn_data_new(d, TN_LABEL, "y", TN_FLOAT, 50, TN_SHAPE(1));
    for (int i = 0; i < 50; i++) {
        x[i] = i == s->spoil ? NAN : (float)i / 50;
        y[i] = 2 * (float)i / 50 - 1;
    }
}
static void model(tn_builder *b, const tn_settings *s, tn_mode mode, const tn_features *in, tn_outputs *out)
{
    (void)s;
    tn_node h = tn_dropout(b, mode, tn_dense(b, "hidden", in->x, 8, TN_TANH), 0.1);
    tn_output(out, "y", tn_dense(b, "out", h, 1, TN_LINEAR), 0);
}
static tn_node loss(tn_builder *b, const tn_settings *s, const tn_results *r)
{
    return (void)s, tn_mean_squared_error(b, r->label, r->y, TN_NONE);
}
static tn_operation *optimizer(tn_builder *b, const tn_settings *s, tn_node l, tn_node step)
{
    return (void)s, tn_minimize(b, tn_adam(tn_constant_rate(b, 0.01)), l, step);
}
static void metrics(tn_builder *b, const tn_settings *s, const tn_results *r, tn_outputs *out)
{
    (void)s;
    tn_metric_rmse(out, "rmse", r->label, r->y);
    tn_metric_precision(out, "precision", tn_binary(b, "Greater", r->label, tn_like(b, r->label, 0)),
                        tn_binary(b, "Greater", r->y, tn_like(b, r->y, 0)));
}
static void summaries(tn_builder *b, const tn_settings *s, const tn_results *r, tn_outputs *out)
{
    (void)b, (void)s;
    tn_summary_histogram(out, "answers", r->y);
}

/* The client's state is a count of what it was asked. */
typedef struct counter {
    int asked, finalized;
} counter;
static counter counted;

static void *client_init(const tn_settings *s, bool debug, tn_error *err)
{
    (void)s, (void)debug, (void)err;
    return &counted;
}
static void client_input(void *state, const tn_settings *s, int64_t index, tn_data *d)
{
    (void)s;
    ((counter *)state)->asked++;
    if (index > 2) {
        tn_data_fail(d, TN_OUT_OF_RANGE, "no more");
        return;
    }
    float *x = tn_data_new(d, TN_FEATURE, "x", TN_FLOAT, 1, TN_SHAPE(1));
    x[0] = (float)index / 2;
}
static void client_decode(void *state, const tn_settings *s, const tn_feed *values, int n, char *text,
                          size_t size)
{
    (void)state, (void)s;
    snprintf(text, size, "%d values, last %s", n, values[n - 1].name);
}
static void client_finalize(void *state)
{
    ((counter *)state)->finalized++;
}
static const tn_client client = {client_init, client_input, NULL, client_decode, client_finalize};

static const tn_experiment record = {.name = "test",
                                     .options = rows,
                                     .run = {.batch_size = 8,
                                             .max_steps = 30,
                                             .log_every = 10,
                                             .validate_every = 15,
                                             .validate_unit = "steps",
                                             .threads = 1},
                                     .train = points,
                                     .validate = points,
                                     .test = points,
                                     .model = model,
                                     .loss = loss,
                                     .optimizer = optimizer,
                                     .metrics = metrics,
                                     .summaries = summaries};

/* ==== a job without a compiler ==== */

typedef struct heard {
    char order[64];
    int n;
    char run[300];
    double rmse;
    const char *reason;
} heard;

static void hear(void *payload, const tn_news *n)
{
    heard *h = payload;
    static const char letters[] = {
        [TN_NEWS_START] = 'a',      [TN_NEWS_STEP] = 's',   [TN_NEWS_VALIDATION] = 'v',
        [TN_NEWS_CHECKPOINT] = 'c', [TN_NEWS_EXPORT] = 'x', [TN_NEWS_END] = 'z'};
    if (n->kind == TN_NEWS_PROGRESS) return;
    if (h->n < 60) h->order[h->n++] = letters[n->kind];
    if (n->run) snprintf(h->run, sizeof h->run, "%s", n->run);
    if (n->kind == TN_NEWS_VALIDATION) h->rmse = n->values[1];
    h->reason = n->reason && !strcmp(n->reason, "failed")    ? "failed"
                : n->reason && !strcmp(n->reason, "stopped") ? "stopped"
                                                             : "done";
}

typedef struct bench {
    char dir[40];
    tn_job job;
    heard heard;
    tn_listener listener;
} bench;

static void open_bench(bench *t)
{
    char source[] = "experiment.c";
    tn_error err;
    memset(t, 0, sizeof *t);
    snprintf(t->dir, sizeof t->dir, "/tmp/turnery-test-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    char path[64];
    snprintf(path, sizeof path, "%s/%s", t->dir, source);
    assert_int_equal(tn_file_write(path, "x", 1, NULL), TN_OK);
    t->listener = (tn_listener){.payload = &t->heard, .news = hear};
    t->job.experiment = (tn_module){.experiment = &record, .source = tn_strdup(path)};
    t->job.own_model = (tn_model){.name = "own", .model = model};
    t->job.the_model = &t->job.own_model;
    t->job.folder = tn_strdup(t->dir);
    t->job.listener = &t->listener;
    assert_int_equal(tn_settings_new(&record, NULL, &t->job.settings, &err), TN_OK);
    t->job.model_settings = t->job.settings.values[0];
}

static void close_bench(bench *t)
{
    tn_asker_free(t->job.asker);
    tn_settings_free(&t->job.settings);
    tn_free(t->job.experiment.source);
    tn_free(t->job.folder);
    assert_int_equal(tn_remove_tree(t->dir, NULL), TN_OK);
}

static void set(bench *t, const char *name, const char *value)
{
    assert_int_equal(tn_settings_set(&t->job.settings, name, value, NULL), TN_OK);
}

static tn_code train(bench *t, const char *resume, const volatile int *stop, tn_error *err)
{
    t->heard = (heard){.n = 0};
    tn_train_options o = {.logdir = t->dir, .resume = resume, .stop = stop};
    return tn_job_train(&t->job, &o, err);
}

static void assert_ok(tn_code code, const tn_error *err)
{
    if (code) print_message("%s\n", err->message);
    assert_int_equal(code, TN_OK);
}

/* The bytes of a checkpoint's data. */
static tn_buf checkpoint(const char *run, int step)
{
    char path[400];
    tn_buf b = {0};
    snprintf(path, sizeof path, "%s/checkpoints/m-%d.data-00000-of-00001", run, step);
    assert_int_equal(tn_file_read(path, 0, &b, NULL), TN_OK);
    return b;
}

/* ==== tests ==== */

static void news_come_in_order(void **state)
{
    (void)state;
    bench t;
    tn_error err;
    open_bench(&t);
    assert_ok(train(&t, NULL, NULL, &err), &err);
    assert_string_equal(t.heard.order, "asvssvcxz");
    assert_string_equal(t.heard.reason, "done");
    close_bench(&t);
}

static void a_run_goes_on_bit_for_bit(void **state)
{
    (void)state;
    bench t;
    tn_error err;
    char first[300];
    open_bench(&t);
    set(&t, "max_steps", "40");
    assert_ok(train(&t, NULL, NULL, &err), &err);
    tn_buf whole = checkpoint(t.heard.run, 40);
    set(&t, "max_steps", "17");
    assert_ok(train(&t, NULL, NULL, &err), &err);
    snprintf(first, sizeof first, "%s", t.heard.run);
    set(&t, "max_steps", "40");
    assert_ok(train(&t, first, NULL, &err), &err);
    tn_buf parts = checkpoint(first, 40);
    assert_int_equal(whole.n, parts.n);
    assert_memory_equal(whole.data, parts.data, whole.n);
    tn_buf_free(&whole);
    tn_buf_free(&parts);
    close_bench(&t);
}

static void a_stop_leaves_a_checkpoint_and_no_export(void **state)
{
    (void)state;
    bench t;
    tn_error err;
    volatile int stop = 1;
    open_bench(&t);
    assert_ok(train(&t, NULL, &stop, &err), &err);
    assert_string_equal(t.heard.order, "acz");
    assert_string_equal(t.heard.reason, "stopped");
    close_bench(&t);
}

static void nan_is_traced_to_its_tensor(void **state)
{
    (void)state;
    bench t;
    tn_error err;
    open_bench(&t);
    set(&t, "spoil", "13");
    assert_int_equal(train(&t, NULL, NULL, &err), TN_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "step "));
    assert_non_null(strstr(err.message, "hidden/"));
    assert_string_equal(t.heard.reason, "failed");
    assert_null(strchr(t.heard.order, 'c'));
    close_bench(&t);
}

static void a_full_disk_leaves_the_checkpoint_before(void **state)
{
    (void)state;
    bench t;
    tn_error err;
    char run[300];
    open_bench(&t);
    set(&t, "max_steps", "10");
    set(&t, "export_every", "0");
    assert_ok(train(&t, NULL, NULL, &err), &err);
    snprintf(run, sizeof run, "%s", t.heard.run);
    tn_buf before = checkpoint(run, 10);
    set(&t, "max_steps", "20");
    int failures = 0;
    for (int64_t k = 1; k < 60; k += 3) {
        tn_file_fail_at(k, ENOSPC);
        tn_code code = train(&t, run, NULL, &err);
        tn_file_fail_at(0, 0);
        failures += code != TN_OK;
        if (code) assert_int_equal(code, TN_RESOURCE_EXHAUSTED);
        tn_buf after = checkpoint(run, 10);
        assert_int_equal(before.n, after.n);
        assert_memory_equal(before.data, after.data, before.n);
        tn_buf_free(&after);
    }
    assert_true(failures > 0);
    assert_ok(train(&t, run, NULL, &err), &err);
    tn_buf_free(&before);
    close_bench(&t);
}

/* Files that cannot grow: a run fails, too, and what it leaves can be gone on with once they can, or says what is missing. */
static void cut_files_leave_whole_ones(void **state)
{
    (void)state;
    bench t;
    tn_error err;
    struct rlimit before, now;
    open_bench(&t);
    set(&t, "max_steps", "10");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    tn_code code = TN_RESOURCE_EXHAUSTED;
    for (rlim_t n = 100; code; n += 1 + n / 3) {
        char run[300];
        assert_in_range(n, 0, 1 << 24);
        now = before;
        now.rlim_cur = n;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
        code = train(&t, NULL, NULL, &err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        if (!code) break;
        assert_int_equal(code, TN_RESOURCE_EXHAUSTED);
        snprintf(run, sizeof run, "%s", t.heard.run);
        if (*run && train(&t, run, NULL, &err)) assert_non_null(strstr(err.message, "is no run's folder"));
    }
    signal(SIGXFSZ, SIG_DFL);
    close_bench(&t);
}

static void metrics_do_not_depend_on_the_batch(void **state)
{
    (void)state;
    bench t;
    tn_error err;
    double rmse[3];
    static const char *const sizes[] = {"50", "8", "7"};
    open_bench(&t);
    assert_ok(train(&t, NULL, NULL, &err), &err);
    char run[300];
    snprintf(run, sizeof run, "%s", t.heard.run);
    for (int i = 0; i < 3; i++) {
        set(&t, "eval_batch_size", sizes[i]);
        assert_ok(tn_job_test(&t.job, run, "test", &err), &err);
        rmse[i] = t.heard.rmse;
    }
    assert_true(rmse[0] > 0 && fabs(rmse[1] - rmse[0]) < 1e-6 && fabs(rmse[2] - rmse[0]) < 1e-6);
    close_bench(&t);
}

static void samples_are_answered(void **state)
{
    (void)state;
    bench t;
    tn_error err;
    char *answer;
    open_bench(&t);
    assert_ok(train(&t, NULL, NULL, &err), &err);
    assert_ok(tn_job_ask(&t.job, t.heard.run, 0, "0.5", &answer, &err), &err);
    assert_int_equal(strncmp(answer, "y = [[", 6), 0);
    tn_text_free(answer);
    assert_ok(tn_job_ask(&t.job, t.heard.run, 3, NULL, &answer, &err), &err);
    assert_non_null(strstr(answer, "(the truth)"));
    tn_text_free(answer);
    assert_int_equal(tn_job_ask(&t.job, t.heard.run, 50, NULL, &answer, &err), TN_OUT_OF_RANGE);
    assert_int_equal(tn_job_ask(&t.job, t.heard.run, 0, "1 2", &answer, &err), TN_INVALID_ARGUMENT);
    close_bench(&t);
}

static void a_client_asks_and_decodes(void **state)
{
    (void)state;
    bench t;
    tn_error err;
    char *answer;
    tn_experiment with = record;
    with.client = &client;
    open_bench(&t);
    t.job.experiment.experiment = &with;
    counted = (counter){0, 0};
    assert_ok(train(&t, NULL, NULL, &err), &err);
    assert_ok(tn_job_ask(&t.job, t.heard.run, 1, NULL, &answer, &err), &err);
    assert_string_equal(answer, "2 values, last y");
    tn_text_free(answer);
    assert_int_equal(tn_job_ask(&t.job, t.heard.run, 3, NULL, &answer, &err), TN_OUT_OF_RANGE);
    assert_int_equal(counted.asked, 2);
    close_bench(&t);
    assert_int_equal(counted.finalized, 1);
}

static void images_are_drawn(void **state)
{
    (void)state;
    tn_tensor *t, *wrong;
    static uint8_t pixels[2][4][5] = {{{0}}, {{0, 255, 255}, {0, 255}, {0}, {128, 0, 0, 0, 255}}};
    assert_int_equal(tn_tensor_of(TN_UINT8, &TN_SHAPE(2, 4, 5), pixels, &t, NULL), TN_OK);
    assert_int_equal(tn_tensor_new(TN_UINT8, &TN_SHAPE(2, 3, 5), &wrong, NULL), TN_OK);
    char *text = tn_image_text(t, 1);
    assert_string_equal(text, " @+  \n:   +");
    tn_text_free(text);
    assert_null(tn_image_text(t, 2));
    assert_null(tn_image_text(wrong, 0));
    tn_tensor_unref(t);
    tn_tensor_unref(wrong);
}

/* Memory ends at some point of making a run: an error, and nothing is left over. */
static void no_memory_is_an_error(void **state)
{
    (void)state;
    bench t;
    tn_error err;
    open_bench(&t);
    set(&t, "max_steps", "2");
    for (int64_t k = 1; k < 1000000; k += 1 + k / 8) {
        tn_malloc_fail_at(k);
        tn_code code = train(&t, NULL, NULL, &err);
        bool reached = tn_malloc_count() >= k;
        tn_malloc_fail_at(0);
        if (!reached) {
            assert_ok(code, &err);
            break;
        }
        if (code) assert_int_equal(code, TN_RESOURCE_EXHAUSTED);
    }
    close_bench(&t);
}

static void runs_are_found(void **state)
{
    (void)state;
    bench t;
    tn_error err;
    char *found, prefix[300];
    open_bench(&t);
    set(&t, "max_steps", "1");
    assert_ok(train(&t, NULL, NULL, &err), &err);
    assert_ok(train(&t, NULL, NULL, &err), &err);
    assert_ok(tn_find_run(t.dir, "latest", "test", &found, &err), &err);
    assert_string_equal(found, t.heard.run);
    tn_text_free(found);
    assert_int_equal(tn_find_run(t.dir, "latest", "other", &found, &err), TN_NOT_FOUND);
    assert_int_equal(tn_find_run(t.dir, "test_set", NULL, &found, &err),
                     TN_INVALID_ARGUMENT); /* two begin so */
    snprintf(prefix, sizeof prefix, "%s", tn_path_base(t.heard.run));
    assert_ok(tn_find_run(t.dir, prefix, NULL, &found, &err), &err);
    tn_text_free(found);
    close_bench(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(news_come_in_order),
        cmocka_unit_test(a_run_goes_on_bit_for_bit),
        cmocka_unit_test(a_stop_leaves_a_checkpoint_and_no_export),
        cmocka_unit_test(nan_is_traced_to_its_tensor),
        cmocka_unit_test(a_full_disk_leaves_the_checkpoint_before),
        cmocka_unit_test(cut_files_leave_whole_ones),
        cmocka_unit_test(metrics_do_not_depend_on_the_batch),
        cmocka_unit_test(samples_are_answered),
        cmocka_unit_test(a_client_asks_and_decodes),
        cmocka_unit_test(images_are_drawn),
        cmocka_unit_test(no_memory_is_an_error),
        cmocka_unit_test(runs_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
