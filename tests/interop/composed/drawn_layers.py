# SPDX-License-Identifier: Apache-2.0
"""Draws models of Keras: layers applied to whatever values there are, until there are enough; functions of TensorFlow between."""
import keras
import numpy as np
import tensorflow as tf
from keras import layers as L

import drawn_functions
from drawn_functions import pick

MOST = 3000  # numbers in a value, of one example
WORDS = ["a", "the", "fox", "dog", "a fox", "é", "x1"]


class Does(L.Layer):
    """A function of TensorFlow as a layer."""

    def __init__(self, f, policy):
        super().__init__(dtype=policy)
        self.f = f
        self.keep = getattr(f, "keep", None)

    def call(self, x):
        return self.f(x)


class Plus(L.Layer):
    """A layer with variables and other layers of its own, as people write them."""

    def __init__(self, units, policy):
        super().__init__(dtype=policy)
        self.units = units
        self.inner = [L.Dense(units, activation="tanh", dtype=policy), L.LayerNormalization(dtype=policy)]

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], self.units), initializer="glorot_uniform", name="w")
        self.gate = self.add_weight(shape=(), initializer="ones", name="gate")
        super().build(shape)

    def call(self, x):
        y = tf.tensordot(x, tf.convert_to_tensor(self.w), 1)
        return y + self.inner[1](self.inner[0](x)) * tf.convert_to_tensor(self.gate)


def units(rng):
    return int(rng.integers(1, 7))


def activation(rng):
    return pick(rng, [None, "relu", "tanh", "sigmoid", "gelu", "elu", "softmax", "selu", "softplus", "silu", "hard_sigmoid", "relu6", "mish", "leaky_relu", "exponential"][:14])


def size(rng, high=4):
    return int(rng.integers(1, high))


def conv(rng, n, dense=True, causal=False):
    """Arguments of a convolution over n dimensions."""
    pads = ["same", "valid"] + (["causal"] if causal else [])
    d = {"kernel_size": tuple(size(rng) for _ in range(n)), "padding": pick(rng, pads), "use_bias": bool(rng.integers(4))}
    d["activation"] = activation(rng)
    if rng.random() < 0.3:
        d["dilation_rate"] = size(rng, 3)
    elif rng.random() < 0.4:
        d["strides"] = size(rng, 4) if rng.random() < 0.6 or n == 1 or not dense else tuple(size(rng, 3) for _ in range(n))
    return d


def transposed(rng, n):
    d = {"kernel_size": tuple(size(rng) for _ in range(n)), "padding": pick(rng, ["same", "valid"]), "activation": activation(rng)}
    if rng.random() < 0.6:
        d["strides"] = size(rng, 4)
    return d


def pool(rng):
    return {"pool_size": size(rng, 4), "strides": pick(rng, [None, 1, 2, 3]), "padding": pick(rng, ["same", "valid"])}


def pads(rng, n):
    return tuple((int(rng.integers(0, 3)), int(rng.integers(0, 2))) for _ in range(n))


def recurrent(rng, p, sequences=None):
    kind = pick(rng, ["LSTM", "GRU", "SimpleRNN", "LSTM", "GRU"])
    d = {"return_sequences": bool(rng.integers(2)) if sequences is None else sequences, "go_backwards": rng.random() < 0.25, "use_bias": rng.random() < 0.8, "dtype": p}
    if rng.random() < 0.4:
        d["activation"] = pick(rng, ["relu", "tanh", "sigmoid", "elu"])
    if kind == "GRU":
        d["reset_after"] = bool(rng.integers(2))
    if kind != "SimpleRNN" and rng.random() < 0.3:
        d["recurrent_activation"] = pick(rng, ["hard_sigmoid", "sigmoid", "tanh"])
    if kind == "LSTM" and rng.random() < 0.2:
        d["unit_forget_bias"] = False
    if d["return_sequences"] and rng.random() < 0.2:
        d["zero_output_for_mask"] = True
    return getattr(L, kind)(units(rng), **d)


def cells(rng, p):
    kinds = [lambda: L.LSTMCell(units(rng), dtype=p), lambda: L.GRUCell(units(rng), dtype=p), lambda: L.SimpleRNNCell(units(rng), dtype=p)]
    stack = [pick(rng, kinds)() for _ in range(rng.integers(1, 4))]
    return L.RNN(stack if len(stack) > 1 else stack[0], return_sequences=bool(rng.integers(2)), go_backwards=rng.random() < 0.2, unroll=False, dtype=p)


def states(rng, p):
    """States handed from one network to another."""
    n = units(rng)
    a, b = (L.LSTM(n, return_sequences=True, return_state=True, dtype=p), L.LSTM(n, return_sequences=bool(rng.integers(2)), dtype=p)) if rng.integers(2) else \
        (L.GRU(n, return_sequences=True, return_state=True, dtype=p), L.GRU(n, return_sequences=bool(rng.integers(2)), dtype=p))

    def f(x):
        y, *s = a(x)
        return b(y, initial_state=s)
    return f


def attention(rng, p):
    kind = int(rng.integers(6))
    heads, d = size(rng, 4), size(rng, 5)
    if kind == 0:
        return lambda x: L.Attention(use_scale=bool(heads % 2), score_mode=pick(rng, ["dot", "concat"]), dtype=p)([x, x])
    if kind == 1:
        return lambda x: L.AdditiveAttention(dtype=p)([x, x])
    if kind == 2:
        return lambda x: L.GroupQueryAttention(d, heads * 2, heads, dtype=p)(x, x, use_causal_mask=bool(d % 2))
    if kind == 3:
        return lambda x: L.MultiHeadAttention(heads, d, value_dim=size(rng), output_shape=units(rng), dtype=p)(x, x, x)
    return lambda x: L.MultiHeadAttention(heads, d, use_bias=bool(rng.integers(2)), dropout=0.1, dtype=p)(x, x, use_causal_mask=kind == 4)


def normal(rng, p, rank):
    kinds = [lambda: L.BatchNormalization(dtype=p, scale=bool(rng.integers(2)), epsilon=1e-3), lambda: L.LayerNormalization(dtype=p, center=bool(rng.integers(2))), lambda: L.UnitNormalization(dtype=p), lambda: L.RMSNormalization(dtype=p),
             lambda: L.GroupNormalization(-1 if rng.integers(2) else 1, dtype=p), lambda: L.LayerNormalization(axis=-1, rms_scaling=False, dtype=p, epsilon=1e-5)]
    return pick(rng, kinds)()


def point(rng, p, rank):
    kinds = [lambda: L.Dense(units(rng), activation=activation(rng), use_bias=bool(rng.integers(4)), dtype=p), lambda: L.Activation(activation(rng), dtype=p), lambda: L.PReLU(alpha_initializer="uniform", shared_axes=list(range(1, rank - 1)) or None, dtype=p),
             lambda: L.LeakyReLU(0.3, dtype=p), lambda: L.ELU(dtype=p), lambda: L.ReLU(4.0, 0.1, 0.1, dtype=p), lambda: L.Softmax(axis=int(rng.integers(1, rank)), dtype=p), lambda: L.Dropout(0.3, dtype=p), lambda: L.GaussianNoise(0.1, dtype=p),
             lambda: L.Rescaling(0.3, 0.2, dtype=p), lambda: L.Plus(units(rng), p) if hasattr(L, "Plus") else Plus(units(rng), p), lambda: L.Flatten(dtype=p),
             lambda: L.ActivityRegularization(l2=0.01, dtype=p), lambda: L.SpectralNormalization(L.Dense(units(rng), dtype=p), dtype=p)]
    return pick(rng, kinds)()


def by_rank(rng, p, rank, shape):
    """A layer that only values of this rank have."""
    table = {
        2: [lambda: L.RepeatVector(size(rng, 4), dtype=p), lambda: L.EinsumDense("ab,bc->ac", output_shape=units(rng), bias_axes="c", dtype=p), lambda: L.Reshape((-1, 1), dtype=p),
            lambda: L.Normalization(mean=0.3, variance=2.0, dtype=p), lambda: L.Reshape((1, 1, -1), dtype=p), lambda: L.Dense(12, dtype=p), lambda: (lambda x: L.Reshape((2, 3, 2), dtype=p)(L.Dense(12, dtype=p)(x)))],
        3: [lambda: L.Conv1D(units(rng), **conv(rng, 1, causal=True), dtype=p), lambda: L.Conv1DTranspose(units(rng), **transposed(rng, 1), dtype=p), lambda: L.SeparableConv1D(units(rng), **conv(rng, 1), dtype=p),
            lambda: L.DepthwiseConv1D(**conv(rng, 1, False), depth_multiplier=size(rng, 3), dtype=p), lambda: L.MaxPooling1D(**pool(rng), dtype=p), lambda: L.AveragePooling1D(**pool(rng), dtype=p),
            lambda: L.GlobalAveragePooling1D(keepdims=bool(rng.integers(2)), dtype=p), lambda: L.GlobalMaxPooling1D(dtype=p), lambda: L.Cropping1D(pads(rng, 1)[0], dtype=p), lambda: L.ZeroPadding1D(pads(rng, 1)[0], dtype=p),
            lambda: L.UpSampling1D(size(rng, 3), dtype=p), lambda: L.Permute((2, 1), dtype=p), lambda: L.Masking(0.0, dtype=p), lambda: recurrent(rng, p), lambda: recurrent(rng, p), lambda: cells(rng, p), lambda: states(rng, p),
            lambda: L.Bidirectional(recurrent(rng, p), merge_mode=pick(rng, ["concat", "sum", "mul", "ave"]), dtype=p), lambda: L.Bidirectional(recurrent(rng, p, True), dtype=p), lambda: attention(rng, p), lambda: attention(rng, p),
            lambda: L.TimeDistributed(L.Dense(units(rng), activation=activation(rng), dtype=p), dtype=p), lambda: L.SpatialDropout1D(0.3, dtype=p), lambda: L.Reshape((-1, 1, shape[2]), dtype=p), lambda: L.AdaptiveAveragePooling1D(2, dtype=p),
            lambda: L.EinsumDense("abc,cd->abd", output_shape=(None, units(rng)), bias_axes="d", dtype=p)],
        4: [lambda: L.Conv2D(units(rng), **conv(rng, 2), dtype=p), lambda: L.Conv2D(units(rng), **conv(rng, 2), dtype=p), lambda: L.Conv2D(2 * shape[3], 3, padding="same", groups=shape[3], dtype=p), lambda: L.Conv2DTranspose(units(rng), **transposed(rng, 2), dtype=p),
            lambda: L.SeparableConv2D(units(rng), **conv(rng, 2, False), depth_multiplier=size(rng, 3), dtype=p), lambda: L.DepthwiseConv2D(**conv(rng, 2, False), depth_multiplier=size(rng, 3), dtype=p), lambda: L.MaxPooling2D(**pool(rng), dtype=p),
            lambda: L.AveragePooling2D(**pool(rng), dtype=p), lambda: L.GlobalAveragePooling2D(keepdims=bool(rng.integers(2)), dtype=p), lambda: L.GlobalMaxPooling2D(dtype=p), lambda: L.Cropping2D(pads(rng, 2), dtype=p), lambda: L.ZeroPadding2D(pads(rng, 2), dtype=p),
            lambda: L.UpSampling2D((size(rng, 3), size(rng, 3)), interpolation=pick(rng, ["nearest", "bilinear", "bicubic"]), dtype=p), lambda: L.Permute(tuple(1 + rng.permutation(3).tolist()[i] for i in range(3)), dtype=p),
            lambda: L.ConvLSTM1D(units(rng), size(rng), padding="same", return_sequences=bool(rng.integers(2)), dtype=p), lambda: L.TimeDistributed(recurrent(rng, p), dtype=p), lambda: L.TimeDistributed(L.Conv1D(units(rng), 2, padding="same", dtype=p), dtype=p),
            lambda: L.Resizing(size(rng, 7), size(rng, 7), interpolation=pick(rng, ["bilinear", "nearest", "area", "bicubic"]), dtype=p), lambda: L.CenterCrop(size(rng, 4), size(rng, 4), dtype=p), lambda: L.SpatialDropout2D(0.2, dtype=p),
            lambda: L.Reshape((-1, shape[3]), dtype=p), lambda: L.AdaptiveMaxPooling2D((2, 1), dtype=p), lambda: (lambda x: L.MultiHeadAttention(2, 2, attention_axes=(1, 2), dtype=p)(x, x))],
        5: [lambda: L.Conv3D(units(rng), **conv(rng, 3), dtype=p), lambda: L.Conv3DTranspose(units(rng), **transposed(rng, 3), dtype=p), lambda: L.MaxPooling3D(**pool(rng), dtype=p), lambda: L.AveragePooling3D(**pool(rng), dtype=p), lambda: L.GlobalAveragePooling3D(dtype=p),
            lambda: L.GlobalMaxPooling3D(dtype=p), lambda: L.Cropping3D(pads(rng, 3), dtype=p), lambda: L.ZeroPadding3D(pads(rng, 3), dtype=p), lambda: L.UpSampling3D(size(rng, 3), dtype=p), lambda: L.ConvLSTM2D(units(rng), size(rng), padding="same", return_sequences=bool(rng.integers(2)), dtype=p),
            lambda: L.TimeDistributed(L.Conv2D(units(rng), 2, padding="same", dtype=p), dtype=p), lambda: L.TimeDistributed(L.GlobalMaxPooling2D(dtype=p), dtype=p), lambda: L.Reshape((-1, shape[4]), dtype=p), lambda: L.SpatialDropout3D(0.2, dtype=p)]}
    return pick(rng, table[rank])()


def merged(rng, p, a, b):
    kinds = [L.Add, L.Subtract, L.Multiply, L.Average, L.Maximum, L.Minimum]
    if a.shape == b.shape and rng.random() < 0.7:
        return pick(rng, kinds)(dtype=p)([a, b])
    if len(a.shape) == len(b.shape) == 3:
        if a.shape[2] == b.shape[2] and rng.random() < 0.6:
            return pick(rng, [L.Attention(dtype=p), L.AdditiveAttention(dtype=p), L.Dot(2, normalize=bool(rng.integers(2)), dtype=p), L.Concatenate(axis=1, dtype=p)])([a, b])
        return L.MultiHeadAttention(2, 2, dtype=p)(a, b)
    return L.Concatenate(dtype=p)([a, b])


def from_ints(rng, p, x, bound):
    kinds = [lambda: L.Embedding(bound, units(rng), mask_zero=bool(rng.integers(2)), dtype=p), lambda: L.Embedding(bound, units(rng), mask_zero=True, dtype=p), lambda: L.CategoryEncoding(bound, pick(rng, ["multi_hot", "count"]), dtype=p if "mixed" not in p else "float32"),
             lambda: L.IntegerLookup(vocabulary=list(range(1, bound, 2)), num_oov_indices=size(rng, 3), output_mode=pick(rng, ["multi_hot", "count"])), lambda: L.Hashing(5, output_mode="multi_hot", salt=pick(rng, [None, 7])),
             lambda: (lambda y: L.Embedding(9, units(rng), dtype=p)(L.Hashing(9)(y))), lambda: (lambda y: L.Embedding(bound + 2, units(rng), dtype=p)(L.IntegerLookup(vocabulary=list(range(2, bound)))(y)))]
    return pick(rng, kinds)()(x)


def from_text(rng, p, x):
    def lookup(y, **k):
        return L.StringLookup(vocabulary=WORDS, num_oov_indices=size(rng, 4), mask_token=pick(rng, [None, ""]), **k)(y)

    def embedded(y):
        return L.Embedding(30, units(rng), mask_zero=bool(rng.integers(2)), dtype=p)(y)
    text = {"standardize": pick(rng, ["lower_and_strip_punctuation", None, "lower", "strip_punctuation"]), "ngrams": pick(rng, [None, None, 2, (1, 3)]), "vocabulary": WORDS}
    kinds = [lambda: lookup(x, output_mode=pick(rng, ["multi_hot", "count"])), lambda: embedded(lookup(x)), lambda: embedded(L.Hashing(11, mask_value=pick(rng, [None, ""]))(x)), lambda: L.Hashing(6, output_mode="count", salt=[5, 6])(x)]
    if x.shape[1] == 1:
        split = pick(rng, ["whitespace", "character"])
        kinds += [lambda: embedded(L.TextVectorization(**text, split=split, output_sequence_length=pick(rng, [None, 5]))(x))] * 3
        kinds += [lambda: L.TextVectorization(**text, split=split, output_mode=pick(rng, ["multi_hot", "count"]))(x), lambda: L.TextVectorization(**text, output_mode="tf_idf", idf_weights=[0.1 * i for i in range(len(WORDS))])(x),
                  lambda: L.HashedCrossing(8, output_mode="one_hot")([x, x])]
    return pick(rng, kinds)()


def binned(rng, p, x):
    edges = sorted(rng.standard_normal(3).tolist())
    if rng.integers(2):
        return L.Discretization(edges, output_mode=pick(rng, ["multi_hot", "count"]))(x)
    return L.Embedding(4, units(rng), dtype=p)(L.Discretization(edges)(x))


class Drawn:
    """A model, and how values for its inputs are drawn."""

    def __init__(self, rng, training=False):
        self.rng = rng
        self.training = training
        self.policy = pick(rng, ["float32"] * 8 + ["mixed_float16", "mixed_bfloat16", "float64"])
        self.log = []
        self.inputs, self.values, self.used, self.feeds = [], [], set(), []
        for i in range(pick(rng, [1, 1, 1, 2, 2, 3])):
            self.input(i)
        failures = 0
        enough = int(rng.integers(3, 13))
        while len(self.values) < len(self.inputs) + enough and failures < 60:
            try:
                self.step()
            except Exception as e:  # a layer that does not fit
                failures += 1
                self.last = e
        self.outputs = [v for k, v in enumerate(self.values) if k not in self.used or rng.random() < 0.08]
        self.outputs = self.outputs[-4:]
        self.model = keras.Model(self.inputs, self.outputs if len(self.outputs) > 1 or rng.integers(2) else self.outputs[0])

    def input(self, i):
        rng = self.rng
        kind = pick(rng, ["f2", "f3", "f3", "f3", "f4", "f4", "f5", "int", "int", "text", "text1"])
        free = rng.random() < 0.4
        name = pick(rng, ["x%d", "input_%d", "a.b%d", "in-%d"][:2]) % i
        if kind[0] == "f":
            rank = int(kind[1])
            shape = [int(rng.integers(2, 8 if rank < 5 else 6)) for _ in range(rank - 2)] + [units(rng)]
            given = [None if free and rng.random() < 0.6 else n for n in shape[:-1]] + shape[-1:]
            dtype = "float64" if self.policy == "float64" else pick(rng, ["float32"] * 6 + ["uint8"]) if rank == 4 else "float32"
            x = keras.Input(given, dtype=dtype, name=name)
            self.feeds.append(lambda b, sizes, d=dtype: self.numbers([b] + [sizes.setdefault(k, int(rng.integers(3, 10))) if n is None else n for k, n in enumerate(given)], d))
            self.inputs.append(x)
            self.values.append(x if dtype != "uint8" else L.Rescaling(1 / 255., dtype=self.policy)(x))
            if dtype == "uint8":
                self.log.append("Rescaling")
        elif kind == "int":
            bound, n = int(rng.integers(3, 12)), None if free else int(rng.integers(1, 7))
            x = keras.Input([n], dtype=pick(rng, ["int32", "int64"]), name=name)
            self.feeds.append(lambda b, sizes: rng.integers(0, bound, [b, sizes.setdefault(0, int(rng.integers(3, 10))) if n is None else n]).astype(x.dtype))
            self.inputs.append(x)
            self.values.append(from_ints(rng, self.policy, x, bound))
        else:
            n = 1 if kind == "text1" else pick(rng, [None, 2, 3])
            x = keras.Input([n], dtype="string", name=name)
            self.feeds.append(lambda b, sizes: self.text(b, sizes.setdefault(0, 4) if n is None else n))
            self.inputs.append(x)
            self.values.append(from_text(rng, self.policy, x))

    def numbers(self, shape, dtype):
        if dtype == "uint8":
            return self.rng.integers(0, 256, shape).astype(np.uint8)
        x = self.rng.standard_normal(shape)
        if self.rng.random() < 0.3 and len(shape) == 3:
            x[:, -1] = 0  # what Masking hides
        return x.astype(dtype)

    def text(self, b, n):
        rng = self.rng
        return np.array([[" ".join(pick(rng, WORDS + ["The", "fox!", "", "zzz", "q."]) for _ in range(rng.integers(0, 5) if n == 1 else 1)) for _ in range(n)] for _ in range(b)], object)

    def step(self):
        rng, p = self.rng, self.policy
        if rng.random() < 0.1:
            p = pick(rng, ["float32", "mixed_float16", "float64", "mixed_bfloat16"]) if self.policy != "float32" else p
        at = len(self.values) - 1 - min(int(rng.exponential(0.8)), len(self.values) - 1)
        x = self.values[at]
        rank = len(x.shape)
        if rank < 2 or rank > 5 or x.dtype not in ("float16", "bfloat16", "float32", "float64"):
            raise ValueError(rank)
        r, other = rng.random(), None
        if r < 0.45:
            layer = by_rank(rng, p, rank, x.shape)
        elif r < 0.6:
            layer = point(rng, p, rank)
        elif r < 0.7:
            layer = normal(rng, p, rank)
        elif r < 0.88:
            rows = [m for ranks, m in drawn_functions.ROWS if rank in ranks]
            make = pick(rng, rows)
            layer = Does(make(rng), p)
            layer.what = make.__name__
        elif r < 0.9 and rank == 2:
            layer = lambda v: binned(rng, p, v)
        else:
            other = int(rng.integers(len(self.values)))
            if other == at:
                raise ValueError("the same")
            layer = lambda v: merged(rng, p, v, self.values[other])
        y = layer(x)
        y = y[0] if isinstance(y, (list, tuple)) else y
        static = [n or 6 for n in y.shape[1:]]
        if not 2 <= len(y.shape) <= 5 or np.prod(static) > MOST or 0 in static or y.shape[-1] is None:
            raise ValueError("shape %s" % (y.shape,))
        self.log.append("%s%s%s" % (getattr(layer, "what", None) or getattr(layer, "name", "..."), list(y.shape[1:]), "" if p == "float32" else p))
        self.used.update([at] if other is None else [at, other])
        self.values.append(y)

    def draw(self, b):
        sizes = {}
        return [np.asarray(f(b, sizes)) for f in self.feeds]
