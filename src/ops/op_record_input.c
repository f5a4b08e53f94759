/* SPDX-License-Identifier: Apache-2.0
 *
 * op_record_input.c - RecordInput: records of files without end, in random order. In each epoch the files are shuffled
 * and dealt to as many readers as are asked for; what these read goes through a buffer in which the places are mixed.
 *
 * TensorFlow's readers run ahead in threads of their own. Here they take turns, each with as many records as they hand
 * over at once, and the buffer is as full as it can be whenever a record is taken: one of TensorFlow's orders, always
 * the same. What has gone wrong once is wrong from then on. Files are read whole when their turn comes.
 */
#include "../plan/files.h"
#include "hash.h"
#include "op_move.h"
#include "reader.h"
#include "twister.h"

enum { AT_ONCE = 16 };

typedef struct record {
    char *p;
    size_t n;
} record;

typedef struct stack { /* of records, charged to the session */
    record *at;
    size_t n, cap;
    tn_charge charge;
} stack;

typedef struct shard { /* a reader: files first, first + step, ... of the epoch's order */
    size_t file;
    tn_buf bytes;
    tn_charge charge;
    tn_records *records;
    stack read; /* to be handed over */
} shard;

typedef struct input {
    tn_resource base;
    pthread_mutex_t lock;
    const tn_files *files;
    tn_compression compression;
    uint64_t most; /* records in the buffer */
    int64_t seed, parallel, epoch;
    float shift;
    char *pattern;
    tn_twister random;
    tn_arena *arena; /* the epoch's names */
    tn_paths paths;
    size_t *order;
    shard *shards;
    size_t n_shards, turn, left; /* left: shards that have more */
    stack buffer;
    tn_error failed; /* code TN_OK: nothing so far */
} input;

/* ==== records ==== */

static tn_code push(stack *s, record r, tn_error *err)
{
    if (s->n == s->cap) {
        const size_t cap = s->cap ? 2 * s->cap : AT_ONCE;
        record *at = tn_realloc(s->at, cap * sizeof *at);
        if (!at) return tn_no_memory(err, cap * sizeof *at);
        s->at = at;
        s->cap = cap;
    }
    if (!tn_charge_add(&s->charge, r.n + sizeof r)) return tn_no_memory(err, r.n);
    s->at[s->n++] = r;
    return TN_OK;
}

static tn_code push_copy(stack *s, tn_view v, tn_error *err)
{
    record r = {tn_malloc(v.n + 1), v.n};
    if (!r.p) return tn_no_memory(err, v.n);
    if (v.n) memcpy(r.p, v.p, v.n);
    tn_code code = push(s, r, err);
    if (code != TN_OK) tn_free(r.p);
    return code;
}

static record pop(stack *s)
{
    const record r = s->at[--s->n];
    tn_charge_less(&s->charge, r.n + sizeof r);
    return r;
}

static void drop_stack(stack *s)
{
    while (s->n) tn_free(pop(s).p);
    tn_free(s->at);
    tn_charge_drop(&s->charge);
    *s = (stack){0};
}

/* ==== the resource ==== */

static void close_file(shard *s)
{
    tn_records_close(s->records);
    s->records = NULL;
    tn_files_drop(&s->bytes, &s->charge);
}

static void end_epoch(input *x)
{
    for (size_t i = 0; i < x->n_shards; i++) {
        close_file(&x->shards[i]);
        drop_stack(&x->shards[i].read);
    }
    tn_free(x->shards);
    tn_free(x->order);
    tn_arena_free(x->arena);
    x->shards = NULL;
    x->order = NULL;
    x->arena = NULL;
    x->paths = (tn_paths){0};
    x->n_shards = x->left = x->turn = 0;
}

static void release(tn_resource *self)
{
    input *x = (input *)self;
    end_epoch(x);
    drop_stack(&x->buffer);
    tn_free(x->pattern);
    pthread_mutex_destroy(&x->lock);
    tn_resource_free(self);
}

static tn_resource *make(const tn_run *r)
{
    input *x = tn_resource_new(sizeof *x, TN_RES_RECORDS, r->name, release);
    tn_view pattern = {"", 0};
    if (!x) return NULL;
    pthread_mutex_init(&x->lock, NULL);
    tn_attr_get_string(r->attrs, "file_pattern", &pattern);
    x->pattern = tn_malloc(pattern.n + 1);
    if (!x->pattern) {
        release(&x->base);
        return NULL;
    }
    snprintf(x->pattern, pattern.n + 1, "%.*s", (int)pattern.n, pattern.n ? pattern.p : "");
    x->files = tn_run_files(r);
    x->compression = tn_reader_compression(r->attrs);
    x->most = (uint64_t)tn_attr_i(r->attrs, "file_buffer_size");
    x->parallel = tn_attr_i(r->attrs, "file_parallelism");
    x->seed = tn_attr_i(r->attrs, "file_random_seed");
    x->shift = tn_attr_f(r->attrs, "file_shuffle_shift_ratio");
    tn_twister_seed(&x->random, (uint64_t)x->seed);
    return &x->base;
}

/* ==== an epoch ==== */

/* The paths of each of the patterns, between which are commas. */
static tn_code find_files(input *x, tn_error *err)
{
    for (const char *p = x->pattern; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
        const size_t before = x->paths.n;
        TN_TRY(tn_files_match(x->files, x->base.name, (tn_view){p, strcspn(p, ",")}, x->arena, &x->paths, err));
        tn_paths_sort(&x->paths, before);
    }
    if (x->paths.n) return TN_OK;
    return tn_fail(err, TN_NOT_FOUND, "Found no files at %.1000s", x->pattern);
}

/* Shuffled by the seed and the epoch's number, then turned to the left. */
static void order_files(const input *x, size_t *to, size_t *order)
{
    tn_twister t;
    const size_t n = x->paths.n, shift = x->shift >= 0 && x->shift < 1 ? (size_t)(x->shift * (float)n) : 0;
    for (size_t i = 0; i < n; i++) order[i] = i;
    tn_twister_seed(&t, tn_seeded_hash((tn_view){(const char *)&x->epoch, sizeof x->epoch}, (uint64_t)x->seed));
    tn_twister_shuffle(&t, order, n);
    for (size_t i = 0; i < n; i++) to[i] = order[(i + shift) % n];
}

static tn_code begin_epoch(input *x, tn_error *err)
{
    x->epoch++;
    if (!(x->arena = tn_arena_new(0))) return tn_no_memory(err, 0);
    TN_TRY(find_files(x, err));
    const size_t n = x->paths.n, n_shards = TN_MIN(n, (size_t)x->parallel);
    size_t *shuffled = TN_ARRAY(x->arena, n, size_t);
    x->order = tn_calloc(n, sizeof *x->order);
    x->shards = tn_calloc(n_shards, sizeof *x->shards);
    if (!shuffled || !x->order || !x->shards) return tn_no_memory(err, n * sizeof *x->order);
    order_files(x, x->order, shuffled);
    for (size_t i = 0; i < n_shards; i++) x->shards[i].file = i;
    x->n_shards = x->left = n_shards;
    return TN_OK;
}

/* *end: the shard's files are read. */
static tn_code read_record(input *x, shard *s, bool *end, tn_error *err)
{
    tn_view v;
    for (;;) {
        *end = !s->records && s->file >= x->paths.n;
        if (*end) return TN_OK;
        const char *path = x->paths.at[x->order[TN_MIN(s->file, x->paths.n - 1)]];
        if (!s->records) {
            TN_TRY(tn_files_hold(x->files, x->base.name, tn_view_of(path), TN_PACK_NONE, &s->bytes, &s->charge, err));
            TN_TRY(tn_records_open((tn_view){s->bytes.n ? s->bytes.data : "", s->bytes.n}, x->compression, 0,
                                   &s->records, err));
        }
        tn_code code = tn_records_next(s->records, &v, err);
        if (code == TN_OK) return push_copy(&s->read, v, err);
        if (code != TN_OUT_OF_RANGE) return tn_wrap(err, "%.1000s", path);
        close_file(s);
        s->file += x->n_shards;
    }
}

/* The last read goes first, and changes its place with another one's. */
static tn_code hand_over(input *x, stack *from, tn_error *err)
{
    while (from->n && x->buffer.n < x->most) {
        const size_t at = (size_t)(tn_twister_word(&x->random) % (x->buffer.n + 1));
        TN_TRY(push(&x->buffer, from->at[from->n - 1], err));
        const record last = pop(from);
        x->buffer.at[x->buffer.n - 1] = x->buffer.at[at];
        x->buffer.at[at] = last;
    }
    return TN_OK;
}

static tn_code take_turn(input *x, shard *s, tn_error *err)
{
    bool end = false;
    while (!end && s->read.n < AT_ONCE) TN_TRY(read_record(x, s, &end, err));
    TN_TRY(hand_over(x, &s->read, err));
    if (!end || s->read.n) return TN_OK;
    x->left--;
    drop_stack(&s->read);
    return TN_OK;
}

static bool is_done(const shard *s, const input *x)
{
    return !s->records && s->file >= x->paths.n && !s->read.n;
}

static tn_code fill(input *x, const tn_run *r, tn_error *err)
{
    while (x->left && x->buffer.n < x->most) {
        if (tn_run_cancelled(r)) return tn_fail(err, TN_CANCELLED, "the run was cancelled");
        shard *s = &x->shards[x->turn];
        if (!is_done(s, x)) TN_TRY(take_turn(x, s, err));
        if (x->buffer.n < x->most || is_done(s, x)) x->turn = (x->turn + 1) % x->n_shards;
    }
    return TN_OK;
}

/* The buffer has something. The next epoch begins when the last record of this one is taken. A run that is cancelled
 * leaves to the next one what it has read. */
static tn_code look_ahead(input *x, const tn_run *r, tn_error *err)
{
    if (x->failed.code != TN_OK) return tn_fail(err, x->failed.code, "%s", x->failed.message);
    tn_code code = x->left ? fill(x, r, err) : TN_OK;
    if (code == TN_OK && !x->buffer.n) {
        end_epoch(x);
        code = begin_epoch(x, err);
        if (code == TN_OK) code = fill(x, r, err);
        if (code == TN_OK && !x->buffer.n)
            code = tn_fail(err, TN_NOT_FOUND, "Found no records in the files at %.1000s", x->pattern);
    }
    if (code != TN_OK && code != TN_CANCELLED) {
        end_epoch(x);
        x->failed = *err;
    }
    return code;
}

/* ==== the operator ==== */

static tn_code take(tn_run *r, input *x, tn_error *err)
{
    const tn_shape shape = TN_SHAPE(tn_attr_i(r->attrs, "batch_size"));
    TN_TRY(tn_run_output(r, 0, &shape, err));
    for (int64_t i = 0; i < tn_tensor_count(r->out[0]); i++) {
        TN_TRY(look_ahead(x, r, err));
        const record v = pop(&x->buffer);
        const tn_code code = tn_string_set(r->out[0], i, v.p, v.n, err);
        tn_free(v.p);
        if (code != TN_OK) return code;
    }
    return TN_OK;
}

static tn_code input_run(tn_run *r, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_own_resource(r, TN_RES_RECORDS, "records:", make, &res, err));
    input *x = (input *)res;
    pthread_mutex_lock(&x->lock);
    const tn_code code = take(r, x, err);
    pthread_mutex_unlock(&x->lock);
    tn_resource_unref(res);
    return code;
}

/* TensorFlow waits for ever without a buffer, and without readers. */
static tn_code input_prepare(tn_prepare *p, tn_error *err)
{
    const int64_t batch = tn_attr_i(p->attrs, "batch_size"), parallel = tn_attr_i(p->attrs, "file_parallelism");
    if (batch < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "batch_size must be non-negative but got %lld", (long long)batch);
    if (parallel < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "file_parallelism should >= 0, got %lld", (long long)parallel);
    if (parallel && tn_attr_i(p->attrs, "file_buffer_size")) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "with a %s of 0 no record is ever read",
                   parallel ? "file_buffer_size" : "file_parallelism");
}

const tn_op tn_op_RecordInput = {
    .name = "RecordInput",
    .sig = "-> records:string; file_pattern:string file_random_seed:int=301 file_shuffle_shift_ratio:float=0.0 "
           "file_buffer_size:int=10000 file_parallelism:int=16 batch_size:int=32 compression_type:string=\"\"",
    .infer = tn_infer_none,
    .prepare = input_prepare,
    .run = input_run,
    .flags = TN_STATEFUL,
    .dynamic = TN_BIT(0),
};
