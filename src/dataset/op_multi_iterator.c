/* SPDX-License-Identifier: Apache-2.0
 *
 * op_multi_iterator.c - iterators whose elements several devices take in turn: element i is shard i's, modulo their
 * number. TensorFlow fetches ahead in a thread and lets it wait when a shard has not taken its elements; here they
 * are kept for it.
 *
 * Invariants: who takes an element goes through the gate, and so elements are numbered in their order.
 */
#include "../ops/list.h"
#include "../plan/state.h"
#include "iterator.h"

#define PREFIX "multi_"

typedef struct multi {
    tn_shared_iterator base;
    tn_gate gate;
    int n_shards;
    tn_elements *shards; /* what each has not taken yet */
    int64_t next;        /* number of the element that comes next */
    int64_t incarnation; /* how often it has begun */
    bool ended;
} multi;

static void forget(multi *m)
{
    for (int i = 0; m->shards && i < m->n_shards; i++) tn_elements_drop(&m->shards[i]);
    m->next = 0;
    m->ended = false;
}

static void release(tn_resource *self)
{
    multi *m = (multi *)self;
    forget(m);
    tn_free(m->shards);
    tn_gate_destroy(&m->gate);
    tn_resource_unref(m->base.inner);
    tn_resource_free(self);
}

static char *name_of(const tn_run *r)
{
    tn_buf name = {0};
    char *inner = tn_iterator_name(r);
    if (!inner) return NULL;
    tn_buf_printf(&name, PREFIX "%s", inner);
    tn_free(inner);
    return tn_buf_take(&name, NULL);
}

static tn_resource *make(const tn_run *r)
{
    char *name = name_of(r);
    multi *m = name ? tn_resource_new(sizeof *m, TN_RES_MULTI_ITERATOR, name, release) : NULL;
    tn_free(name);
    if (!m) return NULL;
    tn_gate_init(&m->gate);
    m->n_shards = tn_dataset_count(r, "devices");
    m->base.inner = tn_iterator_make(r);
    m->shards = tn_calloc((size_t)m->n_shards + 1, sizeof *m->shards);
    if (m->base.inner && m->shards) {
        for (int i = 0; i < m->n_shards; i++) m->shards[i].width = tn_iterator_width(m->base.inner);
        return &m->base.base;
    }
    release(&m->base.base);
    return NULL;
}

static tn_code named_run(tn_run *r, tn_error *err)
{
    tn_resource *res;
    char *name = name_of(r);
    if (!name) return tn_no_memory(err, 0);
    tn_code code = tn_run_session_resource(r, TN_RES_MULTI_ITERATOR, name, make, &res, err);
    tn_free(name);
    if (code != TN_OK) return code;
    code = tn_iterator_check(((multi *)res)->base.inner, r, err);
    if (code == TN_OK) return tn_run_new_resource(r, 0, res, err);
    tn_resource_unref(res);
    return code;
}

static tn_code anonymous_run(tn_run *r, tn_error *err)
{
    tn_resource *res = make(r);
    if (!res) return tn_no_memory(err, 0);
    if (r->n_out > 1) {
        tn_variant **deleter = r->out[1]->data;
        tn_variant_unref(*deleter);
        *deleter = NULL;
    }
    return tn_run_new_resource(r, 0, res, err);
}

static tn_code multi_of(const tn_run *r, int input, multi **out, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_resource(r, input, TN_RES_MULTI_ITERATOR, &res, err));
    *out = (multi *)res;
    return TN_OK;
}

static tn_code begin_run(tn_run *r, tn_error *err)
{
    multi *m;
    tn_dataset *d;
    int64_t most;
    TN_TRY(tn_dataset_of(r->in[0], &d, err));
    TN_TRY(multi_of(r, 1, &m, err));
    TN_TRY(tn_dataset_int(r, 2, "max_buffer_size", &most, err));
    TN_TRY(tn_gate_enter(&m->gate, r, m->base.base.name, err));
    tn_code code = tn_iterator_begin(m->base.inner, r, d, false, err);
    if (code == TN_OK) {
        forget(m);
        TN_INT64S(r->out[0])[0] = ++m->incarnation;
    }
    tn_gate_leave(&m->gate);
    return code;
}

/* One more element for whose turn it is. */
static tn_code fetch(multi *m, const tn_run *r, tn_error *err)
{
    tn_elements *to = &m->shards[m->next % m->n_shards];
    tn_tensor **e = tn_element_new(to->width);
    if (!e) return tn_no_memory(err, 0);
    tn_code code = tn_iterator_next(m->base.inner, r, e, &m->ended, err);
    if (code == TN_OK && !m->ended) code = tn_elements_add(to, e, err);
    if (code == TN_OK && !m->ended) m->next++;
    tn_element_drop(e, to->width);
    tn_free(e);
    return code;
}

static tn_code take(multi *m, tn_run *r, int64_t shard, int64_t incarnation, tn_error *err)
{
    if (shard < 0 || shard >= m->n_shards)
        return tn_fail(err, TN_INVALID_ARGUMENT, "shard %lld of %d", (long long)shard, m->n_shards);
    if (!m->incarnation)
        return tn_fail(err, TN_FAILED_PRECONDITION, "the iterator '%s' has not been initialized",
                       tn_iterator_owner(m->base.inner));
    if (incarnation != m->incarnation)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid incarnation id. Provided: %lld; Expected: %lld",
                       (long long)incarnation, (long long)m->incarnation);
    tn_elements *from = &m->shards[shard];
    while (!from->n && !m->ended) TN_TRY(fetch(m, r, err));
    if (!from->n) return tn_fail(err, TN_OUT_OF_RANGE, "End of sequence");
    TN_TRY(tn_element_give(r, from->at, from->width, err));
    tn_elements_forget(from, 1);
    return TN_OK;
}

static tn_code next_run(tn_run *r, tn_error *err)
{
    multi *m;
    int64_t shard, incarnation;
    TN_TRY(multi_of(r, 0, &m, err));
    TN_TRY(tn_dataset_int(r, 1, "shard_num", &shard, err));
    TN_TRY(tn_dataset_int(r, 2, "incarnation_id", &incarnation, err));
    TN_TRY(tn_gate_enter(&m->gate, r, m->base.base.name, err));
    tn_code code = take(m, r, shard, incarnation, err);
    tn_gate_leave(&m->gate);
    return code;
}

static tn_code to_string_run(tn_run *r, tn_error *err)
{
    multi *m;
    TN_TRY(multi_of(r, 0, &m, err));
    return tn_string_set(r->out[0], 0, m->base.base.name, strlen(m->base.base.name), err);
}

static tn_code from_string_run(tn_run *r, tn_error *err)
{
    const tn_string *s = TN_STRINGS(r->in[0]);
    static const char start[] = PREFIX "iterator:";
    const size_t n = sizeof start - 1;
    tn_resource *res;
    tn_buf name = {0};
    if (r->in[0]->shape.rank != 0) return tn_fail(err, TN_INVALID_ARGUMENT, "string_handle must be a scalar");
    if (s->n <= n || memcmp(s->p, start, n) || memchr(s->p, 0, s->n))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Could not parse string_handle as a valid ResourceHandle");
    tn_buf_add(&name, s->p, s->n);
    tn_code code = tn_buf_check(&name, err);
    if (code == TN_OK) code = tn_run_find_resource(r, TN_RES_MULTI_ITERATOR, name.data, &res, err);
    tn_buf_free(&name);
    if (code != TN_OK) return code;
    code = tn_iterator_check(((multi *)res)->base.inner, r, err);
    if (code == TN_OK) return tn_run_new_resource(r, 0, res, err);
    tn_resource_unref(res);
    return code;
}

static tn_code delete_run(tn_run *r, tn_error *err)
{
    (void)r;
    (void)err;
    return TN_OK;
}

#define MULTI(Op, Infer, Run, Flags, Dynamic, Sig) TN_STATE_OP(Op, Run, Infer, TN_NO_GRADIENT | (Flags), Dynamic, Sig)
#define DEVICES " devices:list(string)>=1"
MULTI(MultiDeviceIterator, tn_infer_scalar, named_run, 0, TN_BIT(0),
      "-> handle:resource;" DEVICES " shared_name:string container:string" TN_DATA_OUT);
MULTI(AnonymousMultiDeviceIterator, tn_infer_scalar, anonymous_run, 0, TN_BIT(0),
      "-> handle:resource deleter:variant;" DEVICES TN_DATA_OUT);
MULTI(AnonymousMultiDeviceIteratorV3, tn_infer_scalar, anonymous_run, 0, TN_BIT(0),
      "-> handle:resource;" DEVICES TN_DATA_OUT);
MULTI(MultiDeviceIteratorInit, tn_infer_scalar, begin_run, TN_EFFECT, 0,
      "dataset:variant multi_device_iterator:resource max_buffer_size:int64 -> incarnation_id:int64;");
TN_STATE_OP(MultiDeviceIteratorGetNextFromShard, next_run, tn_element_infer, 0, ~0u,
            "multi_device_iterator:resource shard_num:int32 incarnation_id:int64 -> "
            "components:[output_types];" TN_DATA_OUT);
MULTI(MultiDeviceIteratorToStringHandle, tn_infer_scalar, to_string_run, 0, 0,
      "multi_device_iterator:resource -> string_handle:string;");
MULTI(MultiDeviceIteratorFromStringHandle, tn_infer_scalar, from_string_run, 0, TN_BIT(0),
      "string_handle:string -> multi_device_iterator:resource; output_types:list(type)>=0=[] "
      "output_shapes:list(shape)>=0=[]");
MULTI(DeleteMultiDeviceIterator, tn_infer_none, delete_run, TN_EFFECT, 0,
      "multi_device_iterator:resource iterators:N*resource deleter:variant -> ; N:int>=0");
