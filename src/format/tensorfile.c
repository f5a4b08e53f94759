/* SPDX-License-Identifier: Apache-2.0
 *
 * tensorfile.c - a tensor in a file of its own: .npy for numbers, .json for strings. The npy format is
 * tensor/'s, JSON base's.
 */
#include "format.h"

#define FILE_LIMIT ((size_t)1 << 36)

/* ---- JSON to strings ---- */

/* The lengths of the first list on each level. */
static tn_code json_shape(const tn_json *j, tn_shape *out, tn_error *err)
{
    tn_shape s = {0};
    while (j && j->kind == TN_JSON_ARRAY) {
        if (s.rank == TN_MAX_RANK)
            return tn_fail(err, TN_INVALID_ARGUMENT, "lists nest deeper than %d", TN_MAX_RANK);
        s.dim[s.rank++] = (int64_t)j->count;
        j = j->child;
    }
    *out = s;
    return TN_OK;
}

static tn_code set_base64(tn_tensor *t, int64_t at, const tn_json *text, tn_error *err)
{
    tn_buf bytes = {0};
    tn_code code = TN_OK;
    if (!tn_base64_decode(text->text, &bytes))
        code = tn_fail(err, TN_INVALID_ARGUMENT, "element %lld: base64 is malformed", (long long)at);
    if (code == TN_OK) code = tn_string_set(t, at, bytes.data, bytes.n, err);
    tn_buf_free(&bytes);
    return code;
}

static tn_code set_string(tn_tensor *t, int64_t at, const tn_json *j, tn_error *err)
{
    if (j->kind == TN_JSON_STRING) return tn_string_set(t, at, j->text.p, j->text.n, err);
    const tn_json *b64 = tn_json_find(j, "b64");
    if (b64 && b64->kind == TN_JSON_STRING) return set_base64(t, at, b64, err);
    return tn_fail(err, TN_INVALID_ARGUMENT, "element %lld is no string", (long long)at);
}

static tn_code fill(tn_tensor *t, int level, int64_t *at, const tn_json *j, tn_error *err)
{
    if (level == t->shape.rank) return set_string(t, (*at)++, j, err);
    if (j->kind != TN_JSON_ARRAY || (int64_t)j->count != t->shape.dim[level])
        return tn_fail(err, TN_INVALID_ARGUMENT, "element %lld: lists of level %d are not all of length %lld",
                       (long long)*at, level, (long long)t->shape.dim[level]);
    for (const tn_json *c = j->child; c; c = c->next) TN_TRY(fill(t, level + 1, at, c, err));
    return TN_OK;
}

/* Before memory is taken: the elements that the lists really have. */
static tn_code check_count(const tn_json *j, int level, const tn_shape *s, int64_t *n, tn_error *err)
{
    if (level == s->rank) {
        ++*n;
        return TN_OK;
    }
    if (j->kind != TN_JSON_ARRAY)
        return tn_fail(err, TN_INVALID_ARGUMENT, "lists are ragged: a list is wanted on level %d", level);
    for (const tn_json *c = j->child; c; c = c->next) TN_TRY(check_count(c, level + 1, s, n, err));
    return TN_OK;
}

static tn_code from_json(const tn_json *json, tn_tensor **out, tn_error *err)
{
    tn_shape shape;
    tn_tensor *t;
    int64_t at = 0, there = 0, count;
    TN_TRY(json_shape(json, &shape, err));
    TN_TRY(tn_shape_count_checked(&shape, &count, err));
    TN_TRY(check_count(json, 0, &shape, &there, err));
    if (there != count)
        return tn_fail(err, TN_INVALID_ARGUMENT, "lists are ragged: %lld elements, not %lld",
                       (long long)there, (long long)count);
    TN_TRY(tn_tensor_new(TN_STRING, &shape, &t, err));
    tn_code code = fill(t, 0, &at, json, err);
    if (code != TN_OK) {
        tn_tensor_unref(t);
        return code;
    }
    *out = t;
    return TN_OK;
}

/* ---- strings to JSON ---- */

static void put_element(tn_json_writer *w, const tn_string *s)
{
    tn_view text = {s->n ? s->p : "", s->n};
    if (tn_utf8_valid(text)) {
        tn_json_string(w, text);
        return;
    }
    tn_buf b64 = {0};
    tn_base64_encode(text, &b64);
    tn_json_begin(w, '{');
    tn_json_key(w, "b64");
    tn_json_string(w, (tn_view){b64.data, b64.n});
    tn_json_end(w, '}');
    if (tn_buf_check(&b64, NULL) != TN_OK) w->out->failed = TN_RESOURCE_EXHAUSTED;
    tn_buf_free(&b64);
}

static void put_level(tn_json_writer *w, const tn_tensor *t, int level, int64_t *at)
{
    if (level == t->shape.rank) {
        put_element(w, &TN_STRINGS(t)[(*at)++]);
        return;
    }
    tn_json_begin(w, '[');
    for (int64_t i = 0; i < t->shape.dim[level]; i++) put_level(w, t, level + 1, at);
    tn_json_end(w, ']');
}

static tn_code to_json(const tn_tensor *t, tn_buf *out, tn_error *err)
{
    int64_t at = 0;
    if (t->dtype != TN_STRING)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a tensor of %s where strings are wanted",
                       tn_dtype_name(t->dtype));
    tn_json_writer w = {.out = out};
    put_level(&w, t, 0, &at);
    return tn_buf_check(out, err);
}

/* ---- files ---- */

static bool ends_in(const char *path, const char *end)
{
    size_t n = strlen(path), m = strlen(end);
    return n >= m && !strcmp(path + n - m, end);
}

static tn_code decode_json(tn_view text, tn_tensor **out, tn_error *err)
{
    tn_json *json;
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, 0);
    tn_code code = tn_json_parse(text, a, &json, err);
    if (code == TN_OK) code = from_json(json, out, err);
    tn_arena_free(a);
    return code;
}

tn_code tn_tensor_load(const char *path, tn_tensor **out, tn_error *err)
{
    tn_buf bytes = {0};
    tn_code code = tn_file_read(path, FILE_LIMIT, &bytes, err);
    if (code != TN_OK) return code;
    tn_view view = {bytes.data, bytes.n};
    code = ends_in(path, ".json") ? decode_json(view, out, err) : tn_npy_decode(view, out, err);
    tn_buf_free(&bytes);
    if (code != TN_OK) tn_wrap(err, "%s", path);
    return code;
}

tn_code tn_tensor_save(const char *path, const tn_tensor *t, tn_error *err)
{
    tn_buf bytes = {0};
    tn_code code = t->dtype == TN_STRING ? to_json(t, &bytes, err) : tn_npy_encode(t, &bytes, err);
    if (code == TN_OK)
        code = tn_file_write(path, bytes.data, bytes.n, err);
    else
        tn_wrap(err, "%s", path);
    tn_buf_free(&bytes);
    return code;
}
