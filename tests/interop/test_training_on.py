# SPDX-License-Identifier: Apache-2.0
"""What we train on and save again, TensorFlow restores and continues, as if it had never been interrupted."""
import glob
import importlib.util
import json
import os
import shutil
import subprocess

import numpy as np
import tensorflow as tf
from tensorflow.python.ops.rnn import dynamic_rnn

from with_tensorflow import ROOT, TURNERY, Case, Run, feeds_of, load, safe, turnery, v1

STEPS = 8


def flags_of(feeds, folder, flag="--feed"):
    os.makedirs(folder, exist_ok=True)
    argv = []
    for name, value in feeds.items():
        file = os.path.join(folder, safe(name) + ".npy")
        np.save(file, value)
        argv += [flag, "%s=%s" % (name, file)]
    return argv


def train(s, feeds, loss, step, n):
    """n steps; the loss before the first and after each."""
    losses = [s.run(loss, feeds)]
    for _ in range(n):
        s.run(step, feeds)
        losses.append(s.run(loss, feeds))
    return np.array(losses).reshape(n + 1, -1)


def counters():
    return [v for v in v1.global_variables() if v.op.name == "global_step"]


class TrainingOn(Case):
    def close(self, got, want, what, tolerance=1e-3):
        np.testing.assert_allclose(np.reshape(got, -1), np.reshape(want, -1), rtol=tolerance, atol=1e-5, err_msg=what)

    def check(self, what, checkpoint, feeds, loss, step, meta=None, tolerance=1e-3):
        """TensorFlow all the way; TensorFlow, ours, TensorFlow: the same losses, from the same set of files."""
        meta = meta or checkpoint + ".meta"
        with tf.Graph().as_default(), v1.Session() as s:
            v1.train.import_meta_graph(meta).restore(s, checkpoint)
            whole = train(s, feeds, loss, step, 2 * STEPS)
            steps = s.run(counters())
        folder = self.path("saved_" + what)
        prefix, out = os.path.join(folder, "m2"), os.path.join(folder, "out")
        turnery("run", "--meta_graph", meta, "--checkpoint", checkpoint, "--target", step, "--steps", str(STEPS), "--fetch",
                loss, *flags_of(feeds, os.path.join(folder, "feeds")), "--outputs", self.made(out), "--save", prefix)
        self.close(load(os.path.join(out, safe(loss))), whole[:STEPS + 1], what + ": ours", tolerance)
        self.assertEqual(tf.train.latest_checkpoint(folder), prefix)
        shapes = tf.train.load_checkpoint(checkpoint).get_variable_to_shape_map()
        self.assertEqual(tf.train.load_checkpoint(prefix).get_variable_to_shape_map(), shapes, what)
        for m in (prefix + ".meta", meta):
            with tf.Graph().as_default(), v1.Session() as s:
                v1.train.import_meta_graph(m).restore(s, prefix)
                self.assertEqual(s.run(v1.report_uninitialized_variables()).tolist(), [], what)
                self.close(train(s, feeds, loss, step, STEPS), whole[STEPS:], "%s: after ours, by %s" % (what, m), tolerance)
                self.assertEqual(s.run(counters()), steps, what)

    def made(self, folder):
        os.makedirs(folder, exist_ok=True)
        return folder

    def test_goldens(self):
        for manifest in sorted(glob.glob(os.path.join(ROOT, "tests/golden/models/*/manifest.json"))):
            folder = os.path.dirname(manifest)
            with open(manifest) as f:
                t = json.load(f).get("train")
            if not t or t.get("init"):  # what reads its own input has another loss each time: test_input_pipelines
                continue
            feeds = {k: np.load(os.path.join(folder, v["dir"], v["file"])) for k, v in t["feeds"].items()}
            with self.subTest(os.path.basename(folder)):
                self.check(os.path.basename(folder), os.path.join(folder, t["checkpoint"]), feeds, t["loss_tensor"],
                           t["train_op"], os.path.join(folder, t["meta"]))

    def fresh(self, what, resource, optimizer, **saver):
        """A graph with partitioned variables and a decaying rate; after three steps."""
        prefix = os.path.join(self.made(self.path(what)), "model")
        with tf.Graph().as_default(), v1.Session() as s:
            v1.set_random_seed(4)
            x, y = v1.placeholder(tf.float32, [None, 6], name="x"), v1.placeholder(tf.float32, [None, 3], name="y")
            step = v1.train.get_or_create_global_step()
            with v1.variable_scope("net", use_resource=resource):
                w = v1.get_variable("w", [6, 8], partitioner=v1.fixed_size_partitioner(3))
                h = tf.tanh(tf.matmul(x, tf.convert_to_tensor(w)) + v1.get_variable("b", [8]))
                out = tf.matmul(h, v1.get_variable("v", [8, 3]))
            loss = tf.reduce_mean(tf.square(out - y), name="loss")
            rate = v1.train.exponential_decay(0.05, step, 3, 0.9)
            train_op = optimizer(rate).minimize(loss, global_step=step, name="train_op")
            feeds = feeds_of(s.graph, 16)
            s.run(v1.global_variables_initializer())
            for _ in range(3):
                s.run(train_op, feeds)
            return v1.train.Saver(**saver).save(s, prefix, global_step=step), feeds

    def test_fresh_sessions(self):
        for what, resource, optimizer in (("adam", False, v1.train.AdamOptimizer),
                                          ("momentum", True, lambda r: v1.train.MomentumOptimizer(r, 0.9, use_nesterov=True)),
                                          ("rmsprop", True, lambda r: v1.train.RMSPropOptimizer(r, momentum=0.5, centered=True)),
                                          ("ftrl", False, v1.train.FtrlOptimizer),
                                          ("adadelta", True, v1.train.AdadeltaOptimizer)):
            with self.subTest(what):
                checkpoint, feeds = self.fresh(what, resource, optimizer, sharded=what == "adam")
                self.check("fresh_" + what, checkpoint, feeds, "loss:0", "train_op")

    def test_first_saver(self):
        """A Saver of the first version writes one table, and so do we: operators of that time restore from no other."""
        for sharded in (False, True):
            what = "v1_sharded" if sharded else "v1"
            checkpoint, feeds = self.fresh(what, sharded, v1.train.AdamOptimizer, sharded=sharded, write_version=v1.train.SaverDef.V1)
            self.check("fresh_" + what, checkpoint, feeds, "loss:0", "train_op", meta=glob.glob(self.path(what) + "/*.meta")[0])
            prefix = self.path("saved_fresh_" + what) + "/m2"
            self.assertFalse(os.path.exists(prefix + ".index"))
            with tf.Graph().as_default(), v1.Session() as s:
                rows = [tf.raw_ops.RestoreSlice(file_pattern=prefix, tensor_name="net/w", shape_and_slice=p, dt=tf.float32)
                        for p in ("", "6 8 2,2:-")]
                whole, part = s.run(rows)
            np.testing.assert_array_equal(whole[2:4], part)

    def test_rows_of_data(self):
        """Batches cut from arrays with an example in each row, in their order, round and round."""
        checkpoint, _ = self.fresh("rows", False, v1.train.AdamOptimizer)
        r = np.random.default_rng(8)
        data = {"x:0": r.uniform(-1, 1, (10, 6)).astype(np.float32), "y:0": r.uniform(-1, 1, (10, 3)).astype(np.float32)}
        with tf.Graph().as_default(), v1.Session() as s:
            v1.train.import_meta_graph(checkpoint + ".meta").restore(s, checkpoint)
            want = []
            for k in range(12):
                rows = np.arange(4 * k, 4 * k + 4) % 10
                want.append(s.run(["loss:0", "train_op"], {n: v[rows] for n, v in data.items()})[0])
            final = s.run(v1.global_variables())
            names = [v.op.name for v in v1.global_variables()]
        folder = self.made(self.path("rows_out"))
        turnery("run", "--meta_graph", checkpoint + ".meta", "--checkpoint", checkpoint, "--target", "train_op", "--steps", "12",
                "--batch_size", "4", "--fetch", "loss:0", *flags_of(data, self.path("rows_data"), "--data"), "--outputs",
                folder, "--save", os.path.join(folder, "m"))
        self.assertEqual(load(os.path.join(folder, "loss_c0")).shape, (12,))
        with tf.Graph().as_default(), v1.Session() as s:
            v1.train.import_meta_graph(os.path.join(folder, "m.meta")).restore(s, os.path.join(folder, "m"))
            for name, value, v in zip(names, final, s.run(v1.global_variables())):
                self.close(v, value, name)

    def test_mutable_table(self):
        """What is in a MutableHashTable goes with the variables, here and back."""
        from tensorflow.python.ops import lookup_ops
        prefix = os.path.join(self.made(self.path("table")), "m")
        with tf.Graph().as_default(), v1.Session() as s:
            table = lookup_ops.MutableHashTable(tf.string, tf.int64, -1, name="t")
            tf.group(table.insert(tf.constant(["b", "c"]), tf.constant([20, 30], tf.int64)), name="insert")
            tf.identity(table.lookup(tf.constant(["a", "b", "c", "d"])), name="y")
            first = table.insert(tf.constant(["a", "b"]), tf.constant([1, 2], tf.int64))
            v1.get_variable("w", [2])
            s.run(v1.global_variables_initializer())
            s.run(first)
            v1.train.Saver().save(s, prefix)
        out = self.made(self.path("table_out"))
        turnery("run", "--meta_graph", prefix + ".meta", "--checkpoint", prefix, "--target", "insert", "--steps", "1", "--fetch",
                "y:0", "--outputs", out, "--save", os.path.join(out, "m2"))
        self.assertEqual(load(os.path.join(out, "y_c0")).tolist(), [[1, 2, -1, -1], [1, 20, 30, -1]])
        with tf.Graph().as_default(), v1.Session() as s:
            v1.train.import_meta_graph(os.path.join(out, "m2.meta")).restore(s, os.path.join(out, "m2"))
            self.assertEqual(s.run("y:0").tolist(), [1, 20, 30, -1])

    # ---- TensorFlow 2 ----

    class Module(tf.Module):
        def __init__(self):
            super().__init__()
            r = np.random.default_rng(2)
            self.w = tf.Variable(r.standard_normal((4, 5)).astype(np.float32), name="dense/w")
            self.layers = [tf.Variable(r.standard_normal((5, 2)).astype(np.float32), name="dense/v")]
            self.m = {"w": tf.Variable(tf.zeros((4, 5)), trainable=False), "v": tf.Variable(tf.zeros((5, 2)), trainable=False)}
            self.steps = tf.Variable(0, dtype=tf.int64, name="steps", trainable=False)

        @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x"),
                                      tf.TensorSpec([None, 2], tf.float32, name="y")])
        def train(self, x, y):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(tf.matmul(tf.tanh(tf.matmul(x, self.w)), self.layers[0]) - y))
            pairs = [(self.w, self.m["w"]), (self.layers[0], self.m["v"])]
            for (v, m), g in zip(pairs, tape.gradient(loss, [v for v, _ in pairs])):
                m.assign(0.9 * m + g)
                v.assign_sub(0.05 * m)
            self.steps.assign_add(1)
            return {"loss": loss}

    def test_objects(self):
        """A training function of TensorFlow 2: ours runs it, tf.train.Checkpoint takes over."""
        r = np.random.default_rng(3)
        feeds = {"x": r.uniform(-1, 1, (9, 4)).astype(np.float32), "y": r.uniform(-1, 1, (9, 2)).astype(np.float32)}
        x, y = tf.constant(feeds["x"]), tf.constant(feeds["y"])
        m = self.Module()
        m.train(x, y)
        folder = self.path("objects")
        tf.saved_model.save(m, folder, signatures={"train": m.train})
        whole = [m.train(x, y)["loss"].numpy() for _ in range(2 * STEPS)]
        out = self.made(self.path("objects_out"))
        turnery("run", folder, "--signature", "train", "--steps", str(STEPS), *flags_of(feeds, self.path("objects_feeds"), "--input"),
                "--outputs", out, "--save", os.path.join(out, "ckpt"))
        self.close(load(os.path.join(out, "loss")), whole[:STEPS], "ours")
        again = self.Module()
        tf.train.Checkpoint(root=again).read(tf.train.latest_checkpoint(out)).assert_existing_objects_matched()
        self.assertEqual(again.steps.numpy(), STEPS + 1)
        self.close([again.train(x, y)["loss"].numpy() for _ in range(STEPS)], whole[STEPS:], "after ours")
        # The same files in the place of the SavedModel's variables.
        for f in glob.glob(os.path.join(out, "ckpt.*")):
            shutil.copy(f, os.path.join(folder, "variables", "variables" + f[len(os.path.join(out, "ckpt")):]))
        loaded = tf.saved_model.load(folder)
        self.close([loaded.train(x, y)["loss"].numpy() for _ in range(STEPS)], whole[STEPS:], "the SavedModel after ours")

    def test_objects_by_name(self):
        """A graph of version 1 restored from a checkpoint of objects, and written back as one."""
        with tf.Graph().as_default():
            w = v1.get_variable("dense/w", [4, 5], use_resource=True)
            tf.group(v1.assign_add(w, tf.ones_like(w)), name="grow")
            saver = v1.train.Saver([w])
            v1.train.export_meta_graph(self.path("named.meta"), saver_def=saver.as_saver_def())
        m = self.Module()
        prefix = tf.train.Checkpoint(net=m).save(self.path("objects2", "c"))
        out = self.path("named_out", "c")
        turnery("run", "--meta_graph", self.path("named.meta"), "--checkpoint", prefix, "--target", "grow", "--save", out)
        again = self.Module()
        again.layers[0].assign(tf.zeros_like(again.layers[0]))
        tf.train.Checkpoint(net=again).restore(out).assert_consumed()
        self.close(again.w.numpy(), m.w.numpy() + 1, "the variable of the graph")
        self.close(again.layers[0].numpy(), m.layers[0].numpy(), "one that the graph does not have")

    # ---- fine-tuning ----

    def test_fine_tuned(self):
        """A Keras model's layers under ours: frozen ones are as they were, and TensorFlow serves the whole."""
        run = Run(self.path("runs"), "examples/finetune/finetune.c", "--max_steps=60")
        here = tf.train.load_checkpoint(run.checkpoint)
        there = tf.saved_model.load(os.path.join(ROOT, "examples/finetune/pretrained"))
        named = {v.name[:-2]: v.numpy() for v in there.signatures["serving_default"].variables}
        frozen = [k for k in here.get_variable_to_shape_map() if k.startswith("pretrained/")]
        self.assertEqual(len(frozen), 8)
        for k in frozen:
            layer, name = k.split("/")[1:]
            candidates = [v for n, v in named.items() if n.startswith(layer) and name.replace("_1", "") in n]
            self.assertTrue(any(np.array_equal(here.get_tensor(k), v) for v in candidates), k)
        images = np.random.default_rng(5).integers(0, 256, (7, 28, 28)).astype(np.uint8)
        np.save(self.path("images.npy"), images)
        out = self.made(self.path("answers"))
        turnery("run", run.export, "--input", "image=" + self.path("images.npy"), "--outputs", out)
        want = tf.saved_model.load(run.export).signatures["serving_default"](image=tf.constant(images))
        self.close(load(os.path.join(out, "probabilities")), want["probabilities"].numpy(), "probabilities", 1e-4)
        self.assertEqual(load(os.path.join(out, "digit")).tolist(), want["digit"].numpy().tolist())

    class Cell:
        """An LSTM, as RNNCell has it."""
        state_size, output_size = (4, 4), 4

        def zero_state(self, batch, dtype):
            return tf.zeros([batch, 4], dtype), tf.zeros([batch, 4], dtype)

        def __call__(self, x, state, scope=None):
            with v1.variable_scope("cell", reuse=v1.AUTO_REUSE):
                kernel = v1.get_variable("kernel", [int(x.shape[1]) + 4, 16], initializer=v1.glorot_uniform_initializer(seed=3))
                bias = v1.get_variable("bias", [16], initializer=v1.zeros_initializer())
            i, j, f, o = tf.split(tf.nn.bias_add(tf.matmul(tf.concat([x, state[1]], 1), kernel), bias), 4, 1)
            c = state[0] * tf.sigmoid(f + 1.) + tf.sigmoid(i) * tf.tanh(j)
            h = tf.tanh(c) * tf.sigmoid(o)
            return h, (c, h)

    def recurrent(self, folder):
        """A model of TensorFlow 1 with dynamic_rnn and a conditional, saved; what it is trained with."""
        with tf.Graph().as_default(), v1.Session() as s:
            v1.disable_control_flow_v2()
            x, n = v1.placeholder(tf.float32, [None, None, 3], "x"), v1.placeholder(tf.int32, [None], "lengths")
            out, (_, h) = dynamic_rnn(self.Cell(), x, sequence_length=n, dtype=tf.float32)
            h = tf.cond(v1.placeholder_with_default(False, []), lambda: -h, lambda: tf.tanh(h) * 1.5)
            tf.concat([h, tf.reduce_mean(out, 1)], 1, "features")
            s.run(v1.global_variables_initializer())
            v1.train.Saver().save(s, os.path.join(folder, "model"))
        r = np.random.default_rng(0)
        data = {"x": r.standard_normal((12, 5, 3)).astype(np.float32), "lengths": r.integers(0, 6, 12).astype(np.int32),
                "y": r.standard_normal((12, 2)).astype(np.float32)}
        for k, v in data.items():
            np.save(os.path.join(folder, k + ".npy"), v)
        return data

    def fine_tuned(self, folder, data, steps):
        """TensorFlow's losses."""
        with tf.Graph().as_default() as g, v1.Session() as s:
            saver = v1.train.import_meta_graph(os.path.join(folder, "model.meta"))
            y, w = v1.placeholder(tf.float32, [None, 2]), v1.get_variable("w", [8, 2], initializer=v1.constant_initializer(0.1))
            loss = tf.reduce_mean(tf.square(tf.matmul(g.get_tensor_by_name("features:0"), w) - y))
            step = v1.train.AdamOptimizer(0.02).minimize(loss)
            s.run(v1.global_variables_initializer())
            saver.restore(s, os.path.join(folder, "model"))
            return [s.run([loss, step], {"x:0": data["x"], "lengths:0": data["lengths"], y: data["y"]})[0] for _ in range(steps)]

    def test_recurrent_fine_tuned(self):
        """Through a loop and a conditional of TensorFlow 1: its losses, and it goes on from what we saved."""
        folder = self.made(self.path("recurrent"))
        data = self.recurrent(folder)
        want = self.fine_tuned(folder, data, 40)
        printed = turnery("train", "tests/interop/recurrent.c", "--from", folder, "--logdir", self.path("rnn_runs"), "--json", "--log_every=1")
        events = [json.loads(line) for line in printed.splitlines()]
        self.close([e["loss"] for e in events if e["event"] == "step"], want[:30], "ours", 1e-4)
        checkpoint = tf.train.latest_checkpoint(os.path.join(events[-1]["run"], "checkpoints"))
        with tf.Graph().as_default(), v1.Session() as s:
            v1.train.import_meta_graph(checkpoint + ".meta").restore(s, checkpoint)
            feeds = {"data/%s:0" % k: v for k, v in data.items()}
            got = [s.run([v1.get_collection("losses")[0], v1.get_collection("train_op")[0]], feeds)[0] for _ in range(10)]
        self.close(got, want[30:], "TensorFlow, from there", 1e-4)

    def test_words(self):
        """A vocabulary from a file becomes part of what is trained and served; the file is not needed any more."""
        class Words(tf.Module):
            def __init__(self, file):
                super().__init__()
                kv = tf.lookup.TextFileInitializer(file, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64,
                                                   tf.lookup.TextFileIndex.LINE_NUMBER)
                self.table = tf.lookup.StaticVocabularyTable(kv, 1)
                self.rows = tf.Variable(np.random.default_rng(6).standard_normal((4, 3)).astype(np.float32), name="rows")

            @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="word")])
            def serve(self, word):
                return {"row": tf.gather(self.rows, self.table.lookup(word))}

        with open(self.path("vocabulary.txt"), "w") as f:
            f.write("red\ngreen\nblue\n")
        m = Words(self.path("vocabulary.txt"))
        tf.saved_model.save(m, self.path("words"), signatures={"serving_default": m.serve})
        run = Run(self.path("word_runs"), "tests/interop/words.c", "--from=" + self.path("words"))
        turnery("train", "--resume", run.path, "--max_steps=210")
        shutil.rmtree(self.path("words"))
        os.remove(self.path("vocabulary.txt"))
        words = [b"green", b"red", b"beige", b"blue"]
        f = tf.saved_model.load(run.export).signatures["serving_default"]
        want = f(word=tf.constant(words))["y"].numpy()
        self.close(want, [0.25, 0, 0.75, 0.5], "what was learnt", 0.05)
        with open(self.path("words.json"), "w") as file:
            json.dump([w.decode() for w in words], file)
        out = self.made(self.path("word_answers"))
        turnery("run", run.export, "--input", "word=" + self.path("words.json"), "--outputs", out)
        self.close(load(os.path.join(out, "y")), want, "answers", 1e-5)
        with tf.Graph().as_default(), v1.Session() as s:
            v1.train.import_meta_graph(run.checkpoint + ".meta").restore(s, run.checkpoint)
            s.run(v1.tables_initializer())
            self.assertEqual(s.run(v1.report_uninitialized_variables()).tolist(), [])

    def test_rules_from_objects(self):
        """Values of a tf.train.Checkpoint for variables of ours: by the path of the object, by the name it had."""
        m = self.Module()
        prefix = tf.train.Checkpoint(net=m).save(self.path("objects3", "c"))
        source = self.path("rules.c")
        with open(os.path.join(ROOT, "tests/interop/words.c")) as f:
            text = f.read().replace('.name = "words"', '.name = "rules"')
        start, end = text.index("    tn_import("), text.index("    tn_output(out")
        text = text[:start] + """    tn_node w = tn_get_variable(b, "mine/w", TN_FLOAT, TN_SHAPE(4, 5), (tn_initializer){.kind = TN_INIT_ZEROS}, 0);
    tn_node v = tn_get_variable(b, "other", TN_FLOAT, TN_SHAPE(5, 2), (tn_initializer){.kind = TN_INIT_ZEROS}, 0);
    tn_init_from_checkpoint(b, s->from, TN_RULES({"net/", "mine/"}, {"dense/v", "other"}), 0);
    tn_node n = tn_cast_to(b, tn_op(b, "StringLength", TN_INPUTS(in->x), TN_NO_ATTRS), TN_FLOAT);
    row = tn_matmul(b, tn_matmul(b, tn_reshape(b, tn_join(b, (tn_node[]){n, n, n, n}, 4, 0), TN_SHAPE(-1, 4)), w), v);
""" + text[end:]
        with open(source, "w") as f:
            f.write(text)
        run = Run(self.path("rule_runs"), source, "--from=" + prefix, "--max_steps=1", "--batch_size=4")
        got = tf.train.load_checkpoint(run.checkpoint)
        for key, value in (("mine/w", m.w.numpy()), ("other", m.layers[0].numpy())):
            self.assertLess(np.abs(got.get_tensor(key) - value).max(), 0.051, key)  # one step of Adam

    def test_slots_of_objects(self):
        """What optimizers of tf.train, Keras 2 and Keras 3 keep in checkpoints of objects: training goes on in ours as there."""
        spec = importlib.util.spec_from_file_location("slots", os.path.join(ROOT, "tests/golden/slots/make.py"))
        slots = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(slots)
        os.makedirs(self.path("slots"))
        for kind in slots.KINDS:
            slots.make(kind, self.path("slots"))
        program = os.path.join(os.path.dirname(TURNERY), "tests", "test_slots")
        p = subprocess.run([program, self.path("slots")], capture_output=True, env=dict(os.environ, TN_SOURCE=ROOT))
        self.assertEqual(p.returncode, 0, p.stdout.decode() + p.stderr.decode())
