/* SPDX-License-Identifier: Apache-2.0
 *
 * op_remap.c - LoadAndRemapMatrix: rows and columns of a checkpoint's matrix in another order, with given
 * values where there were none: how a model goes on from one with another vocabulary. Reading checkpoints is
 * the session's hook (files.h).
 */
#include "../plan/files.h"
#include "op_move.h"
#include "sparse.h"

/* Which old row or column each of the n new ones is; -1: none. */
static tn_code check_ids(const tn_tensor *ids, int64_t n, int64_t old, const char *what, tn_arena *a,
                         tn_error *err)
{
    int64_t *taken = TN_ARRAY(a, old + 1, int64_t);
    if (!taken) return tn_no_memory(err, (size_t)old * sizeof *taken);
    for (int64_t i = 0; i < n; i++) {
        int64_t id = TN_INT64S(ids)[i];
        if (id < 0) continue;
        if (id >= old)
            return tn_fail(err, TN_INTERNAL, "%s_remapping[%lld] = %lld is out of bounds: there are %lld",
                           what, (long long)i, (long long)id, (long long)old);
        if (taken[id])
            return tn_fail(err, TN_UNIMPLEMENTED,
                           "Old ID %lld is mapped to both new ID %lld and %lld, which is not supported.",
                           (long long)id, (long long)taken[id] - 1, (long long)i);
        taken[id] = i + 1;
    }
    return TN_OK;
}

static tn_code check_inputs(const tn_run *r, int64_t rows, int64_t columns, tn_error *err)
{
    static const char *const names[] = {"row_remapping", "col_remapping", "initializing_values"};
    char text[96];
    for (int i = 2; i < 5; i++)
        if (r->in[i]->shape.rank != 1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "The `%s` tensor must be 1-D, got a tensor of shape %s",
                           names[i - 2], tn_shape_text(&r->in[i]->shape, text, sizeof text));
    int64_t n = tn_tensor_count(r->in[2]), m = tn_tensor_count(r->in[3]);
    if (n != rows)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Size of row_remapping is %lld instead of being equal to num_rows=%lld", (long long)n,
                       (long long)rows);
    if (m && m != columns)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Provided col_remapping, but its size is %lld instead of being equal to num_cols=%lld",
                       (long long)m, (long long)columns);
    if (tn_tensor_count(r->in[0]) != 1 || tn_tensor_count(r->in[1]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "ckpt_path and old_tensor_name must be scalar strings");
    return TN_OK;
}

static tn_code check_old(const tn_tensor *old, const tn_string *name, int64_t columns, bool same_columns,
                         tn_error *err)
{
    char text[96];
    int n = (int)TN_MIN(name->n, (size_t)200);
    tn_shape_text(&old->shape, text, sizeof text);
    if (old->dtype != TN_FLOAT)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Tensor %.*s has invalid type %s instead of expected type float", n, name->p,
                       tn_dtype_name(old->dtype));
    if (old->shape.rank != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Tensor %.*s has shape %s of invalid rank %d instead of expected shape of rank 2.", n,
                       name->p, text, old->shape.rank);
    if (same_columns && old->shape.dim[1] != columns)
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "Tensor %.*s has shape %s, where the size of its 2nd dimension is %lld instead of being equal to "
            "num_cols=%lld",
            n, name->p, text, (long long)old->shape.dim[1], (long long)columns);
    return TN_OK;
}

static tn_code fill(tn_run *r, const tn_tensor *old, int64_t rows, int64_t columns, tn_error *err)
{
    const int64_t *row = TN_INT64S(r->in[2]),
                  *column = tn_tensor_count(r->in[3]) ? TN_INT64S(r->in[3]) : NULL;
    int64_t given = tn_tensor_count(r->in[4]), used = 0, width = old->shape.dim[1];
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < columns; k++) {
            int64_t from = column ? column[k] : k;
            bool there = row[i] >= 0 && from >= 0;
            if (!there && used == given)
                return tn_fail(err, TN_INVALID_ARGUMENT,
                               "initializing_values contained %lld elements, but more missing values remain.",
                               (long long)given);
            TN_FLOATS(r->out[0])
            [i * columns + k] = there ? TN_FLOATS(old)[row[i] * width + from] : TN_FLOATS(r->in[4])[used++];
        }
    if (used == given) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "initializing_values contained %lld elements, but only %lld elements were used to fill in "
                   "missing values.",
                   (long long)given, (long long)used);
}

static tn_code remap(tn_run *r, tn_arena *a, tn_error *err)
{
    int64_t rows = tn_attr_i(r->attrs, "num_rows"), columns = tn_attr_i(r->attrs, "num_cols");
    const tn_string *path = TN_STRINGS(r->in[0]), *name = TN_STRINGS(r->in[1]);
    bool same_columns = tn_tensor_count(r->in[3]) == 0;
    tn_tensor *old;
    TN_TRY(check_inputs(r, rows, columns, err));
    TN_TRY(tn_files_tensor(tn_run_files(r), r->name, (tn_view){path->p, path->n}, (tn_view){name->p, name->n},
                           &old, err));
    tn_code code = check_old(old, name, columns, same_columns, err);
    if (code == TN_OK) code = check_ids(r->in[2], rows, old->shape.dim[0], "row", a, err);
    if (code == TN_OK && !same_columns) code = check_ids(r->in[3], columns, old->shape.dim[1], "col", a, err);
    if (code == TN_OK) code = fill(r, old, rows, columns, err);
    tn_tensor_unref(old);
    return code;
}
TN_RUN_IN_ARENA(remap_run, remap)

static tn_code remap_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[0].shape =
        (tn_shape){.rank = 2, .dim = {tn_attr_i(c->attrs, "num_rows"), tn_attr_i(c->attrs, "num_cols")}};
    return TN_OK;
}

const tn_op tn_op_LoadAndRemapMatrix = {
    .name = "LoadAndRemapMatrix",
    .sig = "ckpt_path:string old_tensor_name:string row_remapping:int64 col_remapping:int64 "
           "initializing_values:float -> "
           "output_matrix:float; num_rows:int>=0 num_cols:int>=1 max_rows_in_memory:int=-1",
    .infer = remap_infer,
    .run = remap_run,
    .flags = TN_STATEFUL | TN_NO_GRADIENT,
};
