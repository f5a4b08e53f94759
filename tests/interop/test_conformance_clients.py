# SPDX-License-Identifier: Apache-2.0
"""Clients as they are out there: other languages' gRPC, with frames, fields and headers in every legal form; probes; and HTTP as it
is written by hand, by old libraries and by proxies."""
import gzip
import json
import os
import socket
import struct
import subprocess
import shutil
import time
import unittest
import zlib

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from conformance import TURNERY_SERVE, Table, inputs, spec, tensor, world
from serving import Server, together

X = inputs(x=tensor("DT_FLOAT", [1], 2))
PREDICT = "/tensorflow.serving.PredictionService/Predict"
LIMITS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]


def request(text=spec("half") + X):
    return text_format.Parse(text, predict_pb2.PredictRequest())


# ==== protobuf by hand ====


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    """A varint, or what has a length."""
    return varint(number << 3) + varint(value) if isinstance(value, int) else varint(number << 3 | 2) + varint(len(value)) + value


class Messages(Table):
    """The same request, written as other writers of protobuf write it."""

    def answers(self, message, y=3.0, code="OK"):
        with grpc.insecure_channel(self.server.grpc) as channel:
            try:
                r = predict_pb2.PredictResponse.FromString(channel.unary_unary(PREDICT)(message, timeout=60))
            except grpc.RpcError as e:
                self.assertEqual(e.code().name, code, e.details())
                return
        self.assertEqual((code, list(r.outputs["y"].float_val), r.model_spec.version.value), ("OK", [y], 123))

    SPEC = field(1, b"half")
    SHAPE = field(2, field(2, field(1, 1)))
    TENSOR = field(1, 1) + SHAPE + field(5, struct.pack("<f", 2))

    def whole(self, tensor=TENSOR, model=SPEC, entry=None):
        return field(1, model) + field(2, entry or field(1, b"x") + field(2, tensor))

    def test_in_order(self):
        self.answers(self.whole())

    def test_the_model_last(self):
        self.answers(field(2, field(1, b"x") + field(2, self.TENSOR)) + field(1, self.SPEC))

    def test_the_value_before_its_key(self):
        self.answers(self.whole(entry=field(2, self.TENSOR) + field(1, b"x")))

    def test_a_tensor_in_any_order(self):
        self.answers(self.whole(field(5, struct.pack("<f", 2)) + self.SHAPE + field(1, 1)))

    def test_values_that_are_not_packed(self):
        self.answers(self.whole(field(1, 1) + self.SHAPE + varint(5 << 3 | 5) + struct.pack("<f", 2)))

    def test_messages_in_pieces_are_merged(self):
        self.answers(field(1, field(3, b"no such signature")) + field(1, field(3, b"serving_default") + self.SPEC) +
                     field(2, field(1, b"x") + field(2, field(1, 1)) + field(2, self.SHAPE) + field(2, field(5, struct.pack("<f", 2)))))

    def test_the_last_of_a_key_counts(self):
        self.answers(self.whole(field(1, 2)) + field(2, field(1, b"x") + field(2, self.TENSOR)))

    def test_the_last_of_a_choice_counts(self):
        self.answers(self.whole(model=self.SPEC + field(2, field(1, 99)) + field(4, b"no such label") + field(2, field(1, 123))))

    def test_fields_nobody_knows(self):
        unknown = (field(100, b"abc") + field(101, 7) + varint(102 << 3 | 1) + b"12345678" + varint(103 << 3 | 5) + b"1234" +
                   varint(104 << 3 | 3) + field(1, 1) + varint(104 << 3 | 4))
        self.answers(unknown + self.whole(self.TENSOR + unknown, self.SPEC + unknown, field(1, b"x") + unknown + field(2, self.TENSOR)) + unknown)

    def test_fields_of_newer_versions(self):
        self.answers(self.whole() + field(5, field(1, 0)) + field(6, b"client") + field(7, field(1, 1)))

    def test_content_and_values(self):
        self.answers(self.whole(field(1, 1) + self.SHAPE + field(4, struct.pack("<f", 4))), 4.0)

    def test_long_varints(self):
        self.answers(self.whole(b"\x08\x81\x80\x80\x00" + self.SHAPE + field(5, struct.pack("<f", 2))))

    def test_dimensions_with_names(self):
        self.answers(self.whole(field(1, 1) + field(2, field(2, field(2, b"batch") + field(1, 1)) + field(3, 0)) + field(5, struct.pack("<f", 2))))

    def test_what_is_cut(self):
        message = self.whole()
        for n in (1, 5, len(message) // 2, len(message) - 1):
            self.answers(message[:n], code="INTERNAL")

    def test_nothing(self):
        self.answers(b"", code="INVALID_ARGUMENT")


# ==== HTTP/2 by hand ====


class Http2:
    """A connection that writes frames as it is told, and collects the messages of each stream."""

    def __init__(self, address, settings=b"", window=None):
        host, port = address.split(":")
        self.socket = socket.create_connection((host, int(port)), 30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data, self.ended, self.others, self.stream = {}, set(), [], -1
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.frame(4, 0, 0, settings)
        if window:
            self.frame(8, 0, 0, struct.pack(">I", window))

    def frame(self, kind, flags, stream, payload=b""):
        self.socket.sendall(struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload)

    def headers(self, stream, fields, flags=4, before=b"", split=0):
        """Literals without indexing, names in plain."""
        block = b"".join(b"\0" + bytes([len(k)]) + k.encode() + varint_of_7(len(v)) + v.encode() for k, v in fields)
        if split:
            self.frame(1, flags & ~4, stream, before + block[:split])
            while len(block) > 2 * split:
                block = block[split:]
                self.frame(9, 0, stream, block[:split])
            self.frame(9, 4, stream, block[split:])
        else:
            self.frame(1, flags, stream, before + block)

    def call(self, message, *extra, path=PREDICT, data=None, content="application/grpc", **kw):
        """Asks; data(stream, bytes) writes the body, else one DATA frame does."""
        self.stream += 2
        body = b"\0" + struct.pack(">I", len(message)) + message
        self.headers(self.stream, [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"), ("te", "trailers"),
                                   ("content-type", content), *extra], **kw)
        if data:
            data(self.stream, body)
        else:
            self.frame(0, 1, self.stream, body)
        return self.stream

    def read(self, n):
        out = b""
        while len(out) < n:
            got = self.socket.recv(n - len(out))
            if not got:
                raise EOFError
            out += got
        return out

    def step(self):
        head = self.read(9)
        kind, flags, stream = head[3], head[4], struct.unpack(">I", head[5:])[0]
        payload = self.read(int.from_bytes(head[:3], "big"))
        if kind == 0:
            self.data[stream] = self.data.get(stream, b"") + payload
            if payload:
                for s in (0, stream):
                    self.frame(8, 0, s, struct.pack(">I", len(payload)))
        elif kind == 4 and not flags & 1:
            self.frame(4, 1, 0)
        elif kind == 6 and not flags & 1:
            self.frame(6, 1, 0, payload)
        else:
            self.others.append((kind, flags, stream, payload))
        if kind in (0, 1) and flags & 1 or kind == 3:
            self.ended.add(stream)

    def message(self, stream):
        while stream not in self.ended:
            self.step()
        body = self.data.get(stream, b"")
        return body[5:] if body else None

    def close(self):
        self.socket.close()


def varint_of_7(n):
    return bytes([n]) if n < 127 else bytes([127]) + varint(n - 127)


class Frames(Table):
    def connect(self, *args, **kw):
        c = Http2(self.server.grpc, *args, **kw)
        self.addCleanup(c.close)
        return c

    def right(self, c, stream, y=3.0, n=1):
        m = c.message(stream)
        self.assertIsNotNone(m, c.others)
        r = predict_pb2.PredictResponse.FromString(m)
        self.assertEqual((len(r.outputs["y"].float_val), r.outputs["y"].float_val[0]), (n, y))

    MESSAGE = request().SerializeToString()

    def test_as_Java_does(self):
        """Settings and windows first, a priority, a deadline in microseconds, pings while it waits."""
        c = self.connect(struct.pack(">HIHIHI", 2, 0, 3, 0, 4, 1048576), 983041)
        s = c.call(self.MESSAGE, ("user-agent", "grpc-java-netty/1.60.0"), ("grpc-accept-encoding", "gzip"), ("grpc-timeout", "59999999u"),
                   before=b"\x80\0\0\0\x0f", flags=0x24)
        c.frame(6, 0, 0, b"\0\0\0\0\0\0\x04\xd2")
        self.right(c, s)
        while not any(kind == 6 and payload == b"\0\0\0\0\0\0\x04\xd2" for kind, _, _, payload in c.others):
            c.step()

    def test_as_Go_does(self):
        """The message in many small frames, its end in an empty one."""
        c = self.connect()

        def data(stream, body):
            for i in range(0, len(body), 7):
                c.frame(0, 0, stream, body[i:i + 7])
            c.frame(0, 1, stream)
        for timeout in ("99999999u", "30S", "1H", "99999999m", "5M"):
            self.right(c, c.call(self.MESSAGE, ("user-agent", "grpc-go/1.60.0"), ("grpc-timeout", timeout), data=data))

    def test_headers_in_pieces(self):
        c = self.connect()
        self.right(c, c.call(self.MESSAGE, ("x-long", "v" * 3000), split=1000))

    def test_padding(self):
        c = self.connect()
        c.stream += 2
        block = b"".join(b"\0" + bytes([len(k)]) + k.encode() + varint_of_7(len(v)) + v.encode() for k, v in [
            (":method", "POST"), (":scheme", "http"), (":path", PREDICT), (":authority", "a"), ("te", "trailers"), ("content-type", "application/grpc")])
        c.frame(1, 0x0c, c.stream, b"\x05" + block + b"\0" * 5)
        c.frame(0, 0x09, c.stream, b"\x09\0" + struct.pack(">I", len(self.MESSAGE)) + self.MESSAGE + b"\0" * 9)
        self.right(c, c.stream)

    def test_other_content_types_of_gRPC(self):
        c = self.connect()
        for content in ("application/grpc+proto", "application/grpc;charset=utf-8"):
            self.right(c, c.call(self.MESSAGE, content=content))

    def test_metadata_of_all_kinds(self):
        c = self.connect()
        self.right(c, c.call(self.MESSAGE, ("x-request-id", "1"), ("trace-bin", "AAEC"), ("x-request-id", "2"), ("authorization", "Bearer x"),
                             ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")))

    def test_a_small_window_and_a_large_answer(self):
        c = self.connect(struct.pack(">HI", 4, 100))
        many = request(spec("half") + inputs(x="dtype: DT_FLOAT tensor_shape { dim { size: 20000 } } float_val: 2")).SerializeToString()
        self.right(c, c.call(many), n=20000)

    def test_a_hundred_calls_without_waiting(self):
        c = self.connect()
        streams = [c.call(request(spec("half") + inputs(x=tensor("DT_FLOAT", [1], i))).SerializeToString()) for i in range(100)]
        for i, s in reversed(list(enumerate(streams))):
            self.right(c, s, i / 2 + 2)

    def test_a_stream_that_is_given_up(self):
        c = self.connect()
        s = c.call(self.MESSAGE, data=lambda stream, body: c.frame(3, 0, stream, struct.pack(">I", 8)))
        self.right(c, c.call(self.MESSAGE))
        self.assertNotIn(s, c.data)

    def test_frames_nobody_knows(self):
        c = self.connect(struct.pack(">HI", 0xff, 7))
        c.frame(0xee, 0xff, 0, b"what")
        self.right(c, c.call(self.MESSAGE))

    def test_compressed_messages(self):
        c = self.connect()

        def flagged(how):
            def data(stream, body):
                packed = how(self.MESSAGE)
                c.frame(0, 1, stream, b"\1" + struct.pack(">I", len(packed)) + packed)
            return data
        self.right(c, c.call(self.MESSAGE, ("grpc-encoding", "gzip"), data=flagged(gzip.compress)))
        self.right(c, c.call(self.MESSAGE, ("grpc-encoding", "deflate"), data=flagged(zlib.compress)))
        self.right(c, c.call(self.MESSAGE, ("grpc-encoding", "gzip")))  # said to be possible, and not done
        self.right(c, c.call(self.MESSAGE, ("grpc-encoding", "identity")))
        for encoding, how in (("snappy", bytes), ("gzip", bytes), ("identity", bytes)):
            self.assertIsNone(c.message(c.call(self.MESSAGE, ("grpc-encoding", encoding), data=flagged(how))))
        self.right(c, c.call(self.MESSAGE))


class Channels(Table):
    def test_many_channels(self):
        def one(i):
            with grpc.insecure_channel(self.server.grpc, LIMITS) as channel:
                stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
                r = request(spec("half") + inputs(x=tensor("DT_FLOAT", [1], i)))
                futures = [stub.Predict.future(r, 60) for _ in range(20)]
                return [f.result().outputs["y"].float_val[0] for f in futures]
        for i, got in enumerate(together(24, one)):
            self.assertEqual(got, [i / 2 + 2] * 20)

    def test_keepalive(self):
        with grpc.insecure_channel(self.server.grpc, [("grpc.keepalive_time_ms", 10000), ("grpc.keepalive_permit_without_calls", 1), *LIMITS]) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            self.assertEqual(stub.Predict(request(), 60).outputs["y"].float_val[0], 3.0)

    def test_wait_for_ready_and_metadata(self):
        with grpc.insecure_channel(self.server.grpc) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            r, call = stub.Predict.with_call(request(), timeout=60, wait_for_ready=True, metadata=[("x-user", "me"), ("data-bin", b"\0\xff")],
                                             compression=grpc.Compression.Deflate)
            self.assertEqual((r.outputs["y"].float_val[0], call.code()), (3.0, grpc.StatusCode.OK))

    def test_the_message_limit_is_the_client_s(self):
        with grpc.insecure_channel(self.server.grpc, [("grpc.max_receive_message_length", 1000)]) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            with self.assertRaises(grpc.RpcError) as c:
                stub.Predict(request(spec("half") + inputs(x="dtype: DT_FLOAT tensor_shape { dim { size: 10000 } } float_val: 2")), 60)
            self.assertEqual(c.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
            self.assertEqual(stub.Predict(request(), 60).outputs["y"].float_val[0], 3.0)

    def test_sixty_megabytes_there_and_back(self):
        x = np.random.default_rng(1).random(15 << 20, np.float32)
        r = request(spec("half"))
        r.inputs["x"].CopyFrom(tf.make_tensor_proto(x))
        with grpc.insecure_channel(self.server.grpc, LIMITS) as channel:
            got = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(r, 120)
        np.testing.assert_allclose(tf.make_ndarray(got.outputs["y"]), x / 2 + 2, rtol=1e-6)


class Probes(Table):
    """grpc_health_probe, and those of turnery serve."""

    def check(self, service, server=None):
        with grpc.insecure_channel((server or self.server).grpc) as channel:
            try:
                got = channel.unary_unary("/grpc.health.v1.Health/Check")(field(1, service) if service else b"", timeout=60)
                return "OK", got
            except grpc.RpcError as e:
                return e.code().name, b""

    def test_health(self):
        for service in (b"", b"tensorflow.serving.PredictionService", b"tensorflow.serving.ModelService"):
            self.assertEqual(self.check(service), ("OK", b"\x08\x01"))
        self.assertEqual(self.check(b"something.Else")[0], "NOT_FOUND")

    def test_health_is_off_without_its_flag(self):
        with Server("--model_name=half", "--model_base_path=" + world.path("half")) as s:
            self.assertEqual(self.check(b"", s)[0], "UNIMPLEMENTED")

    def test_watch(self):
        with grpc.insecure_channel(self.server.grpc) as channel:
            stream = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=60)
            self.assertEqual(next(stream), b"\x08\x01")
            stream.cancel()

    def test_source_B_s_readiness_check(self):
        code, message, _ = self.call("Predict", spec("a bogus model"))
        self.assertEqual(code, "NOT_FOUND")
        self.assertIn("Servable", message)


# ==== HTTP/1 by hand ====

BODY = b'{"instances": [1.0]}'
ANSWER = b'{\n    "predictions": [2.5\n    ]\n}'


def post(body=BODY, *lines, path=b"/v1/models/half:predict", version=b"HTTP/1.1", length=True):
    head = [b"POST " + path + b" " + version, b"Host: a", *lines, *([b"Content-Length: %d" % len(body)] if length else [])]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def chunked(*chunks, trailer=b""):
    return b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\n" + trailer + b"\r\n"


class Http(Table):
    def connect(self):
        host, port = self.server.rest[7:].split(":")
        s = socket.create_connection((host, int(port)), 30)
        self.addCleanup(s.close)
        return s

    def answer(self, s):
        """One answer by its length: (status, headers, body)."""
        got = b""
        while b"\r\n\r\n" not in got:
            more = s.recv(65536)
            self.assertTrue(more, got)
            got += more
        head, body = got.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        n = int(headers.get("content-length", 0))
        while len(body) < n:
            body += s.recv(65536)
        self.rest = body[n:]
        return int(lines[0].split()[1]), headers, body[:n]

    def right(self, sent, status=200, body=ANSWER):
        s = self.connect()
        s.sendall(sent)
        got = self.answer(s)
        self.assertEqual((got[0], got[2]), (status, body))
        return s, got[1]

    def test_as_it_should_be(self):
        self.right(post())

    def test_keep_alive(self):
        s, headers = self.right(post())
        self.assertNotEqual(headers.get("connection", "").lower(), "close")
        for _ in range(3):
            s.sendall(post())
            self.assertEqual(self.answer(s)[2], ANSWER)

    def test_close(self):
        s, headers = self.right(post(BODY, b"Connection: close"))
        self.assertEqual(headers["connection"].lower(), "close")
        self.assertEqual(s.recv(10), b"")

    def test_pipelined(self):
        s = self.connect()
        s.sendall(post() * 3)
        got = b""
        while got.count(ANSWER) < 3:
            more = s.recv(65536)
            self.assertTrue(more, got)
            got += more

    def test_HTTP_1_0(self):
        s, _ = self.right(post(version=b"HTTP/1.0"))
        self.assertEqual(s.recv(10), b"")
        s, headers = self.right(post(BODY, b"Connection: keep-alive", version=b"HTTP/1.0"))
        self.assertEqual(headers["connection"].lower(), "keep-alive")
        s.sendall(post(version=b"HTTP/1.0"))
        self.assertEqual(self.answer(s)[2], ANSWER)

    def test_chunked(self):
        for line in (b"Transfer-Encoding: chunked", b"transfer-encoding: Chunked"):
            self.right(post(chunked(BODY), line, length=False))
        self.right(post(chunked(*(bytes([b]) for b in BODY)), b"Transfer-Encoding: chunked", length=False))
        self.right(post(b"14;name=value\r\n" + BODY + b"\r\n0\r\nX-Trailer: a\r\n\r\n", b"Transfer-Encoding: chunked", length=False))
        self.right(post(chunked(gzip.compress(BODY)), b"Transfer-Encoding: chunked", b"Content-Encoding: gzip", length=False))

    def test_expect(self):
        s = self.connect()
        head, body = post(BODY, b"Expect: 100-continue").split(b"\r\n\r\n")
        s.sendall(head + b"\r\n\r\n")
        got = s.recv(65536)
        self.assertTrue(got.startswith(b"HTTP/1.1 100"), got)
        s.sendall(body)
        self.assertEqual(self.answer(s)[2], ANSWER)

    def test_slowly(self):
        s = self.connect()
        sent = post()
        for i in range(0, len(sent), 9):
            s.sendall(sent[i:i + 9])
            time.sleep(0.002)
        self.assertEqual(self.answer(s)[2], ANSWER)

    def test_headers_in_any_case(self):
        self.right(post(length=False).replace(b"\r\n\r\n", b"\r\ncontent-length:%d\r\n\r\n" % len(BODY)))

    def test_no_content_type_or_another(self):
        self.right(post(BODY, b"Content-Type: application/x-www-form-urlencoded"))
        self.right(post(BODY, b"Content-Type: multipart/form-data; boundary=x"))
        self.right(post(BODY, b"Accept: text/html"))

    def test_no_host(self):
        self.right(post(version=b"HTTP/1.0").replace(b"Host: a\r\n", b""))

    def test_the_whole_URI(self):
        self.right(post(path=b"http://localhost/v1/models/half:predict"))

    def test_many_headers(self):
        self.right(post(BODY, *(b"X-%d: %s" % (i, b"v" * 40) for i in range(100))))

    def test_a_body_of_no_length(self):
        self.right(post(b""), 400, b'{\n    "error": "JSON Parse error: The document is empty"\n}')
        s = self.connect()
        s.sendall(post(b"", length=False))
        self.assertEqual(self.answer(s)[0], 400)

    def test_GET_with_a_body(self):
        s = self.connect()
        s.sendall(post(path=b"/v1/models/half").replace(b"POST", b"GET"))
        self.assertEqual(self.answer(s)[0], 200)
        s.sendall(post())
        self.assertEqual(self.answer(s)[2], ANSWER)

    def test_HEAD_has_no_body(self):
        s = self.connect()
        s.sendall(b"HEAD /v1/models/half HTTP/1.1\r\nHost: a\r\n\r\n")
        got = b""
        while b"\r\n\r\n" not in got:
            got += s.recv(65536)
        self.assertTrue(got.startswith(b"HTTP/1.1 400"), got)
        self.assertTrue(got.endswith(b"\r\n\r\n"))
        s.sendall(post())
        self.assertEqual(self.answer(s)[2], ANSWER)

    def test_gzip_of_all_kinds(self):
        self.right(post(gzip.compress(BODY), b"Content-Encoding: gzip"))
        self.right(post(gzip.compress(BODY, 1), b"Content-Encoding: x-gzip"))
        self.right(post(gzip.compress(BODY[:9]) + gzip.compress(BODY[9:]), b"Content-Encoding: gzip"))
        self.right(post(BODY, b"Content-Encoding: identity"))

    def test_a_byte_order_mark(self):
        self.right(post(b"\xef\xbb\xbf" + BODY))

    def test_a_large_body(self):
        n = 200000
        s = self.connect()
        s.sendall(post(b'{"instances": [' + b", ".join([b"1.5"] * n) + b"]}"))
        status, _, body = self.answer(s)
        self.assertEqual((status, len(json.loads(body)["predictions"])), (200, n))

    def test_what_is_no_HTTP(self):
        for sent in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"hello\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            s = self.connect()
            s.sendall(sent)
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass
        self.right(post())

    def test_curl(self):
        if not shutil.which("curl"):
            self.skipTest("there is no curl")
        for how in ([], ["-0"], ["--http1.1", "-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"], ["--http2"], ["--compressed"],
                    ["-H", "Content-Type: application/json"], ["--no-keepalive"], ["-H", "Connection: close"]):
            with self.subTest(how):
                out = subprocess.run(["curl", "-sS", "-m", "30", *how, "-d", BODY.decode(), self.server.rest + "/v1/models/half:predict"],
                                     capture_output=True, check=True)
                self.assertEqual(out.stdout, ANSWER)

    def test_prometheus_asks_as_it_does(self):
        s = self.connect()
        s.sendall(b"GET /monitoring/prometheus/metrics HTTP/1.1\r\nHost: a\r\nUser-Agent: Prometheus/2.42.0\r\nAccept: application/openmetrics-text;"
                  b"version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n"
                  b"Accept-Encoding: gzip\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n")
        status, headers, body = self.answer(s)
        self.assertEqual((status, headers["content-type"]), (200, "text/plain"))
        self.assertIn(b"# TYPE ", body)


class HttpAsTurnery(Http):
    program = TURNERY_SERVE


if __name__ == "__main__":
    unittest.main()
