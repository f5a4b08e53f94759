/* SPDX-License-Identifier: Apache-2.0
 *
 * op_dataset_save.c - what writes a data set's elements into files: as a saved data set or a snapshot (snapshot.h), or
 * as records.
 *
 * Invariants: nothing that was saved before is changed until all elements have come.
 */
#include "../ops/op_move.h"
#include "../wire/wire.h"
#include "snapshot.h"

/* ==== Save ==== its elements are its input's, which are saved as they come. tensor 0: the path; n: packing; if there
 * is a function 0, it says to which shard an element belongs */

typedef struct saving {
    tn_source base;
    tn_snapshot_writer *to;
    bool failed;
} saving;

static tn_code choose_shard(tn_source *s, tn_pull *t, tn_tensor *const *e, int64_t *out, tn_error *err)
{
    tn_tensor *answer;
    *out = 0;
    if (!s->d->f[0].name) return TN_OK;
    TN_TRY(tn_source_call(s, 0, t, e, s->d->width, &answer, 1, err));
    bool fits = answer->dtype == TN_INT64 && tn_tensor_count(answer) == 1;
    if (fits) *out = TN_INT64S(answer)[0];
    tn_tensor_unref(answer);
    return fits ? TN_OK : tn_fail(err, TN_INVALID_ARGUMENT, "`shard_func` must return a scalar int64.");
}

/* The next element, which is saved, or the end of it all. */
static tn_code pass_on(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    saving *v = (saving *)s;
    const tn_files *f = tn_run_files(t->run);
    int64_t number;
    TN_TRY(tn_source_next(s->in, t, out, end, err));
    v->failed = true;
    if (*end) {
        TN_TRY(tn_snapshot_finish(v->to, f, s->d, err));
    } else {
        TN_TRY(choose_shard(s, t, out, &number, err));
        TN_TRY(tn_snapshot_put(v->to, f, number, out, s->d->width, err));
    }
    v->failed = false;
    return TN_OK;
}

static tn_code check_whole(const tn_source *s, tn_error *err)
{
    return ((const saving *)s)->failed
               ? tn_fail(err, TN_FAILED_PRECONDITION, "'%s': its elements could not be saved", s->d->node)
               : TN_OK;
}

static tn_code save_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    saving *v = (saving *)s;
    const tn_string *path = TN_STRINGS(s->d->tensor[0]);
    const tn_snapshot_form form = {
        .version = TN_SNAPSHOT_VERSION, .packing = (tn_packing)s->d->n[0], .counts = true};
    TN_TRY(check_whole(s, err));
    if (!v->to) TN_TRY(tn_snapshot_writer_new(s->d->node, (tn_view){path->p, path->n}, &form, &v->to, err));
    return pass_on(s, t, out, end, err);
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

/* ==== Snapshot ==== its elements are its input's, which are saved in a folder of their own when they come first, and
 * read from there later. tensor 0: the path; n: packing, version, mode, seconds after which one that was begun
 * is given up;
 * f: 0 as above, 1 makes one data set of shards; own: the names */

typedef enum snapshot_mode { SNAP_AUTO, SNAP_READ, SNAP_WRITE, SNAP_PASS } snapshot_mode;

typedef struct names {
    const char *reader, *writer; /* before the path */
    const char *own;             /* in place of the fingerprint; "": none */
    bool has_hash;
    uint64_t hash;
} names;

typedef struct snapshot {
    saving base;
    tn_arena *arena;
    tn_paths files; /* of version 1, that are read */
    size_t next;
    tn_snapshot_file file;
    snapshot_mode does; /* SNAP_AUTO: not known yet */
} snapshot;

static tn_code name_folder(const tn_dataset *d, const tn_run *r, tn_arena *a, const char **folder, const char **hash,
                           tn_error *err)
{
    const names *m = d->own;
    uint64_t number = m->hash;
    if (!m->has_hash) TN_TRY(tn_dataset_fingerprint(r, d, &number, err));
    *hash = tn_arena_printf(a, d->n[1] == TN_SNAPSHOT_FORMER ? "%016llx" : "%llu", (unsigned long long)number);
    *folder = *m->own ? tn_arena_printf(a, "custom-%s", m->own) : *hash;
    return *hash && *folder ? TN_OK : tn_no_memory(err, 0);
}

static const char *path_after(const tn_dataset *d, const char *prefix, const char *folder, tn_arena *a)
{
    const tn_string *path = TN_STRINGS(d->tensor[0]);
    const char *base = tn_arena_printf(a, "%s%.*s", prefix, (int)path->n, path->n ? path->p : "");
    return base ? tn_path_of(a, tn_view_of(base), tn_view_of(folder)) : NULL;
}

/* What is to be done: m says what is there, NULL: nothing. */
static snapshot_mode mode_for(const tn_dataset *d, const tn_SnapshotMetadataRecord *m)
{
    if (d->n[2] != SNAP_AUTO) return (snapshot_mode)d->n[2];
    if (m && m->finalized) return SNAP_READ;
    if (!m || d->n[1] != TN_SNAPSHOT_FORMER) return SNAP_WRITE;
    return (double)m->creation_timestamp / 1e6 + (double)d->n[3] < tn_wall_time() ? SNAP_WRITE : SNAP_PASS;
}

static tn_code begin_reading(tn_source *s, tn_pull *t, const char *folder, const tn_SnapshotMetadataRecord *m,
                             tn_error *err)
{
    snapshot *v = (snapshot *)s;
    const tn_dataset *d = s->d;
    tn_tensor *shards;
    if (m->version != d->n[1])
        return tn_fail(err, TN_UNIMPLEMENTED, "'%s': the snapshot in %s is of version %lld, not %lld", d->node, folder,
                       (long long)m->version, (long long)d->n[1]);
    if (d->n[1] == TN_SNAPSHOT_FORMER)
        return tn_snapshot_list(tn_run_files(t->run), d->node, tn_view_of(folder), m->run_id, ".snapshot", v->arena,
                                &v->files, err);
    TN_TRY(tn_snapshot_shards(t->run, d, tn_view_of(folder), m->run_id, (tn_packing)d->n[0], &shards, err));
    tn_code code = tn_source_expand(s, 1, t, &shards, 1, &s->in, err);
    tn_tensor_unref(shards);
    return code;
}

static tn_code begin_writing(tn_source *s, const char *folder, const char *hash, tn_error *err)
{
    const names *m = s->d->own;
    const tn_snapshot_form form = {.version = (int)s->d->n[1],
                                   .packing = (tn_packing)s->d->n[0],
                                   .hash = tn_view_of(hash),
                                   .run = tn_view_of(*m->own ? "custom" : "")};
    return tn_snapshot_writer_new(s->d->node, tn_view_of(folder), &form, &((saving *)s)->to, err);
}

/* Looks at what is there; NULL: nothing, or it is of no interest. */
static tn_code look(const tn_source *s, const tn_pull *t, const char *folder, tn_SnapshotMetadataRecord **out,
                    tn_error *err)
{
    const int64_t mode = s->d->n[2];
    *out = NULL;
    if (mode == SNAP_WRITE || mode == SNAP_PASS) return TN_OK;
    tn_code code = tn_snapshot_describe(tn_run_files(t->run), s->d->node, tn_view_of(folder),
                                        ((const snapshot *)s)->arena, out, err);
    return code == TN_NOT_FOUND && mode != SNAP_READ ? TN_OK : code;
}

static tn_code begin(tn_source *s, tn_pull *t, tn_error *err)
{
    snapshot *v = (snapshot *)s;
    const names *named = s->d->own;
    const char *hash, *folder;
    tn_SnapshotMetadataRecord *m;
    if (!v->arena && !(v->arena = tn_arena_new(0))) return tn_no_memory(err, 0);
    TN_TRY(name_folder(s->d, t->run, v->arena, &folder, &hash, err));
    const char *reads = path_after(s->d, named->reader, folder, v->arena),
               *writes = path_after(s->d, named->writer, folder, v->arena);
    if (!reads || !writes) return tn_no_memory(err, 0);
    TN_TRY(look(s, t, reads, &m, err));
    const snapshot_mode does = mode_for(s->d, m);
    if (does == SNAP_READ)
        TN_TRY(begin_reading(s, t, reads, m, err));
    else if (!s->in)
        TN_TRY(tn_source_start(s->d->input[0], t, &s->in, err));
    if (does == SNAP_WRITE) TN_TRY(begin_writing(s, writes, hash, err));
    v->does = does;
    return TN_OK;
}

static tn_code next_former(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    snapshot *v = (snapshot *)s;
    const tn_packing p = (tn_packing)s->d->n[0];
    for (;;) {
        if (!v->file.open) {
            *end = v->next >= v->files.n;
            if (*end) return TN_OK;
            TN_TRY(tn_snapshot_open(&v->file, tn_run_files(t->run), s->d->node, v->files.at[v->next++],
                                    tn_snapshot_v1_file(p), err));
        }
        TN_TRY(tn_snapshot_v1_next(&v->file, p, s->d, out, end, err));
        if (!*end) return TN_OK;
        tn_snapshot_close(&v->file);
    }
}

static tn_code snapshot_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    snapshot *v = (snapshot *)s;
    TN_TRY(check_whole(s, err));
    if (v->does == SNAP_AUTO) TN_TRY(begin(s, t, err));
    if (v->does == SNAP_WRITE) return pass_on(s, t, out, end, err);
    if (v->does == SNAP_READ && s->d->n[1] == TN_SNAPSHOT_FORMER) return next_former(s, t, out, end, err);
    TN_TRY(tn_snapshot_fits(s, err));
    return tn_source_next(s->in, t, out, end, err);
}

static void snapshot_stop(tn_source *s)
{
    snapshot *v = (snapshot *)s;
    save_stop(s);
    tn_snapshot_close(&v->file);
    tn_arena_free(v->arena);
}

static const tn_dataset_kind snapshot_kind = {.name = "Snapshot",
                                              .state = sizeof(snapshot),
                                              .next = snapshot_next,
                                              .stop = snapshot_stop,
                                              .cardinality = tn_dataset_cardinality_of_input};

static tn_code text_attr(tn_dataset *d, const tn_run *r, const char *attr, const char **out, tn_error *err)
{
    tn_view v = {"", 0};
    tn_attr_get_string(r->attrs, attr, &v);
    if (v.n && memchr(v.p, 0, v.n))
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s': %s with a zero byte", r->name, attr);
    *out = tn_arena_strndup(d->arena, v.n ? v.p : "", v.n);
    return *out ? TN_OK : tn_no_memory(err, v.n);
}

static tn_code set_snapshot(tn_dataset *d, const tn_run *r, int version, names **out, tn_error *err)
{
    names *m = TN_NEW(d->arena, names);
    if (!m) return tn_no_memory(err, sizeof *m);
    if (r->in[1]->shape.rank != 0) return tn_fail(err, TN_INVALID_ARGUMENT, "path must be a scalar");
    d->own = *out = m;
    m->own = "";
    d->n[0] = tn_packing_of_attr(r);
    d->n[1] = version;
    return tn_dataset_keep(d, r, 1, 1, err);
}

static tn_code set_v2(tn_dataset *d, const tn_run *r, tn_error *err)
{
    names *m;
    const int n = tn_dataset_count(r, "Treader_func_args");
    TN_TRY(set_snapshot(d, r, TN_SNAPSHOT_VERSION, &m, err));
    m->has_hash = tn_attr_b(r->attrs, "hash_valid");
    m->hash = (uint64_t)tn_attr_i(r->attrs, "hash");
    TN_TRY(text_attr(d, r, "reader_prefix", &m->reader, err));
    TN_TRY(text_attr(d, r, "writer_prefix", &m->writer, err));
    TN_TRY(tn_dataset_function(d, 1, r, "reader_func", 2, n, err));
    TN_TRY(tn_dataset_function(d, 0, r, "shard_func", 2 + n, r->n_in - 2 - n, err));
    return tn_dataset_deepen(d, 4, err);
}

static tn_code set_v1(tn_dataset *d, const tn_run *r, tn_error *err)
{
    static const char *const modes[] = {"auto", "read", "write", "passthrough"};
    names *m;
    tn_view name = {"", 0};
    tn_attr_get_string(r->attrs, "compression", &name);
    TN_TRY(set_snapshot(d, r, TN_SNAPSHOT_FORMER, &m, err));
    if (name.n && d->n[0] != TN_PACK_GZIP && d->n[0] != TN_PACK_SNAPPY)
        return tn_fail(err, TN_INVALID_ARGUMENT, "compression must be either '', 'GZIP' or 'SNAPPY'.");
    while (d->n[2] < (int)TN_COUNT(modes) && !tn_attr_is(r->attrs, "mode", modes[d->n[2]])) d->n[2]++;
    if (d->n[2] == (int)TN_COUNT(modes))
        return tn_fail(err, TN_INVALID_ARGUMENT, "mode must be either 'auto', 'read', 'write', or 'passthrough'.");
    d->n[3] = tn_attr_i(r->attrs, "pending_snapshot_expiry_seconds");
    TN_TRY(text_attr(d, r, "reader_path_prefix", &m->reader, err));
    TN_TRY(text_attr(d, r, "writer_path_prefix", &m->writer, err));
    return d->n[2] == SNAP_READ || d->n[2] == SNAP_WRITE ? text_attr(d, r, "snapshot_name", &m->own, err) : TN_OK;
}

static tn_code snapshot_v1_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &snapshot_kind, 1, true, &d, err));
    return tn_dataset_give(r, d, set_v1(d, r, err), err);
}
TN_DATASET(SnapshotDataset, snapshot_v1_run, "input_dataset:variant path:string",
           TN_DATA_OUT " compression:string=\"\" reader_path_prefix:string=\"\" writer_path_prefix:string=\"\" "
                       "shard_size_bytes:int=10737418240 pending_snapshot_expiry_seconds:int=86400 "
                       "num_reader_threads:int=1 reader_buffer_size:int=1 num_writer_threads:int=1 "
                       "writer_buffer_size:int=1 "
                       "shuffle_on_read:bool=false seed:int=0 seed2:int=0 mode:string=\"auto\" "
                       "snapshot_name:string=\"\"");

static tn_code snapshot_v2_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &snapshot_kind, 1, true, &d, err));
    return tn_dataset_give(r, d, set_v2(d, r, err), err);
}
TN_DATASET(SnapshotDatasetV2, snapshot_v2_run,
           "input_dataset:variant path:string reader_func_other_args:[Treader_func_args] "
           "shard_func_other_args:[Tshard_func_args]",
           TN_DATA_OUT " compression:string=\"\" reader_prefix:string=\"\" writer_prefix:string=\"\" "
                       "hash_valid:bool=false hash:int=0 reader_func:func shard_func:func "
                       "Treader_func_args:list(type)>=0 Tshard_func_args:list(type)>=0 metadata:string=\"\"");

static tn_code fingerprint_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_of(r->in[0], &d, err));
    return tn_dataset_fingerprint(r, d, r->out[0]->data, err);
}
TN_STATE_OP(DatasetFingerprint, fingerprint_run, tn_infer_scalar, TN_NO_GRADIENT, 0,
            "input_dataset:variant -> fingerprint:uint64;");

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
