/* SPDX-License-Identifier: Apache-2.0
 *
 * test_sstable.c - sorted tables: TensorFlow's and LevelDB's files, our own, and damaged ones.
 */
#include "golden.h"
#include "wire/wire.h"

/* ==== helpers ==== */

static tn_code count_entries(tn_view file, size_t *n, tn_error *err)
{
    tn_table *t;
    tn_view key, value;
    *n = 0;
    TN_TRY(tn_table_open(file, &t, err));
    tn_code code;
    while ((code = tn_table_next(t, &key, &value, err)) == TN_OK) ++*n;
    tn_table_close(t);
    return code;
}

static tn_view key_number(char *text, int i)
{
    snprintf(text, 32, "layer/%04d/kernel", i);
    return tn_view_of(text);
}

/* n entries "layer/0000/kernel" -> 0.."xxxxxxxxx" */
static tn_buf table_of(const tn_table_options *o, int n)
{
    tn_error err = {0};
    tn_buf out = {0};
    tn_table_writer *w;
    char key[32];
    assert_ok(tn_table_writer_new(o, &out, &w, &err), &err);
    for (int i = 0; i < n; i++)
        tn_table_add(w, key_number(key, i * 2), (tn_view){"xxxxxxxxx", (size_t)i % 10});
    assert_ok(tn_table_finish(w, &err), &err);
    return out;
}

/* Copies the entries of a table into a new one. */
static tn_buf rewritten(tn_view file)
{
    tn_error err = {0};
    tn_buf out = {0};
    tn_table *t;
    tn_table_writer *w;
    tn_view key, value;
    assert_ok(tn_table_open(file, &t, &err), &err);
    assert_ok(tn_table_writer_new(NULL, &out, &w, &err), &err);
    while (tn_table_next(t, &key, &value, &err) == TN_OK) tn_table_add(w, key, value);
    assert_code(err.code, TN_OUT_OF_RANGE);
    assert_ok(tn_table_finish(w, &err), &err);
    tn_table_close(t);
    return out;
}

/* ==== files of others ==== */

static void tensorflows_file_is_read_and_written_the_same(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_buf file = golden("wire/checkpoint.index");
    tn_table *t;
    tn_view key, value;
    assert_ok(tn_table_open(view_of(&file), &t, &err), &err);
    assert_ok(tn_table_next(t, &key, &value, &err), &err);
    assert_int_equal(key.n, 0);
    assert_ok(tn_table_get(t, TN_VIEW("_CHECKPOINTABLE_OBJECT_GRAPH"), &value, &err), &err);
    assert_true(value.n > 0);
    assert_code(tn_table_get(t, TN_VIEW("nothing"), &value, &err), TN_NOT_FOUND);
    assert_says(&err, "nothing");
    tn_table_close(t);
    tn_buf again = rewritten(view_of(&file));
    assert_true(tn_view_eq(view_of(&file), view_of(&again)));
    tn_buf_free(&file);
    tn_buf_free(&again);
}

static void leveldbs_file_is_read(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_buf file = golden("wire/leveldb.ldb");
    tn_table *t;
    tn_view key, value;
    size_t n = 0;
    assert_ok(tn_table_open(view_of(&file), &t, &err), &err);
    while (tn_table_next(t, &key, &value, &err) == TN_OK) {
        char name[40], want[128];
        int layer = (int)n / 20, k = (int)n % 20 * 20 + layer;
        snprintf(name, sizeof name, "layer_%02d/kernel_%03d", layer, k);
        snprintf(want, sizeof want, "value %d of %s, value %d of %s", k, name, k * 7, name);
        assert_true(key.n == strlen(name) + 8 && memcmp(key.p, name, strlen(name)) == 0);
        assert_true(tn_view_is(value, want));
        n++;
    }
    assert_code(err.code, TN_OUT_OF_RANGE);
    assert_int_equal(n, 400);
    assert_ok(tn_table_seek(t, TN_VIEW("layer_07/kernel_2"), &err), &err);
    assert_ok(tn_table_next(t, &key, &value, &err), &err);
    assert_true(tn_view_starts(key, "layer_07/kernel_207"));
    tn_table_close(t);
    tn_buf_free(&file);
}

/* ==== our own ==== */

static void check_every_key(const tn_table_options *o, int n)
{
    tn_error err = {0};
    tn_buf file = table_of(o, n);
    char *exact = exact_copy(file.data, file.n), text[32];
    size_t count;
    assert_code(count_entries((tn_view){exact, file.n}, &count, &err), TN_OUT_OF_RANGE);
    assert_int_equal(count, n);
    tn_table *t;
    tn_view key, value;
    assert_ok(tn_table_open((tn_view){exact, file.n}, &t, &err), &err);
    for (int i = n - 1; i >= 0; i--) {
        assert_ok(tn_table_get(t, key_number(text, i * 2), &value, &err), &err);
        assert_int_equal(value.n, i % 10);
        assert_code(tn_table_get(t, key_number(text, i * 2 + 1), &value, &err), TN_NOT_FOUND);
        assert_ok(tn_table_seek(t, key_number(text, i * 2 - 1), &err), &err);
        for (int k = i; k < TN_MIN(n, i + 3); k++) {
            assert_ok(tn_table_next(t, &key, &value, &err), &err);
            assert_true(tn_view_eq(key, key_number(text, k * 2)));
        }
    }
    assert_ok(tn_table_seek(t, TN_VIEW("z"), &err), &err);
    assert_code(tn_table_next(t, &key, &value, &err), TN_OUT_OF_RANGE);
    assert_ok(tn_table_seek(t, TN_VIEW(""), &err), &err);
    if (n) assert_ok(tn_table_next(t, &key, &value, &err), &err);
    tn_table_close(t);
    free(exact);
    tn_buf_free(&file);
}

static void sizes_blocks_and_intervals(void **state)
{
    (void)state;
    static const int counts[] = {0, 1, 2, 16, 17, 500};
    static const tn_table_options options[] = {
        {0},
        {.block_size = 1},
        {.block_size = 200},
        {.restart_interval = 1},
        {.block_size = 900, .snappy = true},
        {.block_size = 300, .restart_interval = 3},
    };
    for (size_t i = 0; i < TN_COUNT(counts); i++)
        for (size_t k = 0; k < TN_COUNT(options); k++) check_every_key(&options[k], counts[i]);
}

static void snappy_shrinks(void **state)
{
    (void)state;
    tn_buf plain = table_of(&(tn_table_options){.restart_interval = 1}, 300);
    tn_buf small = table_of(&(tn_table_options){.restart_interval = 1, .snappy = true}, 300);
    assert_true(small.n < plain.n / 2);
    tn_buf_free(&plain);
    tn_buf_free(&small);
}

static void a_table_behind_other_bytes(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_buf out = {0};
    tn_table_writer *w;
    size_t n;
    tn_buf_str(&out, "before");
    assert_ok(tn_table_writer_new(NULL, &out, &w, &err), &err);
    tn_table_add(w, TN_VIEW(""), TN_VIEW("empty key"));
    tn_table_add(w, TN_VIEW("\xff\xff"), TN_VIEW(""));
    assert_ok(tn_table_finish(w, &err), &err);
    assert_code(count_entries((tn_view){out.data + 6, out.n - 6}, &n, &err), TN_OUT_OF_RANGE);
    assert_int_equal(n, 2);
    tn_buf_free(&out);
}

static void keys_must_ascend(void **state)
{
    (void)state;
    static const char *const second[] = {"b", "a", "", "ab"};
    for (size_t i = 0; i < TN_COUNT(second); i++) {
        tn_error err = {0};
        tn_buf out = {0};
        tn_table_writer *w;
        assert_ok(tn_table_writer_new(&(tn_table_options){.block_size = 1}, &out, &w, &err), &err);
        tn_table_add(w, TN_VIEW("b"), TN_VIEW("1"));
        tn_table_add(w, tn_view_of(second[i]), TN_VIEW("2"));
        tn_table_add(w, TN_VIEW("c"), TN_VIEW("3"));
        assert_code(tn_table_finish(w, &err), TN_INVALID_ARGUMENT);
        assert_says(&err, "does not come after 'b'");
        tn_buf_free(&out);
    }
    tn_error err = {0};
    assert_code(tn_table_finish(NULL, &err), TN_OK);
    tn_buf out = {0};
    tn_table_writer *w;
    assert_code(tn_table_writer_new(&(tn_table_options){.restart_interval = -1}, &out, &w, &err),
                TN_INVALID_ARGUMENT);
}

/* ==== damage ==== */

static void every_cut_is_found(void **state)
{
    (void)state;
    tn_buf file = table_of(&(tn_table_options){.block_size = 100}, 20);
    for (size_t n = 0; n < file.n; n++) {
        tn_error err = {0};
        char *cut = exact_copy(file.data, n);
        size_t count;
        assert_code(count_entries((tn_view){cut, n}, &count, &err), TN_DATA_LOSS);
        assert_int_equal(count, 0);
        free(cut);
    }
    tn_buf_free(&file);
}

/* Where the blocks for meta data and the index lie. */
static void handles_of(const tn_buf *file, uint64_t *meta, uint64_t *index, uint64_t *index_n)
{
    tn_view footer = {file->data + file->n - 48, 40};
    uint64_t meta_n;
    assert_true(tn_varint_get(&footer, meta) && tn_varint_get(&footer, &meta_n));
    assert_true(tn_varint_get(&footer, index) && tn_varint_get(&footer, index_n));
}

static void every_flip_is_found(void **state)
{
    (void)state;
    tn_buf file = table_of(&(tn_table_options){.block_size = 100, .snappy = true}, 20);
    uint64_t meta, index, index_n;
    handles_of(&file, &meta, &index, &index_n);
    char *bytes = exact_copy(file.data, file.n);
    for (size_t i = 0; i < file.n; i++) {
        tn_error err = {0};
        size_t count;
        bytes[i] ^= 0x21;
        tn_code code = count_entries((tn_view){bytes, file.n}, &count, &err);
        bytes[i] ^= 0x21;
        bool unread = (i >= meta && i < index) || (i >= file.n - 48 && i < file.n - 8);
        if (!unread || code != TN_OUT_OF_RANGE) assert_code(code, TN_DATA_LOSS);
    }
    free(bytes);
    tn_buf_free(&file);
}

/* Flips bytes and makes the crc right again, so that what is inside the blocks is tried. */
static void lies_behind_a_right_crc(void **state)
{
    (void)state;
    tn_buf file = table_of(&(tn_table_options){.restart_interval = 4}, 20);
    tn_table *t;
    uint64_t meta, index, index_n;
    handles_of(&file, &meta, &index, &index_n);
    const size_t starts[] = {0, (size_t)index}, sizes[] = {(size_t)meta - 5, (size_t)index_n};
    char *bytes = exact_copy(file.data, file.n);
    for (size_t b = 0; b < 2; b++) {
        char *block = bytes + starts[b];
        for (size_t i = 0; i <= sizes[b]; i++) { /* the type byte too */
            for (int value = 0; value < 256; value += 5) {
                tn_error err = {0};
                char kept = block[i];
                size_t count;
                tn_view v;
                block[i] = (char)value;
                tn_put32(block + sizes[b] + 1, tn_crc_mask(tn_crc32c(0, block, sizes[b] + 1)));
                tn_code code = count_entries((tn_view){bytes, file.n}, &count, &err);
                assert_true(code == TN_OUT_OF_RANGE || code == TN_DATA_LOSS);
                if (tn_table_open((tn_view){bytes, file.n}, &t, &err) == TN_OK) {
                    code = tn_table_get(t, TN_VIEW("layer/0014/kernel"), &v, &err);
                    assert_true(code == TN_OK || code == TN_NOT_FOUND || code == TN_DATA_LOSS);
                    tn_table_close(t);
                }
                block[i] = kept;
            }
        }
        tn_put32(block + sizes[b] + 1, tn_crc_mask(tn_crc32c(0, block, sizes[b] + 1)));
    }
    free(bytes);
    tn_buf_free(&file);
}

static void not_a_table(void **state)
{
    (void)state;
    tn_error err = {0};
    size_t n;
    assert_code(count_entries((tn_view){NULL, 0}, &n, &err), TN_DATA_LOSS);
    assert_says(&err, "only 0 bytes");
    tn_buf pb = golden("wire/saved_model.pb");
    assert_code(count_entries(view_of(&pb), &n, &err), TN_DATA_LOSS);
    assert_says(&err, "no magic number");
    tn_buf_free(&pb);
}

static void failing_memory_is_told(void **state)
{
    (void)state;
    tn_buf file = table_of(&(tn_table_options){.block_size = 100, .snappy = true}, 30);
    for (int64_t k = 1;; k++) {
        tn_error err = {0};
        size_t n;
        tn_malloc_fail_at(k);
        tn_code code = count_entries(view_of(&file), &n, &err);
        tn_malloc_fail_at(0);
        if (code == TN_OUT_OF_RANGE) break;
        assert_code(code, TN_RESOURCE_EXHAUSTED);
    }
    tn_code code = TN_RESOURCE_EXHAUSTED;
    for (int64_t k = 1; code != TN_OK; k++) {
        tn_error err = {0};
        tn_buf out = {0};
        tn_table_writer *w = NULL;
        char text[32];
        tn_malloc_fail_at(k);
        code = tn_table_writer_new(&(tn_table_options){.block_size = 100}, &out, &w, &err);
        for (int i = 0; w && i < 30; i++) tn_table_add(w, key_number(text, i), TN_VIEW("value"));
        if (w) code = tn_table_finish(w, &err);
        tn_malloc_fail_at(0);
        if (code != TN_OK) assert_code(code, TN_RESOURCE_EXHAUSTED);
        tn_buf_free(&out);
    }
    tn_buf_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensorflows_file_is_read_and_written_the_same),
        cmocka_unit_test(leveldbs_file_is_read),
        cmocka_unit_test(sizes_blocks_and_intervals),
        cmocka_unit_test(snappy_shrinks),
        cmocka_unit_test(a_table_behind_other_bytes),
        cmocka_unit_test(keys_must_ascend),
        cmocka_unit_test(every_cut_is_found),
        cmocka_unit_test(every_flip_is_found),
        cmocka_unit_test(lies_behind_a_right_crc),
        cmocka_unit_test(not_a_table),
        cmocka_unit_test(failing_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
