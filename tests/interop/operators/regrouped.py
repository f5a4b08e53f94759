# SPDX-License-Identifier: Apache-2.0
"""Data sets of TensorFlow's raw operators that regroup elements: other batches, windows, keys; and those that hand them on."""
from case import *
from datasets import D, pipeline
from tensorflow.python.data.ops import dataset_ops



def raw_dataset(op, d, spec=None, **kw):
    """The operator over d, of int64 or like `spec`."""
    spec = tf.TensorSpec(None, tf.int64) if spec is None else spec
    flat = tf.nest.flatten(spec)
    types = dict(output_types=[s.dtype for s in flat], output_shapes=[s.shape for s in flat])
    inputs = dict(input_datasets=[x._variant_tensor for x in d]) if isinstance(d, list) else dict(input_dataset=d._variant_tensor)
    return dataset_ops._VariantDataset(getattr(raw, op)(**inputs, **types, **kw), spec)


def c(*x):
    return np.array(x, I64)


def batches(rng):
    n = I64(rng.integers(3, 8))
    for sizes in ([2], [1, 3], [4], [9], [2, 0, 1]):
        for drop in (True, False):
            yield pipeline("RebatchDatasetV2", lambda n, s, drop=drop: raw_dataset("RebatchDatasetV2", D.range(n).batch(3), batch_sizes=s,
                                                                               drop_remainder=drop), n, c(*sizes), end=bool(rng.integers(2)))
    yield pipeline("RebatchDatasetV2", lambda n: raw_dataset("RebatchDatasetV2", D.range(n), batch_sizes=2, drop_remainder=False), n)
    for k in (1, 2, 4, 0, -1):
        yield pipeline("RebatchDataset", lambda n, k: raw_dataset("RebatchDataset", D.range(n).batch(3), num_replicas=k), I64(4), I64(k))
    yield pipeline("RebatchDataset", lambda n: raw_dataset("RebatchDataset", D.range(n), num_replicas=2), n)
    def sparse(n, size, shape):
        d = D.range(n).map(lambda i: tf.fill([i, 2], i))
        d = raw_dataset("DenseToSparseBatchDataset", d, tf.TensorSpec([3], tf.variant), batch_size=size, row_shape=shape)
        return d.map(lambda v: raw.DeserializeSparse(serialized_sparse=v, dtype=tf.int64))
    for size, shape in ((2, [4, 2]), (3, [-1, 3]), (9, [-1, -1]), (3, [2, 2]), (2, []), (2, [4]), (0, [4, 2]), (2, [-2, 2])):
        yield pipeline("DenseToSparseBatchDataset", sparse, I64(4), I64(size), c(*shape))


def windows(rng):
    for args in ((3, 1, 1), (2, 3, 1), (3, 1, 2), (3, 2, 2), (9, 1, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0)):
        for drop in (True, False):
            def sliding(n, a, drop=drop):
                return raw_dataset("SlidingWindowDataset", D.range(n), window_size=a[0], window_shift=a[1], window_stride=a[2], drop_remainder=drop)
            yield pipeline("SlidingWindowDataset", sliding, I64(rng.integers(0, 8)), c(*args))
    def listed(op, types, *x):
        kw = dict(inputs=list(x)) if op == "WindowOp" else dict(tensors=list(x))
        spec = tuple(tf.TensorSpec(None, t) for t in types)
        return dataset_ops._VariantDataset(getattr(raw, op)(**kw, output_types=types, output_shapes=[None] * len(types)), spec)
    x, y = draw(rng, F32, 3), draw(rng, I64, 2)
    yield pipeline("WindowOp", lambda *x: listed("WindowOp", [tf.float32, tf.int64], *x), x, y, x * 2, y * 2, end=True)
    yield pipeline("ListDataset", lambda *x: listed("ListDataset", [tf.float32], *x), x, x[:2], x * 2)


def reducers(rng):
    n = I64(rng.integers(4, 9))
    def reducer(init, reduce, final):
        return tf.data.experimental.Reducer(init, reduce, final)
    mean = reducer(lambda k: (tf.constant(0, tf.int64), tf.cast(k, tf.float32)), lambda s, x: (s[0] + x, s[1] + 1), lambda a, b: (b, a))
    last = reducer(lambda k: k * 10, lambda s, x: x, lambda s: s + 1)
    by = lambda key, how: lambda n: D.range(n).apply(tf.data.experimental.group_by_reducer(key, how))
    yield pipeline("GroupByReducerDataset", by(lambda x: x % 3, mean), n, end=True)
    yield pipeline("GroupByReducerDataset", by(lambda x: -(x % 2), last), n)
    yield pipeline("GroupByReducerDataset", by(lambda x: x % 2, last), I64(0), end=True)


def handed(rng):
    n = I64(rng.integers(0, 7))
    for policy in (-1, 0, 1, 2, 3):
        for workers, index in ((1, 0), (2, 1), (3, 0), (2, 2), (0, 0)):
            yield pipeline("AutoShardDataset", lambda n, w, i, p=policy: raw_dataset("AutoShardDataset", D.range(n), num_workers=w, index=i,
                                                                                    auto_shard_policy=p), I64(7), I64(workers), I64(index))
    pool = lambda: raw.ThreadPoolHandle(num_threads=2, display_name="p")
    yield pipeline("ThreadPoolDataset", lambda n: raw_dataset("ThreadPoolDataset", D.range(n), thread_pool=pool()), n, end=True)
    yield pipeline("SetStatsAggregatorDataset", lambda n: raw_dataset("SetStatsAggregatorDataset", D.range(n), tag="t", counter_prefix="c",
                                                                      stats_aggregator=raw.StatsAggregatorHandle()), n)
    yield pipeline("SetStatsAggregatorDataset", lambda n: raw_dataset("SetStatsAggregatorDataset", D.range(n), tag="t", counter_prefix="c",
                                                                      stats_aggregator=raw.StatsAggregatorHandleV2()), n)
    for micros in (1, -1):
        yield pipeline("SleepDataset", lambda n, m: raw_dataset("SleepDataset", D.range(n), sleep_microseconds=m), n, I64(micros))
    for m in (3, 4):
        yield pipeline("ChooseFastestDataset", lambda m: raw_dataset("ChooseFastestDataset", [D.range(3), D.range(m)], num_experiments=1), I64(m))


def cases(rng):
    yield from batches(rng)
    yield from windows(rng)
    yield from reducers(rng)
    yield from handed(rng)
