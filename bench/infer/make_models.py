# SPDX-License-Identifier: Apache-2.0
"""Writes the models of the inference comparison: OUT/NAME (a SavedModel that Keras exported) with OUT/NAME.npz, the
weights in Keras' order, from which compare.py builds the equal ONNX graph. Run by an interpreter that has TensorFlow.

usage: make_models.py OUT [NAME...]
"""
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
import tensorflow as tf

L = keras.layers


def w1():
    i = keras.Input((1,))
    x = L.Dense(64, "tanh")(L.Dense(64, "tanh")(i))
    return keras.Model(i, L.Dense(1)(x))


class Norm(L.Layer):
    def call(self, x):
        return tf.concat([tf.math.l2_normalize(x[..., :125], -1, 1e-12), x[..., 125:]], -1)


def w2():
    i = keras.Input((20, 528))
    x = L.Masking(0.0)(i)
    for _ in range(2):
        x = L.GRU(528, return_sequences=True, recurrent_initializer="glorot_uniform",
                  bias_initializer="random_normal")(x)
    return keras.Model(i, Norm()(L.Dense(128)(x)))


def w3():
    i = keras.Input((240, 12))
    x = L.Conv1D(32, 5, 2, "same", activation="relu")(i)
    x = L.Conv1D(64, 5, 2, "same", activation="relu")(x)
    x = L.Dense(23)(L.Flatten()(x))
    x = L.Reshape((60, 64))(L.Dense(3840, "relu")(x))
    x = L.Conv1DTranspose(32, 5, 2, "same", activation="relu")(x)
    return keras.Model(i, L.Conv1DTranspose(12, 5, 2, "same")(x))


def w4():
    i = x = keras.Input((128, 128, 3))

    def block(x, c):
        for _ in range(2):
            x = L.ReLU()(L.BatchNormalization()(L.Conv2D(c, 3, padding="same", use_bias=False)(x)))
        return x
    skips = []
    for c in (16, 32, 64):
        x = block(x, c)
        skips.append(x)
        x = L.MaxPooling2D()(x)
    x = block(x, 128)
    for c in (64, 32, 16):
        x = L.Conv2DTranspose(c, 2, 2, "same")(x)
        x = block(L.Concatenate()([x, skips.pop()]), c)
    return keras.Model(i, L.Conv2D(4, 1)(x))


def w5():
    a, b = keras.Input((40,), dtype="int32"), keras.Input((40,), dtype="int32")
    f = keras.Input((10,))
    emb = L.Embedding(20000, 128)
    convs = [L.Conv1D(64, k, activation="relu") for k in (2, 3, 4)]
    feats = [L.GlobalMaxPooling1D()(c(e)) for e in (emb(a), emb(b)) for c in convs]
    x = L.Dense(128, "relu")(L.Concatenate()(feats + [f]))
    return keras.Model([a, b, f], L.Dense(2)(x))


def w6():
    i = keras.Input((28, 28, 1))
    x = L.Conv2D(32, 3, activation="relu")(i)
    x = L.MaxPooling2D()(L.Conv2D(64, 3, activation="relu")(x))
    x = L.Dense(128, "relu")(L.Flatten()(x))
    return keras.Model(i, L.Dense(10)(x))


def mobilenet():
    return keras.applications.MobileNetV2(weights=None, input_shape=(96, 96, 3), classes=1000)


def lstm():
    i = keras.Input((20, 528))
    x = L.LSTM(256, return_sequences=True, bias_initializer="random_normal")(i)
    return keras.Model(i, L.Dense(10)(L.LSTM(256, bias_initializer="random_normal")(x)))


MODELS = {"W1": w1, "W2": w2, "W3": w3, "W4": w4, "W5": w5, "W6": w6, "mobilenet": mobilenet, "lstm": lstm}


def write(name, folder):
    keras.utils.set_random_seed(1)
    m = MODELS[name]()
    rng = np.random.default_rng(3)
    for v in m.variables:  # statistics as after training, not 0 and 1
        if "moving_mean" in v.path:
            v.assign(rng.normal(0, 0.2, v.shape))
        if "moving_variance" in v.path:
            v.assign(rng.uniform(0.5, 1.5, v.shape))
    specs = [tf.TensorSpec((None,) + tuple(x.shape[1:]), x.dtype, name="x%d" % k) for k, x in enumerate(m.inputs)]
    archive = keras.export.ExportArchive()
    archive.track(m)
    archive.add_endpoint("serve", lambda *x: {"y": m(list(x) if len(x) > 1 else x[0], training=False)},
                         input_signature=specs)
    archive.write_out(os.path.join(folder, name), verbose=False)
    np.savez(os.path.join(folder, name + ".npz"), *[v.numpy() for v in m.variables if "seed" not in v.path])
    print(name, [tuple(v.shape) for v in m.variables][:12])


if __name__ == "__main__":
    os.makedirs(sys.argv[1], exist_ok=True)
    for name in sys.argv[2:] or MODELS:
        write(name, sys.argv[1])
