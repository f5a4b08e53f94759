/* SPDX-License-Identifier: Apache-2.0
 *
 * op_table.c - the operators of lookup tables: HashTable, set once; MutableHashTable, also of tensors, also
 * dense; each in TensorFlow 1's form, whose handles are declared as references to strings, with resources,
 * and without a name.
 */
#include "table.h"

/* ==== making ==== */

static tn_code new_run(tn_run *r, tn_error *err)
{
    tn_view shared = {"", 0};
    char name[512];
    tn_attr_get_string(r->attrs, "shared_name", &shared);
    snprintf(name, sizeof name, "%.*s", (int)TN_MIN(shared.n, sizeof name - 1), shared.p);
    return tn_run_named_resource(r, 0, TN_RES_TABLE, shared.n ? name : r->name, tn_table_make, err);
}

static tn_code anonymous_run(tn_run *r, tn_error *err)
{
    tn_resource *res = tn_table_make(r);
    return res ? tn_run_new_resource(r, 0, res, err) : tn_no_memory(err, 0);
}

static tn_code check_buckets(const tn_attrs *attrs, tn_error *err)
{
    int64_t n;
    if (!tn_attr_get_int(attrs, "initial_num_buckets", &n)) return TN_OK;
    if (n < 4 || (n & (n - 1)))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Number of buckets must be at least 4 and a power of 2, got: %lld",
                       (long long)n);
    float load = tn_attr_f(attrs, "max_load_factor");
    if (load > 0 && load < 1) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "max_load_factor must be between 0 and 1, got: %g", (double)load);
}

static tn_code check_prepare(tn_prepare *p, tn_error *err)
{
    tn_shape s = {.rank = 0};
    int64_t n;
    tn_attr_get_shape(p->attrs, "value_shape", &s);
    if (!tn_shape_known(&s)) return tn_fail(err, TN_INVALID_ARGUMENT, "value_shape must be fully known");
    TN_TRY(tn_shape_count_checked(&s, &n, err));
    TN_TRY(check_buckets(p->attrs, err));
    for (int i = 0; i < p->n_in; i++)
        if (tn_tensor_count(p->in[i]) != 1)
            return tn_fail(err, TN_UNIMPLEMENTED, "tables whose keys are no scalars");
    return TN_OK;
}

/* The shape of what a lookup gives is known by the handle; no dtype, since it is no variable's. */
static tn_code table_infer(tn_infer *c, tn_error *err)
{
    tn_info *held = TN_NEW(c->arena, tn_info);
    if (!held) return tn_no_memory(err, sizeof *held);
    held->bound = -1;
    tn_attr_get_shape(c->attrs, "value_shape", &held->shape);
    c->out[0].shape.rank = 0;
    c->out[0].handle = held;
    return TN_OK;
}

#define TABLE_AS(Name, Flags, Run, Sig) \
    const tn_op tn_op_##Name = {        \
        .name = #Name,                  \
        .sig = Sig,                     \
        .infer = table_infer,           \
        .prepare = check_prepare,       \
        .run = Run,                     \
        .flags = TN_STATEFUL | (Flags), \
        .dynamic = TN_BIT(0),           \
    }
#define TABLE(Name, Run, Sig) TABLE_AS(Name, TN_NO_GRADIENT, Run, Sig)
#define NAMED "container:string=\"\" shared_name:string=\"\" use_node_name_sharing:bool=false "
#define TYPES "key_dtype:type value_dtype:type"
#define SHAPE " value_shape:shape=[]"
#define BUCKETS SHAPE " initial_num_buckets:int=131072 max_load_factor:float=0.800000011920929"
TABLE(HashTable, new_run, "-> table_handle:&string; " NAMED TYPES);
TABLE(HashTableV2, new_run, "-> table_handle:resource; " NAMED TYPES);
TABLE(MutableHashTable, new_run, "-> table_handle:&string; " NAMED TYPES);
TABLE(MutableHashTableV2, new_run, "-> table_handle:resource; " NAMED TYPES);
TABLE(MutableHashTableOfTensors, new_run, "-> table_handle:&string; " NAMED TYPES SHAPE);
TABLE(MutableHashTableOfTensorsV2, new_run, "-> table_handle:resource; " NAMED TYPES SHAPE);
TABLE(MutableDenseHashTable, new_run, "empty_key:key_dtype -> table_handle:&string; " NAMED TYPES BUCKETS);
TABLE(MutableDenseHashTableV2, new_run,
      "empty_key:key_dtype deleted_key:key_dtype -> table_handle:resource; " NAMED TYPES BUCKETS);
TABLE(AnonymousHashTable, anonymous_run, "-> table_handle:resource; " TYPES);
TABLE(AnonymousMutableHashTable, anonymous_run, "-> table_handle:resource; " TYPES);
TABLE(AnonymousMutableHashTableOfTensors, anonymous_run, "-> table_handle:resource; " TYPES SHAPE);
TABLE_AS(AnonymousMutableDenseHashTable, 0, anonymous_run,
         "empty_key:key_dtype deleted_key:key_dtype -> table_handle:resource; " TYPES BUCKETS);

/* ==== find ==== */

/* The keys' shape, then a value's: the default is one value, or one for each key. */
static tn_code find_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *keys = &c->in[1]->shape, *def = &c->in[2]->shape;
    const tn_shape *value = c->in[0]->handle ? &c->in[0]->handle->shape : NULL;
    tn_shape *out = &c->out[0].shape;
    if (!value && def->rank < 0) return TN_OK;
    tn_shape rest = {.rank = def->rank - keys->rank};
    bool each = !value && keys->rank > 0 && rest.rank >= 0;
    for (int k = 0; each && k < keys->rank; k++) each = keys->dim[k] == def->dim[k];
    for (int k = 0; each && k < rest.rank; k++) rest.dim[k] = def->dim[keys->rank + k];
    if (!value) value = each ? &rest : def;
    if (keys->rank < 0) return TN_OK;
    if (keys->rank + value->rank > TN_MAX_RANK)
        return tn_fail(err, TN_UNIMPLEMENTED, "more than %d dimensions", TN_MAX_RANK);
    *out = *keys;
    for (int k = 0; k < value->rank; k++) out->dim[out->rank++] = value->dim[k];
    return TN_OK;
}

static tn_code find_all(tn_run *r, tn_table *t, tn_error *err)
{
    const tn_tensor *keys = r->in[1];
    bool one = tn_tensor_count(r->in[2]) == t->each;
    if (!t->is_set) return tn_fail(err, TN_FAILED_PRECONDITION, "Table not initialized.");
    for (int64_t i = 0, n = tn_tensor_count(keys); i < n; i++) {
        const tn_cell *c = tn_map_get_view(t->map, tn_table_key(keys, i));
        if (c)
            TN_TRY(tn_table_set(t, r->out[0], i, c, err));
        else
            TN_TRY(tn_move_row(r->out[0], i * t->each, r->in[2], one ? 0 : i * t->each, t->each, err));
    }
    return TN_OK;
}

static tn_code find_run(tn_run *r, tn_error *err)
{
    tn_table *t;
    TN_TRY(tn_table_of(r, &t, err));
    TN_TRY(tn_table_check_types(t, r->in[1]->dtype, r->out[0]->dtype, err));
    int64_t n = tn_tensor_count(r->in[1]) * t->each, given = tn_tensor_count(r->in[2]);
    if (tn_tensor_count(r->out[0]) != n || (given != t->each && (given != n || !t->is_mutable)))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Expected a default_value of %lld elements, or of one value for each key, "
                       "got %lld",
                       (long long)t->each, (long long)given);
    TN_TRY(tn_table_check_keys(t, r->in[1], err));
    pthread_mutex_lock(&t->lock);
    tn_code code = find_all(r, t, err);
    pthread_mutex_unlock(&t->lock);
    return code;
}

#define FIND(Name, Handle) \
    TN_STATE_OP(Name, find_run, find_infer, TN_NO_GRADIENT, 0, \
                "table_handle:" Handle " keys:Tin default_value:Tout -> values:Tout; Tin:type Tout:type")
FIND(LookupTableFind, "&string");
FIND(LookupTableFindV2, "resource");

/* ==== import, insert, remove ==== */

static tn_code import_run(tn_run *r, tn_error *err)
{
    tn_table *t;
    TN_TRY(tn_table_of(r, &t, err));
    TN_TRY(tn_table_check_types(t, r->in[1]->dtype, r->in[2]->dtype, err));
    tn_map *map = tn_map_new();
    if (!map) return tn_no_memory(err, 0);
    tn_code code = t->reserved[0] ? tn_table_import_buckets(t, map, r->in[1], r->in[2], err)
                                  : tn_table_insert_all(t, map, r->in[1], r->in[2], !t->is_mutable, err);
    if (code == TN_OK) return tn_table_replace(t, map, err);
    tn_table_drop_map(map);
    return code;
}

static tn_code insert_run(tn_run *r, tn_error *err)
{
    tn_table *t;
    TN_TRY(tn_table_of(r, &t, err));
    TN_TRY(tn_table_check_types(t, r->in[1]->dtype, r->in[2]->dtype, err));
    if (!t->is_mutable)
        return tn_fail(err, TN_UNIMPLEMENTED,
                       "Insert not supported by InitializableLookupTable implementations");
    pthread_mutex_lock(&t->lock);
    tn_code code = tn_table_insert_all(t, t->map, r->in[1], r->in[2], false, err);
    pthread_mutex_unlock(&t->lock);
    return code;
}

static tn_code remove_run(tn_run *r, tn_error *err)
{
    tn_table *t;
    TN_TRY(tn_table_of(r, &t, err));
    if (!t->is_mutable || t->key != r->in[1]->dtype)
        return tn_fail(err, TN_INVALID_ARGUMENT, "keys of type %s cannot be removed from table '%s'",
                       tn_dtype_name(r->in[1]->dtype), t->base.name);
    TN_TRY(tn_table_check_keys(t, r->in[1], err));
    pthread_mutex_lock(&t->lock);
    for (int64_t i = 0, n = tn_tensor_count(r->in[1]); i < n; i++) {
        tn_view key = tn_table_key(r->in[1], i);
        tn_cell *old = tn_map_get_view(t->map, key);
        if (old) tn_map_put_view(t->map, key, NULL);
        tn_table_drop_cell(old);
    }
    tn_map_remove_empty(t->map);
    pthread_mutex_unlock(&t->lock);
    return TN_OK;
}

#define CHANGE(NAME, RUN, SIG) TN_STATE_OP(NAME, RUN, tn_infer_none, TN_EFFECT | TN_NO_GRADIENT, 0, SIG)
#define KEYS_VALUES " keys:Tin values:Tout -> ; Tin:type Tout:type"
#define INITIALIZE " keys:Tkey values:Tval -> ; Tkey:type Tval:type"
CHANGE(LookupTableImport, import_run, "table_handle:&string" KEYS_VALUES);
CHANGE(LookupTableImportV2, import_run, "table_handle:resource" KEYS_VALUES);
CHANGE(InitializeTable, import_run, "table_handle:&string" INITIALIZE);
CHANGE(InitializeTableV2, import_run, "table_handle:resource" INITIALIZE);
CHANGE(LookupTableInsert, insert_run, "table_handle:&string" KEYS_VALUES);
CHANGE(LookupTableInsertV2, insert_run, "table_handle:resource" KEYS_VALUES);
CHANGE(LookupTableRemoveV2, remove_run, "table_handle:resource keys:Tin -> ; Tin:type");

/* ==== size, export ==== */

static tn_code size_run(tn_run *r, tn_error *err)
{
    tn_table *t;
    TN_TRY(tn_table_of(r, &t, err));
    pthread_mutex_lock(&t->lock);
    *TN_INT64S(r->out[0]) = (int64_t)tn_map_count(t->map);
    pthread_mutex_unlock(&t->lock);
    return TN_OK;
}

#define SIZE(Name, Handle) \
    TN_STATE_OP(Name, size_run, tn_infer_scalar, TN_NO_GRADIENT, 0, "table_handle:" Handle " -> size:int64;")
SIZE(LookupTableSize, "&string");
SIZE(LookupTableSizeV2, "resource");

static tn_code export_all(tn_run *r, tn_table *t, tn_error *err)
{
    tn_shape s = tn_shape_vector((int64_t)tn_map_count(t->map)), v = s;
    for (int k = 0; k < t->value_shape.rank && v.rank < TN_MAX_RANK; k++)
        v.dim[v.rank++] = t->value_shape.dim[k];
    TN_TRY(tn_run_output(r, 0, &s, err));
    TN_TRY(tn_run_output(r, 1, &v, err));
    for (size_t i = 0; i < tn_map_count(t->map); i++) {
        tn_view key = tn_map_key_view(t->map, i);
        const tn_cell *c = tn_map_value(t->map, i);
        if (t->key == TN_STRING)
            TN_TRY(tn_string_set(r->out[0], (int64_t)i, key.p, key.n, err));
        else
            memcpy((char *)r->out[0]->data + i * key.n, key.p, key.n);
        TN_TRY(tn_table_set(t, r->out[1], (int64_t)i, c, err));
    }
    return TN_OK;
}

static tn_code export_run(tn_run *r, tn_error *err)
{
    tn_table *t;
    TN_TRY(tn_table_of(r, &t, err));
    TN_TRY(tn_table_check_types(t, r->out[0]->dtype, r->out[1]->dtype, err));
    pthread_mutex_lock(&t->lock);
    tn_code code = t->reserved[0] ? tn_table_export_buckets(r, t, err) : export_all(r, t, err);
    pthread_mutex_unlock(&t->lock);
    return code;
}

#define EXPORT(Name, Handle)                                                                    \
    const tn_op tn_op_##Name = {                                                                \
        .name = #Name,                                                                          \
        .sig = "table_handle:" Handle " -> keys:Tkeys values:Tvalues; Tkeys:type Tvalues:type", \
        .infer = tn_infer_none,                                                                 \
        .run = export_run,                                                                      \
        .flags = TN_STATEFUL,                                                                   \
        .dynamic = TN_BIT(0) | TN_BIT(1),                                                       \
    }
EXPORT(LookupTableExport, "&string");
EXPORT(LookupTableExportV2, "resource");
