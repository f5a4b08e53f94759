/* SPDX-License-Identifier: Apache-2.0
 *
 * test_channels_first.c - what TensorFlow at hand does not run on a processor or no more: convolutions and pools whose
 * channels come before their space, and their gradients; volumes of doubles; the batch normalization of its first versions.
 */
#include "op_case.h"

#define IMAGE "float[1,2,2,3] 1 2 3 4 5 6 10 20 30 40 50 60"
#define CONV "strides=[1,1,1,2] padding=VALID data_format=NCHW"
#define POOL "ksize=[1,1,1,2] strides=[1,1,1,1] padding=VALID data_format=NCHW"
#define VOLUME "float[1,2,1,2,2] 1 2 3 4 10 20 30 40"
#define POOL3 "ksize=[1,1,1,1,2] strides=[1,1,1,1,1] padding=VALID data_format=NCDHW"

static void channels_first(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"Conv2D", CONV, {IMAGE, "float[1,2,2,1] 1 0 0 1"}, {"float[1,1,2,1] 21 54"}},
        {"Conv2D", "strides=[1,1,2,1] padding=EXPLICIT explicit_paddings=[0,0,0,0,0,1,0,0] data_format=NCHW",
         {IMAGE, "float[3,1,2,1] 1 0 0 0 0 0"}, {"float[1,1,1,3] 1 2 3"}},
        {"Conv2D", "strides=[1,1,1,1] padding=EXPLICIT explicit_paddings=[1,2,3] data_format=NCHW",
         {IMAGE, "float[1,1,2,1] 1 2"}, {"!explicit_paddings"}},
        {"Conv2D", "strides=[1,1,1] padding=SAME data_format=NCHW", {IMAGE, "float[1,1,2,1] 1 2"}, {"!strides"}},
        {"Conv2D", "strides=[1,1,1,1] padding=SAME data_format=NCHW",
         {"int32[1,2,1,2] 1 2 3 4", "int32[1,1,2,2] 1 2 3 4"}, {"int32[1,2,1,2] 10 14 14 20"}},
        {"Conv2DBackpropInput", CONV, {"int32[4] 1 2 2 3", "float[1,2,2,1] 1 2 3 4", "float[1,1,2,1] 1 10"},
         {"float[1,2,2,3] 1 3 0 10 30 0 2 4 0 20 40 0"}},
        {"Conv2DBackpropFilter", CONV, {IMAGE, "int32[4] 1 2 2 1", "float[1,1,2,1] 1 100"},
         {"float[1,2,2,1] 401 4010 502 5020"}},
        {"DepthwiseConv2dNative", "strides=[1,1,1,1] padding=VALID data_format=NCHW",
         {IMAGE, "float[1,3,2,1] 1 0 0 1 0 0"}, {"float[1,2,2,1] 1 4 20 50"}},
        {"Conv3D", "strides=[1,1,1,1,1] padding=VALID data_format=NCDHW", {VOLUME, "float[1,1,1,2,1] 1 2"},
         {"float[1,1,1,2,2] 21 42 63 84"}},
        {"Conv", "strides=[1,1,1,1] padding=VALID data_format=CHANNELS_FIRST",
         {"float[1,2,1,2] 1 2 3 4", "float[1,1,2,1] 1 10"}, {"float[1,1,1,2] 31 42"}},
        {"MaxPool", POOL, {IMAGE}, {"float[1,2,2,2] 2 3 5 6 20 30 50 60"}},
        {"MaxPool", "ksize=[1,2,1,1] strides=[1,1,1,1] padding=VALID data_format=NCHW", {IMAGE}, {"!depth dimension"}},
        {"MaxPoolV2", "padding=VALID data_format=NCHW", {IMAGE, "int32[4] 1 1 1 2", "int32[4] 1 1 1 1"},
         {"float[1,2,2,2] 2 3 5 6 20 30 50 60"}},
        {"AvgPool", POOL, {IMAGE}, {"float[1,2,2,2] 1.5 2.5 4.5 5.5 15 25 45 55"}},
        {"MaxPoolGrad", POOL, {IMAGE, "float[1,2,2,2] 2 3 5 6 20 30 50 60", "float[1,2,2,2] 1 2 3 4 5 6 7 8"},
         {"float[1,2,2,3] 0 1 2 0 3 4 0 5 6 0 7 8"}},
        {"AvgPoolGrad", POOL, {"int32[4] 1 2 2 3", "float[1,2,2,2] 2 4 6 8 10 12 14 16"},
         {"float[1,2,2,3] 1 3 2 3 7 4 5 11 6 7 15 8"}},
        {"MaxPool3D", POOL3, {VOLUME}, {"float[1,2,1,2,1] 2 4 20 40"}},
        {"AvgPool3D", POOL3, {VOLUME}, {"float[1,2,1,2,1] 1.5 3.5 15 35"}},
        {"MaxPool3DGrad", POOL3, {VOLUME, "float[1,2,1,2,1] 2 4 20 40", "float[1,2,1,2,1] 1 2 3 4"},
         {"float[1,2,1,2,2] 0 1 0 2 0 3 0 4"}},
    };
    check_cases(cases, TN_COUNT(cases));
}

#define PAIR "ksize=[1,2,1,1,1] strides=[1,1,1,1,1] padding=VALID"

/* The definitions allow them, TensorFlow has no kernel for them, and floats would not be precise enough. */
static void volumes_of_large_numbers(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"AvgPool3D", PAIR, {"double[1,2,1,1,1] 1 2"}, {"!No OpKernel was registered to support Op 'AvgPool3D' with T=double"}},
        {"AvgPool3DGrad", PAIR, {"int32[5] 1 2 1 1 1", "double[1,1,1,1,1] 1"}, {"!No OpKernel"}},
        {"MaxPool3DGradGrad", PAIR, {"int32[1,2,1,1,1] 1 2", "int32[1,1,1,1,1] 2", "int32[1,2,1,1,1] 1 2"}, {"!No OpKernel"}},
        {"AvgPool3D", PAIR, {"bfloat16[1,2,1,1,1] 1 2"}, {"bfloat16[1,1,1,1,1] 1.5"}},
        {"AvgPool3D", PAIR, {"half[1,2,1,1,1] 1 2"}, {"half[1,1,1,1,1] 1.5"}},
    };
    check_cases(cases, TN_COUNT(cases));
}

#define NORM "variance_epsilon=1 scale_after_normalization=true"

static void global_normalization(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"BatchNormWithGlobalNormalization", NORM,
         {"float[1,1,2,2] 1 2 3 4", "float[2] 1 2", "float[2] 3 0", "float[2] 10 20", "float[2] 2 3"},
         {"float[1,1,2,2] 10 20 12 26"}},
        {"BatchNormWithGlobalNormalization", "variance_epsilon=1 scale_after_normalization=false",
         {"double[1,1,2,1] 1 5", "double[1] 1", "double[1] 3", "double[1] 10", "double[1] 9"},
         {"double[1,1,2,1] 10 12"}},
        {"BatchNormWithGlobalNormalization", NORM,
         {"float[1,1,1,2] 1 2", "float[1] 1", "float[2] 3 0", "float[2] 10 20", "float[2] 2 3"},
         {"!1 values for 2 channels"}},
        {"BatchNormWithGlobalNormalizationGrad", NORM,
         {"float[1,1,2,1] 1 5", "float[1] 1", "float[1] 3", "float[1] 2", "float[1,1,2,1] 1 3"},
         {"float[1,1,2,1] 1 3", "float[1] -4", "float[1] -1.5"}},
    };
    check_cases(cases, TN_COUNT(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(channels_first), cmocka_unit_test(volumes_of_large_numbers),
                                       cmocka_unit_test(global_normalization)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
