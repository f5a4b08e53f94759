/* SPDX-License-Identifier: Apache-2.0
 *
 * op_math.h - what the op_*.c files of the math family share: element-wise operators that kernel/ computes,
 * gradients written as formulas, sets of dtypes as they stand in signatures.
 */
#ifndef TN_OP_MATH_H
#define TN_OP_MATH_H

#include "../graph/op_grads.h"
#include "../kernel/kernel.h"

/* ==== sets of dtypes in signatures ==== */
#define T_REAL "bfloat16,half,float,double"
#define T_FIELD T_REAL ",complex64,complex128"
#define T_BITS "int8,int16,int32,int64,uint8,uint16,uint32,uint64"

/* ==== element-wise operators (pointwise_op.c) ==== */

/* prepare and run of an operator that is one kernel operation, named by the record's `pointwise`.
 * Attributes alpha and tolerance are passed on. */
tn_code tn_pointwise_prepare(tn_prepare *p, tn_error *err);
tn_code tn_pointwise_run(tn_run *r, tn_error *err);
/* infer of a broadcasting operator; integer vectors that are partly known (shapes being computed) stay so
 * through Add, Sub, Mul, FloorDiv, FloorMod, Maximum, Minimum. */
tn_code tn_infer_arithmetic(tn_infer *c, tn_error *err);
tn_code tn_infer_same(tn_infer *c, tn_error *err); /* output 0: all inputs have one shape */
/* What is known of an integer scalar or vector; unknown elements are TN_UNKNOWN_INT. false: nothing. */
bool tn_known_ints(const tn_info *info, tn_shape *out);

#define TN_ELEMENTWISE(Name, Sig, Infer, Grad, Flags, Pw)                                                    \
    const tn_op tn_op_##Name = {.name = #Name, .sig = Sig, .infer = Infer, .prepare = tn_pointwise_prepare,  \
                                .run = tn_pointwise_run, .grad = Grad, .flags = Flags, .pointwise = Pw}

/* Element-wise functions of one to three real arguments, computed in double with broadcasting: for rare
 * functions that kernel/ has no loop for. To be called by run; operands of the output's dtype. */
typedef double (*tn_slow_fn)(const double *arg);
tn_code tn_slow_prepare(tn_prepare *p, tn_slow_fn f, tn_error *err);
tn_code tn_slow_run(tn_run *r, tn_error *err);
/* prepare_Name: the function of v[0], v[1] and v[2] that Call is. */
#define TN_SLOW_PREPARE(Name, Call)                             \
    static double compute_##Name(const double *v)               \
    {                                                           \
        return Call;                                            \
    }                                                           \
    static tn_code prepare_##Name(tn_prepare *p, tn_error *err) \
    {                                                           \
        return tn_slow_prepare(p, compute_##Name, err);         \
    }

/* Moves the positions `at` of n operands to the next element of the walk; index starts as zeros. */
void tn_walk_next(const tn_walk *w, int n, int64_t *index, int64_t *at);

/* ==== gradients as formulas (formula.c) ====
 * A formula is in postfix notation: "dy x~ Cos Mul" is dy * cos(conj(x)). Words: dy (gradient of output
 * 0), x y z (inputs 0, 1, 2), out (output 0), each with ~ for its complex conjugate (nothing where it is
 * real); ~ alone conjugates what stands before it; a number (a constant of x's dtype); the name of an
 * operator, which takes its inputs from what stands before it. Cast converts to x's dtype. */
tn_node tn_formula(tn_grad *g, const char *formula, tn_error *err);
/* One formula an input; NULL: none. broadcast: summed over the axes the input was broadcast along (two
 * inputs). */
tn_code tn_grad_formulas(tn_grad *g, int n, const char *const *formulas, bool broadcast, tn_error *err);

#define TN_GRAD_FORMULA(fn, ...)                                                                             \
    static tn_code fn(tn_grad *g, tn_error *err)                                                             \
    {                                                                                                        \
        const char *const f[] = {__VA_ARGS__};                                                               \
        return tn_grad_formulas(g, (int)TN_COUNT(f), f, false, err);                                         \
    }
#define TN_GRAD_BROADCAST(fn, ...)                                                                           \
    static tn_code fn(tn_grad *g, tn_error *err)                                                             \
    {                                                                                                        \
        const char *const f[] = {__VA_ARGS__};                                                               \
        return tn_grad_formulas(g, (int)TN_COUNT(f), f, true, err);                                          \
    }

/* dx, of the shape of `full`, summed over the axes along which `like` is broadcast to it. */
tn_node tn_g_sum_to(tn_builder *b, tn_node dx, tn_node like, tn_node full);

#endif
