# SPDX-License-Identifier: Apache-2.0
"""The real stubs of tensorflow-serving-api, and plain HTTP, against our server under the name tensorflow_model_server: all seven
methods, and what TensorFlow Serving says word for word where something is wrong."""
import base64
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.framework import tensor_pb2
try:
    import grpc
    import tensorflow_serving.apis
except ImportError as e:
    raise unittest.SkipTest("this interpreter lacks a package: %s" % e)
from tensorflow_serving.apis import (classification_pb2, get_model_metadata_pb2, get_model_status_pb2, inference_pb2,
                                     model_management_pb2, model_service_pb2_grpc, predict_pb2, prediction_service_pb2_grpc,
                                     regression_pb2)

from serving import MODELS, Server, together

LIMITS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Matrix(tf.Module):
    """y = x w; sum of two; strings back; a loop that takes as long as it is told."""

    def __init__(self):
        super().__init__()
        self.w = tf.Variable(np.arange(8, dtype=np.float32).reshape(4, 2))

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, "x")])
    def product(self, x):
        return {"y": tf.matmul(x, self.w)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "a"), tf.TensorSpec([None], tf.int64, "b")])
    def two(self, a, b):
        return {"sum": a + tf.cast(b, tf.float32), "twice": b * 2}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "s")])
    def text(self, s):
        return {"upper": tf.strings.upper(s), "raw_bytes": s}

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32, "n")])
    def slow(self, n):
        return {"y": tf.while_loop(lambda i, v: i < n, lambda i, v: (i + 1, tf.sin(v) + 1.0), [0, tf.ones([64, 64])])[1][0, 0]}

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, "x")])
    def same(self, x):
        return {"y": x}


def setUpModule():
    global work
    work = tempfile.mkdtemp(prefix="turnery-serving-")
    m = Matrix()
    tf.saved_model.save(m, os.path.join(work, "matrix", "1"), signatures={
        "serving_default": m.product, "two": m.two, "text": m.text, "slow": m.slow, "same": m.same})
    shutil.copytree(os.path.join(MODELS, "half_plus_two", "saved_model", "1"), os.path.join(work, "half", "00000123"))
    with open(os.path.join(work, "models.conf"), "w") as f:
        f.write("model_config_list {\n%s}\n" % "".join(
            '  config { name: "%s" base_path: "%s" model_platform: "tensorflow" }\n' % (n, os.path.join(work, n)) for n in ("matrix", "half")))


def tearDownModule():
    shutil.rmtree(work)


class Asking(unittest.TestCase):
    maxDiff = None

    def stub(self, server, credentials=None, options=()):
        channel = (grpc.secure_channel(server.grpc, credentials, [*LIMITS, *options]) if credentials
                   else grpc.insecure_channel(server.grpc, [*LIMITS, *options]))
        self.addCleanup(channel.close)
        return prediction_service_pb2_grpc.PredictionServiceStub(channel), model_service_pb2_grpc.ModelServiceStub(channel)

    def request(self, model, signature="", inputs=None, version=None, label=None, outputs=()):
        r = predict_pb2.PredictRequest()
        r.model_spec.name = model
        r.model_spec.signature_name = signature
        if version is not None:
            r.model_spec.version.value = version
        if label:
            r.model_spec.version_label = label
        for k, v in (inputs or {}).items():
            r.inputs[k].CopyFrom(v if isinstance(v, tensor_pb2.TensorProto) else tf.make_tensor_proto(v))
        r.output_filter.extend(outputs)
        return r

    def refused(self, code, message, call, *args, **kw):
        with self.assertRaises(grpc.RpcError) as c:
            call(*args, timeout=60, **kw)
        self.assertEqual(c.exception.code(), code, c.exception.details())
        if hasattr(message, "search"):
            self.assertRegex(c.exception.details(), message)
        else:
            self.assertEqual(c.exception.details(), message)


X1 = np.float32([[1], [2], [5]])


class Grpc(Asking):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--model_config_file=" + os.path.join(work, "models.conf"), "--enable_grpc_healthcheck_service")

    @classmethod
    def tearDownClass(cls):
        status = cls.server.stop()
        cls.server.__exit__()
        assert status == 0, status

    def setUp(self):
        self.ask, self.models = self.stub(self.server)

    def test_predict(self):
        a = self.ask.Predict(self.request("half", inputs={"x": X1}), 60)
        np.testing.assert_allclose(tf.make_ndarray(a.outputs["y"]), X1 / 2 + 2)
        self.assertEqual((a.model_spec.name, a.model_spec.signature_name, a.model_spec.version.value), ("half", "serving_default", 123))
        self.assertEqual(len(a.outputs["y"].float_val), 3)
        self.assertEqual(a.outputs["y"].tensor_content, b"")

    def test_tensors_of_all_forms(self):
        for t in (tf.make_tensor_proto(X1), tf.make_tensor_proto([[3.0], [3.0]], tf.float32),
                  text_format.Parse("dtype: DT_FLOAT tensor_shape { dim { size: 4 } dim { size: 1 } } float_val: 1 float_val: 7",
                                    tensor_pb2.TensorProto())):
            a = self.ask.Predict(self.request("half", inputs={"x": t}), 60)
            np.testing.assert_allclose(tf.make_ndarray(a.outputs["y"]), tf.make_ndarray(t) / 2 + 2)
        words = np.array([b"abc", b"", b"\xff\x00z"])
        a = self.ask.Predict(self.request("matrix", "text", {"s": words}), 60)
        self.assertEqual(list(a.outputs["raw_bytes"].string_val), list(words))

    def test_outputs_by_filter(self):
        two = {"a": np.float32([1, 2]), "b": np.int64([3, 4])}
        a = self.ask.Predict(self.request("matrix", "two", two, outputs=["twice"]), 60)
        self.assertEqual(list(a.outputs), ["twice"])
        self.assertEqual(list(a.outputs["twice"].int64_val), [6, 8])
        self.refused(grpc.StatusCode.INVALID_ARGUMENT, "output tensor alias not found in signature: z Outputs expected to be in the set {sum,twice}.",
                     self.ask.Predict, self.request("matrix", "two", two, outputs=["z"]))
        self.refused(grpc.StatusCode.INVALID_ARGUMENT, "duplicate output tensor alias: sum",
                     self.ask.Predict, self.request("matrix", "two", two, outputs=["sum", "sum"]))

    def test_models_that_are_not_there(self):
        x = {"x": X1}
        for spec, code, message in [
                (dict(model="nobody"), "NOT_FOUND", "Servable not found for request: Latest(nobody)"),
                (dict(model="half", version=99), "NOT_FOUND", "Servable not found for request: Specific(half, 99)"),
                (dict(model="half", label="L"), "INVALID_ARGUMENT", "Unrecognized servable version label: L"),
                (dict(model=""), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
                (dict(model="half", signature="s"), "FAILED_PRECONDITION", 'Serving signature key "s" not found.')]:
            self.refused(grpc.StatusCode[code], message, self.ask.Predict, self.request(inputs=x, **spec))

    def test_inputs_that_are_wrong(self):
        f = np.float32
        wrong = tensor_pb2.TensorProto(dtype=1, tensor_content=b"123")
        wrong.tensor_shape.dim.add().size = 1
        for signature, inputs, message in [
                ("two", {"a": f([1])}, "input size does not match signature: 1!=2 len({a}) != len({a,b}). Sent extra: {}. Missing but required: {b}."),
                ("two", {"a": f([1]), "b": np.int64([1]), "c": f([1])},
                 "input size does not match signature: 3!=2 len({a,b,c}) != len({a,b}). Sent extra: {c}. Missing but required: {}."),
                ("serving_default", {"y": X1}, "input size does not match signature: 1!=1 len({y}) != len({x}). Sent extra: {y}. Missing but required: {x}."),
                ("serving_default", {"x": wrong}, "tensor parsing error: x"),
                ("serving_default", {"x": np.float64([[1]])}, "Expects arg[0] to be float but double is provided")]:
            with self.subTest(message):
                try:
                    self.refused(grpc.StatusCode.INVALID_ARGUMENT, message, self.ask.Predict, self.request("matrix", signature, inputs))
                except AssertionError:
                    if "!=1 len" not in message:
                        raise
                    # The right number of inputs with a wrong name.
                    self.refused(grpc.StatusCode.INVALID_ARGUMENT, "Signature input alias: x(feed name: serving_default_x:0) not found in request and "
                                 "no default value provided. Inputs expected to be in the request {y}, or default input alias set: ",
                                 self.ask.Predict, self.request("matrix", signature, inputs))
        with self.assertRaises(grpc.RpcError) as c:
            self.ask.Predict(self.request("matrix", "", {"x": f([[1, 2, 3]])}), 60)
        self.assertEqual(c.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertIn("Matrix size-incompatible: In[0]: [1,3], In[1]: [4,2]", c.exception.details())
        self.assertIn("[[{{node", c.exception.details())

    def example(self, **features):
        return tf.train.Example(features=tf.train.Features(feature={
            k: tf.train.Feature(float_list=tf.train.FloatList(value=v)) for k, v in features.items()}))

    def test_classify_and_regress(self):
        r = classification_pb2.ClassificationRequest()
        r.model_spec.name, r.model_spec.signature_name = "half", "classify_x_to_y"
        r.input.example_list.examples.extend([self.example(x=[v]) for v in (1.0, 4.0)])
        a = self.ask.Classify(r, 60)
        np.testing.assert_allclose([c.classes[0].score for c in a.result.classifications], [2.5, 4.0])
        self.assertEqual(a.model_spec.version.value, 123)
        g = regression_pb2.RegressionRequest()
        g.model_spec.name, g.model_spec.signature_name = "half", "regress_x_to_y"
        g.input.example_list_with_context.examples.extend([tf.train.Example(), tf.train.Example()])
        g.input.example_list_with_context.context.CopyFrom(self.example(x=[2.0]))
        np.testing.assert_allclose([v.value for v in self.ask.Regress(g, 60).result.regressions], [3.0, 3.0])
        g.model_spec.signature_name = "nothing"
        self.refused(grpc.StatusCode.INVALID_ARGUMENT, "No signature was found with the name: nothing", self.ask.Regress, g)
        r.ClearField("input")
        self.refused(grpc.StatusCode.INVALID_ARGUMENT, "Input is empty.", self.ask.Classify, r)

    def test_multi_inference(self):
        r = inference_pb2.MultiInferenceRequest()
        for method, signature in (("classify", "classify_x_to_y"), ("regress", "regress_x_to_y")):
            t = r.tasks.add(method_name="tensorflow/serving/" + method)
            t.model_spec.name, t.model_spec.signature_name = "half", signature
        r.input.example_list.examples.append(self.example(x=[6.0]))
        a = self.ask.MultiInference(r, 60)
        self.assertAlmostEqual(a.results[0].classification_result.classifications[0].classes[0].score, 5.0)
        self.assertAlmostEqual(a.results[1].regression_result.regressions[0].value, 5.0)
        r.tasks[0].CopyFrom(r.tasks[1])
        self.refused(grpc.StatusCode.INVALID_ARGUMENT, "Duplicate evaluation of signature: regress_x_to_y", self.ask.MultiInference, r)

    def test_metadata(self):
        r = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        r.model_spec.name = "half"
        a = self.ask.GetModelMetadata(r, 60)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        self.assertTrue(a.metadata["signature_def"].Unpack(signatures))
        self.assertIn("regress_x_to_y2", signatures.signature_def)
        self.assertEqual(signatures.signature_def["serving_default"].inputs["x"].name, "x:0")
        self.assertEqual(a.model_spec.version.value, 123)
        r.metadata_field[:] = ["weights"]
        self.refused(grpc.StatusCode.INVALID_ARGUMENT, "Metadata field weights is not supported", self.ask.GetModelMetadata, r)
        self.refused(grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec", self.ask.GetModelMetadata,
                     get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"]))

    def test_status(self):
        r = get_model_status_pb2.GetModelStatusRequest()
        r.model_spec.name = "half"
        (v,) = self.models.GetModelStatus(r, 60).model_version_status
        self.assertEqual((v.version, v.state, v.status.error_code), (123, 30, 0))
        r.model_spec.version.value = 9
        self.refused(grpc.StatusCode.NOT_FOUND, "Could not find version 9 of model half", self.models.GetModelStatus, r)
        r.model_spec.name = "nobody"
        r.model_spec.ClearField("version")
        self.refused(grpc.StatusCode.NOT_FOUND, "Could not find any versions of model nobody", self.models.GetModelStatus, r)

    def test_readiness_as_a_client_looks_for_it(self):
        """A client that waits for a server asks for a model that cannot be there and looks for "Servable" in the refusal."""
        with self.assertRaises(grpc.RpcError) as c:
            self.ask.Predict(self.request("a bogus model", inputs={"x": X1}), 60)
        self.assertIn("Servable", c.exception.details())

    def test_futures_with_deadline(self):
        futures = [self.ask.Predict.future(self.request("half", inputs={"x": np.float32([[i]])}), 60.0) for i in range(200)]
        for i, f in enumerate(futures):
            self.assertAlmostEqual(f.result().outputs["y"].float_val[0], i / 2 + 2, places=5)
        late = self.ask.Predict.future(self.request("matrix", "slow", {"n": np.int32(50000000)}), 0.3)
        self.assertEqual(late.exception().code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        gone = self.ask.Predict.future(self.request("matrix", "slow", {"n": np.int32(50000000)}), 60)
        time.sleep(0.1)
        gone.cancel()
        # Its thread is free again: others are answered.
        self.assertEqual(self.ask.Predict(self.request("half", inputs={"x": X1}), 60).model_spec.version.value, 123)

    def test_a_hundred_megabytes(self):
        x = np.random.default_rng(1).random((25, 1 << 20), np.float32)
        a = self.ask.Predict(self.request("matrix", "same", {"x": x}), 120)
        np.testing.assert_array_equal(tf.make_ndarray(a.outputs["y"]), x)

    def test_compressed(self):
        a = self.ask.Predict(self.request("half", inputs={"x": np.ones((10000, 1), np.float32)}), 60, compression=grpc.Compression.Gzip)
        self.assertEqual(len(a.outputs["y"].float_val), 10000)

    def test_health_and_unknown_methods(self):
        channel = grpc.insecure_channel(self.server.grpc)
        self.addCleanup(channel.close)
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        for service in ("", "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"):
            self.assertEqual(check(b"\x0a" + bytes([len(service)]) + service.encode() if service else b"", timeout=60), b"\x08\x01")
        self.refused(grpc.StatusCode.NOT_FOUND, re.compile("."), check, b"\x0a\x02no")
        self.refused(grpc.StatusCode.UNIMPLEMENTED, re.compile(""), channel.unary_unary("/no.Such/Method"), b"")

    def test_reload(self):
        r = model_management_pb2.ReloadConfigRequest()
        with open(os.path.join(work, "models.conf")) as f:
            text = f.read()
        text_format.Parse(text, r.config)
        extra = r.config.model_config_list.config.add(name="again", base_path=os.path.join(work, "half"), model_platform="tensorflow")
        a = self.models.HandleReloadConfigRequest(r, 60)
        self.assertEqual(a.status.error_code, 0)
        self.assertEqual(self.ask.Predict(self.request("again", inputs={"x": X1}), 60).model_spec.version.value, 123)
        extra.version_labels["stable"] = 123
        self.models.HandleReloadConfigRequest(r, 60)
        self.assertEqual(self.ask.Predict(self.request("again", inputs={"x": X1}, label="stable"), 60).model_spec.version.value, 123)
        extra.version_labels["canary"] = 2
        self.refused(grpc.StatusCode.FAILED_PRECONDITION, "Request to assign label to version 2 of model again, which is not currently available for inference",
                     self.models.HandleReloadConfigRequest, r)
        self.refused(grpc.StatusCode.INVALID_ARGUMENT,
                     "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently supported",
                     self.models.HandleReloadConfigRequest, model_management_pb2.ReloadConfigRequest())
        restored = model_management_pb2.ReloadConfigRequest()
        text_format.Parse(text, restored.config)
        self.models.HandleReloadConfigRequest(restored, 60)
        self.refused(grpc.StatusCode.NOT_FOUND, "Servable not found for request: Latest(again)",
                     self.ask.Predict, self.request("again", inputs={"x": X1}))

    def test_many_at_once_are_not_mixed_up(self):
        def one(i):
            x = np.full((3, 1), i, np.float32)
            return [tf.make_ndarray(self.ask.Predict(self.request("half", inputs={"x": x}), 60).outputs["y"])[0, 0] for _ in range(50)]
        for i, got in enumerate(together(8, one)):
            np.testing.assert_allclose(got, i / 2 + 2)


class Rest(Asking):
    @classmethod
    def setUpClass(cls):
        conf = os.path.join(work, "monitoring.conf")
        with open(conf, "w") as f:
            f.write("prometheus_config { enable: true }\n")
        cls.server = Server("--model_config_file=" + os.path.join(work, "models.conf"), "--monitoring_config_file=" + conf)

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def says(self, status, body, path, *args, **kw):
        got = self.server.http(path, *args, **kw)
        self.assertEqual((got[0], got[1]), (status, body))
        return got[2]

    def error(self, status, message, path, *args, **kw):
        got = self.server.http(path, *args, **kw)
        self.assertEqual(got[0], status, got[1])
        self.assertEqual(json.loads(got[1]), {"error": message})
        self.assertEqual(got[2]["Content-Type"], "application/json")

    def test_predict(self):
        p = "/v1/models/half:predict"
        self.says(200, '{\n    "predictions": [[2.5], [4.5]\n    ]\n}', p, '{"instances": [[1.0], [5]]}')
        self.says(200, '{\n    "outputs": [\n        [\n            2.5\n        ]\n    ]\n}', p, '{"inputs": [[1.0]]}')
        status, body, _ = self.server.http("/v1/models/half/versions/123:predict", '{"instances": [{"x": [1.0]}]}')
        self.assertEqual((status, json.loads(body)), (200, {"predictions": [[2.5]]}))
        zipped = gzip.compress(b'{"instances": [[1.0]]}')
        self.assertEqual(self.server.http(p, zipped, headers={"Content-Encoding": "gzip"})[0], 200)

    def test_values(self):
        status, body, _ = self.server.http("/v1/models/matrix:predict", '{"signature_name": "same", "inputs": [NaN, Infinity, -Infinity, 1e30, 0.1, 3]}')
        self.assertEqual(status, 200)
        self.assertIn("NaN", body)
        self.assertIn("-Infinity", body)
        self.assertIn("3.0", body)
        word = base64.b64encode(b"\xff\x00a").decode()
        status, body, _ = self.server.http("/v1/models/matrix:predict", json.dumps({"signature_name": "text", "instances": [{"s": {"b64": word}}, {"s": "abc"}]}))
        self.assertEqual(json.loads(body)["predictions"][0]["raw_bytes"], {"b64": word})
        status, body, _ = self.server.http("/v1/models/matrix:predict", '{"signature_name": "two", "inputs": {"a": [1, 2], "b": [3, 4]}}')
        self.assertEqual(json.loads(body), {"outputs": {"sum": [4.0, 6.0], "twice": [6, 8]}})

    def test_classify_and_regress(self):
        status, body, _ = self.server.http("/v1/models/half:regress", '{"signature_name": "regress_x_to_y", "context": {"x": 2.0}, "examples": [{}, {"x": [4.0]}]}')
        self.assertEqual((status, json.loads(body)["results"]), (200, [3.0, 4.0]))
        status, body, _ = self.server.http("/v1/models/half:classify", '{"signature_name": "classify_x_to_y", "examples": [{"x": 1.0}]}')
        self.assertEqual((status, json.loads(body)["results"]), (200, [[["", 2.5]]]))

    def test_status_and_metadata(self):
        self.says(200, '{\n "model_version_status": [\n  {\n   "version": "123",\n   "state": "AVAILABLE",\n   "status": {\n    "error_code": "OK",\n'
                  '    "error_message": ""\n   }\n  }\n ]\n}\n', "/v1/models/half")
        status, body, _ = self.server.http("/v1/models/half/metadata")
        d = json.loads(body)
        self.assertEqual(d["model_spec"], {"name": "half", "signature_name": "", "version": "123"})
        self.assertEqual(d["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]["x"]["dtype"], "DT_FLOAT")

    def test_refusals(self):
        p = "/v1/models/half:predict"
        for status, message, path, body in [
                (404, "Servable not found for request: Latest(nobody)", "/v1/models/nobody:predict", '{"instances": [1]}'),
                (404, "Servable not found for request: Specific(half, 7)", "/v1/models/half/versions/7:predict", '{"instances": [1]}'),
                (400, "Malformed request: POST /v1/models/half:nothing", "/v1/models/half:nothing", "{}"),
                (400, "Malformed request: GET /v1/models/half:predict", p, None),
                (400, "Missing model name in request.", "/v1/models", None),
                (404, "Could not find any versions of model nobody", "/v1/models/nobody", None),
                (400, "JSON Parse error: The document is empty", p, ""),
                (400, "Missing 'inputs' or 'instances' key", p, '{"x": 1}'),
                (400, 'Serving signature name: "s" not found in signature def', p, '{"signature_name": "s", "instances": [1]}')]:
            with self.subTest(message):
                self.error(status, message, path, body.encode() if body is not None else None)
        status, body, _ = self.server.http(p, '{"instances": [["a"]]}')
        self.assertEqual(status, 400)
        self.assertIn('JSON Value: \\"a\\" Type: String is not of expected type: float', body)
        status, body, headers = self.server.http("/elsewhere")
        self.assertEqual(status, 404)

    def test_metrics(self):
        self.server.http("/v1/models/half:predict", '{"instances": [[1.0]]}')
        status, body, _ = self.server.http("/monitoring/prometheus/metrics")
        self.assertEqual(status, 200)
        self.assertRegex(body, r':tensorflow:serving:request_count\{model_name="half",status="OK"\} \d+')
        self.assertRegex(body, r':tensorflow:serving:request_latency_bucket\{model_name="half",API="predict",entrypoint="REST",le="10"\} \d+')

    def test_curl(self):
        if not shutil.which("curl"):
            self.skipTest("there is no curl")
        out = subprocess.run(["curl", "-sS", "-d", '{"instances": [[1.0]]}', self.server.rest + "/v1/models/half:predict"], capture_output=True, check=True)
        self.assertEqual(json.loads(out.stdout), {"predictions": [[2.5]]})


class Life(Asking):
    def copy(self, version, base):
        os.makedirs(base, exist_ok=True)
        shutil.copytree(os.path.join(MODELS, "half_plus_two", "saved_model", "1"), os.path.join(base, "." + version))
        os.rename(os.path.join(base, "." + version), os.path.join(base, version))

    def test_versions_are_followed_without_a_failed_request(self):
        base = os.path.join(work, "follow")
        self.copy("1", base)
        with Server("--model_name=m", "--model_base_path=" + base, "--file_system_poll_wait_seconds=1") as s:
            ask, _ = self.stub(s)
            seen, end = set(), time.time() + 30
            self.copy("2", base)
            while time.time() < end and 2 not in seen:
                seen.add(ask.Predict(self.request("m", inputs={"x": X1}), 60).model_spec.version.value)
            self.assertLessEqual(seen, {1, 2})
            self.assertIn(2, seen)
            shutil.rmtree(os.path.join(base, "2"))
            while time.time() < end and ask.Predict(self.request("m", inputs={"x": X1}), 60).model_spec.version.value != 1:
                time.sleep(0.05)
            self.assertEqual(ask.Predict(self.request("m", inputs={"x": X1}), 60).model_spec.version.value, 1)

    def test_sigterm_drains(self):
        with Server("--model_name=matrix", "--model_base_path=" + os.path.join(work, "matrix")) as s:
            ask, _ = self.stub(s)
            running = ask.Predict.future(self.request("matrix", "slow", {"n": np.int32(20000)}), 60)
            time.sleep(0.2)
            s.process.send_signal(signal.SIGTERM)
            running.result()
            self.assertEqual(s.process.wait(60), 0)

    def test_no_model(self):
        os.makedirs(os.path.join(work, "empty"), exist_ok=True)
        for base, says in ((os.path.join(work, "empty"), "No versions of servable m found under base path %s. Did you forget to name your leaf directory as a number"),
                           (os.path.join(work, "nowhere"), "Could not find base path %s for servable m")):
            with Server("--model_name=m", "--model_base_path=" + base, wait=False) as s:
                s.wait_for(says % base)
                self.assertIsNone(s.process.poll())
                self.assertEqual(s.stop(), 0)

    def test_a_batch_answers_each_its_own(self):
        conf = os.path.join(work, "batching.conf")
        with open(conf, "w") as f:
            f.write("max_batch_size { value: 16 } batch_timeout_micros { value: 3000 } num_batch_threads { value: 2 } max_enqueued_batches { value: 100 }\n")
        with Server("--model_name=m", "--model_base_path=" + os.path.join(work, "half"), "--enable_batching", "--batching_parameters_file=" + conf) as s:
            ask, _ = self.stub(s)
            futures = [ask.Predict.future(self.request("m", inputs={"x": np.full((1 + i % 3, 1), i, np.float32)}), 60) for i in range(300)]
            for i, f in enumerate(futures):
                np.testing.assert_allclose(tf.make_ndarray(f.result().outputs["y"]), np.full((1 + i % 3, 1), i / 2 + 2))
            self.refused(grpc.StatusCode.INVALID_ARGUMENT, "Task size 65 is larger than maximum input batch size 16",
                         ask.Predict, self.request("m", inputs={"x": np.zeros((65, 1), np.float32)}))

    def test_tls(self):
        d = os.path.join(work, "tls")
        os.makedirs(d)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", d + "/key.pem", "-out", d + "/cert.pem", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
        key, cert = (open(os.path.join(d, n), "rb").read() for n in ("key.pem", "cert.pem"))
        conf = os.path.join(d, "ssl.conf")
        quoted = lambda b: b.decode().replace("\n", "\\n")
        for verify in (False, True):
            with open(conf, "w") as f:
                f.write('server_key: "%s"\nserver_cert: "%s"\ncustom_ca: "%s"\nclient_verify: %s\n' % (quoted(key), quoted(cert), quoted(cert), str(verify).lower()))
            with Server("--model_name=half", "--model_base_path=" + os.path.join(work, "half"), "--ssl_config_file=" + conf) as s:
                mine = grpc.ssl_channel_credentials(cert, key, cert)
                ask, _ = self.stub(s, mine)
                self.assertEqual(ask.Predict(self.request("half", inputs={"x": X1}), 60).model_spec.version.value, 123)
                ask, _ = self.stub(s, grpc.ssl_channel_credentials(cert), [("grpc.use_local_subchannel_pool", 1)])
                if verify:
                    with self.assertRaises(grpc.RpcError) as c:
                        ask.Predict(self.request("half", inputs={"x": X1}), 10)
                    self.assertEqual(c.exception.code(), grpc.StatusCode.UNAVAILABLE)
                else:
                    self.assertEqual(ask.Predict(self.request("half", inputs={"x": X1}), 60).model_spec.version.value, 123)


if __name__ == "__main__":
    unittest.main()
