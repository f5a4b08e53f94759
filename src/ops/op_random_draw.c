/* SPDX-License-Identifier: Apache-2.0
 *
 * op_random_draw.c - random numbers by rejection, one draw at a time: gamma, Poisson, binomial, multinomial
 * ones; with a generator of the operator's own, by seeds, by key and counter. Bit for bit TensorFlow's.
 */
#include "op_math.h"
#include "op_move.h"
#include "random_draw.h"
#include "random_source.h"

#include <math.h>

/* ==== shapes ==== samples of a shape for each element of a tensor of parameters, which come last */

static bool is_stateless(const tn_op *op)
{
    return !strncmp(op->name, "Stateless", 9);
}

/* The shape is given whole, or is that of the samples of one parameter. */
static tn_code samples_infer(tn_infer *c, tn_error *err)
{
    tn_shape s;
    TN_TRY(tn_infer_new_shape(c, 0, &s, err));
    if (s.rank < 0) return TN_OK;
    const tn_shape *p = &c->in[c->n_in - 1]->shape;
    if (is_stateless(c->op)) {
        c->out[0].shape = s;
        return TN_OK;
    }
    if (p->rank < 0 || s.rank + p->rank > TN_MAX_RANK) return TN_OK;
    memcpy(s.dim + s.rank, p->dim, (size_t)p->rank * sizeof *p->dim);
    s.rank += p->rank;
    c->out[0].shape = s;
    return TN_OK;
}

static tn_code check_end(const tn_run *r, const tn_tensor *parameters, tn_error *err)
{
    const tn_shape *s = &r->out[0]->shape, *p = &parameters->shape;
    bool fits = p->rank <= s->rank;
    for (int k = 0; fits && k < p->rank; k++) fits = p->dim[k] == s->dim[s->rank - p->rank + k];
    return fits ? TN_OK
                : tn_fail(err, TN_INVALID_ARGUMENT, "Shape passed in must end with broadcasted shape.");
}

/* ==== gamma and Poisson ==== number i of the draws is sample i % samples of parameter i / samples */

typedef double (*draw_fn)(tn_draws *d, double parameter, double most);

static double draw_gamma(tn_draws *d, double alpha, double most)
{
    (void)most;
    return tn_draw_gamma(d, alpha);
}

static double greatest(tn_dtype t)
{
    switch (t) {
    case TN_HALF: return 65504;
    case TN_FLOAT: return 3.4028234663852886e38;
    case TN_DOUBLE: return 1.7976931348623157e308;
    case TN_INT32: return INT32_MAX;
    default: return (double)INT64_MAX;
    }
}

static tn_code draw_all(tn_run *r, const tn_philox *p, const tn_tensor *parameters, draw_fn draw,
                        tn_error *err)
{
    tn_tensor *out = r->out[0];
    int64_t n = tn_tensor_count(parameters), count = tn_tensor_count(out), samples = n ? count / n : 0;
    for (int64_t i = 0; i < count; i++) {
        if (i % 4096 == 0 && tn_run_cancelled(r)) return tn_fail(err, TN_CANCELLED, "the run was cancelled");
        tn_draws d = tn_draws_at(p, i);
        double x = draw(&d, tn_tensor_number(parameters, i / samples), greatest(out->dtype));
        tn_tensor_set_number(out, i % samples * n + i / samples, x);
    }
    return TN_OK;
}

static tn_code gamma_run(tn_run *r, tn_error *err)
{
    tn_philox p;
    const tn_tensor *alpha = r->in[r->n_in - 1];
    if (is_stateless(r->op)) TN_TRY(check_end(r, alpha, err));
    if (tn_tensor_count(r->out[0]) == 0) return TN_OK;
    TN_TRY(tn_random_source(r, tn_tensor_count(r->out[0]), &p, err));
    return draw_all(r, &p, alpha, draw_gamma, err);
}

static tn_code poisson_run(tn_run *r, tn_error *err)
{
    tn_philox p;
    const tn_tensor *rate = r->in[r->n_in - 1];
    if (is_stateless(r->op)) TN_TRY(check_end(r, rate, err));
    if (tn_tensor_count(r->out[0]) == 0) return TN_OK;
    TN_TRY(tn_random_source(r, tn_tensor_count(r->out[0]), &p, err));
    return draw_all(r, &p, rate, tn_draw_poisson, err);
}

/* Summed over the samples of each alpha. */
static tn_code gamma_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    int last = g->op->n_in - 1;
    tn_node alpha = tn_grad_in(g, last), sample = tn_grad_out(g, 0);
    tn_node d = tn_g2(b, "Mul", tn_grad_dy(g, 0), tn_g2(b, "RandomGammaGrad", alpha, sample));
    tn_grad_set(g, last, tn_g_sum_to(b, d, alpha, sample));
    return TN_OK;
}

#define DRAWN(NAME, INFER, RUN, GRAD, FLAGS, SIG) \
    const tn_op tn_op_##NAME = {.name = #NAME,    \
                                .sig = SIG,       \
                                .infer = INFER,   \
                                .run = RUN,       \
                                .grad = GRAD,     \
                                .flags = FLAGS,   \
                                .values = TN_BIT(0)}
DRAWN(RandomGamma, samples_infer, gamma_run, gamma_grad, TN_STATEFUL,
      "shape:S alpha:T -> output:T; seed:int=0 seed2:int=0 S:type{int32,int64} T:type{half,float,double}");
DRAWN(StatelessRandomGammaV2, samples_infer, gamma_run, gamma_grad, 0,
      "shape:T seed:Tseed alpha:dtype -> output:dtype; dtype:type{half,float,double} T:type{int32,int64} "
      "Tseed:type{int32,int64}=int64");
DRAWN(StatelessRandomGammaV3, samples_infer, gamma_run, gamma_grad, 0,
      "shape:shape_dtype key:uint64 counter:uint64 alg:int32 alpha:dtype -> output:dtype; "
      "dtype:type{half,float,double} shape_dtype:type{int32,int64}=int32");
DRAWN(RandomPoisson, samples_infer, poisson_run, NULL, TN_STATEFUL,
      "shape:S rate:dtype -> output:dtype; seed:int=0 seed2:int=0 S:type{int32,int64} "
      "dtype:type{half,float,double}");
DRAWN(RandomPoissonV2, samples_infer, poisson_run, NULL, TN_STATEFUL,
      "shape:S rate:R -> output:dtype; seed:int=0 seed2:int=0 S:type{int32,int64} "
      "R:type{half,float,double,int32,int64}=double dtype:type{half,float,double,int32,int64}=int64");
DRAWN(StatelessRandomPoisson, samples_infer, poisson_run, NULL, TN_NO_GRADIENT,
      "shape:T seed:Tseed lam:Rtype -> output:dtype; Rtype:type{half,float,double,int32,int64} "
      "dtype:type{half,float,double,int32,int64} T:type{int32,int64} Tseed:type{int32,int64}=int64");

/* ==== binomial ==== two parameters, broadcast */

static tn_code binomial_infer(tn_infer *c, tn_error *err)
{
    tn_shape s;
    int shape = !strcmp(c->op->name, "StatefulRandomBinomial") ? 2 : 0;
    TN_TRY(tn_infer_rank(c, shape, 1, err));
    if (tn_infer_ints(c, shape, &s)) c->out[0].shape = s;
    return TN_OK;
}

static tn_code binomial_walk(const tn_run *r, const tn_tensor *const *t, tn_walk *w, int64_t *n,
                             tn_error *err)
{
    const tn_shape *shapes[] = {&t[0]->shape, &t[1]->shape};
    tn_shape both;
    TN_TRY(tn_shape_broadcast(shapes[0], shapes[1], &both, err));
    tn_tensor view = {.shape = both};
    TN_TRY(check_end(r, &view, err));
    *n = tn_shape_count(&both);
    return tn_walk_prepare(&both, shapes, 2, w, err);
}

static tn_code draw_binomials(tn_run *r, const tn_philox *p, const tn_tensor *const *t, tn_error *err)
{
    tn_walk w;
    int64_t n, index[TN_MAX_RANK] = {0}, at[2] = {0}, count = tn_tensor_count(r->out[0]);
    TN_TRY(binomial_walk(r, t, &w, &n, err));
    int64_t samples = n ? count / n : 0;
    for (int64_t b = 0; b < n; b++) {
        double trials = tn_tensor_number(t[0], at[0]), chance = tn_tensor_number(t[1], at[1]);
        for (int64_t i = 0; i < samples; i++)
            tn_tensor_set_number(r->out[0], i * n + b, tn_draw_binomial(p, b * samples + i, trials, chance));
        tn_walk_next(&w, 2, index, at);
    }
    return TN_OK;
}

static tn_code binomial_run(tn_run *r, tn_error *err)
{
    tn_philox p;
    const tn_tensor *t[] = {r->in[r->n_in - 2], r->in[r->n_in - 1]};
    tn_shape both;
    TN_TRY(tn_shape_broadcast(&t[0]->shape, &t[1]->shape, &both, err));
    int64_t n = tn_shape_count(&both), samples = n ? tn_tensor_count(r->out[0]) / n : 0;
    TN_TRY(tn_random_source(r, n * 2 * 100 * (samples + 3) / 4, &p, err));
    return draw_binomials(r, &p, t, err);
}

DRAWN(
    StatelessRandomBinomial, binomial_infer, binomial_run, NULL, TN_NO_GRADIENT,
    "shape:S seed:Tseed counts:T probs:T -> output:dtype; S:type{int32,int64} Tseed:type{int32,int64}=int64 "
    "T:type{half,float,double,int32,int64}=double dtype:type{half,float,double,int32,int64}=int64");
const tn_op tn_op_StatefulRandomBinomial = {
    .name = "StatefulRandomBinomial",
    .sig = "resource:resource algorithm:int64 shape:S counts:T probs:T -> output:dtype; S:type{int32,int64} "
           "T:type{half,float,double,int32,int64}=double dtype:type{half,float,double,int32,int64}=int64",
    .infer = binomial_infer,
    .run = binomial_run,
    .flags = TN_STATEFUL | TN_EFFECT,
    .values = TN_BIT(2),
    .writes = TN_BIT(0),
};

/* ==== multinomial ==== */

static tn_code multinomial_infer(tn_infer *c, tn_error *err)
{
    int64_t n = -1;
    char text[128];
    if (c->in[0]->shape.rank >= 0 && c->in[0]->shape.rank != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "logits should be a matrix, got shape %s",
                       tn_shape_text(&c->in[0]->shape, text, sizeof text));
    TN_TRY(tn_infer_rank(c, 0, 2, err));
    if (tn_infer_int(c, 1, &n) && n < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "num_samples should be non-negative, got %lld",
                       (long long)n);
    const tn_shape *s = &c->in[0]->shape;
    c->out[0].shape = (tn_shape){.rank = 2, .dim = {s->rank == 2 ? s->dim[0] : -1, n}};
    if (s->rank == 2 && s->dim[1] == 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "num_classes should be positive, got 0");
    return TN_OK;
}

static tn_code multinomial_prepare(tn_prepare *p, tn_error *err)
{
    (void)err;
    p->scratch = (size_t)p->in[0]->shape.dim[1] * sizeof(double);
    return TN_OK;
}

/* Running sums of what the logits stand for; their total. */
static double sum_up(const tn_tensor *logits, int64_t row, int64_t classes, double *sums)
{
    double most = -INFINITY, total = 0;
    for (int64_t k = 0; k < classes; k++) {
        double x = tn_tensor_number(logits, row * classes + k);
        if (isfinite(x) && x > most) most = x;
    }
    for (int64_t k = 0; k < classes; k++) {
        double x = tn_tensor_number(logits, row * classes + k);
        if (isfinite(x)) total += exp(x - most);
        sums[k] = total;
    }
    return total;
}

static int64_t first_above(const double *sums, int64_t n, double x)
{
    int64_t low = 0, high = n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (sums[middle] > x)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static tn_code multinomial_run(tn_run *r, tn_error *err)
{
    tn_philox p;
    int64_t rows = r->out[0]->shape.dim[0], n = r->out[0]->shape.dim[1], classes = r->in[0]->shape.dim[1];
    double *sums = r->scratch;
    if (rows * n == 0) return TN_OK;
    TN_TRY(tn_random_source(r, rows * ((n + 3) / 4 * 4) * 2, &p, err));
    tn_words w = tn_words_of(&p);
    for (int64_t row = 0; row < rows; row++) {
        double total = sum_up(r->in[0], row, classes, sums);
        for (int64_t i = 0; i < n; i++)
            tn_tensor_set_number(r->out[0], row * n + i,
                                 (double)first_above(sums, classes, tn_word_double(&w) * total));
    }
    return TN_OK;
}

#define MULTINOMIAL(NAME, FLAGS, SIG)                              \
    const tn_op tn_op_##NAME = {.name = #NAME,                     \
                                .sig = SIG,                        \
                                .infer = multinomial_infer,        \
                                .prepare = multinomial_prepare,    \
                                .run = multinomial_run,            \
                                .flags = (FLAGS) | TN_NO_GRADIENT, \
                                .values = TN_BIT(1)}
MULTINOMIAL(
    Multinomial, TN_STATEFUL,
    "logits:T num_samples:int32 -> output:output_dtype; seed:int=0 seed2:int=0 T:type{realnumbertype} "
    "output_dtype:type{int32,int64}=int64");
MULTINOMIAL(StatelessMultinomial, 0,
            "logits:T num_samples:int32 seed:Tseed -> output:output_dtype; T:type{realnumbertype} "
            "Tseed:type{int32,int64}=int64 output_dtype:type{int32,int64}=int64");
