/* SPDX-License-Identifier: Apache-2.0
 * Element-wise operators, casts, comparisons: corners, as TensorFlow 2.21 has them on a CPU.
 */
#include "op_case.h"

#define NUMBERS "float[6] nan 1 -1 -0 inf -inf"

static void test_unary(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"Sign", "", {NUMBERS}, {"float[6] nan 1 -1 0 1 -1"}},
        {"Sign", "", {"complex64[2] 3+4i 0+0i"}, {"complex64[2] 0.6+0.8i 0+0i"}},
        {"Abs", "", {"int32[2] -2147483648 -3"}, {"int32[2] -2147483648 3"}},
        {"Abs", "", {"int8[2] -128 -3"}, {"int8[2] -128 3"}},
        {"Neg", "", {"int64[2] -3 4"}, {"int64[2] 3 -4"}},
        {"Neg", "", {"float[0]"}, {"float[0]"}},
        {"Round", "", {"float[5] 0.5 1.5 2.5 -0.5 nan"}, {"float[5] 0 2 2 -0 nan"}},
        {"Round", "", {"int32[2] 3 -4"}, {"int32[2] 3 -4"}},
        {"Rint", "", {"double[3] 0.5 -1.5 2.5"}, {"double[3] 0 -2 2"}},
        {"Invert", "", {"uint8[2] 0 200"}, {"uint8[2] 255 55"}},
        {"LogicalNot", "", {"bool[2] 0 1"}, {"bool[2] 1 0"}},
        {"IsNan", "", {NUMBERS}, {"bool[6] 1 0 0 0 0 0"}},
        {"IsInf", "", {"half[3] nan inf 1"}, {"bool[3] 0 1 0"}},
        {"IsFinite", "", {"bfloat16[3] nan -inf 1"}, {"bool[3] 0 0 1"}},
        {"Erfinv", "", {"double[3] 0.5 0 1"}, {"double[3] 0.4769362762044699 0 inf"}},
        {"Ndtri", "", {"double[3] 0.5 0.975 0"}, {"double[3] 0 1.959963984540054 -inf"}},
        {"Real", "", {"complex64[2] 1+2i 3-4i"}, {"float[2] 1 3"}},
        {"Imag", "Tout=double", {"complex128[2] 1+2i 3-4i"}, {"double[2] 2 -4"}},
        {"Conj", "", {"complex64 1+2i"}, {"complex64 1-2i"}},
        {"Angle", "", {"complex64 0+2i"}, {"float 1.5707963"}},
        {"ComplexAbs", "", {"complex64 3-4i"}, {"float 5"}},
        {"Complex", "", {"float[2] 1 2", "float -1"}, {"complex64[2] 1-1i 2-1i"}},
        {"Relu", "", {NUMBERS}, {"float[6] nan 1 0 -0 inf 0"}},
        {"Relu6", "", {NUMBERS}, {"float[6] nan 1 0 -0 6 0"}},
        {"Relu", "", {"int8[3] -3 0 5"}, {"int8[3] 0 0 5"}},
        {"Elu", "", {NUMBERS}, {"float[6] nan 1 -0.63212055 -0 inf -1"}},
        {"Selu", "", {NUMBERS}, {"float[6] nan 1.050701 -1.1113307 -0 inf -1.7580993"}},
        {"LeakyRelu", "alpha=0.2", {NUMBERS}, {"float[6] nan 1 -0.2 -0 inf -inf"}},
        {"LeakyRelu", "alpha=2", {NUMBERS}, {"float[6] nan 1 -2 -0 inf -inf"}},
        {"Softplus", "", {NUMBERS}, {"float[6] nan 1.3132616 0.3132617 0.6931472 inf 0"}},
        {"Softsign", "", {NUMBERS}, {"float[6] nan 0.5 -0.5 -0 nan nan"}},
    };
    CHECK_CASES(cases);
}

static void test_gradient_operators(void **state)
{
    (void)state;
#define ONES "float[6] 1 1 1 1 1 1"
    static const op_case cases[] = {
        {"ReluGrad", "", {ONES, NUMBERS}, {"float[6] 0 1 0 0 1 0"}},
        {"Relu6Grad", "", {ONES, "float[6] nan 6 0 -0 6.1 3"}, {"float[6] 0 0 0 0 0 1"}},
        {"LeakyReluGrad", "alpha=0.2", {ONES, NUMBERS}, {"float[6] 0.2 1 0.2 0.2 1 0.2"}},
        {"EluGrad", "", {ONES, NUMBERS}, {"float[6] 1 1 0 1 1 -inf"}},
        {"SeluGrad", "", {"float[2] 1 1", "float[2] 1 -1"}, {"float[2] 1.050701 0.7580993"}},
        {"SoftsignGrad", "", {ONES, NUMBERS}, {"float[6] nan 0.25 0.25 1 0 0"}},
        {"SoftplusGrad", "", {ONES, NUMBERS}, {"float[6] nan 0.7310586 0.26894143 0.5 1 0"}},
        {"TanhGrad", "", {"double 0.5", "double 2"}, {"double 1.5"}},
        {"SigmoidGrad", "", {"double 0.5", "double 2"}, {"double 0.5"}},
        {"SqrtGrad", "", {"double 2", "double 2"}, {"double 0.5"}},
        {"RsqrtGrad", "", {"double 2", "double 2"}, {"double -8"}},
        {"ReciprocalGrad", "", {"double 2", "double 2"}, {"double -8"}},
        {"InvGrad", "", {"double 2", "double 2"}, {"double -8"}},
        {"TanhGrad", "", {"double[2] 1 2", "double[3] 1 2 3"}, {"!"}},
    };
    CHECK_CASES(cases);
}

static void test_division(void **state)
{
    (void)state;
#define I7 "int32[4] 7 -7 7 -7"
#define I2 "int32[4] 2 2 -2 -2"
#define F7 "float[11] 7 -7 7 -7 1 nan inf -0 5.5 -1e-20 1"
#define F2 "float[11] 2 2 -2 -2 0 1 2 3 -1.5 3 inf"
    static const op_case cases[] = {
        {"Div", "", {I7, I2}, {"int32[4] 3 -3 -3 3"}},
        {"FloorDiv", "", {I7, I2}, {"int32[4] 3 -4 -4 3"}},
        {"FloorMod", "", {I7, I2}, {"int32[4] 1 1 -1 -1"}},
        {"Mod", "", {I7, I2}, {"int32[4] 1 -1 1 -1"}},
        {"TruncateDiv", "", {I7, I2}, {"int32[4] 3 -3 -3 3"}},
        {"TruncateMod", "", {I7, I2}, {"int32[4] 1 -1 1 -1"}},
        {"Div", "", {"int32 -2147483648", "int32 -1"}, {"int32 -2147483648"}},
        {"FloorDiv", "", {"int32 -2147483648", "int32 -1"}, {"int32 -2147483648"}},
        {"FloorMod", "", {"int64 -9223372036854775808", "int64 -1"}, {"int64 0"}},
        {"TruncateMod", "", {"int32 -2147483648", "int32 -1"}, {"int32 0"}},
        {"Div", "", {"int32 7", "int32 0"}, {"!Integer division by zero"}},
        {"FloorDiv", "", {"uint8 7", "uint8 0"}, {"!Integer division by zero"}},
        {"FloorMod", "", {"int64[2] 1 2", "int64[2] 1 0"}, {"!Integer division by zero"}},
        {"Mod", "", {"int32 7", "int32 0"}, {"!Integer division by zero"}},
        {"TruncateDiv", "", {"int32 7", "int32 0"}, {"!division by zero"}},
        {"FloorDiv", "", {F7, F2}, {"float[11] 3 -4 -4 3 inf nan inf -0 -4 -1 0"}},
        {"FloorMod", "", {F7, F2}, {"float[11] 1 1 -1 -1 nan nan nan -0 -0.5 3 1"}},
        {"Mod", "", {F7, F2}, {"float[11] 1 -1 1 -1 nan nan nan -0 1 -1e-20 1"}},
        {"TruncateDiv", "", {F7, F2}, {"float[11] 3 -3 -3 3 inf nan inf -0 -3 -0 0"}},
        {"RealDiv", "", {"complex64 1+1i", "complex64 0+2i"}, {"complex64 0.5-0.5i"}},
        {"DivNoNan", "", {"float[3] 1 nan inf", "float 0"}, {"float[3] 0 0 0"}},
        {"MulNoNan", "", {"float[3] 1 nan inf", "float 0"}, {"float[3] 0 0 0"}},
        {"Xdivy", "", {"float[3] 0 0 1", "float[3] 0 nan 0"}, {"float[3] 0 0 inf"}},
        {"Xlogy", "", {"float[4] 0 0 1 0", "float[4] 0 nan 0 -1"}, {"float[4] 0 0 -inf 0"}},
        {"Xlog1py", "", {"float[3] 0 0 1", "float[3] -1 nan -1"}, {"float[3] 0 0 -inf"}},
    };
    CHECK_CASES(cases);
}

static void test_arithmetic(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"AddV2", "", {"float[0,1]", "float[3] 1 2 3"}, {"float[0,3]"}},
        {"AddV2", "", {"float[2,1] 1 2", "float[3] 10 20 30"}, {"float[2,3] 11 21 31 12 22 32"}},
        {"AddV2", "", {"float[2,3] 1 2 3 4 5 6", "float[4] 1 2 3 4"}, {"!Incompatible shapes: [2,3] vs. [4]"}},
        {"AddV2", "", {"int32 2147483647", "int32 1"}, {"int32 -2147483648"}},
        {"Add", "", {"string[2] a ''", "string x"}, {"string[2] ax x"}},
        {"Add", "", {"half[2] 1 2", "half 0.5"}, {"half[2] 1.5 2.5"}},
        {"Sub", "", {"uint8 1", "uint8 2"}, {"uint8 255"}},
        {"Mul", "", {"complex128 1+2i", "complex128 3-1i"}, {"complex128 5+5i"}},
        {"Pow", "", {"int32[4] 2 -2 0 3", "int32[4] 3 31 0 40"}, {"int32[4] 8 -2147483648 1 689956897"}},
        {"Pow", "", {"int32[2] 2 2", "int32[2] 3 -1"}, {"!Integers to negative integer powers are not allowed"}},
        {"Pow", "", {"float[5] 0 -8 nan 1 -2", "float[5] 0 0.3333 0 nan 3"}, {"float[5] 1 nan 1 1 -8"}},
        {"Maximum", "", {NUMBERS, "float[6] 0 nan 0 0 0 0"}, {"float[6] nan nan 0 -0 inf 0"}},
        {"Minimum", "", {NUMBERS, "float[6] 0 nan 0 0 0 0"}, {"float[6] nan nan -1 -0 0 -inf"}},
        {"SquaredDifference", "", {"int64 3", "int64 -4"}, {"int64 49"}},
        {"Atan2", "", {"float[2] 0 -1", "float[2] -1 0"}, {"float[2] 3.1415927 -1.5707964"}},
        {"LeftShift", "", {"int32[3] -1 -5 1", "int32[3] 1 1 31"}, {"int32[3] -2 -10 -2147483648"}},
        {"RightShift", "", {"int32[2] -1 -5", "int32[2] 1 1"}, {"int32[2] -1 -3"}},
        {"BitwiseXor", "", {"uint16 5", "uint16 3"}, {"uint16 6"}},
        {"BitwiseAnd", "", {"int8 -1", "int8 3"}, {"int8 3"}},
        {"BitwiseOr", "", {"int64 4", "int64 3"}, {"int64 7"}},
        {"AddN", "", {"float[2] 1 2", "float[2] 3 4", "float[2] 5 6"}, {"float[2] 9 12"}},
        {"AddN", "", {"int32[2] 1 2"}, {"int32[2] 1 2"}},
        {"AddN", "", {"float[2] 1 2", "float[3] 3 4 5"}, {"!"}},
        {"NextAfter", "", {"float[2] 1 0", "float[2] 2 -1"}, {"float[2] 1.0000001 -1.4012985e-45"}},
        {"Igamma", "", {"float[5] 0 -1 2 inf 1", "float[5] 1 1 -1 1 inf"}, {"float[5] nan nan nan 0 1"}},
        {"Igamma", "", {"double[2] 2 0.5", "double[2] 3 0.1"}, {"double[2] 0.8008517265285442 0.34527915398142311"}},
        {"Igammac", "", {"float[5] 0 -1 2 inf 1", "float[5] 1 1 -1 1 inf"}, {"float[5] nan nan nan 1 0"}},
        {"Zeta", "", {"float[5] 1 0.5 2 2 2.5", "float[5] 1 1 0 -0.5 -0.5"}, {"float[5] inf nan inf 8.934802 nan"}},
        {"Polygamma", "", {"float[4] 0 1 1.5 -1", "float[4] 1 -1 1 1"}, {"float[4] -0.5772157 inf nan nan"}},
        {"Betainc", "", {"double 2", "double 3", "double[2] 0.4 1"}, {"double[2] 0.5248 1"}},
        {"IgammaGradA", "", {"double 2", "double 3"}, {"double -0.19742541957928"}},
    };
    CHECK_CASES(cases);
}

static void test_comparisons(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"Less", "", {NUMBERS, "float 0"}, {"bool[6] 0 0 1 0 0 1"}},
        {"GreaterEqual", "", {NUMBERS, "float 0"}, {"bool[6] 0 1 0 1 1 0"}},
        {"Equal", "", {"float[2] nan -0", "float[2] nan 0"}, {"bool[2] 0 1"}},
        {"Equal", "", {"string[2] a b", "string b"}, {"bool[2] 0 1"}},
        {"NotEqual", "", {"string[2] '' b", "string[2] '' ''"}, {"bool[2] 0 1"}},
        {"Equal", "", {"bool[2] 1 0", "bool 1"}, {"bool[2] 1 0"}},
        {"Equal", "", {"complex64 1+2i", "complex64 1+2i"}, {"bool 1"}},
        {"Equal", "incompatible_shape_error=false", {"float[2] 1 2", "float[3] 1 2 3"}, {"bool 0"}},
        {"NotEqual", "incompatible_shape_error=false", {"float[2] 1 2", "float[3] 1 2 3"}, {"bool 1"}},
        {"NotEqual", "incompatible_shape_error=false", {"float[2] 1 2", "float 1"}, {"bool[2] 0 1"}},
        {"Equal", "", {"float[2] 1 2", "float[3] 1 2 3"}, {"!Incompatible shapes: [2] vs. [3]"}},
        {"LogicalAnd", "", {"bool[2] 1 0", "bool 1"}, {"bool[2] 1 0"}},
        {"LogicalOr", "", {"bool[2] 1 0", "bool 0"}, {"bool[2] 1 0"}},
        {"ApproximateEqual", "tolerance=0.1", {"float[3] 1 1 nan", "float[3] 1.05 1.2 nan"}, {"bool[3] 1 0 0"}},
        {"ApproximateEqual", "", {"float[1] 1", "float[2] 1 2"}, {"!x and y must be of the same shape"}},
        {"Select", "", {"bool[2] 1 0", "float[2,2] 1 2 3 4", "float[2,2] 5 6 7 8"}, {"float[2,2] 1 2 7 8"}},
        {"Select", "", {"bool 0", "int32[2] 1 2", "int32[2] 3 4"}, {"int32[2] 3 4"}},
        {"Select",
         "",
         {"bool[2] 1 0", "float[3] 1 2 3", "float[3] 1 2 3"},
         {"!Inputs to operation Select of type Select must have the same size and shape.  Input 0: [2] != "
          "input 1: [3]"}},
        {"SelectV2", "", {"bool[2] 1 0", "string a", "string[2] b c"}, {"string[2] a c"}},
        {"SelectV2", "", {"bool[2,1] 1 0", "float 1", "float[3] 5 6 7"}, {"float[2,3] 1 1 1 5 6 7"}},
        {"SelectV2", "", {"bool[2] 1 0", "float[3] 1 2 3", "float[3] 1 2 3"}, {"!condition [2], then [3], and else [3] must be broadcastable"}},
        {"ClipByValue", "", {"float[3] nan 1 5", "float 0", "float 2"}, {"float[3] nan 1 2"}},
        {"ClipByValue", "", {"float[2] 1 1", "float 3", "float 2"}, {"float[2] 3 3"}},
        {"ClipByValue", "", {"float[1,3] 1 1 1", "float[3] 3 3 3", "float 2"}, {"!must be either of the same shape"}},
    };
    CHECK_CASES(cases);
}

static void test_casts(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"Cast", "DstT=int32", {"float[5] nan inf -inf 3e9 -1.5"}, {"int32[5] -2147483648 -2147483648 -2147483648 -2147483648 -1"}},
        {"Cast", "DstT=int64", {"double[3] 1e20 -3e9 0.9"}, {"int64[3] -9223372036854775808 -3000000000 0"}},
        {"Cast", "DstT=int8", {"int32[4] 300 -1 65536 -129"}, {"int8[4] 44 -1 0 127"}},
        {"Cast", "DstT=uint16", {"int32[2] 65536 -129"}, {"uint16[2] 0 65407"}},
        {"Cast", "DstT=bool", {"float[3] nan 0 -0"}, {"bool[3] 1 0 0"}},
        {"Cast", "DstT=half", {"int32[2] 300 65536"}, {"half[2] 300 inf"}},
        {"Cast", "DstT=complex64", {"int32 -1"}, {"complex64 -1+0i"}},
        {"Cast", "DstT=float", {"complex64[2] 1+2i nan+1i"}, {"float[2] 1 nan"}},
        {"Cast", "DstT=float", {"double[3] 0.3333333333 1e40 nan"}, {"float[3] 0.33333334 inf nan"}},
        {"Cast", "DstT=string", {"string[2] a b"}, {"string[2] a b"}},
        {"Cast", "DstT=int32", {"string a"}, {"!Cast string to int32 is not supported"}},
        {"Bitcast", "type=uint8", {"float[2] 1 1"}, {"uint8[2,4] 0 0 128 63 0 0 128 63"}},
        {"Bitcast", "type=float", {"uint8[1,4] 0 0 128 63"}, {"float[1] 1"}},
        {"Bitcast", "type=int32", {"float 1"}, {"int32 1065353216"}},
        {"Bitcast", "type=float", {"uint8[3] 1 1 1"}, {"!Cannot bitcast from 4 to 1"}},
        {"CheckNumerics", "message=msg", {"float[2] 1 2"}, {"float[2] 1 2"}},
        {"CheckNumerics", "message=msg", {"float nan"}, {"!msg : Tensor had NaN values"}},
        {"CheckNumerics", "message=msg", {"half -inf"}, {"!msg : Tensor had Inf values"}},
        {"CheckNumerics", "message=msg", {"double[2] nan inf"}, {"!msg : Tensor had Inf and NaN values"}},
        {"CheckNumericsV2", "message=msg", {"float[1] -inf"}, {"!msg : Tensor had -Inf values"}},
    };
    CHECK_CASES(cases);
}

/* Results that are 32-bit integers whatever is asked for are refused where something narrower is. */
static void test_quantized(void **state)
{
    (void)state;
    static const char *const one = "quint8[1,1] 0", *const image = "quint8[1,1,1,1] 0", *const low = "float 0";
    static const char *const high = "float 1";
    const op_case cases[] = {
        {"QuantizedAdd", "Toutput=qint8", {one, one, low, high, low, high}, {"!QuantizedAdd to qint8"}},
        {"QuantizedMul", "Toutput=quint16", {one, one, low, high, low, high}, {"!QuantizedMul to quint16"}},
        {"QuantizedMatMul", "Toutput=qint8", {one, one, low, high, low, high}, {"!QuantizedMatMul to qint8"}},
        {"QuantizedConv2D", "out_type=qint16 strides=[1,1,1,1] padding=SAME", {image, image, low, high, low, high}, {"!QuantizedConv2D to qint16"}},
        {"QuantizedBiasAdd", "out_type=quint8", {one, "quint8[1] 0", low, high, low, high}, {"!QuantizedBiasAdd to quint8"}},
        {"QuantizedInstanceNorm", "", {"qint32[1,1,1,1] 0", low, high}, {"!QuantizedInstanceNorm of qint32"}},
    };
    CHECK_CASES(cases);
}

/* Bounds are scalars, in order; of nothing, those of stateless operators are not looked at. */
static void test_random_bounds(void **state)
{
    static const op_case cases[] = {
        {"StatelessRandomUniformInt", "dtype=int32", {"int32[1] 3", "int64[2] 1 2", "int32 5", "int32 1"}, {"!Need minval < maxval, got 5 >= 1"}},
        {"StatelessRandomUniformInt", "dtype=int32", {"int32[1] 0", "int64[2] 1 2", "int32 5", "int32 1"}, {"int32[0]"}},
        {"StatelessRandomUniformInt", "dtype=int32", {"int32[1] 3", "int64[2] 1 2", "int32[1] 1", "int32 3"}, {"!minval must be 0-D"}},
        {"StatelessRandomUniformInt", "dtype=int32", {"int32[1] 3", "int64[2] 1 2", "int32 1", "int32 2"}, {"int32[3] 1 1 1"}},
        {"StatelessRandomUniformIntV2", "dtype=int32", {"int32[1] 0", "uint64[1] 1", "uint64[2] 1 2", "int32 1", "int32[2] 5 2", "int32 1"}, {"int32[0]"}},
        {"StatelessRandomUniformV2", "dtype=float", {"int32[1] 3", "uint64[1] 1", "uint64[2] 1 2", "int32 7"}, {"!Unsupported algorithm id: 7"}},
        {"RandomUniformInt", "Tout=int32", {"int32[1] 0", "int32 5", "int32 1"}, {"int32[0]"}},
        {"RandomUniformInt", "Tout=int32", {"int32[1] 0", "int32[2] 5 1", "int32 1"}, {"!minval must be 0-D"}},
        {"StatelessRandomUniform", "dtype=float", {"int32[1] 0", "int32[3] 1 2 3"}, {"!seed must have shape [2], not [3]"}},
        {"StatelessRandomUniformFullInt", "dtype=uint64", {"int32[1] 2", "uint64[2] 1 2"}, {"!Invalid seed type: uint64"}},
    };
    (void)state;
    CHECK_CASES(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantized),   cmocka_unit_test(test_unary),
        cmocka_unit_test(test_division),    cmocka_unit_test(test_gradient_operators),
        cmocka_unit_test(test_comparisons), cmocka_unit_test(test_arithmetic),
        cmocka_unit_test(test_casts),       cmocka_unit_test(test_random_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
