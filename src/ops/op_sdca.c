/* SPDX-License-Identifier: Apache-2.0
 *
 * op_sdca.c - what stochastic dual coordinate ascent has beside its steps: SdcaFprint numbers examples, SdcaShrinkL1
 * brings weights nearer to zero.
 */
#include <math.h>

#include "hash.h"
#include "op_move.h"

/* ==== SdcaFprint ==== 0 and 1 are kept free for tables */

static tn_code fingerprint_run(tn_run *r, tn_error *err)
{
    (void)err;
    for (int64_t i = 0; i < tn_tensor_count(r->in[0]); i++) {
        const tn_string *s = &TN_STRINGS(r->in[0])[i];
        uint64_t *to = (uint64_t *)r->out[0]->data + 2 * i;
        tn_fingerprint_128((tn_view){s->n ? s->p : "", s->n}, to);
        if (to[0] < 2) to[0] += ~(uint64_t)1;
    }
    return TN_OK;
}

static tn_code fingerprint_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 1, err));
    c->out[0].shape = (tn_shape){.rank = 2, .dim = {c->in[0]->shape.rank == 1 ? c->in[0]->shape.dim[0] : -1, 2}};
    return TN_OK;
}

const tn_op tn_op_SdcaFprint = {
    .name = "SdcaFprint",
    .sig = "input:string -> output:int64;",
    .infer = fingerprint_infer,
    .run = fingerprint_run,
    .flags = TN_NO_GRADIENT,
};

/* ==== SdcaShrinkL1 ==== */

static tn_code shrink_run(tn_run *r, tn_error *err)
{
    float by = tn_attr_f(r->attrs, "l1") / tn_attr_f(r->attrs, "l2");
    for (int i = 0; i < r->n_in; i++) {
        tn_tensor *w = NULL;
        TN_TRY(tn_run_variable_writable(r, i, &w, err));
        float *v = TN_FLOATS(w);
        for (int64_t k = 0; k < tn_tensor_count(w); k++) {
            float rest = fabsf(v[k]) - by;
            float sign = v[k] > 0 ? 1 : v[k] < 0 ? -1 : v[k];
            v[k] = sign * (rest > 0 ? rest : 0);
        }
    }
    return TN_OK;
}

const tn_op tn_op_SdcaShrinkL1 = {
    .name = "SdcaShrinkL1",
    .sig = "weights:&num_features*float -> ; num_features:int>=0 l1:float l2:float",
    .infer = tn_infer_none,
    .run = shrink_run,
    .flags = TN_STATEFUL | TN_EFFECT | TN_NO_GRADIENT,
    .writes = ~0u,
};
