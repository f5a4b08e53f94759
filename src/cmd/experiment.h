/* SPDX-License-Identifier: Apache-2.0
 *
 * experiment.h - what the commands that work with experiments share: their flags, settings among the arguments,
 * words and numbers for people and for programs.
 */
#ifndef TN_CMD_EXPERIMENT_H
#define TN_CMD_EXPERIMENT_H

#include "cmd.h"

#include <stdio.h>

typedef struct job_values { /* begins the struct of values of every command that opens a job */
    const char *model, *settings, *usersettings, *logdir;
    strings set;
    limits limits;
    bool json;
} job_values;
#define JOB_FLAGS(T)                                                                                    \
    {"set", FLAG_STRINGS, offsetof(T, job.set), "NAME=VALUE", "a setting; --NAME=VALUE does the same"}, \
        {"settings", FLAG_STRING, offsetof(T, job.settings), "FILE",                                    \
         "settings as JSON; a run's settings.json, too"},                                               \
        {"model", FLAG_STRING, offsetof(T, job.model), "MODEL.c",                                       \
         "a model that takes the place of the experiment's"},                                           \
        {"logdir", FLAG_STRING, offsetof(T, job.logdir), "DIR", "where runs are (runs)"},               \
        {"usersettings", FLAG_STRING, offsetof(T, job.usersettings), "FILE.c",                          \
         "the experiment, for those used to the name"},                                                 \
        LIMIT_FLAGS(T, job.limits),                                                                     \
    {                                                                                                   \
        "json", FLAG_BOOL, offsetof(T, job.json), NULL, "one JSON object a line instead of words"       \
    }

/* flags_parse, but flags that the command does not have become settings. */
tn_code job_parse(const flag *flags, int argc, char **argv, void *values, job_values *v, strings *rest,
                  tn_error *err);
/* Opens what the one argument names: FILE.c, a run's folder, a run's name, "latest". run (may be NULL)
 * becomes the run's folder; NULL when a file was named. */
tn_code job_open(const job_values *v, const strings *rest, const tn_listener *l, tn_job **job, char **run,
                 tn_error *err);
/* The same for commands that work on a run: where FILE.c is named, on its newest run (or `which`, when not
 * NULL), with that run's settings. */
tn_code job_open_run(const job_values *v, strings *rest, const char *which, const tn_listener *l,
                     tn_job **job, char **run, tn_error *err);
/* The listener's words: the compiler's, and the checker's, to stderr. */
void job_words(void *payload, const char *line);

/* ==== output ==== */
bool is_source(const char *name); /* FILE.c, rather than a run */
bool is_terminal(FILE *f);
bool has_color(FILE *f);
void json_text(FILE *f, const char *s); /* quoted and escaped */
void json_number(FILE *f, double v);    /* NaN as null */
void json_metrics(FILE *f, const tn_news *n);
void print_metrics(FILE *f, const tn_news *n);

#endif
