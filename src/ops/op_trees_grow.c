/* SPDX-License-Identifier: Apache-2.0
 *
 * op_trees_grow.c - boosted trees grow: the bias is centred, the best splits of a layer are added, finished
 * trees are pruned. Which splits there are is op_trees_stats.c's.
 *
 * Invariants: the children of a node stand after it. An ensemble is changed only when everything that was
 * given fits it.
 */
#include "sparse.h"
#include "trees.h"

#include <math.h>

enum { PRE_PRUNING = 1, POST_PRUNING = 2 };

/* ==== trees and leaves ==== */

static tn_code put_logits(tn_arena *a, tn_TreeLeaf *leaf, const float *before, const float *v, int n,
                          tn_error *err)
{
    if (n == 1) {
        leaf->scalar = (before ? before[0] : 0) + v[0];
        return TN_OK;
    }
    tn_TreeVector *vector = TN_NEW(a, tn_TreeVector);
    if (!vector || !tn_proto_reserve(a, &vector->value, sizeof *vector->value.items, (size_t)n))
        return tn_no_memory(err, 0);
    for (int k = 0; k < n; k++) vector->value.items[vector->value.n++] = (before ? before[k] : 0) + v[k];
    TN_SET(leaf, TreeLeaf, leaf, vector) = vector;
    return TN_OK;
}

static tn_code add_leaf(tn_arena *a, tn_Tree *t, const float *before, const float *v, int n, tn_error *err)
{
    tn_TreeNode *node = TN_PUSH(a, &t->nodes);
    tn_TreeLeaf *leaf = TN_NEW(a, tn_TreeLeaf);
    if (!node || !leaf) return tn_no_memory(err, 0);
    TN_SET(node, TreeNode, node, leaf) = leaf;
    return put_logits(a, leaf, before, v, n, err);
}

static tn_code add_tree(tn_trees *t, const float *logits, int n, tn_error *err)
{
    tn_TreeEnsemble *e = t->ensemble;
    tn_Tree *tree = TN_PUSH(t->arena, &e->trees);
    float *weight = TN_PUSH(t->arena, &e->tree_weights);
    tn_TreeMetadata *m = TN_PUSH(t->arena, &e->tree_metadata);
    if (!tree || !weight || !m) return tn_no_memory(err, 0);
    *weight = 1;
    return add_leaf(t->arena, tree, NULL, logits, n, err);
}

static tn_code add_empty_tree(tn_trees *t, int n, tn_error *err)
{
    float *none = tn_calloc((size_t)n, sizeof *none);
    if (!none) return tn_no_memory(err, 0);
    tn_code code = add_tree(t, none, n, err);
    tn_free(none);
    return code;
}

/* ==== the bias ==== */

static tn_code center(tn_trees *t, float logit, bool *more, tn_error *err)
{
    tn_TreeEnsemble *e = t->ensemble;
    const tn_TreeNode *root;
    *more = true;
    t->stamp++;
    if (!e->trees.n) return add_tree(t, &logit, 1, err);
    TN_TRY(tn_tree_node(e, 0, 0, &root, err));
    if (!tn_tree_is_leaf(root) || tn_tree_logits(root).n != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "the bias of a tree that has grown cannot be centred");
    float *bias = &root->leaf->scalar;
    *more = fabsf(logit / *bias) > 0.01f;
    *bias += logit;
    return TN_OK;
}

static tn_code center_run(tn_run *r, tn_error *err)
{
    tn_trees *t;
    float logit, gain;
    for (int i = 1; i < r->n_in; i++)
        if (tn_tensor_count(r->in[i]) != 1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "input %d of '%s' must have one number", i, r->name);
    tn_tree_weigh(*TN_FLOATS(r->in[1]), *TN_FLOATS(r->in[2]), *TN_FLOATS(r->in[3]), *TN_FLOATS(r->in[4]),
                  &logit, &gain);
    TN_TRY(tn_trees_open(r, true, &t, err));
    tn_code code = center(t, logit, r->out[0]->data, err);
    tn_trees_close(t);
    return code;
}

/* ==== candidates ==== */

typedef struct candidates { /* of one feature, or of a group of features */
    const tn_tensor *features, *dimensions, *nodes, *gains, *thresholds, *left, *right,
        *types;            /* some may be NULL */
    int64_t first_feature; /* of features that is this one's, where there is one for all */
} candidates;

typedef struct choice {
    const candidates *from;
    int64_t at;
    int node;
    float gain;
} choice;

typedef struct growth {
    candidates *group;
    int groups, dims, max_depth, pruning;
    float rate;
    choice *best; /* ascending by node */
    int64_t n;
} growth;

static int feature_of(const candidates *c, int64_t at)
{
    return TN_INT32S(c->features)[c->dimensions ? at : c->first_feature];
}

static tn_code check_group(const candidates *c, int dims, tn_error *err)
{
    int64_t n = tn_tensor_count(c->nodes);
    const tn_tensor *vectors[] = {c->nodes,      c->gains, c->thresholds,
                                  c->dimensions, c->types, c->dimensions ? c->features : NULL};
    for (size_t i = 0; i < TN_COUNT(vectors); i++)
        if (vectors[i] && (vectors[i]->shape.rank != 1 || vectors[i]->shape.dim[0] != n))
            return tn_fail(err, TN_INVALID_ARGUMENT, "what is known of splits must be vectors of %lld",
                           (long long)n);
    for (int i = 0; i < 2; i++) {
        const tn_shape *s = i ? &c->right->shape : &c->left->shape;
        if (s->rank != 2 || s->dim[0] != n || s->dim[1] < dims)
            return tn_fail(err, TN_INVALID_ARGUMENT, "contributions of nodes must be a matrix of %lld rows",
                           (long long)n);
    }
    return TN_OK;
}

static bool is_better(const choice *a, const choice *b)
{
    float more = a->gain - b->gain;
    if (fabsf(more) < 1e-15f) return feature_of(a->from, a->at) < feature_of(b->from, b->at);
    return more >= 1e-15f;
}

static void consider(growth *g, choice c)
{
    int64_t low = 0, high = g->n;
    while (low < high) {
        int64_t mid = (low + high) / 2;
        if (g->best[mid].node < c.node)
            low = mid + 1;
        else
            high = mid;
    }
    if (low < g->n && g->best[low].node == c.node) {
        if (is_better(&c, &g->best[low])) g->best[low] = c;
        return;
    }
    memmove(&g->best[low + 1], &g->best[low], (size_t)(g->n++ - low) * sizeof c);
    g->best[low] = c;
}

static tn_code choose(growth *g, tn_error *err)
{
    int64_t n = 0;
    for (int i = 0; i < g->groups; i++) {
        TN_TRY(check_group(&g->group[i], g->dims, err));
        n += tn_tensor_count(g->group[i].nodes);
    }
    if (!(g->best = tn_calloc((size_t)n + 1, sizeof *g->best))) return tn_no_memory(err, 0);
    for (int i = 0; i < g->groups; i++) {
        const candidates *c = &g->group[i];
        for (int64_t k = 0; k < tn_tensor_count(c->nodes); k++)
            consider(g, (choice){c, k, TN_INT32S(c->nodes)[k], TN_FLOATS(c->gains)[k]});
    }
    return TN_OK;
}

/* ==== splitting ==== */

static tn_code put_split(tn_arena *a, tn_TreeNode *node, const choice *c, int left, tn_error *err)
{
    const candidates *from = c->from;
    tn_view type = {"INEQUALITY_DEFAULT_LEFT", 23};
    if (from->types) type = (tn_view){TN_STRINGS(from->types)[c->at].p, TN_STRINGS(from->types)[c->at].n};
    int feature = feature_of(from, c->at),
        dimension = from->dimensions ? TN_INT32S(from->dimensions)[c->at] : 0,
        threshold = TN_INT32S(from->thresholds)[c->at];
    if (tn_view_is(type, "EQUALITY_DEFAULT_RIGHT")) {
        tn_CategoricalSplit *s = TN_NEW(a, tn_CategoricalSplit);
        if (!s) return tn_no_memory(err, sizeof *s);
        *s = (tn_CategoricalSplit){.feature_id = feature,
                                   .value = threshold,
                                   .left_id = left,
                                   .right_id = left + 1,
                                   .dimension_id = dimension};
        TN_SET(node, TreeNode, node, categorical_split) = s;
        return TN_OK;
    }
    tn_BucketizedSplit *s = TN_NEW(a, tn_BucketizedSplit);
    if (!s) return tn_no_memory(err, sizeof *s);
    *s = (tn_BucketizedSplit){.feature_id = feature,
                              .threshold = threshold,
                              .left_id = left,
                              .right_id = left + 1,
                              .dimension_id = dimension,
                              .default_direction = tn_view_is(type, "INEQUALITY_DEFAULT_RIGHT")};
    TN_SET(node, TreeNode, node, bucketized_split) = s;
    return TN_OK;
}

/* The two leaves are as the node was, and what the split gives more. */
static tn_code add_leaves(tn_arena *a, tn_Tree *tree, const choice *c, const growth *g, tn_logits before,
                          tn_error *err)
{
    float *v = tn_calloc((size_t)g->dims, sizeof *v);
    tn_code code = v ? TN_OK : tn_no_memory(err, 0);
    for (int side = 0; side < 2 && code == TN_OK; side++) {
        const tn_tensor *by = side ? c->from->right : c->from->left;
        for (int k = 0; k < g->dims; k++) v[k] = g->rate * TN_FLOATS(by)[c->at * by->shape.dim[1] + k];
        code = add_leaf(a, tree, before.v, v, g->dims, err);
    }
    tn_free(v);
    return code;
}

static tn_code split(tn_trees *t, int tree_id, const choice *c, const growth *g, tn_error *err)
{
    tn_Tree *tree = &t->ensemble->trees.items[tree_id];
    int left = (int)tree->nodes.n;
    tn_TreeLeaf *leaf = tree->nodes.items[c->node].leaf;
    tn_logits before = tn_tree_logits(&tree->nodes.items[c->node]);
    bool has_value = before.n > 1 || leaf->leaf_case || leaf->scalar != 0, kept = c->node || has_value;
    if (!kept) before = (tn_logits){NULL, 0};
    if (kept && before.n != g->dims)
        return tn_fail(err, TN_INVALID_ARGUMENT, "node %d has %d logits, not %d", c->node, before.n, g->dims);
    TN_TRY(add_leaves(t->arena, tree, c, g, before, err));
    tn_TreeNode *node = &tree->nodes.items[c->node];
    if (!node->metadata && !(node->metadata = TN_NEW(t->arena, tn_TreeNodeMetadata)))
        return tn_no_memory(err, 0);
    node->metadata->gain = c->gain;
    if (kept) node->metadata->original_leaf = leaf;
    node->leaf = NULL;
    return put_split(t->arena, node, c, left, err);
}

static tn_code check_splits(const tn_trees *t, int tree, const growth *g, tn_error *err)
{
    const tn_TreeNode *node;
    for (int64_t i = 0; i < g->n; i++) {
        TN_TRY(tn_tree_node(t->ensemble, tree, g->best[i].node, &node, err));
        if (!tn_tree_is_leaf(node))
            return tn_fail(err, TN_INVALID_ARGUMENT, "node %d of tree %d has been split already",
                           g->best[i].node, tree);
    }
    return TN_OK;
}

/* ==== pruning ==== */

static void children(const tn_TreeNode *node, int32_t **left, int32_t **right)
{
    bool of_buckets = node->node_case == TN_TreeNode_bucketized_split;
    *left = of_buckets ? &node->bucketized_split->left_id : &node->categorical_split->left_id;
    *right = of_buckets ? &node->bucketized_split->right_id : &node->categorical_split->right_id;
}

static bool is_split(const tn_TreeNode *node)
{
    return node->node_case == TN_TreeNode_bucketized_split ||
           node->node_case == TN_TreeNode_categorical_split;
}

typedef struct pruning {
    int32_t *parent, *new_id; /* of each node; its own where it stays */
    float *change; /* what its logits were more than those of what it became part of, [nodes, dims] */
    int dims;
    bool any;
} pruning;

static void become_leaf(tn_TreeNode *node, int at, const tn_TreeNode *nodes, pruning *p)
{
    static const float none[1] = {0};
    int32_t *side[2];
    tn_TreeLeaf *leaf = node->metadata->original_leaf;
    tn_logits mine = tn_tree_logits(node);
    children(node, &side[0], &side[1]);
    for (int k = 0; k < 2; k++) {
        tn_logits v = tn_tree_logits(&nodes[*side[k]]);
        p->parent[*side[k]] = at;
        for (int j = 0; j < p->dims && j < v.n; j++)
            p->change[*side[k] * p->dims + j] = (j < mine.n ? mine.v[j] : none[0]) - v.v[j];
    }
    node->bucketized_split = NULL;
    node->categorical_split = NULL;
    node->metadata = NULL;
    TN_SET(node, TreeNode, node, leaf) = leaf;
    p->any = true;
}

/* Splits that lose and have only leaves become leaves again, from the last on, so that those above see it. */
static tn_code find_losing(tn_trees *t, tn_Tree *tree, pruning *p, tn_error *err)
{
    for (int i = (int)tree->nodes.n - 1; i >= 0; i--) {
        tn_TreeNode *node = &tree->nodes.items[i];
        int32_t *left, *right;
        if (!is_split(node)) continue;
        children(node, &left, &right);
        if (*left <= i || *right <= i || (uint32_t)*left >= tree->nodes.n ||
            (uint32_t)*right >= tree->nodes.n)
            return tn_fail(err, TN_INVALID_ARGUMENT, "node %d of a tree has children %d and %d", i, *left,
                           *right);
        bool leaves =
            tn_tree_is_leaf(&tree->nodes.items[*left]) && tn_tree_is_leaf(&tree->nodes.items[*right]);
        if (!node->metadata || !(node->metadata->gain < 0) || !leaves) continue;
        if (!node->metadata->original_leaf &&
            !(node->metadata->original_leaf = TN_NEW(t->arena, tn_TreeLeaf)))
            return tn_no_memory(err, 0);
        become_leaf(node, i, tree->nodes.items, p);
    }
    return TN_OK;
}

static tn_code note_changes(tn_trees *t, tn_TreeMetadata *m, int n, pruning *p, tn_error *err)
{
    int32_t next = 0;
    for (int i = 0; i < n; i++) {
        tn_PostPruneNodeUpdate *u = TN_PUSH(t->arena, &m->post_pruned_nodes_meta);
        if (!u || !tn_proto_reserve(t->arena, &u->logit_change, sizeof(float), (size_t)p->dims))
            return tn_no_memory(err, 0);
        u->logit_change.n = (uint32_t)p->dims;
        memset(u->logit_change.items, 0, (size_t)p->dims * sizeof(float));
        int at = i;
        for (; p->parent[at] != at; at = p->parent[at])
            for (int k = 0; k < p->dims; k++) u->logit_change.items[k] += p->change[at * p->dims + k];
        if (at == i) p->new_id[i] = next++;
        u->new_node_id = p->new_id[at];
    }
    return TN_OK;
}

static void close_up(tn_Tree *tree, const pruning *p)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < tree->nodes.n; i++) {
        int32_t *left, *right;
        tn_TreeNode *node = &tree->nodes.items[i];
        if (p->parent[i] != (int32_t)i) continue;
        if (is_split(node)) {
            children(node, &left, &right);
            *left = p->new_id[*left];
            *right = p->new_id[*right];
        }
        tree->nodes.items[n++] = *node;
    }
    tree->nodes.n = n;
}

static tn_code prune(tn_trees *t, int tree_id, int dims, tn_error *err)
{
    tn_Tree *tree = &t->ensemble->trees.items[tree_id];
    size_t n = tree->nodes.n;
    pruning p = {tn_calloc(n + 1, sizeof *p.parent), tn_calloc(n + 1, sizeof *p.new_id),
                 tn_calloc((n + 1) * (size_t)dims, sizeof *p.change), dims, false};
    tn_code code = p.parent && p.new_id && p.change ? TN_OK : tn_no_memory(err, 0);
    for (size_t i = 0; code == TN_OK && i < n; i++) p.parent[i] = (int32_t)i;
    if (code == TN_OK) code = find_losing(t, tree, &p, err);
    if (code == TN_OK && p.any)
        code = note_changes(t, &t->ensemble->tree_metadata.items[tree_id], (int)n, &p, err);
    if (code == TN_OK && p.any) close_up(tree, &p);
    tn_free(p.parent);
    tn_free(p.new_id);
    tn_free(p.change);
    return code;
}

/* ==== a layer ==== */

static void count_attempt(tn_TreeEnsemble *e)
{
    tn_GrowingMetadata *g = e->growing_metadata;
    uint32_t n = e->trees.n;
    g->num_layers_attempted++;
    bool first =
        !n || ((n == 1 || e->tree_metadata.items[n - 2].is_finalized) && e->trees.items[n - 1].nodes.n == 1);
    g->num_trees_attempted += first;
}

static tn_code finish_tree(tn_trees *t, int tree, const growth *g, tn_error *err)
{
    t->ensemble->tree_metadata.items[tree].is_finalized = true;
    if (g->pruning == POST_PRUNING) TN_TRY(prune(t, tree, g->dims, err));
    return add_empty_tree(t, g->dims, err);
}

static tn_code grow(tn_trees *t, const growth *g, tn_error *err)
{
    tn_TreeEnsemble *e = t->ensemble;
    if (!e->growing_metadata && !(e->growing_metadata = TN_NEW(t->arena, tn_GrowingMetadata)))
        return tn_no_memory(err, sizeof *e->growing_metadata);
    if (e->tree_metadata.n != e->trees.n || e->tree_weights.n != e->trees.n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "an ensemble of %u trees has %u weights and %u states",
                       e->trees.n, e->tree_weights.n, e->tree_metadata.n);
    if (e->trees.n) TN_TRY(check_splits(t, (int)e->trees.n - 1, g, err));
    t->stamp++;
    count_attempt(e);
    if (!e->trees.n) TN_TRY(add_empty_tree(t, g->dims, err));
    int tree = (int)e->trees.n - 1, from = (int)e->trees.items[tree].nodes.n, to;
    TN_TRY(check_splits(t, tree, g, err));
    for (int64_t i = 0; i < g->n; i++)
        if (g->pruning != PRE_PRUNING || !(g->best[i].gain < 0)) TN_TRY(split(t, tree, &g->best[i], g, err));
    to = (int)e->trees.items[tree].nodes.n;
    if (to == from) return TN_OK;
    if (++e->tree_metadata.items[tree].num_layers_grown >= g->max_depth) {
        TN_TRY(finish_tree(t, tree, g, err));
        from = 0;
        to = 1;
    }
    e->growing_metadata->last_layer_node_start = from;
    e->growing_metadata->last_layer_node_end = to;
    return TN_OK;
}

static tn_code grow_with(tn_run *r, growth *g, tn_error *err)
{
    tn_trees *t;
    tn_code code = choose(g, err);
    if (code == TN_OK) code = tn_trees_open(r, true, &t, err);
    if (code == TN_OK) {
        code = grow(t, g, err);
        tn_trees_close(t);
    }
    tn_free(g->best);
    return code;
}

static tn_code scalars(const tn_run *r, int first, growth *g, tn_error *err)
{
    for (int i = first; i < r->n_in; i++)
        if (tn_tensor_count(r->in[i]) != 1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "input %d of '%s' must be a scalar", i, r->name);
    g->max_depth = TN_INT32S(r->in[first])[0];
    g->rate = TN_FLOATS(r->in[first + 1])[0];
    return TN_OK;
}

static tn_code update(tn_run *r, tn_arena *a, tn_error *err)
{
    int n = (int)tn_attr_i(r->attrs, "num_features");
    growth g = {.groups = n, .dims = 1, .pruning = (int)tn_attr_i(r->attrs, "pruning_mode")};
    const tn_tensor *const *in = r->in + 2;
    TN_TRY(scalars(r, 2 + 5 * n, &g, err));
    if (r->in[1]->shape.rank != 1 || r->in[1]->shape.dim[0] < n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "feature_ids must be a vector of %d", n);
    if (!(g.group = TN_ARRAY(a, n + 1, candidates))) return tn_no_memory(err, 0);
    for (int i = 0; i < n; i++)
        g.group[i] = (candidates){.features = r->in[1],
                                  .first_feature = i,
                                  .nodes = in[i],
                                  .gains = in[n + i],
                                  .thresholds = in[2 * n + i],
                                  .left = in[3 * n + i],
                                  .right = in[4 * n + i]};
    return grow_with(r, &g, err);
}
TN_RUN_IN_ARENA(update_run, update)

static tn_code update_v2(tn_run *r, tn_arena *a, tn_error *err)
{
    int groups = (int)tn_attr_i(r->attrs, "num_groups"), n = (int)tn_attr_i(r->attrs, "num_features");
    growth g = {.groups = groups, .dims = (int)tn_attr_i(r->attrs, "logits_dimension")};
    const tn_tensor *const *in = r->in + 1 + groups;
    TN_TRY(scalars(r, 1 + groups + 7 * n, &g, err));
    g.pruning = TN_INT32S(r->in[r->n_in - 1])[0];
    if (groups > n || g.dims < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%d groups of %d features, %d logits", groups, n, g.dims);
    if (!(g.group = TN_ARRAY(a, groups + 1, candidates))) return tn_no_memory(err, 0);
    for (int i = 0; i < groups; i++)
        g.group[i] = (candidates){.features = r->in[1 + i],
                                  .dimensions = in[i],
                                  .nodes = in[n + i],
                                  .gains = in[2 * n + i],
                                  .thresholds = in[3 * n + i],
                                  .left = in[4 * n + i],
                                  .right = in[5 * n + i],
                                  .types = in[6 * n + i]};
    return grow_with(r, &g, err);
}
TN_RUN_IN_ARENA(update_v2_run, update_v2)

/* ==== records ==== */

#define GROW(Name, Run, Infer, Sig) \
    TN_STATE_OP(Name, Run, Infer, TN_EFFECT | TN_NO_GRADIENT, 0, "tree_ensemble_handle:resource " Sig)
GROW(BoostedTreesCenterBias, center_run, tn_infer_scalar,
     "mean_gradients:float mean_hessians:float l1:float l2:float -> continue_centering:bool;");
GROW(BoostedTreesUpdateEnsemble, update_run, tn_infer_none,
     "feature_ids:int32 node_ids:num_features*int32 gains:num_features*float thresholds:num_features*int32 "
     "left_node_contribs:num_features*float right_node_contribs:num_features*float max_depth:int32 "
     "learning_rate:float -> ; pruning_mode:int>=0 num_features:int>=0");
GROW(BoostedTreesUpdateEnsembleV2, update_v2_run, tn_infer_none,
     "feature_ids:num_groups*int32 dimension_ids:num_features*int32 node_ids:num_features*int32 "
     "gains:num_features*float thresholds:num_features*int32 left_node_contribs:num_features*float "
     "right_node_contribs:num_features*float split_types:num_features*string max_depth:int32 "
     "learning_rate:float "
     "pruning_mode:int32 -> ; num_features:int>=0 logits_dimension:int=1 num_groups:int>=1=1");
