/* SPDX-License-Identifier: Apache-2.0
 *
 * text.c - UTF-8 and base64, both ways.
 */
#include "base.h"

/* ==== UTF-8 ==== */

size_t tn_utf8_next(tn_view s, int32_t *c)
{
    const unsigned char *p = (const unsigned char *)s.p;
    unsigned lead = p[0], low = 0x80, high = 0xbf; /* neither overlong, nor a surrogate, nor too large */
    size_t more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    *c = -1;
    if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4) return 1;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
    uint32_t v = more == 0 ? lead : lead & (0x3fu >> more);
    for (size_t i = 1; i <= more; i++) {
        if (i >= s.n || p[i] < low || p[i] > high) return i;
        v = v << 6 | (p[i] & 0x3f);
        low = 0x80;
        high = 0xbf;
    }
    *c = (int32_t)v;
    return more + 1;
}

size_t tn_utf8_step(tn_view s)
{
    int32_t c = -1;
    size_t n = s.n ? tn_utf8_next(s, &c) : 0;
    return c < 0 ? 0 : n;
}

size_t tn_utf8_put(char *to, uint32_t c)
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint32_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6) to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)(lead[n] | c);
    return n;
}

void tn_buf_utf8(tn_buf *b, uint32_t c)
{
    char bytes[4];
    tn_buf_add(b, bytes, tn_utf8_put(bytes, c));
}

bool tn_utf8_valid(tn_view s)
{
    while (s.n) {
        size_t step = (unsigned char)*s.p < 0x80 ? 1 : tn_utf8_step(s);
        if (step == 0) return false;
        s = (tn_view){s.p + step, s.n - step};
    }
    return true;
}

/* ==== base64 ==== */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void tn_base64_encode(tn_view in, tn_buf *out)
{
    const unsigned char *p = (const unsigned char *)in.p;
    if (!tn_buf_reserve(out, in.n / 3 * 4 + 4)) return;
    for (size_t i = 0; i < in.n; i += 3) {
        size_t n = TN_MIN(in.n - i, 3);
        uint32_t bits = (uint32_t)p[i] << 16;
        if (n > 1) bits |= (uint32_t)p[i + 1] << 8;
        if (n > 2) bits |= p[i + 2];
        char four[4] = {alphabet[bits >> 18], alphabet[bits >> 12 & 63],
                        n > 1 ? alphabet[bits >> 6 & 63] : '=', n > 2 ? alphabet[bits & 63] : '='};
        tn_buf_add(out, four, 4);
    }
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The last 2 or 3 characters of text without a full group of 4; their unused bits may be anything. */
static bool decode_rest(uint32_t bits, size_t count, size_t padding, tn_buf *out)
{
    if (padding && (count + padding) % 4 != 0) return false;
    if (count == 0) return padding == 0;
    if (count == 1) return false;
    if (count == 3) tn_buf_char(out, (char)(bits >> 10));
    tn_buf_char(out, (char)(count == 3 ? bits >> 2 : bits >> 4));
    return true;
}

/* As Abseil reads it: padding may be missing, or be dots; white space is passed over. */
bool tn_base64_decode(tn_view in, tn_buf *out)
{
    size_t before = out->n, count = 0, padding = 0;
    uint32_t bits = 0;
    bool good = tn_buf_reserve(out, in.n / 4 * 3 + 3);
    for (size_t i = 0; good && i < in.n; i++) {
        char c = in.p[i];
        bool pads = c == '=' || c == '.';
        if (c == ' ' || (c >= '\t' && c <= '\r')) continue;
        int v = value_of(c);
        padding += pads;
        good = pads ? padding <= 2 : v >= 0 && padding == 0;
        if (!good || pads) continue;
        bits = bits << 6 | (uint32_t)v;
        if (++count < 4) continue;
        char three[3] = {(char)(bits >> 16), (char)(bits >> 8), (char)bits};
        tn_buf_add(out, three, 3);
        bits = 0;
        count = 0;
    }
    good = good && decode_rest(bits, count, padding, out) && !out->failed;
    if (!good && out->data) {
        out->n = before;
        out->data[before] = 0;
    }
    return good;
}
