/* SPDX-License-Identifier: Apache-2.0
 *
 * dataset.c - data sets: made, held, started, asked. What each kind does with elements is op_dataset_*.c's.
 *
 * Invariants: everything of a description is in its arena, but for the counted tensors, data sets and
 * resources; an element that is handed on has its data set's dtypes; neither trees nor what asks through them
 * nest deeper than TN_DATASETS_DEPTH.
 */
#include "dataset.h"

#include "../ops/list.h"
#include "../plan/state.h"

/* ==== held ==== */

static void release(tn_variant *v)
{
    tn_dataset *d = (tn_dataset *)v;
    if (d->kind->drop) d->kind->drop(d);
    for (int i = 0; i < d->n_inputs; i++) tn_dataset_unref(d->input[i]);
    tn_element_drop(d->tensor, d->n_tensors);
    for (int k = 0; k < TN_DATA_FUNCTIONS; k++) tn_element_drop(d->f[k].captured, d->f[k].n_captured);
    tn_resource_unref(d->shared);
    tn_arena_free(d->arena);
    tn_free(d);
}

void tn_dataset_unref(tn_dataset *d)
{
    if (d) tn_variant_unref(&d->head);
}

tn_code tn_dataset_of(const tn_tensor *t, tn_dataset **out, tn_error *err)
{
    tn_variant *v =
        t->dtype == TN_VARIANT && t->data && tn_tensor_count(t) == 1 ? *(tn_variant **)t->data : NULL;
    if (!v || v->release != release)
        return tn_fail(err, TN_INVALID_ARGUMENT, "The input does not represent a dataset.");
    *out = (tn_dataset *)v;
    return TN_OK;
}

int64_t tn_dataset_cardinality(const tn_dataset *d)
{
    return d->kind->cardinality ? d->kind->cardinality(d) : TN_UNKNOWN_CARDINALITY;
}

bool tn_dataset_is_ordered(const tn_dataset *d)
{
    if (d->shared && d->shared->kind == TN_RES_SEEDS) return false;
    for (int i = 0; i < d->n_inputs; i++)
        if (!tn_dataset_is_ordered(d->input[i])) return false;
    return true;
}

int64_t tn_dataset_cardinality_of_input(const tn_dataset *d)
{
    return tn_dataset_cardinality(d->input[0]);
}

tn_code tn_dataset_fits(const tn_dataset *d, int width, const tn_dtype *types, const tn_shape *shapes,
                        tn_error *err)
{
    char a[128], b[128];
    if (d->width != width)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Number of components does not match: expected %d types but got %d.", width, d->width);
    for (int i = 0; i < width; i++) {
        if (d->types[i] != types[i])
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Data type mismatch at component %d: expected %s but got %s.", i,
                           tn_dtype_name(types[i]), tn_dtype_name(d->types[i]));
        if (!tn_shape_compatible(&d->shapes[i], &shapes[i]))
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Incompatible shapes at component %d: expected %s but got %s.", i,
                           tn_shape_text(&shapes[i], a, sizeof a), tn_shape_text(&d->shapes[i], b, sizeof b));
    }
    return TN_OK;
}

/* ==== made ==== */

static tn_code no_memory(tn_error *err)
{
    return tn_no_memory(err, 0);
}

tn_code tn_dataset_deepen(tn_dataset *d, int depth, tn_error *err)
{
    if (depth >= TN_DATASETS_DEPTH)
        return tn_fail(err, TN_INVALID_ARGUMENT, "data sets nested deeper than %d", TN_DATASETS_DEPTH);
    d->head.depth = TN_MAX(d->head.depth, depth + 1);
    return TN_OK;
}

static tn_code take_input(tn_dataset *d, tn_dataset *in, tn_error *err)
{
    TN_TRY(tn_dataset_deepen(d, in->head.depth, err));
    if ((d->parts += in->parts) > TN_DATA_PARTS)
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "'%s': a data set of more than %d others", d->node, TN_DATA_PARTS);
    tn_variant_ref(&in->head);
    d->input[d->n_inputs++] = in;
    return TN_OK;
}

static tn_code take_inputs(tn_dataset *d, const tn_run *r, int n, tn_error *err)
{
    for (int i = 0; i < n; i++) {
        tn_dataset *in;
        TN_TRY(tn_dataset_of(r->in[i], &in, err));
        TN_TRY(take_input(d, in, err));
    }
    return TN_OK;
}

tn_code tn_dataset_types(tn_dataset *d, int width, const tn_dtype *types, tn_error *err)
{
    d->types = TN_ARRAY(d->arena, width + 1, tn_dtype);
    d->shapes = TN_ARRAY(d->arena, width + 1, tn_shape);
    if (!d->types || !d->shapes) return no_memory(err);
    d->width = width;
    for (int i = 0; i < width; i++) {
        d->types[i] = types[i];
        d->shapes[i] = tn_shape_unknown();
    }
    return TN_OK;
}

static tn_code describe(tn_dataset *d, const tn_run *r, bool as_input, tn_error *err)
{
    const tn_attr *types = tn_attr_find(r->attrs, "output_types"),
                  *shapes = tn_attr_find(r->attrs, "output_shapes");
    if (!types) types = tn_attr_find(r->attrs, "Toutput_types");
    if (as_input)
        TN_TRY(tn_dataset_types(d, d->input[0]->width, d->input[0]->types, err));
    else if (types && types->is_list && types->kind == TN_ATTR_TYPE)
        TN_TRY(tn_dataset_types(d, types->n, types->types, err));
    bool has_shapes = shapes && shapes->is_list && shapes->kind == TN_ATTR_SHAPE && shapes->n == d->width;
    for (int i = 0; i < d->width && (has_shapes || as_input); i++)
        d->shapes[i] = has_shapes ? shapes->shapes[i] : d->input[0]->shapes[i];
    return TN_OK;
}

/* With room for that many inputs. */
static tn_code empty(const tn_run *r, const tn_dataset_kind *k, int n_inputs, tn_dataset **out, tn_error *err)
{
    tn_dataset *d = tn_calloc(1, sizeof *d);
    if (!d || !(d->arena = tn_arena_new(0))) {
        tn_free(d);
        return no_memory(err);
    }
    atomic_init(&d->head.refs, 1);
    d->head.release = release;
    d->head.depth = 1;
    d->parts = 1;
    d->kind = k;
    d->node = tn_arena_strdup(d->arena, r->name);
    d->input = TN_ARRAY(d->arena, n_inputs + 1, tn_dataset *);
    if (d->node && d->input) {
        *out = d;
        return TN_OK;
    }
    tn_dataset_unref(d);
    return no_memory(err);
}

tn_code tn_dataset_bare(const tn_run *r, const tn_dataset_kind *k, tn_dataset **out, tn_error *err)
{
    return empty(r, k, 0, out, err);
}

tn_code tn_dataset_box(tn_dataset *d, tn_code code, tn_tensor **out, tn_error *err)
{
    tn_tensor *box;
    tn_shape scalar = {.rank = 0};
    if (code == TN_OK && (code = tn_tensor_new(TN_VARIANT, &scalar, &box, err)) == TN_OK) {
        *(tn_variant **)box->data = &d->head;
        *out = box;
        return TN_OK;
    }
    tn_dataset_unref(d);
    return code;
}

tn_code tn_dataset_new(const tn_run *r, const tn_dataset_kind *k, int n_inputs, bool as_input,
                       tn_dataset **out, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(empty(r, k, n_inputs, &d, err));
    d->said = tn_dataset_said(r);
    tn_code code = take_inputs(d, r, n_inputs, err);
    if (code == TN_OK) code = describe(d, r, as_input, err);
    if (code == TN_OK)
        *out = d;
    else
        tn_dataset_unref(d);
    return code;
}

tn_code tn_dataset_over(const tn_run *r, const tn_dataset_kind *k, tn_dataset *in, tn_dataset **out,
                        tn_error *err)
{
    tn_dataset *d;
    TN_TRY(empty(r, k, 1, &d, err));
    tn_code code = take_input(d, in, err);
    if (code == TN_OK) code = tn_dataset_types(d, in->width, in->types, err);
    if (code == TN_OK)
        *out = d;
    else
        tn_dataset_unref(d);
    return code;
}

static tn_code keep(tn_dataset *d, const tn_run *r, int first, int n, tn_tensor ***out, int *kept,
                    tn_error *err)
{
    if (first < 0 || n < 0 || first + n > r->n_in)
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s' has %d inputs, not %d", r->name, r->n_in, first + n);
    *out = TN_ARRAY(d->arena, n + 1, tn_tensor *);
    if (!*out) return no_memory(err);
    for (; *kept < n; ++*kept) {
        const tn_tensor *t = r->in[first + *kept];
        TN_TRY(tn_dataset_deepen(d, tn_list_depth(t), err));
        TN_TRY(tn_tensor_keep(t, &(*out)[*kept], err));
    }
    return TN_OK;
}

tn_code tn_dataset_keep(tn_dataset *d, const tn_run *r, int first, int n, tn_error *err)
{
    return keep(d, r, first, n, &d->tensor, &d->n_tensors, err);
}

int tn_dataset_count(const tn_run *r, const char *attr)
{
    const tn_attr *a = tn_attr_find(r->attrs, attr);
    return a && a->is_list ? a->n : 0;
}

tn_code tn_dataset_function(tn_dataset *d, int k, const tn_run *r, const char *attr, int first, int n,
                            tn_error *err)
{
    const tn_func_attr *f = tn_attr_get_func(r->attrs, attr);
    if (!f || !f->name) return tn_fail(err, TN_INVALID_ARGUMENT, "'%s' has no function %s", r->name, attr);
    if (!(d->f[k].name = tn_arena_strdup(d->arena, f->name))) return no_memory(err);
    return keep(d, r, first, n, &d->f[k].captured, &d->f[k].n_captured, err);
}

tn_code tn_dataset_give(tn_run *r, tn_dataset *d, tn_code code, tn_error *err)
{
    if (code == TN_OK && d->width < 1)
        code = tn_fail(err, TN_INVALID_ARGUMENT, "'%s' has no output_types", r->name);
    if (code != TN_OK) {
        tn_dataset_unref(d);
        return code;
    }
    tn_variant **at = r->out[0]->data;
    tn_variant_unref(*at);
    *at = &d->head;
    return TN_OK;
}

tn_code tn_dataset_int(const tn_run *r, int input, const char *what, int64_t *out, tn_error *err)
{
    const tn_tensor *t = r->in[input];
    if (t->shape.rank != 0 || (!tn_dtype_is_integer(t->dtype) && t->dtype != TN_BOOL))
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s must be a scalar", what);
    *out = tn_tensor_int(t, 0);
    return TN_OK;
}

/* ==== asked ==== */

tn_pull tn_turn_of(const tn_run *r, const char *owner)
{
    return (tn_pull){.run = r, .owner = owner, .depth = tn_run_depth(r)};
}

tn_tensor **tn_element_new(int n)
{
    return tn_calloc((size_t)n + 1, sizeof(tn_tensor *));
}

void tn_element_drop(tn_tensor **e, int n)
{
    for (int i = 0; e && i < n; i++) {
        tn_tensor_unref(e[i]);
        e[i] = NULL;
    }
}

static tn_code enter(tn_pull *t, tn_error *err)
{
    if (t->depth >= TN_DATASETS_DEPTH)
        return tn_fail(err, TN_INVALID_ARGUMENT, "data sets nested deeper than %d", TN_DATASETS_DEPTH);
    t->depth++;
    return TN_OK;
}

tn_code tn_source_start(tn_dataset *d, tn_pull *t, tn_source **out, tn_error *err)
{
    tn_source *s = tn_calloc(1, d->kind->state);
    if (!s) return tn_no_memory(err, d->kind->state);
    tn_variant_ref(&d->head);
    s->d = d;
    tn_code code = enter(t, err);
    if (code == TN_OK) {
        if (d->kind->starts_input) code = tn_source_start(d->input[0], t, &s->in, err);
        if (code == TN_OK && d->kind->start) code = d->kind->start(s, t, err);
        t->depth--;
    }
    if (code == TN_OK)
        *out = s;
    else
        tn_source_stop(s);
    return code;
}

void tn_source_stop(tn_source *s)
{
    if (!s) return;
    if (s->d->kind->stop) s->d->kind->stop(s);
    tn_source_stop(s->in);
    tn_dataset_unref((tn_dataset *)s->d);
    tn_free(s);
}

static tn_code check_element(const tn_dataset *d, tn_tensor *const *e, tn_error *err)
{
    for (int i = 0; i < d->width; i++)
        if (!e[i] || e[i]->dtype != d->types[i])
            return tn_fail(err, TN_INVALID_ARGUMENT, "component %d of an element of '%s' is of %s, not %s", i,
                           d->node, e[i] ? tn_dtype_name(e[i]->dtype) : "no dtype",
                           tn_dtype_name(d->types[i]));
    return TN_OK;
}

tn_code tn_source_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    *end = s->ended;
    if (s->ended) return TN_OK;
    if (tn_run_cancelled(t->run)) return tn_fail(err, TN_CANCELLED, "the run was cancelled");
    TN_TRY(enter(t, err));
    tn_code code = s->d->kind->next(s, t, out, end, err);
    t->depth--;
    s->ended = code == TN_OK && *end;
    if (code == TN_OK && !*end) code = check_element(s->d, out, err);
    if (code != TN_OK || *end) tn_element_drop(out, s->d->width);
    return code;
}

tn_code tn_source_call(const tn_source *s, int k, tn_pull *t, tn_tensor *const *args, int n_args,
                       tn_tensor **out, int n_out, tn_error *err)
{
    const tn_data_function *f = &s->d->f[k];
    tn_tensor **all = tn_element_new(n_args + f->n_captured);
    if (!all) return no_memory(err);
    if (n_args) memcpy(all, args, (size_t)n_args * sizeof *all);
    if (f->n_captured) memcpy(all + n_args, f->captured, (size_t)f->n_captured * sizeof *all);
    tn_function_call call = {.owner = t->owner,
                             .function = f->name,
                             .args = all,
                             .n_args = n_args + f->n_captured,
                             .n_out = n_out,
                             .depth = t->depth + 1};
    tn_code code = tn_call_function(t->run, &call, out, err);
    tn_free(all);
    if (code != TN_OK) tn_wrap(err, "Error in user-defined function passed to %s", s->d->node);
    return code;
}

tn_code tn_source_ask(const tn_source *s, int k, tn_pull *t, tn_tensor *const *args, int n_args, bool *yes,
                      tn_error *err)
{
    tn_tensor *answer;
    TN_TRY(tn_source_call(s, k, t, args, n_args, &answer, 1, err));
    bool fits = answer->dtype == TN_BOOL && tn_tensor_count(answer) == 1;
    if (fits) *yes = *(bool *)answer->data;
    tn_tensor_unref(answer);
    return fits ? TN_OK : tn_fail(err, TN_INVALID_ARGUMENT, "Predicate function must return a scalar bool.");
}

tn_code tn_source_expand(const tn_source *s, int k, tn_pull *t, tn_tensor *const *args, int n_args,
                         tn_source **out, tn_error *err)
{
    tn_tensor *made;
    tn_dataset *d;
    TN_TRY(tn_source_call(s, k, t, args, n_args, &made, 1, err));
    tn_code code = tn_dataset_of(made, &d, err);
    if (code == TN_OK) code = tn_source_start(d, t, out, err);
    tn_tensor_unref(made);
    return code;
}
