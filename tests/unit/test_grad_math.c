/* SPDX-License-Identifier: Apache-2.0
 * Gradients that the operators of mathematics build, against finite differences in double: with shapes
 * known, with unknown dimensions and with unknown ranks, so that every way a gradient is written runs.
 */
#include "grad_case.h"

/* ==== the table ==== */

static void test_unary(void **state)
{
    (void)state;
#define ANYWHERE X(-2, 2, 5)
#define POSITIVE X(0.3, 2, 5)
#define INSIDE X(-0.9, 0.9, 5)
    static const row rows[] = {
        {.op = "Abs", .in = {ANYWHERE}},
        {.op = "Neg", .in = {ANYWHERE}},
        {.op = "Square", .in = {ANYWHERE}},
        {.op = "Sqrt", .in = {POSITIVE}},
        {.op = "Rsqrt", .in = {POSITIVE}},
        {.op = "Reciprocal", .in = {POSITIVE}},
        {.op = "Inv", .in = {POSITIVE}},
        {.op = "Exp", .in = {ANYWHERE}},
        {.op = "Expm1", .in = {ANYWHERE}},
        {.op = "Log", .in = {POSITIVE}},
        {.op = "Log1p", .in = {POSITIVE}},
        {.op = "Sin", .in = {ANYWHERE}},
        {.op = "Cos", .in = {ANYWHERE}},
        {.op = "Tan", .in = {INSIDE}},
        {.op = "Asin", .in = {INSIDE}},
        {.op = "Acos", .in = {INSIDE}},
        {.op = "Atan", .in = {ANYWHERE}},
        {.op = "Sinh", .in = {ANYWHERE}},
        {.op = "Cosh", .in = {ANYWHERE}},
        {.op = "Tanh", .in = {ANYWHERE}},
        {.op = "Asinh", .in = {ANYWHERE}},
        {.op = "Acosh", .in = {X(1.2, 3, 5)}},
        {.op = "Atanh", .in = {INSIDE}},
        {.op = "Sigmoid", .in = {ANYWHERE}},
        {.op = "Erf", .in = {ANYWHERE}},
        {.op = "Erfc", .in = {ANYWHERE}},
        {.op = "Erfinv", .in = {INSIDE}},
        {.op = "Ndtri", .in = {X(0.1, 0.9, 5)}},
        {.op = "Lgamma", .in = {POSITIVE}},
        {.op = "Digamma", .in = {POSITIVE}},
        {.op = "Sign", .in = {X(0.5, 1, 5)}},
        {.op = "Relu", .in = {ANYWHERE}},
        {.op = "Relu6", .in = {X(-3, 9, 8)}},
        {.op = "Elu", .in = {ANYWHERE}},
        {.op = "Selu", .in = {ANYWHERE}},
        {.op = "LeakyRelu", .in = {ANYWHERE}, ATTR(1, A_FLOAT("alpha", 0.1f))},
        {.op = "Softplus", .in = {ANYWHERE}},
        {.op = "Softsign", .in = {ANYWHERE}},
        {.op = "CheckNumerics", .in = {ANYWHERE}, ATTR(1, A_STR("message", "m"))},
        {.op = "L2Loss", .in = {ANYWHERE}},
        {.op = "Diag", .in = {X(1, 2, 3)}},
        {.op = "DiagPart", .in = {X(1, 2, 3, 3)}},
        {.op = "MatrixDiag", .in = {X(1, 2, 2, 3)}},
        {.op = "MatrixDiagPart", .in = {X(1, 2, 2, 3)}},
    };
    CHECK(rows);
}

/* The gradient operators have gradients themselves. */
static void test_second_order(void **state)
{
    (void)state;
    static const row rows[] = {
        {.op = "TanhGrad", .in = {INSIDE, ANYWHERE}},
        {.op = "SigmoidGrad", .in = {INSIDE, ANYWHERE}},
        {.op = "SqrtGrad", .in = {POSITIVE, ANYWHERE}},
        {.op = "RsqrtGrad", .in = {POSITIVE, ANYWHERE}},
        {.op = "ReciprocalGrad", .in = {POSITIVE, ANYWHERE}},
        {.op = "InvGrad", .in = {POSITIVE, ANYWHERE}},
        {.op = "ReluGrad", .in = {ANYWHERE, ANYWHERE}},
        {.op = "Relu6Grad", .in = {ANYWHERE, ANYWHERE}},
        {.op = "EluGrad", .in = {ANYWHERE, ANYWHERE}},
        {.op = "SeluGrad", .in = {ANYWHERE, ANYWHERE}},
        {.op = "SoftplusGrad", .in = {ANYWHERE, ANYWHERE}},
        {.op = "LeakyReluGrad", .in = {ANYWHERE, ANYWHERE}, ATTR(1, A_FLOAT("alpha", 0.1f))},
    };
    CHECK(rows);
}

static void test_binary(void **state)
{
    (void)state;
#define LEFT(low, high) X(low, high, 2, 1, 3)
#define RIGHT(low, high) X(low, high, 2, 3)
#define BOTH(NAME, a, b, c, d)                                                                     \
    {.op = NAME, .in = {LEFT(a, b), RIGHT(c, d)}}, {.op = NAME, .in = {SCALAR(a, b), X(c, d, 3)}}, \
    {                                                                                              \
        .op = NAME, .in = { X(a, b, 3), X(c, d, 3) }                                               \
    }
    static const row rows[] = {
        BOTH("Add", -1, 1, -1, 1),
        BOTH("AddV2", -1, 1, -1, 1),
        BOTH("Sub", -1, 1, -1, 1),
        BOTH("Mul", -1, 1, -1, 1),
        BOTH("Div", -1, 1, 1, 2),
        BOTH("RealDiv", -1, 1, 1, 2),
        BOTH("DivNoNan", -1, 1, 1, 2),
        BOTH("MulNoNan", -1, 1, 1, 2),
        BOTH("FloorMod", 0.1, 0.9, 1, 2),
        BOTH("SquaredDifference", -1, 1, -1, 1),
        BOTH("Maximum", -1, 1, -1, 1),
        BOTH("Minimum", -1, 1, -1, 1),
        BOTH("Xlogy", 1, 2, 1, 2),
        BOTH("Xlog1py", 1, 2, 1, 2),
        BOTH("Xdivy", 1, 2, 1, 2),
        BOTH("Pow", 0.5, 2, -2, 2),
        BOTH("Atan2", -1, 1, 1, 2),
        BOTH("Igamma", 0.5, 3, 0.5, 3),
        BOTH("Igammac", 0.5, 3, 0.5, 3),
        {.op = "Igamma", .in = {X(3, 5, 2), X(40, 50, 2)}},
        {.op = "AddN", .in = {ANYWHERE, ANYWHERE, ANYWHERE}},
        {.op = "AccumulateNV2",
         .in = {X(1, 2, 2), X(1, 2, 2)},
         ATTR(1, {.name = "shape", .kind = TN_ATTR_SHAPE, .shape = {1, {2}}})},
        {.op = "SelectV2", .in = {B(2, 1, 0), X(-1, 1, 3, 2), X(-1, 1, 2)}},
        {.op = "Select", .in = {B(2, 1, 0), X(-1, 1, 2, 3), X(-1, 1, 2, 3)}},
        {.op = "ClipByValue", .in = {X(-1, 1, 8), SCALAR(-0.5, -0.4), SCALAR(0.4, 0.5)}},
        {.op = "Cross", .in = {X(-1, 1, 2, 3), X(-1, 1, 2, 3)}},
        {.op = "Betainc", .in = {X(2, 2, 3), X(3, 3, 3), X(0.1, 0.9, 3)}},
    };
    CHECK(rows);
}

static void test_reductions(void **state)
{
    (void)state;
#define KEEP ATTR(1, A_BOOL("keep_dims"))
#define EACH(NAME)                                                   \
    {.op = NAME, .in = {X(0.5, 2, 2, 3, 2), I(1, 1)}},               \
        {.op = NAME, .in = {X(0.5, 2, 2, 3, 2), I(2, -1, 0)}, KEEP}, \
        {.op = NAME, .in = {X(0.5, 2, 2, 3), I(2, 0, 1)}},           \
        {.op = NAME, .in = {X(0.5, 2, 2, 3), I(2, 1, 0)}},           \
    {                                                                \
        .op = NAME, .in = { X(0.5, 2, 4), I0(0) }                    \
    }
    static const row rows[] = {
        EACH("Sum"),
        EACH("Mean"),
        EACH("Prod"),
        EACH("Max"),
        EACH("Min"),
        EACH("EuclideanNorm"),
        {.op = "Cumsum", .in = {X(1, 2, 2, 3), I0(1)}},
        {.op = "Cumsum", .in = {X(1, 2, 4), I0(0)}, ATTR(2, A_BOOL("exclusive"), A_BOOL("reverse"))},
        {.op = "Cumprod", .in = {X(1, 2, 2, 3), I0(1)}},
        {.op = "Cumprod", .in = {X(1, 2, 4), I0(0)}, ATTR(2, A_BOOL("exclusive"), A_BOOL("reverse"))},
        {.op = "CumulativeLogsumexp", .in = {X(-1, 1, 4), I0(0)}},
        {.op = "CumulativeLogsumexp", .in = {X(-1, 1, 2, 3), I0(1)}, ATTR(1, A_BOOL("reverse"))},
        {.op = "TopKV2", .in = {X(-1, 1, 2, 4), I0(2)}},
        {.op = "MatrixBandPart", .in = {X(-1, 1, 2, 3), I0(0), I0(1)}},
    };
    CHECK(rows);
}

static void test_segments(void **state)
{
    (void)state;
#define ISOTONIC ATTR(1, {.name = "output_dtype", .kind = TN_ATTR_TYPE, .type = TN_DOUBLE})
    static const row rows[] = {
        {.op = "SegmentSum", .in = {X(1, 2, 4, 2), I(4, 0, 0, 2, 2)}},
        {.op = "SegmentMean", .in = {X(1, 2, 4, 2), I(4, 0, 0, 2, 2)}},
        {.op = "SegmentMax", .in = {X(1, 2, 4, 2), I(4, 0, 0, 2, 2)}},
        {.op = "SegmentMin", .in = {X(1, 2, 4), I(4, 0, 0, 0, 1)}},
        {.op = "SegmentProd", .in = {X(1, 2, 4, 2), I(4, 0, 0, 2, 2)}},
        {.op = "SparseSegmentSum", .in = {X(1, 2, 4, 2), I(3, 3, 1, 3), I(3, 0, 0, 2)}},
        {.op = "SparseSegmentMean", .in = {X(1, 2, 4, 2), I(3, 3, 1, 3), I(3, 0, 0, 2)}},
        {.op = "SparseSegmentSqrtNWithNumSegments", .in = {X(1, 2, 4), I(3, 3, 1, 3), I(3, 0, 0, 2), I0(4)}},
        {.op = "UnsortedSegmentSum", .in = {X(1, 2, 4, 2), I(4, 1, -1, 0, 1), I0(3)}},
        {.op = "UnsortedSegmentMax", .in = {X(1, 2, 4, 2), I(4, 1, -1, 0, 1), I0(2)}},
        {.op = "UnsortedSegmentMin", .in = {X(1, 2, 4), I(4, 1, -1, 0, 1), I0(2)}},
        {.op = "UnsortedSegmentProd", .in = {X(1, 2, 4, 2), I(4, 1, -1, 0, 1), I0(3)}},
        {.op = "IsotonicRegression", .in = {X(-1, 1, 6)}, ISOTONIC},
        {.op = "IsotonicRegression", .in = {X(-1, 1, 3, 4)}, ISOTONIC},
        {.op = "IsotonicRegression", .in = {X(-1, 1, 2, 3, 4)}, ISOTONIC},
    };
    CHECK(rows);
}

static void test_matrices(void **state)
{
    (void)state;
#define TA A_BOOL("transpose_a")
#define TB A_BOOL("transpose_b")
#define AX A_BOOL("adj_x")
#define AY A_BOOL("adj_y")
    static const row rows[] = {
        {.op = "MatMul", .in = {X(-1, 1, 2, 3), X(-1, 1, 3, 2)}},
        {.op = "MatMul", .in = {X(-1, 1, 3, 2), X(-1, 1, 3, 2)}, ATTR(1, TA)},
        {.op = "MatMul", .in = {X(-1, 1, 2, 3), X(-1, 1, 2, 3)}, ATTR(1, TB)},
        {.op = "MatMul", .in = {X(-1, 1, 3, 2), X(-1, 1, 4, 3)}, ATTR(2, TA, TB)},
        {.op = "BatchMatMul", .in = {X(-1, 1, 2, 2, 3), X(-1, 1, 2, 3, 1)}},
        {.op = "BatchMatMulV2", .in = {X(-1, 1, 2, 2, 3), X(-1, 1, 3, 2)}},
        {.op = "BatchMatMulV2", .in = {X(-1, 1, 3, 2), X(-1, 1, 2, 3, 2)}, ATTR(1, AX)},
        {.op = "BatchMatMulV2", .in = {X(-1, 1, 2, 1, 2, 3), X(-1, 1, 2, 2, 3)}, ATTR(1, AY)},
        {.op = "BatchMatMulV2", .in = {X(-1, 1, 2, 3, 2), X(-1, 1, 2, 2, 3)}, ATTR(2, AX, AY)},
        {.op = "BatchMatMulV3",
         .in = {X(-1, 1, 2, 2, 3), X(-1, 1, 2, 3, 2)},
         ATTR(1, {.name = "Tout", .kind = TN_ATTR_TYPE, .type = TN_DOUBLE})},
        {.op = "MatrixDiagV2", .in = {X(-1, 1, 2, 3), I(2, 0, 1), I0(-1), I0(-1), SCALAR(0, 0)}},
        {.op = "MatrixDiagV3", .in = {X(-1, 1, 2, 2), I0(1), I0(-1), I0(-1), SCALAR(0, 0)}},
        {.op = "MatrixDiagPartV2", .in = {X(-1, 1, 3, 4), I(2, -1, 1), SCALAR(0, 0)}},
        {.op = "MatrixDiagPartV3",
         .in = {X(-1, 1, 2, 3, 4), I(2, -1, 1), SCALAR(0, 0)},
         ATTR(1, A_STR("align", "LEFT_RIGHT"))},
        {.op = "MatrixSetDiag", .in = {X(-1, 1, 2, 3), X(-1, 1, 2)}},
        {.op = "MatrixSetDiagV2", .in = {X(-1, 1, 3, 3), X(-1, 1, 2), I0(1)}},
        {.op = "MatrixSetDiagV3", .in = {X(-1, 1, 3, 4), X(-1, 1, 2, 3), I(2, -1, 0)}},
    };
    CHECK(rows);
}

static void test_einsum(void **state)
{
    (void)state;
#define E1(eq, ...) {.op = "Einsum", .in = {X(-1, 1, __VA_ARGS__)}, ATTR(1, EINSUM(eq))}
#define SHAPE(...) X(-1, 1, __VA_ARGS__)
#define E2(eq, a, b) {.op = "Einsum", .in = {a, b}, ATTR(1, EINSUM(eq))}
    static const row rows[] = {
        E1("ij->ji", 2, 3),
        E1("ij->i", 2, 3),
        E1("ij->", 2, 3),
        E1("ii->i", 3, 3),
        E1("ii->", 3, 3),
        E1("i->ii", 3),
        E1("iij->j", 2, 2, 3),
        E1("...i->...", 2, 3),
        E1("i...j->...i", 2, 3, 2),
        E1("aab->ab", 2, 2, 3),
        E2("ij,jk->ik", SHAPE(2, 3), SHAPE(3, 2)),
        E2("ij,kj->ki", SHAPE(2, 3), SHAPE(2, 3)),
        E2("bij,bjk->bki", SHAPE(2, 2, 3), SHAPE(2, 3, 2)),
        E2("i,j->ij", SHAPE(2), SHAPE(3)),
        E2("ij,k->i", SHAPE(2, 3), SHAPE(2)),
        E2("ij,ij->", SHAPE(2, 3), SHAPE(2, 3)),
        E2("iij,j->i", SHAPE(2, 2, 3), SHAPE(3)),
        E2("...ij,...jk->...ik", SHAPE(2, 1, 2, 2), SHAPE(3, 2, 2)),
        E2("a...,b...->ab...", SHAPE(2, 1, 3), SHAPE(2, 2, 3)),
        E2("a...,b...->ab...", SHAPE(2, 3), SHAPE(2, 2, 3)),
        E2("...ij,jk->...ik", SHAPE(2, 2, 3), SHAPE(3, 2)),
        E2("a...b,b->a...", SHAPE(2, 2, 3), SHAPE(3)),
    };
    CHECK(rows);
}

static void test_complex(void **state)
{
    (void)state;
#define Z(low, high, ...) {'z', low, high, DIMS(__VA_ARGS__), {0}}
#define PLANE Z(0.2, 0.8, 3)
#define TOUT(t) ATTR(1, {.name = "Tout", .kind = TN_ATTR_TYPE, .type = t})
    static const row rows[] = {
        {.op = "Neg", .in = {PLANE}},
        {.op = "Square", .in = {PLANE}},
        {.op = "Sqrt", .in = {PLANE}},
        {.op = "Rsqrt", .in = {PLANE}},
        {.op = "Reciprocal", .in = {PLANE}},
        {.op = "Exp", .in = {PLANE}},
        {.op = "Expm1", .in = {PLANE}},
        {.op = "Log", .in = {PLANE}},
        {.op = "Log1p", .in = {PLANE}},
        {.op = "Sin", .in = {PLANE}},
        {.op = "Cos", .in = {PLANE}},
        {.op = "Tan", .in = {PLANE}},
        {.op = "Asin", .in = {PLANE}},
        {.op = "Acos", .in = {PLANE}},
        {.op = "Atan", .in = {PLANE}},
        {.op = "Sinh", .in = {PLANE}},
        {.op = "Cosh", .in = {PLANE}},
        {.op = "Tanh", .in = {PLANE}},
        {.op = "Asinh", .in = {PLANE}},
        {.op = "Acosh", .in = {PLANE}},
        {.op = "Atanh", .in = {PLANE}},
        {.op = "Sigmoid", .in = {PLANE}},
        {.op = "Conj", .in = {PLANE}},
        {.op = "Real", .in = {PLANE}, TOUT(TN_DOUBLE)},
        {.op = "Imag", .in = {PLANE}, TOUT(TN_DOUBLE)},
        {.op = "ComplexAbs", .in = {PLANE}, TOUT(TN_DOUBLE)},
        {.op = "Angle", .in = {PLANE}, TOUT(TN_DOUBLE)},
        {.op = "Complex", .in = {X(-1, 1, 2, 1), X(-1, 1, 3)}, TOUT(TN_COMPLEX128)},
        {.op = "AddV2", .in = {Z(-1, 1, 2, 1), PLANE}},
        {.op = "Sub", .in = {Z(-1, 1, 2, 1), PLANE}},
        {.op = "Mul", .in = {Z(-1, 1, 2, 1), PLANE}},
        {.op = "RealDiv", .in = {Z(-1, 1, 2, 1), PLANE}},
        {.op = "DivNoNan", .in = {Z(-1, 1, 2, 1), PLANE}},
        {.op = "Pow", .in = {Z(0.3, 1, 2, 1), PLANE}},
        {.op = "Sum", .in = {Z(-1, 1, 2, 3), I(1, 1)}},
        {.op = "Mean", .in = {Z(-1, 1, 2, 3), I(1, 0)}},
        {.op = "Prod", .in = {Z(-1, 1, 2, 3), I(1, 1)}},
        {.op = "Cumsum", .in = {Z(-1, 1, 4), I0(0)}},
        {.op = "MatMul", .in = {Z(-1, 1, 2, 3), Z(-1, 1, 3, 2)}},
        {.op = "BatchMatMulV2", .in = {Z(-1, 1, 2, 3, 2), Z(-1, 1, 3, 2)}, ATTR(1, AX)},
        {.op = "Einsum", .in = {Z(-1, 1, 2, 3), Z(-1, 1, 3, 2)}, ATTR(1, EINSUM("ij,jk->ki"))},
        {.op = "SelectV2", .in = {B(2, 1, 0), Z(-1, 1, 2), Z(-1, 1, 2)}},
        {.op = "AddN", .in = {PLANE, PLANE}},
    };
    CHECK(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unary),    cmocka_unit_test(test_second_order), cmocka_unit_test(test_binary),
        cmocka_unit_test(test_reductions), cmocka_unit_test(test_segments),   cmocka_unit_test(test_matrices),
        cmocka_unit_test(test_einsum),       cmocka_unit_test(test_complex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
