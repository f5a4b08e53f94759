/* SPDX-License-Identifier: Apache-2.0
 *
 * isa.c - which instructions this processor has, and its denormals. The only state is what tests set.
 */
#include "isa.h"

#include <stdatomic.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

static atomic_int limit = TN_ISA_LEVELS;

void tn_isa_limit(tn_isa_level level)
{
    atomic_store(&limit, (int)level);
}

tn_isa_level tn_isa_best(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma"))
        return TN_ISA_V4;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
        return TN_ISA_V3;
#endif
    return TN_ISA_BASE;
}

int tn_isa_level_now(void)
{
    int best = tn_isa_best(), most = atomic_load(&limit);
    return TN_MIN(best, most);
}

const char *tn_isa_name(tn_isa_level level)
{
    static const char *const names[] = {"base", "x86-64-v3", "x86-64-v4"};
    return level < TN_ISA_LEVELS ? names[level] : "unlimited";
}

static void no_denormals(void)
{
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040); /* FTZ and DAZ */
#elif defined(__aarch64__)
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    __asm__ volatile("msr fpcr, %0" : : "r"(fpcr | (1u << 24)));
#endif
}

void tn_kernel_thread_init(int threads)
{
    no_denormals();
    if (threads < 2) return;
#pragma omp parallel num_threads(threads)
    no_denormals();
}
