/* SPDX-License-Identifier: Apache-2.0
 *
 * op_ctc.c - connectionist temporal classification: the loss with its gradient. Decoding is
 * op_ctc_decode.c's.
 *
 * A batch entry's labels l1 l2 .. become the states blank l1 blank l2 .. blank; alpha and beta are the
 * logarithms of the probabilities of all paths up to, and after, a state at a time. Invariant: nothing is
 * written before all checks.
 */
#include <math.h>

#include "op_math.h"

typedef struct options {
    bool collapse, merge, ignore_longer, v2;
} options;

typedef struct entry { /* one batch entry while it is worked on */
    int64_t time, classes, states;
    const int64_t *label; /* of each state */
    int64_t blank;
    double *alpha, *beta; /* [time, states] */
    double *y;            /* [time, classes], probabilities */
    double *sum;          /* [classes] */
    bool merge;
} entry;

typedef struct labels { /* of all entries, one after another */
    int64_t *v, *start; /* start[batch + 1] */
    int64_t longest;
} labels;

/* ==== checks ==== */

static tn_code check_shapes(const tn_run *r, tn_error *err)
{
    const tn_shape *x = &r->in[0]->shape, *at = &r->in[1]->shape, *v = &r->in[2]->shape,
                   *n = &r->in[3]->shape;
    if (x->rank != 3) return tn_fail(err, TN_INVALID_ARGUMENT, "inputs is not a 3-Tensor");
    if (n->rank != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "sequence_length is not a vector");
    if (at->rank != 2) return tn_fail(err, TN_INVALID_ARGUMENT, "labels_indices is not a matrix");
    if (at->dim[1] != 2) return tn_fail(err, TN_INVALID_ARGUMENT, "labels_indices must have 2 columns");
    if (v->rank != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "labels_values is not a vector");
    if (x->dim[0] == 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Max time or first dimension of input cannot be 0.");
    if (x->dim[1] == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "batch_size must not be 0");
    if (n->dim[0] != x->dim[1])
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "len(sequence_length) != batch_size.  len(sequence_length):  %lld batch_size: %lld",
                       (long long)n->dim[0], (long long)x->dim[1]);
    if (at->dim[0] != v->dim[0])
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "labels_indices and labels_values must contain the same number of rows, but saw %lld and %lld",
            (long long)at->dim[0], (long long)v->dim[0]);
    return TN_OK;
}

static tn_code check_order(const tn_run *r, int64_t batch, tn_error *err)
{
    const int64_t *at = r->in[1]->data;
    for (int64_t i = 0; i < r->in[1]->shape.dim[0]; i++, at += 2) {
        if (at[0] < 0 || at[0] >= batch || at[1] < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "label SparseTensor is not valid: indices[%lld] = [%lld,%lld] is out of bounds",
                           (long long)i, (long long)at[0], (long long)at[1]);
        if (i && (at[0] < at[-2] || (at[0] == at[-2] && at[1] <= at[-1])))
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "label SparseTensor is not valid: indices[%lld] = [%lld,%lld] is %s", (long long)i,
                           (long long)at[0], (long long)at[1],
                           at[0] == at[-2] && at[1] == at[-1] ? "repeated" : "out of order");
    }
    return TN_OK;
}

static tn_code check_lengths(const tn_run *r, tn_error *err)
{
    int64_t most = r->in[0]->shape.dim[0];
    for (int64_t b = 0; b < r->in[0]->shape.dim[1]; b++) {
        int64_t n = TN_INT32S(r->in[3])[b];
        if (n < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "seq_len(%lld) < 0", (long long)b);
        if (n > most)
            return tn_fail(err, TN_INVALID_ARGUMENT, "sequence_length(%lld) <= %lld", (long long)b,
                           (long long)most);
    }
    return TN_OK;
}

/* ==== labels ==== */

/* Appends label number i of those in [from, to) unless it repeats or ends the sequence. */
static tn_code take_label(const options *o, int64_t b, int64_t classes, const int32_t *v, int64_t i,
                          bool *ended, labels *l, tn_error *err)
{
    if (i && o->collapse && v[i] == v[i - 1]) return TN_OK;
    if (v[i] < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "All labels must be nonnegative integers, batch: %lld label: %d", (long long)b, v[i]);
    if (o->v2 && v[i] >= classes)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "No label may be greater than num_classes. batch: %lld label: %d", (long long)b, v[i]);
    if (o->v2 ? v[i] == 0 : v[i] >= classes - 1) {
        *ended = true;
        return TN_OK;
    }
    if (*ended)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Saw a non-null label (index >= num_classes - 1) following a null label, batch: %lld "
                       "num_classes: %lld",
                       (long long)b, (long long)classes);
    l->v[l->start[b + 1]++] = v[i];
    return TN_OK;
}

static tn_code take_entry(const tn_run *r, const options *o, int64_t b, int64_t *at, labels *l, tn_error *err)
{
    const int64_t *indices = r->in[1]->data;
    int64_t from = *at, n = r->in[1]->shape.dim[0], time = TN_INT32S(r->in[3])[b];
    bool ended = false;
    while (*at < n && indices[2 * *at] == b) ++*at;
    if (*at == from && !o->v2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Labels length is zero in batch %lld", (long long)b);
    l->start[b + 1] = l->start[b];
    for (int64_t i = 0; i < *at - from; i++)
        TN_TRY(take_label(o, b, r->in[0]->shape.dim[2], TN_INT32S(r->in[2]) + from, i, &ended, l, err));
    int64_t count = l->start[b + 1] - l->start[b];
    if (count > time && !o->ignore_longer)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Not enough time for target transition sequence (required: %lld, available: %lld)",
                       (long long)count, (long long)time);
    l->longest = TN_MAX(l->longest, count);
    return TN_OK;
}

static tn_code read_labels(const tn_run *r, const options *o, tn_arena *a, labels *l, tn_error *err)
{
    int64_t batch = r->in[0]->shape.dim[1], at = 0;
    l->v = TN_ARRAY(a, r->in[1]->shape.dim[0] + 1, int64_t);
    l->start = TN_ARRAY(a, batch + 1, int64_t);
    if (!l->v || !l->start) return tn_no_memory(err, (size_t)batch * sizeof(int64_t));
    for (int64_t b = 0; b < batch; b++) TN_TRY(take_entry(r, o, b, &at, l, err));
    return TN_OK;
}

/* ==== paths ==== */

static double log_add(double a, double b)
{
    if (a == -INFINITY) return b;
    if (b == -INFINITY) return a;
    return a > b ? a + log1p(exp(b - a)) : b + log1p(exp(a - b));
}

static double log_y(const entry *e, int64_t u, int64_t t)
{
    return log(e->y[t * e->classes + e->label[u]]);
}

/* May a path go from state u to u + 2 without a blank between? */
static bool may_skip(const entry *e, int64_t u)
{
    return e->label[u + 2] != e->blank && !(e->merge && e->label[u] == e->label[u + 2]);
}

static bool may_stay(const entry *e, int64_t u)
{
    return e->merge || e->label[u] == e->blank;
}

static void first_states(const entry *e, int64_t t, int64_t *from, int64_t *to)
{
    *from = TN_MAX(0, e->states - 2 * (e->time - t));
    *to = TN_MIN(e->states, 2 * (t + 1));
}

static void compute_alpha(const entry *e)
{
    int64_t n = e->states, from, to;
    for (int64_t i = 0; i < n * e->time; i++) e->alpha[i] = -INFINITY;
    e->alpha[0] = log_y(e, 0, 0);
    if (n > 1) e->alpha[1] = log_y(e, 1, 0);
    for (int64_t t = 1; t < e->time; t++) {
        const double *before = e->alpha + (t - 1) * n;
        first_states(e, t, &from, &to);
        for (int64_t u = from; u < to; u++) {
            double sum = may_stay(e, u) ? before[u] : -INFINITY;
            if (u > 0) sum = log_add(sum, before[u - 1]);
            if (u > 1 && may_skip(e, u - 2)) sum = log_add(sum, before[u - 2]);
            e->alpha[t * n + u] = log_y(e, u, t) + sum;
        }
    }
}

static void compute_beta(const entry *e)
{
    int64_t n = e->states, from, to;
    for (int64_t i = 0; i < n * e->time; i++) e->beta[i] = -INFINITY;
    for (int64_t u = TN_MAX(0, n - 2); u < n; u++) e->beta[(e->time - 1) * n + u] = 0;
    /* Where all labels are null TensorFlow also lets paths end one step early: as it does, so that losses
     * agree. */
    if (n == 1 && e->time > 1) e->beta[e->time - 2] = 0;
    for (int64_t t = e->time - 2; t >= 0; t--) {
        const double *after = e->beta + (t + 1) * n;
        first_states(e, t, &from, &to);
        for (int64_t u = from; u < to; u++) {
            double sum = may_stay(e, u) ? after[u] + log_y(e, u, t + 1) : -INFINITY;
            if (u + 1 < n) sum = log_add(sum, after[u + 1] + log_y(e, u + 1, t + 1));
            if (u + 2 < n && e->label[u] != e->blank && may_skip(e, u))
                sum = log_add(sum, after[u + 2] + log_y(e, u + 2, t + 1));
            e->beta[t * n + u] = log_add(e->beta[t * n + u], sum);
        }
    }
}

/* The gradient replaces the probabilities. */
static void compute_gradient(const entry *e, double log_p)
{
    for (int64_t t = 0; t < e->time && log_p != -INFINITY; t++) {
        for (int64_t k = 0; k < e->classes; k++) e->sum[k] = -INFINITY;
        for (int64_t u = 0; u < e->states; u++) {
            double *s = &e->sum[e->label[u]];
            *s = log_add(*s, e->alpha[t * e->states + u] + e->beta[t * e->states + u]);
        }
        for (int64_t k = 0; k < e->classes; k++) e->y[t * e->classes + k] -= exp(e->sum[k] - log_p);
    }
}

static double path_loss(const entry *e)
{
    double log_p = -INFINITY;
    if (e->time == 0) return 0;
    compute_alpha(e);
    compute_beta(e);
    for (int64_t u = 0; u < e->states; u++) log_p = log_add(log_p, e->alpha[u] + e->beta[u]);
    compute_gradient(e, log_p);
    return -log_p;
}

/* ==== an entry ==== */

static double rounded(double x, tn_dtype t)
{
    return t == TN_FLOAT ? (float)x : x;
}

static void probabilities(const entry *e, const tn_tensor *x, int64_t b)
{
    int64_t batch = x->shape.dim[1];
    for (int64_t t = 0; t < e->time; t++) {
        int64_t at = (t * batch + b) * e->classes;
        double *y = e->y + t * e->classes, most = -INFINITY, sum = 0;
        for (int64_t k = 0; k < e->classes; k++) most = fmax(most, tn_tensor_number(x, at + k));
        for (int64_t k = 0; k < e->classes; k++)
            sum += y[k] = rounded(exp(tn_tensor_number(x, at + k) - most), x->dtype);
        for (int64_t k = 0; k < e->classes; k++) y[k] = rounded(y[k] / sum, x->dtype);
    }
}

static tn_code make_entry(const tn_run *r, const labels *l, tn_arena *a, entry *e, int64_t **label,
                          tn_error *err)
{
    const tn_shape *x = &r->in[0]->shape;
    int64_t states = 2 * l->longest + 1;
    e->classes = x->dim[2];
    size_t grid;
    if (__builtin_mul_overflow((size_t)x->dim[0], (size_t)states, &grid)) return tn_no_memory(err, SIZE_MAX);
    e->alpha = TN_ARRAY(a, grid, double);
    e->beta = TN_ARRAY(a, grid, double);
    e->y = TN_ARRAY(a, x->dim[0] * e->classes, double);
    e->sum = TN_ARRAY(a, e->classes, double);
    *label = TN_ARRAY(a, states, int64_t);
    if (!e->alpha || !e->beta || !e->y || !e->sum || !*label) return tn_no_memory(err, grid * sizeof(double));
    e->label = *label;
    return TN_OK;
}

static void do_entry(tn_run *r, const options *o, const labels *l, entry *e, int64_t *label, int64_t b)
{
    int64_t n = l->start[b + 1] - l->start[b], batch = r->in[0]->shape.dim[1];
    e->time = TN_INT32S(r->in[3])[b];
    e->blank = o->v2 ? 0 : e->classes - 1;
    e->merge = o->merge;
    e->states = 2 * n + 1;
    if (n > e->time || (o->v2 && e->classes == 0)) return;
    for (int64_t u = 0; u < e->states; u++) label[u] = u % 2 ? l->v[l->start[b] + u / 2] : e->blank;
    probabilities(e, r->in[0], b);
    tn_tensor_set_number(r->out[0], b, path_loss(e));
    for (int64_t t = 0; t < e->time; t++)
        for (int64_t k = 0; k < e->classes; k++)
            tn_tensor_set_number(r->out[1], (t * batch + b) * e->classes + k, e->y[t * e->classes + k]);
}

static tn_code loss_in(tn_run *r, tn_arena *a, tn_error *err)
{
    options o = {tn_attr_b(r->attrs, "preprocess_collapse_repeated"),
                 tn_attr_b(r->attrs, "ctc_merge_repeated"),
                 tn_attr_b(r->attrs, "ignore_longer_outputs_than_inputs"), !strcmp(r->op->name, "CTCLossV2")};
    labels l = {0};
    entry e = {0};
    int64_t *label = NULL;
    TN_TRY(read_labels(r, &o, a, &l, err));
    TN_TRY(make_entry(r, &l, a, &e, &label, err));
    memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    if (tn_tensor_bytes(r->out[1])) memset(r->out[1]->data, 0, tn_tensor_bytes(r->out[1]));
    for (int64_t b = 0; b < r->in[0]->shape.dim[1]; b++) do_entry(r, &o, &l, &e, label, b);
    return TN_OK;
}

static tn_code loss_run(tn_run *r, tn_error *err)
{
    TN_TRY(check_shapes(r, err));
    TN_TRY(check_order(r, r->in[0]->shape.dim[1], err));
    TN_TRY(check_lengths(r, err));
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, 0);
    tn_code code = loss_in(r, a, err);
    tn_arena_free(a);
    return code;
}

static tn_code loss_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 3, err));
    TN_TRY(tn_infer_rank(c, 1, 2, err));
    TN_TRY(tn_infer_rank(c, 2, 1, err));
    TN_TRY(tn_infer_rank(c, 3, 1, err));
    const tn_shape *x = &c->in[0]->shape;
    c->out[0].shape = tn_shape_vector(x->rank == 3 ? x->dim[1] : -1);
    c->out[1].shape = *x;
    return TN_OK;
}

/* The loss's gradient times what the operator found already. */
static tn_code loss_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node known =
        tn_op(b, "PreventGradient", TN_INPUTS(tn_grad_out(g, 1)),
              TN_ATTRS(tn_attr_str("message", "Currently there is no way to take the second derivative of "
                                              "ctc_loss")));
    tn_node dy = tn_g2(b, "ExpandDims", tn_grad_dy(g, 0), tn_g_int(b, 0));
    dy = tn_g2(b, "ExpandDims", dy, tn_g_int(b, -1));
    tn_grad_set(g, 0, tn_g2(b, "Mul", dy, known));
    return TN_OK;
}

#define LOSS(Name, Sig)          \
    const tn_op tn_op_##Name = { \
        .name = #Name, .sig = Sig, .infer = loss_infer, .run = loss_run, .grad = loss_grad}
LOSS(CTCLoss, "inputs:T labels_indices:int64 labels_values:int32 sequence_length:int32 -> loss:T gradient:T; "
              "preprocess_collapse_repeated:bool=false ctc_merge_repeated:bool=true "
              "ignore_longer_outputs_than_inputs:bool=false T:type{float,double}=float");
LOSS(CTCLossV2, "inputs:float labels_indices:int64 labels_values:int32 sequence_length:int32 -> loss:float "
                "gradient:float; preprocess_collapse_repeated:bool=false ctc_merge_repeated:bool=true "
                "ignore_longer_outputs_than_inputs:bool=false");
