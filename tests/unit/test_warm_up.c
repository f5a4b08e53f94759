/* SPDX-License-Identifier: Apache-2.0
 * Warming up: the requests that a model brings, in what forms they come and fail; zeros where it brings none; the batch
 * sizes that are planned ahead. */
#include "plan/programs.h"
#include "serve_test.h"
#include "wire/wire.h"

/* ==== warm-up files ==== */

static void put_record(tn_buf *b, const tn_PredictionLog *l)
{
    tn_buf bytes = {0};
    tn_error err;
    assert_ok(TN_ENCODE(PredictionLog, l, &bytes, &err), &err);
    tn_record_put(b, bytes.n ? bytes.data : "", bytes.n);
    tn_buf_free(&bytes);
}

/* x of the test's own model, as dtype t. */
static void put_predict(void **state, tn_buf *b, const char *key, tn_dtype t)
{
    tn_arena *a = arena_of(state);
    tn_error err;
    tn_tensor *x;
    assert_ok(tn_tensor_new(t, &TN_SHAPE(3), &x, &err), &err);
    tn_PredictRequest request = {0};
    tn_TensorEntry *e = TN_PUSH(a, &request.inputs);
    e->key = tn_view_of(key);
    e->value = TN_NEW(a, tn_TensorProto);
    assert_ok(tn_tensor_to_proto(x, a, e->value, &err), &err);
    tn_PredictLog log = {.request = &request};
    tn_PredictionLog l = {0};
    TN_SET(&l, PredictionLog, log_type, predict_log) = &log;
    put_record(b, &l);
    tn_tensor_unref(x);
}

static tn_Input *examples(void **state, float x)
{
    tn_arena *a = arena_of(state);
    tn_error err;
    tn_ExampleList *list = TN_NEW(a, tn_ExampleList);
    tn_Input *in = TN_NEW(a, tn_Input);
    assert_ok(tn_example_floats(TN_PUSH(a, &list->examples), a, "x", &x, 1, &err), &err);
    TN_SET(in, Input, kind, example_list) = list;
    return in;
}

typedef enum kind { CLASSIFY, REGRESS, SEVERAL, SESSION, NOTHING } kind;

static void put_examples(void **state, tn_buf *b, kind k, const char *signature)
{
    tn_ModelSpec spec = {.name = TN_VIEW("another name"), .signature_name = tn_view_of(signature)};
    tn_ClassificationRequest classify = {.model_spec = &spec, .input = examples(state, 2)};
    tn_RegressionRequest regress = {.model_spec = &spec, .input = examples(state, 2)};
    tn_InferenceTask task = {.model_spec = &spec, .method_name = TN_VIEW("tensorflow/serving/regress")};
    tn_MultiInferenceRequest several = {.tasks = {&task, 1, 1}, .input = examples(state, 2)};
    tn_ClassifyLog c = {.request = &classify};
    tn_RegressLog r = {.request = &regress};
    tn_MultiInferenceLog m = {.request = &several};
    tn_SessionRunLog s = {0};
    tn_PredictionLog l = {0};
    if (k == CLASSIFY) TN_SET(&l, PredictionLog, log_type, classify_log) = &c;
    if (k == REGRESS) TN_SET(&l, PredictionLog, log_type, regress_log) = &r;
    if (k == SEVERAL) TN_SET(&l, PredictionLog, log_type, multi_inference_log) = &m;
    if (k == SESSION) TN_SET(&l, PredictionLog, log_type, session_run_log) = &s;
    put_record(b, &l);
}

static tn_code load_with(void **state, const char *version, tn_buf *file, tn_servable_options o, tn_servable **out, tn_error *err)
{
    const char *path = path_in(state, "m", version);
    const char *extra = tn_path_join(arena_of(state), path, "assets.extra");
    assert_ok(tn_make_folders(extra, err), err);
    write_file(tn_path_join(arena_of(state), extra, "tf_serving_warmup_requests"), (tn_view){file->n ? file->data : "", file->n});
    tn_buf_free(file);
    o.model = "m";
    o.path = path;
    o.version = 1;
    o.warm_up = true;
    return tn_servable_load(&o, out, err);
}

static void succeeds(void **state, const char *version, tn_buf *file)
{
    tn_servable *s;
    tn_error err;
    assert_ok(load_with(state, version, file, (tn_servable_options){0}, &s, &err), &err);
    tn_servable_unref(s);
}

static void fails(void **state, const char *version, tn_buf *file, tn_code code, const char *says)
{
    tn_servable *s;
    tn_error err;
    assert_code(load_with(state, version, file, (tn_servable_options){0}, &s, &err), code);
    assert_says(&err, says);
}

static void test_predict(void **state)
{
    tn_buf b = {0};
    tn_error err;
    tn_servable *s;
    put_version(state, "m", 1, 4);
    for (int i = 0; i < 3; i++) put_predict(state, &b, "x", TN_FLOAT);
    succeeds(state, "1", &b);
    put_predict(state, &b, "x", TN_FLOAT);
    put_predict(state, &b, "x", TN_DOUBLE);
    fails(state, "1", &b, TN_INVALID_ARGUMENT, "Expects arg[0] to be float but double is provided");
    put_predict(state, &b, "z", TN_FLOAT);
    fails(state, "1", &b, TN_INVALID_ARGUMENT, "Signature input alias: x(feed name: x:0) not found in request");
    put_examples(state, &b, REGRESS, "absent");
    fails(state, "1", &b, TN_INVALID_ARGUMENT, "absent");
    put_predict(state, &b, "z", TN_FLOAT); /* which nobody reads */
    tn_servable_options o = {.model = "m", .path = path_in(state, "m", "1"), .version = 1};
    assert_ok(tn_servable_load(&o, &s, &err), &err);
    tn_servable_unref(s);
    tn_buf_free(&b);
    succeeds(state, "1", &b); /* an empty file */
}

static void test_examples(void **state)
{
    tn_buf b = {0};
    put_golden(state, "m", "7", HALF_PLUS_TWO);
    put_examples(state, &b, CLASSIFY, "classify_x_to_y");
    put_examples(state, &b, REGRESS, "regress_x_to_y");
    put_examples(state, &b, SEVERAL, "regress_x_to_y");
    put_examples(state, &b, NOTHING, "");
    succeeds(state, "7", &b);
    put_examples(state, &b, SESSION, "");
    fails(state, "7", &b, TN_UNIMPLEMENTED, "Unsupported log_type for warmup: 5");
}

static void test_damaged_files(void **state)
{
    tn_buf b = {0};
    put_version(state, "m", 1, 4);
    put_predict(state, &b, "x", TN_FLOAT);
    b.data[b.n - 7] ^= 1;
    fails(state, "1", &b, TN_DATA_LOSS, ". Please verify your warmup data is in TFRecord format.");
    tn_buf_str(&b, "no record at all");
    fails(state, "1", &b, TN_DATA_LOSS, "Please verify");
    tn_record_put(&b, "\x32\xff", 2);
    fails(state, "1", &b, TN_INVALID_ARGUMENT, "Failed to parse warmup record: ");
    for (int i = 0; i < 1000; i++) put_examples(state, &b, NOTHING, "");
    tn_buf_str(&b, "");
    succeeds(state, "1", &b);
    for (int i = 0; i < 1001; i++) put_examples(state, &b, NOTHING, "");
    fails(state, "1", &b, TN_INVALID_ARGUMENT, "Number of warmup records exceeds the maximum (1000) at ");
}

static void test_metrics_and_iterations(void **state)
{
    tn_buf b = {0}, text = {0};
    tn_error err;
    tn_servable *s;
    tn_metrics *m;
    put_version(state, "m", 1, 4);
    for (int i = 0; i < 5; i++) put_predict(state, &b, "x", TN_FLOAT);
    assert_ok(tn_metrics_new(&m, &err), &err);
    assert_ok(load_with(state, "1", &b, (tn_servable_options){.metrics = m, .warm_up_iterations = 3}, &s, &err), &err);
    assert_ok(tn_metrics_prometheus(m, &text, &err), &err);
    const char *line = strstr(text.data, ":tensorflow:serving:model_warmup_records_read{");
    assert_non_null(line);
    assert_int_equal(strtol(strchr(line, '}') + 1, NULL, 10), 5);
    assert_null(strstr(text.data, ":tensorflow:serving:request_count{")); /* these are no requests */
    tn_buf_free(&text);
    tn_metrics_free(m);
    atomic_int cancel = 1;
    put_predict(state, &b, "x", TN_FLOAT);
    tn_servable *none = NULL;
    assert_code(load_with(state, "1", &b, (tn_servable_options){.cancel = &cancel}, &none, &err), TN_CANCELLED);
    assert_null(none);
    tn_servable_unref(s);
}

/* ==== zeros ==== */

static int programs_of(tn_servable *s)
{
    tn_session *session = tn_loaded_session(s->loaded);
    int n = 0;
    for (size_t i = 0; i < tn_map_count(session->plans); i++) {
        const tn_plan *p = tn_map_value(session->plans, i);
        if (p->lowered && p->lowered->n_feeds) n += p->n_bound;
    }
    return n;
}

static void test_sizes(void **state)
{
    tn_error err;
    tn_servable *s;
    atomic_int cancel = 1;
    put_version(state, "m", 1, 4);
    tn_servable_options o = {.model = "m", .path = path_in(state, "m", "1"), .version = 1, .warm_up = true};
    assert_ok(tn_servable_load(&o, &s, &err), &err);
    assert_int_equal(programs_of(s), 1);
    tn_warm_up_sizes(s, NULL); /* nobody else has it: what for? */
    assert_int_equal(programs_of(s), 1);
    tn_servable_ref(s);
    tn_warm_up_sizes(s, &cancel);
    assert_int_equal(programs_of(s), 1);
    tn_warm_up_sizes(s, NULL);
    assert_int_equal(programs_of(s), 7); /* 1, 2, 4, ..., 64 */
    tn_batching b = {.allowed_batch_sizes = (int64_t[]){3, 8, 100}, .n_allowed = 3};
    s->batching = &b;
    tn_warm_up_sizes(s, NULL);
    assert_int_equal(programs_of(s), 9);
    tn_servable_unref(s);
    tn_servable_unref(s);
}

/* count: x + (how often it has been asked), get: x + that number, drawn: x + what a seed gives. */
static void put_counter(void **state)
{
    static const tn_tensor_info x_info = {.key = "x", .name = "x:0", .dtype = TN_FLOAT, .shape = {1, {-1}}};
    static const tn_tensor_info infos[] = {{.key = "y", .name = "count:0", .dtype = TN_FLOAT, .shape = {1, {-1}}},
                                           {.key = "y", .name = "get:0", .dtype = TN_FLOAT, .shape = {1, {-1}}},
                                           {.key = "y", .name = "drawn:0", .dtype = TN_FLOAT, .shape = {1, {-1}}}};
    static const tn_signature signatures[] = {{"count", TN_PREDICT_METHOD, &x_info, &infos[0], 1, 1},
                                              {"drawn", TN_PREDICT_METHOD, &x_info, &infos[2], 1, 1},
                                              {"get", TN_PREDICT_METHOD, &x_info, &infos[1], 1, 1}};
    static const char *const tags[] = {"serve"};
    tn_error err;
    tn_graph *g = tn_graph_new();
    tn_builder *b = tn_builder_new(g);
    tn_session *s;
    tn_node x = tn_placeholder(b, "x", TN_FLOAT, TN_SHAPE(-1));
    tn_node n = tn_variable(b, "n", tn_scalar(b, TN_FLOAT, 0), TN_VAR_REF);
    tn_node more = tn_op(b, "AssignAdd", TN_INPUTS(tn_output_of(tn_variable_of(b, n), 0), tn_scalar(b, TN_FLOAT, 1)), TN_NO_ATTRS);
    tn_op_named(b, "AddV2", "count", TN_INPUTS(x, more), TN_NO_ATTRS);
    tn_op_named(b, "AddV2", "get", TN_INPUTS(x, n), TN_NO_ATTRS);
    tn_node drawn = tn_op(b, "RandomUniform", TN_INPUTS(tn_op(b, "Shape", TN_INPUTS(x), TN_NO_ATTRS)),
                          TN_ATTRS(tn_attr_type("dtype", TN_FLOAT), tn_attr_int("seed", 87654321), tn_attr_int("seed2", 7)));
    tn_op_named(b, "AddV2", "drawn", TN_INPUTS(x, drawn), TN_NO_ATTRS);
    const char *init = tn_operation_name(tn_global_variables_initializer(b));
    assert_ok(tn_builder_check(b, &err), &err);
    assert_ok(tn_session_new(g, NULL, &s, &err), &err);
    assert_ok(tn_session_run(s, NULL, 0, NULL, 0, NULL, &init, 1, &err), &err);
    tn_export e = {.graph = g, .signatures = signatures, .n_signatures = (int)TN_COUNT(signatures), .tags = tags, .n_tags = 1};
    assert_ok(tn_savedmodel_save(in(state, "m"), 1, &e, s, NULL, &err), &err);
    tn_session_free(s);
    tn_builder_free(b);
    tn_graph_free(g);
}

static float counted(tn_servable *s, const char *signature)
{
    tn_error err;
    tn_tensor *x = floats(&TN_SHAPE(1), (float[]){0}), *out;
    tn_ask q = {.servable = s, .asker = tn_askers_named(s->askers, tn_view_of(signature)), .in = (const tn_tensor *[]){x}, .out = &out,
                .n_wanted = 1};
    assert_ok(tn_ask_run(&q, &err), &err);
    float y = TN_FLOATS(out)[0];
    tn_tensor_unref(out);
    tn_tensor_unref(x);
    return y;
}

/* What nobody has asked for has not changed the model; its plans are there all the same. */
static void test_state_is_left_alone(void **state)
{
    tn_error err;
    tn_servable *s;
    put_counter(state);
    tn_servable_options o = {.model = "m", .path = path_in(state, "m", "1"), .version = 1, .warm_up = true};
    assert_ok(tn_servable_load(&o, &s, &err), &err);
    assert_int_equal(programs_of(s), 3);
    tn_servable_ref(s);
    tn_warm_up_sizes(s, NULL);
    assert_int_equal(programs_of(s), 21);
    assert_true(counted(s, "get") == 0);
    assert_true(counted(s, "count") == 1 && counted(s, "count") == 2);
    assert_true(counted(s, "get") == 2);
    assert_float_equal(counted(s, "drawn"), 0.48394096, 1e-6);
    tn_servable_unref(s);
    tn_servable_unref(s);
}

/* Every golden model takes zeros, or at least loads in spite of them. */
static void test_golden_models(void **state)
{
    char **names;
    size_t n;
    tn_error err;
    const char *all = golden(state, "models");
    assert_ok(tn_list_folder(all, arena_of(state), &names, &n, &err), &err);
    for (size_t i = 0; i < n; i++) {
        const char *path = tn_arena_printf(arena_of(state), "%s/%s/saved_model/1", all, names[i]);
        tn_servable *s;
        tn_servable_options o = {.model = names[i], .path = path, .version = 1, .warm_up = true};
        if (!tn_is_folder(path)) continue;
        tn_code code = tn_servable_load(&o, &s, &err);
        if (code != TN_OK) fail_msg("%s: %s", names[i], err.message);
        tn_servable_ref(s);
        s->batching = &(tn_batching){.allowed_batch_sizes = (int64_t[]){2, 5}, .n_allowed = 2};
        tn_warm_up_sizes(s, NULL);
        tn_servable_unref(s);
        tn_servable_unref(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_predict), TEST(test_examples), TEST(test_damaged_files), TEST(test_metrics_and_iterations), TEST(test_sizes),
        TEST(test_state_is_left_alone), TEST(test_golden_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
