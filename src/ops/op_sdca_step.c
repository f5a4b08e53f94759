/* SPDX-License-Identifier: Apache-2.0
 *
 * op_sdca_step.c - a step of stochastic dual coordinate ascent, SdcaOptimizer and SdcaOptimizerV2: of each example the
 * dual variable that is best while the others stay, and what the weights change by. Examples come in an order by
 * chance, of which TensorFlow's is another each time; here the state that comes in decides it. Adaptive: those come
 * more often whose dual is far from where it should be.
 */
#include <math.h>

#include "op_move.h"
#include "random_words.h"
#include "sdca_loss.h"
#include "sparse.h"

/* ==== features and weights ==== */

typedef struct sparse_group {
    int64_t *start;       /* by example, and one more: where its features begin */
    int64_t *at;          /* of each feature its weight */
    const float *value;   /* NULL: all are 1 */
    const float *weight;
    float *delta;
} sparse_group;

typedef struct dense_group {
    const float *x;
    int64_t n; /* features of each example */
    const float *weight;
    float *delta;
} dense_group;

typedef struct ascent {
    tn_run *r;
    tn_arena *arena;
    const tn_sdca_loss *loss;
    int n_sparse, n_valued, n_dense, parts;
    float l2;
    double shrinkage;
    int64_t examples;
    const float *weight, *label;
    double *norm; /* squares of each example's features, added up */
    sparse_group *sparse;
    dense_group *dense;
} ascent;

/* The place of a list's first tensor among the inputs. */
enum list {
    EXAMPLE_INDICES,
    FEATURE_INDICES,
    FEATURE_VALUES,
    DENSE_FEATURES,
    WEIGHTS,
    LABELS,
    INDICES,
    SPARSE_WEIGHTS,
    DENSE_WEIGHTS,
    STATE
};

static int place(const ascent *s, enum list which)
{
    const int n[] = {s->n_sparse, s->n_sparse, s->n_valued, s->n_dense, 1, 1, s->n_sparse, s->n_sparse, s->n_dense};
    int at = 0;
    for (int k = 0; k < (int)which; k++) at += n[k];
    return at;
}

static const tn_tensor *input(const ascent *s, enum list which, int i)
{
    return s->r->in[place(s, which) + i];
}

typedef struct known { /* a feature that has a weight */
    int64_t id, at;
} known;

static int by_id(const void *x, const void *y)
{
    const known *a = x, *b = y;
    return a->id != b->id ? (a->id > b->id) - (a->id < b->id) : (a->at > b->at) - (a->at < b->at);
}

/* The weight of a feature: the last one of its number. */
static int64_t find(const known *all, int64_t n, int64_t id)
{
    int64_t low = 0, high = n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (all[middle].id <= id) low = middle + 1;
        else high = middle;
    }
    return low > 0 && all[low - 1].id == id ? all[low - 1].at : -1;
}

static tn_code find_weights(ascent *s, int i, sparse_group *g, tn_error *err)
{
    const tn_tensor *ids = input(s, INDICES, i), *features = input(s, FEATURE_INDICES, i);
    int64_t n = tn_tensor_count(ids), count = tn_tensor_count(features);
    known *all = TN_ARRAY(s->arena, n + 1, known);
    g->at = TN_ARRAY(s->arena, count + 1, int64_t);
    if (!all || !g->at) return tn_no_memory(err, (size_t)n * sizeof *all);
    for (int64_t k = 0; k < n; k++) all[k] = (known){TN_INT64S(ids)[k], k};
    qsort(all, (size_t)n, sizeof *all, by_id);
    for (int64_t k = 0; k < g->start[s->examples]; k++) {
        g->at[k] = find(all, n, TN_INT64S(features)[k]);
        if (g->at[k] < 0 || g->at[k] >= tn_tensor_count(input(s, SPARSE_WEIGHTS, i)))
            return tn_fail(err, TN_INVALID_ARGUMENT, "Found sparse feature indices out of valid range: %lld",
                           (long long)TN_INT64S(features)[k]);
    }
    return TN_OK;
}

/* Features of each example, which come in the examples' order; what is out of it is nobody's. */
static tn_code find_starts(ascent *s, int i, sparse_group *g, tn_error *err)
{
    const tn_tensor *of = input(s, EXAMPLE_INDICES, i);
    int64_t n = tn_tensor_count(of), end = 0;
    if (n != tn_tensor_count(input(s, FEATURE_INDICES, i)) ||
        (i < s->n_valued && n != tn_tensor_count(input(s, FEATURE_VALUES, i))))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Found mismatched example_indices and feature_indices or values, of %lld", (long long)n);
    g->start = TN_ARRAY(s->arena, s->examples + 1, int64_t);
    if (!g->start) return tn_no_memory(err, (size_t)s->examples * sizeof *g->start);
    for (int64_t e = 0; e < s->examples; e++) {
        while (end < n && TN_INT64S(of)[end] == e) end++;
        g->start[e + 1] = end;
    }
    return TN_OK;
}

static int by_number(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a > b) - (a < b);
}

/* An example has each feature once. */
static tn_code check_twice(ascent *s, const sparse_group *g, tn_error *err)
{
    int64_t n = g->start[s->examples], *sorted = TN_ARRAY(s->arena, n + 1, int64_t);
    if (!sorted) return tn_no_memory(err, (size_t)n * sizeof *sorted);
    memcpy(sorted, g->at, (size_t)n * sizeof *sorted);
    for (int64_t e = 0; e < s->examples; e++) {
        int64_t *from = sorted + g->start[e], count = g->start[e + 1] - g->start[e];
        qsort(from, (size_t)count, sizeof *from, by_number);
        for (int64_t k = 1; k < count; k++)
            if (from[k] == from[k - 1])
                return tn_fail(err, TN_INVALID_ARGUMENT, "Duplicate index in sparse vector.");
    }
    return TN_OK;
}

/* Output o: as many zeros as there are weights. */
static tn_code begin_delta(ascent *s, int o, const tn_tensor *weights, float **out, tn_error *err)
{
    TN_TRY(tn_run_output(s->r, o, &weights->shape, err));
    *out = TN_FLOATS(s->r->out[o]);
    if (tn_tensor_count(weights)) memset(*out, 0, (size_t)tn_tensor_count(weights) * sizeof **out);
    return TN_OK;
}

static tn_code read_sparse(ascent *s, int i, tn_error *err)
{
    sparse_group *g = &s->sparse[i];
    const tn_tensor *w = input(s, SPARSE_WEIGHTS, i);
    g->weight = TN_FLOATS(w);
    if (i < s->n_valued) g->value = TN_FLOATS(input(s, FEATURE_VALUES, i));
    TN_TRY(find_starts(s, i, g, err));
    TN_TRY(find_weights(s, i, g, err));
    TN_TRY(check_twice(s, g, err));
    for (int64_t e = 0; e < s->examples; e++)
        for (int64_t k = g->start[e]; k < g->start[e + 1]; k++)
            s->norm[e] += g->value ? (double)g->value[k] * (double)g->value[k] : 1;
    return begin_delta(s, 1 + i, w, &g->delta, err);
}

static tn_code read_dense(ascent *s, int i, tn_error *err)
{
    dense_group *g = &s->dense[i];
    const tn_tensor *x = input(s, DENSE_FEATURES, i), *w = input(s, DENSE_WEIGHTS, i);
    if (x->shape.rank != 2 || x->shape.dim[0] != s->examples)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Dense features at index %d must be rank 2, a row for each of %lld examples", i,
                       (long long)s->examples);
    *g = (dense_group){.x = TN_FLOATS(x), .n = x->shape.dim[1], .weight = TN_FLOATS(w)};
    if (g->n < 1 || g->n > tn_tensor_count(w))
        return tn_fail(err, TN_INVALID_ARGUMENT, "More dense features than we have parameters for: %lld",
                       (long long)g->n);
    for (int64_t e = 0; e < s->examples; e++) {
        float sum = 0;
        for (int64_t k = 0; k < g->n; k++) sum += g->x[e * g->n + k] * g->x[e * g->n + k];
        s->norm[e] += (double)sum;
    }
    return begin_delta(s, 1 + s->n_sparse + i, w, &g->delta, err);
}

/* ==== a step ==== */

static double shrink(const ascent *s, double w)
{
    double rest = fabs(w) - s->shrinkage;
    return rest > 0 ? copysign(rest, w) : 0;
}

static float shrink_float(const ascent *s, float w)
{
    float rest = fabsf(w) - (float)s->shrinkage;
    return rest > 0 ? (w > 0 ? rest : w < 0 ? -rest : 0) : 0;
}

/* What the model says of an example: with the weights as they were, and with what they have changed by. */
static void predict(const ascent *s, int64_t e, double *before, double *now)
{
    *before = *now = 0;
    for (int i = 0; i < s->n_sparse; i++) {
        const sparse_group *g = &s->sparse[i];
        for (int64_t k = g->start[e]; k < g->start[e + 1]; k++) {
            double value = g->value ? (double)g->value[k] : 1;
            float w = g->weight[g->at[k]], with = w + g->delta[g->at[k]] * (float)s->parts;
            *before += value * shrink(s, (double)w);
            *now += value * shrink(s, (double)with);
        }
    }
    for (int i = 0; i < s->n_dense; i++) {
        const dense_group *g = &s->dense[i];
        float old = 0, new = 0;
        for (int64_t k = 0; k < g->n; k++) {
            old += g->x[e * g->n + k] * shrink_float(s, g->weight[k]);
            new += g->x[e * g->n + k] * shrink_float(s, g->weight[k] + g->delta[k] * (float)s->parts);
        }
        *before += (double)old;
        *now += (double)new;
    }
}

static void change_weights(ascent *s, int64_t e, double by)
{
    for (int i = 0; i < s->n_sparse; i++) {
        const sparse_group *g = &s->sparse[i];
        for (int64_t k = g->start[e]; k < g->start[e + 1]; k++) {
            float *d = &g->delta[g->at[k]];
            *d = (float)((double)*d + (g->value ? (double)g->value[k] : 1) * by);
        }
    }
    for (int i = 0; i < s->n_dense; i++) {
        const dense_group *g = &s->dense[i];
        for (int64_t k = 0; k < g->n; k++) g->delta[k] += g->x[e * g->n + k] * (float)by;
    }
}

/* state: dual, primal loss, dual loss, weight. */
static tn_code step(ascent *s, int64_t e, float state[4], tn_error *err)
{
    tn_sdca_point p = {.weight = (double)s->weight[e], .dual = (double)state[0], .parts = s->parts};
    double before;
    p.norm = s->norm[e] / (double)s->l2;
    TN_TRY(tn_sdca_label(s->loss, s->label[e], &p.label, err));
    predict(s, e, &before, &p.wx);
    double dual = s->loss->dual(&p);
    change_weights(s, e, (dual - p.dual) * p.weight / (double)s->l2);
    state[0] = (float)dual;
    state[1] = (float)(s->loss->primal_loss(before, p.label) * p.weight);
    state[2] = (float)fmin(s->loss->dual_loss(p.dual, p.label) * p.weight, INFINITY);
    state[3] = s->weight[e];
    return TN_OK;
}

/* ==== their order ==== */

static void shuffle(int64_t *order, int64_t n, tn_words *w)
{
    for (int64_t k = n - 1; k > 0; k--) {
        int64_t other = tn_word_below(w, (uint32_t)(k + 1)), swap = order[k];
        order[k] = order[other];
        order[other] = swap;
    }
}

/* How far each example's dual is from where it should be, added up. */
static tn_code find_chances(ascent *s, const float *state, double *sums, tn_error *err)
{
    double sum = 0, before, now, label;
    for (int64_t e = 0; e < s->examples; e++) {
        TN_TRY(tn_sdca_label(s->loss, s->label[e], &label, err));
        predict(s, e, &before, &now);
        double far = fabs((double)state[4 * e] + s->loss->slope(now, label));
        double chance = (double)s->weight[e] * sqrt(s->norm[e] + (double)s->l2 * s->loss->smooth) * far;
        sums[e] = sum += chance > 0 ? chance : 0;
    }
    return TN_OK;
}

static int64_t pick(const double *sums, int64_t n, double x)
{
    int64_t low = 0, high = n - 1;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (x < sums[middle]) high = middle;
        else low = middle + 1;
    }
    return low;
}

/* Picked by their chances, each time ten times less likely; after as many refusals as examples, those not picked. */
static tn_code order_by_chance(ascent *s, const float *state, int64_t *order, tn_words *w, tn_error *err)
{
    double *sums = TN_ARRAY(s->arena, s->examples + 1, double);
    int *times = TN_ARRAY(s->arena, s->examples + 1, int);
    int64_t n = 0, refused = 0, last = s->examples - 1;
    if (!sums || !times) return tn_no_memory(err, (size_t)s->examples * sizeof *sums);
    TN_TRY(find_chances(s, state, sums, err));
    if (!(sums[last] > 0) || !isfinite(sums[last])) return TN_OK;
    while (n < s->examples && refused < s->examples) {
        int64_t e = pick(sums, s->examples, tn_word_double(w) * sums[last]);
        if (tn_word_double(w) > pow(0.1, times[e])) {
            refused++;
            continue;
        }
        times[e]++;
        order[n++] = e;
    }
    for (int64_t e = 0; e < s->examples && n < s->examples; e++)
        if (!times[e]) order[n++] = e;
    return TN_OK;
}

static tn_code find_order(ascent *s, const float *state, bool adaptive, int64_t **out, tn_error *err)
{
    tn_words w = {.used = 4};
    *out = TN_ARRAY(s->arena, s->examples + 1, int64_t);
    if (!*out) return tn_no_memory(err, (size_t)s->examples * sizeof **out);
    tn_philox_init(&w.p, tn_hash(state, (size_t)s->examples * 4 * sizeof *state), 0);
    for (int64_t e = 0; e < s->examples; e++) (*out)[e] = e;
    shuffle(*out, s->examples, &w);
    return adaptive && s->examples ? order_by_chance(s, state, *out, &w, err) : TN_OK;
}

/* ==== the operator ==== */

static tn_code begin(ascent *s, tn_error *err)
{
    tn_run *r = s->r;
    tn_view name = {0};
    tn_attr_get_string(r->attrs, "loss_type", &name);
    s->loss = tn_sdca_loss_of(name);
    if (!s->loss)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Unsupported loss type: %.*s", (int)TN_MIN(name.n, 40), name.p);
    s->n_sparse = (int)tn_attr_i(r->attrs, "num_sparse_features");
    s->n_valued = (int)tn_attr_i(r->attrs, "num_sparse_features_with_values");
    s->n_dense = (int)tn_attr_i(r->attrs, "num_dense_features");
    s->parts = (int)tn_attr_i(r->attrs, "num_loss_partitions");
    s->l2 = tn_attr_f(r->attrs, "l2");
    s->shrinkage = (double)(tn_attr_f(r->attrs, "l1") / s->l2);
    if (s->n_sparse + s->n_dense == 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Requires at least one feature to train.");
    s->examples = tn_tensor_count(input(s, WEIGHTS, 0));
    s->weight = TN_FLOATS(input(s, WEIGHTS, 0));
    s->label = TN_FLOATS(input(s, LABELS, 0));
    if (s->examples >= INT32_MAX || tn_tensor_count(input(s, LABELS, 0)) != s->examples)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected %lld example labels but got %lld", (long long)s->examples,
                       (long long)tn_tensor_count(input(s, LABELS, 0)));
    s->norm = TN_ARRAY(s->arena, s->examples + 1, double);
    s->sparse = TN_ARRAY(s->arena, s->n_sparse + 1, sparse_group);
    s->dense = TN_ARRAY(s->arena, s->n_dense + 1, dense_group);
    return s->norm && s->sparse && s->dense ? TN_OK : tn_no_memory(err, (size_t)s->examples * sizeof *s->norm);
}

static tn_code begin_state(ascent *s, float **out, tn_error *err)
{
    const tn_tensor *t = input(s, STATE, 0);
    char text[96];
    if (t->shape.rank != 2 || t->shape.dim[0] != s->examples || t->shape.dim[1] != 4)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected shape [%lld,4] for example_state_data, got %s",
                       (long long)s->examples, tn_shape_text(&t->shape, text, sizeof text));
    TN_TRY(tn_run_output(s->r, 0, &t->shape, err));
    *out = TN_FLOATS(s->r->out[0]);
    if (s->examples) memcpy(*out, t->data, (size_t)s->examples * 4 * sizeof **out);
    return TN_OK;
}

static tn_code ascend(tn_run *r, tn_arena *a, tn_error *err)
{
    ascent s = {.r = r, .arena = a};
    float *state = NULL;
    int64_t *order = NULL;
    bool adaptive = false;
    if (!tn_attr_get_bool(r->attrs, "adaptative", &adaptive)) tn_attr_get_bool(r->attrs, "adaptive", &adaptive);
    TN_TRY(begin(&s, err));
    for (int i = 0; i < s.n_sparse; i++) TN_TRY(read_sparse(&s, i, err));
    for (int i = 0; i < s.n_dense; i++) TN_TRY(read_dense(&s, i, err));
    TN_TRY(begin_state(&s, &state, err));
    TN_TRY(find_order(&s, state, adaptive, &order, err));
    for (int64_t k = 0; k < s.examples; k++) {
        if (k % 64 == 0 && tn_run_cancelled(r)) return tn_fail(err, TN_CANCELLED, "the run was cancelled");
        TN_TRY(step(&s, order[k], state + 4 * order[k], err));
    }
    return TN_OK;
}
TN_RUN_IN_ARENA(ascend_run, ascend)

#define ASCENT(Name, Adaptive)                                                                                         \
    const tn_op tn_op_##Name = {                                                                                       \
        .name = #Name,                                                                                                 \
        .sig = "sparse_example_indices:num_sparse_features*int64 sparse_feature_indices:num_sparse_features*int64 "    \
               "sparse_feature_values:num_sparse_features_with_values*float dense_features:num_dense_features*float "  \
               "example_weights:float example_labels:float sparse_indices:num_sparse_features*int64 "                  \
               "sparse_weights:num_sparse_features*float dense_weights:num_dense_features*float "                      \
               "example_state_data:float -> out_example_state_data:float "                                             \
               "out_delta_sparse_weights:num_sparse_features*float out_delta_dense_weights:num_dense_features*float; " \
               "loss_type:string{logistic_loss,squared_loss,hinge_loss,smooth_hinge_loss,poisson_loss} " Adaptive      \
               ":bool=false num_sparse_features:int>=0 num_sparse_features_with_values:int>=0 "                        \
               "num_dense_features:int>=0 l1:float l2:float num_loss_partitions:int>=1 num_inner_iterations:int>=1",   \
        .infer = tn_infer_none,                                                                                        \
        .run = ascend_run,                                                                                             \
        .flags = TN_NO_GRADIENT,                                                                                       \
        .dynamic = ~0u,                                                                                                \
    }
ASCENT(SdcaOptimizer, "adaptative");
ASCENT(SdcaOptimizerV2, "adaptive");
