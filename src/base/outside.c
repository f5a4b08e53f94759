/* SPDX-License-Identifier: Apache-2.0
 *
 * outside.c - the process's own files as the hook through which others are given access to files. Paths may
 * begin with "file://"; other schemes are unknown here.
 */
#include "base.h"

static tn_code local_path(const char *path, const char **out, tn_error *err)
{
    const char *scheme = strstr(path, "://");
    if (!strncmp(path, "file://", 7)) {
        *out = path + 7;
        return TN_OK;
    }
    if (scheme && !memchr(path, '/', (size_t)(scheme - path)))
        return tn_fail(err, TN_UNIMPLEMENTED, "File system scheme '%.*s' not implemented (file: '%s')",
                       (int)TN_MIN(scheme - path, 100), path, path);
    *out = path;
    return TN_OK;
}

static tn_code read_whole(void *payload, const char *path, size_t limit, tn_buf *out, tn_error *err)
{
    (void)payload;
    TN_TRY(local_path(path, &path, err));
    return tn_file_read(path, limit, out, err);
}

static tn_code append(const char *path, tn_view bytes, tn_error *err)
{
    tn_appender *a;
    TN_TRY(tn_appender_open(path, &a, err));
    tn_code code = tn_appender_put(a, bytes.p, bytes.n, err);
    tn_code closed = tn_appender_close(a, code == TN_OK ? err : NULL);
    return code == TN_OK ? closed : code;
}

static tn_code make_folders_of(const char *path, tn_error *err)
{
    tn_arena *a = tn_arena_new(0);
    char *folder = a ? tn_path_dir(a, path) : NULL;
    tn_code code = folder ? tn_make_folders(folder, err) : tn_no_memory(err, 0);
    tn_arena_free(a);
    return code;
}

static tn_code write_whole(void *payload, const char *path, tn_view bytes, bool more, tn_error *err)
{
    (void)payload;
    TN_TRY(local_path(path, &path, err));
    if (more) return append(path, bytes, err);
    if (!*path) return tn_fail(err, TN_NOT_FOUND, "%s: No such file or directory", path);
    if (tn_is_folder(path)) return tn_fail(err, TN_FAILED_PRECONDITION, "%s: Is a directory", path);
    TN_TRY(make_folders_of(path, err));
    return tn_file_write(path, bytes.p, bytes.n, err);
}

static tn_code list(void *payload, const char *folder, tn_arena *a, char ***names, size_t *n, tn_error *err)
{
    (void)payload;
    TN_TRY(local_path(folder, &folder, err));
    return tn_list_folder(folder, a, names, n, err);
}

static tn_code look(void *payload, const char *path, bool *is_there, bool *is_folder, tn_error *err)
{
    (void)payload;
    TN_TRY(local_path(path, &path, err));
    *is_there = tn_file_exists(path);
    *is_folder = tn_is_folder(path);
    return TN_OK;
}

const tn_outside tn_outside_process = {.read = read_whole, .write = write_whole, .list = list, .look = look};
