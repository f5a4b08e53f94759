/* SPDX-License-Identifier: Apache-2.0
 *
 * op_decode.c - bytes taken apart: DecodeBase64 and EncodeBase64, DecodeCompressed, DecodePaddedRaw,
 * DecodeCSV; Fingerprint.
 */
#include "../wire/wire.h"
#include "hash.h"
#include "parse.h"

static tn_code like_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[0].shape = c->in[0]->shape;
    return TN_OK;
}

/* Output 0's strings, each made of the one of input 0 by `one`, which fills the buffer. */
static tn_code each_string(tn_run *r, tn_code (*one)(tn_run *r, tn_view in, tn_buf *out, tn_error *err),
                           tn_error *err)
{
    tn_buf text = {0};
    tn_code code = TN_OK;
    for (int64_t i = 0, n = tn_tensor_count(r->in[0]); i < n && code == TN_OK; i++) {
        tn_buf_clear(&text);
        code = one(r, tn_parse_string(r->in[0], i), &text, err);
        if (code == TN_OK) code = tn_buf_check(&text, err);
        if (code == TN_OK) code = tn_string_set(r->out[0], i, text.n ? text.data : "", text.n, err);
    }
    tn_buf_free(&text);
    return code;
}

#define STRINGS(Name, One, Sig)                        \
    static tn_code One##_run(tn_run *r, tn_error *err) \
    {                                                  \
        return each_string(r, One, err);               \
    }                                                  \
    const tn_op tn_op_##Name = {                       \
        .name = #Name,                                 \
        .sig = Sig,                                    \
        .infer = like_infer,                           \
        .run = One##_run,                              \
        .flags = TN_NO_GRADIENT,                       \
    }

/* ==== base64 with the alphabet for URLs; padding may lack ==== */

static tn_code from_base64(tn_run *r, tn_view in, tn_buf *out, tn_error *err)
{
    uint32_t word = 0;
    size_t n = in.n, bits = 0;
    (void)r;
    if (n && n % 4 == 0 && in.p[n - 1] == '=') n -= in.p[n - 2] == '=' ? 2 : 1;
    if (n % 4 == 1) return tn_fail(err, TN_INVALID_ARGUMENT, "Base64 string length cannot be 1 modulo 4.");
    for (size_t i = 0; i < n; i++) {
        char c = in.p[i];
        int v = c >= 'A' && c <= 'Z'   ? c - 'A'
                : c >= 'a' && c <= 'z' ? c - 'a' + 26
                : c >= '0' && c <= '9' ? c - '0' + 52
                : c == '-'             ? 62
                : c == '_'             ? 63
                                       : -1;
        if (v < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid character found in base64.");
        word = word << 6 | (uint32_t)v;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            tn_buf_char(out, (char)(word >> bits & 0xff));
        }
    }
    return TN_OK;
}
STRINGS(DecodeBase64, from_base64, "input:string -> output:string;");

static tn_code to_base64(tn_run *r, tn_view in, tn_buf *out, tn_error *err)
{
    (void)err;
    tn_base64_encode(in, out);
    for (size_t i = 0; i < out->n; i++)
        out->data[i] = (char)(out->data[i] == '+' ? '-' : out->data[i] == '/' ? '_' : out->data[i]);
    while (!tn_attr_b(r->attrs, "pad") && out->n && out->data[out->n - 1] == '=') out->n--;
    return TN_OK;
}
STRINGS(EncodeBase64, to_base64, "input:string -> output:string; pad:bool=false");

/* ==== DecodeCompressed ==== */

#define INFLATE_LIMIT ((size_t)1 << 30)

static tn_code expand(tn_run *r, tn_view in, tn_buf *out, tn_error *err)
{
    bool gzip = tn_attr_is(r->attrs, "compression_type", "GZIP");
    if (!gzip && !tn_attr_is(r->attrs, "compression_type", "ZLIB")) {
        if (!tn_attr_is(r->attrs, "compression_type", ""))
            return tn_fail(err, TN_INVALID_ARGUMENT, "Only ZLIB, GZIP or NONE are supported compressions");
        tn_buf_add(out, in.p, in.n);
        return TN_OK;
    }
    return tn_inflate(in, gzip ? TN_GZIP : TN_ZLIB, tn_budget_room(INFLATE_LIMIT), out, err);
}
STRINGS(DecodeCompressed, expand, "bytes:string -> output:string; compression_type:string=\"\"");

/* ==== DecodePaddedRaw ==== */

static tn_code padded_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    int64_t n = -1, size = (int64_t)tn_dtype_size(c->out[0].dtype);
    if (in->rank == TN_MAX_RANK)
        return tn_fail(err, TN_UNIMPLEMENTED, "more than %d dimensions", TN_MAX_RANK);
    if (tn_infer_int(c, 1, &n) && n <= 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "fixed_length (%lld) must be greater than zero.",
                       (long long)n);
    if (n > 0 && n % size)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "fixed_length (%lld) must be a multiple of the size of out_type (%lld)", (long long)n,
                       (long long)size);
    if (in->rank < 0) return TN_OK;
    c->out[0].shape = *in;
    c->out[0].shape.dim[c->out[0].shape.rank++] = n < 0 ? -1 : n / size;
    return TN_OK;
}

/* Longer strings are cut, shorter ones filled up with zeros. */
static tn_code padded_run(tn_run *r, tn_error *err)
{
    size_t size = tn_dtype_size(r->out[0]->dtype), each = (size_t)tn_tensor_int(r->in[1], 0);
    char *out = r->out[0]->data;
    (void)err;
    for (int64_t i = 0, n = tn_tensor_count(r->in[0]); i < n; i++, out += each) {
        tn_view s = tn_parse_string(r->in[0], i);
        size_t take = TN_MIN(s.n, each);
        memcpy(out, s.p, take);
        memset(out + take, 0, each - take);
        if (!tn_attr_b(r->attrs, "little_endian")) tn_swap_bytes(out, each, size);
    }
    return TN_OK;
}

const tn_op tn_op_DecodePaddedRaw = {
    .name = "DecodePaddedRaw",
    .sig = "input_bytes:string fixed_length:int32 -> output:out_type; "
           "out_type:type{half,float,double,int32,uint16,"
           "uint8,int16,int8,int64,bfloat16} little_endian:bool=true",
    .infer = padded_infer,
    .run = padded_run,
    .flags = TN_NO_GRADIENT,
    .values = TN_BIT(1),
};

/* ==== Fingerprint ==== of each row of the first dimension, as 8 bytes */

static tn_code print_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    if (in->rank == 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "`data` should have at least one dimension: []");
    c->out[0].shape = (tn_shape){.rank = 2, .dim = {in->rank > 0 ? in->dim[0] : -1, 8}};
    return TN_OK;
}

/* Of several strings: the fingerprint of theirs. */
static uint64_t print_strings(const tn_tensor *t, int64_t from, int64_t n, tn_buf *all)
{
    if (n == 1) return tn_fingerprint(tn_parse_string(t, from));
    tn_buf_clear(all);
    for (int64_t i = 0; i < n; i++) {
        uint64_t own = tn_fingerprint(tn_parse_string(t, from + i));
        tn_buf_add(all, &own, sizeof own);
    }
    return tn_fingerprint((tn_view){all->n ? all->data : "", all->n});
}

static tn_code print_run(tn_run *r, tn_error *err)
{
    const tn_tensor *method = r->in[1], *in = r->in[0];
    if (tn_tensor_count(method) != 1 || !tn_view_is(tn_parse_string(method, 0), "farmhash64"))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Unsupported fingerprint method");
    int64_t rows = in->shape.dim[0], each = tn_shape_product(&in->shape, 1, in->shape.rank);
    size_t bytes = (size_t)each * tn_dtype_size(in->dtype);
    tn_buf all = {0};
    for (int64_t i = 0; i < rows; i++) {
        tn_view row = {(const char *)in->data + (size_t)i * bytes, bytes};
        uint64_t h = in->dtype == TN_STRING ? print_strings(in, i * each, each, &all) : tn_fingerprint(row);
        memcpy((char *)r->out[0]->data + 8 * i, &h, sizeof h);
    }
    tn_code code = tn_buf_check(&all, err);
    tn_buf_free(&all);
    return code;
}

static tn_code print_prepare(tn_prepare *p, tn_error *err)
{
    tn_dtype t = p->in[0]->dtype;
    if (t == TN_STRING || tn_dtype_is_pod(t)) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Data type not supported: %s", tn_dtype_name(t));
}

const tn_op tn_op_Fingerprint = {
    .name = "Fingerprint",
    .sig = "data:T method:string -> fingerprint:uint8; T:type",
    .infer = print_infer,
    .prepare = print_prepare,
    .run = print_run,
    .flags = TN_NO_GRADIENT,
};
