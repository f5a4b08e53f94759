/* SPDX-License-Identifier: Apache-2.0
 *
 * op_quantized_product.c - products of matrices of bytes with what follows them in one operator: bias, Relu, bringing
 * down to 8 bits or back to floats. The left one's range is as wide as it is told to be (MIN_FIRST), or from 0 on
 * (SCALED); the right one's is around zero. As oneDNN has it in TensorFlow, where a bias of MIN_FIRST is made up for
 * the range's beginning in another unit than its own.
 */
#include <math.h>

#include "op_math.h"
#include "quantized.h"

enum { A, B, BIAS, MIN_A, MAX_A, MIN_B, MAX_B, MIN_OUT, MAX_OUT };

typedef struct product {
    bool min_first, relu, swap_a, swap_b;
    int64_t m, n, k;
    tn_dtype to;
} product;

static tn_code product_infer(tn_infer *c, tn_error *err)
{
    int64_t both;
    bool ta = tn_attr_b(c->attrs, "transpose_a"), tb = tn_attr_b(c->attrs, "transpose_b");
    const tn_shape *a = &c->in[A]->shape, *b = &c->in[B]->shape;
    TN_TRY(tn_infer_rank(c, A, 2, err));
    TN_TRY(tn_infer_rank(c, B, 2, err));
    TN_TRY(tn_infer_rank(c, BIAS, 1, err));
    for (int i = MIN_A; i < c->n_in; i++) TN_TRY(tn_infer_rank(c, i, 0, err));
    for (int o = 1; o < c->n_out; o++) c->out[o].shape = TN_SHAPE();
    c->out[0].shape = (tn_shape){.rank = 2, .dim = {-1, -1}};
    if (a->rank == 2) c->out[0].shape.dim[0] = a->dim[ta];
    if (b->rank == 2) c->out[0].shape.dim[1] = b->dim[!tb];
    if (a->rank < 0 || b->rank < 0) return TN_OK;
    TN_TRY(tn_infer_merge_dim(a->dim[!ta], b->dim[tb], &both, err));
    if (c->in[BIAS]->shape.rank < 0) return TN_OK;
    return tn_infer_merge_dim(b->dim[!tb], c->in[BIAS]->shape.dim[0], &both, err);
}

static tn_code product_prepare(tn_prepare *p, tn_error *err)
{
    tn_view mode = TN_VIEW("MIN_FIRST");
    tn_dtype a = p->in[A]->dtype, b = p->in[B]->dtype, out = p->out[0]->dtype;
    bool frozen = p->n_in > MIN_OUT;
    TN_PARAMS(p, product, q);
    if (a != TN_QUINT8 || b != TN_QINT8 || (frozen ? out != TN_QUINT8 && out != TN_FLOAT : out != TN_QINT32))
        return tn_fail(err, TN_UNIMPLEMENTED, "%s of %s and %s to %s", p->op->name, tn_dtype_name(a),
                       tn_dtype_name(b), tn_dtype_name(out));
    tn_attr_get_string(p->attrs, "input_quant_mode", &mode);
    q->min_first = tn_view_is(mode, "MIN_FIRST");
    q->relu = strstr(p->op->name, "AndRelu") != NULL;
    q->swap_a = tn_attr_b(p->attrs, "transpose_a");
    q->swap_b = tn_attr_b(p->attrs, "transpose_b");
    q->m = p->out[0]->shape.dim[0];
    q->n = p->out[0]->shape.dim[1];
    q->k = p->in[A]->shape.dim[!q->swap_a];
    q->to = out;
    p->scratch = (size_t)q->n * (sizeof(float) + sizeof(int32_t));
    return TN_OK;
}

static float end(const tn_run *r, int i)
{
    return *TN_FLOATS(r->in[i]);
}

static float reach(const tn_run *r, int from)
{
    return fmaxf(fabsf(end(r, from)), fabsf(end(r, from + 1)));
}

/* A column of b added up. */
static int32_t column_sum(const tn_run *r, const product *q, int64_t j)
{
    const int8_t *b = r->in[B]->data;
    int32_t sum = 0;
    for (int64_t i = 0; i < q->k; i++) sum += q->swap_b ? b[j * q->k + i] : b[i * q->n + j];
    return sum;
}

static void find_bias(const tn_run *r, const product *q, float *bias)
{
    const tn_tensor *given = r->in[BIAS];
    float wide = end(r, MAX_A) - end(r, MIN_A), begin = 255 * end(r, MIN_A) / wide;
    float steps = (float)(255.0 * 127.0 / (double)((q->min_first ? wide : end(r, MAX_A)) * reach(r, MIN_B)));
    for (int64_t j = 0; j < q->n; j++) {
        if (given->dtype != TN_FLOAT)
            bias[j] = (float)TN_INT32S(given)[j] / steps;
        else if (q->min_first)
            bias[j] = TN_FLOATS(given)[j] + (float)column_sum(r, q, j) * begin;
        else
            bias[j] = TN_FLOATS(given)[j];
    }
}

static void sum_row(const tn_run *r, const product *q, int64_t i, int32_t *sums)
{
    const uint8_t *a = r->in[A]->data;
    const int8_t *b = r->in[B]->data;
    memset(sums, 0, (size_t)q->n * sizeof *sums);
    for (int64_t l = 0; l < q->k; l++) {
        int32_t x = q->swap_a ? a[l * q->m + i] : a[i * q->k + l];
        for (int64_t j = 0; j < q->n; j++) {
            int32_t y = q->swap_b ? b[j * q->k + l] : b[l * q->n + j];
            sums[j] = (int32_t)((uint32_t)sums[j] + (uint32_t)(x * y));
        }
    }
}

static void give_range(tn_run *r, const product *q)
{
    if (q->to == TN_FLOAT) return;
    if (q->to == TN_QUINT8) {
        tn_quantized_give(r, end(r, MIN_OUT), end(r, MAX_OUT));
        return;
    }
    float step = (end(r, MAX_A) - end(r, MIN_A)) / 255.0f * ((end(r, MAX_B) - end(r, MIN_B)) / 254.0f);
    tn_quantized_give(r, step * -2147483648.0f, step * 2147483648.0f);
}

static tn_code product_run(tn_run *r, tn_error *err)
{
    const product *q = r->params;
    const tn_integers all = tn_integers_of(q->to);
    float *bias = r->scratch;
    int32_t *sums = r->scratch ? (int32_t *)(bias + q->n) : NULL;
    float a = (float)((double)(q->min_first ? end(r, MAX_A) - end(r, MIN_A) : reach(r, MIN_A)) / 255.0),
          b = (float)((double)reach(r, MIN_B) / 127.0), worth = a * b,
          down = 1 / (q->to == TN_QUINT8 ? (float)((double)reach(r, MIN_OUT) / 255.0) : worth);
    find_bias(r, q, bias);
    give_range(r, q);
    for (int64_t i = 0; i < q->m; i++) {
        if (i % 64 == 0 && tn_run_cancelled(r)) return tn_fail(err, TN_CANCELLED, "the run was cancelled");
        sum_row(r, q, i, sums);
        for (int64_t j = 0; j < q->n; j++) {
            float y = (float)sums[j] * worth + bias[j];
            if (q->relu && y < 0) y = 0;
            if (q->to == TN_FLOAT) {
                TN_FLOATS(r->out[0])[i * q->n + j] = y;
                continue;
            }
            double v = (double)rintf(y * down);
            tn_quantized_put(r->out[0], i * q->n + j,
                             isnan(v) ? 0 : v < all.first ? all.first : v > all.last ? all.last : v);
        }
    }
    return TN_OK;
}

#define Q "{qint8,quint8,qint32,qint16,quint16}"
#define BEGIN(bias) "a:T1 b:T2 bias:" bias " min_a:float max_a:float min_b:float max_b:float "
#define FROZEN "min_freezed_output:float max_freezed_output:float "
#define END(types) "; T1:type" Q " T2:type" Q types " transpose_a:bool=false transpose_b:bool=false " MODE
#define MODE "input_quant_mode:string{MIN_FIRST,SCALED}=\"MIN_FIRST\""
#define RANGED "-> out:Toutput min_out:float max_out:float"
#define BIASES " Tbias:type{float,qint32}"
#define PRODUCT(Name, Sig)       \
    const tn_op tn_op_##Name = { \
        .name = #Name, .sig = Sig, .infer = product_infer, .prepare = product_prepare, .run = product_run}
PRODUCT(QuantizedMatMulWithBias, BEGIN("Tbias") RANGED END(BIASES " Toutput:type" Q "=qint32"));
PRODUCT(QuantizedMatMulWithBiasAndRelu, BEGIN("float") RANGED END(" Toutput:type" Q "=qint32"));
PRODUCT(QuantizedMatMulWithBiasAndRequantize, BEGIN("Tbias") FROZEN RANGED END(BIASES " Toutput:type" Q "=quint8"));
PRODUCT(QuantizedMatMulWithBiasAndReluAndRequantize,
        BEGIN("Tbias") FROZEN RANGED END(BIASES " Toutput:type" Q "=quint8"));
PRODUCT(QuantizedMatMulWithBiasAndDequantize,
        BEGIN("Tbias") FROZEN "-> out:Toutput" END(BIASES " Toutput:type{float}"));
