/* SPDX-License-Identifier: Apache-2.0
 *
 * metrics.h - how counts are kept: cells of requests, found without a lock, and named series; metrics.c counts,
 * prometheus.c writes.
 */
#ifndef TN_SERVE_METRICS_H
#define TN_SERVE_METRICS_H

#include "serve.h"

/* TensorFlow Serving's buckets: upper limits first * growth^i, then infinity. */
typedef struct tn_buckets {
    double first, growth;
    int n; /* buckets, with that to infinity */
} tn_buckets;
enum { TN_BUCKETS = 34, TN_SERIES_BUCKETS = 53 }; /* of a cell's histograms at most, of a series' */
extern const tn_buckets tn_buckets_of_times, tn_buckets_of_examples; /* of a cell's: of its stages, of its examples */
typedef struct tn_histogram {
    atomic_llong counts[TN_BUCKETS];
    atomic_llong sum;
} tn_histogram;
/* A label's value with what would end it escaped. */
void tn_label_escape(tn_buf *out, const char *value);

typedef enum tn_stage {
    TN_STAGE_QUEUE, TN_STAGE_DECODE, TN_STAGE_COMPUTE, TN_STAGE_ENCODE, TN_STAGE_TOTAL, TN_STAGES
} tn_stage;

/* Of a cell: of all versions that are remembered no more; of none, it waits for one. */
enum { TN_VERSIONS_EARLIER = -1, TN_VERSION_NONE = -2 };
typedef struct tn_request_cell { /* all requests that are alike */
    tn_api api;
    bool rest;
    tn_code code;
    atomic_llong version; /* or TN_VERSIONS_EARLIER, TN_VERSION_NONE */
    const char *model, *signature; /* owned */
    uint64_t hash;
    tn_histogram stages[TN_STAGES], examples;
} tn_request_cell;

typedef enum tn_series_kind { TN_SERIES_COUNTER, TN_SERIES_GAUGE, TN_SERIES_HISTOGRAM } tn_series_kind;
typedef struct tn_series { /* one line, or one histogram, with its labels */
    const char *name;
    tn_series_kind kind;
    char *labels; /* `model_path="/m/1",status="OK"` */
    int64_t value; /* of a histogram the sum */
    const tn_buckets *buckets;
    int64_t *counts; /* of a histogram's buckets */
} tn_series;

enum { TN_CELL_SLOTS = 8192, TN_CELLS_MOST = 4096, TN_SERIES_MOST = 20000 };
struct tn_metrics {
    _Atomic(tn_request_cell *) slots[TN_CELL_SLOTS]; /* open addressing; a cell, once there, stays there */
    atomic_int n_cells;
    pthread_mutex_t lock; /* of making cells, of their versions, and of all series */
    tn_map *series;       /* by name and labels */
    tn_series *queuing, *batched; /* of them; NULL: not yet there */
    atomic_llong lost;    /* requests without a cell of their own: there are too many kinds */
    double started;
};

#endif
