/* SPDX-License-Identifier: Apache-2.0
 *
 * rest_text.c - JSON as rapidjson's pretty writer lays it out, values shown in messages, and the body of an
 * error.
 */
#include "rest_text.h"

#include "rest_scan.h"

enum { ECHO_BYTES = 256, INDENT = 4 };

static void new_line(tn_rest_writer *w)
{
    size_t n = (size_t)w->depth * INDENT;
    if (!tn_buf_reserve(w->out, n + 1)) return;
    char *p = w->out->data + w->out->n;
    *p = '\n';
    memset(p + 1, ' ', n);
    p[n + 1] = 0;
    w->out->n += n + 1;
}

void tn_rest_before(tn_rest_writer *w)
{
    if (w->after_key || w->depth == 0) {
        w->after_key = false;
        return;
    }
    bool list = w->level[w->depth - 1].list, filled = w->level[w->depth - 1].filled;
    w->level[w->depth - 1].filled = true;
    if (filled) tn_buf_char(w->out, ',');
    if (list && w->line) {
        if (filled) tn_buf_char(w->out, ' ');
        return;
    }
    new_line(w);
}

void tn_rest_open(tn_rest_writer *w, char bracket)
{
    tn_rest_before(w);
    tn_buf_char(w->out, bracket);
    w->level[w->depth].list = bracket == '[';
    w->level[w->depth++].filled = false;
}

void tn_rest_close(tn_rest_writer *w)
{
    w->depth--;
    bool list = w->level[w->depth].list;
    if (w->level[w->depth].filled && !(list && w->line)) new_line(w);
    tn_buf_char(w->out, list ? ']' : '}');
}

/* rapidjson escapes what must be, and hexadecimal digits are capitals. */
static void quoted(tn_buf *out, tn_view s)
{
    static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
    tn_buf_char(out, '"');
    for (size_t i = 0, run; i < s.n; i = run + 1) {
        for (run = i; run < s.n; run++) {
            unsigned char c = (unsigned char)s.p[run];
            if (c < 0x20 || c == '"' || c == '\\') break;
        }
        tn_buf_add(out, s.p + i, run - i);
        if (run == s.n) break;
        char c = s.p[run];
        const char *value = c ? strchr(values, c) : NULL;
        if (c == '"' || c == '\\' || value) {
            tn_buf_char(out, '\\');
            tn_buf_char(out, value ? names[value - values] : c);
        } else {
            tn_buf_printf(out, "\\u%04X", (unsigned)c);
        }
    }
    tn_buf_char(out, '"');
}

void tn_rest_key(tn_rest_writer *w, tn_view key)
{
    tn_rest_before(w);
    quoted(w->out, key);
    tn_buf_str(w->out, ": ");
    w->after_key = true;
}

void tn_rest_string(tn_rest_writer *w, tn_view s)
{
    tn_rest_before(w);
    quoted(w->out, s);
}

void tn_rest_raw(tn_rest_writer *w, const char *p, size_t n)
{
    tn_rest_before(w);
    tn_buf_add(w->out, p, n);
}

void tn_rest_put_error(const char *message, tn_buf *out)
{
    tn_rest_writer w = {.out = out};
    tn_rest_open(&w, '{');
    tn_rest_key(&w, TN_VIEW("error"));
    tn_rest_string(&w, tn_view_of(message));
    tn_rest_close(&w);
}

/* ==== echo ==== */

static void echo_string(tn_rest_writer *w, tn_view raw, bool key)
{
    tn_buf text = {0};
    tn_scan_unescape((tn_view){raw.p, TN_MIN(raw.n, 12 * ECHO_BYTES)}, &text);
    tn_view view = {text.data ? text.data : "", TN_MIN(text.n, ECHO_BYTES)};
    if (key)
        tn_rest_key(w, view);
    else
        tn_rest_string(w, view);
    tn_buf_free(&text);
}

/* A number alone is shown as those of answers are; within a value, rapidjson's writer does it. */
static void echo_number(tn_rest_writer *w, const tn_scanned *n)
{
    char text[TN_REST_DECIMAL];
    double v = tn_scanned_double(n);
    uint64_t whole;
    int64_t negative;
    int length;
    if (tn_scanned_uint64(n, &whole))
        length = snprintf(text, sizeof text, "%llu", (unsigned long long)whole);
    else if (tn_scanned_int64(n, &negative))
        length = snprintf(text, sizeof text, "%lld", (long long)negative);
    else if (w->depth > 0)
        length = tn_rest_shortest(text, v);
    else
        length =
            v >= -3.4028234e38 && v <= 3.4028234e38 ? tn_rest_float(text, (float)v) : tn_rest_double(text, v);
    tn_rest_raw(w, text, (size_t)length);
}

static bool echo_value(tn_rest_writer *w, tn_scanner *s);

static bool echo_members(tn_rest_writer *w, tn_scanner *s)
{
    char close = *s->at == '[' ? ']' : '}';
    bool more = true, plain;
    tn_view key;
    tn_rest_open(w, *s->at++);
    tn_scan_space(s);
    if (*s->at == close) {
        s->at++;
        more = false;
    }
    while (more) {
        if (close == '}') {
            tn_scan_key(s, &key, &plain);
            echo_string(w, key, true);
        }
        if (!echo_value(w, s)) return false;
        tn_scan_next(s, close, &more);
    }
    tn_rest_close(w);
    return true;
}

/* false: enough has been shown. */
static bool echo_value(tn_rest_writer *w, tn_scanner *s)
{
    tn_scanned number;
    tn_view raw;
    bool plain;
    if (w->out->n >= ECHO_BYTES || w->depth == TN_COUNT(w->level) || w->out->failed) return false;
    switch (*s->at) {
    case '[':
    case '{': return echo_members(w, s);
    case '"':
        tn_scan_string(s, &raw, &plain);
        echo_string(w, raw, false);
        break;
    case 'n':
    case 't':
    case 'f': {
        const char *word = *s->at == 'n' ? "null" : *s->at == 't' ? "true" : "false";
        tn_scan_word(s, word);
        tn_rest_raw(w, word, strlen(word));
        break;
    }
    default: tn_scan_number(s, &number); echo_number(w, &number);
    }
    return true;
}

void tn_rest_echo(const char *value, tn_buf *out)
{
    tn_buf text = {0};
    tn_scanner s = {.begin = value, .at = value, .end = value};
    tn_rest_writer w = {.out = &text};
    echo_value(&w, &s);
    tn_buf_add(out, text.data ? text.data : "", TN_MIN(text.n, ECHO_BYTES));
    tn_buf_free(&text);
}
