/* SPDX-License-Identifier: Apache-2.0
 *
 * op_lstm.c - LSTMs as one operator: a cell (LSTMBlockCell), a sequence (BlockLSTM, BlockLSTMV2) and the
 * operators of their gradients. A cell is a sequence of one step. The products with the inputs, and those of
 * the gradients of the weights, are done for all steps at once. Everything is computed in float; half is
 * converted at both ends.
 *
 * Invariant: gates lie side by side in the weights' columns: i, ci, f, o; in V2 i, f, ci, o.
 */
#include "op_math.h"

enum { MOST_ARGS = 18 }; /* inputs, or outputs, of one operator */

typedef struct product {
    tn_gemm_plan plan;
    bool nothing, accumulate; /* nothing: no element in the result, or nothing to add up */
    int64_t count;
} product;

typedef struct lstm {
    int64_t steps, batch, in, cell;
    bool peephole, sequence;
    int at_f, at_ci; /* which quarter of the columns */
    float forget, clip;
    product input, hidden;                     /* forward */
    product to_x, to_h, to_wx, to_wh, to_wh_0; /* backward */
    bool convert;
    int64_t n_in[MOST_ARGS], n_out[MOST_ARGS];
    size_t at_in[MOST_ARGS], at_out[MOST_ARGS], gates, carry, gemm;
} lstm;

/* ==== products ==== */

static tn_code product_prepare(product *p, tn_gemm_desc d, size_t *scratch, tn_error *err)
{
    d.dtype = TN_FLOAT;
    p->count = d.m * d.n;
    p->accumulate = d.accumulate;
    p->nothing = p->count == 0 || d.k == 0;
    if (p->nothing) return TN_OK;
    TN_TRY(tn_gemm_prepare(&d, &p->plan, err));
    *scratch = TN_MAX(*scratch, p->plan.scratch);
    return TN_OK;
}

static void product_run(const product *p, const float *a, const float *b, const float *bias, float *c,
                        void *scratch)
{
    if (!p->nothing)
        tn_gemm_run(&p->plan, a, b, bias, c, scratch);
    else if (!p->accumulate && p->count)
        memset(c, 0, (size_t)p->count * sizeof *c);
}

static tn_code forward_products(lstm *p, int threads, size_t *scratch, tn_error *err)
{
    int64_t wide = 4 * p->cell;
    tn_gemm_desc input = {.m = p->steps * p->batch, .n = wide, .k = p->in, .bias = true, .threads = threads};
    tn_gemm_desc hidden = {.m = p->batch, .n = wide, .k = p->cell, .accumulate = true, .threads = threads};
    TN_TRY(product_prepare(&p->input, input, scratch, err));
    return product_prepare(&p->hidden, hidden, scratch, err);
}

static tn_code backward_products(lstm *p, int threads, size_t *scratch, tn_error *err)
{
    int64_t wide = 4 * p->cell, rows = p->steps * p->batch;
    tn_gemm_desc to_x = {.m = rows, .n = p->in, .k = wide, .tb = true, .threads = threads};
    tn_gemm_desc to_h = {.m = p->batch, .n = p->cell, .k = wide, .tb = true, .threads = threads};
    tn_gemm_desc to_wx = {.m = p->in, .n = wide, .k = rows, .ta = true, .threads = threads};
    tn_gemm_desc to_wh_0 = {.m = p->cell, .n = wide, .k = p->batch, .ta = true, .threads = threads};
    tn_gemm_desc to_wh = to_wh_0;
    to_wh.k = TN_MAX(rows - p->batch, 0);
    to_wh.accumulate = true;
    TN_TRY(product_prepare(&p->to_x, to_x, scratch, err));
    TN_TRY(product_prepare(&p->to_h, to_h, scratch, err));
    TN_TRY(product_prepare(&p->to_wx, to_wx, scratch, err));
    TN_TRY(product_prepare(&p->to_wh_0, to_wh_0, scratch, err));
    return product_prepare(&p->to_wh, to_wh, scratch, err);
}

/* ==== shapes ==== */

static bool is_sequence(const char *name)
{
    return !strncmp(name, "Block", 5);
}

static tn_code want(const char *what, const tn_shape *s, int rank, int64_t a, int64_t b, tn_error *err)
{
    char text[128];
    bool fits = s->rank == rank && (rank < 1 || s->dim[rank - 1] == b) && (rank < 2 || s->dim[rank - 2] == a);
    if (fits) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "%s has shape %s, but [%lld,%lld] is needed", what,
                   tn_shape_text(s, text, sizeof text), (long long)a, (long long)b);
}

static tn_code read_shapes(const tn_prepare *p, lstm *q, tn_error *err)
{
    const tn_tensor *const *in = p->in + q->sequence;
    const tn_shape *x = &in[0]->shape, *cs = &in[1]->shape;
    char text[128];
    if (x->rank != 2 + q->sequence)
        return tn_fail(err, TN_INVALID_ARGUMENT, "x must be %dD but has shape %s", 2 + q->sequence,
                       tn_shape_text(x, text, sizeof text));
    if (cs->rank != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "cs_prev must be 2D but has shape %s",
                       tn_shape_text(cs, text, sizeof text));
    q->steps = q->sequence ? x->dim[0] : 1;
    q->batch = x->dim[x->rank - 2];
    q->in = x->dim[x->rank - 1];
    q->cell = cs->dim[1];
    if (q->cell > INT32_MAX / 8 || q->in > INT32_MAX / 8)
        return tn_fail(err, TN_INVALID_ARGUMENT, "cells of %lld units", (long long)q->cell);
    int64_t gates;
    if (__builtin_mul_overflow(q->steps, q->batch, &gates) || __builtin_mul_overflow(gates, 8 * q->cell, &gates) ||
        gates > INT64_MAX / 16)
        return tn_no_memory(err, SIZE_MAX);
    TN_TRY(want("cs_prev", cs, 2, q->batch, q->cell, err));
    TN_TRY(want("h_prev", &in[2]->shape, 2, q->batch, q->cell, err));
    TN_TRY(want("w", &in[3]->shape, 2, q->in + q->cell, 4 * q->cell, err));
    for (int i = 4; i < 7 && q->peephole; i++)
        TN_TRY(want(tn_op_sig(p->op)->in[i + q->sequence].name, &in[i]->shape, 1, 0, q->cell, err));
    return want("b", &in[7]->shape, 1, 0, 4 * q->cell, err);
}

/* i, cs, f, o, ci, co, h and the gradients of cs and h: of every step. */
static tn_code check_states(const tn_prepare *p, const lstm *q, tn_error *err)
{
    for (int i = 8 + q->sequence; i < p->n_in; i++) {
        const char *name = tn_op_sig(p->op)->in[i].name;
        TN_TRY(want(name, &p->in[i]->shape, 2 + q->sequence, q->batch, q->cell, err));
        if (q->sequence && p->in[i]->shape.dim[0] != q->steps)
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s has %lld steps, x has %lld", name,
                           (long long)p->in[i]->shape.dim[0], (long long)q->steps);
    }
    return TN_OK;
}

static size_t room(size_t *at, int64_t count)
{
    size_t here = *at;
    *at += ((size_t)count * sizeof(float) + 63) & ~(size_t)63;
    return here;
}

static void read_attrs(const tn_prepare *p, lstm *q)
{
    bool v2 = strstr(p->op->name, "V2") != NULL;
    q->sequence = is_sequence(p->op->name);
    q->peephole = tn_attr_b(p->attrs, "use_peephole");
    tn_attr_get_float(p->attrs, "forget_bias", &q->forget);
    tn_attr_get_float(p->attrs, "cell_clip", &q->clip);
    q->at_f = v2 ? 1 : 2;
    q->at_ci = v2 ? 2 : 1;
}

/* Room for the gates of all steps, two states that are carried, and floats of what is half. */
static void lay_out(tn_prepare *p, lstm *q, size_t gemm)
{
    size_t at = 0;
    q->gemm = room(&at, (int64_t)(gemm / sizeof(float)) + 1);
    q->gates = room(&at, q->steps * q->batch * 4 * q->cell);
    q->carry = room(&at, 2 * q->batch * q->cell);
    q->convert = p->out[0]->dtype != TN_FLOAT;
    for (int i = 0; q->convert && i < p->n_in; i++)
        q->at_in[i] = room(&at, q->n_in[i] = tn_shape_count(&p->in[i]->shape));
    for (int o = 0; q->convert && o < p->n_out; o++)
        q->at_out[o] = room(&at, q->n_out[o] = tn_shape_count(&p->out[o]->shape));
    p->scratch = at;
}

static tn_code forward_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, lstm, q);
    size_t gemm = 0;
    read_attrs(p, q);
    TN_TRY(read_shapes(p, q, err));
    TN_TRY(forward_products(q, p->threads, &gemm, err));
    lay_out(p, q, gemm);
    return TN_OK;
}

static tn_code backward_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, lstm, q);
    size_t gemm = 0;
    read_attrs(p, q);
    TN_TRY(read_shapes(p, q, err));
    TN_TRY(check_states(p, q, err));
    TN_TRY(backward_products(q, p->threads, &gemm, err));
    lay_out(p, q, gemm);
    return TN_OK;
}

/* ==== half to float and back ==== */

static tn_code open_floats(tn_run *r, const lstm *q, const float **in, float **out, tn_error *err)
{
    char *base = r->scratch;
    for (int i = 0; i < r->n_in; i++) {
        in[i] = r->in[i]->data;
        if (!q->convert || r->in[i]->dtype == TN_INT64) continue;
        in[i] = (float *)(base + q->at_in[i]);
        TN_TRY(tn_cast(r->in[i]->dtype, TN_FLOAT, q->n_in[i], r->in[i]->data, base + q->at_in[i], false,
                       r->threads, err));
    }
    for (int o = 0; o < r->n_out; o++) {
        out[o] = q->convert ? (float *)(base + q->at_out[o]) : r->out[o]->data;
        int64_t n = tn_tensor_count(r->out[o]);
        if (n) memset(out[o], 0, (size_t)n * sizeof(float));
    }
    return TN_OK;
}

static tn_code close_floats(tn_run *r, const lstm *q, float *const *out, tn_error *err)
{
    for (int o = 0; q->convert && o < r->n_out; o++)
        TN_TRY(tn_cast(TN_FLOAT, r->out[o]->dtype, q->n_out[o], out[o], r->out[o]->data, false, r->threads,
                       err));
    return TN_OK;
}

static tn_code steps_to_do(const tn_run *r, const lstm *q, int64_t *out, tn_error *err)
{
    *out = q->steps;
    if (!q->sequence) return TN_OK;
    if (tn_tensor_count(r->in[0]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "seq_len_max must be a scalar");
    int64_t n = tn_tensor_int(r->in[0], 0);
    if (n < 0 || n > q->steps)
        return tn_fail(err, TN_INVALID_ARGUMENT, "seq_len_max %lld is not in [0, %lld]", (long long)n,
                       (long long)q->steps);
    *out = n;
    return TN_OK;
}

/* ==== forward ==== */

static tn_code act(tn_pw_op op, float *x, int64_t n, int threads, tn_error *err)
{
    const void *in[1] = {x};
    return tn_pw_flat(op, TN_FLOAT, 0, n, in, x, threads, err);
}

/* i, f and ci before their functions, from the products; o without what the peephole adds. */
static void spread(const lstm *q, const float *gates, const float *const *peep, const float *cs_prev,
                   float *const *y)
{
    int64_t c = q->cell;
    float *i = y[0], *f = y[2], *o = y[3], *ci = y[4];
    for (int64_t b = 0; b < q->batch; b++, gates += 4 * c) {
        for (int64_t k = 0; k < c; k++) {
            int64_t at = b * c + k;
            i[at] = gates[k];
            f[at] = gates[q->at_f * c + k] + q->forget;
            ci[at] = gates[q->at_ci * c + k];
            o[at] = gates[3 * c + k];
            if (!q->peephole) continue;
            i[at] += cs_prev[at] * peep[0][k];
            f[at] += cs_prev[at] * peep[1][k];
        }
    }
}

static void new_state(const lstm *q, const float *wco, const float *cs_prev, float *const *y)
{
    for (int64_t at = 0; at < q->batch * q->cell; at++) {
        float s = y[4][at] * y[0][at] + y[2][at] * cs_prev[at];
        if (q->clip > 0) s = s > q->clip ? q->clip : s < -q->clip ? -q->clip : s;
        y[1][at] = y[5][at] = s;
        if (q->peephole) y[3][at] += s * wco[at % q->cell];
    }
}

static tn_code forward_step(const lstm *q, const float *gates, const float *const *peep, const float *cs_prev,
                            float *const *y, int threads, tn_error *err)
{
    int64_t n = q->batch * q->cell;
    spread(q, gates, peep, cs_prev, y);
    TN_TRY(act(TN_PW_SIGMOID, y[0], n, threads, err));
    TN_TRY(act(TN_PW_SIGMOID, y[2], n, threads, err));
    TN_TRY(act(TN_PW_TANH, y[4], n, threads, err));
    new_state(q, peep[2], cs_prev, y);
    TN_TRY(act(TN_PW_SIGMOID, y[3], n, threads, err));
    TN_TRY(act(TN_PW_TANH, y[5], n, threads, err));
    for (int64_t at = 0; at < n; at++) y[6][at] = y[3][at] * y[5][at];
    return TN_OK;
}

static tn_code forward_run(tn_run *r, tn_error *err)
{
    const lstm *q = r->params;
    const float *all[MOST_ARGS];
    float *out[MOST_ARGS];
    int64_t steps, n = q->batch * q->cell;
    TN_TRY(steps_to_do(r, q, &steps, err));
    TN_TRY(open_floats(r, q, all, out, err));
    const float *const *in = all + q->sequence; /* x cs_prev h_prev w wci wcf wco b */
    float *gates = (float *)((char *)r->scratch + q->gates);
    void *gemm = (char *)r->scratch + q->gemm;
    if (q->in == 0) {
        for (int64_t k = 0; k < 4 * n * q->steps; k++) gates[k] = in[7][k % (4 * q->cell)];
    } else {
        product_run(&q->input, in[0], in[3], in[7], gates, gemm);
    }
    for (int64_t t = 0; t < steps && n; t++) {
        float *y[7], *now = gates + 4 * n * t;
        for (int o = 0; o < 7; o++) y[o] = out[o] + n * t;
        product_run(&q->hidden, t ? y[6] - n : in[2], in[3] + q->in * 4 * q->cell, NULL, now, gemm);
        TN_TRY(forward_step(q, now, in + 4, t ? y[1] - n : in[1], y, r->threads, err));
    }
    return close_floats(r, q, out, err);
}

/* ==== backward ==== */

typedef struct back { /* one step */
    const float *i, *cs, *f, *o, *ci, *co, *cs_prev, *cs_grad, *h_grad;
    const float *const *peep;
    float *dgates, *dcs, *const *dpeep; /* dcs: carried from step to step; dh likewise, NULL: none */
    const float *dh;
} back;

static void backward_element(const lstm *q, const back *s, int64_t at, float *d)
{
    int64_t k = at % q->cell, c = q->cell;
    float i = s->i[at], f = s->f[at], o = s->o[at], ci = s->ci[at], co = s->co[at], cs_prev = s->cs_prev[at];
    float dh = s->h_grad[at] + (s->dh ? s->dh[at] : 0);
    float d_o = o * (1 - o) * dh * co;
    float dcs = (1 - co * co) * dh * o + s->cs_grad[at] + s->dcs[at];
    if (q->peephole) dcs += d_o * s->peep[2][k];
    float di = i * (1 - i) * dcs * ci, df = f * (1 - f) * dcs * cs_prev;
    d[k] = di;
    d[q->at_ci * c + k] = (1 - ci * ci) * dcs * i;
    d[q->at_f * c + k] = df;
    d[3 * c + k] = d_o;
    s->dcs[at] = dcs * f;
    if (!q->peephole) return;
    s->dcs[at] += di * s->peep[0][k] + df * s->peep[1][k];
    s->dpeep[0][k] += di * cs_prev;
    s->dpeep[1][k] += df * cs_prev;
    s->dpeep[2][k] += d_o * s->cs[at];
}

static void backward_step(const lstm *q, const back *s)
{
    for (int64_t b = 0; b < q->batch; b++)
        for (int64_t k = 0; k < q->cell; k++)
            backward_element(q, s, b * q->cell + k, s->dgates + 4 * q->cell * b);
}

/* Step t, from inputs x cs_prev h_prev w wci wcf wco b i cs f o ci co [h] cs_grad h_grad. */
static back step_of(const lstm *q, const float *const *in, int64_t t)
{
    int64_t at = t * q->batch * q->cell;
    int grads = q->sequence ? 15 : 14;
    return (back){.i = in[8] + at,
                  .cs = in[9] + at,
                  .f = in[10] + at,
                  .o = in[11] + at,
                  .ci = in[12] + at,
                  .co = in[13] + at,
                  .cs_prev = t ? in[9] + at - q->batch * q->cell : in[1],
                  .cs_grad = in[grads] + at,
                  .h_grad = in[grads + 1] + at,
                  .peep = in + 4};
}

/* The gradients of the weights and of x, from those of the gates of all steps. */
static void weight_gradients(const lstm *q, const float *const *in, const float *dgates, float *const *out,
                             void *gemm)
{
    int64_t wide = 4 * q->cell, n = q->batch * q->cell;
    float *dwh = out[3] + q->in * wide;
    product_run(&q->to_x, dgates, in[3], NULL, out[0], gemm);
    product_run(&q->to_wx, in[0], dgates, NULL, out[3], gemm);
    if (q->steps) product_run(&q->to_wh_0, in[2], dgates, NULL, dwh, gemm);
    if (q->steps) product_run(&q->to_wh, in[14], dgates + 4 * n, NULL, dwh, gemm);
    for (int64_t row = 0; row < q->steps * q->batch; row++)
        for (int64_t k = 0; k < wide; k++) out[7][k] += dgates[row * wide + k];
}

static tn_code backward_run(tn_run *r, tn_error *err)
{
    const lstm *q = r->params;
    const float *all[MOST_ARGS];
    float *out[MOST_ARGS]; /* x cs_prev h_prev w wci wcf wco b */
    int64_t steps, n = q->batch * q->cell;
    TN_TRY(steps_to_do(r, q, &steps, err));
    TN_TRY(open_floats(r, q, all, out, err));
    const float *const *in = all + 1;
    float *dgates = (float *)((char *)r->scratch + q->gates);
    void *gemm = (char *)r->scratch + q->gemm;
    memset(dgates, 0, (size_t)(4 * n * q->steps) * sizeof *dgates);
    for (int64_t t = steps - 1; t >= 0 && n; t--) {
        back s = step_of(q, in, t);
        s.dgates = dgates + 4 * n * t;
        s.dcs = out[1];
        s.dh = out[2];
        s.dpeep = out + 4;
        backward_step(q, &s);
        product_run(&q->to_h, s.dgates, in[3] + q->in * 4 * q->cell, NULL, out[2], gemm);
    }
    weight_gradients(q, in, dgates, out, gemm);
    return close_floats(r, q, out, err);
}

static tn_code cell_backward_run(tn_run *r, tn_error *err)
{
    const lstm *q = r->params;
    const float *in[MOST_ARGS];
    float *out[MOST_ARGS]; /* cs_prev dicfo wci wcf wco */
    TN_TRY(open_floats(r, q, in, out, err));
    back s = step_of(q, in, 0);
    s.dgates = out[1];
    s.dcs = out[0];
    s.dpeep = out + 2;
    backward_step(q, &s);
    return close_floats(r, q, out, err);
}

/* ==== inference ==== */

static tn_code forward_infer(tn_infer *c, tn_error *err)
{
    bool sequence = is_sequence(c->op->name);
    TN_TRY(tn_infer_rank(c, sequence, 2 + sequence, err));
    TN_TRY(tn_infer_rank(c, sequence + 1, 2, err));
    const tn_shape *x = &c->in[sequence]->shape, *cs = &c->in[sequence + 1]->shape;
    tn_shape s = {.rank = 2 + sequence, .dim = {-1, -1, -1}};
    for (int k = 0; x->rank > 0 && k < 1 + sequence; k++) s.dim[k] = x->dim[k];
    if (cs->rank > 0) s.dim[1 + sequence] = cs->dim[1];
    for (int o = 0; o < c->n_out; o++) c->out[o].shape = s;
    return TN_OK;
}

static tn_code backward_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 1, 3, err));
    for (int o = 0; o < c->n_out; o++) c->out[o].shape = c->in[o + 1]->shape;
    return TN_OK;
}

static tn_code cell_backward_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 2, err));
    TN_TRY(tn_infer_rank(c, 1, 2, err));
    tn_shape cs = c->in[1]->shape;
    c->out[0].shape = cs;
    for (int o = 2; o < c->n_out; o++) c->out[o].shape = c->in[o + 2]->shape;
    if (cs.rank == 2) {
        if (cs.dim[1] >= 0) cs.dim[1] *= 4;
        c->out[1].shape = cs;
    }
    return TN_OK;
}

/* ==== gradient ==== */

static tn_code sequence_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node in[18];
    bool v2 = !strcmp(g->op->type, "BlockLSTMV2");
    for (int i = 0; i < 9; i++) in[i] = tn_grad_in(g, i);
    for (int o = 0; o < 7; o++) in[9 + o] = tn_grad_out(g, o);
    in[16] = tn_grad_dy(g, 1);
    in[17] = tn_grad_dy(g, 6);
    tn_attr peephole = tn_attr_bool("use_peephole", tn_attr_b(&g->op->attrs, "use_peephole"));
    tn_operation *op =
        tn_add_operation(g->b, v2 ? "BlockLSTMGradV2" : "BlockLSTMGrad", NULL, in, 18, &peephole, 1);
    for (int i = 0; op && i < 8; i++) tn_grad_set(g, i + 1, tn_output_of(op, i));
    return TN_OK;
}

#define FORWARD(Name, Grad, Sig)    \
    const tn_op tn_op_##Name = {    \
        .name = #Name,              \
        .sig = Sig,                 \
        .infer = forward_infer,     \
        .prepare = forward_prepare, \
        .run = forward_run,         \
        .grad = Grad,               \
    }
FORWARD(LSTMBlockCell, NULL,
        "x:T cs_prev:T h_prev:T w:T wci:T wcf:T wco:T b:T -> i:T cs:T f:T o:T ci:T co:T h:T; "
        "forget_bias:float=1.0 "
        "cell_clip:float=3.0 use_peephole:bool=false T:type{half,float}");
FORWARD(
    BlockLSTM, sequence_grad,
    "seq_len_max:int64 x:T cs_prev:T h_prev:T w:T wci:T wcf:T wco:T b:T -> i:T cs:T f:T o:T ci:T co:T h:T; "
    "forget_bias:float=1.0 cell_clip:float=3.0 use_peephole:bool=false T:type{half,float}");
FORWARD(
    BlockLSTMV2, sequence_grad,
    "seq_len_max:int64 x:T cs_prev:T h_prev:T w:T wci:T wcf:T wco:T b:T -> i:T cs:T f:T o:T ci:T co:T h:T; "
    "cell_clip:float=0.0 use_peephole:bool=false T:type{half,float}");

#define BACKWARD(Name)                                                                                       \
    const tn_op tn_op_##Name = {                                                                             \
        .name = #Name,                                                                                       \
        .sig =                                                                                               \
            "seq_len_max:int64 x:T cs_prev:T h_prev:T w:T wci:T wcf:T wco:T b:T i:T cs:T f:T o:T ci:T co:T " \
            "h:T cs_grad:T h_grad:T -> x_grad:T cs_prev_grad:T h_prev_grad:T w_grad:T wci_grad:T "           \
            "wcf_grad:T wco_grad:T b_grad:T; use_peephole:bool T:type{half,float}",                          \
        .infer = backward_infer,                                                                             \
        .prepare = backward_prepare,                                                                         \
        .run = backward_run,                                                                                 \
    }
BACKWARD(BlockLSTMGrad);
BACKWARD(BlockLSTMGradV2);

const tn_op tn_op_LSTMBlockCellGrad = {
    .name = "LSTMBlockCellGrad",
    .sig =
        "x:T cs_prev:T h_prev:T w:T wci:T wcf:T wco:T b:T i:T cs:T f:T o:T ci:T co:T cs_grad:T h_grad:T -> "
        "cs_prev_grad:T dicfo:T wci_grad:T wcf_grad:T wco_grad:T; use_peephole:bool T:type{half,float}",
    .infer = cell_backward_infer,
    .prepare = backward_prepare,
    .run = cell_backward_run,
};
