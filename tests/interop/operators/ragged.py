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


def flat(x):
    return tf.nest.flatten(x)


def to_variant(x, batched=True):
    x = list(x)
    return raw.RaggedTensorToVariant(rt_nested_splits=x[:-1], rt_dense_values=x[-1], batched_input=batched)


def from_variant(e, levels, out, t, ts=tf.int64):
    return flat(raw.RaggedTensorFromVariant(encoded_ragged=e, input_ragged_rank=levels, output_ragged_rank=out, Tvalues=t, Tsplits=ts))


def variants(rng):
    for t in (F32, F64, I32, STRING, BF16, BOOL):
        kind = tf.as_dtype(t if t != STRING else "string")
        for n in (1, 2, 3):
            for ts in (I32, I64):
                s, v = nested(rng, t, n, pick(rng, 0, 1, 3, 4), ts, (2,) if rng.random() < .4 else ())
                grad = [n] if t in (F32, F64) else []
                for batched in (True, False):
                    levels = pick(rng, -1, n - 1) if batched else n
                    yield case("RaggedTensorToVariant", lambda *x, n=n, ts=ts, kind=kind, batched=batched, levels=levels: from_variant(
                        to_variant(x, batched), levels, n, kind, ts), *s, v, grad=grad)
                yield case("RaggedTensorToVariant", lambda *x, n=n, ts=ts, kind=kind: from_variant(
                    tf.stack([to_variant(x), to_variant(x)]), -1, n + 1, kind, ts), *s, v)
        for shape in ((3,), (2, 3), (0, 2), ()):
            v = texts(rng, WORDS, *shape) if t == STRING else draw(rng, t, *shape)
            for batched in (True, False)[not shape:]:
                yield case("RaggedTensorToVariant", lambda v, kind=kind, batched=batched, m=len(shape): from_variant(
                    to_variant([v], batched), 0, int(batched), kind), v, grad=[0] if t in (F32, F64) else [], shapes="unknown")
    yield from variant_errors(rng)
    yield from variant_sums(rng)


def variant_errors(rng):
    one = lambda s, v: from_variant(to_variant([s, v]), 0, 1, tf.float32)
    for s in ([0, 2, 9], [1, 2, 6], [0, 4, 2, 6], [], [0, -1, 6], [0]):
        yield case("RaggedTensorToVariant", one, np.array(s, I64), draw(rng, F32, 6), shapes="unknown")
    s, v = np.array([0, 2, 6]), draw(rng, F32, 6)
    for levels, out, t, ts, batched in ((0, 1, tf.int32, tf.int64, True), (1, 1, tf.float32, tf.int32, False), (2, 2, tf.float32, tf.int64, False),
                                        (1, 1, tf.float32, tf.int64, True), (-1, 0, tf.float32, tf.int64, True), (0, 1, tf.float32, tf.int32, True)):
        yield case("RaggedTensorFromVariant", lambda s, v, levels=levels, out=out, t=t, ts=ts, batched=batched: from_variant(
            to_variant([s, v], batched), levels, out, t, ts), s, v, shapes="unknown")
    both = lambda s, v, q, w: from_variant(tf.stack([to_variant([s, v], False), to_variant([q, w], False)]), 1, 2, tf.float32)
    for w in (draw(rng, F32, 1), draw(rng, F32, 1, 1), draw(rng, F32, 1, 2)):
        yield case("RaggedTensorFromVariant", both, s, v, np.array([0, 1]), w, shapes="unknown")
        yield case("RaggedTensorFromVariant", both, s, draw(rng, F32, 6, 2), np.array([0, 1]), w, shapes="unknown")
    yield case("RaggedTensorFromVariant", lambda x: from_variant(raw.EmptyTensorList(
        element_shape=-1, max_num_elements=-1, element_dtype=tf.float32), 0, 0, tf.float32) + [x], v)
    for shape in ([6], [2, 3]):
        yield case("RaggedTensorToVariantGradient", lambda s, v, n: raw.RaggedTensorToVariantGradient(
            encoded_ragged_grad=to_variant([s, v]), row_splits=s, dense_values_shape=n, Tvalues=tf.float32), s, v, np.array(shape, I32))


def variant_sums(rng):
    s, v = np.array([0, 2, 6]), draw(rng, F32, 6)
    yield case("ZerosLike", lambda s, v: from_variant(raw.ZerosLike(x=to_variant([s, v], False)), 1, 1, tf.float32), s, v)
    for q in ([0, 2, 6], [0, 3, 6]):
        yield case("AddN", lambda s, v, q: from_variant(raw.AddN(inputs=[to_variant([s, v], False), to_variant([q, v], False)]), 1, 1, tf.float32),
                   s, v, np.array(q))
    none = np.zeros(0, I32)
    stacked = lambda s, v: raw.TensorListStack(input_handle=raw.TensorListFromTensor(
        tensor=tf.stack([to_variant([s, v], False)] * 3), element_shape=none), element_shape=none, element_dtype=tf.variant)
    yield case("TensorListStack", lambda s, v: from_variant(stacked(s, v), 1, 2, tf.float32), s, v)
    square = lambda s, v: tf.map_fn(lambda r: r * r, tf.RaggedTensor.from_row_splits(v, s, validate=False)).flat_values
    yield case("RaggedTensorToVariant map_fn", square, s, v, grad=[1], ours=False)


def filled(rng):
    op = lambda i, v, n, d: raw.RaggedFillEmptyRows(value_rowids=i, values=v, nrows=n, default_value=d)
    for t in (F32, F64, I32, I64, STRING, BOOL):
        for _ in range(2):
            n = int(rng.integers(0, 6))
            i = rng.integers(0, 5, n)
            v = texts(rng, WORDS, n) if t == STRING else draw(rng, t, n)
            d = texts(rng, ["x"]) if t == STRING else draw(rng, t)
            yield case("RaggedFillEmptyRows", op, i, v, np.int64(rng.integers(5, 7)), d, grad=[1, 3] if t in (F32, F64) else [])
    x, zero = draw(rng, F32, 1), draw(rng, F32)
    for i, n in (([], 0), ([0], 0), ([5], 3), ([-1], 3), ([0], -1), ([0], [2]), ([[0]], 2), ([0, 1], 2)):
        yield case("RaggedFillEmptyRows", op, np.array(i, I64), x[:np.size(i)], np.array(n, I64), zero, shapes="unknown")
    yield case("RaggedFillEmptyRows", op, np.array([0]), x, np.int64(2), x, shapes="unknown")
    for i in ([0, 3], [0, 4], [-1, 0]):
        yield case("RaggedFillEmptyRowsGrad", lambda i, g: raw.RaggedFillEmptyRowsGrad(reverse_index_map=i, grad_values=g),
                   np.array(i), draw(rng, pick(rng, F32, F64, I32), 4))


def cases(rng):
    for part in (ranges, gathers, dense, variants, filled):
        yield from part(rng)
