/* SPDX-License-Identifier: Apache-2.0
 *
 * show_folder.c - `turnery show` of a folder of checkpoints, of versions of a model, and of a run.
 */
#include "literal.h"
#include "show.h"

#include <stdlib.h>
#include <string.h>

/* ==== checkpoints ==== */

static const char *state_of(const tn_checkpoint_info *c)
{
    if (!c->is_there) return "gone";
    return c->is_latest ? "newest" : c->is_listed ? "kept" : "not listed";
}

static void checkpoint_row(const tn_checkpoint_info *c, facts *f)
{
    facts_object(f, NULL);
    facts_text(f, "prefix", c->prefix);
    if (c->step >= 0)
        facts_int(f, "step", c->step);
    else
        facts_null(f, "step");
    facts_size(f, "bytes", c->bytes);
    if (c->timestamp != 0) facts_time(f, "saved", c->timestamp);
    facts_text(f, "state", state_of(c));
    facts_end(f);
}

/* The one that training would go on from: the state file's, or without one that of the highest step. */
static const char *newest(const tn_checkpoint_list *list)
{
    const char *best = NULL;
    for (int i = 0; i < list->n; i++) {
        if (!list->v[i].is_there) continue;
        best = list->v[i].prefix;
        if (list->v[i].is_latest) break;
    }
    return best;
}

static tn_code checkpoint_facts(const char *folder, facts *f, tn_error *err)
{
    tn_checkpoint_list list = {.n = 0};
    tn_code code = tn_checkpoint_list_read(folder, &list, err);
    facts_text(f, "newest", newest(&list));
    facts_bool(f, "state_file", list.has_state);
    facts_list(f, "checkpoints");
    for (int i = 0; i < list.n; i++) checkpoint_row(&list.v[i], f);
    facts_end(f);
    for (int i = 0; code == TN_OK && i < list.n; i++) {
        if (list.v[i].is_there || !list.v[i].is_latest) continue;
        code = err->code = TN_NOT_FOUND;
        snprintf(err->message, sizeof err->message, "%s/checkpoint names '%s', which is not there", folder,
                 list.v[i].prefix);
    }
    if (list.memory) tn_checkpoint_list_free(&list);
    return code;
}

static bool is_index(const char *folder, const char *name)
{
    (void)folder;
    return ends_with(name, ".index");
}

static bool has_checkpoints(const char *folder)
{
    int n;
    char **names = names_in(folder, is_index, &n);
    if (names) free_names(names, n);
    return n > 0 || path_exists(folder, "checkpoint");
}

static bool fits_checkpoints(const look *l)
{
    return l->is_folder && has_checkpoints(l->path);
}

/* TensorFlow 1's logdir has both. */
static tn_code show_checkpoints(const show_values *v, const char *path, facts *f, tn_error *err)
{
    tn_error first = {TN_OK, ""}, next = {TN_OK, ""};
    checkpoint_facts(path, f, &first);
    if (has_events(path) && event_facts(v, path, f, &next) != TN_OK) keep_first(&first, &next);
    if (first.code != TN_OK) *err = first;
    return first.code;
}

const show_kind show_checkpoint_folder = {"checkpoints", fits_checkpoints, show_checkpoints};

/* ==== versions of a model ==== */

static void version_rows(const char *folder, const char *const *names, int n, facts *f)
{
    facts_list(f, "versions");
    for (int i = 0; i < n; i++) {
        char path[4096];
        facts_object(f, NULL);
        facts_int(f, "version", strtoll(names[i], NULL, 10));
        bool fits = snprintf(path, sizeof path, "%s/%s", folder, names[i]) < (int)sizeof path;
        facts_size(f, "bytes", fits ? bytes_below(path) : 0);
        facts_end(f);
    }
    facts_end(f);
}

static const char *newest_version(const char *const *names, int n)
{
    const char *best = NULL;
    for (int i = 0; i < n; i++)
        if (!best || strtoll(names[i], NULL, 10) > strtoll(best, NULL, 10)) best = names[i];
    return best;
}

static bool fits_versions(const look *l)
{
    int n = 0;
    char **names = l->is_folder ? names_in(l->path, is_version, &n) : NULL;
    if (names) free_names(names, n);
    return n > 0;
}

/* All of them by number, the newest in full: the one that is served. */
static tn_code show_all_versions(const show_values *v, const char *path, facts *f, tn_error *err)
{
    int n;
    char model[4096], **names = names_in(path, is_version, &n);
    if (!n) return usage_error(err, "%s has no numbered version of a model", path);
    version_rows(path, (const char *const *)names, n, f);
    bool fits = snprintf(model, sizeof model, "%s/%s", path, newest_version((const char *const *)names, n)) <
                (int)sizeof model;
    free_names(names, n);
    if (!fits) return usage_error(err, "the path '%.100s...' is too long", path);
    facts_text(f, "newest", model);
    return show_saved_model.show(v, model, f, err);
}

const show_kind show_versions = {"versions", fits_versions, show_all_versions};

/* ==== a run ==== */

static bool fits_run(const look *l)
{
    if (!l->is_folder || !path_exists(l->path, "settings.json")) return false;
    return path_exists(l->path, "source") || path_exists(l->path, "checkpoints") ||
           path_exists(l->path, "logs");
}

static tn_code settings_facts(const char *path, facts *f, tn_error *err)
{
    char file[4096], *text;
    literal *l;
    snprintf(file, sizeof file, "%s/settings.json", path);
    tn_code code = text_of_file(file, &text, err);
    if (code != TN_OK) return code;
    code = literal_parse(text, &l, err);
    free(text);
    if (code != TN_OK) {
        char why[sizeof err->message];
        memcpy(why, err->message, sizeof why);
        why[900] = 0;
        return usage_error(err, "%.100s: %s", file, why);
    }
    literal_facts(l, "settings", f);
    literal_free(l);
    return TN_OK;
}

static tn_code exports_facts(const char *folder, facts *f)
{
    int n;
    char **names = names_in(folder, is_version, &n);
    if (n) version_rows(folder, (const char *const *)names, n, f);
    if (names) free_names(names, n);
    return TN_OK;
}

static tn_code show_run(const show_values *v, const char *path, facts *f, tn_error *err)
{
    tn_error first = {TN_OK, ""}, next = {TN_OK, ""};
    char below[4096];
    if (strlen(path) + 32 > sizeof below) return usage_error(err, "the path '%.100s...' is too long", path);
    facts_size(f, "bytes", bytes_below(path));
    settings_facts(path, f, &first);
    snprintf(below, sizeof below, "%s/checkpoints", path);
    if (path_exists(below, NULL) && checkpoint_facts(below, f, &next) != TN_OK) keep_first(&first, &next);
    snprintf(below, sizeof below, "%s/exports", path);
    exports_facts(below, f);
    snprintf(below, sizeof below, "%s/logs", path);
    next.code = TN_OK;
    if (has_events(below) && event_facts(v, below, f, &next) != TN_OK) keep_first(&first, &next);
    if (first.code != TN_OK) *err = first;
    return first.code;
}

const show_kind show_run_folder = {"run", fits_run, show_run};
