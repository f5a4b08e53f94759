/* SPDX-License-Identifier: Apache-2.0
 *
 * op_random.c - random numbers: bit for bit TensorFlow's, both the operators with a generator of their own
 * (seed, seed2; it moves on with every run) and the stateless ones. The streams are kernel/'s.
 */
#include "op_move.h"
#include "random_source.h"

/* ==== shapes ==== */

static tn_code shape_infer(tn_infer *c, tn_error *err)
{
    return tn_infer_new_shape(c, 0, &c->out[0].shape, err);
}

/* ==== operators with a generator ==== */

/* TensorFlow sets 256 groups of four aside for each result. */
static tn_code next_state(tn_run *r, int64_t count, tn_philox *p, tn_error *err)
{
    tn_philox_state s;
    TN_TRY(tn_run_random(r, (uint64_t)count * 256, &s, err));
    memcpy(p->counter, s.counter, sizeof p->counter);
    memcpy(p->key, s.key, sizeof p->key);
    return TN_OK;
}

static tn_code float_run(tn_run *r, tn_random_kind kind, tn_error *err)
{
    tn_philox p;
    int64_t n = tn_tensor_count(r->out[0]);
    if (n == 0) return TN_OK;
    TN_TRY(next_state(r, n, &p, err));
    return tn_random(kind, r->out[0]->dtype, &p, n, r->out[0]->data, r->threads, err);
}
static tn_code uniform_run(tn_run *r, tn_error *err)
{
    return float_run(r, TN_RANDOM_UNIFORM, err);
}
static tn_code normal_run(tn_run *r, tn_error *err)
{
    return float_run(r, TN_RANDOM_NORMAL, err);
}
static tn_code truncated_run(tn_run *r, tn_error *err)
{
    return float_run(r, TN_RANDOM_TRUNCATED, err);
}

static tn_code check_range(const tn_tensor *lo, const tn_tensor *hi, tn_error *err)
{
    if (tn_tensor_count(lo) != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "minval must be 0-D");
    if (tn_tensor_count(hi) != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "maxval must be 0-D");
    int64_t a = tn_tensor_int(lo, 0), b = tn_tensor_int(hi, 0);
    bool less = lo->dtype == TN_UINT64 ? (uint64_t)a < (uint64_t)b : a < b;
    if (less) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Need minval < maxval, got %lld >= %lld", (long long)a,
                   (long long)b);
}

static tn_code int_run(tn_run *r, tn_error *err)
{
    tn_philox p;
    int64_t n = tn_tensor_count(r->out[0]);
    if (n == 0) return TN_OK;
    int64_t least, beyond;
    TN_TRY(tn_int_of(r->in[1], "minval", &least, err));
    TN_TRY(tn_int_of(r->in[2], "maxval", &beyond, err));
    TN_TRY(check_range(r->in[1], r->in[2], err));
    TN_TRY(next_state(r, n, &p, err));
    return tn_random_int(r->out[0]->dtype, &p, least, beyond, n, r->out[0]->data, r->threads, err);
}

#define RANDOM(NAME, RUN, FLAGS, SIG)      \
    const tn_op tn_op_##NAME = {           \
        .name = #NAME,                     \
        .sig = SIG,                        \
        .infer = shape_infer,              \
        .run = RUN,                        \
        .flags = (FLAGS) | TN_NO_GRADIENT, \
        .values = TN_BIT(0),               \
    }
RANDOM(RandomUniform, uniform_run, TN_STATEFUL,
       "shape:T -> output:dtype; seed:int=0 seed2:int=0 dtype:type{half,bfloat16,float,double} "
       "T:type{int32,int64}");
RANDOM(RandomStandardNormal, normal_run, TN_STATEFUL,
       "shape:T -> output:dtype; seed:int=0 seed2:int=0 dtype:type{half,bfloat16,float,double} "
       "T:type{int32,int64}");
RANDOM(TruncatedNormal, truncated_run, TN_STATEFUL,
       "shape:T -> output:dtype; seed:int=0 seed2:int=0 dtype:type{half,bfloat16,float,double} "
       "T:type{int32,int64}");
RANDOM(RandomUniformInt, int_run, TN_STATEFUL,
       "shape:T minval:Tout maxval:Tout -> output:Tout; seed:int=0 seed2:int=0 Tout:type{int32,int64} "
       "T:type{int32,int64}");

/* ==== RandomShuffle ==== rows in an order drawn by Fisher and Yates */

typedef struct stream { /* numbers one by one from groups of four */
    tn_philox p;
    uint32_t group[4];
    int used;
} stream;

static uint32_t stream_next(stream *s)
{
    if (s->used == 4) {
        tn_philox_next(&s->p, s->group);
        s->used = 0;
    }
    return s->group[s->used++];
}

static tn_code shuffle_prepare(tn_prepare *p, tn_error *err)
{
    (void)err;
    const tn_shape *s = &p->in[0]->shape;
    p->scratch = s->rank < 1 ? 0 : (size_t)s->dim[0] * sizeof(int64_t);
    return TN_OK;
}

static tn_code shuffle(tn_run *r, stream *s, tn_error *err)
{
    const tn_tensor *in = r->in[0];
    int64_t n = in->shape.dim[0], *order = r->scratch;
    for (int64_t i = 0; i < n; i++) order[i] = i;
    for (int64_t i = 0; i < n - 1; i++) {
        int64_t k = i + (int64_t)(stream_next(s) % (uint32_t)(n - i)), swap = order[i];
        order[i] = order[k];
        order[k] = swap;
    }
    int64_t inner = tn_shape_product(&in->shape, 1, in->shape.rank);
    for (int64_t i = 0; i < n; i++)
        TN_TRY(tn_move_row(r->out[0], i * inner, in, order[i] * inner, inner, err));
    return TN_OK;
}

/* Nothing to be shuffled: copied, and no number is drawn. */
static tn_code has_rows(tn_run *r, bool *yes, tn_error *err)
{
    const tn_tensor *in = r->in[0];
    int64_t n = in->shape.rank < 1 ? 1 : in->shape.dim[0];
    *yes = tn_tensor_count(in) > 0 && n > 1;
    if (!*yes) return tn_move_row(r->out[0], 0, in, 0, tn_tensor_count(in), err);
    return n <= INT32_MAX ? TN_OK
                          : tn_fail(err, TN_INVALID_ARGUMENT, "%s of %lld rows", r->op->name, (long long)n);
}

static tn_code shuffle_run(tn_run *r, tn_error *err)
{
    bool yes;
    stream s = {.used = 4};
    tn_philox_state state;
    TN_TRY(has_rows(r, &yes, err));
    if (!yes) return TN_OK;
    TN_TRY(tn_run_random(r, (uint64_t)(r->in[0]->shape.dim[0] - 1 + 3) / 4, &state, err));
    memcpy(s.p.counter, state.counter, sizeof s.p.counter);
    memcpy(s.p.key, state.key, sizeof s.p.key);
    return shuffle(r, &s, err);
}

static tn_code stateless_shuffle_run(tn_run *r, tn_error *err)
{
    bool yes;
    char text[64];
    stream s = {.used = 4};
    if (r->in[1]->shape.rank != 1 || r->in[1]->shape.dim[0] != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "key must have shape [1], not %s",
                       tn_shape_text(&r->in[1]->shape, text, sizeof text));
    TN_TRY(tn_random_source(r, 0, &s.p, err));
    TN_TRY(has_rows(r, &yes, err));
    return yes ? shuffle(r, &s, err) : TN_OK;
}

const tn_op tn_op_StatelessShuffle = {
    .name = "StatelessShuffle",
    .sig = "value:T key:uint64 counter:uint64 alg:int32 -> output:T; T:type",
    .infer = tn_infer_like_first,
    .prepare = shuffle_prepare,
    .run = stateless_shuffle_run,
};

const tn_op tn_op_RandomShuffle = {
    .name = "RandomShuffle",
    .sig = "value:T -> output:T; seed:int=0 seed2:int=0 T:type",
    .infer = tn_infer_like_first,
    .prepare = shuffle_prepare,
    .run = shuffle_run,
    .flags = TN_STATEFUL | TN_NO_GRADIENT,
};

/* ==== stateless, by a seed of two numbers ==== */

static tn_code seeded(const tn_tensor *seed, tn_philox *p, tn_error *err)
{
    char text[64];
    if (seed->dtype != TN_INT32 && seed->dtype != TN_INT64)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid seed type: %s", tn_dtype_name(seed->dtype));
    if (seed->shape.rank != 1 || seed->shape.dim[0] != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "seed must have shape [2], not %s",
                       tn_shape_text(&seed->shape, text, sizeof text));
    tn_philox_stateless(p, (uint64_t)tn_tensor_int(seed, 0), (uint64_t)tn_tensor_int(seed, 1));
    return TN_OK;
}

static tn_code stateless_float(tn_run *r, tn_random_kind kind, tn_error *err)
{
    tn_philox p;
    int64_t n = tn_tensor_count(r->out[0]);
    TN_TRY(seeded(r->in[1], &p, err));
    return n ? tn_random(kind, r->out[0]->dtype, &p, n, r->out[0]->data, r->threads, err) : TN_OK;
}
static tn_code stateless_uniform_run(tn_run *r, tn_error *err)
{
    return stateless_float(r, TN_RANDOM_UNIFORM, err);
}
static tn_code stateless_normal_run(tn_run *r, tn_error *err)
{
    return stateless_float(r, TN_RANDOM_NORMAL, err);
}
static tn_code stateless_truncated_run(tn_run *r, tn_error *err)
{
    return stateless_float(r, TN_RANDOM_TRUNCATED, err);
}

static tn_code ints_between(tn_run *r, const tn_philox *p, const tn_tensor *lo, const tn_tensor *hi,
                            tn_error *err)
{
    int64_t n = tn_tensor_count(r->out[0]);
    TN_TRY(check_range(lo, hi, err));
    return n ? tn_random_int(r->out[0]->dtype, p, tn_tensor_int(lo, 0), tn_tensor_int(hi, 0), n,
                             r->out[0]->data, r->threads, err)
             : TN_OK;
}

static tn_code stateless_int_run(tn_run *r, tn_error *err)
{
    tn_philox p;
    TN_TRY(seeded(r->in[1], &p, err));
    return ints_between(r, &p, r->in[2], r->in[3], err);
}

static tn_code all_bits(tn_run *r, const tn_philox *p, tn_error *err)
{
    int64_t n = tn_tensor_count(r->out[0]);
    return n ? tn_random_bits(r->out[0]->dtype, p, n, r->out[0]->data, r->threads, err) : TN_OK;
}

static tn_code stateless_bits_run(tn_run *r, tn_error *err)
{
    tn_philox p;
    TN_TRY(seeded(r->in[1], &p, err));
    return all_bits(r, &p, err);
}

RANDOM(StatelessRandomUniform, stateless_uniform_run, 0,
       "shape:T seed:Tseed -> output:dtype; dtype:type{half,bfloat16,float,double}=float "
       "T:type{int32,int64}=int32 Tseed:type{int32,int64}=int64");
RANDOM(StatelessRandomNormal, stateless_normal_run, 0,
       "shape:T seed:Tseed -> output:dtype; dtype:type{half,bfloat16,float,double}=float "
       "T:type{int32,int64}=int32 Tseed:type{int32,int64}=int64");
RANDOM(StatelessTruncatedNormal, stateless_truncated_run, 0,
       "shape:T seed:Tseed -> output:dtype; dtype:type{half,bfloat16,float,double}=float "
       "T:type{int32,int64}=int32 Tseed:type{int32,int64}=int64");
RANDOM(StatelessRandomUniformInt, stateless_int_run, 0,
       "shape:T seed:Tseed minval:dtype maxval:dtype -> output:dtype; dtype:type{int32,int64} "
       "T:type{int32,int64} Tseed:type{int32,int64}=int64");
RANDOM(StatelessRandomUniformFullInt, stateless_bits_run, 0,
       "shape:T seed:Tseed -> output:dtype; dtype:type{int32,int64,uint32,uint64}=uint64 "
       "T:type{int32,int64}=int32 Tseed:type{int32,int64,uint32,uint64}=int64");

/* ==== stateless, by key and counter ==== */

enum { ALG_PHILOX = 1, ALG_AUTO = 3 };

static tn_code keyed(const tn_run *r, tn_philox *p, tn_error *err)
{
    int64_t alg;
    TN_TRY(tn_int_of(r->in[3], "alg", &alg, err));
    if (alg != ALG_PHILOX && alg != ALG_AUTO)
        return tn_fail(err, TN_UNIMPLEMENTED, "Unsupported algorithm id: %lld", (long long)alg);
    if (tn_tensor_count(r->in[1]) < 1 || tn_tensor_count(r->in[2]) < 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "key must have shape [1] and counter [2]");
    const uint64_t key = *(const uint64_t *)r->in[1]->data, *counter = r->in[2]->data;
    for (int k = 0; k < 2; k++) {
        p->key[k] = (uint32_t)(key >> (32 * k));
        p->counter[k] = (uint32_t)(counter[0] >> (32 * k));
        p->counter[2 + k] = (uint32_t)(counter[1] >> (32 * k));
    }
    return TN_OK;
}

static tn_code keyed_float(tn_run *r, tn_random_kind kind, tn_error *err)
{
    tn_philox p;
    int64_t n = tn_tensor_count(r->out[0]);
    TN_TRY(keyed(r, &p, err));
    return n ? tn_random(kind, r->out[0]->dtype, &p, n, r->out[0]->data, r->threads, err) : TN_OK;
}
static tn_code keyed_uniform_run(tn_run *r, tn_error *err)
{
    return keyed_float(r, TN_RANDOM_UNIFORM, err);
}
static tn_code keyed_normal_run(tn_run *r, tn_error *err)
{
    return keyed_float(r, TN_RANDOM_NORMAL, err);
}
static tn_code keyed_truncated_run(tn_run *r, tn_error *err)
{
    return keyed_float(r, TN_RANDOM_TRUNCATED, err);
}

static tn_code keyed_int_run(tn_run *r, tn_error *err)
{
    tn_philox p;
    TN_TRY(keyed(r, &p, err));
    return ints_between(r, &p, r->in[4], r->in[5], err);
}

static tn_code keyed_bits_run(tn_run *r, tn_error *err)
{
    tn_philox p;
    TN_TRY(keyed(r, &p, err));
    return all_bits(r, &p, err);
}

RANDOM(StatelessRandomUniformV2, keyed_uniform_run, 0,
       "shape:Tshape key:uint64 counter:uint64 alg:int32 -> output:dtype; "
       "dtype:type{half,bfloat16,float,double}=float Tshape:type{int32,int64}=int32");
RANDOM(StatelessRandomNormalV2, keyed_normal_run, 0,
       "shape:Tshape key:uint64 counter:uint64 alg:int32 -> output:dtype; "
       "dtype:type{half,bfloat16,float,double}=float Tshape:type{int32,int64}=int32");
RANDOM(StatelessTruncatedNormalV2, keyed_truncated_run, 0,
       "shape:Tshape key:uint64 counter:uint64 alg:int32 -> output:dtype; "
       "dtype:type{half,bfloat16,float,double}=float Tshape:type{int32,int64}=int32");
RANDOM(StatelessRandomUniformIntV2, keyed_int_run, 0,
       "shape:Tshape key:uint64 counter:uint64 alg:int32 minval:dtype maxval:dtype -> output:dtype; "
       "dtype:type{int32,int64,uint32,uint64} Tshape:type{int32,int64}=int32");
RANDOM(StatelessRandomUniformFullIntV2, keyed_bits_run, 0,
       "shape:Tshape key:uint64 counter:uint64 alg:int32 -> output:dtype; "
       "dtype:type{int32,int64,uint32,uint64}=uint64 Tshape:type{int32,int64}=int32");

/* ==== from a seed to key and counter ==== */

static tn_code key_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    for (int o = 0; o < c->n_out; o++) {
        bool alg = c->out[o].dtype == TN_INT32;
        tn_infer_set_rank(c, o, alg ? 0 : 1);
        if (!alg) c->out[o].shape.dim[0] = o + 1;
    }
    return TN_OK;
}

static tn_code key_run(tn_run *r, tn_error *err)
{
    tn_philox p;
    TN_TRY(seeded(r->in[0], &p, err));
    *(uint64_t *)r->out[0]->data = (uint64_t)p.key[1] << 32 | p.key[0];
    for (int k = 0; k < 2; k++)
        ((uint64_t *)r->out[1]->data)[k] = (uint64_t)p.counter[2 * k + 1] << 32 | p.counter[2 * k];
    if (r->n_out == 3) *TN_INT32S(r->out[2]) = ALG_PHILOX;
    return TN_OK;
}

const tn_op tn_op_StatelessRandomGetKeyCounter = {
    .name = "StatelessRandomGetKeyCounter",
    .sig = "seed:Tseed -> key:uint64 counter:uint64; Tseed:type{int32,int64}=int64",
    .infer = key_infer,
    .run = key_run,
    .flags = TN_NO_GRADIENT,
};
const tn_op tn_op_StatelessRandomGetKeyCounterAlg = {
    .name = "StatelessRandomGetKeyCounterAlg",
    .sig = "seed:Tseed -> key:uint64 counter:uint64 alg:int32; Tseed:type{int32,int64}=int64",
    .infer = key_infer,
    .run = key_run,
    .flags = TN_NO_GRADIENT,
};

static tn_code alg_run(tn_run *r, tn_error *err)
{
    (void)err;
    *TN_INT32S(r->out[0]) = ALG_PHILOX;
    return TN_OK;
}

const tn_op tn_op_StatelessRandomGetAlg = {
    .name = "StatelessRandomGetAlg",
    .sig = "-> alg:int32;",
    .infer = key_infer,
    .run = alg_run,
    .flags = TN_NO_GRADIENT,
};
