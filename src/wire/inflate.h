/* SPDX-License-Identifier: Apache-2.0
 *
 * inflate.h - expanding piece by piece; seen by deflate.c and record.c only.
 */
#ifndef TN_WIRE_INFLATE_H
#define TN_WIRE_INFLATE_H

#include "wire.h"

typedef struct tn_inflater tn_inflater;
tn_code tn_inflater_new(tn_view in, tn_compression c, tn_inflater **out, tn_error *err); /* borrows in */
void tn_inflater_free(tn_inflater *z);
/* Fills `to` with n bytes, or with fewer at the end of the stream. */
tn_code tn_inflater_read(tn_inflater *z, void *to, size_t n, size_t *got, tn_error *err);
/* Appends n bytes, or fewer at the end, growing out only as bytes come. */
tn_code tn_inflater_append(tn_inflater *z, tn_buf *out, size_t n, size_t *got, tn_error *err);

#endif
