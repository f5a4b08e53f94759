/* SPDX-License-Identifier: Apache-2.0
 *
 * rest_path.c - what a method and a path of the REST API ask for:
 *
 *     GET  /v1/models[/MODEL][/versions/N | /labels/LABEL][/metadata]
 *     POST /v1/models/MODEL[/versions/N | /labels/LABEL]:(classify|regress|predict)
 *
 * in any case but for the last word; MODEL and LABEL are percent-decoded and have neither "/" nor ":" before
 * that.
 */
#include "rest.h"

/* Steps over a word in any case. */
static bool word(const char **p, const char *text)
{
    size_t n = strlen(text);
    if (strncasecmp(*p, text, n) != 0) return false;
    *p += n;
    return true;
}

/* "/" (or what `before` is) and at least one character that is neither "/" nor ":". */
static bool name(const char **p, const char *before, tn_view *out)
{
    const char *q = *p;
    if (!word(&q, before)) return false;
    size_t n = strcspn(q, "/:");
    if (n == 0) return false;
    *out = (tn_view){q, n};
    *p = q + n;
    return true;
}

static bool digits(const char **p, const char *before, tn_view *out)
{
    const char *q = *p;
    if (!word(&q, before)) return false;
    size_t n = strspn(q, "0123456789");
    if (n == 0) return false;
    *out = (tn_view){q, n};
    *p = q + n;
    return true;
}

typedef struct parts { /* as they stand in the path */
    tn_view model, version, label;
} parts;

static void version_or_label(const char **p, parts *out)
{
    if (!digits(p, "/versions/", &out->version)) name(p, "/labels/", &out->label);
}

static bool match_post(const char *p, parts *out, tn_rest_kind *kind)
{
    static const struct {
        const char *text;
        tn_rest_kind kind;
    } rows[] = {
        {":predict", TN_REST_PREDICT}, {":classify", TN_REST_CLASSIFY}, {":regress", TN_REST_REGRESS}};
    if (!word(&p, "/v1/models") || !name(&p, "/", &out->model)) return false;
    version_or_label(&p, out);
    for (size_t i = 0; i < TN_COUNT(rows); i++)
        if (strcmp(p, rows[i].text) == 0) {
            *kind = rows[i].kind;
            return true;
        }
    return false;
}

/* What follows the model's name, or its absence. */
static bool match_rest(const char *p, parts *out, tn_rest_kind *kind)
{
    version_or_label(&p, out);
    *kind = strcmp(p, "/metadata") == 0 ? TN_REST_METADATA : TN_REST_STATUS;
    word(&p, "/metadata");
    return *p == 0;
}

static bool match_get(const char *p, parts *out, tn_rest_kind *kind)
{
    if (!word(&p, "/v1/models")) return false;
    const char *behind = p;
    if (name(&behind, "/", &out->model) && match_rest(behind, out, kind)) return true;
    *out = (parts){0};
    return match_rest(p, out, kind);
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* "%41" is "A"; a "%" without two digits stands for itself. A NUL is no part of any name. */
static bool decode(tn_view in, tn_arena *a, tn_view *out)
{
    char *text = tn_arena_strndup(a, in.n ? in.p : "", in.n);
    size_t n = 0;
    if (!text) return false;
    for (size_t i = 0; i < in.n; i++, n++) {
        bool escaped = in.p[i] == '%' && in.n - i > 2 && hex(in.p[i + 1]) >= 0 && hex(in.p[i + 2]) >= 0;
        text[n] = escaped ? (char)(hex(in.p[i + 1]) << 4 | hex(in.p[i + 2])) : in.p[i];
        if (text[n] == 0) return false;
        if (escaped) i += 2;
    }
    text[n] = 0;
    *out = (tn_view){text, n};
    return true;
}

bool tn_rest_is_api(const char *path)
{
    return word(&path, "/v1/");
}

tn_code tn_rest_path_parse(const char *method, const char *path, tn_arena *a, tn_rest_path *out,
                           tn_error *err)
{
    parts p = {0};
    tn_rest_path r = {0};
    bool known = strcmp(method, "POST") == 0  ? match_post(path, &p, &r.kind)
                 : strcmp(method, "GET") == 0 ? match_get(path, &p, &r.kind)
                                              : false;
    if (!known) return tn_fail(err, TN_INVALID_ARGUMENT, "Malformed request: %.32s %.1900s", method, path);
    if (!decode(p.model, a, &r.model))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Failed to decode model name:%.*s",
                       (int)TN_MIN(p.model.n, 1100), p.model.p);
    r.has_version = p.version.n > 0;
    if (r.has_version && !tn_parse_int(p.version, &r.version))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Failed to convert version: %.*s to numeric.",
                       (int)TN_MIN(p.version.n, 1100), p.version.p);
    if (p.label.n && !decode(p.label, a, &r.label))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Failed to decode model version label:%.*s",
                       (int)TN_MIN(p.label.n, 1100), p.label.p);
    *out = r;
    return TN_OK;
}
