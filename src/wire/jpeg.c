/* SPDX-License-Identifier: Apache-2.0
 *
 * jpeg.c - JPEG images <-> 8-bit pixels, through libjpeg-turbo.
 *
 * libjpeg leaves by longjmp. So everything that must survive it lies in a `job`, the functions that call setjmp have
 * no local of their own that changes, and nothing is freed but by the job's owner. The library's own memory is the
 * system's; how much it may take is bounded by the size in the header and by max_memory_to_use.
 *
 * Invariants: width, height and the bytes of all pixels are checked before memory is taken; a file with very many
 * passes over the image is refused.
 */
#include <stdio.h>
/* after stdio.h, which it needs; before base.h, which bans names that it uses */
#include <jpeglib.h>
#include <setjmp.h>

#include "wire.h"

#define MOST_PASSES 200
#define CHUNK 4096

typedef struct job {
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_destination_mgr destination;
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct in;
    struct jpeg_compress_struct to;
    jmp_buf leave;
    const tn_jpeg_options *options;
    const tn_jpeg_settings *settings;
    tn_buf *out;
    tn_image image;
    uint8_t *line; /* one row as the library gives it */
    size_t limit;
    int rows; /* done */
    JDIMENSION left, width; /* what the library gives of a row */
    tn_code code;
    char message[JMSG_LENGTH_MAX];
    JOCTET chunk[CHUNK];
    const uint8_t *pixels;
} job;

/* ==== what libjpeg calls ==== */

static void on_error(j_common_ptr c)
{
    job *j = c->client_data;
    if (!j->message[0]) c->err->format_message(c, j->message);
    longjmp(j->leave, 1);
}

static void on_message(j_common_ptr c, int level)
{
    (void)c;
    (void)level;
}

static void on_output(j_common_ptr c)
{
    (void)c;
}

static void leave(job *j, tn_code code, const char *message)
{
    j->code = code;
    snprintf(j->message, sizeof j->message, "%s", message);
    longjmp(j->leave, 1);
}

static void on_progress(j_common_ptr c)
{
    job *j = c->client_data;
    if (j->in.input_scan_number > MOST_PASSES) leave(j, TN_INVALID_ARGUMENT, "too many passes");
}

static void on_begin(j_decompress_ptr in)
{
    (void)in;
}

/* The bytes have ended: an end marker in their place, or the library stops where it is. */
static boolean on_more(j_decompress_ptr in)
{
    static const JOCTET end[] = {0xff, JPEG_EOI};
    job *j = in->client_data;
    if (!j->options || !j->options->recover) return FALSE;
    in->src->next_input_byte = end;
    in->src->bytes_in_buffer = sizeof end;
    return TRUE;
}

static void on_skip(j_decompress_ptr in, long n)
{
    size_t step = n < 0 ? 0 : TN_MIN((size_t)n, in->src->bytes_in_buffer);
    in->src->next_input_byte += step;
    in->src->bytes_in_buffer -= step;
}

static void on_start(j_compress_ptr to)
{
    job *j = to->client_data;
    to->dest->next_output_byte = j->chunk;
    to->dest->free_in_buffer = CHUNK;
}

static boolean on_full(j_compress_ptr to)
{
    job *j = to->client_data;
    tn_buf_add(j->out, j->chunk, CHUNK);
    if (j->out->failed) leave(j, j->out->failed, "no room");
    on_start(to);
    return TRUE;
}

static void on_finish(j_compress_ptr to)
{
    job *j = to->client_data;
    tn_buf_add(j->out, j->chunk, CHUNK - to->dest->free_in_buffer);
}

static struct jpeg_error_mgr *set_errors(job *j)
{
    jpeg_std_error(&j->errors);
    j->errors.error_exit = on_error;
    j->errors.emit_message = on_message;
    j->errors.output_message = on_output;
    return &j->errors;
}

static tn_code report(const job *j, tn_error *err)
{
    return tn_fail(err, j->code ? j->code : TN_INVALID_ARGUMENT, "JPEG: %s",
                   j->message[0] ? j->message : "damaged or cut short");
}

/* ==== reading ==== */

static void open_source(job *j, tn_view bytes)
{
    j->in.client_data = j;
    j->source = (struct jpeg_source_mgr){
        .next_input_byte = (const JOCTET *)bytes.p, .bytes_in_buffer = bytes.n, .init_source = on_begin,
        .fill_input_buffer = on_more, .skip_input_data = on_skip, .resync_to_restart = jpeg_resync_to_restart,
        .term_source = on_begin};
    j->in.src = &j->source;
    j->progress.progress_monitor = on_progress;
    j->in.progress = &j->progress;
    j->in.mem->max_memory_to_use = (long)TN_MIN(4 * j->limit, (size_t)1 << 32);
}

static void choose_output(job *j)
{
    const tn_jpeg_options *o = j->options;
    bool inks = j->in.jpeg_color_space == JCS_CMYK || j->in.jpeg_color_space == JCS_YCCK;
    int channels = o->channels ? o->channels : TN_MIN(j->in.num_components, 3);
    j->image.channels = channels;
    j->in.out_color_space = channels == 1 ? JCS_GRAYSCALE : inks ? JCS_CMYK : JCS_RGB;
    j->in.do_fancy_upsampling = !o->plain_upscaling;
    j->in.dct_method = o->fast_dct ? JDCT_IFAST : JDCT_ISLOW;
    j->in.scale_num = 1;
    j->in.scale_denom = (unsigned)(o->ratio ? o->ratio : 1);
}

/* The sizes of what comes out, checked; and memory for it. */
static void take_memory(job *j)
{
    const tn_jpeg_options *o = j->options;
    size_t width = j->in.output_width, height = j->in.output_height, channels = (size_t)j->image.channels;
    if (o->crop) {
        bool inside = o->top >= 0 && o->left >= 0 && o->height > 0 && o->width > 0 &&
                      (size_t)o->top + (size_t)o->height <= height && (size_t)o->left + (size_t)o->width <= width;
        if (!inside) leave(j, TN_INVALID_ARGUMENT, "the crop window is not inside the image");
        width = (size_t)o->width;
        height = (size_t)o->height;
    }
    if ((size_t)j->in.image_width * (size_t)j->in.num_components > j->limit / j->in.image_height ||
        width * channels > j->limit / height)
        leave(j, TN_RESOURCE_EXHAUSTED, "the image is over the limit");
    j->image.width = (int)width;
    j->image.height = (int)height;
    j->image.frames = 1;
    j->line = tn_malloc((size_t)j->in.output_width * 4);
    j->image.pixels = tn_calloc(width * channels, height);
    if (!j->image.pixels || !j->line) leave(j, TN_RESOURCE_EXHAUSTED, "out of memory");
}

/* Cyan, magenta, yellow and black as red, green and blue; Adobe's are stored upside down. */
static void inks_to_rgb(const job *j, uint8_t *to)
{
    bool adobe = j->in.saw_Adobe_marker;
    for (int x = 0; x < j->image.width; x++) {
        const uint8_t *ink = j->line + 4 * ((size_t)x + (j->options->crop ? (size_t)j->options->left - j->left : 0));
        int k = adobe ? ink[3] : 255 - ink[3];
        for (int c = 0; c < 3; c++) to[3 * x + c] = (uint8_t)(k * (adobe ? ink[c] : 255 - ink[c]) / 255);
    }
}

static void take_line(job *j, int y)
{
    size_t channels = (size_t)j->image.channels, row = (size_t)j->image.width * channels;
    uint8_t *to = j->image.pixels + (size_t)y * row;
    size_t skip = j->options->crop ? (size_t)j->options->left - j->left : 0;
    if (j->in.out_color_space == JCS_CMYK)
        inks_to_rgb(j, to);
    else
        memcpy(to, j->line + skip * channels, row);
}

/* When crop is set, the library is asked for as little of the rows as it can give. */
static void begin_crop(job *j)
{
    j->left = (JDIMENSION)j->options->left;
    j->width = (JDIMENSION)j->options->width;
    jpeg_crop_scanline(&j->in, &j->left, &j->width);
    if (j->options->top > 0 && jpeg_skip_scanlines(&j->in, (JDIMENSION)j->options->top) != (JDIMENSION)j->options->top)
        leave(j, TN_INVALID_ARGUMENT, "cut short before the crop window");
}

static bool read_lines(job *j, tn_view bytes)
{
    if (setjmp(j->leave)) return false;
    jpeg_create_decompress(&j->in);
    open_source(j, bytes);
    if (jpeg_read_header(&j->in, TRUE) != JPEG_HEADER_OK) return false;
    choose_output(j);
    jpeg_calc_output_dimensions(&j->in);
    take_memory(j);
    if (!jpeg_start_decompress(&j->in)) leave(j, TN_INVALID_ARGUMENT, "cut short in the passes over the image");
    if (j->options->crop) begin_crop(j);
    for (JSAMPROW row = j->line; j->rows < j->image.height; j->rows++) {
        if (jpeg_read_scanlines(&j->in, &row, 1) != 1) return false;
        take_line(j, j->rows);
    }
    return true;
}

tn_code tn_jpeg_decode(tn_view bytes, const tn_jpeg_options *o, tn_image *out, tn_error *err)
{
    job *j = tn_calloc(1, sizeof *j);
    if (!j) return tn_no_memory(err, sizeof *j);
    j->options = o;
    j->limit = o->limit ? o->limit : (size_t)1 << 28;
    j->in.err = set_errors(j);
    j->in.client_data = j;
    bool ok = read_lines(j, bytes);
    /* What there is of the lines may be enough, unless it failed for a reason of its own. */
    if (!ok && j->code == TN_OK && j->image.pixels)
        ok = (float)j->rows / (float)j->image.height >= o->acceptable;
    jpeg_destroy_decompress(&j->in);
    tn_free(j->line);
    tn_code code = ok ? TN_OK : report(j, err);
    if (ok)
        *out = j->image;
    else
        tn_free(j->image.pixels);
    tn_free(j);
    return code;
}

static bool read_sizes(job *j, tn_view bytes)
{
    if (setjmp(j->leave)) return false;
    jpeg_create_decompress(&j->in);
    open_source(j, bytes);
    if (jpeg_read_header(&j->in, TRUE) != JPEG_HEADER_OK) return false;
    jpeg_calc_output_dimensions(&j->in);
    j->image = (tn_image){(int)j->in.output_width, (int)j->in.output_height, j->in.num_components, 1, NULL};
    return true;
}

tn_code tn_jpeg_shape(tn_view bytes, tn_image *out, tn_error *err)
{
    job *j = tn_calloc(1, sizeof *j);
    if (!j) return tn_no_memory(err, sizeof *j);
    j->limit = (size_t)1 << 28;
    j->in.err = set_errors(j);
    j->in.client_data = j;
    bool ok = read_sizes(j, bytes);
    jpeg_destroy_decompress(&j->in);
    tn_code code = ok ? TN_OK : report(j, err);
    if (ok) *out = j->image;
    tn_free(j);
    return code;
}

/* ==== writing ==== */

static void set_parameters(job *j)
{
    const tn_jpeg_settings *s = j->settings;
    j->to.image_width = (JDIMENSION)j->image.width;
    j->to.image_height = (JDIMENSION)j->image.height;
    j->to.input_components = j->image.channels;
    j->to.in_color_space = j->image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&j->to);
    if (s->optimize) j->to.optimize_coding = TRUE;
    j->to.density_unit = s->per_cm ? 2 : 1;
    j->to.X_density = (UINT16)s->x_density;
    j->to.Y_density = (UINT16)s->y_density;
    jpeg_set_quality(&j->to, s->quality, TRUE);
    if (s->progressive) jpeg_simple_progression(&j->to);
    for (int k = 0; s->full_colour && k < j->to.num_components; k++)
        j->to.comp_info[k].h_samp_factor = j->to.comp_info[k].v_samp_factor = 1;
}

/* XMP stands in an application's marker under this name, which ends in a zero byte. */
static void write_xmp(job *j)
{
    static const char name[] = "http://ns.adobe.com/xap/1.0/";
    tn_view xmp = j->settings->xmp;
    if (!xmp.n) return;
    if (xmp.n + sizeof name > 65533) leave(j, TN_INVALID_ARGUMENT, "the XMP metadata are too long");
    jpeg_write_m_header(&j->to, JPEG_APP0 + 1, (unsigned)(sizeof name + xmp.n));
    for (size_t i = 0; i < sizeof name; i++) jpeg_write_m_byte(&j->to, name[i]);
    for (size_t i = 0; i < xmp.n; i++) jpeg_write_m_byte(&j->to, (uint8_t)xmp.p[i]);
}

static bool write_lines(job *j)
{
    size_t row = (size_t)j->image.width * (size_t)j->image.channels;
    if (setjmp(j->leave)) return false;
    jpeg_create_compress(&j->to);
    j->to.client_data = j;
    j->destination = (struct jpeg_destination_mgr){
        .init_destination = on_start, .empty_output_buffer = on_full, .term_destination = on_finish};
    j->to.dest = &j->destination;
    set_parameters(j);
    jpeg_start_compress(&j->to, TRUE);
    write_xmp(j);
    while (j->to.next_scanline < j->to.image_height) {
        JSAMPROW line = (JSAMPROW)j->pixels + j->to.next_scanline * row;
        jpeg_write_scanlines(&j->to, &line, 1);
    }
    jpeg_finish_compress(&j->to);
    return true;
}

tn_code tn_jpeg_encode(const uint8_t *pixels, int width, int height, int channels, const tn_jpeg_settings *s,
                       tn_buf *out, tn_error *err)
{
    if (width < 1 || height < 1 || width > JPEG_MAX_DIMENSION || height > JPEG_MAX_DIMENSION ||
        (channels != 1 && channels != 3))
        return tn_fail(err, TN_INVALID_ARGUMENT, "JPEG: an image of %d x %d with %d channels", width, height, channels);
    job *j = tn_calloc(1, sizeof *j);
    if (!j) return tn_no_memory(err, sizeof *j);
    size_t before = out->n;
    j->image = (tn_image){width, height, channels, 1, NULL};
    j->pixels = pixels;
    j->settings = s;
    j->out = out;
    j->to.err = set_errors(j);
    j->to.client_data = j;
    bool ok = write_lines(j);
    jpeg_destroy_compress(&j->to);
    tn_code code = ok ? tn_buf_check(out, err) : report(j, err);
    if (code != TN_OK && out->data) out->data[out->n = before] = 0;
    tn_free(j);
    return code;
}
