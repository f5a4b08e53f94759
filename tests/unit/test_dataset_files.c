/* SPDX-License-Identifier: Apache-2.0
 * Data sets of what is in files: the elements, and after which errors they go on, as TensorFlow has it.
 */
#include "graph_fixture.h"

#include "wire/wire.h"

static const char *path(fixture *f, const char *name, char to[256])
{
    snprintf(to, 256, "%s/%s", f->folder, name);
    return to;
}

static void file(fixture *f, const char *name, const void *bytes, size_t n)
{
    char p[256];
    assert_ok(tn_file_write(path(f, name, p), bytes, n, &f->err), &f->err);
}

static void compressed(fixture *f, const char *name, tn_compression c, const void *bytes, size_t n)
{
    tn_buf out = {0};
    assert_ok(tn_deflate((tn_view){bytes, n}, c, 6, &out, &f->err), &f->err);
    file(f, name, out.data, out.n);
    tn_buf_free(&out);
}

static tn_node texts(fixture *f, const char *const *v, int n, bool scalar)
{
    tn_tensor *t;
    tn_shape s = scalar ? TN_SHAPE() : tn_shape_vector(n);
    assert_ok(tn_tensor_new(TN_STRING, &s, &t, &f->err), &f->err);
    for (int i = 0; i < n; i++) assert_ok(tn_string_set(t, i, v[i], strlen(v[i]), &f->err), &f->err);
    tn_node node = tn_constant(f->b, NULL, t);
    tn_tensor_unref(t);
    return node;
}

static tn_node text(fixture *f, const char *v)
{
    return texts(f, &v, 1, true);
}

static tn_node number(fixture *f, int64_t v)
{
    return tn_scalar(f->b, TN_INT64, (double)v);
}

/* Up to three files of the test's folder. */
static tn_node files(fixture *f, const char *a, const char *b, const char *c)
{
    const char *names[3] = {a, b, c}, *paths[3];
    char room[3][256];
    int n = 0;
    for (int i = 0; i < 3; i++)
        if (names[i]) paths[n++] = path(f, names[i], room[i]);
    return texts(f, paths, n, false);
}

/* The data set's elements in turn: "next:0". limit: of the session's memory. */
static void over_within(fixture *f, tn_node d, size_t limit)
{
    const tn_session_options o = {.memory_limit = limit};
    tn_dtype types[] = {TN_STRING};
    tn_shape shapes[] = {TN_SHAPE()};
    tn_attr attrs[4] = {
        tn_attr_types("output_types", types, 1),
        {.name = "output_shapes", .kind = TN_ATTR_SHAPE, .is_list = true, .n = 1, .shapes = shapes},
        tn_attr_str("shared_name", ""),
        tn_attr_str("container", "")};
    tn_operation *it = tn_add_operation(f->b, "IteratorV2", "it", TN_NO_INPUTS, attrs, 4);
    tn_add_operation(f->b, "MakeIterator", "init", TN_INPUTS(d, tn_output_of(it, 0)), TN_NO_ATTRS);
    tn_add_operation(f->b, "IteratorGetNext", "next", TN_INPUTS(tn_output_of(it, 0)), attrs, 2);
    const char *init = "init";
    assert_ok(tn_builder_check(f->b, &f->err), &f->err);
    assert_ok(tn_session_new(f->g, &o, &f->s, &f->err), &f->err);
    assert_ok(tn_session_run(f->s, NULL, 0, NULL, 0, NULL, &init, 1, &f->err), &f->err);
}

static void over(fixture *f, tn_node d)
{
    over_within(f, d, 0);
}

static tn_code next(fixture *f, tn_tensor **out)
{
    const char *fetch = "next:0";
    return tn_session_run(f->s, NULL, 0, &fetch, 1, out, NULL, 0, &f->err);
}

static void gives(fixture *f, const char *want)
{
    tn_tensor *t;
    assert_ok(next(f, &t), &f->err);
    const tn_string *s = tn_tensor_data(t);
    assert_int_equal(s->n, strlen(want));
    if (s->n) assert_memory_equal(s->p, want, s->n);
    tn_tensor_unref(t);
}

static void fails(fixture *f, tn_code code)
{
    tn_tensor *t;
    assert_code(next(f, &t), code);
}

static void ends(fixture *f)
{
    fails(f, TN_OUT_OF_RANGE);
    fixture_close_folder(f);
}

/* ==== lines ==== */

static const char lines[] = "a\nbc\r\n\nlast";

static tn_node line_set(fixture *f, tn_node names, const char *compression)
{
    return tn_op(f->b, "TextLineDataset", TN_INPUTS(names, text(f, compression), number(f, 0)), TN_NO_ATTRS);
}

static void test_lines(void **state)
{
    (void)state;
    fixture f;
    fixture_open_folder(&f);
    file(&f, "a", lines, strlen(lines));
    file(&f, "empty", "", 0);
    file(&f, "b", "x\n", 2);
    over(&f, line_set(&f, files(&f, "a", "empty", "b"), ""));
    gives(&f, "a");
    gives(&f, "bc");
    gives(&f, "");
    gives(&f, "last");
    gives(&f, "x");
    ends(&f);
}

static void test_compressed_lines(void **state)
{
    (void)state;
    static const char *const names[] = {"GZIP", "ZLIB"};
    static const tn_compression kinds[] = {TN_GZIP, TN_ZLIB};
    for (int k = 0; k < 2; k++) {
        fixture f;
        fixture_open_folder(&f);
        compressed(&f, "a", kinds[k], lines, strlen(lines));
        over(&f, line_set(&f, files(&f, "a", NULL, NULL), names[k]));
        gives(&f, "a");
        gives(&f, "bc");
        gives(&f, "");
        gives(&f, "last");
        ends(&f);
    }
}

/* A small file that expands to more than the session may have, and one that is too large as it is. */
static void test_lines_beyond_the_limit(void **state)
{
    (void)state;
    enum { MANY = 4 << 20, LIMIT = 1 << 20 };
    char *zeros = tn_calloc(MANY, 1);
    assert_non_null(zeros);
    for (int k = 0; k < 4; k++) {
        fixture f;
        fixture_open_folder(&f);
        if (k < 2) compressed(&f, "a", TN_GZIP, zeros, MANY);
        else file(&f, "a", zeros, MANY);
        over_within(&f, line_set(&f, files(&f, "a", NULL, NULL), k < 2 ? "GZIP" : ""), k % 2 ? LIMIT : 0);
        tn_tensor *t = NULL;
        assert_code(next(&f, &t), k % 2 ? TN_RESOURCE_EXHAUSTED : TN_OK);
        tn_tensor_unref(t);
        fixture_close_folder(&f);
    }
    tn_free(zeros);
}

/* An error of a file stays. */
static void test_lines_that_are_not_there(void **state)
{
    (void)state;
    fixture f;
    fixture_open_folder(&f);
    file(&f, "b", "x\n", 2);
    over(&f, line_set(&f, files(&f, "none", "b", NULL), ""));
    for (int i = 0; i < 3; i++) fails(&f, TN_NOT_FOUND);
    fixture_close_folder(&f);
    fixture_open_folder(&f);
    file(&f, "a", lines, strlen(lines));
    over(&f, line_set(&f, files(&f, "a", NULL, NULL), "GZIP"));
    for (int i = 0; i < 3; i++) fails(&f, TN_DATA_LOSS);
    fixture_close_folder(&f);
}

static void test_arguments(void **state)
{
    (void)state;
    fixture f;
    tn_tensor *t;
    fixture_open_folder(&f);
    tn_op_named(f.b, "TextLineDataset", "kind", TN_INPUTS(text(&f, "a"), text(&f, "ZIP"), number(&f, 0)),
                TN_NO_ATTRS);
    tn_op_named(f.b, "TFRecordDataset", "buffer", TN_INPUTS(text(&f, "a"), text(&f, ""), number(&f, -2)),
                TN_NO_ATTRS);
    tn_op_named(f.b, "FixedLengthRecordDataset", "none",
                TN_INPUTS(text(&f, "a"), number(&f, 0), number(&f, 0), number(&f, 0), number(&f, 0)),
                TN_NO_ATTRS);
    tn_op_named(f.b, "FixedLengthRecordDataset", "large",
                TN_INPUTS(text(&f, "a"), number(&f, INT64_MAX), number(&f, 1), number(&f, 0), number(&f, 0)),
                TN_NO_ATTRS);
    assert_ok(tn_builder_check(f.b, &f.err), &f.err);
    assert_ok(tn_session_new(f.g, NULL, &f.s, &f.err), &f.err);
    static const char *const names[] = {"kind:0", "buffer:0", "none:0", "large:0"};
    for (int i = 0; i < 4; i++)
        assert_code(tn_session_run(f.s, NULL, 0, &names[i], 1, &t, NULL, 0, &f.err), TN_INVALID_ARGUMENT);
    fixture_close_folder(&f);
}

/* ==== TFRecord ==== */

static void records(tn_buf *out)
{
    tn_record_put(out, "one", 3);
    tn_record_put(out, "", 0);
    tn_record_put(out, "three", 5);
}

static tn_node record_set(fixture *f, tn_node names, const char *compression)
{
    return tn_op(f->b, "TFRecordDataset", TN_INPUTS(names, text(f, compression), number(f, 0)), TN_NO_ATTRS);
}

static void gives_all(fixture *f)
{
    gives(f, "one");
    gives(f, "");
    gives(f, "three");
}

/* What is too short for a record's head at the end is not looked at. */
static void test_records(void **state)
{
    (void)state;
    fixture f;
    tn_buf b = {0};
    fixture_open_folder(&f);
    records(&b);
    compressed(&f, "z", TN_GZIP, b.data, b.n);
    file(&f, "a", b.data, b.n);
    tn_buf_str(&b, "12345");
    file(&f, "b", b.data, b.n);
    tn_buf_free(&b);
    over(&f, record_set(&f, files(&f, "b", "a", NULL), ""));
    gives_all(&f);
    gives_all(&f);
    fails(&f, TN_OUT_OF_RANGE);
    tn_session_free(f.s);
    f.s = NULL;
    tn_builder_free(f.b);
    tn_graph_free(f.g);
    f.g = tn_graph_new();
    f.b = tn_builder_new(f.g);
    over(&f, record_set(&f, files(&f, "z", NULL, NULL), "GZIP"));
    gives_all(&f);
    ends(&f);
}

/* The rest of a damaged file is lost, and then comes the next one. */
static void test_damaged_records(void **state)
{
    (void)state;
    fixture f;
    tn_buf b = {0};
    fixture_open_folder(&f);
    records(&b);
    file(&f, "good", b.data, b.n);
    file(&f, "cut", b.data, b.n - 3);
    b.data[13] ^= 1;
    file(&f, "bad", b.data, b.n);
    tn_buf_free(&b);
    over(&f, record_set(&f, files(&f, "bad", "cut", "good"), ""));
    fails(&f, TN_DATA_LOSS);
    assert_says(&f.err, "bad");
    gives(&f, "one");
    gives(&f, "");
    fails(&f, TN_DATA_LOSS);
    gives_all(&f);
    ends(&f);
}

static void test_offsets(void **state)
{
    (void)state;
    fixture f;
    tn_buf b = {0};
    fixture_open_folder(&f);
    records(&b);
    file(&f, "a", b.data, b.n);
    tn_buf_free(&b);
    over(&f, tn_op(f.b, "TFRecordDatasetV2",
                   TN_INPUTS(files(&f, "a", "a", NULL), text(&f, ""), number(&f, 0),
                             tn_op(f.b, "Cast", TN_INPUTS(tn_ints(f.b, (int64_t[]){19, 1000}, 2)),
                                   TN_ATTRS(tn_attr_type("DstT", TN_INT64)))),
                   TN_NO_ATTRS));
    gives(&f, "");
    gives(&f, "three");
    ends(&f);
}

/* ==== records of one length ==== */

static tn_node fixed_set(fixture *f, tn_node names, int64_t header, int64_t record, int64_t footer)
{
    return tn_op(
        f->b, "FixedLengthRecordDatasetV2",
        TN_INPUTS(names, number(f, header), number(f, record), number(f, footer), number(f, 0), text(f, "")),
        TN_NO_ATTRS);
}

static void test_fixed(void **state)
{
    (void)state;
    fixture f;
    fixture_open_folder(&f);
    file(&f, "a", "HHabcdefF", 9);
    over(&f, fixed_set(&f, files(&f, "a", "a", NULL), 2, 3, 1));
    gives(&f, "abc");
    gives(&f, "def");
    gives(&f, "abc");
    gives(&f, "def");
    ends(&f);
    fixture_open_folder(&f);
    file(&f, "a", "HHabcdefF", 9);
    over(&f, fixed_set(&f, files(&f, "a", NULL, NULL), 2, 4, 1));
    for (int i = 0; i < 2; i++) fails(&f, TN_INVALID_ARGUMENT);
    fixture_close_folder(&f);
    fixture_open_folder(&f);
    file(&f, "a", "HHabcdefF", 9);
    over(&f, fixed_set(&f, files(&f, "a", NULL, NULL), 20, 4, 1));
    fails(&f, TN_INTERNAL);
    ends(&f);
}

static void test_names(void **state)
{
    (void)state;
    fixture f;
    char a[256], b[256];
    fixture_open_folder(&f);
    file(&f, "b.txt", "", 0);
    file(&f, "a.txt", "", 0);
    file(&f, "c.bin", "", 0);
    over(&f, tn_op(f.b, "MatchingFilesDataset", TN_INPUTS(files(&f, "*.txt", NULL, NULL)), TN_NO_ATTRS));
    gives(&f, path(&f, "a.txt", a));
    gives(&f, path(&f, "b.txt", b));
    ends(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_compressed_lines),
        cmocka_unit_test(test_lines_beyond_the_limit),
        cmocka_unit_test(test_lines_that_are_not_there),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_damaged_records),
        cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
