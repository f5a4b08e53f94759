# SPDX-License-Identifier: Apache-2.0
"""The ONNX graphs of make_models.py's networks from the same weights, in the form an export from PyTorch has (Gemm, Conv
on channels first, GRU), which is the form onnxruntime is fastest on. Inputs are as that export takes them."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

F, I = TensorProto.FLOAT, TensorProto.INT32


class Graph:
    def __init__(self):
        self.nodes, self.weights, self.n = [], [], 0

    def const(self, value):
        name = "w%d" % len(self.weights)
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def op(self, kind, *inputs, outputs=1, **attrs):
        names = ["v%d" % (self.n + k) for k in range(outputs)]
        self.n += outputs
        ins = [x if isinstance(x, str) else self.const(x) for x in inputs]
        self.nodes.append(helper.make_node(kind, ins, names, **attrs))
        return names[0]

    def dense(self, x, w, b, act=None):
        y = self.op("Gemm", x, w.T, b, transB=1)
        return self.op(act, y) if act else y

    def conv(self, x, w, b=None, stride=1, pad=None, act=None, group=1):  # w as TensorFlow has it
        k = w.ndim - 2
        w = np.transpose(w, (k + 1, k) + tuple(range(k)))
        attrs = dict(kernel_shape=w.shape[2:], strides=[stride] * k, group=group, pads=pad or [0] * 2 * k)
        y = self.op("Conv", x, w, *([b] if b is not None else []), **attrs)
        return self.op(act, y) if act else y

    def conv_transposed(self, x, w, b, stride, pad, act=None):  # w: [.., out, in]
        k = w.ndim - 2
        w = np.transpose(w, (k + 1, k) + tuple(range(k)))
        y = self.op("ConvTranspose", x, w, b, kernel_shape=w.shape[2:], strides=[stride] * k, pads=pad)
        return self.op(act, y) if act else y

    def batch_norm(self, x, w):
        return self.op("BatchNormalization", x, w[0], w[1], w[2], w[3], epsilon=1e-3)

    def model(self, inputs, out):
        self.nodes[-1].output[0] = "y"
        assert out == "v%d" % (self.n - 1)
        g = helper.make_graph(self.nodes, "g", [helper.make_tensor_value_info(n, t, s) for n, t, s in inputs],
                              [helper.make_tensor_value_info("y", F, None)], self.weights)
        return helper.make_model(g, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def w1(w):
    g = Graph()
    x = g.dense(g.dense("x0", w[0], w[1], "Tanh"), w[2], w[3], "Tanh")
    return g.model([("x0", F, ["n", 1])], g.dense(x, w[4], w[5]))


def w2(w):
    g = Graph()
    w = [x for x in w if x.shape != (2,)]
    x = g.op("Transpose", "x0", perm=[1, 0, 2])
    for k, r, b in (w[0:3], w[3:6]):  # gates z, r, h in both; biases: input's, then recurrent ones
        x = g.op("GRU", x, k.T[None], r.T[None], b.reshape(1, -1), hidden_size=528, linear_before_reset=1, outputs=2)
        x = g.op("Squeeze", x, np.array([1]))
    x = g.op("Transpose", x, perm=[1, 0, 2])
    y = g.op("Add", g.op("MatMul", x, w[6]), w[7])
    a = g.op("Slice", y, np.array([0]), np.array([125]), np.array([2]))
    b = g.op("Slice", y, np.array([125]), np.array([128]), np.array([2]))
    norm = g.op("Clip", g.op("ReduceL2", a, axes=[2], keepdims=1), np.float32(1e-6))
    return g.model([("x0", F, ["n", 20, 528])], g.op("Concat", g.op("Div", a, norm), b, axis=2))


def w3(w):
    g = Graph()
    x = g.conv("x0", w[0], w[1], 2, [1, 2], "Relu")
    x = g.conv(x, w[2], w[3], 2, [1, 2], "Relu")
    k = w[4].reshape(60, 64, 23).transpose(1, 0, 2).reshape(3840, 23)
    x = g.dense(g.op("Flatten", x), k, w[5])
    k = w[6].reshape(23, 60, 64).transpose(0, 2, 1).reshape(23, 3840)
    x = g.dense(x, k, w[7].reshape(60, 64).T.reshape(3840), "Relu")
    x = g.op("Reshape", x, np.array([-1, 64, 60]))
    x = g.conv_transposed(x, w[8], w[9], 2, [1, 2], "Relu")
    return g.model([("x0", F, ["n", 12, 240])], g.conv_transposed(x, w[10], w[11], 2, [1, 2]))


def w4(w):
    g = Graph()
    w = list(w)

    def take(n):
        out = w[:n]
        del w[:n]
        return out

    def block(x):
        for _ in range(2):
            x = g.op("Relu", g.batch_norm(g.conv(x, take(1)[0], pad=[1] * 4), take(4)))
        return x
    x, skips = "x0", []
    for _ in range(3):
        x = block(x)
        skips.append(x)
        x = g.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = block(x)
    for _ in range(3):
        k, b = take(2)
        x = g.conv_transposed(x, k, b, 2, [0] * 4)
        x = block(g.op("Concat", x, skips.pop(), axis=1))
    k, b = take(2)
    return g.model([("x0", F, ["n", 3, 128, 128])], g.conv(x, k, b))


def w5(w):
    g = Graph()
    feats = []
    table = g.const(w[0])
    for s in ("x0", "x1"):
        e = g.op("Transpose", g.op("Gather", table, s), perm=[0, 2, 1])
        for k in range(3):
            c = g.conv(e, w[1 + 2 * k], w[2 + 2 * k], act="Relu")
            feats.append(g.op("ReduceMax", c, axes=[2], keepdims=0))
    x = g.dense(g.op("Concat", *feats, "x2", axis=1), w[7], w[8], "Relu")
    ins = [("x0", I, ["n", 40]), ("x1", I, ["n", 40]), ("x2", F, ["n", 10])]
    return g.model(ins, g.dense(x, w[9], w[10]))


def w6(w):
    g = Graph()
    x = g.conv(g.conv("x0", w[0], w[1], act="Relu"), w[2], w[3], act="Relu")
    x = g.op("Flatten", g.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]))
    k = w[4].reshape(12, 12, 64, 128).transpose(2, 0, 1, 3).reshape(9216, 128)
    return g.model([("x0", F, ["n", 1, 28, 28])], g.dense(g.dense(x, k, w[5], "Relu"), w[6], w[7]))


def lstm(w):
    g = Graph()
    w = [x for x in w if x.shape != (2,)]
    x = g.op("Transpose", "x0", perm=[1, 0, 2])
    for i, (k, r, b) in enumerate((w[0:3], w[3:6])):
        def turn(m):  # gates i, f, c, o as ONNX has them: i, o, f, c
            a = np.split(m, 4, -1)
            return np.concatenate([a[0], a[3], a[1], a[2]], -1)
        bias = np.concatenate([turn(b), np.zeros_like(b)])[None]
        last = g.op("LSTM", x, turn(k).T[None], turn(r).T[None], bias, hidden_size=256, outputs=3)
        x = g.op("Squeeze", last if i == 0 else "v%d" % (int(last[1:]) + 1), np.array([1 if i == 0 else 0]))
    return g.model([("x0", F, ["n", 20, 528])], g.dense(x, w[6], w[7]))


MODELS = {"W1": w1, "W2": w2, "W3": w3, "W4": w4, "W5": w5, "W6": w6, "lstm": lstm}


def inputs(name, batch):
    """By name, as TensorFlow's model takes them; and which of them onnxruntime takes with channels first."""
    r = np.random.default_rng(11)

    def f(*shape):
        return r.standard_normal((batch,) + shape).astype(np.float32)
    if name == "W5":
        ids = [r.integers(0, 20000, (batch, 40)).astype(np.int32) for _ in range(2)]
        return ids + [f(10)]
    shape = {"W1": (1,), "W2": (20, 528), "W3": (240, 12), "W4": (128, 128, 3), "W6": (28, 28, 1), "lstm": (20, 528),
             "mobilenet": (96, 96, 3)}[name]
    return [f(*shape)]


def channels_first(name, x):
    axes = {"W3": (0, 2, 1), "W4": (0, 3, 1, 2), "W6": (0, 3, 1, 2)}.get(name)
    return np.ascontiguousarray(x.transpose(axes)) if axes else x


def channels_last(name, y):
    axes = {"W3": (0, 2, 1), "W4": (0, 2, 3, 1)}.get(name)
    return y.transpose(axes) if axes else y
