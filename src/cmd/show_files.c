/* SPDX-License-Identifier: Apache-2.0
 *
 * show_files.c - looking about on the disk, for `turnery show`: what is in folders, and how large it is.
 */
#include "show.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEEPEST = 32 };

bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

bool path_exists(const char *folder, const char *name)
{
    char path[4096];
    struct stat st;
    int n = snprintf(path, sizeof path, "%s%s%s", folder, name ? "/" : "", name ? name : "");
    return n < (int)sizeof path && stat(path, &st) == 0;
}

static int64_t bytes_at(const char *path, int depth)
{
    struct stat st;
    if (lstat(path, &st)) return 0;
    if (!S_ISDIR(st.st_mode)) return S_ISREG(st.st_mode) ? st.st_size : 0;
    int n;
    int64_t sum = 0;
    char **names = depth < DEEPEST ? names_in(path, NULL, &n) : NULL;
    for (int i = 0; names && i < n; i++) {
        char below[4096];
        if (snprintf(below, sizeof below, "%s/%s", path, names[i]) < (int)sizeof below)
            sum += bytes_at(below, depth + 1);
    }
    if (names) free_names(names, n);
    return sum;
}

int64_t bytes_below(const char *path)
{
    return bytes_at(path, 0);
}

static int by_name(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static bool add_name(char ***names, int *n, int *cap, const char *name)
{
    if (*n == *cap) {
        int more = *cap ? *cap * 2 : 16;
        char **grown = realloc(*names, (size_t)more * sizeof *grown);
        if (!grown) return false;
        *names = grown;
        *cap = more;
    }
    (*names)[*n] = strdup(name);
    return (*names)[*n] && ++*n;
}

char **names_in(const char *folder, bool (*passes)(const char *folder, const char *name), int *n)
{
    DIR *d = opendir(folder);
    char **names = NULL;
    int cap = 0;
    *n = 0;
    if (!d) return NULL;
    for (struct dirent *e; (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        if ((!passes || passes(folder, e->d_name)) && !add_name(&names, n, &cap, e->d_name)) break;
    }
    closedir(d);
    if (names) qsort(names, (size_t)*n, sizeof *names, by_name);
    return names;
}

void free_names(char **names, int n)
{
    for (int i = 0; i < n; i++) free(names[i]);
    free(names);
}

bool is_version(const char *folder, const char *name)
{
    char path[4096];
    if (!*name || name[strspn(name, "0123456789")]) return false;
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) return false;
    return path_exists(path, "saved_model.pb") || path_exists(path, "saved_model.pbtxt");
}

tn_code keep_first(tn_error *first, const tn_error *next)
{
    if (first->code == TN_OK) *first = *next;
    return first->code;
}
