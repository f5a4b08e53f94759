/* SPDX-License-Identifier: Apache-2.0
 *
 * optimizer.c - optimizer steps over lists of variables in one pass, and over chosen rows. The rules are
 * optimizer_step.h's; half and bfloat16 go through blocks of floats.
 */
#include "isa_optimizer.h"
#include "walk.h"

#include <omp.h>

int tn_opt_slots(tn_optimizer o)
{
    switch (o) {
    case TN_OPT_SGD:
    case TN_OPT_PROXIMAL_SGD: return 0;
    case TN_OPT_MOMENTUM:
    case TN_OPT_NESTEROV:
    case TN_OPT_KERAS_MOMENTUM:
    case TN_OPT_KERAS_NESTEROV:
    case TN_OPT_ADAGRAD:
    case TN_OPT_ADAGRAD_V2:
    case TN_OPT_PROXIMAL_ADAGRAD: return 1;
    case TN_OPT_CENTERED_RMSPROP: return 3;
    default: return 2;
    }
}

typedef struct job {
    tn_dtype dtype;
    int64_t size; /* bytes of an element */
    int slots;
    bool is_short;
    tn_opt_fn fn; /* of float for the short types */
} job;

static tn_code job_of(tn_optimizer o, tn_dtype t, job *j, tn_error *err)
{
    const tn_optimizer_isa *isa = TN_ISA_PICK(tn_isa_optimizer, tn_isa_level_now());
    const bool is_short = t == TN_HALF || t == TN_BFLOAT16;
    const tn_opt_fn fn = t == TN_FLOAT || is_short ? isa->f32[o] : t == TN_DOUBLE ? isa->f64[o] : tn_opt_complex(o, t);
    if (!fn) return tn_fail(err, TN_UNIMPLEMENTED, "no optimizer steps of %s", tn_dtype_name(t));
    *j = (job){t, (int64_t)tn_dtype_size(t), tn_opt_slots(o), is_short, fn};
    return TN_OK;
}

/* A block of a short type: widened, stepped, narrowed. */
static void step_block(const job *j, const tn_opt_params *p, int64_t n, char *var, char *const *slot,
                       const char *grad)
{
    float w[TN_BLOCK], g[TN_BLOCK], s[3][TN_BLOCK];
    void *wide[3] = {s[0], s[1], s[2]};
    tn_widen(j->dtype, n, var, w);
    tn_widen(j->dtype, n, grad, g);
    for (int i = 0; i < j->slots; i++) tn_widen(j->dtype, n, slot[i], s[i]);
    j->fn(p, n, w, wide, g);
    tn_narrow(j->dtype, n, w, var);
    for (int i = 0; i < j->slots; i++) tn_narrow(j->dtype, n, s[i], slot[i]);
}

/* Elements [from, to) of an entry, whose gradient begins at grad. */
static void step(const job *j, const tn_opt_entry *e, int64_t from, int64_t to, const void *grad)
{
    char *slot[3] = {NULL, NULL, NULL}, *var = (char *)e->var + from * j->size;
    const char *g = grad;
    for (int i = 0; i < j->slots; i++) slot[i] = (char *)e->slot[i] + from * j->size;
    if (!j->is_short) {
        j->fn(e->params, to - from, var, (void *const[]){slot[0], slot[1], slot[2]}, g);
        return;
    }
    for (int64_t at = from; at < to; at += TN_BLOCK) {
        const int64_t n = TN_MIN(TN_BLOCK, to - at), bytes = n * j->size;
        step_block(j, e->params, n, var, slot, g);
        var += bytes, g += bytes;
        for (int i = 0; i < j->slots; i++) slot[i] += bytes;
    }
}

/* This part's share of all elements, counted through the list. */
static void run_part(const job *j, const tn_opt_entry *entries, int n, int64_t total, int part, int parts)
{
    int64_t from, to, before = 0;
    tn_share(total, 64, part, parts, &from, &to);
    for (int i = 0; i < n && before < to; before += entries[i++].n) {
        const int64_t a = TN_MAX(from - before, 0), b = TN_MIN(to - before, entries[i].n);
        if (a < b) step(j, &entries[i], a, b, (const char *)entries[i].grad + a * j->size);
    }
}

tn_code tn_optimizer_run(tn_optimizer o, tn_dtype dtype, const tn_opt_entry *entries, int n, int threads,
                         tn_error *err)
{
    job j;
    int64_t total = 0;
    TN_TRY(job_of(o, dtype, &j, err));
    for (int i = 0; i < n; i++) total += entries[i].n;
    threads = tn_team(threads, (double)total * 2);
    if (threads == 1) {
        run_part(&j, entries, n, total, 0, 1);
        return TN_OK;
    }
#pragma omp parallel num_threads(threads)
    run_part(&j, entries, n, total, omp_get_thread_num(), omp_get_num_threads());
    return TN_OK;
}

static int64_t row_at(tn_dtype t, const void *indices, int64_t i)
{
    return t == TN_INT32 ? ((const int32_t *)indices)[i] : ((const int64_t *)indices)[i];
}

tn_code tn_optimizer_sparse(tn_optimizer o, tn_dtype dtype, const tn_opt_entry *e, int64_t rows,
                            int64_t inner, int64_t count, tn_dtype index, const void *indices, tn_error *err)
{
    job j;
    TN_TRY(job_of(o, dtype, &j, err));
    if (index != TN_INT32 && index != TN_INT64)
        return tn_fail(err, TN_INVALID_ARGUMENT, "indices are %s instead of int32 or int64",
                       tn_dtype_name(index));
    for (int64_t i = 0; i < count; i++) {
        const int64_t row = row_at(index, indices, i);
        if (row < 0 || row >= rows)
            return tn_fail(err, TN_INVALID_ARGUMENT, "indices[%lld] = %lld is not in [0, %lld)", (long long)i,
                           (long long)row, (long long)rows);
    }
    for (int64_t i = 0; i < count; i++) {
        const int64_t from = row_at(index, indices, i) * inner;
        step(&j, e, from, from + inner, (const char *)e->grad + i * inner * j.size);
    }
    return TN_OK;
}
