# SPDX-License-Identifier: Apache-2.0
"""Operators that call functions: loops of them, functions of each row, their gradients, calls on devices and in batches."""
from tensorflow.python.framework import function

from case import *

RESOURCE = tf.resource


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


STUB = "Stub"


def outs_of(n):
    return ["y%d" % i for i in range(n)]


def called(name, ins, outs):
    """What stands for a function that is not there yet; recursive() puts the function's own name in its place."""
    @function.Defun(*[tf.as_dtype(t) for t in ins], func_name=name + STUB, out_names=outs_of(len(outs)))
    def stub(*args):
        made = [tf.zeros([], t) for t in outs]
        return made if len(made) > 1 else made[0]
    return stub


def named(name, outs, *types):
    return function.Defun(*[tf.as_dtype(t) for t in types], func_name=name, out_names=outs_of(outs))


def recursive(build, *args):
    """build's graph within the case's, with functions that call themselves."""
    with tf.Graph().as_default() as g:
        ph = [v1.placeholder(x.dtype, x.shape) for x in args]
        outs = build(*ph)
        outs = outs if isinstance(outs, list) else [outs]
        names = [o.name for o in outs]
    d = g.as_graph_def()
    for f in d.library.function:
        for n in f.node_def:
            n.op = n.op.removesuffix(STUB)
    kept = [f for f in d.library.function if not f.signature.name.endswith(STUB)]
    del d.library.function[:]
    d.library.function.extend(kept)
    return list(tf.import_graph_def(d, input_map={p.name: x for p, x in zip(ph, args)}, return_elements=names, name=""))


def choose(**kw):
    return list(raw.StatelessIf(**kw))


def factorial(n):
    fact = called("Factorial", [I32], [I32])

    @made(I32)
    def one(n):
        return tf.ones_like(n)

    @made(I32)
    def more(n):
        return n * fact(n - 1)

    @named("Factorial", 1, I32)
    def body(n):
        return choose(cond=tf.less_equal(n, 1), input=[n], Tout=[tf.int32], then_branch=one, else_branch=more)[0]
    return body(n)


def fibonacci(n):
    """Two calls in each call, by conditionals of TensorFlow 1."""
    fib = called("Fib", [I64], [I64])

    @named("Fib", 1, I64)
    def body(n):
        return v1.cond(n < 2, lambda: tf.identity(n), lambda: fib(n - 1) + fib(n - 2))
    return body(n)


def in_turn(n, x):
    """Two functions that call each other, with a second value that goes along."""
    odd = called("Odd", [I32, F32], [BOOL, F32])

    @made(I32, F32)
    def yes(n, x):
        return tf.constant(True), x

    @made(I32, F32)
    def no(n, x):
        return tf.constant(False), -x

    @made(I32, F32)
    def to_odd(n, x):
        return odd(n - 1, x * 0.5)

    @named("Even", 2, I32, F32)
    def even(n, x):
        return choose(cond=tf.equal(n, 0), input=[n, x], Tout=[tf.bool, tf.float32], then_branch=yes, else_branch=to_odd)

    @made(I32, F32)
    def to_even(n, x):
        return even(n - 1, x + 1)

    @named("Odd", 2, I32, F32)
    def odd_body(n, x):
        return choose(cond=tf.equal(n, 0), input=[n, x], Tout=[tf.bool, tf.float32], then_branch=no, else_branch=to_even)
    odd_body.add_to_graph(v1.get_default_graph())
    return list(even(n, x))


def halves(x):
    """The shape is another one in each call; the branch is the function itself."""
    total = called("Total", [F32], [F32])

    @made(F32)
    def alone(x):
        return tf.reduce_sum(x)

    @made(F32)
    def parts(x):
        half = tf.size(x) // 2
        return tf.maximum(total(x[:half]), total(x[half:])) + 1.

    @named("Total", 1, F32)
    def body(x):
        return choose(cond=tf.size(x) < 2, input=[x], Tout=[tf.float32], then_branch=alone, else_branch=parts)[0]
    return body(x)


def counted(n):
    """Each call adds to a variable; the loop's body is what calls itself."""
    state = Resources()
    v = state.new(tf.constant(3))
    deep = called("Deep", [I32, RESOURCE], [I32])

    @made(I32, RESOURCE)
    def end(n, v):
        return n

    @made(I32, RESOURCE)
    def on(n, v):
        with v1.control_dependencies([raw.AssignAddVariableOp(resource=v, value=n)]):
            return deep(n - 1, v) + 2

    @named("Deep", 1, I32, RESOURCE)
    def body(n, v):
        return list(raw.If(cond=tf.less(n, 1), input=[n, v], Tout=[tf.int32], then_branch=end, else_branch=on))[0]
    y = state.run(lambda: body(n, v))
    return [y, state.read(v)]


def recursion(rng):
    for n in (0, 1, 5, 12):
        yield case("If", lambda n: recursive(factorial, n), np.int32(n))
    for n in (0, 1, 2, 9):
        yield case("If", lambda n: recursive(fibonacci, n), np.int64(n))
    for n in (0, 1, 2, 150):
        yield case("If", lambda n, x: recursive(in_turn, n, x), np.int32(n), draw(rng, F32, 2))
    for n in (0, 1, 7, 20):
        yield case("If", lambda x: recursive(halves, x), draw(rng, F32, n))
    for n in (0, 3):
        yield case("If", lambda n: recursive(counted, n), np.int32(n))


def cases(rng):
    for part in (loops, maps, gradients, calls, recursion):
        yield from part(rng)
