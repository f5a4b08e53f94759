/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_csv.c - any bytes as CSV: the first chooses the options.
 */
#include "format/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"a"};
    tn_csv c;
    tn_error err;
    if (!size) return 0;
    tn_csv_options o = {.no_header = data[0] & 1,
                        .separator = data[0] & 2 ? ';' : 0,
                        .columns = names,
                        .n_columns = data[0] & 4 ? 1 : 0,
                        .max_rows = data[0] & 8 ? 2 : 0};
    if (tn_csv_parse((tn_view){(const char *)data + 1, size - 1}, &o, &c, &err) == TN_OK) tn_csv_free(&c);
    return 0;
}
