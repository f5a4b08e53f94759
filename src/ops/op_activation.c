/* SPDX-License-Identifier: Apache-2.0
 *
 * op_activation.c - activations of neural networks and the operators of their gradients: of (dy, x), or
 * (dy, y) for Elu and Selu.
 */
#include "op_math.h"

enum { FUSED = TN_POINTWISE | TN_INPLACE };

#define FLOATS "half,bfloat16,float,double"
#define FORWARD_SIG(Types) "features:T -> activations:T; T:type{" Types "}"
#define ACTIVATION(Name, Types, Pw, Formula)                                                                 \
    TN_GRAD_FORMULA(grad_##Name, Formula)                                                                    \
    TN_ELEMENTWISE(Name, FORWARD_SIG(Types), tn_infer_unchanged, grad_##Name, FUSED, Pw)
#define BACKWARD(Name, Second, Types, Pw, FormulaDy, FormulaX)                                               \
    TN_GRAD_FORMULA(grad_##Name, FormulaDy, FormulaX)                                                        \
    TN_ELEMENTWISE(Name, "gradients:T " Second ":T -> backprops:T; T:type{" Types "}", tn_infer_same,        \
                   grad_##Name, FUSED, Pw)

ACTIVATION(Relu, "float,double,int32,uint8,int16,int8,int64,bfloat16,uint16,half,uint32,uint64,qint8", "RELU",
           "dy out ReluGrad");
BACKWARD(ReluGrad, "features", "realnumbertype", "RELU_GRAD", "dy y ReluGrad", "y ZerosLike");
ACTIVATION(Relu6, "realnumbertype", "RELU6", "dy out Relu6Grad");
BACKWARD(Relu6Grad, "features", "realnumbertype", "RELU6_GRAD", "dy y Relu6Grad", "y ZerosLike");
ACTIVATION(Elu, FLOATS, "ELU", "dy out EluGrad");
BACKWARD(EluGrad, "outputs", FLOATS, "ELU_GRAD", "dy y EluGrad", "y 0 Less dy x Mul y ZerosLike SelectV2");
ACTIVATION(Selu, FLOATS, "SELU", "dy out SeluGrad");
BACKWARD(SeluGrad, "outputs", FLOATS, "SELU_GRAD", "dy y SeluGrad", "y 0 Less dy x Mul y ZerosLike SelectV2");
ACTIVATION(Softplus, FLOATS, "SOFTPLUS", "dy x Sigmoid Mul");
BACKWARD(SoftplusGrad, "features", FLOATS, "SOFTPLUS_GRAD", "dy y SoftplusGrad",
         "dy x Mul y Neg Exp 2 AddV2 y Exp AddV2 RealDiv");
ACTIVATION(Softsign, FLOATS, "SOFTSIGN", "dy x SoftsignGrad");
TN_ELEMENTWISE(SoftsignGrad, "gradients:T features:T -> backprops:T; T:type{" FLOATS "}", tn_infer_same, NULL,
               FUSED, "SOFTSIGN_GRAD");

/* ==== the one with a slope ==== */

static tn_node leaky_grad(tn_grad *g, tn_node x)
{
    float alpha = tn_attr_f(&g->op->attrs, "alpha");
    return tn_op(g->b, "LeakyReluGrad", TN_INPUTS(tn_grad_dy(g, 0), x),
                 TN_ATTRS(tn_attr_float("alpha", alpha)));
}

static tn_code grad_LeakyRelu(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_grad_set(g, 0, leaky_grad(g, tn_grad_in(g, 0)));
    return TN_OK;
}
TN_ELEMENTWISE(LeakyRelu,
               "features:T -> activations:T; alpha:float=0.20000000298023224 T:type{" FLOATS "}=float",
               tn_infer_unchanged, grad_LeakyRelu, FUSED, "LEAKY_RELU");

static tn_code grad_LeakyReluGrad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_grad_set(g, 0, leaky_grad(g, tn_grad_in(g, 1)));
    tn_grad_set(g, 1, tn_zeros_like(g->b, tn_grad_in(g, 1)));
    return TN_OK;
}
TN_ELEMENTWISE(LeakyReluGrad,
               "gradients:T features:T -> backprops:T; alpha:float=0.20000000298023224 T:type{" FLOATS
               "}=float",
               tn_infer_same, grad_LeakyReluGrad, FUSED, "LEAKY_RELU_GRAD");
