/* SPDX-License-Identifier: Apache-2.0
 *
 * op_json.c - DecodeJSONExample: tf.Example in protobuf's JSON form as its binary form.
 */
#include <math.h>

#include "parse.h"
#include "sparse.h"

/* A member by protobuf's two spellings; anything else in the object is an error. null: absent. */
static tn_code member(const tn_json *object, const char *camel, const char *snake, const tn_json **out,
                      tn_error *err)
{
    *out = NULL;
    if (object->kind != TN_JSON_OBJECT)
        return tn_fail(err, TN_INVALID_ARGUMENT, "expected an object with '%s'", camel);
    for (const tn_json *m = object->child; m; m = m->next) {
        if (!tn_view_is(m->key, camel) && !tn_view_is(m->key, snake))
            return tn_fail(err, TN_INVALID_ARGUMENT, "no such field: '%.*s'",
                           (int)TN_MIN(m->key.n, (size_t)60), m->key.p);
        if (m->kind != TN_JSON_NULL) *out = m;
    }
    return TN_OK;
}

/* The first of a list's values; one value alone counts as a list of it. */
static tn_code values_of(const tn_json *object, tn_arena *a, const tn_json **out, tn_error *err)
{
    TN_TRY(member(object, "value", "value", out, err));
    if (!*out) return TN_OK;
    if ((*out)->kind == TN_JSON_ARRAY) {
        *out = (*out)->child;
        return TN_OK;
    }
    tn_json *alone = TN_NEW(a, tn_json);
    if (!alone) return tn_no_memory(err, sizeof *alone);
    *alone = **out;
    alone->next = NULL;
    *out = alone;
    return TN_OK;
}

static tn_code bad_value(tn_error *err)
{
    return tn_fail(err, TN_INVALID_ARGUMENT, "a value of a wrong kind");
}

static tn_code floats(const tn_json *v, tn_arena *a, tn_FloatList *out, tn_error *err)
{
    for (; v; v = v->next) {
        double d = v->number;
        float *to = TN_PUSH(a, &out->value);
        if (!to) return tn_no_memory(err, sizeof *to);
        if (v->kind == TN_JSON_STRING ? !tn_parse_double(v->text, &d) : v->kind != TN_JSON_NUMBER)
            return bad_value(err);
        *to = (float)d;
    }
    return TN_OK;
}

static tn_code integers(const tn_json *v, tn_arena *a, tn_Int64List *out, tn_error *err)
{
    for (; v; v = v->next) {
        int64_t k = v->integer;
        int64_t *to = TN_PUSH(a, &out->value);
        if (!to) return tn_no_memory(err, sizeof *to);
        bool whole = v->kind == TN_JSON_NUMBER && v->number == trunc(v->number) && fabs(v->number) < 9e15;
        if (v->kind == TN_JSON_STRING ? !tn_parse_int(v->text, &k) : !whole) return bad_value(err);
        *to = v->kind == TN_JSON_NUMBER && !v->is_int ? (int64_t)v->number : k;
    }
    return TN_OK;
}

/* Either alphabet. */
static bool from_base64(tn_view text, tn_buf *out)
{
    tn_buf plain = {0};
    for (size_t i = 0; i < text.n; i++)
        tn_buf_char(&plain, (char)(text.p[i] == '-' ? '+' : text.p[i] == '_' ? '/' : text.p[i]));
    while (plain.n % 4 > 1) tn_buf_char(&plain, '=');
    bool ok = plain.failed == TN_OK && tn_base64_decode((tn_view){plain.n ? plain.data : "", plain.n}, out);
    tn_buf_free(&plain);
    return ok;
}

static tn_code strings(const tn_json *v, tn_arena *a, tn_BytesList *out, tn_error *err)
{
    for (; v; v = v->next) {
        tn_view *to = TN_PUSH(a, &out->value);
        tn_buf bytes = {0};
        if (!to) return tn_no_memory(err, sizeof *to);
        bool ok = v->kind == TN_JSON_STRING && from_base64(v->text, &bytes);
        char *copy = ok ? tn_arena_strndup(a, bytes.n ? bytes.data : "", bytes.n) : NULL;
        *to = (tn_view){copy, bytes.n};
        tn_buf_free(&bytes);
        if (!ok) return bad_value(err);
        if (!copy) return tn_no_memory(err, to->n);
    }
    return TN_OK;
}

static tn_code one_feature(const tn_json *v, tn_arena *a, tn_Feature *f, tn_error *err)
{
    if (v->kind != TN_JSON_OBJECT) return tn_fail(err, TN_INVALID_ARGUMENT, "a feature is not an object");
    for (const tn_json *m = v->child; m; m = m->next) {
        const tn_json *list;
        if (m->kind == TN_JSON_NULL) continue;
        if (f->kind_case) return tn_fail(err, TN_INVALID_ARGUMENT, "a feature of two kinds");
        TN_TRY(values_of(m, a, &list, err));
        if (tn_view_is(m->key, "floatList") || tn_view_is(m->key, "float_list")) {
            TN_SET(f, Feature, kind, float_list) = TN_NEW(a, tn_FloatList);
            TN_TRY(f->float_list ? floats(list, a, f->float_list, err) : tn_no_memory(err, 0));
        } else if (tn_view_is(m->key, "int64List") || tn_view_is(m->key, "int64_list")) {
            TN_SET(f, Feature, kind, int64_list) = TN_NEW(a, tn_Int64List);
            TN_TRY(f->int64_list ? integers(list, a, f->int64_list, err) : tn_no_memory(err, 0));
        } else if (tn_view_is(m->key, "bytesList") || tn_view_is(m->key, "bytes_list")) {
            TN_SET(f, Feature, kind, bytes_list) = TN_NEW(a, tn_BytesList);
            TN_TRY(f->bytes_list ? strings(list, a, f->bytes_list, err) : tn_no_memory(err, 0));
        } else {
            return tn_fail(err, TN_INVALID_ARGUMENT, "no such field: '%.*s'",
                           (int)TN_MIN(m->key.n, (size_t)60), m->key.p);
        }
    }
    return TN_OK;
}

static tn_code fill_example(const tn_json *json, tn_arena *a, tn_Example *e, tn_error *err)
{
    const tn_json *features, *map;
    TN_TRY(member(json, "features", "features", &features, err));
    if (!features) return TN_OK;
    if (!(e->features = TN_NEW(a, tn_Features))) return tn_no_memory(err, sizeof *e->features);
    TN_TRY(member(features, "feature", "feature", &map, err));
    if (map && map->kind != TN_JSON_OBJECT)
        return tn_fail(err, TN_INVALID_ARGUMENT, "'feature' is not an object");
    for (const tn_json *m = map ? map->child : NULL; m; m = m->next) {
        tn_FeatureEntry *entry = TN_PUSH(a, &e->features->feature);
        if (!entry || !(entry->value = TN_NEW(a, tn_Feature))) return tn_no_memory(err, sizeof *entry);
        entry->key = m->key;
        TN_TRY(one_feature(m, a, entry->value, err));
    }
    return TN_OK;
}

static tn_code one_example(tn_view text, tn_arena *a, tn_tensor *out, int64_t at, tn_error *err)
{
    tn_json *json;
    tn_Example e = {0};
    tn_buf bytes = {0};
    tn_error why = {0};
    tn_code code = tn_json_parse(text, a, &json, &why);
    if (code == TN_OK) code = fill_example(json, a, &e, &why);
    if (code == TN_RESOURCE_EXHAUSTED) return tn_fail(err, code, "%s", why.message);
    if (code != TN_OK) return tn_fail(err, TN_INVALID_ARGUMENT, "Error while parsing JSON: %s", why.message);
    code = TN_ENCODE(Example, &e, &bytes, err);
    if (code == TN_OK) code = tn_string_set(out, at, bytes.n ? bytes.data : "", bytes.n, err);
    tn_buf_free(&bytes);
    return code;
}

static tn_code json_examples(tn_run *r, tn_arena *a, tn_error *err)
{
    for (int64_t i = 0, n = tn_tensor_count(r->in[0]); i < n; i++)
        TN_TRY(one_example(tn_parse_string(r->in[0], i), a, r->out[0], i, err));
    return TN_OK;
}
TN_RUN_IN_ARENA(json_run, json_examples)

static tn_code json_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[0].shape = c->in[0]->shape;
    return TN_OK;
}

const tn_op tn_op_DecodeJSONExample = {
    .name = "DecodeJSONExample",
    .sig = "json_examples:string -> binary_examples:string;",
    .infer = json_infer,
    .run = json_run,
    .flags = TN_NO_GRADIENT,
};
