/* SPDX-License-Identifier: Apache-2.0
 *
 * recursion.c - the call of a function that is being inlined already: it stays one node, which calls the function when
 * it runs (callee.h), as TensorFlow does with functions that call themselves.
 *
 * Invariants: whether a call comes to an end only its run knows, so there are TN_CALL_DEPTH at most within each other;
 * what the function does is not known where the node stands, so it is never merged, folded or dropped, and may write
 * any variable.
 */
#include "callee.h"
#include "lower.h"

/* Takes what is in `made`. */
static tn_code give(tn_run *r, tn_tensor **made, tn_error *err)
{
    tn_code code = TN_OK;
    for (int o = 0; o < r->n_out; o++) {
        if (code == TN_OK) code = tn_run_output_share(r, o, made[o], err);
        tn_tensor_unref(made[o]);
    }
    return code;
}

static tn_code call_run(tn_run *r, tn_error *err)
{
    tn_function_call call = {.owner = "itself",
                             .function = tn_attr_get_func(r->attrs, "f")->name,
                             .args = (tn_tensor *const *)r->in,
                             .n_args = r->n_in,
                             .n_out = r->n_out,
                             .depth = tn_run_depth(r) + 1};
    tn_tensor **made = tn_calloc((size_t)r->n_out + 1, sizeof *made);
    if (!made) return tn_no_memory(err, 0);
    tn_code code = tn_call_function(r, &call, made, err);
    if (code == TN_OK) code = give(r, made, err);
    tn_free(made);
    return code;
}

const tn_op tn_pseudo_call = {.name = "_Call",
                              .infer = tn_infer_none,
                              .run = call_run,
                              .flags = TN_STATEFUL | TN_EFFECT | TN_SHARES,
                              .dynamic = ~0u};

bool tn_is_within(const within *w, const tn_function *f)
{
    while (w && w->f != f) w = w->outer;
    return w != NULL;
}

static tn_code call_attrs(tn_arena *a, const tn_function *f, const tn_attrs **out, tn_error *err)
{
    const tn_attr attr = {.name = "f", .kind = TN_ATTR_FUNC, .func = {.name = f->name}};
    tn_attrs *attrs = TN_NEW(a, tn_attrs);
    if (!attrs) return tn_no_memory(err, sizeof *attrs);
    *out = attrs;
    return tn_attrs_copy(a, &attr, 1, attrs, err);
}

tn_code tn_lower_recursion(lowering *l, const tn_function *f, const char *prefix, const tn_pval *args, tn_pnode *before,
                           tn_region *region, tn_pval *rets, tn_pnode **done, tn_error *err)
{
    tn_arena *a = l->arena;
    const char *name = tn_arena_printf(a, "%.*s", (int)strlen(prefix) - 1, prefix);
    tn_pnode *n = name ? tn_pnode_new(a, &tn_pseudo_call, name, f->n_args, f->n_rets) : NULL;
    if (!n || !tn_region_add(a, region, n)) return tn_no_memory(err, 0);
    TN_TRY(call_attrs(a, f, &n->attrs, err));
    for (int i = 0; i < f->n_args; i++) n->in[i] = args[i];
    for (int i = 0; i < f->n_rets; i++) {
        const tn_node v = f->rets[i];
        n->out[i].dtype = tn_dtype_base(v.op->out[v.index].dtype);
        rets[i] = (tn_pval){n, i};
    }
    n->effect = true;
    if (before && !tn_pnode_add_control(a, n, before)) return tn_no_memory(err, 0);
    *done = n;
    return TN_OK;
}
