# SPDX-License-Identifier: Apache-2.0
"""Bodies of JSON that are drawn, most of them with something wrong: each is answered, to the byte, as json_model.py says it."""
import http.client
import os
import random
import unittest

import numpy as np

from conformance import DTYPES, Table
from json_model import Refused, Unsaid, error_body, read_examples, read_predict, write_predict, write_values

SIGNATURES = {b"same_" + d.encode(): {b"v": d} for d in DTYPES if d not in ("half", "uint16")}
SIGNATURES.update({b"two": {b"a": "float", b"b": "int64"}, b"text": {b"s": "string"}, b"no_inputs": {}, b"serving_default": {b"x": "float"}})
STATUS = {"INVALID_ARGUMENT": 400, "UNIMPLEMENTED": 501}
NUMBERS = """0 1 -1 1.0 0.1 -0 -0.0 1e5 1E5 1e+5 1.5e-7 100000 1000000 16777215 16777216 -16777216 9007199254740991 9007199254740992 2147483647
2147483648 -2147483648 -2147483649 4294967295 4294967296 9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809
18446744073709551615 18446744073709551616 1e38 3.4028234663852886e38 3.5e38 1e39 1e-400 5e-324 0.3333333333333333 NaN Infinity -Infinity Inf
-Inf 255 256 -128 -129 127 128 32767 32768 1e999 01 1. .5 +1 - -a 0x1 1e 1e+ Infinit nan N Na -NaN 12345678901234567890123 1e21 1e20 0.00001
0.0000001 123456792.0 123456789012.5""".split()
STRINGS = [r'""', r'"a"', r'"x\ny"', r'"\u0041"', '"é😀"', r'"\ud83d\ude00"', r'"\ud83d"', r'"\ud83d\u0041"', r'"\ude00"', r'"\u12g4"', r'"\u0000b"',
           '"\x01"', '"\t"', '"\x7f"', r'"\/"', r'"\a"', '"a', r'"\"', '"%s"' % ("long " * 80), r'"\u001f\u0008"', '"\udcff"']
BASE64 = ['{"b64": "%s"}' % s for s in ("YQ==", "YWI", "Y Q==", "Y", "*", "", "YR==", r"YWJj\n", "_-8=", "YQ=", "YQ===", "YQ..")]
OTHERS = ["null", "true", "false", "[]", "{}", '{"a": 1}', "nul", "tru", "[1]", "[[]]", '{"b64": 1}', '{"b64": "YQ==", "c": 1}']


class Draw:
    def __init__(self, seed):
        self.rng = random.Random(seed)

    def rare(self, one_in):
        return self.rng.randrange(one_in) == 0

    def plain(self, dtype):
        rng = self.rng
        if dtype == "string":
            return rng.choice(['"a"', '"bc"', '"é"', '{"b64": "YQ=="}'])
        if dtype == "bool":
            return rng.choice(["true", "false"])
        if dtype in ("float", "double"):
            return repr(rng.choice([
                rng.uniform(-10, 10), float(rng.randrange(100)), rng.random() * 10 ** rng.randrange(-9, 12), float(np.float32(rng.random()))]))
        return str(rng.randrange(100))

    def odd(self):
        return self.rng.choice(self.rng.choice([NUMBERS, STRINGS, BASE64, OTHERS]))

    def value(self, dtype, shape):
        if self.rare(50):
            shape = shape[1:] if self.rare(2) else shape + [1]
        if not shape:
            return self.odd() if self.rare(8) else self.plain(dtype)
        return "[%s]" % self.rng.choice([", ", ",", " ,\n"]).join(self.value(dtype, shape[1:]) for _ in range(shape[0] + self.rare(33)))

    def object(self, inputs, shape):
        keys = sorted(inputs, reverse=self.rare(2))
        if keys and self.rare(20):
            keys.pop()
        if self.rare(25):
            keys.append(self.rng.choice([b"zz", b"", b"b64"]))
        return "{%s}" % ", ".join('"%s": %s' % (k.decode(), self.value(inputs.get(k, "float"), shape)) for k in keys)

    def body(self, *members):
        members = [m for m in members if m]
        if self.rare(10):
            members.append('"x": ' + self.odd())
        self.rng.shuffle(members)
        body = ("{%s}" % ", ".join(members)).encode("utf8", "surrogateescape")
        if self.rare(8):
            i, cut = self.rng.randrange(len(body)), self.rng.choice([0, 1, 1, len(body)])
            body = body[:i] + (b"" if cut > 1 else self.rng.choice([b"", *(bytes([c]) for c in b'{}[],:"\\0a. \t\n-e\0')])) + body[i + cut:]
        return body

    def signature(self, name):
        odd = self.rng.choice(["1", '"nope"', "null", '""'])
        return "" if self.rare(40) else '"signature_name": %s' % (odd if self.rare(50) else '"%s"' % name)

    def predict(self):
        name = self.rng.choice([*SIGNATURES] + [b"two"] * 5)
        inputs, rng = SIGNATURES[name], self.rng
        shape = [rng.choice([0, 1, 1, 2, 2, 3]) for _ in range(rng.choice([0, 0, 1, 1, 2]))]
        bare = len(inputs) < 2 and not self.rare(3)
        one = lambda: self.value(next(iter(inputs.values()), "float"), shape) if bare != self.rare(25) else self.object(inputs, shape)
        if self.rare(2):
            shape = shape or [2]
            return self.body('"inputs": ' + one(), self.signature(name.decode()))
        rows = "[%s]" % ", ".join(one() for _ in range(rng.choice([0, 1, 1, 2, 3])))
        return self.body('"instances": ' + (self.odd() if self.rare(33) else rows), '"inputs": 1' if self.rare(50) else "", self.signature(name.decode()))

    def feature(self):
        return self.rng.choice([self.plain("float"), "[%s]" % self.plain("float"), self.odd(), "[]", "[%s, %s]" % (self.odd(), self.plain("float"))])

    def example(self):
        names = self.rng.sample(["x", "w", "other"], self.rng.randrange(3))
        return self.odd() if self.rare(30) else "{%s}" % ", ".join('"%s": %s' % (k, self.feature()) for k in names)

    def examples(self):
        listed = "[%s]" % ", ".join(self.example() for _ in range(self.rng.choice([0, 1, 1, 2, 3])))
        context = '"context": ' + self.example() if self.rare(4) else ""
        return self.body('"examples": ' + (self.odd() if self.rare(33) else listed), context, self.signature("regress"))


def computed(name, inputs):
    """What the models of conformance.py make of it."""
    if any(int(np.prod(shape)) != len(values) for shape, values in inputs.values()):
        raise Unsaid
    if name.startswith(b"same_"):
        return {b"v": (SIGNATURES[name][b"v"], *inputs[b"v"])}
    if name == b"text" and len(inputs[b"s"][0]) == 1:
        return {b"upper": ("string", inputs[b"s"][0], [v.upper() for v in inputs[b"s"][1]]), b"raw_bytes": ("string", *inputs[b"s"])}
    if name == b"two" and len(inputs[b"a"][0]) == 1 and inputs[b"a"][0] == inputs[b"b"][0]:
        with np.errstate(all="ignore"):
            a, b = np.array(inputs[b"a"][1], np.float32), np.array(inputs[b"b"][1], np.int64)
            total = a + b.astype(np.float32)
        if np.any((np.abs(total) < np.finfo(np.float32).tiny) & (total != 0)):
            raise Unsaid  # flushed to zero
        return {b"sum": ("float", [len(a)], total), b"twice": ("int64", [len(b)], b * 2)}
    raise Unsaid  # a kernel may refuse it


def predicted(body):
    columnar, name, inputs = read_predict(body, SIGNATURES)
    return write_predict(columnar, computed(name, inputs))


def regressed(body):
    name, examples = read_examples(body)
    values = []
    for features in examples:
        what, x = features.get(b"x", (None, []))
        if name != b"regress" or what not in (None, "float") or len(x) != (what is not None) or features.get(b"w", [None])[0]:
            raise Unsaid  # the kernel's words
        values.append(x[0] + np.float32(1) if x else np.float32(1))
    return write_values(values)


def foretold(how, body):
    try:
        return 200, how(body)
    except Refused as e:
        return STATUS[e.code], error_body(e.message)


class Drawn(Table):
    BODIES = 4000

    def ask(self, path, draw, how):
        seed = int(os.environ.get("TURNERY_SEED", random.randrange(1 << 32)))
        said, draw = 0, getattr(Draw(seed), draw)
        connection = http.client.HTTPConnection(self.server.rest[7:])
        self.addCleanup(connection.close)
        for _ in range(self.BODIES):
            body = draw()
            try:
                wanted = foretold(how, body)
            except Unsaid:
                wanted = None
            connection.request("POST", path, body)
            with connection.getresponse() as answer:
                got = answer.status, answer.read()
            if wanted:
                said += 1
                self.assertEqual(got, wanted, "%r (TURNERY_SEED=%d)" % (body, seed))
        self.assertGreater(said, self.BODIES // 2)

    def test_predict(self):
        self.ask("/v1/models/all:predict", "predict", predicted)

    def test_regress(self):
        self.ask("/v1/models/all:regress", "examples", regressed)


if __name__ == "__main__":
    unittest.main()
