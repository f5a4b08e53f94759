# SPDX-License-Identifier: Apache-2.0
"""Sums, normalization and resized images of old quantised graphs."""
from case import *

INTEGERS = {tf.quint8: (tf.uint8, U8), tf.qint32: (tf.int32, I32)}


def plain(outs):
    """Results that are integers as such."""
    return [tf.bitcast(o, INTEGERS[o.dtype][0]) if o.dtype in INTEGERS else o for o in outs]


def ends(rng):
    return F32(-rng.uniform(0.1, 3)), F32(rng.uniform(0.1, 4))


def byte(rng, *shape):
    return rng.integers(0, 256, shape).astype(U8)


def sums(rng):
    def add(x, y, *v):
        names = ("min_x", "max_x", "min_y", "max_y")
        return plain(raw.QuantizedAdd(x=tf.bitcast(x, tf.quint8), y=tf.bitcast(y, tf.quint8), Toutput=tf.qint32, **dict(zip(names, v))))
    for a, b in (((3, 4), (3, 4)), ((2, 3, 4), (4,)), ((5,), (2, 5)), ((), (3, 2)), ((4, 1), ()), ((1,), (6,)), ((0,), (0,)), ((0, 3), (3,))):
        yield case("QuantizedAdd", add, byte(rng, *a), byte(rng, *b), *ends(rng), *ends(rng))
    yield case("QuantizedAdd", add, byte(rng, 2), byte(rng, 3), *ends(rng), *ends(rng), shapes="unknown")
    x = byte(rng, 3)
    yield case("QuantizedAdd", add, x, x, F32(1), F32(1), *ends(rng))
    yield case("QuantizedAdd", add, x, x, *ends(rng), F32(2), F32(1))
    yield case("QuantizedAdd", add, x, x, F32(0), F32(0.5), F32(7), F32(9))
    yield case("QuantizedAdd", add, x, x, *ends(rng), np.zeros(2, F32), F32(1), shapes="unknown")


def images(rng):
    for n in range(24):
        t = (tf.quint8, tf.qint32, tf.float32)[n % 3]
        s = (int(rng.integers(1, 3)), *(int(x) for x in rng.integers(1, 7, 2)), pick(rng, 1, 2, 3))
        x = byte(rng, *s) if t == tf.quint8 else rng.integers(-2**31, 2**31, s).astype(I32) if t == tf.qint32 else draw(rng, F32, *s)
        kw = pick(rng, {}, dict(align_corners=True), dict(half_pixel_centers=True), dict(align_corners=True, half_pixel_centers=True))
        size = np.array(s[1:3] if rng.random() < 0.1 else rng.integers(1, 9, 2), I32)
        yield case("QuantizedResizeBilinear", lambda x, size, a, b, t=t, kw=kw: plain(raw.QuantizedResizeBilinear(
            images=x if t == tf.float32 else tf.bitcast(x, t), size=size, min=a, max=b, **kw)), x, size, *ends(rng))
    def resize(x, size, a, b): return plain(raw.QuantizedResizeBilinear(images=x, size=size, min=a, max=b))
    x = draw(rng, F32, 1, 2, 2, 1)
    for x, size in ((x, [0, 2]), (x, [-1, 2]), (x, [2]), (x[0], [2, 2]), (x[:, :0], [2, 2])):
        yield case("QuantizedResizeBilinear", resize, x, np.array(size, I32), *ends(rng), shapes="unknown")


def normalized(rng):
    for n in range(8):
        s = (int(rng.integers(1, 3)), *(int(x) for x in rng.integers(1, 5, 3)))
        c, kw = s[3], dict(variance_epsilon=float(rng.uniform(0.001, 0.1)), scale_after_normalization=bool(rng.integers(2)))
        def build(*v, kw=kw):
            names = [k + e for k in ("t", "m", "v", "beta", "gamma") for e in ("", "_min", "_max")]
            a = {k: tf.bitcast(x, tf.quint8) if x.dtype == tf.uint8 else x for k, x in zip(names, v)}
            return plain(raw.QuantizedBatchNormWithGlobalNormalization(out_type=tf.qint32, **a, **kw))
        ins = [byte(rng, *s), *ends(rng), byte(rng, c), *ends(rng), byte(rng, c), F32(0), F32(rng.uniform(1, 4)), byte(rng, c), *ends(rng), byte(rng, c),
               *ends(rng)]
        yield case("QuantizedBatchNormWithGlobalNormalization", build, *ins)
    yield case("QuantizedBatchNormWithGlobalNormalization", build, *ins[:3], ins[3][None], *ins[4:], shapes="unknown")
    yield case("QuantizedBatchNormWithGlobalNormalization", build, ins[0][0], *ins[1:], shapes="unknown")
    def norm(x, a, b, **kw):
        y, low, high = raw.QuantizedInstanceNorm(x=tf.bitcast(x, tf.quint8), x_min=a, x_max=b, **kw)
        return [tf.cast(tf.bitcast(y, tf.uint8), tf.float32) / 255, low, high]  # rounded: a step more or less
    for n in range(8):
        s = (int(rng.integers(1, 3)), *(int(x) for x in rng.integers(1, 6, 3)))
        kw = pick(rng, {}, dict(output_range_given=True, given_y_min=-1.5, given_y_max=2.5), dict(min_separation=9.0), dict(variance_epsilon=0.5))
        yield case("QuantizedInstanceNorm", lambda x, a, b, kw=kw: norm(x, a, b, **kw), byte(rng, *s), *ends(rng), tol=(1e-5, 0.0041))
    x = byte(rng, 1, 2, 3, 2)
    yield case("QuantizedInstanceNorm", norm, x, F32(1), F32(1))
    yield case("QuantizedInstanceNorm", lambda x, a, b: norm(x, a, b, output_range_given=True, given_y_min=1.0, given_y_max=1.0), x, *ends(rng))


def cases(rng):
    for part in (sums, images, normalized):
        yield from part(rng)
