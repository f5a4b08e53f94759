# SPDX-License-Identifier: Apache-2.0
"""Images: colours, projections, resizing, boxes drawn and sampled."""
from case import *


def pixels(rng, dtype, *shape):
    x = draw(rng, dtype, *shape, low=0, high=1)
    few = rng.integers(0, 2)
    return (np.round(x.astype(F64) * 4) / 4).astype(dtype) if few else x


def colours(rng):
    for dtype in [F16, BF16, F32, F64]:
        shape = pick(rng, (2, 3, 3), (3,), (0, 3), (1, 2, 2, 3))
        tol = (2e-2, 2e-2) if dtype in (F16, BF16) else (1e-5, 1e-5)
        yield case("RGBToHSV", lambda x: raw.RGBToHSV(images=x), pixels(rng, dtype, *shape), tol=tol)
        if dtype in (F32, F64):
            yield case("RGBToHSV", lambda x: raw.RGBToHSV(images=x), draw(rng, dtype, 2, 3, 3, low=0.1, high=1), grad=[0],
                       tol=(1e-3, 1e-3))
        yield case("HSVToRGB", lambda x: raw.HSVToRGB(images=x), pixels(rng, dtype, *shape), tol=tol)
    yield case("HSVToRGB", lambda x: raw.HSVToRGB(images=x), draw(rng, F32, 4, 3, 3), tol=(1e-5, 1e-5))
    yield case("RGBToHSV", lambda x: raw.RGBToHSV(images=x), draw(rng, F32, 4, 3, 4), shapes="unknown")
    for dtype in [F32, F32, F16]:
        shape = pick(rng, (2, 4, 3), (1, 2, 3, 3), (0, 3, 3))
        x, tol = pixels(rng, dtype, *shape), (2e-2, 2e-2) if dtype == F16 else (1e-5, 1e-5)
        yield case("AdjustHue", lambda x, d: raw.AdjustHue(images=x, delta=d), x, F32(rng.uniform(-2, 2)), tol=tol)
        yield case("AdjustSaturation", lambda x, d: raw.AdjustSaturation(images=x, scale=d), x, F32(rng.uniform(-0.5, 3)), tol=tol)
        yield case("AdjustContrastv2", lambda x, d: raw.AdjustContrastv2(images=x, contrast_factor=d),
                   draw(rng, dtype, *pick(rng, (3, 4, 2), (2, 3, 2, 3), (2, 1, 3, 2, 1), (0, 2, 2, 1))), F32(rng.uniform(-1, 3)), tol=tol)
    yield case("AdjustHue", lambda x: raw.AdjustHue(images=x, delta=0.5), pixels(rng, F32, 2, 3), shapes="unknown")
    yield case("AdjustSaturation", lambda x: raw.AdjustSaturation(images=x, scale=0.5), pixels(rng, F32, 2, 3, 2), shapes="unknown")


def projections(rng):
    for dtype in [U8, I32, I64, F16, BF16, F32, F64, F32, F32]:
        n = int(rng.integers(1, 3))
        x = draw(rng, dtype, n, int(rng.integers(1, 6)), int(rng.integers(1, 6)), int(rng.integers(1, 3)))
        t = np.tile(F32([1, 0, 0, 0, 1, 0, 0, 0]), (pick(rng, 1, n), 1)) + rng.uniform(-0.6, 0.6, (1, 8)).astype(F32)
        t[:, [2, 5]] *= 8
        t[:, 6:] *= pick(rng, 0, 0.1)
        kw = dict(interpolation=pick(rng, "NEAREST", "BILINEAR"), fill_mode=pick(rng, "CONSTANT", "REFLECT", "WRAP", "NEAREST"))
        size = I32(rng.integers(1, 7, 2))
        grad = [0] if dtype in (F32, F64) else []
        yield case("ImageProjectiveTransformV2", lambda x, t: raw.ImageProjectiveTransformV2(
            images=x, transforms=t, output_shape=size, **kw), x, t, grad=grad, tol=(1e-2, 1e-2) if dtype in (F16, BF16) else (1e-4, 1e-4))
        yield case("ImageProjectiveTransformV3", lambda x, t, v: raw.ImageProjectiveTransformV3(
            images=x, transforms=t, output_shape=size, fill_value=v, **kw), x, t, F32(rng.uniform(0, 2)),
            tol=(1e-2, 1e-2) if dtype in (F16, BF16) else (1e-4, 1e-4))
    kw = dict(interpolation="NEAREST", fill_mode="CONSTANT")
    for size, t in [([0, 2], t), ([2], t), ([2, 2], t[:, :7]), ([2, 2], np.zeros((3, 8), F32))]:
        yield case("ImageProjectiveTransformV2", lambda x, t, s: raw.ImageProjectiveTransformV2(
            images=x, transforms=t, output_shape=s, **kw), x, t, I32(size), shapes="unknown")


def cases(rng):
    yield from colours(rng)
    yield from projections(rng)
