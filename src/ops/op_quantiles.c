/* SPDX-License-Identifier: Apache-2.0
 *
 * op_quantiles.c - the buckets of boosted trees' features: streams of numbers whose quantiles become bucket
 * boundaries (a resource of the session, one stream a feature), and numbers put into buckets. How quantiles
 * are found is sketch.c's.
 */
#include "../plan/state.h"
#include "sketch.h"

typedef struct stream {
    tn_sketch sketch;
    float *boundary;
    int64_t n;
} stream;

typedef struct quantiles {
    tn_resource base;
    pthread_mutex_t lock;
    stream *v; /* NULL: not made yet */
    int64_t n;
} quantiles;

/* ==== the resource ==== */

static void drop_streams(stream *v, int64_t n)
{
    for (int64_t i = 0; v && i < n; i++) {
        tn_sketch_free(&v[i].sketch);
        tn_free(v[i].boundary);
    }
    tn_free(v);
}

static void release(tn_resource *self)
{
    quantiles *q = (quantiles *)self;
    drop_streams(q->v, q->n);
    pthread_mutex_destroy(&q->lock);
    tn_resource_free(self);
}

static tn_resource *make(const tn_run *r)
{
    quantiles *q = tn_resource_new(sizeof *q, TN_RES_QUANTILES, r->name, release);
    if (!q) return NULL;
    pthread_mutex_init(&q->lock, NULL);
    return &q->base;
}

static tn_code handle_run(tn_run *r, tn_error *err)
{
    return tn_run_shared_resource(r, 0, TN_RES_QUANTILES, "quantiles", make, err);
}

static tn_code any(const tn_run *r, quantiles **out, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_resource(r, 0, TN_RES_QUANTILES, &res, err));
    *out = (quantiles *)res;
    return TN_OK;
}

/* The resource of input 0, locked, of as many streams (n < 0: of any number). */
static tn_code open_streams(const tn_run *r, int64_t n, quantiles **out, tn_error *err)
{
    quantiles *q;
    tn_code code = TN_OK;
    TN_TRY(any(r, &q, err));
    pthread_mutex_lock(&q->lock);
    if (!q->v)
        code = tn_fail(err, TN_NOT_FOUND, "the quantile streams of '%s' do not exist", q->base.name);
    else if (n >= 0 && n != q->n)
        code = tn_fail(err, TN_INVALID_ARGUMENT, "'%s' is of %lld quantile streams, there are %lld", r->name,
                       (long long)n, (long long)q->n);
    if (code != TN_OK) pthread_mutex_unlock(&q->lock);
    *out = q;
    return code;
}

static tn_code close_streams(quantiles *q, tn_code code)
{
    pthread_mutex_unlock(&q->lock);
    return code;
}

static tn_code initialized_run(tn_run *r, tn_error *err)
{
    quantiles *q;
    TN_TRY(any(r, &q, err));
    pthread_mutex_lock(&q->lock);
    *(bool *)r->out[0]->data = q->v != NULL;
    return close_streams(q, TN_OK);
}

static tn_code scalar(const tn_tensor *t, const char *name, tn_error *err)
{
    char text[96];
    if (tn_tensor_count(t) == 1) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "%s must be a scalar, got a tensor of shape %s", name,
                   tn_shape_text(&t->shape, text, sizeof text));
}

enum { MOST_STREAMS = 1 << 16 };

static tn_code create_run(tn_run *r, tn_error *err)
{
    quantiles *q;
    stream *v;
    tn_sketch first;
    TN_TRY(scalar(r->in[1], "epsilon", err));
    TN_TRY(scalar(r->in[2], "num_streams", err));
    int64_t n = TN_INT64S(r->in[2])[0];
    TN_TRY(tn_sketch_init(&first, TN_FLOATS(r->in[1])[0], tn_attr_i(r->attrs, "max_elements"), err));
    if (n < 0 || n > MOST_STREAMS)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Num_streams input cannot be a negative integer, nor above %d: %lld", MOST_STREAMS,
                       (long long)n);
    TN_TRY(any(r, &q, err));
    if (!(v = tn_calloc((size_t)n + 1, sizeof *v))) return tn_no_memory(err, 0);
    for (int64_t i = 0; i < n; i++) v[i].sketch = first;
    pthread_mutex_lock(&q->lock);
    if (!q->v) {
        q->v = v;
        q->n = n;
        v = NULL;
    }
    close_streams(q, TN_OK);
    drop_streams(v, n);
    return TN_OK;
}

/* ==== saved and restored ==== */

static tn_code set_boundaries(stream *s, const tn_tensor *t, tn_error *err)
{
    float *v = tn_calloc((size_t)tn_tensor_count(t) + 1, sizeof *v);
    if (!v) return tn_no_memory(err, 0);
    if (tn_tensor_bytes(t)) memcpy(v, t->data, tn_tensor_bytes(t));
    tn_free(s->boundary);
    s->boundary = v;
    s->n = tn_tensor_count(t);
    return TN_OK;
}

static tn_code deserialize_run(tn_run *r, tn_error *err)
{
    quantiles *q;
    for (int i = 1; i < r->n_in; i++)
        if (r->in[i]->shape.rank != 1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Shape must be rank 1 but is rank %d",
                           r->in[i]->shape.rank);
    TN_TRY(open_streams(r, r->n_in - 1, &q, err));
    tn_code code = TN_OK;
    for (int64_t i = 0; i < q->n && code == TN_OK; i++) code = set_boundaries(&q->v[i], r->in[1 + i], err);
    return close_streams(q, code);
}

static tn_code boundaries_run(tn_run *r, tn_error *err)
{
    quantiles *q;
    TN_TRY(open_streams(r, r->n_out, &q, err));
    tn_code code = TN_OK;
    for (int i = 0; i < r->n_out && code == TN_OK; i++) {
        tn_shape s = tn_shape_vector(q->v[i].n);
        code = tn_run_output(r, i, &s, err);
        if (code == TN_OK && q->v[i].n) memcpy(r->out[i]->data, q->v[i].boundary, tn_tensor_bytes(r->out[i]));
    }
    return close_streams(q, code);
}

/* ==== found ==== */

static tn_code put_summary(tn_run *r, int o, const tn_ranks *s, tn_error *err)
{
    tn_shape shape = {.rank = 2, .dim = {s->n, 4}};
    TN_TRY(tn_run_output(r, o, &shape, err));
    if (s->n) memcpy(r->out[o]->data, s->v, (size_t)s->n * sizeof *s->v);
    return TN_OK;
}

static tn_code push_all(tn_sketch *s, const tn_tensor *x, const tn_tensor *weights, int64_t n, tn_error *err)
{
    bool one = tn_tensor_count(weights) == 1;
    for (int64_t i = 0; i < n; i++)
        TN_TRY(tn_sketch_push(s, TN_FLOATS(x)[i], TN_FLOATS(weights)[one ? 0 : i], err));
    return tn_sketch_finish(s, err);
}

static tn_code summaries_run(tn_run *r, tn_error *err)
{
    const tn_tensor *weights = r->in[r->n_in - 2], *eps = r->in[r->n_in - 1];
    int64_t n = r->n_out ? tn_tensor_count(r->in[0]) : 0, given = tn_tensor_count(weights);
    if (r->n_out && given != 1 && given != n)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Weights should be a single value or same size as features.");
    TN_TRY(scalar(eps, "epsilon", err));
    for (int i = 0; i < r->n_out; i++) {
        tn_sketch s;
        if (tn_tensor_count(r->in[i]) != n)
            return tn_fail(err, TN_INVALID_ARGUMENT, "features of %lld and of %lld values", (long long)n,
                           (long long)tn_tensor_count(r->in[i]));
        TN_TRY(tn_sketch_init(&s, TN_FLOATS(eps)[0], n + 1, err));
        tn_code code = push_all(&s, r->in[i], weights, n, err);
        if (code == TN_OK) code = put_summary(r, i, &s.summary, err);
        tn_sketch_free(&s);
        if (code != TN_OK) return code;
    }
    return TN_OK;
}

static tn_code add_run(tn_run *r, tn_error *err)
{
    quantiles *q;
    for (int i = 1; i < r->n_in; i++)
        if (r->in[i]->shape.rank != 2 || r->in[i]->shape.dim[1] != 4)
            return tn_fail(err, TN_INVALID_ARGUMENT, "a summary of quantiles has four columns");
    TN_TRY(open_streams(r, r->n_in - 1, &q, err));
    tn_code code = TN_OK;
    for (int64_t i = 0; i < q->n && code == TN_OK; i++)
        if (!q->v[i].sketch.finished)
            code = tn_sketch_add(&q->v[i].sketch, r->in[1 + i]->data, r->in[1 + i]->shape.dim[0], err);
    return close_streams(q, code);
}

static tn_code flush_summaries_run(tn_run *r, tn_error *err)
{
    quantiles *q;
    TN_TRY(open_streams(r, r->n_out, &q, err));
    tn_code code = TN_OK;
    for (int i = 0; i < r->n_out && code == TN_OK; i++) {
        code = tn_sketch_finish(&q->v[i].sketch, err);
        if (code == TN_OK) code = put_summary(r, i, &q->v[i].sketch.summary, err);
        tn_sketch_free(&q->v[i].sketch);
    }
    return close_streams(q, code);
}

static tn_code finish_stream(stream *s, int64_t buckets, bool quantiles, tn_error *err)
{
    float *v;
    int64_t n;
    TN_TRY(tn_sketch_finish(&s->sketch, err));
    if (quantiles)
        TN_TRY(tn_sketch_quantiles(&s->sketch, buckets - 1, &v, &n, err));
    else
        TN_TRY(tn_sketch_boundaries(&s->sketch, buckets, &v, &n, err));
    if (quantiles && n != buckets) {
        tn_free(v);
        return tn_fail(err, TN_INVALID_ARGUMENT, "%lld quantiles cannot be had: %lld", (long long)buckets,
                       (long long)n);
    }
    tn_free(s->boundary);
    s->boundary = v;
    s->n = n;
    return TN_OK;
}

enum { MOST_BUCKETS = 1 << 24 };

static tn_code flush_run(tn_run *r, tn_error *err)
{
    quantiles *q;
    bool exact = tn_attr_b(r->attrs, "generate_quantiles");
    TN_TRY(scalar(r->in[1], "num_buckets", err));
    int64_t buckets = TN_INT64S(r->in[1])[0];
    if (buckets < 1 || buckets > MOST_BUCKETS)
        return tn_fail(err, TN_INVALID_ARGUMENT, "num_buckets must be from 1 to %d, not %lld", MOST_BUCKETS,
                       (long long)buckets);
    TN_TRY(open_streams(r, -1, &q, err));
    tn_code code = TN_OK;
    for (int64_t i = 0; i < q->n && code == TN_OK; i++) code = finish_stream(&q->v[i], buckets, exact, err);
    for (int64_t i = 0; i < q->n; i++) tn_sketch_free(&q->v[i].sketch);
    return close_streams(q, code);
}

/* ==== buckets ==== */

/* The first boundary that is not below the value, or the last. */
static int32_t bucket_of(const float *boundary, int64_t n, float value)
{
    int64_t low = 0, high = n;
    while (low < high) {
        int64_t mid = low + (high - low) / 2;
        if (boundary[mid] < value)
            low = mid + 1;
        else
            high = mid;
    }
    return (int32_t)(low == n ? TN_MAX(n - 1, 0) : low);
}

static tn_code bucketize_run(tn_run *r, tn_error *err)
{
    (void)err;
    for (int i = 0; i < r->n_out; i++) {
        const tn_tensor *x = r->in[i], *boundary = r->in[r->n_out + i];
        for (int64_t k = 0, n = tn_tensor_count(r->out[i]); k < n; k++) TN_INT32S(r->out[i])
        [k] = bucket_of(TN_FLOATS(boundary), tn_tensor_count(boundary), TN_FLOATS(x)[k]);
    }
    return TN_OK;
}

static tn_code bucketize_infer(tn_infer *c, tn_error *err)
{
    for (int i = 0; i < c->n_out; i++) {
        const tn_shape *x = &c->in[i]->shape;
        TN_TRY(tn_infer_rank_at_least(c, i, 1, err));
        TN_TRY(tn_infer_rank(c, c->n_out + i, 1, err));
        c->out[i].shape = tn_shape_vector(x->rank > 0 ? x->dim[0] : -1);
        for (int k = 1; k < x->rank; k++)
            if (!x->dim[k] && x->dim[0])
                return tn_fail(err, TN_INVALID_ARGUMENT, "a feature of '%s' has no values", c->name);
    }
    return TN_OK;
}

/* ==== records ==== */

#define STREAMS "quantile_stream_resource_handle:resource "
TN_STATE_OP(BoostedTreesQuantileStreamResourceHandleOp, handle_run, tn_infer_scalar, 0, TN_BIT(0),
            "-> resource:resource; container:string=\"\" shared_name:string=\"\"");
TN_STATE_OP(IsBoostedTreesQuantileStreamResourceInitialized, initialized_run, tn_infer_scalar, 0, 0,
            STREAMS "-> is_initialized:bool;");
TN_STATE_OP(BoostedTreesCreateQuantileStreamResource, create_run, tn_infer_none, TN_EFFECT, 0,
            STREAMS "epsilon:float num_streams:int64 -> ; max_elements:int=1099511627776");
TN_STATE_OP(BoostedTreesQuantileStreamResourceDeserialize, deserialize_run, tn_infer_none, TN_EFFECT, 0,
            STREAMS "bucket_boundaries:num_streams*float -> ; num_streams:int>=1");
TN_STATE_OP(BoostedTreesQuantileStreamResourceGetBucketBoundaries, boundaries_run, tn_infer_none, 0, ~0u,
            STREAMS "-> bucket_boundaries:num_features*float; num_features:int>=0");
TN_STATE_OP(BoostedTreesQuantileStreamResourceAddSummaries, add_run, tn_infer_none, TN_EFFECT, 0,
            STREAMS "summaries:num_features*float -> ; num_features:int>=0");
TN_STATE_OP(BoostedTreesQuantileStreamResourceFlush, flush_run, tn_infer_none, TN_EFFECT, 0,
            STREAMS "num_buckets:int64 -> ; generate_quantiles:bool=false");
TN_STATE_OP(BoostedTreesFlushQuantileSummaries, flush_summaries_run, tn_infer_none, TN_EFFECT, ~0u,
            STREAMS "-> summaries:num_features*float; num_features:int>=0");
const tn_op tn_op_BoostedTreesMakeQuantileSummaries = {
    .name = "BoostedTreesMakeQuantileSummaries",
    .sig = "float_values:num_features*float example_weights:float epsilon:float -> "
           "summaries:num_features*float; "
           "num_features:int>=0",
    .infer = tn_infer_none,
    .run = summaries_run,
    .dynamic = ~0u,
};
const tn_op tn_op_BoostedTreesBucketize = {
    .name = "BoostedTreesBucketize",
    .sig =
        "float_values:num_features*float bucket_boundaries:num_features*float -> buckets:num_features*int32; "
        "num_features:int>=0",
    .infer = bucketize_infer,
    .run = bucketize_run,
    .flags = TN_NO_GRADIENT,
};
