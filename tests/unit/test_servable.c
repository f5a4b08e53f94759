/* SPDX-License-Identifier: Apache-2.0
 * One version of one model: loaded from a SavedModel or a MetaGraph with a checkpoint, or refused; its signatures,
 * batching parameters of its own, memory that runs out. */
#include "serve_test.h"

static tn_code load(tn_servable_options o, tn_servable **out, tn_error *err)
{
    o.model = "m";
    o.version = 7;
    o.warm_up = true;
    return tn_servable_load(&o, out, err);
}

static void test_saved_model(void **state)
{
    tn_error err;
    tn_servable *s, *again;
    assert_ok(load((tn_servable_options){.path = golden(state, HALF_PLUS_TWO)}, &s, &err), &err);
    assert_string_equal(s->model, "m");
    assert_int_equal(s->version, 7);
    assert_string_equal(s->path, golden(state, HALF_PLUS_TWO));
    assert_true(s->bytes > 0 && s->bytes < 100);
    assert_non_null(tn_askers_named(s->askers, TN_VIEW("regress_x_to_y")));
    assert_non_null(tn_askers_named(s->askers, TN_VIEW("")));
    assert_null(tn_askers_named(s->askers, TN_VIEW("absent")));
    again = tn_servable_ref(s);
    tn_servable_unref(s);
    assert_string_equal(again->model, "m");
    tn_servable_unref(again);
    tn_servable_unref(NULL);
}

static void test_refused(void **state)
{
    tn_error err;
    tn_servable *s = NULL;
    static const char *const train[] = {"train"};
    atomic_int cancel = 1;
    assert_code(load((tn_servable_options){.path = in(state, "none")}, &s, &err), TN_NOT_FOUND);
    assert_says(&err, "Could not find SavedModel .pb or .pbtxt at supplied export directory path: ");
    assert_code(load((tn_servable_options){.path = golden(state, HALF_PLUS_TWO), .tags = train, .n_tags = 1}, &s, &err), TN_NOT_FOUND);
    assert_code(load((tn_servable_options){.path = golden(state, HALF_PLUS_TWO), .cancel = &cancel}, &s, &err), TN_CANCELLED);
    tn_session_options small = {.memory_limit = 1000};
    put_version(state, "m", 1, 1000);
    assert_code(load((tn_servable_options){.path = path_in(state, "m", "1"), .session = small}, &s, &err), TN_RESOURCE_EXHAUSTED);
    put_golden(state, "m", "3", HALF_PLUS_TWO);
    assert_int_equal(truncate(path_in(state, "m", "3/saved_model.pb"), 1000), 0);
    assert_code(load((tn_servable_options){.path = path_in(state, "m", "3")}, &s, &err), TN_DATA_LOSS);
    put_version(state, "m", 4, 10);
    assert_ok(tn_remove_file(path_in(state, "m", "4/variables/variables.index"), &err), &err);
    assert_code(load((tn_servable_options){.path = path_in(state, "m", "4")}, &s, &err), TN_NOT_FOUND);
    assert_says(&err, "but no variables.index");
    assert_null(s);
}

/* It is there, and its questions are refused, as TensorFlow Serving has it. */
static void test_no_signature(void **state)
{
    tn_error err;
    tn_servable *s = NULL;
    put_version(state, "m", 1, 10);
    assert_ok(tn_remove_file(path_in(state, "m", "1/saved_model.pb"), &err), &err);
    write_file(path_in(state, "m", "1/saved_model.pbtxt"),
               TN_VIEW("saved_model_schema_version: 1 meta_graphs { meta_info_def { tags: 'serve' } "
                       "graph_def { node { name: 'n' op: 'NoOp' } versions { producer: 27 } } }"));
    assert_ok(load((tn_servable_options){.path = path_in(state, "m", "1")}, &s, &err), &err);
    assert_int_equal(tn_askers_count(s->askers), 0);
    assert_null(tn_askers_named(s->askers, TN_VIEW("")));
    tn_servable_unref(s);
}

static void put_sparse(void **state)
{
    tn_error err;
    tn_session *session;
    tn_graph *g = tn_graph_new();
    tn_builder *b = tn_builder_new(g);
    tn_node d = tn_placeholder(b, "d", TN_FLOAT, TN_SHAPE(-1));
    tn_op_named(b, "AddV2", "y", TN_INPUTS(d, d), TN_NO_ATTRS);
    assert_ok(tn_builder_check(b, &err), &err);
    tn_builder_free(b);
    tn_tensor_info sparse[] = {{.key = "p", .dtype = TN_FLOAT, .shape = TN_SHAPE(-1), .values = "d:0", .indices = "i:0", .dense_shape = "n:0"},
                               {.key = "q", .dtype = TN_FLOAT, .shape = TN_SHAPE(-1), .values = "d:0", .indices = "i:0", .dense_shape = "n:0"}};
    tn_tensor_info dense = {.key = "d", .name = "d:0", .dtype = TN_FLOAT, .shape = TN_SHAPE(-1)}, out[] = {sparse[0], dense};
    out[1].key = "y";
    out[1].name = "y:0";
    tn_signature signatures[] = {
        {"both", TN_PREDICT_METHOD, sparse, out, 1, 2},
        {"in", TN_PREDICT_METHOD, sparse, &out[1], 1, 1},
        {"out", TN_PREDICT_METHOD, &dense, out, 1, 2},
        {"twice", TN_PREDICT_METHOD, sparse, &out[1], 2, 1},
    };
    tn_export e = {.graph = g, .signatures = signatures, .n_signatures = (int)TN_COUNT(signatures)};
    assert_ok(tn_session_new(g, NULL, &session, &err), &err);
    assert_ok(tn_savedmodel_save(in(state, "m"), 1, &e, session, NULL, &err), &err);
    tn_session_free(session);
    tn_graph_free(g);
}

static tn_code ask_sparse(tn_servable *s, const char *signature, bool all, tn_dtype t, tn_error *err)
{
    tn_tensor *x, *out[2] = {NULL, NULL};
    assert_ok(tn_tensor_new(t, &TN_SHAPE(1), &x, err), err);
    const tn_tensor *in[] = {x, x};
    const int second = 1;
    tn_ask q = {.servable = s, .asker = tn_askers_named(s->askers, tn_view_of(signature)), .in = in, .out = out, .n_wanted = all ? 2 : 1,
                .wanted = all ? NULL : &second};
    tn_code code = tn_ask_run(&q, err);
    for (int i = 0; i < 2; i++) tn_tensor_unref(out[i]);
    tn_tensor_unref(x);
    return code;
}

/* A sparse value has no name: what asks for it is told so in TensorFlow's words, the model is served. */
static void test_sparse(void **state)
{
    tn_error err;
    tn_servable *s;
    put_sparse(state);
    assert_ok(load((tn_servable_options){.path = path_in(state, "m", "1")}, &s, &err), &err);
    assert_int_equal(tn_askers_count(s->askers), 4);
    assert_code(ask_sparse(s, "in", true, TN_FLOAT, &err), TN_NOT_FOUND);
    assert_string_equal(err.message, "FeedInputs: unable to find feed output ");
    assert_code(ask_sparse(s, "in", true, TN_INT64, &err), TN_NOT_FOUND);
    assert_code(ask_sparse(s, "out", true, TN_INT64, &err), TN_NOT_FOUND);
    assert_string_equal(err.message, "FetchOutputs node : not found");
    assert_ok(ask_sparse(s, "out", false, TN_FLOAT, &err), &err);
    assert_code(ask_sparse(s, "out", false, TN_INT64, &err), TN_INVALID_ARGUMENT);
    assert_code(ask_sparse(s, "twice", true, TN_FLOAT, &err), TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, "Endpoint \"\" fed more than once.");
    assert_code(ask_sparse(s, "both", true, TN_FLOAT, &err), TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, " is both fed and fetched.");
    assert_string_equal(tn_asker_nameless(tn_askers_named(s->askers, TN_VIEW("in"))), "p");
    assert_string_equal(tn_asker_nameless(tn_askers_named(s->askers, TN_VIEW("out"))), "p");
    tn_servable_unref(s);
}

/* An optimizer's slots are checked, though no variable of the graph is restored from them. */
static void test_all_tensors_are_checked(void **state)
{
    tn_error err;
    tn_servable *s = NULL;
    tn_bundle_writer *w;
    put_version(state, "m", 1, 10);
    const char *prefix = path_in(state, "m", "1/variables/variables"), *data = path_in(state, "m", "1/variables/variables.data-00000-of-00001");
    assert_ok(tn_bundle_writer_open(prefix, &w, &err), &err);
    tn_tensor *v = floats(&TN_SHAPE(10), (float[10]){1, 2, 3}), *slot = floats(&TN_SHAPE(2), (float[]){7, 8});
    assert_ok(tn_bundle_add(w, "w", v, &err), &err);
    assert_ok(tn_bundle_add(w, "w/Adam", slot, &err), &err);
    assert_ok(tn_bundle_commit(w, &err), &err);
    assert_ok(load((tn_servable_options){.path = path_in(state, "m", "1")}, &s, &err), &err);
    tn_servable_unref(s);
    tn_view bytes = content(state, data);
    ((char *)bytes.p)[bytes.n - 1] ^= 1;
    write_file(data, bytes);
    assert_code(load((tn_servable_options){.path = path_in(state, "m", "1")}, &s, &err), TN_DATA_LOSS);
    assert_says(&err, "w/Adam");
    tn_tensor_unref(v);
    tn_tensor_unref(slot);
}

/* A version with the key of its ML Metadata is on the page. */
static void test_ml_metadata(void **state)
{
    tn_error err;
    tn_servable *s;
    tn_metrics *m;
    tn_buf page = {0};
    const char *line = "# TYPE :tensorflow:serving:mlmd_map gauge\n:tensorflow:serving:mlmd_map{model_name=\"m\",version=\"7\"} 0\n";
    put_version(state, "m", 1, 10);
    for (int with = 0; with < 2; with++) {
        assert_ok(tn_metrics_new(&m, &err), &err);
        if (with) {
            assert_ok(tn_make_folders(path_in(state, "m", "1/assets.extra"), &err), &err);
            write_file(path_in(state, "m", "1/assets.extra/mlmd_uuid"), TN_VIEW("a key"));
        }
        assert_ok(load((tn_servable_options){.path = path_in(state, "m", "1"), .metrics = m}, &s, &err), &err);
        assert_ok(tn_metrics_prometheus(m, &page, &err), &err);
        assert_int_equal(strstr(page.data, line) != NULL, with);
        page.n = 0;
        tn_servable_unref(s);
        tn_metrics_free(m);
    }
    tn_buf_free(&page);
}

/* y = 3 x as a MetaGraph with a signature, and its checkpoint. */
static void test_meta_graph(void **state)
{
    tn_error err;
    tn_servable *s = NULL;
    tn_loaded *m;
    put_version(state, "m", 3, 10);
    assert_ok(tn_load_saved_model(path_in(state, "m", "3"), NULL, 0, NULL, &m, &err), &err);
    assert_ok(tn_loaded_save(m, in(state, "saved"), &err), &err);
    tn_loaded_free(m);
    tn_servable_options o = {.meta_graph = in(state, "saved.meta"), .checkpoint = in(state, "saved")};
    assert_ok(load(o, &s, &err), &err);
    assert_string_equal(s->path, in(state, "saved.meta"));
    assert_float_equal(ask_one(s), 3, 0);
    tn_servable_unref(s);
    o.checkpoint = golden(state, "models/ckpt_damaged/data_bit_flip/m");
    assert_code(load(o, &s, &err), TN_DATA_LOSS);
    o.checkpoint = NULL; /* variables without values answer nothing */
    assert_code(load(o, &s, &err), TN_FAILED_PRECONDITION);
    assert_says(&err, "variable 'w' has no value");
}

static void test_batching(void **state)
{
    tn_error err;
    tn_servable *s;
    tn_batching all;
    assert_ok(tn_batching_parse(TN_VIEW("max_batch_size { value: 16 } num_batch_threads { value: 3 }"), NULL, arena_of(state), &all, &err), &err);
    put_version(state, "m", 1, 10);
    tn_servable_options o = {.path = path_in(state, "m", "1"), .batching = &all};
    assert_ok(load(o, &s, &err), &err);
    assert_ptr_equal(s->batching, &all);
    assert_non_null(s->batcher);
    tn_servable_unref(s);
    o.per_model_batching = true; /* there are none of its own */
    assert_ok(load(o, &s, &err), &err);
    assert_null(s->batching);
    assert_null(s->batcher);
    tn_servable_unref(s);
    write_file(path_in(state, "m", "1/batching_params.pbtxt"), TN_VIEW("max_batch_size { value: 4 } num_batch_threads { value: 9 }"));
    assert_ok(load(o, &s, &err), &err);
    assert_int_equal(s->batching->max_batch_size, 4);
    assert_int_equal(s->batching->num_batch_threads, 3);
    assert_non_null(s->batcher);
    tn_servable_unref(s);
    write_file(path_in(state, "m", "1/batching_params.pbtxt"), TN_VIEW("max_batch_size { value: 0 }"));
    assert_code(load(o, &s, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "batching_params.pbtxt: max_batch_size must be positive; was 0");
}

static void test_memory(void **state)
{
    tn_error err;
    put_version(state, "m", 1, 10);
    const char *path = path_in(state, "m", "1");
    for (int64_t n = 1, step = 1;; n += step, step += n > 200) {
        tn_servable *s = NULL;
        tn_malloc_fail_at(n);
        tn_code code = load((tn_servable_options){.path = path}, &s, &err);
        int64_t left = tn_malloc_count();
        tn_malloc_fail_at(0);
        tn_servable_unref(s);
        if (code != TN_OK) assert_code(code, TN_RESOURCE_EXHAUSTED);
        else if (left < n) break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_saved_model), TEST(test_refused), TEST(test_no_signature), TEST(test_sparse), TEST(test_all_tensors_are_checked),
        TEST(test_meta_graph), TEST(test_ml_metadata), TEST(test_batching),
        TEST(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
