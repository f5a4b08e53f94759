/* SPDX-License-Identifier: Apache-2.0
 *
 * trees.c - ensembles of decision trees: made, found, exchanged, and looked up node by node.
 */
#include "trees.h"

/* ==== the resource ==== */

static void release(tn_resource *self)
{
    tn_trees *t = (tn_trees *)self;
    tn_arena_free(t->arena);
    pthread_rwlock_destroy(&t->lock);
    tn_resource_free(self);
}

static tn_resource *make(const tn_run *r)
{
    tn_trees *t = tn_resource_new(sizeof *t, TN_RES_TREES, r->name, release);
    if (!t) return NULL;
    pthread_rwlock_init(&t->lock, NULL);
    return &t->base;
}

tn_code tn_trees_handle(tn_run *r, tn_error *err)
{
    return tn_run_shared_resource(r, 0, TN_RES_TREES, "trees", make, err);
}

tn_code tn_trees_of(const tn_run *r, tn_trees **out, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_resource(r, 0, TN_RES_TREES, &res, err));
    *out = (tn_trees *)res;
    return TN_OK;
}

tn_code tn_trees_open(const tn_run *r, bool write, tn_trees **out, tn_error *err)
{
    tn_trees *t;
    TN_TRY(tn_trees_of(r, &t, err));
    if (write)
        pthread_rwlock_wrlock(&t->lock);
    else
        pthread_rwlock_rdlock(&t->lock);
    if (!t->ensemble) {
        pthread_rwlock_unlock(&t->lock);
        return tn_fail(err, TN_NOT_FOUND, "the tree ensemble of '%s' does not exist", t->base.name);
    }
    *out = t;
    return TN_OK;
}

void tn_trees_close(tn_trees *t)
{
    pthread_rwlock_unlock(&t->lock);
}

/* Lists that the decoder left in the input are made lists of the ensemble's own. */
static tn_code own_weights(tn_TreeEnsemble *e, tn_arena *a, tn_error *err)
{
    if (!e->tree_weights.n || e->tree_weights.cap) return TN_OK;
    tn_float_list own = {0};
    if (!tn_proto_reserve(a, &own, sizeof *own.items, e->tree_weights.n)) return tn_no_memory(err, 0);
    memcpy(own.items, e->tree_weights.items, e->tree_weights.n * sizeof *own.items);
    own.n = e->tree_weights.n;
    e->tree_weights = own;
    return TN_OK;
}

static tn_code decode(tn_arena *a, tn_view bytes, tn_TreeEnsemble **out, tn_error *err)
{
    char *copy = tn_arena_strndup(a, bytes.n ? bytes.p : "", bytes.n);
    if (!copy) return tn_no_memory(err, bytes.n);
    tn_code code = TN_DECODE(TreeEnsemble, ((tn_view){copy, bytes.n}), a, out, err);
    if (code == TN_DATA_LOSS)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Unable to parse tree ensemble proto.");
    if (code == TN_OK) code = own_weights(*out, a, err);
    return code;
}

tn_code tn_trees_set(tn_trees *t, tn_view bytes, int64_t stamp, tn_error *err)
{
    tn_arena *a = tn_arena_new(0);
    tn_TreeEnsemble *e = NULL;
    tn_code code = a ? decode(a, bytes, &e, err) : tn_no_memory(err, 0);
    if (code != TN_OK) {
        tn_arena_free(a);
        return code;
    }
    tn_arena_free(t->arena);
    t->arena = a;
    t->ensemble = e;
    t->stamp = stamp;
    return TN_OK;
}

/* ==== walking ==== */

static tn_logits of_leaf(const tn_TreeLeaf *leaf)
{
    if (leaf->leaf_case == TN_TreeLeaf_vector)
        return (tn_logits){leaf->vector->value.items, (int)leaf->vector->value.n};
    return (tn_logits){&leaf->scalar, 1};
}

tn_logits tn_tree_logits(const tn_TreeNode *node)
{
    if (tn_tree_is_leaf(node)) return of_leaf(node->leaf);
    const tn_TreeNodeMetadata *m = node->metadata;
    return m && m->original_leaf ? of_leaf(m->original_leaf) : (tn_logits){NULL, 0};
}

tn_code tn_tree_node(const tn_TreeEnsemble *e, int tree, int node, const tn_TreeNode **out, tn_error *err)
{
    if (tree < 0 || (uint32_t)tree >= e->trees.n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "there is no tree %d among %u", tree, e->trees.n);
    const tn_Tree *t = &e->trees.items[tree];
    if (node < 0 || (uint32_t)node >= t->nodes.n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "there is no node %d in tree %d of %u nodes", node, tree,
                       t->nodes.n);
    *out = &t->nodes.items[node];
    return TN_OK;
}

tn_code tn_tree_weight(const tn_TreeEnsemble *e, int tree, float *out, tn_error *err)
{
    if (tree < 0 || (uint32_t)tree >= e->tree_weights.n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "tree %d has no weight", tree);
    *out = e->tree_weights.items[tree];
    return TN_OK;
}

tn_code tn_buckets_of(const tn_run *r, int first, tn_buckets *out, tn_error *err)
{
    *out = (tn_buckets){.in = r->in + first, .n = r->n_in - first};
    for (int i = 0; i < out->n; i++) {
        const tn_shape *s = &out->in[i]->shape;
        if (s->rank < 1 || s->rank > 2)
            return tn_fail(err, TN_INTERNAL, "a feature of '%s' is neither a vector nor a matrix", r->name);
        if (i && s->dim[0] != out->rows)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Dimension 0 in both shapes must be equal, but are %lld and %lld",
                           (long long)out->rows, (long long)s->dim[0]);
        out->rows = s->dim[0];
    }
    return TN_OK;
}

static tn_code bucket(const tn_buckets *b, int feature, int dimension, int64_t row, int32_t *out,
                      tn_error *err)
{
    if (feature < 0 || feature >= b->n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a tree asks for feature %d of %d", feature, b->n);
    const tn_tensor *t = b->in[feature];
    int64_t columns = t->shape.rank == 2 ? t->shape.dim[1] : 1;
    if (dimension < 0 || dimension >= columns)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a tree asks for dimension %d of feature %d, which has %lld",
                       dimension, feature, (long long)columns);
    *out = TN_INT32S(t)[row * columns + dimension];
    return TN_OK;
}

tn_code tn_tree_next(const tn_TreeNode *split, const tn_buckets *b, int64_t row, int *next, int *feature,
                     tn_error *err)
{
    int32_t value;
    if (split->node_case == TN_TreeNode_bucketized_split) {
        const tn_BucketizedSplit *s = split->bucketized_split;
        *feature = s->feature_id;
        TN_TRY(bucket(b, s->feature_id, s->dimension_id, row, &value, err));
        *next = value <= s->threshold ? s->left_id : s->right_id;
        return TN_OK;
    }
    if (split->node_case == TN_TreeNode_categorical_split) {
        const tn_CategoricalSplit *s = split->categorical_split;
        *feature = 0; /* TensorFlow tells the feature of the other kind alone */
        TN_TRY(bucket(b, s->feature_id, s->dimension_id, row, &value, err));
        *next = value == s->value ? s->left_id : s->right_id;
        return TN_OK;
    }
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "a tree has a node that is neither a leaf nor a known kind of split");
}
