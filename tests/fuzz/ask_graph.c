/* SPDX-License-Identifier: Apache-2.0
 *
 * ask_graph.c - a graph is run once, for fuzz targets: placeholders are fed small values, one node is fetched. Bounded in memory and
 * time; without files.
 */
#include "ask_graph.h"

#include <stdlib.h>

#include "plan/session.h"

enum { MOST_FEEDS = 16 };

/* Unknown dimensions become small ones; elements count up from -1. */
static tn_tensor *small_value(const tn_operation *op)
{
    tn_shape s = op->out[0].shape;
    tn_tensor *t;
    if (s.rank < 0) s = TN_SHAPE(2, 3);
    for (int i = 0; i < s.rank; i++)
        if (s.dim[i] < 0) s.dim[i] = 2 + i % 2;
    int64_t n = tn_shape_count(&s);
    if (n < 0 || n > 4096 || tn_tensor_new(tn_dtype_base(op->out[0].dtype), &s, &t, NULL) != TN_OK) return NULL;
    for (int64_t i = 0; i < n; i++) {
        if (t->dtype == TN_STRING) tn_string_set(t, i, "1 a,b", (size_t)(i % 6), NULL);
        else if (tn_dtype_is_pod(t->dtype)) tn_tensor_set_number(t, i, (double)(i % 7) - 1);
    }
    return t;
}

static bool is_placeholder(const tn_operation *op)
{
    return strncmp(op->type, "Placeholder", 11) == 0 && op->n_in == 0 && op->n_out == 1 && tn_dtype_size(op->out[0].dtype) &&
           op->out[0].dtype != TN_RESOURCE && op->out[0].dtype != TN_VARIANT;
}

void tn_ask_graph(tn_graph *g, const tn_operation *op, unsigned passes_off)
{
    const char *names[MOST_FEEDS], *fetch = op->name, *target = op->name;
    tn_feed feeds[MOST_FEEDS];
    int n = 0;
    tn_tensor *out = NULL;
    tn_session *s;
    tn_error err = {0};
    tn_session_options o = {.threads = 1, .passes_off = passes_off, .memory_limit = (size_t)1 << 24, .time_limit = 0.3, .seed = 1};
    if (tn_session_new(g, &o, &s, &err) != TN_OK) return;
    tn_session_set_outside(s, NULL);
    for (int i = 0; i < tn_graph_count(g) && n < MOST_FEEDS; i++) {
        tn_operation *p = tn_graph_at(g, i);
        tn_tensor *value = is_placeholder(p) ? small_value(p) : NULL;
        if (!value) continue;
        names[n] = p->name;
        feeds[n] = (tn_feed){names[n], value};
        n++;
    }
    bool value = op->n_out > 0;
    tn_code code = tn_session_run(s, feeds, n, &fetch, value, &out, &target, !value, &err);
    if (code == TN_OK && value) tn_text_free(tn_tensor_text(out, 20));
    if (code == TN_INTERNAL && getenv("FUZZ_INTERNAL")) fprintf(stderr, "%s\n", err.message);
    tn_tensor_unref(out);
    while (n--) tn_tensor_unref((tn_tensor *)feeds[n].value);
    tn_session_free(s);
}

