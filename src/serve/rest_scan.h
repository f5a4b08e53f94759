/* SPDX-License-Identifier: Apache-2.0
 *
 * rest_scan.h - the words of a JSON text; seen by rest_*.c only.
 *
 * Texts end in a NUL beyond their last byte, as those of a tn_buf do: scanning stops there without looking at
 * lengths. What is wrong is said in rapidjson's words and at its offsets, since that is what TensorFlow
 * Serving's clients know.
 */
#ifndef TN_SERVE_REST_SCAN_H
#define TN_SERVE_REST_SCAN_H

#include "../base/base.h"

enum { TN_SCAN_DEPTH = 1000 }; /* of lists and objects in one another */

typedef struct tn_scanner {
    const char *begin, *end; /* *end is 0 */
    const char *at;
    const char *why; /* what is wrong at `at`; NULL: nothing so far */
} tn_scanner;

static inline void tn_scan_space(tn_scanner *s)
{
    while (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t') s->at++;
}
/* Sets why and where; false. */
static inline bool tn_scan_wrong(tn_scanner *s, const char *at, const char *why)
{
    s->at = at;
    s->why = why;
    return false;
}
typedef struct tn_scanned {
    uint64_t m;   /* the digits without the point, when there are at most 19 */
    int exponent; /* of ten: the value is m * 10^exponent */
    bool negative;
    bool whole;   /* neither fraction nor exponent */
    bool many;    /* more than 19 digits: m is not all of it */
    bool special; /* NaN or an infinity: value */
    double value;
    const char *begin, *end;
} tn_scanned;
bool tn_scan_number(tn_scanner *s, tn_scanned *n);
/* The nearest double, or (double) the nearest float's, which takes less time. */
double tn_scanned_double(const tn_scanned *n);
float tn_scanned_float(const tn_scanned *n);
/* As rapidjson has it: an integer when it is whole and fits 64 bits with its sign or without one. */
bool tn_scanned_int64(const tn_scanned *n, int64_t *out);
bool tn_scanned_uint64(const tn_scanned *n, uint64_t *out);

/* A string: at stands on its first quote, and behind its last one afterwards. *raw is what is between them;
 * *plain: it has no escapes. */
bool tn_scan_string(tn_scanner *s, tn_view *raw, bool *plain);
/* The bytes that a scanned string stands for, appended. */
void tn_scan_unescape(tn_view raw, tn_buf *out);
/* The same in an arena when it is not plain; NUL-terminated only then. NULL p: no memory. */
tn_view tn_scan_text(tn_view raw, bool plain, tn_arena *a);

bool tn_scan_word(tn_scanner *s, const char *word); /* "null", "true", "false" */
/* Steps over one value, all of whose syntax is looked at. */
bool tn_scan_value(tn_scanner *s);
/* Between members or elements: steps over a comma, or over `close`, which ends them: *more. */
bool tn_scan_next(tn_scanner *s, char close, bool *more);
/* Whether an object is {"b64": "..."}: then what is between the quotes, and where it ends. */
bool tn_scan_base64(const char *value, tn_view *raw, bool *plain, const char **end);
/* Behind a byte order mark. */
const char *tn_scan_start(tn_view text);
/* All of the text, looked at: one value, which begins at *root. */
tn_code tn_scan_document(tn_scanner *s, const char **root, tn_error *err);
/* A member's name and the colon behind it; white space on either side. */
bool tn_scan_key(tn_scanner *s, tn_view *raw, bool *plain);

#endif
