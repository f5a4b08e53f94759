/* SPDX-License-Identifier: Apache-2.0
 *
 * lock.c - an advisory lock on a file, held by an open descriptor: it ends with the process at the
 * latest. The file stays, empty, when the lock is given back; removing it would race with the next taker.
 */
#include "file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

static tn_code held_by_other(int fd, const char *path, tn_error *err)
{
    char pid[24];
    ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
    pid[TN_MAX(n, 0)] = 0;
    pid[strspn(pid, "0123456789")] = 0;
    if (!pid[0]) return tn_fail(err, TN_FAILED_PRECONDITION, "%s: in use by another process", path);
    return tn_fail(err, TN_FAILED_PRECONDITION, "%s: in use by process %s", path, pid);
}

tn_code tn_lock_file(const char *path, int *fd, tn_error *err)
{
    char pid[24];
    size_t done;
    int f = tn_io_open(path, O_RDWR | O_CREAT);
    if (f < 0) return tn_fail_errno(err, errno, "%s: cannot lock", path);
    if (flock(f, LOCK_EX | LOCK_NB) < 0) {
        tn_code code = errno == EWOULDBLOCK ? held_by_other(f, path, err)
                                            : tn_fail_errno(err, errno, "%s: cannot lock", path);
        close(f);
        return code;
    }
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(f, 0) < 0 || tn_io_write(f, pid, (size_t)n, &done) < 0) {
        tn_code code = tn_fail_errno(err, errno, "%s: cannot write the lock", path);
        close(f);
        return code;
    }
    *fd = f;
    return TN_OK;
}

void tn_unlock_file(int fd)
{
    if (fd < 0) return;
    if (ftruncate(fd, 0) < 0) errno = 0; /* only the holder's name: the lock goes with the descriptor */
    close(fd);
}
