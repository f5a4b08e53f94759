/* SPDX-License-Identifier: Apache-2.0
 *
 * rest_examples.c - the JSON body of classify and regress -> tf.Examples.
 *
 * All of the syntax is looked at first. An example's feature is a value or a list of values: whole numbers
 * and booleans are int64, other numbers float, strings and {"b64": ...} bytes; all of one feature are of one
 * kind.
 */
#include "rest.h"

#include "rest_scan.h"
#include "rest_text.h"

#include <float.h>
#include <math.h>

typedef struct maker {
    tn_scanner s;
    tn_arena *arena;
    tn_error *err;
} maker;

typedef struct body { /* where values begin; NULL: not there */
    const char *all, *signature, *context, *examples;
} body;

/* "JSON Value: <value> <what>" */
static tn_code wrong_value(const char *value, const char *what, tn_error *err)
{
    tn_buf echo = {0};
    tn_rest_echo(value, &echo);
    tn_code code = tn_fail(err, TN_INVALID_ARGUMENT, "JSON Value: %s %s", echo.data ? echo.data : "", what);
    tn_buf_free(&echo);
    return code;
}

static tn_code wrong_element(const char *feature, const char *type, tn_error *err)
{
    return tn_fail(err, TN_INVALID_ARGUMENT, "Feature: %s has element with unexpected JSON type: %s", feature,
                   type);
}

/* ==== features ==== */

static tn_code set_kind(tn_Feature *f, const char *name, int32_t kind, tn_arena *a, tn_error *err)
{
    const char *had = f->kind_case == TN_Feature_bytes_list   ? "bytes"
                      : f->kind_case == TN_Feature_float_list ? "float"
                                                              : "int64";
    void *list = NULL;
    if (f->kind_case == kind) return TN_OK;
    if (f->kind_case)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Unexpected element type in feature: %s expecting type: %s",
                       name, had);
    if (kind == TN_Feature_bytes_list)
        list = TN_SET(f, Feature, kind, bytes_list) = TN_NEW(a, tn_BytesList);
    else if (kind == TN_Feature_float_list)
        list = TN_SET(f, Feature, kind, float_list) = TN_NEW(a, tn_FloatList);
    else
        list = TN_SET(f, Feature, kind, int64_list) = TN_NEW(a, tn_Int64List);
    return list ? TN_OK : tn_no_memory(err, sizeof(tn_BytesList));
}

static tn_code add_int(maker *m, tn_Feature *f, const char *name, int64_t v)
{
    TN_TRY(set_kind(f, name, TN_Feature_int64_list, m->arena, m->err));
    int64_t *to = TN_PUSH(m->arena, &f->int64_list->value);
    if (!to) return tn_no_memory(m->err, sizeof *to);
    *to = v;
    return TN_OK;
}

static tn_code add_float(maker *m, tn_Feature *f, const char *name, const tn_scanned *n)
{
    TN_TRY(set_kind(f, name, TN_Feature_float_list, m->arena, m->err));
    double exact = tn_scanned_double(n);
    if (isfinite(exact) && fabs(exact) > (double)FLT_MAX) {
        char text[TN_REST_DECIMAL];
        int length = tn_rest_double(text, exact);
        return tn_fail(m->err, TN_INVALID_ARGUMENT,
                       "Cannot convert JSON value: %.*s to float without loss of precision.", length, text);
    }
    float *to = TN_PUSH(m->arena, &f->float_list->value);
    if (!to) return tn_no_memory(m->err, sizeof *to);
    *to = (float)exact;
    return TN_OK;
}

static tn_code add_number(maker *m, tn_Feature *f, const char *name)
{
    tn_scanned n;
    int64_t v;
    uint64_t large;
    tn_scan_number(&m->s, &n);
    if (tn_scanned_int64(&n, &v)) return add_int(m, f, name, v);
    if (!tn_scanned_uint64(&n, &large)) return add_float(m, f, name, &n);
    TN_TRY(set_kind(f, name, TN_Feature_int64_list, m->arena, m->err));
    return tn_fail(m->err, TN_INVALID_ARGUMENT, "Feature: %s has uint64 element. Only int64 is supported.",
                   name);
}

static tn_code add_bytes(maker *m, tn_Feature *f, const char *name, tn_view bytes)
{
    tn_view *to = TN_PUSH(m->arena, &f->bytes_list->value);
    if (!to || !bytes.p) return tn_no_memory(m->err, sizeof *to);
    *to = bytes;
    (void)name;
    return TN_OK;
}

static tn_code add_base64(maker *m, tn_Feature *f, const char *name)
{
    tn_view raw;
    bool plain;
    tn_buf out = {0};
    if (!tn_scan_base64(m->s.at, &raw, &plain, &m->s.at)) return wrong_element(name, "Object", m->err);
    TN_TRY(set_kind(f, name, TN_Feature_bytes_list, m->arena, m->err));
    tn_view text = tn_scan_text(raw, plain, m->arena);
    if (!tn_base64_decode(text, &out)) {
        tn_buf_free(&out);
        return tn_fail(m->err, TN_INVALID_ARGUMENT, "Unable to base64 decode");
    }
    tn_view bytes = {tn_arena_strndup(m->arena, out.data ? out.data : "", out.n), out.n};
    tn_buf_free(&out);
    return add_bytes(m, f, name, bytes);
}

static tn_code add_value(maker *m, tn_Feature *f, const char *name)
{
    tn_view raw;
    bool plain;
    switch (*m->s.at) {
    case 'n': return wrong_element(name, "Null", m->err);
    case '[': return wrong_element(name, "Array", m->err);
    case '{': return add_base64(m, f, name);
    case '"':
        TN_TRY(set_kind(f, name, TN_Feature_bytes_list, m->arena, m->err));
        tn_scan_string(&m->s, &raw, &plain);
        return add_bytes(m, f, name, tn_scan_text(raw, plain, m->arena));
    case 't': tn_scan_word(&m->s, "true"); return add_int(m, f, name, 1);
    case 'f': tn_scan_word(&m->s, "false"); return add_int(m, f, name, 0);
    default: return add_number(m, f, name);
    }
}

static tn_code fill_feature(maker *m, tn_Feature *f, const char *name)
{
    bool more = true;
    if (*m->s.at != '[') return add_value(m, f, name);
    m->s.at++;
    tn_scan_space(&m->s);
    if (*m->s.at == ']') {
        m->s.at++;
        return TN_OK;
    }
    while (more) {
        TN_TRY(add_value(m, f, name));
        tn_scan_next(&m->s, ']', &more);
    }
    return TN_OK;
}

/* ==== examples ==== */

static int by_key(const void *a, const void *b)
{
    const tn_FeatureEntry *x = a, *y = b;
    size_t n = TN_MIN(x->key.n, y->key.n);
    int order = n ? memcmp(x->key.p, y->key.p, n) : 0;
    if (order) return order;
    if (x->key.n != y->key.n) return x->key.n < y->key.n ? -1 : 1;
    return x->value < y->value ? -1 : x->value > y->value; /* made one after the other: the last one wins */
}

/* Ascending by name; of equal names the last. */
static void settle_features(tn_FeatureEntry_list *list)
{
    uint32_t n = 0;
    if (list->n > 1) qsort(list->items, list->n, sizeof *list->items, by_key);
    for (uint32_t i = 0; i < list->n; i++)
        if (i + 1 == list->n || !tn_view_eq(list->items[i].key, list->items[i + 1].key))
            list->items[n++] = list->items[i];
    list->n = n;
}

static tn_code add_feature(maker *m, tn_Features *features, tn_Feature *value)
{
    tn_view raw;
    bool plain;
    tn_scan_key(&m->s, &raw, &plain);
    tn_view name = tn_scan_text(raw, plain, m->arena);
    const char *text = name.p ? tn_arena_strndup(m->arena, name.p, name.n) : NULL;
    tn_FeatureEntry *entry = TN_PUSH(m->arena, &features->feature);
    if (!text || !entry) return tn_no_memory(m->err, sizeof *entry);
    entry->key = name;
    entry->value = value;
    return fill_feature(m, value, text);
}

static const char *type_name(char first)
{
    static const char firsts[] = "ntf[\"";
    static const char *const names[] = {"Null", "True", "False", "Array", "String"};
    const char *at = first ? strchr(firsts, first) : NULL;
    return at ? names[at - firsts] : "Number";
}

static tn_code make_example(maker *m, tn_Example *out)
{
    bool more = true;
    if (*m->s.at != '{')
        return tn_fail(m->err, TN_INVALID_ARGUMENT, "Example must be JSON object but got JSON %s",
                       type_name(*m->s.at));
    out->features = TN_NEW(m->arena, tn_Features);
    if (!out->features) return tn_no_memory(m->err, sizeof *out->features);
    m->s.at++;
    tn_scan_space(&m->s);
    if (*m->s.at == '}') {
        m->s.at++;
        more = false;
    }
    while (more) {
        tn_Feature *value = TN_NEW(m->arena, tn_Feature);
        if (!value) return tn_no_memory(m->err, sizeof *value);
        TN_TRY(add_feature(m, out->features, value));
        tn_scan_next(&m->s, '}', &more);
    }
    settle_features(&out->features->feature);
    return TN_OK;
}

static tn_code make_examples(maker *m, const body *b, tn_Example_list *list)
{
    bool more = true;
    m->s.at = b->examples;
    if (*m->s.at != '[') return wrong_value(b->all, "Expecting 'examples' value to be an list/array", m->err);
    m->s.at++;
    tn_scan_space(&m->s);
    if (*m->s.at == ']') return wrong_value(b->all, "'examples' value is an empty array", m->err);
    while (more) {
        tn_Example *example = TN_PUSH(m->arena, list);
        if (!example) return tn_no_memory(m->err, sizeof *example);
        TN_TRY(make_example(m, example));
        tn_scan_next(&m->s, ']', &more);
    }
    return TN_OK;
}

/* ==== the body ==== */

static const char **member_named(body *b, tn_view name)
{
    if (tn_view_is(name, "signature_name")) return &b->signature;
    if (tn_view_is(name, "context")) return &b->context;
    return tn_view_is(name, "examples") ? &b->examples : NULL;
}

/* Where the members are that mean something; of equal names the first. */
static void find_members(maker *m, body *b)
{
    tn_view raw;
    bool plain, more = true;
    m->s.at = b->all + 1;
    tn_scan_space(&m->s);
    if (*m->s.at == '}') return;
    while (more) {
        tn_scan_key(&m->s, &raw, &plain);
        const char **known = member_named(b, tn_scan_text(raw, plain, m->arena));
        if (known && !*known) *known = m->s.at;
        tn_scan_value(&m->s);
        tn_scan_next(&m->s, '}', &more);
    }
}

static tn_code read_signature(maker *m, const body *b, tn_view *out)
{
    tn_view raw;
    bool plain;
    *out = TN_VIEW("");
    if (!b->signature) return TN_OK;
    if (*b->signature != '"')
        return wrong_value(b->all, "not formatted correctly. 'signature_name' key must be a string value.",
                           m->err);
    m->s.at = b->signature;
    tn_scan_string(&m->s, &raw, &plain);
    *out = tn_scan_text(raw, plain, m->arena);
    return out->p ? TN_OK : tn_no_memory(m->err, raw.n);
}

static tn_code read_input(maker *m, const body *b, tn_Input *out)
{
    tn_ExampleListWithContext *with = TN_NEW(m->arena, tn_ExampleListWithContext);
    tn_ExampleList *plain = TN_NEW(m->arena, tn_ExampleList);
    if (!with || !plain) return tn_no_memory(m->err, sizeof *with);
    if (b->context) {
        m->s.at = b->context;
        with->context = TN_NEW(m->arena, tn_Example);
        if (!with->context) return tn_no_memory(m->err, sizeof *with->context);
        TN_TRY(make_example(m, with->context));
    }
    if (!b->examples)
        return wrong_value(b->all, "When method is classify, key 'examples' is expected and was not found",
                           m->err);
    TN_TRY(make_examples(m, b, b->context ? &with->examples : &plain->examples));
    if (b->context)
        TN_SET(out, Input, kind, example_list_with_context) = with;
    else
        TN_SET(out, Input, kind, example_list) = plain;
    return TN_OK;
}

tn_code tn_rest_read_examples(tn_view json, tn_arena *a, tn_view *signature, tn_Input *out, tn_error *err)
{
    body b = {0};
    if (json.n == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "JSON Parse error: The document is empty");
    maker m = {{.begin = json.p, .at = tn_scan_start(json), .end = json.p + json.n}, a, err};
    TN_TRY(tn_scan_document(&m.s, &b.all, err));
    if (*b.all != '{') return wrong_value(b.all, "Is not object", err);
    find_members(&m, &b);
    TN_TRY(read_signature(&m, &b, signature));
    *out = (tn_Input){0};
    return read_input(&m, &b, out);
}
