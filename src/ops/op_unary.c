/* SPDX-License-Identifier: Apache-2.0
 *
 * op_unary.c - element-wise functions of one argument and the operators of their gradients (of (y, dy), as
 * TensorFlow has them). Activations are in op_activation.c.
 */
#include "csr.h"
#include "op_math.h"

enum { FUSED = TN_POINTWISE | TN_INPLACE, PLAIN = TN_INPLACE };

#define SIGNED "bfloat16,half,float,double,int8,int16,int32,int64"
#define UNARY(Name, Types, Pw, Grad, Flags)                                                                  \
    TN_ELEMENTWISE(Name, "x:T -> y:T; T:type{" Types "}", tn_infer_unchanged, Grad, Flags, Pw)
/* A function whose gradient is a formula. */
#define SMOOTH(Name, Types, Pw, Formula)                                                                     \
    TN_GRAD_FORMULA(grad_##Name, Formula)                                                                    \
    UNARY(Name, Types, Pw, grad_##Name, FUSED)

SMOOTH(Abs, SIGNED, "ABS", "dy x Sign Mul");
SMOOTH(Neg, SIGNED ",complex64,complex128", "NEG", "dy Neg");
SMOOTH(Sign, SIGNED ",complex64,complex128", "SIGN", "x ZerosLike");
SMOOTH(Square, SIGNED ",uint8,uint16,uint32,uint64,complex64,complex128", "SQUARE", "dy x~ 2 Mul Mul");
SMOOTH(Sqrt, T_FIELD, "SQRT", "out dy SqrtGrad");
SMOOTH(Rsqrt, T_FIELD, "RSQRT", "out dy RsqrtGrad");
SMOOTH(Reciprocal, SIGNED ",complex64,complex128", "RECIPROCAL", "out dy ReciprocalGrad");
SMOOTH(Inv, SIGNED ",complex64,complex128", "RECIPROCAL", "out dy ReciprocalGrad");
SMOOTH(Exp, T_FIELD, "EXP", "dy out~ Mul");
SMOOTH(Expm1, T_FIELD, "EXPM1", "dy x~ Exp Mul");
SMOOTH(Log, T_FIELD, "LOG", "dy x~ Reciprocal Mul");
SMOOTH(Log1p, T_FIELD, "LOG1P", "dy 1 x~ AddV2 Reciprocal Mul");
SMOOTH(Sin, T_FIELD, "SIN", "dy x~ Cos Mul");
SMOOTH(Cos, T_FIELD, "COS", "dy Neg x~ Sin Mul");
SMOOTH(Tan, T_FIELD, "TAN", "x~ Cos Reciprocal Square dy Mul");
SMOOTH(Asin, T_FIELD, "ASIN", "dy 1 x~ Square Sub Sqrt Reciprocal Mul");
SMOOTH(Acos, T_FIELD, "ACOS", "dy Neg 1 x~ Square Sub Sqrt Reciprocal Mul");
SMOOTH(Atan, T_FIELD, "ATAN", "dy 1 x~ Square AddV2 Reciprocal Mul");
SMOOTH(Sinh, T_FIELD, "SINH", "dy x~ Cosh Mul");
SMOOTH(Cosh, T_FIELD, "COSH", "dy x~ Sinh Mul");
SMOOTH(Tanh, T_FIELD, "TANH", "out~ dy TanhGrad");
SMOOTH(Asinh, T_FIELD, "ASINH", "dy out~ Cosh RealDiv");
SMOOTH(Acosh, T_FIELD, "ACOSH", "dy out~ Sinh RealDiv");
SMOOTH(Atanh, T_FIELD, "ATANH", "dy 1 x~ Square Sub Reciprocal Mul");
SMOOTH(Sigmoid, T_FIELD, "SIGMOID", "out~ dy SigmoidGrad");
SMOOTH(Erf, T_REAL, "ERF", "dy 1.1283791670955126 Mul x Square Neg Exp Mul");
SMOOTH(Erfc, T_REAL, "ERFC", "dy -1.1283791670955126 Mul x Square Neg Exp Mul");
SMOOTH(Erfinv, T_REAL, "ERFINV", "dy 0.88622692545275801 Mul out Square Exp Mul");
SMOOTH(Ndtri, T_REAL, "NDTRI", "dy 2.5066282746310002 Mul out Square 2 RealDiv Exp Mul");
SMOOTH(Lgamma, T_REAL, "LGAMMA", "dy x Digamma Mul");
SMOOTH(Digamma, T_REAL, "DIGAMMA", "dy 1 x Polygamma Mul");
UNARY(Floor, T_REAL, "FLOOR", NULL, FUSED | TN_NO_GRADIENT);
UNARY(Ceil, T_REAL, "CEIL", NULL, FUSED | TN_NO_GRADIENT);
UNARY(Rint, T_REAL, "RINT", NULL, FUSED | TN_NO_GRADIENT);
UNARY(Invert, T_BITS, "INVERT", NULL, PLAIN | TN_NO_GRADIENT);

/* Integers are round already. */
static tn_code round_prepare(tn_prepare *p, tn_error *err)
{
    if (!tn_dtype_is_integer(p->in[0]->dtype)) return tn_pointwise_prepare(p, err);
    TN_PARAMS(p, tn_pw_plan, plan);
    const tn_shape *shape = &p->in[0]->shape;
    return tn_pw_prepare(TN_PW_IDENTITY, p->in[0]->dtype, &shape, shape, 0, p->threads, plan, err);
}

const tn_op tn_op_Round = {
    .name = "Round",
    .sig = "x:T -> y:T; T:type{" SIGNED ",complex64,complex128}",
    .infer = tn_infer_unchanged,
    .prepare = round_prepare,
    .run = tn_pointwise_run,
    .flags = FUSED | TN_NO_GRADIENT,
    .pointwise = "RINT",
};

/* ==== tests of a number ==== */

#define TEST(Name, Pw)                                                                                       \
    TN_ELEMENTWISE(Name, "x:T -> y:bool; T:type{" T_REAL "}", tn_infer_unchanged, NULL,                      \
                   TN_POINTWISE | TN_NO_GRADIENT, Pw)
TEST(IsNan, "IS_NAN");
TEST(IsInf, "IS_INF");
TEST(IsFinite, "IS_FINITE");
TN_ELEMENTWISE(LogicalNot, "x:bool -> y:bool;", tn_infer_unchanged, NULL, PLAIN | TN_NO_GRADIENT,
               "LOGICAL_NOT");

/* ==== gradients of functions of one argument, by their result ==== */

#define Y_GRAD(Name, Pw, FormulaY, FormulaDy)                                                                \
    TN_GRAD_FORMULA(grad_##Name, FormulaY, FormulaDy)                                                        \
    TN_ELEMENTWISE(Name, "y:T dy:T -> z:T; T:type{" T_FIELD "}", tn_infer_same, grad_##Name, FUSED, Pw)
Y_GRAD(TanhGrad, "TANH_GRAD", "dy -2 Mul y~ Mul x~ Mul", "x~ dy TanhGrad");
Y_GRAD(SigmoidGrad, "SIGMOID_GRAD", "dy y~ Mul 2 dy y~ Mul Mul x~ Mul Sub", "x~ dy SigmoidGrad");
Y_GRAD(SqrtGrad, "SQRT_GRAD", "dy x RealDiv ~ Neg out Mul", "0.5 dy x RealDiv Mul");
Y_GRAD(RsqrtGrad, "RSQRT_GRAD", "-1.5 dy~ Mul y Mul x~ Square Mul", "x~ dy RsqrtGrad");
Y_GRAD(ReciprocalGrad, "RECIPROCAL_GRAD", "dy~ -2 Mul y Mul x~ Mul", "x~ dy ReciprocalGrad");
Y_GRAD(InvGrad, "RECIPROCAL_GRAD", "dy~ -2 Mul y Mul x~ Mul", "x~ dy ReciprocalGrad");

/* ==== complex numbers ==== */

#define PART_SIG \
    "input:T -> output:Tout; T:type{complex64,complex128}=complex64 Tout:type{float,double}=float"
#define PART(Name, Pw, Formula)                                                                              \
    TN_GRAD_FORMULA(grad_##Name, Formula)                                                                    \
    TN_ELEMENTWISE(Name, PART_SIG, tn_infer_unchanged, grad_##Name, 0, Pw)
PART(Real, "REAL", "dy dy ZerosLike Complex");
PART(Imag, "IMAG", "dy ZerosLike dy Complex");
PART(Angle, "ANGLE", "dy dy ZerosLike Complex Neg x Imag x Real Complex Reciprocal Mul");

TN_GRAD_FORMULA(grad_ComplexAbs, "dy dy ZerosLike Complex x Mul out out ZerosLike Complex DivNoNan")
TN_ELEMENTWISE(ComplexAbs,
               "x:T -> y:Tout; T:type{complex64,complex128}=complex64 Tout:type{float,double}=float",
               tn_infer_unchanged, grad_ComplexAbs, 0, "COMPLEX_ABS");

TN_GRAD_FORMULA(grad_Conj, "dy ~")
static tn_code conj_prepare(tn_prepare *p, tn_error *err)
{
    if (p->in[0]->dtype != TN_VARIANT) return tn_pointwise_prepare(p, err);
    p->run = tn_csr_conj_run;
    return TN_OK;
}

const tn_op tn_op_Conj = {
    .name = "Conj",
    .sig = "input:T -> output:T; T:type{complex64,complex128,variant}=complex64",
    .infer = tn_infer_unchanged,
    .prepare = conj_prepare,
    .run = tn_pointwise_run,
    .grad = grad_Conj,
    .flags = PLAIN,
    .pointwise = "CONJ",
};

TN_GRAD_BROADCAST(grad_Complex, "dy Real", "dy Imag")
TN_ELEMENTWISE(
    Complex,
    "real:T imag:T -> out:Tout; T:type{float,double}=float Tout:type{complex64,complex128}=complex64",
    tn_infer_broadcast, grad_Complex, 0, "COMPLEX");
