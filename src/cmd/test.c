/* SPDX-License-Identifier: Apache-2.0
 *
 * test.c - `turnery test`: a run's metrics on a data set; or one sample after another, typed by the user.
 */
#include "experiment.h"

#include <stdlib.h>
#include <string.h>

typedef struct values {
    job_values job;
    const char *data;
    bool samples;
} values;

static const flag flags[] = {
    JOB_FLAGS(values),
    {"data", FLAG_STRING, offsetof(values, data), "SET",
     "test, validate or train (test; validate where there is none)"},
    {"samples", FLAG_BOOL, offsetof(values, samples), NULL,
     "ask about one sample after another from the terminal"},
    FLAGS_END,
};

/* ==== metrics ==== */

static void say(void *payload, const tn_news *n)
{
    const values *v = payload;
    if (v->job.json) {
        fputs("{\"event\":\"test\",\"data\":", stdout);
        json_text(stdout, v->data);
        printf(",\"step\":%lld,\"metrics\":", (long long)n->step);
        json_metrics(stdout, n);
        fputs(",\"run\":", stdout);
        json_text(stdout, n->run);
        fputs("}\n", stdout);
    } else {
        printf("%s at step %lld: ", v->data, (long long)n->step);
        print_metrics(stdout, n);
        putchar('\n');
    }
}

/* ==== samples ==== */

static tn_code answer_one(tn_job *job, const char *run, int64_t index, const char *line, tn_error *err)
{
    char *answer = NULL;
    tn_code code = tn_job_ask(job, run, index, line, &answer, err);
    if (code == TN_OK) printf("%s\n", answer);
    fflush(stdout);
    tn_text_free(answer);
    return code;
}

static bool sample_number(const char *text, int64_t *out)
{
    size_t digits = strspn(text, "0123456789");
    if (!digits || digits > 18 || text[digits]) return false;
    *out = strtoll(text, NULL, 10);
    return true;
}

/* A line: an empty one the next sample, "#7" sample 7, "q" the end, others what the experiment takes them
 * for. */
static tn_code ask_all(tn_job *job, const char *run, tn_error *err)
{
    char *line = NULL;
    size_t size = 0;
    int64_t next = 0;
    tn_code code = TN_OK;
    bool prompt = is_terminal(stdin);
    if (prompt) printf("Type an input; Enter takes the next sample, #7 sample 7, q ends.\n");
    while (code == TN_OK || code == TN_INVALID_ARGUMENT) {
        if (prompt) fputs("> ", stdout), fflush(stdout);
        if (getline(&line, &size, stdin) < 0) break;
        line[strcspn(line, "\r\n")] = 0;
        if (!strcmp(line, "q")) break;
        bool by_index = !*line || *line == '#';
        if (*line == '#' && !sample_number(line + 1, &next)) {
            printf("'%s' is no sample's number\n", line);
            continue;
        }
        code = answer_one(job, run, next, by_index ? NULL : line, err);
        if (code == TN_OUT_OF_RANGE && *line == '#')
            code = TN_INVALID_ARGUMENT; /* not the end of all samples */
        else if (by_index)
            next++;
        if (code == TN_INVALID_ARGUMENT) printf("%s\n", err->message);
    }
    free(line);
    return code == TN_INVALID_ARGUMENT || code == TN_OUT_OF_RANGE ? TN_OK : code;
}

static tn_code run(int argc, char **argv, tn_error *err)
{
    values v = {.samples = false};
    strings rest = {.n = 0};
    tn_job *job;
    char *folder = NULL;
    tn_listener l = {.payload = &v, .words = job_words, .news = say};
    tn_code code = job_parse(flags, argc, argv, &v, &v.job, &rest, err);
    if (code != TN_OK) return code;
    if ((code = job_open_run(&v.job, &rest, NULL, &l, &job, &folder, err)) != TN_OK) return code;
    const tn_experiment *e = tn_job_experiment(job);
    if (!v.data) v.data = e->test ? "test" : "validate";
    code = v.samples ? ask_all(job, folder, err) : tn_job_test(job, folder, v.data, err);
    tn_text_free(folder);
    tn_job_close(job);
    return code;
}

const command cmd_test = {
    .name = "test",
    .summary = "Judges a run: metrics on a data set, or answers to samples from the terminal",
    .usage = "[RUN|FILE.c] [FLAGS] [--SETTING=VALUE ...]",
    .flags = flags,
    .run = run,
};
