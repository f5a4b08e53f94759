# SPDX-License-Identifier: Apache-2.0
"""Graphs as published models have them: detection with its loops over images, images that arrive as encoded bytes, text towers,
style transfer, speech features, language models with TensorFlow 1's cells."""
import keras
import numpy as np
import tensorflow as tf
from keras import layers as L

from zoo import entry, graph, v1
from zoo_v1 import dense, old


def png(z, h, w):
    with tf.Graph().as_default(), v1.Session() as s:
        return s.run(tf.io.encode_png((z.rng.random((h, w, 3)) * 255).astype(np.uint8)))


@old
def published_image_bytes(z):
    """Encoded images in a batch of strings: decoded, resized and scaled one by one."""
    s = v1.placeholder(tf.string, [None], "image_bytes")

    def one(b):
        x = tf.image.convert_image_dtype(tf.image.decode_png(b, 3), tf.float32)
        x = v1.image.resize_bilinear(x[None], [12, 10], align_corners=False)[0]
        return (x - 0.5) * 2.0
    x = tf.map_fn(one, s, dtype=tf.float32, back_prop=False)
    x.set_shape([None, 12, 10, 3])
    y = tf.nn.relu6(tf.nn.conv2d(x, v1.get_variable("w", [3, 3, 3, 4]), 2, "SAME"))
    p = tf.nn.softmax(dense(tf.reduce_mean(y, [1, 2]), 5, "logits"))
    top = tf.nn.top_k(p, 2)
    names = tf.gather(tf.constant(["a", "b", "c", "d", "e"]), top.indices)
    images = np.array([png(z, 9, 7), png(z, 20, 16)], object)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        z.saved_model(session, {"image_bytes": s}, {"probabilities": p, "classes": names, "scores": top.values}, [{"image_bytes": images}])


@old
def published_detection(z):
    """Anchors, box coding, per-image per-class suppression in map_fn with padding, asserts and conditionals."""
    image = v1.placeholder(tf.uint8, [None, None, None, 3], "image_tensor")
    x = tf.map_fn(lambda i: v1.image.resize_images(i, [16, 16]), tf.cast(image, tf.float32), dtype=tf.float32)
    with tf.control_dependencies([v1.assert_greater_equal(tf.shape(x)[1], 8, message="too small")]):
        x = (2.0 / 255.0) * x - 1.0
    f = tf.nn.relu(tf.nn.conv2d(x, v1.get_variable("c", [3, 3, 3, 8]), 4, "SAME"))
    boxes_enc = tf.reshape(tf.nn.conv2d(f, v1.get_variable("b", [1, 1, 8, 8]), 1, "SAME"), [tf.shape(x)[0], -1, 4])
    logits = tf.reshape(tf.nn.conv2d(f, v1.get_variable("l", [1, 1, 8, 6]), 1, "SAME"), [tf.shape(x)[0], -1, 3])
    h, w = 4, 4
    cy, cx = tf.meshgrid((tf.range(h, dtype=tf.float32) + 0.5) / h, (tf.range(w, dtype=tf.float32) + 0.5) / w, indexing="ij")
    anchors = tf.reshape(tf.stack([tf.stack([cy, cx, tf.ones_like(cy) * s, tf.ones_like(cy) / s * 0.3], -1) for s in (0.3, 0.6)], 2), [-1, 4])
    ay, ax, ah, aw = tf.unstack(anchors, axis=1)
    ty, tx, th, tw = tf.unstack(boxes_enc / [10.0, 10.0, 5.0, 5.0], axis=2)
    yc, xc, hh, ww = ty * ah + ay, tx * aw + ax, tf.exp(th) * ah, tf.exp(tw) * aw
    boxes = tf.stack([yc - hh / 2, xc - ww / 2, yc + hh / 2, xc + ww / 2], 2)
    scores = tf.sigmoid(logits)[:, :, 1:]

    def one(args):
        b, s = args
        sel = []
        for c in range(2):
            def pick(c=c):
                keep = tf.image.non_max_suppression(b, s[:, c], 5, 0.5)
                return tf.gather(b, keep), tf.gather(s[:, c], keep), tf.fill([tf.size(keep)], float(c + 1))
            sel.append(v1.cond(tf.reduce_any(s[:, c] > 0.3), pick, lambda: (tf.zeros([0, 4]), tf.zeros([0]), tf.zeros([0]))))
        bb, ss, cc = (tf.concat(v, 0) for v in zip(*sel))
        bb = tf.clip_by_value(bb, 0.0, 1.0)
        area = (bb[:, 2] - bb[:, 0]) * (bb[:, 3] - bb[:, 1])
        keep = tf.reshape(tf.where(area > 0.0), [-1])
        bb, ss, cc = tf.gather(bb, keep), tf.gather(ss, keep), tf.gather(cc, keep)
        k = tf.minimum(6, tf.size(ss))
        ss, order = tf.nn.top_k(ss, k)
        pad = tf.maximum(0, 6 - k)
        return (tf.pad(tf.gather(bb, order), [[0, pad], [0, 0]]), tf.pad(ss, [[0, pad]]), tf.pad(tf.gather(cc, order), [[0, pad]]), tf.cast(k, tf.float32))
    out = tf.map_fn(one, (boxes, scores), dtype=(tf.float32,) * 4, parallel_iterations=32)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        z.tol = (1e-3, 1e-3)
        z.saved_model(session, {"inputs": image}, dict(zip(("boxes", "scores", "classes", "num"), out)), [{"inputs": (z.rng.random((n, 20, 24, 3)) * 255).astype(np.uint8)} for n in (1, 2)])
        frozen = v1.graph_util.convert_variables_to_constants(session, v1.get_default_graph().as_graph_def(), [t.op.name for t in out])
        feed = (z.rng.random((2, 17, 19, 3)) * 255).astype(np.uint8)
        want = session.run(list(out), {image: feed})
    z.graph_def(frozen, {"image_tensor:0": feed}, [t.name for t in out], want)


@entry
def published_sentence_encoder(z):
    """Strings in, normalized vectors out: words hashed, averaged by bigrams, dense layers, cosine against stored answers."""
    m = tf.Module()
    m.table = tf.lookup.StaticVocabularyTable(tf.lookup.KeyValueTensorInitializer(tf.constant(["the", "a", "cat"]), tf.range(3, dtype=tf.int64)), 20)
    m.e, m.w, m.memory = tf.Variable(z.f32(23, 6)), tf.Variable(z.f32(6, 5)), tf.Variable(z.f32(4, 5))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def tokens(s):
        s = tf.strings.lower(tf.strings.regex_replace(s, r"([.,!?])", r" \1 "))
        return tf.strings.split(tf.strings.strip(s))

    def f(inputs):
        t = tokens(inputs)
        pairs = tf.strings.ngrams(t, 2)
        ids = tf.ragged.map_flat_values(m.table.lookup, t)
        both = tf.concat([ids, tf.ragged.map_flat_values(m.table.lookup, pairs)], 1)
        x = tf.ragged.map_flat_values(tf.nn.embedding_lookup, m.e, both)
        n = tf.cast(both.row_lengths(), tf.float32)[:, None]
        v = tf.nn.l2_normalize(tf.tanh((tf.reduce_sum(x, 1) / tf.sqrt(tf.maximum(n, 1.0))) @ m.w), 1)
        return {"outputs": v, "similar": tf.matmul(v, tf.nn.l2_normalize(m.memory, 1), transpose_b=True), "n": both.row_lengths()}
    z.function(f, np.array(["The cat sat.", "", "a dog, a cat!"], object), module=m, specs=[tf.TensorSpec([None], tf.string, "inputs")])


@entry
def published_style_transfer(z):
    x, style = keras.Input((None, None, 3)), keras.Input((4,))

    class Norm(L.Layer):
        def build(self, shapes):
            self.d = L.Dense(2 * shapes[0][-1])

        def call(self, v):
            mean, var = tf.nn.moments(v[0], [1, 2], keepdims=True)
            g, b = tf.split(self.d(v[1])[:, None, None], 2, -1)
            return (v[0] - mean) * tf.math.rsqrt(var + 1e-3) * (1 + g) + b

    class Reflect(L.Layer):
        def call(self, v):
            return tf.pad(v, [[0, 0], [2, 2], [2, 2], [0, 0]], "REFLECT")
    h = L.ReLU()(Norm()([L.Conv2D(6, 5)(Reflect()(x)), style]))
    d = L.ReLU()(Norm()([L.Conv2D(8, 3, strides=2, padding="same")(h), style]))
    u = L.UpSampling2D()(d)
    z.tol = (1e-3, 1e-4)
    z.keras(keras.Model([x, style], L.Conv2D(3, 5, padding="same", activation="sigmoid")(u)), (z.f32(1, 8, 12, 3), z.f32(1, 4)))


@old
def published_language_model(z):
    """LSTM cells of TensorFlow 1 written out, state fed and fetched, truncated gradients with a schedule."""
    x, y = v1.placeholder(tf.int32, [3, 5]), v1.placeholder(tf.int32, [3, 5])
    c0, h0 = v1.placeholder_with_default(tf.zeros([3, 4]), [3, 4]), v1.placeholder_with_default(tf.zeros([3, 4]), [3, 4])
    e = v1.get_variable("e", [9, 4])
    inputs = tf.nn.embedding_lookup(e, x)
    w, b = v1.get_variable("rnn/kernel", [8, 16]), v1.get_variable("rnn/bias", [16], initializer=v1.zeros_initializer())
    src, dst = tf.TensorArray(tf.float32, 5).unstack(tf.transpose(inputs, [1, 0, 2])), tf.TensorArray(tf.float32, 5)

    def step(t, c, h, out):
        i, j, f, o = tf.split(tf.nn.bias_add(tf.matmul(tf.concat([src.read(t), h], 1), w), b), 4, 1)
        c = c * tf.sigmoid(f + 1.0) + tf.sigmoid(i) * tf.tanh(j)
        h = tf.tanh(c) * tf.sigmoid(o)
        return t + 1, c, h, out.write(t, h)
    _, c, h, out = v1.while_loop(lambda t, *_: t < 5, step, [0, c0, h0, dst])
    out = tf.reshape(tf.transpose(out.stack(), [1, 0, 2]), [-1, 4])
    logits = tf.matmul(out, v1.get_variable("softmax_w", [4, 9])) + v1.get_variable("softmax_b", [9])
    loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.reshape(y, [-1]), logits=logits)) / 3.0
    step = v1.train.get_or_create_global_step()
    rate = v1.get_variable("lr", [], trainable=False, initializer=v1.constant_initializer(1.0))
    grads, _ = tf.clip_by_global_norm(v1.gradients(loss, v1.trainable_variables()), 5.0)
    train = v1.train.GradientDescentOptimizer(rate).apply_gradients(zip(grads, v1.trainable_variables()), step)
    with tf.control_dependencies([train]):
        train = v1.cond(step > 2, lambda: v1.assign(rate, rate * 0.5), lambda: rate.read_value()).op
    z.train(loss, train, {x: z.ints(9, 3, 5), y: z.ints(9, 3, 5)}, extra=[c, h, tf.exp(loss / 5.0)])


@old
def published_batch_norm_cells(z):
    """Slim's way: update ops in a collection, moving averages, regularization losses, total loss."""
    x, y, is_training = v1.placeholder(tf.float32, [None, 6]), v1.placeholder(tf.int32, [None]), v1.placeholder_with_default(True, [])
    h = x
    for i in range(2):
        with v1.variable_scope("fc%d" % i):
            w = v1.get_variable("weights", [6, 6], regularizer=lambda w: 0.01 * tf.nn.l2_loss(w))
            h = tf.matmul(h, w)
            mean, var = tf.nn.moments(h, [0])
            mm, mv = (v1.get_variable(n, [6], trainable=False, initializer=i0()) for n, i0 in (("moving_mean", v1.zeros_initializer), ("moving_variance", v1.ones_initializer)))
            from tensorflow.python.training import moving_averages
            for variable, value in ((mm, mean), (mv, var)):
                v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, moving_averages.assign_moving_average(variable, value, 0.9, zero_debias=False))
            m, v = v1.cond(is_training, lambda: (mean, var), lambda: (mm.read_value(), mv.read_value()))
            h = tf.nn.relu(tf.nn.batch_normalization(h, m, v, v1.get_variable("beta", [6], initializer=v1.zeros_initializer()), None, 1e-3))
    v1.losses.sparse_softmax_cross_entropy(y, dense(h, 4, "logits"))
    loss = v1.losses.get_total_loss()
    with tf.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
        total = tf.identity(loss)
    train = v1.train.MomentumOptimizer(0.05, 0.9).minimize(total, v1.train.get_or_create_global_step())
    z.train(loss, train, {x: z.f32(8, 6), y: z.ints(4, 8)})
