/* SPDX-License-Identifier: Apache-2.0
 *
 * op_diag.c - Diag and DiagPart (of tensors), MatrixBandPart.
 */
#include "op_math.h"

/* ==== Diag, DiagPart ==== a tensor of n elements on the diagonal of n by n */

static tn_code diag_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *s = &c->in[0]->shape;
    if (s->rank == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Input must be at least rank 1, got 0");
    if (2 * s->rank > TN_MAX_RANK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Diag of rank %d: at most %d is possible", s->rank,
                       TN_MAX_RANK / 2);
    if (s->rank < 0) return TN_OK;
    tn_shape out = {.rank = 2 * s->rank};
    for (int i = 0; i < s->rank; i++) out.dim[i] = out.dim[i + s->rank] = s->dim[i];
    c->out[0].shape = out;
    return TN_OK;
}

static tn_code part_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *s = &c->in[0]->shape;
    char text[160];
    if (s->rank < 0) return TN_OK;
    if (s->rank == 0 || s->rank % 2)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "The rank of the tensor should be even and positive, got shape %s",
                       tn_shape_text(s, text, sizeof text));
    tn_shape out = {.rank = s->rank / 2};
    for (int i = 0; i < out.rank; i++)
        if (tn_infer_merge_dim(s->dim[i], s->dim[i + out.rank], &out.dim[i], NULL) != TN_OK)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid shape %s: dimensions %d and %d do not match.",
                           tn_shape_text(s, text, sizeof text), i, i + out.rank);
    c->out[0].shape = out;
    return TN_OK;
}

static tn_code diag_run(tn_run *r, tn_error *err)
{
    size_t elem = tn_dtype_size(r->out[0]->dtype), n = (size_t)tn_shape_count(&r->in[0]->shape);
    const char *in = r->in[0]->data;
    char *out = r->out[0]->data;
    (void)err;
    memset(out, 0, n * n * elem);
    for (size_t i = 0; i < n; i++) memcpy(out + i * (n + 1) * elem, in + i * elem, elem);
    return TN_OK;
}

static tn_code part_run(tn_run *r, tn_error *err)
{
    size_t elem = tn_dtype_size(r->out[0]->dtype), n = (size_t)tn_shape_count(&r->out[0]->shape);
    const char *in = r->in[0]->data;
    char *out = r->out[0]->data;
    (void)err;
    for (size_t i = 0; i < n; i++) memcpy(out + i * elem, in + i * (n + 1) * elem, elem);
    return TN_OK;
}

#define TYPES "T:type{bfloat16,half,float,double,int32,int64,complex64,complex128}"
TN_GRAD_FORMULA(grad_Diag, "dy DiagPart")
const tn_op tn_op_Diag = {
    .name = "Diag",
    .sig = "diagonal:T -> output:T; " TYPES,
    .infer = diag_infer,
    .run = diag_run,
    .grad = grad_Diag,
};

TN_GRAD_FORMULA(grad_DiagPart, "dy Diag")
const tn_op tn_op_DiagPart = {
    .name = "DiagPart",
    .sig = "input:T -> diagonal:T; " TYPES,
    .infer = part_infer,
    .run = part_run,
    .grad = grad_DiagPart,
};

/* ==== MatrixBandPart ==== */

static tn_code band_infer(tn_infer *c, tn_error *err)
{
    char text[160];
    const tn_shape *s = &c->in[0]->shape;
    if (s->rank == 0 || s->rank == 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "input must be at least 2-dim, received shape: %s",
                       tn_shape_text(s, text, sizeof text));
    c->out[0].shape = *s;
    return TN_OK;
}

static tn_code band_prepare(tn_prepare *p, tn_error *err)
{
    tn_dtype t = tn_dtype_base(p->in[0]->dtype);
    if (tn_dtype_is_pod(t)) return TN_OK;
    return tn_fail(err, TN_UNIMPLEMENTED, "MatrixBandPart of %s is not supported", tn_dtype_name(t));
}

static tn_code band_width(const tn_tensor *t, const char *name, const char *what, int64_t most, int64_t *out,
                          tn_error *err)
{
    if (tn_shape_count(&t->shape) != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "%s must be a scalar", name);
    *out = tn_tensor_int(t, 0);
    if (*out <= most) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "%s must be negative or less or equal to number of %s (%lld) got: %lld", name, what,
                   (long long)most, (long long)*out);
}

static tn_code band_run(tn_run *r, tn_error *err)
{
    const tn_shape *s = &r->in[0]->shape;
    int64_t rows = s->dim[s->rank - 2], cols = s->dim[s->rank - 1], lower = 0, upper = 0;
    TN_TRY(band_width(r->in[1], "num_lower", "rows", rows, &lower, err));
    TN_TRY(band_width(r->in[2], "num_upper", "columns", cols, &upper, err));
    int64_t lines = cols ? tn_shape_count(s) / cols : 0;
    size_t elem = tn_dtype_size(r->out[0]->dtype);
    for (int64_t line = 0; line < lines; line++) {
        int64_t i = line % rows;
        int64_t from = lower < 0 ? 0 : TN_MIN(TN_MAX(i - lower, 0), cols);
        int64_t to = upper < 0 ? cols : TN_MIN(cols, i + upper + 1);
        if (to < from) to = from;
        char *out = (char *)r->out[0]->data + (size_t)(line * cols) * elem;
        const char *in = (const char *)r->in[0]->data + (size_t)(line * cols) * elem;
        memmove(out + (size_t)from * elem, in + (size_t)from * elem, (size_t)(to - from) * elem);
        memset(out, 0, (size_t)from * elem);
        memset(out + (size_t)to * elem, 0, (size_t)(cols - to) * elem);
    }
    return TN_OK;
}

static tn_code band_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_grad_set(g, 0, tn_g3(g->b, "MatrixBandPart", tn_grad_dy(g, 0), tn_grad_in(g, 1), tn_grad_in(g, 2)));
    return TN_OK;
}

const tn_op tn_op_MatrixBandPart = {
    .name = "MatrixBandPart",
    .sig = "input:T num_lower:Tindex num_upper:Tindex -> band:T; T:type Tindex:type{int32,int64}=int64",
    .infer = band_infer,
    .prepare = band_prepare,
    .run = band_run,
    .grad = band_grad,
    .flags = TN_INPLACE,
};
const tn_op tn_op_BatchMatrixBandPart = {
    .name = "BatchMatrixBandPart",
    .sig = "input:T num_lower:int64 num_upper:int64 -> band:T; T:type",
    .infer = band_infer,
    .prepare = band_prepare,
    .run = band_run,
    .grad = band_grad,
    .flags = TN_INPLACE,
};
