# SPDX-License-Identifier: Apache-2.0
"""Operators that put elements together: reductions, scans, segments, histograms, the largest ones, products, Einsum."""
from case import *

NUMBERS = FLOATS + INTS + [C64, C128]
ORDERED = FLOATS + INTS
INDEX = [I32, I64]
LOOSE = {F16: (2e-2, 2e-2), BF16: (1e-1, 1e-1), F32: (1e-4, 1e-5), C64: (1e-4, 1e-5)}


def smooth(t, *k):
    return list(k or [0]) if np.dtype(t).kind in "fcV" or t == BF16 else []


def tied(rng, t, *shape):
    """Few different values, so that there are ties."""
    return np.round(draw(rng, t, *shape, low=None if np.dtype(t).kind == "u" else -2, high=3)).astype(t)


def reduce(rng):
    n = int(rng.integers(0, 5))
    shape = shape_of(rng, n, 5, .08)
    axes = np.array(sorted(rng.choice(n, rng.integers(0, n + 1), replace=False)) if n else [], pick(rng, *INDEX))
    axes = np.where(rng.random(len(axes)) < .4, axes - n, axes).astype(axes.dtype)
    for op, dtypes in (("Sum", NUMBERS), ("Mean", NUMBERS), ("Prod", NUMBERS), ("Max", ORDERED), ("Min", ORDERED), ("EuclideanNorm", FLOATS + [C64])):
        t = pick(rng, *dtypes)
        x = tied(rng, t, *shape) if op in ("Max", "Min") else draw(rng, t, *shape)
        if op == "Mean" and np.dtype(t).kind in "iu" and 0 in shape:
            continue
        if op in ("Max", "Min") and np.dtype(t).kind == "f" and x.size and rng.random() < .15:
            x.flat[rng.integers(x.size)] = np.nan
        grad = smooth(t) if op in ("Sum", "Mean", "Prod") or (op in ("Max", "Min") and not np.isnan(x.astype(F64)).any()) else []
        if t in (C64, C128) and op == "Prod":
            grad = []
        yield case(op, lambda x, a: getattr(raw, op)(input=x, axis=a, keep_dims=bool(n % 2)), x, axes, grad=grad, tol=LOOSE.get(t))
    for op in ("All", "Any"):
        yield case(op, lambda x, a: getattr(raw, op)(input=x, axis=a, keep_dims=bool(n % 2)), draw(rng, BOOL, *shape), axes)
    t = pick(rng, *FLOATS)
    yield case("L2Loss", lambda x: raw.L2Loss(t=x), draw(rng, t, *shape), grad=[0], tol=LOOSE.get(t))


def scan(rng):
    n = int(rng.integers(1, 4))
    shape, i = shape_of(rng, n, 6, .05), pick(rng, *INDEX)
    axis = np.array(rng.integers(-n, n), i)
    flags = {"exclusive": rng.random() < .5, "reverse": rng.random() < .5}
    for op, dtypes in (("Cumsum", NUMBERS), ("Cumprod", NUMBERS), ("CumulativeLogsumexp", [F16, F32, F64])):
        t = pick(rng, *dtypes)
        x = draw(rng, t, *shape, **({"low": .5, "high": 2} if op == "Cumprod" and np.dtype(t).kind == "f" else {}))
        yield case(op, lambda x, a: getattr(raw, op)(x=x, axis=a, **flags), x, axis, grad=smooth(t) if t != BF16 and x.size else [], tol=LOOSE.get(t))
    for op in ("ArgMax", "ArgMin"):
        t = pick(rng, *ORDERED, BOOL)
        x = tied(rng, t, *[max(d, 1) for d in shape])
        if np.dtype(t).kind == "f" and rng.random() < .2:
            x.flat[rng.integers(x.size)] = np.nan
        yield case(op, lambda x, a: getattr(raw, op)(input=x, dimension=a, output_type=pick(rng, *INDEX)), x, axis)
    t = pick(rng, *ORDERED)
    x = tied(rng, t, *shape_of(rng, int(rng.integers(0, 3)), 4, 0), int(rng.integers(1, 9)))
    k = np.array(rng.integers(0, x.shape[-1] + 1), I32)
    yield case("TopKV2", lambda x, k: raw.TopKV2(input=x, k=k, sorted=True), x, k, grad=smooth(t))
    predictions = draw(rng, F32, 4, 6)
    targets = rng.integers(0, 7 if rng.random() < .2 else 6, 4).astype(i)
    yield case("InTopKV2", lambda p, t, k: raw.InTopKV2(predictions=p, targets=t, k=k), predictions, targets, np.array(2, i))
    yield case("InTopK", lambda p, t: raw.InTopK(predictions=p, targets=t, k=3), predictions, targets)


def segments(rng):
    rows, width, i = int(rng.integers(1, 9)), shape_of(rng, int(rng.integers(0, 3)), 3, .05), pick(rng, *INDEX)
    ids = np.sort(rng.integers(0, 5, rows)).astype(i)
    if rng.random() < .06:
        ids = ids[::-1].copy()
    for op, dtypes in (("SegmentSum", NUMBERS), ("SegmentMean", FLOATS), ("SegmentProd", NUMBERS), ("SegmentMax", ORDERED), ("SegmentMin", ORDERED)):
        t = pick(rng, *dtypes)
        x = tied(rng, t, rows, *width) if op[-1] in "xn" else draw(rng, t, rows, *width)
        grad = smooth(t) if op in ("SegmentSum", "SegmentMean", "SegmentMax", "SegmentMin") and t not in (C64, C128, BF16) else []
        yield case(op, lambda x, s: getattr(raw, op)(data=x, segment_ids=s), x, ids, grad=grad, tol=LOOSE.get(t))
    loose = rng.integers(-1, 5, rows).astype(i)
    count = np.array(rng.integers(4, 7), i)
    for op, dtypes in (("Sum", NUMBERS), ("Prod", NUMBERS), ("Max", ORDERED), ("Min", ORDERED)):
        t = pick(rng, *dtypes)
        x = tied(rng, t, rows, *width) if op in ("Max", "Min") else draw(rng, t, rows, *width)
        grad = smooth(t) if op != "Prod" and t not in (C64, C128, BF16, F16) else []
        yield case("UnsortedSegment" + op, lambda x, s, n: getattr(raw, "UnsortedSegment" + op)(data=x, segment_ids=s, num_segments=n), x, loose, count,
                   grad=grad, tol=LOOSE.get(t))
    at, to = rng.integers(0, rows, 6).astype(i), np.sort(rng.integers(0, 4, 6)).astype(pick(rng, *INDEX))
    for op in ("Sum", "Mean", "SqrtN"):
        t = pick(rng, F32, F64) if op != "Sum" else pick(rng, F32, F64, I32)
        x = draw(rng, t, rows, *(width or (2,)))
        yield case("SparseSegment" + op, lambda x, a, s: getattr(raw, "SparseSegment" + op)(data=x, indices=a, segment_ids=s), x, at, to, grad=smooth(t))
        yield case("SparseSegment%sWithNumSegments" % op, lambda x, a, s: getattr(raw, "SparseSegment%sWithNumSegments" % op)(
            data=x, indices=a, segment_ids=s, num_segments=6), x, at, to, grad=smooth(t))
    values, size = rng.integers(0, 7, rows).astype(I32), np.array(rng.integers(4, 9), I32)
    weights = draw(rng, pick(rng, F32, F64, I32, I64), pick(rng, 0, rows))
    yield case("Bincount", lambda a, n, w: raw.Bincount(arr=a, size=n, weights=w), values, size, weights)
    dense = rng.integers(0, 6, pick(rng, (5,), (3, 4))).astype(i)
    w = draw(rng, pick(rng, F32, F64, I32), *pick(rng, (0,), dense.shape))
    yield case("DenseBincount", lambda a, n, w: raw.DenseBincount(input=a, size=n, weights=w, binary_output=bool(rows % 2)), dense, np.array(5, i), w)


def products(rng):
    m, k, n = (int(v) for v in rng.integers(1, 8, 3))
    if rng.random() < .08:
        m, k, n = (pick(rng, (0, k, n), (m, 0, n), (m, k, 0)))
    ta, tb = bool(rng.integers(0, 2)), bool(rng.integers(0, 2))
    t = pick(rng, F16, BF16, F32, F64, I32, I64, C64, C128, U8, I8, U16, I16)
    a, b = draw(rng, t, *((k, m) if ta else (m, k))), draw(rng, t, *((n, k) if tb else (k, n)))
    yield case("MatMul", lambda a, b: raw.MatMul(a=a, b=b, transpose_a=ta, transpose_b=tb), a, b, grad=smooth(t, 0, 1), tol=LOOSE.get(t))
    t = pick(rng, F16, BF16, F32, F64, I32, I64, C64, C128, I16)
    batch, other = shape_of(rng, int(rng.integers(0, 3)), 3, .03), bool(rng.integers(0, 2))
    one = tuple(1 if other else d for d in batch)
    a, b = draw(rng, t, *batch, *((k, m) if ta else (m, k))), draw(rng, t, *one, *((n, k) if tb else (k, n)))
    yield case("BatchMatMulV2", lambda a, b: raw.BatchMatMulV2(x=a, y=b, adj_x=ta, adj_y=tb), a, b, grad=smooth(t, 0, 1), tol=LOOSE.get(t))
    t = pick(rng, F32, F64, C64, I32, F16)
    sizes = {c: int(rng.integers(1, 5)) for c in "abcde"}
    for equation in rng.choice(["ab,bc->ac", "abc,cd->abd", "abc,abd->acd", "ab,ab->", "aab->b" if False else "ab->ba", "a,b->ab", "abcd,aecd->abec" if False else
                                "abcd,abed->abce", "...ab,...bc->...ac", "abc->b", "ab,b->a", "abc,cb->a"], 2, replace=False):
        ins = equation.split("->")[0].split(",")
        xs = [draw(rng, t, *([2] if "..." in e else []), *[sizes[c] for c in e.replace(".", "")]) for e in ins]
        grad = smooth(t, *range(len(xs))) if t != F16 else []
        yield case("Einsum", lambda *x: raw.Einsum(inputs=list(x), equation=str(equation)), *xs, grad=grad, tol=LOOSE.get(t))


def cases(rng):
    for _ in range(3):
        for family in (reduce, scan, segments, products):
            yield from family(rng)
    yield many_dimensions(rng)


def many_dimensions(rng):
    """As gradients of what is repeated have them: each dimension taken apart into two."""
    x = draw(rng, F32, *[2, 2, 1, 2, 3, 1, 2, 2, 1, 2, 1, 2])
    back = lambda x: raw.Sum(input=raw.Reshape(tensor=x, shape=[1, 2, 2, 2, 1, 1, 2, 3, 1, 2, 2, 1, 1, 1, 2]), axis=[0, 2, 4, 6, 8, 10, 12, 14])
    return case("ManyDimensions", back, x, grad=[0])
