/* SPDX-License-Identifier: Apache-2.0
 * Operators on files and data sets, and Print: what they do by the hooks of a session, and where they refuse.
 */
#include <math.h>

#include "graph_fixture.h"

#include "format/format.h"
#include "wire/proto.h"

static tn_node texts(fixture *f, int rank, int64_t n, const char *const *v)
{
    tn_tensor *t;
    tn_shape s = rank ? tn_shape_vector(n) : (tn_shape){.rank = 0};
    assert_ok(tn_tensor_new(TN_STRING, &s, &t, &f->err), &f->err);
    for (int64_t i = 0; i < n; i++) assert_ok(tn_string_set(t, i, v[i], strlen(v[i]), &f->err), &f->err);
    tn_node node = tn_constant(f->b, NULL, t);
    tn_tensor_unref(t);
    return node;
}

static tn_node text(fixture *f, const char *s)
{
    return texts(f, 0, 1, &s);
}

/* A path in the test's folder; "/..." and "x://..." as they are. */
static tn_node path(fixture *f, const char *s)
{
    char p[256];
    snprintf(p, sizeof p, "%s/%s", f->folder, s);
    return text(f, *s == '/' || strstr(s, "://") ? s : p);
}

static void refused(fixture *f, const char *fetch, tn_code code, const char *says)
{
    tn_tensor *t;
    assert_code(fixture_run(f, fetch, NULL, &t), code);
    assert_says(&f->err, says);
}

static void wrote(fixture *f, const char *target)
{
    assert_ok(fixture_run(f, NULL, target, NULL), &f->err);
}

static void is_text(fixture *f, const char *fetch, const char *want)
{
    tn_tensor *t;
    assert_ok(fixture_run(f, fetch, NULL, &t), &f->err);
    assert_int_equal(TN_STRINGS(t)->n, strlen(want));
    assert_memory_equal(TN_STRINGS(t)->p, want, strlen(want));
    tn_tensor_unref(t);
}

/* The names found, without the test's folder. */
static void finds(fixture *f, const char *fetch, const char *want)
{
    tn_tensor *t;
    char got[512] = "";
    assert_ok(fixture_run(f, fetch, NULL, &t), &f->err);
    for (int64_t i = 0; i < tn_tensor_count(t); i++) {
        const tn_string *s = TN_STRINGS(t) + i;
        size_t skip = strlen(f->folder) + 1, at = strlen(got);
        snprintf(got + at, sizeof got - at, "%s%.*s", i ? " " : "", (int)(s->n - skip), s->p + skip);
    }
    tn_tensor_unref(t);
    assert_string_equal(got, want);
}

static void write_op(fixture *f, const char *name, const char *to, const char *bytes)
{
    tn_add_operation(f->b, "WriteFile", name, TN_INPUTS(path(f, to), text(f, bytes)), TN_NO_ATTRS);
}

static void read_op(fixture *f, const char *name, const char *from)
{
    tn_op_named(f->b, "ReadFile", name, TN_INPUTS(path(f, from)), TN_NO_ATTRS);
}

static void test_read_write(void **state)
{
    (void)state;
    fixture f;
    fixture_open_folder(&f);
    write_op(&f, "write", "new/folder/a", "abc");
    write_op(&f, "again", "new/folder/a", "d");
    write_op(&f, "folder", "new", "d");
    write_op(&f, "below", "new/folder/a/b", "d");
    read_op(&f, "read", "new/folder/a");
    read_op(&f, "none", "none");
    read_op(&f, "dir", "new");
    read_op(&f, "scheme", "foo://x");
    wrote(&f, "write");
    is_text(&f, "read:0", "abc");
    wrote(&f, "again");
    is_text(&f, "read:0", "d");
    refused(&f, "none:0", TN_NOT_FOUND, "{{node none}}");
    refused(&f, "dir:0", TN_FAILED_PRECONDITION, "{{node dir}}");
    refused(&f, "scheme:0", TN_UNIMPLEMENTED, "File system scheme 'foo' not implemented");
    assert_code(fixture_run(&f, NULL, "folder", NULL), TN_FAILED_PRECONDITION);
    assert_code(fixture_run(&f, NULL, "below", NULL), TN_FAILED_PRECONDITION);
    tn_session_set_outside(f.s, NULL);
    refused(&f, "read:0", TN_FAILED_PRECONDITION, "no access to files");
    assert_code(fixture_run(&f, NULL, "write", NULL), TN_FAILED_PRECONDITION);
    fixture_close_folder(&f);
}

static void test_patterns(void **state)
{
    (void)state;
    static const char *const files[] = {"a.txt", "b.txt", "c.dat", ".hid", "a[1].txt", "sub/x.txt"};
    static const struct {
        const char *pattern, *want;
    } rows[] = {
        {"*", ".hid a.txt a[1].txt b.txt c.dat sub"},
        {"*.txt", "a.txt a[1].txt b.txt"},
        {"?.txt", "a.txt b.txt"},
        {"[ab].txt", "a.txt b.txt"},
        {"[!a].txt", "b.txt"},
        {"[^a].txt", "b.txt"},
        {"[a-b].txt", "a.txt b.txt"},
        {"{a,b}.txt", ""},
        {"*/*.txt", "sub/x.txt"},
        {"s*/x.txt", "sub/x.txt"},
        {"nope*", ""},
        {"a.txt", "a.txt"},
        {"zz", ""},
        {"sub", "sub"},
        {"a\\[1\\].txt", "a[1].txt"},
        {"a[[]1].txt", "a[1].txt"},
        {".*", ".hid"},
        {"[a", ""},
        {"*/", ".hid a.txt a[1].txt b.txt c.dat sub"},
        {"a*/*", ""},
        {"\\a.txt", "a.txt"},
        {"nope/*", ""},
        {"*t*t*x*", ""},
        {"*a*t*t", "a.txt a[1].txt"},
    };
    fixture f;
    char name[32];
    fixture_open_folder(&f);
    for (size_t i = 0; i < TN_COUNT(files); i++) {
        snprintf(name, sizeof name, "w%zu", i);
        write_op(&f, name, files[i], "x");
    }
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        snprintf(name, sizeof name, "m%zu", i);
        tn_op_named(f.b, "MatchingFiles", name, TN_INPUTS(path(&f, rows[i].pattern)), TN_NO_ATTRS);
    }
    for (size_t i = 0; i < TN_COUNT(files); i++) {
        snprintf(name, sizeof name, "w%zu", i);
        wrote(&f, name);
    }
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        snprintf(name, sizeof name, "m%zu:0", i);
        finds(&f, name, rows[i].want);
    }
    fixture_close_folder(&f);
}

static void remapping(fixture *f, const char *name, const char *fresh, const char *old, int from, int n,
                      int size)
{
    tn_attr attrs[] = {tn_attr_int("new_vocab_offset", from), tn_attr_int("num_new_vocab", n),
                       tn_attr_int("old_vocab_size", size)};
    tn_op_named(f->b, "GenerateVocabRemapping", name, TN_INPUTS(path(f, fresh), path(f, old)), attrs, 3);
}

static void maps_to(fixture *f, const char *fetch, int n, const int64_t *want)
{
    tn_tensor *t;
    assert_ok(fixture_run(f, fetch, NULL, &t), &f->err);
    assert_int_equal(tn_tensor_count(t), n);
    for (int i = 0; i < n; i++) assert_int_equal(TN_INT64S(t)[i], want[i]);
    tn_tensor_unref(t);
}

static void test_vocabularies(void **state)
{
    (void)state;
    fixture f;
    fixture_open_folder(&f);
    write_op(&f, "w0", "old", "a\nb\nc\nd\n");
    write_op(&f, "w1", "new", "c\nx\na\nb\r\ny");
    write_op(&f, "w2", "twice", "c\nx\nc\n");
    write_op(&f, "w3", "blank", "a\n\nb\n");
    write_op(&f, "w4", "empty", "");
    remapping(&f, "all", "new", "old", 0, 5, -1);
    remapping(&f, "part", "new", "old", 1, 3, -1);
    remapping(&f, "small", "new", "old", 0, 5, 2);
    remapping(&f, "none", "no", "no", 0, 0, -1);
    remapping(&f, "past", "new", "old", 3, 3, -1);
    remapping(&f, "large", "new", "old", 0, 5, 9);
    remapping(&f, "double", "new", "twice", 0, 3, -1);
    remapping(&f, "hole", "blank", "old", 0, 3, -1);
    remapping(&f, "nothing", "empty", "old", 0, 3, -1);
    for (int i = 0; i < 5; i++) wrote(&f, (const char *[]){"w0", "w1", "w2", "w3", "w4"}[i]);
    maps_to(&f, "all:0", 5, (int64_t[]){2, -1, 0, 1, -1});
    maps_to(&f, "part:0", 3, (int64_t[]){-1, 0, 1});
    maps_to(&f, "small:0", 5, (int64_t[]){-1, -1, 0, 1, -1});
    maps_to(&f, "none:0", 0, NULL);
    refused(&f, "past:0", TN_INVALID_ARGUMENT,
            "lookup table size must be larger than last new vocab entry's line");
    refused(&f, "large:0", TN_INVALID_ARGUMENT, "expected 9 but got 4");
    refused(&f, "double:0", TN_FAILED_PRECONDITION, "Key c has 0 and trying to add value 2");
    refused(&f, "hole:0", TN_INVALID_ARGUMENT, "empty line found at position 3.");
    refused(&f, "nothing:0", TN_OUT_OF_RANGE, "empty");
    fixture_close_folder(&f);
}

static void immutable(fixture *f, const char *name, tn_dtype t, int64_t n)
{
    char p[256];
    snprintf(p, sizeof p, "%s/bytes", f->folder);
    tn_attr attrs[] = {tn_attr_type("dtype", t), tn_attr_shape("shape", tn_shape_vector(n)),
                       tn_attr_str("memory_region_name", p)};
    tn_op_named(f->b, "ImmutableConst", name, TN_NO_INPUTS, attrs, 3);
}

static void test_constant(void **state)
{
    (void)state;
    fixture f;
    fixture_open_folder(&f);
    write_op(&f, "w", "bytes", "abcdefgh");
    immutable(&f, "two", TN_INT32, 2);
    immutable(&f, "less", TN_UINT8, 3);
    immutable(&f, "more", TN_INT64, 2);
    immutable(&f, "text", TN_STRING, 1);
    wrote(&f, "w");
    tn_tensor *t;
    assert_ok(fixture_run(&f, "two:0", NULL, &t), &f.err);
    assert_memory_equal(t->data, "abcdefgh", 8);
    tn_tensor_unref(t);
    assert_ok(fixture_run(&f, "less:0", NULL, &t), &f.err);
    assert_memory_equal(t->data, "abc", 3);
    tn_tensor_unref(t);
    refused(&f, "more:0", TN_INTERNAL, "wrong length (8) when allocating 16");
    refused(&f, "text:0", TN_UNIMPLEMENTED, "string");
    fixture_close_folder(&f);
}

/* ==== checkpoints ==== */

static tn_node ids(fixture *f, int64_t n, const int64_t *v)
{
    tn_tensor *t;
    assert_ok(tn_tensor_int64s(TN_INT64, v, n, &t, &f->err), &f->err);
    tn_node node = tn_constant(f->b, NULL, t);
    tn_tensor_unref(t);
    return node;
}

typedef struct remap_row {
    const char *name, *tensor;
    int rows, columns;
    int64_t row[4];
    int n_row;
    int64_t column[4];
    int n_column, n_given;
    tn_code code;
    const char *says; /* or NULL: */
    float want[6];
} remap_row;

static void remap_op(fixture *f, const remap_row *q)
{
    static const float values[] = {9, 8, 7, 6};
    tn_tensor *t;
    tn_shape s = tn_shape_vector(q->n_given);
    assert_ok(tn_tensor_of(TN_FLOAT, &s, values, &t, &f->err), &f->err);
    tn_attr attrs[] = {tn_attr_int("num_rows", q->rows), tn_attr_int("num_cols", q->columns)};
    tn_op_named(f->b, "LoadAndRemapMatrix", q->name,
                TN_INPUTS(path(f, "ck"), text(f, q->tensor), ids(f, q->n_row, q->row),
                          ids(f, q->n_column, q->column), tn_constant(f->b, NULL, t)),
                attrs, 2);
    tn_tensor_unref(t);
}

static void write_checkpoint(fixture *f)
{
    float w[12];
    char p[128];
    tn_bundle_writer *writer;
    tn_tensor *matrix, *vector, *wide;
    for (int i = 0; i < 12; i++) w[i] = (float)i;
    snprintf(p, sizeof p, "%s/ck", f->folder);
    assert_ok(tn_tensor_of(TN_FLOAT, &(tn_shape){.rank = 2, .dim = {4, 3}}, w, &matrix, &f->err), &f->err);
    assert_ok(tn_tensor_of(TN_FLOAT, &(tn_shape){.rank = 1, .dim = {3}}, w, &vector, &f->err), &f->err);
    assert_ok(tn_tensor_new(TN_DOUBLE, &(tn_shape){.rank = 1, .dim = {3}}, &wide, &f->err), &f->err);
    assert_ok(tn_bundle_writer_open(p, &writer, &f->err), &f->err);
    assert_ok(tn_bundle_add(writer, "d", wide, &f->err), &f->err);
    assert_ok(tn_bundle_add(writer, "u", vector, &f->err), &f->err);
    assert_ok(tn_bundle_add(writer, "w", matrix, &f->err), &f->err);
    assert_ok(tn_bundle_commit(writer, &f->err), &f->err);
    tn_tensor_unref(matrix);
    tn_tensor_unref(vector);
    tn_tensor_unref(wide);
}

static void test_remapped_matrix(void **state)
{
    (void)state;
    static const remap_row rows[] = {
        {"same", "w", 2, 3, {0, 1}, 2, {0}, 0, 0, TN_OK, NULL, {0, 1, 2, 3, 4, 5}},
        {"other", "w", 3, 2, {2, -1, 0}, 3, {1, -1}, 2, 4, TN_OK, NULL, {7, 9, 8, 7, 1, 6}},
        {"few", "w", 3, 2, {2, -1, 0}, 3, {1, -1}, 2, 2, TN_INVALID_ARGUMENT, "more missing values remain", {0}},
        {"many", "w", 1, 3, {1}, 1, {0}, 0, 1, TN_INVALID_ARGUMENT, "only 0 elements were used", {0}},
        {"twice", "w", 2, 3, {2, 2}, 2, {0}, 0, 0, TN_UNIMPLEMENTED, "Old ID 2 is mapped to both new ID 0 and 1", {0}},
        {"columns", "w", 1, 2, {2}, 1, {0, 0}, 2, 0, TN_UNIMPLEMENTED, "Old ID 0 is mapped to both new ID 0 and 1", {0}},
        {"past", "w", 1, 3, {7}, 1, {0}, 0, 0, TN_INTERNAL, "out of bounds", {0}},
        {"size", "w", 2, 3, {1}, 1, {0}, 0, 0, TN_INVALID_ARGUMENT, "instead of being equal to num_rows=2", {0}},
        {"width", "w", 1, 2, {1}, 1, {0}, 0, 0, TN_INVALID_ARGUMENT, "instead of being equal to num_cols=2", {0}},
        {"type", "d", 1, 3, {1}, 1, {0}, 0, 0, TN_INVALID_ARGUMENT, "invalid type double", {0}},
        {"rank", "u", 1, 3, {1}, 1, {0}, 0, 0, TN_INVALID_ARGUMENT, "invalid rank 1", {0}},
        {"none", "none", 1, 3, {1}, 1, {0}, 0, 0, TN_NOT_FOUND, "Key none not found in checkpoint", {0}},
    };
    fixture f;
    char fetch[32];
    tn_tensor *t;
    fixture_open_folder(&f);
    write_checkpoint(&f);
    for (size_t i = 0; i < TN_COUNT(rows); i++) remap_op(&f, &rows[i]);
    refused(&f, "same:0", TN_FAILED_PRECONDITION, "no access to checkpoints");
    tn_session_set_checkpoints(f.s, &tn_checkpoints_of_process);
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        snprintf(fetch, sizeof fetch, "%s:0", rows[i].name);
        if (rows[i].code) refused(&f, fetch, rows[i].code, rows[i].says);
        if (rows[i].code) continue;
        assert_ok(fixture_run(&f, fetch, NULL, &t), &f.err);
        for (int k = 0; k < 6; k++) assert_true(TN_FLOATS(t)[k] == rows[i].want[k]);
        tn_tensor_unref(t);
    }
    fixture_close_folder(&f);
}

/* ==== data sets ==== which need not be run: what takes examples from them may be fed */

static void test_iterator(void **state)
{
    (void)state;
    fixture f;
    fixture_open_folder(&f);
    tn_operation *iterator;
    tn_operation_spec spec = {
        .type = "LMDBReader", .name = "data", .n_out = 1, .out_types = (tn_dtype[]){TN_RESOURCE}};
    assert_ok(tn_graph_add(f.g, &spec, &iterator, &f.err), &f.err);
    tn_dtype types[] = {TN_FLOAT, TN_INT64};
    tn_shape shapes[] = {tn_shape_vector(-1), {.rank = 0}};
    tn_attr attrs[2] = {
        tn_attr_types("output_types", types, 2),
        {.name = "output_shapes", .kind = TN_ATTR_SHAPE, .is_list = true, .n = 2, .shapes = shapes}};
    tn_operation *next =
        tn_add_operation(f.b, "IteratorGetNext", "next", TN_INPUTS(tn_output_of(iterator, 0)), attrs, 2);
    tn_op_named(f.b, "Neg", "y", TN_INPUTS(tn_output_of(next, 0)), TN_NO_ATTRS);
    tn_op_named(f.b, "Neg", "z", TN_INPUTS(tn_output_of(next, 1)), TN_NO_ATTRS);
    assert_int_equal(tn_node_shape(tn_output_of(next, 0)).rank, 1);
    refused(&f, "y:0", TN_NOT_FOUND, "'LMDBReader' in binary");
    assert_says(&f.err, "{{node data}}");
    tn_tensor *x, *out;
    const char *fetch = "y:0";
    assert_ok(tn_tensor_of(TN_FLOAT, &(tn_shape){.rank = 1, .dim = {2}}, (float[]){1, 2}, &x, &f.err),
              &f.err);
    tn_feed feed = {"next:0", x};
    assert_ok(tn_session_run(f.s, &feed, 1, &fetch, 1, &out, NULL, 0, &f.err), &f.err);
    assert_true(TN_FLOATS(out)[1] == -2);
    tn_tensor_unref(out);
    fetch = "z:0"; /* the other component is not fed */
    assert_code(tn_session_run(f.s, &feed, 1, &fetch, 1, &out, NULL, 0, &f.err), TN_NOT_FOUND);
    tn_tensor_unref(x);
    fixture_close_folder(&f);
}

/* ==== Print ==== */

typedef struct heard {
    char text[1024];
} heard;

static void hear(void *payload, const char *stream, const char *text, size_t n)
{
    heard *h = payload;
    size_t at = strlen(h->text);
    snprintf(h->text + at, sizeof h->text - at, "%s|%.*s", stream, (int)n, text);
}

static void test_print(void **state)
{
    (void)state;
    fixture f;
    heard h = {""};
    fixture_open_folder(&f);
    float v[6] = {0, 1, 2.5f, 3.14159265f, 1e-7f, 5};
    tn_tensor *t, *out;
    tn_shape s = {.rank = 2, .dim = {2, 3}};
    assert_ok(tn_tensor_of(TN_FLOAT, &s, v, &t, &f.err), &f.err);
    tn_node x = tn_constant(f.b, NULL, t), words = texts(&f, 1, 2, (const char *[]){"a", "b\"c\n\x01"});
    tn_tensor_unref(t);
    tn_attr attrs[] = {tn_attr_str("message", "m: "), tn_attr_int("summarize", 4), tn_attr_int("first_n", 2)};
    tn_op_named(f.b, "Print", "print", TN_INPUTS(x, x, words, tn_scalar(f.b, TN_INT32, 5)), attrs, 3);
    tn_attr end_attrs[] = {tn_attr_str("output_stream", "stdout"), tn_attr_str("end", "E")};
    tn_add_operation(f.b, "PrintV2", "print2", TN_INPUTS(text(&f, "told")), end_attrs, 2);
    char to[128];
    snprintf(to, sizeof to, "file://%s/log", f.folder);
    tn_attr file_attrs[] = {tn_attr_str("output_stream", to)};
    tn_add_operation(f.b, "PrintV2", "print3", TN_INPUTS(text(&f, "line")), file_attrs, 1);
    read_op(&f, "log", "log");
    assert_ok(fixture_run(&f, "print:0", NULL, &out), &f.err); /* nobody listens: that does not count */
    tn_tensor_unref(out);
    tn_session_on_print(f.s, hear, &h);
    for (int i = 0; i < 3; i++) {
        assert_ok(fixture_run(&f, "print:0", NULL, &out), &f.err);
        assert_true(TN_FLOATS(out)[5] == 5);
        tn_tensor_unref(out);
    }
    wrote(&f, "print2");
    const char *line = "stderr|m: [[0 1 2.5][3.14159274...]...][a b\\\"c\\n\\001][5]\n";
    char want[512];
    snprintf(want, sizeof want, "%s%sstdout|toldE", line, line);
    assert_string_equal(h.text, want);
    wrote(&f, "print3");
    wrote(&f, "print3");
    is_text(&f, "log:0", "line\nline\n");
    fixture_close_folder(&f);
}

/* ==== writers of summaries ==== */

static tn_node number(fixture *f, tn_dtype t, double v)
{
    return tn_scalar(f->b, t, v);
}

static void write_summary(fixture *f, const char *type, const char *name, tn_node writer, tn_node step,
                          tn_node a, tn_node b)
{
    tn_add_operation(f->b, type, name, TN_INPUTS(writer, step, a, b), TN_NO_ATTRS);
}

static void writer_graph(fixture *f)
{
    tn_node w = tn_op_named(f->b, "SummaryWriter", "w", TN_NO_INPUTS, TN_NO_ATTRS),
            step = number(f, TN_INT64, 7);
    tn_add_operation(
        f->b, "CreateSummaryFileWriter", "create",
        TN_INPUTS(w, path(f, "logs"), number(f, TN_INT32, 2), number(f, TN_INT32, 100000), text(f, ".v2")),
        TN_NO_ATTRS);
    write_summary(f, "WriteScalarSummary", "scalar", w, step, text(f, "loss"), number(f, TN_FLOAT, 2.5));
    write_summary(f, "WriteHistogramSummary", "histogram", w, step, text(f, "h"), number(f, TN_DOUBLE, 3));
    write_summary(f, "WriteHistogramSummary", "nan", w, step, text(f, "h"),
                  number(f, TN_FLOAT, (double)__builtin_nanf("")));
    tn_add_operation(f->b, "WriteSummary", "tensor",
                     TN_INPUTS(w, step, number(f, TN_INT32, 5), text(f, "t"),
                               text(f, "\x12\x03"
                                       "abc")),
                     TN_NO_ATTRS);
    tn_add_operation(f->b, "WriteRawProtoSummary", "damaged", TN_INPUTS(w, step, text(f, "\xff")),
                     TN_NO_ATTRS);
    tn_add_operation(f->b, "FlushSummaryWriter", "flush", TN_INPUTS(w), TN_NO_ATTRS);
    tn_add_operation(f->b, "CloseSummaryWriter", "close", TN_INPUTS(w), TN_NO_ATTRS);
}

/* "file", then what summaries have, as they stand in the only file of events. */
static void events_are(fixture *f, const char *want)
{
    char **names, file[512], got[256] = "";
    size_t n;
    tn_arena *a = tn_arena_new(0);
    tn_event_reader *r;
    const tn_Event *e;
    snprintf(file, sizeof file, "%s/logs", f->folder);
    assert_ok(tn_list_folder(file, a, &names, &n, &f->err), &f->err);
    assert_int_equal(n, 1);
    assert_string_equal(names[0] + strlen(names[0]) - 3, ".v2");
    snprintf(file, sizeof file, "%s/logs/%s", f->folder, names[0]);
    assert_ok(tn_event_reader_open(file, &r, &f->err), &f->err);
    while (tn_event_reader_next(r, &e, &f->err) == TN_OK) {
        size_t at = strlen(got);
        if (e->what_case == TN_Event_file_version)
            snprintf(got + at, sizeof got - at, "file");
        else
            snprintf(got + at, sizeof got - at, " %lld:%.*s", (long long)e->step,
                     (int)e->summary->value.items[0].tag.n, e->summary->value.items[0].tag.p);
        assert_true(e->wall_time > 1e9);
    }
    tn_event_reader_close(r);
    tn_arena_free(a);
    assert_string_equal(got, want);
}

static void test_summary_writer(void **state)
{
    (void)state;
    fixture f;
    fixture_open_folder(&f);
    writer_graph(&f);
    assert_code(fixture_run(&f, NULL, "scalar", NULL), TN_NOT_FOUND);
    wrote(&f, "create");
    wrote(&f, "create");
    events_are(&f, "file");
    wrote(&f, "scalar");
    wrote(&f, "histogram");
    assert_code(fixture_run(&f, NULL, "nan", NULL), TN_INVALID_ARGUMENT);
    assert_code(fixture_run(&f, NULL, "damaged", NULL), TN_DATA_LOSS);
    events_are(&f, "file"); /* two may wait */
    wrote(&f, "tensor");
    events_are(&f, "file 7:loss 7:h 7:t");
    wrote(&f, "scalar");
    wrote(&f, "flush");
    events_are(&f, "file 7:loss 7:h 7:t 7:loss");
    wrote(&f, "histogram");
    wrote(&f, "close");
    assert_code(fixture_run(&f, NULL, "scalar", NULL), TN_NOT_FOUND);
    assert_code(fixture_run(&f, NULL, "close", NULL), TN_NOT_FOUND);
    events_are(&f, "file 7:loss 7:h 7:t 7:loss 7:h");
    fixture_close_folder(&f);
}

static void test_summary_writer_goes(void **state)
{
    (void)state;
    fixture f;
    fixture_open_folder(&f);
    writer_graph(&f);
    wrote(&f, "create");
    wrote(&f, "scalar");
    tn_session_free(f.s);
    f.s = NULL;
    events_are(&f, "file 7:loss");
    fixture_close_folder(&f);
}

/* ==== RecordInput ==== orders are TensorFlow's, but for those with several readers, or a buffer of some records, which
 * change there from run to run */

static const char *const three = "f0,f1,f2";

/* a folder before each name */
static void put_records(fixture *f, const char *file, const char *const *records, int n, tn_compression c)
{
    char path[256];
    tn_buf plain = {0}, bytes = {0};
    for (int i = 0; i < n; i++) tn_record_put(&plain, records[i], strlen(records[i]));
    assert_ok(tn_deflate((tn_view){plain.n ? plain.data : "", plain.n}, c, -1, &bytes, &f->err), &f->err);
    snprintf(path, sizeof path, "%s/%s", f->folder, file);
    assert_ok(tn_file_write(path, bytes.n ? bytes.data : "", bytes.n, &f->err), &f->err);
    tn_buf_free(&plain);
    tn_buf_free(&bytes);
}

typedef struct record_row {
    const char *files;
    int64_t batch, buffer, seed, parallel;
    float shift;
    const char *packing, *want[3]; /* of runs one after another */
    tn_code code;
} record_row;

static void run_records(const record_row *c)
{
    fixture f;
    tn_buf pattern = {0};
    fixture_open_folder(&f);
    for (int k = 0; k < 3; k++) {
        char name[3] = {'f', (char)('0' + k)}, text[4][4];
        const char *records[4];
        for (int i = 0; i < 4; i++) snprintf(text[i], sizeof text[i], "%d_%d", k, i), records[i] = text[i];
        put_records(&f, name, records, 4, TN_PLAIN);
        name[0] = "zge"[k];
        put_records(&f, name, records, k == 2 ? 0 : 4, k == 2 ? TN_PLAIN : k ? TN_GZIP : TN_ZLIB);
    }
    write_op(&f, "damage", "bad", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    for (const char *p = c->files; *p; p += strcspn(p, ","), p += *p == ',') {
        tn_buf_printf(&pattern, "%s%s/", pattern.n ? "," : "", f.folder);
        tn_buf_add(&pattern, p, strcspn(p, ","));
    }
    tn_op_named(f.b, "RecordInput", "in", TN_NO_INPUTS,
                TN_ATTRS(tn_attr_str("file_pattern", pattern.data), tn_attr_int("batch_size", c->batch), tn_attr_int("file_buffer_size", c->buffer),
                         tn_attr_int("file_random_seed", c->seed), tn_attr_int("file_parallelism", c->parallel),
                         tn_attr_float("file_shuffle_shift_ratio", c->shift), tn_attr_str("compression_type", c->packing ? c->packing : "")));
    tn_buf_free(&pattern);
    wrote(&f, "damage");
    for (int i = 0; i < 3 && c->want[i]; i++) {
        tn_tensor *t;
        char got[400] = "";
        if (c->code != TN_OK) {
            refused(&f, "in:0", c->code, c->want[i]);
            continue;
        }
        assert_ok(fixture_run(&f, "in:0", NULL, &t), &f.err);
        for (int64_t k = 0; k < tn_tensor_count(t); k++)
            snprintf(got + strlen(got), sizeof got - strlen(got), "%s%.*s", k ? " " : "", (int)TN_STRINGS(t)[k].n, TN_STRINGS(t)[k].p);
        tn_tensor_unref(t);
        assert_string_equal(got, c->want[i]);
    }
    fixture_close_folder(&f);
}

static void test_records(void **state)
{
    (void)state;
    const record_row rows[] = {
        {three, 5, 10000, 301, 1, 0, NULL, {"2_0 2_3 2_1 0_0 1_1", "1_0 2_2 0_3 0_1 1_2", "1_3 0_2 2_3 1_1 1_0"}, TN_OK},
        {three, 5, 2, 301, 1, 0, NULL, {"0_3 0_1 0_2 1_3 0_0", "1_2 1_1 1_0 2_2 2_1", "2_0 2_3 2_3 2_1 2_2"}, TN_OK},
        {three, 5, 1, 301, 1, 0, NULL, {"0_3 0_2 0_1 0_0 1_3", "1_2 1_1 1_0 2_3 2_2", "2_1 2_0 2_3 2_2 2_1"}, TN_OK},
        {three, 5, -1, -7, 1, 0, NULL, {"2_3 0_2 1_2 1_0 2_0", "0_1 2_2 0_0 1_3 1_1", "2_1 0_3 1_3 2_0 2_2"}, TN_OK},
        {three, 5, 10000, 301, 1, 0.4f, NULL, {"1_0 1_3 1_1 2_0 0_1", "0_0 1_2 2_3 2_1 0_2", "0_3 2_2 0_3 2_1 2_0"}, TN_OK},
        {three, 5, 1, 301, 1, 2, NULL, {"0_3 0_2 0_1 0_0 1_3", NULL, NULL}, TN_OK},
        {three, 5, 1, 301, 3, 0, NULL, {"2_3 2_2 2_1 2_0 1_3", "1_2 1_1 1_0 0_3 0_2", "0_1 0_0 0_3 0_2 0_1"}, TN_OK},
        {"z0", 5, 100, 301, 1, 0, "ZLIB", {"0_1 0_0 0_3 0_2 0_1", "0_0 0_3 0_2 0_0 0_2", "0_1 0_3 0_1 0_0 0_3"}, TN_OK},
        {"g1", 5, 100, 301, 16, 0, "GZIP", {"1_1 1_0 1_3 1_2 1_1", NULL, NULL}, TN_OK},
        {"f0", 5, 100, 301, 16, 0, "foo", {"0_1 0_0 0_3 0_2 0_1", NULL, NULL}, TN_OK},
        {"e2,f0", 4, 100, 301, 1, 0, NULL, {"0_1 0_0 0_3 0_2", NULL, NULL}, TN_OK},
        {"f?", 0, 100, 301, 1, 0, NULL, {"", "", NULL}, TN_OK},
        {"f?", -1, 100, 301, 1, 0, NULL, {"batch_size must be non-negative but got -1", NULL, NULL}, TN_INVALID_ARGUMENT},
        {"f?", (int64_t)1 << 60, 100, 301, 1, 0, NULL, {"", NULL, NULL}, TN_RESOURCE_EXHAUSTED},
        {"f?", 1, 100, 301, -1, 0, NULL, {"file_parallelism should >= 0, got -1", NULL, NULL}, TN_INVALID_ARGUMENT},
        {"f?", 1, 100, 301, 0, 0, NULL, {"with a file_parallelism of 0 no record is ever read", NULL, NULL}, TN_INVALID_ARGUMENT},
        {"f?", 1, 0, 301, 1, 0, NULL, {"with a file_buffer_size of 0 no record is ever read", NULL, NULL}, TN_INVALID_ARGUMENT},
        {"f?", 1, 100, 301, INT64_MAX, 0, NULL, {"0_0", NULL, NULL}, TN_OK},
        {"none*", 1, 100, 301, 1, 0, NULL, {"Found no files at", "Found no files at", NULL}, TN_NOT_FOUND},
        {"e2", 1, 100, 301, 1, 0, NULL, {"Found no records in the files at", NULL, NULL}, TN_NOT_FOUND},
        {"bad", 1, 100, 301, 1, 0, NULL, {"bad", "bad", NULL}, TN_DATA_LOSS},
        {"z0", 1, 100, 301, 1, 0, NULL, {"z0", NULL, NULL}, TN_DATA_LOSS},
        {"f0", 1, 100, 301, 1, 0, "ZLIB", {"f0", NULL, NULL}, TN_DATA_LOSS},
        {".", 1, 100, 301, 1, 0, NULL, {"", NULL, NULL}, TN_FAILED_PRECONDITION},
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) run_records(&rows[i]);
}

/* ==== CalibrationStatisticsSaver ==== what TensorFlow writes */

typedef struct sample {
    float least, most;
    int n;
    int64_t bins[4];
} sample;

typedef struct calibration_row {
    int64_t method;
    sample samples[2]; /* n 0: no second one */
    const char *want;
    tn_code code;
} calibration_row;

static void calibrate(const calibration_row *c)
{
    fixture f;
    tn_node in[6];
    char path[256];
    tn_buf got = {0};
    int n = 0;
    fixture_open_folder(&f);
    snprintf(path, sizeof path, "%s/out", f.folder);
    for (int k = 0; k < 2 && (!k || c->samples[k].n); k++) {
        const sample *s = &c->samples[k];
        tn_tensor *t;
        in[n++] = tn_scalar(f.b, TN_FLOAT, (double)s->least);
        in[n++] = tn_scalar(f.b, TN_FLOAT, (double)s->most);
        assert_ok(tn_tensor_int64s(TN_INT64, s->bins, s->n, &t, &f.err), &f.err);
        in[n++] = tn_constant(f.b, NULL, t);
        tn_tensor_unref(t);
    }
    const tn_attr attrs[] = {{.name = "ids", .kind = TN_ATTR_STRING, .is_list = true, .n = n / 3, .ss = (tn_bytes[]){{"a", 1}, {"a", 1}}},
                             tn_attr_ints("calibration_methods", (int64_t[]){c->method, 1}, n / 3), tn_attr_str("output_file_path", path)};
    tn_add_operation(f.b, "CalibrationStatisticsSaver", "save", in, n, attrs, 3);
    assert_code(fixture_run(&f, NULL, "save", NULL), c->code);
    if (c->code == TN_OK) {
        assert_ok(tn_file_read(path, 0, &got, &f.err), &f.err);
        tn_arena *a = tn_arena_new(0);
        tn_CalibrationStatisticsMap *m;
        assert_ok(TN_DECODE(CalibrationStatisticsMap, ((tn_view){got.n ? got.data : "", got.n}), a, &m, &f.err), &f.err);
        char text[300] = "";
        for (size_t i = 0; i < m->statistics.n; i++) {
            const tn_CalibrationStatistics *v = m->statistics.items[i].value;
            if (v->min_max_statistics)
                snprintf(text, sizeof text, "%g %g", (double)v->min_max_statistics->global_min, (double)v->min_max_statistics->global_max);
            if (v->average_min_max_statistics)
                snprintf(text, sizeof text, "%g %g %d", (double)v->average_min_max_statistics->min_sum,
                         (double)v->average_min_max_statistics->max_sum, v->average_min_max_statistics->num_samples);
            const tn_CalibrationStatistics_HistogramStatistics *h = v->histogram_statistics;
            if (h) snprintf(text, sizeof text, "%g %g:", (double)h->bin_width, (double)h->lower_bound);
            for (size_t k = 0; h && k < h->hist_freq.n; k++)
                snprintf(text + strlen(text), sizeof text - strlen(text), " %g", (double)h->hist_freq.items[k]);
        }
        assert_string_equal(text, c->want);
        tn_arena_free(a);
        tn_buf_free(&got);
    }
    fixture_close_folder(&f);
}

static void test_calibration(void **state)
{
    (void)state;
    const sample a = {0, 8, 4, {1, 2, 3, 4}};
    const calibration_row rows[] = {
        {1, {{-1.5f, 2.5f, 3, {1, 2, 3, 0}}}, "-1.5 2.5", TN_OK},
        {7, {{-1.5f, 2.5f, 3, {1, 2, 3, 0}}, {-3.5f, 2, 1, {1, 0, 0, 0}}}, "-3.5 2.5", TN_OK},
        {1, {{NAN, INFINITY, 1, {1, 0, 0, 0}}}, "", TN_OK},
        {1, {{NAN, 4.5f, 1, {1, 0, 0, 0}}, {-1.5f, 2.5f, 1, {1, 0, 0, 0}}}, "-1.5 4.5", TN_OK},
        {1, {{INFINITY, -INFINITY, 1, {1, 0, 0, 0}}}, "", TN_OK},
        {2, {{-1.5f, 2.5f, 3, {1, 2, 3, 0}}, {-1.5f, 2.5f, 3, {1, 2, 3, 0}}}, "-3 5 2", TN_OK},
        {3, {{-1.5f, 2.5f, 3, {1, 2, 3, 0}}}, "2 -2: 1 2 3", TN_OK},
        {6, {a}, "2 0: 1 2 3 4", TN_OK},
        {3, {{0, 8, 0, {0, 0, 0, 0}}}, "", TN_OK},
        {3, {a, {0, 4, 4, {8, 16, 32, 64}}}, "2 0: 25 98 3 4", TN_OK},
        {3, {a, {1, 5, 4, {8, 16, 32, 64}}}, "2 0: 9 50 67 4", TN_OK},
        {3, {a, {1, 3, 4, {8, 16, 32, 64}}}, "2 0: 25 98 3 4", TN_OK},
        {3, {a, {-3, 1, 4, {8, 16, 32, 64}}}, "2 -4: 8 48 65 2 3 4", TN_OK},
        {3, {a, {7, 11, 4, {8, 16, 32, 64}}}, "2 0: 1 2 3 12 48 64", TN_OK},
        {3, {a, {0, 16, 4, {8, 16, 32, 64}}}, "2 0: 5 6 11 12 16 16 32 32", TN_OK},
        {3, {a, {-4, 12, 4, {8, 16, 32, 64}}}, "2 -4: 4 4 9 10 19 20 32 32", TN_OK},
        {3, {a, {1, 30, 4, {8, 16, 32, 64}}}, "2 0: 3 4 5 6 4 4 4 4 8 8 8 8 16 16 16 16", TN_OK},
        {3, {a, {20, 28, 4, {8, 16, 32, 64}}}, "2 0: 1 2 3 4 0 0 0 0 0 0 8 16 32 64", TN_OK},
        {3, {a, {-20, -12, 4, {8, 16, 32, 64}}}, "2 -20: 8 16 32 64 0 0 0 0 0 0 1 2 3 4", TN_OK},
        {3, {{3, 3, 1, {5, 0, 0, 0}}}, "", TN_INVALID_ARGUMENT}, /* TensorFlow breaks down on these */
        {3, {{0, INFINITY, 1, {5, 0, 0, 0}}}, "", TN_INVALID_ARGUMENT},
        {3, {{0, 1e-9f, 1, {5, 0, 0, 0}}, {0, 1e9f, 1, {5, 0, 0, 0}}}, "", TN_RESOURCE_EXHAUSTED},
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) calibrate(&rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_write),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_vocabularies),
        cmocka_unit_test(test_constant),
        cmocka_unit_test(test_remapped_matrix),
        cmocka_unit_test(test_iterator),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_summary_writer),
        cmocka_unit_test(test_summary_writer_goes),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_calibration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
