/* SPDX-License-Identifier: Apache-2.0
 *
 * test_png.c - PNG images written and read.
 */
#include "golden.h"
#include "wire/wire.h"

static void pixels_of(uint8_t *to, int w, int h, int c)
{
    for (int i = 0; i < w * h * c; i++) to[i] = (uint8_t)(i * 37 + i / 7);
}

static void images_come_back(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {3, 5}, {64, 2}, {17, 40}};
    for (size_t s = 0; s < TN_COUNT(sizes); s++) {
        for (int c = 1; c <= 4; c++) {
            tn_error err = {0};
            int w = sizes[s][0], h = sizes[s][1];
            uint8_t pixels[64 * 40 * 4];
            pixels_of(pixels, w, h, c);
            tn_buf png = {0};
            tn_image back;
            assert_ok(tn_png_encode(pixels, w, h, c, &png, &err), &err);
            assert_memory_equal(png.data, "\x89PNG\r\n\x1a\n", 8);
            assert_ok(tn_png_decode(view_of(&png), 0, 0, &back, &err), &err);
            assert_int_equal(back.width, w);
            assert_int_equal(back.height, h);
            assert_int_equal(back.channels, c);
            assert_memory_equal(back.pixels, pixels, (size_t)(w * h * c));
            tn_free(back.pixels);
            tn_buf_free(&png);
        }
    }
}

static void channels_are_converted(void **state)
{
    (void)state;
    static const uint8_t gray[] = {0, 100, 255}, rgba[] = {9, 9, 9, 128, 200, 200, 200, 255};
    tn_error err = {0};
    tn_buf png = {0};
    tn_image i;
    assert_ok(tn_png_encode(gray, 3, 1, 1, &png, &err), &err);
    assert_ok(tn_png_decode(view_of(&png), 3, 0, &i, &err), &err);
    assert_memory_equal(i.pixels, "\0\0\0ddd\xff\xff\xff", 9);
    tn_free(i.pixels);
    assert_ok(tn_png_decode(view_of(&png), 4, 0, &i, &err), &err);
    assert_memory_equal(i.pixels,
                        "\0\0\0\xff"
                        "ddd\xff\xff\xff\xff\xff",
                        12);
    tn_free(i.pixels);
    tn_buf_clear(&png);
    assert_ok(tn_png_encode(rgba, 2, 1, 4, &png, &err), &err);
    assert_ok(tn_png_decode(view_of(&png), 1, 0, &i, &err), &err);
    assert_int_equal(i.channels, 1);
    assert_memory_equal(i.pixels, "\x09\xc8", 2);
    tn_free(i.pixels);
    assert_ok(tn_png_decode(view_of(&png), 2, 0, &i, &err), &err);
    assert_memory_equal(i.pixels, "\x09\x80\xc8\xff", 4);
    tn_free(i.pixels);
    tn_buf_free(&png);
}

/* Files with palette, palette and transparency, 16 bits, 2 bits: 8 bits come out. */
static void other_depths_become_eight_bits(void **state)
{
    (void)state;
    static const uint8_t palette[] = {
        0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00,
        0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x01, 0x03, 0x00, 0x00, 0x00, 0xce, 0xec, 0xed, 0xc9, 0x00,
        0x00, 0x00, 0x06, 0x50, 0x4c, 0x54, 0x45, 0x01, 0x02, 0x03, 0xf0, 0xf1, 0xf2, 0xed, 0x9e, 0xa6, 0xf8,
        0x00, 0x00, 0x00, 0x0a, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x70, 0x00, 0x00, 0x00, 0x42, 0x00,
        0x41, 0x84, 0xbf, 0x8e, 0x62, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
    static const uint8_t transparent[] = {
        0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00,
        0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x01, 0x03, 0x00, 0x00, 0x00, 0xce, 0xec, 0xed, 0xc9, 0x00,
        0x00, 0x00, 0x06, 0x50, 0x4c, 0x54, 0x45, 0x01, 0x02, 0x03, 0xf0, 0xf1, 0xf2, 0xed, 0x9e, 0xa6, 0xf8,
        0x00, 0x00, 0x00, 0x02, 0x74, 0x52, 0x4e, 0x53, 0x07, 0xff, 0x14, 0xd0, 0xb4, 0x72, 0x00, 0x00, 0x00,
        0x0a, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x70, 0x00, 0x00, 0x00, 0x42, 0x00, 0x41, 0x84, 0xbf,
        0x8e, 0x62, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
    static const uint8_t gray16[] = {0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d,
                                     0x49, 0x48, 0x44, 0x52, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01,
                                     0x10, 0x00, 0x00, 0x00, 0x00, 0x81, 0xd9, 0xfc, 0x15, 0x00, 0x00, 0x00,
                                     0x0d, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x10, 0x32, 0xf9, 0xcf,
                                     0x08, 0x00, 0x02, 0xe8, 0x01, 0x47, 0x30, 0xad, 0x6b, 0x94, 0x00, 0x00,
                                     0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
    static const uint8_t gray2[] = {
        0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00,
        0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x96, 0xe7, 0x48, 0xb0, 0x00,
        0x00, 0x00, 0x0a, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x90, 0x06, 0x00, 0x00, 0x1d, 0x00, 0x1c,
        0x23, 0x7c, 0x8f, 0xac, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
    static const struct {
        const uint8_t *bytes;
        size_t n;
        int channels;
        const char *pixels;
        size_t want;
    } cases[] = {
        {palette, sizeof palette, 3, "\1\2\3\xf0\xf1\xf2", 6},
        {transparent, sizeof transparent, 4, "\1\2\3\7\xf0\xf1\xf2\xff", 8},
        {gray16, sizeof gray16, 1, "\x12\xff", 2},
        {gray2, sizeof gray2, 1, "\0\x55\xaa\xff", 4},
    };
    for (size_t k = 0; k < TN_COUNT(cases); k++) {
        tn_error err = {0};
        tn_image i;
        assert_ok(tn_png_decode((tn_view){(const char *)cases[k].bytes, cases[k].n}, 0, 0, &i, &err), &err);
        assert_int_equal(i.channels, cases[k].channels);
        assert_memory_equal(i.pixels, cases[k].pixels, cases[k].want);
        tn_free(i.pixels);
    }
}

static void limits_are_kept(void **state)
{
    (void)state;
    static const uint8_t pixels[300];
    tn_error err = {0};
    tn_buf png = {0};
    tn_image i;
    assert_ok(tn_png_encode(pixels, 10, 10, 3, &png, &err), &err);
    assert_code(tn_png_decode(view_of(&png), 0, 299, &i, &err), TN_RESOURCE_EXHAUSTED);
    assert_ok(tn_png_decode(view_of(&png), 0, 300, &i, &err), &err);
    tn_free(i.pixels);
    tn_buf_free(&png);
    assert_code(tn_png_encode(pixels, 0, 1, 1, &png, &err), TN_INVALID_ARGUMENT);
    assert_code(tn_png_encode(pixels, 1, -1, 1, &png, &err), TN_INVALID_ARGUMENT);
    assert_code(tn_png_encode(pixels, 1, 1, 5, &png, &err), TN_INVALID_ARGUMENT);
    assert_code(tn_png_decode(TN_VIEW("x"), 5, 0, &i, &err), TN_INVALID_ARGUMENT);
    tn_buf small = {.limit = 40};
    tn_buf_str(&small, "kept");
    assert_code(tn_png_encode(pixels, 10, 10, 3, &small, &err), TN_RESOURCE_EXHAUSTED);
    tn_buf_free(&small);
}

static void damage_is_told(void **state)
{
    (void)state;
    uint8_t pixels[12 * 9 * 3];
    pixels_of(pixels, 12, 9, 3);
    tn_error err = {0};
    tn_buf png = {0};
    tn_image i;
    assert_code(tn_png_decode(TN_VIEW("not a png at all"), 0, 0, &i, &err), TN_DATA_LOSS);
    assert_ok(tn_png_encode(pixels, 12, 9, 3, &png, &err), &err);
    for (size_t n = 0; n < png.n; n++) {
        char *cut = exact_copy(png.data, n);
        assert_code(tn_png_decode((tn_view){cut, n}, 0, 0, &i, &err), TN_DATA_LOSS);
        assert_says(&err, "PNG: ");
        free(cut);
    }
    for (size_t k = 0; k < png.n; k++) {
        png.data[k] ^= 0x41;
        tn_code code = tn_png_decode(view_of(&png), 0, 1 << 20, &i, &err);
        if (code == TN_OK) tn_free(i.pixels);
        png.data[k] ^= 0x41;
    }
    tn_buf_free(&png);
}

static void failing_memory_is_told(void **state)
{
    (void)state;
    uint8_t pixels[12 * 9 * 3];
    pixels_of(pixels, 12, 9, 3);
    tn_buf png = {0};
    tn_error err = {0};
    for (int64_t k = 1;; k++) {
        tn_malloc_fail_at(k);
        tn_code code = tn_png_encode(pixels, 12, 9, 3, &png, &err);
        tn_malloc_fail_at(0);
        if (code == TN_OK) break;
        assert_int_equal(code, TN_RESOURCE_EXHAUSTED);
        tn_buf_free(&png);
    }
    for (int64_t k = 1;; k++) {
        tn_image i;
        tn_malloc_fail_at(k);
        tn_code code = tn_png_decode(view_of(&png), 0, 0, &i, &err);
        tn_malloc_fail_at(0);
        if (code == TN_OK) {
            tn_free(i.pixels);
            break;
        }
        assert_int_equal(code, TN_RESOURCE_EXHAUSTED);
    }
    tn_buf_free(&png);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_come_back),
        cmocka_unit_test(channels_are_converted),
        cmocka_unit_test(other_depths_become_eight_bits),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(damage_is_told),
        cmocka_unit_test(failing_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
