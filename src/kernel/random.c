/* SPDX-License-Identifier: Apache-2.0
 *
 * random.c - TensorFlow's random numbers: Philox 4x32-10 and its distributions, with the same number at the
 * same place of the output for the same seeds, however many threads share the work. A group of four words
 * makes four floats, halves or 32-bit integers, or two doubles or 64-bit integers. Truncated normals reject,
 * so every group of theirs has a stretch of the sequence of its own.
 */
#include "isa_random.h"
#include "walk.h"

#include <math.h>
#include <omp.h>

#define RESERVED 256 /* samples set aside for each output */
#define CHUNK 64     /* groups at a time */

/* ---- the generator ---- */

void tn_philox_next(tn_philox *p, uint32_t out[4])
{
    tn_isa_random_base.words(p, 1, out);
    tn_philox_skip(p, 1);
}

void tn_philox_skip(tn_philox *p, uint64_t count)
{
    uint64_t low = p->counter[0] | (uint64_t)p->counter[1] << 32,
             high = p->counter[2] | (uint64_t)p->counter[3] << 32;
    low += count;
    high += low < count;
    p->counter[0] = (uint32_t)low, p->counter[1] = (uint32_t)(low >> 32);
    p->counter[2] = (uint32_t)high, p->counter[3] = (uint32_t)(high >> 32);
}

void tn_philox_init(tn_philox *p, uint64_t seed, uint64_t seed2)
{
    *p = (tn_philox){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                     .counter = {0, 0, (uint32_t)seed2, (uint32_t)(seed2 >> 32)}};
}

/* The seeds are mixed by one round of the generator under a fixed key. */
void tn_philox_stateless(tn_philox *p, uint64_t seed0, uint64_t seed1)
{
    tn_philox mixer = {
        .key = {0x3ec8f720u, 0x02461e29u},
        .counter = {(uint32_t)seed0, (uint32_t)(seed0 >> 32), (uint32_t)seed1, (uint32_t)(seed1 >> 32)}};
    uint32_t mix[4];
    tn_philox_next(&mixer, mix);
    *p = (tn_philox){.key = {mix[0], mix[1]}, .counter = {0, 0, mix[2], mix[3]}};
}

/* ---- distributions, a chunk of groups at a time ---- */

typedef struct job {
    tn_random_kind kind;
    tn_dtype dtype;
    const tn_philox *p;
    const tn_random_isa *isa;
    int per_group;
    uint64_t lo, range; /* integers; range 0: all bits */
} job;

double tn_unit_double(uint32_t high, uint32_t low)
{
    union {
        uint64_t u;
        double d;
    } v = {0x3ff0000000000000u | (uint64_t)(high & 0xfffffu) << 32 | low};
    return v.d - 1.0;
}
float tn_unit_float(uint32_t w)
{
    union {
        uint32_t u;
        float f;
    } v = {(w & 0x7fffffu) | 0x3f800000u};
    return v.f - 1.0f;
}

static void normal_pair(const uint32_t w[2], double out[2])
{
    const float u = tn_unit_float(w[0]), v = (float)(2.0 * M_PI * (double)tn_unit_float(w[1]));
    const float r = sqrtf(-2.0f * logf(u < 1.0e-7f ? 1.0e-7f : u));
    out[0] = (double)(sinf(v) * r);
    out[1] = (double)(cosf(v) * r);
}
void tn_normal_pair_double(const uint32_t w[4], double out[2])
{
    const double u = tn_unit_double(w[0], w[1]), v = 2 * M_PI * tn_unit_double(w[2], w[3]),
                 r = sqrt(-2.0 * log(u < 1.0e-7 ? 1.0e-7 : u));
    out[0] = sin(v) * r;
    out[1] = cos(v) * r;
}

/* A group of truncated normals: pairs are drawn until enough of them lie within (-2, 2). */
static void truncated_group(const job *j, int64_t group, double *out)
{
    const bool wide = j->dtype == TN_DOUBLE;
    tn_philox p = *j->p;
    uint32_t w[4];
    int have = 0, used = 4;
    tn_philox_skip(&p, (uint64_t)group * (uint64_t)(j->per_group * RESERVED / 4));
    while (have < j->per_group) {
        double pair[2];
        if (used == 4) tn_philox_next(&p, w), used = 0;
        if (wide) {
            tn_normal_pair_double(w, pair);
            used = 4;
        } else {
            normal_pair(w + used, pair);
            used += 2;
        }
        for (int i = 0; i < 2 && have < j->per_group; i++)
            if (fabs(pair[i]) < 2) out[have++] = pair[i];
    }
}

static void short_units(tn_dtype t, int64_t n, const uint32_t *w, uint16_t *out)
{
    for (int64_t i = 0; i < n; i++)
        if (t == TN_HALF)
            out[i] = tn_float_to_half(tn_half_to_float((uint16_t)(0x3c00u | (w[i] & 0x3ffu))) - 1.0f);
        else
            out[i] = tn_float_to_bfloat16(tn_bfloat16_to_float((uint16_t)(0x3f80u | (w[i] & 0x7fu))) - 1.0f);
}

/* Groups' results as they go to memory: at most CHUNK groups. */
static void chunk_of_floats(const job *j, const tn_philox *p, int64_t first, int64_t groups, void *out)
{
    float f[4 * CHUNK];
    uint32_t w[4 * CHUNK];
    double d[4];
    const bool narrow = j->dtype != TN_FLOAT;
    float *to = narrow ? f : out;
    if (j->kind == TN_RANDOM_UNIFORM && narrow) {
        j->isa->words(p, groups, w);
        short_units(j->dtype, 4 * groups, w, out);
        return;
    }
    if (j->kind == TN_RANDOM_UNIFORM) {
        j->isa->uniform(p, groups, to);
    } else if (j->kind == TN_RANDOM_NORMAL) {
        j->isa->normal(p, groups, to);
    } else {
        for (int64_t g = 0; g < groups; g++) {
            truncated_group(j, first + g, d);
            for (int i = 0; i < 4; i++) to[4 * g + i] = (float)d[i];
        }
    }
    if (narrow) tn_narrow(j->dtype, 4 * groups, f, out);
}

static void chunk_of_doubles(const job *j, const tn_philox *p, int64_t first, int64_t groups, double *out)
{
    uint32_t w[4 * CHUNK];
    j->isa->words(p, groups, w);
    for (int64_t g = 0; g < groups; g++, out += 2) {
        const uint32_t *x = w + 4 * g;
        if (j->kind == TN_RANDOM_UNIFORM)
            out[0] = tn_unit_double(x[0], x[1]), out[1] = tn_unit_double(x[2], x[3]);
        else if (j->kind == TN_RANDOM_NORMAL)
            tn_normal_pair_double(x, out);
        else
            truncated_group(j, first + g, out);
    }
}

static void chunk_of_ints(const job *j, const tn_philox *p, int64_t groups, void *out)
{
    uint32_t w[4 * CHUNK];
    j->isa->words(p, groups, w);
    if (j->per_group == 4)
        for (int64_t i = 0; i < 4 * groups; i++)
            ((uint32_t *)out)[i] = j->range ? (uint32_t)j->lo + w[i] % (uint32_t)j->range : w[i];
    else
        for (int64_t i = 0; i < 2 * groups; i++) {
            const uint64_t x = w[2 * i] | (uint64_t)w[2 * i + 1] << 32;
            ((uint64_t *)out)[i] = j->range ? j->lo + x % j->range : x;
        }
}

static bool is_float(tn_dtype t)
{
    return t == TN_FLOAT || t == TN_HALF || t == TN_BFLOAT16;
}

static void chunk(const job *j, int64_t first, int64_t groups, void *out)
{
    tn_philox p = *j->p;
    tn_philox_skip(&p, (uint64_t)first);
    if (is_float(j->dtype))
        chunk_of_floats(j, &p, first, groups, out);
    else if (j->dtype == TN_DOUBLE)
        chunk_of_doubles(j, &p, first, groups, out);
    else
        chunk_of_ints(j, &p, groups, out);
}

/* Groups [from, to) of count results; the last group may be cut short. */
static void run_part(const job *j, int64_t count, void *out, int64_t from, int64_t to)
{
    const int64_t size = (int64_t)tn_dtype_size(j->dtype);
    char last[CHUNK * 4 * 4];
    for (int64_t g = from; g < to; g += CHUNK) {
        const int64_t n = TN_MIN(CHUNK, to - g), at = g * j->per_group,
                      results = TN_MIN(n * j->per_group, count - at);
        char *o = (char *)out + at * size;
        if (results == n * j->per_group) {
            chunk(j, g, n, o);
        } else {
            chunk(j, g, n, last);
            memcpy(o, last, (size_t)(results * size));
        }
    }
}

static void run(const job *j, int64_t count, void *out, int threads)
{
    const int64_t groups = (count + j->per_group - 1) / j->per_group;
    threads = tn_team(threads, (double)count * (j->kind == TN_RANDOM_UNIFORM ? 2 : 8));
    if (threads == 1) {
        run_part(j, count, out, 0, groups);
        return;
    }
#pragma omp parallel num_threads(threads)
    {
        int64_t from, to;
        tn_share(groups, CHUNK, omp_get_thread_num(), omp_get_num_threads(), &from, &to);
        run_part(j, count, out, from, to);
    }
}

tn_code tn_random(tn_random_kind kind, tn_dtype dtype, const tn_philox *p, int64_t count, void *out,
                  int threads, tn_error *err)
{
    if (!is_float(dtype) && dtype != TN_DOUBLE)
        return tn_fail(err, TN_UNIMPLEMENTED, "no random %s", tn_dtype_name(dtype));
    const job j = {.kind = kind,
                   .dtype = dtype,
                   .p = p,
                   .isa = TN_ISA_PICK(tn_isa_random, tn_isa_level_now()),
                   .per_group = dtype == TN_DOUBLE ? 2 : 4};
    run(&j, count, out, threads);
    return TN_OK;
}

static tn_code run_ints(tn_dtype dtype, const tn_philox *p, uint64_t lo, uint64_t range, int64_t count,
                        void *out, int threads, tn_error *err)
{
    const bool narrow = dtype == TN_INT32 || dtype == TN_UINT32;
    if (!narrow && dtype != TN_INT64 && dtype != TN_UINT64)
        return tn_fail(err, TN_UNIMPLEMENTED, "no random integers of %s", tn_dtype_name(dtype));
    const job j = {.kind = TN_RANDOM_UNIFORM,
                   .dtype = dtype,
                   .p = p,
                   .isa = TN_ISA_PICK(tn_isa_random, tn_isa_level_now()),
                   .per_group = narrow ? 4 : 2,
                   .lo = lo,
                   .range = range};
    run(&j, count, out, threads);
    return TN_OK;
}

tn_code tn_random_int(tn_dtype dtype, const tn_philox *p, int64_t lo, int64_t hi, int64_t count, void *out,
                      int threads, tn_error *err)
{
    if (lo >= hi)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Need minval < maxval, got %lld >= %lld", (long long)lo,
                       (long long)hi);
    return run_ints(dtype, p, (uint64_t)lo, (uint64_t)hi - (uint64_t)lo, count, out, threads, err);
}

tn_code tn_random_bits(tn_dtype dtype, const tn_philox *p, int64_t count, void *out, int threads,
                       tn_error *err)
{
    return run_ints(dtype, p, 0, 0, count, out, threads, err);
}
