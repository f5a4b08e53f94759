/* SPDX-License-Identifier: Apache-2.0
 *
 * experiment.c - what the commands that work with experiments share.
 */
#include "experiment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ==== arguments ==== */

/* "--name=value" or "--name value" -> "name=value" among the settings; returns how many arguments it took. */
static int take_setting(const flag *flags, int argc, char **argv, int i, strings *set, tn_error *err)
{
    char *name = argv[i] + 2;
    if (set->n == (int)(sizeof set->v / sizeof *set->v)) return usage_error(err, "too many settings"), 0;
    if (strchr(name, '=')) {
        set->v[set->n++] = name;
        return 1;
    }
    if (i + 1 >= argc || !strncmp(argv[i + 1], "--", 2)) {
        const char *near = flags_nearest(flags, name, strlen(name));
        return usage_error(err, "--%s: unknown flag, or a setting without a value%s%s%s", name,
                           near ? " (did you mean --" : "", near ? near : "", near ? "?)" : ""), 0;
    }
    size_t size = strlen(name) + strlen(argv[i + 1]) + 2;
    char *joined = malloc(size); /* takes the arguments' place, and lives as long as they do */
    if (!joined) return no_memory(err), 0;
    snprintf(joined, size, "%s=%s", name, argv[i + 1]);
    set->v[set->n++] = argv[i] = joined;
    return 2;
}

/* "--set name=value" or "--set=name=value", among the others in the order given: the last one of a name
 * counts. */
static int take_set(int argc, char **argv, int i, strings *set)
{
    bool joined = !strncmp(argv[i], "--set=", 6), apart = !strcmp(argv[i], "--set") && i + 1 < argc;
    if ((!joined && !apart) || set->n == (int)(sizeof set->v / sizeof *set->v)) return 0;
    set->v[set->n++] = joined ? argv[i] + 6 : argv[i + 1];
    return joined ? 1 : 2;
}

/* Parts the arguments: the command's own, in `own`, of which there are *n then, and settings. */
static tn_code part(const flag *flags, int argc, char **argv, char **own, int *n, strings *set, tn_error *err)
{
    for (int i = 0; i < argc;) {
        int took = take_set(argc, argv, i, set);
        i += took;
        if (took) continue;
        const char *equal = strchr(argv[i], '=');
        bool is_flag = !strncmp(argv[i], "--", 2) && argv[i][2], negated;
        size_t n_name = is_flag ? (equal ? (size_t)(equal - argv[i]) : strlen(argv[i])) - 2 : 0;
        const flag *f = is_flag ? flags_find(flags, argv[i] + 2, n_name, &negated) : NULL;
        if (is_flag && !f) {
            took = take_setting(flags, argc, argv, i, set, err);
            if (!took) return TN_INVALID_ARGUMENT;
            i += took;
            continue;
        }
        own[(*n)++] = argv[i++];
        if (f && f->kind != FLAG_BOOL && !equal && i < argc) own[(*n)++] = argv[i++];
    }
    return TN_OK;
}

tn_code job_parse(const flag *flags, int argc, char **argv, void *values, job_values *v, strings *rest,
                  tn_error *err)
{
    char **own = calloc((size_t)argc + 1, sizeof *own);
    int n = 0;
    tn_code code = own ? part(flags, argc, argv, own, &n, &v->set, err) : no_memory(err);
    if (code == TN_OK) code = flags_parse(flags, n, own, values, rest, err);
    free(own);
    return code;
}

bool is_source(const char *name)
{
    size_t n = strlen(name);
    return n > 2 && (!strcmp(name + n - 2, ".c") || (n > 3 && !strcmp(name + n - 3, ".py")));
}

tn_code job_open(const job_values *v, const strings *rest, const tn_listener *l, tn_job **job, char **run,
                 tn_error *err)
{
    const char *what = v->usersettings ? v->usersettings : rest->n == 1 ? rest->v[0] : NULL;
    char *folder = NULL;
    if (!what || rest->n > 1)
        return usage_error(err, "one experiment is wanted (FILE.c, or a run), %d are given", rest->n);
    if (!is_source(what)) {
        tn_code code = tn_find_run(v->logdir, what, NULL, &folder, err);
        if (code != TN_OK) return code;
    }
    tn_job_options o = {.file = folder ? folder : what,
                        .model = v->model,
                        .settings_file = v->settings,
                        .set = v->set.v,
                        .n_set = v->set.n,
                        .memory_limit = v->limits.memory,
                        .time_limit = v->limits.time,
                        .listener = l};
    tn_code code = tn_job_open(&o, job, err);
    if (code == TN_OK && run)
        *run = folder;
    else
        tn_text_free(folder);
    return code;
}

tn_code job_open_run(const job_values *v, strings *rest, const char *which, const tn_listener *l,
                     tn_job **job, char **run, tn_error *err)
{
    char settings[4200];
    job_values with = *v;
    const char *newest = which && *which ? which : "latest";
    if (!rest->n && !v->usersettings) rest->v[rest->n++] = newest;
    tn_code code = job_open(v, rest, l, job, run, err);
    if (code != TN_OK || *run) return code;
    code = tn_find_run(v->logdir, newest, tn_job_experiment(*job)->name, run, err);
    tn_job_close(*job);
    if (code != TN_OK) return code;
    snprintf(settings, sizeof settings, "%s/settings.json", *run);
    if (!v->settings) with.settings = settings;
    char *none;
    code = job_open(&with, rest, l, job, &none, err);
    if (code != TN_OK) tn_text_free(*run);
    return code;
}

void job_words(void *payload, const char *line)
{
    (void)payload;
    fprintf(stderr, "%s\n", line);
}

/* ==== output ==== */

bool is_terminal(FILE *f)
{
    return isatty(fileno(f)) && (!getenv("TERM") || strcmp(getenv("TERM"), "dumb"));
}

bool has_color(FILE *f)
{
    const char *no = getenv("NO_COLOR");
    return is_terminal(f) && (!no || !*no);
}

/* What is no UTF-8, as in a message about a damaged file, stands as U+FFFD. */
void json_text(FILE *f, const char *s)
{
    putc('"', f);
    for (size_t left = s ? strlen(s) : 0, k; left; s += k, left -= k) {
        unsigned char c = (unsigned char)*s;
        size_t whole = utf8_step((const unsigned char *)s, left);
        k = whole ? whole : 1;
        if (c == '"' || c == '\\')
            fprintf(f, "\\%c", c);
        else if (c < 0x20)
            fprintf(f, "\\u%04x", c);
        else if (whole)
            fwrite(s, 1, whole, f);
        else
            fputs("\\ufffd", f);
    }
    putc('"', f);
}

void json_number(FILE *f, double v)
{
    if (isfinite(v))
        fprintf(f, "%.9g", v);
    else
        fputs("null", f);
}

void json_metrics(FILE *f, const tn_news *n)
{
    putc('{', f);
    for (int i = 0; i < n->n_metrics; i++) {
        if (i) putc(',', f);
        json_text(f, n->names[i]);
        putc(':', f);
        json_number(f, n->values[i]);
    }
    putc('}', f);
}

void print_metrics(FILE *f, const tn_news *n)
{
    for (int i = 0; i < n->n_metrics; i++) fprintf(f, "%s%s %.6g", i ? "  " : "", n->names[i], n->values[i]);
}
