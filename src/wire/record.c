/* SPDX-License-Identifier: Apache-2.0
 *
 * record.c - TFRecord: length (8 bytes), masked crc of the length, the bytes, masked crc of the bytes.
 *
 * Invariants: a length is believed only when its crc is right; a record that is not whole is never
 * given out.
 */
#include "inflate.h"

#define HEADER 12
#define FOOTER 4

static uint32_t masked(const void *p, size_t n)
{
    return tn_crc_mask(tn_crc32c(0, p, n));
}

/* ---- writing ---- */

void tn_record_header(uint8_t header[12], uint64_t n)
{
    tn_put64(header, n);
    tn_put32(header + 8, masked(header, 8));
}

void tn_record_put(tn_buf *out, const void *p, size_t n)
{
    uint8_t header[HEADER], footer[FOOTER];
    tn_record_header(header, n);
    tn_put32(footer, masked(p, n));
    if (!tn_buf_reserve(out, n > SIZE_MAX / 4 ? SIZE_MAX : n + TN_RECORD_OVERHEAD)) return;
    tn_buf_add(out, header, HEADER);
    tn_buf_add(out, p, n);
    tn_buf_add(out, footer, FOOTER);
}

/* ---- reading ---- */

static tn_code fail(uint64_t at, const char *what, tn_error *err)
{
    return tn_fail(err, TN_DATA_LOSS, "record at byte %llu: %s", (unsigned long long)at, what);
}

/* The length in a whole header. */
static tn_code record_length(const char *header, uint64_t at, uint64_t *n, tn_error *err)
{
    if (tn_get32(header + 8) != masked(header, 8)) return fail(at, "the length is damaged", err);
    *n = tn_get64(header);
    return TN_OK;
}

static tn_code check_data(const char *p, size_t n, uint64_t at, tn_error *err)
{
    return tn_get32(p + n) == masked(p, n) ? TN_OK : fail(at, "the data is damaged", err);
}

tn_code tn_record_next(tn_view *in, uint64_t at, tn_view *record, tn_error *err)
{
    if (!in->n) return tn_fail(err, TN_OUT_OF_RANGE, "no more records");
    if (in->n < HEADER) return fail(at, "the length is cut short", err);
    uint64_t n = 0;
    TN_TRY(record_length(in->p, at, &n, err));
    if (in->n < TN_RECORD_OVERHEAD || n > in->n - TN_RECORD_OVERHEAD)
        return fail(at, "the data is cut short", err);
    const char *data = in->p + HEADER;
    TN_TRY(check_data(data, (size_t)n, at, err));
    *record = (tn_view){data, (size_t)n};
    *in = (tn_view){data + n + FOOTER, in->n - (size_t)n - TN_RECORD_OVERHEAD};
    return TN_OK;
}

/* ---- a whole file ---- */

struct tn_records {
    tn_view left;   /* plain: what has not been read yet */
    tn_inflater *z; /* otherwise */
    tn_buf data;    /* the record that was read last, expanded */
    uint64_t at;    /* of the next record in the plain bytes */
    size_t limit;
    bool ignores_rest;
};

tn_code tn_records_open(tn_view bytes, tn_compression c, size_t limit, tn_records **out, tn_error *err)
{
    tn_records *r = tn_calloc(1, sizeof *r);
    if (!r) return tn_no_memory(err, sizeof *r);
    *r = (tn_records){.left = bytes, .limit = limit ? limit : (size_t)1 << 31};
    tn_code code = c == TN_PLAIN || !bytes.n ? TN_OK : tn_inflater_new(bytes, c, &r->z, err);
    if (code) {
        tn_free(r);
        return code;
    }
    *out = r;
    return TN_OK;
}

void tn_records_close(tn_records *r)
{
    if (!r) return;
    tn_inflater_free(r->z);
    tn_buf_free(&r->data);
    tn_free(r);
}

static tn_code check_limit(const tn_records *r, uint64_t n, tn_error *err)
{
    if (n <= r->limit) return TN_OK;
    return tn_fail(err, TN_RESOURCE_EXHAUSTED, "record at byte %llu: %llu bytes are over the limit of %zu",
                   (unsigned long long)r->at, (unsigned long long)n, r->limit);
}

static tn_code next_plain(tn_records *r, tn_view *record, tn_error *err)
{
    tn_view left = r->left;
    if (r->ignores_rest && left.n < HEADER) return tn_fail(err, TN_OUT_OF_RANGE, "no more records");
    TN_TRY(tn_record_next(&left, r->at, record, err));
    TN_TRY(check_limit(r, record->n, err));
    r->left = left;
    r->at += record->n + TN_RECORD_OVERHEAD;
    return TN_OK;
}

static tn_code next_expanded(tn_records *r, tn_view *record, tn_error *err)
{
    char header[HEADER];
    size_t got;
    uint64_t n = 0;
    TN_TRY(tn_inflater_read(r->z, header, HEADER, &got, err));
    if (got == 0 || (r->ignores_rest && got < HEADER)) return tn_fail(err, TN_OUT_OF_RANGE, "no more records");
    if (got < HEADER) return fail(r->at, "the length is cut short", err);
    TN_TRY(record_length(header, r->at, &n, err));
    TN_TRY(check_limit(r, n, err));
    tn_buf_clear(&r->data);
    TN_TRY(tn_inflater_append(r->z, &r->data, (size_t)n + FOOTER, &got, err));
    if (got < n + FOOTER) return fail(r->at, "the data is cut short", err);
    TN_TRY(check_data(r->data.data, (size_t)n, r->at, err));
    *record = (tn_view){r->data.data, (size_t)n};
    r->at += n + TN_RECORD_OVERHEAD;
    return TN_OK;
}

tn_code tn_records_next(tn_records *r, tn_view *record, tn_error *err)
{
    return r->z ? next_expanded(r, record, err) : next_plain(r, record, err);
}

uint64_t tn_records_at(const tn_records *r)
{
    return r->at;
}

void tn_records_ignore_rest(tn_records *r)
{
    r->ignores_rest = true;
}
