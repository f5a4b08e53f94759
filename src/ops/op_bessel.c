/* SPDX-License-Identifier: Apache-2.0
 *
 * op_bessel.c - operators of special functions of one argument (special_bessel.c and libm), element by
 * element in double.
 */
#include <math.h>

#include "op_math.h"
#include "special_bessel.h"

#define FUNCTION(Name, Call, Formula)                                    \
    TN_SLOW_PREPARE(Name, Call)                                          \
    TN_GRAD_FORMULA(grad_##Name, Formula)                                \
    const tn_op tn_op_##Name = {.name = #Name,                           \
                                .sig = "x:T -> y:T; T:type{" T_REAL "}", \
                                .infer = tn_infer_like_first,            \
                                .prepare = prepare_##Name,               \
                                .run = tn_slow_run,                      \
                                .grad = grad_##Name}

FUNCTION(BesselI0, tn_bessel_i(0, v[0], false), "dy x BesselI1 Mul");
FUNCTION(BesselI0e, tn_bessel_i(0, v[0], true), "dy x BesselI1e x Sign out Mul Sub Mul");
FUNCTION(BesselI1, tn_bessel_i(1, v[0], false), "dy x 0 Equal 0.5 x BesselI0 out x Div Sub SelectV2 Mul");
FUNCTION(BesselI1e, tn_bessel_i(1, v[0], true),
         "dy x 0 Equal 0.5 x BesselI0e out x Sign x Reciprocal AddV2 Mul Sub SelectV2 Mul");
FUNCTION(BesselK0, tn_bessel_k(0, v[0], false), "dy x BesselK1 Neg Mul");
FUNCTION(BesselK0e, tn_bessel_k(0, v[0], true), "dy out x BesselK1e Sub Mul");
FUNCTION(BesselK1, tn_bessel_k(1, v[0], false), "dy x BesselK0 Neg out x Div Sub Mul");
FUNCTION(BesselK1e, tn_bessel_k(1, v[0], true), "dy out 1 x Reciprocal Sub Mul x BesselK0e Sub Mul");
FUNCTION(BesselJ0, j0(v[0]), "dy x BesselJ1 Neg Mul");
FUNCTION(BesselJ1, j1(v[0]), "dy x 0 Equal 0.5 x BesselJ0 out x Div Sub SelectV2 Mul");
FUNCTION(BesselY0, v[0] < 0 ? NAN : y0(v[0]), "dy x BesselY1 Neg Mul");
FUNCTION(BesselY1, v[0] < 0 ? NAN : y1(v[0]), "dy x BesselY0 out x Div Sub Mul");
FUNCTION(Dawsn, tn_dawson(v[0]), "dy 1 2 x out Mul Mul Sub Mul");
FUNCTION(Expint, tn_expint(v[0]), "dy x Exp x Div Mul");
FUNCTION(FresnelCos, tn_fresnel_cos(v[0]), "dy x Square 1.5707963267948966 Mul Cos Mul");
FUNCTION(FresnelSin, tn_fresnel_sin(v[0]), "dy x Square 1.5707963267948966 Mul Sin Mul");
FUNCTION(Spence, tn_spence(v[0]), "dy x 1 Equal -1 x Log 1 x Sub Div SelectV2 Mul");
