/* SPDX-License-Identifier: Apache-2.0
 * Reductions, scans, segments, matrix products, Einsum, diagonals, sequences, top k: corners, as TensorFlow
 * 2.21 has them on a CPU.
 */
#include "op_case.h"

#define NUMBERS "float[6] nan 1 -1 -0 inf -inf"
#define SIX "float[2,3] 1 2 3 4 5 6"

static void test_reductions(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"Sum", "", {SIX, "int32 1"}, {"float[2] 6 15"}},
        {"Sum", "keep_dims=true", {SIX, "int32[1] -2"}, {"float[1,3] 5 7 9"}},
        {"Sum", "", {SIX, "int32[2] 1 0"}, {"float 21"}},
        {"Sum", "", {SIX, "int64[0]"}, {SIX}},
        {"Sum", "", {SIX, "int32[1,2] 0 1"}, {"float 21"}},
        {"Sum", "", {"float[0,3]", "int32 0"}, {"float[3] 0 0 0"}},
        {"Sum", "", {"complex64[2] 1+2i 3-1i", "int32 0"}, {"complex64 4+1i"}},
        {"Sum", "", {"uint8[2] 200 100", "int32 0"}, {"uint8 44"}},
        {"Sum", "", {SIX, "int32[2] 0 0"}, {"!Invalid reduction arguments: Axes contains duplicate dimension: 0"}},
        {"Sum", "", {SIX, "int32[2] 0 -2"}, {"!Axes contains duplicate dimension: 0"}},
        {"Sum", "", {SIX, "int32 2"}, {"!Invalid reduction dimension (2 for input with 2 dimension(s)"}},
        {"Sum", "", {SIX, "int32 -3"}, {"!Invalid reduction dimension (-3 for input with 2 dimension(s)"}},
        {"Mean", "", {"float[0]", "int32 0"}, {"float nan"}},
        {"Mean", "", {"int32[3] -1 -2 -4", "int32 0"}, {"int32 -2"}},
        {"Mean", "", {"uint8[3] 200 201 250", "int32 0"}, {"uint8 217"}},
        {"Mean", "", {"half[4] 60000 60000 60000 60000", "int32 0"}, {"half 60000"}},
        {"Max", "", {"float[0]", "int32 0"}, {"float -inf"}},
        {"Max", "", {"int32[0]", "int32 0"}, {"int32 -2147483648"}},
        {"Max", "", {NUMBERS, "int32 0"}, {"float nan"}},
        {"Min", "", {"float[2] inf 3", "int32 0"}, {"float 3"}},
        {"Max", "", {"qint8[2] 1 5", "int32 0"}, {"qint8 5"}},
        {"Prod", "", {"float[0]", "int32 0"}, {"float 1"}},
        {"Prod", "", {"int64[3] 2 3 -4", "int32 0"}, {"int64 -24"}},
        {"EuclideanNorm", "", {"int32[3] 3 4 5", "int32 0"}, {"int32 7"}},
        {"EuclideanNorm", "", {"complex64[2] 3+1i 4+0i", "int32 0"}, {"complex64 5.0990195+0i"}},
        {"All", "", {"bool[2,2] 1 0 1 1", "int32 1"}, {"bool[2] 0 1"}},
        {"Any", "keep_dims=true", {"bool[2,2] 0 0 0 1", "int32 1"}, {"bool[2,1] 0 1"}},
        {"All", "", {"bool[0]", "int32 0"}, {"bool 1"}},
        {"L2Loss", "", {"float[3] 1 2 3"}, {"float 7"}},
        {"L2Loss", "", {"bfloat16[0]"}, {"bfloat16 0"}},
        {"ArgMax", "", {NUMBERS, "int32 0"}, {"int64 4"}},
        {"ArgMin", "output_type=int32", {NUMBERS, "int32 0"}, {"int32 5"}},
        {"ArgMax", "", {"float[2,3] 3 3 1 0 2 2", "int32 -1"}, {"int64[2] 0 1"}},
        {"ArgMax", "", {"float[0,2]", "int32 0"}, {"!Reduction axis 0 is empty in shape [0,2]"}},
        {"ArgMax", "", {"float[0,2]", "int32 1"}, {"int64[0]"}},
        {"ArgMax", "", {NUMBERS, "int32 1"}, {"!Expected dimension in the range [-1, 1), but got 1"}},
        {"ArgMax", "", {NUMBERS, "int32[1] 0"}, {"!dim must be a scalar, but received tensor of shape: [1]"}},
        {"ArgMax", "", {"bool[2] 0 1", "int32 0"}, {"int64 1"}},
        {"Cumsum", "exclusive=true reverse=true", {"int32[3] 1 2 3", "int32 0"}, {"int32[3] 5 3 0"}},
        {"Cumprod", "", {"float[2,2] 1 2 3 4", "int32 1"}, {"float[2,2] 1 2 3 12"}},
        {"Cumsum", "", {"float[2] 1 2", "int32 1"}, {"!ScanOp: Expected scan axis in the range [-1, 1), but got 1"}},
        {"Cumsum", "", {"float 1", "int32 0"}, {"!ScanOp: Expected scan axis in the range [0, 0), but got 0"}},
        {"CumulativeLogsumexp", "", {"float[3] 0 1 2", "int32 0"}, {"float[3] 0 1.3132617 2.4076061"}},
        {"CumulativeLogsumexp", "exclusive=true", {"float[3] 0 1 2", "int32 0"}, {"float[3] -inf 0 1.3132617"}},
    };
    CHECK_CASES(cases);
}

static void test_segments(void **state)
{
    (void)state;
#define D3 "float[3] 1 2 3"
#define IDS "int32[3] 0 0 3"
#define DROP "int32[3] 0 -1 2"
    static const op_case cases[] = {
        {"SegmentSum", "", {D3, IDS}, {"float[4] 3 0 0 3"}},
        {"SegmentMean", "", {D3, IDS}, {"float[4] 1.5 0 0 3"}},
        {"SegmentMax", "", {D3, IDS}, {"float[4] 2 0 0 3"}},
        {"SegmentMin", "", {D3, IDS}, {"float[4] 1 0 0 3"}},
        {"SegmentProd", "", {D3, IDS}, {"float[4] 2 1 1 3"}},
        {"SegmentMax", "", {"float[2] -inf -inf", "int32[2] 0 0"}, {"float[1] -inf"}},
        {"SegmentMean", "", {"int32[4] 1 2 -4 -5", "int32[4] 0 0 1 1"}, {"int32[2] 1 -4"}},
        {"SegmentMean", "", {"complex64[2] 1+2i 3+4i", "int64[2] 0 0"}, {"complex64[1] 2+3i"}},
        {"SegmentSum", "", {"float[0,2]", "int32[0]"}, {"float[0,2]"}},
        {"SegmentSum", "", {"int32[3,2] 1 2 3 4 5 6", "int64[3] 0 1 1"}, {"int32[2,2] 1 2 8 10"}},
        {"SegmentSum", "", {D3, "int32[3] 1 0 3"}, {"!segment ids are not increasing"}},
        {"SegmentSum", "", {D3, "int32[3] -1 0 3"}, {"!Segment id -1 out of range [0, 4)"}},
        {"SegmentSum", "", {D3, "int32[2] 0 3"}, {"!segment_ids should be the same size as dimension 0 of input."}},
        {"SegmentSum", "", {D3, "int32[1,3] 0 3 3"}, {"!segment_ids should be a vector."}},
        {"SegmentSumV2", "", {D3, IDS, "int32 6"}, {"float[6] 3 0 0 3 0 0"}},
        {"SegmentMaxV2", "", {D3, IDS, "int32 3"}, {"!out of range [0, 3)"}},
        {"SegmentProdV2", "", {D3, IDS, "int32 5"}, {"float[5] 2 1 1 3 1"}},
        {"SegmentMinV2", "", {D3, IDS, "int32 4"}, {"float[4] 1 0 0 3"}},
        {"UnsortedSegmentSum", "", {D3, DROP, "int32 4"}, {"float[4] 1 0 3 0"}},
        {"UnsortedSegmentMax", "", {D3, DROP, "int32 4"}, {"float[4] 1 -3.4028235e38 3 -3.4028235e38"}},
        {"UnsortedSegmentMin", "", {"int32[3] 1 2 3", DROP, "int32 4"}, {"int32[4] 1 2147483647 3 2147483647"}},
        {"UnsortedSegmentMax", "", {"int8[1] 1", "int32[1] 0", "int32 2"}, {"int8[2] 1 -128"}},
        {"UnsortedSegmentMin", "", {"uint8[1] 1", "int32[1] 0", "int32 2"}, {"uint8[2] 1 255"}},
        {"UnsortedSegmentMin", "", {"half[1] 1", "int32[1] 0", "int32 2"}, {"half[2] 1 65504"}},
        {"UnsortedSegmentProd", "", {D3, "int32[3] 1 1 0", "int64 3"}, {"float[3] 3 2 1"}},
        {"UnsortedSegmentSum", "", {"float[2,2] 1 2 3 4", "int32[2,2] 0 1 1 0", "int32 2"}, {"float[2] 5 5"}},
        {"UnsortedSegmentSum", "", {"float[2] 1 2", "int32 1", "int32 2"}, {"float[2,2] 0 0 1 2"}},
        {"UnsortedSegmentSum", "", {D3, "int32[3] 0 -1 4", "int32 4"}, {"!segment_ids[2] = 4 is out of range [0, 4)"}},
        {"UnsortedSegmentSum", "", {D3, "int32[2] 0 -1", "int32 4"}, {"!does not start with segment_ids.shape = [2]"}},
        {"UnsortedSegmentSum", "", {D3, DROP, "int32 -1"}, {"!Input num_segments == -1 must not be negative."}},
        {"UnsortedSegmentSum", "", {D3, DROP, "int32[1] 1"}, {"!num_segments should be a scalar, not shape [1]"}},
    };
    CHECK_CASES(cases);
}

static void test_sparse_segments(void **state)
{
    (void)state;
#define D43 "float[4,3] 0 1 2 3 4 5 6 7 8 9 10 11"
#define PICK "int32[3] 0 3 1"
#define S2 "int32[3] 0 0 2"
#define G33 "float[3,3] 1 1 1 1 1 1 1 1 1"
    static const op_case cases[] = {
        {"SparseSegmentSum", "", {D43, PICK, S2}, {"float[3,3] 9 11 13 0 0 0 3 4 5"}},
        {"SparseSegmentMean", "", {D43, PICK, S2}, {"float[3,3] 4.5 5.5 6.5 0 0 0 3 4 5"}},
        {"SparseSegmentSqrtN", "", {D43, PICK, S2}, {"float[3,3] 6.3639607 7.7781744 9.192388 0 0 0 3 4 5"}},
        {"SparseSegmentSum", "", {"int64[2] 5 7", "int64[2] 1 1", "int64[2] 0 0"}, {"int64[1] 14"}},
        {"SparseSegmentSum", "", {D43, "int32[0]", "int32[0]"}, {"float[0,3]"}},
        {"SparseSegmentSumWithNumSegments", "", {D43, PICK, S2, "int32 4"}, {"float[4,3] 9 11 13 0 0 0 3 4 5 0 0 0"}},
        {"SparseSegmentMeanWithNumSegments", "", {D43, PICK, S2, "int32 3"}, {"float[3,3] 4.5 5.5 6.5 0 0 0 3 4 5"}},
        {"SparseSegmentSqrtNWithNumSegments", "", {D43, PICK, S2, "int32 2"}, {"!segment ids must be < num_segments"}},
        {"SparseSegmentSumGrad", "", {G33, PICK, S2, "int32 4"}, {"float[4,3] 1 1 1 1 1 1 0 0 0 1 1 1"}},
        {"SparseSegmentMeanGrad", "", {G33, PICK, S2, "int32 4"}, {"float[4,3] 0.5 0.5 0.5 1 1 1 0 0 0 0.5 0.5 0.5"}},
        {"SparseSegmentSqrtNGrad", "", {"half[1] 1", "int32[2] 0 0", "int32[2] 0 0", "int32 1"}, {"half[1] 1.4142"}},
        {"SparseSegmentSum", "", {D43, "int32[2] 0 4", "int32[2] 0 0"}, {"!Bad: indices[1] == 4 out of range [0, 4)"}},
        {"SparseSegmentSum", "", {D43, "int32[2] 0 1", "int32[2] 1 0"}, {"!segment ids are not increasing"}},
        {"SparseSegmentSum", "", {D43, "int32[2] 0 1", "int32[2] -1 0"}, {"!Segment id -1 out of range [0, 1)"}},
        {"SparseSegmentSum", "", {D43, "int32[2] 0 1", "int32[1] 0"}, {"!segment_ids and indices should have same size."}},
        {"SparseSegmentSumGrad", "", {G33, PICK, S2, "int32 2"}, {"!Index 3 out of range [0, 2)."}},
        {"SparseSegmentSumGrad", "", {G33, PICK, "int32[3] 0 0 4", "int32 4"}, {"!Invalid number of segments"}},
        {"SparseSegmentSumGrad", "", {G33, PICK, S2, "int32[0]"}, {"!Shape must be rank 0"}},
        {"SparseSegmentSumWithNumSegments", "", {D43, PICK, S2, "int32[0]"}, {"!Shape must be rank 0"}},
        {"SegmentSumV2", "", {D43, "int32[4] 0 0 0 0", "int32[0]"}, {"!Shape must be rank 0"}},
        {"SegmentSum", "", {"float[1] 1", "int64[1] 9223372036854775807"}, {"!segment ids must be >= 0"}},
        {"Bincount", "", {"int32[1] 1", "int32[0]", "int32[0]"}, {"!Shape must be rank 0"}},
        {"MatrixDiagV3", "", {"int32[2] 1 2", "int32 1", "int32[0]", "int32 -1", "int32 9"}, {"!Shape must be rank 0"}},
        {"MatrixDiagPartV3", "", {"int32[2,2] 1 2 3 4", "int32 1", "int32[0]"}, {"!Shape must be rank 0"}},
        {"InTopKV2", "", {"float[1,1] 1", "int32[1] 0", "int32[0]"}, {"!Shape must be rank 0"}},
        {"LinSpace", "", {"float[0]", "float 1", "int32 2"}, {"!Shape must be rank 0"}},
        {"Range", "", {"int32[0]", "int32 1", "int32 2"}, {"!"}},
        {"Bincount", "", {"int32[4] 1 1 3 9", "int32 5", "int32[0]"}, {"int32[5] 0 2 0 1 0"}},
        {"Bincount", "", {"int32[4] 1 1 3 9", "int32 5", "float[4] 0.5 1 2 3"}, {"float[5] 0 1.5 0 2 0"}},
        {"Bincount", "", {"int32[1] -1", "int32 5", "int32[0]"}, {"!Input arr must be non-negative!"}},
        {"DenseBincount", "", {"int64[2,3] 1 1 3 0 0 9", "int64 4", "int64[0]"}, {"int64[2,4] 0 2 0 1 2 0 0 0"}},
        {"DenseBincount", "binary_output=true", {"int32[2,3] 1 1 3 0 0 9", "int32 4", "float[0]"}, {"float[2,4] 0 1 0 1 1 0 0 0"}},
        {"DenseBincount", "", {"int32[2,3] 1 1 3 0 0 9", "int32 4", SIX}, {"float[2,4] 0 3 0 3 9 0 0 0"}},
        {"DenseBincount", "", {"int32 1", "int32 2", "int32[0]"}, {"int32[2] 0 1"}},
        {"DenseBincount", "", {"int32[1] 1", "int32 -5", "int32[0]"}, {"!size (-5) must be non-negative"}},
        {"DenseBincount", "", {"int32[2] 1 2", "int32 5", "float[1] 1"}, {"!`weights` must be the same shape as `arr`"}},
    };
    CHECK_CASES(cases);
}

static void test_products(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"MatMul", "transpose_b=true", {SIX, "float[1,3] 1 1 1"}, {"float[2,1] 6 15"}},
        {"MatMul", "transpose_a=true", {"int64[2,1] 1 2", "int64[2,1] 3 4"}, {"int64[1,1] 11"}},
        {"MatMul", "", {"uint8[1,2] 200 1", "uint8[2,1] 2 3"}, {"uint8[1,1] 147"}},
        {"MatMul", "", {"bfloat16[1,2] 1 2", "bfloat16[2,1] 2 3"}, {"bfloat16[1,1] 8"}},
        {"MatMul", "", {"float[2,0]", "float[0,3]"}, {"float[2,3] 0 0 0 0 0 0"}},
        {"MatMul", "", {"float[0,2]", "float[2,1] 1 2"}, {"float[0,1]"}},
        {"MatMul", "", {SIX, "float[2,1] 1 2"}, {"!Matrix size-incompatible: In[0]: [2,3], In[1]: [2,1]"}},
        {"MatMul", "", {"float[2] 1 2", "float[2,1] 1 2"}, {"!In[0] and In[1] has different ndims: [2] vs. [2,1]"}},
        {"BatchMatMul", "adj_x=true", {"complex64[1,1,1] 1+2i", "complex64[1,1,1] 1+0i"}, {"complex64[1,1,1] 1-2i"}},
        {"BatchMatMulV2", "", {"float[2,1,1,2] 1 2 3 4", "float[3,2,1] 1 1 2 2 3 3"}, {"float[2,3,1,1] 3 6 9 7 14 21"}},
        {"BatchMatMulV2", "", {"float[2,2,1] 1 2 3 4", "float[3,1,1] 1 2 3"}, {"!In[0] and In[1] must have compatible batch dimensions: [2,2,1] vs. [3,1,1]"}},
        {"BatchMatMulV2", "", {"float[2] 1 2", "float[2,1] 1 2"}, {"!In[0] ndims must be >= 2: 1"}},
        {"BatchMatMul", "", {"float[1,1] 1", "float[1,1,1] 1"}, {"!In[0] and In[1] has different ndims"}},
        {"BatchMatMulV3", "Tout=int32", {"int8[1,1,2] 100 100", "int8[1,2,1] 100 1"}, {"int32[1,1,1] 10100"}},
        {"Cross", "", {"float[3] 1 2 3", "float[3] 4 5 6"}, {"float[3] -3 6 -3"}},
        {"Cross", "", {"int32[1,3] 1 2 3", "int32[1,3] 4 5 6"}, {"int32[1,3] -3 6 -3"}},
        {"Cross", "", {"float[2] 1 2", "float[2] 1 2"}, {"!Cross-products are only defined for 3-element vectors."}},
        {"Cross", "", {"float[3] 1 2 3", "float[1,3] 1 2 3"}, {"!Both inputs must be of same shape: [3] vs. [1,3]"}},
    };
    CHECK_CASES(cases);
}

static void test_einsum(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"Einsum", "equation=ij,jk->ik", {SIX, "float[3,1] 1 1 2"}, {"float[2,1] 9 21"}},
        {"Einsum", "equation=ij,kj->ki", {SIX, "float[1,3] 1 1 2"}, {"float[1,2] 9 21"}},
        {"Einsum", "equation=ji,jk->ik", {"float[3,2] 1 4 2 5 3 6", "float[3,1] 1 1 2"}, {"float[2,1] 9 21"}},
        {"Einsum", "equation=ij->ji", {SIX}, {"float[3,2] 1 4 2 5 3 6"}},
        {"Einsum", "equation=ij->", {SIX}, {"float 21"}},
        {"Einsum", "equation=ij->j", {SIX}, {"float[3] 5 7 9"}},
        {"Einsum", "equation=ii->i", {"float[2,2] 1 2 3 4"}, {"float[2] 1 4"}},
        {"Einsum", "equation=ii->", {"int32[2,2] 1 2 3 4"}, {"int32 5"}},
        {"Einsum", "equation=i->ii", {"float[2] 1 2"}, {"float[2,2] 1 0 0 2"}},
        {"Einsum", "equation=i,j->ij", {"float[2] 1 2", "float[3] 1 2 3"}, {"float[2,3] 1 2 3 2 4 6"}},
        {"Einsum", "equation=ij,ij->", {SIX, SIX}, {"float 91"}},
        {"Einsum", "equation=ij,k->i", {SIX, "float[2] 1 2"}, {"float[2] 18 45"}},
        {"Einsum", "equation=bij,bjk->bik", {"float[2,1,2] 1 2 3 4", "float[2,2,1] 1 1 2 2"}, {"float[2,1,1] 3 14"}},
        {"Einsum", "equation=ibj,bjk->kbi", {"float[1,2,2] 1 2 3 4", "float[2,2,1] 1 1 2 2"}, {"float[1,2,1] 3 14"}},
        {"Einsum", "equation=...a,...b->...ab", {"float[2,1] 1 2", "float[3,1,1] 1 2 3"}, {"float[3,2,1,1] 1 2 2 4 3 6"}},
        {"Einsum", "equation=a...->...a", {"float[2,3] 1 2 3 4 5 6"}, {"float[3,2] 1 4 2 5 3 6"}},
        {"Einsum", "equation=->", {"float 3"}, {"float 3"}},
        {"Einsum", "equation=ij,jk->ik", {"float[2,0]", "float[0,1]"}, {"float[2,1] 0 0"}},
        {"Einsum", "equation=ij->i", {"float[2,0]"}, {"float[2] 0 0"}},
        {"Einsum", "equation=ab,bc->ac", {SIX, "float[2,1] 1 2"}, {"!Expected dimension 3 at axis 0 of the input shaped [2,1] but got dimension 2"}},
        {"Einsum", "equation=ab->abc", {SIX}, {"!label 'c' of the output is in no input"}},
        {"Einsum", "equation=ab,bc->ac", {SIX}, {"!Expected 2 inputs but got: 1"}},
        {"Einsum", "equation=ab", {SIX}, {"!Expecting exactly one '->' in einsum equation: ab"}},
        {"Einsum", "equation=abc->a", {SIX}, {"!Expected input 0 to have rank 3 but got: 2"}},
        {"Einsum", "equation=a,b,c->abc", {SIX}, {"!Expecting 1 or 2 input subscripts in equation 'a,b,c->abc' but got: 3"}},
        {"Einsum", "equation=...a->a", {SIX}, {"!Output contains 1 broadcasting dimension(s) but no ellipsis"}},
        {"Einsum", "equation=...a,...b->...ab", {SIX, "float[3,1] 1 2 3"}, {"!Invalid broadcasting dimensions"}},
        {"Einsum", "equation=a,a->a", {"string[1] a", "string[1] b"}, {"!Einsum of string is not supported"}},
    };
    CHECK_CASES(cases);
}

static void test_diagonals(void **state)
{
    (void)state;
#define M34 "int32[3,4] 0 1 2 3 4 5 6 7 8 9 10 11"
#define ANY "int32 -1"
#define PAD "int32 9"
    static const op_case cases[] = {
        {"Diag", "", {"int32[2] 1 2"}, {"int32[2,2] 1 0 0 2"}},
        {"Diag", "", {"float 1"}, {"!Input must be at least rank 1, got 0"}},
        {"DiagPart", "", {"float[2,2] 1 2 3 4"}, {"float[2] 1 4"}},
        {"DiagPart", "", {SIX}, {"!Invalid shape [2,3]: dimensions 0 and 1 do not match."}},
        {"MatrixBandPart", "", {M34, "int64 1", "int64 -1"}, {"int32[3,4] 0 1 2 3 4 5 6 7 0 9 10 11"}},
        {"MatrixBandPart", "", {M34, "int64 0", "int64 0"}, {"int32[3,4] 0 0 0 0 0 5 0 0 0 0 10 0"}},
        {"MatrixBandPart", "", {M34, "int64 5", "int64 0"}, {"!num_lower must be negative or less or equal to number of rows (3) got: 5"}},
        {"MatrixBandPart", "", {"float[3] 1 2 3", "int64 0", "int64 0"}, {"!input must be at least 2-dim, received shape: [3]"}},
        {"MatrixDiag", "", {"float[1,2] 1 2"}, {"float[1,2,2] 1 0 0 2"}},
        {"MatrixDiagV2", "", {"int32[3,3] 1 2 0 3 4 5 6 7 0", "int32[2] -1 1", ANY, ANY, PAD}, {"int32[3,3] 3 1 9 6 4 2 9 7 5"}},
        {"MatrixDiagV3", "", {"int32[2] 1 2", "int32 1", ANY, ANY, PAD}, {"int32[3,3] 9 1 9 9 9 2 9 9 9"}},
        {"MatrixDiagV3", "", {"int32[2] 1 2", "int32 -1", "int32 3", "int32 4", PAD}, {"int32[3,4] 9 9 9 9 1 9 9 9 9 2 9 9"}},
        {"MatrixDiagV3", "", {"int32[3,3] 1 2 0 3 4 5 0 6 7", "int32[2] -1 1", ANY, ANY, PAD}, {"int32[3,3] 3 2 9 0 4 0 9 6 5"}},
        {"MatrixDiagV3", "", {"int32[2] 1 2", "int32[2] 1 0", ANY, ANY, PAD}, {"!lower_diag_index must not be larger than upper_diag_index: 1 > 0"}},
        {"MatrixDiagV3", "", {"int32[1,3] 1 2 3", "int32[2] 0 1", ANY, ANY, PAD}, {"!The number of diagonals provided in the input does not match"}},
        {"MatrixDiagV3", "", {"int32[2] 1 2", "int32 0", "int32 1", "int32 1", PAD}, {"!The number of rows is too small."}},
        {"MatrixDiagV3", "", {"int32[2] 1 2", "int32 0", "int32 4", "int32 5", PAD}, {"!The number of rows or columns is not consistent"}},
        {"MatrixDiagPart", "", {M34}, {"int32[3] 0 5 10"}},
        {"MatrixDiagPartV2", "", {M34, "int32[2] -2 -1", PAD}, {"int32[2,2] 4 9 8 9"}},
        {"MatrixDiagPartV3", "", {M34, "int32[2] -1 1", PAD}, {"int32[3,3] 1 6 11 0 5 10 4 9 9"}},
        {"MatrixDiagPartV3", "align=LEFT_RIGHT", {M34, "int32[2] -2 3", PAD}, {"int32[6,3] 3 9 9 2 7 9 1 6 11 0 5 10 9 4 9 9 9 8"}},
        {"MatrixDiagPartV3", "", {M34, "int32 4", PAD}, {"!lower_diag_index is out of bound: 4. It must be between -3 and 4"}},
        {"MatrixSetDiag", "", {"int32[2,2] 1 2 3 4", "int32[2] 8 9"}, {"int32[2,2] 8 2 3 9"}},
        {"MatrixSetDiag", "", {"int32[2,2] 1 2 3 4", "int32[1] 8"}, {"!Expected diagonal shape: [2]"}},
        {"MatrixSetDiagV2", "", {M34, "int32[3] 50 51 52", "int32 1"}, {"int32[3,4] 0 50 2 3 4 5 51 7 8 9 10 52"}},
        {"MatrixSetDiagV3", "", {M34, "int32[2,3] 1 2 3 4 5 6", "int32[2] -1 0"}, {"int32[3,4] 1 1 2 3 4 2 6 7 8 5 3 11"}},
    };
    CHECK_CASES(cases);
}

static void test_sequences(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"Range", "", {"int32 5", "int32 0", "int32 -2"}, {"int32[3] 5 3 1"}},
        {"Range", "", {"float 0", "float 1", "float 0.3"}, {"float[4] 0 0.3 0.6 0.9"}},
        {"Range", "", {"int64 3", "int64 3", "int64 1"}, {"int64[0]"}},
        {"Range", "", {"half 0", "half 2", "half 0.5"}, {"half[4] 0 0.5 1 1.5"}},
        {"Range", "", {"int32 0", "int32 5", "int32 0"}, {"!Requires delta != 0: 0"}},
        {"Range", "", {"int32 0", "int32 5", "int32 -1"}, {"!Requires start >= limit when delta < 0: 0/5"}},
        {"Range", "", {"float 0", "float inf", "float 1"}, {"!Requires ((limit - start) / delta)"}},
        {"Range", "", {"int64 -9223372036854775807", "int64 9223372036854775807", "int64 1"}, {"!Requires ((limit - start) / delta)"}},
        {"LinSpace", "", {"float 0.1", "float 1.7", "int32 4"}, {"float[4] 0.1 0.6333334 1.1666667 1.7"}},
        {"LinSpace", "", {"double 3", "double 1", "int32 1"}, {"double[1] 3"}},
        {"LinSpace", "", {"float 0", "float 1", "int32 0"}, {"!Requires num > 0: 0"}},
        {"BroadcastGradientArgs", "", {"int32[3] 2 1 1", "int32[2] 1 1"}, {"int32[2] 1 2", "int32[3] 0 1 2"}},
        {"BroadcastGradientArgs", "", {"int32[2] 2 3", "int32[2] 2 3"}, {"int32[0]", "int32[0]"}},
        {"BroadcastGradientArgs", "", {"int64[0]", "int64[2] 3 1"}, {"int64[2] 0 1", "int64[1] 1"}},
        {"BroadcastGradientArgs", "", {"int32[2] 0 3", "int32[2] 1 3"}, {"int32[0]", "int32[1] 0"}},
        {"BroadcastGradientArgs", "", {"int32[2] 2 3", "int32[1] 4"}, {"!Incompatible shapes: [2,3] vs. [4]"}},
        {"BroadcastGradientArgs", "", {"int32 2", "int32[1] 4"}, {"!In[0] must be a vector.[]"}},
        {"BroadcastArgs", "", {"int32[2] 2 1", "int32[1] 3"}, {"int32[2] 2 3"}},
        {"BroadcastArgs", "", {"int32[2] 2 2", "int32[1] 3"}, {"!Incompatible shapes: [2,2] vs. [3]"}},
        {"Bucketize", "boundaries=[0,1]", {"float[4] -1 0 5 nan"}, {"int32[4] 0 1 2 2"}},
        {"Bucketize", "boundaries=[1,0]", {"float[1] -1"}, {"!Expected sorted boundaries"}},
        {"TopKV2", "", {"float[2,3] 1 3 2 5 5 4", "int32 2"}, {"float[2,2] 3 2 5 5", "int32[2,2] 1 2 0 1"}},
        {"TopKV2", "index_type=int64", {"int64[3] 1 9223372036854775807 9223372036854775806", "int32 1"}, {"int64[1] 9223372036854775807", "int64[1] 1"}},
        {"TopKV2", "", {"float[3] nan 1 2", "int32 2"}, {"float[2] 2 1", "int32[2] 2 1"}},
        {"TopKV2", "", {"float[2] 1 2", "int32 0"}, {"float[0]", "int32[0]"}},
        {"TopK", "k=1", {"uint8[3] 1 200 3"}, {"uint8[1] 200", "int32[1] 1"}},
        {"TopKV2", "", {"float[2] 1 2", "int32 3"}, {"!input must have at least k columns. Had 2, needed 3"}},
        {"TopKV2", "", {"float[2] 1 2", "int32 -1"}, {"!Need k >= 0, got -1"}},
        {"TopKV2", "", {"float 1", "int32 1"}, {"!input must be >= 1-D, got shape []"}},
        {"InTopKV2", "", {"float[5,3] 0.1 0.5 0.5 nan 0.2 0.3 inf 1 2 1 1 1 1 2 3", "int32[5] 2 1 0 2 7", "int32 1"}, {"bool[5] 1 0 0 1 0"}},
        {"InTopK", "k=2", {"float[1,3] 3 2 1", "int64[1] 1"}, {"bool[1] 1"}},
        {"InTopKV2", "", {"float[2,1] 1 2", "int32[1] 0", "int32 1"}, {"!First dimension of predictions 2 must match length of targets 1"}},
    };
    CHECK_CASES(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reductions), cmocka_unit_test(test_segments),  cmocka_unit_test(test_products),
        cmocka_unit_test(test_einsum),     cmocka_unit_test(test_diagonals), cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_sparse_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
