# SPDX-License-Identifier: Apache-2.0
"""TensorFlow modes: function (tf.function, one call per step), function_loop
(tf.function, one call per block), xla (jit_compile=True), fit (Keras, default
jit), fit_nojit, session (compat.v1 graph, feed_dict)."""
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import common as C

a = C.args()
_t = time.perf_counter()
import tensorflow as tf
import keras
IMPORT_S = time.perf_counter() - _t
import numpy as np

tf.config.threading.set_intra_op_parallelism_threads(a.threads)
tf.config.threading.set_inter_op_parallelism_threads(a.threads)
v1 = tf.compat.v1
L = keras.layers


def peer():
    return "tensorflow+onednn" if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "1" else "tensorflow"


class V:
    """Small layer helpers of raw operations for the compat.v1 graph."""

    def __init__(self, training=True):
        self.n = 0
        self.training = training

    def var(self, shape, init=None):
        self.n += 1
        return v1.get_variable("v%d" % self.n, shape, tf.float32,
                               initializer=init or v1.glorot_uniform_initializer())

    def zeros(self, shape):
        return self.var(shape, v1.zeros_initializer())

    def dense(self, x, i, o, act=None):
        y = tf.matmul(x, self.var([i, o])) + self.zeros([o])
        return act(y) if act else y

    def conv2d(self, x, k, i, o, pad="SAME", bias=True):
        y = tf.nn.conv2d(x, self.var([k, k, i, o]), 1, pad)
        return tf.nn.bias_add(y, self.zeros([o])) if bias else y

    def conv1d(self, x, k, i, o, s=1, pad="SAME"):
        return tf.nn.bias_add(tf.nn.conv1d(x, self.var([k, i, o]), s, pad), self.zeros([o]))

    def conv1dt(self, x, k, i, o, length):
        y = tf.nn.conv1d_transpose(x, self.var([k, o, i]), tf.stack([tf.shape(x)[0], length, o]), 2, "SAME")
        return tf.nn.bias_add(tf.ensure_shape(y, [None, length, o]), self.zeros([o]))

    def conv2dt(self, x, i, o, size):
        y = tf.nn.conv2d_transpose(x, self.var([2, 2, o, i]), tf.stack([tf.shape(x)[0], size, size, o]), 2, "SAME")
        return tf.nn.bias_add(tf.ensure_shape(y, [None, size, size, o]), self.zeros([o]))

    def bn(self, x, c):
        g, b = self.var([c], v1.ones_initializer()), self.zeros([c])
        self.n += 2
        m = v1.get_variable("m%d" % self.n, [c], initializer=v1.zeros_initializer(), trainable=False)
        v = v1.get_variable("s%d" % self.n, [c], initializer=v1.ones_initializer(), trainable=False)
        if not self.training:
            y, _, _ = v1.nn.fused_batch_norm(x, g, b, mean=m, variance=v, epsilon=1e-3, is_training=False)
            return y
        y, bm, bv = v1.nn.fused_batch_norm(x, g, b, epsilon=1e-3, is_training=True)
        for t, q in ((m, bm), (v, bv)):
            v1.add_to_collection("update", v1.assign_sub(t, 0.01 * (t - q)))
        return y


def main(w, keras_model, loss_fn, v1_model):
    data = C.data(w)
    if a.infer:
        return infer(w, keras_model, v1_model, data)
    want = a.modes.split(",") if a.modes else ["function", "xla", "fit", "session"]
    n = len(data)
    modes = {}

    def opt():
        return keras.optimizers.Adam(C.LR) if a.opt == "adam" else keras.optimizers.SGD(0.01, momentum=0.9)

    def call(m, ins):
        return m(list(ins) if len(ins) > 1 else ins[0], training=True)

    for mode in want:
        if mode in ("function", "xla", "function_loop"):
            def make(mode=mode):
                keras.utils.set_random_seed(1)
                m = keras_model(a.keep)
                o = opt()
                o.build(m.trainable_variables)

                def step(ins, y):
                    with tf.GradientTape() as tape:
                        loss = loss_fn(y, call(m, ins))
                    o.apply_gradients(zip(tape.gradient(loss, m.trainable_variables), m.trainable_variables))
                    return loss

                if mode == "function_loop":
                    xs = [tf.constant(np.stack([d[0][j] for d in data])) for j in range(len(data[0][0]))]
                    ys = tf.constant(np.stack([d[1] for d in data]))

                    @tf.function
                    def loop(k):
                        loss = tf.constant(0.0)
                        for i in tf.range(k):
                            loss = step(tuple(x[i] for x in xs), ys[i])
                        return loss
                    return (lambda: loop(tf.constant(1)).numpy()), (lambda: loop(tf.constant(n)).numpy())
                ts = [(tuple(tf.constant(x) for x in d[0]), tf.constant(d[1])) for d in data]
                f = tf.function(step, jit_compile=True if mode == "xla" else None)

                def block():
                    for ins, y in ts:
                        loss = f(ins, y)
                    return loss.numpy()
                return (lambda: f(*ts[0]).numpy()), block
        elif mode.startswith("fit"):
            def make(mode=mode):
                keras.utils.set_random_seed(1)
                m = keras_model(a.keep)
                kw = {"jit_compile": False} if "nojit" in mode else {}
                if "spe" in mode:
                    kw["steps_per_execution"] = 50
                m.compile(optimizer=opt(), loss=loss_fn, **kw)
                xs = [np.concatenate([d[0][j] for d in data]) for j in range(len(data[0][0]))]
                y = np.concatenate([d[1] for d in data])
                b = C.BATCH[w]

                def fit(k):
                    x = [x[:k * b] for x in xs]
                    h = m.fit(x if len(x) > 1 else x[0], y[:k * b], batch_size=b, epochs=1, verbose=0)
                    return h.history["loss"][-1]
                return (lambda: fit(1)), (lambda: fit(n))
        elif mode == "session":
            def make(mode=mode):
                g = tf.Graph()
                with g.as_default():
                    v1.set_random_seed(1)
                    v1.disable_control_flow_v2()
                    ph = [v1.placeholder(x.dtype, (None,) + x.shape[1:]) for x in data[0][0]]
                    py = v1.placeholder(data[0][1].dtype, (None,) + data[0][1].shape[1:])
                    loss = loss_fn(py, v1_model(V(True), ph, a.keep))
                    o = v1.train.AdamOptimizer(C.LR) if a.opt == "adam" else v1.train.MomentumOptimizer(0.01, 0.9)
                    with tf.control_dependencies(v1.get_collection("update")):
                        train = o.minimize(loss)
                    init = v1.global_variables_initializer()
                    s = v1.Session(config=v1.ConfigProto(intra_op_parallelism_threads=a.threads,
                                                         inter_op_parallelism_threads=a.threads))
                    s.run(init)
                    v1.enable_control_flow_v2()
                feeds = [dict(list(zip(ph, d[0])) + [(py, d[1])]) for d in data]

                def block():
                    for f in feeds:
                        _, l = s.run([train, loss], f)
                    return l
                return (lambda: s.run([train, loss], feeds[0])), block
        holder = {}

        def first(make=make, holder=holder):
            fs, holder["block"] = make()
            fs()
        modes[mode] = (first, lambda holder=holder: holder["block"]())
    C.run_blocks(w, peer(), modes, a, IMPORT_S)


def infer(w, keras_model, v1_model, data):
    import tempfile
    keras.utils.set_random_seed(1)
    m = keras_model(1.0)
    d = os.path.join(a.export or tempfile.mkdtemp(), w)
    specs = [tf.TensorSpec((None,) + x.shape[1:], x.dtype, name="x%d" % i) for i, x in enumerate(data[0][0])]
    ea = keras.export.ExportArchive()
    ea.track(m)
    ea.add_endpoint("serve", lambda *x: {"y": m(list(x) if len(x) > 1 else x[0], training=False)}, input_signature=specs)
    ea.write_out(d, verbose=False)
    loaded = tf.saved_model.load(d)
    f = loaded.signatures["serving_default"]
    with tf.Graph().as_default():
        v1.disable_control_flow_v2()
        ph = [v1.placeholder(x.dtype, (None,) + x.shape[1:]) for x in data[0][0]]
        out = v1_model(V(False), ph, 1.0)
        s = v1.Session(config=v1.ConfigProto(intra_op_parallelism_threads=a.threads,
                                             inter_op_parallelism_threads=a.threads))
        s.run(v1.global_variables_initializer())
        v1.enable_control_flow_v2()
    xf = tf.function(lambda *x: m(list(x) if len(x) > 1 else x[0], training=False), jit_compile=True)
    for batch in (1, 32):
        ins = C.infer_inputs(w, batch)
        kw = {"x%d" % i: tf.constant(x) for i, x in enumerate(ins)}
        C.latency(w, peer(), "savedmodel", batch, a.threads, lambda: f(**kw)["y"].numpy())
        fd = dict(zip(ph, ins))
        C.latency(w, peer(), "session", batch, a.threads, lambda: s.run(out, fd))
        try:
            ts = [tf.constant(x) for x in ins]
            C.latency(w, peer(), "xla", batch, a.threads, lambda: xf(*ts).numpy())
        except Exception as e:
            C.emit(workload=C.TITLE[w], w=w, peer=peer(), mode="xla", infer_batch=batch, error=str(e)[:200])
