/* SPDX-License-Identifier: Apache-2.0
 *
 * tensor_text.c - a tensor as NumPy would print it: nested brackets, aligned columns, long ones elided.
 *
 * Several walks over the shown elements: the first find the form of the numbers and the columns' widths,
 * the last writes. Lines are not broken within a row.
 */
#include "tensor.h"

#include <math.h>

#define PRECISION 8 /* digits after the point at most, NumPy's default */
#define LONGEST_STRING 64
#define ELEMENT_SIZE 320 /* holds any element's text: four characters per byte of a string, 20 digits, ... \
                          */

typedef struct printer {
    const tn_tensor *t;
    tn_buf out;
    int64_t strides[TN_MAX_RANK];
    int64_t edge;        /* shown at either end of an elided dimension; -1: all are shown */
    bool scientific;     /* all numbers in the form 1.5e+10 */
    int fraction, width; /* digits after the point; columns of an element */
    int whole;           /* columns before the point, sign included */
    double least, most;  /* magnitudes of what is finite and not 0; 0: there is none */
} printer;

/* ==== real numbers ==== */

static bool is_real(tn_dtype t)
{
    return tn_dtype_is_float(t) || tn_dtype_is_float8(t);
}

/* v in the form chosen, its point kept; a point whatever the locale. Returns the length. */
static int print_real(const printer *p, char *text, int digits, double v)
{
    int n = snprintf(text, ELEMENT_SIZE, p->scientific ? "%#.*e" : "%#.*f", digits, v);
    char *comma = memchr(text, ',', (size_t)n);
    if (comma) *comma = '.';
    return n;
}

/* Whether text reads back as v in the tensor's own precision. */
static bool reads_back(tn_dtype t, const char *text, double v)
{
    double read = 0;
    tn_parse_double(tn_view_of(text), &read);
    switch (t) {
    case TN_HALF: return tn_float_to_half((float)read) == tn_float_to_half((float)v);
    case TN_BFLOAT16: return tn_float_to_bfloat16((float)read) == tn_float_to_bfloat16((float)v);
    case TN_FLOAT: return (float)read == (float)v;
    default:
        if (tn_dtype_is_float8(t)) return tn_float_to_float8(t, (float)read) == tn_float_to_float8(t, (float)v);
        return read == v;
    }
}

/* Digits after the point that v needs: so many that it reads back, or PRECISION, less the zeros at its end.
 */
static int digits_needed(const printer *p, double v)
{
    char text[ELEMENT_SIZE];
    for (int digits = 0; digits < PRECISION; digits++) {
        print_real(p, text, digits, v);
        if (reads_back(p->t->dtype, text, v)) return digits;
    }
    print_real(p, text, PRECISION, v);
    int digits = PRECISION;
    for (const char *last = text + strcspn(text, "e") - 1; digits > 0 && *last == '0'; last--) digits--;
    return digits;
}

static int print_special(char *text, double v)
{
    return snprintf(text, ELEMENT_SIZE, "%s", isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
}

static void note_magnitude(printer *p, int64_t i)
{
    double v = fabs(tn_tensor_number(p->t, i));
    if (!isfinite(v) || v == 0) return;
    p->least = p->least == 0 ? v : TN_MIN(p->least, v);
    p->most = TN_MAX(p->most, v);
}

static void measure_real(printer *p, int64_t i)
{
    char text[ELEMENT_SIZE];
    double v = tn_tensor_number(p->t, i);
    if (!isfinite(v)) {
        p->width = TN_MAX(p->width, print_special(text, v));
        return;
    }
    int digits = digits_needed(p, v), n = print_real(p, text, digits, v), whole = (int)strcspn(text, ".");
    int exponent = n - whole - 1 - digits;
    p->fraction = TN_MAX(p->fraction, digits);
    p->whole = TN_MAX(p->whole, whole);
    p->width = TN_MAX(p->width, p->whole + 1 + p->fraction + exponent);
}

/* In fixed form every number keeps its own digits, padded behind; in scientific form all have as many. */
static void put_real(printer *p, int64_t i)
{
    char text[ELEMENT_SIZE];
    double v = tn_tensor_number(p->t, i);
    int behind = 0, n;
    if (isfinite(v)) {
        int digits = p->scientific ? p->fraction : TN_MIN(digits_needed(p, v), p->fraction);
        n = print_real(p, text, digits, v);
        behind = p->fraction - digits;
    } else {
        n = print_special(text, v);
    }
    tn_buf_printf(&p->out, "%*s%s%*s", TN_MAX(p->width - n - behind, 0), "", text, behind, "");
}

/* ==== other elements ==== */

static int print_complex(char *text, const tn_tensor *t, int64_t i)
{
    char re[40], im[40];
    if (t->dtype == TN_COMPLEX64) {
        tn_format_float(re, TN_FLOATS(t)[2 * i]);
        tn_format_float(im, TN_FLOATS(t)[2 * i + 1]);
    } else {
        tn_format_double(re, ((double *)t->data)[2 * i]);
        tn_format_double(im, ((double *)t->data)[2 * i + 1]);
    }
    return snprintf(text, ELEMENT_SIZE, "%s%s%sj", re, im[0] == '-' ? "" : "+", im);
}

static int print_string(char *text, const tn_string *s)
{
    static const char from[] = "\n\t\r\\'", to[] = "ntr\\'";
    int n = snprintf(text, ELEMENT_SIZE, "b'");
    for (size_t i = 0; i < TN_MIN(s->n, LONGEST_STRING); i++) {
        unsigned char c = (unsigned char)s->p[i];
        const char *special = c ? strchr(from, c) : NULL;
        if (special)
            n += snprintf(text + n, 8, "\\%c", to[special - from]);
        else if (c >= 0x20 && c < 0x7F)
            n += snprintf(text + n, 8, "%c", c);
        else
            n += snprintf(text + n, 8, "\\x%02x", c);
    }
    return n + snprintf(text + n, 8, "%s'", s->n > LONGEST_STRING ? "..." : "");
}

static int print_other(const tn_tensor *t, int64_t i, char *text)
{
    switch (t->dtype) {
    case TN_STRING: return print_string(text, &TN_STRINGS(t)[i]);
    case TN_BOOL: return snprintf(text, ELEMENT_SIZE, "%s", tn_tensor_int(t, i) ? "True" : "False");
    case TN_RESOURCE: return snprintf(text, ELEMENT_SIZE, "<resource>");
    case TN_VARIANT: return snprintf(text, ELEMENT_SIZE, "<variant>");
    case TN_UINT64:
        return snprintf(text, ELEMENT_SIZE, "%llu", (unsigned long long)((const uint64_t *)t->data)[i]);
    case TN_COMPLEX64:
    case TN_COMPLEX128: return print_complex(text, t, i);
    default: return snprintf(text, ELEMENT_SIZE, "%lld", (long long)tn_tensor_int(t, i));
    }
}

static void measure_other(printer *p, int64_t i)
{
    char text[ELEMENT_SIZE];
    if (p->t->dtype != TN_STRING) p->width = TN_MAX(p->width, print_other(p->t, i, text));
}

static void put_other(printer *p, int64_t i)
{
    char text[ELEMENT_SIZE];
    print_other(p->t, i, text);
    tn_buf_printf(&p->out, "%*s", p->width, text);
}

/* ==== the walk ==== */

/* Between two items of an axis: a space in a row, else as many new lines as there are axes below. */
static void separate(printer *p, int axis)
{
    int below = p->t->shape.rank - 1 - axis;
    for (int i = 0; i < below; i++) tn_buf_char(&p->out, '\n');
    for (int i = 0; i < (below ? axis + 1 : 1); i++) tn_buf_char(&p->out, ' ');
}

typedef void visitor(printer *p, int64_t element);

static void walk(printer *p, int axis, int64_t first, visitor *visit, bool writing)
{
    const tn_shape *s = &p->t->shape;
    if (axis == s->rank) {
        visit(p, first);
        return;
    }
    int64_t n = s->dim[axis];
    bool elided = p->edge >= 0 && n > 2 * p->edge;
    if (writing) tn_buf_char(&p->out, '[');
    for (int64_t i = 0; i < n; i++) {
        if (i > 0 && writing) separate(p, axis);
        if (elided && i == p->edge) {
            if (writing) tn_buf_str(&p->out, "...");
            i = n - p->edge - 1;
        } else {
            walk(p, axis + 1, first + i * p->strides[axis], visit, writing);
        }
    }
    if (writing) tn_buf_char(&p->out, ']');
}

/* At either end of each dimension, so that no more than `most` elements are shown. */
static int64_t edge_for(const tn_tensor *t, int64_t most)
{
    if (most < 0 || tn_tensor_count(t) <= most) return -1;
    for (int64_t edge = 3; edge > 0; edge--) {
        double shown = 1;
        for (int i = 0; i < t->shape.rank; i++) shown *= (double)TN_MIN(t->shape.dim[i], 2 * edge);
        if (shown <= (double)most) return edge;
    }
    return 0;
}

static void put_array(printer *p)
{
    bool real = is_real(p->t->dtype);
    tn_shape_strides(&p->t->shape, p->strides);
    if (real) {
        walk(p, 0, 0, note_magnitude, false);
        p->scientific = p->most >= 1e8 || p->least < 1e-4 || p->most / p->least > 1000;
        p->scientific = p->scientific && p->most > 0;
    }
    walk(p, 0, 0, real ? measure_real : measure_other, false);
    walk(p, 0, 0, real ? put_real : put_other, true);
}

static void put_scalar(printer *p)
{
    char text[ELEMENT_SIZE];
    tn_dtype t = p->t->dtype;
    double v = is_real(t) ? tn_tensor_number(p->t, 0) : 0;
    if (!is_real(t))
        print_other(p->t, 0, text);
    else if (!isfinite(v))
        print_special(text, v);
    else if (t == TN_DOUBLE)
        tn_format_double(text, v);
    else if (t == TN_FLOAT)
        tn_format_float(text, (float)v);
    else {
        for (int digits = 1; digits <= 9; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, v);
            if (reads_back(t, text, v)) break;
        }
    }
    tn_buf_str(&p->out, text);
    if (is_real(t) && strspn(text, "-0123456789") == strlen(text)) tn_buf_str(&p->out, ".0");
}

char *tn_tensor_text(const tn_tensor *t, int64_t most)
{
    printer p = {.t = t, .edge = edge_for(t, most)};
    if (t->shape.rank == 0)
        put_scalar(&p);
    else if (tn_tensor_count(t) == 0)
        tn_buf_str(&p.out, "[]");
    else
        put_array(&p);
    char *text = tn_buf_take(&p.out, NULL);
    tn_buf_free(&p.out);
    return text;
}

void tn_text_free(char *text)
{
    tn_free(text);
}
