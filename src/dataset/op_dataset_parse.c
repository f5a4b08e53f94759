/* SPDX-License-Identifier: Apache-2.0
 *
 * op_dataset_parse.c - ParseExampleDataset: batches of serialized examples as their features, in the order of
 * the features' names. A sparse feature is a vector of three variants, a ragged one a variant, as tf.data
 * packs them.
 */
#include <stdlib.h>

#include "../ops/boxed.h"
#include "../ops/parse.h"
#include "../plan/plan.h"
#include "dataset.h"

enum { MOST_FEATURES = 1 << 12 };

typedef enum { SPARSE, DENSE, RAGGED, KINDS } feature_kind;

typedef struct feature { /* an output */
    feature_kind kind;
    int number; /* of its kind */
    tn_view key;
} feature;

typedef struct wanted { /* what a data set asks for */
    tn_parse_group g;
    tn_dtype *values; /* of what the parser gives: tn_parse_group_end of them */
    feature *features;
} wanted;

/* ==== what is asked for ==== */

static const char *const KEYS[KINDS] = {"sparse_keys", "dense_keys", "ragged_keys"};
static const char *const TYPES[KINDS] = {"sparse_types", "Tdense", "ragged_value_types"};

static int by_key(const void *a, const void *b)
{
    const feature *x = a, *y = b;
    int c = memcmp(x->key.p, y->key.p, TN_MIN(x->key.n, y->key.n));
    return c ? c : (x->key.n > y->key.n) - (x->key.n < y->key.n);
}

static tn_code read_kind(const tn_parsing *b, feature_kind kind, int n, tn_wanted **out, wanted *w, int *at)
{
    const tn_attr *types = tn_attr_find(b->r->attrs, TYPES[kind]);
    TN_TRY(tn_parse_attr_keys(b, KEYS[kind], n, out));
    for (int i = 0; i < n; i++) {
        tn_view key = (*out)[i].key;
        char *own = tn_arena_alloc(b->arena, key.n + 1);
        if (!own) return tn_no_memory(b->err, key.n);
        memcpy(own, key.p, key.n);
        (*out)[i].key = (tn_view){own, key.n};
        (*out)[i].dtype = types->types[i];
        w->features[(*at)++] = (feature){kind, i, (*out)[i].key};
    }
    return TN_OK;
}

/* The parser's values: indices, values and shapes of the sparse ones, the dense ones, values and splits of
 * the others. */
static void describe_values(const tn_run *r, wanted *w)
{
    const tn_parse_group *g = &w->g;
    const tn_attr *splits = tn_attr_find(r->attrs, "ragged_split_types");
    tn_dtype *t = w->values;
    for (int i = 0; i < 3 * g->n_sparse; i++)
        *t++ = i / g->n_sparse == 1 ? g->sparse[i - g->n_sparse].dtype : TN_INT64;
    for (int i = 0; i < g->n_dense; i++) *t++ = g->dense[i].dtype;
    for (int i = 0; i < g->n_ragged; i++) *t++ = g->ragged[i].dtype;
    for (int i = 0; i < g->n_ragged; i++) *t++ = splits->types[i];
}

static tn_code check_defaults(const tn_dataset *d, const wanted *w, tn_error *err)
{
    for (int i = 0; i < w->g.n_dense; i++) {
        const tn_wanted *f = &w->g.dense[i];
        if (f->def->dtype != f->dtype)
            return tn_fail(err, TN_INVALID_ARGUMENT, "'%s': the default of %.*s is of %s, not %s", d->node,
                           (int)TN_MIN(f->key.n, (size_t)200), f->key.p, tn_dtype_name(f->def->dtype),
                           tn_dtype_name(f->dtype));
    }
    return TN_OK;
}

static tn_code read_wanted(tn_dataset *d, tn_run *r, wanted *w, tn_error *err)
{
    tn_parsing b = {.r = r, .arena = d->arena, .err = err};
    tn_parse_group *g = &w->g;
    int at = 0;
    g->n_sparse = tn_parse_list_size(r->attrs, TYPES[SPARSE]);
    g->n_dense = tn_parse_list_size(r->attrs, TYPES[DENSE]);
    g->n_ragged = tn_parse_list_size(r->attrs, TYPES[RAGGED]);
    int n = g->n_sparse + g->n_dense + g->n_ragged;
    if (n != d->width || n > MOST_FEATURES || r->n_in != 2 + g->n_dense ||
        tn_parse_list_size(r->attrs, "ragged_split_types") != g->n_ragged)
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s': %d features as %d components (at most %d)", r->name,
                       n, d->width, MOST_FEATURES);
    w->features = TN_ARRAY(d->arena, n + 1, feature);
    w->values = TN_ARRAY(d->arena, tn_parse_group_end(g) + 1, tn_dtype);
    if (!w->features || !w->values) return tn_no_memory(err, 0);
    TN_TRY(read_kind(&b, SPARSE, g->n_sparse, &g->sparse, w, &at));
    TN_TRY(read_kind(&b, DENSE, g->n_dense, &g->dense, w, &at));
    TN_TRY(read_kind(&b, RAGGED, g->n_ragged, &g->ragged, w, &at));
    qsort(w->features, (size_t)n, sizeof *w->features, by_key);
    TN_TRY(tn_parse_shapes(&b, "dense_shapes", g->dense, g->n_dense));
    TN_TRY(tn_dataset_keep(d, r, 2, g->n_dense, err));
    for (int i = 0; i < g->n_dense; i++) g->dense[i].def = d->tensor[i];
    describe_values(r, w);
    return check_defaults(d, w, err);
}

/* ==== elements ==== */

typedef struct parser {
    tn_source base;
    tn_tensor **batch;
} parser;

static tn_code parse_start(tn_source *s, tn_pull *t, tn_error *err)
{
    (void)t;
    parser *p = (parser *)s;
    p->batch = tn_element_new(s->d->input[0]->width);
    return p->batch ? TN_OK : tn_no_memory(err, 0);
}

static void parse_stop(tn_source *s)
{
    parser *p = (parser *)s;
    tn_element_drop(p->batch, s->d->input[0]->width);
    tn_free(p->batch);
}

static tn_code boxed(const tn_shape *shape, const tn_tensor *const *v, int boxes, int each, tn_tensor **out,
                     tn_error *err)
{
    TN_TRY(tn_tensor_new(TN_VARIANT, shape, out, err));
    for (int k = 0; k < boxes; k++) TN_TRY(tn_box_set(*out, k, v + k * each, each, err));
    return TN_OK;
}

static tn_code give(const wanted *w, const feature *f, tn_tensor *const *values, tn_tensor **out,
                    tn_error *err)
{
    const tn_parse_group *g = &w->g;
    const tn_shape scalar = {.rank = 0}, three = tn_shape_vector(3);
    const int dense = 3 * g->n_sparse, ragged = dense + g->n_dense, i = f->number;
    if (f->kind == DENSE) return tn_tensor_keep(values[dense + i], out, err);
    if (f->kind == SPARSE)
        return boxed(
            &three,
            (const tn_tensor *const[]){values[i], values[g->n_sparse + i], values[2 * g->n_sparse + i]}, 3, 1,
            out, err);
    return boxed(&scalar, (const tn_tensor *const[]){values[ragged + g->n_ragged + i], values[ragged + i]}, 1,
                 2, out, err);
}

/* values: of the dtypes that are wanted, empty. */
static tn_code parse_batch(const tn_source *s, tn_pull *t, const tn_tensor *batch, tn_arena *a,
                           tn_tensor **values, tn_tensor **out, tn_error *err)
{
    const wanted *w = s->d->own;
    tn_run r = *t->run;
    r.in = &batch;
    r.n_in = 1;
    r.out = values;
    r.n_out = tn_parse_group_end(&w->g);
    r.step = NULL;
    tn_parsing b = {.r = &r, .arena = a, .err = err, .n = tn_tensor_count(batch)};
    TN_TRY(tn_parse_examples(&b));
    TN_TRY(tn_parse_features(&b, &w->g));
    for (int k = 0; k < s->d->width; k++) TN_TRY(give(w, &w->features[k], values, &out[k], err));
    return TN_OK;
}

static tn_code parse_in(const tn_source *s, tn_pull *t, const tn_tensor *batch, tn_arena *a, tn_tensor **out,
                        tn_error *err)
{
    const wanted *w = s->d->own;
    const int n = tn_parse_group_end(&w->g);
    tn_tensor *values = TN_ARRAY(a, n + 1, tn_tensor), **at = TN_ARRAY(a, n + 1, tn_tensor *);
    if (!values || !at) return tn_no_memory(err, 0);
    for (int k = 0; k < n; k++) {
        values[k].dtype = w->values[k];
        at[k] = &values[k];
    }
    tn_code code = parse_batch(s, t, batch, a, at, out, err);
    for (int k = 0; k < n; k++) tn_value_drop(&values[k]);
    return code;
}

static tn_code parse_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    parser *p = (parser *)s;
    TN_TRY(tn_source_next(s->in, t, p->batch, end, err));
    if (*end) return TN_OK;
    const tn_tensor *batch = p->batch[0];
    tn_arena *a = tn_arena_new(0);
    tn_code code = a ? TN_OK : tn_no_memory(err, 0);
    if (code == TN_OK && batch->shape.rank != 1)
        code = tn_fail(err, TN_INVALID_ARGUMENT, "Expected serialized to be a vector, got rank %d",
                       batch->shape.rank);
    if (code == TN_OK) code = parse_in(s, t, batch, a, out, err);
    tn_arena_free(a);
    tn_element_drop(p->batch, s->d->input[0]->width);
    return code;
}

static const tn_dataset_kind parse_kind = {.name = "ParseExample",
                                           .state = sizeof(parser),
                                           .starts_input = true,
                                           .start = parse_start,
                                           .next = parse_next,
                                           .stop = parse_stop,
                                           .cardinality = tn_dataset_cardinality_of_input};

static tn_code set_parse(tn_dataset *d, tn_run *r, tn_error *err)
{
    int64_t calls;
    TN_TRY(tn_dataset_int(r, 1, "num_parallel_calls", &calls, err));
    if (calls <= 0 && calls != -1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "num_parallel_calls must be greater than zero.");
    if (d->input[0]->width != 1 || d->input[0]->types[0] != TN_STRING)
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s': its input's elements are no vectors of strings",
                       r->name);
    d->own = TN_NEW(d->arena, wanted);
    return d->own ? read_wanted(d, r, d->own, err) : tn_no_memory(err, 0);
}

static tn_code parse_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &parse_kind, 1, false, &d, err));
    return tn_dataset_give(r, d, set_parse(d, r, err), err);
}
#define BATCHES "input_dataset:variant num_parallel_calls:int64 dense_defaults:[Tdense]"
#define FEATURES                                               \
    " sparse_keys:list(string)>=0 dense_keys:list(string)>=0 " \
    "sparse_types:list(type){float,int64,string}>=0 "          \
    "Tdense:list(type){float,int64,string}>=0 dense_shapes:list(shape)>=0" TN_DATA_OUT
#define RAGGED_FEATURES                                                                        \
    " ragged_keys:list(string)>=0=[] ragged_value_types:list(type){float,int64,string}>=0=[] " \
    "ragged_split_types:list(type){int32,int64}>=0=[]"
TN_DATASET(ParseExampleDataset, parse_run, BATCHES, FEATURES " sloppy:bool=false" RAGGED_FEATURES);
TN_DATASET(ParseExampleDatasetV2, parse_run, BATCHES,
           FEATURES " deterministic:string=\"default\"" RAGGED_FEATURES);
TN_DATASET(ExperimentalParseExampleDataset, parse_run, BATCHES, FEATURES " sloppy:bool=false");
