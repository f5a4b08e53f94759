/* SPDX-License-Identifier: Apache-2.0
 *
 * conv_amx.c - convolutions of floats by tiles of bfloat16 (amx.h): those with stride 1 and many channels,
 * forward and, being such a convolution with the filter turned round, back to the image.
 *
 * An image is split into planes once, with its border, pixel after pixel; a tile of the left factor is then
 * 16 pixels in a row where they lie, for whatever element of the filter. Results are computed for all pixels
 * of the bordered image, 32 at a time: those at the end of its rows are nobody's and are not stored. Work
 * goes by bands, rows of results whose part of the image stays in the second cache.
 *
 * A band with a number that cannot be split, and every band where the filter has one, is computed by plain
 * loops.
 */
#include "amx.h"
#include "conv.h"

#include <omp.h>

enum { BLOCK = TN_AMX_BLOCK, PLANES = TN_AMX_PLANES, MOST_BAND = 1 << 20 /* bytes of planes */, FEW = 4 };

/* Images [in_h, in_w, in_c] to [out_h, out_w, out_c], both ways. */
typedef struct cut {
    int64_t batch, in_h, in_w, in_c, out_h, out_w, out_c;
    int64_t filter_h, filter_w, dilation_h, dilation_w, top, left;
    bool turned; /* the filter's elements come in the opposite order, its channels the other way round */
    int64_t deep, panels; /* blocks of channels that are read, of those that are written */
    int64_t wide, pixel;  /* pixels in a row with border; numbers of a plane in a pixel */
    int64_t band, bands;  /* rows of results; bands of an image */
    int64_t plane;        /* numbers in a plane of a band */
    size_t packed, each;  /* bytes: of the filter, with a word of its own before; of a thread's planes */
} cut;

static cut cut_of(const tn_conv_desc *d, const tn_conv_size *s)
{
    const bool back = d->kind == TN_CONV_BACKWARD_DATA;
    cut c = {.batch = s->batch,
             .filter_h = s->filter[1],
             .filter_w = s->filter[2],
             .dilation_h = s->dilation[1],
             .dilation_w = s->dilation[2],
             .turned = back};
    c.in_h = back ? s->out[1] : s->in[1], c.in_w = back ? s->out[2] : s->in[2],
    c.in_c = back ? s->out_c : s->in_c;
    c.out_h = back ? s->in[1] : s->out[1], c.out_w = back ? s->in[2] : s->out[2],
    c.out_c = back ? s->in_c : s->out_c;
    c.top = back ? (c.filter_h - 1) * c.dilation_h - s->pad[1] : s->pad[1];
    c.left = back ? (c.filter_w - 1) * c.dilation_w - s->pad[2] : s->pad[2];
    c.deep = tn_amx_blocks(c.in_c);
    c.panels = tn_amx_blocks(c.out_c);
    c.pixel = c.deep * BLOCK;
    c.wide = c.out_w + (c.filter_w - 1) * c.dilation_w;
    const int64_t more = (c.filter_h - 1) * c.dilation_h,
                  row = c.wide * c.pixel * 3 * (int64_t)sizeof(uint16_t);
    c.band = TN_MIN(TN_MAX(MOST_BAND / TN_MAX(row, 1) - more, 4), c.out_h);
    if (c.batch < FEW)
        c.band = TN_MIN(c.band, TN_MAX((c.out_h + FEW - 1) / FEW, 4)); /* for several threads */
    c.bands = (c.out_h + c.band - 1) / c.band;
    c.plane = ((c.band + more) * c.wide + BLOCK) * c.pixel;
    c.packed = 64 + (size_t)(c.panels * c.filter_h * c.filter_w * c.deep) * PLANES * sizeof(uint16_t);
    c.each = tn_round64((size_t)c.plane * 3 * sizeof(uint16_t));
    return c;
}

/* Splitting an image takes time, and so does the filter where it is not packed: both are to be used often. */
static bool gains(const cut *c)
{
    const double row = (double)c->wide * (double)c->pixel,
                 pixels = (double)c->batch * (double)c->out_h * (double)c->out_w;
    const int64_t elements = c->filter_h * c->filter_w;
    return elements > 1 && c->in_c >= 24 && elements * c->out_c >= 256 && pixels >= 100 &&
           row * (double)(c->filter_h * c->dilation_h + 4) <= MOST_BAND && 2 * c->out_w >= c->wide &&
           c->top >= 0 && c->left >= 0 && c->left < c->wide;
}

bool tn_conv_amx_takes(const tn_conv_desc *d, const tn_conv_size *s)
{
    if (tn_isa_level_now() < TN_ISA_AMX || (d->kind != TN_CONV_FORWARD && d->kind != TN_CONV_BACKWARD_DATA) ||
        d->dtype != TN_FLOAT || d->portable || d->groups != 1 || d->spatial > 2 || s->in_count == 0 ||
        s->out_count == 0)
        return false;
    if (s->stride[1] != 1 || s->stride[2] != 1) return false;
    const cut c = cut_of(d, s);
    return gains(&c);
}

size_t tn_conv_amx_packed(const tn_conv_desc *d, const tn_conv_size *s)
{
    return cut_of(d, s).packed;
}

size_t tn_conv_amx_scratch(const tn_conv_desc *d, const tn_conv_size *s)
{
    const cut c = cut_of(d, s);
    return tn_round64(c.packed) + c.each * (size_t)TN_MAX(d->threads, 1);
}

#if defined(__x86_64__)

/* ==== the filter ==== */

/* One element's block of channels: [in_c, out_c], or turned [out_c, in_c]. */
AMX static bool split_element(const cut *c, const float *element, int64_t deep, int64_t panel, uint16_t *to)
{
    const int64_t from = deep * BLOCK, col = panel * BLOCK;
    const int64_t depth = TN_MIN(c->in_c - from, BLOCK), cols = TN_MIN(c->out_c - col, BLOCK);
    if (!c->turned) return tn_amx_split_right(element + from * c->out_c + col, c->out_c, depth, cols, to);
    float block[BLOCK * BLOCK];
    for (int64_t i = 0; i < depth; i++)
        for (int64_t j = 0; j < cols; j++) block[i * BLOCK + j] = element[(col + j) * c->in_c + from + i];
    return tn_amx_split_right(block, BLOCK, depth, cols, to);
}

static bool pack_panel(const cut *c, const float *filter, int64_t panel, uint16_t *to)
{
    const int64_t elements = c->filter_h * c->filter_w, each = c->in_c * c->out_c;
    bool ok = true;
    for (int64_t e = 0; e < elements; e++)
        for (int64_t deep = 0; deep < c->deep; deep++, to += PLANES)
            ok = split_element(c, filter + (c->turned ? elements - 1 - e : e) * each, deep, panel, to) && ok;
    return ok;
}

/* What was packed begins with a word: it is no use. */
static void pack_panels(const cut *c, const float *filter, char *packed, int64_t from, int64_t to)
{
    const int64_t each = c->filter_h * c->filter_w * c->deep * PLANES;
    for (int64_t p = from; p < to; p++)
        if (!pack_panel(c, filter, p, (uint16_t *)(void *)(packed + 64) + p * each))
            __atomic_store_n((int *)(void *)packed, 1, __ATOMIC_RELAXED);
}

void tn_conv_amx_pack(const tn_conv_desc *d, const tn_conv_size *s, const void *filter, void *packed)
{
    const cut c = cut_of(d, s);
    memset(packed, 0, 64);
    pack_panels(&c, filter, packed, 0, c.panels);
}

/* ==== a band ==== */

typedef struct work {
    cut c;
    const float *in, *filter, *bias;
    const char *packed;
    float *out;
    bool relu;
} work;

typedef struct band {
    const work *w;
    int64_t image, y0, y1; /* rows of results */
    uint16_t *planes;
} band;

/* A pixel's channels. */
AMX static __m512i split_pixel(const cut *c, const float *from, uint16_t *to, __m512i most)
{
    for (int64_t i = 0; i < c->in_c; i += BLOCK) {
        const tn_amx_pair s = tn_amx_row(from + i, c->in_c - i);
        most = tn_amx_larger(tn_amx_larger(most, s.lo), s.hi);
        tn_amx_split_row(s, to + i, c->plane);
    }
    return most;
}

static void clear(const cut *c, uint16_t *to, int64_t pixels)
{
    for (int i = 0; i < 3 && pixels > 0; i++)
        memset(to + i * c->plane, 0, (size_t)(pixels * c->pixel) * sizeof *to);
}

/* false: there is a number that cannot be split. */
AMX static bool split_image(const band *b)
{
    const cut *c = &b->w->c;
    const float *image = b->w->in + b->image * c->in_h * c->in_w * c->in_c;
    const int64_t rows = b->y1 - b->y0 + (c->filter_h - 1) * c->dilation_h,
                  there = TN_MIN(c->in_w, c->wide - c->left);
    __m512i most = _mm512_setzero_si512();
    for (int64_t r = 0; r < rows; r++) {
        const int64_t y = b->y0 - c->top + r;
        uint16_t *to = b->planes + r * c->wide * c->pixel;
        if (y < 0 || y >= c->in_h) {
            clear(c, to, c->wide);
            continue;
        }
        clear(c, to, c->left);
        for (int64_t x = 0; x < there; x++)
            most = split_pixel(c, image + (y * c->in_w + x) * c->in_c, to + (c->left + x) * c->pixel, most);
        clear(c, to + (c->left + there) * c->pixel, c->wide - c->left - there);
    }
    clear(c, b->planes + rows * c->wide * c->pixel, BLOCK);
    return _mm512_reduce_max_epu32(most) < TN_AMX_LARGEST;
}

/* 32 pixels from `at` on, of one panel. */
AMX static void multiply(const cut *c, const uint16_t *at, const uint16_t *filter, float *sum)
{
    const tn_amx_left l = {.row = c->pixel, .tile = 16 * c->pixel, .plane = c->plane};
    tn_amx_zero();
    for (int64_t y = 0; y < c->filter_h; y++)
        for (int64_t x = 0; x < c->filter_w; x++) {
            const uint16_t *a = at + (y * c->dilation_h * c->wide + x * c->dilation_w) * c->pixel;
            for (int64_t i = 0; i < c->deep; i++, filter += PLANES)
                tn_amx_multiply(a + i * BLOCK, &l, filter);
        }
    tn_amx_store(sum);
}

/* Of 32 sums from pixel `at` of the band on, those that are results. */
AMX static void store(const band *b, int64_t at, int64_t panel, const float *sum)
{
    const cut *c = &b->w->c;
    const int64_t cols = TN_MIN(c->out_c - panel * BLOCK, BLOCK);
    for (int64_t i = 0; i < BLOCK;) {
        const int64_t y = (at + i) / c->wide, x = (at + i) % c->wide, run = TN_MIN(BLOCK - i, c->wide - x);
        if (b->y0 + y >= b->y1) return;
        float *out =
            b->w->out + (((b->image * c->out_h) + b->y0 + y) * c->out_w + x) * c->out_c + panel * BLOCK;
        const tn_amx_finish f = {.c = out,
                                 .row = c->out_c,
                                 .relu = b->w->relu,
                                 .bias = b->w->bias ? b->w->bias + panel * BLOCK : NULL};
        if (x < c->out_w) tn_amx_finish_block(sum + i * BLOCK, TN_MIN(run, c->out_w - x), cols, &f);
        i += run;
    }
}

AMX static void multiply_band(const band *b)
{
    const cut *c = &b->w->c;
    const int64_t each = c->filter_h * c->filter_w * c->deep * PLANES;
    const int64_t pixels = (b->y1 - b->y0 - 1) * c->wide + c->out_w;
    float sum[BLOCK * BLOCK] __attribute__((aligned(64)));
    tn_amx_begin();
    for (int64_t panel = 0; panel < c->panels; panel++)
        for (int64_t at = 0; at < pixels; at += BLOCK) {
            multiply(c, b->planes + at * c->pixel,
                     (const uint16_t *)(const void *)(b->w->packed + 64) + panel * each, sum);
            store(b, at, panel, sum);
        }
    tn_amx_end();
}

/* ==== numbers that cannot be split: by the definition ==== */

static float plain_result(const band *b, int64_t y, int64_t x, int64_t channel)
{
    const cut *c = &b->w->c;
    const float *image = b->w->in + b->image * c->in_h * c->in_w * c->in_c;
    const int64_t elements = c->filter_h * c->filter_w, step = c->turned ? 1 : c->out_c;
    float sum = 0;
    for (int64_t e = 0; e < elements; e++) {
        const int64_t iy = y - c->top + e / c->filter_w * c->dilation_h,
                      ix = x - c->left + e % c->filter_w * c->dilation_w;
        if (iy < 0 || iy >= c->in_h || ix < 0 || ix >= c->in_w) continue;
        const float *pixel = image + (iy * c->in_w + ix) * c->in_c,
                    *element = b->w->filter + (c->turned ? elements - 1 - e : e) * c->in_c * c->out_c +
                               channel * (c->turned ? c->in_c : 1);
        for (int64_t i = 0; i < c->in_c; i++) sum += pixel[i] * element[i * step];
    }
    if (b->w->bias) sum += b->w->bias[channel];
    return b->w->relu && sum < 0 ? 0 : sum;
}

static void plain_band(const band *b)
{
    const cut *c = &b->w->c;
    for (int64_t y = b->y0; y < b->y1; y++)
        for (int64_t x = 0; x < c->out_w; x++)
            for (int64_t i = 0; i < c->out_c; i++)
                b->w->out[((b->image * c->out_h + y) * c->out_w + x) * c->out_c + i] =
                    plain_result(b, y, x, i);
}

static void run_band(const work *w, int64_t index, uint16_t *planes)
{
    const cut *c = &w->c;
    const band b = {w, index / c->bands, index % c->bands * c->band,
                    TN_MIN(index % c->bands * c->band + c->band, c->out_h), planes};
    if (!split_image(&b) || __atomic_load_n((const int *)(const void *)w->packed, __ATOMIC_RELAXED))
        plain_band(&b);
    else
        multiply_band(&b);
}

/* ==== all of it ==== */

/* pack: where the filter is to be packed, together with the others; NULL: it is. */
static void run_part(const work *w, char *pack, char *scratch, int part, int parts)
{
    const cut *c = &w->c;
    int64_t from, to;
    if (pack) {
        tn_share(c->panels, 1, part, parts, &from, &to);
        pack_panels(c, w->filter, pack, from, to);
        if (parts > 1) {
#pragma omp barrier
        }
    }
    tn_share(c->batch * c->bands, 1, part, parts, &from, &to);
    uint16_t *planes = (uint16_t *)(void *)(scratch + (size_t)part * c->each);
    for (int64_t i = from; i < to; i++) run_band(w, i, planes);
}

void tn_conv_amx(const tn_conv_desc *d, const tn_conv_size *s, const tn_conv_args *a)
{
    const bool back = d->kind == TN_CONV_BACKWARD_DATA;
    work w = {.c = cut_of(d, s),
              .filter = a->filter,
              .in = back ? a->out : a->in,
              .out = back ? a->in : a->out,
              .bias = d->bias && !back ? a->bias : NULL,
              .packed = a->packed ? a->packed : a->scratch,
              .relu = !back && d->act == TN_ACT_RELU};
    char *pack = a->packed ? NULL : a->scratch, *scratch = (char *)a->scratch + tn_round64(w.c.packed);
    if (pack) memset(pack, 0, 64);
    if (d->threads < 2) {
        run_part(&w, pack, scratch, 0, 1);
        return;
    }
#pragma omp parallel num_threads(d->threads)
    run_part(&w, pack, scratch, omp_get_thread_num(), omp_get_num_threads());
}

#else /* never chosen */

void tn_conv_amx_pack(const tn_conv_desc *d, const tn_conv_size *s, const void *filter, void *packed)
{
    (void)d, (void)s, (void)filter, (void)packed;
}

void tn_conv_amx(const tn_conv_desc *d, const tn_conv_size *s, const tn_conv_args *a)
{
    (void)d, (void)s, (void)a;
}

#endif
