/* SPDX-License-Identifier: Apache-2.0
 * Array operators at their corners: empty tensors, scalars, strings, negative strides and masks, indices that
 * are outside, in TensorFlow's words.
 */
#include "op_case.h"

static void test_shapes(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"SampleDistortedBoundingBoxV2", "", {"int32[3] 4 5 3", "float[1,1,4] 0 0 1 1", "float[0]"},
         {"!Shape must be rank 0 but is rank 1"}},
        {"Shape", "", {"float[2,0,3]"}, {"int32[3] 2 0 3"}},
        {"Shape", "out_type=int64", {"string 'x'"}, {"int64[0]"}},
        {"Size", "", {"float[2,0,3]"}, {"int32 0"}},
        {"Rank", "", {"float[1,1] 1"}, {"int32 2"}},
        {"Reshape", "", {"int32[2,3] 1 2 3 4 5 6", "int64[3] 3 -1 1"}, {"int32[3,2,1] 1 2 3 4 5 6"}},
        {"Reshape", "", {"int32[0,3]", "int32[2] 0 -1"}, {"int32[0,0]"}},
        {"Reshape", "", {"string[2] a b", "int32[2] 2 1"}, {"string[2,1] a b"}},
        {"Reshape", "", {"float[3] 1 2 3", "int32[1] 4"},
         {"!Input to reshape is a tensor with 3 values, but the requested shape has 4"}},
        {"Reshape", "", {"float[3] 1 2 3", "int32[2] -1 -1"}, {"!Only one input size may be -1"}},
        {"Reshape", "", {"float[3] 1 2 3", "int32[2] 2 -1"}, {"!requires a multiple of 2"}},
        {"Reshape", "", {"float[3] 1 2 3", "int32[1] -2"}, {"!must be non-negative, not -2"}},
        {"ExpandDims", "", {"float 7", "int32 0"}, {"float[1] 7"}},
        {"ExpandDims", "", {"float[2] 7 8", "int64 -2"}, {"float[1,2] 7 8"}},
        {"ExpandDims", "", {"float[2] 7 8", "int32 2"}, {"!Tried to expand dim index 2 for tensor with 1 dimensions"}},
        {"Squeeze", "", {"float[1,2,1] 7 8"}, {"float[2] 7 8"}},
        {"Squeeze", "squeeze_dims=[-1]", {"float[1,2,1] 7 8"}, {"float[1,2] 7 8"}},
        {"Squeeze", "squeeze_dims=[1]", {"float[1,2,1] 7 8"}, {"!Can not squeeze dim[1], expected a dimension of 1, got 2"}},
        {"Fill", "", {"int32[2] 2 0", "string x"}, {"string[2,0]"}},
        {"Fill", "", {"int64[1] 2", "string x"}, {"string[2] x x"}},
        {"Fill", "", {"int32[1] -1", "float 1"}, {"!must be >= 0"}},
        {"ZerosLike", "", {"string[2] a b"}, {"string[2] '' ''"}},
        {"OnesLike", "", {"bool[2] 0 0"}, {"bool[2] 1 1"}},
        {"BroadcastTo", "", {"int16[1,2] 1 2", "int32[3] 2 2 2"}, {"int16[2,2,2] 1 2 1 2 1 2 1 2"}},
        {"BroadcastTo", "", {"float[2] 1 2", "int32[1] 3"}, {"!Incompatible shapes: [2] vs. [3]"}},
        {"Tile", "", {"string[2] a b", "int32[1] 2"}, {"string[4] a b a b"}},
        {"Tile", "", {"float[2] 1 2", "int32[1] 0"}, {"float[0]"}},
        {"Tile", "", {"float[2] 1 2", "int32[1] -1"}, {"!Expected multiples[0] >= 0, but got -1"}},
        {"Tile", "", {"float[2] 1 2", "int32[2] 1 1"}, {"!Expected multiples argument to be a vector of length 1 but got length 2"}},
        {"OneHot", "", {"int64[2] 1 9", "int32 3", "int8 5", "int8 -1"}, {"int8[2,3] -1 5 -1 -1 -1 -1"}},
        {"OneHot", "axis=0", {"uint8[2] 0 1", "int32 2", "string y", "string n"}, {"string[2,2] y n n y"}},
        {"OneHot", "", {"int32 1", "int32 -1", "float 1", "float 0"}, {"!depth must be non-negative, got: -1"}},
        {"GuaranteeConst", "", {"string[2] a ''"}, {"string[2] a ''"}},
    };
    CHECK_CASES(cases);
}

/* Dimensions without an element take neither time nor memory. */
static void test_vast(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"ConcatV2", "", {"float[1099511627776,0]", "float[1099511627776,0]", "int32 1"}, {"float[1099511627776,0]"}},
        {"ConcatV2", "", {"string[1099511627776,0]", "string[1099511627776,0]", "int32 1"}, {"string[1099511627776,0]"}},
        {"Split", "num_split=2", {"int32 1", "float[1099511627776,0]"}, {"float[1099511627776,0]", "float[1099511627776,0]"}},
        {"Split", "num_split=2", {"int32 1", "string[1099511627776,0]"}, {"string[1099511627776,0]", "string[1099511627776,0]"}},
        {"Cumsum", "", {"float[1099511627776,0]", "int32 1"}, {"float[1099511627776,0]"}},
        {"CumulativeLogsumexp", "", {"float[1099511627776,0]", "int32 1"}, {"float[1099511627776,0]"}},
        {"LRN", "", {"float[1099511627776,1,1,0]"}, {"float[1099511627776,1,1,0]"}},
        {"Softmax", "", {"float[9223372036854775807,0]"}, {"float[9223372036854775807,0]"}},
        {"MatrixDiagV2", "", {"float[1099511627776,0]", "int32 0", "int32 -1", "int32 -1", "float 0"}, {"float[1099511627776,0,0]"}},
        {"BiasAddGrad", "", {"float[1099511627776,0]"}, {"float[0]"}},
        {"ResizeBilinear", "", {"float[0,1,1,1]", "int32[2] 2147483647 1"}, {"float[0,2147483647,1,1]"}},
        {"ResizeBicubic", "", {"float[1,1,1,0]", "int32[2] 1 2147483647"}, {"float[1,1,2147483647,0]"}},
        {"ResizeNearestNeighbor", "", {"int8[0,1,1,1]", "int32[2] 2147483647 1"}, {"int8[0,2147483647,1,1]"}},
        {"ResizeBilinearGrad", "", {"float[0,2147483647,1,1]", "float[0,1,1,1]"}, {"float[0,1,1,1]"}},
        {"QuantizedResizeBilinear", "", {"float[0,1,1,1]", "int32[2] 2147483647 1", "float 0", "float 1"},
         {"float[0,2147483647,1,1]", "float 0", "float 1"}},
        {"StatelessRandomPoisson", "dtype=double", {"int32[1] 1", "int32[2] 1 2", "double 1e300"}, {"double[1] 1e300"}},
    };
    CHECK_CASES(cases);
}

static void test_joining(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"ConcatV2", "", {"float[0,2]", "float[1,2] 1 2", "int32 0"}, {"float[1,2] 1 2"}},
        {"ConcatV2", "", {"string[1] a", "string[2] b ''", "int64 -1"}, {"string[3] a b ''"}},
        {"ConcatV2", "", {"float[1,2] 1 2", "float[1,3] 1 2 3", "int32 0"},
         {"!Dimension 1 in both shapes must be equal: shape[0] = [1,2] vs. shape[1] = [1,3]"}},
        {"ConcatV2", "", {"float[2] 1 2", "float[1,2] 1 2", "int32 0"},
         {"!ConcatOp : Ranks of all input tensors should match: shape[0] = [2] vs. shape[1] = [1,2]"}},
        {"ConcatV2", "", {"float[1] 1", "float[1] 1", "int32 1"},
         {"!ConcatOp : Expected concatenating dimensions in the range [-1, 1), but got 1"}},
        {"Concat", "", {"int32 1", "bool[1,1] 1", "bool[1,2] 0 1"}, {"bool[1,3] 1 0 1"}},
        {"ConcatOffset", "", {"int32 1", "int32[2] 2 3", "int32[2] 2 5", "int32[2] 2 1"},
         {"int32[2] 0 0", "int32[2] 0 3", "int32[2] 0 8"}},
        {"Pack", "axis=1", {"string[2] a b", "string[2] c d"}, {"string[2,2] a c b d"}},
        {"Pack", "", {"int64 3", "int64 4"}, {"int64[2] 3 4"}},
        {"Pack", "axis=-2", {"half[2] 1 2", "half[2] 3 4"}, {"half[2,2] 1 2 3 4"}},
        {"Pack", "axis=3", {"float[1] 1"}, {"!Expected dimension in the range [-2, 2), but got 3"}},
        {"Unpack", "num=2 axis=-1", {"string[2,2] a b c d"}, {"string[2] a c", "string[2] b d"}},
        {"Unpack", "num=3", {"float[2] 1 2"}, {"!axis 0 must equal 3, got shape [2]"}},
        {"Split", "num_split=2", {"int32 -1", "string[1,4] a b c d"}, {"string[1,2] a b", "string[1,2] c d"}},
        {"Split", "num_split=2", {"int32 0", "float[3] 1 2 3"},
         {"!Number of ways to split should evenly divide the split dimension, but got split_dim 0 (size = 3) and num_split 2"}},
        {"SplitV", "num_split=3", {"float[4] 1 2 3 4", "int32[3] 0 -1 1", "int32 0"}, {"float[0]", "float[3] 1 2 3", "float[1] 4"}},
        {"SplitV", "num_split=2", {"float[4] 1 2 3 4", "int32[2] 1 2", "int32 0"}, {"!Got: 3"}},
        {"DynamicStitch", "", {"int32[2] 3 0", "int32 2", "float[2,1] 1 2", "float[1] 3"}, {"float[4,1] 2 0 3 1"}},
        {"DynamicStitch", "", {"int32[0]", "float[0,2]"}, {"float[0,2]"}},
        {"DynamicStitch", "", {"int32[1] -1", "float[1] 1"}, {"!indices[0] is out of range"}},
        {"DynamicPartition", "num_partitions=3", {"string[3] a b c", "int32[3] 2 0 2"}, {"string[1] b", "string[0]", "string[2] a c"}},
        {"DynamicPartition", "num_partitions=40", {"float[2] 1 2", "int32[2] 39 1"}, {"float[0]", "float[1] 2", "float[0]"}},
        {"DynamicPartition", "num_partitions=2", {"float[1] 1", "int32[1] 2"}, {"!partitions[0] = 2 is not in [0, 2)"}},
    };
    CHECK_CASES(cases);
}

static void test_slicing(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"Slice", "", {"string[3] a b c", "int32[1] 1", "int32[1] -1"}, {"string[2] b c"}},
        {"Slice", "", {"float[2,2] 1 2 3 4", "int64[2] 0 1", "int64[2] 2 0"}, {"float[2,0]"}},
        {"Slice", "", {"float[2] 1 2", "int32[1] 3", "int32[1] 0"}, {"!Expected begin[0] in [0, 2], but got 3"}},
        {"Slice", "", {"float[2] 1 2", "int32[1] 1", "int32[1] 2"}, {"!Expected size[0] in [0, 1], but got 2"}},
        {"StridedSlice", "", {"int32[5] 1 2 3 4 5", "int32[1] 4", "int32[1] -9", "int32[1] -2"}, {"int32[3] 5 3 1"}},
        {"StridedSlice", "begin_mask=1 end_mask=1", {"string[3] a b c", "int32[1] 0", "int32[1] 0", "int32[1] -1"}, {"string[3] c b a"}},
        {"StridedSlice", "", {"int32[5] 1 2 3 4 5", "int32[1] -2", "int32[1] 9", "int32[1] 1"}, {"int32[2] 4 5"}},
        {"StridedSlice", "", {"int32[5] 1 2 3 4 5", "int32[1] 3", "int32[1] 1", "int32[1] 1"}, {"int32[0]"}},
        {"StridedSlice", "shrink_axis_mask=1", {"int32[2,2] 1 2 3 4", "int32[1] -1", "int32[1] 0", "int32[1] 1"}, {"int32[2] 3 4"}},
        {"StridedSlice", "shrink_axis_mask=1", {"int32[2] 1 2", "int32[1] 2", "int32[1] 3", "int32[1] 1"},
         {"!slice index 2 of dimension 0 out of bounds."}},
        {"StridedSlice", "shrink_axis_mask=1", {"int32[2] 1 2", "int32[1] 1", "int32[1] 3", "int32[1] -1"},
         {"!only stride 1 allowed on non-range indexing."}},
        {"StridedSlice", "", {"int32[2] 1 2", "int32[1] 0", "int32[1] 3", "int32[1] 0"}, {"!strides[0] must be non-zero"}},
        {"StridedSlice", "ellipsis_mask=1 new_axis_mask=2",
         {"int32[2,2] 1 2 3 4", "int32[2] 0 0", "int32[2] 0 0", "int32[2] 1 1"}, {"int32[2,2,1] 1 2 3 4"}},
        {"StridedSlice", "ellipsis_mask=3", {"int32[2] 1 2", "int32[2] 0 0", "int32[2] 0 0", "int32[2] 1 1"}, {"!Multiple ellipses"}},
        {"StridedSlice", "", {"int32[2] 1 2", "int32[2] 0 0", "int32[2] 0 0", "int32[2] 1 1"}, {"!input has only 1 dims"}},
        {"StridedSliceGrad", "", {"int32[1] 4", "int32[1] 3", "int32[1] -9", "int32[1] -2", "float[2] 7 8"}, {"float[4] 0 8 0 7"}},
        {"StridedSliceGrad", "", {"int32[1] 4", "int32[1] 0", "int32[1] 4", "int32[1] 2", "float[3] 7 8 9"},
         {"!shape of dy was [3] instead of [2]"}},
        {"Pad", "", {"string[1] a", "int32[1,2] 1 1"}, {"string[3] '' a ''"}},
        {"PadV2", "", {"string[1] a", "int32[1,2] 0 2", "string z"}, {"string[3] a z z"}},
        {"Pad", "", {"float[0,1]", "int64[2,2] 1 0 0 1"}, {"float[1,2] 0 0"}},
        {"Pad", "", {"float[1] 1", "int32[1,2] -1 0"}, {"!Paddings must be non-negative: -1 0"}},
        {"Pad", "", {"float[1] 1", "int32[2,2] 0 0 0 0"}, {"!The first dimension of paddings must be the rank of inputs"}},
        {"MirrorPad", "mode=REFLECT", {"string[3] a b c", "int32[1,2] 2 1"}, {"string[6] c b a b c b"}},
        {"MirrorPad", "mode=SYMMETRIC", {"uint8[2] 1 2", "int32[1,2] 2 2"}, {"uint8[6] 2 1 1 2 2 1"}},
        {"MirrorPad", "mode=REFLECT", {"uint8[2] 1 2", "int32[1,2] 2 0"}, {"!paddings must be less than the dimension size: 2, 0 not less than"}},
        {"MirrorPadGrad", "mode=SYMMETRIC", {"double[4] 1 2 3 4", "int32[1,2] 2 0"}, {"double[2] 5 5"}},
    };
    CHECK_CASES(cases);
}

static void test_order(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"Transpose", "", {"string[2,2] a b c d", "int32[2] 1 0"}, {"string[2,2] a c b d"}},
        {"Transpose", "", {"bool[1,0]", "int64[2] 1 0"}, {"bool[0,1]"}},
        {"Transpose", "", {"float[1,2] 1 2", "int32[2] 1 1"}, {"!is missing"}},
        {"Transpose", "", {"float[1,2] 1 2", "int32[1] 0"}, {"!transpose expects a vector of size 2. But input(1) is a vector of size 1"}},
        {"ConjugateTranspose", "", {"complex64[1,2] 1+2i 3-4i", "int32[2] 1 0"}, {"complex64[2,1] 1-2i 3+4i"}},
        {"InvertPermutation", "", {"int64[3] 2 0 1"}, {"int64[3] 1 2 0"}},
        {"InvertPermutation", "", {"int32[2] 1 1"}, {"!1 is duplicated in the input."}},
        {"InvertPermutation", "", {"int32[2] 0 2"}, {"!2 is not between 0 and 2"}},
        {"ReverseV2", "", {"string[3] a b c", "int32[1] -1"}, {"string[3] c b a"}},
        {"ReverseV2", "", {"float[2] 1 2", "int32[2] 0 -1"}, {"!axis 0 specified more than once."}},
        {"ReverseV2", "", {"float[2] 1 2", "int32[1] 1"}, {"!'axis'[0] = 1 is out of valid range [0, 0"}},
        {"ReverseV2", "", {"float[0,2]", "int32[1] 0"}, {"float[0,2]"}},
        {"Reverse", "", {"int8[2,2] 1 2 3 4", "bool[2] 0 1"}, {"int8[2,2] 2 1 4 3"}},
        {"ReverseSequence", "seq_dim=1", {"string[2,3] a b c d e f", "int64[2] 2 0"}, {"string[2,3] b a c d e f"}},
        {"ReverseSequence", "seq_dim=1", {"float[1,2] 1 2", "int32[1] 3"}, {"!seq_lens(0) > input.dims(1)"}},
        {"ReverseSequence", "seq_dim=0", {"float[1,2] 1 2", "int32[1] 1"}, {"!batch_dim == seq_dim == 0"}},
        {"Roll", "", {"string[3] a b c", "int32 1", "int32 0"}, {"string[3] c a b"}},
        {"Roll", "", {"int32[2,2] 1 2 3 4", "int64[2] -1 5", "int32[2] 0 1"}, {"int32[2,2] 4 3 2 1"}},
        {"Where", "", {"bool[2,2] 0 1 1 0"}, {"int64[2,2] 0 1 1 0"}},
        {"Where", "", {"float 3"}, {"int64[1,0]"}},
        {"Where", "", {"half[3] 0 -0 0.5"}, {"int64[1,1] 2"}},
        {"Unique", "out_idx=int64", {"string[4] b a b ''"}, {"string[3] b a ''", "int64[4] 0 1 0 2"}},
        {"Unique", "", {"float[4] nan 0 -0 nan"}, {"float[3] nan 0 nan", "int32[4] 0 1 1 2"}},
        {"Unique", "", {"int32[0]"}, {"int32[0]", "int32[0]"}},
        {"UniqueV2", "", {"int8[2,3] 1 2 1 3 4 3", "int64[1] 1"}, {"int8[2,2] 1 2 3 4", "int32[3] 0 1 0"}},
        {"UniqueWithCounts", "", {"uint8[4] 7 7 2 7"}, {"uint8[2] 7 2", "int32[4] 0 0 1 0", "int32[2] 3 1"}},
        {"ListDiff", "", {"string[3] a b c", "string[1] b"}, {"string[2] a c", "int32[2] 0 2"}},
    };
    CHECK_CASES(cases);
}

static void test_indices(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"Gather", "", {"string[2] a b", "int32[2,1] 1 0"}, {"string[2,1] b a"}},
        {"GatherV2", "", {"float[2] 1 2", "int32[1] 2", "int32 0"}, {"!indices[0] = 2 is not in [0, 2)"}},
        {"GatherV2", "", {"string[1] a", "int64[1] -1", "int32 0"}, {"!indices[0] = -1 is not in [0, 1)"}},
        {"GatherV2", "", {"float[0,3]", "int32[0]", "int32 0"}, {"float[0,3]"}},
        {"GatherV2", "", {"bool[2,2] 1 0 0 1", "int32 1", "int64 -1"}, {"bool[2] 0 1"}},
        {"GatherV2", "", {"float[2] 1 2", "int32 0", "int32 1"}, {"!Expected dimension in the range [-1, 1), but got 1"}},
        {"GatherV2", "batch_dims=1", {"int16[2,2] 1 2 3 4", "int16[2,1] 1 0", "int32 1"}, {"int16[2,1] 2 3"}},
        {"GatherNd", "", {"string[2,2] a b c d", "int32[2,2] 1 0 0 1"}, {"string[2] c b"}},
        {"GatherNd", "", {"float[2] 1 2", "int32[1,0]"}, {"float[1,2] 1 2"}},
        {"GatherNd", "", {"float[3,2] 1 2 3 4 5 6", "int32[1,1] 5"}, {"!indices[0] = [5] does not index into param shape [3,2]"}},
        {"GatherNd", "", {"float[2] 1 2", "int32[1,2] 0 0"}, {"!index innermost dimension length must be <= params rank; saw: 2 vs. 1"}},
        {"ScatterNd", "", {"int32[2,1] 1 1", "int8[2] 3 4", "int32[1] 3"}, {"int8[3] 0 7 0"}},
        {"ScatterNd", "", {"int32[2,1] 1 1", "bool[2] 0 1", "int32[1] 2"}, {"bool[2] 0 1"}},
        {"ScatterNd", "", {"int16[1,2] 1 0", "float[1] 3", "int16[2] 2 2"}, {"float[2,2] 0 0 3 0"}},
        {"ScatterNd", "", {"int64[1,1] 5", "float[1] 1", "int64[1] 3"}, {"!indices[0] = [5] does not index into shape [3]"}},
        {"ScatterNd", "", {"int32[1,1] 0", "float[2] 1 1", "int32[1] 3"}, {"!must match"}},
        {"TensorScatterUpdate", "", {"string[2] a b", "int32[1,1] 1", "string[1] z"}, {"string[2] a z"}},
        {"TensorScatterAdd", "", {"uint16[2] 1 2", "int32[2,1] 0 0", "uint16[2] 3 4"}, {"uint16[2] 8 2"}},
        {"TensorScatterMin", "", {"float[2] 1 2", "int32[1,1] 1", "float[1] -1"}, {"float[2] 1 -1"}},
        {"SparseToDense", "", {"int64[2] 1 3", "int64[1] 4", "string 'v'", "string d"}, {"string[4] d 'v' d 'v'"}},
        {"SparseToDense", "", {"int32[2] 3 1", "int32[1] 4", "float 1", "float 0"}, {"!indices[1] = [1] is out of order"}},
        {"SparseToDense", "validate_indices=false", {"int32[2] 3 1", "int32[1] 4", "float[2] 1 2", "float 0"}, {"float[4] 0 2 0 1"}},
        {"SparseToDense", "", {"int32[1] 4", "int32[1] 4", "float 1", "float 0"}, {"!out of bounds"}},
        {"SpaceToBatchND", "", {"string[1,3] a b c", "int32[1] 2", "int32[1,2] 0 1"}, {"string[2,2] a c b ''"}},
        {"SpaceToBatchND", "", {"float[1,3] 1 2 3", "int32[1] 2", "int32[1,2] 0 0"}, {"!padded_shape[0]=3 is not divisible by block_shape[0]=2"}},
        {"BatchToSpaceND", "", {"string[2,2] a c b d", "int32[1] 2", "int32[1,2] 1 0"}, {"string[1,3] b c d"}},
        {"BatchToSpaceND", "", {"float[3,1] 1 2 3", "int32[1] 2", "int32[1,2] 0 0"},
         {"!Input batch dimension (3) is not divisible by product of block sizes (2)"}},
        {"SpaceToDepth", "block_size=2", {"uint8[1,2,2,1] 1 2 3 4"}, {"uint8[1,1,1,4] 1 2 3 4"}},
        {"DepthToSpace", "block_size=2 data_format=NCHW", {"int32[1,4,1,1] 1 2 3 4"}, {"int32[1,1,2,2] 1 2 3 4"}},
        {"DenseToDenseSetOperation", "set_operation=union", {"string[1,2] b a", "string[1,1] c"},
         {"int64[3,2] 0 0 0 1 0 2", "string[3] a b c", "int64[2] 1 3"}},
    };
    CHECK_CASES(cases);
}

static void test_text(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"StringJoin", "separator=-", {"string[2] a b", "string x"}, {"string[2] a-x b-x"}},
        {"StringJoin", "", {"string[2] a b", "string[1] c"}, {"!Input shapes do not match: [2] vs. [1]"}},
        {"StringLength", "unit=UTF8_CHAR", {"string[2] h\xc3\xa9 ''"}, {"int32[2] 2 0"}},
        {"Substr", "", {"string[2] hello hi", "int32 3", "int32 2"}, {"!pos 3 out of range for string b'hi' at index 1"}},
        {"Substr", "", {"string[2] hello hi", "int64[2] -3 1", "int64[2] 2 9"}, {"string[2] ll i"}},
        {"Substr", "unit=UTF8_CHAR", {"string h\xc3\xa9llo", "int32 1", "int32 2"}, {"string \xc3\xa9l"}},
        {"Substr", "", {"string hello", "int32[2] 0 1", "int32[2] 2 2"}, {"string[2] he el"}},
        {"StringToNumber", "", {"string[3] 1.5 -inf 0x10"}, {"float[3] 1.5 -inf 16"}},
        {"StringToNumber", "out_type=int32", {"string 99999999999"}, {"!could not correctly convert string: 99999999999"}},
        {"StringToNumber", "out_type=int64", {"string ''"}, {"!could not correctly convert string: "}},
        {"StringToNumber", "out_type=uint32", {"string -1"}, {"!could not correctly convert string: -1"}},
        {"DecodeRaw", "out_type=int16", {"string[2] abcd efgh"}, {"int16[2,2] 25185 25699 26213 26727"}},
        {"DecodeRaw", "out_type=int16 little_endian=false", {"string ab"}, {"int16[1] 24930"}},
        {"DecodeRaw", "out_type=int16", {"string[2] abc efg"}, {"!has length 3 that is not a multiple of 2, the size of int16"}},
        {"AsString", "precision=2", {"int32 1"}, {"!precision not supported for datatype int32"}},
        {"AsString", "width=4 fill=0", {"int64[2] 1 -2"}, {"string[2] 0001 -002"}},
        {"StringUpper", "", {"string \xc3\xa9z"}, {"string \xc3\xa9Z"}},
        {"StringStrip", "", {"string[2] \t\na\r ''"}, {"string[2] a ''"}},
        {"Print", "", {"float[1] 2", "int32 1"}, {"float[1] 2"}},
    };
    CHECK_CASES(cases);
}

static void test_networks(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"BiasAdd", "", {"float[0,2]", "float[2] 1 2"}, {"float[0,2]"}},
        {"BiasAdd", "", {"int32[1,2] 1 2", "int32[2] 3 4"}, {"int32[1,2] 4 6"}},
        {"BiasAdd", "", {"float[1,2] 1 2", "float[1] 1"}, {"!Must provide as many biases as the last dimension of the input tensor"}},
        {"BiasAddGrad", "", {"float[0,2]"}, {"float[2] 0 0"}},
        {"BiasAddV1", "", {"double[2,1] 1 2", "double[1] 1"}, {"double[2,1] 2 3"}},
        {"Conv2D", "strides=[1,1,1,1] padding=VALID", {"float[1,1,1,1] 1", "float[3,3,1,1] 1 1 1 1 1 1 1 1 1"},
         {"!Computed output size would be negative: -1 [input_size: 1, effective_filter_size: 3, stride: 1]"}},
        {"Conv2D", "strides=[1,1,1,1] padding=VALID", {"float[1,2,2,1] 1 2 3 4", "float[3,1,1,1] 1 1 1"}, {"float[1,0,2,1]"}},
        {"Conv2D", "strides=[1,1,1,1] padding=SAME", {"float[0,2,2,1]", "float[1,1,1,1] 1"}, {"float[0,2,2,1]"}},
        {"Conv2D", "strides=[1,1,1,1] padding=SAME", {"half[1,1,2,1] 1 2", "half[1,1,1,2] 3 4"}, {"half[1,1,2,2] 3 4 6 8"}},
        {"Conv2D", "strides=[1,1,1,1] padding=SAME", {"float[1,1,1,3] 1 2 3", "float[1,1,2,1] 1 1"},
         {"!input depth must be evenly divisible by filter depth: 3 vs 2"}},
        {"Conv2DBackpropInput", "strides=[1,2,2,1] padding=SAME",
         {"int32[4] 1 2 2 1", "float[1,1,1,1] 2", "float[1,1,1,1] 3"}, {"float[1,2,2,1] 6 0 0 0"}},
        {"Conv2DBackpropFilter", "strides=[1,1,1,1] padding=SAME",
         {"float[0,2,2,1]", "int32[4] 1 1 1 1", "float[0,2,2,1]"}, {"float[1,1,1,1] 0"}},
        {"MaxPool", "ksize=[1,2,2,1] strides=[1,2,2,1] padding=SAME", {"int8[1,3,3,1] 1 2 3 4 5 6 7 8 -9"}, {"int8[1,2,2,1] 5 6 8 -9"}},
        {"MaxPool", "ksize=[2,1,1,1] strides=[1,1,1,1] padding=SAME", {"float[1,1,1,1] 1"},
         {"!Pooling is not yet supported on the batch dimension."}},
        {"AvgPool", "ksize=[1,2,2,1] strides=[1,2,2,1] padding=SAME", {"double[1,3,1,1] 1 2 5"}, {"double[1,2,1,1] 1.5 5"}},
        {"Softmax", "", {"float[0,3]"}, {"float[0,3]"}},
        {"Softmax", "", {"double[2] 1000 1000"}, {"double[2] 0.5 0.5"}},
        {"LogSoftmax", "", {"double[1,2] 0 -1000"}, {"double[1,2] 0 -1000"}},
        {"SparseSoftmaxCrossEntropyWithLogits", "", {"float[1,2] 1 1", "int32[1] 1"}, {"float[1] 0.6931472", "float[1,2] 0.5 -0.5"}},
        {"SparseSoftmaxCrossEntropyWithLogits", "", {"float[2,2] 1 1 1 1", "int32[1] 1"},
         {"!logits and labels must have the same first dimension"}},
        {"SoftmaxCrossEntropyWithLogits", "", {"double[2,2] 1 1 2 2", "double[1,2] 1 0"},
         {"double[2] 0.6931471805599453 0.6931471805599453", "double[2,2] -0.5 0.5 -0.5 0.5"}},
        {"LRN", "depth_radius=1 bias=1 alpha=1 beta=1", {"float[1,1,1,2] 1 2"}, {"float[1,1,1,2] 0.16666667 0.33333334"}},
        {"ResizeNearestNeighbor", "", {"string[1,1,1,1] a", "int32[2] 2 2"}, {"!not in the list of allowed values"}},
        {"ResizeBilinear", "", {"uint8[1,1,2,1] 0 4", "int32[2] 1 4"}, {"float[1,1,4,1] 0 2 4 4"}},
        {"ResizeBilinear", "", {"float[1,1,1,1] 1", "int32[2] 0 2"}, {"!output dimensions must be positive"}},
        {"ResizeBilinear", "align_corners=true half_pixel_centers=true", {"float[1,1,1,1] 1", "int32[2] 1 2"},
         {"!If half_pixel_centers is True, align_corners must be False."}},
        {"MaxPoolGradGradV2", "padding=VALID",
         {"float[1,2,2,1] 1 4 2 3", "float[1,1,1,1] 4", "float[1,2,2,1] 5 6 7 8", "int32[4] 1 2 2 1", "int32[4] 1 2 2 1"},
         {"float[1,1,1,1] 6"}},
        {"MaxPoolGradGradWithArgmax", "ksize=[1,2,2,1] strides=[1,2,2,1] padding=VALID",
         {"float[1,2,2,1] 1 4 2 3", "float[1,2,2,1] 5 6 7 8", "int64[1,1,1,1] 1"}, {"float[1,1,1,1] 6"}},
        {"MaxPoolGradGradWithArgmax", "ksize=[1,2,2,1] strides=[1,2,2,1] padding=VALID",
         {"float[1,2,2,1] 1 4 2 3", "float[1,2,2,1] 5 6 7 8", "int64[1,1,1,1] 4"}, {"!Invalid output index: 4, output_size = 4"}},
        {"StatelessRandomGetAlg", "", {NULL}, {"int32 1"}},
        {"CholeskyGrad", "", {"float[1,1] 1", "float[2,1,1] 1 1"}, {"!All input tensors must have the same rank."}},
        {"CholeskyGrad", "", {"float[1,1,1] 1", "float[2,1,1] 1 1"}, {"!All input tensors must have the same outer dimensions."}},
        {"CholeskyGrad", "", {"float[2,2] 1 0 0 1", "float[1,1] 1"}, {"!Inputs (L and grad) must have the same shape."}},
        {"NonDeterministicInts", "dtype=string", {"int64[1] 3"}, {"!NonDeterministicInts of string"}},
        {"NonDeterministicInts", "dtype=bool", {"int64[1] 3"}, {"!NonDeterministicInts of bool"}},
        {"ExtractImagePatches", "ksizes=[1,1,2,1] strides=[1,1,1,1] rates=[1,1,1,1] padding=SAME", {"int64[1,1,2,1] 1 2"},
         {"int64[1,1,2,2] 1 2 2 0"}},
    };
    CHECK_CASES(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes), cmocka_unit_test(test_vast),    cmocka_unit_test(test_joining), cmocka_unit_test(test_slicing),
        cmocka_unit_test(test_order),  cmocka_unit_test(test_indices), cmocka_unit_test(test_text),    cmocka_unit_test(test_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
