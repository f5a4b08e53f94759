/* SPDX-License-Identifier: Apache-2.0
 *
 * train.c - `turnery train`: trains an experiment, or goes on with a run. A live line on a terminal, plain
 * lines in a pipe, JSON objects for programs.
 */
#include "experiment.h"

#include <math.h>
#include <signal.h>
#include <string.h>

typedef struct values {
    job_values job;
    const char *resume;
    bool fall_back;
} values;

static const flag flags[] = {
    JOB_FLAGS(values),
    {"resume", FLAG_STRING, offsetof(values, resume), "RUN",
     "go on with a run; without a name the newest of the experiment"},
    {"fall_back", FLAG_BOOL, offsetof(values, fall_back), NULL,
     "when the newest checkpoint is damaged, take the one before it"},
    FLAGS_END,
};

/* ==== stopping ==== */

static volatile int stop_asked;

static void ask_to_stop(int signum)
{
    if (stop_asked) signal(signum, SIG_DFL); /* a third time ends it at once */
    stop_asked++;
}

static void catch_signals(void)
{
    struct sigaction a = {.sa_handler = ask_to_stop};
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

/* ==== words ==== */

typedef struct printer {
    bool live, color, line_open;
} printer;

static void close_line(printer *p)
{
    if (p->line_open) fputs("\r\033[K", stdout);
    p->line_open = false;
}

static void duration(char *out, size_t n, double s)
{
    if (!isfinite(s) || s < 0)
        snprintf(out, n, "?");
    else if (s < 100)
        snprintf(out, n, "%.0f s", s);
    else if (s < 6000)
        snprintf(out, n, "%.0f min", s / 60);
    else
        snprintf(out, n, "%.1f h", s / 3600);
}

static void print_step(printer *p, const tn_news *n)
{
    char left[40];
    close_line(p);
    duration(left, sizeof left, n->steps_per_s > 0 ? (double)(n->max_steps - n->step) / n->steps_per_s : NAN);
    printf("step %lld/%lld  loss %.6g  %.1f steps/s  %s left", (long long)n->step, (long long)n->max_steps,
           n->loss, n->steps_per_s, left);
    if (p->live)
        p->line_open = true;
    else
        putchar('\n');
    fflush(stdout);
}

static void print_end(printer *p, const tn_news *n)
{
    const char *bold = p->color ? "\033[1m" : "", *plain = p->color ? "\033[0m" : "";
    printf("%s%s at step %lld after %.1f s", bold,
           !strcmp(n->reason, "stopped")  ? "stopped"
           : !strcmp(n->reason, "failed") ? "failed"
                                          : "done",
           (long long)n->step, n->seconds);
    if (n->n_metrics) fputs(": ", stdout), print_metrics(stdout, n);
    printf("%s\nrun %s\n", plain, n->run);
    if (!strcmp(n->reason, "stopped")) printf("go on with: turnery train --resume %s\n", n->run);
}

static void say(void *payload, const tn_news *n)
{
    printer *p = payload;
    switch (n->kind) {
    case TN_NEWS_START: printf("run %s\n", n->run); break;
    case TN_NEWS_PROGRESS:
        if (p->live && n->step) print_step(p, n);
        break;
    case TN_NEWS_STEP: print_step(p, n); break;
    case TN_NEWS_VALIDATION:
        close_line(p);
        printf("step %lld  validation: ", (long long)n->step);
        print_metrics(stdout, n);
        putchar('\n');
        break;
    case TN_NEWS_CHECKPOINT:
        close_line(p);
        printf("step %lld  checkpoint %s\n", (long long)n->step, n->path);
        break;
    case TN_NEWS_EXPORT:
        close_line(p);
        printf("step %lld  export %s\n", (long long)n->step, n->path);
        break;
    case TN_NEWS_END:
        close_line(p);
        print_end(p, n);
        break;
    }
    fflush(stdout);
}

/* ==== JSON ==== */

static void open_event(const char *event, const tn_news *n)
{
    printf("{\"event\":\"%s\",\"step\":%lld", event, (long long)n->step);
}

static void member_number(const char *key, double v)
{
    printf(",\"%s\":", key);
    json_number(stdout, v);
}

static void member_text(const char *key, const char *v)
{
    printf(",\"%s\":", key);
    json_text(stdout, v);
}

static void member_metrics(const tn_news *n)
{
    fputs(",\"metrics\":", stdout);
    json_metrics(stdout, n);
}

static void say_json(void *payload, const tn_news *n)
{
    (void)payload;
    switch (n->kind) {
    case TN_NEWS_PROGRESS: return;
    case TN_NEWS_START:
        open_event("start", n);
        member_text("run", n->run);
        printf(",\"max_steps\":%lld", (long long)n->max_steps);
        break;
    case TN_NEWS_STEP:
        open_event("step", n);
        member_number("loss", n->loss);
        member_number("steps_per_s", n->steps_per_s);
        break;
    case TN_NEWS_VALIDATION:
        open_event("validation", n);
        member_metrics(n);
        break;
    case TN_NEWS_CHECKPOINT:
        open_event("checkpoint", n);
        member_text("path", n->path);
        break;
    case TN_NEWS_EXPORT:
        open_event("export", n);
        member_text("path", n->path);
        break;
    case TN_NEWS_END:
        open_event("end", n);
        member_text("reason", n->reason);
        member_number("loss", n->loss);
        member_number("steps_per_s", n->steps_per_s);
        member_metrics(n);
        member_text("run", n->run);
        break;
    }
    fputs("}\n", stdout);
    fflush(stdout);
}

/* ==== the command ==== */

/* "--resume" alone means "--resume=". */
static void allow_bare_resume(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        bool bare = !strcmp(argv[i], "--resume");
        bool named = i + 1 < argc && argv[i + 1][0] != '-' && !is_source(argv[i + 1]);
        if (bare && !named) argv[i] = "--resume=";
    }
}

static tn_code run(int argc, char **argv, tn_error *err)
{
    values v = {.fall_back = false};
    strings rest = {.n = 0};
    char *folder = NULL;
    tn_job *job = NULL;
    allow_bare_resume(argc, argv);
    tn_code code = job_parse(flags, argc, argv, &v, &v.job, &rest, err);
    if (code != TN_OK) return code;
    printer p = {.live = is_terminal(stdout), .color = has_color(stdout)};
    tn_listener l = {.payload = &p, .words = job_words, .news = v.job.json ? say_json : say};
    if (v.resume)
        code = job_open_run(&v.job, &rest, v.resume, &l, &job, &folder, err);
    else
        code = job_open(&v.job, &rest, &l, &job, NULL, err);
    if (code != TN_OK) return code;
    catch_signals();
    tn_train_options o = {.logdir = v.job.logdir,
                          .resume = v.resume ? folder : NULL,
                          .fall_back = v.fall_back,
                          .stop = &stop_asked};
    code = tn_job_train(job, &o, err);
    close_line(&p);
    tn_job_close(job);
    tn_text_free(folder);
    return code;
}

const command cmd_train = {
    .name = "train",
    .summary = "Trains an experiment, watching, saving and exporting on the way",
    .usage = "FILE.c|RUN [FLAGS] [--SETTING=VALUE ...]",
    .usage_more = "--resume RUN [FLAGS] [--SETTING=VALUE ...]",
    .flags = flags,
    .run = run,
};
