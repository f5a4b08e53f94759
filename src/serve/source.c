/* SPDX-License-Identifier: Apache-2.0
 *
 * source.c - looks at a model's base path: which versions there are, and which of them its version policy wants, as
 * TensorFlow Serving's file system source does.
 *
 * Whether a version can be loaded is left to who loads it. Invariant: nothing is remembered; a look that fails says
 * nothing about what is there.
 */
#include "models.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

/* ==== a version's files ==== */

static uint64_t mix(uint64_t h, uint64_t v)
{
    return (h ^ v) * 0x9e3779b97f4a7c15ull + (h >> 29);
}

static uint64_t stamp_file(uint64_t h, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) return mix(h, (uint64_t)errno);
    h = mix(h, (uint64_t)st.st_ino);
    h = mix(h, (uint64_t)st.st_size);
    h = mix(h, (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec);
    return mix(h, (uint64_t)st.st_ctim.tv_sec * 1000000000u + (uint64_t)st.st_ctim.tv_nsec);
}

enum { MOST_STAMPED = 1000 }; /* files of a folder */

static uint64_t stamp_folder(uint64_t h, const char *path)
{
    char file[4096];
    DIR *dir = opendir(path);
    if (!dir) return mix(h, (uint64_t)errno);
    uint64_t sum = 0; /* whatever their order */
    struct dirent *e;
    for (int i = 0; i < MOST_STAMPED && (e = readdir(dir)); i++) {
        if (e->d_name[0] == '.') continue;
        if (snprintf(file, sizeof file, "%s/%s", path, e->d_name) >= (int)sizeof file) continue;
        sum += stamp_file(tn_hash(e->d_name, strlen(e->d_name)), file);
    }
    closedir(dir);
    return mix(h, sum);
}

static uint64_t stamp_version(const char *path)
{
    static const char *const folders[] = {"", "/variables", "/assets", "/assets.extra"};
    char part[4096];
    uint64_t h = 1;
    for (size_t i = 0; i < TN_COUNT(folders); i++)
        if (snprintf(part, sizeof part, "%s%s", path, folders[i]) < (int)sizeof part) h = stamp_folder(h, part);
    return h;
}

/* ==== versions in a folder ==== */

bool tn_version_parse(const char *name, int64_t *version)
{
    int64_t v = 0;
    if (!*name) return false;
    for (; *name; name++) {
        if (*name < '0' || *name > '9') return false;
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *name - '0', &v)) return false;
    }
    *version = v;
    return true;
}

static int by_version(const void *a, const void *b)
{
    const tn_found *x = a, *y = b;
    if (x->version != y->version) return x->version < y->version ? -1 : 1;
    return strcmp(x->path, y->path);
}

static tn_code find_versions(const char *base, tn_arena *a, tn_look *out, tn_error *err)
{
    char **names;
    size_t n;
    TN_TRY(tn_list_folder(base, a, &names, &n, err));
    out->v = TN_ARRAY(a, n + 1, tn_found);
    if (!out->v) return tn_no_memory(err, n * sizeof *out->v);
    out->n = 0;
    for (size_t i = 0; i < n; i++) {
        tn_found f = {0};
        if (!tn_version_parse(names[i], &f.version)) continue;
        if (!(f.path = tn_path_join(a, base, names[i]))) return tn_no_memory(err, strlen(base));
        if (tn_is_folder(f.path)) out->v[out->n++] = f;
    }
    if (out->n) qsort(out->v, (size_t)out->n, sizeof *out->v, by_version);
    return TN_OK;
}

static void warn(tn_look *l, tn_arena *a, const char *text)
{
    if (!text) return;
    char *both = l->warning ? tn_arena_printf(a, "%s; %s", l->warning, text) : NULL;
    l->warning = both ? both : text;
}

/* "1" and "001": the last by name is taken. */
static void drop_duplicates(tn_look *l, tn_arena *a)
{
    int n = 0;
    for (int i = 0; i < l->n; i++) {
        if (i + 1 < l->n && l->v[i + 1].version == l->v[i].version)
            warn(l, a, tn_arena_printf(a, "Duplicate version directories detected. Version %lld will be loaded "
                                       "from %s, %s will be ignored.", (long long)l->v[i].version,
                                       l->v[i + 1].path, l->v[i].path));
        else l->v[n++] = l->v[i];
    }
    l->n = n;
}

/* ==== policies ==== */

static bool wants(const tn_model_config *c, const tn_look *l, int i)
{
    if (c->policy == TN_POLICY_ALL) return true;
    if (c->policy == TN_POLICY_LATEST) return l->n - i <= c->latest;
    for (int k = 0; k < c->n_specific; k++)
        if (c->specific[k] == l->v[i].version) return true;
    return false;
}

static void warn_of_absent(const tn_model_config *c, tn_look *l, tn_arena *a)
{
    for (int k = 0; c->policy == TN_POLICY_SPECIFIC && k < c->n_specific; k++) {
        bool there = false;
        for (int i = 0; i < l->n && !there; i++) there = l->v[i].version == c->specific[k];
        if (!there)
            warn(l, a, tn_arena_printf(a, "Version %lld of servable %s, which was requested to be served as a "
                                       "'specific' version in the servable's version policy, was not found in the "
                                       "file system",
                                       (long long)c->specific[k], c->name));
    }
}

static void apply_policy(const tn_model_config *c, const char *base, tn_look *l, tn_arena *a)
{
    tn_look all = *l;
    l->n = 0;
    warn_of_absent(c, &all, a);
    l->warning = all.warning;
    for (int i = 0; i < all.n; i++) {
        if (!wants(c, &all, i)) continue;
        l->v[l->n] = all.v[i]; /* at or before i: what is still to be looked at stays */
        l->v[l->n].stamp = stamp_version(l->v[l->n].path);
        l->n++;
    }
    if (!l->n)
        warn(l, a, tn_arena_printf(a, "No versions of servable %s found under base path %s. Did you forget to "
                                   "name your leaf directory as a number (eg. '/1/')?", c->name, base));
}

/* ==== the three kinds of sources ==== */

/* What training exports; a run that has exported nothing yet has no versions. */
static const char *base_of(const tn_model_config *c, tn_arena *a)
{
    if (!c->is_run || strcmp(tn_path_base(c->base_path), "exports") == 0) return c->base_path;
    return tn_path_join(a, c->base_path, "exports");
}

static tn_code look_at_folder(const tn_model_config *c, tn_arena *a, tn_look *out, tn_error *err)
{
    struct stat st;
    const char *base = base_of(c, a);
    if (!base) return tn_no_memory(err, strlen(c->base_path));
    bool there = stat(base, &st) == 0;
    int errnum = errno;
    bool none_yet = !there && errnum == ENOENT && c->is_run && base != c->base_path && tn_is_folder(c->base_path);
    if (!there && !none_yet) {
        tn_error why;
        tn_fail_errno(&why, errnum, "%s", base);
        return tn_fail(err, TN_INVALID_ARGUMENT, "Could not find base path %s for servable %s with error %s: %s", base,
                       c->name, tn_code_name(why.code), why.message);
    }
    if (there) TN_TRY(find_versions(base, a, out, err));
    drop_duplicates(out, a);
    apply_policy(c, base, out, a);
    return TN_OK;
}

uint64_t tn_source_stamp(const tn_model_config *c, const char *path)
{
    char index[4096];
    if (!c->meta_graph) return stamp_version(path);
    uint64_t h = stamp_file(1, c->meta_graph);
    if (!c->checkpoint || snprintf(index, sizeof index, "%s.index", c->checkpoint) >= (int)sizeof index) return h;
    return stamp_file(h, index);
}

/* One version: the step of the checkpoint, or 1. */
static tn_code look_at_meta_graph(const tn_model_config *c, tn_arena *a, tn_look *out, tn_error *err)
{
    out->v = TN_NEW(a, tn_found);
    if (!out->v) return tn_no_memory(err, sizeof *out->v);
    int64_t step = c->checkpoint ? tn_checkpoint_step(c->checkpoint) : -1;
    out->v[0] = (tn_found){step >= 0 ? step : 1, c->meta_graph, tn_source_stamp(c, NULL)};
    out->n = 1;
    return TN_OK;
}

tn_code tn_source_look(const tn_model_config *c, tn_arena *a, tn_look *out, tn_error *err)
{
    tn_look l = {0};
    TN_TRY(c->meta_graph ? look_at_meta_graph(c, a, &l, err) : look_at_folder(c, a, &l, err));
    *out = l;
    return TN_OK;
}
