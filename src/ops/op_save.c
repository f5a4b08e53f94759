/* SPDX-License-Identifier: Apache-2.0
 *
 * op_save.c - the operators by which a graph saves and restores itself. Graphs carry them, so they are
 * known here; files are format/'s, which saves and restores a session without running them.
 */
#include "../graph/op.h"

static tn_code refuse(tn_run *r, tn_error *err)
{
    return tn_fail(err, TN_FAILED_PRECONDITION,
                   "'%s' (%s): a graph has no access to files; variables are saved and restored by the "
                   "saver, not by running it",
                   r->name, r->op->name);
}

static tn_code restore_infer(tn_infer *c, tn_error *err)
{
    (void)c;
    (void)err;
    return TN_OK;
}

#define FILES(NAME, DYNAMIC, SIG) TN_STATE_OP(NAME, refuse, restore_infer, TN_EFFECT | TN_NO_GRADIENT, DYNAMIC, SIG)
FILES(SaveV2, 0,
      "prefix:string tensor_names:string shape_and_slices:string tensors:[dtypes] -> ; "
      "dtypes:list(type)>=1");
FILES(RestoreV2, ~0u,
      "prefix:string tensor_names:string shape_and_slices:string -> tensors:[dtypes]; dtypes:list(type)>=1");
FILES(MergeV2Checkpoints, 0,
      "checkpoint_prefixes:string destination_prefix:string -> ; delete_old_dirs:bool=true "
      "allow_missing_files:bool=false");
/* Those of the first Saver. */
FILES(Save, 0, "filename:string tensor_names:string data:[T] -> ; T:list(type)>=1");
FILES(SaveSlices, 0,
      "filename:string tensor_names:string shapes_and_slices:string data:[T] -> ; T:list(type)>=1");
FILES(Restore, ~0u, "file_pattern:string tensor_name:string -> tensor:dt; dt:type preferred_shard:int=-1");
FILES(RestoreSlice, ~0u,
      "file_pattern:string tensor_name:string shape_and_slice:string -> tensor:dt; dt:type "
      "preferred_shard:int=-1");
