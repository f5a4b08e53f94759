# SPDX-License-Identifier: Apache-2.0
"""Random graphs of a few dozen operations, for what a planner does with many of them: matrices of float, products, chains of
element-wise operations, reductions, cuts, joins, functions, branches and loops (as frames of TensorFlow 1, or as If and
While), and their gradients."""
from case import *


class Draft:
    """A graph being drawn: matrices and what is known of their shapes."""
    def __init__(self, rng, ph, shapes):
        self.rng, self.m = rng, list(zip(ph, shapes))

    def any(self):
        return self.m[self.rng.integers(len(self.m))]

    def fitting(self, shape):
        """One that broadcasts against the shape, else a scalar."""
        fits = [x for x, s in self.m if all(a in (1, b) for a, b in zip(s, shape))]
        return fits[self.rng.integers(len(fits))] if fits else tf.constant(.7)

    def add(self, x, shape):
        if shape[0] * shape[1] < 200 and min(shape):
            self.m.append((x, tuple(int(d) for d in shape)))


UNARY = [tf.tanh, tf.sigmoid, tf.nn.relu, tf.nn.elu, tf.nn.softplus, tf.abs, lambda x: tf.square(x) * .3, lambda x: tf.exp(-tf.abs(x)), tf.sin,
         lambda x: tf.maximum(x, -.4), lambda x: tf.clip_by_value(x, -1., 1.), tf.nn.leaky_relu, lambda x: x * .5 + .25, lambda x: tf.math.rsqrt(tf.square(x) + 1.),
         tf.identity, tf.stop_gradient, lambda x: tf.cast(tf.cast(x, tf.float64), tf.float32), lambda x: tf.where(x > 0, x, -x * .2), tf.negative]
BINARY = [tf.add, tf.subtract, lambda a, b: a * b * .5, tf.maximum, tf.minimum, lambda a, b: a / (tf.abs(b) + 1.), tf.math.squared_difference,
          lambda a, b: tf.where(a > b, a, b * .5)]
REDUCE = [tf.reduce_sum, tf.reduce_mean, tf.reduce_max, tf.reduce_min]


def unary(d):
    x, s = d.any()
    d.add(UNARY[d.rng.integers(len(UNARY))](x), s)


def binary(d):
    x, s = d.any()
    d.add(BINARY[d.rng.integers(len(BINARY))](x, d.fitting(s)), s)


def product(d):
    (x, s), (y, t) = d.any(), d.any()
    if s[1] == t[0]:
        z, shape = tf.matmul(x, y), (s[0], t[1])
    elif s[1] == t[1]:
        z, shape = tf.matmul(x, y, transpose_b=True), (s[0], t[0])
    elif s[0] == t[0]:
        z, shape = tf.matmul(x, y, transpose_a=True), (s[1], t[1])
    else:
        w = d.rng.normal(size=(s[1], 3)).astype(F32) * .4
        z, shape = tf.nn.bias_add(tf.matmul(x, w), d.rng.normal(size=3).astype(F32)), (s[0], 3)
    d.add([tf.identity, tf.nn.relu, tf.tanh][d.rng.integers(3)](z), shape)


def reduced(d):
    x, s = d.any()
    axis = int(d.rng.integers(2))
    d.add(REDUCE[d.rng.integers(len(REDUCE))](x, axis, keepdims=True), tuple(1 if i == axis else n for i, n in enumerate(s)))


def moved(d):
    x, s = d.any()
    which = d.rng.integers(8)
    if which == 0:
        d.add(tf.transpose(x), s[::-1])
    elif which == 1:
        d.add(tf.reshape(x, [s[1], s[0]]), s[::-1])
    elif which == 2:
        d.add(tf.concat([x, x * .5], 1), (s[0], 2 * s[1]))
    elif which == 3 and s[0] > 1:
        d.add(x[1:, :], (s[0] - 1, s[1]))
    elif which == 4:
        d.add(tf.gather(x, [0, s[0] - 1, 0]), (3, s[1]))
    elif which == 5:
        d.add(tf.pad(x, [[0, 1], [1, 0]]), (s[0] + 1, s[1] + 1))
    elif which == 6:
        d.add(tf.reverse(x, [0]), s)
    else:
        a, b = tf.unstack(tf.stack([x, x + 1.]))
        d.add(a * b * .3, s)


def summed(d):
    x, s = d.any()
    which = d.rng.integers(4)
    d.add([tf.nn.softmax, tf.nn.log_softmax, lambda x: tf.cumsum(x, 1) * .3, lambda x: x - tf.reduce_mean(x, keepdims=True)][which](x), s)


def branch(d):
    x, s = d.any()
    y = d.fitting(s)
    d.add(tf.cond(tf.reduce_sum(x) > float(d.rng.normal()), lambda: tf.tanh(x) + y, lambda: x * y - .5), s)


def loop(d):
    x, s = d.any()
    y, n = d.fitting(s), int(d.rng.integers(0, 4))
    _, out = tf.while_loop(lambda i, v: i < n, lambda i, v: (i + 1, tf.tanh(v * .7 + y)), [0, x], shape_invariants=[tf.TensorShape([]), tf.TensorShape(None)])
    d.add(out, s)


def rows(d):
    x, s = d.any()
    which = d.rng.integers(3)
    w = (d.rng.normal(size=(s[1], s[1])) * .3).astype(F32)
    if which == 0:
        d.add(tf.reshape(tf.map_fn(lambda r: tf.sin(r) * .5, x), s), s)
    elif which == 1:
        d.add(tf.reshape(tf.scan(lambda a, r: tf.tanh(a * .5 + tf.reshape(tf.matmul(tf.reshape(r, [1, s[1]]), w), [s[1]])), x, tf.zeros([s[1]])), s), s)
    else:
        d.add(tf.reshape(tf.foldl(lambda a, r: a * .4 + r, x), [1, s[1]]), (1, s[1]))


def call(d):
    x, s = d.any()
    y = d.fitting(s)

    @tf.function
    def f(a, b):
        return tf.nn.relu(a + b) * .5, a - tf.sigmoid(b)
    a, b = f(x, y)
    d.add(tf.reshape(a, s), s)
    d.add(tf.reshape(b, s), s)


STEPS = [unary] * 6 + [binary] * 6 + [product] * 4 + [reduced] * 2 + [moved] * 4 + [summed] * 2 + [branch, loop, rows, call]


def graph(seed, shapes, old):
    def build(*ph):
        rng = np.random.default_rng(seed)
        (v1.disable_control_flow_v2 if old else v1.enable_control_flow_v2)()
        try:
            d = Draft(rng, ph, shapes)
            for _ in range(int(rng.integers(6, 30))):
                step = STEPS[rng.integers(len(STEPS))]
                if not (old and step is call):
                    step(d)
            late = [x for x, _ in d.m[len(ph):]][-3:]
            return late or [tf.identity(ph[0])]
        finally:
            v1.disable_control_flow_v2()
    return build


def cases(rng):
    for n in range(40):
        shapes = [shape_of(rng, 2, 4, 0) for _ in range(3)]
        yield case("graph_%d" % n, graph(int(rng.integers(1 << 30)), shapes, bool(n % 2)), *[draw(rng, F32, *s) for s in shapes],
                   grad=[0, 1, 2], tol=(2e-3, 2e-4))
