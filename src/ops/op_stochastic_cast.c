/* SPDX-License-Identifier: Apache-2.0
 *
 * op_stochastic_cast.c - StochasticCastToInt: numbers rounded up as likely as they are near to what is above.
 * TensorFlow draws for several numbers at a time where its vectors reach from one dtype to the other, and so is it done
 * here: of each 8 floats or doubles to int32, the numbers of a draw come twice, whether they are needed or not;
 * otherwise one is drawn for each number that is no integer.
 */
#include <math.h>

#include "op_math.h"
#include "op_move.h"
#include "random_source.h"

typedef struct drawing {
    tn_philox p;
    tn_dtype from;
    double least, most; /* of the integers, as numbers of that dtype */
} drawing;

/* The next numbers in [0, 1) of the dtype; how many. */
static int draw(drawing *s, double out[4])
{
    uint32_t w[4];
    int bits = s->from == TN_HALF ? 10 : s->from == TN_BFLOAT16 ? 7 : 23;
    tn_philox_next(&s->p, w);
    if (s->from == TN_DOUBLE) {
        for (int k = 0; k < 2; k++) out[k] = ldexp((double)((uint64_t)(w[2 * k] & 0xfffff) << 32 | w[2 * k + 1]), -52);
        return 2;
    }
    for (int k = 0; k < 4; k++) out[k] = ldexp((double)(w[k] & ((1u << bits) - 1)), -bits);
    return 4;
}

/* A sum as the dtype has it. */
static double narrowed(tn_dtype t, double x)
{
    switch (t) {
    case TN_HALF: return (double)tn_half_to_float(tn_float_to_half((float)x));
    case TN_BFLOAT16: return (double)tn_bfloat16_to_float(tn_float_to_bfloat16((float)x));
    case TN_FLOAT: return (double)(float)x;
    default: return x;
    }
}

static double rounded(const drawing *s, double x, double random)
{
    if (isnan(x)) return 0;
    if (x >= s->most) return s->most;
    if (x <= s->least) return s->least;
    if (floor(x) == x) return x;
    if (x < 0) return floor(narrowed(s->from, x + random));
    if (s->from == TN_FLOAT || s->from == TN_DOUBLE) return floor(narrowed(s->from, x + (1 - random)));
    return floor(narrowed(s->from, narrowed(s->from, x + 1) - random));
}

static double number(const tn_tensor *t, int64_t i)
{
    switch (t->dtype) {
    case TN_HALF: return (double)tn_half_to_float(((const uint16_t *)t->data)[i]);
    case TN_BFLOAT16: return (double)tn_bfloat16_to_float(((const uint16_t *)t->data)[i]);
    case TN_FLOAT: return (double)TN_FLOATS(t)[i];
    default: return ((const double *)t->data)[i];
    }
}

/* What does not fit (2^31, which is a float, though no int32) becomes the least one, as the processor has it. */
static void put(tn_tensor *t, int64_t i, double x)
{
    int32_t v = x >= 2147483648.0 ? INT32_MIN : (int32_t)x;
    switch (t->dtype) {
    case TN_INT8: ((int8_t *)t->data)[i] = (int8_t)v; break;
    case TN_INT16: ((int16_t *)t->data)[i] = (int16_t)v; break;
    default: TN_INT32S(t)[i] = v;
    }
}

static void cast_all(const tn_tensor *in, tn_tensor *out, drawing *s)
{
    double random[4] = {0};
    bool wide = out->dtype == TN_INT32 && (s->from == TN_FLOAT || s->from == TN_DOUBLE);
    int64_t n = tn_tensor_count(in), i = 0, whole = wide ? n / 8 * 8 : 0;
    for (int drawn = 0; i < whole; i++) {
        if (i % 8 == 0 || (i % 4 == 0 && s->from == TN_DOUBLE)) drawn = draw(s, random);
        put(out, i, rounded(s, number(in, i), random[i % drawn]));
    }
    for (; i < n; i++) {
        double x = number(in, i);
        if (!(isnan(x) || x >= s->most || x <= s->least || floor(x) == x)) draw(s, random);
        put(out, i, rounded(s, x, random[0]));
    }
}

static tn_code cast_run(tn_run *r, tn_error *err)
{
    int64_t algorithm;
    drawing s = {.from = r->in[0]->dtype};
    TN_TRY(tn_int_of(r->in[3], "alg", &algorithm, err));
    if (algorithm != 1 && algorithm != 3)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Unsupported algorithm id: %lld", (long long)algorithm);
    if (tn_tensor_count(r->in[1]) != 1 || tn_tensor_count(r->in[2]) < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "key must be of shape [1], and counter not empty");
    tn_philox_init(&s.p, *(const uint64_t *)r->in[2]->data, *(const uint64_t *)r->in[1]->data);
    int bits = 8 * (int)tn_dtype_size(r->out[0]->dtype);
    s.least = -ldexp(1, bits - 1);
    s.most = narrowed(s.from, ldexp(1, bits - 1) - 1);
    cast_all(r->in[0], r->out[0], &s);
    return TN_OK;
}

static tn_code cast_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    TN_TRY(tn_infer_rank(c, 2, 1, err));
    TN_TRY(tn_infer_rank(c, 3, 0, err));
    c->out[0].shape = c->in[0]->shape;
    return TN_OK;
}

const tn_op tn_op_StochasticCastToInt = {
    .name = "StochasticCastToInt",
    .sig = "input:Tin key:uint64 counter:uint64 alg:int32 -> output:Tout; Tin:type{half,bfloat16,float,double} "
           "Tout:type{int8,int16,int32}",
    .infer = cast_infer,
    .run = cast_run,
};
