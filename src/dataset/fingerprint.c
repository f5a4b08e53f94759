/* SPDX-License-Identifier: Apache-2.0
 *
 * fingerprint.c - a number for what a data set is: equal ones have the same in every process, whatever their operations
 * and functions are called. Snapshots are found by it. TensorFlow's own numbers are others.
 *
 * Invariants: what an operation says (attributes, small inputs) is taken up when its data set is made; what is large,
 * and functions, only when somebody asks. A function is looked at once.
 */
#include "../graph/inside.h"
#include "dataset.h"

enum { SMALL = 4096 }; /* bytes of an input that is taken up at once */

typedef struct asking {
    const tn_run *r;
    tn_map *functions; /* name -> its number */
    int depth, parts;
    bool no_memory;
} asking;

static uint64_t text(uint64_t h, const char *s)
{
    return tn_mix(h, s ? s : "", s ? strlen(s) + 1 : 1);
}

static uint64_t plain(uint64_t h, const tn_tensor *t)
{
    h = tn_mix_shape(tn_mix(h, &t->dtype, sizeof t->dtype), &t->shape);
    if (tn_dtype_is_pod(t->dtype)) return tn_mix(h, t->data, tn_tensor_bytes(t));
    for (int64_t i = 0; t->dtype == TN_STRING && i < tn_tensor_count(t); i++) {
        h = tn_mix(h, &TN_STRINGS(t)[i].n, sizeof TN_STRINGS(t)[i].n);
        h = tn_mix(h, TN_STRINGS(t)[i].p, TN_STRINGS(t)[i].n);
    }
    return h;
}

/* Attributes that say what an operation does; functions are not among them. */
static uint64_t attributes(uint64_t h, const tn_attrs *a)
{
    for (int i = 0; i < a->n; i++) {
        const tn_attr *v = &a->v[i];
        if (v->name[0] == '_' || strcmp(v->name, "metadata") == 0) continue;
        if (v->kind == TN_ATTR_TENSOR && !v->is_list)
            h = plain(text(h, v->name), v->tensor);
        else if (v->kind != TN_ATTR_FUNC)
            h = tn_attr_mix(h, v);
    }
    return h;
}

uint64_t tn_dataset_said(const tn_run *r)
{
    uint64_t h = attributes(text(TN_MIX_BEGIN, r->op->name), r->attrs);
    for (int i = 0; i < r->n_in; i++)
        if (tn_dtype_is_pod(r->in[i]->dtype) ? tn_tensor_bytes(r->in[i]) <= SMALL
                                             : r->in[i]->dtype == TN_STRING && tn_tensor_count(r->in[i]) == 1)
            h = plain(h, r->in[i]);
    return h;
}

/* ==== functions ==== */

static uint64_t function(asking *q, uint64_t h, const char *name);

static uint64_t called(asking *q, uint64_t h, const tn_func_attr *f)
{
    const tn_attrs of = {(tn_attr *)f->attrs, f->n_attrs};
    return attributes(function(q, h, f->name), &of);
}

static uint64_t operation(asking *q, uint64_t h, const tn_operation *op)
{
    h = attributes(text(h, op->type), &op->attrs);
    for (int i = 0; i < op->attrs.n; i++) {
        const tn_attr *a = &op->attrs.v[i];
        if (a->kind != TN_ATTR_FUNC || a->name[0] == '_') continue;
        for (int k = 0; k < (a->is_list ? a->n : 1); k++) h = called(q, h, a->is_list ? &a->funcs[k] : &a->func);
    }
    if (!op->def && tn_run_function(q->r, op->type)) h = function(q, h, op->type);
    for (int i = 0; i < op->n_in; i++) {
        const int from[] = {op->in[i].op->id, op->in[i].index};
        h = tn_mix(h, from, sizeof from);
    }
    for (int i = 0; i < op->n_control; i++) h = tn_mix(h, &op->control[i]->id, sizeof op->control[i]->id);
    return h;
}

static uint64_t body(asking *q, const tn_function *f)
{
    uint64_t h = TN_MIX_BEGIN;
    for (int i = 0; i < f->body->n; i++) h = operation(q, h, f->body->ops[i]);
    for (int i = 0; i < f->n_rets; i++) {
        const int from[] = {f->rets[i].op->id, f->rets[i].index};
        h = tn_mix(h, from, sizeof from);
    }
    return h;
}

/* By its body; one that calls itself, or is called too deep, by its name. */
static uint64_t function(asking *q, uint64_t h, const char *name)
{
    const tn_function *f = name ? tn_run_function(q->r, name) : NULL;
    if (!f || q->depth >= TN_DATASETS_DEPTH) return text(h, name);
    uint64_t *known = tn_map_get(q->functions, name), number = 0;
    if (known) return *known ? tn_mix(h, known, sizeof *known) : text(h, name);
    known = tn_calloc(1, sizeof *known);
    if (!known || !tn_map_put(q->functions, name, known)) {
        tn_free(known);
        q->no_memory = true;
        return h;
    }
    q->depth++;
    number = body(q, f);
    q->depth--;
    *known = number | 1;
    return tn_mix(h, known, sizeof *known);
}

/* ==== data sets ==== */

static uint64_t whole(asking *q, uint64_t h, const tn_dataset *d);

/* Variants of other kinds count by their number of elements. */
static uint64_t value(asking *q, uint64_t h, const tn_tensor *t)
{
    tn_dataset *d;
    h = plain(h, t);
    if (t->dtype == TN_VARIANT && tn_dataset_of(t, &d, NULL) == TN_OK) return whole(q, h, d);
    for (int64_t i = 0; t->dtype == TN_RESOURCE && i < tn_tensor_count(t); i++) {
        const tn_resource *res = ((tn_resource *const *)t->data)[i];
        if (res) h = text(tn_mix(h, &res->kind, sizeof res->kind), res->name);
    }
    return h;
}

/* Parts nest no deeper than calls. */
static uint64_t whole(asking *q, uint64_t h, const tn_dataset *d)
{
    if (q->parts++ >= TN_DATA_PARTS) return h;
    h = text(tn_mix(h, &d->said, sizeof d->said), d->kind->name);
    for (int i = 0; i < d->n_tensors; i++) h = value(q, h, d->tensor[i]);
    for (int k = 0; k < TN_DATA_FUNCTIONS; k++) {
        if (d->f[k].name) h = function(q, h, d->f[k].name);
        for (int i = 0; i < d->f[k].n_captured; i++) h = value(q, h, d->f[k].captured[i]);
    }
    for (int i = 0; i < d->n_inputs; i++) h = whole(q, h, d->input[i]);
    return h;
}

tn_code tn_dataset_fingerprint(const tn_run *r, const tn_dataset *d, uint64_t *out, tn_error *err)
{
    asking q = {.r = r, .functions = tn_map_new()};
    if (!q.functions) return tn_no_memory(err, 0);
    *out = whole(&q, TN_MIX_BEGIN, d);
    for (size_t i = 0; i < tn_map_count(q.functions); i++) tn_free(tn_map_value(q.functions, i));
    tn_map_free(q.functions);
    if (q.parts > TN_DATA_PARTS)
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "'%s': a data set of more than %d others", r->name, TN_DATA_PARTS);
    return q.no_memory ? tn_no_memory(err, 0) : TN_OK;
}
