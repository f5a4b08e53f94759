/* SPDX-License-Identifier: Apache-2.0
 *
 * op_accumulator.c - accumulators of gradients, dense and sparse: gradients are added up until somebody takes
 * their sum or mean; those of steps before the accumulator's own are dropped. Handles are references or
 * resources.
 *
 * A sparse sum keeps rows in the order that merging gives; rows that are not in order are not found again, as
 * in TensorFlow.
 */
#include "../kernel/kernel.h"
#include "../plan/state.h"
#include "op_move.h"
#include "queue.h"

typedef struct accumulator {
    tn_resource base;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    tn_dtype dtype;
    tn_shape shape; /* as declared */
    bool mean;
    int64_t step, n;            /* n: gradients in sum */
    tn_tensor *sum;             /* NULL: none */
    int64_t *row, *count, rows; /* sparse: which rows sum has, and of how many gradients each is */
} accumulator;

/* ==== making ==== */

static void clear(accumulator *a)
{
    tn_tensor_unref(a->sum);
    tn_free(a->row);
    tn_free(a->count);
    a->sum = NULL;
    a->row = a->count = NULL;
    a->rows = a->n = 0;
}

static void release(tn_resource *self)
{
    accumulator *a = (accumulator *)self;
    clear(a);
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->changed);
    tn_resource_free(self);
}

static tn_resource *make(const tn_run *r)
{
    accumulator *a = tn_resource_new(sizeof *a, TN_RES_ACCUMULATOR, r->name, release);
    if (!a) return NULL;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    a->dtype = tn_attr_t(r->attrs, "dtype");
    a->shape = tn_shape_unknown();
    tn_attr_get_shape(r->attrs, "shape", &a->shape);
    a->mean = tn_attr_is(r->attrs, "reduction_type", "MEAN");
    return &a->base;
}

static tn_code new_run(tn_run *r, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_own_resource(r, TN_RES_ACCUMULATOR, "", make, &res, err));
    return tn_run_new_resource(r, 0, res, err);
}

static tn_code accumulator_of(const tn_run *r, accumulator **out, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_resource(r, 0, TN_RES_ACCUMULATOR, &res, err));
    *out = (accumulator *)res;
    return TN_OK;
}

/* ==== adding ==== */

static tn_code mismatch(const tn_shape *expected, const tn_shape *got, tn_error *err)
{
    char a[96], b[96];
    return tn_fail(err, TN_INVALID_ARGUMENT, "Shape mismatch: expected %s, got %s",
                   tn_shape_text(expected, a, sizeof a), tn_shape_text(got, b, sizeof b));
}

static tn_code check_type(const accumulator *a, tn_dtype t, tn_error *err)
{
    if (a->dtype == t) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "'%s' is an accumulator of %s, not of %s", a->base.name,
                   tn_dtype_name(a->dtype), tn_dtype_name(t));
}

/* into += more, n elements from there on. */
static tn_code add_elements(tn_tensor *into, int64_t at, const tn_tensor *more, int64_t from, int64_t n,
                            tn_error *err)
{
    size_t size = tn_dtype_size(into->dtype);
    char *to = (char *)into->data + (size_t)at * size;
    const void *in[2] = {to, (const char *)more->data + (size_t)from * size};
    return n ? tn_pw_flat(TN_PW_ADD, into->dtype, 0, n, in, to, 1, err) : TN_OK;
}

static tn_code add_dense(accumulator *a, const tn_tensor *g, tn_error *err)
{
    TN_TRY(check_type(a, g->dtype, err));
    if (!tn_shape_compatible(&a->shape, &g->shape)) return mismatch(&a->shape, &g->shape, err);
    if (a->sum && !tn_shape_equal(&a->sum->shape, &g->shape)) return mismatch(&a->sum->shape, &g->shape, err);
    if (!a->sum) return tn_tensor_copy(g, &a->sum, err);
    return add_elements(a->sum, 0, g, 0, tn_tensor_count(g), err);
}

typedef struct sparse_gradient {
    const int64_t *row;
    const tn_tensor *values;
    int64_t n, inner;
} sparse_gradient;

/* The shapes agree from the second dimension on. */
static bool same_rows(const tn_shape *a, const tn_shape *b)
{
    if (a->rank < 0 || b->rank < 0) return true;
    bool same = a->rank == b->rank;
    for (int k = 1; same && k < a->rank; k++) same = a->dim[k] < 0 || b->dim[k] < 0 || a->dim[k] == b->dim[k];
    return same;
}

static tn_code check_given(const accumulator *a, const tn_tensor *shape, const sparse_gradient *g,
                           tn_error *err)
{
    tn_shape s;
    TN_TRY(tn_ints_of(shape, "gradient_shape", &s, err));
    if (!tn_shape_compatible(&a->shape, &s)) return mismatch(&a->shape, &s, err);
    for (int64_t i = 0; i < g->n && s.rank > 0; i++)
        if (g->row[i] >= s.dim[0])
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Shape mismatch: index of slice %lld exceeded limits of shape; index is "
                           "%lld exceeded %lld",
                           (long long)i, (long long)g->row[i], (long long)s.dim[0]);
    return TN_OK;
}

static tn_code read_sparse(const tn_run *r, const accumulator *a, sparse_gradient *g, tn_error *err)
{
    const tn_tensor *row = r->in[2], *values = r->in[3];
    TN_TRY(check_type(a, values->dtype, err));
    if (row->shape.rank != 1 || values->shape.rank < 1 || row->shape.dim[0] != values->shape.dim[0])
        return mismatch(&row->shape, &values->shape, err);
    *g = (sparse_gradient){TN_INT64S(row), values, row->shape.dim[0],
                           tn_shape_product(&values->shape, 1, values->shape.rank)};
    if (tn_attr_b(r->attrs, "has_known_shape")) TN_TRY(check_given(a, r->in[4], g, err));
    if (!same_rows(&a->shape, &values->shape)) return mismatch(&a->shape, &values->shape, err);
    for (int64_t i = 0; i < g->n && a->shape.rank > 0 && a->shape.dim[0] >= 0; i++)
        if (g->row[i] >= a->shape.dim[0])
            return tn_fail(err, TN_INVALID_ARGUMENT, "Shape mismatch: index %lld exceeds %lld",
                           (long long)g->row[i], (long long)a->shape.dim[0]);
    if (a->sum && !same_rows(&a->sum->shape, &values->shape))
        return mismatch(&a->sum->shape, &values->shape, err);
    return TN_OK;
}

typedef struct merged {
    tn_tensor *sum;
    int64_t *row, *count, n;
} merged;

/* Rows of both in the order of merging; those that meet are added. */
static tn_code merge(const accumulator *a, const sparse_gradient *g, merged *m, tn_error *err)
{
    for (int64_t i = 0, k = 0; i < a->rows || k < g->n; m->n++) {
        bool ours = k == g->n || (i < a->rows && a->row[i] <= g->row[k]);
        bool both = ours && i < a->rows && k < g->n && a->row[i] == g->row[k];
        TN_TRY(tn_move_row(m->sum, m->n * g->inner, ours ? a->sum : g->values, (ours ? i : k) * g->inner,
                           g->inner, err));
        if (both) TN_TRY(add_elements(m->sum, m->n * g->inner, g->values, k * g->inner, g->inner, err));
        m->row[m->n] = ours ? a->row[i] : g->row[k];
        m->count[m->n] = (ours ? a->count[i] : 0) + (both || !ours);
        i += ours;
        k += both || !ours;
    }
    return TN_OK;
}

static tn_code add_sparse(accumulator *a, const sparse_gradient *g, tn_error *err)
{
    tn_shape s = g->values->shape;
    merged m = {.row = tn_calloc((size_t)(a->rows + g->n) + 1, sizeof *m.row),
                .count = tn_calloc((size_t)(a->rows + g->n) + 1, sizeof *m.count)};
    s.dim[0] = a->rows + g->n;
    tn_code code = m.row && m.count ? tn_tensor_new(a->dtype, &s, &m.sum, err) : tn_no_memory(err, 0);
    if (code == TN_OK) code = merge(a, g, &m, err);
    if (code == TN_OK) {
        int64_t n = a->n;
        clear(a);
        a->n = n;
        a->sum = m.sum;
        a->row = m.row;
        a->count = m.count;
        a->rows = m.n;
        return TN_OK;
    }
    tn_tensor_unref(m.sum);
    tn_free(m.row);
    tn_free(m.count);
    return code;
}

static tn_code apply_run(tn_run *r, tn_error *err)
{
    accumulator *a;
    TN_TRY(accumulator_of(r, &a, err));
    bool sparse = r->n_in > 3;
    if (tn_tensor_count(r->in[1]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "local_step must be a scalar");
    pthread_mutex_lock(&a->lock);
    tn_code code = TN_OK;
    sparse_gradient g = {0};
    bool is_old = tn_tensor_int(r->in[1], 0) < a->step;
    if (!is_old && sparse) code = read_sparse(r, a, &g, err);
    if (!is_old && code == TN_OK) code = sparse ? add_sparse(a, &g, err) : add_dense(a, r->in[2], err);
    if (!is_old && code == TN_OK) {
        a->n++;
        pthread_cond_broadcast(&a->changed);
    }
    pthread_mutex_unlock(&a->lock);
    return code;
}

/* ==== taking ==== */

/* n elements from there on, divided. */
static tn_code divide(tn_tensor *t, int64_t at, int64_t n, int64_t by, tn_error *err)
{
    tn_tensor *divisors = NULL;
    tn_shape s = tn_shape_vector(n);
    if (n == 0 || by == 1) return TN_OK;
    TN_TRY(tn_tensor_new(t->dtype, &s, &divisors, err));
    for (int64_t i = 0; i < n; i++) tn_tensor_set_number(divisors, i, (double)by);
    char *to = (char *)t->data + (size_t)at * tn_dtype_size(t->dtype);
    tn_code code =
        tn_pw_flat(TN_PW_DIV, t->dtype, 0, n, (const void *const[]){to, divisors->data}, to, 1, err);
    tn_tensor_unref(divisors);
    return code;
}

static tn_code give_dense(tn_run *r, accumulator *a, tn_error *err)
{
    TN_TRY(check_type(a, r->out[0]->dtype, err));
    if (a->mean) TN_TRY(divide(a->sum, 0, tn_tensor_count(a->sum), a->n, err));
    return tn_run_output_share(r, 0, a->sum, err);
}

static tn_code give_sparse(tn_run *r, accumulator *a, tn_error *err)
{
    tn_shape s = a->sum->shape, rows = tn_shape_vector(a->rows), rank = tn_shape_vector(s.rank);
    int64_t inner = tn_shape_product(&s, 1, s.rank);
    TN_TRY(check_type(a, r->out[1]->dtype, err));
    s.dim[0] = a->rows;
    TN_TRY(tn_run_output(r, 0, &rows, err));
    TN_TRY(tn_run_output(r, 1, &s, err));
    TN_TRY(tn_run_output(r, 2, &rank, err));
    for (int64_t i = 0; i < a->rows; i++) {
        if (a->mean) TN_TRY(divide(a->sum, i * inner, inner, a->count[i], err));
        TN_INT64S(r->out[0])[i] = a->row[i];
    }
    for (int k = 0; k < s.rank; k++)
        TN_INT64S(r->out[2])[k] = k ? s.dim[k] : a->shape.rank > 0 ? a->shape.dim[0] : -1;
    return tn_move_row(r->out[1], 0, a->sum, 0, a->rows * inner, err);
}

static tn_code take_run(tn_run *r, tn_error *err)
{
    accumulator *a;
    char who[200];
    int waited = 0;
    TN_TRY(accumulator_of(r, &a, err));
    int64_t wanted = tn_tensor_count(r->in[1]) == 1 ? tn_tensor_int(r->in[1], 0) : 0;
    if (wanted <= 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Argument num_required must be > 0");
    snprintf(who, sizeof who, "accumulator '%.100s' has too few gradients (%lld are wanted)", a->base.name,
             (long long)wanted);
    pthread_mutex_lock(&a->lock);
    tn_code code = TN_OK;
    while (code == TN_OK && a->n < wanted)
        code = tn_wait_a_moment(&a->changed, &a->lock, r, &waited, who, err);
    if (code == TN_OK) code = r->n_out == 1 ? give_dense(r, a, err) : give_sparse(r, a, err);
    if (code == TN_OK) {
        clear(a);
        a->step++;
    }
    pthread_mutex_unlock(&a->lock);
    return code;
}

/* ==== the rest ==== */

static tn_code count_run(tn_run *r, tn_error *err)
{
    accumulator *a;
    TN_TRY(accumulator_of(r, &a, err));
    pthread_mutex_lock(&a->lock);
    *TN_INT32S(r->out[0]) = (int32_t)a->n;
    pthread_mutex_unlock(&a->lock);
    return TN_OK;
}

static tn_code step_run(tn_run *r, tn_error *err)
{
    accumulator *a;
    TN_TRY(accumulator_of(r, &a, err));
    if (tn_tensor_count(r->in[1]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "new_global_step must be a scalar");
    pthread_mutex_lock(&a->lock);
    a->step = tn_tensor_int(r->in[1], 0);
    pthread_mutex_unlock(&a->lock);
    return TN_OK;
}

#define ACCUMULATOR(Name, Run, Infer, Dynamic, Sig) TN_STATE_OP(Name, Run, Infer, TN_EFFECT, Dynamic, Sig)
#define NEW                                                                                              \
    "; dtype:type{numbertype} shape:shape container:string=\"\" shared_name:string=\"\" reduction_type:" \
    "string{MEAN,SUM}=\"MEAN\""
ACCUMULATOR(ConditionalAccumulator, new_run, tn_infer_scalar, TN_BIT(0), "-> handle:&string" NEW);
ACCUMULATOR(SparseConditionalAccumulator, new_run, tn_infer_scalar, TN_BIT(0), "-> handle:&string" NEW);
ACCUMULATOR(ResourceConditionalAccumulator, new_run, tn_infer_scalar, TN_BIT(0), "-> handle:resource" NEW);
#define APPLY " local_step:int64 gradient:dtype -> ; dtype:type{numbertype}"
ACCUMULATOR(AccumulatorApplyGradient, apply_run, tn_infer_none, 0, "handle:&string" APPLY);
ACCUMULATOR(ResourceAccumulatorApplyGradient, apply_run, tn_infer_none, 0, "handle:resource" APPLY);
ACCUMULATOR(
    SparseAccumulatorApplyGradient, apply_run, tn_infer_none, 0,
    "handle:&string local_step:int64 gradient_indices:int64 gradient_values:dtype gradient_shape:int64 -> ; "
    "dtype:type{numbertype} has_known_shape:bool");
#define TAKE " num_required:int32 -> average:dtype; dtype:type{numbertype}"
ACCUMULATOR(AccumulatorTakeGradient, take_run, tn_infer_none, TN_BIT(0), "handle:&string" TAKE);
ACCUMULATOR(ResourceAccumulatorTakeGradient, take_run, tn_infer_none, TN_BIT(0), "handle:resource" TAKE);
ACCUMULATOR(
    SparseAccumulatorTakeGradient, take_run, tn_infer_none, ~0u,
    "handle:&string num_required:int32 -> indices:int64 values:dtype shape:int64; dtype:type{numbertype}");
ACCUMULATOR(AccumulatorNumAccumulated, count_run, tn_infer_scalar, 0,
            "handle:&string -> num_accumulated:int32;");
ACCUMULATOR(ResourceAccumulatorNumAccumulated, count_run, tn_infer_scalar, 0,
            "handle:resource -> num_accumulated:int32;");
ACCUMULATOR(AccumulatorSetGlobalStep, step_run, tn_infer_none, 0,
            "handle:&string new_global_step:int64 -> ;");
ACCUMULATOR(ResourceAccumulatorSetGlobalStep, step_run, tn_infer_none, 0,
            "handle:resource new_global_step:int64 -> ;");
