/* SPDX-License-Identifier: Apache-2.0
 *
 * csv.h - what a field of a record between delimiters means (op_csv.c), for those that find the fields.
 */
#ifndef TN_OPS_CSV_H
#define TN_OPS_CSV_H

#include "../tensor/tensor.h"

/* The field of a column as element `record` of out: a number or text of out's dtype, or where there is none,
 * or only `na`, the default, which must be there. */
tn_code tn_csv_put(tn_tensor *out, int64_t record, tn_view field, tn_view na, const tn_tensor *def,
                   int column, tn_error *err);

#endif
