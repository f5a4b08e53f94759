/* SPDX-License-Identifier: Apache-2.0
 *
 * bench.c - `turnery bench`: times an experiment's training steps; one line, with the keys of the peers'
 * scripts in bench/training. With --server it is bench_server.c's.
 */
#include "bench.h"
#include "experiment.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

typedef struct values {
    job_values job;
    int64_t steps, blocks;
    const char *w;
} values;

static const flag flags[] = {
    JOB_FLAGS(values),
    {"steps", FLAG_INT, offsetof(values, steps), "N", "steps in a block (100)"},
    {"blocks", FLAG_INT, offsetof(values, blocks), "B", "blocks that are timed, after one to warm up (4)"},
    {"w", FLAG_STRING, offsetof(values, w), "NAME", "the workload's short name in the line that is printed"},
    FLAGS_END,
};

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double peak_rss_mb(void)
{
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) ? 0 : (double)u.ru_maxrss / 1024;
}

static void print_json(const values *v, const tn_experiment *e, const tn_bench *b, double median, double best)
{
    fputs("{\"workload\":", stdout);
    json_text(stdout, e->name);
    fputs(",\"w\":", stdout);
    json_text(stdout, v->w ? v->w : "");
    printf(",\"peer\":\"turnery\",\"mode\":\"loop\",\"steps_per_s\":%.3f,\"samples_per_s\":%.1f,\"best_steps_"
           "per_s\":%.3f,",
           1e3 / median, 1e3 * (double)b->batch / median, 1e3 / best);
    printf("\"first_step_s\":%.3f,\"peak_rss_mb\":%.1f,\"final_loss\":", b->first_step_s, peak_rss_mb());
    json_number(stdout, b->final_loss);
    printf(",\"threads\":%d,\"ms_per_step\":[", b->threads);
    for (int i = 0; i < b->n_blocks; i++) printf("%s%.4f", i ? "," : "", b->ms_per_step[i]);
    fputs("]}\n", stdout);
}

static void print(const values *v, const tn_experiment *e, const tn_bench *b)
{
    double sorted[64];
    memcpy(sorted, b->ms_per_step, sizeof sorted);
    qsort(sorted, (size_t)b->n_blocks, sizeof *sorted, ascending);
    int n = b->n_blocks;
    double median = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
    if (v->job.json)
        print_json(v, e, b, median, sorted[0]);
    else
        printf("%s: %.4f ms a step (%.4f to %.4f), %.1f steps/s, %d threads, %.1f MB\n", e->name, median,
               sorted[0], sorted[n - 1], 1e3 / median, b->threads, peak_rss_mb());
}

static tn_code run(int argc, char **argv, tn_error *err)
{
    values v = {.steps = 100, .blocks = 4};
    strings rest = {.n = 0};
    tn_job *job;
    tn_listener l = {.words = job_words};
    if (bench_wants_server(argc, argv)) return bench_server(argc, argv, err);
    tn_code code = job_parse(flags, argc, argv, &v, &v.job, &rest, err);
    if (code != TN_OK) return code;
    if ((code = job_open(&v.job, &rest, &l, &job, NULL, err)) != TN_OK) return code;
    tn_bench b = {.steps = v.steps, .blocks = v.blocks};
    code = tn_job_bench(job, &b, err);
    if (code == TN_OK) print(&v, tn_job_experiment(job), &b);
    tn_job_close(job);
    return code;
}

const command cmd_bench = {
    .name = "bench",
    .summary = "Times an experiment's training steps, or the answers of a model server",
    .usage = "FILE.c|RUN [FLAGS] [--SETTING=VALUE ...]",
    .usage_more = "--server TARGET --model NAME --input NAME=VALUE [FLAGS]",
    .flags = flags,
    .run = run,
    .more = bench_server_flags,
    .more_title = "Of a server:",
};
