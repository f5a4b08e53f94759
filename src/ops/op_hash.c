/* SPDX-License-Identifier: Apache-2.0
 *
 * op_hash.c - strings to buckets: StringToHashBucketFast (FarmHash's 64-bit fingerprint), -Strong
 * (SipHash-2-4) and the old one without a name (a 64-bit Murmur hash). The same numbers as TensorFlow's, so
 * that models trained there find their rows here. The hashes are crosses' too.
 */
#include "hash.h"
#include "op_move.h"

static uint64_t load64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t load32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t turn(uint64_t v, int bits)
{
    return v >> bits | v << (64 - bits);
}

/* ==== the fingerprint ==== */

static const uint64_t K0 = 0xc3a5c85c97cb3127u, K1 = 0xb492b66fbe98f273u, K2 = 0x9ae16a3b2f90404fu;

static uint64_t fold(uint64_t v)
{
    return v ^ v >> 47;
}

static uint64_t mix(uint64_t u, uint64_t v, uint64_t mul)
{
    uint64_t a = fold((u ^ v) * mul);
    return fold((v ^ a) * mul) * mul;
}

static uint64_t print_to_16(const char *s, size_t n)
{
    uint64_t mul = K2 + n * 2;
    if (n >= 8) {
        uint64_t a = load64(s) + K2, b = load64(s + n - 8);
        return mix(turn(b, 37) * mul + a, (turn(a, 25) + b) * mul, mul);
    }
    if (n >= 4) return mix(n + (load32(s) << 3), load32(s + n - 4), mul);
    if (n == 0) return K2;
    uint32_t first = (uint8_t)s[0], middle = (uint8_t)s[n >> 1], last = (uint8_t)s[n - 1];
    uint32_t y = first + (middle << 8), z = (uint32_t)n + (last << 2);
    return fold(y * K2 ^ z * K0) * K2;
}

static uint64_t print_to_32(const char *s, size_t n)
{
    uint64_t mul = K2 + n * 2, a = load64(s) * K1, b = load64(s + 8), c = load64(s + n - 8) * mul,
             d = load64(s + n - 16) * K2;
    return mix(turn(a + b, 43) + turn(c, 30) + d, a + turn(b + K2, 18) + c, mul);
}

static uint64_t print_to_64(const char *s, size_t n)
{
    uint64_t mul = K2 + n * 2, a = load64(s) * K2, b = load64(s + 8), c = load64(s + n - 8) * mul,
             d = load64(s + n - 16) * K2;
    uint64_t y = turn(a + b, 43) + turn(c, 30) + d, z = mix(y, a + turn(b + K2, 18) + c, mul);
    uint64_t e = load64(s + 16) * mul, f = load64(s + 24), g = (y + load64(s + n - 32)) * mul,
             h = (z + load64(s + n - 24)) * mul;
    return mix(turn(e + f, 43) + turn(g, 30) + h, e + turn(f + a, 18) + g, mul);
}

typedef struct pair {
    uint64_t a, b;
} pair;

static pair weak(const char *s, uint64_t a, uint64_t b)
{
    uint64_t w = load64(s), x = load64(s + 8), y = load64(s + 16), z = load64(s + 24);
    a += w;
    b = turn(b + a + z, 21);
    uint64_t c = a;
    a += x + y;
    b += turn(a, 44);
    return (pair){a + z, b + c};
}

typedef struct state {
    uint64_t x, y, z;
    pair v, w;
} state;

/* One block of 64 bytes; factor is 1 but for the last block's extra weights. */
static void absorb(state *t, const char *s, uint64_t mul, uint64_t factor)
{
    t->x = turn(t->x + t->y + t->v.a + load64(s + 8), 37) * mul;
    t->y = turn(t->y + t->v.b + load64(s + 48), 42) * mul;
    t->x ^= t->w.b * factor;
    t->y += t->v.a * factor + load64(s + 40);
    t->z = turn(t->z + t->w.a, 33) * mul;
    t->v = weak(s, t->v.b * mul, t->x + t->w.a);
    t->w = weak(s + 32, t->z + t->w.b, t->y + load64(s + 16));
    uint64_t swap = t->z;
    t->z = t->x;
    t->x = swap;
}

static uint64_t print_long(const char *s, size_t n)
{
    const uint64_t seed = 81;
    state t = {.x = seed * K2 + load64(s), .y = seed * K1 + 113};
    t.z = fold(t.y * K2 + 113) * K2;
    size_t whole = (n - 1) / 64 * 64;
    for (size_t i = 0; i < whole; i += 64) absorb(&t, s + i, K1, 1);
    uint64_t mul = K1 + ((t.z & 0xff) << 1);
    t.w.a += (n - 1) & 63;
    t.v.a += t.w.a;
    t.w.a += t.v.a;
    absorb(&t, s + n - 64, mul, 9);
    return mix(mix(t.v.a, t.w.a, mul) + fold(t.y) * K0 + t.z, mix(t.v.b, t.w.b, mul) + t.x, mul);
}

uint64_t tn_fingerprint(tn_view s)
{
    return s.n <= 16   ? print_to_16(s.p, s.n)
           : s.n <= 32 ? print_to_32(s.p, s.n)
           : s.n <= 64 ? print_to_64(s.p, s.n)
                       : print_long(s.p, s.n);
}

/* ==== the fingerprint of 128 bits ==== CityHash's, with which FarmHash agrees */

static uint64_t mix_two(uint64_t u, uint64_t v)
{
    return mix(u, v, 0x9ddfea08eb382d69u);
}

static pair print_short_128(const char *s, size_t n, pair seed)
{
    uint64_t a = seed.a, b = seed.b, c, d;
    if (n <= 16) {
        a = fold(a * K1) * K1;
        c = b * K1 + print_to_16(s, n);
        d = fold(a + (n >= 8 ? load64(s) : c));
    } else {
        c = mix_two(load64(s + n - 8) + K1, a);
        d = mix_two(b + n, c + load64(s + n - 16));
        a += d;
        for (size_t i = 0; i < n - 16; i += 16) {
            a = (a ^ fold(load64(s + i) * K1) * K1) * K1;
            b ^= a;
            c = (c ^ fold(load64(s + i + 8) * K1) * K1) * K1;
            d ^= c;
        }
    }
    a = mix_two(a, c);
    b = mix_two(d, b);
    return (pair){a ^ b, mix_two(b, a)};
}

static pair print_long_128(const char *s, size_t n, pair seed)
{
    state t = {.x = seed.a, .y = seed.b, .z = n * K1};
    t.v.a = turn(t.y ^ K1, 49) * K1 + load64(s);
    t.v.b = turn(t.v.a, 42) * K1 + load64(s + 8);
    t.w.a = turn(t.y + t.z, 35) * K1 + t.x;
    t.w.b = turn(t.x + load64(s + 88), 53) * K1;
    for (; n >= 128; n -= 128, s += 128) {
        absorb(&t, s, K1, 1);
        absorb(&t, s + 64, K1, 1);
    }
    t.x += turn(t.v.a + t.z, 49) * K0;
    t.y = t.y * K0 + turn(t.w.b, 37);
    t.z = t.z * K0 + turn(t.w.a, 27);
    t.w.a *= 9;
    t.v.a *= K0;
    for (size_t done = 32; done < n + 32; done += 32) { /* from the end, into what was read already */
        const char *at = s + n - done;
        t.y = turn(t.x + t.y, 42) * K0 + t.v.b;
        t.w.a += load64(at + 16);
        t.x = t.x * K0 + t.w.a;
        t.z += t.w.b + load64(at);
        t.w.b += t.v.a;
        t.v = weak(at, t.v.a + t.z, t.v.b);
        t.v.a *= K0;
    }
    t.x = mix_two(t.x, t.v.a);
    t.y = mix_two(t.y + t.z, t.w.a);
    return (pair){mix_two(t.x + t.v.b, t.w.b) + t.y, mix_two(t.x + t.w.b, t.y + t.v.b)};
}

void tn_fingerprint_128(tn_view s, uint64_t out[2])
{
    pair seed = {K0, K1};
    if (s.n >= 16) {
        seed = (pair){load64(s.p), load64(s.p + 8) + K0};
        s = (tn_view){s.p + 16, s.n - 16};
    }
    pair p = s.n < 128 ? print_short_128(s.p, s.n, seed) : print_long_128(s.p, s.n, seed);
    out[0] = p.a;
    out[1] = p.b;
}

uint64_t tn_fingerprint_join(uint64_t a, uint64_t b)
{
    const uint64_t m = 0xc6a4a7935bd1e995u;
    uint64_t h = (a ^ m ^ fold(b * m) * m) * m;
    return fold(fold(h) * m);
}

static uint64_t fingerprint(tn_view s, const int64_t *key)
{
    (void)key;
    return tn_fingerprint(s);
}

/* ==== SipHash-2-4 ==== */

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = turn(v[1], 51) ^ v[0];
    v[0] = turn(v[0], 32);
    v[2] += v[3];
    v[3] = turn(v[3], 48) ^ v[2];
    v[0] += v[3];
    v[3] = turn(v[3], 43) ^ v[0];
    v[2] += v[1];
    v[1] = turn(v[1], 47) ^ v[2];
    v[2] = turn(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t m)
{
    v[3] ^= m;
    sip_round(v);
    sip_round(v);
    v[0] ^= m;
}

uint64_t tn_keyed_hash(tn_view s, const int64_t key[2])
{
    uint64_t a = (uint64_t)key[0], b = (uint64_t)key[1], last = (uint64_t)s.n << 56;
    uint64_t v[4] = {a ^ 0x736f6d6570736575u, b ^ 0x646f72616e646f6du, a ^ 0x6c7967656e657261u,
                     b ^ 0x7465646279746573u};
    size_t i = 0;
    for (; i + 8 <= s.n; i += 8) sip_word(v, load64(s.p + i));
    for (size_t k = 0; i + k < s.n; k++) last |= (uint64_t)(uint8_t)s.p[i + k] << (8 * k);
    sip_word(v, last);
    v[2] ^= 0xff;
    for (int k = 0; k < 4; k++) sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ==== the old one ==== */

uint64_t tn_seeded_hash(tn_view s, uint64_t seed)
{
    const uint64_t m = 0xc6a4a7935bd1e995u;
    uint64_t h = seed ^ s.n * m;
    size_t i = 0;
    for (; i + 8 <= s.n; i += 8) {
        uint64_t k = load64(s.p + i) * m;
        h = (h ^ (k ^ k >> 47) * m) * m;
    }
    if (i < s.n) {
        for (size_t k = 0; i + k < s.n; k++) h ^= (uint64_t)(uint8_t)s.p[i + k] << (8 * k);
        h *= m;
    }
    h = (h ^ h >> 47) * m;
    return h ^ h >> 47;
}

uint64_t tn_old_hash(tn_view s)
{
    return tn_seeded_hash(s, 0xdecafcaffeu);
}

static uint64_t murmur(tn_view s, const int64_t *key)
{
    (void)key;
    return tn_old_hash(s);
}

/* ==== the operators ==== */

static tn_code like_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[0].shape = c->in[0]->shape;
    return TN_OK;
}

static tn_code buckets(tn_run *r, uint64_t (*hash)(tn_view, const int64_t *), tn_error *err)
{
    const int64_t *key = NULL;
    uint64_t n = (uint64_t)tn_attr_i(r->attrs, "num_buckets");
    if (hash == tn_keyed_hash && tn_attr_list(r->attrs, "key", &key) != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Key must have 2 elements");
    for (int64_t i = 0, count = tn_tensor_count(r->in[0]); i < count; i++) {
        const tn_string *s = TN_STRINGS(r->in[0]) + i;
        TN_INT64S(r->out[0])[i] = (int64_t)(hash((tn_view){s->n ? s->p : "", s->n}, key) % n);
    }
    return TN_OK;
}
static tn_code fast_run(tn_run *r, tn_error *err)
{
    return buckets(r, fingerprint, err);
}
static tn_code strong_run(tn_run *r, tn_error *err)
{
    return buckets(r, tn_keyed_hash, err);
}
static tn_code old_run(tn_run *r, tn_error *err)
{
    return buckets(r, murmur, err);
}

#define BUCKETS(NAME, RUN, SIG)  \
    const tn_op tn_op_##NAME = { \
        .name = #NAME, .sig = SIG, .infer = like_infer, .run = RUN, .flags = TN_NO_GRADIENT}
BUCKETS(StringToHashBucketFast, fast_run, "input:string -> output:int64; num_buckets:int>=1");
BUCKETS(StringToHashBucketStrong, strong_run,
        "input:string -> output:int64; num_buckets:int>=1 key:list(int)");
BUCKETS(StringToHashBucket, old_run, "string_tensor:string -> output:int64; num_buckets:int>=1");
