/* SPDX-License-Identifier: Apache-2.0
 *
 * test_bundle_v1.c - checkpoints of Saver's V1 (golden/v1/make.py): read, restored by the graphs that came with them, damaged.
 */
#include "format/format.h"
#include "place.h"

static tn_bundle *opened(void **state, const char *name)
{
    tn_bundle *b;
    tn_error err;
    assert_true(tn_checkpoint_exists(golden(state, name)));
    assert_ok(tn_bundle_open(golden(state, name), &b, &err), &err);
    return b;
}

static void has_numbers(tn_bundle *b, const char *name, tn_dtype t, tn_shape shape, double first, double step)
{
    tn_error err;
    tn_tensor *got;
    assert_ok(tn_bundle_read(b, name, &got, &err), &err);
    assert_int_equal(got->dtype, t);
    assert_true(tn_shape_equal(&got->shape, &shape));
    for (int64_t i = 0; i < tn_tensor_count(got); i++)
        assert_true(tn_tensor_number(got, i) == (t == TN_BOOL ? i > 0 : first + step * (double)i));
    tn_tensor_unref(got);
}

static void one_file(void **state)
{
    static const struct {
        const char *name;
        tn_dtype dtype;
        double first;
    } rows[] = {{"t_float16", TN_HALF, -1}, {"t_int8", TN_INT8, -1},   {"t_int16", TN_INT16, -1},  {"t_int32", TN_INT32, -1},
                {"t_int64", TN_INT64, -1},  {"t_uint8", TN_UINT8, 0},  {"t_uint16", TN_UINT16, 0}, {"t_bool", TN_BOOL, 0}};
    tn_error err;
    tn_tensor *t;
    tn_bundle *b = opened(state, "v1/old");
    assert_int_equal(tn_bundle_count(b), 3 + 10);
    assert_int_equal(tn_bundle_shards(b), 1);
    assert_string_equal(tn_bundle_info_at(b, 0).name, "p");
    assert_int_equal(tn_bundle_info_at(b, 0).n_slices, 2);
    has_numbers(b, "w", TN_FLOAT, TN_SHAPE(2, 3), 0, 1);
    has_numbers(b, "p", TN_DOUBLE, TN_SHAPE(5, 2), 0, .5);
    for (size_t i = 0; i < TN_COUNT(rows); i++) has_numbers(b, rows[i].name, rows[i].dtype, TN_SHAPE(3), rows[i].first, 1);
    assert_ok(tn_bundle_read(b, "t_complex64", &t, &err), &err);
    assert_true(TN_FLOATS(t)[0] == -1 && TN_FLOATS(t)[1] == 0 && TN_FLOATS(t)[4] == 1);
    tn_tensor_unref(t);
    assert_ok(tn_bundle_read(b, "words", &t, &err), &err);
    assert_true(TN_STRINGS(t)[0].n == 3 && TN_STRINGS(t)[1].n == 0 && !memcmp(TN_STRINGS(t)[2].p, "blue", 4));
    tn_tensor_unref(t);
    assert_code(tn_bundle_read(b, "x", &t, &err), TN_NOT_FOUND);
    tn_bundle_close(b);
}

static void shards(void **state)
{
    tn_error err;
    tn_tensor *t;
    tn_bundle *b = opened(state, "v1/parts-?????" "-of-00002");
    assert_int_equal(tn_bundle_count(b), 3);
    assert_int_equal(tn_bundle_shards(b), 2);
    has_numbers(b, "a", TN_FLOAT, TN_SHAPE(3), 0, 1);
    has_numbers(b, "p", TN_DOUBLE, TN_SHAPE(5, 2), 0, .5);
    assert_ok(tn_bundle_read_slice(b, "p", &(tn_slice){2, {2, 0}, {2, 2}}, &t, &err), &err); /* of both pieces */
    assert_true(tn_tensor_number(t, 0) == 2 && tn_tensor_number(t, 3) == 3.5);
    tn_tensor_unref(t);
    tn_bundle_close(b);
    assert_false(tn_checkpoint_exists(golden(state, "v1/parts-?????" "-of-00003")));
    assert_false(tn_checkpoint_exists(golden(state, "v1/make.py")));
    assert_code(tn_bundle_open(golden(state, "v1/parts-?????" "-of-00003"), &b, &err), TN_NOT_FOUND);
    assert_ok(tn_bundle_open(golden(state, "v1/parts-00001-of-00002"), &b, &err), &err); /* one of them: half of p */
    assert_code(tn_bundle_read(b, "p", &t, &err), TN_DATA_LOSS);
    tn_bundle_close(b);
}

#define NODE(name, op, inputs, attrs) "node { name: '" name "' op: '" op "' " inputs attrs "} "
#define TYPE(key, t) "attr { key: '" key "' value { type: " t " } } "
#define TEXT(name, value) \
    NODE(name, "Const", "", TYPE("dtype", "DT_STRING") "attr { key: 'value' value { tensor { dtype: DT_STRING tensor_shape {} string_val: '" value "' } } } ")
#define VARIABLE(name, t, dims) \
    NODE(name, "VariableV2", "", TYPE("dtype", t) "attr { key: 'shape' value { shape { " dims " } } } ")
#define ASSIGN(name, to, from, t) \
    NODE(name, "Assign", "input: '" to "' input: '" from "' ", TYPE("T", t) "attr { key: '_class' value { list { s: 'loc:@x' } } } ")

/* As graphs of 2016 have it: an operator for each tensor. */
static void restored(void **state)
{
    static const char text[] =
        VARIABLE("mine", "DT_FLOAT", "dim { size: 2 } dim { size: 3 }") VARIABLE("part", "DT_DOUBLE", "dim { size: 2 } dim { size: 2 }")
        TEXT("file", "model") TEXT("n1", "w") TEXT("n2", "p") TEXT("s2", "5 2 3,2:-")
        NODE("r1", "Restore", "input: 'file' input: 'n1' ", TYPE("dt", "DT_FLOAT"))
        NODE("r2", "RestoreSlice", "input: 'file' input: 'n2' input: 's2' ", TYPE("dt", "DT_DOUBLE"))
        ASSIGN("a1", "mine", "r1", "DT_FLOAT") ASSIGN("a2", "part", "r2", "DT_DOUBLE")
        NODE("all", "NoOp", "input: '^a1' input: '^a2' ", "");
    static const char *const files[] = {"v1/old", "v1/parts-?????" "-of-00002"};
    tn_error err;
    tn_GraphDef *def;
    tn_tensor *t;
    assert_ok(TN_PARSE(GraphDef, tn_view_of(text), arena_of(state), &def, &err), &err);
    tn_graph *g = tn_graph_new();
    assert_ok(tn_graphdef_import(def, NULL, g, &err), &err);
    for (size_t i = 0; i < TN_COUNT(files); i++) {
        tn_session *s;
        assert_ok(tn_session_new(g, NULL, &s, &err), &err);
        assert_ok(tn_checkpoint_restore(golden(state, files[i]), g, "all", s, NULL, &err), &err);
        assert_ok(tn_session_get(s, "mine", &t, &err), &err);
        assert_true(tn_tensor_number(t, 5) == 5);
        tn_tensor_unref(t);
        assert_ok(tn_session_get(s, "part", &t, &err), &err);
        assert_true(tn_tensor_number(t, 0) == 3 && tn_tensor_number(t, 3) == 4.5);
        tn_tensor_unref(t);
        tn_session_free(s);
    }
    tn_graph_free(g);
}

/* What the first failure is, of opening and of all tensors. */
static tn_code read_everything(const char *path)
{
    tn_bundle *b;
    tn_error err;
    tn_tensor *t;
    TN_TRY(tn_bundle_open(path, &b, &err));
    tn_code first = TN_OK;
    for (int i = 0; i < tn_bundle_count(b); i++) {
        tn_code code = tn_bundle_read(b, tn_bundle_name(b, i), &t, &err);
        if (code == TN_OK) tn_tensor_unref(t);
        else if (first == TN_OK) first = code;
    }
    tn_bundle_close(b);
    return first;
}

/* Cut, or with any byte changed, it is not the same, and nothing worse. */
static void damaged(void **state)
{
    tn_error err;
    tn_buf bytes = {0};
    tn_bundle *b;
    const char *path = in(state, "damaged");
    assert_ok(tn_file_read(golden(state, "v1/parts-00000-of-00002"), 0, &bytes, &err), &err);
    for (size_t n = 0; n < bytes.n; n++) {
        assert_ok(tn_file_write(path, bytes.data, n, &err), &err);
        assert_code(tn_bundle_open(path, &b, &err), TN_NOT_FOUND); /* no table's end: no checkpoint */
        bytes.data[n] ^= 0x15;
        assert_ok(tn_file_write(path, bytes.data, bytes.n, &err), &err);
        bytes.data[n] ^= 0x15;
        read_everything(path);
    }
    tn_buf_free(&bytes);
}

static void no_memory(void **state)
{
    const char *path = golden(state, "v1/parts-?????" "-of-00002");
    tn_code code = TN_RESOURCE_EXHAUSTED;
    int failures = 0;
    for (; code != TN_OK && failures < 1000; failures++) {
        tn_malloc_fail_at(failures + 1);
        code = read_everything(path);
        tn_malloc_fail_at(0);
        assert_true(code == TN_OK || code == TN_RESOURCE_EXHAUSTED);
    }
    assert_int_equal(code, TN_OK);
    assert_in_range(failures, 10, 999);
}

/* ==== writing ==== */

static tn_code add_again(tn_bundle *from, tn_bundle_writer *w, const char *name, tn_error *err)
{
    tn_tensor *t;
    TN_TRY(tn_bundle_read(from, name, &t, err));
    tn_code code = TN_OK;
    if (!strcmp(name, "p")) {
        const tn_slice pieces[] = {{2, {0, 0}, {3, -1}}, {2, {3, 0}, {2, -1}}};
        for (int i = 0; i < 2 && code == TN_OK; i++) {
            tn_tensor *part;
            code = tn_bundle_read_slice(from, "p", &pieces[i], &part, err);
            if (code != TN_OK) break;
            code = tn_bundle_add_slice(w, "p", &t->shape, &pieces[i], part, err);
            tn_tensor_unref(part);
        }
    } else {
        code = tn_bundle_add(w, name, t, err);
    }
    tn_tensor_unref(t);
    return code;
}

/* All of golden/v1/old; its list is in the order of names, whatever the order of adding. */
static tn_code write_again(const char *from, const char *to, tn_error *err)
{
    static const char *const names[] = {"w",       "p",       "words",    "t_float16", "t_int8",      "t_int16",     "t_int32",
                                        "t_int64", "t_uint8", "t_uint16", "t_complex64", "t_complex128", "t_bool"};
    tn_bundle *b;
    tn_bundle_writer *w;
    TN_TRY(tn_bundle_open(from, &b, err));
    tn_code code = tn_bundle_writer_open_v1(to, &w, err);
    if (code == TN_OK) {
        for (size_t i = 0; i < TN_COUNT(names) && code == TN_OK; i++) code = add_again(b, w, names[i], err);
        if (code == TN_OK)
            code = tn_bundle_commit(w, err);
        else
            tn_bundle_abandon(w);
    }
    tn_bundle_close(b);
    return code;
}

static void written_as_tensorflow_does(void **state)
{
    tn_error err;
    tn_buf ours = {0}, theirs = {0};
    assert_ok(write_again(golden(state, "v1/old"), in(state, "new"), &err), &err);
    assert_ok(tn_file_read(golden(state, "v1/old"), 0, &theirs, &err), &err);
    assert_ok(tn_file_read(in(state, "new"), 0, &ours, &err), &err);
    assert_int_equal(ours.n, theirs.n);
    assert_memory_equal(ours.data, theirs.data, ours.n);
    tn_buf_free(&ours);
    tn_buf_free(&theirs);
}

static tn_code put(tn_bundle_writer *w, const char *name, tn_dtype t, tn_shape shape, const tn_slice *slice, tn_error *err)
{
    tn_tensor *x;
    tn_shape part = shape;
    if (slice) TN_TRY(tn_slice_shape(slice, &shape, &part, err));
    TN_TRY(tn_tensor_new(t, &part, &x, err));
    tn_code code = slice ? tn_bundle_add_slice(w, name, &shape, slice, x, err) : tn_bundle_add(w, name, x, err);
    tn_tensor_unref(x);
    return code;
}

/* A writer keeps its first failure, and leaves what was there. */
static void refused(void **state)
{
    const struct {
        tn_dtype first, dtype;
        const char *name;
        tn_shape shape;
        int slice; /* 1: the first row, 2: the second */
        tn_code code;
    } rows[] = {{TN_FLOAT, TN_BFLOAT16, "b", TN_SHAPE(2), 0, TN_UNIMPLEMENTED}, {TN_FLOAT, TN_UINT32, "b", TN_SHAPE(2), 0, TN_UNIMPLEMENTED},
                {TN_FLOAT, TN_UINT64, "b", TN_SHAPE(2), 0, TN_UNIMPLEMENTED},   {TN_FLOAT, TN_FLOAT, "", TN_SHAPE(2), 0, TN_INVALID_ARGUMENT},
                {TN_FLOAT, TN_FLOAT, "a", TN_SHAPE(2, 3), 1, TN_ALREADY_EXISTS}, {TN_FLOAT, TN_FLOAT, "a", TN_SHAPE(3, 3), 2, TN_INVALID_ARGUMENT},
                {TN_FLOAT, TN_DOUBLE, "a", TN_SHAPE(2, 3), 2, TN_INVALID_ARGUMENT}};
    static const tn_slice slices[] = {{2, {0, 0}, {1, 3}}, {2, {1, 0}, {1, 3}}};
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        tn_error err;
        tn_bundle_writer *w;
        assert_ok(tn_bundle_writer_open_v1(in(state, "m"), &w, &err), &err);
        assert_ok(put(w, "a", rows[i].first, TN_SHAPE(2, 3), &slices[0], &err), &err);
        const tn_slice *slice = rows[i].slice ? &slices[rows[i].slice - 1] : NULL;
        assert_code(put(w, rows[i].name, rows[i].dtype, rows[i].shape, slice, &err), rows[i].code);
        assert_code(tn_bundle_commit(w, &err), rows[i].code);
        assert_false(tn_checkpoint_exists(in(state, "m")));
    }
}

/* One name, now of the one kind, now of the other: what was saved last is there, and is removed. */
static void kinds_of_one_name(void **state)
{
    tn_error err;
    tn_bundle_writer *w;
    tn_bundle *b;
    const char *path = in(state, "m");
    for (int kind = 0; kind < 2; kind++) {
        if (kind)
            assert_ok(tn_bundle_writer_open_v1(path, &w, &err), &err);
        else
            assert_ok(tn_bundle_writer_open(path, &w, &err), &err);
        assert_ok(put(w, kind ? "second" : "first", TN_FLOAT, TN_SHAPE(2), NULL, &err), &err);
        assert_ok(tn_bundle_commit(w, &err), &err);
        assert_ok(tn_bundle_open(path, &b, &err), &err);
        assert_int_equal(tn_bundle_count(b), 1);
        assert_non_null(tn_bundle_find(b, kind ? "second" : "first"));
        tn_bundle_close(b);
    }
    assert_false(tn_file_exists(in(state, "m.index")));
    assert_ok(tn_checkpoint_remove(path, &err), &err);
    assert_false(tn_checkpoint_exists(path));
    assert_false(tn_file_exists(path));
}

static void writing_fails(void **state)
{
    tn_error err;
    const char *to = in(state, "new"), *from = golden(state, "v1/old");
    tn_code code = TN_UNKNOWN;
    for (int i = 1; code != TN_OK; i++) {
        tn_malloc_fail_at(i);
        code = write_again(from, to, &err);
        tn_malloc_fail_at(0);
        if (code != TN_OK) assert_code(code, TN_RESOURCE_EXHAUSTED);
        assert_int_equal(tn_checkpoint_exists(to), code == TN_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(one_file), TEST(shards), TEST(restored), TEST(damaged), TEST(no_memory),
                                       TEST(written_as_tensorflow_does), TEST(refused), TEST(kinds_of_one_name), TEST(writing_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
