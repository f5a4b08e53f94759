/* SPDX-License-Identifier: Apache-2.0
 *
 * pool.c - maximum and average pooling: checks, sharing out rows and images. Windows that overlap add up
 * within one image, so backward shares out images only.
 */
#pragma GCC diagnostic ignored "-Wtautological-compare" /* integers are never NaN */

#include "pool.h"

#include <omp.h>

#define M double
#define A double
#define GET(x) (x)
#define PUT(x) (x)
#define NAME(x) f64_##x
#define POOL f64
#include "pool_type.h"
#define M uint16_t
#define A float
#define GET(x) tn_half_to_float(x)
#define PUT(x) tn_float_to_half(x)
#define NAME(x) f16_##x
#define POOL f16
#include "pool_type.h"
#define M uint16_t
#define A float
#define GET(x) tn_bfloat16_to_float(x)
#define PUT(x) tn_float_to_bfloat16(x)
#define NAME(x) bf16_##x
#define POOL bf16
#include "pool_type.h"
#define M int8_t
#define A int8_t
#define GET(x) (x)
#define PUT(x) (int8_t)(x)
#define NAME(x) i8_##x
#define POOL i8
#include "pool_type.h"
#define M uint8_t
#define A uint8_t
#define GET(x) (x)
#define PUT(x) (uint8_t)(x)
#define NAME(x) u8_##x
#define POOL u8
#include "pool_type.h"
#define M int16_t
#define A int16_t
#define GET(x) (x)
#define PUT(x) (int16_t)(x)
#define NAME(x) i16_##x
#define POOL i16
#include "pool_type.h"
#define M uint16_t
#define A uint16_t
#define GET(x) (x)
#define PUT(x) (uint16_t)(x)
#define NAME(x) u16_##x
#define POOL u16
#include "pool_type.h"
#define M int32_t
#define A int32_t
#define GET(x) (x)
#define PUT(x) (int32_t)(x)
#define NAME(x) i32_##x
#define POOL i32
#include "pool_type.h"
#define M int64_t
#define A int64_t
#define GET(x) (x)
#define PUT(x) (int64_t)(x)
#define NAME(x) i64_##x
#define POOL i64
#include "pool_type.h"
#define M uint32_t
#define A uint32_t
#define GET(x) (x)
#define PUT(x) (uint32_t)(x)
#define NAME(x) u32_##x
#define POOL u32
#include "pool_type.h"
#define M uint64_t
#define A uint64_t
#define GET(x) (x)
#define PUT(x) (uint64_t)(x)
#define NAME(x) u64_##x
#define POOL u64
#include "pool_type.h"

static const tn_pool_type *type_of(tn_dtype t)
{
    switch (t) {
    case TN_FLOAT: return &TN_ISA_PICK(tn_isa_pool, tn_isa_level_now())->f32;
    case TN_DOUBLE: return &f64;
    case TN_HALF: return &f16;
    case TN_BFLOAT16: return &bf16;
    case TN_INT8: return &i8;
    case TN_UINT8: return &u8;
    case TN_INT16: return &i16;
    case TN_UINT16: return &u16;
    case TN_INT32: return &i32;
    case TN_INT64: return &i64;
    case TN_UINT32: return &u32;
    case TN_UINT64: return &u64;
    default: return NULL;
    }
}

/* Every window must meet the input: its output size and padding say so. */
static tn_code check_dim(const tn_pool_desc *d, int i, tn_error *err)
{
    const int64_t last = (d->out[i] - 1) * d->stride[i] - d->pad_lo[i];
    if (d->in[i] < 0 || d->out[i] < 0 || d->window[i] < 1 || d->stride[i] < 1 || d->pad_lo[i] < 0 ||
        d->in[i] > INT32_MAX || d->window[i] > INT32_MAX || d->stride[i] > INT32_MAX ||
        d->out[i] > INT32_MAX || d->pad_lo[i] >= d->window[i] || (d->out[i] > 0 && last >= d->in[i]))
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "pooling, dimension %d: size %lld, window %lld, stride %lld, padding %lld, %lld results", i,
            (long long)d->in[i], (long long)d->window[i], (long long)d->stride[i], (long long)d->pad_lo[i],
            (long long)d->out[i]);
    return TN_OK;
}

tn_code tn_pool_check(const tn_pool_desc *d, tn_error *err)
{
    const bool real =
        d->dtype == TN_FLOAT || d->dtype == TN_DOUBLE || d->dtype == TN_HALF || d->dtype == TN_BFLOAT16;
    if (!type_of(d->dtype) || (d->kind == TN_POOL_AVG && !real))
        return tn_fail(err, TN_UNIMPLEMENTED, "no pooling of %s", tn_dtype_name(d->dtype));
    if (d->batch < 0 || d->channels < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "pooling of %lld images of %lld channels",
                       (long long)d->batch, (long long)d->channels);
    if (d->window[0] > 0 && d->window[1] > INT32_MAX / d->window[0])
        return tn_fail(err, TN_INVALID_ARGUMENT, "a pooling window is too large");
    TN_TRY(check_dim(d, 0, err));
    return check_dim(d, 1, err);
}

static double work_of(const tn_pool_desc *d)
{
    return (double)d->batch * (double)d->channels *
           (double)TN_MAX(d->in[0] * d->in[1], d->out[0] * d->out[1]);
}

static void forward_part(const tn_pool_desc *d, const tn_pool_type *t, const void *in, void *out, int part,
                         int parts)
{
    int64_t from, to;
    tn_share(d->batch * d->out[0], 1, part, parts, &from, &to);
    if (d->kind == TN_POOL_MAX)
        t->max_rows(d, in, out, from, to);
    else
        t->avg_rows(d, in, out, from, to);
}

void tn_pool_forward(const tn_pool_desc *d, const void *in, void *out)
{
    const tn_pool_type *t = type_of(d->dtype);
    const int threads = tn_team(d->threads, work_of(d));
    if (threads == 1) {
        forward_part(d, t, in, out, 0, 1);
        return;
    }
#pragma omp parallel num_threads(threads)
    forward_part(d, t, in, out, omp_get_thread_num(), omp_get_num_threads());
}

static void backward_part(const tn_pool_desc *d, const tn_pool_type *t, const void *in, const void *grad,
                          void *grad_in, int part, int parts)
{
    int64_t from, to;
    tn_share(d->batch, 1, part, parts, &from, &to);
    if (d->kind == TN_POOL_MAX)
        t->max_back(d, in, grad, grad_in, from, to);
    else
        t->avg_back(d, grad, grad_in, from, to);
}

void tn_pool_backward(const tn_pool_desc *d, const void *in, const void *grad_out, void *grad_in)
{
    const tn_pool_type *t = type_of(d->dtype);
    const int threads = tn_team(d->threads, work_of(d));
    if (threads == 1) {
        backward_part(d, t, in, grad_out, grad_in, 0, 1);
        return;
    }
#pragma omp parallel num_threads(threads)
    backward_part(d, t, in, grad_out, grad_in, omp_get_thread_num(), omp_get_num_threads());
}

/* ---- with the places of the maxima ---- */

void tn_max_pool_argmax(const tn_pool_desc *d, const void *in, void *out, int64_t *argmax, bool include_batch)
{
    const int64_t each = d->out[0] * d->out[1] * d->channels, image = d->in[0] * d->in[1] * d->channels;
    type_of(d->dtype)->max_args(d, in, out, argmax, 0, d->batch * d->out[0]);
    for (int64_t i = 0; include_batch && i < d->batch * each; i++) argmax[i] += i / each * image;
}
