#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes saved_model.pb: a signature with a sparse input and a sparse output.

usage: make.py     (with TensorFlow 2.21)
"""
import os
import shutil

import tensorflow as tf

v1 = tf.compat.v1
here = os.path.dirname(os.path.abspath(__file__))
folder = os.path.join(here, "made")
info = v1.saved_model.build_tensor_info
with tf.Graph().as_default(), v1.Session() as s:
    sparse, w = v1.sparse_placeholder(tf.float32, [None, 5], name="s"), v1.placeholder(tf.float32, [5, 2], name="w")
    y, twice = tf.sparse.sparse_dense_matmul(sparse, w), tf.sparse.add(sparse, sparse)
    b = v1.saved_model.Builder(folder)
    signature = v1.saved_model.build_signature_def({"s": info(sparse), "w": info(w)}, {"y": info(y), "twice": info(twice)}, "predict")
    b.add_meta_graph_and_variables(s, ["serve"], {"serving_default": signature})
    b.save()
os.replace(os.path.join(folder, "saved_model.pb"), os.path.join(here, "saved_model.pb"))
shutil.rmtree(folder)
