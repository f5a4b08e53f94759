/* SPDX-License-Identifier: Apache-2.0
 *
 * savedmodel.c - reads a SavedModel: saved_model.pb, the MetaGraph with the tags asked for, its variables
 * and its initialization. Writing one is savedmodel_write.c's.
 */
#include "metagraph.h"

#define FILE_LIMIT ((size_t)INT32_MAX)

/* ---- which MetaGraph ---- */

static bool has_tag(const tn_MetaGraphDef *m, const char *tag)
{
    for (uint32_t i = 0; m->meta_info_def && i < m->meta_info_def->tags.n; i++)
        if (tn_view_is(m->meta_info_def->tags.items[i], tag)) return true;
    return false;
}

static bool has_tags(const tn_MetaGraphDef *m, const char *const *tags, int n)
{
    uint32_t there = m->meta_info_def ? m->meta_info_def->tags.n : 0;
    for (int i = 0; i < n; i++)
        if (!has_tag(m, tags[i])) return false;
    return there == (uint32_t)n;
}

static void list_tags(const tn_SavedModel *s, tn_buf *out)
{
    for (uint32_t i = 0; i < s->meta_graphs.n; i++) {
        const tn_MetaInfoDef *info = s->meta_graphs.items[i].meta_info_def;
        tn_buf_str(out, i ? "; " : "");
        for (uint32_t k = 0; info && k < info->tags.n; k++)
            tn_buf_printf(out, "%s%.*s", k ? "," : "", (int)TN_MIN(info->tags.items[k].n, 100), info->tags.items[k].p);
    }
}

static tn_code no_such_tags(const tn_SavedModel *s, const char *const *tags, int n, tn_error *err)
{
    tn_buf wanted = {0}, there = {0};
    for (int i = 0; i < n; i++) tn_buf_printf(&wanted, "%s%s", i ? "," : "", tags[i]);
    list_tags(s, &there);
    tn_fail(err, TN_NOT_FOUND, "no MetaGraph has the tags '%s'; there is: '%s'", wanted.n ? wanted.data : "serve",
            there.n ? there.data : "");
    tn_buf_free(&wanted);
    tn_buf_free(&there);
    return TN_NOT_FOUND;
}

static tn_code choose(const tn_SavedModel *s, const char *const *tags, int n, tn_MetaGraphDef **out, tn_error *err)
{
    tn_MetaGraphDef *found = NULL;
    for (uint32_t i = 0; !found && i < s->meta_graphs.n; i++) {
        tn_MetaGraphDef *m = &s->meta_graphs.items[i];
        if (n ? has_tags(m, tags, n) : s->meta_graphs.n == 1 || has_tag(m, "serve")) found = m;
    }
    if (!found) return no_such_tags(s, tags, n, err);
    *out = found;
    return TN_OK;
}

/* ---- the file ---- */

static tn_code read_file(const char *folder, tn_arena *a, tn_buf *bytes, tn_SavedModel **out, tn_error *err)
{
    char *binary = tn_path_join(a, folder, "saved_model.pb"), *textual = tn_path_join(a, folder, "saved_model.pbtxt");
    if (!binary || !textual) return tn_no_memory(err, strlen(folder));
    bool as_text = !tn_file_exists(binary) && tn_file_exists(textual);
    const char *path = as_text ? textual : binary;
    TN_TRY(tn_file_read(path, FILE_LIMIT, bytes, err));
    tn_view view = {bytes->data, bytes->n};
    tn_code code = as_text ? TN_PARSE(SavedModel, view, a, out, err) : TN_DECODE(SavedModel, view, a, out, err);
    if (code != TN_OK) tn_wrap(err, "%s", path);
    return code;
}

tn_code tn_savedmodel_load(const char *folder, const char *const *tags, int n_tags, tn_metagraph **out, tn_error *err)
{
    tn_SavedModel *s = NULL;
    tn_MetaGraphDef *def = NULL;
    tn_buf bytes = {0};
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, 0);
    tn_code code = read_file(folder, a, &bytes, &s, err);
    if (code == TN_OK && (code = choose(s, tags, n_tags, &def, err)) != TN_OK) tn_wrap(err, "%s", folder);
    if (code == TN_OK) {
        code = tn_metagraph_of(def, a, &bytes, out, err);
        if (code != TN_OK) tn_wrap(err, "%s", folder);
        return code;
    }
    tn_arena_free(a);
    tn_buf_free(&bytes);
    return code;
}
