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
        tn_buf_str(out, i ? ", { " : "{ ");
        for (uint32_t k = 0; info && k < info->tags.n; k++)
            tn_buf_printf(out, "%.*s ", (int)TN_MIN(info->tags.items[k].n, 100), info->tags.items[k].p);
        tn_buf_char(out, '}');
    }
}

static tn_code no_such_tags(const tn_SavedModel *s, const char *const *tags, int n, tn_error *err)
{
    tn_buf wanted = {0}, there = {0};
    for (int i = 0; i < n; i++) tn_buf_printf(&wanted, "%s ", tags[i]);
    list_tags(s, &there);
    tn_fail(err, TN_NOT_FOUND, "Could not find meta graph def matching supplied tags: { %s}; there is: %s",
            wanted.n ? wanted.data : "serve ", there.n ? there.data : "none");
    tn_buf_free(&wanted);
    tn_buf_free(&there);
    return TN_NOT_FOUND;
}

static tn_code choose(const tn_SavedModel *s, const char *const *tags, int n, tn_MetaGraphDef **out,
                      tn_error *err)
{
    tn_MetaGraphDef *found = NULL;
    for (uint32_t i = 0; !found && i < s->meta_graphs.n; i++) {
        tn_MetaGraphDef *m = &s->meta_graphs.items[i];
        if (n ? has_tags(m, tags, n) : s->meta_graphs.n == 1 || has_tag(m, "serve")) found = m;
    }
    for (uint32_t i = 0; !found && !n && i < s->meta_graphs.n; i++) /* the one without any, as old modules have it */
        if (has_tags(&s->meta_graphs.items[i], NULL, 0)) found = &s->meta_graphs.items[i];
    if (!found) return no_such_tags(s, tags, n, err);
    *out = found;
    return TN_OK;
}

/* ---- the file ---- */

static tn_code read_file(const char *folder, tn_arena *a, tn_mapped *file, tn_SavedModel **out, tn_error *err)
{
    char *binary = tn_path_join(a, folder, "saved_model.pb"),
         *textual = tn_path_join(a, folder, "saved_model.pbtxt");
    if (!binary || !textual) return tn_no_memory(err, strlen(folder));
    bool as_text = !tn_file_exists(binary) && tn_file_exists(textual);
    const char *path = as_text ? textual : binary;
    TN_TRY(tn_file_map_limited(path, FILE_LIMIT, file, err));
    tn_view view = {(const char *)file->data, file->n};
    tn_code code =
        as_text ? TN_PARSE(SavedModel, view, a, out, err) : TN_DECODE(SavedModel, view, a, out, err);
    if (code != TN_OK) tn_wrap(err, "%s", path);
    return code;
}

static tn_code load(const char *folder, const char *const *tags, int n_tags, bool to_ask, tn_metagraph **out,
                    tn_error *err)
{
    tn_SavedModel *s = NULL;
    tn_MetaGraphDef *def = NULL;
    tn_mapped file = {0};
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, 0);
    tn_code code = read_file(folder, a, &file, &s, err);
    if (code == TN_OK && (code = choose(s, tags, n_tags, &def, err)) != TN_OK) tn_wrap(err, "%s", folder);
    if (code == TN_OK) {
        code = tn_metagraph_of(def, a, &file, to_ask, out, err);
        if (code != TN_OK) tn_wrap(err, "%s", folder);
        return code;
    }
    tn_arena_free(a);
    tn_file_unmap(&file);
    return code;
}

tn_code tn_savedmodel_load(const char *folder, const char *const *tags, int n_tags, tn_metagraph **out,
                           tn_error *err)
{
    return load(folder, tags, n_tags, false, out, err);
}

tn_code tn_savedmodel_load_to_ask(const char *folder, const char *const *tags, int n_tags, tn_metagraph **out,
                                  tn_error *err)
{
    return load(folder, tags, n_tags, true, out, err);
}

/* ---- into a session ---- */

static tn_code asset_path(const char *folder, const tn_asset *asset, tn_arena *a, tn_tensor **out,
                          tn_error *err)
{
    char *assets = tn_path_join(a, folder, "assets");
    char *path = assets ? tn_path_join(a, assets, asset->filename) : NULL;
    if (!path) return tn_no_memory(err, strlen(folder));
    if (strstr(asset->filename, ".."))
        return tn_fail(err, TN_INVALID_ARGUMENT, "asset '%.200s' is outside the model", asset->filename);
    tn_shape scalar = {0};
    tn_tensor *t;
    TN_TRY(tn_tensor_new(TN_STRING, &scalar, &t, err));
    tn_code code = tn_string_set(t, 0, path, strlen(path), err);
    if (code != TN_OK) {
        tn_tensor_unref(t);
        return code;
    }
    *out = t;
    return TN_OK;
}

static tn_code run_init(const char *folder, const tn_metagraph *m, tn_session *s, tn_arena *a, tn_error *err)
{
    tn_feed *feeds = TN_ARRAY(a, m->n_assets + 1, tn_feed);
    int n = 0;
    tn_code code = feeds ? TN_OK : tn_no_memory(err, 0);
    while (code == TN_OK && n < m->n_assets) {
        tn_tensor *t = NULL;
        code = asset_path(folder, &m->assets[n], a, &t, err);
        if (code != TN_OK) break;
        feeds[n] = (tn_feed){m->assets[n].tensor, t};
        n++;
    }
    if (code == TN_OK) code = tn_session_run(s, feeds, n, NULL, 0, NULL, &m->init_op, 1, err);
    for (int i = 0; i < n; i++) tn_tensor_unref((tn_tensor *)feeds[i].value);
    return code;
}

/* An initialization that is there but does nothing needs no run. */
static bool does_something(const tn_metagraph *m)
{
    const tn_operation *op = m->init_op ? tn_graph_operation(m->graph, m->init_op) : NULL;
    return op && (op->n_control || op->n_in);
}

/* An initialization whose operators are not all there cannot run: what needs it will say so, the rest of the model
 * runs, and tn_metagraph_missing tells of it. */
static tn_code initialize(const char *folder, const tn_metagraph *m, tn_session *s, tn_arena *a, tn_error *err)
{
    tn_missing *missing;
    int n;
    TN_TRY(tn_signature_missing(m, NULL, &missing, &n, err));
    tn_missing_free(missing);
    return n ? TN_OK : run_init(folder, m, s, a, err);
}

static tn_code restore_into(const char *folder, const tn_metagraph *m, tn_session *s, bool known, tn_arena *a,
                            tn_error *err)
{
    char *variables = tn_path_join(a, folder, "variables");
    char *prefix = variables ? tn_path_join(a, variables, "variables") : NULL;
    if (!prefix) return tn_no_memory(err, strlen(folder));
    if (m->init_op && !tn_graph_operation(m->graph, m->init_op))
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s: the initialization '%s' is not in the graph", folder,
                       m->init_op);
    /* A model without variables has no such file; one that has lost it is found out by its restoring part. */
    bool all = !known || does_something(m); /* who knows what the initialization looks at */
    if (tn_checkpoint_exists(prefix) || (m->restore_op && tn_file_exists(variables)))
        TN_TRY(all ? tn_checkpoint_restore(prefix, m->graph, m->restore_op, s, NULL, err)
                   : tn_checkpoint_restore_known(prefix, m->graph, m->restore_op, s, err));
    return does_something(m) ? initialize(folder, m, s, a, err) : TN_OK;
}

static tn_code restore_model(const char *folder, const tn_metagraph *m, tn_session *s, bool known, tn_error *err)
{
    tn_arena *a = tn_arena_new(0);
    tn_code code = a ? restore_into(folder, m, s, known, a, err) : tn_no_memory(err, 0);
    tn_arena_free(a);
    return code;
}

tn_code tn_savedmodel_restore(const char *folder, const tn_metagraph *m, tn_session *s, tn_error *err)
{
    return restore_model(folder, m, s, false, err);
}

tn_code tn_savedmodel_restore_known(const char *folder, const tn_metagraph *m, tn_session *s, tn_error *err)
{
    return restore_model(folder, m, s, true, err);
}

tn_code tn_savedmodel_latest(const char *base, int64_t *version, tn_error *err)
{
    char **names;
    size_t n;
    int64_t best = -1;
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, 0);
    tn_code code = tn_list_folder(base, a, &names, &n, err);
    for (size_t i = 0; code == TN_OK && i < n; i++) {
        size_t digits = strspn(names[i], "0123456789");
        if (!digits || digits > 18 || names[i][digits]) continue;
        best = TN_MAX(best, (int64_t)strtoll(names[i], NULL, 10));
    }
    tn_arena_free(a);
    if (code == TN_OK && best < 0)
        code = tn_fail(err, TN_NOT_FOUND, "%s has no numbered version of a model", base);
    if (code == TN_OK) *version = best;
    return code;
}

/* ---- whether it is whole ---- */

static tn_code check_variables(const char *prefix, const char *folder, const atomic_int *cancel, tn_arena *a,
                               tn_error *err)
{
    char **names;
    size_t n;
    if (tn_checkpoint_exists(prefix)) return tn_bundle_check(prefix, cancel, err);
    if (!tn_is_folder(folder)) return TN_OK;
    TN_TRY(tn_list_folder(folder, a, &names, &n, err));
    for (size_t i = 0; i < n; i++)
        if (strncmp(names[i], "variables.data-", 15) == 0)
            return tn_fail(err, TN_NOT_FOUND, "%s has %s, but no variables.index", folder, names[i]);
    return TN_OK;
}

static tn_code check_whole(const char *folder, const atomic_int *cancel, tn_arena *a, tn_error *err)
{
    char *binary = tn_path_join(a, folder, "saved_model.pb"), *textual = tn_path_join(a, folder, "saved_model.pbtxt");
    char *variables = tn_path_join(a, folder, "variables");
    char *prefix = variables ? tn_path_join(a, variables, "variables") : NULL;
    if (!binary || !textual || !prefix) return tn_no_memory(err, strlen(folder));
    if (!tn_file_exists(binary) && !tn_file_exists(textual))
        return tn_fail(err, TN_NOT_FOUND, "Could not find SavedModel .pb or .pbtxt at supplied export directory path: "
                       "%s", folder);
    return check_variables(prefix, variables, cancel, a, err);
}

tn_code tn_savedmodel_check(const char *folder, const atomic_int *cancel, tn_error *err)
{
    tn_arena *a = tn_arena_new(0);
    tn_code code = a ? check_whole(folder, cancel, a, err) : tn_no_memory(err, 0);
    tn_arena_free(a);
    return code;
}
