/* SPDX-License-Identifier: Apache-2.0
 *
 * rest_fill.h - values of a JSON body -> elements of tensors; what rest_read.c and rest_fill.c share.
 */
#ifndef TN_SERVE_REST_FILL_H
#define TN_SERVE_REST_FILL_H

#include "rest.h"
#include "rest_scan.h"

typedef struct tn_rest_item { /* one value: a tensor, or a row of one */
    int rank;                 /* -1: its first elements are still being entered */
    int64_t dim[TN_MAX_RANK];
    int64_t n; /* elements */
} tn_rest_item;

typedef struct tn_rest_column { /* an input being filled */
    const tn_loaded_value *input;
    tn_dtype dtype;
    size_t size; /* of an element in data */
    char *data;
    int64_t n, cap;     /* elements */
    tn_buf text;        /* strings' bytes; data has their places */
    tn_rest_item first; /* the shape of every item */
    int64_t items;
    bool taken; /* its name has been seen in this object */
} tn_rest_column;
typedef struct tn_rest_place { /* of a string in text */
    size_t at, n;
} tn_rest_place;

typedef struct tn_rest_reader {
    tn_scanner s;
    const tn_rest_reading *how;
    const tn_loaded_signature *signature; /* NULL: not known yet */
    tn_rest_column *columns;
    bool columnar;
    tn_view late; /* the signature that is named behind the values; NULL p: none */
    bool exact;   /* the syntax is known to be right: what is wrong gets a message */
    tn_error error;
    tn_arena *arena;
} tn_rest_reader;

/* Keep a message when r is exact; false. */
bool tn_rest_wrong(tn_rest_reader *r, tn_code code, const char *fmt, ...) TN_PRINTF(3, 4);
/* fmt has one "%s", which is the value as messages show it; `what` follows it. */
bool tn_rest_wrong_value(tn_rest_reader *r, const char *value, tn_code code, const char *fmt,
                         const char *what);
/* The value that is next, and all that is nested in it, to the end of the column; `it` gets its shape ({.rank
 * = -1} before). */
bool tn_rest_fill(tn_rest_reader *r, tn_rest_column *c, tn_rest_item *it);

#endif
