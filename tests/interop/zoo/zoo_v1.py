# SPDX-License-Identifier: Apache-2.0
"""Graphs of TensorFlow 1: frames and switches, recurrent networks, decoders, gradients in loops, everything about training."""
import numpy as np
import tensorflow as tf

from zoo import graph, v1


def old(f):
    """A graph with TensorFlow 1's control flow and reference variables."""
    def g(z):
        v1.disable_control_flow_v2()
        v1.disable_resource_variables()
        try:
            f(z)
        finally:
            v1.enable_control_flow_v2()
            v1.enable_resource_variables()
    g.__name__ = f.__name__
    return graph(g)


def place(dtype, shape, name=None):
    return v1.placeholder(dtype, shape, name=name)


@old
def v1_cond(z):
    x, k = place(tf.float32, [None]), place(tf.int32, [])
    y = v1.cond(k > 0, lambda: x * 2.0, lambda: x + 1.0)
    w = v1.cond(k > 3, lambda: [y, x], lambda: [x, tf.zeros_like(x)])
    for n in (-1, 1, 5):
        z.session([y, *w], {x: z.f32(3), k: n})


@old
def v1_cond_nested(z):
    x, k = place(tf.float32, [None]), place(tf.int32, [])
    y = v1.cond(k > 0, lambda: v1.cond(k > 2, lambda: v1.cond(k > 4, lambda: x, lambda: -x), lambda: x * x), lambda: v1.cond(k < -2, lambda: x + 1.0, lambda: x))
    for n in (-3, 0, 1, 3, 5):
        z.session([y], {x: z.f32(3), k: n})


@old
def v1_cond_one_branch_fed(z):
    """Branches that are values from outside, constants, or the predicate."""
    p, x = place(tf.bool, []), place(tf.float32, [2])
    a = v1.cond(p, lambda: x, lambda: tf.constant([1.0, 2.0]))
    b = v1.cond(p, lambda: tf.constant(1), lambda: tf.constant(2))
    c = v1.cond(p, lambda: p, lambda: tf.logical_not(p))
    d = v1.cond(c, lambda: a + tf.cast(b, tf.float32), lambda: x)
    for v in (True, False):
        z.session([a, b, c, d], {p: v, x: z.f32(2)})


@old
def v1_case(z):
    x, k = place(tf.float32, [None]), place(tf.int32, [])
    y = v1.case([(tf.equal(k, 0), lambda: x), (tf.equal(k, 1), lambda: x * 10.0), (k > 5, lambda: -x)], default=lambda: tf.zeros_like(x))
    e = v1.case({tf.equal(k, 0): lambda: x, tf.equal(k, 1): lambda: x * 10.0}, default=lambda: x - 5.0, exclusive=True)
    for n in (0, 1, 3, 9):
        z.session([y, e], {x: z.f32(3), k: n})


@old
def v1_merge_raw(z):
    """Merges of more than two values, conditions that overlap without nesting."""
    x, p, q = place(tf.float32, [2]), place(tf.bool, []), place(tf.bool, [])
    f, t = tf.raw_ops.Switch(data=x, pred=p)
    ff, ft = tf.raw_ops.Switch(data=f * 2.0, pred=q)
    y, i = tf.raw_ops.Merge(inputs=[t + 1.0, ff - 3.0, ft * ft])
    for a in (True, False):
        for b in (True, False):
            z.session([y, i], {x: z.f32(2), p: a, q: b})


@old
def v1_overlapping(z):
    x, p, q = place(tf.float32, [2]), place(tf.bool, []), place(tf.bool, [])
    pf, pt = tf.raw_ops.Switch(data=x, pred=p)
    qf, qt = tf.raw_ops.Switch(data=x * 3.0, pred=q)
    both = pt + qt
    neither = pf * qf
    y, _ = tf.raw_ops.Merge(inputs=[both, pf])
    w, _ = tf.raw_ops.Merge(inputs=[neither, pt])
    for a in (True, False):
        z.session([y], {x: z.f32(2), p: a, q: True})
        z.session([w], {x: z.f32(2), p: a, q: False})


@old
def v1_switch_n(z):
    x, k = place(tf.float32, [None]), place(tf.int32, [])
    outs = v1.get_default_graph().create_op("_SwitchN", [x, k], [tf.float32] * 3, name="switch", attrs={"num_outs": v1.AttrValue(i=3), "T": v1.AttrValue(type=1)}).outputs
    y, i = tf.raw_ops.Merge(inputs=[outs[0] + 1.0, outs[1] * 2.0, -outs[2]])
    for n in range(3):
        z.session([y, i], {x: z.f32(3), k: n})


@old
def v1_while(z):
    x, n = place(tf.float32, [None]), place(tf.int32, [])
    i, y = v1.while_loop(lambda i, y: i < n, lambda i, y: (i + 1, y * 1.5 + x), [tf.constant(0), x])
    for k in (0, 1, 6):
        z.session([i, y], {x: z.f32(3), n: k})


@old
def v1_while_nested(z):
    x, n = place(tf.float32, [None]), place(tf.int32, [])

    def body(i, y):
        j, w = v1.while_loop(lambda j, w: j < i, lambda j, w: (j + 1, v1.cond(tf.equal(j % 2, 0), lambda: w + x, lambda: w * tf.cast(i, tf.float32))), [0, y])
        return i + 1, v1.cond(i > 2, lambda: w - y, lambda: v1.while_loop(lambda u: tf.reduce_sum(tf.abs(u)) < 10.0, lambda u: u * 2.0 + 1.0, [w]))
    i, y = v1.while_loop(lambda i, y: i < n, body, [0, x])
    for k in (0, 1, 5):
        z.session([i, y], {x: z.f32(3), n: k})


@old
def v1_while_in_cond(z):
    x, p = place(tf.float32, [None]), place(tf.bool, [])
    y = v1.cond(p, lambda: v1.while_loop(lambda i, a: i < 4, lambda i, a: (i + 1, a + v1.cond(p, lambda: x, lambda: -x)), [0, x])[1], lambda: x)
    z.session([y], {x: z.f32(3), p: True})
    z.session([y], {x: z.f32(3), p: False})


@old
def v1_arrays(z):
    x = place(tf.float32, [None, 3])
    n = tf.shape(x)[0]
    src = tf.TensorArray(tf.float32, n).unstack(x)
    dst = tf.TensorArray(tf.float32, n)
    _, dst, last = v1.while_loop(lambda i, d, c: i < n, lambda i, d, c: (i + 1, d.write(i, tf.tanh(c)), c + 1.0), [0, dst, tf.zeros([3])])
    s = tf.TensorArray(tf.float32, 0, dynamic_size=True, infer_shape=False)
    s = s.write(0, x[:1]).write(1, x)
    z.session([dst.stack(), last, s.concat(), src.gather([1, 0]), dst.size()], {x: z.f32(4, 3)})


@old
def v1_gradient_in_while(z):
    x, n = place(tf.float32, [2, 3]), place(tf.int32, [])
    w = tf.constant(z.f32(3, 3))
    _, y = v1.while_loop(lambda i, y: i < n, lambda i, y: (i + 1, tf.tanh(tf.matmul(y, w))), [0, x], swap_memory=True)
    g = v1.gradients(y, [x, w])
    for k in (0, 1, 4):
        z.session([y, *g], {x: z.f32(2, 3), n: k})


@old
def v1_gradient_in_nested(z):
    x, n = place(tf.float32, [3]), place(tf.int32, [])

    def body(i, y):
        _, w = v1.while_loop(lambda j, w: j <= i, lambda j, w: (j + 1, tf.sin(w) * x), [0, y])
        return i + 1, v1.cond(tf.equal(i % 2, 0), lambda: w * w, lambda: w + y)
    _, y = v1.while_loop(lambda i, y: i < n, body, [0, x])
    g, = v1.gradients(y, [x])
    for k in (0, 3, 4):
        z.session([y, g], {x: z.f32(3), n: k})


@old
def v1_gradient_in_cond(z):
    x, k = place(tf.float32, [3]), place(tf.int32, [])
    y = v1.cond(k > 0, lambda: v1.cond(k > 2, lambda: tf.exp(x), lambda: x * x * x), lambda: tf.sin(x)) * x
    g, = v1.gradients(y, [x])
    h, = v1.gradients(g, [x])
    for n in (0, 1, 3):
        z.session([y, g, h], {x: z.f32(3), k: n})


@old
def v1_gradient_cond_with_while(z):
    x, k = place(tf.float32, [3]), place(tf.int32, [])
    y = v1.cond(k > 0, lambda: v1.while_loop(lambda i, a: i < k, lambda i, a: (i + 1, tf.sin(a) + x), [0, x])[1], lambda: x * 2.0)
    g, = v1.gradients(tf.reduce_sum(y * y), [x])
    for n in (0, 2):
        z.session([y, g], {x: z.f32(3), k: n})


@old
def v1_gradient_arrays(z):
    x = place(tf.float32, [None, 3])
    n = tf.shape(x)[0]
    src = tf.TensorArray(tf.float32, n, clear_after_read=False).unstack(x)
    _, dst = v1.while_loop(lambda i, d: i < n, lambda i, d: (i + 1, d.write(i, src.read(i) * src.read(n - 1 - i))), [0, tf.TensorArray(tf.float32, n)])
    y = tf.reduce_sum(tf.square(dst.stack()))
    z.session([y, v1.gradients(y, [x])[0]], {x: z.f32(4, 3)})


@old
def v1_map_and_scan(z):
    x = place(tf.float32, [None, 3])
    m = tf.map_fn(lambda r: v1.cond(tf.reduce_sum(r) > 0, lambda: tf.sort(r), lambda: -r), x)
    s = tf.scan(lambda a, r: a * 0.5 + tf.sin(r), x)
    g, = v1.gradients(tf.reduce_sum(m * s), [x])
    z.session([m, s, g, tf.foldl(lambda a, r: a + r, x)], {x: z.f32(5, 3)})


@old
def v1_beam_search(z):
    logits = tf.constant(z.f32(6, 6))
    beams, steps = 3, place(tf.int32, [])

    def body(t, seqs, scores, done):
        last = seqs[:, -1]
        lp = tf.nn.log_softmax(tf.gather(logits, last)) + scores[:, None]
        lp = tf.where(done[:, None] & tf.ones([1, 6], tf.bool), tf.where(tf.equal(tf.range(6), 0)[None] & tf.ones([beams, 1], tf.bool), scores[:, None] + tf.zeros([1, 6]), -1e9 * tf.ones([beams, 6])), lp)
        best, idx = tf.nn.top_k(tf.reshape(lp, [-1]), beams)
        parent, token = idx // 6, idx % 6
        return t + 1, tf.concat([tf.gather(seqs, parent), token[:, None]], 1), best, tf.gather(done, parent) | tf.equal(token, 0)
    t, seqs, scores, done = v1.while_loop(lambda t, s, c, d: (t < steps) & ~tf.reduce_all(d), body,
                                          [0, tf.ones([beams, 1], tf.int32), tf.constant([0.0, -1e9, -1e9]), tf.zeros([beams], tf.bool)],
                                          shape_invariants=[tf.TensorShape([]), tf.TensorShape([beams, None]), tf.TensorShape([beams]), tf.TensorShape([beams])])
    for n in (1, 5):
        z.session([t, seqs, scores, done], {steps: n})


def dense(x, units, scope, activation=None):
    with v1.variable_scope(scope, reuse=v1.AUTO_REUSE):
        w = v1.get_variable("kernel", [x.shape[-1], units], initializer=v1.glorot_uniform_initializer(seed=4))
        b = v1.get_variable("bias", [units], initializer=v1.zeros_initializer())
        y = tf.nn.bias_add(tf.matmul(x, w), b)
        return activation(y) if activation else y


def recurrent(x, lengths, units, scope, reverse=False):
    """As dynamic_rnn: a while loop over TensorArrays, steps behind the end copied through under a condition."""
    with v1.variable_scope(scope):
        x = tf.reverse_sequence(x, lengths, 1) if reverse else x
        time = tf.shape(x)[1]
        src = tf.TensorArray(tf.float32, time).unstack(tf.transpose(x, [1, 0, 2]))
        zeros = tf.zeros([tf.shape(x)[0], units])
        zeros.set_shape([None, units])
        least, most = tf.reduce_min(lengths), tf.reduce_max(lengths)
        w = v1.get_variable("kernel", [x.shape[-1] + units, 3 * units], initializer=v1.glorot_uniform_initializer(seed=2))

        def cell(v, h):
            a = tf.matmul(tf.concat([v, h], 1), w)
            u, r, c = tf.split(a, 3, 1)
            return tf.sigmoid(u) * h + (1 - tf.sigmoid(u)) * tf.tanh(c * tf.sigmoid(r))

        def step(t, h, out):
            v = src.read(t)
            v.set_shape([None, int(x.shape[-1])])
            new = cell(v, h)

            def mixed():
                ended = t >= lengths
                return tf.where(ended[:, None] & tf.ones([1, units], tf.bool), zeros, new), tf.where(ended[:, None] & tf.ones([1, units], tf.bool), h, new)
            o, s = v1.cond(t >= most, lambda: (zeros, h), lambda: v1.cond(t < least, lambda: (new, new), mixed))
            o.set_shape([None, units])
            s.set_shape([None, units])
            return t + 1, s, out.write(t, o)
        _, h, out = v1.while_loop(lambda t, h, o: t < time, step, [0, zeros, tf.TensorArray(tf.float32, time)], swap_memory=True, parallel_iterations=32)
        out = tf.transpose(out.stack(), [1, 0, 2])
        out.set_shape([None, None, units])
        return (tf.reverse_sequence(out, lengths, 1) if reverse else out), h


@old
def v1_dynamic_rnn(z):
    x, n, y = place(tf.float32, [None, None, 3]), place(tf.int32, [None]), place(tf.float32, [None, 2])
    out, h = recurrent(x, n, 4, "fw")
    back, hb = recurrent(x, n, 4, "bw", True)
    p = dense(tf.concat([h, hb, tf.reduce_mean(tf.concat([out, back], 2), 1)], 1), 2, "out")
    loss = tf.reduce_mean(tf.square(p - y))
    step = v1.train.AdamOptimizer(0.01).minimize(loss)
    z.train(loss, step, {x: z.f32(3, 5, 3), n: np.int32([5, 2, 3]), y: z.f32(3, 2)}, extra=[p])


@old
def v1_attention_decoder(z):
    src, length, tgt = place(tf.int32, [None, None]), place(tf.int32, [None]), place(tf.int32, [None, None])
    table = v1.get_variable("embedding", [12, 5])
    memory, h = recurrent(tf.nn.embedding_lookup(table, src), length, 4, "encoder")
    keys = tf.tensordot(memory, v1.get_variable("keys", [4, 4]), 1)
    mask = tf.sequence_mask(length, tf.shape(src)[1], tf.float32)
    wa, wo = v1.get_variable("wa", [5 + 4 + 4, 4]), v1.get_variable("wo", [4, 12])
    emb = tf.TensorArray(tf.float32, tf.shape(tgt)[1]).unstack(tf.transpose(tf.nn.embedding_lookup(table, tgt), [1, 0, 2]))

    def step(t, h, out):
        score = tf.reduce_sum(tf.tanh(keys + h[:, None]), 2) - 1e9 * (1 - mask)
        context = tf.reduce_sum(tf.nn.softmax(score)[:, :, None] * memory, 1)
        h = tf.tanh(tf.matmul(tf.concat([emb.read(t), context, h], 1), wa))
        h.set_shape([None, 4])
        return t + 1, h, out.write(t, tf.matmul(h, wo))
    steps = tf.shape(tgt)[1] - 1
    _, _, out = v1.while_loop(lambda t, h, o: t < steps, step, [0, h, tf.TensorArray(tf.float32, steps)])
    logits = tf.transpose(out.stack(), [1, 0, 2])
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tgt[:, 1:], logits=logits))
    optimizer = v1.train.GradientDescentOptimizer(0.5)
    grads = optimizer.compute_gradients(loss)
    clipped, norm = tf.clip_by_global_norm([g for g, _ in grads], 1.0)
    step = optimizer.apply_gradients(zip(clipped, [v for _, v in grads]), v1.train.get_or_create_global_step())
    z.train(loss, step, {src: z.ints(12, 3, 6), length: np.int32([6, 3, 4]), tgt: z.ints(12, 3, 5)}, extra=[norm])


@old
def v1_static_rnn(z):
    x, y = place(tf.float32, [4, 5, 3]), place(tf.float32, [4, 6])
    h = tf.zeros([4, 6])
    for v in tf.unstack(x, axis=1):
        g = dense(tf.concat([v, h], 1), 12, "gates", tf.sigmoid)
        r, u = tf.split(g, 2, 1)
        h = u * h + (1 - u) * dense(tf.concat([v, r * h], 1), 6, "candidate", tf.tanh)
    loss = tf.reduce_mean(tf.abs(h - y))
    z.train(loss, v1.train.RMSPropOptimizer(0.01).minimize(loss), {x: z.f32(4, 5, 3), y: z.f32(4, 6)})


def regression(optimizer, z, resource=False, sparse=False, steps=5, tol=None):
    with v1.variable_scope("net", use_resource=resource):
        x, i, y = place(tf.float32, [None, 3], "x"), place(tf.int32, [None], "i"), place(tf.float32, [None, 1], "y")
        h = dense(x, 5, "a", tf.tanh)
        if sparse:
            h = tf.concat([h, tf.nn.embedding_lookup(v1.get_variable("table", [7, 2]), i)], 1)
        p = dense(h, 1, "b")
        loss = tf.reduce_mean(tf.square(p - y), name="loss")
    step = optimizer().minimize(loss, global_step=v1.train.get_or_create_global_step())
    if tol:
        z.tol = tol
    z.train(loss, step, {x: z.f32(6, 3), i: np.int32([1, 2, 2, 5, 6, 1]), y: z.f32(6, 1)}, steps=steps)


OPTIMIZERS = {
    "sgd": lambda: v1.train.GradientDescentOptimizer(0.1), "adam": lambda: v1.train.AdamOptimizer(0.01), "adagrad": lambda: v1.train.AdagradOptimizer(0.1),
    "adadelta": lambda: v1.train.AdadeltaOptimizer(1.0), "momentum": lambda: v1.train.MomentumOptimizer(0.1, 0.9), "nesterov": lambda: v1.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
    "rmsprop": lambda: v1.train.RMSPropOptimizer(0.01, momentum=0.5), "rmsprop_centered": lambda: v1.train.RMSPropOptimizer(0.01, centered=True),
    "ftrl": lambda: v1.train.FtrlOptimizer(0.1, l1_regularization_strength=0.01, l2_regularization_strength=0.02),
    "ftrl_shrinkage": lambda: v1.train.FtrlOptimizer(0.1, l2_shrinkage_regularization_strength=0.1),
    "proximal_sgd": lambda: v1.train.ProximalGradientDescentOptimizer(0.1, 0.01, 0.01), "proximal_adagrad": lambda: v1.train.ProximalAdagradOptimizer(0.1, 0.1, 0.001, 0.001),
    "adagrad_da": lambda: v1.train.AdagradDAOptimizer(0.1, v1.train.get_or_create_global_step()),
}
for _name, _make in OPTIMIZERS.items():
    for _kind, _options in {"": {}, "_sparse": {"sparse": True}, "_resource": {"sparse": True, "resource": True}}.items():
        def _one(z, make=_make, options=_options):
            regression(make, z, **options)
        _one.__name__ = "v1_train_%s%s" % (_name, _kind)
        old(_one)


@old
def v1_learning_rates(z):
    step = v1.train.get_or_create_global_step()
    t = v1.train
    rates = [t.exponential_decay(0.1, step, 2, 0.9, staircase=True), t.piecewise_constant(step, [2, 4], [0.3, 0.2, 0.1]), t.polynomial_decay(0.1, step, 4, 0.01, 2.0),
             t.polynomial_decay(0.1, step, 2, cycle=True), t.natural_exp_decay(0.1, step, 2, 0.5), t.inverse_time_decay(0.1, step, 2, 0.5), t.cosine_decay(0.1, step, 5),
             t.cosine_decay_restarts(0.1, step, 2), t.linear_cosine_decay(0.1, step, 5)]
    w = v1.get_variable("w", [3])
    loss = tf.reduce_sum(tf.square(w - 1.0))
    op = v1.train.GradientDescentOptimizer(tf.add_n(rates) * 0.1).minimize(loss, global_step=step)
    z.train(loss, op, steps=6, extra=rates)


@old
def v1_moving_average(z):
    x = place(tf.float32, [4, 3])
    step = v1.train.get_or_create_global_step()
    y = dense(x, 2, "a")
    loss = tf.reduce_sum(tf.square(y - 1.0))
    ema = v1.train.ExponentialMovingAverage(0.9, step, zero_debias=False)
    averaged = v1.train.ExponentialMovingAverage(0.8, zero_debias=True)
    train = v1.train.GradientDescentOptimizer(0.05).minimize(loss, step)
    with tf.control_dependencies([train]):
        op = tf.group(ema.apply(v1.trainable_variables()), averaged.apply([loss]))
    z.train(loss, op, {x: z.f32(4, 3)}, extra=[averaged.average(loss)])


@old
def v1_batch_norm(z):
    x, training = place(tf.float32, [None, 6, 6, 2]), v1.placeholder_with_default(True, [])
    k = v1.get_variable("k", [3, 3, 2, 4])
    h = tf.nn.conv2d(x, k, 1, "SAME")
    gamma, beta = v1.get_variable("gamma", [4], initializer=v1.ones_initializer()), v1.get_variable("beta", [4], initializer=v1.zeros_initializer())
    mean, var = v1.get_variable("mean", [4], trainable=False, initializer=v1.zeros_initializer()), v1.get_variable("var", [4], trainable=False, initializer=v1.ones_initializer())

    def batch():
        y, m, v = v1.nn.fused_batch_norm(h, gamma, beta)
        with tf.control_dependencies([v1.assign_sub(mean, (mean - m) * 0.1), v1.assign_sub(var, (var - v) * 0.1)]):
            return tf.identity(y)
    y = v1.cond(training, batch, lambda: v1.nn.fused_batch_norm(h, gamma, beta, mean, var, is_training=False)[0])
    loss = tf.reduce_mean(tf.square(tf.nn.relu(y) - 1.0))
    op = v1.train.AdamOptimizer(0.01).minimize(loss)
    z.train(loss, op, {x: z.f32(5, 6, 6, 2)})


@old
def v1_partitioned(z):
    x, i = place(tf.float32, [None, 8]), place(tf.int64, [None])
    with v1.variable_scope("p", partitioner=v1.fixed_size_partitioner(3)):
        w = v1.get_variable("w", [8, 4])
        e = v1.get_variable("e", [10, 3])
    y = tf.matmul(x, tf.convert_to_tensor(w))
    q = v1.nn.embedding_lookup(e, i, partition_strategy="div")
    r = v1.nn.embedding_lookup_sparse(
        e, tf.SparseTensor(tf.stack([i * 0, tf.range(tf.size(i, tf.int64))], 1), i, [1, 3]), None, combiner="sqrtn", partition_strategy="div")
    loss = tf.reduce_sum(tf.square(y)) + tf.reduce_sum(tf.square(q - 1.0)) + tf.reduce_sum(r)
    z.train(loss, v1.train.AdagradOptimizer(0.1).minimize(loss), {x: z.f32(2, 8), i: np.int64([1, 9, 4])})


@old
def v1_dropout_seeded(z):
    x = place(tf.float32, [4, 30])
    v1.set_random_seed(11)
    h = v1.nn.dropout(dense(x, 20, "a"), rate=0.4, seed=3) + v1.random_normal([4, 20], seed=8) * 0.1
    loss = tf.reduce_mean(tf.square(h - 1.0))
    op = v1.train.GradientDescentOptimizer(0.1).minimize(loss)
    g = v1.get_default_graph()
    z.train(loss, op, {x: z.f32(4, 30)}, extra=[v1.random_uniform([3], seed=4), v1.truncated_normal([3], seed=5), v1.multinomial([[0.1, 0.9]], 4, seed=6), v1.random_shuffle(tf.range(6), seed=2)])


@old
def v1_summaries(z):
    x = place(tf.float32, [4, 3])
    y = dense(x, 2, "a")
    loss = tf.reduce_sum(tf.square(y))
    v1.summary.scalar("loss", loss)
    v1.summary.histogram("y", y)
    merged = v1.summary.merge_all()
    op = v1.train.GradientDescentOptimizer(0.1).minimize(loss)
    z.train(loss, op, {x: z.f32(4, 3)})
    z.train(loss, tf.group(op, merged), {x: z.f32(4, 3)})


@old
def v1_metrics(z):
    x, y = place(tf.float32, [None]), place(tf.int64, [None])
    p = tf.cast(x > 0, tf.int64)
    ops = [v1.metrics.accuracy(y, p), v1.metrics.precision(y, p), v1.metrics.recall(y, p), v1.metrics.auc(y, tf.sigmoid(x)), v1.metrics.mean(x), v1.metrics.mean_squared_error(tf.cast(y, tf.float32), x),
           v1.metrics.mean_iou(y, p, 2), v1.metrics.root_mean_squared_error(tf.cast(y, tf.float32), x), v1.metrics.mean_per_class_accuracy(y, p, 2)]
    w = v1.get_variable("w", [])
    with v1.Session() as s:
        pass
    for v in v1.local_variables():
        v1.add_to_collection(v1.GraphKeys.GLOBAL_VARIABLES, v)
    z.train(ops[0][0], tf.group(*[o[1] for o in ops]), {x: z.f32(20), y: z.ints(2, 20, dtype=np.int64)}, extra=[o[0] for o in ops], variables=False)


@old
def v1_losses(z):
    x, y = place(tf.float32, [4, 3]), place(tf.float32, [4, 3])
    w = v1.get_variable("w", [3, 3])
    p = tf.matmul(x, w)
    L = v1.losses
    one = tf.one_hot(tf.argmax(y, 1), 3)
    L.mean_squared_error(y, p)
    L.absolute_difference(y, p, weights=0.5)
    L.huber_loss(y, p, weights=tf.constant([[1.0], [0.0], [2.0], [1.0]]))
    L.log_loss(one, tf.nn.softmax(p))
    L.hinge_loss(one, p)
    L.sigmoid_cross_entropy(one, p, label_smoothing=0.1)
    L.softmax_cross_entropy(one, p, label_smoothing=0.1)
    L.sparse_softmax_cross_entropy(tf.argmax(y, 1), p)
    L.cosine_distance(tf.nn.l2_normalize(y, 1), tf.nn.l2_normalize(p, 1), axis=1)
    L.mean_pairwise_squared_error(y, p)
    loss = L.get_total_loss()
    z.train(loss, v1.train.GradientDescentOptimizer(0.1).minimize(loss), {x: z.f32(4, 3), y: z.f32(4, 3)}, extra=v1.losses.get_losses())


@old
def v1_nce_and_sampled(z):
    x, y = place(tf.float32, [4, 5]), place(tf.int64, [4, 1])
    w, b = v1.get_variable("w", [20, 5]), v1.get_variable("b", [20])
    s = tf.nn.sampled_softmax_loss(w, b, y, x, 6, 20, seed=3)
    n = tf.nn.nce_loss(w, b, y, x, 6, 20, sampled_values=tf.random.uniform_candidate_sampler(y, 1, 6, True, 20, seed=4))
    loss = tf.reduce_mean(s + n)
    z.train(loss, v1.train.AdamOptimizer(0.01).minimize(loss), {x: z.f32(4, 5), y: z.ints(20, 4, 1, dtype=np.int64)})


@old
def v1_variables_ops(z):
    """References: assign, scatter, count_up_to, conditional writes, initialized_value, dependent initializers."""
    v = v1.get_variable("v", [4], initializer=v1.ones_initializer())
    c = v1.get_variable("c", [], tf.int32, initializer=v1.zeros_initializer(), trainable=False)
    u = v1.get_variable("u", initializer=lambda: v.initialized_value() * 3.0)
    x = place(tf.float32, [4])
    a = v1.assign_add(v, x)
    with tf.control_dependencies([a]):
        s = v1.scatter_update(v, [1, 2], [10.0, 20.0])
    with tf.control_dependencies([s]):
        t = v1.cond(tf.equal(c % 2, 0), lambda: v1.assign(u, v * 2.0), lambda: v1.assign_sub(u, v))
    with tf.control_dependencies([t]):
        op = tf.group(v1.assign_add(c, 1), v1.scatter_sub(u, [0], [1.0]))
    z.train(tf.reduce_sum(v) + tf.reduce_sum(u.read_value()), op, {x: z.f32(4)}, extra=[tf.identity(c)])


@old
def v1_variables_in_while(z):
    v = v1.get_variable("v", [3], initializer=v1.zeros_initializer())
    x = place(tf.float32, [3])

    def body(i):
        with tf.control_dependencies([v1.assign_add(v, x * tf.cast(i, tf.float32))]):
            return i + 1
    loop = v1.while_loop(lambda i: i < 4, body, [0], parallel_iterations=1)
    z.train(tf.reduce_sum(v), tf.group(loop), {x: z.f32(3)}, steps=2, extra=[tf.identity(v)])


@graph
def v1_resource_in_while(z):
    v1.disable_control_flow_v2()
    v = v1.get_variable("v", [3, 3], use_resource=True)
    w = v1.get_variable("w", [], use_resource=True, initializer=v1.ones_initializer())
    x = place(tf.float32, [2, 3])
    _, y = v1.while_loop(lambda i, y: i < 4, lambda i, y: (i + 1, v1.cond(tf.reduce_sum(y) > 0, lambda: tf.tanh(tf.matmul(y, v)) * w, lambda: tf.matmul(y, v) + x)), [0, x])
    loss = tf.reduce_mean(tf.square(y - 1.0))
    op = v1.train.AdamOptimizer(0.05).minimize(loss)
    v1.enable_control_flow_v2()
    z.train(loss, op, {x: z.f32(2, 3)})


@graph
def v1_with_v2_flow(z):
    """TensorFlow 1's session API with functional control flow: If and While, gradients in them."""
    v = v1.get_variable("v", [3, 3], use_resource=True)
    x, n = place(tf.float32, [None, 3]), place(tf.int32, [])
    _, y = v1.while_loop(lambda i, y: i < n, lambda i, y: (i + 1, v1.cond(tf.reduce_sum(y) > 0, lambda: tf.tanh(tf.matmul(y, v)), lambda: tf.matmul(y, v) + x)), [0, x])
    loss = tf.reduce_mean(tf.square(y - 1.0)) + v1.cond(n > 2, lambda: tf.reduce_sum(v * v), lambda: 0.0)
    op = v1.train.MomentumOptimizer(0.05, 0.9).minimize(loss)
    z.train(loss, op, {x: z.f32(2, 3), n: 4}, extra=v1.gradients(loss, [x]))
    z.train(loss, op, {x: z.f32(2, 3), n: 1})


@graph
def v1_functions(z):
    """Functions called in a graph of TensorFlow 1, and their gradients."""
    from tensorflow.python.framework import function
    w = v1.get_variable("w", [3], use_resource=True)

    @tf.function
    def f(x):
        return tf.sin(x) * w, tf.reduce_sum(x)
    x = place(tf.float32, [None, 3])
    a, b = f(x)
    c, d = f(a)
    loss = tf.reduce_sum(c) + b * d

    @function.Defun(tf.float32, tf.float32)
    def g(p, q):
        return p * q + 1.0, p - q
    e, h = g(loss, b)
    op = v1.train.GradientDescentOptimizer(0.01).minimize(loss + e * h * 0.01)
    z.train(loss, op, {x: z.f32(2, 3)}, extra=[e, h])


@old
def v1_saved_model(z):
    """Builder with several MetaGraphs, assets, tables, init op."""
    vocab = z.path("words.txt")
    with open(vocab, "w") as f:
        f.write("a\nb\nc\n")
    x = place(tf.string, [None], "x")
    asset = v1.constant(vocab, name="asset")
    v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, asset)
    table = tf.lookup.StaticVocabularyTable(tf.lookup.TextFileInitializer(asset, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER), 2)
    ids = table.lookup(x)
    e = v1.get_variable("e", [5, 2])
    extra = v1.get_local_variable("local", [2], initializer=v1.ones_initializer())
    y = tf.nn.embedding_lookup(e, ids) * extra
    folder = z.path("saved")
    builder = v1.saved_model.builder.SavedModelBuilder(folder)
    info = v1.saved_model.utils.build_tensor_info
    def signature(out):
        return v1.saved_model.signature_def_utils.build_signature_def({"x": info(x)}, {k: info(t) for k, t in out.items()}, "tensorflow/serving/predict")
    with v1.Session() as s:
        s.run([v1.global_variables_initializer(), v1.local_variables_initializer(), v1.tables_initializer()])
        init = tf.group(v1.tables_initializer(), v1.local_variables_initializer())
        builder.add_meta_graph_and_variables(s, ["serve"], {"serving_default": signature({"y": y, "ids": ids}), "again": signature({"x": x, "ids": ids})},
                                             assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS), main_op=init, strip_default_attrs=True)
        builder.add_meta_graph(["train", "gpu"], {"serving_default": signature({"double": y * 2.0})}, assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS), clear_devices=True)
        builder.save()
        feed = np.array(["a", "c", "q"], object)
        want = s.run({"y": y, "ids": ids}, {x: feed})
    z.ask(folder, "serving_default", {"x": feed}, want)
    z.ask(folder, "again", {"x": feed}, {"x": feed, "ids": want["ids"]})
    z.ask(folder, "serving_default", {"x": feed}, {"double": want["y"] * 2}, "train,gpu")


@old
def v1_sharded(z):
    x = place(tf.float32, [2, 3])
    y = dense(dense(x, 4, "a"), 2, "b")
    loss = tf.reduce_sum(tf.square(y))
    v1.train.Saver(sharded=True)
    z.train(loss, v1.train.AdamOptimizer().minimize(loss), {x: z.f32(2, 3)})


@old
def v1_simple_save(z):
    x, n = place(tf.float32, [None, 3], "x"), v1.placeholder_with_default(2.0, [], "n")
    y = dense(x, 2, "a", tf.nn.softmax) * n
    with v1.Session() as s:
        s.run(v1.global_variables_initializer())
        z.saved_model(s, {"x": x, "n": n}, {"y": y}, [{"x": z.f32(2, 3), "n": np.float32(3)}, {"x": z.f32(1, 3)}])


@old
def v1_freeze(z):
    x = place(tf.float32, [None, 6, 6, 2], "x")
    k = v1.get_variable("k", [3, 3, 2, 4])
    h = tf.nn.relu(tf.nn.conv2d(x, k, 1, "SAME"))
    _, h = v1.while_loop(lambda i, h: i < 3, lambda i, h: (i + 1, tf.nn.max_pool2d(h + tf.nn.bias_add(h, v1.get_variable("b", [4])), 2, 1, "SAME")), [0, h])
    y = dense(tf.reshape(h, [-1, 144]), 3, "out", tf.nn.softmax)
    with v1.Session() as s:
        s.run(v1.global_variables_initializer())
        g = v1.graph_util.convert_variables_to_constants(s, v1.get_default_graph().as_graph_def(), [y.op.name])
        g = v1.graph_util.remove_training_nodes(g, [y.op.name])
        feed = z.f32(2, 6, 6, 2)
        want = s.run([y], {x: feed})
    z.graph_def(g, {"x:0": feed}, [y.name], want)


@old
def v1_queue_free_input(z):
    """tf.Example parsing inside of the graph."""
    s = place(tf.string, [None])
    f = v1.parse_example(s, {"a": tf.io.FixedLenFeature([2], tf.float32), "b": tf.io.VarLenFeature(tf.int64), "c": tf.io.FixedLenFeature([], tf.string, "none"),
                             "d": tf.io.FixedLenSequenceFeature([2], tf.float32, allow_missing=True), "e": tf.io.SparseFeature(["i"], "v", tf.float32, [10])})
    def example(a, b, d, i, v, c=None):
        e = tf.train.Example()
        e.features.feature["a"].float_list.value.extend(a)
        e.features.feature["b"].int64_list.value.extend(b)
        e.features.feature["d"].float_list.value.extend(d)
        e.features.feature["i"].int64_list.value.extend(i)
        e.features.feature["v"].float_list.value.extend(v)
        if c:
            e.features.feature["c"].bytes_list.value.append(c)
        return e.SerializeToString()
    feed = np.array([example([1, 2], [3, 4, 5], [1, 2, 3, 4], [2, 7], [.5, .6], b"x"), example([3, 4], [], [], [], [])], object)
    out = [f["a"], f["b"].values, f["b"].indices, f["b"].dense_shape, f["c"], f["d"], v1.sparse_tensor_to_dense(f["e"])]
    z.session(out, {s: feed})


@old
def v1_string_to_number(z):
    s = place(tf.string, [None])
    parts = v1.string_split(s, ",")
    z.session([v1.sparse_tensor_to_dense(parts, ""), v1.string_to_number(parts.values), v1.string_to_hash_bucket_fast(s, 11), v1.decode_csv(s, [[0.0], [0], [""]])[2], v1.substr(s, 0, 2)],
              {s: np.array(["1.5,2,3", "4,5,-6"], object)})
