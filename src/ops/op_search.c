/* SPDX-License-Identifier: Apache-2.0
 *
 * op_search.c - operators that look for places: LowerBound and UpperBound in sorted rows, NthElement,
 * UnravelIndex; and small ones about single values: PopulationCount, ToBool, Timestamp, DeviceIndex.
 */
#include "op_math.h"
#include "op_move.h"

#include <time.h>

/* Two elements of one dtype: integers exactly, others as doubles. */
static int compare(const tn_tensor *a, int64_t i, const tn_tensor *b, int64_t j)
{
    if (a->dtype == TN_UINT64) {
        uint64_t x = ((const uint64_t *)a->data)[i], y = ((const uint64_t *)b->data)[j];
        return (x > y) - (x < y);
    }
    if (tn_dtype_is_integer(a->dtype)) {
        int64_t x = tn_tensor_int(a, i), y = tn_tensor_int(b, j);
        return (x > y) - (x < y);
    }
    double x = tn_tensor_number(a, i), y = tn_tensor_number(b, j);
    return (x > y) - (x < y);
}

/* ==== bounds ==== */

static tn_code bound_infer(tn_infer *c, tn_error *err)
{
    int64_t both;
    TN_TRY(tn_infer_rank(c, 0, 2, err));
    TN_TRY(tn_infer_rank(c, 1, 2, err));
    c->out[0].shape = c->in[1]->shape;
    if (c->in[0]->shape.rank != 2 || c->in[1]->shape.rank != 2) return TN_OK;
    if (tn_infer_merge_dim(c->in[0]->shape.dim[0], c->in[1]->shape.dim[0], &both, NULL) == TN_OK)
        return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Leading dim_size of both tensors must match.");
}

/* The first place in the row whose element is not less than (upper: is greater than) the value. */
static int64_t place_of(const tn_tensor *row, int64_t at, int64_t n, const tn_tensor *v, int64_t i,
                        bool upper)
{
    int64_t low = 0, high = n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (compare(row, at + middle, v, i) < (upper ? 1 : 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static tn_code bound_run(tn_run *r, tn_error *err)
{
    (void)err;
    bool upper = r->op->name[0] == 'U';
    int64_t rows = r->in[1]->shape.dim[0], m = r->in[1]->shape.dim[1], n = r->in[0]->shape.dim[1];
    for (int64_t i = 0; i < rows * m; i++)
        tn_tensor_set_number(r->out[0], i, (double)place_of(r->in[0], i / m * n, n, r->in[1], i, upper));
    return TN_OK;
}

#define BOUND(Name)                                                                                    \
    const tn_op tn_op_##Name = {                                                                       \
        .name = #Name,                                                                                 \
        .sig = "sorted_inputs:T values:T -> output:out_type; T:type out_type:type{int32,int64}=int32", \
        .infer = bound_infer,                                                                          \
        .run = bound_run,                                                                              \
        .flags = TN_NO_GRADIENT}
BOUND(LowerBound);
BOUND(UpperBound);

/* ==== NthElement ==== */

static tn_code nth_infer(tn_infer *c, tn_error *err)
{
    int64_t n;
    const tn_shape *s = &c->in[0]->shape;
    TN_TRY(tn_infer_rank_at_least(c, 0, 1, err));
    TN_TRY(tn_infer_rank(c, 1, 0, err));
    if (tn_infer_int(c, 1, &n)) {
        if (n < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "n must be non-negative but is %lld", (long long)n);
        if (s->rank > 0 && s->dim[s->rank - 1] >= 0 && s->dim[s->rank - 1] <= n)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Input must have last dimension > n = %lld but is %lld",
                           (long long)n, (long long)s->dim[s->rank - 1]);
    }
    c->out[0].shape = *s;
    if (s->rank > 0) c->out[0].shape.rank--;
    return TN_OK;
}

static tn_code nth_prepare(tn_prepare *p, tn_error *err)
{
    (void)err;
    const tn_shape *s = &p->in[0]->shape;
    p->scratch = (size_t)s->dim[s->rank - 1] * sizeof(int64_t);
    return TN_OK;
}

/* Partial sorting (Hoare's selection) of places, so that the n-th is where it belongs. */
static void select_nth(const tn_tensor *t, int64_t at, int64_t *place, int64_t count, int64_t n)
{
    for (int64_t low = 0, high = count - 1; low < high;) {
        int64_t pivot = place[low + (high - low) / 2], i = low, j = high;
        while (i <= j) {
            while (compare(t, at + place[i], t, at + pivot) < 0) i++;
            while (compare(t, at + place[j], t, at + pivot) > 0) j--;
            if (i > j) break;
            int64_t swap = place[i];
            place[i++] = place[j];
            place[j--] = swap;
        }
        if (n <= j)
            high = j;
        else if (n >= i)
            low = i;
        else
            return;
    }
}

static tn_code nth_run(tn_run *r, tn_error *err)
{
    const tn_tensor *t = r->in[0];
    int64_t count = t->shape.dim[t->shape.rank - 1], n, *place = r->scratch;
    TN_TRY(tn_int_of(r->in[1], "n", &n, err));
    if (tn_attr_b(r->attrs, "reverse")) n = count - 1 - n;
    for (int64_t row = 0; row < tn_tensor_count(r->out[0]); row++) {
        for (int64_t i = 0; i < count; i++) place[i] = i;
        select_nth(t, row * count, place, count, n);
        TN_TRY(tn_move_row(r->out[0], row, t, row * count + place[n], 1, err));
    }
    return TN_OK;
}

/* Shared by all elements that are equal to the one found. */
static tn_code nth_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node x = tn_grad_in(g, 0), last = tn_g_int(b, -1), y = tn_g2(b, "ExpandDims", tn_grad_out(g, 0), last);
    tn_node dy = tn_g2(b, "ExpandDims", tn_grad_dy(g, 0), last);
    tn_node equal = tn_grad_cast(b, tn_g2(b, "Equal", y, x), tn_dtype_base(tn_node_dtype(dy)));
    tn_node count = tn_op(b, "Sum", TN_INPUTS(equal, last), TN_ATTRS(tn_attr_bool("keep_dims", true)));
    tn_grad_set(g, 0, tn_g2(b, "Mul", tn_g2(b, "RealDiv", equal, count), dy));
    return TN_OK;
}

const tn_op tn_op_NthElement = {
    .name = "NthElement",
    .sig = "input:T n:int32 -> values:T; reverse:bool=false T:type{realnumbertype}",
    .infer = nth_infer,
    .prepare = nth_prepare,
    .run = nth_run,
    .grad = nth_grad,
    .values = TN_BIT(1),
};

/* ==== UnravelIndex ==== */

static tn_code unravel_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *i = &c->in[0]->shape, *d = &c->in[1]->shape;
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    int64_t n = d->rank == 1 ? d->dim[0] : -1;
    if (i->rank > 1) return tn_fail(err, TN_INVALID_ARGUMENT, "The indices can only be scalar or vector.");
    if (i->rank == 0) c->out[0].shape = tn_shape_vector(n);
    if (i->rank == 1) c->out[0].shape = (tn_shape){.rank = 2, .dim = {n, i->dim[0]}};
    return TN_OK;
}

static tn_code unravel_run(tn_run *r, tn_error *err)
{
    const tn_tensor *indices = r->in[0], *dims = r->in[1];
    int64_t rank = tn_tensor_count(dims), n = tn_tensor_count(indices), all = 1;
    for (int64_t k = 0; k < rank; k++) {
        int64_t d = tn_tensor_int(dims, k);
        if (d <= 0)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Input dims cannot contain a dim of zero: dims[%lld] = %lld", (long long)k,
                           (long long)d);
        if (__builtin_mul_overflow(all, d, &all))
            return tn_fail(err, TN_INVALID_ARGUMENT, "dims are too large");
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t x = tn_tensor_int(indices, i);
        if (x >= all) return tn_fail(err, TN_INVALID_ARGUMENT, "index is out of bound as with dims");
        for (int64_t k = rank - 1; k >= 0; k--) {
            int64_t d = tn_tensor_int(dims, k);
            tn_tensor_set_number(r->out[0], k * n + i, (double)(x % d));
            x /= d;
        }
    }
    return TN_OK;
}

const tn_op tn_op_UnravelIndex = {
    .name = "UnravelIndex",
    .sig = "indices:Tidx dims:Tidx -> output:Tidx; Tidx:type{int32,int64}=int32",
    .infer = unravel_infer,
    .run = unravel_run,
    .flags = TN_NO_GRADIENT,
};

/* ==== single values ==== */

static tn_code count_bits_run(tn_run *r, tn_error *err)
{
    (void)err;
    const tn_tensor *t = r->in[0];
    size_t size = tn_dtype_size(t->dtype);
    for (int64_t i = 0; i < tn_tensor_count(t); i++) {
        uint64_t x = 0;
        const unsigned char *p = (const unsigned char *)t->data + (size_t)i * size;
        for (size_t k = 0; k < size; k++) x = x << 8 | p[k];
        ((uint8_t *)r->out[0]->data)[i] = (uint8_t)__builtin_popcountll(x);
    }
    return TN_OK;
}

const tn_op tn_op_PopulationCount = {
    .name = "PopulationCount",
    .sig = "x:T -> y:uint8; T:type{int8,int16,int32,int64,uint8,uint16,uint32,uint64}",
    .infer = tn_infer_like_first,
    .run = count_bits_run,
    .flags = TN_NO_GRADIENT,
};

/* As Python sees it: a scalar that is not 0 or empty, any other tensor that has elements. */
static tn_code to_bool_run(tn_run *r, tn_error *err)
{
    (void)err;
    const tn_tensor *t = r->in[0];
    bool yes = tn_tensor_count(t) > 0;
    if (t->shape.rank == 0) yes = t->dtype == TN_STRING ? TN_STRINGS(t)->n > 0 : tn_tensor_number(t, 0) != 0;
    *(bool *)r->out[0]->data = yes;
    return TN_OK;
}

const tn_op tn_op_ToBool = {
    .name = "ToBool",
    .sig = "input:T -> output:bool; T:type",
    .infer = tn_infer_scalar,
    .run = to_bool_run,
    .flags = TN_NO_GRADIENT,
};

static tn_code timestamp_run(tn_run *r, tn_error *err)
{
    (void)err;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    *(double *)r->out[0]->data = (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
    return TN_OK;
}

const tn_op tn_op_Timestamp = {
    .name = "Timestamp",
    .sig = "-> ts:double;",
    .infer = tn_infer_scalar,
    .run = timestamp_run,
    .flags = TN_STATEFUL | TN_NO_GRADIENT,
};

/* The place of the processor among the names; their number when it is not there. */
static tn_code device_run(tn_run *r, tn_error *err)
{
    (void)err;
    const tn_attr *names = tn_attr_find(r->attrs, "device_names");
    int i = 0;
    while (names && i < names->n && !tn_view_is((tn_view){names->ss[i].p, names->ss[i].n}, "CPU")) i++;
    *TN_INT32S(r->out[0]) = i;
    return TN_OK;
}

const tn_op tn_op_DeviceIndex = {
    .name = "DeviceIndex",
    .sig = "-> index:int32; device_names:list(string)",
    .infer = tn_infer_scalar,
    .run = device_run,
    .flags = TN_STATEFUL | TN_NO_GRADIENT,
};
