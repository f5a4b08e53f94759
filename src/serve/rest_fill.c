/* SPDX-License-Identifier: Apache-2.0
 *
 * rest_fill.c - values of a JSON body -> elements of tensors: each dtype's form and range, and lists, whose
 * nesting is the shape.
 */
#include "rest_fill.h"

#include <float.h>
#include <math.h>

#include "rest_text.h"

typedef tn_rest_item item;
typedef tn_rest_column column;
typedef tn_rest_reader reader;

bool tn_rest_wrong(reader *r, tn_code code, const char *fmt, ...)
{
    if (!r->exact && code != TN_RESOURCE_EXHAUSTED) return false;
    va_list ap;
    va_start(ap, fmt);
    tn_vfail(&r->error, code, fmt, ap);
    va_end(ap);
    return false;
}

/* "JSON Value: <value> <what>"; "%s" of fmt is the value. */
bool tn_rest_wrong_value(reader *r, const char *value, tn_code code, const char *fmt, const char *what)
{
    if (!r->exact) return false;
    tn_buf echo = {0};
    tn_rest_echo(value, &echo);
    tn_buf text = {0};
    const char *at = strstr(fmt, "%s");
    tn_buf_add(&text, fmt, (size_t)(at - fmt));
    tn_buf_str(&text, echo.data ? echo.data : "");
    tn_buf_str(&text, at + 2);
    tn_buf_str(&text, what);
    tn_rest_wrong(r, code, "%s", text.data ? text.data : "");
    tn_buf_free(&text);
    tn_buf_free(&echo);
    return false;
}

/* ==== single values ==== */

static const char *type_name(char first)
{
    switch (first) {
    case 'n': return "Null";
    case 't': return "True";
    case 'f': return "False";
    case '{': return "Object";
    case '[': return "Array";
    case '"': return "String";
    default: return "Number";
    }
}

static bool wrong_type(reader *r, const column *c, const char *value)
{
    char what[96];
    if (!r->exact) return false;
    snprintf(what, sizeof what, " Type: %s is not of expected type: %s", type_name(*value),
             tn_dtype_name(c->dtype));
    return tn_rest_wrong_value(r, value, TN_INVALID_ARGUMENT, "JSON Value: %s", what);
}

/* Room for one more element. */
static bool grow(reader *r, column *c)
{
    int64_t cap = c->cap ? c->cap * 2 : 1024;
    char *data = tn_realloc(c->data, (size_t)cap * c->size);
    if (!data)
        return tn_rest_wrong(r, TN_RESOURCE_EXHAUSTED, "out of memory (%zu bytes)", (size_t)cap * c->size);
    c->data = data;
    c->cap = cap;
    return true;
}

static inline bool is_number(char c)
{
    return (unsigned char)(c - '0') < 10 || c == '-' || c == 'N' || c == 'I';
}

/* Whole numbers must fit the significand, others the range. */
static bool fits_real(const tn_scanned *n, uint64_t most, double largest)
{
    if (n->special || (n->whole && n->m <= most && !n->many)) return true;
    uint64_t whole;
    int64_t negative;
    if (tn_scanned_uint64(n, &whole) || tn_scanned_int64(n, &negative)) return false;
    return fabs(tn_scanned_double(n)) <= largest;
}

static bool put_float(reader *r, column *c, const char *value)
{
    tn_scanned n;
    if (!is_number(*value)) return wrong_type(r, c, value);
    if (!tn_scan_number(&r->s, &n)) return false;
    float v = tn_scanned_float(&n);
    bool plain = n.whole ? n.m <= 16777215 && !n.many : fabsf(v) < FLT_MAX;
    if (!plain && !fits_real(&n, 16777215, (double)FLT_MAX))
        return tn_rest_wrong_value(r, value, TN_INVALID_ARGUMENT, "Cannot convert JSON value: %s to ",
                                   "float without loss of precision.");
    ((float *)(void *)c->data)[c->n] = v;
    return true;
}

static bool put_double(reader *r, column *c, const char *value)
{
    tn_scanned n;
    if (!is_number(*value)) return wrong_type(r, c, value);
    if (!tn_scan_number(&r->s, &n)) return false;
    if (!fits_real(&n, (UINT64_C(1) << 53) - 1, DBL_MAX))
        return tn_rest_wrong_value(r, value, TN_INVALID_ARGUMENT, "Cannot convert JSON value: %s to ",
                                   "double without loss of precision.");
    ((double *)(void *)c->data)[c->n] = tn_scanned_double(&n);
    return true;
}

static bool put_half(reader *r, column *c, const char *value)
{
    tn_scanned n;
    if (!is_number(*value)) return wrong_type(r, c, value);
    if (!tn_scan_number(&r->s, &n)) return false;
    float v = tn_scanned_float(&n);
    ((uint16_t *)(void *)c->data)[c->n] = c->dtype == TN_HALF ? tn_float_to_half(v) : tn_float_to_bfloat16(v);
    return true;
}

/* TensorFlow Serving takes what an int32 holds for the narrower types, and cuts it to them. */
static bool put_int(reader *r, column *c, const char *value)
{
    static const struct range {
        tn_dtype dtype;
        int64_t least, most;
    } rows[] = {{TN_INT32, INT32_MIN, INT32_MAX}, {TN_INT64, INT64_MIN, INT64_MAX},
                {TN_INT16, INT16_MIN, INT16_MAX}, {TN_INT8, INT8_MIN, INT8_MAX},
                {TN_UINT8, 0, UINT8_MAX},         {TN_UINT16, 0, UINT16_MAX},
                {TN_UINT32, 0, UINT32_MAX}};
    tn_scanned n;
    int64_t v;
    size_t i = 0;
    if (!is_number(*value)) return wrong_type(r, c, value);
    if (!tn_scan_number(&r->s, &n)) return false;
    if (c->dtype == TN_UINT64)
        return tn_scanned_uint64(&n, &((uint64_t *)(void *)c->data)[c->n]) || wrong_type(r, c, value);
    while (rows[i].dtype != c->dtype) i++;
    const struct range *fits = c->size < 4 && !r->how->more_types ? &rows[0] : &rows[i];
    if (!tn_scanned_int64(&n, &v) || v < fits->least || v > fits->most) return wrong_type(r, c, value);
    char *to = c->data + (size_t)c->n * c->size;
    switch (c->size) {
    case 1: *(uint8_t *)to = (uint8_t)v; break;
    case 2: *(uint16_t *)(void *)to = (uint16_t)v; break;
    case 4: *(int32_t *)(void *)to = (int32_t)v; break;
    default: *(int64_t *)(void *)to = v;
    }
    return true;
}

static bool put_bool(reader *r, column *c, const char *value)
{
    if (*value != 't' && *value != 'f') return wrong_type(r, c, value);
    c->data[c->n] = *value == 't';
    return tn_scan_word(&r->s, *value == 't' ? "true" : "false");
}

static bool put_base64(reader *r, column *c, const char *value)
{
    tn_view raw;
    bool plain, good;
    tn_buf text = {0};
    if (!tn_scan_base64(value, &raw, &plain, &r->s.at))
        return tn_rest_wrong_value(r, value, TN_INVALID_ARGUMENT,
                                   "JSON Value: %s not formatted correctly for base64 data", "");
    if (!plain) tn_scan_unescape(raw, &text);
    good = tn_base64_decode(plain ? raw : (tn_view){text.data ? text.data : "", text.n}, &c->text);
    tn_buf_free(&text);
    return good || tn_rest_wrong(r, TN_INVALID_ARGUMENT, "Unable to base64 decode");
}

static bool put_string(reader *r, column *c, const char *value)
{
    size_t before = c->text.n;
    tn_view raw;
    bool plain;
    if (*value == '{') {
        if (!put_base64(r, c, value)) return false;
    } else {
        if (*value != '"') return wrong_type(r, c, value);
        if (!tn_scan_string(&r->s, &raw, &plain)) return false;
        tn_scan_unescape(raw, &c->text);
    }
    if (c->text.failed) return tn_rest_wrong(r, TN_RESOURCE_EXHAUSTED, "out of memory (%zu bytes)", before);
    ((tn_rest_place *)(void *)c->data)[c->n] = (tn_rest_place){before, c->text.n - before};
    return true;
}

static bool put_value(reader *r, column *c)
{
    const char *value = r->s.at;
    if (c->n == c->cap && !grow(r, c)) return false;
    switch (c->dtype) {
    case TN_FLOAT: return put_float(r, c, value);
    case TN_DOUBLE: return put_double(r, c, value);
    case TN_STRING: return put_string(r, c, value);
    case TN_BOOL: return put_bool(r, c, value);
    case TN_INT8:
    case TN_INT16:
    case TN_INT32:
    case TN_INT64:
    case TN_UINT8:
    case TN_UINT32:
    case TN_UINT64: return put_int(r, c, value);
    default: break;
    }
    if (*value == '{') return wrong_type(r, c, value);
    if (r->how->more_types && c->dtype == TN_UINT16) return put_int(r, c, value);
    if (r->how->more_types && (c->dtype == TN_HALF || c->dtype == TN_BFLOAT16)) return put_half(r, c, value);
    return tn_rest_wrong_value(r, value, TN_UNIMPLEMENTED,
                               "Conversion of JSON Value: %s to type: ", tn_dtype_name(c->dtype));
}

/* ==== values in lists ==== */

static bool fill(reader *r, column *c, item *it, int level);

/* Lists below the first elements give the shape, which all others must have. A list of the wrong length is
 * told before what is wrong inside it, and its length is known at its end only. */
static bool fill_list(reader *r, column *c, item *it, int level)
{
    bool first = it->rank < 0, more = true, good = true;
    int64_t n = 0;
    if (!first && level >= it->rank)
        return tn_rest_wrong(r, TN_INVALID_ARGUMENT, "Encountered list at unexpected level: %d expected < %d",
                             level, it->rank);
    if (level == TN_MAX_RANK)
        return tn_rest_wrong(r, TN_INVALID_ARGUMENT,
                             "Lists are nested deeper than the %d dimensions that a tensor may have",
                             TN_MAX_RANK);
    r->s.at++;
    tn_scan_space(&r->s);
    if (*r->s.at == ']') {
        r->s.at++;
        more = false;
        if (first) it->rank = level + 1;
    }
    for (; more; n++) {
        const char *element = r->s.at;
        if (good) good = fill(r, c, it, level + 1);
        if (!good) {
            if (!r->exact || first) return false;
            r->s.at = element;
            tn_scan_value(&r->s);
        }
        if (!tn_scan_next(&r->s, ']', &more)) return false;
    }
    if (first)
        it->dim[level] = n;
    else if (n != it->dim[level])
        return tn_rest_wrong(r, TN_INVALID_ARGUMENT,
                             "Encountered list at unexpected size: %lld at level: %d expected size: %lld",
                             (long long)n, level, (long long)it->dim[level]);
    return good;
}

static bool fill(reader *r, column *c, item *it, int level)
{
    if (*r->s.at == '[') return fill_list(r, c, it, level);
    if (it->rank < 0) it->rank = level;
    if (level != it->rank) {
        char what[96];
        snprintf(what, sizeof what, "%d in the JSON DOM. Expected at level: %d", level + 1, it->rank);
        return tn_rest_wrong_value(r, r->s.at, TN_INVALID_ARGUMENT,
                                   "JSON Value: %s found at incorrect level: ", what);
    }
    if (!put_value(r, c)) return false;
    c->n++;
    return true;
}

bool tn_rest_fill(reader *r, column *c, item *it)
{
    return fill(r, c, it, 0);
}
