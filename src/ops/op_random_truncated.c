/* SPDX-License-Identifier: Apache-2.0
 *
 * op_random_truncated.c - normal numbers of given means and deviations within given bounds: TensorFlow's own
 * stream, as it is with one thread. By rejection: normal numbers where the bounds hold much of them, else
 * uniform ones, in a tail exponential ones (Robert 1995).
 */
#include "op_math.h"
#include "op_move.h"
#include "random_source.h"

#include <math.h>

enum { MOST_TRIES = 1000, PIECE = 100 };

/* ==== one set of parameters ==== */

typedef struct sampler {
    tn_philox p;
    tn_dtype dtype; /* every number is rounded to it */
    double mean, deviation, low, high;
} sampler;

static double in_type(const sampler *s, double x)
{
    if (s->dtype == TN_DOUBLE) return x;
    if (s->dtype == TN_FLOAT) return (float)x;
    return tn_half_to_float(tn_float_to_half((float)x));
}

/* One group of the generator: 4 numbers, 2 if they are doubles. */
static int group(sampler *s, tn_random_kind kind, double *out)
{
    char bytes[4 * sizeof(double)];
    int n = s->dtype == TN_DOUBLE ? 2 : 4;
    tn_tensor t = {.dtype = s->dtype, .shape = tn_shape_vector(n), .data = bytes};
    if (tn_random(kind, s->dtype, &s->p, n, bytes, 1, NULL) != TN_OK) return 0;
    tn_philox_skip(&s->p, 1);
    for (int i = 0; i < n; i++) out[i] = tn_tensor_number(&t, i);
    return n;
}

/* What came out, and whether it is taken. A group gives as many trials, in the tail half as many. */
typedef struct trials {
    double z[4];
    bool taken[4];
    int n;
} trials;

static void try_normal(sampler *s, trials *t)
{
    t->n = group(s, TN_RANDOM_NORMAL, t->z);
    for (int i = 0; i < t->n; i++) t->taken[i] = t->z[i] >= s->low && t->z[i] <= s->high;
}

static void try_uniform(sampler *s, trials *t)
{
    double u[4], plus = s->low < 0 ? 0 : in_type(s, s->low * s->low), width = in_type(s, s->high - s->low);
    t->n = group(s, TN_RANDOM_UNIFORM, t->z);
    group(s, TN_RANDOM_UNIFORM, u);
    for (int i = 0; i < t->n; i++) {
        double z = in_type(s, in_type(s, t->z[i] * width) + s->low);
        t->z[i] = z;
        t->taken[i] = u[i] <= in_type(s, exp(in_type(s, in_type(s, plus - in_type(s, z * z)) / 2)));
    }
}

static void try_tail(sampler *s, trials *t)
{
    double u[4],
        alpha = in_type(
            s, in_type(s, s->low + in_type(s, sqrt(in_type(s, in_type(s, s->low * s->low) + 4)))) / 2);
    t->n = group(s, TN_RANDOM_UNIFORM, u) / 2;
    for (int i = 0; i < t->n; i++) {
        double z = in_type(s, in_type(s, in_type(s, -log(u[2 * i])) / alpha) + s->low);
        double x = in_type(s, s->low < alpha ? alpha - z : s->low - alpha);
        t->z[i] = z;
        t->taken[i] = u[2 * i + 1] <= in_type(s, exp(in_type(s, -in_type(s, x * x) / 2))) && z < s->high;
    }
}

typedef void (*trial_fn)(sampler *s, trials *t);

static trial_fn method_of(const sampler *s)
{
    const double inside = in_type(s, 1.3), low = s->low;
    if ((low < -inside && s->high >= 0) || (s->high > inside && low <= 0)) return try_normal;
    double root = in_type(s, sqrt(in_type(s, in_type(s, low * low) + 4)));
    double edge = in_type(s, in_type(s, low * in_type(s, low - root)) / 4);
    double cut = in_type(s, in_type(s, 2 * in_type(s, exp(in_type(s, 0.5 + edge)))) / in_type(s, low + root));
    return in_type(s, s->high - low) < cut ? try_uniform : try_tail;
}

/* p: mean, deviation, least, greatest. Bounds are turned round so that the lower one is near the mean, and
 * counted in deviations from it. */
static tn_code begin(sampler *s, const double p[4], tn_error *err)
{
    double low = p[2], high = p[3];
    if (!(p[1] > 0) || !(low < high) || (!isfinite(low) && !isfinite(high)))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid parameters: a deviation of %g, bounds %g and %g",
                       p[1], low, high);
    bool turned = (isinf(low) && low < 0) || high < p[0];
    s->mean = p[0];
    s->deviation = turned ? -p[1] : p[1];
    s->low = in_type(s, in_type(s, (turned ? high : low) - s->mean) / s->deviation);
    s->high = in_type(s, in_type(s, (turned ? low : high) - s->mean) / s->deviation);
    return TN_OK;
}

/* n numbers to out[first], out[first + step], ... What is left of the last group is dropped. */
static tn_code fill(sampler *s, const double p[4], tn_tensor *out, int64_t first, int64_t step, int64_t n,
                    tn_error *err)
{
    TN_TRY(begin(s, p, err));
    trial_fn try = method_of(s);
    int tries = 0;
    for (int64_t i = 0; i < n;) {
        trials t;
        try(s, &t);
        for (int k = 0; k < t.n && i < n; k++) {
            bool last = ++tries >= MOST_TRIES;
            if (!t.taken[k] && last && try != try_uniform)
                return tn_fail(err, TN_INTERNAL,
                               "TruncatedNormal rejection sampler failed to accept a sample.");
            if (!t.taken[k] && !last) continue;
            tn_tensor_set_number(out, first + i++ * step,
                                 in_type(s, in_type(s, t.z[k] * s->deviation) + s->mean));
            tries = 0;
        }
    }
    return TN_OK;
}

/* ==== with seeds ==== samples for each set of parameters, which are broadcast and come last */

static tn_code broadcast_all(const tn_run *r, tn_shape *all, tn_walk *w, tn_error *err)
{
    char text[128];
    const tn_shape *in[4], *s = &r->out[0]->shape;
    *all = TN_SHAPE();
    for (int i = 0; i < 4; i++) {
        in[i] = &r->in[2 + i]->shape;
        TN_TRY(tn_shape_broadcast(all, in[i], all, err));
    }
    bool ends = all->rank <= s->rank;
    for (int k = 0; ends && k < all->rank; k++) ends = all->dim[k] == s->dim[s->rank - all->rank + k];
    if (!ends)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Shape passed in must end with broadcasted shape %s.",
                       tn_shape_text(all, text, sizeof text));
    return tn_walk_prepare(all, in, 4, w, err);
}

static tn_code stateless_run(tn_run *r, tn_error *err)
{
    tn_walk w;
    tn_shape all;
    sampler s = {.dtype = r->out[0]->dtype};
    int64_t index[TN_MAX_RANK] = {0}, at[4] = {0}, count = tn_tensor_count(r->out[0]);
    TN_TRY(tn_random_source(r, 0, &s.p, err));
    TN_TRY(broadcast_all(r, &all, &w, err));
    int64_t sets = tn_shape_count(&all);
    for (int64_t b = 0; count > 0 && b < sets; b++) {
        double p[4];
        for (int i = 0; i < 4; i++) p[i] = tn_tensor_number(r->in[2 + i], at[i]);
        TN_TRY(fill(&s, p, r->out[0], b, sets, count / sets, err));
        tn_walk_next(&w, 4, index, at);
    }
    return TN_OK;
}

/* ==== with a generator of its own ==== parameters for all, or for each row */

static tn_code check_rows(const tn_run *r, int64_t rows, bool *same, tn_error *err)
{
    *same = true;
    for (int i = 1; i < 5; i++) {
        const tn_shape *s = &r->in[i]->shape;
        if (s->rank > 1 || (s->rank == 1 && s->dim[0] != 1 && s->dim[0] != rows))
            return tn_fail(err, TN_INVALID_ARGUMENT, "Input %s should be a scalar or vector of length %lld",
                           tn_op_sig(r->op)->in[i].name, (long long)rows);
        *same &= tn_shape_count(s) == 1;
    }
    return TN_OK;
}

static tn_code stateful_run(tn_run *r, tn_error *err)
{
    bool same;
    tn_philox_state state;
    sampler s = {.dtype = r->out[0]->dtype};
    if (s.dtype == TN_BFLOAT16) return tn_fail(err, TN_UNIMPLEMENTED, "%s of bfloat16", r->op->name);
    if (r->out[0]->shape.rank == 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Shape tensor must not be empty");
    int64_t count = tn_tensor_count(r->out[0]), rows = r->out[0]->shape.dim[0];
    TN_TRY(check_rows(r, rows, &same, err));
    if (count == 0) return TN_OK;
    int64_t each = same ? PIECE : count / rows;
    rows = (count + each - 1) / each;
    TN_TRY(tn_run_random(r, (uint64_t)rows * 2 * MOST_TRIES * (uint64_t)(each + 3) / 4, &state, err));
    memcpy(s.p.counter, state.counter, sizeof s.p.counter);
    memcpy(s.p.key, state.key, sizeof s.p.key);
    for (int64_t b = 0; b < rows; b++) {
        double p[4];
        for (int i = 0; i < 4; i++)
            p[i] = tn_tensor_number(r->in[1 + i], tn_tensor_count(r->in[1 + i]) == 1 ? 0 : b);
        TN_TRY(fill(&s, p, r->out[0], b * each, 1, TN_MIN(each, count - b * each), err));
    }
    return TN_OK;
}

/* ==== gradient ==== a number is a smooth function of its parameters at the place it has among what may be
 * drawn */

static tn_node times(tn_builder *b, tn_node x, double factor)
{
    return tn_g2(b, "Mul", x, tn_scalar(b, tn_dtype_base(tn_node_dtype(x)), factor));
}

static tn_node standard(tn_grad *g, tn_node x)
{
    return tn_g2(g->b, "RealDiv", tn_g2(g->b, "Sub", x, tn_grad_in(g, 2)), tn_grad_in(g, 3));
}

static tn_node probability_below(tn_builder *b, tn_node x)
{
    return times(b, tn_g1(b, "Erfc", times(b, x, -M_SQRT1_2)), 0.5);
}

/* The share of what may be drawn that lies below the sample, away from 0 and 1. */
static tn_node share_below(tn_builder *b, tn_node sample, tn_node low, tn_node high, tn_dtype t)
{
    tn_node from = probability_below(b, low);
    tn_node part = tn_g2(b, "Sub", probability_below(b, sample), from),
            all = tn_g2(b, "Sub", probability_below(b, high), from);
    double tiny = t == TN_DOUBLE ? 2.2250738585072014e-308 : t == TN_FLOAT ? 1.17549435e-38 : 6.1035e-05;
    double eps = t == TN_DOUBLE ? 2.220446049250313e-16 : t == TN_FLOAT ? 1.1920929e-07 : 9.765625e-04;
    tn_node share = tn_g2(b, "Minimum", tn_g2(b, "RealDiv", part, all), tn_scalar(b, t, 1 - eps));
    return tn_g2(b, "Maximum", share, tn_scalar(b, t, tiny));
}

/* exp((sample^2 - bound^2) / 2 + weight) */
static tn_node by_bound(tn_builder *b, tn_node sample, tn_node bound, tn_node weight)
{
    tn_node squares = tn_g2(b, "Sub", tn_g1(b, "Square", sample), tn_g1(b, "Square", bound));
    return tn_g1(b, "Exp", tn_g2(b, "AddV2", times(b, squares, 0.5), weight));
}

static tn_code stateless_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node sample = tn_grad_out(g, 0), dy = tn_grad_dy(g, 0), x = standard(g, sample),
            low = standard(g, tn_grad_in(g, 4)), high = standard(g, tn_grad_in(g, 5));
    tn_node share = share_below(b, x, low, high, tn_dtype_base(tn_node_dtype(sample)));
    tn_node by[] = {tn_g1(b, "OnesLike", x), x,
                    by_bound(b, x, low, tn_g1(b, "Log1p", tn_g1(b, "Neg", share))),
                    by_bound(b, x, high, tn_g1(b, "Log", share))};
    for (int i = 0; i < 4; i++)
        tn_grad_set(g, 2 + i, tn_g_sum_to(b, tn_g2(b, "Mul", dy, by[i]), tn_grad_in(g, 2 + i), sample));
    return TN_OK;
}

static tn_code shape_infer(tn_infer *c, tn_error *err)
{
    return tn_infer_new_shape(c, 0, &c->out[0].shape, err);
}

#define TRUNCATED(Name, Run, Grad, Flags, Sig)        \
    const tn_op tn_op_##Name = {.name = #Name,        \
                                .sig = Sig,           \
                                .infer = shape_infer, \
                                .run = Run,           \
                                .grad = Grad,         \
                                .flags = Flags,       \
                                .values = TN_BIT(0)}
TRUNCATED(
    ParameterizedTruncatedNormal, stateful_run, NULL, TN_STATEFUL | TN_NO_GRADIENT,
    "shape:T means:dtype stdevs:dtype minvals:dtype maxvals:dtype -> output:dtype; seed:int=0 seed2:int=0 "
    "dtype:type{half,bfloat16,float,double} T:type{int32,int64}");
TRUNCATED(StatelessParameterizedTruncatedNormal, stateless_run, stateless_grad, 0,
          "shape:S seed:Tseed means:dtype stddevs:dtype minvals:dtype maxvals:dtype -> output:dtype; "
          "S:type{int32,int64} "
          "Tseed:type{int32,int64}=int64 dtype:type{half,float,double}");
