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

# Snapshots: of version 1 by a name, of version 2 by a number.
raw, kinds = tf.raw_ops, dict(output_types=[tf.string], output_shapes=[[]])


class Made(tf.data.Dataset):
    def __init__(self, variant, spec):
        self.spec = spec
        super().__init__(variant)

    def _inputs(self):
        return []

    @property
    def element_spec(self):
        return self.spec


for name, compression in (("plain", ""), ("gzip", "GZIP"), ("snappy", "SNAPPY")):
    to = os.path.join(HERE, "former_" + name)
    shutil.rmtree(to, ignore_errors=True)
    list(Made(raw.SnapshotDataset(input_dataset=d._variant_tensor, path=to, compression=compression, mode="write", snapshot_name="x", **kinds), d.element_spec))
    for file in os.listdir(to):
        if file.endswith(".pbtxt"):
            os.remove(os.path.join(to, file))
to = os.path.join(HERE, "snapshot")
shutil.rmtree(to, ignore_errors=True)
reader = tf.function(lambda h: Made(h, tf.data.DatasetSpec(d.element_spec)).flat_map(lambda x: x)._variant_tensor, input_signature=[tf.TensorSpec([], tf.variant)])
shard = tf.function(lambda x: tf.constant(0, tf.int64), input_signature=[d.element_spec])
list(Made(raw.SnapshotDatasetV2(input_dataset=d._variant_tensor, path=to, reader_func_other_args=[], shard_func_other_args=[], reader_func=reader.get_concrete_function(),
                                shard_func=shard.get_concrete_function(), hash_valid=True, hash=5, **kinds), d.element_spec))
