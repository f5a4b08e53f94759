/* SPDX-License-Identifier: Apache-2.0
 *
 * initializer.c - how variables begin: TensorFlow's initializers as operations of the graph, and variables
 * made of them.
 *
 * Invariant: a random initializer is TensorFlow's random operation with the graph's seed, so that the same
 * seeds give the same numbers there.
 */
#include <math.h>

#include "nn.h"

/* Fan-in and fan-out of a weight: the last two dimensions times the field of the others. */
static void fans(const tn_shape *s, double *in, double *out)
{
    double field = 1;
    for (int i = 0; i < s->rank - 2; i++) field *= (double)s->dim[i];
    *in = s->rank > 1 ? field * (double)s->dim[s->rank - 2] : s->rank == 1 ? (double)s->dim[0] : 1;
    *out = s->rank > 0 ? (s->rank > 1 ? field : 1) * (double)s->dim[s->rank - 1] : 1;
    if (*in < 1) *in = 1;
    if (*out < 1) *out = 1;
}

static tn_node filled(tn_builder *b, tn_dtype t, const tn_shape *shape, double v)
{
    tn_tensor *value;
    tn_error err;
    if (tn_tensor_new(t, shape, &value, &err)) {
        tn_builder_fail_with(b, &err);
        return TN_NONE;
    }
    for (int64_t i = 0; v != 0 && i < tn_tensor_count(value); i++) tn_tensor_set_number(value, i, v);
    tn_node node = tn_constant(b, v == 0 ? "zeros" : v == 1 ? "ones" : "Const", value);
    tn_tensor_unref(value);
    return node;
}

/* Large constants as Fill, so that they do not swell the graph. */
static tn_node constant(tn_builder *b, tn_dtype t, const tn_shape *shape, double v)
{
    if (tn_shape_count(shape) < 1000) return filled(b, t, shape, v);
    return tn_binary(b, "Fill", tn_ints(b, shape->dim, shape->rank), tn_scalar(b, t, v));
}

static tn_node draw(tn_builder *b, const char *type, const char *name, const tn_initializer *how, tn_dtype t,
                    const tn_shape *shape)
{
    tn_attr attrs[] = {tn_attr_type("dtype", t), tn_attr_int("seed", how->seed)};
    tn_node in = tn_ints(b, shape->dim, shape->rank);
    return tn_output_of(tn_add_operation(b, type, name, &in, 1, attrs, how->has_seed ? 2 : 1), 0);
}

/* (max - min) * u + min */
static tn_node uniform(tn_builder *b, const tn_initializer *how, tn_dtype t, const tn_shape *s, double lo,
                       double hi)
{
    tn_name_scope(b, "random_uniform");
    tn_node u = draw(b, "RandomUniform", "RandomUniform", how, t, s);
    tn_node min = tn_scalar(b, t, lo), range = tn_sub(b, tn_scalar(b, t, hi), min);
    tn_node r = tn_add(b, tn_mul(b, u, range), min);
    tn_name_scope_end(b);
    return r;
}

static tn_node normal(tn_builder *b, const tn_initializer *how, bool truncated, tn_dtype t, const tn_shape *s,
                      double mean, double sd)
{
    tn_name_scope(b, truncated ? "truncated_normal" : "random_normal");
    const char *type = truncated ? "TruncatedNormal" : "RandomStandardNormal";
    tn_node r = tn_mul(b, draw(b, type, type, how, t, s), tn_scalar(b, t, sd));
    r = tn_add(b, r, tn_scalar(b, t, mean));
    tn_name_scope_end(b);
    return r;
}

/* TensorFlow's variance scaling: the deviation of a normal cut at two deviations is made up for. */
static tn_node scaled(tn_builder *b, const tn_initializer *how, tn_dtype t, const tn_shape *s,
                      double variance, bool is_uniform)
{
    if (is_uniform) return uniform(b, how, t, s, -sqrt(3 * variance), sqrt(3 * variance));
    return normal(b, how, true, t, s, 0, sqrt(variance) / .87962566103423978);
}

tn_node tn_initial_value(tn_builder *b, tn_initializer how, tn_dtype t, tn_shape shape)
{
    double in, out;
    char text[160];
    if (!tn_builder_ok(b)) return TN_NONE;
    if (!tn_shape_known(&shape)) {
        tn_failf(b, TN_INVALID_ARGUMENT, "a variable's shape must be known, not %s",
                 tn_shape_text(&shape, text, sizeof text));
        return TN_NONE;
    }
    fans(&shape, &in, &out);
    switch (how.kind) {
    case TN_INIT_ZEROS: return constant(b, t, &shape, 0);
    case TN_INIT_ONES: return constant(b, t, &shape, 1);
    case TN_INIT_CONSTANT: return constant(b, t, &shape, how.a);
    case TN_INIT_UNIFORM: return uniform(b, &how, t, &shape, how.a, how.b);
    case TN_INIT_NORMAL: return normal(b, &how, false, t, &shape, how.a, how.b);
    case TN_INIT_TRUNCATED_NORMAL: return normal(b, &how, true, t, &shape, how.a, how.b);
    case TN_INIT_DEFAULT:
    case TN_INIT_GLOROT_UNIFORM: return scaled(b, &how, t, &shape, 2 / (in + out), true);
    case TN_INIT_GLOROT_NORMAL: return scaled(b, &how, t, &shape, 2 / (in + out), false);
    case TN_INIT_HE_UNIFORM: return scaled(b, &how, t, &shape, 2 / in, true);
    case TN_INIT_HE_NORMAL: return scaled(b, &how, t, &shape, 2 / in, false);
    case TN_INIT_LECUN_UNIFORM: return scaled(b, &how, t, &shape, 1 / in, true);
    case TN_INIT_LECUN_NORMAL: return scaled(b, &how, t, &shape, 1 / in, false);
    }
    tn_failf(b, TN_INVALID_ARGUMENT, "there is no initializer %d", (int)how.kind);
    return TN_NONE;
}

tn_node tn_get_variable(tn_builder *b, const char *name, tn_dtype t, tn_shape shape, tn_initializer how,
                        unsigned flags)
{
    if (!tn_builder_ok(b)) return TN_NONE;
    tn_node there = tn_variable_reused(b, name, t, shape);
    if (there.op || !tn_builder_ok(b)) return there;
    const char *full = tn_builder_variable_name(b, name);
    const char *scope = full ? tn_arena_printf(tn_builder_arena(b), "%s/Initializer/", full) : NULL;
    if (!scope) {
        tn_failf(b, TN_RESOURCE_EXHAUSTED, "out of memory");
        return TN_NONE;
    }
    tn_name_scope(b, scope);
    tn_node value = tn_initial_value(b, how, t, shape);
    tn_name_scope_end(b);
    return tn_variable(b, name, value, flags);
}
