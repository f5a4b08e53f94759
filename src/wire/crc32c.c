/* SPDX-License-Identifier: Apache-2.0
 *
 * crc32c.c - CRC-32C by the processor's own instruction where it has one, else eight bytes at a time
 * through tables.
 *
 * Invariants: both ways give the same number for every input; nothing is initialised at run time.
 */
#include "wire.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#include <wmmintrin.h>
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

/* A crc is linear: a table's entry for a byte is the xor of its entries for the byte's bits. So eight
 * numbers make a table, at compile time. table[k][b] is the crc of b followed by k zero bytes. */
#define AT(b, k0, k1, k2, k3, k4, k5, k6, k7)                                                        \
    (((b)&1 ? k0 : 0) ^ ((b)&2 ? k1 : 0) ^ ((b)&4 ? k2 : 0) ^ ((b)&8 ? k3 : 0) ^ ((b)&16 ? k4 : 0) ^ \
     ((b)&32 ? k5 : 0) ^ ((b)&64 ? k6 : 0) ^ ((b)&128 ? k7 : 0))
#define AT4(b, ...) AT(b, __VA_ARGS__), AT(b + 1, __VA_ARGS__), AT(b + 2, __VA_ARGS__), AT(b + 3, __VA_ARGS__)
#define AT16(b, ...) \
    AT4(b, __VA_ARGS__), AT4(b + 4, __VA_ARGS__), AT4(b + 8, __VA_ARGS__), AT4(b + 12, __VA_ARGS__)
#define AT64(b, ...) \
    AT16(b, __VA_ARGS__), AT16(b + 16, __VA_ARGS__), AT16(b + 32, __VA_ARGS__), AT16(b + 48, __VA_ARGS__)
#define AT256(...)                                                                                  \
    {                                                                                               \
        AT64(0, __VA_ARGS__), AT64(64, __VA_ARGS__), AT64(128, __VA_ARGS__), AT64(192, __VA_ARGS__) \
    }

static const uint32_t table[8][256] = {
    AT256(0xf26b8303u, 0xe13b70f7u, 0xc79a971fu, 0x8ad958cfu, 0x105ec76fu, 0x20bd8edeu, 0x417b1dbcu,
          0x82f63b78u),
    AT256(0x13a29877u, 0x274530eeu, 0x4e8a61dcu, 0x9d14c3b8u, 0x3fc5f181u, 0x7f8be302u, 0xff17c604u,
          0xfbc3faf9u),
    AT256(0xa541927eu, 0x4f6f520du, 0x9edea41au, 0x38513ec5u, 0x70a27d8au, 0xe144fb14u, 0xc76580d9u,
          0x8b277743u),
    AT256(0xdd45aab8u, 0xbf672381u, 0x7b2231f3u, 0xf64463e6u, 0xe964b13du, 0xd725148bu, 0xaba65fe7u,
          0x52a0c93fu),
    AT256(0x38116facu, 0x7022df58u, 0xe045beb0u, 0xc5670b91u, 0x8f2261d3u, 0x1ba8b557u, 0x37516aaeu,
          0x6ea2d55cu),
    AT256(0xef306b19u, 0xdb8ca0c3u, 0xb2f53777u, 0x6006181fu, 0xc00c303eu, 0x85f4168du, 0x0e045bebu,
          0x1c08b7d6u),
    AT256(0x68032cc8u, 0xd0065990u, 0xa5e0c5d1u, 0x4e2dfd53u, 0x9c5bfaa6u, 0x3d5b83bdu, 0x7ab7077au,
          0xf56e0ef4u),
    AT256(0x493c7d27u, 0x9278fa4eu, 0x211d826du, 0x423b04dau, 0x847609b4u, 0x0d006599u, 0x1a00cb32u,
          0x34019664u),
};

static uint32_t step(uint32_t c, uint8_t byte)
{
    return (c >> 8) ^ table[0][(c ^ byte) & 0xff];
}

uint32_t tn_crc32c_portable(uint32_t crc, const void *p, size_t n)
{
    const uint8_t *s = p;
    uint32_t c = ~crc;
    for (; n >= 8; n -= 8, s += 8) {
        uint32_t a = c ^ tn_get32(s), b = tn_get32(s + 4);
        c = table[7][a & 0xff] ^ table[6][(a >> 8) & 0xff] ^ table[5][(a >> 16) & 0xff] ^ table[4][a >> 24] ^
            table[3][b & 0xff] ^ table[2][(b >> 8) & 0xff] ^ table[1][(b >> 16) & 0xff] ^ table[0][b >> 24];
    }
    while (n--) c = step(c, *s++);
    return ~c;
}

#if defined(__x86_64__)

static inline uint64_t eight(const uint8_t *s)
{
    uint64_t v;
    memcpy(&v, s, sizeof v); /* a call for each eight bytes would take longer than the instruction */
    return v;
}

__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const uint8_t *s, size_t n)
{
    uint64_t c = (uint32_t)~crc;
    for (; n >= 8; n -= 8, s += 8) c = _mm_crc32_u64(c, eight(s));
    uint32_t rest = (uint32_t)c;
    while (n--) rest = _mm_crc32_u8(rest, *s++);
    return ~rest;
}

/* The instruction takes three cycles and can begin in each one: so three lanes at once, whose crcs are put together. */
#define LANE 1024
#define PAST_ONE 0x170076fau /* x^(8 * LANE - 33) modulo the polynomial, bits reversed */
#define PAST_TWO 0xa51b6135u /* x^(16 * LANE - 33) */

/* The crc after as many zero bytes as `past` stands for. */
__attribute__((target("sse4.2,pclmul"))) static uint32_t shifted(uint64_t crc, uint32_t past)
{
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)crc), _mm_cvtsi64_si128(past), 0);
    return (uint32_t)_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t by_lanes(uint32_t crc, const uint8_t *s, size_t n)
{
    uint32_t c = ~crc;
    for (; n >= (size_t)3 * LANE; n -= (size_t)3 * LANE, s += (size_t)3 * LANE) {
        uint64_t one = c, two = 0, three = 0;
        for (size_t i = 0; i < LANE; i += 8) {
            one = _mm_crc32_u64(one, eight(s + i));
            two = _mm_crc32_u64(two, eight(s + LANE + i));
            three = _mm_crc32_u64(three, eight(s + (size_t)2 * LANE + i));
        }
        c = shifted(one, PAST_TWO) ^ shifted(two, PAST_ONE) ^ (uint32_t)three;
    }
    return by_instruction(~c, s, n);
}

uint32_t tn_crc32c(uint32_t crc, const void *p, size_t n)
{
    if (!__builtin_cpu_supports("sse4.2")) return tn_crc32c_portable(crc, p, n);
    return __builtin_cpu_supports("pclmul") ? by_lanes(crc, p, n) : by_instruction(crc, p, n);
}

#elif defined(__ARM_FEATURE_CRC32)

uint32_t tn_crc32c(uint32_t crc, const void *p, size_t n)
{
    const uint8_t *s = p;
    uint32_t c = ~crc;
    for (; n >= 8; n -= 8, s += 8) c = __crc32cd(c, tn_get64(s));
    while (n--) c = __crc32cb(c, *s++);
    return ~c;
}

#else

uint32_t tn_crc32c(uint32_t crc, const void *p, size_t n)
{
    return tn_crc32c_portable(crc, p, n);
}

#endif
