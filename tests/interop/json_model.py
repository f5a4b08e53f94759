# SPDX-License-Identifier: Apache-2.0
"""How TensorFlow Serving reads JSON and writes it, said a second time and slowly, so that any body's answer can be foretold: the words
and offsets of rapidjson's parser, the rules by which values become tensors and examples, the layout of rapidjson's pretty writer.

What is not foretold raises Unsaid: bodies whose answer is nobody's business (a key that is there twice), or depends on the order of a map."""
import base64
import math
import re

import numpy as np


class Refused(Exception):
    def __init__(self, message, code="INVALID_ARGUMENT"):
        super().__init__(message)
        self.code, self.message = code, message.encode("utf8", "surrogateescape") if isinstance(message, str) else message


class Unsaid(Exception):
    pass


def refuse(fmt, *values):
    raise Refused(fmt % values)


class Object(list):
    """Members in their order: (key, value). Strings are bytes; lists, True, False, None are Python's."""

    def __contains__(self, key):
        return any(k == key for k, _ in self)

    def get(self, key):
        found = [v for k, v in self if k == key]
        if len(found) > 1:
            raise Unsaid
        return found[0] if found else None


class Number:
    def __init__(self, value, whole):
        self.value, self.whole = value, whole


# ==== parser ====

WORDS = {b"n": (b"null", None), b"t": (b"true", True), b"f": (b"false", False)}
ESCAPES = {b'"': b'"', b"\\": b"\\", b"/": b"/", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
DIGITS = [b"%d" % i for i in range(10)]
MESSAGES = {
    "empty": "The document is empty.", "root": "The document root must not be followed by other values.", "value": "Invalid value.",
    "name": "Missing a name for object member.", "colon": "Missing a colon after a name of object member.",
    "}": "Missing a comma or '}' after an object member.", "]": "Missing a comma or ']' after an array element.",
    "hex": "Incorrect hex digit after \\u escape in string.", "surrogate": "The surrogate pair in string is invalid.",
    "escape": "Invalid escape character in string.", "quote": "Missing a closing quotation mark in string.",
    "big": "Number too big to be stored in double.", "fraction": "Miss fraction part in number.", "exponent": "Miss exponent in number."}


class Parser:
    def __init__(self, text):
        self.text, self.at = text, 3 if text.startswith(b"\xef\xbb\xbf") else 0

    def fail(self, what, at=None):
        refuse("JSON Parse error: %s at offset: %d", MESSAGES[what], self.at if at is None else at)

    def peek(self):
        """A NUL in the text ends it, too."""
        return self.text[self.at:self.at + 1] or b"\0"

    def take(self, c):
        if self.peek() != c or self.at == len(self.text):
            return False
        self.at += 1
        return True

    def space(self):
        while self.peek() in (b" ", b"\n", b"\r", b"\t"):
            self.at += 1

    def document(self):
        self.space()
        if self.peek() == b"\0":
            self.fail("empty")
        v = self.value()
        self.space()
        if self.peek() != b"\0":
            self.fail("root")
        return v

    def word(self, word):
        for c in word:
            if not self.take(bytes([c])):
                self.fail("value")

    def value(self):
        c = self.peek()
        if c in WORDS:
            self.word(WORDS[c][0])
            return WORDS[c][1]
        return {b'"': self.string, b"{": self.object, b"[": self.array}.get(c, self.number)()

    def members(self, out, end, one):
        self.at += 1
        self.space()
        if self.take(end):
            return out
        while True:
            out.append(one())
            self.space()
            if self.take(end):
                return out
            if not self.take(b","):
                self.fail(end.decode())
            self.space()

    def member(self):
        if self.peek() != b'"':
            self.fail("name")
        key = self.string()
        self.space()
        if not self.take(b":"):
            self.fail("colon")
        self.space()
        return key, self.value()

    def object(self):
        return self.members(Object(), b"}", self.member)

    def array(self):
        return self.members([], b"]", self.value)

    def hex4(self, at):
        n = 0
        for _ in range(4):
            if self.peek() not in b"0123456789abcdefABCDEF":
                self.fail("hex", at)
            n = n * 16 + int(self.peek(), 16)
            self.at += 1
        return n

    def unicode(self, at):
        n = self.hex4(at)
        if 0xd800 <= n < 0xdc00:
            low = self.hex4(at) if self.take(b"\\") and self.take(b"u") else 0
            if not 0xdc00 <= low < 0xe000:
                self.fail("surrogate", at)
            n = 0x10000 + (n - 0xd800 << 10) + low - 0xdc00
        return chr(n).encode("utf8", "surrogatepass")

    def string(self):
        self.at += 1
        out = b""
        while not self.take(b'"'):
            c, at = self.peek(), self.at
            if c < b" ":
                self.fail("quote" if c == b"\0" else "escape")
            self.at += 1
            if c == b"\\":
                c = ESCAPES.get(self.peek())
                if self.take(b"u"):
                    c = self.unicode(at)
                elif c:
                    self.at += 1
                else:
                    self.fail("escape", at)
            out += c
        return out

    def digits(self):
        at = self.at
        while self.peek() in DIGITS:
            self.at += 1
        return self.text[at:self.at]

    def no_number(self, sign):
        if self.peek() == b"N":
            self.word(b"NaN")
            return Number(math.nan, False)
        self.word(b"Inf")
        if self.peek() == b"i":
            self.word(b"inity")
        return Number(sign * math.inf, False)

    def number(self):
        start, sign = self.at, -1 if self.take(b"-") else 1
        if self.peek() in (b"N", b"I"):
            return self.no_number(sign)
        whole = b"0" if self.take(b"0") else self.digits()
        fraction, exponent, power = None, None, 0
        if not whole:
            self.fail("value")
        if self.take(b"."):
            fraction = self.digits() or self.fail("fraction")
        if self.take(b"e") or self.take(b"E"):
            less = self.peek() == b"-"
            self.take(b"-") or self.take(b"+")
            exponent = self.digits() or self.fail("exponent")
            power = -int(exponent) if less else int(exponent)
        if fraction is None and exponent is None and -1 << 63 <= sign * int(whole) < 1 << 64:
            return Number(sign * int(whole), True)
        value = float(self.text[start:self.at])
        if power > 330 or math.isinf(value) and power == 0:
            self.fail("big", start)
        if math.isinf(value) or power > 300:
            raise Unsaid  # near the limit it depends on how the digits are written
        return Number(value, False)


# ==== writer ====

def decimal(value, single):
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    text = "%g" % value
    if (float(np.float32(text)) if single else float(text)) != value:
        text = ("%.9g" if single else "%.17g") % value
    return text if "." in text or "e" in text else text + ".0"


def shortest(value):
    """As rapidjson has a double within a value: no "+" and no zeros in the exponent, which begins at 1e21 and 1e-7."""
    sign, digits, power = re.fullmatch(r"(-?)(.*?)(?:e(.*))?", repr(value)).groups()
    whole, _, fraction = digits.partition(".")
    digits, point = (whole + fraction).lstrip("0"), len(whole) + int(power or 0)
    point -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    if not digits:
        return sign + "0.0"
    if not -6 < point <= 21:
        return "%s%s%se%d" % (sign, digits[0], "." * (len(digits) > 1) + digits[1:], point - 1)
    if point <= 0:
        return sign + "0." + "0" * -point + digits
    return sign + digits[:point].ljust(point, "0") + "." + (digits[point:] or "0")


def quoted(text):
    named = {v: b"\\" + k for k, v in ESCAPES.items() if k != b"/"}
    return b'"' + b"".join(named.get(c) or (b"\\u%04X" % ord(c) if c < b" " else c) for c in (bytes([c]) for c in text)) + b'"'


class Writer:
    """A member or an element a line, four spaces a level; elements on one line while `line` is set."""

    def __init__(self):
        self.out, self.levels, self.line = b"", [], False

    def new_line(self):
        self.out += b"\n" + b"    " * len(self.levels)

    def raw(self, text):
        if self.levels:
            level = self.levels[-1]
            value = not level[0] and level[1] % 2
            if value:
                self.out += b": "
            elif level[1]:
                self.out += b", " if self.line and level[0] else b","
            if not value and not (self.line and level[0]):
                self.new_line()
            level[1] += 1
        self.out += text if isinstance(text, bytes) else text.encode()

    def open(self, bracket):
        self.raw(bracket)
        self.levels.append([bracket == b"[", 0])

    def close(self):
        array, n = self.levels.pop()
        if n and not (array and self.line):
            self.new_line()
        self.out += b"]" if array else b"}"

    def value(self, v):
        if isinstance(v, (Object, list)):
            self.open(b"{" if isinstance(v, Object) else b"[")
            for one in v:
                if isinstance(v, Object):
                    self.raw(quoted(one[0]))
                self.value(one[1] if isinstance(v, Object) else one)
            self.close()
        elif isinstance(v, bytes):
            self.raw(quoted(v))
        elif isinstance(v, Number):
            if not v.whole and not math.isfinite(v.value):
                raise Unsaid  # rapidjson stops in the middle
            self.raw(str(v.value) if v.whole else shortest(v.value))
        else:
            self.raw({None: "null", True: "true", False: "false"}[v])


def shown(v):
    if isinstance(v, Number) and not v.whole:
        single = -3.4028234e38 <= v.value <= 3.4028234e38
        return decimal(float(np.float32(v.value)) if single else v.value, single).encode()
    w = Writer()
    w.value(v)
    return w.out[:256]


def error_body(message):
    w = Writer()
    w.value(Object([(b"error", message)]))
    return w.out


# ==== values ====

KINDS = {type(None): "Null", bytes: "String", list: "Array", Object: "Object", Number: "Number"}
FLOATS = {"float": (np.float32, 24), "double": (np.float64, 53)}
INT32 = (-1 << 31, 1 << 31)  # what narrower ones are cut from
INTS = {"int8": INT32, "int16": INT32, "int32": INT32, "int64": (-1 << 63, 1 << 63), "uint8": INT32, "uint32": (0, 1 << 32), "uint64": (0, 1 << 64)}


def kind(v):
    return str(v) if isinstance(v, bool) else KINDS[type(v)]


def as_float(v, dtype):
    make, digits = FLOATS[dtype]
    if abs(v.value) >= 1 << digits if v.whole else math.isfinite(v.value) and abs(v.value) > float(np.finfo(make).max):
        refuse(b"Cannot convert JSON value: %s to %s without loss of precision.", shown(v), dtype.encode())
    with np.errstate(over="ignore", under="ignore"):
        return make(v.value)


def element(v, dtype):
    if isinstance(v, Number) and dtype in FLOATS:
        return as_float(v, dtype)
    if isinstance(v, Number) and v.whole and dtype in INTS and INTS[dtype][0] <= v.value < INTS[dtype][1]:
        return int(np.array(v.value).astype(dtype))
    if isinstance(v, bool) and dtype == "bool" or isinstance(v, bytes) and dtype == "string":
        return v
    if dtype not in (*FLOATS, *INTS, "bool", "string"):
        raise Refused(b"Conversion of JSON Value: %s to type: %s" % (shown(v), dtype.encode()), "UNIMPLEMENTED")
    return wrong_type(v, dtype)


def wrong_type(v, dtype):
    refuse(b"JSON Value: %s Type: %s is not of expected type: %s", shown(v), kind(v).encode(), dtype.encode())


def is_base64(v):
    return isinstance(v, Object) and len(v) == 1 and v[0][0] == b"b64" and isinstance(v[0][1], bytes)


def unbase64(text):
    """White space anywhere; padding may be missing, or dots, but not too little or too much; bits beyond the last byte may be anything."""
    text = re.sub(rb"[ \t-\r]", b"", text)
    m = re.fullmatch(rb"([A-Za-z0-9+/]*)([=.]*)", text)
    if not m or len(m[1]) % 4 == 1 or m[2] and len(m[2]) != -len(m[1]) % 4:
        refuse("Unable to base64 decode")
    return base64.b64decode(m[1] + b"=" * (-len(m[1]) % 4))


def shape_of(v):
    shape = []
    while isinstance(v, list) and not isinstance(v, Object):
        shape.append(len(v))
        if not v:
            break
        v = v[0]
    return shape


def fill(v, level, dtype, shape, out):
    if isinstance(v, list) and not isinstance(v, Object):
        if level >= len(shape):
            refuse("Encountered list at unexpected level: %d expected < %d", level, len(shape))
        if len(v) != shape[level]:
            refuse("Encountered list at unexpected size: %d at level: %d expected size: %d", len(v), level, shape[level])
        for one in v:
            fill(one, level + 1, dtype, shape, out)
        return
    if level != len(shape):
        refuse(b"JSON Value: %s found at incorrect level: %d in the JSON DOM. Expected at level: %d", shown(v), level + 1, len(shape))
    if isinstance(v, Object) and dtype != "string":
        wrong_type(v, dtype)
    if isinstance(v, Object) and not is_base64(v):
        refuse(b"JSON Value: %s not formatted correctly for base64 data", shown(v))
    out.append(unbase64(v[0][1]) if isinstance(v, Object) else element(v, dtype))


def tensor_of(v, dtype):
    """(shape, elements)"""
    shape, out = shape_of(v), []
    fill(v, 0, dtype, shape, out)
    return shape, out


# ==== predict ====

def text_of(shape):
    return "[%s]" % ",".join(map(str, shape))


def add_row(rows, name, v, inputs):
    if name not in inputs:
        refuse(b"JSON object: does not have named input: %s", name)
    shape, values = tensor_of(v, inputs[name])
    if name in rows:
        first = rows[name][0]
        if len(first[1]) != len(values):
            refuse("Expecting tensor size: %d but got: %d", len(first[1]), len(values))
        if first[0] != shape:
            refuse("Expecting shape %s but got: %s", text_of(first[0]), text_of(shape))
    rows.setdefault(name, []).append((shape, values))


def read_object(rows, i, element, inputs):
    keys = [k.split(b"\0")[0] for k, _ in element]
    if len(set(keys)) < len(keys):
        raise Unsaid
    for name, (_, v) in zip(keys, element):
        try:
            add_row(rows, name, v, inputs)
        except Refused as e:
            refuse(b"Failed to process element: %d key: %s of 'instances' list. Error: %s: %s", i, name, e.code.encode(), e.message)
    if set(keys) != set(inputs):
        refuse(b"Failed to process element: %d of 'instances' list. JSON object: %s keys must be equal to: %s", i, shown(element),
               b",".join(sorted(inputs)))


def read_instances(v, inputs):
    if not isinstance(v[0], Object) and len(inputs) > 1:
        refuse("instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map")
    named, rows = isinstance(v[0], Object) and not is_base64(v[0]), {}
    for i, one in enumerate(v):
        if named != (isinstance(one, Object) and not is_base64(one)):
            refuse("Expecting object but got list at item %d of input list" if named else
                   "Expecting value/list but got object at item %d of input list", i)
        if named:
            read_object(rows, i, one, inputs)
            continue
        try:
            add_row(rows, next(iter(inputs)), one, inputs)
        except Refused as e:
            refuse(b"Failed to process element: %d of 'instances' list. Error: %s: %s", i, e.code.encode(), e.message)
    return {name: ([len(v)] + r[0][0], [x for _, values in r for x in values]) for name, r in rows.items()}


def read_inputs(v, inputs):
    if not isinstance(v, Object) or is_base64(v):
        if len(inputs) > 1:
            refuse("inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map")
        name = next(iter(inputs))
        return {name: tensor_of(v, inputs[name])}
    out, mistakes = {}, []
    for name in inputs:
        try:
            if name not in v:
                refuse(b"Missing named input: %s in 'inputs' object.", name)
            out[name] = tensor_of(v.get(name), inputs[name])
        except Refused as e:
            mistakes.append(e)
    if len(mistakes) > 1:
        raise Unsaid  # the order of inputs is a map's
    if mistakes:
        raise mistakes[0]
    return out


def document(body):
    if not body:
        refuse("JSON Parse error: The document is empty")
    doc = Parser(body).document()
    if not isinstance(doc, Object):
        refuse(b"JSON Value: %s Is not object", shown(doc))
    if b"signature_name" in doc and not isinstance(doc.get(b"signature_name"), bytes):
        refuse(b"JSON Value: %s not formatted correctly. 'signature_name' key must be a string value.", shown(doc))
    return doc


def read_predict(body, signatures):
    """(whether it is columnar, the signature's name, {input: (shape, elements)}); signatures: {name: {input: dtype}}"""
    doc = document(body)
    said = doc.get(b"signature_name") or b""
    name = said or b"serving_default"
    if name not in signatures:
        refuse(b'Serving signature name: "%s" not found in signature def', name)
    inputs = signatures[name]
    if not inputs:
        refuse(b"Failed to get input map for signature: %s", said or b"DEFAULT")
    if b"instances" not in doc and b"inputs" not in doc:
        refuse("Missing 'inputs' or 'instances' key")
    if b"instances" not in doc:
        return True, name, read_inputs(doc.get(b"inputs"), inputs)
    v = doc.get(b"instances")
    if b"inputs" in doc:
        refuse(b"JSON Value: %s Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ", shown(doc))
    if not isinstance(v, list) or isinstance(v, Object):
        refuse(b"JSON Value: %s Excepting 'instances' to be an list/array", shown(doc))
    if not v:
        refuse(b"JSON Value: %s No values in 'instances' array", shown(doc))
    return False, name, read_instances(v, inputs)


def put_element(w, v, dtype, as_bytes):
    if as_bytes:
        w.value(Object([(b"b64", base64.b64encode(v))]))
    elif dtype in FLOATS:
        w.raw(decimal(float(v), dtype == "float"))
    elif dtype in ("string", "bool"):
        w.value(v)
    else:
        w.raw(str(int(v)))


def put_tensor(w, shape, elements, dtype, as_bytes):
    if not shape:
        put_element(w, next(elements), dtype, as_bytes)
        return
    w.open(b"[")
    for _ in range(shape[0]):
        put_tensor(w, shape[1:], elements, dtype, as_bytes)
    w.close()


def write_predict(columnar, outputs):
    """outputs: {name: (dtype, shape, elements)}"""
    w, several = Writer(), len(outputs) > 1
    tensors = {n: (shape, iter(elements), dtype, dtype == "string" and n.endswith(b"_bytes")) for n, (dtype, shape, elements) in sorted(outputs.items())}

    def put(skip):
        if several:
            w.open(b"{")
        w.line = bool(skip)
        for name, (shape, *rest) in tensors.items():
            if several:
                w.raw(quoted(name))
            put_tensor(w, shape[skip:], *rest)
        w.line = False
        if several:
            w.close()

    w.open(b"{")
    w.raw('"outputs"' if columnar else '"predictions"')
    if columnar:
        put(0)
    else:
        w.open(b"[")
        for _ in range(next(iter(tensors.values()))[0][0]):
            put(1)
        w.close()
    w.close()
    return w.out


# ==== classify, regress ====

def add_to_feature(feature, name, v):
    """feature: [kind or None, values]"""
    wanted = "bytes" if isinstance(v, bytes) or is_base64(v) else "int64"
    if not isinstance(v, bool) and not isinstance(v, Number) and wanted != "bytes":
        refuse(b"Feature: %s has element with unexpected JSON type: %s", name, kind(v).encode())
    if isinstance(v, Number) and not v.whole:
        wanted = "float"
    if feature[0] not in (None, wanted):
        refuse(b"Unexpected element type in feature: %s expecting type: %s", name, feature[0].encode())
    feature[0] = wanted
    if wanted == "int64" and isinstance(v, Number) and v.value >= 1 << 63:
        refuse(b"Feature: %s has uint64 element. Only int64 is supported.", name)
    feature[1].append(unbase64(v[0][1]) if isinstance(v, Object) else as_float(v, "float") if wanted == "float" else v)


def read_example(v):
    if not isinstance(v, Object):
        refuse("Example must be JSON object but got JSON %s", kind(v))
    out = {}
    for name, content in v:
        feature = [None, []]
        for one in content if isinstance(content, list) and not isinstance(content, Object) else [content]:
            add_to_feature(feature, name, one)
        out[name] = feature
    return out


def read_examples(body):
    """(the signature's name, [{feature: [kind, values]}]), the context in each example."""
    doc = document(body)
    context = read_example(doc.get(b"context")) if b"context" in doc else {}
    if b"examples" not in doc:
        refuse(b"JSON Value: %s When method is classify, key 'examples' is expected and was not found", shown(doc))
    v = doc.get(b"examples")
    if not isinstance(v, list) or isinstance(v, Object):
        refuse(b"JSON Value: %s Expecting 'examples' value to be an list/array", shown(doc))
    if not v:
        refuse(b"JSON Value: %s 'examples' value is an empty array", shown(doc))
    return doc.get(b"signature_name") or b"serving_default", [{**context, **read_example(one)} for one in v]


def write_values(values):
    w = Writer()
    w.open(b"{")
    w.raw('"results"')
    w.line = True
    w.open(b"[")
    for v in values:
        w.raw(decimal(float(v), True))
    w.close()
    w.close()
    return w.out
