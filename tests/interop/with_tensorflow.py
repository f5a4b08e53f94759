# SPDX-License-Identifier: Apache-2.0
"""What the tests of this folder share: the command, its runs, TensorFlow imported once."""
import glob
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import numpy as np
import tensorflow as tf

from outputs import load, safe

v1 = tf.compat.v1
ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
TURNERY = os.environ.get("TURNERY", os.path.join(ROOT, "build", "turnery"))
v1.disable_resource_variables()


def turnery(*argv):
    """Runs the command; what it printed on stdout."""
    p = subprocess.run([TURNERY, *argv], capture_output=True, cwd=ROOT, timeout=300)
    if p.returncode != 0:
        raise AssertionError("turnery %s: status %d: %s" % (" ".join(argv), p.returncode, p.stderr.decode(errors="replace")[-800:]))
    return p.stdout.decode()


def tensors(checkpoint, folder):
    """Every tensor of a checkpoint as the command reads it, by name."""
    os.makedirs(folder, exist_ok=True)
    turnery("show", checkpoint, "--tensors", folder)
    return {k: load(os.path.join(folder, safe(k))) for k in tf.train.load_checkpoint(checkpoint).get_variable_to_shape_map()}


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = tempfile.mkdtemp(prefix="turnery-interop-")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.work, ignore_errors=True)

    @classmethod
    def path(cls, *names):
        return os.path.join(cls.work, *names)

    def bits(self, got, want, what):
        """The same dtype, shape and bytes."""
        if isinstance(got, list):
            self.assertEqual(got, np.asarray(want).tolist(), what)
            return
        want = np.asarray(want)
        if want.dtype.name == "bfloat16":
            want = want.view(np.uint16)
        self.assertEqual((got.dtype, got.shape), (want.dtype, want.shape), what)
        self.assertEqual(got.tobytes(), np.ascontiguousarray(want).tobytes(), what)


class Run:
    """A finished run of an experiment."""

    def __init__(self, logdir, experiment, *flags):
        turnery("train", experiment, "--logdir", logdir, *flags)
        name = os.path.splitext(os.path.basename(experiment))[0]
        self.path = max(glob.glob(os.path.join(logdir, name + "_settings_*")))
        self.checkpoint = tf.train.latest_checkpoint(os.path.join(self.path, "checkpoints"))
        exports = os.path.join(self.path, "exports")
        self.export = os.path.join(exports, max(os.listdir(exports), key=int))
        self.logs = os.path.join(self.path, "logs")


def feeds_of(graph, batch, seed=3):
    """Values for the placeholders that training reads: name -> array."""
    r = np.random.default_rng(seed)
    feeds = {}
    for op in graph.get_operations():
        if op.type != "Placeholder":
            continue
        t = op.outputs[0]
        shape = [batch if d is None else d for d in t.shape.as_list()]
        if t.dtype.is_floating:
            feeds[t.name] = r.uniform(-1, 1, shape).astype(t.dtype.as_numpy_dtype)
        else:
            high = 10 if len(shape) == 1 else 256
            feeds[t.name] = r.integers(0, high, shape).astype(t.dtype.as_numpy_dtype)
    return feeds


def tensorflow_losses(checkpoint, steps, batch):
    """Imports checkpoint.meta, restores, trains: (feeds, loss's name, train op's name, steps + 1 losses)."""
    with tf.Graph().as_default() as g, v1.Session() as s:
        saver = v1.train.import_meta_graph(checkpoint + ".meta")
        saver.restore(s, checkpoint)
        loss = v1.get_collection("losses")[0]
        loss = g.get_tensor_by_name(loss) if isinstance(loss, str) else loss
        train = v1.get_collection("train_op")[0]
        feeds = feeds_of(g, batch)
        losses = [s.run(loss, feeds)]
        for _ in range(steps):
            s.run(train, feeds)
            losses.append(s.run(loss, feeds))
        return feeds, loss.name, train.name, np.array(losses)


def our_losses(checkpoint, feeds, loss, train, steps, folder):
    os.makedirs(folder, exist_ok=True)
    argv = ["run", "--meta_graph", checkpoint + ".meta", "--checkpoint", checkpoint]
    for name, value in feeds.items():
        file = os.path.join(folder, "feed_" + safe(name) + ".npy")
        np.save(file, value)
        argv += ["--feed", "%s=%s" % (name, file)]
    turnery(*argv, "--target", train, "--steps", str(steps), "--fetch", loss, "--outputs", folder)
    return load(os.path.join(folder, safe(loss)))
