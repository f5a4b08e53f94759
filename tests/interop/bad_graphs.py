# SPDX-License-Identifier: Apache-2.0
"""Graphs and requests that must fail, with the code that TensorFlow gives and what its message must say.

Each case is a GraphDef, feeds, fetches, targets, and parts of the message. `--write FILE` asks TensorFlow and freezes its
codes and messages, one JSON object a line (tests/golden/bad/graphs.jsonl, which test_bad_graphs replays); without arguments
the frozen codes are compared with TensorFlow's at hand.
"""
import json
import os
import sys

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import config_pb2

v1 = tf.compat.v1
FROZEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "bad", "graphs.jsonl")
F32, F64, I32, I64, BOOL, STR, RES, VAR = (tf.float32, tf.float64, tf.int32, tf.int64, tf.bool, tf.string, tf.resource,
                                           tf.variant)
CASES = []


class func(str):
    """The name of a function, as an attribute."""


def attr(value):
    a = tf.compat.v1.AttrValue()
    if isinstance(value, func):
        a.func.name = value
    elif isinstance(value, bool):
        a.b = value
    elif isinstance(value, tf.DType):
        a.type = value.as_datatype_enum
    elif isinstance(value, int):
        a.i = value
    elif isinstance(value, float):
        a.f = value
    elif isinstance(value, str):
        a.s = value.encode()
    elif isinstance(value, tuple):  # a shape
        for n in value:
            a.shape.dim.add().size = n
        if not value:
            a.shape.SetInParent()
    elif isinstance(value, list):
        a.list.SetInParent()
        for v in value:
            one = attr(v)
            kind = one.WhichOneof("value")
            field = getattr(a.list, kind)
            if kind in ("shape", "func", "tensor"):
                field.add().CopyFrom(getattr(one, kind))
            else:
                field.append(getattr(one, kind))
    else:
        a.tensor.CopyFrom(value)
    return a


def node(name, op, *inputs, **attrs):
    n = v1.NodeDef(name=name, op=op, input=inputs)
    for key, value in attrs.items():
        n.attr[key].CopyFrom(attr(value))
    return n


def tensor(dtype, values, shape=None):
    return tf.make_tensor_proto(np.array(values, dtype.as_numpy_dtype), dtype, shape)


def const(name, dtype, values):
    return node(name, "Const", dtype=dtype, value=tensor(dtype, values))


def raw_const(name, dtype, dims, content=b"", **fields):
    """A tensor that says of itself what need not be so."""
    t = tf.compat.v1.AttrValue().tensor
    t.dtype = dtype.as_datatype_enum
    for d in dims:
        t.tensor_shape.dim.add().size = d
    t.tensor_content = content
    for key, values in fields.items():
        getattr(t, key).extend(values)
    return node(name, "Const", dtype=dtype, value=t)


def hold(name, dtype=F32, shape=None):
    return node(name, "Placeholder", dtype=dtype, **({} if shape is None else {"shape": shape}))


def function(name, ins, outs, nodes, rets, stateful=False):
    """ins, outs: "x" or ("x", dtype); rets: name of an output -> "node:out:0"."""
    f = tf.core.framework.function_pb2.FunctionDef() if hasattr(tf, "core") else v1.GraphDef().library.function.add()
    f.signature.name = name
    f.signature.is_stateful = stateful
    for args, field in ((ins, f.signature.input_arg), (outs, f.signature.output_arg)):
        for a in args:
            a = a if isinstance(a, tuple) else (a, F32)
            field.add(name=a[0], type=a[1].as_datatype_enum)
    f.node_def.extend(nodes)
    for key, value in rets.items():
        f.ret[key] = value
    return f


def case(name, nodes, fetches=(), says=(), feeds=(), targets=(), functions=(), ours=None, why=None):
    """ours: the code that we give where TensorFlow's is another one, for the reason `why`."""
    g = v1.GraphDef()
    g.versions.producer = 2474
    g.node.extend(nodes)
    g.library.function.extend(functions)
    CASES.append(dict(name=name, graph=g, fetches=list(fetches), says=list(says), feeds=list(feeds), targets=list(targets),
                      ours=ours, why=why))


def call(name, f, *inputs, tin=None, tout=None, op="StatefulPartitionedCall"):
    return node(name, op, *inputs, f=func(f), Tin=tin if tin is not None else [F32] * len(inputs), Tout=tout if tout is not None else [F32])


# ==== what the graph itself is ====

x = hold("x", F32, (-1,))
two = const("two", F32, [1, 2])
three = const("three", F32, [1, 2, 3])

case("no such input", [node("y", "Neg", "nobody", T=F32)], ["y:0"], ["nobody", "y"])
case("an input's output that is not there", [two, node("y", "Neg", "two:7", T=F32)], ["y:0"], ["two", "y"])
case("an input of an operation without outputs", [node("n", "NoOp"), node("y", "Neg", "n", T=F32)], ["y:0"], ["y"])
case("a control input that is not there", [node("y", "NoOp", "^nobody")], [], ["nobody"], targets=["y"])
case("a name twice", [two, two], ["two:0"], ["two"])
case("no name", [node("", "NoOp")], [], [], targets=[""])
case("a name with a space", [node("a b", "NoOp")], [], ["a b"], targets=["a b"])
case("a cycle of data", [node("a", "Neg", "b", T=F32), node("b", "Neg", "a", T=F32)], ["b:0"], ["a"])
case("a node that is its own input", [node("a", "Neg", "a", T=F32)], ["a:0"], ["a"])
case("a cycle of control", [node("a", "NoOp", "^b"), node("b", "NoOp", "^a")], [], ["a"], targets=["b"])
case("a cycle of both", [node("a", "Neg", "c", "^b", T=F32), node("b", "Neg", "a", T=F32), const("c", F32, [1])], ["b:0"], ["a"])
case("no such operator", [node("a", "NoSuchOperator")], [], ["NoSuchOperator"], targets=["a"])
case("too many inputs", [two, node("y", "Neg", "two", "two", T=F32)], ["y:0"], ["y"])
case("too few inputs", [two, node("y", "AddV2", "two", T=F32)], ["y:0"], ["y"])
case("an input of another dtype", [const("i", I32, [1]), two, node("y", "AddV2", "i", "two", T=F32)], ["y:0"], ["y"])
case("a dtype that the operator does not take", [const("s", STR, [b"x"]), node("y", "Neg", "s", T=STR)], ["y:0"], ["T"])
case("an attribute is missing", [two, node("y", "Neg", "two")], ["y:0"], ["T"], ours="OK", why="what follows from the inputs need not be said")
case("an attribute of another kind", [two, node("y", "Neg", "two", T=3)], ["y:0"], ["T"])
case("an attribute too much", [two, node("y", "Neg", "two", T=F32, nonsense=3)], ["y:0"], ["nonsense"])
case("a list shorter than it may be", [node("y", "AddN", T=F32, N=0)], ["y:0"], ["N"])
case("a list of a negative length", [node("y", "AddN", T=F32, N=-1)], ["y:0"], ["N"])
case("a list of absurd length", [node("y", "AddN", "two", T=F32, N=2**40), two], ["y:0"], [])
case("more outputs than can be", [two, node("y", "Split", "i", "two", T=F32, num_split=2**31), const("i", I32, 0)], ["y:0"], [])
case("an enumerated string of another value", [hold("im", F32, (1, 4, 4, 1)),
     node("y", "MaxPool", "im", T=F32, ksize=[1, 2, 2, 1], strides=[1, 1, 1, 1], padding="ROUGH")], ["y:0"], ["ROUGH", "padding"])
case("a reference that is none", [two, node("y", "Assign", "two", "two", T=F32)], ["y:0"], ["y"])

# ==== constants and shapes ====

case("fewer bytes than the shape has", [raw_const("c", F32, [4], b"\0" * 4)], ["c:0"], ["c"])
case("more bytes than the shape has", [raw_const("c", F32, [1], b"\0" * 8)], ["c:0"], ["c"])
case("more values than the shape has", [raw_const("c", F32, [1], float_val=[1, 2])], ["c:0"], [])
case("a negative dimension", [raw_const("c", F32, [-2], b"")], ["c:0"], ["c"])
case("an unknown dimension", [raw_const("c", F32, [-1], b"")], ["c:0"], ["c"])
case("more elements than fit into 64 bits", [raw_const("c", F32, [2**40, 2**40], float_val=[1])], ["c:0"], ["c"])
case("2^62 elements of one value", [raw_const("c", F32, [2**62], float_val=[1])], ["c:0"], ["c"], ours="RESOURCE_EXHAUSTED", why="it is well formed, but too large")
case("a constant of another dtype", [node("c", "Const", dtype=I32, value=tensor(F32, [1]))], ["c:0"], ["c"])
case("a constant without a value", [node("c", "Const", dtype=F32)], ["c:0"], ["value"])
case("a placeholder of a negative size", [hold("p", F32, (-3,)), node("y", "Neg", "p", T=F32)], ["y:0"], [])
case("shapes that do not fit", [two, three, node("y", "AddV2", "two", "three", T=F32)], ["y:0"], ["[2]", "[3]", "y"])
case("a matrix product of vectors", [two, node("y", "MatMul", "two", "two", T=F32)], ["y:0"], ["y", "[2] vs. [2]"])
case("2^62 elements", [const("n", I64, [2**62]), const("v", F32, 1), node("y", "Fill", "n", "v", T=F32, index_type=I64)], ["y:0"], ["y"], ours="RESOURCE_EXHAUSTED", why="the same code whatever the number")
case("an overflowing product of sizes", [const("n", I64, [2**40, 2**40]), const("v", F32, 1), node("y", "Fill", "n", "v", T=F32, index_type=I64)], ["y:0"], ["y"])
case("a negative size", [const("n", I32, [-5]), const("v", F32, 1), node("y", "Fill", "n", "v", T=F32)], ["y:0"], ["-5"])
case("a range without end", [const("a", F32, 0.0), const("b", F32, 1e30), const("d", F32, 1e-30), node("y", "Range", "a", "b", "d", Tidx=F32)], ["y:0"], ["y"])
case("a range that steps by zero", [const("a", I32, 0), const("b", I32, 5), const("d", I32, 0), node("y", "Range", "a", "b", "d", Tidx=I32)], ["y:0"], ["y", "delta"])
case("a reshape that does not fit", [three, const("n", I32, [2, 2]), node("y", "Reshape", "three", "n", T=F32)], ["y:0"], ["y", "3", "4"])
case("two unknown sizes in a reshape", [three, const("n", I32, [-1, -1]), node("y", "Reshape", "three", "n", T=F32)], ["y:0"], ["y"])
case("a tile of 2^40", [three, const("n", I64, [2**40]), node("y", "Tile", "three", "n", T=F32, Tmultiples=I64)], ["y:0"], ["y"])
case("an axis out of range", [three, const("n", I32, 1), node("y", "Sum", "three", "n", T=F32)], ["y:0"], ["y", "1"])
case("an axis twice", [three, const("n", I32, [0, 0]), node("y", "Sum", "three", "n", T=F32)], ["y:0"], ["y"])
case("a permutation that is none", [three, const("n", I32, [1]), node("y", "Transpose", "three", "n", T=F32)], ["y:0"], ["y", "1"])
case("a concatenation of other shapes", [two, three, const("n", I32, 0), node("t", "ExpandDims", "two", "n", T=F32), node("u", "ExpandDims", "three", "n", T=F32), node("y", "ConcatV2", "t", "u", "n", T=F32, N=2)], ["y:0"], ["y"])
case("a pad by a negative size", [three, const("n", I32, [[-1, 0]]), node("y", "Pad", "three", "n", T=F32)], ["y:0"], ["y"])
case("a window larger than the image", [hold("im", F32, (1, 2, 2, 1)), node("y", "MaxPool", "im", T=F32, ksize=[1, 9, 9, 1], strides=[1, 1, 1, 1], padding="VALID")], ["y:0"], ["y"], feeds=[("im:0", F32, [1, 2, 2, 1], [1, 2, 3, 4])])
case("a stride of zero", [hold("im", F32, (1, 2, 2, 1)), node("y", "MaxPool", "im", T=F32, ksize=[1, 1, 1, 1], strides=[1, 0, 0, 1], padding="VALID")], ["y:0"], ["y"], feeds=[("im:0", F32, [1, 2, 2, 1], [1, 2, 3, 4])])

# ==== what is asked ====

ask = [x, node("y", "Neg", "x", T=F32)]
feed = [("x:0", F32, [2], [1, 2])]
case("no such fetch", ask, ["z:0"], ["z"], feed, ours="NOT_FOUND", why="as Session::Run has it")
case("no such fetch, by the operation's name", ask, ["z"], ["z"], feed, ours="NOT_FOUND", why="as Session::Run has it")
case("a fetch of an output that is not there", ask, ["y:7"], ["y:7"], feed)
case("a fetch of a negative output", ask, ["y:-1"], ["y:-1"], feed)
case("a fetch of nonsense", ask, ["y:x:0"], ["y:x"], feed, ours="NOT_FOUND", why="as Session::Run has it")
case("a fetch of nothing", ask, [""], [], feed, ours="NOT_FOUND", why="as Session::Run has it")
case("a fetch of an operation without outputs", [node("n", "NoOp")], ["n:0"], ["n"])
case("a fetch of a control input", ask, ["^y"], ["y"], feed, ours="NOT_FOUND", why="it is no value's name")
case("no such target", ask, [], ["z"], feed, targets=["z"])
case("no such feed", ask, ["y:0"], ["z"], [("z:0", F32, [1], [1])], ours="NOT_FOUND", why="as Session::Run has it")
case("a feed of an output that is not there", ask, ["y:0"], ["x:3"], [("x:3", F32, [1], [1])])
case("a feed twice", ask, ["y:0"], ["x:0"], feed + feed)
case("a feed of another dtype", ask, ["y:0"], ["x"], [("x:0", I32, [1], [1])])
case("a feed of another rank", ask, ["y:0"], ["x"], [("x:0", F32, [1, 1], [1])], ours="INVALID_ARGUMENT", why="as tf.Session has it")
case("a feed of another size", [hold("x", F32, (2,)), ask[1]], ["y:0"], ["x"], [("x:0", F32, [3], [1, 2, 3])], ours="INVALID_ARGUMENT", why="as tf.Session has it")
case("a placeholder that is not fed", ask, ["y:0"], ["You must feed a value for placeholder tensor 'x' with dtype float", "{{node x}}"])
case("a placeholder of a known shape that is not fed", [hold("x", F32, (2, 3)), ask[1]], ["y:0"], ["'x' with dtype float and shape [2,3]", "{{node x}}"])

# ==== while running ====

def dynamic(name, op, shapes, says, dtype=F32, values=None, **attrs):
    """An operator on placeholders of unknown shape."""
    ins = [hold("in%d" % i, dtype) for i in range(len(shapes))]
    feeds = [("in%d:0" % i, dtype, list(s), values[i] if values else [1] * int(np.prod(s))) for i, s in enumerate(shapes)]
    case(name, ins + [node("y", op, *["in%d" % i for i in range(len(shapes))], T=dtype, **attrs)], ["y:0"], ["{{node y}}"] + says, feeds)


dynamic("a product of matrices that do not fit", "MatMul", [(2, 3), (2, 3)], ["Matrix size-incompatible: In[0]: [2,3], In[1]: [2,3]"])
dynamic("a batch of products that do not fit", "BatchMatMulV2", [(2, 2, 3), (2, 2, 3)], ["[2,2,3]"])
dynamic("a product of a vector", "MatMul", [(2,), (2, 3)], ["2"])
dynamic("a sum that does not fit", "AddV2", [(2,), (3,)], ["[2]", "[3]"])
dynamic("a bias that does not fit", "BiasAdd", [(2, 3), (2,)], [])
dynamic("a comparison that does not fit", "Less", [(2,), (3,)], ["[2]", "[3]"])
dynamic("an integer divided by zero", "FloorDiv", [(2,), (2,)], ["Integer division by zero"], I32, [[1, 2], [1, 0]])
dynamic("an integer divided by zero, cut", "Div", [(2,), (2,)], ["Integer division by zero"], I32, [[1, 2], [1, 0]])
dynamic("an integer's remainder by zero", "FloorMod", [(2,), (2,)], ["Integer division by zero"], I32, [[1, 2], [1, 0]])
dynamic("an integer to a negative power", "Pow", [(1,), (1,)], ["Integers to negative integer powers are not allowed"], I32, [[2], [-1]])
dynamic("an addition of many that does not fit", "AddN", [(2,), (3,)], [], N=2)
dynamic("losses that do not fit", "SoftmaxCrossEntropyWithLogits", [(2, 3), (3, 3)], [])
dynamic("packed values of other shapes", "Pack", [(2,), (3,)], ["[2]", "[3]"], N=2)
dynamic("convolved by a filter of other channels", "Conv2D", [(1, 4, 4, 3), (2, 2, 2, 1)], ["3", "2"], strides=[1, 1, 1, 1], padding="VALID")

ids = hold("ids", I32)
rows = hold("rows")
axis = const("axis", I32, 0)
case("gathered out of range", [rows, ids, axis, node("y", "GatherV2", "rows", "ids", "axis", Tparams=F32, Tindices=I32, Taxis=I32)], ["y:0"],
     ["indices[1] = 7 is not in [0, 3)", "{{node y}}"], [("rows:0", F32, [3], [1, 2, 3]), ("ids:0", I32, [2], [0, 7])])
case("gathered at a negative place", [rows, ids, node("y", "Gather", "rows", "ids", Tparams=F32, Tindices=I32)], ["y:0"],
     ["indices[0] = -1 is not in [0, 3)", "{{node y}}"], [("rows:0", F32, [3], [1, 2, 3]), ("ids:0", I32, [1], [-1])])
case("gathered by coordinates out of range", [rows, ids, node("y", "GatherNd", "rows", "ids", Tparams=F32, Tindices=I32)], ["y:0"],
     ["{{node y}}", "3"], [("rows:0", F32, [3], [1, 2, 3]), ("ids:0", I32, [1, 1], [3])])
case("scattered out of range", [rows, ids, const("n", I32, [3]), node("y", "ScatterNd", "ids", "rows", "n", T=F32, Tindices=I32)], ["y:0"],
     ["{{node y}}", "[3]"], [("rows:0", F32, [1], [1]), ("ids:0", I32, [1, 1], [5])])
case("a slice out of range", [rows, ids, const("n", I32, [2]), node("y", "Slice", "rows", "ids", "n", T=F32, Index=I32)], ["y:0"],
     ["{{node y}}"], [("rows:0", F32, [3], [1, 2, 3]), ("ids:0", I32, [1], [2])])
case("a strided slice by zero", [rows, ids, const("n", I32, [2]), node("y", "StridedSlice", "rows", "ids", "n", "ids", T=F32, Index=I32)], ["y:0"],
     ["{{node y}}", "non-zero"], [("rows:0", F32, [3], [1, 2, 3]), ("ids:0", I32, [1], [0])])
case("a single index out of range", [rows, ids, const("n", I32, [9]), const("by", I32, [1]), node("y", "StridedSlice", "rows", "ids", "n", "by", T=F32, Index=I32, shrink_axis_mask=1)], ["y:0"],
     ["{{node y}}", "slice index 8 of dimension 0 out of bounds"], [("rows:0", F32, [3], [1, 2, 3]), ("ids:0", I32, [1], [8])])
case("split into parts that do not fit", [rows, ids, axis, node("y", "SplitV", "rows", "ids", "axis", T=F32, Tlen=I32, num_split=2)], ["y:0"],
     ["{{node y}}"], [("rows:0", F32, [3], [1, 2, 3]), ("ids:0", I32, [2], [1, 1])])
case("split evenly where that cannot be", [rows, axis, node("y", "Split", "axis", "rows", T=F32, num_split=2)], ["y:0"],
     ["{{node y}}", "3"], [("rows:0", F32, [3], [1, 2, 3])])
case("unpacked into another number", [rows, node("y", "Unpack", "rows", T=F32, num=2)], ["y:0"], ["y", "3", "2"], [("rows:0", F32, [3], [1, 2, 3])])
case("segments that are not sorted", [rows, ids, node("y", "SegmentSum", "rows", "ids", T=F32, Tindices=I32)], ["y:0"],
     ["{{node y}}", "segment ids are not increasing"], [("rows:0", F32, [3], [1, 2, 3]), ("ids:0", I32, [3], [1, 0, 2])])
case("segments out of range", [rows, ids, const("n", I32, 2), node("y", "UnsortedSegmentSum", "rows", "ids", "n", T=F32, Tindices=I32, Tnumsegments=I32)], ["y:0"],
     ["{{node y}}", "segment_ids[2] = 2 is out of range [0, 2)"], [("rows:0", F32, [3], [1, 2, 3]), ("ids:0", I32, [3], [1, 0, 2])])
case("a label out of range", [rows, ids, node("y", "SparseSoftmaxCrossEntropyWithLogits", "rows", "ids", T=F32, Tlabels=I32)], ["y:0"],
     ["{{node y}}", "Received a label value of 3 which is outside the valid range of [0, 3)"], [("rows:0", F32, [1, 3], [1, 2, 3]), ("ids:0", I32, [1], [3])])
case("k larger than the row", [rows, ids, node("y", "TopKV2", "rows", "ids", T=F32)], ["y:0"], ["{{node y}}", "input must have at least k columns"],
     [("rows:0", F32, [3], [1, 2, 3]), ("ids:0", I32, [], [5])])
case("reshaped while running", [rows, ids, node("y", "Reshape", "rows", "ids", T=F32)], ["y:0"], ["{{node y}}", "3 values", "requested shape has 8"],
     [("rows:0", F32, [3], [1, 2, 3]), ("ids:0", I32, [2], [2, 4])])
case("reshaped to 2^62", [rows, hold("n", I64), node("y", "Reshape", "rows", "n", T=F32, Tshape=I64)], ["y:0"], ["{{node y}}"],
     [("rows:0", F32, [3], [1, 2, 3]), ("n:0", I64, [2], [2**31, 2**31])])
case("filled to a negative size", [ids, const("v", F32, 1), node("y", "Fill", "ids", "v", T=F32)], ["y:0"], ["{{node y}}"], [("ids:0", I32, [1], [-1])])
case("an assertion", [hold("ok", BOOL), const("m", STR, b"what was wrong"), rows, node("y", "Assert", "ok", "m", "rows", T=[STR, F32])], [],
     ["assertion failed: [what was wrong] [1 2 3]", "{{node y}}"], [("ok:0", BOOL, [], [False]), ("rows:0", F32, [3], [1, 2, 3])], targets=["y"])
case("a number that is not finite", [rows, node("y", "CheckNumerics", "rows", T=F32, message="seen here")], ["y:0"],
     ["seen here : Tensor had NaN values", "{{node y}}"], [("rows:0", F32, [1], [float("nan")])])
case("text that is no number", [hold("s", STR), node("y", "StringToNumber", "s", out_type=F32)], ["y:0"], ["{{node y}}", "could not correctly convert string: 1x"],
     [("s:0", STR, [1], ["1x"])])
case("bytes that are no number", [hold("s", STR), node("y", "DecodeRaw", "s", out_type=F32)], ["y:0"], ["{{node y}}"], [("s:0", STR, [1], ["abc"])])
case("a pattern that is none", [hold("s", STR), hold("p", STR), hold("r", STR), node("y", "RegexReplace", "s", "p", "r")], ["y:0"], ["{{node y}}"],
     [("s:0", STR, [1], ["x"]), ("p:0", STR, [], ["("]), ("r:0", STR, [], [""])])
case("an example that is none", [hold("s", STR), const("names", STR, []), const("keys", STR, ["k"]), const("d", F32, []), const("e", STR, []),
     node("y", "ParseExampleV2", "s", "names", "e", "keys", "e", "d", Tdense=[F32], num_sparse=0, sparse_types=[], ragged_value_types=[], ragged_split_types=[], dense_shapes=[(1,)])],
     ["y:0"], ["{{node y}}", "Could not parse example input"], [("s:0", STR, [1], ["\x07\x07\x07"])])
case("an example without its feature", [hold("s", STR), const("names", STR, []), const("keys", STR, ["k"]), const("d", F32, []), const("e", STR, []),
     node("y", "ParseExampleV2", "s", "names", "e", "keys", "e", "d", Tdense=[F32], num_sparse=0, sparse_types=[], ragged_value_types=[], ragged_split_types=[], dense_shapes=[(1,)])],
     ["y:0"], ["{{node y}}", "Feature: k (data type: float) is required but could not be found"], [("s:0", STR, [1], [""])])

# ==== state ====

var = node("v", "VarHandleOp", dtype=F32, shape=(2,), shared_name="v")
case("a variable that has no value", [var, node("y", "ReadVariableOp", "v", dtype=F32)], ["y:0"], ["{{node y}}", "v"])
case("a variable added to that has no value", [var, two, node("y", "AssignAddVariableOp", "v", "two", dtype=F32)], [], ["{{node y}}"], targets=["y"], ours="FAILED_PRECONDITION", why="the same code whoever uses the variable")
case("a reference that has no value", [node("v", "VariableV2", dtype=F32, shape=(2,)), node("y", "Identity", "v", T=F32)], ["y:0"], ["Attempting to use uninitialized value v", "{{node"])
case("a variable read as another dtype", [var, two, node("a", "AssignVariableOp", "v", "two", dtype=F32), node("y", "ReadVariableOp", "v", "^a", dtype=I32)], ["y:0"], ["y"])
case("a variable of another shape", [var, three, node("y", "AssignVariableOp", "v", "three", dtype=F32)], [], ["y"], targets=["y"])
case("a variable updated by another shape", [var, two, node("a", "AssignVariableOp", "v", "two", dtype=F32), rows, node("y", "AssignAddVariableOp", "v", "rows", "^a", dtype=F32)], [], ["{{node y}}"], [("rows:0", F32, [3], [1, 2, 3])], targets=["y"])
case("a table that is not initialized", [node("t", "HashTableV2", key_dtype=STR, value_dtype=I64, shared_name="t"), const("k", STR, ["a"]), const("d", I64, 0),
     node("y", "LookupTableFindV2", "t", "k", "d", Tin=STR, Tout=I64)], ["y:0"], ["Table not initialized", "{{node y}}"])
case("a key twice in a table", [node("t", "HashTableV2", key_dtype=STR, value_dtype=I64, shared_name="t"), const("k", STR, ["a", "a"]), const("d", I64, [1, 2]),
     node("y", "LookupTableImportV2", "t", "k", "d", Tin=STR, Tout=I64)], [], ["{{node y}}", "a"], targets=["y"])
case("a table from a file that is not there", [node("t", "HashTableV2", key_dtype=STR, value_dtype=I64, shared_name="t"), const("f", STR, b"/no/such/file"),
     node("y", "InitializeTableFromTextFileV2", "t", "f", key_index=-2, value_index=-1)], [], ["{{node y}}", "/no/such/file"], targets=["y"])
case("a table where a variable is wanted", [node("t", "HashTableV2", key_dtype=STR, value_dtype=I64, shared_name="t"), node("y", "ReadVariableOp", "t", dtype=F32)], ["y:0"], ["y"])
case("a checkpoint that is not there", [const("p", STR, b"/no/such/prefix"), const("n", STR, ["v"]), const("s", STR, [""]), node("y", "RestoreV2", "p", "n", "s", dtypes=[F32])], ["y:0"], ["no access to files", "{{node y}}"], ours="FAILED_PRECONDITION", why="graphs have no access to files; the saver has")

def array_case(name, more, fetches, says, targets=()):
    case(name, [const("size", I32, 2), node("a", "TensorArrayV3", "size", dtype=F32), two] + more, fetches, says, targets=targets)


array_case("an array read before it is written", [const("i", I32, 0), node("y", "TensorArrayReadV3", "a", "i", "a:1", dtype=F32)], ["y:0"], ["{{node y}}", "0"])
array_case("an array read outside", [const("i", I32, 5), node("y", "TensorArrayReadV3", "a", "i", "a:1", dtype=F32)], ["y:0"], ["{{node y}}", "5"])
array_case("an array written twice", [const("i", I32, 1), node("w", "TensorArrayWriteV3", "a", "i", "two", "a:1", T=F32), node("y", "TensorArrayWriteV3", "a", "i", "two", "w", T=F32)], ["y:0"], ["{{node y}}", "1"])
array_case("an array written outside", [const("i", I32, 2), node("y", "TensorArrayWriteV3", "a", "i", "two", "a:1", T=F32)], ["y:0"], ["{{node y}}", "2"])
array_case("an array gathered outside", [const("i", I32, [9]), node("y", "TensorArrayGatherV3", "a", "i", "a:1", dtype=F32)], ["y:0"], ["{{node y}}", "9"])
case("an array of a negative size", [const("size", I32, -1), node("a", "TensorArrayV3", "size", dtype=F32)], ["a:1"], ["a"])
case("an array of 2^31 - 1", [hold("size", I32), node("y", "TensorArrayV3", "size", dtype=F32), const("i", I32, 2**31 - 2), node("r", "TensorArrayReadV3", "y", "i", "y:1", dtype=F32)], ["r:0"], ["node"], [("size:0", I32, [], [-7])])

shape0 = const("es", I32, [2])
case("an item of a list outside", [shape0, const("n", I32, 2), node("l", "TensorListReserve", "es", "n", element_dtype=F32, shape_type=I32), const("i", I32, 2),
     node("y", "TensorListGetItem", "l", "i", "es", element_dtype=F32)], ["y:0"], ["{{node y}}", "2"])
case("an item of a list of another dtype", [shape0, const("n", I32, 2), node("l", "TensorListReserve", "es", "n", element_dtype=F32, shape_type=I32), const("i", I32, 0),
     node("y", "TensorListGetItem", "l", "i", "es", element_dtype=I32)], ["y:0"], ["{{node y}}"])
case("popped from an empty list", [shape0, const("n", I32, -1), node("l", "EmptyTensorList", "es", "n", element_dtype=F32, shape_type=I32),
     node("y", "TensorListPopBack", "l", "es", element_dtype=F32)], ["y:1"], ["{{node y}}", "Trying to pop from an empty list"])
case("a list of a negative size", [shape0, hold("n", I32), node("y", "TensorListReserve", "es", "n", element_dtype=F32, shape_type=I32), node("z", "TensorListLength", "y")], ["z:0"], ["{{node y}}"], [("n:0", I32, [], [-4])])
case("pushed beyond a list's most", [shape0, const("n", I32, 0), two, node("l", "EmptyTensorList", "es", "n", element_dtype=F32, shape_type=I32),
     node("y", "TensorListPushBack", "l", "two", element_dtype=F32), node("z", "TensorListLength", "y")], ["z:0"], ["{{node y}}"])

# ==== functions, branches, loops ====

neg = function("neg", ["x"], ["y"], [node("n", "Neg", "x", T=F32)], {"y": "n:y:0"})
mul = function("mul", ["a", "b"], ["y"], [node("m", "MatMul", "a", "b", T=F32)], {"y": "m:product:0"})
outer = function("outer", ["a", "b"], ["y"], [call("inner", "mul", "a", "b")], {"y": "inner:output:0"}, stateful=True)
ab = [hold("a"), hold("b")]
misfit = [("a:0", F32, [2, 3], [1] * 6), ("b:0", F32, [2, 3], [1] * 6)]
case("a function that is not there", [two, call("y", "nobody", "two")], ["y:0"], ["nobody"], ours="NOT_FOUND", why="the same code whoever calls it")
case("a branch that is not there", [two, const("p", BOOL, True), node("y", "If", "p", "two", Tcond=BOOL, Tin=[F32], Tout=[F32], then_branch=func("neg"), else_branch=func("nobody"))], ["y:0"], ["nobody"], functions=[neg])
case("a body that is not there", [two, node("y", "While", "two", T=[F32], cond=func("nobody"), body=func("nobody"))], ["y:0"], ["nobody"])
case("a call with too few arguments", [call("y", "neg", tin=[])], ["y:0"], ["neg"], functions=[neg], ours="INVALID_ARGUMENT", why="it is the graph that is wrong")
case("a call with too many arguments", [two, call("y", "neg", "two", "two")], ["y:0"], ["neg"], functions=[neg])
case("a call with more results", [two, call("y", "neg", "two", tout=[F32, F32])], ["y:1"], ["neg"], functions=[neg], ours="INVALID_ARGUMENT", why="it is the graph that is wrong")
case("a call with another dtype", [const("i", I32, [1]), call("y", "neg", "i", tin=[I32])], ["y:0"], [], functions=[neg])
case("an error inside a function", ab + [call("f", "mul", "a", "b")], ["f:0"], ["Matrix size-incompatible: In[0]: [2,3], In[1]: [2,3]", "{{node f/m}}"], misfit, functions=[mul])
case("an error inside a function's function", ab + [call("f", "outer", "a", "b")], ["f:0"], ["Matrix size-incompatible", "{{node f/inner/m}}"], misfit, functions=[mul, outer])
case("an error inside a branch", ab + [const("p", BOOL, True), hold("q", BOOL), node("f", "If", "q", "a", "b", Tcond=BOOL, Tin=[F32, F32], Tout=[F32], then_branch=func("mul"), else_branch=func("mul"))], ["f:0"],
     ["Matrix size-incompatible", "m}}"], misfit + [("q:0", BOOL, [], [True])], functions=[mul])
case("a function whose result is nobody's", [two, call("y", "f", "two")], ["y:0"], ["f"], functions=[function("f", ["x"], ["y"], [], {"y": "nobody:y:0"})])
case("a function without its result", [two, call("y", "f", "two")], ["y:0"], ["f"], functions=[function("f", ["x"], ["y"], [], {})])
case("a function whose node has no such input", [two, call("y", "f", "two")], ["y:0"], ["f"], functions=[function("f", ["x"], ["y"], [node("n", "Neg", "z", T=F32)], {"y": "n:y:0"})])
case("a function with a cycle", [two, call("y", "f", "two")], ["y:0"], [], functions=[function("f", ["x"], ["y"], [node("n", "Neg", "m:y:0", T=F32), node("m", "Neg", "n:y:0", T=F32)], {"y": "n:y:0"})])
case("a function that has an argument twice", [two, call("y", "f", "two", "two")], ["y:0"], ["x"], functions=[function("f", ["x", "x"], ["y"], [], {"y": "x"})], ours="ALREADY_EXISTS", why="it is the name that is taken")
case("a function twice", [two, call("y", "neg", "two")], ["y:0"], ["neg"], functions=[neg, function("neg", ["x"], ["y"], [], {"y": "x"})])
case("branches of other dtypes", [two, hold("p", BOOL), node("y", "If", "p", "two", Tcond=BOOL, Tin=[F32], Tout=[F32], then_branch=func("neg"), else_branch=func("toint"))], ["y:0"], [], [("p:0", BOOL, [], [False])],
     functions=[neg, function("toint", ["x"], [("y", I32)], [node("n", "Cast", "x", SrcT=F32, DstT=I32)], {"y": "n:y:0"})], ours="INVALID_ARGUMENT", why="it is the graph that is wrong")
case("a loop whose condition is a string", [two, node("y", "While", "two", T=[F32], cond=func("neg"), body=func("neg"))], ["y:0"], [], functions=[neg], ours="OK", why="both go on while there are elements")
CASES.pop()  # an endless loop
lessthan = function("less", ["x"], [("y", BOOL)], [const("l", F32, 100.0), node("n", "Less", "x", "l:output:0", T=F32)], {"y": "n:z:0"})
case("a loop whose body gives another number", [const("s", F32, 1.0), node("y", "While", "s", T=[F32], cond=func("less"), body=func("pair"))], ["y:0"], [], functions=[lessthan,
     function("pair", ["x"], ["y", "z"], [], {"y": "x", "z": "x"})])
case("a loop whose body gives another dtype", [const("s", F32, 1.0), node("y", "While", "s", T=[F32], cond=func("less"), body=func("toint"))], ["y:0"], [], functions=[lessthan,
     function("toint", ["x"], [("y", I32)], [node("n", "Cast", "x", SrcT=F32, DstT=I32)], {"y": "n:y:0"})])
case("an error inside a loop", ab + [const("i", F32, 1.0), node("f", "While", "i", "a", "b", T=[F32, F32, F32], cond=func("less3"), body=func("mul3"))], ["f:1"], ["Matrix size-incompatible", "m}}"], misfit, functions=[
     function("less3", ["i", "a", "b"], [("y", BOOL)], [const("l", F32, 100.0), node("n", "Less", "i", "l:output:0", T=F32)], {"y": "n:z:0"}),
     function("mul3", ["i", "a", "b"], ["j", "y", "c"], [node("m", "MatMul", "a", "b", T=F32), node("n", "AddV2", "i", "i", T=F32)], {"j": "n:z:0", "y": "m:product:0", "c": "b"})])
case("a switch of another frame", [two, hold("p", BOOL), node("s", "Switch", "two", "p", T=F32), node("e", "Enter", "s", T=F32, frame_name="f"), node("y", "Exit", "two", T=F32)], ["y:0"], [], [("p:0", BOOL, [], [True])])
case("a dead value fetched", [two, hold("p", BOOL), node("s", "Switch", "two", "p", T=F32), node("y", "Neg", "s:0", T=F32)], ["y:0"],
     ["y"], [("p:0", BOOL, [], [True])], ours="INVALID_ARGUMENT", why="as Session::Run has it")
case("a loop that is not closed", [two, node("e", "Enter", "two", T=F32, frame_name="f"), node("y", "Neg", "e", T=F32)], ["y:0"], [], ours="INVALID_ARGUMENT", why="nothing ever leaves the frame")
case("a next iteration of nothing", [node("n", "NextIteration", "m", T=F32), node("m", "Merge", "n", "n", T=F32, N=2)], ["m:0"], [])


# ==== asking TensorFlow ====

CODES = {e: c for c, e in ((n, getattr(tf.errors, n + "Error" if n != "Cancelled" else "CancelledError")) for n in (
    "InvalidArgument", "NotFound", "FailedPrecondition", "OutOfRange", "Unimplemented", "Internal", "ResourceExhausted", "AlreadyExists", "DataLoss", "Aborted",
    "Unauthenticated", "PermissionDenied", "Unavailable", "DeadlineExceeded", "Cancelled"))}


def snake(name):
    return "".join("_" + c if c.isupper() and i else c for i, c in enumerate(name)).upper()


def code_of(e):
    for cls, name in CODES.items():
        if isinstance(e, cls):
            return snake(name)
    return "NOT_FOUND" if isinstance(e, KeyError) else "INVALID_ARGUMENT"


def value_of(dtype, shape, values):
    if dtype == STR:
        return np.array([v.encode("latin-1") for v in values], object).reshape(shape)
    return np.array(values, dtype.as_numpy_dtype).reshape(shape)


def ask(c):
    """TensorFlow's code and message for a case."""
    try:
        with tf.Graph().as_default() as g:
            tf.import_graph_def(c["graph"], name="")
            config = v1.ConfigProto()
            config.graph_options.rewrite_options.disable_meta_optimizer = True
            with v1.Session(graph=g, config=config) as s:
                options = config_pb2.CallableOptions(feed=[f[0] for f in c["feeds"]], fetch=c["fetches"], target=c["targets"])
                s._extend_graph()
                s._make_callable_from_options(options)(*[value_of(*f[1:]) for f in c["feeds"]])
    except Exception as e:  # noqa: whatever it is, its kind is the answer
        return code_of(e), str(e).split("\n\nOriginal stack trace")[0]
    return "OK", ""


def frozen_form(c, code, message):
    d = dict(name=c["name"], code=c["ours"] or code, says=c["says"], feeds=[[f[0], types_pb2.DataType.Name(f[1].as_datatype_enum)[3:].lower(), f[2], json_values(f[3])] for f in c["feeds"]],
             fetches=c["fetches"], targets=c["targets"], tensorflow=code + ": " + message[:300],
             graph=text_format.MessageToString(c["graph"], as_one_line=True))
    if c["why"]:
        d["why"] = c["why"]
    return d


def json_values(values):
    return [v if not isinstance(v, float) or v == v else "nan" for v in values]


def write(path):
    with open(path, "w") as f:
        for c in CASES:
            code, message = ask(c)
            f.write(json.dumps(frozen_form(c, code, message)) + "\n")


def check():
    frozen = {d["name"]: d for d in map(json.loads, open(FROZEN))}
    failed = 0
    for c in CASES:
        code, message = ask(c)
        want = frozen[c["name"]]["tensorflow"].split(":")[0]
        if code != want:
            print("not ok - %s: %s instead of %s: %s" % (c["name"], code, want, message))
            failed += 1
    print("%d passed, %d failed" % (len(CASES) - failed, failed))
    return failed


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--write":
        write(sys.argv[2])
    else:
        sys.exit(check() != 0)
