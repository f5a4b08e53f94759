# SPDX-License-Identifier: Apache-2.0
"""Operators that move elements: cutting, joining, indexing, scattering, reordering, padding, diagonals, sets."""
from case import *

ANY = FLOATS + INTS + [C64, C128, BOOL]
SOME = [F16, BF16, F32, F64, I8, I32, I64, U8, C64, BOOL, STRING]
INDEX = [I32, I64]


def any_of(rng, dtypes, *shape):
    t = pick(rng, *dtypes)
    return texts(rng, ["a", "bc", "", b"\xff\x00x", "def"], *shape) if t is STRING else draw(rng, t, *shape)


def smooth(x):
    return x.dtype.kind in "fcV" and x.dtype != object


def grads(x, *k):
    return list(k or [0]) if smooth(x) else []


def cut(rng):
    shape = shape_of(rng, int(rng.integers(1, 5)), 6, .05)
    x, n, t = any_of(rng, SOME, *shape), len(shape), pick(rng, *INDEX)
    begin = np.array([rng.integers(0, d + 1) for d in shape], t)
    size = np.array([rng.integers(-1, d - b + (2 if rng.random() < .05 else 1)) for d, b in zip(shape, begin)], t)
    yield case("Slice", lambda x, b, s: raw.Slice(input=x, begin=b, size=s), x, begin, size, grad=grads(x))
    parts = int(rng.integers(1, n + 1))
    begin, end = (rng.integers(-8, 8, parts).astype(t) for _ in range(2))
    strides = np.array([pick(rng, 1, 1, 2, -1, -2, 3) for _ in range(parts)], t)
    if rng.random() < .03:
        strides[0] = 0
    masks = {k: int(rng.integers(0, 1 << parts)) for k in ("begin_mask", "end_mask")}
    masks["shrink_axis_mask"] = int(rng.integers(0, 1 << parts)) if rng.random() < .3 else 0
    masks["ellipsis_mask"] = 1 << int(rng.integers(0, parts)) if rng.random() < .3 else 0
    masks["new_axis_mask"] = int(rng.integers(0, 1 << parts)) if rng.random() < .3 else 0
    yield case("StridedSlice", lambda x, b, e, s: raw.StridedSlice(input=x, begin=b, end=e, strides=s, **masks), x, begin, end, strides, grad=grads(x))
    yield case("StridedSlice", lambda x: raw.StridedSlice(input=x, begin=begin, end=end, strides=strides, **masks), x, grad=grads(x))
    axis = int(rng.integers(-n, n))
    if shape[axis]:
        divisors = [k for k in range(1, shape[axis] + 1) if shape[axis] % k == 0]
        yield case("Split", lambda x: raw.Split(axis=axis, value=x, num_split=pick(rng, *divisors)), x, grad=grads(x))
    a = int(rng.integers(0, shape[axis] + 1))
    sizes = np.array([a, shape[axis] - a], t)
    if rng.random() < .5:
        sizes[int(rng.integers(0, 2))] = -1
    yield case("SplitV", lambda x, s: raw.SplitV(value=x, size_splits=s, axis=axis, num_split=2), x, sizes, grad=grads(x))
    if shape[axis] < 6:
        yield case("Unpack", lambda x: raw.Unpack(value=x, num=shape[axis], axis=axis) or [tf.shape(x)], x, grad=grads(x) if shape[axis] else [])
    yield case("Roll", lambda x, s, a: raw.Roll(input=x, shift=s, axis=a), x, rng.integers(-5, 6, 2).astype(t), rng.integers(-n, n, 2).astype(t), grad=grads(x))
    yield case("ReverseV2", lambda x, a: raw.ReverseV2(tensor=x, axis=a), x, np.unique(rng.integers(0, n, 2)).astype(t), grad=grads(x))


def join(rng):
    n = int(rng.integers(1, 5))
    shape, axis, t = list(shape_of(rng, n, 4, .05)), int(rng.integers(-n, n)), pick(rng, *SOME)
    xs = []
    for _ in range(int(rng.integers(2, 5))):
        shape[axis] = int(rng.integers(0, 4))
        xs.append(any_of(rng, [t], *shape))
    if rng.random() < .05:
        xs[0] = any_of(rng, [t], *([9] * n))
    index = pick(rng, *INDEX)
    yield case("ConcatV2", lambda *x: raw.ConcatV2(values=list(x), axis=tf.constant(axis, index)), *xs, grad=grads(xs[0], *range(len(xs))))
    yield case("Concat", lambda *x: raw.Concat(concat_dim=axis % n, values=list(x)), *xs, grad=grads(xs[0], 0, 1))
    x = any_of(rng, [t], *shape)
    yield case("Pack", lambda x, y: raw.Pack(values=[x, y, x], axis=int(rng.integers(-n - 1, n + 1))), x, x, grad=grads(x, 0, 1))


def lay_out(rng):
    n = int(rng.integers(0, 5))
    shape, t = shape_of(rng, n, 4, .05), pick(rng, *INDEX)
    x = any_of(rng, SOME, *shape)
    yield case("Transpose", lambda x, p: raw.Transpose(x=x, perm=p), x, rng.permutation(n).astype(t), grad=grads(x))
    yield case("Reshape", lambda x, s: raw.Reshape(tensor=x, shape=s), x, np.array(pick(rng, [-1], [x.size], [1, -1], [-1, 1, 1]), t), grad=grads(x))
    yield case("ExpandDims", lambda x, a: raw.ExpandDims(input=x, axis=a), x, np.array(rng.integers(-n - 1, n + 1), t), grad=grads(x))
    ones = draw(rng, F32, *[pick(rng, 1, 1, 3) for _ in range(4)])
    yield case("Squeeze", lambda x: raw.Squeeze(input=x, axis=pick(rng, [], [0], [-1, 1])), ones, grad=[0])
    if n:
        yield case("Tile", lambda x, m: raw.Tile(input=x, multiples=m), x, rng.integers(0, 3, n).astype(t), grad=grads(x))
        pads = rng.integers(0, 3, (n, 2)).astype(t)
        if rng.random() < .05:
            pads[0, 0] = -1
        yield case("Pad", lambda x, p: raw.Pad(input=x, paddings=p), x, pads, grad=grads(x)) if x.dtype != object else join_one(rng)
        value = draw(rng, x.dtype) if x.dtype != object else np.array("z", object)
        yield case("PadV2", lambda x, p, v: raw.PadV2(input=x, paddings=p, constant_values=v), x, pads, value, grad=grads(x, 0, 2))
        y = draw(rng, pick(rng, F32, F64, I32), *[int(rng.integers(3, 6)) for _ in range(n)])
        yield case("MirrorPad", lambda x, p: raw.MirrorPad(input=x, paddings=p, mode=pick(rng, "REFLECT", "SYMMETRIC")), y, np.abs(pads), grad=grads(y))
        to = [int(rng.integers(1, 4)) for _ in range(int(rng.integers(0, 2)))] + [3 if d == 1 else d for d in shape]
        yield case("BroadcastTo", lambda x, s: raw.BroadcastTo(input=x, shape=s), x, np.array(to, t), grad=grads(x))
    z = draw(rng, pick(rng, *ANY), 3, 4, 5)
    lengths = rng.integers(0, 6, 3).astype(t)
    yield case("ReverseSequence", lambda x, s: raw.ReverseSequence(input=x, seq_lengths=s, seq_dim=2, batch_dim=0), z, lengths, grad=grads(z))
    yield case("InvertPermutation", lambda p: raw.InvertPermutation(x=p), rng.permutation(6).astype(t))
    yield case("Fill", lambda d, v: raw.Fill(dims=d, value=v), np.array(shape, t), any_of(rng, SOME))
    yield case("Range", lambda a, b, c: raw.Range(start=a, limit=b, delta=c), *[np.array(v, t) for v in (rng.integers(-5, 5), rng.integers(-5, 9), pick(rng, 1, 2, -1))])
    yield case("Range", lambda a, b, c: raw.Range(start=a, limit=b, delta=c), *[np.array(v, pick(rng, F32)) for v in (rng.uniform(-3, 0), rng.uniform(0, 4), .4)])
    yield case("LinSpace", lambda a, b, n: raw.LinSpace(start=a, stop=b, num=n), draw(rng, F32), draw(rng, F32), np.array(rng.integers(1, 7), t))
    yield case("BroadcastArgs", lambda a, b: raw.BroadcastArgs(s0=a, s1=b), np.array(pick(rng, [2, 1], [1], [3, 2, 4]), t), np.array(pick(rng, [1, 4], [4], []), t))
    depth = np.array(rng.integers(1, 5), I32)
    on, u = pick(rng, F32, I64, BOOL, U8), draw(rng, pick(rng, I32, I64, U8), *shape_of(rng, 2, 3), low=0, high=5)
    yield case("OneHot", lambda i, d, a, b: raw.OneHot(indices=i, depth=d, on_value=a, off_value=b, axis=pick(rng, -1, 0, 1)), u, depth, draw(rng, on), draw(rng, on))


def join_one(rng):
    x = draw(rng, F32, 3)
    return case("ConcatV2", lambda x: raw.ConcatV2(values=[x, x], axis=0), x)


def gather(rng):
    shape = tuple(int(d) for d in rng.integers(1, 5, int(rng.integers(1, 5))))
    n, t = len(shape), pick(rng, *INDEX)
    x = any_of(rng, SOME, *shape)
    batch = int(rng.integers(0, n))
    axis = int(rng.integers(batch, n))
    at = rng.integers(0, shape[axis], shape[:batch] + shape_of(rng, int(rng.integers(0, 3)), 4, .05)).astype(t)
    if rng.random() < .05 and at.size:
        at.flat[0] = shape[axis]
    yield case("GatherV2", lambda x, i: raw.GatherV2(params=x, indices=i, axis=axis if rng.random() < .5 else axis - n, batch_dims=batch), x, at, grad=grads(x))
    yield case("Gather", lambda x, i: raw.Gather(params=x, indices=i), x, rng.integers(0, shape[0], (2, 3)).astype(t), grad=grads(x))
    depth = int(rng.integers(0, n + 1))
    at = np.stack([rng.integers(0, d, (3, 2)) for d in shape[:depth]], -1) if depth else np.zeros((3, 2, 0))
    if rng.random() < .05 and depth:
        at[0, 0, 0] = -1
    yield case("GatherNd", lambda x, i: raw.GatherNd(params=x, indices=i.astype(t) if False else i), x, at.astype(t), grad=grads(x))
    if depth:
        u = any_of(rng, [x.dtype.type if x.dtype != object else STRING], 3, 2, *shape[depth:])
        if u.dtype != object and x.dtype != object:
            for op in ("TensorScatterAdd", "TensorScatterSub", "TensorScatterUpdate", "TensorScatterMax", "TensorScatterMin"):
                if x.dtype.kind == "b" or (x.dtype.kind == "c" and op[13:] in ("Max", "Min")):
                    continue
                unique = "Update" in op or "M" in op[13:]  # the order of duplicates is nobody's promise
                if unique:
                    at[:] = 0
                    u[:] = u[:1, :1]
                yield case(op, lambda x, i, u: getattr(raw, op)(tensor=x, indices=i, updates=u), x, at.astype(t), u,
                           grad=grads(x, 0, 2) if not unique else [])
            if x.dtype.kind != "b":
                yield case("ScatterNd", lambda i, u, s: raw.ScatterNd(indices=i, updates=u, shape=s), at.astype(t), u, np.array(shape, t), grad=grads(u, 1))
    four = np.arange(4, dtype=F32)  # updates that are computed, and are as large as what they go into
    yield case("TensorScatterUpdate", lambda x, u: raw.TensorScatterUpdate(tensor=x, indices=[[2], [0], [3], [1]], updates=-u), four, four + 5)
    yield case("TensorScatterAdd", lambda x, u: raw.TensorScatterAdd(tensor=x, indices=[[2], [0], [3], [1]], updates=-u), four, four + 5)
    rows = any_of(rng, SOME, 6, *shape[1:])
    part = rng.integers(0, 3, 6).astype(I32)
    yield case("DynamicPartition", lambda x, p: raw.DynamicPartition(data=x, partitions=p, num_partitions=3), rows, part, grad=grads(rows))
    where = [np.array([1, 3], I32), np.array([[0, 2], [4, 5]], I32)]
    a, b = rows[:2], rows[2:].reshape((2, 2) + shape[1:])
    yield case("DynamicStitch", lambda a, b: raw.DynamicStitch(indices=where, data=[a, b]), a, b, grad=grads(rows, 0, 1))
    dense = np.unique(rng.integers(0, 12, 4)).astype(t)
    yield case("SparseToDense", lambda i, v: raw.SparseToDense(sparse_indices=i, output_shape=tf.constant([12], t), sparse_values=v, default_value=tf.zeros([], v.dtype)),
               dense, draw(rng, pick(rng, F32, I64, BOOL), len(dense)))


def sets(rng):
    t = pick(rng, I32, I64, F32, F64, U8, I16, STRING)
    x = any_of(rng, [t], int(rng.integers(0, 12))) if t is STRING else draw(rng, t, int(rng.integers(0, 12)), low=0, high=5).round().astype(t)
    yield case("Unique", lambda x: raw.Unique(x=x, out_idx=pick(rng, *INDEX)), x)
    yield case("UniqueWithCounts", lambda x: raw.UniqueWithCounts(x=x, out_idx=pick(rng, *INDEX)), x)
    m = draw(rng, pick(rng, I32, F32), 4, 3, low=0, high=2).round()
    yield case("UniqueV2", lambda x: raw.UniqueV2(x=x, axis=np.array([pick(rng, 0, 1)], I64)), m)
    yield case("UniqueWithCountsV2", lambda x: raw.UniqueWithCountsV2(x=x, axis=np.array([pick(rng, 0, 1)], I64)), m)
    yield case("ListDiff", lambda x, y: raw.ListDiff(x=x, y=y), x, x[:2])
    yield case("Where", lambda x: raw.Where(condition=x), draw(rng, pick(rng, *ANY), *shape_of(rng, int(rng.integers(1, 4))), low=0, high=2))
    yield case("Bucketize", lambda x: raw.Bucketize(input=x, boundaries=[-1., 0., .5]), draw(rng, pick(rng, F32, F64, I32, I64), *shape_of(rng, 2)))
    v = draw(rng, pick(rng, F32, F64, I32, C64), 4, 3)
    yield case("Cross", lambda a, b: raw.Cross(a=a, b=b), v, v[::-1].copy(), grad=grads(v, 0, 1))


def diagonals(rng):
    t = pick(rng, F16, F32, F64, I32, I64, U8, C64, BOOL, BF16)
    x = draw(rng, t, *shape_of(rng, int(rng.integers(1, 3)), 4, .05))
    yield case("Diag", lambda x: raw.Diag(diagonal=x), x, grad=grads(x)) if t not in (BOOL, U8) else join_one(rng)
    rows, columns = (int(v) for v in rng.integers(1, 6, 2))
    m = draw(rng, t, int(rng.integers(1, 3)), rows, columns)
    lower, upper = np.array(rng.integers(-2, 4), I64), np.array(rng.integers(-2, 4), I64)
    yield case("MatrixBandPart", lambda x, a, b: raw.MatrixBandPart(input=x, num_lower=a, num_upper=b), m, lower, upper, grad=grads(m))
    yield case("MatrixDiagPart", lambda x: raw.MatrixDiagPart(input=x), m, grad=grads(m))
    yield case("MatrixDiag", lambda x: raw.MatrixDiag(diagonal=x), x, grad=grads(x))
    low = int(rng.integers(-rows + 1, columns))
    high = int(rng.integers(low, columns))
    align = pick(rng, "LEFT_RIGHT", "RIGHT_LEFT", "LEFT_LEFT", "RIGHT_RIGHT")
    k = np.array([low, high] if rng.random() < .7 else low, I32)
    longest = min(rows + min(high if k.ndim else low, 0), columns - max(low, 0))
    fill = np.zeros((), t)
    yield case("MatrixDiagPartV3", lambda x, k, p: raw.MatrixDiagPartV3(input=x, k=k, padding_value=p, align=align), m, k, fill, grad=grads(m))
    yield case("MatrixDiagPartV2", lambda x, k, p: raw.MatrixDiagPartV2(input=x, k=k, padding_value=p), m, k, fill)  # its gradient aligns otherwise
    shape = (m.shape[0],) + ((high - low + 1,) if k.ndim and high > low else ()) + (longest,)
    d = draw(rng, t, *shape)
    yield case("MatrixSetDiagV3", lambda x, d, k: raw.MatrixSetDiagV3(input=x, diagonal=d, k=k, align=align), m, d, k, grad=grads(m, 0, 1))
    yield case("MatrixDiagV3", lambda d, k: raw.MatrixDiagV3(diagonal=d, k=k, num_rows=rows, num_cols=columns, padding_value=tf.zeros([], d.dtype), align=align), d, k, grad=grads(m))


def blocks(rng):
    t, i = pick(rng, F16, F32, F64, I32, U8, BF16, C64), pick(rng, *INDEX)
    b = int(rng.integers(2, 4))
    x = draw(rng, t, 2, b * int(rng.integers(1, 4)), b * int(rng.integers(1, 4)), 3)
    yield case("SpaceToDepth", lambda x: raw.SpaceToDepth(input=x, block_size=b), x, grad=grads(x))
    y = draw(rng, t, 2, 3, 2, 2 * b * b)
    yield case("DepthToSpace", lambda x: raw.DepthToSpace(input=x, block_size=b), y, grad=grads(y))
    pads = np.array([[0, b], [b, 0]], i)
    yield case("SpaceToBatchND", lambda x, p: raw.SpaceToBatchND(input=x, block_shape=np.array([b, b], I32), paddings=p), x, pads, grad=grads(x))
    z = draw(rng, t, 2 * b * b, 2, 3, 2)
    crops = np.array([[0, 1], [1, 0]], i)
    yield case("BatchToSpaceND", lambda x, c: raw.BatchToSpaceND(input=x, block_shape=np.array([b, b], I32), crops=c), z, crops, grad=grads(z))
    yield case("BatchToSpace", lambda x, c: raw.BatchToSpace(input=x, crops=c, block_size=b), z, crops, grad=grads(z))
    w = draw(rng, pick(rng, F32, F64, I32, U8), 1, 7, 6, 2)
    yield case("ExtractImagePatches", lambda x: raw.ExtractImagePatches(images=x, ksizes=[1, 2, 3, 1], strides=[1, 2, 1, 1], rates=[1, pick(rng, 1, 2), 1, 1],
                                                                         padding=pick(rng, "SAME", "VALID")), w)


def cases(rng):
    for _ in range(3):
        for family in (cut, join, lay_out, gather, sets, diagonals, blocks):
            yield from family(rng)
