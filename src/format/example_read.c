/* SPDX-License-Identifier: Apache-2.0
 *
 * example_read.c - records as tf.Example and tf.SequenceExample: features by name with their values. Reading
 * them into tensors is the parsing operators' business.
 *
 * Invariant: what has a field that the messages do not have is none of them: any bytes may look like a
 * message.
 */
#include "format.h"

static const char *text(tn_arena *a, tn_view v)
{
    return tn_arena_strndup(a, v.n ? v.p : "", v.n);
}

static bool known(const tn_Feature *f)
{
    bool ok = !f->unknown_fields.n;
    if (f->kind_case == TN_Feature_bytes_list) ok = ok && !f->bytes_list->unknown_fields.n;
    if (f->kind_case == TN_Feature_float_list) ok = ok && !f->float_list->unknown_fields.n;
    if (f->kind_case == TN_Feature_int64_list) ok = ok && !f->int64_list->unknown_fields.n;
    return ok;
}

static tn_code neither(tn_error *err)
{
    return tn_fail(err, TN_INVALID_ARGUMENT, "the record is neither a tf.Example nor a tf.SequenceExample");
}

static tn_code take_value(const tn_Feature *f, tn_arena *a, tn_feature_value *out, tn_error *err)
{
    if (!known(f)) return neither(err);
    *out = (tn_feature_value){.kind = TN_FEATURE_NONE};
    if (f->kind_case == TN_Feature_float_list) {
        *out = (tn_feature_value){
            .kind = TN_FEATURE_FLOATS, .n = f->float_list->value.n, .floats = f->float_list->value.items};
    } else if (f->kind_case == TN_Feature_int64_list) {
        *out = (tn_feature_value){
            .kind = TN_FEATURE_INTS, .n = f->int64_list->value.n, .ints = f->int64_list->value.items};
    } else if (f->kind_case == TN_Feature_bytes_list) {
        const tn_view_list *list = &f->bytes_list->value;
        tn_bytes *bytes = TN_ARRAY(a, list->n + 1, tn_bytes);
        if (!bytes) return tn_no_memory(err, list->n * sizeof *bytes);
        for (uint32_t i = 0; i < list->n; i++) bytes[i] = (tn_bytes){list->items[i].p, list->items[i].n};
        *out = (tn_feature_value){.kind = TN_FEATURE_BYTES, .n = list->n, .bytes = bytes};
    }
    return TN_OK;
}

static tn_code take_features(const tn_Features *f, tn_arena *a, tn_example *out, tn_error *err)
{
    uint32_t n = f ? f->feature.n : 0;
    if (f && f->unknown_fields.n) return neither(err);
    tn_named_feature *v = TN_ARRAY(a, n + 1, tn_named_feature);
    if (!v) return tn_no_memory(err, n * sizeof *v);
    for (uint32_t i = 0; i < n; i++) {
        if (!(v[i].name = text(a, f->feature.items[i].key))) return tn_no_memory(err, 0);
        TN_TRY(take_value(f->feature.items[i].value, a, &v[i].value, err));
    }
    out->features = v;
    out->n_features = (int)n;
    return TN_OK;
}

static tn_code take_list(const tn_FeatureListEntry *e, tn_arena *a, tn_named_feature_list *out, tn_error *err)
{
    const tn_FeatureList *list = e->value;
    if (list->unknown_fields.n) return neither(err);
    tn_feature_value *v = TN_ARRAY(a, list->feature.n + 1, tn_feature_value);
    *out = (tn_named_feature_list){text(a, e->key), v, list->feature.n};
    if (!v || !out->name) return tn_no_memory(err, list->feature.n * sizeof *v);
    for (uint32_t i = 0; i < list->feature.n; i++) TN_TRY(take_value(&list->feature.items[i], a, &v[i], err));
    return TN_OK;
}

static tn_code take_lists(const tn_FeatureLists *f, tn_arena *a, tn_example *out, tn_error *err)
{
    if (f->unknown_fields.n) return neither(err);
    tn_named_feature_list *v = TN_ARRAY(a, f->feature_list.n + 1, tn_named_feature_list);
    if (!v) return tn_no_memory(err, f->feature_list.n * sizeof *v);
    for (uint32_t i = 0; i < f->feature_list.n; i++)
        TN_TRY(take_list(&f->feature_list.items[i], a, &v[i], err));
    out->lists = v;
    out->n_lists = (int)f->feature_list.n;
    return TN_OK;
}

/* A tf.Example is a tf.SequenceExample without lists, to the byte. */
static tn_code read(tn_view record, tn_arena *a, tn_example *out, tn_error *err)
{
    tn_SequenceExample *s;
    tn_code code = TN_DECODE(SequenceExample, record, a, &s, err);
    if (code == TN_RESOURCE_EXHAUSTED) return code;
    if (code != TN_OK || s->unknown_fields.n) return neither(err);
    TN_TRY(take_features(s->context, a, out, err));
    out->is_sequence = s->feature_lists != NULL;
    return out->is_sequence ? take_lists(s->feature_lists, a, out, err) : TN_OK;
}

tn_code tn_example_read(tn_bytes record, tn_example *out, tn_error *err)
{
    tn_example e = {.memory = tn_arena_new(0)};
    tn_code code = e.memory ? read((tn_view){record.p, record.n}, e.memory, &e, err) : tn_no_memory(err, 0);
    if (code == TN_OK)
        *out = e;
    else
        tn_arena_free(e.memory);
    return code;
}

void tn_example_free(tn_example *e)
{
    tn_arena_free(e->memory);
    *e = (tn_example){.memory = NULL};
}
