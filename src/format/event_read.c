/* SPDX-License-Identifier: Apache-2.0
 *
 * event_read.c - reads event files, one event after another. Works on the file as it was when it was
 * opened.
 */
#include "format.h"

struct tn_event_reader {
    char *path;
    tn_mapped file;
    tn_records *records;
    tn_arena *arena; /* of one event */
};

static tn_code begin(tn_event_reader *r, const char *path, tn_error *err)
{
    r->path = tn_strdup(path);
    r->arena = tn_arena_new(0);
    if (!r->path || !r->arena) return tn_no_memory(err, strlen(path));
    TN_TRY(tn_file_map(path, &r->file, err));
    return tn_records_open((tn_view){(const char *)r->file.data, r->file.n}, TN_PLAIN, 0, &r->records, err);
}

tn_code tn_event_reader_open(const char *path, tn_event_reader **out, tn_error *err)
{
    tn_event_reader *r = tn_calloc(1, sizeof *r);
    if (!r) return tn_no_memory(err, sizeof *r);
    tn_code code = begin(r, path, err);
    if (code != TN_OK) {
        tn_event_reader_close(r);
        return code;
    }
    *out = r;
    return TN_OK;
}

tn_code tn_event_reader_next(tn_event_reader *r, const tn_Event **out, tn_error *err)
{
    tn_view record;
    tn_Event *event;
    tn_code code = tn_records_next(r->records, &record, err);
    if (code == TN_OUT_OF_RANGE) return code;
    if (code == TN_OK) {
        tn_arena_reset(r->arena);
        code = TN_DECODE(Event, record, r->arena, &event, err);
    }
    if (code != TN_OK) {
        tn_wrap(err, "%s", r->path);
        return code;
    }
    *out = event;
    return TN_OK;
}

void tn_event_reader_close(tn_event_reader *r)
{
    if (!r) return;
    tn_records_close(r->records);
    tn_file_unmap(&r->file);
    tn_arena_free(r->arena);
    tn_free(r->path);
    tn_free(r);
}
