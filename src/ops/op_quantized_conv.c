/* SPDX-License-Identifier: Apache-2.0
 *
 * op_quantized_conv.c - convolutions and pools of old quantised graphs: windows over [batch, rows, columns,
 * channels] of small integers. What lies outside counts as 0, whatever integer stands for it.
 */
#include "op_math.h"
#include "op_move.h"
#include "quantized.h"

typedef struct window { /* rows, columns */
    int64_t size[2], stride[2], pad[2], in[2], out[2];
} window;

static tn_code fit_window(const tn_attrs *attrs, const tn_shape *in, window *w, tn_error *err)
{
    bool same = tn_attr_is(attrs, "padding", "SAME");
    TN_TRY(tn_quantized_pair(attrs, "strides", w->stride, err));
    for (int k = 0; k < 2; k++) {
        w->in[k] = in->dim[1 + k];
        w->pad[k] = 0;
        w->out[k] = -1;
        if (w->in[k] < 0 || w->size[k] < 0) continue;
        w->out[k] = same ? (w->in[k] + w->stride[k] - 1) / w->stride[k]
                         : TN_MAX((w->in[k] - w->size[k] + w->stride[k]) / w->stride[k], 0);
        if (!same && w->in[k] < w->size[k])
            return tn_fail(err, TN_INVALID_ARGUMENT, "Computed output size would be negative: %lld",
                           (long long)(w->in[k] - w->size[k] + 1));
        if (same) w->pad[k] = TN_MAX((w->out[k] - 1) * w->stride[k] + w->size[k] - w->in[k], 0) / 2;
    }
    return TN_OK;
}

static void give_ranges(tn_infer *c)
{
    c->out[1].shape = c->out[2].shape = TN_SHAPE();
}

/* ==== convolution ==== input filter min_input max_input min_filter max_filter */

static tn_code conv_window(const tn_attrs *attrs, const tn_shape *x, const tn_shape *f, window *w,
                           tn_error *err)
{
    const int64_t *d;
    int64_t both;
    for (int k = tn_attr_list(attrs, "dilations", &d); k-- > 0;)
        if (d[k] != 1) return tn_fail(err, TN_UNIMPLEMENTED, "dilated quantised convolution");
    if (tn_infer_merge_dim(x->dim[3], f->dim[2], &both, NULL) != TN_OK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "input and filter must have the same depth: %lld vs %lld",
                       (long long)x->dim[3], (long long)f->dim[2]);
    w->size[0] = f->dim[0];
    w->size[1] = f->dim[1];
    return fit_window(attrs, x, w, err);
}

static tn_code conv_infer(tn_infer *c, tn_error *err)
{
    window w;
    const tn_shape *x = &c->in[0]->shape, *f = &c->in[1]->shape;
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    TN_TRY(tn_infer_rank(c, 1, 4, err));
    give_ranges(c);
    tn_infer_set_rank(c, 0, 4);
    if (x->rank < 0 || f->rank < 0) return TN_OK;
    TN_TRY(conv_window(c->attrs, x, f, &w, err));
    c->out[0].shape = (tn_shape){.rank = 4, .dim = {x->dim[0], w.out[0], w.out[1], f->dim[3]}};
    return TN_OK;
}

typedef struct conv {
    window w;
    int64_t batch, in_c, out_c;
    int32_t zero_in, zero_filter;
} conv;

/* The rows (k = 0) or columns of the window at place `at` that lie inside. */
static void inside(const window *w, int k, int64_t at, int64_t *first, int64_t *from, int64_t *to)
{
    *first = at * w->stride[k] - w->pad[k];
    *from = TN_MAX(*first, 0);
    *to = TN_MIN(*first + w->size[k], w->in[k]);
}

/* out[o] += the element times its row of the filter. */
static void conv_element(const tn_run *r, const conv *q, uint32_t x, int64_t filter_at, uint32_t *out)
{
    for (int64_t o = 0; o < q->out_c; o++)
        out[o] += x * (uint32_t)(tn_quantized_get(r->in[1], filter_at + o) - q->zero_filter);
}

static void conv_place(const tn_run *r, const conv *q, int64_t b, int64_t y, int64_t x, uint32_t *out)
{
    const window *w = &q->w;
    int64_t top, from_row, to_row, left, from_col, to_col;
    memset(out, 0, (size_t)q->out_c * sizeof *out);
    inside(w, 0, y, &top, &from_row, &to_row);
    inside(w, 1, x, &left, &from_col, &to_col);
    for (int64_t row = from_row; row < to_row; row++)
        for (int64_t i = from_col * q->in_c; i < to_col * q->in_c; i++) {
            int64_t at = (b * w->in[0] + row) * w->in[1] * q->in_c + i;
            int64_t f = ((row - top) * w->size[1] - left) * q->in_c + i;
            uint32_t v = (uint32_t)(tn_quantized_get(r->in[0], at) - q->zero_in);
            conv_element(r, q, v, f * q->out_c, out);
        }
}

static tn_code conv_run(tn_run *r, tn_error *err)
{
    const tn_shape *x = &r->in[0]->shape, *f = &r->in[1]->shape;
    conv q = {.batch = x->dim[0], .in_c = x->dim[3], .out_c = f->dim[3]};
    float ends[4];
    for (int i = 0; i < 4; i++) {
        if (tn_tensor_count(r->in[2 + i]) != 1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "the ends of ranges must be scalars");
        ends[i] = *TN_FLOATS(r->in[2 + i]);
    }
    tn_integers qi = tn_integers_of(r->in[0]->dtype), qf = tn_integers_of(r->in[1]->dtype),
                to = tn_integers_of(r->out[0]->dtype);
    TN_TRY(conv_window(r->attrs, x, f, &q.w, err));
    q.zero_in = (int32_t)tn_to_quantized(0, ends[0], ends[1], qi, false);
    q.zero_filter = (int32_t)tn_to_quantized(0, ends[2], ends[3], qf, false);
    uint32_t *out = r->out[0]->data;
    for (int64_t i = 0; i < q.batch * q.w.out[0] * q.w.out[1]; i++) {
        if (i % 256 == 0 && tn_run_cancelled(r)) return tn_fail(err, TN_CANCELLED, "the run was cancelled");
        conv_place(r, &q, i / (q.w.out[0] * q.w.out[1]), i / q.w.out[1] % q.w.out[0], i % q.w.out[1],
                   out + i * q.out_c);
    }
    float step = (ends[1] - ends[0]) / (float)(qi.last - qi.first) *
                 ((ends[3] - ends[2]) / (float)(qf.last - qf.first));
    *TN_FLOATS(r->out[1]) = step * (float)to.first;
    *TN_FLOATS(r->out[2]) = step * (float)to.last;
    return TN_OK;
}

#define Q "{qint8,quint8,qint32,qint16,quint16}"
const tn_op tn_op_QuantizedConv2D = {
    .name = "QuantizedConv2D",
    .sig = "input:Tinput filter:Tfilter min_input:float max_input:float min_filter:float max_filter:float -> "
           "output:out_type min_output:float max_output:float; Tinput:type" Q " Tfilter:type" Q
           " out_type:type" Q
           "=qint32 strides:list(int) padding:string{SAME,VALID} dilations:list(int)=[1,1,1,1]",
    .infer = conv_infer,
    .prepare = tn_quantized_to_32,
    .run = conv_run,
};

/* ==== pools ==== input min max */

static tn_code pool_infer(tn_infer *c, tn_error *err)
{
    window w;
    const tn_shape *x = &c->in[0]->shape;
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    give_ranges(c);
    tn_infer_set_rank(c, 0, 4);
    if (x->rank < 0) return TN_OK;
    TN_TRY(tn_quantized_pair(c->attrs, "ksize", w.size, err));
    TN_TRY(fit_window(c->attrs, x, &w, err));
    c->out[0].shape = (tn_shape){.rank = 4, .dim = {x->dim[0], w.out[0], w.out[1], x->dim[3]}};
    return TN_OK;
}

/* The greatest, or the mean rounded towards 0, of what lies inside. */
static double pool_place(const tn_tensor *t, const window *w, int64_t b, int64_t y, int64_t x, int64_t c,
                         bool mean)
{
    int64_t sum = 0, n = 0, most = INT64_MIN, channels = t->shape.dim[3], first, from_row, to_row, from_col,
            to_col;
    inside(w, 0, y, &first, &from_row, &to_row);
    inside(w, 1, x, &first, &from_col, &to_col);
    for (int64_t row = from_row; row < to_row; row++)
        for (int64_t col = from_col; col < to_col; col++) {
            int64_t v = tn_quantized_get(t, ((b * w->in[0] + row) * w->in[1] + col) * channels + c);
            sum += v;
            most = TN_MAX(most, v);
            n++;
        }
    return (double)(mean ? (n ? sum / n : 0) : most);
}

static tn_code pool_run(tn_run *r, tn_error *err)
{
    window w;
    const tn_shape *x = &r->in[0]->shape;
    bool mean = !strcmp(r->op->name, "QuantizedAvgPool");
    TN_TRY(tn_quantized_pair(r->attrs, "ksize", w.size, err));
    TN_TRY(fit_window(r->attrs, x, &w, err));
    int64_t channels = x->dim[3], places = w.out[0] * w.out[1];
    for (int64_t i = 0; i < tn_tensor_count(r->out[0]); i++) {
        int64_t place = i / channels;
        tn_quantized_put(r->out[0], i,
                         pool_place(r->in[0], &w, place / places, place / w.out[1] % w.out[0],
                                    place % w.out[1], i % channels, mean));
    }
    for (int k = 1; k < 3; k++) {
        if (tn_tensor_count(r->in[k]) != 1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "the ends of ranges must be scalars");
        *TN_FLOATS(r->out[k]) = *TN_FLOATS(r->in[k]);
    }
    return TN_OK;
}

#define POOL(Name)                                                                                       \
    const tn_op tn_op_##Name = {                                                                         \
        .name = #Name,                                                                                   \
        .sig = "input:T min_input:float max_input:float -> output:T min_output:float max_output:float; " \
               "T:type" Q " ksize:list(int) strides:list(int) padding:string{SAME,VALID}",               \
        .infer = pool_infer,                                                                             \
        .run = pool_run}
POOL(QuantizedMaxPool);
POOL(QuantizedAvgPool);
