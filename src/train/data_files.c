/* SPDX-License-Identifier: Apache-2.0
 *
 * data_files.c - columns from files: IDX, npy, CSV. Paths are relative to the experiment's folder.
 */
#include "train.h"

static const char *path_of(tn_data *d, const char *path)
{
    const char *full = path[0] == '/' ? path : tn_path_join(d->arena, d->folder, path);
    if (!full) tn_data_fail(d, TN_RESOURCE_EXHAUSTED, "out of memory");
    return full;
}

/* Adds what was read, or keeps why it was not. */
static void take(tn_data *d, tn_role role, const char *name, tn_code code, tn_tensor *values,
                 const tn_error *err)
{
    if (code)
        tn_data_fail_with(d, name, err);
    else
        tn_data_add(d, role, name, values);
}

void tn_data_idx(tn_data *d, tn_role role, const char *name, const char *path)
{
    tn_error err;
    tn_tensor *values = NULL;
    const char *full = d->error.code ? NULL : path_of(d, path);
    if (!full) return;
    tn_code code = tn_idx_load(full, 0, 0, &values, &err);
    take(d, role, name, code, values, &err);
}

void tn_data_npy(tn_data *d, tn_role role, const char *name, const char *path)
{
    tn_error err;
    tn_tensor *values = NULL;
    const char *full = d->error.code ? NULL : path_of(d, path);
    if (!full) return;
    tn_code code = tn_tensor_load(full, &values, &err);
    take(d, role, name, code, values, &err);
}

/* "a,b,c" -> names in the arena */
static int split(tn_data *d, const char *columns, const char **names, int most)
{
    int n = 0;
    char *rest = NULL, *copy = tn_arena_strdup(d->arena, columns);
    for (char *p = copy ? strtok_r(copy, ",", &rest) : NULL; p && n < most; p = strtok_r(NULL, ",", &rest))
        names[n++] = p;
    return n;
}

void tn_data_csv(tn_data *d, tn_role role, const char *name, const char *path, const char *columns)
{
    const char *names[256];
    tn_error err;
    tn_csv csv = {0};
    tn_tensor *values = NULL;
    const char *full = d->error.code ? NULL : path_of(d, path);
    if (!full) return;
    tn_csv_options o = {.columns = names,
                        .n_columns = columns ? split(d, columns, names, TN_COUNT(names)) : 0};
    tn_code code = tn_csv_load(full, &o, &csv, &err);
    if (!code && csv.n_columns == 1) {
        tn_shape flat = tn_shape_vector(csv.values->shape.dim[0]);
        code = tn_tensor_reshaped(csv.values, &flat, &values, &err);
    } else if (!code) {
        values = tn_tensor_ref(csv.values);
    }
    take(d, role, name, code, values, &err);
    tn_csv_free(&csv);
}
