/* SPDX-License-Identifier: Apache-2.0
 *
 * checkpoint_state.c - the file "checkpoint" of a folder: which checkpoints there are, which is the
 * newest. What is kept and removed is saver.c's.
 */
#include "bundle.h"

#define STATE_LIMIT ((size_t)16 << 20)
#define STATE_FILE "checkpoint"

/* ---- one checkpoint ---- */

/* Without memory from anywhere, so that there is no third answer; longer paths the system does not take. */
bool tn_checkpoint_exists(const char *prefix)
{
    char index[4200];
    int n = snprintf(index, sizeof index, "%s.index", prefix);
    return n > 0 && (size_t)n < sizeof index && (tn_file_exists(index) || tn_v1_exists(prefix));
}

int64_t tn_checkpoint_step(const char *prefix)
{
    const char *dash = strrchr(prefix, '-');
    size_t digits = dash ? strspn(dash + 1, "0123456789") : 0;
    if (!digits || digits > 18 || dash[1 + digits]) return -1;
    return (int64_t)strtoll(dash + 1, NULL, 10);
}

/* NAME.data-?????-of-?????, also with what a crash has left of it */
static bool is_shard(const char *file, const char *name)
{
    size_t n = strlen(name);
    return !strncmp(file, name, n) && !strncmp(file + n, ".data-", 6) &&
           strspn(file + n + 6, "0123456789") == 5 && !strncmp(file + n + 11, "-of-", 4);
}

static tn_code remove_shards(const char *prefix, tn_arena *a, tn_error *err)
{
    char **names, *folder = tn_path_dir(a, prefix);
    size_t n;
    if (!folder) return tn_no_memory(err, strlen(prefix));
    TN_TRY(tn_list_folder(folder, a, &names, &n, err));
    for (size_t i = 0; i < n; i++) {
        if (!is_shard(names[i], tn_path_base(prefix))) continue;
        char *path = tn_path_join(a, folder, names[i]);
        if (!path) return tn_no_memory(err, strlen(names[i]));
        TN_TRY(tn_remove_file(path, err));
    }
    return TN_OK;
}

static tn_code remove_bundle(const char *prefix, tn_arena *a, tn_error *err)
{
    static const char *const first[] = {".index", (".index" TN_BUNDLE_NEW)};
    for (size_t i = 0; i < TN_COUNT(first); i++) {
        char *path = tn_arena_printf(a, "%s%s", prefix, first[i]);
        if (!path) return tn_no_memory(err, strlen(prefix));
        TN_TRY(tn_remove_file(path, err));
    }
    return remove_shards(prefix, a, err);
}

tn_code tn_bundle_remove(const char *prefix, tn_error *err)
{
    tn_arena *a = tn_arena_new(0);
    tn_code code = a ? remove_bundle(prefix, a, err) : tn_no_memory(err, 0);
    tn_arena_free(a);
    return code;
}

static tn_code remove_all(const char *prefix, tn_arena *a, tn_error *err)
{
    char *meta = tn_arena_printf(a, "%s.meta", prefix);
    if (!meta) return tn_no_memory(err, strlen(prefix));
    TN_TRY(remove_bundle(prefix, a, err));
    if (tn_file_exists(prefix) && tn_v1_exists(prefix)) TN_TRY(tn_remove_file(prefix, err));
    return tn_remove_file(meta, err);
}

tn_code tn_checkpoint_remove(const char *prefix, tn_error *err)
{
    tn_arena *a = tn_arena_new(0);
    tn_code code = a ? remove_all(prefix, a, err) : tn_no_memory(err, 0);
    tn_arena_free(a);
    return code;
}

/* ---- the state ---- */

static char *resolve(tn_arena *a, const char *folder, tn_view path)
{
    char *p = tn_arena_strndup(a, path.n ? path.p : "", path.n);
    return p && p[0] != '/' ? tn_path_join(a, folder, p) : p;
}

tn_code tn_checkpoint_state_parse(tn_view text, const char *folder, tn_arena *a, tn_checkpoint_state *out,
                                  tn_error *err)
{
    tn_CheckpointState *p;
    TN_TRY(TN_PARSE(CheckpointState, text, a, &p, err));
    uint32_t n = p->all_model_checkpoint_paths.n;
    const char **all = TN_ARRAY(a, n + 1, const char *);
    if (!all) return tn_no_memory(err, n * sizeof *all);
    if (!p->model_checkpoint_path.n) return tn_fail(err, TN_DATA_LOSS, "model_checkpoint_path is missing");
    tn_checkpoint_state s = {.latest = resolve(a, folder, p->model_checkpoint_path), .all = all, .n = (int)n};
    if (!s.latest) return tn_no_memory(err, p->model_checkpoint_path.n);
    for (uint32_t i = 0; i < n; i++) {
        all[i] = resolve(a, folder, p->all_model_checkpoint_paths.items[i]);
        if (!all[i]) return tn_no_memory(err, p->all_model_checkpoint_paths.items[i].n);
    }
    if (p->all_model_checkpoint_timestamps.n == n && n)
        s.timestamps = p->all_model_checkpoint_timestamps.items;
    s.last_preserved = p->last_preserved_timestamp;
    *out = s;
    return TN_OK;
}

tn_code tn_checkpoint_state_read(const char *folder, tn_arena *a, tn_checkpoint_state *out, tn_error *err)
{
    tn_buf bytes = {0};
    char *path = tn_path_join(a, folder, STATE_FILE);
    if (!path) return tn_no_memory(err, strlen(folder));
    TN_TRY(tn_file_read(path, STATE_LIMIT, &bytes, err));
    tn_code code = tn_checkpoint_state_parse((tn_view){bytes.data, bytes.n}, folder, a, out, err);
    tn_buf_free(&bytes);
    if (code != TN_OK) tn_wrap(err, "%s", path);
    return code;
}

/* "FOLDER/m-3" is "m-3" in FOLDER's state. */
static tn_view relative(const char *folder, const char *path)
{
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/') n--;
    if (!strncmp(path, folder, n) && path[n] == '/') return tn_view_of(path + n + 1);
    return tn_view_of(!strcmp(folder, ".") && !strncmp(path, "./", 2) ? path + 2 : path);
}

static tn_code print_state(const char *folder, const tn_checkpoint_state *s, tn_arena *a, tn_buf *out,
                           tn_error *err)
{
    tn_CheckpointState p = {.model_checkpoint_path = relative(folder, s->latest),
                            .last_preserved_timestamp = s->last_preserved};
    for (int i = 0; i < s->n; i++) {
        tn_view *v = TN_PUSH(a, &p.all_model_checkpoint_paths);
        if (!v) return tn_no_memory(err, sizeof *v);
        *v = relative(folder, s->all[i]);
        double *t = s->timestamps ? TN_PUSH(a, &p.all_model_checkpoint_timestamps) : NULL;
        if (s->timestamps && !t) return tn_no_memory(err, sizeof *t);
        if (t) *t = s->timestamps[i];
    }
    return TN_PRINT(CheckpointState, &p, out, err);
}

tn_code tn_checkpoint_state_write(const char *folder, const tn_checkpoint_state *state, tn_error *err)
{
    tn_buf text = {0};
    tn_arena *a = tn_arena_new(0);
    char *path = a ? tn_path_join(a, folder, STATE_FILE) : NULL;
    tn_code code = path ? print_state(folder, state, a, &text, err) : tn_no_memory(err, strlen(folder));
    if (code == TN_OK) code = tn_file_write(path, text.data, text.n, err);
    tn_buf_free(&text);
    tn_arena_free(a);
    return code;
}

tn_code tn_latest_checkpoint(const char *folder, int before, tn_arena *a, const char **prefix, tn_error *err)
{
    tn_checkpoint_state s;
    TN_TRY(tn_checkpoint_state_read(folder, a, &s, err));
    if (!s.n) s = (tn_checkpoint_state){.latest = s.latest, .all = &s.latest, .n = 1};
    if (before == 0 && tn_checkpoint_exists(s.latest)) {
        *prefix = s.latest;
        return TN_OK;
    }
    for (int i = s.n - 1, passed = 0; i >= 0; i--) {
        if (!tn_checkpoint_exists(s.all[i]) || passed++ < before) continue;
        *prefix = s.all[i];
        return TN_OK;
    }
    return tn_fail(err, TN_NOT_FOUND, "%s/" STATE_FILE " names '%s', but there is no such checkpoint%s",
                   folder, s.latest, before ? " before the newest" : "");
}
