/* SPDX-License-Identifier: Apache-2.0
 *
 * absent.h - why operators of TensorFlow are absent: for the last section of docs/operators.md (operators.c).
 */
#ifndef TN_GOLDEN_ABSENT_H
#define TN_GOLDEN_ABSENT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct absence {
    const char *title, *why;
    const char *names; /* of operators; '*' and '?' as in a shell. An operator belongs to the first that names it */
    bool unlisted;     /* nobody looks for one of them */
} absence;

/* All others. */
static const absence within_reach = {
    "Within reach", "TensorFlow runs them on a CPU, and nothing but work stands in the way here.", NULL, false};

static const absence absences[] = {
    {"Python", "Their function lives in the Python process that made the graph.", "*PyFunc*", false},
    {"Libraries that are not here", "They need SQLite, LMDB, libjxl or libwebp.",
     "*SqlDataset *LMDB* CreateSummaryDbWriter DecodeJxl DecodeWebP", false},
    {"Not for CPUs",
     "TensorFlow has no kernel of these for CPUs either: they are for GPUs and other devices, or their kernels have gone.",
     "BoostedTrees* CudnnRNN* FilterByLastComponentDataset GenerateBoundingBoxProposals KthOrderStatistic MakeUnique Nccl* "
     "TopK*Unique *FFTND SparseMatrixAdd SparseMatrixMul SparseMatrixSoftmax* SparseMatrixZeros SyncDevice", false},
    {"Always refused", "TensorFlow has kernels of these for CPUs, but each call of them fails there, or with files of this machine.",
     "CheckPinned FileSystemSetConfiguration TileGrad", false},
    {"TensorFlow's own runtime", "They tell how TensorFlow's threads do: latencies, and models of its pipelines.",
     "*StatsAggregator* IteratorGetModelProto", false},
    {"TPUs", "They feed, program or connect Google's TPUs.",
     "*TPU* *Tpu* *SparseCore* *CooTensor* *DedupData* AllToAll CrossReplicaSum CollectivePermute GetMinibatch* GlobalIterId "
     "Infeed* Outfeed* Prelinearize* StoreMinibatch* UpdateTaskIdAndGlobalCoreArray WorkerHeartbeat XlaSparse*", false},
    {"Several processes or devices",
     "They are for programs distributed over processes, machines or devices, by TensorFlow's own services.",
     "*MultiDevice* Collective* CopyToMesh* DTensor* DataService* DeleteRpc* DistributedSave GetDeadline HostConst Recv "
     "RegisterDataset* Relayout* Rpc* Send", false},
    {"XLA and other compilers",
     "Steps of compilers within TensorFlow, and programs in their languages (XlaCallModule, as jax2tf writes it, has StableHLO).",
     "*Xla* MlirPassthroughOp Risc*", false},
    {"TensorFlow's own tests",
     "Foo1, IntInput, TwoFloatOutputs and the like: in TensorFlow's packages, but in no API.",
     "A Attr* B Binary ComplexStruct ConstructionFails CopyOp DevicePlacementOp DtypeWithDefaultOp FiveFloatOutputs Float*put Foo? "
     "Func*Attr GraphDefVersion InPolymorphicTwice Int*put IntAttr IsResourceHandleRefCounting IsTensorFloat32Enabled KernelLabel* "
     "List*put MakeWeakResourceHandle MixedStruct NIn* NPolymorphic* None Old OpWith* OutT* Polymorphic* RefIn* RefOut* "
     "RequiresOlderGraphVersion Reserved* Resource*Op Restrict Simple* Sleep* StringListAttr StubResourceHandleOp Test* TwoFloat* "
     "TwoInt* TwoRefsIn TypeList* Unary", true},
};

#endif
