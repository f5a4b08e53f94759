# SPDX-License-Identifier: Apache-2.0
"""Convolutions, pools, normalization, activations, losses, resizing."""
from case import *

REAL = [F16, BF16, F32, F64]
LOOSE = {F16: (3e-2, 3e-2), BF16: (1.5e-1, 1.5e-1), F32: (1e-4, 2e-5), F64: (1e-8, 1e-9)}


def window(rng, most):
    return int(rng.integers(1, most + 1))


def padding_of(rng, *, explicit=True):
    kind = pick(rng, "SAME", "VALID", "EXPLICIT") if explicit else pick(rng, "SAME", "VALID")
    pads = [0, 0] + [int(v) for v in rng.integers(0, 3, 4)] + [0, 0]
    return {"padding": kind, **({"explicit_paddings": pads} if kind == "EXPLICIT" else {})}


def convolutions(rng):
    t = pick(rng, *REAL)
    h, w, ci, co = int(rng.integers(5, 10)), int(rng.integers(5, 10)), int(rng.integers(1, 5)), int(rng.integers(1, 6))
    kh, kw = window(rng, 3), window(rng, 4)
    stride = pick(rng, [1, 1], [2, 1], [2, 2], [1, 3])
    dilation = pick(rng, [1, 1], [2, 1], [1, 2]) if stride == [1, 1] else [1, 1]
    x = draw(rng, t, int(rng.integers(1, 3)), h, w, ci)
    attr = dict(strides=[1, *stride, 1], dilations=[1, *dilation, 1], **padding_of(rng))
    yield case("Conv2D", lambda x, f: raw.Conv2D(input=x, filter=f, **attr), x, draw(rng, t, kh, kw, ci, co), grad=[0, 1], tol=LOOSE[t])
    if ci % 2 == 0 and t in (F32, F64):
        yield case("Conv2D", lambda x, f: raw.Conv2D(input=x, filter=f, **attr), x, draw(rng, t, kh, kw, ci // 2, 2 * co), tol=LOOSE[t])
    s = stride[0]
    attr = dict(strides=[1, s, s, 1], dilations=[1, *(dilation if s == 1 else [1, 1]), 1], **padding_of(rng, explicit=False))
    f = draw(rng, t, kh, kw, ci, int(rng.integers(1, 4)))
    yield case("DepthwiseConv2dNative", lambda x, f: raw.DepthwiseConv2dNative(input=x, filter=f, **attr), x, f, grad=[0, 1] if dilation == [1, 1] else [], tol=LOOSE[t])
    attr = dict(strides=[1, *stride, 1], **padding_of(rng, explicit=False))
    f = draw(rng, t, kh, kw, ci, co)
    if attr["padding"] == "SAME" or (h >= kh and w >= kw):
        out = [-(-h // stride[0]), -(-w // stride[1])] if attr["padding"] == "SAME" else [(h - kh) // stride[0] + 1, (w - kw) // stride[1] + 1]
        dy = draw(rng, t, 2, *out, co)
        yield case("Conv2DBackpropInput", lambda s, f, g: raw.Conv2DBackpropInput(input_sizes=s, filter=f, out_backprop=g, **attr),
                   np.array([2, h, w, ci], I32), f, dy, grad=[1, 2], tol=LOOSE[t])
    t = pick(rng, F32, F64)
    d = int(rng.integers(4, 7))
    x3, f3 = draw(rng, t, 1, d, h, w, ci), draw(rng, t, kh, kh, kw, ci, co)
    s = pick(rng, 1, 2)
    yield case("Conv3D", lambda x, f: raw.Conv3D(input=x, filter=f, strides=[1, s, s, 1, 1], padding=pick(rng, "SAME", "VALID")), x3, f3, grad=[0, 1], tol=LOOSE[t])
    x1, f1 = draw(rng, t, 2, 9, ci), draw(rng, t, kw, ci, co)
    how = dict(stride=s, padding=pick(rng, "SAME", "VALID"), dilations=1 if s > 1 else pick(rng, 1, 2))
    yield case("Conv1D", lambda x, f: tf.nn.conv1d(x, f, **how), x1, f1, grad=[0, 1], tol=LOOSE[t], shapes="known")


def pools(rng):
    t = pick(rng, *REAL)
    kh, kw = window(rng, 3), window(rng, 4)
    x = draw(rng, t, int(rng.integers(1, 3)), int(rng.integers(4, 9)), int(rng.integers(4, 9)), int(rng.integers(1, 5)))
    attr = dict(ksize=[1, kh, kw, 1], strides=[1, window(rng, 3), window(rng, 3), 1])
    yield case("MaxPool", lambda x: raw.MaxPool(input=x, **attr, **padding_of(rng)), x, grad=[0] if t != BF16 else [], tol=LOOSE[t])
    yield case("AvgPool", lambda x: raw.AvgPool(value=x, **attr, padding=pick(rng, "SAME", "VALID")), x, grad=[0], tol=LOOSE[t])
    i = pick(rng, I8, I16, I32, I64, U8, U16)
    y = draw(rng, i, *x.shape)
    yield case("MaxPool", lambda x: raw.MaxPool(input=x, **attr, padding="SAME"), y)
    yield case("MaxPoolV2", lambda x: raw.MaxPoolV2(input=x, ksize=attr["ksize"], strides=attr["strides"], padding="VALID"), x, grad=[0] if t != BF16 else [], tol=LOOSE[t])
    t = pick(rng, F16, F32, F64)
    x = x.astype(t)
    yield case("MaxPoolWithArgmax", lambda x: raw.MaxPoolWithArgmax(input=x, **attr, padding=pick(rng, "SAME", "VALID"), Targmax=pick(rng, I32, I64),
                                                                    include_batch_in_index=bool(kh % 2)), x, grad=[0] if t == F32 else [])


def norms(rng):
    t = pick(rng, F16, BF16, F32, F32, F32)
    c = int(rng.integers(1, 6))
    x = draw(rng, t, 2, int(rng.integers(1, 5)), int(rng.integers(2, 5)), c)
    scale, offset, mean, var = (draw(rng, F32, c, low=.5, high=2) for _ in range(4))
    training = bool(rng.integers(0, 2))
    # what reserve_space holds is the implementation's own business
    yield case("FusedBatchNormV3", lambda x, s, o, m, v: raw.FusedBatchNormV3(x=x, scale=s, offset=o, mean=m, variance=v, is_training=training,
                                                                               exponential_avg_factor=pick(rng, 1., .9), epsilon=1e-3)[:3],
               x, scale, offset, mean[:0] if training else mean, var[:0] if training else var,
               grad=[0, 1, 2], tol=LOOSE[t] if t != F32 else (1e-3, 1e-4)) if t != BF16 else nothing(rng)
    x = draw(rng, pick(rng, F16, F32, BF16), 1, 3, 2, 7)
    how = dict(depth_radius=int(rng.integers(0, 4)), bias=1.5, alpha=.3, beta=.6)
    yield case("LRN", lambda x: raw.LRN(input=x, **how), x, grad=[0] if x.dtype == F32 else [], tol=LOOSE[x.dtype.type])
    for op in ("Softmax", "LogSoftmax"):
        t = pick(rng, *REAL)
        y = draw(rng, t, *shape_of(rng, int(rng.integers(0, 3)), 4), int(rng.integers(1, 7)), low=-5, high=5)
        yield case(op, lambda x: getattr(raw, op)(logits=x), y, grad=[0] if y.size else [], tol=LOOSE[t])
    t = pick(rng, *REAL, I32, I64, C64)
    y = draw(rng, t, *shape_of(rng, int(rng.integers(1, 4)), 4, .03), 3)
    yield case("BiasAdd", lambda x, b: raw.BiasAdd(value=x, bias=b), y, draw(rng, t, 3), grad=[0, 1] if np.dtype(t).kind in "fVc" else [], tol=LOOSE.get(t))
    if t in (F32, F64):
        z = draw(rng, t, 2, 3, 4, 2)
        yield case("BiasAdd", lambda x, b: raw.BiasAdd(value=x, bias=b, data_format="NCHW"), z, draw(rng, t, 3), grad=[0, 1])


def nothing(rng):
    return case("Identity", lambda x: raw.Identity(input=x), draw(rng, F32, 3))


def activations(rng):
    for op in ("Elu", "Selu", "Relu", "Relu6", "Softplus", "Softsign"):
        t = pick(rng, *REAL)
        x, g = draw(rng, t, *shape_of(rng, 2)), None
        g = draw(rng, t, *x.shape)
        key = "outputs" if op in ("Elu", "Selu") else "features"
        yield case(op + "Grad", lambda g, x: getattr(raw, op + "Grad")(gradients=g, **{key: x}), g, x, grad=[0, 1] if t in (F32, F64) else [], tol=LOOSE[t])
    for op in ("SigmoidGrad", "TanhGrad", "SqrtGrad", "RsqrtGrad", "ReciprocalGrad", "InvGrad"):
        t = pick(rng, *REAL)
        y, dy = draw(rng, t, 3, 4, low=.2, high=.9), draw(rng, t, 3, 4)
        yield case(op, lambda y, d: getattr(raw, op)(y=y, dy=d), y, dy, grad=[0, 1] if t in (F32, F64) else [], tol=LOOSE[t])


def losses(rng):
    t = pick(rng, F16, F32, F64)
    n, c = int(rng.integers(1, 5)), int(rng.integers(2, 6))
    x, i = draw(rng, t, n, c), pick(rng, I32, I64)
    labels = draw(rng, t, n if rng.random() < .8 else 1, c, low=0, high=1)
    yield case("SoftmaxCrossEntropyWithLogits", lambda x, y: raw.SoftmaxCrossEntropyWithLogits(features=x, labels=y)[0], x, labels, grad=[0], tol=LOOSE[t])
    which = rng.integers(0, c + (1 if rng.random() < .1 else 0), n).astype(i)
    yield case("SparseSoftmaxCrossEntropyWithLogits", lambda x, y: raw.SparseSoftmaxCrossEntropyWithLogits(features=x, labels=y)[0], x, which, grad=[0], tol=LOOSE[t],
               shapes="known")


def images(rng):
    h, w = (int(v) for v in rng.integers(1, 9, 2))
    size = np.array(rng.integers(1, 12, 2), I32)
    corners = bool(rng.integers(0, 2))
    half = not corners and bool(rng.integers(0, 2))
    for op in ("ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic"):
        t = pick(rng, F32, F64, U8, I32, F16, I16)
        x = draw(rng, t, int(rng.integers(1, 3)), h, w, int(rng.integers(1, 4)), **({"low": 0, "high": 200} if np.dtype(t).kind in "iu" and t != I8 else {}))
        grad = [0] if t in (F32, F64) and not (op == "ResizeNearestNeighbor" and t == F16) else []
        yield case(op, lambda x, s: getattr(raw, op)(images=x, size=s, align_corners=corners, half_pixel_centers=half), x, size, grad=grad, tol=(1e-3, 1e-3), shapes="known")
    x = draw(rng, F32, 2, 7, 6, 2)
    boxes = np.sort(draw(rng, F32, 5, 4, low=-.2, high=1.2).reshape(5, 2, 2), 1).reshape(5, 4)
    at = rng.integers(0, 2, 5).astype(I32)
    for method in ("bilinear", "nearest"):
        yield case("CropAndResize", lambda x, b, i: raw.CropAndResize(image=x, boxes=b, box_ind=i, crop_size=tf.constant([3, 4]), method=method,
                                                                     extrapolation_value=.5), x, boxes, at, grad=[0, 1] if method == "bilinear" else [], tol=(1e-3, 1e-4))


def steep():
    """No gradient stays none, where the slope is infinite too."""
    for op in ("SqrtGrad", "RsqrtGrad", "ReciprocalGrad", "InvGrad"):
        for t in (*REAL, C64):
            y, dy = np.array([np.inf, -np.inf, np.nan, 0, 2, np.inf, 0, np.nan, 3] * 2, t), np.array([0, 0, 0, 0, 0, 1, 1, 1, 1] * 2, t)
            yield case(op, lambda y, d: getattr(raw, op)(y=y[:5], dy=d[:5]) if t == C64 else getattr(raw, op)(y=y, dy=d), y, dy)


def cases(rng):
    for _ in range(3):
        for family in (convolutions, pools, norms, activations, losses, images):
            yield from family(rng)
    yield from steep()
