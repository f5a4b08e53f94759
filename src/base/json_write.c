/* SPDX-License-Identifier: Apache-2.0
 *
 * json_write.c - JSON written as it comes, into a buffer; commas, nesting and layout are kept here.
 *
 * At depth 0 any number of documents may follow one another: what stands between them is the caller's.
 */
#include "base.h"

static void new_line(tn_json_writer *w)
{
    if (!w->pretty) return;
    tn_buf_char(w->out, '\n');
    for (int i = 0; i < w->depth; i++) tn_buf_str(w->out, "  ");
}

static void before_item(tn_json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->need_comma) tn_buf_char(w->out, ',');
    if (w->depth > 0) new_line(w);
}

static void after_item(tn_json_writer *w)
{
    w->need_comma = w->depth > 0;
}

static void put_text(tn_json_writer *w, const char *text)
{
    before_item(w);
    tn_buf_str(w->out, text);
    after_item(w);
}

void tn_json_begin(tn_json_writer *w, char open)
{
    before_item(w);
    tn_buf_char(w->out, open);
    w->depth++;
    w->need_comma = false;
}

void tn_json_end(tn_json_writer *w, char close)
{
    w->depth--;
    if (w->need_comma) new_line(w);
    tn_buf_char(w->out, close);
    after_item(w);
}

/* ==== strings ==== */

static void put_escape(tn_buf *out, unsigned char c)
{
    switch (c) {
    case '"': tn_buf_str(out, "\\\""); break;
    case '\\': tn_buf_str(out, "\\\\"); break;
    case '\b': tn_buf_str(out, "\\b"); break;
    case '\f': tn_buf_str(out, "\\f"); break;
    case '\n': tn_buf_str(out, "\\n"); break;
    case '\r': tn_buf_str(out, "\\r"); break;
    case '\t': tn_buf_str(out, "\\t"); break;
    default: tn_buf_printf(out, "\\u%04x", c);
    }
}

/* Bytes that stand for themselves, at the start of s. */
static size_t plain_run(tn_view s)
{
    size_t n = 0;
    while (n < s.n) {
        unsigned char c = (unsigned char)s.p[n];
        size_t step = c < 0x80 ? 1 : tn_utf8_step((tn_view){s.p + n, s.n - n});
        if (c < 0x20 || c == '"' || c == '\\' || step == 0) break;
        n += step;
    }
    return n;
}

static void quoted(tn_buf *out, tn_view s)
{
    tn_buf_char(out, '"');
    while (s.n) {
        size_t run = plain_run(s);
        tn_buf_add(out, s.p, run);
        s = (tn_view){s.p + run, s.n - run};
        if (s.n == 0) break;
        if ((unsigned char)s.p[0] < 0x80)
            put_escape(out, (unsigned char)s.p[0]);
        else
            tn_buf_str(out, "\xEF\xBF\xBD");
        s = (tn_view){s.p + 1, s.n - 1};
    }
    tn_buf_char(out, '"');
}

void tn_json_key(tn_json_writer *w, const char *key)
{
    before_item(w);
    quoted(w->out, tn_view_of(key));
    tn_buf_str(w->out, w->pretty ? ": " : ":");
    w->after_key = true;
}

void tn_json_string(tn_json_writer *w, tn_view s)
{
    before_item(w);
    quoted(w->out, s);
    after_item(w);
}

void tn_json_cstr(tn_json_writer *w, const char *s)
{
    tn_json_string(w, tn_view_of(s));
}

/* ==== numbers and words ==== */

void tn_json_int(tn_json_writer *w, int64_t v)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)v);
    put_text(w, text);
}

/* A whole number gets ".0", so that it reads back as a floating one. */
static void put_number(tn_json_writer *w, char *text, int n)
{
    if (strspn(text, "-0123456789") == (size_t)n) memcpy(text + n, ".0", 3);
    put_text(w, text);
}

void tn_json_double(tn_json_writer *w, double v)
{
    char text[40];
    put_number(w, text, tn_format_double(text, v));
}

void tn_json_float(tn_json_writer *w, float v)
{
    char text[40];
    put_number(w, text, tn_format_float(text, v));
}

void tn_json_bool(tn_json_writer *w, bool v)
{
    put_text(w, v ? "true" : "false");
}

void tn_json_null(tn_json_writer *w)
{
    put_text(w, "null");
}
