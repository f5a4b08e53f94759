/* SPDX-License-Identifier: Apache-2.0
 *
 * op_dataset_save.c - what writes a data set's elements into files: as a saved data set (snapshot.h), or as records.
 *
 * Invariants: nothing that was saved before is changed until all elements have come.
 */
#include "../wire/wire.h"
#include "op_move.h"
#include "snapshot.h"

/* ==== Save ==== its elements are its input's, which are saved as they come. tensor 0: the path; n: packing, whether
 * function 0 says to which shard an element belongs */

typedef struct saving {
    tn_source base;
    tn_snapshot_writer *to;
    bool failed;
} saving;

static tn_code choose_shard(tn_source *s, tn_pull *t, tn_tensor *const *e, int64_t *out, tn_error *err)
{
    tn_tensor *answer;
    *out = 0;
    if (!s->d->n[1]) return TN_OK;
    TN_TRY(tn_source_call(s, 0, t, e, s->d->width, &answer, 1, err));
    bool fits = answer->dtype == TN_INT64 && tn_tensor_count(answer) == 1;
    if (fits) *out = TN_INT64S(answer)[0];
    tn_tensor_unref(answer);
    return fits ? TN_OK : tn_fail(err, TN_INVALID_ARGUMENT, "`shard_func` must return a scalar int64.");
}

static tn_code save_element(tn_source *s, tn_pull *t, tn_tensor *const *e, tn_error *err)
{
    int64_t number;
    TN_TRY(choose_shard(s, t, e, &number, err));
    return tn_snapshot_put(((saving *)s)->to, tn_run_files(t->run), number, e, s->d->width, err);
}

static tn_code save_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    saving *v = (saving *)s;
    const tn_string *path = TN_STRINGS(s->d->tensor[0]);
    if (v->failed) return tn_fail(err, TN_FAILED_PRECONDITION, "'%s': its elements could not be saved", s->d->node);
    if (!v->to)
        TN_TRY(tn_snapshot_writer_new(s->d->node, (tn_view){path->p, path->n}, (tn_view){NULL, 0},
                                      (tn_packing)s->d->n[0], &v->to, err));
    TN_TRY(tn_source_next(s->in, t, out, end, err));
    tn_code code =
        *end ? tn_snapshot_finish(v->to, tn_run_files(t->run), s->d, err) : save_element(s, t, out, err);
    v->failed = code != TN_OK;
    return code;
}

static void save_stop(tn_source *s)
{
    tn_snapshot_writer_free(((saving *)s)->to);
}

static const tn_dataset_kind save_kind = {.name = "Save",
                                          .state = sizeof(saving),
                                          .starts_input = true,
                                          .next = save_next,
                                          .stop = save_stop,
                                          .cardinality = tn_dataset_cardinality_of_input};

static tn_code set_save(tn_dataset *d, const tn_run *r, tn_error *err)
{
    bool uses = true;
    tn_attr_get_bool(r->attrs, "use_shard_func", &uses);
    d->n[0] = tn_packing_of_attr(r);
    d->n[1] = uses;
    if (r->in[1]->shape.rank != 0) return tn_fail(err, TN_INVALID_ARGUMENT, "path must be a scalar");
    TN_TRY(tn_dataset_keep(d, r, 1, 1, err));
    return uses ? tn_dataset_function(d, 0, r, "shard_func", 2, r->n_in - 2, err) : TN_OK;
}

static tn_code save_v2_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &save_kind, 1, true, &d, err));
    return tn_dataset_give(r, d, set_save(d, r, err), err);
}

static tn_code all_of(const tn_run *r, tn_dataset *d, tn_error *err)
{
    tn_pull t = tn_turn_of(r, r->name);
    tn_source *s = NULL;
    bool end = false;
    tn_tensor **e = tn_element_new(d->width);
    tn_code code = e ? tn_source_start(d, &t, &s, err) : tn_no_memory(err, 0);
    while (code == TN_OK && !end) {
        code = tn_source_next(s, &t, e, &end, err);
        tn_element_drop(e, d->width);
    }
    tn_source_stop(s);
    tn_free(e);
    return code;
}

static tn_code save_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &save_kind, 1, true, &d, err));
    tn_code code = set_save(d, r, err);
    if (code == TN_OK) code = all_of(r, d, err);
    tn_dataset_unref(d);
    return code;
}

#define SAVE "input_dataset:variant path:string shard_func_other_args:[Tshard_func_args]"
#define SHARDS " compression:string=\"\" shard_func:func use_shard_func:bool=true Tshard_func_args:list(type)>=0"
TN_DATASET(SaveDatasetV2, save_v2_run, SAVE, SHARDS TN_DATA_OUT);
#define EFFECT(Op, Run, Sig) TN_STATE_OP(Op, Run, tn_infer_none, TN_EFFECT | TN_NO_GRADIENT, 0, Sig)
EFFECT(SaveDataset, save_run, SAVE " -> ;" SHARDS);

/* ==== records ==== */

static tn_code collect(tn_source *s, tn_pull *t, tn_buf *out, tn_error *err)
{
    tn_tensor *e = NULL;
    bool end = false;
    while (!end) {
        TN_TRY(tn_source_next(s, t, &e, &end, err));
        if (end) break;
        for (int64_t i = 0; i < TN_MIN(tn_tensor_count(e), (int64_t)1); i++)
            tn_record_put(out, TN_STRINGS(e)[i].p ? TN_STRINGS(e)[i].p : "", TN_STRINGS(e)[i].n);
        tn_element_drop(&e, 1);
        TN_TRY(tn_buf_check(out, err));
    }
    return TN_OK;
}

static tn_code compress(const tn_run *r, tn_buf *bytes, tn_error *err)
{
    const tn_string *name = TN_STRINGS(r->in[2]);
    tn_packing p = tn_packing_of((tn_view){name->p, name->n});
    tn_buf packed = {0};
    if (p == TN_PACK_NONE) return TN_OK;
    tn_view in = {bytes->data, bytes->n};
    tn_code code = p == TN_PACK_SNAPPY ? tn_snappy_squeeze(in, &packed, err)
                                       : tn_deflate(in, (tn_compression)p, -1, &packed, err);
    tn_buf_free(code == TN_OK ? bytes : &packed);
    if (code == TN_OK) *bytes = packed;
    return code;
}

static tn_code records_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    tn_source *s = NULL;
    tn_buf bytes = {0};
    tn_pull t = tn_turn_of(r, r->name);
    TN_TRY(tn_dataset_of(r->in[0], &d, err));
    if (r->in[1]->shape.rank != 0 || r->in[2]->shape.rank != 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "filename and compression_type must be scalars");
    if (d->width != 1 || d->types[0] != TN_STRING)
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s' writes data sets whose elements are one string", r->name);
    tn_code code = tn_source_start(d, &t, &s, err);
    if (code == TN_OK) code = collect(s, &t, &bytes, err);
    tn_source_stop(s);
    if (code == TN_OK) code = compress(r, &bytes, err);
    const tn_string *path = TN_STRINGS(r->in[1]);
    if (code == TN_OK)
        code = tn_files_write(tn_run_files(r), r->name, (tn_view){path->p, path->n}, (tn_view){bytes.data, bytes.n},
                              false, err);
    tn_buf_free(&bytes);
    return code;
}
#define RECORDS "input_dataset:variant filename:string compression_type:string -> ;"
EFFECT(DatasetToTFRecord, records_run, RECORDS);
EFFECT(ExperimentalDatasetToTFRecord, records_run, RECORDS);
