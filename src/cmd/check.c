/* SPDX-License-Identifier: Apache-2.0
 *
 * check.c - `turnery check`: compiles an experiment, explains what is missing or wrong, builds its networks.
 */
#include "experiment.h"

typedef struct values {
    job_values job;
    bool options;
} values;

static const flag flags[] = {
    JOB_FLAGS(values),
    {"options", FLAG_BOOL, offsetof(values, options), NULL, "list all settings with their values' ranges"},
    FLAGS_END,
};

static void show_options(const tn_job *job)
{
    char *text = tn_job_help(job);
    if (text) fputs(text, stdout);
    tn_text_free(text);
}

static void show_summary(const tn_job *job, const char *summary, bool json)
{
    const tn_experiment *e = tn_job_experiment(job);
    if (json) {
        fputs("{\"event\":\"check\",\"experiment\":", stdout);
        json_text(stdout, e->name);
        fputs(",\"summary\":", stdout);
        json_text(stdout, summary);
        fputs("}\n", stdout);
    } else {
        printf("%s: complete\n%s", e->name, summary);
    }
}

static tn_code run(int argc, char **argv, tn_error *err)
{
    values v = {.options = false};
    strings rest = {.n = 0};
    tn_job *job;
    char *summary = NULL;
    tn_listener l = {.words = job_words};
    tn_code code = job_parse(flags, argc, argv, &v, &v.job, &rest, err);
    if (code != TN_OK) return code;
    if ((code = job_open(&v.job, &rest, &l, &job, NULL, err)) != TN_OK) return code;
    if (v.options)
        show_options(job);
    else if ((code = tn_job_summary(job, &summary, err)) == TN_OK)
        show_summary(job, summary, v.job.json);
    tn_text_free(summary);
    tn_job_close(job);
    return code;
}

const command cmd_check = {
    .name = "check",
    .summary = "Checks an experiment: its record, its settings, its networks",
    .usage = "FILE.c|RUN [FLAGS] [--SETTING=VALUE ...]",
    .flags = flags,
    .run = run,
};
