/* SPDX-License-Identifier: Apache-2.0
 *
 * test_idx.c - IDX files: every dtype, plain and gzip, cut short at every byte.
 */
#include "format/format.h"
#include "place.h"

static const uint8_t bytes_2x3[] = {0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6};
#define BYTES ((tn_view){(const char *)bytes_2x3, sizeof bytes_2x3})

static tn_code decode(tn_view v, int64_t most, size_t limit, tn_tensor **out, tn_error *err)
{
    uint8_t *copy = malloc(v.n ? v.n : 1); /* so that a sanitizer sees what is read too far */
    if (v.n) memcpy(copy, v.p, v.n);
    tn_code code = tn_idx_decode((tn_view){(char *)copy, v.n}, most, limit, out, err);
    free(copy);
    return code;
}

static void check_2x3(tn_tensor *t)
{
    assert_int_equal(t->dtype, TN_UINT8);
    assert_true(tn_shape_equal(&t->shape, &TN_SHAPE(2, 3)));
    assert_memory_equal(t->data, bytes_2x3 + 12, 6);
    tn_tensor_unref(t);
}

static void test_plain_and_gzip(void **state)
{
    tn_tensor *t;
    tn_error err;
    tn_buf gz = {0};
    assert_ok(decode(BYTES, 0, 0, &t, &err), &err);
    check_2x3(t);
    assert_ok(tn_deflate(BYTES, TN_GZIP, 6, &gz, &err), &err);
    write_file(in(state, "x.gz"), (tn_view){gz.data, gz.n});
    assert_ok(tn_idx_load(in(state, "x.gz"), 0, 0, &t, &err), &err);
    check_2x3(t);
    assert_ok(decode((tn_view){gz.data, gz.n}, 1, 0, &t, &err), &err); /* the first item only */
    assert_true(tn_shape_equal(&t->shape, &TN_SHAPE(1, 3)));
    tn_tensor_unref(t);
    for (size_t n = 0; n < gz.n; n++)
        assert_code(decode((tn_view){gz.data, n}, 0, 0, &t, &err) == TN_OK, false);
    gz.data[gz.n - 6] ^= 1; /* gzip's own check sum */
    assert_code(decode((tn_view){gz.data, gz.n}, 0, 0, &t, &err), TN_DATA_LOSS);
    tn_buf_free(&gz);
}

static void test_dtypes(void **state)
{
    (void)state;
    static const struct {
        uint8_t code;
        tn_dtype t;
        uint8_t bytes[8];
        double v;
    } cases[] = {
        {0x08, TN_UINT8, {200}, 200},        {0x09, TN_INT8, {0xff}, -1},
        {0x0b, TN_INT16, {0xff, 0xfe}, -2},  {0x0c, TN_INT32, {0, 1, 0, 0}, 65536},
        {0x0d, TN_FLOAT, {0x3f, 0xc0}, 1.5}, {0x0e, TN_DOUBLE, {0xc0, 0}, -2},
    };
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        uint8_t b[16] = {0, 0, cases[i].code, 1, 0, 0, 0, 1};
        tn_tensor *t;
        tn_error err;
        memcpy(b + 8, cases[i].bytes, 8);
        assert_ok(decode((tn_view){(char *)b, 8 + tn_dtype_size(cases[i].t)}, 0, 0, &t, &err), &err);
        assert_int_equal(t->dtype, cases[i].t);
        assert_true(tn_tensor_number(t, 0) == cases[i].v);
        tn_tensor_unref(t);
    }
}

static void test_says_what_is_short(void **state)
{
    tn_tensor *t;
    tn_error err;
    for (size_t n = 0; n < BYTES.n; n++) {
        assert_code(decode((tn_view){BYTES.p, n}, 0, 0, &t, &err), TN_DATA_LOSS);
        assert_says(&err, "cut short");
    }
    write_file(in(state, "x"), (tn_view){BYTES.p, 15});
    assert_code(tn_idx_load(in(state, "x"), 0, 0, &t, &err), TN_DATA_LOSS);
    assert_says(&err, in(state, "x"));
    assert_says(&err, "[2,3]");
    assert_code(tn_idx_load(in(state, "none"), 0, 0, &t, &err), TN_NOT_FOUND);
    uint8_t more[sizeof bytes_2x3 + 1] = {0};
    memcpy(more, bytes_2x3, sizeof bytes_2x3);
    assert_code(decode((tn_view){(char *)more, sizeof more}, 0, 0, &t, &err), TN_DATA_LOSS);
}

static void test_hostile(void **state)
{
    (void)state;
    tn_tensor *t;
    tn_error err;
    tn_buf gz = {0};
    static const uint8_t huge[] = {0,    0,    0x0e, 3,    0xff, 0xff, 0xff, 0xff,
                                   0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    assert_code(decode((tn_view){(char *)huge, sizeof huge}, 0, 0, &t, &err), TN_INVALID_ARGUMENT);
    static const uint8_t large[] = {0, 0, 8, 1, 0x7f, 0xff, 0xff, 0xff};
    assert_ok(tn_deflate((tn_view){(char *)large, sizeof large}, TN_GZIP, 6, &gz, &err), &err);
    assert_code(decode((tn_view){gz.data, gz.n}, 0, 0, &t, &err), TN_DATA_LOSS); /* before memory is taken */
    assert_code(decode((tn_view){gz.data, gz.n}, 0, 1000, &t, &err), TN_RESOURCE_EXHAUSTED);
    tn_buf_free(&gz);
    assert_code(decode(TN_VIEW("\0\0\7\1\0\0\0\0"), 0, 0, &t, &err), TN_INVALID_ARGUMENT);
    assert_code(decode(TN_VIEW("\0\0\10\377\0\0\0\0"), 0, 0, &t, &err), TN_INVALID_ARGUMENT);
    assert_code(decode(TN_VIEW("PK\3\4"), 0, 0, &t, &err), TN_INVALID_ARGUMENT);
    for (int n = 1; n < 10; n++) {
        tn_malloc_fail_at(n);
        tn_code code = tn_idx_decode(BYTES, 0, 0, &t, &err);
        tn_malloc_fail_at(0);
        if (code == TN_OK)
            tn_tensor_unref(t);
        else
            assert_code(code, TN_RESOURCE_EXHAUSTED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_plain_and_gzip),
        TEST(test_dtypes),
        TEST(test_says_what_is_short),
        TEST(test_hostile),
    };
    return cmocka_run_group_tests_name("idx", tests, NULL, NULL);
}
