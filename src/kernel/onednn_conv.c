/* SPDX-License-Identifier: Apache-2.0
 *
 * onednn_conv.c - float convolutions by oneDNN 2.x: the only file that knows its interface. Activations stay
 * channels-last; the filter's layout is oneDNN's choice and is reordered from and to TensorFlow's.
 *
 * oneDNN runs on the calling thread's OpenMP team, whose size is fixed when a primitive is made; it is set
 * around every call and put back. What one execution needs besides memory (handles of arrays, a stream)
 * is a "bench": as many are kept as have run at once, up to a few.
 *
 * A plan has many of these: what oneDNN can be asked is not kept, nor, once a constant filter is in oneDNN's layout,
 * what brought it there.
 */
#include <dnnl.h>
#include <omp.h>
#include <stdatomic.h>

#include "conv.h"

enum { IN, FILTER, BIAS, OUT, SCRATCH, OWN_FILTER, TURN_SCRATCH, MEMORIES, BENCHES = 8 };

typedef struct bench {
    dnnl_stream_t stream;
    dnnl_memory_t memory[MEMORIES]; /* by IN ..; OWN_FILTER: TensorFlow's layout */
} bench;

struct tn_onednn {
    tn_conv_desc d;
    dnnl_engine_t engine;
    dnnl_primitive_t primitive, reorder; /* reorder NULL: TensorFlow's layout it is, or only packed filters come */
    uint64_t layout;                     /* of the filter */
    size_t packed, scratchpad;
    _Atomic(bench *) benches[BENCHES];
};

typedef struct making { /* what it is made of */
    tn_onednn *c;
    dnnl_primitive_attr_t attr;
    dnnl_primitive_desc_t desc;
    dnnl_memory_desc_t md[MEMORIES];
} making;

static tn_code failed(dnnl_status_t s, const char *what, tn_error *err)
{
    if (s == dnnl_success) return TN_OK;
    if (s == dnnl_unimplemented) return tn_fail(err, TN_UNIMPLEMENTED, "convolution: not in oneDNN (%s)", what);
    if (s == dnnl_out_of_memory)
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "convolution: out of memory (%s)", what);
    return tn_fail(err, TN_INTERNAL, "convolution: oneDNN status %d (%s)", (int)s, what);
}

/* ---- descriptions ---- */

/* [batch, spatial.., channels] as oneDNN's (batch, channels, spatial..). */
static tn_code describe_activations(const tn_conv_desc *d, int64_t channels, const int64_t *size,
                                    dnnl_memory_desc_t *md, tn_error *err)
{
    dnnl_dims_t dims = {d->batch, channels}, strides = {0, 1};
    int64_t step = channels;
    for (int i = d->spatial - 1; i >= 0; i--) {
        dims[2 + i] = size[i];
        strides[2 + i] = step;
        step *= size[i];
    }
    strides[0] = step;
    return failed(dnnl_memory_desc_init_by_strides(md, 2 + d->spatial, dims, dnnl_f32, strides),
                  "activations", err);
}

/* [spatial.., in / groups, out] as (groups,) out / groups, in / groups, spatial..; any: oneDNN chooses. */
static tn_code describe_filter(const tn_conv_desc *d, bool any, dnnl_memory_desc_t *md, tn_error *err)
{
    dnnl_dims_t dims, strides;
    int n = 0;
    const int64_t in = d->in_c / d->groups;
    if (d->groups > 1) dims[n] = d->groups, strides[n++] = d->out_c / d->groups;
    dims[n] = d->out_c / d->groups, strides[n++] = 1;
    dims[n] = in, strides[n++] = d->out_c;
    int64_t step = in * d->out_c;
    for (int i = d->spatial - 1; i >= 0; i--) {
        dims[n + i] = d->filter[i];
        strides[n + i] = step;
        step *= d->filter[i];
    }
    n += d->spatial;
    return failed(any ? dnnl_memory_desc_init_by_tag(md, n, dims, dnnl_f32, dnnl_format_tag_any)
                      : dnnl_memory_desc_init_by_strides(md, n, dims, dnnl_f32, strides),
                  "filter", err);
}

static tn_code describe(making *m, tn_error *err)
{
    const tn_conv_desc *d = &m->c->d;
    dnnl_dims_t bias = {d->out_c};
    TN_TRY(describe_activations(d, d->in_c, d->in, &m->md[IN], err));
    TN_TRY(describe_activations(d, d->out_c, d->out, &m->md[OUT], err));
    TN_TRY(describe_filter(d, true, &m->md[FILTER], err));
    TN_TRY(describe_filter(d, false, &m->md[OWN_FILTER], err));
    return failed(dnnl_memory_desc_init_by_tag(&m->md[BIAS], 1, bias, dnnl_f32, dnnl_x), "bias", err);
}

bool tn_onednn_does_act(tn_act act)
{
    return act == TN_ACT_NONE || act == TN_ACT_RELU || act == TN_ACT_RELU6 || act == TN_ACT_LEAKY_RELU;
}

static tn_code fuse(const tn_conv_desc *d, dnnl_primitive_attr_t attr, tn_error *err)
{
    dnnl_post_ops_t ops;
    if (d->act == TN_ACT_NONE || d->kind != TN_CONV_FORWARD || !tn_onednn_does_act(d->act)) return TN_OK;
    const dnnl_alg_kind_t kind = d->act == TN_ACT_RELU6 ? dnnl_eltwise_clip : dnnl_eltwise_relu;
    const float alpha = d->act == TN_ACT_LEAKY_RELU ? d->alpha : 0, beta = d->act == TN_ACT_RELU6 ? 6 : 0;
    TN_TRY(failed(dnnl_post_ops_create(&ops), "post-ops", err));
    dnnl_status_t s = dnnl_post_ops_append_eltwise(ops, 1, kind, alpha, beta);
    if (s == dnnl_success) s = dnnl_primitive_attr_set_post_ops(attr, ops);
    dnnl_post_ops_destroy(ops);
    return failed(s, "activation", err);
}

static dnnl_status_t init_desc(const making *m, tn_conv_kind kind, dnnl_convolution_desc_t *o)
{
    const tn_conv_desc *d = &m->c->d;
    const dnnl_memory_desc_t *in = &m->md[IN], *filter = &m->md[FILTER], *out = &m->md[OUT],
                             *bias = d->bias ? &m->md[BIAS] : NULL;
    dnnl_dims_t stride = {0}, dilation = {0}, lo = {0}, hi = {0};
    for (int i = 0; i < d->spatial; i++) {
        stride[i] = d->stride[i];
        dilation[i] = d->dilation[i] - 1;
        lo[i] = d->pad_lo[i];
        hi[i] = d->pad_hi[i];
    }
    switch (kind) {
    case TN_CONV_FORWARD:
        return dnnl_dilated_convolution_forward_desc_init(
            o, d->kind == TN_CONV_FORWARD ? dnnl_forward_inference : dnnl_forward_training,
            dnnl_convolution_direct, in, filter, bias, out, stride, dilation, lo, hi);
    case TN_CONV_BACKWARD_DATA:
        return dnnl_dilated_convolution_backward_data_desc_init(o, dnnl_convolution_direct, in, filter, out,
                                                                stride, dilation, lo, hi);
    default:
        return dnnl_dilated_convolution_backward_weights_desc_init(o, dnnl_convolution_direct, in, filter,
                                                                   bias, out, stride, dilation, lo, hi);
    }
}

/* Backward primitives are made with the forward one as a hint. */
static tn_code make_desc(making *m, tn_error *err)
{
    dnnl_convolution_desc_t o;
    dnnl_primitive_desc_t hint = NULL;
    tn_onednn *c = m->c;
    if (c->d.kind != TN_CONV_FORWARD) {
        TN_TRY(failed(init_desc(m, TN_CONV_FORWARD, &o), "forward description", err));
        TN_TRY(
            failed(dnnl_primitive_desc_create(&hint, &o, NULL, c->engine, NULL), "forward primitive", err));
    }
    dnnl_status_t s = init_desc(m, c->d.kind, &o);
    if (s == dnnl_success) s = dnnl_primitive_desc_create(&m->desc, &o, m->attr, c->engine, hint);
    if (hint) dnnl_primitive_desc_destroy(hint);
    return failed(s, "primitive", err);
}

/* What oneDNN chose: the filter's layout, the scratchpad's size; the reorder between layouts. A description has no
 * pointers; where it differs only in what was never set, a filter is packed once more. */
static tn_code take_choices(making *m, dnnl_primitive_attr_t attr, tn_error *err)
{
    tn_onednn *c = m->c;
    const bool gives_filter = c->d.kind == TN_CONV_BACKWARD_FILTER;
    const dnnl_memory_desc_t *chosen = dnnl_primitive_desc_query_md(
        m->desc, gives_filter ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
    const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(m->desc, dnnl_query_scratchpad_md, 0);
    if (!chosen || !scratch)
        return tn_fail(err, TN_INTERNAL, "convolution: oneDNN does not tell its layouts");
    c->layout = tn_hash(chosen, sizeof *chosen);
    c->scratchpad = tn_round64(dnnl_memory_desc_get_size(scratch));
    if (dnnl_memory_desc_equal(chosen, &m->md[OWN_FILTER])) return TN_OK;
    c->packed = tn_round64(dnnl_memory_desc_get_size(chosen));
    dnnl_primitive_desc_t r;
    const dnnl_memory_desc_t *own = &m->md[OWN_FILTER];
    TN_TRY(failed(dnnl_reorder_primitive_desc_create(&r, gives_filter ? chosen : own, c->engine,
                                                     gives_filter ? own : chosen, c->engine, attr),
                  "reorder description", err));
    const dnnl_memory_desc_t *more = dnnl_primitive_desc_query_md(r, dnnl_query_scratchpad_md, 0);
    if (more) c->scratchpad = TN_MAX(c->scratchpad, tn_round64(dnnl_memory_desc_get_size(more)));
    dnnl_status_t s = dnnl_primitive_create(&c->reorder, r);
    dnnl_primitive_desc_destroy(r);
    return failed(s, "reorder", err);
}

static tn_code make(making *m, tn_error *err)
{
    TN_TRY(failed(dnnl_primitive_attr_set_scratchpad_mode(m->attr, dnnl_scratchpad_mode_user), "scratchpad", err));
    TN_TRY(make_desc(m, err));
    dnnl_primitive_attr_t plain;
    TN_TRY(failed(dnnl_primitive_attr_create(&plain), "attributes", err));
    tn_code code =
        failed(dnnl_primitive_attr_set_scratchpad_mode(plain, dnnl_scratchpad_mode_user), "scratchpad", err);
    if (code == TN_OK) code = take_choices(m, plain, err);
    dnnl_primitive_attr_destroy(plain);
    TN_TRY(code);
    return failed(dnnl_primitive_create(&m->c->primitive, m->desc), "primitive", err);
}

tn_code tn_onednn_new(const tn_conv_desc *d, tn_onednn **out, tn_error *err)
{
    tn_onednn *c = tn_calloc(1, sizeof(*c));
    if (!c) return tn_no_memory(err, sizeof(*c));
    const int before = omp_get_max_threads();
    making m = {.c = c};
    c->d = *d;
    omp_set_num_threads(d->threads);
    tn_code code = failed(dnnl_engine_create(&c->engine, dnnl_cpu, 0), "engine", err);
    if (code == TN_OK) code = describe(&m, err);
    if (code == TN_OK) code = failed(dnnl_primitive_attr_create(&m.attr), "attributes", err);
    if (code == TN_OK) code = fuse(d, m.attr, err);
    if (code == TN_OK) code = make(&m, err);
    if (m.desc) dnnl_primitive_desc_destroy(m.desc);
    if (m.attr) dnnl_primitive_attr_destroy(m.attr);
    omp_set_num_threads(before);
    if (code != TN_OK) {
        tn_onednn_free(c);
        return code;
    }
    *out = c;
    return TN_OK;
}

void tn_conv_forget_unused(void)
{
    int capacity;
    if (dnnl_get_primitive_cache_capacity(&capacity) != dnnl_success) return;
    dnnl_set_primitive_cache_capacity(0);
    dnnl_set_primitive_cache_capacity(capacity);
}

/* ---- benches ---- */

static void bench_free(bench *b)
{
    if (!b) return;
    for (int i = 0; i < MEMORIES; i++)
        if (b->memory[i]) dnnl_memory_destroy(b->memory[i]);
    if (b->stream) dnnl_stream_destroy(b->stream);
    tn_free(b);
}

/* Those that nobody has. */
void tn_onednn_rest(tn_onednn *c)
{
    for (int i = 0; i < BENCHES; i++) bench_free(atomic_exchange(&c->benches[i], NULL));
}

void tn_onednn_free(tn_onednn *c)
{
    if (!c) return;
    tn_onednn_rest(c);
    if (c->primitive) dnnl_primitive_destroy(c->primitive);
    if (c->reorder) dnnl_primitive_destroy(c->reorder);
    if (c->engine) dnnl_engine_destroy(c->engine);
    tn_free(c);
}

/* What the primitive was made for; NULL: it has none. */
static const dnnl_memory_desc_t *ask_md(const_dnnl_primitive_t p, dnnl_query_t what, int i)
{
    const_dnnl_primitive_desc_t desc;
    return dnnl_primitive_get_primitive_desc(p, &desc) == dnnl_success ? dnnl_primitive_desc_query_md(desc, what, i)
                                                                       : NULL;
}

static const dnnl_memory_desc_t *md_of(const tn_onednn *c, int which)
{
    const bool data = c->d.kind == TN_CONV_BACKWARD_DATA, filter = c->d.kind == TN_CONV_BACKWARD_FILTER;
    const dnnl_query_t weights = filter ? dnnl_query_diff_weights_md : dnnl_query_weights_md;
    switch (which) {
    case IN: return ask_md(c->primitive, data ? dnnl_query_diff_src_md : dnnl_query_src_md, 0);
    case FILTER: return ask_md(c->primitive, weights, 0);
    case BIAS: return c->d.bias && !data ? ask_md(c->primitive, weights, 1) : NULL;
    case OUT: return ask_md(c->primitive, data || filter ? dnnl_query_diff_dst_md : dnnl_query_dst_md, 0);
    case SCRATCH: return ask_md(c->primitive, dnnl_query_scratchpad_md, 0);
    case OWN_FILTER: return c->reorder ? ask_md(c->reorder, filter ? dnnl_query_dst_md : dnnl_query_src_md, 0) : NULL;
    default: return c->reorder ? ask_md(c->reorder, dnnl_query_scratchpad_md, 0) : NULL;
    }
}

static tn_code bench_new(const tn_onednn *c, bench **out, tn_error *err)
{
    bench *b = tn_calloc(1, sizeof(*b));
    if (!b) return tn_no_memory(err, sizeof(*b));
    dnnl_status_t s = dnnl_stream_create(&b->stream, c->engine, dnnl_stream_default_flags);
    for (int i = 0; i < MEMORIES && s == dnnl_success; i++) {
        const dnnl_memory_desc_t *md = md_of(c, i);
        if (md) s = dnnl_memory_create(&b->memory[i], md, c->engine, DNNL_MEMORY_NONE);
    }
    if (s != dnnl_success) {
        bench_free(b);
        return failed(s, "handles", err);
    }
    *out = b;
    return TN_OK;
}

static tn_code bench_take(tn_onednn *c, bench **out, tn_error *err)
{
    for (int i = 0; i < BENCHES; i++) {
        bench *b = atomic_exchange(&c->benches[i], NULL);
        if (b) {
            *out = b;
            return TN_OK;
        }
    }
    return bench_new(c, out, err);
}

static void bench_give(tn_onednn *c, bench *b)
{
    for (int i = 0; i < BENCHES; i++) {
        bench *none = NULL;
        if (atomic_compare_exchange_strong(&c->benches[i], &none, b)) return;
    }
    bench_free(b);
}

/* ---- run ---- */

size_t tn_onednn_scratch(const tn_onednn *c)
{
    return c->scratchpad + (c->reorder ? c->packed : 0);
}

uint64_t tn_onednn_packed_layout(const tn_onednn *c)
{
    return c->layout;
}

size_t tn_onednn_packed(const tn_onednn *c)
{
    return c->packed;
}

static dnnl_memory_t with(const bench *b, int which, const void *data, dnnl_status_t *s)
{
    union {
        const void *c;
        void *p;
    } at = {data}; /* oneDNN takes inputs as void * too */
    if (*s == dnnl_success && b->memory[which]) *s = dnnl_memory_set_data_handle(b->memory[which], at.p);
    return b->memory[which];
}

static dnnl_status_t reorder(const tn_onednn *c, const bench *b, const void *own, const void *packed,
                             void *scratch)
{
    dnnl_status_t s = dnnl_success;
    const dnnl_memory_t mine = with(b, OWN_FILTER, own, &s), theirs = with(b, FILTER, packed, &s);
    const bool back = c->d.kind == TN_CONV_BACKWARD_FILTER;
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, back ? theirs : mine},
                                    {DNNL_ARG_TO, back ? mine : theirs},
                                    {DNNL_ARG_SCRATCHPAD, with(b, TURN_SCRATCH, scratch, &s)}};
    return s == dnnl_success ? dnnl_primitive_execute(c->reorder, b->stream, 3, args) : s;
}

tn_code tn_onednn_pack(tn_onednn *c, const void *filter, void *packed, void *scratch, tn_error *err)
{
    bench *b;
    TN_TRY(bench_new(c, &b, err));
    const int before = omp_get_max_threads();
    omp_set_num_threads(c->d.threads);
    const dnnl_status_t s = reorder(c, b, filter, packed, scratch);
    omp_set_num_threads(before);
    bench_free(b);
    return failed(s, "reorder", err);
}

bool tn_onednn_form(const tn_onednn *c, tn_filter_form *out)
{
    const dnnl_memory_desc_t *md = md_of(c, FILTER);
    dnnl_memory_desc_t own;
    const dnnl_blocking_desc_t *b = md ? &md->format_desc.blocking : NULL;
    if (!b || md->format_kind != dnnl_blocked || md->data_type != dnnl_f32) return false;
    if (md->offset0 || md->extra.flags) return false;
    if (md->ndims > (int)TN_COUNT(out->dim) || b->inner_nblks > (int)TN_COUNT(out->block)) return false;
    if (describe_filter(&c->d, false, &own, NULL) != TN_OK) return false;
    *out = (tn_filter_form){.n_blocks = b->inner_nblks};
    for (int k = 0; k < b->inner_nblks; k++) {
        out->block[k].dim = -1;
        out->block[k].size = b->inner_blks[k];
    }
    for (int i = 0; i < md->ndims; i++) {
        if (md->dims[i] == 1) continue;
        for (int k = 0; k < b->inner_nblks; k++)
            if (b->inner_idxs[k] == i) out->block[k].dim = out->n;
        out->dim[out->n] = md->dims[i];
        out->own[out->n] = own.format_desc.blocking.strides[i];
        out->outer[out->n++] = b->strides[i];
    }
    return out->n > 0;
}

void tn_onednn_only_packed(tn_onednn *c)
{
    if (c->reorder) dnnl_primitive_destroy(c->reorder);
    c->reorder = NULL;
}

static dnnl_status_t execute(const tn_onednn *c, const bench *b, const tn_conv_args *a, const void *filter,
                             void *scratchpad)
{
    dnnl_status_t s = dnnl_success;
    const tn_conv_kind k = c->d.kind;
    const dnnl_exec_arg_t args[] = {
        {k == TN_CONV_BACKWARD_DATA ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, with(b, IN, a->in, &s)},
        {k == TN_CONV_BACKWARD_FILTER ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS,
         with(b, FILTER, filter, &s)},
        {k == TN_CONV_FORWARD ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, with(b, OUT, a->out, &s)},
        {DNNL_ARG_SCRATCHPAD, with(b, SCRATCH, scratchpad, &s)},
        {k == TN_CONV_FORWARD ? DNNL_ARG_BIAS : DNNL_ARG_DIFF_BIAS, with(b, BIAS, a->bias, &s)}};
    const int n = c->d.bias && k != TN_CONV_BACKWARD_DATA ? 5 : 4;
    return s == dnnl_success ? dnnl_primitive_execute(c->primitive, b->stream, n, args) : s;
}

static dnnl_status_t run(const tn_onednn *c, const bench *b, const tn_conv_args *a)
{
    void *own_packed = (char *)a->scratch + c->scratchpad;
    if (!c->reorder) return execute(c, b, a, a->packed ? a->packed : a->filter, a->scratch);
    if (c->d.kind == TN_CONV_BACKWARD_FILTER) {
        const dnnl_status_t s = execute(c, b, a, own_packed, a->scratch);
        return s == dnnl_success ? reorder(c, b, a->filter, own_packed, a->scratch) : s;
    }
    if (a->packed) return execute(c, b, a, a->packed, a->scratch);
    const dnnl_status_t s = reorder(c, b, a->filter, own_packed, a->scratch);
    return s == dnnl_success ? execute(c, b, a, own_packed, a->scratch) : s;
}

tn_code tn_onednn_run(tn_onednn *c, const tn_conv_args *a, tn_error *err)
{
    bench *b;
    TN_TRY(bench_take(c, &b, err));
    const int before = omp_get_max_threads();
    if (before != c->d.threads) omp_set_num_threads(c->d.threads);
    const dnnl_status_t s = run(c, b, a);
    if (before != c->d.threads) omp_set_num_threads(before);
    bench_give(c, b);
    return failed(s, "execution", err);
}
