/* SPDX-License-Identifier: Apache-2.0
 *
 * file_io.c - the system calls that write, behind the hook that makes one of them fail in tests.
 */
#include "file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <unistd.h>

/* Global mutable state, written by tests alone: calls left until the one that fails; 0: off. */
static atomic_int_least64_t calls_left;
static atomic_int failure;

void tn_file_fail_at(int64_t n, int errnum)
{
    atomic_store(&failure, errnum);
    atomic_store(&calls_left, n);
}

static bool tripped(void)
{
    if (atomic_load_explicit(&calls_left, memory_order_relaxed) <= 0) return false;
    if (atomic_fetch_sub(&calls_left, 1) != 1) return false;
    errno = atomic_load(&failure);
    return true;
}

int tn_io_open(const char *path, int flags)
{
    return tripped() ? -1 : open(path, flags | O_CLOEXEC, 0666);
}

int tn_io_fsync(int fd)
{
    return tripped() ? -1 : fsync(fd);
}

int tn_io_rename(const char *from, const char *to)
{
    return tripped() ? -1 : rename(from, to);
}

int tn_io_write(int fd, const void *p, size_t n, size_t *done)
{
    *done = 0;
    if (tripped()) return -1;
    while (*done < n) {
        ssize_t put = write(fd, (const char *)p + *done, TN_MIN(n - *done, (size_t)1 << 30));
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return -1;
        *done += (size_t)put;
    }
    return 0;
}

/* The folder of path, "." when it names none; false: too long. */
static bool folder_of(const char *path, char folder[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t n = slash ? TN_MAX((size_t)(slash - path), 1) : 1;
    if (n >= PATH_MAX) return false;
    memcpy(folder, slash ? path : ".", n);
    folder[n] = 0;
    return true;
}

tn_code tn_io_sync_folder(const char *path, tn_error *err)
{
    char folder[PATH_MAX];
    if (!folder_of(path, folder)) return tn_fail_errno(err, ENAMETOOLONG, "%s", path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return tn_fail_errno(err, errno, "%s: cannot open the folder", folder);
    int failed = tn_io_fsync(fd), errnum = errno;
    close(fd);
    /* Some file systems cannot sync folders; there is nothing to be gained by failing on them. */
    if (failed && errnum != EINVAL && errnum != EOPNOTSUPP)
        return tn_fail_errno(err, errnum, "%s: cannot sync the folder", folder);
    return TN_OK;
}
