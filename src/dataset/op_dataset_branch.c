/* SPDX-License-Identifier: Apache-2.0
 *
 * op_dataset_branch.c - data sets whose functions say where elements come from: parts of other elements by number,
 * one of several data sets that give the same.
 */
#include "dataset.h"

#include "../ops/list.h"

/* ==== IndexFlatMap ==== function 1 says of each number which element of the input it is in, and where; function 0
 * makes parts of that element: rows of a tensor, or tensors. n[0]: how many there are said to be */

typedef struct indexed {
    tn_source base;
    int64_t i;
    uint64_t at; /* number of the element that the parts are of */
    tn_tensor **parts;
    int n_parts;
} indexed;

static void drop_parts(indexed *v)
{
    tn_element_drop(v->parts, v->n_parts);
    tn_free(v->parts);
    v->parts = NULL;
}

static tn_code whole_number(const tn_tensor *t, int64_t *out, tn_error *err)
{
    if ((t->dtype != TN_INT64 && t->dtype != TN_INT32) || tn_tensor_count(t) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "The `index_map_func` for `index_flat_map` is expected to return two int32/int64 values");
    *out = tn_tensor_int(t, 0);
    return TN_OK;
}

static int results_of(const tn_source *s, int k, const tn_pull *t)
{
    const tn_function *f = tn_run_function(t->run, s->d->f[k].name);
    return f ? f->n_rets : 0;
}

static tn_code find_place(tn_source *s, tn_pull *t, uint64_t *at, int64_t *offset, tn_error *err)
{
    tn_tensor *number, *place[2];
    tn_shape scalar = TN_SHAPE();
    int64_t element;
    if (results_of(s, 1, t) != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "The `index_map_fn` for `index_flat_map` is expected to return two int values representing the "
                       "element index and an offset within the element");
    TN_TRY(tn_tensor_new(TN_INT64, &scalar, &number, err));
    TN_INT64S(number)[0] = ((indexed *)s)->i;
    tn_code code = tn_source_call(s, 1, t, &number, 1, place, 2, err);
    tn_tensor_unref(number);
    if (code != TN_OK) return code;
    if ((code = whole_number(place[0], &element, err)) == TN_OK) code = whole_number(place[1], offset, err);
    *at = (uint64_t)element;
    tn_element_drop(place, 2);
    return code;
}

static tn_code next_parts(tn_source *s, tn_pull *t, bool *end, tn_error *err)
{
    indexed *v = (indexed *)s;
    const int width = s->in->d->width;
    tn_tensor **e = tn_element_new(width);
    if (!e) return tn_no_memory(err, 0);
    drop_parts(v);
    tn_code code = tn_source_next(s->in, t, e, end, err);
    if (code == TN_OK && !*end) {
        v->n_parts = results_of(s, 0, t);
        v->parts = tn_element_new(v->n_parts);
        code = v->parts ? tn_source_call(s, 0, t, e, width, v->parts, v->n_parts, err) : tn_no_memory(err, 0);
    }
    tn_element_drop(e, width);
    tn_free(e);
    return code;
}

static tn_code take_part(const indexed *v, int64_t offset, tn_tensor **out, tn_error *err)
{
    const bool rows = v->n_parts == 1 && v->parts[0]->shape.rank > 0;
    const int64_t n = rows ? v->parts[0]->shape.dim[0] : v->n_parts;
    if (v->n_parts == 1 && !rows) return *out = tn_tensor_ref(v->parts[0]), TN_OK;
    if (offset < 0 || offset >= n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "`index_flat_map`: part %lld of %lld is wanted", (long long)offset,
                       (long long)n);
    if (rows) return tn_row_of(v->parts[0], offset, out, err);
    *out = tn_tensor_ref(v->parts[offset]);
    return TN_OK;
}

/* Another element comes when its number is above the last one; then it is the next, whichever number it was. */
static tn_code indexed_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    indexed *v = (indexed *)s;
    uint64_t at = 0;
    int64_t offset;
    *end = false;
    if (s->d->width != 1) return tn_fail(err, TN_INTERNAL, "Expected %d components but got 1.", s->d->width);
    TN_TRY(find_place(s, t, &at, &offset, err));
    if (!v->parts || at > v->at) {
        TN_TRY(next_parts(s, t, end, err));
        v->at = at;
    }
    if (*end) return TN_OK;
    v->i++;
    return take_part(v, offset, out, err);
}

static void indexed_stop(tn_source *s)
{
    drop_parts((indexed *)s);
}

static int64_t indexed_count(const tn_dataset *d)
{
    return d->n[0];
}

static const tn_dataset_kind indexed_kind = {.name = "IndexFlatMap",
                                             .state = sizeof(indexed),
                                             .starts_input = true,
                                             .next = indexed_next,
                                             .stop = indexed_stop,
                                             .cardinality = indexed_count};

static tn_code set_indexed(tn_dataset *d, const tn_run *r, tn_error *err)
{
    const int n = tn_dataset_count(r, "Tmap_func_args"), m = tn_dataset_count(r, "Tindex_map_func_args");
    TN_TRY(tn_dataset_function(d, 0, r, "map_func", 1, n, err));
    TN_TRY(tn_dataset_function(d, 1, r, "index_map_func", 1 + n, m, err));
    return tn_dataset_int(r, r->n_in - 1, "output_cardinality", &d->n[0], err);
}

static tn_code indexed_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &indexed_kind, 1, false, &d, err));
    return tn_dataset_give(r, d, set_indexed(d, r, err), err);
}
TN_DATASET(IndexFlatMapDataset, indexed_run,
           "input_dataset:variant map_func_other_args:[Tmap_func_args] "
           "index_map_func_other_args:[Tindex_map_func_args] output_cardinality:int64",
           " map_func:func index_map_func:func Tmap_func_args:list(type)>=0 "
           "Tindex_map_func_args:list(type)>=0" TN_DATA_META);

/* ==== ChooseFastestBranch ==== of branches that give the same, the first; function 0 makes it of the input. n: how
 * many elements of the input n[1] are for n[0] of the output */

static tn_code branch_start(tn_source *s, tn_pull *t, tn_error *err)
{
    tn_tensor *box;
    tn_variant_ref(&s->d->input[0]->head);
    TN_TRY(tn_dataset_box(s->d->input[0], TN_OK, &box, err));
    tn_code code = tn_source_expand(s, 0, t, &box, 1, &s->in, err);
    tn_tensor_unref(box);
    if (code == TN_OK && s->in->d->width != s->d->width)
        code = tn_fail(err, TN_INVALID_ARGUMENT, "'%s': its branch gives %d components, not %d", s->d->node,
                       s->in->d->width, s->d->width);
    return code;
}

static tn_code branch_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    return tn_source_next(s->in, t, out, end, err);
}

static int64_t branch_count(const tn_dataset *d)
{
    int64_t n = tn_dataset_cardinality(d->input[0]), all;
    if (n < 0) return n;
    return __builtin_mul_overflow(n, d->n[0], &all) ? TN_UNKNOWN_CARDINALITY : all / d->n[1];
}

static const tn_dataset_kind branch_kind = {.name = "ChooseFastestBranch",
                                            .state = sizeof(tn_source),
                                            .start = branch_start,
                                            .next = branch_next,
                                            .cardinality = branch_count};

static tn_code set_branch(tn_dataset *d, const tn_run *r, tn_error *err)
{
    static const char *const names[] = {"ratio_numerator", "ratio_denominator"};
    const tn_attr *f = tn_attr_find(r->attrs, "branches");
    const int64_t *lengths, each = tn_attr_i(r->attrs, "num_elements_per_branch");
    const int n = tn_attr_list(r->attrs, "other_arguments_lengths", &lengths);
    for (int k = 0; k < 2; k++) {
        TN_TRY(tn_dataset_int(r, 1 + k, names[k], &d->n[k], err));
        if (d->n[k] <= 0) return tn_fail(err, TN_INVALID_ARGUMENT, "`%s` must be greater than zero.", names[k]);
    }
    if (each % d->n[1])
        return tn_fail(err, TN_INVALID_ARGUMENT, "`num_elements_per_branch` must be divisible by `ratio_denominator`.");
    if (!f || f->kind != TN_ATTR_FUNC || !f->is_list || f->n != n || n < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "branches and other_arguments_lengths must have the same length.");
    if (lengths[0] < 0 || lengths[0] > r->n_in - 3)
        return tn_fail(err, TN_INVALID_ARGUMENT, "other_arguments_lengths: %lld", (long long)lengths[0]);
    tn_attr first = {.name = "f", .kind = TN_ATTR_FUNC, .func = f->funcs[0]};
    const tn_attrs attrs = {&first, 1};
    const tn_run one = {.in = r->in, .n_in = r->n_in, .name = r->name, .op = r->op, .attrs = &attrs};
    return tn_dataset_function(d, 0, &one, "f", 3, (int)lengths[0], err);
}

static tn_code branch_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &branch_kind, 1, false, &d, err));
    return tn_dataset_give(r, d, set_branch(d, r, err), err);
}
TN_DATASET(ChooseFastestBranchDataset, branch_run,
           "input_dataset:variant ratio_numerator:int64 ratio_denominator:int64 other_arguments:[Targuments]",
           " Targuments:list(type)>=0 num_elements_per_branch:int>=1 branches:list(func)>=1 "
           "other_arguments_lengths:list(int)>=1" TN_DATA_OUT);

/* ==== ComputeBatchSize ==== of what batches the elements last; -1: not known */

static bool is_one(const tn_dataset *d, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(d->kind->name, *names) == 0) return true;
    return false;
}

static int64_t batch_size(const tn_dataset *d)
{
    static const char *const batch[] = {"Batch", "PaddedBatch", NULL};
    static const char *const through[] = {"Options", "Cache",  "FileCache",   "Identity", "Take",    "Skip",
                                          "Shard",   "Repeat", "Filter",      "Concatenate", "Zip", "Shuffle",
                                          "AssertCardinality", NULL};
    while (!is_one(d, batch)) {
        if (!d->n_inputs || !is_one(d, through)) return -1;
        int64_t n = d->n_inputs > 1 ? batch_size(d->input[0]) : 0;
        for (int k = 1; k < d->n_inputs; k++)
            if (batch_size(d->input[k]) != n) return -1;
        if (d->n_inputs > 1) return n;
        d = d->input[0];
    }
    return d->n[0];
}

static tn_code batch_size_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_of(r->in[0], &d, err));
    TN_INT64S(r->out[0])[0] = batch_size(d);
    return TN_OK;
}
TN_STATE_OP(ComputeBatchSize, batch_size_run, tn_infer_scalar, TN_NO_GRADIENT, 0,
            "input_dataset:variant -> batch_size:int64;");
