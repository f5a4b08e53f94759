/* SPDX-License-Identifier: Apache-2.0
 *
 * bundle_v1.c - checkpoints as TensorFlow wrote them before 2017 (Saver's V1): a sorted table in one file, or one a
 * shard, whose first entry lists tensors and their slices and whose others hold a slice each. What is made of it as
 * a bundle is bundle_read.c's.
 *
 * Invariants: a slice has at least a byte for each element before memory is taken for them; blocks' checksums are the
 * table's business.
 */
#include "bundle.h"

struct tn_v1 {
    tn_arena *arena;
    int n;
    const char **paths;
    tn_mapped *files;
    tn_table **tables;
};

/* ==== files ==== */

/* How many files a pattern of shards stands for; 0: it is no pattern. */
static int shards_of(const char *path)
{
    static const char marks[] = {'-', '?', '?', '?', '?', '?', '-', 'o', 'f', '-'};
    size_t n = strlen(path), k = sizeof marks;
    if (n < k + 5 || memcmp(path + n - k - 5, marks, k) != 0) return 0;
    int shards = 0;
    for (const char *p = path + n - 5; *p; p++) {
        if (*p < '0' || *p > '9') return 0;
        shards = 10 * shards + (*p - '0');
    }
    return shards;
}

static bool is_table(const char *path)
{
    uint8_t magic[8];
    tn_put64(magic, TN_TABLE_MAGIC);
    return tn_file_ends_in(path, magic, sizeof magic);
}

bool tn_v1_exists(const char *path)
{
    char first[4200];
    if (!shards_of(path)) return is_table(path);
    int n = snprintf(first, sizeof first, "%s", path);
    if (n < 15 || (size_t)n >= sizeof first) return false;
    memset(first + n - 14, '0', 5);
    return is_table(first);
}

static tn_code open_file(tn_v1 *v, const char *path, int i, tn_error *err)
{
    int pattern = shards_of(path);
    char *name = tn_arena_strdup(v->arena, path);
    if (!name) return tn_no_memory(err, 0);
    if (pattern) {
        char number[12];
        snprintf(number, sizeof number, "%05d", i);
        memcpy(name + strlen(name) - 14, number, 5);
    }
    v->paths[i] = name;
    TN_TRY(tn_file_map(name, &v->files[i], err));
    tn_code code = tn_table_open((tn_view){(const char *)v->files[i].data, v->files[i].n}, &v->tables[i], err);
    if (code != TN_OK) tn_wrap(err, "%s", name);
    return code;
}

static tn_code open_files(tn_v1 *v, const char *path, tn_error *err)
{
    int n = TN_MAX(shards_of(path), 1);
    v->paths = TN_ARRAY(v->arena, n, const char *);
    v->files = TN_ARRAY(v->arena, n, tn_mapped);
    v->tables = TN_ARRAY(v->arena, n, tn_table *);
    if (!v->paths || !v->files || !v->tables) return tn_no_memory(err, (size_t)n * sizeof *v->files);
    for (int i = 0; i < n; i++) {
        v->n = i + 1;
        TN_TRY(open_file(v, path, i, err));
    }
    return TN_OK;
}

tn_code tn_v1_open(const char *path, tn_v1 **out, tn_error *err)
{
    tn_v1 *v = tn_calloc(1, sizeof *v);
    if (!v) return tn_no_memory(err, sizeof *v);
    v->arena = tn_arena_new(0);
    tn_code code = v->arena ? open_files(v, path, err) : tn_no_memory(err, 0);
    if (code == TN_OK)
        *out = v;
    else
        tn_v1_close(v);
    return code;
}

void tn_v1_close(tn_v1 *v)
{
    if (!v) return;
    for (int i = 0; i < v->n; i++) {
        tn_table_close(v->tables[i]);
        tn_file_unmap(&v->files[i]);
    }
    tn_arena_free(v->arena);
    tn_free(v);
}

int tn_v1_shards(const tn_v1 *v)
{
    return v->n;
}

/* ==== what there is ==== */

tn_code tn_v1_list(tn_v1 *v, int shard, tn_arena *a, tn_SavedTensorSliceMeta **out, tn_error *err)
{
    tn_view key, value;
    tn_SavedTensorSlices *s;
    TN_TRY(tn_table_seek(v->tables[shard], (tn_view){"", 0}, err));
    tn_code code = tn_table_next(v->tables[shard], &key, &value, err);
    if (code == TN_OUT_OF_RANGE || (code == TN_OK && key.n))
        return tn_fail(err, TN_DATA_LOSS, "%s: no list of tensors", v->paths[shard]);
    if (code == TN_OK) {
        char *bytes = tn_arena_strndup(a, value.p, value.n); /* the views in the message stay */
        code = bytes ? TN_DECODE(SavedTensorSlices, ((tn_view){bytes, value.n}), a, &s, err)
                     : tn_no_memory(err, value.n);
    }
    if (code != TN_OK) return tn_wrap(err, "%s", v->paths[shard]), code;
    if (!s->meta) return tn_fail(err, TN_DATA_LOSS, "%s: no list of tensors", v->paths[shard]);
    if (s->meta->versions && s->meta->versions->min_consumer > 0)
        return tn_fail(err, TN_UNIMPLEMENTED, "%s: needs a reader of version %d; this is 0", v->paths[shard],
                       (int)s->meta->versions->min_consumer);
    *out = s->meta;
    return TN_OK;
}

tn_code tn_v1_find(tn_v1 *v, int shard, tn_view key, int64_t count, tn_view *value, tn_error *err)
{
    tn_code code = tn_table_get(v->tables[shard], key, value, err);
    if (code == TN_NOT_FOUND)
        return tn_fail(err, TN_DATA_LOSS, "%s: a slice that is listed is not there", v->paths[shard]);
    if (code != TN_OK) return tn_wrap(err, "%s", v->paths[shard]), code;
    if (count >= 0 && (uint64_t)count <= value->n) return TN_OK;
    return tn_fail(err, TN_DATA_LOSS, "%s: %zu bytes for %lld elements", v->paths[shard], value->n, (long long)count);
}

/* ==== a slice ==== */

static uint64_t values_of(const tn_TensorProto *p, tn_dtype t)
{
    switch (t) {
    case TN_FLOAT: return p->float_val.n;
    case TN_DOUBLE: return p->double_val.n;
    case TN_COMPLEX64: return p->scomplex_val.n / 2;
    case TN_COMPLEX128: return p->dcomplex_val.n / 2;
    case TN_INT64: return p->int64_val.n;
    case TN_UINT64: return p->uint64_val.n;
    case TN_UINT32: return p->uint32_val.n;
    case TN_BOOL: return p->bool_val.n;
    case TN_STRING: return p->string_val.n;
    case TN_HALF:
    case TN_BFLOAT16: return p->half_val.n;
    default: return p->int_val.n;
    }
}

static tn_code slice_tensor(const tn_SavedTensorSlices *s, tn_dtype t, const tn_shape *shape, tn_arena *a,
                            tn_tensor **out, tn_error *err)
{
    int64_t count = tn_shape_count(shape);
    tn_TensorProto *p = s->data ? s->data->data : NULL;
    if (!p || values_of(p, t) != (uint64_t)count)
        return tn_fail(err, TN_DATA_LOSS, "%llu values of %s where %lld are wanted",
                       p ? (unsigned long long)values_of(p, t) : 0, tn_dtype_name(t), (long long)count);
    tn_TensorShapeProto *dims = TN_NEW(a, tn_TensorShapeProto);
    if (!dims) return tn_no_memory(err, sizeof *dims);
    TN_TRY(tn_shape_to_proto(shape, a, dims, err));
    p->dtype = (int)t;
    p->tensor_shape = dims;
    return tn_tensor_from_proto(p, 0, out, err);
}

tn_code tn_v1_read(tn_v1 *v, int shard, tn_view key, tn_dtype t, const tn_shape *shape, tn_tensor **out, tn_error *err)
{
    tn_view value;
    tn_SavedTensorSlices *s;
    TN_TRY(tn_v1_find(v, shard, key, tn_shape_count(shape), &value, err));
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, 0);
    tn_code code = TN_DECODE(SavedTensorSlices, value, a, &s, err);
    if (code == TN_OK) code = slice_tensor(s, t, shape, a, out, err);
    tn_arena_free(a);
    if (code != TN_OK) tn_wrap(err, "%s", v->paths[shard]);
    return code;
}
