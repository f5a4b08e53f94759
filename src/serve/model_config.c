/* SPDX-License-Identifier: Apache-2.0
 *
 * model_config.c - which models are to be served: TensorFlow Serving's ModelServerConfig, as text or as a message, read
 * and checked as it does, in its words.
 *
 * What is in the folders is source.c's; labels are checked by the manager, who knows what is loaded.
 *
 * Invariants: what comes out belongs to its own arena and points to nothing of what it was made from; a set that was
 * refused leaves nothing behind.
 */
#include "serve.h"

#include <ctype.h>

#define TEXT_LIMIT ((size_t)16 << 20)

/* ==== checks ==== */

static tn_code check_name(const tn_model_configs *c, int i, tn_map *seen, tn_error *err)
{
    const char *name = c->v[i].name;
    if (!name || !*name) return tn_fail(err, TN_INVALID_ARGUMENT, "config %d of the list has no model name", i + 1);
    if (tn_map_has(seen, name))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Illegal to list model %s multiple times in config list", name);
    return tn_map_put(seen, name, NULL) ? TN_OK : tn_no_memory(err, strlen(name));
}

/* Length of "s3" in "s3://bucket/path"; 0: a plain path. */
static size_t scheme_of(const char *path)
{
    const char *end = strstr(path, "://");
    if (!end || end == path) return 0;
    for (const char *p = path; p < end; p++)
        if (!isalnum((unsigned char)*p) && !strchr("+-.", *p)) return 0;
    return (size_t)(end - path);
}

static tn_code check_path(const tn_model_config *m, tn_error *err)
{
    const char *path = m->base_path ? m->base_path : "";
    if (m->meta_graph) return TN_OK;
    size_t scheme = scheme_of(path);
    if (scheme)
        return tn_fail(err, TN_INVALID_ARGUMENT, "model %s has base_path %s: %.*s:// is not supported, models are read "
                       "from folders; mount it or copy the model to a local folder", m->name, path, (int)scheme, path);
    if (path[0] == '/') return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Expected model %s to have an absolute path or URI; got base_path()=%s",
                   m->name, path);
}

static tn_code check_policy(const tn_model_config *m, tn_error *err)
{
    if (m->policy == TN_POLICY_LATEST && m->latest < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "model %s: latest { num_versions: %lld }", m->name,
                       (long long)m->latest);
    return TN_OK;
}

static tn_code check_all(const tn_model_configs *c, tn_map *seen, tn_error *err)
{
    for (int i = 0; i < c->n; i++) TN_TRY(check_name(c, i, seen, err));
    for (int i = 0; i < c->n; i++) TN_TRY(check_path(&c->v[i], err));
    for (int i = 0; i < c->n; i++) TN_TRY(check_policy(&c->v[i], err));
    return TN_OK;
}

tn_code tn_model_configs_check(const tn_model_configs *c, tn_error *err)
{
    tn_map *seen = tn_map_new();
    tn_code code = seen ? check_all(c, seen, err) : tn_no_memory(err, 0);
    tn_map_free(seen);
    return code;
}

/* ==== from messages ==== */

static const char *text_of(tn_arena *a, tn_view v)
{
    return tn_arena_strndup(a, v.n ? v.p : "", v.n);
}

static tn_code platform_of(const tn_ModelConfig *m, tn_arena *a, const char **out, tn_error *err)
{
    bool typed = m->model_type != TN_ModelType_MODEL_TYPE_UNSPECIFIED;
    if (typed && m->model_platform.n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Illegal setting both ModelServerConfig::model_type (deprecated) and "
                       "ModelServerConfig::model_platform.");
    if (typed && m->model_type != TN_ModelType_TENSORFLOW)
        return tn_fail(err, TN_INVALID_ARGUMENT, "ModelServerConfig::model_type choice %d not supported.",
                       (int)m->model_type);
    if (!typed && !m->model_platform.n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Illegal setting neither ModelServerConfig::model_type (deprecated) "
                       "nor ModelServerConfig::model_platform.");
    *out = typed ? tn_arena_strdup(a, "tensorflow") : text_of(a, m->model_platform);
    return *out ? TN_OK : tn_no_memory(err, 0);
}

static tn_code policy_of(const tn_ServableVersionPolicy *p, tn_arena *a, tn_model_config *out, tn_error *err)
{
    out->policy = TN_POLICY_LATEST;
    out->latest = 1;
    if (!p) return TN_OK;
    if (p->policy_choice_case == TN_ServableVersionPolicy_latest && p->latest) {
        out->latest = TN_MAX((int64_t)p->latest->num_versions, 1);
    } else if (p->policy_choice_case == TN_ServableVersionPolicy_all) {
        out->policy = TN_POLICY_ALL;
    } else if (p->policy_choice_case == TN_ServableVersionPolicy_specific && p->specific) {
        int64_t *v = TN_ARRAY(a, p->specific->versions.n + 1, int64_t);
        if (!v) return tn_no_memory(err, 0);
        if (p->specific->versions.n) memcpy(v, p->specific->versions.items, p->specific->versions.n * sizeof *v);
        out->policy = TN_POLICY_SPECIFIC;
        out->specific = v;
        out->n_specific = (int)p->specific->versions.n;
    }
    return TN_OK;
}

static tn_code labels_of(const tn_Int64Entry_list *l, tn_arena *a, tn_model_config *out, tn_error *err)
{
    tn_label *v = TN_ARRAY(a, l->n + 1, tn_label);
    if (!v) return tn_no_memory(err, 0);
    for (uint32_t i = 0; i < l->n; i++) {
        v[i] = (tn_label){text_of(a, l->items[i].key), l->items[i].value};
        if (!v[i].label) return tn_no_memory(err, 0);
    }
    out->labels = v;
    out->n_labels = (int)l->n;
    return TN_OK;
}

/* A copy that shares no bytes: through the wire's form, kept in the arena. */
static tn_code copy_logging(const tn_LoggingConfig *from, tn_arena *a, const tn_LoggingConfig **out, tn_error *err)
{
    tn_buf b = {0};
    tn_LoggingConfig *copy = NULL;
    if (!from) return TN_OK;
    tn_code code = TN_ENCODE(LoggingConfig, from, &b, err);
    char *bytes = code == TN_OK ? tn_arena_strndup(a, b.n ? b.data : "", b.n) : NULL;
    if (code == TN_OK && !bytes) code = tn_no_memory(err, b.n);
    if (code == TN_OK) code = TN_DECODE(LoggingConfig, ((tn_view){bytes, b.n}), a, &copy, err);
    tn_buf_free(&b);
    if (code == TN_OK) *out = copy;
    return code;
}

const char *tn_model_base_path(tn_arena *a, tn_view path)
{
    if (tn_view_starts(path, "file:///")) path = (tn_view){path.p + 7, path.n - 7};
    return text_of(a, path);
}

static tn_code config_of(const tn_ModelConfig *m, tn_arena *a, tn_model_config *out, tn_error *err)
{
    out->name = text_of(a, m->name);
    out->base_path = tn_model_base_path(a, m->base_path);
    if (!out->name || !out->base_path) return tn_no_memory(err, 0);
    TN_TRY(platform_of(m, a, &out->platform, err));
    TN_TRY(policy_of(m->model_version_policy, a, out, err));
    TN_TRY(labels_of(&m->version_labels, a, out, err));
    return copy_logging(m->logging_config, a, &out->logging, err);
}

static tn_code configs_of(const tn_ModelConfigList *list, tn_model_configs *c, tn_error *err)
{
    uint32_t n = list ? list->config.n : 0;
    tn_model_config *v = TN_ARRAY(c->arena, n + 1, tn_model_config);
    if (!v) return tn_no_memory(err, n * sizeof *v);
    for (uint32_t i = 0; i < n; i++) TN_TRY(config_of(&list->config.items[i], c->arena, &v[i], err));
    c->v = v;
    c->n = (int)n;
    return tn_model_configs_check(c, err);
}

tn_code tn_model_configs_from(const tn_ModelServerConfig *config, tn_model_configs *out, tn_error *err)
{
    if (config->config_case == TN_ModelServerConfig_custom_model_config)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Missing custom_model_config_loader in ServerCore Options");
    tn_model_configs c = {.arena = tn_arena_new(0)};
    if (!c.arena) return tn_no_memory(err, 0);
    tn_code code = configs_of(config->model_config_list, &c, err);
    if (code == TN_OK) *out = c;
    else tn_model_configs_free(&c);
    return code;
}

tn_code tn_text_parse(const tn_proto_message *m, tn_view text, const char *file, tn_arena *a, void **out, tn_error *err)
{
    tn_code code = tn_proto_parse(m, text, a, out, err);
    if (code != TN_OK) tn_wrap(err, "Error parsing text-format %s", m->name);
    if (code != TN_OK && file) tn_wrap(err, "Invalid protobuf file: '%s'", file);
    return code;
}

tn_code tn_model_configs_parse(tn_view text, const char *file, tn_model_configs *out, tn_error *err)
{
    void *config;
    if (text.n > TEXT_LIMIT)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a configuration of %zu bytes; the limit is %zu", text.n, TEXT_LIMIT);
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, 0);
    tn_code code = tn_text_parse(TN_PROTO(ModelServerConfig), text, file, a, &config, err);
    if (code == TN_OK && (code = tn_model_configs_from(config, out, err)) != TN_OK && file) tn_wrap(err, "%s", file);
    tn_arena_free(a);
    return code;
}

/* ==== copies ==== */

static tn_code copy_text(tn_arena *a, const char *s, const char **out, tn_error *err)
{
    *out = s ? tn_arena_strdup(a, s) : NULL;
    return *out || !s ? TN_OK : tn_no_memory(err, strlen(s));
}

static tn_code copy_labels(tn_arena *a, const tn_model_config *from, tn_model_config *out, tn_error *err)
{
    tn_label *v = TN_ARRAY(a, from->n_labels + 1, tn_label);
    if (!v) return tn_no_memory(err, 0);
    for (int i = 0; i < from->n_labels; i++) {
        v[i].version = from->labels[i].version;
        TN_TRY(copy_text(a, from->labels[i].label, &v[i].label, err));
    }
    out->labels = v;
    return TN_OK;
}

static tn_code copy_config(tn_arena *a, const tn_model_config *from, tn_model_config *out, tn_error *err)
{
    *out = *from;
    int64_t *specific = TN_ARRAY(a, from->n_specific + 1, int64_t);
    if (!specific) return tn_no_memory(err, 0);
    if (from->n_specific) memcpy(specific, from->specific, (size_t)from->n_specific * sizeof *specific);
    out->specific = specific;
    out->logging = NULL;
    TN_TRY(copy_text(a, from->name, &out->name, err));
    TN_TRY(copy_text(a, from->base_path, &out->base_path, err));
    TN_TRY(copy_text(a, from->platform ? from->platform : "tensorflow", &out->platform, err));
    TN_TRY(copy_text(a, from->meta_graph, &out->meta_graph, err));
    TN_TRY(copy_text(a, from->checkpoint, &out->checkpoint, err));
    TN_TRY(copy_text(a, from->signature_inputs, &out->signature_inputs, err));
    TN_TRY(copy_text(a, from->signature_outputs, &out->signature_outputs, err));
    TN_TRY(copy_labels(a, from, out, err));
    return copy_logging(from->logging, a, &out->logging, err);
}

static tn_code copy_all(const tn_model_configs *from, tn_model_configs *c, tn_error *err)
{
    tn_model_config *v = TN_ARRAY(c->arena, from->n + 1, tn_model_config);
    if (!v) return tn_no_memory(err, 0);
    for (int i = 0; i < from->n; i++) TN_TRY(copy_config(c->arena, &from->v[i], &v[i], err));
    c->v = v;
    c->n = from->n;
    return TN_OK;
}

tn_code tn_model_configs_copy(const tn_model_configs *from, tn_model_configs *out, tn_error *err)
{
    tn_model_configs c = {.arena = tn_arena_new(0)};
    if (!c.arena) return tn_no_memory(err, 0);
    tn_code code = copy_all(from, &c, err);
    if (code == TN_OK) *out = c;
    else tn_model_configs_free(&c);
    return code;
}

void tn_model_configs_free(tn_model_configs *c)
{
    if (!c) return;
    tn_arena_free(c->arena);
    *c = (tn_model_configs){0};
}
