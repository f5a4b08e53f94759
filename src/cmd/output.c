/* SPDX-License-Identifier: Apache-2.0
 *
 * output.c - tensors that commands write into a folder: one file a name, in which `/` is `__` and `:` is `_c`.
 */
#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static tn_code check_folder(const char *dir, tn_error *err)
{
    struct stat st;
    if (stat(dir, &st)) return file_error(dir, err);
    errno = ENOTDIR;
    return S_ISDIR(st.st_mode) && !access(dir, W_OK | X_OK) ? TN_OK : file_error(dir, err);
}

/* The folder that a path is in. */
static void cut_name(char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    while (n && path[n - 1] != '/') n--;
    while (n > 1 && path[n - 1] == '/') n--;
    path[n] = 0;
    if (!n) memcpy(path, ".", 2);
}

tn_code output_check(const char *path, bool all, tn_error *err)
{
    char dir[4096];
    struct stat st;
    size_t n = strlen(path);
    if (!n) return usage_error(err, "a path for what is written is empty");
    if (n >= sizeof dir) return usage_error(err, "the path '%.200s' is too long", path);
    memcpy(dir, path, n + 1);
    if (!all && !stat(dir, &st)) return check_folder(dir, err);
    do {
        cut_name(dir);
    } while (all && stat(dir, &st) && errno == ENOENT);
    return check_folder(dir, err);
}

tn_code output_folder(const char *dir, tn_error *err)
{
    if (mkdir(dir, 0777) == 0 || errno == EEXIST) return TN_OK;
    return file_error(dir, err);
}

tn_code tensor_file(const char *dir, const char *name, const tn_tensor *t, tn_error *err)
{
    char path[4096];
    size_t n = (size_t)snprintf(path, sizeof path, "%s/", dir);
    const char *end = tn_tensor_dtype(t) == TN_STRING ? ".json" : ".npy";
    if (n + 2 * strlen(name) + strlen(end) >= sizeof path)
        return usage_error(err, "the path of '%.200s' is too long", name);
    for (; *name; name++) {
        if (*name == '/' || *name == ':') path[n++] = '_';
        path[n++] = *name == '/' ? '_' : *name == ':' ? 'c' : *name;
    }
    memcpy(path + n, end, strlen(end) + 1);
    return tn_tensor_save(path, t, err);
}
