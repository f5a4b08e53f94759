/* SPDX-License-Identifier: Apache-2.0
 *
 * op_dataset_files.c - data sets of what is in files: lines, TFRecords, records of one length, records of fields,
 * names. The files are the session's (files.h), compressed or not; each is read whole when its turn comes.
 */

#include "../ops/csv.h"
#include "../plan/files.h"
#include "../wire/wire.h"
#include "dataset.h"

enum { RECORD_HEAD = 12 };

typedef struct reading {
    tn_source base;
    int64_t file; /* the present one */
    bool open;
    tn_buf bytes;   /* of the present one */
    tn_charge charge;
    size_t at, end; /* what of them is still to come */
} reading;

/* What they keep: file names, then the compression, then what is theirs; n[0]: compression. */

static tn_code compression_of(const tn_tensor *t, int64_t *out, tn_error *err)
{
    static const char *const names[] = {[TN_PLAIN] = "", [TN_ZLIB] = "ZLIB", [TN_GZIP] = "GZIP"};
    if (t->shape.rank != 0) return tn_fail(err, TN_INVALID_ARGUMENT, "compression_type must be a scalar");
    tn_view v = {TN_STRINGS(t)[0].p, TN_STRINGS(t)[0].n};
    for (size_t k = 0; k < TN_COUNT(names); k++)
        if (v.n == strlen(names[k]) && (!v.n || !memcmp(v.p, names[k], v.n))) {
            *out = (int64_t)k;
            return TN_OK;
        }
    return tn_fail(err, TN_INVALID_ARGUMENT, "Unsupported compression_type: %.*s.",
                   (int)TN_MIN(v.n, (size_t)100), v.p);
}

static void close_file(reading *f)
{
    tn_files_drop(&f->bytes, &f->charge);
    f->open = false;
}

static void reading_stop(tn_source *s)
{
    close_file((reading *)s);
}

static tn_view file_name(const tn_source *s, int64_t i)
{
    const tn_string *name = TN_STRINGS(s->d->tensor[0]) + i;
    return (tn_view){name->p, name->n};
}

/* The present file's bytes; *end: there is none. Where there is an error, it is the next time, too. */
static tn_code open_file(tn_source *s, tn_pull *t, bool *end, tn_error *err)
{
    reading *f = (reading *)s;
    *end = f->file >= tn_tensor_count(s->d->tensor[0]);
    if (*end) return TN_OK;
    tn_code code = tn_files_hold(tn_run_files(t->run), s->d->node, file_name(s, f->file), (tn_packing)s->d->n[0],
                                 &f->bytes, &f->charge, err);
    f->open = code == TN_OK;
    f->at = 0;
    f->end = f->bytes.n;
    return code;
}

/* On with the next one. */
static void next_file(reading *f)
{
    close_file(f);
    f->file++;
}

static tn_code one_string(tn_view v, tn_tensor **out, tn_error *err)
{
    tn_shape scalar = {.rank = 0};
    TN_TRY(tn_tensor_new(TN_STRING, &scalar, out, err));
    return tn_string_set(*out, 0, v.n ? v.p : "", v.n, err);
}

static tn_code new_files(tn_run *r, const tn_dataset_kind *k, int compression, tn_dataset **out,
                         tn_error *err)
{
    static const tn_dtype text = TN_STRING;
    if (r->in[0]->shape.rank > 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "`filenames` must be a scalar or a vector.");
    TN_TRY(tn_dataset_new(r, k, 0, false, out, err));
    tn_dataset *d = *out;
    tn_code code = tn_dataset_types(d, 1, &text, err);
    if (code == TN_OK) d->shapes[0] = TN_SHAPE();
    if (code == TN_OK) code = tn_dataset_keep(d, r, 0, r->n_in, err);
    if (code == TN_OK && compression >= 0) code = compression_of(r->in[compression], &d->n[0], err);
    if (code != TN_OK) tn_dataset_unref(d);
    return code;
}

/* ==== lines ==== */

static tn_code line_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    reading *f = (reading *)s;
    while (!f->open || f->at >= f->end) {
        if (f->open) next_file(f);
        TN_TRY(open_file(s, t, end, err));
        if (*end) return TN_OK;
    }
    const char *p = f->bytes.data + f->at, *newline = memchr(p, '\n', f->end - f->at);
    tn_view line = {p, newline ? (size_t)(newline - p) : f->end - f->at};
    f->at += line.n + 1;
    if (line.n && line.p[line.n - 1] == '\r') line.n--;
    return one_string(line, &out[0], err);
}

static const tn_dataset_kind line_kind = {
    .name = "TextLine", .state = sizeof(reading), .next = line_next, .stop = reading_stop};

static tn_code check_buffer(tn_dataset *d, const tn_run *r, int input, tn_error *err)
{
    int64_t n;
    (void)d;
    TN_TRY(tn_dataset_int(r, input, "buffer_size", &n, err));
    return n >= 0 ? TN_OK : tn_fail(err, TN_INVALID_ARGUMENT, "`buffer_size` must be >= 0 (0 == default)");
}

static tn_code line_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(new_files(r, &line_kind, 1, &d, err));
    return tn_dataset_give(r, d, check_buffer(d, r, 2, err), err);
}
TN_DATASET(TextLineDataset, line_run, "filenames:string compression_type:string buffer_size:int64",
           " metadata:string=\"\"");

/* ==== TFRecord ==== */

static tn_code open_records(tn_source *s, tn_pull *t, bool *end, tn_error *err)
{
    reading *f = (reading *)s;
    tn_code code = open_file(s, t, end, err);
    if (code == TN_DATA_LOSS) next_file(f); /* no file of that compression */
    if (code != TN_OK || *end) return code;
    uint64_t from = s->d->n[1] ? (uint64_t)TN_INT64S(s->d->tensor[3])[f->file] : 0;
    f->at = (size_t)TN_MIN(from, (uint64_t)f->end);
    return TN_OK;
}

/* A file ends where there is no room for a record's head; where one is damaged, the rest of its file is lost.
 */
static tn_code record_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    reading *f = (reading *)s;
    while (!f->open || f->end - f->at < RECORD_HEAD) {
        if (f->open) next_file(f);
        TN_TRY(open_records(s, t, end, err));
        if (*end) return TN_OK;
    }
    tn_view left = {f->bytes.data + f->at, f->end - f->at}, record, name = file_name(s, f->file);
    tn_code code = tn_record_next(&left, f->at, &record, err);
    if (code == TN_OK) {
        f->at = f->end - left.n;
        return one_string(record, &out[0], err);
    }
    tn_note(err, "in %.*s", (int)TN_MIN(name.n, (size_t)200), name.p);
    next_file(f);
    return code;
}

static const tn_dataset_kind record_kind = {
    .name = "TFRecord", .state = sizeof(reading), .next = record_next, .stop = reading_stop};

static tn_code set_offsets(tn_dataset *d, const tn_run *r, tn_error *err)
{
    int64_t n;
    TN_TRY(tn_dataset_int(r, 2, "buffer_size", &n, err));
    if (n < -1) /* -1: any */
        return tn_fail(err, TN_INVALID_ARGUMENT, "`buffer_size` must be >= 0 (0 == no buffering)");
    if (r->n_in < 4) return TN_OK;
    d->n[1] = 1;
    if (tn_tensor_count(r->in[3]) != tn_tensor_count(r->in[0]))
        return tn_fail(err, TN_INVALID_ARGUMENT, "`byte_offsets` must be the same size as `filenames`");
    for (int64_t i = 0; i < tn_tensor_count(r->in[3]); i++)
        if (TN_INT64S(r->in[3])[i] < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "`byte_offsets` must be >= 0");
    return TN_OK;
}

static tn_code record_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(new_files(r, &record_kind, 1, &d, err));
    return tn_dataset_give(r, d, set_offsets(d, r, err), err);
}
#define RECORDS "filenames:string compression_type:string buffer_size:int64"
TN_DATASET(TFRecordDataset, record_run, RECORDS, " metadata:string=\"\"");
TN_DATASET(TFRecordDatasetV2, record_run, RECORDS " byte_offsets:int64", " metadata:string=\"\"");

/* ==== records of one length ==== n: compression, header, record, footer */

static tn_code open_fixed(tn_source *s, tn_pull *t, bool *end, tn_error *err)
{
    reading *f = (reading *)s;
    const int64_t *n = s->d->n;
    TN_TRY(open_file(s, t, end, err));
    if (*end) return TN_OK;
    int64_t body = (int64_t)f->bytes.n - n[1] - n[3];
    tn_view name = file_name(s, f->file);
    if (body % n[2]) {
        close_file(f);
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "Excess bytes in file %.*s after the header of %lld bytes, the footer of %lld bytes, and "
            "records of %lld bytes",
            (int)TN_MIN(name.n, (size_t)200), name.p, (long long)n[1], (long long)n[3], (long long)n[2]);
    }
    if (body < 0) {
        next_file(f);
        return tn_fail(err, TN_INTERNAL, "%.*s is shorter than its header and footer",
                       (int)TN_MIN(name.n, (size_t)200), name.p);
    }
    f->at = (size_t)n[1];
    f->end = f->bytes.n - (size_t)n[3];
    return TN_OK;
}

static tn_code fixed_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    reading *f = (reading *)s;
    while (!f->open || f->at >= f->end) {
        if (f->open) next_file(f);
        TN_TRY(open_fixed(s, t, end, err));
        if (*end) return TN_OK;
    }
    tn_view record = {f->bytes.data + f->at, (size_t)s->d->n[2]};
    f->at += record.n;
    return one_string(record, &out[0], err);
}

static const tn_dataset_kind fixed_kind = {
    .name = "FixedLengthRecord", .state = sizeof(reading), .next = fixed_next, .stop = reading_stop};

static tn_code set_lengths(tn_dataset *d, const tn_run *r, tn_error *err)
{
    static const char *const what[] = {NULL, "header_bytes", "record_bytes", "footer_bytes"};
    for (int k = 1; k <= 3; k++) {
        TN_TRY(tn_dataset_int(r, k, what[k], &d->n[k], err));
        if (d->n[k] < (k == 2) || d->n[k] > INT64_MAX / 4)
            return tn_fail(err, TN_INVALID_ARGUMENT, k == 2 ? "`%s` must be > 0" : "`%s` must be >= 0",
                           what[k]);
    }
    return check_buffer(d, r, 4, err);
}

static tn_code fixed_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(new_files(r, &fixed_kind, r->n_in > 5 ? 5 : -1, &d, err));
    return tn_dataset_give(r, d, set_lengths(d, r, err), err);
}
#define FIXED "filenames:string header_bytes:int64 record_bytes:int64 footer_bytes:int64 buffer_size:int64"
TN_DATASET(FixedLengthRecordDataset, fixed_run, FIXED, " metadata:string=\"\"");
TN_DATASET(FixedLengthRecordDatasetV2, fixed_run, FIXED " compression_type:string", " metadata:string=\"\"");

/* ==== records of fields ==== n: compression, whether there is a header, the delimiter, whether quotes mean something,
 * how many columns are left out (the last of what it keeps) */

enum { CSV_HEADER = 3, CSV_DELIMITER, CSV_QUOTES, CSV_NA, CSV_SELECT, CSV_DEFAULTS };

/* Past a line's end, which may be \n, \r or both; false: there is none here. */
static bool line_end(reading *f)
{
    const char *p = f->bytes.data;
    if (f->at >= f->end) return true;
    if (p[f->at] != '\n' && p[f->at] != '\r') return false;
    f->at += p[f->at] == '\r' && f->at + 1 < f->end && p[f->at + 1] == '\n' ? 2 : 1;
    return true;
}

/* Past a delimiter, too; what else there is of a quoted field's record is lost with the file. */
static tn_code quoted_field(reading *f, char delimiter, tn_buf *field, bool *last, tn_error *err)
{
    const char *p = f->bytes.data;
    for (f->at++; f->at < f->end; f->at++) {
        if (p[f->at] != '"') {
            tn_buf_char(field, p[f->at]);
        } else if (f->at + 1 < f->end && p[f->at + 1] == '"') {
            tn_buf_char(field, p[f->at++]);
        } else {
            f->at++;
            *last = line_end(f);
            if (*last) return TN_OK;
            if (p[f->at++] == delimiter) return TN_OK;
            f->at = f->end;
            return tn_fail(err, TN_INVALID_ARGUMENT, "Quote inside a string has to be escaped by another quote");
        }
    }
    return tn_fail(err, TN_INVALID_ARGUMENT, "Reached end of file without closing quoted field in record");
}

static tn_code plain_field(reading *f, char delimiter, bool quotes, tn_buf *field, bool *last, tn_error *err)
{
    const char *p = f->bytes.data;
    tn_code code = TN_OK;
    while (!(*last = line_end(f))) {
        char c = p[f->at++];
        if (c == delimiter && code == TN_OK) return TN_OK;
        if (c == '"' && quotes && code == TN_OK)
            code = tn_fail(err, TN_INVALID_ARGUMENT, "Unquoted fields cannot have quotes inside");
        tn_buf_char(field, c);
    }
    return code;
}

static tn_code csv_field(const tn_source *s, tn_buf *field, bool *last, tn_error *err)
{
    reading *f = (reading *)s;
    const int64_t *n = s->d->n;
    tn_buf_clear(field);
    return n[3] && f->at < f->end && f->bytes.data[f->at] == '"'
               ? quoted_field(f, (char)n[2], field, last, err)
               : plain_field(f, (char)n[2], n[3], field, last, err);
}

/* The column of field `number`, when `found` were before; -1: it is none. */
static int csv_column(const tn_dataset *d, int64_t number, int found)
{
    const tn_tensor *select = d->tensor[CSV_SELECT], *exclude = d->tensor[d->n_tensors - 1];
    int64_t n = tn_tensor_count(select);
    if (n) return found < n && TN_INT64S(select)[found] == number ? found : -1;
    for (int64_t i = 0; i < d->n[4]; i++)
        if (TN_INT64S(exclude)[i] == number) return -1;
    return found;
}

/* A record to its end, whatever is wrong with a field's value. */
static tn_code csv_record(const tn_source *s, tn_buf *field, tn_tensor **out, tn_error *err)
{
    const tn_dataset *d = s->d;
    const tn_string *na = TN_STRINGS(d->tensor[CSV_NA]);
    int found = 0;
    tn_code code = TN_OK;
    bool last = false;
    for (int64_t number = 0; !last; number++) {
        TN_TRY(csv_field(s, field, &last, code == TN_OK ? err : NULL));
        TN_TRY(tn_buf_check(field, err));
        int column = csv_column(d, number, found);
        found += column >= 0;
        if (column < 0 || column >= d->width || code != TN_OK) continue;
        code = tn_tensor_new(d->types[column], &(tn_shape){.rank = 0}, &out[column], err);
        if (code == TN_OK)
            code = tn_csv_put(out[column], 0, (tn_view){field->n ? field->data : "", field->n},
                              (tn_view){na->n ? na->p : "", na->n}, d->tensor[CSV_DEFAULTS + column], column, err);
    }
    if (code != TN_OK || found == d->width) return code;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Expect %d fields but have %d in record", d->width, found);
}

static tn_code csv_header(tn_source *s, tn_buf *field, tn_error *err)
{
    reading *f = (reading *)s;
    bool last = f->at >= f->end;
    if (last) {
        next_file(f);
        return tn_fail(err, TN_INVALID_ARGUMENT, "Can't read header of file");
    }
    while (!last) TN_TRY(csv_field(s, field, &last, err));
    return TN_OK;
}

static tn_code csv_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    reading *f = (reading *)s;
    tn_buf field = {0};
    tn_code code = TN_OK;
    while (code == TN_OK && (!f->open || f->at >= f->end)) {
        if (f->open) next_file(f);
        code = open_file(s, t, end, err);
        if (code != TN_OK || *end) break;
        if (s->d->n[1]) code = csv_header(s, &field, err);
    }
    if (code == TN_OK && !*end) code = csv_record(s, &field, out, err);
    tn_buf_free(&field);
    return code;
}

static const tn_dataset_kind csv_kind = {
    .name = "CSV", .state = sizeof(reading), .next = csv_next, .stop = reading_stop};

static tn_code check_columns(const tn_dataset *d, const tn_run *r, bool excludes, tn_error *err)
{
    const tn_tensor *select = r->in[CSV_SELECT], *exclude = r->in[r->n_in - 1];
    int64_t n = tn_tensor_count(select);
    if (n && excludes && tn_tensor_count(exclude))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Either select_cols or exclude_cols should be empty");
    if (n && n != d->width) return tn_fail(err, TN_INVALID_ARGUMENT, "select_cols should match output size");
    for (int64_t i = 0; i < n; i++)
        if (TN_INT64S(select)[i] < 0 || (i && TN_INT64S(select)[i] <= TN_INT64S(select)[i - 1]))
            return tn_fail(err, TN_INVALID_ARGUMENT, "select_cols should be strictly increasing indices");
    for (int k = 0; k < d->width; k++) {
        const tn_tensor *def = r->in[CSV_DEFAULTS + k];
        if (def->shape.rank > 1 || tn_tensor_count(def) > 1)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "There should only be 1 default per field but field %d has %lld", k,
                           (long long)tn_tensor_count(def));
        if (def->dtype != d->types[k])
            return tn_fail(err, TN_INVALID_ARGUMENT, "the default of field %d is of %s, not %s", k,
                           tn_dtype_name(def->dtype), tn_dtype_name(d->types[k]));
    }
    return TN_OK;
}

static tn_code set_csv(tn_dataset *d, const tn_run *r, tn_error *err)
{
    const tn_tensor *delimiter = r->in[CSV_DELIMITER];
    bool excludes = r->n_in > CSV_DEFAULTS + d->width;
    if (r->n_in != CSV_DEFAULTS + d->width + excludes || r->in[0]->shape.rank > 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "`filenames` must be a scalar or a vector, with a default a column");
    TN_TRY(compression_of(r->in[1], &d->n[0], err));
    TN_TRY(check_buffer(d, r, 2, err));
    TN_TRY(tn_dataset_int(r, CSV_HEADER, "header", &d->n[1], err));
    TN_TRY(tn_dataset_int(r, CSV_QUOTES, "use_quote_delim", &d->n[3], err));
    if (delimiter->shape.rank != 0 || r->in[CSV_NA]->shape.rank != 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "field_delim and na_value must be scalars");
    if (TN_STRINGS(delimiter)[0].n != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "field_delim should be only 1 char");
    d->n[2] = TN_STRINGS(delimiter)[0].p[0];
    TN_TRY(check_columns(d, r, excludes, err));
    if (excludes) d->n[4] = tn_tensor_count(r->in[r->n_in - 1]);
    return tn_dataset_keep(d, r, 0, r->n_in, err);
}

static tn_code csv_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &csv_kind, 0, false, &d, err));
    return tn_dataset_give(r, d, set_csv(d, r, err), err);
}
#define CSV                                                                                                  \
    "filenames:string compression_type:string buffer_size:int64 header:bool field_delim:string "            \
    "use_quote_delim:bool na_value:string select_cols:int64 record_defaults:[output_types]"
#define CSV_TYPES " output_types:list(type){float,double,int32,int64,string}>=1 output_shapes:list(shape)>=1"
TN_DATASET(CSVDataset, csv_run, CSV, CSV_TYPES);
TN_DATASET(ExperimentalCSVDataset, csv_run, CSV, CSV_TYPES);
TN_DATASET(CSVDatasetV2, csv_run, CSV " exclude_cols:int64", CSV_TYPES);

/* ==== names of files ==== in order */

typedef struct matching {
    tn_source base;
    tn_arena *arena;
    tn_paths found;
    size_t i;
} matching;

static tn_code match_start(tn_source *s, tn_pull *t, tn_error *err)
{
    matching *m = (matching *)s;
    if (!(m->arena = tn_arena_new(0))) return tn_no_memory(err, 0);
    for (int64_t i = 0; i < tn_tensor_count(s->d->tensor[0]); i++)
        TN_TRY(tn_files_match(tn_run_files(t->run), s->d->node, file_name(s, i), m->arena, &m->found, err));
    tn_paths_sort(&m->found, 0);
    return TN_OK;
}

static void match_stop(tn_source *s)
{
    tn_arena_free(((matching *)s)->arena);
}

static tn_code match_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    (void)t;
    matching *m = (matching *)s;
    *end = m->i >= m->found.n;
    return *end ? TN_OK : one_string(tn_view_of(m->found.at[m->i++]), &out[0], err);
}

static const tn_dataset_kind match_kind = {.name = "MatchingFiles",
                                           .state = sizeof(matching),
                                           .start = match_start,
                                           .next = match_next,
                                           .stop = match_stop};

static tn_code match_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(new_files(r, &match_kind, -1, &d, err));
    return tn_dataset_give(r, d, TN_OK, err);
}
TN_DATASET(MatchingFilesDataset, match_run, "patterns:string", "");
TN_DATASET(ExperimentalMatchingFilesDataset, match_run, "patterns:string", "");
