/* SPDX-License-Identifier: Apache-2.0
 * Gradients that the array operators build, against finite differences.
 */
#include "grad_case.h"

#define TABLE(rows_, cols_, ...) {'i', 0, 0, DIMS(rows_, cols_), {__VA_ARGS__}}
#define A_INT(N, V) {.name = N, .kind = TN_ATTR_INT, .i = V}
#define A_INTS(N, ...)                                                                            \
    {.name = N, .kind = TN_ATTR_INT, .is_list = true, .n = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),  \
     .is = (const int64_t[]){__VA_ARGS__}}
#define CUBE X(-1, 1, 2, 3, 4)
#define PLANE X(-1, 1, 3, 4)

static void test_shapes(void **state)
{
    (void)state;
    const row rows[] = {
        {.op = "Reshape", .in = {PLANE, I(2, 2, 6)}},
        {.op = "ExpandDims", .in = {PLANE, I0(-1)}},
        {.op = "Squeeze", .in = {X(-1, 1, 3, 1, 4)}, ATTR(1, A_INTS("squeeze_dims", 1))},
        {.op = "EnsureShape", .in = {PLANE}, ATTR(1, {.name = "shape", .kind = TN_ATTR_SHAPE, .shape = {2, {3, -1}}})},
        {.op = "GuaranteeConst", .in = {PLANE}},
        {.op = "Fill", .in = {I(2, 2, 3), SCALAR(-1, 1)}},
        {.op = "BroadcastTo", .in = {X(-1, 1, 3, 1), I(3, 2, 3, 4)}},
        {.op = "Tile", .in = {PLANE, I(2, 2, 3)}},
        {.op = "Transpose", .in = {CUBE, I(3, 2, 0, 1)}},
        {.op = "Reverse", .in = {PLANE, B(2, 1, 0)}},
        {.op = "ReverseV2", .in = {PLANE, I(1, -1)}},
        {.op = "ReverseSequence", .in = {PLANE, I(3, 0, 2, 4)}, ATTR(1, A_INT("seq_dim", 1))},
        {.op = "ReverseSequence", .in = {CUBE, I(4, 0, 1, 2, 2)}, ATTR(2, A_INT("seq_dim", 0), A_INT("batch_dim", 2))},
        {.op = "Roll", .in = {CUBE, I(2, 1, -3), I(2, 0, 2)}},
        {.op = "Print", .in = {PLANE}},
    };
    CHECK(rows);
}

static void test_joining(void **state)
{
    (void)state;
    const row rows[] = {
        {.op = "Pack", .in = {PLANE, PLANE, PLANE}, ATTR(1, A_INT("axis", -1))},
        {.op = "Unpack", .in = {PLANE}, ATTR(2, A_INT("axis", 1), A_INT("num", 4))},
        {.op = "Concat", .in = {I0(1), PLANE, X(-1, 1, 3, 2)}},
        {.op = "ConcatV2", .in = {PLANE, X(-1, 1, 2, 4), X(-1, 1, 1, 4), I0(0)}},
        {.op = "ConcatV2", .in = {CUBE, CUBE, I0(-1)}},
        {.op = "Split", .in = {I0(1), PLANE}, ATTR(1, A_INT("num_split", 2))},
        {.op = "SplitV", .in = {PLANE, I(3, 2, -1, 1), I0(1)}, ATTR(1, A_INT("num_split", 3))},
        {.op = "DynamicStitch", .in = {I(2, 0, 3), I(2, 2, 1), X(-1, 1, 2, 3), X(-1, 1, 2, 3)}},
        {.op = "ParallelDynamicStitch", .in = {I(2, 0, 3), I(2, 2, 1), X(-1, 1, 2, 3), X(-1, 1, 2, 3)}},
        {.op = "DynamicPartition", .in = {PLANE, I(3, 1, 0, 0)}, ATTR(1, A_INT("num_partitions", 2))},
    };
    CHECK(rows);
}

static void test_cutting(void **state)
{
    (void)state;
    const row rows[] = {
        {.op = "Slice", .in = {PLANE, I(2, 1, 0), I(2, 2, -1)}},
        {.op = "StridedSlice", .in = {PLANE, I(2, 2, 0), I(2, 0, 4), I(2, -1, 2)}},
        {.op = "StridedSlice", .in = {CUBE, I(2, 0, 1), I(2, 0, 3), I(2, 1, 1)},
         ATTR(2, A_INT("ellipsis_mask", 1), A_INT("shrink_axis_mask", 2))},
        {.op = "StridedSlice", .in = {PLANE, I(3, 0, 0, 1), I(3, 0, 0, 2), I(3, 1, 1, 1)},
         ATTR(3, A_INT("new_axis_mask", 1), A_INT("begin_mask", 2), A_INT("end_mask", 2))},
        {.op = "StridedSliceGrad", .in = {I(2, 4, 5), I(2, 3, 0), I(2, 0, 5), I(2, -2, 2), X(-1, 1, 2, 3)}},
        {.op = "Pad", .in = {PLANE, TABLE(2, 2, 1, 2, 0, 1)}},
        {.op = "PadV2", .in = {PLANE, TABLE(2, 2, 1, 2, 0, 1), SCALAR(0.5, 0.5)}},
        {.op = "MirrorPad", .in = {PLANE, TABLE(2, 2, 2, 1, 0, 3)}, ATTR(1, A_STR("mode", "REFLECT"))},
        {.op = "MirrorPad", .in = {PLANE, TABLE(2, 2, 3, 1, 0, 4)}, ATTR(1, A_STR("mode", "SYMMETRIC"))},
        {.op = "MirrorPadGrad", .in = {X(-1, 1, 6, 5), TABLE(2, 2, 2, 1, 0, 2)}, ATTR(1, A_STR("mode", "REFLECT"))},
        {.op = "MirrorPadGrad", .in = {X(-1, 1, 6, 5), TABLE(2, 2, 2, 1, 0, 2)}, ATTR(1, A_STR("mode", "SYMMETRIC"))},
    };
    CHECK(rows);
}

static void test_gathering(void **state)
{
    (void)state;
    const row rows[] = {
        {.op = "Gather", .in = {PLANE, I(4, 2, 0, 2, 1)}},
        {.op = "GatherV2", .in = {PLANE, TABLE(2, 2, 2, 0, 2, 1), I0(0)}},
        {.op = "GatherV2", .in = {CUBE, I(3, 1, 1, 0), I0(1)}},
        {.op = "GatherV2", .in = {CUBE, TABLE(2, 2, 3, 0, 1, 1), I0(-1)}},
        {.op = "GatherV2", .in = {CUBE, TABLE(2, 2, 2, 0, 1, 1), I0(1)}, ATTR(1, A_INT("batch_dims", 1))},
        {.op = "GatherV2", .in = {CUBE, TABLE(2, 2, 3, 0, 1, 1), I0(2)}, ATTR(1, A_INT("batch_dims", 1))},
        {.op = "GatherV2", .in = {X(-1, 1, 2, 2, 3), TABLE(2, 2, 2, 0, 1, 1), I0(2)}, ATTR(1, A_INT("batch_dims", 2))},
        {.op = "GatherNd", .in = {PLANE, TABLE(3, 2, 2, 0, 0, 3, 2, 0)}},
        {.op = "GatherNd", .in = {PLANE, TABLE(3, 1, 2, 0, 2)}},
        {.op = "ScatterNd", .in = {TABLE(3, 1, 4, 0, 4), X(-1, 1, 3, 2), I(2, 5, 2)}},
        {.op = "TensorScatterUpdate", .in = {PLANE, TABLE(2, 1, 2, 0), X(-1, 1, 2, 4)}},
        {.op = "TensorScatterAdd", .in = {PLANE, TABLE(2, 1, 2, 2), X(-1, 1, 2, 4)}},
        {.op = "TensorScatterSub", .in = {PLANE, TABLE(2, 2, 2, 2, 0, 1), X(-1, 1, 2)}},
        {.op = "TensorScatterMin", .in = {PLANE, TABLE(2, 1, 2, 0), X(-1, 1, 2, 4)}},
        {.op = "TensorScatterMax", .in = {PLANE, TABLE(2, 1, 2, 0), X(-1, 1, 2, 4)}},
        {.op = "ScatterNdNonAliasingAdd", .in = {PLANE, TABLE(2, 1, 2, 2), X(-1, 1, 2, 4)}},
        {.op = "SparseToDense", .in = {TABLE(2, 2, 0, 1, 1, 2), I(2, 2, 3), X(-1, 1, 2), SCALAR(0.1, 0.9)}, .modes = 2},
    };
    CHECK(rows);
}

static void test_space(void **state)
{
    (void)state;
#define PICTURE X(-1, 1, 1, 4, 5, 2)
    const row rows[] = {
        {.op = "SpaceToBatchND", .in = {PICTURE, I(2, 2, 3), TABLE(2, 2, 1, 1, 0, 1)}},
        {.op = "BatchToSpaceND", .in = {X(-1, 1, 6, 2, 2, 1), I(2, 2, 3), TABLE(2, 2, 1, 0, 0, 2)}},
        {.op = "SpaceToBatch", .in = {PICTURE, TABLE(2, 2, 0, 0, 1, 0)}, ATTR(1, A_INT("block_size", 2))},
        {.op = "BatchToSpace", .in = {X(-1, 1, 4, 2, 2, 1), TABLE(2, 2, 0, 1, 1, 0)}, ATTR(1, A_INT("block_size", 2))},
        {.op = "SpaceToDepth", .in = {X(-1, 1, 1, 4, 6, 2)}, ATTR(1, A_INT("block_size", 2))},
        {.op = "DepthToSpace", .in = {X(-1, 1, 1, 2, 3, 8)}, ATTR(1, A_INT("block_size", 2))},
        {.op = "ExtractImagePatches",
         .in = {PICTURE},
         ATTR(4, A_INTS("ksizes", 1, 2, 3, 1), A_INTS("strides", 1, 2, 1, 1), A_INTS("rates", 1, 2, 1, 1),
              A_STR("padding", "SAME"))},
    };
    CHECK(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),    cmocka_unit_test(test_joining), cmocka_unit_test(test_cutting),
        cmocka_unit_test(test_gathering), cmocka_unit_test(test_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
