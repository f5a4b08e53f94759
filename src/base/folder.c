/* SPDX-License-Identifier: Apache-2.0
 *
 * folder.c - what is in a folder: made, listed, renamed, removed.
 *
 * Removing a tree never follows a symbolic link and goes no deeper than MAX_DEPTH.
 */
#include "file_io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_DEPTH 200

bool tn_file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool tn_is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

tn_code tn_make_folders(const char *path, tn_error *err)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0) return tn_fail_errno(err, ENOENT, "an empty path");
    if (n >= sizeof part) return tn_fail_errno(err, ENAMETOOLONG, "%s", path);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != 0) continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, 0777) == 0 || tn_is_folder(part)) continue;
        return tn_fail_errno(err, errno == EEXIST ? ENOTDIR : errno, "%s: cannot make the folder", part);
    }
    return TN_OK;
}

tn_code tn_remove_file(const char *path, tn_error *err)
{
    if (unlink(path) == 0 || errno == ENOENT) return TN_OK;
    return tn_fail_errno(err, errno, "%s: cannot remove", path);
}

static int remove_at(int folder, const char *name, int depth);

static int remove_contents(int fd, int depth)
{
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return -1;
    }
    int failed = 0;
    struct dirent *e;
    while (!failed && (e = readdir(dir)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            failed = remove_at(dirfd(dir), e->d_name, depth);
    int errnum = errno;
    closedir(dir);
    errno = errnum;
    return failed;
}

static int remove_at(int folder, const char *name, int depth)
{
    if (unlinkat(folder, name, 0) == 0 || errno == ENOENT) return 0;
    if (errno != EISDIR && errno != EPERM) return -1;
    if (depth >= MAX_DEPTH) {
        errno = ELOOP;
        return -1;
    }
    int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || remove_contents(fd, depth + 1) < 0) return -1;
    return unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

tn_code tn_remove_tree(const char *path, tn_error *err)
{
    if (remove_at(AT_FDCWD, path, 0) == 0) return TN_OK;
    return tn_fail_errno(err, errno, "%s: cannot remove", path);
}

tn_code tn_rename(const char *from, const char *to, tn_error *err)
{
    if (tn_io_rename(from, to) < 0) return tn_fail_errno(err, errno, "%s: cannot rename to %s", from, to);
    return tn_io_sync_folder(to, err);
}

/* ==== listing ==== */

typedef struct listing {
    tn_arena *arena;
    char **names;
    size_t n, cap;
} listing;

static bool add_name(listing *l, const char *name)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 16;
        char **names = tn_realloc(l->names, cap * sizeof *names);
        if (!names) return false;
        l->names = names;
        l->cap = cap;
    }
    l->names[l->n] = tn_arena_strdup(l->arena, name);
    return l->names[l->n++] != NULL;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static tn_code read_names(DIR *dir, const char *path, listing *l, tn_error *err)
{
    struct dirent *e;
    for (;;) {
        errno = 0;
        if (!(e = readdir(dir))) break;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (!add_name(l, e->d_name)) return tn_no_memory(err, strlen(e->d_name));
    }
    return errno ? tn_fail_errno(err, errno, "%s", path) : TN_OK;
}

tn_code tn_list_folder(const char *path, tn_arena *a, char ***names, size_t *n, tn_error *err)
{
    DIR *dir = opendir(path);
    if (!dir) return tn_fail_errno(err, errno, "%s", path);
    listing l = {.arena = a};
    tn_code code = read_names(dir, path, &l, err);
    closedir(dir);
    char **sorted = NULL;
    if (code == TN_OK && !(sorted = TN_ARRAY(a, l.n, char *))) code = tn_no_memory(err, l.n * sizeof *sorted);
    if (code == TN_OK) {
        if (l.n) {
            qsort(l.names, l.n, sizeof *l.names, by_bytes);
            memcpy(sorted, l.names, l.n * sizeof *sorted);
        }
        *names = sorted;
        *n = l.n;
    }
    tn_free(l.names);
    return code;
}
