# SPDX-License-Identifier: Apache-2.0
"""Every operator with every dtype that TensorFlow's CPU kernels take: goldens of the other families and of golden/ops, with an
attribute of the operator, and what it is fed, changed to another dtype."""
import glob
import os

from google.protobuf import text_format
from tensorflow.core.framework import graph_pb2
from tensorflow.python.framework import kernels, op_def_registry

from case import *

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "golden")
HERE = os.path.splitext(os.path.basename(__file__))[0]


# Sums of 16-bit floats in another order.
LOOSE = {"float16": (6e-2, 6e-2), "bfloat16": (2e-1, 2e-1), "float32": (1e-4, 1e-5), "float64": (1e-6, 1e-7)}


def nobodys(op, dtype):
    """What TensorFlow gives is nobody's promise: handles, contents of reserve spaces, signs of eigenvectors, which of equal products overflows, the sign of zeros,
    the order of additions, a threshold of another dtype, a check that ends the process; Round of integers, which is 0."""
    return (op.startswith(("FusedBatchNorm", "BlockLSTM", "SelfAdjointEig", "Eig", "Svd", "Qr", "Cholesky", "SparseAdd", "Bessel", "Anonymous", "Mutable", "ConditionalAccumulator", "SparseConditionalAccumulator", "Quantized", "Dequantize")) or (op == "Round" and "int" in dtype) or (op.startswith("Unique") and "float" in dtype) or
            (op == "SplitV" and dtype == "int8") or (op == "ScatterNd" and dtype == "string") or
            (op == "MaxPoolGradGrad" and "uint" in dtype) or dtype.startswith("q") or ("complex" in dtype and op in ("Expm1", "Inv", "InvGrad", "Reciprocal", "ReciprocalGrad", "Tan", "Tanh", "Sigmoid", "Pow")))


def array_of(t):
    names = {"half": "float16", "float": "float32", "double": "float64"}
    if t["t"] == "string":
        a = np.empty(len(t["v"]), object)
        a[:] = [base64.b64decode(s["b64"]) if isinstance(s, dict) else s.encode() for s in t["v"]]
        return a.reshape(t["s"])
    return np.frombuffer(base64.b64decode(t["b"]), tf.as_dtype(names.get(t["t"], t["t"])).as_numpy_dtype).reshape(t["s"])


def from_lines():
    """(operator, GraphDef, inputs) of the other families' goldens."""
    for path in sorted(glob.glob(os.path.join(GOLDEN, "cases", "*.jsonl"))):
        if os.path.basename(path) == HERE + ".jsonl":
            continue
        for line in open(path):
            j = json.loads(line)
            if "error" not in j:
                yield j["name"], text_format.Parse(j["graph"], graph_pb2.GraphDef()), {k: array_of(t) for k, t in j["in"].items()}


def from_folders():
    """The same of golden/ops."""
    for folder in sorted(glob.glob(os.path.join(GOLDEN, "ops", "*"))):
        if not os.path.exists(os.path.join(folder, "graph.pb")):
            continue
        c = json.load(open(os.path.join(folder, "case.json")))
        if any(r["dtype"] in ("string", "bfloat16") for r in c["inputs"].values()):
            continue
        g = graph_pb2.GraphDef.FromString(open(os.path.join(folder, "graph.pb"), "rb").read())
        yield c["op"], g, {k: np.load(os.path.join(folder, r["file"])) for k, r in c["inputs"].items()}


def allowed(op):
    """{attribute: dtypes} of the operator's kernels for CPUs."""
    out = {}
    for k in kernels.get_registered_kernels_for_op(op).kernel:
        for c in k.constraint if k.device_type == "CPU" else []:
            out.setdefault(c.name, set()).update(tf.as_dtype(t).name for t in c.allowed_values.list.type)
    return {a: sorted(t for t in types if "float8" not in t and "int4" not in t and "int2" not in t) for a, types in sorted(out.items())}


def needed(graph, node):
    by_name, keep, todo = {n.name: n for n in graph.node}, {}, [node.name]
    while todo:
        n = by_name[todo.pop()]
        if n.name not in keep:
            keep[n.name] = n
            todo += [i.lstrip("^").split(":")[0] for i in n.input]
    return [n for n in graph.node if n.name in keep]


def changed(op, graph, inputs, attr, dtype):
    """The case with attr of the operator's node set to dtype; None: it cannot be had by changing the inputs."""
    node = next((n for n in graph.node if n.op == op), None)
    if node is None or attr not in node.attr or node.attr[attr].WhichOneof("value") != "type":
        return None
    nodes = {n.name: n for n in needed(graph, node)}
    at, new = 0, {}
    for arg in op_def_registry.get(op).input_arg:
        n = node.attr[arg.number_attr].i if arg.number_attr else 1
        if arg.type_list_attr:
            return None
        for name in node.input[at:at + n] if arg.type_attr == attr else []:
            source = nodes[name.split(":")[0]]
            if source.op == "Placeholder":
                new[source.name] = dtype
            elif source.op == "Const":
                value = tf.make_ndarray(source.attr["value"].tensor)
                source.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(as_dtype(value, dtype)))
                source.attr["dtype"].type = tf.as_dtype(dtype).as_datatype_enum
            else:
                return None
        at += n
    node.attr[attr].type = tf.as_dtype(dtype).as_datatype_enum
    out = graph_pb2.GraphDef(library=graph.library)
    out.node.extend(n for n in nodes.values() if n.op != "Placeholder")
    feeds = {n: as_dtype(inputs[n], new[n]) if n in new else inputs[n] for n in nodes if n in inputs}
    return out, node.name, feeds


def as_dtype(a, dtype):
    if dtype == "string":
        return a.astype(str).astype(object)
    t = tf.as_dtype(dtype).as_numpy_dtype
    if a.dtype.kind in "fV" and np.dtype(t).kind in "iu":
        a = np.rint(a.astype(np.float64) * 2)
    return np.abs(a).astype(t) if np.dtype(t).kind == "u" else a.astype(t)


def build(graph, name, names):
    def made(*ph):
        ins = dict(zip(names, ph))
        tf.graph_util.import_graph_def(graph, ins, name="")
        return v1.get_default_graph().get_operation_by_name(name).outputs
    return made


def cases(rng):
    examples = {}
    for op, graph, inputs in [*from_lines(), *from_folders()]:
        examples.setdefault(op, []).append((graph, inputs))
    for op in sorted(examples):
        for attr, dtypes in allowed(op).items():
            if attr == "Tsplits":
                continue  # several of TensorFlow's kernels end the process over those of int32
            for dtype in dtypes if os.environ.get("EVERY_DTYPE") else rng.permutation(dtypes)[:1]:
                if nobodys(op, dtype):
                    continue
                graph, inputs = examples[op][rng.integers(len(examples[op]))]
                copy = graph_pb2.GraphDef()
                copy.CopyFrom(graph)
                try:
                    found = changed(op, copy, inputs, attr, dtype)
                except (TypeError, ValueError, OverflowError, KeyError):
                    found = None
                if found:
                    yield case("%s_%s_%s" % (op, attr, dtype), build(found[0], found[1], list(found[2])), *found[2].values(), tol=LOOSE.get(dtype))
