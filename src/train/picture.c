/* SPDX-License-Identifier: Apache-2.0
 *
 * picture.c - images as text, for a terminal.
 */
#include "train.h"

static bool is_image(const tn_tensor *t, int64_t index)
{
    const tn_shape *s = &t->shape;
    if (s->rank != 3 && !(s->rank == 4 && s->dim[3] == 1)) return false;
    if (t->dtype != TN_UINT8 && t->dtype != TN_FLOAT) return false;
    bool fits = s->dim[1] >= 4 && s->dim[1] <= 128 && s->dim[2] >= 4 && s->dim[2] <= 128;
    return fits && index >= 0 && index < s->dim[0];
}

/* From 0 to 1; below the last row there is paper. */
static double pixel(const tn_tensor *t, int64_t image, int64_t row, int64_t column)
{
    if (row >= t->shape.dim[1]) return 0;
    double v = tn_tensor_number(t, (image * t->shape.dim[1] + row) * t->shape.dim[2] + column);
    v = t->dtype == TN_UINT8 ? v / 255 : v;
    return v > 0 ? TN_MIN(v, 1) : 0; /* NaN: 0 */
}

char *tn_image_text(const tn_tensor *images, int64_t index)
{
    static const char shades[] = " .:-=+*#%@";
    tn_buf out = {0};
    if (!is_image(images, index)) return NULL;
    for (int64_t r = 0; r < images->shape.dim[1]; r += 2) {
        if (r) tn_buf_char(&out, '\n');
        for (int64_t c = 0; c < images->shape.dim[2]; c++) {
            double v = (pixel(images, index, r, c) + pixel(images, index, r + 1, c)) / 2;
            tn_buf_char(&out, shades[(int)TN_MIN(v * 10, 9)]);
        }
    }
    return tn_buf_take(&out, NULL);
}
