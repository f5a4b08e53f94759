# SPDX-License-Identifier: Apache-2.0
"""Gradients that the families of their operators leave out, and gradients of gradients."""
from tensorflow.python.ops import gen_array_ops, gen_control_flow_ops, gen_state_ops as state
from tensorflow.python.ops import map_ops  # noqa: F401: has the gradients of maps

from case import *


def special(rng):
    for t in (F32, F64):
        a, x = draw(rng, t, 2, 3, low=0.5, high=3), draw(rng, t, 3, low=0.5, high=3)
        tol = (2e-3, 1e-4) if t == F32 else (1e-6, 1e-8)
        yield case("Igamma", lambda a, x: raw.Igamma(a=a, x=x), a, x, grad=[0, 1], tol=tol)
        yield case("Igammac", lambda a, x: raw.Igammac(a=a, x=x), a, x, grad=[0, 1], tol=tol)
        yield case("Zeta", lambda x, q: raw.Zeta(x=x, q=q), a + 1, x, grad=[1], tol=tol)
        yield case("Polygamma", lambda a, x: raw.Polygamma(a=a, x=x), np.ones((2, 1), t), x, grad=[1], tol=tol)
        yield case("NextAfter", lambda x, y: raw.NextAfter(x1=x, x2=y), draw(rng, F64, 2, 3), draw(rng, F64, 3), grad=[0, 1])
        u = draw(rng, t, 2, 3, low=0.1, high=0.9)
        yield case("Betainc", lambda a, b, x: raw.Betainc(a=a, b=b, x=x), a, draw(rng, t, 2, 3, low=0.5, high=3), u, grad=[2], tol=tol)
        yield case("Betainc", lambda a, b, x: raw.Betainc(a=a, b=b, x=x), t(1.5), t(2.5), u, grad=[2], tol=tol)


def spectral(rng):
    for rank, name in ((1, "RFFT"), (2, "RFFT2D")):
        shape = shape_of(rng, rank + 1, 6, 0)
        n = np.array(shape[1:], I32)
        op, back = getattr(raw, name), getattr(raw, "I" + name)
        yield case(name, lambda x, n, op=op: op(input=x, fft_length=n), draw(rng, F32, *shape), n, grad=[0], tol=(1e-3, 1e-4))
        half = shape[:-1] + (shape[-1] // 2 + 1,)
        yield case("I" + name, lambda x, n, op=back: op(input=x, fft_length=n), draw(rng, C64, *half), n, grad=[0], tol=(1e-3, 1e-4))


def matrices(rng):
    n, m = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    x = draw(rng, F32, 2, n, m)
    short = min(n, m)
    yield case("MatrixSetDiag", lambda x, d: raw.MatrixSetDiag(input=x, diagonal=d), x, draw(rng, F32, 2, short), grad=[0, 1])
    x, k = draw(rng, F32, 2, 4, 4), pick(rng, -2, 1)  # of several diagonals TensorFlow aligns the gradient as it does in the third version
    diagonal = draw(rng, F32, 2, 4 - abs(k))
    yield case("MatrixSetDiagV2", lambda x, d, k: raw.MatrixSetDiagV2(input=x, diagonal=d, k=k), x, diagonal, I32(k), grad=[0, 1])
    yield case("MatrixDiagPartV2", lambda x, k, p: raw.MatrixDiagPartV2(input=x, k=k, padding_value=p), x, I32(k), F32(7), grad=[0])
    yield case("MatrixDiagV2", lambda d, k: raw.MatrixDiagV2(diagonal=d, k=k, num_rows=-1, num_cols=-1, padding_value=0.0), diagonal, I32(k), grad=[0])
    a, b = draw(rng, F32, 2, 1, 3, 4), draw(rng, F32, 3, 4, 2)
    yield case("BatchMatMulV3", lambda a, b: raw.BatchMatMulV3(x=a, y=b, Tout=tf.float32), a, b, grad=[0, 1])


def plain(rng):
    x, y = draw(rng, F32, 2, 3), draw(rng, F32, 2, 3)
    yield case("AccumulateNV2", lambda x, y: raw.AccumulateNV2(inputs=[x, y], shape=[2, 3]), x, y, grad=[0, 1])
    yield case("CheckNumericsV2", lambda x: raw.CheckNumericsV2(tensor=x, message="m"), x, grad=[0])
    yield case("DebugIdentityV2", lambda x: raw.DebugIdentityV2(input=x), x, grad=[0])
    yield case("Print", lambda x: raw.Print(input=x, data=[x], summarize=0, first_n=0), x, grad=[0])
    yield case("QuantizeAndDequantize", lambda x: raw.QuantizeAndDequantizeV2(input=x, input_min=-1.0, input_max=1.0), x, grad=[0])
    ids = np.sort(rng.integers(0, 3, 5)).astype(I32)
    for zeros in (0, 1, 2):
        x = draw(rng, F32, 5, 2)
        x[:zeros] = 0
        yield case("SegmentProd", lambda x, i: raw.SegmentProd(data=x, segment_ids=i), x, ids, grad=[0])
    at = np.array([[0, 1], [2, 0]], I64)
    yield case("SparseToDense", lambda i, v, d: raw.SparseToDense(sparse_indices=i, output_shape=tf.constant([3, 2], tf.int64), sparse_values=v, default_value=d),
               at, draw(rng, F32, 2), F32(0.5), grad=[1, 2])
    yield case("SparseToDense", lambda i, v, d: raw.SparseToDense(sparse_indices=i, output_shape=tf.constant([3, 2], tf.int64), sparse_values=v, default_value=d),
               at, F32(2), F32(0.5), grad=[2])


def isotonic(rng):
    for t in (F32, F64):
        x = draw(rng, t, *shape_of(rng, 2, 6, 0))
        yield case("IsotonicRegression", lambda x: raw.IsotonicRegression(input=x, output_dtype=x.dtype)[0], x, grad=[0])
    ties = np.array([[1, 1, 2, 2, 0, 0], [3, 2, 1, 1, 2, 3]], F32)
    yield case("IsotonicRegression", lambda x: raw.IsotonicRegression(input=x)[0], ties, grad=[0])


def maps(rng):
    def look(m, k, x):
        return raw.TensorMapLookup(input_handle=m, key=k, value_dtype=x.dtype)

    def two(k, x, y):
        m = raw.TensorMapInsert(input_handle=raw.EmptyTensorMap(), key=k, value=x * x)
        m = raw.TensorMapInsert(input_handle=m, key=k + 1, value=y)
        return look(m, k, x)

    def over(k, x, y):
        m = raw.TensorMapInsert(input_handle=raw.EmptyTensorMap(), key=k, value=x * x)
        m = raw.TensorMapInsert(input_handle=m, key=k, value=x * y)
        return look(m, k, x)

    def less(k, x, y):
        m = raw.TensorMapInsert(input_handle=raw.EmptyTensorMap(), key=k, value=x * y)
        m = raw.TensorMapInsert(input_handle=m, key=k + 1, value=y)
        return look(raw.TensorMapErase(input_handle=m, key=k + 1, value_dtype=x.dtype), k, x)
    for build in (two, over, less):
        yield case("TensorMapInsert", build, np.int64(rng.integers(9)), draw(rng, F32, 3), draw(rng, F32, 3), grad=[1, 2])


def lists(rng):
    def resized(x, n):
        h = raw.TensorListFromTensor(tensor=x, element_shape=[2])
        return raw.TensorListStack(input_handle=raw.TensorListResize(input_handle=h, size=n), element_shape=[2], element_dtype=x.dtype)
    for n in (2, 5):
        yield case("TensorListResize", resized, draw(rng, F32, 3, 2), np.int32(n), grad=[0])


def networks(rng):
    x, one = draw(rng, F32, 2, 3, 3, 2), draw(rng, F32, 2, low=0.5, high=1.5)
    for scale in (True, False):
        yield case("BatchNormWithGlobalNormalization",
                   lambda t, m, v, b, g, s=scale: v1.nn.batch_norm_with_global_normalization(t, m, v, b, g, 1e-3, s),
                   x, draw(rng, F32, 2), one, draw(rng, F32, 2), draw(rng, F32, 2), grad=[0, 1, 2, 3, 4], tol=(1e-4, 1e-5))
    for training in (True, False):
        def norm(dy, x, scale, m, v, training=training):
            return raw.FusedBatchNormGrad(y_backprop=dy, x=x, scale=scale, reserve_space_1=m, reserve_space_2=v, epsilon=1e-3, is_training=training)[:3]
        m, v = x.mean((0, 1, 2)), x.var((0, 1, 2))
        if not training:
            yield case("FusedBatchNormGrad", norm, draw(rng, F32, *x.shape), x, one, m, v, grad=[0, 1, 2], tol=(1e-3, 1e-4))

    def twice(x, scale, b):
        y = raw.FusedBatchNorm(x=x, scale=scale, offset=b, mean=[], variance=[], epsilon=1e-3)[0]
        return v1.gradients(tf.reduce_sum(y * y * y), [x, scale])
    yield case("FusedBatchNorm", twice, x, one, draw(rng, F32, 2), grad=[0, 1], tol=(2e-3, 1e-3))
    yield case("ImageProjectiveTransformV3", lambda x, m: raw.ImageProjectiveTransformV3(images=x, transforms=m, output_shape=[3, 3], fill_value=0.0, interpolation="BILINEAR"),
               x, np.array([[1, 0.1, 0.2, 0, 1, 0.3, 0, 0]], F32), grad=[0], tol=(1e-4, 1e-5))


def lstms(rng):
    def lstm(x, c, h, w, i, f, o, b):
        return raw.BlockLSTMV2(seq_len_max=tf.constant(3, tf.int64), x=x, cs_prev=c, h_prev=h, w=w, wci=i, wcf=f, wco=o, b=b, use_peephole=False)[6]
    n, d, u = 2, 3, 4
    peep = [draw(rng, F32, u) for _ in range(3)]
    yield case("BlockLSTMV2", lstm, draw(rng, F32, 3, n, d), draw(rng, F32, n, u), draw(rng, F32, n, u), draw(rng, F32, d + u, 4 * u), *peep, draw(rng, F32, 4 * u),
               grad=[0, 1, 2, 3, 7], tol=(1e-3, 1e-4), ours=False)  # TensorFlow's has the gates of the first version


def second(rng):
    """Of what is differentiated twice by penalties on gradients."""
    x = draw(rng, F32, 1, 5, 5, 2)

    def twice(f, x, *rest):
        g = v1.gradients(tf.reduce_sum(tf.square(f(x, *rest))), [x, *rest])
        return [tf.reduce_sum(d * d, range(1, len(d.shape))) if d.shape.rank else d for d in g]

    def known(build):
        return lambda x, *rest: twice(build, tf.ensure_shape(x, [1, 5, 5, 2]), *rest)
    w = draw(rng, F32, 3, 3, 2, 2)
    fixed = lambda w: tf.ensure_shape(w, [3, 3, 2, 2])
    yield case("Conv2D", known(lambda x, w: tf.nn.conv2d(tf.tanh(x), w, 1, "SAME")), x, w, grad=[0, 1], tol=(2e-3, 1e-3), shapes="known")
    yield case("DepthwiseConv2dNative", known(lambda x, w: tf.nn.depthwise_conv2d(tf.tanh(x), w, [1, 2, 2, 1], "SAME")), x, w, grad=[0, 1], tol=(2e-3, 1e-3), shapes="known")
    yield case("Conv2DTranspose", known(lambda x, w: tf.nn.conv2d_transpose(tf.sigmoid(x), fixed(w), [1, 10, 10, 2], 2, "SAME")), x, w, grad=[0, 1], tol=(2e-3, 1e-3), shapes="known")
    for name, f in (("AvgPool", lambda x: tf.nn.avg_pool2d(x * x, 2, 2, "SAME")), ("MaxPool", lambda x: tf.nn.max_pool2d(x * x, 2, 2, "VALID")),
                    ("Softplus", tf.math.softplus), ("Elu", tf.nn.elu), ("Selu", tf.nn.selu),
                    ("LeakyRelu", lambda x: tf.nn.leaky_relu(x * x * x)), ("Relu6", lambda x: tf.nn.relu6(x * x)), ("Sigmoid", tf.sigmoid), ("Tanh", tf.tanh),
                    ("Rsqrt", lambda x: tf.math.rsqrt(x * x + 1)), ("Sqrt", lambda x: tf.sqrt(x * x + 1)), ("Reciprocal", lambda x: tf.math.reciprocal(x * x + 1)),
                    ("LogSoftmax", tf.nn.log_softmax), ("Softmax", tf.nn.softmax), ("BiasAdd", lambda x: tf.nn.bias_add(x * x, x[0, 0, 0])),
                    ("MirrorPad", lambda x: tf.pad(x * x, [[0, 0], [1, 1], [2, 0], [0, 0]], "REFLECT")),
                    ("Gather", lambda x: tf.gather(x * x, [1, 0, 1], axis=1)), ("StridedSlice", lambda x: x[:, 1:4:2, ::-1] ** 2)):
        yield case(name, known(f), x, grad=[0], tol=(2e-3, 1e-3), shapes="known")
    v, k = draw(rng, F32, 1, 3, 4, 4, 2), draw(rng, F32, 2, 2, 2, 2, 3)
    yield case("Conv3D", lambda x, w: twice(lambda x, w: tf.nn.conv3d(x * x, w, [1, 1, 2, 1, 1], "SAME"), tf.ensure_shape(x, [1, 3, 4, 4, 2]), w), v, k, grad=[0, 1], tol=(2e-3, 1e-3), shapes="known")
    for name, pool in (("AvgPool3D", tf.nn.avg_pool3d), ("MaxPool3D", tf.nn.max_pool3d)):
        yield case(name, lambda x, pool=pool: twice(lambda x: pool(x * x, 2, 2, "SAME"), tf.ensure_shape(x, [1, 3, 4, 4, 2])), v, grad=[0], tol=(2e-3, 1e-3), shapes="known")
    yield case("MaxPoolGradGrad", lambda x, y, dy: raw.MaxPoolGradGrad(orig_input=x, orig_output=y, grad=dy, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID"),
               *pooled(rng), grad=[2])
    logits, labels = draw(rng, F32, 3, 4), np.eye(4, dtype=F32)[:3]
    yield case("SoftmaxCrossEntropyWithLogits", lambda x, y: twice(lambda x: tf.nn.softmax_cross_entropy_with_logits(y, x), x), logits, labels, grad=[0], tol=(2e-3, 1e-3))
    yield case("SparseSoftmaxCrossEntropyWithLogits", lambda x: twice(lambda x: tf.nn.sparse_softmax_cross_entropy_with_logits([1, 0, 3], x), x), logits, grad=[0], tol=(2e-3, 1e-3))


def pooled(rng):
    x = draw(rng, F32, 1, 4, 4, 2)
    y = x.reshape(1, 2, 2, 2, 2, 2).max((2, 4))
    return x, y, draw(rng, F32, 1, 4, 4, 2)


def while_loop(body, *values, n=3):
    return v1.while_loop(lambda i, *a: i < n, lambda i, *a: (i + 1, *body(i, *a)), [0, *values], parallel_iterations=1)[1:]


def frames(rng):
    """Loops and branches of TensorFlow 1 in functions."""
    x, y = draw(rng, F32, 2, low=0.5), draw(rng, F32, 2, low=0.5)
    power = lambda x, n=3: while_loop(lambda i, a: [a * x + 1], x, n=n)[0]
    half = lambda x: v1.cond(tf.reduce_sum(x) > 0, lambda: x * x, lambda: x * 3)
    call = lambda f: tf.function(f, autograph=False)
    for name, f in (("Loop", power), ("Branch", half), ("Nested", lambda x: while_loop(lambda i, a: [power(a, 2) * x], x, n=2)[0])):
        yield case("Function" + name, lambda x, f=f: call(f)(x), pick(rng, x, -x), grad=[0], tol=(1e-3, 1e-4))
    yield case("FunctionLoop", lambda x, y: call(lambda x, y: while_loop(lambda i, a, b: [a * y, b + a], x, y))(x, y), x, y, grad=[0, 1], tol=(1e-3, 1e-4))
    yield case("LoopFunction", lambda x: while_loop(lambda i, a: [call(power)(a)], x, n=2), x, grad=[0], tol=(1e-3, 1e-4))


def references(rng):
    """Variables that are assigned inside of loops and branches, as references."""
    x, n = draw(rng, F32, 2, low=0.5), int(rng.integers(2, 4))

    def new(shape, value):
        value = np.full(shape, value, F32)
        return v1.assign(raw_ref(value), value)

    def after(op, value):
        with tf.control_dependencies([op]):
            return tf.identity(value())

    def counted(x):
        v = new((), 1)
        y = while_loop(lambda i, a: [after(state.assign_add(v, 1.0), lambda: a) * x], x, n=n)[0]
        return y, after(y, lambda: v + 0)

    def kept(x):
        v = new(2, 0)
        return while_loop(lambda i, a: [after(state.assign(v, a * x), lambda: a) * x], x, n=n)[0]

    def read(x):
        v = new((), 1)
        return while_loop(lambda i, a: [a * x * after(state.assign_add(v, 1.0), lambda: v + 0)], x, n=n)[0]

    def scattered(x):
        v = new((3, 2), 1)
        return while_loop(lambda i, a: [after(state.scatter_update(v, i, a), lambda: a) * x], x, n=n)[0]

    def nested(x):
        v = new((), 1)
        y = while_loop(lambda i, a: while_loop(lambda j, b: [after(state.assign_add(v, 1.0), lambda: b) * x], a, n=2), x, n=2)[0]
        return y, after(y, lambda: v + 0)

    def branched(x):
        v = new((), 1)
        y = v1.cond(tf.reduce_sum(x) > pick(rng, -9, 9), lambda: after(state.assign_add(v, 1.0), lambda: x * x), lambda: x)
        return x * y, after(y, lambda: v + 0)

    def sum_or_difference(x):
        v = new((), 1)
        return v1.cond(tf.reduce_sum(x) > pick(rng, -9, 9), lambda: state.assign_add(v, 1.0), lambda: state.assign_sub(v, 1.0)) * x

    def once(x):
        v = new((), 1)
        return while_loop(lambda i, a: [v1.cond(i > 0, lambda: a * x, lambda: tf.identity(state.assign_add(v, 1.0)) * a)], x, n=n)[0]

    def switched(x):
        v = new(2, 3)
        return gen_control_flow_ops.ref_merge(gen_control_flow_ops.ref_switch(v, after(v, lambda: tf.reduce_sum(x) > 0)))[0] * x

    def handed_on(x):
        return gen_array_ops.ref_identity(new(2, 3)) * x
    for build in (counted, kept, read, scattered, nested, branched, sum_or_difference, once, switched, handed_on):
        yield case(build.__name__, build, x, grad=[0], tol=(1e-3, 1e-4))


def cases(rng):
    for family in (special, spectral, matrices, plain, isotonic, maps, lists, networks, lstms, second, frames, references):
        yield from family(rng)
