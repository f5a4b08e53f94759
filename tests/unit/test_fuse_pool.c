/* SPDX-License-Identifier: Apache-2.0
 * Pools after convolutions: one step where their windows do not overlap and nobody else looks at what is between, and
 * the same numbers without any pass. */
#include "plan_test.h"

enum { SIZE = 14, CHANNELS = 16, RESULTS = 20, BATCH = 2 };

typedef struct pooling {
    const char *op;
    int64_t window, stride;
    const char *padding;
    bool act, looked_at;
    int steps;
} pooling;

static tn_node wave(tn_builder *b, tn_shape s)
{
    const int64_t n = tn_shape_count(&s);
    float *v = calloc((size_t)n, sizeof *v);
    for (int64_t i = 0; i < n; i++) v[i] = 0.2f * (float)sin((double)i * 1.7);
    tn_node c = constant_floats(b, s, v);
    free(v);
    return c;
}

static tn_node build(tn_builder *b, const pooling *p)
{
    const int64_t ones[] = {1, 1, 1, 1}, window[] = {1, p->window, p->window, 1}, stride[] = {1, p->stride, p->stride, 1};
    tn_node x = tn_placeholder(b, "x", TN_FLOAT, TN_SHAPE(-1, -1, -1, CHANNELS));
    tn_node y = tn_op(b, "Conv2D", TN_INPUTS(x, wave(b, TN_SHAPE(3, 3, CHANNELS, RESULTS))),
                      TN_ATTRS(tn_attr_ints("strides", ones, 4), tn_attr_str("padding", "VALID")));
    y = tn_op(b, "BiasAdd", TN_INPUTS(y, wave(b, TN_SHAPE(RESULTS))), TN_NO_ATTRS);
    if (p->act) y = tn_op(b, "Relu", TN_INPUTS(y), TN_NO_ATTRS);
    tn_node z = tn_op(b, p->op, TN_INPUTS(y),
                      TN_ATTRS(tn_attr_ints("ksize", window, 4), tn_attr_ints("strides", stride, 4),
                               tn_attr_str("padding", p->padding)));
    if (!p->looked_at) return tn_op(b, "Identity", TN_INPUTS(z), TN_NO_ATTRS);
    tn_node all = tn_ints(b, (int64_t[]){0, 1, 2, 3}, 4);
    return tn_op(b, "AddV2", TN_INPUTS(z, tn_op(b, "Max", TN_INPUTS(y, all), TN_NO_ATTRS)), TN_NO_ATTRS);
}

static void run_case(const pooling *p)
{
    static float v[BATCH * SIZE * SIZE * CHANNELS];
    fixture f;
    for (size_t i = 0; i < TN_COUNT(v); i++) v[i] = (float)cos((double)i * 0.37);
    fixture_open(&f);
    give_name(f.b, "y", build(f.b, p));
    tn_tensor *in = floats(TN_SHAPE(BATCH, SIZE, SIZE, CHANNELS), v);
    assert_same_in_modes(&f, in, (const char *[]){"y"}, 1, 1e-5);
    assert_steps(&f, in, "y", p->steps);
    tn_tensor_unref(in);
    fixture_close(&f);
}

static void test_pools(void **state)
{
    (void)state;
    const pooling cases[] = {
        {"MaxPool", 2, 2, "VALID", true, false, 1},
        {"AvgPool", 3, 3, "VALID", false, false, 1},
        {"MaxPool", 5, 5, "VALID", true, false, 1}, /* rows are left over */
        {"MaxPool", 1, 2, "SAME", false, false, 1},
        {"MaxPool", 3, 2, "VALID", true, false, 2},  /* windows overlap */
        {"AvgPool", 5, 5, "SAME", true, false, 2},   /* they begin outside */
        {"MaxPool", 2, 2, "VALID", true, true, 4},   /* the convolution's result is wanted too */
    };
    for (size_t i = 0; i < TN_COUNT(cases); i++) run_case(&cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pools)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
