/* SPDX-License-Identifier: Apache-2.0
 *
 * op_table.c - lookup tables: HashTableV2, set once, and MutableHashTableV2; finding, inserting, importing,
 * exporting. A table belongs to the session under its shared name (or its node's); it has a lock of its own.
 */
#include "op_move.h"

#define FILE_LIMIT ((size_t)1 << 32)
enum { KEY_COST = 64 }; /* of an entry, beside its bytes */

typedef struct cell { /* a value: plain bytes, or a string's */
    tn_charge charge; /* with its key's */
    size_t n;
    char data[];
} cell;

typedef struct table {
    tn_resource base;
    tn_dtype key, value;
    bool is_mutable, is_set;
    tn_map *map; /* key bytes -> cell */
    pthread_mutex_t lock;
} table;

/* ==== the table ==== */

static void drop_cell(cell *c)
{
    if (!c) return;
    tn_charge_drop(&c->charge);
    tn_free(c);
}

static void drop_cells(tn_map *m)
{
    for (size_t i = 0; m && i < tn_map_count(m); i++) drop_cell(tn_map_value(m, i));
    tn_map_free(m);
}

static void release_table(tn_resource *self)
{
    table *t = (table *)self;
    drop_cells(t->map);
    pthread_mutex_destroy(&t->lock);
    tn_free((char *)t->base.name);
    tn_free(t);
}

static tn_resource *make_table(const tn_run *r)
{
    table *t = tn_calloc(1, sizeof *t);
    char *name = tn_strdup(r->name);
    tn_map *map = tn_map_new();
    if (!t || !name || !map) {
        tn_free(t);
        tn_free(name);
        tn_map_free(map);
        return NULL;
    }
    t->base = (tn_resource){.kind = TN_RES_TABLE, .name = name, .release = release_table};
    atomic_init(&t->base.refs, 1);
    t->key = tn_attr_t(r->attrs, "key_dtype");
    t->value = tn_attr_t(r->attrs, "value_dtype");
    t->is_mutable = !strcmp(r->op->name, "MutableHashTableV2");
    t->is_set = t->is_mutable;
    t->map = map;
    pthread_mutex_init(&t->lock, NULL);
    return &t->base;
}

static tn_code new_run(tn_run *r, tn_error *err)
{
    tn_view shared = {"", 0};
    char name[512];
    tn_attr_get_string(r->attrs, "shared_name", &shared);
    snprintf(name, sizeof name, "%.*s", (int)TN_MIN(shared.n, sizeof name - 1), shared.p);
    return tn_run_named_resource(r, 0, TN_RES_TABLE, shared.n ? name : r->name, make_table, err);
}

#define TABLE(NAME, SIG)                       \
    const tn_op tn_op_##NAME = {               \
        .name = #NAME,                         \
        .sig = SIG,                            \
        .infer = tn_infer_scalar,              \
        .run = new_run,                        \
        .flags = TN_STATEFUL | TN_NO_GRADIENT, \
        .dynamic = TN_BIT(0),                  \
    }
TABLE(HashTableV2, "-> table_handle:resource; container:string=\"\" shared_name:string=\"\" "
                   "use_node_name_sharing:bool=false key_dtype:type value_dtype:type");
TABLE(MutableHashTableV2, "-> table_handle:resource; container:string=\"\" shared_name:string=\"\" "
                          "use_node_name_sharing:bool=false key_dtype:type value_dtype:type");

static tn_code table_of(const tn_run *r, table **out, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_resource(r, 0, TN_RES_TABLE, &res, err));
    *out = (table *)res;
    return TN_OK;
}

/* ==== elements ==== */

static tn_view bytes_of(const tn_tensor *t, int64_t i)
{
    if (t->dtype == TN_STRING)
        return (tn_view){TN_STRINGS(t)[i].n ? TN_STRINGS(t)[i].p : "", TN_STRINGS(t)[i].n};
    size_t size = tn_dtype_size(t->dtype);
    return (tn_view){(const char *)t->data + (size_t)i * size, size};
}

static tn_code set_element(tn_tensor *t, int64_t i, const char *p, size_t n, tn_error *err)
{
    if (t->dtype == TN_STRING) return tn_string_set(t, i, p, n, err);
    memcpy((char *)t->data + (size_t)i * tn_dtype_size(t->dtype), p, n);
    return TN_OK;
}

static tn_code check_types(const table *t, tn_dtype key, tn_dtype value, tn_error *err)
{
    if (t->key == key && t->value == value && (key == TN_STRING || tn_dtype_is_pod(key)) &&
        (value == TN_STRING || tn_dtype_is_pod(value)))
        return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Table '%s' is from %s to %s, not from %s to %s", t->base.name,
                   tn_dtype_name(t->key), tn_dtype_name(t->value), tn_dtype_name(key), tn_dtype_name(value));
}

/* unique: another value for a key that is there is an error. */
static tn_code insert(tn_map *m, tn_view key, tn_view value, bool unique, tn_error *err)
{
    cell *old = tn_map_get_view(m, key);
    if (old && unique) {
        if (old->n == value.n && memcmp(old->data, value.p, value.n) == 0) return TN_OK;
        return tn_fail(err, TN_FAILED_PRECONDITION, "HashTable has different value for same key: %.*s",
                       (int)TN_MIN(key.n, (size_t)200), key.p);
    }
    tn_charge charge = {NULL, 0};
    if (!tn_charge_add(&charge, sizeof *old + KEY_COST + key.n + value.n)) return tn_no_memory(err, value.n);
    cell *c = tn_malloc(sizeof *c + value.n);
    if (!c) {
        tn_charge_drop(&charge);
        return tn_no_memory(err, value.n);
    }
    c->charge = charge;
    c->n = value.n;
    memcpy(c->data, value.p, value.n);
    if (!tn_map_put_view(m, key, c)) {
        drop_cell(c);
        return tn_no_memory(err, key.n);
    }
    drop_cell(old);
    return TN_OK;
}

static tn_code insert_all(tn_map *m, const tn_tensor *keys, const tn_tensor *values, bool unique,
                          tn_error *err)
{
    int64_t n = tn_tensor_count(keys);
    if (tn_tensor_count(values) != n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected as many values as keys, got %lld and %lld",
                       (long long)tn_tensor_count(values), (long long)n);
    for (int64_t i = 0; i < n; i++) TN_TRY(insert(m, bytes_of(keys, i), bytes_of(values, i), unique, err));
    return TN_OK;
}

static bool same_contents(const tn_map *a, const tn_map *b)
{
    if (tn_map_count(a) != tn_map_count(b)) return false;
    for (size_t i = 0; i < tn_map_count(a); i++) {
        const cell *x = tn_map_value(a, i), *y = tn_map_get_view(b, tn_map_key_view(a, i));
        if (!y || x->n != y->n || memcmp(x->data, y->data, x->n) != 0) return false;
    }
    return true;
}

/* Puts a whole new map in place; one that is set once only takes the same again. */
static tn_code replace_map(table *t, tn_map *map, tn_error *err)
{
    pthread_mutex_lock(&t->lock);
    bool refused = !t->is_mutable && t->is_set && !same_contents(t->map, map);
    tn_map *old = refused ? map : t->map;
    if (!refused) t->map = map;
    t->is_set = true;
    pthread_mutex_unlock(&t->lock);
    drop_cells(old);
    return refused ? tn_fail(err, TN_FAILED_PRECONDITION, "Table already initialized.") : TN_OK;
}

/* ==== find ==== */

static tn_code find_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[0].shape = c->in[1]->shape;
    return TN_OK;
}

static tn_code find_all(tn_run *r, table *t, tn_error *err)
{
    const tn_tensor *keys = r->in[1];
    if (!t->is_set) return tn_fail(err, TN_FAILED_PRECONDITION, "Table not initialized.");
    for (int64_t i = 0, n = tn_tensor_count(keys); i < n; i++) {
        const cell *c = tn_map_get_view(t->map, bytes_of(keys, i));
        if (c)
            TN_TRY(set_element(r->out[0], i, c->data, c->n, err));
        else
            TN_TRY(tn_move_row(r->out[0], i, r->in[2], 0, 1, err));
    }
    return TN_OK;
}

static tn_code find_run(tn_run *r, tn_error *err)
{
    table *t;
    TN_TRY(table_of(r, &t, err));
    TN_TRY(check_types(t, r->in[1]->dtype, r->out[0]->dtype, err));
    if (tn_tensor_count(r->in[2]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "default_value must be a scalar");
    pthread_mutex_lock(&t->lock);
    tn_code code = find_all(r, t, err);
    pthread_mutex_unlock(&t->lock);
    return code;
}

const tn_op tn_op_LookupTableFindV2 = {
    .name = "LookupTableFindV2",
    .sig = "table_handle:resource keys:Tin default_value:Tout -> values:Tout; Tin:type Tout:type",
    .infer = find_infer,
    .run = find_run,
    .flags = TN_STATEFUL | TN_NO_GRADIENT,
};

/* ==== import, insert, remove ==== */

static tn_code import_run(tn_run *r, tn_error *err)
{
    table *t;
    TN_TRY(table_of(r, &t, err));
    TN_TRY(check_types(t, r->in[1]->dtype, r->in[2]->dtype, err));
    tn_map *map = tn_map_new();
    if (!map) return tn_no_memory(err, 0);
    tn_code code = insert_all(map, r->in[1], r->in[2], !t->is_mutable, err);
    if (code == TN_OK) return replace_map(t, map, err);
    drop_cells(map);
    return code;
}

static tn_code insert_run(tn_run *r, tn_error *err)
{
    table *t;
    TN_TRY(table_of(r, &t, err));
    TN_TRY(check_types(t, r->in[1]->dtype, r->in[2]->dtype, err));
    if (!t->is_mutable)
        return tn_fail(err, TN_UNIMPLEMENTED,
                       "Insert not supported by InitializableLookupTable implementations");
    pthread_mutex_lock(&t->lock);
    tn_code code = insert_all(t->map, r->in[1], r->in[2], false, err);
    pthread_mutex_unlock(&t->lock);
    return code;
}

static tn_code remove_run(tn_run *r, tn_error *err)
{
    table *t;
    TN_TRY(table_of(r, &t, err));
    if (!t->is_mutable || t->key != r->in[1]->dtype)
        return tn_fail(err, TN_INVALID_ARGUMENT, "keys of type %s cannot be removed from table '%s'",
                       tn_dtype_name(r->in[1]->dtype), t->base.name);
    pthread_mutex_lock(&t->lock);
    for (int64_t i = 0, n = tn_tensor_count(r->in[1]); i < n; i++) {
        tn_view key = bytes_of(r->in[1], i);
        drop_cell(tn_map_get_view(t->map, key));
        tn_map_remove_view(t->map, key);
    }
    pthread_mutex_unlock(&t->lock);
    return TN_OK;
}

#define CHANGE(NAME, RUN, SIG)                          \
    const tn_op tn_op_##NAME = {.name = #NAME,          \
                                .sig = SIG,             \
                                .infer = tn_infer_none, \
                                .run = RUN,             \
                                .flags = TN_STATEFUL | TN_EFFECT | TN_NO_GRADIENT}
CHANGE(LookupTableImportV2, import_run,
       "table_handle:resource keys:Tin values:Tout -> ; Tin:type "
       "Tout:type");
CHANGE(InitializeTableV2, import_run,
       "table_handle:resource keys:Tkey values:Tval -> ; Tkey:type "
       "Tval:type");
CHANGE(LookupTableInsertV2, insert_run,
       "table_handle:resource keys:Tin values:Tout -> ; Tin:type "
       "Tout:type");
CHANGE(LookupTableRemoveV2, remove_run, "table_handle:resource keys:Tin -> ; Tin:type");

/* ==== size, export ==== */

static tn_code size_run(tn_run *r, tn_error *err)
{
    table *t;
    TN_TRY(table_of(r, &t, err));
    pthread_mutex_lock(&t->lock);
    *TN_INT64S(r->out[0]) = (int64_t)tn_map_count(t->map);
    pthread_mutex_unlock(&t->lock);
    return TN_OK;
}

const tn_op tn_op_LookupTableSizeV2 = {
    .name = "LookupTableSizeV2",
    .sig = "table_handle:resource -> size:int64;",
    .infer = tn_infer_scalar,
    .run = size_run,
    .flags = TN_STATEFUL | TN_NO_GRADIENT,
};

static tn_code export_all(tn_run *r, table *t, tn_error *err)
{
    tn_shape s = tn_shape_vector((int64_t)tn_map_count(t->map));
    for (int o = 0; o < 2; o++) TN_TRY(tn_run_output(r, o, &s, err));
    for (size_t i = 0; i < tn_map_count(t->map); i++) {
        tn_view key = tn_map_key_view(t->map, i);
        const cell *c = tn_map_value(t->map, i);
        TN_TRY(set_element(r->out[0], (int64_t)i, key.p, key.n, err));
        TN_TRY(set_element(r->out[1], (int64_t)i, c->data, c->n, err));
    }
    return TN_OK;
}

static tn_code export_run(tn_run *r, tn_error *err)
{
    table *t;
    TN_TRY(table_of(r, &t, err));
    TN_TRY(check_types(t, r->out[0]->dtype, r->out[1]->dtype, err));
    pthread_mutex_lock(&t->lock);
    tn_code code = export_all(r, t, err);
    pthread_mutex_unlock(&t->lock);
    return code;
}

static tn_code export_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    for (int o = 0; o < 2; o++) tn_infer_set_rank(c, o, 1);
    return TN_OK;
}

const tn_op tn_op_LookupTableExportV2 = {
    .name = "LookupTableExportV2",
    .sig = "table_handle:resource -> keys:Tkeys values:Tvalues; Tkeys:type Tvalues:type",
    .infer = export_infer,
    .run = export_run,
    .flags = TN_STATEFUL | TN_NO_GRADIENT,
    .dynamic = TN_BIT(0) | TN_BIT(1),
};

/* ==== from a file of lines ==== */

enum { WHOLE_LINE = -2, LINE_NUMBER = -1 };

typedef struct columns {
    int64_t key, value, most, offset;
    char delimiter;
} columns;

static bool column_of(tn_view line, int64_t which, char delimiter, tn_view *out)
{
    *out = line;
    if (which < 0) return true;
    for (; which > 0; which--) {
        const char *d = memchr(out->p, delimiter, out->n);
        if (!d) return false;
        out->n -= (size_t)(d + 1 - out->p);
        out->p = d + 1;
    }
    const char *d = out->n ? memchr(out->p, delimiter, out->n) : NULL;
    if (d) out->n = (size_t)(d - out->p);
    return true;
}

/* A column, or the line's number, as an element of dtype t in buf. */
static tn_code field(tn_view line, int64_t number, int64_t which, char delimiter, tn_dtype t, char buf[16],
                     tn_view *out, tn_error *err)
{
    char text[64], *end;
    if (!column_of(line, which, delimiter, out))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid number of columns in line %lld: no column %lld",
                       (long long)number, (long long)which);
    if (t == TN_STRING) return TN_OK;
    if (t != TN_INT64 && t != TN_INT32 && t != TN_FLOAT && t != TN_DOUBLE)
        return tn_fail(err, TN_UNIMPLEMENTED, "tables of %s from a file", tn_dtype_name(t));
    snprintf(text, sizeof text, "%.*s", (int)TN_MIN(out->n, sizeof text - 1), out->p);
    if (which == LINE_NUMBER) snprintf(text, sizeof text, "%lld", (long long)number);
    bool real = tn_dtype_is_float(t);
    double d = real ? strtod(text, &end) : 0;
    int64_t v = real ? 0 : strtoll(text, &end, 10);
    if (end == text || *end)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Field %s in line %lld is not a valid %s.", text,
                       (long long)number, tn_dtype_name(t));
    if (t == TN_INT64)
        memcpy(buf, &v, sizeof v);
    else if (t == TN_INT32)
        memcpy(buf, &(int32_t){(int32_t)v}, sizeof(int32_t));
    else if (t == TN_FLOAT)
        memcpy(buf, &(float){(float)d}, sizeof(float));
    else
        memcpy(buf, &d, sizeof d);
    *out = (tn_view){buf, tn_dtype_size(t)};
    return TN_OK;
}

static tn_code read_lines(const table *t, const tn_buf *text, const columns *c, tn_map *map, tn_error *err)
{
    int64_t number = 0, line_at = 0;
    for (size_t at = 0; at < text->n; line_at++) {
        const char *p = text->data + at, *nl = memchr(p, '\n', text->n - at);
        tn_view line = {p, nl ? (size_t)(nl - p) : text->n - at}, key, value;
        char k[16], v[16];
        at += line.n + 1;
        if (line.n && line.p[line.n - 1] == '\r') line.n--;
        if (line_at < c->offset) continue;
        if (c->most >= 0 && number >= c->most) break;
        TN_TRY(field(line, number, c->key, c->delimiter, t->key, k, &key, err));
        TN_TRY(field(line, number, c->value, c->delimiter, t->value, v, &value, err));
        TN_TRY(insert(map, key, value, true, err));
        number++;
    }
    if (c->most >= 0 && number < c->most)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid vocab_size in file: expected %lld but got %lld",
                       (long long)c->most, (long long)number);
    return TN_OK;
}

static tn_code from_file(tn_run *r, table *t, const char *path, tn_error *err)
{
    tn_view delimiter = {"\t", 1};
    tn_buf text = {0};
    tn_attr_get_string(r->attrs, "delimiter", &delimiter);
    columns c = {tn_attr_i(r->attrs, "key_index"), tn_attr_i(r->attrs, "value_index"),
                 tn_attr_i(r->attrs, "vocab_size"), tn_attr_i(r->attrs, "offset"),
                 delimiter.n ? delimiter.p[0] : '\t'};
    tn_map *map = tn_map_new();
    tn_code code = map ? tn_file_read(path, FILE_LIMIT, &text, err) : tn_no_memory(err, 0);
    if (code == TN_OK) code = read_lines(t, &text, &c, map, err);
    tn_buf_free(&text);
    if (code == TN_OK) return replace_map(t, map, err);
    drop_cells(map);
    return code;
}

static tn_code from_file_run(tn_run *r, tn_error *err)
{
    table *t;
    TN_TRY(table_of(r, &t, err));
    if (tn_tensor_count(r->in[1]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "filename should be a single string");
    TN_TRY(check_types(t, t->key, t->value, err));
    const tn_string *s = TN_STRINGS(r->in[1]);
    char *path = tn_malloc(s->n + 1);
    if (!path) return tn_no_memory(err, s->n);
    if (s->n) memcpy(path, s->p, s->n);
    path[s->n] = 0;
    tn_code code = from_file(r, t, path, err);
    tn_free(path);
    return code;
}

CHANGE(InitializeTableFromTextFileV2, from_file_run,
       "table_handle:resource filename:string -> ; key_index:int>=-2 value_index:int>=-2 "
       "vocab_size:int>=-1=-1 delimiter:string=\"\\t\" offset:int=0");
