/* SPDX-License-Identifier: Apache-2.0
 *
 * mutate_records.c - changes one of the records of a file, for the fuzzing engine: bytes alone would never get past the checksums.
 * With TN_FUZZ_CHOICE the file comes after a byte that says how it is compressed.
 */
#include "mutate.h"

#include "wire/wire.h"

enum { MOST = 1 << 16 };

/* Most records are messages. */
static void put_changed(tn_buf *out, tn_view v, unsigned seed)
{
    tn_buf record = {0};
    tn_mutate_message(v, seed, &record);
    tn_record_put(out, record.n ? record.data : "", record.n);
    tn_buf_free(&record);
}

/* The seed's record is changed, doubled, dropped or, if there is none, added. */
static void change_records(tn_view in, unsigned seed, tn_buf *out)
{
    tn_view left = in, record;
    tn_error err;
    unsigned n = 0, which;
    while (tn_record_next(&left, 0, &record, &err) == TN_OK) n++;
    which = seed / 8 % (n + 1);
    for (unsigned i = 0; i < n && tn_record_next(&in, 0, &record, &err) == TN_OK; i++) {
        if (i != which || seed % 8 == 1) tn_record_put(out, record.p, record.n);
        if (i == which && seed % 8 != 0) put_changed(out, record, seed / 8);
    }
    if (which == n) put_changed(out, (tn_view){"", 0}, seed / 8);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    const size_t at = TN_FUZZ_CHOICE;
    const tn_compression c = at && size ? (tn_compression)(data[0] % 3) : TN_PLAIN;
    if (seed % 9 == 0 || size < at) return LLVMFuzzerMutate(data, size, most);
    tn_buf plain = {0}, changed = {0}, out = {0};
    tn_view rest = {(char *)data + at, size - at};
    tn_error err;
    bool fits = tn_inflate(rest, c, MOST, &plain, &err) == TN_OK;
    if (fits) change_records((tn_view){plain.n ? plain.data : "", plain.n}, seed / 9, &changed);
    fits = fits && changed.n && tn_deflate((tn_view){changed.data, changed.n}, c, -1, &out, &err) == TN_OK && out.n + at <= most;
    if (fits) memcpy(data + at, out.data, out.n);
    size = fits ? out.n + at : LLVMFuzzerMutate(data, size, most);
    tn_buf_free(&plain);
    tn_buf_free(&changed);
    tn_buf_free(&out);
    return size;
}
