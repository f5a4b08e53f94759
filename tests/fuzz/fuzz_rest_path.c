/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_rest_path.c - any path: what is accepted names a model as it was written, decoded.
 */
#include "serve/rest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {"GET", "POST", "PUT"};
    tn_arena *a = tn_arena_new((size_t)16 << 20);
    char *path = tn_arena_strndup(a, (const char *)data, size);
    for (size_t i = 0; i < TN_COUNT(methods); i++) {
        tn_rest_path p;
        tn_error err;
        if (tn_rest_path_parse(methods[i], path, a, &p, &err) != TN_OK) continue;
        if (!tn_rest_is_api(path) && strncasecmp(path, "/v1/models", 10) != 0) __builtin_trap();
        if (p.model.n > strlen(path) || memchr(p.model.p ? p.model.p : "", 0, p.model.n)) __builtin_trap();
        if (p.kind >= TN_REST_PREDICT ? i != 1 || p.model.n == 0 : i != 0) __builtin_trap();
        if (p.has_version && (p.version < 0 || p.label.n)) __builtin_trap();
    }
    tn_arena_free(a);
    return 0;
}
