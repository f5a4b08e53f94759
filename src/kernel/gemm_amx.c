/* SPDX-License-Identifier: Apache-2.0
 *
 * gemm_amx.c - matrix products of floats by tiles of bfloat16 (amx.h). Which products are worth it is
 * gemm.c's.
 *
 * Rows of a with a number that cannot be split are computed one by one from b's planes, whose sum is b; a b
 * that has one is refused.
 */
#include "gemm.h"
#include "amx.h"

#include <omp.h>

enum {
    BLOCK = TN_AMX_BLOCK,
    PLANES = TN_AMX_PLANES,
    MOST_ROWS = 8 * BLOCK,  /* that are split at a time: they stay in the second cache, */
    MOST_DEPTH = 24 * BLOCK /* with a panel of b */
};

size_t tn_amx_packed(const tn_gemm_plan *p)
{
    return (size_t)(tn_amx_blocks(p->d.n) * tn_amx_blocks(p->d.k)) * PLANES * sizeof(uint16_t);
}

/* Of a thread's rows of a. */
static size_t rows_size(const tn_gemm_plan *p)
{
    return (size_t)(tn_amx_blocks(TN_MIN(p->d.m, MOST_ROWS)) * tn_amx_blocks(TN_MIN(p->d.k, MOST_DEPTH))) *
           PLANES * sizeof(uint16_t);
}

size_t tn_amx_scratch(const tn_gemm_plan *p)
{
    int64_t threads = p->batches > 1 ? 1 : p->threads;
    return 64 + (p->d.packs ? 0 : tn_amx_packed(p)) + (size_t)threads * rows_size(p);
}

bool tn_gemm_splits(const float *b, int64_t n)
{
    uint32_t most = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &b[i], sizeof bits);
        most = TN_MAX(most, bits & 0x7fffffff);
    }
    return most < TN_AMX_LARGEST;
}

#if defined(__x86_64__)

/* A block of 32 x 32 whose rows are `row` apart, of which only rows x depth are there. false: there is a
 * number that cannot be split. */
AMX static bool split_left(const float *a, int64_t row, int64_t rows, int64_t depth, uint16_t *to)
{
    __m512i most = _mm512_setzero_si512();
    for (int64_t i = 0; i < BLOCK; i++) {
        const tn_amx_pair s = tn_amx_row(a + i * row, i < rows ? depth : 0);
        most = tn_amx_larger(tn_amx_larger(most, s.lo), s.hi);
        tn_amx_split_row(s, to + i * BLOCK, 2 * TN_AMX_TILE);
    }
    return _mm512_reduce_max_epu32(most) < TN_AMX_LARGEST;
}

AMX static bool split_right(const float *b, int64_t row, int64_t depth, int64_t cols, uint16_t *to)
{
    return tn_amx_split_right(b, row, depth, cols, to);
}

/* A block of c: the sum over `blocks` blocks of a and b. */
AMX static void multiply(const uint16_t *a, const uint16_t *b, int64_t blocks, float *sum)
{
    const tn_amx_left l = {.row = BLOCK, .tile = TN_AMX_TILE, .plane = 2 * TN_AMX_TILE};
    tn_amx_zero();
    for (int64_t i = 0; i < blocks; i++) tn_amx_multiply(a + i * PLANES, &l, b + i * PLANES);
    tn_amx_store(sum);
}

AMX static void finish_block(const float *sum, int64_t rows, int64_t cols, const tn_amx_finish *f)
{
    tn_amx_finish_block(sum, rows, cols, f);
}

AMX static void begin(void)
{
    tn_amx_begin();
}

AMX static void end(void)
{
    tn_amx_end();
}

/* ==== rows that cannot be split ==== */

static float plane_value(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float x;
    memcpy(&x, &wide, sizeof x);
    return x;
}

/* Element (k, j) of a panel of b. */
static float b_value(const uint16_t *b, int64_t k, int64_t j)
{
    const uint16_t *at =
        b + k / BLOCK * PLANES + j / 16 * TN_AMX_TILE + k % BLOCK / 2 * 32 + j % 16 * 2 + k % 2;
    return plane_value(at[4 * TN_AMX_TILE]) + plane_value(at[2 * TN_AMX_TILE]) + plane_value(at[0]);
}

static void plain_block(const float *a, int64_t row, int64_t col, const uint16_t *b, int64_t rows,
                        int64_t cols, int64_t depth, float *sum)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) {
            float s = 0;
            for (int64_t k = 0; k < depth; k++) s += a[i * row + k * col] * b_value(b, k, j);
            sum[i * BLOCK + j] = s;
        }
}

/* ==== the product ==== */

typedef struct job {
    const tn_gemm_plan *p;
    const float *a, *b, *bias;
    float *c;
    const uint16_t *packed;
    uint16_t *pack; /* NULL: b is packed */
    char *rows;     /* for each thread's rows of a */
    int *refused;   /* b cannot be split */
} job;

/* Panels [j0, j1) of b. */
static bool pack_panels(const tn_gemm_plan *p, const float *b, uint16_t *packed, int64_t j0, int64_t j1)
{
    const tn_gemm_desc *d = &p->d;
    const tn_gemm_type *t = &TN_ISA_PICK(tn_isa_gemm, p->isa)->f32;
    float turned[BLOCK * BLOCK];
    bool ok = true;
    for (int64_t j = j0; j < j1; j++)
        for (int64_t k = 0; k < d->k; k += BLOCK) {
            const int64_t cols = TN_MIN(d->n - j * BLOCK, BLOCK), depth = TN_MIN(d->k - k, BLOCK);
            uint16_t *to = packed + (j * tn_amx_blocks(d->k) + k / BLOCK) * PLANES;
            const float *at = d->tb ? turned : b + k * d->ldb + j * BLOCK;
            if (d->tb) t->pack_t(depth, (int)cols, BLOCK, b + j * BLOCK * d->ldb + k, d->ldb, turned);
            ok = split_right(at, d->tb ? BLOCK : d->ldb, depth, cols, to) && ok;
        }
    return ok;
}

/* Rows [i, i + rows) of a over depths [k0, k1), at most a block of rows. false: there is one that cannot be
 * split. */
static bool pack_rows(const job *j, int64_t i, int64_t rows, int64_t k0, int64_t k1, uint16_t *to)
{
    const tn_gemm_desc *d = &j->p->d;
    const tn_gemm_type *t = &TN_ISA_PICK(tn_isa_gemm, j->p->isa)->f32;
    float turned[BLOCK * BLOCK];
    bool ok = true;
    for (int64_t k = k0; k < k1; k += BLOCK, to += PLANES) {
        const int64_t depth = TN_MIN(k1 - k, BLOCK);
        const float *at = d->ta ? turned : j->a + i * d->lda + k;
        if (d->ta) t->pack_t(rows, (int)depth, BLOCK, j->a + k * d->lda + i, d->lda, turned);
        ok = split_left(at, d->ta ? BLOCK : d->lda, rows, depth, to) && ok;
    }
    return ok;
}

typedef struct part_of { /* of a job: rows and panels, and the depths that are at hand */
    int64_t m0, m1, j0, j1, k0, k1;
} part_of;

/* One block of rows, of which `rows` counts from q->m0 on, times one panel. */
static void one_block(const job *j, const part_of *q, int64_t block, int64_t panel, const uint16_t *a,
                      bool splits)
{
    const tn_gemm_desc *d = &j->p->d;
    const int64_t m = q->m0 + block * BLOCK, n = panel * BLOCK, depth = q->k1 - q->k0;
    const int64_t rows = TN_MIN(q->m1 - m, BLOCK), cols = TN_MIN(d->n - n, BLOCK);
    const int64_t a_row = d->ta ? 1 : d->lda, a_col = d->ta ? d->lda : 1;
    const uint16_t *b = j->packed + (panel * tn_amx_blocks(d->k) + q->k0 / BLOCK) * PLANES;
    const bool last = q->k1 == d->k;
    float sum[BLOCK * BLOCK] __attribute__((aligned(64)));
    if (splits)
        multiply(a, b, tn_amx_blocks(depth), sum);
    else
        plain_block(j->a + m * a_row + q->k0 * a_col, a_row, a_col, b, rows, cols, depth, sum);
    const tn_amx_finish f = {.c = j->c + m * d->ldc + n,
                             .row = d->ldc,
                             .bias_row = d->bias_row,
                             .bias = last && j->bias ? j->bias + m * d->bias_row + n : NULL,
                             .add = d->accumulate || q->k0 > 0,
                             .relu = last && d->act == TN_ACT_RELU};
    finish_block(sum, rows, cols, &f);
}

/* Rows that stay in the cache, and a depth of them, times all panels. */
static void some_rows(const job *j, const part_of *q, uint16_t *rows)
{
    const int64_t n = tn_amx_blocks(q->m1 - q->m0), each = tn_amx_blocks(q->k1 - q->k0) * PLANES;
    bool splits[MOST_ROWS / BLOCK];
    for (int64_t i = 0; i < n; i++)
        splits[i] = pack_rows(j, q->m0 + i * BLOCK, TN_MIN(q->m1 - q->m0 - i * BLOCK, BLOCK), q->k0, q->k1,
                              rows + i * each);
    for (int64_t panel = q->j0; panel < q->j1; panel++)
        for (int64_t i = 0; i < n; i++) one_block(j, q, i, panel, rows + i * each, splits[i]);
}

static void run_part(const job *j, int part, int parts)
{
    const tn_gemm_desc *d = &j->p->d;
    part_of q = {.m1 = d->m, .j1 = tn_amx_blocks(d->n)};
    if (j->pack) {
        int64_t a, b;
        tn_share(q.j1, 1, part, parts, &a, &b);
        if (!pack_panels(j->p, j->b, j->pack, a, b)) __atomic_store_n(j->refused, 1, __ATOMIC_RELAXED);
        if (parts > 1) {
#pragma omp barrier
        }
        if (__atomic_load_n(j->refused, __ATOMIC_RELAXED)) return;
    }
    if (d->m >= d->n || q.j1 < parts)
        tn_share(d->m, BLOCK, part, parts, &q.m0, &q.m1);
    else
        tn_share(q.j1, 1, part, parts, &q.j0, &q.j1);
    uint16_t *rows = (uint16_t *)(void *)(j->rows + (size_t)part * rows_size(j->p));
    begin();
    for (int64_t m = q.m0; m < q.m1; m += MOST_ROWS)
        for (int64_t k = 0; k < d->k; k += MOST_DEPTH) {
            const part_of some = {m, TN_MIN(m + MOST_ROWS, q.m1), q.j0, q.j1,
                                  k, TN_MIN(k + MOST_DEPTH, d->k)};
            some_rows(j, &some, rows);
        }
    end();
}

bool tn_amx_run(const tn_gemm_plan *p, const float *a, const float *b, const float *bias, float *c,
                const void *packed, void *scratch, int threads)
{
    char *at = scratch;
    job j = {.p = p, .a = a, .b = b, .bias = bias, .c = c, .packed = packed, .refused = scratch};
    *j.refused = 0;
    at += 64;
    if (!packed) {
        j.packed = j.pack = (uint16_t *)(void *)at;
        at += tn_amx_packed(p);
    }
    j.rows = at;
    if (threads == 1) {
        run_part(&j, 0, 1);
    } else {
#pragma omp parallel num_threads(threads)
        run_part(&j, omp_get_thread_num(), omp_get_num_threads());
    }
    return !*j.refused;
}

void tn_amx_pack(const tn_gemm_plan *p, const float *b, void *packed)
{
    pack_panels(p, b, packed, 0, tn_amx_blocks(p->d.n));
}

#else /* never chosen */

bool tn_amx_run(const tn_gemm_plan *p, const float *a, const float *b, const float *bias, float *c,
                const void *packed, void *scratch, int threads)
{
    (void)p, (void)a, (void)b, (void)bias, (void)c, (void)packed, (void)scratch, (void)threads;
    return false;
}

void tn_amx_pack(const tn_gemm_plan *p, const float *b, void *packed)
{
    (void)p, (void)b, (void)packed;
}

#endif
