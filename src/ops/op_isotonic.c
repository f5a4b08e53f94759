/* SPDX-License-Identifier: Apache-2.0
 *
 * op_isotonic.c - IsotonicRegression: each row's (along the last axis) nearest one that does not rise, and
 * which of its values are one.
 */
#include "../graph/op_grads.h"
#include "../kernel/kernel.h"
#include "op_math.h"

typedef struct pool { /* neighbours that have one value, their mean */
    double sum;
    int64_t n;
} pool;

static bool rises(const pool *a, const pool *b)
{
    return a->sum / (double)a->n < b->sum / (double)b->n;
}

/* Pools of a row, joined while a later one is above the one before. */
static int64_t pools_of(const tn_tensor *x, int64_t at, int64_t n, pool *p)
{
    int64_t k = 0;
    for (int64_t i = 0; i < n; i++) {
        p[k++] = (pool){tn_tensor_number(x, at + i), 1};
        for (; k > 1 && rises(&p[k - 2], &p[k - 1]); k--) {
            p[k - 2].sum += p[k - 1].sum;
            p[k - 2].n += p[k - 1].n;
        }
    }
    return k;
}

static tn_code isotonic_prepare(tn_prepare *p, tn_error *err)
{
    (void)err;
    const tn_shape *s = &p->in[0]->shape;
    size_t n = (size_t)s->dim[s->rank - 1];
    p->scratch = n * (sizeof(pool) + sizeof(double));
    return TN_OK;
}

static tn_code isotonic_run(tn_run *r, tn_error *err)
{
    const tn_shape *s = &r->in[0]->shape;
    int64_t n = s->dim[s->rank - 1], rows = n ? tn_tensor_count(r->in[0]) / n : 0;
    pool *p = r->scratch;
    size_t each = tn_dtype_size(r->out[0]->dtype);
    for (int64_t row = 0; row < rows; row++) {
        double *value = (double *)(void *)(p + n);
        int32_t *segment = TN_INT32S(r->out[1]) + row * n;
        int64_t k = pools_of(r->in[0], row * n, n, p);
        for (int64_t i = 0, at = 0; i < k; i++)
            for (int64_t j = 0; j < p[i].n; j++, at++) {
                value[at] = p[i].sum / (double)p[i].n;
                segment[at] = (int32_t)i;
            }
        TN_TRY(tn_cast(TN_DOUBLE, r->out[0]->dtype, n, value,
                       (char *)r->out[0]->data + (size_t)(row * n) * each, false, 1, err));
    }
    return TN_OK;
}

static tn_code isotonic_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank_at_least(c, 0, 1, err));
    c->out[0].shape = c->out[1].shape = c->in[0]->shape;
    return TN_OK;
}

/* Segments count from zero in each row; here from where the row begins, so that they are one list. */
static tn_node flat_segments(tn_grad *g)
{
    tn_builder *b = g->b;
    tn_node segments = tn_grad_out(g, 1), shape = tn_grad_shape(b, segments, TN_INT32);
    tn_node length = tn_grad_element(b, shape, -1), count = tn_g1(b, "Size", segments);
    tn_node at = tn_g3(b, "Range", tn_g_int(b, 0), count, tn_g_int(b, 1));
    tn_node first = tn_g2(b, "Sub", at, tn_g2(b, "FloorMod", at, length));
    return tn_g2(b, "AddV2", tn_g2(b, "Reshape", segments, tn_ints(b, (int64_t[]){-1}, 1)), first);
}

/* A pool's value is the mean of its members: each gets the mean of their gradients. */
static tn_code isotonic_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node dy = tn_grad_dy(g, 0), ids = flat_segments(g);
    tn_node means = tn_g2(b, "SegmentMean", tn_g2(b, "Reshape", dy, tn_ints(b, (int64_t[]){-1}, 1)), ids);
    tn_node each = tn_g3(b, "GatherV2", means, ids, tn_g_int(b, 0));
    tn_grad_set(g, 0, tn_grad_cast(b, tn_grad_reshape_like(b, each, dy), tn_node_dtype(tn_grad_in(g, 0))));
    return TN_OK;
}

const tn_op tn_op_IsotonicRegression = {
    .name = "IsotonicRegression",
    .sig = "input:T -> output:output_dtype segments:int32; T:type{realnumbertype} "
           "output_dtype:type{half,bfloat16,float,double}=float",
    .infer = isotonic_infer,
    .prepare = isotonic_prepare,
    .run = isotonic_run,
    .grad = isotonic_grad,
};
