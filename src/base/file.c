/* SPDX-License-Identifier: Apache-2.0
 *
 * file.c - whole files read, mapped, and replaced whole or not at all; append-only files.
 *
 * Invariants: a path is either what it was or the complete new file, also after a crash (temporary file
 * in the same folder, fsync, rename, fsync of the folder); no temporary file outlives its writer unless
 * the process is killed. What other processes do to a mapped file is not guarded against.
 */
#include "file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LEAST_MAPPED (1 << 20) /* by tn_file_map_limited */
#define PIECE ((size_t)1 << 20) /* that is in memory twice while it is taken over */
#define DEFAULT_LIMIT ((size_t)1 << 40)
#define READ_STEP ((size_t)64 << 10)
#define WRITE_STEP ((size_t)256 << 10)
#define APPEND_STEP ((size_t)64 << 10)
#define APPEND_LIMIT ((size_t)64 << 20)

/* ==== reading ==== */

static int open_for_reading(const char *path, struct stat *st)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    int errnum = fstat(fd, st) < 0 ? errno : S_ISDIR(st->st_mode) ? EISDIR : 0;
    if (!errnum) return fd;
    close(fd);
    errno = errnum;
    return -1;
}

bool tn_file_ends_in(const char *path, const void *bytes, size_t n)
{
    char end[64];
    struct stat st;
    if (n > sizeof end || stat(path, &st) || !S_ISREG(st.st_mode) || (uint64_t)st.st_size < n) return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t got = pread(fd, end, n, st.st_size - (off_t)n);
    close(fd);
    return got == (ssize_t)n && !memcmp(end, bytes, n);
}

static tn_code too_large(const char *path, size_t limit, tn_error *err)
{
    return tn_fail(err, TN_RESOURCE_EXHAUSTED, "%s: larger than the limit of %zu bytes", path, limit);
}

/* To the end of the file, whatever its size said: pipes and /proc have none. */
static tn_code read_rest(int fd, const char *path, size_t limit, tn_buf *out, tn_error *err)
{
    for (;;) {
        size_t room = out->cap > out->n + 1 ? out->cap - out->n - 1 : READ_STEP;
        if (!tn_buf_reserve(out, room)) return tn_wrap((tn_buf_check(out, err), err), "%s", path);
        ssize_t n = read(fd, out->data + out->n, room);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return tn_fail_errno(err, errno, "%s", path);
        if (n == 0) return TN_OK;
        out->n += (size_t)n;
        out->data[out->n] = 0;
        if (out->n > limit) return too_large(path, limit, err);
    }
}

tn_code tn_file_read(const char *path, size_t limit, tn_buf *out, tn_error *err)
{
    struct stat st;
    if (limit == 0) limit = DEFAULT_LIMIT;
    int fd = open_for_reading(path, &st);
    if (fd < 0) return tn_fail_errno(err, errno, "%s", path);
    tn_buf bytes = {0};
    tn_code code = TN_OK;
    if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > limit) code = too_large(path, limit, err);
    /* One more than its size, so that the read that finds the end needs no growing. */
    else if (S_ISREG(st.st_mode) && !tn_buf_reserve(&bytes, (size_t)st.st_size + 1))
        code = tn_fail(err, TN_RESOURCE_EXHAUSTED, "%s: out of memory (%zu bytes)", path, (size_t)st.st_size);
    if (code == TN_OK) code = read_rest(fd, path, limit, &bytes, err);
    close(fd);
    if (code != TN_OK) {
        tn_buf_free(&bytes);
        return code;
    }
    bytes.limit = out->limit;
    tn_buf_free(out);
    *out = bytes;
    return TN_OK;
}

tn_code tn_file_size(const char *path, uint64_t *size, tn_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0) return tn_fail_errno(err, errno, "%s", path);
    if (!S_ISREG(st.st_mode)) return tn_fail(err, TN_INVALID_ARGUMENT, "%s: not a regular file", path);
    *size = (uint64_t)st.st_size;
    return TN_OK;
}

tn_code tn_file_read_at(const char *path, uint64_t offset, void *to, size_t n, tn_error *err)
{
    struct stat st;
    int fd = open_for_reading(path, &st);
    if (fd < 0) return tn_fail_errno(err, errno, "%s", path);
    size_t done = 0;
    int errnum = 0;
    while (done < n && !errnum) {
        ssize_t got = pread(fd, (char *)to + done, n - done, (off_t)(offset + done));
        if (got > 0) done += (size_t)got;
        else if (got == 0) break;
        else if (errno != EINTR) errnum = errno;
    }
    close(fd);
    if (errnum) return tn_fail_errno(err, errnum, "%s", path);
    if (done == n) return TN_OK;
    return tn_fail(err, TN_DATA_LOSS, "%s: cut short: %zu bytes at offset %llu are wanted, there are %zu", path, n,
                   (unsigned long long)offset, done);
}

static _Thread_local bool copies_now;

bool tn_file_copies_enter(bool copies)
{
    bool before = copies_now;
    copies_now = copies;
    return before;
}

bool tn_file_copies(void)
{
    return copies_now;
}

static tn_code read_whole(const char *path, size_t limit, tn_mapped *out, tn_error *err)
{
    tn_buf bytes = {0};
    TN_TRY(tn_file_read(path, limit, &bytes, err));
    tn_mapped m = {.n = bytes.n, .is_copy = true};
    if (!(m.data = (uint8_t *)tn_buf_take(&bytes, NULL))) return tn_no_memory(err, 0);
    *out = m;
    return TN_OK;
}

tn_code tn_file_map(const char *path, tn_mapped *out, tn_error *err)
{
    struct stat st;
    if (copies_now) return read_whole(path, 0, out, err);
    int fd = open_for_reading(path, &st);
    if (fd < 0) return tn_fail_errno(err, errno, "%s", path);
    tn_mapped m = {0};
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s: not a regular file", path);
    }
    if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        int errnum = errno;
        if (p == MAP_FAILED) {
            close(fd);
            return tn_fail_errno(err, errnum, "%s: cannot map %zu bytes", path, (size_t)st.st_size);
        }
        m = (tn_mapped){.data = p, .n = (size_t)st.st_size};
    }
    close(fd);
    *out = m;
    return TN_OK;
}

tn_code tn_file_map_limited(const char *path, size_t limit, tn_mapped *out, tn_error *err)
{
    struct stat st;
    tn_mapped m;
    if (copies_now || stat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size < LEAST_MAPPED)
        return read_whole(path, limit, out, err);
    TN_TRY(tn_file_map(path, &m, err));
    if (m.n > limit) {
        tn_fail(err, TN_RESOURCE_EXHAUSTED, "%s: %zu bytes are over the limit of %zu", path, m.n, limit);
        tn_file_unmap(&m);
        return TN_RESOURCE_EXHAUSTED;
    }
    *out = m;
    return TN_OK;
}

void tn_file_forget(const tn_mapped *m)
{
    if (m->data && !m->is_copy) madvise((void *)m->data, m->n, MADV_DONTNEED);
}

static _Thread_local const tn_mapped *spent;

const tn_mapped *tn_file_spend_enter(const tn_mapped *m)
{
    const tn_mapped *before = spent;
    spent = m;
    return before;
}

void tn_file_take(void *to, const void *from, size_t n)
{
    const char *p = from;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), piece;
    uintptr_t at = (uintptr_t)p, start = spent ? (uintptr_t)spent->data : 0;
    if (!spent || spent->is_copy || n < PIECE || at < start || at - start > spent->n || spent->n - (at - start) < n) {
        if (n) memcpy(to, from, n);
        return;
    }
    for (size_t done = 0; done < n; done += piece) {
        piece = TN_MIN(n - done, PIECE - (size_t)((at + done) % page));
        memcpy((char *)to + done, p + done, piece);
        tn_pages_forget((char *)p + done, piece); /* who looks at them all the same sees them read again */
    }
}

tn_code tn_file_map_part(const char *path, uint64_t offset, size_t n, tn_mapped *out, void **at, tn_error *err)
{
    struct stat st;
    int fd = open_for_reading(path, &st);
    if (fd < 0) return tn_fail_errno(err, errno, "%s", path);
    size_t before = (size_t)(offset % (uint64_t)sysconf(_SC_PAGESIZE));
    bool there = S_ISREG(st.st_mode) && (uint64_t)st.st_size >= offset && (uint64_t)st.st_size - offset >= n;
    char *p = MAP_FAILED;
    errno = EINVAL;
    if (there && n) p = mmap(NULL, before + n, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, (off_t)(offset - before));
    int errnum = errno;
    close(fd);
    if (p == MAP_FAILED)
        return tn_fail_errno(err, errnum, "%s: cannot map %zu bytes at %llu", path, n, (unsigned long long)offset);
    *out = (tn_mapped){.data = (uint8_t *)p, .n = before + n};
    *at = p + before;
    return TN_OK;
}

void tn_file_unmap(tn_mapped *m)
{
    if (!m) return;
    if (m->is_copy) tn_free((void *)m->data);
    else if (m->data) munmap((void *)m->data, m->n);
    *m = (tn_mapped){0};
}

/* ==== replacing ==== */

struct tn_writer {
    char *path, *temporary;
    int fd;
    int errnum; /* of the first failure; 0: none */
    uint64_t at;
    size_t n; /* bytes waiting */
    char waiting[WRITE_STEP];
};

static void free_writer(tn_writer *w)
{
    tn_free(w->path);
    tn_free(w->temporary);
    tn_free(w);
}

static tn_writer *new_writer(const char *path)
{
    tn_writer *w = tn_malloc(sizeof *w);
    if (!w) return NULL;
    w->fd = -1;
    w->errnum = 0;
    w->at = w->n = 0;
    w->path = tn_strdup(path);
    w->temporary = tn_malloc(strlen(path) + 64);
    if (w->path && w->temporary) return w;
    free_writer(w);
    return NULL;
}

/* The process and the time make the name; when somebody has it nevertheless, the next one is tried. */
static void open_temporary(tn_writer *w)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    unsigned long long unique = (unsigned long long)t.tv_sec * 1000000000ULL + (unsigned long long)t.tv_nsec;
    for (int i = 0; i < 100; i++) {
        snprintf(w->temporary, strlen(w->path) + 64, "%s.tmp.%ld.%llx", w->path, (long)getpid(), unique++);
        w->fd = tn_io_open(w->temporary, O_WRONLY | O_CREAT | O_EXCL);
        if (w->fd >= 0 || errno != EEXIST) return;
    }
}

tn_code tn_writer_open(const char *path, tn_writer **out, tn_error *err)
{
    if (tn_is_folder(path)) return tn_fail_errno(err, EISDIR, "%s", path);
    tn_writer *w = new_writer(path);
    if (!w) return tn_no_memory(err, sizeof *w);
    open_temporary(w);
    if (w->fd < 0) {
        tn_code code = tn_fail_errno(err, errno, "%s: cannot write", path);
        free_writer(w);
        return code;
    }
    *out = w;
    return TN_OK;
}

static void write_through(tn_writer *w, const void *p, size_t n)
{
    size_t done;
    if (!w->errnum && n && tn_io_write(w->fd, p, n, &done) < 0) w->errnum = errno ? errno : EIO;
}

void tn_writer_put(tn_writer *w, const void *p, size_t n)
{
    w->at += n;
    if (n > WRITE_STEP - w->n) {
        write_through(w, w->waiting, w->n);
        w->n = 0;
    }
    if (n >= WRITE_STEP) {
        write_through(w, p, n);
    } else if (n) {
        memcpy(w->waiting + w->n, p, n);
        w->n += n;
    }
}

uint64_t tn_writer_at(const tn_writer *w)
{
    return w->at;
}

/* Everything up to the rename: after it the file is complete on the disk under its temporary name. */
static int finish_temporary(tn_writer *w)
{
    write_through(w, w->waiting, w->n);
    if (!w->errnum && tn_io_fsync(w->fd) < 0) w->errnum = errno;
    if (close(w->fd) < 0 && !w->errnum) w->errnum = errno;
    w->fd = -1;
    if (!w->errnum && tn_io_rename(w->temporary, w->path) < 0) w->errnum = errno;
    return w->errnum;
}

tn_code tn_writer_commit(tn_writer *w, tn_error *err)
{
    tn_code code;
    if (finish_temporary(w)) {
        code = tn_fail_errno(err, w->errnum, "%s: cannot write", w->path);
        tn_writer_abandon(w);
        return code;
    }
    code = tn_io_sync_folder(w->path, err);
    free_writer(w);
    return code;
}

void tn_writer_abandon(tn_writer *w)
{
    if (!w) return;
    if (w->fd >= 0) close(w->fd);
    unlink(w->temporary);
    free_writer(w);
}

tn_code tn_file_write(const char *path, const void *p, size_t n, tn_error *err)
{
    tn_writer *w;
    TN_TRY(tn_writer_open(path, &w, err));
    tn_writer_put(w, p, n);
    return tn_writer_commit(w, err);
}

/* ==== appending ==== */

struct tn_appender {
    char *path;
    int fd;
    tn_buf waiting;
};

static void free_appender(tn_appender *a)
{
    if (a->fd >= 0) close(a->fd);
    tn_buf_free(&a->waiting);
    tn_free(a->path);
    tn_free(a);
}

tn_code tn_appender_open(const char *path, tn_appender **out, tn_error *err)
{
    tn_appender *a = tn_calloc(1, sizeof *a);
    if (!a) return tn_no_memory(err, sizeof *a);
    a->fd = -1;
    a->waiting.limit = APPEND_LIMIT;
    a->path = tn_strdup(path);
    tn_code code = a->path ? TN_OK : tn_no_memory(err, strlen(path));
    if (a->path && (a->fd = tn_io_open(path, O_WRONLY | O_CREAT | O_APPEND)) < 0)
        code = tn_fail_errno(err, errno, "%s: cannot append", path);
    if (code != TN_OK) {
        free_appender(a);
        return code;
    }
    *out = a;
    return TN_OK;
}

/* What is put is kept until it could be written: after a full disk the next flush goes on where this one
 * stopped, so records stay whole. */
tn_code tn_appender_put(tn_appender *a, const void *p, size_t n, tn_error *err)
{
    tn_buf_add(&a->waiting, p, n);
    if (a->waiting.failed) {
        a->waiting.failed = TN_OK;
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "%s: no room for %zu bytes more", a->path, n);
    }
    return a->waiting.n >= APPEND_STEP ? tn_appender_flush(a, err) : TN_OK;
}

tn_code tn_appender_flush(tn_appender *a, tn_error *err)
{
    size_t done;
    if (a->waiting.n == 0) return TN_OK;
    int failed = tn_io_write(a->fd, a->waiting.data, a->waiting.n, &done), errnum = errno;
    a->waiting.n -= done;
    memmove(a->waiting.data, a->waiting.data + done, a->waiting.n);
    return failed ? tn_fail_errno(err, errnum, "%s: cannot append", a->path) : TN_OK;
}

tn_code tn_appender_close(tn_appender *a, tn_error *err)
{
    if (!a) return TN_OK;
    tn_code code = tn_appender_flush(a, err);
    int failed = close(a->fd), errnum = errno;
    a->fd = -1;
    if (failed && code == TN_OK) code = tn_fail_errno(err, errnum, "%s: cannot append", a->path);
    free_appender(a);
    return code;
}
