/* SPDX-License-Identifier: Apache-2.0
 *
 * rate.c - learning rates as functions of the global step, in TensorFlow's formulas.
 */
#include "nn.h"

static tn_node number(tn_builder *b, double v)
{
    return tn_scalar(b, TN_FLOAT, v);
}

/* step / decay_steps, cut to whole numbers for a staircase */
static tn_node progress(tn_builder *b, tn_node step, double decay_steps, bool staircase)
{
    if (tn_builder_ok(b) && !(decay_steps > 0))
        tn_failf(b, TN_INVALID_ARGUMENT, "learning rate: decay_steps of %g", decay_steps);
    tn_node p = tn_div(b, tn_cast_to(b, step, TN_FLOAT), number(b, decay_steps));
    return staircase ? tn_unary(b, "Floor", p) : p;
}

tn_node tn_constant_rate(tn_builder *b, double rate)
{
    tn_name_scope(b, "learning_rate");
    tn_node r = number(b, rate);
    tn_name_scope_end(b);
    return r;
}

tn_node tn_exponential_decay(tn_builder *b, double rate, tn_node step, double decay_steps, double decay_rate,
                             bool staircase)
{
    tn_name_scope(b, "exponential_decay");
    tn_node power = tn_binary(b, "Pow", number(b, decay_rate), progress(b, step, decay_steps, staircase));
    tn_node r = tn_mul(b, number(b, rate), power);
    tn_name_scope_end(b);
    return r;
}

tn_node tn_natural_exp_decay(tn_builder *b, double rate, tn_node step, double decay_steps, double decay_rate,
                             bool staircase)
{
    tn_name_scope(b, "natural_exp_decay");
    tn_node r = tn_mul(b, number(b, rate),
                       tn_exp(b, tn_scale(b, progress(b, step, decay_steps, staircase), -decay_rate)));
    tn_name_scope_end(b);
    return r;
}

tn_node tn_inverse_time_decay(tn_builder *b, double rate, tn_node step, double decay_steps, double decay_rate,
                              bool staircase)
{
    tn_name_scope(b, "inverse_time_decay");
    tn_node below =
        tn_add(b, number(b, 1), tn_scale(b, progress(b, step, decay_steps, staircase), decay_rate));
    tn_node r = tn_div(b, number(b, rate), below);
    tn_name_scope_end(b);
    return r;
}

/* (rate - end) * (1 - p)^power + end, p at most 1; cycling stretches the period instead. */
tn_node tn_polynomial_decay(tn_builder *b, double rate, tn_node step, double decay_steps, double end_rate,
                            double power, bool cycle)
{
    tn_name_scope(b, "polynomial_decay");
    tn_node p = progress(b, step, decay_steps, false), one = number(b, 1);
    if (cycle)
        p = tn_div(b, p, tn_binary(b, "Maximum", one, tn_unary(b, "Ceil", p)));
    else
        p = tn_binary(b, "Minimum", p, one);
    tn_node part = tn_binary(b, "Pow", tn_sub(b, one, p), number(b, power));
    tn_node r = tn_add(b, tn_scale(b, part, rate - end_rate), number(b, end_rate));
    tn_name_scope_end(b);
    return r;
}

tn_node tn_cosine_decay(tn_builder *b, double rate, tn_node step, double decay_steps, double alpha)
{
    tn_name_scope(b, "cosine_decay");
    tn_node p = tn_binary(b, "Minimum", progress(b, step, decay_steps, false), number(b, 1));
    tn_node wave = tn_unary(b, "Cos", tn_scale(b, p, 3.14159265358979323846));
    tn_node part = tn_scale(b, tn_add(b, wave, number(b, 1)), 0.5 * (1 - alpha));
    tn_node r = tn_scale(b, tn_add(b, part, number(b, alpha)), rate);
    tn_name_scope_end(b);
    return r;
}

tn_node tn_piecewise_constant(tn_builder *b, tn_node step, const int64_t *boundaries, const double *values,
                              int n)
{
    tn_name_scope(b, "piecewise_constant");
    tn_node x = tn_cast_to(b, step, TN_INT64), r = number(b, values[n]);
    for (int i = n - 1; i >= 0; i--) {
        if (i && boundaries[i] <= boundaries[i - 1])
            tn_failf(b, TN_INVALID_ARGUMENT, "learning rate: boundaries must grow");
        tn_node before = tn_binary(b, "LessEqual", x, tn_scalar(b, TN_INT64, (double)boundaries[i]));
        r = tn_op(b, "SelectV2", TN_INPUTS(before, number(b, values[i]), r), TN_NO_ATTRS);
    }
    tn_name_scope_end(b);
    return r;
}
