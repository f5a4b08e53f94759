# SPDX-License-Identifier: Apache-2.0
"""Whole networks: the applications of Keras with random weights, and small models of the kinds that people publish; some of them
also frozen, or as training graphs."""
import keras
import numpy as np
import tensorflow as tf
from keras import layers as L, ops

from zoo import entry, graph, v1
from zoo_v1 import dense, old

SIZES = {"InceptionV3": 75, "Xception": 71, "NASNetMobile": 32, "VGG16": 32, "ConvNeXtTiny": 32, "DenseNet121": 32, "ResNet50": 32, "ResNet50V2": 32,
         "InceptionResNetV2": 75, "EfficientNetB0": 32, "EfficientNetV2B0": 32, "MobileNet": 32, "MobileNetV2": 32, "MobileNetV3Small": 32, "MobileNetV3Large": 32}
for _name, _size in SIZES.items():
    def _one(z, name=_name, size=_size):
        options = {"include_preprocessing": True} if "V3" in name and "Mobile" in name else {}
        m = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=7, **options)
        z.tol = (2e-3, 1e-4)
        z.keras(m, (z.rng.random((1, size, size, 3)) * 255).astype(np.float32))
    _one.__name__ = "app_" + _name
    entry(_one)


@entry
def app_saved_and_frozen(z):
    m = keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3), classes=5, alpha=0.35)
    x = z.f32(1, 32, 32, 3)
    z.tol = (1e-3, 1e-4)
    module = tf.Module()
    module.m = m
    z.function(lambda x: {"y": m(x, training=False)}, x, specs=[tf.TensorSpec([None, 32, 32, 3], tf.float32, "x")], module=module)
    z.frozen(lambda x: m(x, training=False), x)


class Block(L.Layer):
    """A transformer's block with a cache of keys and values."""

    def __init__(self, width, heads, causal, norm=L.LayerNormalization, act="gelu"):
        super().__init__()
        self.heads, self.causal, self.width = heads, causal, width
        self.qkv, self.out = L.Dense(3 * width), L.Dense(width)
        self.up, self.down = L.Dense(4 * width, activation=act), L.Dense(width)
        self.n1, self.n2 = norm(), norm()

    def call(self, x, past=None, mask=None):
        h = self.n1(x)
        b, t = tf.shape(h)[0], tf.shape(h)[1]
        q, k, v = tf.split(tf.transpose(tf.reshape(self.qkv(h), [b, t, 3, self.heads, self.width // self.heads]), [2, 0, 3, 1, 4]), 3, 0)
        q, k, v = q[0], k[0], v[0]
        if past is not None:
            k, v = tf.concat([past[0], k], 2), tf.concat([past[1], v], 2)
        s = tf.einsum("bhqd,bhkd->bhqk", q, k) / (self.width // self.heads) ** 0.5
        if self.causal:
            n = tf.shape(k)[2]
            allowed = tf.range(n)[None] <= tf.range(n - t, n)[:, None]
            s = tf.where(allowed, s, -1e9)
        if mask is not None:
            s += (1.0 - mask[:, None, None]) * -1e9
        o = tf.reshape(tf.transpose(tf.nn.softmax(s) @ v, [0, 2, 1, 3]), [b, t, self.width])
        x = x + self.out(o)
        return x + self.down(self.up(self.n2(x))), tf.stack([k, v])


@entry
def bert(z):
    ids, seg, mask = keras.Input((None,), dtype="int32", name="ids"), keras.Input((None,), dtype="int32", name="segments"), keras.Input((None,), dtype="int32", name="mask")
    x = L.Embedding(30, 8)(ids) + L.Embedding(2, 8)(seg)
    x = L.LayerNormalization(epsilon=1e-12)(x)
    pos = L.Embedding(20, 8)
    x = L.Lambda(lambda x: x)(x) + pos(keras.ops.cumsum(keras.ops.ones_like(ids), 1) - 1)
    for _ in range(2):
        a = L.MultiHeadAttention(2, 4)(x, x, attention_mask=keras.ops.expand_dims(mask, 1))
        x = L.LayerNormalization()(x + a)
        x = L.LayerNormalization()(x + L.Dense(8)(L.Dense(32, activation=lambda v: keras.activations.gelu(v, approximate=True))(x)))
    pooled = L.Dense(8, activation="tanh")(x[:, 0])
    z.keras(keras.Model([ids, seg, mask], {"sequence": x, "pooled": pooled}),
            {"ids": z.ints(30, 2, 6), "segments": z.ints(2, 2, 6), "mask": np.int32([[1] * 6, [1, 1, 1, 0, 0, 0]])})


@entry
def gpt_generating(z):
    """Greedy decoding inside of the graph, with a cache that grows."""
    m = tf.Module()
    m.e, m.blocks = tf.Variable(z.f32(20, 8)), [Block(8, 2, True) for _ in range(2)]

    def step(ids, past):
        x, caches = tf.gather(m.e, ids), []
        for i, block in enumerate(m.blocks):
            x, c = block(x, None if past is None else past[i])
            caches.append(c)
        return tf.argmax(tf.matmul(x[:, -1], m.e, transpose_b=True), -1, tf.int32), tf.stack(caches)

    def f(ids, n):
        token, past = step(ids, None)
        out = tf.concat([ids, token[:, None]], 1)
        for _ in tf.range(n):
            tf.autograph.experimental.set_loop_options(shape_invariants=[(out, tf.TensorShape([None, None])), (past, tf.TensorShape([2, 2, None, 2, None, 4]))])
            token, past = step(token[:, None], past)
            out = tf.concat([out, token[:, None]], 1)
        return {"ids": out, "past": past}
    z.function(f, z.ints(20, 2, 3), np.int32(4), module=m)


@entry
def cache_updated(z):
    """Keras 3's way of generating: keys and values of all places in one tensor, a slice of which each step replaces."""
    class Generates(L.Layer):
        def build(self, shape):
            self.q, self.k, self.v, self.e, self.o = L.Dense(8), L.Dense(8), L.Dense(8), L.Embedding(11, 8), L.Dense(11)

        def call(self, ids):
            b, n = ops.shape(ids)[0], 9
            out = ops.concatenate([ids, ops.zeros((b, n - 3), "int32")], 1)

            def body(i, out, cache):
                x = self.e(ops.slice(out, [0, i], [b, 1]))
                cache = ops.slice_update(cache, [0, 0, i, 0], ops.stack([self.k(x), self.v(x)], 1))
                scores = ops.matmul(self.q(x), ops.swapaxes(cache[:, 0], 1, 2))
                a = ops.softmax(ops.where(ops.arange(n)[None, None] <= i, scores, -1e9))
                then = ops.cast(ops.argmax(self.o(ops.matmul(a, cache[:, 1])), -1), "int32")
                then = ops.where(i + 1 < 3, ops.slice(out, [0, ops.minimum(i + 1, n - 1)], [b, 1]), then)
                return i + 1, ops.slice_update(out, [0, i + 1], then), cache
            return ops.while_loop(lambda i, *_: i < n - 1, body, (0, out, ops.zeros((b, 2, n, 8))))[1:]
    x = keras.Input((3,), dtype="int32")
    z.keras(keras.Model(x, Generates()(x)), z.ints(10, 2, 3) + 1)


@entry
def t5(z):
    """Relative positions in buckets, RMS norm, an encoder and a decoder."""
    m = tf.Module()
    m.e, m.bias = tf.Variable(z.f32(20, 8)), tf.Variable(z.f32(8, 2))
    m.enc = [L.MultiHeadAttention(2, 4, use_bias=False) for _ in range(2)]
    m.dec, m.cross = [L.MultiHeadAttention(2, 4) for _ in range(2)], [L.MultiHeadAttention(2, 4) for _ in range(2)]
    m.norm = [L.RMSNormalization() for _ in range(6)]

    def buckets(q, k):
        d = tf.range(k)[None] - tf.range(q)[:, None]
        n = tf.maximum(-d, 0)
        large = 4 + tf.cast(tf.math.log(tf.cast(tf.maximum(n, 1), tf.float32) / 4.0) / np.log(16.0) * 4.0, tf.int32)
        return tf.where(n < 4, n, tf.minimum(large, 7))

    def f(src, tgt):
        x = tf.gather(m.e, src)
        pos = tf.transpose(tf.gather(m.bias, buckets(tf.shape(src)[1], tf.shape(src)[1])), [2, 0, 1])
        for i in range(2):
            x += m.enc[i](m.norm[i](x), m.norm[i](x)) + tf.reduce_mean(pos)
        y = tf.gather(m.e, tgt)
        for i in range(2):
            y += m.dec[i](m.norm[2 + i](y), m.norm[2 + i](y), use_causal_mask=True)
            y += m.cross[i](m.norm[4 + i](y), x)
        return {"logits": tf.matmul(y, m.e, transpose_b=True), "bias": pos}
    z.function(f, z.ints(20, 2, 5), z.ints(20, 2, 4), module=m)


@entry
def vit(z):
    x = keras.Input((16, 16, 3))
    p = L.Reshape((16, 12))(L.Conv2D(12, 4, 4)(x))
    p = L.Dense(8)(p) + L.Embedding(16, 8)(np.arange(16))
    for _ in range(2):
        h = L.LayerNormalization()(p)
        p = p + L.MultiHeadAttention(2, 4, dropout=0.1)(h, h)
        p = p + L.Dense(8)(L.Dropout(0.1)(L.Dense(16, activation="gelu")(L.LayerNormalization()(p))))
    z.keras(keras.Model(x, L.Dense(5)(L.Flatten()(p))), z.f32(2, 16, 16, 3))


@entry
def swin_rolls(z):
    x = keras.Input((8, 8, 4))
    h = L.Lambda(lambda t: tf.roll(t, [-2, -2], [1, 2]))(x)
    w = L.Lambda(lambda t: tf.reshape(tf.transpose(tf.reshape(t, [-1, 2, 4, 2, 4, 4]), [0, 1, 3, 2, 4, 5]), [-1, 16, 4]))(h)
    a = L.MultiHeadAttention(2, 2)(w, w)
    b = L.Lambda(lambda t: tf.roll(tf.reshape(tf.transpose(tf.reshape(t, [-1, 2, 2, 4, 4, 4]), [0, 1, 3, 2, 4, 5]), [-1, 8, 8, 4]), [2, 2], [1, 2]))(a)
    m = L.Lambda(lambda t: tf.concat([t[:, 0::2, 0::2], t[:, 1::2, 0::2], t[:, 0::2, 1::2], t[:, 1::2, 1::2]], -1))(x + b)
    z.keras(keras.Model(x, L.Dense(6)(m)), z.f32(2, 8, 8, 4))


@entry
def mixer(z):
    x = keras.Input((9, 6))
    h = x
    for _ in range(2):
        t = L.Permute((2, 1))(L.LayerNormalization()(h))
        h = h + L.Permute((2, 1))(L.Dense(9)(L.Dense(12, activation="gelu")(t)))
        h = h + L.Dense(6)(L.Dense(12, activation="gelu")(L.LayerNormalization()(h)))
    z.keras(keras.Model(x, L.GlobalAveragePooling1D()(h)), z.f32(2, 9, 6))


@entry
def unet(z):
    x = keras.Input((None, None, 1))
    a = L.Conv2D(4, 3, padding="same", activation="relu")(x)
    b = L.Conv2D(8, 3, padding="same", activation="relu")(L.MaxPooling2D()(a))
    c = L.Conv2D(8, 3, padding="same", activation="relu", dilation_rate=2)(L.MaxPooling2D()(b))
    u = L.Concatenate()([L.Conv2DTranspose(8, 2, 2)(c), b])
    u = L.Concatenate()([L.UpSampling2D()(L.Conv2D(4, 3, padding="same")(u)), a])
    z.keras(keras.Model(x, L.Conv2D(2, 1, activation="softmax")(L.BatchNormalization()(u))), [z.f32(1, 16, 16, 1), z.f32(2, 8, 12, 1)])


@entry
def wavenet(z):
    x = keras.Input((None, 1))
    h, skips = L.Conv1D(6, 2, padding="causal")(x), []
    for d in (1, 2, 4, 8):
        g = L.Multiply()([L.Conv1D(6, 2, dilation_rate=d, padding="causal", activation="tanh")(h), L.Conv1D(6, 2, dilation_rate=d, padding="causal", activation="sigmoid")(h)])
        s = L.Conv1D(6, 1)(g)
        skips.append(s)
        h = L.Add()([h, s])
    z.keras(keras.Model(x, L.Conv1D(5, 1, activation="softmax")(L.ReLU()(L.Add()(skips)))), z.f32(2, 20, 1))


@entry
def gan_generator(z):
    x = keras.Input((8,))
    h = L.Reshape((2, 2, 8))(L.Dense(32, use_bias=False)(x))
    for n in (6, 4):
        h = L.LeakyReLU()(L.BatchNormalization(momentum=0.8)(L.Conv2DTranspose(n, 5, strides=2, padding="same", use_bias=False)(h)))
    z.keras(keras.Model(x, L.Conv2DTranspose(3, 4, strides=2, padding="same", activation="tanh")(h)), z.f32(3, 8))


@entry
def vae(z):
    x = keras.Input((10,))
    h = L.Dense(6, activation="relu")(x)
    mean, logvar = L.Dense(3)(h), L.Dense(3)(h)
    sample = L.Lambda(lambda v: v[0] + tf.exp(0.5 * v[1]) * tf.random.stateless_normal(tf.shape(v[0]), [1, 2]))([mean, logvar])
    z.keras(keras.Model(x, [L.Dense(10, activation="sigmoid")(sample), mean, -0.5 * keras.ops.sum(1 + logvar - mean ** 2 - keras.ops.exp(logvar), -1)]), z.f32(4, 10))


@entry
def graph_net(z):
    m = tf.Module()
    m.w, m.u = tf.Variable(z.f32(8, 4)), tf.Variable(z.f32(8, 4))

    def f(nodes, src, dst, batch):
        n = tf.shape(nodes)[0]
        for _ in range(2):
            msg = tf.nn.relu(tf.concat([tf.gather(nodes, src), tf.gather(nodes, dst)], 1) @ m.w)
            agg = tf.math.unsorted_segment_sum(msg, dst, n) + tf.math.unsorted_segment_max(msg, dst, n) * 0.0 + tf.math.unsorted_segment_mean(msg, dst, n)
            nodes = tf.tanh(tf.concat([nodes, agg], 1) @ m.u)
        score = tf.reduce_sum(tf.gather(nodes, src) * tf.gather(nodes, dst), 1)
        e = tf.exp(score - tf.gather(tf.math.unsorted_segment_max(score, dst, n), dst))
        att = e / tf.gather(tf.math.unsorted_segment_sum(e, dst, n), dst)
        return {"nodes": nodes, "graphs": tf.math.segment_mean(nodes, batch), "max": tf.math.segment_max(nodes, batch), "att": att, "sq": tf.math.unsorted_segment_sqrt_n(nodes, batch, 2)}
    z.function(f, z.f32(5, 4), np.int32([0, 1, 2, 3, 4, 0]), np.int32([1, 2, 0, 4, 3, 2]), np.int32([0, 0, 0, 1, 1]), module=m, specs=[
        tf.TensorSpec([None, 4], tf.float32, "nodes"), tf.TensorSpec([None], tf.int32, "src"), tf.TensorSpec([None], tf.int32, "dst"), tf.TensorSpec([None], tf.int32, "batch")])


@entry
def recommender(z):
    user, item, hist = keras.Input((), dtype="string", name="user"), keras.Input((), dtype="int64", name="item"), keras.Input((None,), dtype="int64", name="history")
    table = L.Embedding(12, 4, mask_zero=True)
    u = L.Embedding(8, 4)(L.Hashing(8)(user))
    i = table(L.IntegerLookup(vocabulary=list(range(100, 110)))(item))
    h = L.GlobalAveragePooling1D()(table(L.IntegerLookup(vocabulary=list(range(100, 110)), mask_token=0)(hist)))
    d = L.Dense(1)(L.Dense(6, activation="relu")(L.Concatenate()([u, i, h])))
    z.keras(keras.Model({"user": user, "item": item, "history": hist}, {"score": d, "dot": L.Dot(1)([u, i])}),
            {"user": np.array(["ann", "bob"], object), "item": np.int64([103, 7]), "history": np.int64([[100, 109, 0], [101, 0, 0]])})


@entry
def crnn(z):
    x = keras.Input((8, 24, 1))
    h = L.MaxPooling2D((2, 2))(L.Conv2D(4, 3, padding="same", activation="relu")(x))
    h = L.Reshape((12, 16))(L.Permute((2, 1, 3))(h))
    h = L.Bidirectional(L.LSTM(5, return_sequences=True), merge_mode="concat")(h)
    z.keras(keras.Model(x, L.Dense(7, activation="softmax")(h)), z.f32(2, 8, 24, 1))


@entry
def yolo_head(z):
    def f(x):
        b, n = tf.shape(x)[0], 3
        y = tf.reshape(x, [b, 4, 4, n, 7])
        grid = tf.cast(tf.stack(tf.meshgrid(tf.range(4), tf.range(4)), -1), tf.float32)[None, :, :, None]
        xy = (tf.sigmoid(y[..., :2]) + grid) / 4.0
        wh = tf.exp(y[..., 2:4]) * tf.constant([[1.0, 2], [2, 1], [3, 3]])
        box = tf.reshape(tf.concat([xy - wh / 2, xy + wh / 2], -1), [b, -1, 4])
        score = tf.reshape(tf.sigmoid(y[..., 4:5]) * tf.sigmoid(y[..., 5:]), [b, -1, 2])
        keep = tf.image.non_max_suppression(box[0], score[0, :, 0], 5, 0.4, 0.2)
        c = tf.image.combined_non_max_suppression(box[:, :, None], score, 4, 6, 0.5, 0.1)
        return {"boxes": tf.gather(box[0], keep), "keep": keep, "scores": c.nmsed_scores, "classes": c.nmsed_classes, "valid": c.valid_detections, "nmsed": c.nmsed_boxes}
    z.function(f, z.f32(2, 4, 4, 21), specs=[tf.TensorSpec([None, 4, 4, 21], tf.float32, "x")])


@entry
def nerf(z):
    m = tf.Module()
    m.layers = [L.Dense(16, activation="relu") for _ in range(3)] + [L.Dense(4)]

    def f(rays):
        t = tf.linspace(0.0, 1.0, 8)
        p = rays[:, None, :3] + t[None, :, None] * rays[:, None, 3:]
        enc = tf.concat([p] + [g(p * 2.0 ** i) for i in range(3) for g in (tf.sin, tf.cos)], -1)
        h = enc
        for i, l in enumerate(m.layers):
            h = l(tf.concat([h, enc], -1) if i == 2 else h)
        a = 1 - tf.exp(-tf.nn.relu(h[..., 3]) * 0.1)
        w = a * tf.math.cumprod(1 - a + 1e-10, -1, exclusive=True)
        return {"rgb": tf.reduce_sum(w[..., None] * tf.sigmoid(h[..., :3]), -2), "depth": tf.reduce_sum(w * t, -1), "acc": tf.reduce_sum(w, -1)}
    z.function(f, z.f32(5, 6), module=m, specs=[tf.TensorSpec([None, 6], tf.float32, "rays")])


@entry
def fusion_bifpn(z):
    xs = [keras.Input((s, s, 4), name="x%d" % s) for s in (8, 4, 2)]

    class Fuse(L.Layer):
        def build(self, shapes):
            self.w = self.add_weight(shape=(len(shapes),), initializer="ones")

        def call(self, x):
            w = tf.nn.relu(self.w)
            return tf.add_n([x[i] * w[i] for i in range(len(x))]) / (tf.reduce_sum(w) + 1e-4)
    up = Fuse()([xs[1], L.UpSampling2D()(xs[2])])
    top = Fuse()([xs[0], L.UpSampling2D()(up)])
    down = Fuse()([xs[1], up, L.MaxPooling2D(3, 2, "same")(top)])
    z.keras(keras.Model(xs, [L.SeparableConv2D(4, 3, padding="same", activation="swish")(v) for v in (top, down, xs[2])]), {"x%d" % s: z.f32(1, s, s, 4) for s in (8, 4, 2)})


@entry
def seq2seq(z):
    src, tgt = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    e = L.Embedding(15, 6, mask_zero=True)
    h, s1, s2 = L.LSTM(5, return_sequences=True, return_state=True)(e(src))
    d = L.LSTM(5, return_sequences=True)(e(tgt), initial_state=[s1, s2])
    a = L.AdditiveAttention()([d, h])
    z.keras(keras.Model([src, tgt], L.Dense(15)(L.Concatenate()([d, a]))), (np.int32([[1, 2, 3, 0], [4, 5, 0, 0]]), np.int32([[1, 2, 0], [3, 4, 5]])))


@entry
def custom_train_step(z):
    """A training step in TensorFlow 2's way, exported as a signature: its variables change."""
    m = tf.Module()
    m.model = keras.Sequential([keras.Input((4,)), L.Dense(6, activation="relu"), L.BatchNormalization(), L.Dense(2)])
    m.opt = keras.optimizers.Adam(0.01, clipnorm=1.0)
    m.opt.build(m.model.trainable_variables)

    def f(x, y):
        with tf.GradientTape() as t:
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, m.model(x, training=True), from_logits=True))
        g = t.gradient(loss, m.model.trainable_variables)
        m.opt.apply_gradients(zip(g, m.model.trainable_variables))
        return {"loss": loss, "w": tf.reduce_sum(m.model.trainable_variables[0])}
    z.function(f, z.f32(8, 4), z.ints(2, 8), module=m, specs=[tf.TensorSpec([None, 4], tf.float32, "x"), tf.TensorSpec([None], tf.int32, "y")])


for _name in ("SGD", "RMSprop", "Adam", "AdamW", "Adadelta", "Adagrad", "Adamax", "Adafactor", "Nadam", "Ftrl", "Lion", "Lamb", "Muon"):
    def _one(z, name=_name):
        m = tf.Module()
        m.w, m.b = tf.Variable(z.f32(4, 3)), tf.Variable(z.f32(3))
        m.opt = getattr(keras.optimizers, name)(0.01)
        m.kw = keras.Variable(m.w.numpy())
        m.kb = keras.Variable(m.b.numpy())
        m.opt.build([m.kw, m.kb])

        def f(x):
            for _ in range(3):
                with tf.GradientTape() as t:
                    loss = tf.reduce_sum(tf.square(tf.tanh(x @ m.kw.value + m.kb.value) - 0.5))
                m.opt.apply_gradients(zip(t.gradient(loss, [m.kw.value, m.kb.value]), [m.kw, m.kb]))
            return {"loss": loss, "w": m.kw.value + 0.0, "b": m.kb.value + 0.0}
        z.function(f, z.f32(5, 4), module=m, specs=[tf.TensorSpec([None, 4], tf.float32, "x")])
    _one.__name__ = "optimizer_" + _name
    entry(_one)


@old
def train_cnn(z):
    x, y = v1.placeholder(tf.float32, [None, 8, 8, 2]), v1.placeholder(tf.int64, [None])
    k1, k2 = v1.get_variable("k1", [3, 3, 2, 4]), v1.get_variable("k2", [3, 3, 4, 1])
    h = tf.nn.relu(tf.nn.conv2d(x, k1, 2, "SAME"))
    h = tf.nn.depthwise_conv2d(h, k2, [1, 1, 1, 1], "SAME")
    h = tf.nn.elu(tf.nn.avg_pool2d(h, 2, 2, "SAME")) + tf.nn.max_pool2d(h, 2, 2, "SAME")
    h = tf.nn.local_response_normalization(h)
    h = tf.nn.conv2d_transpose(h, v1.get_variable("k3", [2, 2, 3, 4]), [tf.shape(x)[0], 4, 4, 3], 2)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=dense(tf.reshape(h, [-1, 48]), 5, "out")))
    z.train(loss, v1.train.MomentumOptimizer(0.05, 0.9).minimize(loss), {x: z.f32(4, 8, 8, 2), y: z.ints(5, 4, dtype=np.int64)})


@old
def train_conv1d_3d(z):
    x, v = v1.placeholder(tf.float32, [2, 10, 3]), v1.placeholder(tf.float32, [1, 4, 4, 4, 2])
    a = tf.nn.conv1d(x, v1.get_variable("a", [3, 3, 4]), 1, "SAME")
    b = tf.nn.conv3d(v, v1.get_variable("b", [2, 2, 2, 2, 3]), [1, 1, 1, 1, 1], "SAME")
    c = tf.nn.conv3d_transpose(b, v1.get_variable("c", [2, 2, 2, 2, 3]), [1, 8, 8, 8, 2], 2)
    loss = tf.reduce_mean(tf.square(tf.nn.relu(a) - 1)) + tf.reduce_mean(tf.square(c - 0.5)) + tf.reduce_mean(tf.nn.max_pool1d(a, 2, 2, "VALID"))
    z.train(loss, v1.train.GradientDescentOptimizer(0.1).minimize(loss), {x: z.f32(2, 10, 3), v: z.f32(1, 4, 4, 4, 2)})


@old
def train_transformer(z):
    ids, y = v1.placeholder(tf.int32, [None, None]), v1.placeholder(tf.int32, [None])
    x = tf.nn.embedding_lookup(v1.get_variable("e", [12, 8]), ids)
    b, t = tf.shape(x)[0], tf.shape(x)[1]
    pos = tf.cast(tf.range(t), tf.float32)[:, None] / tf.pow(10000.0, tf.range(8, dtype=tf.float32)[None] / 8.0)
    x = x * 8 ** 0.5 + tf.where(tf.equal(tf.range(8) % 2, 0)[None] & tf.ones([t, 1], tf.bool), tf.sin(pos), tf.cos(pos))
    for i in range(2):
        with v1.variable_scope("block%d" % i):
            q, k, v = tf.unstack(tf.transpose(tf.reshape(tf.matmul(tf.reshape(x, [-1, 8]), v1.get_variable("qkv", [8, 24])), [b, t, 3, 2, 4]), [2, 0, 3, 1, 4]))
            w = tf.nn.softmax(tf.matmul(q, k, transpose_b=True) * 0.5 + (1 - tf.linalg.band_part(tf.ones([t, t]), -1, 0)) * -1e9)
            o = dense(tf.reshape(tf.transpose(tf.matmul(w, v), [0, 2, 1, 3]), [-1, 8]), 8, "out")
            x = x + tf.reshape(o, [b, t, 8])
            mean, var = tf.nn.moments(x, [-1], keepdims=True)
            x = tf.nn.batch_normalization(x, mean, var, v1.get_variable("beta", [8], initializer=v1.zeros_initializer()), v1.get_variable("gamma", [8], initializer=v1.ones_initializer()), 1e-6)
            x = x + tf.reshape(dense(dense(tf.reshape(x, [-1, 8]), 16, "up", tf.nn.gelu), 8, "down"), [b, t, 8])
    loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=tf.one_hot(y, 5), logits=dense(tf.reshape(x[:, -1], [-1, 8]), 5, "head")))
    z.train(loss, v1.train.AdamOptimizer(0.01).minimize(loss), {ids: z.ints(12, 3, 5), y: z.ints(5, 3)})


@old
def train_vae(z):
    x = v1.placeholder(tf.float32, [None, 6])
    h = dense(x, 8, "h", tf.nn.relu)
    mean, logvar = dense(h, 3, "mean"), dense(h, 3, "var")
    s = mean + tf.exp(0.5 * logvar) * v1.random_normal(tf.shape(mean), seed=5)
    p = dense(s, 6, "out")
    loss = tf.reduce_mean(tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.sigmoid(x), logits=p), 1) - 0.5 * tf.reduce_sum(1 + logvar - mean ** 2 - tf.exp(logvar), 1))
    z.train(loss, v1.train.RMSPropOptimizer(0.01).minimize(loss), {x: z.f32(4, 6)})


@old
def train_gan(z):
    """Two optimizers on two sets of variables, one after the other."""
    real, noise = v1.placeholder(tf.float32, [None, 4]), v1.placeholder(tf.float32, [None, 3])
    with v1.variable_scope("g"):
        fake = dense(dense(noise, 6, "a", tf.nn.leaky_relu), 4, "b", tf.tanh)
    def critic(x):
        with v1.variable_scope("d", reuse=v1.AUTO_REUSE):
            return dense(dense(x, 6, "a", tf.nn.selu), 1, "b")
    r, f = critic(real), critic(fake)
    bce = lambda t, l: tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=t * tf.ones_like(l), logits=l))
    d, g = bce(1.0, r) + bce(0.0, f), bce(1.0, f)
    u = v1.random_uniform([tf.shape(real)[0], 1], seed=3)
    mix = u * real + (1 - u) * fake
    penalty = tf.reduce_mean(tf.square(tf.norm(v1.gradients(critic(mix), mix)[0], axis=1) - 1.0))
    sets = [[v for v in v1.trainable_variables() if v.name.startswith(s)] for s in ("d/", "g/")]
    train_d = v1.train.AdamOptimizer(0.01, 0.5).minimize(d + 10.0 * penalty, var_list=sets[0])
    with tf.control_dependencies([train_d]):
        train = v1.train.AdamOptimizer(0.01, 0.5).minimize(g, var_list=sets[1])
    z.train(d, train, {real: z.f32(5, 4), noise: z.f32(5, 3)}, extra=[g])


@old
def train_word2vec(z):
    x, y = v1.placeholder(tf.int32, [None]), v1.placeholder(tf.int32, [None, 1])
    e, w, b = v1.get_variable("e", [20, 4]), v1.get_variable("w", [20, 4]), v1.get_variable("b", [20], initializer=v1.zeros_initializer())
    norm = tf.sqrt(tf.reduce_sum(tf.square(e), 1, keepdims=True))
    pos = tf.reduce_sum(tf.nn.embedding_lookup(e / norm, x) * tf.nn.embedding_lookup(w, y[:, 0]), 1) + tf.nn.embedding_lookup(b, y[:, 0])
    neg = tf.matmul(tf.nn.embedding_lookup(e, x), tf.nn.embedding_lookup(w, [1, 5, 7]), transpose_b=True)
    loss = -tf.reduce_mean(tf.math.log_sigmoid(pos)) - tf.reduce_mean(tf.math.log_sigmoid(-neg))
    z.train(loss, v1.train.AdagradOptimizer(0.3).minimize(loss), {x: z.ints(20, 6), y: z.ints(20, 6, 1)})


@old
def train_matrix_factors(z):
    u, i, r = v1.placeholder(tf.int64, [None]), v1.placeholder(tf.int64, [None]), v1.placeholder(tf.float32, [None])
    p, q = v1.get_variable("p", [9, 3]), v1.get_variable("q", [7, 3])
    bu, bi = v1.get_variable("bu", [9]), v1.get_variable("bi", [7])
    pred = tf.reduce_sum(tf.gather(p, u) * tf.gather(q, i), 1) + tf.gather(bu, u) + tf.gather(bi, i) + v1.get_variable("mu", [])
    reg = tf.nn.l2_loss(p) + tf.nn.l2_loss(q)
    loss = tf.reduce_mean(tf.square(pred - r)) + 0.01 * reg
    z.train(loss, v1.train.FtrlOptimizer(0.1).minimize(loss), {u: z.ints(9, 8, dtype=np.int64), i: z.ints(7, 8, dtype=np.int64), r: z.f32(8)})


@old
def train_ctc(z):
    x, n = v1.placeholder(tf.float32, [6, 2, 4]), v1.placeholder(tf.int32, [2])
    idx, val = v1.placeholder(tf.int64, [None, 2]), v1.placeholder(tf.int32, [None])
    logits = tf.reshape(dense(tf.reshape(x, [-1, 4]), 5, "out"), [6, 2, 5])
    loss = tf.reduce_mean(v1.nn.ctc_loss(tf.SparseTensor(idx, val, [2, 3]), logits, n))
    z.train(loss, v1.train.AdamOptimizer(0.05).minimize(loss), {x: z.f32(6, 2, 4), n: np.int32([6, 5]), idx: np.int64([[0, 0], [0, 1], [1, 0]]), val: np.int32([1, 2, 3])})


@old
def train_policy(z):
    """Reinforcement learning: sampled actions, advantages, entropy, PPO's clipping, a target network."""
    s, a, adv, ret, oldp = (v1.placeholder(t, sh) for t, sh in ((tf.float32, [None, 4]), (tf.int32, [None]), (tf.float32, [None]), (tf.float32, [None]), (tf.float32, [None])))
    with v1.variable_scope("online"):
        h = dense(s, 8, "h", tf.tanh)
        logits, value = dense(h, 3, "pi"), dense(h, 1, "v")[:, 0]
    with v1.variable_scope("target"):
        target = dense(dense(s, 8, "h", tf.tanh), 1, "v")[:, 0]
    logp = -tf.nn.sparse_softmax_cross_entropy_with_logits(labels=a, logits=logits)
    ratio = tf.exp(logp - oldp)
    entropy = tf.reduce_mean(tf.reduce_sum(-tf.nn.softmax(logits) * tf.nn.log_softmax(logits), 1))
    loss = -tf.reduce_mean(tf.minimum(ratio * adv, tf.clip_by_value(ratio, 0.8, 1.2) * adv)) + 0.5 * tf.reduce_mean(tf.square(value - ret + 0.9 * tf.stop_gradient(target))) - 0.01 * entropy
    online = [v for v in v1.global_variables() if v.name.startswith("online") and "pi" not in v.name]
    opt = v1.train.AdamOptimizer(0.01)
    pairs = [(tf.clip_by_norm(g, 0.5), v) for g, v in opt.compute_gradients(loss, [v for v in v1.trainable_variables() if v.name.startswith("online")])]
    step = opt.apply_gradients(pairs)
    with tf.control_dependencies([step]):
        train = tf.group(*[v1.assign(t, 0.95 * t + 0.05 * o) for o, t in zip(online, [v for v in v1.global_variables() if v.name.startswith("target")])])
    z.train(loss, train, {s: z.f32(6, 4), a: z.ints(3, 6), adv: z.f32(6), ret: z.f32(6), oldp: -np.abs(z.f32(6))}, extra=[entropy])
