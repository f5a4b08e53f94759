/* SPDX-License-Identifier: Apache-2.0
 *
 * op_text.c - numbers as text and bytes, and back: AsString, StringToNumber, DecodeRaw; Assert, which
 * tells values as text; Print and PrintV2, whose text goes to whoever listens to the session (files.h).
 */
#include "../plan/state.h"
#include "op_move.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>

static tn_code like_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[0].shape = c->in[0]->shape;
    return TN_OK;
}

/* ==== AsString ==== */

typedef struct as_string {
    char format[48]; /* printf's for one number, without the conversion's letter */
    char letter;     /* of floats */
    char width[24];
} as_string;

static tn_code as_string_prepare(tn_prepare *p, tn_error *err)
{
    tn_dtype t = p->in[0]->dtype;
    int64_t precision = tn_attr_i(p->attrs, "precision"), width = tn_attr_i(p->attrs, "width");
    bool scientific = tn_attr_b(p->attrs, "scientific"), shortest = tn_attr_b(p->attrs, "shortest");
    bool real = tn_dtype_is_float(t) || tn_dtype_is_complex(t);
    tn_view fill = {"", 0};
    tn_attr_get_string(p->attrs, "fill", &fill);
    if (!real && t != TN_STRING && (scientific || shortest))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "scientific and shortest format not supported for datatype %s", tn_dtype_name(t));
    if (scientific && shortest)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Cannot select both scientific and shortest notation");
    if (!real && t != TN_STRING && precision > -1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "precision not supported for datatype %s", tn_dtype_name(t));
    if (fill.n > 1 || (fill.n == 1 && !strchr(" +-0#", fill.p[0])))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Fill string must be one or fewer characters of \" +-0#\"");
    if (precision > 100 || width > 1000)
        return tn_fail(err, TN_INVALID_ARGUMENT, "precision or width is too large");
    TN_PARAMS(p, as_string, a);
    a->letter = scientific ? 'e' : shortest ? 'g' : 'f';
    if (width > -1)
        snprintf(a->width, sizeof a->width, "%.*s%lld", (int)fill.n, fill.n ? fill.p : "", (long long)width);
    else if (fill.n)
        snprintf(a->width, sizeof a->width, "%.*s", (int)fill.n, fill.p);
    if (precision > -1)
        snprintf(a->format, sizeof a->format, "%%%s.%lld", a->width, (long long)precision);
    else
        snprintf(a->format, sizeof a->format, "%%%s", a->width);
    return TN_OK;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static int put_real(const as_string *a, double v, char *out, size_t n)
{
    char f[64];
    snprintf(f, sizeof f, "%s%c", a->format, a->letter);
    return snprintf(out, n, f, v);
}

static int put_complex(const as_string *a, const tn_tensor *t, int64_t i, char *out, size_t n)
{
    char f[128];
    bool narrow = t->dtype == TN_COMPLEX64;
    double re = narrow ? TN_FLOATS(t)[2 * i] : ((const double *)t->data)[2 * i];
    double im = narrow ? TN_FLOATS(t)[2 * i + 1] : ((const double *)t->data)[2 * i + 1];
    snprintf(f, sizeof f, "(%s%c,%s%c)", a->format, a->letter, a->format, a->letter);
    return snprintf(out, n, f, re, im);
}

static int put_integer(const as_string *a, const tn_tensor *t, int64_t i, char *out, size_t n)
{
    char f[64];
    bool is_unsigned =
        t->dtype == TN_UINT8 || t->dtype == TN_UINT16 || t->dtype == TN_UINT32 || t->dtype == TN_UINT64;
    snprintf(f, sizeof f, "%%%s%s", a->width, is_unsigned ? "llu" : "lld");
    if (t->dtype == TN_UINT64) return snprintf(out, n, f, (unsigned long long)((const uint64_t *)t->data)[i]);
    return snprintf(out, n, f, (long long)tn_tensor_int(t, i));
}

#pragma GCC diagnostic pop

/* A string, padded to the width. */
static tn_code pad_string(tn_run *r, const as_string *a, int64_t i, tn_error *err)
{
    const tn_string *s = TN_STRINGS(r->in[0]) + i;
    bool left = a->width[0] == '-';
    const char *digits = a->width + strcspn(a->width, "123456789");
    size_t width = (size_t)strtol(digits, NULL, 10), pad = width > s->n ? width - s->n : 0;
    tn_buf text = {0};
    for (size_t k = 0; !left && k < pad; k++) tn_buf_char(&text, ' ');
    tn_buf_add(&text, s->p, s->n);
    for (size_t k = 0; left && k < pad; k++) tn_buf_char(&text, ' ');
    tn_code code = tn_buf_check(&text, err);
    if (code == TN_OK) code = tn_string_set(r->out[0], i, text.data ? text.data : "", text.n, err);
    tn_buf_free(&text);
    return code;
}

static tn_code as_string_run(tn_run *r, tn_error *err)
{
    const as_string *a = r->params;
    const tn_tensor *in = r->in[0];
    char text[2400];
    if (in->dtype == TN_VARIANT) return tn_fail(err, TN_UNIMPLEMENTED, "AsString of variant");
    for (int64_t i = 0, n = tn_tensor_count(in); i < n; i++) {
        int len;
        if (in->dtype == TN_STRING) {
            TN_TRY(pad_string(r, a, i, err));
            continue;
        }
        if (in->dtype == TN_BOOL)
            len = snprintf(text, sizeof text, "%s", ((const bool *)in->data)[i] ? "true" : "false");
        else if (tn_dtype_is_complex(in->dtype))
            len = put_complex(a, in, i, text, sizeof text);
        else if (tn_dtype_is_float(in->dtype))
            len = put_real(a, tn_tensor_number(in, i), text, sizeof text);
        else
            len = put_integer(a, in, i, text, sizeof text);
        TN_TRY(tn_string_set(r->out[0], i, text, (size_t)TN_MIN(len, (int)sizeof text - 1), err));
    }
    return TN_OK;
}

const tn_op tn_op_AsString = {
    .name = "AsString",
    .sig = "input:T -> output:string; T:type{float,double,int32,uint8,int16,int8,int64,bfloat16,uint16,"
           "half,uint32,uint64,complex64,complex128,bool,variant,string} precision:int=-1 "
           "scientific:bool=false shortest:bool=false width:int=-1 fill:string=\"\"",
    .infer = like_infer,
    .prepare = as_string_prepare,
    .run = as_string_run,
    .flags = TN_NO_GRADIENT,
};

/* ==== StringToNumber ==== */

static bool parse_number(const char *s, tn_tensor *out, int64_t i)
{
    char *end;
    errno = 0;
    bool real = tn_dtype_is_float(out->dtype),
         is_unsigned = out->dtype == TN_UINT32 || out->dtype == TN_UINT64;
    double v = real ? out->dtype == TN_FLOAT ? (double)strtof(s, &end) : strtod(s, &end) : 0;
    long long k = 0;
    unsigned long long u = 0;
    if (!real && is_unsigned)
        u = strtoull(s, &end, 10);
    else if (!real)
        k = strtoll(s, &end, 10);
    if (end == s || (!real && errno == ERANGE)) return false;
    while (isspace((unsigned char)*end)) end++;
    if (*end || (is_unsigned && strchr(s, '-'))) return false;
    switch (out->dtype) {
    case TN_FLOAT: TN_FLOATS(out)[i] = (float)v; return true;
    case TN_DOUBLE: ((double *)out->data)[i] = v; return true;
    case TN_INT32: TN_INT32S(out)[i] = (int32_t)k; return k >= INT32_MIN && k <= INT32_MAX;
    case TN_INT64: TN_INT64S(out)[i] = k; return true;
    case TN_UINT32: ((uint32_t *)out->data)[i] = (uint32_t)u; return u <= UINT32_MAX;
    default: ((uint64_t *)out->data)[i] = u; return true;
    }
}

static tn_code to_number_run(tn_run *r, tn_error *err)
{
    for (int64_t i = 0, n = tn_tensor_count(r->in[0]); i < n; i++) {
        const tn_string *s = TN_STRINGS(r->in[0]) + i;
        char text[256];
        bool ok = s->n < sizeof text && (s->n == 0 || !memchr(s->p, 0, s->n));
        if (ok) {
            if (s->n) memcpy(text, s->p, s->n);
            text[s->n] = 0;
            ok = parse_number(text, r->out[0], i);
        }
        if (!ok)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "StringToNumberOp could not correctly convert string: %.*s",
                           (int)TN_MIN(s->n, (size_t)200), s->n ? s->p : "");
    }
    return TN_OK;
}

const tn_op tn_op_StringToNumber = {
    .name = "StringToNumber",
    .sig = "string_tensor:string -> output:out_type; "
           "out_type:type{float,double,int32,int64,uint32,uint64}=float",
    .infer = like_infer,
    .run = to_number_run,
    .flags = TN_NO_GRADIENT,
};

/* ==== DecodeRaw ==== */

static tn_code raw_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    if (in->rank < 0) return TN_OK;
    if (in->rank == TN_MAX_RANK)
        return tn_fail(err, TN_UNIMPLEMENTED, "more than %d dimensions", TN_MAX_RANK);
    tn_infer_set_rank(c, 0, in->rank + 1);
    memcpy(c->out[0].shape.dim, in->dim, (size_t)in->rank * sizeof *in->dim);
    return TN_OK;
}

static tn_code raw_run(tn_run *r, tn_error *err)
{
    const tn_tensor *in = r->in[0];
    size_t size = tn_dtype_size(r->out[0]->dtype);
    int64_t n = tn_tensor_count(in);
    tn_shape s = in->shape;
    size_t each = n ? TN_STRINGS(in)[0].n : 0;
    for (int64_t i = 1; i < n; i++)
        if (TN_STRINGS(in)[i].n != each)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "DecodeRaw requires input strings to all be the same size, but element %lld has "
                           "size %zu != %zu",
                           (long long)i, each, TN_STRINGS(in)[i].n);
    if (each % size)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Input to DecodeRaw has length %zu that is not a multiple of %zu, the size of %s",
                       each, size, tn_dtype_name(r->out[0]->dtype));
    s.dim[s.rank++] = (int64_t)(each / size);
    TN_TRY(tn_run_output(r, 0, &s, err));
    char *out = r->out[0]->data;
    for (int64_t i = 0; i < n && each; i++) memcpy(out + (size_t)i * each, TN_STRINGS(in)[i].p, each);
    bool complex = tn_dtype_is_complex(r->out[0]->dtype);
    if (!tn_attr_b(r->attrs, "little_endian"))
        tn_swap_bytes(out, (size_t)n * each, complex ? size / 2 : size);
    return TN_OK;
}

const tn_op tn_op_DecodeRaw = {
    .name = "DecodeRaw",
    .sig = "bytes:string -> output:out_type; "
           "out_type:type{half,float,double,int32,uint16,uint8,int16,int8,int64,complex64,complex128,bool,"
           "bfloat16} little_endian:bool=true",
    .infer = raw_infer,
    .run = raw_run,
    .flags = TN_NO_GRADIENT,
    .dynamic = TN_BIT(0),
};

/* ==== Assert ==== */

/* As a string in C. */
static void tell_string(const tn_string *s, tn_buf *out)
{
    static const char plain[] = "\n\r\t\"'\\", marks[] = "nrt\"'\\";
    for (size_t i = 0; i < s->n; i++) {
        unsigned char c = (unsigned char)s->p[i];
        const char *at = c ? strchr(plain, c) : NULL;
        if (at) tn_buf_printf(out, "\\%c", marks[at - plain]);
        else if (c < 0x20 || c >= 0x7f) tn_buf_printf(out, "\\%03o", c);
        else tn_buf_char(out, (char)c);
    }
}

static void tell_element(const tn_tensor *t, int64_t i, tn_buf *out)
{
    if (t->dtype == TN_STRING) {
        tell_string(TN_STRINGS(t) + i, out);
    } else if (tn_dtype_is_float(t->dtype)) {
        char text[40];
        double v = tn_tensor_number(t, i);
        bool wide = t->dtype == TN_DOUBLE;
        snprintf(text, sizeof text, "%.*g", wide ? 15 : 6, v);
        bool exact = wide ? strtod(text, NULL) == v : (double)strtof(text, NULL) == v;
        if (!exact && !isnan(v)) snprintf(text, sizeof text, "%.*g", wide ? 17 : 9, v);
        tn_buf_str(out, text);
    } else if (tn_dtype_is_integer(t->dtype) || t->dtype == TN_BOOL) {
        tn_buf_printf(out, "%lld", (long long)tn_tensor_int(t, i));
    } else {
        tn_buf_char(out, '?');
    }
}

/* TensorFlow's manner: [[1 2][3...]...] within the brackets that stand around the whole. */
static void tell_dim(const tn_tensor *t, int dim, int64_t limit, int64_t *at, tn_buf *out)
{
    if (*at >= limit) return;
    bool last = dim == t->shape.rank - 1;
    for (int64_t i = 0; i < t->shape.dim[dim]; i++) {
        if (last && *at >= limit) {
            if (dim) tn_buf_str(out, "...");
            return;
        }
        if (last) {
            if (i) tn_buf_char(out, ' ');
            tell_element(t, (*at)++, out);
            continue;
        }
        if (*at >= limit) return;
        tn_buf_char(out, '[');
        tell_dim(t, dim + 1, limit, at, out);
        tn_buf_char(out, ']');
    }
}

static void tell(const tn_tensor *t, int64_t most, tn_buf *out)
{
    int64_t n = tn_tensor_count(t), limit = most < 0 ? n : TN_MIN(most, n), at = 0;
    tn_buf_char(out, '[');
    if (t->shape.rank == 0 && limit > 0)
        tell_element(t, 0, out);
    else if (t->shape.rank > 0)
        tell_dim(t, 0, limit, &at, out);
    if (n > limit) tn_buf_str(out, "...");
    tn_buf_char(out, ']');
}

static tn_code assert_run(tn_run *r, tn_error *err)
{
    if (tn_tensor_count(r->in[0]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "In[0] should be a scalar: the condition of Assert");
    if (*(const bool *)r->in[0]->data) return TN_OK;
    tn_buf text = {.limit = 8192};
    for (int i = 1; i < r->n_in; i++) {
        tn_buf_char(&text, ' ');
        tell(r->in[i], tn_attr_i(r->attrs, "summarize"), &text);
    }
    tn_code code = tn_fail(err, TN_INVALID_ARGUMENT, "assertion failed:%.*s",
                           (int)TN_MIN(text.n, (size_t)900), text.n ? text.data : "");
    tn_buf_free(&text);
    return code;
}

const tn_op tn_op_Assert = {
    .name = "Assert",
    .sig = "condition:bool data:[T] -> ; T:list(type)>=1 summarize:int=3",
    .infer = tn_infer_none,
    .run = assert_run,
    .flags = TN_STATEFUL | TN_EFFECT | TN_NO_GRADIENT,
};

/* ==== Print, PrintV2 ==== */

static tn_code pass_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_grad_set(g, 0, tn_grad_dy(g, 0));
    return TN_OK;
}

/* How often this operation has told something, for first_n. */
typedef struct told {
    tn_resource base;
    atomic_int_fast64_t times;
} told;

static tn_resource *make_told(const tn_run *r)
{
    return tn_resource_new(sizeof(told), TN_RES_COUNT, r->name, tn_resource_free);
}

static tn_code may_tell(const tn_run *r, bool *yes, tn_error *err)
{
    int64_t most = tn_attr_i(r->attrs, "first_n");
    tn_resource *res;
    *yes = tn_run_files(r) && tn_run_files(r)->print;
    if (!*yes || most < 0) return TN_OK;
    TN_TRY(tn_run_session_resource(r, TN_RES_COUNT, r->name, make_told, &res, err));
    *yes = atomic_fetch_add(&((told *)res)->times, 1) < most;
    tn_resource_unref(res);
    return TN_OK;
}

static tn_code print_run(tn_run *r, tn_error *err)
{
    tn_view message = {"", 0};
    tn_buf text = {.limit = (size_t)1 << 24};
    bool yes;
    TN_TRY(tn_run_copy(r, err));
    TN_TRY(may_tell(r, &yes, err));
    if (!yes) return TN_OK;
    tn_attr_get_string(r->attrs, "message", &message);
    tn_buf_add(&text, message.p, message.n);
    for (int i = 1; i < r->n_in; i++) tell(r->in[i], tn_attr_i(r->attrs, "summarize"), &text);
    tn_buf_char(&text, '\n');
    tn_code code = tn_buf_check(&text, err);
    if (code == TN_OK) code = tn_files_print(tn_run_files(r), "stderr", (tn_view){text.data, text.n}, err);
    tn_buf_free(&text);
    return code;
}

const tn_op tn_op_Print = {
    .name = "Print",
    .sig = "input:T data:[U] -> output:T; T:type U:list(type)>=0 message:string=\"\" first_n:int=-1 "
           "summarize:int=3",
    .infer = tn_infer_like_first,
    .run = print_run,
    .grad = pass_grad,
    .flags = TN_STATEFUL,
};

/* "stdout", "stderr", "log(info)", "log(warning)", "log(error)", or a file's name after "file://" */
static tn_code print_v2_run(tn_run *r, tn_error *err)
{
    tn_view stream = {"", 0}, end = {"", 0};
    tn_buf text = {0};
    char to[512];
    if (r->in[0]->shape.rank != 0) return tn_fail(err, TN_INVALID_ARGUMENT, "input must be a scalar");
    tn_attr_get_string(r->attrs, "output_stream", &stream);
    tn_attr_get_string(r->attrs, "end", &end);
    if (stream.n >= sizeof to) return tn_fail(err, TN_INVALID_ARGUMENT, "output_stream is too long");
    snprintf(to, sizeof to, "%.*s", (int)stream.n, stream.p);
    tn_buf_add(&text, TN_STRINGS(r->in[0])->p, TN_STRINGS(r->in[0])->n);
    tn_buf_add(&text, end.p, end.n);
    tn_code code = tn_buf_check(&text, err);
    if (code == TN_OK) code = tn_files_print(tn_run_files(r), to, (tn_view){text.data, text.n}, err);
    tn_buf_free(&text);
    return code;
}

const tn_op tn_op_PrintV2 = {
    .name = "PrintV2",
    .sig = "input:string -> ; output_stream:string=\"stderr\" end:string=\"\\n\"",
    .infer = tn_infer_none,
    .run = print_v2_run,
    .flags = TN_STATEFUL | TN_EFFECT | TN_NO_GRADIENT,
};
