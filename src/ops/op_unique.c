/* SPDX-License-Identifier: Apache-2.0
 *
 * op_unique.c - operators whose result's length only running tells: Where, Unique, UniqueV2,
 * UniqueWithCounts(V2), ListDiff, DenseToDenseSetOperation. All hash or compare elements as bytes.
 */
#include "op_move.h"

/* ==== Where ==== */

static bool is_set(const tn_tensor *t, int64_t i)
{
    size_t size = tn_dtype_size(t->dtype);
    const unsigned char *p = (const unsigned char *)t->data + (size_t)i * size;
    switch (t->dtype) {
    case TN_FLOAT: return TN_FLOATS(t)[i] != 0;
    case TN_DOUBLE: return ((const double *)t->data)[i] != 0;
    case TN_HALF: return tn_half_to_float(((const uint16_t *)t->data)[i]) != 0;
    case TN_BFLOAT16: return tn_bfloat16_to_float(((const uint16_t *)t->data)[i]) != 0;
    case TN_COMPLEX64: return TN_FLOATS(t)[2 * i] != 0 || TN_FLOATS(t)[2 * i + 1] != 0;
    case TN_COMPLEX128:
        return ((const double *)t->data)[2 * i] != 0 || ((const double *)t->data)[2 * i + 1] != 0;
    default:
        for (size_t k = 0; k < size; k++)
            if (p[k]) return true;
        return false;
    }
}

static tn_code where_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    const tn_shape *in = &c->in[0]->shape;
    tn_infer_set_rank(c, 0, 2);
    if (in->rank >= 0) c->out[0].shape.dim[1] = in->rank;
    c->out[0].bound = tn_shape_count(in);
    return TN_OK;
}

static tn_code where_prepare(tn_prepare *p, tn_error *err)
{
    (void)err;
    p->scratch = (size_t)tn_shape_count(&p->in[0]->shape);
    return TN_OK;
}

/* Which elements are set; how many. */
static int64_t find_set(const tn_tensor *t, int64_t n, uint8_t *set)
{
    int64_t found = 0;
    if (t->dtype == TN_BOOL)
        for (int64_t i = 0; i < n; i++) set[i] = ((const uint8_t *)t->data)[i] != 0;
    else if (t->dtype == TN_FLOAT)
        for (int64_t i = 0; i < n; i++) set[i] = TN_FLOATS(t)[i] != 0;
    else
        for (int64_t i = 0; i < n; i++) set[i] = is_set(t, i);
    for (int64_t i = 0; i < n; i++) found += set[i];
    return found;
}

/* Places of what is set, row after row of the last dimension. */
static void write_places(const tn_shape *in, int64_t n, const uint8_t *set, int64_t *out)
{
    const int last = in->rank - 1;
    const int64_t width = in->dim[last];
    int64_t at[TN_MAX_RANK] = {0};
    for (int64_t row = 0; row < n; row += width) {
        for (int64_t i = 0; i < width; i++) {
            if (!set[row + i]) continue;
            for (int k = 0; k < last; k++) *out++ = at[k];
            *out++ = i;
        }
        for (int k = last - 1; k >= 0 && ++at[k] == in->dim[k]; k--) at[k] = 0;
    }
}

static tn_code where_run(tn_run *r, tn_error *err)
{
    const tn_tensor *in = r->in[0];
    int64_t n = tn_tensor_count(in), found = find_set(in, n, r->scratch);
    tn_shape s = {.rank = 2, .dim = {found, in->shape.rank}};
    TN_TRY(tn_run_output(r, 0, &s, err));
    if (found > 0 && in->shape.rank > 0) write_places(&in->shape, n, r->scratch, TN_INT64S(r->out[0]));
    return TN_OK;
}

const tn_op tn_op_Where = {
    .name = "Where",
    .sig = "input:T -> index:int64; T:type{float,double,int32,uint8,int16,int8,complex64,int64,qint8,"
           "quint8,qint32,bfloat16,qint16,quint16,uint16,complex128,half,uint32,uint64,bool}=bool",
    .infer = where_infer,
    .prepare = where_prepare,
    .run = where_run,
    .flags = TN_NO_GRADIENT,
    .dynamic = TN_BIT(0),
};

/* ==== a set of slices [outer, n, inner] along the middle ==== */

typedef struct slices {
    const tn_tensor *t;
    int64_t outer, n, inner;
    bool ints, wide; /* each slice is one integer, of four or (wide) eight bytes */
} slices;

static slices slices_of(const tn_tensor *t, int64_t outer, int64_t n, int64_t inner)
{
    const bool one = outer == 1 && inner == 1, wide = t->dtype == TN_INT64 || t->dtype == TN_UINT64;
    return (slices){t, outer, n, inner, one && (wide || t->dtype == TN_INT32 || t->dtype == TN_UINT32), wide};
}

static uint64_t int_of(const slices *s, int64_t i)
{
    return s->wide ? ((const uint64_t *)s->t->data)[i] : ((const uint32_t *)s->t->data)[i];
}

static tn_view string_view(const tn_tensor *t, int64_t i)
{
    return (tn_view){TN_STRINGS(t)[i].p, TN_STRINGS(t)[i].n};
}

/* A number whose bytes are equal when the values are: -0 is 0. */
static uint64_t element_bits(const tn_tensor *t, int64_t i)
{
    uint64_t bits = 0;
    size_t size = tn_dtype_size(t->dtype);
    if (t->dtype == TN_STRING) return tn_hash(TN_STRINGS(t)[i].p, TN_STRINGS(t)[i].n);
    if (tn_dtype_is_float(t->dtype) && !is_set(t, i)) return 0;
    const char *p = (const char *)t->data + (size_t)i * size;
    if (size == 16) return tn_hash(p, 16);
    memcpy(&bits, p, size);
    return bits;
}

static bool element_equal(const tn_tensor *a, int64_t i, const tn_tensor *b, int64_t j)
{
    if (a->dtype == TN_STRING) return tn_view_eq(string_view(a, i), string_view(b, j));
    if (tn_dtype_is_float(a->dtype)) return tn_tensor_number(a, i) == tn_tensor_number(b, j);
    return element_bits(a, i) == element_bits(b, j);
}

static int64_t slice_at(const slices *s, int64_t i, int64_t k)
{
    return (k / s->inner * s->n + i) * s->inner + k % s->inner;
}

static uint64_t slice_hash(const slices *s, int64_t i)
{
    uint64_t h = 0x9e3779b97f4a7c15u;
    for (int64_t k = 0, m = s->outer * s->inner; k < m; k++) {
        h ^= element_bits(s->t, slice_at(s, i, k));
        h *= 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    return h;
}

static bool slice_equal(const slices *a, int64_t i, const slices *b, int64_t j)
{
    for (int64_t k = 0, m = a->outer * a->inner; k < m; k++)
        if (!element_equal(a->t, slice_at(a, i, k), b->t, slice_at(b, j, k))) return false;
    return true;
}

/* Open addressing; entries are slice numbers + 1. */
typedef struct slice_table {
    int64_t *slot;
    uint64_t mask;
} slice_table;

static tn_code table_new(int64_t n, slice_table *t, tn_error *err)
{
    uint64_t size = 16;
    while (size < 2 * (uint64_t)n) size *= 2;
    t->slot = tn_calloc(size, sizeof *t->slot);
    t->mask = size - 1;
    return t->slot ? TN_OK : tn_no_memory(err, size * sizeof *t->slot);
}

/* The slot of a slice equal to slice i of q among those of s put in; or the free one for it. */
static int64_t *table_find(slice_table *t, const slices *s, const slices *q, int64_t i)
{
    const uint64_t v = s->ints && q->ints ? int_of(q, i) : 0;
    for (uint64_t h = v * 0xff51afd7ed558ccdu >> 32; s->ints && q->ints; h++) {
        int64_t *slot = &t->slot[h & t->mask];
        if (!*slot || int_of(s, *slot - 1) == v) return slot;
    }
    for (uint64_t h = slice_hash(q, i);; h++) {
        int64_t *slot = &t->slot[h & t->mask];
        if (!*slot || slice_equal(s, *slot - 1, q, i)) return slot;
    }
}

static void put_index(tn_tensor *t, int64_t i, int64_t v)
{
    if (t->dtype == TN_INT64)
        TN_INT64S(t)[i] = v;
    else
        TN_INT32S(t)[i] = (int32_t)v;
}

static int64_t get_index(const tn_tensor *t, int64_t i)
{
    return t->dtype == TN_INT64 ? TN_INT64S(t)[i] : TN_INT32S(t)[i];
}

/* ==== Unique* ==== y, idx, count */

static tn_code unique_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    if (c->n_in == 1) TN_TRY(tn_infer_rank(c, 0, 1, err));
    int axis = 0;
    bool known = c->n_in == 1;
    if (c->n_in == 2 && c->in[1]->value) {
        known = true;
        if (tn_tensor_count(c->in[1]->value) && in->rank >= 0)
            TN_TRY(tn_axis_check(tn_tensor_int(c->in[1]->value, 0), in->rank, &axis, err));
    }
    for (int o = 1; o < c->n_out; o++) tn_infer_set_rank(c, o, 1);
    if (in->rank < 0 || !known) return TN_OK;
    c->out[0].shape = *in;
    c->out[0].shape.dim[axis] = -1;
    c->out[0].bound = axis == 0 ? in->dim[0] : -1;
    c->out[1].shape.dim[0] = in->dim[axis];
    if (c->n_out > 2) c->out[2].bound = in->dim[axis];
    return TN_OK;
}

static tn_code unique_slices(const tn_run *r, slices *s, int *axis, tn_error *err)
{
    const tn_shape *in = &r->in[0]->shape;
    *axis = 0;
    if (r->n_in == 2 && tn_tensor_count(r->in[1]) > 1)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "axis does not support input tensors larger than 1 elements");
    if (r->n_in == 2 && tn_tensor_count(r->in[1]) == 1)
        TN_TRY(tn_axis_check(tn_tensor_int(r->in[1], 0), in->rank, axis, err));
    else if (in->rank != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "unique expects a 1D vector.");
    *s = slices_of(r->in[0], tn_shape_product(in, 0, *axis), in->dim[*axis],
                   tn_shape_product(in, *axis + 1, in->rank));
    return TN_OK;
}

/* first[k]: the slice that is the k-th different one. */
static tn_code unique_find(const slices *s, tn_tensor *idx, int64_t *first, int64_t *found, tn_error *err)
{
    slice_table table;
    TN_TRY(table_new(s->n, &table, err));
    *found = 0;
    for (int64_t i = 0; i < s->n; i++) {
        int64_t *slot = table_find(&table, s, s, i);
        if (!*slot) {
            *slot = i + 1;
            put_index(idx, i, *found);
            first[(*found)++] = i;
        } else {
            put_index(idx, i, get_index(idx, *slot - 1));
        }
    }
    tn_free(table.slot);
    return TN_OK;
}

static tn_code unique_write(tn_run *r, const slices *s, int axis, const int64_t *first, int64_t found,
                            tn_error *err)
{
    tn_shape shape = r->in[0]->shape;
    shape.dim[axis] = found;
    TN_TRY(tn_run_output(r, 0, &shape, err));
    for (int64_t o = 0; o < s->outer; o++)
        for (int64_t k = 0; k < found; k++)
            TN_TRY(tn_move_row(r->out[0], (o * found + k) * s->inner, s->t, (o * s->n + first[k]) * s->inner,
                               s->inner, err));
    if (r->n_out < 3) return TN_OK;
    tn_shape counts = tn_shape_vector(found);
    TN_TRY(tn_run_output(r, 2, &counts, err));
    for (int64_t k = 0; k < found; k++) put_index(r->out[2], k, 0);
    for (int64_t i = 0; i < s->n; i++) {
        int64_t k = get_index(r->out[1], i);
        put_index(r->out[2], k, get_index(r->out[2], k) + 1);
    }
    return TN_OK;
}

static tn_code unique_run(tn_run *r, tn_error *err)
{
    slices s = {0};
    int axis;
    int64_t found;
    TN_TRY(unique_slices(r, &s, &axis, err));
    tn_shape vector = tn_shape_vector(s.n);
    if (r->op->dynamic & TN_BIT(1)) TN_TRY(tn_run_output(r, 1, &vector, err));
    int64_t *first = tn_malloc((size_t)TN_MAX(s.n, 1) * sizeof *first);
    if (!first) return tn_no_memory(err, (size_t)s.n * sizeof *first);
    tn_code code = unique_find(&s, r->out[1], first, &found, err);
    if (code == TN_OK) code = unique_write(r, &s, axis, first, found, err);
    tn_free(first);
    return code;
}

#define UNIQUE(NAME, DYNAMIC, SIG) \
    const tn_op tn_op_##NAME = {   \
        .name = #NAME,             \
        .sig = SIG,                \
        .infer = unique_infer,     \
        .run = unique_run,         \
        .dynamic = DYNAMIC,        \
    };
UNIQUE(Unique, TN_BIT(0), "x:T -> y:T idx:out_idx; T:type out_idx:type{int32,int64}=int32")
UNIQUE(UniqueV2, TN_BIT(0) | TN_BIT(1),
       "x:T axis:Taxis -> y:T idx:out_idx; T:type Taxis:type{int32,int64}=int64 "
       "out_idx:type{int32,int64}=int32")
UNIQUE(UniqueWithCounts, TN_BIT(0) | TN_BIT(2),
       "x:T -> y:T idx:out_idx count:out_idx; T:type out_idx:type{int32,int64}=int32")
UNIQUE(UniqueWithCountsV2, TN_BIT(0) | TN_BIT(1) | TN_BIT(2),
       "x:T axis:Taxis -> y:T idx:out_idx count:out_idx; T:type "
       "Taxis:type{int32,int64}=int64 out_idx:type{int32,int64}=int32")

/* ==== ListDiff ==== x, y -> values of x that are not in y, and where they are */

static tn_code list_diff_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 1, err));
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    for (int o = 0; o < 2; o++) {
        tn_infer_set_rank(c, o, 1);
        c->out[o].bound = c->in[0]->shape.rank == 1 ? c->in[0]->shape.dim[0] : -1;
    }
    return TN_OK;
}

static tn_code list_diff_write(tn_run *r, slice_table *table, const slices *x, const slices *y, tn_error *err)
{
    int64_t found = 0;
    for (int64_t i = 0; i < x->n; i++) found += !*table_find(table, y, x, i);
    tn_shape s = tn_shape_vector(found);
    TN_TRY(tn_run_output(r, 0, &s, err));
    TN_TRY(tn_run_output(r, 1, &s, err));
    int64_t k = 0;
    for (int64_t i = 0; i < x->n; i++) {
        if (*table_find(table, y, x, i)) continue;
        TN_TRY(tn_move_row(r->out[0], k, x->t, i, 1, err));
        put_index(r->out[1], k++, i);
    }
    return TN_OK;
}

static tn_code list_diff_run(tn_run *r, tn_error *err)
{
    slices x = slices_of(r->in[0], 1, tn_tensor_count(r->in[0]), 1),
           y = slices_of(r->in[1], 1, tn_tensor_count(r->in[1]), 1);
    slice_table table;
    TN_TRY(table_new(y.n, &table, err));
    for (int64_t i = 0; i < y.n; i++) *table_find(&table, &y, &y, i) = i + 1;
    tn_code code = list_diff_write(r, &table, &x, &y, err);
    tn_free(table.slot);
    return code;
}

const tn_op tn_op_ListDiff = {
    .name = "ListDiff",
    .sig = "x:T y:T -> out:T idx:out_idx; T:type out_idx:type{int32,int64}=int32",
    .infer = list_diff_infer,
    .run = list_diff_run,
    .dynamic = TN_BIT(0) | TN_BIT(1),
};
