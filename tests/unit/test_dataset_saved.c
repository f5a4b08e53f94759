/* SPDX-License-Identifier: Apache-2.0
 * Data sets kept in files: caches and saved ones, TensorFlow's and our own; disks that are full, memory that ends.
 */
#include <errno.h>

#include "format/format.h"
#include "golden.h"
#include "graph_fixture.h"
#include "wire/wire.h"

/* Another graph and session over the same folder. */
static void again(fixture *f)
{
    fixture_close(f);
    fixture_open_graph(f);
}

static tn_node text(fixture *f, const char *v)
{
    tn_tensor *t;
    tn_shape s = TN_SHAPE();
    assert_ok(tn_tensor_new(TN_STRING, &s, &t, &f->err), &f->err);
    assert_ok(tn_string_set(t, 0, v, strlen(v), &f->err), &f->err);
    tn_node node = tn_constant(f->b, NULL, t);
    tn_tensor_unref(t);
    return node;
}

static char *in(fixture *f, const char *name, char to[256])
{
    snprintf(to, 256, "%s/%s", f->folder, name);
    return to;
}

static bool is_there(fixture *f, const char *name)
{
    char p[256];
    return tn_file_exists(in(f, name, p));
}

static tn_node path(fixture *f, const char *name)
{
    char p[256];
    return text(f, in(f, name, p));
}

#define TEXTS                                                    \
    tn_attr_types("output_types", (tn_dtype[]){TN_STRING}, 1), { \
        .name = "output_shapes", .kind = TN_ATTR_SHAPE, .is_list = true, .n = 1, .shapes = (tn_shape[]){TN_SHAPE()} }

/* The lines of the file "a". */
static tn_node lines(fixture *f)
{
    return tn_op(f->b, "TextLineDataset", TN_INPUTS(path(f, "a"), text(f, ""), tn_scalar(f->b, TN_INT64, 0)), TN_NO_ATTRS);
}

static void write_lines(fixture *f)
{
    char p[256];
    assert_ok(tn_file_write(in(f, "a", p), "one\n\nthree\n", 11, &f->err), &f->err);
}

static void add_iterator(fixture *f, tn_node d, const char *name, const char *init, const char *next)
{
    tn_attr attrs[] = {TEXTS, tn_attr_str("shared_name", ""), tn_attr_str("container", "")};
    tn_operation *it = tn_add_operation(f->b, "IteratorV2", name, TN_NO_INPUTS, attrs, 4);
    tn_add_operation(f->b, "MakeIterator", init, TN_INPUTS(d, tn_output_of(it, 0)), TN_NO_ATTRS);
    tn_add_operation(f->b, "IteratorGetNext", next, TN_INPUTS(tn_output_of(it, 0)), attrs, 2);
}

static void start_within(fixture *f, size_t limit)
{
    const tn_session_options o = {.memory_limit = limit};
    assert_ok(tn_builder_check(f->b, &f->err), &f->err);
    assert_ok(tn_session_new(f->g, &o, &f->s, &f->err), &f->err);
    tn_session_set_checkpoints(f->s, &tn_checkpoints_of_process);
}

static void start(fixture *f)
{
    start_within(f, 0);
}

static tn_code target(fixture *f, const char *name)
{
    return tn_session_run(f->s, NULL, 0, NULL, 0, NULL, &name, 1, &f->err);
}

static void over(fixture *f, tn_node d)
{
    add_iterator(f, d, "it", "init", "next");
    start(f);
    assert_ok(target(f, "init"), &f->err);
}

static tn_code next_of(fixture *f, const char *fetch, tn_tensor **out)
{
    return tn_session_run(f->s, NULL, 0, &fetch, 1, out, NULL, 0, &f->err);
}

static void gives(fixture *f, const char *want)
{
    tn_tensor *t;
    assert_ok(next_of(f, "next:0", &t), &f->err);
    assert_int_equal(TN_STRINGS(t)->n, strlen(want));
    if (*want) assert_memory_equal(TN_STRINGS(t)->p, want, strlen(want));
    tn_tensor_unref(t);
}

static void gives_all(fixture *f)
{
    gives(f, "one");
    gives(f, "");
    gives(f, "three");
}

static void fails(fixture *f, tn_code code)
{
    tn_tensor *t;
    assert_code(next_of(f, "next:0", &t), code);
}

/* All elements, or the first failure. */
static tn_code all(fixture *f)
{
    tn_tensor *t;
    tn_code code;
    while ((code = next_of(f, "next:0", &t)) == TN_OK) tn_tensor_unref(t);
    return code;
}

/* ==== caches ==== */

static tn_node cached(fixture *f, tn_node prefix)
{
    return tn_op(f->b, "CacheDataset", TN_INPUTS(lines(f), prefix), TN_ATTRS(TEXTS));
}

static void test_cache(void **state)
{
    (void)state;
    fixture f;
    char p[256];
    fixture_open_folder(&f);
    write_lines(&f);
    over(&f, cached(&f, path(&f, "c")));
    assert_false(is_there(&f, "c_0.lockfile"));
    gives_all(&f);
    assert_true(is_there(&f, "c_0.lockfile"));
    assert_false(is_there(&f, "c.index"));
    fails(&f, TN_OUT_OF_RANGE);
    assert_false(is_there(&f, "c_0.lockfile"));
    assert_true(is_there(&f, "c.index"));
    assert_ok(tn_remove_file(in(&f, "a", p), &f.err), &f.err);
    again(&f);
    over(&f, cached(&f, path(&f, "c")));
    gives_all(&f);
    fails(&f, TN_OUT_OF_RANGE);
    assert_ok(target(&f, "init"), &f.err);
    gives(&f, "one");
    fixture_close_folder(&f);
}

/* Nothing is left of it, and the next one begins anew. */
static void test_cache_in_part(void **state)
{
    (void)state;
    fixture f;
    fixture_open_folder(&f);
    write_lines(&f);
    over(&f, cached(&f, path(&f, "c")));
    gives(&f, "one");
    again(&f);
    assert_false(is_there(&f, "c_0.lockfile"));
    assert_false(is_there(&f, "c.index"));
    over(&f, cached(&f, path(&f, "c")));
    gives_all(&f);
    fails(&f, TN_OUT_OF_RANGE);
    assert_true(is_there(&f, "c.index"));
    fixture_close_folder(&f);
}

static void test_two_caches(void **state)
{
    (void)state;
    fixture f;
    tn_tensor *t;
    fixture_open_folder(&f);
    write_lines(&f);
    tn_node d = cached(&f, path(&f, "c"));
    add_iterator(&f, d, "it2", "init2", "next2");
    over(&f, d);
    assert_ok(target(&f, "init2"), &f.err);
    gives(&f, "one");
    assert_code(next_of(&f, "next2:0", &t), TN_ALREADY_EXISTS);
    assert_says(&f.err, "concurrent caching iterator");
    assert_says(&f.err, "Created at: ");
    gives(&f, "");
    fixture_close_folder(&f);
}

/* By TensorFlow; and in folders that are not there, damaged, without access. */
static void test_cache_of_tensorflow(void **state)
{
    (void)state;
    fixture f;
    char p[1024];
    const char *source = getenv("TN_SOURCE");
    fixture_open_folder(&f);
    snprintf(p, sizeof p, "%s/tests/golden/datasets/cache", source ? source : ".");
    over(&f, cached(&f, text(&f, p)));
    gives_all(&f);
    fails(&f, TN_OUT_OF_RANGE);
    again(&f);
    write_lines(&f);
    over(&f, cached(&f, path(&f, "none/c")));
    fails(&f, TN_NOT_FOUND);
    again(&f);
    assert_ok(tn_file_write(in(&f, "d.index", p), "damaged", 7, &f.err), &f.err);
    over(&f, cached(&f, path(&f, "d")));
    fails(&f, TN_DATA_LOSS);
    again(&f);
    over(&f, cached(&f, path(&f, "c")));
    tn_session_set_checkpoints(f.s, NULL);
    fails(&f, TN_FAILED_PRECONDITION);
    again(&f);
    over(&f, cached(&f, path(&f, "c")));
    tn_session_set_outside(f.s, NULL);
    assert_code(target(&f, "init"), TN_FAILED_PRECONDITION);
    fixture_close_folder(&f);
}

/* Whatever cannot be written, there is no cache, and no lock; then there is. */
static void test_cache_on_full_disks(void **state)
{
    (void)state;
    fixture f;
    bool done = false;
    fixture_open_folder(&f);
    write_lines(&f);
    for (int n = 1; !done; n++) {
        assert_in_range(n, 1, 60);
        again(&f);
        over(&f, cached(&f, path(&f, "c")));
        tn_file_fail_at(n, ENOSPC);
        tn_code code = all(&f);
        tn_file_fail_at(0, 0);
        done = code == TN_OUT_OF_RANGE;
        if (done) break;
        assert_code(code, TN_RESOURCE_EXHAUSTED);
        assert_false(is_there(&f, "c_0.lockfile"));
        if (is_there(&f, "c.index")) { /* the folder could not be written through at last */
            again(&f);
            over(&f, cached(&f, path(&f, "c")));
            gives_all(&f);
            char p[256];
            assert_ok(tn_remove_file(in(&f, "c.index", p), &f.err), &f.err);
        }
    }
    fixture_close_folder(&f);
}

/* ==== saved ==== */

static tn_attr function(const char *attr, const char *name)
{
    return tn_attr_func(attr, name);
}

/* A data set of data sets, one after another. */
static void define_reader(fixture *f)
{
    tn_builder *inner = tn_builder_new(tn_function_graph(f->g));
    tn_node x = tn_function_arg(inner, "x", TN_VARIANT, TN_SHAPE());
    tn_function_define(f->b, "itself", inner, &x, 1);
    tn_builder_free(inner);
    tn_builder *body = tn_builder_new(tn_function_graph(f->g));
    tn_node shards = tn_function_arg(body, "shards", TN_VARIANT, TN_SHAPE());
    tn_node flat = tn_op(body, "FlatMapDataset", TN_INPUTS(shards),
                         TN_ATTRS(function("f", "itself"), tn_attr_types("Targuments", NULL, 0), TEXTS));
    tn_function_define(f->b, "reader", body, &flat, 1);
    tn_builder_free(body);
}

static tn_node loaded(fixture *f, tn_node folder, const char *compression)
{
    define_reader(f);
    return tn_op(f->b, "LoadDataset", TN_INPUTS(folder),
                 TN_ATTRS(function("reader_func", "reader"), tn_attr_types("Treader_func_args", NULL, 0),
                          tn_attr_str("compression", compression), TEXTS));
}

static tn_node saving(fixture *f, const char *to, const char *compression)
{
    tn_builder *body = tn_builder_new(tn_function_graph(f->g));
    tn_function_arg(body, "x", TN_STRING, TN_SHAPE());
    tn_node zero = tn_scalar(body, TN_INT64, 0);
    tn_function_define(f->b, "shard", body, &zero, 1);
    tn_builder_free(body);
    return tn_op(f->b, "SaveDatasetV2", TN_INPUTS(lines(f), path(f, to)),
                 TN_ATTRS(function("shard_func", "shard"), tn_attr_types("Tshard_func_args", NULL, 0),
                          tn_attr_str("compression", compression), TEXTS));
}

static void test_saved_by_tensorflow(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"plain", ""}, {"gzip", "GZIP"}, {"zlib", "ZLIB"}, {"snappy", "SNAPPY"}};
    fixture f;
    char p[1024];
    const char *source = getenv("TN_SOURCE");
    fixture_open_folder(&f);
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        again(&f);
        snprintf(p, sizeof p, "%s/tests/golden/datasets/%s", source ? source : ".", rows[i][0]);
        over(&f, loaded(&f, text(&f, p), rows[i][1]));
        gives_all(&f);
        fails(&f, TN_OUT_OF_RANGE);
    }
    again(&f); /* of another compression */
    over(&f, loaded(&f, text(&f, p), "ZLIB"));
    fails(&f, TN_DATA_LOSS);
    fixture_close_folder(&f);
}

/* What was there before stays until all is written; a run that failed leaves nothing that is read. */
static void test_saved_on_full_disks(void **state)
{
    (void)state;
    fixture f;
    bool done = false;
    fixture_open_folder(&f);
    write_lines(&f);
    over(&f, saving(&f, "s", "SNAPPY"));
    assert_code(all(&f), TN_OUT_OF_RANGE);
    for (int n = 1; !done; n++) {
        assert_in_range(n, 1, 40);
        again(&f);
        over(&f, saving(&f, "s", "SNAPPY"));
        tn_file_fail_at(n, ENOSPC);
        tn_code code = all(&f);
        tn_file_fail_at(0, 0);
        done = code == TN_OUT_OF_RANGE;
        if (!done) assert_code(code, TN_RESOURCE_EXHAUSTED);
        if (!done) fails(&f, TN_FAILED_PRECONDITION);
        again(&f);
        over(&f, loaded(&f, path(&f, "s"), "SNAPPY"));
        gives_all(&f);
        fails(&f, TN_OUT_OF_RANGE);
    }
    fixture_close_folder(&f);
}

/* ==== snapshots ==== */

static tn_node former(fixture *f, tn_node folder, const char *compression, const char *mode)
{
    return tn_op(f->b, "SnapshotDataset", TN_INPUTS(lines(f), folder),
                 TN_ATTRS(tn_attr_str("compression", compression), tn_attr_str("mode", mode), tn_attr_str("snapshot_name", "x"), TEXTS));
}

static tn_node snapshot(fixture *f, tn_node folder, const char *compression)
{
    define_reader(f);
    tn_builder *body = tn_builder_new(tn_function_graph(f->g));
    tn_function_arg(body, "x", TN_STRING, TN_SHAPE());
    tn_node zero = tn_scalar(body, TN_INT64, 0);
    tn_function_define(f->b, "shard", body, &zero, 1);
    tn_builder_free(body);
    return tn_op(f->b, "SnapshotDatasetV2", TN_INPUTS(lines(f), folder),
                 TN_ATTRS(function("reader_func", "reader"), function("shard_func", "shard"), tn_attr_types("Treader_func_args", NULL, 0),
                          tn_attr_types("Tshard_func_args", NULL, 0), tn_attr_str("compression", compression),
                          tn_attr_bool("hash_valid", true), tn_attr_int("hash", 5), TEXTS));
}

static void test_snapshots_of_tensorflow(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"former_plain", ""}, {"former_gzip", "GZIP"}, {"former_snappy", "SNAPPY"}};
    fixture f;
    char p[1024];
    const char *source = getenv("TN_SOURCE");
    fixture_open_folder(&f);
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        again(&f);
        snprintf(p, sizeof p, "%s/tests/golden/datasets/%s", source ? source : ".", rows[i][0]);
        over(&f, former(&f, text(&f, p), rows[i][1], "read"));
        gives_all(&f);
        fails(&f, TN_OUT_OF_RANGE);
    }
    again(&f); /* of another compression */
    over(&f, former(&f, text(&f, p), "GZIP", "read"));
    fails(&f, TN_DATA_LOSS);
    again(&f);
    snprintf(p, sizeof p, "%s/tests/golden/datasets/snapshot", source ? source : ".");
    over(&f, snapshot(&f, text(&f, p), ""));
    gives_all(&f);
    fails(&f, TN_OUT_OF_RANGE);
    fixture_close_folder(&f);
}

/* By our own numbers; what was not finished is not read, and begun anew. */
static void test_snapshot_by_fingerprint(void **state)
{
    (void)state;
    fixture f;
    char p[256];
    fixture_open_folder(&f);
    write_lines(&f);
    over(&f, former(&f, path(&f, "s"), "SNAPPY", "auto"));
    gives(&f, "one");
    again(&f);
    over(&f, former(&f, path(&f, "s"), "SNAPPY", "auto"));
    gives_all(&f);
    fails(&f, TN_OUT_OF_RANGE);
    again(&f);
    assert_ok(tn_remove_file(in(&f, "a", p), &f.err), &f.err);
    over(&f, former(&f, path(&f, "s"), "SNAPPY", "auto"));
    gives_all(&f);
    fails(&f, TN_OUT_OF_RANGE);
    again(&f); /* of another data set */
    over(&f, former(&f, path(&f, "s"), "GZIP", "auto"));
    fails(&f, TN_NOT_FOUND);
    fixture_close_folder(&f);
}

/* Whatever cannot be written, there is no snapshot; then there is. */
static void test_snapshots_on_full_disks(void **state)
{
    (void)state;
    fixture f;
    char p[256];
    fixture_open_folder(&f);
    write_lines(&f);
    for (int version = 1; version <= 2; version++) {
        bool done = false;
        for (int n = 1; !done; n++) {
            assert_in_range(n, 1, 40);
            again(&f);
            over(&f, version == 1 ? former(&f, path(&f, "v1"), "GZIP", "auto") : snapshot(&f, path(&f, "v2"), "SNAPPY"));
            tn_file_fail_at(n, ENOSPC);
            tn_code code = all(&f);
            tn_file_fail_at(0, 0);
            done = code == TN_OUT_OF_RANGE;
            if (!done) assert_code(code, TN_RESOURCE_EXHAUSTED);
            if (!done) fails(&f, TN_FAILED_PRECONDITION);
        }
    }
    again(&f);
    assert_ok(tn_remove_file(in(&f, "a", p), &f.err), &f.err);
    over(&f, snapshot(&f, path(&f, "v2"), "SNAPPY"));
    gives_all(&f);
    fails(&f, TN_OUT_OF_RANGE);
    fixture_close_folder(&f);
}

/* Files cut short anywhere are damaged, or end earlier. */
static void test_damaged_snapshot(void **state)
{
    (void)state;
    fixture f;
    char p[256];
    tn_buf bytes = {0};
    fixture_open_folder(&f);
    write_lines(&f);
    over(&f, former(&f, path(&f, "s"), "SNAPPY", "write"));
    assert_code(all(&f), TN_OUT_OF_RANGE);
    in(&f, "s/custom-x/custom/00000000.snapshot", p);
    assert_ok(tn_file_read(p, 0, &bytes, &f.err), &f.err);
    for (size_t n = 0; n < bytes.n; n++) {
        again(&f);
        assert_ok(tn_file_write(p, bytes.data, n, &f.err), &f.err);
        over(&f, former(&f, path(&f, "s"), "SNAPPY", "read"));
        tn_code code = all(&f);
        assert_true(code == TN_DATA_LOSS || code == TN_OUT_OF_RANGE);
    }
    tn_buf_free(&bytes);
    fixture_close_folder(&f);
}

/* What small files expand to is held against the session's limit. */
static void test_snapshots_beyond_the_limit(void **state)
{
    (void)state;
    enum { MANY = 4 << 20, LIMIT = 1 << 20 };
    char p[256], *zeros = tn_calloc(MANY, 1);
    fixture f;
    fixture_open_folder(&f);
    assert_ok(tn_file_write(in(&f, "a", p), zeros, MANY, &f.err), &f.err);
    for (int k = 0; k < 6; k++) {
        const bool read = k % 2;
        again(&f);
        if (k < 2) add_iterator(&f, former(&f, path(&f, "v1"), "SNAPPY", read ? "read" : "write"), "it", "init", "next");
        else add_iterator(&f, snapshot(&f, path(&f, k < 4 ? "v2" : "v3"), k < 4 ? "GZIP" : "SNAPPY"), "it", "init", "next");
        start_within(&f, read ? LIMIT : 0);
        assert_ok(target(&f, "init"), &f.err);
        assert_code(all(&f), read ? TN_RESOURCE_EXHAUSTED : TN_OUT_OF_RANGE);
    }
    fixture_close_folder(&f);
    tn_free(zeros);
}

static void memory_ends_in(fixture *f)
{
    tn_code code = TN_RESOURCE_EXHAUSTED;
    for (int n = 1; code == TN_RESOURCE_EXHAUSTED; n++) {
        assert_in_range(n, 1, 3000);
        tn_malloc_fail_at(n);
        code = target(f, "init");
        if (code == TN_OK) code = all(f);
        tn_malloc_fail_at(0);
    }
    assert_code(code, TN_OUT_OF_RANGE);
}

static void test_memory_ends_in_snapshots(void **state)
{
    (void)state;
    fixture f;
    fixture_open_folder(&f);
    write_lines(&f);
    for (int i = 0; i < 4; i++) {
        again(&f);
        over(&f, i < 2 ? former(&f, path(&f, "v1"), "SNAPPY", i ? "read" : "write") : snapshot(&f, path(&f, "v2"), "GZIP"));
        assert_code(all(&f), TN_OUT_OF_RANGE);
        memory_ends_in(&f);
    }
    fixture_close_folder(&f);
}

/* A shard's folder and one of its files as data sets. */
static void test_parts(void **state)
{
    (void)state;
    fixture f;
    char p[1024];
    tn_arena *a = tn_arena_new(0);
    char **names;
    size_t n;
    const char *source = getenv("TN_SOURCE"), *run = NULL;
    fixture_open_folder(&f);
    snprintf(p, sizeof p, "%s/tests/golden/datasets/snappy", source ? source : ".");
    assert_ok(tn_list_folder(p, a, &names, &n, &f.err), &f.err);
    for (size_t i = 0; i < n; i++)
        if (names[i][0] >= '0' && names[i][0] <= '9') run = names[i];
    assert_non_null(run);
    const char *shard = tn_arena_printf(a, "%s/%s/00000000.shard", p, run), *file = tn_arena_printf(a, "%s/00000000.snapshot", shard);
    again(&f);
    over(&f, tn_op(f.b, "SnapshotDatasetReader", TN_INPUTS(text(&f, shard), tn_scalar(f.b, TN_INT64, 1)),
                   TN_ATTRS(tn_attr_str("compression", "SNAPPY"), tn_attr_int("version", 2), TEXTS)));
    gives(&f, "");
    gives(&f, "three");
    fails(&f, TN_OUT_OF_RANGE);
    again(&f);
    over(&f, tn_op(f.b, "SnapshotChunkDataset", TN_INPUTS(text(&f, file)), TN_ATTRS(tn_attr_str("compression", "SNAPPY"), TEXTS)));
    gives_all(&f);
    fails(&f, TN_OUT_OF_RANGE);
    again(&f);
    over(&f, tn_op(f.b, "SnapshotChunkDataset", TN_INPUTS(path(&f, "none")), TN_ATTRS(TEXTS)));
    fails(&f, TN_NOT_FOUND);
    again(&f);
    tn_op_named(f.b, "SnapshotDatasetReader", "old", TN_INPUTS(text(&f, shard), tn_scalar(f.b, TN_INT64, 1)),
                TN_ATTRS(tn_attr_int("version", 1), TEXTS));
    start(&f);
    assert_code(target(&f, "old"), TN_UNIMPLEMENTED);
    tn_arena_free(a);
    fixture_close_folder(&f);
}

static void test_memory_ends(void **state)
{
    (void)state;
    fixture f;
    fixture_open_folder(&f);
    write_lines(&f);
    over(&f, saving(&f, "s", "GZIP"));
    assert_code(all(&f), TN_OUT_OF_RANGE);
    again(&f);
    over(&f, loaded(&f, path(&f, "s"), "GZIP"));
    assert_code(all(&f), TN_OUT_OF_RANGE); /* whatever is planned has been */
    memory_ends_in(&f);
    fixture_close_folder(&f);
}

/* ==== snappy's streams ==== */

static void test_snappy(void **state)
{
    (void)state;
    tn_error err;
    tn_buf in = {0}, packed = {0}, out = {0};
    for (int i = 0; i < 300000; i++) tn_buf_char(&in, (char)(i % 251 * (i / 1000)));
    assert_ok(tn_snappy_squeeze((tn_view){in.data, in.n}, &packed, &err), &err);
    assert_ok(tn_snappy_expand((tn_view){packed.data, packed.n}, 0, &out, &err), &err);
    assert_int_equal(out.n, in.n);
    assert_memory_equal(out.data, in.data, in.n);
    tn_buf_clear(&out);
    assert_code(tn_snappy_expand((tn_view){packed.data, packed.n}, 1000, &out, &err), TN_RESOURCE_EXHAUSTED);
    tn_buf_clear(&out);
    assert_code(tn_snappy_expand((tn_view){packed.data, packed.n - 1}, 0, &out, &err), TN_DATA_LOSS);
    tn_buf_clear(&out);
    assert_code(tn_snappy_expand((tn_view){packed.data, 3}, 0, &out, &err), TN_DATA_LOSS);
    static const char lies[] = "\0\0\0\x05\xff\xff\xff\xff\x0f"; /* 4 GB in five bytes */
    assert_code(tn_snappy_expand((tn_view){lies, 9}, 0, &out, &err), TN_DATA_LOSS);
    tn_buf_clear(&out);
    packed.data[30] ^= 0x55;
    tn_code code = tn_snappy_expand((tn_view){packed.data, packed.n}, 0, &out, &err);
    assert_true(code == TN_DATA_LOSS || code == TN_OK);
    tn_buf_free(&in);
    tn_buf_free(&packed);
    tn_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_cache_in_part),
        cmocka_unit_test(test_two_caches),
        cmocka_unit_test(test_cache_of_tensorflow),
        cmocka_unit_test(test_cache_on_full_disks),
        cmocka_unit_test(test_saved_by_tensorflow),
        cmocka_unit_test(test_saved_on_full_disks),
        cmocka_unit_test(test_snapshots_of_tensorflow),
        cmocka_unit_test(test_snapshot_by_fingerprint),
        cmocka_unit_test(test_snapshots_on_full_disks),
        cmocka_unit_test(test_damaged_snapshot),
        cmocka_unit_test(test_snapshots_beyond_the_limit),
        cmocka_unit_test(test_memory_ends_in_snapshots),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_memory_ends),
        cmocka_unit_test(test_snappy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
