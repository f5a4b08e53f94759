# SPDX-License-Identifier: Apache-2.0
"""Data sets that regroup elements: other batches, windows, keys; those that hand them on; and those that parse them."""
from case import *
from datasets import D, pipeline
from readers import paths
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


def example(rng, lacks=0.2):
    """A record; each feature may be lacking."""
    F = tf.train
    n = [int(k) for k in rng.integers(0, 4, 3)]
    f = {"a": F.Feature(float_list=F.FloatList(value=draw(rng, F32, 2))), "i": F.Feature(int64_list=F.Int64List(value=draw(rng, I64, n[0]))),
         "s": F.Feature(bytes_list=F.BytesList(value=list(texts(rng, ["x", "yz", ""], n[1])))),
         "R": F.Feature(int64_list=F.Int64List(value=draw(rng, I64, n[2])))}
    return F.Example(features=F.Features(feature={k: v for k, v in f.items() if rng.random() > lacks})).SerializeToString()


def parsers(rng):
    wanted = {"a": tf.io.FixedLenFeature([2], tf.float32, [7, 8]), "i": tf.io.VarLenFeature(tf.int64),
              "s": tf.io.FixedLenSequenceFeature([], tf.string, allow_missing=True), "R": tf.io.RaggedFeature(tf.int64)}
    def parsed(features, batch=2, calls=1):
        parse = tf.data.experimental.parse_example_dataset(features, num_parallel_calls=calls)
        return lambda s: (D.from_tensor_slices(s).batch(batch) if batch else D.from_tensor_slices(s)).apply(parse)
    some = lambda n, **kw: np.array([example(rng, **kw) for _ in range(n)], object)
    for names in ("aisR", "a", "i", "R", "sa", "Ri"):
        yield pipeline("ParseExampleDataset", parsed({k: wanted[k] for k in names}), some(3))
    yield pipeline("ParseExampleDataset", parsed({"a": tf.io.FixedLenFeature([2], tf.float32)}), some(3, lacks=1))
    yield pipeline("ParseExampleDataset", parsed({"a": tf.io.FixedLenFeature([2], tf.float32)}), some(3, lacks=0))
    yield pipeline("ParseExampleDataset", parsed({"a": tf.io.FixedLenFeature([3], tf.float32)}), some(3, lacks=0))
    yield pipeline("ParseExampleDataset", parsed({"a": tf.io.VarLenFeature(tf.int64)}), some(3, lacks=0))
    yield pipeline("ParseExampleDataset", parsed(wanted, batch=None), some(2))
    yield pipeline("ParseExampleDataset", parsed(wanted, calls=0), some(2))
    yield pipeline("ParseExampleDataset", parsed(wanted), np.array([b"no record"], object))


CSV = [b"a,1\nb,2\n", b"a,1\r\nb,2", b"a,1\rb,2\r", b"\n\na,1\n\nb,2\n", b"a,\n,2\n,\n", b'"a,b",1\n"a""b",2\n"a\nb",3\n', b'"a",1\n"b"',
       b'a"b,1\nb,2\n', b'"a"b,1\nb,2\n', b'"a,1\nb,2\n', b"a\nb,2\n", b"a,1,3\nb,2\n", b"a,x\nb,2\n", b"a, 2 \nb,2\n", b"", b"a,1,\n", b'"",1\nb,2\n',
       b"a\r,1\nb,2\n", b"NA,1\nb,\"NA\"\n", b"a,2147483648\nb,-7\n"]
COLUMNS = [(b'a,9,1\nb,"x,\ny",2\n', dict(select_cols=[0, 2])), (b"a,9,1,5\nb,9,2\n", dict(select_cols=[0, 2])), (b"a,9\nb,9,2\n", dict(select_cols=[0, 2])),
           (b"a,9\n", dict(select_cols=[2, 0])), (b"a,9\n", dict(select_cols=[2])), (b"a,9,1\nb,9,2\n", dict(exclude_cols=[1])),
           (b"a,9,1\nb,9\n", dict(exclude_cols=[1])), (b"a,9\nb,9\n", dict(exclude_cols=[5])), (b"a,9\n", dict(exclude_cols=[1], select_cols=[0, 2])),
           (b'a,x"y,1\nb,9,2\n', dict(select_cols=[0, 2])), (b"h,g\nb,2\n", dict(header=True)), (b"", dict(header=True)), (b"h,g\n", dict(header=True)),
           (b'"h\nx",g\nb,2\n', dict(header=True)), (b"\nh,g\nb,2\n", dict(header=True)), (b'"a",1\na"b,2\n', dict(use_quote_delim=False)),
           (b"a;1\nb;2\n", dict(field_delim=";")), (b"a", dict(field_delim="ab")), (b"NA,1\nb,NA\n", dict(na_value="NA"))]


def fields(rng):
    def csv(types, ignore, **kw):
        names = paths(rng, 2)
        def make(*contents):
            written = [raw.WriteFile(filename=f, contents=c) for f, c in zip(names, contents)]
            with v1.control_dependencies(written):
                d = tf.data.experimental.CsvDataset(tf.identity(names[:len(written)]), types, **kw)
            return d.ignore_errors() if ignore else d
        return make
    usual = [np.array([b"d"], object), np.array([7], I32)]
    for text in CSV:
        for ignore in (False, True):
            yield pipeline("CSVDataset", csv(usual, ignore), np.array(text, object))
    for text, kw in COLUMNS:
        yield pipeline("CSVDataset", csv(usual, False, **kw), np.array(text, object))
    yield pipeline("CSVDataset", csv(usual, True, header=True), np.array(b"", object), np.array(b"h\nb,2\n", object))
    yield pipeline("CSVDataset", csv([tf.float32, tf.float64], True), np.array(b"1.5,0x10\n-2e3,nan\n", object), np.array(b",1", object))
    yield pipeline("CSVDataset", csv([tf.string, tf.int64], True), np.array(b"a,\n,1\nb,9223372036854775807\n", object))


def cases(rng):
    yield from batches(rng)
    yield from windows(rng)
    yield from reducers(rng)
    yield from handed(rng)
    yield from parsers(rng)
    yield from fields(rng)
