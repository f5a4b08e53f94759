/* SPDX-License-Identifier: Apache-2.0
 *
 * op_fractional.c - FractionalMaxPool, FractionalAvgPool and their gradients: windows of two sizes in an
 * order drawn at random, so that an image shrinks by a ratio that is no whole number.
 */
#include <math.h>

#include "op_math.h"
#include "op_move.h"
#include "random_words.h"

/* ==== sizes ==== */

static tn_code ratios_of(const tn_op *op, const tn_attrs *a, float *out, tn_error *err)
{
    const tn_attr *v = tn_attr_find(a, "pooling_ratio");
    if (!v || !v->is_list || v->kind != TN_ATTR_FLOAT || v->n != 4)
        return tn_fail(err, TN_INVALID_ARGUMENT, "pooling_ratio field must specify 4 dimensions");
    for (int k = 0; k < 4; k++)
        if (!(v->fs[k] >= 1))
            return tn_fail(err, TN_INVALID_ARGUMENT, "pooling_ratio cannot be smaller than 1, got: %g",
                           (double)v->fs[k]);
    if (v->fs[0] != 1 || v->fs[3] != 1)
        return tn_fail(err, TN_UNIMPLEMENTED, "%s is not yet supported on the batch nor channel dimension.",
                       op->name);
    memcpy(out, v->fs + 1, 2 * sizeof *out);
    return TN_OK;
}

static tn_code pool_infer(tn_infer *c, tn_error *err)
{
    float ratio[2];
    const tn_shape *in = &c->in[0]->shape;
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    TN_TRY(ratios_of(c->op, c->attrs, ratio, err));
    for (int o = 0; o < 3; o++) tn_infer_set_rank(c, o, o ? 1 : 4);
    if (in->rank < 0) return TN_OK;
    c->out[0].shape = *in;
    for (int k = 0; k < 2; k++) {
        int64_t n = in->dim[k + 1], out = n < 0 ? -1 : (int64_t)floorf((float)n / ratio[k]);
        if (n >= 0 && out <= 0)
            return tn_fail(
                err, TN_INVALID_ARGUMENT,
                "Pooling ratio is higher than input dimension size for dimension %d. Input dim size: %lld "
                "pooling ratio: %g",
                k + 1, (long long)n, (double)ratio[k]);
        c->out[0].shape.dim[k + 1] = out;
        c->out[k + 1].shape.dim[0] = out < 0 ? -1 : out + 1;
    }
    return TN_OK;
}

/* ==== where windows begin ==== n + 1 places, from 0 to length */

static tn_code draw_places(tn_run *r, int64_t length, int64_t n, int64_t *at, tn_error *err)
{
    tn_words w;
    int64_t small = length / n, larger = length % n;
    TN_TRY(tn_words_of(r, ((uint64_t)n + 3) / 4, &w, err));
    for (int64_t i = 0; i < n; i++) at[i + 1] = small + (i < larger);
    for (int64_t i = 0; i + 1 < n; i++) { /* shuffled */
        int64_t k = i + (int64_t)(tn_word(&w) % (uint32_t)(n - i)), size = at[i + 1];
        at[i + 1] = at[k + 1];
        at[k + 1] = size;
    }
    at[0] = 0;
    for (int64_t i = 0; i < n; i++) at[i + 1] += at[i];
    return TN_OK;
}

/* Steps of an even ratio, from a place drawn at random. */
static tn_code even_places(tn_run *r, int64_t length, int64_t n, int64_t *at, tn_error *err)
{
    tn_words w;
    TN_TRY(tn_words_of(r, 1, &w, err));
    double ratio = (double)length / (double)n;
    int64_t whole = length / n;
    double most = (double)(whole + 2) / ratio - 1,
           other = (double)(length + 1 - whole) / ratio - (double)(n - 1);
    double start = tn_word_double(&w) * fmin(most, other);
    at[0] = 0;
    for (int64_t i = 1; i < n; i++) at[i] = (int64_t)ceil(ratio * ((double)i + start)) - 1;
    at[n] = length;
    return TN_OK;
}

static tn_code places(tn_run *r, int64_t length, int64_t n, int64_t *at, tn_error *err)
{
    return (tn_attr_b(r->attrs, "pseudo_random") ? even_places : draw_places)(r, length, n, at, err);
}

/* ==== one window ==== */

typedef struct window {
    int64_t from[2], to[2]; /* rows and columns, to is included */
} window;

static window window_at(const int64_t *rows, const int64_t *cols, int64_t y, int64_t x, bool overlap,
                        int64_t h, int64_t w)
{
    int64_t bottom = overlap ? rows[y + 1] : rows[y + 1] - 1, right = overlap ? cols[x + 1] : cols[x + 1] - 1;
    return (window){{rows[y], cols[x]}, {TN_MIN(bottom, h - 1), TN_MIN(right, w - 1)}};
}

static double number(const tn_tensor *t, int64_t i)
{
    return t->dtype == TN_FLOAT ? (double)TN_FLOATS(t)[i] : tn_tensor_number(t, i);
}

/* int64 numbers beyond 2^53 are compared as what they are. */
static double pooled(const tn_tensor *in, const window *b, int64_t image, int64_t w, int64_t c, int64_t ch,
                     bool max, int64_t *where)
{
    double sum = 0, best = 0;
    int64_t n = 0;
    *where = -1;
    for (int64_t y = b->from[0]; y <= b->to[0]; y++)
        for (int64_t x = b->from[1]; x <= b->to[1]; x++, n++) {
            int64_t at = image + (y * w + x) * ch + c;
            double v = number(in, at);
            sum += v;
            if (*where >= 0 && !(v > best)) continue;
            best = v;
            *where = at;
        }
    return max ? best : n ? sum / (double)n : 0;
}

static void put(tn_tensor *t, int64_t i, double v)
{
    if (t->dtype == TN_FLOAT)
        TN_FLOATS(t)[i] = (float)v;
    else
        tn_tensor_set_number(t, i, v);
}

/* ==== forward ==== */

static tn_code pool_run(tn_run *r, tn_error *err)
{
    const tn_shape *in = &r->in[0]->shape, *out = &r->out[0]->shape;
    bool overlap = tn_attr_b(r->attrs, "overlapping"), max = strstr(r->op->name, "Max") != NULL;
    int64_t *rows = TN_INT64S(r->out[1]), *cols = TN_INT64S(r->out[2]), ch = in->dim[3];
    TN_TRY(places(r, in->dim[1], out->dim[1], rows, err));
    TN_TRY(places(r, in->dim[2], out->dim[2], cols, err));
    for (int64_t i = 0, n = tn_tensor_count(r->out[0]); i < n; i++) {
        int64_t c = i % ch, x = i / ch % out->dim[2], y = i / ch / out->dim[2] % out->dim[1], where;
        int64_t b = i / ch / out->dim[2] / out->dim[1];
        window w = window_at(rows, cols, y, x, overlap, in->dim[1], in->dim[2]);
        double v = pooled(r->in[0], &w, b * in->dim[1] * in->dim[2] * ch, in->dim[2], c, ch, max, &where);
        if (max)
            TN_TRY(tn_move_row(r->out[0], i, r->in[0], where, 1, err));
        else
            put(r->out[0], i, v);
    }
    return TN_OK;
}

static tn_node grad_of(tn_grad *g, const char *type, const tn_node *in, int n)
{
    return tn_op(g->b, type, in, n,
                 TN_ATTRS(tn_attr_bool("overlapping", tn_attr_b(&g->op->attrs, "overlapping"))));
}

static tn_code max_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node in[] = {tn_grad_in(g, 0), tn_grad_out(g, 0), tn_grad_dy(g, 0), tn_grad_out(g, 1),
                    tn_grad_out(g, 2)};
    tn_grad_set(g, 0, grad_of(g, "FractionalMaxPoolGrad", in, 5));
    return TN_OK;
}

static tn_code avg_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node shape =
        tn_op(g->b, "Shape", TN_INPUTS(tn_grad_in(g, 0)), TN_ATTRS(tn_attr_type("out_type", TN_INT64)));
    tn_node in[] = {shape, tn_grad_dy(g, 0), tn_grad_out(g, 1), tn_grad_out(g, 2)};
    tn_grad_set(g, 0, grad_of(g, "FractionalAvgPoolGrad", in, 4));
    return TN_OK;
}

#define POOL(NAME, GRAD)                                                                           \
    const tn_op tn_op_##NAME = {                                                                   \
        .name = #NAME,                                                                             \
        .sig = "value:T -> output:T row_pooling_sequence:int64 col_pooling_sequence:int64; "       \
               "pooling_ratio:list(float)>=4 pseudo_random:bool=false overlapping:bool=false "     \
               "deterministic:bool=false seed:int=0 seed2:int=0 T:type{float,double,int32,int64}", \
        .infer = pool_infer,                                                                       \
        .run = pool_run,                                                                           \
        .grad = GRAD,                                                                              \
        .flags = TN_STATEFUL,                                                                      \
    }
POOL(FractionalAvgPool, avg_grad);
POOL(FractionalMaxPool, max_grad);

/* ==== gradients ==== */

static tn_code check_places(const tn_tensor *at, int64_t n, int64_t length, tn_error *err)
{
    const int64_t *v = TN_INT64S(at);
    bool ok = at->shape.rank == 1 && tn_tensor_count(at) == n + 1;
    for (int64_t i = 0; ok && i < n; i++) ok = v[i] >= 0 && v[i] <= v[i + 1];
    if (ok && v[n] <= length) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "pooling sequence must be %lld ascending places within %lld",
                   (long long)n + 1, (long long)length);
}

static tn_code spread(tn_run *r, const tn_tensor *dy, const tn_tensor *rows, const tn_tensor *cols,
                      const tn_tensor *image, tn_error *err)
{
    const tn_shape *in = &r->out[0]->shape, *out = &dy->shape;
    bool overlap = tn_attr_b(r->attrs, "overlapping");
    int64_t ch = in->dim[3], each = in->dim[1] * in->dim[2] * ch;
    if (out->rank != 4 || out->dim[0] != in->dim[0] || out->dim[3] != ch)
        return tn_fail(err, TN_INVALID_ARGUMENT, "out_backprop does not fit the input");
    TN_TRY(check_places(rows, out->dim[1], in->dim[1], err));
    TN_TRY(check_places(cols, out->dim[2], in->dim[2], err));
    if (tn_tensor_count(r->out[0])) memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    for (int64_t i = 0, n = tn_tensor_count(dy); i < n; i++) {
        int64_t c = i % ch, x = i / ch % out->dim[2], y = i / ch / out->dim[2] % out->dim[1], where;
        int64_t start = i / ch / out->dim[2] / out->dim[1] * each;
        window w = window_at(TN_INT64S(rows), TN_INT64S(cols), y, x, overlap, in->dim[1], in->dim[2]);
        if (image) {
            pooled(image, &w, start, in->dim[2], c, ch, true, &where);
            if (where >= 0) put(r->out[0], where, number(r->out[0], where) + number(dy, i));
            continue;
        }
        double share = number(dy, i) / (double)((w.to[0] - w.from[0] + 1) * (w.to[1] - w.from[1] + 1));
        for (int64_t k = w.from[0]; k <= w.to[0]; k++)
            for (int64_t l = w.from[1]; l <= w.to[1]; l++) {
                int64_t at = start + (k * in->dim[2] + l) * ch + c;
                put(r->out[0], at, number(r->out[0], at) + share);
            }
    }
    return TN_OK;
}

static tn_code max_back_run(tn_run *r, tn_error *err)
{
    return spread(r, r->in[2], r->in[3], r->in[4], r->in[0], err);
}

static tn_code avg_back_run(tn_run *r, tn_error *err)
{
    return spread(r, r->in[1], r->in[2], r->in[3], NULL, err);
}

static tn_code max_back_infer(tn_infer *c, tn_error *err)
{
    for (int k = 0; k < 3; k++) TN_TRY(tn_infer_rank(c, k, 4, err));
    c->out[0].shape = c->in[0]->shape;
    return TN_OK;
}

static tn_code avg_back_infer(tn_infer *c, tn_error *err)
{
    tn_shape s;
    TN_TRY(tn_infer_rank(c, 0, 1, err));
    TN_TRY(tn_infer_rank(c, 1, 4, err));
    tn_infer_set_rank(c, 0, 4);
    if (!tn_infer_ints(c, 0, &s)) return TN_OK;
    if (s.rank != 4)
        return tn_fail(err, TN_INVALID_ARGUMENT, "original input shape must have 4 values, has %d", s.rank);
    c->out[0].shape = s;
    return TN_OK;
}

const tn_op tn_op_FractionalMaxPoolGrad = {
    .name = "FractionalMaxPoolGrad",
    .sig = "orig_input:T orig_output:T out_backprop:T row_pooling_sequence:int64 col_pooling_sequence:int64 "
           "-> output:T; "
           "overlapping:bool=false T:type{float,double,int32,int64}",
    .infer = max_back_infer,
    .run = max_back_run,
};
const tn_op tn_op_FractionalAvgPoolGrad = {
    .name = "FractionalAvgPoolGrad",
    .sig = "orig_input_tensor_shape:int64 out_backprop:T row_pooling_sequence:int64 "
           "col_pooling_sequence:int64 -> "
           "output:T; overlapping:bool=false T:type{float,double,int32,int64}",
    .infer = avg_back_infer,
    .run = avg_back_run,
    .values = TN_BIT(0),
};
