/* SPDX-License-Identifier: Apache-2.0
 *
 * activate.c - activations by name.
 */
#include "nn.h"

/* 0.5 x (1 + erf(x / sqrt 2)) */
static tn_node gelu(tn_builder *b, tn_node x)
{
    tn_node erf = tn_unary(b, "Erf", tn_scale(b, x, 0.70710678118654752440));
    return tn_mul(b, tn_scale(b, x, 0.5), tn_add(b, erf, tn_like(b, x, 1)));
}

tn_node tn_activate(tn_builder *b, tn_node x, tn_activation a)
{
    static const char *const types[] = {
        [TN_RELU] = "Relu",           [TN_RELU6] = "Relu6",       [TN_ELU] = "Elu",
        [TN_SELU] = "Selu",           [TN_SIGMOID] = "Sigmoid",   [TN_TANH] = "Tanh",
        [TN_SOFTPLUS] = "Softplus",   [TN_SOFTSIGN] = "Softsign", [TN_SOFTMAX] = "Softmax",
        [TN_LEAKY_RELU] = "LeakyRelu"};
    if (a == TN_LINEAR) return x;
    if (a == TN_SWISH) return tn_mul(b, x, tn_unary(b, "Sigmoid", x));
    if (a == TN_GELU) return gelu(b, x);
    if ((int)a > 0 && (size_t)a < TN_COUNT(types) && types[a]) return tn_unary(b, types[a], x);
    tn_failf(b, TN_INVALID_ARGUMENT, "there is no activation %d", (int)a);
    return TN_NONE;
}
