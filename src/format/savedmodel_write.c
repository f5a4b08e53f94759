/* SPDX-License-Identifier: Apache-2.0
 *
 * savedmodel_write.c - writes a SavedModel: saved_model.pb, variables/, assets/.
 *
 * Invariants: a version appears whole, by the rename of its folder, or not at all; one that is there is
 * never changed.
 */
#include "metagraph.h"

#include <unistd.h>

#define ASSET_LIMIT ((size_t)1 << 34)

typedef struct exporting {
    const tn_export *e;
    tn_session *session;
    tn_arena *arena;
    char *place, *folder; /* where it is to be; where it is written */
} exporting;

static char *inside(exporting *x, const char *name)
{
    return tn_path_join(x->arena, x->folder, name);
}

/* ---- the parts ---- */

static tn_code write_graph(exporting *x, tn_error *err)
{
    static const char *const serve[] = {"serve"};
    tn_export e = *x->e;
    tn_MetaGraphDef *m;
    tn_buf bytes = {0};
    if (!e.n_tags) {
        e.tags = serve;
        e.n_tags = 1;
    }
    TN_TRY(tn_metagraph_export(&e, x->arena, &m, err));
    tn_SavedModel model = {.saved_model_schema_version = 1};
    tn_MetaGraphDef *slot = TN_PUSH(x->arena, &model.meta_graphs);
    char *path = inside(x, "saved_model.pb");
    if (!slot || !path) return tn_no_memory(err, sizeof *slot);
    *slot = *m;
    tn_code code = TN_ENCODE(SavedModel, &model, &bytes, err);
    if (code == TN_OK) code = tn_file_write(path, bytes.data, bytes.n, err);
    tn_buf_free(&bytes);
    return code;
}

static tn_code write_variables(exporting *x, tn_error *err)
{
    tn_saved_variable *v;
    int n;
    TN_TRY(tn_export_variables(x->e, x->arena, &v, &n, err));
    if (!n) return TN_OK;
    char *folder = inside(x, "variables");
    char *prefix = folder ? tn_path_join(x->arena, folder, "variables") : NULL;
    if (!prefix) return tn_no_memory(err, strlen(x->folder));
    TN_TRY(tn_make_folders(folder, err));
    return tn_checkpoint_save(prefix, x->e, x->session, err);
}

static tn_code copy_file(const char *from, const char *to, tn_error *err)
{
    tn_buf bytes = {0};
    tn_code code = tn_file_read(from, ASSET_LIMIT, &bytes, err);
    if (code == TN_OK) code = tn_file_write(to, bytes.data, bytes.n, err);
    tn_buf_free(&bytes);
    return code;
}

static tn_code write_assets(exporting *x, tn_error *err)
{
    if (!x->e->n_assets) return TN_OK;
    char *folder = inside(x, "assets");
    if (!folder) return tn_no_memory(err, strlen(x->folder));
    TN_TRY(tn_make_folders(folder, err));
    for (int i = 0; i < x->e->n_assets; i++) {
        const char *name = x->e->assets[i].filename;
        if (!*name || strchr(name, '/') || name[0] == '.')
            return tn_fail(err, TN_INVALID_ARGUMENT, "'%s' is no name for an asset", name);
        char *path = tn_path_join(x->arena, folder, name);
        if (!path) return tn_no_memory(err, strlen(name));
        TN_TRY(copy_file(x->e->asset_sources[i], path, err));
    }
    return TN_OK;
}

static tn_code write_all(exporting *x, tn_error *err)
{
    TN_TRY(tn_make_folders(x->folder, err));
    TN_TRY(write_variables(x, err));
    TN_TRY(write_assets(x, err));
    return write_graph(x, err);
}

/* ---- what is there already ---- */

static tn_code same_file(const char *a, const char *b, bool *same, tn_error *err)
{
    tn_mapped x = {0}, y = {0};
    *same = false;
    if (!tn_file_exists(a) || !tn_file_exists(b)) {
        *same = !tn_file_exists(a) && !tn_file_exists(b);
        return TN_OK;
    }
    TN_TRY(tn_file_map(a, &x, err));
    tn_code code = tn_file_map(b, &y, err);
    if (code == TN_OK) {
        *same = x.n == y.n && (!x.n || !memcmp(x.data, y.data, x.n));
        tn_file_unmap(&y);
    }
    tn_file_unmap(&x);
    return code;
}

static tn_code same_model(exporting *x, bool *same, tn_error *err)
{
    static const char *const files[] = {"saved_model.pb", "variables/variables.index",
                                        "variables/variables.data-00000-of-00001"};
    *same = true;
    for (size_t i = 0; i < TN_COUNT(files) && *same; i++) {
        char *there = tn_path_join(x->arena, x->place, files[i]), *here = inside(x, files[i]);
        if (!there || !here) return tn_no_memory(err, strlen(x->place));
        TN_TRY(same_file(there, here, same, err));
    }
    return TN_OK;
}

static tn_code exists(const exporting *x, const char *more, tn_error *err)
{
    return tn_fail(err, TN_ALREADY_EXISTS, "%s exists already%s: an exported version is never changed",
                   x->place, more);
}

/* ---- all ---- */

static tn_code set_paths(exporting *x, const char *base, int64_t version, tn_error *err)
{
    const char *hidden = ".writing";
    tn_arena *a = x->arena;
    if (version < 0) {
        x->place = tn_arena_strdup(a, base);
        for (size_t n = x->place ? strlen(x->place) : 0; n > 1 && x->place[n - 1] == '/'; n--)
            x->place[n - 1] = '\0';
        x->folder = x->place ? tn_arena_printf(a, "%s%s.%ld", x->place, hidden, (long)getpid()) : NULL;
    } else {
        x->place = tn_arena_printf(a, "%s/%lld", base, (long long)version);
        x->folder = tn_arena_printf(a, "%s/%s-%lld.%ld", base, hidden, (long long)version, (long)getpid());
    }
    return x->place && x->folder ? TN_OK : tn_no_memory(err, strlen(base));
}

static tn_code write_and_place(exporting *x, bool there, bool *kept, tn_error *err)
{
    bool same;
    TN_TRY(tn_remove_tree(x->folder, err)); /* of a process that was killed and had our number */
    TN_TRY(write_all(x, err));
    if (!there) return tn_rename(x->folder, x->place, err);
    TN_TRY(same_model(x, &same, err));
    if (!same) return exists(x, " and is different", err);
    *kept = true;
    return tn_remove_tree(x->folder, err);
}

static tn_code save(exporting *x, const char *base, int64_t version, bool *kept, tn_error *err)
{
    TN_TRY(set_paths(x, base, version, err));
    bool there = tn_file_exists(x->place);
    if (there && !kept) return exists(x, "", err);
    tn_code code = write_and_place(x, there, kept, err);
    if (code != TN_OK) tn_remove_tree(x->folder, NULL);
    return code;
}

tn_code tn_savedmodel_save(const char *base, int64_t version, const tn_export *e, tn_session *s, bool *kept,
                           tn_error *err)
{
    exporting x = {.e = e, .session = s, .arena = tn_arena_new(0)};
    if (kept) *kept = false;
    tn_code code = x.arena ? save(&x, base, version, kept, err) : tn_no_memory(err, 0);
    tn_arena_free(x.arena);
    return code;
}
