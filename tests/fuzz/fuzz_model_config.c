/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_model_config.c - any bytes as ModelServerConfig's text; one that is accepted is copied.
 */
#include "serve/models.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tn_model_configs c, copy;
    tn_error err;
    int64_t version;
    char name[32];
    if (tn_model_configs_parse((tn_view){(const char *)data, size}, NULL, &c, &err) == TN_OK) {
        if (tn_model_configs_copy(&c, &copy, &err) == TN_OK) tn_model_configs_free(&copy);
        tn_model_configs_free(&c);
    }
    snprintf(name, sizeof name, "%.*s", (int)TN_MIN(size, 31), (const char *)data);
    tn_version_parse(name, &version);
    return 0;
}
