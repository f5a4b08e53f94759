/* SPDX-License-Identifier: Apache-2.0
 *
 * pw_types.c - element-wise operators of integers and bool, SELECT of everything; finds the other types'.
 * Integer arithmetic wraps around; dividing by zero is reported and never done; INT_MIN / -1 wraps.
 */
#pragma GCC diagnostic ignored "-Wtype-limits" /* unsigned types in templates */

#include "pw_loops.h"
#include "walk.h"

#define T int8_t
#define U uint32_t
#define BITS 8
#define SIGNED 1
#define NAME(x) i8_##x
#include "pw_int.h"
#define T uint8_t
#define U uint32_t
#define BITS 8
#define SIGNED 0
#define NAME(x) u8_##x
#include "pw_int.h"
#define T int16_t
#define U uint32_t
#define BITS 16
#define SIGNED 1
#define NAME(x) i16_##x
#include "pw_int.h"
#define T uint16_t
#define U uint32_t
#define BITS 16
#define SIGNED 0
#define NAME(x) u16_##x
#include "pw_int.h"
#define T int32_t
#define U uint32_t
#define BITS 32
#define SIGNED 1
#define NAME(x) i32_##x
#include "pw_int.h"
#define T uint32_t
#define U uint32_t
#define BITS 32
#define SIGNED 0
#define NAME(x) u32_##x
#include "pw_int.h"
#define T int64_t
#define U uint64_t
#define BITS 64
#define SIGNED 1
#define NAME(x) i64_##x
#include "pw_int.h"
#define T uint64_t
#define U uint64_t
#define BITS 64
#define SIGNED 0
#define NAME(x) u64_##x
#include "pw_int.h"

/* ---- bool ---- any byte but 0 is true */

PW1(b_IDENTITY, uint8_t, uint8_t, x)
PW1(b_NOT, uint8_t, uint8_t, !x)
PW2(b_AND, uint8_t, uint8_t, (x != 0) & (y != 0))
PW2(b_OR, uint8_t, uint8_t, (x | y) != 0)
PW2(b_EQUAL, uint8_t, uint8_t, !x == !y)
PW2(b_NOT_EQUAL, uint8_t, uint8_t, !x != !y)
static const tn_pw_any b_table[TN_PW_COUNT] = {
    [TN_PW_IDENTITY] = b_IDENTITY, [TN_PW_LOGICAL_NOT] = b_NOT, [TN_PW_LOGICAL_AND] = b_AND,
    [TN_PW_LOGICAL_OR] = b_OR,     [TN_PW_EQUAL] = b_EQUAL,     [TN_PW_NOT_EQUAL] = b_NOT_EQUAL,
};

/* ---- select, by size ---- */

typedef struct two {
    uint64_t w[2];
} two;
PW3(select_1, uint8_t, uint8_t, uint8_t, x ? y : z)
PW3(select_2, uint8_t, uint16_t, uint16_t, x ? y : z)
PW3(select_4, uint8_t, uint32_t, uint32_t, x ? y : z)
PW3(select_8, uint8_t, uint64_t, uint64_t, x ? y : z)
PW_HEAD(select_16)
{
    const uint8_t *x = av;
    const two *y = bv, *z = cv;
    two *o = ov;
    (void)attr;
    for (int64_t i = 0; i < n; i++) o[i] = x[i] ? y[i] : z[i];
    return 0;
}

static tn_pw_any select_of(tn_dtype t)
{
    if (t == TN_STRING || t == TN_RESOURCE || t == TN_VARIANT) return NULL;
    switch (tn_dtype_size(t)) {
    case 1: return select_1;
    case 2: return select_2;
    case 4: return select_4;
    case 8: return select_8;
    case 16: return select_16;
    default: return NULL;
    }
}

tn_pw_any tn_pw_any_of(tn_pw_op op, tn_dtype t)
{
    if (op == TN_PW_SELECT) return select_of(t);
    if (op == TN_PW_COMPLEX) return tn_pw_complex_of(op, t);
    switch (t) {
    case TN_INT8:
    case TN_QINT8: return i8_table[op];
    case TN_UINT8:
    case TN_QUINT8: return u8_table[op];
    case TN_INT16:
    case TN_QINT16: return i16_table[op];
    case TN_UINT16:
    case TN_QUINT16: return u16_table[op];
    case TN_INT32:
    case TN_QINT32: return i32_table[op];
    case TN_UINT32: return u32_table[op];
    case TN_INT64: return i64_table[op];
    case TN_UINT64: return u64_table[op];
    case TN_BOOL: return b_table[op];
    case TN_DOUBLE: return tn_pw_double_of(op);
    case TN_COMPLEX64:
    case TN_COMPLEX128: return tn_pw_complex_of(op, t);
    default: return NULL;
    }
}
