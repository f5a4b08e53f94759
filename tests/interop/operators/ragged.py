# SPDX-License-Identifier: Apache-2.0
"""Operators of ragged tensors."""
from case import *

WORDS = ["", "a", "bc"]


def splits(rng, rows, t):
    return np.concatenate([[0], np.cumsum(rng.integers(0, 4, rows))]).astype(t)


def nested(rng, dtype, levels, rows, t, inner=()):
    """splits of each level, values"""
    out = []
    for _ in range(levels):
        out.append(splits(rng, rows, t))
        rows = int(out[-1][-1])
    return out, texts(rng, WORDS, rows, *inner) if dtype == STRING else draw(rng, dtype, rows, *inner)


def ranges(rng):
    op = lambda a, b, c, t=tf.int64: raw.RaggedRange(starts=a, limits=b, deltas=c, Tsplits=t)
    for t in (BF16, F32, F64, I32, I64):
        for shape in ((), (3,)):
            delta = np.where(rng.random(shape) < .5, -2, 3).astype(t)
            yield case("RaggedRange", op, draw(rng, t, *shape), draw(rng, t, 3), delta)
            yield case("RaggedRange", lambda a, b, c: op(a, b, c, tf.int32), draw(rng, t, *shape), draw(rng, t, *shape), delta)
    for a, b, c in ((0, 5, 0), ([0, 1], [1, 2, 3], 1), ([[0]], [[1]], [[1]]), (0, 10**12, 1)):
        yield case("RaggedRange", lambda a, b, c: op(a, b, c, tf.int32), np.array(a, np.int64), np.array(b, np.int64), np.array(c, np.int64),
                   shapes="unknown")
    yield case("RaggedRange", op, np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int32))


def gathers(rng):
    for t in (F32, I64, STRING, F64):
        for levels in (1, 2):
            for shape in ((), (4,), (2, 2), (0,)):
                s, v = nested(rng, t, levels, 4, pick(rng, I32, I64), (2,) if rng.random() < .4 else ())
                i = draw(rng, pick(rng, I32, I64), *shape, low=0, high=4)
                yield case("RaggedGather", lambda *x, n=levels, m=len(shape): tf.nest.flatten(raw.RaggedGather(
                    params_nested_splits=x[:n], params_dense_values=x[n], indices=x[n + 1], OUTPUT_RAGGED_RANK=n + m - 1)),
                    *s, v, i, grad=[levels] if t in (F32, F64) else [], shapes="known")
    one = lambda s, v, i: tf.nest.flatten(raw.RaggedGather(params_nested_splits=[s], params_dense_values=v, indices=i, OUTPUT_RAGGED_RANK=1))
    for s, i in (([0, 2, 3], [0, 2]), ([0, 2, 3], [-1]), ([0, 9], [0]), ([0, 3, 1], [0]), ([], [])):
        yield case("RaggedGather", one, np.array(s, np.int64), draw(rng, F32, 3), np.array(i, np.int64))


def dense(rng):
    for t in (F32, F64):
        for inner in ((), (2,)):
            for levels in (1, 2):
                s, v = nested(rng, t, levels, 3, I64, inner)
                yield case("RaggedTensorToSparse", lambda *x: raw.RaggedTensorToSparse(rt_nested_splits=x[:-1], rt_dense_values=x[-1]),
                           *s, v, grad=[levels])
                for d in ((), inner):
                    shape = [-1] * (1 + levels) + list(inner)
                    if rng.random() < .5:
                        shape[1] = int(rng.integers(1, 4))
                    yield case("RaggedTensorToTensor", lambda *x, n=levels, shape=shape: raw.RaggedTensorToTensor(
                        shape=tf.constant(shape, tf.int64), values=x[n], default_value=x[n + 1], row_partition_tensors=x[:n],
                        row_partition_types=["ROW_SPLITS"] * n), *s, v, draw(rng, t, *d), grad=[levels, levels + 1], shapes="known")
        ids = np.sort(rng.integers(0, 4, 6))
        yield case("RaggedTensorToTensor", lambda n, ids, v, d: raw.RaggedTensorToTensor(
            shape=tf.constant(-1, tf.int64), values=v, default_value=d, row_partition_tensors=[n, ids],
            row_partition_types=["FIRST_DIM_SIZE", "VALUE_ROWIDS"]), np.int64(5), ids, draw(rng, t, 6), draw(rng, t), grad=[2, 3],
            shapes="known")


def cases(rng):
    for part in (ranges, gathers, dense):
        yield from part(rng)
