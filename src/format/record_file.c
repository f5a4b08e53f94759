/* SPDX-License-Identifier: Apache-2.0
 *
 * record_file.c - a TFRecord file, compressed or not, record after record. The layout is wire's.
 */
#include "format.h"

struct tn_record_file {
    char *path;
    tn_mapped file;
    tn_compression compression;
    tn_records *records;
    int64_t number; /* of the next record */
};

/* By the first bytes: a plain file begins with a length whose checksum is right, which no zlib header is. */
static tn_compression compression_of(const tn_mapped *f)
{
    if (f->n < 2) return TN_PLAIN;
    if (f->n >= 12 && tn_get32(f->data + 8) == tn_crc_mask(tn_crc32c(0, f->data, 8))) return TN_PLAIN;
    if (f->data[0] == 0x1f && f->data[1] == 0x8b) return TN_GZIP;
    bool zlib = (f->data[0] & 0x0f) == 8 && f->data[0] >> 4 <= 7 && (f->data[0] * 256 + f->data[1]) % 31 == 0;
    return zlib ? TN_ZLIB : TN_PLAIN;
}

static tn_code begin(tn_record_file *r, const char *path, tn_error *err)
{
    r->path = tn_strdup(path);
    if (!r->path) return tn_no_memory(err, strlen(path));
    TN_TRY(tn_file_map(path, &r->file, err));
    r->compression = compression_of(&r->file);
    return tn_records_open((tn_view){(const char *)r->file.data, r->file.n}, r->compression, 0, &r->records,
                           err);
}

tn_code tn_record_file_open(const char *path, tn_record_file **out, tn_error *err)
{
    tn_record_file *r = tn_calloc(1, sizeof *r);
    if (!r) return tn_no_memory(err, sizeof *r);
    tn_code code = begin(r, path, err);
    if (code != TN_OK) {
        tn_record_file_close(r);
        return code;
    }
    *out = r;
    return TN_OK;
}

tn_code tn_record_file_next(tn_record_file *r, tn_bytes *record, tn_error *err)
{
    tn_view v;
    tn_code code = tn_records_next(r->records, &v, err);
    if (code == TN_OK) {
        *record = (tn_bytes){v.p, v.n};
        r->number++;
    } else if (code != TN_OUT_OF_RANGE) {
        tn_wrap(err, "%s: record %lld", r->path, (long long)r->number);
    }
    return code;
}

const char *tn_record_file_compression(const tn_record_file *r)
{
    return r->compression == TN_PLAIN ? "none" : r->compression == TN_GZIP ? "GZIP" : "ZLIB";
}

void tn_record_file_close(tn_record_file *r)
{
    if (!r) return;
    tn_records_close(r->records);
    tn_file_unmap(&r->file);
    tn_free(r->path);
    tn_free(r);
}
