/* SPDX-License-Identifier: Apache-2.0
 *
 * parse.c - features of tf.Example records as dense, sparse and ragged tensors.
 */
#include "parse.h"

/* ==== one feature of one example ==== */

static const tn_Feature *find_feature(const tn_Features *all, tn_view key)
{
    for (uint32_t i = 0; all && i < all->feature.n; i++)
        if (tn_view_eq(all->feature.items[i].key, key)) {
            const tn_Feature *f = all->feature.items[i].value;
            return f && f->kind_case ? f : NULL;
        }
    return NULL;
}

static tn_code wrong_type(const tn_parsing *b, int64_t example, const tn_wanted *w, const char *got)
{
    return tn_fail(b->err, TN_INVALID_ARGUMENT,
                   "Name: <unknown>, Key: %.*s, Index: %lld.  Data types don't match. Data type: %s but "
                   "expected type: %s",
                   (int)TN_MIN(w->key.n, (size_t)200), w->key.p, (long long)example, got,
                   tn_dtype_name(w->dtype));
}

tn_code tn_parse_values(const tn_parsing *b, const tn_Feature *f, int64_t example, const tn_wanted *w,
                        tn_parsed *v)
{
    *v = (tn_parsed){0};
    if (!f || !f->kind_case) return TN_OK;
    if (f->kind_case == TN_Feature_float_list) {
        if (w->dtype != TN_FLOAT) return wrong_type(b, example, w, "float");
        *v = (tn_parsed){.n = f->float_list->value.n, .f = f->float_list->value.items};
    } else if (f->kind_case == TN_Feature_int64_list) {
        if (w->dtype != TN_INT64) return wrong_type(b, example, w, "int64");
        *v = (tn_parsed){.n = f->int64_list->value.n, .i = f->int64_list->value.items};
    } else {
        if (w->dtype != TN_STRING) return wrong_type(b, example, w, "string");
        *v = (tn_parsed){.n = f->bytes_list->value.n, .s = f->bytes_list->value.items};
    }
    return TN_OK;
}

/* *found false: the example has no such feature. */
static tn_code take(const tn_parsing *b, int64_t example, const tn_wanted *w, tn_parsed *v, bool *found)
{
    const tn_Feature *f = find_feature(b->features[example], w->key);
    *found = f != NULL;
    return tn_parse_values(b, f, example, w, v);
}

tn_code tn_parse_put(const tn_parsing *b, tn_tensor *out, int64_t at, const tn_parsed *v)
{
    if (v->f && v->n) memcpy(TN_FLOATS(out) + at, v->f, v->n * sizeof *v->f);
    if (v->i && v->n) memcpy(TN_INT64S(out) + at, v->i, v->n * sizeof *v->i);
    for (size_t k = 0; v->s && k < v->n; k++)
        TN_TRY(tn_string_set(out, at + (int64_t)k, v->s[k].n ? v->s[k].p : "", v->s[k].n, b->err));
    return TN_OK;
}

/* ==== dense ==== */

/* A feature's list, as TensorFlow's messages call it. */
static const char *list_name(tn_dtype d)
{
    return d == TN_STRING ? "bytes" : tn_dtype_name(d);
}

static tn_code missing(const tn_parsing *b, const tn_wanted *w)
{
    return tn_fail(
        b->err, TN_INVALID_ARGUMENT,
        "Name: <unknown>, Feature: %.*s (data type: %s) is required but could not be found.",
        (int)TN_MIN(w->key.n, (size_t)200), w->key.p, tn_dtype_name(w->dtype));
}

static tn_code fixed_dense(const tn_parsing *b, const tn_wanted *w, int o)
{
    tn_shape s = w->shape;
    char text[128];
    int64_t each = tn_shape_count(&s);
    if (!b->scalar) {
        memmove(s.dim + 1, s.dim, (size_t)s.rank * sizeof *s.dim);
        s.dim[0] = b->n;
        s.rank++;
    }
    TN_TRY(tn_run_output(b->r, o, &s, b->err));
    for (int64_t k = 0; k < b->n; k++) {
        tn_parsed v;
        bool found;
        TN_TRY(take(b, k, w, &v, &found));
        if (!found && tn_tensor_count(w->def) == 0 && each > 0) return missing(b, w);
        if (!found && tn_tensor_count(w->def) != each)
            return tn_fail(b->err, TN_INVALID_ARGUMENT, "the default of %.*s has %lld elements, its shape %s",
                           (int)w->key.n, w->key.p, (long long)tn_tensor_count(w->def),
                           tn_shape_text(&w->shape, text, sizeof text));
        if (found && (int64_t)v.n != each)
            return tn_fail(b->err, TN_INVALID_ARGUMENT,
                           "Name: <unknown>, Key: %.*s, Index: %lld.  Number of %s values != expected.  "
                           "Values size: %zu but output shape: %s",
                           (int)TN_MIN(w->key.n, (size_t)200), w->key.p, (long long)k, list_name(w->dtype), v.n,
                           tn_shape_text(&w->shape, text, sizeof text));
        if (found)
            TN_TRY(tn_parse_put(b, b->r->out[o], k * each, &v));
        else
            TN_TRY(tn_move_row(b->r->out[o], k * each, w->def, 0, each, b->err));
    }
    return TN_OK;
}

/* As long as the longest example; the shorter ones are filled up with the default. */
static tn_code variable_dense(const tn_parsing *b, const tn_wanted *w, int o)
{
    char text[128];
    tn_shape s = {.rank = 0};
    int64_t row = tn_shape_product(&w->shape, 1, w->shape.rank), longest = 0;
    if (row < 1)
        return tn_fail(b->err, TN_INVALID_ARGUMENT,
                       "First dimension of values in dense_shapes may be -1, no other");
    for (int64_t k = 0; k < b->n; k++) {
        tn_parsed v;
        bool found;
        TN_TRY(take(b, k, w, &v, &found));
        if ((int64_t)v.n % row)
            return tn_fail(
                b->err, TN_INVALID_ARGUMENT,
                "Name: <unknown>, Key: %.*s, Index: %lld.  Number of %s values is not a multiple of stride length. Saw "
                "%zu values but output shape is: %s",
                (int)TN_MIN(w->key.n, (size_t)200), w->key.p, (long long)k, list_name(w->dtype), v.n,
                tn_shape_text(&w->shape, text, sizeof text));
        longest = TN_MAX(longest, (int64_t)v.n / row);
    }
    if (!b->scalar) s.dim[s.rank++] = b->n;
    s.dim[s.rank++] = longest;
    for (int k = 1; k < w->shape.rank; k++) s.dim[s.rank++] = w->shape.dim[k];
    TN_TRY(tn_run_output(b->r, o, &s, b->err));
    int64_t each = longest * row;
    for (int64_t k = 0; k < b->n; k++) {
        tn_parsed v;
        bool found;
        TN_TRY(take(b, k, w, &v, &found));
        TN_TRY(tn_parse_put(b, b->r->out[o], k * each, &v));
        int64_t rest = each - (int64_t)v.n;
        if (rest && tn_tensor_count(w->def))
            TN_TRY(tn_move_fill(b->r->out[o], k * each + (int64_t)v.n, rest, w->def, 0, b->err));
        else if (rest && tn_dtype_is_pod(w->dtype))
            memset((char *)b->r->out[o]->data + (size_t)(k * each + (int64_t)v.n) * tn_dtype_size(w->dtype),
                   0, (size_t)rest * tn_dtype_size(w->dtype));
    }
    return TN_OK;
}

static tn_code dense_feature(const tn_parsing *b, const tn_wanted *w, int o)
{
    return (w->shape.rank > 0 && w->shape.dim[0] < 0 ? variable_dense : fixed_dense)(b, w, o);
}

/* ==== sparse and ragged ==== */

static tn_code lengths(const tn_parsing *b, const tn_wanted *w, int64_t *total, int64_t *longest)
{
    *total = *longest = 0;
    for (int64_t k = 0; k < b->n; k++) {
        tn_parsed v;
        bool found;
        TN_TRY(take(b, k, w, &v, &found));
        *total += (int64_t)v.n;
        *longest = TN_MAX(*longest, (int64_t)v.n);
    }
    return TN_OK;
}

static tn_code sparse_feature(const tn_parsing *b, const tn_wanted *w, const int out[3])
{
    int columns = b->scalar ? 1 : 2;
    int64_t total, longest, at = 0;
    TN_TRY(lengths(b, w, &total, &longest));
    tn_shape indices = {.rank = 2, .dim = {total, columns}}, vector = tn_shape_vector(total),
             shape = tn_shape_vector(columns);
    TN_TRY(tn_run_output(b->r, out[0], &indices, b->err));
    TN_TRY(tn_run_output(b->r, out[1], &vector, b->err));
    TN_TRY(tn_run_output(b->r, out[2], &shape, b->err));
    int64_t *index = TN_INT64S(b->r->out[out[0]]);
    for (int64_t k = 0; k < b->n; k++) {
        tn_parsed v;
        bool found;
        TN_TRY(take(b, k, w, &v, &found));
        TN_TRY(tn_parse_put(b, b->r->out[out[1]], at, &v));
        at += (int64_t)v.n;
        for (size_t j = 0; j < v.n; j++) {
            if (columns == 2) *index++ = k;
            *index++ = (int64_t)j;
        }
    }
    if (columns == 2) TN_INT64S(b->r->out[out[2]])[0] = b->n;
    TN_INT64S(b->r->out[out[2]])[columns - 1] = longest;
    return TN_OK;
}

void tn_parse_split(tn_tensor *t, int64_t i, int64_t v)
{
    if (t->dtype == TN_INT64)
        TN_INT64S(t)[i] = v;
    else
        TN_INT32S(t)[i] = (int32_t)v;
}

tn_shape tn_parse_splits_shape(const tn_parsing *b)
{
    tn_shape s = tn_shape_vector(b->scalar ? 0 : b->n + 1);
    if (b->scalar && b->scalar_splits) s.rank = 0;
    return s;
}

static tn_code ragged_feature(const tn_parsing *b, const tn_wanted *w, int out, int splits)
{
    int64_t total, longest, at = 0;
    TN_TRY(lengths(b, w, &total, &longest));
    tn_shape vector = tn_shape_vector(total), ends = tn_parse_splits_shape(b);
    TN_TRY(tn_run_output(b->r, out, &vector, b->err));
    TN_TRY(tn_run_output(b->r, splits, &ends, b->err));
    if (tn_tensor_count(b->r->out[splits])) tn_parse_split(b->r->out[splits], 0, 0);
    for (int64_t k = 0; k < b->n; k++) {
        tn_parsed v;
        bool found;
        TN_TRY(take(b, k, w, &v, &found));
        TN_TRY(tn_parse_put(b, b->r->out[out], at, &v));
        at += (int64_t)v.n;
        if (!b->scalar) tn_parse_split(b->r->out[splits], k + 1, at);
    }
    return TN_OK;
}

tn_code tn_parse_features(const tn_parsing *b, const tn_parse_group *g)
{
    int dense = g->out + 3 * g->n_sparse, ragged = dense + g->n_dense;
    for (int i = 0; i < g->n_sparse; i++) {
        int out[3] = {g->out + i, g->out + g->n_sparse + i, g->out + 2 * g->n_sparse + i};
        TN_TRY(sparse_feature(b, &g->sparse[i], out));
    }
    for (int i = 0; i < g->n_dense; i++) TN_TRY(dense_feature(b, &g->dense[i], dense + i));
    for (int i = 0; i < g->n_ragged; i++)
        TN_TRY(ragged_feature(b, &g->ragged[i], ragged + i, ragged + g->n_ragged + i));
    return TN_OK;
}

/* ==== what is asked for ==== */

int tn_parse_list_size(const tn_attrs *a, const char *name)
{
    const tn_attr *v = tn_attr_find(a, name);
    return v && v->is_list ? v->n : 0;
}

tn_view tn_parse_string(const tn_tensor *t, int64_t i)
{
    return (tn_view){TN_STRINGS(t)[i].n ? TN_STRINGS(t)[i].p : "", TN_STRINGS(t)[i].n};
}

tn_code tn_parse_keys(const tn_parsing *b, bool vector, int n, int *next, tn_wanted **out)
{
    int first = *next;
    *out = TN_ARRAY(b->arena, n + 1, tn_wanted);
    if (!*out) return tn_no_memory(b->err, (size_t)n * sizeof **out);
    *next = first + (vector ? 1 : n);
    if (vector && tn_tensor_count(b->r->in[first]) != n)
        return tn_fail(b->err, TN_INVALID_ARGUMENT, "Expected %d keys in input %d, got %lld", n, first,
                       (long long)tn_tensor_count(b->r->in[first]));
    for (int i = 0; i < n; i++)
        (*out)[i].key =
            vector ? tn_parse_string(b->r->in[first], i) : tn_parse_string(b->r->in[first + i], 0);
    return TN_OK;
}

tn_code tn_parse_attr_keys(const tn_parsing *b, const char *attr, int n, tn_wanted **out)
{
    const tn_attr *v = tn_attr_find(b->r->attrs, attr);
    *out = TN_ARRAY(b->arena, n + 1, tn_wanted);
    if (!*out) return tn_no_memory(b->err, (size_t)n * sizeof **out);
    if (n && (!v || !v->is_list || v->n != n))
        return tn_fail(b->err, TN_INVALID_ARGUMENT, "%s must have %d elements, as many as their types", attr,
                       n);
    for (int i = 0; i < n; i++) (*out)[i].key = (tn_view){v->ss[i].n ? v->ss[i].p : "", v->ss[i].n};
    return TN_OK;
}

tn_code tn_parse_shapes(const tn_parsing *b, const char *attr, tn_wanted *w, int n)
{
    const tn_attr *shapes = tn_attr_find(b->r->attrs, attr);
    if (n && (!shapes || !shapes->is_list || shapes->n != n))
        return tn_fail(b->err, TN_INVALID_ARGUMENT, "%s must have %d elements, as many as there are keys",
                       attr, n);
    for (int i = 0; i < n; i++) {
        if (shapes->shapes[i].rank < 0 || shapes->shapes[i].rank >= TN_MAX_RANK - 1)
            return tn_fail(b->err, TN_INVALID_ARGUMENT, "%s[%d] has unknown rank", attr, i);
        w[i].shape = shapes->shapes[i];
    }
    return TN_OK;
}

tn_code tn_parse_describe(const tn_parsing *b, tn_parse_group *g, const char *shapes, int defaults)
{
    int dense = g->out + 3 * g->n_sparse, ragged = dense + g->n_dense;
    for (int i = 0; i < g->n_sparse; i++) g->sparse[i].dtype = b->r->out[g->out + g->n_sparse + i]->dtype;
    for (int i = 0; i < g->n_ragged; i++) g->ragged[i].dtype = b->r->out[ragged + i]->dtype;
    for (int i = 0; i < g->n_dense; i++) {
        g->dense[i].dtype = b->r->out[dense + i]->dtype;
        g->dense[i].def = b->r->in[defaults + i];
    }
    return tn_parse_shapes(b, shapes, g->dense, g->n_dense);
}

void tn_parse_infer(tn_infer *c, const tn_parse_group *g, int rank, int64_t batch, const char *shapes)
{
    const tn_attr *known = tn_attr_find(c->attrs, shapes);
    int n = g->n_sparse, dense = g->out + 3 * n;
    for (int i = g->out; i < g->out + n; i++) {
        c->out[i].shape = (tn_shape){.rank = 2, .dim = {-1, rank + 1}};
        c->out[n + i].shape = tn_shape_vector(-1);
        c->out[2 * n + i].shape = tn_shape_vector(rank + 1);
    }
    for (int i = 0; i < g->n_dense && known && known->is_list && i < known->n; i++) {
        const tn_shape *s = &known->shapes[i];
        tn_shape *out = &c->out[dense + i].shape;
        if (s->rank < 0 || s->rank >= TN_MAX_RANK - 1) continue;
        out->rank = 0;
        if (rank == 1) out->dim[out->rank++] = batch;
        for (int k = 0; k < s->rank; k++) out->dim[out->rank++] = s->dim[k];
    }
    for (int i = dense + g->n_dense; i < tn_parse_group_end(g); i++)
        if (rank == 1) tn_infer_set_rank(c, i, 1);
}
