/* SPDX-License-Identifier: Apache-2.0
 *
 * mutate_table.c - changes a table as a list of entries, for the fuzzing engine: bytes alone would never get past the checksums of
 * its blocks, nor past those of a checkpoint's tensors, which are made right for a file of zeros.
 */
#include "mutate.h"

#include "wire/proto.h"
#include "wire/wire.h"

#include <stdlib.h>

enum { MOST = 64, ZEROS = 256 };

typedef struct entry {
    tn_view key, value;
} entry;

static tn_view keep(tn_arena *a, tn_view v)
{
    return (tn_view){tn_arena_strndup(a, v.n ? v.p : "", v.n), v.n};
}

static int read_entries(tn_view file, tn_arena *a, entry *e)
{
    tn_table *t;
    tn_error err;
    int n = 0;
    if (tn_table_open(file, &t, &err) != TN_OK) return 0;
    while (n < MOST && tn_table_next(t, &e[n].key, &e[n].value, &err) == TN_OK) {
        e[n] = (entry){keep(a, e[n].key), keep(a, e[n].value)};
        n++;
    }
    tn_table_close(t);
    return n;
}

static tn_view change(tn_arena *a, tn_view v, unsigned seed, bool message)
{
    tn_buf out = {0};
    if (message) tn_mutate_message(v, seed, &out);
    else tn_mutate_bytes(v, &out);
    v = keep(a, (tn_view){out.data, out.n});
    tn_buf_free(&out);
    return v;
}

/* What a checkpoint's entry says of zeros. */
static tn_view with_checksum(tn_arena *a, tn_view v)
{
    static const char zeros[ZEROS];
    tn_BundleEntryProto *p;
    tn_buf out = {0};
    tn_error err;
    if (TN_DECODE(BundleEntryProto, v, a, &p, &err) != TN_OK || p->slices.n || p->offset < 0 || p->offset > ZEROS || p->size < 0 ||
        p->size > ZEROS - p->offset)
        return v;
    p->crc32c = tn_crc_mask(tn_crc32c(0, zeros, (size_t)p->size));
    if (TN_ENCODE(BundleEntryProto, p, &out, &err) == TN_OK) v = keep(a, (tn_view){out.data, out.n});
    tn_buf_free(&out);
    return v;
}

static int by_key(const void *x, const void *y)
{
    tn_view a = ((const entry *)x)->key, b = ((const entry *)y)->key;
    int c = memcmp(a.p, b.p, TN_MIN(a.n, b.n));
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

static int change_entries(tn_arena *a, entry *e, int n, unsigned seed)
{
    if (!n) e[n++] = (entry){TN_VIEW("a"), TN_VIEW("")};
    entry *one = &e[seed / 16 % (unsigned)n];
    switch (seed % 16) {
    case 0: *one = e[--n]; break;
    case 1: one->value = e[seed / 1024 % (unsigned)n].value; break;
    case 2: one->key = change(a, one->key, seed, false); break;
    case 3:
        if (n < MOST) e[n++] = (entry){change(a, one->key, seed, false), one->value};
        break;
    default: one->value = change(a, one->value, seed, true); break;
    }
    for (int i = 0; i < n; i++)
        if (seed % 32 < 24 && e[i].key.n) e[i].value = with_checksum(a, e[i].value);
    qsort(e, (size_t)n, sizeof *e, by_key);
    return n;
}

static bool write_entries(const entry *e, int n, bool small_blocks, tn_buf *out)
{
    tn_table_writer *w;
    tn_error err;
    tn_table_options o = {.block_size = small_blocks ? 64 : 0, .snappy = small_blocks};
    if (tn_table_writer_new(&o, out, &w, &err) != TN_OK) return false;
    for (int i = 0; i < n; i++)
        if (!i || by_key(&e[i - 1], &e[i])) tn_table_add(w, e[i].key, e[i].value);
    return tn_table_finish(w, &err) == TN_OK;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    if (seed % 9 == 0) return LLVMFuzzerMutate(data, size, most);
    tn_arena *a = tn_arena_new((size_t)64 << 20);
    tn_buf out = {0};
    entry e[MOST + 1];
    int n = change_entries(a, e, read_entries((tn_view){(char *)data, size}, a, e), seed / 9);
    bool fits = write_entries(e, n, seed / 7 % 4 == 0, &out) && out.n <= most;
    if (fits) memcpy(data, out.data, size = out.n);
    else size = LLVMFuzzerMutate(data, size, most);
    tn_buf_free(&out);
    tn_arena_free(a);
    return size;
}
