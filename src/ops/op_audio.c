/* SPDX-License-Identifier: Apache-2.0
 *
 * op_audio.c - sound: DecodeWav, EncodeWav, AudioSpectrogram and Mfcc.
 */
#include <math.h>

#include "../kernel/kernel.h"
#include "../wire/wire.h"
#include "op_move.h"

/* ==== DecodeWav ==== */

static tn_code decode_infer(tn_infer *c, tn_error *err)
{
    int64_t channels = tn_attr_i(c->attrs, "desired_channels"),
            samples = tn_attr_i(c->attrs, "desired_samples");
    TN_TRY(tn_infer_rank(c, 0, 0, err));
    if (channels < -1 || samples < -1)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "desired channels and samples must be non-negative, got %lld, %lld",
                       (long long)channels, (long long)samples);
    tn_infer_set_rank(c, 0, 2);
    c->out[0].shape.dim[0] = samples;
    c->out[0].shape.dim[1] = channels;
    c->out[1].shape = (tn_shape){.rank = 0};
    return TN_OK;
}

static float sample_at(const tn_wav *w, int64_t i, int64_t channel)
{
    const uint8_t *p = (const uint8_t *)w->samples + 2 * (i * w->channels + TN_MIN(channel, w->channels - 1));
    return (float)(int16_t)(uint16_t)(p[0] | p[1] << 8) / 32768.0f;
}

static tn_code decode_run(tn_run *r, tn_error *err)
{
    const tn_string *s = TN_STRINGS(r->in[0]);
    int64_t channels = tn_attr_i(r->attrs, "desired_channels"),
            samples = tn_attr_i(r->attrs, "desired_samples");
    tn_wav w;
    TN_TRY(tn_wav_decode((tn_view){s->p, s->n}, &w, err));
    if (channels < 0) channels = w.channels;
    if (samples < 0) samples = w.count;
    tn_shape shape = {.rank = 2, .dim = {samples, channels}};
    TN_TRY(tn_run_output(r, 0, &shape, err));
    for (int64_t i = 0; i < samples * channels; i++)
        TN_FLOATS(r->out[0])[i] = i / channels < w.count ? sample_at(&w, i / channels, i % channels) : 0;
    *TN_INT32S(r->out[1]) = (int32_t)w.rate;
    return TN_OK;
}

const tn_op tn_op_DecodeWav = {
    .name = "DecodeWav",
    .sig = "contents:string -> audio:float sample_rate:int32; desired_channels:int=-1 desired_samples:int=-1",
    .infer = decode_infer,
    .run = decode_run,
    .flags = TN_NO_GRADIENT,
    .dynamic = TN_BIT(0),
};

/* ==== EncodeWav ==== */

static tn_code encode_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 2, err));
    TN_TRY(tn_infer_rank(c, 1, 0, err));
    c->out[0].shape = (tn_shape){.rank = 0};
    return TN_OK;
}

static tn_code encode_prepare(tn_prepare *p, tn_error *err)
{
    int64_t channels = p->in[0]->shape.dim[1];
    if (channels < 1 || channels > 65535)
        return tn_fail(err, TN_INVALID_ARGUMENT, "num_channels must be in (0, 2^16), got: %lld",
                       (long long)channels);
    p->scratch = (size_t)tn_tensor_count(p->in[0]) * sizeof(int16_t);
    return TN_OK;
}

static int16_t as_sample(float v)
{
    float scaled = roundf(v * 32768);
    if (!(scaled == scaled)) return 0;
    return (int16_t)fminf(fmaxf(scaled, -32768), 32767);
}

static tn_code encode_run(tn_run *r, tn_error *err)
{
    const tn_shape *s = &r->in[0]->shape;
    int16_t *samples = r->scratch;
    int32_t rate = *TN_INT32S(r->in[1]);
    tn_buf b = {0};
    if (rate <= 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "sample_rate must be in (0, 2^32), got: %d", rate);
    for (int64_t i = 0, n = tn_tensor_count(r->in[0]); i < n; i++)
        samples[i] = as_sample(TN_FLOATS(r->in[0])[i]);
    tn_code code = tn_wav_encode(samples, s->dim[0], (int)s->dim[1], (uint32_t)rate, &b, err);
    if (code == TN_OK) code = tn_string_set(r->out[0], 0, b.data, b.n, err);
    tn_buf_free(&b);
    return code;
}

const tn_op tn_op_EncodeWav = {
    .name = "EncodeWav",
    .sig = "audio:float sample_rate:int32 -> contents:string;",
    .infer = encode_infer,
    .prepare = encode_prepare,
    .run = encode_run,
    .flags = TN_NO_GRADIENT,
};

/* ==== AudioSpectrogram ==== samples[n, channels] -> [channels, frames, bins] */

typedef struct spectrogram {
    int64_t window, stride, length; /* length: of the transform, a power of two */
    tn_fft *fft;
    double *hann; /* the window */
    bool squared;
} spectrogram;

static tn_code spectrogram_sizes(const tn_attrs *a, spectrogram *s, tn_error *err)
{
    s->window = tn_attr_i(a, "window_size");
    s->stride = tn_attr_i(a, "stride");
    s->squared = tn_attr_b(a, "magnitude_squared");
    if (s->window < 2 || s->stride < 1 || s->window > 1 << 24)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Spectrogram initialization failed for window size %lld and stride %lld",
                       (long long)s->window, (long long)s->stride);
    for (s->length = 2; s->length < s->window;) s->length *= 2;
    return TN_OK;
}

static tn_code spectrogram_infer(tn_infer *c, tn_error *err)
{
    spectrogram s = {0};
    const tn_shape *in = &c->in[0]->shape;
    TN_TRY(tn_infer_rank(c, 0, 2, err));
    TN_TRY(spectrogram_sizes(c->attrs, &s, err));
    tn_infer_set_rank(c, 0, 3);
    c->out[0].shape.dim[2] = s.length / 2 + 1;
    if (in->rank < 0) return TN_OK;
    c->out[0].shape.dim[0] = in->dim[1];
    if (in->dim[0] >= 0)
        c->out[0].shape.dim[1] = in->dim[0] < s.window ? 0 : 1 + (in->dim[0] - s.window) / s.stride;
    return TN_OK;
}

static void spectrogram_done(void *params)
{
    tn_fft_free(((spectrogram *)params)->fft);
}

static tn_code spectrogram_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, spectrogram, s);
    TN_TRY(spectrogram_sizes(p->attrs, s, err));
    s->hann = TN_ARRAY(p->arena, s->window, double);
    if (!s->hann) return tn_no_memory(err, (size_t)s->window * sizeof(double));
    for (int64_t i = 0; i < s->window; i++) s->hann[i] = 0.5 - 0.5 * cos(2 * M_PI * (double)i / (double)s->window);
    TN_TRY(tn_fft_new(s->length, &s->fft, err));
    p->done = spectrogram_done;
    p->scratch = (size_t)s->length * 16 + tn_fft_scratch(s->fft);
    return TN_OK;
}

/* Hann's window over a frame, zeros behind it, and the transform's magnitudes. */
static void one_frame(const spectrogram *s, const float *in, int64_t step, double *x, void *space, float *out)
{
    memset(x, 0, (size_t)s->length * 16);
    for (int64_t i = 0; i < s->window; i++) x[2 * i] = (double)in[i * step] * s->hann[i];
    tn_fft_run(s->fft, false, x, space);
    for (int64_t k = 0; k <= s->length / 2; k++) {
        double square = x[2 * k] * x[2 * k] + x[2 * k + 1] * x[2 * k + 1];
        out[k] = (float)(s->squared ? square : sqrt(square));
    }
}

static tn_code spectrogram_run(tn_run *r, tn_error *err)
{
    const spectrogram *s = r->params;
    const tn_shape *out = &r->out[0]->shape;
    double *x = r->scratch;
    (void)err;
    for (int64_t c = 0; c < out->dim[0]; c++)
        for (int64_t f = 0; f < out->dim[1]; f++)
            one_frame(s, TN_FLOATS(r->in[0]) + f * s->stride * out->dim[0] + c, out->dim[0], x,
                      x + 2 * s->length, TN_FLOATS(r->out[0]) + (c * out->dim[1] + f) * out->dim[2]);
    return TN_OK;
}

const tn_op tn_op_AudioSpectrogram = {
    .name = "AudioSpectrogram",
    .sig = "input:float -> spectrogram:float; window_size:int stride:int magnitude_squared:bool=false",
    .infer = spectrogram_infer,
    .prepare = spectrogram_prepare,
    .run = spectrogram_run,
};

/* ==== Mfcc ==== spectrogram[batch, frames, bins] of squared magnitudes, sample rate */

static double mel(double hertz)
{
    return 1127.0 * log1p(hertz / 700.0);
}

typedef struct mfcc {
    int64_t bins, bands, coefficients;
    double low, high; /* hertz */
    double *cosines;  /* of 2 pi k / (4 bands) */
    /* by the sample rate, in scratch: */
    double *centre, *weight; /* of a band, in mel; how much of a bin belongs to its lower band */
    double *energy;          /* of the bands of one frame */
    int *band;               /* the lower band of a bin; -1: there is none */
    int64_t first, last;     /* the bins that count */
} mfcc;

static tn_code mfcc_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 3, err));
    TN_TRY(tn_infer_rank(c, 1, 0, err));
    tn_infer_set_rank(c, 0, 3);
    for (int k = 0; k < 2 && c->in[0]->shape.rank == 3; k++) c->out[0].shape.dim[k] = c->in[0]->shape.dim[k];
    c->out[0].shape.dim[2] = tn_attr_i(c->attrs, "dct_coefficient_count");
    if (c->out[0].shape.dim[2] < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "dct_coefficient_count must be positive");
    return TN_OK;
}

static tn_code mfcc_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, mfcc, m);
    m->bins = p->in[0]->shape.dim[2];
    m->bands = tn_attr_i(p->attrs, "filterbank_channel_count");
    m->coefficients = tn_attr_i(p->attrs, "dct_coefficient_count");
    m->low = (double)tn_attr_f(p->attrs, "lower_frequency_limit");
    m->high = (double)tn_attr_f(p->attrs, "upper_frequency_limit");
    if (m->bins < 2 || m->bands < 1 || m->coefficients < 1 || m->coefficients > m->bands ||
        m->bands > 1 << 20 || !(m->low >= 0) || !(m->high > m->low))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Mfcc initialization failed for channel count %lld and "
                       "filterbank_channel_count %lld",
                       (long long)m->bins, (long long)m->bands);
    m->cosines = TN_ARRAY(p->arena, 4 * m->bands, double);
    if (!m->cosines) return tn_no_memory(err, 4 * (size_t)m->bands * sizeof(double));
    for (int64_t k = 0; k < 4 * m->bands; k++) m->cosines[k] = cos(M_PI * (double)k / (double)(2 * m->bands));
    p->scratch = (size_t)(2 * m->bands + 1 + m->bins) * sizeof(double) + (size_t)m->bins * sizeof(int);
    return TN_OK;
}

/* Triangles that overlap by half, evenly spaced in mel. */
static void make_bands(mfcc *m, double rate)
{
    double from = mel(m->low), step = (mel(m->high) - from) / (double)(m->bands + 1);
    double hertz = 0.5 * rate / (double)(m->bins - 1);
    int band = 0;
    for (int64_t i = 0; i <= m->bands; i++) m->centre[i] = from + step * (double)(i + 1);
    m->first = (int64_t)(1.5 + m->low / hertz);
    m->last = (int64_t)fmin(m->high / hertz, 1e15);
    if (m->last >= m->bins) return; /* more than there is: TensorFlow computes nothing */
    for (int64_t i = m->first; i <= m->last; i++) {
        double at = mel((double)i * hertz);
        while (band < m->bands && m->centre[band] < at) band++;
        m->band[i] = band - 1;
        double low = band > 0 ? m->centre[band - 1] : from;
        m->weight[i] = (m->centre[band] - at) / (m->centre[band] - low);
    }
}

static void one_mfcc(const mfcc *m, const float *in, float *out)
{
    memset(out, 0, (size_t)m->coefficients * sizeof *out);
    if (m->last >= m->bins) return;
    memset(m->energy, 0, (size_t)m->bands * sizeof *m->energy);
    for (int64_t i = m->first; i <= m->last; i++) {
        double v = sqrt((double)in[i]), lower = v * m->weight[i];
        if (m->band[i] >= 0) m->energy[m->band[i]] += lower;
        if (m->band[i] + 1 < m->bands) m->energy[m->band[i] + 1] += v - lower;
    }
    for (int64_t i = 0; i < m->bands; i++) m->energy[i] = log(fmax(m->energy[i], 1e-12));
    for (int64_t k = 0; k < m->coefficients; k++) {
        double sum = 0;
        const int64_t all = 4 * m->bands, step = 2 * k % all;
        for (int64_t i = 0, at = k % all; i < m->bands; i++, at = at + step < all ? at + step : at + step - all)
            sum += m->energy[i] * m->cosines[at];
        out[k] = (float)(sum * sqrt(2.0 / (double)m->bands));
    }
}

static tn_code mfcc_run(tn_run *r, tn_error *err)
{
    mfcc m = *(const mfcc *)r->params;
    int32_t rate = *TN_INT32S(r->in[1]);
    if (rate <= 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Mfcc initialization failed for sample rate %d", rate);
    m.centre = r->scratch;
    m.energy = m.centre + m.bands + 1;
    m.weight = m.energy + m.bands;
    m.band = (int *)(void *)(m.weight + m.bins);
    make_bands(&m, rate);
    for (int64_t i = 0, n = r->in[0]->shape.dim[0] * r->in[0]->shape.dim[1]; i < n; i++)
        one_mfcc(&m, TN_FLOATS(r->in[0]) + i * m.bins, TN_FLOATS(r->out[0]) + i * m.coefficients);
    return TN_OK;
}

const tn_op tn_op_Mfcc = {
    .name = "Mfcc",
    .sig = "spectrogram:float sample_rate:int32 -> output:float; upper_frequency_limit:float=4000.0 "
           "lower_frequency_limit:float=20.0 filterbank_channel_count:int=40 dct_coefficient_count:int=13",
    .infer = mfcc_infer,
    .prepare = mfcc_prepare,
    .run = mfcc_run,
};
