/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_idx.c - any bytes as an IDX file, plain or gzip.
 */
#include "format/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tn_tensor *t;
    tn_error err;
    for (int most = 0; most < 2; most++)
        if (tn_idx_decode((tn_view){(const char *)data, size}, most, (size_t)1 << 24, &t, &err) == TN_OK)
            tn_tensor_unref(t);
    return 0;
}
