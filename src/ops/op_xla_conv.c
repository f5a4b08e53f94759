/* SPDX-License-Identifier: Apache-2.0
 *
 * op_xla_conv.c - XLA's general convolution, as jax2tf writes every convolution and its gradients: dimensions in any
 * order, input spread apart, padded unevenly or cut, in groups of features or of the batch.
 *
 * The kernel's convolution does it between copies into its order and out of it, which are left out where the order is
 * that one already. Groups of the batch become groups of features: [group, batch] of the input is [batch, .., group].
 */
#include "../wire/proto.h"
#include "op_move.h"

enum { BATCH, FEATURE, SPATIAL, MOST_SPATIAL = 3, RANKS = SPATIAL + MOST_SPATIAL };
enum { LHS, RHS, STRIDES, PADDING, LHS_DILATION, RHS_DILATION, FEATURE_GROUPS }; /* the inputs */

typedef struct geometry {
    int spatial;
    int lhs[RANKS], rhs[RANKS], out[RANKS]; /* which dimension is which; of rhs FEATURE is in, BATCH out */
    int64_t stride[MOST_SPATIAL], low[MOST_SPATIAL], high[MOST_SPATIAL];
    int64_t spread[MOST_SPATIAL], dilation[MOST_SPATIAL];
    int64_t feature_groups, batch_groups;
} geometry;

/* ==== which dimension is which ==== */

static bool take_dimensions(int *at, int rank, int64_t batch, int64_t feature, const tn_int64_list *spatial)
{
    uint32_t seen = 0;
    if (spatial->n != (uint32_t)(rank - SPATIAL)) return false;
    for (int k = 0; k < rank; k++) {
        int64_t d = k == BATCH ? batch : k == FEATURE ? feature : spatial->items[k - SPATIAL];
        if (d < 0 || d >= rank || seen >> d & 1) return false;
        seen |= 1u << d;
        at[k] = (int)d;
    }
    return true;
}

static tn_code read_dimensions(const tn_attrs *attrs, int rank, geometry *g, tn_arena *a, tn_error *err)
{
    tn_view bytes = {"", 0};
    tn_ConvolutionDimensionNumbers *d;
    tn_attr_get_string(attrs, "dimension_numbers", &bytes);
    if (rank <= SPATIAL || rank > RANKS)
        return tn_fail(err, TN_UNIMPLEMENTED, "convolutions of tensors of rank %d are not supported", rank);
    if (TN_DECODE(ConvolutionDimensionNumbers, bytes, a, &d, NULL) == TN_OK &&
        take_dimensions(g->lhs, rank, d->input_batch_dimension, d->input_feature_dimension,
                        &d->input_spatial_dimensions) &&
        take_dimensions(g->rhs, rank, d->kernel_output_feature_dimension, d->kernel_input_feature_dimension,
                        &d->kernel_spatial_dimensions) &&
        take_dimensions(g->out, rank, d->output_batch_dimension, d->output_feature_dimension,
                        &d->output_spatial_dimensions))
        return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "dimension_numbers do not fit tensors of rank %d", rank);
}

/* ==== sizes ==== */

static tn_code read_ints(const tn_tensor *t, int n, int64_t *to, int every, int64_t least, tn_error *err)
{
    if (tn_tensor_count(t) != (int64_t)n * every)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "a convolution of %d spatial dimensions has %lld strides, paddings or dilations", n,
                       (long long)tn_tensor_count(t));
    for (int k = 0; k < n; k++) {
        to[k] = tn_tensor_int(t, (int64_t)k * every);
        if (to[k] < least || to[k] > INT32_MAX)
            return tn_fail(err, TN_INVALID_ARGUMENT, "a stride, padding or dilation is %lld", (long long)to[k]);
    }
    return TN_OK;
}

static tn_code read_window(const tn_tensor *const *in, geometry *g, tn_error *err)
{
    const int n = g->spatial;
    const tn_shape *paddings = &in[PADDING]->shape;
    TN_TRY(read_ints(in[STRIDES], n, g->stride, 1, 1, err));
    TN_TRY(read_ints(in[LHS_DILATION], n, g->spread, 1, 1, err));
    TN_TRY(read_ints(in[RHS_DILATION], n, g->dilation, 1, 1, err));
    TN_TRY(read_ints(in[PADDING], n, g->low, 2, INT32_MIN, err));
    if (paddings->rank != 2 || paddings->dim[1] != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "padding must be a matrix with 2 columns");
    for (int k = 0; k < n; k++) {
        g->high[k] = tn_tensor_int(in[PADDING], 2 * k + 1);
        if (g->high[k] < INT32_MIN || g->high[k] > INT32_MAX)
            return tn_fail(err, TN_INVALID_ARGUMENT, "a padding is %lld", (long long)g->high[k]);
    }
    if (tn_tensor_count(in[FEATURE_GROUPS]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "feature_group_count must be a scalar");
    g->feature_groups = tn_tensor_int(in[FEATURE_GROUPS], 0);
    return TN_OK;
}

static tn_code check_groups(const geometry *g, const tn_shape *l, const tn_shape *r, tn_error *err)
{
    int64_t b = g->batch_groups, f = g->feature_groups, batch = l->dim[g->lhs[BATCH]], in = l->dim[g->lhs[FEATURE]],
            of = r->dim[g->rhs[FEATURE]], out = r->dim[g->rhs[BATCH]];
    if (b < 1 || f < 1 || (b > 1 && f > 1) || b > INT32_MAX)
        return tn_fail(err, TN_INVALID_ARGUMENT, "feature_group_count is %lld, batch_group_count %lld", (long long)f,
                       (long long)b);
    if (in % f == 0 && in / f == of && out % f == 0 && out % b == 0 && batch % b == 0) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "Expected LHS feature dimension (value %lld) to be a multiple of feature_group_count (value %lld), "
                   "and LHS feature dimension / feature_group_count = RHS feature dimension (value %lld); batch %lld "
                   "and output features %lld in %lld groups of the batch",
                   (long long)in, (long long)f, (long long)of, (long long)batch, (long long)out, (long long)b);
}

/* Of spatial dimension k: what the input is once spread, padded and cut. */
static int64_t padded(const geometry *g, int k, int64_t n)
{
    return g->low[k] + g->high[k] + (n > 0 ? (n - 1) * g->spread[k] + 1 : 0);
}

static int64_t windows(const geometry *g, int k, int64_t n, int64_t size)
{
    int64_t room = padded(g, k, n) - (size > 0 ? (size - 1) * g->dilation[k] + 1 : 0);
    return room < 0 ? 0 : room / g->stride[k] + 1;
}

/* Values of the window's inputs are there, shapes are known. */
static tn_code read_convolution(const tn_attrs *attrs, const tn_tensor *const *in, const tn_shape *l, const tn_shape *r,
                                geometry *g, tn_shape *out, tn_arena *a, tn_error *err)
{
    if (l->rank != r->rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "lhs and rhs of a convolution have ranks %d and %d", l->rank, r->rank);
    for (int k = 0; k < l->rank; k++)
        if (l->dim[k] > INT32_MAX || r->dim[k] > INT32_MAX)
            return tn_fail(err, TN_UNIMPLEMENTED, "convolutions of more than %d along a dimension are not supported",
                           INT32_MAX);
    TN_TRY(read_dimensions(attrs, l->rank, g, a, err));
    g->spatial = l->rank - SPATIAL;
    g->batch_groups = tn_attr_i(attrs, "batch_group_count");
    TN_TRY(read_window(in, g, err));
    TN_TRY(check_groups(g, l, r, err));
    out->rank = l->rank;
    out->dim[g->out[BATCH]] = l->dim[g->lhs[BATCH]] / g->batch_groups;
    out->dim[g->out[FEATURE]] = r->dim[g->rhs[BATCH]];
    for (int k = 0; k < g->spatial; k++)
        out->dim[g->out[SPATIAL + k]] = windows(g, k, l->dim[g->lhs[SPATIAL + k]], r->dim[g->rhs[SPATIAL + k]]);
    return TN_OK;
}

static tn_code conv_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *l = &c->in[LHS]->shape, *r = &c->in[RHS]->shape;
    const tn_tensor *values[FEATURE_GROUPS + 1] = {0};
    geometry g = {0};
    if (l->rank < 0) return TN_OK;
    tn_infer_set_rank(c, 0, l->rank);
    for (int i = STRIDES; i <= FEATURE_GROUPS; i++)
        if (!(values[i] = c->in[i]->value)) return TN_OK;
    if (!tn_shape_known(l) || !tn_shape_known(r)) return TN_OK;
    return read_convolution(c->attrs, values, l, r, &g, &c->out[0].shape, c->arena, err);
}

/* ==== into the kernel's order and out of it ==== */

typedef struct axis {
    int64_t n, tensor, kernel; /* elements apart in each */
} axis;

typedef struct order { /* a tensor as the kernel has it: itself, or a copy in the scratch */
    bool copied, cleared;
    size_t at, bytes;
    int64_t tensor0, kernel0; /* where the copy begins, in elements */
    tn_ncopy copy;
} order;

typedef struct convolution {
    tn_conv *kernel; /* NULL: nothing is added up */
    order in[SPATIAL], out;
    int elem;
    size_t kernel_at;
} convolution;

static size_t take(size_t *scratch, size_t bytes)
{
    size_t at = *scratch;
    *scratch += (bytes + 63) & ~(size_t)63;
    return at;
}

/* axes: as the kernel has them, outermost first; `into`: the kernel's side is written. */
static tn_code put_in_order(const axis *axes, int n, int64_t count, bool into, const tn_prepare *p, order *o,
                            size_t *scratch, tn_error *err)
{
    int64_t dim[RANKS + 1], src[RANKS + 1], dst[RANKS + 1];
    int elem = (int)tn_dtype_size(p->out[0]->dtype);
    o->copied = o->cleared;
    for (int i = 0; i < n; i++) {
        dim[i] = axes[i].n;
        src[i] = into ? axes[i].tensor : axes[i].kernel;
        dst[i] = into ? axes[i].kernel : axes[i].tensor;
        o->copied = o->copied || (dim[i] > 1 && src[i] != dst[i]);
    }
    if (!o->copied) return TN_OK;
    o->bytes = (size_t)count * (size_t)elem;
    o->at = take(scratch, o->bytes);
    return tn_ncopy_prepare(elem, n, dim, src, dst, p->threads, &o->copy, err);
}

/* Is the input spread or cut, which the kernel does not do, along spatial dimension k? */
static bool by_copy(const geometry *g, int k)
{
    return g->spread[k] > 1 || g->low[k] < 0 || g->high[k] < 0;
}

static void describe(const tn_prepare *p, const geometry *g, tn_conv_desc *d)
{
    const tn_shape *l = &p->in[LHS]->shape, *r = &p->in[RHS]->shape, *out = &p->out[0]->shape;
    *d = (tn_conv_desc){.kind = TN_CONV_FORWARD,
                        .dtype = p->out[0]->dtype,
                        .spatial = g->spatial,
                        .batch = out->dim[g->out[BATCH]],
                        .in_c = l->dim[g->lhs[FEATURE]] * g->batch_groups,
                        .out_c = out->dim[g->out[FEATURE]],
                        .groups = g->feature_groups * g->batch_groups,
                        .threads = p->threads};
    for (int k = 0; k < g->spatial; k++) {
        int64_t n = l->dim[g->lhs[SPATIAL + k]];
        d->in[k] = by_copy(g, k) ? TN_MAX(padded(g, k, n), 0) : n;
        d->pad_lo[k] = by_copy(g, k) ? 0 : g->low[k];
        d->pad_hi[k] = by_copy(g, k) ? 0 : g->high[k];
        d->filter[k] = r->dim[g->rhs[SPATIAL + k]];
        d->out[k] = out->dim[g->out[SPATIAL + k]];
        d->stride[k] = g->stride[k];
        d->dilation[k] = g->dilation[k];
    }
}

/* [batch, spatial.., group, feature] */
static tn_code order_input(const tn_prepare *p, const geometry *g, const tn_conv_desc *d, order *o, size_t *scratch,
                           tn_error *err)
{
    const tn_shape *l = &p->in[LHS]->shape;
    const int n = g->spatial;
    int64_t stride[TN_MAX_RANK], features = l->dim[g->lhs[FEATURE]], step = d->in_c;
    axis axes[RANKS + 1];
    tn_shape_strides(l, stride);
    axes[n + 1] = (axis){g->batch_groups, d->batch * stride[g->lhs[BATCH]], features};
    axes[n + 2] = (axis){features, stride[g->lhs[FEATURE]], 1};
    for (int k = n - 1; k >= 0; step *= d->in[k--]) {
        int64_t to = g->lhs[SPATIAL + k], of = l->dim[to], low = g->low[k], first = 0, end = of, by = 1;
        if (by_copy(g, k)) {
            o->cleared = true;
            by = g->spread[k];
            first = low < 0 ? (-low + by - 1) / by : 0;
            end = d->in[k] > low ? TN_MIN(of, (d->in[k] - low - 1) / by + 1) : 0;
            o->kernel0 += (low + first * by) * step;
        }
        o->tensor0 += first * stride[to];
        axes[1 + k] = (axis){TN_MAX(end - first, 0), stride[to], by * step};
    }
    axes[0] = (axis){d->batch, stride[g->lhs[BATCH]], step};
    return put_in_order(axes, n + 3, d->batch * step, true, p, o, scratch, err);
}

/* [spatial.., in, out] of the filter, [batch, spatial.., out] of the result */
static tn_code order_others(const tn_prepare *p, const geometry *g, const tn_conv_desc *d, convolution *c,
                            size_t *scratch, tn_error *err)
{
    const tn_shape *r = &p->in[RHS]->shape, *out = &p->out[0]->shape;
    const int n = g->spatial;
    int64_t rs[TN_MAX_RANK], os[TN_MAX_RANK], step = d->out_c, in = r->dim[g->rhs[FEATURE]];
    axis axes[RANKS];
    tn_shape_strides(r, rs);
    tn_shape_strides(out, os);
    axes[n + 1] = (axis){d->out_c, rs[g->rhs[BATCH]], 1};
    axes[n] = (axis){in, rs[g->rhs[FEATURE]], step};
    step *= in;
    for (int k = n - 1; k >= 0; step *= d->filter[k--])
        axes[k] = (axis){d->filter[k], rs[g->rhs[SPATIAL + k]], step};
    TN_TRY(put_in_order(axes, n + SPATIAL, step, true, p, &c->in[RHS], scratch, err));
    axes[n + 1] = (axis){d->out_c, os[g->out[FEATURE]], 1};
    step = d->out_c;
    for (int k = n - 1; k >= 0; step *= d->out[k--])
        axes[1 + k] = (axis){d->out[k], os[g->out[SPATIAL + k]], step};
    axes[0] = (axis){d->batch, os[g->out[BATCH]], step};
    return put_in_order(axes, n + SPATIAL, d->batch * step, false, p, &c->out, scratch, err);
}

/* ==== the convolution ==== */

static void conv_done(void *params)
{
    convolution *c = params;
    tn_conv_free(c->kernel);
    c->kernel = NULL;
}

static void conv_rest(void *params)
{
    tn_conv_rest(((convolution *)params)->kernel);
}

static tn_code check_types(const tn_prepare *p, tn_error *err)
{
    tn_dtype t = p->out[0]->dtype;
    bool taken = t == TN_FLOAT || t == TN_DOUBLE || t == TN_HALF || t == TN_BFLOAT16 || t == TN_INT32;
    if (taken && p->in[LHS]->dtype == t && p->in[RHS]->dtype == t) return TN_OK;
    return tn_fail(err, TN_UNIMPLEMENTED, "XlaConvV2 of %s and %s that gives %s is not supported",
                   tn_dtype_name(p->in[LHS]->dtype), tn_dtype_name(p->in[RHS]->dtype), tn_dtype_name(t));
}

static tn_code conv_prepare(tn_prepare *p, tn_error *err)
{
    geometry g = {0};
    tn_shape out;
    tn_conv_desc d;
    int64_t some = 1;
    TN_PARAMS(p, convolution, c);
    TN_TRY(check_types(p, err));
    TN_TRY(read_convolution(p->attrs, p->in, &p->in[LHS]->shape, &p->in[RHS]->shape, &g, &out, p->arena, err));
    describe(p, &g, &d);
    for (int k = 0; k < d.spatial; k++)
        if (d.in[k] > INT32_MAX)
            return tn_fail(err, TN_INVALID_ARGUMENT, "dimension %d of the padded input is %lld, which is too large", k,
                           (long long)d.in[k]);
    some = d.batch * d.in_c * d.out_c;
    for (int k = 0; k < d.spatial; k++) some *= TN_MIN(d.in[k], 1) * TN_MIN(d.filter[k], 1) * TN_MIN(d.out[k], 1);
    if (some == 0) return TN_OK;
    TN_TRY(order_input(p, &g, &d, &c->in[LHS], &p->scratch, err));
    TN_TRY(order_others(p, &g, &d, c, &p->scratch, err));
    TN_TRY(tn_conv_new(&d, &c->kernel, err));
    p->done = conv_done;
    p->rest = conv_rest;
    c->elem = (int)tn_dtype_size(d.dtype);
    c->kernel_at = take(&p->scratch, tn_conv_scratch(c->kernel));
    return TN_OK;
}

static void *ordered(const convolution *c, const order *o, const tn_tensor *t, char *scratch)
{
    if (!o->copied) return t->data;
    if (o->cleared) memset(scratch + o->at, 0, o->bytes);
    if (o->copy.count)
        tn_ncopy_run(&o->copy, (const char *)t->data + o->tensor0 * c->elem, scratch + o->at + o->kernel0 * c->elem);
    return scratch + o->at;
}

static tn_code conv_run(tn_run *r, tn_error *err)
{
    const convolution *c = r->params;
    char *scratch = r->scratch;
    tn_tensor *out = r->out[0];
    if (!c->kernel) {
        if (tn_tensor_count(out)) memset(out->data, 0, tn_tensor_bytes(out));
        return TN_OK;
    }
    const tn_conv_args args = {.in = ordered(c, &c->in[LHS], r->in[LHS], scratch),
                               .filter = ordered(c, &c->in[RHS], r->in[RHS], scratch),
                               .out = c->out.copied ? scratch + c->out.at : out->data,
                               .scratch = scratch + c->kernel_at};
    TN_TRY(tn_conv_run(c->kernel, &args, err));
    if (c->out.copied) tn_ncopy_run(&c->out.copy, args.out, out->data);
    return TN_OK;
}

const tn_op tn_op_XlaConvV2 = {
    .name = "XlaConvV2",
    .sig = "lhs:LhsT rhs:RhsT window_strides:Tindices padding:Tindices lhs_dilation:Tindices rhs_dilation:Tindices "
           "feature_group_count:Tindices -> output:preferred_element_type; LhsT:type{numbertype} RhsT:type{numbertype} "
           "Tindices:type{int32,int64} dimension_numbers:string precision_config:string "
           "preferred_element_type:type{numbertype} batch_group_count:int=1",
    .infer = conv_infer,
    .prepare = conv_prepare,
    .run = conv_run,
    .values = TN_BIT(STRIDES) | TN_BIT(PADDING) | TN_BIT(LHS_DILATION) | TN_BIT(RHS_DILATION) | TN_BIT(FEATURE_GROUPS),
};
