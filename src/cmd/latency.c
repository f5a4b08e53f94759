/* SPDX-License-Identifier: Apache-2.0
 *
 * latency.c - a histogram of microseconds: 32 steps for each doubling.
 */
#include "latency.h"

#include <errno.h>
#include <time.h>

enum { BAR = 40 };

static const struct {
    const char *name;
    double share;
} percentiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};
enum { N_PERCENTILES = sizeof percentiles / sizeof *percentiles };

int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void sleep_until(int64_t us)
{
    struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
}

/* Below 32 each microsecond has its own place; then 32 places for each doubling. */
static int place(int64_t us)
{
    int octave = 0;
    while (us >> octave >= 2 * LATENCY_STEPS && octave < LATENCY_OCTAVES - 2) octave++;
    int64_t step = us >> octave;
    if (step >= 2 * LATENCY_STEPS) step = 2 * LATENCY_STEPS - 1;
    return octave * LATENCY_STEPS + (int)step;
}

static double start_of(int p)
{
    int octave = p / LATENCY_STEPS ? p / LATENCY_STEPS - 1 : 0;
    return (double)((int64_t)(p - octave * LATENCY_STEPS) << octave);
}

void latency_add(latency *l, int64_t us)
{
    if (us < 0) us = 0;
    atomic_fetch_add_explicit(&l->counts[place(us)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&l->n, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&l->sum, us, memory_order_relaxed);
    long long most = atomic_load_explicit(&l->most, memory_order_relaxed);
    while (us > most && !atomic_compare_exchange_weak(&l->most, &most, us)) {
    }
}

double latency_at(const latency *l, double share)
{
    double wanted = share * (double)l->n, sum = 0;
    if (!l->n) return 0;
    for (int p = 0; p + 1 < LATENCY_OCTAVES * LATENCY_STEPS; p++)
        if ((sum += (double)l->counts[p]) >= wanted && l->counts[p]) {
            double end = start_of(p + 1);
            return (end < (double)l->most ? end : (double)l->most) / 1e3;
        }
    return latency_most(l);
}

double latency_mean(const latency *l)
{
    return l->n ? (double)l->sum / (double)l->n / 1e3 : 0;
}

double latency_most(const latency *l)
{
    return (double)l->most / 1e3;
}

/* ==== output ==== */

/* Of the places that begin half a doubling. */
static long long count_half(const latency *l, int first)
{
    long long n = 0;
    for (int i = 0; i < LATENCY_STEPS / 2; i++) n += l->counts[first + i];
    return n;
}

static void print_bars(const latency *l, FILE *to)
{
    int begin = -1, end = 0, half = LATENCY_STEPS / 2;
    long long most = 1;
    for (int p = 0; p < LATENCY_OCTAVES * LATENCY_STEPS; p += half) {
        long long n = count_half(l, p);
        if (!n) continue;
        if (begin < 0) begin = p;
        end = p;
        if (n > most) most = n;
    }
    for (int p = begin; p >= 0 && p <= end; p += half) {
        long long n = count_half(l, p);
        int bar = (int)(n * BAR / most);
        fprintf(to, "  %10.3f ms %9lld %.*s\n", start_of(p) / 1e3, n, bar, "########################################");
    }
}

void latency_line(const latency *l, FILE *to)
{
    fprintf(to, "latency (ms): mean %.3f", latency_mean(l));
    for (int i = 0; i < N_PERCENTILES; i++)
        fprintf(to, ", %s %.3f", percentiles[i].name, latency_at(l, percentiles[i].share));
    fprintf(to, ", max %.3f\n", latency_most(l));
}

void latency_print(const latency *l, FILE *to)
{
    latency_line(l, to);
    print_bars(l, to);
}

void latency_json(const latency *l, FILE *to)
{
    const char *comma = "";
    fprintf(to, "\"latency_ms\":{\"mean\":%.3f", latency_mean(l));
    for (int i = 0; i < N_PERCENTILES; i++)
        fprintf(to, ",\"%s\":%.3f", percentiles[i].name, latency_at(l, percentiles[i].share));
    fprintf(to, ",\"max\":%.3f},\"histogram\":[", latency_most(l));
    for (int p = 0; p < LATENCY_OCTAVES * LATENCY_STEPS; p++) {
        if (!l->counts[p]) continue;
        fprintf(to, "%s[%.3f,%lld]", comma, start_of(p) / 1e3, (long long)l->counts[p]);
        comma = ",";
    }
    fputc(']', to);
}
