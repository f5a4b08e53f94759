/* SPDX-License-Identifier: Apache-2.0
 *
 * test_images.c - JPEG, GIF and BMP files read, JPEG written, and WAV files: sizes, limits, damage. That the pixels are TensorFlow's
 * is the goldens' business (tests/golden/cases/imagefiles.jsonl).
 */
#include "golden.h"
#include "wire/wire.h"

static void pixels_of(uint8_t *to, int n)
{
    for (int i = 0; i < n; i++) to[i] = (uint8_t)(i * 5);
}

static void jpeg_of(tn_buf *out, int channels, bool progressive)
{
    uint8_t pixels[20 * 12 * 3];
    tn_error err = {0};
    tn_jpeg_settings s = {.quality = 90, .progressive = progressive, .x_density = 72, .y_density = 72};
    pixels_of(pixels, (int)sizeof pixels);
    assert_ok(tn_jpeg_encode(pixels, 20, 12, channels, &s, out, &err), &err);
}

/* Two frames on 3 x 2: the numbers 0 1 2 3 0 1, then 3 at column 1 of the first line. */
static const uint8_t gif[] = {'G', 'I', 'F', '8', '9', 'a', 3, 0, 2, 0, 0x81, 0, 0, 10, 11, 12, 20, 21, 22, 30, 31, 32,
                              40, 41, 42, 0x2c, 0, 0, 0, 0, 3, 0, 2, 0, 0, 2, 3, 0x44, 0x34, 0x56, 0, 0x2c, 1, 0, 0,
                              0, 1, 0, 1, 0, 0, 2, 2, 0x5c, 0x01, 0, 0x3b};

static const uint8_t bmp[] = {'B', 'M', 70, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0,
                              24, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                              1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 0, 0};

static tn_view gif_view(size_t n)
{
    return (tn_view){(const char *)gif, n};
}

static tn_view bmp_view(size_t n)
{
    return (tn_view){(const char *)bmp, n};
}

static void jpeg_comes_back(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        tn_buf b = {0};
        tn_error err = {0};
        tn_image image, shape;
        tn_jpeg_options o = {.acceptable = 1};
        jpeg_of(&b, k & 1 ? 1 : 3, k & 2);
        assert_ok(tn_jpeg_decode(view_of(&b), &o, &image, &err), &err);
        assert_ok(tn_jpeg_shape(view_of(&b), &shape, &err), &err);
        assert_int_equal(image.width, 20);
        assert_int_equal(image.height, 12);
        assert_int_equal(image.channels, k & 1 ? 1 : 3);
        assert_int_equal(shape.width * 100 + shape.height, 2012);
        tn_free(image.pixels);
        tn_buf_free(&b);
    }
}

static void jpeg_is_cropped_and_shrunk(void **state)
{
    (void)state;
    tn_buf b = {0};
    tn_error err = {0};
    tn_image whole, part, small;
    tn_jpeg_options o = {.acceptable = 1, .channels = 3};
    jpeg_of(&b, 1, false);
    assert_ok(tn_jpeg_decode(view_of(&b), &o, &whole, &err), &err);
    o = (tn_jpeg_options){.acceptable = 1, .channels = 3, .crop = true, .top = 3, .left = 9, .height = 4, .width = 6};
    assert_ok(tn_jpeg_decode(view_of(&b), &o, &part, &err), &err);
    for (int y = 0; y < 4; y++)
        assert_memory_equal(part.pixels + y * 18, whole.pixels + ((y + 3) * 20 + 9) * 3, 18);
    o.left = 15;
    assert_code(tn_jpeg_decode(view_of(&b), &o, &small, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "crop");
    o = (tn_jpeg_options){.acceptable = 1, .ratio = 8};
    assert_ok(tn_jpeg_decode(view_of(&b), &o, &small, &err), &err);
    assert_int_equal(small.width * 100 + small.height, 302);
    tn_free(whole.pixels);
    tn_free(part.pixels);
    tn_free(small.pixels);
    tn_buf_free(&b);
}

static void cut_jpeg_is_told(void **state)
{
    (void)state;
    tn_buf b = {0};
    tn_error err = {0};
    tn_image image;
    jpeg_of(&b, 3, false);
    for (size_t n = 0; n < b.n; n++) {
        tn_jpeg_options strict = {.acceptable = 1}, easy = {.acceptable = 1, .recover = true};
        char *cut = exact_copy(b.data, n);
        tn_code code = tn_jpeg_decode((tn_view){cut, n}, &strict, &image, &err);
        if (n + 8 < b.n) assert_code(code, TN_INVALID_ARGUMENT);
        if (code == TN_OK) tn_free(image.pixels);
        code = tn_jpeg_decode((tn_view){cut, n}, &easy, &image, &err);
        if (n + 20 > b.n) assert_code(code, TN_OK);
        if (code == TN_OK) tn_free(image.pixels);
        free(cut);
    }
    tn_buf_free(&b);
}

static void gif_is_drawn(void **state)
{
    (void)state;
    static const uint8_t want[] = {10, 20, 30, 40, 10, 20, 10, 40, 30, 40, 10, 20};
    tn_error err = {0};
    tn_image image;
    assert_ok(tn_gif_decode(gif_view(sizeof gif), false, 0, &image, &err), &err);
    assert_int_equal(image.frames * 100 + image.width * 10 + image.height, 232);
    for (int i = 0; i < 12; i++) assert_int_equal(image.pixels[3 * i], want[i]);
    tn_free(image.pixels);
    assert_ok(tn_gif_decode(gif_view(sizeof gif), true, 0, &image, &err), &err);
    assert_int_equal(image.frames, 1);
    tn_free(image.pixels);
    for (size_t n = 0; n < sizeof gif; n++) {
        char *cut = exact_copy((const char *)gif, n);
        tn_code code = tn_gif_decode((tn_view){cut, n}, false, 0, &image, &err);
        assert_int_equal(code, n < 41 ? TN_INVALID_ARGUMENT : TN_OK);
        if (code == TN_OK) {
            assert_int_equal(image.frames, n < 56 ? 1 : 2);
            tn_free(image.pixels);
        }
        free(cut);
    }
}

static void bmp_is_read(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_image image;
    assert_ok(tn_bmp_decode(bmp_view(sizeof bmp), 0, 0, &image, &err), &err);
    assert_memory_equal(image.pixels, "\x09\x08\x07\x0c\x0b\x0a\3\2\1\6\5\4", 12);
    tn_free(image.pixels);
    assert_ok(tn_bmp_decode(bmp_view(sizeof bmp), 4, 0, &image, &err), &err);
    assert_int_equal(image.pixels[3], 255);
    tn_free(image.pixels);
    assert_code(tn_bmp_decode(bmp_view(sizeof bmp), 1, 0, &image, &err), TN_INVALID_ARGUMENT);
    for (size_t n = 0; n < sizeof bmp; n++) {
        char *cut = exact_copy((const char *)bmp, n);
        assert_code(tn_bmp_decode((tn_view){cut, n}, 0, 0, &image, &err), TN_INVALID_ARGUMENT);
        free(cut);
    }
}

static void wav_comes_back(void **state)
{
    (void)state;
    static const int16_t samples[] = {1, -2, 300, -32768, 32767, 0};
    tn_error err = {0};
    tn_buf b = {0};
    tn_wav w;
    assert_ok(tn_wav_encode(samples, 3, 2, 8000, &b, &err), &err);
    assert_ok(tn_wav_decode(view_of(&b), &w, &err), &err);
    assert_int_equal(w.channels * 100 + (int)w.count, 203);
    assert_int_equal(w.rate, 8000);
    assert_memory_equal(w.samples, "\1\0\xfe\xff\x2c\1\0\x80\xff\x7f\0\0", 12);
    for (size_t n = 0; n < b.n; n++) {
        char *cut = exact_copy(b.data, n);
        assert_code(tn_wav_decode((tn_view){cut, n}, &w, &err), TN_INVALID_ARGUMENT);
        free(cut);
    }
    assert_code(tn_wav_encode(samples, 3, 0, 8000, &b, &err), TN_INVALID_ARGUMENT);
    assert_code(tn_wav_encode(samples, INT64_MAX, 1, 8000, &b, &err), TN_INVALID_ARGUMENT);
    tn_buf_free(&b);
}

static void limits_are_kept(void **state)
{
    (void)state;
    tn_buf b = {0};
    tn_error err = {0};
    tn_image image;
    tn_jpeg_options o = {.acceptable = 1, .limit = 20 * 12 * 3 - 1};
    jpeg_of(&b, 3, false);
    assert_code(tn_jpeg_decode(view_of(&b), &o, &image, &err), TN_RESOURCE_EXHAUSTED);
    assert_code(tn_gif_decode(gif_view(sizeof gif), false, 35, &image, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "limit");
    assert_code(tn_bmp_decode(bmp_view(sizeof bmp), 0, 11, &image, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "limit");
    uint8_t pixels[3] = {0};
    tn_jpeg_settings s = {.quality = 90};
    assert_code(tn_jpeg_encode(pixels, 70000, 1, 1, &s, &b, &err), TN_INVALID_ARGUMENT);
    assert_code(tn_jpeg_encode(pixels, 1, 1, 2, &s, &b, &err), TN_INVALID_ARGUMENT);
    tn_buf small = {.limit = 10};
    assert_code(tn_jpeg_encode(pixels, 1, 1, 3, &s, &small, &err), TN_RESOURCE_EXHAUSTED);
    tn_buf_free(&small);
    tn_buf_free(&b);
}

static tn_code decode_one(int kind, tn_view jpeg, tn_image *image, tn_error *err)
{
    tn_jpeg_options o = {.acceptable = 1};
    if (kind == 0) return tn_jpeg_decode(jpeg, &o, image, err);
    return kind == 1 ? tn_gif_decode(gif_view(sizeof gif), false, 0, image, err)
                     : tn_bmp_decode(bmp_view(sizeof bmp), 0, 0, image, err);
}

static void failing_memory_is_told(void **state)
{
    (void)state;
    tn_buf b = {0};
    jpeg_of(&b, 3, false);
    for (int kind = 0; kind < 3; kind++) {
        int64_t k = 1;
        for (;; k++) {
            tn_error err = {0};
            tn_image image;
            tn_malloc_fail_at(k);
            tn_code code = decode_one(kind, view_of(&b), &image, &err);
            tn_malloc_fail_at(0);
            if (code == TN_OK) tn_free(image.pixels);
            if (code == TN_OK) break;
            assert_int_equal(code, TN_RESOURCE_EXHAUSTED);
        }
        assert_true(k > 1);
    }
    tn_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jpeg_comes_back),
        cmocka_unit_test(jpeg_is_cropped_and_shrunk),
        cmocka_unit_test(cut_jpeg_is_told),
        cmocka_unit_test(gif_is_drawn),
        cmocka_unit_test(bmp_is_read),
        cmocka_unit_test(wav_comes_back),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(failing_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
