/* SPDX-License-Identifier: Apache-2.0
 *
 * op_dataset_snapshot.c - data sets of what other data sets were saved as (snapshot.h): a shard, a file of one, all
 * shards of a folder as a function puts them together.
 */
#include <stdlib.h>

#include "snapshot.h"

/* ==== a shard: its files 00000000.snapshot and so on; or one file ==== own: its path; n: packing, elements that are
 * passed over, whether it is one file */

typedef struct shard {
    tn_source base;
    tn_snapshot_file file;
    int64_t next; /* number of the next file */
    int64_t i;
} shard;

/* *end: there is no other file. The first one has to be there. */
static tn_code open_next(tn_source *s, tn_pull *t, bool *end, tn_error *err)
{
    shard *v = (shard *)s;
    const tn_dataset *d = s->d;
    tn_buf path = {0};
    *end = d->n[2] && v->next > 0;
    if (*end) return TN_OK;
    tn_buf_str(&path, d->own);
    if (!d->n[2]) tn_buf_printf(&path, "/%08lld.snapshot", (long long)v->next);
    tn_code code = tn_buf_check(&path, err);
    if (code == TN_OK)
        code = tn_snapshot_open(&v->file, tn_run_files(t->run), d->node, path.data, (tn_packing)d->n[0], err);
    tn_buf_free(&path);
    *end = code == TN_NOT_FOUND && v->next > 0;
    v->next++;
    return *end ? TN_OK : code;
}

static tn_code shard_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    shard *v = (shard *)s;
    for (;;) {
        if (!v->file.open) TN_TRY(open_next(s, t, end, err));
        if (*end) return TN_OK;
        TN_TRY(tn_snapshot_next(&v->file, s->d->width, out, end, err));
        if (*end) {
            tn_snapshot_close(&v->file);
            *end = false;
        } else if (v->i++ >= s->d->n[1]) {
            return TN_OK;
        } else {
            tn_element_drop(out, s->d->width);
        }
    }
}

static void shard_stop(tn_source *s)
{
    tn_snapshot_close(&((shard *)s)->file);
}

static const tn_dataset_kind shard_kind = {
    .name = "SnapshotReader", .state = sizeof(shard), .next = shard_next, .stop = shard_stop};

static tn_code text_input(const tn_run *r, int input, const char *what, tn_view *out, tn_error *err)
{
    const tn_tensor *t = r->in[input];
    if (t->shape.rank != 0) return tn_fail(err, TN_INVALID_ARGUMENT, "%s must be a scalar", what);
    *out = (tn_view){TN_STRINGS(t)[0].p, TN_STRINGS(t)[0].n};
    return out->n && memchr(out->p, 0, out->n)
               ? tn_fail(err, TN_INVALID_ARGUMENT, "'%s': a path with a zero byte", r->name)
               : TN_OK;
}

static tn_code set_path(tn_dataset *d, const tn_run *r, const char *what, tn_error *err)
{
    tn_view path = {"", 0};
    TN_TRY(text_input(r, 0, what, &path, err));
    d->n[0] = tn_packing_of_attr(r);
    d->own = tn_arena_strndup(d->arena, path.n ? path.p : "", path.n);
    return d->own ? TN_OK : tn_no_memory(err, path.n);
}

static tn_code set_reader(tn_dataset *d, const tn_run *r, tn_error *err)
{
    int64_t version = tn_attr_i(r->attrs, "version");
    if (version != TN_SNAPSHOT_VERSION)
        return tn_fail(err, TN_UNIMPLEMENTED, "'%s': snapshots of version %lld are not read, only those of version %d",
                       r->name, (long long)version, TN_SNAPSHOT_VERSION);
    TN_TRY(set_path(d, r, "shard_dir", err));
    return tn_dataset_int(r, 1, "start_index", &d->n[1], err);
}

static tn_code reader_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &shard_kind, 0, false, &d, err));
    return tn_dataset_give(r, d, set_reader(d, r, err), err);
}
TN_DATASET(SnapshotDatasetReader, reader_run, "shard_dir:string start_index:int64",
           TN_DATA_OUT " compression:string=\"\" version:int");

static tn_code chunk_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &shard_kind, 0, false, &d, err));
    d->n[2] = 1;
    return tn_dataset_give(r, d, set_path(d, r, "chunk_file", err), err);
}
TN_DATASET(SnapshotChunkDataset, chunk_run, "chunk_file:string", TN_DATA_OUT " compression:string=\"\"");

/* ==== the chunks of a distributed snapshot ==== their paths, in the order in which they were written. TensorFlow waits
 * for those of a snapshot that is still being written, for ever if it must. own: the path; n[0]: how many there are */

typedef struct chunks {
    tn_source base;
    tn_arena *arena;
    tn_paths found;
    size_t i;
} chunks;

typedef struct chunk_name { /* chunk_STREAM_INDEX_ELEMENTS */
    unsigned long long stream, index, elements;
} chunk_name;

static bool read_name(const char *s, chunk_name *out)
{
    return sscanf(s, "chunk_%llu_%llu_%llu", &out->stream, &out->index, &out->elements) == 3;
}

static int by_index(const void *a, const void *b)
{
    chunk_name x, y;
    const char *p = *(const char *const *)a, *q = *(const char *const *)b;
    if (!read_name(p, &x) || !read_name(q, &y)) return strcmp(p, q);
    if (x.index != y.index) return x.index < y.index ? -1 : 1;
    return x.stream < y.stream ? -1 : x.stream > y.stream;
}

static tn_code whether_there(const tn_files *f, const tn_dataset *d, const char *name, tn_arena *a, bool *yes,
                             tn_error *err)
{
    bool is_folder;
    const char *path = tn_path_of(a, tn_view_of(d->own), tn_view_of(name));
    return path ? tn_files_look(f, d->node, tn_view_of(path), yes, &is_folder, err) : tn_no_memory(err, 0);
}

static tn_code find_chunks(const tn_files *f, const tn_dataset *d, tn_arena *a, tn_paths *out, tn_error *err)
{
    bool done = false, failed = false;
    const char *folder = tn_path_of(a, tn_view_of(d->own), tn_view_of("chunks"));
    if (!folder) return tn_no_memory(err, 0);
    TN_TRY(whether_there(f, d, "ERROR", a, &failed, err));
    TN_TRY(whether_there(f, d, "DONE", a, &done, err));
    if (failed || !done)
        return tn_fail(err, TN_FAILED_PRECONDITION, "'%s': the snapshot in %s %s", d->node, (const char *)d->own,
                       failed ? "has failed: there is a file ERROR" : "is not complete: there is no file DONE");
    TN_TRY(tn_files_list(f, d->node, tn_view_of(folder), a, out, err));
    if (out->n) qsort(out->at, out->n, sizeof *out->at, by_index);
    for (size_t i = 0; i < out->n; i++)
        if (!(out->at[i] = tn_path_of(a, tn_view_of(folder), tn_view_of(out->at[i])))) return tn_no_memory(err, 0);
    return TN_OK;
}

static tn_code chunks_start(tn_source *s, tn_pull *t, tn_error *err)
{
    chunks *v = (chunks *)s;
    if (!(v->arena = tn_arena_new(0))) return tn_no_memory(err, 0);
    return find_chunks(tn_run_files(t->run), s->d, v->arena, &v->found, err);
}

static tn_code chunks_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    chunks *v = (chunks *)s;
    const tn_shape scalar = TN_SHAPE();
    (void)t;
    *end = v->i >= v->found.n;
    if (*end) return TN_OK;
    TN_TRY(tn_tensor_new(TN_STRING, &scalar, &out[0], err));
    const char *path = v->found.at[v->i++];
    return tn_string_set(out[0], 0, path, strlen(path), err);
}

static void chunks_stop(tn_source *s)
{
    tn_arena_free(((chunks *)s)->arena);
}

static int64_t chunks_count(const tn_dataset *d)
{
    return d->n[0] ? d->n[0] : TN_UNKNOWN_CARDINALITY;
}

static const tn_dataset_kind chunks_kind = {.name = "ListSnapshotChunks",
                                            .state = sizeof(chunks),
                                            .start = chunks_start,
                                            .next = chunks_next,
                                            .stop = chunks_stop,
                                            .cardinality = chunks_count};

/* How many there are is only known if the snapshot is complete when the data set is made. */
static tn_code set_chunks(tn_dataset *d, const tn_run *r, tn_error *err)
{
    static const tn_dtype text = TN_STRING;
    tn_paths found = {0};
    TN_TRY(set_path(d, r, "snapshot_path", err));
    if (find_chunks(tn_run_files(r), d, d->arena, &found, NULL) == TN_OK) d->n[0] = (int64_t)found.n;
    TN_TRY(tn_dataset_types(d, 1, &text, err));
    d->shapes[0] = TN_SHAPE();
    return TN_OK;
}

static tn_code chunks_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &chunks_kind, 0, false, &d, err));
    return tn_dataset_give(r, d, set_chunks(d, r, err), err);
}
TN_DATASET(ListSnapshotChunksDataset, chunks_run, "snapshot_path:string", TN_DATA_OUT);

/* ==== data sets as elements ==== */

typedef struct nested {
    tn_source base;
    int i;
} nested;

static tn_code nested_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    nested *v = (nested *)s;
    (void)t;
    (void)err;
    *end = v->i >= s->d->n_tensors;
    if (!*end) out[0] = tn_tensor_ref(s->d->tensor[v->i++]);
    return TN_OK;
}

static int64_t nested_count(const tn_dataset *d)
{
    return d->n_tensors;
}

static const tn_dataset_kind nested_kind = {
    .name = "NestedReader", .state = sizeof(nested), .next = nested_next, .cardinality = nested_count};
static const tn_dtype a_dataset = TN_VARIANT;

static tn_code nested_run(tn_run *r, tn_error *err)
{
    tn_dataset *d, *in;
    TN_TRY(tn_dataset_new(r, &nested_kind, 0, false, &d, err));
    tn_code code = tn_dataset_keep(d, r, 0, r->n_in, err);
    for (int i = 0; code == TN_OK && i < r->n_in; i++) code = tn_dataset_of(r->in[i], &in, err);
    if (code == TN_OK) code = tn_dataset_types(d, 1, &a_dataset, err);
    if (code == TN_OK) d->shapes[0] = TN_SHAPE();
    return tn_dataset_give(r, d, code, err);
}
TN_DATASET(SnapshotNestedDatasetReader, nested_run, "inputs:N*variant", TN_DATA_OUT " N:int>=1");

/* ==== a saved data set ==== its tensor 0: the shards, a data set of data sets; n[0]: how many elements; f[0]: what
 * makes one data set of them */

static tn_code loaded_start(tn_source *s, tn_pull *t, tn_error *err)
{
    return tn_source_expand(s, 0, t, s->d->tensor, 1, &s->in, err);
}

tn_code tn_snapshot_fits(const tn_source *s, tn_error *err)
{
    if (s->in->d->width == s->d->width) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "'%s': its reader gives %d components, not %d", s->d->node,
                   s->in->d->width, s->d->width);
}

static tn_code loaded_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    TN_TRY(tn_snapshot_fits(s, err));
    return tn_source_next(s->in, t, out, end, err);
}

static int64_t loaded_count(const tn_dataset *d)
{
    return d->n[0];
}

static const tn_dataset_kind loaded_kind = {.name = "Load",
                                        .state = sizeof(tn_source),
                                        .start = loaded_start,
                                        .next = loaded_next,
                                        .cardinality = loaded_count};

static tn_code box_shard(const tn_run *r, const tn_dataset *like, const char *path, tn_packing p, tn_tensor **out,
                         tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_bare(r, &shard_kind, &d, err));
    tn_code code = tn_dataset_types(d, like->width, like->types, err);
    d->n[0] = p;
    d->own = tn_arena_strdup(d->arena, path);
    if (code == TN_OK && !d->own) code = tn_no_memory(err, 0);
    return tn_dataset_box(d, code, out, err);
}

static tn_code box_shards(const tn_run *r, const tn_dataset *like, const tn_paths *paths, tn_packing p, tn_tensor **out,
                          tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_bare(r, &nested_kind, &d, err));
    tn_code code = tn_dataset_types(d, 1, &a_dataset, err);
    d->tensor = TN_ARRAY(d->arena, paths->n + 1, tn_tensor *);
    if (code == TN_OK && !d->tensor) code = tn_no_memory(err, 0);
    for (size_t i = 0; code == TN_OK && i < paths->n; i++) {
        code = box_shard(r, like, paths->at[i], p, &d->tensor[i], err);
        d->n_tensors += code == TN_OK;
    }
    if (code == TN_OK) code = tn_dataset_deepen(d, 2, err);
    return tn_dataset_box(d, code, out, err);
}

tn_code tn_snapshot_shards(const tn_run *r, const tn_dataset *like, tn_view folder, tn_view run, tn_packing p,
                           tn_tensor **out, tn_error *err)
{
    tn_arena *a = tn_arena_new(0);
    tn_paths paths = {0};
    tn_code code = a ? tn_snapshot_list(tn_run_files(r), r->name, folder, run, ".shard", a, &paths, err)
                     : tn_no_memory(err, 0);
    if (code == TN_OK) code = box_shards(r, like, &paths, p, out, err);
    tn_arena_free(a);
    return code;
}

static tn_code load(tn_dataset *d, const tn_run *r, tn_error *err)
{
    tn_view path;
    tn_SnapshotMetadataRecord *m;
    TN_TRY(text_input(r, 0, "path", &path, err));
    TN_TRY(tn_dataset_function(d, 0, r, "reader_func", 1, r->n_in - 1, err));
    TN_TRY(tn_snapshot_describe(tn_run_files(r), r->name, path, d->arena, &m, err));
    if (m->version != TN_SNAPSHOT_VERSION)
        return tn_fail(err, TN_UNIMPLEMENTED, "'%s': data sets saved as version %lld are not read", r->name,
                       (long long)m->version);
    d->n[0] = m->num_elements;
    d->tensor = TN_ARRAY(d->arena, 1, tn_tensor *);
    if (!d->tensor) return tn_no_memory(err, 0);
    TN_TRY(tn_snapshot_shards(r, d, path, m->run_id, tn_packing_of_attr(r), d->tensor, err));
    d->n_tensors = 1;
    return tn_dataset_deepen(d, 4, err);
}

static tn_code load_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &loaded_kind, 0, false, &d, err));
    return tn_dataset_give(r, d, load(d, r, err), err);
}
TN_DATASET(LoadDataset, load_run, "path:string reader_func_other_args:[Treader_func_args]",
           TN_DATA_OUT " compression:string=\"\" reader_func:func Treader_func_args:list(type)>=0");
