/* SPDX-License-Identifier: Apache-2.0
 *
 * op_topk.c - TopK and InTopK, along the last dimension.
 */
#include <math.h>

#include "op_math.h"
#include "op_move.h"

/* ==== InTopK ==== */

static tn_code in_top_k_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *p = &c->in[0]->shape, *t = &c->in[1]->shape;
    int64_t rows;
    if (c->n_in == 3) TN_TRY(tn_infer_rank(c, 2, 0, err));
    if (p->rank >= 0 && p->rank != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "predictions must be 2-dimensional");
    if (t->rank >= 0 && t->rank != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "targets must be 1-dimensional");
    int64_t a = p->rank < 0 ? -1 : p->dim[0], b = t->rank < 0 ? -1 : t->dim[0];
    if (tn_infer_merge_dim(a, b, &rows, NULL) != TN_OK)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "First dimension of predictions %lld must match length of targets %lld", (long long)a,
                       (long long)b);
    c->out[0].shape = tn_shape_vector(rows);
    c->out[0].bound = c->in[0]->bound;
    return TN_OK;
}

/* Is the target's prediction among the k greatest? Ties count in its favour; a row with what is not a
 * finite number before that is decided does not. */
static bool in_top(const float *row, int64_t classes, int64_t target, int64_t k)
{
    int64_t above = 0;
    if (target < 0 || target >= classes || !isfinite(row[target])) return false;
    for (int64_t i = 0; i < classes; i++) {
        if (!isfinite(row[i])) return false;
        if (row[i] > row[target] && ++above > k) break;
    }
    return above < k;
}

static tn_code in_top_k_run(tn_run *r, tn_error *err)
{
    int64_t rows = r->in[0]->shape.dim[0], classes = r->in[0]->shape.dim[1];
    int64_t k = r->n_in == 3 ? 0 : tn_attr_i(r->attrs, "k");
    bool *y = r->out[0]->data;
    if (r->n_in == 3) TN_TRY(tn_int_of(r->in[2], "k", &k, err));
    for (int64_t i = 0; i < rows; i++)
        y[i] = in_top(TN_FLOATS(r->in[0]) + i * classes, classes, tn_tensor_int(r->in[1], i), k);
    return TN_OK;
}

#define IN_TOP_K(Name, Sig)                                                                                  \
    const tn_op tn_op_##Name = {                                                                             \
        .name = #Name,                                                                                       \
        .sig = Sig,                                                                                          \
        .infer = in_top_k_infer,                                                                             \
        .run = in_top_k_run,                                                                                 \
        .flags = TN_NO_GRADIENT,                                                                \
    }
IN_TOP_K(InTopK, "predictions:float targets:T -> precision:bool; k:int T:type{int32,int64}=int32");
IN_TOP_K(InTopKV2, "predictions:float targets:T k:T -> precision:bool; T:type{int32,int64}=int32");

/* ==== TopK ==== */

static tn_code top_k_of(const tn_infer *c, int64_t *k, tn_error *err)
{
    char text[160];
    *k = -1;
    if (c->n_in == 1) {
        *k = tn_attr_i(c->attrs, "k");
        return TN_OK;
    }
    if (c->in[1]->shape.rank > 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "k must be scalar, got shape %s",
                       tn_shape_text(&c->in[1]->shape, text, sizeof text));
    if (tn_shape_count(&c->in[1]->shape) == 1 && c->in[1]->value) {
        *k = tn_tensor_int(c->in[1]->value, 0);
        if (*k < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Need k >= 0, got %lld", (long long)*k);
    }
    return TN_OK;
}

static tn_code top_k_infer(tn_infer *c, tn_error *err)
{
    tn_shape s = c->in[0]->shape;
    int64_t k;
    if (s.rank == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "input must be >= 1-D, got shape []");
    TN_TRY(top_k_of(c, &k, err));
    if (s.rank < 0) return TN_OK;
    int64_t columns = s.dim[s.rank - 1];
    if (columns >= 0 && k > columns)
        return tn_fail(err, TN_INVALID_ARGUMENT, "input must have at least k columns. Had %lld, needed %lld",
                       (long long)columns, (long long)k);
    s.dim[s.rank - 1] = k;
    for (int o = 0; o < 2; o++) {
        c->out[o].shape = s;
        if (s.rank > 1) c->out[o].bound = c->in[0]->bound;
    }
    return TN_OK;
}

/* Is a before b? By value, then by index; NaN is last. Values are compared as doubles, 64-bit integers as
 * themselves. */
typedef struct ranking {
    const tn_tensor *x;
    int64_t row; /* where it begins */
    bool wide;   /* 64-bit integers */
} ranking;

static bool before(const ranking *k, int64_t a, int64_t b)
{
    if (k->x->dtype == TN_FLOAT) {
        const float *v = TN_FLOATS(k->x) + k->row;
        if (v[a] > v[b] || v[a] < v[b]) return v[a] > v[b];
    }
    if (k->wide && k->x->dtype == TN_UINT64) {
        const uint64_t *v = (const uint64_t *)k->x->data + k->row;
        return v[a] != v[b] ? v[a] > v[b] : a < b;
    }
    if (k->wide) {
        const int64_t *v = TN_INT64S(k->x) + k->row;
        return v[a] != v[b] ? v[a] > v[b] : a < b;
    }
    double x = tn_tensor_number(k->x, k->row + a), y = tn_tensor_number(k->x, k->row + b);
    if (isnan(x) || isnan(y)) return isnan(x) && isnan(y) ? a < b : isnan(y);
    return x != y ? x > y : a < b;
}

/* A heap of the k best, the worst of them on top. */
static void sift_down(const ranking *key, int64_t *heap, int64_t n, int64_t i)
{
    for (;;) {
        int64_t child = 2 * i + 1;
        if (child >= n) return;
        if (child + 1 < n && before(key, heap[child], heap[child + 1])) child++;
        if (!before(key, heap[i], heap[child])) return;
        int64_t t = heap[i];
        heap[i] = heap[child];
        heap[child] = t;
        i = child;
    }
}

static void best_of_row(const ranking *key, int64_t columns, int64_t k, int64_t *heap)
{
    for (int64_t i = 0; i < k; i++) heap[i] = i;
    for (int64_t i = k / 2 - 1; i >= 0; i--) sift_down(key, heap, k, i);
    for (int64_t i = k; k > 0 && i < columns; i++) {
        if (!before(key, i, heap[0])) continue;
        heap[0] = i;
        sift_down(key, heap, k, 0);
    }
    for (int64_t n = k - 1; n > 0; n--) { /* the worst goes to the end */
        int64_t t = heap[0];
        heap[0] = heap[n];
        heap[n] = t;
        sift_down(key, heap, n, 0);
    }
}

static tn_code top_k_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *out = &p->out[0]->shape;
    (void)err;
    p->scratch = (size_t)out->dim[out->rank - 1] * sizeof(int64_t);
    return TN_OK;
}

static tn_code top_k_run(tn_run *r, tn_error *err)
{
    const tn_tensor *x = r->in[0];
    int64_t columns = x->shape.dim[x->shape.rank - 1], k = r->out[0]->shape.dim[x->shape.rank - 1];
    int64_t rows = columns ? tn_shape_count(&x->shape) / columns : 0, *heap = r->scratch;
    size_t size = tn_dtype_size(x->dtype);
    ranking key = {.x = x, .wide = x->dtype == TN_INT64 || x->dtype == TN_UINT64};
    (void)err;
    if (k == 0) return TN_OK;
    for (int64_t row = 0; row < rows; row++) {
        key.row = row * columns;
        best_of_row(&key, columns, k, heap);
        for (int64_t i = 0; i < k; i++) {
            const char *from = (const char *)x->data + (size_t)(key.row + heap[i]) * size;
            memcpy((char *)r->out[0]->data + (size_t)(row * k + i) * size, from, size);
            tn_tensor_set_number(r->out[1], row * k + i, (double)heap[i]);
        }
    }
    return TN_OK;
}

static tn_node last_dimension(tn_builder *b, tn_node shape)
{
    tn_node at = tn_g2(b, "Sub", tn_g1(b, "Size", shape), tn_g_int(b, 1));
    return tn_g3(b, "GatherV2", shape, at, tn_g_int(b, 0));
}

/* Where in the flattened input each value came from: its index in the row, and where its row begins. */
static tn_node places(tn_builder *b, tn_node index, tn_node in_shape)
{
    int64_t flat = -1;
    tn_node zero = tn_g_int(b, 0), columns = last_dimension(b, in_shape);
    tn_node dims[] = {tn_g_int(b, -1), last_dimension(b, tn_shape_of(b, index))};
    tn_node shape_2d =
        tn_output_of(tn_add_operation(b, "Pack", NULL, dims, 2, TN_ATTRS(tn_attr_int("N", 2))), 0);
    tn_node rows_of = tn_g2(b, "Reshape", tn_grad_cast(b, index, TN_INT32), shape_2d);
    tn_node rows = tn_g3(b, "GatherV2", tn_g1(b, "Shape", rows_of), zero, zero);
    tn_node starts = tn_g3(b, "Range", zero, tn_g2(b, "Mul", rows, columns), columns);
    tn_node at = tn_g2(b, "AddV2", rows_of, tn_g2(b, "ExpandDims", starts, tn_g_int(b, -1)));
    return tn_g2(b, "Reshape", at, tn_ints(b, &flat, 1));
}

/* dy goes to where the values came from: a scatter into the flattened input. */
static tn_code top_k_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    int64_t flat = -1, one = 1;
    tn_node shape = tn_shape_of(b, tn_grad_in(g, 0));
    tn_node at = tn_g2(b, "ExpandDims", places(b, tn_grad_out(g, 1), shape), tn_g_int(b, -1));
    tn_node size = tn_g2(b, "Reshape", tn_g2(b, "Prod", shape, tn_g_int(b, 0)), tn_ints(b, &one, 1));
    tn_node dy = tn_g2(b, "Reshape", tn_grad_dy(g, 0), tn_ints(b, &flat, 1));
    tn_grad_set(g, 0, tn_g2(b, "Reshape", tn_g3(b, "ScatterNd", at, dy, size), shape));
    return TN_OK;
}

/* Exactly the greatest, along the last dimension: what TensorFlow does without an accelerator, and no more. */
static tn_code approximate_prepare(tn_prepare *p, tn_error *err)
{
    if (tn_attr_i(p->attrs, "reduction_dimension") != -1 || !tn_attr_b(p->attrs, "is_max_k"))
        return tn_fail(err, TN_UNIMPLEMENTED, "ApproxTopK of the least, or not along the last dimension");
    return top_k_prepare(p, err);
}

#define TOP_K(Name, Sig, Values) TOP_K_AS(Name, top_k_prepare, Sig, Values)
#define TOP_K_AS(Name, Prepare, Sig, Values)                                                                         \
    const tn_op tn_op_##Name = {                                                                             \
        .name = #Name,                                                                                       \
        .sig = Sig,                                                                                          \
        .infer = top_k_infer,                                                                                \
        .prepare = Prepare,                                                                                  \
        .run = top_k_run,                                                                                    \
        .grad = top_k_grad,                                                                                  \
        .values = Values,                                                                                    \
    }
TOP_K(TopK, "input:T -> values:T indices:int32; k:int>=0 sorted:bool=true T:type{realnumbertype}", 0);
TOP_K(TopKV2, "input:T k:Tk -> values:T indices:index_type; sorted:bool=true T:type{realnumbertype} "
              "Tk:type{int16,int32,int64}=int32 index_type:type{int16,int32,int64}=int32", TN_BIT(1));
TOP_K_AS(ApproxTopK, approximate_prepare,
         "input:T -> values:T indices:int32; k:int>=0 reduction_dimension:int=-1 "
         "recall_target:float=0.949999988079071 is_max_k:bool=true reduction_input_size_override:int=-1 "
         "aggregate_to_topk:bool=true T:type{half,bfloat16,float}", 0);
