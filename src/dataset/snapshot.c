/* SPDX-License-Identifier: Apache-2.0
 *
 * snapshot.c - the files of saved data sets (snapshot.h); records of the former version are snapshot_v1.c's. What reads
 * and writes them as data sets is op_dataset_snapshot.c's and op_dataset_save.c's.
 *
 * Invariants: a folder's metadata is written last, and says which run's folder holds what was saved: what a run that
 * failed has left is never looked at.
 */
#include "snapshot.h"

#include "../graph/tensorproto.h"
#include "../wire/wire.h"

#define PIECE ((size_t)1 << 20) /* of a shard, until it is written */

static const char *const packings[] = {
    [TN_PACK_NONE] = "", [TN_PACK_ZLIB] = "ZLIB", [TN_PACK_GZIP] = "GZIP", [TN_PACK_SNAPPY] = "SNAPPY"};

tn_packing tn_packing_of(tn_view name)
{
    for (size_t k = 1; k < TN_COUNT(packings); k++)
        if (tn_view_is(name, packings[k])) return (tn_packing)k;
    return TN_PACK_NONE;
}

tn_packing tn_packing_of_attr(const tn_run *r)
{
    tn_view name = {"", 0};
    tn_attr_get_string(r->attrs, "compression", &name);
    return tn_packing_of(name);
}

const char *tn_path_of(tn_arena *a, tn_view folder, tn_view name)
{
    bool slash = folder.n && folder.p[folder.n - 1] != '/';
    return tn_arena_printf(a, "%.*s%s%.*s", (int)folder.n, folder.n ? folder.p : "", slash ? "/" : "", (int)name.n,
                           name.n ? name.p : "");
}

tn_code tn_snapshot_describe(const tn_files *f, const char *owner, tn_view folder, tn_arena *a,
                             tn_SnapshotMetadataRecord **out, tn_error *err)
{
    tn_buf bytes = {0};
    const char *path = tn_path_of(a, folder, tn_view_of("snapshot.metadata"));
    if (!path) return tn_no_memory(err, folder.n);
    tn_code code = tn_files_read(f, owner, tn_view_of(path), &bytes, err);
    if (code == TN_NOT_FOUND)
        code = tn_fail(err, TN_NOT_FOUND, "Could not find metadata file [%.*s]",
                       (int)TN_MIN(folder.n, (size_t)200), folder.p);
    const char *kept = code == TN_OK ? tn_arena_strndup(a, bytes.n ? bytes.data : "", bytes.n) : NULL;
    if (code == TN_OK && !kept) code = tn_no_memory(err, bytes.n);
    if (code == TN_OK && TN_DECODE(SnapshotMetadataRecord, ((tn_view){kept, bytes.n}), a, out, NULL) != TN_OK)
        code = tn_fail(err, TN_DATA_LOSS, "%s is damaged", path);
    tn_buf_free(&bytes);
    return code;
}

tn_code tn_snapshot_list(const tn_files *f, const char *owner, tn_view folder, tn_view run, const char *ending,
                         tn_arena *a, tn_paths *out, tn_error *err)
{
    const char *path = tn_path_of(a, folder, run);
    const size_t end = strlen(ending);
    tn_paths in = {0};
    if (!path) return tn_no_memory(err, folder.n);
    if (!run.n || memchr(run.p, '/', run.n))
        return tn_fail(err, TN_DATA_LOSS, "%.*s/snapshot.metadata: no name of a run: '%.*s'",
                       (int)TN_MIN(folder.n, (size_t)200), folder.p, (int)TN_MIN(run.n, (size_t)100), run.p);
    TN_TRY(tn_files_list(f, owner, tn_view_of(path), a, &in, err));
    *out = (tn_paths){.at = TN_ARRAY(a, in.n + 1, const char *)};
    if (!out->at) return tn_no_memory(err, in.n);
    for (size_t i = 0; i < in.n; i++) {
        size_t n = strlen(in.at[i]);
        if (n < end || strcmp(in.at[i] + n - end, ending)) continue;
        if (!(out->at[out->n++] = tn_path_of(a, tn_view_of(path), tn_view_of(in.at[i])))) return tn_no_memory(err, n);
    }
    tn_paths_sort(out, 0);
    return TN_OK;
}

/* ==== one file ==== */

void tn_snapshot_close(tn_snapshot_file *f)
{
    tn_files_drop(&f->bytes, &f->charge);
    f->open = false;
    f->at = 0;
}

tn_code tn_snapshot_open(tn_snapshot_file *f, const tn_files *files, const char *owner, const char *path, tn_packing p,
                         tn_error *err)
{
    tn_code code = tn_files_hold(files, owner, tn_view_of(path), p, &f->bytes, &f->charge, err);
    f->open = code == TN_OK;
    f->at = 0;
    return code;
}

static tn_code decode(tn_view record, tn_tensor **out, tn_error *err)
{
    tn_TensorProto *p;
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, 0);
    tn_code code = TN_DECODE(TensorProto, record, a, &p, err);
    if (code == TN_OK) code = tn_tensor_from_proto(p, 0, out, err);
    tn_arena_free(a);
    return code;
}

tn_code tn_snapshot_next(tn_snapshot_file *f, int width, tn_tensor **out, bool *end, tn_error *err)
{
    tn_view left, record;
    *end = f->at >= f->bytes.n;
    if (*end) return TN_OK;
    left = (tn_view){f->bytes.data + f->at, f->bytes.n - f->at};
    for (int k = 0; k < width; k++) {
        tn_code code = tn_record_next(&left, f->bytes.n - left.n, &record, err);
        if (code == TN_OUT_OF_RANGE)
            code = tn_fail(err, TN_DATA_LOSS, "the saved data set ends within an element of %d components", width);
        if (code == TN_OK) code = decode(record, &out[k], err);
        if (code != TN_OK) return code;
    }
    f->at = f->bytes.n - left.n;
    return TN_OK;
}

/* ==== writing ==== */

typedef struct shard {
    const char *path;
    tn_buf bytes; /* that are not written yet */
    bool begun;
} shard;

struct tn_snapshot_writer {
    tn_arena *arena;
    const char *owner, *folder, *run, *hash;
    tn_snapshot_form form;
    tn_packing packing; /* of files */
    tn_map *shards; /* folder's name -> shard */
    int64_t count, time;
};

static const char *run_name(const tn_snapshot_writer *w)
{
    const unsigned long long now = (unsigned long long)w->time, more = (unsigned long long)tn_now_us();
    if (w->form.run.n) return tn_arena_strndup(w->arena, w->form.run.p, w->form.run.n);
    return w->form.version == TN_SNAPSHOT_FORMER ? tn_arena_printf(w->arena, "%016llx", now * 1000 + more % 1000)
                                                 : tn_arena_printf(w->arena, "%llu%04llu", now, more % 10000);
}

tn_code tn_snapshot_writer_new(const char *owner, tn_view folder, const tn_snapshot_form *form,
                               tn_snapshot_writer **out, tn_error *err)
{
    tn_snapshot_writer *w = tn_calloc(1, sizeof *w);
    if (!w) return tn_no_memory(err, sizeof *w);
    w->arena = tn_arena_new(0);
    w->shards = tn_map_new();
    w->form = *form;
    w->packing = form->version == TN_SNAPSHOT_FORMER ? tn_snapshot_v1_file(form->packing) : form->packing;
    w->time = (int64_t)(tn_wall_time() * 1e6);
    if (w->arena) {
        w->owner = tn_arena_strdup(w->arena, owner);
        w->folder = tn_arena_strndup(w->arena, folder.n ? folder.p : "", folder.n);
        w->hash = tn_arena_strndup(w->arena, form->hash.n ? form->hash.p : "", form->hash.n);
        w->run = run_name(w);
    }
    if (w->shards && w->arena && w->owner && w->folder && w->hash && w->run) {
        *out = w;
        return TN_OK;
    }
    tn_snapshot_writer_free(w);
    return tn_no_memory(err, folder.n);
}

void tn_snapshot_writer_free(tn_snapshot_writer *w)
{
    if (!w) return;
    for (size_t i = 0; w->shards && i < tn_map_count(w->shards); i++)
        tn_buf_free(&((shard *)tn_map_value(w->shards, i))->bytes);
    tn_map_free(w->shards);
    tn_arena_free(w->arena);
    tn_free(w);
}

static tn_code squeeze(const tn_snapshot_writer *w, tn_view in, tn_buf *out, tn_error *err)
{
    return w->packing == TN_PACK_SNAPPY ? tn_snappy_squeeze(in, out, err)
                                        : tn_deflate(in, (tn_compression)w->packing, -1, out, err);
}

/* What a shard has so far goes into its file. */
static tn_code flush(const tn_snapshot_writer *w, shard *s, const tn_files *f, tn_error *err)
{
    tn_buf packed = {0};
    tn_view bytes = {s->bytes.data, s->bytes.n};
    TN_TRY(tn_buf_check(&s->bytes, err));
    tn_code code = w->packing == TN_PACK_NONE ? TN_OK : squeeze(w, bytes, &packed, err);
    if (w->packing != TN_PACK_NONE) bytes = (tn_view){packed.data, packed.n};
    if (code == TN_OK) code = tn_files_write(f, w->owner, tn_view_of(s->path), bytes, s->begun, err);
    tn_buf_free(&packed);
    tn_buf_clear(&s->bytes);
    s->begun = true;
    return code;
}

static tn_code shard_of(tn_snapshot_writer *w, int64_t number, shard **out, tn_error *err)
{
    char name[40];
    snprintf(name, sizeof name, "%08llu.shard", (unsigned long long)number);
    if ((*out = tn_map_get(w->shards, name))) return TN_OK;
    shard *s = TN_NEW(w->arena, shard);
    char *key = tn_arena_strdup(w->arena, name);
    const char *in = w->form.version == TN_SNAPSHOT_FORMER || !key ? "" : key, *slash = *in ? "/" : "";
    if (s) s->path = tn_arena_printf(w->arena, "%s/%s/%s%s00000000.snapshot", w->folder, w->run, in, slash);
    if (!s || !key || !s->path || !tn_map_put(w->shards, key, s)) return tn_no_memory(err, sizeof *s);
    *out = s;
    return TN_OK;
}

static tn_code put_component(shard *s, const tn_tensor *t, tn_error *err)
{
    tn_tensor_wire wire;
    TN_TRY(tn_tensor_wire_of(t, true, &wire, err));
    char *bytes = tn_malloc((size_t)wire.size + 1);
    if (!bytes) return tn_no_memory(err, (size_t)wire.size);
    tn_tensor_wire_put(&wire, bytes);
    tn_record_put(&s->bytes, bytes, (size_t)wire.size);
    tn_free(bytes);
    return tn_buf_check(&s->bytes, err);
}

/* zlib's form cannot be written piece by piece: a file is one stream. */
tn_code tn_snapshot_put(tn_snapshot_writer *w, const tn_files *f, int64_t number, tn_tensor *const *e, int width,
                        tn_error *err)
{
    shard *s;
    TN_TRY(shard_of(w, number, &s, err));
    if (w->form.version == TN_SNAPSHOT_FORMER)
        TN_TRY(tn_snapshot_v1_put(&s->bytes, w->form.packing, e, width, err));
    else
        for (int k = 0; k < width; k++) TN_TRY(put_component(s, e[k], err));
    w->count++;
    return s->bytes.n >= PIECE && w->packing != TN_PACK_ZLIB ? flush(w, s, f, err) : TN_OK;
}

tn_code tn_snapshot_finish(tn_snapshot_writer *w, const tn_files *f, const tn_dataset *of, tn_error *err)
{
    tn_buf bytes = {0};
    tn_SnapshotMetadataRecord m = {.graph_hash = tn_view_of(w->hash),
                                   .run_id = tn_view_of(w->run),
                                   .creation_timestamp = w->time,
                                   .version = w->form.version,
                                   .num_elements = w->form.counts ? w->count : 0,
                                   .finalized = true};
    int32_t *types = TN_ARRAY(w->arena, of->width + 1, int32_t);
    const char *path = tn_path_of(w->arena, tn_view_of(w->folder), tn_view_of("snapshot.metadata"));
    if (!types || !path) return tn_no_memory(err, 0);
    for (int k = 0; k < of->width; k++) types[k] = of->types[k];
    m.dtype.items = types;
    m.dtype.n = (uint32_t)of->width;
    for (size_t i = 0; i < tn_map_count(w->shards); i++) {
        shard *s = tn_map_value(w->shards, i);
        if (s->bytes.n) TN_TRY(flush(w, s, f, err));
    }
    tn_code code = TN_ENCODE(SnapshotMetadataRecord, &m, &bytes, err);
    if (code == TN_OK)
        code = tn_files_write(f, w->owner, tn_view_of(path), (tn_view){bytes.data, bytes.n}, false, err);
    tn_buf_free(&bytes);
    return code;
}
