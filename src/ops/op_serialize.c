/* SPDX-License-Identifier: Apache-2.0
 *
 * op_serialize.c - tensors as bytes of TensorProto and back: SerializeTensor, ParseTensor; sparse tensors as
 * three of them: SerializeSparse, SerializeManySparse, DeserializeSparse, DeserializeManySparse, with strings
 * or with variants.
 */
#include "../graph/tensorproto.h"
#include "../wire/wire.h"
#include "boxed.h"
#include "parse.h"
#include "serialize.h"

/* ==== one tensor ==== */

/* Strings in tensor_content: all lengths, then all bytes. */
static void string_content(const tn_tensor *t, tn_buf *out)
{
    char length[TN_VARINT_MOST];
    for (int64_t i = 0, n = tn_tensor_count(t); i < n; i++)
        tn_buf_add(out, length, tn_varint_put(length, TN_STRINGS(t)[i].n));
    for (int64_t i = 0, n = tn_tensor_count(t); i < n; i++)
        tn_buf_add(out, TN_STRINGS(t)[i].p, TN_STRINGS(t)[i].n);
}

/* The tensor's bytes in element `at` of out. content: strings too are in tensor_content. */
static tn_code put_tensor(const tn_tensor *t, bool content, tn_arena *a, tn_tensor *out, int64_t at,
                          tn_error *err)
{
    tn_TensorProto p;
    tn_buf bytes = {0}, strings = {0};
    TN_TRY(tn_tensor_to_proto(t, a, &p, err));
    if (content && t->dtype == TN_STRING) {
        string_content(t, &strings);
        p.tensor_content = (tn_view){strings.data, strings.n};
        p.string_val.n = 0;
    }
    tn_code code = tn_buf_check(&strings, err);
    if (code == TN_OK) code = TN_ENCODE(TensorProto, &p, &bytes, err);
    if (code == TN_OK) code = tn_string_set(out, at, bytes.n ? bytes.data : "", bytes.n, err);
    tn_buf_free(&bytes);
    tn_buf_free(&strings);
    return code;
}

static tn_code take_tensor(tn_view bytes, tn_arena *a, tn_tensor **out, tn_error *err)
{
    tn_TensorProto *p;
    tn_error why;
    tn_code code = bytes.n ? TN_DECODE(TensorProto, bytes, a, &p, &why) : TN_INVALID_ARGUMENT;
    if (code == TN_OK) code = tn_tensor_from_proto(p, 0, out, &why);
    if (code == TN_OK || code == TN_RESOURCE_EXHAUSTED)
        return code == TN_OK ? TN_OK : tn_fail(err, code, "%s", why.message);
    return tn_fail(err, TN_INVALID_ARGUMENT, "Could not parse a tensor from %zu bytes", bytes.n);
}

static tn_code serialize(tn_run *r, tn_arena *a, tn_error *err)
{
    return put_tensor(r->in[0], false, a, r->out[0], 0, err);
}
TN_RUN_IN_ARENA(serialize_run, serialize)

const tn_op tn_op_SerializeTensor = {
    .name = "SerializeTensor",
    .sig = "tensor:T -> serialized:string; T:type",
    .infer = tn_infer_scalar,
    .run = serialize_run,
    .flags = TN_NO_GRADIENT,
};

static tn_code parse(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_tensor *t;
    if (r->in[0]->shape.rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected `serialized` to be a scalar, got rank %d",
                       r->in[0]->shape.rank);
    TN_TRY(take_tensor(tn_parse_string(r->in[0], 0), a, &t, err));
    tn_code code =
        t->dtype == r->out[0]->dtype
            ? tn_run_output_share(r, 0, t, err)
            : tn_fail(err, TN_INVALID_ARGUMENT, "Type mismatch between parsed tensor (%s) and dtype (%s)",
                      tn_dtype_name(t->dtype), tn_dtype_name(r->out[0]->dtype));
    tn_tensor_unref(t);
    return code;
}
TN_RUN_IN_ARENA(parse_run, parse)

const tn_op tn_op_ParseTensor = {
    .name = "ParseTensor",
    .sig = "serialized:string -> output:out_type; out_type:type",
    .infer = tn_infer_none,
    .run = parse_run,
    .flags = TN_NO_GRADIENT,
    .dynamic = TN_BIT(0),
};

/* ==== sparse tensors: indices, values, shape side by side ==== */

static tn_code put_sparse(const tn_tensor *const part[3], tn_arena *a, tn_tensor *out, int64_t at,
                          tn_error *err)
{
    for (int k = 0; k < 3; k++) {
        if (out->dtype == TN_STRING)
            TN_TRY(put_tensor(part[k], true, a, out, at + k, err));
        else
            TN_TRY(tn_box_put(out, at + k, part[k], err));
    }
    return TN_OK;
}

static tn_code serialize_sparse(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_sparse s;
    TN_TRY(tn_sparse_read(r, 0, &s, err));
    return put_sparse(r->in, a, r->out[0], 0, err);
}
TN_RUN_IN_ARENA(serialize_sparse_run, serialize_sparse)

static tn_code three_infer(tn_infer *c, tn_error *err)
{
    int64_t n, rank;
    TN_TRY(tn_infer_sparse(c, 0, &n, &rank, err));
    c->out[0].shape = tn_shape_vector(3);
    return TN_OK;
}

const tn_op tn_op_SerializeSparse = {
    .name = "SerializeSparse",
    .sig = "sparse_indices:int64 sparse_values:T sparse_shape:int64 -> serialized_sparse:out_type; T:type "
           "out_type:type{string,variant}=string",
    .infer = three_infer,
    .run = serialize_sparse_run,
};

tn_code tn_sparse_row(const tn_sparse *s, int64_t from, int64_t to, tn_tensor *part[3], tn_error *err)
{
    int64_t n = to - from;
    int rank = s->rank - 1;
    tn_shape shape[3] = {{.rank = 2, .dim = {n, rank}}, tn_shape_vector(n), tn_shape_vector(rank)};
    tn_dtype type[3] = {TN_INT64, s->values->dtype, TN_INT64};
    for (int k = 0; k < 3; k++) part[k] = NULL;
    tn_code code = TN_OK;
    for (int k = 0; k < 3 && code == TN_OK; k++) code = tn_tensor_new(type[k], &shape[k], &part[k], err);
    if (code == TN_OK) {
        for (int64_t i = 0; i < n && rank; i++)
            memcpy(TN_INT64S(part[0]) + i * rank, s->index + (from + i) * s->rank + 1,
                   (size_t)rank * sizeof(int64_t));
        if (rank) memcpy(part[2]->data, s->dim + 1, (size_t)rank * sizeof(int64_t));
        code = tn_move_row(part[1], 0, s->values, from, n, err);
    }
    for (int k = 0; k < 3 && code != TN_OK; k++) tn_tensor_unref(part[k]);
    return code;
}

tn_code tn_sparse_rows_check(const tn_sparse *s, tn_error *err)
{
    if (s->rank < 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Rank of input SparseTensor should be > 1, but saw rank: %d",
                       s->rank);
    int64_t last = 0;
    for (int64_t i = 0; i < s->n; i++) {
        int64_t row = s->index[i * s->rank];
        if (row < last || row >= s->dim[0])
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Received unexpected batch element index: %lld (must be in order, in [0, %lld))",
                           (long long)row, (long long)s->dim[0]);
        last = row;
    }
    return TN_OK;
}

static tn_code serialize_many(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_sparse s;
    TN_TRY(tn_sparse_read(r, 0, &s, err));
    TN_TRY(tn_sparse_rows_check(&s, err));
    tn_shape shape = {.rank = 2, .dim = {s.dim[0], 3}};
    TN_TRY(tn_run_output(r, 0, &shape, err));
    for (int64_t row = 0, from = 0, to; row < s.dim[0]; row++, from = to) {
        tn_tensor *part[3];
        for (to = from; to < s.n && s.index[to * s.rank] == row;) to++;
        TN_TRY(tn_sparse_row(&s, from, to, part, err));
        tn_code code = put_sparse((const tn_tensor *const *)part, a, r->out[0], 3 * row, err);
        for (int k = 0; k < 3; k++) tn_tensor_unref(part[k]);
        TN_TRY(code);
    }
    return TN_OK;
}
TN_RUN_IN_ARENA(serialize_many_run, serialize_many)

static tn_code many_infer(tn_infer *c, tn_error *err)
{
    int64_t n, rank;
    TN_TRY(tn_infer_sparse(c, 0, &n, &rank, err));
    c->out[0].shape = (tn_shape){.rank = 2, .dim = {-1, 3}};
    return TN_OK;
}

const tn_op tn_op_SerializeManySparse = {
    .name = "SerializeManySparse",
    .sig = "sparse_indices:int64 sparse_values:T sparse_shape:int64 -> serialized_sparse:out_type; T:type "
           "out_type:type{string,variant}=string",
    .infer = many_infer,
    .run = serialize_many_run,
    .dynamic = TN_BIT(0),
};

/* ==== and back: those of all rows as one, with the rows' dimensions in front ==== */

static tn_code take_part(const tn_tensor *in, int64_t at, tn_arena *a, tn_tensor **out, tn_error *err)
{
    if (in->dtype == TN_STRING) return take_tensor(tn_parse_string(in, at), a, out, err);
    return tn_box_take(in, at, out, err);
}

/* Reads one row's three parts; those already taken are the caller's to release, whatever is returned. */
static tn_code take_row(tn_run *r, int64_t row, tn_arena *a, tn_tensor *part[3], tn_sparse *s, tn_error *err)
{
    for (int k = 0; k < 3; k++) TN_TRY(take_part(r->in[0], 3 * row + k, a, &part[k], err));
    if (part[0]->dtype != TN_INT64 || part[2]->dtype != TN_INT64)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Expected serialized_sparse[%lld, 0] and [.., 2] to be int64", (long long)row);
    if (part[1]->dtype != r->out[1]->dtype)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Requested SparseTensor of type %s but SparseTensor[%lld].values.dtype "
                       "== %s",
                       tn_dtype_name(r->out[1]->dtype), (long long)row, tn_dtype_name(part[1]->dtype));
    return tn_sparse_of(part[0], part[1], part[2], s, err);
}

static tn_code read_rows(tn_run *r, int64_t rows, tn_arena *a, tn_tensor **parts, tn_sparse *all,
                         tn_error *err)
{
    for (int64_t i = 0; i < rows; i++) {
        TN_TRY(take_row(r, i, a, parts + 3 * i, &all[i], err));
        if (all[i].rank != all[0].rank)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Inconsistent shape across SparseTensors: rank prior to "
                           "SparseTensor[%lld] was: %d but rank of SparseTensor[%lld] is: %d",
                           (long long)i, all[0].rank, (long long)i, all[i].rank);
    }
    return TN_OK;
}

tn_code tn_sparse_stack(tn_run *r, const tn_sparse *all, const tn_shape *outer, tn_error *err)
{
    int64_t rows = tn_shape_count(outer), n = 0, at = 0, dim[2 * TN_MAX_RANK + 1] = {0};
    int inner = rows ? all[0].rank : 0, rank = outer->rank + inner;
    if (inner > TN_MAX_RANK) return tn_fail(err, TN_UNIMPLEMENTED, "more than %d dimensions", TN_MAX_RANK);
    memcpy(dim, outer->dim, (size_t)outer->rank * sizeof *dim);
    for (int64_t i = 0; i < rows; i++) {
        n += all[i].n;
        for (int k = 0; k < inner; k++) dim[outer->rank + k] = TN_MAX(dim[outer->rank + k], all[i].dim[k]);
    }
    TN_TRY(tn_sparse_output(r, 0, 1, n, rank, err));
    int64_t *index = TN_INT64S(r->out[0]);
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t e = 0; e < all[i].n; e++, index += rank) {
            int64_t rest = i;
            for (int k = outer->rank - 1; k >= 0; rest /= outer->dim[k--]) index[k] = rest % outer->dim[k];
            if (inner) memcpy(index + outer->rank, all[i].index + e * inner, (size_t)inner * sizeof *index);
        }
        TN_TRY(tn_move_row(r->out[1], at, all[i].values, 0, all[i].n, err));
        at += all[i].n;
    }
    return tn_sparse_output_shape(r, 2, dim, rank, err);
}

static tn_code deserialize(tn_run *r, tn_arena *a, tn_error *err)
{
    const tn_shape *s = &r->in[0]->shape;
    bool many = !strcmp(r->op->name, "DeserializeManySparse");
    if (s->rank < 1 || s->dim[s->rank - 1] != 3 || (many && s->rank != 2))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Serialized sparse should have 3 as the last dimension");
    tn_shape outer = *s;
    outer.rank--;
    int64_t rows = tn_shape_count(&outer);
    if (rows == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Serialized sparse of no rows");
    tn_tensor **parts = TN_ARRAY(a, 3 * rows, tn_tensor *);
    tn_sparse *all = TN_ARRAY(a, rows, tn_sparse);
    if (!parts || !all) return tn_no_memory(err, (size_t)rows * sizeof *all);
    tn_code code = read_rows(r, rows, a, parts, all, err);
    if (code == TN_OK) code = tn_sparse_stack(r, all, &outer, err);
    for (int64_t i = 0; i < 3 * rows; i++) tn_tensor_unref(parts[i]);
    return code;
}
TN_RUN_IN_ARENA(deserialize_run, deserialize)

static tn_code deserialize_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank_at_least(c, 0, 1, err));
    tn_infer_set_sparse(c, 0, 1, 2, -1, -1);
    return TN_OK;
}

#define DESERIALIZE(Name, Sig)                        \
    const tn_op tn_op_##Name = {                      \
        .name = #Name,                                \
        .sig = Sig,                                   \
        .infer = deserialize_infer,                   \
        .run = deserialize_run,                       \
        .dynamic = TN_BIT(0) | TN_BIT(1) | TN_BIT(2), \
    }
DESERIALIZE(DeserializeSparse, "serialized_sparse:Tserialized -> sparse_indices:int64 sparse_values:dtype "
                               "sparse_shape:int64; dtype:type "
                               "Tserialized:type{string,variant}=string");
DESERIALIZE(
    DeserializeManySparse,
    "serialized_sparse:string -> sparse_indices:int64 sparse_values:dtype sparse_shape:int64; dtype:type");
