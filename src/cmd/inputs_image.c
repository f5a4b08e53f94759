/* SPDX-License-Identifier: Apache-2.0
 *
 * inputs_image.c - a PNG or JPEG file as an input: its bytes where strings are wanted, otherwise its pixels from 0 to
 * 255, as a batch of one where the input's shape has a dimension more.
 */
#include "inputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_BYTES = 1 << 28 };

bool names_an_image(const char *text)
{
    static const char *const ends[] = {".png", ".jpg", ".jpeg"};
    size_t n = strlen(text);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (n > strlen(ends[i]) && !strcasecmp(text + n - strlen(ends[i]), ends[i])) return true;
    return false;
}

static tn_code read_bytes(const char *path, char **bytes, size_t *n, tn_error *err)
{
    FILE *f = fopen(path, "rb");
    if (!f) return file_error(path, err);
    long size = fseek(f, 0, SEEK_END) ? -1 : ftell(f);
    bool good = size >= 0 && size <= MOST_BYTES && !fseek(f, 0, SEEK_SET);
    *bytes = good ? malloc((size_t)size + 1) : NULL;
    good = *bytes && fread(*bytes, 1, (size_t)size, f) == (size_t)size;
    fclose(f);
    *n = (size_t)size;
    if (good) return TN_OK;
    free(*bytes);
    return usage_error(err, "%s cannot be read, or has more than %d bytes", path, MOST_BYTES);
}

/* The encoded file: one string. */
static tn_code encoded(const tn_spec *spec, const char *path, tn_tensor **out, tn_error *err)
{
    tn_shape one = {.rank = spec->shape.rank < 0 ? 0 : spec->shape.rank};
    char *bytes = NULL;
    size_t n = 0;
    tn_tensor *t;
    for (int d = 0; d < one.rank; d++) one.dim[d] = 1;
    tn_code code = read_bytes(path, &bytes, &n, err);
    if (code != TN_OK) return code;
    code = tn_tensor_new(TN_STRING, &one, &t, err);
    if (code == TN_OK && (code = tn_string_set(t, 0, bytes, n, err)) != TN_OK) tn_tensor_unref(t);
    if (code == TN_OK) *out = t;
    free(bytes);
    return code;
}

/* The input's shape with the image's sizes where it leaves them open. */
static bool image_shape(const tn_shape *wanted, const tn_shape *image, tn_shape *out)
{
    int more = wanted->rank - image->rank;
    *out = *image;
    if (wanted->rank < 0) return true;
    if (more != 0 && more != 1) return false;
    if (more) *out = (tn_shape){.rank = 4, .dim = {1, image->dim[0], image->dim[1], image->dim[2]}};
    for (int d = 0; d < out->rank; d++)
        if (wanted->dim[d] >= 0 && wanted->dim[d] != out->dim[d]) return false;
    return true;
}

tn_code input_image(const tn_spec *spec, const char *path, tn_tensor **out, tn_error *err)
{
    tn_tensor *image;
    tn_spec exact = *spec;
    int last = spec->shape.rank - 1;
    int64_t channels = spec->shape.rank >= 3 ? spec->shape.dim[last] : 0;
    if (spec->dtype == TN_STRING) return encoded(spec, path, out, err);
    if (channels != 1 && channels != 3 && channels != 4) channels = 0; /* the file's own */
    tn_code code = tn_image_load(path, (int)channels, &image, err);
    if (code != TN_OK) return code;
    if (!image_shape(&spec->shape, tn_tensor_shape(image), &exact.shape)) exact.shape = spec->shape;
    code = input_of_numbers(&exact, image, 0, tn_tensor_count(image), out, err);
    tn_tensor_unref(image);
    return code;
}
