/* SPDX-License-Identifier: Apache-2.0
 *
 * png.c - PNG images <-> pixels of 8 or 16 bits, through libpng.
 *
 * libpng leaves by longjmp. So everything that must survive it lies in a `job`, the functions that call
 * setjmp have no local of their own that changes, and nothing is freed but by the job's owner.
 *
 * Invariants: width, height and the bytes of all pixels are checked before memory is taken.
 */
#include <png.h> /* before base.h, which bans names that it uses */
#include <setjmp.h>

#include "wire.h"

#define MOST_SIDE 1000000
#define MOST_PIECE ((size_t)1 << 26) /* at a time: a few rows, or a chunk, whose length the file says */

typedef struct job {
    png_structp png;
    png_infop info;
    tn_view in; /* what is left of the file */
    tn_buf *out;
    tn_image image;
    png_bytepp rows;
    size_t limit;
    int channels; /* asked for; 0: as in the file */
    int bits;     /* 8 or 16 */
    int level;
    bool widen;   /* what is read has 8 bits, 16 are asked for */
    tn_code code; /* why it failed, when not for the file's own fault */
    char message[200];
} job;

/* ---- what libpng calls ---- */

static void on_error(png_structp png, png_const_charp message)
{
    job *j = png_get_error_ptr(png);
    snprintf(j->message, sizeof j->message, "%s", message);
    longjmp(png_jmpbuf(png), 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static png_voidp on_malloc(png_structp png, png_alloc_size_t n)
{
    job *j = png_get_mem_ptr(png);
    if (n > MOST_PIECE) return NULL; /* the chunk is passed over */
    void *p = tn_malloc(n);
    if (!p) j->code = TN_RESOURCE_EXHAUSTED;
    return p;
}

static void on_free(png_structp png, png_voidp p)
{
    (void)png;
    tn_free(p);
}

static void on_read(png_structp png, png_bytep to, size_t n)
{
    job *j = png_get_io_ptr(png);
    if (n > j->in.n) png_error(png, "cut short");
    memcpy(to, j->in.p, n);
    j->in = (tn_view){j->in.p + n, j->in.n - n};
}

static void on_write(png_structp png, png_bytep from, size_t n)
{
    job *j = png_get_io_ptr(png);
    tn_buf_add(j->out, from, n);
    if (j->out->failed) png_error(png, "no room");
}

static void on_flush(png_structp png)
{
    (void)png;
}

/* Leaves libpng for a reason of our own. */
static void leave(job *j, tn_code code, const char *message)
{
    j->code = code;
    png_error(j->png, message);
}

static tn_code report(const job *j, tn_error *err)
{
    return tn_fail(err, j->code ? j->code : TN_DATA_LOSS, "PNG: %s", j->message[0] ? j->message : "damaged");
}

/* ---- reading ---- */

/* The weights by which colours become gray: red and green, of one. */
#define RED 0.299
#define GREEN 0.587

static void set_alpha(job *j, int depth, bool has)
{
    bool want = j->channels % 2 == 0;
    if (has && !want) png_set_strip_alpha(j->png);
    if (!has && want) png_set_add_alpha(j->png, (1u << depth) - 1, PNG_FILLER_AFTER);
}

/* Turns whatever the file holds into gray, gray and alpha, RGB or RGBA of 8 or 16 bits. */
static void set_transforms(job *j)
{
    int type = png_get_color_type(j->png, j->info), depth = png_get_bit_depth(j->png, j->info);
    bool transparent = png_get_valid(j->png, j->info, PNG_INFO_tRNS), palette = type == PNG_COLOR_TYPE_PALETTE;
    bool color = type & PNG_COLOR_MASK_COLOR;
    if (!j->channels) j->channels = palette ? 3 + transparent : png_get_channels(j->png, j->info);
    j->widen = j->bits == 16 && depth <= 8;
    if (depth == 16 && j->bits == 8) png_set_strip_16(j->png);
    if (depth == 16 && j->bits == 16 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) png_set_swap(j->png);
    png_set_packing(j->png);
    if (palette) png_set_palette_to_rgb(j->png);
    if (!color && depth < 8) png_set_expand_gray_1_2_4_to_8(j->png);
    if (transparent) png_set_tRNS_to_alpha(j->png);
    if (j->channels >= 3 && !color) png_set_gray_to_rgb(j->png);
    if (j->channels <= 2 && color) png_set_rgb_to_gray(j->png, 1, RED, GREEN);
    set_alpha(j, depth, (type & PNG_COLOR_MASK_ALPHA) || transparent);
    png_set_interlace_handling(j->png);
    png_read_update_info(j->png, j->info);
}

static void take_pixels(job *j)
{
    size_t width = png_get_image_width(j->png, j->info), height = png_get_image_height(j->png, j->info);
    size_t channels = (size_t)j->channels, size = (size_t)j->bits / 8, row = png_get_rowbytes(j->png, j->info);
    if (row != width * channels * (j->widen ? 1 : size)) leave(j, TN_DATA_LOSS, "an unknown kind of pixel");
    size_t whole = width * channels * size;
    if (whole > j->limit / height) leave(j, TN_RESOURCE_EXHAUSTED, "the image is over the limit");
    j->image = (tn_image){(int)width, (int)height, (int)channels, 1, tn_malloc(whole * height)};
    j->rows = tn_calloc(height, sizeof *j->rows);
    if (!j->image.pixels || !j->rows) leave(j, TN_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t y = 0; y < height; y++) j->rows[y] = j->image.pixels + y * row;
}

/* 8 bits become 16 in place, from the end. */
static void widen(tn_image *image)
{
    size_t n = (size_t)image->width * (size_t)image->height * (size_t)image->channels;
    for (size_t i = n; i-- > 0;) {
        uint16_t v = (uint16_t)(image->pixels[i] * 257);
        memcpy(image->pixels + 2 * i, &v, 2);
    }
}

static bool read_image(job *j)
{
    if (setjmp(png_jmpbuf(j->png))) return false;
    png_set_read_fn(j->png, j, on_read);
    png_set_user_limits(j->png, MOST_SIDE, MOST_SIDE);
    png_set_chunk_malloc_max(j->png, 8 << 20);
    png_set_chunk_cache_max(j->png, 128);
    png_read_info(j->png, j->info);
    set_transforms(j);
    take_pixels(j);
    png_read_image(j->png, j->rows);
    png_read_end(j->png, NULL);
    return true;
}

tn_code tn_png_decode(tn_view bytes, int channels, size_t limit, tn_image *out, tn_error *err)
{
    return tn_png_decode_bits(bytes, channels, 8, limit, out, err);
}

tn_code tn_png_decode_bits(tn_view bytes, int channels, int bits, size_t limit, tn_image *out, tn_error *err)
{
    if (channels < 0 || channels > 4) return tn_fail(err, TN_INVALID_ARGUMENT, "PNG: %d channels", channels);
    job j = {.in = bytes, .channels = channels, .bits = bits, .limit = limit ? limit : (size_t)1 << 28};
    j.png =
        png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &j, on_error, on_warning, &j, on_malloc, on_free);
    j.info = j.png ? png_create_info_struct(j.png) : NULL;
    if (!j.info) {
        png_destroy_read_struct(&j.png, NULL, NULL);
        return tn_no_memory(err, sizeof j);
    }
    bool ok = read_image(&j);
    png_destroy_read_struct(&j.png, &j.info, NULL);
    tn_free(j.rows);
    if (!ok) {
        tn_free(j.image.pixels);
        return report(&j, err);
    }
    if (j.widen) widen(&j.image);
    *out = j.image;
    return TN_OK;
}

/* ---- writing ---- */

static bool write_image(job *j)
{
    static const int types[] = {0, PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                                PNG_COLOR_TYPE_RGB_ALPHA};
    if (setjmp(png_jmpbuf(j->png))) return false;
    png_set_write_fn(j->png, j, on_write, on_flush);
    png_set_IHDR(j->png, j->info, (png_uint_32)j->image.width, (png_uint_32)j->image.height, j->bits,
                 types[j->image.channels], PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_set_compression_level(j->png, j->level);
    png_write_info(j->png, j->info);
    if (j->bits == 16 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) png_set_swap(j->png);
    png_write_image(j->png, j->rows);
    png_write_end(j->png, NULL);
    return true;
}

tn_code tn_png_encode(const uint8_t *pixels, int width, int height, int channels, tn_buf *out, tn_error *err)
{
    return tn_png_encode_bits(pixels, width, height, channels, 8, -1, out, err);
}

tn_code tn_png_encode_bits(const void *pixels, int width, int height, int channels, int bits, int level, tn_buf *out,
                           tn_error *err)
{
    if (width < 1 || height < 1 || width > MOST_SIDE || height > MOST_SIDE || channels < 1 || channels > 4)
        return tn_fail(err, TN_INVALID_ARGUMENT, "PNG: an image of %d x %d with %d channels", width, height,
                       channels);
    job j = {.out = out, .bits = bits, .level = level, .image = {width, height, channels, 1, NULL}};
    j.png =
        png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &j, on_error, on_warning, &j, on_malloc, on_free);
    j.info = j.png ? png_create_info_struct(j.png) : NULL;
    j.rows = tn_calloc((size_t)height, sizeof *j.rows);
    size_t before = out->n;
    bool ok = false;
    if (j.info && j.rows) {
        size_t row = (size_t)width * (size_t)channels * (size_t)bits / 8;
        for (size_t y = 0; y < (size_t)height; y++) j.rows[y] = (png_bytep)pixels + y * row;
        ok = write_image(&j);
    } else {
        j.code = TN_RESOURCE_EXHAUSTED;
        snprintf(j.message, sizeof j.message, "out of memory");
    }
    png_destroy_write_struct(&j.png, &j.info);
    tn_free(j.rows);
    TN_TRY(tn_buf_check(out, err));
    if (ok) return TN_OK;
    if (out->data) out->data[out->n = before] = 0;
    return report(&j, err);
}
