/* SPDX-License-Identifier: Apache-2.0
 *
 * test_replay.c - what a server has logged of all kinds of requests, asked again: at the same model, at one that
 * answers otherwise, at none; by the library and by `turnery replay`.
 */
#include "server_process.h"

#include "wire/wire.h"

#define SERVICE "/tensorflow.serving.PredictionService/"
#define SPEC(signature) "model_spec { name: 'm' signature_name: '" signature "' } "
#define EXAMPLES "input { example_list { examples { features { feature { key: 'x' value { float_list { value: 6 } } } } } " \
                 "examples { features { feature { key: 'x' value { float_list { value: -1 } } } } } } } "

static const struct {
    const char *kind, *path;
    const tn_proto_message *request;
    const char *text;
} asked[] = {
    {"predict", SERVICE "Predict", TN_PROTO(PredictRequest),
     SPEC("serving_default") "inputs { key: 'x' value { dtype: DT_FLOAT tensor_shape { dim { size: 1 } dim { size: 1 } } float_val: 3 } }"},
    {"classify", SERVICE "Classify", TN_PROTO(ClassificationRequest), SPEC("classify_x_to_y") EXAMPLES},
    {"regress", SERVICE "Regress", TN_PROTO(RegressionRequest), SPEC("regress_x_to_y") EXAMPLES},
    {"multi_inference", SERVICE "MultiInference", TN_PROTO(MultiInferenceRequest),
     "tasks { " SPEC("regress_x_to_y") "method_name: 'tensorflow/serving/regress' } "
     "tasks { " SPEC("classify_x_to_y") "method_name: 'tensorflow/serving/classify' } " EXAMPLES},
};

static void ask_all(void **state, const server_process *s)
{
    tn_grpc_channel *c;
    tn_error err;
    tn_grpc_channel_options o = {.target = target_of(state, s, false, false)};
    assert_ok(tn_grpc_channel_new(&o, &c, &err), &err);
    for (size_t i = 0; i < TN_COUNT(asked); i++) {
        void *request;
        tn_buf bytes = {0}, answer = {0};
        assert_ok(tn_proto_parse(asked[i].request, tn_view_of(asked[i].text), arena_of(state), &request, &err), &err);
        assert_ok(tn_proto_encode(asked[i].request, request, &bytes, &err), &err);
        assert_ok(tn_grpc_call_sync(c, asked[i].path, (tn_view){bytes.data, bytes.n}, 60, &answer, &err), &err);
        tn_buf_free(&bytes);
        tn_buf_free(&answer);
    }
    tn_grpc_channel_free(c);
}

static void serve(void **state, server_process *s, const char *more)
{
    write_file(in(state, "conf"), tn_view_of(tn_arena_printf(arena_of(state), "model_config_list { %s }", model_text(state, "m", more))));
    start_server(state, s, NULL, (const char *const[]){tn_arena_printf(arena_of(state), "--model_config_file=%s", in(state, "conf")), NULL});
}

/* A server's log of one request of each kind. */
static const char *make_log(void **state)
{
    server_process s;
    put_golden(state, "m", "1", HALF_PLUS_TWO);
    serve(state, &s, tn_arena_printf(arena_of(state), "logging_config { log_collector_config { type: 'file' filename_prefix: '%s' } "
                                     "sampling_config { sampling_rate: 1 } }", in(state, "asked")));
    ask_all(state, &s);
    stop_server(state, &s);
    return asked_log(state);
}

typedef struct told {
    int n;
    tn_replay_verdict verdicts[TN_COUNT(asked)];
    tn_code codes[TN_COUNT(asked)];
    char texts[TN_COUNT(asked)][200];
} told;

static void tell(void *payload, const tn_replayed *r)
{
    told *t = payload;
    assert_in_range(r->record, 0, TN_COUNT(asked) - 1);
    assert_string_equal(r->kind, asked[r->record].kind);
    assert_string_equal(r->model, "m");
    t->n++;
    t->verdicts[r->record] = r->verdict;
    t->codes[r->record] = r->code;
    snprintf(t->texts[r->record], sizeof t->texts[0], "%s", r->text ? r->text : "");
}

static told replay(void **state, const server_process *s, const char *log)
{
    told t = {0};
    tn_error err;
    tn_stub *stub = stub_for(state, s, false);
    assert_ok(tn_stub_replay(stub, log, &(tn_replay_options){.concurrency = 2, .told = tell, .payload = &t}, &err), &err);
    tn_stub_free(stub);
    assert_int_equal(t.n, TN_COUNT(asked));
    return t;
}

/* The log again, with answers in which the first number is larger by one. */
static const char *alter(void **state, const char *log)
{
    tn_view file = content(state, log), record;
    tn_buf out = {0};
    tn_error err;
    while (tn_record_next(&file, 0, &record, &err) == TN_OK) {
        tn_PredictionLog *l;
        tn_buf bytes = {0};
        assert_ok(TN_DECODE(PredictionLog, record, arena_of(state), &l, &err), &err);
        switch (l->log_type_case) {
        case TN_PredictionLog_predict_log: l->predict_log->response->outputs.items[0].value->float_val.items[0] += 1; break;
        case TN_PredictionLog_classify_log: l->classify_log->response->result->classifications.items[0].classes.items[0].score += 1; break;
        case TN_PredictionLog_regress_log: l->regress_log->response->result->regressions.items[0].value += 1; break;
        default: l->multi_inference_log->response->results.items[0].regression_result->regressions.items[0].value += 1;
        }
        assert_ok(TN_ENCODE(PredictionLog, l, &bytes, &err), &err);
        tn_record_put(&out, bytes.data, bytes.n);
        tn_buf_free(&bytes);
    }
    write_file(in(state, "altered"), (tn_view){out.data, out.n});
    tn_buf_free(&out);
    return in(state, "altered");
}

/* The command's exit status; `line` gets the last one that it printed. */
static int run_command(void **state, const server_process *s, const char *log, char line[300])
{
    FILE *f = popen(tn_arena_printf(arena_of(state), "%s/turnery replay %s --server localhost:%d 2> /dev/null", getenv("TN_BUILD"), log, s->port), "r");
    char next[300];
    assert_non_null(f);
    while (fgets(next, sizeof next, f))
        if (strstr(next, " records in ")) snprintf(line, 300, "%s", next);
    int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void count_verdict(void *payload, const tn_replayed *r)
{
    int *verdicts = payload;
    if (r->verdict == TN_REPLAY_FAILED && !r->code) fail_msg("record %d failed for no reason", (int)r->record);
    verdicts[r->verdict]++;
}

/* Each allocation of the client fails in turn: it, or one record, says so; the others have their answers, and none is left out. */
static void with_failing_memory(void **state, const server_process *s, const char *log, const char *model)
{
    tn_error err;
    int64_t k = 0, count;
    do {
        int verdicts[TN_REPLAY_SKIPPED + 1] = {0};
        const tn_replay_options o = {.model = model, .told = count_verdict, .payload = verdicts};
        tn_stub *stub = stub_for(state, s, false);
        tn_malloc_fail_at(++k);
        tn_code code = tn_stub_replay(stub, log, &o, &err);
        count = tn_malloc_count();
        tn_malloc_fail_at(0);
        tn_stub_free(stub);
        int answered = verdicts[TN_REPLAY_EQUAL], failed = verdicts[TN_REPLAY_FAILED];
        if (code && code != TN_RESOURCE_EXHAUSTED) fail_msg("allocation %d: %s", (int)k, err.message);
        if (!code && answered + failed != TN_COUNT(asked)) fail_msg("allocation %d: %d answered, %d failed", (int)k, answered, failed);
        if (!model && failed + (code != TN_OK) > 1) fail_msg("allocation %d: %d failed", (int)k, failed);
    } while (count >= k);
    assert_true(k > 20);
}

static void test_memory_that_ends(void **state)
{
    server_process s;
    const char *log = make_log(state);
    char *model = tn_arena_alloc(arena_of(state), 100001); /* has a block of its own */
    memset(model, 'n', 100000);
    model[100000] = 0;
    serve(state, &s, "");
    with_failing_memory(state, &s, log, NULL);
    with_failing_memory(state, &s, log, model);
    stop_server(state, &s);
}

static void test_all_kinds(void **state)
{
    static const char *const differences[] = {"y[0] was 4.5, is 3.5", "classes 0[0] was 6, is 5", "regressions[0] was 6, is 5", "regressions[0] was 6, is 5"};
    server_process s;
    char line[300] = "";
    const char *log = make_log(state), *altered = alter(state, log);
    serve(state, &s, "");
    told t = replay(state, &s, log);
    for (size_t i = 0; i < TN_COUNT(asked); i++)
        if (t.verdicts[i] != TN_REPLAY_EQUAL) fail_msg("%s: %d %s", asked[i].kind, t.verdicts[i], t.texts[i]);
    t = replay(state, &s, altered);
    for (size_t i = 0; i < TN_COUNT(asked); i++) {
        assert_int_equal(t.verdicts[i], TN_REPLAY_DIFFERENT);
        assert_string_equal(t.texts[i], differences[i]);
    }
    assert_int_equal(run_command(state, &s, log, line), 0);
    assert_non_null(strstr(line, ", 4 equal\n"));
    assert_int_equal(run_command(state, &s, altered, line), 1);
    assert_non_null(strstr(line, ", 4 different\n"));
    stop_server(state, &s);
}

/* Nobody there has the model: each says so. */
static void test_elsewhere(void **state)
{
    server_process s;
    const char *log = make_log(state);
    put_golden(state, "n", "1", HALF_PLUS_TWO);
    start_server(state, &s, NULL, (const char *const[]){"--model_name=n", tn_arena_printf(arena_of(state), "--model_base_path=%s", in(state, "n")), NULL});
    told t = replay(state, &s, log);
    for (size_t i = 0; i < TN_COUNT(asked); i++) {
        assert_int_equal(t.verdicts[i], TN_REPLAY_FAILED);
        assert_int_equal(t.codes[i], TN_NOT_FOUND);
    }
    stop_server(state, &s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_all_kinds), TEST(test_memory_that_ends), TEST(test_elsewhere)};
    return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
