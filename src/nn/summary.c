/* SPDX-License-Identifier: Apache-2.0
 *
 * summary.c - a model as a table: layers, output shapes, parameters.
 */
#include "nn.h"

static const char *kind_of(const tn_graph *g, const char *scope, const tn_operation *out)
{
    static const struct {
        const char *op, *kind;
    } kinds[] = {{"Conv2D", "conv2d"},      {"MatMul", "dense"},
                 {"GatherV2", "embedding"}, {"FusedBatchNormV3", "batch norm"},
                 {"MaxPool", "max pool"},   {"AvgPool", "average pool"}};
    size_t n = strlen(scope);
    for (size_t k = 0; k < TN_COUNT(kinds); k++) {
        if (!strcmp(out->type, kinds[k].op)) return kinds[k].kind;
        for (int i = 0; n && i < tn_graph_count(g); i++) {
            const tn_operation *op = tn_graph_at(g, i);
            if (!strcmp(op->type, kinds[k].op) && !strncmp(op->name, scope, n) && op->name[n] == '/')
                return kinds[k].kind;
        }
    }
    return !strncmp(out->name, "flatten", 7) ? "flatten" : "";
}

static int64_t parameters(const tn_graph *g, const char *scope, bool trainable)
{
    int64_t sum = 0;
    size_t n = strlen(scope);
    for (int i = 0; i < tn_graph_variable_count(g); i++) {
        const tn_variable_info *v = tn_graph_variable_at(g, i);
        tn_shape s;
        if (v->trainable != trainable || strncmp(v->name, scope, n) || (n && v->name[n] != '/')) continue;
        if (n && strchr(v->name + n + 1, '/')) continue;
        if (tn_attr_get_shape(&v->op->attrs, "shape", &s) && tn_shape_known(&s)) sum += tn_shape_count(&s);
    }
    return sum;
}

static void row(tn_buf *out, const tn_graph *g, const char *value)
{
    tn_node node;
    char shape[160], scope[300];
    if (tn_graph_value(g, value, &node, NULL)) return;
    snprintf(scope, sizeof scope, "%s", node.op->name);
    char *slash = strrchr(scope, '/');
    if (slash)
        *slash = 0;
    else
        scope[0] = 0;
    tn_shape s = tn_node_shape(node);
    int64_t count = *scope ? parameters(g, scope, true) : 0;
    tn_buf_printf(out, "  %-24s %-14s %-22s %12lld\n", *scope ? scope : node.op->name,
                  kind_of(g, scope, node.op), tn_shape_text(&s, shape, sizeof shape), (long long)count);
}

/* Those that begin with another model's values, and how many of them are trained. */
static void begun_row(tn_buf *out, const tn_graph *g)
{
    int64_t all = 0, trained = 0;
    for (int i = 0; i < tn_graph_variable_count(g); i++) {
        const tn_variable_info *v = tn_graph_variable_at(g, i);
        tn_shape s;
        if (!v->start.checkpoint || !tn_attr_get_shape(&v->op->attrs, "shape", &s) || !tn_shape_known(&s)) continue;
        all += tn_shape_count(&s);
        if (v->trainable) trained += tn_shape_count(&s);
    }
    if (all)
        tn_buf_printf(out, "  %lld begin with a checkpoint's values, %lld of them are trained\n", (long long)all,
                      (long long)trained);
}

char *tn_model_summary(const tn_graph *g)
{
    tn_buf out = {0};
    int64_t trainable = 0;
    tn_buf_printf(&out, "  %-24s %-14s %-22s %12s\n", "layer", "kind", "output", "parameters");
    for (int i = 0; i < tn_collection_count(g, TN_LAYERS); i++)
        row(&out, g, tn_collection_at(g, TN_LAYERS, i));
    for (int i = 0; i < tn_graph_variable_count(g); i++) {
        const tn_variable_info *v = tn_graph_variable_at(g, i);
        tn_shape s;
        if (v->trainable && tn_attr_get_shape(&v->op->attrs, "shape", &s) && tn_shape_known(&s))
            trainable += tn_shape_count(&s);
    }
    tn_buf_printf(&out, "  %-24s %-14s %-22s %12lld\n", "all", "", "", (long long)trainable);
    begun_row(&out, g);
    return tn_buf_take(&out, NULL);
}
