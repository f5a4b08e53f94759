/* SPDX-License-Identifier: Apache-2.0
 *
 * ours.c - our side of the inference comparison: opens a SavedModel, says how long that and the first answer took,
 * then does what compare.py asks: "run N" times N answers, "cpu N" the processor's time for them, "save FILE" writes
 * the first output as .npy.
 *
 * usage: ours FOLDER THREADS INPUT.npy...
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <turnery.h>

enum { MOST = 16 };

static double read_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double now_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static tn_code time_runs(tn_predictor *p, const tn_tensor *const *in, int n, clockid_t clock, tn_error *err)
{
    const tn_tensor *out[MOST];
    double *us = malloc((size_t)n * sizeof *us);
    tn_code code = TN_OK;
    for (int i = 0; us && code == TN_OK && i < n; i++) {
        double start = read_us(clock);
        code = tn_predictor_run(p, in, out, err);
        us[i] = read_us(clock) - start;
    }
    if (us && code == TN_OK) {
        qsort(us, (size_t)n, sizeof *us, by_size);
        printf("{\"p50\": %.3f, \"p99\": %.3f, \"min\": %.3f}\n", us[n / 2], us[n - 1 - n / 100], us[0]);
    }
    free(us);
    return code;
}

static tn_code serve(tn_predictor *p, const tn_tensor *const *in, tn_error *err)
{
    char line[1024], file[1000];
    const tn_tensor *out[MOST];
    tn_code code = TN_OK;
    while (code == TN_OK && fgets(line, sizeof line, stdin)) {
        int n;
        if (sscanf(line, "run %d", &n) == 1 && n > 0) {
            code = time_runs(p, in, n, CLOCK_MONOTONIC, err);
        } else if (sscanf(line, "cpu %d", &n) == 1 && n > 0) {
            code = time_runs(p, in, n, CLOCK_PROCESS_CPUTIME_ID, err);
        } else if (sscanf(line, "save %999s", file) == 1) {
            if ((code = tn_predictor_run(p, in, out, err)) == TN_OK) code = tn_tensor_save(file, out[0], err);
            puts("{}");
        }
        fflush(stdout);
    }
    return code;
}

int main(int argc, char **argv)
{
    const tn_tensor *in[MOST], *out[MOST];
    tn_predictor *p = NULL;
    tn_error err;
    if (argc < 4 || argc - 3 > MOST) return 2;
    int threads = (int)strtol(argv[2], NULL, 10);
    tn_code code = TN_OK;
    for (int i = 3; code == TN_OK && i < argc; i++) {
        tn_tensor *t;
        if ((code = tn_tensor_load(argv[i], &t, &err)) == TN_OK) in[i - 3] = t;
    }
    double start = now_us();
    if (code == TN_OK) code = tn_predictor_open(argv[1], NULL, &(tn_session_options){.threads = threads}, &p, &err);
    double opened = now_us();
    if (code == TN_OK) code = tn_predictor_run(p, in, out, &err);
    double answered = now_us();
    if (code == TN_OK) {
        printf("{\"load_ms\": %.3f, \"first_ms\": %.3f}\n", (opened - start) / 1e3, (answered - opened) / 1e3);
        fflush(stdout);
        code = serve(p, in, &err);
    }
    if (code != TN_OK) fprintf(stderr, "ours: %s\n", err.message);
    tn_predictor_close(p);
    return code != TN_OK;
}
