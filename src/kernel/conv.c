/* SPDX-License-Identifier: Apache-2.0
 *
 * conv.c - convolutions: checks sizes, chooses who does them (for float our own where it can, else oneDNN; plain
 * loops for the other types; half and bfloat16 by way of float), handles empty arrays and what nobody fused.
 */
#include "conv.h"
#include "gemm.h"

/* The layout of packed filters that are copies: so that those with factors in them are held like others. */
enum { AS_IT_IS = 1 };

struct tn_conv {
    tn_conv_desc d;
    tn_conv_size s;
    tn_onednn *onednn; /* NULL: plain loops */
    tn_conv *wide;     /* half, bfloat16: the float convolution */
    bool tiled;           /* conv_tile.c's */
    bool winograd;        /* conv_winograd.c's */
    bool winograd_filter; /* conv_winograd_filter.c's, and oneDNN's what is not finite */
    bool amx;             /* conv_amx.c's */
    bool acts, pools;     /* what is left to do here, after the others */
    int isa;
};

/* ---- sizes ---- */

void tn_window_size(int64_t in, int64_t filter, int64_t stride, int64_t dilation, bool same, int64_t *out,
                    int64_t *pad_lo, int64_t *pad_hi)
{
    const int64_t extent = (filter - 1) * dilation + 1;
    if (!same) {
        *out = in < extent ? 0 : (in - extent) / stride + 1;
        *pad_lo = *pad_hi = 0;
        return;
    }
    *out = in / stride + (in % stride != 0); /* in may be as large as there is */
    const int64_t pad = TN_MAX(extent - (in - (*out - 1) * stride), 0);
    *pad_lo = pad / 2;
    *pad_hi = pad - pad / 2;
}

static tn_conv_size size_of(const tn_conv_desc *d)
{
    tn_conv_size s = {.batch = d->batch, .in_c = d->in_c, .out_c = d->out_c, .groups = d->groups};
    s.in_count = d->batch * d->in_c;
    s.out_count = d->batch * d->out_c;
    s.filter_count = d->in_c / d->groups * d->out_c;
    for (int i = 0; i < 3; i++) {
        const int from = i - (3 - d->spatial);
        const bool real = from >= 0;
        s.in[i] = real ? d->in[from] : 1;
        s.out[i] = real ? d->out[from] : 1;
        s.filter[i] = real ? d->filter[from] : 1;
        s.stride[i] = real ? d->stride[from] : 1;
        s.dilation[i] = real ? d->dilation[from] : 1;
        s.pad[i] = real ? d->pad_lo[from] : 0;
        s.in_count *= s.in[i];
        s.out_count *= s.out[i];
        s.filter_count *= s.filter[i];
    }
    return s;
}

static tn_code check_spatial(const tn_conv_desc *d, int i, tn_error *err)
{
    if (d->in[i] < 0 || d->filter[i] < 1 || d->stride[i] < 1 || d->dilation[i] < 1 || d->pad_lo[i] < 0 ||
        d->pad_hi[i] < 0 || d->out[i] < 0 || d->in[i] > INT32_MAX || d->filter[i] > INT32_MAX ||
        d->stride[i] > INT32_MAX || d->dilation[i] > INT32_MAX || d->pad_lo[i] > INT32_MAX ||
        d->pad_hi[i] > INT32_MAX)
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "convolution, dimension %d: size %lld, filter %lld, stride %lld, dilation %lld are out of range",
            i, (long long)d->in[i], (long long)d->filter[i], (long long)d->stride[i],
            (long long)d->dilation[i]);
    const int64_t extent = (d->filter[i] - 1) * d->dilation[i] + 1,
                  room = d->in[i] + d->pad_lo[i] + d->pad_hi[i];
    const int64_t want = room < extent ? 0 : (room - extent) / d->stride[i] + 1;
    if (want != d->out[i])
        return tn_fail(err, TN_INVALID_ARGUMENT, "convolution, dimension %d: %lld results, expected %lld", i,
                       (long long)d->out[i], (long long)want);
    return TN_OK;
}

static bool fits(int64_t batch, int64_t channels, const int64_t *dim, int n)
{
    int64_t count = 4;
    bool ok =
        !__builtin_mul_overflow(count, batch, &count) && !__builtin_mul_overflow(count, channels, &count);
    for (int i = 0; i < n; i++) ok = ok && !__builtin_mul_overflow(count, dim[i], &count);
    return ok;
}

static tn_code check_pool(const tn_conv_desc *d, tn_error *err)
{
    const tn_pool_desc *p = &d->pool;
    bool fits = d->kind == TN_CONV_FORWARD && d->dtype == TN_FLOAT && p->dtype == TN_FLOAT && d->spatial == 2 &&
                p->batch == d->batch && p->channels == d->out_c;
    for (int i = 0; i < 2; i++)
        fits = fits && p->in[i] == d->out[i] && p->pad_lo[i] == 0 && p->window[i] <= p->stride[i];
    if (!fits) return tn_fail(err, TN_INVALID_ARGUMENT, "a pool that does not follow the convolution before it");
    return tn_pool_check(p, err);
}

static tn_code check(const tn_conv_desc *d, tn_error *err)
{
    if (d->dtype != TN_FLOAT && d->dtype != TN_DOUBLE && d->dtype != TN_HALF && d->dtype != TN_BFLOAT16 &&
        d->dtype != TN_INT32)
        return tn_fail(err, TN_UNIMPLEMENTED, "no convolution of %s", tn_dtype_name(d->dtype));
    if (d->spatial < 1 || d->spatial > 3)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a convolution has %d spatial dimensions", d->spatial);
    if (d->batch < 0 || d->in_c < 1 || d->out_c < 1 || d->groups < 1 || d->in_c % d->groups ||
        d->out_c % d->groups)
        return tn_fail(err, TN_INVALID_ARGUMENT, "convolution of %lld channels to %lld in %lld groups",
                       (long long)d->in_c, (long long)d->out_c, (long long)d->groups);
    for (int i = 0; i < d->spatial; i++) TN_TRY(check_spatial(d, i, err));
    if (d->pools) TN_TRY(check_pool(d, err));
    if (!fits(d->batch, d->in_c, d->in, d->spatial) || !fits(d->batch, d->out_c, d->out, d->spatial) ||
        !fits(d->in_c / d->groups, d->out_c, d->filter, d->spatial))
        return tn_fail(err, TN_INVALID_ARGUMENT, "a convolution's arrays are too large");
    return TN_OK;
}

/* ---- new, free ---- */

static bool is_short(tn_dtype t)
{
    return t == TN_HALF || t == TN_BFLOAT16;
}

static tn_code choose(tn_conv *c, tn_error *err)
{
    const tn_conv_desc *d = &c->d;
    c->acts = d->kind == TN_CONV_FORWARD && d->act != TN_ACT_NONE && d->dtype == TN_FLOAT;
    c->pools = d->pools;
    enum { FEW = 4 }; /* images, of which a pool is done sooner where its input is in the first cache */
    const bool winograd = tn_conv_is_winograd(d, &c->s),
               pooled = d->pools && d->batch < FEW && (winograd || tn_conv_is_tiled(d, &c->s));
    c->winograd_filter = tn_conv_is_winograd_filter(d, &c->s);
    if (!pooled && tn_conv_amx_takes(&c->d, &c->s)) {
        c->amx = true;
        c->acts = c->acts && d->act != TN_ACT_RELU;
        c->d.pools = false;
    } else if (winograd) {
        c->winograd = true;
        c->acts = c->acts && !tn_conv_tile_does_act(d->act);
        c->pools = d->pools && !tn_conv_winograd_pools(d);
        c->d.pools = d->pools && !c->pools;
    } else if (tn_conv_is_tiled(d, &c->s)) {
        c->tiled = true;
        c->acts = c->acts && !tn_conv_tile_does_act(d->act);
        c->pools = d->pools && c->acts;
        c->d.pools = d->pools && !c->pools;
    } else if (d->dtype == TN_FLOAT && !d->portable && c->s.in_count > 0 && c->s.out_count > 0) {
        const tn_code code = tn_onednn_new(d, &c->onednn, err);
        if (code != TN_UNIMPLEMENTED) TN_TRY(code); /* the plain loops do what oneDNN does not */
        if (c->onednn) c->acts = c->acts && !tn_onednn_does_act(d->act);
    }
    return TN_OK;
}

tn_code tn_conv_new(const tn_conv_desc *d, tn_conv **out, tn_error *err)
{
    TN_TRY(check(d, err));
    tn_conv *c = tn_calloc(1, sizeof(*c));
    if (!c) return tn_no_memory(err, sizeof(*c));
    c->d = *d;
    c->d.threads = TN_MAX(d->threads, 1);
    c->s = size_of(d);
    c->isa = tn_isa_level_now();
    tn_code code = TN_OK;
    if (is_short(d->dtype)) {
        tn_conv_desc wide = c->d;
        wide.dtype = TN_FLOAT;
        code = tn_conv_new(&wide, &c->wide, err);
    } else {
        code = choose(c, err);
    }
    if (code != TN_OK) {
        tn_conv_free(c);
        return code;
    }
    *out = c;
    return TN_OK;
}

void tn_conv_free(tn_conv *c)
{
    if (!c) return;
    tn_onednn_free(c->onednn);
    tn_conv_free(c->wide);
    tn_free(c);
}

void tn_conv_rest(tn_conv *c)
{
    if (c && c->onednn) tn_onednn_rest(c->onednn);
    if (c) tn_conv_rest(c->wide);
}

/* ---- half, bfloat16: everything as floats in scratch ---- */

typedef struct places {
    size_t in, filter, bias, out, rest;
} places;

static places places_of(const tn_conv_size *s)
{
    places p = {0};
    p.filter = p.in + tn_round64((size_t)s->in_count * 4);
    p.bias = p.filter + tn_round64((size_t)s->filter_count * 4);
    p.out = p.bias + tn_round64((size_t)s->out_c * 4);
    p.rest = p.out + tn_round64((size_t)s->out_count * 4);
    return p;
}

/* The result before it is pooled, when that is done here: at scratch's beginning. */
static size_t unpooled(const tn_conv *c)
{
    return c->pools ? tn_round64((size_t)c->s.out_count * sizeof(float)) : 0;
}

size_t tn_conv_scratch(const tn_conv *c)
{
    if (c->wide) return places_of(&c->s).rest + tn_conv_scratch(c->wide);
    if (c->amx) return unpooled(c) + tn_conv_amx_scratch(&c->d, &c->s);
    if (c->winograd) return unpooled(c) + tn_conv_winograd_scratch(&c->d, &c->s, c->isa);
    if (c->tiled) return unpooled(c) + tn_conv_tiled_scratch(&c->d, &c->s, c->isa);
    const size_t library = unpooled(c) + (c->onednn ? tn_onednn_scratch(c->onednn) : 0);
    return c->winograd_filter ? TN_MAX(library, tn_conv_winograd_filter_scratch(&c->d, &c->s)) : library;
}
size_t tn_conv_packed(const tn_conv *c)
{
    if (c->amx) return tn_conv_amx_packed(&c->d, &c->s);
    if (c->winograd) return (size_t)c->s.filter_count * sizeof(float);
    if (c->tiled) return tn_conv_tiled_packed(&c->d, &c->s, c->isa);
    return c->onednn ? tn_onednn_packed(c->onednn) : 0;
}

uint64_t tn_conv_packed_layout(const tn_conv *c)
{
    if (c->amx) return (uint64_t)c->d.kind << 8 | TN_ISA_AMX;
    if (c->winograd) return AS_IT_IS;
    return c->onednn ? tn_onednn_packed_layout(c->onednn) : 0;
}

tn_code tn_conv_pack(const tn_conv *c, const void *filter, void *packed, void *scratch, tn_error *err)
{
    if (c->amx) tn_conv_amx_pack(&c->d, &c->s, filter, packed);
    if (c->winograd) memcpy(packed, filter, tn_conv_packed(c));
    if (c->tiled) tn_conv_tiled_pack(&c->d, &c->s, c->isa, filter, packed);
    return c->onednn && tn_onednn_packed(c->onednn) ? tn_onednn_pack(c->onednn, filter, packed, scratch, err) : TN_OK;
}

bool tn_conv_form(const tn_conv *c, tn_filter_form *out)
{
    if (c->winograd) {
        *out = (tn_filter_form){.n = 1, .dim = {c->s.filter_count}, .own = {1}, .outer = {1}};
        return true;
    }
    return c->onednn && tn_onednn_packed(c->onednn) && tn_onednn_form(c->onednn, out);
}

/* What is added to the packed position by place i of dimension d. */
static int64_t packed_step(const tn_filter_form *f, int d, int64_t i)
{
    int64_t at = 0, apart = 1;
    for (int k = f->n_blocks - 1; k >= 0; k--) {
        if (f->block[k].dim == d) {
            at += i % f->block[k].size * apart;
            i /= f->block[k].size;
        }
        apart *= f->block[k].size;
    }
    return at + i * f->outer[d];
}

static void unpack_from(const tn_filter_form *f, int d, const float *packed, float *filter)
{
    for (int64_t i = 0; i < f->dim[d]; i++) {
        const float *at = packed + packed_step(f, d, i);
        if (d + 1 < f->n) unpack_from(f, d + 1, at, filter + i * f->own[d]);
        else filter[i * f->own[d]] = *at;
    }
}

void tn_filter_unpack(const tn_filter_form *f, const float *packed, float *filter)
{
    unpack_from(f, 0, packed, filter);
}

void tn_conv_pack_alone(const tn_conv_desc *d, const void *filter, void *packed)
{
    const tn_conv_size s = size_of(d);
    tn_conv_amx_pack(d, &s, filter, packed);
}

bool tn_conv_reads_both(const tn_conv *c)
{
    return c->amx || c->wide;
}

void tn_conv_only_packed(tn_conv *c)
{
    if (c->onednn) tn_onednn_only_packed(c->onednn);
}

static tn_code run_wide(const tn_conv *c, const tn_conv_args *a, tn_error *err)
{
    const tn_conv_size *s = &c->s;
    const places p = places_of(s);
    const tn_dtype t = c->d.dtype;
    char *m = a->scratch;
    tn_conv_args w = {.in = m + p.in,
                      .filter = m + p.filter,
                      .bias = c->d.bias ? m + p.bias : NULL,
                      .out = m + p.out,
                      .scratch = m + p.rest};
    if (c->d.kind != TN_CONV_BACKWARD_DATA)
        TN_TRY(tn_cast(t, TN_FLOAT, s->in_count, a->in, w.in, false, c->d.threads, err));
    if (c->d.kind != TN_CONV_BACKWARD_FILTER)
        TN_TRY(tn_cast(t, TN_FLOAT, s->filter_count, a->filter, w.filter, false, c->d.threads, err));
    if (c->d.kind != TN_CONV_FORWARD)
        TN_TRY(tn_cast(t, TN_FLOAT, s->out_count, a->out, w.out, false, c->d.threads, err));
    if (c->d.kind == TN_CONV_FORWARD && c->d.bias)
        TN_TRY(tn_cast(t, TN_FLOAT, s->out_c, a->bias, w.bias, false, 1, err));
    TN_TRY(tn_conv_run(c->wide, &w, err));
    if (c->d.kind == TN_CONV_FORWARD)
        return tn_cast(TN_FLOAT, t, s->out_count, w.out, a->out, false, c->d.threads, err);
    if (c->d.kind == TN_CONV_BACKWARD_DATA)
        return tn_cast(TN_FLOAT, t, s->in_count, w.in, a->in, false, c->d.threads, err);
    if (c->d.bias) TN_TRY(tn_cast(TN_FLOAT, t, s->out_c, w.bias, a->bias, false, 1, err));
    return tn_cast(TN_FLOAT, t, s->filter_count, w.filter, a->filter, false, c->d.threads, err);
}

/* ---- run ---- */

/* Something has no elements: what is written is all zero. */
static void run_empty(const tn_conv *c, const tn_conv_args *a)
{
    const size_t size = tn_dtype_size(c->d.dtype);
    if (c->d.kind == TN_CONV_BACKWARD_DATA && c->s.in_count > 0)
        memset(a->in, 0, (size_t)c->s.in_count * size);
    if (c->d.kind != TN_CONV_BACKWARD_FILTER) return;
    memset(a->filter, 0, (size_t)c->s.filter_count * size);
    if (c->d.bias) memset(a->bias, 0, (size_t)c->s.out_c * size);
}

static tn_code run_whole(const tn_conv *c, const tn_conv_args *a, tn_error *err)
{
    if (c->winograd_filter && tn_conv_winograd_filter(&c->d, &c->s, c->isa, a)) return TN_OK;
    if (c->amx)
        tn_conv_amx(&c->d, &c->s, a);
    else if (c->winograd)
        tn_conv_winograd(&c->d, &c->s, c->isa, a);
    else if (c->tiled)
        tn_conv_tiled(&c->d, &c->s, c->isa, a);
    else if (c->onednn)
        TN_TRY(tn_onednn_run(c->onednn, a, err));
    else
        tn_conv_direct(&c->d, &c->s, a->in, a->filter, c->d.bias ? a->bias : NULL, a->out);
    if (c->acts)
        tn_bias_act(a->out, NULL, c->s.out_count / c->s.out_c, c->s.out_c, c->d.act, c->d.alpha, c->d.threads);
    return TN_OK;
}

tn_code tn_conv_run(const tn_conv *c, const tn_conv_args *a, tn_error *err)
{
    if (c->s.out_count == 0 || (c->s.in_count == 0 && c->d.kind != TN_CONV_FORWARD)) {
        run_empty(c, a);
        return TN_OK;
    }
    if (c->wide) return run_wide(c, a, err);
    if (!c->pools) return run_whole(c, a, err);
    tn_conv_args inner = *a;
    inner.out = a->scratch;
    inner.scratch = (char *)a->scratch + unpooled(c);
    TN_TRY(run_whole(c, &inner, err));
    tn_pool_forward(&c->d.pool, inner.out, a->out);
    return TN_OK;
}
