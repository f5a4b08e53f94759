# SPDX-License-Identifier: Apache-2.0
"""`show` tells of files what TensorFlow tells of them; Examples that are typed are TensorFlow's."""
import glob
import json
import os

import numpy as np
import tensorflow as tf

from with_tensorflow import Case, turnery, v1


def show(*argv):
    return json.loads(turnery("show", *argv, "--json"))


class Show(Case):
    def test_checkpoint(self):
        r = np.random.default_rng(3)
        values = {"a/w": r.standard_normal((7, 5)).astype(np.float32), "n": np.int64(4), "b": np.array([True, False]), "s": np.array([b"x", b"yz"], object)}
        prefix = self.path("m")
        with tf.Graph().as_default(), v1.Session() as s:
            made = [v1.get_variable(k, initializer=tf.constant(v)) for k, v in values.items()]
            parts = v1.get_variable("parts", [10, 3], initializer=v1.random_normal_initializer(), partitioner=v1.fixed_size_partitioner(3))
            s.run(v1.global_variables_initializer())
            v1.train.Saver(made + list(parts)).save(s, prefix)
        told = {t["name"]: t for t in show(prefix)["tensors"]}
        reader = tf.train.load_checkpoint(prefix)
        self.assertEqual({k: t["shape"] for k, t in told.items()}, {k: list(v) for k, v in reader.get_variable_to_shape_map().items()})
        self.assertEqual({k: t["dtype"] for k, t in told.items()}, {k: v.name for k, v in reader.get_variable_to_dtype_map().items()})
        self.assertEqual(told["parts"]["slices"], 3)
        one, want = show(prefix, "--tensor", "a/w"), values["a/w"]
        np.testing.assert_array_equal(np.array(one["values"], np.float32), want)
        for k in ("min", "max", "mean", "std"):
            self.assertAlmostEqual(one["statistics"][k], float(getattr(want.astype(np.float64), k)()), places=12)
        state = show(self.path())
        self.assertEqual(state["newest"], tf.train.latest_checkpoint(self.path()))

    def test_tag_sets(self):
        folder = self.path("two")
        builder = v1.saved_model.Builder(folder)
        with tf.Graph().as_default(), v1.Session() as s:
            x = v1.placeholder(tf.float32, [None, 2], "x")
            y = tf.identity(tf.matmul(x, v1.get_variable("w", [2, 1])), "y")
            sparse = v1.sparse_placeholder(tf.float32, [None, 4], "sp")
            z = tf.sparse.to_dense(sparse)
            s.run(v1.global_variables_initializer())
            signature = v1.saved_model.predict_signature_def({"x": x}, {"y": y})
            builder.add_meta_graph_and_variables(s, ["train"], {"serving_default": signature, "sparse": v1.saved_model.predict_signature_def({"sp": sparse}, {"z": z})})
        with tf.Graph().as_default():
            x = v1.placeholder(tf.float32, [None, 2], "x")
            y = tf.nn.relu(tf.matmul(x, v1.get_variable("w", [2, 1])), "y")
            builder.add_meta_graph(["serve", "gpu"], {"serving_default": v1.saved_model.predict_signature_def({"x": x}, {"y": y})})
        builder.save()
        told = show(folder)["meta_graphs"]
        self.assertEqual([sorted(g["tags"]) for g in told], [["train"], ["gpu", "serve"]])
        self.assertEqual([g["tags"] for g in show(folder, "--tag_set", "gpu,serve")["meta_graphs"]], [told[1]["tags"]])
        self.assertTrue(all(s["runs"] for g in told for s in g["signatures"]))
        self.assertEqual(told[0]["signatures"][1]["inputs"][0]["values"], "sp/values:0")
        self.assertIn("Relu", [o["operator"] for o in told[1]["operators"]])
        self.assertEqual(told[0]["tensorflow_version"], tf.__version__)

    def test_events(self):
        folder = self.path("logs")
        r = np.random.default_rng(4)
        with tf.summary.create_file_writer(folder).as_default():
            for step in range(5):
                tf.summary.scalar("loss", r.standard_normal(), step)
                tf.summary.histogram("w", r.standard_normal(30), step)
                tf.summary.text("note", "step %d" % step, step)
        told = show(folder)
        self.assertEqual({t["tag"]: t["values"] for t in told["tags"]}, {"loss": 5, "w": 5, "note": 5})
        events = list(v1.train.summary_iterator(glob.glob(os.path.join(folder, "*"))[0]))
        self.assertEqual(len(told["runs"][0]["events"]), len(events))
        for got, want in zip(told["runs"][0]["events"], events):
            self.assertEqual((got["step"], got["wall_time"], got["what"]), (want.step, want.wall_time, want.WhichOneof("what")))
            for g, w in zip(got.get("summary", []), want.summary.value):
                t = tf.make_ndarray(w.tensor)
                self.assertEqual((g["tag"], g["plugin"], g["shape"]), (w.tag, w.metadata.plugin_data.plugin_name, list(t.shape)))
                if t.dtype != object:
                    np.testing.assert_array_equal(np.array(g["value"], t.dtype), t)

    def test_records(self):
        r = np.random.default_rng(5)
        examples = [tf.train.Example(features=tf.train.Features(feature={
            "ids": tf.train.Feature(int64_list=tf.train.Int64List(value=r.integers(-2**62, 2**62, r.integers(0, 5)))),
            "w": tf.train.Feature(float_list=tf.train.FloatList(value=r.standard_normal(3))),
            "s": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"text", "\u00e9\u4e16".encode()]))})) for _ in range(12)]
        for kind in ("", "GZIP", "ZLIB"):
            path = self.path("data.tfrecord" + kind)
            with tf.io.TFRecordWriter(path, kind) as w:
                for e in examples:
                    w.write(e.SerializeToString())
            told = show(path)
            self.assertEqual(told["compression"], kind or "none")
            self.assertEqual(told["examples"], len(examples))
            for got, want in zip(told["records"], examples):
                values = {f["feature"]: f["values"] for f in got["features"]}
                self.assertEqual(values["ids"], list(want.features.feature["ids"].int64_list.value))
                self.assertEqual(np.array(values["w"], np.float32).tolist(), list(want.features.feature["w"].float_list.value))
                self.assertEqual([s.encode() for s in values["s"]], list(want.features.feature["s"].bytes_list.value))

    def test_typed_examples(self):
        class Parse(tf.Module):
            @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
            def serve(self, examples):
                return tf.io.parse_example(examples, {"n": tf.io.FixedLenFeature([2], tf.int64), "w": tf.io.FixedLenFeature([], tf.float32, -1.0),
                                                      "s": tf.io.FixedLenFeature([], tf.string, "none")})

        folder, out = self.path("parse"), self.path("parsed")
        m = Parse()
        tf.saved_model.save(m, folder, signatures={"serving_default": m.serve})
        turnery("run", folder, "--input_examples", 'examples=[{"n": [1, 2], "w": 0.5, "s": ["a"]}, {"n": [-3, 4]}]', "--outputs", out)
        self.assertEqual(np.load(os.path.join(out, "n.npy")).tolist(), [[1, 2], [-3, 4]])
        self.assertEqual(np.load(os.path.join(out, "w.npy")).tolist(), [0.5, -1.0])
        with open(os.path.join(out, "s.json")) as f:
            self.assertEqual(json.load(f), ["a", "none"])
