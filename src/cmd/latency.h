/* SPDX-License-Identifier: Apache-2.0
 *
 * latency.h - how long things took: a histogram of microseconds that any thread adds to, within 1/32 of each value.
 */
#ifndef TN_CMD_LATENCY_H
#define TN_CMD_LATENCY_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

enum { LATENCY_STEPS = 32, LATENCY_OCTAVES = 40 };
typedef struct latency { /* {0} to begin with */
    atomic_llong counts[LATENCY_OCTAVES * LATENCY_STEPS];
    atomic_llong n, sum, most;
} latency;

int64_t now_us(void);
void sleep_until(int64_t us); /* on now_us's clock */
void latency_add(latency *l, int64_t us);
double latency_at(const latency *l, double share); /* milliseconds: 0.99 of all took no longer */
double latency_mean(const latency *l);
double latency_most(const latency *l);
void latency_line(const latency *l, FILE *to);  /* percentiles */
void latency_print(const latency *l, FILE *to); /* the same, then bars */
void latency_json(const latency *l, FILE *to);  /* "latency_ms":{...},"histogram":[[ms, count], ...] */

#endif
