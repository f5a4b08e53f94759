# SPDX-License-Identifier: Apache-2.0
"""Boxes that overlap: NonMaxSuppression in all its versions. Scores are drawn from few values, so that many tie."""
from case import *


def boxes_of(rng, n, dtype=F32, spread=3.0):
    corner = rng.uniform(0, spread, (n, 2))
    size = rng.uniform(-0.2, 1.5, (n, 2))
    both = np.concatenate([corner, corner + size], -1).astype(dtype)
    swap = rng.integers(0, 4, n) == 0
    both[swap] = both[swap][:, [2, 3, 0, 1]]
    return both


def scores_of(rng, *shape, dtype=F32):
    few = rng.integers(0, 2)
    s = rng.integers(0, 8, shape) / 8 if few else rng.uniform(-0.1, 1, shape)
    return np.asarray(s).astype(dtype)


def single(rng):
    for dtype in [F32, F32, F16]:
        n = int(rng.integers(0, 30))
        b, s, most = boxes_of(rng, n, dtype), scores_of(rng, n, dtype=dtype), I32(rng.integers(0, 12))
        iou, least = dtype(rng.uniform(0, 1)), dtype(rng.uniform(-0.2, 0.6))
        sigma = dtype(rng.choice([0, 0.5, 1]))
        pad = bool(rng.integers(0, 2))
        if dtype == F32:
            yield case("NonMaxSuppression", lambda b, s, m: raw.NonMaxSuppression(
                boxes=b, scores=s, max_output_size=m, iou_threshold=float(iou)), b, s, most)
        yield case("NonMaxSuppressionV2", lambda b, s, m, i: raw.NonMaxSuppressionV2(
            boxes=b, scores=s, max_output_size=m, iou_threshold=i), b, s, most, iou)
        yield case("NonMaxSuppressionV3", lambda b, s, m, i, t: raw.NonMaxSuppressionV3(
            boxes=b, scores=s, max_output_size=m, iou_threshold=i, score_threshold=t), b, s, most, iou, least)
        yield case("NonMaxSuppressionV4", lambda b, s, m, i, t: raw.NonMaxSuppressionV4(
            boxes=b, scores=s, max_output_size=m, iou_threshold=i, score_threshold=t, pad_to_max_output_size=pad),
            b, s, most, iou, least)
        yield case("NonMaxSuppressionV5", lambda b, s, m, i, t, g: raw.NonMaxSuppressionV5(
            boxes=b, scores=s, max_output_size=m, iou_threshold=i, score_threshold=t, soft_nms_sigma=g,
            pad_to_max_output_size=pad), b, s, most, iou, least, sigma)
    n = int(rng.integers(1, 12))
    yield case("NonMaxSuppressionWithOverlaps", lambda o, s, m, i, t: raw.NonMaxSuppressionWithOverlaps(
        overlaps=o, scores=s, max_output_size=m, overlap_threshold=i, score_threshold=t),
        rng.uniform(0, 1, (n, n)).astype(F32), scores_of(rng, n), I32(rng.integers(0, 12)), F32(rng.uniform(0, 1.2)),
        F32(rng.uniform(-0.2, 0.6)))


def refused(rng):
    b, s = boxes_of(rng, 5), scores_of(rng, 5)
    v3 = lambda b, s, m, i: raw.NonMaxSuppressionV3(boxes=b, scores=s, max_output_size=m, iou_threshold=i, score_threshold=0.0)
    yield case("NonMaxSuppressionV3", v3, b, s, I32(-1), F32(0.5))
    yield case("NonMaxSuppressionV3", v3, b, s, I32(2), F32(1.5))
    yield case("NonMaxSuppressionV3", v3, b, s, I32(2), F32(np.nan))
    yield case("NonMaxSuppressionV5", lambda b, s, g: raw.NonMaxSuppressionV5(
        boxes=b, scores=s, max_output_size=3, iou_threshold=0.5, score_threshold=0.0, soft_nms_sigma=g), b, s, F32(-1))
    odd = s.copy()
    odd[:3] = [np.nan, np.inf, -np.inf]
    yield case("NonMaxSuppressionV3", v3, b, odd, I32(4), F32(0.5))


def combined(rng):
    for _ in range(6):
        batch, n, classes = int(rng.integers(1, 3)), int(rng.choice([0, 3, 16, 17, 40])), int(rng.integers(1, 4))
        q = int(rng.choice([1, classes]))
        b = boxes_of(rng, batch * n * q, spread=6.0).reshape(batch, n, q, 4)
        s = scores_of(rng, batch, n, classes)
        per, total = I32(rng.integers(1, 30)), I32(rng.integers(1, 50))
        pad, clip = bool(rng.integers(0, 2)), bool(rng.integers(0, 2))
        yield case("CombinedNonMaxSuppression", lambda b, s, p, t, i, l: raw.CombinedNonMaxSuppression(
            boxes=b, scores=s, max_output_size_per_class=p, max_total_size=t, iou_threshold=i, score_threshold=l,
            pad_per_class=pad, clip_boxes=clip), b, s, per, total, F32(rng.uniform(0, 1)), F32(rng.uniform(-0.2, 0.4)))


def cases(rng):
    yield from single(rng)
    yield from refused(rng)
    yield from combined(rng)
