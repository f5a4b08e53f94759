/* SPDX-License-Identifier: Apache-2.0
 *
 * op_dataset_generator.c - data sets whose elements a function makes, one after another, and those that give as many
 * elements of each of several as weights say.
 */
#include <math.h>

#include "dataset.h"

/* ==== Generator ==== f[0] makes a state, f[1] of it an element until it fails with OUT_OF_RANGE, f[2] ends it */

enum { INIT, NEXT, FINALIZE };

typedef struct generated {
    tn_source base;
    tn_tensor **state; /* NULL: not begun */
    int n_state;
} generated;

static void generator_stop(tn_source *s)
{
    generated *v = (generated *)s;
    tn_element_drop(v->state, v->n_state);
    tn_free(v->state);
}

static tn_code results_of(const tn_source *s, int k, const tn_pull *t, int *out, tn_error *err)
{
    const tn_function *f = tn_run_function(t->run, s->d->f[k].name);
    if (!f) return tn_fail(err, TN_NOT_FOUND, "'%s': there is no function '%s'", s->d->node, s->d->f[k].name);
    *out = f->n_rets;
    return TN_OK;
}

static tn_code begin(tn_source *s, tn_pull *t, tn_error *err)
{
    generated *v = (generated *)s;
    int n = 0;
    if (v->state) return TN_OK;
    TN_TRY(results_of(s, INIT, t, &n, err));
    tn_tensor **state = tn_element_new(n);
    tn_code code = state ? tn_source_call(s, INIT, t, NULL, 0, state, n, err) : tn_no_memory(err, 0);
    if (code != TN_OK) {
        tn_free(state);
        return code;
    }
    v->state = state;
    v->n_state = n;
    return TN_OK;
}

static tn_code finalize(tn_source *s, tn_pull *t, tn_error *err)
{
    generated *v = (generated *)s;
    int n = 0;
    TN_TRY(results_of(s, FINALIZE, t, &n, err));
    tn_tensor **out = tn_element_new(n);
    tn_code code = out ? tn_source_call(s, FINALIZE, t, v->state, v->n_state, out, n, err) : tn_no_memory(err, 0);
    if (code == TN_OK) tn_element_drop(out, n);
    tn_free(out);
    return code;
}

static tn_code generator_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    generated *v = (generated *)s;
    tn_error why = {0};
    TN_TRY(begin(s, t, err));
    tn_code code = tn_source_call(s, NEXT, t, v->state, v->n_state, out, s->d->width, &why);
    *end = code == TN_OUT_OF_RANGE;
    if (*end) return finalize(s, t, err);
    if (code != TN_OK && err) *err = why;
    return code;
}

static const tn_dataset_kind generator_kind = {
    .name = "Generator", .state = sizeof(generated), .next = generator_next, .stop = generator_stop};

static tn_code set_generator(tn_dataset *d, const tn_run *r, tn_error *err)
{
    static const char *const functions[] = {"init_func", "next_func", "finalize_func"},
                            *const lists[] = {"Tinit_func_args", "Tnext_func_args", "Tfinalize_func_args"};
    int first = 0;
    for (int k = INIT; k <= FINALIZE; k++) {
        int n = tn_dataset_count(r, lists[k]);
        TN_TRY(tn_dataset_function(d, k, r, functions[k], first, n, err));
        first += n;
    }
    return TN_OK;
}

static tn_code generator_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &generator_kind, 0, false, &d, err));
    return tn_dataset_give(r, d, set_generator(d, r, err), err);
}
TN_DATASET(GeneratorDataset, generator_run,
           "init_func_other_args:[Tinit_func_args] next_func_other_args:[Tnext_func_args] "
           "finalize_func_other_args:[Tfinalize_func_args]",
           " init_func:func next_func:func finalize_func:func Tinit_func_args:list(type)>=0 "
           "Tnext_func_args:list(type)>=0 Tfinalize_func_args:list(type)>=0" TN_DATA_META);

/* ==== WeightedFlatMap ==== own: how many elements come of each input */

typedef struct weighted {
    tn_source base;
    int input;
    int64_t i;
} weighted;

static tn_code weighted_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    weighted *v = (weighted *)s;
    const int64_t *counts = s->d->own;
    for (; v->input < s->d->n_inputs; v->input++) {
        if (v->i < counts[v->input]) {
            if (!s->in) TN_TRY(tn_source_start(s->d->input[v->input], t, &s->in, err));
            TN_TRY(tn_source_next(s->in, t, out, end, err));
            v->i++;
            if (!*end) return TN_OK;
        }
        tn_source_stop(s->in);
        s->in = NULL;
        v->i = 0;
    }
    *end = true;
    return TN_OK;
}

static int64_t weighted_count(const tn_dataset *d)
{
    const int64_t *counts = d->own;
    int64_t all = 0;
    for (int i = 0; i < d->n_inputs; i++)
        if (__builtin_add_overflow(all, counts[i], &all)) return INT64_MAX;
    return all;
}

static const tn_dataset_kind weighted_kind = {
    .name = "WeightedFlatMap", .state = sizeof(weighted), .next = weighted_next, .cardinality = weighted_count};

static double weight_of(const tn_run *r, int input)
{
    return *(const double *)r->in[input]->data;
}

static tn_code check_weight(const tn_dataset *d, const tn_run *r, int i, tn_error *err)
{
    const int64_t count = tn_dataset_cardinality(d->input[i]);
    if (r->in[d->n_inputs + i]->shape.rank != 0) return tn_fail(err, TN_INVALID_ARGUMENT, "weights must be scalars");
    double w = weight_of(r, d->n_inputs + i);
    if (!(w > 0) || !isfinite(w))
        return tn_fail(err, TN_INVALID_ARGUMENT, "`weights` must be greater than 0.0. Input %d has a weight of %g", i,
                       w);
    if (d->input[i]->width != d->width)
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s': input %d has %d components, not %d", r->name, i,
                       d->input[i]->width, d->width);
    if (count < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Cardinalities of the inputs must be known. Input %d has %s cardinality.", i,
                       count == TN_INFINITE_CARDINALITY ? "INFINITE" : "UNKNOWN");
    return TN_OK;
}

/* The input whose number of elements times its weight is least has as many as the one with the largest weight is to
 * give, the others in proportion: so it is in TensorFlow, also where that one has fewer. */
static tn_code count_elements(tn_dataset *d, const tn_run *r, int64_t *counts, tn_error *err)
{
    const int n = d->n_inputs;
    double sum = 0, largest = 0, least = INFINITY, most = 0;
    for (int i = 0; i < n; i++) sum += weight_of(r, n + i);
    for (int i = 0; i < n; i++) {
        double w = weight_of(r, n + i) / sum, count = (double)tn_dataset_cardinality(d->input[i]);
        largest = fmax(largest, w);
        if (count * w < least) {
            least = count * w;
            most = count;
        }
    }
    for (int i = 0; i < n; i++) {
        double count = weight_of(r, n + i) / sum / largest * most;
        if (!(count <= (double)tn_dataset_cardinality(d->input[i])))
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Input %d needs to have at least %.0f elements. It only has %lld elements.", i, count,
                           (long long)tn_dataset_cardinality(d->input[i]));
        counts[i] = (int64_t)count;
    }
    return TN_OK;
}

static tn_code set_weights(tn_dataset *d, const tn_run *r, tn_error *err)
{
    int64_t *counts = TN_ARRAY(d->arena, d->n_inputs + 1, int64_t);
    if (!counts) return tn_no_memory(err, 0);
    if (r->n_in != 2 * d->n_inputs)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "The number of input datasets must match the number of weights: %d vs. %d",
                       d->n_inputs, r->n_in - d->n_inputs);
    for (int i = 0; i < d->n_inputs; i++) TN_TRY(check_weight(d, r, i, err));
    d->own = counts;
    return count_elements(d, r, counts, err);
}

static tn_code weighted_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &weighted_kind, (int)tn_attr_i(r->attrs, "N"), false, &d, err));
    return tn_dataset_give(r, d, set_weights(d, r, err), err);
}
TN_DATASET(WeightedFlatMapDataset, weighted_run, "input_datasets:N*variant weights:M*double",
           " N:int>=2 M:int>=2" TN_DATA_META);
