/* SPDX-License-Identifier: Apache-2.0
 *
 * op_dataset_access.c - what operators do with a data set other than go over it: one element by its number, its
 * options, a table's entries; data sets wrapped, and elements compressed, which is to say kept as one value.
 */
#include "../ops/boxed.h"
#include "../ops/list.h"
#include "../ops/table.h"
#include "iterator.h"

/* ==== an element by its number ==== */

static tn_code pass_over(tn_source *s, tn_pull *t, int64_t n, tn_tensor **e, tn_error *err)
{
    bool end = false;
    for (int64_t i = 0; i <= n; i++) {
        tn_element_drop(e, s->d->width);
        TN_TRY(tn_source_next(s, t, e, &end, err));
        if (end) return tn_fail(err, TN_OUT_OF_RANGE, "Index out of range [0, %lld):%lld", (long long)i, (long long)n);
    }
    return TN_OK;
}

static tn_code element_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    int64_t i, n;
    tn_source *s = NULL;
    tn_pull t = tn_turn_of(r, r->name);
    TN_TRY(tn_dataset_of(r->in[0], &d, err));
    TN_TRY(tn_dataset_int(r, 1, "index", &i, err));
    n = tn_dataset_cardinality(d);
    if (n == TN_INFINITE_CARDINALITY)
        return tn_fail(err, TN_FAILED_PRECONDITION,
                       "Dataset '%s' has infinite cardinality, which does not support random access.", d->node);
    if (n == TN_UNKNOWN_CARDINALITY || !tn_dataset_is_ordered(d))
        return tn_fail(err, TN_UNIMPLEMENTED, "Random access is not implemented for dataset '%s'", d->node);
    if (i < 0 || i >= n)
        return tn_fail(err, TN_OUT_OF_RANGE, "Index out of range [0, %lld):%lld", (long long)n, (long long)i);
    tn_tensor **e = tn_element_new(d->width);
    tn_code code = e ? tn_source_start(d, &t, &s, err) : tn_no_memory(err, 0);
    if (code == TN_OK) code = pass_over(s, &t, i, e, err);
    if (code == TN_OK) code = tn_element_give(r, e, d->width, err);
    tn_source_stop(s);
    tn_element_drop(e, d->width);
    tn_free(e);
    return code;
}
TN_STATE_OP(GetElementAtIndex, element_run, tn_element_infer, 0, ~0u,
            "dataset:variant index:int64 -> components:[output_types];" TN_DATA_OUT);

/* ==== options ==== of the whole pipeline: what comes later says it anew. own: the bytes of a tf.data.Options */

static tn_code through_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    return tn_source_next(s->in, t, out, end, err);
}

static const tn_dataset_kind options_kind = {.name = "Options",
                                             .state = sizeof(tn_source),
                                             .starts_input = true,
                                             .next = through_next,
                                             .cardinality = tn_dataset_cardinality_of_input};

static tn_code options_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    tn_view bytes = {"", 0};
    TN_TRY(tn_dataset_new(r, &options_kind, 1, true, &d, err));
    tn_attr_get_string(r->attrs, "serialized_options", &bytes);
    tn_view *own = TN_NEW(d->arena, tn_view);
    char *copy = tn_arena_strndup(d->arena, bytes.n ? bytes.p : "", bytes.n);
    if (own && copy) *own = (tn_view){copy, bytes.n};
    d->own = own;
    return tn_dataset_give(r, d, own && copy ? TN_OK : tn_no_memory(err, bytes.n), err);
}
TN_DATASET(OptionsDataset, options_run, "input_dataset:variant", " serialized_options:string" TN_DATA_META);

/* One message after another is both of them: the later one's fields count. */
static void collect_options(const tn_dataset *d, tn_buf *out)
{
    for (int i = 0; i < d->n_inputs; i++) collect_options(d->input[i], out);
    const tn_view *own = d->kind == &options_kind ? d->own : NULL;
    if (own) tn_buf_add(out, own->p, own->n);
}

static tn_code get_options_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    tn_buf bytes = {0};
    TN_TRY(tn_dataset_of(r->in[0], &d, err));
    collect_options(d, &bytes);
    tn_code code = tn_buf_check(&bytes, err);
    if (code == TN_OK) code = tn_string_set(r->out[0], 0, bytes.n ? bytes.data : "", bytes.n, err);
    tn_buf_free(&bytes);
    return code;
}
TN_STATE_OP(GetOptions, get_options_run, tn_infer_scalar, TN_NO_GRADIENT, 0,
            "input_dataset:variant -> serialized_options:string;");

/* ==== wrapped ==== a data set that is not taken for one */

static tn_code wrap_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    if (tn_dataset_of(r->in[0], &d, NULL) != TN_OK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Tensor must be a Dataset object.");
    return tn_box_put(r->out[0], 0, r->in[0], err);
}
TN_STATE_OP(WrapDatasetVariant, wrap_run, tn_infer_scalar, 0, 0,
            "input_handle:variant -> output_handle:variant;");

static tn_code unwrap_run(tn_run *r, tn_error *err)
{
    const tn_box *box;
    tn_dataset *d;
    if (r->in[0]->shape.rank != 0 || tn_box_of(r->in[0], 0, 1, &box, NULL) != TN_OK ||
        tn_dataset_of(box->item[0], &d, NULL) != TN_OK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Tensor must be a WrappedDataset variant object.");
    tn_variant **to = r->out[0]->data;
    tn_variant_unref(*to);
    tn_variant_ref(&d->head);
    *to = &d->head;
    return TN_OK;
}
TN_STATE_OP(UnwrapDatasetVariant, unwrap_run, tn_infer_scalar, 0, 0,
            "input_handle:variant -> output_handle:variant;");

/* ==== compressed ==== which nobody sees: the components are kept as they are */

static tn_code compress_run(tn_run *r, tn_error *err)
{
    return tn_box_set(r->out[0], 0, r->in, r->n_in, err);
}
TN_STATE_OP(CompressElement, compress_run, tn_infer_scalar, 0, 0,
            "components:[input_types] -> compressed:variant; input_types:list(type)>=1");

static tn_code uncompress_run(tn_run *r, tn_error *err)
{
    const tn_box *box;
    if (r->in[0]->shape.rank != 0 || tn_box_of(r->in[0], 0, -1, &box, NULL) != TN_OK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Input does not contain a compressed element.");
    if (box->n != r->n_out)
        return tn_fail(err, TN_FAILED_PRECONDITION, "Expected %d outputs from uncompress, but got %d", r->n_out,
                       box->n);
    for (int o = 0; o < box->n; o++) {
        if (box->item[o]->dtype != r->out[o]->dtype)
            return tn_fail(err, TN_FAILED_PRECONDITION, "Expected a tensor of type %s but got a tensor of type %s",
                           tn_dtype_name(r->out[o]->dtype), tn_dtype_name(box->item[o]->dtype));
        TN_TRY(tn_run_output_share(r, o, box->item[o], err));
    }
    return TN_OK;
}
TN_STATE_OP(UncompressElement, uncompress_run, tn_infer_none, 0, ~0u,
            "compressed:variant -> components:[output_types];" TN_DATA_OUT);

/* ==== a table's entries ==== */

static tn_code insert_elements(const tn_table *t, tn_source *s, tn_pull *p, tn_map *map, tn_error *err)
{
    tn_tensor *e[2] = {NULL};
    bool end = false;
    tn_code code = TN_OK;
    while (code == TN_OK && !end) {
        code = tn_source_next(s, p, e, &end, err);
        if (code == TN_OK && !end) code = tn_table_insert_all(t, map, e[0], e[1], true, err);
        tn_element_drop(e, 2);
    }
    return code;
}

static tn_code initialize_run(tn_run *r, tn_error *err)
{
    tn_table *t;
    tn_dataset *d;
    tn_source *s = NULL;
    tn_pull p = tn_turn_of(r, r->name);
    TN_TRY(tn_table_of(r, &t, err));
    TN_TRY(tn_dataset_of(r->in[1], &d, err));
    if (d->width != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Dataset should have two output types, but has %d", d->width);
    TN_TRY(tn_table_check_types(t, d->types[0], d->types[1], err));
    if (t->is_mutable) return tn_fail(err, TN_INVALID_ARGUMENT, "Table %s is not initializable", t->base.name);
    pthread_mutex_lock(&t->lock);
    bool done = t->is_set;
    pthread_mutex_unlock(&t->lock);
    if (done) return TN_OK;
    tn_map *map = tn_map_new();
    tn_code code = map ? tn_source_start(d, &p, &s, err) : tn_no_memory(err, 0);
    if (code == TN_OK) code = insert_elements(t, s, &p, map, err);
    tn_source_stop(s);
    if (code == TN_OK && !tn_map_count(map)) code = tn_fail(err, TN_OUT_OF_RANGE, "end of iterator");
    if (code == TN_OK) return tn_table_replace(t, map, err);
    tn_table_drop_map(map);
    return code;
}
TN_STATE_OP(InitializeTableFromDataset, initialize_run, tn_infer_none, TN_EFFECT | TN_NO_GRADIENT, 0,
            "table_handle:resource dataset:variant -> ;");
