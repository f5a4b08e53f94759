/* SPDX-License-Identifier: Apache-2.0
 *
 * checkpoint_list.c - the checkpoints of a folder, for people who look: what the state file names, and what
 * is there without being named. Which one is taken for training on is checkpoint_state.c's.
 */
#include "format.h"

#include <sys/stat.h>

typedef struct list {
    tn_arena *a;
    const char *folder;
    tn_checkpoint_info *v;
    int n, cap;
} list;

static bool add(list *l, const tn_checkpoint_info *info)
{
    for (int i = 0; i < l->n; i++)
        if (!strcmp(l->v[i].prefix, info->prefix)) return true;
    if (l->n == l->cap) {
        int cap = l->cap ? l->cap * 2 : 16;
        tn_checkpoint_info *v = TN_ARRAY(l->a, cap, tn_checkpoint_info);
        if (!v) return false;
        if (l->n) memcpy(v, l->v, (size_t)l->n * sizeof *v);
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = *info;
    return true;
}

static tn_code add_listed(list *l, const tn_checkpoint_state *s, tn_error *err)
{
    for (int i = 0; i < s->n; i++) {
        tn_checkpoint_info info = {
            .prefix = s->all[i], .is_listed = true, .timestamp = s->timestamps ? s->timestamps[i] : 0};
        if (!add(l, &info)) return tn_no_memory(err, 0);
    }
    tn_checkpoint_info latest = {.prefix = s->latest, .is_listed = true};
    return add(l, &latest) ? TN_OK : tn_no_memory(err, 0);
}

static bool ends_in(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n > k && !strcmp(s + n - k, end);
}

/* Those that no state file names, in the order of their steps. */
static tn_code add_unlisted(list *l, char *const *names, size_t n, tn_error *err)
{
    int first = l->n;
    for (size_t i = 0; i < n; i++) {
        if (!ends_in(names[i], ".index")) continue;
        char *name = tn_arena_strndup(l->a, names[i], strlen(names[i]) - strlen(".index"));
        tn_checkpoint_info info = {.prefix = name ? tn_path_join(l->a, l->folder, name) : NULL};
        if (!info.prefix || !add(l, &info)) return tn_no_memory(err, 0);
    }
    for (int i = first + 1; i < l->n; i++)
        for (int k = i;
             k > first && tn_checkpoint_step(l->v[k - 1].prefix) > tn_checkpoint_step(l->v[k].prefix); k--) {
            tn_checkpoint_info t = l->v[k];
            l->v[k] = l->v[k - 1];
            l->v[k - 1] = t;
        }
    return TN_OK;
}

/* What belongs to a prefix: .index, .meta, .data-00000-of-00001. */
static bool is_part(const char *file, const char *name)
{
    size_t n = strlen(name);
    if (strncmp(file, name, n)) return false;
    return !strcmp(file + n, ".index") || !strcmp(file + n, ".meta") || !strncmp(file + n, ".data-", 6);
}

static tn_code measure(list *l, tn_checkpoint_info *c, char *const *names, size_t n, tn_error *err)
{
    c->step = tn_checkpoint_step(c->prefix);
    c->is_there = tn_checkpoint_exists(c->prefix);
    for (size_t i = 0; i < n; i++) {
        struct stat st;
        if (!is_part(names[i], tn_path_base(c->prefix))) continue;
        char *path = tn_path_join(l->a, l->folder, names[i]);
        if (!path) return tn_no_memory(err, 0);
        if (stat(path, &st) == 0) c->bytes += st.st_size;
    }
    return TN_OK;
}

static tn_code read_list(list *l, tn_checkpoint_list *out, tn_error *err)
{
    char **names, *path = tn_path_join(l->a, l->folder, "checkpoint");
    size_t n;
    tn_checkpoint_state s = {.n = 0};
    if (!path) return tn_no_memory(err, 0);
    TN_TRY(tn_list_folder(l->folder, l->a, &names, &n, err));
    out->has_state = tn_file_exists(path);
    tn_code damaged = out->has_state ? tn_checkpoint_state_read(l->folder, l->a, &s, err) : TN_OK;
    if (damaged == TN_RESOURCE_EXHAUSTED) return damaged;
    if (out->has_state && damaged == TN_OK) TN_TRY(add_listed(l, &s, err));
    TN_TRY(add_unlisted(l, names, n, damaged == TN_OK ? err : NULL));
    for (int i = 0; i < l->n; i++) {
        TN_TRY(measure(l, &l->v[i], names, n, damaged == TN_OK ? err : NULL));
        l->v[i].is_latest = s.latest && !strcmp(l->v[i].prefix, s.latest);
    }
    out->v = l->v;
    out->n = l->n;
    return damaged;
}

tn_code tn_checkpoint_list_read(const char *folder, tn_checkpoint_list *out, tn_error *err)
{
    list l = {.a = tn_arena_new(0), .folder = folder};
    tn_checkpoint_list found = {.memory = l.a};
    tn_code code = l.a ? read_list(&l, &found, err) : tn_no_memory(err, 0);
    if (code == TN_OK || found.v)
        *out = found;
    else
        tn_arena_free(l.a);
    return code;
}

void tn_checkpoint_list_free(tn_checkpoint_list *list)
{
    tn_arena_free(list->memory);
    *list = (tn_checkpoint_list){.n = 0};
}
