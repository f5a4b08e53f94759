# SPDX-License-Identifier: Apache-2.0
"""Gradients through TensorFlow 1's loops and conditionals, nested in each other, with arrays of tensors and recurrent layers:
TensorFlow's own, and ours through the same frames."""
import collections

from tensorflow.python.ops import rnn

from case import *

SHAPE = (2, 3)


# ==== trees of loops and branches ====

def plain(rng, v, depth):
    x, y = v[rng.integers(len(v))], v[rng.integers(len(v))]
    w = (rng.normal(size=(3, 3)) * .4).astype(F32)
    return [lambda: tf.tanh(x) + y * .5, lambda: x * y * .3, lambda: tf.matmul(x, w), lambda: tf.sigmoid(x - y), lambda: tf.where(x > y, x, y * .2),
            lambda: tf.stop_gradient(x) + y, lambda: x - tf.reduce_mean(y, 0, keepdims=True)][rng.integers(7)]()


def holds(rng, v):
    return tf.reduce_sum(v[rng.integers(len(v))]) > float(rng.normal())


def branch(rng, v, depth):
    p = holds(rng, v)
    if rng.random() < .2:
        p = tf.constant(bool(rng.integers(2)))
    return tf.cond(p, lambda: tree(rng, v, depth - 1), lambda: pick(rng, v[0], tree(rng, v, depth - 1)) + 0.)


def several(rng, v, depth):
    """A branch of two results, one of which may be dropped."""
    a, b = tf.cond(holds(rng, v), lambda: [tree(rng, v, depth - 1), tf.shape(v[0])[0]], lambda: [v[-1] * 2., tf.constant(7)])
    return a * tf.cast(b, tf.float32) * .1 if rng.random() < .5 else a + 0.


def case_of(rng, v, depth):
    return v1.case([(holds(rng, v), lambda: tree(rng, v, depth - 1)), (holds(rng, v), lambda: tf.square(v[0]) * .2)],
                   default=lambda: plain(rng, v, 0))


def loop(rng, v, depth):
    n = int(rng.integers(0, 4))
    return tf.while_loop(lambda i, a: i < n, lambda i, a: [i + 1, tree(rng, [a] + v, depth - 1) * .7], [0, tree(rng, v, 0)],
                         shape_invariants=[tf.TensorShape([]), tf.TensorShape(pick(rng, SHAPE, [None, 3], None))])[1]


def until(rng, v, depth):
    """The number of iterations depends on the values; two variables change places, one is never used."""
    def body(i, a, b, unused):
        return [i + 1, tf.tanh(b) + .1, tree(rng, [a, b], depth - 1), unused * 2.]
    return tf.while_loop(lambda i, a, b, _: tf.logical_and(i < 5, tf.reduce_sum(tf.abs(a)) < 8.), body, [tf.constant(0), v[0], v[-1], tf.constant(1.)])[1]


def grows(rng, v, depth):
    n = int(rng.integers(1, 4))
    a = tf.while_loop(lambda i, a: i < n, lambda i, a: [i + 1, tf.concat([a, tf.tanh(a[:1] * v[0][:1])], 0)], [0, v[-1]],
                      shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, 3])])[1]
    return a[:2] + tf.reduce_mean(a)


def mapped(rng, v, depth):
    return tf.reshape(tf.map_fn(lambda r: tree(rng, [tf.tile(r[None], [2, 1])] + v, depth - 1)[0], v[0]), SHAPE)


def scanned(rng, v, depth):
    return tf.reshape(tf.scan(lambda a, r: tree(rng, [tf.tile(a[None], [2, 1]), tf.tile(r[None], [2, 1])], 0)[1], v[0], v[-1][0],
                              reverse=bool(rng.integers(2))), SHAPE)


def folded(rng, v, depth):
    f = pick(rng, tf.foldl, tf.foldr)
    return tf.tile(f(lambda a, r: tf.tanh(a * .5 + r), v[0], v[-1][1])[None], [2, 1])


def array(rng, v, depth):
    """Reads and writes one array after another in loops; how it is filled and emptied."""
    n = int(rng.integers(2, 5))
    a = tf.TensorArray(tf.float32, n, clear_after_read=bool(rng.integers(2)), element_shape=pick(rng, None, SHAPE))
    how = rng.integers(3)
    if how == 0:
        a = a.unstack(tf.stack([v[i % len(v)] * (i + 1.) for i in range(n)]))
    elif how == 1:
        a = a.scatter(list(range(n))[::-1], tf.stack([v[i % len(v)] - i for i in range(n)]))
    else:
        a = a.split(tf.concat([v[i % len(v)] + i for i in range(n)], 0), [2] * n)
    b = tf.TensorArray(tf.float32, 0 if rng.random() < .3 else n, dynamic_size=True, element_shape=SHAPE)
    _, b, last = tf.while_loop(lambda i, *_: i < n, lambda i, b, c: (i + 1, b.write(i, tf.tanh(a.read(i)) + c * .5), tree(rng, [c] + v, depth - 1) * .6),
                               [0, b, v[-1]])
    how = rng.integers(4)
    if how == 0:
        return tf.reduce_sum(b.stack(), 0) + last
    if how == 1:
        return tf.reduce_mean(b.gather([0, n - 1]), 0)
    if how == 2:
        return b.concat()[1:3] * 1.5
    return b.read(n - 1) - last


# ==== recurrent layers ====

State = collections.namedtuple("State", "c h")


class Cell:
    """An LSTM's or GRU's arithmetic with weights that are given, as RNNCell has it."""
    def __init__(self, kernel, units, lstm):
        self.kernel, self.units, self.lstm = kernel, units, lstm

    @property
    def state_size(self):
        return State(self.units, self.units) if self.lstm else self.units

    @property
    def output_size(self):
        return self.units

    def zero_state(self, batch, dtype):
        z = tf.zeros([batch, self.units], dtype)
        return State(z, z) if self.lstm else z

    def __call__(self, x, state, scope=None):
        h = state[1] if self.lstm else state
        z = tf.matmul(tf.concat([x, h], 1), self.kernel)
        if not self.lstm:
            r, u = tf.split(tf.sigmoid(z[:, :2 * self.units]), 2, 1)
            new = u * h + (1 - u) * tf.tanh(z[:, 2 * self.units:] * r)
            return new, new
        i, j, f, o = tf.split(z, 4, 1)
        c = state[0] * tf.sigmoid(f + 1.) + tf.sigmoid(i) * tf.tanh(j)
        new = tf.tanh(c) * tf.sigmoid(o)
        return new, State(c, new)


def recurrent(rng, lengths, lstm, major, both, what):
    def build(x, kernel, kernel2):
        cell, more = Cell(kernel, 3, lstm), {}
        if lengths is not None:
            more["sequence_length"] = tf.constant(lengths)
        if both:
            out, state = rnn.bidirectional_dynamic_rnn(cell, Cell(kernel2, 3, lstm), x, dtype=tf.float32, time_major=major, **more)
            out, state = tf.concat(out, 2), state[1]
        else:
            out, _ = rnn.dynamic_rnn(cell, x, dtype=tf.float32, time_major=major, **more)
            with v1.variable_scope("second"):
                out, state = rnn.dynamic_rnn(Cell(kernel2, 3, lstm), out, dtype=tf.float32, time_major=major, **more)
        state = state[0] if lstm else state
        return [[out], [state], [out, state]][what]
    return build


STEPS = [plain, branch, several, case_of, loop, until, grows, mapped, scanned, folded, array]


def tree(rng, v, depth):
    x = (STEPS[rng.integers(len(STEPS))] if depth > 0 else plain)(rng, v, depth)
    x.set_shape(SHAPE)
    return x


def trees(seed, first, depth):
    def build(*ph):
        rng = np.random.default_rng(seed)
        out = [first(rng, [tf.reshape(x, SHAPE) for x in ph], depth)]
        return out + [tree(rng, out + [ph[0] * 1.], 1)] if rng.random() < .3 else out
    return build


# ==== waiting for what a loop gave ====

def later(loop, op):
    """Its gradient, which waits for something that is made of the result: the forward loop counts its iterations only then."""
    def build(x, w):
        y = loop(x, w)
        with tf.control_dependencies([tf.reduce_mean(y) if op else tf.group(tf.reduce_mean(y))]):
            return y, *tf.gradients(tf.reduce_sum(y * y), [x, w])
    return build


def stacked(x):
    """The list that a loop fills is looked at, and somebody only waits for its stacking."""
    def f(x):
        y = tf.map_fn(lambda r: tf.sin(r) * 2., x)
        with tf.control_dependencies([y]):
            return y * .5, x + 1.
    return tf.function(f)(x)


def turns(x, w):
    return tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, tf.sin(a) * w), [0, x])[1]


def rows(x, w):
    return tf.map_fn(lambda r: tf.sin(r) * w, x)


def cases(rng):
    for step in STEPS[1:]:
        for depth in (1, 2)[:1 + (step in (branch, loop, array))]:
            yield case("%s_%d" % (step.__name__, depth), trees(int(rng.integers(1 << 30)), step, depth), *[draw(rng, F32, *SHAPE) for _ in range(2)], grad=[0, 1],
                       tol=(2e-3, 2e-4))
    for n in range(4):
        steps, batch, width, lstm, both = int(rng.integers(1, 5)), int(rng.integers(1, 4)), int(rng.integers(1, 4)), bool(n % 2), bool(rng.integers(2))
        major, gates = bool(rng.integers(2)), 4 if n % 2 else 3
        lengths = None if rng.random() < .3 else rng.integers(0, steps + 1, batch).astype(I32)
        x = draw(rng, F32, *((steps, batch, width) if major else (batch, steps, width)))
        kernels = [draw(rng, F32, k + 3, gates * 3) * F32(.4) for k in (width, width if both else 3)]
        yield case("rnn_%d" % n, recurrent(rng, lengths, lstm, major, both, int(rng.integers(3))), x, *kernels, grad=[0, 1, 2], tol=(2e-3, 2e-4), shapes="known")
    for f, op in ((turns, False), (rows, False), (rows, True)):
        yield case("later_%s%s" % (f.__name__, op * "_value"), later(f, op), F32([[.1, .2, -.3], [.4, .5, 1]]), F32([1.5, -.5, 2]))
    yield case("stacked", stacked, F32([[.1, .2, -.3], [.4, .5, 1]]), shapes="known")
