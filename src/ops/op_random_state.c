/* SPDX-License-Identifier: Apache-2.0
 *
 * op_random_state.c - generators whose state is a variable: three 64-bit numbers, counter and key of Philox.
 * The operators that draw from one, those that move it on, and where any operator's numbers begin.
 */
#include "op_move.h"
#include "random_source.h"

#include <unistd.h>

enum { WORDS = 3, RESERVED = 256 };

static void from_words(const uint64_t counter[2], uint64_t key, tn_philox *p)
{
    for (int k = 0; k < 2; k++) {
        p->key[k] = (uint32_t)(key >> (32 * k));
        p->counter[k] = (uint32_t)(counter[0] >> (32 * k));
        p->counter[2 + k] = (uint32_t)(counter[1] >> (32 * k));
    }
}

static tn_code check_algorithm(const tn_tensor *t, const char *name, tn_error *err)
{
    int64_t algorithm;
    if (tn_shape_count(&t->shape) != 1 || t->shape.rank != 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s must be of shape [], not %lld elements", name,
                       (long long)tn_tensor_count(t));
    TN_TRY(tn_int_of(t, name, &algorithm, err));
    if (algorithm == TN_PHILOX || algorithm == TN_PHILOX_OR_ANY) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Unsupported algorithm id: %lld", (long long)algorithm);
}

/* The state in input 0, which then moves on by as many groups. */
static tn_code take_state(tn_run *r, uint64_t groups, tn_philox *out, uint64_t before[WORDS], tn_error *err)
{
    tn_tensor *v;
    TN_TRY(tn_run_variable_writable(r, 0, &v, err));
    if (v->dtype != TN_INT64 || v->shape.rank != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "RNG state must have one and only one dimension, of int64");
    if (v->shape.dim[0] < WORDS)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "For the Philox algorithm, the size of state must be at least %d; got %lld", WORDS,
                       (long long)v->shape.dim[0]);
    uint64_t *state = v->data;
    memcpy(before, state, WORDS * sizeof *state);
    from_words(state, state[2], out);
    tn_philox next = *out;
    tn_philox_skip(&next, groups);
    for (int k = 0; k < 2; k++) state[k] = (uint64_t)next.counter[2 * k + 1] << 32 | next.counter[2 * k];
    return TN_OK;
}

/* ==== where numbers begin ==== */

int tn_input_named(const tn_run *r, const char *name)
{
    const tn_sig *sig = tn_op_sig(r->op);
    for (int i = 0; i < sig->n_in; i++)
        if (!strcmp(sig->in[i].name, name)) return i;
    return -1;
}

static tn_code from_seeds(const tn_tensor *seed, tn_philox *out, tn_error *err)
{
    char text[64];
    if (seed->dtype != TN_INT32 && seed->dtype != TN_INT64)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid seed type: %s", tn_dtype_name(seed->dtype));
    if (seed->shape.rank != 1 || seed->shape.dim[0] != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "seed must have shape [2], not %s",
                       tn_shape_text(&seed->shape, text, sizeof text));
    tn_philox_stateless(out, (uint64_t)tn_tensor_int(seed, 0), (uint64_t)tn_tensor_int(seed, 1));
    return TN_OK;
}

static tn_code from_key(const tn_run *r, int key, tn_philox *out, tn_error *err)
{
    TN_TRY(check_algorithm(r->in[key + 2], "alg", err));
    if (tn_tensor_count(r->in[key]) < 1 || tn_tensor_count(r->in[key + 1]) < 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "key must have shape [1] and counter [2]");
    from_words(r->in[key + 1]->data, *(const uint64_t *)r->in[key]->data, out);
    return TN_OK;
}

tn_code tn_random_source(tn_run *r, int64_t count, tn_philox *out, tn_error *err)
{
    int seed = tn_input_named(r, "seed"), key = tn_input_named(r, "key"), variable = tn_input_named(r, "resource");
    uint64_t groups, before[WORDS];
    tn_philox_state s;
    if (seed >= 0) return from_seeds(r->in[seed], out, err);
    if (key >= 0) return from_key(r, key, out, err);
    if (__builtin_mul_overflow((uint64_t)count, (uint64_t)RESERVED, &groups))
        return tn_no_memory(err, SIZE_MAX);
    if (variable >= 0) {
        int algorithm = tn_input_named(r, "algorithm");
        if (algorithm >= 0) TN_TRY(check_algorithm(r->in[algorithm], "algorithm", err));
        return take_state(r, groups, out, before, err);
    }
    TN_TRY(tn_run_random(r, groups, &s, err));
    memcpy(out->counter, s.counter, sizeof out->counter);
    memcpy(out->key, s.key, sizeof out->key);
    return TN_OK;
}

/* ==== numbers ==== */

static tn_code shape_infer(tn_infer *c, tn_error *err)
{
    int i = !strcmp(c->op->name, "StatefulStandardNormal") ? 1
            : !strcmp(c->op->name, "NonDeterministicInts") ? 0
                                                           : 2;
    if (c->in[i]->dtype != TN_INT32 && c->in[i]->dtype != TN_INT64)
        return tn_fail(err, TN_INVALID_ARGUMENT, "shape must be a vector of {int32,int64}.");
    return tn_infer_new_shape(c, i, &c->out[0].shape, err);
}

#define DRAWING(NAME, RUN, SHAPE, SIG)                            \
    const tn_op tn_op_##NAME = {.name = #NAME,                    \
                                .sig = SIG,                       \
                                .infer = shape_infer,             \
                                .run = RUN,                       \
                                .flags = TN_STATEFUL | TN_EFFECT, \
                                .values = TN_BIT(SHAPE),          \
                                .writes = TN_BIT(0)}
DRAWING(StatefulUniform, tn_random_uniform_run, 2,
        "resource:resource algorithm:int64 shape:shape_dtype -> output:dtype; dtype:type=float "
        "shape_dtype:type=int64");
DRAWING(StatefulStandardNormal, tn_random_normal_run, 1,
        "resource:resource shape:shape_dtype -> output:dtype; dtype:type=float shape_dtype:type=int64");
DRAWING(StatefulStandardNormalV2, tn_random_normal_run, 2,
        "resource:resource algorithm:int64 shape:shape_dtype -> output:dtype; dtype:type=float "
        "shape_dtype:type=int64");
DRAWING(StatefulTruncatedNormal, tn_random_truncated_run, 2,
        "resource:resource algorithm:int64 shape:shape_dtype -> output:dtype; dtype:type=float "
        "shape_dtype:type=int64");
DRAWING(StatefulUniformFullInt, tn_random_bits_run, 2,
        "resource:resource algorithm:int64 shape:shape_dtype -> output:dtype; dtype:type=uint64 "
        "shape_dtype:type=int64");
DRAWING(StatefulUniformInt, tn_random_ints_run, 2,
        "resource:resource algorithm:int64 shape:shape_dtype minval:dtype maxval:dtype -> output:dtype; "
        "dtype:type=int64 shape_dtype:type=int64");

static tn_code entropy_prepare(tn_prepare *p, tn_error *err)
{
    tn_dtype t = p->out[0]->dtype;
    if (t == TN_INT32 || t == TN_INT64 || t == TN_UINT32 || t == TN_UINT64) return TN_OK;
    return tn_fail(err, TN_UNIMPLEMENTED, "%s of %s", p->op->name, tn_dtype_name(t));
}

/* From the system, in pieces of at most 256 bytes. */
static tn_code entropy_run(tn_run *r, tn_error *err)
{
    char *p = r->out[0]->data;
    for (size_t left = tn_tensor_bytes(r->out[0]); left;) {
        size_t n = TN_MIN(left, (size_t)256);
        if (getentropy(p, n) != 0) return tn_fail(err, TN_UNAVAILABLE, "the system has no random numbers");
        p += n;
        left -= n;
    }
    return TN_OK;
}

const tn_op tn_op_NonDeterministicInts = {
    .name = "NonDeterministicInts",
    .sig = "shape:shape_dtype -> output:dtype; dtype:type=int64 shape_dtype:type=int64",
    .infer = shape_infer,
    .prepare = entropy_prepare,
    .run = entropy_run,
    .flags = TN_STATEFUL,
    .values = TN_BIT(0),
};

/* ==== moving on ==== */

static tn_code skip_run(tn_run *r, tn_error *err)
{
    tn_philox p;
    uint64_t before[WORDS];
    TN_TRY(check_algorithm(r->in[1], tn_op_sig(r->op)->in[1].name, err));
    if (tn_tensor_count(r->in[2]) != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "delta must be of shape []");
    TN_TRY(take_state(r, (uint64_t)tn_tensor_int(r->in[2], 0) * RESERVED, &p, before, err));
    if (r->n_out) memcpy(r->out[0]->data, before, sizeof before);
    return TN_OK;
}

static tn_code skip_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    if (c->n_out) c->out[0].shape = tn_shape_vector(WORDS);
    return TN_OK;
}

#define SKIPPING(NAME, SIG)                                                        \
    const tn_op tn_op_##NAME = {.name = #NAME,                                     \
                                .sig = SIG,                                        \
                                .infer = skip_infer,                               \
                                .run = skip_run,                                   \
                                .flags = TN_STATEFUL | TN_EFFECT | TN_NO_GRADIENT, \
                                .writes = TN_BIT(0)}
SKIPPING(RngSkip, "resource:resource algorithm:int64 delta:int64 -> ;");
SKIPPING(RngReadAndSkip, "resource:resource alg:int32 delta:uint64 -> value:int64;");
