/* SPDX-License-Identifier: Apache-2.0
 *
 * npy.c - NumPy's .npy files, bytes <-> tensor. Reads versions 1.0, 2.0 and 3.0, either byte order and
 * either element order; writes 1.0, little endian, row-major, the header padded to 64 bytes.
 *
 * Invariants: the bytes present are checked against dtype and shape before memory is taken. Dtypes that
 * NumPy has not are written as the integers they are stored in (bfloat16 as uint16, qint8 as int8, ...).
 */
#include "tensor.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the host is taken to be little endian");

static const char magic[] = "\x93NUMPY";
#define MAGIC_SIZE (sizeof magic - 1)

typedef struct npy_type {
    tn_dtype dtype;
    const char *code;
    size_t part; /* bytes that are swapped together */
} npy_type;

/* The first row of a code is what it is read as. */
static const npy_type types[] = {
    {TN_FLOAT, "f4", 4},  {TN_DOUBLE, "f8", 8},      {TN_HALF, "f2", 2},     {TN_COMPLEX64, "c8", 4},
    {TN_BOOL, "b1", 1},   {TN_COMPLEX128, "c16", 8}, {TN_INT8, "i1", 1},     {TN_INT16, "i2", 2},
    {TN_INT32, "i4", 4},  {TN_INT64, "i8", 8},       {TN_UINT8, "u1", 1},    {TN_UINT16, "u2", 2},
    {TN_UINT32, "u4", 4}, {TN_UINT64, "u8", 8},      {TN_BFLOAT16, "u2", 2}, {TN_QINT8, "i1", 1},
    {TN_QUINT8, "u1", 1}, {TN_QINT16, "i2", 2},      {TN_QUINT16, "u2", 2},  {TN_QINT32, "i4", 4},
    {TN_FLOAT8_E5M2, "u1", 1}, {TN_FLOAT8_E4M3FN, "u1", 1}, {TN_FLOAT8_E4M3FNUZ, "u1", 1},
    {TN_FLOAT8_E4M3B11FNUZ, "u1", 1}, {TN_FLOAT8_E5M2FNUZ, "u1", 1}, {TN_INT4, "i1", 1}, {TN_UINT4, "u1", 1},
};

typedef struct header {
    const npy_type *type;
    bool swapped, fortran;
    tn_shape shape;
    bool has_descr, has_order, has_shape;
} header;

/* ==== the header's dictionary, a Python literal ==== */

typedef struct cursor {
    const char *p, *end;
    tn_error *err;
} cursor;

static void skip_space(cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\n' || *c->p == '\r')) c->p++;
}

/* Moves over the character when it is the next one that is not white space. */
static bool accept(cursor *c, char wanted)
{
    skip_space(c);
    if (c->p == c->end || *c->p != wanted) return false;
    c->p++;
    return true;
}

static tn_code malformed(cursor *c, const char *expected)
{
    int n = (int)TN_MIN(c->end - c->p, 24);
    while (n > 0 && ((unsigned char)c->p[n - 1] < 0x20 || (unsigned char)c->p[n - 1] > 0x7E)) n--;
    return tn_fail(c->err, TN_INVALID_ARGUMENT, "npy header: expected %s at \"%.*s\"", expected, n, c->p);
}

static tn_code read_string(cursor *c, tn_view *out)
{
    skip_space(c);
    char quote = c->p < c->end ? *c->p : 0;
    if (quote != '\'' && quote != '"') return malformed(c, "a string in quotes");
    const char *start = c->p + 1, *close = memchr(start, quote, (size_t)(c->end - start));
    if (!close) return malformed(c, "a closed string");
    *out = (tn_view){start, (size_t)(close - start)};
    c->p = close + 1;
    return TN_OK;
}

static tn_code read_bool(cursor *c, bool *out)
{
    skip_space(c);
    tn_view rest = {c->p, (size_t)(c->end - c->p)};
    *out = tn_view_starts(rest, "True");
    if (!*out && !tn_view_starts(rest, "False")) return malformed(c, "True or False");
    c->p += *out ? 4 : 5;
    return TN_OK;
}

static tn_code read_dim(cursor *c, int64_t *out)
{
    const char *start = c->p;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9') c->p++;
    if (!tn_parse_int((tn_view){start, (size_t)(c->p - start)}, out)) {
        c->p = start;
        return malformed(c, "a dimension");
    }
    if (c->p < c->end && *c->p == 'L') c->p++; /* as Python 2 wrote it */
    return TN_OK;
}

static tn_code read_shape(cursor *c, tn_shape *out)
{
    *out = (tn_shape){.rank = 0};
    if (!accept(c, '(')) return malformed(c, "a tuple");
    while (!accept(c, ')')) {
        if (out->rank == TN_MAX_RANK)
            return tn_fail(c->err, TN_INVALID_ARGUMENT, "npy header: a rank above the limit of %d",
                           TN_MAX_RANK);
        TN_TRY(read_dim(c, &out->dim[out->rank]));
        out->rank++;
        bool comma = accept(c, ',');
        skip_space(c);
        if (!comma && (c->p == c->end || *c->p != ')')) return malformed(c, "',' or ')'");
        if (!comma && out->rank == 1) return malformed(c, "',' in a tuple of one");
    }
    return TN_OK;
}

static tn_code read_descr(cursor *c, header *h)
{
    tn_view text = {0};
    skip_space(c);
    if (c->p < c->end && (*c->p == '[' || *c->p == '('))
        return tn_fail(c->err, TN_UNIMPLEMENTED, "npy: arrays of records are not read");
    TN_TRY(read_string(c, &text));
    char order = text.n && strchr("<>|=", text.p[0]) ? text.p[0] : 0;
    tn_view code = order ? (tn_view){text.p + 1, text.n - 1} : text;
    for (size_t i = 0; i < TN_COUNT(types) && !h->type; i++)
        if (tn_view_is(code, types[i].code)) h->type = &types[i];
    if (!h->type)
        return tn_fail(c->err, TN_UNIMPLEMENTED, "npy: elements of type \"%.*s\" are not read",
                       (int)TN_MIN(text.n, 40), text.p);
    h->swapped = order == '>';
    return TN_OK;
}

static tn_code read_entry(cursor *c, header *h)
{
    tn_view key = {0};
    TN_TRY(read_string(c, &key));
    if (!accept(c, ':')) return malformed(c, "':'");
    bool *seen = tn_view_is(key, "descr")           ? &h->has_descr
                 : tn_view_is(key, "fortran_order") ? &h->has_order
                 : tn_view_is(key, "shape")         ? &h->has_shape
                                                    : NULL;
    if (!seen || *seen)
        return tn_fail(c->err, TN_INVALID_ARGUMENT, "npy header: %s \"%.*s\"",
                       seen ? "a second" : "unknown key", (int)TN_MIN(key.n, 40), key.p);
    *seen = true;
    if (seen == &h->has_descr) return read_descr(c, h);
    return seen == &h->has_order ? read_bool(c, &h->fortran) : read_shape(c, &h->shape);
}

static tn_code read_header(tn_view text, header *h, tn_error *err)
{
    cursor c = {text.p, text.p + text.n, err};
    *h = (header){0};
    if (!accept(&c, '{')) return malformed(&c, "'{'");
    while (!accept(&c, '}')) {
        TN_TRY(read_entry(&c, h));
        if (accept(&c, ',')) continue;
        if (!accept(&c, '}')) return malformed(&c, "',' or '}'");
        break;
    }
    skip_space(&c);
    if (c.p < c.end) return malformed(&c, "nothing more");
    if (h->has_descr && h->has_order && h->has_shape) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "npy header: no \"%s\"",
                   !h->has_descr   ? "descr"
                   : !h->has_order ? "fortran_order"
                                   : "shape");
}

/* ==== the elements ==== */

/* Column-major to row-major: walks the tensor in order, keeping the source's place. */
static void transpose(const char *from, tn_tensor *t, size_t size)
{
    int64_t at[TN_MAX_RANK] = {0}, stride[TN_MAX_RANK], place = 0, product = 1;
    const tn_shape *s = &t->shape;
    char *to = t->data;
    for (int i = 0; i < s->rank; i++) {
        stride[i] = product;
        product *= s->dim[i];
    }
    for (int64_t n = tn_tensor_count(t); n > 0; n--, to += size) {
        memcpy(to, from + (size_t)place * size, size);
        for (int i = s->rank - 1; i >= 0; i--) {
            place += stride[i];
            if (++at[i] < s->dim[i]) break;
            place -= stride[i] * s->dim[i];
            at[i] = 0;
        }
    }
}

static tn_code read_elements(const header *h, tn_view bytes, tn_tensor **out, tn_error *err)
{
    char text[256];
    int64_t count = 0;
    tn_tensor *t = NULL;
    size_t size = tn_dtype_size(h->type->dtype);
    TN_TRY(tn_shape_count_checked(&h->shape, &count, err));
    if ((uint64_t)count > SIZE_MAX / 2 / size || (size_t)count * size != bytes.n)
        return tn_fail(err, TN_DATA_LOSS, "npy: %zu bytes of data do not fit a %s array of shape %s", bytes.n,
                       tn_dtype_name(h->type->dtype), tn_shape_text(&h->shape, text, sizeof text));
    TN_TRY(tn_tensor_alloc(h->type->dtype, &h->shape, &t, err));
    if (h->fortran && h->shape.rank > 1)
        transpose(bytes.p, t, size);
    else if (bytes.n)
        memcpy(t->data, bytes.p, bytes.n);
    if (h->swapped) tn_swap_bytes(t->data, bytes.n, h->type->part);
    uint8_t *truths = t->data; /* whatever is true is 1 from here on */
    for (int64_t i = 0; h->type->dtype == TN_BOOL && i < count; i++) truths[i] = truths[i] != 0;
    *out = t;
    return TN_OK;
}

tn_code tn_npy_decode(tn_view bytes, tn_tensor **out, tn_error *err)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    header h;
    if (bytes.n < MAGIC_SIZE + 4 || memcmp(p, magic, MAGIC_SIZE) != 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "npy: does not begin like a .npy file");
    int major = p[MAGIC_SIZE];
    size_t start = major == 1 ? MAGIC_SIZE + 4 : MAGIC_SIZE + 6;
    if (major < 1 || major > 3)
        return tn_fail(err, TN_UNIMPLEMENTED, "npy: version %d.%d is not read", major, p[MAGIC_SIZE + 1]);
    if (bytes.n < start) return tn_fail(err, TN_DATA_LOSS, "npy: cut short in its header");
    size_t length = p[MAGIC_SIZE + 2] | (size_t)p[MAGIC_SIZE + 3] << 8;
    if (major > 1) length |= (size_t)p[MAGIC_SIZE + 4] << 16 | (size_t)p[MAGIC_SIZE + 5] << 24;
    if (length > bytes.n - start)
        return tn_fail(err, TN_DATA_LOSS, "npy: its header of %zu bytes is cut short at %zu", length,
                       bytes.n - start);
    TN_TRY(read_header((tn_view){bytes.p + start, length}, &h, err));
    size_t at = start + length;
    return read_elements(&h, (tn_view){bytes.p + at, bytes.n - at}, out, err);
}

/* ==== writing ==== */

static const npy_type *type_of(tn_dtype t)
{
    for (size_t i = 0; i < TN_COUNT(types); i++)
        if (types[i].dtype == t) return &types[i];
    return NULL;
}

static void put_header(const npy_type *type, const tn_shape *s, tn_buf *out)
{
    char text[512];
    int n = snprintf(text, sizeof text, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                     type->part == 1 ? '|' : '<', type->code);
    for (int i = 0; i < s->rank; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%s%lld", i ? ", " : "", (long long)s->dim[i]);
    n += snprintf(text + n, sizeof text - (size_t)n, "%s), }", s->rank == 1 ? "," : "");
    size_t whole = ((size_t)n + MAGIC_SIZE + 4 + 1 + 63) / 64 * 64, length = whole - MAGIC_SIZE - 4;
    tn_buf_add(out, magic, MAGIC_SIZE);
    tn_buf_add(out, (char[]){1, 0, (char)(length & 0xFF), (char)(length >> 8)}, 4);
    tn_buf_printf(out, "%-*s\n", (int)length - 1, text);
}

tn_code tn_npy_encode(const tn_tensor *t, tn_buf *out, tn_error *err)
{
    const npy_type *type = type_of(t->dtype);
    if (!type)
        return tn_fail(err, TN_INVALID_ARGUMENT, "npy: a tensor of dtype %s cannot be written",
                       tn_dtype_name(t->dtype));
    size_t before = out->n;
    tn_buf_reserve(out, tn_tensor_bytes(t) + 512);
    put_header(type, &t->shape, out);
    tn_buf_add(out, t->data, tn_tensor_bytes(t));
    tn_code code = tn_buf_check(out, err);
    if (code != TN_OK && out->data) {
        out->n = before;
        out->data[before] = 0;
    }
    return code;
}
