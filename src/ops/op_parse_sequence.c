/* SPDX-License-Identifier: Apache-2.0
 *
 * op_parse_sequence.c - ParseSequenceExample, its V2 and ParseSingleSequenceExample: serialized
 * tf.SequenceExample records. The context is parsed as tf.Example's features are; a list of features becomes
 * a tensor with a dimension of time: dense (filled up to the longest), sparse or ragged in two levels.
 */
#include "parse.h"
#include "sparse.h"

/* ==== feature lists ==== */

typedef struct sequences {
    tn_parsing p;
    tn_parse_group context;
    const tn_FeatureLists **lists; /* of each example */
    tn_wanted *sparse, *dense, *ragged;
    int n_sparse, n_dense, n_ragged;
    bool lengths; /* there are outputs for the dense ones' lengths */
} sequences;

static const tn_FeatureList *find_list(const tn_FeatureLists *all, tn_view key)
{
    for (uint32_t i = 0; all && i < all->feature_list.n; i++)
        if (tn_view_eq(all->feature_list.items[i].key, key)) return all->feature_list.items[i].value;
    return NULL;
}

/* The list of an example, NULL and OK: there is none and need not be. */
static tn_code list_of(const sequences *s, int64_t example, const tn_wanted *w, const tn_FeatureList **out)
{
    *out = find_list(s->lists[example], w->key);
    if (*out || w->may_lack) return TN_OK;
    return tn_fail(
        s->p.err, TN_INVALID_ARGUMENT,
        "Name: <unknown>, Feature list '%.*s' is required but could not be found.  Did you mean to "
        "include it in feature_list_dense_missing_assumed_empty or feature_list_dense_defaults?",
        (int)TN_MIN(w->key.n, (size_t)200), w->key.p);
}

static uint32_t steps_of(const tn_FeatureList *l)
{
    return l ? l->feature.n : 0;
}

typedef struct extent { /* of one feature list over all examples */
    int64_t values, steps, most_steps, most_values;
} extent;

static tn_code measure(const sequences *s, const tn_wanted *w, extent *e)
{
    *e = (extent){0};
    for (int64_t k = 0; k < s->p.n; k++) {
        const tn_FeatureList *l = find_list(s->lists[k], w->key);
        e->steps += steps_of(l);
        e->most_steps = TN_MAX(e->most_steps, (int64_t)steps_of(l));
        for (uint32_t t = 0; t < steps_of(l); t++) {
            tn_parsed v;
            TN_TRY(tn_parse_values(&s->p, &l->feature.items[t], k, w, &v));
            e->values += (int64_t)v.n;
            e->most_values = TN_MAX(e->most_values, (int64_t)v.n);
        }
    }
    return TN_OK;
}

/* ==== dense: [batch, steps, shape...] ==== */

static tn_code dense_output(const sequences *s, const tn_wanted *w, int64_t steps, int o)
{
    tn_shape shape = {.rank = 0};
    if (!s->p.scalar) shape.dim[shape.rank++] = s->p.n;
    shape.dim[shape.rank++] = steps;
    for (int k = 0; k < w->shape.rank; k++) shape.dim[shape.rank++] = w->shape.dim[k];
    TN_TRY(tn_run_output(s->p.r, o, &shape, s->p.err));
    if (tn_dtype_is_pod(w->dtype)) memset(s->p.r->out[o]->data, 0, tn_tensor_bytes(s->p.r->out[o]));
    return TN_OK;
}

static tn_code wrong_number(const sequences *s, const tn_wanted *w, int64_t example, uint32_t step, size_t n)
{
    char text[128];
    return tn_fail(
        s->p.err, TN_INVALID_ARGUMENT,
        "Name: <unknown>, Key: %.*s, Index: %u.  Number of %s values != expected.  values size: %zu but "
        "output shape: %s (example %lld)",
        (int)TN_MIN(w->key.n, (size_t)200), w->key.p, step, tn_dtype_name(w->dtype), n,
        tn_shape_text(&w->shape, text, sizeof text), (long long)example);
}

static tn_code dense_list(const sequences *s, const tn_wanted *w, int o)
{
    int64_t each = tn_shape_count(&w->shape);
    extent e;
    if (each < 0)
        return tn_fail(s->p.err, TN_INVALID_ARGUMENT, "feature_list_dense_shapes must be fully known");
    for (int64_t k = 0; k < s->p.n; k++) {
        const tn_FeatureList *l;
        TN_TRY(list_of(s, k, w, &l));
    }
    TN_TRY(measure(s, w, &e));
    TN_TRY(dense_output(s, w, e.most_steps, o));
    for (int64_t k = 0; k < s->p.n; k++) {
        const tn_FeatureList *l = find_list(s->lists[k], w->key);
        for (uint32_t t = 0; t < steps_of(l); t++) {
            tn_parsed v;
            TN_TRY(tn_parse_values(&s->p, &l->feature.items[t], k, w, &v));
            if ((int64_t)v.n != each) return wrong_number(s, w, k, t, v.n);
            TN_TRY(tn_parse_put(&s->p, s->p.r->out[o], (k * e.most_steps + t) * each, &v));
        }
    }
    return TN_OK;
}

static tn_code list_lengths(const sequences *s, const tn_wanted *w, int o)
{
    tn_shape shape = tn_shape_vector(s->p.n);
    if (s->p.scalar) shape.rank = 0;
    TN_TRY(tn_run_output(s->p.r, o, &shape, s->p.err));
    for (int64_t k = 0; k < s->p.n; k++)
        TN_INT64S(s->p.r->out[o])[k] = steps_of(find_list(s->lists[k], w->key));
    return TN_OK;
}

/* ==== sparse: indices (batch, step, position) ==== */

static tn_code sparse_list(const sequences *s, const tn_wanted *w, const int out[3])
{
    tn_run *r = s->p.r;
    int columns = s->p.scalar ? 2 : 3;
    int64_t at = 0;
    extent e;
    TN_TRY(measure(s, w, &e));
    TN_TRY(tn_sparse_output(r, out[0], out[1], e.values, columns, s->p.err));
    int64_t *index = TN_INT64S(r->out[out[0]]);
    for (int64_t k = 0; k < s->p.n; k++) {
        const tn_FeatureList *l = find_list(s->lists[k], w->key);
        for (uint32_t t = 0; t < steps_of(l); t++) {
            tn_parsed v;
            TN_TRY(tn_parse_values(&s->p, &l->feature.items[t], k, w, &v));
            TN_TRY(tn_parse_put(&s->p, r->out[out[1]], at, &v));
            at += (int64_t)v.n;
            for (size_t i = 0; i < v.n; i++) {
                if (columns == 3) *index++ = k;
                *index++ = t;
                *index++ = (int64_t)i;
            }
        }
    }
    const int64_t dim[3] = {s->p.n, e.most_steps, e.most_values};
    return tn_sparse_output_shape(r, out[2], dim + (3 - columns), columns, s->p.err);
}

/* ==== ragged: splits of the batch into steps, and of steps into values ==== */

static tn_code ragged_list(const sequences *s, const tn_wanted *w, const int out[3])
{
    tn_run *r = s->p.r;
    int64_t at = 0, step = 0;
    extent e;
    TN_TRY(measure(s, w, &e));
    tn_shape values = tn_shape_vector(e.values), outer = tn_parse_splits_shape(&s->p),
             inner = tn_shape_vector(e.steps + 1);
    TN_TRY(tn_run_output(r, out[0], &values, s->p.err));
    TN_TRY(tn_run_output(r, out[1], &outer, s->p.err));
    TN_TRY(tn_run_output(r, out[2], &inner, s->p.err));
    tn_parse_split(r->out[out[2]], 0, 0);
    tn_parse_split(r->out[out[1]], 0, 0);
    for (int64_t k = 0; k < s->p.n; k++) {
        const tn_FeatureList *l = find_list(s->lists[k], w->key);
        for (uint32_t t = 0; t < steps_of(l); t++) {
            tn_parsed v;
            TN_TRY(tn_parse_values(&s->p, &l->feature.items[t], k, w, &v));
            TN_TRY(tn_parse_put(&s->p, r->out[out[0]], at, &v));
            at += (int64_t)v.n;
            tn_parse_split(r->out[out[2]], ++step, at);
        }
        if (!s->p.scalar) tn_parse_split(r->out[out[1]], k + 1, step);
    }
    return TN_OK;
}

/* ==== the records ==== */

static tn_code decode_all(sequences *s)
{
    s->p.features = TN_ARRAY(s->p.arena, s->p.n + 1, const tn_Features *);
    s->lists = TN_ARRAY(s->p.arena, s->p.n + 1, const tn_FeatureLists *);
    if (!s->p.features || !s->lists) return tn_no_memory(s->p.err, (size_t)s->p.n * sizeof *s->lists);
    for (int64_t k = 0; k < s->p.n; k++) {
        tn_view bytes = tn_parse_string(s->p.r->in[0], k);
        tn_SequenceExample *e;
        tn_code code = TN_DECODE(SequenceExample, bytes, s->p.arena, &e, s->p.err);
        if (code == TN_RESOURCE_EXHAUSTED) return code;
        if (code != TN_OK)
            return tn_fail(s->p.err, TN_INVALID_ARGUMENT,
                           "Invalid protocol message input, example id: <unknown>, %lld", (long long)k);
        s->p.features[k] = e->context;
        s->lists[k] = e->feature_lists;
    }
    return TN_OK;
}

/* Which dense lists may lack: by name (an attribute's strings, or an input's), or one truth for each. */
static void lack_by_name(const sequences *s, tn_view name)
{
    for (int i = 0; i < s->n_dense; i++)
        if (tn_view_eq(s->dense[i].key, name)) s->dense[i].may_lack = true;
}

static tn_code read_lack(const sequences *s, const tn_tensor *t, const tn_attr *attr)
{
    for (int i = 0; attr && attr->is_list && i < attr->n; i++)
        lack_by_name(s, (tn_view){attr->ss[i].n ? attr->ss[i].p : "", attr->ss[i].n});
    if (!t) return TN_OK;
    int64_t n = tn_tensor_count(t);
    if (t->dtype == TN_BOOL && n != s->n_dense)
        return tn_fail(
            s->p.err, TN_INVALID_ARGUMENT,
            "Expected len(feature_list_dense_missing_assumed_empty) == len(feature_list_dense_keys) but "
            "got %lld vs. %d",
            (long long)n, s->n_dense);
    for (int64_t i = 0; i < n; i++) {
        if (t->dtype == TN_BOOL)
            s->dense[i].may_lack = ((const bool *)t->data)[i];
        else
            lack_by_name(s, tn_parse_string(t, i));
    }
    return TN_OK;
}

static void count_features(sequences *s)
{
    const tn_attrs *a = s->p.r->attrs;
    tn_parse_group *c = &s->context;
    c->n_sparse = tn_parse_list_size(a, "context_sparse_types");
    c->n_dense = tn_parse_list_size(a, "Tcontext_dense");
    c->n_ragged = tn_parse_list_size(a, "context_ragged_value_types");
    s->n_sparse = tn_parse_list_size(a, "feature_list_sparse_types");
    s->n_dense = tn_parse_list_size(a, "feature_list_dense_types");
    s->n_ragged = tn_parse_list_size(a, "feature_list_ragged_value_types");
}

/* serialized debug_name defaults..: keys are attributes */
static tn_code read_v1(sequences *s)
{
    tn_parse_group *c = &s->context;
    TN_TRY(tn_parse_attr_keys(&s->p, "context_sparse_keys", c->n_sparse, &c->sparse));
    TN_TRY(tn_parse_attr_keys(&s->p, "context_dense_keys", c->n_dense, &c->dense));
    TN_TRY(tn_parse_attr_keys(&s->p, "feature_list_sparse_keys", s->n_sparse, &s->sparse));
    TN_TRY(tn_parse_attr_keys(&s->p, "feature_list_dense_keys", s->n_dense, &s->dense));
    TN_TRY(read_lack(s, NULL, tn_attr_find(s->p.r->attrs, "feature_list_dense_missing_assumed_empty")));
    return tn_parse_describe(&s->p, c, "context_dense_shapes", 2);
}

/* serialized debug_name, six vectors of keys, which may lack, defaults.. */
static tn_code read_v2(sequences *s)
{
    tn_parse_group *c = &s->context;
    int next = 2;
    TN_TRY(tn_parse_keys(&s->p, true, c->n_sparse, &next, &c->sparse));
    TN_TRY(tn_parse_keys(&s->p, true, c->n_dense, &next, &c->dense));
    TN_TRY(tn_parse_keys(&s->p, true, c->n_ragged, &next, &c->ragged));
    TN_TRY(tn_parse_keys(&s->p, true, s->n_sparse, &next, &s->sparse));
    TN_TRY(tn_parse_keys(&s->p, true, s->n_dense, &next, &s->dense));
    TN_TRY(tn_parse_keys(&s->p, true, s->n_ragged, &next, &s->ragged));
    TN_TRY(read_lack(s, s->p.r->in[next], NULL));
    return tn_parse_describe(&s->p, c, "context_dense_shapes", next + 1);
}

/* serialized, which may lack, keys as scalars, defaults.., debug_name */
static tn_code read_single(sequences *s)
{
    tn_parse_group *c = &s->context;
    int next = 2;
    TN_TRY(tn_parse_keys(&s->p, false, c->n_sparse, &next, &c->sparse));
    TN_TRY(tn_parse_keys(&s->p, false, c->n_dense, &next, &c->dense));
    TN_TRY(tn_parse_keys(&s->p, false, s->n_sparse, &next, &s->sparse));
    TN_TRY(tn_parse_keys(&s->p, false, s->n_dense, &next, &s->dense));
    TN_TRY(read_lack(s, s->p.r->in[1], NULL));
    return tn_parse_describe(&s->p, c, "context_dense_shapes", next);
}

static tn_code parse_lists(const sequences *s)
{
    tn_run *r = s->p.r;
    int n = s->n_sparse, m = s->n_ragged, sparse = tn_parse_group_end(&s->context), dense = sparse + 3 * n,
        ragged = dense + (s->lengths ? 2 : 1) * s->n_dense;
    for (int i = 0; i < n; i++) {
        s->sparse[i].dtype = r->out[sparse + n + i]->dtype;
        TN_TRY(sparse_list(s, &s->sparse[i], (int[]){sparse + i, sparse + n + i, sparse + 2 * n + i}));
    }
    TN_TRY(tn_parse_shapes(&s->p, "feature_list_dense_shapes", s->dense, s->n_dense));
    for (int i = 0; i < s->n_dense; i++) {
        s->dense[i].dtype = r->out[dense + i]->dtype;
        TN_TRY(dense_list(s, &s->dense[i], dense + i));
        if (s->lengths) TN_TRY(list_lengths(s, &s->dense[i], dense + s->n_dense + i));
    }
    for (int i = 0; i < m; i++) {
        s->ragged[i].dtype = r->out[ragged + i]->dtype;
        TN_TRY(ragged_list(s, &s->ragged[i], (int[]){ragged + i, ragged + m + i, ragged + 2 * m + i}));
    }
    return TN_OK;
}

static tn_code parse(tn_run *r, tn_arena *a, tn_code (*request)(sequences *s), bool lengths, tn_error *err)
{
    sequences s = {.p = {.r = r, .arena = a, .err = err}, .lengths = lengths};
    s.p.scalar = r->in[0]->shape.rank == 0;
    s.p.scalar_splits = true;
    s.p.n = tn_tensor_count(r->in[0]);
    count_features(&s);
    TN_TRY(request(&s));
    TN_TRY(decode_all(&s));
    TN_TRY(tn_parse_features(&s.p, &s.context));
    return parse_lists(&s);
}
static tn_code v1(tn_run *r, tn_arena *a, tn_error *err)
{
    return parse(r, a, read_v1, true, err);
}
static tn_code v2(tn_run *r, tn_arena *a, tn_error *err)
{
    return parse(r, a, read_v2, true, err);
}
static tn_code single(tn_run *r, tn_arena *a, tn_error *err)
{
    return parse(r, a, read_single, false, err);
}
TN_RUN_IN_ARENA(v1_run, v1)
TN_RUN_IN_ARENA(v2_run, v2)
TN_RUN_IN_ARENA(single_run, single)

/* The context's; the lists' shapes are only seen when they are parsed. */
static tn_code sequence_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    tn_parse_group g = {.n_sparse = tn_parse_list_size(c->attrs, "context_sparse_types"),
                        .n_dense = tn_parse_list_size(c->attrs, "Tcontext_dense"),
                        .n_ragged = tn_parse_list_size(c->attrs, "context_ragged_value_types")};
    if (c->n_out < tn_parse_group_end(&g))
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s has too few outputs", c->op->name);
    if (in->rank > (strcmp(c->op->name, "ParseSingleSequenceExample") ? 1 : 0))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Shape must be at most rank 1 but is rank %d", in->rank);
    if (in->rank >= 0) tn_parse_infer(c, &g, in->rank, in->rank ? in->dim[0] : 1, "context_dense_shapes");
    return TN_OK;
}

#define SEQUENCE(NAME, RUN, SIG) \
    const tn_op tn_op_##NAME = { \
        .name = #NAME,           \
        .sig = SIG,              \
        .infer = sequence_infer, \
        .run = RUN,              \
        .dynamic = ~0u,          \
    }
#define CONTEXT_OUT                                                                              \
    "context_sparse_indices:Ncontext_sparse*int64 context_sparse_values:[context_sparse_types] " \
    "context_sparse_shapes:Ncontext_sparse*int64 context_dense_values:[Tcontext_dense] "
#define LISTS_OUT                                             \
    "feature_list_sparse_indices:Nfeature_list_sparse*int64 " \
    "feature_list_sparse_values:[feature_list_sparse_types] " \
    "feature_list_sparse_shapes:Nfeature_list_sparse*int64 "  \
    "feature_list_dense_values:[feature_list_dense_types]"
#define LENGTHS_OUT " feature_list_dense_lengths:Nfeature_list_dense*int64"
#define VALUE_TYPES "list(type){float,int64,string}>=0=[] "
#define SPLIT_TYPES "list(type){int32,int64}>=0=[] "
SEQUENCE(ParseSequenceExample, v1_run,
         "serialized:string debug_name:string context_dense_defaults:[Tcontext_dense] -> " CONTEXT_OUT
             LISTS_OUT LENGTHS_OUT
         "; feature_list_dense_missing_assumed_empty:list(string)>=0 context_sparse_keys:list(string)>=0 "
         "context_dense_keys:list(string)>=0 feature_list_sparse_keys:list(string)>=0 "
         "feature_list_dense_keys:list(string)>=0 Ncontext_sparse:int>=0=0 Ncontext_dense:int>=0=0 "
         "Nfeature_list_sparse:int>=0=0 Nfeature_list_dense:int>=0=0 context_sparse_types:" VALUE_TYPES
         "Tcontext_dense:" VALUE_TYPES "feature_list_dense_types:" VALUE_TYPES
         "context_dense_shapes:list(shape)>=0=[] feature_list_sparse_types:" VALUE_TYPES
         "feature_list_dense_shapes:list(shape)>=0=[]");
SEQUENCE(ParseSequenceExampleV2, v2_run,
         "serialized:string debug_name:string context_sparse_keys:string context_dense_keys:string "
         "context_ragged_keys:string feature_list_sparse_keys:string feature_list_dense_keys:string "
         "feature_list_ragged_keys:string feature_list_dense_missing_assumed_empty:bool "
         "context_dense_defaults:[Tcontext_dense] -> " CONTEXT_OUT
         "context_ragged_values:[context_ragged_value_types] "
         "context_ragged_row_splits:[context_ragged_split_types] " LISTS_OUT LENGTHS_OUT
         " feature_list_ragged_values:[feature_list_ragged_value_types] "
         "feature_list_ragged_outer_splits:[feature_list_ragged_split_types] "
         "feature_list_ragged_inner_splits:[feature_list_ragged_split_types]; Ncontext_sparse:int>=0=0 "
         "Tcontext_dense:" VALUE_TYPES "context_sparse_types:" VALUE_TYPES
         "context_ragged_value_types:" VALUE_TYPES "context_ragged_split_types:" SPLIT_TYPES
         "context_dense_shapes:list(shape)>=0=[] Nfeature_list_sparse:int>=0=0 Nfeature_list_dense:int>=0=0 "
         "feature_list_dense_types:" VALUE_TYPES "feature_list_sparse_types:" VALUE_TYPES
         "feature_list_ragged_value_types:" VALUE_TYPES "feature_list_ragged_split_types:" SPLIT_TYPES
         "feature_list_dense_shapes:list(shape)>=0=[]");
SEQUENCE(
    ParseSingleSequenceExample, single_run,
    "serialized:string feature_list_dense_missing_assumed_empty:string "
    "context_sparse_keys:Ncontext_sparse*string context_dense_keys:Ncontext_dense*string "
    "feature_list_sparse_keys:Nfeature_list_sparse*string feature_list_dense_keys:Nfeature_list_dense*string "
    "context_dense_defaults:[Tcontext_dense] debug_name:string -> " CONTEXT_OUT LISTS_OUT
    "; Ncontext_sparse:int>=0=0 Ncontext_dense:int>=0=0 Nfeature_list_sparse:int>=0=0 "
    "Nfeature_list_dense:int>=0=0 context_sparse_types:" VALUE_TYPES "Tcontext_dense:" VALUE_TYPES
    "feature_list_dense_types:" VALUE_TYPES "context_dense_shapes:list(shape)>=0=[] "
    "feature_list_sparse_types:" VALUE_TYPES "feature_list_dense_shapes:list(shape)>=0=[]");
