/* SPDX-License-Identifier: Apache-2.0
 *
 * op_trees_stats.c - where boosted trees may be split: gradients and hessians summed by node and bucket, and
 * the gain of each split of a feature. What is done with the best is op_trees_grow.c's.
 *
 * Numbers are floats, added in TensorFlow's order, where it adds floats.
 */
#include "trees.h"

#include <float.h>
#include <math.h>

void tn_tree_weigh(float g, float h, float l1, float l2, float *weight, float *gain)
{
    *weight = *gain = 0;
    if (l1 > 0) {
        if (fabsf(g) <= l1) return;
        g -= g > 0 ? l1 : -l1;
    }
    if (h + l2 <= 1e-15f) return;
    *weight = -g / (h + l2);
    *gain = -g * *weight;
}

/* ==== sums ==== */

enum { MOST_STATS = 1 << 28 };

static tn_code rows_agree(const tn_run *r, int first, tn_error *err)
{
    int64_t n = r->in[0]->shape.dim[0];
    for (int i = 1; i < r->n_in; i++)
        if (r->in[i]->shape.rank < 1 || r->in[i]->shape.dim[0] != n ||
            (i < first && r->in[i]->shape.rank != 2))
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "node_ids size should match 0th dim of gradients. node ids size: %lld",
                           (long long)n);
    return TN_OK;
}

/* Sums of doubles, [nodes, buckets, width], of a feature's column. */
typedef struct sums {
    double *v;
    int64_t nodes, buckets, pitch; /* pitch: from node to node */
} sums;

static tn_code add_row(const tn_run *r, const sums *s, int64_t i, int32_t bucket, tn_error *err)
{
    const tn_tensor *g = r->in[1], *h = r->in[2];
    int64_t node = TN_INT32S(r->in[0])[i], gs = g->shape.dim[1], hs = h->shape.dim[1];
    if (node < 0 || node >= s->nodes || bucket < 0 || bucket >= s->buckets)
        return tn_fail(err, TN_INVALID_ARGUMENT, "example %lld is of node %lld of %lld, bucket %d of %lld",
                       (long long)i, (long long)node, (long long)s->nodes, bucket, (long long)s->buckets);
    double *to = s->v + node * s->pitch + bucket * (gs + hs);
    for (int64_t k = 0; k < gs; k++) to[k] += (double)TN_FLOATS(g)[i * gs + k];
    for (int64_t k = 0; k < hs; k++) to[gs + k] += (double)TN_FLOATS(h)[i * hs + k];
    return TN_OK;
}

static void put_sums(tn_tensor *out, const double *v)
{
    for (int64_t i = 0, n = tn_tensor_count(out); i < n; i++) TN_FLOATS(out)[i] = (float)v[i];
}

static tn_code summary_run(tn_run *r, tn_error *err)
{
    int64_t nodes = tn_attr_i(r->attrs, "max_splits"), buckets = tn_attr_i(r->attrs, "num_buckets");
    TN_TRY(rows_agree(r, 3, err));
    if (r->in[1]->shape.dim[1] != 1 || r->in[2]->shape.dim[1] != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "gradients and hessians must have one column");
    double *v = tn_calloc((size_t)tn_tensor_count(r->out[0]) + 1, sizeof *v);
    if (!v) return tn_no_memory(err, 0);
    tn_code code = TN_OK;
    for (int f = 3; f < r->n_in; f++) {
        sums s = {v + (f - 3) * nodes * buckets * 2, nodes, buckets, buckets * 2};
        for (int64_t i = 0; i < r->in[0]->shape.dim[0] && code == TN_OK; i++)
            code = add_row(r, &s, i, TN_INT32S(r->in[f])[i], err);
    }
    if (code == TN_OK) put_sums(r->out[0], v);
    tn_free(v);
    return code;
}

static tn_code stats_shape(tn_infer *c, tn_shape shape, tn_error *err)
{
    int64_t n = 1;
    for (int k = 0; k < shape.rank; k++)
        if (shape.dim[k] >= 0 && (__builtin_mul_overflow(n, shape.dim[k], &n) || n > MOST_STATS))
            return tn_fail(err, TN_RESOURCE_EXHAUSTED, "'%s': statistics of more than %d numbers", c->name,
                           MOST_STATS);
    c->out[0].shape = shape;
    return TN_OK;
}

static tn_code summary_infer(tn_infer *c, tn_error *err)
{
    for (int i = 0; i < c->n_in; i++) TN_TRY(tn_infer_rank(c, i, i == 1 || i == 2 ? 2 : 1, err));
    tn_shape s = {
        .rank = 4,
        .dim = {c->n_in - 3, tn_attr_i(c->attrs, "max_splits"), tn_attr_i(c->attrs, "num_buckets"), 2}};
    return stats_shape(c, s, err);
}

/* The last bucket is of values that are not there. */
static tn_code aggregate_run(tn_run *r, tn_error *err)
{
    int64_t nodes = tn_attr_i(r->attrs, "max_splits"), buckets = tn_attr_i(r->attrs, "num_buckets") + 1;
    TN_TRY(rows_agree(r, 4, err));
    int64_t columns = r->in[3]->shape.dim[1], width = r->in[1]->shape.dim[1] + r->in[2]->shape.dim[1];
    double *v = tn_calloc((size_t)tn_tensor_count(r->out[0]) + 1, sizeof *v);
    if (!v) return tn_no_memory(err, 0);
    tn_code code = TN_OK;
    for (int64_t i = 0; i < r->in[0]->shape.dim[0] && code == TN_OK; i++)
        for (int64_t k = 0; k < columns && code == TN_OK; k++) {
            sums s = {v + k * buckets * width, nodes, buckets, columns * buckets * width};
            int32_t bucket = TN_INT32S(r->in[3])[i * columns + k];
            code = add_row(r, &s, i, bucket == -1 ? (int32_t)buckets - 1 : bucket, err);
        }
    if (code == TN_OK) put_sums(r->out[0], v);
    tn_free(v);
    return code;
}

static int64_t columns_of(const tn_infer *c, int i)
{
    return c->in[i]->shape.rank == 2 ? c->in[i]->shape.dim[1] : -1;
}

static tn_code aggregate_infer(tn_infer *c, tn_error *err)
{
    for (int i = 0; i < c->n_in; i++) TN_TRY(tn_infer_rank(c, i, i ? 2 : 1, err));
    int64_t g = columns_of(c, 1), h = columns_of(c, 2);
    tn_shape s = {.rank = 4,
                  .dim = {tn_attr_i(c->attrs, "max_splits"), columns_of(c, 3),
                          tn_attr_i(c->attrs, "num_buckets") + 1, g < 0 || h < 0 ? -1 : g + h}};
    return stats_shape(c, s, err);
}

/* ==== the best split of each node ==== */

typedef struct terms {
    float l1, l2, complexity, least_weight;
} terms;

typedef struct split {
    int node, bucket;
    float gain, left, right;
} split;

static float sum_of(const float *stats, int64_t buckets, int which)
{
    float sum = 0;
    for (int64_t b = 0; b < buckets; b++) sum += stats[2 * b + which];
    return sum;
}

/* False: the node is too light to be split. */
static bool best_of(const float *stats, int64_t buckets, const terms *t, split *out)
{
    float g = sum_of(stats, buckets, 0), h = sum_of(stats, buckets, 1), left_g = 0, left_h = 0, ignored,
          whole, best = -FLT_MAX;
    if (h < t->least_weight) return false;
    tn_tree_weigh(g, h, t->l1, t->l2, &ignored, &whole);
    out->bucket = 0;
    out->left = out->right = 0;
    for (int64_t b = 0; b < buckets; b++) {
        float left, right, left_gain, right_gain;
        left_g += stats[2 * b];
        left_h += stats[2 * b + 1];
        tn_tree_weigh(left_g, left_h, t->l1, t->l2, &left, &left_gain);
        tn_tree_weigh(g - left_g, h - left_h, t->l1, t->l2, &right, &right_gain);
        if (!(left_gain + right_gain - best >= 1e-15f)) continue;
        best = left_gain + right_gain;
        out->bucket = (int)b;
        out->left = left;
        out->right = right;
    }
    out->gain = best - whole;
    out->gain -= t->complexity;
    return true;
}

static tn_code put_splits(tn_run *r, int f, const split *v, int64_t n, tn_error *err)
{
    int each = r->n_out / 5;
    tn_shape vector = tn_shape_vector(n), matrix = {.rank = 2, .dim = {n, 1}};
    for (int k = 0; k < 5; k++) TN_TRY(tn_run_output(r, k * each + f, k < 3 ? &vector : &matrix, err));
    for (int64_t i = 0; i < n; i++) {
        TN_INT32S(r->out[f])[i] = v[i].node;
        TN_FLOATS(r->out[each + f])[i] = v[i].gain;
        TN_INT32S(r->out[2 * each + f])[i] = v[i].bucket;
        TN_FLOATS(r->out[3 * each + f])[i] = v[i].left;
        TN_FLOATS(r->out[4 * each + f])[i] = v[i].right;
    }
    return TN_OK;
}

static tn_code gains_check(const tn_run *r, tn_error *err)
{
    const tn_tensor *range = r->in[0];
    int n = r->n_in - 5;
    if (range->shape.rank != 1 || range->shape.dim[0] != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "node_id_range must be a rank 1 tensor with shape=[2]");
    for (int i = 1; i <= n; i++) {
        const tn_shape *s = &r->in[i]->shape;
        if (s->rank != 3 || s->dim[2] != 2)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "stats_summary_list[%d] must have exactly 2 numbers for a bucket", i - 1);
        if (TN_INT32S(range)[0] < 0 || TN_INT32S(range)[1] > s->dim[0])
            return tn_fail(err, TN_INVALID_ARGUMENT, "nodes %d to %d of %lld", TN_INT32S(range)[0],
                           TN_INT32S(range)[1], (long long)s->dim[0]);
    }
    for (int i = n + 1; i < r->n_in; i++)
        if (tn_tensor_count(r->in[i]) != 1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "input %d of '%s' must be a scalar", i, r->name);
    return TN_OK;
}

static tn_code gains_run(tn_run *r, tn_error *err)
{
    TN_TRY(gains_check(r, err));
    int features = r->n_in - 5, from = TN_INT32S(r->in[0])[0], to = TN_INT32S(r->in[0])[1];
    const tn_tensor *const *by = r->in + 1 + features;
    terms t = {*TN_FLOATS(by[0]), *TN_FLOATS(by[1]), *TN_FLOATS(by[2]), *TN_FLOATS(by[3])};
    split *v = tn_calloc((size_t)TN_MAX(to - from, 0) + 1, sizeof *v);
    if (!v) return tn_no_memory(err, 0);
    tn_code code = TN_OK;
    for (int f = 0; f < features && code == TN_OK; f++) {
        const tn_tensor *stats = r->in[1 + f];
        int64_t n = 0, buckets = stats->shape.dim[1];
        for (int node = from; node < to; node++)
            if (best_of(TN_FLOATS(stats) + node * buckets * 2, buckets, &t, &v[n])) v[n++].node = node;
        code = put_splits(r, f, v, n, err);
    }
    tn_free(v);
    return code;
}

/* ==== records ==== */

const tn_op tn_op_BoostedTreesMakeStatsSummary = {
    .name = "BoostedTreesMakeStatsSummary",
    .sig = "node_ids:int32 gradients:float hessians:float bucketized_features_list:num_features*int32 -> "
           "stats_summary:float; max_splits:int>=1 num_buckets:int>=1 num_features:int>=1",
    .infer = summary_infer,
    .run = summary_run,
};
const tn_op tn_op_BoostedTreesAggregateStats = {
    .name = "BoostedTreesAggregateStats",
    .sig = "node_ids:int32 gradients:float hessians:float feature:int32 -> stats_summary:float; "
           "max_splits:int>=1 "
           "num_buckets:int>=1",
    .infer = aggregate_infer,
    .run = aggregate_run,
};
const tn_op tn_op_BoostedTreesCalculateBestGainsPerFeature = {
    .name = "BoostedTreesCalculateBestGainsPerFeature",
    .sig =
        "node_id_range:int32 stats_summary_list:num_features*float l1:float l2:float tree_complexity:float "
        "min_node_weight:float -> node_ids_list:num_features*int32 gains_list:num_features*float "
        "thresholds_list:num_features*int32 left_node_contribs_list:num_features*float "
        "right_node_contribs_list:num_features*float; max_splits:int>=1 num_features:int>=1",
    .infer = tn_infer_none,
    .run = gains_run,
    .dynamic = ~0u,
};
