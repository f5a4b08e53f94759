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
    for dtype in [F32, F32]:
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
        whole = np.dtype(dtype).kind in "iu"  # where a sum that is cut off may be either
        kw = dict(interpolation="NEAREST" if whole else pick(rng, "NEAREST", "BILINEAR"), fill_mode=pick(rng, "CONSTANT", "REFLECT", "WRAP", "NEAREST"))
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


def resizing(rng):
    for dtype in [I8, U8, I16, U16, I32, I64, F16, BF16, F32, F64, F32]:
        x = draw(rng, dtype, int(rng.integers(1, 3)), int(rng.integers(1, 8)), int(rng.integers(1, 8)), int(rng.integers(1, 4)))
        size, corners = I32(rng.integers(1, 10, 2)), bool(rng.integers(0, 2))
        yield case("ResizeArea", lambda x, s: raw.ResizeArea(images=x, size=s, align_corners=corners), x, size, tol=(1e-4, 1e-4))
        kw = dict(kernel_type=pick(rng, "lanczos1", "lanczos3", "lanczos5", "gaussian", "box", "triangle", "keyscubic", "mitchellcubic"),
                  antialias=bool(rng.integers(0, 2)))
        yield case("ScaleAndTranslate", lambda x, s, c, t: raw.ScaleAndTranslate(images=x, size=s, scale=c, translation=t, **kw),
                   x, size, F32(rng.uniform(0.3, 2, 2)), F32(rng.uniform(-2, 2, 2)), grad=[0] if dtype == F32 else [], tol=(1e-3, 1e-3))
    x = draw(rng, F32, 1, 3, 3, 1)
    for size in [[0, 2], [-1, 2], [2], [2, 2, 2]]:
        yield case("ResizeArea", lambda x, s: raw.ResizeArea(images=x, size=s), x, I32(size), shapes="unknown")
    for kw in [dict(kernel_type="none", scale=[1., 1.]), dict(kernel_type="box", scale=[0., 1.]), dict(kernel_type="box", scale=[1.])]:
        yield case("ScaleAndTranslate", lambda x: raw.ScaleAndTranslate(images=x, size=[2, 2], translation=[0., 0.], **kw), x)


def drawing(rng):
    for dtype in [F32, F16, F32]:
        n, h, w, c = int(rng.integers(1, 3)), int(rng.integers(2, 9)), int(rng.integers(2, 9)), int(rng.choice([1, 3, 4]))
        x, boxes = draw(rng, dtype, n, h, w, c), np.sort(rng.uniform(-0.3, 1.3, (n, 3, 2, 2)), 2).astype(F32).reshape(n, 3, 4)
        yield case("DrawBoundingBoxes", lambda x, b: raw.DrawBoundingBoxes(images=x, boxes=b), x, boxes)
        yield case("DrawBoundingBoxesV2", lambda x, b, c: raw.DrawBoundingBoxesV2(images=x, boxes=b, colors=c), x, boxes,
                   draw(rng, F32, int(rng.integers(0, 4)), c))
    yield case("DrawBoundingBoxes", lambda x, b: raw.DrawBoundingBoxes(images=x, boxes=b), x[..., :1].repeat(2, -1), boxes)
    yield case("DrawBoundingBoxes", lambda x, b: raw.DrawBoundingBoxes(images=x, boxes=b), x, boxes[..., :3], shapes="unknown")


def sampling(rng):
    for n in [1, 3, 0, 2]:
        boxes = np.sort(rng.uniform(0, 1, (1, n, 2, 2)), 2).astype(F32).reshape(1, n, 4)
        size = rng.integers(1, 120, 3).astype(pick(rng, I8, I16, I32, I64))
        least, area = F32(rng.uniform(0, 1)), sorted(float(v) for v in rng.uniform(0.05, 1, 2))
        kw = dict(area_range=area, aspect_ratio_range=sorted(float(v) for v in rng.uniform(0.4, 2, 2)),
                  max_attempts=int(rng.integers(1, 30)), use_image_if_no_bounding_boxes=bool(n or rng.integers(0, 2)))
        seeds = [int(v) for v in rng.integers(1, 1000, 2)]
        yield case("SampleDistortedBoundingBox", lambda s, b: raw.SampleDistortedBoundingBox(
            image_size=s, bounding_boxes=b, min_object_covered=float(least), seed=seeds[0], seed2=seeds[1], **kw), size, boxes)
        yield case("SampleDistortedBoundingBoxV2", lambda s, b, m: raw.SampleDistortedBoundingBoxV2(
            image_size=s, bounding_boxes=b, min_object_covered=m, seed=seeds[0], seed2=seeds[1], **kw), size, boxes, least)
        yield case("StatelessSampleDistortedBoundingBox", lambda s, b, m: raw.StatelessSampleDistortedBoundingBox(
            image_size=s, bounding_boxes=b, min_object_covered=m, seed=seeds, **kw), size, boxes, least)
    for kw in [dict(max_attempts=0), dict(area_range=[0., 1.]), dict(area_range=[.1, 1.1]), dict(aspect_ratio_range=[0., 1.]),
               dict(area_range=[.1]), dict(min_object_covered=-1.), dict(bounding_boxes=boxes * 3 + 1)]:
        kw = {**dict(image_size=I32([10, 20, 3]), bounding_boxes=boxes, min_object_covered=0.1, seed=[1, 2]), **kw}
        yield case("StatelessSampleDistortedBoundingBox", lambda: raw.StatelessSampleDistortedBoundingBox(**kw))


def glimpses(rng):
    for op in ["ExtractGlimpse", "ExtractGlimpseV2"]:
        for _ in range(4):
            x, n = draw(rng, F32, 2, int(rng.integers(1, 7)), int(rng.integers(1, 7)), 2), I32(rng.integers(1, 6, 2))
            kw = dict(centered=bool(rng.integers(0, 2)), normalized=bool(rng.integers(0, 2)), uniform_noise=False, noise="zero")
            at = rng.uniform(-1.5, 1.5, (2, 2)) * (1 if kw["normalized"] else 4)
            yield case(op, lambda x, n, o: getattr(raw, op)(input=x, size=n, offsets=o, **kw), x, n, at.astype(F32))
        for size, at in [([2], at), ([2, 2], at[:1]), ([2, 2], at[:, :1])]:
            yield case(op, lambda x, n, o: getattr(raw, op)(input=x, size=n, offsets=o), x, I32(size), at.astype(F32), shapes="unknown")


def volumes(rng):
    for dtype in [F32, F64, F16, BF16, I32, U8, I64]:
        x = draw(rng, dtype, int(rng.integers(0, 3)), *[int(v) for v in rng.integers(1, 5, 3)], int(rng.integers(1, 3)))
        kw = dict(ksizes=[1, *[int(v) for v in rng.integers(1, 3, 3)], 1], strides=[1, *[int(v) for v in rng.integers(1, 3, 3)], 1],
                  padding=pick(rng, "SAME", "VALID"))
        yield case("ExtractVolumePatches", lambda x: raw.ExtractVolumePatches(input=x, **kw), x, shapes="known",
                   grad=[0] if dtype in (F32, F64) and x.size else [])


def counting(rng):
    for dtype in [F32, F64, I32, I64]:
        out = pick(rng, tf.int32, tf.int64)
        low = rng.integers(-5, 3)
        span = np.array([low, low + rng.integers(-1, 9)], dtype)
        yield case("HistogramFixedWidth", lambda x, s, n: raw.HistogramFixedWidth(values=x, value_range=s, nbins=n, dtype=out),
                   draw(rng, dtype, *shape_of(rng, 2)) * 3, span, I32(rng.integers(1, 9)), shapes="known")
    yield case("HistogramFixedWidth", lambda x: raw.HistogramFixedWidth(values=x, value_range=[0., 5.], nbins=5),
               F32([-1, 0, 1.5, 4.999, 5, 15, 1, np.inf, -np.inf]))
    yield case("HistogramFixedWidth", lambda x: raw.HistogramFixedWidth(values=x, value_range=[0., 5.], nbins=5), F32([1, np.nan]))
    for n in [0, -1]:
        yield case("HistogramFixedWidth", lambda x, n: raw.HistogramFixedWidth(values=x, value_range=[0., 5.], nbins=n), F32([1]), I32(n))
    for _ in range(3):
        d = int(rng.integers(1, 4))
        yield case("NearestNeighbors", lambda p, c, k: raw.NearestNeighbors(points=p, centers=c, k=k), draw(rng, F32, 4, d),
                   draw(rng, F32, int(rng.integers(0, 6)), d), I64(rng.integers(0, 7)), tol=(1e-3, 1e-4))
    yield case("NearestNeighbors", lambda p, c, k: raw.NearestNeighbors(points=p, centers=c, k=k), draw(rng, F32, 4, 2),
               draw(rng, F32, 4, 3), I64(1))


def cases(rng):
    yield from glimpses(rng)
    yield from volumes(rng)
    yield from counting(rng)
    yield from sampling(rng)
    yield from resizing(rng)
    yield from drawing(rng)
    yield from colours(rng)
    yield from projections(rng)
