# SPDX-License-Identifier: Apache-2.0
"""Models that chance composes, saved by TensorFlow in each of its formats: the command gives TensorFlow's answers, and trains
them on as TensorFlow does.

usage: composed.py [-v] [-k] [-s] [--seconds N] [--seed N] [--count N] [KIND ...]
    KIND: keras, trained, graph (all); seeds are N, N + 1, ... (a first one that chance gives, and that is printed), each makes one
    model; -v: each one, with what it is made of; -k: keep the files of those that fail; -s: models that take seconds fail, too"""
import contextlib
import os
import resource
import shutil
import sys
import tempfile
import time

import numpy as np
import tensorflow as tf

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "zoo"), os.path.join(HERE, "..")]
import zoo  # noqa: E402
from outputs import load, safe  # noqa: E402

SLOW = 2.0
NUDGES = 4  # so often TensorFlow is asked whether it is steady
KINDS = {}


def kind(f):
    KINDS[f.__name__.rstrip("_")] = f
    return f


class Untellable(Exception):
    """TensorFlow has no answer that could be compared."""


def close(what, got, want, tol, scale=None):
    """As zoo.same, but beside the largest number of the tensor: small ones are what is left of sums."""
    want = np.asarray(want.numpy() if hasattr(want, "numpy") else want)
    if zoo.is_text(want) or want.dtype.kind not in "fcV":
        return zoo.same(what, got, want, (0, 0))
    if want.dtype.name == "bfloat16":
        if got.dtype == np.uint16:
            got = (got.astype(np.uint32) << 16).view(np.float32)
        want = want.astype(np.float32)
    if isinstance(got, list) or (got.dtype, got.shape) != (want.dtype, want.shape):
        raise zoo.Differs("%s: %s%s, expected %s%s" % (what, getattr(got, "dtype", "?"), getattr(got, "shape", "?"), want.dtype, want.shape))
    finite = np.abs(want[np.isfinite(want)].astype(np.float64))
    top = max(float(finite.max()) if finite.size else 0, scale or 0)
    ok = np.isclose(got, want, rtol=tol, atol=tol * max(top, 1e-3), equal_nan=True)
    if not ok.all():
        with np.errstate(all="ignore"):
            d = np.abs(got.astype(np.float64) - want.astype(np.float64))
        raise zoo.Differs("%s: %d of %d differ, by up to %g (largest value %g)%s" % (what, (~ok).sum(), want.size, np.nanmax(d) if d.size else 0, top, ": %s, expected %s" % (got.tolist(), want.tolist()) if want.size < 9 else ""))


def tolerance(drawn):
    half = any("float16" in s for s in drawn.log) or "float16" in drawn.policy or any("half" in s for s in drawn.log)
    return 6e-2 if half else 1e-3


def state(model):
    """Of random layers too, which Keras does not show to TensorFlow."""
    found = []
    for layer in model._flatten_layers():
        found += [v.value for v in layer.variables] + [g.state.value for g in getattr(layer, "_seed_generators", [])]
        found += [layer.keep] if getattr(layer, "keep", None) is not None else []
    return found


def worked():
    r = resource.getrusage(resource.RUSAGE_CHILDREN)
    return r.ru_utime + r.ru_stime


def nudged(values, rng):
    """Arrays that differ from the given ones by rounding."""
    return [v * (1 + 1e-6 * rng.standard_normal(v.shape)).astype(v.dtype) if v.dtype.kind == "f" else v for v in map(np.asarray, values)]


@contextlib.contextmanager
def steady(again, tol):
    """What differs is no defect where TensorFlow's own answers are others for weights and inputs that differ by rounding: signs of
    what should be zero, ties, what explodes. again() gives (before, nudged) answers, others each time."""
    try:
        yield
    except zoo.Differs as e:
        for _ in range(NUDGES):
            for name, a, b in again():
                try:
                    close(name, np.asarray(b), a, tol)
                except zoo.Differs:
                    raise Untellable("not steady: " + str(e)) from e
        raise


def in_time(seconds):
    """By hand only (-s): how long it takes depends on what else the machine does."""
    if "-s" in sys.argv and seconds > SLOW:
        raise zoo.Differs("slow: %.1f s" % seconds)


def ask(cage, folder, signature, inputs, want, tol, more=()):
    start = worked()
    out = cage.run(folder, "--signature", signature, *cage.feeds("input", inputs), *more)
    took = worked() - start
    for k, v in want.items():
        close(k, cage.load(os.path.join(out, safe(k))), v, tol)
        cage.compared += 1
    return took


def batches(rng):
    return [1, 3] if rng.random() < 0.5 else [int(rng.integers(1, 8))]


@kind
def keras_(cage, rng, say):
    """A model's answers, for several sizes of batch and of what is unknown."""
    from drawn_layers import Drawn
    drawn = Drawn(rng)
    say("%s %s -> %s" % (drawn.policy, [list(x.shape) for x in drawn.inputs], "; ".join(drawn.log)))
    folder = cage.path("model")
    how = int(rng.integers(3))
    names = [x.name for x in drawn.inputs]
    if how == 0:
        drawn.model.export(folder, verbose=False)
    else:
        m = tf.Module()
        m.model, m.all = drawn.model, state(drawn.model)
        specs = [tf.TensorSpec(x.shape, x.dtype, x.name) for x in drawn.inputs]
        m.f = tf.function(lambda *a: {"y%d" % i: y for i, y in enumerate(tf.nest.flatten(drawn.model(list(a), training=how == 2 and not noisy(drawn))))}, input_signature=specs)
        tf.saved_model.save(m, folder, signatures=m.f)
    f = tf.saved_model.load(folder).signatures["serving_default"]
    for b in batches(rng):
        fed = {n: tf.constant(v) for n, v in zip(names, drawn.draw(b))}
        try:
            want = f(**fed)
        except tf.errors.OpError as e:
            refused(cage, folder, "serving_default", fed, e)
            continue
        tol = tolerance(drawn)
        with steady(lambda: again(folder, fed, rng, want), tol):
            took = ask(cage, folder, "serving_default", fed, want, tol)
        in_time(took)
        if how == 2:
            break  # it has changed its variables


def again(folder, fed, rng, want, signature="serving_default", steps=1):
    """The same signature with nudged weights and inputs."""
    m = tf.saved_model.load(folder)
    f = m.signatures[signature]
    for v in f.variables:
        v.assign(nudged([v.numpy()], rng)[0])
    fed = {k: tf.constant(n) if k in fed else n for k, n in zip(fed, nudged([v.numpy() for v in fed.values()], rng))}
    rows = [f(**fed) for _ in range(steps)]
    return [(k, v, rows[0][k] if signature != "train" else np.array([r[k].numpy() for r in rows])) for k, v in want.items()]


def noisy(drawn):
    return any(w in s for s in drawn.log for w in ("dropout", "noise"))


def refused(cage, folder, signature, fed, error):
    """What TensorFlow refuses has to be refused, unless it only has no kernel for the processor."""
    try:
        cage.run(folder, "--signature", signature, *cage.feeds("input", fed))
    except zoo.Refused as e:
        if "is not there" in str(e):
            raise
        cage.compared += 1
        return
    if isinstance(error, tf.errors.UnimplementedError) or "No OpKernel was registered" in str(error):
        raise Untellable("TensorFlow has no kernel: " + str(error)[:300])
    raise zoo.Differs("not refused: " + str(error)[:300])


def optimizers():
    import keras
    o = keras.optimizers
    rate = o.schedules.ExponentialDecay(0.01, 2, 0.9, staircase=True)
    return {"sgd": lambda: o.SGD(0.01), "momentum": lambda: o.SGD(0.01, momentum=0.9), "nesterov": lambda: o.SGD(rate, momentum=0.9, nesterov=True, weight_decay=0.01), "adam": lambda: o.Adam(rate), "amsgrad": lambda: o.Adam(0.01, amsgrad=True, clipnorm=1.0),
            "adamw": lambda: o.AdamW(0.01), "adamax": lambda: o.Adamax(0.01), "nadam": lambda: o.Nadam(0.01, global_clipnorm=1.0), "adagrad": lambda: o.Adagrad(0.05), "adadelta": lambda: o.Adadelta(0.5), "rmsprop": lambda: o.RMSprop(0.01, momentum=0.5, centered=True),
            "rmsprop_plain": lambda: o.RMSprop(0.01, clipvalue=0.5), "ftrl": lambda: o.Ftrl(0.05, l1_regularization_strength=0.01), "adafactor": lambda: o.Adafactor(0.01), "lamb": lambda: o.Lamb(0.01),
            "ema": lambda: o.Adam(0.01, use_ema=True, ema_momentum=0.9), "accumulated": lambda: o.SGD(0.01, gradient_accumulation_steps=2), "cosine": lambda: o.Adam(o.schedules.CosineDecay(0.01, 5, warmup_target=0.02, warmup_steps=2)),
            "piecewise": lambda: o.SGD(o.schedules.PiecewiseConstantDecay([1, 3], [0.02, 0.01, 0.005]))}


@kind
def trained(cage, rng, say):
    """A model with a signature that trains: the losses of some steps, and then all variables."""
    from drawn_layers import Drawn, pick
    drawn = Drawn(rng, training=True)
    table = optimizers()
    name = pick(rng, sorted(table))
    say("%s %s %s -> %s" % (name, drawn.policy, [list(x.shape) for x in drawn.inputs], "; ".join(drawn.log)))
    m = tf.Module()
    m.model, m.optimizer, m.all = drawn.model, table[name](), state(drawn.model)
    weights = drawn.model.trainable_variables
    if not weights:
        raise Untellable("nothing to train")
    m.optimizer.build(weights)
    specs = [tf.TensorSpec(x.shape, x.dtype, x.name) for x in drawn.inputs]

    @tf.function(input_signature=specs)
    def train(*a):
        with tf.GradientTape() as tape:
            ys = [y for y in tf.nest.flatten(drawn.model(list(a), training=True)) if y.dtype.is_floating]
            loss = tf.add_n([tf.reduce_mean(tf.square(tf.cast(y, tf.float32) - 0.3)) for y in ys]) + tf.add_n([tf.cast(v, tf.float32) for v in drawn.model.losses] or [tf.constant(0.0)])
        grads = tape.gradient(loss, [w.value for w in weights])
        pairs = [(tf.convert_to_tensor(g), w) for g, w in zip(grads, weights) if g is not None]
        m.optimizer.apply([g for g, _ in pairs] if len(pairs) == len(weights) else [tf.zeros(w.shape, w.dtype) if g is None else tf.convert_to_tensor(g) for g, w in zip(grads, weights)], weights)
        return {"loss": loss}
    m.train = train
    folder = cage.path("model")
    tf.saved_model.save(m, folder, signatures={"train": train})
    fed = dict(zip([x.name for x in drawn.inputs], drawn.draw(int(rng.integers(2, 6)))))
    steps = int(rng.integers(2, 6))
    fed = {k: tf.constant(v) for k, v in fed.items()}
    m = tf.saved_model.load(folder) # where Keras has two variables for one, only one of them is trained
    before = values(tf.train.Checkpoint(m).save(cage.path("first")))
    try:
        want = np.array([m.signatures["train"](**fed)["loss"].numpy() for _ in range(steps)])
    except tf.errors.OpError as e:
        return refused(cage, folder, "train", fed, e)
    after = values(tf.train.Checkpoint(m).save(cage.path("after")))
    if not np.isfinite(want).all() or np.abs(want).max() > 1e6:
        raise Untellable("loss %s" % want)
    tol = tolerance(drawn) * 3
    prefix = cage.path("ours")
    with steady(lambda: again(folder, fed, rng, {"loss": want}, "train", steps), tol):
        took = ask(cage, folder, "train", fed, {"loss": want}, tol, ["--steps", str(steps), "--save", prefix])
    try:
        same_variables(before, after, values(prefix), tol)
    except zoo.Differs as e:
        for _ in range(NUDGES):
            try:
                same_variables(before, after, nudged_variables(cage, folder, fed, rng, steps), tol)
            except zoo.Differs:
                raise Untellable("not steady: " + str(e)) from e
        raise
    in_time(took)


def same_variables(before, after, got, tol):
    for key, value in after.items():
        if key not in got:
            raise zoo.Differs("not saved: " + key)
        if value.dtype.kind not in "fV":
            zoo.same(key, got[key], value, (0, 0))
            continue
        if tol > 0.1 or not value.size: # after steps of half precision slots are far apart
            continue
        was, want, is_ = (v[key].astype(np.float64) for v in (before, after, got))
        moved, apart = np.abs(want - was).max(), np.abs(want - is_)
        # Adam and its like make a full step of a gradient that is nothing but rounding: some of the numbers may.
        if (apart > 0.03 * moved + tol * 1e-2 + tol * np.abs(want)).mean() > 0.25 and apart.max() > 0.2 * moved + tol:
            raise zoo.Differs("variable %s: apart by %g, moved %g" % (key, apart.max(), moved))


def nudged_variables(cage, folder, fed, rng, steps):
    m = tf.saved_model.load(folder)
    f = m.signatures["train"]
    for v in f.variables:
        v.assign(nudged([v.numpy()], rng)[0])
    fed = dict(zip(fed, map(tf.constant, nudged([v.numpy() for v in fed.values()], rng))))
    for _ in range(steps):
        f(**fed)
    return values(tf.train.Checkpoint(m).save(cage.path("nudged")))


def values(prefix):
    c = tf.train.load_checkpoint(prefix)
    return {k: c.get_tensor(k) for k in c.get_variable_to_shape_map() if k.endswith("VARIABLE_VALUE") and "save_counter" not in k}


def one(name, seed, folder, say):
    import keras
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed % 2**31)
    cage = zoo.Cage(folder)
    KINDS[name](cage, np.random.default_rng([seed, sorted(KINDS).index(name)]), say)
    return cage.compared


def main():
    argv = sys.argv[1:]

    def option(flag, default):
        return int(argv.pop(argv.index(flag) + 1)) if flag in argv else default
    sys.modules["composed"] = sys.modules[__name__]
    import drawn_graphs  # noqa: F401
    end = time.time() + option("--seconds", 10**6)
    first, count = option("--seed", int.from_bytes(os.urandom(3), "little")), option("--count", 10**6)
    verbose, keep = "-v" in argv, "-k" in argv
    names = [a for a in argv if not a.startswith("-")] or list(KINDS)
    tf.get_logger().setLevel("ERROR")
    print("seed %d" % first, flush=True)
    counts = {}
    for seed in range(first, first + count):
        if time.time() > end:
            break
        name = names[seed % len(names)]
        folder = tempfile.mkdtemp(prefix="composed-")
        start, text, made = time.time(), "", []
        try:
            n = one(name, seed, folder, made.append)
            result = "equal" if n else "empty"
        except KeyboardInterrupt:
            raise
        except Untellable as e:
            result, text = "empty", str(e)
        except Exception as e:
            result, text = zoo.reason(e)
            if result == "broken" and verbose:
                import traceback
                print("    " + "\n    ".join(traceback.format_exc(limit=-3, chain=False)[:1500].split("\n")))
        counts[result] = counts.get(result, 0) + 1
        if result in ("lacks", "error", "differs") or verbose:
            print("%-8s %s %d %.1fs %s %s" % (result, name, seed, time.time() - start, text, folder if keep and result != "equal" else ""), flush=True)
            if made:
                print("         " + made[0][:3000], flush=True)
        if not keep or result in ("equal", "empty"):
            shutil.rmtree(folder, ignore_errors=True)
    print("composed %d: %s" % (sum(counts.values()), ", ".join("%d %s" % (n, k) for k, n in sorted(counts.items()))))


if __name__ == "__main__":
    main()
