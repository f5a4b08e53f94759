/* SPDX-License-Identifier: Apache-2.0
 *
 * reader.c - TensorFlow 1's readers: files into records, as its own readers cut and name them.
 */
#include "reader.h"

#include "../wire/proto.h"
#include "queue.h"

/* ==== making ==== */

static void forget_file(tn_reader *x)
{
    tn_records_close(x->records);
    x->records = NULL;
    tn_files_drop(&x->bytes, &x->charge);
    x->at = 0;
    x->number = 0;
    x->failed.code = TN_OK;
}

static void release(tn_resource *self)
{
    tn_reader *x = (tn_reader *)self;
    forget_file(x);
    tn_buf_free(&x->work);
    pthread_cond_destroy(&x->changed);
    pthread_mutex_destroy(&x->lock);
    tn_resource_free(self);
}

tn_reader *tn_reader_new(const char *name, tn_reader_kind kind)
{
    tn_reader *x = tn_resource_new(sizeof *x, TN_RES_READER, name, release);
    if (!x) return NULL;
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->changed, NULL);
    x->kind = kind;
    return x;
}

/* ==== one run at a time ==== */

tn_code tn_reader_enter(tn_reader *x, const tn_run *r, tn_error *err)
{
    char who[200];
    int waited = 0;
    tn_code code = TN_OK;
    snprintf(who, sizeof who, "reader '%.100s' is used by another run", x->base.name);
    pthread_mutex_lock(&x->lock);
    while (code == TN_OK && x->busy) code = tn_wait_a_moment(&x->changed, &x->lock, r, &waited, who, err);
    if (code == TN_OK) x->busy = true;
    pthread_mutex_unlock(&x->lock);
    return code;
}

void tn_reader_leave(tn_reader *x)
{
    pthread_mutex_lock(&x->lock);
    x->busy = false;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
}

/* ==== files ==== */

bool tn_reader_has_work(const tn_reader *x)
{
    return x->started > x->finished;
}

static tn_view work_of(const tn_reader *x)
{
    return (tn_view){x->work.n ? x->work.data : "", x->work.n};
}

static tn_view bytes_of(const tn_reader *x)
{
    return (tn_view){x->bytes.n ? x->bytes.data : "", x->bytes.n};
}

/* Where the bytes of the next line end, and the line's end; false: there is none. */
static bool next_line(const tn_reader *x, size_t *end, size_t *next)
{
    tn_view b = bytes_of(x);
    if (x->at >= b.n) return false;
    const char *newline = memchr(b.p + x->at, '\n', b.n - x->at);
    *end = newline ? (size_t)(newline - b.p) : b.n;
    *next = *end + (newline != NULL);
    if (*end > x->at && b.p[*end - 1] == '\r') --*end;
    return true;
}

static void skip_lines(tn_reader *x)
{
    size_t end, next;
    for (x->number = 0; x->number < x->header && next_line(x, &end, &next); x->number++) x->at = next;
}

static tn_code begin_fixed(tn_reader *x, tn_error *err)
{
    x->at = (size_t)x->header;
    if ((uint64_t)x->header <= x->bytes.n) return TN_OK;
    return tn_fail(err, TN_OUT_OF_RANGE, "%.*s: reached end of file in a header of %lld bytes",
                   (int)TN_MIN(x->work.n, (size_t)200), work_of(x).p, (long long)x->header);
}

static tn_code begin_file(tn_reader *x, const tn_files *f, tn_error *err)
{
    const tn_packing p = x->kind == TN_READ_FIXED ? (tn_packing)x->compression : TN_PACK_NONE;
    TN_TRY(tn_files_hold(f, x->base.name, work_of(x), p, &x->bytes, &x->charge, err));
    if (x->kind == TN_READ_LINES) skip_lines(x);
    return x->kind == TN_READ_FIXED ? begin_fixed(x, err) : TN_OK;
}

tn_code tn_reader_begin(tn_reader *x, const tn_files *f, tn_view work, tn_error *err)
{
    forget_file(x);
    tn_buf_free(&x->work);
    tn_buf_add(&x->work, work.p, work.n);
    TN_TRY(tn_buf_check(&x->work, err));
    bool opens = x->kind == TN_READ_LINES || x->kind == TN_READ_RECORDS || x->kind == TN_READ_FIXED;
    tn_code code = opens ? begin_file(x, f, err) : TN_OK;
    if (code == TN_OK) x->started++; /* else the next name is asked for the next time */
    else forget_file(x);
    return code;
}

/* ==== records ==== each gives the next value; OUT_OF_RANGE: there is none */

static tn_code no_more(tn_error *err)
{
    return tn_fail(err, TN_OUT_OF_RANGE, "no more records");
}

static tn_code line_of(tn_reader *x, tn_buf *key, tn_view *value, tn_error *err)
{
    size_t end, next;
    if (!next_line(x, &end, &next)) return no_more(err);
    *value = (tn_view){x->bytes.data + x->at, end - x->at};
    x->at = next;
    tn_buf_printf(key, ":%lld", (long long)++x->number);
    return TN_OK;
}

static tn_code record_of(tn_reader *x, tn_buf *key, tn_view *value, tn_error *err)
{
    if (!x->records) {
        TN_TRY(tn_records_open(bytes_of(x), x->compression, 0, &x->records, err));
        tn_records_ignore_rest(x->records);
    }
    tn_buf_printf(key, ":%llu", (unsigned long long)tn_records_at(x->records));
    return tn_records_next(x->records, value, err);
}

static tn_code piece_of(tn_reader *x, tn_buf *key, tn_view *value, tn_error *err)
{
    size_t n = x->bytes.n, after = (size_t)x->footer, size = (size_t)x->record;
    if (x->at > n || n - x->at < after || n - x->at - after < size) return no_more(err);
    *value = (tn_view){size ? x->bytes.data + x->at : "", size};
    x->at += x->hop ? (size_t)x->hop : size;
    tn_buf_printf(key, ":%lld", (long long)x->number++);
    return TN_OK;
}

static tn_code whole_of(tn_reader *x, const tn_files *f, tn_view *value, tn_error *err)
{
    if (x->kind == TN_READ_WHOLE) {
        tn_files_drop(&x->bytes, &x->charge);
        TN_TRY(tn_files_hold(f, x->base.name, work_of(x), TN_PACK_NONE, &x->bytes, &x->charge, err));
    }
    *value = x->kind == TN_READ_WHOLE ? bytes_of(x) : work_of(x);
    return TN_OK;
}

static tn_code next_of(tn_reader *x, const tn_files *f, tn_buf *key, tn_view *value, tn_error *err)
{
    switch (x->kind) {
    case TN_READ_LINES: return line_of(x, key, value, err);
    case TN_READ_RECORDS: return record_of(x, key, value, err);
    case TN_READ_FIXED: return piece_of(x, key, value, err);
    case TN_READ_WHOLE:
    case TN_READ_NAMES: break;
    }
    return whole_of(x, f, value, err);
}

/* A whole file, or a name, is finished with its record. */
static bool is_single(const tn_reader *x)
{
    return x->kind == TN_READ_WHOLE || x->kind == TN_READ_NAMES;
}

tn_code tn_reader_next(tn_reader *x, const tn_files *f, tn_buf *key, tn_view *value, bool *end, tn_error *err)
{
    tn_error why = {.code = TN_OK};
    tn_buf_clear(key);
    tn_buf_add(key, work_of(x).p, x->work.n);
    tn_code code = x->failed.code ? x->failed.code : next_of(x, f, key, value, &why);
    *end = code == TN_OUT_OF_RANGE;
    if (code == TN_OK) x->produced++;
    if (*end || (code == TN_OK && is_single(x))) x->finished = x->started;
    if (code == TN_OK || *end) return tn_buf_check(key, err);
    if (is_single(x)) return tn_fail(err, code, "%s", why.message); /* it is tried again */
    if (!x->failed.code)
        tn_fail(&x->failed, code, "%.*s: %s", (int)TN_MIN(x->work.n, (size_t)200), work_of(x).p, why.message);
    return tn_fail(err, code, "%s", x->failed.message);
}

/* ==== state ==== */

void tn_reader_reset(tn_reader *x)
{
    forget_file(x);
    tn_buf_free(&x->work);
    x->started = x->finished = x->produced = 0;
}

tn_code tn_reader_save(const tn_reader *x, tn_buf *state, tn_error *err)
{
    if (!is_single(x)) return tn_fail(err, TN_UNIMPLEMENTED, "Reader SerializeState");
    tn_ReaderBaseState s = {.work_started = x->started,
                            .work_finished = x->finished,
                            .num_records_produced = x->produced,
                            .current_work = work_of(x)};
    return TN_ENCODE(ReaderBaseState, &s, state, err);
}

static tn_code restore(tn_reader *x, tn_view state, tn_arena *a, tn_error *err)
{
    tn_ReaderBaseState *s;
    if (TN_DECODE(ReaderBaseState, state, a, &s, NULL) != TN_OK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Could not parse state for %s", x->base.name);
    if (s->work_started < 0 || s->work_finished < 0 || s->num_records_produced < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Unexpected negative value when restoring in '%s'", x->base.name);
    if (s->work_started > s->work_finished)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Inconsistent work started vs. finished when restoring in '%s': %lld %lld", x->base.name,
                       (long long)s->work_started, (long long)s->work_finished);
    tn_buf work = {0};
    tn_buf_add(&work, s->current_work.p, s->current_work.n);
    TN_TRY(tn_buf_check(&work, err));
    tn_reader_reset(x);
    x->work = work;
    x->started = s->work_started;
    x->finished = s->work_finished;
    x->produced = s->num_records_produced;
    return TN_OK;
}

tn_code tn_reader_restore(tn_reader *x, tn_view state, tn_error *err)
{
    if (!is_single(x)) return tn_fail(err, TN_UNIMPLEMENTED, "Reader RestoreState");
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, 0);
    tn_code code = restore(x, state, a, err);
    tn_arena_free(a);
    return code;
}
