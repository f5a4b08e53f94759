/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_text.c - how gRPC writes things in HTTP/2's headers: timeouts, status messages, binary values, codings.
 */
#include "grpc_text.h"

#include "net.h"

const char *const tn_grpc_coding_names[3] = {"identity", "deflate", "gzip"};

/* ---- codings ---- */

tn_grpc_coding tn_grpc_coding_of(tn_view name)
{
    for (int i = 0; i < TN_GRPC_UNKNOWN; i++)
        if (tn_view_is(name, tn_grpc_coding_names[i])) return (tn_grpc_coding)i;
    return TN_GRPC_UNKNOWN;
}

bool tn_grpc_coding_in(tn_view list, tn_grpc_coding c)
{
    for (size_t i = 0, start = 0; i <= list.n; i++) {
        if (i < list.n && list.p[i] != ',') continue;
        while (start < i && list.p[start] == ' ') start++;
        size_t end = i;
        while (end > start && list.p[end - 1] == ' ') end--;
        if (tn_grpc_coding_of((tn_view){list.p + start, end - start}) == c) return true;
        start = i + 1;
    }
    return false;
}

/* ---- timeouts ---- */

static const struct {
    char unit;
    int64_t us; /* 0: a thousandth */
} units[] = {{'H', 3600000000}, {'M', 60000000}, {'S', 1000000}, {'m', 1000}, {'u', 1}, {'n', 0}};

bool tn_grpc_timeout_parse(tn_view s, int64_t *us)
{
    int64_t v = 0;
    if (s.n < 2 || s.n > 9) return false; /* at most eight digits */
    for (size_t i = 0; i + 1 < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return false;
        v = v * 10 + (s.p[i] - '0');
    }
    for (size_t i = 0; i < TN_COUNT(units); i++)
        if (units[i].unit == s.p[s.n - 1]) {
            *us = units[i].us ? v * units[i].us : (v + 999) / 1000;
            return true;
        }
    return false;
}

int tn_grpc_timeout_text(char *buf, int64_t us)
{
    const int64_t most = 99999999;
    if (us < 0) us = 0;
    if (us <= most) return snprintf(buf, 16, "%du", (int)us);
    if (us / 1000 < most) return snprintf(buf, 16, "%dm", (int)((us + 999) / 1000));
    if (us / 1000000 < most) return snprintf(buf, 16, "%dS", (int)((us + 999999) / 1000000));
    return snprintf(buf, 16, "%dH", (int)TN_MIN(us / 3600000000 + 1, most));
}

/* ---- status messages ---- */

static const char hex[] = "0123456789ABCDEF";

static void encode(const char *s, size_t n, tn_buf *out)
{
    for (size_t i = 0; i < n;) {
        size_t plain = i;
        while (plain < n && s[plain] >= 0x20 && s[plain] <= 0x7E && s[plain] != '%') plain++;
        tn_buf_add(out, s + i, plain - i);
        for (i = plain; i < n && (s[i] < 0x20 || s[i] > 0x7E || s[i] == '%'); i++) {
            unsigned char c = (unsigned char)s[i];
            tn_buf_add(out, (char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
        }
    }
}

/* A field's value neither begins nor ends with a space: peers drop such a field, and the message with it. */
static void encode_ends(const char *s, size_t n, bool cut, tn_buf *out)
{
    size_t from = strspn(s, " "), to = n;
    while (!cut && to > from && s[to - 1] == ' ') to--;
    for (size_t i = 0; i < TN_MIN(from, n); i++) tn_buf_str(out, "%20");
    if (from < to) encode(s + from, to - from, out);
    for (size_t i = TN_MAX(from, to); i < n; i++) tn_buf_str(out, "%20");
}

void tn_grpc_message_encode(const char *s, tn_buf *out)
{
    size_t n = strnlen(s, TN_GRPC_MESSAGE_LIMIT + 1);
    bool cut = n > TN_GRPC_MESSAGE_LIMIT;
    encode_ends(s, TN_MIN(n, (size_t)TN_GRPC_MESSAGE_LIMIT), cut, out);
    if (cut) tn_buf_str(out, "...TRUNCATED");
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void tn_grpc_message_decode(tn_view s, tn_buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        bool coded = s.p[i] == '%' && i + 2 < s.n && digit(s.p[i + 1]) >= 0 && digit(s.p[i + 2]) >= 0;
        tn_buf_char(out, coded ? (char)(digit(s.p[i + 1]) * 16 + digit(s.p[i + 2])) : s.p[i]);
        if (coded) i += 2;
    }
}

/* ---- binary values ---- */

bool tn_grpc_is_bin(tn_view name)
{
    return name.n > 4 && memcmp(name.p + name.n - 4, "-bin", 4) == 0;
}

void tn_grpc_bin_encode(tn_view in, tn_buf *out)
{
    tn_base64_encode(in, out);
    while (out->n && out->data[out->n - 1] == '=') out->data[--out->n] = 0;
}

static bool decode_one(tn_view in, tn_buf *out)
{
    tn_buf padded = {0};
    tn_buf_add(&padded, in.p, in.n);
    while (padded.n % 4 && !padded.failed) tn_buf_char(&padded, '=');
    bool ok = !padded.failed && tn_base64_decode((tn_view){padded.n ? padded.data : "", padded.n}, out) && !out->failed;
    tn_buf_free(&padded);
    return ok;
}

bool tn_grpc_bin_decode(tn_view in, tn_buf *out)
{
    bool ok = true;
    for (size_t i = 0, start = 0; i <= in.n; i++)
        if (i == in.n || in.p[i] == ',') {
            ok = ok && decode_one((tn_view){in.p + start, i - start}, out);
            start = i + 1;
        }
    return ok;
}

/* ---- HTTP ---- */

tn_code tn_grpc_code_of_http(int status)
{
    switch (status) {
    case 400: return TN_INTERNAL;
    case 401: return TN_UNAUTHENTICATED;
    case 403: return TN_PERMISSION_DENIED;
    case 404: return TN_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504: return TN_UNAVAILABLE;
    default: return TN_UNKNOWN;
    }
}
