/* SPDX-License-Identifier: Apache-2.0
 *
 * isa.h - how the hot loops are compiled several times and found again. Inside src/kernel only.
 *
 * The files listed as isa_sources in meson.build are compiled once per level, with TN_ISA set to base, v3
 * or v4 and the compiler told which instructions it may use. Each defines one const table of functions,
 * named by TN_ISA_SYM; nothing else in them is visible. A plan keeps its level; TN_ISA_PICK gives the table. What the
 * level AMX has more than v4 is gemm_amx.c.
 */
#ifndef TN_ISA_H
#define TN_ISA_H

#include "kernel.h"

#define TN_ISA_JOIN2(a, b) a##_##b
#define TN_ISA_JOIN(a, b) TN_ISA_JOIN2(a, b)
#define TN_ISA_SYM(name) TN_ISA_JOIN(name, TN_ISA)

#if defined(__x86_64__)
#define TN_ISA_TABLES(T, name) extern const T name##_base, name##_v3, name##_v4
#define TN_ISA_PICK(name, level) \
    ((level) >= TN_ISA_V4 ? &name##_v4 : (level) == TN_ISA_V3 ? &name##_v3 : &name##_base)
#else
#define TN_ISA_TABLES(T, name) extern const T name##_base
#define TN_ISA_PICK(name, level) ((void)(level), &name##_base)
#endif

#if defined(TN_ISA) /* bytes of a vector of this level */
#if defined(__AVX512F__)
#define VBYTES 64
#elif defined(__AVX__)
#define VBYTES 32
#else
#define VBYTES 16
#endif
#endif

/* The level to prepare a plan for: the best one, unless a test limits it. */
int tn_isa_level_now(void);

/* Work in elements (or their equivalent) below which one thread is faster than a team. */
#define TN_PARALLEL_FROM 65536
static inline int tn_team(int threads, double work)
{
    return threads > 1 && work >= TN_PARALLEL_FROM ? threads : 1;
}
/* The share [*from, *to) of count that part of parts takes, in multiples of grain. */
static inline void tn_share(int64_t count, int64_t grain, int part, int parts, int64_t *from, int64_t *to)
{
    int64_t chunks = (count + grain - 1) / grain, each = chunks / parts, more = chunks % parts;
    int64_t a = part * each + TN_MIN(part, more), b = a + each + (part < more);
    *from = TN_MIN(a * grain, count);
    *to = TN_MIN(b * grain, count);
}
static inline size_t tn_round64(size_t n)
{
    return (n + 63) & ~(size_t)63;
}

#endif
