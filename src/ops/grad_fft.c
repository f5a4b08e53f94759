/* SPDX-License-Identifier: Apache-2.0
 *
 * grad_fft.c - gradients of Fourier transforms. A transform's gradient is the other one, up to its size; of
 * real ones the half that is not stored has its share.
 */
#include "../graph/op_grads.h"
#include "op_fft.h"
#include "op_math.h"

static tn_node as_type(tn_builder *b, tn_node x, tn_dtype t)
{
    return tn_op(b, "Cast", TN_INPUTS(x), TN_ATTRS(tn_attr_type("DstT", t)));
}

static tn_dtype real_of(tn_dtype t)
{
    return t == TN_COMPLEX128 ? TN_DOUBLE : TN_FLOAT;
}

static tn_node product(tn_builder *b, tn_node v)
{
    return tn_op(b, "Prod", TN_INPUTS(v, tn_grad_int(b, TN_INT32, 0)), TN_NO_ATTRS);
}

/* The last n values of x's shape. */
static tn_node last_sizes(tn_builder *b, tn_node x, int n)
{
    return tn_grad_range_of(b, tn_grad_shape(b, x, TN_INT32), -n, INT64_MAX);
}

tn_code tn_fft_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    char name[16];
    const char *type = g->op->type;
    bool inverse = type[0] == 'I';
    tn_node dy = tn_grad_dy(g, 0);
    tn_dtype t = tn_dtype_base(tn_node_dtype(dy));
    snprintf(name, sizeof name, "%s%s", inverse ? "" : "I", inverse ? type + 1 : type);
    tn_node size = as_type(g->b, product(g->b, last_sizes(g->b, dy, tn_fft_rank(type))), real_of(t));
    if (inverse) size = tn_g1(g->b, "Reciprocal", size);
    tn_grad_set(g, 0, tn_g2(g->b, "Mul", tn_g1(g->b, name, dy), as_type(g->b, size, t)));
    return TN_OK;
}

/* x with zeros behind, in its last n dimensions, up to the sizes given. */
static tn_node pad_to(tn_builder *b, tn_node x, tn_node sizes, int n)
{
    tn_node missing = tn_g2(b, "Sub", sizes, last_sizes(b, x, n));
    tn_node none = tn_g1(b, "ZerosLike", missing), pair[2] = {none, missing};
    tn_node pairs = tn_grad_pack(b, pair, 2, 1);
    tn_node before[2] = {tn_g2(b, "Sub", tn_grad_rank(b, x), tn_grad_int(b, TN_INT32, n)),
                         tn_grad_int(b, TN_INT32, 2)};
    tn_node rows =
        tn_op(b, "Fill", TN_INPUTS(tn_grad_pack(b, before, 2, 0), tn_grad_int(b, TN_INT32, 0)), TN_NO_ATTRS);
    tn_node all[2] = {rows, pairs};
    return tn_op(b, "Pad", TN_INPUTS(x, tn_grad_concat(b, all, 2, 0)), TN_NO_ATTRS);
}

/* dx = Re(sum of dy e^(+i..)): the inverse transform of dy, whose second half is zeros, times the size. */
tn_code tn_rfft_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    char name[16];
    int n = tn_fft_rank(g->op->type);
    tn_node dy = tn_grad_dy(g, 0), x = tn_grad_in(g, 0), length = tn_grad_in(g, 1);
    tn_dtype t = tn_dtype_base(tn_node_dtype(dy)), real = real_of(t);
    snprintf(name, sizeof name, n == 1 ? "IFFT" : "IFFT%dD", n);
    tn_node whole = tn_g1(g->b, name, pad_to(g->b, dy, length, n));
    tn_node part = tn_op(g->b, "Real", TN_INPUTS(whole), TN_ATTRS(tn_attr_type("Tout", real)));
    tn_node dx = tn_g2(g->b, "Mul", part, as_type(g->b, product(g->b, length), real));
    tn_grad_set(g, 0, pad_to(g->b, dx, last_sizes(g->b, x, n), n));
    return TN_OK;
}

/* dy = RFFT(dx) / size, twice where a stored value stands for its conjugate too. */
tn_code tn_irfft_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    int n = tn_fft_rank(g->op->type);
    tn_builder *b = g->b;
    tn_node dy = tn_grad_dy(g, 0), y = tn_grad_in(g, 0), length = tn_grad_in(g, 1);
    tn_dtype t = tn_dtype_base(tn_node_dtype(y)), real = real_of(t);
    tn_node spectrum =
        tn_op(b, g->op->type + 1, TN_INPUTS(dy, length), TN_ATTRS(tn_attr_type("Tcomplex", t)));
    tn_node last = tn_grad_element(b, length, n - 1), two = tn_grad_int(b, TN_INT32, 2),
            one = tn_grad_int(b, TN_INT32, 1);
    tn_node stored = tn_g2(b, "AddV2", tn_g2(b, "FloorDiv", last, two), one);
    tn_node k = tn_g3(b, "Range", tn_grad_int(b, TN_INT32, 0), stored, one);
    tn_node first = as_type(b, tn_g2(b, "Equal", k, tn_g1(b, "ZerosLike", k)), real);
    tn_node middle = as_type(b, tn_g2(b, "Equal", tn_g2(b, "Mul", k, two), last), real);
    tn_node share = tn_g2(b, "Sub", tn_g2(b, "Sub", tn_scalar(b, real, 2), first), middle);
    tn_node mask = tn_g2(b, "RealDiv", share, as_type(b, product(b, length), real));
    tn_node dx = tn_g2(b, "Mul", spectrum, as_type(b, mask, t));
    tn_grad_set(g, 0, pad_to(b, dx, last_sizes(b, y, n), n));
    return TN_OK;
}
