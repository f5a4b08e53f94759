/* SPDX-License-Identifier: Apache-2.0
 *
 * wav.c - sound as WAV files of 16-bit samples, read and written. Of the format's many chunks only those
 * TensorFlow reads are allowed before the samples.
 */
#include "wire.h"

static tn_code take(tn_view *in, size_t n, const char **out, tn_error *err)
{
    if (in->n < n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "WAV: the data are too short: %zu bytes, %zu needed", in->n,
                       n);
    *out = in->p;
    *in = (tn_view){in->p + n, in->n - n};
    return TN_OK;
}

static tn_code expect(tn_view *in, const char *word, tn_error *err)
{
    const char *p = NULL;
    TN_TRY(take(in, 4, &p, err));
    if (memcmp(p, word, 4) == 0) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "WAV: header mismatch: expected %s", word);
}

static int word_at(const char *p)
{
    return (uint8_t)p[0] | (uint8_t)p[1] << 8;
}

static tn_code read_format(tn_view *in, tn_wav *w, tn_error *err)
{
    const char *p = NULL;
    TN_TRY(take(in, 4, &p, err));
    uint32_t size = tn_get32(p);
    if (size != 16 && size != 18)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Bad format chunk size for WAV: Expected 16 or 18, but got %u", size);
    TN_TRY(take(in, size, &p, err));
    int kind = word_at(p), bits = word_at(p + 14), block = word_at(p + 12);
    w->channels = word_at(p + 2);
    w->rate = tn_get32(p + 4);
    if (kind != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Bad audio format for WAV: Expected 1 (PCM), but got %d",
                       kind);
    if (bits != 16)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Can only read 16-bit WAV files, but received %d", bits);
    if (w->channels < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Bad number of channels for WAV: Expected at least 1, but got 0");
    if (block != 2 * w->channels)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Bad bytes per sample in WAV header: Expected %d but got %d",
                       2 * w->channels, block);
    if (tn_get32(p + 8) != (uint32_t)block * w->rate)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Bad bytes per second in WAV header: Expected %u but got %u",
                       (uint32_t)block * w->rate, tn_get32(p + 8));
    return TN_OK;
}

static tn_code read_samples(tn_view *in, tn_wav *w, tn_error *err)
{
    const char *p = NULL;
    if (w->samples) return tn_fail(err, TN_INVALID_ARGUMENT, "More than one data chunk found in WAV");
    TN_TRY(take(in, 4, &p, err));
    size_t each = 2 * (size_t)w->channels;
    w->count = (int64_t)(tn_get32(p) / each);
    TN_TRY(take(in, (size_t)w->count * each, &w->samples, err));
    return TN_OK;
}

tn_code tn_wav_decode(tn_view in, tn_wav *out, tn_error *err)
{
    tn_wav w = {0};
    const char *p = NULL;
    TN_TRY(expect(&in, "RIFF", err));
    TN_TRY(take(&in, 4, &p, err));
    TN_TRY(expect(&in, "WAVE", err));
    TN_TRY(expect(&in, "fmt ", err));
    TN_TRY(read_format(&in, &w, err));
    while (in.n) {
        TN_TRY(take(&in, 4, &p, err));
        if (memcmp(p, "data", 4) == 0) {
            TN_TRY(read_samples(&in, &w, err));
            continue;
        }
        if (!w.samples) return tn_fail(err, TN_INVALID_ARGUMENT, "WAV: Unexpected field %.4s", p);
        TN_TRY(take(&in, 4, &p, err));
        TN_TRY(take(&in, tn_get32(p), &p, err));
    }
    if (!w.samples) return tn_fail(err, TN_INVALID_ARGUMENT, "No data chunk found in WAV");
    *out = w;
    return TN_OK;
}

static void put_word(char *p, unsigned v)
{
    p[0] = (char)(v & 255);
    p[1] = (char)(v >> 8 & 255);
}

tn_code tn_wav_encode(const int16_t *samples, int64_t count, int channels, uint32_t rate, tn_buf *out,
                      tn_error *err)
{
    char head[44];
    if (channels < 1 || channels > 65535 || rate == 0 || count < 0 || count > (INT32_MAX - 44) / 2 / channels)
        return tn_fail(err, TN_INVALID_ARGUMENT, "WAV: %lld samples of %d channels, %u a second",
                       (long long)count, channels, rate);
    uint32_t size = (uint32_t)count * (uint32_t)channels * 2;
    memcpy(head, "RIFF....WAVEfmt ....", 20);
    tn_put32(head + 4, size + 36);
    tn_put32(head + 16, 16);
    put_word(head + 20, 1);
    put_word(head + 22, (unsigned)channels);
    tn_put32(head + 24, rate);
    tn_put32(head + 28, rate * (uint32_t)channels * 2);
    put_word(head + 32, (unsigned)channels * 2);
    put_word(head + 34, 16);
    memcpy(head + 36, "data", 4);
    tn_put32(head + 40, size);
    tn_buf_add(out, head, sizeof head);
    for (int64_t i = 0; i < count * channels; i++) {
        char two[2];
        put_word(two, (uint16_t)samples[i]);
        tn_buf_add(out, two, 2);
    }
    return tn_buf_check(out, err);
}
