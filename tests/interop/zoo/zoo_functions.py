# SPDX-License-Identifier: Apache-2.0
"""Functions: control flow as autograph and TensorFlow's functional programming write it, gradients inside of functions, signatures of
every kind."""
import numpy as np
import tensorflow as tf

from zoo import entry, v1

S = tf.TensorSpec
raw = tf.raw_ops


@entry
def loop_for_range(z):
    def f(x, n):
        s = tf.zeros_like(x)
        for i in tf.range(n):
            s += x * tf.cast(i, tf.float32)
        return {"s": s}
    z.function(f, z.f32(3), np.int32(5))


@entry
def loop_break_continue(z):
    def f(x, n):
        s, k = tf.zeros_like(x), 0
        for i in tf.range(n):
            if i % 3 == 0:
                continue
            if tf.reduce_sum(s) > 6.0:
                break
            s += tf.abs(x)
            k += 1
        return {"s": s, "k": tf.convert_to_tensor(k)}
    z.function(f, z.f32(3), np.int32(20))
    z.function(f, z.f32(3), np.int32(0))


@entry
def loop_early_return(z):
    def f(x):
        done, i = tf.constant(False), tf.constant(0)
        while not done:
            x = x * 2.0
            i += 1
            if tf.reduce_max(x) > 50.0:
                done = True
            elif i > 9:
                x, done = -x, True
        if i > 5:
            return {"x": x, "i": i}
        x = x + 1.0
        return {"x": -x, "i": -i}
    z.function(f, np.float32([1, 2, 3]))
    z.function(f, np.float32([1e-9]))


@entry
def loop_while_nested(z):
    def f(x):
        i, t = tf.constant(0), tf.constant(0.0)
        while i < 4:
            j = tf.constant(0)
            while j < i:
                if (i + j) % 2 == 0:
                    t += tf.reduce_sum(x) * tf.cast(j, tf.float32)
                else:
                    t -= 1.0
                j += 1
            i += 1
        return {"t": t, "i": i}
    z.function(f, z.f32(3))


@entry
def loop_over_rows(z):
    def f(x):
        a = tf.TensorArray(tf.float32, 0, dynamic_size=True)
        k = 0
        for row in x:
            if tf.reduce_sum(row) > 0.0:
                a = a.write(k, row * 2.0)
                k += 1
        return {"a": a.stack(), "k": k}
    z.function(f, z.f32(6, 3))


@entry
def loop_shape_invariants(z):
    def f(x, n):
        def body(i, y):
            return i + 1, tf.concat([y, x * tf.cast(i, tf.float32)], 0)
        i, y = tf.while_loop(lambda i, y: i < n, body, [0, x], shape_invariants=[S([], tf.int32).shape, tf.TensorShape([None, 3])])
        return {"y": y, "i": i}
    z.function(f, z.f32(2, 3), np.int32(4))
    z.function(f, z.f32(2, 3), np.int32(0))


@entry
def loop_maximum_iterations(z):
    def f(x):
        return {"y": tf.while_loop(lambda y: tf.reduce_sum(y) < 1e6, lambda y: (y * 1.5,), [x], maximum_iterations=7)[0]}
    z.function(f, tf.abs(z.f32(3)))


@entry
def loop_parallel_arrays(z):
    def f(x):
        n = tf.shape(x)[0]
        t = tf.TensorArray(tf.float32, n).unstack(x)
        o = tf.TensorArray(tf.float32, n, element_shape=[None], clear_after_read=False)
        for i in tf.range(n):
            o = o.write(n - 1 - i, t.read(i) * 3.0)
        p = tf.TensorArray(tf.float32, n, infer_shape=False).scatter(tf.range(n), x)
        return {"o": o.stack(), "c": p.gather([0, 1])}
    z.function(f, z.f32(4, 3))


@entry
def array_split_concat(z):
    def f(x):
        t = tf.TensorArray(tf.float32, 3, infer_shape=False).split(x, [1, 2, 3])
        return {"c": t.concat(), "r": t.concat() * 2.0}
    z.function(f, z.f32(6, 2))


@entry
def loop_strings(z):
    def f(s):
        out = tf.constant("")
        for i in tf.range(tf.shape(s)[0]):
            out = tf.strings.join([out, tf.strings.as_string(i), s[i]], "-")
        return {"out": out}
    z.function(f, np.array(["a", "b\xff", ""], object))


@entry
def loop_dict_state(z):
    def f(x):
        state = {"a": x, "b": (tf.constant(1), tf.reduce_sum(x))}
        for _ in tf.range(3):
            state = {"a": state["a"] + 1.0, "b": (state["b"][0] * 2, state["b"][1] - state["a"][0])}
        return {"a": state["a"], "b0": state["b"][0], "b1": state["b"][1]}
    z.function(f, z.f32(3))


@entry
def cond_nested(z):
    def f(x, k):
        def inner():
            return tf.cond(k > 5, lambda: x * 2.0, lambda: tf.cond(k > 2, lambda: x * 3.0, lambda: x - 1.0))
        return {"y": tf.cond(tf.reduce_sum(x) > 0.0, inner, lambda: -x)}
    for k in (7, 4, 1):
        z.function(f, np.float32([1, 2]), np.int32(k))
    z.function(f, np.float32([-1, 0]), np.int32(k))


@entry
def cond_shapes_differ(z):
    def f(x):
        y = tf.cond(tf.reduce_sum(x) > 0.0, lambda: x[:2], lambda: tf.concat([x, x], 0))
        return {"y": y, "n": tf.shape(y), "m": tf.reduce_mean(y)}
    z.function(f, np.float32([1, 2, 3]))
    z.function(f, np.float32([-1, -2, -3]))


@entry
def switch_case(z):
    def f(x, k):
        return {"y": tf.switch_case(k, [lambda: x, lambda: x * x, lambda: tf.exp(x)], default=lambda: tf.zeros_like(x))}
    for k in (0, 1, 2, 3, -1):
        z.function(f, z.f32(2, 3), np.int32(k))


@entry
def case_exclusive(z):
    def f(x):
        s = tf.reduce_sum(x)
        return {"y": tf.case([(s > 2.0, lambda: x + 1.0), (s < -2.0, lambda: x - 1.0)], default=lambda: x * 0.0, exclusive=True)}
    for x in ([3, 1], [-4, 0], [0, 0]):
        z.function(f, np.float32(x))


@entry
def map_fn(z):
    def f(x, y):
        return {"m": tf.map_fn(lambda r: tf.cumsum(r[0]) * r[1], (x, y), fn_output_signature=tf.float32),
                "n": tf.map_fn(lambda r: tf.reduce_max(r), x, parallel_iterations=3),
                "s": tf.map_fn(lambda r: (tf.cast(r > 0.0, tf.int32), tf.reduce_sum(r)), x, fn_output_signature=(tf.int32, tf.float32))[1]}
    z.function(f, z.f32(4, 3), z.f32(4))


@entry
def scan_and_folds(z):
    def f(x):
        return {"scan": tf.scan(lambda a, r: a * 0.5 + r, x), "back": tf.scan(lambda a, r: a - r, x, initializer=x[0] * 0.0, reverse=True),
                "two": tf.scan(lambda a, r: (a[0] + r, a[1] * 0.9), x, initializer=(tf.zeros([3]), tf.ones([2])))[1],
                "left": tf.foldl(lambda a, r: a + tf.sin(r), x), "right": tf.foldr(lambda a, r: a * r, x)}
    z.function(f, z.f32(5, 3))


@entry
def ragged_map(z):
    def f(x, n):
        r = tf.map_fn(lambda k: tf.range(k), n, fn_output_signature=tf.RaggedTensorSpec([None], tf.int32))
        return {"v": r.values, "s": r.row_splits, "d": r.to_tensor(-1), "x": tf.reduce_sum(x)}
    z.function(f, z.f32(3), np.int32([2, 0, 3]))


@entry
def vectorized_map(z):
    w = tf.Variable(z.f32(3, 2))
    m = tf.Module()
    m.w = w

    def f(x):
        return {"y": tf.vectorized_map(lambda r: tf.nn.softmax(tf.linalg.matvec(w, r, transpose_a=True)) + tf.reduce_max(r), x)}
    z.function(f, z.f32(4, 3), module=m)


@entry
def jacobian(z):
    def f(x):
        with tf.GradientTape(persistent=True) as t:
            t.watch(x)
            y = tf.stack([tf.reduce_sum(x * x, 1), tf.reduce_prod(x, 1)], 1)
        return {"j": t.batch_jacobian(y, x)}
    z.function(f, z.f32(4, 3))


@entry
def gradient_in_function(z):
    m = tf.Module()
    m.w = tf.Variable(z.f32(3, 4))

    def f(x):
        with tf.GradientTape() as t:
            t.watch(x)
            y = tf.reduce_sum(tf.tanh(x @ m.w) ** 2)
        g, h = t.gradient(y, [x, m.w])
        return {"y": y, "g": g, "h": h}
    z.function(f, z.f32(2, 3), module=m)


@entry
def gradient_through_while(z):
    m = tf.Module()
    m.w = tf.Variable(z.f32(3, 3) * 0.3)

    def f(x, n):
        with tf.GradientTape() as t:
            y = x
            for i in tf.range(n):
                y = tf.tanh(y @ m.w) + (y if i % 2 == 0 else -y * 0.5)
            loss = tf.reduce_sum(y * y)
        return {"loss": loss, "g": t.gradient(loss, m.w)}
    z.function(f, z.f32(2, 3), np.int32(4), module=m)


@entry
def gradient_through_scan(z):
    def f(x):
        with tf.GradientTape() as t:
            t.watch(x)
            y = tf.reduce_sum(tf.scan(lambda a, r: tf.sin(a) * r, x) ** 2) + tf.reduce_sum(tf.map_fn(lambda r: r * r[0], x))
        return {"g": t.gradient(y, x)}
    z.function(f, z.f32(5, 3))


@entry
def second_derivative(z):
    def f(x):
        with tf.GradientTape() as t2:
            t2.watch(x)
            with tf.GradientTape() as t:
                t.watch(x)
                y = tf.reduce_sum(tf.cond(tf.reduce_sum(x) > 0.0, lambda: x ** 3, lambda: tf.exp(x)))
            g = t.gradient(y, x)
        return {"g": g, "h": t2.gradient(g, x)}
    z.function(f, np.float32([1, 2]))
    z.function(f, np.float32([-1, -2]))


@entry
def custom_gradient(z):
    @tf.custom_gradient
    def clip(x):
        return tf.clip_by_value(x, -1.0, 1.0), lambda dy: dy * tf.cast(tf.abs(x) < 2.0, tf.float32) * 10.0

    def f(x):
        with tf.GradientTape() as t:
            t.watch(x)
            y = tf.reduce_sum(clip(x) * x)
        return {"y": y, "g": t.gradient(y, x)}
    z.function(f, z.f32(6))


@entry
def recompute_grad(z):
    m = tf.Module()
    m.w = tf.Variable(z.f32(3, 3))
    block = tf.recompute_grad(lambda x: tf.nn.relu(x @ m.w))

    def f(x):
        with tf.GradientTape() as t:
            y = tf.reduce_sum(block(x) ** 2)
        return {"y": y, "g": t.gradient(y, m.w)}
    z.function(f, z.f32(2, 3), module=m)


@entry
def jit_compiled(z):
    m = tf.Module()
    m.w = tf.Variable(z.f32(3, 3))
    z.function(lambda x: {"y": tf.nn.gelu(x @ m.w)}, z.f32(2, 3), module=m, jit_compile=True)


@entry
def jit_inner(z):
    @tf.function(jit_compile=True)
    def g(x):
        return tf.reduce_sum(tf.where(x > 0.0, x, tf.exp(x)), -1)
    z.function(lambda x: {"y": g(x) + g(-x)}, z.f32(2, 3))


@entry
def functions_chosen(z):
    """Several implementations of one interface: TensorFlow calls the one for CPUs in place of the one that is written (samplers of TensorFlow
    Probability, recurrent layers of Keras 2)."""
    def made(f, name, device=None):
        attributes = {"api_implements": name, **({"api_preferred_device": device} if device else {})}
        return tf.function(f, autograph=False, experimental_attributes=attributes)

    def f(x):
        y = {}
        for name, devices in {"any": (None, "CPU"), "gpu": ("GPU", "CPU"), "none": (None, "GPU"), "alone": ("GPU",), "three": (None, "GPU", "CPU")}.items():
            written, *others = [made(lambda x, k=k: x + 10.0 ** k, "chosen_" + name, d) for k, d in enumerate(devices)]
            y[name] = written(x)
            for other in others:
                other.get_concrete_function(x).add_to_graph()
            y["if_" + name] = tf.cond(tf.reduce_sum(x) > 0, lambda: written(x), lambda: x)
        return y
    z.function(f, np.array([1, 2], np.float32))


@entry
def functions_nested(z):
    m = tf.Module()
    m.w, m.v = tf.Variable(z.f32(3, 3)), tf.Variable(1.5)

    @tf.function
    def a(x):
        return x @ m.w

    @tf.function
    def b(x, k=2):
        return a(a(x)) * m.v + k

    @tf.function(reduce_retracing=True)
    def c(x):
        return b(x) + b(x, k=3)
    z.function(lambda x: {"y": c(x), "z": c(x[:1])}, z.f32(2, 3), module=m)


@entry
def variables_written(z):
    m = tf.Module()
    m.n, m.w, m.b = tf.Variable(0), tf.Variable(z.f32(3)), tf.Variable([[True], [False]])

    def f(x):
        m.n.assign_add(2)
        before = m.w.read_value()
        m.w.assign(m.w * 2.0 + x)
        if m.n > 1:
            m.w.assign_sub(x)
        m.b.assign(tf.logical_not(m.b))
        m.w.scatter_nd_add([[1]], [100.0])
        return {"n": m.n.read_value(), "w": m.w.read_value(), "before": before, "b": m.b.read_value()}
    z.function(f, z.f32(3), module=m, specs=[S([3], tf.float32, "x")])


@entry
def variables_odd(z):
    """Of many dtypes, of text, without elements; one that may have any shape and gets another one."""
    m = tf.Module()
    m.s, m.b, m.c = tf.Variable(["a", "bé"]), tf.Variable([True, False]), tf.Variable([1 + 2j], dtype=tf.complex64)
    m.h, m.i, m.u = tf.Variable([1.5, -2], dtype=tf.bfloat16), tf.Variable([-3, 4], dtype=tf.int8), tf.Variable([2**63 + 1], dtype=tf.uint64)
    m.any, m.none = tf.Variable([1.0, 2, 3], shape=tf.TensorShape(None)), tf.Variable(tf.zeros([0, 4]))

    def f(x):
        before = m.any * 2
        m.any.assign(x)
        return {"s": tf.strings.join([m.s, "!"]), "b": m.b & True, "c": m.c * 2, "h": m.h + 1, "i": m.i * 3, "u": m.u, "before": before,
                "any": m.any * 2, "none": tf.shape(m.none)}
    z.function(f, np.array([1, 2, 3, 4], np.float32), module=m)


@entry
def variable_updates_in_loops(z):
    m = tf.Module()
    m.v, m.c = tf.Variable(z.f32(4, 2)), tf.Variable(tf.constant(0, tf.int64))

    def f(x):
        for i in tf.range(3):
            m.v.assign_add(x * tf.cast(m.c + 1, tf.float32))
            m.c.assign_add(1)
            if m.c > 1:
                m.v.scatter_update(tf.IndexedSlices(tf.ones([1, 2]), [i]))
        return {"v": m.v + 0.0, "c": m.c + 0}
    z.function(f, z.f32(4, 2), module=m, specs=[S([4, 2], tf.float32, "x")])


@entry
def signatures_several(z):
    m = tf.Module()
    m.w = tf.Variable(z.f32(3))
    m.a = tf.function(lambda x: {"y": x * m.w}, input_signature=[S([None, 3], tf.float32, "x")])
    m.b = tf.function(lambda s, n: {"t": tf.strings.substr(s, 0, n), "n": n}, input_signature=[S([None], tf.string, "s"), S([], tf.int32, "n")])
    m.c = tf.function(lambda: {"w": m.w * 2.0}, input_signature=[])
    m.d = tf.function(lambda x: {"same": x, "other": tf.logical_not(x)}, input_signature=[S(None, tf.bool, "x")])
    folder = z.path("m")
    tf.saved_model.save(m, folder, signatures={"a": m.a, "b": m.b, "c": m.c, "d": m.d})
    z.loaded(folder, {"x": z.f32(2, 3)}, "a")
    z.loaded(folder, {"s": np.array(["hello", "w\u00f6rld"], object), "n": np.int32(3)}, "b")
    z.loaded(folder, {}, "c")
    z.loaded(folder, {"x": np.array([[True, False]])}, "d")
    z.loaded(folder, {"x": np.array(True)}, "d")


@entry
def signature_types(z):
    specs = [S([], tf.bool, "b"), S([None], tf.int64, "i"), S(None, tf.float64, "d"), S([None, None], tf.uint8, "u"), S([2], tf.complex64, "c"),
             S([None], tf.float16, "h"), S([], tf.string, "s")]

    def f(b, i, d, u, c, h, s):
        return {"b": tf.logical_not(b), "i": i // 3, "d": tf.sin(d), "u": u + u, "c": c * c, "h": h * 2, "s": s + "!", "n": tf.rank(d), "z": tf.size(d)}
    z.function(f, True, np.int64([-7, 7]), z.rng.standard_normal((2, 1, 3)), np.uint8([[200, 3]]), np.complex64([1j, 2 + 1j]),
               np.float16([1.5]), np.array("x", object), specs=specs)


@entry
def signature_optional(z):
    class M(tf.Module):
        @tf.function(input_signature=[S([None], tf.float32, "x"), S([], tf.float32, "scale")])
        def f(self, x, scale=3.0):
            return {"y": x * scale}
    m = M()
    tf.saved_model.save(m, z.path("m"), signatures=m.f)
    z.ask(z.path("m"), "serving_default", {"x": np.float32([1, 2]), "scale": np.float32(2)}, {"y": np.float32([2, 4])})


@entry
def sparse_signature(z):
    def f(s):
        return {"d": tf.sparse.to_dense(s), "n": s.dense_shape, "v": s.values * 2.0}
    m = tf.Module()
    m.f = tf.function(f, input_signature=[tf.SparseTensorSpec([None, 4], tf.float32)])
    tf.saved_model.save(m, z.path("m"), signatures=m.f)
    s = tf.sparse.from_dense(np.float32([[0, 1, 0, 2], [3, 0, 0, 0]]))
    z.ask(z.path("m"), "serving_default", {"s": s.indices, "s_1": s.values, "s_2": s.dense_shape}, f(s))


@entry
def unknown_rank(z):
    def f(x):
        n = tf.size(x)
        return {"flat": tf.reshape(x, [-1]), "n": n, "rank": tf.rank(x), "m": tf.reduce_mean(x), "t": tf.transpose(x), "e": tf.expand_dims(x, -1),
                "s": tf.reduce_sum(x, axis=tf.range(tf.rank(x) // 2)), "b": tf.broadcast_to(x[tf.newaxis], tf.concat([[2], tf.shape(x)], 0))}
    for shape in ((2, 3), (4,), (2, 1, 3)):
        z.function(f, z.f32(*shape), specs=[S(None, tf.float32, "x")])


@entry
def ragged_work(z):
    def f(x, n):
        r = tf.RaggedTensor.from_row_lengths(x, n)
        w = tf.ragged.boolean_mask(r, r > 0.0)
        return {"sum": tf.reduce_sum(r, 1), "max": tf.reduce_max(tf.abs(r), 1), "mean": tf.reduce_mean(r, axis=1), "dense": (r * 2.0).to_tensor(-1.0), "w": w.flat_values,
                "ws": w.row_splits, "cat": tf.concat([r, r + 1.0], 1).flat_values, "g": tf.gather(r, [2, 0]).flat_values,
                "rows": r.value_rowids(), "slice": r[:, :1].flat_values, "rev": tf.reverse(r.to_tensor(), [1]), "bc": (r + r[:, :1].to_tensor()).flat_values,
                "st": tf.stack([r, r], 0).flat_values, "tile": tf.tile(r, [1, 2]).flat_values}
    z.function(f, z.f32(6), np.int64([2, 1, 3]))


@entry
def sparse_work(z):
    def f(x, k):
        s = tf.sparse.from_dense(x)
        t = tf.sparse.transpose(s)
        return {"sum": tf.sparse.reduce_sum(s, 1), "mm": tf.sparse.sparse_dense_matmul(s, k), "d": tf.sparse.to_dense(t), "c": tf.sparse.to_dense(tf.sparse.concat(0, [s, s])),
                "r": tf.sparse.reshape(s, [-1]).indices, "a": tf.sparse.to_dense(tf.sparse.add(s, s)), "sm": tf.sparse.softmax(s).values,
                "sl": tf.sparse.slice(s, [0, 1], [2, 2]).values, "f": tf.sparse.fill_empty_rows(s, 9.0)[0].values, "e": tf.sparse.fill_empty_rows(s, 9.0)[1],
                "m": tf.sparse.to_dense(s), "mask": tf.sparse.retain(s, s.values > 0.0).values,
                "max": tf.sparse.reduce_max(s, axis=0), "ids": tf.sparse.to_indicator(tf.SparseTensor(s.indices, tf.cast(tf.abs(s.values), tf.int64) % 5, s.dense_shape), 5)}
    z.function(f, np.float32([[0, 1, 0, 2], [3, 0, -4, 0], [0, 0, 0, 0]]), z.f32(4, 2), specs=[S([3, 4], tf.float32, "x"), S([4, 2], tf.float32, "k")])


@entry
def tables_and_assets(z):
    vocab = z.path("vocab.txt")
    with open(vocab, "w") as f:
        f.write("apple\nbanana\ncherry\n")
    m = tf.Module()
    m.ids = tf.lookup.StaticVocabularyTable(tf.lookup.TextFileInitializer(vocab, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64,
                                                                          tf.lookup.TextFileIndex.LINE_NUMBER), 3)
    m.words = tf.lookup.StaticHashTable(tf.lookup.TextFileInitializer(vocab, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER, tf.string,
                                                                      tf.lookup.TextFileIndex.WHOLE_LINE), "?")
    m.scores = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(np.array(["apple", "x"]), np.float32([1.5, 2.5])), -1.0)
    m.asset = tf.saved_model.Asset(vocab)

    def f(s):
        i = m.ids.lookup(s)
        return {"i": i, "w": m.words.lookup(i), "f": m.scores.lookup(s), "n": m.ids.size(), "text": tf.io.read_file(m.asset)}
    z.function(f, np.array(["apple", "cherry", "zzz", ""], object), module=m)


@entry
def mutable_tables(z):
    m = tf.Module()
    m.t = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    m.d = tf.lookup.experimental.DenseHashTable(tf.int64, tf.float32, -1.0, empty_key=-1, deleted_key=-2)

    def f(s):
        m.t.insert(s, tf.range(tf.size(s, tf.int64)))
        m.d.insert(m.t.lookup(s), tf.cast(tf.strings.length(s), tf.float32))
        m.t.remove(s[:1])
        return {"a": m.t.lookup(s), "n": m.t.size(), "d": m.d.lookup(tf.constant([0, 1, 7], tf.int64)), "e": tf.sort(m.t.export()[1])}
    z.function(f, np.array(["aa", "b", "ccc"], object), module=m)


@entry
def tables_in_checkpoint(z):
    """Tables that were filled before saving: only the checkpoint has their contents."""
    m = tf.Module()
    m.t = tf.lookup.experimental.MutableHashTable(tf.int64, tf.float32, 0.5)
    m.t.insert(tf.constant([1, 2, 3], tf.int64), tf.constant([0.1, 0.2, 0.3]))
    m.d = tf.lookup.experimental.DenseHashTable(tf.string, tf.int64, 7, empty_key="", deleted_key="-", initial_num_buckets=16)
    m.d.insert(tf.constant(["a", "bc", "d"]), tf.constant([4, 5, 6], tf.int64))
    z.function(lambda i, s: {"t": m.t.lookup(i), "n": m.t.size(), "d": m.d.lookup(s), "k": m.d.size()},
               np.array([1, 3, 9]), np.array(["bc", "x"], object), module=m)


@entry
def random_stateless(z):
    def f(seed):
        return {"u": tf.random.stateless_uniform([5], seed), "n": tf.random.stateless_normal([2, 3], seed), "t": tf.random.stateless_truncated_normal([4], seed),
                "i": tf.random.stateless_uniform([6], seed, 0, 100, tf.int32), "b": tf.random.stateless_binomial([3], seed, 10.0, 0.4),
                "s": tf.random.experimental.stateless_split(seed, 3), "f": tf.random.experimental.stateless_fold_in(seed, 5),
                "sh": tf.random.experimental.stateless_shuffle(tf.range(7), seed), "c": tf.random.stateless_categorical([[0.1, 0.3]], 5, seed)}
    z.function(f, np.int32([3, 4]), specs=[S([2], tf.int32, "seed")])


@entry
def random_generator(z):
    m = tf.Module()
    m.g = tf.random.Generator.from_seed(12)

    def f(n):
        return {"u": m.g.uniform([n]), "v": m.g.normal([n, 2]), "w": m.g.uniform([3], 0, 9, tf.int32), "t": m.g.truncated_normal([4])}
    z.function(f, np.int32(3), module=m)


@entry
def einsums(z):
    def f(a, b):
        return {"mm": tf.einsum("bij,bjk->bik", a, b), "d": tf.einsum("bii->bi", a), "t": tf.einsum("bij->jib", a), "e": tf.einsum("...ij,...jk->...", a, b),
                "o": tf.einsum("bij,bkj->bik", a, a), "s": tf.einsum("bij->", a), "td": tf.tensordot(a, b, [[2], [1]])}
    z.function(f, z.f32(2, 3, 3), z.f32(2, 3, 3))


@entry
def slicing(z):
    def f(x, i):
        y = tf.tensor_scatter_nd_update(x, [[0, 1]], x[1:2, 0])
        return {"a": x[..., ::-1], "b": x[i:, tf.newaxis, -1], "c": x[:, i], "d": y, "e": tf.gather(x, [i, 0], axis=1, batch_dims=0), "f": tf.gather_nd(x, [[0, 0], [1, 2]]),
                "g": x[i:i + 1, ::2, None], "h": tf.strided_slice(x, [-1, -3], [-100, 0], [-1, 1], begin_mask=2), "m": x[x > 0.0], "r": tf.roll(x, i, 0),
                "tk": tf.math.top_k(x, 2).indices, "so": tf.sort(x, 1, "DESCENDING"), "ar": tf.argsort(x, 0), "u": tf.unique(tf.cast(x[0], tf.int32))[0],
                "p": tf.pad(x, [[1, i], [0, 2]], "SYMMETRIC"), "oh": tf.one_hot(tf.argmax(x, 1), 4), "sq": tf.squeeze(x[None, :, :, None]),
                "w": tf.where(x > 0.5), "bm": tf.boolean_mask(x, x[:, 0] > 0.0), "dp": tf.dynamic_partition(x, tf.constant([0, 1, 0]), 2)[0],
                "ds": tf.dynamic_stitch([[0, 2], [1]], [x[:2], x[2:]]), "sm": tf.sequence_mask([1, i + 1], 3), "mg": tf.meshgrid(x[0], x[:, 0])[1],
                "rv": tf.reverse_sequence(x, [1, 2, 3], 1), "s2": tf.split(x, [1, 2], 1)[1], "lin": tf.linspace(0.0, x[0, 0], 4), "rp": tf.repeat(x, [1, 0, 2], 0)}
    z.function(f, z.f32(3, 3), np.int32(1), specs=[S([3, None], tf.float32, "x"), S([], tf.int32, "i")])


@entry
def assertions(z):
    def f(x):
        tf.debugging.assert_non_negative(x)
        with tf.control_dependencies([tf.debugging.assert_equal(tf.rank(x), 1)]):
            tf.print("x", x, output_stream="file:///dev/null")
            return {"y": tf.ensure_shape(tf.sqrt(x), [None])}
    z.function(f, np.float32([1, 4]))


@entry
def strings(z):
    def f(s):
        t = tf.strings.split(s, ",")
        return {"low": tf.strings.lower(s), "up": tf.strings.upper(s, "utf-8"), "len": tf.strings.length(s, "UTF8_CHAR"), "h": tf.strings.to_hash_bucket_fast(s, 17), "hs": tf.strings.to_hash_bucket_strong(s, 17, [1, 2]),
                "h0": tf.strings.to_hash_bucket(s, 17), "n": tf.strings.to_number(tf.strings.regex_replace(s, r"[^0-9]", "") + "1"), "j": tf.strings.reduce_join(s, separator="|"), "rj": tf.strings.reduce_join(t, axis=-1, separator="+"),
                "v": t.flat_values, "rs": t.row_splits, "st": tf.strings.strip(s), "m": tf.strings.regex_full_match(s, ".*b.*"), "sub": tf.strings.substr(s + "abc", 1, 2),
                "f": tf.strings.format("{} and {}", (s, tf.size(s))), "a": tf.strings.as_string(tf.strings.length(s), width=5, fill="0"), "b64": tf.io.encode_base64(s), "raw": tf.io.decode_raw(tf.strings.substr(s + "pad!", 0, 4), tf.int16),
                "ng": tf.strings.ngrams(t, 2, separator="_").flat_values, "bs": tf.strings.bytes_split(s).flat_values, "js": tf.strings.join([s, s], "~")}
    z.function(f, np.array([" Ab,c d", "\u00e912,b,", ""], object))


@entry
def image_functions(z):
    def f(x):
        y = tf.image.resize(x, [5, 7])
        return {"y": y, "n": tf.image.resize(x, [3, 9], method="nearest"), "a": tf.image.resize(x, [3, 2], method="area"), "c": tf.image.central_crop(x, 0.5), "f": tf.image.flip_left_right(x),
                "s": tf.image.per_image_standardization(x), "g": tf.image.grayscale_to_rgb(x[..., :1]), "cb": tf.image.crop_to_bounding_box(x, 1, 1, 3, 2), "p": tf.image.pad_to_bounding_box(x, 1, 1, 9, 9),
                "b": tf.image.crop_and_resize(x, [[0.1, 0.2, 0.8, 0.9]], [0], [3, 3]), "pt": tf.image.extract_patches(x, [1, 2, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID"),
                "ps": tf.image.psnr(x, x * 0.9, 1.0), "d2": tf.nn.depth_to_space(x[..., :1] * tf.ones([4]), 2), "r": tf.image.rot90(x), "cv": tf.image.convert_image_dtype(tf.cast(x * 10, tf.uint8), tf.float32),
                "ao": tf.image.resize(x, [3, 3], antialias=True)}
    z.function(f, z.rng.random((1, 6, 6, 3)).astype(np.float32), specs=[S([None, 6, 6, 3], tf.float32, "x")])


@entry
def raw_control_flow(z):
    """If, Case and While with functions that hand resources and their arguments through."""
    m = tf.Module()
    m.v = tf.Variable(z.f32(3))

    def f(x, k):
        def up():
            m.v.assign_add(x)
            return m.v.read_value(), k, x
        def down():
            return x, k + 1, x
        a, b, c = tf.cond(k > 0, up, down)
        def body(i, y, w):
            return i + 1, w, tf.cond(i % 2 == 0, lambda: y, lambda: y + m.v)
        i, y, w = tf.while_loop(lambda i, y, w: i < 5, body, [k, a, c])
        return {"a": a, "b": b, "y": y, "w": w, "i": i, "v": m.v.read_value()}
    for k in (1, -1):
        z.function(f, z.f32(3), np.int32(k), module=m, specs=[S([3], tf.float32, "x"), S([], tf.int32, "k")])


@entry
def loop_swapping(z):
    def f(x, y, n):
        a, b, c = x, y, x + y
        for i in tf.range(n):
            a, b, c = b, c, a
        return {"a": a, "b": b, "c": c, "x": x}
    for n in (0, 1, 2, 7):
        z.function(f, z.f32(2), z.f32(2), np.int32(n))


@entry
def frozen_functions(z):
    w = tf.Variable(z.f32(3, 3))

    def f(x):
        y = x
        for i in tf.range(4):
            y = tf.cond(tf.reduce_sum(y) > 0.0, lambda: tf.tanh(y @ w), lambda: y + 1.0)
            if i == 2:
                y = y * 2.0
        return y
    z.frozen(f, z.f32(2, 3))


@entry
def frozen_switch(z):
    def f(x, k):
        y = tf.switch_case(k[0], [lambda: x * 2.0, lambda: tf.scan(lambda a, r: a + r, x), lambda: tf.map_fn(tf.sin, x)])
        return y, tf.reduce_max(y)
    for k in (0, 1, 2):
        z.frozen(f, z.f32(4, 3), np.int32([k]))


@entry
def shape_functions(z):
    def f(x):
        s = tf.shape(x)
        n = s[0] * s[1]
        y = tf.reshape(x, [n, -1])
        g = tf.reshape(tf.transpose(tf.reshape(y, [s[0], s[1], 2, -1]), [0, 2, 1, 3]), tf.stack([s[0], 2, s[1], s[2] // 2]))
        return {"y": y, "g": g, "t": tf.tile(x, [1, s[0], 1]), "z": tf.zeros([s[0], 2]), "r": tf.range(s[1]), "f": tf.fill(s[:2], 3.0), "e": tf.eye(s[0]),
                "u": tf.unstack(tf.shape(x, tf.int64))[1], "c": tf.concat([tf.zeros([0, s[1], s[2]]), x], 0), "bc": tf.broadcast_dynamic_shape(s, [1, s[1], 1])}
    z.function(f, z.f32(2, 3, 4))


@entry
def empty_tensors(z):
    def f(x):
        return {"s": tf.reduce_sum(x), "m": tf.reduce_mean(x, 1), "c": tf.concat([x, x], 0), "mm": tf.matmul(x, tf.zeros([3, 2])), "mx": tf.reduce_max(x, 0), "am": tf.shape(tf.argmax(x, 1)),
                "sc": tf.map_fn(lambda r: r * 2.0, x), "w": tf.where(x > 0.0), "sm": tf.nn.softmax(x), "l": tf.nn.conv1d(x[:, None], tf.ones([1, 3, 2]), 1, "SAME"), "p": tf.reduce_prod(x, 0)}
    z.function(f, np.zeros((0, 3), np.float32), specs=[S([None, 3], tf.float32, "x")])
