/* SPDX-License-Identifier: Apache-2.0
 *
 * run_folder.c - a run's own folder: settings.json, source/, logs/, checkpoints/, exports/, and a lock that
 * the process at work in it holds.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "train.h"

static tn_code make(const char *path, tn_run_folder **out, tn_error *err)
{
    tn_run_folder *f = tn_calloc(1, sizeof *f);
    tn_arena *a = tn_arena_new(0);
    if (!f || !a) {
        tn_free(f);
        tn_arena_free(a);
        return tn_no_memory(err, sizeof *f);
    }
    f->arena = a;
    f->lock = -1;
    f->path = tn_arena_strdup(a, path);
    f->checkpoints = tn_path_join(a, path, "checkpoints");
    f->prefix = tn_path_join(a, path, "checkpoints/m");
    f->logs = tn_path_join(a, path, "logs");
    f->exports = tn_path_join(a, path, "exports");
    f->settings = tn_path_join(a, path, "settings.json");
    if (!f->path || !f->checkpoints || !f->prefix || !f->logs || !f->exports || !f->settings) {
        tn_run_folder_close(f);
        return tn_no_memory(err, 0);
    }
    *out = f;
    return TN_OK;
}

void tn_run_folder_close(tn_run_folder *f)
{
    if (!f) return;
    if (f->lock >= 0) tn_unlock_file(f->lock);
    tn_arena_free(f->arena);
    tn_free(f);
}

static tn_code lock(tn_run_folder *f, tn_error *err)
{
    const char *path = tn_path_join(f->arena, f->path, "lock");
    if (!path) return tn_no_memory(err, 0);
    return tn_lock_file(path, &f->lock, err);
}

/* mkdir decides who has a name; a second run of the same second gets "-2". */
static tn_code claim(tn_arena *a, const char *logdir, const char *name, const char **out, tn_error *err)
{
    struct tm tm;
    char stamp[40], suffix[16] = "";
    time_t now = time(NULL);
    localtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, "%Y-%m-%d--%H-%M-%S", &tm);
    TN_TRY(tn_make_folders(logdir, err));
    for (int k = 1; k < 1000; k++) {
        if (k > 1) snprintf(suffix, sizeof suffix, "-%d", k);
        const char *path = tn_arena_printf(a, "%s/%s_settings_%s%s", logdir, name, stamp, suffix);
        if (!path) return tn_no_memory(err, 0);
        if (!mkdir(path, 0777)) {
            *out = path;
            return TN_OK;
        }
        if (errno != EEXIST) return tn_fail_errno(err, errno, "making the run's folder %s", path);
    }
    return tn_fail(err, TN_RESOURCE_EXHAUSTED, "%s has too many runs of this second", logdir);
}

tn_code tn_run_folder_new(const char *logdir, const char *name, tn_run_folder **out, tn_error *err)
{
    const char *path = NULL;
    tn_run_folder *f = NULL;
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, 0);
    tn_code code = claim(a, logdir, name, &path, err);
    if (code == TN_OK) code = make(path, &f, err);
    if (code == TN_OK) code = lock(f, err);
    if (code == TN_OK) code = tn_make_folders(f->checkpoints, err);
    tn_arena_free(a);
    if (code == TN_OK)
        *out = f;
    else
        tn_run_folder_close(f);
    return code;
}

/* ==== what a killed process left ==== */

/* NAME.tmp.PID.NUMBER (a file being written) or .writing-STEP.PID (an export) of a process that is no more.
 */
static bool is_left_over(const char *name)
{
    const char *file = strstr(name, ".tmp."),
               *export = strncmp(name, ".writing-", 9) ? NULL : strrchr(name, '.');
    const char *pid = file ? file + 5 : export && export > name ? export + 1 : NULL;
    size_t digits = pid ? strspn(pid, "0123456789") : 0;
    if (!digits || digits > 9 || (pid[digits] && !(file && pid[digits] == '.'))) return false;
    pid_t owner = (pid_t)strtol(pid, NULL, 10);
    return owner > 0 && kill(owner, 0) && errno == ESRCH;
}

static tn_code sweep(tn_arena *a, const char *folder, tn_error *err)
{
    char **names;
    size_t n;
    if (!tn_is_folder(folder)) return TN_OK;
    TN_TRY(tn_list_folder(folder, a, &names, &n, err));
    for (size_t i = 0; i < n; i++) {
        if (!is_left_over(names[i])) continue;
        const char *path = tn_path_join(a, folder, names[i]);
        if (!path) return tn_no_memory(err, 0);
        TN_TRY(tn_remove_tree(path, err));
    }
    return TN_OK;
}

static tn_code sweep_all(const tn_run_folder *f, tn_error *err)
{
    TN_TRY(sweep(f->arena, f->path, err));
    TN_TRY(sweep(f->arena, f->checkpoints, err));
    return sweep(f->arena, f->exports, err);
}

tn_code tn_run_folder_open(const char *path, bool locked, tn_run_folder **out, tn_error *err)
{
    tn_run_folder *f = NULL;
    if (!tn_is_folder(path)) return tn_fail(err, TN_NOT_FOUND, "there is no run folder %s", path);
    TN_TRY(make(path, &f, err));
    tn_code code = TN_OK;
    if (!tn_file_exists(f->settings))
        code = tn_fail(err, TN_NOT_FOUND, "%s is no run's folder: it has no settings.json", path);
    if (code == TN_OK && locked) code = lock(f, err);
    if (code == TN_OK && locked) code = sweep_all(f, err);
    if (code == TN_OK)
        *out = f;
    else
        tn_run_folder_close(f);
    return code;
}

/* ==== what it was made of ==== */

static tn_code copy_file(const tn_run_folder *f, const char *dir, const char *from, tn_buf *text,
                         tn_error *err)
{
    const char *to = tn_path_join(f->arena, dir, tn_path_base(from));
    if (!to) return tn_no_memory(err, 0);
    tn_buf_clear(text);
    TN_TRY(tn_file_read(from, 0, text, err));
    return tn_file_write(to, text->data, text->n, err);
}

/* The headers that the source includes from its own folder. */
static tn_code copy_headers(const tn_run_folder *f, const char *dir, const char *source, tn_buf *text,
                            tn_error *err)
{
    tn_buf header = {0};
    tn_code code = TN_OK;
    const char *folder = tn_path_dir(f->arena, source);
    for (char *p = text->n ? strstr(text->data, "#include \"") : NULL; p && code == TN_OK;
         p = strstr(p, "#include \"")) {
        p += strlen("#include \"");
        const char *name = tn_arena_strndup(f->arena, p, strcspn(p, "\"\n"));
        const char *from = folder && name ? tn_path_join(f->arena, folder, name) : NULL;
        if (!from) code = tn_no_memory(err, 0);
        else if (!strchr(name, '/') && tn_file_exists(from)) code = copy_file(f, dir, from, &header, err);
    }
    tn_buf_free(&header);
    return code;
}

static tn_code copy_source(const tn_run_folder *f, const char *source, tn_error *err)
{
    tn_buf text = {0};
    const char *dir = tn_path_join(f->arena, f->path, "source");
    if (!dir) return tn_no_memory(err, 0);
    TN_TRY(tn_make_folders(dir, err));
    tn_code code = copy_file(f, dir, source, &text, err);
    if (code == TN_OK) code = copy_headers(f, dir, source, &text, err);
    tn_buf_free(&text);
    return code;
}

static void cpu_name(char *out, size_t n)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    snprintf(out, n, "unknown");
    while (f && fgets(line, sizeof line, f)) {
        char *value = strstr(line, ": ");
        if (strncmp(line, "model name", 10) || !value) continue;
        snprintf(out, n, "%.*s", (int)strcspn(value + 2, "\n"), value + 2);
        break;
    }
    if (f) fclose(f);
}

tn_code tn_run_folder_describe(const tn_run_folder *f, const struct tn_job *j, tn_error *err)
{
    tn_buf text = {0};
    char cpu[128];
    tn_json_writer w = {.out = &text, .pretty = true};
    cpu_name(cpu, sizeof cpu);
    tn_json_begin(&w, '{');
    tn_json_key(&w, "experiment"), tn_json_cstr(&w, j->experiment.experiment->name);
    tn_json_key(&w, "turnery"), tn_json_cstr(&w, TN_VERSION);
    tn_json_key(&w, "source"), tn_json_cstr(&w, tn_path_base(j->experiment.source));
    if (j->model.source) tn_json_key(&w, "model"), tn_json_cstr(&w, tn_path_base(j->model.source));
    tn_json_key(&w, "folder"), tn_json_cstr(&w, j->folder);
    tn_json_key(&w, "cpu"), tn_json_cstr(&w, cpu);
    tn_json_key(&w, "cores"), tn_json_int(&w, tn_core_count());
    tn_json_key(&w, "settings"), tn_json_begin(&w, '{');
    tn_settings_json(&j->settings, &w);
    tn_json_end(&w, '}'), tn_json_end(&w, '}');
    tn_buf_char(&text, '\n');
    tn_code code = tn_buf_check(&text, err);
    if (code == TN_OK) code = copy_source(f, j->experiment.source, err);
    if (code == TN_OK && j->model.source) code = copy_source(f, j->model.source, err);
    if (code == TN_OK) code = tn_file_write(f->settings, text.data, text.n, err);
    tn_buf_free(&text);
    return code;
}

static int64_t step_of_index(tn_arena *a, const char *name)
{
    static const char end[] = ".index";
    size_t n = strlen(name), m = sizeof end - 1;
    const char *prefix = n > m && !strcmp(name + n - m, end) ? tn_arena_strndup(a, name, n - m) : NULL;
    return prefix ? tn_checkpoint_step(prefix) : -1;
}

/* Without a state file (lost, or not yet written when the process was killed) the highest step is the newest.
 */
static tn_code highest(const char *folder, tn_arena *a, const char **prefix, tn_error *err)
{
    char **names;
    size_t n;
    int64_t best = -1;
    TN_TRY(tn_list_folder(folder, a, &names, &n, err));
    for (size_t i = 0; i < n; i++) best = TN_MAX(best, step_of_index(a, names[i]));
    if (best < 0) return tn_fail(err, TN_NOT_FOUND, "%s has no checkpoint yet", folder);
    const char *path = tn_arena_printf(a, "%s/m-%lld", folder, (long long)best);
    if (!path) return tn_no_memory(err, 0);
    *prefix = path;
    return TN_OK;
}

tn_code tn_run_checkpoint(const char *folder, int before, tn_arena *a, const char **prefix, tn_error *err)
{
    tn_error why;
    tn_code code = tn_latest_checkpoint(folder, before, a, prefix, &why);
    const char *state = tn_path_join(a, folder, "checkpoint");
    if (code == TN_OK) return code;
    if (!state) return tn_no_memory(err, 0);
    if (code == TN_NOT_FOUND && !before && !tn_file_exists(state)) return highest(folder, a, prefix, err);
    return tn_fail(err, code == TN_NOT_FOUND && !before ? TN_DATA_LOSS : code, "%s", why.message);
}

tn_code tn_run_latest(const char *run, tn_arena *a, const char **prefix, tn_error *err)
{
    const char *folder = tn_path_join(a, run, "checkpoints");
    if (!folder) return tn_no_memory(err, 0);
    tn_code code = tn_run_checkpoint(folder, 0, a, prefix, err);
    if (code == TN_NOT_FOUND) return tn_fail(err, TN_NOT_FOUND, "the run %s has no checkpoint yet", run);
    return code;
}

/* ==== finding ==== */

static bool is_run_of(const char *name, const char *experiment)
{
    const char *mark = strstr(name, "_settings_");
    size_t n = experiment ? strlen(experiment) : 0;
    return mark && (!experiment || ((size_t)(mark - name) == n && !strncmp(name, experiment, n)));
}

/* A process that was killed while it made its run's folder leaves one without settings. */
static bool is_described(tn_arena *a, const char *logdir, const char *name)
{
    const char *path = tn_arena_printf(a, "%s/%s/settings.json", logdir, name);
    return path && tn_file_exists(path);
}

static tn_code newest(tn_arena *a, const char *logdir, char **names, size_t n, const char *experiment,
                      const char **out, tn_error *err)
{
    const char *best = "";
    for (size_t i = 0; i < n; i++) {
        const char *stamp = strstr(names[i], "_settings_"), *best_stamp = strstr(best, "_settings_");
        if (!is_run_of(names[i], experiment)) continue;
        if ((!best_stamp || strcmp(stamp, best_stamp) >= 0) && is_described(a, logdir, names[i]))
            best = names[i];
    }
    if (!*best)
        return tn_fail(err, TN_NOT_FOUND, "%s has no run%s%s", logdir, experiment ? " of " : "",
                       experiment ? experiment : "");
    *out = best;
    return TN_OK;
}

static tn_code by_prefix(const char *logdir, char **names, size_t n, const char *run, const char **out,
                         tn_error *err)
{
    const char *found = NULL;
    for (size_t i = 0; i < n; i++) {
        if (strncmp(names[i], run, strlen(run)) || !is_run_of(names[i], NULL)) continue;
        if (found)
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s has several runs that begin with '%s': %s, %s",
                           logdir, run, found, names[i]);
        found = names[i];
    }
    if (!found)
        return tn_fail(err, TN_NOT_FOUND, "there is no run '%s', neither as a folder nor in %s", run, logdir);
    *out = found;
    return TN_OK;
}

static tn_code find_in(tn_arena *a, const char *logdir, const char *run, const char *experiment, char **out,
                       tn_error *err)
{
    char **names;
    size_t n;
    const char *name = NULL;
    if (!tn_is_folder(logdir))
        return tn_fail(err, TN_NOT_FOUND, "there is no run '%s': no folder %s", run, logdir);
    TN_TRY(tn_list_folder(logdir, a, &names, &n, err));
    TN_TRY(!strcmp(run, "latest") ? newest(a, logdir, names, n, experiment, &name, err)
                                  : by_prefix(logdir, names, n, run, &name, err));
    const char *path = tn_path_join(a, logdir, name);
    *out = path ? tn_strdup(path) : NULL;
    return *out ? TN_OK : tn_no_memory(err, 0);
}

tn_code tn_find_run(const char *logdir, const char *run, const char *name, char **out, tn_error *err)
{
    if (strcmp(run, "latest") && tn_is_folder(run)) {
        *out = tn_strdup(run);
        return *out ? TN_OK : tn_no_memory(err, 0);
    }
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, 0);
    tn_code code = find_in(a, logdir ? logdir : "runs", run, name, out, err);
    tn_arena_free(a);
    return code;
}
