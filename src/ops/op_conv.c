/* SPDX-License-Identifier: Apache-2.0
 *
 * op_conv.c - convolutions: Conv2D, Conv3D, DepthwiseConv2dNative, and their gradients by input and by
 * filter. They run on channels-last activations; channels_first.c turns the others round.
 */
#include "op_conv.h"

#include "../graph/op_grads.h"
#include "../plan/pack.h"
#include "channels_first.h"
#include "op_move.h"

/* ==== sizes ==== */

bool tn_image_axes_of(const tn_attrs *a, int spatial, tn_image_axes *out)
{
    tn_view f = {"", 0};
    bool named = tn_attr_get_string(a, "data_format", &f);
    bool first = tn_is_channels_first(a), last = tn_view_is(f, "CHANNELS_LAST");
    if (named && !first && !last && !tn_view_is(f, "NHWC") && !tn_view_is(f, "NDHWC")) return false;
    out->batch = 0;
    out->channel = first ? 1 : spatial + 1;
    for (int k = 0; k < 3; k++) out->space[k] = k < spatial ? k + 1 + first : 0;
    return true;
}

static bool is_depthwise(const tn_op *op)
{
    return strncmp(op->name, "Depthwise", 9) == 0;
}
static int spatial_of(const tn_op *op)
{
    return strncmp(op->name, "Conv3D", 6) == 0 ? 3 : 2;
}

/* The operator Conv takes what its arguments' rank says; -1: not known. */
static int spatial_by_rank(const tn_op *op, const tn_shape *in, const tn_shape *filter)
{
    if (strcmp(op->name, "Conv") != 0) return spatial_of(op);
    int rank = in->rank >= 0 ? in->rank : filter->rank;
    return rank < 0 ? -1 : rank - 2;
}

static tn_code bad_attr(const tn_op *op, const char *name, tn_error *err)
{
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "%s: %s must have one value of at least 1 for each dimension, 1 for batch and channels",
                   op->name, name);
}

static tn_code read_list(const tn_op *op, const tn_attrs *a, const char *name, const tn_conv_sizes *s,
                         int64_t *out, tn_error *err)
{
    const int64_t *v;
    int n = tn_attr_list(a, name, &v);
    for (int k = 0; k < s->d.spatial; k++) out[k] = 1;
    if (n == 0 && !strcmp(name, "dilations")) return TN_OK;
    if (n != s->d.spatial + 2 || v[s->axes.batch] != 1 || v[s->axes.channel] != 1)
        return bad_attr(op, name, err);
    for (int k = 0; k < s->d.spatial; k++) {
        out[k] = v[s->axes.space[k]];
        if (out[k] < 1 || out[k] > INT32_MAX) return bad_attr(op, name, err);
    }
    return TN_OK;
}

static tn_code explicit_padding(const tn_attrs *a, tn_conv_sizes *s, tn_error *err)
{
    const int64_t *v;
    int n = tn_attr_list(a, "explicit_paddings", &v);
    if (n != 2 * (s->d.spatial + 2))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "explicit_paddings attribute must contain %d values, but got: %d",
                       2 * (s->d.spatial + 2), n);
    for (int k = 0; k < s->d.spatial; k++) {
        s->d.pad_lo[k] = v[2 * s->axes.space[k]];
        s->d.pad_hi[k] = v[2 * s->axes.space[k] + 1];
        if (s->d.pad_lo[k] < 0 || s->d.pad_hi[k] < 0 || s->d.pad_lo[k] > INT32_MAX ||
            s->d.pad_hi[k] > INT32_MAX)
            return tn_fail(err, TN_INVALID_ARGUMENT, "All elements of explicit_paddings must be nonnegative");
    }
    return TN_OK;
}

static tn_code one_window(const tn_attrs *a, tn_conv_sizes *s, int k, tn_error *err)
{
    tn_conv_desc *d = &s->d;
    d->out[k] = -1;
    if (d->in[k] < 0 || d->filter[k] < 0) return TN_OK;
    bool same = tn_attr_is(a, "padding", "SAME"), given = tn_attr_is(a, "padding", "EXPLICIT");
    int64_t span = d->filter[k] > 0 ? (d->filter[k] - 1) * d->dilation[k] + 1 : 0;
    int64_t in = d->in[k] + (given ? d->pad_lo[k] + d->pad_hi[k] : 0);
    if (!same && in - span + d->stride[k] < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Computed output size would be negative: %lld [input_size: %lld, "
                       "effective_filter_size: %lld, stride: %lld]",
                       (long long)((in - span + d->stride[k]) / d->stride[k]), (long long)in, (long long)span,
                       (long long)d->stride[k]);
    if (given)
        d->out[k] = (in - span + d->stride[k]) / d->stride[k];
    else
        tn_window_size(d->in[k], d->filter[k], d->stride[k], d->dilation[k], same, &d->out[k], &d->pad_lo[k],
                       &d->pad_hi[k]);
    if (d->out[k] < 0) d->out[k] = 0;
    return TN_OK;
}

static tn_code conv_channels(tn_conv_sizes *s, const tn_shape *filter, tn_error *err)
{
    tn_conv_desc *d = &s->d;
    int64_t last = filter->rank < 0 ? -1 : filter->dim[d->spatial + 1],
            before = filter->rank < 0 ? -1 : filter->dim[d->spatial];
    d->groups = 1;
    if (s->depthwise) {
        if (d->in_c < 0) d->in_c = before;
        if (before >= 0 && d->in_c >= 0 && before != d->in_c)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "input and filter must have the same depth: %lld vs %lld", (long long)d->in_c,
                           (long long)before);
        d->groups = d->in_c;
        d->out_c = tn_dim_mul(d->in_c, last);
        return TN_OK;
    }
    d->out_c = last;
    if (d->in_c < 0 || before < 0) return TN_OK;
    if (before == 0 || d->in_c % before)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "input depth must be evenly divisible by filter depth: %lld vs %lld",
                       (long long)d->in_c, (long long)before);
    d->groups = d->in_c / before;
    if (last >= 0 && d->groups > 0 && last % d->groups)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "output depth must be evenly divisible by number of groups: %lld vs %lld",
                       (long long)last, (long long)d->groups);
    return TN_OK;
}

/* Each kernel says it in its own way. */
static tn_code wrong_rank(const char *what, const tn_shape *s, int spatial, bool depthwise, tn_error *err)
{
    char text[128];
    const char *colon = depthwise && *what == 'i' ? "" : ": ";
    tn_shape_text(s, text, sizeof text);
    return tn_fail(err, TN_INVALID_ARGUMENT, "%s%s must be %d-dimensional%s%s",
                   spatial == 2 && !depthwise ? "convolution " : "", what, spatial + 2, spatial == 2 ? colon : "",
                   spatial == 2 ? text : "");
}

tn_code tn_conv_sizes_of(const tn_op *op, const tn_attrs *attrs, const tn_shape *in, const tn_shape *filter,
                         tn_conv_sizes *out, tn_error *err)
{
    tn_conv_sizes s = {.depthwise = is_depthwise(op)};
    int n = spatial_by_rank(op, in, filter);
    if (n < 1 || n > 3)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s: input and filter are of rank %d", op->name, n + 2);
    s.d.spatial = n;
    if (!tn_image_axes_of(attrs, n, &s.axes))
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s: Invalid data format string", op->name);
    if ((in->rank >= 0 && in->rank != n + 2) || (filter->rank >= 0 && filter->rank != n + 2))
        return wrong_rank(in->rank >= 0 && in->rank != n + 2 ? "input" : "filter",
                          in->rank >= 0 && in->rank != n + 2 ? in : filter, n, s.depthwise, err);
    TN_TRY(read_list(op, attrs, "strides", &s, s.d.stride, err));
    TN_TRY(read_list(op, attrs, "dilations", &s, s.d.dilation, err));
    if (tn_attr_is(attrs, "padding", "EXPLICIT")) TN_TRY(explicit_padding(attrs, &s, err));
    s.d.batch = in->rank < 0 ? -1 : in->dim[s.axes.batch];
    s.d.in_c = in->rank < 0 ? -1 : in->dim[s.axes.channel];
    for (int k = 0; k < n; k++) {
        s.d.in[k] = in->rank < 0 ? -1 : in->dim[s.axes.space[k]];
        s.d.filter[k] = filter->rank < 0 ? -1 : filter->dim[k];
        TN_TRY(one_window(attrs, &s, k, err));
    }
    TN_TRY(conv_channels(&s, filter, err));
    *out = s;
    return TN_OK;
}

tn_shape tn_conv_out_shape(const tn_conv_sizes *s)
{
    tn_shape out = {.rank = s->d.spatial + 2};
    out.dim[s->axes.batch] = s->d.batch;
    out.dim[s->axes.channel] = s->d.out_c;
    for (int k = 0; k < s->d.spatial; k++) out.dim[s->axes.space[k]] = s->d.out[k];
    return out;
}

/* ==== prepare and run ==== */

enum { FILTER_PACK = -3 }; /* what a pack is, beside products' */

typedef struct conv {
    tn_conv *kernel; /* NULL: nothing to compute, the result is zeros */
    tn_pack *packed;
    int in, filter, out; /* input numbers; -1: the output */
} conv;

static void conv_done(void *params)
{
    conv *c = params;
    tn_conv_free(c->kernel);
    tn_pack_release(c->packed);
    c->kernel = NULL;
    c->packed = NULL;
}

static void conv_rest(void *params)
{
    tn_conv_rest(((conv *)params)->kernel);
}

static const tn_shape *shape_of(const tn_prepare *p, int i)
{
    return i < 0 ? &p->out[0]->shape : &p->in[i]->shape;
}

typedef struct packing {
    const tn_conv *kernel;
    void *scratch;
    tn_code code;
    tn_error *err;
} packing;

static void fill_filter(const void *how, const void *filter, void *to)
{
    packing *k = (packing *)how; /* pack_filter's own */
    k->code = tn_conv_pack(k->kernel, filter, to, k->scratch, k->err);
}

static void unpack_filter(const void *how, const void *packed, void *filter)
{
    tn_filter_unpack(how, packed, filter);
}

static void pack_filter_alone(const void *how, const void *filter, void *to)
{
    tn_conv_pack_alone(how, filter, to);
}

/* How the packed filter comes again, or the filter of it. */
static void note_filter(tn_prepare *p, const conv *c, const tn_conv_desc *d)
{
    tn_filter_form form;
    tn_pack_recipe r = {.source_bytes = tn_tensor_bytes(p->in[c->filter])};
    const void *how = d;
    if (d->dtype == TN_FLOAT && tn_conv_reads_both(c->kernel)) {
        r.make = pack_filter_alone;
        r.beside = true;
        r.how_bytes = sizeof *d;
    } else if (tn_conv_form(c->kernel, &form)) {
        r.undo = unpack_filter;
        r.how_bytes = sizeof form;
        how = &form;
    }
    tn_pack_note(p, c->packed, &r, how);
}

/* A constant filter is packed once, for all programs that want it so. */
static tn_code pack_filter(tn_prepare *p, conv *c, tn_error *err)
{
    size_t bytes = c->filter < 0 ? 0 : tn_conv_packed(c->kernel);
    if (!bytes || !p->packs || !p->is_constant[c->filter] || !p->in[c->filter]->data) return TN_OK;
    size_t scratch = tn_conv_scratch(c->kernel);
    packing k = {.kernel = c->kernel, .scratch = scratch ? tn_aligned_alloc(scratch) : NULL, .err = err};
    const int64_t key[4] = {FILTER_PACK, (int64_t)bytes, (int64_t)tn_conv_packed_layout(c->kernel), 0};
    tn_code code = k.scratch || !scratch ? TN_OK : tn_no_memory(err, scratch);
    if (code == TN_OK)
        code = tn_pack_take(p, p->in[c->filter]->data, key, bytes, fill_filter, &k, &c->packed, err);
    tn_free(k.scratch);
    return code == TN_OK ? k.code : code;
}

static tn_code conv_run(tn_run *r, tn_error *err);

static tn_code conv_prepare(tn_prepare *p, const conv *which, tn_conv_desc *d, tn_error *err)
{
    TN_PARAMS(p, conv, c);
    *c = *which;
    p->run = conv_run;
    int64_t some = d->batch * d->in_c * d->out_c;
    for (int k = 0; k < d->spatial; k++)
        some *= TN_MIN(d->in[k], 1) * TN_MIN(d->filter[k], 1) * TN_MIN(d->out[k], 1);
    if (some == 0) return TN_OK;
    TN_TRY(tn_conv_new(d, &c->kernel, err));
    p->done = conv_done;
    p->rest = conv_rest;
    tn_code code = pack_filter(p, c, err);
    if (code != TN_OK) {
        conv_done(c);
        return code;
    }
    if (c->packed) {
        note_filter(p, c, d);
        tn_conv_only_packed(c->kernel);
    }
    if (c->packed && !tn_conv_reads_both(c->kernel)) p->unread |= TN_BIT(c->filter);
    p->scratch = tn_conv_scratch(c->kernel);
    return TN_OK;
}

static void *data_of(const tn_run *r, int i)
{
    return i < 0 ? r->out[0]->data : r->in[i]->data;
}

static tn_code conv_run(tn_run *r, tn_error *err)
{
    const conv *c = r->params;
    if (!c->kernel) {
        if (tn_tensor_count(r->out[0])) memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
        return TN_OK;
    }
    tn_conv_args args = {.in = data_of(r, c->in),
                         .filter = data_of(r, c->filter),
                         .out = data_of(r, c->out),
                         .packed = c->packed ? c->packed->data : NULL,
                         .scratch = r->scratch,
                         .bias = c->out < 0 && r->n_in > 2 ? r->in[2]->data : NULL};
    return tn_conv_run(c->kernel, &args, err);
}

static tn_code conv_desc(tn_prepare *p, const conv *which, tn_conv_kind kind, const tn_pool_desc *pool,
                         tn_conv_desc *d, tn_error *err)
{
    tn_conv_sizes s;
    tn_dtype t = tn_attr_t(p->attrs, "T");
    memset(&s, 0, sizeof s);
    TN_TRY(tn_conv_sizes_of(p->op, p->attrs, shape_of(p, which->in), shape_of(p, which->filter), &s, err));
    if (s.axes.channel == 1)
        return tn_fail(err, TN_UNIMPLEMENTED,
                       "The %s op currently only supports the NHWC tensor format on the CPU. The op was "
                       "given the format: NCHW",
                       p->op->name);
    tn_shape want = tn_conv_out_shape(&s);
    for (int k = 0; pool && k < 2; k++) want.dim[s.axes.space[k]] = pool->out[k];
    char a[128], b[128];
    if (!tn_shape_equal(&want, shape_of(p, which->out)))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "%s: Size of out_backprop doesn't match computed: actual = %s, computed = %s",
                       p->op->name, tn_shape_text(shape_of(p, which->out), a, sizeof a),
                       tn_shape_text(&want, b, sizeof b));
    *d = s.d;
    d->kind = kind;
    d->dtype = t;
    d->threads = p->threads;
    d->pools = pool != NULL;
    if (!pool) return TN_OK;
    d->pool = *pool;
    d->pool.threads = p->threads;
    return TN_OK;
}

tn_code tn_conv_prepare_fused(tn_prepare *p, bool bias, tn_act act, float alpha, const tn_pool_desc *pool,
                              tn_error *err)
{
    const conv which = {.in = 0, .filter = 1, .out = -1};
    tn_conv_desc d = {0};
    TN_TRY(conv_desc(p, &which, TN_CONV_FORWARD, pool, &d, err));
    d.bias = bias;
    d.act = act;
    d.alpha = alpha;
    return conv_prepare(p, &which, &d, err);
}

static tn_code forward_last(tn_prepare *p, tn_error *err)
{
    return tn_conv_prepare_fused(p, false, TN_ACT_NONE, 0, NULL, err);
}

static tn_code forward_prepare(tn_prepare *p, tn_error *err)
{
    return tn_channels_first(p, TN_BIT(0) | TN_FIRST_OUT, 0, forward_last, err);
}

static tn_code by_input_last(tn_prepare *p, tn_error *err)
{
    const conv which = {.in = -1, .filter = 1, .out = 2};
    tn_conv_desc d = {0};
    TN_TRY(conv_desc(p, &which, TN_CONV_BACKWARD_DATA, NULL, &d, err));
    return conv_prepare(p, &which, &d, err);
}

static tn_code by_input_prepare(tn_prepare *p, tn_error *err)
{
    return tn_channels_first(p, TN_BIT(2) | TN_FIRST_OUT, 0, by_input_last, err);
}

static tn_code by_filter_last(tn_prepare *p, tn_error *err)
{
    const conv which = {.in = 0, .filter = -1, .out = 2};
    tn_conv_desc d = {0};
    TN_TRY(conv_desc(p, &which, TN_CONV_BACKWARD_FILTER, NULL, &d, err));
    return conv_prepare(p, &which, &d, err);
}

static tn_code by_filter_prepare(tn_prepare *p, tn_error *err)
{
    return tn_channels_first(p, TN_BIT(0) | TN_BIT(2), 0, by_filter_last, err);
}

/* ==== inference ==== */

static tn_code forward_infer(tn_infer *c, tn_error *err)
{
    tn_conv_sizes s;
    if (spatial_by_rank(c->op, &c->in[0]->shape, &c->in[1]->shape) == -1) return TN_OK;
    TN_TRY(tn_conv_sizes_of(c->op, c->attrs, &c->in[0]->shape, &c->in[1]->shape, &s, err));
    c->out[0].shape = tn_conv_out_shape(&s);
    return TN_OK;
}

/* The shape an int vector input gives; sizes of just the space (of the input) get batch and depth. */
static tn_code sizes_infer(tn_infer *c, int in, tn_error *err)
{
    int n = spatial_of(c->op);
    tn_shape sizes;
    TN_TRY(tn_infer_rank(c, in, 1, err));
    tn_infer_set_rank(c, 0, n + 2);
    if (!tn_infer_ints(c, in, &sizes)) return TN_OK;
    if (sizes.rank != n + 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s requires sizes to contain %d values, but got: %d",
                       c->op->name, n + 2, sizes.rank);
    c->out[0].shape = sizes;
    return TN_OK;
}

static tn_code short_sizes_infer(tn_infer *c, tn_error *err)
{
    tn_shape sizes;
    tn_image_axes x;
    const tn_shape *f = &c->in[1]->shape, *dy = &c->in[2]->shape;
    if (!tn_infer_ints(c, 0, &sizes) || sizes.rank != 2 || spatial_of(c->op) != 2 ||
        !tn_image_axes_of(c->attrs, 2, &x))
        return sizes_infer(c, 0, err);
    tn_infer_set_rank(c, 0, 4);
    tn_shape *out = &c->out[0].shape;
    out->dim[x.space[0]] = sizes.dim[0];
    out->dim[x.space[1]] = sizes.dim[1];
    if (f->rank == 4) out->dim[x.channel] = f->dim[2];
    if (dy->rank == 4) out->dim[x.batch] = dy->dim[x.batch];
    return TN_OK;
}

static tn_code by_filter_infer(tn_infer *c, tn_error *err)
{
    return sizes_infer(c, 1, err);
}

/* The operators that came first take a tensor of the shape they give. */
static tn_code like_filter_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[0].shape = c->in[1]->shape;
    return TN_OK;
}

/* ==== gradients ==== */

static const char *const conv_attrs[] = {"strides",          "padding",     "explicit_paddings",
                                         "use_cudnn_on_gpu", "data_format", "dilations"};

static tn_node like(tn_grad *g, const char *type, tn_node a, tn_node b, tn_node c)
{
    tn_node in[] = {a, b, c};
    return tn_grad_op_like(g, type, in, c.op ? 3 : 2, conv_attrs, TN_COUNT(conv_attrs));
}

typedef struct family {
    const char *forward, *by_input, *by_filter;
} family;
static const family conv2d = {"Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter"};
static const family conv3d = {"Conv3D", "Conv3DBackpropInputV2", "Conv3DBackpropFilterV2"};
static const family depthwise = {"DepthwiseConv2dNative", "DepthwiseConv2dNativeBackpropInput",
                                 "DepthwiseConv2dNativeBackpropFilter"};

static const family *family_of(const tn_grad *g)
{
    if (is_depthwise(g->op->def)) return &depthwise;
    return spatial_of(g->op->def) == 3 ? &conv3d : &conv2d;
}

static tn_code forward_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    const family *f = family_of(g);
    tn_node x = tn_grad_in(g, 0), w = tn_grad_in(g, 1), dy = tn_grad_dy(g, 0);
    tn_grad_set(g, 0, like(g, f->by_input, tn_grad_shape(g->b, x, TN_INT32), w, dy));
    tn_grad_set(g, 1, like(g, f->by_filter, x, tn_grad_shape(g->b, w, TN_INT32), dy));
    return TN_OK;
}

/* dx = by_input(sizes, w, dy): linear in w and in dy. */
static tn_code by_input_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    const family *f = family_of(g);
    tn_node w = tn_grad_in(g, 1), dy = tn_grad_in(g, 2), d = tn_grad_dy(g, 0);
    tn_grad_set(g, 1, like(g, f->by_filter, d, tn_grad_shape(g->b, w, TN_INT32), dy));
    tn_grad_set(g, 2, like(g, f->forward, d, w, (tn_node){0}));
    return TN_OK;
}

/* dw = by_filter(x, sizes, dy): linear in x and in dy. */
static tn_code by_filter_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    const family *f = family_of(g);
    tn_node x = tn_grad_in(g, 0), dy = tn_grad_in(g, 2), d = tn_grad_dy(g, 0);
    tn_grad_set(g, 0, like(g, f->by_input, tn_grad_shape(g->b, x, TN_INT32), d, dy));
    tn_grad_set(g, 2, like(g, f->forward, x, d, (tn_node){0}));
    return TN_OK;
}

/* ==== the rows ==== */

#define CONV(NAME, KIND, INFER, VALUES, SIG) \
    const tn_op tn_op_##NAME = {             \
        .name = #NAME,                       \
        .sig = SIG,                          \
        .infer = INFER,                      \
        .prepare = KIND##_prepare,           \
        .run = conv_run,                     \
        .grad = KIND##_grad,                 \
        .values = VALUES,                    \
    }
const tn_op tn_op_Conv = {
    .name = "Conv",
    .sig = "input:T filter:T -> output:T; T:type{half,bfloat16,float,double,int32} strides:list(int) "
           "padding:string{SAME,VALID,EXPLICIT} explicit_paddings:list(int)=[] "
           "data_format:string{CHANNELS_FIRST,CHANNELS_LAST}=\"CHANNELS_LAST\" dilations:list(int)=[] "
           "batch_dims:int=1 groups:int=1",
    .infer = forward_infer,
    .prepare = forward_prepare,
    .run = conv_run,
};
CONV(Conv2D, forward, forward_infer, 0,
     "input:T filter:T -> output:T; T:type{half,bfloat16,float,double,int32} strides:list(int) "
     "use_cudnn_on_gpu:bool=true padding:string{SAME,VALID,EXPLICIT} explicit_paddings:list(int)=[] "
     "data_format:string{NHWC,NCHW}=\"NHWC\" dilations:list(int)=[1,1,1,1]");
CONV(Conv2DBackpropInput, by_input, short_sizes_infer, TN_BIT(0),
     "input_sizes:int32 filter:T out_backprop:T -> output:T; T:type{half,bfloat16,float,double,int32} "
     "strides:list(int) use_cudnn_on_gpu:bool=true padding:string{SAME,VALID,EXPLICIT} "
     "explicit_paddings:list(int)=[] data_format:string{NHWC,NCHW}=\"NHWC\" dilations:list(int)=[1,1,1,1]");
CONV(Conv2DBackpropFilter, by_filter, by_filter_infer, TN_BIT(1),
     "input:T filter_sizes:int32 out_backprop:T -> output:T; T:type{half,bfloat16,float,double} "
     "strides:list(int) use_cudnn_on_gpu:bool=true padding:string{SAME,VALID,EXPLICIT} "
     "explicit_paddings:list(int)=[] data_format:string{NHWC,NCHW}=\"NHWC\" dilations:list(int)=[1,1,1,1]");
CONV(Conv3D, forward, forward_infer, 0,
     "input:T filter:T -> output:T; T:type{half,bfloat16,float,double} strides:list(int)>=5 "
     "padding:string{SAME,VALID} data_format:string{NDHWC,NCDHW}=\"NDHWC\" dilations:list(int)=[1,1,1,1,1]");
CONV(Conv3DBackpropInputV2, by_input, short_sizes_infer, TN_BIT(0),
     "input_sizes:Tshape filter:T out_backprop:T -> output:T; T:type{half,bfloat16,float,double} "
     "strides:list(int)>=5 padding:string{SAME,VALID} data_format:string{NDHWC,NCDHW}=\"NDHWC\" "
     "dilations:list(int)=[1,1,1,1,1] Tshape:type{int32,int64}=int32");
CONV(Conv3DBackpropFilterV2, by_filter, by_filter_infer, TN_BIT(1),
     "input:T filter_sizes:int32 out_backprop:T -> output:T; T:type{half,bfloat16,float,double} "
     "strides:list(int)>=5 padding:string{SAME,VALID} data_format:string{NDHWC,NCDHW}=\"NDHWC\" "
     "dilations:list(int)=[1,1,1,1,1]");
#define CONV_LIKE(NAME, KIND, INFER, SIG)                           \
    const tn_op tn_op_##NAME = {                                    \
        .name = #NAME,                                              \
        .sig = "input:T filter:T out_backprop:T -> output:T; " SIG, \
        .infer = INFER,                                             \
        .prepare = KIND##_prepare,                                  \
        .run = conv_run,                                            \
    }
#define FIRST_3D                                                                 \
    "T:type{half,float,double} strides:list(int)>=5 padding:string{SAME,VALID} " \
    "dilations:list(int)=[1,1,1,1,1]"
CONV_LIKE(Conv3DBackpropInput, by_input, tn_infer_like_first, FIRST_3D);
CONV_LIKE(Conv3DBackpropFilter, by_filter, like_filter_infer, FIRST_3D);
#define LIKE_2D                                                                         \
    "strides:list(int) use_cudnn_on_gpu:bool=true padding:string{SAME,VALID,EXPLICIT} " \
    "explicit_paddings:list(int)=[] "                                                   \
    "data_format:string{NHWC,NCHW}=\"NHWC\" dilations:list(int)=[1,1,1,1]"
CONV_LIKE(Conv2DBackpropInputV2, by_input, tn_infer_like_first,
          "T:type{half,bfloat16,float,double,int32} " LIKE_2D);
CONV_LIKE(Conv2DBackpropFilterV2, by_filter, like_filter_infer,
          "T:type{half,bfloat16,float,double} " LIKE_2D);
CONV(DepthwiseConv2dNative, forward, forward_infer, 0,
     "input:T filter:T -> output:T; T:type{half,bfloat16,float,double} strides:list(int) "
     "padding:string{SAME,VALID,EXPLICIT} explicit_paddings:list(int)=[] "
     "data_format:string{NHWC,NCHW}=\"NHWC\" dilations:list(int)=[1,1,1,1]");
CONV(DepthwiseConv2dNativeBackpropInput, by_input, short_sizes_infer, TN_BIT(0),
     "input_sizes:int32 filter:T out_backprop:T -> output:T; T:type{half,bfloat16,float,double} "
     "strides:list(int) padding:string{SAME,VALID,EXPLICIT} explicit_paddings:list(int)=[] "
     "data_format:string{NHWC,NCHW}=\"NHWC\" dilations:list(int)=[1,1,1,1]");
CONV(DepthwiseConv2dNativeBackpropFilter, by_filter, by_filter_infer, TN_BIT(1),
     "input:T filter_sizes:int32 out_backprop:T -> output:T; T:type{half,bfloat16,float,double} "
     "strides:list(int) padding:string{SAME,VALID,EXPLICIT} explicit_paddings:list(int)=[] "
     "data_format:string{NHWC,NCHW}=\"NHWC\" dilations:list(int)=[1,1,1,1]");
