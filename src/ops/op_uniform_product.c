/* SPDX-License-Identifier: Apache-2.0
 *
 * op_uniform_product.c - products and convolutions of uniformly quantised tensors, and of floats with them
 * (hybrid), which are quantised first, each row of the batch for itself. A product is a convolution without
 * spatial dimensions. Whole numbers throughout; what is outside, and between dilated elements, is 0.
 */
#include "../wire/proto.h"
#include "op_math.h"
#include "op_move.h"
#include "quantized.h"
#include "uniform.h"

enum {
    BATCH = 0,
    FEATURE = 1,
    SPATIAL = 2
}; /* of both sides; of the filter: features that come out, that go in */

typedef struct geometry {
    int rank;
    int lhs[TN_MAX_RANK], rhs[TN_MAX_RANK], out[TN_MAX_RANK]; /* where in a shape each dimension is */
    int64_t stride[TN_MAX_RANK], low[TN_MAX_RANK], high[TN_MAX_RANK], lhs_step[TN_MAX_RANK],
        rhs_step[TN_MAX_RANK];
    int64_t batch_groups, feature_groups;
} geometry;

/* ==== which dimension is what ==== */

static bool take_dimensions(int *at, int rank, int64_t first, int64_t second, const int64_t *spatial,
                            size_t n)
{
    uint32_t seen = 0;
    if (n != (size_t)rank - SPATIAL) return false;
    for (int k = 0; k < rank; k++) {
        int64_t d = k == BATCH ? first : k == FEATURE ? second : spatial[k - SPATIAL];
        if (d < 0 || d >= rank || seen >> d & 1) return false;
        seen |= 1u << d;
        at[k] = (int)d;
    }
    return true;
}

static tn_code read_dimensions(const tn_attrs *attrs, geometry *g, tn_arena *a, tn_error *err)
{
    tn_view bytes = {0};
    tn_UniformQuantizedConvolutionDimensionNumbersAttr *d;
    for (int k = 0; k < g->rank; k++) g->lhs[k] = g->rhs[k] = g->out[k] = k;
    if (!tn_attr_get_string(attrs, "dimension_numbers", &bytes) || bytes.n == 0) return TN_OK;
    if (TN_DECODE(UniformQuantizedConvolutionDimensionNumbersAttr, bytes, a, &d, NULL) == TN_OK &&
        take_dimensions(g->lhs, g->rank, d->input_batch_dimension, d->input_feature_dimension,
                        d->input_spatial_dimensions.items, d->input_spatial_dimensions.n) &&
        take_dimensions(g->rhs, g->rank, d->kernel_output_feature_dimension,
                        d->kernel_input_feature_dimension, d->kernel_spatial_dimensions.items,
                        d->kernel_spatial_dimensions.n) &&
        take_dimensions(g->out, g->rank, d->output_batch_dimension, d->output_feature_dimension,
                        d->output_spatial_dimensions.items, d->output_spatial_dimensions.n))
        return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "dimension_numbers do not fit tensors of rank %d", g->rank);
}

/* ==== windows ==== */

/* A list of one number for each spatial dimension; ones when there is none. */
static tn_code read_list(const tn_attrs *attrs, const char *name, int n, int64_t *out, tn_error *err)
{
    const int64_t *v;
    int have = tn_attr_list(attrs, name, &v);
    if (have != 0 && have != n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s has %d elements, not %d", name, have, n);
    for (int k = 0; k < n; k++) {
        out[k] = have ? v[k] : 1;
        if (out[k] < 1 || out[k] > INT32_MAX)
            return tn_fail(err, TN_INVALID_ARGUMENT, "All elements of %s must be >= 1. Given %lld", name,
                           (long long)out[k]);
    }
    return TN_OK;
}

static tn_code read_padding(const tn_attrs *attrs, int n, geometry *g, tn_error *err)
{
    const int64_t *v;
    bool given = tn_attr_is(attrs, "padding", "EXPLICIT");
    int have = tn_attr_list(attrs, "explicit_padding", &v);
    if (!given && !tn_attr_is(attrs, "padding", "SAME") && !tn_attr_is(attrs, "padding", "VALID"))
        return tn_fail(err, TN_INVALID_ARGUMENT, "padding Attr must be one of [EXPLICIT | SAME | VALID]");
    if (have != (given ? 2 * n : 0))
        return tn_fail(err, TN_INVALID_ARGUMENT, "explicit_padding has %d elements, not %d", have,
                       given ? 2 * n : 0);
    for (int k = 0; k < have; k++) {
        if (v[k] < 0 || v[k] > INT32_MAX)
            return tn_fail(err, TN_INVALID_ARGUMENT, "All explicit_padding elems must be >= 0, Given %lld",
                           (long long)v[k]);
        (k % 2 ? g->high : g->low)[SPATIAL + k / 2] = v[k];
    }
    return TN_OK;
}

static int64_t spread(int64_t n, int64_t step)
{
    return n > 0 ? (n - 1) * step + 1 : 0;
}

/* How many windows fit along spatial dimension k; with SAME as many as there are strides, and the padding
 * follows. Negative: far from it. */
static int64_t fit_windows(geometry *g, int k, bool same, int64_t in, int64_t size)
{
    in = spread(in, g->lhs_step[k]);
    size = spread(size, g->rhs_step[k]);
    if (same) {
        int64_t out = (in + g->stride[k] - 1) / g->stride[k],
                all = TN_MAX((out - 1) * g->stride[k] + size - in, 0);
        g->low[k] = all / 2;
        return out;
    }
    int64_t room = in + g->low[k] + g->high[k] - size;
    return (room - (room < 0 ? g->stride[k] - 1 : 0)) / g->stride[k] + 1;
}

static tn_code check_groups(const geometry *g, const tn_shape *l, const tn_shape *r, tn_error *err)
{
    int64_t b = g->batch_groups, f = g->feature_groups, out = r->dim[g->rhs[BATCH]],
            in = r->dim[g->rhs[FEATURE]];
    if (b < 1 || f < 1 || (b > 1 && f > 1))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "batch_group_count and feature_group_count must be > 0, and one of them 1, "
                       "but given %lld and %lld",
                       (long long)b, (long long)f);
    if (l->dim[g->lhs[FEATURE]] % f || l->dim[g->lhs[FEATURE]] / f != in)
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "lhs feature dimension size divided by feature_group_count must equal the rhs input feature "
            "dimension size, but %lld / %lld != %lld",
            (long long)l->dim[g->lhs[FEATURE]], (long long)f, (long long)in);
    if (out % f || out % b)
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "rhs output dimension size must be a multiple of %s, but %lld is not a multiple of %lld",
            out % b ? "batch_group_count" : "feature_group_count", (long long)out,
            (long long)(out % b ? b : f));
    if (l->dim[g->lhs[BATCH]] % b)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "lhs batch must be a multiple of batch_group_count, but %lld is not of %lld",
                       (long long)l->dim[g->lhs[BATCH]], (long long)b);
    return TN_OK;
}

static tn_code fit_convolution(const tn_attrs *attrs, const tn_shape *l, const tn_shape *r, tn_arena *a,
                               geometry *g, tn_shape *out, tn_error *err)
{
    int n = l->rank - SPATIAL;
    if (l->rank != r->rank || n < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "lhs and rhs must have the same dims, more than 2, but given %d and %d", l->rank,
                       r->rank);
    TN_TRY(read_dimensions(attrs, g, a, err));
    g->batch_groups = tn_attr_i(attrs, "batch_group_count");
    g->feature_groups = tn_attr_i(attrs, "feature_group_count");
    TN_TRY(check_groups(g, l, r, err));
    TN_TRY(read_list(attrs, "window_strides", n, g->stride + SPATIAL, err));
    TN_TRY(read_list(attrs, "lhs_dilation", n, g->lhs_step + SPATIAL, err));
    TN_TRY(read_list(attrs, "rhs_dilation", n, g->rhs_step + SPATIAL, err));
    TN_TRY(read_padding(attrs, n, g, err));
    out->dim[g->out[BATCH]] = l->dim[g->lhs[BATCH]] / g->batch_groups;
    out->dim[g->out[FEATURE]] = r->dim[g->rhs[BATCH]];
    for (int k = SPATIAL; k < g->rank; k++) {
        int64_t d =
            fit_windows(g, k, tn_attr_is(attrs, "padding", "SAME"), l->dim[g->lhs[k]], r->dim[g->rhs[k]]);
        if (d < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Expected shape dimensions to be non-negative, got %lld",
                           (long long)d);
        out->dim[g->out[k]] = d;
    }
    return TN_OK;
}

static tn_code fit_product(const tn_shape *l, const tn_shape *r, geometry *g, tn_shape *out, tn_error *err)
{
    char a[128], b[128];
    tn_shape_text(l, a, sizeof a);
    tn_shape_text(r, b, sizeof b);
    if (l->rank != 2 || r->rank != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "lhs and rhs must have dims 2, but given shapes %s and %s",
                       a, b);
    if (l->dim[1] != r->dim[0])
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "lhs.dim_size(1) and rhs.dim_size(0) must be equal, but given lhs shape %s and rhs shape %s", a,
            b);
    g->lhs[FEATURE] = g->rhs[BATCH] = g->out[FEATURE] = 1;
    g->batch_groups = g->feature_groups = 1;
    *out = TN_SHAPE(l->dim[0], r->dim[1]);
    return TN_OK;
}

static tn_code fit(const tn_op *op, const tn_attrs *attrs, const tn_shape *l, const tn_shape *r, tn_arena *a,
                   geometry *g, tn_shape *out, tn_error *err)
{
    *g = (geometry){.rank = l->rank};
    *out = (tn_shape){.rank = l->rank};
    if (strstr(op->name, "Dot")) return fit_product(l, r, g, out, err);
    return fit_convolution(attrs, l, r, a, g, out, err);
}

static tn_code product_infer(tn_infer *c, tn_error *err)
{
    geometry g;
    const tn_shape *l = &c->in[0]->shape, *r = &c->in[1]->shape;
    if (l->rank >= 0) tn_infer_set_rank(c, 0, l->rank);
    if (tn_shape_count(l) < 0 || tn_shape_count(r) < 0) return TN_OK;
    return fit(c->op, c->attrs, l, r, c->arena, &g, &c->out[0].shape, err);
}

/* ==== running ==== */

static tn_code product_prepare(tn_prepare *p, tn_error *err)
{
    tn_shape out;
    TN_PARAMS(p, geometry, g);
    TN_TRY(fit(p->op, p->attrs, &p->in[0]->shape, &p->in[1]->shape, p->arena, g, &out, err));
    int64_t rows = p->in[0]->shape.dim[g->lhs[BATCH]];
    p->scratch = (size_t)(tn_tensor_count(p->in[0]) + tn_tensor_count(p->in[1]) + rows) * sizeof(int32_t);
    return TN_OK;
}

static void strides_of(const tn_shape *s, const int *at, int64_t *out)
{
    for (int k = 0; k < s->rank; k++) out[k] = tn_shape_product(s, at[k] + 1, s->rank);
}

typedef struct product {
    const geometry *g;
    const tn_shape *l, *r;
    int32_t *lhs, *rhs; /* zero points subtracted */
    int64_t ls[TN_MAX_RANK], rs[TN_MAX_RANK], os[TN_MAX_RANK];
} product;

/* Where the element is that filter element `tap` of the window at `at` meets; false: there is none. Both as
 * flat numbers over the spatial dimensions. */
static bool meet(const product *p, const int64_t *at, int64_t tap, int64_t *l, int64_t *r)
{
    const geometry *g = p->g;
    for (int k = g->rank - 1; k >= SPATIAL; k--) {
        int64_t size = p->r->dim[g->rhs[k]], j = tap % size,
                x = at[k] * g->stride[k] - g->low[k] + j * g->rhs_step[k];
        tap /= size;
        if (x < 0 || x % g->lhs_step[k] || x / g->lhs_step[k] >= p->l->dim[g->lhs[k]]) return false;
        *l += x / g->lhs_step[k] * p->ls[k];
        *r += j * p->rs[k];
    }
    return true;
}

/* The row of the batch an element of the result is made of. */
static int64_t row_of(const product *p, const int64_t *at)
{
    const geometry *g = p->g;
    const int64_t features = p->r->dim[g->rhs[BATCH]] / g->batch_groups,
                  rows = p->l->dim[g->lhs[BATCH]] / g->batch_groups;
    return at[FEATURE] / features * rows + at[BATCH];
}

static int32_t window(const product *p, const int64_t *at, int64_t taps)
{
    const geometry *g = p->g;
    const int64_t out = p->r->dim[g->rhs[BATCH]], in = p->r->dim[g->rhs[FEATURE]], row = row_of(p, at),
                  first = at[FEATURE] / (out / g->feature_groups) * in;
    uint32_t sum = 0;
    for (int64_t t = 0; t < taps; t++) {
        int64_t l = row * p->ls[BATCH] + first * p->ls[FEATURE], r = at[FEATURE] * p->rs[BATCH];
        if (!meet(p, at, t, &l, &r)) continue;
        for (int64_t c = 0; c < in; c++)
            sum += (uint32_t)p->lhs[l + c * p->ls[FEATURE]] * (uint32_t)p->rhs[r + c * p->rs[FEATURE]];
    }
    return (int32_t)sum;
}

static void whole_numbers(const tn_tensor *t, const tn_uniform *u, int32_t *out)
{
    for (int64_t i = 0; i < tn_tensor_count(t); i++)
        out[i] = (int32_t)((uint32_t)tn_quantized_get(t, i) - (uint32_t)u->zero[tn_uniform_slice(u, i)]);
}

static product begin(tn_run *r, const tn_uniform *rhs)
{
    product p = {.g = r->params, .l = &r->in[0]->shape, .r = &r->in[1]->shape, .lhs = r->scratch};
    p.rhs = p.lhs + tn_tensor_count(r->in[0]);
    strides_of(p.l, p.g->lhs, p.ls);
    strides_of(p.r, p.g->rhs, p.rs);
    strides_of(&r->out[0]->shape, p.g->out, p.os);
    whole_numbers(r->in[1], rhs, p.rhs);
    return p;
}

/* Each element of the result in turn: its place along each dimension, and its sum. */
static int32_t element(const product *p, const tn_shape *out, int64_t i, int64_t *at)
{
    int64_t taps = 1;
    for (int k = 0; k < p->g->rank; k++) at[k] = i / p->os[k] % out->dim[p->g->out[k]];
    for (int k = SPATIAL; k < p->g->rank; k++) taps *= p->r->dim[p->g->rhs[k]];
    return window(p, at, taps);
}

static tn_code check_filter(const geometry *g, const tn_uniform *l, const tn_uniform *r,
                            const tn_uniform *out, tn_error *err)
{
    if (l && l->axis >= 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "lhs_quantization_axis Attr must be -1 (per-tensor).");
    if (r->axis >= 0 && r->axis != g->rhs[BATCH])
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "rhs_quantization_axis Attr must be %d (per-channel) or -1 (per-tensor).",
                       g->rhs[BATCH]);
    if (out && out->axis >= 0 && (out->axis != g->out[FEATURE] || r->axis < 0))
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "output_quantization_axis Attr must be %d (per-channel, if rhs is) or -1 (per-tensor).",
            g->out[FEATURE]);
    return TN_OK;
}

/* lhs rhs lhs_scales lhs_zero_points rhs_scales rhs_zero_points output_scales output_zero_points */
static tn_code quantized_run(tn_run *r, tn_error *err)
{
    tn_uniform l, w, out;
    int64_t at[TN_MAX_RANK];
    TN_TRY(tn_uniform_of(r, "lhs_", 2, &r->in[0]->shape, &l, err));
    TN_TRY(tn_uniform_of(r, "rhs_", 4, &r->in[1]->shape, &w, err));
    TN_TRY(tn_uniform_of(r, "output_", 6, &r->out[0]->shape, &out, err));
    TN_TRY(check_filter(r->params, &l, &w, &out, err));
    product p = begin(r, &w);
    whole_numbers(r->in[0], &l, p.lhs);
    for (int64_t i = 0; i < tn_tensor_count(r->out[0]); i++) {
        if (i % 1024 == 0 && tn_run_cancelled(r)) return tn_fail(err, TN_CANCELLED, "the run was cancelled");
        int32_t sum = element(&p, &r->out[0]->shape, i, at);
        int64_t k = w.n == 1 ? 0 : at[FEATURE], o = out.n == 1 ? 0 : at[FEATURE];
        tn_factor f = tn_factor_of(l.scale[0] * w.scale[k] / out.scale[o]);
        TN_INT32S(r->out[0])[i] = tn_requantized(sum, f, &out, o);
    }
    return TN_OK;
}

/* Each row of the batch as integers, and what one of them is worth. */
static void quantize_rows(const tn_tensor *t, int batch, int32_t *out, float *scale)
{
    const float *x = t->data;
    int64_t n = t->shape.dim[batch], inner = tn_shape_product(&t->shape, batch + 1, t->shape.rank),
            outer = tn_shape_product(&t->shape, 0, batch);
    for (int64_t i = 0; i < n; i++)
        scale[i] = tn_uniform_fit(x + i * inner, outer, n * inner, inner, out + i * inner);
}

/* lhs rhs rhs_scales rhs_zero_points */
static tn_code hybrid_run(tn_run *r, tn_error *err)
{
    tn_uniform w;
    int64_t at[TN_MAX_RANK];
    TN_TRY(tn_uniform_of(r, "rhs_", 2, &r->in[1]->shape, &w, err));
    TN_TRY(check_filter(r->params, NULL, &w, NULL, err));
    product p = begin(r, &w);
    float *scale = (float *)(p.rhs + tn_tensor_count(r->in[1]));
    quantize_rows(r->in[0], p.g->lhs[BATCH], p.lhs, scale);
    for (int64_t i = 0; i < tn_tensor_count(r->out[0]); i++) {
        if (i % 1024 == 0 && tn_run_cancelled(r)) return tn_fail(err, TN_CANCELLED, "the run was cancelled");
        int32_t sum = element(&p, &r->out[0]->shape, i, at);
        float worth = scale[row_of(&p, at)] * w.scale[w.n == 1 ? 0 : at[FEATURE]];
        TN_FLOATS(r->out[0])[i] = (float)sum * worth;
    }
    return TN_OK;
}

#define RANGE(P) P "quantization_axis:int=-1 " P "quantization_min_val:int " P "quantization_max_val:int"
#define SIDES RANGE("lhs_") " " RANGE("rhs_") " " RANGE("output_")
#define WINDOWS                                                                                           \
    "window_strides:list(int)=[] padding:string explicit_padding:list(int)=[] lhs_dilation:list(int)=[] " \
    "rhs_dilation:list(int)=[] batch_group_count:int=1 feature_group_count:int=1 "                        \
    "dimension_numbers:string=\"\" "
#define INTEGERS                                                                                     \
    "lhs:Tin rhs:Tin lhs_scales:float lhs_zero_points:int32 rhs_scales:float rhs_zero_points:int32 " \
    "output_scales:float output_zero_points:int32 -> output:Tout; Tin:type{qint8} Tout:type{qint32} "
#define HYBRID                                                                                   \
    "lhs:Tlhs rhs:Trhs rhs_scales:float rhs_zero_points:int32 -> output:Tout; Tlhs:type{float} " \
    "Trhs:type{qint8} "                                                                          \
    "Tout:type{float} "
#define PRODUCT(Name, Run, Flags, Sig)                      \
    const tn_op tn_op_##Name = {.name = #Name,              \
                                .sig = Sig,                 \
                                .infer = product_infer,     \
                                .prepare = product_prepare, \
                                .run = Run,                 \
                                .flags = Flags}
PRODUCT(UniformQuantizedDot, quantized_run, TN_NO_GRADIENT, INTEGERS SIDES);
PRODUCT(UniformQuantizedDotHybrid, hybrid_run, 0, HYBRID RANGE("rhs_"));
PRODUCT(UniformQuantizedConvolution, quantized_run, TN_NO_GRADIENT, INTEGERS WINDOWS SIDES);
PRODUCT(UniformQuantizedConvolutionHybrid, hybrid_run, 0, HYBRID WINDOWS RANGE("rhs_"));
