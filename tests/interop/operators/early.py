# SPDX-License-Identifier: Apache-2.0
"""Operators of TensorFlow's first years that graphs still have."""
import os
import tempfile

from case import *
from tensorflow.core.framework import graph_pb2


def before(version, build):
    """build in a graph of a producer before operators were taken out of TensorFlow."""
    def made(*ph):
        tf.graph_util.import_graph_def(graph_pb2.GraphDef(versions={"producer": version}), name="")
        return build(*ph)
    return made


def sounds(rng):
    for shape in ((2, 5), (1, 3, 2)):
        yield case("AudioSummary", before(14, lambda x, n=shape[0]: raw.AudioSummary(tag="a", tensor=x, sample_rate=800., max_outputs=n)), draw(rng, F32, *shape, low=-1, high=1))


def contrasts(rng):
    for t in (U8, I8, I16, I32, I64, F32, F64):
        x = draw(rng, t, *shape_of(rng, pick(rng, 3, 4), 4, 0.05))
        yield case("AdjustContrast", before(1, lambda x, f, a, b: raw.AdjustContrast(images=x, contrast_factor=f, min_value=a, max_value=b)), x, F32(rng.uniform(0, 3)), F32(-3), F32(5))


def convolutions(rng):
    for t in (F32, F64):
        for padding in ("SAME", "VALID"):
            x, f, strides = draw(rng, t, 1, 4, 3, 5, 2), draw(rng, t, 2, 1, 2, 2, 3), [1, int(rng.integers(1, 3)), 1, int(rng.integers(1, 3)), 1]
            size = lambda n, k, s: -(-n // s) if padding == "SAME" else -(-(n - k + 1) // s)
            dy = draw(rng, t, 1, size(4, 2, strides[1]), size(3, 1, 1), size(5, 2, strides[3]), 3)
            for op in ("Conv3DBackpropInput", "Conv3DBackpropFilter"):
                yield case(op, before(9, lambda x, f, dy, op=getattr(raw, op), s=strides, p=padding: op(input=x, filter=f, out_backprop=dy, strides=s, padding=p)), x, f, dy)


def crops(rng):
    for t in (U8, I8, I16, I32, I64, F32, F64):
        shape = [int(rng.integers(1, 7)), int(rng.integers(1, 7)), int(rng.integers(1, 4))]
        size = np.array([int(rng.integers(0, n + 1)) for n in shape[:2]], I64)
        yield case("RandomCrop", before(7, lambda x, s, k=int(rng.integers(1, 99)): of_type("RandomCrop", [x, s], [x.dtype], T=x.dtype, seed=k, seed2=3).outputs[0]), draw(rng, t, *shape), size)
    yield case("RandomCrop", before(7, lambda x, s: of_type("RandomCrop", [x, s], [x.dtype], T=x.dtype, seed=1, seed2=3).outputs[0]), draw(rng, F32, 2, 2, 3), np.array([3, 2], I64))


def of_type(name, inputs, types, **attrs):
    """An operation that has no function in Python any more."""
    A = v1.AttrValue
    value = lambda v: A(type=v.as_datatype_enum) if isinstance(v, tf.DType) else A(i=v) if isinstance(v, int) else A(f=v) if isinstance(v, float) else A(s=v) if isinstance(v, bytes) else A(list=A.ListValue(i=v))
    return v1.get_default_graph().create_op(name, inputs, types, attrs={k: value(v) for k, v in attrs.items()})


def words(rng):
    """No two words are equally frequent."""
    path, kept = os.path.join(tempfile.gettempdir(), "turnery_words"), [b"the", b"a", b"cat", b"mat", b"sat"]
    def skipgrams(text, batch, **attrs):
        attrs = {**dict(window_size=2, min_count=3, subsample=0.), **attrs}
        def build(n):
            with open(path, "wb") as f:
                f.write(text)
            with v1.control_dependencies([raw.WriteFile(filename=path, contents=text)]):
                op = of_type("Skipgram", [], [tf.string, tf.int32, tf.int64, tf.int32, tf.int64, tf.int32, tf.int32], filename=path.encode(), batch_size=batch, **attrs)
            return [tf.identity(x) for x in op.outputs] + [n]
        return case("Skipgram", before(18, build), I32(1))
    for attrs in (dict(), dict(window_size=1), dict(window_size=0), dict(window_size=3, min_count=1), dict(subsample=.2)):
        text = b" ".join(rng.permutation([w for k, w in enumerate(kept) for _ in range(5 * (6 - k))] + [b"rare"]))
        yield skipgrams(text + pick(rng, b"", b"\n", b" \t"), int(rng.integers(0, 9)), **attrs)
    yield skipgrams(b"a b", 2)
    def trained(count, samples):
        def build(a, b, x, y, rate):
            r = Refs()
            u, w = r.new(a), r.new(b)
            with v1.control_dependencies(r.last):
                r.last = [of_type("NegTrain", [u, w, x, y, rate], [], vocab_count=count, num_negative_samples=samples)]
            return [r.read(u), r.read(w)]
        return before(18, build)
    a, b, n = draw(rng, F32, 4, 3), draw(rng, F32, 4, 3), int(rng.integers(0, 5))
    x, y = draw(rng, I32, n, low=0, high=4), draw(rng, I32, n, low=0, high=4)
    yield case("NegTrain", trained([4, 3, 2, 1], 0), a, b, x, y, F32(.1), shapes="known")
    yield case("NegTrain", trained([0, 0, 2, 0], 3), a, b, x, y, F32(.1), shapes="known")
    yield case("NegTrain", trained([4, 3, 2], 0), a, b, x, y, F32(.1), shapes="known")
    yield case("NegTrain", trained([4, 3, 2, 1], 1), a, b, np.array([1], I32), np.array([1, 2], I32), F32(.1), shapes="known")


def rarer(rng):
    yield case("Fact", lambda x: [raw.Fact(), x], I32(1))
    def queued(x):
        q = raw.FIFOQueueV2(component_types=[tf.float32])
        with v1.control_dependencies([raw.QueueEnqueueV2(handle=q, components=[x])]):
            return of_type("QueueSize", [raw.FakeQueue(resource=q)], [tf.int32]).outputs[0]
    yield case("FakeQueue", queued, draw(rng, F32, 2))
    def kept(x):
        with v1.control_dependencies([raw.GetSessionHandleV2(value=x)]):
            return tf.identity(x)
    yield case("GetSessionHandleV2", kept, draw(rng, F32, 2))


def isotonic(rng):
    for t in (F32, F64, I32, I64, U8, F16):
        x = draw(rng, t, *shape_of(rng, 2, 8, 0.05))
        out = pick(rng, tf.float32, tf.float64)
        yield case("IsotonicRegression", lambda x, out=out: raw.IsotonicRegression(input=x, output_dtype=out), x, tol=(1e-4, 1e-5))


def names(rng):
    for n in (1, 12, 123456):
        yield case("ShardedFilespec", lambda b, n: raw.ShardedFilespec(basename=b, num_shards=n), b"model", np.int32(n))


def debugged(rng):
    for t in (F32, STRING, BOOL):
        x = texts(rng, ["a", "b"], 3) if t == STRING else draw(rng, t, 2, 3)
        yield case("DebugIdentity", lambda x: raw.DebugIdentity(input=x, tensor_name="x:0"), x)
        yield case("DebugGradientIdentity", lambda x: raw.DebugGradientIdentity(input=x), x)
        yield case("DebugIdentityV2", lambda x: raw.DebugIdentityV2(input=x), x)


def singular(rng):
    """Where TensorFlow gives the NaN of complex numbers, which is 0."""
    for t in (F32, C64, C128):
        for pivot in (False, True):
            yield case("TridiagonalSolve", lambda x, y, p=pivot: raw.TridiagonalSolve(diagonals=x, rhs=y, partial_pivoting=p), np.zeros((3, 2), t), np.ones((2, 1), t))


def isotonic_rows(rng):
    """Rows are along the last axis, of any rank; TensorFlow's gradient takes but matrices."""
    for shape in ((5,), (2, 3, 4), (2, 1, 2, 5), (2, 0, 3), (3, 2, 0)):
        yield case("IsotonicRegression", lambda x: list(raw.IsotonicRegression(input=x)), draw(rng, F32, *shape))


def cases(rng):
    for family in (sounds, contrasts, convolutions, crops, words, rarer, isotonic, names, debugged, singular, isotonic_rows):
        yield from family(rng)
