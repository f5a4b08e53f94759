/* SPDX-License-Identifier: Apache-2.0
 *
 * layer_conv.c - two-dimensional convolution and pooling; images are [batch, height, width, channels].
 */
#include "nn.h"

static const char *padding_name(tn_padding p)
{
    return p == TN_SAME ? "SAME" : "VALID";
}

static bool is_image(tn_builder *b, const char *what, tn_node x)
{
    char text[160];
    if (!tn_builder_ok(b) || !x.op) return false;
    tn_shape s = tn_node_shape(x);
    if (s.rank == 4 || s.rank < 0) return true;
    tn_failf(b, TN_INVALID_ARGUMENT,
             "%.100s: its input must be [batch, height, width, channels]; '%.100s' has shape %s", what,
             x.op->name, tn_shape_text(&s, text, sizeof text));
    return false;
}

/* Zeros mean: the default; the second like the first. */
static void pair(const int64_t *given, int64_t def, int64_t *out)
{
    out[0] = given[0] ? given[0] : def;
    out[1] = given[1] ? given[1] : out[0];
}

static tn_node convolve(tn_builder *b, tn_node x, tn_node w, const tn_conv2d_options *o)
{
    int64_t stride[2], dilation[2];
    pair(o->stride, 1, stride);
    pair(o->dilation, 1, dilation);
    int64_t strides[4] = {1, stride[0], stride[1], 1}, dilations[4] = {1, dilation[0], dilation[1], 1};
    return tn_op(b, "Conv2D", TN_INPUTS(x, w),
                 TN_ATTRS(tn_attr_ints("strides", strides, 4),
                          tn_attr_str("padding", padding_name(o->padding)),
                          tn_attr_ints("dilations", dilations, 4)));
}

tn_node tn_conv2d_with(tn_builder *b, const char *name, tn_node x, const tn_conv2d_options *o)
{
    int64_t size[2];
    pair(o->size, 0, size);
    int64_t in = is_image(b, name, x) ? tn_last_dim(b, name, x) : 0;
    if (in && (o->filters < 1 || size[0] < 1 || size[1] < 1))
        tn_failf(b, TN_INVALID_ARGUMENT, "%.100s: %lld filters of %lld by %lld", name, (long long)o->filters,
                 (long long)size[0], (long long)size[1]);
    if (!tn_builder_ok(b) || !in) return TN_NONE;
    tn_dtype t = tn_dtype_base(tn_node_dtype(x));
    tn_variable_scope(b, name, TN_REUSE_INHERIT);
    tn_node w = tn_get_variable(b, "kernel", t, TN_SHAPE(size[0], size[1], in, o->filters), o->kernel, 0);
    tn_regularize(b, w, o->l1, o->l2);
    tn_node y = convolve(b, x, w, o);
    if (!o->no_bias) {
        tn_initializer how = o->bias;
        if (how.kind == TN_INIT_DEFAULT) how.kind = TN_INIT_ZEROS;
        y = tn_binary(b, "BiasAdd", y, tn_get_variable(b, "bias", t, TN_SHAPE(o->filters), how, 0));
    }
    y = tn_activate(b, y, o->activation);
    tn_variable_scope_end(b);
    return tn_layer_done(b, y);
}

tn_node tn_conv2d(tn_builder *b, const char *name, tn_node x, int64_t filters, int64_t size, tn_activation a)
{
    return tn_conv2d_with(b, name, x,
                          &(tn_conv2d_options){.filters = filters, .size = {size}, .activation = a});
}

static tn_node pool(tn_builder *b, const char *type, tn_node x, int64_t size, int64_t stride,
                    tn_padding padding)
{
    int64_t sizes[4] = {1, size, size, 1}, strides[4] = {1, stride, stride, 1};
    if (!is_image(b, type, x)) return TN_NONE;
    if (size < 1 || stride < 1) {
        tn_failf(b, TN_INVALID_ARGUMENT, "%s: size %lld, stride %lld", type, (long long)size,
                 (long long)stride);
        return TN_NONE;
    }
    return tn_layer_done(b,
                         tn_op(b, type, TN_INPUTS(x),
                               TN_ATTRS(tn_attr_ints("ksize", sizes, 4), tn_attr_ints("strides", strides, 4),
                                        tn_attr_str("padding", padding_name(padding)))));
}

tn_node tn_max_pool(tn_builder *b, tn_node x, int64_t size, int64_t stride, tn_padding padding)
{
    return pool(b, "MaxPool", x, size, stride, padding);
}

tn_node tn_avg_pool(tn_builder *b, tn_node x, int64_t size, int64_t stride, tn_padding padding)
{
    return pool(b, "AvgPool", x, size, stride, padding);
}

tn_node tn_global_avg_pool(tn_builder *b, tn_node x)
{
    if (!is_image(b, "global average pooling", x)) return TN_NONE;
    return tn_layer_done(b, tn_reduce_mean(b, x, (int64_t[]){1, 2}, 2, false));
}

tn_node tn_flatten(tn_builder *b, tn_node x)
{
    int64_t count = 1;
    char text[160];
    if (!tn_builder_ok(b) || !x.op) return TN_NONE;
    tn_shape s = tn_node_shape(x);
    for (int i = 1; i < s.rank; i++) count = s.dim[i] < 0 || count < 0 ? -1 : count * s.dim[i];
    if (s.rank < 1 || count < 0) {
        tn_failf(b, TN_INVALID_ARGUMENT,
                 "flatten: all dimensions but the first must be known; '%.100s' has shape %s", x.op->name,
                 tn_shape_text(&s, text, sizeof text));
        return TN_NONE;
    }
    return tn_layer_done(b, tn_op_named(b, "Reshape", "flatten",
                                        TN_INPUTS(x, tn_ints(b, (int64_t[]){-1, count}, 2)), TN_NO_ATTRS));
}
