/* SPDX-License-Identifier: Apache-2.0
 *
 * export.c - `turnery export`: a run's newest checkpoint as a SavedModel; version = step.
 */
#include "experiment.h"

typedef struct values {
    job_values job;
    const char *to;
} values;

static const flag flags[] = {
    JOB_FLAGS(values),
    {"to", FLAG_STRING, offsetof(values, to), "DIR", "where the numbered version is put (the run's exports)"},
    FLAGS_END,
};

static tn_code run(int argc, char **argv, tn_error *err)
{
    values v = {.to = NULL};
    strings rest = {.n = 0};
    tn_job *job;
    char *folder = NULL, *path = NULL;
    tn_listener l = {.words = job_words};
    tn_code code = job_parse(flags, argc, argv, &v, &v.job, &rest, err);
    if (code != TN_OK) return code;
    if ((code = job_open_run(&v.job, &rest, NULL, &l, &job, &folder, err)) != TN_OK) return code;
    code = tn_job_export(job, folder, v.to, &path, err);
    if (code == TN_OK && v.job.json) {
        fputs("{\"event\":\"export\",\"path\":", stdout);
        json_text(stdout, path);
        fputs("}\n", stdout);
    } else if (code == TN_OK) {
        printf("%s\n", path);
    }
    tn_text_free(path);
    tn_text_free(folder);
    tn_job_close(job);
    return code;
}

const command cmd_export = {
    .name = "export",
    .summary = "Exports a run's newest checkpoint as a SavedModel",
    .usage = "[RUN|FILE.c] [FLAGS] [--SETTING=VALUE ...]",
    .flags = flags,
    .run = run,
};
