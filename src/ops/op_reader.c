/* SPDX-License-Identifier: Apache-2.0
 *
 * op_reader.c - the operators on readers (reader.h), which ask a queue for names of files whenever they need one. The
 * first version's handles are declared as references to strings, but what stands in them is a resource as well.
 */
#include "op_move.h"
#include "queue.h"
#include "reader.h"
#include "sparse.h"

/* ==== making ==== */

static tn_reader_kind kind_of(const char *name)
{
    switch (name[1]) {
    case 'e': return TN_READ_LINES;   /* TextLine */
    case 'F': return TN_READ_RECORDS; /* TFRecord */
    case 'i': return TN_READ_FIXED;   /* FixedLength */
    case 'h': return TN_READ_WHOLE;   /* WholeFile */
    }
    return TN_READ_NAMES;
}

/* What it does not know is no compression, as in TensorFlow. */
tn_compression tn_reader_compression(const tn_attrs *attrs)
{
    const char *name = tn_attr_find(attrs, "compression_type") ? "compression_type" : "encoding";
    if (!tn_attr_find(attrs, name)) return TN_PLAIN;
    return tn_attr_is(attrs, name, "ZLIB") ? TN_ZLIB : tn_attr_is(attrs, name, "GZIP") ? TN_GZIP : TN_PLAIN;
}

static tn_resource *make_reader(const tn_run *r)
{
    tn_reader *x = tn_reader_new(r->name, kind_of(r->op->name));
    if (!x) return NULL;
    tn_attr_get_int(r->attrs, "skip_header_lines", &x->header);
    tn_attr_get_int(r->attrs, "header_bytes", &x->header);
    tn_attr_get_int(r->attrs, "record_bytes", &x->record);
    tn_attr_get_int(r->attrs, "footer_bytes", &x->footer);
    tn_attr_get_int(r->attrs, "hop_bytes", &x->hop);
    x->compression = tn_reader_compression(r->attrs);
    return &x->base;
}

static tn_code check_numbers(const tn_attrs *attrs, tn_error *err)
{
    static const char *const names[] = {"skip_header_lines", "header_bytes", "record_bytes", "footer_bytes",
                                        "hop_bytes"};
    int64_t v = 0;
    for (size_t i = 0; i < TN_COUNT(names); i++)
        if (tn_attr_get_int(attrs, names[i], &v) && v < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s must be >= 0 not %lld", names[i], (long long)v);
    return TN_OK;
}

static tn_code new_run(tn_run *r, tn_error *err)
{
    tn_view shared = {"", 0};
    char name[512];
    TN_TRY(check_numbers(r->attrs, err));
    tn_attr_get_string(r->attrs, "shared_name", &shared);
    snprintf(name, sizeof name, "reader:%.*s", shared.n ? (int)TN_MIN(shared.n, (size_t)500) : 500,
             shared.n ? shared.p : r->name);
    return tn_run_named_resource(r, 0, TN_RES_READER, name, make_reader, err);
}

#define READER(Name, Handle, Attrs) \
    TN_STATE_OP(Name, new_run, tn_infer_scalar, TN_NO_GRADIENT, TN_BIT(0), "-> reader_handle:" Handle "; " Attrs)
#define SHARED "container:string=\"\" shared_name:string=\"\""
#define FIXED "header_bytes:int=0 record_bytes:int footer_bytes:int=0 hop_bytes:int=0 " SHARED
READER(FixedLengthRecordReader, "&string", FIXED);
READER(FixedLengthRecordReaderV2, "resource", FIXED " encoding:string=\"\"");
READER(IdentityReader, "&string", SHARED);
READER(IdentityReaderV2, "resource", SHARED);
READER(TFRecordReader, "&string", SHARED " compression_type:string=\"\"");
READER(TFRecordReaderV2, "resource", SHARED " compression_type:string=\"\"");
READER(TextLineReader, "&string", "skip_header_lines:int=0 " SHARED);
READER(TextLineReaderV2, "resource", "skip_header_lines:int=0 " SHARED);
READER(WholeFileReader, "&string", SHARED);
READER(WholeFileReaderV2, "resource", SHARED);

/* ==== using ==== */

typedef tn_code (*use_fn)(tn_run *r, tn_arena *a, tn_reader *x, tn_error *err);

/* While nobody else does. */
static tn_code use(tn_run *r, tn_arena *a, use_fn f, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_resource(r, 0, TN_RES_READER, &res, err));
    tn_reader *x = (tn_reader *)res;
    TN_TRY(tn_reader_enter(x, r, err));
    tn_code code = f(r, a, x, err);
    tn_reader_leave(x);
    return code;
}

#define USE(Name, F)                                                 \
    static tn_code Name##_used(tn_run *r, tn_arena *a, tn_error *err) \
    {                                                                \
        return use(r, a, F, err);                                    \
    }                                                                \
    TN_RUN_IN_ARENA(Name, Name##_used)

#define ONE(Name, Run, Infer, Dynamic, Sig) TN_STATE_OP(Name, Run, Infer, TN_EFFECT | TN_NO_GRADIENT, Dynamic, Sig)
/* Both versions; Rest of the signature, by what handles are declared as. */
#define ON_READER(Name, Run, Infer, Dynamic, Rest)                              \
    ONE(Name, Run, Infer, Dynamic, "reader_handle:&string" Rest("&string"));    \
    ONE(Name##V2, Run, Infer, Dynamic, "reader_handle:resource" Rest("resource"))

/* ==== reading ==== */

static tn_code check_queue(const tn_queue *q, tn_error *err)
{
    if (q->width != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "Expected single component queue");
    if (q->types[0] == TN_STRING) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Expected queue with single string component");
}

/* The next name of the queue. */
static tn_code next_work(tn_run *r, tn_reader *x, tn_error *err)
{
    tn_resource *res;
    tn_tensor *name;
    int64_t n;
    TN_TRY(tn_run_resource(r, 1, TN_RES_QUEUE, &res, err));
    TN_TRY(check_queue((tn_queue *)res, err));
    TN_TRY(tn_queue_take((tn_queue *)res, r, 1, false, &name, &n, err));
    tn_code code;
    if (tn_tensor_count(name) != 1) {
        code = tn_fail(err, TN_INVALID_ARGUMENT, "Expected to dequeue a one-element string tensor");
    } else {
        const tn_string *s = TN_STRINGS(name);
        code = tn_reader_begin(x, tn_run_files(r), (tn_view){s->n ? s->p : "", s->n}, err);
    }
    tn_tensor_unref(name);
    return code;
}

/* The next record of the present file, or else of the next ones. more: it may have others. */
static tn_code next_record(tn_run *r, tn_reader *x, tn_buf *key, tn_view *value, bool *more, tn_error *err)
{
    for (bool end = true; end;) {
        if (!tn_reader_has_work(x)) TN_TRY(next_work(r, x, err));
        TN_TRY(tn_reader_next(x, tn_run_files(r), key, value, &end, err));
    }
    *more = tn_reader_has_work(x);
    return TN_OK;
}

static tn_code read(tn_run *r, tn_arena *a, tn_reader *x, tn_error *err)
{
    tn_buf key = {0};
    tn_view value;
    bool more;
    (void)a;
    tn_code code = next_record(r, x, &key, &value, &more, err);
    if (code == TN_OK) code = tn_string_set(r->out[0], 0, key.data, key.n, err);
    if (code == TN_OK) code = tn_string_set(r->out[1], 0, value.p, value.n, err);
    tn_buf_free(&key);
    return code;
}
USE(read_run, read)

static tn_code scalars_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[0].shape.rank = c->out[1].shape.rank = 0;
    return TN_OK;
}
#define READ(Handle) " queue_handle:" Handle " -> key:string value:string;"
ON_READER(ReaderRead, read_run, scalars_infer, 0, READ);

/* ==== many records ==== */

typedef struct records {
    tn_view (*at)[2]; /* key, value */
    int64_t n, cap;
} records;

static tn_code keep(records *v, tn_arena *a, const tn_buf *key, tn_view value, tn_error *err)
{
    if (v->n == v->cap) {
        int64_t cap = v->cap ? 2 * v->cap : 16;
        tn_view(*at)[2] = tn_arena_alloc(a, (size_t)cap * sizeof *at);
        if (!at) return tn_no_memory(err, (size_t)cap * sizeof *at);
        if (v->n) memcpy(at, v->at, (size_t)v->n * sizeof *at);
        v->at = at;
        v->cap = cap;
    }
    const char *k = tn_arena_strndup(a, key->data, key->n), *p = tn_arena_strndup(a, value.p, value.n);
    if (!k || !p) return tn_no_memory(err, key->n + value.n);
    v->at[v->n][0] = (tn_view){k, key->n};
    v->at[v->n++][1] = (tn_view){p, value.n};
    return TN_OK;
}

/* Those of one file: it ends with the file, unless that had none left. */
static tn_code collect(tn_run *r, tn_arena *a, tn_reader *x, int64_t most, records *v, tn_error *err)
{
    tn_buf key = {0};
    tn_view value;
    bool more = true, end = false;
    tn_code code = TN_OK;
    while (code == TN_OK && v->n < most && more && !end) {
        code = v->n ? tn_reader_next(x, tn_run_files(r), &key, &value, &end, err)
                    : next_record(r, x, &key, &value, &more, err);
        if (code == TN_OK && !end) code = keep(v, a, &key, value, err);
    }
    tn_buf_free(&key);
    return code;
}

static tn_code read_many(tn_run *r, tn_arena *a, tn_reader *x, tn_error *err)
{
    records v = {0};
    int64_t most;
    TN_TRY(tn_int_of(r->in[2], "num_records", &most, err));
    if (most < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "num_records must be >= 0 not %lld", (long long)most);
    TN_TRY(collect(r, a, x, most, &v, err));
    tn_shape s = tn_shape_vector(v.n);
    for (int k = 0; k < 2; k++) {
        TN_TRY(tn_run_output(r, k, &s, err));
        for (int64_t i = 0; i < v.n; i++) TN_TRY(tn_string_set(r->out[k], i, v.at[i][k].p, v.at[i][k].n, err));
    }
    return TN_OK;
}
USE(read_many_run, read_many)

static tn_code vectors_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    tn_infer_set_rank(c, 0, 1);
    tn_infer_set_rank(c, 1, 1);
    return TN_OK;
}
#define READ_MANY(Handle) " queue_handle:" Handle " num_records:int64 -> keys:string values:string;"
ON_READER(ReaderReadUpTo, read_many_run, vectors_infer, ~0u, READ_MANY);

/* ==== looking, going back ==== */

static tn_code produced(tn_run *r, tn_arena *a, tn_reader *x, tn_error *err)
{
    (void)a;
    (void)err;
    TN_INT64S(r->out[0])[0] = x->produced;
    return TN_OK;
}
USE(produced_run, produced)
#define PRODUCED(Handle) " -> records_produced:int64;"
ON_READER(ReaderNumRecordsProduced, produced_run, tn_infer_scalar, 0, PRODUCED);

static tn_code finished(tn_run *r, tn_arena *a, tn_reader *x, tn_error *err)
{
    (void)a;
    (void)err;
    TN_INT64S(r->out[0])[0] = x->finished;
    return TN_OK;
}
USE(finished_run, finished)
#define FINISHED(Handle) " -> units_completed:int64;"
ON_READER(ReaderNumWorkUnitsCompleted, finished_run, tn_infer_scalar, 0, FINISHED);

static tn_code reset(tn_run *r, tn_arena *a, tn_reader *x, tn_error *err)
{
    (void)r;
    (void)a;
    (void)err;
    tn_reader_reset(x);
    return TN_OK;
}
USE(reset_run, reset)
#define RESET(Handle) " -> ;"
ON_READER(ReaderReset, reset_run, tn_infer_none, 0, RESET);

static tn_code save(tn_run *r, tn_arena *a, tn_reader *x, tn_error *err)
{
    tn_buf state = {0};
    (void)a;
    tn_code code = tn_reader_save(x, &state, err);
    if (code == TN_OK) code = tn_string_set(r->out[0], 0, state.n ? state.data : "", state.n, err);
    tn_buf_free(&state);
    return code;
}
USE(save_run, save)
#define SAVE(Handle) " -> state:string;"
ON_READER(ReaderSerializeState, save_run, tn_infer_scalar, 0, SAVE);

static tn_code restore(tn_run *r, tn_arena *a, tn_reader *x, tn_error *err)
{
    (void)a;
    if (r->in[1]->shape.rank != 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Reader state must be scalar");
    const tn_string *s = TN_STRINGS(r->in[1]);
    return tn_reader_restore(x, (tn_view){s->n ? s->p : "", s->n}, err);
}
USE(restore_run, restore)
#define RESTORE(Handle) " state:string -> ;"
ON_READER(ReaderRestoreState, restore_run, tn_infer_none, 0, RESTORE);
