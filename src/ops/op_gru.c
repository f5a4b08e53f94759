/* SPDX-License-Identifier: Apache-2.0
 *
 * op_gru.c - GRUBlockCell: a step of a GRU as one operator, and the operator of its gradient.
 *
 * Invariant: x and h are never joined: the weights' upper rows belong to x, their lower ones to h.
 */
#include "op_math.h"

typedef struct product {
    tn_gemm_plan plan;
    bool nothing;
} product;

typedef struct gru {
    int64_t batch, in, cell;
    product x_ru, h_ru, x_c, h_c; /* forward, or backward: gates' gradients times transposed weights */
    size_t gates, state, gemm;
} gru;

static tn_code product_prepare(product *p, tn_gemm_desc d, size_t *scratch, tn_error *err)
{
    d.dtype = TN_FLOAT;
    p->nothing = d.m == 0 || d.n == 0 || d.k == 0;
    if (p->nothing) return TN_OK;
    TN_TRY(tn_gemm_prepare(&d, &p->plan, err));
    *scratch = TN_MAX(*scratch, p->plan.scratch);
    return TN_OK;
}

/* c += a b: what c holds stays when there is nothing to add. */
static void product_run(const product *p, const float *a, const float *b, float *c, void *scratch)
{
    if (!p->nothing) tn_gemm_run(&p->plan, a, b, NULL, c, scratch);
}

static tn_code want(const tn_prepare *p, int i, int64_t a, int64_t b, tn_error *err)
{
    const tn_shape *s = &p->in[i]->shape;
    char text[128];
    bool fits = a < 0 ? s->rank == 1 && s->dim[0] == b : s->rank == 2 && s->dim[0] == a && s->dim[1] == b;
    if (fits) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "%s has shape %s, but [%lld,%lld] is needed",
                   tn_op_sig(p->op)->in[i].name, tn_shape_text(s, text, sizeof text), (long long)a,
                   (long long)b);
}

static tn_code read_shapes(const tn_prepare *p, gru *q, tn_error *err)
{
    const tn_shape *x = &p->in[0]->shape, *h = &p->in[1]->shape;
    if (x->rank != 2 || h->rank != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "x and h_prev must be matrices");
    q->batch = x->dim[0];
    q->in = x->dim[1];
    q->cell = h->dim[1];
    if (q->cell > INT32_MAX / 8 || q->in > INT32_MAX / 8)
        return tn_fail(err, TN_INVALID_ARGUMENT, "cells of %lld units", (long long)q->cell);
    TN_TRY(want(p, 1, q->batch, q->cell, err));
    TN_TRY(want(p, 2, q->in + q->cell, 2 * q->cell, err));
    TN_TRY(want(p, 3, q->in + q->cell, q->cell, err));
    TN_TRY(want(p, 4, -1, 2 * q->cell, err));
    TN_TRY(want(p, 5, -1, q->cell, err));
    for (int i = 6; i < p->n_in; i++) TN_TRY(want(p, i, q->batch, q->cell, err));
    return TN_OK;
}

static void lay_out(tn_prepare *p, gru *q, size_t gemm)
{
    size_t row = sizeof(float) * (size_t)q->cell;
    q->gemm = 0;
    q->gates = (gemm + 63) & ~(size_t)63;
    q->state = q->gates + ((2 * row * (size_t)q->batch + 63) & ~(size_t)63);
    p->scratch = q->state + row * (size_t)q->batch;
}

static tn_code forward_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, gru, q);
    size_t gemm = 0;
    TN_TRY(read_shapes(p, q, err));
    tn_gemm_desc d = {.m = q->batch, .n = 2 * q->cell, .k = q->in, .accumulate = true, .threads = p->threads};
    TN_TRY(product_prepare(&q->x_ru, d, &gemm, err));
    d.k = q->cell;
    TN_TRY(product_prepare(&q->h_ru, d, &gemm, err));
    d.n = q->cell;
    TN_TRY(product_prepare(&q->h_c, d, &gemm, err));
    d.k = q->in;
    TN_TRY(product_prepare(&q->x_c, d, &gemm, err));
    lay_out(p, q, gemm);
    return TN_OK;
}

static tn_code act(tn_pw_op op, float *x, int64_t n, int threads, tn_error *err)
{
    const void *in[1] = {x};
    return tn_pw_flat(op, TN_FLOAT, 0, n, in, x, threads, err);
}

static void fill_rows(float *y, const float *row, int64_t rows, int64_t n)
{
    for (int64_t i = 0; i < rows; i++) memcpy(y + i * n, row, (size_t)n * sizeof *y);
}

static tn_code forward_run(tn_run *r, tn_error *err)
{
    const gru *q = r->params;
    const float *x = r->in[0]->data, *h = r->in[1]->data, *w_ru = r->in[2]->data, *w_c = r->in[3]->data;
    float *reset = r->out[0]->data, *update = r->out[1]->data, *c = r->out[2]->data, *y = r->out[3]->data;
    float *gates = (float *)((char *)r->scratch + q->gates), *hr = (float *)((char *)r->scratch + q->state);
    int64_t cell = q->cell, n = q->batch * cell;
    void *gemm = (char *)r->scratch + q->gemm;
    if (n == 0) return TN_OK;
    fill_rows(gates, r->in[4]->data, q->batch, 2 * cell);
    product_run(&q->x_ru, x, w_ru, gates, gemm);
    product_run(&q->h_ru, h, w_ru + q->in * 2 * cell, gates, gemm);
    TN_TRY(act(TN_PW_SIGMOID, gates, 2 * n, r->threads, err));
    for (int64_t i = 0; i < n; i++) {
        reset[i] = gates[i / cell * 2 * cell + i % cell];
        update[i] = gates[i / cell * 2 * cell + cell + i % cell];
        hr[i] = h[i] * reset[i];
    }
    fill_rows(c, r->in[5]->data, q->batch, cell);
    product_run(&q->x_c, x, w_c, c, gemm);
    product_run(&q->h_c, hr, w_c + q->in * cell, c, gemm);
    TN_TRY(act(TN_PW_TANH, c, n, r->threads, err));
    for (int64_t i = 0; i < n; i++) y[i] = update[i] * h[i] + (1 - update[i]) * c[i];
    return TN_OK;
}

static tn_code forward_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 2, err));
    TN_TRY(tn_infer_rank(c, 1, 2, err));
    tn_shape s = {.rank = 2, .dim = {-1, -1}};
    if (c->in[0]->shape.rank == 2) s.dim[0] = c->in[0]->shape.dim[0];
    if (c->in[1]->shape.rank == 2) s.dim[1] = c->in[1]->shape.dim[1];
    for (int o = 0; o < 4; o++) c->out[o].shape = s;
    return TN_OK;
}

const tn_op tn_op_GRUBlockCell = {
    .name = "GRUBlockCell",
    .sig = "x:T h_prev:T w_ru:T w_c:T b_ru:T b_c:T -> r:T u:T c:T h:T; T:type{float}",
    .infer = forward_infer,
    .prepare = forward_prepare,
    .run = forward_run,
};

/* ==== backward ==== */

static tn_code backward_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, gru, q);
    size_t gemm = 0;
    TN_TRY(read_shapes(p, q, err));
    tn_gemm_desc d = {
        .m = q->batch, .n = q->in, .k = 2 * q->cell, .tb = true, .accumulate = true, .threads = p->threads};
    TN_TRY(product_prepare(&q->x_ru, d, &gemm, err));
    d.n = q->cell;
    TN_TRY(product_prepare(&q->h_ru, d, &gemm, err));
    d.k = q->cell;
    TN_TRY(product_prepare(&q->h_c, d, &gemm, err));
    d.n = q->in;
    TN_TRY(product_prepare(&q->x_c, d, &gemm, err));
    lay_out(p, q, gemm);
    return TN_OK;
}

/* in: x h_prev w_ru w_c b_ru b_c r u c d_h; out: d_x d_h_prev d_c_bar d_r_bar_u_bar. */
static tn_code backward_run(tn_run *r, tn_error *err)
{
    (void)err;
    const gru *q = r->params;
    const float *h = r->in[1]->data, *w_ru = r->in[2]->data, *w_c = r->in[3]->data, *reset = r->in[6]->data,
                *u = r->in[7]->data, *c = r->in[8]->data, *dh = r->in[9]->data;
    float *dx = r->out[0]->data, *dh_prev = r->out[1]->data, *dc = r->out[2]->data, *dru = r->out[3]->data;
    float *dhr = (float *)((char *)r->scratch + q->state);
    int64_t cell = q->cell, n = q->batch * cell;
    void *gemm = (char *)r->scratch + q->gemm;
    if (q->batch > 0 && q->in > 0) memset(dx, 0, (size_t)(q->batch * q->in) * sizeof *dx);
    if (n == 0) return TN_OK;
    for (int64_t i = 0; i < n; i++) {
        dc[i] = dh[i] * (1 - u[i]) * (1 - c[i] * c[i]);
        dhr[i] = 0;
    }
    product_run(&q->h_c, dc, w_c + q->in * cell, dhr, gemm);
    product_run(&q->x_c, dc, w_c, dx, gemm);
    for (int64_t i = 0; i < n; i++) {
        float *d = dru + i / cell * 2 * cell + i % cell;
        d[0] = dhr[i] * h[i] * reset[i] * (1 - reset[i]);
        d[cell] = dh[i] * (h[i] - c[i]) * u[i] * (1 - u[i]);
        dh_prev[i] = dh[i] * u[i] + dhr[i] * reset[i];
    }
    product_run(&q->x_ru, dru, w_ru, dx, gemm);
    product_run(&q->h_ru, dru, w_ru + q->in * 2 * cell, dh_prev, gemm);
    return TN_OK;
}

static tn_code backward_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 2, err));
    TN_TRY(tn_infer_rank(c, 1, 2, err));
    c->out[0].shape = c->in[0]->shape;
    c->out[1].shape = c->out[2].shape = c->out[3].shape = c->in[1]->shape;
    tn_shape *ru = &c->out[3].shape;
    if (ru->rank == 2 && ru->dim[1] >= 0) ru->dim[1] *= 2;
    return TN_OK;
}

const tn_op tn_op_GRUBlockCellGrad = {
    .name = "GRUBlockCellGrad",
    .sig = "x:T h_prev:T w_ru:T w_c:T b_ru:T b_c:T r:T u:T c:T d_h:T -> d_x:T d_h_prev:T d_c_bar:T "
           "d_r_bar_u_bar:T; T:type{float}",
    .infer = backward_infer,
    .prepare = backward_prepare,
    .run = backward_run,
};
