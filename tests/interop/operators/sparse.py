# SPDX-License-Identifier: Apache-2.0
"""Operators of sparse tensors."""
from case import *

WORDS = ["", "a", "bc", "d", "\u00e9"]


def numbers(rng, dtype, n):
    return texts(rng, WORDS, n) if dtype == STRING else draw(rng, dtype, n)


def sparse(rng, dtype, shape, fill=0.5, ordered=True):
    """indices, values, dense shape with about that share of the elements there"""
    shape = np.array(shape, np.int64)
    there = rng.random(tuple(shape)) < fill
    indices = np.argwhere(there).astype(np.int64).reshape(-1, len(shape))
    if not ordered:
        rng.shuffle(indices)
    return indices, numbers(rng, dtype, len(indices)), shape


def dims(rng, rank=None, most=4):
    return rng.integers(1, most + 1, rng.integers(1, 4) if rank is None else rank)


def order(rng):
    for t in (F32, F64, I32, BOOL, STRING, C64, U8, BF16):
        yield case("SparseReorder", lambda i, v, s: raw.SparseReorder(input_indices=i, input_values=v, input_shape=s),
                   *sparse(rng, t, dims(rng), ordered=False), grad=[1] if t in (F32, F64, C64) else [])
    yield case("SparseReorder", lambda i, v, s: raw.SparseReorder(input_indices=i, input_values=v, input_shape=s),
               np.zeros((0, 2), np.int64), np.zeros(0, np.float32), np.array([3, 4]))
    yield case("SparseReorder", lambda i, v, s: raw.SparseReorder(input_indices=i, input_values=v, input_shape=s),
               np.array([[5, 5], [-1, 0]]), np.zeros(2, np.float32), np.array([3, 4]))
    for t in (F32, STRING, I64):
        for axis in (0, 1, -1):
            a = dims(rng, 3)
            b, c = a.copy(), a.copy()
            b[axis], c[axis] = rng.integers(0, 4), rng.integers(0, 4)
            parts = [sparse(rng, t, x) for x in (a, b, c)]
            flat = [x for p in zip(*parts) for x in p]
            yield case("SparseConcat", lambda *x, axis=axis: raw.SparseConcat(
                indices=x[:3], values=x[3:6], shapes=x[6:], concat_dim=axis), *flat)
    for axis, other in ((2, (2, 3)), (0, (2, 4)), (-3, (2, 3))):
        parts = [sparse(rng, F32, (2, 3)), sparse(rng, F32, other)]
        flat = [x for p in zip(*parts) for x in p]
        yield case("SparseConcat", lambda *x, axis=axis: raw.SparseConcat(
            indices=x[:2], values=x[2:4], shapes=x[4:], concat_dim=axis), *flat)
    for t in (F32, STRING, I32):
        for axis, n in ((0, 2), (1, 3), (-1, 1), (2, 2), (0, 9), (5, 1)):
            yield case("SparseSplit", lambda a, i, v, s, n=n: raw.SparseSplit(
                split_dim=a, indices=i, values=v, shape=s, num_split=n),
                np.int64(axis), *sparse(rng, t, rng.integers(3, 6, 3)))
    yield case("SparseSplit", lambda a, i, v, s: raw.SparseSplit(
        split_dim=a, indices=i, values=v, shape=s, num_split=2),
        np.int64(0), np.array([[7, 0]]), np.ones(1, np.float32), np.array([4, 2]))
    for t in (F32, F64, I32, STRING, C64):
        s = rng.integers(2, 6, 2)
        yield case("SparseSlice", lambda i, v, s, b, n: raw.SparseSlice(indices=i, values=v, shape=s, start=b, size=n),
                   *sparse(rng, t, s, 0.7), rng.integers(0, s), rng.integers(0, 7, 2),
                   grad=[1] if t in (F32, F64, C64) else [])
    for start, size in (((0, 0), (0, 0)), ((9, 9), (1, 1)), ((-1, 0), (2, 2)), ((0, 0), (-1, 2)), ((0,), (1,))):
        yield case("SparseSlice", lambda i, v, s, b, n: raw.SparseSlice(indices=i, values=v, shape=s, start=b, size=n),
                   *sparse(rng, F32, (3, 4), 0.7), np.array(start), np.array(size))


def add(rng):
    for t in (F32, F64, I8, I16, I32, I64, C64, C128):
        shape = dims(rng)
        real = {C64: F32, C128: F64}.get(t, t)
        for least in (0, 2):
            yield case("SparseAdd", lambda *x: raw.SparseAdd(
                a_indices=x[0], a_values=x[1], a_shape=x[2], b_indices=x[3], b_values=x[4], b_shape=x[5], thresh=x[6]),
                *sparse(rng, t, shape), *sparse(rng, t, shape), np.array(least).astype(real),
                grad=[1, 4] if np.dtype(t).kind in 'fc' else [])
    for other in ((2, 4), (2, 3, 1)):
        yield case("SparseAdd", lambda *x: raw.SparseAdd(
            a_indices=x[0], a_values=x[1], a_shape=x[2], b_indices=x[3], b_values=x[4], b_shape=x[5], thresh=x[6]),
            *sparse(rng, F32, (2, 3)), *sparse(rng, F32, other), np.float32(0))
    for t in (F32, F64, F16, BF16, I8, I16, I32, I64, U8, U16, U32, U64):
        shape = dims(rng)
        for op in ("SparseSparseMaximum", "SparseSparseMinimum"):
            yield case(op, lambda *x, op=op: getattr(raw, op)(
                a_indices=x[0], a_values=x[1], a_shape=x[2], b_indices=x[3], b_values=x[4], b_shape=x[5]),
                *sparse(rng, t, shape), *sparse(rng, t, shape))
    yield case("SparseSparseMaximum", lambda *x: raw.SparseSparseMaximum(
        a_indices=x[0], a_values=x[1], a_shape=x[2], b_indices=x[3], b_values=x[4], b_shape=x[5]),
        *sparse(rng, F32, (2, 3)), *sparse(rng, F32, (3, 3)))


def dense(rng):
    for k, t in enumerate([F32, F64, I32, C64, C128, BF16] + 2 * [F32, C64]):
        ta, tb = [(False, False), (True, False), (False, True), (True, True)][k % 4]
        m, k, n = dims(rng, 3)
        yield case("SparseTensorDenseMatMul", lambda i, v, s, b, ta=ta, tb=tb: raw.SparseTensorDenseMatMul(
            a_indices=i, a_values=v, a_shape=s, b=b, adjoint_a=ta, adjoint_b=tb),
            *sparse(rng, t, (k, m) if ta else (m, k)), draw(rng, t, *((n, k) if tb else (k, n))),
            grad=[1, 3] if t in (F32, F64, C64, C128) else [], tol=(2e-2, 2e-2) if t == BF16 else (1e-5, 1e-5))
    i, v, s = sparse(rng, F32, (3, 4))
    mul = lambda i, v, s, b: raw.SparseTensorDenseMatMul(a_indices=i, a_values=v, a_shape=s, b=b)
    yield case("SparseTensorDenseMatMul", mul, i.astype(np.int32), v, s, draw(rng, F32, 4, 2), grad=[1, 3])
    yield case("SparseTensorDenseMatMul", mul, i, v, s, draw(rng, F32, 3, 2))
    yield case("SparseTensorDenseMatMul", mul, np.array([[0, 4]]), v[:1], s, draw(rng, F32, 4, 2))
    yield case("SparseTensorDenseMatMul", mul, np.array([[3, 0]]), v[:1], s, draw(rng, F32, 4, 2))
    yield case("SparseTensorDenseMatMul", mul, np.zeros((0, 2), np.int64), v[:0], s, draw(rng, F32, 4, 2))
    for t in (F32, F64, I32, I64, C64):
        shape = dims(rng)
        i, v, s = sparse(rng, t, shape)
        for at in (np.int32, np.int64):
            yield case("SparseTensorDenseAdd", lambda i, v, s, b: raw.SparseTensorDenseAdd(
                a_indices=i, a_values=v, a_shape=s, b=b), i.astype(at), v, s.astype(at), draw(rng, t, *shape),
                grad=[1, 3] if np.dtype(t).kind in 'fc' else [])
    for i, s in (([[0, 3]], (2, 3)), ([[0, 0]], (2, 4)), ([[0, 0]], (3, 3)), ([[1, 1], [1, 1]], (2, 3))):
        yield case("SparseTensorDenseAdd", lambda i, v, s, b: raw.SparseTensorDenseAdd(
            a_indices=i, a_values=v, a_shape=s, b=b), np.array(i), np.ones(len(i), np.float32), np.array(s),
            draw(rng, F32, 2, 3))
    for t in (F32, F64, F16, BF16, I32, I64, I8, U8, C64):
        for op in ("SparseDenseCwiseAdd", "SparseDenseCwiseMul", "SparseDenseCwiseDiv"):
            shape = dims(rng, 3)
            with_ = draw(rng, t, *[d if rng.random() < 0.6 else 1 for d in shape[rng.integers(0, 3):]])
            if np.dtype(t).kind in 'iu':
                with_ = np.where(with_ == 0, 1, with_).astype(with_.dtype)
            yield case(op, lambda i, v, s, d, op=op: getattr(raw, op)(sp_indices=i, sp_values=v, sp_shape=s, dense=d),
                       *sparse(rng, t, shape), with_, tol=(1e-2, 1e-2) if t in (F16, BF16) else None,
                       grad=[1, 3] if t in (F32, F64) and op != "SparseDenseCwiseAdd" else [])
    for other in ((3, 3), (1, 2, 3), ()):
        yield case("SparseDenseCwiseMul", lambda i, v, s, d: raw.SparseDenseCwiseMul(
            sp_indices=i, sp_values=v, sp_shape=s, dense=d), *sparse(rng, F32, (2, 3)), draw(rng, F32, *other))
    yield case("SparseDenseCwiseMul", lambda i, v, s, d: raw.SparseDenseCwiseMul(
        sp_indices=i, sp_values=v, sp_shape=s, dense=d), np.array([[0, 9]]), np.ones(1, np.float32), np.array([2, 3]),
        draw(rng, F32, 2, 3))
    for ta, tb in ((F32, F32), (F32, BF16), (BF16, F32), (BF16, BF16)):
        x, y = bool(rng.integers(2)), bool(rng.integers(2))
        m, k, n = dims(rng, 3)
        yield case("SparseMatMul", lambda a, b, x=x, y=y: raw.SparseMatMul(
            a=a, b=b, transpose_a=x, transpose_b=y, a_is_sparse=True),
            draw(rng, ta, *((k, m) if x else (m, k))), draw(rng, tb, *((n, k) if y else (k, n))),
            grad=[0, 1] if ta == tb == F32 else [], tol=(1e-4, 1e-4))


def reduce(rng):
    for t in (F32, F64, F16, BF16, I32, I64, I8, U8, C64):
        for op in ("SparseReduceSum", "SparseReduceSumSparse", "SparseReduceMax", "SparseReduceMaxSparse"):
            if t == C64 and "Max" in op:
                continue
            shape = dims(rng)
            keep = bool(rng.integers(2))
            axes = rng.permutation(len(shape))[:rng.integers(0, len(shape) + 1)].astype(np.int32)
            axes = axes - np.where(rng.random(axes.shape) < 0.3, len(shape), 0).astype(np.int32)
            yield case(op, lambda i, v, s, a, op=op, keep=keep: getattr(raw, op)(
                input_indices=i, input_values=v, input_shape=s, reduction_axes=a, keep_dims=keep),
                *sparse(rng, t, shape), axes, tol=(1e-2, 1e-2) if t in (F16, BF16) else None,
                grad=[1] if op == "SparseReduceSum" and t in (F32, F64, C64) else [])
    for axes in (np.int32(1), np.array([2], np.int32), np.array([0, 0], np.int32), np.array([-1, 0], np.int32)):
        yield case("SparseReduceSum", lambda i, v, s, a: raw.SparseReduceSum(
            input_indices=i, input_values=v, input_shape=s, reduction_axes=a), *sparse(rng, F32, (2, 3)), axes)
    yield case("SparseReduceMax", lambda i, v, s, a: raw.SparseReduceMax(
        input_indices=i, input_values=v, input_shape=s, reduction_axes=a), np.array([[0, 0], [0, 1], [1, 2]]),
        np.array([np.nan, 1, -2], np.float32), np.array([2, 3]), np.array([1], np.int32))
    yield case("SparseReduceSum", lambda i, v, s, a: raw.SparseReduceSum(
        input_indices=i, input_values=v, input_shape=s, reduction_axes=a), np.array([[0, 7]]),
        np.ones(1, np.float32), np.array([2, 3]), np.array([0], np.int32))
    for t in (F32, F64, F16):
        for rank in (2, 3):
            yield case("SparseSoftmax", lambda i, v, s: raw.SparseSoftmax(sp_indices=i, sp_values=v, sp_shape=s),
                       *sparse(rng, t, dims(rng, rank), 0.7), grad=[1] if t != F16 else [],
                       tol=(1e-2, 1e-2) if t == F16 else None)
    for i in ([[0, 0], [0, 9]], [[0, 1], [0, 0]], [[0, 1], [0, 1]], [[1], [2]]):
        yield case("SparseSoftmax", lambda i, v, s: raw.SparseSoftmax(sp_indices=i, sp_values=v, sp_shape=s),
                   np.array(i), np.ones(2, np.float32), np.full(len(i[0]), 3))


def cases(rng):
    for part in (order, add, dense, reduce):
        yield from part(rng)
