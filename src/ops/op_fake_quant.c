/* SPDX-License-Identifier: Apache-2.0
 *
 * op_fake_quant.c - FakeQuantWithMinMax*: floats rounded to the steps of an integer range, which is nudged so
 * that zero is one of them; for all elements or for each channel (the last dimension). And the operators of
 * their gradients.
 */
#include "../kernel/kernel.h"
#include "../kernel/quantize.h"
#include "op_math.h"
#include "op_move.h"

#include <math.h>

typedef struct range {
    float low, high, scale;
    bool none; /* both ends are 0: zeros come out, gradients pass */
} range;

static range nudged(float min, float max, int bits, bool narrow)
{
    float first = narrow ? 1 : 0, last = (float)((1 << bits) - 1);
    range r = {.scale = (max - min) / (last - first), .none = min == 0 && max == 0};
    float zero = first - min / r.scale;
    zero = zero < first ? first : zero > last ? last : roundf(zero);
    r.low = (first - zero) * r.scale;
    r.high = (last - zero) * r.scale;
    return r;
}

/* ==== what the operators have in common ==== */

typedef struct form {
    int bits, at; /* at: input number of the values; min and max come after it, unless they are attributes */
    bool narrow, by_args;
    float min, max;
} form;

static tn_code read_form(const tn_prepare *p, form *f, tn_error *err)
{
    int64_t bits = tn_attr_i(p->attrs, "num_bits");
    f->narrow = tn_attr_b(p->attrs, "narrow_range");
    f->at = strstr(p->op->name, "Gradient") ? 1 : 0;
    f->by_args = strstr(p->op->name, "Args") != NULL;
    if (bits < 2 || bits > 16)
        return tn_fail(err, TN_INVALID_ARGUMENT, "num_bits must be between 2 and 16, inclusive, was: %lld",
                       (long long)bits);
    f->bits = (int)bits;
    if (!f->by_args) return TN_OK;
    f->min = tn_attr_f(p->attrs, "min");
    f->max = tn_attr_f(p->attrs, "max");
    if (f->min < f->max) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "min has to be smaller than max, was: %g >= %g", (double)f->min,
                   (double)f->max);
}

static tn_code fake_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, form, f);
    return read_form(p, f, err);
}

static tn_code check_range(const tn_infer *c, int at, bool channels, tn_error *err)
{
    const tn_shape *x = &c->in[at]->shape;
    int64_t both;
    if (channels) TN_TRY(tn_infer_rank_at_least(c, at, 1, err));
    for (int i = at + 1; i <= at + 2; i++) {
        TN_TRY(tn_infer_rank(c, i, channels ? 1 : 0, err));
        if (!channels || x->rank < 1 || c->in[i]->shape.rank < 1) continue;
        if (tn_infer_merge_dim(x->dim[x->rank - 1], c->in[i]->shape.dim[0], &both, NULL) != TN_OK)
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s has incorrect size, expected %lld was %lld",
                           i == at + 1 ? "min" : "max", (long long)x->dim[x->rank - 1],
                           (long long)c->in[i]->shape.dim[0]);
    }
    return TN_OK;
}

static tn_code fake_infer(tn_infer *c, tn_error *err)
{
    bool gradient = c->n_out == 3 || strstr(c->op->name, "Gradient");
    int at = gradient ? 1 : 0;
    if (!strstr(c->op->name, "Args"))
        TN_TRY(check_range(c, at, strstr(c->op->name, "PerChannel") != NULL, err));
    c->out[0].shape = c->in[at]->shape;
    if (gradient) TN_TRY(tn_shape_merge(&c->in[0]->shape, &c->in[1]->shape, &c->out[0].shape, err));
    for (int o = 1; o < c->n_out; o++) c->out[o].shape = c->in[at + o]->shape;
    return TN_OK;
}

/* The range of channel k. */
static range range_of(const tn_run *r, const form *f, int64_t k)
{
    if (f->by_args) return nudged(f->min, f->max, f->bits, f->narrow);
    return nudged(TN_FLOATS(r->in[f->at + 1])[k], TN_FLOATS(r->in[f->at + 2])[k], f->bits, f->narrow);
}

static int64_t channels_of(const tn_run *r, const form *f)
{
    return f->by_args ? 1 : tn_tensor_count(r->in[f->at + 1]);
}

typedef struct fake {
    const tn_run *r;
    const form *f;
} fake;

static void fit(const void *of, int64_t k, tn_step *out)
{
    const fake *f = of;
    range q = range_of(f->r, f->f, k);
    float inverse = 1 / q.scale;
    *out = (tn_step){.low = q.low,
                     .high = fmaxf(q.low, q.high), /* of ends the wrong way round only the lower counts */
                     .shift = q.low,
                     .by = inverse,
                     .less = floorf(-q.low * inverse + 0.5f),
                     .back = q.scale};
}

static tn_code fake_run(tn_run *r, tn_error *err)
{
    (void)err;
    const fake f = {r, r->params};
    const int64_t n = tn_tensor_count(r->in[0]), channels = channels_of(r, f.f);
    if (n == 0) return TN_OK;
    float *y = r->out[0]->data;
    const tn_step_job job = {
        .round = TN_STEP_UP,
        .to = TN_FLOAT,
        .outer = channels > 1 ? n / channels : 1,
        .n = channels,
        .inner = channels > 1 ? 1 : n,
        .threads = r->threads,
        .x = r->in[0]->data,
        .y = y,
        .fit = fit,
        .of = &f,
    };
    tn_step_all(&job);
    for (int64_t k = 0; k < channels; k++) {
        if (!range_of(r, f.f, k).none) continue;
        for (int64_t i = k; i < n; i += channels) y[i] = 0;
    }
    return TN_OK;
}

/* low and high of the channels from `at` on, as many as a block has. */
static void ends_of(const tn_run *r, const form *f, int64_t at, int64_t n, float *low, float *high)
{
    for (int64_t k = 0; k < n; k++) {
        range q = range_of(r, f, at + k);
        low[k] = q.none ? -INFINITY : q.low;
        high[k] = q.none ? INFINITY : q.high;
    }
}

static tn_code gradient_run(tn_run *r, tn_error *err)
{
    (void)err;
    enum { BLOCK = 64 };
    const form *f = r->params;
    const int64_t n = tn_tensor_count(r->in[1]), channels = channels_of(r, f), rows = channels ? n / channels : 0;
    for (int64_t k = 0; k < channels; k += BLOCK) {
        const int64_t m = TN_MIN(BLOCK, channels - k);
        float low[BLOCK], high[BLOCK];
        double below[BLOCK] = {0}, above[BLOCK] = {0};
        ends_of(r, f, k, m, low, high);
        tn_step_pass(rows, channels, m, low, high, TN_FLOATS(r->in[0]) + k, TN_FLOATS(r->in[1]) + k,
                     TN_FLOATS(r->out[0]) + k, below, above);
        for (int64_t i = 0; i < m; i++) {
            for (int64_t at = k + i; low[i] == -INFINITY && at < n; at += channels)
                TN_FLOATS(r->out[0])[at] = TN_FLOATS(r->in[0])[at]; /* also where x is NaN */
            if (r->n_out < 3) continue;
            TN_FLOATS(r->out[1])[k + i] = (float)below[i];
            TN_FLOATS(r->out[2])[k + i] = (float)above[i];
        }
    }
    return TN_OK;
}

/* The operator's name with "Gradient" behind it, on the gradient and all inputs. */
static tn_code fake_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    static const char *const names[] = {"min", "max", "num_bits", "narrow_range"};
    char type[64];
    tn_node in[] = {tn_grad_dy(g, 0), {NULL, 0}, {NULL, 0}, {NULL, 0}};
    tn_attr attrs[4];
    int n = 0;
    snprintf(type, sizeof type, "%sGradient", g->op->type);
    for (int i = 0; i < g->op->n_in; i++) in[i + 1] = tn_grad_in(g, i);
    for (size_t i = 0; i < TN_COUNT(names); i++) {
        const tn_attr *a = tn_attr_find(&g->op->attrs, names[i]);
        if (a) attrs[n++] = *a;
    }
    tn_operation *op = tn_add_operation(g->b, type, NULL, in, g->op->n_in + 1, attrs, n);
    for (int i = 0; op && i < g->op->n_in; i++) tn_grad_set(g, i, tn_output_of(op, i));
    return TN_OK;
}

#define BITS "num_bits:int=8 narrow_range:bool=false"
#define FAKE(Name, Sig)                                  \
    const tn_op tn_op_##Name = {.name = #Name,           \
                                .sig = Sig,              \
                                .infer = fake_infer,     \
                                .prepare = fake_prepare, \
                                .run = fake_run,         \
                                .grad = fake_grad}
#define FAKE_GRADIENT(Name, Sig)                         \
    const tn_op tn_op_##Name = {.name = #Name,           \
                                .sig = Sig,              \
                                .infer = fake_infer,     \
                                .prepare = fake_prepare, \
                                .run = gradient_run,     \
                                .flags = TN_NO_GRADIENT}
FAKE(FakeQuantWithMinMaxArgs, "inputs:float -> outputs:float; min:float=-6.0 max:float=6.0 " BITS);
FAKE(FakeQuantWithMinMaxVars, "inputs:float min:float max:float -> outputs:float; " BITS);
FAKE(FakeQuantWithMinMaxVarsPerChannel, "inputs:float min:float max:float -> outputs:float; " BITS);
FAKE_GRADIENT(FakeQuantWithMinMaxArgsGradient,
              "gradients:float inputs:float -> backprops:float; min:float=-6.0 max:float=6.0 " BITS);
FAKE_GRADIENT(FakeQuantWithMinMaxVarsGradient,
              "gradients:float inputs:float min:float max:float -> backprops_wrt_input:float "
              "backprop_wrt_min:float backprop_wrt_max:float; " BITS);
FAKE_GRADIENT(FakeQuantWithMinMaxVarsPerChannelGradient,
              "gradients:float inputs:float min:float max:float -> backprops_wrt_input:float "
              "backprop_wrt_min:float backprop_wrt_max:float; " BITS);
