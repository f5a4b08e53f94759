/* SPDX-License-Identifier: Apache-2.0
 *
 * test_loaded.c - models that were opened and changed, saved again: as the Saver does, or as the objects they came
 * from; and what is left when that fails.
 */
#include <errno.h>

#include "plan/session.h"
#include "small_graph.h"

#define VALUE "/.ATTRIBUTES/VARIABLE_VALUE"

static void save_small(void **state, const char *name, float w0)
{
    tn_error err;
    tn_saver *saver;
    small_graph g = small_graph_new(w0);
    assert_ok(tn_saver_new(in(state, name), NULL, &saver, &err), &err);
    assert_ok(small_graph_save(&g, saver, -1, &err), &err);
    tn_saver_free(saver);
    small_graph_free(&g);
}

static tn_loaded *loaded(void **state, const char *meta, const char *checkpoint)
{
    tn_loaded *m;
    tn_error err;
    assert_ok(tn_load_meta_graph(in(state, meta), in(state, checkpoint), NULL, &m, &err), &err);
    return m;
}

/* ---- a MetaGraph ---- */

static void test_full_set(void **state)
{
    tn_error err;
    tn_checkpoint_state files;
    save_small(state, "m", 3);
    tn_loaded *m = loaded(state, "m.meta", "m");
    set_variable(tn_loaded_session(m), "layer/w", 8);
    assert_ok(tn_loaded_save(m, in(state, "deep/m2"), &err), &err);
    tn_loaded_free(m);
    assert_ok(tn_checkpoint_state_read(in(state, "deep"), arena_of(state), &files, &err), &err);
    assert_string_equal(files.latest, in(state, "deep/m2"));
    m = loaded(state, "deep/m2.meta", "deep/m2");
    assert_true(small_graph_run(tn_loaded_session(m)) == 16.5f);
    assert_true(variable(tn_loaded_session(m), "global_step") == 7);
    int savers = 0;
    for (int i = 0; i < tn_graph_count(tn_loaded_graph(m)); i++)
        savers += !strcmp(tn_graph_at(tn_loaded_graph(m), i)->type, "SaveV2");
    assert_int_equal(savers, 1); /* the one it came with */
    tn_loaded_free(m);
}

static void test_without_values(void **state)
{
    tn_error err;
    tn_loaded *m;
    save_small(state, "m", 3);
    assert_ok(tn_load_meta_graph(in(state, "m.meta"), NULL, NULL, &m, &err), &err);
    assert_code(tn_loaded_save(m, in(state, "m2"), &err), TN_FAILED_PRECONDITION);
    assert_says(&err, "has no value to be saved");
    assert_false(tn_checkpoint_exists(in(state, "m2")));
    assert_code(tn_loaded_save(m, in(state, ""), &err), TN_INVALID_ARGUMENT);
    tn_loaded_free(m);
}

/* ---- objects ---- */

static void add_object(tn_arena *a, tn_TrackableObjectGraph *g, const char *name, const char *key)
{
    tn_TrackableObject *o = TN_PUSH(a, &g->nodes);
    assert_non_null(o);
    tn_SerializedTensor *t = TN_PUSH(a, &o->attributes);
    assert_non_null(t);
    t->name = TN_VIEW("VARIABLE_VALUE");
    t->full_name = tn_view_of(name);
    t->checkpoint_key = tn_view_of(key);
}

static void add_to(tn_bundle_writer *w, const char *key, tn_tensor *t)
{
    tn_error err;
    assert_ok(tn_bundle_add(w, key, t, &err), &err);
    tn_tensor_unref(t);
}

/* The variables of small_graph.h as TensorFlow 2 keeps them, and one that the graph does not have. */
static void save_objects(void **state, const char *name)
{
    tn_error err;
    tn_bundle_writer *w;
    tn_TrackableObjectGraph g = {.nodes = {0}};
    tn_buf bytes = {0};
    tn_tensor *text, *step;
    add_object(arena_of(state), &g, "layer/w", "net/w" VALUE);
    add_object(arena_of(state), &g, "layer/b", "net/b" VALUE);
    add_object(arena_of(state), &g, "global_step", "step" VALUE);
    add_object(arena_of(state), &g, "other", "other" VALUE);
    assert_ok(TN_ENCODE(TrackableObjectGraph, &g, &bytes, &err), &err);
    assert_ok(tn_tensor_new(TN_STRING, &TN_SHAPE(), &text, &err), &err);
    assert_ok(tn_string_set(text, 0, bytes.data, bytes.n, &err), &err);
    assert_ok(tn_tensor_of(TN_INT64, &TN_SHAPE(), (int64_t[]){40}, &step, &err), &err);
    assert_ok(tn_bundle_writer_open(in(state, name), &w, &err), &err);
    add_to(w, "_CHECKPOINTABLE_OBJECT_GRAPH", text);
    add_to(w, "net/b" VALUE, floats(&TN_SHAPE(), (float[]){2}));
    add_to(w, "net/w" VALUE, floats(&TN_SHAPE(2, 2), (float[]){1, 1, 1, 1}));
    add_to(w, "other" VALUE, floats(&TN_SHAPE(1), (float[]){77}));
    add_to(w, "step" VALUE, step);
    assert_ok(tn_bundle_commit(w, &err), &err);
    tn_buf_free(&bytes);
}

static void test_objects(void **state)
{
    tn_error err;
    tn_bundle *b;
    tn_tensor *t;
    save_small(state, "m", 3);
    save_objects(state, "objects");
    tn_loaded *m = loaded(state, "m.meta", "objects");
    assert_true(small_graph_run(tn_loaded_session(m)) == 4);
    set_variable(tn_loaded_session(m), "layer/w", 8);
    assert_ok(tn_loaded_save(m, in(state, "again"), &err), &err);
    tn_loaded_free(m);
    assert_ok(tn_bundle_open(in(state, "again"), &b, &err), &err);
    assert_int_equal(tn_bundle_count(b), 5);
    assert_non_null(tn_bundle_find(b, "_CHECKPOINTABLE_OBJECT_GRAPH"));
    assert_ok(tn_bundle_read(b, "net/w" VALUE, &t, &err), &err);
    assert_true(TN_FLOATS(t)[3] == 8);
    tn_tensor_unref(t);
    assert_ok(tn_bundle_read(b, "other" VALUE, &t, &err), &err);
    assert_true(TN_FLOATS(t)[0] == 77);
    tn_tensor_unref(t);
    tn_bundle_close(b);
    m = loaded(state, "m.meta", "again"); /* also over what it came from */
    set_variable(tn_loaded_session(m), "layer/w", 9);
    assert_ok(tn_loaded_save(m, in(state, "again"), &err), &err);
    tn_loaded_free(m);
    m = loaded(state, "again.meta", "again");
    assert_true(variable(tn_loaded_session(m), "layer/w") == 9);
    tn_loaded_free(m);
}

static void test_malformed_objects(void **state)
{
    tn_error err;
    tn_bundle_writer *w;
    tn_loaded *m;
    tn_tensor *text;
    save_small(state, "m", 3);
    assert_ok(tn_tensor_new(TN_STRING, &TN_SHAPE(), &text, &err), &err);
    assert_ok(tn_string_set(text, 0, "\xff\xff\xff", 3, &err), &err);
    assert_ok(tn_bundle_writer_open(in(state, "bad"), &w, &err), &err);
    add_to(w, "_CHECKPOINTABLE_OBJECT_GRAPH", text);
    assert_ok(tn_bundle_commit(w, &err), &err);
    tn_code code = tn_load_meta_graph(in(state, "m.meta"), in(state, "bad"), NULL, &m, &err);
    assert_true(code == TN_DATA_LOSS || code == TN_INVALID_ARGUMENT);
}

/* ---- tables ---- */

static tn_node strings_of(tn_builder *b, const char *name, const char *first, const char *second)
{
    tn_tensor *t;
    tn_error err;
    assert_ok(tn_tensor_new(TN_STRING, &TN_SHAPE(2), &t, &err), &err);
    assert_ok(tn_string_set(t, 0, first, strlen(first), &err), &err);
    assert_ok(tn_string_set(t, 1, second, strlen(second), &err), &err);
    tn_node n = tn_constant(b, name, t);
    tn_tensor_unref(t);
    return n;
}

/* A table that TensorFlow's Saver keeps, with the parts that it adds for it. */
static void save_table_graph(void **state)
{
    tn_error err;
    tn_graph *g = tn_graph_new();
    tn_builder *b = tn_builder_new(g);
    const tn_dtype types[] = {TN_STRING, TN_INT64};
    tn_node table = tn_op_named(b, "MutableHashTableV2", "t", TN_NO_INPUTS,
                                TN_ATTRS(tn_attr_type("key_dtype", TN_STRING), tn_attr_type("value_dtype", TN_INT64)));
    tn_op_named(b, "LookupTableFindV2", "y",
                TN_INPUTS(table, strings_of(b, "k", "a", "b"), tn_scalar(b, TN_INT64, -1)), TN_NO_ATTRS);
    tn_tensor *numbers;
    assert_ok(tn_tensor_of(TN_INT64, &TN_SHAPE(2), (int64_t[]){5, 6}, &numbers, &err), &err);
    tn_add_operation(b, "LookupTableInsertV2", "insert",
                     TN_INPUTS(table, strings_of(b, "new", "b", "c"), tn_constant(b, "numbers", numbers)), TN_NO_ATTRS);
    tn_add_operation(b, "LookupTableExportV2", "export", TN_INPUTS(table),
                     TN_ATTRS(tn_attr_type("Tkeys", TN_STRING), tn_attr_type("Tvalues", TN_INT64)));
    tn_operation *restore = tn_add_operation(
        b, "RestoreV2", "save/RestoreV2",
        TN_INPUTS(strings_of(b, "file", "f", ""), strings_of(b, "save/names", "t-keys", "t-values"),
                  strings_of(b, "save/slices", "", "")),
        TN_ATTRS(tn_attr_types("dtypes", types, 2)));
    tn_add_operation(b, "LookupTableImportV2", "save/import",
                     TN_INPUTS(table, tn_output_of(restore, 0), tn_output_of(restore, 1)), TN_NO_ATTRS);
    assert_ok(tn_builder_check(b, &err), &err);
    assert_ok(tn_metagraph_save(&(tn_export){.graph = g, .no_saver = true}, in(state, "t.meta"), &err), &err);
    tn_builder_free(b);
    tn_graph_free(g);
    tn_tensor_unref(numbers);
}

static int64_t looked_up(tn_loaded *m, int i)
{
    tn_tensor *y;
    tn_error err;
    const char *name = "y:0";
    assert_ok(tn_session_run(tn_loaded_session(m), NULL, 0, &name, 1, &y, NULL, 0, &err), &err);
    int64_t v = TN_INT64S(y)[i];
    tn_tensor_unref(y);
    return v;
}

static void test_tables(void **state)
{
    tn_error err;
    tn_loaded *m;
    tn_bundle *b;
    const char *insert = "insert";
    save_table_graph(state);
    assert_ok(tn_load_meta_graph(in(state, "t.meta"), NULL, NULL, &m, &err), &err);
    assert_ok(tn_session_run(tn_loaded_session(m), NULL, 0, NULL, 0, NULL, &insert, 1, &err), &err);
    assert_int_equal(looked_up(m, 0) * 100 + looked_up(m, 1), -100 + 5);
    assert_ok(tn_loaded_save(m, in(state, "t2"), &err), &err);
    tn_loaded_free(m);
    assert_ok(tn_bundle_open(in(state, "t2"), &b, &err), &err);
    assert_int_equal(tn_bundle_count(b), 2);
    tn_bundle_close(b);
    m = loaded(state, "t2.meta", "t2");
    assert_int_equal(looked_up(m, 1), 5);
    tn_loaded_free(m);
    save_small(state, "m", 3);
    assert_code(tn_load_meta_graph(in(state, "t.meta"), in(state, "m"), NULL, &m, &err), TN_NOT_FOUND);
    assert_says(&err, "table 't'");
}

/* As TensorFlow 2 keeps them: in its checkpoint of objects, restored by a function. Without memory nothing is half done. */
static void test_tables_of_functions(void **state)
{
    const char *folder = golden(state, "models/tables_in_checkpoint/saved_model/1"), *prefix;
    tn_code code = TN_RESOURCE_EXHAUSTED;
    tn_error err;
    tn_bundle *was, *is;
    for (int n = 1; code == TN_RESOURCE_EXHAUSTED; n += n < 300 ? 7 : 41) {
        tn_loaded *m = NULL;
        tn_malloc_fail_at(n);
        code = tn_load_saved_model(folder, NULL, 0, NULL, &m, &err);
        if (code == TN_OK) code = tn_loaded_save(m, in(state, "t"), &err);
        tn_malloc_fail_at(0);
        tn_loaded_free(m);
        if (code) assert_code(code, TN_RESOURCE_EXHAUSTED);
    }
    prefix = tn_arena_printf(arena_of(state), "%s/variables/variables", folder);
    assert_ok(tn_bundle_open(prefix, &was, &err), &err);
    assert_ok(tn_bundle_open(in(state, "t"), &is, &err), &err);
    assert_int_equal(tn_bundle_count(is), tn_bundle_count(was));
    for (int i = 0; i < tn_bundle_count(was); i++) {
        tn_tensor *a, *b;
        const char *name = tn_bundle_at(was, i)->name;
        assert_ok(tn_bundle_read(was, name, &a, &err), &err);
        assert_ok(tn_bundle_read(is, name, &b, &err), &err);
        assert_true(tn_shape_equal(&a->shape, &b->shape));
        if (!strstr(name, "table")) assert_true(tn_tensor_equal(a, b)); /* a table's order is its own */
        tn_tensor_unref(a);
        tn_tensor_unref(b);
    }
    tn_bundle_close(was);
    tn_bundle_close(is);
}

/* ---- weights that are constants ---- */

enum { WIDE = 128 };

static tn_tensor *counted(int64_t rows, int64_t columns)
{
    tn_tensor *t;
    assert_int_equal(tn_tensor_new(TN_FLOAT, &TN_SHAPE(rows, columns), &t, NULL), TN_OK);
    for (int64_t i = 0; i < tn_tensor_count(t); i++) TN_FLOATS(t)[i] = (float)(i % 17) - 8;
    return t;
}

/* y = x w + v, w a constant. */
static void save_wide(void **state, const char *name)
{
    tn_error err;
    tn_saver *saver;
    small_graph g = {.graph = tn_graph_new()};
    tn_builder *b = tn_builder_new(g.graph);
    tn_tensor *w = counted(WIDE, WIDE);
    tn_node x = tn_placeholder(b, "x", TN_FLOAT, TN_SHAPE(-1, WIDE)), v = tn_variable(b, "v", tn_scalar(b, TN_FLOAT, 1), 0);
    tn_node product = tn_op(b, "MatMul", TN_INPUTS(x, tn_constant(b, "w", w)), TN_NO_ATTRS);
    tn_op_named(b, "AddV2", "y", TN_INPUTS(product, v), TN_NO_ATTRS);
    assert_ok(start_graph(g.graph, b, &g.session, &err), &err);
    assert_ok(tn_saver_new(in(state, name), NULL, &saver, &err), &err);
    assert_ok(small_graph_save(&g, saver, -1, &err), &err);
    tn_saver_free(saver);
    tn_builder_free(b);
    small_graph_free(&g);
    tn_tensor_unref(w);
}

static tn_tensor *ask_wide(tn_loaded *m)
{
    tn_error err;
    tn_tensor *x = counted(3, WIDE), *y;
    const char *fetch = "y:0";
    assert_ok(tn_session_run(tn_loaded_session(m), &(tn_feed){"x:0", x}, 1, &fetch, 1, &y, NULL, 0, &err), &err);
    tn_tensor_unref(x);
    return y;
}

static int alone(tn_loaded *m)
{
    return tn_session_store(tn_loaded_session(m))->packs.n_alone;
}

/* They are held once, as products want them, and are in a .meta that is written nevertheless. */
static void test_constants_once(void **state)
{
    tn_error err;
    save_wide(state, "m");
    tn_loaded *m = loaded(state, "m.meta", "m");
    tn_tensor *want = ask_wide(m), *got = ask_wide(m);
    assert_true(tn_tensor_equal(got, want));
    assert_int_equal(alone(m), 1);
    assert_ok(tn_loaded_save(m, in(state, "m2"), &err), &err);
    for (int i = 0; i < 8; i++) tn_tensor_unref(ask_wide(m));
    assert_int_equal(alone(m), 1); /* again */
    tn_loaded *back = loaded(state, "m2.meta", "m2");
    tn_tensor *same = ask_wide(back);
    assert_true(tn_tensor_equal(same, want));
    tn_tensor_unref(same);
    tn_tensor_unref(got);
    tn_tensor_unref(want);
    tn_loaded_free(back);
    tn_loaded_free(m);
}

/* ---- what fails ---- */

static void test_full_disk(void **state)
{
    bool done = false;
    tn_error err;
    save_small(state, "m", 3);
    tn_loaded *m = loaded(state, "m.meta", "m");
    assert_ok(tn_loaded_save(m, in(state, "m2"), &err), &err);
    set_variable(tn_loaded_session(m), "layer/w", 8);
    for (int n = 1; !done; n++) {
        assert_in_range(n, 1, 80);
        tn_file_fail_at(n, ENOSPC);
        done = tn_loaded_save(m, in(state, "m2"), &err) == TN_OK;
        tn_file_fail_at(0, 0);
        tn_loaded *back = loaded(state, "m2.meta", "m2"); /* one or the other, whole */
        double v = variable(tn_loaded_session(back), "layer/w");
        assert_true(v == 8 || (v == 3 && !done));
        tn_loaded_free(back);
    }
    tn_loaded_free(m);
}

static void test_no_memory(void **state)
{
    save_small(state, "m", 3);
    save_objects(state, "objects");
    for (int objects = 0; objects < 2; objects++) {
        tn_code code = TN_RESOURCE_EXHAUSTED;
        tn_error err;
        int n = 1;
        tn_loaded *m = loaded(state, "m.meta", objects ? "objects" : "m");
        for (; code == TN_RESOURCE_EXHAUSTED && n < 20000; n++) {
            tn_malloc_fail_at(n);
            code = tn_loaded_save(m, in(state, "m2"), &err);
            tn_malloc_fail_at(0);
        }
        if (code != TN_OK) fail_msg("allocation %d: %s", n, err.message);
        if (n < 50) fail_msg("allocation %d passed over", n - 1);
        tn_loaded_free(m);
    }
}

/* ---- a signature where there is none ---- */

static void test_sign(void **state)
{
    tn_error err;
    save_small(state, "m", 3);
    tn_loaded *m = loaded(state, "m.meta", "m");
    assert_int_equal(tn_loaded_signatures(m), 0);
    assert_code(tn_loaded_sign(m, "x:0", "nobody:0", &err), TN_NOT_FOUND);
    assert_code(tn_loaded_sign(m, "x:0", "", &err), TN_INVALID_ARGUMENT);
    assert_code(tn_loaded_sign(m, "=x:0", "y", &err), TN_INVALID_ARGUMENT);
    assert_code(tn_loaded_sign(m, "x:0", "b=y:0,b=x:0", &err), TN_INVALID_ARGUMENT);
    assert_int_equal(tn_loaded_signatures(m), 0);
    assert_ok(tn_loaded_sign(m, "x:0", "sum=y,given=x:0", &err), &err);
    const tn_loaded_signature *s;
    assert_ok(tn_loaded_find_signature(m, NULL, &s, &err), &err);
    assert_int_equal(s->n_in, 1);
    assert_string_equal(s->in[0].key, "x");
    assert_int_equal(s->n_out, 2);
    assert_string_equal(s->out[0].key, "given");
    assert_string_equal(s->out[1].key, "sum");
    assert_string_equal(s->out[1].name, "y:0");
    assert_int_equal(s->out[1].dtype, TN_FLOAT);
    tn_loaded_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_sign), TEST(test_full_set),        TEST(test_without_values), TEST(test_objects),
        TEST(test_malformed_objects), TEST(test_tables), TEST(test_tables_of_functions), TEST(test_full_disk), TEST(test_no_memory),
        TEST(test_constants_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
