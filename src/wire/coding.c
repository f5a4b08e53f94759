/* SPDX-License-Identifier: Apache-2.0
 *
 * coding.c - numbers as bytes: varints. Words, and varints of one byte, are in the header.
 */
#include "wire.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the formats are little endian and so must be the host");

size_t tn_varint_size(uint64_t v)
{
    int bits = 64 - __builtin_clzll(v | 1);
    return (size_t)(bits + 6) / 7;
}

size_t tn_varint_put(void *p, uint64_t v)
{
    uint8_t *s = p;
    size_t n = 0;
    for (; v >= 0x80; v >>= 7) s[n++] = (uint8_t)(v | 0x80);
    s[n++] = (uint8_t)v;
    return n;
}

bool tn_varint_get_long(tn_view *in, uint64_t *v)
{
    uint64_t sum = 0;
    size_t most = TN_MIN(in->n, TN_VARINT_MOST);
    for (size_t i = 0; i < most; i++) {
        uint8_t byte = (uint8_t)in->p[i];
        sum |= (uint64_t)(byte & 0x7f) << (7 * i); /* of the tenth byte only the lowest bit counts */
        if (byte >= 0x80) continue;
        *in = (tn_view){in->p + i + 1, in->n - i - 1};
        *v = sum;
        return true;
    }
    return false;
}
