/* SPDX-License-Identifier: Apache-2.0
 * Gradients that the operators of networks build, against finite differences.
 */
#include "grad_case.h"

#define A_INT(N, V) {.name = N, .kind = TN_ATTR_INT, .i = V}
#define A_INTS(N, ...)                                                                            \
    {.name = N, .kind = TN_ATTR_INT, .is_list = true, .n = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),  \
     .is = (const int64_t[]){__VA_ARGS__}}
#define STRIDES(h, w) A_INTS("strides", 1, h, w, 1)
#define PADDING(V) A_STR("padding", V)
#define IMAGE X(-1, 1, 2, 5, 4, 2)

static void test_convolutions(void **state)
{
    (void)state;
#define FILTER X(-1, 1, 3, 2, 2, 3)
    const row rows[] = {
        {.op = "Conv2D", .in = {IMAGE, FILTER}, ATTR(2, STRIDES(1, 1), PADDING("SAME"))},
        {.op = "Conv2D", .in = {IMAGE, FILTER}, ATTR(2, STRIDES(2, 1), PADDING("VALID"))},
        {.op = "Conv2D", .in = {IMAGE, FILTER}, ATTR(3, STRIDES(1, 1), PADDING("SAME"), A_INTS("dilations", 1, 2, 2, 1))},
        {.op = "Conv2D",
         .in = {IMAGE, FILTER},
         ATTR(3, STRIDES(1, 2), PADDING("EXPLICIT"), A_INTS("explicit_paddings", 0, 0, 2, 1, 0, 1, 0, 0))},
        {.op = "Conv2D", .in = {X(-1, 1, 1, 3, 3, 4), X(-1, 1, 2, 2, 2, 6)}, ATTR(2, STRIDES(1, 1), PADDING("SAME"))},
        {.op = "Conv2DBackpropInput", .in = {I(4, 1, 4, 4, 2), FILTER, X(-1, 1, 1, 4, 4, 3)}, ATTR(2, STRIDES(1, 1), PADDING("SAME"))},
        {.op = "Conv2DBackpropFilter", .in = {IMAGE, I(4, 3, 2, 2, 3), X(-1, 1, 2, 5, 4, 3)}, ATTR(2, STRIDES(1, 1), PADDING("SAME"))},
        {.op = "DepthwiseConv2dNative", .in = {IMAGE, X(-1, 1, 2, 3, 2, 2)}, ATTR(2, STRIDES(1, 1), PADDING("SAME"))},
        {.op = "DepthwiseConv2dNative", .in = {IMAGE, X(-1, 1, 2, 3, 2, 1)}, ATTR(2, STRIDES(2, 2), PADDING("VALID"))},
        {.op = "DepthwiseConv2dNativeBackpropInput",
         .in = {I(4, 1, 3, 3, 2), X(-1, 1, 2, 2, 2, 1), X(-1, 1, 1, 3, 3, 2)},
         ATTR(2, STRIDES(1, 1), PADDING("SAME"))},
        {.op = "DepthwiseConv2dNativeBackpropFilter",
         .in = {X(-1, 1, 1, 3, 3, 2), I(4, 2, 2, 2, 1), X(-1, 1, 1, 3, 3, 2)},
         ATTR(2, STRIDES(1, 1), PADDING("SAME"))},
        {.op = "Conv3D",
         .in = {X(-1, 1, 1, 3, 2, 4, 1), X(-1, 1, 2, 2, 3, 1, 2)},
         ATTR(2, A_INTS("strides", 1, 1, 1, 2, 1), PADDING("SAME"))},
    };
    CHECK(rows);
}

static void test_pooling(void **state)
{
    (void)state;
#define WINDOW(h, w) A_INTS("ksize", 1, h, w, 1)
    const row rows[] = {
        {.op = "MaxPool", .in = {IMAGE}, ATTR(3, WINDOW(2, 2), STRIDES(2, 1), PADDING("SAME"))},
        {.op = "MaxPool", .in = {IMAGE}, ATTR(3, WINDOW(3, 2), STRIDES(1, 2), PADDING("VALID"))},
        {.op = "MaxPoolV2", .in = {IMAGE, I(4, 1, 2, 2, 1), I(4, 1, 1, 2, 1)}, ATTR(1, PADDING("SAME"))},
        {.op = "MaxPoolWithArgmax", .in = {IMAGE}, ATTR(3, WINDOW(2, 2), STRIDES(2, 1), PADDING("SAME"))},
        {.op = "AvgPool", .in = {IMAGE}, ATTR(3, WINDOW(2, 3), STRIDES(2, 1), PADDING("SAME"))},
        {.op = "AvgPool", .in = {IMAGE}, ATTR(3, WINDOW(2, 2), STRIDES(1, 2), PADDING("VALID"))},
        {.op = "AvgPoolGrad", .in = {I(4, 1, 4, 3, 2), X(-1, 1, 1, 2, 3, 2)}, ATTR(3, WINDOW(2, 2), STRIDES(2, 1), PADDING("SAME"))},
    };
    CHECK(rows);
}

static void test_rows(void **state)
{
    (void)state;
    const row rows[] = {
        {.op = "BiasAdd", .in = {IMAGE, X(-1, 1, 2)}},
        {.op = "BiasAdd", .in = {IMAGE, X(-1, 1, 5)}, ATTR(1, A_STR("data_format", "NCHW"))},
        {.op = "BiasAddV1", .in = {IMAGE, X(-1, 1, 2)}, .modes = 2},
        {.op = "BiasAddGrad", .in = {IMAGE}},
        {.op = "BiasAddGrad", .in = {IMAGE}, ATTR(1, A_STR("data_format", "NCHW")), .modes = 2},
        {.op = "Softmax", .in = {X(-2, 2, 3, 4)}},
        {.op = "LogSoftmax", .in = {X(-2, 2, 2, 3, 4)}},
        {.op = "SoftmaxCrossEntropyWithLogits", .in = {X(-2, 2, 3, 4), X(0.25, 0.25, 3, 4)}},
        {.op = "SoftmaxCrossEntropyWithLogits", .in = {X(0.5, 0.5, 3, 4), X(0, 1, 3, 4)}},
        {.op = "SparseSoftmaxCrossEntropyWithLogits", .in = {X(-2, 2, 3, 4), I(3, 2, 0, 3)}},
    };
    CHECK(rows);
}

/* The second output is the gradient of the first up to a factor: going through both is a second order. */
static void test_second_output(void **state)
{
    (void)state;
    tn_graph *g = tn_graph_new();
    tn_builder *b = tn_builder_new(g);
    double x0[] = {0.5, -1, 0.25}, y0[] = {0.2, 0.3, 0.5}, w0[] = {1, -2, 3};
    tn_tensor *t[3];
    tn_shape s = {2, {1, 3}};
    double *values[] = {x0, y0, w0};
    tn_error err;
    for (int i = 0; i < 3; i++) assert_ok(tn_tensor_of(TN_DOUBLE, &s, values[i], &t[i], &err), &err);
    tn_node x = tn_placeholder(b, "x", TN_DOUBLE, s), y = tn_constant(b, "y", t[1]), w = tn_constant(b, "w", t[2]);
    tn_operation *op = tn_add_operation(b, "SoftmaxCrossEntropyWithLogits", NULL, TN_INPUTS(x, y), TN_NO_ATTRS);
    tn_node by = tn_op(b, "Mul", TN_INPUTS(tn_output_of(op, 1), w), TN_NO_ATTRS);
    int64_t axes[2] = {0, 1};
    tn_node loss = tn_op_named(b, "Sum", "loss", TN_INPUTS(by, tn_ints(b, axes, 2)), TN_NO_ATTRS), dx;
    tn_gradients(b, &loss, 1, &x, 1, NULL, &dx);
    assert_ok(tn_builder_check(b, &err), &err);
    tn_session *session;
    assert_ok(tn_session_new(g, NULL, &session, &err), &err);
    char name[64];
    snprintf(name, sizeof name, "%s:%d", tn_operation_name(dx.op), dx.index);
    const char *fetches[] = {name, "loss:0"};
    tn_feed feed = {"x:0", t[0]};
    tn_tensor *out[2];
    assert_ok(tn_session_run(session, &feed, 1, fetches, 2, out, NULL, 0, &err), &err);
    for (int k = 0; k < 3; k++) {
        double at[2], *xs = t[0]->data, before = xs[k];
        for (int side = 0; side < 2; side++) {
            tn_tensor *v;
            xs[k] = before + (side ? 1e-5 : -1e-5);
            assert_ok(tn_session_run(session, &feed, 1, fetches + 1, 1, &v, NULL, 0, &err), &err);
            at[side] = *(double *)v->data;
            tn_tensor_unref(v);
        }
        xs[k] = before;
        double slope = (at[1] - at[0]) / 2e-5;
        assert_true(fabs(((double *)out[0]->data)[k] - slope) < 1e-6);
    }
    for (int i = 0; i < 3; i++) tn_tensor_unref(t[i]);
    for (int i = 0; i < 2; i++) tn_tensor_unref(out[i]);
    tn_session_free(session);
    tn_builder_free(b);
    tn_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolutions),
        cmocka_unit_test(test_pooling),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_second_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
