/* SPDX-License-Identifier: Apache-2.0
 *
 * file_io.h - the system calls that write, behind the hook that makes one of them fail in tests.
 * Private to the files of src/base that touch the disk.
 */
#ifndef TN_FILE_IO_H
#define TN_FILE_IO_H

#include "base.h"

/* As the system calls; -1 with errno. */
int tn_io_open(const char *path, int flags);
int tn_io_fsync(int fd);
int tn_io_rename(const char *from, const char *to);
/* Writes all of it unless it fails; *done says how much was written either way. */
int tn_io_write(int fd, const void *p, size_t n, size_t *done);
/* Makes a rename or a new file in path's folder durable. */
tn_code tn_io_sync_folder(const char *path, tn_error *err);

#endif
