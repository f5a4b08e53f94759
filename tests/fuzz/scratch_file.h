/* SPDX-License-Identifier: Apache-2.0
 *
 * scratch_file.h - files of fuzz targets: in memory where the system has such a folder, for there a file costs a hundredth of one that has
 * to reach a disk, written with nothing but what an input needs.
 */
#ifndef TN_FUZZ_SCRATCH_FILE_H
#define TN_FUZZ_SCRATCH_FILE_H

#include <fcntl.h>
#include <unistd.h>

#include "base/base.h"

/* A path of this process's own, that begins with what is given. */
static inline void tn_fuzz_path(char *to, size_t n, const char *name)
{
    snprintf(to, n, "%s/tn_fuzz_%s.%ld", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm", name, (long)getpid());
}

/* Replaces a file's bytes; the file need not be there afterwards as a whole, as tn_file_write has it. */
static inline void tn_fuzz_write(const char *path, const void *p, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool written = fd >= 0 && write(fd, n ? p : "", n) == (ssize_t)n;
    if (fd >= 0) close(fd);
    if (!written) __builtin_trap(); /* else nothing would be tried */
}

#endif
