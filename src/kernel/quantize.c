/* SPDX-License-Identifier: Apache-2.0
 *
 * quantize.c - floats rounded to steps of a range, and steps as floats: which elements have which range, and who of a
 * team takes which.
 */
#include <math.h>
#include <omp.h>

#include "isa_quantize.h"

static void fit(const tn_step_job *j, int64_t k, int n, tn_step_block *s)
{
    for (int i = 0; i < n; i++) {
        tn_step t = {0};
        j->fit(j->of, k + i, &t);
        s->low[i] = t.low;
        s->high[i] = t.high;
        s->shift[i] = t.shift;
        s->by[i] = t.by;
        s->less[i] = t.less;
        s->back[i] = t.back;
    }
}

static void some(const tn_step_job *j, const tn_quantize_isa *isa, int64_t size, int part, int parts)
{
    tn_step_block s;
    int64_t from, to;
    char *y = j->y;
    if (j->inner == 1 && j->n > 1) { /* channels side by side: threads share the rows */
        tn_share(j->outer, 1, part, parts, &from, &to);
        for (int64_t k = 0; k < j->n; k += TN_STEP_BLOCK) {
            const int m = (int)TN_MIN(TN_STEP_BLOCK, j->n - k);
            fit(j, k, m, &s);
            for (int64_t o = from; o < to; o++)
                isa->step(j->round, j->to, true, &s, m, j->x + o * j->n + k, y + (o * j->n + k) * size);
        }
        return;
    }
    tn_share(j->inner, 64, part, parts, &from, &to);
    for (int64_t k = 0; k < j->n && from < to; k++) {
        fit(j, k, 1, &s);
        for (int64_t o = 0; o < j->outer; o++) {
            const int64_t at = (o * j->n + k) * j->inner + from;
            isa->step(j->round, j->to, false, &s, to - from, j->x + at, y + at * size);
        }
    }
}

void tn_step_all(const tn_step_job *j)
{
    const tn_quantize_isa *isa = TN_ISA_PICK(tn_isa_quantize, tn_isa_level_now());
    const int64_t size = (int64_t)tn_dtype_size(j->to);
    const int team = tn_team(j->threads, (double)j->outer * (double)j->n * (double)j->inner);
    if (team == 1) {
        some(j, isa, size, 0, 1);
        return;
    }
#pragma omp parallel num_threads(team)
    some(j, isa, size, omp_get_thread_num(), omp_get_num_threads());
}

void tn_step_first(tn_dtype to, double by, double less, double first, double last, int64_t n, const float *x, void *y,
                   int threads)
{
    const tn_quantize_isa *isa = TN_ISA_PICK(tn_isa_quantize, tn_isa_level_now());
    const int64_t size = (int64_t)tn_dtype_size(to);
    const int team = tn_team(threads, (double)n);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        int64_t a, b;
        tn_share(n, 64, omp_get_thread_num(), omp_get_num_threads(), &a, &b);
        isa->first(to, by, less, first, last, b - a, x + a, (char *)y + a * size);
    }
}

void tn_step_back(tn_dtype from, bool doubles, double shift, double by, double plus, int64_t n, const void *x, float *y,
                  int threads)
{
    const tn_quantize_isa *isa = TN_ISA_PICK(tn_isa_quantize, tn_isa_level_now());
    const int64_t size = (int64_t)tn_dtype_size(from);
    const int team = tn_team(threads, (double)n);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        int64_t a, b;
        tn_share(n, 64, omp_get_thread_num(), omp_get_num_threads(), &a, &b);
        isa->back(from, doubles, shift, by, plus, b - a, (const char *)x + a * size, y + a);
    }
}

void tn_step_pass(int64_t rows, int64_t pitch, int64_t n, const float *low, const float *high, const float *dy,
                  const float *x, float *dx, double *below, double *above)
{
    const tn_quantize_isa *isa = TN_ISA_PICK(tn_isa_quantize, tn_isa_level_now());
    if (pitch == 1) {
        isa->pass(false, low, high, rows, dy, x, dx, below, above);
        return;
    }
    for (int64_t i = 0; i < rows; i++)
        isa->pass(true, low, high, n, dy + i * pitch, x + i * pitch, dx + i * pitch, below, above);
}

void tn_step_ends(int64_t rows, int64_t pitch, int64_t n, const float *x, float *min, float *max)
{
    const tn_quantize_isa *isa = TN_ISA_PICK(tn_isa_quantize, tn_isa_level_now());
    if (pitch == 1) {
        isa->ends(false, rows, x, min, max);
        return;
    }
    for (int64_t i = 0; i < rows; i++) isa->ends(true, n, x + i * pitch, min, max);
}
