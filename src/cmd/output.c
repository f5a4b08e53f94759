/* SPDX-License-Identifier: Apache-2.0
 *
 * output.c - tensors that commands write into a folder: one file a name, in which `/` is `__` and `:` is `_c`.
 */
#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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
