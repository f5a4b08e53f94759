/* SPDX-License-Identifier: Apache-2.0
 *
 * op_sparse_map.c - sparse tensors kept for a later operation of the same session: AddSparseToTensorsMap,
 * AddManySparseToTensorsMap, TakeManySparseFromTensorsMap. A handle is a number; taking forgets it.
 */
#include "../plan/state.h"
#include "boxed.h"
#include "parse.h"
#include "serialize.h"

typedef struct kept {
    tn_resource base;
    pthread_mutex_t lock;
    tn_map *boxes; /* handle's bytes -> tn_box of three tensors */
    int64_t next;
} kept;

static void release_map(tn_resource *self)
{
    kept *m = (kept *)self;
    for (size_t i = 0; i < tn_map_count(m->boxes); i++) tn_variant_unref(tn_map_value(m->boxes, i));
    tn_map_free(m->boxes);
    pthread_mutex_destroy(&m->lock);
    tn_resource_free(self);
}

static tn_resource *make_map(const tn_run *r)
{
    kept *m = tn_resource_new(sizeof *m, TN_RES_SPARSE_MAP, r->name, release_map);
    if (!m) return NULL;
    pthread_mutex_init(&m->lock, NULL);
    m->boxes = tn_map_new();
    if (m->boxes) return &m->base;
    release_map(&m->base);
    return NULL;
}

/* Found by its shared name, or by the adding operation's; a reference on it is returned. */
static tn_code map_of(const tn_run *r, kept **out, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_own_resource(r, TN_RES_SPARSE_MAP, "", make_map, &res, err));
    *out = (kept *)res;
    return TN_OK;
}

static tn_view handle_key(const int64_t *handle)
{
    return (tn_view){(const char *)handle, sizeof *handle};
}

static tn_code keep(kept *m, const tn_tensor *const part[3], int64_t *handle, tn_error *err)
{
    tn_box *box;
    TN_TRY(tn_box_new(part, 3, &box, err));
    pthread_mutex_lock(&m->lock);
    *handle = m->next++;
    bool ok = tn_map_put_view(m->boxes, handle_key(handle), &box->head);
    pthread_mutex_unlock(&m->lock);
    if (ok) return TN_OK;
    tn_variant_unref(&box->head);
    return tn_no_memory(err, sizeof *handle);
}

static tn_code add_one(tn_run *r, kept *m, tn_error *err)
{
    tn_sparse s;
    TN_TRY(tn_sparse_read(r, 0, &s, err));
    return keep(m, r->in, TN_INT64S(r->out[0]), err);
}

static tn_code add_many(tn_run *r, kept *m, tn_error *err)
{
    tn_sparse s;
    TN_TRY(tn_sparse_read(r, 0, &s, err));
    TN_TRY(tn_sparse_rows_check(&s, err));
    tn_shape shape = tn_shape_vector(s.dim[0]);
    TN_TRY(tn_run_output(r, 0, &shape, err));
    for (int64_t row = 0, from = 0, to; row < s.dim[0]; row++, from = to) {
        tn_tensor *part[3];
        for (to = from; to < s.n && s.index[to * s.rank] == row;) to++;
        TN_TRY(tn_sparse_row(&s, from, to, part, err));
        tn_code code = keep(m, (const tn_tensor *const *)part, TN_INT64S(r->out[0]) + row, err);
        for (int k = 0; k < 3; k++) tn_tensor_unref(part[k]);
        TN_TRY(code);
    }
    return TN_OK;
}

/* What is taken stays as an entry without value. */
static tn_code take_each(const tn_run *r, kept *m, const tn_box **box, tn_sparse *all, tn_error *err)
{
    for (int64_t i = 0, n = tn_tensor_count(r->in[0]); i < n; i++) {
        const int64_t *handle = TN_INT64S(r->in[0]) + i;
        pthread_mutex_lock(&m->lock);
        box[i] = tn_map_get_view(m->boxes, handle_key(handle));
        if (box[i]) tn_map_put_view(m->boxes, handle_key(handle), NULL);
        pthread_mutex_unlock(&m->lock);
        if (!box[i])
            return tn_fail(err, TN_INVALID_ARGUMENT, "Unable to find SparseTensor: %lld in map: %s",
                           (long long)*handle, m->base.name);
        if (box[i]->item[1]->dtype != r->out[1]->dtype)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Requested SparseTensor of type %s but SparseTensor[%lld].values.dtype() == %s",
                           tn_dtype_name(r->out[1]->dtype), (long long)i,
                           tn_dtype_name(box[i]->item[1]->dtype));
        TN_TRY(tn_sparse_of(box[i]->item[0], box[i]->item[1], box[i]->item[2], &all[i], err));
        if (all[i].rank != all[0].rank)
            return tn_fail(
                err, TN_INVALID_ARGUMENT,
                "Inconsistent rank across SparseTensors: rank prior to SparseTensor[%lld] was: %d but rank "
                "of SparseTensor[%lld] is: %d",
                (long long)i, all[0].rank, (long long)i, all[i].rank);
    }
    return TN_OK;
}

static tn_code take_all(const tn_run *r, kept *m, const tn_box **box, tn_sparse *all, tn_error *err)
{
    tn_code code = take_each(r, m, box, all, err);
    pthread_mutex_lock(&m->lock);
    tn_map_remove_empty(m->boxes);
    pthread_mutex_unlock(&m->lock);
    return code;
}

static tn_code take_from(tn_run *r, kept *m, tn_arena *a, tn_error *err)
{
    int64_t n = tn_tensor_count(r->in[0]);
    tn_shape outer = tn_shape_vector(n);
    if (r->in[0]->shape.rank != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "sparse_handles should be a vector");
    if (n == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Must have at least 1 sparse_handle");
    const tn_box **box = TN_ARRAY(a, n, const tn_box *);
    tn_sparse *all = TN_ARRAY(a, n, tn_sparse);
    if (!box || !all) return tn_no_memory(err, (size_t)n * sizeof *all);
    tn_code code = take_all(r, m, box, all, err);
    if (code == TN_OK) code = tn_sparse_stack(r, all, &outer, err);
    for (int64_t i = 0; i < n; i++)
        if (box[i]) tn_variant_unref((tn_variant *)&box[i]->head);
    return code;
}

static tn_code map_do(tn_run *r, tn_arena *a, tn_error *err)
{
    kept *m;
    TN_TRY(map_of(r, &m, err));
    tn_code code = !strcmp(r->op->name, "AddSparseToTensorsMap")       ? add_one(r, m, err)
                   : !strcmp(r->op->name, "AddManySparseToTensorsMap") ? add_many(r, m, err)
                                                                       : take_from(r, m, a, err);
    tn_resource_unref(&m->base);
    return code;
}
TN_RUN_IN_ARENA(map_run, map_do)

static tn_code one_infer(tn_infer *c, tn_error *err)
{
    int64_t n, rank;
    TN_TRY(tn_infer_sparse(c, 0, &n, &rank, err));
    return tn_infer_scalar(c, err);
}

static tn_code many_infer(tn_infer *c, tn_error *err)
{
    int64_t n, rank;
    TN_TRY(tn_infer_sparse(c, 0, &n, &rank, err));
    c->out[0].shape = tn_shape_vector(-1);
    return TN_OK;
}

static tn_code take_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 1, err));
    tn_infer_set_sparse(c, 0, 1, 2, -1, -1);
    return TN_OK;
}

#define SPARSE_MAP(Name, Infer, Dynamic, Sig) TN_STATE_OP(Name, map_run, Infer, TN_NO_GRADIENT, Dynamic, Sig)
SPARSE_MAP(AddSparseToTensorsMap, one_infer, 0,
           "sparse_indices:int64 sparse_values:T sparse_shape:int64 -> sparse_handle:int64; T:type "
           "container:string=\"\" shared_name:string=\"\"");
SPARSE_MAP(AddManySparseToTensorsMap, many_infer, TN_BIT(0),
           "sparse_indices:int64 sparse_values:T sparse_shape:int64 -> sparse_handles:int64; T:type "
           "container:string=\"\" shared_name:string=\"\"");
SPARSE_MAP(TakeManySparseFromTensorsMap, take_infer, ~0u,
           "sparse_handles:int64 -> sparse_indices:int64 sparse_values:dtype sparse_shape:int64; dtype:type "
           "container:string=\"\" shared_name:string=\"\"");
