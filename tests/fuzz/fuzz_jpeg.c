/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_jpeg.c - one byte of choice, then a JPEG file: decoded whole or in part, and its sizes read.
 */
#include "fuzz_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    tn_image image;
    tn_error err;
    tn_view file = {(const char *)data + 1, size - 1};
    unsigned choice = data[0];
    tn_jpeg_options o = {.channels = choice & 1 ? 1 : choice & 2 ? 3 : 0,
                         .ratio = 1 << (choice >> 2 & 3),
                         .recover = choice & 16,
                         .acceptable = choice & 32 ? 0.3f : 1,
                         .crop = choice & 64,
                         .fast_dct = choice & 128,
                         .top = 1,
                         .left = 2,
                         .height = 3,
                         .width = 2,
                         .limit = 1 << 20};
    if (tn_jpeg_shape(file, &image, &err) == TN_OK && (image.width < 1 || image.height < 1)) __builtin_trap();
    if (tn_jpeg_decode(file, &o, &image, &err) != TN_OK) return 0;
    look_at_image(&image);
    return 0;
}
