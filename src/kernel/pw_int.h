/* SPDX-License-Identifier: Apache-2.0
 *
 * pw_int.h - the element-wise operators of one integer type: included by pw_types.c once per type with T,
 * U (the unsigned type of the same size, or wider: arithmetic in it wraps), BITS, SIGNED and NAME defined.
 * Deliberately without a guard.
 */
#define Z(y) ((y) == 0 ? (fault |= TN_FAULT_ZERO, 1) : 0)

static inline T NAME(quotient)(T x, T y)
{
    return SIGNED && y == (T)-1 ? (T)(0 - (U)x) : (T)(x / y);
}
static inline T NAME(rest)(T x, T y)
{
    return SIGNED && y == (T)-1 ? 0 : (T)(x % y);
}
static inline T NAME(floor_div)(T x, T y)
{
    T q = NAME(quotient)(x, y), r = NAME(rest)(x, y);
    return r != 0 && (r < 0) != (y < 0) ? (T)(q - 1) : q;
}
static inline T NAME(floor_mod)(T x, T y)
{
    T r = NAME(rest)(x, y);
    return r != 0 && (r < 0) != (y < 0) ? (T)(r + y) : r;
}
static inline T NAME(power)(T x, T y, unsigned *fault)
{
    U result = 1, base = (U)x;
    if (y < 0) *fault |= TN_FAULT_POWER;
    for (T e = y; e > 0; e = (T)(e >> 1)) {
        if (e & 1) result *= base;
        base *= base;
    }
    return (T)result;
}
static inline int NAME(places)(T y)
{
    return y < 0 ? 0 : y >= (T)(BITS - 1) ? BITS - 1 : (int)y;
}

PW1(NAME(IDENTITY), T, T, x)
PW1(NAME(NEG), T, T, 0 - (U)x)
PW1(NAME(ABS), T, T, x < 0 ? 0 - (U)x : (U)x)
PW1(NAME(SIGN), T, T, (x > 0) - (x < 0))
PW1(NAME(SQUARE), T, T, (U)x *(U)x)
PW1(NAME(RECIPROCAL), T, T, Z(x) ? 0 : NAME(quotient)(1, x))
PW1(NAME(RELU), T, T, x < 0 ? 0 : x)
PW1(NAME(RELU6), T, T, x<0 ? 0 : x> 6 ? 6 : x)
PW1(NAME(INVERT), T, T, ~x)
PW2(NAME(ADD), T, T, (U)x + (U)y)
PW2(NAME(SUB), T, T, (U)x - (U)y)
PW2(NAME(MUL), T, T, (U)x *(U)y)
PW2(NAME(TRUNC_DIV), T, T, Z(y) ? 0 : NAME(quotient)(x, y))
PW2(NAME(TRUNC_MOD), T, T, Z(y) ? 0 : NAME(rest)(x, y))
PW2(NAME(FLOOR_DIV), T, T, Z(y) ? 0 : NAME(floor_div)(x, y))
PW2(NAME(FLOOR_MOD), T, T, Z(y) ? 0 : NAME(floor_mod)(x, y))
PW2(NAME(POW), T, T, NAME(power)(x, y, &fault))
PW2(NAME(MAXIMUM), T, T, x > y ? x : y)
PW2(NAME(MINIMUM), T, T, x < y ? x : y)
PW2(NAME(SQUARED_DIFFERENCE), T, T, ((U)x - (U)y) * ((U)x - (U)y))
PW2(NAME(EQUAL), T, uint8_t, x == y)
PW2(NAME(NOT_EQUAL), T, uint8_t, x != y)
PW2(NAME(LESS), T, uint8_t, x < y)
PW2(NAME(LESS_EQUAL), T, uint8_t, x <= y)
PW2(NAME(GREATER), T, uint8_t, x > y)
PW2(NAME(GREATER_EQUAL), T, uint8_t, x >= y)
PW2(NAME(APPROX_EQUAL), T, uint8_t, (double)(x > y ? (U)x - (U)y : (U)y - (U)x) < attr)
PW2(NAME(BIT_AND), T, T, x &y)
PW2(NAME(BIT_OR), T, T, x | y)
PW2(NAME(BIT_XOR), T, T, x ^ y)
PW2(NAME(LEFT_SHIFT), T, T, (U)x << NAME(places)(y))
PW2(NAME(RIGHT_SHIFT), T, T, x >> NAME(places)(y))
PW2(NAME(RELU_GRAD), T, T, y > 0 ? x : 0)
PW2(NAME(RELU6_GRAD), T, T, y > 0 && y < 6 ? x : 0)
PW3(NAME(CLIP), T, T, T, x<y ? y : x> z ? z : x)
PW3(NAME(FMA), T, T, T, (U)x *(U)y + (U)z)

#define ROW(name) [TN_PW_##name] = NAME(name)
static const tn_pw_any NAME(table)[TN_PW_COUNT] = {
    ROW(IDENTITY),
    ROW(NEG),
    ROW(ABS),
    ROW(SIGN),
    ROW(SQUARE),
    ROW(RECIPROCAL),
    ROW(RELU),
    ROW(RELU6),
    ROW(INVERT),
    ROW(ADD),
    ROW(SUB),
    ROW(MUL),
    ROW(TRUNC_DIV),
    ROW(TRUNC_MOD),
    ROW(FLOOR_DIV),
    ROW(FLOOR_MOD),
    ROW(POW),
    ROW(MAXIMUM),
    ROW(MINIMUM),
    ROW(SQUARED_DIFFERENCE),
    ROW(EQUAL),
    ROW(NOT_EQUAL),
    ROW(LESS),
    ROW(LESS_EQUAL),
    ROW(GREATER),
    ROW(GREATER_EQUAL),
    ROW(APPROX_EQUAL),
    ROW(BIT_AND),
    ROW(BIT_OR),
    ROW(BIT_XOR),
    ROW(LEFT_SHIFT),
    ROW(RIGHT_SHIFT),
    ROW(RELU_GRAD),
    ROW(RELU6_GRAD),
    ROW(CLIP),
    ROW(FMA),
    [TN_PW_DIV] = NAME(TRUNC_DIV),
    [TN_PW_RINT] = NAME(IDENTITY),
    [TN_PW_FLOOR] = NAME(IDENTITY),
    [TN_PW_CEIL] = NAME(IDENTITY),
};
#undef ROW
#undef Z
#undef T
#undef U
#undef BITS
#undef SIGNED
#undef NAME
