/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_gif.c - one byte of choice (all frames, or the first), then a GIF file: every pixel said to be there is.
 */
#include "fuzz_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    tn_image image;
    tn_error err;
    if (tn_gif_decode((tn_view){(const char *)data + 1, size - 1}, data[0] & 1, 1 << 20, &image, &err) != TN_OK) return 0;
    look_at_image(&image);
    return 0;
}
