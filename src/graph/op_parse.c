/* SPDX-License-Identifier: Apache-2.0
 *
 * op_parse.c - ParseExample and ParseExampleV2: serialized tf.Example records as dense, sparse and ragged
 * tensors. The bytes are wire/'s.
 */
#include "../wire/proto.h"
#include "op_move.h"

/* ==== what is asked for ==== */

typedef struct wanted { /* one feature */
    tn_view key;
    tn_dtype dtype;
    tn_shape shape;       /* dense: of one example, dim[0] -1: as long as the longest */
    const tn_tensor *def; /* dense: its default; without elements: it must be there */
} wanted;

typedef struct request {
    wanted *sparse, *dense, *ragged;
    int n_sparse, n_dense, n_ragged;
    int64_t batch;
    bool scalar; /* one example, results without a batch dimension */
} request;

typedef struct batch {
    tn_run *r;
    tn_arena *arena;
    tn_Example **example;
    request want;
    tn_error *err;
} batch;

static int list_size(const tn_attrs *a, const char *name)
{
    const tn_attr *v = tn_attr_find(a, name);
    return v && v->is_list ? v->n : 0;
}

static tn_view key_of(const tn_tensor *t, int64_t i)
{
    return (tn_view){TN_STRINGS(t)[i].n ? TN_STRINGS(t)[i].p : "", TN_STRINGS(t)[i].n};
}

/* Keys are n scalars from input `first` on, or one vector there. */
static tn_code read_keys(batch *b, int first, bool vector, int n, wanted **out, int *next)
{
    *out = TN_ARRAY(b->arena, n + 1, wanted);
    if (!*out) return tn_no_memory(b->err, (size_t)n * sizeof **out);
    *next = first + (vector ? 1 : n);
    if (vector && tn_tensor_count(b->r->in[first]) != n)
        return tn_fail(b->err, TN_INVALID_ARGUMENT, "Expected %d keys in input %d, got %lld", n, first,
                       (long long)tn_tensor_count(b->r->in[first]));
    for (int i = 0; i < n; i++)
        (*out)[i].key = vector ? key_of(b->r->in[first], i) : key_of(b->r->in[first + i], 0);
    return TN_OK;
}

static tn_code read_request(batch *b)
{
    tn_run *r = b->r;
    request *q = &b->want;
    bool v2 = !strcmp(r->op->name, "ParseExampleV2");
    int next = 2;
    q->n_sparse = list_size(r->attrs, "sparse_types");
    q->n_dense = list_size(r->attrs, "Tdense");
    q->n_ragged = list_size(r->attrs, "ragged_value_types");
    TN_TRY(read_keys(b, next, v2, q->n_sparse, &q->sparse, &next));
    TN_TRY(read_keys(b, next, v2, q->n_dense, &q->dense, &next));
    if (v2) TN_TRY(read_keys(b, next, v2, q->n_ragged, &q->ragged, &next));
    const tn_attr *shapes = tn_attr_find(r->attrs, "dense_shapes");
    if (q->n_dense && (!shapes || !shapes->is_list || shapes->n != q->n_dense))
        return tn_fail(b->err, TN_INVALID_ARGUMENT, "len(dense_keys) != len(dense_shapes)");
    for (int i = 0; i < q->n_sparse; i++) q->sparse[i].dtype = r->out[q->n_sparse + i]->dtype;
    for (int i = 0; i < q->n_ragged; i++)
        q->ragged[i].dtype = r->out[3 * q->n_sparse + q->n_dense + i]->dtype;
    for (int i = 0; i < q->n_dense; i++) {
        q->dense[i].dtype = r->out[3 * q->n_sparse + i]->dtype;
        q->dense[i].shape = shapes->shapes[i];
        q->dense[i].def = r->in[next + i];
        if (shapes->shapes[i].rank < 0 || shapes->shapes[i].rank == TN_MAX_RANK)
            return tn_fail(b->err, TN_INVALID_ARGUMENT, "dense_shapes[%d] has unknown rank", i);
    }
    q->scalar = r->in[0]->shape.rank == 0;
    q->batch = tn_tensor_count(r->in[0]);
    return TN_OK;
}

/* ==== one feature of one example ==== */

typedef struct values {
    size_t n;
    const float *f;
    const int64_t *i;
    const tn_view *s;
} values;

static const tn_Feature *find_feature(const tn_Example *e, tn_view key)
{
    for (uint32_t i = 0; e->features && i < e->features->feature.n; i++)
        if (tn_view_eq(e->features->feature.items[i].key, key)) {
            const tn_Feature *f = e->features->feature.items[i].value;
            return f && f->kind_case ? f : NULL;
        }
    return NULL;
}

static tn_code wrong_type(const batch *b, int64_t example, const wanted *w, const char *got)
{
    return tn_fail(b->err, TN_INVALID_ARGUMENT,
                   "Name: <unknown>, Key: %.*s, Index: %lld.  Data types don't match. Data type: %s but "
                   "expected type: %s",
                   (int)TN_MIN(w->key.n, (size_t)200), w->key.p, (long long)example, got,
                   tn_dtype_name(w->dtype));
}

/* *found false: the example has no such feature. */
static tn_code take(const batch *b, int64_t example, const wanted *w, values *v, bool *found)
{
    const tn_Feature *f = find_feature(b->example[example], w->key);
    *v = (values){0};
    *found = f != NULL;
    if (!f) return TN_OK;
    if (f->kind_case == TN_Feature_float_list) {
        if (w->dtype != TN_FLOAT) return wrong_type(b, example, w, "float");
        *v = (values){.n = f->float_list->value.n, .f = f->float_list->value.items};
    } else if (f->kind_case == TN_Feature_int64_list) {
        if (w->dtype != TN_INT64) return wrong_type(b, example, w, "int64");
        *v = (values){.n = f->int64_list->value.n, .i = f->int64_list->value.items};
    } else {
        if (w->dtype != TN_STRING) return wrong_type(b, example, w, "string");
        *v = (values){.n = f->bytes_list->value.n, .s = f->bytes_list->value.items};
    }
    return TN_OK;
}

static tn_code put(const batch *b, tn_tensor *out, int64_t at, const values *v)
{
    if (v->f && v->n) memcpy(TN_FLOATS(out) + at, v->f, v->n * sizeof *v->f);
    if (v->i && v->n) memcpy(TN_INT64S(out) + at, v->i, v->n * sizeof *v->i);
    for (size_t k = 0; v->s && k < v->n; k++)
        TN_TRY(tn_string_set(out, at + (int64_t)k, v->s[k].n ? v->s[k].p : "", v->s[k].n, b->err));
    return TN_OK;
}

/* ==== dense ==== */

static tn_code missing(const batch *b, int64_t example, const wanted *w)
{
    return tn_fail(
        b->err, TN_INVALID_ARGUMENT,
        "Name: <unknown>, Feature: %.*s (data type: %s) is required but could not be found. (example %lld)",
        (int)TN_MIN(w->key.n, (size_t)200), w->key.p, tn_dtype_name(w->dtype), (long long)example);
}

static tn_code fixed_dense(const batch *b, const wanted *w, int o)
{
    tn_shape s = w->shape;
    char text[128];
    int64_t each = tn_shape_count(&s);
    if (!b->want.scalar) {
        memmove(s.dim + 1, s.dim, (size_t)s.rank * sizeof *s.dim);
        s.dim[0] = b->want.batch;
        s.rank++;
    }
    TN_TRY(tn_run_output(b->r, o, &s, b->err));
    for (int64_t k = 0; k < b->want.batch; k++) {
        values v;
        bool found;
        TN_TRY(take(b, k, w, &v, &found));
        if (!found && tn_tensor_count(w->def) == 0 && each > 0) return missing(b, k, w);
        if (!found && tn_tensor_count(w->def) != each)
            return tn_fail(b->err, TN_INVALID_ARGUMENT, "the default of %.*s has %lld elements, its shape %s",
                           (int)w->key.n, w->key.p, (long long)tn_tensor_count(w->def),
                           tn_shape_text(&w->shape, text, sizeof text));
        if (found && (int64_t)v.n != each)
            return tn_fail(b->err, TN_INVALID_ARGUMENT,
                           "Name: <unknown>, Key: %.*s, Index: %lld.  Number of %s values != expected.  "
                           "values size: %zu but output shape: %s",
                           (int)TN_MIN(w->key.n, (size_t)200), w->key.p, (long long)k,
                           tn_dtype_name(w->dtype), v.n, tn_shape_text(&w->shape, text, sizeof text));
        if (found)
            TN_TRY(put(b, b->r->out[o], k * each, &v));
        else
            TN_TRY(tn_move_row(b->r->out[o], k * each, w->def, 0, each, b->err));
    }
    return TN_OK;
}

/* As long as the longest example; the shorter ones are filled up with the default. */
static tn_code variable_dense(const batch *b, const wanted *w, int o)
{
    tn_shape s = {.rank = 0};
    int64_t row = tn_shape_product(&w->shape, 1, w->shape.rank), longest = 0;
    if (row < 1)
        return tn_fail(b->err, TN_INVALID_ARGUMENT,
                       "First dimension of values in dense_shapes may be -1, no other");
    for (int64_t k = 0; k < b->want.batch; k++) {
        values v;
        bool found;
        TN_TRY(take(b, k, w, &v, &found));
        if ((int64_t)v.n % row)
            return tn_fail(
                b->err, TN_INVALID_ARGUMENT,
                "Name: <unknown>, Key: %.*s, Index: %lld.  Number of values is not a multiple of %lld: %zu",
                (int)TN_MIN(w->key.n, (size_t)200), w->key.p, (long long)k, (long long)row, v.n);
        longest = TN_MAX(longest, (int64_t)v.n / row);
    }
    if (!b->want.scalar) s.dim[s.rank++] = b->want.batch;
    s.dim[s.rank++] = longest;
    for (int k = 1; k < w->shape.rank; k++) s.dim[s.rank++] = w->shape.dim[k];
    TN_TRY(tn_run_output(b->r, o, &s, b->err));
    int64_t each = longest * row;
    for (int64_t k = 0; k < b->want.batch; k++) {
        values v;
        bool found;
        TN_TRY(take(b, k, w, &v, &found));
        TN_TRY(put(b, b->r->out[o], k * each, &v));
        int64_t rest = each - (int64_t)v.n;
        if (rest && tn_tensor_count(w->def))
            TN_TRY(tn_move_fill(b->r->out[o], k * each + (int64_t)v.n, rest, w->def, 0, b->err));
        else if (rest && tn_dtype_is_pod(w->dtype))
            memset((char *)b->r->out[o]->data + (size_t)(k * each + (int64_t)v.n) * tn_dtype_size(w->dtype),
                   0, (size_t)rest * tn_dtype_size(w->dtype));
    }
    return TN_OK;
}

/* ==== sparse and ragged ==== */

static tn_code lengths(const batch *b, const wanted *w, int64_t *total, int64_t *longest)
{
    *total = *longest = 0;
    for (int64_t k = 0; k < b->want.batch; k++) {
        values v;
        bool found;
        TN_TRY(take(b, k, w, &v, &found));
        *total += (int64_t)v.n;
        *longest = TN_MAX(*longest, (int64_t)v.n);
    }
    return TN_OK;
}

static tn_code sparse_feature(const batch *b, int i)
{
    const wanted *w = &b->want.sparse[i];
    int n = b->want.n_sparse, columns = b->want.scalar ? 1 : 2;
    int64_t total, longest, at = 0;
    TN_TRY(lengths(b, w, &total, &longest));
    tn_shape indices = {.rank = 2, .dim = {total, columns}}, vector = tn_shape_vector(total),
             shape = tn_shape_vector(columns);
    TN_TRY(tn_run_output(b->r, i, &indices, b->err));
    TN_TRY(tn_run_output(b->r, n + i, &vector, b->err));
    TN_TRY(tn_run_output(b->r, 2 * n + i, &shape, b->err));
    int64_t *index = TN_INT64S(b->r->out[i]);
    for (int64_t k = 0; k < b->want.batch; k++) {
        values v;
        bool found;
        TN_TRY(take(b, k, w, &v, &found));
        TN_TRY(put(b, b->r->out[n + i], at, &v));
        at += (int64_t)v.n;
        for (size_t j = 0; j < v.n; j++) {
            if (columns == 2) *index++ = k;
            *index++ = (int64_t)j;
        }
    }
    if (columns == 2) TN_INT64S(b->r->out[2 * n + i])[0] = b->want.batch;
    TN_INT64S(b->r->out[2 * n + i])[columns - 1] = longest;
    return TN_OK;
}

static void put_split(tn_tensor *t, int64_t i, int64_t v)
{
    if (t->dtype == TN_INT64)
        TN_INT64S(t)[i] = v;
    else
        TN_INT32S(t)[i] = (int32_t)v;
}

static tn_code ragged_feature(const batch *b, int i)
{
    const wanted *w = &b->want.ragged[i];
    int out = 3 * b->want.n_sparse + b->want.n_dense + i, splits = out + b->want.n_ragged;
    int64_t total, longest, at = 0;
    TN_TRY(lengths(b, w, &total, &longest));
    tn_shape vector = tn_shape_vector(total), ends = tn_shape_vector(b->want.scalar ? 0 : b->want.batch + 1);
    TN_TRY(tn_run_output(b->r, out, &vector, b->err));
    TN_TRY(tn_run_output(b->r, splits, &ends, b->err));
    if (!b->want.scalar) put_split(b->r->out[splits], 0, 0);
    for (int64_t k = 0; k < b->want.batch; k++) {
        values v;
        bool found;
        TN_TRY(take(b, k, w, &v, &found));
        TN_TRY(put(b, b->r->out[out], at, &v));
        at += (int64_t)v.n;
        if (!b->want.scalar) put_split(b->r->out[splits], k + 1, at);
    }
    return TN_OK;
}

/* ==== the operators ==== */

static tn_code decode_all(batch *b)
{
    b->example = TN_ARRAY(b->arena, b->want.batch + 1, tn_Example *);
    if (!b->example) return tn_no_memory(b->err, (size_t)b->want.batch * sizeof *b->example);
    for (int64_t k = 0; k < b->want.batch; k++) {
        tn_view bytes = key_of(b->r->in[0], k);
        tn_code code = TN_DECODE(Example, bytes, b->arena, &b->example[k], b->err);
        if (code == TN_RESOURCE_EXHAUSTED) return code;
        if (code != TN_OK)
            return tn_fail(b->err, TN_INVALID_ARGUMENT, "Could not parse example input, value: '%.*s'",
                           (int)TN_MIN(bytes.n, (size_t)200), bytes.p);
    }
    return TN_OK;
}

static tn_code parse(batch *b)
{
    TN_TRY(read_request(b));
    TN_TRY(decode_all(b));
    for (int i = 0; i < b->want.n_sparse; i++) TN_TRY(sparse_feature(b, i));
    for (int i = 0; i < b->want.n_dense; i++) {
        const wanted *w = &b->want.dense[i];
        bool variable = w->shape.rank > 0 && w->shape.dim[0] < 0;
        TN_TRY((variable ? variable_dense : fixed_dense)(b, w, 3 * b->want.n_sparse + i));
    }
    for (int i = 0; i < b->want.n_ragged; i++) TN_TRY(ragged_feature(b, i));
    return TN_OK;
}

static tn_code parse_run(tn_run *r, tn_error *err)
{
    batch b = {.r = r, .arena = tn_arena_new(0), .err = err};
    if (!b.arena) return tn_no_memory(err, 0);
    tn_code code = parse(&b);
    tn_arena_free(b.arena);
    return code;
}

static tn_code parse_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    const tn_attr *shapes = tn_attr_find(c->attrs, "dense_shapes");
    int n = list_size(c->attrs, "sparse_types"), dense = list_size(c->attrs, "Tdense");
    if (c->n_out < 3 * n + dense)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s has too few outputs", c->op->name);
    if (in->rank < 0) return TN_OK;
    if (in->rank > 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Input serialized must be a scalar or a vector");
    for (int i = 0; i < n; i++) {
        c->out[i].shape = (tn_shape){.rank = 2, .dim = {-1, in->rank + 1}};
        c->out[n + i].shape = tn_shape_vector(-1);
        c->out[2 * n + i].shape = tn_shape_vector(in->rank + 1);
    }
    for (int i = 0; i < dense && shapes && shapes->is_list && i < shapes->n; i++) {
        const tn_shape *s = &shapes->shapes[i];
        tn_shape *out = &c->out[3 * n + i].shape;
        if (s->rank < 0 || s->rank == TN_MAX_RANK) continue;
        out->rank = 0;
        if (in->rank == 1) out->dim[out->rank++] = in->dim[0];
        for (int k = 0; k < s->rank; k++) out->dim[out->rank++] = s->dim[k];
    }
    return TN_OK;
}

#define PARSE(NAME, SIG)         \
    const tn_op tn_op_##NAME = { \
        .name = #NAME,           \
        .sig = SIG,              \
        .infer = parse_infer,    \
        .run = parse_run,        \
        .flags = TN_NO_GRADIENT, \
        .dynamic = ~0u,          \
    }
PARSE(ParseExample, "serialized:string names:string sparse_keys:Nsparse*string dense_keys:Ndense*string "
                    "dense_defaults:[Tdense] -> sparse_indices:Nsparse*int64 sparse_values:[sparse_types] "
                    "sparse_shapes:Nsparse*int64 dense_values:[Tdense]; Nsparse:int>=0 Ndense:int>=0 "
                    "sparse_types:list(type){float,int64,string}>=0 Tdense:list(type){float,int64,string}>=0 "
                    "dense_shapes:list(shape)>=0");
PARSE(ParseExampleV2,
      "serialized:string names:string sparse_keys:string dense_keys:string ragged_keys:string "
      "dense_defaults:[Tdense] -> sparse_indices:num_sparse*int64 sparse_values:[sparse_types] "
      "sparse_shapes:num_sparse*int64 dense_values:[Tdense] ragged_values:[ragged_value_types] "
      "ragged_row_splits:[ragged_split_types]; Tdense:list(type){float,int64,string}>=0 num_sparse:int>=0 "
      "sparse_types:list(type){float,int64,string}>=0 "
      "ragged_value_types:list(type){float,int64,string}>=0 ragged_split_types:list(type){int32,int64}>=0 "
      "dense_shapes:list(shape)>=0");
