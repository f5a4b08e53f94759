# SPDX-License-Identifier: Apache-2.0
"""What feature columns are made of: crosses, counts of values, sets."""
from case import *
from sparse import sparse

WORDS = ["", "a", "b", "longer than eight", "\u00e9t\u00e9", "x" * 40, "y" * 100]
KEY = 0xDECAFCAFFE


def ragged(rng, dtype, rows):
    lengths = rng.integers(0, 4, rows)
    n = int(lengths.sum())
    return (texts(rng, WORDS, n) if dtype == STRING else draw(rng, dtype, n)), np.concatenate([[0], np.cumsum(lengths)])


def columns(rng, types, dense_types, rows=3):
    """indices, values, shapes of sparse columns, and dense ones"""
    parts = [sparse(rng, t, (rows, int(rng.integers(1, 4)))) for t in types]
    dense = [texts(rng, WORDS, rows, 2) if t == STRING else draw(rng, t, rows, 2) for t in dense_types]
    return [list(p) for p in zip(*parts)] if parts else [[], [], []], dense


def cross(rng):
    for types, dense_types in (([STRING, I64], []), ([STRING], [I64]), ([I64, I64], [STRING, I64]), ([], [STRING, STRING]),
                               ([STRING, STRING, STRING], [])):
        (i, v, s), d = columns(rng, types, dense_types)
        n, flat = len(i), [*i, *v, *s, *d]
        split = lambda x, n=n: dict(indices=x[:n], values=x[n:2 * n], shapes=x[2 * n:3 * n], dense_inputs=x[3 * n:])
        yield case("SparseCrossV2", lambda *x, f=split: raw.SparseCrossV2(**f(x), sep=tf.constant("_Y_")), *flat)
        for strong, buckets in ((False, 0), (True, 100), (False, 7)):
            if strong and I64 in dense_types:
                continue  # TensorFlow does not survive it
            yield case("SparseCrossHashed", lambda *x, f=split, a=strong, b=buckets: raw.SparseCrossHashed(
                **f(x), num_buckets=b, strong_hash=a, salt=[11, 22]), *flat)
        for internal, buckets in (("int64", 0), ("int64", 100), ("string", 100)):
            yield case("SparseCross", lambda *x, f=split, a=internal, b=buckets: raw.SparseCross(
                **f(x), hashed_output=True, num_buckets=b, hash_key=KEY, out_type=tf.int64, internal_type=a), *flat)
        yield case("SparseCross", lambda *x, f=split: raw.SparseCross(
            **f(x), hashed_output=False, num_buckets=0, hash_key=KEY, out_type=tf.string, internal_type=tf.string), *flat)
    pair = lambda *x: raw.SparseCrossV2(indices=x[:2], values=x[2:4], shapes=x[4:6], dense_inputs=x[6:], sep=tf.constant("-"))
    a, b = sparse(rng, STRING, (3, 2)), sparse(rng, STRING, (4, 2))
    yield case("SparseCrossV2", pair, *[x for p in zip(a, b) for x in p])
    yield case("SparseCrossV2", pair, *[x for p in zip(a, a) for x in p], texts(rng, WORDS, 2, 2))
    yield case("SparseCrossV2", pair, np.array([[0, 0], [5, 0]]), a[0][:1], texts(rng, WORDS, 2), a[1][:1], a[2], a[2])
    for order in ("RSD", "DRRS", "RR", "X", "R"):
        r = [ragged(rng, t, 3) for t in [STRING, I64][:order.count("R")]]
        (i, v, s), d = columns(rng, [STRING] * order.count("S"), [I64] * order.count("D"))
        n, m = len(r), len(i)
        flat = [*[x[0] for x in r], *[x[1] for x in r], *i, *v, *s, *d]
        for hashed in (True, False):
            yield case("RaggedCross", lambda *x, n=n, m=m, o=order, h=hashed: raw.RaggedCross(
                ragged_values=x[:n], ragged_row_splits=x[n:2 * n], sparse_indices=x[2 * n:2 * n + m],
                sparse_values=x[2 * n + m:2 * n + 2 * m], sparse_shape=x[2 * n + 2 * m:2 * n + 3 * m],
                dense_inputs=x[2 * n + 3 * m:], input_order=o, hashed_output=h, num_buckets=int(rng.integers(0, 3)) * 50,
                hash_key=KEY, out_values_type=tf.int64 if h else tf.string, out_row_splits_type=tf.int64), *flat)
    yield case("RaggedCross", lambda v, s: raw.RaggedCross(
        ragged_values=[v], ragged_row_splits=[s], sparse_indices=[], sparse_values=[], sparse_shape=[], dense_inputs=[],
        input_order="R", hashed_output=False, num_buckets=0, hash_key=0, out_values_type=tf.string,
        out_row_splits_type=tf.int64), texts(rng, WORDS, 3), np.array([0, 2, 5]))


def counts(rng):
    for t in (I32, I64):
        for w in (I32, I64, F32, F64):
            for shape in ((6,), (3, 4)):
                x = draw(rng, t, *shape, low=0, high=6)
                weights = draw(rng, w, *shape) if rng.random() < 0.5 else np.zeros(0, w)
                least, most = int(rng.integers(-1, 9)), int(rng.integers(-1, 7))
                binary = bool(rng.integers(2)) and not weights.size
                yield case("DenseCountSparseOutput", lambda x, w, a=least, b=most, c=binary: raw.DenseCountSparseOutput(
                    values=x, weights=w, minlength=a, maxlength=b, binary_output=c), x, weights)
                i, v, s = sparse(rng, t, shape)
                v = np.abs(v)
                weights = draw(rng, w, len(v)) if rng.random() < 0.5 else np.zeros(0, w)
                yield case("SparseCountSparseOutput", lambda i, v, s, w, a=least, b=most, c=binary:
                           raw.SparseCountSparseOutput(indices=i, values=v, dense_shape=s, weights=w, minlength=a,
                                                       maxlength=b, binary_output=c), i, v, s, weights)
                size = np.array(rng.integers(0, 9)).astype(t)
                yield case("SparseBincount", lambda i, v, s, n, w, c=binary: raw.SparseBincount(
                    indices=i, values=v, dense_shape=s, size=n, weights=w, binary_output=c), i, v, s, size, weights)
                v, splits = ragged(rng, t, 3)
                v = np.abs(v)
                weights = draw(rng, w, len(v)) if rng.random() < 0.5 else np.zeros(0, w)
                yield case("RaggedCountSparseOutput", lambda s, v, w, a=least, b=most, c=binary:
                           raw.RaggedCountSparseOutput(splits=s, values=v, weights=w, minlength=a, maxlength=b,
                                                       binary_output=c), splits, v, weights)
                yield case("RaggedBincount", lambda s, v, n, w, c=binary: raw.RaggedBincount(
                    splits=s, values=v, size=n, weights=w, binary_output=c), splits, v, size, weights)
    none = np.zeros(0, np.float32)
    count = lambda x, w: raw.DenseCountSparseOutput(values=x, weights=w, binary_output=False)
    yield case("DenseCountSparseOutput", count, np.array([1, -1]), none)
    yield case("DenseCountSparseOutput", count, np.array([1, 2]), np.ones(3, np.float32))
    yield case("DenseCountSparseOutput", count, np.zeros((0, 3), np.int64), none)
    yield case("DenseCountSparseOutput", count, np.zeros((1, 1, 1), np.int64), none)
    by_rows = lambda s, v, w: raw.RaggedCountSparseOutput(splits=s, values=v, weights=w, binary_output=False)
    for s in ([0, 3], [1, 2], [0, 5, 2], []):
        yield case("RaggedCountSparseOutput", by_rows, np.array(s, np.int64), np.array([1, 2]), none)
        yield case("RaggedBincount", lambda s, v, w: raw.RaggedBincount(splits=s, values=v, size=tf.constant(3, tf.int64),
                                                                        weights=w), np.array(s, np.int64), np.array([1, 2]), none)
    for i in ([[0, 0], [9, 0]], [[0], [9]]):
        yield case("SparseCountSparseOutput", lambda i, v, s, w: raw.SparseCountSparseOutput(
            indices=i, values=v, dense_shape=s, weights=w, binary_output=False), np.array(i), np.array([1, 2]),
            np.full(len(i[0]), 3), none)
        yield case("SparseBincount", lambda i, v, s, w: raw.SparseBincount(
            indices=i, values=v, dense_shape=s, size=tf.constant(3, tf.int64), weights=w), np.array(i), np.array([1, 2]),
            np.full(len(i[0]), 3), none)


def sets(rng):
    for t in (I8, I16, I32, I64, U8, U16, STRING):
        for op in ("a-b", "b-a", "intersection", "union"):
            group = tuple(rng.integers(1, 3, rng.integers(1, 3)))
            dense = [texts(rng, WORDS, *group, 3) if t == STRING else draw(rng, t, *group, 3, low=0, high=5)
                     for _ in range(2)]
            a, b = (sparse(rng, t, group + (int(rng.integers(1, 5)),)) for _ in range(2))
            yield case("DenseToDenseSetOperation", lambda x, y, op=op: raw.DenseToDenseSetOperation(
                set1=x, set2=y, set_operation=op), *dense)
            yield case("DenseToSparseSetOperation", lambda x, i, v, s, op=op: raw.DenseToSparseSetOperation(
                set1=x, set2_indices=i, set2_values=v, set2_shape=s, set_operation=op), dense[0], *b)
            yield case("SparseToSparseSetOperation", lambda *x, op=op: raw.SparseToSparseSetOperation(
                set1_indices=x[0], set1_values=x[1], set1_shape=x[2], set2_indices=x[3], set2_values=x[4], set2_shape=x[5],
                set_operation=op), *a, *b)
        yield case("SetSize", lambda i, v, s: raw.SetSize(set_indices=i, set_values=v, set_shape=s), *a)
    for validate in (True, False):
        yield case("SetSize", lambda i, v, s, c=validate: raw.SetSize(
            set_indices=i, set_values=v, set_shape=s, validate_indices=c), np.array([[1, 0], [0, 0]]), np.array([1, 1]),
            np.array([2, 2]))
    yield case("SetSize", lambda i, v, s: raw.SetSize(set_indices=i, set_values=v, set_shape=s), np.array([[0, 5]]),
               np.array([1]), np.array([2, 2]))
    yield case("DenseToSparseSetOperation", lambda x, i, v, s: raw.DenseToSparseSetOperation(
        set1=x, set2_indices=i, set2_values=v, set2_shape=s, set_operation="union"), draw(rng, I32, 2, 2),
        *sparse(rng, I32, (3, 2)))
    yield case("SparseToSparseSetOperation", lambda *x: raw.SparseToSparseSetOperation(
        set1_indices=x[0], set1_values=x[1], set1_shape=x[2], set2_indices=x[3], set2_values=x[4], set2_shape=x[5],
        set_operation="union"), *sparse(rng, I32, (2, 2)), *sparse(rng, I32, (2, 2, 2)))


def cases(rng):
    for part in (cross, counts, sets):
        yield from part(rng)
