# SPDX-License-Identifier: Apache-2.0
"""A zoo of models: each entry builds one with TensorFlow or Keras, saves it in one of TensorFlow's formats and hands out inputs
with TensorFlow's own answers; the command has to give the same.

usage: zoo.py [-v] [-k] [--seconds N] [PATTERN ...]
    entries whose names contain a pattern, in an order that chance gives (the same one each time where CI is set); none is begun
    after N seconds; -v: each one; -k: keep the files

What fails is sorted by why: `lacks` (operators that we do not have, counted), `error` (refused), `differs`, `broken`
(TensorFlow itself cannot build the entry: the entry's fault)."""
import base64
import collections
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
import tensorflow as tf

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from outputs import load, safe  # noqa: E402

v1 = tf.compat.v1
ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
TURNERY = os.environ.get("TURNERY", os.path.join(ROOT, "build", "turnery"))
ENTRIES = {}


def entry(f):
    """Decorates a function of the zoo: f(z), z a Cage."""
    assert f.__name__ not in ENTRIES, f.__name__
    ENTRIES[f.__name__] = f
    return f


def texts(x):
    if isinstance(x, (list, tuple)):
        return [texts(v) for v in x]
    if isinstance(x, str):
        return x
    try:
        return x.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(x).decode()}


def as_bytes(x):
    if isinstance(x, list):
        return [as_bytes(v) for v in x]
    return x.encode() if isinstance(x, str) else x


def is_text(x):
    return np.asarray(x).dtype.kind in "OSU"


class Differs(Exception):
    pass


class Refused(Exception):
    pass


def same(what, got, want, tol):
    want = np.asarray(want)
    if is_text(want):
        want = as_bytes(want.tolist())
        if got != want:
            raise Differs("%s: %r, expected %r" % (what, str(got)[:100], str(want)[:100]))
        return
    if want.dtype.name == "bfloat16":
        want = want.view(np.uint16)
    if isinstance(got, list) or (got.dtype, got.shape) != (want.dtype, want.shape):
        raise Differs("%s: %s%s, expected %s%s" % (what, getattr(got, "dtype", "?"), getattr(got, "shape", "?"), want.dtype, want.shape))
    if want.dtype.kind in "fc":
        ok = np.allclose(got, want, rtol=tol[0], atol=tol[1], equal_nan=True)
    else:
        ok = np.array_equal(got, want)
    if not ok:
        d = np.abs(got.astype(np.complex128) - want.astype(np.complex128))
        raise Differs("%s: %d of %d differ, by up to %g (largest value %g)" % (
            what, (~np.isclose(got, want, rtol=tol[0], atol=tol[1], equal_nan=True)).sum(), want.size, np.nanmax(d), np.nanmax(np.abs(want))))


def typed(feeds):
    """Values by name, of their placeholders' dtypes."""
    return {t.name: np.asarray(v, object if t.dtype == tf.string else t.dtype.as_numpy_dtype) for t, v in feeds.items()}


class Cage:
    """Where one entry keeps its files; saves its models and compares."""

    def __init__(self, folder):
        self.folder = folder
        self.tol = (1e-4, 1e-5)
        self.rng = np.random.default_rng(7)
        self.compared = 0
        self.n = 0

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def f32(self, *shape):
        return self.rng.standard_normal(shape).astype(np.float32)

    def ints(self, high, *shape, dtype=np.int32):
        return self.rng.integers(0, high, shape).astype(dtype)

    def write(self, name, value):
        value = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
        if is_text(value):
            file = self.path(name + ".json")
            with open(file, "w") as f:
                json.dump(texts(value.tolist()), f)
        else:
            file = self.path(name + ".npy")
            np.save(file, value)
        return file

    def load(self, path):
        try:
            return load(path)
        except FileNotFoundError:
            raise Differs("no output " + os.path.basename(path))

    def run(self, *argv):
        self.n += 1
        out = self.path("out%d" % self.n)
        os.makedirs(out)
        p = subprocess.run([TURNERY, "run", *argv, "--outputs", out], capture_output=True, timeout=300)
        if p.returncode:
            raise Refused(p.stderr.decode(errors="replace").strip()[-3000:] or "status %d" % p.returncode)
        return out

    def feeds(self, flag, values):
        argv = []
        for i, (k, v) in enumerate(values.items()):
            argv += ["--" + flag, "%s=%s" % (k, self.write("in%d_%d" % (self.n, i), v))]
        return argv

    # ==== what entries call ====
    def ask(self, folder, signature, inputs, want, tags="serve"):
        """Runs a SavedModel's signature and compares."""
        out = self.run(folder, "--tag_set", tags, "--signature", signature, *self.feeds("input", inputs))
        for k, v in want.items():
            same(k, self.load(os.path.join(out, safe(k))), v.numpy() if hasattr(v, "numpy") else v, self.tol)
            self.compared += 1

    def loaded(self, folder, inputs, signature="serving_default", want=None):
        """The signature as TensorFlow runs it after loading, then as we do."""
        inputs = inputs if isinstance(inputs, list) else [inputs]
        f = tf.saved_model.load(folder).signatures[signature]
        specs = f.structured_input_signature[1]
        for one in inputs:
            if not isinstance(one, dict): # of several, specs has no order
                (key,) = specs
                one = {key: one}
            want = f(**{k: tf.constant(v, specs[k].dtype) for k, v in one.items()})
            self.ask(folder, signature, {k: tf.constant(v, specs[k].dtype) for k, v in one.items()}, want)

    def keras(self, model, inputs):
        """Exports a Keras model; inputs: an array, a tuple of arrays or a dict."""
        folder = self.path("keras%d" % self.n)
        model.export(folder, verbose=False)
        names = [x.name for x in model.inputs]
        inputs = inputs if isinstance(inputs, list) else [inputs]
        self.loaded(folder, [dict(zip(names, one)) if isinstance(one, tuple) else one for one in inputs])

    def layer(self, layer, *inputs, **kwargs):
        """One layer on placeholders with unknown batch."""
        import keras
        xs = [keras.Input(x.shape[1:], dtype=x.dtype.name if x.dtype.kind not in "OSU" else "string") for x in inputs]
        y = layer(*xs, **kwargs)
        self.keras(keras.Model(xs if len(xs) > 1 else xs[0], y), tuple(inputs))

    def function(self, f, *inputs, specs=None, module=None, **options):
        """A function as the only signature of a module."""
        tensors = [tf.convert_to_tensor(x) for x in inputs]
        specs = specs or [tf.TensorSpec([None] * t.shape.rank, t.dtype, name="x%d" % i) for i, t in enumerate(tensors)]
        module = module or tf.Module()
        module.f = tf.function(f, input_signature=specs, **options)
        folder = self.path("function%d" % self.n)
        tf.saved_model.save(module, folder, signatures={"serving_default": module.f},
                            options=tf.saved_model.SaveOptions(experimental_custom_gradients=False))
        self.loaded(folder, {s.name: x for s, x in zip(specs, tensors)})

    def session(self, fetches, feeds=None, session=None, targets=()):
        """Values of the default graph without variables: as a bare GraphDef."""
        g = v1.get_default_graph()
        fetches = fetches if isinstance(fetches, (list, tuple)) else [fetches]
        feeds = feeds or {}
        with v1.Session() if session is None else session as s:
            want = s.run(list(fetches), feeds)
        self.graph_def(g.as_graph_def(), typed(feeds), [t.name for t in fetches], want)

    def graph_def(self, graph_def, feeds, names, want):
        file = self.path("graph%d.pb" % self.n)
        with open(file, "wb") as f:
            f.write(graph_def.SerializeToString())
        argv = ["--graph", file] + self.feeds("feed", feeds)
        for name in names:
            argv += ["--fetch", name]
        out = self.run(*argv)
        for name, w in zip(names, want):
            same(name, self.load(os.path.join(out, safe(name))), w, self.tol)
            self.compared += 1

    def frozen(self, f, *inputs):
        """A function frozen into a GraphDef of TensorFlow 1's kind (variables are constants)."""
        from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
        tensors = [tf.convert_to_tensor(x) for x in inputs]
        c = tf.function(f).get_concrete_function(*[tf.TensorSpec([None] + t.shape[1:], t.dtype) for t in tensors])
        for lower in (False, True):
            frozen = convert_variables_to_constants_v2(c, lower_control_flow=lower)
            want = frozen(*tensors)
            want = want if isinstance(want, (list, tuple)) else [want]
            self.graph_def(frozen.graph.as_graph_def(), {p.name: t for p, t in zip(frozen.inputs, tensors)},
                           [t.name for t in frozen.outputs], [w.numpy() for w in want])

    def train(self, loss, step, feeds=None, steps=5, extra=(), variables=True):
        """A training graph (the default graph): saved as MetaGraph and checkpoint, trained on here and there."""
        feeds = feeds or {}
        prefix = self.path("net%d" % self.n)
        fetches = [loss, *extra]
        saver = v1.train.Saver(v1.global_variables())
        with v1.Session() as s:
            s.run([v1.global_variables_initializer(), v1.local_variables_initializer(), v1.tables_initializer()])
            saver.save(s, prefix)
            want = [s.run(fetches, feeds)]
            for _ in range(steps):
                s.run(step, feeds)
                want.append(s.run(fetches, feeds))
            after = dict(zip([v.op.name for v in v1.global_variables()], s.run(v1.global_variables())))
        argv = ["--meta_graph", prefix + ".meta", "--checkpoint", prefix] + self.feeds("feed", typed(feeds))
        for t in fetches:
            argv += ["--fetch", t.name]
        out = self.run(*argv, "--target", step.name, "--steps", str(steps), "--save", self.path("after%d" % self.n))
        for i, t in enumerate(fetches):
            same(t.name, self.load(os.path.join(out, safe(t.name))), np.array([w[i] for w in want]), self.tol)
            self.compared += 1
        if variables:
            got = tf.train.load_checkpoint(self.path("after%d" % (self.n - 1)))
            for name, value in after.items():
                if got.has_tensor(name):
                    same("variable " + name, got.get_tensor(name), value, self.tol)

    def saved_model(self, session, inputs, outputs, cases, folder=None, tags=("serve",), method=None, **options):
        """tf.compat.v1's SavedModelBuilder with one signature; cases: dicts of inputs."""
        folder = folder or self.path("v1_%d" % self.n)
        build = v1.saved_model.builder.SavedModelBuilder(folder)
        info = v1.saved_model.utils.build_tensor_info
        signature = v1.saved_model.signature_def_utils.build_signature_def(
            {k: info(t) for k, t in inputs.items()}, {k: info(t) for k, t in outputs.items()},
            method or "tensorflow/serving/predict")
        build.add_meta_graph_and_variables(session, list(tags), {"serving_default": signature}, **options)
        build.save()
        for case in cases:
            want = session.run(outputs, {inputs[k]: v for k, v in case.items()})
            self.ask(folder, "serving_default", case, want, ",".join(tags))


def check(name, folder):
    """One entry: raises what is wrong; how many values were compared."""
    import keras
    keras.backend.clear_session()
    keras.utils.set_random_seed(3)
    cage = Cage(folder)
    with tf.Graph().as_default() if getattr(ENTRIES[name], "graph", False) else contextlib.nullcontext():
        if getattr(ENTRIES[name], "graph", False):
            v1.set_random_seed(3)
        ENTRIES[name](cage)
    if not cage.compared:
        raise AssertionError("nothing was compared")
    return cage.compared


def graph(f):
    """As entry, in a graph of TensorFlow 1's kind."""
    f.graph = True
    return entry(f)


def reason(e):
    if isinstance(e, Differs):
        return "differs", str(e)
    if isinstance(e, Refused):
        missing = sorted(set(re.findall(r"operator '(\w+)' is not there", str(e))))
        return ("lacks", " ".join(missing)) if missing else ("error", str(e))
    if isinstance(e, subprocess.TimeoutExpired):
        return "error", "no answer in time"
    return "broken", "%s: %s" % (type(e).__name__, (getattr(e, "message", None) or str(e)).strip()[:300])


def load_all():
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    sys.modules.setdefault("zoo", sys.modules[__name__])
    import importlib
    for f in sorted(os.listdir(os.path.dirname(os.path.abspath(__file__)))):
        if f.startswith("zoo_") and f.endswith(".py"):
            importlib.import_module(f[:-3])


def main():
    argv = sys.argv[1:]
    verbose, keep = "-v" in argv, "-k" in argv
    end = time.time() + float(argv.pop(argv.index("--seconds") + 1)) if "--seconds" in argv else None
    patterns = [a for a in argv if not a.startswith("-")]
    tf.get_logger().setLevel("ERROR")
    load_all()
    names = [n for n in ENTRIES if not patterns or any(p in n for p in patterns)]
    if end:
        np.random.default_rng(1 if "CI" in os.environ else None).shuffle(names)
    counts, lacks = collections.Counter(), collections.Counter()
    work = tempfile.mkdtemp(prefix="zoo-")
    for name in names:
        if end and time.time() > end:
            break
        folder = os.path.join(work, name)
        os.makedirs(folder)
        start = time.time()
        try:
            n = check(name, folder)
            kind, text = "equal", "%d values" % n
        except KeyboardInterrupt:
            raise
        except Exception as e:  # every kind is counted, with its text
            kind, text = reason(e)
            if kind == "broken" and verbose:
                import traceback
                print("    " + "\n    ".join(traceback.format_exc(limit=-3, chain=False)[:1500].split("\n")))
            if kind == "lacks":
                lacks.update(text.split())
        counts[kind] += 1
        if kind != "equal" or verbose:
            print("%-8s %-34s %5.1fs  %s" % (kind, name, time.time() - start, text), flush=True)
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    if keep:
        print("files    " + work)
    else:
        shutil.rmtree(work, ignore_errors=True)
    for op, n in lacks.most_common():
        print("absent   %-34s %d" % (op, n))
    print("models   %d of %d: %s" % (sum(counts.values()), len(ENTRIES), ", ".join("%d %s" % (n, k) for k, n in counts.most_common())))


if __name__ == "__main__":
    main()
