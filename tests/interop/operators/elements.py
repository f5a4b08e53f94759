# SPDX-License-Identifier: Apache-2.0
"""What only moves elements, with those that are no plain numbers: handles of variables, lists, quantised numbers, floats of
eight bits, integers of four, strings. They are made of numbers and shown as numbers."""
from case import *

STORED = {"qint8": I8, "quint8": U8, "qint16": I16, "quint16": U16, "qint32": I32, "float8_e5m2": F32, "float8_e4m3fn": F32,
          "int4": I32, "uint4": U32, "resource": I32, "variant": I32, "bool": BOOL, "string": STRING}
MOST = 4  # variables, lists


def value_of(v):
    kinds = {tf.DType: lambda: {"type": v.as_datatype_enum}, bool: lambda: {"b": v}, int: lambda: {"i": v}, bytes: lambda: {"s": v},
             tuple: lambda: {"shape": tf.TensorShape(v).as_proto()}}
    return v1.AttrValue(**kinds[type(v)]())


def op(name, inputs, outputs, **attrs):
    return v1.get_default_graph().create_op(name, inputs, outputs, attrs={k: value_of(v) for k, v in attrs.items()})


def one(name, inputs, output, **attrs):
    return op(name, inputs, [output], **attrs).outputs[0]


def i32(*v):
    return tf.constant(v, tf.int32)


# ==== numbers as elements of a dtype, and back ====

def lists(n):
    return [one("TensorListFromTensor", [i32(i), i32()], tf.variant, element_dtype=tf.int32, shape_type=tf.int32) for i in range(n)]


def variables(n):
    handles = [one("VarHandleOp", [], tf.resource, dtype=tf.int32, shape=(), shared_name=b"v%d" % i, container=b"") for i in range(n)]
    sets = [op("AssignVariableOp", [h, tf.constant(i)], [], dtype=tf.int32) for i, h in enumerate(handles)]
    with v1.control_dependencies(sets):
        return [one("Identity", [h], tf.resource, T=tf.resource) for h in handles]


def made(x, t):
    if t.name in ("resource", "variant"):
        each = (variables if t == tf.resource else lists)(MOST)
        return gather(one("Pack", each, t, N=MOST, T=t, axis=0), x, t)
    if t.is_quantized:
        return tf.bitcast(x, t)
    return x if t in (tf.bool, tf.string) else tf.cast(x, t)


def gather(x, at, t):
    return one("GatherV2", [x, at, tf.constant(0)], t, Tparams=t, Tindices=tf.int32, Taxis=tf.int32, batch_dims=0)


def shown(x):
    t = x.dtype
    if t not in (tf.resource, tf.variant):
        stored = tf.as_dtype(STORED.get(t.name, t.as_numpy_dtype))
        return x if stored == t else tf.bitcast(x, stored) if t.is_quantized else tf.cast(x, stored)
    if not x.shape.num_elements():
        return one("Shape", [x], tf.int32, T=t, out_type=tf.int32)
    n = x.shape.num_elements()
    each = op("Unpack", [reshaped(x, t, -1)], [t] * n, num=n, T=t, axis=0).outputs
    if t == tf.resource:
        return tf.stack([one("ReadVariableOp", [e], tf.int32, dtype=tf.int32) for e in each])
    return tf.stack([one("TensorListStack", [e, i32()], tf.int32, element_dtype=tf.int32, num_elements=1) for e in each])


# ==== operators ==== each of x, 2 by 3 elements of dtype t

def reshaped(x, t, *shape):
    return one("Reshape", [x, i32(*shape)], t, T=t, Tshape=tf.int32)


def scalar(x, t):
    return gather(reshaped(x, t, 6), tf.constant(4), t)


def array(t, shape=(3,)):
    return op("TensorArrayV3", [tf.constant(2)], [tf.resource, tf.float32], dtype=t, element_shape=shape, dynamic_size=False, clear_after_read=True,
              identical_element_shapes=True, tensor_array_name=b"").outputs


def scattered(x, t):
    h, flow = array(t)
    flow = one("TensorArrayScatterV3", [h, i32(0, 1), x, flow], tf.float32, T=t)
    return one("TensorArrayGatherV3", [h, i32(1, 0), flow], t, dtype=t, element_shape=(3,))


def written(x, t):
    h, flow = array(t, (2, 3))
    flow = one("TensorArrayWriteV3", [h, tf.constant(1), x, flow], tf.float32, T=t)
    return one("TensorArrayReadV3", [h, tf.constant(1), flow], t, dtype=t)


def list_of(x, t):
    return one("TensorListFromTensor", [x, i32(3)], tf.variant, element_dtype=t, shape_type=tf.int32)


def held(x, t):
    h = one("VarHandleOp", [], tf.resource, dtype=t, shape=(2, 3), shared_name=b"held", container=b"")
    with v1.control_dependencies([op("AssignVariableOp", [h, x], [], dtype=t)]):
        return one("ReadVariableOp", [h], t, dtype=t)


def popped(x, t):
    h = one("StackV2", [tf.constant(2)], tf.resource, elem_type=t, stack_name=b"")
    with v1.control_dependencies([op("StackPushV2", [h, x], [t], T=t, swap_memory=False)]):
        return one("StackPopV2", [h], t, elem_type=t)


def looked_up(x, t):
    h = one("MutableHashTableV2", [], tf.resource, key_dtype=tf.int64, value_dtype=t, shared_name=b"table", container=b"", use_node_name_sharing=False)
    keys = tf.range(6, dtype=tf.int64)
    with v1.control_dependencies([op("LookupTableInsertV2", [h, keys, reshaped(x, t, 6)], [], Tin=tf.int64, Tout=t)]):
        return one("LookupTableFindV2", [h, keys * 2, scalar(x, t)], t, Tin=tf.int64, Tout=t)


I = tf.int32
OPERATORS = {
    "BroadcastTo": lambda x, t: one("BroadcastTo", [x, i32(2, 2, 3)], t, T=t, Tidx=I),
    "Concat": lambda x, t: one("Concat", [tf.constant(0), x, x], t, N=2, T=t),
    "ConcatV2": lambda x, t: one("ConcatV2", [x, x, tf.constant(1)], t, N=2, T=t, Tidx=I),
    "DynamicPartition": lambda x, t: op("DynamicPartition", [x, i32(1, 0)], [t, t], num_partitions=2, T=t).outputs,
    "DynamicStitch": lambda x, t: one("DynamicStitch", [i32(0, 1), i32(1, 2), x, x], t, N=2, T=t),
    "ExpandDims": lambda x, t: one("ExpandDims", [x, tf.constant(0)], t, T=t, Tdim=I),
    "Fill": lambda x, t: one("Fill", [i32(2, 2), scalar(x, t)], t, T=t, index_type=I),
    "Gather": lambda x, t: one("Gather", [x, i32(1, 0)], t, Tparams=t, Tindices=I),
    "GatherNd": lambda x, t: one("GatherNd", [x, tf.constant([[1, 0], [0, 2]])], t, Tparams=t, Tindices=I),
    "GatherV2": lambda x, t: one("GatherV2", [x, i32(2, 0), tf.constant(1)], t, Tparams=t, Tindices=I, Taxis=I, batch_dims=0),
    "Identity": lambda x, t: one("Identity", [x], t, T=t),
    "LookupTableFindV2": looked_up,
    "MirrorPad": lambda x, t: one("MirrorPad", [x, tf.constant([[1, 0], [0, 1]])], t, T=t, Tpaddings=I, mode=b"REFLECT"),
    "Pack": lambda x, t: one("Pack", [x, x], t, N=2, T=t, axis=1),
    "Pad": lambda x, t: one("Pad", [x, tf.constant([[1, 0], [0, 1]])], t, T=t, Tpaddings=I),
    "PadV2": lambda x, t: one("PadV2", [x, tf.constant([[1, 0], [0, 1]]), scalar(x, t)], t, T=t, Tpaddings=I),
    "ParallelDynamicStitch": lambda x, t: one("ParallelDynamicStitch", [i32(0, 1), i32(2, 3), x, x], t, N=2, T=t),
    "ReverseV2": lambda x, t: one("ReverseV2", [x, i32(1)], t, T=t, Tidx=I),
    "Roll": lambda x, t: one("Roll", [x, tf.constant(1), tf.constant(1)], t, T=t, Tshift=I, Taxis=I),
    "ScatterNd": lambda x, t: one("ScatterNd", [tf.constant([[2], [2]]), x, i32(3, 3)], t, T=t, Tindices=I),
    "Select": lambda x, t: one("Select", [tf.constant([True, False]), x, gather(x, i32(1, 0), t)], t, T=t),
    "SelectV2": lambda x, t: one("SelectV2", [tf.constant([True, False, True]), x, gather(x, i32(1, 0), t)], t, T=t),
    "Slice": lambda x, t: one("Slice", [x, i32(0, 1), i32(2, 1)], t, T=t, Index=I),
    "Split": lambda x, t: op("Split", [tf.constant(0), x], [t, t], num_split=2, T=t).outputs,
    "SplitV": lambda x, t: op("SplitV", [x, i32(1, 2), tf.constant(1)], [t, t], num_split=2, T=t, Tlen=I).outputs,
    "Squeeze": lambda x, t: one("Squeeze", [reshaped(x, t, 3, 1, 2)], t, T=t),
    "StackPopV2": popped,
    "StridedSlice": lambda x, t: one("StridedSlice", [x, i32(0, 2), i32(2, -4), i32(1, -2)], t, T=t, Index=I),
    "Switch": lambda x, t: op("Switch", [x, tf.constant(True)], [t, t], T=t).outputs[1],
    "TensorArrayGatherV3": scattered,
    "TensorArrayReadV3": written,
    "TensorListConcat": lambda x, t: op("TensorListConcat", [list_of(x, t)], [t, tf.int64], element_dtype=t, element_shape=(3,)).outputs[0],
    "TensorListGetItem": lambda x, t: one("TensorListGetItem", [list_of(x, t), tf.constant(1), i32(3)], t, element_dtype=t),
    "TensorListStack": lambda x, t: one("TensorListStack", [list_of(x, t), i32(3)], t, element_dtype=t, num_elements=2),
    "TensorScatterUpdate": lambda x, t: one("TensorScatterUpdate", [x, tf.constant([[1], [0]]), x], t, T=t, Tindices=I),
    "TensorStridedSliceUpdate": lambda x, t: one("TensorStridedSliceUpdate", [x, i32(0), i32(1), i32(1), one("StridedSlice", [x, i32(1), i32(2), i32(1)], t, T=t, Index=I)], t, T=t, Index=I),
    "Tile": lambda x, t: one("Tile", [x, i32(2, 1)], t, T=t, Tmultiples=I),
    "Transpose": lambda x, t: one("Transpose", [x, i32(1, 0)], t, T=t, Tperm=I),
    "Unpack": lambda x, t: op("Unpack", [x], [t] * 3, num=3, T=t, axis=1).outputs,
    "VarHandleOp": held,
    "ZerosLike": lambda x, t: one("ZerosLike", [x], t, T=t),
}


def shown_all(outs):
    return [shown(o) for o in (outs if isinstance(outs, (list, tuple)) else [outs])]


def draw_of(rng, name):
    if name == "string":
        return texts(rng, ["", "a", "bc", "déf"], 2, 3)
    if name in ("resource", "variant"):
        return rng.integers(0, MOST, (2, 3)).astype(I32)
    return draw(rng, STORED[name], 2, 3)


def casts(rng):
    """Between the dtypes of eight and four bits and those of which TensorFlow makes them: ties, what is too large, what is no number."""
    hard = np.array([0, -0.0, 1.0625, 1.1875, 448, 464, 465, 57344, 61440, 1.99, 1e9, np.inf, -np.inf, np.nan, 2**-9, 2**-10, 1.5 * 2**-10, 2**-16, 2**-17, 3 * 2**-18, -0.3])
    for t in map(tf.as_dtype, ("float8_e5m2", "float8_e4m3fn")):
        for a in FLOATS:
            yield case("Cast", lambda x, t=t: [tf.cast(tf.cast(x, t), tf.float32), tf.cast(tf.cast(x, t), tf.bool)], hard.astype(a))
            yield case("Cast_Truncate", lambda x, t=t: tf.cast(raw.Cast(x=x, DstT=t, Truncate=True), tf.float32), hard.astype(a))
        for b in FLOATS + INTS + [C64, C128]:
            yield case("Cast", lambda x, t=t, b=b: tf.cast(tf.cast(x, t), tf.as_dtype(b)), draw(rng, F32, 30, low=-60, high=60) if np.dtype(b).kind != "u" else draw(rng, F32, 30, low=0, high=60))
    for t in (tf.half, tf.bfloat16):
        yield case("Cast_Truncate", lambda x, t=t: raw.Cast(x=x, DstT=t, Truncate=True), np.array([1.9999999999999, -4.0000000001, 0.1, 65519.9, np.nan]), tol=(0, 0))
    for t in map(tf.as_dtype, ("int4", "uint4")):
        for a in INTS:
            yield case("Cast", lambda x, t=t: [tf.cast(tf.cast(x, t), tf.as_dtype(b)) for b in (I8, U8, I32, I64, U64)], draw(rng, a, 12, low=0 if np.dtype(a).kind == "u" else -100, high=100))
        yield case("Fill", lambda x, t=t: tf.cast(one("Fill", [i32(2, 3), tf.cast(x, t)], t, T=t, index_type=I), tf.int32), np.array(rng.integers(-8, 8), I32))


def through_others(x):
    """A variable that is set by way of a handle among others, and read by its own."""
    each = variables(MOST)
    picked = gather(one("Pack", each, tf.resource, N=MOST, T=tf.resource, axis=0), x, tf.resource)
    with v1.control_dependencies([one("ReadVariableOp", [h], tf.int32, dtype=tf.int32) for h in each]):
        new = tf.constant(70)
    with v1.control_dependencies([op("AssignVariableOp", [picked, new], [], dtype=tf.int32)]):
        return [one("ReadVariableOp", [h], tf.int32, dtype=tf.int32) for h in each]


def cases(rng):
    for name, build in OPERATORS.items():
        for t in STORED:
            dtype = tf.as_dtype(t)

            def made_shown(x, build=build, dtype=dtype):
                return shown_all(build(made(x, dtype), dtype))
            yield case("%s_%s" % (name, t), made_shown, draw_of(rng, t), shapes="known")
    yield case("AssignVariableOp", through_others, np.array(rng.integers(0, MOST), I32))
    yield from casts(rng)
