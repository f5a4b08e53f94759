/* SPDX-License-Identifier: Apache-2.0
 *
 * imagefile.c - PNG and JPEG files -> tensors of bytes [height, width, channels].
 */
#include "format.h"

#define FILE_LIMIT ((size_t)1 << 30)

static tn_code decode(tn_view bytes, int channels, tn_tensor **out, tn_error *err)
{
    tn_image image;
    bool is_jpeg = bytes.n >= 2 && memcmp(bytes.p, "\xff\xd8", 2) == 0;
    const tn_jpeg_options o = {.channels = channels, .ratio = 1, .acceptable = 1};
    TN_TRY(is_jpeg ? tn_jpeg_decode(bytes, &o, &image, err) : tn_png_decode(bytes, channels, 0, &image, err));
    tn_code code =
        tn_tensor_of(TN_UINT8, &TN_SHAPE(image.height, image.width, image.channels), image.pixels, out, err);
    tn_free(image.pixels);
    return code;
}

tn_code tn_image_load(const char *path, int channels, tn_tensor **out, tn_error *err)
{
    tn_buf bytes = {0};
    tn_code code = tn_file_read(path, FILE_LIMIT, &bytes, err);
    if (code != TN_OK) return code;
    code = decode((tn_view){bytes.n ? bytes.data : "", bytes.n}, channels, out, err);
    tn_buf_free(&bytes);
    if (code != TN_OK) tn_wrap(err, "%s", path);
    return code;
}
