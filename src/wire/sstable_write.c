/* SPDX-License-Identifier: Apache-2.0
 *
 * sstable_write.c - writing LevelDB's table format as TensorFlow writes it, to the byte.
 *
 * Invariants: keys ascend strictly; an index key is the shortest that is not before its block's last key
 * and before the next block's first.
 */
#include <snappy-c.h>

#include "wire.h"

#define TRAILER 5

/* The entries of one block so far. */
typedef struct builder {
    tn_buf bytes, restarts, last_key;
    int interval, since; /* entries since the last restart point */
} builder;

struct tn_table_writer {
    tn_buf *out;
    size_t start; /* where the table begins in out */
    size_t block_size;
    bool snappy;
    builder data, index;
    tn_buf squeezed;
    bool pending; /* a block was written whose index key waits for the key after it */
    char handle[2 * TN_VARINT_MOST];
    size_t handle_n;
    tn_buf last; /* the key added last */
    bool any;
    tn_error failed;
};

/* ---- a block ---- */

static size_t shared_prefix(tn_view a, tn_view b)
{
    size_t n = TN_MIN(a.n, b.n), i = 0;
    while (i < n && a.p[i] == b.p[i]) i++;
    return i;
}

static void add_varint(tn_buf *b, uint64_t v)
{
    char bytes[TN_VARINT_MOST];
    tn_buf_add(b, bytes, tn_varint_put(bytes, v));
}

static void add_word(tn_buf *b, uint32_t v)
{
    char bytes[4];
    tn_put32(bytes, v);
    tn_buf_add(b, bytes, sizeof bytes);
}

static tn_view view_of(const tn_buf *b)
{
    return (tn_view){b->data, b->n};
}

static void set(tn_buf *b, tn_view v)
{
    tn_buf_clear(b);
    tn_buf_add(b, v.p, v.n);
}

static void builder_clear(builder *b)
{
    tn_buf_clear(&b->bytes);
    tn_buf_clear(&b->restarts);
    tn_buf_clear(&b->last_key);
    add_word(&b->restarts, 0);
    b->since = 0;
}

static void builder_free(builder *b)
{
    tn_buf_free(&b->bytes);
    tn_buf_free(&b->restarts);
    tn_buf_free(&b->last_key);
}

static void builder_add(builder *b, tn_view key, tn_view value)
{
    size_t shared = 0;
    if (b->since < b->interval) {
        shared = shared_prefix(view_of(&b->last_key), key);
    } else {
        add_word(&b->restarts, (uint32_t)b->bytes.n);
        b->since = 0;
    }
    add_varint(&b->bytes, shared);
    add_varint(&b->bytes, key.n - shared);
    add_varint(&b->bytes, value.n);
    if (key.n > shared) tn_buf_add(&b->bytes, key.p + shared, key.n - shared);
    tn_buf_add(&b->bytes, value.p, value.n);
    set(&b->last_key, key);
    b->since++;
}

static size_t builder_size(const builder *b)
{
    return b->bytes.n + b->restarts.n + 4;
}

static tn_code builder_check(const builder *b, tn_error *err)
{
    TN_TRY(tn_buf_check(&b->bytes, err));
    TN_TRY(tn_buf_check(&b->restarts, err));
    return tn_buf_check(&b->last_key, err);
}

/* ---- keys of the index ---- */

/* Shortens a block's last key to one that is still before `next`. */
static void separate(tn_buf *last, tn_view next)
{
    size_t i = shared_prefix(view_of(last), next);
    if (i >= last->n || i >= next.n) return; /* one is a prefix of the other */
    uint8_t byte = (uint8_t)last->data[i];
    if (byte == 0xff || byte + 1 >= (uint8_t)next.p[i]) return;
    last->data[i] = (char)(byte + 1);
    last->n = i + 1;
}

/* Shortens the table's last key to one that is not before it. */
static void succeed(tn_buf *last)
{
    for (size_t i = 0; i < last->n; i++) {
        if ((uint8_t)last->data[i] == 0xff) continue;
        last->data[i]++;
        last->n = i + 1;
        return;
    }
}

/* ---- the table ---- */

tn_code tn_table_writer_new(const tn_table_options *o, tn_buf *out, tn_table_writer **w, tn_error *err)
{
    static const tn_table_options defaults = {0};
    if (!o) o = &defaults;
    if (o->restart_interval < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a restart interval of %d", o->restart_interval);
    tn_table_writer *t = tn_calloc(1, sizeof *t);
    if (!t) return tn_no_memory(err, sizeof *t);
    t->out = out;
    t->start = out->n;
    t->block_size = o->block_size ? o->block_size : 262144;
    t->snappy = o->snappy;
    t->data.interval = o->restart_interval ? o->restart_interval : 16;
    t->index.interval = 1;
    builder_clear(&t->data);
    builder_clear(&t->index);
    *w = t;
    return TN_OK;
}

/* The block compressed, when that is worth it; *type becomes 1 then. */
static tn_view squeeze(tn_table_writer *w, tn_view raw, char *type)
{
    size_t n = snappy_max_compressed_length(raw.n);
    tn_buf_clear(&w->squeezed);
    if (!tn_buf_reserve(&w->squeezed, n)) return raw;
    if (snappy_compress(raw.p, raw.n, w->squeezed.data, &n) != SNAPPY_OK || n >= raw.n - raw.n / 8)
        return raw;
    *type = 1;
    return (tn_view){w->squeezed.data, n};
}

/* Writes a block and empties the builder; the handle is where it lies. */
static void put_block(tn_table_writer *w, builder *b, char *handle, size_t *handle_n)
{
    char trailer[TRAILER] = {0};
    uint32_t restarts = (uint32_t)(b->restarts.n / 4);
    tn_buf_add(&b->bytes, b->restarts.data, b->restarts.n);
    add_word(&b->bytes, restarts);
    if (builder_check(b, &w->failed)) return;
    tn_view raw = view_of(&b->bytes);
    if (w->snappy) raw = squeeze(w, raw, &trailer[0]);
    *handle_n = tn_varint_put(handle, w->out->n - w->start);
    *handle_n += tn_varint_put(handle + *handle_n, raw.n);
    tn_put32(trailer + 1, tn_crc_mask(tn_crc32c(tn_crc32c(0, raw.p, raw.n), trailer, 1)));
    tn_buf_add(w->out, raw.p, raw.n);
    tn_buf_add(w->out, trailer, sizeof trailer);
    tn_buf_check(w->out, &w->failed);
    builder_clear(b);
}

static void end_block(tn_table_writer *w)
{
    if (!w->data.bytes.n) return;
    put_block(w, &w->data, w->handle, &w->handle_n);
    w->pending = true;
}

/* The index entry of the block before; `last` is its last key, shortened. */
static void put_index_entry(tn_table_writer *w)
{
    builder_add(&w->index, view_of(&w->last), (tn_view){w->handle, w->handle_n});
    w->pending = false;
}

static bool ascends(const tn_table_writer *w, tn_view key)
{
    if (!w->any) return true;
    size_t i = shared_prefix(view_of(&w->last), key);
    if (i == w->last.n || i == key.n) return key.n > w->last.n;
    return (uint8_t)w->last.data[i] < (uint8_t)key.p[i];
}

void tn_table_add(tn_table_writer *w, tn_view key, tn_view value)
{
    if (w->failed.code) return;
    if (!ascends(w, key)) {
        tn_fail(&w->failed, TN_INVALID_ARGUMENT, "key '%.*s' does not come after '%.*s'",
                (int)TN_MIN(key.n, 300), key.p, (int)TN_MIN(w->last.n, 300), w->last.data);
        return;
    }
    if (key.n > UINT32_MAX / 4 || value.n > UINT32_MAX / 4) {
        tn_fail(&w->failed, TN_INVALID_ARGUMENT, "an entry of %zu and %zu bytes is too large", key.n,
                value.n);
        return;
    }
    if (w->pending) {
        separate(&w->last, key);
        put_index_entry(w);
    }
    set(&w->last, key);
    w->any = true;
    builder_add(&w->data, key, value);
    if (builder_check(&w->data, &w->failed) || tn_buf_check(&w->last, &w->failed)) return;
    if (builder_size(&w->data) >= w->block_size) end_block(w);
}

static void put_footer(tn_table_writer *w)
{
    char footer[48] = {0};
    builder meta = {.interval = 1};
    builder_clear(&meta);
    size_t n, at = 0;
    put_block(w, &meta, footer, &at);
    builder_free(&meta);
    if (w->failed.code) return;
    put_block(w, &w->index, footer + at, &n);
    tn_put64(footer + sizeof footer - 8, TN_TABLE_MAGIC);
    tn_buf_add(w->out, footer, sizeof footer);
    tn_buf_check(w->out, &w->failed);
}

tn_code tn_table_finish(tn_table_writer *w, tn_error *err)
{
    if (!w) return TN_OK;
    if (!w->failed.code) end_block(w);
    if (!w->failed.code && w->pending) {
        succeed(&w->last);
        put_index_entry(w);
    }
    if (!w->failed.code) put_footer(w);
    tn_code code = w->failed.code;
    if (code && err) *err = w->failed;
    builder_free(&w->data);
    builder_free(&w->index);
    tn_buf_free(&w->squeezed);
    tn_buf_free(&w->last);
    tn_free(w);
    return code;
}
