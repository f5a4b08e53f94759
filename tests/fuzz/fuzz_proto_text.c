/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_proto_text.c - a message's full name, a newline, any text: what the parser accepts must come back the
 * same from the printer.
 */
#include "wire/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *line = size ? memchr(text, '\n', size) : NULL;
    const tn_proto_message *m = line ? tn_proto_named((tn_view){text, (size_t)(line - text)}) : NULL;
    if (!m) return 0;
    tn_arena *a = tn_arena_new(0);
    tn_view bytes = {line + 1, size - (size_t)(line + 1 - text)};
    tn_buf first = {0}, second = {0};
    tn_error err;
    void *message;
    if (tn_proto_parse(m, bytes, a, &message, &err) == TN_OK) {
        if (tn_proto_print(m, message, 0, &first, &err) != TN_OK) __builtin_trap();
        if (tn_proto_parse(m, (tn_view){first.data, first.n}, a, &message, &err) != TN_OK) __builtin_trap();
        if (tn_proto_print(m, message, 0, &second, &err) != TN_OK) __builtin_trap();
        if (first.n != second.n || (first.n && memcmp(first.data, second.data, first.n) != 0))
            __builtin_trap();
    }
    tn_buf_free(&first);
    tn_buf_free(&second);
    tn_arena_free(a);
    return 0;
}
