/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_record.c - one byte of choice, then a TFRecord file: plain, ZLIB or GZIP. What is read from a plain
 * one must be written the same.
 */
#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    tn_compression c = (tn_compression)(data[0] % 3);
    tn_view bytes = {(const char *)data + 1, size - 1}, record;
    tn_records *r;
    tn_buf again = {0};
    tn_error err;
    if (tn_records_open(bytes, c, 1 << 20, &r, &err) != TN_OK) return 0;
    for (int i = 0; i < 1000 && tn_records_next(r, &record, &err) == TN_OK; i++)
        tn_record_put(&again, record.p, record.n);
    tn_records_close(r);
    if (c == TN_PLAIN && again.n && (again.n > bytes.n || memcmp(again.data, bytes.p, again.n) != 0))
        __builtin_trap();
    tn_buf_free(&again);
    return 0;
}
