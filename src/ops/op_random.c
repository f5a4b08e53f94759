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

/* ==== numbers, wherever they begin ==== */

static tn_code floats_run(tn_run *r, tn_random_kind kind, tn_error *err)
{
    tn_philox p;
    int64_t n = tn_tensor_count(r->out[0]);
    TN_TRY(tn_random_source(r, n, &p, err));
    return n ? tn_random(kind, r->out[0]->dtype, &p, n, r->out[0]->data, r->threads, err) : TN_OK;
}
tn_code tn_random_uniform_run(tn_run *r, tn_error *err)
{
    return floats_run(r, TN_RANDOM_UNIFORM, err);
}
tn_code tn_random_normal_run(tn_run *r, tn_error *err)
{
    return floats_run(r, TN_RANDOM_NORMAL, err);
}
tn_code tn_random_truncated_run(tn_run *r, tn_error *err)
{
    return floats_run(r, TN_RANDOM_TRUNCATED, err);
}

tn_code tn_random_bits_run(tn_run *r, tn_error *err)
{
    tn_philox p;
    int64_t n = tn_tensor_count(r->out[0]);
    TN_TRY(tn_random_source(r, n, &p, err));
    return n ? tn_random_bits(r->out[0]->dtype, &p, n, r->out[0]->data, r->threads, err) : TN_OK;
}

static tn_code check_range(const tn_run *r, const tn_tensor *lo, const tn_tensor *hi, tn_error *err)
{
    bool drawn = tn_tensor_count(r->out[0]) > 0;
    if (drawn || (r->op->flags & TN_STATEFUL)) {
        if (lo->shape.rank) return tn_fail(err, TN_INVALID_ARGUMENT, "minval must be 0-D");
        if (hi->shape.rank) return tn_fail(err, TN_INVALID_ARGUMENT, "maxval must be 0-D");
    }
    if (!drawn && !r->op->writes) return TN_OK;
    int64_t a = tn_tensor_int(lo, 0), b = tn_tensor_int(hi, 0);
    bool less = lo->dtype == TN_UINT64 ? (uint64_t)a < (uint64_t)b : a < b;
    if (less) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Need minval < maxval, got %lld >= %lld", (long long)a,
                   (long long)b);
}

tn_code tn_random_ints_run(tn_run *r, tn_error *err)
{
    tn_philox p;
    int64_t n = tn_tensor_count(r->out[0]);
    const tn_tensor *lo = r->in[tn_input_named(r, "minval")], *hi = r->in[tn_input_named(r, "maxval")];
    TN_TRY(check_range(r, lo, hi, err));
    TN_TRY(tn_random_source(r, n, &p, err));
    return n ? tn_random_int(r->out[0]->dtype, &p, tn_tensor_int(lo, 0), tn_tensor_int(hi, 0), n, r->out[0]->data,
                             r->threads, err)
             : TN_OK;
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
RANDOM(RandomUniform, tn_random_uniform_run, TN_STATEFUL,
       "shape:T -> output:dtype; seed:int=0 seed2:int=0 dtype:type{half,bfloat16,float,double} "
       "T:type{int32,int64}");
RANDOM(RandomStandardNormal, tn_random_normal_run, TN_STATEFUL,
       "shape:T -> output:dtype; seed:int=0 seed2:int=0 dtype:type{half,bfloat16,float,double} "
       "T:type{int32,int64}");
RANDOM(TruncatedNormal, tn_random_truncated_run, TN_STATEFUL,
       "shape:T -> output:dtype; seed:int=0 seed2:int=0 dtype:type{half,bfloat16,float,double} "
       "T:type{int32,int64}");
RANDOM(RandomUniformInt, tn_random_ints_run, TN_STATEFUL,
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

RANDOM(StatelessRandomUniform, tn_random_uniform_run, 0,
       "shape:T seed:Tseed -> output:dtype; dtype:type{half,bfloat16,float,double}=float "
       "T:type{int32,int64}=int32 Tseed:type{int32,int64}=int64");
RANDOM(StatelessRandomNormal, tn_random_normal_run, 0,
       "shape:T seed:Tseed -> output:dtype; dtype:type{half,bfloat16,float,double}=float "
       "T:type{int32,int64}=int32 Tseed:type{int32,int64}=int64");
RANDOM(StatelessTruncatedNormal, tn_random_truncated_run, 0,
       "shape:T seed:Tseed -> output:dtype; dtype:type{half,bfloat16,float,double}=float "
       "T:type{int32,int64}=int32 Tseed:type{int32,int64}=int64");
RANDOM(StatelessRandomUniformInt, tn_random_ints_run, 0,
       "shape:T seed:Tseed minval:dtype maxval:dtype -> output:dtype; dtype:type{int32,int64} "
       "T:type{int32,int64} Tseed:type{int32,int64}=int64");
RANDOM(StatelessRandomUniformFullInt, tn_random_bits_run, 0,
       "shape:T seed:Tseed -> output:dtype; dtype:type{int32,int64,uint32,uint64}=uint64 "
       "T:type{int32,int64}=int32 Tseed:type{int32,int64,uint32,uint64}=int64");

/* ==== stateless, by key and counter ==== */

RANDOM(StatelessRandomUniformV2, tn_random_uniform_run, 0,
       "shape:Tshape key:uint64 counter:uint64 alg:int32 -> output:dtype; "
       "dtype:type{half,bfloat16,float,double}=float Tshape:type{int32,int64}=int32");
RANDOM(StatelessRandomNormalV2, tn_random_normal_run, 0,
       "shape:Tshape key:uint64 counter:uint64 alg:int32 -> output:dtype; "
       "dtype:type{half,bfloat16,float,double}=float Tshape:type{int32,int64}=int32");
RANDOM(StatelessTruncatedNormalV2, tn_random_truncated_run, 0,
       "shape:Tshape key:uint64 counter:uint64 alg:int32 -> output:dtype; "
       "dtype:type{half,bfloat16,float,double}=float Tshape:type{int32,int64}=int32");
RANDOM(StatelessRandomUniformIntV2, tn_random_ints_run, 0,
       "shape:Tshape key:uint64 counter:uint64 alg:int32 minval:dtype maxval:dtype -> output:dtype; "
       "dtype:type{int32,int64,uint32,uint64} Tshape:type{int32,int64}=int32");
RANDOM(StatelessRandomUniformFullIntV2, tn_random_bits_run, 0,
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
    TN_TRY(tn_random_source(r, 0, &p, err));
    *(uint64_t *)r->out[0]->data = (uint64_t)p.key[1] << 32 | p.key[0];
    for (int k = 0; k < 2; k++)
        ((uint64_t *)r->out[1]->data)[k] = (uint64_t)p.counter[2 * k + 1] << 32 | p.counter[2 * k];
    if (r->n_out == 3) *TN_INT32S(r->out[2]) = TN_PHILOX;
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
    *TN_INT32S(r->out[0]) = TN_PHILOX;
    return TN_OK;
}

const tn_op tn_op_StatelessRandomGetAlg = {
    .name = "StatelessRandomGetAlg",
    .sig = "-> alg:int32;",
    .infer = key_infer,
    .run = alg_run,
    .flags = TN_NO_GRADIENT,
};
