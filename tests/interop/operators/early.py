# SPDX-License-Identifier: Apache-2.0
"""Operators of TensorFlow's first years that graphs still have."""
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


def cases(rng):
    for family in (sounds, contrasts, convolutions, isotonic, names, debugged, singular):
        yield from family(rng)
