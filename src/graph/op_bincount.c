/* SPDX-License-Identifier: Apache-2.0
 *
 * op_bincount.c - Bincount and DenseBincount: how often each of the numbers 0 .. size - 1 occurs, in all or
 * in each row, weighted or only whether. Numbers that are too large are not counted.
 */
#include "op_math.h"

typedef struct counting {
    int64_t rows, columns, size;
    bool weighted, binary;
} counting;

static tn_code bincount_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    bool dense = !strcmp(c->op->name, "DenseBincount");
    int64_t size = -1;
    TN_TRY(tn_infer_rank(c, 1, 0, err));
    if (dense && in->rank > 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Shape must be at most rank 2 but is rank %d", in->rank);
    if (tn_infer_int(c, 1, &size) && size < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "size (%lld) must be non-negative", (long long)size);
    if (dense && in->rank < 0) return TN_OK;
    c->out[0].shape = tn_shape_vector(size);
    if (dense && in->rank == 2) c->out[0].shape = (tn_shape){.rank = 2, .dim = {in->dim[0], size}};
    return TN_OK;
}

static tn_code bincount_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, counting, c);
    const tn_shape *in = &p->in[0]->shape, *w = &p->in[2]->shape, *out = &p->out[0]->shape;
    char text[160];
    c->rows = out->rank == 2 ? out->dim[0] : 1;
    c->size = out->dim[out->rank - 1];
    c->columns = out->rank == 2 ? in->dim[1] : tn_shape_count(in);
    c->weighted = tn_shape_count(w) > 0;
    tn_attr_get_bool(p->attrs, "binary_output", &c->binary);
    if (!c->weighted || tn_shape_equal(in, w)) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "`weights` must be the same shape as `arr` or a length-0 `Tensor`, in which "
                   "case it acts as all weights equal to 1. Received %s",
                   tn_shape_text(w, text, sizeof text));
}

static void count_one(const counting *c, const tn_run *r, int64_t i, int64_t bin)
{
    tn_tensor *out = r->out[0];
    double seen = tn_tensor_number(out, bin);
    if (c->binary)
        tn_tensor_set_number(out, bin, 1);
    else if (out->dtype == TN_INT64)
        TN_INT64S(out)[bin] += c->weighted ? TN_INT64S(r->in[2])[i] : 1;
    else
        tn_tensor_set_number(out, bin, seen + (c->weighted ? tn_tensor_number(r->in[2], i) : 1));
}

static tn_code bincount_run(tn_run *r, tn_error *err)
{
    const counting *c = r->params;
    memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    for (int64_t i = 0; i < c->rows * c->columns; i++) {
        int64_t v = tn_tensor_int(r->in[0], i);
        if (v < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Input arr must be non-negative!");
        if (v < c->size) count_one(c, r, i, i / c->columns * c->size + v);
    }
    return TN_OK;
}

#define COUNT(Name, Sig)                                                                                     \
    const tn_op tn_op_##Name = {                                                                             \
        .name = #Name,                                                                                       \
        .sig = Sig,                                                                                          \
        .infer = bincount_infer,                                                                             \
        .prepare = bincount_prepare,                                                                         \
        .run = bincount_run,                                                                                 \
        .flags = TN_NO_GRADIENT,                                                                             \
        .values = TN_BIT(1),                                                                                 \
    }
COUNT(Bincount, "arr:int32 size:int32 weights:T -> bins:T; T:type{int32,int64,float,double}");
COUNT(DenseBincount, "input:Tidx size:Tidx weights:T -> output:T; Tidx:type{int32,int64} "
                     "T:type{int32,int64,float,double} binary_output:bool=false");
