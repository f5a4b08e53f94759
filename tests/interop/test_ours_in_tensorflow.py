# SPDX-License-Identifier: Apache-2.0
"""Real TensorFlow restores our checkpoints, loads our SavedModels, trains on with our MetaGraphs; TensorBoard's own
reader lists what we write for it."""
import os

import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator

from with_tensorflow import Case, Run, load, our_losses, safe, tensorflow_losses, tensors, turnery, v1

EXAMPLES = {"curve_fitting": ("examples/regression/curve_fitting.c", "--max_steps=300", "--validate_every=100"),
            "digits": ("examples/digits/digits.c", "--max_steps=120", "--dropout=0", "--summary_every=20"),
            "finetune": ("examples/finetune/finetune.c", "--max_steps=60", "--dropout=0", "--frozen=false"),
            "normalized": ("tests/interop/normalized.c",)}


class OursInTensorFlow(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.runs = {name: Run(cls.path("runs"), *argv) for name, argv in EXAMPLES.items()}

    def test_checkpoint_restores_bit_for_bit(self):
        for name, run in self.runs.items():
            ours = tensors(run.checkpoint, self.path("tensors", name))
            reader = tf.train.load_checkpoint(run.checkpoint)
            for key, value in ours.items():
                self.bits(value, reader.get_tensor(key), "%s: %s" % (name, key))
            with tf.Graph().as_default(), v1.Session() as s:
                saver = v1.train.import_meta_graph(run.checkpoint + ".meta")
                saver.restore(s, run.checkpoint)
                variables = v1.global_variables()
                self.assertGreater(len(variables), 10)
                for v, value in zip(variables, s.run(variables)):
                    self.bits(ours[v.op.name], value, "%s: variable %s" % (name, v.op.name))

    def test_saved_model_gives_the_same_answers(self):
        r = np.random.default_rng(5)
        for name, run in self.runs.items():
            f = tf.saved_model.load(run.export).signatures["serving_default"]
            (key, spec), = f.structured_input_signature[1].items()
            shape = [7] + spec.shape.as_list()[1:]
            x = r.integers(0, 256, shape) if spec.dtype == tf.uint8 else r.uniform(-2, 2, shape)
            x = x.astype(spec.dtype.as_numpy_dtype)
            want = f(**{key: tf.constant(x)})
            np.save(self.path("x.npy"), x)
            out = self.path("answers", name)
            os.makedirs(out)
            turnery("run", run.export, "--signature", "serving_default", "--input", "%s=%s" % (key, self.path("x.npy")),
                    "--outputs", out)
            for k, v in want.items():
                got = load(os.path.join(out, safe(k)))
                self.assertEqual(got.dtype, v.numpy().dtype)
                np.testing.assert_allclose(got, v.numpy(), rtol=1e-5, atol=1e-5, err_msg="%s: %s" % (name, k))

    def test_tensorflow_trains_on(self):
        for name, run in self.runs.items():
            feeds, loss, train, want = tensorflow_losses(run.checkpoint, 20, 32)
            self.assertTrue(np.isfinite(want).all() and want[-1] < want[0], name)
            got = our_losses(run.checkpoint, feeds, loss, train, 20, self.path("continued", name))
            np.testing.assert_allclose(got.reshape(-1), want.reshape(-1), rtol=1e-4, atol=1e-4, err_msg=name)

    def test_composites_are_marked(self):
        meta = tf.compat.v1.MetaGraphDef()
        with open(self.runs["normalized"].checkpoint + ".meta", "rb") as f:
            meta.ParseFromString(f.read())
        marks = {f.attr["_implements"].s for f in meta.graph_def.library.function if "_implements" in f.attr}
        self.assertGreaterEqual(len([m for m in marks if m.startswith(b"turnery.")]), 2, marks)  # and its gradient
        names = {f.signature.name for f in meta.graph_def.library.function}
        self.assertTrue(any(n.op in names or n.op.endswith("PartitionedCall") for n in meta.graph_def.node))

    def test_tensorboard_reads_what_graphs_write(self):
        raw, folder = tf.raw_ops, self.path("written")
        with tf.Graph().as_default() as g:
            w = raw.SummaryWriter(shared_name="w")
            last = raw.CreateSummaryFileWriter(writer=w, logdir=folder, max_queue=10, flush_millis=60000, filename_suffix=".v2")
            text = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "text"}).SerializeToString()
            for write in (lambda: raw.WriteScalarSummary(writer=w, step=1, tag="a", value=2.5),
                          lambda: raw.WriteHistogramSummary(writer=w, step=2, tag="h", values=[1., 2., 2.]),
                          lambda: raw.WriteImageSummary(writer=w, step=3, tag="i", tensor=tf.ones([2, 3, 4, 1]), bad_color=tf.constant([0], tf.uint8)),
                          lambda: raw.WriteAudioSummary(writer=w, step=4, tag="s", tensor=tf.zeros([1, 8, 1]), sample_rate=100.),
                          lambda: raw.WriteSummary(writer=w, step=5, tensor=["x", "yz"], tag="t", summary_metadata=text),
                          lambda: raw.WriteGraphSummary(writer=w, step=6, tensor=tf.Graph().as_graph_def().SerializeToString()),
                          lambda: raw.FlushSummaryWriter(writer=w)):
                with tf.control_dependencies([last]):
                    last = write()
            with tf.control_dependencies([last]):
                tf.constant(1., name="done")
            tf.io.write_graph(g, self.work, "writes.pb", as_text=False)
        turnery("run", "--graph", self.path("writes.pb"), "--fetch", "done:0")
        events = event_accumulator.EventAccumulator(folder)
        events.Reload()
        self.assertEqual([(e.step, e.value) for e in events.Scalars("a")], [(1, 2.5)])
        self.assertEqual(events.Histograms("h")[0].histogram_value.num, 3)
        self.assertEqual([e.width for e in events.Images("i/image/0")] + [e.width for e in events.Images("i/image/1")], [4, 4])
        self.assertEqual(events.Audio("s/audio/0")[0].length_frames, 8)
        self.assertEqual(list(tf.make_ndarray(events.Tensors("t")[0].tensor_proto)), [b"x", b"yz"])
        self.assertTrue(events.Tags()["graph"])

    def test_tensorboard_lists(self):
        found = {k: set() for k in ("scalars", "histograms", "images", "tensors")}
        for run in self.runs.values():
            graphs = 0
            for folder, _, files in os.walk(run.logs):
                if not any("tfevents" in f for f in files):
                    continue
                events = event_accumulator.EventAccumulator(folder, size_guidance={k: 0 for k in found})
                events.Reload()
                tags = events.Tags()
                for kind in found:
                    found[kind] |= set(tags[kind])
                graphs += bool(tags["graph"])
                if tags["graph"]:
                    self.assertGreater(len(events.Graph().node), 10)
                for tag in tags["images"]:
                    for image in events.Images(tag):
                        self.assertGreater(image.width * image.height, 0)
                        tf.io.decode_png(image.encoded_image_string)
            self.assertEqual(graphs, 1)
        # TensorBoard keeps the values of its second kind of summaries as tensors, whatever their plugin.
        everything = set().union(*found.values())
        for wanted in ("loss", "images", "logits", "settings/run"):
            self.assertTrue(any(wanted in tag for tag in everything), "no %s among %s" % (wanted, sorted(everything)))
