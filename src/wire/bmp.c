/* SPDX-License-Identifier: Apache-2.0
 *
 * bmp.c - uncompressed BMP images -> pixels. Only what stands in the header's fixed places is looked at, and the
 * pixels must fill the file to its end.
 */
#include "wire.h"

#define HEADER 32 /* bytes up to the bits of a pixel */

typedef struct bitmap {
    int64_t at, width, height, row; /* where pixels begin; bytes of a row in the file */
    int channels;                   /* in the file */
    bool top_down;
} bitmap;

static tn_code read_header(tn_view in, bitmap *b, tn_error *err)
{
    if (in.n < HEADER || in.p[0] != 'B' || in.p[1] != 'M')
        return tn_fail(err, TN_INVALID_ARGUMENT, "Incomplete bmp content, requires at least %d bytes, got %zu", HEADER,
                       in.n);
    int bits = (uint8_t)in.p[28] | (uint8_t)in.p[29] << 8;
    b->at = (int32_t)tn_get32(in.p + 10);
    b->width = (int32_t)tn_get32(in.p + 18);
    b->height = (int32_t)tn_get32(in.p + 22);
    b->channels = bits / 8;
    b->top_down = b->height < 0;
    if (b->at < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "BMP: header size must be nonnegative");
    if (b->width <= 0 || b->height == 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "BMP: an image of %lld x %lld", (long long)b->width,
                       (long long)b->height);
    if (b->channels != 1 && b->channels != 3 && b->channels != 4)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Number of channels inherent in the image must be 1, 3 or 4, was %d",
                       b->channels);
    if (b->top_down) b->height = -b->height;
    b->row = (b->channels * b->width + 3) / 4 * 4;
    return TN_OK;
}

static void take_pixel(const uint8_t *from, int n_from, uint8_t *to, int n_to)
{
    if (n_to == 1) {
        *to = *from;
        return;
    }
    for (int k = 0; k < 3; k++) to[k] = n_from == 1 ? *from : from[2 - k];
    if (n_to == 4) to[3] = n_from == 4 ? from[3] : 255;
}

tn_code tn_bmp_decode(tn_view in, int channels, size_t limit, tn_image *out, tn_error *err)
{
    bitmap b = {0};
    TN_TRY(read_header(in, &b, err));
    if (!limit) limit = (size_t)1 << 28;
    int n = channels ? channels : b.channels;
    if (n == 1 && b.channels != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "BMP: 1 channel of an image that has %d", b.channels);
    size_t row = (size_t)b.width * (size_t)n;
    if (row > limit / (size_t)b.height)
        return tn_fail(err, TN_INVALID_ARGUMENT, "BMP: an image of %lld x %lld is over the limit of %zu bytes",
                       (long long)b.width, (long long)b.height, limit);
    if (b.at + b.row * b.height != (int64_t)in.n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "BMP: the file has %zu bytes, header and pixels need %lld", in.n,
                       (long long)(b.at + b.row * b.height));
    uint8_t *pixels = tn_malloc(row * (size_t)b.height);
    if (!pixels) return tn_no_memory(err, row * (size_t)b.height);
    for (int64_t y = 0; y < b.height; y++) {
        const uint8_t *from = (const uint8_t *)in.p + b.at + b.row * (b.top_down ? y : b.height - 1 - y);
        for (int64_t x = 0; x < b.width; x++)
            take_pixel(from + x * b.channels, b.channels, pixels + (size_t)y * row + x * n, n);
    }
    *out = (tn_image){(int)b.width, (int)b.height, n, 1, pixels};
    return TN_OK;
}
