/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_checkpoint_state.c - any bytes as the file "checkpoint", and as a slice's text.
 */
#include "format/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tn_arena *a = tn_arena_new((size_t)16 << 20);
    tn_checkpoint_state s;
    tn_shape full;
    tn_slice slice;
    tn_error err;
    tn_checkpoint_state_parse((tn_view){(const char *)data, size}, "/tmp", a, &s, &err);
    char *text = tn_arena_strndup(a, size ? (const char *)data : "", size);
    if (text) tn_slice_parse(text, &full, &slice, &err);
    tn_arena_free(a);
    return 0;
}
