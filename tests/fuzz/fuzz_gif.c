/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_gif.c - one byte of choice (all frames, or the first), then a GIF file: every pixel said to be there is.
 */
#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    tn_image image;
    tn_error err;
    if (tn_gif_decode((tn_view){(const char *)data + 1, size - 1}, data[0] & 1, 1 << 20, &image, &err) != TN_OK) return 0;
    volatile uint8_t sum = 0; /* so that every pixel is looked at */
    size_t n = (size_t)image.width * (size_t)image.height * (size_t)image.channels * (size_t)image.frames;
    for (size_t i = 0; i < n; i++) sum = sum ^ image.pixels[i];
    if (image.frames < 1 || n < 1) __builtin_trap();
    tn_free(image.pixels);
    return 0;
}
