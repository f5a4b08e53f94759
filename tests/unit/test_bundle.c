/* SPDX-License-Identifier: Apache-2.0
 *
 * test_bundle.c - checkpoints: TensorFlow's are read, written byte for byte the same, damage is found, and a
 * failure at any point leaves the one before.
 */
#include <errno.h>

#include "format/bundle.h"
#include "place.h"

static tn_bundle *opened(const char *prefix)
{
    tn_bundle *b;
    tn_error err;
    assert_ok(tn_bundle_open(prefix, &b, &err), &err);
    return b;
}

static tn_tensor *read_one(const char *prefix, const char *name)
{
    tn_bundle *b = opened(prefix);
    tn_tensor *t;
    tn_error err;
    assert_ok(tn_bundle_read(b, name, &t, &err), &err);
    tn_bundle_close(b);
    return t;
}

/* ---- TensorFlow's own ---- */

static void test_reads_tensorflows(void **state)
{
    static const char *const names[] = {"intact", "shards_intact"};
    for (size_t i = 0; i < 2; i++) {
        const char *folder =
            golden(state, tn_arena_printf(arena_of(state), "models/ckpt_damaged/%s", names[i]));
        const char *prefix = tn_path_join(arena_of(state), folder, "m");
        tn_bundle *b = opened(prefix);
        assert_int_equal(tn_bundle_count(b), 3);
        const tn_bundle_entry *e = tn_bundle_at(b, 1);
        assert_string_equal(e->name, "dense/kernel");
        assert_int_equal(e->dtype, TN_FLOAT);
        assert_true(tn_shape_equal(&e->shape, &TN_SHAPE(40, 50)));
        for (int k = 0; k < 3; k++) {
            tn_tensor *got, *want;
            tn_error err;
            static const char *const files[] = {"tensors/dense__bias.npy", "tensors/dense__kernel.npy", "tensors/step.npy"};
            const char *name = tn_bundle_at(b, k)->name, *file = tn_path_join(arena_of(state), folder, files[k]);
            assert_ok(tn_bundle_read(b, name, &got, &err), &err);
            assert_ok(tn_tensor_load(file, &want, &err), &err);
            assert_true(tn_tensor_equal(got, want));
            tn_tensor_unref(got);
            tn_tensor_unref(want);
        }
        tn_bundle_close(b);
    }
}

static void test_writes_as_tensorflow(void **state)
{
    const char *from = golden(state, "models/ckpt_damaged/intact/m"), *to = in(state, "m");
    tn_bundle *b = opened(from);
    tn_bundle_writer *w;
    tn_error err;
    assert_ok(tn_bundle_writer_open(to, &w, &err), &err);
    for (int i = 0; i < tn_bundle_count(b); i++) {
        tn_tensor *t = read_one(from, tn_bundle_at(b, i)->name);
        assert_ok(tn_bundle_add(w, tn_bundle_at(b, i)->name, t, &err), &err);
        tn_tensor_unref(t);
    }
    assert_ok(tn_bundle_commit(w, &err), &err);
    tn_bundle_close(b);
    same_files(state, golden(state, "models/ckpt_damaged/intact/m.index"), in(state, "m.index"));
    same_files(state, golden(state, "models/ckpt_damaged/intact/m.data-00000-of-00001"),
               in(state, "m.data-00000-of-00001"));
    assert_false(tn_file_exists(in(state, "m.index.new")));
}

/* Opens it and reads all: the first error, or OK. */
static tn_code read_all(const char *prefix, tn_error *err)
{
    tn_bundle *b;
    TN_TRY(tn_bundle_open(prefix, &b, err));
    tn_code code = TN_OK;
    for (int i = 0; code == TN_OK && i < tn_bundle_count(b); i++) {
        tn_tensor *t;
        code = tn_bundle_read(b, tn_bundle_at(b, i)->name, &t, err);
        if (code == TN_OK) tn_tensor_unref(t);
    }
    tn_bundle_close(b);
    return code;
}

static void test_finds_damage(void **state)
{
    static const struct {
        const char *name;
        tn_code code;
        const char *says;
    } cases[] = {
        {"data_bit_flip", TN_DATA_LOSS, "tensor 'dense/kernel'"},
        {"data_missing", TN_NOT_FOUND, "m.data-00000-of-00001"},
        {"data_truncated", TN_DATA_LOSS, "cut short"},
        {"index_bad_magic", TN_DATA_LOSS, "m.index"},
        {"index_bit_flip", TN_DATA_LOSS, "m.index"},
        {"index_empty", TN_DATA_LOSS, "m.index"},
        {"index_missing", TN_NOT_FOUND, "m.index"},
        {"index_truncated", TN_DATA_LOSS, "m.index"},
        {"shard_missing", TN_NOT_FOUND, "m.data-00001-of-00002"},
    };
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        tn_error err = {0};
        const char *prefix =
            golden(state, tn_arena_printf(arena_of(state), "models/ckpt_damaged/%s/m", cases[i].name));
        assert_code(read_all(prefix, &err), cases[i].code);
        assert_says(&err, cases[i].says);
        assert_code(read_all(prefix, NULL) == TN_OK, false);
    }
}

/* ---- every dtype and shape ---- */

static void add(tn_bundle_writer *w, const char *name, tn_tensor *t)
{
    tn_error err;
    assert_ok(tn_bundle_add(w, name, t, &err), &err);
}

static tn_tensor *patterned(tn_dtype t, const tn_shape *shape)
{
    tn_tensor *x;
    tn_error err;
    assert_ok(tn_tensor_new(t, shape, &x, &err), &err);
    for (size_t i = 0; i < tn_tensor_bytes(x); i++)
        ((uint8_t *)x->data)[i] = t == TN_BOOL ? i & 1 : (uint8_t)(i * 37 + 11);
    return x;
}

static void test_all_dtypes(void **state)
{
    const tn_shape shapes[] = {TN_SHAPE(), TN_SHAPE(5), TN_SHAPE(2, 0, 3), TN_SHAPE(3, 2, 1, 2)};
    tn_tensor *all[TN_DTYPE_COUNT][4] = {0};
    char name[32];
    tn_bundle_writer *w;
    tn_error err;
    assert_ok(tn_bundle_writer_open(in(state, "m"), &w, &err), &err);
    for (int t = 1; t < TN_DTYPE_COUNT; t++) {
        for (int k = 0; tn_dtype_is_pod((tn_dtype)t) && k < 4; k++) {
            snprintf(name, sizeof name, "%02d/%d", t, k);
            add(w, name, all[t][k] = patterned((tn_dtype)t, &shapes[k]));
        }
    }
    assert_ok(tn_bundle_commit(w, &err), &err);
    tn_bundle *b = opened(in(state, "m"));
    for (int t = 1; t < TN_DTYPE_COUNT; t++) {
        for (int k = 0; k < 4 && all[t][k]; k++) {
            tn_tensor *got;
            snprintf(name, sizeof name, "%02d/%d", t, k);
            assert_ok(tn_bundle_read(b, name, &got, &err), &err);
            assert_true(tn_tensor_equal(got, all[t][k]));
            tn_tensor_unref(got);
            tn_tensor_unref(all[t][k]);
        }
    }
    tn_bundle_close(b);
}

static void test_strings(void **state)
{
    tn_bundle_writer *w;
    tn_error err;
    tn_tensor *t, *got;
    char big[300];
    memset(big, 'x', sizeof big);
    assert_ok(tn_tensor_new(TN_STRING, &TN_SHAPE(2, 2), &t, &err), &err);
    assert_ok(tn_string_set(t, 1, "a\0b", 3, &err), &err);
    assert_ok(tn_string_set(t, 3, big, sizeof big, &err), &err);
    assert_ok(tn_bundle_writer_open(in(state, "m"), &w, &err), &err);
    add(w, "s", t);
    assert_ok(tn_bundle_commit(w, &err), &err);
    got = read_one(in(state, "m"), "s");
    assert_true(tn_tensor_equal(got, t));
    tn_tensor_unref(got);
    tn_tensor_unref(t);

    tn_view data = content(state, in(state, "m.data-00000-of-00001"));
    for (size_t i = 0; i < data.n; i += 7) { /* any changed byte is found */
        ((char *)data.p)[i] ^= 4;
        write_file(in(state, "m.data-00000-of-00001"), data);
        ((char *)data.p)[i] ^= 4;
        assert_code(read_all(in(state, "m"), NULL), TN_DATA_LOSS);
    }
}

/* ---- slices ---- */

static void test_slice_text(void **state)
{
    (void)state;
    tn_shape full;
    tn_slice s;
    tn_error err;
    assert_ok(tn_slice_parse("10 4 0,10:2,2", &full, &s, &err), &err);
    assert_true(tn_shape_equal(&full, &TN_SHAPE(10, 4)));
    assert_int_equal(s.start[1], 2);
    assert_ok(tn_slice_parse("5 2,3", &full, &s, &err), &err);
    assert_int_equal(s.start[0] * 10 + s.length[0], 23);
    assert_ok(tn_slice_parse("5 7 -:0,7", &full, &s, &err), &err);
    assert_int_equal(s.length[0], -1);
    static const char *const bad[] = {"",
                                      "5",
                                      "5 ",
                                      "5 1",
                                      "5 1,",
                                      "5 -:-",
                                      "5 5 -",
                                      "5 x,2",
                                      "5 1,5",
                                      "99999999999999999999 -",
                                      "1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 -:-:-:-:-:-:-:-:-:-:-:-:-:-:-:-:-"};
    for (size_t i = 0; i < TN_COUNT(bad); i++)
        assert_code(tn_slice_parse(bad[i], &full, &s, &err), TN_INVALID_ARGUMENT);
}

/* As in an index that TensorFlow wrote. */
static void test_slice_key(void **state)
{
    (void)state;
    static const char want[] = "\0part/W\0\1\1\2\x84\x83\x80\x84";
    tn_buf b = {0};
    tn_bundle_slice_key("part/W", &(tn_slice){2, {4, 0}, {3, 4}}, &b);
    assert_int_equal(b.n, sizeof want - 1);
    assert_memory_equal(b.data, want, b.n);
    tn_buf_clear(&b);
    tn_bundle_slice_key("a\xff", &(tn_slice){1, {-1}, {1000}},
                        &b); /* escaped; a negative number; two bytes */
    assert_int_equal(b.n, 11);
    assert_memory_equal(b.data, "\0a\xff\0\0\1\1\1\x7f\xc3\xe8", b.n);
    tn_buf_free(&b);
}

static void write_parts(const char *prefix, int parts)
{
    static const float v[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    tn_bundle_writer *w;
    tn_error err;
    tn_tensor *a = floats(&TN_SHAPE(2, 3), v), *b = floats(&TN_SHAPE(2, 3), v + 6);
    assert_ok(tn_bundle_writer_open(prefix, &w, &err), &err);
    assert_ok(tn_bundle_add_slice(w, "p", &TN_SHAPE(4, 3), &(tn_slice){2, {0, 0}, {2, -1}}, a, &err), &err);
    if (parts > 1)
        assert_ok(tn_bundle_add_slice(w, "p", &TN_SHAPE(4, 3), &(tn_slice){2, {2, 0}, {2, -1}}, b, &err),
                  &err);
    assert_ok(tn_bundle_commit(w, &err), &err);
    tn_tensor_unref(a);
    tn_tensor_unref(b);
}

static void test_slices(void **state)
{
    tn_error err;
    tn_tensor *t;
    write_parts(in(state, "m"), 2);
    tn_bundle *b = opened(in(state, "m"));
    assert_int_equal(tn_bundle_count(b), 1);
    assert_int_equal(tn_bundle_at(b, 0)->n_slices, 2);
    assert_ok(tn_bundle_read(b, "p", &t, &err), &err);
    for (int i = 0; i < 12; i++) assert_true(TN_FLOATS(t)[i] == (float)i);
    tn_tensor_unref(t);
    assert_ok(tn_bundle_read_slice(b, "p", &(tn_slice){2, {2, 0}, {2, 3}}, &t, &err),
              &err); /* as it was stored */
    assert_true(TN_FLOATS(t)[0] == 6);
    tn_tensor_unref(t);
    assert_ok(tn_bundle_read_slice(b, "p", &(tn_slice){2, {1, 1}, {2, 2}}, &t, &err), &err); /* across both */
    assert_true(TN_FLOATS(t)[0] == 4 && TN_FLOATS(t)[3] == 8);
    tn_tensor_unref(t);
    assert_code(tn_bundle_read_slice(b, "p", &(tn_slice){2, {3, 0}, {2, 3}}, &t, &err), TN_INVALID_ARGUMENT);
    tn_bundle_close(b);
    write_parts(in(state, "half"), 1);
    assert_code(read_all(in(state, "half"), &err), TN_DATA_LOSS);
    assert_says(&err, "6 of 12");
}

/* ---- misuse, hostile indexes ---- */

static void test_refuses(void **state)
{
    tn_bundle_writer *w;
    tn_error err;
    tn_tensor *t = floats(&TN_SHAPE(2), (float[]){1, 2});
    assert_ok(tn_bundle_writer_open(in(state, "m"), &w, &err), &err);
    add(w, "a", t);
    assert_code(tn_bundle_add(w, "a", t, &err), TN_ALREADY_EXISTS);
    assert_code(tn_bundle_add(w, "b", t, &err), TN_ALREADY_EXISTS); /* the first failure stays */
    assert_code(tn_bundle_commit(w, &err), TN_ALREADY_EXISTS);
    assert_says(&err, "'a'");
    assert_false(tn_checkpoint_exists(in(state, "m")));
    assert_ok(tn_bundle_writer_open(in(state, "m"), &w, &err), &err);
    assert_code(tn_bundle_add(w, "", t, &err), TN_INVALID_ARGUMENT);
    tn_bundle_abandon(w);
    assert_ok(tn_bundle_writer_open(in(state, "m"), &w, &err), &err);
    add(w, "dense/kernel", t);
    assert_ok(tn_bundle_commit(w, &err), &err);
    tn_bundle *b = opened(in(state, "m"));
    tn_tensor *got;
    assert_code(tn_bundle_read(b, "dense/kernal", &got, &err), TN_NOT_FOUND);
    assert_says(&err, "dense/kernel");
    tn_bundle_close(b);
    tn_tensor_unref(t);
}

static void write_index(const char *path, const tn_BundleEntryProto *p, tn_dtype t, const tn_shape *shape)
{
    tn_buf table = {0}, header = {0}, value = {0};
    tn_table_writer *w;
    tn_error err;
    tn_arena *a = tn_arena_new(0);
    tn_TensorShapeProto s;
    tn_BundleEntryProto entry = *p;
    assert_ok(tn_shape_to_proto(shape, a, &s, &err), &err);
    entry.shape = &s;
    entry.dtype = t;
    assert_ok(tn_table_writer_new(NULL, &table, &w, &err), &err);
    assert_ok(TN_ENCODE(BundleHeaderProto, &(tn_BundleHeaderProto){.num_shards = 1}, &header, &err), &err);
    tn_table_add(w, (tn_view){"", 0}, (tn_view){header.data, header.n});
    assert_ok(TN_ENCODE(BundleEntryProto, &entry, &value, &err), &err);
    tn_table_add(w, TN_VIEW("x"), (tn_view){value.data, value.n});
    assert_ok(tn_table_finish(w, &err), &err);
    write_file(path, (tn_view){table.data, table.n});
    tn_buf_free(&table);
    tn_buf_free(&header);
    tn_buf_free(&value);
    tn_arena_free(a);
}

static void test_hostile_entries(void **state)
{
    static const struct {
        tn_BundleEntryProto p;
        tn_dtype t;
        tn_shape shape;
        tn_code code;
    } cases[] = {
        {{.size = 8}, TN_FLOAT, {1, {3}}, TN_DATA_LOSS},                           /* too few bytes */
        {{.size = 16, .offset = 1}, TN_FLOAT, {1, {4}}, TN_DATA_LOSS},             /* beyond the end */
        {{.size = 16, .offset = INT64_MAX - 3}, TN_FLOAT, {1, {4}}, TN_DATA_LOSS}, /* overflow */
        {{.size = -4}, TN_FLOAT, {1, {4}}, TN_DATA_LOSS},
        {{.size = 16, .shard_id = 1}, TN_FLOAT, {1, {4}}, TN_DATA_LOSS},
        {{.size = 16, .shard_id = -1}, TN_FLOAT, {1, {4}}, TN_DATA_LOSS},
        {{.size = 16}, TN_FLOAT, {2, {INT64_MAX, 8}}, TN_INVALID_ARGUMENT},
        {{.size = 16}, TN_STRING, {1, {INT64_MAX / 64}}, TN_DATA_LOSS},
        {{.size = 16}, TN_STRING, {1, {3}}, TN_DATA_LOSS},
        {{.size = 16}, TN_FLOAT, {1, {-1}}, TN_DATA_LOSS}, /* an unknown dimension */
        {{.size = 16}, TN_VARIANT, {1, {4}}, TN_UNIMPLEMENTED},
        {{.size = 16}, (tn_dtype)77, {1, {4}}, TN_UNIMPLEMENTED},
    };
    write_file(in(state, "m.data-00000-of-00001"), (tn_view){"0123456789abcdef", 16});
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        tn_error err = {0};
        write_index(in(state, "m.index"), &cases[i].p, cases[i].t, &cases[i].shape);
        assert_code(read_all(in(state, "m"), &err), cases[i].code);
        assert_says(&err, "'x'");
    }
}

/* ---- failures ---- */

static tn_code write_value(const char *prefix, float v, tn_error *err)
{
    tn_bundle_writer *w;
    tn_shape shape = TN_SHAPE(1000);
    tn_tensor *t;
    TN_TRY(tn_tensor_new(TN_FLOAT, &shape, &t, err));
    for (int i = 0; i < 1000; i++) TN_FLOATS(t)[i] = v;
    tn_code code = tn_bundle_writer_open(prefix, &w, err);
    if (code == TN_OK) {
        code = tn_bundle_add(w, "v", t, err);
        if (code == TN_OK)
            code = tn_bundle_commit(w, err);
        else
            tn_bundle_abandon(w);
    }
    tn_tensor_unref(t);
    return code;
}

static float value_there(const char *prefix)
{
    tn_tensor *t = read_one(prefix, "v");
    float v = TN_FLOATS(t)[999];
    tn_tensor_unref(t);
    return v;
}

/* Whatever write, sync or rename fails: what is there is whole, the old or the new. */
static void test_full_disk(void **state)
{
    tn_error err;
    const char *m = in(state, "m");
    bool done = false;
    assert_ok(write_value(m, 1, &err), &err);
    for (int n = 1; !done; n++) {
        assert_in_range(n, 1, 40);
        tn_file_fail_at(n, ENOSPC);
        tn_code code = write_value(m, 2, &err);
        tn_file_fail_at(0, 0);
        done = code == TN_OK;
        if (!done) assert_code(code, TN_RESOURCE_EXHAUSTED);
        float v = value_there(m);
        assert_true(v == 2 || (v == 1 && !done));
        assert_ok(write_value(m, 1, &err), &err);
    }
}

static void test_killed_between_the_renames(void **state)
{
    tn_error err;
    const char *m = in(state, "m");
    assert_ok(write_value(in(state, "n"), 2, &err), &err);
    assert_ok(write_value(m, 1, &err), &err);
    assert_ok(tn_rename(in(state, "n.index"), in(state, "m.index.new"), &err), &err);
    assert_ok(tn_rename(in(state, "n.data-00000-of-00001"), in(state, "m.data-00000-of-00001.new"), &err),
              &err);
    assert_true(value_there(m) == 1);
    assert_ok(tn_rename(in(state, "m.data-00000-of-00001.new"), in(state, "m.data-00000-of-00001"), &err),
              &err);
    assert_true(value_there(m) == 2);
    assert_ok(write_value(m, 3, &err), &err);
    assert_true(value_there(m) == 3);
    assert_false(tn_file_exists(in(state, "m.index.new")));
}

static void test_no_memory(void **state)
{
    tn_error err;
    const char *m = in(state, "m");
    write_parts(m, 2);
    for (int n = 1;; n++) {
        tn_malloc_fail_at(n);
        tn_code code = read_all(m, &err);
        tn_malloc_fail_at(0);
        if (code == TN_OK) break;
        assert_code(code, TN_RESOURCE_EXHAUSTED);
    }
    for (int n = 1;; n++) {
        tn_malloc_fail_at(n);
        tn_code code = write_value(m, 5, &err);
        tn_malloc_fail_at(0);
        if (code == TN_OK) break;
        assert_code(code, TN_RESOURCE_EXHAUSTED);
        assert_ok(read_all(m, &err), &err);
    }
}

/* Whole or not, the same as by reading all of it; also when nothing is mapped. */
static void test_check(void **state)
{
    const struct { const char *name; bool whole; } cases[] = {
        {"intact", true}, {"shards_intact", true}, {"data_bit_flip", false}, {"data_missing", false}, {"data_truncated", false},
        {"index_bad_magic", false}, {"index_bit_flip", false}, {"index_empty", false}, {"index_missing", false},
        {"index_truncated", false}, {"shard_missing", false}};
    tn_error err;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        const char *prefix = golden(state, tn_arena_printf(arena_of(state), "models/ckpt_damaged/%s/m", cases[i].name));
        tn_code code = tn_bundle_check(prefix, NULL, &err);
        if ((code == TN_OK) != cases[i].whole) fail_msg("%s: %s", cases[i].name, tn_code_name(code));
        bool before = tn_file_copies_enter(true);
        assert_false(before);
        code = read_all(prefix, &err);
        tn_file_copies_enter(before);
        if ((code == TN_OK) != cases[i].whole) fail_msg("%s copied: %s", cases[i].name, tn_code_name(code));
    }
    atomic_int cancel = 1;
    const char *intact = golden(state, "models/ckpt_damaged/intact/m");
    assert_code(tn_bundle_check(intact, &cancel, &err), TN_CANCELLED);
    assert_ok(tn_bundle_check(golden(state, "models/partitioned_variable/saved_model/1/variables/variables"), NULL, &err), &err);
    assert_ok(tn_bundle_check(golden(state, "models/ckpt_saver_v2/ckpt/model.ckpt-30"), NULL, &err), &err);
    for (int n = 1;; n++) {
        tn_malloc_fail_at(n);
        tn_code code = tn_bundle_check(intact, NULL, &err);
        tn_malloc_fail_at(0);
        if (code == TN_OK) break;
        assert_code(code, TN_RESOURCE_EXHAUSTED);
    }
}

/* ---- pages that are the file's ---- */

static tn_tensor *kept(const char *prefix, const char *name)
{
    tn_checkpoint *c;
    const tn_bundle_entry *e;
    tn_tensor *t;
    tn_error err;
    assert_ok(tn_checkpoint_open(prefix, &c, &err), &err);
    assert_ok(tn_checkpoint_find(c, name, NULL, &e, &err), &err);
    assert_ok(tn_checkpoint_read(c, e, NULL, &t, &err), &err);
    tn_checkpoint_close(c);
    return t;
}

/* They come again when they are forgotten, until somebody writes into them. */
static void test_pages_of_files(void **state)
{
    const char *prefix = in(state, "m");
    tn_tensor *large, *other, *t, *small;
    tn_bundle_writer *w;
    tn_graph *g = tn_graph_new();
    tn_session *s;
    tn_error err;
    assert_ok(tn_tensor_new(TN_FLOAT, &TN_SHAPE(1100, 1000), &large, &err), &err); /* checked in pieces */
    for (int i = 0; i < 1100000; i++) TN_FLOATS(large)[i] = (float)(i % 1000) - 7;
    assert_ok(tn_tensor_new(TN_FLOAT, &TN_SHAPE(3), &small, &err), &err);
    assert_ok(tn_bundle_writer_open(prefix, &w, &err), &err);
    assert_ok(tn_bundle_add(w, "large", large, &err), &err);
    assert_ok(tn_bundle_add(w, "small", small, &err), &err);
    assert_ok(tn_bundle_commit(w, &err), &err);
    t = kept(prefix, "small");
    assert_false(t->buffer->of_file);
    tn_tensor_unref(t);
    t = read_one(prefix, "large"); /* who has it may write into it */
    assert_false(t->buffer->of_file);
    tn_tensor_unref(t);
    const bool before = tn_file_copies_enter(true);
    t = kept(prefix, "large");
    tn_file_copies_enter(before);
    assert_false(t->buffer->of_file);
    tn_tensor_unref(t);
    t = kept(prefix, "large");
    assert_true(t->buffer->of_file);
    assert_true(tn_tensor_equal(t, large));
    tn_pages_forget(t->data, tn_tensor_bytes(t));
    assert_true(tn_tensor_equal(t, large));
    assert_ok(tn_session_new(g, NULL, &s, &err), &err);
    assert_ok(tn_session_take(s, "v", t, &err), &err);
    assert_ok(tn_session_get(s, "v", &t, &err), &err);
    assert_true(t->buffer->of_file);
    tn_tensor_unref(t);
    assert_ok(tn_tensor_new(TN_FLOAT, &large->shape, &other, &err), &err);
    assert_ok(tn_session_set(s, "v", other, &err), &err);
    assert_ok(tn_session_get(s, "v", &t, &err), &err);
    assert_false(t->buffer->of_file);
    assert_true(tn_tensor_equal(t, other));
    tn_tensor_unref(t);
    tn_session_free(s);
    tn_graph_free(g);
    tn_tensor_unref(other);
    tn_tensor_unref(small);
    tn_tensor_unref(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_reads_tensorflows), TEST(test_writes_as_tensorflow),
        TEST(test_finds_damage),      TEST(test_all_dtypes),
        TEST(test_strings),           TEST(test_slice_text),
        TEST(test_slice_key),         TEST(test_slices),
        TEST(test_refuses),           TEST(test_hostile_entries),
        TEST(test_full_disk),         TEST(test_killed_between_the_renames),
        TEST(test_no_memory),         TEST(test_check),
        TEST(test_pages_of_files),
    };
    return cmocka_run_group_tests_name("bundle", tests, NULL, NULL);
}
