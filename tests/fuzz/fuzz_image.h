/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_image.h - what the targets of image decoders do with an image: every pixel said to be there is looked at.
 */
#ifndef TN_FUZZ_IMAGE_H
#define TN_FUZZ_IMAGE_H

#include "wire/wire.h"

static inline void look_at_image(tn_image *image)
{
    volatile uint8_t sum = 0; /* so that no pixel is passed over */
    size_t n = (size_t)image->width * (size_t)image->height * (size_t)image->channels * (size_t)image->frames;
    for (size_t i = 0; i < n; i++) sum = sum ^ image->pixels[i];
    if (image->frames < 1 || n < 1) __builtin_trap();
    tn_free(image->pixels);
}

#endif
