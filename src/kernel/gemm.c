/* SPDX-License-Identifier: Apache-2.0
 *
 * gemm.c - how a matrix product is cut: which path a shape takes, blocks, panels and threads. The inner
 * loops of float and double are isa_gemm.c's, the other types' gemm_generic.c's.
 *
 * Paths. DOTS: rows of a times rows of b, for skinny results. DIRECT: tiles read b where it lies. PACKED: b is
 * first copied into panels (transposed when need be), by all threads together. TURNED: the result is computed as
 * its transpose (a stored [k, m], one column). LIBRARY: oneDNN's sgemm, for large floats; with a packed b our own.
 * AMX: by tiles of bfloat16, for large floats where there are such. GENERIC: other types.
 */
#include "gemm.h"

#include <omp.h>

enum { PATH_DOTS, PATH_DIRECT, PATH_PACKED, PATH_TURNED, PATH_LIBRARY, PATH_AMX, PATH_GENERIC, PATH_WIDENED };

#define LIBRARY_FROM 1e6 /* multiplications */
#define AMX_FROM 1e6
enum { WHOLE_DEPTH = 1024 }; /* up to which a packed panel stays in the second cache */
/* Of a panel, or two at once: what turns round must find in the cache what it used last. So two of one vector, of which
 * a tile's sums are ordered in their own way, are never taken at once. */
enum { PANEL_BYTES = 768 << 10 };
/* From so many panels on their number is even, for two threads: a vector less in a few costs nothing then. */
enum { EVEN_FROM = 16 };

static const tn_gemm_type *type_of(const tn_gemm_plan *p)
{
    const tn_gemm_isa *isa = TN_ISA_PICK(tn_isa_gemm, p->isa);
    return p->d.dtype == TN_DOUBLE ? &isa->f64 : &isa->f32;
}

/* How n columns are cut into panels of nearly equal numbers of vectors: as many as a tile takes, fewer where a constant
 * b is so deep that of wider ones there would be too few to share, and none would stay in the second cache. */
typedef struct cut {
    int64_t panels, vectors;
} cut;
static cut cut_of(const tn_gemm_plan *p, const tn_gemm_type *t)
{
    const int64_t vector = p->d.k * t->vl * (int64_t)tn_dtype_size(p->d.dtype);
    const int64_t fit = TN_MIN(TN_MAX(PANEL_BYTES / TN_MAX(vector, 1), 1), t->vecs);
    const int64_t wide = p->d.packs ? fit : t->vecs;
    cut c = {.vectors = (p->d.n + t->vl - 1) / t->vl};
    c.panels = (c.vectors + wide - 1) / wide;
    if (c.panels >= EVEN_FROM && c.panels < c.vectors) c.panels += c.panels % 2;
    return c;
}
/* The first vector of panel j. Wider and narrower ones alternate, so that equal numbers of panels are equal parts. */
static int64_t panel_at(cut c, int64_t j)
{
    return j * c.vectors / c.panels;
}

/* ---- prepare ---- */

static tn_code check(const tn_gemm_desc *d, tn_error *err)
{
    if (d->m < 0 || d->n < 0 || d->k < 0 || d->m > INT32_MAX || d->n > INT32_MAX || d->k > INT32_MAX)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "matrix product of %lld x %lld by %lld x %lld is out of range", (long long)d->m,
                       (long long)d->k, (long long)d->k, (long long)d->n);
    if (!tn_gemm_takes(d->dtype))
        return tn_fail(err, TN_UNIMPLEMENTED, "no matrix product of %s", tn_dtype_name(d->dtype));
    const bool own_bias = d->dtype == TN_FLOAT || d->dtype == TN_DOUBLE;
    if (d->bias_row && (!own_bias || !d->bias || d->batch_rank || d->bias_row < d->n))
        return tn_fail(err, TN_INVALID_ARGUMENT, "a matrix product's bias has rows %lld apart", (long long)d->bias_row);
    if (d->batch_rank < 0 || d->batch_rank > TN_MAX_RANK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a matrix product has %d batch dimensions", d->batch_rank);
    return TN_OK;
}

static tn_code count_batches(tn_gemm_plan *p, tn_error *err)
{
    p->batches = 1;
    for (int i = 0; i < p->d.batch_rank; i++)
        if (p->d.batch_dim[i] < 0 || __builtin_mul_overflow(p->batches, p->d.batch_dim[i], &p->batches))
            return tn_fail(err, TN_INVALID_ARGUMENT, "a matrix product has too many batches");
    return TN_OK;
}

/* Large products; and few rows times a large transposed matrix, which is not worth packing. */
static bool library_wins(const tn_gemm_plan *p)
{
    const tn_gemm_desc *d = &p->d;
    const bool limited = p->isa < TN_MIN((int)tn_isa_best(), (int)TN_ISA_V4);
    if (d->dtype != TN_FLOAT || limited || d->n < 16 || d->k < 16) return false;
    if (d->tb && !d->ta && d->m >= 2 && d->m < 16) return (double)d->n * (double)d->k >= 8192;
    return d->m >= 16 && (double)d->m * (double)d->n * (double)d->k >= LIBRARY_FROM;
}

/* Splitting the operands takes time, too: b's where it is not packed, a's where there are few columns. */
static bool amx_wins(const tn_gemm_plan *p)
{
    const tn_gemm_desc *d = &p->d;
    if (p->isa < TN_ISA_AMX || d->dtype != TN_FLOAT || (d->packs && !d->splits)) return false;
    return d->m >= (d->packs ? 32 : 96) && d->n >= 64 && d->k >= 32 &&
           (double)d->m * (double)d->n * (double)d->k >= AMX_FROM;
}

/* With b packed once: for few rows, but not for so few columns that most of a vector would be idle. The library packs
 * in each run; where there are many rows that does not count, and it needs no copy. */
static bool packing_wins(const tn_gemm_plan *p)
{
    return p->d.m <= 64 && p->d.n >= 8;
}

/* Few rows are bound by reading b. */
static double work_of(const tn_gemm_plan *p)
{
    const tn_gemm_desc *d = &p->d;
    const double b = (double)d->n * (double)d->k * (double)TN_MAX(p->batches, 1);
    return TN_MAX(b * (double)d->m / 8, d->m ? b / 4 : 0);
}

static int choose(const tn_gemm_plan *p)
{
    const tn_gemm_desc *d = &p->d;
    const tn_gemm_type *t = type_of(p);
    /* Read as it lies, so whole vectors only where there is no masked load. */
    const bool turns = d->n == 1 && !d->bias_row && d->ta && d->ldc == 1 && (d->tb || d->ldb == 1);
    if (amx_wins(p)) return PATH_AMX;
    if (d->packs && packing_wins(p)) return PATH_PACKED;
    if (turns && (t->mask || d->m % t->vl == 0)) return PATH_TURNED;
    if (library_wins(p)) return PATH_LIBRARY;
    if (!d->ta && !d->bias_row && (d->tb ? d->m <= 4 || d->n <= 4 : d->n <= 4 && d->m > 4 && d->k >= t->vl))
        return PATH_DOTS;
    if (d->tb) return PATH_PACKED;
    if (!t->mask && d->n % t->vl) return PATH_PACKED;
    return d->m <= 2 * t->mr || d->k * d->n <= 16384 ? PATH_DIRECT : PATH_PACKED;
}

/* How deep a block of b is that is read where it lies: few enough rows to stay within the TLB's reach. */
static int64_t direct_depth(int64_t ldb)
{
    return TN_MIN(TN_MAX(65536 / TN_MAX(ldb, 1), 16), 256);
}

static size_t packed_size(const tn_gemm_plan *p)
{
    const tn_gemm_type *t = type_of(p);
    return (size_t)(cut_of(p, t).vectors * t->vl * p->d.k) * tn_dtype_size(p->d.dtype);
}

tn_code tn_gemm_prepare(const tn_gemm_desc *desc, tn_gemm_plan *plan, tn_error *err)
{
    tn_gemm_plan p = {.d = *desc, .isa = tn_isa_level_now()};
    tn_gemm_desc *d = &p.d;
    TN_TRY(check(d, err));
    if (!d->lda) d->lda = TN_MAX(d->ta ? d->m : d->k, 1);
    if (!d->ldb) d->ldb = TN_MAX(d->tb ? d->k : d->n, 1);
    if (!d->ldc) d->ldc = TN_MAX(d->n, 1);
    if (d->tb && d->k == 1 && d->ldb == 1 && !d->conj_b) { /* a column is a row */
        d->tb = false;
        d->ldb = TN_MAX(d->n, 1);
    }
    TN_TRY(count_batches(&p, err));
    p.threads = tn_team(d->threads, work_of(&p));
    if (d->dtype == TN_HALF || d->dtype == TN_BFLOAT16) {
        p.path = PATH_WIDENED;
        TN_TRY(tn_gemm_widened_prepare(&p, err));
    } else if (d->dtype != TN_FLOAT && d->dtype != TN_DOUBLE) {
        p.path = PATH_GENERIC;
    } else {
        p.path = choose(&p);
        p.kc = p.path == PATH_DIRECT ? direct_depth(d->ldb) : 256;
        if (d->packs && p.path == PATH_PACKED && (d->m <= 2 * type_of(&p)->mr || d->k <= WHOLE_DEPTH))
            p.kc = TN_MAX(d->k, 1);
        p.mc = 256;
        if (p.path == PATH_PACKED || (p.path == PATH_LIBRARY && !d->packs)) p.packed = packed_size(&p);
        if (p.path == PATH_PACKED && !d->packs) p.scratch = p.packed;
        if (p.path == PATH_AMX) p.packed = d->packs ? tn_amx_packed(&p) : 0, p.scratch = tn_amx_scratch(&p);
        if (p.path == PATH_DOTS && !d->tb && d->ldb > 1)
            p.scratch = (size_t)(d->n * d->k) * tn_dtype_size(d->dtype);
    }
    if (p.batches > 1) p.scratch = tn_round64(p.scratch) * (size_t)p.threads;
    *plan = p;
    return TN_OK;
}

/* ---- run ---- */

typedef struct operands {
    const char *a, *b, *bias;
    char *c;
    bool backwards; /* the panels */
} operands;

/* Rows [m0, m1) of panels [j, j + count) over depths [p0, p1); count is 1, or that of panels_at. */
static void run_strip(const tn_gemm_plan *p, const tn_gemm_type *t, const operands *o, cut cuts, int64_t j, int count,
                      int64_t m0, int64_t m1, int64_t p0, int64_t p1, const char *packed)
{
    const tn_gemm_desc *d = &p->d;
    const int64_t size = t == &TN_ISA_PICK(tn_isa_gemm, p->isa)->f64 ? 8 : 4;
    const int64_t v0 = panel_at(cuts, j), v1 = panel_at(cuts, j + 1), n0 = v0 * t->vl;
    const int64_t end = panel_at(cuts, j + count);
    const bool last = p1 == d->k;
    tn_gemm_strip s = {.m = m1 - m0,
                       .k = p1 - p0,
                       .cols = (int)(TN_MIN(end * t->vl, d->n) - n0),
                       .vecs = (int)(v1 - v0),
                       .a_row = d->ta ? 1 : d->lda,
                       .a_col = d->ta ? d->lda : 1,
                       .c_row = d->ldc,
                       .bias = last && o->bias ? o->bias + (m0 * d->bias_row + n0) * size : NULL,
                       .bias_row = d->bias_row,
                       .c = o->c + (m0 * d->ldc + n0) * size,
                       .add = d->accumulate || p0 > 0,
                       .relu = last && d->act == TN_ACT_RELU && d->dtype == TN_FLOAT};
    s.a = o->a + (m0 * s.a_row + p0 * s.a_col) * size;
    if (packed) { /* panels follow one another, each k deep */
        s.b_row = s.vecs * t->vl;
        s.b = packed + (v0 * t->vl * d->k + p0 * s.b_row) * size;
        s.b_padded = true;
        s.b_panel = count > 1 ? s.b_row * d->k : 0;
        const int64_t next = o->backwards ? j - 1 : j + 1;
        if (next >= 0 && next < cuts.panels)
            s.ahead = packed + (panel_at(cuts, next) * t->vl * d->k + p0 * s.b_row) * size;
    } else {
        s.b_row = d->ldb;
        s.b = o->b + (p0 * d->ldb + n0) * size;
    }
    t->strip(&s);
}

static void finish(const tn_gemm_plan *p, char *c, int64_t m0, int64_t m1, int64_t n0, int64_t n1)
{
    if (p->d.act == TN_ACT_NONE || p->d.act == TN_ACT_RELU || p->d.dtype != TN_FLOAT) return;
    for (int64_t i = m0; i < m1; i++)
        tn_act_apply(p->isa, p->d.act, p->d.alpha, n1 - n0, (float *)(void *)c + i * p->d.ldc + n0);
}

/* How many panels of [j0, j1) to take at once, the first or (backwards) the last of them: of one row two, where they
 * are equally wide and packed. */
static int panels_at(const operands *o, cut cuts, int64_t j0, int64_t j1, bool may_pair)
{
    const int64_t j = o->backwards ? j1 - 2 : j0;
    if (!may_pair || j1 - j0 < 2) return 1;
    return panel_at(cuts, j + 1) - panel_at(cuts, j) == panel_at(cuts, j + 2) - panel_at(cuts, j + 1) ? 2 : 1;
}

/* Rows [m0, m1) of panels [j0, j1) over depths [p0, p1). */
static void run_strips(const tn_gemm_plan *p, const tn_gemm_type *t, const operands *o, cut cuts, int64_t m0,
                       int64_t m1, int64_t j0, int64_t j1, int64_t p0, int64_t p1, const char *packed)
{
    const int64_t widest = (cuts.vectors + cuts.panels - 1) / cuts.panels;
    const int64_t pair = 2 * p->d.k * widest * t->vl * (int64_t)tn_dtype_size(p->d.dtype);
    const bool may_pair = m1 - m0 == 1 && packed && p->d.k > 0 && pair <= PANEL_BYTES;
    while (j0 < j1) {
        const int count = panels_at(o, cuts, j0, j1, may_pair);
        run_strip(p, t, o, cuts, o->backwards ? j1 - count : j0, count, m0, m1, p0, p1, packed);
        if (o->backwards) j1 -= count;
        else j0 += count;
    }
}

/* Rows [m0, m1) of panels [j0, j1). */
static void run_block(const tn_gemm_plan *p, const tn_gemm_type *t, const operands *o, cut cuts, int64_t m0,
                      int64_t m1, int64_t j0, int64_t j1, const char *packed)
{
    const int64_t k = p->d.k;
    for (int64_t i = m0; i < m1; i += p->mc) {
        int64_t to = TN_MIN(i + p->mc, m1), p0 = 0;
        do {
            int64_t p1 = k - p0 <= p->kc + p->kc / 2 ? k : p0 + p->kc;
            run_strips(p, t, o, cuts, i, to, j0, j1, p0, p1, packed);
            p0 = p1;
        } while (p0 < k);
        finish(p, o->c, i, to, panel_at(cuts, j0) * t->vl, TN_MIN(panel_at(cuts, j1) * t->vl, p->d.n));
    }
}

static void pack_panels(const tn_gemm_plan *p, const tn_gemm_type *t, const char *b, char *packed, cut cuts,
                        int64_t j0, int64_t j1)
{
    const tn_gemm_desc *d = &p->d;
    const int64_t size = (int64_t)tn_dtype_size(d->dtype);
    for (int64_t j = j0; j < j1; j++) {
        int64_t v0 = panel_at(cuts, j), v1 = panel_at(cuts, j + 1), n0 = v0 * t->vl;
        int width = (int)(v1 - v0) * t->vl, cols = (int)(TN_MIN(v1 * t->vl, d->n) - n0);
        char *to = packed + n0 * d->k * size;
        if (d->tb)
            t->pack_t(d->k, cols, width, b + n0 * d->ldb * size, d->ldb, to);
        else
            t->pack(d->k, cols, width, b + n0 * size, d->ldb, to);
    }
}

/* One thread's part of a tiled product; pack: where to copy b first, together with the others. */
static void run_part(const tn_gemm_plan *p, const operands *o, const char *packed, char *pack, int part,
                     int parts)
{
    const tn_gemm_type *t = type_of(p);
    const cut cuts = cut_of(p, t);
    int64_t m0 = 0, m1 = p->d.m, j0 = 0, j1 = cuts.panels;
    if (pack) {
        int64_t a, b;
        tn_share(cuts.panels, 1, part, parts, &a, &b);
        pack_panels(p, t, o->b, pack, cuts, a, b);
        if (parts > 1) {
#pragma omp barrier
        }
        packed = pack;
    }
    if (p->d.m >= parts * t->mr && (p->d.m >= p->d.n || cuts.panels < parts))
        tn_share(p->d.m, t->mr, part, parts, &m0, &m1);
    else
        tn_share(cuts.panels, 1, part, parts, &j0, &j1);
    if (m0 < m1 && j0 < j1) run_block(p, t, o, cuts, m0, m1, j0, j1, packed);
}

static void run_tiled(const tn_gemm_plan *p, const operands *o, const char *packed, char *pack, int threads)
{
    if (threads == 1) {
        run_part(p, o, packed, pack, 0, 1);
        return;
    }
#pragma omp parallel num_threads(threads)
    run_part(p, o, packed, pack, omp_get_thread_num(), omp_get_num_threads());
}

static void dots_part(const tn_gemm_plan *p, const operands *o, int64_t b_row, int part, int parts)
{
    const tn_gemm_desc *d = &p->d;
    const int64_t size = (int64_t)tn_dtype_size(d->dtype);
    int64_t m0 = 0, m1 = d->m, n0 = 0, n1 = d->n;
    if (d->m >= d->n)
        tn_share(d->m, 1, part, parts, &m0, &m1);
    else
        tn_share(d->n, 4, part, parts, &n0, &n1);
    if (m0 == m1 || n0 == n1) return;
    if (n1 - n0 < 4) /* four rows of a at a time against a column of b */
        for (int64_t j = n0; j < n1; j++)
            type_of(p)->dots(1, m1 - m0, d->k, o->b + j * b_row * size, 0, o->a + m0 * d->lda * size, d->lda,
                             o->bias ? o->bias + j * size : NULL, 0, o->c + (m0 * d->ldc + j) * size, 0,
                             d->ldc, d->accumulate);
    else
        type_of(p)->dots(m1 - m0, n1 - n0, d->k, o->a + m0 * d->lda * size, d->lda, o->b + n0 * b_row * size,
                         b_row, o->bias ? o->bias + n0 * size : NULL, 1, o->c + (m0 * d->ldc + n0) * size,
                         d->ldc, 1, d->accumulate);
    if (d->act != TN_ACT_NONE && d->dtype == TN_FLOAT)
        for (int64_t i = m0; i < m1; i++)
            tn_act_apply(p->isa, d->act, d->alpha, n1 - n0, (float *)(void *)o->c + i * d->ldc + n0);
}

/* Rows of a times rows of b; b's columns become rows in scratch when it is not stored that way. */
static void run_dots(const tn_gemm_plan *p, const operands *o, void *scratch, int threads)
{
    const tn_gemm_desc *d = &p->d;
    const tn_gemm_type *t = type_of(p);
    const int64_t size = (int64_t)tn_dtype_size(d->dtype);
    const char *b = o->b;
    int64_t b_row = d->ldb;
    if (!d->tb) {
        b_row = d->k;
        if (d->ldb > 1) {
            for (int64_t j = 0; j < d->n; j++)
                t->pack(d->k, 1, 1, o->b + j * size, d->ldb, (char *)scratch + j * d->k * size);
            b = scratch;
        }
    }
    const operands at = {o->a, b, o->bias, o->c, false};
    if (threads == 1) {
        dots_part(p, &at, b_row, 0, 1);
        return;
    }
#pragma omp parallel num_threads(threads)
    dots_part(p, &at, b_row, omp_get_thread_num(), omp_get_num_threads());
}

/* One column with a stored [k, m]: the row c' = b' a, where a is read as it lies. */
static void run_turned(const tn_gemm_plan *p, const operands *o, int threads)
{
    tn_gemm_plan q = *p;
    q.d.m = 1;
    q.d.n = p->d.m;
    q.d.ta = q.d.tb = false;
    q.d.lda = p->d.k;
    q.d.ldb = p->d.lda;
    q.d.ldc = p->d.m;
    q.d.act = TN_ACT_NONE;
    q.path = PATH_DIRECT;
    q.kc = direct_depth(q.d.ldb);
    const operands turned = {o->b, o->a, NULL, o->c, false};
    run_tiled(&q, &turned, NULL, NULL, threads);
    if (o->bias) tn_add_scalar(p->d.dtype, o->bias, p->d.m, o->c);
    if (p->d.act != TN_ACT_NONE && p->d.dtype == TN_FLOAT)
        tn_act_apply(p->isa, p->d.act, p->d.alpha, p->d.m, (float *)(void *)o->c);
}

/* When the library has no memory for its own packing: by the definition. */
static void plain_product(const tn_gemm_desc *d, const float *a, const float *b, float *c)
{
    for (int64_t i = 0; i < d->m; i++)
        for (int64_t j = 0; j < d->n; j++) {
            float sum = 0;
            for (int64_t k = 0; k < d->k; k++)
                sum += (d->ta ? a[k * d->lda + i] : a[i * d->lda + k]) *
                       (d->tb ? b[j * d->ldb + k] : b[k * d->ldb + j]);
            c[i * d->ldc + j] = sum + (d->accumulate ? c[i * d->ldc + j] : 0);
        }
}

static void run_library(const tn_gemm_plan *p, const operands *o, int threads)
{
    const tn_gemm_desc *d = &p->d;
    const float *a = (const float *)(const void *)o->a, *b = (const float *)(const void *)o->b;
    if (!tn_onednn_sgemm(d, a, b, (float *)(void *)o->c, threads))
        plain_product(d, a, b, (float *)(void *)o->c);
    if (!o->bias && d->act == TN_ACT_NONE) return;
    if (d->ldc == d->n && !d->bias_row) {
        tn_bias_act((float *)(void *)o->c, (const float *)(const void *)o->bias, d->m, d->n, d->act, d->alpha,
                    threads);
        return;
    }
    for (int64_t i = 0; i < d->m; i++)
        tn_bias_act((float *)(void *)o->c + i * d->ldc,
                    o->bias ? (const float *)(const void *)o->bias + i * d->bias_row : NULL, 1, d->n, d->act, d->alpha,
                    1);
}

static void run_amx(const tn_gemm_plan *p, const operands *o, const char *packed, void *scratch, int threads)
{
    const tn_gemm_desc *d = &p->d;
    float *c = (float *)(void *)o->c;
    if (!tn_amx_run(p, (const float *)(const void *)o->a, (const float *)(const void *)o->b,
                    (const float *)(const void *)o->bias, c, packed, scratch, threads)) {
        run_library(p, o, threads);
        return;
    }
    if (d->act == TN_ACT_NONE || d->act == TN_ACT_RELU) return;
    for (int64_t i = 0; i < d->m; i++) tn_act_apply(p->isa, d->act, d->alpha, d->n, c + i * d->ldc);
}

static void run_one(const tn_gemm_plan *p, const operands *o, const char *packed, void *scratch, int threads)
{
    switch (p->path) {
    case PATH_LIBRARY:
        if (packed)
            run_tiled(p, o, packed, NULL, threads);
        else
            run_library(p, o, threads);
        break;
    case PATH_AMX: run_amx(p, o, packed, scratch, threads); break;
    case PATH_DOTS: run_dots(p, o, scratch, threads); break;
    case PATH_DIRECT: run_tiled(p, o, NULL, NULL, threads); break;
    case PATH_PACKED: run_tiled(p, o, packed, packed ? NULL : scratch, threads); break;
    case PATH_TURNED: run_turned(p, o, threads); break;
    case PATH_WIDENED: tn_gemm_widened_run(p, o->a, o->b, o->bias, o->c, scratch, threads); break;
    default: tn_gemm_generic(p, o->a, o->b, o->c, threads); break;
    }
}

static operands at_batch(const tn_gemm_plan *p, const operands *o, int64_t batch)
{
    const int64_t size = (int64_t)tn_dtype_size(p->d.dtype);
    operands at = *o;
    at.c += batch * p->d.m * p->d.ldc * size;
    for (int i = p->d.batch_rank - 1; i >= 0; i--) {
        int64_t index = batch % p->d.batch_dim[i];
        batch /= p->d.batch_dim[i];
        at.a += index * p->d.batch_a[i] * size;
        at.b += index * p->d.batch_b[i] * size;
    }
    return at;
}

static void run_batches(const tn_gemm_plan *p, const operands *o, const char *packed, void *scratch, int part,
                        int parts)
{
    int64_t from, to;
    tn_share(p->batches, 1, part, parts, &from, &to);
    for (int64_t i = from; i < to; i++) {
        operands at = at_batch(p, o, i);
        run_one(p, &at, packed, scratch, 1);
    }
}

static void run(const tn_gemm_plan *p, const operands *o, const char *packed, void *scratch)
{
    if (p->d.m == 0 || p->d.n == 0 || p->batches == 0) return;
    if (p->batches == 1) {
        run_one(p, o, packed, scratch, p->threads);
        return;
    }
    const size_t each = p->scratch / (size_t)p->threads;
    if (p->threads == 1) {
        run_batches(p, o, packed, scratch, 0, 1);
        return;
    }
#pragma omp parallel num_threads(p->threads)
    run_batches(p, o, packed, (char *)scratch + (size_t)omp_get_thread_num() * each, omp_get_thread_num(),
                omp_get_num_threads());
}

void tn_gemm_run(const tn_gemm_plan *p, const void *a, const void *b, const void *bias, void *c,
                 void *scratch)
{
    run(p, &(operands){a, b, bias, c, false}, NULL, scratch);
}

void tn_gemm_pack_b(const tn_gemm_plan *p, const void *b, void *packed)
{
    const tn_gemm_type *t = type_of(p);
    const cut cuts = cut_of(p, t);
    if (p->path == PATH_AMX) tn_amx_pack(p, b, packed);
    else if (p->packed) pack_panels(p, t, b, packed, cuts, 0, cuts.panels);
}

size_t tn_gemm_unpacks(const tn_gemm_plan *p)
{
    const tn_gemm_desc *d = &p->d;
    const bool whole = p->path == PATH_PACKED && p->packed && p->batches == 1 && d->ldb == (d->tb ? d->k : d->n);
    return whole && (d->dtype == TN_FLOAT || d->dtype == TN_DOUBLE) ? (size_t)(d->n * d->k) * tn_dtype_size(d->dtype)
                                                                   : 0;
}

/* A panel of `width` columns, of which b has `cols`. */
static void unpack_panel(const tn_gemm_desc *d, const char *from, int64_t width, int64_t cols, int64_t size, char *b)
{
    for (int64_t k = 0; k < d->k; k++, from += width * size) {
        if (!d->tb) memcpy(b + k * d->ldb * size, from, (size_t)(cols * size));
        for (int64_t c = 0; d->tb && c < cols; c++) memcpy(b + (c * d->ldb + k) * size, from + c * size, (size_t)size);
    }
}

void tn_gemm_unpack_b(const tn_gemm_plan *p, const void *packed, void *b)
{
    const tn_gemm_desc *d = &p->d;
    const tn_gemm_type *t = type_of(p);
    const cut cuts = cut_of(p, t);
    const int64_t size = (int64_t)tn_dtype_size(d->dtype);
    for (int64_t j = 0; j < cuts.panels; j++) {
        const int64_t v0 = panel_at(cuts, j), v1 = panel_at(cuts, j + 1), n0 = v0 * t->vl;
        unpack_panel(d, (const char *)packed + n0 * d->k * size, (v1 - v0) * t->vl, TN_MIN(v1 * t->vl, d->n) - n0, size,
                     (char *)b + n0 * (d->tb ? d->ldb : 1) * size);
    }
}

void tn_gemm_run_packed(const tn_gemm_plan *p, const void *a, const void *packed, const void *bias, void *c,
                        void *scratch, bool backwards)
{
    run(p, &(operands){a, NULL, bias, c, backwards}, packed, scratch);
}
