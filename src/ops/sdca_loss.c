/* SPDX-License-Identifier: Apache-2.0
 *
 * sdca_loss.c - losses of stochastic dual coordinate ascent: the dual variable that is best for one example (closed, or
 * by ten of Newton's steps), what the loss and its conjugate are, how the loss rises.
 */
#include "sdca_loss.h"

#include <float.h>
#include <math.h>

static double logistic_dual(const tn_sdca_point *p)
{
    double x = 0, pull = p->parts * p->norm * p->weight;
    for (int k = 0; k < 10; k++) {
        double t = tanh(x);
        double above = -2 * p->label * x - p->wx - pull * (0.5 * (1 + t) / p->label - p->dual);
        double below = -2 * p->label - pull * (1 - t * t) * 0.5 / p->label;
        x -= above / below;
    }
    return 0.5 * (1 + tanh(x)) / p->label;
}

static double logistic_dual_loss(double dual, double label)
{
    double a = dual * label, b = 1 - a;
    return (a > 0 ? a * log(a) : 0) + (b > 0 ? b * log(b) : 0);
}

static double logistic_loss(double wx, double label)
{
    double x = label * wx;
    return x > 0 ? log1p(exp(-x)) : log1p(exp(x)) - x;
}

static double logistic_slope(double wx, double label)
{
    double x = label * wx;
    return -label * (x > 0 ? exp(-x) / (1 + exp(-x)) : 1 / (1 + exp(x)));
}

static double squared_dual(const tn_sdca_point *p)
{
    return p->dual + (p->label - p->dual - p->wx) / (1 + p->parts * p->norm * p->weight);
}

static double squared_dual_loss(double dual, double label)
{
    return dual * (0.5 * dual - label);
}

static double squared_loss(double wx, double label)
{
    return (wx - label) * (wx - label) * 0.5;
}

static double squared_slope(double wx, double label)
{
    return wx - label;
}

/* Between 0 and the label. */
static double bounded(double dual, double label)
{
    return label * dual < 0 ? 0 : label * dual > 1 ? label : dual;
}

static double hinge_dual(const tn_sdca_point *p)
{
    return bounded(p->dual + (p->label - p->wx) / (p->parts * p->weight * p->norm), p->label);
}

static double hinge_dual_loss(double dual, double label)
{
    double a = dual * label;
    return a < 0 || a > 1 ? DBL_MAX : -a;
}

static double hinge_loss(double wx, double label)
{
    return fmax(0, 1 - label * wx);
}

static double hinge_slope(double wx, double label)
{
    return label * wx < 1 ? -label : 0;
}

static double smooth_hinge_dual(const tn_sdca_point *p)
{
    return bounded(p->dual + (p->label - p->wx - p->dual) / (p->parts * p->weight * p->norm + 1), p->label);
}

static double smooth_hinge_dual_loss(double dual, double label)
{
    double a = dual * label;
    return a < 0 || a > 1 ? DBL_MAX : -a + 0.5 * dual * dual;
}

static double smooth_hinge_loss(double wx, double label)
{
    double x = label * wx;
    return x >= 1 ? 0 : x <= 0 ? 0.5 - x : (1 - x) * (1 - x) * 0.5;
}

static double smooth_hinge_slope(double wx, double label)
{
    return label * wx >= 1 ? 0 : label * wx <= 0 ? -label : wx - label;
}

static double poisson_dual(const tn_sdca_point *p)
{
    double rest = p->label - p->dual, pull = p->parts * p->norm * p->weight, x = rest > 0 ? log(rest) : 0;
    for (int k = 0; k < 10; k++) x -= (x - p->wx - pull * (rest - exp(x))) / (1 + pull * exp(x));
    return p->label - exp(x);
}

static double poisson_dual_loss(double dual, double label)
{
    double rest = label - dual;
    return rest == 0 ? 0 : rest < 0 ? DBL_MAX : rest * (log(rest) - 1);
}

static double poisson_loss(double wx, double label)
{
    return exp(wx) - wx * label;
}

static double poisson_slope(double wx, double label)
{
    return exp(wx) - label;
}

#define LOSS(name, smooth, labels) \
    {#name "_loss", name##_dual, name##_dual_loss, name##_loss, name##_slope, smooth, labels}
static const tn_sdca_loss losses[] = {
    LOSS(logistic, 4, TN_ZERO_OR_ONE),     LOSS(squared, 1, TN_ANY_LABEL),    LOSS(hinge, 0, TN_ZERO_OR_ONE),
    LOSS(smooth_hinge, 1, TN_ZERO_OR_ONE), LOSS(poisson, 1, TN_NOT_NEGATIVE),
};

const tn_sdca_loss *tn_sdca_loss_of(tn_view name)
{
    for (size_t k = 0; k < TN_COUNT(losses); k++)
        if (tn_view_is(name, losses[k].name)) return &losses[k];
    return NULL;
}

tn_code tn_sdca_label(const tn_sdca_loss *l, float given, double *out, tn_error *err)
{
    *out = (double)given;
    if (l->labels == TN_ZERO_OR_ONE && given == 0) *out = -1;
    if (l->labels == TN_ZERO_OR_ONE && given != 0 && given != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Only labels of 0.0 or 1.0 are supported right now. Found example with label: %g",
                       (double)given);
    if (l->labels == TN_NOT_NEGATIVE && given < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Only non-negative labels can be used with the Poisson log loss. Found example with label: %g",
                       (double)given);
    return TN_OK;
}
