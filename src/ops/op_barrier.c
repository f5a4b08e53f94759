/* SPDX-License-Identifier: Apache-2.0
 *
 * op_barrier.c - barriers: components of tuples come in any order, each under its key; tuples that are
 * complete are taken in the order of the insertions that began them.
 */
#include "op_move.h"
#include "pieces.h"

static tn_resource *make(const tn_run *r)
{
    tn_pieces *p = tn_pieces_new(r, TN_RES_BARRIER, "component_types");
    const tn_attr *shapes = tn_attr_find(r->attrs, "shapes");
    for (int k = 0; p && k < p->width; k++) p->shapes[k] = shapes->shapes[k];
    if (p) p->next = INT64_MIN;
    return p ? &p->base : NULL;
}

static tn_code new_run(tn_run *r, tn_error *err)
{
    const tn_attr *types = tn_attr_find(r->attrs, "component_types"),
                  *shapes = tn_attr_find(r->attrs, "shapes");
    tn_resource *res;
    if (types->n > TN_MOST_PIECES || !shapes || shapes->n != types->n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "All of the component shapes must be specified (at most %d)",
                       TN_MOST_PIECES);
    for (int k = 0; k < shapes->n; k++)
        if (!tn_shape_known(&shapes->shapes[k]))
            return tn_fail(err, TN_INVALID_ARGUMENT, "Component shape %d is not fully defined", k);
    if (tn_attr_i(r->attrs, "capacity") >= 0)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Barrier only accepts capacity=-1.  Feed the inputs to your Barrier "
                       "through a queue to enforce a limited capacity.");
    TN_TRY(tn_run_own_resource(r, TN_RES_BARRIER, "", make, &res, err));
    return tn_run_new_resource(r, 0, res, err);
}

/* Each of the operators on one holds its lock. */
static tn_code with_barrier(tn_run *r, tn_code (*run)(tn_run *r, tn_pieces *b, tn_error *err), tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_resource(r, 0, TN_RES_BARRIER, &res, err));
    tn_pieces *b = (tn_pieces *)res;
    pthread_mutex_lock(&b->lock);
    tn_code code = run(r, b, err);
    pthread_mutex_unlock(&b->lock);
    return code;
}

/* ==== inserting ==== */

static tn_code check_insert(const tn_run *r, const tn_pieces *b, int64_t at, tn_error *err)
{
    const tn_tensor *keys = r->in[1], *values = r->in[2];
    if (at < 0 || at >= b->width)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "The component ID is out of range %lld > num_components (= %d)", (long long)at,
                       b->width);
    if (values->dtype != b->types[at])
        return tn_fail(err, TN_INVALID_ARGUMENT, "Type mismatch: component %lld of '%s' is of %s, not %s",
                       (long long)at, b->base.name, tn_dtype_name(b->types[at]),
                       tn_dtype_name(values->dtype));
    if (keys->shape.rank != 1 || values->shape.rank < 1 || keys->shape.dim[0] != values->shape.dim[0])
        return tn_fail(err, TN_INVALID_ARGUMENT, "keys and values of '%s' have different first dimensions",
                       r->name);
    if (keys->shape.dim[0] && !tn_tensor_count(values))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Tensors with no elements are not supported");
    return TN_OK;
}

static tn_code insert_one(const tn_run *r, tn_pieces *b, int64_t i, int64_t at, bool *begun, tn_error *err)
{
    const tn_string *s = TN_STRINGS(r->in[1]) + i;
    tn_view key = {s->p, s->n};
    tn_tuple *t = tn_pieces_find(b, key);
    if (!t && b->closed)
        return tn_fail(err, TN_CANCELLED,
                       "Barrier %s is closed, but attempted to insert a brand new key: %.*s", b->base.name,
                       (int)TN_MIN(key.n, (size_t)100), key.p);
    if (!t) {
        TN_TRY(tn_pieces_add(b, key, b->next, &t, err));
        *begun = true;
    }
    if (t->part[at])
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Key %.*s already has a value for component %lld in barrier %s",
                       (int)TN_MIN(key.n, (size_t)100), key.p, (long long)at, b->base.name);
    TN_TRY(tn_row_of(r->in[2], i, &t->part[at], err));
    return tn_pieces_whole(b, t) ? tn_pieces_finish(b, t, err) : TN_OK;
}

static tn_code insert(tn_run *r, tn_pieces *b, tn_error *err)
{
    int64_t at = tn_attr_i(r->attrs, "component_index"), n = tn_tensor_count(r->in[1]);
    bool begun = false;
    tn_code code = check_insert(r, b, at, err);
    if (code == TN_OK && b->closed && (b->cancelled || (n && !tn_map_count(b->partial))))
        code = tn_fail(err, TN_CANCELLED, "Barrier %s is closed.  Pending enqueues cancelled: %d.",
                       b->base.name, b->cancelled);
    for (int64_t i = 0; code == TN_OK && i < n; i++) code = insert_one(r, b, i, at, &begun, err);
    b->next += begun;
    return code;
}

/* ==== taking ==== */

static bool may_come(const tn_pieces *b)
{
    return !b->closed || (!b->cancelled && tn_map_count(b->partial));
}

static tn_code wait_for(const tn_run *r, tn_pieces *b, int64_t *n, tn_error *err)
{
    bool small = tn_attr_b(r->attrs, "allow_small_batch");
    char who[200];
    int waited = 0;
    snprintf(who, sizeof who, "barrier '%.100s' has too few elements (%lld are wanted)", b->base.name,
             (long long)*n);
    if (small && b->closed) *n = TN_MIN(*n, TN_MAX(b->n, 1));
    while (b->n < *n || (b->closed && !b->n)) {
        int64_t all = b->n + (may_come(b) ? (int64_t)tn_map_count(b->partial) : 0);
        if (b->closed && (all < *n || !all))
            return tn_fail(
                err, TN_OUT_OF_RANGE,
                "Barrier '%s' is closed and has insufficient elements (requested %lld, total size %lld)",
                b->base.name, (long long)*n, (long long)all);
        TN_TRY(tn_wait_a_moment(&b->changed, &b->lock, r, &waited, who, err));
        if (small && b->closed) *n = TN_MIN(*n, TN_MAX(b->n, 1));
    }
    return TN_OK;
}

static tn_code make_outputs(tn_run *r, const tn_pieces *b, int64_t n, tn_error *err)
{
    const tn_shape rows = tn_shape_vector(n);
    TN_TRY(tn_run_output(r, 0, &rows, err));
    TN_TRY(tn_run_output(r, 1, &rows, err));
    for (int k = 0; k < b->width; k++) {
        tn_shape s = b->shapes[k];
        const tn_shape *each = n ? &b->ready[0]->part[k]->shape : &s;
        if (each->rank >= TN_MAX_RANK)
            return tn_fail(err, TN_UNIMPLEMENTED, "more than %d dimensions", TN_MAX_RANK);
        s = (tn_shape){.rank = each->rank + 1, .dim = {n}};
        memcpy(s.dim + 1, each->dim, (size_t)each->rank * sizeof *each->dim);
        TN_TRY(tn_run_output(r, k + 2, &s, err));
    }
    return TN_OK;
}

/* All stay where they are until all are known to fit. */
static tn_code put_rows(tn_run *r, const tn_pieces *b, int64_t n, tn_error *err)
{
    for (int64_t i = 0; i < n; i++) {
        const tn_tuple *t = b->ready[i];
        TN_INT64S(r->out[0])[i] = t->order;
        TN_TRY(tn_string_set(r->out[1], i, t->key, t->n, err));
        for (int k = 0; k < b->width; k++) {
            const tn_tensor *v = t->part[k];
            if (!tn_shape_equal(&v->shape, &b->ready[0]->part[k]->shape))
                return tn_fail(err, TN_INVALID_ARGUMENT,
                               "component %d of '%s' has values of different shapes", k, b->base.name);
            TN_TRY(tn_move_row(r->out[k + 2], i * tn_tensor_count(v), v, 0, tn_tensor_count(v), err));
        }
    }
    return TN_OK;
}

static tn_code take(tn_run *r, tn_pieces *b, tn_error *err)
{
    int64_t n;
    TN_TRY(tn_int_of(r->in[1], "num_elements", &n, err));
    if (n < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "num_elements must be at least 0, not %lld", (long long)n);
    if (r->n_out != b->width + 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s' has %d components, not %d", b->base.name, b->width,
                       r->n_out - 2);
    for (int k = 0; k < b->width; k++)
        if (r->out[k + 2]->dtype != b->types[k])
            return tn_fail(err, TN_INVALID_ARGUMENT, "Type mismatch between component %d: %s and %s", k,
                           tn_dtype_name(r->out[k + 2]->dtype), tn_dtype_name(b->types[k]));
    TN_TRY(wait_for(r, b, &n, err));
    TN_TRY(make_outputs(r, b, n, err));
    TN_TRY(put_rows(r, b, n, err));
    while (n--) tn_pieces_drop(b, tn_pieces_take(b, 0));
    return TN_OK;
}

/* ==== closing, looking ==== */

static tn_code shut(tn_run *r, tn_pieces *b, tn_error *err)
{
    bool cancel = tn_attr_b(r->attrs, "cancel_pending_enqueues");
    if (b->closed && (b->cancelled || !cancel))
        return tn_fail(err, TN_CANCELLED, "Barrier %s is already closed.", b->base.name);
    b->closed = true;
    b->cancelled = cancel;
    if (cancel) tn_pieces_forget(b);
    pthread_cond_broadcast(&b->changed);
    return TN_OK;
}

static tn_code ready(tn_run *r, tn_pieces *b, tn_error *err)
{
    (void)err;
    TN_INT32S(r->out[0])[0] = (int32_t)b->n;
    return TN_OK;
}

static tn_code incomplete(tn_run *r, tn_pieces *b, tn_error *err)
{
    (void)err;
    TN_INT32S(r->out[0])[0] = (int32_t)tn_map_count(b->partial);
    return TN_OK;
}

#define BARRIER(Name, Run, Infer, Dynamic, Sig) TN_STATE_OP(Name, Run, Infer, TN_EFFECT | TN_NO_GRADIENT, Dynamic, Sig)
#define ON_BARRIER(Name, What, Infer, Dynamic, Sig)     \
    static tn_code What##_run(tn_run *r, tn_error *err) \
    {                                                   \
        return with_barrier(r, What, err);              \
    }                                                   \
    BARRIER(Name, What##_run, Infer, Dynamic, "handle:&string" Sig)
BARRIER(Barrier, new_run, tn_infer_scalar, TN_BIT(0),
        "-> handle:&string; component_types:list(type)>=1 shapes:list(shape)>=0=[] capacity:int=-1 "
        "container:string=\"\" shared_name:string=\"\"");
ON_BARRIER(BarrierInsertMany, insert, tn_infer_none, 0,
           " keys:string values:T -> ; T:type component_index:int");
ON_BARRIER(BarrierTakeMany, take, tn_infer_none, ~0u,
           " num_elements:int32 -> indices:int64 keys:string values:[component_types]; "
           "component_types:list(type)>=1 "
           "allow_small_batch:bool=false wait_for_incomplete:bool=false timeout_ms:int=-1");
ON_BARRIER(BarrierClose, shut, tn_infer_none, 0, " -> ; cancel_pending_enqueues:bool=false");
ON_BARRIER(BarrierReadySize, ready, tn_infer_scalar, 0, " -> size:int32;");
ON_BARRIER(BarrierIncompleteSize, incomplete, tn_infer_scalar, 0, " -> size:int32;");
