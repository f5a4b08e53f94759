/* SPDX-License-Identifier: Apache-2.0
 * Gradients that the operators of mathematics build, against finite differences in double: with shapes
 * known, with unknown dimensions and with unknown ranks, so that every way a gradient is written runs.
 */
#include <math.h>

#include "test.h"

#include "graph/op.h"

typedef struct input {
    char kind; /* x: variable in [low, high]; z: complex variable; b, i: fixed bools, integers; 0: none */
    double low, high;
    tn_shape shape;
    int64_t ints[8];
} input;

typedef struct row {
    const char *op;
    input in[5];
    int n_attrs;
    tn_attr attrs[3];
} row;

#define DIMS(...) {.rank = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), .dim = {__VA_ARGS__}}
#define X(low, high, ...) {'x', low, high, DIMS(__VA_ARGS__), {0}}
#define SCALAR(low, high) {'x', low, high, {.rank = 0}, {0}}
#define I(n, ...) {'i', 0, 0, {.rank = 1, .dim = {n}}, {__VA_ARGS__}}
#define I0(v) {'i', 0, 0, {.rank = 0}, {v}}
#define B(n, ...) {'b', 0, 0, {.rank = 1, .dim = {n}}, {__VA_ARGS__}}
#define ATTR(n, ...) .n_attrs = n, .attrs = {__VA_ARGS__}
/* Attributes by designated initializers, because a table is no place for calls. */
#define A_BOOL(N) {.name = N, .kind = TN_ATTR_BOOL, .b = true}
#define A_FLOAT(N, V) {.name = N, .kind = TN_ATTR_FLOAT, .f = V}
#define A_STR(N, V) {.name = N, .kind = TN_ATTR_STRING, .s = {V, sizeof(V) - 1}}
#define EINSUM(V) A_STR("equation", V)

/* ==== one row ==== */

enum { MOST = 64 };
typedef enum mode { KNOWN, DIMENSIONS, RANKS, MODES } mode;

typedef struct trial {
    tn_graph *g;
    tn_builder *b;
    tn_node node[5], dx[5];
    tn_tensor *value[5];
    char names[5][8];
    int n;
    tn_session *session;
    tn_error err;
} trial;

static double uniform(uint64_t *seed, double low, double high)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return low + (high - low) * (double)(*seed >> 11) / 9007199254740992.0;
}

static tn_tensor *value_of(const input *in, uint64_t *seed)
{
    tn_tensor *t;
    tn_dtype dtype = in->kind == 'x'   ? TN_DOUBLE
                     : in->kind == 'z' ? TN_COMPLEX128
                     : in->kind == 'b' ? TN_BOOL
                                       : TN_INT32;
    assert_int_equal(tn_tensor_new(dtype, &in->shape, &t, NULL), TN_OK);
    for (int64_t i = 0; in->kind == 'z' && i < 2 * tn_tensor_count(t); i++)
        ((double *)t->data)[i] = uniform(seed, in->low, in->high);
    if (in->kind == 'z') return t;
    for (int64_t i = 0; i < tn_tensor_count(t); i++)
        tn_tensor_set_number(t, i, in->kind == 'x' ? uniform(seed, in->low, in->high) : (double)in->ints[i]);
    return t;
}

static tn_shape declared(const tn_shape *s, mode m)
{
    tn_shape out = *s;
    if (m == RANKS) return tn_shape_unknown();
    for (int i = 0; m == DIMENSIONS && i < out.rank; i++) out.dim[i] = -1;
    return out;
}

static tn_node op1(tn_builder *b, const char *type, tn_node x)
{
    return tn_op(b, type, TN_INPUTS(x), TN_NO_ATTRS);
}

static tn_node op2(tn_builder *b, const char *type, tn_node x, tn_node y)
{
    return tn_op(b, type, TN_INPUTS(x, y), TN_NO_ATTRS);
}

/* y times weights, no two of which are equal: sin(1), sin(2), ... or cos. */
static tn_node weighted(tn_builder *b, tn_node y, const char *weights)
{
    tn_node zero = tn_scalar(b, TN_INT32, 0), one = tn_scalar(b, TN_INT32, 1);
    tn_node k = tn_op(b, "Range", TN_INPUTS(zero, op1(b, "Size", y), one), TN_NO_ATTRS);
    tn_node w =
        tn_op(b, "Cast", TN_INPUTS(op2(b, "AddV2", k, one)), TN_ATTRS(tn_attr_type("DstT", TN_DOUBLE)));
    return op2(b, "Mul", y, op1(b, weights, w));
}

/* The weighted sum of the first result, its imaginary part with other weights than the real one. */
static void loss_of(tn_builder *b, tn_node y)
{
    y = op2(b, "Reshape", y, tn_ints(b, &(int64_t){-1}, 1));
    tn_node v = y;
    if (tn_node_dtype(y) == TN_COMPLEX128) {
        tn_node re = tn_op(b, "Real", TN_INPUTS(y), TN_ATTRS(tn_attr_type("Tout", TN_DOUBLE)));
        tn_node im = tn_op(b, "Imag", TN_INPUTS(y), TN_ATTRS(tn_attr_type("Tout", TN_DOUBLE)));
        v = op2(b, "AddV2", weighted(b, re, "Sin"), weighted(b, im, "Cos"));
    } else {
        v = weighted(b, y, "Sin");
    }
    tn_op_named(b, "Sum", "loss", TN_INPUTS(v, tn_scalar(b, TN_INT32, 0)), TN_NO_ATTRS);
}

static void build(trial *t, const row *r, mode m)
{
    uint64_t seed = 7;
    memset(t, 0, sizeof *t);
    t->g = tn_graph_new();
    t->b = tn_builder_new(t->g);
    for (; t->n < 5 && r->in[t->n].kind; t->n++) {
        const input *in = &r->in[t->n];
        tn_tensor *v = t->value[t->n] = value_of(in, &seed);
        snprintf(t->names[t->n], sizeof t->names[0], "x%d", t->n);
        bool constant = in->kind == 'i' && m != RANKS;
        t->node[t->n] = constant ? tn_constant(t->b, t->names[t->n], v)
                                 : tn_placeholder(t->b, t->names[t->n], v->dtype, declared(&in->shape, m));
    }
    tn_operation *op = tn_add_operation(t->b, r->op, NULL, t->node, t->n, r->attrs, r->n_attrs);
    loss_of(t->b, tn_output_of(op, 0));
    tn_node loss = tn_output_of(tn_graph_operation(t->g, "loss"), 0);
    tn_gradients(t->b, &loss, 1, t->node, t->n, NULL, t->dx);
    if (tn_builder_check(t->b, &t->err) != TN_OK) fail_msg("%s: %s", r->op, t->err.message);
    if (tn_session_new(t->g, &(tn_session_options){.threads = 1}, &t->session, &t->err) != TN_OK)
        fail_msg("%s: %s", r->op, t->err.message);
}

static void finish(trial *t)
{
    for (int i = 0; i < t->n; i++) tn_tensor_unref(t->value[i]);
    tn_session_free(t->session);
    tn_builder_free(t->b);
    tn_graph_free(t->g);
}

static tn_tensor *evaluate(trial *t, const row *r, const char *name)
{
    tn_feed feeds[5];
    tn_tensor *out;
    int n = 0;
    for (int i = 0; i < t->n; i++)
        if (!strncmp(tn_operation_type(t->node[i].op), "Placeholder", 11))
            feeds[n++] = (tn_feed){t->names[i], t->value[i]};
    if (tn_session_run(t->session, feeds, n, &name, 1, &out, NULL, 0, &t->err) != TN_OK)
        fail_msg("%s: %s: %s", r->op, name, t->err.message);
    return out;
}

static double loss_with(trial *t, const row *r, int input, int64_t element, double v)
{
    double *x = &((double *)t->value[input]->data)[element], before = *x;
    *x = v;
    tn_tensor *loss = evaluate(t, r, "loss");
    double result = ((double *)loss->data)[0];
    tn_tensor_unref(loss);
    *x = before;
    return result;
}

static void compare(trial *t, const row *r, mode m, int input)
{
    char name[128];
    if (!t->dx[input].op) fail_msg("%s: no gradient of input %d", r->op, input);
    snprintf(name, sizeof name, "%s:%d", tn_operation_name(t->dx[input].op), t->dx[input].index);
    tn_tensor *dx = evaluate(t, r, name);
    if (!tn_shape_equal(&dx->shape, &t->value[input]->shape))
        fail_msg("%s: shape of gradient %d", r->op, input);
    /* Of a complex number the derivatives by both parts: the gradient's parts. */
    for (int64_t i = 0; i < tn_tensor_count(dx) * (dx->dtype == TN_COMPLEX128 ? 2 : 1); i++) {
        double x = ((double *)t->value[input]->data)[i], h = 1e-5 * fmax(1, fabs(x));
        double slope = (loss_with(t, r, input, i, x + h) - loss_with(t, r, input, i, x - h)) / (2 * h);
        double got = ((double *)dx->data)[i];
        if (fabs(got - slope) > 2e-6 + 1e-5 * fabs(slope))
            fail_msg("%s, shapes of kind %d: gradient %d at %lld is %.9g, by differences %.9g", r->op, m,
                     input, (long long)i, got, slope);
    }
    tn_tensor_unref(dx);
}

static void check_row(const row *r)
{
    for (mode m = KNOWN; m < MODES; m++) {
        trial t;
        build(&t, r, m);
        for (int i = 0; i < t.n; i++)
            if ((r->in[i].kind == 'x' || r->in[i].kind == 'z') && !(r->in[i].low == r->in[i].high))
                compare(&t, r, m, i);
        finish(&t);
    }
}

static void check_rows(const row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) check_row(&rows[i]);
}
#define CHECK(rows) check_rows((rows), TN_COUNT(rows))

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
