/* SPDX-License-Identifier: Apache-2.0
 *
 * op_data_format.c - DataFormatDimMap and DataFormatVecPermute: dimensions' numbers, and vectors with a value for each
 * dimension, from one order of an image's dimensions to another.
 */
#include "op_move.h"

typedef struct formats {
    int n;
    int to[8];       /* dimension i of the source is this one of the destination */
    int from[8];     /* and back */
    int space_from[8]; /* the same of the space alone: values of height and width */
    int n_space;
} formats;

static tn_code read_formats(const tn_attrs *a, formats *f, tn_error *err)
{
    tn_view src = {"", 0}, dst = {"", 0};
    tn_attr_get_string(a, "src_format", &src);
    tn_attr_get_string(a, "dst_format", &dst);
    if ((src.n != 4 && src.n != 5) || src.n != dst.n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Source and destination format must both be of 4 or 5 letters, are "
                       "%.*s and %.*s", (int)src.n, src.p, (int)dst.n, dst.p);
    f->n = (int)src.n;
    int space[8] = {0}, k = 0;
    for (int i = 0; i < f->n; i++) space[i] = src.p[i] == 'N' || src.p[i] == 'C' ? -1 : k++;
    f->n_space = k;
    k = 0;
    for (int i = 0; i < f->n; i++) {
        const char *at = memchr(src.p, dst.p[i], src.n), *back = memchr(dst.p, src.p[i], dst.n);
        if (!at || !back)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Destination format %.*s is no order of %.*s", (int)dst.n, dst.p,
                           (int)src.n, src.p);
        f->from[i] = (int)(at - src.p);
        f->to[i] = (int)(back - dst.p);
        if (space[f->from[i]] >= 0) f->space_from[k++] = space[f->from[i]];
    }
    return TN_OK;
}

static tn_code like_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[0].shape = c->in[0]->shape;
    return TN_OK;
}

static tn_code prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, formats, f);
    return read_formats(p->attrs, f, err);
}

static tn_code dim_map_run(tn_run *r, tn_error *err)
{
    const formats *f = r->params;
    (void)err;
    for (int64_t i = 0, n = tn_tensor_count(r->in[0]); i < n; i++) {
        int64_t v = tn_tensor_int(r->in[0], i) % f->n; /* as TensorFlow: any number will do */
        tn_tensor_set_number(r->out[0], i, f->to[v < 0 ? v + f->n : v]);
    }
    return TN_OK;
}

const tn_op tn_op_DataFormatDimMap = {
    .name = "DataFormatDimMap",
    .sig = "x:T -> y:T; T:type{int32,int64}=int32 src_format:string=\"NHWC\" dst_format:string=\"NCHW\"",
    .infer = like_infer,
    .prepare = prepare,
    .run = dim_map_run,
    .flags = TN_NO_GRADIENT,
};

/* A vector of one value a dimension, or of the space only; or rows of two values. */
static tn_code permute_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *s = &p->in[0]->shape;
    TN_PARAMS(p, formats, f);
    TN_TRY(read_formats(p->attrs, f, err));
    if (s->rank != 1 && s->rank != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "input must be a vector or 2D tensor, but is of rank %d", s->rank);
    if (s->dim[0] != f->n && s->dim[0] != f->n_space)
        return tn_fail(err, TN_INVALID_ARGUMENT, "input's first dimension must be %d or %d, is %lld", f->n, f->n_space,
                       (long long)s->dim[0]);
    if (s->rank == 2 && s->dim[1] != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "input's second dimension must be 2, is %lld", (long long)s->dim[1]);
    return TN_OK;
}

static tn_code permute_run(tn_run *r, tn_error *err)
{
    const formats *f = r->params;
    int64_t rows = r->in[0]->shape.dim[0], each = r->in[0]->shape.rank == 2 ? 2 : 1;
    const int *from = rows == f->n ? f->from : f->space_from;
    for (int64_t i = 0; i < rows; i++) TN_TRY(tn_move_row(r->out[0], i * each, r->in[0], from[i] * each, each, err));
    return TN_OK;
}

const tn_op tn_op_DataFormatVecPermute = {
    .name = "DataFormatVecPermute",
    .sig = "x:T -> y:T; T:type{int32,int64}=int32 src_format:string=\"NHWC\" dst_format:string=\"NCHW\"",
    .infer = like_infer,
    .prepare = permute_prepare,
    .run = permute_run,
    .flags = TN_NO_GRADIENT,
};
