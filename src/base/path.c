/* SPDX-License-Identifier: Apache-2.0
 *
 * path.c - pieces of paths, as text; nothing here looks at the disk.
 */
#include "base.h"

#include <unistd.h>

char *tn_path_join(tn_arena *a, const char *dir, const char *name)
{
    size_t n = strlen(dir);
    if (n == 0 || name[0] == '/') return tn_arena_strdup(a, name);
    return tn_arena_printf(a, "%s%s%s", dir, dir[n - 1] == '/' ? "" : "/", name);
}

const char *tn_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *tn_path_dir(tn_arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return tn_arena_strdup(a, ".");
    while (slash > path && slash[-1] == '/') slash--;
    return slash == path ? tn_arena_strdup(a, "/") : tn_arena_strndup(a, path, (size_t)(slash - path));
}

void tn_path_host(char *buf, size_t n)
{
    if (gethostname(buf, n) != 0 || !buf[0]) snprintf(buf, n, "localhost");
    buf[n - 1] = '\0';
    for (char *s = buf; *s; s++)
        if (*s == '/') *s = '_';
}
