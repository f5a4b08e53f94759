/* SPDX-License-Identifier: Apache-2.0
 *
 * batching_parameters.c - the text of BatchingParameters, checked, with TensorFlow Serving's defaults.
 */
#include "serve.h"

enum { MAX_BATCH_SIZE = 1000, MAX_ENQUEUED_BATCHES = 10 };

static int64_t value_of(const tn_Int64Value *v, int64_t otherwise)
{
    return v ? v->value : otherwise;
}

static tn_code check_numbers(const tn_batching *b, tn_error *err)
{
    const struct {
        const char *name;
        int64_t value, least, most;
        const char *what;
    } rows[] = {
        {"max_batch_size", b->max_batch_size, 1, INT32_MAX, "positive"},
        {"batch_timeout_micros", b->batch_timeout_micros, 0, INT64_MAX / 4, "non-negative"},
        {"max_enqueued_batches", b->max_enqueued_batches, 0, INT32_MAX, "non-negative"},
        {"num_batch_threads", b->num_batch_threads, 1, 4096, "positive"},
        {"max_execution_batch_size", b->max_execution_batch_size, 1, INT32_MAX, "positive"},
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        if (rows[i].value < rows[i].least)
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s must be %s; was %lld", rows[i].name, rows[i].what,
                           (long long)rows[i].value);
        if (rows[i].value > rows[i].most)
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s may be at most %lld; was %lld", rows[i].name,
                           (long long)rows[i].most, (long long)rows[i].value);
    }
    if (b->max_execution_batch_size <= b->max_batch_size) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "max_execution_batch_size must be less than or equal to max_batch_size; was %lld, max_batch_size is "
                   "%lld", (long long)b->max_execution_batch_size, (long long)b->max_batch_size);
}

/* They rise to what is the largest batch. */
static tn_code check_allowed(const tn_batching *b, tn_error *err)
{
    int64_t before = 0;
    for (int i = 0; i < b->n_allowed; before = b->allowed_batch_sizes[i++])
        if (b->allowed_batch_sizes[i] <= before)
            return tn_fail(err, TN_INVALID_ARGUMENT, "allowed_batch_sizes entries must be monotonically increasing");
    bool splits = b->enable_large_batch_splitting;
    int64_t wanted = splits ? b->max_execution_batch_size : b->max_batch_size;
    if (!b->n_allowed || before == wanted) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "Last entry in allowed_batch_sizes must match %s; last entry was %lld; expected %lld",
                   splits ? "max_execution_batch_size" : "max_batch_size", (long long)before, (long long)wanted);
}

tn_code tn_batching_parse(tn_view text, const char *file, tn_arena *a, tn_batching *out, tn_error *err)
{
    void *parsed;
    TN_TRY(tn_text_parse(TN_PROTO(BatchingParameters), text, file, a, &parsed, err));
    const tn_BatchingParameters *p = parsed;
    tn_batching b = {
        .max_batch_size = value_of(p->max_batch_size, MAX_BATCH_SIZE),
        .batch_timeout_micros = value_of(p->batch_timeout_micros, 0),
        .max_enqueued_batches = value_of(p->max_enqueued_batches, MAX_ENQUEUED_BATCHES),
        .num_batch_threads = value_of(p->num_batch_threads, tn_core_count()),
        .allowed_batch_sizes = p->allowed_batch_sizes.items,
        .n_allowed = (int)p->allowed_batch_sizes.n,
        .pad_variable_length_inputs = p->pad_variable_length_inputs,
        .enable_large_batch_splitting = p->enable_large_batch_splitting && p->enable_large_batch_splitting->value,
    };
    b.max_execution_batch_size = b.max_batch_size;
    if (b.enable_large_batch_splitting)
        b.max_execution_batch_size = value_of(p->max_execution_batch_size, b.max_batch_size);
    const tn_StringValue *pool = p->thread_pool_name;
    if (pool && !(b.thread_pool_name = tn_arena_strndup(a, pool->value.p, pool->value.n)))
        return tn_no_memory(err, pool->value.n);
    tn_code code = check_numbers(&b, err);
    if (code == TN_OK) code = check_allowed(&b, err);
    if (code == TN_OK) *out = b;
    else if (file) tn_wrap(err, "%s", file);
    return code;
}
