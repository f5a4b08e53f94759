# SPDX-License-Identifier: Apache-2.0
"""Windows over images and volumes: pools, dilation, convolutions of every dtype and number of dimensions."""
from case import *


def window(rng, n, most=3):
    return [int(rng.integers(1, most + 1)) for _ in range(n)]


def image(rng, dtype, n, low=2, most=6, channels=3):
    return draw(rng, dtype, int(rng.integers(0 if rng.random() < 0.1 else 1, 3)), *[int(v) for v in rng.integers(low, most, n)],
                int(rng.integers(1, channels + 1)))


def pools3d(rng):
    for dtype in [F32, BF16, F32]:
        x = image(rng, dtype, 3, low=3)
        kw = dict(ksize=[1] + window(rng, 3) + [1], strides=[1] + window(rng, 3, 2) + [1], padding=pick(rng, "SAME", "VALID"))
        if dtype == F32 and rng.integers(0, 2):
            x = np.round(x * 2)
        yield case("MaxPool3D", lambda x: raw.MaxPool3D(input=x, **kw), x, grad=[0], shapes="known")
        yield case("AvgPool3D", lambda x: raw.AvgPool3D(input=x, **kw), x, grad=[0])

        def second(x, d):
            y = raw.MaxPool3D(input=x, **kw)
            return raw.MaxPool3DGradGrad(orig_input=x, orig_output=y, grad=d, **kw)
        if x.size:
            yield case("MaxPool3DGradGrad", second, x, draw(rng, dtype, *x.shape), grad=[1], shapes="known")
    x = draw(rng, F32, 1, 3, 3, 3, 2)
    for ksize in [[1, 0, 1, 1, 1], [1, 4, 1, 1, 1]]:
        yield case("MaxPool3D", lambda x: raw.MaxPool3D(input=x, ksize=ksize, strides=[1] * 5, padding="VALID"), x)


def pools2d(rng):
    for dtype in [F16, BF16, F32, F64, I8, I16, I32, I64, U8, U16]:
        x = image(rng, dtype, 2, low=3)
        kw = dict(ksize=[1] + window(rng, 2) + [1], strides=[1] + window(rng, 2, 2) + [1], padding=pick(rng, "SAME", "VALID"))
        yield case("MaxPool", lambda x: raw.MaxPool(input=x, **kw), x, grad=[0] if dtype in FLOATS else [])
        if dtype in FLOATS:
            yield case("AvgPool", lambda x: raw.AvgPool(value=x, **kw), x, grad=[0])


def dilation(rng):
    for dtype in [F16, BF16, F32, F64, I8, I16, I32, I64, U8, U16]:
        x = image(rng, dtype, 2, low=3)
        f = draw(rng, dtype, *window(rng, 2), x.shape[-1])
        kw = dict(strides=[1] + window(rng, 2, 2) + [1], rates=[1] + window(rng, 2, 2) + [1], padding=pick(rng, "SAME", "VALID"))
        yield case("Dilation2D", lambda x, f: raw.Dilation2D(input=x, filter=f, **kw), x, f,
                   grad=[0, 1] if dtype in FLOATS else [])
    yield case("Dilation2D", lambda x, f: raw.Dilation2D(input=x, filter=f, **kw), x, draw(rng, U16, 2, 2, 7))


def convolutions(rng):
    for dtype in [I32, F32, F64, F16, BF16]:
        for n in [2, 3]:
            x, padding = image(rng, dtype, n, low=3, channels=4), pick(rng, "SAME", "VALID")
            f = draw(rng, dtype, *window(rng, n), x.shape[-1], int(rng.integers(1, 4)))
            kw = dict(strides=[1] + window(rng, n, 2) + [1], padding=padding)
            tol = (2e-1, 4e-1) if dtype == BF16 else (2e-2, 2e-2) if dtype == F16 else None
            yield case("Conv", lambda x, f: raw.Conv(input=x, filter=f, **kw), x, f, shapes="known", tol=tol)
            kw["dilations"] = [1] * (n + 2) if dtype != F32 or n == 3 else [1] + window(rng, n, 2) + [1]
            if max(kw["dilations"]) > 1:
                kw["strides"] = [1] * (n + 2)
            op = raw.Conv2D if n == 2 else raw.Conv3D
            if n == 2 or dtype != I32:
                yield case("Conv%dD" % n, lambda x, f: op(input=x, filter=f, **kw), x, f,
                           grad=[0, 1] if dtype != I32 else [], tol=tol)
    dy = draw(rng, I32, 1, 4, 4, 2)
    yield case("Conv2DBackpropInput", lambda f, d: raw.Conv2DBackpropInput(
        input_sizes=[1, 4, 4, 3], filter=f, out_backprop=d, strides=[1] * 4, padding="SAME"), draw(rng, I32, 3, 2, 3, 2), dy)


def formats(rng):
    for src, dst in [("NHWC", "NCHW"), ("NCHW", "NHWC"), ("NHWC", "HWNC"), ("NDHWC", "NCDHW"), ("NHWC", "NHW"), ("NHWC", "NHHC")]:
        dtype = pick(rng, I32, I64)
        kw = dict(src_format=src, dst_format=dst)
        n = len(src)
        yield case("DataFormatDimMap", lambda x: raw.DataFormatDimMap(x=x, **kw), rng.integers(-n, n, (3,)).astype(dtype))
        for shape in [(n,), (n, 2), (n - 2,), (n - 2, 2), (n + 1,), (n, 3), (n, 2, 1)]:
            yield case("DataFormatVecPermute", lambda x: raw.DataFormatVecPermute(x=x, **kw), draw(rng, dtype, *shape))
    yield case("DataFormatDimMap", lambda x: raw.DataFormatDimMap(x=x), I32([4, 0]))


def fractional(rng):
    for dtype in [F32, F64, I32, I64, F32, F32]:
        x = draw(rng, dtype, int(rng.integers(1, 3)), int(rng.integers(4, 12)), int(rng.integers(4, 12)), int(rng.integers(1, 3)))
        kw = dict(pooling_ratio=[1.0, float(rng.uniform(1, 3)), float(rng.uniform(1, 3)), 1.0], pseudo_random=bool(rng.integers(0, 2)),
                  overlapping=bool(rng.integers(0, 2)), deterministic=True, seed=int(rng.integers(1, 99)), seed2=int(rng.integers(1, 99)))
        for op in ["FractionalMaxPool", "FractionalAvgPool"]:
            yield case(op, lambda x: getattr(raw, op)(value=x, **kw), x, shapes="known",
                       grad=[0] if dtype in FLOATS else [])
    for ratio in [[1.0, 0.9, 1.0, 1.0], [1.0, 50.0, 1.0, 1.0]]:
        yield case("FractionalMaxPool", lambda x: raw.FractionalMaxPool(value=x, pooling_ratio=ratio), x)


def normalization(rng):
    """The second derivatives of batch normalization."""
    for training in [True, False, True]:
        x = draw(rng, F32, 2, int(rng.integers(2, 4)), int(rng.integers(1, 4)), int(rng.integers(1, 4)))
        c = x.shape[3]
        mean, variance = draw(rng, F32, c), draw(rng, F32, c, low=0.5, high=2)

        def first(x, d, scale):
            return raw.FusedBatchNormGradV3(y_backprop=d, x=x, scale=scale, reserve_space_1=mean, reserve_space_2=variance,
                                            reserve_space_3=mean, epsilon=0.01, is_training=training)[:3]
        yield case("FusedBatchNormGradV3", first, x, draw(rng, F32, *x.shape), draw(rng, F32, c), grad=[0, 1, 2], shapes="known",
                   tol=(1e-3, 1e-3))


def fused(rng):
    for dtype in [F32, F64, F16, F32]:
        # of several images TensorFlow pads the second with the first
        x = draw(rng, dtype, 1, int(rng.integers(3, 6)), int(rng.integers(3, 6)), int(rng.integers(1, 3)))
        f = draw(rng, dtype, *window(rng, 2), x.shape[3], int(rng.integers(1, 3)))
        pads = I32([[0, 0], rng.integers(0, 3, 2), rng.integers(0, 3, 2), [0, 0]])
        kw = dict(mode=pick(rng, "REFLECT", "SYMMETRIC"), strides=[1] + [int(rng.integers(1, 3))] * 2 + [1], padding=pick(rng, "SAME", "VALID"))
        tol = (1e-2, 2e-2) if dtype == F16 else (1e-4, 1e-4)
        yield case("FusedPadConv2D", lambda x, p, f: raw.FusedPadConv2D(input=x, paddings=p, filter=f, **kw), x, pads, f, tol=tol)
        if dtype != F16:
            corners, size = bool(rng.integers(0, 2)), I32(rng.integers(3, 8, 2))
            yield case("FusedResizeAndPadConv2D", lambda x, s, p, f: raw.FusedResizeAndPadConv2D(
                input=x, size=s, paddings=p, filter=f, resize_align_corners=corners, **kw), x, size, pads, f, tol=tol)
    for pads in [[[0, 0], [9, 0], [0, 0], [0, 0]], [[1, 0], [0, 0], [0, 0], [0, 0]], [[0, 0], [-1, 0], [0, 0], [0, 0]]]:
        yield case("FusedPadConv2D", lambda x, p, f: raw.FusedPadConv2D(input=x, paddings=p, filter=f, **kw), x, I32(pads), f)
    yield case("FusedResizeAndPadConv2D", lambda x, p, f: raw.FusedResizeAndPadConv2D(
        input=x, size=[4, 4], paddings=p, filter=f, **kw), x[:, :0], I32(np.zeros((4, 2))), f, shapes="known")


def cases(rng):
    yield from fused(rng)
    yield from normalization(rng)
    yield from fractional(rng)
    yield from pools3d(rng)
    yield from pools2d(rng)
    yield from dilation(rng)
    yield from convolutions(rng)
    yield from formats(rng)
