/* SPDX-License-Identifier: Apache-2.0
 *
 * op_trees.c - boosted trees that are there: ensembles made, saved and restored, and what they predict. How
 * they grow is op_trees_grow.c's.
 */
#include "trees.h"

/* ==== the ensemble as a whole ==== */

static tn_code initialized_run(tn_run *r, tn_error *err)
{
    tn_trees *t;
    TN_TRY(tn_trees_of(r, &t, err));
    pthread_rwlock_rdlock(&t->lock);
    *(bool *)r->out[0]->data = t->ensemble != NULL;
    pthread_rwlock_unlock(&t->lock);
    return TN_OK;
}

static tn_code check_scalars(const tn_run *r, tn_error *err)
{
    for (int i = 1; i < r->n_in; i++)
        if (tn_tensor_count(r->in[i]) != 1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "input %d of '%s' must be a scalar", i, r->name);
    return TN_OK;
}

/* One that is there already stays, but the bytes have to be an ensemble all the same. */
static tn_code create_run(tn_run *r, tn_error *err)
{
    tn_trees *t, made = {0};
    TN_TRY(check_scalars(r, err));
    TN_TRY(tn_trees_of(r, &t, err));
    const tn_string *s = TN_STRINGS(r->in[2]);
    TN_TRY(tn_trees_set(&made, (tn_view){s->p, s->n}, tn_tensor_int(r->in[1], 0), err));
    pthread_rwlock_wrlock(&t->lock);
    if (!t->ensemble) {
        t->arena = made.arena;
        t->ensemble = made.ensemble;
        t->stamp = made.stamp;
        made.arena = NULL;
    }
    pthread_rwlock_unlock(&t->lock);
    tn_arena_free(made.arena);
    return TN_OK;
}

static tn_code deserialize_run(tn_run *r, tn_error *err)
{
    tn_trees *t;
    TN_TRY(check_scalars(r, err));
    TN_TRY(tn_trees_open(r, true, &t, err));
    const tn_string *s = TN_STRINGS(r->in[2]);
    tn_code code = tn_trees_set(t, (tn_view){s->p, s->n}, tn_tensor_int(r->in[1], 0), err);
    tn_trees_close(t);
    return code;
}

static tn_code serialize_run(tn_run *r, tn_error *err)
{
    tn_trees *t;
    tn_buf buf = {0};
    TN_TRY(tn_trees_open(r, false, &t, err));
    *TN_INT64S(r->out[0]) = t->stamp;
    tn_code code = TN_ENCODE(TreeEnsemble, t->ensemble, &buf, err);
    tn_trees_close(t);
    if (code == TN_OK) code = tn_buf_check(&buf, err);
    if (code == TN_OK) code = tn_string_set(r->out[1], 0, buf.n ? buf.data : "", buf.n, err);
    tn_buf_free(&buf);
    return code;
}

static tn_code states_run(tn_run *r, tn_error *err)
{
    tn_trees *t;
    TN_TRY(tn_trees_open(r, false, &t, err));
    const tn_TreeEnsemble *e = t->ensemble;
    static const tn_GrowingMetadata none = {.num_layers_attempted = 0};
    const tn_GrowingMetadata *g = e->growing_metadata ? e->growing_metadata : &none;
    uint32_t n = e->trees.n;
    bool finished = !n || (n <= e->tree_metadata.n && e->tree_metadata.items[n - 1].is_finalized);
    *TN_INT64S(r->out[0]) = t->stamp;
    *TN_INT32S(r->out[1]) = (int32_t)n;
    *TN_INT32S(r->out[2]) = (int32_t)(finished ? n : n - 1);
    *TN_INT32S(r->out[3]) = (int32_t)g->num_layers_attempted;
    TN_INT32S(r->out[4])[0] = g->last_layer_node_start;
    TN_INT32S(r->out[4])[1] = TN_MAX(1, g->last_layer_node_end);
    tn_trees_close(t);
    return TN_OK;
}

static tn_code states_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    for (int i = 0; i < 4; i++) c->out[i].shape.rank = 0;
    c->out[4].shape = tn_shape_vector(2);
    return TN_OK;
}

/* ==== predictions ==== */

typedef struct walker {
    const tn_TreeEnsemble *e;
    tn_buckets b;
    int dims; /* logits of a leaf */
} walker;

static tn_code check_logits(const walker *w, tn_logits v, tn_error *err)
{
    if (v.n == w->dims) return TN_OK;
    return tn_fail(err, TN_INTERNAL, "Expected leaf_logits.size() == logits_dimension_, got %d vs %d", v.n,
                   w->dims);
}

/* From a node of a tree down to a leaf. */
static tn_code find_leaf(const walker *w, int tree, int *node, int64_t row, const tn_TreeNode **leaf,
                         tn_error *err)
{
    int feature;
    for (uint32_t step = 0;; step++) {
        TN_TRY(tn_tree_node(w->e, tree, *node, leaf, err));
        if (tn_tree_is_leaf(*leaf)) return TN_OK;
        if (step > w->e->trees.items[tree].nodes.n)
            return tn_fail(err, TN_INVALID_ARGUMENT, "the nodes of tree %d go in a circle", tree);
        TN_TRY(tn_tree_next(*leaf, &w->b, row, node, &feature, err));
    }
}

/* sum += weight * (more + the logits of the leaf that the row comes to from the node); node becomes that
 * leaf's. */
static tn_code add_tree(const walker *w, int tree, int *node, int64_t row, const float *more, float *sum,
                        tn_error *err)
{
    const tn_TreeNode *leaf;
    float weight;
    TN_TRY(find_leaf(w, tree, node, row, &leaf, err));
    TN_TRY(tn_tree_weight(w->e, tree, &weight, err));
    tn_logits v = tn_tree_logits(leaf);
    TN_TRY(check_logits(w, v, err));
    for (int k = 0; k < w->dims; k++) sum[k] += weight * (more ? more[k] + v.v[k] : v.v[k]);
    return TN_OK;
}

static tn_code predict_rows(const tn_run *r, const walker *w, float *out, tn_error *err)
{
    for (int64_t i = 0; i < w->b.rows; i++) {
        if (i % 256 == 0 && tn_run_cancelled(r)) return tn_fail(err, TN_CANCELLED, "the run was cancelled");
        for (uint32_t tree = 0; tree < w->e->trees.n; tree++) {
            int node = 0;
            TN_TRY(add_tree(w, (int)tree, &node, i, NULL, out + i * w->dims, err));
        }
    }
    return TN_OK;
}

static tn_code predict_run(tn_run *r, tn_error *err)
{
    tn_trees *t;
    walker w = {.dims = (int)tn_attr_i(r->attrs, "logits_dimension")};
    TN_TRY(tn_buckets_of(r, 1, &w.b, err));
    TN_TRY(tn_trees_open(r, false, &t, err));
    w.e = t->ensemble;
    memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    tn_code code = predict_rows(r, &w, TN_FLOATS(r->out[0]), err);
    tn_trees_close(t);
    return code;
}

static tn_code rows_infer(tn_infer *c, int first, tn_shape *rows, tn_error *err)
{
    *rows = tn_shape_vector(-1);
    for (int i = first; i < c->n_in; i++)
        if (c->in[i]->shape.rank > 0)
            TN_TRY(tn_infer_merge_dim(rows->dim[0], c->in[i]->shape.dim[0], &rows->dim[0], err));
    return TN_OK;
}

static tn_code matrix_infer(tn_infer *c, int first, tn_shape *rows, tn_error *err)
{
    int64_t dims = tn_attr_i(c->attrs, "logits_dimension");
    TN_TRY(rows_infer(c, first, rows, err));
    if (dims < 0 || dims > INT32_MAX)
        return tn_fail(err, TN_INVALID_ARGUMENT, "logits_dimension must be >= 0, not %lld", (long long)dims);
    c->out[0].shape = *rows;
    c->out[0].shape.rank = 2;
    c->out[0].shape.dim[1] = dims;
    return TN_OK;
}

static tn_code predict_infer(tn_infer *c, tn_error *err)
{
    tn_shape rows;
    return matrix_infer(c, 1, &rows, err);
}

/* ==== predictions while training: from where the last one ended ==== */

/* Where a row's walk begins, and what is to be added to the first leaf: less what the last prediction had. */
static tn_code resume(const walker *w, int tree, int *node, float *more, tn_error *err)
{
    const tn_TreeNode *at;
    memset(more, 0, (size_t)w->dims * sizeof *more);
    if (*node < 0) {
        *node = 0;
        return TN_OK;
    }
    const tn_TreeMetadata *m =
        tree >= 0 && (uint32_t)tree < w->e->tree_metadata.n ? &w->e->tree_metadata.items[tree] : NULL;
    if (m && m->is_finalized && m->post_pruned_nodes_meta.n) {
        if ((uint32_t)*node >= m->post_pruned_nodes_meta.n)
            return tn_fail(err, TN_INVALID_ARGUMENT, "there was no node %d in tree %d before it was pruned",
                           *node, tree);
        const tn_PostPruneNodeUpdate *u = &m->post_pruned_nodes_meta.items[*node];
        *node = u->new_node_id;
        for (int k = 0; k < w->dims && (uint32_t)k < u->logit_change.n; k++)
            more[k] = u->logit_change.items[k];
    }
    TN_TRY(tn_tree_node(w->e, tree, *node, &at, err));
    tn_logits v = tn_tree_logits(at);
    if (v.n) TN_TRY(check_logits(w, v, err));
    for (int k = 0; k < v.n; k++) more[k] -= v.v[k];
    return TN_OK;
}

static tn_code training_row(tn_run *r, const walker *w, int64_t i, float *more, tn_error *err)
{
    int tree = TN_INT32S(r->in[1])[i], node = TN_INT32S(r->in[2])[i];
    float *sum = TN_FLOATS(r->out[0]) + i * w->dims;
    TN_TRY(resume(w, tree, &node, more, err));
    TN_TRY(add_tree(w, tree, &node, i, more, sum, err));
    while ((uint32_t)++tree < w->e->trees.n) {
        node = 0;
        TN_TRY(add_tree(w, tree, &node, i, NULL, sum, err));
    }
    TN_INT32S(r->out[1])[i] = tree - 1;
    TN_INT32S(r->out[2])[i] = node;
    return TN_OK;
}

static tn_code training_rows(tn_run *r, const walker *w, tn_error *err)
{
    memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    if (!w->e->trees.n) {
        memset(r->out[2]->data, 0, tn_tensor_bytes(r->out[2]));
        memcpy(r->out[1]->data, r->in[1]->data, tn_tensor_bytes(r->out[1]));
        return TN_OK;
    }
    float *more = tn_calloc((size_t)w->dims + 1, sizeof *more);
    if (!more) return tn_no_memory(err, 0);
    tn_code code = TN_OK;
    for (int64_t i = 0; i < w->b.rows && code == TN_OK; i++) {
        if (i % 256 == 0 && tn_run_cancelled(r))
            code = tn_fail(err, TN_CANCELLED, "the run was cancelled");
        else
            code = training_row(r, w, i, more, err);
    }
    tn_free(more);
    return code;
}

static tn_code training_run(tn_run *r, tn_error *err)
{
    tn_trees *t;
    walker w = {.dims = (int)tn_attr_i(r->attrs, "logits_dimension")};
    TN_TRY(tn_buckets_of(r, 3, &w.b, err));
    for (int i = 1; i < 3; i++)
        if (r->in[i]->shape.rank != 1 || r->in[i]->shape.dim[0] != w.b.rows)
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s must be a vector of %lld",
                           i == 1 ? "cached_tree_ids" : "cached_node_ids", (long long)w.b.rows);
    TN_TRY(tn_trees_open(r, false, &t, err));
    w.e = t->ensemble;
    tn_code code = training_rows(r, &w, err);
    tn_trees_close(t);
    return code;
}

static tn_code training_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(matrix_infer(c, 3, &c->out[1].shape, err));
    c->out[2].shape = c->out[1].shape;
    return TN_OK;
}

/* ==== what a prediction came from ==== */

static bool push_float(tn_arena *a, tn_float_list *l, float v)
{
    float *p = TN_PUSH(a, l);
    if (p) *p = v;
    return p;
}

static bool push_int(tn_arena *a, tn_int32_list *l, int v)
{
    int32_t *p = TN_PUSH(a, l);
    if (p) *p = v;
    return p;
}

static tn_code one_logit(const walker *w, int tree, const tn_TreeNode *node, float *out, tn_error *err)
{
    float weight;
    TN_TRY(tn_tree_weight(w->e, tree, &weight, err));
    tn_logits v = tn_tree_logits(node);
    if (v.n != 1) return tn_fail(err, TN_INTERNAL, "Expected tree_logits.size() == 1, got %d", v.n);
    *out = weight * v.v[0];
    return TN_OK;
}

typedef struct path {
    tn_TreeDebugOutput out;
    float logit, past; /* of this tree's node; of the trees before */
} path;

/* One tree's splits on a row's way; the path's logit is that of its leaf then. */
static tn_code follow(const walker *w, int tree, int64_t row, tn_arena *a, path *p, tn_error *err)
{
    const tn_TreeNode *at;
    int node = 0, feature;
    uint32_t step = 0;
    TN_TRY(tn_tree_node(w->e, tree, node, &at, err));
    for (; !tn_tree_is_leaf(at); step++) {
        if (step > w->e->trees.items[tree].nodes.n)
            return tn_fail(err, TN_INVALID_ARGUMENT, "the nodes of tree %d go in a circle", tree);
        TN_TRY(tn_tree_next(at, &w->b, row, &node, &feature, err));
        TN_TRY(tn_tree_node(w->e, tree, node, &at, err));
        TN_TRY(one_logit(w, tree, at, &p->logit, err));
        if (!push_int(a, &p->out.feature_ids, feature) ||
            !push_float(a, &p->out.logits_path, p->logit + p->past))
            return tn_no_memory(err, 0);
    }
    if (tree == 0 || node > 0) p->past += p->logit;
    return push_int(a, &p->out.leaf_node_ids, node) ? TN_OK : tn_no_memory(err, 0);
}

static tn_code debug_row(tn_run *r, const walker *w, int64_t row, tn_arena *a, tn_error *err)
{
    const tn_TreeNode *root;
    path p = {.past = 0};
    tn_buf buf = {0};
    TN_TRY(tn_tree_node(w->e, 0, 0, &root, err));
    TN_TRY(one_logit(w, 0, root, &p.logit, err));
    if (!push_float(a, &p.out.logits_path, p.logit)) return tn_no_memory(err, 0);
    for (uint32_t tree = 0; tree < w->e->trees.n; tree++) TN_TRY(follow(w, (int)tree, row, a, &p, err));
    tn_code code = TN_ENCODE(TreeDebugOutput, &p.out, &buf, err);
    if (code == TN_OK) code = tn_buf_check(&buf, err);
    if (code == TN_OK) code = tn_string_set(r->out[0], row, buf.n ? buf.data : "", buf.n, err);
    tn_buf_free(&buf);
    return code;
}

static tn_code debug_run(tn_run *r, tn_error *err)
{
    tn_trees *t;
    walker w = {.dims = 1};
    tn_arena *a;
    if (tn_attr_i(r->attrs, "logits_dimension") != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Currently only one dimensional outputs are supported.");
    TN_TRY(tn_buckets_of(r, 1, &w.b, err));
    if (!(a = tn_arena_new(0))) return tn_no_memory(err, 0);
    tn_code code = tn_trees_open(r, false, &t, err);
    if (code == TN_OK) {
        w.e = t->ensemble;
        for (int64_t i = 0; i < w.b.rows && code == TN_OK; i++, tn_arena_reset(a))
            code = debug_row(r, &w, i, a, err);
        tn_trees_close(t);
    }
    tn_arena_free(a);
    return code;
}

static tn_code debug_infer(tn_infer *c, tn_error *err)
{
    return rows_infer(c, 1, &c->out[0].shape, err);
}

/* ==== records ==== */

#define TREES(Name, Run, Infer, Flags, Sig) TN_STATE_OP(Name, Run, Infer, Flags, 0, Sig)
const tn_op tn_op_BoostedTreesEnsembleResourceHandleOp = {
    .name = "BoostedTreesEnsembleResourceHandleOp",
    .sig = "-> resource:resource; container:string=\"\" shared_name:string=\"\"",
    .infer = tn_infer_scalar,
    .run = tn_trees_handle,
    .flags = TN_STATEFUL | TN_NO_GRADIENT,
    .dynamic = TN_BIT(0),
};
#define ENSEMBLE "tree_ensemble_handle:resource "
TREES(IsBoostedTreesEnsembleInitialized, initialized_run, tn_infer_scalar, 0,
      ENSEMBLE "-> is_initialized:bool;");
TREES(BoostedTreesCreateEnsemble, create_run, tn_infer_none, TN_EFFECT,
      ENSEMBLE "stamp_token:int64 tree_ensemble_serialized:string -> ;");
TREES(BoostedTreesDeserializeEnsemble, deserialize_run, tn_infer_none, TN_EFFECT,
      ENSEMBLE "stamp_token:int64 tree_ensemble_serialized:string -> ;");
TREES(BoostedTreesSerializeEnsemble, serialize_run, tn_infer_scalar, 0,
      ENSEMBLE "-> stamp_token:int64 tree_ensemble_serialized:string;");
TREES(BoostedTreesGetEnsembleStates, states_run, states_infer, 0,
      ENSEMBLE "-> stamp_token:int64 num_trees:int32 num_finalized_trees:int32 num_attempted_layers:int32 "
               "last_layer_nodes_range:int32;");
#define FEATURES "bucketized_features:num_bucketized_features*int32 "
#define COUNTS "; num_bucketized_features:int>=1 logits_dimension:int"
TREES(BoostedTreesPredict, predict_run, predict_infer, 0, ENSEMBLE FEATURES "-> logits:float" COUNTS);
TREES(BoostedTreesTrainingPredict, training_run, training_infer, 0,
      ENSEMBLE "cached_tree_ids:int32 cached_node_ids:int32 " FEATURES
               "-> partial_logits:float tree_ids:int32 node_ids:int32" COUNTS);
TREES(BoostedTreesExampleDebugOutputs, debug_run, debug_infer, 0,
      ENSEMBLE FEATURES "-> examples_debug_outputs_serialized:string" COUNTS);
