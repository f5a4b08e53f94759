# SPDX-License-Identifier: Apache-2.0
"""What a drawn model may do between its layers: functions of TensorFlow on a batch of floats (axis 0 is the batch), many with
control flow. A row: the ranks it takes, and make(rng), which gives the function."""
import numpy as np
import tensorflow as tf

ROWS = []


def does(*ranks):
    def add(make):
        ROWS.append((ranks or (2, 3, 4, 5), make))
        return make
    return add


UNARY = [tf.sin, tf.tanh, tf.nn.relu, tf.nn.relu6, tf.nn.elu, tf.nn.selu, tf.nn.softplus, tf.nn.softsign, tf.sigmoid, tf.nn.gelu, tf.nn.silu, tf.math.erf, tf.cos, tf.math.atan, tf.abs, tf.square,
         tf.negative, lambda x: tf.sqrt(tf.abs(x) + 0.5), lambda x: tf.math.rsqrt(tf.abs(x) + 1), lambda x: tf.math.log1p(tf.abs(x)), lambda x: tf.exp(-tf.abs(x)), tf.nn.leaky_relu, tf.math.asinh,
         lambda x: x * 0.5 + 1, lambda x: 1 - x, lambda x: 2 / (tf.abs(x) + 1), lambda x: tf.clip_by_value(x, -0.7, 1.3), tf.math.sigmoid, tf.sign, lambda x: tf.cast(x > 0, x.dtype), tf.stop_gradient,
         lambda x: tf.pow(tf.abs(x) + 0.1, 1.5), lambda x: tf.math.log_sigmoid(x), lambda x: tf.math.expm1(-tf.abs(x)), lambda x: tf.reduce_mean(x, -1, keepdims=True) + x, lambda x: tf.nn.softmax(x),
         lambda x: x - tf.reduce_max(x, -1, keepdims=True), lambda x: tf.nn.l2_normalize(x, -1), lambda x: tf.nn.log_softmax(x), lambda x: tf.where(tf.abs(x) < 1, x, tf.zeros_like(x))]
BINARY = [tf.add, tf.subtract, tf.multiply, tf.maximum, tf.minimum, tf.math.squared_difference, lambda a, b: tf.where(a > b, a, b * 0.5), lambda a, b: a / (tf.abs(b) + 1), tf.math.atan2]


def pick(rng, items):
    return items[rng.integers(len(items))]


@does()
@does()
def chain(rng):
    """A random expression."""
    plan = [(rng.random() < 0.7, int(rng.integers(len(UNARY))), int(rng.integers(len(BINARY))), int(rng.integers(99))) for _ in range(rng.integers(3, 10))]

    def f(x):
        values = [x]
        for one, u, b, back in plan:
            last = values[-1]
            values.append(UNARY[u](last) if one else BINARY[b](last, values[back % len(values)]))
        return values[-1]
    return f


@does()
def while_grows(rng):
    k, most = float(rng.uniform(1.1, 2)), int(rng.integers(0, 6))

    def f(x):
        return tf.while_loop(lambda i, y: tf.reduce_max(tf.abs(y)) < 20, lambda i, y: (i + 1, tf.sin(y) + y * k), [0, x], maximum_iterations=most)[1]
    return f


@does()
def cond_on_mean(rng):
    a, b = pick(rng, UNARY), pick(rng, UNARY)
    inner = pick(rng, BINARY)
    return lambda x: tf.cond(tf.reduce_mean(x) > 0.1, lambda: a(x), lambda: tf.cond(tf.reduce_max(x) > 1, lambda: inner(x, b(x)), lambda: b(x)))


@does()
def branches(rng):
    fs = [pick(rng, UNARY) for _ in range(3)]
    return lambda x: tf.switch_case(tf.cast(tf.abs(tf.reduce_sum(x)) * 3 + 0.137, tf.int32) % 4, [lambda f=f: f(x) for f in fs], default=lambda: x)


@does(3, 4)
def scanned(rng):
    b, u, back = pick(rng, BINARY), pick(rng, UNARY), bool(rng.integers(2))

    def f(x):
        perm = [1, 0] + list(range(2, x.shape.rank))
        y = tf.scan(lambda a, r: u(b(a * 0.5, r)), tf.transpose(x, perm), reverse=back)
        return tf.transpose(y, perm)
    return f


@does(3)
def scanned_pair(rng):
    u = pick(rng, UNARY)

    def f(x):
        t = tf.transpose(x, [1, 0, 2])
        z = tf.zeros_like(t[0])
        a, b, n = tf.scan(lambda a, r: (u(a[0]) * 0.3 + r, a[1] - a[0], a[2] + 1), t, initializer=(z, z, tf.constant(0)))
        return tf.transpose(a + b * tf.cast(n, x.dtype)[:, None, None], [1, 0, 2])
    return f


@does()
def mapped(rng):
    u, kind = pick(rng, UNARY), int(rng.integers(3))

    def one(r):
        if kind == 0:
            return u(r)
        if kind == 1:
            return tf.cond(tf.reduce_sum(r) > 0.37, lambda: tf.sort(r, -1), lambda: -r)
        return tf.foldl(lambda a, v: u(a) + v, r)[..., None] + tf.zeros_like(r[0])[..., None] if r.shape.rank > 1 else tf.cumsum(r)
    return lambda x: tf.map_fn(one, x, fn_output_signature=x.dtype) if kind < 2 else tf.map_fn(lambda r: u(tf.reduce_max(r, 0)), x, fn_output_signature=x.dtype)[..., None] + 0 * x[..., :1] \
        if x.shape.rank == 2 else tf.map_fn(lambda r: tf.cumsum(r, 0), x)


@does()
def vectorized(rng):
    u = pick(rng, UNARY)
    return lambda x: tf.vectorized_map(lambda r: u(r) + tf.cumsum(r, 0) * tf.reduce_mean(r), x)


@does(3)
def array_loop(rng):
    u, skip, stop = pick(rng, UNARY), int(rng.integers(2, 4)), float(rng.uniform(5, 40))

    @tf.function
    def f(x):
        n = tf.shape(x)[1]
        out = tf.TensorArray(x.dtype, n, element_shape=[None, x.shape[2]])
        s = tf.zeros_like(x[:, 0])
        for i in tf.range(n):
            if i % skip == 1:
                out = out.write(i, s)
                continue
            s = u(s) + x[:, i]
            if tf.reduce_sum(tf.abs(s)) > stop:
                s = s * 0.25
            out = out.write(i, s)
        return tf.transpose(out.stack(), [1, 0, 2])
    return f


@does(3)
def array_grows(rng):
    return_early = bool(rng.integers(2))

    @tf.function
    def f(x):
        a = tf.TensorArray(x.dtype, 0, dynamic_size=True, clear_after_read=False)
        k = 0
        for row in x:
            if tf.reduce_sum(row) > 0.37:
                a = a.write(k, row)
                k += 1
                if return_early and k > 1:
                    break
        if k == 0:
            return x
        return x + a.read(k - 1)[None]
    return f


@does(2, 3)
def nested_loops(rng):
    n = int(rng.integers(2, 5))

    @tf.function
    def inner(x, i):
        j = tf.constant(0)
        while j < i:
            x = x + tf.sin(x) * tf.cast(j, x.dtype)
            j += 1
            if j > 3:
                break
        return x

    @tf.function
    def f(x):
        for i in tf.range(n):
            if i % 2 == 0:
                x = inner(x, i)
            else:
                x = tf.tanh(inner(x, i - 1))
        return x
    return f


@does(2, 3, 4)
def top(rng):
    k = int(rng.integers(1, 3))

    def f(x):
        v, i = tf.nn.top_k(x, k, sorted=True)
        return v + tf.gather(x, i, batch_dims=x.shape.rank - 1) * 0.5 + tf.cast(i, x.dtype)
    return f


@does()
def ordered(rng):
    kind = int(rng.integers(5))
    return lambda x: [lambda: tf.sort(x, -1, direction="DESCENDING"), lambda: tf.cast(tf.argsort(x, -1, stable=True), x.dtype), lambda: tf.cumsum(x, -1, exclusive=True, reverse=True),
                      lambda: tf.math.cumulative_logsumexp(x, -1), lambda: tf.math.cumprod(x, 1)][kind]()


@does(2, 3)
def partitioned(rng):
    n = int(rng.integers(2, 4))

    def f(x):
        which = tf.cast(tf.abs(tf.reduce_sum(x, list(range(1, x.shape.rank)))) * 2, tf.int32) % n
        parts = tf.dynamic_partition(x, which, n)
        index = tf.dynamic_partition(tf.range(tf.shape(x)[0]), which, n)
        y = tf.dynamic_stitch(index, [p * (i + 1.0 if x.dtype == tf.float32 else i + 1) for i, p in enumerate(parts)])
        return tf.ensure_shape(y, x.shape)
    return f


@does(2, 3)
def segments(rng):
    kind = pick(rng, [tf.math.unsorted_segment_sum, tf.math.unsorted_segment_mean, tf.math.unsorted_segment_max])

    def f(x):
        ids = tf.range(tf.shape(x)[0]) // 2
        s = kind(x, ids, tf.shape(x)[0])
        s = tf.where(tf.abs(s) < 1e9, s, tf.zeros_like(s))
        return tf.gather(s, ids) + x
    return f


@does(2, 3)
def unique_rows(rng):
    def f(x):
        v, i, n = tf.unique_with_counts(tf.cast(tf.reduce_sum(x, list(range(1, x.shape.rank))) * 2 + 0.137, tf.int32))
        s = tf.gather(tf.cast(v * n, x.dtype), i)
        return x + tf.reshape(s, [-1] + [1] * (x.shape.rank - 1)) * 0.01
    return f


@does(3)
def ragged(rng):
    u, kind = pick(rng, UNARY), int(rng.integers(4))

    def f(x):
        n = tf.cast(tf.abs(x[:, 0, 0]) * 3 + 0.137, tf.int32) % (tf.shape(x)[1] + 1)
        r = tf.RaggedTensor.from_tensor(x, lengths=n)
        r = tf.ragged.map_flat_values(u, r)
        if kind == 0:
            return r.to_tensor(0, shape=[None, None, x.shape[2]])
        if kind == 1:
            return tf.concat([r, r * 2], 1).to_tensor(0, shape=[None, None, x.shape[2]])
        if kind == 2:
            return tf.reduce_sum(r, 1) + tf.cast(r.row_lengths(), x.dtype)[:, None]
        m = tf.reduce_max(tf.concat([r, tf.RaggedTensor.from_tensor(x)], 1), 1)
        return m
    return f


@does(2)
def sparse(rng):
    w = rng.standard_normal((64, 3)).astype(np.float32)
    kind = int(rng.integers(3))

    def f(x):
        s = tf.sparse.from_dense(tf.nn.relu(x))
        if kind == 0:
            return tf.sparse.sparse_dense_matmul(s, tf.cast(tf.constant(w)[:x.shape[1]], x.dtype))
        if kind == 1:
            return tf.sparse.to_dense(tf.sparse.concat(1, [s, tf.sparse.map_values(tf.square, s)]))
        return tf.sparse.reduce_sum(s, 1, keepdims=True) + tf.sparse.to_dense(tf.sparse.softmax(s))
    return f


@does(3)
def products(rng):
    kind = int(rng.integers(5))

    def f(x):
        if kind == 0:
            return tf.einsum("bij,bkj->bik", x, x)
        if kind == 1:
            return tf.matmul(x, x, transpose_a=True)
        if kind == 2:
            return tf.einsum("...i,...j->...ij", x, tf.nn.softmax(x))
        if kind == 3:
            return tf.tensordot(x, tf.eye(x.shape[2], dtype=x.dtype) * 2 + 0.1, 1)
        return tf.linalg.band_part(tf.matmul(x, x, transpose_b=True), 1, 0)
    return f


@does(3)
def algebra(rng):
    kind = int(rng.integers(6))

    def f(x):
        n = x.shape[2]
        a = tf.matmul(x, x, transpose_a=True) + tf.eye(n, dtype=x.dtype) * 2
        return [lambda: tf.linalg.cholesky(a), lambda: tf.linalg.inv(a), lambda: tf.linalg.solve(a, tf.linalg.matrix_transpose(x)), lambda: tf.linalg.det(a)[:, None] * 0.01,
                lambda: tf.linalg.triangular_solve(tf.linalg.band_part(a, -1, 0), tf.linalg.matrix_transpose(x)), lambda: tf.linalg.eigvalsh(a)][kind]()
    return f


@does(2, 3)
def spectrum(rng):
    kind = int(rng.integers(5))

    def f(x):
        return [lambda: tf.abs(tf.signal.rfft(x)), lambda: tf.math.real(tf.signal.fft(tf.cast(x, tf.complex64))), lambda: tf.signal.dct(x), lambda: tf.signal.irfft(tf.signal.rfft(x, [8]) * 2.0, [8]),
                lambda: tf.signal.frame(x, 2, 1, pad_end=True, axis=-1)][kind]()
    return f


@does(4)
def blocks(rng):
    kind = int(rng.integers(5))

    def f(x):
        x = tf.pad(x, [[0, 0], [0, -x.shape[1] % 2 if x.shape[1] else 0], [0, -x.shape[2] % 2 if x.shape[2] else 0], [0, 0]], "SYMMETRIC")
        if kind == 0:
            return tf.nn.space_to_depth(x, 2)
        if kind == 1:
            return tf.nn.batch_to_space(tf.nn.relu(tf.nn.space_to_batch(x, [2, 2], [[0, 0], [0, 0]])), [2, 2], [[0, 0], [0, 0]])
        if kind == 2:
            return tf.nn.depth_to_space(tf.concat([x] * 4, 3), 2)
        if kind == 3:
            return tf.image.extract_patches(x, [1, 2, 2, 1], [1, 1, 2, 1], [1, 1, 1, 1], "SAME")
        return tf.transpose(tf.reverse(x, [2]), [0, 2, 1, 3])
    return f


@does(4)
def pictures(rng):
    kind, h, w = int(rng.integers(8)), int(rng.integers(3, 9)), int(rng.integers(3, 9))
    method = pick(rng, ["bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic"])

    def f(x):
        n = tf.shape(x)[0]
        y = tf.cast(x, tf.float32)
        y = [lambda: tf.image.resize(y, [h, w], method), lambda: tf.image.resize(y, [h, w], method, antialias=True), lambda: tf.image.resize_with_pad(y, h, w),
             lambda: tf.image.crop_and_resize(y, tf.tile([[0.1, 0.2, 0.9, 1.1]], [n, 1]), tf.range(n), [h, w], method="bilinear" if h % 2 else "nearest"), lambda: tf.image.resize_with_crop_or_pad(y, h, w),
             lambda: tf.image.per_image_standardization(y), lambda: tf.image.flip_left_right(tf.image.rot90(y)), lambda: tf.image.adjust_contrast(y, 1.7)][kind]()
        return tf.cast(y, x.dtype)
    return f


@does(4)
def pools(rng):
    kind = int(rng.integers(5))

    def f(x):
        return [lambda: tf.nn.max_pool2d(x, 2, 1, "SAME") - tf.nn.avg_pool2d(x, 3, 1, "SAME"), lambda: tf.nn.max_pool_with_argmax(x, 2, 2, "SAME")[0], lambda: tf.nn.lrn(x, 2, alpha=0.1),
                lambda: tf.nn.dilation2d(x, tf.zeros([2, 2, x.shape[3]], x.dtype), [1, 1, 1, 1], "SAME", "NHWC", [1, 1, 1, 1]), lambda: tf.nn.pool(x, [2, 1], "AVG", padding="SAME", strides=[1, 2])][kind]()
    return f


@does(2)
def boxes(rng):
    def f(x):
        n = tf.shape(x)[0]
        s = tf.reduce_sum(x, 1)
        at = tf.sigmoid(tf.cast(tf.stack([s, s * 0.7, s + 1, s * 0.7 + 1], 1), tf.float32))
        sel = tf.image.non_max_suppression(at, tf.cast(s, tf.float32), 4, 0.5)
        return tf.tensor_scatter_nd_update(x, sel[:, None], tf.gather(x, sel) * 2) * tf.cast(n, x.dtype)
    return f


@does(2, 3, 4)
def scattered(rng):
    kind = int(rng.integers(5))

    def f(x):
        n = tf.shape(x)[0]
        if kind == 0:
            return tf.tensor_scatter_nd_add(x, tf.range(0, n, 2)[:, None], x[::2] * 3)
        if kind == 1:
            return tf.ensure_shape(tf.scatter_nd(tf.range(n)[::-1, None], x, tf.shape(x)), x.shape)
        if kind == 2:
            return tf.roll(x, 1, -1) + tf.reverse(x, [1])
        if kind == 3:
            return tf.one_hot(tf.argmax(x, -1), 3, 2, -1, dtype=x.dtype)
        return tf.where(tf.math.greater(tf.cumsum(tf.ones_like(x), 1), 2), tf.boolean_mask(x, tf.reduce_sum(x, list(range(1, x.shape.rank))) > -1e9), x * 0.1)
    return f


@does(3)
def reversed_lengths(rng):
    def f(x):
        n = tf.cast(tf.abs(x[:, 0, 0]) * 5 + 0.137, tf.int32) % (tf.shape(x)[1] + 1)
        m = tf.sequence_mask(n, tf.shape(x)[1], x.dtype)
        return tf.reverse_sequence(x, n, seq_axis=1, batch_axis=0) * m[..., None]
    return f


@does(2, 3)
def slope(rng):
    u, v = pick(rng, UNARY), pick(rng, UNARY)

    def f(x):
        with tf.GradientTape() as t:
            t.watch(x)
            y = tf.reduce_sum(u(tf.tanh(x)) * v(x * 0.5))
        return t.gradient(y, x, unconnected_gradients="zero")
    return f


@does(2, 3)
def slope_in_loop(rng):
    u = pick(rng, UNARY[:12])

    def f(x):
        with tf.GradientTape() as t:
            t.watch(x)
            y = tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, u(y) * x + y * 0.5), [0, x])[1]
            y = tf.reduce_sum(tf.square(y))
        return t.gradient(y, x)
    return f


@does(2, 3)
def own_gradient(rng):
    @tf.custom_gradient
    def f(x):
        return tf.clip_by_value(x, -1, 1), lambda dy: dy * 0.5
    return lambda x: f(x) + tf.recompute_grad(lambda y: tf.tanh(y) * y)(x)


@does(2)
def words(rng):
    def f(x):
        s = tf.strings.as_string(tf.cast(x * 10 + 0.137, tf.int32))
        n = tf.strings.length(tf.strings.reduce_join(s, 1, separator=","))
        h = tf.strings.to_hash_bucket_fast(s, 7)
        return tf.cast(h, x.dtype) * 0.1 + tf.cast(n, x.dtype)[:, None]
    return f


@does(2, 3)
def table(rng):
    t = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(tf.range(-2, 3, dtype=tf.int64), tf.constant([5., 1, 7, 2, 3])), -1.0)

    def f(x):
        return tf.cast(t.lookup(tf.cast(x * 2 + 0.137, tf.int64)), x.dtype) + x
    f.keep = t
    return f


@does(2, 3)
def bits(rng):
    kind = int(rng.integers(6))

    def f(x):
        i = tf.cast(x * 8 + 0.137, tf.int32)
        y = [lambda: tf.bitwise.bitwise_and(i, 6), lambda: i // 3 + i % 3, lambda: tf.math.floormod(i, 5) - tf.truncatemod(i, 5), lambda: tf.bitwise.left_shift(tf.abs(i), 2),
             lambda: tf.cast(tf.cast(tf.abs(i), tf.uint8), tf.int32), lambda: tf.cast(tf.quantization.fake_quant_with_min_max_args(tf.cast(x, tf.float32), -2, 2), tf.int32)][kind]()
        return tf.cast(y, x.dtype) * 0.25
    return f


@does()
def reductions(rng):
    kind = pick(rng, [tf.reduce_sum, tf.reduce_mean, tf.reduce_max, tf.reduce_min, tf.math.reduce_std, tf.math.reduce_variance, tf.reduce_logsumexp, tf.math.reduce_euclidean_norm, tf.reduce_prod])
    keep = bool(rng.integers(2))

    def f(x):
        y = kind(x, 1, keepdims=True) if keep or x.shape.rank == 2 else kind(x, 1)
        return y if x.shape.rank > 2 else x - y
    return f


@does(2, 3, 4)
def sliced(rng):
    kind = int(rng.integers(6))

    def f(x):
        return [lambda: x[..., ::-1], lambda: x[:, -1:] + x * 0.5, lambda: tf.concat([x[:, :1], x, x[:, -2:]], 1), lambda: tf.stack(tf.unstack(x, axis=-1)[::-1], -1),
                lambda: tf.concat(tf.split(x, [1, -1], -1)[::-1], -1) if x.shape[-1] > 1 else x, lambda: tf.squeeze(tf.expand_dims(x, 1), 1)[..., tf.newaxis, :][..., 0, :]][kind]()
    return f


@does()
def shaped(rng):
    def f(x):
        s = tf.shape(x)
        y = tf.reshape(x, tf.stack([s[0], tf.reduce_prod(s[1:])]))
        y = y - tf.reduce_mean(y, 1, keepdims=True)
        return tf.ensure_shape(tf.reshape(y, s), x.shape)
    return f


@does()
def half(rng):
    to = pick(rng, [tf.float16, tf.bfloat16, tf.float64])
    u = pick(rng, UNARY[:10])
    return lambda x: tf.cast(u(tf.cast(x, to) * 0.5), x.dtype)
