/* SPDX-License-Identifier: Apache-2.0
 *
 * optimizer_complex.c - the update rules of optimizer_step.h for complex numbers: the same formulas, squares and roots
 * are complex ones. Adam's second moment may be any number, then; so TensorFlow has it.
 */
#include "isa_optimizer.h"

#include <complex.h>

#define VECTORS
#define T float _Complex
#define SQRT csqrtf
#define NAME(x) c64_##x
#include "optimizer_step.h"
#undef T
#undef SQRT
#undef NAME
#undef STEP
#undef ADAM_SETUP
#undef RMS_SETUP
#define T double _Complex
#define SQRT csqrt
#define NAME(x) c128_##x
#include "optimizer_step.h"

#define ROW(P, rule, name) [TN_OPT_##rule] = P##_##name
#define ROWS(P)                                                                                             \
    {                                                                                                       \
        ROW(P, SGD, sgd), ROW(P, MOMENTUM, momentum), ROW(P, NESTEROV, nesterov), ROW(P, ADAGRAD, adagrad), \
            ROW(P, ADAGRAD_V2, adagrad_v2), ROW(P, ADAM, adam), ROW(P, ADAM_NESTEROV, adam_nesterov),       \
            ROW(P, RMSPROP, rmsprop), ROW(P, CENTERED_RMSPROP, centered), ROW(P, ADADELTA, adadelta),       \
            ROW(P, KERAS_MOMENTUM, keras_momentum), ROW(P, KERAS_NESTEROV, keras_nesterov)                  \
    }
static const tn_opt_fn c64[TN_OPT_COUNT] = ROWS(c64), c128[TN_OPT_COUNT] = ROWS(c128);

tn_opt_fn tn_opt_complex(tn_optimizer o, tn_dtype t)
{
    return t == TN_COMPLEX64 ? c64[o] : t == TN_COMPLEX128 ? c128[o] : NULL;
}
