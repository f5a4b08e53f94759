# SPDX-License-Identifier: Apache-2.0
"""Uniformly quantised tensors: a scale and a zero point for the whole, or for each slice along an axis."""
from tensorflow.core.util.quantization import uniform_quant_ops_attr_pb2 as messages

from case import *

ENDS = {"qint8": (-128, 127), "quint8": (0, 255), "qint32": (-2**31, 2**31 - 1)}
PLAIN = {"qint8": (tf.int8, I8), "quint8": (tf.uint8, U8), "qint32": (tf.int32, I32)}


def plain(q):
    return tf.bitcast(q, PLAIN[q.dtype.name][0])


def ints(rng, t, *shape):
    low, high = ENDS[t.name]
    return rng.integers(low, high, shape, endpoint=True).astype(PLAIN[t.name][1])


def ends(t, prefix="", axis=-1):
    low, high = ENDS[t.name]
    return {prefix + "quantization_axis": axis, prefix + "quantization_min_val": low, prefix + "quantization_max_val": high}


def scales(rng, n=None, low=0.01, high=0.5):
    """A scale and a zero point, or n of each."""
    shape = () if n is None else (n,)
    return [np.asarray(rng.uniform(low, high, shape), F32), np.asarray(rng.integers(-20, 20, shape), I32)]


def there_and_back(rng):
    for t in (tf.qint8, tf.quint8, tf.qint32):
        for axis in (-1, 0, 1, 2):
            shape = shape_of(rng, 3, 4, 0.05)
            x = draw(rng, F32, *shape, low=-9, high=9)
            p = scales(rng, None if axis < 0 else shape[axis])
            yield case("UniformQuantize", lambda x, s, z, t=t, k=axis: plain(raw.UniformQuantize(input=x, scales=s, zero_points=z, Tout=t, **ends(t, axis=k))), x, *p)
            yield case("UniformDequantize", lambda x, s, z, t=t, k=axis: raw.UniformDequantize(
                input=tf.bitcast(x, t), scales=s, zero_points=z, Tout=tf.float32, **ends(t, axis=k)), ints(rng, t, *shape), *p, tol=(1e-6, 0))
    x = np.array([0, .5, 1.5, 2.5, -.5, -1.5, 1e9, -1e9, np.nan, np.inf, -np.inf, .49999997], F32)
    for s, z, kw in ((1, 3, {}), (0.5, -3, {}), ([1], [3], {}), (1, [3], {}), ([1] * 12, [3] * 12, dict(quantization_axis=0)), ([1], [1], dict(quantization_axis=0)),
                     (1, 3, dict(quantization_axis=1)), (1, 3, dict(quantization_axis=-2)), (1, 3, dict(quantization_min_val=-5, quantization_max_val=7))):
        yield case("UniformQuantize", lambda x, s, z, kw=kw: plain(raw.UniformQuantize(input=x, scales=s, zero_points=z, Tout=tf.qint8, **{**ends(tf.qint8), **kw})),
                   x, np.array(s, F32), np.array(z, I32), shapes="unknown")


def rescaled(rng):
    for a, b in ((tf.qint8, tf.qint8), (tf.qint32, tf.qint8)):
        for ka, kb in ((-1, -1), (0, -1), (-1, 1), (1, 1), (0, 1)):
            shape = tuple(int(n) for n in rng.integers(1, 5, 2))
            of = [scales(rng, None if k < 0 else shape[k], 1e-9 if a == tf.qint32 else 0.05, 1e-8 if a == tf.qint32 else 0.5) for k in (ka,)]
            to = scales(rng, None if kb < 0 else shape[kb])
            yield case("UniformRequantize", lambda x, s, z, t, y, a=a, b=b, ka=ka, kb=kb: plain(raw.UniformRequantize(
                input=tf.bitcast(x, a), input_scales=s, input_zero_points=z, output_scales=t, output_zero_points=y, Tout=b, **ends(a, "input_", ka), **ends(b, "output_", kb))),
                ints(rng, a, *shape), *of[0], *to)


def sums(rng):
    t = tf.qint32
    def add(x, y, *p, k=(-1, -1, -1)):
        names = [s + n for s in ("lhs_", "rhs_", "output_") for n in ("scales", "zero_points")]
        kw = {a: b for s, i in zip(("lhs_", "rhs_", "output_"), k) for a, b in ends(t, s, i).items()}
        return plain(raw.UniformQuantizedAdd(lhs=tf.bitcast(x, t), rhs=tf.bitcast(y, t), **dict(zip(names, p)), **kw))
    for a, b in (((2, 3), (2, 3)), ((2, 3), (3,)), ((1, 3), (2, 1)), ((2, 3), (4,))):
        x, y = (rng.integers(-9999, 9999, s).astype(I32) for s in (a, b))
        yield case("UniformQuantizedAdd", add, x, y, *scales(rng), *scales(rng), *scales(rng), shapes="unknown")
    x, y = rng.integers(-9999, 9999, (2, 3)).astype(I32), rng.integers(-9999, 9999, 3).astype(I32)
    for k in ((1, 0, 1), (1, 0, -1)):
        yield case("UniformQuantizedAdd", lambda *v, k=k: add(*v, k=k), x, y, *(s for i, n in zip(k, ((2, 3), (3,), (2, 3))) for s in scales(rng, None if i < 0 else n[i])), shapes="unknown")
    for k in (-1, 1):
        n = None if k < 0 else 3
        low, high = rng.integers(-9, 1, () if k < 0 else 3).astype(I32), rng.integers(-2, 9, () if k < 0 else 3).astype(I32)
        yield case("UniformQuantizedClipByValue", lambda x, a, b, s, z, k=k: plain(raw.UniformQuantizedClipByValue(
            operand=tf.bitcast(x, t), min=tf.bitcast(a, t), max=tf.bitcast(b, t), scales=s, zero_points=z, **ends(t, axis=k))), draw(rng, I32, 4, 3), low, high, *scales(rng, n))
    yield case("UniformQuantizedClipByValue", lambda x, a, b, s, z: plain(raw.UniformQuantizedClipByValue(
        operand=tf.bitcast(x, t), min=tf.bitcast(a, t), max=tf.bitcast(b, t), scales=s, zero_points=z, **ends(t))), draw(rng, I32, 4, 3), low, high, *scales(rng), shapes="unknown")


def quantized(op, kr=-1, ko=-1, **kw):
    def build(x, y, s, z, t, w, u, v):
        return plain(op(lhs=tf.bitcast(x, tf.qint8), rhs=tf.bitcast(y, tf.qint8), lhs_scales=s, lhs_zero_points=z, rhs_scales=t, rhs_zero_points=w, output_scales=u,
                        output_zero_points=v, Tout=tf.qint32, **ends(tf.qint8, "lhs_"), **ends(tf.qint8, "rhs_", kr), **ends(tf.qint32, "output_", ko), **kw))
    return build


def hybrid(op, kr=-1, **kw):
    return lambda x, y, t, w: op(lhs=x, rhs=tf.bitcast(y, tf.qint8), rhs_scales=t, rhs_zero_points=w, Tout=tf.float32, **ends(tf.qint8, "rhs_", kr), **kw)


def products(rng):
    for kr, ko in ((-1, -1), (1, -1), (1, 1), (-1, 1), (0, -1)):
        m, k, n = (int(v) for v in rng.integers(1, 6, 3))
        p = [*scales(rng), *scales(rng, {-1: None, 0: k, 1: n}[kr]), *scales(rng, None if ko < 0 else n)]
        yield case("UniformQuantizedDot", quantized(raw.UniformQuantizedDot, kr, ko), ints(rng, tf.qint8, m, k), ints(rng, tf.qint8, k, n), *p, shapes="unknown")
        yield case("UniformQuantizedDotHybrid", hybrid(raw.UniformQuantizedDotHybrid, kr), draw(rng, F32, m, k), ints(rng, tf.qint8, k, n), *p[2:4], tol=(1e-4, 1e-4), shapes="unknown")
    for a, b in (((2, 3), (4, 2)), ((2, 3), (3,)), ((0, 3), (3, 2)), ((2, 0), (0, 2))):
        yield case("UniformQuantizedDot", quantized(raw.UniformQuantizedDot), ints(rng, tf.qint8, *a), ints(rng, tf.qint8, *b), *scales(rng), *scales(rng), *scales(rng), shapes="unknown")
        yield case("UniformQuantizedDotHybrid", hybrid(raw.UniformQuantizedDotHybrid), draw(rng, F32, *a), ints(rng, tf.qint8, *b), *scales(rng), shapes="unknown")


def numbers(n, x, f, y):
    """Which dimension is what: three orders of batch, features and then the spatial ones."""
    m = messages.UniformQuantizedConvolutionDimensionNumbersAttr()
    m.input_batch_dimension, m.input_feature_dimension, m.kernel_output_feature_dimension, m.kernel_input_feature_dimension, m.output_batch_dimension, m.output_feature_dimension = *x[:2], *f[:2], *y[:2]
    m.input_spatial_dimensions.extend(x[2:])
    m.kernel_spatial_dimensions.extend(f[2:])
    m.output_spatial_dimensions.extend(y[2:])
    return m.SerializeToString()


def windows(rng, n):
    kw = {}
    for name in ("window_strides", "lhs_dilation", "rhs_dilation"):
        if rng.random() < 0.4:
            kw[name] = [int(v) for v in rng.integers(1, 3, n)]
    kw["padding"] = pick(rng, "SAME", "VALID", "EXPLICIT")
    if kw["padding"] == "EXPLICIT":
        kw["explicit_padding"] = [int(v) for v in rng.integers(0, 3, 2 * n)]
    return kw


def arranged(shape, order):
    out = [0] * len(shape)
    for k, at in enumerate(order):
        out[at] = shape[k]
    return out


def convolutions(rng):
    for trial in range(12):
        n, groups, which = int(rng.integers(1, 4)), int(rng.integers(1, 3)), pick(rng, "feature_group_count", "batch_group_count")
        batch, features, out = groups * int(rng.integers(1, 3)), groups * int(rng.integers(1, 3)), groups * int(rng.integers(1, 3))
        kw = {**windows(rng, n), which: groups}
        x = [batch, features, *rng.integers(2, 5, n)]
        f = [out, features // groups if which[0] == "f" else features, *rng.integers(1, 4, n)]
        orders = [list(range(n + 2)) for _ in range(3)]
        if trial % 3:
            orders = [[int(v) for v in rng.permutation(n + 2)] for _ in range(3)]
            kw["dimension_numbers"] = numbers(n, *orders)
        x, f = arranged(x, orders[0]), arranged(f, orders[1])
        kr, ko = pick(rng, (-1, -1), (orders[1][0], -1), (orders[1][0], orders[2][1]))
        p = [*scales(rng), *scales(rng, None if kr < 0 else out), *scales(rng, None if ko < 0 else out)]
        yield case("UniformQuantizedConvolution", quantized(raw.UniformQuantizedConvolution, kr, ko, **kw), ints(rng, tf.qint8, *x), ints(rng, tf.qint8, *f), *p)
        yield case("UniformQuantizedConvolutionHybrid", hybrid(raw.UniformQuantizedConvolutionHybrid, kr, **kw), draw(rng, F32, *x), ints(rng, tf.qint8, *f), *p[2:4], tol=(1e-4, 1e-4))
    x, f = draw(rng, F32, 2, 2, 4), ints(rng, tf.qint8, 3, 2, 2)
    for kw in (dict(padding="FOO"), dict(padding="VALID", explicit_padding=[0, 1]), dict(padding="EXPLICIT", explicit_padding=[-1, 1]), dict(padding="EXPLICIT"), dict(padding="SAME", window_strides=[0]),
               dict(padding="SAME", window_strides=[1, 1]), dict(padding="SAME", feature_group_count=2), dict(padding="SAME", batch_group_count=2), dict(padding="SAME", feature_group_count=0),
               dict(padding="SAME", dimension_numbers="abc"), dict(padding="SAME", lhs_dilation=[-1])):
        yield case("UniformQuantizedConvolutionHybrid", hybrid(raw.UniformQuantizedConvolutionHybrid, **kw), x, f, *scales(rng), shapes="unknown")


def cases(rng):
    yield from there_and_back(rng)
    yield from rescaled(rng)
    yield from sums(rng)
    yield from products(rng)
    yield from convolutions(rng)
