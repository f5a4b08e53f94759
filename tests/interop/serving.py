# SPDX-License-Identifier: Apache-2.0
"""A server of ours for the tests that ask it with the packages of TensorFlow Serving: started, waited for, stopped."""
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
TURNERY = os.environ.get("TURNERY", os.path.join(ROOT, "build", "turnery"))
MODEL_SERVER = os.path.join(os.path.dirname(TURNERY), "tensorflow_model_server")
MODELS = os.path.join(ROOT, "tests", "golden", "models")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """with Server("--model_name=m", ...) as s: s.grpc and s.rest are addresses; s.log() what it has said."""

    def __init__(self, *flags, program=(MODEL_SERVER,), rest=True, wait=True, env=None):
        self.port, self.rest_port = free_port(), free_port()
        self.grpc = "127.0.0.1:%d" % self.port
        self.rest = "http://127.0.0.1:%d" % self.rest_port
        argv = [*program, "--port=%d" % self.port, *(["--rest_api_port=%d" % self.rest_port] if rest else []), *flags]
        self.file = tempfile.NamedTemporaryFile("w+", suffix=".log", delete=False)
        self.process = subprocess.Popen(argv, stdout=self.file, stderr=subprocess.STDOUT, env=dict(os.environ, **(env or {})))
        self.lines = "Exporting HTTP/REST API at:localhost:%d" % self.rest_port if rest else "Running gRPC ModelServer"
        if wait:
            self.wait_for(self.lines)

    def log(self):
        with open(self.file.name, errors="replace") as f:
            return f.read()

    def wait_for(self, text, seconds=60):
        end = time.time() + seconds
        while time.time() < end:
            if re.search(text, self.log()):
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise AssertionError("the server did not say %r:\n%s" % (text, self.log()))

    def stop(self, sig=signal.SIGTERM):
        """The exit status."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("the server did not stop:\n" + self.log())

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()
        self.file.close()
        os.unlink(self.file.name)

    def http(self, path, body=None, method=None, headers=None):
        """(status, body, headers)"""
        data = body.encode() if isinstance(body, str) else body
        r = urllib.request.Request(self.rest + path, data, headers or {}, method=method)
        try:
            with urllib.request.urlopen(r, timeout=60) as answer:
                return answer.status, answer.read().decode(errors="replace"), answer.headers
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode(), e.headers


def together(n, what):
    """what(i) in n threads; results in order."""
    out, threads = [None] * n, []

    def one(i):
        out[i] = what(i)
    for i in range(n):
        threads.append(threading.Thread(target=one, args=(i,)))
        threads[-1].start()
    for t in threads:
        t.join()
    return out
