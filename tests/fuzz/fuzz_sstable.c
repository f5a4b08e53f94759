/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_sstable.c - one byte of choice, then a table file, or the inside of a block which gets a right crc
 * and a table around it. What is read must be written and read the same.
 */
#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_block(tn_buf *out, tn_view block, char type, tn_buf *handle)
{
    char bytes[TN_VARINT_MOST], trailer[5] = {type};
    tn_buf_add(handle, bytes, tn_varint_put(bytes, out->n));
    tn_buf_add(handle, bytes, tn_varint_put(bytes, block.n));
    tn_put32(trailer + 1, tn_crc_mask(tn_crc32c(tn_crc32c(0, block.p, block.n), trailer, 1)));
    tn_buf_add(out, block.p, block.n);
    tn_buf_add(out, trailer, sizeof trailer);
}

/* A table of one data block. */
static void wrap(tn_view block, char type, tn_buf *out)
{
    static const char zeros[48];
    tn_buf entry = {0}, index = {0}, footer = {0};
    put_block(out, block, type, &entry);
    char head[] = {0, 1, (char)entry.n, '\xff'}, magic[8];
    tn_buf_add(&index, head, sizeof head);
    tn_buf_add(&index, entry.data, entry.n);
    tn_buf_add(&index, "\0\0\0\0\1\0\0\0", 8);
    put_block(out, TN_VIEW("\0\0\0\0\1\0\0\0"), 0, &footer);
    put_block(out, (tn_view){index.data, index.n}, 0, &footer);
    tn_put64(magic, TN_TABLE_MAGIC);
    tn_buf_add(&footer, zeros, 40 - footer.n);
    tn_buf_add(&footer, magic, 8);
    tn_buf_add(out, footer.data, footer.n);
    tn_buf_free(&entry);
    tn_buf_free(&index);
    tn_buf_free(&footer);
}

static size_t read_all(tn_view file, tn_table_writer *w)
{
    tn_table *t;
    tn_view key, value;
    tn_error err;
    size_t n = 0;
    if (tn_table_open(file, &t, &err) != TN_OK) return 0;
    for (; tn_table_next(t, &key, &value, &err) == TN_OK; n++)
        if (w) tn_table_add(w, key, value);
    tn_table_get(t, TN_VIEW("key"), &value, &err);
    if (tn_table_seek(t, TN_VIEW("b"), &err) == TN_OK) tn_table_next(t, &key, &value, &err);
    tn_table_close(t);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    tn_view in = {(const char *)data + 1, size - 1};
    tn_buf file = {0}, again = {0};
    tn_table_writer *w;
    tn_error err;
    if (data[0] & 1) {
        wrap(in, data[0] >> 1 & 1, &file);
        in = (tn_view){file.data, file.n};
    }
    if (tn_table_writer_new(&(tn_table_options){.block_size = 64, .snappy = data[0] & 4}, &again, &w, &err) ==
        TN_OK) {
        size_t n = read_all(in, w);
        if (tn_table_finish(w, &err) != TN_OK) __builtin_trap();
        if (read_all((tn_view){again.data, again.n}, NULL) != n) __builtin_trap();
    }
    tn_buf_free(&file);
    tn_buf_free(&again);
    return 0;
}
