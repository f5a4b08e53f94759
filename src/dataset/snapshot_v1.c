/* SPDX-License-Identifier: Apache-2.0
 *
 * snapshot_v1.c - the records of the former snapshots, version 1: an element is one, after its length in eight bytes,
 * the lowest first; in files that snappy compresses it is two, what its components are and their bytes as one
 * block. Files
 * and folders are snapshot.c's.
 *
 * Invariants: sizes that a record tells are checked against the bytes that are there.
 */
#include "snapshot.h"

#include "../graph/tensorproto.h"
#include "../wire/wire.h"

#define EXPANDED_LIMIT ((size_t)1 << 30)

/* ==== reading ==== */

static tn_code cut_short(tn_error *err)
{
    return tn_fail(err, TN_DATA_LOSS, "the snapshot ends within an element, or is damaged");
}

static tn_code take_record(tn_snapshot_file *f, tn_view *out, tn_error *err)
{
    size_t left = f->bytes.n - f->at;
    if (left < 8) return cut_short(err);
    uint64_t n = tn_get64(f->bytes.data + f->at);
    if (n > left - 8) return cut_short(err);
    *out = (tn_view){f->bytes.data + f->at + 8, (size_t)n};
    f->at += 8 + (size_t)n;
    return TN_OK;
}

static tn_code check_width(uint32_t n, int width, tn_error *err)
{
    return n == (uint32_t)width
               ? TN_OK
               : tn_fail(err, TN_DATA_LOSS, "an element of the snapshot has %u components, not %d", n, width);
}

static tn_code next_plain(tn_snapshot_file *f, int width, tn_arena *a, tn_tensor **out, tn_error *err)
{
    tn_view record;
    tn_SnapshotRecord *m;
    TN_TRY(take_record(f, &record, err));
    TN_TRY(TN_DECODE(SnapshotRecord, record, a, &m, err));
    TN_TRY(check_width(m->tensor.n, width, err));
    for (int k = 0; k < width; k++) TN_TRY(tn_tensor_from_proto(&m->tensor.items[k], 0, &out[k], err));
    return TN_OK;
}

/* Plain elements lie there as in memory, others as a TensorProto. */
static tn_code take_part(tn_view bytes, tn_dtype dtype, const tn_TensorMetadata *m, tn_arena *a, tn_tensor **out,
                         tn_error *err)
{
    tn_TensorProto *p;
    tn_shape shape;
    if (!tn_dtype_is_pod(dtype)) {
        TN_TRY(TN_DECODE(TensorProto, bytes, a, &p, err));
        return tn_tensor_from_proto(p, 0, out, err);
    }
    TN_TRY(tn_shape_from_proto(m->tensor_shape, &shape, err));
    int64_t n = tn_shape_count(&shape);
    if (n < 0 || (uint64_t)n > bytes.n / tn_dtype_size(dtype) || (size_t)n * tn_dtype_size(dtype) != bytes.n)
        return cut_short(err);
    TN_TRY(tn_tensor_new(dtype, &shape, out, err));
    if (bytes.n) memcpy((*out)->data, bytes.p, bytes.n);
    return TN_OK;
}

static tn_code take_parts(const tn_SnapshotTensorMetadata *m, tn_view left, const tn_dataset *d, tn_arena *a,
                          tn_tensor **out, tn_error *err)
{
    for (int k = 0; k < d->width; k++) {
        const tn_TensorMetadata *part = &m->tensor_metadata.items[k];
        uint64_t n = (uint64_t)part->tensor_size_bytes;
        if (n > left.n) return cut_short(err);
        TN_TRY(take_part((tn_view){left.p, (size_t)n}, d->types[k], part, a, &out[k], err));
        left = (tn_view){left.p + n, left.n - (size_t)n};
    }
    return TN_OK;
}

static tn_code next_snappy(tn_snapshot_file *f, const tn_dataset *d, tn_arena *a, tn_tensor **out, tn_error *err)
{
    tn_view record;
    tn_buf bytes = {0};
    tn_SnapshotTensorMetadata *m;
    TN_TRY(take_record(f, &record, err));
    TN_TRY(TN_DECODE(SnapshotTensorMetadata, record, a, &m, err));
    TN_TRY(check_width(m->tensor_metadata.n, d->width, err));
    TN_TRY(take_record(f, &record, err));
    tn_code code = tn_snappy_block_expand(record, tn_budget_room(EXPANDED_LIMIT), &bytes, err);
    if (code == TN_OK) code = take_parts(m, (tn_view){bytes.data, bytes.n}, d, a, out, err);
    tn_buf_free(&bytes);
    return code;
}

tn_code tn_snapshot_v1_next(tn_snapshot_file *f, tn_packing p, const tn_dataset *d, tn_tensor **out, bool *end,
                            tn_error *err)
{
    *end = f->at >= f->bytes.n;
    if (*end) return TN_OK;
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, 0);
    tn_code code = p == TN_PACK_SNAPPY ? next_snappy(f, d, a, out, err) : next_plain(f, d->width, a, out, err);
    tn_arena_free(a);
    return code;
}

/* ==== writing ==== */

static tn_code put_record(tn_buf *to, tn_view record, tn_error *err)
{
    uint8_t length[8];
    tn_put64(length, record.n);
    tn_buf_add(to, length, sizeof length);
    tn_buf_add(to, record.p, record.n);
    return tn_buf_check(to, err);
}

static tn_code put_proto(const tn_tensor *t, tn_arena *a, tn_buf *to, tn_error *err)
{
    tn_TensorProto p = {0};
    TN_TRY(tn_tensor_to_proto(t, a, &p, err));
    return TN_ENCODE(TensorProto, &p, to, err);
}

static tn_code put_plain(tn_tensor *const *e, int width, tn_arena *a, tn_buf *to, tn_error *err)
{
    tn_buf bytes = {0};
    tn_TensorProto *p = TN_ARRAY(a, width + 1, tn_TensorProto);
    tn_SnapshotRecord m = {.tensor = {.items = p, .n = (uint32_t)width}};
    if (!p) return tn_no_memory(err, 0);
    for (int k = 0; k < width; k++) TN_TRY(tn_tensor_to_proto(e[k], a, &p[k], err));
    tn_code code = TN_ENCODE(SnapshotRecord, &m, &bytes, err);
    if (code == TN_OK) code = put_record(to, (tn_view){bytes.data, bytes.n}, err);
    tn_buf_free(&bytes);
    return code;
}

/* The bytes of a component, and what it is. */
static tn_code put_part(const tn_tensor *t, tn_arena *a, tn_TensorMetadata *m, tn_buf *bytes, tn_error *err)
{
    size_t before = bytes->n;
    if (!(m->tensor_shape = TN_NEW(a, tn_TensorShapeProto))) return tn_no_memory(err, 0);
    TN_TRY(tn_shape_to_proto(&t->shape, a, m->tensor_shape, err));
    if (tn_dtype_is_pod(t->dtype))
        tn_buf_add(bytes, t->data, tn_tensor_bytes(t));
    else
        TN_TRY(put_proto(t, a, bytes, err));
    m->tensor_size_bytes = (int64_t)(bytes->n - before);
    return tn_buf_check(bytes, err);
}

static tn_code put_parts(tn_tensor *const *e, int width, tn_arena *a, tn_buf *bytes, tn_buf *record, tn_error *err)
{
    tn_TensorMetadata *p = TN_ARRAY(a, width + 1, tn_TensorMetadata);
    tn_SnapshotTensorMetadata m = {.tensor_metadata = {.items = p, .n = (uint32_t)width}};
    if (!p) return tn_no_memory(err, 0);
    for (int k = 0; k < width; k++) TN_TRY(put_part(e[k], a, &p[k], bytes, err));
    return TN_ENCODE(SnapshotTensorMetadata, &m, record, err);
}

static tn_code put_snappy(tn_tensor *const *e, int width, tn_arena *a, tn_buf *to, tn_error *err)
{
    tn_buf bytes = {0}, record = {0}, packed = {0};
    tn_code code = put_parts(e, width, a, &bytes, &record, err);
    if (code == TN_OK) code = tn_snappy_block_squeeze((tn_view){bytes.n ? bytes.data : "", bytes.n}, &packed, err);
    if (code == TN_OK) code = put_record(to, (tn_view){record.data, record.n}, err);
    if (code == TN_OK) code = put_record(to, (tn_view){packed.data, packed.n}, err);
    tn_buf_free(&bytes);
    tn_buf_free(&record);
    tn_buf_free(&packed);
    return code;
}

tn_code tn_snapshot_v1_put(tn_buf *to, tn_packing p, tn_tensor *const *e, int width, tn_error *err)
{
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, 0);
    tn_code code = p == TN_PACK_SNAPPY ? put_snappy(e, width, a, to, err) : put_plain(e, width, a, to, err);
    tn_arena_free(a);
    return code;
}
