# SPDX-License-Identifier: Apache-2.0
"""The server's life as TensorFlow Serving's: flags, start and its failures, versions, reload, batching, warm-up, metrics; with
servers of these tests' own."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import grpc
import tensorflow as tf
from tensorflow.core.protobuf import error_codes_pb2
from google.protobuf import text_format
from tensorflow_serving.apis import (get_model_status_pb2, model_management_pb2, model_service_pb2_grpc, predict_pb2, prediction_log_pb2,
                                     prediction_service_pb2_grpc)

from conformance import Table, floats, half_plus_two, inputs, outputs, spec, tensor, world
from serving import MODEL_SERVER, TURNERY, Server, free_port, together

X = inputs(x=tensor("DT_FLOAT", [1], 2))
EXAMPLE = 'examples { features { feature { key: "x" value { float_list { value: 1 } } } } }'
FLAGS = """port grpc_socket_path grpc_channel_arguments grpc_max_threads ssl_config_file use_alts_credentials enable_grpc_healthcheck_service
enable_profiler enable_serialization_as_tensor_content rest_api_port rest_api_num_threads rest_api_timeout_in_ms rest_api_enable_cors_support
model_name model_base_path model_config_file model_config_file_poll_wait_seconds file_system_poll_wait_seconds saved_model_tags num_load_threads
num_unload_threads max_num_load_retries load_retry_interval_micros flush_filesystem_caches allow_version_labels_for_unavailable_models
remove_unused_fields_from_bundle_metagraph enable_signature_method_name_check prefer_tflite_model num_tflite_pools
num_tflite_interpreters_per_pool enable_batching batching_parameters_file enable_per_model_batching_parameters tensorflow_session_parallelism
tensorflow_intra_op_parallelism tensorflow_inter_op_parallelism tensorflow_session_config_file platform_config_file
per_process_gpu_memory_fraction thread_pool_factory_config_file mixed_precision xla_cpu_compilation_enabled xla_gpu_compilation_enabled
skip_initialize_tpu enable_model_warmup num_request_iterations_for_warmup monitoring_config_file version""".split()


class Own(Table):
    """Tests with a folder and servers of their own."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="turnery-life-")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, text):
        with open(self.path(name), "wb" if isinstance(text, bytes) else "w") as f:
            f.write(text)
        return self.path(name)

    def model(self, name, *versions):
        for v in versions:
            if not os.path.exists(self.path(name, v)):
                half_plus_two(self.path(name, v))
        return self.path(name)

    def broken(self, name, version):
        os.makedirs(self.path(name, "." + version))
        self.write(os.path.join(name, "." + version, "saved_model.pb"), b"\xff\xff not a model")
        os.rename(self.path(name, "." + version), self.path(name, version))
        return self.path(name)

    def start(self, *flags, **kw):
        s = Server(*flags, **kw)
        self.addCleanup(s.__exit__)
        return s

    def one(self, *flags, versions=("1",), **kw):
        return self.start("--model_name=m", "--model_base_path=" + self.model("m", *versions), *flags, **kw)

    def config(self, **models):
        return "model_config_list { %s }" % " ".join('config { name: "%s" base_path: "%s" model_platform: "tensorflow" %s }' % (
            n, self.path(n), more) for n, more in models.items())

    def reload(self, server, config, code="OK", wanted=""):
        r = model_management_pb2.ReloadConfigRequest()
        text_format.Parse(config, r.config)
        got, message, response = self.call("HandleReloadConfigRequest", r, server)
        self.assertEqual(got, code, message)
        if code == "OK":
            self.assertEqual((response.status.error_code, response.status.error_message), (0, ""))
        else:
            self.says(message, wanted)
        return response

    def answers(self, server, name, version, label=None):
        self.check_grpc("Predict", spec(name, label=label) + X, "OK", outputs(y=tensor("DT_FLOAT", [1], 3)) + spec(name, "serving_default", version), server)

    def states(self, server, name):
        _, message, r = self.call("GetModelStatus", spec(name), server)
        names = get_model_status_pb2.ModelVersionStatus.State.Name
        return {v.version: names(v.state) for v in r.model_version_status} if r else message

    def until(self, what, seconds=60):
        end = time.time() + seconds
        while not what() and time.time() < end:
            time.sleep(0.02)
        self.assertTrue(what())

    def run_to_end(self, *argv, program=MODEL_SERVER, env=None):
        """(status, standard output, standard error)"""
        p = subprocess.run([*([program] if isinstance(program, str) else program), *argv], capture_output=True, text=True, timeout=60,
                           env=dict(os.environ, **(env or {})))
        return p.returncode, p.stdout, p.stderr


class Flags(Own):
    def test_every_flag_of_TensorFlow_Serving_is_known(self):
        _, out, _ = self.run_to_end("--help")
        for f in FLAGS:
            with self.subTest(f):
                self.assertRegex(out, r"--%s\b" % f)

    def test_help_is_the_usage_and_an_error(self):
        for argv in ["--help"], ["--port=%d" % free_port(), "--help", "word"], ["--version", "--help"]:
            status, out, err = self.run_to_end(*argv)
            self.assertEqual((status, err), (255, ""), argv)
            self.assertRegex(out, r"\Ausage: \S*tensorflow_model_server\nFlags:\n\t--port=8500 {22}\tint32\t\S")
            self.assertRegex(out, r'(?m)^\t--model_name="default" {11}\tstring\t\S.*$')
            self.assertRegex(out, r"(?m)^\t--allow_version_labels_for_unavailable_models=false\tbool\t\S.*$")
            self.assertRegex(out, r"(?m)^\t--rest_api_num_threads=%d +\tint32\t\S.*$" % (4 * os.cpu_count()))
            self.assertEqual(len(out.splitlines()), 2 + len(FLAGS))

    def test_help_behind_an_unknown_argument_is_another(self):
        s = self.one("word", "--help")
        self.answers(s, "m", 1)
        self.assertRegex(s.log(), r"(?m)^unknown argument: word$")

    def test_version(self):
        for argv in ["--version"], ["--version=true", "word"], ["--version=false", "--version"]:
            status, out, _ = self.run_to_end(*argv)
            self.assertEqual(status, 0, argv)
            self.assertRegex(out, r"\ATensorFlow ModelServer: \S.*\nTensorFlow Library: \S.*\n\Z")

    def test_flags_without_a_meaning_are_accepted(self):
        s = self.one("--use_alts_credentials=false", "--enable_profiler", "--flush_filesystem_caches=true", "--prefer_tflite_model=false",
                     "--num_tflite_pools=2",
                     "--num_tflite_interpreters_per_pool=1", "--per_process_gpu_memory_fraction=0.5", "--xla_cpu_compilation_enabled",
                     "--xla_gpu_compilation_enabled=false", "--skip_initialize_tpu", "--mixed_precision=", "--thread_pool_factory_config_file=",
                     "--remove_unused_fields_from_bundle_metagraph=false", "--platform_config_file=")
        self.answers(s, "m", 1)

    def test_flags_with_a_meaning(self):
        s = self.one("--grpc_channel_arguments=grpc.max_connection_age_ms=2000000,grpc.lb_policy_name=grpclb", "--grpc_max_threads=2",
                     "--rest_api_num_threads=2", "--rest_api_timeout_in_ms=5000", "--num_load_threads=1", "--num_unload_threads=1", "--saved_model_tags=serve",
                     "--tensorflow_session_parallelism=2", "--enable_model_warmup", "--num_request_iterations_for_warmup=2",
                     "--file_system_poll_wait_seconds=0", "--enable_batching", "--grpc_socket_path=" + self.path("s"))
        self.answers(s, "m", 1)
        with grpc.insecure_channel("unix:" + self.path("s")) as channel:
            r = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(text_format.Parse(spec("m") + X, predict_pb2.PredictRequest()), 60)
            self.assertEqual(list(r.outputs["y"].float_val), [3.0])

    def test_an_unknown_argument_is_told_and_passed_over(self):
        s = self.one("--no_such_flag=1", "--no_other", "word", "-port=1", "--port", "1", "--noenable_batching", "--", "--port=1", "--port=x")
        self.answers(s, "m", 1)
        self.assertRegex(s.log(), r"(?m)^unknown argument: --no_such_flag=1$")
        self.assertIn("usage", s.log().lower())
        self.assertNotIn("unknown argument: --no_other", s.log())

    def test_an_unknown_argument_of_turnery_serve_is_an_error(self):
        status, _, err = self.run_to_end("serve", "--no_such_flag=1", program=TURNERY)
        self.assertNotIn(status, (0, 255))
        self.assertIn("no_such_flag", err)

    def test_a_value_that_is_none_ends_it(self):
        for flag in ("--port=abc", "--port=1x", "--port=", "--enable_batching=maybe", "--max_num_load_retries=x", "--num_tflite_pools=many",
                     "--per_process_gpu_memory_fraction=half", "--skip_initialize_tpu=2", "--enable_batching=1", "--enable_batching=True",
                     "--enable_batching=", "--file_system_poll_wait_seconds=0.5", "--model_config_file_poll_wait_seconds=0.5"):
            with self.subTest(flag):
                status, out, err = self.run_to_end(flag, "--model_base_path=" + self.model("m", "1"))
                self.assertEqual(status, 255, flag)
                self.assertRegex(out, r"\Ausage: \S*tensorflow_model_server\nFlags:\n")
                name, value = flag[2:].split("=")
                if re.search(r"enable_batching|tpu", name):
                    value = "=" + value
                self.assertIn("Couldn't interpret value %s for flag %s." % (value, name), err)

    def test_booleans_may_be_bare(self):
        for flag in "--enable_batching", "--enable_batching=true", "--enable_batching=false":
            s = self.start("--model_name=m", "--model_base_path=" + self.model("m", "1"), flag)
            self.answers(s, "m", 1)
            s.stop()

    def test_the_environment_names_the_model_as_in_the_container(self):
        self.model("model", "4"), self.model("other", "5")
        s = self.start(env={"MODEL_BASE_PATH": self.folder})
        self.answers(s, "model", 4)
        s = self.start(env={"MODEL_BASE_PATH": self.folder, "MODEL_NAME": "other"})
        self.answers(s, "other", 5)


class Start(Own):
    def test_ready_lines(self):
        s = self.one("--grpc_socket_path=" + self.path("s"))
        log = s.log()
        self.assertRegex(log, r"Successfully loaded servable version \{name: m version: 1\}")
        self.assertIn("Running gRPC ModelServer at 0.0.0.0:%d ..." % s.port, log)
        self.assertIn("Running gRPC ModelServer at UNIX socket %s ..." % self.path("s"), log)
        self.assertIn("Exporting HTTP/REST API at:localhost:%d ..." % s.rest_port, log)
        self.assertLess(log.index("Successfully loaded"), log.index("Running gRPC ModelServer"))
        s.wait_for("NET_LOG: Entering the event loop")

    def test_every_address_of_the_machine(self):
        """gRPC takes 0.0.0.0 for IPv6, too."""
        s = self.one()
        with socket.socket(socket.AF_INET6) as probe:
            try:
                probe.bind(("::1", 0))
            except OSError:
                self.skipTest("this machine has no IPv6")
        for address in ("127.0.0.1", "[::1]", "localhost"):
            with grpc.insecure_channel("%s:%d" % (address, s.port)) as channel:
                r = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(text_format.Parse(spec("m") + X, predict_pb2.PredictRequest()), 60)
                self.assertEqual(list(r.outputs["y"].float_val), [3.0])

    def test_one_port_for_both_is_gRPC_s(self):
        port = free_port()
        p = subprocess.Popen([MODEL_SERVER, "--port=%d" % port, "--rest_api_port=%d" % port, "--model_base_path=" + self.model("m", "1")],
                             stderr=subprocess.PIPE, text=True)
        self.addCleanup(p.stderr.close)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        lines = ""
        while "Running gRPC ModelServer" not in lines:
            lines += p.stderr.readline() or self.fail(lines)
        self.assertIn("server_options.http_port cannot be same as grpc_port. Please use a different port for HTTP/REST API. "
                      "Skipped exporting HTTP/REST API.", lines)

    def test_a_port_that_is_taken(self):
        """gRPC's ends it; without REST's it goes on."""
        with socket.socket() as other:
            other.bind(("0.0.0.0", 0))
            other.listen()
            taken, base = other.getsockname()[1], "--model_base_path=" + self.model("m", "1")
            status, out, _ = self.run_to_end("--port=%d" % taken, base)
            self.assertEqual(status, 255)
            self.assertRegex(out, "(?m)^Failed to start server. Error: INVALID_ARGUMENT: Failed to BuildAndStart gRPC server")
            s = Server("--model_name=m", base, "--rest_api_port=%d" % taken, rest=False)
            self.addCleanup(s.__exit__)
            self.answers(s, "m", 1)
            self.assertIn("Failed to start HTTP Server at localhost:%d" % taken, s.log())
            self.assertNotIn("Exporting HTTP/REST API", s.log())
            status, _, err = self.run_to_end("serve", "--port=%d" % free_port(), "--rest_api_port=%d" % taken, base, program=TURNERY)
            self.assertNotEqual(status, 0)
            self.assertIn("Address already in use", err)

    def test_parallelism_of_two_kinds(self):
        self.answers(self.one("--tensorflow_session_parallelism=1", "--tensorflow_intra_op_parallelism=1"), "m", 1)

    def failing(self, wanted, *flags):
        """On both streams: TensorFlow Serving writes the status to one and why to the other."""
        status, out, err = self.run_to_end("--port=%d" % free_port(), *flags)
        self.assertEqual(status, 255, out + err)
        self.assertRegex(out, "(?m)^Failed to start server. Error: .*" + wanted)
        self.assertRegex(err, wanted)

    def test_a_model_that_cannot_be_loaded(self):
        self.failing(r"1 servable\(s\) did not become available: \{\{\{name: m version: 1\} due to error: ", "--model_name=m",
                     "--model_base_path=" + self.broken("m", "1"), "--max_num_load_retries=0")

    def test_tags_that_no_MetaGraph_has(self):
        self.failing(r"NOT_FOUND: .*Could not find meta graph def matching supplied tags: \{ serve gpu \}", "--saved_model_tags=serve,gpu", "--model_name=m",
                     "--model_base_path=" + self.model("m", "1"), "--max_num_load_retries=0")

    def test_a_model_without_signatures(self):
        """It is served, and has nothing to answer."""
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            tf.constant(1.0)
            builder = tf.compat.v1.saved_model.Builder(self.path("m", "1"))
            builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map={})
            builder.save()
        s = self.start("--model_name=m", "--model_base_path=" + self.path("m"))
        self.assertEqual(self.states(s, "m"), {1: "AVAILABLE"})
        self.check_grpc("Predict", spec("m") + X, "FAILED_PRECONDITION", 'Serving signature key "serving_default" not found.', s)
        self.check_rest("POST", "/v1/models/m:predict", '{"instances": [1]}', 400, 'Serving signature name: "serving_default" not found in signature def',
                        server=s)
        self.check_rest("GET", "/v1/models/m/metadata", None, 200, (
            b'{\n"model_spec":{\n "name": "m",\n "signature_name": "",\n "version": "1"\n}\n,\n'
            b'"metadata": {"signature_def": {\n "signature_def": {}\n}\n}\n}\n'), server=s)

    def test_no_model_at_all(self):
        self.failing("Both server_options.model_base_path and server_options.model_config_file are empty!")

    def test_text_protos_that_are_none(self):
        bad, base = self.write("bad", "no such thing"), "--model_base_path=" + self.model("m", "1")
        self.failing("Invalid protobuf file: '%s': Error parsing text-format tensorflow.serving.ModelServerConfig" % bad, "--model_config_file=" + bad)
        self.failing(r"Error parsing text-format tensorflow\.serving\.BatchingParameters", "--enable_batching", "--batching_parameters_file=" + bad, base)
        self.failing(r"Error parsing text-format tensorflow\.serving\.MonitoringConfig", "--monitoring_config_file=" + bad, base,
                     "--rest_api_port=%d" % free_port())
        self.failing(r"Error parsing text-format tensorflow\.serving\.SSLConfig", "--ssl_config_file=" + bad, base)

    def test_files_that_are_not_there(self):
        self.failing(re.escape(self.path("none")), "--model_config_file=" + self.path("none"))

    def test_flags_that_do_not_fit(self):
        base = "--model_base_path=" + self.model("m", "1")
        self.failing("server_options.batching_parameters_file is set without setting server_options.enable_batching to true.",
                     "--batching_parameters_file=" + self.write("b", ""), base)
        self.failing("You cannot configure all", "--tensorflow_session_parallelism=1", "--tensorflow_intra_op_parallelism=1",
                     "--tensorflow_inter_op_parallelism=1", base)

    def test_configurations_that_are_wrong(self):
        self.model("m", "1")
        same = self.config(m="").replace("model_config_list {", "").rstrip("} ") + "} "
        for wanted, text in [
                ("Illegal to list model m multiple times in config list", "model_config_list { %s %s }" % (same, same)),
                (r"Expected model m to have an absolute path or URI; got base_path\(\)=here",
                 'model_config_list { config { name: "m" base_path: "here" model_platform: "tensorflow" } }'),
                ("Illegal setting neither ModelServerConfig::model_type", 'model_config_list { config { name: "m" base_path: "/x" } }'),
                ("Model m requests unsupported platform caffe", 'model_config_list { config { name: "m" base_path: "/x" model_platform: "caffe" } }'),
                ("s3:// is not supported", 'model_config_list { config { name: "m" base_path: "s3://b/m" model_platform: "tensorflow" } }')]:
            with self.subTest(wanted):
                self.failing(wanted, "--model_config_file=" + self.write("c", text))

    def test_no_version_is_waited_for(self):
        os.makedirs(self.path("m", "latest"))
        s = self.start("--model_name=m", "--model_base_path=" + self.path("m"), wait=False)
        s.wait_for(re.escape("No versions of servable m found under base path %s. Did you forget to name your leaf directory as a number (eg. '/1/')?" %
                             self.path("m")))
        self.model("m", "3")
        s.wait_for("Exporting HTTP/REST API")
        self.answers(s, "m", 3)


class Versions(Own):
    def test_paths_of_all_forms(self):
        """As volumes are mounted: links for versions and for the folder; a slash at the end, a URI."""
        self.model("data", "0", "1")
        os.makedirs(self.path("links"))
        os.symlink("../data/1", self.path("links", "1"))
        os.symlink("data", self.path("m"))
        for base in (self.path("links"), self.path("links") + "/", self.path("m"), "file://" + self.path("m")):
            with self.subTest(base), Server("--model_name=m", "--model_base_path=" + base) as s:
                self.answers(s, "m", 1)
        shutil.rmtree(self.path("data", "1"))
        self.answers(self.start("--model_name=m", "--model_base_path=" + self.path("data")), "m", 0)

    def test_leading_zeros_and_others_than_numbers(self):
        for name in ("notes", "1.5", "-3", "5x"):
            os.makedirs(self.path("m", name))
        s = self.one(versions=("00000123", "7"))
        self.answers(s, "m", 123)
        self.assertEqual(self.states(s, "m"), {123: "AVAILABLE"})

    def test_the_old_one_goes_after_the_new_is_there(self):
        s = self.one("--file_system_poll_wait_seconds=1")
        self.model("m", "2")
        self.until(lambda: self.states(s, "m") == {1: "END", 2: "AVAILABLE"})
        self.answers(s, "m", 2)
        self.check_grpc("Predict", spec("m", version=1) + X, "NOT_FOUND", "Servable not found for request: Specific(m, 1)", s)
        _, _, r = self.call("GetModelStatus", spec("m"), s)
        self.assertEqual([v.version for v in r.model_version_status], [2, 1])

    def test_a_version_that_cannot_be_loaded_leaves_the_old_one(self):
        s = self.one("--file_system_poll_wait_seconds=1", "--max_num_load_retries=0")
        self.broken("m", "2")
        self.until(lambda: self.states(s, "m") == {1: "AVAILABLE", 2: "END"})
        _, _, r = self.call("GetModelStatus", spec("m", version=2), s)
        self.assertNotEqual(r.model_version_status[0].status.error_code, 0)
        why = r.model_version_status[0].status
        self.assertNotEqual(why.error_message, "")
        self.check_rest("GET", "/v1/models/m/versions/2", None, 200, (
            '{\n "model_version_status": [\n  {\n   "version": "2",\n   "state": "END",\n   "status": {\n    "error_code": "%s",\n'
            '    "error_message": "%s"\n   }\n  }\n ]\n}\n' % (error_codes_pb2.Code.Name(why.error_code), why.error_message)).encode(), server=s)
        self.answers(s, "m", 1)

    def test_policies(self):
        self.model("all", "1", "2", "3"), self.model("two", "1", "2", "3"), self.model("some", "1", "2", "3")
        s = self.start("--model_config_file=" + self.write("c", self.config(
            all="model_version_policy { all { } }", two="model_version_policy { latest { num_versions: 2 } }",
            some="model_version_policy { specific { versions: 1 versions: 3 } }")))
        for name, wanted in (("all", [1, 2, 3]), ("two", [2, 3]), ("some", [1, 3])):
            self.until(lambda: self.states(s, name) == {v: "AVAILABLE" for v in wanted})

    def test_labels(self):
        self.model("m", "1", "2")
        both = "model_version_policy { all { } } "
        label = 'version_labels { key: "%s" value: %d } '
        s = self.start("--model_config_file=" + self.write("c", self.config(m=both + label % ("stable", 1) + label % ("canary", 2))))
        self.until(lambda: self.states(s, "m") == {1: "AVAILABLE", 2: "AVAILABLE"})
        for name, version in (("stable", 1), ("canary", 2)):
            self.check_grpc("Predict", spec("m", label=name) + X, "OK", outputs(y=tensor("DT_FLOAT", [1], 3)) + spec("m", "serving_default", version), s)
        self.reload(s, self.config(m=both + label % ("stable", 2)))
        self.answers_label(s, "stable", 2)
        self.check_grpc("Predict", spec("m", label="canary") + X, "INVALID_ARGUMENT", "Unrecognized servable version label: canary", s)

    def answers_label(self, s, label, version):
        self.check_grpc("Predict", spec("m", label=label) + X, "OK", outputs(y=tensor("DT_FLOAT", [1], 3)) + spec("m", "serving_default", version), s)


class Deadlines(Table):
    flags = ("--rest_api_timeout_in_ms=200",)

    def test_REST(self):
        status, body, headers = self.server.http("/v1/models/all:predict", '{"signature_name": "slow", "instances": [2000000000]}')
        self.assertEqual((status, headers["Content-Type"]), (504, "application/json"))
        self.assertEqual(body, '{\n    "error": "Timed out waiting for notification"\n}')

    def test_gRPC(self):
        with grpc.insecure_channel(self.server.grpc) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            slow = text_format.Parse(spec("all", "slow") + inputs(n=tensor("DT_INT32", [1], 2000000000)), predict_pb2.PredictRequest())
            with self.assertRaises(grpc.RpcError) as c:
                stub.Predict(slow, 0.2)
            self.assertEqual(c.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        self.check_grpc("Predict", spec("half") + X, "OK", outputs(y=tensor("DT_FLOAT", [1], 3)) + spec("half", "serving_default", 123))


class Reload(Own):
    def setUp(self):
        super().setUp()
        self.model("a", "1"), self.model("b", "1", "2")
        self.server_ = self.start("--model_config_file=" + self.write("c", self.config(a="")), "--max_num_load_retries=0")

    def test_the_list_replaces_the_whole_set(self):
        s = self.server_
        self.reload(s, self.config(b=""))
        self.answers(s, "b", 2)
        self.until(lambda: self.states(s, "a") == {1: "END"})
        self.check_grpc("Predict", spec("a") + X, "NOT_FOUND", "Servable not found for request: Latest(a)", s)
        self.reload(s, self.config(a="", b=""))
        self.answers(s, "a", 1)

    def test_an_empty_list_unloads_all(self):
        self.reload(self.server_, "model_config_list { }")
        self.until(lambda: self.states(self.server_, "a") == {1: "END"})

    def test_what_is_no_list(self):
        wanted = "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently supported"
        self.reload(self.server_, "", "INVALID_ARGUMENT", wanted)
        self.reload(self.server_, "custom_model_config { }", "INVALID_ARGUMENT", wanted)
        self.answers(self.server_, "a", 1)

    def test_lists_that_are_wrong_change_nothing(self):
        twice = 'config { name: "a" base_path: "/x" model_platform: "tensorflow" } '
        self.reload(self.server_, "model_config_list { %s }" % (2 * twice), "INVALID_ARGUMENT", "Illegal to list model a multiple times in config list")
        self.reload(self.server_, "model_config_list { %s }" % twice.replace('"tensorflow"', '"caffe"'), "INVALID_ARGUMENT",
                    "Illegal to change a model's platform. For model a platform was tensorflow and new platform requested is caffe")
        self.answers(self.server_, "a", 1)

    def test_a_label_of_a_version_that_is_not_there(self):
        self.reload(self.server_, self.config(a='version_labels { key: "l" value: 2 }'), "FAILED_PRECONDITION",
                    "Request to assign label to version 2 of model a, which is not currently available for inference")

    def test_a_model_that_does_not_become_available(self):
        self.broken("broken", "2")
        self.reload(self.server_, self.config(a="", broken=""), "UNKNOWN",
                    re.compile(r"^1 model\(s\) did not become available: \{\{\{name: broken version: 2\} due to error: .*\}, \}$"))
        self.answers(self.server_, "a", 1)

    def test_it_returns_when_the_models_are_ready(self):
        for i in range(5):
            self.reload(self.server_, self.config(b=""))
            self.answers(self.server_, "b", 2)
            self.reload(self.server_, self.config(a=""))
            self.answers(self.server_, "a", 1)

    NOWHERE = 'model_config_list { config { name: "no" base_path: "/nowhere/at/all" model_platform: "tensorflow" } '

    def test_a_model_that_never_comes_keeps_the_next_list_from_nobody(self):
        r = model_management_pb2.ReloadConfigRequest()
        text_format.Parse(self.NOWHERE + "}", r.config)
        for stub in (0.5, None):
            with grpc.insecure_channel(self.server_.grpc) as channel:
                call = model_service_pb2_grpc.ModelServiceStub(channel).HandleReloadConfigRequest.future(r, stub)
                self.server_.wait_for("Could not find base path /nowhere/at/all")
                if stub is None:
                    call.cancel()
                with self.assertRaises((grpc.RpcError, grpc.FutureCancelledError)):
                    call.result()
            self.reload(self.server_, self.config(b=""))
            self.answers(self.server_, "b", 2)
            self.reload(self.server_, self.config(a=""))

    def test_nor_does_it_when_a_file_has_it(self):
        for how in "poll", "hang up", "hang up at start":
            conf = self.write("d", self.NOWHERE + "}" if "start" in how else self.config(a=""))
            s = self.start("--model_config_file=" + conf, *(["--model_config_file_poll_wait_seconds=1"] if how == "poll" else []), wait="start" not in how)
            for text in self.NOWHERE + "}", self.config(b=""):
                self.write("d", text)
                if how != "poll":
                    s.wait_for("servable")
                    s.process.send_signal(signal.SIGHUP)
                s.wait_for("Could not find base path /nowhere/at/all")
            s.wait_for("Exporting HTTP")
            self.until(lambda: self.states(s, "b") == {2: "AVAILABLE"})
            self.assertEqual(s.stop(), 0)

    def test_a_file_that_was_refused_is_tried_again(self):
        every = "model_version_policy { all { } } "
        s = self.start("--model_config_file=" + self.write("d", self.config(b=every)), "--model_config_file_poll_wait_seconds=1")
        self.write("d", self.config(b=every + "version_labels { key: 'new' value: 3 }"))
        s.wait_for("Request to assign label to version 3 of model b, which is not currently available for inference")
        self.model("b", "3")
        self.until(lambda: self.call("Predict", spec("b", label="new") + X, s)[0] == "OK")

    def test_a_server_whose_models_never_come_can_be_stopped(self):
        s = self.start("--model_config_file=" + self.write("d", self.NOWHERE + "}"), wait=False)
        s.wait_for("Could not find base path")
        s.process.send_signal(signal.SIGHUP)
        s.wait_for("SIGHUP")
        self.assertEqual(s.stop(), 0)

    def test_metrics_asked_for(self):
        r = model_management_pb2.ReloadConfigRequest()
        text_format.Parse(self.config(a=""), r.config)
        r.metric_names.append("/tensorflow/serving/request_count")
        code, message, _ = self.call("HandleReloadConfigRequest", r, self.server_)
        self.assertEqual(code, "OK", message)

    def test_the_file_is_read_again(self):
        conf = self.write("d", self.config(a=""))
        s = self.start("--model_config_file=" + conf, "--model_config_file_poll_wait_seconds=1")
        self.write("d", self.config(b=""))
        self.until(lambda: self.states(s, "b") == {2: "AVAILABLE"})


class Batching(Own):
    def batching(self, text):
        return self.one("--enable_batching", "--batching_parameters_file=" + self.write("b", text))

    def test_too_large(self):
        s = self.batching("max_batch_size { value: 64 }")
        self.check_grpc("Predict", spec("m") + inputs(x=floats(*[1] * 65)), "INVALID_ARGUMENT", "Task size 65 is larger than maximum input batch size 64", s)
        self.check_rest("POST", "/v1/models/m:predict", '{"instances": [%s]}' % ", ".join(["1.0"] * 65), 400,
                        "Task size 65 is larger than maximum input batch size 64", server=s)

    def test_different_shapes(self):
        s = self.batching("max_batch_size { value: 2 } batch_timeout_micros { value: 3000000 } num_batch_threads { value: 1 }")
        got = together(2, lambda i: self.call("Predict", spec("m") + inputs(x=tensor("DT_FLOAT", [1, i + 1], 1)), s))
        for code, message, _ in got:
            self.assertEqual((code, message), (
                "FAILED_PRECONDITION", "Tensors with name 'x:0' from different tasks have different shapes and padding is turned off. Set "
                "pad_variable_length_inputs to true, or ensure that all tensors with the same name have equal dimensions starting with the first dim."))

    def test_padding(self):
        s = self.batching("max_batch_size { value: 2 } batch_timeout_micros { value: 3000000 } num_batch_threads { value: 1 } "
                          "pad_variable_length_inputs: true")
        got = together(2, lambda i: self.call("Predict", spec("m") + inputs(x=tensor("DT_FLOAT", [1, i + 1], *[2] * (i + 1))), s))
        self.assertEqual([c for c, _, _ in got], ["OK", "OK"], got)
        self.assertEqual([len(r.outputs["y"].float_val) for _, _, r in got], [2, 2])

    def test_a_full_queue(self):
        """One batch runs, one waits: there is no room for more."""
        b = self.write("b", "max_batch_size { value: 1 } max_enqueued_batches { value: 1 } num_batch_threads { value: 1 }")
        s = self.start("--model_config_file=" + self.write("c", 'model_config_list { config { name: "all" base_path: "%s" model_platform: "tensorflow" } }' %
                                                           world.path("all")), "--enable_batching", "--batching_parameters_file=" + b)
        slow = spec("all", "slow") + inputs(n=tensor("DT_INT32", [1], 20000))
        got = together(8, lambda i: self.call("Predict", slow, s)[:2])
        self.assertIn(("OK", ""), got)
        full = [m for c, m in got if c == "UNAVAILABLE"]
        self.assertGreater(len(full), 0, got)
        for m in full:
            self.assertTrue(m.startswith("The batch scheduling queue to which this task was submitted is full"), m)

    def test_too_late_in_the_queue(self):
        b = self.write("b", "max_batch_size { value: 2 } batch_timeout_micros { value: 300000 } num_batch_threads { value: 1 }")
        s = self.one("--enable_batching", "--batching_parameters_file=" + b, "--rest_api_timeout_in_ms=50")
        self.check_rest("POST", "/v1/models/m:predict", '{"instances": [1.0]}', 429, "Run() timeout exceeded while waiting in batching queue", server=s)

    def test_scalars(self):
        s = self.batching("")
        self.check_grpc("Predict", spec("m") + inputs(x="dtype: DT_FLOAT tensor_shape { } float_val: 1"), "INVALID_ARGUMENT",
                        "Batching Run() input tensors must have at least one dimension", s)

    def test_parameters_that_are_wrong(self):
        for text, wanted in [("allowed_batch_sizes: 4 allowed_batch_sizes: 2", "allowed_batch_sizes entries must be monotonically increasing"),
                             ("max_batch_size { value: 8 } allowed_batch_sizes: 4", "Last entry in allowed_batch_sizes must match max_batch_size")]:
            status, out, err = self.run_to_end("--port=%d" % free_port(), "--model_base_path=" + self.model("m", "1"),
                                               "--enable_batching", "--max_num_load_retries=0", "--batching_parameters_file=" + self.write("b", text))
            self.assertEqual(status, 255)
            self.assertIn(wanted, out)


class WarmUp(Own):
    def records(self, name, *records, version="1"):
        os.makedirs(self.path(name, version, "assets.extra"))
        with tf.io.TFRecordWriter(self.path(name, version, "assets.extra", "tf_serving_warmup_requests")) as w:
            for r in records:
                w.write(r if isinstance(r, bytes) else text_format.Parse(r, prediction_log_pb2.PredictionLog()).SerializeToString())

    def run_with(self, *records, flags=()):
        self.model("m", "1")
        self.records("m", *records)
        s = self.start("--model_name=m", "--model_base_path=" + self.path("m"), "--max_num_load_retries=0", *flags, wait=False)
        s.process.wait(60) if not flags and self.fails else s.wait_for("Exporting")
        return s

    fails = False
    PREDICT = "predict_log { request { %s } }" % (spec("m") + X)
    CLASSIFY = "classify_log { request { %s input { example_list { %s } } } }" % (spec("m", "classify_x_to_y"), EXAMPLE)
    REGRESS = "regress_log { request { %s input { example_list { %s } } } }" % (spec("m", "regress_x_to_y"), EXAMPLE)
    MULTI = ('multi_inference_log { request { tasks { %s method_name: "tensorflow/serving/regress" } input { example_list { %s } } } }' %
             (spec("m", "regress_x_to_y"), EXAMPLE))

    def test_all_kinds(self):
        s = self.run_with(self.PREDICT, self.CLASSIFY, self.REGRESS, self.MULTI)
        self.assertRegex(s.log(), r"Number of warmup records read: 4\.")
        self.answers(s, "m", 1)

    def test_another_name_in_the_record_is_no_matter(self):
        self.run_with(self.PREDICT.replace('"m"', '"another"'))

    def test_one_that_fails_fails_the_load(self):
        self.fails = True
        for wanted, record in [
                ("Expects arg\\[0\\] to be float but double is provided",
                 "predict_log { request { %s } }" % (spec("m") + inputs(x=tensor("DT_DOUBLE", [1], 1)))),
                ('Serving signature key "s" not found', "predict_log { request { %s } }" % (spec("m", "s") + X)),
                ("Unsupported log_type for warmup", "session_run_log { }"), ("Failed to parse warmup record", b"\xff\xff\xff")]:
            with self.subTest(wanted):
                s = self.run_with(self.PREDICT, record)
                self.assertEqual(s.process.returncode, 255)
                self.assertRegex(s.log(), wanted)
            shutil.rmtree(self.path("m"))

    def test_the_status_says_why(self):
        """As protobuf's JSON has it: "<" and ">" are escaped."""
        s = self.one("--file_system_poll_wait_seconds=1", "--max_num_load_retries=0")
        self.model("m", "new")
        self.records("m", self.CLASSIFY.replace('"x"', '"z"'), version="new")
        os.rename(self.path("m", "new"), self.path("m", "2"))
        self.until(lambda: self.states(s, "m") == {1: "AVAILABLE", 2: "END"})
        self.check_rest("GET", "/v1/models/m/versions/2", None, 200, re.compile(
            r'"error_code": "INVALID_ARGUMENT",\n    "error_message": "Name: \\u003cunknown\\u003e, Feature: x \(data type: float\) is required'), server=s)

    def test_a_model_with_state_is_left_as_it_is(self):
        class Counter(tf.Module):
            def __init__(self):
                self.n = tf.Variable(0.0)

            @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
            def count(self, x):
                return {"y": x + self.n.assign_add(1.0)}

        counter = Counter()
        tf.saved_model.save(counter, self.path("counter", "1"), signatures=counter.count)
        s = self.start("--model_name=m", "--model_base_path=" + self.path("counter"))
        for y in 1, 2:
            self.check_grpc("Predict", spec("m") + inputs(x=floats(0)), "OK", outputs(y=floats(y)) + spec("m", "serving_default", 1), s)

    def test_too_many(self):
        self.fails = True
        s = self.run_with(*[self.PREDICT] * 1001)
        self.assertIn("Number of warmup records exceeds the maximum (1000) at", s.log())

    def test_not_when_it_is_off(self):
        self.run_with("session_run_log { }", flags=["--enable_model_warmup=false"])


class Monitoring(Own):
    def page(self, s, path="/monitoring/prometheus/metrics"):
        status, body, headers = s.http(path)
        self.assertEqual((status, headers["Content-Type"]), (200, "text/plain"))
        return body

    def asked(self, *flags, config="prometheus_config { enable: true }"):
        s = self.one("--monitoring_config_file=" + self.write("p", config), *flags)
        self.answers(s, "m", 1)
        s.http("/v1/models/m:predict", '{"instances": [1.0]}')
        s.http("/v1/models/m:predict", '{"instances": ["a"]}')
        for path in "", "/metadata", "/versions/9":
            s.http("/v1/models/m" + path)
        self.check_grpc("Classify", spec("m", "classify_x_to_y") + "input { example_list { %s %s } }" % (EXAMPLE, EXAMPLE), "OK", lambda *_: None, s)
        return s

    def test_names_and_labels(self):
        page = self.page(self.asked())
        for line in ('# TYPE :tensorflow:serving:request_count counter', '# TYPE :tensorflow:serving:request_latency histogram',
                     '# TYPE :tensorflow:serving:runtime_latency histogram', ':tensorflow:serving:request_count{model_name="m",status="OK"} 3',
                     ':tensorflow:serving:request_count{model_name="m",status="INVALID_ARGUMENT"} 1',
                     ':tensorflow:serving:request_latency_count{model_name="m",API="Predict",entrypoint="GRPC"} 1',
                     ':tensorflow:serving:request_latency_count{model_name="m",API="predict",entrypoint="REST"} 1',
                     ':tensorflow:serving:request_latency_bucket{model_name="m",API="Predict",entrypoint="GRPC",le="+Inf"} 1',
                     ':tensorflow:serving:request_latency_count{model_name="m",API="",entrypoint="REST"} 2',  # what was asked about it
                     ':tensorflow:serving:runtime_latency_count{model_name="m",API="Predict",runtime="TF1"} 2',
                     ':tensorflow:serving:runtime_latency_count{model_name="m",API="Classify",runtime="TF1"} 1',
                     ':tensorflow:serving:request_example_count_total{model="m"} 2', ':tensorflow:serving:request_example_counts_count{model="m"} 1',
                     ":tensorflow:cc:saved_model:load_attempt_count", ":tensorflow:core:graph_runs"):
            with self.subTest(line):
                self.assertRegex(page, "(?m)^" + re.escape(line) + (r"\b" if line[-1].isalnum() else ""))

    def test_histograms_are_whole(self):
        page = self.page(self.asked())
        buckets = re.findall(r'(?m)^:tensorflow:serving:request_latency_bucket\{model_name="m",API="Predict",entrypoint="GRPC",le="(.*)"\} (\d+)$', page)
        self.assertEqual(len(buckets), 34)
        self.assertEqual([b for b, _ in buckets[:3]] + [buckets[-1][0]], ["10", "18", "32.4", "+Inf"])
        counts = [int(n) for _, n in buckets]
        self.assertEqual(counts, sorted(counts))
        self.assertRegex(page, r'(?m)^:tensorflow:serving:request_latency_sum\{model_name="m",API="Predict",entrypoint="GRPC"\} \d')
        self.assertNotIn("# HELP", page)

    def test_every_line_has_the_form(self):
        for line in self.page(self.asked("--enable_batching")).splitlines():
            self.assertRegex(line, r'^(# TYPE [a-zA-Z_:][\w:]* (counter|gauge|histogram)|[a-zA-Z_:][\w:]*(\{([a-zA-Z_]\w*="([^"\\]|\\.)*",?)*\})? \S+|)$')

    def test_batching(self):
        page = self.page(self.asked("--enable_batching"))
        for name in ("queuing_latency", "input_batch_size", "processed_batch_size", "padding_size", "wrapped_run_count"):
            self.assertIn("# TYPE :tensorflow:serving:batching_session:%s " % name, page)
        for line in ('queuing_latency_bucket{thread_pool_name="model_server_batch_threads",le="120"}', 'input_batch_size_bucket{le="16"}',
                     'processed_batch_size_bucket{le="+Inf"}', 'padding_size_bucket{execution_batch_size="1",le="1"}', "wrapped_run_count{}"):
            self.assertIn(":tensorflow:serving:batching_session:%s " % line, page)

    def test_the_key_of_ML_metadata(self):
        os.makedirs(os.path.join(self.model("m", "1"), "1", "assets.extra"))
        self.write("m/1/assets.extra/mlmd_uuid", "a key")
        self.assertIn('# TYPE :tensorflow:serving:mlmd_map gauge\n:tensorflow:serving:mlmd_map{model_name="m",version="1"} 0\n', self.page(self.asked()))

    def test_another_path(self):
        s = self.asked(config='prometheus_config { enable: true path: "/metrics" }')
        self.assertIn(":tensorflow:serving:request_count", self.page(s, "/metrics"))
        self.assertEqual(s.http("/monitoring/prometheus/metrics")[0], 404)

    def test_off(self):
        self.assertEqual(self.one().http("/monitoring/prometheus/metrics")[0], 404)
        s = self.start("--model_name=m", "--model_base_path=" + self.path("m"), "--monitoring_config_file=" + self.write("p", ""))
        self.assertEqual(s.http("/monitoring/prometheus/metrics")[0], 404)


if __name__ == "__main__":
    unittest.main()
