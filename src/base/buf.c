/* SPDX-License-Identifier: Apache-2.0
 *
 * buf.c - views of bytes, and the growing buffer that keeps its first failure.
 *
 * Invariants: n < cap whenever data is set (room for the NUL); n <= limit when there is one. `failed` is
 * RESOURCE_EXHAUSTED for lack of memory, OUT_OF_RANGE for the limit, INTERNAL for a bad format.
 */
#include "base.h"

bool tn_view_eq(tn_view a, tn_view b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool tn_view_is(tn_view a, const char *s)
{
    return tn_view_eq(a, tn_view_of(s));
}

bool tn_view_starts(tn_view a, const char *prefix)
{
    size_t n = strlen(prefix);
    return a.n >= n && (n == 0 || memcmp(a.p, prefix, n) == 0);
}

void tn_buf_free(tn_buf *b)
{
    if (!b) return;
    tn_free(b->data);
    *b = (tn_buf){.limit = b->limit};
}

void tn_buf_clear(tn_buf *b)
{
    b->n = 0;
    b->failed = TN_OK;
    if (b->data) b->data[0] = 0;
}

static bool fail(tn_buf *b, tn_code code)
{
    if (!b->failed) b->failed = code;
    return false;
}

bool tn_buf_reserve(tn_buf *b, size_t more)
{
    if (b->failed) return false;
    if (more > SIZE_MAX / 2 - b->n) return fail(b, TN_RESOURCE_EXHAUSTED);
    size_t need = b->n + more;
    if (b->limit && need > b->limit) return fail(b, TN_OUT_OF_RANGE);
    if (need < b->cap) return true;
    size_t cap = TN_MAX(need + 1, b->cap + b->cap / 2);
    cap = TN_MAX(cap, 64);
    char *data = tn_realloc(b->data, cap);
    if (!data) return fail(b, TN_RESOURCE_EXHAUSTED);
    b->data = data;
    b->cap = cap;
    data[b->n] = 0;
    return true;
}

void tn_buf_add(tn_buf *b, const void *p, size_t n)
{
    if (n == 0 || !tn_buf_reserve(b, n)) return;
    memcpy(b->data + b->n, p, n);
    b->n += n;
    b->data[b->n] = 0;
}

void tn_buf_str(tn_buf *b, const char *s)
{
    tn_buf_add(b, s, strlen(s));
}

void tn_buf_char(tn_buf *b, char c)
{
    tn_buf_add(b, &c, 1);
}

void tn_buf_printf(tn_buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = b->failed ? 0 : vsnprintf(NULL, 0, fmt, ap);
    if (n < 0) fail(b, TN_INTERNAL);
    if (n > 0 && tn_buf_reserve(b, (size_t)n)) {
        vsnprintf(b->data + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
    va_end(ap);
}

char *tn_buf_take(tn_buf *b, size_t *n)
{
    char *data = tn_buf_reserve(b, 0) ? b->data : NULL;
    if (!data) { /* why is kept */
        tn_free(b->data);
        *b = (tn_buf){.limit = b->limit, .failed = b->failed};
        return NULL;
    }
    if (n) *n = b->n;
    *b = (tn_buf){.limit = b->limit};
    return data;
}

tn_code tn_buf_check(const tn_buf *b, tn_error *err)
{
    switch (b->failed) {
    case TN_OK: return TN_OK;
    case TN_OUT_OF_RANGE:
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "more than the limit of %zu bytes", b->limit);
    case TN_RESOURCE_EXHAUSTED: return tn_no_memory(err, b->n);
    default: return tn_fail(err, b->failed, "a value that cannot be formatted");
    }
}
