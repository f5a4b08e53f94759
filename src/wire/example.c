/* SPDX-License-Identifier: Apache-2.0
 *
 * example.c - tf.Example: named lists of floats, integers or bytes.
 */
#include "proto.h"

const tn_Feature *tn_example_feature(const tn_Example *e, const char *name)
{
    const tn_FeatureEntry *entry = e->features ? TN_FIND(&e->features->feature, name) : NULL;
    return entry ? entry->value : NULL;
}

/* The feature of this name, emptied or added; NULL: no memory. */
static tn_Feature *put(tn_Example *e, tn_arena *a, const char *name)
{
    tn_Feature *feature = TN_NEW(a, tn_Feature);
    if (!e->features) e->features = TN_NEW(a, tn_Features);
    if (!feature || !e->features) return NULL;
    tn_FeatureEntry *entry = TN_FIND(&e->features->feature, name);
    if (!entry) {
        char *key = tn_arena_strdup(a, name);
        entry = key ? TN_PUSH(a, &e->features->feature) : NULL;
        if (!entry) return NULL;
        entry->key = tn_view_of(key);
    }
    return entry->value = feature;
}

/* Fills a list of the arena with n items; false: no memory. */
static bool fill(tn_arena *a, void *list, size_t size, const void *v, size_t n)
{
    tn_int64_list *l = list; /* every list looks like this */
    if (!tn_proto_reserve(a, list, size, n)) return false;
    if (n) memcpy(l->items, v, n * size);
    l->n = (uint32_t)n;
    return true;
}

tn_code tn_example_floats(tn_Example *e, tn_arena *a, const char *name, const float *v, size_t n,
                          tn_error *err)
{
    tn_FloatList *list = TN_NEW(a, tn_FloatList);
    if (!list || !fill(a, &list->value, sizeof *v, v, n)) return tn_no_memory(err, n * sizeof *v);
    tn_Feature *f = put(e, a, name);
    if (!f) return tn_no_memory(err, sizeof *f);
    TN_SET(f, Feature, kind, float_list) = list;
    return TN_OK;
}

tn_code tn_example_int64s(tn_Example *e, tn_arena *a, const char *name, const int64_t *v, size_t n,
                          tn_error *err)
{
    tn_Int64List *list = TN_NEW(a, tn_Int64List);
    if (!list || !fill(a, &list->value, sizeof *v, v, n)) return tn_no_memory(err, n * sizeof *v);
    tn_Feature *f = put(e, a, name);
    if (!f) return tn_no_memory(err, sizeof *f);
    TN_SET(f, Feature, kind, int64_list) = list;
    return TN_OK;
}

tn_code tn_example_bytes(tn_Example *e, tn_arena *a, const char *name, const tn_view *v, size_t n,
                         tn_error *err)
{
    tn_BytesList *list = TN_NEW(a, tn_BytesList);
    if (!list || !fill(a, &list->value, sizeof *v, v, n)) return tn_no_memory(err, n * sizeof *v);
    tn_Feature *f = put(e, a, name);
    if (!f) return tn_no_memory(err, sizeof *f);
    TN_SET(f, Feature, kind, bytes_list) = list;
    return TN_OK;
}
