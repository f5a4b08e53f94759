/* SPDX-License-Identifier: Apache-2.0
 *
 * test_saver.c - checkpoints of a session: names and numbers, the state file, keeping the last few, finding
 * the newest again, and what a failure leaves.
 */
#include <errno.h>

#include "small_graph.h"

/* ---- the state file ---- */

static void test_state_text(void **state)
{
    tn_checkpoint_state s;
    tn_error err;
    tn_view text = TN_VIEW("model_checkpoint_path: \"m-20\"\nall_model_checkpoint_paths: \"/abs/m-10\"\n"
                           "all_model_checkpoint_paths: \"m-20\"\n");
    assert_ok(tn_checkpoint_state_parse(text, "/runs/a", arena_of(state), &s, &err), &err);
    assert_string_equal(s.latest, "/runs/a/m-20");
    assert_int_equal(s.n, 2);
    assert_string_equal(s.all[0], "/abs/m-10");
    assert_null(s.timestamps);
    assert_code(tn_checkpoint_state_parse(TN_VIEW("x y z"), "/", arena_of(state), &s, &err),
                TN_INVALID_ARGUMENT);
    assert_code(tn_checkpoint_state_parse(TN_VIEW(""), "/", arena_of(state), &s, &err), TN_DATA_LOSS);
    write_file(in(state, "checkpoint"), TN_VIEW("model_checkpoint_path: 5"));
    assert_code(tn_checkpoint_state_read(in(state, ""), arena_of(state), &s, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "checkpoint");
}

static void test_state_is_relative(void **state)
{
    tn_error err;
    const char *all[] = {in(state, "m-1"), "/elsewhere/m-2"};
    double times[] = {1.5, 2.25};
    tn_checkpoint_state s = {.latest = all[1], .all = all, .timestamps = times, .n = 2, .last_preserved = 1},
                        got;
    place *p = *state;
    assert_ok(tn_checkpoint_state_write(p->folder, &s, &err), &err);
    tn_view text = content(state, in(state, "checkpoint"));
    assert_non_null(strstr(text.p, "all_model_checkpoint_paths: \"m-1\""));
    assert_non_null(strstr(text.p, "model_checkpoint_path: \"/elsewhere/m-2\""));
    assert_ok(tn_checkpoint_state_read(p->folder, arena_of(state), &got, &err), &err);
    assert_string_equal(got.all[0], all[0]);
    assert_true(got.timestamps[1] == 2.25);
}

static void test_steps(void **state)
{
    (void)state;
    assert_int_equal(tn_checkpoint_step("/a/m-120"), 120);
    assert_int_equal(tn_checkpoint_step("/a-3/m"), -1);
    assert_int_equal(tn_checkpoint_step("m-"), -1);
    assert_int_equal(tn_checkpoint_step("m-1x"), -1);
    assert_int_equal(tn_checkpoint_step("m-99999999999999999999999"), -1);
}

/* ---- saving ---- */

static tn_saver *saver(void **state, int keep)
{
    tn_saver *s;
    tn_error err;
    assert_ok(tn_saver_new(in(state, "run/m"), &(tn_saver_options){.max_to_keep = keep}, &s, &err), &err);
    return s;
}

static void save(tn_saver *s, const small_graph *g, int64_t step)
{
    tn_error err;
    assert_ok(small_graph_save(g, s, step, &err), &err);
}

static const char *latest(void **state, int before)
{
    const char *path;
    tn_error err;
    assert_ok(tn_latest_checkpoint(in(state, "run"), before, arena_of(state), &path, &err), &err);
    return path;
}

static void test_keeps_the_last(void **state)
{
    small_graph g = small_graph_new(1);
    tn_saver *s = saver(state, 2);
    tn_error err;
    const char *path;
    for (int step = 10; step <= 30; step += 10) save(s, &g, step);
    assert_false(tn_file_exists(in(state, "run/m-10.index")));
    assert_false(tn_file_exists(in(state, "run/m-10.meta")));
    assert_false(tn_file_exists(in(state, "run/m-10.data-00000-of-00001")));
    assert_true(tn_file_exists(in(state, "run/m-20.meta")));
    assert_string_equal(latest(state, 0), in(state, "run/m-30"));
    assert_string_equal(latest(state, 1), in(state, "run/m-20"));
    assert_code(tn_latest_checkpoint(in(state, "run"), 2, arena_of(state), &path, &err), TN_NOT_FOUND);
    tn_saver_free(s);

    s = saver(state, 2); /* another process goes on */
    save(s, &g, 40);
    assert_false(tn_checkpoint_exists(in(state, "run/m-20")));
    assert_true(tn_checkpoint_exists(in(state, "run/m-30")));
    tn_saver_free(s);
    assert_ok(tn_checkpoint_remove(in(state, "run/m-40"), &err), &err); /* somebody removed the newest */
    assert_string_equal(latest(state, 0), in(state, "run/m-30"));
    small_graph_free(&g);
}

static void test_without_step(void **state)
{
    small_graph g = small_graph_new(1);
    tn_saver *s = saver(state, 5);
    save(s, &g, -1);
    set_variable(g.session, "layer/w", 9);
    save(s, &g, -1);
    tn_checkpoint_state got;
    tn_error err;
    assert_ok(tn_checkpoint_state_read(in(state, "run"), arena_of(state), &got, &err), &err);
    assert_int_equal(got.n, 1);
    assert_string_equal(got.latest, in(state, "run/m"));
    set_variable(g.session, "layer/w", 0);
    assert_ok(tn_checkpoint_restore(latest(state, 0), g.graph, NULL, g.session, NULL, &err), &err);
    assert_true(variable(g.session, "layer/w") == 9);
    tn_saver_free(s);
    small_graph_free(&g);
}

static void test_keeps_one_in_hours(void **state)
{
    small_graph g = small_graph_new(1);
    tn_saver *s;
    tn_error err;
    const char *all[] = {in(state, "run/m-1"), in(state, "run/m-2")};
    double times[] = {10000, 10001};
    save(s = saver(state, 0), &g, 1);
    save(s, &g, 2);
    tn_saver_free(s);
    tn_checkpoint_state old = {
        .latest = all[1], .all = all, .timestamps = times, .n = 2, .last_preserved = 5000};
    assert_ok(tn_checkpoint_state_write(in(state, "run"), &old, &err), &err);
    assert_ok(tn_saver_new(in(state, "run/m"), &(tn_saver_options){.max_to_keep = 1, .keep_every_hours = 1},
                           &s, &err),
              &err);
    save(s, &g, 3);
    assert_true(tn_checkpoint_exists(all[0])); /* more than an hour after the last that was kept */
    assert_false(tn_checkpoint_exists(all[1]));
    tn_saver_free(s);
    small_graph_free(&g);
}

static void test_own_tensors_beside(void **state)
{
    small_graph g = small_graph_new(1);
    tn_saver *s = saver(state, 1);
    tn_bundle_writer *w;
    tn_error err;
    const char *path;
    tn_tensor *t = floats(&TN_SHAPE(1), (float[]){42});
    assert_ok(tn_saver_begin(s, 5, &w, &path, &err), &err);
    assert_ok(tn_checkpoint_add(w, &(tn_export){.graph = g.graph}, g.session, &err), &err);
    assert_ok(tn_bundle_add(w, "of/the/run", t, &err), &err);
    assert_ok(tn_saver_finish(s, w, NULL, &err), &err);
    assert_string_equal(path, in(state, "run/m-5"));
    tn_bundle *b;
    assert_ok(tn_bundle_open(path, &b, &err), &err);
    assert_int_equal(tn_bundle_count(b), 4); /* without the local variable */
    assert_non_null(tn_bundle_find(b, "of/the/run"));
    assert_null(tn_bundle_find(b, "local"));
    tn_bundle_close(b);
    tn_tensor_unref(t);
    tn_saver_free(s);
    small_graph_free(&g);
}

/* ---- restoring ---- */

static void test_restore_finds_faults(void **state)
{
    small_graph g = small_graph_new(1);
    tn_bundle_writer *w;
    tn_error err;
    int missing = 0;
    tn_tensor *t = floats(&TN_SHAPE(3), (float[]){1, 2, 3});
    assert_ok(tn_bundle_writer_open(in(state, "m"), &w, &err), &err);
    assert_ok(tn_bundle_add(w, "layer/w", t, &err), &err);
    assert_ok(tn_bundle_commit(w, &err), &err);
    assert_code(tn_checkpoint_restore(in(state, "m"), g.graph, NULL, g.session, NULL, &err),
                TN_INVALID_ARGUMENT);
    assert_says(&err, "[2,2]");
    tn_tensor_unref(t);
    t = floats(&TN_SHAPE(2, 2), (float[]){8, 8, 8, 8});
    assert_ok(tn_bundle_writer_open(in(state, "m"), &w, &err), &err);
    assert_ok(tn_bundle_add(w, "layer/w", t, &err), &err);
    assert_ok(tn_bundle_commit(w, &err), &err);
    assert_code(tn_checkpoint_restore(in(state, "m"), g.graph, NULL, g.session, NULL, &err), TN_NOT_FOUND);
    assert_ok(tn_checkpoint_restore(in(state, "m"), g.graph, NULL, g.session, &missing, &err), &err);
    assert_int_equal(missing, 2);
    assert_true(variable(g.session, "layer/w") == 8);
    assert_code(tn_checkpoint_restore(in(state, "absent"), g.graph, NULL, g.session, &missing, &err),
                TN_NOT_FOUND);
    tn_tensor_unref(t);
    small_graph_free(&g);
}

static void test_uninitialised_is_not_saved(void **state)
{
    tn_graph *g = tn_graph_new();
    tn_builder *b = tn_builder_new(g);
    tn_session *s;
    tn_error err;
    tn_variable(b, "v", tn_scalar(b, TN_FLOAT, 1), 0);
    assert_ok(tn_session_new(g, NULL, &s, &err), &err);
    assert_code(tn_checkpoint_save(in(state, "m"), &(tn_export){.graph = g}, s, &err),
                TN_FAILED_PRECONDITION);
    assert_says(&err, "v");
    assert_false(tn_checkpoint_exists(in(state, "m")));
    tn_session_free(s);
    tn_builder_free(b);
    tn_graph_free(g);
}

/* TensorFlow's own graph: keys are those of its restoring part. */
static void test_tensorflows_meta(void **state)
{
    tn_metagraph *m;
    tn_session *s;
    tn_error err;
    const char *folder = golden(state, "models/train_mlp_adagrad/saver");
    const char *prefix = tn_path_join(arena_of(state), folder, "model.ckpt");
    assert_ok(tn_metagraph_load(golden(state, "models/train_mlp_adagrad/saver/model.ckpt.meta"), &m, &err),
              &err);
    assert_string_equal(m->restore_op, "save/restore_all");
    tn_saved_variable *v;
    int n;
    bool has_restore;
    assert_ok(tn_variables_of(m->graph, m->restore_op, arena_of(state), &v, &n, &has_restore, &err), &err);
    assert_true(has_restore);
    assert_int_equal(n, 13);
    for (int i = 0; i < n; i++) assert_true(v[i].restored);
    assert_code(tn_variables_of(m->graph, "nothing", arena_of(state), &v, &n, NULL, &err),
                TN_INVALID_ARGUMENT);
    assert_ok(tn_session_new(m->graph, NULL, &s, &err), &err);
    assert_ok(tn_checkpoint_restore(prefix, m->graph, m->restore_op, s, NULL, &err), &err);
    assert_ok(
        tn_checkpoint_save(in(state, "again"), &(tn_export){.graph = m->graph, .base = m->def}, s, &err),
        &err);
    same_files(state, tn_arena_printf(arena_of(state), "%s.index", prefix), in(state, "again.index"));
    same_files(state, tn_arena_printf(arena_of(state), "%s.data-00000-of-00001", prefix),
               in(state, "again.data-00000-of-00001"));
    tn_session_free(s);
    tn_metagraph_free(m);
}

static tn_node text(tn_builder *b, const char *s)
{
    tn_tensor *t;
    tn_error err;
    assert_ok(tn_tensor_new(TN_STRING, &TN_SHAPE(1), &t, &err), &err);
    assert_ok(tn_string_set(t, 0, s, strlen(s), &err), &err);
    tn_node n = tn_constant(b, NULL, t);
    tn_tensor_unref(t);
    return n;
}

static tn_node handle(tn_builder *b, const char *name)
{
    tn_attr attrs[] = {tn_attr_type("dtype", TN_FLOAT), tn_attr_shape("shape", tn_shape_unknown()),
                       tn_attr_str("shared_name", name)};
    return tn_output_of(tn_add_operation(b, "VarHandleOp", name, NULL, 0, attrs, 3), 0);
}

/* Two nodes for one variable: functions use one, the other one, which begins as its copy, is saved and restored. */
static void test_twins(void **state)
{
    tn_graph *g = tn_graph_new();
    tn_builder *b = tn_builder_new(g);
    tn_error err;
    tn_session *s, *again;
    tn_node used = handle(b, "used"), saved = handle(b, "another");
    tn_attr type = tn_attr_type("dtype", TN_FLOAT);
    tn_dtype types = TN_FLOAT;
    tn_node copy = tn_op(b, "ReadVariableOp", TN_INPUTS(used), &type, 1);
    tn_add_operation(b, "AssignVariableOp", "begin", TN_INPUTS(saved, copy), TN_NO_ATTRS);
    tn_node value = tn_op(b, "RestoreV2", TN_INPUTS(text(b, ""), text(b, "w"), text(b, "")),
                          TN_ATTRS(tn_attr_types("dtypes", &types, 1)));
    tn_add_operation(b, "AssignVariableOp", "restore", TN_INPUTS(saved, value), TN_NO_ATTRS);
    assert_ok(tn_builder_check(b, &err), &err);
    assert_ok(tn_session_new(g, NULL, &s, &err), &err);
    set_variable(s, "used", 3);
    set_variable(s, "another", 1);
    assert_ok(tn_checkpoint_save(in(state, "twins"), &(tn_export){.graph = g}, s, &err), &err);
    assert_ok(tn_session_new(g, NULL, &again, &err), &err);
    assert_ok(tn_checkpoint_restore(in(state, "twins"), g, NULL, again, NULL, &err), &err);
    assert_float_equal(variable(again, "used"), 3, 0);
    assert_float_equal(variable(again, "another"), 3, 0);
    tn_session_free(s);
    tn_session_free(again);
    tn_builder_free(b);
    tn_graph_free(g);
}

/* A variable that may have any shape still may after it was restored with one. */
static void test_any_shape(void **state)
{
    tn_graph *g = tn_graph_new();
    tn_builder *b = tn_builder_new(g);
    tn_error err;
    tn_session *s;
    tn_tensor *three, *four, *y;
    const char *assign = "assign", *fetch = "y:0";
    tn_node v = handle(b, "v"), x = tn_placeholder(b, "x", TN_FLOAT, TN_SHAPE(-1));
    tn_attr type = tn_attr_type("dtype", TN_FLOAT);
    tn_add_operation(b, "AssignVariableOp", assign, TN_INPUTS(v, x), TN_NO_ATTRS);
    tn_op_named(b, "ReadVariableOp", "y", TN_INPUTS(v), &type, 1);
    assert_ok(tn_builder_check(b, &err), &err);
    assert_ok(tn_tensor_of(TN_FLOAT, &TN_SHAPE(3), (float[]){1, 2, 3}, &three, &err), &err);
    assert_ok(tn_tensor_of(TN_FLOAT, &TN_SHAPE(4), (float[]){5, 6, 7, 8}, &four, &err), &err);
    assert_ok(tn_session_new(g, NULL, &s, &err), &err);
    assert_ok(tn_session_run(s, &(tn_feed){"x", three}, 1, NULL, 0, NULL, &assign, 1, &err), &err);
    assert_ok(tn_checkpoint_save(in(state, "any"), &(tn_export){.graph = g}, s, &err), &err);
    tn_session_free(s);
    assert_ok(tn_session_new(g, NULL, &s, &err), &err);
    assert_ok(tn_checkpoint_restore(in(state, "any"), g, NULL, s, NULL, &err), &err);
    assert_ok(tn_session_run(s, &(tn_feed){"x", four}, 1, NULL, 0, NULL, &assign, 1, &err), &err);
    assert_ok(tn_session_run(s, NULL, 0, &fetch, 1, &y, NULL, 0, &err), &err);
    assert_int_equal(y->shape.dim[0], 4);
    assert_float_equal(((const float *)y->data)[3], 8, 0);
    tn_tensor_unref(y);
    tn_tensor_unref(three);
    tn_tensor_unref(four);
    tn_session_free(s);
    tn_builder_free(b);
    tn_graph_free(g);
}

/* ---- failures ---- */

static void test_full_disk(void **state)
{
    small_graph g = small_graph_new(1);
    tn_saver *s = saver(state, 1);
    tn_error err;
    save(s, &g, 1);
    set_variable(g.session, "layer/w", 5);
    bool done = false;
    for (int n = 1; !done; n++) {
        assert_in_range(n, 1, 60);
        tn_file_fail_at(n, ENOSPC);
        done = small_graph_save(&g, s, 1 + n, &err) == TN_OK;
        tn_file_fail_at(0, 0);
        assert_ok(tn_checkpoint_restore(latest(state, 0), g.graph, NULL, g.session, NULL, &err), &err);
        double v = variable(g.session, "layer/w");
        assert_true(v == 5 || (v == 1 && !done));
        set_variable(g.session, "layer/w", 5);
    }
    tn_saver_free(s);
    small_graph_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_state_text),
        TEST(test_state_is_relative),
        TEST(test_steps),
        TEST(test_keeps_the_last),
        TEST(test_without_step),
        TEST(test_keeps_one_in_hours),
        TEST(test_own_tensors_beside),
        TEST(test_restore_finds_faults),
        TEST(test_uninitialised_is_not_saved),
        TEST(test_tensorflows_meta),
        TEST(test_twins),
        TEST(test_any_shape),
        TEST(test_full_disk),
    };
    return cmocka_run_group_tests_name("saver", tests, NULL, NULL);
}
