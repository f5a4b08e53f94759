/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_optimizer.c - the update rules of optimizer_step.h for float and double, at one level of instructions.
 */
#include "isa_optimizer.h"

#include <math.h>

#define VECTORS _Pragma("omp simd")
#define T float
#define SQRT sqrtf
#define POW powf
#define ABS fabsf
#define NAME(x) f_##x
#include "optimizer_step.h"
#undef T
#undef SQRT
#undef POW
#undef ABS
#undef NAME
#undef STEP
#undef SIGN_OF
#undef SHRUNK
#undef ADAM_SETUP
#undef RMS_SETUP
#undef FTRL_SETUP
#undef FTRL_BODY
#define T double
#define SQRT sqrt
#define POW pow
#define ABS fabs
#define NAME(x) d_##x
#include "optimizer_step.h"

#define ROW(P, rule, name) [TN_OPT_##rule] = P##_##name
#define ROWS(P)                                                                                             \
    {                                                                                                       \
        ROW(P, SGD, sgd), ROW(P, MOMENTUM, momentum), ROW(P, NESTEROV, nesterov), ROW(P, ADAGRAD, adagrad), \
            ROW(P, ADAGRAD_V2, adagrad_v2), ROW(P, ADAM, adam), ROW(P, ADAM_NESTEROV, adam_nesterov),       \
            ROW(P, RMSPROP, rmsprop), ROW(P, CENTERED_RMSPROP, centered), ROW(P, FTRL, ftrl),               \
            ROW(P, FTRL_V2, ftrl_v2), ROW(P, ADADELTA, adadelta), ROW(P, ADAGRAD_DA, adagrad_da),           \
            ROW(P, PROXIMAL_SGD, proximal_sgd), ROW(P, PROXIMAL_ADAGRAD, proximal_adagrad),                 \
            ROW(P, ADAMAX, adamax), ROW(P, KERAS_MOMENTUM, keras_momentum),                                 \
            ROW(P, KERAS_NESTEROV, keras_nesterov)                                                          \
    }
const tn_optimizer_isa TN_ISA_SYM(tn_isa_optimizer) = {ROWS(f), ROWS(d)};
