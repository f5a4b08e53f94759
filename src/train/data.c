/* SPDX-License-Identifier: Apache-2.0
 *
 * data.c - a set of examples in memory, made by an experiment's function. Keeps the first error.
 *
 * Invariant: every column has as many examples as the others.
 */
#include "train.h"

tn_code tn_data_open(const char *folder, const tn_settings *s, tn_data **out, tn_error *err)
{
    tn_data *d = tn_calloc(1, sizeof *d);
    if (d) d->arena = tn_arena_new(0);
    if (d && d->arena) d->folder = tn_arena_strdup(d->arena, folder);
    if (!d || !d->arena || !d->folder) {
        tn_data_close(d);
        return tn_no_memory(err, sizeof *d);
    }
    d->settings = s;
    d->count = -1;
    *out = d;
    return TN_OK;
}

void tn_data_close(tn_data *d)
{
    if (!d) return;
    for (int i = 0; i < d->n; i++) tn_tensor_unref(d->v[i].values);
    tn_arena_free(d->arena);
    while (d->scratch) {
        void *before = *(void **)d->scratch;
        tn_free(d->scratch);
        d->scratch = before;
    }
    tn_free(d);
}

/* ==== errors ==== */

void tn_data_fail_with(tn_data *d, const char *column, const tn_error *err)
{
    if (d->error.code) return;
    d->error = *err;
    if (column) tn_wrap(&d->error, "column '%.100s'", column);
}

void tn_data_fail(tn_data *d, tn_code code, const char *message)
{
    tn_error err;
    tn_fail(&err, code, "%s", message);
    tn_data_fail_with(d, NULL, &err);
}

/* ==== columns ==== */

static const tn_column *find(const tn_data *d, const char *name)
{
    for (int i = 0; i < d->n; i++)
        if (!strcmp(d->v[i].name, name)) return &d->v[i];
    return NULL;
}

static tn_code check_column(const tn_data *d, tn_role role, const char *name, const tn_tensor *t,
                            tn_error *err)
{
    if (!name || !*name) return tn_fail(err, TN_INVALID_ARGUMENT, "it has no name");
    if (role != TN_FEATURE && role != TN_LABEL)
        return tn_fail(err, TN_INVALID_ARGUMENT, "it is neither TN_FEATURE nor TN_LABEL");
    if (find(d, name)) return tn_fail(err, TN_ALREADY_EXISTS, "there are two of this name");
    if (d->n == TN_MAX_COLUMNS)
        return tn_fail(err, TN_INVALID_ARGUMENT, "more than %d columns", TN_MAX_COLUMNS);
    if (t->shape.rank < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "its first dimension must be the example; it is a scalar");
    if (d->count >= 0 && t->shape.dim[0] != d->count)
        return tn_fail(err, TN_INVALID_ARGUMENT, "it has %lld examples, column '%s' has %lld",
                       (long long)t->shape.dim[0], d->v[0].name, (long long)d->count);
    return TN_OK;
}

void tn_data_add(tn_data *d, tn_role role, const char *name, tn_tensor *values)
{
    tn_error err;
    if (d->error.code) {
        tn_tensor_unref(values);
        return;
    }
    tn_code code = check_column(d, role, name, values, &err);
    char *copy = code ? NULL : tn_arena_strdup(d->arena, name);
    if (!code && !copy) code = tn_no_memory(&err, 0);
    if (code) {
        tn_data_fail_with(d, name, &err);
        tn_tensor_unref(values);
        return;
    }
    d->v[d->n++] = (tn_column){copy, role, values};
    d->count = values->shape.dim[0];
}

void tn_data_tensor(tn_data *d, tn_role role, const char *name, const tn_tensor *value)
{
    if (!value)
        tn_data_fail(d, TN_INVALID_ARGUMENT, "tn_data_tensor: no tensor");
    else
        tn_data_add(d, role, name, tn_tensor_ref((tn_tensor *)value));
}

/* Memory to write to although there is an error: user code fills its arrays without looking, all of them when all
 * are made. Each block begins with where the one before it is. */
static void *scratch(tn_data *d, size_t size)
{
    enum { HEAD = 64 };
    void **block = size && size <= (size_t)1 << 34 ? tn_calloc(1, HEAD + size) : NULL;
    if (!block) return NULL;
    *block = d->scratch;
    d->scratch = block;
    return (char *)block + HEAD;
}

void *tn_data_new(tn_data *d, tn_role role, const char *name, tn_dtype t, int64_t n, tn_shape each)
{
    tn_shape all = {.rank = each.rank + 1};
    tn_error err;
    tn_tensor *values = NULL;
    all.dim[0] = n;
    if (!tn_dtype_is_pod(t)) {
        tn_fail(&err, TN_INVALID_ARGUMENT,
                "a column of dtype %s cannot be filled in; make it with tn_data_tensor", tn_dtype_name(t));
        tn_data_fail_with(d, name, &err);
        return NULL;
    }
    if (each.rank < 0 || each.rank >= TN_MAX_RANK) {
        tn_data_fail(d, TN_INVALID_ARGUMENT, "tn_data_new: the shape of an example must be known");
        return NULL;
    }
    memcpy(all.dim + 1, each.dim, (size_t)each.rank * sizeof *all.dim);
    int64_t count = 0;
    if (tn_shape_count_checked(&all, &count, &err) || tn_tensor_new(t, &all, &values, &err)) {
        tn_data_fail_with(d, name, &err);
        return scratch(d, (size_t)TN_MAX(count, 0) * tn_dtype_size(t));
    }
    tn_data_add(d, role, name, values);
    return d->error.code ? scratch(d, (size_t)count * tn_dtype_size(t)) : values->data;
}

static tn_code slice_one(tn_column *c, int64_t first, int64_t count, tn_error *err)
{
    tn_tensor *part = NULL;
    tn_shape shape = c->values->shape;
    int64_t rows = shape.dim[0];
    size_t row = rows ? tn_tensor_bytes(c->values) / (size_t)rows : 0;
    shape.dim[0] = count;
    TN_TRY(tn_tensor_on(c->values->dtype, &shape, c->values->buffer,
                        (char *)c->values->data + (size_t)first * row, &part, err));
    tn_tensor_unref(c->values);
    c->values = part;
    return TN_OK;
}

void tn_data_slice(tn_data *d, int64_t first, int64_t count)
{
    tn_error err;
    if (d->error.code) return;
    int64_t have = TN_MAX(d->count, 0);
    if (first < 0 || first > have || count < -1 || (count > 0 && count > have - first)) {
        tn_fail(&err, TN_OUT_OF_RANGE, "tn_data_slice: %lld examples from %lld on, of %lld", (long long)count,
                (long long)first, (long long)have);
        tn_data_fail_with(d, NULL, &err);
        return;
    }
    if (count < 0) count = have - first;
    for (int i = 0; i < d->n && !d->error.code; i++)
        if (slice_one(&d->v[i], first, count, &err)) tn_data_fail_with(d, d->v[i].name, &err);
    d->count = count;
}

int64_t tn_data_count(const tn_data *d)
{
    return TN_MAX(d->count, 0);
}

const tn_tensor *tn_data_column(const tn_data *d, const char *name)
{
    const tn_column *c = d->error.code ? NULL : find(d, name);
    return c ? c->values : NULL;
}

void tn_data_map(tn_data *d, tn_data_map_fn map)
{
    d->map = map;
}

/* ==== checks ==== */

tn_code tn_data_check(const tn_data *d, const char *set, tn_error *err)
{
    int features = 0;
    if (d->error.code) {
        if (err) *err = d->error;
        tn_wrap(err, ".%s", set);
        return d->error.code;
    }
    for (int i = 0; i < d->n; i++) features += d->v[i].role == TN_FEATURE;
    if (!features)
        return tn_fail(err, TN_INVALID_ARGUMENT, ".%s: it gave no feature (a column of role TN_FEATURE)",
                       set);
    if (d->count < 1) return tn_fail(err, TN_INVALID_ARGUMENT, ".%s: it gave no examples", set);
    return TN_OK;
}

tn_code tn_data_alike(const tn_data *a, const tn_data *b, const char *set, tn_error *err)
{
    char x[160], y[160];
    if (a->n != b->n)
        return tn_fail(err, TN_INVALID_ARGUMENT, ".%s: %d columns, in training there are %d", set, b->n,
                       a->n);
    for (int i = 0; i < a->n; i++) {
        const tn_column *p = &a->v[i], *q = &b->v[i];
        tn_shape ps = p->values->shape, qs = q->values->shape;
        ps.dim[0] = qs.dim[0];
        if (strcmp(p->name, q->name) || p->role != q->role)
            return tn_fail(err, TN_INVALID_ARGUMENT, ".%s: column %d is '%.80s', in training it is '%.80s'",
                           set, i, q->name, p->name);
        if (p->values->dtype != q->values->dtype || !tn_shape_equal(&ps, &qs))
            return tn_fail(err, TN_INVALID_ARGUMENT, ".%s: column '%.80s' is %s of %s, in training %s of %s",
                           set, q->name, tn_shape_text(&qs, y, sizeof y), tn_dtype_name(q->values->dtype),
                           tn_shape_text(&ps, x, sizeof x), tn_dtype_name(p->values->dtype));
    }
    return TN_OK;
}
