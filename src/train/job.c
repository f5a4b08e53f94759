/* SPDX-License-Identifier: Apache-2.0
 *
 * job.c - a job: an experiment compiled, loaded, checked, and given its settings; from its file, or from the
 * source and settings that a run's folder keeps.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "train.h"

/* ==== what a run's folder says ==== */

typedef struct origin {
    tn_arena *arena;
    const char *file, *model, *folder, *settings;
} origin;

static const char *member(tn_arena *a, const tn_json *root, const char *key)
{
    const tn_json *v = tn_json_find(root, key);
    return v && v->kind == TN_JSON_STRING ? tn_arena_strndup(a, v->text.p, v->text.n) : NULL;
}

/* Code that somebody else could have put there is not run. */
static tn_code check_owner(const char *path, tn_error *err)
{
    struct stat st;
    if (stat(path, &st)) return tn_fail(err, TN_NOT_FOUND, "the run's source %s is not there", path);
    if (st.st_uid == geteuid() || !geteuid()) return TN_OK;
    return tn_fail(err, TN_PERMISSION_DENIED,
                   "%s belongs to another user: read it, and give your own copy as FILE.c", path);
}

static tn_code source_in(const char *run, const char *name, tn_arena *a, const char **out, tn_error *err)
{
    if (strchr(name, '/'))
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s/settings.json: '%s' is no file's name", run, name);
    *out = tn_arena_printf(a, "%s/source/%s", run, name);
    return *out ? check_owner(*out, err) : tn_no_memory(err, 0);
}

static tn_code read_origin(const char *run, origin *o, tn_error *err)
{
    tn_buf text = {0};
    tn_json *root = NULL;
    o->settings = tn_path_join(o->arena, run, "settings.json");
    if (!o->settings) return tn_no_memory(err, 0);
    if (!tn_file_exists(o->settings))
        return tn_fail(err, TN_NOT_FOUND, "%s is no run's folder: it has no settings.json", run);
    tn_code code = tn_file_read(o->settings, 1 << 24, &text, err);
    if (code == TN_OK) code = tn_json_parse((tn_view){text.data, text.n}, o->arena, &root, err);
    if (code != TN_OK) tn_wrap(err, "%s", o->settings);
    const char *source = code == TN_OK ? member(o->arena, root, "source") : NULL;
    const char *model = code == TN_OK ? member(o->arena, root, "model") : NULL;
    if (code == TN_OK && !source) code = tn_fail(err, TN_DATA_LOSS, "%s names no source", o->settings);
    if (code == TN_OK) o->folder = member(o->arena, root, "folder");
    if (code == TN_OK) code = source_in(run, source, o->arena, &o->file, err);
    if (code == TN_OK && model) code = source_in(run, model, o->arena, &o->model, err);
    tn_buf_free(&text);
    return code;
}

static tn_code find_origin(const tn_job_options *o, origin *out, tn_error *err)
{
    out->file = o->file;
    out->model = o->model;
    if (!o->file)
        return tn_fail(err, TN_INVALID_ARGUMENT, "no experiment is given: FILE.c, or a run's folder");
    if (!tn_is_folder(o->file)) return TN_OK;
    TN_TRY(read_origin(o->file, out, err));
    if (o->model) out->model = o->model;
    return TN_OK;
}

/* ==== checking ==== */

static tn_code check(const tn_job *j, tn_error *err)
{
    tn_buf problems = {0};
    const tn_listener *l = j->listener;
    char *rest = NULL, first[500] = "";
    tn_check_experiment(j->experiment.experiment, j->model.model != NULL, &problems);
    if (j->model.model) tn_check_model(j->model.model, &problems);
    tn_code code = tn_buf_check(&problems, err);
    int n = tn_problem_count(&problems);
    for (char *line = n ? strtok_r(problems.data, "\n", &rest) : NULL; line;
         line = strtok_r(NULL, "\n", &rest)) {
        if (!*first) snprintf(first, sizeof first, "%s", line);
        if (l && l->words) l->words(l->payload, line);
    }
    tn_buf_free(&problems);
    if (code != TN_OK || !n) return code;
    tn_fail(err, TN_INVALID_ARGUMENT, "%d field%s of the record %s missing or wrong: %s%s", n,
            n == 1 ? "" : "s", n == 1 ? "is" : "are", first, n > 1 ? " ..." : "");
    return tn_job_blame(j, TN_INVALID_ARGUMENT, err);
}

/* ==== opening ==== */

static tn_code set_one(tn_job *j, const char *text, tn_error *err)
{
    const char *equal = strchr(text, '=');
    char name[200];
    if (!equal || equal == text || (size_t)(equal - text) >= sizeof name)
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%.200s' is not of the form name=value", text);
    snprintf(name, sizeof name, "%.*s", (int)(equal - text), text);
    return tn_settings_set(&j->settings, name, equal + 1, err);
}

static tn_code give_settings(tn_job *j, const tn_job_options *o, const origin *from, tn_error *err)
{
    const tn_experiment *e = j->experiment.experiment;
    j->own_model = (tn_model){.name = e->name, .model = e->model};
    j->the_model = j->model.model ? j->model.model : &j->own_model;
    TN_TRY(tn_settings_new(e, j->model.model, &j->settings, err));
    j->model_settings = j->settings.values[j->model.model ? 1 : 0];
    if (from->settings) TN_TRY(tn_settings_load(&j->settings, from->settings, err));
    j->changed = from->settings && (o->settings_file || o->n_set || o->model);
    if (o->settings_file) TN_TRY(tn_settings_load(&j->settings, o->settings_file, err));
    for (int i = 0; i < o->n_set; i++) TN_TRY(set_one(j, o->set[i], err));
    return TN_OK;
}

static tn_code find_folder(tn_job *j, const origin *from, tn_error *err)
{
    const char *dir = from->folder && tn_is_folder(from->folder)
                          ? from->folder
                          : tn_path_dir(from->arena, j->experiment.source);
    j->folder = dir ? tn_strdup(dir) : NULL;
    return j->folder ? TN_OK : tn_no_memory(err, 0);
}

static tn_code open_job(tn_job *j, const tn_job_options *o, origin *from, tn_error *err)
{
    TN_TRY(find_origin(o, from, err));
    TN_TRY(tn_module_load(from->file, from->folder, false, o->listener, &j->experiment, err));
    if (from->model) TN_TRY(tn_module_load(from->model, from->folder, true, o->listener, &j->model, err));
    TN_TRY(check(j, err));
    TN_TRY(find_folder(j, from, err));
    j->memory_limit = o->memory_limit;
    j->time_limit = o->time_limit;
    return give_settings(j, o, from, err);
}

tn_code tn_job_open(const tn_job_options *o, tn_job **out, tn_error *err)
{
    tn_job *j = tn_calloc(1, sizeof *j);
    origin from = {.arena = tn_arena_new(0)};
    if (j) j->listener = o->listener;
    tn_code code = j && from.arena ? open_job(j, o, &from, err) : tn_no_memory(err, sizeof *j);
    tn_arena_free(from.arena);
    if (code == TN_OK)
        *out = j;
    else
        tn_job_close(j);
    return code;
}

void tn_job_close(tn_job *j)
{
    if (!j) return;
    tn_asker_free(j->asker);
    tn_settings_free(&j->settings);
    tn_module_close(&j->model);
    tn_module_close(&j->experiment);
    tn_free(j->folder);
    tn_free(j);
}

/* ==== looking at it ==== */

const tn_experiment *tn_job_experiment(const tn_job *j)
{
    return j->experiment.experiment;
}
const tn_settings *tn_job_settings(const tn_job *j)
{
    return j->settings.values[0];
}
const tn_run_settings *tn_job_run_settings(const tn_job *j)
{
    return &j->settings.run;
}

char *tn_job_help(const tn_job *j)
{
    tn_buf text = {0};
    tn_settings_help(&j->settings, &text);
    return tn_buf_take(&text, NULL);
}

void tn_job_news(const tn_job *j, const tn_news *news)
{
    if (j->listener && j->listener->news) j->listener->news(j->listener->payload, news);
}

/* ==== what it is made of ==== */

tn_code tn_job_blame(const tn_job *j, tn_code code, tn_error *err)
{
    const char *source = j->experiment.source, *model = j->model.source;
    if (code == TN_OK || !source) return code;
    if (model)
        tn_wrap(err, "%s with %s", tn_path_base(source), tn_path_base(model));
    else
        tn_wrap(err, "%s", tn_path_base(source));
    return code;
}

tn_code tn_job_data(const tn_job *j, const char *set, tn_data **out, tn_error *err)
{
    const tn_experiment *e = j->experiment.experiment;
    tn_data *d;
    bool test = !strcmp(set, "test"), validate = !strcmp(set, "validate");
    if (!test && !validate && strcmp(set, "train"))
        return tn_fail(err, TN_INVALID_ARGUMENT, "there is no data set '%s': train, validate or test", set);
    void (*make)(tn_data *, const tn_settings *) = test ? e->test : validate ? e->validate : e->train;
    if (!make) return tn_fail(err, TN_FAILED_PRECONDITION, "the experiment '%s' has no .%s", e->name, set);
    TN_TRY(tn_data_open(j->folder, tn_job_settings(j), &d, err));
    make(d, tn_job_settings(j));
    tn_code code = tn_data_check(d, set, err);
    if (code == TN_OK)
        *out = d;
    else
        tn_data_close(d);
    return tn_job_blame(j, code, err);
}

tn_code tn_job_session(const tn_job *j, tn_graph *g, tn_session **out, tn_error *err)
{
    tn_session_options o = {.threads = (int)j->settings.run.threads,
                            .seed = (uint64_t)j->settings.run.seed,
                            .memory_limit = j->memory_limit,
                            .time_limit = j->time_limit};
    return tn_session_new(g, &o, out, err);
}

static tn_code check_validation(const tn_job *j, const tn_data *train, tn_error *err)
{
    tn_data *d;
    if (!j->experiment.experiment->validate) return TN_OK;
    TN_TRY(tn_job_data(j, "validate", &d, err));
    tn_code code = tn_job_blame(j, tn_data_alike(train, d, "validate", err), err);
    tn_data_close(d);
    return code;
}

tn_code tn_job_summary(tn_job *j, char **out, tn_error *err)
{
    tn_data *d = NULL;
    tn_network *n = NULL;
    tn_serving *s = NULL;
    TN_TRY(tn_job_data(j, "train", &d, err));
    tn_code code = check_validation(j, d, err);
    if (code == TN_OK) code = tn_network_new(j, d, true, &n, err);
    if (code == TN_OK) code = tn_serving_new(j, d, &s, err);
    if (code == TN_OK && !(*out = tn_model_summary(n->graph))) code = tn_no_memory(err, 0);
    tn_serving_free(s);
    tn_network_free(n);
    tn_data_close(d);
    return code;
}
