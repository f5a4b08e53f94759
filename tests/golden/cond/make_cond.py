#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the conditionals beside this file with TensorFlow 1's control flow (Switch and Merge), and what TensorFlow
answers. One folder a case: graph.pb; cases.txt: a line a run: fed value of p, fed value of x (two floats), and for
each fetched name its float values. Names that are fetched: out_0, out_1, ...; targets first: "init" once a session."""
import os
import sys
import numpy as np
import tensorflow as tf
from tensorflow.python.framework import function

tf1 = tf.compat.v1
tf1.disable_eager_execution()
tf1.disable_control_flow_v2()
tf1.disable_resource_variables()
v1_attr = tf1.AttrValue
here = os.path.dirname(os.path.abspath(__file__))


def plain(p, x):
    w = tf.constant([2.0, 3.0])
    y = tf1.cond(p, lambda: tf.square(x) * w, lambda: tf.tanh(x) - 1.0)
    return [y, y + x]


def gradient(p, x):
    y = tf1.cond(p, lambda: tf.square(x) * tf.exp(x), lambda: tf.sigmoid(x))
    return [y] + tf1.gradients(tf.reduce_sum(y * y), [x])


def one_side(p, x):
    """A value that only one branch uses: its gradient is zeros on the other side."""
    u = tf.sin(x)
    y = tf1.cond(p, lambda: tf.square(u), lambda: x + 1.0)
    return [y] + tf1.gradients(y, [x, u])


def nested(p, x):
    q = tf.reduce_sum(x) > 0.0
    y = tf1.cond(p, lambda: tf1.cond(q, lambda: x * 2.0, lambda: x * x),
                 lambda: tf1.cond(q, lambda: tf.exp(x), lambda: -x * 3.0))
    return [y] + tf1.gradients(y, [x])


def same_predicate(p, x):
    """Conditionals of one predicate in a row, and one inside another."""
    y = tf1.cond(p, lambda: x * 2.0, lambda: x - 1.0)
    z = tf1.cond(p, lambda: tf.square(y), lambda: tf.sin(y))
    q = tf1.cond(p, lambda: tf1.cond(p, lambda: z + x, lambda: z - x), lambda: y * z)
    return [q] + tf1.gradients(q, [x])


def guard(p, x):
    with tf.control_dependencies([tf1.Assert(tf.reduce_all(x < 100.0), [x]), tf1.assert_less(x, 90.0)]):
        y = tf.identity(x) * 2.0
    return [y, tf1.cond(p, lambda: y, lambda: -y)]


def variables(p, x):
    v = tf1.get_variable("v", initializer=[1.0, 2.0])
    r = tf1.get_variable("r", initializer=[5.0, 6.0], use_resource=True)

    def yes():
        with tf.control_dependencies([tf1.assign_add(v, x), r.assign_sub(x)]):
            return tf.constant(1.0)

    def no():
        with tf.control_dependencies([tf1.assign(v, x * 10.0)]):
            return tf.constant(-1.0)

    done = tf1.cond(p, yes, no)
    with tf.control_dependencies([done]):
        return [done, v.read_value() if hasattr(v, "read_value") else tf.identity(v), r.read_value()]


def loop_in_cond(p, x):
    def turn():
        return tf1.while_loop(lambda i, a: i < 3, lambda i, a: [i + 1, tf.tanh(a) * x + a], [tf.constant(0), x])[1]

    y = tf1.cond(p, turn, lambda: x * 0.5)
    return [y] + tf1.gradients(y, [x])


def cond_in_loop(p, x):
    def body(i, a):
        b = tf1.cond(tf.equal(i % 2, 0), lambda: tf.sin(a) * x, lambda: a * a + 1.0)
        c = tf1.cond(p, lambda: b + a, lambda: b)
        return [i + 1, c]

    y = tf1.while_loop(lambda i, a: i < 4, body, [tf.constant(0), x])[1]
    return [y] + tf1.gradients(y, [x])


def loops_and_conds(p, x):
    """A loop in a conditional in a loop."""
    def inner(a):
        return tf1.while_loop(lambda j, b: j < 2, lambda j, b: [j + 1, tf.sin(b) + x], [tf.constant(0), a])[1]

    def body(i, a):
        return [i + 1, tf1.cond(tf.logical_or(p, i > 0), lambda: inner(a), lambda: a * 2.0)]

    y = tf1.while_loop(lambda i, a: i < 3, body, [tf.constant(0), x])[1]
    return [y] + tf1.gradients(y, [x])


def case(p, x):
    s = tf.reduce_sum(x)
    y = tf1.case([(s < -1.0, lambda: x * 2.0), (s < 1.0, lambda: tf.square(x))], default=lambda: x - 7.0, exclusive=False)
    return [y] + tf1.gradients(y, [x])


def many_values(p, x):
    a, b = tf1.cond(p, lambda: (x, tf.reduce_sum(x)), lambda: (tf.concat([x, x], 0), tf.constant(3.0)))
    return [a, b, tf1.cond(p, lambda: tf.unique(x)[0], lambda: a * b)]


def two_towers(p, x):
    """Conditionals of two predicates whose order differs in two parallel paths."""
    q = x[0] > 0.0
    a = tf1.cond(q, lambda: tf1.cond(p, lambda: x + 1.0, lambda: x - 1.0) * 3.0, lambda: x)
    c = tf1.cond(q, lambda: tf.sin(x), lambda: tf.cos(x))
    d = tf1.cond(p, lambda: c * a, lambda: c - a)
    return [d] + tf1.gradients(d, [x])


def nested_loops(p, x):
    """Loops in a loop, whose values swap; the inner one runs a different number of times each time."""
    def inner(i, a):
        return tf1.while_loop(lambda j, b: j < i, lambda j, b: [j + 1, tf.sin(b) * x + 0.5], [tf.constant(0), a])[1]

    def body(i, a, b):
        return [i + 1, tf1.cond(p, lambda: b, lambda: tf.tanh(b)), inner(i, a)]

    y = tf1.while_loop(lambda i, a, b: i < 4, body, [tf.constant(0), x, x * 2.0])
    return [y[1], y[2]] + tf1.gradients(y[1] * y[2], [x])


def arrays(p, x):
    """TensorArrays: read, written and stacked in a loop, with gradients."""
    xs = tf.TensorArray(tf.float32, 2).unstack(x)
    ys = tf.TensorArray(tf.float32, 2)

    def body(i, s, ys):
        t = tf.tanh(xs.read(i)) + s
        return [i + 1, t, ys.write(i, tf1.cond(p, lambda: t * t, lambda: t))]

    _, s, ys = tf1.while_loop(lambda i, s, ys: i < 2, body, [tf.constant(0), tf.constant(0.5), ys])
    y = ys.stack()
    return [y, s] + tf1.gradients(tf.reduce_sum(y) * s, [x])


def call_in_loop(p, x):
    """A function whose random numbers depend on none of its arguments: new ones each time it is called, and none
    when it is not."""
    tf1.set_random_seed(5)

    @function.Defun(tf.float32)
    def draw(a):
        return a + tf1.random_uniform([2], seed=7)

    def drawn(a):
        y = draw(a)
        y.set_shape([2])
        return y

    y = tf1.while_loop(lambda i, a: i < 3, lambda i, a: [i + 1, drawn(a * 0.5)], [tf.constant(0), x],
                        parallel_iterations=1)[1]
    return [y, tf1.cond(p, lambda: drawn(x), lambda: x)]


def two_loops(p, x):
    """A loop's results begin another one, conditions in both: between its Switch and its Exit a gradient has an Identity."""
    def turn(a, b, n):
        def body(i, a, b):
            return [i + 1, tf1.cond(p, lambda: tf.sin(b) * x, lambda: b + x), tf1.cond(p, lambda: a - b, lambda: tf.cos(a))]

        return tf1.while_loop(lambda i, a, b: i < n, body, [tf.constant(0), a, b])[1:]

    y, z = turn(*turn(x, x * 2.0, 2), 3)
    return [y, z] + tf1.gradients(y * z, [x], gate_gradients=True)


def seen_late(p, x):
    """Reads of a variable show what is there when their users run, also through a condition."""
    v = tf1.get_variable("v", initializer=[1.0, 2.0])
    read = v.value()
    with tf.control_dependencies([tf1.assign_add(v, x)]):
        y = read * 2.0
        z = tf1.cond(p, lambda: read + 1.0, lambda: read - x)
    return [y, z]


def fed_first(p, x):
    """To wait for what is fed."""
    with tf.control_dependencies([x.op, p.op]):
        return [tf.constant(3.0) * x]


def partly_known(p, x):
    """Of a node's outputs some are known ahead, others are not: what is looked up in a variable has an unknown shape."""
    v = tf1.get_variable("v", initializer=[[1.0, 2.0], [3.0, 4.0]], use_resource=True)
    y = tf.concat([tf1.placeholder_with_default(x[:, None] * 2.0, [None, 1]), tf.nn.embedding_lookup(v, [1, 0])], 1)
    z = tf.matmul(y, tf.constant([[1.0], [2.0], [3.0]]))
    g, h = tf1.gradients(tf.square(z), [x, v])
    return [z, g, h.values]


def overlapping(p, x):
    """Conditions of which neither is within the other; Merges of what lives under both, and of more than two values."""
    q = x[0] > 0.0
    pf, pt = tf.raw_ops.Switch(data=x, pred=p)
    qf, qt = tf.raw_ops.Switch(data=x * 3.0, pred=q)
    nf, nt = tf.raw_ops.Switch(data=tf.exp(pf), pred=q)
    with tf.control_dependencies([tf.identity(qf)]):
        waits = tf.identity(pt) * 7.0
    y, i = tf.raw_ops.Merge(inputs=[pt + qt, waits, pf * qf, pf - qt])
    z, k = tf.raw_ops.Merge(inputs=[nf, pt, nt + 0.5])
    return [y, tf.cast(i, tf.float32), z, tf.cast(k, tf.float32)]


def second_gradient(p, x):
    """The gradient of a gradient: what one branch computed is wanted in branches of later conditionals."""
    q = tf.reduce_sum(x) > 0.0
    y = tf1.cond(p, lambda: tf1.cond(q, lambda: tf.exp(x), lambda: x * x * x), lambda: tf.sin(x)) * x
    g, = tf1.gradients(y, [x])
    return [g] + tf1.gradients(g, [x])


def switch_n(p, x):
    """As a Case becomes when its control flow is lowered."""
    k = tf.cast(x[0] * 2.0, tf.int32) + tf.cast(p, tf.int32)
    def branches(v):
        return tf1.get_default_graph().create_op("_SwitchN", [v, k], [tf.float32] * 3, name="switch",
                                                 attrs={"num_outs": v1_attr(i=3), "T": v1_attr(type=1)}).outputs
    a, b = branches(x), branches(x * x)
    y, i = tf.raw_ops.Merge(inputs=[a[0] + b[0], b[1] * 2.0, -a[2]])
    return [y, tf.cast(i, tf.float32)]


CASES = [plain, gradient, one_side, nested, same_predicate, guard, variables, loop_in_cond, cond_in_loop, loops_and_conds,
         case, many_values, two_towers, nested_loops, arrays, call_in_loop, two_loops, seen_late, fed_first, partly_known, overlapping,
         second_gradient, switch_n]
FEEDS = [(True, [0.5, -0.25]), (False, [0.5, -0.25]), (True, [-2.0, 0.75]), (False, [-2.0, 0.75])]

for make in CASES:
    if sys.argv[1:] and make.__name__ not in sys.argv[1:]:
        continue
    folder = os.path.join(here, make.__name__)
    os.makedirs(folder, exist_ok=True)
    with tf.Graph().as_default() as g:
        p = tf1.placeholder(tf.bool, [], "p")
        x = tf1.placeholder(tf.float32, [2], "x")
        outs = [tf.identity(y, "out_%d" % i) for i, y in enumerate(make(p, x))]
        init = tf.group(tf1.global_variables_initializer(), name="init")
        with tf1.Session() as s, open(os.path.join(folder, "cases.txt"), "w") as f:
            s.run(init)
            for pv, xv in FEEDS:
                values = s.run(outs, {p: pv, x: xv})
                parts = [" ".join("%.9g" % v for v in np.ravel(y)) for y in values]
                f.write("%d %g %g | %s\n" % (pv, xv[0], xv[1], " | ".join(parts)))
        with open(os.path.join(folder, "graph.pb"), "wb") as f:
            f.write(g.as_graph_def().SerializeToString())
