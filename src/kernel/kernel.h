/* SPDX-License-Identifier: Apache-2.0
 *
 * kernel.h - how fast: the loops over numbers. Knows dtypes, shapes and raw pointers; nothing of graphs,
 * tensors' ownership or operators' attributes.
 *
 * The manner is the same everywhere: X_prepare checks sizes once, chooses a path and says in the plan how
 * many bytes of scratch a run needs; X_run never allocates, may be called any number of times and from
 * several threads at once (each with scratch of its own), and uses plan->threads OpenMP threads when there
 * is enough to do. Plans without a _free are plain structs and may be copied.
 *
 * Invariants: the same arguments, processor and thread count give the same bits. A count of zero is always
 * fine and touches nothing. Arrays are aligned to their elements' size (to 8 for complex128): bytes out of a file
 * are not, and must be copied first. Scratch is aligned to 64 bytes; a scratch size of 0 allows NULL. Inputs may
 * alias the output only where a comment says so.
 */
#ifndef TN_KERNEL_H
#define TN_KERNEL_H

#include "../tensor/tensor.h"

/* ==== the machine (isa.c) ==== */

/* Flushes denormals to zero (FTZ, DAZ) in the calling thread and in its team of OpenMP threads. */
void tn_kernel_thread_init(int threads);
/* Ends the calling thread's team: of a thread that has led one and will not soon again. Teams of several threads
 * that are more than the cores together wait asleep from step to step. */
void tn_kernel_team_end(void);
/* Sets of instructions the hot loops are compiled for; the best one the processor has is used. */
typedef enum tn_isa_level { TN_ISA_BASE, TN_ISA_V3, TN_ISA_V4, TN_ISA_AMX, TN_ISA_LEVELS } tn_isa_level;
tn_isa_level tn_isa_best(void);
/* Test hook: plans prepared from now on use at most this level. TN_ISA_LEVELS: no limit. */
void tn_isa_limit(tn_isa_level level);

/* ==== matrix product (gemm.c) ==== */

typedef enum tn_act {
    TN_ACT_NONE,
    TN_ACT_RELU,
    TN_ACT_RELU6,
    TN_ACT_TANH,
    TN_ACT_SIGMOID,
    TN_ACT_ELU,
    TN_ACT_LEAKY_RELU,
    TN_ACT_SELU,
    TN_ACT_SOFTPLUS
} tn_act;

/* c[m,n] = act(op(a)[m,k] * op(b)[k,n] + bias[n]) (+ c before, when accumulating; then no act, no bias).
 * All row-major; ta: a is stored [k,m]; tb: b is stored [n,k]. */
typedef struct tn_gemm_desc {
    tn_dtype dtype; /* float, double, half, bfloat16, int32, int64, complex64, complex128 */
    int64_t m, n, k;
    bool ta, tb;
    bool conj_a, conj_b;   /* complex: take the conjugate as well */
    int64_t lda, ldb, ldc; /* elements from row to row; 0: tight */
    bool accumulate, bias; /* float and double only */
    int64_t bias_row;      /* 0: one bias for all rows; else each row's own, so many elements apart; no batches */
    tn_act act;            /* float only */
    float alpha;           /* LEAKY_RELU's slope */
    bool packs;            /* b will be packed once, for many runs (no effect where that gains nothing) */
    bool splits;           /* then: tn_gemm_splits says so of it */
    int threads;
    /* Batches, with broadcasting: batch_rank outer dimensions; strides in elements (0 repeats a
     * matrix). c's batches are dense, one after another. */
    int batch_rank;
    int64_t batch_dim[TN_MAX_RANK], batch_a[TN_MAX_RANK], batch_b[TN_MAX_RANK];
} tn_gemm_desc;

typedef struct tn_gemm_plan {
    tn_gemm_desc d;
    int path;    /* gemm.c's business */
    int threads; /* really used */
    int isa;
    int64_t mc, nc, kc, batches;
    size_t scratch; /* bytes a run needs */
    size_t packed;  /* bytes of a packed b (tn_gemm_pack_b); 0: packing gains nothing */
} tn_gemm_plan;

bool tn_gemm_takes(tn_dtype t); /* products of others are UNIMPLEMENTED */
tn_code tn_gemm_prepare(const tn_gemm_desc *d, tn_gemm_plan *plan, tn_error *err);
/* bias NULL when !d.bias. */
void tn_gemm_run(const tn_gemm_plan *plan, const void *a, const void *b, const void *bias, void *c,
                 void *scratch);
/* All are less than 2^127: the matrix may be split (gemm_amx.c). */
bool tn_gemm_splits(const float *b, int64_t n);
/* A b that stays the same over many runs may be packed once (plan->packed bytes, 64-byte aligned). */
void tn_gemm_pack_b(const tn_gemm_plan *plan, const void *b, void *packed);
/* Bytes of the b that tn_gemm_unpack_b makes again of what was packed for this plan; 0: it cannot. */
size_t tn_gemm_unpacks(const tn_gemm_plan *plan);
void tn_gemm_unpack_b(const tn_gemm_plan *plan, const void *packed, void *b);
/* backwards: begins at b's other end. The same bits; but who turns round from run to run finds in the cache what
 * was last used there, when b is larger than the cache. */
void tn_gemm_run_packed(const tn_gemm_plan *plan, const void *a, const void *packed, const void *bias,
                        void *c, void *scratch, bool backwards);

/* ==== a sparse matrix times a dense one (sparse_gemm.c) ==== */

/* c[rows, cols] = op(a) * op(b)[inner, cols]; op(a)[rows, inner] has `count` elements, values[e] at index[e][2]
 * (of a itself: row, column). adjoint: transposed and, complex, conjugated. */
typedef struct tn_sparse_gemm {
    tn_dtype dtype, index; /* float, double, int32, int64, complex64, complex128; int32 or int64 */
    int64_t rows, inner, cols, count;
    bool adjoint_a, adjoint_b;
} tn_sparse_gemm;
/* INVALID_ARGUMENT names the first index outside; then c is as it was. */
tn_code tn_sparse_gemm_run(const tn_sparse_gemm *d, const void *index, const void *values, const void *b, void *c,
                           tn_error *err);

/* ==== convolution (conv_tile.c, onednn_conv.c, conv_direct.c) ==== */

typedef enum tn_conv_kind { TN_CONV_FORWARD, TN_CONV_BACKWARD_DATA, TN_CONV_BACKWARD_FILTER } tn_conv_kind;

typedef enum tn_pool_kind { TN_POOL_MAX, TN_POOL_AVG } tn_pool_kind;
typedef struct tn_pool_desc {
    tn_pool_kind kind;
    tn_dtype dtype; /* max: all real numbers; avg: half, bfloat16, float, double */
    int64_t batch, channels, in[2], out[2], window[2], stride[2], pad_lo[2];
    int threads;
} tn_pool_desc;

/* Activations are [batch, spatial..., channels]; the filter is TensorFlow's [spatial..., in_c / groups,
 * out_c]. A depthwise filter [h, w, c, m] is the same memory as groups = c, out_c = c * m. Index 0 of the
 * arrays is the outermost spatial dimension. */
typedef struct tn_conv_desc {
    tn_conv_kind kind;
    tn_dtype dtype; /* float, double, half, bfloat16, int32 */
    int spatial;    /* 1, 2 or 3 */
    int64_t batch, in_c, out_c, groups;
    int64_t in[3], filter[3], out[3], stride[3], dilation[3], pad_lo[3], pad_hi[3];
    bool bias;  /* FORWARD: adds it; BACKWARD_FILTER: also gives its gradient */
    tn_act act; /* FORWARD: after the bias */
    float alpha;
    bool pools; /* FORWARD, float, two dimensions: what is written is the pool of the result (of size out) */
    tn_pool_desc pool; /* no padding; windows that do not overlap */
    int threads;
    bool portable; /* never oneDNN: the slow path that the others are tested against */
} tn_conv_desc;

typedef struct tn_conv tn_conv;
/* INVALID_ARGUMENT when the sizes do not fit together. */
tn_code tn_conv_new(const tn_conv_desc *d, tn_conv **out, tn_error *err);
void tn_conv_free(tn_conv *c);
void tn_conv_rest(tn_conv *c); /* what runs have left and the next one makes anew goes; NULL: nothing */
size_t tn_conv_scratch(const tn_conv *c);
/* FORWARD, BACKWARD_DATA: bytes of the filter in the layout the kernel likes; 0: it takes it as it is. */
size_t tn_conv_packed(const tn_conv *c);
/* Convolutions with the same number here, and as many bytes, pack a filter alike. */
uint64_t tn_conv_packed_layout(const tn_conv *c);
tn_code tn_conv_pack(const tn_conv *c, const void *filter, void *packed, void *scratch, tn_error *err);
/* Where the elements of a filter are in a packed one, for who has no kernel at hand. */
typedef struct tn_filter_form {
    int n, n_blocks; /* dimensions of more than one */
    int64_t dim[6], own[6], outer[6]; /* elements apart: in TensorFlow's layout; blocks in the packed one */
    struct {
        int dim; /* -1: one that is left out */
        int64_t size;
    } block[6]; /* outermost first, the last has its elements side by side */
} tn_filter_form;
bool tn_conv_form(const tn_conv *c, tn_filter_form *out); /* false: packed filters are of another kind */
void tn_filter_unpack(const tn_filter_form *f, const float *packed, float *filter);
/* tn_conv_pack without the kernel, where tn_conv_reads_both and the type is float. */
void tn_conv_pack_alone(const tn_conv_desc *d, const void *filter, void *packed);
/* oneDNN keeps what it has made for whoever asks for the same again: that of nobody goes. */
void tn_conv_forget_unused(void);
/* Runs that have a packed filter look at the other one, too. */
bool tn_conv_reads_both(const tn_conv *c);
/* From now on runs have a packed filter: what only packing needs is forgotten, and scratch may be less. */
void tn_conv_only_packed(tn_conv *c);
/* FORWARD reads in, filter, bias, writes out. BACKWARD_DATA reads out, filter, writes in.
 * BACKWARD_FILTER reads in, out, writes filter (and bias). packed, when not NULL, replaces filter. */
typedef struct tn_conv_args {
    void *in, *filter, *bias, *out;
    const void *packed; /* NULL, or what tn_conv_pack made of the filter, which is given, too */
    void *scratch;
} tn_conv_args;
tn_code tn_conv_run(const tn_conv *c, const tn_conv_args *args, tn_error *err);
/* Output size and padding of one dimension. same: TensorFlow's SAME, else VALID. Sizes are >= 0,
 * stride and dilation >= 1. */
void tn_window_size(int64_t in, int64_t filter, int64_t stride, int64_t dilation, bool same, int64_t *out,
                    int64_t *pad_lo, int64_t *pad_hi);

/* ==== pooling (pool.c) ==== [batch, h, w, channels] */

tn_code tn_pool_check(const tn_pool_desc *d, tn_error *err); /* once, before the runs */
void tn_pool_forward(const tn_pool_desc *d, const void *in, void *out);
/* MAX: needs the input; the gradient goes to the first maximum of a window. AVG: in may be NULL. */
void tn_pool_backward(const tn_pool_desc *d, const void *in, const void *grad_out, void *grad_in);
/* The index within the image (or within the batch) of each maximum; int64 results. */
void tn_max_pool_argmax(const tn_pool_desc *d, const void *in, void *out, int64_t *argmax,
                        bool include_batch);

/* ==== pooling of volumes (pool3d.c) ==== floats [batch, depth, h, w, channels] */

typedef struct tn_pool3d_desc {
    int64_t batch, channels, in[3], out[3], window[3], stride[3], pad_lo[3];
    int threads;
} tn_pool3d_desc;
/* Sizes checked, once. INVALID_ARGUMENT: a window that does not meet the input. */
tn_code tn_pool3d_check(const tn_pool3d_desc *d, tn_error *err);
void tn_pool3d_max(const tn_pool3d_desc *d, const float *in, float *out);
void tn_pool3d_avg(const tn_pool3d_desc *d, const float *in, float *out);
/* The gradient goes to every element that equals its window's maximum (out: the maxima). */
void tn_pool3d_max_back(const tn_pool3d_desc *d, const float *in, const float *out, const float *grad, float *grad_in);
void tn_pool3d_avg_back(const tn_pool3d_desc *d, const float *grad, float *grad_in);
/* values (of the input's shape) where the first maximum of each window is. */
void tn_pool3d_take(const tn_pool3d_desc *d, const float *in, const float *values, float *out);

/* ==== dilation (dilation.c) ==== in[batch, h, w, channels], filter[h, w, channels]; all real numbers */

typedef enum tn_dilation_kind { TN_DILATION_FORWARD, TN_DILATION_BY_INPUT, TN_DILATION_BY_FILTER } tn_dilation_kind;
typedef struct tn_dilation_desc {
    tn_dilation_kind kind;
    tn_dtype dtype;
    int64_t batch, channels, in[2], filter[2], out[2], stride[2], rate[2], pad_lo[2];
} tn_dilation_desc;
/* dy: the gradient of the result, of the backward kinds; their results are of the input's or the filter's shape. */
void tn_dilation(const tn_dilation_desc *d, const void *in, const void *filter, const void *dy, void *out);

/* ==== pointwise (pointwise.c, program.c) ==== */

/* TensorFlow's meaning and order of arguments throughout: the gradient forms of y-based ops take
 * (y, dy), those of x-based activations (dy, x) or, elu and selu, (dy, y). Comparisons give bool (or, in a
 * program, 1 and 0). IDENTITY copies. REAL, IMAG, COMPLEX_ABS, ANGLE give the real type; COMPLEX(re, im)
 * the complex one. Columns: name, arguments. */
/* clang-format off */
#define TN_PW_OPS(X) \
    X(IDENTITY, 1) X(NEG, 1) X(ABS, 1) X(SIGN, 1) X(SQUARE, 1) X(SQRT, 1) X(RSQRT, 1) X(RECIPROCAL, 1) \
    X(EXP, 1) X(EXPM1, 1) X(LOG, 1) X(LOG1P, 1) X(SIN, 1) X(COS, 1) X(TAN, 1) X(ASIN, 1) X(ACOS, 1) \
    X(ATAN, 1) X(SINH, 1) X(COSH, 1) X(TANH, 1) X(ASINH, 1) X(ACOSH, 1) X(ATANH, 1) X(SIGMOID, 1) \
    X(SOFTPLUS, 1) X(SOFTSIGN, 1) X(RELU, 1) X(RELU6, 1) X(ELU, 1) X(SELU, 1) X(LEAKY_RELU, 1) X(ERF, 1) \
    X(ERFC, 1) X(LGAMMA, 1) X(DIGAMMA, 1) X(NDTRI, 1) X(ERFINV, 1) X(FLOOR, 1) X(CEIL, 1) X(RINT, 1) \
    X(IS_NAN, 1) X(IS_INF, 1) X(IS_FINITE, 1) X(LOGICAL_NOT, 1) X(INVERT, 1) X(CONJ, 1) X(REAL, 1) \
    X(IMAG, 1) X(COMPLEX_ABS, 1) X(ANGLE, 1) X(ADD, 2) X(SUB, 2) X(MUL, 2) X(DIV, 2) X(DIV_NO_NAN, 2) \
    X(MUL_NO_NAN, 2) X(FLOOR_DIV, 2) X(FLOOR_MOD, 2) X(TRUNC_DIV, 2) X(TRUNC_MOD, 2) X(POW, 2) \
    X(MAXIMUM, 2) X(MINIMUM, 2) X(SQUARED_DIFFERENCE, 2) X(ATAN2, 2) X(XLOGY, 2) X(XLOG1PY, 2) \
    X(XDIVY, 2) X(EQUAL, 2) X(NOT_EQUAL, 2) X(LESS, 2) X(LESS_EQUAL, 2) X(GREATER, 2) \
    X(GREATER_EQUAL, 2) X(APPROX_EQUAL, 2) X(LOGICAL_AND, 2) X(LOGICAL_OR, 2) X(BIT_AND, 2) X(BIT_OR, 2) \
    X(BIT_XOR, 2) X(LEFT_SHIFT, 2) X(RIGHT_SHIFT, 2) X(COMPLEX, 2) X(TANH_GRAD, 2) X(SIGMOID_GRAD, 2) \
    X(SQRT_GRAD, 2) X(RSQRT_GRAD, 2) X(RECIPROCAL_GRAD, 2) X(RELU_GRAD, 2) X(RELU6_GRAD, 2) \
    X(ELU_GRAD, 2) X(SELU_GRAD, 2) X(LEAKY_RELU_GRAD, 2) X(SOFTPLUS_GRAD, 2) X(SOFTSIGN_GRAD, 2) \
    X(SELECT, 3) X(CLIP, 3) X(FMA, 3)
/* clang-format on */
typedef enum tn_pw_op {
#define TN_PW_ROW(name, n) TN_PW_##name,
    TN_PW_OPS(TN_PW_ROW)
#undef TN_PW_ROW
        TN_PW_COUNT
} tn_pw_op;
int tn_pw_arity(tn_pw_op op);
const char *tn_pw_name(tn_pw_op op);
bool tn_pw_supported(tn_pw_op op, tn_dtype t);
tn_dtype tn_pw_result(tn_pw_op op, tn_dtype t); /* t: of the arguments (SELECT: of the second and third) */

/* How an operand walks over the result: collapsed dimensions, strides in elements, 0 where it repeats. */
typedef struct tn_walk {
    int rank; /* 1..TN_MAX_RANK; 1 with stride 1: flat; 1 with stride 0: scalar */
    int64_t count;
    int64_t dim[TN_MAX_RANK];
    int64_t stride[4][TN_MAX_RANK]; /* of up to four operands */
} tn_walk;
/* operands' shapes must broadcast to out: INVALID_ARGUMENT otherwise. */
tn_code tn_walk_prepare(const tn_shape *out, const tn_shape *const *operands, int n, tn_walk *w,
                        tn_error *err);

/* One operator, any dtype. attr: LEAKY_RELU's slope, APPROX_EQUAL's tolerance. SELECT's first argument is
 * bool. An operand of the result's shape and dtype size may be the output itself. */
typedef struct tn_pw_plan {
    tn_pw_op op;
    tn_dtype dtype, result;
    tn_walk walk;
    double attr;
    int threads, isa, n;
} tn_pw_plan;
tn_code tn_pw_prepare(tn_pw_op op, tn_dtype dtype, const tn_shape *const *operands, const tn_shape *out,
                      double attr, int threads, tn_pw_plan *plan, tn_error *err);
/* INVALID_ARGUMENT "Integer division by zero" / "Integers to negative integer powers are not allowed". */
tn_code tn_pw_run(const tn_pw_plan *plan, const void *const *in, void *out, tn_error *err);
/* Without a plan: every operand has count elements. */
tn_code tn_pw_flat(tn_pw_op op, tn_dtype dtype, double attr, int64_t count, const void *const *in, void *out,
                   int threads, tn_error *err);

/* Conversion, any of the POD dtypes to any; float to integer truncates toward 0; complex to real takes the
 * real part; to bool is != 0. truncate: Cast's Truncate attribute (to half and bfloat16). */
tn_code tn_cast(tn_dtype from, tn_dtype to, int64_t count, const void *in, void *out, bool truncate,
                int threads, tn_error *err);

/* A chain of element-wise float operators run in one pass over blocks that stay in the first cache.
 * Operands of an instruction are registers, inputs, immediates (values in imm[]). */
#define TN_PW_MAX_INPUTS 16
#define TN_PW_MAX_OUTPUTS 8
#define TN_PW_MAX_REGS 12
#define TN_PW_MAX_INSTS 64
#define TN_PW_MAX_IMMS 32
#define TN_PW_REG(i) ((uint8_t)(i))
#define TN_PW_IN(i) ((uint8_t)(0x40 + (i)))
#define TN_PW_IMM(i) ((uint8_t)(0x80 + (i)))
#define TN_PW_OUT(i) ((uint8_t)(0xc0 + (i))) /* as dst only; an out may be read again by TN_PW_OUT too */
typedef struct tn_pw_inst {
    uint8_t op; /* tn_pw_op of floats; not the complex, shift and bit ones */
    uint8_t dst;
    uint8_t src[3];
    float attr;
} tn_pw_inst;
typedef struct tn_pw_program {
    int n_inst, n_in, n_out, n_imm;
    tn_pw_inst inst[TN_PW_MAX_INSTS];
    float imm[TN_PW_MAX_IMMS];
    tn_dtype in_dtype[TN_PW_MAX_INPUTS];   /* float, half, bfloat16, bool, int32 */
    tn_dtype out_dtype[TN_PW_MAX_OUTPUTS]; /* float, half, bfloat16, bool */
    tn_shape in_shape[TN_PW_MAX_INPUTS];   /* broadcast to shape */
    /* An input that is some columns of a wider matrix: its first element there, and how many elements its rows (of the
     * last dimension) are apart. 0, 0: all of a tensor. */
    int64_t in_offset[TN_PW_MAX_INPUTS], in_pitch[TN_PW_MAX_INPUTS];
    tn_shape shape;                        /* of every output */
    int threads;
    /* filled by tn_pw_program_prepare */
    int isa, rank;
    int64_t count, dim[TN_MAX_RANK], stride[TN_PW_MAX_INPUTS][TN_MAX_RANK];
    int64_t grain; /* ranges begin at multiples of it */
    int chunk;     /* 0; or no block goes over the end of a row, and is this long at most */
} tn_pw_program;
tn_code tn_pw_program_prepare(tn_pw_program *p, tn_error *err);
bool tn_pw_program_takes(tn_pw_op op); /* may op stand in a program? */
/* out[i] may be the memory of an input of the same shape and dtype. */
void tn_pw_program_run(const tn_pw_program *p, const void *const *in, void *const *out);
/* x[rows, cols] = act(x + bias), in place. For what cannot be fused into gemm or conv. */
void tn_bias_act(float *x, const float *bias, int64_t rows, int64_t cols, tn_act act, float alpha,
                 int threads);

/* ==== reductions (reduce.c, softmax.c, scan.c) ==== */

typedef enum tn_reduce_op {
    TN_REDUCE_SUM,
    TN_REDUCE_MEAN,
    TN_REDUCE_MAX,
    TN_REDUCE_MIN,
    TN_REDUCE_PROD,
    TN_REDUCE_ALL,
    TN_REDUCE_ANY,
    TN_REDUCE_SUM_SQUARES,
    TN_REDUCE_EUCLIDEAN
} tn_reduce_op;
typedef struct tn_reduce_plan {
    tn_reduce_op op;
    tn_dtype dtype;
    int rank; /* collapsed: kept and reduced dimensions alternate */
    bool reduced[TN_MAX_RANK];
    int64_t dim[TN_MAX_RANK];
    int64_t in_count, out_count, group; /* group: elements per result */
    int threads, isa, path;
    size_t scratch;
} tn_reduce_plan;
/* axis[i]: dimension i of in is summed away. The result's elements are the kept dimensions in order. */
tn_code tn_reduce_prepare(tn_reduce_op op, tn_dtype dtype, const tn_shape *in, const bool axis[TN_MAX_RANK],
                          int threads, tn_reduce_plan *plan, tn_error *err);
void tn_reduce_run(const tn_reduce_plan *plan, const void *in, void *out, void *scratch);
/* [outer, n, inner] -> [outer, inner]: the first of the greatest / least; TensorFlow's NaN manner. */
tn_code tn_argreduce(bool max, tn_dtype dtype, tn_dtype index, int64_t outer, int64_t n, int64_t inner,
                     const void *in, void *out, int threads, tn_error *err);
/* out[cols] = sum over rows of x[rows, cols]: the gradient of a bias. scratch: tn_col_sum_scratch bytes. */
size_t tn_col_sum_scratch(int64_t rows, int64_t cols, int threads);
void tn_col_sum(const float *x, int64_t rows, int64_t cols, float *out, void *scratch, int threads);
/* Along the middle dimension of [outer, n, inner]; prod: cumprod. */
tn_code tn_scan(bool prod, tn_dtype dtype, int64_t outer, int64_t n, int64_t inner, bool exclusive,
                bool reverse, const void *in, void *out, int threads, tn_error *err);

/* Rows of [rows, cols]; float, double, half, bfloat16. out may be in. */
tn_code tn_softmax(tn_dtype dtype, bool log, int64_t rows, int64_t cols, const void *in, void *out,
                   int threads, tn_error *err);
/* loss[rows], backprop[rows, cols] (may be NULL) of logits against labels[rows, cols]. *_stride: elements
 * from row to row of each (0 repeats a row; cols usually). */
tn_code tn_softmax_xent(tn_dtype dtype, int64_t rows, int64_t cols, const void *logits, int64_t logits_stride,
                        const void *labels, int64_t labels_stride, void *loss, void *backprop, int threads,
                        tn_error *err);
/* labels[rows] are int32 or int64. INVALID_ARGUMENT names the first label outside [0, cols). */
tn_code tn_sparse_softmax_xent(tn_dtype dtype, int64_t rows, int64_t cols, const void *logits,
                               tn_dtype label_dtype, const void *labels, void *loss, void *backprop,
                               int threads, tn_error *err);

/* ==== copies (copy.c, gather.c) ==== by size of element: 1, 2, 4, 8, 16 bytes */

/* An n-dimensional copy with strides of its own on both sides (elements; 0 and negative ones fine in src):
 * transpose, slice, strided slice, reverse, broadcast, tile, concat, split, pad's inside. */
typedef struct tn_ncopy {
    int elem, rank, threads, path;
    int64_t count;
    int64_t dim[2 * TN_MAX_RANK], src[2 * TN_MAX_RANK], dst[2 * TN_MAX_RANK];
} tn_ncopy;
/* rank <= 2 * TN_MAX_RANK. Dimensions that walk together are merged. */
tn_code tn_ncopy_prepare(int elem, int rank, const int64_t *dim, const int64_t *src, const int64_t *dst,
                         int threads, tn_ncopy *plan, tn_error *err);
void tn_ncopy_run(const tn_ncopy *plan, const void *src, void *dst);

/* The common ones: the plan, and where a run begins (in elements) when it is not at 0. */
tn_code tn_transpose_prepare(int elem, const tn_shape *in, const int *perm, int threads, tn_ncopy *plan,
                             tn_error *err);
/* dst[begin : : step] = src (slice's gradient, pad's inside); dst is not cleared. *offset: where in dst the run
 * begins. */
tn_code tn_unslice_prepare(int elem, const tn_shape *src, const int64_t *begin, const int64_t *step,
                           const tn_shape *dst, int threads, tn_ncopy *plan, int64_t *offset, tn_error *err);
/* n inputs [outer, size[i], inner] side by side into [outer, sum, inner]; and back. */
void tn_concat(int elem, int64_t outer, int64_t inner, int n, const int64_t *size, const void *const *in,
               void *out, int threads);
void tn_split(int elem, int64_t outer, int64_t inner, int n, const int64_t *size, const void *in,
              void *const *out, int threads);
void tn_fill(int elem, const void *value, int64_t count, void *out, int threads);
/* before, after: per dimension. mode: constant value, or mirror with the edge (SYMMETRIC) or without. */
typedef enum tn_pad_mode { TN_PAD_CONSTANT, TN_PAD_REFLECT, TN_PAD_SYMMETRIC } tn_pad_mode;
tn_code tn_pad(int elem, tn_pad_mode mode, const tn_shape *in, const int64_t *before, const int64_t *after,
               const void *value, const void *src, void *dst, int threads, tn_error *err);
/* out[outer, count, inner] = params[outer, n, indices[count], inner]. index: TN_INT32 or TN_INT64.
 * INVALID_ARGUMENT "indices[3] = 9 is not in [0, 5)". */
tn_code tn_gather(int elem, int64_t outer, int64_t n, int64_t inner, int64_t count, tn_dtype index,
                  const void *indices, const void *params, void *out, int threads, tn_error *err);
/* indices[count, depth] point into the first depth dimensions of params; each takes slice elements. */
tn_code tn_gather_nd(int elem, const tn_shape *params_shape, int64_t count, int depth, int64_t slice,
                     tn_dtype index, const void *indices, const void *params, void *out, tn_error *err);
typedef enum tn_scatter_op {
    TN_SCATTER_UPDATE,
    TN_SCATTER_ADD,
    TN_SCATTER_SUB,
    TN_SCATTER_MUL,
    TN_SCATTER_DIV,
    TN_SCATTER_MIN,
    TN_SCATTER_MAX
} tn_scatter_op;
/* dst[n, inner] at rows indices[count] op= updates[count, inner] (stride 0: one scalar for all), in order.
 * Nothing is written when an index is outside. skip_negative: as the unsorted segment ops do. */
typedef struct tn_scatter_desc {
    tn_scatter_op op;
    tn_dtype dtype, index;
    int64_t n, inner, count;
    bool scalar_update, skip_negative;
} tn_scatter_desc;
tn_code tn_scatter(const tn_scatter_desc *d, const void *indices, const void *updates, void *dst,
                   tn_error *err);
/* As tn_scatter with indices[count, depth] into the first depth dimensions of dst's shape. */
tn_code tn_scatter_nd(const tn_scatter_desc *d, const tn_shape *dst_shape, int depth, const void *indices,
                      const void *updates, void *dst, tn_error *err);

/* ==== Fourier transforms (fft.c) ==== of any length, of n complex doubles in place; the inverse is not divided */

typedef struct tn_fft tn_fft;
tn_code tn_fft_new(int64_t n, tn_fft **out, tn_error *err);
void tn_fft_free(tn_fft *f);
size_t tn_fft_scratch(const tn_fft *f); /* of a line */
void tn_fft_run(const tn_fft *f, bool inverse, double *x, void *scratch);
/* As many lines at once: x[n][2][TN_FFT_LANES], and as many times the scratch; aligned as tn_malloc's memory is. */
#define TN_FFT_LANES 8
void tn_fft_run_lanes(const tn_fft *f, bool inverse, double *x, void *scratch);

/* ==== resizing of images (resize.c) ==== of `taps` pixels each, 2 or 4; a plain loop, for a part of the work */

typedef struct tn_taps { /* what a pixel reads along one dimension */
    int64_t at[4];
    float w[4];
} tn_taps;
/* A row of pixels of `channels` floats into one of n pixels. Of two, w[1] alone says how far it is to the second. */
void tn_resize_across(int taps, const tn_taps *x, int64_t n, int64_t channels, const float *restrict row,
                      float *restrict out);
/* Rows of n floats into one. */
void tn_resize_down(int taps, const float *const *rows, const float *w, int64_t n, float *restrict out);

/* ==== batch normalisation (batch_norm.c) ==== FusedBatchNorm, [rows, channels] */

typedef struct tn_batch_norm {
    tn_dtype dtype; /* of x and y: float, half, bfloat16; everything else is float */
    int64_t rows, channels;
    float epsilon, average; /* average: exponential_avg_factor */
    tn_act act;             /* NONE or RELU, of forward */
    int threads;
} tn_batch_norm;
size_t tn_batch_norm_scratch(const tn_batch_norm *d);
/* Training: mean and variance are of the batch (variance_out Bessel-corrected and, as mean_out, mixed with
 * the old ones when average != 1); saved_* serve backward. */
void tn_batch_norm_train(const tn_batch_norm *d, const void *x, const float *scale, const float *offset,
                         const float *old_mean, const float *old_variance, void *y, float *mean_out,
                         float *variance_out, float *saved_mean, float *saved_variance, void *scratch);
void tn_batch_norm_infer(const tn_batch_norm *d, const void *x, const float *scale, const float *offset,
                         const float *mean, const float *variance, void *y, void *scratch);
/* training false: mean and variance are constants (FusedBatchNormGrad with is_training=false). */
void tn_batch_norm_backward(const tn_batch_norm *d, bool training, const void *dy, const void *x,
                            const float *scale, const float *mean, const float *variance, void *dx,
                            float *dscale, float *doffset, void *scratch);

/* ==== layer normalisation (row_norm.c) ==== each row of [rows, channels] floats by its own mean and variance */

typedef struct tn_layer_norm_desc {
    int64_t rows, channels;
    float epsilon;
    int threads;
} tn_layer_norm_desc;
void tn_layer_norm_forward(const tn_layer_norm_desc *d, const float *x, const float *gamma, const float *beta,
                           float *y);
size_t tn_layer_norm_scratch(const tn_layer_norm_desc *d); /* of backward */
void tn_layer_norm_backward(const tn_layer_norm_desc *d, const float *x, const float *gamma, const float *dy, float *dx,
                            float *dgamma, float *dbeta, void *scratch);

/* ==== random numbers (random.c) ==== Philox 4x32-10, TensorFlow's */

typedef struct tn_philox {
    uint32_t counter[4], key[2];
} tn_philox;
void tn_philox_init(tn_philox *p, uint64_t seed, uint64_t seed2);       /* as the stateful ops' seed, seed2 */
void tn_philox_stateless(tn_philox *p, uint64_t seed0, uint64_t seed1); /* as stateless ops' seed[2] */
void tn_philox_skip(tn_philox *p, uint64_t count);                      /* in groups of four numbers */
void tn_philox_next(tn_philox *p, uint32_t out[4]);
/* Numbers from words: uniform in [0, 1); two of the normal distribution from four words. */
double tn_unit_double(uint32_t high, uint32_t low);
float tn_unit_float(uint32_t word);
void tn_normal_pair_double(const uint32_t w[4], double out[2]);
/* count results from *p, which is not moved. half, bfloat16, float, double. */
typedef enum tn_random_kind { TN_RANDOM_UNIFORM, TN_RANDOM_NORMAL, TN_RANDOM_TRUNCATED } tn_random_kind;
tn_code tn_random(tn_random_kind kind, tn_dtype dtype, const tn_philox *p, int64_t count, void *out,
                  int threads, tn_error *err);
/* [lo, hi); int32 and int64 (uint32, uint64 too). INVALID_ARGUMENT when lo >= hi. */
tn_code tn_random_int(tn_dtype dtype, const tn_philox *p, int64_t lo, int64_t hi, int64_t count, void *out,
                      int threads, tn_error *err);
tn_code tn_random_bits(tn_dtype dtype, const tn_philox *p, int64_t count, void *out, int threads,
                       tn_error *err);

/* ==== optimizer steps (optimizer.c) ==== */

typedef enum tn_optimizer {
    TN_OPT_SGD,
    TN_OPT_MOMENTUM,
    TN_OPT_NESTEROV,
    TN_OPT_ADAGRAD,
    TN_OPT_ADAGRAD_V2,
    TN_OPT_ADAM,
    TN_OPT_ADAM_NESTEROV,
    TN_OPT_RMSPROP,
    TN_OPT_CENTERED_RMSPROP,
    TN_OPT_FTRL,
    TN_OPT_FTRL_V2,
    TN_OPT_ADADELTA,
    TN_OPT_ADAGRAD_DA,
    TN_OPT_PROXIMAL_SGD,
    TN_OPT_PROXIMAL_ADAGRAD,
    TN_OPT_ADAMAX,
    TN_OPT_KERAS_MOMENTUM,
    TN_OPT_KERAS_NESTEROV,
    TN_OPT_COUNT
} tn_optimizer;
/* The operator's scalars under their TensorFlow names; those an optimizer lacks are not looked at, nor are imaginary
 * parts by variables of real numbers. */
typedef struct tn_opt_params {
    double _Complex lr, momentum, rho, epsilon, beta1, beta2, beta1_power, beta2_power, l1, l2, l2_shrinkage, lr_power;
    bool update_slots; /* adagrad */
    bool linear_by_lr; /* ftrl: its linear slot is multiplied by the rate */
    int64_t global_step;
} tn_opt_params;
/* slots, in TensorFlow's order: momentum accum; adagrad accum; adam m, v; rmsprop ms, mom; centered mg, ms,
 * mom; ftrl accum, linear; adadelta accum, accum_update; adagrad_da gradient_accum, squared; adamax m, v. */
typedef struct tn_opt_entry {
    void *var, *slot[3];
    const void *grad;
    int64_t n;
    const tn_opt_params *params;
} tn_opt_entry;
int tn_opt_slots(tn_optimizer o);
/* All variables in one pass (one parallel region). float, double; half and bfloat16 by way of float; complex64 and
 * complex128 where the rule compares nothing. */
tn_code tn_optimizer_run(tn_optimizer o, tn_dtype dtype, const tn_opt_entry *entries, int n, int threads,
                         tn_error *err);
/* Rows of var[rows, inner] named by indices[count], with grad[count, inner], one after another. Nothing is
 * written when an index is outside. ADAM updates only the rows named ("lazy"). */
tn_code tn_optimizer_sparse(tn_optimizer o, tn_dtype dtype, const tn_opt_entry *e, int64_t rows,
                            int64_t inner, int64_t count, tn_dtype index, const void *indices, tn_error *err);

#endif
