/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_json.c - any bytes to the JSON reader; what it accepts must come back the same from the writer.
 */
#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(tn_json_writer *w, const tn_json *v, bool in_object)
{
    if (in_object) tn_json_key(w, v->key.p);
    bool object = v->kind == TN_JSON_OBJECT;
    switch (v->kind) {
    case TN_JSON_NULL: tn_json_null(w); return;
    case TN_JSON_BOOL: tn_json_bool(w, v->boolean); return;
    case TN_JSON_STRING: tn_json_string(w, v->text); return;
    case TN_JSON_NUMBER:
        if (v->is_int)
            tn_json_int(w, v->integer);
        else
            tn_json_double(w, v->number);
        return;
    default: break;
    }
    tn_json_begin(w, object ? '{' : '[');
    for (const tn_json *m = v->child; m; m = m->next) put(w, m, object);
    tn_json_end(w, object ? '}' : ']');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tn_arena *a = tn_arena_new((size_t)64 << 20);
    tn_buf first = {0}, second = {0};
    tn_json *tree;
    tn_error err;
    if (tn_json_parse((tn_view){(const char *)data, size}, a, &tree, &err) == TN_OK) {
        put(&(tn_json_writer){.out = &first, .pretty = size & 1}, tree, false);
        if (tn_json_parse((tn_view){first.data, first.n}, a, &tree, &err) != TN_OK) __builtin_trap();
        put(&(tn_json_writer){.out = &second, .pretty = size & 1}, tree, false);
        if (first.n != second.n || memcmp(first.data, second.data, first.n) != 0) __builtin_trap();
    }
    tn_buf_free(&first);
    tn_buf_free(&second);
    tn_arena_free(a);
    return 0;
}
