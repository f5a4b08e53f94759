/* SPDX-License-Identifier: Apache-2.0
 *
 * op_debug.c - what TensorFlow's debugger puts into graphs: how many elements of a tensor are NaN, infinite,
 * negative, zero; its least and greatest, mean and variance.
 */
#include "op_math.h"
#include "op_move.h"

#include <math.h>

typedef struct counts {
    double nan, below, negative, zero, positive, above; /* of the bounds, infinities by themselves */
    double n, finite, least, greatest, mean, variance;
} counts;

static counts count(const tn_tensor *t, double lower, double upper)
{
    counts c = {.n = (double)tn_tensor_count(t), .least = INFINITY, .greatest = -INFINITY};
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < tn_tensor_count(t); i++) {
        double x = tn_tensor_number(t, i);
        double *which = isnan(x)     ? &c.nan
                        : x <= lower ? &c.below
                        : x >= upper ? &c.above
                        : x < 0      ? &c.negative
                        : x == 0     ? &c.zero
                                     : &c.positive;
        *which += 1;
        if (!isfinite(x)) continue;
        c.finite += 1;
        c.least = fmin(c.least, x);
        c.greatest = fmax(c.greatest, x);
        sum += x;
    }
    c.mean = sum / c.finite;
    for (int64_t i = 0; i < tn_tensor_count(t); i++) {
        double x = tn_tensor_number(t, i);
        if (isfinite(x)) squares += (x - c.mean) * (x - c.mean);
    }
    c.variance = squares / c.finite;
    if (c.finite == 0) c.mean = c.variance = NAN;
    return c;
}

static tn_code check_numbers(tn_prepare *p, tn_error *err)
{
    tn_dtype t = p->in[0]->dtype;
    if (tn_dtype_is_pod(t) && !tn_dtype_is_complex(t)) return TN_OK;
    return tn_fail(err, TN_UNIMPLEMENTED, "%s of %s", p->op->name, tn_dtype_name(t));
}

/* ==== by the name of a tensor ==== "node" or "node:output" */

static tn_code check_name(const tn_run *r, tn_error *err)
{
    tn_view name = {0};
    int colons = 0;
    tn_attr_get_string(r->attrs, "tensor_name", &name);
    for (size_t i = 0; i < name.n; i++) colons += name.p[i] == ':';
    if (name.n > 0 && colons <= 1) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Failed to parse tensor name: \"%.*s\"",
                   (int)TN_MIN(name.n, (size_t)200), name.p ? (const char *)name.p : "");
}

static tn_code nan_count_run(tn_run *r, tn_error *err)
{
    TN_TRY(check_name(r, err));
    *TN_INT64S(r->out[0]) = (int64_t)count(r->in[0], -INFINITY, INFINITY).nan;
    return TN_OK;
}

static tn_code nan_count_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[0].shape = tn_shape_vector(1);
    return TN_OK;
}

enum { FIXED = 14 }; /* numbers before the shape */

static tn_code summary_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    int rank = c->in[0]->shape.rank;
    c->out[0].shape = tn_shape_vector(rank < 0 ? -1 : FIXED + rank);
    return TN_OK;
}

static tn_code summary_run(tn_run *r, tn_error *err)
{
    const tn_tensor *t = r->in[0];
    TN_TRY(check_name(r, err));
    counts c =
        count(t, (double)tn_attr_f(r->attrs, "lower_bound"), (double)tn_attr_f(r->attrs, "upper_bound"));
    const double all[FIXED] = {
        1,       c.n,     c.nan,      c.below, c.negative, c.zero,           c.positive,
        c.above, c.least, c.greatest, c.mean,  c.variance, (double)t->dtype, t->shape.rank};
    memcpy(r->out[0]->data, all, sizeof all);
    for (int k = 0; k < t->shape.rank; k++) ((double *)r->out[0]->data)[FIXED + k] = (double)t->shape.dim[k];
    return TN_OK;
}

/* ==== by number ==== */

enum { HEALTH = 2, CONCISE = 3, FULL = 4, SHAPE = 5, REDUCED = 8, SHAPE_DIMS = 6 };

static tn_code numbered_infer(tn_infer *c, tn_error *err)
{
    static const int8_t size[] = {[HEALTH] = 2, [CONCISE] = 5, [FULL] = 11, [SHAPE] = 10, [REDUCED] = 3};
    int64_t mode = tn_attr_i(c->attrs, "tensor_debug_mode");
    (void)err;
    c->out[0].shape = tn_shape_vector(mode < 0 || mode > REDUCED || !size[mode] ? -1 : size[mode]);
    return TN_OK;
}

/* The last six dimensions, zeros behind fewer. */
static void put_dims(const tn_shape *s, double *out)
{
    int first = TN_MAX(s->rank - SHAPE_DIMS, 0);
    for (int k = first; k < s->rank; k++) out[k - first] = (double)s->dim[k];
}

static tn_code numbered_run(tn_run *r, tn_error *err)
{
    const tn_tensor *t = r->in[0];
    int64_t mode = tn_attr_i(r->attrs, "tensor_debug_mode"), id = tn_attr_i(r->attrs, "tensor_id");
    if (r->out[0]->dtype == TN_FLOAT && id > 1 << 24)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "%s requires tensor_id to be less than or equal to (2^24). Given tensor_id:%lld",
                       r->op->name, (long long)id);
    const counts c = count(t, -INFINITY, INFINITY);
    double shape[4 + SHAPE_DIMS] = {(double)id, t->dtype, t->shape.rank, c.n};
    put_dims(&t->shape, shape + 4);
    const double health[] = {(double)id, c.below + c.above + c.nan > 0},
                 concise[] = {(double)id, c.n, c.below, c.above, c.nan},
                 full[] = {(double)id, -1,    t->dtype,   t->shape.rank, c.n,       c.below,
                           c.above,    c.nan, c.negative, c.zero,        c.positive},
                 reduced[] = {c.below ? -INFINITY : 0, c.above ? INFINITY : 0, c.nan ? NAN : 0};
    const double *const by_mode[] = {
        [HEALTH] = health, [CONCISE] = concise, [FULL] = full, [SHAPE] = shape, [REDUCED] = reduced};
    for (int64_t i = 0; i < tn_tensor_count(r->out[0]); i++)
        tn_tensor_set_number(r->out[0], i, by_mode[mode][i]);
    return TN_OK;
}

static tn_code numbered_prepare(tn_prepare *p, tn_error *err)
{
    int64_t mode = tn_attr_i(p->attrs, "tensor_debug_mode");
    TN_TRY(check_numbers(p, err));
    if ((mode >= HEALTH && mode <= SHAPE) || mode == REDUCED) return TN_OK;
    return tn_fail(err, TN_UNIMPLEMENTED, "Unimplemented tensor debug mode: %lld", (long long)mode);
}

const tn_op tn_op_DebugNanCount = {
    .name = "DebugNanCount",
    .sig = "input:T -> output:int64; T:type device_name:string=\"\" tensor_name:string=\"\" "
           "debug_urls:list(string)=[] "
           "gated_grpc:bool=false",
    .infer = nan_count_infer,
    .prepare = check_numbers,
    .run = nan_count_run,
    .flags = TN_NO_GRADIENT,
};
const tn_op tn_op_DebugNumericSummary = {
    .name = "DebugNumericSummary",
    .sig = "input:T -> output:double; T:type device_name:string=\"\" tensor_name:string=\"\" "
           "debug_urls:list(string)=[] "
           "lower_bound:float=-inf upper_bound:float=inf mute_if_healthy:bool=false gated_grpc:bool=false",
    .infer = summary_infer,
    .prepare = check_numbers,
    .run = summary_run,
};
const tn_op tn_op_DebugNumericSummaryV2 = {
    .name = "DebugNumericSummaryV2",
    .sig = "input:T -> output:output_dtype; output_dtype:type{float,double}=float T:type "
           "tensor_debug_mode:int=-1 "
           "tensor_id:int=-1",
    .infer = numbered_infer,
    .prepare = numbered_prepare,
    .run = numbered_run,
};

/* ==== Fact, Abort ==== */

static tn_code fact_run(tn_run *r, tn_error *err)
{
    return tn_string_set(r->out[0], 0, "0! == 1", 7, err);
}
TN_STATE_OP(Fact, fact_run, tn_infer_scalar, 0, 0, "-> fact:string;");

/* TensorFlow ends its process; here the run ends. */
static tn_code abort_run(tn_run *r, tn_error *err)
{
    tn_view why = {"", 0};
    tn_attr_get_string(r->attrs, "error_msg", &why);
    return tn_fail(err, TN_ABORTED, "'%s': Abort_op intentional failure; %.*s", r->name,
                   (int)TN_MIN(why.n, (size_t)200), why.n ? why.p : "");
}
TN_STATE_OP(Abort, abort_run, tn_infer_none, TN_EFFECT | TN_NO_GRADIENT, 0,
            "-> ; error_msg:string=\"\" exit_without_error:bool=false");
