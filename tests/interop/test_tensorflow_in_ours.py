# SPDX-License-Identifier: Apache-2.0
"""We read what TensorFlow writes, made on the fly: checkpoints of every dtype, SavedModels, training graphs."""
import os

import numpy as np
import tensorflow as tf

from with_tensorflow import Case, load, our_losses, safe, tensorflow_losses, tensors, turnery, v1


class TensorFlowInOurs(Case):
    def test_checkpoint(self):
        r = np.random.default_rng(1)
        values = {
            "half": r.standard_normal((3, 2)).astype(np.float16), "float": r.standard_normal((64, 33)).astype(np.float32),
            "double": np.array([np.nan, np.inf, -0.0]), "bytes": np.array([[b"a", b"\xff\x00", b""]], dtype=object),
            "int8": np.array([-128, 127], np.int8), "uint16": np.array(65535, np.uint16), "int64": np.array([2**62], np.int64),
            "bool": np.array([True, False]), "complex": np.array([1 + 2j], np.complex64), "none": np.zeros((0, 3), np.float32),
            "bfloat16": r.standard_normal(5).astype(tf.bfloat16.as_numpy_dtype),
        }
        prefix = self.path("all")
        with tf.Graph().as_default(), v1.Session() as s:
            variables = [v1.get_variable("scope/" + k, initializer=tf.constant(v)) for k, v in values.items()]
            s.run(v1.global_variables_initializer())
            v1.train.Saver(variables).save(s, prefix)
        got = tensors(prefix, self.path("all_tensors"))
        self.assertEqual(set(got), {"scope/" + k for k in values})
        for k, v in values.items():
            self.bits(got["scope/" + k], v, k)

    def test_saved_model(self):
        class Module(tf.Module):
            def __init__(self):
                super().__init__()
                self.w = tf.Variable(np.random.default_rng(2).standard_normal((4, 4)).astype(np.float32) / 2, name="w")

            @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x"), tf.TensorSpec([], tf.int32, name="n")])
            def serve(self, x, n):
                for _ in tf.range(n):
                    x = tf.tanh(tf.matmul(x, self.w))
                return {"y": x, "s": tf.cond(tf.reduce_sum(x) > 0, lambda: tf.reduce_max(x), lambda: tf.reduce_min(x))}

        m = Module()
        folder = self.path("module")
        tf.saved_model.save(m, folder, signatures={"serving_default": m.serve})
        for n in (0, 1, 5):
            x = np.random.default_rng(n).standard_normal((3, 4)).astype(np.float32)
            want = m.serve(x, n)
            np.save(self.path("x.npy"), x)
            np.save(self.path("n.npy"), np.int32(n))
            out = self.path("module_%d" % n)
            os.makedirs(out)
            turnery("run", folder, "--signature", "serving_default", "--input", "x=" + self.path("x.npy"), "--input",
                    "n=" + self.path("n.npy"), "--outputs", out)
            for k, v in want.items():
                np.testing.assert_allclose(load(os.path.join(out, safe(k))), v.numpy(), rtol=1e-5, atol=1e-6)

    def test_training_graph(self):
        """A convolution beside an embedding, trained here and there from one checkpoint."""
        prefix = self.path("net")
        with tf.Graph().as_default(), v1.Session() as s:
            v1.set_random_seed(1)
            image = v1.placeholder(tf.float32, [None, 8, 8, 2], name="image")
            word = v1.placeholder(tf.int32, [None], name="word")
            x = tf.nn.relu(tf.nn.conv2d(image, v1.get_variable("kernel", [3, 3, 2, 6]), 1, "VALID"))
            x = tf.nn.max_pool2d(x, 2, 2, "VALID")
            x = tf.reshape(x, [-1, 54])
            table = v1.get_variable("table", [10, 5])
            x = tf.concat([x, tf.nn.embedding_lookup(table, word)], 1)
            y = tf.matmul(x, v1.get_variable("w", [59, 10]))
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=word, logits=y))
            v1.add_to_collection("losses", loss)
            train = v1.train.AdamOptimizer(0.01).minimize(loss)
            v1.add_to_collection("train_op", train)
            s.run(v1.global_variables_initializer())
            v1.train.Saver().save(s, prefix)
        feeds, loss, train, want = tensorflow_losses(prefix, 20, 16)
        got = our_losses(prefix, feeds, loss, train, 20, self.path("net_steps"))
        np.testing.assert_allclose(got.reshape(-1), want.reshape(-1), rtol=1e-4, atol=1e-4)

    def test_first_saver(self):
        """What Saver's V1 writes, one file or shards of it: the same tensors, and the graph's values."""
        for sharded in (False, True):
            with tf.Graph().as_default(), v1.Session() as s:
                a = v1.get_variable("a", initializer=np.arange(6, dtype=np.float32).reshape(2, 3), use_resource=False)
                words = v1.get_variable("words", initializer=tf.constant(["x", "", "yz"]), use_resource=False)
                p = v1.get_variable("p", shape=[5, 2], dtype=tf.float64, initializer=v1.random_normal_initializer(), partitioner=v1.fixed_size_partitioner(2))
                y = tf.matmul(tf.cast(a, tf.float64), tf.convert_to_tensor(p)[:3], name="y")
                s.run(v1.global_variables_initializer())
                prefix = v1.train.Saver(write_version=v1.train.SaverDef.V1, sharded=sharded).save(s, self.path("first%d" % sharded))
                want = {"a": s.run(a), "words": s.run(words), "p": s.run(tf.convert_to_tensor(p)), "y": s.run(y)}
            os.makedirs(self.path("first_tensors%d" % sharded))
            turnery("show", prefix, "--tensors", self.path("first_tensors%d" % sharded))
            for name in ("a", "words", "p"):
                self.bits(load(self.path("first_tensors%d" % sharded, name)), want[name], name)
            out = self.path("first_out%d" % sharded)
            turnery("run", "--meta_graph", self.path("first%d.meta" % sharded), "--checkpoint", prefix, "--fetch", "y:0", "--outputs", out)
            np.testing.assert_allclose(load(os.path.join(out, safe("y:0"))), want["y"])
