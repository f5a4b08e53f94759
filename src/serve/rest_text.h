/* SPDX-License-Identifier: Apache-2.0
 *
 * rest_text.h - JSON as rapidjson's pretty writer lays it out; seen by rest_*.c only.
 */
#ifndef TN_SERVE_REST_TEXT_H
#define TN_SERVE_REST_TEXT_H

#include "../base/base.h"

enum { TN_REST_DECIMAL = 32 }; /* bytes that one number may take */
/* The number's text, without a NUL; its length. */
int tn_rest_float(char *out, float v);
int tn_rest_double(char *out, double v);
/* As rapidjson writes doubles: the shortest digits that read back, "1e-7" below 1e-6 and from 1e21. */
int tn_rest_shortest(char *out, double v);

/* What stands between values is the writer's business: a member or an element a line, four spaces a level; on
 * one line in lists while `line` is set. */
typedef struct tn_rest_writer {
    tn_buf *out;
    int depth;
    bool line;
    bool after_key;
    struct {
        bool list;
        bool filled;
    } level[40];
} tn_rest_writer;
void tn_rest_open(tn_rest_writer *w, char bracket); /* '{' or '[' */
void tn_rest_close(tn_rest_writer *w);
void tn_rest_key(tn_rest_writer *w, tn_view key);
void tn_rest_raw(tn_rest_writer *w, const char *p, size_t n); /* a value's text */
void tn_rest_string(tn_rest_writer *w, tn_view s);
/* What stands before a value; then its text may be added to w->out. */
void tn_rest_before(tn_rest_writer *w);

/* A value of a JSON text (all of whose syntax is right) as messages show it: laid out by the writer, at most
 * 256 bytes. */
void tn_rest_echo(const char *value, tn_buf *out);

/* {"error": message}, as every failed request is answered. */
void tn_rest_put_error(const char *message, tn_buf *out);

#endif
