/* SPDX-License-Identifier: Apache-2.0
 *
 * saver.c - TensorFlow's Saver: PREFIX[-STEP].{index,data,meta}, the state file, and keeping the last few.
 *
 * Invariants: the state file names only checkpoints that are complete; an old checkpoint is removed only
 * after the new state is on the disk. A failure at any point leaves the newest complete one loadable.
 */
#include "format.h"

typedef struct kept {
    char *prefix;
    double time;
} kept;

struct tn_saver {
    char *prefix, *folder;
    tn_saver_options options;
    kept *all; /* oldest first */
    int n, cap;
    double last_preserved;
    char *current; /* the prefix being written */
};

/* ---- the list ---- */

static tn_code push(tn_saver *s, const char *prefix, double time, tn_error *err)
{
    if (!TN_ROOM(NULL, s->all, s->n, s->cap)) return tn_no_memory(err, 0);
    char *copy = tn_strdup(prefix);
    if (!copy) return tn_no_memory(err, strlen(prefix));
    s->all[s->n++] = (kept){copy, time};
    return TN_OK;
}

static void take_out(tn_saver *s, int i)
{
    tn_free(s->all[i].prefix);
    s->n--;
    memmove(&s->all[i], &s->all[i + 1], (size_t)(s->n - i) * sizeof *s->all);
}

/* What is in the folder already, as far as it is there and named as ours are. */
static tn_code recover(tn_saver *s, tn_arena *a, tn_error *err)
{
    tn_checkpoint_state state;
    tn_code code = tn_checkpoint_state_read(s->folder, a, &state, err);
    if (code == TN_NOT_FOUND) return TN_OK;
    if (code != TN_OK) return code;
    s->last_preserved = state.last_preserved;
    for (int i = 0; i < state.n; i++) {
        if (!tn_checkpoint_exists(state.all[i])) continue;
        TN_TRY(push(s, state.all[i], state.timestamps ? state.timestamps[i] : tn_wall_time(), err));
    }
    return TN_OK;
}

static tn_code begin_saver(tn_saver *s, const char *prefix, tn_arena *a, tn_error *err)
{
    char *folder = tn_path_dir(a, prefix);
    s->prefix = tn_strdup(prefix);
    s->folder = folder ? tn_strdup(folder) : NULL;
    if (!s->prefix || !s->folder) return tn_no_memory(err, strlen(prefix));
    if (!*tn_path_base(prefix))
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s' ends in '/': a checkpoint needs a name", prefix);
    TN_TRY(tn_make_folders(s->folder, err));
    return recover(s, a, err);
}

tn_code tn_saver_new(const char *prefix, const tn_saver_options *o, tn_saver **out, tn_error *err)
{
    tn_saver *s = tn_calloc(1, sizeof *s);
    tn_arena *a = tn_arena_new(0);
    tn_code code = s && a ? TN_OK : tn_no_memory(err, sizeof *s);
    if (code == TN_OK) {
        s->options = o ? *o : (tn_saver_options){.max_to_keep = 5};
        s->last_preserved = tn_wall_time();
        code = begin_saver(s, prefix, a, err);
    }
    tn_arena_free(a);
    if (code != TN_OK) {
        tn_saver_free(s);
        return code;
    }
    *out = s;
    return TN_OK;
}

void tn_saver_free(tn_saver *s)
{
    if (!s) return;
    for (int i = 0; i < s->n; i++) tn_free(s->all[i].prefix);
    tn_free(s->all);
    tn_free(s->prefix);
    tn_free(s->folder);
    tn_free(s->current);
    tn_free(s);
}

/* ---- one more checkpoint ---- */

static char *numbered(const char *prefix, int64_t step)
{
    tn_buf b = {0};
    tn_buf_str(&b, prefix);
    if (step >= 0) tn_buf_printf(&b, "-%lld", (long long)step);
    return tn_buf_take(&b, NULL);
}

tn_code tn_saver_begin(tn_saver *s, int64_t step, tn_bundle_writer **w, const char **path, tn_error *err)
{
    char *current = numbered(s->prefix, step);
    if (!current) return tn_no_memory(err, strlen(s->prefix));
    tn_code code =
        s->options.v1 ? tn_bundle_writer_open_v1(current, w, err) : tn_bundle_writer_open(current, w, err);
    if (code != TN_OK) {
        tn_free(current);
        return code;
    }
    tn_free(s->current);
    s->current = current;
    if (path) *path = current;
    return TN_OK;
}

static tn_code write_meta(const tn_saver *s, const tn_export *meta, tn_error *err)
{
    tn_buf path = {0};
    if (!meta || s->options.no_meta) return TN_OK;
    tn_export e = *meta;
    if (!e.max_to_keep) e.max_to_keep = s->options.max_to_keep;
    tn_buf_printf(&path, "%s.meta", s->current);
    tn_code code = tn_buf_check(&path, err);
    if (code == TN_OK) code = tn_metagraph_save(&e, path.data, err);
    tn_buf_free(&path);
    return code;
}

/* The first `drop` of the list are not in the state any more. */
static tn_code write_state(const tn_saver *s, int drop, double last_preserved, tn_error *err)
{
    int n = s->n - drop;
    const char **all = tn_calloc((size_t)n + 1, sizeof *all);
    double *times = tn_calloc((size_t)n + 1, sizeof *times);
    tn_code code = all && times ? TN_OK : tn_no_memory(err, (size_t)n * sizeof *all);
    for (int i = 0; code == TN_OK && i < n; i++) {
        all[i] = s->all[drop + i].prefix;
        times[i] = s->all[drop + i].time;
    }
    tn_checkpoint_state state = {
        .latest = s->current, .all = all, .timestamps = times, .n = n, .last_preserved = last_preserved};
    if (code == TN_OK) code = tn_checkpoint_state_write(s->folder, &state, err);
    tn_free(all);
    tn_free(times);
    return code;
}

/* One checkpoint in so many hours stays when its turn to be removed has come. */
static bool preserve(const tn_saver *s, const kept *k, double last)
{
    return s->options.keep_every_hours > 0 && k->time - last >= s->options.keep_every_hours * 3600;
}

static tn_code remove_old(tn_saver *s, int drop, double *last, tn_error *err)
{
    tn_code code = TN_OK;
    while (drop-- > 0) {
        if (preserve(s, &s->all[0], *last))
            *last = s->all[0].time;
        else if (code == TN_OK)
            code = tn_checkpoint_remove(s->all[0].prefix, err);
        take_out(s, 0);
    }
    return code;
}

static tn_code record(tn_saver *s, tn_error *err)
{
    for (int i = s->n - 1; i >= 0; i--)
        if (!strcmp(s->all[i].prefix, s->current)) take_out(s, i); /* written over */
    TN_TRY(push(s, s->current, tn_wall_time(), err));
    int drop = s->options.max_to_keep > 0 ? TN_MAX(0, s->n - s->options.max_to_keep) : 0;
    double last = s->last_preserved;
    for (int i = 0; i < drop; i++)
        if (preserve(s, &s->all[i], last)) last = s->all[i].time;
    TN_TRY(write_state(s, drop, last, err));
    return remove_old(s, drop, &s->last_preserved, err);
}

static bool is_listed(const tn_saver *s, const char *prefix)
{
    for (int i = 0; i < s->n; i++)
        if (!strcmp(s->all[i].prefix, prefix)) return true;
    return false;
}

tn_code tn_saver_finish(tn_saver *s, tn_bundle_writer *w, const tn_export *meta, tn_error *err)
{
    TN_TRY(tn_bundle_commit(w, err));
    tn_code code = write_meta(s, meta, err);
    if (code != TN_OK) { /* what nobody would ever remove goes, but not one that was good before */
        if (!is_listed(s, s->current)) tn_checkpoint_remove(s->current, NULL);
        return code;
    }
    return record(s, err);
}
