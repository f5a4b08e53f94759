/* SPDX-License-Identifier: Apache-2.0
 *
 * op_unicode.c - text in one encoding as code points or in another, and back: UnicodeDecode,
 * UnicodeDecodeWithOffsets, UnicodeEncode, UnicodeTranscode. Malformed input is cut as the Unicode standard
 * recommends: each longest beginning of a character is one error.
 */
#include <strings.h>

#include "parse.h"
#include "sparse.h"
#include "unicode.h"

/* ==== one character ==== */

enum { MALFORMED = -1 };
typedef enum { UTF8, UTF16_BE, UTF16_LE, UTF32_BE, UTF32_LE, ASCII, LATIN1, N_ENCODINGS } encoding;

static uint32_t unit16(const unsigned char *p, bool big)
{
    return big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

/* How many bytes from p are one character, or one error (*c MALFORMED); n > 0. */
static size_t next_utf16(const unsigned char *p, size_t n, bool big, int32_t *c)
{
    *c = MALFORMED;
    if (n < 2) return n;
    uint32_t a = unit16(p, big);
    if (a >= 0xdc00 && a < 0xe000) return 2;
    if (a < 0xd800 || a >= 0xe000) {
        *c = (int32_t)a;
        return 2;
    }
    if (n < 4) return n;
    uint32_t b = unit16(p + 2, big);
    if (b < 0xdc00 || b >= 0xe000) return 2;
    *c = (int32_t)(0x10000 + ((a - 0xd800) << 10) + (b - 0xdc00));
    return 4;
}

static size_t next_utf32(const unsigned char *p, size_t n, bool big, int32_t *c)
{
    *c = MALFORMED;
    if (n < 4) return n;
    uint32_t v =
        big ? unit16(p, true) << 16 | unit16(p + 2, true) : unit16(p + 2, false) << 16 | unit16(p, false);
    if (v <= 0x10ffff && (v < 0xd800 || v >= 0xe000)) *c = (int32_t)v;
    return 4;
}

static size_t next_character(encoding e, tn_view s, int32_t *c)
{
    const unsigned char *p = (const unsigned char *)s.p;
    switch (e) {
    case UTF8: return tn_utf8_next(s, c);
    case UTF16_BE:
    case UTF16_LE: return next_utf16(p, s.n, e == UTF16_BE, c);
    case UTF32_BE:
    case UTF32_LE: return next_utf32(p, s.n, e == UTF32_BE, c);
    default: *c = e == ASCII && p[0] > 0x7f ? MALFORMED : p[0]; return 1;
    }
}

static void put_unit(uint32_t v, int bytes, tn_buf *out)
{
    while (bytes-- > 0) tn_buf_char(out, (char)(v >> 8 * bytes & 0xff));
}

static void put_character(encoding e, uint32_t c, tn_buf *out)
{
    if (e == UTF8) {
        tn_buf_utf8(out, c);
    } else if (e == UTF32_BE) {
        put_unit(c, 4, out);
    } else if (c < 0x10000) {
        put_unit(c, 2, out);
    } else {
        put_unit(0xd800 + ((c - 0x10000) >> 10), 2, out);
        put_unit(0xdc00 + ((c - 0x10000) & 0x3ff), 2, out);
    }
}

/* ==== attributes ==== */

typedef struct manner {
    encoding in, out;
    bool strict, ignore, controls; /* controls are replaced too (or ignored) */
    bool transcodes;               /* then a strict manner takes controls for malformed, as TensorFlow's does */
    int32_t replacement;
} manner;

static tn_code read_encoding(const tn_attrs *a, const char *attr, encoding *out, tn_error *err)
{
    static const struct {
        const char *name;
        encoding e;
    } known[] = {{"UTF-8", UTF8},         {"UTF8", UTF8},          {"UTF-16-BE", UTF16_BE},
                 {"UTF-16BE", UTF16_BE},  {"UTF-16-LE", UTF16_LE}, {"UTF-16LE", UTF16_LE},
                 {"UTF-32-BE", UTF32_BE}, {"UTF-32BE", UTF32_BE},  {"UTF-32-LE", UTF32_LE},
                 {"UTF-32LE", UTF32_LE},  {"US-ASCII", ASCII},     {"ASCII", ASCII},
                 {"ISO-8859-1", LATIN1},  {"LATIN1", LATIN1}};
    tn_view v = {"", 0};
    tn_attr_get_string(a, attr, &v);
    for (size_t i = 0; i < TN_COUNT(known); i++)
        if (v.n == strlen(known[i].name) && !strncasecmp(v.p, known[i].name, v.n)) {
            *out = known[i].e;
            return TN_OK;
        }
    return tn_fail(err, TN_INVALID_ARGUMENT, "Could not create converter for input encoding: %.*s",
                   (int)TN_MIN(v.n, (size_t)60), v.p);
}

static bool is_character(int64_t c)
{
    return c >= 0 && c <= 0x10ffff && (c < 0xd800 || c >= 0xe000);
}

static tn_code manner_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, manner, m);
    int64_t c = tn_attr_i(p->attrs, "replacement_char");
    bool decodes = tn_attr_find(p->attrs, "input_encoding"),
         encodes = tn_attr_find(p->attrs, "output_encoding");
    if (decodes) TN_TRY(read_encoding(p->attrs, "input_encoding", &m->in, err));
    if (encodes) TN_TRY(read_encoding(p->attrs, "output_encoding", &m->out, err));
    m->transcodes = decodes && encodes;
    m->strict = tn_attr_is(p->attrs, "errors", "strict");
    m->ignore = tn_attr_is(p->attrs, "errors", "ignore");
    tn_attr_get_bool(p->attrs, "replace_control_characters", &m->controls);
    if (!is_character(c))
        return tn_fail(err, TN_INVALID_ARGUMENT, "replacement_char out of unicode codepoint range");
    m->replacement = (int32_t)c;
    return TN_OK;
}

/* The next code point of s, which is moved past it, its place kept in *start. false: s has no more, or an
 * error. */
static bool take(const manner *m, tn_view *s, const char **start, int32_t *c, tn_code *code, tn_error *err)
{
    while (s->n) {
        size_t used = next_character(m->in, *s, c);
        *start = s->p;
        *s = (tn_view){s->p + used, s->n - used};
        if (*c != MALFORMED && !(m->controls && *c <= 0x1f)) return true;
        if (m->strict && (*c == MALFORMED || m->transcodes)) {
            *code = tn_fail(err, TN_INVALID_ARGUMENT, "Invalid formatting on input string");
            return false;
        }
        if (m->ignore) continue;
        *c = m->replacement;
        return true;
    }
    return false;
}

/* ==== UnicodeDecode ==== */

static tn_code count_characters(const tn_run *r, int64_t *total, tn_error *err)
{
    const manner *m = r->params;
    tn_code code = TN_OK;
    const char *start;
    int32_t c;
    *total = 0;
    for (int64_t i = 0, n = tn_tensor_count(r->in[0]); i < n && code == TN_OK; i++) {
        tn_view s = tn_parse_string(r->in[0], i);
        while (take(m, &s, &start, &c, &code, err)) ++*total;
    }
    return code;
}

static tn_code decode_run(tn_run *r, tn_error *err)
{
    const manner *m = r->params;
    int64_t n = tn_tensor_count(r->in[0]), total, at = 0;
    TN_TRY(count_characters(r, &total, err));
    if (total > INT32_MAX && r->out[0]->dtype == TN_INT32)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%lld characters do not fit in int32 row splits",
                       (long long)total);
    tn_shape splits = tn_shape_vector(n + 1), values = tn_shape_vector(total);
    TN_TRY(tn_run_output(r, 0, &splits, err));
    for (int o = 1; o < r->n_out; o++) TN_TRY(tn_run_output(r, o, &values, err));
    tn_parse_split(r->out[0], 0, 0);
    for (int64_t i = 0; i < n; i++) {
        tn_view s = tn_parse_string(r->in[0], i);
        const char *begin = s.p, *start;
        tn_code code = TN_OK;
        int32_t c;
        for (; take(m, &s, &start, &c, &code, err); at++) {
            TN_INT32S(r->out[1])[at] = c;
            if (r->n_out == 3) TN_INT64S(r->out[2])[at] = start - begin;
        }
        tn_parse_split(r->out[0], i + 1, at);
    }
    return TN_OK;
}

static tn_code decode_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    int64_t n = c->in[0]->shape.rank < 0 ? -1 : tn_shape_product(&c->in[0]->shape, 0, c->in[0]->shape.rank);
    c->out[0].shape = tn_shape_vector(n < 0 ? -1 : n + 1);
    for (int o = 1; o < c->n_out; o++) tn_infer_set_rank(c, o, 1);
    return TN_OK;
}

#define MANNER                                                                     \
    "errors:string{strict,replace,ignore}=\"replace\" replacement_char:int=65533 " \
    "replace_control_characters:bool=false"
#define DECODE(Name, Out)                                                                                   \
    const tn_op tn_op_##Name = {                                                                            \
        .name = #Name,                                                                                      \
        .sig = "input:string -> row_splits:Tsplits char_values:int32" Out "; input_encoding:string " MANNER \
               " Tsplits:type{int32,int64}=int64",                                                          \
        .infer = decode_infer,                                                                              \
        .prepare = manner_prepare,                                                                          \
        .run = decode_run,                                                                                  \
        .flags = TN_NO_GRADIENT,                                                                            \
        .dynamic = ~0u,                                                                                     \
    }
DECODE(UnicodeDecode, "");
DECODE(UnicodeDecodeWithOffsets, " char_to_byte_starts:int64");

/* ==== UnicodeTranscode ==== */

static tn_code transcode_run(tn_run *r, tn_error *err)
{
    const manner *m = r->params;
    tn_buf text = {0};
    tn_code code = TN_OK;
    for (int64_t i = 0, n = tn_tensor_count(r->in[0]); i < n && code == TN_OK; i++) {
        tn_view s = tn_parse_string(r->in[0], i);
        const char *start;
        int32_t c;
        tn_buf_clear(&text);
        while (take(m, &s, &start, &c, &code, err)) put_character(m->out, (uint32_t)c, &text);
        if (code == TN_OK) code = tn_buf_check(&text, err);
        if (code == TN_OK) code = tn_string_set(r->out[0], i, text.n ? text.data : "", text.n, err);
    }
    tn_buf_free(&text);
    return code;
}

static tn_code like_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[0].shape = c->in[0]->shape;
    return TN_OK;
}

const tn_op tn_op_UnicodeTranscode = {
    .name = "UnicodeTranscode",
    .sig = "input:string -> output:string; input_encoding:string "
           "output_encoding:string{UTF-8,UTF-16-BE,UTF-32-BE} " MANNER,
    .infer = like_infer,
    .prepare = manner_prepare,
    .run = transcode_run,
    .flags = TN_NO_GRADIENT,
};

/* ==== UnicodeEncode ==== */

static tn_code encode_row(const manner *m, const tn_tensor *values, int64_t from, int64_t to, tn_buf *out,
                          tn_error *err)
{
    tn_buf_clear(out);
    for (int64_t i = from; i < to; i++) {
        int32_t c = TN_INT32S(values)[i];
        if (!is_character(c)) {
            if (m->strict)
                return tn_fail(err, TN_INVALID_ARGUMENT,
                               "Code point is out of range for Unicode, or is a surrogate.");
            if (m->ignore) continue;
            c = m->replacement;
        }
        put_character(m->out, (uint32_t)c, out);
    }
    return tn_buf_check(out, err);
}

static tn_code encode_run(tn_run *r, tn_error *err)
{
    const tn_tensor *values = r->in[0], *splits = r->in[1];
    int64_t rows = tn_tensor_count(splits) - 1, n = tn_tensor_count(values), last = 0;
    if (rows < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid empty input_splits");
    if (tn_tensor_int(splits, 0) != 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "First value in input_splits must be zero.");
    tn_shape s = tn_shape_vector(rows);
    TN_TRY(tn_run_output(r, 0, &s, err));
    tn_buf text = {0};
    tn_code code = TN_OK;
    for (int64_t i = 0; i < rows && code == TN_OK; i++) {
        int64_t to = tn_tensor_int(splits, i + 1);
        if (to < last || to > n)
            code = tn_fail(err, TN_INVALID_ARGUMENT,
                           "Values in input_splits must be equal or in ascending order, at most "
                           "%lld: %lld",
                           (long long)n, (long long)to);
        if (code == TN_OK) code = encode_row(r->params, values, last, to, &text, err);
        if (code == TN_OK) code = tn_string_set(r->out[0], i, text.n ? text.data : "", text.n, err);
        last = to;
    }
    tn_buf_free(&text);
    if (code == TN_OK && last != n)
        code = tn_fail(err, TN_INVALID_ARGUMENT, "input_splits end at %lld of %lld values", (long long)last,
                       (long long)n);
    return code;
}

static tn_code encode_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 1, err));
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    int64_t n = c->in[1]->shape.rank == 1 ? c->in[1]->shape.dim[0] : -1;
    c->out[0].shape = tn_shape_vector(n > 0 ? n - 1 : -1);
    return TN_OK;
}

const tn_op tn_op_UnicodeEncode = {
    .name = "UnicodeEncode",
    .sig = "input_values:int32 input_splits:Tsplits -> output:string; "
           "errors:string{ignore,replace,strict}=\"replace\" "
           "output_encoding:string{UTF-8,UTF-16-BE,UTF-32-BE} replacement_char:int=65533 "
           "Tsplits:type{int32,int64}=int64",
    .infer = encode_infer,
    .prepare = manner_prepare,
    .run = encode_run,
    .flags = TN_NO_GRADIENT,
    .dynamic = TN_BIT(0),
};

/* ==== UnicodeScript ==== */

static tn_code script_run(tn_run *r, tn_error *err)
{
    (void)err;
    for (int64_t i = 0, n = tn_tensor_count(r->in[0]); i < n; i++)
        TN_INT32S(r->out[0])[i] = tn_unicode_script(TN_INT32S(r->in[0])[i]);
    return TN_OK;
}

const tn_op tn_op_UnicodeScript = {
    .name = "UnicodeScript",
    .sig = "input:int32 -> output:int32;",
    .infer = tn_infer_unchanged,
    .run = script_run,
    .flags = TN_NO_GRADIENT,
};
