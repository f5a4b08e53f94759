/* SPDX-License-Identifier: Apache-2.0
 *
 * gif.c - GIF animations -> RGB pictures.
 *
 * Two walks: the first finds the frames that are whole and the size of the canvas, the second draws them. Expanding
 * a frame needs a place for its colour numbers: it is taken only after the frame's size was checked, and grown with
 * what the compressed bytes can give at most.
 *
 * Invariants: no byte after the file's end is read; a frame's size is bounded by the limit before memory is taken.
 */
#include "wire.h"

#define CODES 4096
#define MOST_EXPANDED 4096 /* indices that one code can stand for, at most */

typedef struct colours {
    const uint8_t *rgb;
    int n; /* 0: there are none */
} colours;

typedef struct frame {
    int left, top, width, height;
    bool interlaced;
    int transparent; /* colour number; -1: none */
    colours map;
    tn_view data; /* the code size, then blocks */
} frame;

typedef struct gif {
    tn_view in;
    colours map;
    int transparent; /* of the frame that comes next */
} gif;

/* ==== what the file consists of ==== */

static bool take(tn_view *in, size_t n, const uint8_t **out)
{
    if (in->n < n) return false;
    *out = (const uint8_t *)in->p;
    *in = (tn_view){in->p + n, in->n - n};
    return true;
}

static int word(const uint8_t *p)
{
    return p[0] | p[1] << 8;
}

static bool take_colours(tn_view *in, uint8_t flags, colours *map)
{
    if (!(flags & 0x80)) return true;
    map->n = 2 << (flags & 7);
    return take(in, 3 * (size_t)map->n, &map->rgb);
}

/* Blocks up to the empty one. first: the first of them. */
static bool skip_blocks(tn_view *in, tn_view *first)
{
    const uint8_t *size, *data;
    bool any = false;
    *first = (tn_view){NULL, 0};
    while (take(in, 1, &size) && take(in, *size, &data)) {
        if (!*size) return true;
        if (!any) *first = (tn_view){(const char *)data, *size};
        any = true;
    }
    return false;
}

static bool read_extension(gif *g)
{
    const uint8_t *label;
    tn_view first;
    if (!take(&g->in, 1, &label) || !skip_blocks(&g->in, &first)) return false;
    if (*label == 0xf9 && first.n == 4) g->transparent = first.p[0] & 1 ? (uint8_t)first.p[3] : -1;
    return true;
}

static bool read_frame(gif *g, frame *f)
{
    const uint8_t *p, *size;
    tn_view first;
    if (!take(&g->in, 9, &p)) return false;
    *f = (frame){word(p), word(p + 2), word(p + 4), word(p + 6), p[8] & 0x40, g->transparent, g->map, {0}};
    if (p[8] & 0x80) f->map = (colours){0};
    if (!take_colours(&g->in, p[8], &f->map)) return false;
    g->transparent = -1;
    f->data = g->in;
    if (!take(&g->in, 1, &size) || *size < 1 || *size > 8 || !skip_blocks(&g->in, &first)) return false;
    f->data.n -= g->in.n;
    return f->width > 0 && f->height > 0;
}

/* The next frame; false: the end, or damage. */
static bool next_frame(gif *g, frame *f)
{
    const uint8_t *kind;
    while (take(&g->in, 1, &kind)) {
        if (*kind == 0x2c) return read_frame(g, f);
        if (*kind != 0x21 || !read_extension(g)) return false;
    }
    return false;
}

static bool open_gif(tn_view bytes, gif *g)
{
    const uint8_t *p;
    *g = (gif){.in = bytes, .transparent = -1};
    if (!take(&g->in, 13, &p) || memcmp(p, "GIF8", 4) != 0) return false;
    return take_colours(&g->in, p[10], &g->map);
}

/* ==== the codes of a frame ==== */

typedef struct codes {
    tn_view in;    /* blocks */
    size_t block;  /* bytes left in this one */
    uint32_t bits; /* read ahead */
    int n_bits;
    int width, first_width, clear, next;
    uint16_t prefix[CODES];
    uint8_t last[CODES], head[CODES]; /* of the string of a code: its last and its first number */
    uint16_t length[CODES];
} codes;

static int next_byte(codes *c)
{
    const uint8_t *p;
    if (c->block == 0) {
        if (!take(&c->in, 1, &p) || *p == 0) return -1;
        c->block = *p;
    }
    if (!take(&c->in, 1, &p)) return -1;
    c->block--;
    return *p;
}

static int next_code(codes *c)
{
    while (c->n_bits < c->width) {
        int byte = next_byte(c);
        if (byte < 0) return -1;
        c->bits |= (uint32_t)byte << c->n_bits;
        c->n_bits += 8;
    }
    int code = (int)(c->bits & ((1u << c->width) - 1));
    c->bits >>= c->width;
    c->n_bits -= c->width;
    return code;
}

static void clear_codes(codes *c)
{
    c->width = c->first_width;
    c->next = c->clear + 2;
}

static void start_codes(codes *c, tn_view data)
{
    int size = (uint8_t)data.p[0];
    *c = (codes){.in = {data.p + 1, data.n - 1}, .first_width = size + 1, .clear = 1 << size};
    for (int k = 0; k < c->clear; k++) {
        c->last[k] = c->head[k] = (uint8_t)k;
        c->length[k] = 1;
    }
    clear_codes(c);
}

/* The string of `before` and one more number: a new code. */
static void add_code(codes *c, int before, uint8_t number)
{
    if (c->next >= CODES) return;
    c->prefix[c->next] = (uint16_t)before;
    c->last[c->next] = number;
    c->head[c->next] = c->head[before];
    c->length[c->next] = (uint16_t)TN_MIN(c->length[before] + 1, MOST_EXPANDED);
    if (++c->next == 1 << c->width && c->width < 12) c->width++;
}

/* Writes a code's string, from its end; what is over n is left out. */
static size_t put_string(const codes *c, int code, uint8_t *to, size_t n)
{
    size_t length = c->length[code];
    for (size_t k = length; k-- > 0; code = c->prefix[code])
        if (k < n) to[k] = c->last[code];
    return TN_MIN(length, n);
}

/* Fills n colour numbers; false: the codes end before, or make no sense. */
static bool expand(codes *c, uint8_t *to, size_t n)
{
    int before = -1;
    size_t done = 0;
    while (done < n) {
        int code = next_code(c);
        if (code == c->clear) {
            clear_codes(c);
            before = -1;
            continue;
        }
        if (code < 0 || code == c->clear + 1 || code > c->next) return false;
        if (code == c->next) { /* of the string that begins with the one before and ends as it begins */
            if (before < 0 || c->next >= CODES) return false;
            add_code(c, before, c->head[before]);
        } else if (before >= 0) {
            add_code(c, before, c->head[code]);
        }
        done += put_string(c, code, to + done, n - done);
        before = code;
    }
    return true;
}

static tn_code expand_frame(const frame *f, size_t limit, uint8_t **out, bool *whole, tn_error *err)
{
    size_t n = (size_t)f->width * (size_t)f->height;
    *whole = false;
    *out = NULL;
    if (n > limit) return tn_fail(err, TN_INVALID_ARGUMENT, "GIF: a frame of %d x %d is over the limit of %zu bytes",
                                  f->width, f->height, limit);
    if (n / MOST_EXPANDED / 4 > f->data.n) return TN_OK; /* codes have 2 bits at least: so few bytes cannot fill it */
    codes *c = tn_malloc(sizeof *c);
    *out = tn_malloc(n);
    if (!c || !*out) {
        tn_free(c);
        tn_free(*out);
        *out = NULL;
        return tn_no_memory(err, n + sizeof *c);
    }
    start_codes(c, f->data);
    *whole = expand(c, *out, n);
    tn_free(c);
    return TN_OK;
}

/* ==== drawing ==== */

/* The line of the picture that line y of the data is. */
static int line_of(const frame *f, int y)
{
    static const int from[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2};
    if (!f->interlaced) return y;
    for (int k = 0; k < 4; k++) {
        int lines = f->height > from[k] ? (f->height - from[k] + step[k] - 1) / step[k] : 0;
        if (y < lines) return from[k] + y * step[k];
        y -= lines;
    }
    return 0;
}

static tn_code draw(const frame *f, const uint8_t *numbers, tn_image *canvas, uint8_t *to, tn_error *err)
{
    for (int i = 0; i < f->height; i++) {
        int y = f->top + line_of(f, i);
        for (int j = 0; j < f->width && f->left + j < canvas->width && y < canvas->height; j++) {
            int number = numbers[(size_t)i * (size_t)f->width + (size_t)j];
            if (number == f->transparent) continue;
            if (number >= f->map.n)
                return tn_fail(err, TN_INVALID_ARGUMENT, "GIF: found color index %d outside of color map range %d",
                               number, f->map.n);
            memcpy(to + 3 * ((size_t)y * (size_t)canvas->width + (size_t)(f->left + j)), f->map.rgb + 3 * number, 3);
        }
    }
    return TN_OK;
}

static tn_code draw_frame(const frame *f, size_t limit, tn_image *canvas, int k, tn_error *err)
{
    size_t size = 3 * (size_t)canvas->width * (size_t)canvas->height;
    uint8_t *numbers, *to = canvas->pixels + (size_t)k * size;
    bool whole;
    if (!f->map.n) return tn_fail(err, TN_INVALID_ARGUMENT, "GIF: missing color map for frame %d", k);
    if (k)
        memcpy(to, to - size, size);
    else
        memset(to, 0, size);
    TN_TRY(expand_frame(f, limit, &numbers, &whole, err));
    tn_code code = draw(f, numbers, canvas, to, err);
    tn_free(numbers);
    return code;
}

/* Counts the frames that are whole and measures the canvas; only one is counted when only the first is asked for. */
static tn_code measure(gif g, bool first, size_t limit, tn_image *canvas, tn_error *err)
{
    frame f;
    while (next_frame(&g, &f)) {
        uint8_t *numbers;
        bool whole;
        TN_TRY(expand_frame(&f, limit, &numbers, &whole, err));
        tn_free(numbers);
        if (!whole) break;
        canvas->width = TN_MAX(canvas->width, f.width);
        canvas->height = TN_MAX(canvas->height, f.height);
        if (!first || !canvas->frames) canvas->frames++;
        size_t size = 3 * (size_t)canvas->width * (size_t)canvas->height;
        if (size > limit / (size_t)canvas->frames)
            return tn_fail(err, TN_INVALID_ARGUMENT, "GIF: %d frames of %d x %d are over the limit of %zu bytes",
                           canvas->frames, canvas->width, canvas->height, limit);
    }
    return canvas->frames ? TN_OK : tn_fail(err, TN_INVALID_ARGUMENT, "GIF: damaged, or no frame");
}

tn_code tn_gif_decode(tn_view bytes, bool first, size_t limit, tn_image *out, tn_error *err)
{
    gif g;
    tn_image canvas = {.channels = 3};
    frame f;
    if (!limit) limit = (size_t)1 << 28;
    if (!open_gif(bytes, &g)) return tn_fail(err, TN_INVALID_ARGUMENT, "GIF: damaged header");
    TN_TRY(measure(g, first, limit, &canvas, err));
    size_t size = 3 * (size_t)canvas.width * (size_t)canvas.height * (size_t)canvas.frames;
    canvas.pixels = tn_malloc(size);
    tn_code code = canvas.pixels ? TN_OK : tn_no_memory(err, size);
    for (int k = 0; k < canvas.frames && code == TN_OK; k++) {
        next_frame(&g, &f);
        code = draw_frame(&f, limit, &canvas, k, err);
    }
    if (code != TN_OK) {
        tn_free(canvas.pixels);
        return code;
    }
    *out = canvas;
    return TN_OK;
}
