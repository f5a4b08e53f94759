# SPDX-License-Identifier: Apache-2.0
"""How pretrained/ was made, with TensorFlow 2.21 and Keras 3: a small convolutional network that tells the digits 0 to 4.

usage: python make_pretrained.py FOLDER      (from examples/finetune)
"""
import gzip
import sys

import keras
import numpy as np


def read(name, head):
    with gzip.open("../digits/data/train-%s-ubyte.gz" % name) as f:
        return np.frombuffer(f.read(), np.uint8)[head:]


labels = read("labels-idx1", 8)
images = read("images-idx3", 16).reshape(-1, 28, 28, 1).astype(np.float32) / 255
known = labels < 5
keras.utils.set_random_seed(1)
x = inputs = keras.Input((28, 28, 1), name="image")
x = keras.layers.MaxPool2D()(keras.layers.Conv2D(8, 3, activation="relu", name="conv1")(x))
x = keras.layers.BatchNormalization(name="norm")(x)
x = keras.layers.MaxPool2D()(keras.layers.Conv2D(16, 3, activation="relu", name="conv2")(x))
x = keras.layers.Dense(32, activation="relu", name="features")(keras.layers.Flatten()(x))
x = keras.layers.Dropout(0.3)(x)
model = keras.Model(inputs, keras.layers.Dense(5, activation="softmax", name="digit")(x))
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(images[known], labels[known], batch_size=64, epochs=8, verbose=2)
model.export(sys.argv[1])
