# SPDX-License-Identifier: Apache-2.0
"""Data sets saved and loaded, by number, wrapped, generated, weighted; iterators for several devices; tables of data sets."""
import atexit
import os
import shutil
import tempfile

from case import *
from datasets import chained, options

D, data = tf.data.Dataset, v1.data
FOLDER = "turnery_saved"  # below the folder of temporary files; ours keep them in memory
atexit.register(shutil.rmtree, os.path.join(tempfile.gettempdir(), FOLDER), True)
shutil.rmtree(os.path.join(tempfile.gettempdir(), FOLDER), True)
INT = dict(output_types=[tf.int64], output_shapes=[[]])
MIXED = dict(output_types=[tf.float32, tf.string], output_shapes=[[], []])


class Made(D):
    """The data set of a variant, of numbers to begin with."""
    def __init__(self, variant, spec=tf.TensorSpec([], tf.int64)):
        self.spec = spec
        super().__init__(variant)

    def _inputs(self):
        return []

    @property
    def element_spec(self):
        return self.spec


def v(d):
    return d._variant_tensor


def path(rng, *more):
    return "/".join([tempfile.gettempdir(), FOLDER, "%08x" % rng.integers(1 << 32), *more])


def of(f, *spec):
    return tf.function(f, input_signature=spec).get_concrete_function()


def after(ops, make):
    with v1.control_dependencies(ops):
        return make()


def elements(make, n, last=True, before=()):
    """n elements of what is made after other operations, and whether there is another, or that there is none."""
    d = after(before, make)
    it = data.make_initializable_iterator(options(d))
    return chained(it, n, last)


def mixed(x, s):
    return D.from_tensor_slices((x, s))


def save(d, to, compression="", shard=None, **kw):
    f = of(shard or (lambda *e: tf.constant(0, tf.int64)), *d.element_spec)
    return raw.SaveDataset(input_dataset=v(d), path=to, shard_func_other_args=[], shard_func=f, compression=compression, **kw)


def load(to, compression="", spec=(tf.TensorSpec([], tf.float32), tf.TensorSpec([], tf.string)), types=MIXED):
    f = of(lambda d: v(Made(d, tf.data.DatasetSpec(spec)).flat_map(lambda x: x)), tf.TensorSpec([], tf.variant))
    return Made(raw.LoadDataset(path=to, reader_func_other_args=[], reader_func=f, compression=compression, **types), spec)


def saves(rng):
    by_two = lambda a, b: tf.cast(a, tf.int64) % 2
    for compression in ("", "GZIP", "ZLIB", "SNAPPY", "none"):
        n = int(rng.integers(0, 6))
        x, s, to = np.arange(n).astype(F32), texts(rng, ["a", "", "bc\n", b"\xff\0"], n), path(rng)
        shard = pick(rng, by_two, None)
        yield case("LoadDataset", lambda x, s, c=compression, to=to, n=n, shard=shard: elements(
            lambda: load(to, c), n, before=[save(mixed(x, s), to, c, shard)]), x, s, shapes="known")
    x, s, to = np.arange(3).astype(F32), texts(rng, ["a", ""], 3), path(rng)
    yield case("SaveDataset", lambda x, s: elements(lambda: load(to, "GZIP"), 1, before=[save(mixed(x, s), to)]), x, s, shapes="known")
    yield case("LoadDataset", lambda s: elements(lambda: load(s), 1), np.array(path(rng), object))
    more = path(rng)
    def twice(x, s):
        first = save(mixed(x, s), more)
        return elements(lambda: load(more), 1, before=[after([first], lambda: save(mixed(x, s).skip(2), more))])
    yield case("SaveDataset", twice, x, s, shapes="known")
    no_function = path(rng)
    yield case("SaveDataset", lambda x, s: elements(lambda: load(no_function), 3, before=[save(mixed(x, s), no_function, use_shard_func=False)]), x, s, shapes="known")
    wrong = path(rng)
    yield case("SaveDataset", lambda x, s: after([save(mixed(x, s), wrong, shard=lambda a, b: tf.constant(1))], lambda: tf.identity(x)), x, s, shapes="known")
    types = path(rng)
    yield case("LoadDataset", lambda x, s: elements(lambda: load(types, spec=(tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.string)), types=dict(
        output_types=[tf.int32, tf.string], output_shapes=[[], []])), 1, before=[save(mixed(x, s), types)]), x, s, shapes="known")
    counted = path(rng)
    yield case("LoadDataset", lambda x, s: after([save(mixed(x, s), counted)], lambda: raw.DatasetCardinality(input_dataset=v(load(counted)))), x, s, shapes="known")
    as_it_goes = path(rng)
    def passing(x, s):
        d = mixed(x, s)
        f = of(by_two, *d.element_spec)
        it = data.make_initializable_iterator(options(Made(raw.SaveDatasetV2(input_dataset=v(d), path=as_it_goes, shard_func_other_args=[], shard_func=f, **MIXED), d.element_spec)))
        seen = chained(it, 3, True)
        return seen + elements(lambda: load(as_it_goes), 3, before=[seen[0].op])
    yield case("SaveDatasetV2", passing, x, s, shapes="known")


def snapshot(d, to, shard=None, **kw):
    first, again = of(shard or (lambda *e: tf.constant(0, tf.int64)), *d.element_spec), d.element_spec
    reader = of(lambda h: v(Made(h, tf.data.DatasetSpec(again)).flat_map(lambda x: x)), tf.TensorSpec([], tf.variant))
    return Made(raw.SnapshotDatasetV2(input_dataset=v(d), path=to, reader_func_other_args=[], shard_func_other_args=[], reader_func=reader, shard_func=first, **MIXED, **kw), again)


def former(d, to, **kw):
    return Made(raw.SnapshotDataset(input_dataset=v(d), path=to, **MIXED, **kw), d.element_spec)


def snapshots(rng):
    """Gone through once and again: by then it is read, and what it was made of may be another one."""
    def twice(first, then, n):
        def build(x, s):
            seen = elements(lambda: first(mixed(x, s)), n)
            return elements(lambda: then(mixed(x, s).skip(1)), n, before=[seen[0].op]) + seen
        return build
    by_two = lambda a, b: tf.cast(a, tf.int64) % 2
    def inputs(n):
        return np.arange(n).astype(F32), texts(rng, ["a", "", "bc\n", b"\xff\0"], n)
    for compression in ("", "GZIP", "ZLIB", "SNAPPY", "none"):
        n, to, shard, number = int(rng.integers(0, 6)), path(rng), pick(rng, by_two, None), int(rng.integers(-9, 9))
        make = lambda d, c=compression, to=to, shard=shard, k=number: snapshot(d, to, shard, compression=c, hash_valid=True, hash=k)
        yield case("SnapshotDatasetV2", twice(make, make, n), *inputs(n), shapes="known")
    to = path(rng)
    yield case("SnapshotDatasetV2", twice(lambda d: snapshot(d, to, hash_valid=True, hash=5), lambda d: load(to + "/5"), 3), *inputs(3), shapes="known")
    own = path(rng)
    yield case("SnapshotDatasetV2", lambda x, s: elements(lambda: snapshot(mixed(x, s), own), 3), *inputs(3), shapes="known")
    wrong = path(rng)
    yield case("SnapshotDatasetV2", lambda x, s: elements(lambda: snapshot(mixed(x, s), wrong, lambda a, b: tf.constant(1)), 1), *inputs(3), shapes="known")
    for compression in ("", "GZIP", "SNAPPY"):
        n, to = int(rng.integers(0, 6)), path(rng)
        write = lambda d, c=compression, to=to: former(d, to, compression=c, mode="write", snapshot_name="x")
        read = lambda d, c=compression, to=to: former(d, to, compression=c, mode="read", snapshot_name="x")
        yield case("SnapshotDataset", twice(write, read, n), *inputs(n), shapes="known")
    n, to = int(rng.integers(0, 6)), path(rng)
    yield case("SnapshotDataset", lambda x, s: elements(lambda: former(mixed(x, s), to), n), *inputs(n), shapes="known")
    yield case("SnapshotDataset", twice(lambda d: former(d, to, mode="passthrough"), lambda d: former(d, to, mode="read"), n), *inputs(n), shapes="known")
    for kw in (dict(compression="ZLIB"), dict(mode="other")):
        yield case("SnapshotDataset", lambda x, s, kw=kw: elements(lambda: former(mixed(x, s), to, **kw), 1), *inputs(2), shapes="known")
    number = lambda d: raw.DatasetFingerprint(input_dataset=v(d))
    def triple(x):
        return x * 3
    for other in (lambda d: d, lambda d: d.skip(1), lambda d: d.map(triple)):
        yield case("DatasetFingerprint", lambda n, f=other: tf.equal(number(D.range(n).map(triple).batch(2)), number(f(D.range(n).map(triple)).batch(2))), I64(4))


def records(rng):
    for compression in ("", "GZIP", "ZLIB"):
        s, to = texts(rng, ["a", "", b"\0\n"], 3), path(rng, "r")
        def written(s, to=to, c=compression):
            made = raw.WriteFile(filename=to, contents="")
            done = after([made], lambda: raw.DatasetToTFRecord(input_dataset=v(D.from_tensor_slices(s)), filename=to, compression_type=c))
            return elements(lambda: tf.data.TFRecordDataset(to, c), 3, before=[done])
        yield case("DatasetToTFRecord", written, s, shapes="known")


def numbered(rng):
    dtype = dict(output_types=[tf.int64], output_shapes=[[]])
    get = lambda d, i, **kw: raw.GetElementAtIndex(dataset=v(d), index=i, **{**dtype, **kw})[0]
    for i in (0, 3, 5, -1):
        yield case("GetElementAtIndex", lambda i: get(D.range(5).map(lambda x: x * 2), i), I64(i))
    i = I64(rng.integers(0, 6))
    yield case("GetElementAtIndex", lambda i: get(D.range(3).repeat(2).concatenate(D.range(1)).prefetch(1), i), i)
    yield case("GetElementAtIndex", lambda i: get(D.range(5).filter(lambda x: x > 2), i), I64(1))
    yield case("GetElementAtIndex", lambda i: get(D.range(5).repeat(), i), I64(1))
    yield case("GetElementAtIndex", lambda i: get(D.range(5).take(3).concatenate(D.range(9)).batch(2), i, output_shapes=[[None]]), I64(2))
    yield case("GetElementAtIndex", lambda i: get(D.zip((D.range(5).skip(1), D.range(9).shard(2, 1))), i, output_types=[tf.int64] * 2, output_shapes=[[], []]), I64(2))


def values(rng):
    count = lambda h: raw.DatasetCardinality(input_dataset=h)
    wrap, unwrap = (lambda h: raw.WrapDatasetVariant(input_handle=h)), (lambda h: raw.UnwrapDatasetVariant(input_handle=h))
    n = I64(rng.integers(0, 9))
    yield case("UnwrapDatasetVariant", lambda n: count(unwrap(wrap(v(D.range(n))))), n)
    yield case("WrapDatasetVariant", lambda n: count(wrap(v(D.range(n)))), n)
    yield case("UnwrapDatasetVariant", lambda n: count(unwrap(v(D.range(n)))), n)
    yield case("WrapDatasetVariant", lambda n: count(wrap(raw.OptionalFromValue(components=[n]))), n)
    def chosen(n):
        o = tf.data.Options()
        o.threading.private_threadpool_size = n
        return o
    k = int(rng.integers(1, 9))
    yield case("GetOptions", lambda n: raw.GetOptions(input_dataset=v(D.range(n))), n)
    yield case("GetOptions", lambda n: raw.GetOptions(input_dataset=v(D.range(n).with_options(chosen(k)).map(lambda x: x + 1).take(2))), n)
    x, s = draw(rng, F32, 2, 3), texts(rng, ["a", ""], 2)
    some = lambda x, s: raw.CompressElement(components=[x, s])
    shapes = [[2, 3], [2]]
    yield case("UncompressElement", lambda x, s: list(raw.UncompressElement(compressed=some(x, s), output_types=[tf.float32, tf.string], output_shapes=shapes)), x, s)
    yield case("UncompressElement", lambda x, s: list(raw.UncompressElement(compressed=some(x, s), output_types=[tf.float32, tf.int32], output_shapes=shapes)), x, s)
    yield case("UncompressElement", lambda x, s: list(raw.UncompressElement(compressed=some(x, s), output_types=[tf.float32], output_shapes=shapes[:1])), x, s)
    yield case("UncompressElement", lambda n: list(raw.UncompressElement(compressed=v(D.range(n)), output_types=[tf.int64], output_shapes=[[]])), n)


def tables(rng):
    def filled(k, s, again=None, mutable=False):
        h = (raw.MutableHashTableV2 if mutable else raw.HashTableV2)(key_dtype=tf.int64, value_dtype=tf.string)
        d = D.from_tensor_slices((k, s))
        done = raw.InitializeTableFromDataset(table_handle=h, dataset=v(d))
        if again:
            done = after([done], lambda: raw.InitializeTableFromDataset(table_handle=h, dataset=v(d.take(again))))
        return after([done], lambda: [raw.LookupTableFindV2(table_handle=h, keys=tf.constant([0, 2, 9], tf.int64), default_value="none"), raw.LookupTableSizeV2(table_handle=h)])
    words = texts(rng, ["a", "bc", ""], 4)
    yield case("InitializeTableFromDataset", filled, rng.permutation(4).astype(I64), words)
    yield case("InitializeTableFromDataset", lambda k, s: filled(k, s, 1), rng.permutation(4).astype(I64), words)
    yield case("InitializeTableFromDataset", filled, np.array([1, 1], I64), np.array(["a", "b"], object))
    yield case("InitializeTableFromDataset", filled, np.array([1, 1], I64), np.array(["a", "a"], object))
    yield case("InitializeTableFromDataset", filled, np.array([], I64), np.array([], object), shapes="known")
    yield case("InitializeTableFromDataset", lambda k, s: filled(k, s, mutable=True), np.array([1], I64), np.array(["a"], object))


def weighted(rng):
    def mix(weights, *sizes):
        return case("WeightedFlatMapDataset", lambda w: elements(lambda: Made(raw.WeightedFlatMapDataset(
            input_datasets=[v(D.range(100 * k, 100 * k + n)) for k, n in enumerate(sizes)], weights=tf.unstack(w), **INT)).batch(99), 1), np.array(weights, F64), shapes="known")
    yield mix([1, 1], 6, 6)
    yield mix([1, 3], 6, 7)
    yield mix([.3, .1, .7], 9, 7, 8)
    yield mix([.3, .7], 7, 5)
    yield mix([0, 1], 7, 5)
    yield mix([.5, .5], 7, 0)
    yield case("WeightedFlatMapDataset", lambda w: elements(lambda: Made(raw.WeightedFlatMapDataset(input_datasets=[v(D.range(3).repeat()), v(D.range(3))], weights=tf.unstack(w), **INT)), 1), np.array([.5, .5]), shapes="known")
    for n in (0, 3):
        yield case("GeneratorDataset", generated, np.arange(n).astype(I64), I64(rng.integers(9)), shapes="known")
    yield case("AssertPrevDataset", lambda n: elements(lambda: Made(raw.AssertPrevDataset(input_dataset=v(D.range(n)), transformations=tf.constant([], tf.string), **INT)), 2), I64(2))


def generated(x, k):
    """What is in a queue until it is closed, and k times 3 more."""
    number, text, handle = tf.TensorSpec([], tf.int64), tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.resource)
    q = raw.FIFOQueueV2(component_types=[tf.int64], shapes=[[]])
    full = raw.QueueEnqueueManyV2(handle=q, components=[x])
    closed = after([full], lambda: raw.QueueCloseV2(handle=q))
    make = lambda: Made(raw.GeneratorDataset(
        init_func_other_args=[k], next_func_other_args=[q], finalize_func_other_args=[], init_func=of(lambda k: (3 * k, tf.constant("state")), number),
        next_func=of(lambda a, b, q: raw.QueueDequeueV2(handle=q, component_types=[tf.int64])[0] + a, number, text, handle),
        finalize_func=of(lambda a, b: tf.constant(0, tf.int64), number, text), **INT))
    return elements(make, int(x.shape[0]), before=[closed])


def shuffled(rng):
    def all_of(make, n, seed, again, times=1):
        def made():
            g = raw.AnonymousSeedGenerator(seed=seed, seed2=5, reshuffle=again)[0]
            return Made(raw.GlobalShuffleDataset(input_dataset=v(make()), seed=seed, seed2=5, seed_generator=g, reshuffle_each_iteration=again, **INT)).repeat(times).batch(100)
        return elements(made, n)
    for n in (1, 2, 9, 20, 70):
        again, seed = bool(rng.integers(2)), int(rng.integers(1, 1000))
        yield case("GlobalShuffleDataset", lambda n, again=again, seed=seed: all_of(lambda: D.range(n).map(lambda x: x * 3), 1, seed, again, 3), I64(n))
    yield case("GlobalShuffleDataset", lambda n: all_of(lambda: D.range(n), 1, 3, True), I64(0))
    yield case("GlobalShuffleDataset", lambda n: all_of(lambda: D.range(n).filter(lambda x: x > 1), 1, 3, True), I64(4))
    yield case("GlobalShuffleDataset", lambda n: all_of(lambda: D.range(n).repeat(), 1, 3, True), I64(4))
    yield case("GlobalShuffleDataset", lambda n: all_of(lambda: D.range(n).shuffle(3, seed=1), 1, 3, True), I64(4))


def resumed(rng):
    """Elements, where the iterator is, more elements; and from there again."""
    def build(make, k, m, again=None):
        def chain(n):
            it = data.make_initializable_iterator(options(make(n)))
            before, out = [it.initializer], []
            def take(count):
                nonlocal before
                for _ in range(count):
                    e = after(before, it.get_next)
                    out.append(tf.identity(e))
                    before = [e.op]
            take(k)
            state = after(before, lambda: raw.SerializeIterator(resource_handle=it._iterator_resource))
            before = [state.op]
            take(m)
            if again:
                before = [after(before, lambda: it.make_initializer(options(make(n))))]
            before = [after(before, lambda: raw.DeserializeIterator(resource_handle=it._iterator_resource, serialized=state))]
            take(m)
            return [after(before, it.get_next_as_optional).has_value()] + out[::-1]
        return chain
    seed = int(rng.integers(1, 1000))
    add = lambda x: x + 1
    for make in (lambda n: D.range(n), lambda n: D.range(n).shuffle(4, seed=seed), lambda n: D.range(n).shuffle(3, seed=seed).repeat(3),
                 lambda n: D.range(n).map(add).shuffle(9, seed=seed, reshuffle_each_iteration=False).repeat(),
                 lambda n: D.range(n).flat_map(lambda x: D.range(x).shuffle(2, seed=seed)).repeat(),
                 lambda n: D.zip((D.range(n).shuffle(3, seed=seed), D.range(n).shuffle(3, seed=seed + 1))).map(lambda a, b: 100 * a + b)):
        yield case("DeserializeIterator", build(make, int(rng.integers(0, 3)), 2), I64(rng.integers(4, 9)))
    yield case("SerializeIterator", build(lambda n: D.range(n), 3, 0), I64(3))
    yield case("SerializeIterator", build(lambda n: D.range(n).shuffle(5, seed=seed), 2, 2, True), I64(6))
    def unbegun(n):
        it = data.make_initializable_iterator(D.range(n))
        return after([raw.SerializeIterator(resource_handle=it._iterator_resource)], lambda: tf.identity(n))
    yield case("SerializeIterator", unbegun, I64(3))


def branches(rng):
    def indexed(make, index, card, spec=tf.TensorSpec([2], tf.int64)):
        def build(x):
            d = D.from_tensor_slices(x)
            return Made(raw.IndexFlatMapDataset(input_dataset=v(d), map_func_other_args=[], index_map_func_other_args=[], output_cardinality=tf.constant(card, tf.int64),
                                                map_func=of(make, spec), index_map_func=of(index, tf.TensorSpec([], tf.int64)), **INT))
        return build
    x, card = draw(rng, I64, 3, 2), int(rng.integers(-2, 7))
    same, two = (lambda x: x), (lambda i: (i // 2, i % 2))
    for make, index, n in ((same, two, 6), (same, lambda i: (2 - i // 2, i % 2), 8), (same, lambda i: (i // 2 % 3, i % 2), 8), (same, lambda i: (tf.cast(i, tf.int32), 0), 3),
                           (tf.reduce_sum, lambda i: (i, 1), 3), (lambda x: (x[0] * 10, x[1] * 20), two, 6), (same, lambda i: ([i], 0), 3)):
        yield case("IndexFlatMapDataset", lambda x, m=make, i=index, n=n: elements(lambda: indexed(m, i, card)(x), n), x, shapes="known")
    for index in (lambda i: i, lambda i: (i, 0, 0), lambda i: (tf.cast(i, tf.float32), 0)):
        yield case("IndexFlatMapDataset", lambda x, i=index: elements(lambda: indexed(same, i, card)(x), 1), x, shapes="known")
    yield case("IndexFlatMapDataset", lambda x: raw.DatasetCardinality(input_dataset=v(indexed(same, two, card)(x))), x, shapes="known")
    def chosen(n, numerator, denominator, each, *branches):
        f = [of(lambda h, b=b: v(b(Made(h))), tf.TensorSpec([], tf.variant)) for b in branches]
        return Made(raw.ChooseFastestBranchDataset(input_dataset=v(D.range(n)), ratio_numerator=tf.constant(numerator, tf.int64), ratio_denominator=tf.constant(denominator, tf.int64),
                                                   other_arguments=[], num_elements_per_branch=each, branches=f, other_arguments_lengths=[0] * len(f), **INT))
    add, halve = (lambda d: d.map(lambda x: x + 1)), (lambda d: d.batch(2).map(lambda x: x[0]))
    for args, n in (((1, 1, 2, add, add), 8), ((2, 1, 2, halve, halve), 4), ((1, 1, 3, add), 8), ((1, 0, 2, add), 1), ((-1, 1, 2, add), 1), ((1, 2, 3, add), 1)):
        yield case("ChooseFastestBranchDataset", lambda k, a=args, n=n: elements(lambda: chosen(k, *a), n), I64(8))
    for d in (5, 2):
        yield case("ChooseFastestBranchDataset", lambda k, d=d: raw.DatasetCardinality(input_dataset=v(chosen(k, d, 2, 4, add))), I64(rng.integers(9)))
    size = lambda d: raw.ComputeBatchSize(input_dataset=v(d))
    b = lambda n, k=4: D.range(n).batch(k)
    for make in (b, D.range, lambda n: b(n).map(lambda x: x + 1).prefetch(1), lambda n: b(n).batch(2).repeat(3).prefetch(1), lambda n: D.range(n).padded_batch(3).take(2).skip(1).shuffle(3).cache(),
                 lambda n: D.zip((b(n), b(n, 3))), lambda n: D.zip((b(n), b(n))), lambda n: b(n).concatenate(b(n)), lambda n: b(n).concatenate(b(n, 1)), lambda n: b(n).filter(lambda x: True).shard(2, 0),
                 lambda n: b(n).flat_map(lambda x: D.range(n)), lambda n: b(n).unbatch(), lambda n: b(n).take_while(lambda x: True), lambda n: b(n).enumerate()):
        yield case("ComputeBatchSize", lambda n, f=make: size(f(n)), I64(9))


def devices(rng):
    def take(order, devices=3, off=0):
        def build(n):
            m = raw.MultiDeviceIterator(devices=["/cpu:%d" % k for k in range(devices)], shared_name="m", container="", **INT)
            began = raw.MultiDeviceIteratorInit(dataset=v(D.range(n)), multi_device_iterator=m, max_buffer_size=4)
            out = [began]
            for k in order:
                out.append(after([out[-1].op], lambda: raw.MultiDeviceIteratorGetNextFromShard(multi_device_iterator=m, shard_num=k, incarnation_id=began + off, **INT)[0]))
            return out[::-1]
        return build
    yield case("MultiDeviceIterator", take([0, 1, 2, 0, 1]), I64(6))
    yield case("MultiDeviceIterator", take([2, 0, 1, 0]), I64(4))
    yield case("MultiDeviceIterator", take([1, 1]), I64(4))
    yield case("MultiDeviceIterator", take([0], off=1), I64(4))
    yield case("MultiDeviceIterator", take([0, 0], devices=1), I64(rng.integers(1, 4)))
    def by_name(n):
        m = raw.MultiDeviceIterator(devices=["a", "b"], shared_name="m", container="", **INT)
        began = raw.MultiDeviceIteratorInit(dataset=v(D.range(n)), multi_device_iterator=m, max_buffer_size=4)
        h = after([began], lambda: raw.MultiDeviceIteratorToStringHandle(multi_device_iterator=m))
        return raw.MultiDeviceIteratorGetNextFromShard(multi_device_iterator=raw.MultiDeviceIteratorFromStringHandle(string_handle=h, **INT), shard_num=1, incarnation_id=began, **INT)[0]
    yield case("MultiDeviceIteratorFromStringHandle", by_name, I64(4))
    def nameless(n):
        m, deleter = raw.AnonymousMultiDeviceIterator(devices=["a", "b"], **INT)
        began = raw.MultiDeviceIteratorInit(dataset=v(D.range(n)), multi_device_iterator=m, max_buffer_size=4)
        out = raw.MultiDeviceIteratorGetNextFromShard(multi_device_iterator=m, shard_num=1, incarnation_id=began, **INT)[0]
        return after([after([out], lambda: raw.DeleteMultiDeviceIterator(multi_device_iterator=m, iterators=[], deleter=deleter))], lambda: tf.identity(out))
    yield case("AnonymousMultiDeviceIterator", nameless, I64(4))
    def third(n):
        m = raw.AnonymousMultiDeviceIteratorV3(devices=["a", "b"], **INT)
        began = raw.MultiDeviceIteratorInit(dataset=v(D.range(n)), multi_device_iterator=m, max_buffer_size=4)
        return raw.MultiDeviceIteratorGetNextFromShard(multi_device_iterator=m, shard_num=0, incarnation_id=began, **INT)[0]
    yield case("AnonymousMultiDeviceIteratorV3", third, I64(4))


def references(rng):
    from tensorflow.python.ops import gen_array_ops
    x = draw(rng, F32, 3)
    def ref(x):
        r = Refs()
        w = r.new(x)
        return tf.identity(after(r.last, lambda: gen_array_ops.debug_gradient_ref_identity(w)))
    yield case("DebugGradientRefIdentity", ref, x, shapes="known")


def chunk_lists(rng):
    """TensorFlow waits for ever where there is no file DONE."""
    text = tf.TensorSpec([], tf.string)
    made = lambda p, **kw: Made(raw.ListSnapshotChunksDataset(snapshot_path=p, **{**dict(output_types=[tf.string], output_shapes=[[]]), **kw}), text)
    for names in (["chunk_10_1_1", "chunk_9_1_2", "chunk_1_10_2", "chunk_7_0_0"], ["foo", "chunk_0_1_1", "bar"], []):
        to = path(rng, "c")
        def listed(x, to=to, names=names):
            files = [raw.WriteFile(filename=to + "/" + f, contents=x) for f in ["DONE", *("chunks/" + n for n in names)]]
            return elements(lambda: made(to), max(len(names), 1), before=files)
        yield case("ListSnapshotChunksDataset", listed, np.array("", object), shapes="known")


def cases(rng):
    for part in (saves, snapshots, records, numbered, values, tables, weighted, shuffled, resumed, branches, devices, references, chunk_lists):
        yield from part(rng)
