/* SPDX-License-Identifier: Apache-2.0
 *
 * op_proto.c - fields of protobuf messages as tensors, and tensors as messages: DecodeProtoV2, EncodeProto.
 * Declarations are descriptor.c's.
 */
#include "../wire/wire.h"
#include "descriptor.h"
#include "op_move.h"
#include "parse.h"
#include "sparse.h"

enum { MOST_DEPTH = 100 };

typedef struct schema {
    int n;
    tn_described *fields;
    int *order; /* ascending by number */
} schema;

static tn_code prepare_schema(tn_prepare *p, const tn_tensor *const *values, int n, tn_error *err)
{
    TN_PARAMS(p, schema, s);
    s->n = n;
    s->fields = TN_ARRAY(p->arena, n + 1, tn_described);
    s->order = TN_ARRAY(p->arena, n + 1, int);
    tn_dtype *types = TN_ARRAY(p->arena, n + 1, tn_dtype);
    if (!s->fields || !s->order || !types) return tn_no_memory(err, (size_t)n * sizeof *s->fields);
    for (int i = 0; i < n; i++) types[i] = values[i]->dtype;
    TN_TRY(tn_describe(p->attrs, types, n, p->arena, s->fields, err));
    for (int i = 0; i < n; i++) {
        int k = i;
        for (; k > 0 && s->fields[s->order[k - 1]].number > s->fields[i].number; k--)
            s->order[k] = s->order[k - 1];
        s->order[k] = i;
    }
    return TN_OK;
}

/* ==== decoding ==== bytes -> sizes values... */

static tn_code decode_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    const tn_shape *in = &c->in[0]->shape;
    if (in->rank < 0 || in->rank >= TN_MAX_RANK) return TN_OK;
    for (int o = 0; o < c->n_out; o++) {
        c->out[o].shape = *in;
        c->out[o].shape.dim[c->out[o].shape.rank++] = o ? -1 : c->n_out - 1;
    }
    return TN_OK;
}

static tn_code decode_prepare(tn_prepare *p, tn_error *err)
{
    if (tn_attr_b(p->attrs, "sanitize") || !tn_attr_is(p->attrs, "message_format", "binary"))
        return tn_fail(err, TN_UNIMPLEMENTED,
                       "DecodeProtoV2 of text, or of bytes that are to be put in order before");
    p->scratch = (size_t)p->n_out * sizeof(int64_t);
    return prepare_schema(p, p->out + 1, p->n_out - 1, err);
}

/* One value, of `count` places that begin at `at`; a field that is not repeated keeps its last. */
static tn_code put_value(const tn_described *f, const tn_proto_token *t, tn_tensor *out, int64_t at,
                         tn_error *err)
{
    if (out->dtype == TN_STRING)
        return tn_string_set(out, at, t->payload.n ? t->payload.p : "", t->payload.n, err);
    tn_described_store(f->type, t->value, out, at);
    return TN_OK;
}

typedef struct filling { /* out NULL: only counted */
    tn_tensor *out;
    int64_t row, *count;
    const tn_described *field;
} filling;

static tn_code take_value(const filling *f, const tn_proto_token *t, tn_error *err)
{
    int64_t i = f->field->repeated ? *f->count : 0;
    *f->count = i + 1;
    if (!f->out) return TN_OK;
    int64_t each = f->out->shape.dim[f->out->shape.rank - 1];
    return put_value(f->field, t, f->out, f->row * each + i, err);
}

/* Numbers in a row, without tags. */
static bool take_packed(const filling *f, tn_view in, tn_error *err)
{
    tn_wire_type wire = tn_described_wire(f->field->type);
    while (in.n) {
        tn_proto_token t = {.wire = wire};
        size_t n = wire == TN_WIRE_64 ? 8 : 4;
        if (wire == TN_WIRE_VARINT) {
            if (!tn_varint_get(&in, &t.value)) return false;
        } else {
            if (in.n < n) return false;
            t.value = n == 8 ? tn_get64(in.p) : tn_get32(in.p);
            in = (tn_view){in.p + n, in.n - n};
        }
        if (take_value(f, &t, err) != TN_OK) return false;
    }
    return true;
}

static tn_code damaged(tn_error *err, int64_t row, const char *what)
{
    return tn_fail(err, TN_DATA_LOSS, "Failed to parse message %lld: %s", (long long)row, what);
}

/* One message, counted or written; counts begin as zeros. */
static tn_code scan(tn_run *r, int64_t row, int64_t *counts, bool write, tn_error *err)
{
    const schema *s = r->params;
    tn_view in = tn_parse_string(r->in[0], row);
    memset(counts, 0, (size_t)s->n * sizeof *counts);
    while (in.n) {
        tn_proto_token t;
        const char *bad = tn_proto_take_token(&in, &t, MOST_DEPTH);
        if (bad) return damaged(err, row, bad);
        int k = 0; /* of several of one name the first has it */
        while (k < s->n && s->fields[k].number != t.number) k++;
        if (k == s->n) continue;
        const tn_described *d = &s->fields[k];
        const filling f = {write ? r->out[1 + k] : NULL, row, &counts[k], d};
        tn_wire_type wire = tn_described_wire(d->type);
        if (wire == t.wire)
            TN_TRY(take_value(&f, &t, err));
        else if (d->repeated && t.wire == TN_WIRE_BYTES && wire != TN_WIRE_GROUP &&
                 !take_packed(&f, t.payload, err))
            return damaged(err, row, "packed numbers are cut short");
    }
    return TN_OK;
}

/* Places without a value have the field's default. */
static tn_code fill_rest(const tn_described *f, tn_tensor *out, int64_t from, int64_t to, tn_error *err)
{
    const tn_proto_token t = {.value = f->number_fallback, .payload = f->fallback};
    for (int64_t i = from; i < to; i++) TN_TRY(put_value(f, &t, out, i, err));
    return TN_OK;
}

static tn_code make_outputs(tn_run *r, const int64_t *most, tn_error *err)
{
    for (int o = 1; o < r->n_out; o++) {
        tn_shape s = r->in[0]->shape;
        s.dim[s.rank++] = most[o - 1];
        TN_TRY(tn_run_output(r, o, &s, err));
    }
    return TN_OK;
}

static tn_code decode(tn_run *r, tn_arena *a, tn_error *err)
{
    const schema *s = r->params;
    int64_t n = tn_tensor_count(r->in[0]), *counts = r->scratch;
    int64_t *most = TN_ARRAY(a, s->n + 1, int64_t);
    int32_t *sizes = TN_INT32S(r->out[0]);
    if (!most) return tn_no_memory(err, (size_t)s->n * sizeof *most);
    if (n == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Bufs argument must contain at least one value");
    for (int k = 0; k < s->n; k++) most[k] = 1;
    for (int64_t i = 0; i < n; i++) {
        TN_TRY(scan(r, i, counts, false, err));
        for (int k = 0; k < s->n; k++) {
            sizes[i * s->n + k] = (int32_t)counts[k];
            most[k] = TN_MAX(most[k], counts[k]);
        }
    }
    TN_TRY(make_outputs(r, most, err));
    for (int64_t i = 0; i < n; i++) {
        TN_TRY(scan(r, i, counts, true, err));
        for (int k = 0; k < s->n; k++)
            TN_TRY(fill_rest(&s->fields[k], r->out[1 + k], i * most[k] + counts[k], (i + 1) * most[k], err));
    }
    return TN_OK;
}
TN_RUN_IN_ARENA(decode_run, decode)

const tn_op tn_op_DecodeProtoV2 = {
    .name = "DecodeProtoV2",
    .sig =
        "bytes:string -> sizes:int32 values:[output_types]; message_type:string field_names:list(string) "
        "output_types:list(type)>=0 descriptor_source:string=\"local://\" message_format:string=\"binary\" "
        "sanitize:bool=false",
    .infer = decode_infer,
    .prepare = decode_prepare,
    .run = decode_run,
    .flags = TN_NO_GRADIENT,
    .dynamic = ~1u,
};

/* ==== encoding ==== sizes values... -> bytes */

static tn_code encode_infer(tn_infer *c, tn_error *err)
{
    tn_shape s = c->in[0]->shape;
    TN_TRY(tn_infer_rank_at_least(c, 0, 1, err));
    if (s.rank < 0) return TN_OK;
    if (s.dim[s.rank - 1] >= 0 && s.dim[s.rank - 1] != c->n_in - 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "sizes are of %lld fields, not %d",
                       (long long)s.dim[s.rank - 1], c->n_in - 1);
    s.rank--;
    c->out[0].shape = s;
    return TN_OK;
}

static tn_code encode_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *s = &p->out[0]->shape;
    char a[128], b[128];
    if (s->rank == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "sizes and values must be at least matrices");
    for (int i = 1; i < p->n_in; i++) {
        tn_shape v = p->in[i]->shape;
        if (v.rank == s->rank + 1 && (v.rank--, tn_shape_compatible(&v, s))) continue;
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Values must match up to the last dimension: sizes are for %s, values %s",
                       tn_shape_text(s, a, sizeof a), tn_shape_text(&p->in[i]->shape, b, sizeof b));
    }
    return prepare_schema(p, p->in + 1, p->n_in - 1, err);
}

static void put_varint(tn_buf *out, uint64_t v)
{
    uint8_t bytes[TN_VARINT_MOST];
    tn_buf_add(out, bytes, tn_varint_put(bytes, v));
}

static void put_number(tn_buf *out, const tn_described *f, const tn_tensor *t, int64_t i)
{
    uint8_t bytes[8];
    uint64_t raw = tn_described_load(f->type, t, i);
    tn_wire_type wire = tn_described_wire(f->type);
    if (wire == TN_WIRE_VARINT) {
        put_varint(out, raw);
        return;
    }
    tn_put64(bytes, raw);
    tn_buf_add(out, bytes, wire == TN_WIRE_64 ? 8 : 4);
}

static void put_tag(tn_buf *out, const tn_described *f, tn_wire_type wire)
{
    put_varint(out, (uint64_t)f->number << 3 | (unsigned)wire);
}

/* Elements first to first + n of a field. */
static void put_field(tn_buf *out, const tn_described *f, const tn_tensor *t, int64_t first, int64_t n,
                      tn_buf *packed)
{
    tn_wire_type wire = tn_described_wire(f->type);
    tn_buf_clear(packed);
    for (int64_t i = first; i < first + n; i++) {
        if (f->packed) {
            put_number(packed, f, t, i);
            continue;
        }
        put_tag(out, f, wire);
        if (t->dtype != TN_STRING) {
            put_number(out, f, t, i);
            continue;
        }
        tn_view v = tn_parse_string(t, i);
        if (wire == TN_WIRE_BYTES) put_varint(out, v.n);
        tn_buf_add(out, v.p, v.n);
        if (wire == TN_WIRE_GROUP) put_tag(out, f, TN_WIRE_GROUP_END);
    }
    if (!f->packed || n == 0) return;
    put_tag(out, f, TN_WIRE_BYTES);
    put_varint(out, packed->n);
    tn_buf_add(out, packed->data, packed->n);
}

static tn_code put_message(tn_run *r, int64_t row, tn_buf *out, tn_buf *packed, tn_error *err)
{
    const schema *s = r->params;
    for (int o = 0; o < s->n; o++) {
        int k = s->order[o];
        const tn_tensor *t = r->in[1 + k];
        int64_t size = TN_INT32S(r->in[0])[row * s->n + k], most = t->shape.dim[t->shape.rank - 1];
        if (size < 0 || size > most)
            return tn_fail(
                err, TN_INVALID_ARGUMENT,
                "Size to write must not be negative or larger than value tensor; but saw: %lld > %lld at "
                "message %lld field %d",
                (long long)size, (long long)most, (long long)row, k);
        put_field(out, &s->fields[k], t, row * most, size, packed);
    }
    TN_TRY(tn_buf_check(packed, err));
    return tn_buf_check(out, err);
}

static tn_code encode_run(tn_run *r, tn_error *err)
{
    tn_buf out = {0}, packed = {0};
    tn_code code = TN_OK;
    for (int64_t i = 0; code == TN_OK && i < tn_tensor_count(r->out[0]); i++) {
        tn_buf_clear(&out);
        code = put_message(r, i, &out, &packed, err);
        if (code == TN_OK) code = tn_string_set(r->out[0], i, out.n ? out.data : "", out.n, err);
    }
    tn_buf_free(&out);
    tn_buf_free(&packed);
    return code;
}

const tn_op tn_op_EncodeProto = {
    .name = "EncodeProto",
    .sig = "sizes:int32 values:[Tinput_types] -> bytes:string; field_names:list(string) message_type:string "
           "descriptor_source:string=\"local://\" Tinput_types:list(type)>=1",
    .infer = encode_infer,
    .prepare = encode_prepare,
    .run = encode_run,
    .flags = TN_NO_GRADIENT,
};
