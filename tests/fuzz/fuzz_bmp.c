/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_bmp.c - one byte of choice (channels), then a BMP file: every pixel said to be there is.
 */
#include "fuzz_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int channels[] = {0, 1, 3, 4};
    if (!size) return 0;
    tn_image image;
    tn_error err;
    tn_view file = {(const char *)data + 1, size - 1};
    if (tn_bmp_decode(file, channels[data[0] % 4], 1 << 20, &image, &err) != TN_OK) return 0;
    look_at_image(&image);
    return 0;
}
