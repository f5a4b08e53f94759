/* SPDX-License-Identifier: Apache-2.0
 *
 * mutate_message.c - changes a message of Protocol Buffers, whatever its type, as a tree of fields.
 */
#include "mutate.h"

#include "wire/wire.h"

#include <stdlib.h>

enum { MORE = 64, DEPTH = 30 };

typedef struct field {
    size_t at, body, end; /* its tag, what its length says (0: it has none), what comes after it */
} field;

static unsigned draw(unsigned *seed, unsigned n)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % n;
}

void tn_mutate_bytes(tn_view in, tn_buf *out)
{
    uint8_t *p = malloc(in.n + MORE);
    if (!p) return;
    if (in.n) memcpy(p, in.p, in.n);
    size_t n = LLVMFuzzerMutate(p, in.n, in.n + MORE);
    tn_buf_add(out, p, n);
    free(p);
}

/* The field at the beginning of left, which goes on behind it. */
static bool take_field(tn_view all, tn_view *left, field *f)
{
    uint64_t tag, n = 0;
    f->at = all.n - left->n;
    f->body = 0;
    if (!tn_varint_get(left, &tag) || tag >> 3 == 0 || tag >> 32) return false;
    switch (tag & 7) {
    case 0: return tn_varint_get(left, &n) && (f->end = all.n - left->n);
    case 1: n = 8; break;
    case 5: n = 4; break;
    case 2:
        if (!tn_varint_get(left, &n)) return false;
        f->body = all.n - left->n;
        break;
    default: return false;
    }
    if (n > left->n) return false;
    *left = (tn_view){left->p + n, left->n - (size_t)n};
    f->end = all.n - left->n;
    return true;
}

/* The which-th field; how many there are, 0 if these bytes are no message. */
static unsigned find_field(tn_view all, unsigned which, field *out)
{
    tn_view left = all;
    field f;
    unsigned n = 0;
    for (; left.n; n++) {
        if (!take_field(all, &left, &f)) return 0;
        if (n == which) *out = f;
    }
    return n;
}

static void put_part(tn_view in, size_t from, size_t to, tn_buf *out)
{
    if (to > from) tn_buf_add(out, in.p + from, to - from);
}

static void put_varint(uint64_t v, tn_buf *out)
{
    char bytes[TN_VARINT_MOST];
    tn_buf_add(out, bytes, tn_varint_put(bytes, v));
}

static void change(tn_view in, unsigned *seed, int depth, tn_buf *out);

/* The tag, then the changed body with its length. */
static void put_inner(tn_view in, field f, unsigned *seed, int depth, tn_buf *out)
{
    tn_view tag = {in.p + f.at, f.body - f.at};
    tn_buf inner = {0};
    uint64_t v;
    change((tn_view){in.p + f.body, f.end - f.body}, seed, depth + 1, &inner);
    if (!tn_varint_get(&tag, &v)) return;
    put_varint(v, out);
    put_varint(inner.n, out);
    tn_buf_add(out, inner.data, inner.n);
    tn_buf_free(&inner);
}

static void put_number(tn_view in, field f, unsigned *seed, tn_buf *out)
{
    static const uint64_t numbers[] = {0, 1, 2, 7, 9, 127, 255, 1 << 16, INT32_MAX, UINT32_MAX, (uint64_t)1 << 32, INT64_MAX, UINT64_MAX};
    tn_view tag = {in.p + f.at, f.end - f.at};
    uint64_t v;
    if (!tn_varint_get(&tag, &v)) return;
    put_varint(v, out);
    if ((v & 7) == 0) put_varint(numbers[draw(seed, TN_COUNT(numbers))], out);
    else tn_mutate_bytes(tag, out);
}

static void change_field(tn_view in, field f, unsigned n, unsigned *seed, int depth, tn_buf *out)
{
    field other = f;
    unsigned way = draw(seed, 16);
    if (way == 0) return;
    if (way <= 2 && find_field(in, draw(seed, n), &other)) put_part(in, other.at, other.end, out);
    if (way <= 2) put_part(in, f.at, f.end, out);
    else if (way == 3 && find_field(in, draw(seed, n), &other)) put_part(in, other.at, other.end, out);
    else if (way == 4) tn_mutate_bytes((tn_view){in.p + f.at, f.end - f.at}, out);
    else if (f.body) put_inner(in, f, seed, depth, out);
    else put_number(in, f, seed, out);
}

static void change(tn_view in, unsigned *seed, int depth, tn_buf *out)
{
    field f = {0};
    unsigned n = depth < DEPTH ? find_field(in, UINT32_MAX, &f) : 0;
    if (!n || !find_field(in, draw(seed, n), &f)) {
        tn_mutate_bytes(in, out);
        return;
    }
    put_part(in, 0, f.at, out);
    change_field(in, f, n, seed, depth, out);
    put_part(in, f.end, in.n, out);
}

void tn_mutate_message(tn_view in, unsigned seed, tn_buf *out)
{
    change(in, &seed, 0, out);
}

#ifdef TN_FUZZ_MESSAGE
/* What comes before a message: bytes of choice, or a line. */
static size_t head_of(const uint8_t *data, size_t size)
{
    const uint8_t *line = TN_FUZZ_CHOICE < 0 && size ? memchr(data, '\n', size) : NULL;
    return line ? (size_t)(line + 1 - data) : (size_t)TN_MAX(TN_FUZZ_CHOICE, 0);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    size_t at = head_of(data, size);
    tn_buf out = {0};
    if (seed % 4 == 0 || size <= at) return LLVMFuzzerMutate(data, size, most);
    tn_mutate_message((tn_view){(char *)data + at, size - at}, seed / 4, &out);
    bool fits = out.n + at <= most;
    if (fits && out.n) memcpy(data + at, out.data, out.n);
    size = fits ? at + out.n : LLVMFuzzerMutate(data, size, most);
    tn_buf_free(&out);
    return size;
}
#endif
