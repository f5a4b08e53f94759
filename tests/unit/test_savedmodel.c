/* SPDX-License-Identifier: Apache-2.0
 *
 * test_savedmodel.c - SavedModels and MetaGraphs: TensorFlow's are read and answer, ours come back, versions
 * are written whole and never changed.
 */
#include <errno.h>

#include "small_graph.h"

static const tn_tensor_info x_info = {.key = "in", .name = "x:0", .dtype = TN_FLOAT, .shape = {2, {-1, 2}}};
static const tn_tensor_info y_info = {.key = "out", .name = "y:0", .dtype = TN_FLOAT, .shape = {2, {-1, 2}}};
static const tn_signature signatures[] = {
    {.name = "serving_default", .in = &x_info, .n_in = 1, .out = &y_info, .n_out = 1},
    {.name = "other", .method = "m", .out = &y_info, .n_out = 1},
};

static tn_export exported(const small_graph *g)
{
    return (tn_export){.graph = g->graph, .signatures = signatures, .n_signatures = 2};
}

/* ---- TensorFlow's ---- */

static void test_half_plus_two(void **state)
{
    const char *folder = golden(state, "models/half_plus_two/saved_model/1");
    tn_metagraph *m;
    tn_error err;
    assert_ok(tn_savedmodel_load(folder, NULL, 0, &m, &err), &err);
    assert_int_equal(m->n_signatures, 5);
    assert_string_equal(m->init_op, "main_op");
    assert_int_equal(m->n_tags, 1);
    assert_string_equal(m->tags[0], "serve");
    const tn_signature *s = tn_metagraph_signature(m, "serving_default");
    assert_string_equal(s->method, TN_PREDICT_METHOD);
    assert_string_equal(s->in[0].key, "x");
    assert_null(tn_metagraph_signature(m, "nothing"));
    tn_metagraph_free(m);
    static const char *const wrong[] = {"serve", "gpu"};
    assert_code(tn_savedmodel_load(folder, wrong, 2, &m, &err), TN_NOT_FOUND);
    assert_says(&err, "there is: { serve }");
    assert_code(tn_savedmodel_load(in(state, "none"), NULL, 0, &m, &err), TN_NOT_FOUND);
}

/* Operations with a note of their shapes, arguments of functions apart. */
static int noted_shapes(const tn_graph *g)
{
    int n = 0;
    for (int i = 0; i < tn_graph_count(g); i++) {
        const tn_operation *op = tn_graph_at(g, i);
        n += strcmp(op->type, "_Arg") != 0 && tn_attr_find(&op->attrs, "_output_shapes");
    }
    for (int i = 0; tn_graph_library(g) == g && i < tn_graph_function_count(g); i++)
        n += noted_shapes(tn_graph_function_at(g, i)->body);
    return n;
}

/* For who only asks: the same signatures and answers, and none of what only saving needs. */
static void test_to_ask(void **state)
{
    const char *folder = golden(state, "models/half_plus_two/saved_model/1");
    tn_metagraph *whole, *m;
    tn_error err;
    assert_ok(tn_savedmodel_load(folder, NULL, 0, &whole, &err), &err);
    assert_ok(tn_savedmodel_load_to_ask(folder, NULL, 0, &m, &err), &err);
    assert_null(m->def->graph_def);
    assert_null(m->def->object_graph_def);
    assert_null(m->file.data);
    assert_true(whole->def->meta_info_def->stripped_op_list != NULL);
    assert_null(m->def->meta_info_def->stripped_op_list);
    assert_int_equal(m->def->signature_def.n, whole->def->signature_def.n);
    assert_int_equal(m->n_signatures, whole->n_signatures);
    for (int i = 0; i < m->n_signatures; i++) {
        assert_string_equal(m->signatures[i].name, whole->signatures[i].name);
        assert_string_equal(m->signatures[i].in[0].name, whole->signatures[i].in[0].name);
    }
    assert_string_equal(m->init_op, whole->init_op);
    assert_string_equal(m->restore_op, whole->restore_op);
    assert_int_equal(m->n_assets, whole->n_assets);
    assert_string_equal(m->tags[0], "serve");
    assert_int_equal(tn_graph_count(m->graph), tn_graph_count(whole->graph));
    assert_true(noted_shapes(whole->graph) > 0);
    assert_int_equal(noted_shapes(m->graph), 0);
    tn_metagraph_free(whole);
    tn_metagraph_free(m);
    assert_code(tn_savedmodel_load_to_ask(in(state, "none"), NULL, 0, &m, &err), TN_NOT_FOUND);
}

static void test_predictor(void **state)
{
    tn_predictor *p;
    tn_error err;
    const tn_tensor *out;
    const char *base = golden(state, "models/half_plus_two/saved_model");
    assert_ok(tn_predictor_open(base, NULL, NULL, &p, &err), &err); /* the newest version */
    assert_int_equal(tn_predictor_inputs(p) * 10 + tn_predictor_outputs(p), 11);
    assert_string_equal(tn_predictor_output(p, 0)->name, "y");
    assert_null(tn_predictor_input(p, 1));
    tn_tensor *x = floats(&TN_SHAPE(3, 1), (float[]){1, 2, 5}), *bad = floats(&TN_SHAPE(3, 2), (float[6]){0});
    assert_ok(tn_predictor_run(p, (const tn_tensor *[]){x}, &out, &err), &err);
    assert_true(TN_FLOATS(out)[0] == 2.5f && TN_FLOATS(out)[2] == 4.5f);
    assert_code(tn_predictor_run(p, (const tn_tensor *[]){bad}, &out, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "'x'");
    tn_predictor_close(p);
    assert_code(tn_predictor_open(base, "nothing", NULL, &p, &err), TN_NOT_FOUND);
    assert_says(&err, "'regress_x_to_y'");
    assert_code(tn_predictor_open(in(state, ""), NULL, NULL, &p, &err), TN_NOT_FOUND);
    tn_tensor_unref(x);
    tn_tensor_unref(bad);
}

/* ---- ours ---- */

static void check_answers(const char *folder, float want)
{
    tn_metagraph *m;
    tn_session *s;
    tn_error err;
    assert_ok(tn_savedmodel_load(folder, NULL, 0, &m, &err), &err);
    assert_int_equal(m->n_signatures, 2);
    assert_string_equal(m->signatures[1].method, TN_PREDICT_METHOD);
    assert_ok(tn_session_new(m->graph, NULL, &s, &err), &err);
    assert_ok(tn_savedmodel_restore(folder, m, s, &err), &err);
    assert_true(small_graph_run(s) == want);
    assert_true(variable(s, "global_step") == 7);
    tn_session_free(s);
    tn_metagraph_free(m);
}

static void test_versions(void **state)
{
    small_graph g = small_graph_new(1);
    tn_export e = exported(&g);
    tn_error err;
    bool kept = false;
    int64_t version;
    const char *base = in(state, "models");
    assert_ok(tn_savedmodel_save(base, 20, &e, g.session, NULL, &err), &err);
    check_answers(in(state, "models/20"), 4.5f);
    assert_code(tn_savedmodel_save(base, 20, &e, g.session, NULL, &err), TN_ALREADY_EXISTS);
    assert_ok(tn_savedmodel_save(base, 20, &e, g.session, &kept, &err), &err);
    assert_true(kept);
    set_variable(g.session, "layer/w", 2);
    assert_code(tn_savedmodel_save(base, 20, &e, g.session, &kept, &err), TN_ALREADY_EXISTS);
    assert_says(&err, "different");
    check_answers(in(state, "models/20"), 4.5f);
    assert_ok(tn_savedmodel_save(base, 3, &e, g.session, &kept, &err), &err);
    assert_false(kept);
    check_answers(in(state, "models/3"), 4.5f);
    assert_ok(tn_savedmodel_latest(base, &version, &err), &err);
    assert_int_equal(version, 20);
    assert_ok(tn_savedmodel_save(in(state, "plain/"), -1, &e, g.session, NULL, &err), &err);
    check_answers(in(state, "plain"), 4.5f);
    char **names;
    size_t n;
    assert_ok(tn_list_folder(base, arena_of(state), &names, &n, &err), &err);
    assert_int_equal(n, 2); /* nothing half-written is left */
    small_graph_free(&g);
}

static void test_some_variables(void **state)
{
    small_graph g = small_graph_new(1);
    tn_export e = exported(&g);
    static const char *const some[] = {"layer/w", "layer/b"}, *const absent[] = {"layer/ww"};
    tn_error err;
    tn_bundle *b;
    e.variables = some;
    e.n_variables = 2;
    assert_ok(tn_savedmodel_save(in(state, "m"), 1, &e, g.session, NULL, &err), &err);
    assert_ok(tn_bundle_open(in(state, "m/1/variables/variables"), &b, &err), &err);
    assert_int_equal(tn_bundle_count(b), 2);
    tn_bundle_close(b);
    tn_predictor *p;
    assert_ok(tn_predictor_open(in(state, "m"), "serving_default", NULL, &p, &err),
              &err); /* the step has no value */
    tn_predictor_close(p);
    e.variables = absent;
    e.n_variables = 1;
    assert_code(tn_savedmodel_save(in(state, "m"), 2, &e, g.session, NULL, &err), TN_NOT_FOUND);
    assert_false(tn_file_exists(in(state, "m/2")));
    small_graph_free(&g);
}

static void test_meta(void **state)
{
    small_graph g = small_graph_new(1);
    tn_metagraph *m, *again;
    tn_error err;
    tn_export e = exported(&g);
    e.init_op = "init";
    assert_ok(tn_metagraph_save(&e, in(state, "m.meta"), &err), &err);
    assert_ok(tn_metagraph_load(in(state, "m.meta"), &m, &err), &err);
    assert_string_equal(m->restore_op, "save/restore_all");
    assert_string_equal(m->init_op, "init");
    assert_int_equal(tn_graph_variable_count(m->graph), 4);
    const tn_variable_info *w = tn_graph_variable(m->graph, "layer/w"),
                           *local = tn_graph_variable(m->graph, "local");
    assert_true(w->trainable && w->is_resource && !w->local && local->local && !local->trainable);
    assert_string_equal(w->initializer_name, "layer/w/Assign");
    assert_int_equal(tn_collection_count(m->graph, TN_TRAINABLE_VARIABLES), 2);
    assert_string_equal(tn_collection_at(m->graph, "losses", 0), "y:0");
    assert_non_null(tn_graph_operation(m->graph, "save/control_dependency"));
    assert_null(tn_graph_operation(g.graph, "save/restore_all")); /* the graph itself is as it was */
    tn_export kept = {.graph = m->graph, .base = m->def}, more = {.graph = m->graph};
    assert_ok(tn_metagraph_save(&kept, in(state, "kept.meta"), &err), &err);
    assert_ok(tn_metagraph_load(in(state, "kept.meta"), &again, &err), &err);
    assert_int_equal(tn_graph_count(again->graph), tn_graph_count(m->graph)); /* its Saver is kept */
    assert_string_equal(again->restore_op, "save/restore_all");
    tn_metagraph_free(again);
    assert_ok(tn_metagraph_save(&more, in(state, "more.meta"), &err), &err);
    assert_ok(tn_metagraph_load(in(state, "more.meta"), &again, &err), &err);
    assert_string_equal(again->restore_op, "save_1/restore_all"); /* one more beside it */
    tn_metagraph_free(again);
    tn_metagraph_free(m);
    small_graph_free(&g);
}

static void test_wrong_signature(void **state)
{
    small_graph g = small_graph_new(1);
    tn_tensor_info wrong = {.key = "k", .name = "yy:0", .dtype = TN_FLOAT};
    tn_signature s = {.name = "sig", .out = &wrong, .n_out = 1};
    tn_error err;
    tn_export e = {.graph = g.graph, .signatures = &s, .n_signatures = 1};
    assert_code(tn_savedmodel_save(in(state, "m"), 1, &e, g.session, NULL, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "signature 'sig': 'k'");
    assert_false(tn_file_exists(in(state, "m/1")));
    e = (tn_export){.graph = g.graph, .init_op = "nothing"};
    assert_code(tn_metagraph_save(&e, in(state, "m.meta"), &err), TN_INVALID_ARGUMENT);
    small_graph_free(&g);
}

static void test_assets(void **state)
{
    tn_graph *g = tn_graph_new();
    tn_builder *b = tn_builder_new(g);
    tn_error err;
    tn_tensor *name = strings(&TN_SHAPE(), (const char *const[]){"words.txt"});
    tn_constant(b, "path", name);
    tn_asset asset = {"path:0", "words.txt"};
    const char *source = in(state, "words");
    write_file(source, TN_VIEW("a\nb\n"));
    tn_session *s;
    assert_ok(tn_session_new(g, NULL, &s, &err), &err);
    tn_export e = {.graph = g, .assets = &asset, .asset_sources = &source, .n_assets = 1};
    assert_ok(tn_savedmodel_save(in(state, "m"), 1, &e, s, NULL, &err), &err);
    same_files(state, source, in(state, "m/1/assets/words.txt"));
    tn_metagraph *m;
    assert_ok(tn_savedmodel_load(in(state, "m/1"), NULL, 0, &m, &err), &err);
    assert_int_equal(m->n_assets, 1);
    assert_string_equal(m->assets[0].tensor, "path:0");
    assert_null(m->restore_op); /* without variables there is nothing to restore */
    asset.filename = "../words";
    assert_code(tn_savedmodel_save(in(state, "m"), 2, &e, s, NULL, &err), TN_INVALID_ARGUMENT);
    tn_metagraph_free(m);
    tn_session_free(s);
    tn_builder_free(b);
    tn_graph_free(g);
    tn_tensor_unref(name);
}

/* ---- failures ---- */

static void test_full_disk(void **state)
{
    small_graph g = small_graph_new(1);
    tn_export e = exported(&g);
    tn_error err;
    char **names;
    size_t n;
    for (int k = 1;; k++) {
        assert_in_range(k, 1, 80);
        tn_file_fail_at(k, ENOSPC);
        tn_code code = tn_savedmodel_save(in(state, "m"), 1, &e, g.session, NULL, &err);
        tn_file_fail_at(0, 0);
        if (code == TN_OK) break;
        if (tn_file_exists(in(state, "m/1"))) { /* only its folder was not synced */
            check_answers(in(state, "m/1"), 4.5f);
            assert_ok(tn_remove_tree(in(state, "m"), &err), &err);
        } else if (tn_is_folder(in(state, "m"))) {
            assert_ok(tn_list_folder(in(state, "m"), arena_of(state), &names, &n, &err), &err);
            assert_int_equal(n, 0);
        }
    }
    check_answers(in(state, "m/1"), 4.5f);
    small_graph_free(&g);
}

static void test_damaged_model(void **state)
{
    tn_view whole = content(state, golden(state, "models/half_plus_two/saved_model/1/saved_model.pb"));
    tn_metagraph *m;
    tn_error err;
    assert_ok(tn_make_folders(in(state, "d"), &err), &err);
    for (size_t n = 0; n < whole.n; n += 397) {
        write_file(in(state, "d/saved_model.pb"), (tn_view){whole.p, n});
        tn_code code = tn_savedmodel_load(in(state, "d"), NULL, 0, &m, &err);
        if (code == TN_OK)
            tn_metagraph_free(m);
        else
            assert_says(&err, in(state, "d"));
        if (tn_savedmodel_load_to_ask(in(state, "d"), NULL, 0, &m, &err) == TN_OK)
            tn_metagraph_free(m);
        else
            assert_says(&err, in(state, "d"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_half_plus_two),  TEST(test_predictor), TEST(test_versions),
        TEST(test_some_variables), TEST(test_meta),      TEST(test_wrong_signature),
        TEST(test_assets),         TEST(test_full_disk), TEST(test_damaged_model),
        TEST(test_to_ask),
    };
    return cmocka_run_group_tests_name("savedmodel", tests, NULL, NULL);
}
