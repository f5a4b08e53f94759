# SPDX-License-Identifier: Apache-2.0
"""Makes the training graph of this folder: a regression of rows of a table, `lines.csv` in the folder where it is run,
which is read twice through queues. Needs TensorFlow 2.21; not needed to build or test.

usage: make.py FOLDER"""
import os
import sys

import tensorflow as tf

v1 = tf.compat.v1
v1.disable_eager_execution()
v1.disable_control_flow_v2()
v1.disable_resource_variables()
names = v1.train.string_input_producer(["lines.csv"], num_epochs=2, shuffle=False)
_, line = v1.TextLineReader(skip_header_lines=1).read(names)
x, y = v1.train.batch(v1.decode_csv(line, [[0.0], [0.0]]), 3)
w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
loss = tf.reduce_mean(tf.square(w * x - y), name="loss")
tf.identity(x, name="x")
v1.train.GradientDescentOptimizer(0.1).minimize(loss, v1.train.get_or_create_global_step(), name="train_op")
tf.group(v1.global_variables_initializer(), name="start")
v1.train.Saver()
v1.train.export_meta_graph(os.path.join(sys.argv[1], "rows.meta"), strip_default_attrs=True, clear_devices=True, as_text=False)
