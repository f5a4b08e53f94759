/* SPDX-License-Identifier: Apache-2.0
 *
 * isa.c - which instructions this processor has, and its denormals. The only state is what tests set, and what the
 * processor has, found out once: asking takes as long as a small product where the machine is a guest of another.
 */
#include "isa.h"

#include <omp.h>
#include <stdatomic.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

static atomic_int limit = TN_ISA_LEVELS;

void tn_isa_limit(tn_isa_level level)
{
    atomic_store(&limit, (int)level);
}

#if defined(__x86_64__)
/* Tiles of bfloat16, which Linux lets a process use that has asked for them. */
static bool has_amx(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18, TILE = 1 << 24, BF16_TILES = 1 << 22, BF16 = 1 << 5 };
    unsigned a, b, c, d, a1, b1, c1, d1;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & TILE) || !(d & BF16_TILES)) return false;
    if (!__get_cpuid_count(7, 1, &a1, &b1, &c1, &d1) || !(a1 & BF16)) return false;
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#endif

static tn_isa_level ask_processor(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma"))
        return has_amx() ? TN_ISA_AMX : TN_ISA_V4;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
        return TN_ISA_V3;
#endif
    return TN_ISA_BASE;
}

/* Threads that ask at once all find out the same. */
tn_isa_level tn_isa_best(void)
{
    static atomic_int known = -1;
    int best = atomic_load_explicit(&known, memory_order_relaxed);
    if (best >= 0) return (tn_isa_level)best;
    best = (int)ask_processor();
    atomic_store_explicit(&known, best, memory_order_relaxed);
    return (tn_isa_level)best;
}

int tn_isa_level_now(void)
{
    int best = tn_isa_best(), most = atomic_load(&limit);
    return TN_MIN(best, most);
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

void tn_kernel_team_end(void)
{
    omp_pause_resource(omp_pause_soft, omp_get_initial_device());
}
