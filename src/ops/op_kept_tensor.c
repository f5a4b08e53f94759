/* SPDX-License-Identifier: Apache-2.0
 *
 * op_kept_tensor.c - tensors that a session keeps from one run to the next (get_session_handle): a handle is
 * the text that TensorFlow makes, of the operation's name, a number and the device.
 */
#include "../plan/state.h"

typedef struct kept {
    tn_resource base;
    pthread_mutex_t lock;
    tn_map *tensors; /* by their handles */
    int64_t next;
} kept;

static void release(tn_resource *self)
{
    kept *k = (kept *)self;
    for (size_t i = 0; i < tn_map_count(k->tensors); i++) tn_tensor_unref(tn_map_value(k->tensors, i));
    tn_map_free(k->tensors);
    pthread_mutex_destroy(&k->lock);
    tn_resource_free(self);
}

static tn_resource *make(const tn_run *r)
{
    (void)r;
    kept *k = tn_resource_new(sizeof *k, TN_RES_KEPT_TENSORS, "kept tensors", release);
    if (!k) return NULL;
    pthread_mutex_init(&k->lock, NULL);
    k->tensors = tn_map_new();
    if (k->tensors) return &k->base;
    release(&k->base);
    return NULL;
}

/* With a reference on it, and its lock held. */
static tn_code open_kept(const tn_run *r, kept **out, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_session_resource(r, TN_RES_KEPT_TENSORS, "kept tensors", make, &res, err));
    *out = (kept *)res;
    pthread_mutex_lock(&(*out)->lock);
    return TN_OK;
}

static tn_code close_kept(kept *k, tn_code code)
{
    pthread_mutex_unlock(&k->lock);
    tn_resource_unref(&k->base);
    return code;
}

static tn_code keep(kept *k, tn_view handle, const tn_tensor *t, tn_error *err)
{
    tn_tensor *copy;
    TN_TRY(tn_tensor_keep(t, &copy, err));
    if (tn_map_put_view(k->tensors, handle, copy)) return TN_OK;
    tn_tensor_unref(copy);
    return tn_no_memory(err, handle.n);
}

static tn_code handle_run(tn_run *r, tn_error *err)
{
    kept *k;
    tn_buf handle = {0};
    TN_TRY(open_kept(r, &k, err));
    tn_buf_printf(&handle, "%s;%lld;/job:localhost/replica:0/task:0/device:CPU:0", r->name,
                  (long long)k->next++);
    tn_view name = {handle.data, handle.n};
    tn_code code = tn_buf_check(&handle, err);
    if (code == TN_OK) code = keep(k, name, r->in[0], err);
    if (code == TN_OK && r->out[0]->dtype == TN_RESOURCE)
        code = tn_run_new_resource(r, 0, tn_resource_ref(&k->base), err);
    else if (code == TN_OK)
        code = tn_string_set(r->out[0], 0, name.p, name.n, err);
    tn_buf_free(&handle);
    return close_kept(k, code);
}

static tn_code absent(tn_view handle, tn_error *err)
{
    return tn_fail(err, TN_INVALID_ARGUMENT, "The tensor with handle '%.*s' is not in the session store.",
                   (int)TN_MIN(handle.n, (size_t)200), handle.p);
}

static tn_code find(const tn_run *r, const kept *k, tn_view *handle, tn_tensor **out, tn_error *err)
{
    if (tn_tensor_count(r->in[0]) != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "handle must be scalar");
    *handle = (tn_view){TN_STRINGS(r->in[0])[0].p, TN_STRINGS(r->in[0])[0].n};
    *out = tn_map_get_view(k->tensors, *handle);
    return *out ? TN_OK : absent(*handle, err);
}

static tn_code get_run(tn_run *r, tn_error *err)
{
    kept *k;
    tn_view handle;
    tn_tensor *t;
    TN_TRY(open_kept(r, &k, err));
    tn_code code = find(r, k, &handle, &t, err);
    if (code == TN_OK && t->dtype != r->out[0]->dtype)
        code = tn_fail(err, TN_INVALID_ARGUMENT, "the tensor with handle '%.*s' is of %s, not %s",
                       (int)TN_MIN(handle.n, (size_t)200), handle.p, tn_dtype_name(t->dtype),
                       tn_dtype_name(r->out[0]->dtype));
    if (code == TN_OK) code = tn_run_output_share(r, 0, t, err);
    return close_kept(k, code);
}

static tn_code delete_run(tn_run *r, tn_error *err)
{
    kept *k;
    tn_view handle;
    tn_tensor *t;
    TN_TRY(open_kept(r, &k, err));
    tn_code code = find(r, k, &handle, &t, err);
    if (code == TN_OK) {
        tn_map_remove(k->tensors, handle);
        tn_tensor_unref(t);
    }
    return close_kept(k, code);
}

#define KEPT(Name, Run, Infer, Dynamic, Sig) TN_STATE_OP(Name, Run, Infer, TN_EFFECT | TN_NO_GRADIENT, Dynamic, Sig)
KEPT(GetSessionHandle, handle_run, tn_infer_scalar, 0, "value:T -> handle:string; T:type");
KEPT(GetSessionHandleV2, handle_run, tn_infer_scalar, TN_BIT(0), "value:T -> handle:resource; T:type");
KEPT(GetSessionTensor, get_run, tn_infer_none, TN_BIT(0), "handle:string -> value:dtype; dtype:type");
KEPT(DeleteSessionTensor, delete_run, tn_infer_none, 0, "handle:string -> ;");
