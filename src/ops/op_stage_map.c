/* SPDX-License-Identifier: Apache-2.0
 *
 * op_stage_map.c - staging areas with keys: components come in any order, each under its key, and whole
 * tuples are taken by key or, the least key first, without. Those that TensorFlow does not order are in order
 * here, too.
 *
 * What is taken of a tuple leaves a place that is empty; once all are, the tuple is gone.
 */
#include "../plan/state.h"
#include "pieces.h"

static tn_resource *make(const tn_run *r)
{
    tn_pieces *p = tn_pieces_new(r, TN_RES_STAGE_MAP, "dtypes");
    if (p) p->most = tn_attr_i(r->attrs, "capacity");
    if (p) p->most_bytes = tn_attr_i(r->attrs, "memory_limit");
    return p ? &p->base : NULL;
}

static bool is_ordered(const tn_run *r)
{
    return r->op->name[0] == 'O';
}

/* Each of the operators on one holds its lock. */
static tn_code with_area(tn_run *r, tn_code (*run)(tn_run *r, tn_pieces *p, tn_error *err), tn_error *err)
{
    const tn_attr *types = tn_attr_find(r->attrs, "dtypes");
    tn_resource *res;
    if (!types || types->n < 1 || types->n > TN_MOST_PIECES)
        return tn_fail(err, TN_INVALID_ARGUMENT, "an area of 1 to %d components is needed", TN_MOST_PIECES);
    const char *prefix = is_ordered(r) ? "ordered map:" : "map:";
    TN_TRY(tn_run_own_resource(r, TN_RES_STAGE_MAP, prefix, make, &res, err));
    tn_pieces *p = (tn_pieces *)res;
    pthread_mutex_lock(&p->lock);
    tn_code code = run(r, p, err);
    pthread_mutex_unlock(&p->lock);
    tn_resource_unref(res);
    return code;
}

static tn_code wait(const tn_run *r, tn_pieces *p, const char *who, int *waited, tn_error *err)
{
    return tn_wait_a_moment(&p->changed, &p->lock, r, waited, who, err);
}

static tn_code check_indices(const tn_pieces *p, const tn_tensor *t, int64_t n, tn_error *err)
{
    if (tn_tensor_count(t) != n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%lld indices for %lld values",
                       (long long)tn_tensor_count(t), (long long)n);
    for (int64_t i = 0; i < n; i++) {
        int32_t k = TN_INT32S(t)[i];
        if (i && k <= TN_INT32S(t)[i - 1])
            return tn_fail(err, TN_INVALID_ARGUMENT, "Indices are not strictly ordered");
        if (k < 0 || k >= p->width)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Index '%d' for key is out of bounds '%d'.", k,
                           p->width);
    }
    return TN_OK;
}

static tn_code read_key(const tn_run *r, int64_t *key, tn_error *err)
{
    if (!tn_tensor_count(r->in[0])) return tn_fail(err, TN_INVALID_ARGUMENT, "key must not be empty");
    *key = TN_INT64S(r->in[0])[0];
    return TN_OK;
}

/* ==== staging ==== */

static tn_code wait_for_room(const tn_run *r, tn_pieces *p, int64_t bytes, tn_error *err)
{
    int waited = 0;
    if (p->most_bytes && bytes > p->most_bytes)
        return tn_fail(
            err, TN_RESOURCE_EXHAUSTED,
            "Attempted to insert tensors with combined size of '%lld' bytes into Staging Area with a "
            "memory limit of '%lld'.",
            (long long)bytes, (long long)p->most_bytes);
    while ((p->most && p->n >= p->most) || (p->most_bytes && p->bytes + bytes > p->most_bytes))
        TN_TRY(wait(r, p, "the staging area is full", &waited, err));
    return TN_OK;
}

static tn_tuple *find_ready(const tn_pieces *p, int64_t key, int64_t *at)
{
    for (*at = 0; *at < p->n; ++*at)
        if (p->ready[*at]->order == key) return p->ready[*at];
    return NULL;
}

/* A key that is there keeps what it has. */
static tn_code finish(const tn_run *r, tn_pieces *p, tn_tuple *t, tn_error *err)
{
    int64_t at;
    tn_code code = wait_for_room(r, p, (int64_t)t->bytes, err);
    if (code == TN_OK && !find_ready(p, t->order, &at)) return tn_pieces_finish(p, t, err);
    tn_map_remove(p->partial, (tn_view){t->key, t->n});
    tn_pieces_drop(p, t);
    return code;
}

/* A tuple that comes whole has nothing to do with what came in part. */
static tn_view name_of(const int64_t key[2], bool whole)
{
    return (tn_view){(const char *)key, (whole ? 2 : 1) * sizeof *key};
}

static tn_code put(tn_run *r, tn_pieces *p, tn_error *err)
{
    int64_t n = tn_tensor_count(r->in[1]), key[2] = {0, 0};
    TN_TRY(read_key(r, key, err));
    if (n > r->n_in - 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%lld indices for %d values", (long long)n, r->n_in - 2);
    TN_TRY(check_indices(p, r->in[1], n, err));
    key[1] = p->next++;
    tn_view name = name_of(key, n == p->width);
    tn_tuple *t = tn_pieces_find(p, name);
    if (!t) TN_TRY(tn_pieces_add(p, name, key[0], &t, err));
    for (int64_t i = 0; i < n; i++) {
        tn_tensor **to = &t->part[TN_INT32S(r->in[1])[i]];
        if (*to)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "The tensor for index '%d' for key '%lld' was already initialized '%d'.",
                           TN_INT32S(r->in[1])[i], (long long)key[0], p->width);
        TN_TRY(tn_tensor_keep(r->in[i + 2], to, err));
        t->bytes += tn_tensor_bytes(*to);
    }
    return tn_pieces_whole(p, t) ? finish(r, p, t, err) : TN_OK;
}

/* ==== taking ==== */

static tn_code give(tn_run *r, tn_tuple *t, int first, bool take, tn_error *err)
{
    const tn_tensor *indices = r->in[r->n_in - 1];
    for (int o = first; o < r->n_out; o++) {
        int32_t k = TN_INT32S(indices)[o - first];
        if (!t->part[k])
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Tensor at index '%d' for key '%lld' has already been removed.", k,
                           (long long)t->order);
        if (t->part[k]->dtype != r->out[o]->dtype)
            return tn_fail(err, TN_INVALID_ARGUMENT, "component %d is of %s, not %s", k,
                           tn_dtype_name(t->part[k]->dtype), tn_dtype_name(r->out[o]->dtype));
    }
    for (int o = first; o < r->n_out; o++) {
        tn_tensor **from = &t->part[TN_INT32S(indices)[o - first]];
        TN_TRY(tn_run_output_share(r, o, *from, err));
        if (take) tn_tensor_unref(*from);
        if (take) *from = NULL;
    }
    return TN_OK;
}

static void clean(tn_pieces *p, int64_t at)
{
    bool some = false;
    for (int k = 0; k < p->width; k++) some |= p->ready[at]->part[k] != NULL;
    if (!some) tn_pieces_drop(p, tn_pieces_take(p, at));
}

static tn_code give_of_key(tn_run *r, tn_pieces *p, bool take, tn_error *err)
{
    int64_t key = 0, at;
    int waited = 0;
    tn_tuple *t;
    TN_TRY(read_key(r, &key, err));
    TN_TRY(check_indices(p, r->in[1], r->n_out, err));
    while (!(t = find_ready(p, key, &at)))
        TN_TRY(wait(r, p, "the staging area does not have the key", &waited, err));
    TN_TRY(give(r, t, 0, take, err));
    if (take) clean(p, at);
    return TN_OK;
}

static tn_code get(tn_run *r, tn_pieces *p, tn_error *err)
{
    return give_of_key(r, p, true, err);
}

static tn_code peek(tn_run *r, tn_pieces *p, tn_error *err)
{
    return give_of_key(r, p, false, err);
}

static tn_code get_any(tn_run *r, tn_pieces *p, tn_error *err)
{
    const tn_shape scalar = {.rank = 0};
    int waited = 0;
    TN_TRY(check_indices(p, r->in[0], r->n_out - 1, err));
    while (!p->n) TN_TRY(wait(r, p, "the staging area is empty", &waited, err));
    TN_TRY(tn_run_output(r, 0, &scalar, err));
    TN_INT64S(r->out[0])[0] = p->ready[0]->order;
    TN_TRY(give(r, p->ready[0], 1, true, err));
    clean(p, 0);
    return TN_OK;
}

/* ==== looking, clearing ==== */

static tn_code size(tn_run *r, tn_pieces *p, tn_error *err)
{
    (void)err;
    TN_INT32S(r->out[0])[0] = (int32_t)p->n;
    return TN_OK;
}

static tn_code partial_size(tn_run *r, tn_pieces *p, tn_error *err)
{
    (void)err;
    TN_INT32S(r->out[0])[0] = (int32_t)tn_map_count(p->partial);
    return TN_OK;
}

static tn_code clear(tn_run *r, tn_pieces *p, tn_error *err)
{
    (void)r;
    (void)err;
    while (p->n) tn_pieces_drop(p, tn_pieces_take(p, p->n - 1));
    tn_pieces_forget(p);
    return TN_OK;
}

#define ROW(Name, What, Infer, Dynamic, Sig, Types) \
    TN_STATE_OP(Name, What##_run, Infer, TN_EFFECT | TN_NO_GRADIENT, Dynamic, \
                Sig "; capacity:int>=0=0 memory_limit:int>=0=0 " Types " container:string=\"\" shared_name:string=\"\"")
#define ON_AREA(Name, What, Infer, Dynamic, Sig, Types) \
    static tn_code What##_run(tn_run *r, tn_error *err) \
    {                                                   \
        return with_area(r, What, err);                 \
    }                                                   \
    ROW(Name, What, Infer, Dynamic, Sig, Types);        \
    ROW(Ordered##Name, What, Infer, Dynamic, Sig, Types)
#define SOME "dtypes:list(type)>=1"
ON_AREA(MapStage, put, tn_infer_none, 0, "key:int64 indices:int32 values:[fake_dtypes] -> ",
        "dtypes:list(type) fake_dtypes:list(type)>=1");
ON_AREA(MapUnstage, get, tn_infer_none, ~0u, "key:int64 indices:int32 -> values:[dtypes]", SOME);
ON_AREA(MapUnstageNoKey, get_any, tn_infer_none, ~0u, "indices:int32 -> key:int64 values:[dtypes]", SOME);
ON_AREA(MapPeek, peek, tn_infer_none, ~0u, "key:int64 indices:int32 -> values:[dtypes]", SOME);
ON_AREA(MapSize, size, tn_infer_scalar, 0, "-> size:int32", "dtypes:list(type)");
ON_AREA(MapIncompleteSize, partial_size, tn_infer_scalar, 0, "-> size:int32", "dtypes:list(type)");
ON_AREA(MapClear, clear, tn_infer_none, 0, "-> ", "dtypes:list(type)");
