/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_proto.c - a message's full name, a newline, any bytes: what the decoder accepts must come back the
 * same from the encoder, and be fit to be shown.
 */
#include "wire/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const tn_proto_message *m, const void *message, tn_arena *a)
{
    tn_buf first = {0}, second = {0}, text = {0};
    void *back;
    tn_error err;
    if (tn_proto_encode(m, message, &first, &err) != TN_OK) __builtin_trap();
    if (first.n != tn_proto_size(m, message)) __builtin_trap();
    tn_code code = tn_proto_decode(m, (tn_view){first.data, first.n}, a, NULL, &back, &err);
    if (code != TN_OK && code != TN_RESOURCE_EXHAUSTED) __builtin_trap();
    if (code == TN_OK) {
        if (tn_proto_encode(m, back, &second, &err) != TN_OK) __builtin_trap();
        if (first.n != second.n || (first.n && memcmp(first.data, second.data, first.n) != 0))
            __builtin_trap();
    }
    if (tn_proto_print(m, message, 0, &text, &err) != TN_OK) __builtin_trap();
    tn_buf_free(&first);
    tn_buf_free(&second);
    tn_buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *line = size ? memchr(text, '\n', size) : NULL;
    const tn_proto_message *m = line ? tn_proto_named((tn_view){text, (size_t)(line - text)}) : NULL;
    if (!m) return 0;
    tn_arena *a = tn_arena_new(0);
    tn_view bytes = {line + 1, size - (size_t)(line + 1 - text)};
    tn_error err;
    void *message;
    if (tn_proto_decode(m, bytes, a, NULL, &message, &err) == TN_OK) check(m, message, a);
    tn_arena_free(a);
    return 0;
}
