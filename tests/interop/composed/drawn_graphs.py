# SPDX-License-Identifier: Apache-2.0
"""Draws graphs of TensorFlow 1's kind: variable scopes, partitioned variables, control flow of frames or of functions, gradients
through all of it, every optimizer; trained on here and there."""
import numpy as np
import tensorflow as tf

import composed
import zoo
from drawn_functions import UNARY, pick

v1 = tf.compat.v1


class Net:
    def __init__(self, rng, resource):
        self.rng, self.resource = rng, resource
        self.n = 0
        self.log, self.updates, self.feeds = [], [], {}
        self.training = v1.placeholder_with_default(True, [], "training") if rng.random() < 0.5 else True

    def variable(self, shape, init=None, trainable=True, dtype=tf.float32):
        self.n += 1
        parts = None
        if self.rng.random() < 0.15 and len(shape) and shape[0] > 1:
            parts = pick(self.rng, [v1.fixed_size_partitioner(2), v1.variable_axis_size_partitioner(16), v1.min_max_variable_partitioner(2, min_slice_size=8)])
            self.log.append("parts")
        v = v1.get_variable("v%d" % self.n, shape, dtype, init or v1.glorot_uniform_initializer(seed=self.n) if len(shape) > 1 else init or v1.random_normal_initializer(stddev=0.3, seed=self.n), trainable=trainable, partitioner=parts,
                            use_resource=self.resource)
        return tf.convert_to_tensor(v) if parts else v

    def dense(self, x, n):
        w = self.variable([int(x.shape[-1]), n])
        y = tf.tensordot(x, w, 1) if x.shape.rank > 2 else tf.matmul(x, w)
        y.set_shape(x.shape[:-1].concatenate(n))
        return tf.nn.bias_add(y, self.variable([n], v1.zeros_initializer())) if self.rng.integers(2) else y

    # ==== what a step may be: from a value of rank 2, 3 or 4 to another ====
    def do_dense(self, x):
        return pick(self.rng, UNARY[:12])(self.dense(x, int(self.rng.integers(2, 7))))

    def do_unary(self, x):
        return pick(self.rng, UNARY)(x)

    def do_residual(self, x):
        return x + tf.tanh(self.dense(x, int(x.shape[-1])))

    def do_batch_norm(self, x):
        n = int(x.shape[-1])
        axes = list(range(x.shape.rank - 1))
        mean, var = self.variable([n], v1.zeros_initializer(), False), self.variable([n], v1.ones_initializer(), False)
        gamma, beta = self.variable([n], v1.ones_initializer()), self.variable([n], v1.zeros_initializer())
        fused = x.shape.rank == 4 and self.rng.integers(2)

        def of_batch():
            if fused:
                return v1.nn.fused_batch_norm(x, gamma, beta, epsilon=1e-3)
            m, v = tf.nn.moments(x, axes)
            return tf.nn.batch_normalization(x, m, v, beta, gamma, 1e-3), m, v

        def of_all():
            return tf.nn.batch_normalization(x, mean, var, beta, gamma, 1e-3), tf.identity(mean), tf.identity(var)
        y, m, v = of_batch() if self.training is True else v1.cond(self.training, of_batch, of_all)
        y.set_shape(x.shape)
        if "VariableV1" not in type(mean).__name__ and not hasattr(mean, "assign"):
            return y
        from tensorflow.python.training import moving_averages
        ups = [moving_averages.assign_moving_average(mean, m, 0.9, zero_debias=False), moving_averages.assign_moving_average(var, v, 0.9, zero_debias=False)]
        for u in ups:
            v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, u)
        return y

    def do_layer_norm(self, x):
        m, v = tf.nn.moments(x, [-1], keepdims=True)
        n = int(x.shape[-1])
        return tf.nn.batch_normalization(x, m, v, self.variable([n], v1.zeros_initializer()), self.variable([n], v1.ones_initializer()), 1e-3)

    def do_dropout(self, x):
        y = v1.nn.dropout(x, rate=0.3, seed=5) if self.training is True else v1.cond(self.training, lambda: v1.nn.dropout(x, rate=0.3, seed=5), lambda: tf.identity(x))
        y.set_shape(x.shape)
        return y

    def do_while(self, x):
        n = int(x.shape[-1])
        w = self.variable([n, n])
        u, steps = pick(self.rng, UNARY[:12]), int(self.rng.integers(1, 5))
        inside = self.rng.integers(4)

        def body(i, y):
            z = u(tf.tensordot(y, w, 1) if x.shape.rank > 2 else tf.matmul(y, w))
            if inside == 0:
                z = v1.cond(tf.reduce_mean(z) > 0.037, lambda: z * 0.5 + x, lambda: tf.tanh(z))
            elif inside == 1:
                z = v1.while_loop(lambda j, q: j < i, lambda j, q: (j + 1, tf.sin(q) + x * 0.1), [0, z])[1]
            elif inside == 2:
                z = z + self.scale
            z.set_shape(x.shape)
            return i + 1, z
        self.scale = self.variable([], v1.ones_initializer()) if inside == 2 else None
        return v1.while_loop(lambda i, y: i < steps, body, [tf.constant(0), x], swap_memory=bool(self.rng.integers(2)))[1]

    def do_cond(self, x):
        n = int(x.shape[-1])
        w, b = self.variable([n, n]), self.variable([n], v1.ones_initializer())
        u = pick(self.rng, UNARY[:12])
        step = tf.cast(v1.train.get_or_create_global_step(), tf.int32)
        p = pick(self.rng, [tf.reduce_sum(x) > 0.37, tf.equal(step % 2, 0)] + ([self.training] if self.training is not True else []))
        inner = self.rng.integers(2)
        y = v1.cond(p, lambda: u(tf.tensordot(x, w, 1)), lambda: v1.cond(step > 1, lambda: x * b, lambda: tf.sin(x)) if inner else x * b)
        y.set_shape(x.shape)
        return y

    def do_case(self, x):
        step = tf.cast(v1.train.get_or_create_global_step(), tf.int32)
        a, b = self.variable([int(x.shape[-1])]), self.variable([int(x.shape[-1])])
        y = v1.case([(tf.equal(step, 0), lambda: x + a), (tf.equal(step, 2), lambda: x * b)], default=lambda: tf.tanh(x) - a * b)
        y.set_shape(x.shape)
        return y

    def do_rnn(self, x):
        """dynamic_rnn's loop over arrays, with lengths."""
        if x.shape.rank != 3:
            raise ValueError
        n, d = int(self.rng.integers(2, 5)), int(x.shape[2])
        w, b = self.variable([d + n, 4 * n]), self.variable([4 * n], v1.zeros_initializer())
        t = tf.shape(x)[1]
        src = tf.TensorArray(tf.float32, t).unstack(tf.transpose(x, [1, 0, 2]))
        lengths = tf.cast(tf.abs(x[:, 0, 0]) * 7 + 0.137, tf.int32) % (t + 1)
        zeros = tf.zeros([tf.shape(x)[0], n])
        zeros.set_shape([None, n])

        def body(i, c, h, out):
            v = src.read(i)
            v.set_shape([None, d])
            g, j, f, o = tf.split(tf.nn.bias_add(tf.matmul(tf.concat([v, h], 1), w), b), 4, 1)
            c2 = tf.sigmoid(f + 1) * c + tf.sigmoid(g) * tf.tanh(j)
            h2 = tf.sigmoid(o) * tf.tanh(c2)
            live = tf.tile((i < lengths)[:, None], [1, n])
            return i + 1, tf.where(live, c2, c), tf.where(live, h2, h), out.write(i, tf.where(live, h2, zeros))
        _, c, h, out = v1.while_loop(lambda i, *_: i < t, body, [0, zeros, zeros, tf.TensorArray(tf.float32, t)], swap_memory=True)
        if self.rng.integers(2):
            return h + c
        y = tf.transpose(out.stack(), [1, 0, 2])
        y.set_shape([None, None, n])
        return y

    def do_dynamic_rnn(self, x):
        from tensorflow.python.ops import rnn
        if x.shape.rank != 3:
            raise ValueError
        n = int(self.rng.integers(2, 5))
        w = self.variable([int(x.shape[2]) + n, n])

        def cell(v, h):
            y = tf.tanh(tf.matmul(tf.concat([v, h], 1), w))
            return y, y
        y = tf.scan(lambda h, v: cell(v, h)[0], tf.transpose(x, [1, 0, 2]), initializer=tf.zeros([tf.shape(x)[0], n]))
        y = tf.transpose(y, [1, 0, 2])
        y.set_shape([None, None, n])
        return y

    def do_map(self, x):
        w = self.variable([int(x.shape[-1])])
        u = pick(self.rng, UNARY[:12])
        y = tf.map_fn(lambda r: v1.cond(tf.reduce_sum(r) > 0.37, lambda: u(r) * w, lambda: r - w), x)
        y.set_shape(x.shape)
        return y

    def do_conv1d(self, x):
        if x.shape.rank != 3:
            raise ValueError
        return tf.nn.relu(tf.nn.conv1d(x, self.variable([2, int(x.shape[2]), 4]), int(self.rng.integers(1, 3)), "SAME"))

    def do_conv2d(self, x):
        if x.shape.rank != 4:
            raise ValueError
        c = int(x.shape[3])
        k = self.rng.integers(5)
        if k == 0:
            return tf.nn.conv2d(x, self.variable([3, 3, c, 4]), int(self.rng.integers(1, 3)), "SAME", dilations=1)
        if k == 1:
            return tf.nn.depthwise_conv2d(x, self.variable([3, 2, c, 2]), [1, 1, 1, 1], "SAME")
        if k == 2:
            s = tf.shape(x)
            y = tf.nn.conv2d_transpose(x, self.variable([3, 3, 3, c]), tf.stack([s[0], s[1] * 2, s[2] * 2, 3]), 2, "SAME")
            y.set_shape([None, None, None, 3])
            return y
        if k == 3:
            return tf.nn.atrous_conv2d(x, self.variable([2, 2, c, 3]), 2, "SAME")
        return tf.nn.separable_conv2d(x, self.variable([3, 3, c, 1]), self.variable([1, 1, c, 5]), [1, 1, 1, 1], "SAME")

    def do_pool(self, x):
        if x.shape.rank != 4:
            raise ValueError
        return pick(self.rng, [lambda: tf.nn.max_pool2d(x, 2, 2, "SAME"), lambda: tf.nn.avg_pool2d(x, 3, 1, "SAME"), lambda: tf.nn.local_response_normalization(x, 1), lambda: v1.image.resize_bilinear(x, [4, 5], align_corners=bool(self.rng.integers(2))),
                               lambda: v1.image.resize_nearest_neighbor(x, [3, 5])])()

    def do_reduce(self, x):
        if x.shape.rank < 3:
            raise ValueError
        return pick(self.rng, [tf.reduce_mean, tf.reduce_max, tf.reduce_logsumexp, tf.reduce_sum])(x, 1)

    def do_attention(self, x):
        if x.shape.rank != 3:
            raise ValueError
        n = int(x.shape[2])
        q, k, v = (tf.tensordot(x, self.variable([n, 4]), 1) for _ in range(3))
        s = tf.nn.softmax(tf.matmul(q, k, transpose_b=True) / 2.0)
        y = tf.matmul(s, v)
        y.set_shape([None, None, 4])
        return y

    def do_expand(self, x):
        if x.shape.rank != 2:
            raise ValueError
        return tf.stack([x, tf.sin(x), x * 0.5], 1)

    def do_sorted(self, x):
        v, i = tf.nn.top_k(x, 1)
        return x + v + tf.cast(i, tf.float32)

    def do_defun(self, x):
        w = self.variable([int(x.shape[-1])])
        u = pick(self.rng, UNARY[:12])

        @tf.function
        def f(a, b):
            return u(a * b) + b, tf.reduce_mean(a)
        p, q = f(x, tf.convert_to_tensor(w))
        p.set_shape(x.shape)
        return p * q

    def do_split(self, x):
        a, b = tf.split(tf.concat([x, x], -1), 2, -1)
        c = tf.unstack(b, axis=-1)
        return a * tf.stack(c[::-1], -1)

    def do_gather_rows(self, x):
        n = tf.shape(x)[0]
        y = tf.gather(x, (tf.range(n) * 3) % n)
        y = tf.concat([y[:1], y[1:]], 0)
        return tf.ensure_shape(tf.where(tf.abs(y) > 2, tf.zeros_like(y), y), x.shape)

    def do_partition(self, x):
        ids = tf.cast(tf.reduce_sum(x, list(range(1, x.shape.rank))) > 0.37, tf.int32)
        a, b = tf.dynamic_partition(x, ids, 2)
        at = tf.dynamic_partition(tf.range(tf.shape(x)[0]), ids, 2)
        y = tf.dynamic_stitch(at, [a * self.variable([], v1.ones_initializer()), tf.tanh(b)])
        return tf.ensure_shape(y, x.shape)

    # ==== inputs and losses ====
    def place(self, dtype, shape, draw):
        x = v1.placeholder(dtype, shape)
        self.feeds[x] = draw
        return x

    def input(self, b):
        rng = self.rng
        kind = rng.integers(5)
        if kind == 0:
            n = int(rng.integers(2, 6))
            return self.place(tf.float32, [None, n], rng.standard_normal((b, n)))
        if kind == 1:
            n, t = int(rng.integers(2, 6)), int(rng.integers(2, 6))
            return self.place(tf.float32, [None, None, n], rng.standard_normal((b, t, n)))
        if kind == 2:
            h, w, c = (int(v) for v in rng.integers(2, 7, 3))
            return self.place(tf.float32, [None, None, w, c] if rng.integers(2) else [None, h, w, c], rng.standard_normal((b, h, w, c)))
        table = self.variable([11, int(rng.integers(2, 6))])
        if kind == 3:
            ids = self.place(tf.int64, [None, None], rng.integers(0, 11, (b, 4)))
            y = tf.nn.embedding_lookup(table, ids, max_norm=pick(rng, [None, None, 1.0]))
            y.set_shape([None, None, table.shape[1]])
            return y
        at = np.array(sorted({(int(rng.integers(b)), int(rng.integers(3))) for _ in range(6)} | {(i, 0) for i in range(b)}))
        ids = self.place(tf.int64, [None], rng.integers(0, 11, len(at)))
        where = self.place(tf.int64, [None, 2], at)
        s = tf.SparseTensor(where, ids, [b, 3])
        y = v1.nn.embedding_lookup_sparse(table, s, None, combiner=pick(rng, ["sum", "mean", "sqrtn"]))
        y.set_shape([None, table.shape[1]])
        return y

    def flat(self, x):
        return tf.reduce_mean(x, list(range(1, x.shape.rank - 1))) if x.shape.rank > 2 else x

    def loss(self, y, b):
        rng = self.rng
        n = int(y.shape[-1])
        y = self.flat(y)
        labels = self.place(tf.int64, [None], rng.integers(0, n, b))
        target = self.place(tf.float32, [None, n], rng.random((b, n)))
        return pick(rng, [lambda: tf.reduce_mean(tf.square(y - target)), lambda: tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=y)), lambda: v1.losses.softmax_cross_entropy(tf.one_hot(labels, n), y, label_smoothing=0.1),
                          lambda: tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=y)), lambda: v1.losses.huber_loss(target, y), lambda: v1.losses.absolute_difference(target, y, weights=0.5),
                          lambda: tf.reduce_mean(tf.nn.weighted_cross_entropy_with_logits(labels=target, logits=y, pos_weight=2.0)), lambda: v1.losses.hinge_loss(tf.round(target), y), lambda: v1.losses.log_loss(target, tf.sigmoid(y)),
                          lambda: tf.reduce_sum(tf.nn.l2_loss(y - target))])()


def optimizer(rng, rate):
    t = v1.train
    return pick(rng, [lambda: t.GradientDescentOptimizer(rate), lambda: t.AdamOptimizer(rate), lambda: t.AdagradOptimizer(rate), lambda: t.AdadeltaOptimizer(1.0), lambda: t.MomentumOptimizer(rate, 0.9), lambda: t.MomentumOptimizer(rate, 0.9, use_nesterov=True),
                      lambda: t.RMSPropOptimizer(rate, momentum=0.5), lambda: t.RMSPropOptimizer(rate, centered=True), lambda: t.FtrlOptimizer(rate, l1_regularization_strength=0.01), lambda: t.ProximalGradientDescentOptimizer(rate, 0.01, 0.01),
                      lambda: t.ProximalAdagradOptimizer(rate, 0.1, 0.001, 0.001), lambda: t.AdagradDAOptimizer(rate, v1.train.get_or_create_global_step())])()


def rate(rng, step):
    t = v1.train
    return pick(rng, [lambda: 0.02, lambda: t.exponential_decay(0.05, step, 2, 0.9, staircase=True), lambda: t.polynomial_decay(0.05, step, 4, 0.01, cycle=True), lambda: t.piecewise_constant(step, [1, 3], [0.05, 0.02, 0.01]), lambda: t.cosine_decay(0.05, step, 6),
                      lambda: t.inverse_time_decay(0.05, step, 2, 0.5), lambda: t.natural_exp_decay(0.05, step, 2, 0.5), lambda: t.cosine_decay_restarts(0.05, step, 2), lambda: t.linear_cosine_decay(0.05, step, 5) if hasattr(t, "linear_cosine_decay") else 0.01])()


def made(rng):
    """(net, loss, step, what else to fetch)"""
    v1.set_random_seed(int(rng.integers(1000)))
    net = Net(rng, bool(rng.integers(2)))
    b = int(rng.integers(2, 6))
    step = v1.train.get_or_create_global_step()
    values = [net.input(b) for _ in range(rng.integers(1, 3))]
    kinds = [k for k in dir(net) if k.startswith("do_")]
    done = failures = 0
    enough = int(rng.integers(2, 9))
    while done < enough and failures < 40:
        at = int(rng.integers(len(values)))
        kind = pick(rng, kinds)
        try:
            with v1.variable_scope("s%d" % (done // 2), reuse=v1.AUTO_REUSE):
                y = getattr(net, kind)(values[at])
        except (ValueError, TypeError, AttributeError):
            failures += 1
            continue
        if y.shape.rank is None or not 2 <= y.shape.rank <= 4 or y.shape[-1] is None:
            failures += 1
            continue
        net.log.append("%s%s" % (kind[3:], y.shape[1:]))
        done += 1
        if rng.random() < 0.75:
            values[at] = y
        else:
            values.append(y)
    y = values[0] if len(values) == 1 else tf.concat([net.flat(v) for v in values], 1)
    y = net.dense(net.flat(y), 3)
    loss = net.loss(y, b)
    extra = [tf.reduce_sum(y)]
    if rng.random() < 0.3:
        loss += 0.01 * tf.add_n([tf.nn.l2_loss(v) for v in v1.trainable_variables()])
    loss = tf.identity(loss, "loss")
    o = optimizer(rng, rate(rng, step))
    net.log.append(type(o).__name__)
    ups = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
    # With references and loops in between TensorFlow loses gradients that have to wait: values of dead branches.
    with tf.control_dependencies(ups if net.resource else []):
        pairs = [(g, v) for g, v in o.compute_gradients(loss, colocate_gradients_with_ops=bool(rng.integers(2)), aggregation_method=pick(rng, [None, 2])) if g is not None]
    with tf.control_dependencies(ups):
        if rng.random() < 0.4:
            gs, norm = tf.clip_by_global_norm([g for g, _ in pairs], 0.5)
            pairs = list(zip(gs, [v for _, v in pairs]))
            extra.append(norm)
        elif rng.random() < 0.3:
            pairs = [(tf.clip_by_norm(tf.convert_to_tensor(g), 0.3), v) for g, v in pairs]
        train = o.apply_gradients(pairs, step)
    if rng.random() < 0.35:
        ema = v1.train.ExponentialMovingAverage(0.9, step if rng.integers(2) else None, zero_debias=bool(rng.integers(2)))
        with tf.control_dependencies([train]):
            train = ema.apply([v for v in v1.trainable_variables()])
        net.log.append("ema")
    return net, loss, tf.group(train, name="train"), extra


@composed.kind
def graph(cage, rng, say):
    old = bool(rng.integers(2))
    if old:
        v1.disable_control_flow_v2()
        v1.disable_resource_variables()
    try:
        with tf.Graph().as_default() as g:
            net, loss, step, extra = made(rng)
            say("%s %s %s" % ("frames" if old else "functions", "resources" if net.resource else "references", "; ".join(net.log)))
            trained_on(cage, rng, net, loss, step, extra, g)
    finally:
        v1.enable_control_flow_v2()
        v1.enable_resource_variables()


def trained_on(cage, rng, net, loss, step, extra, g):
    feeds = {p: np.asarray(v).astype(p.dtype.as_numpy_dtype) for p, v in net.feeds.items()}
    steps = int(rng.integers(2, 6))
    saver = v1.train.Saver(v1.global_variables(), sharded=bool(rng.integers(2)))
    fetches = [loss, *extra]
    prefix = cage.path("net")
    with v1.Session() as s:
        s.run(v1.global_variables_initializer())
        prefix = saver.save(s, prefix)
        want = [s.run(fetches, feeds)]
        for _ in range(steps):
            s.run(step, feeds)
            want.append(s.run(fetches, feeds))
        names = [v.op.name for v in v1.global_variables()]
        tf_after = saver.save(s, cage.path("tf_after"))
    if not all(np.isfinite(w).all() and np.abs(w).max() < 1e5 for row in want for w in row):
        raise composed.Untellable("loss %s" % want[-1][0])
    argv = ["--meta_graph", prefix + ".meta", "--checkpoint", prefix] + cage.feeds("feed", zoo.typed(feeds))
    for t in fetches:
        argv += ["--fetch", t.name]

    def again():
        nudge = dict(zip(feeds, composed.nudged(feeds.values(), rng)))
        with v1.Session() as s:
            saver.restore(s, prefix)
            for v in v1.trainable_variables():
                v.load(composed.nudged([s.run(v)], rng)[0], s)
            rows = [s.run(fetches, nudge)]
            for _ in range(steps):
                s.run(step, nudge)
                rows.append(s.run(fetches, nudge))
            saver.save(s, cage.path("nudged"))
        found = [(t.name, np.array([w[i] for w in want]), np.array([r[i] for r in rows])) for i, t in enumerate(fetches)]
        a, b = tf.train.load_checkpoint(tf_after), tf.train.load_checkpoint(saver.last_checkpoints[-1])
        return found + [(n, a.get_tensor(n), b.get_tensor(n)) for n in a.get_variable_to_shape_map()]
    start = composed.worked()
    out = cage.run(*argv, "--target", step.name, "--steps", str(steps), "--save", cage.path("after"))
    took = composed.worked() - start
    with composed.steady(again, 3e-3):
        for i, t in enumerate(fetches):
            composed.close(t.name, cage.load(composed.os.path.join(out, composed.safe(t.name))), np.array([w[i] for w in want]), 3e-3)
            cage.compared += 1
        same_variables(cage, prefix, tf_after)
    composed.in_time(took)


def same_variables(cage, first, last):
    """What moved, moved as much; and TensorFlow restores our files."""
    before, want, got = (tf.train.load_checkpoint(p) for p in (first, last, cage.path("after")))
    shapes = want.get_variable_to_shape_map()
    if got.get_variable_to_shape_map() != shapes:
        raise zoo.Differs("variables %s, expected %s" % (sorted(got.get_variable_to_shape_map()), sorted(shapes)))
    for name in shapes:
        b, w, o = (c.get_tensor(name) for c in (before, want, got))
        if w.dtype.kind != "f":
            zoo.same(name, o, w, (0, 0))
            continue
        moved = np.abs(w - b).max() if w.size else 0
        off = np.abs(w - o) > 0.03 * moved + 1e-4 + 1e-3 * np.abs(w)
        if off.mean() > 0.25:
            raise zoo.Differs("variable %s: %d of %d apart, by up to %g; moved %g" % (name, off.sum(), w.size, np.abs(w - o).max(), moved))
