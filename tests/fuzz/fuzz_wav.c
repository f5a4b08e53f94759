/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_wav.c - a WAV file: every sample said to be there is, and what is written of them reads back.
 */
#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tn_wav w, again;
    tn_error err;
    tn_buf out = {0};
    if (tn_wav_decode((tn_view){(const char *)data, size}, &w, &err) != TN_OK) return 0;
    size_t n = (size_t)w.count * (size_t)w.channels;
    int16_t *samples = tn_calloc(n + 1, sizeof *samples);
    if (!samples) return 0;
    for (size_t i = 0; i < n; i++)
        samples[i] = (int16_t)(uint16_t)((uint8_t)w.samples[2 * i] | (uint8_t)w.samples[2 * i + 1] << 8);
    if (w.rate > 0 && tn_wav_encode(samples, w.count, w.channels, w.rate, &out, &err) == TN_OK) {
        if (tn_wav_decode((tn_view){out.data, out.n}, &again, &err) != TN_OK) __builtin_trap();
        if (again.count != w.count || memcmp(again.samples, w.samples, 2 * n) != 0) __builtin_trap();
    }
    tn_buf_free(&out);
    tn_free(samples);
    return 0;
}
