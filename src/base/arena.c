/* SPDX-License-Identifier: Apache-2.0
 *
 * arena.c - memory of one phase: handed out from chunks, freed at once.
 *
 * Invariants: chunks come zeroed and what a reset keeps is zeroed again, so that every allocation is
 * zeroed without being touched twice; `used` counts what was handed out and never exceeds `limit`.
 */
#include "base.h"

#include <limits.h>

#define ALIGNMENT 16
#define FIRST_CHUNK ((size_t)4 << 10)
#define LARGEST_CHUNK ((size_t)2 << 20) /* with its head: a large page */

typedef struct chunk {
    struct chunk *next; /* the one before it */
    size_t used, size;
    _Alignas(ALIGNMENT) char bytes[];
} chunk;

struct tn_arena {
    chunk *chunks; /* the newest first; only it is filled */
    size_t limit, used, next_size;
};

tn_arena *tn_arena_new(size_t limit)
{
    tn_arena *a = tn_calloc(1, sizeof *a);
    if (!a) return NULL;
    a->limit = limit;
    a->next_size = FIRST_CHUNK;
    return a;
}

static void free_chunks(chunk *c)
{
    while (c) {
        chunk *next = c->next;
        tn_free(c);
        c = next;
    }
}

void tn_arena_free(tn_arena *a)
{
    if (!a) return;
    free_chunks(a->chunks);
    tn_free(a);
}

void tn_arena_settle(tn_arena *a)
{
    chunk *c = a->chunks;
    if (c) tn_pages_forget(c->bytes + c->used, c->size - c->used); /* they come back zeroed */
}

void tn_arena_reset(tn_arena *a)
{
    a->used = 0;
    if (!a->chunks) return;
    free_chunks(a->chunks->next);
    a->chunks->next = NULL;
    memset(a->chunks->bytes, 0, a->chunks->used);
    a->chunks->used = 0;
}

/* A new chunk with room for n. A large allocation gets a chunk of its own, put behind the newest, whose
 * room stays in use. */
static __attribute__((noinline)) chunk *add_chunk(tn_arena *a, size_t n)
{
    bool own = n > a->next_size / 2;
    size_t size = own ? sizeof(chunk) + n : a->next_size;
    chunk *c = size == LARGEST_CHUNK ? tn_aligned_alloc(size) : tn_calloc(1, size);
    if (!c) return NULL;
    if (size == LARGEST_CHUNK) memset(c, 0, size);
    c->size = size - sizeof *c;
    if (own && a->chunks) {
        c->next = a->chunks->next;
        a->chunks->next = c;
        return c;
    }
    c->next = a->chunks;
    a->chunks = c;
    a->next_size = TN_MIN(a->next_size * 2, LARGEST_CHUNK);
    return c;
}

void *tn_arena_alloc(tn_arena *a, size_t n)
{
    if (n > SIZE_MAX / 2) return NULL;
    n = n ? (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT : ALIGNMENT;
    if (a->limit && n > a->limit - a->used) return NULL;
    chunk *c = a->chunks;
    if (!c || c->size - c->used < n) c = add_chunk(a, n);
    if (!c) return NULL;
    void *p = c->bytes + c->used;
    c->used += n;
    a->used += n;
    return p;
}

void *tn_arena_array(tn_arena *a, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) return NULL;
    return tn_arena_alloc(a, bytes);
}

bool tn_grow(tn_arena *a, void *array, int n, int *cap, size_t size)
{
    void *old, *grown;
    if (n < *cap) return true;
    if (*cap > INT_MAX / 2) return false;
    int more = *cap ? 2 * *cap : 8;
    memcpy(&old, array, sizeof old); /* a pointer of whatever type */
    grown = a ? tn_arena_array(a, (size_t)more, size) : tn_realloc(old, (size_t)more * size);
    if (!grown) return false;
    if (a && n) memcpy(grown, old, (size_t)n * size);
    memcpy(array, &grown, sizeof grown);
    *cap = more;
    return true;
}

char *tn_arena_strdup(tn_arena *a, const char *s)
{
    return tn_arena_strndup(a, s, strlen(s));
}

char *tn_arena_strndup(tn_arena *a, const char *s, size_t n)
{
    char *copy = n < SIZE_MAX ? tn_arena_alloc(a, n + 1) : NULL;
    if (copy && n) memcpy(copy, s, n);
    return copy;
}

char *tn_arena_printf(tn_arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    char *s = n >= 0 ? tn_arena_alloc(a, (size_t)n + 1) : NULL;
    if (s) vsnprintf(s, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(ap);
    return s;
}

size_t tn_arena_used(const tn_arena *a)
{
    return a->used;
}
