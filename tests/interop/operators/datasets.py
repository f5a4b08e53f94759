# SPDX-License-Identifier: Apache-2.0
"""Data sets in graphs: pipelines drawn at random, each element in turn, and whether there is another."""
from case import *

D = tf.data.Dataset
data = v1.data
MOST = 6


def options(d):
    """No threads of its own and no measuring: what is compared is what comes out."""
    o = tf.data.Options()
    o.autotune.enabled = False
    return d.with_options(o)


def chained(it, n, last):
    """n elements, one after another; what is asked for last comes first."""
    out, before = [], [it.initializer]
    for _ in range(n):
        with v1.control_dependencies(before):
            e = tf.nest.flatten(it.get_next(), expand_composites=True)
        out += [tf.identity(x) for x in e]
        before = [x.op for x in e]
    with v1.control_dependencies(before):
        return ([it.get_next_as_optional().has_value()] if last else []) + out[::-1]


def elements(make, inputs):
    """How many there are, at most MOST; None: asking for them fails."""
    with v1.Graph().as_default():
        v1.set_random_seed(7)
        it = data.make_initializable_iterator(options(make(*map(tf.constant, inputs))))
        x = tf.nest.flatten(it.get_next(), expand_composites=True)
        with v1.Session() as s:
            try:
                s.run(it.initializer)
                for n in range(MOST):
                    s.run(x)
                return MOST
            except tf.errors.OutOfRangeError:
                return n
            except tf.errors.OpError:
                return 2


def pipeline(name, make, *inputs, end=False):
    """end: one more is asked for than there is."""
    inputs = [np.asarray(x) for x in inputs]
    def build(*x):
        n = elements(make, inputs)
        return chained(data.make_initializable_iterator(options(make(*x))), n + end, not end)
    return case(name, build, *inputs)


def numbers(rng, n=None):
    n = int(rng.integers(0, 8)) if n is None else n
    return draw(rng, F32, n, 2), draw(rng, I64, n)


def sources(rng):
    x, i = numbers(rng)
    yield pipeline("TensorDataset", lambda x, i: D.from_tensors({"x": x, "i": i}), x, i, end=bool(rng.integers(2)))
    yield pipeline("TensorSliceDataset", lambda x, i: D.from_tensor_slices((x, i)), x, i, end=bool(rng.integers(2)))
    yield pipeline("TensorSliceDataset", lambda s: D.from_tensor_slices(s), texts(rng, ["a", "bc", ""], 3, 2))
    yield pipeline("TensorSliceDataset", lambda x, i: D.from_tensor_slices((x, i)), x, draw(rng, I64, len(i) + 1))
    for a, b, c in ((0, 5, 1), (5, 0, -2), (3, 3, 1), (0, 7, 3), (-2, 2, 1), (0, 5, 0), (0, 5, -1)):
        yield pipeline("RangeDataset", lambda a, b, c: D.range(a, b, c), I64(a), I64(b), I64(c))
    yield pipeline("RangeDataset", lambda n: D.range(n, output_type=tf.int32), I64(3))
    dense = draw(rng, F32, 4, 3) * (rng.random((4, 3)) < .5)
    yield pipeline("SparseTensorSliceDataset", lambda x: D.from_tensor_slices(tf.sparse.from_dense(x)), dense)


def flows(rng):
    n = I64(rng.integers(0, 7))
    for count in (-1, 0, 2, 4, 20):
        yield pipeline("TakeDataset", lambda n, c: D.range(n).take(c), n, I64(count))
        yield pipeline("SkipDataset", lambda n, c: D.range(n).skip(c), n, I64(count))
    for count in (-1, 0, 1, 3):
        yield pipeline("RepeatDataset", lambda n, c: D.range(n).repeat(c), n, I64(count), end=count >= 0)
    yield pipeline("RepeatDataset", lambda n: D.range(n).repeat(), I64(0), end=True)
    yield pipeline("ConcatenateDataset", lambda n, m: D.range(n).concatenate(D.range(10, m)), n, I64(12))
    yield pipeline("ZipDataset", lambda n, x: D.zip((D.range(n), D.from_tensor_slices(x))), n, draw(rng, F32, 4, 2), end=True)
    yield pipeline("ZipDataset", lambda n: D.range(n).enumerate(5), n)
    for shards, index in ((2, 0), (3, 2), (1, 0), (0, 0), (2, 2), (2, -1)):
        yield pipeline("ShardDataset", lambda n, s, i: D.range(n).shard(s, i), I64(7), I64(shards), I64(index))
    yield pipeline("PrefetchDataset", lambda n: D.range(n).prefetch(2), n, end=True)
    yield pipeline("PrefetchDataset", lambda n: D.range(n).prefetch(-1), n)
    yield pipeline("CacheDataset", lambda n: D.range(n).map(lambda x: x * 3).cache().repeat(2), n)
    yield pipeline("CacheDataset", lambda n: D.range(n).cache().take(2).repeat(2), I64(4))
    for c in (4, 3, 5, -2):
        yield pipeline("AssertCardinalityDataset", lambda n, c: D.range(n).apply(tf.data.experimental.assert_cardinality(c)), I64(4), I64(c), end=True)
    for choice in ([0, 1, 1, 0, 0, 0, 1], [1, 1], [0, 2]):
        for stop in (False, True):
            yield pipeline("DirectedInterleaveDataset", lambda c, stop=stop: D.choose_from_datasets(
                [D.range(3), D.range(10, 12)], D.from_tensor_slices(c), stop_on_empty_dataset=stop), np.array(choice, I64))
    for k in range(3):
        def total(n, k=k):
            d = [D.range(n), D.range(n).repeat(), D.range(n).filter(lambda x: x > 0)][k]
            return [data.experimental.cardinality(e) for e in (d, d.batch(3), d.batch(3, drop_remainder=True), d.take(2), d.skip(1), d.repeat(2),
                    d.map(lambda x: x), d.shuffle(3), d.shard(2, 1), D.zip((d, D.range(4))), d.concatenate(D.range(2)))]
        yield case("DatasetCardinality", total, I64(5))


def maps(rng):
    x, i = numbers(rng)
    table = draw(rng, F32, 2)
    yield pipeline("MapDataset", lambda x, i, t: D.from_tensor_slices((x, i)).map(lambda a, b: (a * t, b + 1)), x, i, table)
    yield pipeline("ParallelMapDataset", lambda x, i: D.from_tensor_slices((x, i)).map(
        lambda a, b: tf.reduce_sum(a) + tf.cast(b, tf.float32), num_parallel_calls=2), x, i)
    yield pipeline("MapDataset", lambda n: D.range(n).map(lambda x: tf.cond(x % 2 == 0, lambda: x * x, lambda: -x)), I64(5), end=True)
    yield pipeline("MapDataset", lambda n: D.range(n).map(lambda x: 6 // (x - 2)), I64(5))
    yield pipeline("MapDataset", lambda n: D.range(n).map(lambda x: tf.fill([x], x)), I64(4))
    yield pipeline("MapDataset", lambda n: D.range(n).map(lambda x: {"s": tf.strings.as_string(x), "v": tf.one_hot(x, 3)}), I64(4))
    yield pipeline("MapDataset", lambda n: D.range(n).map(lambda x: tf.while_loop(lambda i, s: i < x, lambda i, s: (i + 1, s + i), [tf.constant(0, tf.int64)] * 2)[1]), I64(5))
    yield pipeline("FilterDataset", lambda n, m: D.range(n).filter(lambda x: x % m == 1), I64(rng.integers(0, 9)), I64(3), end=True)
    yield pipeline("TakeWhileDataset", lambda n: D.range(n).take_while(lambda x: x < 3), I64(rng.integers(0, 7)))
    yield pipeline("ScanDataset", lambda n: D.range(n).scan(tf.constant(1, tf.int64), lambda s, x: (s * 2, s + x)), I64(5))
    yield pipeline("FlatMapDataset", lambda n: D.range(n).flat_map(lambda x: D.range(x).map(lambda y: y + 10 * x)), I64(5))
    yield pipeline("FlatMapDataset", lambda x: D.from_tensor_slices(x).flat_map(D.from_tensor_slices), draw(rng, F32, 3, 2))
    for cycle, block in ((1, 1), (2, 1), (2, 3), (4, 2), (3, 1)):
        for parallel in (None, 2):
            yield pipeline("InterleaveDataset", lambda n, cycle=cycle, block=block, parallel=parallel: D.range(1, n).interleave(
                lambda x: D.from_tensors(x).repeat(x), cycle_length=cycle, block_length=block, num_parallel_calls=parallel), I64(5))


def batches(rng):
    x, i = numbers(rng)
    for drop in (False, True):
        size = I64(rng.integers(1, 5))
        yield pipeline("BatchDatasetV2", lambda x, i, n, drop=drop: D.from_tensor_slices((x, i)).batch(n, drop_remainder=drop), x, i, size, end=bool(rng.integers(2)))
        yield pipeline("MapAndBatchDataset", lambda x, n, drop=drop: D.from_tensor_slices(x).apply(
            tf.data.experimental.map_and_batch(lambda v: v * 2, n, drop_remainder=drop)), x, size)
        yield pipeline("ParallelBatchDataset", lambda x, n, drop=drop: D.from_tensor_slices(x).batch(n, num_parallel_calls=2, drop_remainder=drop), x, size)
    yield pipeline("BatchDatasetV2", lambda n: D.range(5).batch(n), I64(0))
    yield pipeline("BatchDatasetV2", lambda n: D.range(5).batch(n), I64(-3))
    yield pipeline("BatchDatasetV2", lambda n: D.range(n).map(lambda x: tf.fill([x], x)).batch(2), I64(4))
    yield pipeline("BatchDatasetV2", lambda s: D.from_tensor_slices(s).batch(2), texts(rng, ["a", "bc"], 5))
    shapes = lambda n: D.range(n).map(lambda x: (tf.fill([x, 2], x), tf.strings.as_string(tf.range(x)), x))
    n = I64(rng.integers(2, 6))
    yield pipeline("PaddedBatchDatasetV2", lambda n: shapes(n).padded_batch(2, ([None, None], [None], [])), n)
    yield pipeline("PaddedBatchDatasetV2", lambda n: shapes(n).padded_batch(3, ([6, None], [7], []), (tf.constant(-1, tf.int64), "x", tf.constant(0, tf.int64)), drop_remainder=True), n)
    yield pipeline("PaddedBatchDatasetV2", lambda n: shapes(n).padded_batch(3, ([1, None], [7], [])), I64(4))
    yield pipeline("UnbatchDataset", lambda x, i: D.from_tensor_slices((x, i)).batch(3).unbatch(), x, i)


def windows(rng):
    def window(n, size, shift, stride, drop):
        d = D.range(n).window(size, shift, stride, drop_remainder=drop)
        return d.flat_map(lambda w: w.batch(10))
    for _ in range(6):
        size, shift, stride = (I64(rng.integers(1, 4)) for _ in range(3))
        yield pipeline("WindowDataset", lambda n, a, b, c, drop=bool(rng.integers(2)): window(n, a, b, c, drop), I64(rng.integers(0, 8)), size, shift, stride)
    yield pipeline("WindowDataset", lambda n, a: window(n, a, 1, 1, False), I64(3), I64(0))
    pairs = lambda w: D.zip((w["a"], w["b"])).batch(5)
    yield pipeline("WindowDataset", lambda n: D.range(n).map(lambda x: {"a": x, "b": tf.cast(x, tf.float32)}).window(2).flat_map(pairs), I64(5))
    for _ in range(3):
        yield pipeline("GroupByWindowDataset", lambda n, size: D.range(n).group_by_window(
            lambda x: x * 7 % 3, lambda k, d: d.map(lambda x: x + 100 * k).batch(4), window_size=size), I64(rng.integers(0, 12)), I64(rng.integers(1, 4)))
    yield pipeline("GroupByWindowDataset", lambda n: D.range(n).group_by_window(
        lambda x: x % 2, lambda k, d: d.batch(4), window_size_func=lambda k: k + 1), I64(7))
    yield pipeline("GroupByWindowDataset", lambda n: D.range(n).group_by_window(lambda x: x % 2, lambda k, d: d.batch(4), window_size=n - 3), I64(3))
    yield pipeline("GroupByWindowDataset", lambda n: D.range(n).map(lambda x: tf.fill([x % 5], x)).bucket_by_sequence_length(
        lambda x: tf.shape(x)[0], [2, 4], [2, 2, 2]), I64(9))
    yield pipeline("UniqueDataset", lambda x: D.from_tensor_slices(x).unique(), draw(rng, I64, 9, low=0, high=4))
    yield pipeline("UniqueDataset", lambda x: D.from_tensor_slices(x).unique(), texts(rng, ["a", "b", ""], 6))
    yield pipeline("IgnoreErrorsDataset", lambda n: D.range(n).map(lambda x: 6 // (x - 2)).ignore_errors(), I64(5))


def shuffles(rng):
    n = I64(rng.integers(0, 9))
    for _ in range(4):
        size, seed, again = int(rng.integers(1, 12)), int(rng.integers(0, 50)), bool(rng.integers(2))
        yield pipeline("ShuffleDataset", lambda n, size=size, seed=seed, again=again: D.range(n).shuffle(size, seed=seed, reshuffle_each_iteration=again), n)
        yield pipeline("ShuffleDataset", lambda n, size=size, seed=seed, again=again: D.range(n).shuffle(
            size, seed=seed, reshuffle_each_iteration=again).repeat(3), I64(rng.integers(0, 6)), end=bool(rng.integers(2)))
        yield pipeline("ShuffleDataset", lambda n, size=size, seed=seed: D.range(n).repeat(2).shuffle(size, seed=seed).batch(2), I64(4))
        yield pipeline("ShuffleAndRepeatDataset", lambda n, size=size, seed=seed: D.range(n).apply(
            tf.data.experimental.shuffle_and_repeat(size, count=2, seed=seed)), I64(rng.integers(0, 5)))
    yield pipeline("ShuffleDataset", lambda n: D.range(5).shuffle(n), I64(0))
    yield pipeline("RandomDataset", lambda s: D.random(seed=s).take(5), I64(rng.integers(0, 99)))
    yield pipeline("MapDataset", lambda n: D.range(n).map(lambda x: tf.random.stateless_uniform([2], [3, x])), I64(4))
    yield pipeline("MapDataset", lambda n: D.range(n).map(lambda x: tf.random.uniform([2], seed=4)), I64(4))


def optionals(rng):
    def ask(n):
        it = data.make_initializable_iterator(options(D.range(n)))
        out, before = [], [it.initializer]
        for _ in range(3):
            with v1.control_dependencies(before):
                o = it.get_next_as_optional()
            out += [o.has_value(), tf.cond(o.has_value(), lambda o=o: o.get_value(), lambda: tf.constant(-7, tf.int64))]
            before = [out[-1]]
        return out
    yield case("IteratorGetNextAsOptional", ask, I64(rng.integers(0, 4)))
    def unready(n):
        return data.make_initializable_iterator(D.range(n)).get_next()
    yield case("IteratorGetNext", unready, I64(3))
    def handle(n):
        it = data.make_initializable_iterator(options(D.range(n)))
        with v1.control_dependencies([it.initializer]):
            h = tf.identity(it.string_handle())
        return data.Iterator.from_string_handle(h, tf.int64, []).get_next()
    yield case("IteratorFromStringHandle", handle, I64(2))
    def one_shot():
        it = data.make_one_shot_iterator(options(D.range(3).map(lambda x: x * x).batch(2)))
        return it.get_next()
    for m in (0, 1, 2):
        yield case("DatasetToSingleElement", lambda n: data.experimental.get_single_element(D.range(n).map(lambda x: x + 5)), I64(m))
    yield case("ReduceDataset", lambda n, c: D.range(n).reduce((tf.constant(0, tf.int64), 1.), lambda s, x: (s[0] + x * c, s[1] * 2.)), I64(rng.integers(0, 6)), I64(3))


def cases(rng):
    for part in (sources, flows, maps, batches, windows, shuffles, optionals):
        yield from part(rng)
