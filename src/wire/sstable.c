/* SPDX-License-Identifier: Apache-2.0
 *
 * sstable.c - reading LevelDB's table format: blocks of sorted entries with shared key prefixes, an index
 * block, a footer.
 *
 * Invariants: a block is used only after its crc was right; every offset and length is checked against
 * the block and the file; keys ascend and blocks follow one another in the file, so that no damage can
 * make the same bytes be read again and again.
 */
#include <snappy-c.h>

#include "wire.h"

#define FOOTER 48      /* two handles, padding, the magic number */
#define TRAILER 5      /* after a block: its compression, the masked crc of both */
#define SNAPPY_MOST 64 /* how much snappy can expand; 21 in truth */

typedef struct handle {
    uint64_t offset, size;
} handle;

typedef struct block {
    const char *data;
    size_t end; /* of the entries, where the restart points begin */
    uint32_t restarts;
    uint64_t offset; /* in the file, for messages */
    char *owned;     /* expanded bytes */
} block;

typedef struct cursor {
    size_t at; /* the next entry */
    tn_buf key;
    tn_view value;
} cursor;

struct tn_table {
    tn_view file;
    block index, data; /* data.data NULL: none is loaded */
    cursor in_index, in_data;
    uint64_t data_end; /* where the last data block ended in the file */
    bool placed;       /* the cursor stands on an entry that next is to give */
};

/* ---- blocks ---- */

static void drop_block(block *b)
{
    tn_free(b->owned);
    *b = (block){0};
}

static tn_code damaged(uint64_t offset, const char *what, tn_error *err)
{
    return tn_fail(err, TN_DATA_LOSS, "table block at byte %llu: %s", (unsigned long long)offset, what);
}

static bool take_handle(tn_view *in, handle *h)
{
    return tn_varint_get(in, &h->offset) && tn_varint_get(in, &h->size);
}

static tn_code expand(handle h, tn_view raw, block *b, size_t *n, tn_error *err)
{
    if (snappy_uncompressed_length(raw.p, raw.n, n) != SNAPPY_OK || *n / SNAPPY_MOST > raw.n)
        return damaged(h.offset, "the compressed length is damaged", err);
    b->owned = tn_malloc(*n + 1);
    if (!b->owned) return tn_no_memory(err, *n);
    if (snappy_uncompress(raw.p, raw.n, b->owned, n) != SNAPPY_OK)
        return damaged(h.offset, "the compressed bytes are damaged", err);
    b->data = b->owned;
    return TN_OK;
}

/* Checks the restart points at the end of a block's n bytes. */
static tn_code find_restarts(block *b, size_t n, tn_error *err)
{
    if (n < 8) return damaged(b->offset, "too short", err);
    b->restarts = tn_get32(b->data + n - 4);
    if (b->restarts == 0 || b->restarts > n / 4 - 1)
        return damaged(b->offset, "restart points are damaged", err);
    b->end = n - 4 - (size_t)b->restarts * 4;
    return TN_OK;
}

static tn_code fill_block(tn_view file, handle h, block *b, tn_error *err)
{
    size_t room = file.n - FOOTER;
    b->offset = h.offset;
    if (h.offset > room || h.size > room - h.offset || room - h.offset - h.size < TRAILER)
        return damaged(h.offset, "goes beyond the file", err);
    tn_view raw = {file.p + h.offset, (size_t)h.size};
    const char *trailer = raw.p + raw.n;
    if (tn_get32(trailer + 1) != tn_crc_mask(tn_crc32c(0, raw.p, raw.n + 1)))
        return damaged(h.offset, "the crc is wrong", err);
    size_t n = raw.n;
    b->data = raw.p;
    if (*trailer == 1)
        TN_TRY(expand(h, raw, b, &n, err));
    else if (*trailer != 0)
        return damaged(h.offset, "an unknown compression", err);
    return find_restarts(b, n, err);
}

static tn_code load_block(tn_view file, handle h, block *out, tn_error *err)
{
    block b = {0};
    tn_code code = fill_block(file, h, &b, err);
    if (code) {
        drop_block(&b);
        return code;
    }
    drop_block(out);
    *out = b;
    return TN_OK;
}

/* ---- entries ---- */

static int compare(tn_view a, tn_view b)
{
    size_t n = TN_MIN(a.n, b.n);
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

static tn_view key_of(const cursor *c)
{
    return (tn_view){c->key.data, c->key.n};
}

/* The head of an entry: how much of the key is shared, how much follows, the value's length. */
typedef struct entry {
    uint64_t shared, own, value;
    const char *bytes; /* of its own key part, then the value */
} entry;

static tn_code read_entry(const block *b, size_t at, entry *e, tn_error *err)
{
    tn_view in = {b->data + at, b->end - at};
    if (!tn_varint_get(&in, &e->shared) || !tn_varint_get(&in, &e->own) || !tn_varint_get(&in, &e->value))
        return damaged(b->offset, "an entry is cut short", err);
    if (e->own > in.n || e->value > in.n - e->own)
        return damaged(b->offset, "an entry goes beyond the block", err);
    e->bytes = in.p;
    return TN_OK;
}

/* Moves to the entry at c->at; OUT_OF_RANGE at the block's end. */
static tn_code step(const block *b, cursor *c, tn_error *err)
{
    if (c->at >= b->end) return TN_OUT_OF_RANGE;
    entry e;
    TN_TRY(read_entry(b, c->at, &e, err));
    if (e.shared > c->key.n)
        return damaged(b->offset, "an entry shares more than the key before it has", err);
    tn_view before = {c->key.data ? c->key.data + e.shared : NULL, c->key.n - (size_t)e.shared};
    bool first = c->at == 0;
    if (!first && compare((tn_view){e.bytes, (size_t)e.own}, before) <= 0)
        return damaged(b->offset, "keys do not ascend", err);
    c->key.n = (size_t)e.shared;
    tn_buf_add(&c->key, e.bytes, (size_t)e.own);
    if (!tn_buf_reserve(&c->key, 0)) return tn_buf_check(&c->key, err);
    c->key.data[c->key.n] = 0;
    c->value = (tn_view){e.bytes + e.own, (size_t)e.value};
    c->at = (size_t)(e.bytes + e.own + e.value - b->data);
    return TN_OK;
}

static void rewind_cursor(cursor *c, size_t at)
{
    c->at = at;
    tn_buf_clear(&c->key);
    c->value = (tn_view){0};
}

/* The key at a restart point, which is whole. */
static tn_code restart_key(const block *b, uint32_t i, tn_view *key, size_t *at, tn_error *err)
{
    entry e;
    *at = tn_get32(b->data + b->end + (size_t)i * 4);
    if (*at > b->end) return damaged(b->offset, "a restart point is outside", err);
    *key = (tn_view){0};
    if (*at == b->end) return TN_OK; /* of an empty block */
    TN_TRY(read_entry(b, *at, &e, err));
    if (e.shared) return damaged(b->offset, "a restart point shares a key", err);
    *key = (tn_view){e.bytes, (size_t)e.own};
    return TN_OK;
}

/* Moves to the first entry with a key >= this one; OUT_OF_RANGE: there is none in the block. */
static tn_code seek_in(const block *b, cursor *c, tn_view key, tn_error *err)
{
    uint32_t low = 0, high = b->restarts - 1;
    size_t at = 0;
    tn_view here = {0};
    while (low < high) { /* the last restart point before the key */
        uint32_t middle = low + (high - low + 1) / 2;
        TN_TRY(restart_key(b, middle, &here, &at, err));
        if (compare(here, key) < 0)
            low = middle;
        else
            high = middle - 1;
    }
    TN_TRY(restart_key(b, low, &here, &at, err));
    rewind_cursor(c, at);
    do {
        tn_code code = step(b, c, err);
        if (code) return code;
    } while (compare(key_of(c), key) < 0);
    return TN_OK;
}

/* ---- the table ---- */

static tn_code read_footer(tn_view file, handle *index, tn_error *err)
{
    if (file.n < FOOTER) return tn_fail(err, TN_DATA_LOSS, "not a table: only %zu bytes", file.n);
    const char *footer = file.p + file.n - FOOTER;
    if (tn_get64(footer + FOOTER - 8) != TN_TABLE_MAGIC)
        return tn_fail(err, TN_DATA_LOSS, "not a table, or cut short: no magic number at the end");
    tn_view in = {footer, FOOTER - 8};
    handle meta;
    if (!take_handle(&in, &meta) || !take_handle(&in, index))
        return tn_fail(err, TN_DATA_LOSS, "the table's footer is damaged");
    return TN_OK;
}

tn_code tn_table_open(tn_view file, tn_table **out, tn_error *err)
{
    handle index;
    TN_TRY(read_footer(file, &index, err));
    tn_table *t = tn_calloc(1, sizeof *t);
    if (!t) return tn_no_memory(err, sizeof *t);
    t->file = file;
    tn_code code = load_block(file, index, &t->index, err);
    if (code) {
        tn_free(t);
        return code;
    }
    *out = t;
    return TN_OK;
}

void tn_table_close(tn_table *t)
{
    if (!t) return;
    drop_block(&t->index);
    drop_block(&t->data);
    tn_buf_free(&t->in_index.key);
    tn_buf_free(&t->in_data.key);
    tn_free(t);
}

/* Loads the block that the index cursor stands on, which lies behind the one before. */
static tn_code enter_block(tn_table *t, tn_error *err)
{
    handle h;
    tn_view v = t->in_index.value;
    if (!take_handle(&v, &h)) return damaged(t->index.offset, "a handle is cut short", err);
    if (h.offset < t->data_end) return damaged(h.offset, "blocks do not follow one another", err);
    TN_TRY(load_block(t->file, h, &t->data, err));
    t->data_end = h.offset + h.size + TRAILER;
    return TN_OK;
}

/* The first key of the block that is loaded must come after the one given out last. */
static tn_code check_first(const tn_table *t, tn_error *err)
{
    entry e;
    TN_TRY(read_entry(&t->data, 0, &e, err));
    tn_view first = {e.bytes, (size_t)e.own}, last = key_of(&t->in_data);
    return last.n && compare(first, last) <= 0 ? damaged(t->data.offset, "keys do not ascend", err) : TN_OK;
}

/* Moves to the first entry of the next block that has any. */
static tn_code next_block(tn_table *t, tn_error *err)
{
    do {
        tn_code code = step(&t->index, &t->in_index, err);
        if (code == TN_OUT_OF_RANGE) return tn_fail(err, code, "no more entries");
        if (code) return code;
        TN_TRY(enter_block(t, err));
    } while (t->data.end == 0);
    TN_TRY(check_first(t, err));
    rewind_cursor(&t->in_data, 0);
    return step(&t->data, &t->in_data, err);
}

tn_code tn_table_next(tn_table *t, tn_view *key, tn_view *value, tn_error *err)
{
    tn_code code = TN_OK;
    if (!t->placed) {
        code = t->data.data ? step(&t->data, &t->in_data, err) : TN_OUT_OF_RANGE;
        if (code == TN_OUT_OF_RANGE) code = next_block(t, err);
    }
    t->placed = false;
    if (code) return code;
    *key = key_of(&t->in_data);
    *value = t->in_data.value;
    return TN_OK;
}

static void to_start(tn_table *t)
{
    drop_block(&t->data);
    rewind_cursor(&t->in_index, 0);
    rewind_cursor(&t->in_data, 0);
    t->data_end = 0;
    t->placed = false;
}

/* Enters the block that the index names for a key, unless it is the one loaded. */
static tn_code enter_block_of(tn_table *t, tn_view key, tn_error *err)
{
    handle h;
    TN_TRY(seek_in(&t->index, &t->in_index, key, err));
    tn_view v = t->in_index.value;
    if (t->data.data && take_handle(&v, &h) && h.offset == t->data.offset) return TN_OK;
    t->data_end = 0;
    return enter_block(t, err);
}

tn_code tn_table_seek(tn_table *t, tn_view key, tn_error *err)
{
    t->placed = false;
    tn_code code = enter_block_of(t, key, err);
    if (code == TN_OK) {
        code = seek_in(&t->data, &t->in_data, key, err);
        if (code == TN_OUT_OF_RANGE) code = next_block(t, err);
        t->placed = code == TN_OK;
    }
    if (code == TN_OUT_OF_RANGE) { /* behind the last entry */
        drop_block(&t->data);
        t->in_index.at = t->index.end;
        return TN_OK;
    }
    if (code) to_start(t);
    return code;
}

tn_code tn_table_get(tn_table *t, tn_view key, tn_view *value, tn_error *err)
{
    TN_TRY(tn_table_seek(t, key, err));
    if (!t->placed || !tn_view_eq(key_of(&t->in_data), key))
        return tn_fail(err, TN_NOT_FOUND, "no entry '%.*s'", (int)TN_MIN(key.n, 500), key.p ? key.p : "");
    *value = t->in_data.value;
    return TN_OK;
}
