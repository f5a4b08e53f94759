/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_npy.c - any bytes to the .npy reader; what it accepts must be the same after writing and reading.
 */
#include "tensor/tensor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tn_tensor *first, *second;
    tn_buf bytes = {0};
    tn_error err;
    if (tn_npy_decode((tn_view){(const char *)data, size}, &first, &err) != TN_OK) return 0;
    if (tn_npy_encode(first, &bytes, &err) != TN_OK) __builtin_trap();
    if (tn_npy_decode((tn_view){bytes.data, bytes.n}, &second, &err) != TN_OK) __builtin_trap();
    if (!tn_tensor_equal(first, second)) __builtin_trap();
    tn_text_free(tn_tensor_text(first, 100));
    tn_tensor_unref(first);
    tn_tensor_unref(second);
    tn_buf_free(&bytes);
    return 0;
}
