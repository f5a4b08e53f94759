/* SPDX-License-Identifier: Apache-2.0
 *
 * example_json.c - tf.Examples from JSON, as they are typed: a list of objects, a feature a member.
 */
#include "format.h"

static tn_code wrong(const char *name, const char *what, tn_error *err)
{
    return tn_fail(err, TN_INVALID_ARGUMENT, "feature '%.200s': %s", name, what);
}

static tn_code add_bytes(tn_Example *e, tn_arena *a, const char *name, const tn_json *list, tn_error *err)
{
    tn_view *v = TN_ARRAY(a, list->count + 1, tn_view);
    size_t n = 0;
    if (!v) return tn_no_memory(err, list->count * sizeof *v);
    for (const tn_json *j = list->child; j; j = j->next) {
        const tn_json *b64 = tn_json_find(j, "b64");
        if (j->kind == TN_JSON_STRING) {
            v[n++] = j->text;
        } else if (b64 && b64->kind == TN_JSON_STRING) {
            tn_buf bytes = {0};
            bool ok = tn_base64_decode(b64->text, &bytes), full = bytes.failed != TN_OK;
            v[n] = (tn_view){ok ? tn_arena_strndup(a, bytes.n ? bytes.data : "", bytes.n) : NULL, bytes.n};
            tn_buf_free(&bytes);
            if (!ok && !full) return wrong(name, "base64 is malformed", err);
            if (!v[n++].p) return tn_no_memory(err, 0);
        } else {
            return wrong(name, "strings are mixed with other values", err);
        }
    }
    return tn_example_bytes(e, a, name, v, n, err);
}

static tn_code add_numbers(tn_Example *e, tn_arena *a, const char *name, const tn_json *list, tn_error *err)
{
    float *f = TN_ARRAY(a, list->count + 1, float);
    int64_t *v = TN_ARRAY(a, list->count + 1, int64_t);
    size_t n = 0;
    bool whole = true;
    if (!f || !v) return tn_no_memory(err, list->count * sizeof *v);
    for (const tn_json *j = list->child; j; j = j->next, n++) {
        if (j->kind != TN_JSON_NUMBER && j->kind != TN_JSON_BOOL)
            return wrong(name, "numbers are mixed with other values", err);
        whole = whole && (j->kind == TN_JSON_BOOL || j->is_int);
        v[n] = j->kind == TN_JSON_BOOL ? j->boolean : j->integer;
        f[n] = j->kind == TN_JSON_BOOL ? (float)j->boolean : (float)j->number;
    }
    return whole ? tn_example_int64s(e, a, name, v, n, err) : tn_example_floats(e, a, name, f, n, err);
}

static tn_code add_feature(tn_Example *e, tn_arena *a, const tn_json *member, tn_error *err)
{
    const char *name = tn_arena_strndup(a, member->key.p, member->key.n);
    tn_json one = {.kind = TN_JSON_ARRAY, .count = 1};
    tn_json alone = *member;
    if (!name) return tn_no_memory(err, member->key.n);
    if (member->kind == TN_JSON_NULL) return wrong(name, "a list, a number or a string is wanted", err);
    alone.next = NULL;
    one.child = &alone;
    const tn_json *list = member->kind == TN_JSON_ARRAY ? member : &one;
    if (!list->child) return tn_example_floats(e, a, name, NULL, 0, err);
    bool text = list->child->kind == TN_JSON_STRING || list->child->kind == TN_JSON_OBJECT;
    return text ? add_bytes(e, a, name, list, err) : add_numbers(e, a, name, list, err);
}

static tn_code encode(const tn_json *object, tn_arena *a, tn_tensor *t, int64_t at, tn_error *err)
{
    tn_Example *e = TN_NEW(a, tn_Example);
    tn_buf bytes = {0};
    if (!e || !(e->features = TN_NEW(a, tn_Features))) return tn_no_memory(err, sizeof *e);
    if (object->kind != TN_JSON_OBJECT)
        return tn_fail(err, TN_INVALID_ARGUMENT, "an object {\"feature\": [values], ...} is wanted");
    for (const tn_json *m = object->child; m; m = m->next) TN_TRY(add_feature(e, a, m, err));
    tn_code code = TN_ENCODE(Example, e, &bytes, err);
    if (code == TN_OK) code = tn_string_set(t, at, bytes.n ? bytes.data : "", bytes.n, err);
    tn_buf_free(&bytes);
    return code;
}

static tn_code encode_all(const char *text, tn_arena *a, tn_tensor **out, tn_error *err)
{
    tn_json *list;
    tn_tensor *t;
    int64_t at = 0;
    TN_TRY(tn_json_parse(tn_view_of(text), a, &list, err));
    if (list->kind != TN_JSON_ARRAY)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "a list of objects is wanted: [{\"feature\": [values], ...}, ...]");
    tn_shape shape = tn_shape_vector((int64_t)list->count);
    TN_TRY(tn_tensor_new(TN_STRING, &shape, &t, err));
    for (const tn_json *j = list->child; j; j = j->next, at++) {
        tn_code code = encode(j, a, t, at, err);
        if (code == TN_OK) continue;
        tn_wrap(err, "example %lld", (long long)at);
        tn_tensor_unref(t);
        return code;
    }
    *out = t;
    return TN_OK;
}

tn_code tn_examples_from_json(const char *text, tn_tensor **out, tn_error *err)
{
    tn_arena *a = tn_arena_new(0);
    tn_code code = a ? encode_all(text, a, out, err) : tn_no_memory(err, 0);
    tn_arena_free(a);
    return code;
}
