/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_math.h - elementary functions of floats without branches, so that loops over them become vector code.
 * A few units in the last place; NaN, infinities and signed zeros as in C's <math.h>. Included by the files
 * compiled once per level of instructions. The coefficients are weighted minimax fits made for this file.
 */
#ifndef TN_ISA_MATH_H
#define TN_ISA_MATH_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define TN_INLINE static inline __attribute__((always_inline))

TN_INLINE float m_bits(uint32_t u)
{
    union {
        uint32_t u;
        float f;
    } v = {u};
    return v.f;
}
TN_INLINE uint32_t m_word(float f)
{
    union {
        float f;
        uint32_t u;
    } v = {f};
    return v.u;
}
TN_INLINE float m_sign_of(float magnitude, float sign)
{
    return m_bits((m_word(magnitude) & 0x7fffffffu) | (m_word(sign) & 0x80000000u));
}

#define M_ROUND 12582912.0f /* 1.5 * 2^23: adding it rounds to an integer, kept in the low bits */

/* x = n ln2 + r: q = e^r - 1, scale = the bits that multiply by 2^n when added to an exponent. */
TN_INLINE float m_exp_core(float x, int32_t *n)
{
    const float shifted = x * 1.44269504f + M_ROUND, k = shifted - M_ROUND;
    float r = x - k * 0.693145752f; /* the first 17 bits of ln2: exact for every k */
    r = r - k * 1.42860677e-6f;
    *n = (int32_t)(m_word(shifted) - m_word(M_ROUND));
    float p = 1.991937765e-04f;
    p = p * r + 1.394722497e-03f;
    p = p * r + 8.333262643e-03f;
    p = p * r + 4.166625375e-02f;
    p = p * r + 1.666666687e-01f;
    p = p * r + 5.000000083e-01f;
    return p * (r * r) + r;
}
TN_INLINE float m_exp2i(int32_t n)
{
    return m_bits((uint32_t)(n + 127) << 23);
}

TN_INLINE float m_exp(float x)
{
    int32_t n;
    float y = x > 89.0f ? 89.0f : x;
    y = y < -104.0f ? -104.0f : y;
    const float e = m_exp_core(y, &n) + 1.0f;
    const int32_t half = n >> 1;
    return e * m_exp2i(half) * m_exp2i(n - half);
}

TN_INLINE float m_expm1(float x)
{
    int32_t n;
    float y = x > 89.0f ? 89.0f : x;
    y = y < -18.0f ? -18.0f : y;
    const float q = m_exp_core(y, &n), h = m_exp2i(n - 1);
    const float e = 2.0f * (h * q + (h - 0.5f));
    return x == 0 ? x : e;
}

TN_INLINE float m_log(float x)
{
    const float y = x < 1.17549435e-38f ? x * 8388608.0f : x;
    const uint32_t w = m_word(y), from_root = w - 0x3f3504f3u; /* sqrt(1/2) */
    const int32_t e = (int32_t)from_root >> 23;
    const float k = (float)e - (x < 1.17549435e-38f ? 23.0f : 0.0f);
    const float f = m_bits((from_root & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    float p = 6.915367974e-02f;
    p = p * f - 1.178980765e-01f;
    p = p * f + 1.187297631e-01f;
    p = p * f - 1.238434848e-01f;
    p = p * f + 1.421865809e-01f;
    p = p * f - 1.666925082e-01f;
    p = p * f + 2.000222661e-01f;
    p = p * f - 2.499998660e-01f;
    p = p * f + 3.333331044e-01f;
    const float s = f * f;
    float r = p * (f * s) + k * 1.42860677e-6f;
    r = r - 0.5f * s;
    r = (r + f) + k * 0.693145752f;
    r = x == INFINITY ? x : r;
    r = x == 0 ? -INFINITY : r;
    return x >= 0 ? r : NAN;
}

TN_INLINE float m_log1p(float x)
{
    const float u = 1.0f + x;
    const float c = (x - (u - 1.0f)) / u;
    const float r = m_log(u) + (u > 0 && u < INFINITY ? c : 0.0f);
    return x == 0 ? x : r;
}

TN_INLINE float m_tanh(float x)
{
    const float a = fabsf(x), y = a > 10.0f ? 10.0f : a;
    const float t = m_expm1(2.0f * y);
    return x != x ? x : m_sign_of(t / (t + 2.0f), x);
}

TN_INLINE float m_sigmoid(float x)
{
    return 1.0f / (1.0f + m_exp(-x));
}

TN_INLINE float m_softplus(float x)
{
    const float e = m_exp(-fabsf(x)), u = 1.0f + e; /* log1p(e), e in [0, 1] */
    return (x < 0 ? 0.0f : x) + (m_log(u) + (e - (u - 1.0f)) / u);
}

/* |x| up to M_TRIG_LIMIT only. quarter: 0 for the sine, 1 for the cosine. */
#define M_TRIG_LIMIT 8192.0f
TN_INLINE float m_trig(float x, uint32_t quarter)
{
    const float shifted = x * 0.636619772f + M_ROUND, k = shifted - M_ROUND;
    const uint32_t n = m_word(shifted) + quarter;
    float r = x - k * 1.5703125f;
    r = r - k * 4.837512969970703125e-4f;
    r = r - k * 7.549789954891882e-8f;
    const float z = r * r;
    const float s =
        r +
        r * z * (((2.717564411e-06f * z - 1.983925663e-04f) * z + 8.333329144e-03f) * z - 1.666666664e-01f);
    const float c =
        1.0f - 0.5f * z + z * z * ((2.443120314e-05f * z - 1.388730602e-03f) * z + 4.166664565e-02f);
    const float v = n & 1 ? c : s;
    return m_bits(m_word(v) ^ ((n & 2) << 30));
}

TN_INLINE float m_erf(float x)
{
    const float a = fabsf(x), b = a > 4.2f ? 4.2f : a, z = a * a;
    float p = 1.127054465e-04f - 9.680136843e-06f * z;
    p = p * z - 8.484711471e-04f;
    p = p * z + 5.221074880e-03f;
    p = p * z - 2.686544582e-02f;
    p = p * z + 1.128378275e-01f;
    p = p * z - 3.761263848e-01f;
    p = p * z + 1.128379167e+00f;
    const float t = 1.0f / (b + 2.0f);
    float q = 7.887167506e+01f - 3.197794501e+01f * t;
    q = q * t - 6.957357682e+01f;
    q = q * t + 2.218390301e+01f;
    q = q * t - 2.402633696e+00f;
    q = q * t + 3.578018349e+00f;
    q = q * t + 1.900315770e+00f;
    q = q * t + 1.133014775e+00f;
    q = q * t + 5.640233662e-01f;
    q = q * t + 2.607319641e-06f;
    const float far = 1.0f - q * m_exp(-b * b);
    return a < 1.0f ? x * p : x != x ? x : m_sign_of(far, x);
}

/* exp(b * b) * (b + 2) * erfc(b) is a polynomial in (b - 2) / (b + 2). What is lost when b * b is rounded comes
 * back as a factor. */
TN_INLINE float m_erfc(float x)
{
    const float a = fabsf(x), b = a > 10.2f ? 10.2f : a, t = 1.0f / (b + 2.0f), u = (b - 2.0f) * t;
    float q = 1.216892124e-04f;
    q = q * u + 6.021342779e-05f;
    q = q * u - 6.544563221e-04f;
    q = q * u - 8.459697710e-04f;
    q = q * u + 3.089189297e-03f;
    q = q * u + 6.480535027e-03f;
    q = q * u - 2.151056565e-02f;
    q = q * u - 3.644232079e-02f;
    q = q * u + 2.794720829e-01f;
    q = q * u - 6.871606708e-01f;
    q = q * u + 1.021582723e+00f;
    const float high = m_bits(m_word(b) & 0xfffff000u), low = b - high, z = b * b;
    const float lost = (high * high - z) + (high + high) * low + low * low;
    const float e = q * t * m_exp(-z) * (1.0f - lost), far = x < 0 ? 2.0f - e : e;
    return a < 0.5f ? 1.0f - m_erf(x) : x != x ? x : far;
}

/* The angle of (x, y): of the smaller to the greater side, within [0, pi/4], and from there to its octant. */
TN_INLINE float m_atan2(float y, float x)
{
    const float a = fabsf(x), b = fabsf(y), small = b < a ? b : a, great = b < a ? a : b;
    const float t = small == great ? (great == 0 ? 0.0f : 1.0f) : small / great, z = t * t;
    float p = 2.920692824e-03f;
    p = p * z - 1.636793028e-02f;
    p = p * z + 4.321186433e-02f;
    p = p * z - 7.552214562e-02f;
    p = p * z + 1.066600476e-01f;
    p = p * z - 1.421105533e-01f;
    p = p * z + 1.999377284e-01f;
    p = p * z - 3.333315274e-01f;
    float r = p * (z * t) + t;
    r = b > a ? (1.57079637f - r) - 4.37113883e-08f : r;
    r = m_word(x) >> 31 ? (3.14159274f - r) - 8.74227766e-08f : r;
    return x != x || y != y ? x + y : m_sign_of(r, y);
}

TN_INLINE float m_atan(float x)
{
    return m_atan2(x, 1.0f);
}

/* asin(x), x^2 = z up to 1/4 */
TN_INLINE float m_asin_core(float x, float z)
{
    float p = 4.216630875e-02f;
    p = p * z + 2.417951454e-02f;
    p = p * z + 4.547037598e-02f;
    p = p * z + 7.495297643e-02f;
    p = p * z + 1.666675248e-01f;
    return p * (z * x) + x;
}

/* Past 1/2 by half the angle: 1 - |x| = 2 sin^2 of it. NaN where |x| > 1: the root's. */
TN_INLINE float m_asin(float x)
{
    const float a = fabsf(x), z = a > 0.5f ? 0.5f - 0.5f * a : a * a, s = a > 0.5f ? sqrtf(z) : a;
    const float r = m_asin_core(s, z);
    return m_sign_of(a > 0.5f ? (1.57079637f - 2.0f * r) - 4.37113883e-08f : r, x);
}

TN_INLINE float m_acos(float x)
{
    const float a = fabsf(x), z = a > 0.5f ? 0.5f - 0.5f * a : a * a, s = a > 0.5f ? sqrtf(z) : a;
    const float r = m_asin_core(s, z), near = (1.57079637f - m_sign_of(r, x)) - 4.37113883e-08f;
    const float far = x < 0 ? (3.14159274f - 2.0f * r) - 8.74227766e-08f : 2.0f * r;
    return a > 0.5f ? far : near;
}

/* The commonest exponents; others go through the C library. */
TN_INLINE bool m_pow_is_simple(float y)
{
    return y == 2.0f || y == 3.0f || y == 0.5f || y == 1.0f || y == -1.0f || y == 4.0f;
}

TN_INLINE float m_pow_simple(float x, float y)
{
    if (y == 2.0f) return x * x;
    if (y == 3.0f) return x * x * x;
    if (y == 4.0f) return x * x * (x * x);
    if (y == 1.0f) return x;
    return y == 0.5f ? x == -INFINITY ? INFINITY : sqrtf(x) + 0.0f : 1.0f / x;
}

#endif
