# SPDX-License-Identifier: Apache-2.0
"""Where TensorFlow's kernels refuse a request's values, a client reads their message: each of these graphs is run by TensorFlow and
asked of the server, and code and message are compared."""
import os
import shutil
import tempfile
import unittest

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from conformance import Table, signature
from serving import Server

v1 = tf.compat.v1
F, I, S = tf.float32, tf.int32, tf.string


def f32(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


# name: what is built of placeholders, and what they are fed with
CASES = {
    "matmul": (lambda a, b: tf.matmul(a, b), f32(2, 3), f32(4, 2)),
    "matmul_of_a_vector": (lambda a, b: tf.matmul(a, b), f32(3), f32(3, 2)),
    "batch_matmul": (lambda a, b: tf.raw_ops.BatchMatMulV2(x=a, y=b), f32(2, 2, 3), f32(2, 4, 2)),
    "add": (lambda a, b: a + b, f32(2, 3), f32(4)),
    "multiply": (lambda a, b: a * b, f32(2, 3), f32(2, 2)),
    "bias": (lambda a, b: tf.nn.bias_add(a, b), f32(2, 3), f32(4)),
    "division_by_zero": (lambda a, b: tf.raw_ops.Div(x=a, y=b), np.int32([1, 2]), np.int32([1, 0])),
    "floor_mod_by_zero": (lambda a, b: tf.math.floormod(a, b), np.int32([1]), np.int32([0])),
    "reshape": (lambda a, b: tf.reshape(a, b), f32(6), np.int32([4, 2])),
    "reshape_unknown": (lambda a, b: tf.reshape(a, b), f32(6), np.int32([4, -1])),
    "concat": (lambda a, b: tf.concat([a, b], 0), f32(2, 3), f32(2, 2)),
    "stack": (lambda a, b: tf.stack([a, b]), f32(2), f32(3)),
    "gather": (lambda a, b: tf.gather(a, b), f32(3, 2), np.int32([0, 7])),
    "gather_nd": (lambda a, b: tf.gather_nd(a, b), f32(3, 2), np.int32([[0, 2]])),
    "embedding": (lambda a, b: tf.nn.embedding_lookup(a, b), f32(3, 2), np.int32([-1])),
    "slice": (lambda a, b: tf.slice(a, b, [2]), f32(3), np.int32([2])),
    "strided_slice": (lambda a, b: a[b[0]], f32(3), np.int32([5])),
    "split": (lambda a: tf.split(a, 2)[0], f32(3)),
    "squeeze": (lambda a: tf.squeeze(a, [0]), f32(2, 3)),
    "expand_dims": (lambda a, b: tf.expand_dims(a, b), f32(2), np.int32(5)),
    "transpose": (lambda a, b: tf.transpose(a, b), f32(2, 3), np.int32([0, 0])),
    "tile": (lambda a, b: tf.tile(a, b), f32(2, 3), np.int32([2])),
    "pad": (lambda a, b: tf.pad(a, b), f32(2), np.int32([[1, 1], [1, 1]])),
    "top_k": (lambda a, b: tf.math.top_k(a, b)[0], f32(3), np.int32(5)),
    "one_hot": (lambda a, b: tf.one_hot(a, b), np.int32([1]), np.int32(-1)),
    "reduce": (lambda a, b: tf.reduce_sum(a, b), f32(2), np.int32([3])),
    "argmax": (lambda a, b: tf.argmax(a, b), f32(2), np.int32(3)),
    "cumsum": (lambda a, b: tf.cumsum(a, b), f32(2), np.int32(3)),
    "fill": (lambda a, b: tf.fill(a, b), np.int32([-1]), np.float32(1)),
    "range": (lambda a, b: tf.range(a, b, 0), np.int32(1), np.int32(5)),
    "where": (lambda a, b: tf.where(a > 0, a, b), f32(3), f32(2)),
    "convolution": (lambda a, b: tf.nn.conv2d(a, b, 1, "SAME"), f32(1, 4, 4, 3), f32(2, 2, 2, 5)),
    "convolution_of_a_matrix": (lambda a, b: tf.nn.conv2d(a, b, 1, "SAME"), f32(4, 4), f32(2, 2, 2, 5)),
    "depthwise_convolution": (lambda a, b: tf.raw_ops.DepthwiseConv2dNative(input=a, filter=b, strides=[1, 1, 1, 1], padding="SAME"),
                              f32(4, 4), f32(2, 2, 2, 5)),
    "pool_of_a_small_image": (lambda a: tf.raw_ops.MaxPool(input=a, ksize=[1, 5, 5, 1], strides=[1, 1, 1, 1], padding="VALID"), f32(1, 2, 2, 1)),
    "softmax_of_a_scalar": (lambda a: tf.raw_ops.Softmax(logits=a), f32()),
    "resize": (lambda a, b: tf.raw_ops.ResizeBilinear(images=a, size=b), f32(4, 4), np.int32([2, 2])),
    "resize_to_nothing": (lambda a, b: tf.raw_ops.ResizeNearestNeighbor(images=a, size=b), f32(1, 4, 4, 1), np.int32([0, 2])),
    "broadcast_to": (lambda a, b: tf.broadcast_to(a, b), f32(3), np.int32([2, 2])),
    "reverse": (lambda a, b: tf.reverse(a, b), f32(3), np.int32([4])),
    "band": (lambda a: tf.raw_ops.MatrixBandPart(input=a, num_lower=np.int64(0), num_upper=np.int64(0)), f32(3)),
    "einsum": (lambda a, b: tf.raw_ops.Einsum(inputs=[a, b], equation="ij,jk->ik"), f32(2, 3), f32(2, 2)),
    "unsorted_segments": (lambda a, b: tf.math.unsorted_segment_sum(a, b, 2), f32(3), np.int32([0, 1, 5])),
    "bincount": (lambda a: tf.raw_ops.Bincount(arr=a, size=3, weights=tf.constant([], F)), np.int32([-1])),
    "in_top_k": (lambda a, b: tf.math.in_top_k(a, b, 2), np.int32([0, 1]), f32(3, 4)),
    "sparse_to_dense": (lambda a, b: tf.raw_ops.SparseToDense(sparse_indices=a, output_shape=[3], sparse_values=b, default_value=0.0),
                        np.int32([2, 1]), f32(2)),
    "sparse_product": (lambda a, b: tf.sparse.sparse_dense_matmul(tf.SparseTensor(a, [1.0], [2, 2]), b), np.int64([[0, 5]]), f32(2, 2)),
    "join": (lambda a, b: tf.strings.join([a, b]), np.array([b"a", b"b"]), np.array([b"a", b"b", b"c"])),
    "csv": (lambda a: tf.io.decode_csv(a, [[0.0], [0.0]])[0], np.array([b"1,2,3"])),
    "csv_of_words": (lambda a: tf.io.decode_csv(a, [[0.0]])[0], np.array([b"x"])),
    "regex": (lambda a: tf.raw_ops.RegexReplace(input=a, pattern="[", rewrite=""), np.array([b"1"])),
    "linspace": (lambda a: tf.raw_ops.LinSpace(start=0.0, stop=1.0, num=a), np.int32(0)),
    "cross": (lambda a, b: tf.linalg.cross(a, b), f32(2), f32(2)),
    "clip": (lambda a, b: tf.raw_ops.ClipByValue(t=a, clip_value_min=b, clip_value_max=1.0), f32(2), f32(3)),
    "random": (lambda a: tf.random.uniform(a), np.int32([-1])),
    "multinomial": (lambda a: tf.random.categorical(a, 2), f32(3)),
    "sequence_mask": (lambda a: tf.raw_ops.ReverseSequence(input=a, seq_lengths=np.int32([1, 9]), seq_dim=1, batch_dim=0), f32(2, 3)),
    "space_to_depth": (lambda a: tf.nn.space_to_depth(a, 2), f32(1, 3, 3, 1)),
    "space_to_batch": (lambda a: tf.space_to_batch(a, [2], [[0, 0]]), f32(1, 3, 1)),
    "normalization": (lambda a, b: tf.raw_ops.FusedBatchNormV3(x=a, scale=b, offset=b, mean=b, variance=b, is_training=False)[0], f32(1, 2, 2, 3), f32(2)),
    "loss": (lambda a, b: tf.raw_ops.SoftmaxCrossEntropyWithLogits(features=a, labels=b)[0], f32(2, 3), f32(2, 4)),
    "repeat": (lambda a, b: tf.repeat(a, b), f32(3), np.int32([1, 2])),
    "boolean_mask": (lambda a, b: tf.boolean_mask(a, tf.cast(tf.reshape(b, [-1]), tf.bool)), f32(3), f32(2)),
    "unstack": (lambda a: tf.raw_ops.Unpack(value=a, num=2)[0], f32(3)),
    "dynamic_partition": (lambda a, b: tf.dynamic_partition(a, b, 2)[0], f32(2), np.int32([0, 5])),
    "eye_of_wrong_size": (lambda a: tf.linalg.diag_part(a), f32(3)),
    "string_to_number": (lambda a: tf.strings.to_number(a), np.array([b"1", b"x"])),
    "decode_raw": (lambda a: tf.io.decode_raw(a, F), np.array([b"abc"])),
    "substr": (lambda a, b: tf.strings.substr(a, b, 2), np.array([b"abc"]), np.int32([5])),
    "base64": (lambda a: tf.io.decode_base64(a), np.array([b"*"])),
    "segments": (lambda a, b: tf.math.segment_sum(a, b), f32(3), np.int32([1, 0, 2])),
    "scatter": (lambda a, b: tf.scatter_nd(a, b, [2]), np.int32([[5]]), f32(1)),
    "dynamic_stitch": (lambda a, b: tf.dynamic_stitch([a], [b]), np.int32([0, 1]), f32(3)),
    "check_numerics": (lambda a: tf.debugging.check_numerics(a, "the answer"), np.float32([1, np.nan])),
    "assertion": (lambda a: guarded(a), f32(2)),  # the node is in a function, whose name TensorFlow makes
    "softmax_of_labels": (lambda a, b: tf.nn.sparse_softmax_cross_entropy_with_logits(a, b), np.int32([5]), f32(1, 3)),
    "cholesky": (lambda a: tf.linalg.cholesky(a), f32(2, 3)),
    "inverse": (lambda a: tf.linalg.inv(a), np.zeros((2, 2), np.float32)),
    "parse_example": (lambda a: tf.io.parse_example(a, {"x": tf.io.FixedLenFeature([], F)})["x"], np.array([b"ab"])),
}


def guarded(a):
    with tf.control_dependencies([v1.assert_less(a, 1.0, message="too large")]):
        return tf.identity(a)


def build():
    """Graph of all cases, their placeholders and results."""
    graph, made = tf.Graph(), {}
    with graph.as_default():
        for name, (what, *values) in CASES.items():
            with tf.name_scope(name):
                p = [v1.placeholder(tf.as_dtype(v.dtype) if v.dtype.kind != "S" else S, None, "p%d" % i) for i, v in enumerate(values)]
                made[name] = p, tf.identity(what(*p), "result")
    return graph, made


class Kernels(Table):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="turnery-kernels-")
        graph, cls.made = build()
        cls.session = v1.Session(graph=graph)
        with graph.as_default():
            b = v1.saved_model.Builder(os.path.join(cls.folder, "m", "1"))
            b.add_meta_graph_and_variables(cls.session, ["serve"], signature_def_map={
                name: signature({"i%d" % i: t for i, t in enumerate(p)}, {"y": y}) for name, (p, y) in cls.made.items()})
            b.save()
        cls.running = Server("--model_name=m", "--model_base_path=" + os.path.join(cls.folder, "m"))

    @classmethod
    def tearDownClass(cls):
        cls.running.__exit__()
        cls.session.close()
        shutil.rmtree(cls.folder)

    def tensorflow(self, name):
        p, y = self.made[name]
        try:
            self.session.run(y, dict(zip(p, CASES[name][1:])))
            return "OK", ""
        except tf.errors.OpError as e:
            said = e.__context__ if isinstance(e.__context__, tf.errors.OpError) else e  # before Python adds where the node was made
            return {v: k for k, v in tf.errors.__dict__.items() if isinstance(v, int)}[e.error_code], said.message

    def ours(self, name):
        r = predict_pb2.PredictRequest()
        r.model_spec.name, r.model_spec.signature_name = "m", name
        for i, v in enumerate(CASES[name][1:]):
            r.inputs["i%d" % i].CopyFrom(tf.make_tensor_proto(v))
        return self.call("Predict", r, self.running)[:2]

    def check(self, name):
        ours, theirs = self.ours(name), self.tensorflow(name)
        if name == "assertion":
            ours, theirs = ((code, message.split("\n\t [[")[0]) for code, message in (ours, theirs))
        self.assertEqual(ours, theirs)


for name in CASES:
    setattr(Kernels, "test_" + name, (lambda name: lambda self: self.check(name))(name))


if __name__ == "__main__":
    unittest.main()
