/* SPDX-License-Identifier: Apache-2.0
 *
 * op_dataset_window.c - data sets of elements that are there, and Window, which gathers those of another into such
 * data sets. And what looks at elements one by one: Unique, IgnoreErrors.
 */
#include "../ops/list.h"
#include "dataset.h"

/* ==== elements that are there ==== tensor: n[0] elements, one after another */

typedef struct counter {
    tn_source base;
    int64_t i;
} counter;

static tn_code elements_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    (void)t;
    (void)err;
    counter *c = (counter *)s;
    *end = c->i >= s->d->n[0];
    if (*end) return TN_OK;
    tn_tensor **from = s->d->tensor + c->i++ * s->d->width;
    for (int k = 0; k < s->d->width; k++) out[k] = tn_tensor_ref(from[k]);
    return TN_OK;
}

static int64_t elements_count(const tn_dataset *d)
{
    return d->n[0];
}

static const tn_dataset_kind elements_kind = {
    .name = "Window", .state = sizeof(counter), .next = elements_next, .cardinality = elements_count};

tn_code tn_elements_dataset(const tn_pull *t, const tn_elements *e, int64_t n, int64_t stride, int first, int width,
                            tn_tensor **out, tn_error *err)
{
    tn_dataset *d;
    int64_t count = n ? 1 + (n - 1) / stride : 0;
    if (count > INT32_MAX / TN_MAX(width, 1))
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "a window of %lld elements", (long long)count);
    TN_TRY(tn_dataset_bare(t->run, &elements_kind, &d, err));
    tn_code code = tn_dataset_types(d, width, e->types + first, err);
    d->tensor = TN_ARRAY(d->arena, count * width + 1, tn_tensor *);
    if (code == TN_OK && !d->tensor) code = tn_no_memory(err, 0);
    for (int64_t i = 0; code == TN_OK && i < count; i++)
        for (int k = 0; code == TN_OK && k < width; k++) {
            tn_tensor *v = e->at[i * stride * e->width + first + k];
            code = tn_dataset_deepen(d, tn_list_depth(v), err);
            if (code == TN_OK) d->tensor[d->n_tensors++] = tn_tensor_ref(v);
        }
    d->n[0] = count;
    return tn_dataset_box(d, code, out, err);
}

/* What has one element or several as its inputs. */
static tn_code list_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &elements_kind, 0, false, &d, err));
    tn_code code = tn_dataset_keep(d, r, 0, r->n_in, err);
    if (code == TN_OK && (d->width < 1 || d->n_tensors % d->width))
        code = tn_fail(err, TN_INVALID_ARGUMENT, "'%s': %d tensors are no elements of %d components", r->name,
                       d->n_tensors, d->width);
    if (code == TN_OK) d->n[0] = d->n_tensors / d->width;
    return tn_dataset_give(r, d, code, err);
}
TN_DATASET(WindowOp, list_run, "inputs:[Tinputs]", TN_DATA_OUT " Tinputs:list(type)>=1");
TN_DATASET(ListDataset, list_run, "tensors:[Tinput_types]", " Tinput_types:list(type)>=1" TN_DATA_META);

/* ==== Window ==== n: size, shift, stride, whether windows that are not full are dropped; how many elements a window
 * reaches over; whether it is a tensor (SlidingWindow) instead of a data set */

typedef struct windows {
    tn_source base;
    tn_elements has;
    bool over;
} windows;

static tn_code window_start(tn_source *s, tn_pull *t, tn_error *err)
{
    (void)t;
    (void)err;
    tn_elements_begin(&((windows *)s)->has, s->d->input[0]);
    return TN_OK;
}

static void window_stop(tn_source *s)
{
    tn_elements_drop(&((windows *)s)->has);
}

/* Past those that are in no window. */
static tn_code pass(tn_source *s, tn_pull *t, int64_t n, tn_error *err)
{
    windows *w = (windows *)s;
    tn_tensor **e = tn_element_new(w->has.width);
    tn_code code = e ? TN_OK : tn_no_memory(err, 0);
    for (; code == TN_OK && n > 0 && !w->over; n--) {
        code = tn_source_next(s->in, t, e, &w->over, err);
        if (code == TN_OK) tn_element_drop(e, w->has.width);
    }
    tn_free(e);
    return code;
}

static tn_code window_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    windows *w = (windows *)s;
    const int64_t shift = s->d->n[1], stride = s->d->n[2];
    const int64_t wanted = s->d->n[4];
    if (!w->over) TN_TRY(tn_elements_fill(&w->has, s->in, t, wanted, &w->over, err));
    *end = w->has.n == 0 || (s->d->n[3] && w->has.n < wanted);
    if (*end) return TN_OK;
    const int64_t n = w->has.n;
    for (int k = 0; k < s->d->width; k++)
        TN_TRY(s->d->n[5] ? tn_elements_stack(&w->has, n, stride, k, &out[k], err)
                          : tn_elements_dataset(t, &w->has, n, stride, k, 1, &out[k], err));
    tn_elements_forget(&w->has, TN_MIN(shift, n));
    return shift > n ? pass(s, t, shift - n, err) : TN_OK;
}

static int64_t window_count(const tn_dataset *d)
{
    int64_t n = tn_dataset_cardinality_of_input(d), size = d->n[4], shift = d->n[1];
    if (n < 0) return n;
    if (d->n[3]) return n < size ? 0 : (n - size) / shift + 1;
    return n ? (n - 1) / shift + 1 : 0;
}

static const tn_dataset_kind window_kind = {.name = "Window",
                                            .state = sizeof(windows),
                                            .starts_input = true,
                                            .start = window_start,
                                            .next = window_next,
                                            .stop = window_stop,
                                            .cardinality = window_count};

static tn_code set_window(tn_dataset *d, const tn_run *r, tn_error *err)
{
    static const char *const what[] = {"size", "shift", "stride"};
    for (int k = 0; k < 3; k++) {
        TN_TRY(tn_dataset_int(r, k + 1, what[k], &d->n[k], err));
        if (d->n[k] <= 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Window %s must be greater than zero.", what[k]);
    }
    if (__builtin_mul_overflow(d->n[0] - 1, d->n[2], &d->n[4]) || d->n[4] == INT64_MAX)
        d->n[4] = INT64_MAX - 1;
    d->n[4]++;
    return TN_OK;
}

static tn_code set_data_sets(tn_dataset *d, const tn_run *r, tn_error *err)
{
    TN_TRY(tn_dataset_int(r, 4, "drop_remainder", &d->n[3], err));
    tn_dtype *types = TN_ARRAY(d->arena, d->input[0]->width + 1, tn_dtype);
    if (!types) return tn_no_memory(err, 0);
    for (int k = 0; k < d->input[0]->width; k++) types[k] = TN_VARIANT;
    return tn_dataset_types(d, d->input[0]->width, types, err);
}

static tn_code window_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &window_kind, 1, false, &d, err));
    tn_code code = set_window(d, r, err);
    return tn_dataset_give(r, d, code == TN_OK ? set_data_sets(d, r, err) : code, err);
}

static tn_code sliding_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    bool drop = true;
    TN_TRY(tn_dataset_new(r, &window_kind, 1, true, &d, err));
    tn_attr_get_bool(r->attrs, "drop_remainder", &drop);
    d->n[3] = drop;
    d->n[5] = true;
    for (int k = 0; k < d->width; k++) d->shapes[k] = tn_shape_unknown();
    return tn_dataset_give(r, d, set_window(d, r, err), err);
}
#define SLIDING "input_dataset:variant window_size:int64 window_shift:int64 window_stride:int64"
TN_DATASET(SlidingWindowDataset, sliding_run, SLIDING, " drop_remainder:bool=true" TN_DATA_OUT);
TN_DATASET(ExperimentalSlidingWindowDataset, sliding_run, SLIDING, TN_DATA_OUT);
TN_DATASET(WindowDataset, window_run,
           "input_dataset:variant size:int64 shift:int64 stride:int64 drop_remainder:bool", TN_DATA_META);

/* ==== Unique ==== */

typedef struct distinct {
    tn_source base;
    tn_map *seen;
} distinct;

static tn_code unique_start(tn_source *s, tn_pull *t, tn_error *err)
{
    (void)t;
    distinct *u = (distinct *)s;
    u->seen = tn_map_new();
    return u->seen ? TN_OK : tn_no_memory(err, 0);
}

static void unique_stop(tn_source *s)
{
    tn_map_free(((distinct *)s)->seen);
}

/* Its shape and its contents, as bytes. */
static void add_key(const tn_tensor *t, tn_buf *key)
{
    tn_buf_add(key, &t->shape.rank, sizeof t->shape.rank);
    tn_buf_add(key, t->shape.dim, (size_t)t->shape.rank * sizeof *t->shape.dim);
    if (t->dtype != TN_STRING) tn_buf_add(key, t->data, tn_tensor_bytes(t));
    for (int64_t i = 0; t->dtype == TN_STRING && i < tn_tensor_count(t); i++) {
        const tn_string *v = TN_STRINGS(t) + i;
        uint64_t n = v->n;
        tn_buf_add(key, &n, sizeof n);
        tn_buf_add(key, v->p, v->n);
    }
}

static tn_code is_new(distinct *u, const tn_tensor *t, bool *yes, tn_error *err)
{
    tn_buf key = {0};
    add_key(t, &key);
    tn_code code = tn_buf_check(&key, err);
    tn_view view = {key.data, key.n};
    if (code == TN_OK) *yes = !tn_map_get_view(u->seen, view);
    if (code == TN_OK && *yes && !tn_map_put_view(u->seen, view, u)) code = tn_no_memory(err, key.n);
    tn_buf_free(&key);
    return code;
}

static tn_code unique_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    for (bool yes = false;;) {
        TN_TRY(tn_source_next(s->in, t, out, end, err));
        if (*end) return TN_OK;
        TN_TRY(is_new((distinct *)s, out[0], &yes, err));
        if (yes) return TN_OK;
        tn_element_drop(out, 1);
    }
}

static const tn_dataset_kind unique_kind = {.name = "Unique",
                                            .state = sizeof(distinct),
                                            .starts_input = true,
                                            .start = unique_start,
                                            .next = unique_next,
                                            .stop = unique_stop};

static tn_code unique_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    tn_code code = TN_OK;
    TN_TRY(tn_dataset_new(r, &unique_kind, 1, true, &d, err));
    if (d->width != 1 || (d->types[0] != TN_INT32 && d->types[0] != TN_INT64 && d->types[0] != TN_STRING))
        code = tn_fail(err, TN_INVALID_ARGUMENT,
                       "UniqueDataset only supports inputs with a single `tf.int32`, `tf.int64`, or "
                       "`tf.string` component.");
    return tn_dataset_give(r, d, code, err);
}
TN_DATASET(UniqueDataset, unique_run, "input_dataset:variant", TN_DATA_META);
TN_DATASET(ExperimentalUniqueDataset, unique_run, "input_dataset:variant", TN_DATA_OUT);

/* ==== IgnoreErrors ==== */

enum { MOST_ERRORS = 1 << 20 }; /* one after another */

static tn_code ignore_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    for (int i = 0;; i++) {
        tn_code code = tn_source_next(s->in, t, out, end, err);
        if (code == TN_OK || i == MOST_ERRORS || tn_run_cancelled(t->run)) return code;
    }
}

static const tn_dataset_kind ignore_kind = {
    .name = "IgnoreErrors", .state = sizeof(tn_source), .starts_input = true, .next = ignore_next};

static tn_code ignore_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &ignore_kind, 1, true, &d, err));
    return tn_dataset_give(r, d, TN_OK, err);
}
TN_DATASET(IgnoreErrorsDataset, ignore_run, "input_dataset:variant", TN_DATA_OUT " log_warning:bool=false");
TN_DATASET(ExperimentalIgnoreErrorsDataset, ignore_run, "input_dataset:variant",
           TN_DATA_OUT " log_warning:bool=false");
