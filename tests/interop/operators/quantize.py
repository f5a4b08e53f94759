# SPDX-License-Identifier: Apache-2.0
"""Numbers rounded to integers of a range, in floats and with the quantised dtypes."""
from case import *

ROUND = (1e-6, 1e-6)


def fake(rng):
    for _ in range(4):
        kw = dict(num_bits=int(rng.integers(2, 17)), narrow_range=bool(rng.integers(2)))
        x = draw(rng, F32, *shape_of(rng, int(rng.integers(0, 4)), 5), low=-8, high=8)
        low, high = F32(rng.uniform(-5, 1)), F32(rng.uniform(1.5, 6))
        yield case("FakeQuantWithMinMaxArgs", lambda x, kw=kw, a=float(low), b=float(high): raw.FakeQuantWithMinMaxArgs(inputs=x, min=a, max=b, **kw),
                   x, grad=[0], tol=ROUND)
        yield case("FakeQuantWithMinMaxVars", lambda x, a, b, kw=kw: raw.FakeQuantWithMinMaxVars(inputs=x, min=a, max=b, **kw), x, low, high,
                   grad=[0, 1, 2], tol=(1e-5, 1e-5))
        n = int(rng.integers(1, 5))
        y = draw(rng, F32, *shape_of(rng, int(rng.integers(0, 4)), 4), n, low=-8, high=8)
        yield case("FakeQuantWithMinMaxVarsPerChannel", lambda x, a, b, kw=kw: raw.FakeQuantWithMinMaxVarsPerChannel(inputs=x, min=a, max=b, **kw),
                   y, draw(rng, F32, n, low=-5, high=0), draw(rng, F32, n, low=0.5, high=5), grad=[0, 1, 2], tol=(1e-5, 1e-5))
    x = np.array([-10, -1.3, 0, 0.5, 1.2, 9], F32)
    for a, b in ((0, 0), (3, -3), (1, 7), (-7, -2)):
        yield case("FakeQuantWithMinMaxVars", lambda x, a, b: raw.FakeQuantWithMinMaxVars(inputs=x, min=a, max=b), x, F32(a), F32(b),
                   grad=[0, 1, 2] if a <= b else [], tol=ROUND)
    for a, b in ((np.nan, 1), (0, np.nan), (-3e38, 3e38), (0, np.inf)):
        yield case("FakeQuantWithMinMaxVarsGradient", lambda dy, x, a, b: list(raw.FakeQuantWithMinMaxVarsGradient(gradients=dy, inputs=x, min=a, max=b)),
                   np.arange(1, 7, dtype=F32), x, F32(a), F32(b))
    yield case("FakeQuantWithMinMaxVars", lambda x, a, b: raw.FakeQuantWithMinMaxVars(inputs=x, min=a, max=b, num_bits=1), x, F32(-1), F32(1))
    yield case("FakeQuantWithMinMaxArgs", lambda x: raw.FakeQuantWithMinMaxArgs(inputs=x, min=2.0, max=1.0), x)
    yield case("FakeQuantWithMinMaxVarsPerChannel", lambda x, a, b: raw.FakeQuantWithMinMaxVarsPerChannel(inputs=x, min=a, max=b), x,
               np.zeros(3, F32), np.ones(3, F32), shapes="unknown")


def there_and_back(rng):
    for t in (F32, F64, F32, F64, F16, BF16):
        kw = dict(signed_input=bool(rng.integers(2)), range_given=bool(rng.integers(2)), narrow_range=bool(rng.integers(2)))
        bits, mode = int(rng.integers(2, 17)), pick(rng, "HALF_TO_EVEN", "HALF_UP")
        shape = tuple(int(n) for n in rng.integers(1, 5, 2))
        axis = -1 if kw["range_given"] else int(rng.integers(-1, 2))
        ends = (shape[axis],) if axis >= 0 else ()
        v = [draw(rng, t, *shape, low=-4, high=4), draw(rng, t, *ends, low=-3, high=0), draw(rng, t, *ends, low=0.5, high=4)]
        tol = {F32: (2e-6, 1e-6), F64: (1e-12, 1e-12)}.get(t, (2e-2, 2e-2))
        yield case("QuantizeAndDequantizeV2", lambda x, a, b, kw=kw, n=bits, m=mode, k=axis: raw.QuantizeAndDequantizeV2(
            input=x, input_min=a, input_max=b, num_bits=n, round_mode=m, axis=k, **kw), *v, grad=[0], tol=tol)
        yield case("QuantizeAndDequantizeV3", lambda x, a, b, n, kw=kw, k=axis: raw.QuantizeAndDequantizeV3(
            input=x, input_min=a, input_max=b, num_bits=n, axis=k, **kw), *v, np.int32(bits), grad=[0], tol=tol)
        yield case("QuantizeAndDequantizeV4", lambda x, a, b, kw=kw, n=bits, m=mode, k=axis: raw.QuantizeAndDequantizeV4(
            input=x, input_min=a, input_max=b, num_bits=n, round_mode=m, axis=k, **kw), *v, grad=[0, 1, 2], tol=tol)
    x = draw(rng, F32, 5)
    for a, b, n in ((2, -7, 8), (-1, 1, 64), (-1, 1, 0)):
        yield case("QuantizeAndDequantizeV3", lambda x, a, b, n: raw.QuantizeAndDequantizeV3(input=x, input_min=a, input_max=b, num_bits=n),
                   x, F32(a), F32(b), np.int32(n))


def integers(rng):
    for t in (tf.quint8, tf.qint8, tf.quint16, tf.qint16, tf.qint32):
        for mode in ("MIN_COMBINED", "MIN_FIRST", "SCALED"):
            big = t == tf.qint32
            if big and mode == "MIN_COMBINED":
                continue
            x = draw(rng, F32, *shape_of(rng, int(rng.integers(0, 3)), 4), low=-4, high=4)
            kw = dict(mode=mode, narrow_range=mode == "SCALED" and bool(rng.integers(2)))
            even = pick(rng, "HALF_AWAY_FROM_ZERO", "HALF_TO_EVEN") if mode == "SCALED" else "HALF_AWAY_FROM_ZERO"
            def quantize(x, a, b, t=t, kw=kw, even=even):
                q, low, high = raw.QuantizeV2(input=x, min_range=a, max_range=b, T=t, round_mode=even, **kw)
                return [tf.bitcast(q, {1: tf.int8 if "q" + "int8" == t.name else tf.uint8, 2: tf.uint16, 4: tf.int32}[t.size]), low, high]
            def back(x, a, b, t=t, kw=kw):
                q, low, high = raw.QuantizeV2(input=x, min_range=a, max_range=b, T=t, **kw)
                return raw.Dequantize(input=q, min_range=low, max_range=high, **kw)
            ends = [F32(rng.uniform(-3, 0.5)), F32(rng.uniform(1, 3))]
            if not big:
                yield case("QuantizeV2", quantize, x, *ends, tol=ROUND)
            yield case("Dequantize", back, x, *ends, tol=(1e-5, 1e-5))
    x = draw(rng, F32, 3, 4)
    def by_axis(x, a, b):
        q, low, high = raw.QuantizeV2(input=x, min_range=a, max_range=b, T=tf.qint8, axis=0, mode="SCALED")
        return [tf.bitcast(q, tf.int8), low, high, raw.Dequantize(input=q, min_range=low, max_range=high, axis=0, mode="SCALED")]
    yield case("QuantizeV2", by_axis, x, draw(rng, F32, 3, low=-3, high=0), draw(rng, F32, 3, low=1, high=3), tol=ROUND, shapes="known")
    for a, b in ((1, -7), (0, 0), (1, 7)):
        yield case("QuantizeV2", lambda x, a, b: tf.bitcast(raw.QuantizeV2(input=x, min_range=a, max_range=b, T=tf.quint8).output, tf.uint8),
                   x, F32(a), F32(b))


def bytes_of(q):
    return tf.bitcast(q, {tf.qint8: tf.int8, tf.quint8: tf.uint8, tf.qint32: tf.int32}[q.dtype])


def quantized(x, t=tf.quint8):
    """A placeholder's integers as those of a quantised dtype."""
    return tf.bitcast(x, t)


def old_graphs(rng):
    def ends(*more):
        return [F32(rng.uniform(-3, -0.1)), F32(rng.uniform(0.2, 4))]
    for _ in range(3):
        m, k, n = (int(v) for v in rng.integers(1, 6, 3))
        ta, tb = bool(rng.integers(2)), bool(rng.integers(2))
        a, b = draw(rng, U8, *((k, m) if ta else (m, k)), high=256), draw(rng, U8, *((n, k) if tb else (k, n)), high=256)
        def product(a, b, la, ha, lb, hb, ta=ta, tb=tb):
            y, low, high = raw.QuantizedMatMul(a=quantized(a), b=quantized(b), min_a=la, max_a=ha, min_b=lb, max_b=hb, transpose_a=ta, transpose_b=tb)
            s, l2, h2 = raw.QuantizeDownAndShrinkRange(input=y, input_min=low, input_max=high, out_type=tf.quint8)
            u = raw.RequantizationRange(input=y, input_min=low, input_max=high)
            q = raw.Requantize(input=y, input_min=low, input_max=high, requested_output_min=u[0], requested_output_max=u[1], out_type=tf.quint8)
            return [bytes_of(y), low, high, bytes_of(s), l2, h2, *u, bytes_of(q[0]), q[1], q[2]]
        yield case("QuantizedMatMul", product, a, b, *ends(), *ends(), tol=ROUND)
        x, f = draw(rng, U8, 2, int(rng.integers(3, 7)), int(rng.integers(3, 7)), 3, high=256), draw(rng, U8, int(rng.integers(1, 4)), int(rng.integers(1, 4)), 3, 2, high=256)
        pad, stride = pick(rng, "SAME", "VALID"), int(rng.integers(1, 3))
        def convolution(x, f, la, ha, lb, hb, p=pad, s=stride):
            y, low, high = raw.QuantizedConv2D(input=quantized(x), filter=quantized(f), min_input=la, max_input=ha, min_filter=lb, max_filter=hb,
                                               strides=[1, s, s, 1], padding=p)
            return [bytes_of(y), low, high]
        yield case("QuantizedConv2D", convolution, x, f, *ends(), *ends(), tol=ROUND)
        for name in ("QuantizedMaxPool", "QuantizedAvgPool"):
            def pool(x, la, ha, op=getattr(raw, name), p=pad, s=stride):
                y, low, high = op(input=quantized(x), min_input=la, max_input=ha, ksize=[1, 2, 3, 1], strides=[1, s, s, 1], padding=p)
                return [bytes_of(y), low, high]
            yield case(name, pool, x, *ends(), tol=ROUND)
        def bias(x, b, la, ha, lb, hb):
            y, low, high = raw.QuantizedBiasAdd(input=quantized(x), bias=quantized(b), min_input=la, max_input=ha, min_bias=lb, max_bias=hb, out_type=tf.qint32)
            return [raw.Dequantize(input=y, min_range=low, max_range=high, mode="MIN_FIRST"), low, high]
        yield case("QuantizedBiasAdd", bias, draw(rng, U8, 3, n, high=256), draw(rng, U8, n, high=256), *ends(), *ends(), tol=(1e-3, 5e-2))
        def times(x, b, la, ha, lb, hb):
            y, low, high = raw.QuantizedMul(x=quantized(x), y=quantized(b), min_x=la, max_x=ha, min_y=lb, max_y=hb)
            return [bytes_of(y), low, high]
        yield case("QuantizedMul", times, draw(rng, U8, 3, n, high=256), draw(rng, U8, n, high=256), *ends(), *ends(), tol=ROUND)
    x = draw(rng, U8, 3, 4, high=256)
    for name, more in (("QuantizedRelu", {}), ("QuantizedRelu6", {}), ("QuantizedReluX", dict(max_value=1.5))):
        def relu(x, a, b, op=getattr(raw, name), more=more):
            y, low, high = op(features=quantized(x), min_features=a, max_features=b, **more)
            return [bytes_of(y), low, high]
        yield case(name, relu, x, F32(-3), F32(9), tol=ROUND)
    def reshaped(x, a, b):
        y, low, high = raw.QuantizedReshape(tensor=quantized(x), shape=[2, -1], input_min=a, input_max=b)
        return [bytes_of(y), low, high]
    yield case("QuantizedReshape", reshaped, x, F32(-3), F32(9), tol=ROUND)


def joined(rng):
    for t, n in ((tf.quint8, U8), (tf.qint32, I32)):
        kind = tf.uint8 if n == U8 else tf.int32
        for same in (True, False, False):
            low, high = draw(rng, F32, 2, low=-3, high=1), draw(rng, F32, 2, low=1.5, high=4)
            if same:
                low, high = np.array([-2, -2], F32), np.array([2, 2], F32)  # signed ones are around zero

            def build(x, y, a, b, c, d, t=t, kind=kind, axis=0):
                v, lo, hi = raw.QuantizedConcat(concat_dim=axis, values=[tf.bitcast(x, t), tf.bitcast(y, t)], input_mins=[a, b], input_maxes=[c, d])
                return [tf.bitcast(v, kind), lo, hi]
            big = dict(low=0, high=256) if n == U8 else dict(low=-2**20, high=2**20)
            for axis, shapes in ((0, ((2, 3), (1, 3))), (1, ((2, 1), (2, 3))), (1, ((2, 2, 2), (2, 0, 2)))):
                if n == I32 and not same:
                    continue  # rounded by way of floats
                yield case("QuantizedConcat", lambda *x, build=build, axis=axis: build(*x, axis=axis), *[draw(rng, n, *s, **big) for s in shapes], *low, *high, tol=(1e-6, 1e-6))
    for axis, shapes in ((2, ((2, 3), (1, 3))), (-1, ((2, 3), (1, 3))), (0, ((2, 3), (1, 2))), (0, ((2, 3), (2,))), (0, ((), ()))):
        yield case("QuantizedConcat", lambda x, y, axis=axis: raw.QuantizedConcat(
            concat_dim=axis, values=[tf.bitcast(x, tf.quint8), tf.bitcast(y, tf.quint8)], input_mins=[0., 0.], input_maxes=[1., 2.]).output_min,
            *[draw(rng, U8, *s) for s in shapes], shapes="unknown")


def cases(rng):
    yield from fake(rng)
    yield from there_and_back(rng)
    yield from integers(rng)
    yield from old_graphs(rng)
    yield from joined(rng)
