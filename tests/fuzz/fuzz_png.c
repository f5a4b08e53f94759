/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_png.c - one byte of choice (channels), then a PNG file: what is read must come back the same.
 */
#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    tn_image first, second;
    tn_error err;
    tn_buf png = {0};
    if (tn_png_decode((tn_view){(const char *)data + 1, size - 1}, data[0] % 5, 1 << 20, &first, &err) !=
        TN_OK)
        return 0;
    if (tn_png_encode(first.pixels, first.width, first.height, first.channels, &png, &err) != TN_OK)
        __builtin_trap();
    if (tn_png_decode((tn_view){png.data, png.n}, 0, 0, &second, &err) != TN_OK) __builtin_trap();
    size_t n = (size_t)first.width * (size_t)first.height * (size_t)first.channels;
    if (second.channels != first.channels || memcmp(first.pixels, second.pixels, n) != 0) __builtin_trap();
    tn_free(first.pixels);
    tn_free(second.pixels);
    tn_buf_free(&png);
    return 0;
}
