# SPDX-License-Identifier: Apache-2.0
"""Operators that few graphs have: what a debugger counts, top elements for accelerators, protobuf messages,
composite tensors as variants."""
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tensorflow.core.protobuf import composite_tensor_variant_pb2, struct_pb2

from case import *


def debugged(rng):
    odd = np.array([[1, np.nan, 2, 0], [np.inf, -np.inf, -3, -0.0]])
    for t in FLOATS + INTS + [BOOL]:
        shape = shape_of(rng, int(rng.integers(0, 4)), 4, 0.2)
        values = [draw(rng, t, *shape), draw(rng, t, *shape_of(rng, 8, 2, 0))] + ([odd.astype(t)] if t in FLOATS else [])
        for x in values:
            if t not in (F16, BF16) and np.ndim(x) < 8:
                kw = dict(tensor_name=pick(rng, "x", "x:0"), **pick(rng, {}, dict(lower_bound=-1.0, upper_bound=1.5)))
                yield case("DebugNumericSummary", lambda x, kw=kw: raw.DebugNumericSummary(input=x, **kw), x, tol=(1e-5, 1e-6))
            yield case("DebugNanCount", lambda x: raw.DebugNanCount(input=x, tensor_name="a/b:1"), x)
            mode, out = pick(rng, 2, 3, 4, 5, 8), pick(rng, tf.float32, tf.float64)
            yield case("DebugNumericSummaryV2", lambda x, m=mode, o=out: raw.DebugNumericSummaryV2(input=x, tensor_debug_mode=m, tensor_id=7, output_dtype=o), x)
    x = odd.astype(F32)
    for name in ("", "x", "x:0", "x:0:DebugNanCount"):
        yield case("DebugNanCount", lambda x, n=name: raw.DebugNanCount(input=x, tensor_name=n), x)
    for m in (2, 3, 4, 5, 8):
        yield case("DebugNumericSummaryV2", lambda x, m=m: raw.DebugNumericSummaryV2(input=x, tensor_debug_mode=m, tensor_id=3), x)
    yield case("DebugNumericSummaryV2", lambda x: raw.DebugNumericSummaryV2(input=x, tensor_debug_mode=3, tensor_id=2**24 + 1), x)
    yield case("DebugNumericSummaryV2", lambda x: raw.DebugNumericSummaryV2(input=x, tensor_debug_mode=3, tensor_id=2**24 + 1, output_dtype=tf.float64), x)


def top(rng):
    for t in (F16, BF16, F32):
        for k in (0, 1, 3):
            yield case("ApproxTopK", lambda x, k=k: list(raw.ApproxTopK(input=x, k=k)), draw(rng, t, *shape_of(rng, int(rng.integers(0, 3)), 3, 0), 4), grad=[0] if t == F32 else [])
    for x in (np.array([1, np.nan, 3, np.nan, 2], F32), np.array([2, 1, 2, 2], F32), np.ones(2, F32), np.ones((), F32)):
        yield case("ApproxTopK", lambda x: list(raw.ApproxTopK(input=x, k=3, aggregate_to_topk=False)), x, shapes="unknown")


KINDS = ["double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "group", "message", "bytes", "uint32", "enum", "sfixed32", "sfixed64", "sint32", "sint64"]
TAKEN = dict(double="float64", float="float32 float64", int64="int64", uint64="uint64", int32="int32 int64", fixed64="uint64", fixed32="uint32 uint64", bool="bool", uint32="uint32 uint64",
             enum="int32", sfixed32="int32 int64", sfixed64="int64", sint32="int32 int64", sint64="int64", string="string", bytes="string", message="string")


def declarations():
    """A message p.M.N with a field r_KIND (repeated), o_KIND (optional) and d_KIND (with a default) of each kind, and two that are packed or not."""
    f = descriptor_pb2.FileDescriptorProto(name="a.proto", package="p")
    outer = f.message_type.add(name="M")
    m = outer.nested_type.add(name="N")
    m.nested_type.add(name="S").field.add(name="x", number=1, type=5, label=1)
    e = outer.enum_type.add(name="E")
    for name, number in (("FIVE", 5), ("MINUS", -1), ("ZERO", 0)):
        e.value.add(name=name, number=number)
    given = dict(double="1.5", float="-inf", bool="true", string="hey", enum="MINUS", bytes="by")
    for i, kind in enumerate(KINDS):
        if kind == "group":
            continue
        of = {"message": ".p.M.N.S", "enum": ".p.M.E"}.get(kind)
        for at, (prefix, label) in enumerate((("r_", 3), ("o_", 1), ("d_", 1), ("p_", 3))):
            if (prefix, kind) in (("d_", "message"), ("p_", "string"), ("p_", "bytes"), ("p_", "message")):
                continue
            x = m.field.add(name=prefix + kind, number=20 * at + i + 1, type=i + 1, label=label, type_name=of)
            if prefix == "d_":
                x.default_value = given.get(kind, "7" if kind[0] in "uf" else "-7")
            if prefix == "p_":
                x.options.packed = True
    return f


def random_message(rng, make, f):
    m = make()
    for x in f.message_type[0].nested_type[0].field:
        kind = KINDS[x.type - 1]
        if rng.random() < 0.4:
            continue
        bits = 32 if "32" in kind else 63
        def value():
            if kind in ("string", "bytes"):
                return pick(rng, "", "ab", "xyz") if kind == "string" else pick(rng, b"", b"\x00\xff")
            if kind in ("double", "float"):
                return float(np.float32(rng.uniform(-9, 9)))
            return {"bool": bool(rng.integers(2)), "enum": int(pick(rng, 5, -1, 0))}.get(kind, int(rng.integers(0 if kind[0] in "u" or kind[:3] == "fix" else -2**(bits - 1), 2**(bits - 1))))
        if kind == "message":
            for _ in range(rng.integers(0, 3) if x.label == 3 else 1):
                (getattr(m, x.name).add() if x.label == 3 else getattr(m, x.name)).x = int(rng.integers(-5, 5))
        elif x.label == 3:
            getattr(m, x.name).extend(value() for _ in range(rng.integers(0, 4)))
        else:
            setattr(m, x.name, value())
    return m.SerializeToString()


def messages(rng):
    f = declarations()
    pool = descriptor_pool.DescriptorPool()
    pool.Add(f)
    make = message_factory.GetMessageClass(pool.FindMessageTypeByName("p.M.N"))
    source = b"bytes://" + descriptor_pb2.FileDescriptorSet(file=[f]).SerializeToString()
    kinds = {x.name: KINDS[x.type - 1] for x in f.message_type[0].nested_type[0].field}
    def decode(names, types, message="p.M.N", **kw):
        def build(x):
            sizes, values = raw.DecodeProtoV2(bytes=x, message_type=message, field_names=names, output_types=[tf.as_dtype(t) for t in types], descriptor_source=source, **kw)
            return [sizes, *values]
        return build
    def encode(names, message="p.M.N"):
        return lambda sizes, *values: raw.EncodeProto(sizes=sizes, values=list(values), field_names=names, message_type=message, descriptor_source=source)
    def some(shape):
        x = np.empty(shape, object)
        for i in np.ndindex(*shape):
            x[i] = random_message(rng, make, f)
        return x
    for shape in ((), (3,), (2, 2), (1, 3, 1)):
        names = [str(n) for n in rng.permutation(sorted(kinds))[:int(rng.integers(1, 30))]]
        yield case("DecodeProtoV2", decode(names, [pick(rng, *TAKEN[kinds[n]].split()) for n in names]), some(shape))
    for at in (0, 1):
        names = sorted(kinds)[at::2]
        yield case("DecodeProtoV2", decode(names, [TAKEN[kinds[n]].split()[0] for n in names]), some((4,)))
        yield case("DecodeProtoV2", decode(names, [TAKEN[kinds[n]].split()[-1] for n in names]), np.array([b""], object))
    x = np.array([make(o_int32=3).SerializeToString() + make(o_int32=4, r_int32=[1, 2]).SerializeToString()], object)
    packed = make(p_int32=[1, -2], p_double=[1.5]).SerializeToString().replace(b"\xe2\x04", b"\x2a").replace(b"\xea\x03", b"\x0a")
    for names, types, v in ((["o_int32", "o_int32"], ["int32", "int64"], x), (["zz"], ["int32"], x), (["o_float"], ["int32"], x), (["o_uint32"], ["int64"], x), (["o_int32"], ["int32"], x[:0]),
                            (["o_int32"], ["int32"], np.array([b"\xff"], object)), (["o_int32"], ["int32"], np.array([b"\x0a\xff"], object)), (["r_int32"], ["int32"], np.array([b"\x2a\x02\x01\xff"], object)),
                            (["o_int32"], ["int32"], np.array([b"\x2d\x01\x02\x03\x04"], object)), (["o_int32", "o_message"], ["int32"], x), (["p_int32", "r_int32"], ["int32", "int32"], np.array([packed], object))):
        yield case("DecodeProtoV2", decode(names, types), v, shapes="unknown")
    yield case("DecodeProtoV2", decode(["o_int32"], ["int32"], message="p.None"), x)
    numbers = [n for n in sorted(kinds) if n[:2] != "d_"]
    for which in (0, -1):
        for batch in ((), (3,), (2, 2)):
            names = [str(n) for n in rng.permutation(numbers)[:int(rng.integers(1, 25))]]
            values, sizes = [], []
            for n in names:
                t, most = TAKEN[kinds[n]].split()[which], int(rng.integers(1, 4))
                shape = (*batch, most)
                v = texts(rng, [b"\x08\x05"] if kinds[n] == "message" else ["", "ab"], *shape) if t == "string" else draw(rng, tf.as_dtype(t).as_numpy_dtype, *shape)
                values.append(v)
                sizes.append(rng.integers(0, most + 1, batch))
            yield case("EncodeProto", encode(names), np.stack(sizes, -1).astype(I32), *values)
    one = np.array([[1, 2]], I32)
    for names, sizes, values in ((["o_int32"], [[3]], [one]), (["zz"], [[1]], [one]), (["o_uint32"], [[1]], [one.astype(I64)]), (["o_int32"], [[1, 1]], [one]), (["o_int32"], [[1], [1]], [one]),
                                 (["o_int32", "r_int32"], [[1, 1]], [one, one[0]]), (["r_uint32"], [[2]], [one.astype(U32)])):
        yield case("EncodeProto", encode(names), np.array(sizes, I32), *values, shapes="unknown")


def composites(rng):
    """As variants and back; also as another type, of other components."""
    def spec(kind, n, name=""):
        m = composite_tensor_variant_pb2.CompositeTensorVariantMetadata()
        m.type_spec_proto.MergeFrom(struct_pb2.TypeSpecProto(type_spec_class=kind, num_flat_components=n, type_spec_class_name=name))
        return m.SerializeToString()
    sparse, ragged, mine, other = spec(1, 3, "SparseTensorSpec"), spec(3, 2, "RaggedTensorSpec"), spec(13, 2, "Mine"), spec(13, 2, "Other")
    def there_and_back(a, b, types, x, grad=()):
        return case("CompositeTensorVariant", lambda *v: list(raw.CompositeTensorVariantToComponents(
            encoded=raw.CompositeTensorVariantFromComponents(components=list(v), metadata=a), metadata=b, Tcomponents=types)), *x, grad=list(grad), shapes="unknown")
    rows, values = np.array([0, 2, 3], I64), draw(rng, F32, 3)
    yield there_and_back(sparse, sparse, [tf.int64, tf.string, tf.int64], [np.array([[0, 1], [2, 0]], I64), texts(rng, ["a", "bc"], 2), np.array([3, 2], I64)])
    for a, b, types in ((ragged, ragged, [tf.float32, tf.int64]), (mine, mine, [tf.float32, tf.int64]), (mine, other, [tf.float32, tf.int64]), (ragged, sparse, [tf.float32, tf.int64]),
                        (ragged, ragged, [tf.float64, tf.int64]), (ragged, ragged, [tf.float32]), (ragged, b"x\xff", [tf.float32, tf.int64]), (b"x\xff", ragged, [tf.float32, tf.int64])):
        yield there_and_back(a, b, types, [values, rows])
    yield there_and_back(mine, mine, [tf.float32, tf.float32], [values, draw(rng, F32, 2, 2)], grad=[0, 1])
    yield case("CompositeTensorVariant", lambda x: list(raw.CompositeTensorVariantToComponents(encoded=raw.OptionalFromValue(components=[x]), metadata=mine, Tcomponents=[tf.float32])), values)


def calibration(rng):
    """Where nothing is written: the file is there when TensorFlow's operation goes. What is in it, unit tests say."""
    f, h = F32(1), np.arange(3, dtype=I64)
    for inputs, ids, methods in (([f, f, h], 2, 2), ([f, f, h], 1, 2), ([f, f], 1, 1), ([f, h, f], 1, 1), ([h, f, h], 1, 1), ([f, f, f], 1, 1)):
        def build(*x, ids=ids, methods=methods):
            kw = dict(Tin=v1.AttrValue(list=v1.AttrValue.ListValue(type=[t.dtype.as_datatype_enum for t in x])), ids=v1.AttrValue(list=v1.AttrValue.ListValue(s=[b"a"] * ids)),
                      calibration_methods=v1.AttrValue(list=v1.AttrValue.ListValue(i=[1] * methods)), output_file_path=v1.AttrValue(s=b"/tmp/turnery_calibration"))
            with v1.control_dependencies([v1.get_default_graph().create_op("CalibrationStatisticsSaver", list(x), [], attrs=kw)]):
                return tf.identity(x[0])
        yield case("CalibrationStatisticsSaver", build, *inputs, shapes="known")


def chosen(rng):
    """Lists, by Select."""
    for op, which in (("Select", [True, False]), ("SelectV2", [True, False]), ("SelectV2", False)):
        def build(x, y, op=op, which=which):
            a, b = (tf.stack([raw.TensorListFromTensor(tensor=v[k], element_shape=tf.zeros([0], tf.int32)) for k in range(2)]) for v in (x, y))
            lists = getattr(raw, op)(condition=which, t=a, e=b) if op == "SelectV2" else raw.Select(condition=which, x=a, y=b)
            return [raw.TensorListStack(input_handle=l, element_shape=tf.zeros([0], tf.int32), element_dtype=tf.float32) for l in tf.unstack(lists, 2)]
        yield case(op, build, draw(rng, F32, 2, 3), draw(rng, F32, 2, 4), shapes="known")


def cases(rng):
    yield from debugged(rng)
    yield from top(rng)
    yield from messages(rng)
    yield from composites(rng)
    yield from calibration(rng)
    yield from chosen(rng)
