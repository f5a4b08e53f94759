#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes checkpoints of objects with what optimizers keep: of tf.train's optimizers, of Keras 2's (before 2.11, and then)
and of Keras 3's. Each
is of a variable "w" after three steps; beside it w after two more. The loss is sum(c * (w - 1)^2).

usage: make.py [FOLDER]     (with TensorFlow 2.21, and tf_keras; FOLDER: this one)
"""
import os
import sys

import keras
import numpy as np
import tensorflow as tf
try:
    import tf_keras  # the optimizers of Keras 2.11 to 2.15
except ImportError:
    tf_keras = None
from tensorflow.python.keras.optimizer_v2 import adadelta, adagrad, adam, ftrl, gradient_descent, rmsprop

v1 = tf.compat.v1
C = np.array([[.5, 1, 1.5], [2, 2.5, 3]], np.float32)
KINDS = {
    "train_momentum": lambda: v1.train.MomentumOptimizer(.1, .9),
    "train_adam": lambda: v1.train.AdamOptimizer(.1),
    "train_rmsprop": lambda: v1.train.RMSPropOptimizer(.1, .9, .5, .001),
    "keras2_momentum": lambda: gradient_descent.SGD(.1, momentum=.9),
    "keras2_adam": lambda: adam.Adam(.1),
    "keras2_rmsprop": lambda: rmsprop.RMSprop(.1, momentum=.5, epsilon=.001, centered=True),
    "keras2_adagrad": lambda: adagrad.Adagrad(.1, epsilon=0.),
    "keras2_adadelta": lambda: adadelta.Adadelta(1., rho=.9, epsilon=.001),
    "keras2_ftrl": lambda: ftrl.Ftrl(.1),
    "keras3_momentum": lambda: keras.optimizers.SGD(.1, momentum=.9),
    "keras3_adam": lambda: keras.optimizers.Adam(.1),
    "keras3_rmsprop": lambda: keras.optimizers.RMSprop(.1, momentum=.5, epsilon=.001),
    "keras3_rmsprop_centered": lambda: keras.optimizers.RMSprop(.1, momentum=.5, epsilon=.001, centered=True),
    "keras3_adagrad": lambda: keras.optimizers.Adagrad(.1, epsilon=0.),
    "keras3_adadelta": lambda: keras.optimizers.Adadelta(1., rho=.9, epsilon=.001),
    "keras3_ftrl": lambda: keras.optimizers.Ftrl(.1),
}
if tf_keras:
    KINDS.update({
        "keras215_momentum": lambda: tf_keras.optimizers.SGD(.1, momentum=.9),
        "keras215_adam": lambda: tf_keras.optimizers.Adam(.1),
        "keras215_rmsprop": lambda: tf_keras.optimizers.RMSprop(.1, momentum=.5, epsilon=.001),
        "keras215_rmsprop_centered": lambda: tf_keras.optimizers.RMSprop(.1, momentum=.5, epsilon=.001, centered=True),
        "keras215_adagrad": lambda: tf_keras.optimizers.Adagrad(.1, epsilon=0.),
        "keras215_adadelta": lambda: tf_keras.optimizers.Adadelta(1., rho=.9, epsilon=.001),
        "keras215_ftrl": lambda: tf_keras.optimizers.Ftrl(.1),
    })


def make(name, folder):
    start = np.arange(6, dtype=np.float32).reshape(2, 3) / 4 - .5
    w = keras.Variable(start, name="w") if name.startswith("keras3") else tf.Variable(start, name="w")
    other = keras.Variable(start, name="other") if name.startswith("keras3") else tf.Variable(start, name="other")
    o = KINDS[name]()

    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(C * (w - 1.) ** 2) + tf.reduce_sum(other * other)
        o.apply_gradients(zip(tape.gradient(loss, [getattr(v, "value", v) if name.startswith("keras3") else v for v in (other, w)]), [other, w]))

    for _ in range(3):
        step()
    tf.train.Checkpoint(layer=tf.train.Checkpoint(w=w, other=other), optimizer=o).write(os.path.join(folder, name))
    for _ in range(2):
        step()
    np.save(os.path.join(folder, name + ".npy"), w.numpy())


if __name__ == "__main__":
    to = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    os.makedirs(to, exist_ok=True)
    for kind in KINDS:
        make(kind, to)
