/* SPDX-License-Identifier: Apache-2.0
 *
 * test_coding.c - varints, zigzag, words, checksums, compression.
 */
#include "golden.h"
#include "wire/wire.h"

static void varints_come_back(void **state)
{
    (void)state;
    static const uint64_t values[] = {
        0, 1, 127, 128, 300, 16383, 16384, UINT32_MAX, (uint64_t)1 << 63, UINT64_MAX};
    static const size_t sizes[] = {1, 1, 1, 2, 2, 2, 3, 5, 10, 10};
    for (size_t i = 0; i < TN_COUNT(values); i++) {
        char bytes[TN_VARINT_MOST];
        size_t n = tn_varint_put(bytes, values[i]);
        assert_int_equal(n, sizes[i]);
        assert_int_equal(tn_varint_size(values[i]), n);
        uint64_t v = 7;
        tn_view in = {bytes, n};
        assert_true(tn_varint_get(&in, &v));
        assert_true(v == values[i] && in.n == 0);
        in = (tn_view){bytes, n - 1};
        assert_false(tn_varint_get(&in, &v));
        assert_int_equal(in.n, n - 1);
    }
}

static void varints_known_and_bad(void **state)
{
    (void)state;
    uint64_t v;
    tn_view in = TN_VIEW("\xac\x02rest");
    assert_true(tn_varint_get(&in, &v));
    assert_int_equal(v, 300);
    assert_true(tn_view_is(in, "rest"));
    in = TN_VIEW("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"); /* eleven bytes */
    assert_false(tn_varint_get(&in, &v));
    in = TN_VIEW("\x80\x00"); /* longer than needed is allowed */
    assert_true(tn_varint_get(&in, &v));
    assert_int_equal(v, 0);
    in = (tn_view){NULL, 0};
    assert_false(tn_varint_get(&in, &v));
}

static void zigzag_alternates(void **state)
{
    (void)state;
    assert_int_equal(tn_zigzag(0), 0);
    assert_int_equal(tn_zigzag(-1), 1);
    assert_int_equal(tn_zigzag(1), 2);
    assert_true(tn_zigzag(INT64_MIN) == UINT64_MAX);
    static const int64_t values[] = {0, 1, -1, 63, -64, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < TN_COUNT(values); i++) assert_true(tn_unzigzag(tn_zigzag(values[i])) == values[i]);
}

static void words_are_little_endian(void **state)
{
    (void)state;
    uint8_t b[9];
    tn_put64(b + 1, 0x0807060504030201u);
    for (int i = 0; i < 8; i++) assert_int_equal(b[1 + i], i + 1);
    assert_true(tn_get64(b + 1) == 0x0807060504030201u);
    assert_int_equal(tn_get32(b + 3), 0x06050403);
}

/* ==== crc32c ==== */

static uint32_t crc_by_bits(const uint8_t *p, size_t n)
{
    uint32_t c = 0xffffffffu;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int k = 0; k < 8; k++) c = (c >> 1) ^ (0x82f63b78u & (0 - (c & 1)));
    }
    return ~c;
}

static void crc_known_values(void **state)
{
    (void)state;
    uint8_t bytes[32];
    assert_int_equal(tn_crc32c(0, "", 0), 0);
    assert_int_equal(tn_crc32c(0, "123456789", 9), 0xe3069283);
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(tn_crc32c(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(tn_crc32c(0, bytes, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++) bytes[i] = (uint8_t)i;
    assert_int_equal(tn_crc32c(0, bytes, 32), 0x46dd794e);
}

/* Long enough for what is done in several lanes, and for what is left over then. */
static void crc_of_long(void **state)
{
    (void)state;
    static uint8_t bytes[20000];
    const size_t lengths[] = {3070, 3071, 3072, 3073, 3079, 3080, 6143, 6144, 6145, 9999, sizeof bytes - 8};
    uint32_t seed = 7;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (size_t from = 0; from < 8; from += 3) {
            const uint32_t want = crc_by_bits(bytes + from, lengths[i]);
            assert_int_equal(tn_crc32c(0, bytes + from, lengths[i]), want);
            assert_int_equal(tn_crc32c(tn_crc32c(0, bytes + from, 5), bytes + from + 5, lengths[i] - 5), want);
        }
}

static void crc_ways_agree(void **state)
{
    (void)state;
    uint8_t bytes[300];
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
    for (size_t from = 0; from < 9; from++) {
        for (size_t n = 0; n + from <= sizeof bytes; n++) {
            uint32_t want = crc_by_bits(bytes + from, n);
            assert_int_equal(tn_crc32c(0, bytes + from, n), want);
            assert_int_equal(tn_crc32c_portable(0, bytes + from, n), want);
            size_t half = n / 2;
            assert_int_equal(tn_crc32c(tn_crc32c(0, bytes + from, half), bytes + from + half, n - half),
                             want);
        }
    }
}

static void crc_mask_comes_off(void **state)
{
    (void)state;
    uint32_t crc = tn_crc32c(0, "foo", 3);
    assert_int_not_equal(tn_crc_mask(crc), crc);
    assert_int_equal(tn_crc_unmask(tn_crc_mask(crc)), crc);
    assert_int_equal(tn_crc_unmask(tn_crc_unmask(tn_crc_mask(tn_crc_mask(crc)))), crc);
    assert_int_equal(tn_crc_mask(0), 0xa282ead8);
}

/* ==== compression ==== */

static void fill(tn_buf *b, size_t n)
{
    uint32_t seed = 5;
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        tn_buf_char(b, (char)(seed >> 30));
    }
}

static void deflate_comes_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 1000, 300000};
    tn_error err = {0};
    for (size_t i = 0; i < TN_COUNT(sizes); i++) {
        for (int c = TN_PLAIN; c <= TN_GZIP; c++) {
            tn_buf raw = {0}, small = {0}, back = {0};
            fill(&raw, sizes[i]);
            assert_ok(tn_deflate(view_of(&raw), (tn_compression)c, -1, &small, &err), &err);
            assert_ok(tn_inflate(view_of(&small), (tn_compression)c, sizes[i], &back, &err), &err);
            assert_true(tn_view_eq(view_of(&raw), view_of(&back)));
            if (sizes[i] > 1000 && c != TN_PLAIN) assert_true(small.n < raw.n / 2);
            tn_buf_free(&raw);
            tn_buf_free(&small);
            tn_buf_free(&back);
        }
    }
    tn_buf out = {0};
    assert_code(tn_deflate(TN_VIEW("x"), TN_ZLIB, 10, &out, &err), TN_INVALID_ARGUMENT);
}

static void inflate_has_a_limit(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_buf small = {0}, out = {0};
    char *zeros = calloc(1, 1 << 20);
    assert_ok(tn_deflate((tn_view){zeros, 1 << 20}, TN_GZIP, 9, &small, &err), &err);
    tn_buf_str(&out, "kept");
    assert_code(tn_inflate(view_of(&small), TN_GZIP, (1 << 20) - 1, &out, &err), TN_RESOURCE_EXHAUSTED);
    assert_says(&err, "more than 1048575 bytes");
    assert_string_equal(out.data, "kept");
    assert_code(tn_inflate(TN_VIEW("abc"), TN_PLAIN, 2, &out, &err), TN_RESOURCE_EXHAUSTED);
    free(zeros);
    tn_buf_free(&small);
    tn_buf_free(&out);
}

static void gzip_members_follow_one_another(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_buf two = {0}, out = {0};
    assert_ok(tn_deflate(TN_VIEW("hello "), TN_GZIP, -1, &two, &err), &err);
    assert_ok(tn_deflate(TN_VIEW("there"), TN_GZIP, -1, &two, &err), &err);
    assert_ok(tn_inflate(view_of(&two), TN_GZIP, 0, &out, &err), &err);
    assert_string_equal(out.data, "hello there");
    tn_buf_clear(&two);
    assert_ok(tn_deflate(TN_VIEW("hello"), TN_ZLIB, -1, &two, &err), &err);
    tn_buf_str(&two, "more");
    assert_code(tn_inflate(view_of(&two), TN_ZLIB, 0, &out, &err), TN_DATA_LOSS);
    assert_says(&err, "bytes after the end");
    tn_buf_free(&two);
    tn_buf_free(&out);
}

static void inflate_refuses_damage(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_buf small = {0}, out = {0}, raw = {0};
    fill(&raw, 500);
    assert_ok(tn_deflate(view_of(&raw), TN_ZLIB, -1, &small, &err), &err);
    for (size_t n = 0; n < small.n; n++) {
        char *cut = exact_copy(small.data, n);
        assert_code(tn_inflate((tn_view){cut, n}, TN_ZLIB, 0, &out, &err), TN_DATA_LOSS);
        free(cut);
    }
    for (size_t i = 0; i < small.n; i++) {
        small.data[i] ^= 0x10;
        tn_buf_clear(&out);
        tn_code code = tn_inflate(view_of(&small), TN_ZLIB, 0, &out, &err);
        if (code == TN_OK) assert_true(tn_view_eq(view_of(&out), view_of(&raw))); /* a bit of padding */
        if (code != TN_OK) assert_code(code, TN_DATA_LOSS);
        small.data[i] ^= 0x10;
    }
    for (int64_t k = 1; k <= 3; k++) {
        tn_malloc_fail_at(k);
        tn_code code = tn_inflate(view_of(&small), TN_ZLIB, 0, &out, &err);
        tn_malloc_fail_at(0);
        assert_true(code == TN_OK || code == TN_RESOURCE_EXHAUSTED);
        tn_buf_free(&out);
    }
    tn_buf_free(&small);
    tn_buf_free(&raw);
    tn_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(varints_come_back),      cmocka_unit_test(varints_known_and_bad),
        cmocka_unit_test(zigzag_alternates),      cmocka_unit_test(words_are_little_endian),
        cmocka_unit_test(crc_known_values),       cmocka_unit_test(crc_ways_agree), cmocka_unit_test(crc_of_long),
        cmocka_unit_test(crc_mask_comes_off),     cmocka_unit_test(deflate_comes_back),
        cmocka_unit_test(inflate_has_a_limit),    cmocka_unit_test(gzip_members_follow_one_another),
        cmocka_unit_test(inflate_refuses_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
