# SPDX-License-Identifier: Apache-2.0
"""What the tables of conformance are made with: small models with every kind of signature, servers that are started once for each
set of flags, and rows that become tests. A row says what is asked and what TensorFlow Serving answers, to the byte."""
import atexit
import os
import re
import shutil
import tempfile
import unittest

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
try:
    import grpc
    import tensorflow_serving.apis
except ImportError as e:
    raise unittest.SkipTest("this interpreter lacks a package: %s" % e)
from tensorflow_serving.apis import (classification_pb2, get_model_metadata_pb2, get_model_status_pb2, inference_pb2,
                                     model_management_pb2, model_service_pb2_grpc, predict_pb2, prediction_service_pb2_grpc,
                                     regression_pb2)

from serving import MODELS, TURNERY, Server

v1 = tf.compat.v1
TURNERY_SERVE = (TURNERY, "serve")
METHODS = {
    "Predict": (prediction_service_pb2_grpc.PredictionServiceStub, predict_pb2.PredictRequest, predict_pb2.PredictResponse),
    "Classify": (prediction_service_pb2_grpc.PredictionServiceStub, classification_pb2.ClassificationRequest,
                 classification_pb2.ClassificationResponse),
    "Regress": (prediction_service_pb2_grpc.PredictionServiceStub, regression_pb2.RegressionRequest, regression_pb2.RegressionResponse),
    "MultiInference": (prediction_service_pb2_grpc.PredictionServiceStub, inference_pb2.MultiInferenceRequest,
                       inference_pb2.MultiInferenceResponse),
    "GetModelMetadata": (prediction_service_pb2_grpc.PredictionServiceStub, get_model_metadata_pb2.GetModelMetadataRequest,
                         get_model_metadata_pb2.GetModelMetadataResponse),
    "GetModelStatus": (model_service_pb2_grpc.ModelServiceStub, get_model_status_pb2.GetModelStatusRequest,
                       get_model_status_pb2.GetModelStatusResponse),
    "HandleReloadConfigRequest": (model_service_pb2_grpc.ModelServiceStub, model_management_pb2.ReloadConfigRequest,
                                  model_management_pb2.ReloadConfigResponse),
}
DTYPES = {"float": tf.float32, "double": tf.float64, "int8": tf.int8, "uint8": tf.uint8, "int16": tf.int16, "int32": tf.int32,
          "int64": tf.int64, "uint32": tf.uint32, "uint64": tf.uint64, "bool": tf.bool, "string": tf.string, "half": tf.float16,
          "complex64": tf.complex64, "uint16": tf.uint16}

# ==== models ====


def signature(inputs, outputs, method="tensorflow/serving/predict"):
    info = v1.saved_model.build_tensor_info
    return v1.saved_model.build_signature_def({k: info(v) for k, v in inputs.items()}, {k: info(v) for k, v in outputs.items()}, method)


def examples(name):
    x = v1.placeholder(tf.string, [None], name)
    return x, tf.io.parse_example(x, {"x": tf.io.FixedLenFeature([1], tf.float32, [0.0]), "w": tf.io.FixedLenFeature([2], tf.string, [b"", b""])})


def signatures():
    s = {}
    x = v1.placeholder(tf.float32, None, "x")
    s["serving_default"] = signature({"x": x}, {"y": tf.matmul(x, tf.constant(np.arange(8, dtype=np.float32).reshape(4, 2)), name="MatMul")})
    a, b = v1.placeholder(tf.float32, [None], "a"), v1.placeholder(tf.int64, [None], "b")
    s["two"] = signature({"a": a, "b": b}, {"sum": tf.add(a, tf.cast(b, tf.float32), "sum"), "twice": tf.multiply(b, 2, "twice")})
    s["defaults"] = signature({"a": a, "b": b}, {"sum": tf.add(a, tf.cast(b, tf.float32), "sum_too")})
    s["defaults"].defaults["b"].CopyFrom(tf.make_tensor_proto(np.int64([10])))
    for name, dtype in DTYPES.items():
        p = v1.placeholder(dtype, None, "in_" + name)
        s["same_" + name] = signature({"v": p}, {"v": tf.identity(p, "out_" + name)})
    t = v1.placeholder(tf.string, [None], "s")
    s["text"] = signature({"s": t}, {"upper": tf.strings.upper(t), "raw_bytes": tf.identity(t)})
    s["scalar"] = signature({"x": x}, {"total": tf.reduce_sum(x)})
    s["uneven"] = signature({"x": x}, {"a": tf.identity(x), "b": tf.concat([x, x], 0)})
    e, f = examples("tf_example")
    score = tf.concat([f["x"], f["x"] * 2], 1)
    s["classify"] = signature({"inputs": e}, {"classes": f["w"], "scores": score}, "tensorflow/serving/classify")
    s["classes_only"] = signature({"inputs": e}, {"classes": tf.identity(f["w"])}, "tensorflow/serving/classify")
    s["scores_flat"] = signature({"inputs": e}, {"scores": f["x"][:, 0]}, "tensorflow/serving/classify")
    s["scores_int"] = signature({"inputs": e}, {"scores": tf.cast(f["x"], tf.int32)}, "tensorflow/serving/classify")
    s["neither"] = signature({"inputs": e}, {"z": tf.identity(score)}, "tensorflow/serving/classify")
    s["regress"] = signature({"inputs": e}, {"outputs": f["x"][:, 0] + 1}, "tensorflow/serving/regress")
    s["regress_column"] = signature({"inputs": e}, {"outputs": f["x"] + 1}, "tensorflow/serving/regress")
    s["regress_wide"] = signature({"inputs": e}, {"outputs": tf.identity(score)}, "tensorflow/serving/regress")
    f = tf.io.parse_example(e, {"n": tf.io.FixedLenFeature([], tf.int64), "m": tf.io.FixedLenSequenceFeature([2], tf.float32, allow_missing=True)})
    s["needed"] = signature({"inputs": e}, {"scores": tf.reduce_sum(f["m"], 1) + tf.cast(f["n"], tf.float32)[:, None]}, "tensorflow/serving/classify")
    n = v1.placeholder(tf.int32, [None], "n")
    s["slow"] = signature({"n": n}, {"y": n + tf.while_loop(lambda i, v: i < n[0], lambda i, v: (i + 1, tf.sin(v) + 1.0),
                                                           [0, tf.ones([64, 64])], parallel_iterations=1)[0] * 0})
    s["no_inputs"] = signature({}, {"y": tf.constant([1.0, 2.0])})
    y = x * 2
    s["one_tensor_twice"] = signature({"x": x}, {"a": y, "b": y, "c": x})
    s["fed_twice"] = signature({"p": x, "q": x}, {"y": y})
    d = v1.placeholder_with_default([1.0, 2.0], [None], "d")
    s["graph_default"] = signature({"d": d}, {"y": d + 1})
    p = v1.sparse_placeholder(tf.float32, [None, 3], name="p")
    dense = tf.sparse.to_dense(p)
    s["sparse"] = signature({"p": p}, {"y": dense})
    s["sparse_and_dense"] = signature({"a": a, "p": p}, {"y": dense, "twice": a * 2})
    s["sparse_parts"] = signature({"indices": p.indices, "values": p.values, "shape": p.dense_shape}, {"y": dense})
    s["sparse_out"] = signature({"a": a}, {"s": tf.sparse.from_dense(a), "twice": a * 2})
    s["other_method"] = signature({"x": x}, {"y": tf.identity(x)}, "some/other/method")
    return s


def save_all(folder):
    with tf.Graph().as_default(), v1.Session() as session:
        builder = v1.saved_model.Builder(folder)
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures())
        builder.save()


def half_plus_two(folder):
    """Under its own name only when it is whole."""
    parent, name = os.path.split(folder)
    os.makedirs(parent, exist_ok=True)
    shutil.copytree(os.path.join(MODELS, "half_plus_two", "saved_model", "1"), os.path.join(parent, "." + name))
    os.rename(os.path.join(parent, "." + name), folder)


class World:
    """The models and the servers of these tests; made when they are first asked for, gone with the process."""

    def __init__(self):
        self.folder, self.servers = None, {}

    def make(self):
        self.folder = tempfile.mkdtemp(prefix="turnery-conformance-")
        atexit.register(self.close)
        save_all(self.path("all", "1"))
        half_plus_two(self.path("half", "00000123"))
        for version in "1", "2", "3":
            half_plus_two(self.path("three", version))
        half_plus_two(self.path("a b", "7"))
        self.write("models.conf", self.config("all", "half", "a b", three='''
            model_version_policy { specific { versions: 1 versions: 2 } } version_labels { key: "stable" value: 1 }'''))
        self.write("monitoring.conf", "prometheus_config { enable: true }")

    def path(self, *names):
        if not self.folder:
            self.make()
        return os.path.join(self.folder, *names)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def config(self, *names, **more):
        """ModelServerConfig's text: these models, and those with something more to be said of each."""
        return "model_config_list {\n%s}\n" % "".join('  config { name: "%s" base_path: "%s" model_platform: "tensorflow" %s }\n' % (
            n, self.path(n), t) for n, t in [*((n, "") for n in names), *more.items()])

    def server(self, *flags, program=None):
        """All models, with these flags more; not to be changed by who asks for it."""
        key = (flags, program)
        if key not in self.servers:
            kw = {"program": program} if program else {}
            self.servers[key] = Server("--model_config_file=" + self.path("models.conf"), "--monitoring_config_file=" + self.path("monitoring.conf"),
                                       "--enable_grpc_healthcheck_service", *flags, **kw)
        return self.servers[key]

    def close(self):
        for s in self.servers.values():
            s.__exit__()
        shutil.rmtree(self.folder)


world = World()

# ==== rows ====


class Table(unittest.TestCase):
    """A class with `flags` and rows, which Table.rows makes tests of."""
    maxDiff = None
    flags = ()
    program = None

    @property
    def server(self):
        return world.server(*self.flags, program=self.program)

    def call(self, method, request, server=None):
        """(code's name, message, response)"""
        stub, asked, _ = METHODS[method]
        with grpc.insecure_channel((server or self.server).grpc) as channel:
            if isinstance(request, str):
                request = text_format.Parse(request, asked())
            try:
                return "OK", "", getattr(stub(channel), method)(request, 60)
            except grpc.RpcError as e:
                return e.code().name, e.details(), None

    def says(self, got, wanted):
        if hasattr(wanted, "search"):
            self.assertRegex(got, wanted)
        else:
            self.assertEqual(got, wanted)

    def check_grpc(self, method, request, code, wanted, server=None):
        """wanted: the message, or the response as text, or what looks at it."""
        got, message, response = self.call(method, request, server)
        self.assertEqual(got, code, message)
        if code != "OK":
            self.says(message, wanted)
        elif callable(wanted):
            wanted(self, response)
        else:
            self.assertEqual(str(response), str(text_format.Parse(wanted, METHODS[method][2]())))

    def check_rest(self, method, path, body, status, wanted, headers=None, server=None, sends=None):
        """wanted: the error's message, or the whole body (bytes), or a pattern of it."""
        got, text, sent = (server or self.server).http(path, body, method, sends)
        self.assertEqual(got, status, text)
        if isinstance(wanted, str):
            wanted = ('{\n    "error": "%s"\n}' % re.sub(r'[\\"]', r"\\\g<0>", wanted).replace("\n", "\\n").replace("\t", "\\t")).encode()
        if hasattr(wanted, "search"):
            self.assertRegex(text, wanted)
        else:
            self.assertEqual(text, wanted.decode())
        for name, value in (headers or {"Content-Type": "application/json"}).items():
            self.assertEqual(sent[name], value, name)

    @classmethod
    def rows(cls, kind, *table):
        """Each row is (section's row, case, what check_KIND takes)."""
        for section, case, *row in table:
            name = "test_%s__%s" % tuple(re.sub(r"\W+", "_", t).strip("_") for t in (section, case))
            assert not hasattr(cls, name), name
            setattr(cls, name, (lambda row: lambda self: getattr(self, "check_" + kind)(*row))(row))


FIELDS = {"DT_FLOAT": "float_val", "DT_DOUBLE": "double_val", "DT_INT32": "int_val", "DT_INT64": "int64_val", "DT_STRING": "string_val",
          "DT_BOOL": "bool_val", "DT_UINT8": "int_val"}


def tensor(dtype, shape, *values):
    """A TensorProto's text."""
    return "dtype: %s tensor_shape { %s } %s" % (dtype, " ".join("dim { size: %d }" % n for n in shape), " ".join(
        "%s: %s" % (FIELDS[dtype], '"%s"' % v if dtype == "DT_STRING" else v) for v in values))


def inputs(**tensors):
    return " ".join('inputs { key: "%s" value { %s } }' % (k, v) for k, v in tensors.items())


def outputs(**tensors):
    return " ".join('outputs { key: "%s" value { %s } }' % (k, v) for k, v in tensors.items())


def spec(name, signature="", version=None, label=None):
    return 'model_spec { name: "%s" signature_name: "%s" %s %s }' % (
        name, signature, "version { value: %d }" % version if version is not None else "", 'version_label: "%s"' % label if label else "")


def floats(*values):
    return tensor("DT_FLOAT", [len(values)], *values)


def int64s(*values):
    return tensor("DT_INT64", [len(values)], *values)
