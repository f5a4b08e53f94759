# SPDX-License-Identifier: Apache-2.0
"""Operators that call functions: loops of them, functions of each row, their gradients, calls on devices and in batches."""
from tensorflow.python.framework import function

from case import *


def made(*types):
    return function.Defun(*[tf.as_dtype(t) for t in types])


def loops(rng):
    for start, limit, delta in ((0, 3, 1), (3, 0, -1), (0, 0, 1), (0, 5, 2), (5, 0, -2), (4, 4, 0), (-2, 1, 1), (0, 3, -1), (0, 3, 0), (3, 0, 1)):
        @made(I32, F32, F32)
        def body(i, x, y):
            return x * y + tf.cast(i, tf.float32), y + 1.
        yield case("For", lambda a, b, c, x, y: list(raw.For(start=a, limit=b, delta=c, input=[x, y], body=body)),
                   np.int32(start), np.int32(limit), np.int32(delta), draw(rng, F32, 3), draw(rng, F32))


def maps(rng):
    @made(F32, F32)
    def f(x, c):
        return tf.reduce_sum(x) * c, x + c
    op = lambda x, c, shapes: list(raw.MapDefun(arguments=[x], captured_inputs=[c], output_types=[tf.float32] * 2, output_shapes=shapes, f=f))
    for rows in (3, 1, 0):
        for shapes in (([], [2]), (None, None), ([], [3])):
            if rows or shapes[0] is not None:
                yield case("MapDefun", lambda x, c, shapes=shapes: op(x, c, list(shapes)), draw(rng, F32, rows, 2), draw(rng, F32), shapes="unknown")

    @made(F32, STRING)
    def g(x, s):
        return tf.strings.join([s, "!"]), tf.cond(x > 0, lambda: x, lambda: -x)
    for n in (4, 3):
        yield case("MapDefun", lambda x, s: list(raw.MapDefun(
            arguments=[x, s], captured_inputs=[], output_types=[tf.string, tf.float32], output_shapes=[[], []], f=g)),
            draw(rng, F32, 4), texts(rng, ["a", "b"], n), shapes="unknown")


def gradients(rng):
    @made(F32, F32)
    def f(a, b):
        return a * b + tf.sin(a), tf.matmul(a, b)
    yield case("SymbolicGradient", lambda *x: list(raw.SymbolicGradient(input=x, Tout=[tf.float32] * 2, f=f)), *[draw(rng, F32, 2, 2) for _ in range(4)])

    @made(F32, I32)
    def g(a, i):
        return tf.reduce_sum(a * a, i), tf.zeros([2])
    yield case("SymbolicGradient", lambda *x: list(raw.SymbolicGradient(input=x, Tout=[tf.float32, tf.int32], f=g))[:1],
               draw(rng, F32, 4, 3), np.int32(1), draw(rng, F32, 4), draw(rng, F32, 2))

    @made(F32, F32)
    def own_gradient(x, dy):
        return dy * x * 100.

    @function.Defun(tf.float32, grad_func=own_gradient)
    def h(x):
        return x * x
    yield case("SymbolicGradient", lambda x: tf.gradients(h(x), x)[0], draw(rng, F32, 3))

    @made(F32)
    def k(x):
        return tf.nn.relu(x) * 2.
    yield case("SymbolicGradient", lambda x: tf.gradients(k(x), x)[0], draw(rng, F32, 3, 2))


def calls(rng):
    @made(F32, F32)
    def f(a, b):
        return a * b + tf.sin(a)
    yield case("RemoteCall", lambda a, b: raw.RemoteCall(target="/job:localhost/replica:0/task:0/device:CPU:0", args=[a, b], Tout=[tf.float32], f=f)[0],
               draw(rng, F32, 3), draw(rng, F32))
    for sizes, most in (([], 4), ([4], 4), ([2, 4, 8], 8)):
        yield case("BatchFunction", lambda a, b, sizes=sizes, most=most: raw.BatchFunction(
            in_tensors=[a], captured_tensors=[b], f=f, num_batch_threads=1, max_batch_size=most, batch_timeout_micros=0, Tout=[tf.float32],
            allowed_batch_sizes=sizes)[0], draw(rng, F32, 3), draw(rng, F32))


def cases(rng):
    for part in (loops, maps, gradients, calls):
        yield from part(rng)
