/* SPDX-License-Identifier: Apache-2.0
 *
 * op_fft.c - Fourier transforms over the last one to three dimensions: FFT, IFFT, RFFT, IRFFT and their 2D
 * and 3D kinds. Some items (the last dimensions) at a time are computed in double precision; kernel/fft.c does
 * the lines, side by side.
 */
#include "op_fft.h"

#include "../kernel/kernel.h"
#include "op_move.h"

/* ==== which one ==== */

int tn_fft_rank(const char *op)
{
    size_t n = strlen(op);
    return op[n - 1] == 'D' ? op[n - 2] - '0' : 1;
}

typedef struct kind {
    int rank;
    bool inverse, real;
} kind;

static kind kind_of(const tn_op *op)
{
    const char *name = op->name + (strncmp(op->name, "Batch", 5) ? 0 : 5); /* as they were called first */
    bool inverse = name[0] == 'I';
    return (kind){tn_fft_rank(name), inverse, name[inverse] == 'R'};
}

/* ==== inference ==== */

static tn_code fft_infer(tn_infer *c, tn_error *err)
{
    kind k = kind_of(c->op);
    tn_shape size;
    TN_TRY(tn_infer_rank_at_least(c, 0, k.rank, err));
    c->out[0].shape = c->in[0]->shape;
    if (!k.real) return TN_OK;
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    tn_shape *out = &c->out[0].shape;
    if (out->rank < 0) return TN_OK;
    for (int i = out->rank - k.rank; i < out->rank; i++) out->dim[i] = -1;
    if (!tn_infer_ints(c, 1, &size)) return TN_OK;
    if (size.rank != k.rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "fft_length must have shape [%d], has %d values", k.rank,
                       size.rank);
    for (int i = 0; i < k.rank; i++) {
        int64_t n = size.dim[i];
        bool halved = !k.inverse && i == k.rank - 1;
        if (n < -1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "fft_length[%d] must >= 0, but got: %lld", i,
                           (long long)n);
        out->dim[out->rank - k.rank + i] = n <= 0 || !halved ? n : n / 2 + 1;
    }
    return TN_OK;
}

/* ==== preparation ==== */

#define MOST 3

typedef struct transform {
    kind k;
    int64_t items, in[MOST], size[MOST],
        out[MOST]; /* of an item: as read, transformed, written; outermost first */
    int64_t in_count, count, out_count;
    tn_fft *line[MOST];
    int64_t group;      /* items that a thread has in work */
    size_t work, lines; /* bytes of a thread's part of scratch: for them, for the lines in transformation */
    size_t each;
    int threads;
} transform;

static void transform_done(void *params)
{
    transform *t = params;
    for (int i = 0; i < MOST; i++) tn_fft_free(t->line[i]);
}

static tn_code read_sizes(tn_prepare *p, transform *t, tn_error *err)
{
    const tn_shape *in = &p->in[0]->shape, *out = &p->out[0]->shape;
    kind k = t->k;
    t->items = tn_shape_product(in, 0, in->rank - k.rank);
    t->in_count = t->count = t->out_count = 1;
    for (int i = 0; i < MOST; i++) {
        int pad = MOST - k.rank, at = i - pad + in->rank - k.rank;
        t->in[i] = i < pad ? 1 : in->dim[at];
        t->out[i] = i < pad ? 1 : out->dim[at];
        t->size[i] = i < pad ? 1 : k.real ? tn_tensor_int(p->in[1], i - pad) : t->in[i];
        int64_t need = k.inverse && k.real && i == MOST - 1 ? t->size[i] / 2 + 1 : t->size[i];
        bool none = in->rank && tn_tensor_count(p->in[0]) == 0;
        if (k.real && !none && t->in[i] < need)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Input dimension %d must have length of at least %lld but got: %lld", at,
                           (long long)need, (long long)t->in[i]);
        t->in_count *= t->in[i];
        t->count *= t->size[i];
        t->out_count *= t->out[i];
    }
    return TN_OK;
}

static tn_code check_types(const tn_prepare *p, tn_error *err)
{
    bool wide_in = p->in[0]->dtype == TN_DOUBLE || p->in[0]->dtype == TN_COMPLEX128;
    bool wide_out = p->out[0]->dtype == TN_DOUBLE || p->out[0]->dtype == TN_COMPLEX128;
    if (wide_in == wide_out) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Wrong types for a Fourier transform: in=%s out=%s",
                   tn_dtype_name(p->in[0]->dtype), tn_dtype_name(p->out[0]->dtype));
}

static tn_code fft_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, transform, t);
    size_t space = 0;
    int64_t longest = 1;
    t->k = kind_of(p->op);
    TN_TRY(check_types(p, err));
    TN_TRY(read_sizes(p, t, err));
    if (t->count == 0 || t->items == 0 || t->in_count == 0) return TN_OK;
    p->done = transform_done;
    for (int i = 0; i < MOST; i++) {
        tn_code code = tn_fft_new(t->size[i], &t->line[i], err);
        if (code != TN_OK) {
            transform_done(t);
            return code;
        }
        space = TN_MAX(space, tn_fft_scratch(t->line[i]));
        longest = TN_MAX(longest, t->size[i]);
    }
    t->threads = t->items > 1 && t->items * t->count > 1 << 14 ? (int)TN_MIN(p->threads, t->items) : 1;
    t->group = t->count <= 1 << 16 ? TN_MIN(TN_FFT_LANES, (t->items + t->threads - 1) / t->threads) : 1;
    bool single = t->group * t->count == longest; /* there is never a second line */
    t->work = (size_t)(t->group * t->count) * 16;
    t->lines = (size_t)longest * 16 * (single ? 1 : TN_FFT_LANES);
    t->each = (t->work + t->lines + space * (single ? 1 : TN_FFT_LANES) + 63) / 64 * 64;
    p->scratch = t->each * (size_t)t->threads;
    return TN_OK;
}

/* ==== one item ==== */

static void load(const tn_tensor *in, int64_t i, double *to)
{
    to[1] = 0;
    switch (in->dtype) {
    case TN_FLOAT: to[0] = (double)TN_FLOATS(in)[i]; break;
    case TN_DOUBLE: to[0] = ((const double *)in->data)[i]; break;
    case TN_COMPLEX64:
        to[0] = (double)TN_FLOATS(in)[2 * i];
        to[1] = (double)TN_FLOATS(in)[2 * i + 1];
        break;
    default: memcpy(to, (const double *)in->data + 2 * i, 16);
    }
}

static void store(tn_tensor *out, int64_t i, const double *from, double scale)
{
    switch (out->dtype) {
    case TN_FLOAT: TN_FLOATS(out)[i] = (float)(from[0] * scale); break;
    case TN_DOUBLE: ((double *)out->data)[i] = from[0] * scale; break;
    case TN_COMPLEX64:
        TN_FLOATS(out)[2 * i] = (float)(from[0] * scale);
        TN_FLOATS(out)[2 * i + 1] = (float)(from[1] * scale);
        break;
    default:
        ((double *)out->data)[2 * i] = from[0] * scale;
        ((double *)out->data)[2 * i + 1] = from[1] * scale;
    }
}

/* n numbers from place i on. */
static void load_row(const tn_tensor *in, int64_t i, int64_t n, double *to)
{
    if (in->dtype == TN_FLOAT)
        for (int64_t k = 0; k < n; k++) to[2 * k] = (double)TN_FLOATS(in)[i + k], to[2 * k + 1] = 0;
    else if (in->dtype == TN_COMPLEX64)
        for (int64_t k = 0; k < 2 * n; k++) to[k] = (double)TN_FLOATS(in)[2 * i + k];
    else
        for (int64_t k = 0; k < n; k++) load(in, i + k, to + 2 * k);
}

static void store_row(tn_tensor *out, int64_t i, int64_t n, const double *from, double scale)
{
    if (out->dtype == TN_FLOAT)
        for (int64_t k = 0; k < n; k++) TN_FLOATS(out)[i + k] = (float)(from[2 * k] * scale);
    else if (out->dtype == TN_COMPLEX64)
        for (int64_t k = 0; k < 2 * n; k++) TN_FLOATS(out)[2 * i + k] = (float)(from[k] * scale);
    else
        for (int64_t k = 0; k < n; k++) store(out, i + k, from + 2 * k, scale);
}

/* Of what is read, as much as is transformed; of a half spectrum only the half. */
static void load_item(const transform *t, const tn_tensor *in, int64_t item, double *x)
{
    bool half = t->k.real && t->k.inverse;
    int64_t last = half ? t->size[2] / 2 + 1 : t->size[2];
    for (int64_t i = 0; i < t->size[0]; i++)
        for (int64_t j = 0; j < t->size[1]; j++)
            load_row(in, item * t->in_count + (i * t->in[1] + j) * t->in[2], last,
                     x + 2 * (i * t->size[1] + j) * t->size[2]);
}

/* The other half of each line: conjugates. */
static void complete(const transform *t, double *x)
{
    int64_t n = t->size[2];
    for (int64_t row = 0; row < t->size[0] * t->size[1]; row++, x += 2 * n)
        for (int64_t k = n / 2 + 1; k < n; k++) {
            x[2 * k] = x[2 * (n - k)];
            x[2 * k + 1] = -x[2 * (n - k) + 1];
        }
    x -= 2 * n * t->size[0] * t->size[1];
    for (int64_t row = 0; row < t->size[0] * t->size[1]; row++, x += 2 * n) {
        x[1] = 0;
        if (n % 2 == 0) x[n + 1] = 0;
    }
}

/* Lines that wait for their transformation. */
typedef struct waiting {
    const transform *t;
    int axis, n;
    int64_t step; /* from a value to the next, in complex numbers */
    double *at[TN_FFT_LANES];
    double *line; /* and space behind */
} waiting;

static void transform_one(const waiting *w)
{
    const int64_t n = w->t->size[w->axis];
    double *at = w->at[0], *line = w->line;
    for (int64_t k = 0; k < n; k++) memcpy(line + 2 * k, at + 2 * k * w->step, 16);
    tn_fft_run(w->t->line[w->axis], w->t->k.inverse, line, (char *)line + w->t->lines);
    for (int64_t k = 0; k < n; k++) memcpy(at + 2 * k * w->step, line + 2 * k, 16);
}

/* Lanes that nobody has are lines of zeros. */
static void transform_waiting(waiting *w)
{
    const int64_t n = w->t->size[w->axis], step = 2 * w->step;
    double(*line)[2][TN_FFT_LANES] = (double(*)[2][TN_FFT_LANES])(void *)w->line;
    const int lanes = w->n;
    w->n = 0;
    if (lanes == 1) transform_one(w);
    if (lanes < 2) return;
    if (lanes < TN_FFT_LANES) memset(line, 0, (size_t)n * sizeof *line);
    for (int64_t k = 0; k < n; k++)
        for (int l = 0; l < lanes; l++) {
            line[k][0][l] = w->at[l][k * step];
            line[k][1][l] = w->at[l][k * step + 1];
        }
    tn_fft_run_lanes(w->t->line[w->axis], w->t->k.inverse, w->line, (char *)w->line + w->t->lines);
    for (int64_t k = 0; k < n; k++)
        for (int l = 0; l < lanes; l++) {
            w->at[l][k * step] = line[k][0][l];
            w->at[l][k * step + 1] = line[k][1][l];
        }
}

/* All lines along one dimension of some items: outer x size x inner. */
static void lines(const transform *t, int axis, int64_t items, int64_t columns, double *x, double *line)
{
    int64_t n = t->size[axis], inner = 1, outer = items;
    for (int i = axis + 1; i < MOST; i++) inner *= t->size[i];
    for (int i = 0; i < axis; i++) outer *= t->size[i];
    if (n == 1) return;
    waiting w = {.t = t, .axis = axis, .step = inner, .line = line};
    for (int64_t o = 0; o < outer; o++)
        for (int64_t c = 0; c < inner; c++) {
            if (c % t->size[2] >= columns && axis < 2) continue;
            w.at[w.n++] = x + 2 * (o * n * inner + c);
            if (w.n == TN_FFT_LANES) transform_waiting(&w);
        }
    transform_waiting(&w);
}

static void some_items(const tn_run *r, const transform *t, int64_t first, int64_t n, char *scratch)
{
    double *x = (double *)(void *)scratch, *line = (double *)(void *)(scratch + t->work);
    bool half = t->k.real && t->k.inverse;
    int64_t columns = half ? t->size[2] / 2 + 1 : t->size[2];
    for (int64_t g = 0; g < n; g++) load_item(t, r->in[0], first + g, x + 2 * g * t->count);
    lines(t, 0, n, columns, x, line);
    lines(t, 1, n, columns, x, line);
    for (int64_t g = 0; half && g < n; g++) complete(t, x + 2 * g * t->count);
    lines(t, 2, n, columns, x, line);
    double scale = t->k.inverse ? 1 / (double)t->count : 1;
    for (int64_t g = 0; g < n; g++)
        for (int64_t i = 0; i < t->size[0]; i++)
            for (int64_t j = 0; j < t->size[1]; j++)
                store_row(r->out[0], (first + g) * t->out_count + (i * t->out[1] + j) * t->out[2], t->out[2],
                          x + 2 * (g * t->count + (i * t->size[1] + j) * t->size[2]), scale);
}

static tn_code fft_run(tn_run *r, tn_error *err)
{
    const transform *t = r->params;
    (void)err;
    if (t->count == 0 || t->items == 0 || t->in_count == 0) {
        if (tn_tensor_count(r->out[0])) memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
        return TN_OK;
    }
#pragma omp parallel for schedule(static) num_threads(t->threads) if (t->threads > 1)
    for (int part = 0; part < t->threads; part++)
        for (int64_t i = part * t->items / t->threads, end = (part + 1) * t->items / t->threads; i < end; i += t->group)
            some_items(r, t, i, TN_MIN(t->group, end - i), (char *)r->scratch + (size_t)part * t->each);
    return TN_OK;
}

#define FFT(NAME)                                                                                  \
    const tn_op tn_op_##NAME = {                                                                   \
        .name = #NAME,                                                                             \
        .sig = "input:Tcomplex -> output:Tcomplex; Tcomplex:type{complex64,complex128}=complex64", \
        .infer = fft_infer,                                                                        \
        .prepare = fft_prepare,                                                                    \
        .run = fft_run,                                                                            \
        .grad = tn_fft_grad,                                                                       \
    }
FFT(FFT);
FFT(FFT2D);
FFT(FFT3D);
FFT(IFFT);
FFT(IFFT2D);
FFT(IFFT3D);
#define BATCH_FFT(NAME)                                \
    const tn_op tn_op_##NAME = {                       \
        .name = #NAME,                                 \
        .sig = "input:complex64 -> output:complex64;", \
        .infer = fft_infer,                            \
        .prepare = fft_prepare,                        \
        .run = fft_run,                                \
    }
BATCH_FFT(BatchFFT);
BATCH_FFT(BatchFFT2D);
BATCH_FFT(BatchFFT3D);
BATCH_FFT(BatchIFFT);
BATCH_FFT(BatchIFFT2D);
BATCH_FFT(BatchIFFT3D);
#define REAL(NAME, IN, OUT, GRAD)                                                                \
    const tn_op tn_op_##NAME = {                                                                 \
        .name = #NAME,                                                                           \
        .sig = "input:" IN " fft_length:int32 -> output:" OUT                                    \
               "; Treal:type{float,double}=float Tcomplex:type{complex64,complex128}=complex64", \
        .infer = fft_infer,                                                                      \
        .prepare = fft_prepare,                                                                  \
        .run = fft_run,                                                                          \
        .grad = GRAD,                                                                            \
        .values = TN_BIT(1),                                                                     \
    }
REAL(RFFT, "Treal", "Tcomplex", tn_rfft_grad);
REAL(RFFT2D, "Treal", "Tcomplex", tn_rfft_grad);
REAL(RFFT3D, "Treal", "Tcomplex", tn_rfft_grad);
REAL(IRFFT, "Tcomplex", "Treal", tn_irfft_grad);
REAL(IRFFT2D, "Tcomplex", "Treal", tn_irfft_grad);
REAL(IRFFT3D, "Tcomplex", "Treal", tn_irfft_grad);
