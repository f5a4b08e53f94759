/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_pattern.c - a regular expression, a zero byte, a text: what is found lies in the text, and what matches the whole is
 * found as well.
 */
#include "ops/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    size_t n = end ? (size_t)(end - data) : size;
    tn_view pattern = {(const char *)data, n}, text = end ? (tn_view){(const char *)end + 1, size - n - 1} : (tn_view){"", 0};
    tn_arena *a = tn_arena_new((size_t)64 << 20);
    tn_pattern p;
    tn_pattern_run *run;
    tn_error err;
    int64_t at[2 * TN_PATTERN_GROUPS];
    if (tn_pattern_compile(a, pattern, &p, &err) == TN_OK && tn_pattern_run_new(&p, TN_PATTERN_GROUPS - 1, &run, &err) == TN_OK) {
        bool full = tn_pattern_full(run, text);
        bool found = tn_pattern_find(run, text, 0, at);
        if (full && !found) __builtin_trap();
        if (found && (at[0] < 0 || at[1] < at[0] || (size_t)at[1] > text.n)) __builtin_trap();
        tn_pattern_run_free(run);
    }
    tn_arena_free(a);
    return 0;
}
