/* SPDX-License-Identifier: Apache-2.0
 *
 * memory.c - the one entry to the system's allocator, with the hook that lets tests make any single
 * allocation fail. Until a test sets the hook, it costs one relaxed load. Large memory asks for large pages: to touch
 * a small one for the first time costs as much as to copy it.
 */
#include "base.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#ifdef __linux__
#include <link.h>
#include <sys/prctl.h>
#endif
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#define ALIGNMENT 64
#define LARGE_PAGE ((size_t)2 << 20)

/* The only global mutable state here; written by tests alone. */
static atomic_bool armed;
static atomic_int_least64_t asked, fail_at;

void tn_malloc_fail_at(int64_t n)
{
    atomic_store(&fail_at, n);
    atomic_store(&asked, 0);
    atomic_store(&armed, true);
}

int64_t tn_malloc_count(void)
{
    return atomic_load(&asked);
}

static bool admitted(void)
{
    if (!atomic_load_explicit(&armed, memory_order_relaxed)) return true;
    return atomic_fetch_add(&asked, 1) + 1 != atomic_load(&fail_at);
}

void *tn_malloc(size_t n)
{
    return admitted() ? malloc(n ? n : 1) : NULL;
}

void *tn_calloc(size_t n, size_t size)
{
    size_t bytes;
    if (n == 0 || size == 0) n = size = 1;
    if (__builtin_mul_overflow(n, size, &bytes)) return NULL;
    return admitted() ? calloc(n, size) : NULL;
}

void *tn_realloc(void *p, size_t n)
{
    return admitted() ? realloc(p, n ? n : 1) : NULL;
}

static void *large_pages(size_t n)
{
    void *p;
    if (posix_memalign(&p, LARGE_PAGE, n) != 0) return NULL; /* aligned_alloc wants n to be a multiple */
#ifdef MADV_HUGEPAGE
    if (p) madvise(p, n / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE); /* a wish: small ones do as well */
#endif
    return p;
}

void *tn_aligned_alloc(size_t n)
{
    if (n > SIZE_MAX - ALIGNMENT) return NULL;
    size_t rounded = (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!admitted()) return NULL;
    return n >= LARGE_PAGE ? large_pages(rounded) : aligned_alloc(ALIGNMENT, rounded ? rounded : ALIGNMENT);
}

char *tn_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = tn_malloc(n);
    return copy ? memcpy(copy, s, n) : NULL;
}

void tn_free(void *p)
{
    free(p);
}

void tn_pages_forget(void *p, size_t n)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)p;
    const uintptr_t first = (at + page - 1) / page * page, end = (at + n) / page * page;
    if (end > first) madvise((char *)p + (first - at), end - first, MADV_DONTNEED);
}

void tn_pages_want(void *p, size_t n)
{
#ifdef MADV_POPULATE_READ
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), before = (uintptr_t)p % page;
    if (n) madvise((char *)p - before, before + n, MADV_POPULATE_READ); /* a wish */
#else
    (void)p, (void)n;
#endif
}

#ifdef __linux__
/* Its dynamic section says that code was changed when it was loaded: there would be no reading it again. */
static bool has_changed_code(const struct dl_phdr_info *o)
{
    for (int i = 0; i < o->dlpi_phnum; i++) {
        if (o->dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
        const ElfW(Dyn) *d = (const ElfW(Dyn) *)(o->dlpi_addr + o->dlpi_phdr[i].p_vaddr);
        for (; d->d_tag != DT_NULL; d++)
            if (d->d_tag == DT_TEXTREL || (d->d_tag == DT_FLAGS && (d->d_un.d_val & DF_TEXTREL))) return true;
    }
    return false;
}

/* What can be written is left alone; that is also where addresses were set before it became read-only. */
static int forget_code(struct dl_phdr_info *o, size_t size, void *unused)
{
    (void)size, (void)unused;
    if (has_changed_code(o)) return 0;
    for (int i = 0; i < o->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &o->dlpi_phdr[i];
        if (h->p_type != PT_LOAD || (h->p_flags & PF_W)) continue;
        tn_pages_forget((void *)(o->dlpi_addr + h->p_vaddr), h->p_memsz);
    }
    return 0;
}

void tn_memory_forget_code(void)
{
    dl_iterate_phdr(forget_code, NULL);
}
#else
void tn_memory_forget_code(void)
{
}
#endif

void tn_memory_large_pages(bool may)
{
#ifdef PR_SET_THP_DISABLE
    prctl(PR_SET_THP_DISABLE, !may, 0, 0, 0); /* a wish, too */
#else
    (void)may;
#endif
}

void tn_memory_trim(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}
