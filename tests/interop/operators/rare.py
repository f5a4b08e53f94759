# SPDX-License-Identifier: Apache-2.0
"""Operators that few graphs have: what a debugger counts, top elements for accelerators."""
from case import *


def debugged(rng):
    odd = np.array([[1, np.nan, 2, 0], [np.inf, -np.inf, -3, -0.0]])
    for t in FLOATS + INTS + [BOOL]:
        shape = shape_of(rng, int(rng.integers(0, 4)), 4, 0.2)
        values = [draw(rng, t, *shape), draw(rng, t, *shape_of(rng, 8, 2, 0))] + ([odd.astype(t)] if t in FLOATS else [])
        for x in values:
            if t not in (F16, BF16) and np.ndim(x) < 8:
                kw = dict(tensor_name=pick(rng, "x", "x:0"), **pick(rng, {}, dict(lower_bound=-1.0, upper_bound=1.5)))
                yield case("DebugNumericSummary", lambda x, kw=kw: raw.DebugNumericSummary(input=x, **kw), x, tol=(1e-5, 1e-6))
            yield case("DebugNanCount", lambda x: raw.DebugNanCount(input=x, tensor_name="a/b:1"), x)
            mode, out = pick(rng, 2, 3, 4, 5, 8), pick(rng, tf.float32, tf.float64)
            yield case("DebugNumericSummaryV2", lambda x, m=mode, o=out: raw.DebugNumericSummaryV2(input=x, tensor_debug_mode=m, tensor_id=7, output_dtype=o), x)
    x = odd.astype(F32)
    for name in ("", "x", "x:0", "x:0:DebugNanCount"):
        yield case("DebugNanCount", lambda x, n=name: raw.DebugNanCount(input=x, tensor_name=n), x)
    for m in (2, 3, 4, 5, 8):
        yield case("DebugNumericSummaryV2", lambda x, m=m: raw.DebugNumericSummaryV2(input=x, tensor_debug_mode=m, tensor_id=3), x)
    yield case("DebugNumericSummaryV2", lambda x: raw.DebugNumericSummaryV2(input=x, tensor_debug_mode=3, tensor_id=2**24 + 1), x)
    yield case("DebugNumericSummaryV2", lambda x: raw.DebugNumericSummaryV2(input=x, tensor_debug_mode=3, tensor_id=2**24 + 1, output_dtype=tf.float64), x)


def top(rng):
    for t in (F16, BF16, F32):
        for k in (0, 1, 3):
            yield case("ApproxTopK", lambda x, k=k: list(raw.ApproxTopK(input=x, k=k)), draw(rng, t, *shape_of(rng, int(rng.integers(0, 3)), 3, 0), 4), grad=[0] if t == F32 else [])
    for x in (np.array([1, np.nan, 3, np.nan, 2], F32), np.array([2, 1, 2, 2], F32), np.ones(2, F32), np.ones((), F32)):
        yield case("ApproxTopK", lambda x: list(raw.ApproxTopK(input=x, k=3, aggregate_to_topk=False)), x, shapes="unknown")


def cases(rng):
    yield from debugged(rng)
    yield from top(rng)
