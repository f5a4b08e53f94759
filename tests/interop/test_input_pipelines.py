# SPDX-License-Identifier: Apache-2.0
"""Training graphs of TensorFlow 1 that read their input themselves: readers, queues, queue runners, local variables. They
run as they are, end when the input does, are saved, and TensorFlow goes on."""
import os

import numpy as np
import tensorflow as tf

from with_tensorflow import TURNERY, Case, Run, load, safe, v1
import subprocess


def features(rng, n):
    x = rng.uniform(-1, 1, (n, 4)).astype(np.float32)
    return x, (x @ np.array([1, -2, 0.5, 3], np.float32) + 0.25).astype(np.float32)


def regression(x, y, ids=None):
    """loss, train_op and what was seen, of a batch of rows."""
    step = v1.train.get_or_create_global_step()
    w, b = v1.get_variable("w", [4], initializer=v1.constant_initializer(0.1)), v1.get_variable("b", [], initializer=v1.zeros_initializer())
    loss = tf.reduce_mean(tf.square(tf.linalg.matvec(x, w) + b - y), name="loss")
    tf.identity(y if ids is None else ids, name="seen")
    tf.group(v1.train.AdamOptimizer(0.05).minimize(loss, global_step=step), name="train_op")


class Pipelines(Case):
    def files(self, *contents):
        names = []
        for c in contents:
            names.append(self.path("f%d" % self.number))
            Pipelines.number += 1
            with open(names[-1], "wb") as f:
                f.write(c)
        return names

    number = 0  # of files and folders, so far

    def setUp(self):
        super().setUp()
        self.rng = np.random.default_rng(12)

    def example_files(self, counts, compression=None):
        names, rows = [], []
        for n in counts:
            x, y = features(self.rng, n)
            names.append(self.path("r%d" % self.number))
            Pipelines.number += 1
            with tf.io.TFRecordWriter(names[-1], options=compression) as w:
                for a, b in zip(x, y):
                    f = {"x": tf.train.Feature(float_list=tf.train.FloatList(value=a)), "y": tf.train.Feature(float_list=tf.train.FloatList(value=[b]))}
                    w.write(tf.train.Example(features=tf.train.Features(feature=f)).SerializeToString())
            rows.append(y)
        return names, np.concatenate(rows)

    def theirs(self, meta, checkpoint, fetches, most):
        """TensorFlow's steps until the input ends: {name: values}, steps."""
        got = {f: [] for f in fetches}
        with tf.Graph().as_default(), v1.Session() as s:
            v1.train.import_meta_graph(meta).restore(s, checkpoint)
            s.run([v1.local_variables_initializer(), v1.tables_initializer()])
            stop = v1.train.Coordinator()
            threads = v1.train.start_queue_runners(s, stop)
            try:
                for _ in range(most):
                    for f, v in zip(fetches, s.run([fetches, "train_op"])[0]):
                        got[f].append(v)
            except tf.errors.OutOfRangeError:
                pass
            stop.request_stop()
            stop.join(threads)
            return got, s.run({v.op.name: v for v in v1.global_variables()})

    def check(self, build, steps, fetches=("loss:0", "seen:0"), most=100, ordered=True, variables=True):
        prefix = self.path("model%d" % self.number, "m")
        with tf.Graph().as_default(), v1.Session() as s:
            build()
            s.run(v1.global_variables_initializer())
            os.makedirs(os.path.dirname(prefix))
            v1.train.Saver().save(s, prefix)
        want, values = self.theirs(prefix + ".meta", prefix, fetches, most)
        self.assertEqual(len(want[fetches[0]]), steps)
        out, saved = prefix + "_out", prefix + "_saved"
        Pipelines.number += 1
        p = subprocess.run([TURNERY, "run", "--meta_graph", prefix + ".meta", "--checkpoint", prefix, "--target", "train_op", "--steps", str(most),
                            *[a for f in fetches for a in ("--fetch", f)], "--outputs", out, "--save", saved], capture_output=True, text=True, timeout=120)
        self.assertEqual(p.returncode, 0, p.stderr)
        ends = "the input ended after %d of %d steps" % (steps, most)
        self.assertEqual(ends in p.stderr, steps < most, p.stderr)
        for f in fetches:
            got, theirs = load(os.path.join(out, safe(f))), np.array(want[f])
            if theirs.dtype.kind in "OS":
                self.assertEqual(got, theirs.tolist())
                continue
            self.assertEqual(got.shape, theirs.shape)
            if not ordered:
                got, theirs = np.sort(got, axis=None), np.sort(theirs, axis=None)
            np.testing.assert_allclose(got, theirs, rtol=1e-4, atol=1e-5, err_msg=f)
        with tf.Graph().as_default(), v1.Session() as s:  # and TensorFlow goes on
            v1.train.import_meta_graph(saved + ".meta").restore(s, saved)
            again = s.run({v.op.name: v for v in v1.global_variables()})
            self.assertEqual(again["global_step"], steps)
            for name in values if variables else ():
                np.testing.assert_allclose(again[name], values[name], rtol=1e-3, atol=1e-4, err_msg=name)
        again, _ = self.theirs(saved + ".meta", saved, fetches, most)
        self.assertEqual(len(again[fetches[0]]), steps)
        return want

    def parsed(self, record):
        f = v1.parse_single_example(record, {"x": v1.FixedLenFeature([4], tf.float32), "y": v1.FixedLenFeature([], tf.float32)})
        return f["x"], f["y"]

    def test_records(self):
        """Examples of compressed TFRecords, in order, twice; the last batch is smaller."""
        for compression in ("", "GZIP"):
            with self.subTest(compression):
                names, _ = self.example_files([7, 0, 6], compression)
                def build():
                    q = v1.train.string_input_producer(names, num_epochs=2, shuffle=False)
                    _, record = v1.TFRecordReader(options=tf.io.TFRecordOptions(compression) if compression else None).read(q)
                    regression(*v1.train.batch(self.parsed(record), 4, allow_smaller_final_batch=True))
                self.check(build, 7, fetches=("loss:0",))

    def elements(self, make):
        """What the command, and what TensorFlow gives as one batch of all of a data set's elements, made by make()."""
        with tf.Graph().as_default() as g:
            it = v1.data.make_initializable_iterator(make().batch(100))
            for k, x in enumerate(tf.nest.flatten(it.get_next())):
                tf.identity(x, name="out%d" % k)
            graph, out = self.path("g%d.pb" % self.number), self.path("o%d" % self.number)
            Pipelines.number += 1
            with open(graph, "wb") as f:
                f.write(g.as_graph_def().SerializeToString())
            names = ["out%d:0" % j for j in range(k + 1)]
            def ours():
                p = subprocess.run([TURNERY, "run", "--graph", graph, "--init", it.initializer.name, *["--fetch=" + n for n in names], "--outputs", out],
                                   capture_output=True, text=True, timeout=120)
                self.assertEqual(p.returncode, 0, p.stderr)
                return [np.asarray(load(os.path.join(out, safe(n)))).tolist() for n in names]
            def theirs():
                with v1.Session(graph=g) as s:
                    s.run(it.initializer)
                    return [a.tolist() for a in s.run(names)]
            return ours, theirs

    def test_caches_in_files(self):
        """What one caches the other reads, though what it came from is no longer there."""
        data = (np.arange(12, dtype=np.float32), ["s%d" % k for k in range(12)])
        for writer in (0, 1):
            for none in (False, True):
                prefix = self.path("cache%d" % self.number)
                first = lambda: tf.data.Dataset.from_tensor_slices(data).take(0 if none else 12).cache(prefix).concatenate(tf.data.Dataset.from_tensor_slices(data))
                other = lambda: tf.data.Dataset.from_tensor_slices(data).take(0).cache(prefix).concatenate(tf.data.Dataset.from_tensor_slices(data))
                want = self.elements(first)[writer]()
                self.assertEqual(len(want[0]), 12 if none else 24)
                self.assertEqual(self.elements(other)[1 - writer](), want)
                self.assertFalse(os.path.exists(prefix + "_0.lockfile"))

    def test_saved_data_sets(self):
        """What one saves the other loads."""
        data = (np.arange(12, dtype=np.float32), ["s%d" % k for k in range(12)])
        spec = (tf.TensorSpec([], tf.float32), tf.TensorSpec([], tf.string))
        for compression in ("", "GZIP", "ZLIB", "SNAPPY"):
            for writer in (0, 1):
                folder = self.path("saved%d" % self.number)
                def saving():
                    d = tf.data.Dataset.from_tensor_slices(data)
                    f = tf.function(lambda x, s: tf.cast(x, tf.int64) % 3, input_signature=spec).get_concrete_function()
                    done = tf.raw_ops.SaveDataset(input_dataset=d._variant_tensor, path=folder, shard_func_other_args=[], shard_func=f, compression=compression)
                    with v1.control_dependencies([done]):
                        return tf.data.Dataset.from_tensors(tf.identity(tf.constant(1)))
                self.elements(saving)[writer]()
                loading = lambda: tf.data.Dataset.load(folder, element_spec=spec, compression=compression or None)
                ours, theirs = self.elements(loading)
                self.assertEqual(ours(), theirs())
                self.assertEqual(sorted(ours()[0]), data[0].tolist())

    def test_steps_are_fewer(self):
        names, _ = self.example_files([9])
        def build():
            q = v1.train.string_input_producer(names, shuffle=False)
            _, record = v1.TFRecordReader().read(q)
            regression(*v1.train.batch(self.parsed(record), 4, capacity=8))
        self.check(build, 12, most=12)

    def test_lines(self):
        """Rows of a table, several at a time, from files that are found when it begins."""
        x, y = features(self.rng, 11)
        rows = ["a,b,c,d,y"] + [",".join("%r" % float(v) for v in (*a, b)) for a, b in zip(x, y)]
        folder = self.path("lines")
        os.makedirs(folder)
        for k in range(2):
            with open(os.path.join(folder, "part-%d.csv" % k), "w") as f:
                f.write("\n".join(rows[:1] + rows[1 + 5 * k:6 + 6 * k]) + "\n")
        def build():
            q = v1.train.string_input_producer(v1.train.match_filenames_once(os.path.join(folder, "part-*.csv")), num_epochs=3, shuffle=False)
            key, lines = v1.TextLineReader(skip_header_lines=1).read_up_to(q, 3)
            columns = v1.decode_csv(lines, [[0.0]] * 5)
            *x, y, key = v1.train.batch([*columns, key], 3, enqueue_many=True)
            regression(tf.stack(x, 1), y)
            tf.identity(key, name="keys")
        self.check(build, 11, fetches=("loss:0", "seen:0", "keys:0"))

    def test_fixed_length(self):
        x, y = features(self.rng, 12)
        data = np.concatenate([x, y[:, None]], 1).astype("<f4").tobytes()
        names = self.files(b"head" + data[:100], b"head" + data[100:])
        def build():
            q = v1.train.string_input_producer(names, num_epochs=1, shuffle=False)
            _, record = v1.FixedLengthRecordReader(record_bytes=20, header_bytes=4).read(q)
            row = tf.reshape(v1.decode_raw(record, tf.float32), [5])
            batch = v1.train.batch([row], 4, num_threads=1)
            regression(batch[:, :4], batch[:, 4])
        self.check(build, 3)

    def test_whole_files(self):
        x, y = features(self.rng, 6)
        names = self.files(*[np.append(a, b).astype("<f4").tobytes() for a, b in zip(x, y)])
        def build():
            q = v1.train.string_input_producer(names, num_epochs=2, shuffle=False)
            _, record = v1.WholeFileReader().read(q)
            row = tf.reshape(v1.decode_raw(record, tf.float32), [5])
            batch = v1.train.batch([row], 3)
            regression(batch[:, :4], batch[:, 4])
        self.check(build, 4)

    def test_slices_and_padding(self):
        x, y = features(self.rng, 10)
        def build():
            a, b, k = v1.train.slice_input_producer([tf.constant(x), tf.constant(y), tf.range(10)], num_epochs=2, shuffle=False, capacity=4)
            words = tf.fill([1 + k % 3], tf.as_string(k))
            a, b, words = v1.train.batch([a, b, words], 5, dynamic_pad=True)
            regression(a, b, tf.strings.reduce_join(words, separator="|"))
        self.check(build, 4)

    def test_ranges(self):
        x, y = features(self.rng, 40)
        def build():
            i = v1.train.range_input_producer(40, num_epochs=1, shuffle=False, capacity=7).dequeue_many(8)
            regression(tf.gather(x, i), tf.gather(y, i), i)
        self.check(build, 5)

    def test_some_are_left_out(self):
        x, y = features(self.rng, 20)
        def build():
            a, b, k = v1.train.slice_input_producer([x, y, np.arange(20)], num_epochs=1, shuffle=False)
            regression(*v1.train.maybe_batch([a, b, k], tf.equal(k % 3, 0), 2))
        self.check(build, 3)

    def test_in_any_order(self):
        """Every example as often as there are epochs, by several threads."""
        names, ys = self.example_files([8, 12, 4])
        def shuffled():
            q = v1.train.string_input_producer(names, num_epochs=2, seed=3)
            _, record = v1.TFRecordReader().read(q)
            regression(*v1.train.shuffle_batch(self.parsed(record), 4, capacity=20, min_after_dequeue=8, num_threads=3))
        def joined():
            q = v1.train.string_input_producer(names, num_epochs=2)
            regression(*v1.train.batch_join([self.parsed(v1.TFRecordReader().read(q)[1]) for _ in range(3)], 4, capacity=9))
        def both():
            q = v1.train.string_input_producer(names, num_epochs=2)
            pairs = [self.parsed(v1.TFRecordReader().read(q)[1]) for _ in range(2)]
            regression(*v1.train.shuffle_batch_join(pairs, 4, capacity=12, min_after_dequeue=4))
        for build in (shuffled, joined, both):
            with self.subTest(build.__name__):
                seen = self.check(build, 12, fetches=("seen:0",), ordered=False, variables=False)
                np.testing.assert_allclose(np.sort(np.ravel(seen["seen:0"])), np.sort(np.tile(ys, 2)), rtol=1e-6)

    def test_tables(self):
        """A vocabulary from a file is there when the first line comes."""
        words, = self.files(b"a\nb\nc\nd\n")
        text, = self.files(b"b d\na a\nc x\nd b\n")
        def build():
            q = v1.train.string_input_producer([text], num_epochs=2, shuffle=False)
            _, line = v1.TextLineReader().read(q)
            table = tf.lookup.StaticVocabularyTable(tf.lookup.TextFileInitializer(
                words, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER), 1)
            ids = v1.train.batch([table.lookup(tf.reshape(tf.strings.split([line]).values, [2]))], 2)
            x = tf.one_hot(ids[:, 0], 4) + tf.one_hot(ids[:, 1], 4)
            regression(x, tf.cast(ids[:, 0], tf.float32), ids)
        self.check(build, 4)

    def test_damaged_input(self):
        names, _ = self.example_files([9])
        with open(names[0], "r+b") as f:
            f.seek(400)
            f.write(b"????")
        prefix = self.path("damaged")
        with tf.Graph().as_default(), v1.Session() as s:
            q = v1.train.string_input_producer(names, shuffle=False)
            regression(*v1.train.batch(self.parsed(v1.TFRecordReader().read(q)[1]), 2))
            s.run(v1.global_variables_initializer())
            v1.train.Saver().save(s, prefix)
        p = subprocess.run([TURNERY, "run", "--meta_graph", prefix + ".meta", "--checkpoint", prefix, "--target", "train_op", "--steps", "50"],
                           capture_output=True, text=True, timeout=60)
        self.assertNotEqual(p.returncode, 0)
        self.assertIn("record at byte", p.stderr)
        self.assertIn(names[0], p.stderr)
