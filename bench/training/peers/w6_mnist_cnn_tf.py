# SPDX-License-Identifier: Apache-2.0
import tf_runner as R
from tf_runner import tf, keras, L


def model(keep):
    i = keras.Input((28, 28, 1))
    x = L.Conv2D(32, 3, activation="relu")(i)
    x = L.MaxPooling2D()(L.Conv2D(64, 3, activation="relu")(x))
    x = L.Dense(128, "relu")(L.Flatten()(x))
    return keras.Model(i, L.Dense(10)(x))


def v1_model(v, ins, keep):
    x = tf.nn.relu(v.conv2d(ins[0], 3, 1, 32, "VALID"))
    x = tf.nn.relu(v.conv2d(x, 3, 32, 64, "VALID"))
    x = tf.reshape(tf.nn.max_pool2d(x, 2, 2, "VALID"), [-1, 9216])
    return v.dense(v.dense(x, 9216, 128, tf.nn.relu), 128, 10)


def loss(y, p):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(tf.reshape(y, [-1]), tf.int32), p))


R.main("W6", model, loss, v1_model)
