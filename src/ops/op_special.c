/* SPDX-License-Identifier: Apache-2.0
 *
 * op_special.c - operators of special functions (special_math.c), element by element in double.
 */
#include <math.h>

#include "op_math.h"
#include "special_math.h"

#define SPECIAL(Name, Sig, Call, Grad, Flags)                   \
    TN_SLOW_PREPARE(Name, Call)                                 \
    const tn_op tn_op_##Name = {.name = #Name,                  \
                                .sig = Sig,                     \
                                .infer = tn_infer_broadcast,    \
                                .prepare = prepare_##Name,      \
                                .run = tn_slow_run,             \
                                .grad = Grad,                   \
                                .flags = (Flags)}

#define DENSITY "y Neg x 1 Sub y Log Mul AddV2 x Lgamma Sub Exp dy Mul"
TN_GRAD_BROADCAST(grad_Igamma, "x y IgammaGradA dy Mul", DENSITY)
SPECIAL(Igamma, "a:T x:T -> z:T; T:type{" T_REAL "}", tn_igamma(v[0], v[1]), grad_Igamma, 0);
TN_GRAD_BROADCAST(grad_Igammac, "x y IgammaGradA dy Mul Neg", DENSITY " Neg")
SPECIAL(Igammac, "a:T x:T -> z:T; T:type{" T_REAL "}", tn_igammac(v[0], v[1]), grad_Igammac, 0);
SPECIAL(IgammaGradA, "a:T x:T -> z:T; T:type{float,double}", tn_igamma_grad_a(v[0], v[1]), NULL, 0);
SPECIAL(RandomGammaGrad, "alpha:T sample:T -> output:T; T:type{float,double}",
        tn_gamma_sample_grad(v[0], v[1]), NULL, 0);
TN_GRAD_BROADCAST(grad_Polygamma, NULL, "x 1 AddV2 y Polygamma dy Mul")
SPECIAL(Polygamma, "a:T x:T -> z:T; T:type{float,double}", tn_polygamma(v[0], v[1]), grad_Polygamma, 0);
TN_GRAD_BROADCAST(grad_Zeta, NULL, "x Neg x 1 AddV2 y Zeta Mul dy Mul")
SPECIAL(Zeta, "x:T q:T -> z:T; T:type{float,double}", tn_zeta(v[0], v[1]), grad_Zeta, 0);

/* ==== NextAfter ==== floats step by floats */

static double next_float(const double *v)
{
    return nextafterf((float)v[0], (float)v[1]);
}

static double next_double(const double *v)
{
    return nextafter(v[0], v[1]);
}

static tn_code next_prepare(tn_prepare *p, tn_error *err)
{
    return tn_slow_prepare(p, p->in[0]->dtype == TN_FLOAT ? next_float : next_double, err);
}

TN_GRAD_BROADCAST(grad_NextAfter, "dy", "dy ZerosLike")
const tn_op tn_op_NextAfter = {
    .name = "NextAfter",
    .sig = "x1:T x2:T -> output:T; T:type{double,float}=float",
    .infer = tn_infer_broadcast,
    .prepare = next_prepare,
    .run = tn_slow_run,
    .grad = grad_NextAfter,
};

/* ==== Betainc ==== scalars, or all of one shape */

static tn_code betainc_infer(tn_infer *c, tn_error *err)
{
    tn_shape out = {.rank = 0};
    for (int i = 0; i < 3; i++) {
        const tn_shape *s = &c->in[i]->shape;
        if (s->rank == 0) continue;
        if (out.rank == 0) out = *s;
        TN_TRY(tn_shape_merge(&out, s, &out, err));
    }
    c->out[0].shape = out;
    return TN_OK;
}

TN_SLOW_PREPARE(Betainc, tn_betainc(v[0], v[1], v[2]))

/* By x only, as TensorFlow; in logarithms, because the factors can be large. */
static tn_code grad_Betainc(tn_grad *g, tn_error *err)
{
    tn_node dx = tn_formula(g,
                            "y 1 Sub z Neg Xlog1py x 1 Sub z Xlogy AddV2 x Lgamma y Lgamma AddV2 "
                            "x y AddV2 Lgamma Sub Sub Exp dy Mul",
                            err);
    tn_grad_set_unbroadcast(g, 2, dx, 0);
    return TN_OK;
}

const tn_op tn_op_Betainc = {
    .name = "Betainc",
    .sig = "a:T b:T x:T -> z:T; T:type{float,double}",
    .infer = betainc_infer,
    .prepare = prepare_Betainc,
    .run = tn_slow_run,
    .grad = grad_Betainc,
};
