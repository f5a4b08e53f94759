# SPDX-License-Identifier: Apache-2.0
import tf_runner as R
from tf_runner import tf, keras, L


def model(keep):
    i = keras.Input((1,))
    x = L.Dense(64, "tanh")(i)
    x = L.Dense(64, "tanh")(x)
    return keras.Model(i, L.Dense(1)(x))


def v1_model(v, ins, keep):
    x = v.dense(ins[0], 1, 64, tf.tanh)
    x = v.dense(x, 64, 64, tf.tanh)
    return v.dense(x, 64, 1)


def loss(y, p):
    return tf.reduce_mean(tf.square(y - p))


R.main("W1", model, loss, v1_model)
