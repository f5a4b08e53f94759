# SPDX-License-Identifier: Apache-2.0
"""Convolutions and products of 8-bit graphs with bias, Relu and what brings them down to 8 bits, as oneDNN computes them in TensorFlow: to be
frozen with TF_ENABLE_ONEDNN_OPTS=1 (without it TensorFlow has no kernels, and no case is made of them)."""
from case import *

TYPES = {tf.quint8: (tf.uint8, U8), tf.qint8: (tf.int8, I8), tf.qint32: (tf.int32, I32)}


def plain(q):
    return tf.bitcast(q, TYPES[q.dtype][0])


def filters(a):
    """A constant, as oneDNN wants it."""
    p = tf.make_tensor_proto(a)
    p.dtype = tf.qint8.as_datatype_enum
    attrs = dict(value=v1.AttrValue(tensor=p), dtype=v1.AttrValue(type=p.dtype))
    return v1.get_default_graph().create_op("Const", [], [tf.qint8], attrs=attrs).outputs[0]


def convolution(rng, name, depthwise, bias, to, signed, summand=None):
    per = rng.random() < 0.5
    c, each = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    n = c * each if depthwise else each
    f = rng.integers(-127, 128, (int(rng.integers(1, 4)), int(rng.integers(1, 4)), c, each)).astype(I8)
    step = 1 if depthwise else int(rng.integers(1, 3))
    reach = [(k - 1) * step + 1 for k in f.shape[:2]]
    x = rng.integers(0, 256, (int(rng.integers(1, 3)), *(int(r + rng.integers(0, 4)) for r in reach), c)).astype(U8)
    t = tf.qint8 if signed else tf.quint8
    s = int(rng.integers(1, 3))
    kw = dict(strides=[1, s, s, 1], padding=pick(rng, "SAME", "VALID"), dilations=[1, step, step, 1])
    if not depthwise and name != "QuantizedConv2DPerChannel" and rng.random() < 0.3:
        kw["padding_list"] = [0, 0, 1, 0, 0, 1, 0, 0]
    ends = [F32(-rng.uniform(0.1, 2)), F32(rng.uniform(0.1, 3)), draw(rng, F32, *[n] * per, low=-2, high=-0.1), draw(rng, F32, *[n] * per, low=0.1, high=2)]
    values = [x.view(I8) if signed else x] + ([draw(rng, F32, n)] if bias == "f" else [rng.integers(-999, 999, n).astype(I32)] if bias else []) + ends
    if to:
        values += [F32(-rng.uniform(1, 5)), F32(rng.uniform(1, 9))]
        kw["out_type"] = to
    if summand:
        h, w = ((n + ("padding_list" in kw) - r) // s + 1 if kw["padding"] == "VALID" or "padding_list" in kw else -(-n // s) for n, r in zip(x.shape[1:3], reach))
        of = (x.shape[0], h, w, n)
        values += [draw(rng, F32, *of, low=-2, high=2)] if summand == tf.float32 else [rng.integers(-128, 128, of).astype(I8).view(TYPES[summand][1]), F32(-rng.uniform(0, 3)), F32(rng.uniform(1, 5))]
    def build(x, *v, kw=kw):
        a = dict(input=tf.bitcast(x, t), filter=filters(f))
        if bias:
            a["bias"], v = v[0] if bias == "f" else tf.bitcast(v[0], tf.qint32), v[1:]
        names = ["min_input", "max_input", "min_filter", "max_filter"] + ["min_freezed_output", "max_freezed_output"] * bool(to)
        a.update(zip(names + ["summand", "min_summand", "max_summand"], v))
        if summand:  # what is computed in the graph: TensorFlow takes its place, and breaks down where it cannot have it
            a["summand"] = tf.nn.relu(a["summand"]) if summand == tf.float32 else tf.bitcast(tf.bitwise.invert(a["summand"]), summand)
        y, low, high = getattr(raw, name)(**a, **kw)
        return [plain(y), low, high]
    return case(name, build, *values, tol=(1e-6, 1e-6), shapes="known")


def product(rng, name, bias, to, mode):
    m, k, n = (int(x) for x in rng.integers(1, 6, 3))
    w = rng.integers(-127, 128, (k, n)).astype(I8)
    low = F32(0 if mode == "SCALED" else -rng.uniform(0.1, 2))
    values = [rng.integers(0, 256, (m, k)).astype(U8), draw(rng, F32, n) if bias == "f" else rng.integers(-999, 999, n).astype(I32), low,
              F32(rng.uniform(0.1, 3)), F32(-rng.uniform(0.1, 2)), F32(rng.uniform(0.1, 2))]
    names = ["min_a", "max_a", "min_b", "max_b"]
    if to != tf.qint32:
        values += [F32(-rng.uniform(1, 5)), F32(rng.uniform(1, 99))]
        names += ["min_freezed_output", "max_freezed_output"]
    def build(x, b, *v):
        outs = getattr(raw, name)(a=tf.bitcast(x, tf.quint8), b=filters(w), bias=b if bias == "f" else tf.bitcast(b, tf.qint32), Toutput=to,
                                  input_quant_mode=mode, **dict(zip(names, v)))
        return [plain(o) if o.dtype in TYPES else o for o in (outs if isinstance(outs, tuple) else [outs])]
    return case(name, build, *values, tol=(1e-6, 1e-6), shapes="known")


def products(rng):
    for name, bias, to in (("", "fi", tf.qint32), ("AndRelu", "f", tf.qint32), ("AndRequantize", "fi", tf.quint8),
                           ("AndReluAndRequantize", "fi", tf.quint8), ("AndDequantize", "fi", tf.float32)):
        for mode in ("MIN_FIRST", "SCALED"):
            for b in bias:
                yield product(rng, "QuantizedMatMulWithBias" + name, b, to, mode)


def joined(rng):
    for t, dtype in ((tf.quint8, U8), (tf.qint8, I8)):
        for n in (2, 3):
            rank = int(rng.integers(1, 4))
            axis, s = int(rng.integers(-rank, rank)), rng.integers(1, 4, rank)
            xs = []
            for _ in range(n):
                s[axis] = rng.integers(1, 4)
                xs.append(rng.integers(0, 256, s).astype(U8).view(dtype))
            same, wide = rng.random() < 0.4, draw(rng, F32, n, low=0.5, high=4)
            low = -wide if dtype == I8 else np.zeros(n, F32) if rng.random() < 0.5 else draw(rng, F32, n, low=-1, high=0)
            ends = [F32(v[0 if same else k]) for v in (low, wide) for k in range(n)]
            attrs = dict(N=v1.AttrValue(i=n), T=v1.AttrValue(type=t.as_datatype_enum), Tidx=v1.AttrValue(type=tf.int32.as_datatype_enum))
            def build(*v, t=t, n=n, axis=axis, attrs=attrs):
                ins = [tf.bitcast(x, t) for x in v[:n]] + [tf.constant(axis, tf.int32), *v[n:]]
                y, low, high = v1.get_default_graph().create_op("QuantizedConcatV2", ins, [t, tf.float32, tf.float32], attrs=attrs).outputs
                return [plain(y), low, high]
            yield case("QuantizedConcatV2", build, *xs, *ends, tol=(1e-6, 1e-6), shapes="known")


def by_channel(rng):
    for out in (tf.quint8, tf.qint8):
        for _ in range(3):
            c = int(rng.integers(1, 5))
            x = rng.integers(-2**30, 2**30, (*shape_of(rng, 3, 3, 0.1), c)).astype(I32)
            low, high = draw(rng, F32, c, low=-3, high=0), draw(rng, F32, c, low=0.1, high=3)
            yield case("RequantizePerChannel", lambda x, *v, o=out: (lambda y: [plain(y[0]), y[1], y[2]])(raw.RequantizePerChannel(
                input=tf.bitcast(x, tf.qint32), input_min=v[0], input_max=v[1], requested_output_min=v[2], requested_output_max=v[3], out_type=o)),
                x, low, high, F32(-rng.uniform(0.1, 1)), F32(rng.uniform(0.1, 1)))
            if x.size:
                yield case("RequantizationRangePerChannel", lambda x, a, b, k=float(pick(rng, 1e9, 0.5)): list(raw.RequantizationRangePerChannel(
                    input=tf.bitcast(x, tf.qint32), input_min=a, input_max=b, clip_value_max=k)), pick(rng, x, abs(x)), low, high, tol=(1e-6, 0))
    x = rng.integers(-99, 99, (1, 2, 2, 3)).astype(I32)
    for shape, n, low in (((1, 2, 2, 3), 3, 0), ((4, 3), 3, -1)):
        yield case("RequantizePerChannel", lambda x, a, b, l: plain(raw.RequantizePerChannel(
            input=tf.bitcast(x, tf.qint32), input_min=a, input_max=b, requested_output_min=l, requested_output_max=2.0, out_type=tf.qint8).output),
            x.reshape(shape), np.full(n, -1, F32), np.ones(n, F32), F32(low), shapes="unknown")


def cases(rng):
    for name, bias, to in (("PerChannel", "", None), ("AndRelu", "", None), ("AndRequantize", "", tf.qint8), ("AndReluAndRequantize", "", tf.quint8), ("WithBias", "f", None), ("WithBiasAndRelu", "f", None),
                           ("WithBiasAndRequantize", "fi", tf.qint8), ("WithBiasAndReluAndRequantize", "fi", tf.quint8)):
        for trial in range(4):
            yield convolution(rng, "QuantizedConv2D" + name, False, bias and pick(rng, *bias), to, bool(bias) and rng.random() < 0.5)
    for name, bias, to in (("", "", None), ("WithBias", "f", None), ("WithBiasAndRelu", "f", None), ("WithBiasAndReluAndRequantize", "fi", tf.quint8)):
        for trial in range(4):
            yield convolution(rng, "QuantizedDepthwiseConv2D" + name, True, bias and pick(rng, *bias), to, False)
    yield from by_channel(rng)
    yield from products(rng)
    yield from joined(rng)
    for name, bias, to, summand in (("SumAndRelu", "f", None, tf.float32), ("SumAndReluAndRequantize", "fi", tf.quint8, tf.quint8),
                                    ("SignedSumAndReluAndRequantize", "fi", tf.quint8, tf.qint8)):
        for trial in range(6):
            yield convolution(rng, "QuantizedConv2DWithBias" + name, False, pick(rng, *bias), to, False, summand)
