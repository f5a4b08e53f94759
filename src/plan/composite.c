/* SPDX-License-Identifier: Apache-2.0
 *
 * composite.c - composites: writing their functions, recognising them, and putting fused operators in the place of
 * calls. What each computes is its own file's (composite_norm.c).
 */
#include "composite.h"

#include "../graph/diff.h"
#include "../graph/flow.h"
#include "../graph/inside.h"

#define MARK "turnery."
#define EPSILON " epsilon="

static const tn_composite *const records[] = {&tn_composite_layer_norm, &tn_composite_layer_norm_grad};

const tn_op tn_pseudo_composite = {.name = "_Composite"};

static const tn_composite *find_record(tn_view name)
{
    for (size_t i = 0; i < TN_COUNT(records); i++)
        if (tn_view_is(name, records[i]->name)) return records[i];
    return NULL;
}

static bool is_plain_float(tn_node n)
{
    return tn_node_dtype(n) == TN_FLOAT;
}

static bool take_prefix(tn_view *v, const char *prefix)
{
    if (!tn_view_starts(*v, prefix)) return false;
    v->p += strlen(prefix);
    v->n -= strlen(prefix);
    return true;
}

const tn_composite *tn_composite_read(const tn_attrs *a, float *epsilon)
{
    tn_view v, name;
    double number;
    if (!a || !tn_attr_get_string(a, TN_COMPOSITE_MARK, &v) || !take_prefix(&v, MARK)) return NULL;
    name = (tn_view){v.p, 0};
    while (name.n < v.n && v.p[name.n] != ' ') name.n++;
    v = (tn_view){v.p + name.n, v.n - name.n};
    if (!take_prefix(&v, EPSILON) || !tn_parse_double(v, &number)) return NULL;
    *epsilon = (float)number;
    return find_record(name);
}

const tn_composite *tn_composite_of(const tn_function *f)
{
    float epsilon;
    const tn_composite *k = tn_composite_read(&f->attrs, &epsilon);
    if (!k || f->n_args != k->n_args || f->n_rets != k->n_rets || f->stateful) return NULL;
    for (int i = 0; i < f->n_args; i++)
        if (!is_plain_float(tn_output_of(f->args[i], 0))) return NULL;
    for (int i = 0; i < f->n_rets; i++)
        if (!is_plain_float(f->rets[i])) return NULL;
    return k;
}

/* ==== the functions ==== */

static char *function_name(tn_arena *a, const char *composite, float epsilon)
{
    uint32_t bits;
    memcpy(&bits, &epsilon, sizeof bits);
    return tn_arena_printf(a, "turnery_%s_%08x", composite, bits);
}

static tn_code add_function(tn_builder *b, const tn_composite *k, float epsilon, tn_builder *body, const tn_node *rets,
                            tn_error *err)
{
    tn_function f;
    char number[64], *name = function_name(b->arena, k->name, epsilon);
    tn_format_float(number, epsilon);
    const char *text = tn_arena_printf(b->arena, MARK "%s" EPSILON "%s", k->name, number);
    if (!name || !text) return tn_no_memory(err, 0);
    tn_attr mark = tn_attr_str(TN_COMPOSITE_MARK, text);
    TN_TRY(tn_builder_check(body, err));
    TN_TRY(tn_function_describe(b->arena, name, body->graph, body->args, body->n_args, rets, k->n_rets, &f, err));
    f.attrs = (tn_attrs){&mark, 1};
    if (k->grad && !(f.grad = function_name(b->arena, k->grad, epsilon))) return tn_no_memory(err, 0);
    return tn_graph_add_function(b->graph, &f, err);
}

static tn_code define(tn_builder *b, const tn_composite *k, float epsilon, tn_error *err)
{
    tn_node args[8], rets[8];
    tn_builder *body = tn_body_builder(b, err);
    if (!body) return TN_RESOURCE_EXHAUSTED;
    for (int i = 0; i < k->n_args; i++) args[i] = tn_function_arg(body, "arg", TN_FLOAT, tn_shape_unknown());
    k->body(body, args, epsilon, rets);
    tn_code code = add_function(b, k, epsilon, body, rets, err);
    if (code) tn_body_drop(body);
    else tn_builder_free(body);
    return code;
}

/* The function's name once the library has it and its gradient's. */
static tn_code ensure(tn_builder *b, tn_view composite, float epsilon, const char **out, tn_error *err)
{
    const tn_composite *k = find_record(composite);
    if (!k) return tn_fail(err, TN_INTERNAL, "there is no composite '%.*s'", (int)composite.n, composite.p);
    const char *name = function_name(b->arena, k->name, epsilon), *grad;
    if (!name) return tn_no_memory(err, 0);
    if (k->grad) TN_TRY(ensure(b, tn_view_of(k->grad), epsilon, &grad, err));
    if (!tn_graph_function(b->graph, name)) TN_TRY(define(b, k, epsilon, err));
    *out = name;
    return TN_OK;
}

tn_operation *tn_composite_call(tn_builder *b, const char *composite, const char *name, const tn_node *in, int n_in,
                                float epsilon)
{
    tn_error err;
    const char *function;
    if (!tn_builder_ok(b)) return NULL;
    if (ensure(b, tn_view_of(composite), epsilon, &function, &err)) {
        tn_builder_fail_with(b, &err);
        return NULL;
    }
    tn_dtype types[8];
    const tn_function *f = tn_graph_function(b->graph, function);
    for (int i = 0; i < f->n_rets; i++) types[i] = TN_FLOAT;
    return tn_add_operation(b, "PartitionedCall", name, in, n_in,
                            TN_ATTRS(tn_attr_func("f", function), tn_attr_types("Tout", types, f->n_rets)));
}

/* ==== planning ==== */

tn_code tn_pass_composites(tn_binding *b, tn_region *r, tn_error *err)
{
    bool inlined = false;
    for (int i = 0; i < r->n_nodes; i++) {
        tn_pnode *n = r->nodes[i];
        for (int s = 0; s < n->n_sub; s++) TN_TRY(tn_pass_composites(b, n->sub[s], err));
        if (n->op != &tn_pseudo_composite || !(b->passes & TN_PASS(COMPOSITES))) continue;
        float epsilon;
        n->op = tn_composite_read(n->attrs, &epsilon)->fused; /* lower.c looked before */
        n->n_sub = 0;
    }
    return tn_pass_take_branches(b, r, &inlined, err);
}
