/* SPDX-License-Identifier: Apache-2.0
 *
 * op_stage.c - staging areas of TensorFlow 1: Stage and Unstage hand tuples from one run to the next. An area
 * is a queue (queue.h) that its operators know by name, without a handle.
 */
#include "../plan/state.h"
#include "op_move.h"
#include "queue.h"

enum { MOST = 64 };

static tn_resource *make(const tn_run *r)
{
    const tn_attr *types = tn_attr_find(r->attrs, "dtypes");
    int64_t capacity = tn_attr_i(r->attrs, "capacity");
    if (!types || types->n < 1 || types->n > MOST) return NULL;
    tn_queue *q =
        tn_queue_new(r->name, TN_QUEUE_FIFO, types->n, types->types, NULL, capacity > 0 ? capacity : -1);
    return q ? &q->base : NULL;
}

/* With a reference on it. */
static tn_code area_of(const tn_run *r, tn_queue **out, tn_error *err)
{
    const tn_attr *types = tn_attr_find(r->attrs, "dtypes");
    tn_resource *res;
    if (!types || types->n < 1 || types->n > MOST)
        return tn_fail(err, TN_INVALID_ARGUMENT, "an area of 1 to %d components is needed", MOST);
    TN_TRY(tn_run_own_resource(r, TN_RES_QUEUE, "stage:", make, &res, err));
    *out = (tn_queue *)res;
    bool fits = (*out)->width == types->n;
    for (int i = 0; fits && i < types->n; i++) fits = (*out)->types[i] == types->types[i];
    if (fits) return TN_OK;
    tn_resource_unref(res);
    return tn_fail(err, TN_INVALID_ARGUMENT, "the staging area of '%s' holds tuples of other types", r->name);
}

static tn_code make_tuple(const void *run, int64_t at, tn_tensor **tuple, tn_error *err)
{
    const tn_run *r = run;
    (void)at;
    for (int i = 0; i < r->n_in; i++) {
        tn_code code = tn_tensor_copy(r->in[i], &tuple[i], err);
        if (code == TN_OK) continue;
        while (i--) tn_tensor_unref(tuple[i]);
        return code;
    }
    return TN_OK;
}

static tn_code stage_run(tn_run *r, tn_error *err)
{
    tn_queue *q;
    TN_TRY(area_of(r, &q, err));
    tn_code code = tn_queue_put(q, r, 1, make_tuple, r, err);
    tn_resource_unref(&q->base);
    return code;
}

static tn_code give(tn_run *r, tn_tensor **tuple, tn_error *err)
{
    for (int i = 0; i < r->n_out; i++) TN_TRY(tn_run_output_share(r, i, tuple[i], err));
    return TN_OK;
}

static tn_code unstage_run(tn_run *r, tn_error *err)
{
    tn_queue *q;
    tn_tensor *tuple[MOST] = {NULL};
    int64_t n;
    TN_TRY(area_of(r, &q, err));
    tn_code code = tn_queue_take(q, r, 1, false, tuple, &n, err);
    if (code == TN_OK) code = give(r, tuple, err);
    for (int i = 0; i < q->width; i++) tn_tensor_unref(tuple[i]);
    tn_resource_unref(&q->base);
    return code;
}

static tn_code peek_run(tn_run *r, tn_error *err)
{
    tn_queue *q;
    int waited = 0;
    if (tn_tensor_count(r->in[0]) != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "index must be a scalar");
    int64_t index = tn_tensor_int(r->in[0], 0);
    if (index < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "index %lld is negative", (long long)index);
    TN_TRY(area_of(r, &q, err));
    tn_code code = TN_OK;
    pthread_mutex_lock(&q->lock);
    while (code == TN_OK && q->n <= index)
        code =
            tn_wait_a_moment(&q->changed, &q->lock, r, &waited, "the staging area has too few elements", err);
    if (code == TN_OK) code = give(r, q->items + (q->first + index) * q->width, err);
    pthread_mutex_unlock(&q->lock);
    tn_resource_unref(&q->base);
    return code;
}

static tn_code size_run(tn_run *r, tn_error *err)
{
    tn_queue *q;
    TN_TRY(area_of(r, &q, err));
    *TN_INT32S(r->out[0]) = (int32_t)tn_queue_size(q);
    tn_resource_unref(&q->base);
    return TN_OK;
}

static tn_code clear_run(tn_run *r, tn_error *err)
{
    tn_queue *q;
    TN_TRY(area_of(r, &q, err));
    pthread_mutex_lock(&q->lock);
    for (int64_t i = q->first * q->width; i < (q->first + q->n) * q->width; i++) tn_tensor_unref(q->items[i]);
    q->first = q->n = 0;
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
    tn_resource_unref(&q->base);
    return TN_OK;
}

#define STAGE(Name, Run, Infer, Dynamic, Sig, Least) \
    TN_STATE_OP(Name, Run, Infer, TN_EFFECT | TN_NO_GRADIENT, Dynamic, \
                Sig "; capacity:int>=0=0 memory_limit:int>=0=0 dtypes:list(type)" Least \
                    " container:string=\"\" shared_name:string=\"\"")
STAGE(Stage, stage_run, tn_infer_none, 0, "values:[dtypes] -> ", ">=1");
STAGE(Unstage, unstage_run, tn_infer_none, ~0u, "-> values:[dtypes]", ">=1");
STAGE(StagePeek, peek_run, tn_infer_none, ~0u, "index:int32 -> values:[dtypes]", ">=1");
STAGE(StageSize, size_run, tn_infer_scalar, 0, "-> size:int32", "");
STAGE(StageClear, clear_run, tn_infer_none, 0, "-> ", "");
