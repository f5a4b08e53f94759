/* SPDX-License-Identifier: Apache-2.0
 *
 * test_tensorfile.c - tensors in files of their own: npy, JSON for strings, PNG; names of files.
 */
#include <errno.h>

#include "format/format.h"
#include "place.h"

static void check_there_and_back(void **state, const char *name, const tn_tensor *t)
{
    tn_tensor *got;
    tn_error err;
    assert_ok(tn_tensor_save(in(state, name), t, &err), &err);
    assert_ok(tn_tensor_load(in(state, name), &got, &err), &err);
    assert_true(tn_tensor_equal(t, got));
    tn_tensor_unref(got);
}

static void test_numbers(void **state)
{
    tn_tensor *t = floats(&TN_SHAPE(2, 2), (float[]){1, -2, 3.5f, 0});
    check_there_and_back(state, "a.npy", t);
    tn_tensor_unref(t);
}

static void test_strings(void **state)
{
    tn_tensor *t = strings(&TN_SHAPE(2, 2), (const char *const[]){"a", "", "b\"\\\n", "\xc3\xa9"});
    tn_error err;
    check_there_and_back(state, "s.json", t);
    assert_ok(tn_string_set(t, 1, "\xff\0\xfe", 3, &err), &err); /* no text: base64 */
    check_there_and_back(state, "s.json", t);
    assert_non_null(strstr(content(state, in(state, "s.json")).p, "b64"));
    tn_tensor_unref(t);
    t = strings(&TN_SHAPE(), (const char *const[]){"alone"});
    check_there_and_back(state, "one.json", t);
    assert_string_equal(content(state, in(state, "one.json")).p, "\"alone\"");
    tn_tensor_unref(t);
    t = strings(&TN_SHAPE(0), NULL);
    check_there_and_back(state, "none.json", t);
    tn_tensor_unref(t);
}

static void test_refuses(void **state)
{
    static const char *const bad[] = {"[1]",
                                      "[\"a\",[\"b\"]]",
                                      "[[\"a\"],\"b\"]",
                                      "[[\"a\"],[\"b\",\"c\"]]",
                                      "{\"b64\": \"?\"}",
                                      "[null]",
                                      "[[[[[[[[[[[[[[[[[\"deep\"]]]]]]]]]]]]]]]]]",
                                      "[[],[\"a\"]]"};
    tn_tensor *t;
    tn_error err;
    for (size_t i = 0; i < TN_COUNT(bad); i++) {
        write_file(in(state, "x.json"), tn_view_of(bad[i]));
        assert_code(tn_tensor_load(in(state, "x.json"), &t, &err), TN_INVALID_ARGUMENT);
        assert_says(&err, "x.json");
    }
    assert_code(tn_tensor_load(in(state, "absent.npy"), &t, &err), TN_NOT_FOUND);
    write_file(in(state, "x.npy"), TN_VIEW("no npy"));
    assert_code(tn_tensor_load(in(state, "x.npy"), &t, &err) == TN_OK, false);
    assert_says(&err, "x.npy");
}

static void test_images(void **state)
{
    tn_tensor *t, *got;
    tn_error err;
    assert_ok(tn_tensor_new(TN_UINT8, &TN_SHAPE(2, 3, 3), &t, &err), &err);
    for (int i = 0; i < 18; i++) ((uint8_t *)t->data)[i] = (uint8_t)(i * 14);
    tn_buf png = {0};
    assert_ok(tn_png_encode(t->data, 3, 2, 3, &png, &err), &err);
    write_file(in(state, "i.png"), (tn_view){png.data, png.n});
    tn_buf_free(&png);
    assert_ok(tn_image_load(in(state, "i.png"), 0, &got, &err), &err);
    assert_true(tn_tensor_equal(t, got));
    tn_tensor_unref(got);
    assert_ok(tn_image_load(in(state, "i.png"), 1, &got, &err), &err);
    assert_true(tn_shape_equal(&got->shape, &TN_SHAPE(2, 3, 1)));
    tn_tensor_unref(got);
    tn_buf jpeg = {0};
    assert_ok(tn_jpeg_encode(t->data, 3, 2, 3, &(tn_jpeg_settings){.quality = 100}, &jpeg, &err), &err);
    write_file(in(state, "i.jpg"), (tn_view){jpeg.data, jpeg.n});
    tn_buf_free(&jpeg);
    assert_ok(tn_image_load(in(state, "i.jpg"), 0, &got, &err), &err);
    assert_true(tn_shape_equal(&got->shape, &TN_SHAPE(2, 3, 3)));
    tn_tensor_unref(got);
    assert_code(tn_image_load(in(state, "absent.jpg"), 0, &got, &err), TN_NOT_FOUND);
    write_file(in(state, "i.jpg"), TN_VIEW("\xff\xd8\xff"));
    assert_code(tn_image_load(in(state, "i.jpg"), 0, &got, &err) == TN_OK, false);
    write_file(in(state, "x.png"), TN_VIEW("no png"));
    assert_code(tn_image_load(in(state, "x.png"), 0, &got, &err) == TN_OK, false);
    tn_tensor_unref(t);
}

static void test_full_disk(void **state)
{
    tn_tensor *t = floats(&TN_SHAPE(2), (float[]){1, 2});
    tn_error err;
    tn_file_fail_at(1, ENOSPC);
    assert_code(tn_tensor_save(in(state, "a.npy"), t, &err), TN_RESOURCE_EXHAUSTED);
    assert_false(tn_file_exists(in(state, "a.npy")));
    tn_tensor_unref(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_numbers), TEST(test_strings), TEST(test_refuses), TEST(test_images), TEST(test_full_disk),
    };
    return cmocka_run_group_tests_name("tensorfile", tests, NULL, NULL);
}
