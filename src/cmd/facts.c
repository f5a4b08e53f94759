/* SPDX-License-Identifier: Apache-2.0
 *
 * facts.c - what a command tells, as JSON or for people. What the parts mean for people's eyes is
 * facts_text.c's.
 *
 * JSON is written as it is said, nothing is kept; for people a member of the outermost object is kept until
 * it ends.
 */
#include "facts_tree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_DEPTH = 256, FEW_BYTES = 24 };

struct facts {
    FILE *to;
    bool json, line, failed;
    int depth;
    char open[MOST_DEPTH]; /* '{' or '[' */
    bool comma[MOST_DEPTH];
    fact *root, *at; /* for people */
};

facts *facts_new(FILE *to, bool json)
{
    facts *f = calloc(1, sizeof *f);
    if (!f) return NULL;
    *f = (facts){.to = to, .json = json};
    f->at = f->root = json ? NULL : fact_new(FACT_OBJECT, NULL, NULL);
    if (json) facts_object(f, NULL);
    return f;
}

facts *facts_line(FILE *to)
{
    facts *f = calloc(1, sizeof *f);
    if (!f) return NULL;
    *f = (facts){.to = to, .json = true, .line = true};
    facts_object(f, NULL);
    return f;
}

bool facts_json(const facts *f)
{
    return f->json;
}

/* ==== JSON ==== */

static void put_quoted(FILE *to, const char *p, size_t n)
{
    putc('"', to);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c == '"' || c == '\\')
            fprintf(to, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(to, "\\u%04x", c);
        else
            putc(c, to);
    }
    putc('"', to);
}

static void before(facts *f, const char *key)
{
    if (f->depth && f->comma[f->depth]) putc(',', f->to);
    /* One item of an outer list, one member of the whole a line, for those who read with grep. */
    if (!f->line && (f->depth == 1 || (f->depth == 2 && f->open[2] == '['))) putc('\n', f->to);
    f->comma[f->depth] = true;
    if (!key) return;
    put_quoted(f->to, key, strlen(key));
    fputs(f->line ? ":" : ": ", f->to);
}

static void put_base64(FILE *to, tn_bytes b)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)b.p;
    putc('"', to);
    for (size_t i = 0; i < b.n; i += 3) {
        unsigned v = p[i] << 16 | (i + 1 < b.n ? p[i + 1] << 8 : 0) | (i + 2 < b.n ? p[i + 2] : 0);
        putc(digits[v >> 18], to);
        putc(digits[v >> 12 & 63], to);
        putc(i + 1 < b.n ? digits[v >> 6 & 63] : '=', to);
        putc(i + 2 < b.n ? digits[v & 63] : '=', to);
    }
    putc('"', to);
}

/* The shortest text that reads back as the same number. */
static const char *fact_number(char *text, size_t n, double v, bool is_float)
{
    if (!isfinite(v)) return isnan(v) ? "NaN" : v < 0 ? "-Infinity" : "Infinity";
    for (int digits = is_float ? 6 : 15; digits <= (is_float ? 9 : 17); digits++) {
        snprintf(text, n, "%.*g", digits, v);
        if (is_float ? strtof(text, NULL) == (float)v : strtod(text, NULL) == v) break;
    }
    return text;
}

static void put_number(FILE *to, double v, bool is_float)
{
    char text[40];
    fprintf(to, isfinite(v) ? "%s" : "\"%s\"", fact_number(text, sizeof text, v, is_float));
}

/* ==== nesting ==== */

static void begin(facts *f, const char *key, char open, fact_kind kind)
{
    if (!f->json) {
        fact *made = f->at ? fact_new(kind, f->at, key) : NULL;
        f->failed |= !made;
        if (made) f->at = made;
        f->depth++;
        return;
    }
    if (f->depth) before(f, key);
    putc(open, f->to);
    if (f->depth < MOST_DEPTH - 1) f->depth++;
    f->open[f->depth] = open;
    f->comma[f->depth] = false;
}

void facts_object(facts *f, const char *key)
{
    begin(f, key, '{', FACT_OBJECT);
}

void facts_list(facts *f, const char *key)
{
    begin(f, key, '[', FACT_LIST);
}

void facts_tree(facts *f, const char *key)
{
    begin(f, key, '[', FACT_TREE);
}

void facts_end(facts *f)
{
    if (!f->json) {
        if (f->depth) f->depth--;
        if (f->at && f->at->parent) f->at = f->at->parent;
        if (f->at == f->root) fact_flush(f->to, f->root);
        return;
    }
    char open = f->open[f->depth--];
    if (f->comma[f->depth + 1] && f->depth <= 1 && !f->line) putc('\n', f->to);
    putc(open == '{' ? '}' : ']', f->to);
}

void facts_free(facts *f, const tn_error *err)
{
    if (!f) return;
    while (f->depth > (f->json ? 1 : 0)) facts_end(f);
    if (f->json) {
        if (err && err->code != TN_OK) {
            facts_object(f, "error");
            facts_text(f, "code", tn_code_name(err->code));
            facts_text(f, "message", err->message);
            facts_end(f);
        }
        facts_end(f);
        putc('\n', f->to);
    } else {
        fact_flush(f->to, f->root);
        if (f->failed) fputs("(not all of it: out of memory)\n", f->to);
    }
    fact_free(f->root);
    free(f);
}

/* ==== values ==== */

/* A plain value for people; numbers stand to the right in tables. */
static void plain(facts *f, const char *key, bool number, const char *p, size_t n)
{
    fact *made = f->at ? fact_new(number ? FACT_NUMBER : FACT_TEXT, f->at, key) : NULL;
    f->failed |= !made || !fact_set(made, p, n);
}

void facts_null(facts *f, const char *key)
{
    if (!f->json) {
        plain(f, key, false, "-", 1);
        return;
    }
    before(f, key);
    fputs("null", f->to);
}

size_t utf8_step(const unsigned char *p, size_t n)
{
    if (p[0] < 0x80) return 1;
    size_t k = p[0] >= 0xf0 && p[0] <= 0xf4  ? 4
               : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
               : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
                                             : 0;
    if (!k || k > n) return 0;
    for (size_t i = 1; i < k; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f)) return 0;
    if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) return 0;
    return k;
}

static bool is_text(tn_bytes b)
{
    for (size_t i = 0, k; i < b.n; i += k)
        if (!(k = utf8_step((const unsigned char *)b.p + i, b.n - i))) return false;
    return true;
}

/* The first bytes of what is no text, as they would be escaped. */
static size_t escaped(char *to, size_t size, tn_bytes b)
{
    size_t n = 0;
    for (size_t i = 0; i < b.n && i < FEW_BYTES; i++) {
        unsigned char c = (unsigned char)b.p[i];
        n += (size_t)snprintf(to + n, size - n, c < 0x20 || c >= 0x7f ? "\\x%02x" : "%c", c);
    }
    if (b.n > FEW_BYTES) n += (size_t)snprintf(to + n, size - n, "... (%zu bytes)", b.n);
    return n;
}

void facts_bytes(facts *f, const char *key, tn_bytes b)
{
    bool text = is_text(b);
    if (!f->json) {
        char shown[4 * FEW_BYTES + 48];
        if (text)
            plain(f, key, false, b.p, b.n);
        else
            plain(f, key, false, shown, escaped(shown, sizeof shown, b));
        return;
    }
    before(f, key);
    if (text) {
        put_quoted(f->to, b.p, b.n);
        return;
    }
    fputs(f->line ? "{\"b64\":" : "{\"b64\": ", f->to);
    put_base64(f->to, b);
    putc('}', f->to);
}

void facts_b64(facts *f, const char *key, tn_bytes b)
{
    char count[48];
    if (f->json) {
        before(f, key);
        put_base64(f->to, b);
    } else {
        plain(f, key, false, count, (size_t)snprintf(count, sizeof count, "(%zu bytes)", b.n));
    }
}

void facts_text(facts *f, const char *key, const char *text)
{
    if (text)
        facts_bytes(f, key, (tn_bytes){text, strlen(text)});
    else
        facts_null(f, key);
}

static void scalar(facts *f, const char *key, bool number, const char *text)
{
    if (f->json) {
        before(f, key);
        fputs(text, f->to);
    } else {
        plain(f, key, number, text, strlen(text));
    }
}

void facts_int(facts *f, const char *key, int64_t v)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)v);
    scalar(f, key, true, text);
}

void facts_size(facts *f, const char *key, int64_t bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    char text[64];
    double v = (double)bytes / 1000;
    int u = 0;
    while (v >= 1000 && u < 3) v /= 1000, u++;
    bool in_table = f->at && f->at->parent && f->at->parent->kind != FACT_OBJECT;
    if (f->json || in_table || bytes < 10000)
        snprintf(text, sizeof text, "%lld", (long long)bytes);
    else
        snprintf(text, sizeof text, "%lld (%.1f %s)", (long long)bytes, v, units[u]);
    scalar(f, key, true, text);
}

static void number(facts *f, const char *key, double v, bool is_float)
{
    char text[40];
    if (f->json) {
        before(f, key);
        put_number(f->to, v, is_float);
        return;
    }
    const char *s = fact_number(text, sizeof text, v, is_float);
    plain(f, key, true, s, strlen(s));
}

void facts_double(facts *f, const char *key, double v)
{
    number(f, key, v, false);
}

void facts_float(facts *f, const char *key, float v)
{
    number(f, key, (double)v, true);
}

void facts_bool(facts *f, const char *key, bool v)
{
    scalar(f, key, false, f->json ? (v ? "true" : "false") : v ? "yes" : "no");
}

void facts_time(facts *f, const char *key, double seconds)
{
    char text[64];
    struct tm t;
    time_t whole = seconds > -1e11 && seconds < 1e11 ? (time_t)seconds : 0;
    if (f->json || !isfinite(seconds) || !gmtime_r(&whole, &t)) {
        facts_double(f, key, seconds);
        return;
    }
    plain(f, key, false, text, strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &t));
}

void facts_shape(facts *f, const char *key, const tn_shape *s)
{
    char text[256];
    if (!f->json) {
        tn_shape_text(s, text, sizeof text);
        plain(f, key, false, text, strlen(text));
        return;
    }
    before(f, key);
    if (s->rank < 0) {
        fputs("null", f->to);
        return;
    }
    putc('[', f->to);
    for (int i = 0; i < s->rank; i++) fprintf(f->to, "%s%lld", i ? "," : "", (long long)s->dim[i]);
    putc(']', f->to);
}

/* ==== tensors ==== */

static void put_complex(facts *f, const tn_tensor *t, int64_t i)
{
    bool is_float = tn_tensor_dtype(t) == TN_COMPLEX64;
    const void *d = tn_tensor_data(t);
    putc('[', f->to);
    put_number(f->to, is_float ? (double)((const float *)d)[2 * i] : ((const double *)d)[2 * i], is_float);
    putc(',', f->to);
    put_number(f->to, is_float ? (double)((const float *)d)[2 * i + 1] : ((const double *)d)[2 * i + 1],
               is_float);
    putc(']', f->to);
}

static void put_element(facts *f, const tn_tensor *t, int64_t i)
{
    const void *d = tn_tensor_data(t);
    switch (tn_tensor_dtype(t)) {
    case TN_STRING:
        facts_bytes(f, NULL, (tn_bytes){((const tn_string *)d)[i].p, ((const tn_string *)d)[i].n});
        return;
    case TN_INT64: facts_int(f, NULL, ((const int64_t *)d)[i]); return;
    case TN_BOOL: facts_bool(f, NULL, ((const bool *)d)[i]); return;
    case TN_DOUBLE: facts_double(f, NULL, ((const double *)d)[i]); return;
    case TN_FLOAT:
    case TN_HALF:
    case TN_FLOAT8_E5M2:
    case TN_FLOAT8_E4M3FN:
    case TN_FLOAT8_E4M3FNUZ:
    case TN_FLOAT8_E4M3B11FNUZ:
    case TN_FLOAT8_E5M2FNUZ:
    case TN_BFLOAT16: facts_float(f, NULL, (float)tn_tensor_number(t, i)); return;
    case TN_COMPLEX64:
    case TN_COMPLEX128:
        before(f, NULL);
        put_complex(f, t, i);
        return;
    case TN_UINT64:
        before(f, NULL);
        fprintf(f->to, "%llu", (unsigned long long)((const uint64_t *)d)[i]);
        return;
    case TN_RESOURCE:
    case TN_VARIANT: facts_null(f, NULL); return;
    default: facts_int(f, NULL, (int64_t)tn_tensor_number(t, i)); return;
    }
}

static void put_level(facts *f, const char *key, const tn_tensor *t, int level, int64_t *at)
{
    const tn_shape *s = tn_tensor_shape(t);
    facts_list(f, key);
    for (int64_t i = 0; i < s->dim[level]; i++) {
        if (level + 1 < s->rank)
            put_level(f, NULL, t, level + 1, at);
        else
            put_element(f, t, (*at)++);
    }
    facts_end(f);
}

/* A scalar has its key itself. */
static void put_scalar(facts *f, const char *key, const tn_tensor *t)
{
    before(f, key);
    f->comma[f->depth] = false; /* the element itself puts none before it */
    int depth = f->depth;
    f->depth = MOST_DEPTH - 1;
    f->comma[f->depth] = false;
    put_element(f, t, 0);
    f->depth = depth;
    f->comma[depth] = true;
}

void facts_tensor(facts *f, const char *key, const tn_tensor *t, int64_t most)
{
    int64_t at = 0;
    if (f->json) {
        if (tn_tensor_shape(t)->rank)
            put_level(f, key, t, 0, &at);
        else
            put_scalar(f, key, t);
        return;
    }
    char *text = tn_tensor_text(t, most);
    plain(f, key, tn_tensor_shape(t)->rank == 0, text ? text : "?", text ? strlen(text) : 1);
    tn_text_free(text);
}
