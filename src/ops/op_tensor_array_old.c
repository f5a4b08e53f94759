/* SPDX-License-Identifier: Apache-2.0
 *
 * op_tensor_array_old.c - the first two versions of TensorArray's operators. They do what the third ones do;
 * their handles are declared as strings (references in the first version), but what stands in them is a
 * resource as well.
 */
#include "tensor_array.h"

#define OLD(Name, Infer, Run, Flags, Dynamic, Sig) \
    TN_STATE_OP(Name, tn_array_##Run##_run, Infer, TN_KEEPS | (Flags), Dynamic, Sig)
#define OLD_NEW(Name, Run, Sig) OLD(Name, tn_array_##Run##_infer, Run, TN_NO_GRADIENT, TN_BIT(0), Sig)
#define OLD_READ(Name, Run, Sig) OLD(Name, tn_array_##Run##_infer, Run, 0, TN_BIT(0), Sig)
#define OLD_LOOK(Name, Run, Sig) OLD(Name, tn_array_##Run##_infer, Run, TN_SHARES, TN_BIT(0), Sig)
#define OLD_CONCAT(Name, Run, Sig) OLD(Name, tn_array_##Run##_infer, Run, 0, TN_BIT(0) | TN_BIT(1), Sig)
#define OLD_FLOW(Name, Run, Sig) OLD(Name, tn_array_##Run##_infer, Run, 0, 0, Sig)
#define OLD_SIZE(Name, Run, Sig) OLD(Name, tn_array_flow_infer, Run, TN_NO_GRADIENT, 0, Sig)
#define OLD_CLOSE(Name, Run, Sig) OLD(Name, tn_infer_none, Run, TN_EFFECT | TN_NO_GRADIENT, 0, Sig)

OLD_NEW(TensorArray, new,
        "size:int32 -> handle:&string; dtype:type dynamic_size:bool=false clear_after_read:bool=true "
        "tensor_array_name:string=\"\" element_shape:shape=unknown");
OLD_CLOSE(TensorArrayClose, close, "handle:&string -> ;");
OLD_CLOSE(TensorArrayCloseV2, close, "handle:string -> ;");
OLD_CONCAT(TensorArrayConcat, concat,
           "handle:&string flow_in:float -> value:dtype lengths:int64; dtype:type "
           "element_shape_except0:shape=unknown");
OLD_CONCAT(TensorArrayConcatV2, concat,
           "handle:string flow_in:float -> value:dtype lengths:int64; dtype:type "
           "element_shape_except0:shape=unknown");
OLD_READ(TensorArrayGather, gather,
         "handle:&string indices:int32 flow_in:float -> value:dtype; dtype:type element_shape:shape=unknown");
OLD_READ(TensorArrayGatherV2, gather,
         "handle:string indices:int32 flow_in:float -> value:dtype; dtype:type element_shape:shape=unknown");
OLD_NEW(TensorArrayGrad, gradient, "handle:string flow_in:float -> grad_handle:&string; source:string");
OLD_NEW(TensorArrayGradV2, gradient, "handle:string flow_in:float -> grad_handle:string; source:string");
OLD_READ(TensorArrayPack, gather,
         "handle:&string flow_in:float -> value:dtype; dtype:type element_shape:shape=unknown");
OLD_LOOK(TensorArrayRead, read, "handle:&string index:int32 flow_in:float -> value:dtype; dtype:type");
OLD_LOOK(TensorArrayReadV2, read, "handle:string index:int32 flow_in:float -> value:dtype; dtype:type");
OLD_FLOW(TensorArrayScatter, scatter,
         "handle:&string indices:int32 value:T flow_in:float -> flow_out:float; T:type");
OLD_FLOW(TensorArrayScatterV2, scatter,
         "handle:string indices:int32 value:T flow_in:float -> flow_out:float; T:type");
OLD_SIZE(TensorArraySize, size, "handle:&string flow_in:float -> size:int32;");
OLD_SIZE(TensorArraySizeV2, size, "handle:string flow_in:float -> size:int32;");
OLD_FLOW(TensorArraySplit, split,
         "handle:&string value:T lengths:int64 flow_in:float -> flow_out:float; T:type");
OLD_FLOW(TensorArraySplitV2, split,
         "handle:string value:T lengths:int64 flow_in:float -> flow_out:float; T:type");
OLD_FLOW(TensorArrayUnpack, unpack, "handle:&string value:T flow_in:float -> flow_out:float; T:type");
OLD_NEW(TensorArrayV2, new,
        "size:int32 -> handle:string; dtype:type element_shape:shape=unknown dynamic_size:bool=false "
        "clear_after_read:bool=true tensor_array_name:string=\"\"");
OLD_FLOW(TensorArrayWrite, write,
         "handle:&string index:int32 value:T flow_in:float -> flow_out:float; T:type");
OLD_FLOW(TensorArrayWriteV2, write,
         "handle:string index:int32 value:T flow_in:float -> flow_out:float; T:type");
