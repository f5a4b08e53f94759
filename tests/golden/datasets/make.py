# SPDX-License-Identifier: Apache-2.0
"""Writes what TensorFlow keeps of a data set of three strings: a cache in files, and data sets saved with each compression."""
import os
import shutil

import tensorflow as tf

HERE = os.path.dirname(os.path.abspath(__file__))
d = tf.data.Dataset.from_tensor_slices(["one", "", "three"])
list(d.cache(os.path.join(HERE, "cache")))
for name, compression in (("plain", None), ("gzip", "GZIP"), ("zlib", "ZLIB"), ("snappy", "SNAPPY")):
    to = os.path.join(HERE, name)
    shutil.rmtree(to, ignore_errors=True)
    d.save(to, compression=compression)
    os.remove(os.path.join(to, "dataset_spec.pb"))
