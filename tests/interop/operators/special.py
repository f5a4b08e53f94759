# SPDX-License-Identifier: Apache-2.0
"""Special functions of one argument; looking for places."""
from case import *

NAMES = ["BesselI0", "BesselI0e", "BesselI1", "BesselI1e", "BesselK0", "BesselK0e", "BesselK1", "BesselK1e", "BesselJ0", "BesselJ1", "BesselY0",
         "BesselY1", "Dawsn", "Expint", "FresnelCos", "FresnelSin", "Spence"]


def functions(rng):
    for name in NAMES:
        op = getattr(raw, name)
        positive = name[6:7] in ("K", "Y") or name in ("Spence", "Expint")
        for t in (F32, F64, pick(rng, F16, BF16)):
            x = draw(rng, t, int(rng.integers(3, 12)), low=0.05 if positive else -6, high=8)
            tol = {F32: (2e-4, 2e-5), F64: (1e-7, 1e-8)}.get(t, (3e-2, 3e-2))
            yield case(name, lambda x, op=op: op(x=x), x, grad=[0] if t in (F32, F64) else [], tol=tol)
        far = np.array([0.01, 1, 20, 45], F64)
        yield case(name, lambda x, op=op: op(x=x), far, tol=(1e-6, 1e-9))
        if name not in ("Expint",):
            yield case(name, lambda x, op=op: op(x=x), np.array([0, -1, np.nan], F64) if not positive else np.array([0, np.nan], F64), tol=(1e-6, 1e-9))


def places(rng):
    for t in (F32, F64, I32, I64, U8):
        rows, n, m = (int(k) for k in rng.integers(1, 6, 3))
        a, v = np.sort(draw(rng, t, rows, n, low=0, high=5), -1), draw(rng, t, rows, m, low=0, high=6)
        out = pick(rng, tf.int32, tf.int64)
        yield case("LowerBound", lambda a, v, o=out: raw.LowerBound(sorted_inputs=a, values=v, out_type=o), a, v)
        yield case("UpperBound", lambda a, v, o=out: raw.UpperBound(sorted_inputs=a, values=v, out_type=o), a, v)
        x = draw(rng, t, *shape_of(rng, int(rng.integers(0, 3)), 4), int(rng.integers(2, 7)))
        for reverse in (False, True):
            yield case("NthElement", lambda x, n, r=reverse: raw.NthElement(input=x, n=n, reverse=r), x, np.int32(rng.integers(0, x.shape[-1])),
                       grad=[0] if t in (F32, F64) else [])
    yield case("LowerBound", lambda a, v: raw.LowerBound(sorted_inputs=a, values=v), np.zeros((2, 3), F32), np.zeros((3, 3), F32), shapes="unknown")
    for n in (-1, 3):
        yield case("NthElement", lambda x, n: raw.NthElement(input=x, n=n), np.zeros((2, 3), F32), np.int32(n), shapes="unknown")
    for t in (I32, I64):
        yield case("UnravelIndex", lambda i, d: raw.UnravelIndex(indices=i, dims=d), rng.integers(0, 24, 5).astype(t), np.array([2, 3, 4], t))
        yield case("UnravelIndex", lambda i, d: raw.UnravelIndex(indices=i, dims=d), np.asarray(rng.integers(0, 6), t), np.array([2, 3], t))
    for i, d in (([24], [2, 3, 4]), ([-1], [2, 3]), ([0], [2, 0]), ([[0]], [2, 3])):
        yield case("UnravelIndex", lambda i, d: raw.UnravelIndex(indices=i, dims=d), np.array(i, I32), np.array(d, I32), shapes="unknown")
    for t in INTS:
        yield case("PopulationCount", lambda x: raw.PopulationCount(x=x), draw(rng, t, 6, low=0 if np.dtype(t).kind == "u" else -100, high=120))
    for x in (0.0, 2.0, [], [0.0]):
        yield case("ToBool", lambda x: raw.ToBool(input=x), np.array(x, F32))
    yield case("DeviceIndex", lambda: [raw.DeviceIndex(device_names=["GPU", "CPU"]), raw.DeviceIndex(device_names=["TPU"])])
    yield case("Timestamp", lambda: raw.Timestamp() > 1e9)


def cases(rng):
    yield from functions(rng)
    yield from places(rng)
