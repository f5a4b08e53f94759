/* SPDX-License-Identifier: Apache-2.0
 * Factors, batch normalization and biases after convolutions and products with constant weights: one step with every
 * pass on, and the same numbers without any of them. */
#include "plan_test.h"

typedef tn_node (*tail_fn)(tn_builder *b, tn_node x, int channels);
typedef tn_node (*product_fn)(tn_builder *b, int *channels);

#define OP(b, op, ...) tn_op(b, op, TN_INPUTS(__VA_ARGS__), TN_NO_ATTRS)

static tn_node wave(tn_builder *b, tn_shape s, double from, double by)
{
    float v[1024];
    assert_true(tn_shape_count(&s) <= 1024);
    for (int64_t i = 0; i < tn_shape_count(&s); i++) v[i] = (float)(from + by * sin((double)i * 1.7));
    return constant_floats(b, s, v);
}

/* ==== products of placeholder x ==== */

static const int64_t ones[] = {1, 1, 1, 1}, twos[] = {1, 2, 2, 1};

static tn_node image(tn_builder *b)
{
    return tn_placeholder(b, "x", TN_FLOAT, TN_SHAPE(-1, -1, -1, 3));
}

static tn_node conv2d(tn_builder *b, int *channels)
{
    *channels = 5;
    return tn_op(b, "Conv2D", TN_INPUTS(image(b), wave(b, TN_SHAPE(3, 3, 3, 5), 0, 0.5)),
                 TN_ATTRS(tn_attr_ints("strides", ones, 4), tn_attr_str("padding", "SAME")));
}

static tn_node depthwise(tn_builder *b, int *channels)
{
    *channels = 6;
    return tn_op(b, "DepthwiseConv2dNative", TN_INPUTS(image(b), wave(b, TN_SHAPE(3, 3, 3, 2), 0, 0.5)),
                 TN_ATTRS(tn_attr_ints("strides", twos, 4), tn_attr_str("padding", "SAME")));
}

static tn_node transposed(tn_builder *b, int *channels)
{
    *channels = 4;
    return tn_op(b, "Conv2DBackpropInput",
                 TN_INPUTS(tn_ints(b, (int64_t[]){2, 8, 8, 4}, 4), wave(b, TN_SHAPE(3, 3, 4, 3), 0, 0.5), image(b)),
                 TN_ATTRS(tn_attr_ints("strides", twos, 4), tn_attr_str("padding", "SAME")));
}

static tn_node rows(tn_builder *b)
{
    return OP(b, "Reshape", image(b), tn_ints(b, (int64_t[]){-1, 3}, 2));
}

static tn_node product(tn_builder *b, int *channels)
{
    *channels = 7;
    return OP(b, "MatMul", rows(b), wave(b, TN_SHAPE(3, 7), 0, 0.5));
}

static tn_node turned_product(tn_builder *b, int *channels)
{
    *channels = 7;
    return tn_op(b, "MatMul", TN_INPUTS(rows(b), wave(b, TN_SHAPE(7, 3), 0, 0.5)), TN_ATTRS(tn_attr_bool("transpose_b", true)));
}

/* A convolution over one dimension, as TensorFlow spells it. */
static tn_node conv1d(tn_builder *b, int *channels)
{
    tn_node x = OP(b, "Reshape", image(b), tn_ints(b, (int64_t[]){2, 1, 16, 3}, 4));
    *channels = 5;
    tn_node y = tn_op(b, "Conv2D", TN_INPUTS(x, wave(b, TN_SHAPE(1, 2, 3, 5), 0, 0.5)),
                      TN_ATTRS(tn_attr_ints("strides", ones, 4), tn_attr_str("padding", "VALID")));
    return tn_op(b, "Squeeze", TN_INPUTS(y), TN_ATTRS(tn_attr_ints("squeeze_dims", (int64_t[]){-3}, 1)));
}

/* ==== what comes after them ==== */

static tn_node spelled_norm(tn_builder *b, tn_node x, int c)
{
    tn_node y = OP(b, "Mul", x, wave(b, TN_SHAPE(c), 1, 0.5));
    return OP(b, "Relu", OP(b, "AddV2", y, wave(b, TN_SHAPE(c), 0.1, 0.2)));
}

/* Everything that can be made one bias. */
static tn_node long_tail(tn_builder *b, tn_node x, int c)
{
    tn_node y = OP(b, "BiasAdd", x, wave(b, TN_SHAPE(c), 0.3, 0.2));
    y = OP(b, "Sub", OP(b, "Mul", wave(b, TN_SHAPE(c), 1, 0.5), y), wave(b, TN_SHAPE(c), -0.2, 0.1));
    y = OP(b, "Mul", OP(b, "AddV2", tn_scalar(b, TN_FLOAT, 0.25), y), tn_scalar(b, TN_FLOAT, 0.5));
    return OP(b, "Relu", y);
}

static tn_node only_factor(tn_builder *b, tn_node x, int c)
{
    return OP(b, "Mul", x, wave(b, TN_SHAPE(1, c), 1, 0.5));
}

/* Somebody else looks at what is between. */
static tn_node looked_at(tn_builder *b, tn_node x, int c)
{
    return OP(b, "AddV2", OP(b, "Mul", x, wave(b, TN_SHAPE(c), 1, 0.5)), x);
}

static tn_node fused_norm(tn_builder *b, tn_node x, int c)
{
    tn_node in[] = {x, wave(b, TN_SHAPE(c), 1, 0.3), wave(b, TN_SHAPE(c), 0, 0.4), wave(b, TN_SHAPE(c), 0.1, 0.3),
                    wave(b, TN_SHAPE(c), 1, 0.6)};
    tn_node y = tn_op(b, "FusedBatchNormV3", in, 5, TN_ATTRS(tn_attr_bool("is_training", false), tn_attr_float("epsilon", 0.01f)));
    return OP(b, "Relu6", y);
}

static void run_case(product_fn make, tail_fn tail, int steps)
{
    fixture f;
    int channels;
    fixture_open(&f);
    tn_node x = make(f.b, &channels);
    give_name(f.b, "y", tail(f.b, x, channels));
    float v[2 * 4 * 4 * 3];
    for (size_t i = 0; i < TN_COUNT(v); i++) v[i] = (float)cos((double)i);
    tn_tensor *in = floats(TN_SHAPE(2, 4, 4, 3), v);
    assert_same_in_modes(&f, in, (const char *[]){"y"}, 1, 1e-5);
    assert_steps(&f, in, "y", steps);
    tn_tensor_unref(in);
    fixture_close(&f);
}

static void test_convolutions(void **state)
{
    (void)state;
    static const product_fn makes[] = {conv2d, depthwise};
    for (size_t i = 0; i < TN_COUNT(makes); i++) {
        run_case(makes[i], spelled_norm, 1);
        run_case(makes[i], long_tail, 1);
        run_case(makes[i], fused_norm, 1);
        run_case(makes[i], only_factor, 1);
        run_case(makes[i], looked_at, 2);
    }
    run_case(transposed, only_factor, 1);
    run_case(transposed, fused_norm, 2);
}

static void test_products(void **state)
{
    (void)state;
    run_case(product, spelled_norm, 1);
    run_case(product, long_tail, 1);
    run_case(product, only_factor, 1);
    run_case(product, looked_at, 2);
    run_case(turned_product, long_tail, 1);
    run_case(turned_product, only_factor, 1);
}

static void test_through_reshapes(void **state)
{
    (void)state;
    run_case(conv1d, spelled_norm, 1);
    run_case(conv1d, long_tail, 1);
    run_case(conv1d, only_factor, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolutions),
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_through_reshapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
