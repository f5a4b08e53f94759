/* SPDX-License-Identifier: Apache-2.0
 *
 * op_einsum.c - Einsum of one or two operands: labels are sorted into batch, free, contracted and alone;
 * each operand is brought into that order (not copied when it is in it, or transposed, already), labels that
 * are summed alone are added up, one batched matrix product does the rest, and the result is put in order.
 * The gradient is grad_einsum.c's.
 */
#include "../kernel/kernel.h"
#include "einsum.h"

/* ==== inference ==== */

static tn_code einsum_infer(tn_infer *c, tn_error *err)
{
    tn_view equation, part[3];
    const tn_shape *shapes[2];
    tn_einsum e;
    int n;
    if (!tn_attr_get_string(c->attrs, "equation", &equation))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Einsum: no equation");
    TN_TRY(tn_einsum_split(equation, part, &n, err));
    if (n != c->n_in) return tn_fail(err, TN_INVALID_ARGUMENT, "Expected %d inputs but got: %d", n, c->n_in);
    for (int i = 0; i < c->n_in; i++) {
        shapes[i] = &c->in[i]->shape;
        if (shapes[i]->rank < 0) return TN_OK;
    }
    TN_TRY(tn_einsum_read(equation, shapes, c->n_in, &e, err));
    c->out[0].shape.rank = e.rank[TN_EINSUM_OUT];
    for (int i = 0; i < e.rank[TN_EINSUM_OUT]; i++) c->out[0].shape.dim[i] = e.dim[e.label[TN_EINSUM_OUT][i]];
    return TN_OK;
}

/* ==== groups of labels ==== */

typedef struct group {
    int n, label[TN_EINSUM_LABELS];
    int64_t size;
} group;

enum { BATCH, FREE_A, FREE_B, CONTRACTED, ALONE_A, ALONE_B, GROUPS };

static void add_label(const tn_einsum *e, group *g, int label)
{
    g->label[g->n++] = label;
    g->size *= e->dim[label];
}

/* Labels of the result come in its order, so that it need not be transposed where that can be. */
static void sort_labels(const tn_einsum *e, group groups[GROUPS])
{
    for (int i = 0; i < GROUPS; i++) groups[i] = (group){.size = 1};
    for (int pass = 0; pass < 2; pass++) {
        int n = pass ? e->n_labels : e->rank[TN_EINSUM_OUT];
        for (int i = 0; i < n; i++) {
            int label = pass ? i : e->label[TN_EINSUM_OUT][i];
            bool out = tn_einsum_has(e, TN_EINSUM_OUT, label);
            bool a = tn_einsum_has(e, 0, label), b = e->n_in == 2 && tn_einsum_has(e, 1, label), seen = false;
            int which = out ? (a && b ? BATCH
                               : a    ? FREE_A
                                      : FREE_B)
                            : (a && b ? CONTRACTED
                               : a    ? ALONE_A
                                      : ALONE_B);
            for (int k = 0; k < groups[which].n; k++) seen = seen || groups[which].label[k] == label;
            if (!seen) add_label(e, &groups[which], label);
        }
    }
}

/* Elements from one index of a label to the next; a label on several axes walks their diagonal. */
static void label_strides(const tn_einsum *e, int operand, const tn_shape *shape, int64_t *stride)
{
    int64_t step = 1;
    memset(stride, 0, sizeof(int64_t) * TN_EINSUM_LABELS);
    for (int i = shape->rank - 1; i >= 0; i--) {
        int label = e->label[operand][i];
        if (shape->dim[i] == e->dim[label]) stride[label] += step; /* else 1, stretched */
        step *= shape->dim[i];
    }
}

/* ==== preparing an operand ==== */

typedef struct packing { /* an operand in the order of groups */
    bool copied, summed;
    tn_ncopy copy;
    tn_reduce_plan sum;
    size_t at, sum_at, sum_scratch_at; /* in the scratch */
} packing;

typedef struct order {
    int n;
    int64_t dim[TN_EINSUM_LABELS], stride[TN_EINSUM_LABELS], count;
} order;

static order order_of(const tn_einsum *e, const group *const *groups, int n, const int64_t *stride)
{
    order o = {.count = 1};
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < groups[i]->n; k++) {
            int label = groups[i]->label[k];
            if (e->dim[label] == 1) continue;
            o.dim[o.n] = e->dim[label];
            o.stride[o.n++] = stride[label];
            o.count *= e->dim[label];
        }
    }
    return o;
}

static bool in_order(const order *o)
{
    int64_t step = 1;
    for (int i = o->n - 1; i >= 0; i--) {
        if (o->stride[i] != step) return false;
        step *= o->dim[i];
    }
    return true;
}

static void dense_strides(const order *o, int64_t *dst)
{
    int64_t step = 1;
    for (int i = o->n - 1; i >= 0; i--) {
        dst[i] = step;
        step *= o->dim[i];
    }
}

static size_t take(size_t *scratch, size_t bytes)
{
    size_t at = *scratch;
    *scratch += (bytes + 63) & ~(size_t)63;
    return at;
}

/* groups: in the order wanted; the last one is summed away. */
static tn_code pack(const tn_einsum *e, const group *const *groups, int n, const int64_t *stride, tn_dtype t,
                    int threads, packing *p, size_t *scratch, tn_error *err)
{
    order o = order_of(e, groups, n, stride);
    int64_t dst[TN_EINSUM_LABELS], alone = groups[n - 1]->size;
    int elem = (int)tn_dtype_size(t);
    p->copied = !in_order(&o);
    p->summed = alone != 1;
    if (o.n > 2 * TN_MAX_RANK) return tn_fail(err, TN_INVALID_ARGUMENT, "Einsum: too many labels");
    if (p->copied) {
        dense_strides(&o, dst);
        TN_TRY(tn_ncopy_prepare(elem, o.n, o.dim, o.stride, dst, threads, &p->copy, err));
        p->at = take(scratch, (size_t)o.count * (size_t)elem);
    }
    if (!p->summed) return TN_OK;
    tn_shape shape = {.rank = 2, .dim = {1, alone}};
    for (int i = 0; i < n - 1; i++) shape.dim[0] *= groups[i]->size;
    const bool axes[TN_MAX_RANK] = {false, true};
    TN_TRY(tn_reduce_prepare(TN_REDUCE_SUM, t, &shape, axes, threads, &p->sum, err));
    p->sum_at = take(scratch, (size_t)shape.dim[0] * (size_t)elem);
    p->sum_scratch_at = take(scratch, p->sum.scratch);
    return TN_OK;
}

static const void *packed(const packing *p, const void *data, char *scratch)
{
    if (p->copied) {
        tn_ncopy_run(&p->copy, data, scratch + p->at);
        data = scratch + p->at;
    }
    if (!p->summed) return data;
    tn_reduce_run(&p->sum, data, scratch + p->sum_at, scratch + p->sum_scratch_at);
    return scratch + p->sum_at;
}

/* Would [batch, x, y] need no copy where y is last? */
static bool ready(const tn_einsum *e, const group *batch, const group *x, const group *y,
                  const int64_t *stride)
{
    const group *groups[] = {batch, x, y};
    order o = order_of(e, groups, 3, stride);
    return in_order(&o);
}

/* ==== the whole ==== */

struct tn_contraction {
    packing in[2];
    bool product, placed, cleared; /* two operands; the result must be put in order; it has a diagonal */
    tn_gemm_plan gemm;
    tn_ncopy place;
    size_t gemm_at, result_at;
    int64_t count;
    size_t bytes; /* of the result */
};

typedef struct operands {
    tn_dtype dtype;
    const tn_shape *shape[3];
    int threads;
} operands;

static void describe(const operands *p, const group *g, bool ta, bool tb, tn_gemm_desc *d)
{
    *d = (tn_gemm_desc){.dtype = p->dtype,
                        .m = g[FREE_A].size,
                        .n = g[FREE_B].size,
                        .k = g[CONTRACTED].size,
                        .ta = ta,
                        .tb = tb,
                        .threads = p->threads,
                        .batch_rank = 1,
                        .batch_dim = {g[BATCH].size}};
    d->batch_a[0] = d->m * d->k;
    d->batch_b[0] = d->k * d->n;
}

static tn_code prepare_operands(const operands *p, const tn_einsum *e, const group *g, tn_contraction *c,
                                size_t *scratch, tn_error *err)
{
    int64_t stride[TN_EINSUM_LABELS];
    tn_gemm_desc d;
    label_strides(e, 0, p->shape[0], stride);
    bool ta = e->n_in == 2 && g[ALONE_A].n == 0 && !ready(e, &g[BATCH], &g[FREE_A], &g[CONTRACTED], stride) &&
              ready(e, &g[BATCH], &g[CONTRACTED], &g[FREE_A], stride);
    const group *a[] = {&g[BATCH], &g[ta ? CONTRACTED : FREE_A], &g[ta ? FREE_A : CONTRACTED], &g[ALONE_A]};
    TN_TRY(pack(e, a, 4, stride, p->dtype, p->threads, &c->in[0], scratch, err));
    if (e->n_in == 1) return TN_OK;
    label_strides(e, 1, p->shape[1], stride);
    bool tb = g[ALONE_B].n == 0 && !ready(e, &g[BATCH], &g[CONTRACTED], &g[FREE_B], stride) &&
              ready(e, &g[BATCH], &g[FREE_B], &g[CONTRACTED], stride);
    const group *b[] = {&g[BATCH], &g[tb ? FREE_B : CONTRACTED], &g[tb ? CONTRACTED : FREE_B], &g[ALONE_B]};
    TN_TRY(pack(e, b, 4, stride, p->dtype, p->threads, &c->in[1], scratch, err));
    describe(p, g, ta, tb, &d);
    TN_TRY(tn_gemm_prepare(&d, &c->gemm, err));
    c->gemm_at = take(scratch, c->gemm.scratch);
    return TN_OK;
}

/* Where the result [batch, free a, free b] goes: straight to the output, or by a copy. */
static tn_code prepare_result(const operands *p, const tn_einsum *e, const group *g, tn_contraction *c,
                              size_t *scratch, tn_error *err)
{
    int64_t stride[TN_EINSUM_LABELS], src[TN_EINSUM_LABELS];
    int elem = (int)tn_dtype_size(p->dtype);
    const group *groups[] = {&g[BATCH], &g[FREE_A], &g[FREE_B]};
    label_strides(e, TN_EINSUM_OUT, p->shape[TN_EINSUM_OUT], stride);
    order o = order_of(e, groups, 3, stride);
    c->count = tn_shape_count(p->shape[TN_EINSUM_OUT]);
    c->bytes = (size_t)c->count * (size_t)elem;
    c->cleared = o.count != c->count;
    c->placed = !in_order(&o) || c->cleared;
    if (!c->placed) return TN_OK;
    dense_strides(&o, src);
    c->result_at = take(scratch, (size_t)o.count * (size_t)elem);
    return tn_ncopy_prepare(elem, o.n, o.dim, src, o.stride, p->threads, &c->place, err);
}

tn_code tn_contraction_new(const tn_einsum *e, const tn_shape *const shape[3], tn_dtype t, int threads,
                           tn_arena *arena, tn_contraction **out, size_t *scratch, tn_error *err)
{
    const operands p = {t, {shape[0], shape[1], shape[TN_EINSUM_OUT]}, threads};
    group groups[GROUPS];
    tn_contraction *c = TN_NEW(arena, tn_contraction);
    if (!c) return tn_no_memory(err, sizeof *c);
    if (!tn_gemm_takes(t)) return tn_fail(err, TN_UNIMPLEMENTED, "Einsum of %s is not supported", tn_dtype_name(t));
    sort_labels(e, groups);
    c->product = e->n_in == 2;
    TN_TRY(prepare_operands(&p, e, groups, c, scratch, err));
    *out = c;
    return prepare_result(&p, e, groups, c, scratch, err);
}

void tn_contraction_run(const tn_contraction *c, const void *a, const void *b, void *out, char *scratch)
{
    void *result = c->placed ? scratch + c->result_at : out;
    if (c->count == 0) return;
    a = packed(&c->in[0], a, scratch);
    if (c->product && c->gemm.d.k == 0) {
        memset(out, 0, c->bytes);
        return;
    }
    if (c->product) tn_gemm_run(&c->gemm, a, packed(&c->in[1], b, scratch), NULL, result, scratch + c->gemm_at);
    if (c->cleared) memset(out, 0, c->bytes);
    if (c->placed)
        tn_ncopy_run(&c->place, c->product ? result : a, out);
    else if (!c->product)
        memmove(out, a, c->bytes);
}

static tn_code einsum_prepare(tn_prepare *p, tn_error *err)
{
    tn_view equation = {"", 0};
    const tn_shape *shapes[] = {&p->in[0]->shape, p->n_in == 2 ? &p->in[1]->shape : NULL, &p->out[0]->shape};
    tn_einsum e;
    tn_contraction *c;
    tn_attr_get_string(p->attrs, "equation", &equation);
    TN_TRY(tn_einsum_read(equation, shapes, p->n_in, &e, err));
    TN_TRY(tn_contraction_new(&e, shapes, p->in[0]->dtype, p->threads, p->arena, &c, &p->scratch, err));
    p->params = c;
    return TN_OK;
}

static tn_code einsum_run(tn_run *r, tn_error *err)
{
    (void)err;
    tn_contraction_run(r->params, r->in[0]->data, r->n_in == 2 ? r->in[1]->data : NULL, r->out[0]->data, r->scratch);
    return TN_OK;
}

const tn_op tn_op_Einsum = {
    .name = "Einsum",
    .sig = "inputs:N*T -> output:T; equation:string N:int>=1 T:type",
    .infer = einsum_infer,
    .prepare = einsum_prepare,
    .run = einsum_run,
    .grad = tn_grad_einsum,
};
