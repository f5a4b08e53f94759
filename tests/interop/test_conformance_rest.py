# SPDX-License-Identifier: Apache-2.0
"""What TensorFlow Serving answers over REST, row by row: status, headers and the body's every byte, under the name
tensorflow_model_server; where `turnery serve` answers more, that is a row beside it."""
import gzip
import re
import unittest

from conformance import TURNERY_SERVE, Table

JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html"}


def page(status, reason):
    return b"<HTML><HEAD>\n<TITLE>%d %s</TITLE>\n</HEAD><BODY>\n<H1>%s</H1>\n</BODY></HTML>\n" % (status, reason.encode(), reason.encode())


NOT_FOUND_PAGE = page(404, "Not Found")
V, ONE = "/v1/models/", '{"instances": [1.0]}'


def predict(case, body, status, wanted, model="half", section="REST predict"):
    return section, case, "POST", V + model + ":predict", body, status, wanted


def ask(case, signature, values, status, wanted, section="REST predict"):
    return predict(case, '{"signature_name": "%s", %s}' % (signature, values), status, wanted, "all", section)


class Paths(Table):
    """Which model, version, label; which path."""


def malformed(method, path):
    return "path not matching", "%s %s" % (method, path), method, path, None if method == "GET" else "{}", 400, "Malformed request: %s %s" % (method, path)


COMMON = [
    ("unknown model", "predict", "POST", V + "nobody:predict", ONE, 404, "Servable not found for request: Latest(nobody)"),
    ("unknown model", "classify", "POST", V + "nobody:classify", '{"examples": [{}]}', 404, "Servable not found for request: Latest(nobody)"),
    ("unknown model", "regress", "POST", V + "nobody:regress", '{"examples": [{}]}', 404, "Servable not found for request: Latest(nobody)"),
    ("unknown model", "metadata", "GET", V + "nobody/metadata", None, 404, "Servable not found for request: Latest(nobody)"),
    ("unknown version", "predict", "POST", V + "half/versions/99:predict", ONE, 404, "Servable not found for request: Specific(half, 99)"),
    ("unknown version", "metadata", "GET", V + "half/versions/99/metadata", None, 404, "Servable not found for request: Specific(half, 99)"),
    ("unknown label", "predict", "POST", V + "half/labels/L:predict", ONE, 400, "Unrecognized servable version label: L"),
    ("unknown label", "metadata", "GET", V + "half/labels/L/metadata", None, 400, "Unrecognized servable version label: L"),
    ("status", "of an unknown model", "GET", V + "nobody", None, 404, "Could not find any versions of model nobody"),
    ("status", "of an unknown version", "GET", V + "half/versions/9", None, 404, "Could not find version 9 of model half"),
    malformed("POST", "/v1/models/half"), malformed("POST", "/v1/models/half:nothing"), malformed("POST", "/v1/models/half/metadata"),
    malformed("POST", "/v1/models"), malformed("POST", "/v1/models/:predict"), malformed("POST", "/v1/foo"),
    malformed("POST", "/v1/models/half/versions/one:predict"), malformed("POST", "/v1/models/half/versions/:predict"),
    malformed("POST", "/v1/models/half/version/1:predict"), malformed("POST", "/v1/models/half/versions/1/labels/a:predict"),
    malformed("POST", "/v1/models/half/versions/-1:predict"), malformed("POST", "/v1/models/half:predict/"),
    malformed("POST", "/v1/models/half/labels/a/b:predict"), malformed("POST", "/v1/models/half:predict:predict"),
    malformed("GET", "/v1/"), malformed("GET", "/v1/foo"), malformed("GET", "/v1/models/half:predict"), malformed("GET", "/v1/models/half/"),
    malformed("GET", "/v1/models/half/versions/one"), malformed("GET", "/v1/models/a/b"), malformed("GET", "/v1/models/half/metadata/"),
    malformed("PUT", "/v1/models/half:predict"), malformed("DELETE", "/v1/models/half"), malformed("PATCH", "/v1/models/half"),
    ("version too large", "predict", "POST", V + "half/versions/18446744073709551615:predict", ONE, 400,
     "Failed to convert version: 18446744073709551615 to numeric."),
    ("version too large", "status", "GET", V + "half/versions/9223372036854775808", None, 400,
     "Failed to convert version: 9223372036854775808 to numeric."),
    ("URL", "any case", "POST", "/V1/Models/half/Versions/123:predict", ONE, 200, b'{\n    "predictions": [2.5\n    ]\n}'),
    ("URL", "a method in capitals is none", "POST", "/v1/models/half:PREDICT", ONE, 400, "Malformed request: POST /v1/models/half:PREDICT"),
    ("URL", "a model's name has its case", "POST", "/v1/models/HALF:predict", ONE, 404, "Servable not found for request: Latest(HALF)"),
    ("URL", "percent-decoded name", "POST", "/v1/models/a%20b:predict", ONE, 200, b'{\n    "predictions": [2.5\n    ]\n}'),
    ("URL", "percent-decoded letters", "POST", "/v1/models/%68al%66:predict", ONE, 200, b'{\n    "predictions": [2.5\n    ]\n}'),
    ("URL", "percent-decoded label", "POST", "/v1/models/three/labels/st%61ble:predict", ONE, 200, b'{\n    "predictions": [2.5\n    ]\n}'),
    ("URL", "leading zeros of a version", "POST", "/v1/models/half/versions/000123:predict", ONE, 200, b'{\n    "predictions": [2.5\n    ]\n}'),
]
Paths.rows(
    "rest", *COMMON,
    ("GET /v1/models", "is refused", "GET", "/v1/models", None, 400, "Missing model name in request."),
    ("GET /v1/models", "a model may be named metadata", "GET", "/v1/models/metadata", None, 404, "Could not find any versions of model metadata"),
    ("GET /v1/models", "a version of none", "GET", "/v1/models/versions/1", None, 400, "Missing model name in request."),
    ("path elsewhere", "root", "GET", "/", None, 404, NOT_FOUND_PAGE, {"Content-Type": "text/html"}),
    ("path elsewhere", "health", "GET", "/healthz", None, 404, NOT_FOUND_PAGE, {"Content-Type": "text/html"}),
    ("path elsewhere", "v2", "GET", "/v2/models", None, 404, NOT_FOUND_PAGE, {"Content-Type": "text/html"}),
    ("path elsewhere", "v1 without a slash", "GET", "/v1", None, 404, NOT_FOUND_PAGE, {"Content-Type": "text/html"}),
    ("path elsewhere", "no URI", "GET", V + "a|b", None, 400, page(400, "Bad Request"), HTML),
    ("path elsewhere", "half a percent sign", "GET", V + "half%2", None, 400, page(400, "Bad Request"), HTML),
    ("path elsewhere", "no URI in the query", "POST", V + "half:predict?<", ONE, 400, page(400, "Bad Request"), HTML),
    ("method", "that is none", "PROPFIND", V + "half", None, 501, page(501, "Not Implemented"), HTML),
    ("method", "in small letters", "get", V + "half", None, 501, page(501, "Not Implemented"), HTML),
    ("method", "trace", "TRACE", V + "half", None, 501, page(501, "Not Implemented"), HTML),
    ("query", "is part of the path", "POST", V + "half:predict?a=1", ONE, 400, "Malformed request: POST /v1/models/half:predict?a=1"),
    ("query", "is part of the name", "GET", V + "half?a=1", None, 404, "Could not find any versions of model half?a=1"),
    ("OPTIONS", "from a page", "OPTIONS", V + "half:predict", None, 200, b"", {"Access-Control-Allow-Origin": None}, None, {"Origin": "http://a"}),
    ("OPTIONS", "from a page with TLS", "OPTIONS", V + "half:predict", None, 200, b"", {"Access-Control-Allow-Origin": None}, None,
     {"Origin": "https://a"}),
    ("OPTIONS", "from elsewhere", "OPTIONS", V + "half:predict", None, 400, b"", {"Access-Control-Allow-Origin": None}, None, {"Origin": "ftp://a"}),
    ("OPTIONS", "without an origin", "OPTIONS", V + "half:predict", None, 400, b"", {"Access-Control-Allow-Origin": None}),
    ("CORS", "off without the flag", "POST", V + "half:predict", ONE, 200, b'{\n    "predictions": [2.5\n    ]\n}',
     {"Access-Control-Allow-Origin": None, "Access-Control-Allow-Methods": None}, None, {"Origin": "http://a"}),
    ("metrics", "page", "GET", "/monitoring/prometheus/metrics", None, 200, re.compile(r"# TYPE :tensorflow:serving:"), {"Content-Type": "text/plain"}),
    ("metrics", "with a query", "GET", "/monitoring/prometheus/metrics?a=1", None, 400,
     re.compile(r"^Unexpected path: /monitoring/prometheus/metrics\?a=1\. Should be /monitoring/prometheus/metrics$"), {"Content-Type": "text/plain"}),
)


class PathsAsTurnery(Table):
    program = TURNERY_SERVE


PathsAsTurnery.rows(
    "rest", *COMMON,
    ("GET /v1/models", "lists", "GET", "/v1/models", None, 200, re.compile(r'(?s)"models": \[.*"name": "half".*"version": "123".*"labels"')),
    ("beyond", "healthz", "GET", "/healthz", None, 200, b"ok\n", {"Content-Type": "text/plain"}),
    ("beyond", "readyz", "GET", "/readyz", None, 200, b"ok\n", {"Content-Type": "text/plain"}),
    ("query", "is passed over", "POST", V + "half:predict?a=1", ONE, 200, b'{\n    "predictions": [2.5\n    ]\n}'),
    ("metrics", "with a query", "GET", "/monitoring/prometheus/metrics?a=1", None, 200, re.compile(r"# TYPE :tensorflow:serving:"),
     {"Content-Type": "text/plain"}),
    ("path elsewhere", "root", "GET", "/", None, 404, NOT_FOUND_PAGE, {"Content-Type": "text/html"}),
)


class Cors(Table):
    flags = ("--rest_api_enable_cors_support",)


ALLOWED = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "POST, GET", "Access-Control-Allow-Headers": "Content-Type"}
Cors.rows(
    "rest",
    ("CORS", "predict", "POST", V + "half:predict", ONE, 200, b'{\n    "predictions": [2.5\n    ]\n}', {**ALLOWED, **JSON}),
    ("CORS", "error", "POST", V + "half:predict", "", 400, "JSON Parse error: The document is empty", {**ALLOWED, **JSON}),
    ("CORS", "status", "GET", V + "half", None, 200, re.compile("AVAILABLE"), ALLOWED),
    ("CORS", "options", "OPTIONS", V + "half:predict", None, 200, b"", ALLOWED, None, {"Origin": "https://a"}),
)


def one_status(*versions):
    return ('{\n "model_version_status": [\n%s\n ]\n}\n' % ",\n".join(
        '  {\n   "version": "%d",\n   "state": "AVAILABLE",\n   "status": {\n    "error_code": "OK",\n    "error_message": ""\n   }\n  }' % v
        for v in versions)).encode()


def value(dtype, name, dims):
    return '{\n     "dtype": "%s",\n     "tensor_shape": {\n      "dim": %s,\n      "unknown_rank": %s\n     },\n     "name": "%s"\n    }' % (
        dtype, "[\n%s\n      ]" % ",\n".join('       {\n        "size": "%d",\n        "name": ""\n       }' % d for d in dims) if dims else "[]",
        "false" if dims is not None else "true", name)


START = '{\n"model_spec":{\n "name": "%s",\n "signature_name": "",\n "version": "%d"\n}\n,\n"metadata": {"signature_def": {\n "signature_def": {\n'
END = '\n  }\n }\n}\n}\n}\n'


def entry(name, inputs, outputs):
    """A signature of Predict's, as metadata's JSON has it."""
    part = lambda values: ",\n".join('    "%s": %s' % kv for kv in values.items())
    return ('  "%s": {\n   "inputs": {\n%s\n   },\n   "outputs": {\n%s\n   },\n   "method_name": "tensorflow/serving/predict",\n   "defaults": {}' % (
        name, part(inputs), part(outputs)))


HALF = entry("serving_default", {"x": value("DT_FLOAT", "x:0", [-1, 1])}, {"y": value("DT_FLOAT", "y:0", [-1, 1])})
DEFAULTS = entry("defaults", {"a": value("DT_FLOAT", "a:0", [-1]), "b": value("DT_INT64", "b:0", [-1])}, {"sum": value("DT_FLOAT", "sum_too:0", [-1])})
SPARSE = '\n     },\n     "coo_sparse": {\n      "values_tensor_name": "p/values:0",\n      "indices_tensor_name": "p/indices:0",\n      "dense_shape_tensor_name": '
RANKLESS = entry("same_float", {"v": value("DT_FLOAT", "in_float:0", None)}, {"v": value("DT_FLOAT", "out_float:0", None)})


def metadata(model, version, *signatures):
    return re.compile("(?s)^" + re.escape(START % (model, version)) + "".join(".*" + re.escape(s) for s in signatures) + ".*" + re.escape(END) + "$")


class About(Table):
    """Status and metadata."""


About.rows(
    "rest",
    ("status", "of the model", "GET", V + "half", None, 200, one_status(123), JSON),
    ("status", "of a version", "GET", V + "half/versions/123", None, 200, one_status(123), JSON),
    ("status", "of all versions", "GET", V + "three", None, 200, one_status(2, 1), JSON),
    ("status", "of one of them", "GET", V + "three/versions/1", None, 200, one_status(1), JSON),
    ("status", "a label is passed over", "GET", V + "three/labels/stable", None, 200, one_status(2, 1), JSON),
    ("metadata", "whole", "GET", V + "half/metadata", None, 200, metadata("half", 123, HALF), JSON),
    ("metadata", "of a version", "GET", V + "half/versions/123/metadata", None, 200, metadata("half", 123, HALF), JSON),
    ("metadata", "without defaults", "GET", V + "all/metadata", None, 200, metadata("all", 1, DEFAULTS), JSON),
    ("metadata", "unknown rank", "GET", V + "all/metadata", None, 200, metadata("all", 1, RANKLESS), JSON),
    ("metadata", "sparse inputs", "GET", V + "all/metadata", None, 200, metadata("all", 1, SPARSE), JSON),
    ("metadata", "of a label", "GET", V + "three/labels/stable/metadata", None, 200, metadata("three", 1, HALF), JSON),
)


class Predict(Table):
    """Values there and back."""


def rows(*items):
    return ('{\n    "predictions": [%s\n    ]\n}' % ", ".join(items)).encode()


def columns(*items):
    return ('{\n    "outputs": [\n%s\n    ]\n}' % ",\n".join("        " + i for i in items)).encode()


Predict.rows(
    "rest",
    predict("rows", '{"instances": [1.0, 2, 5e0]}', 200, rows("2.5", "3.0", "4.5")),
    predict("rows of one each", '{"instances": [[1.0], [2]]}', 200, b'{\n    "predictions": [[2.5], [3.0]\n    ]\n}'),
    predict("rows of several", '{"instances": [[[1.0, 2]]]}', 200, b'{\n    "predictions": [[[2.5, 3.0]]\n    ]\n}'),
    predict("objects of one input", '{"instances": [{"x": 1.0}, {"x": 2}]}', 200, rows("2.5", "3.0")),
    predict("columns", '{"inputs": [1.0, 2]}', 200, columns("2.5", "3.0")),
    predict("columns of columns", '{"inputs": [[1.0, 2]]}', 200, b'{\n    "outputs": [\n        [\n            2.5,\n            3.0\n        ]\n    ]\n}'),
    predict("columns named", '{"inputs": {"x": [1.0]}}', 200, columns("2.5")),
    predict("a scalar", '{"inputs": 1.0}', 200, b'{\n    "outputs": 2.5\n}'),
    predict("a scalar named", '{"inputs": {"x": 1.0}}', 200, b'{\n    "outputs": 2.5\n}'),
    predict("an empty column", '{"inputs": []}', 200, b'{\n    "outputs": []\n}'),
    predict("a signature after the values", '{"instances": [1.0], "signature_name": "serving_default"}', 200, rows("2.5")),
    predict("members that mean nothing", '{"a": [{}, null, {"b": true}], "instances": [1.0]}', 200, rows("2.5")),
    predict("what is behind a NUL", '{"instances": [1.0]}\0 }', 200, rows("2.5")),
    predict("base64 with dots", '{"signature_name": "same_string", "inputs": {"b64": "YQ.."}}', 200, b'{\n    "outputs": "a"\n}', "all"),
    predict("white space", ' \r\n\t{ "instances" :\n[ 1.0 ] } ', 200, rows("2.5")),
    ask("several inputs", "two", '"instances": [{"a": 1, "b": 2}, {"b": 4, "a": 3}]', 200,
        b'{\n    "predictions": [\n        {\n            "sum": 3.0,\n            "twice": 4\n        },\n        {\n            "sum": 7.0,\n'
        b'            "twice": 8\n        }\n    ]\n}'),
    ask("several inputs in columns", "two", '"inputs": {"a": [1, 2], "b": [3, 4], "c": 1}', 200,
        b'{\n    "outputs": {\n        "sum": [\n            4.0,\n            6.0\n        ],\n'
        b'        "twice": [\n            6,\n            8\n        ]\n    }\n}'),
    ask("floats", "same_float", '"inputs": [1, 0.1, 1e30, 123456792.0, 1e-7, 100000, 1000000, 16777215, 0.333333333333333, -0.0, 3.14159265]', 200,
        columns("1.0", "0.1", "1e+30", "123456792.0", "1e-07", "100000.0", "1e+06", "16777215.0", "0.333333343", "-0.0", "3.14159274")),
    ask("doubles", "same_double", '"inputs": [1, 0.1, 1e300, 123456789.125, 1e-7, 0.3333333333333333]', 200,
        columns("1.0", "0.1", "1e+300", "123456789.125", "1e-07", "0.33333333333333331")),
    ask("what is no number", "same_float", '"inputs": [NaN, Infinity, -Infinity, Inf, -Inf]', 200,
        columns("NaN", "Infinity", "-Infinity", "Infinity", "-Infinity")),
    ask("int64", "same_int64", '"inputs": [9223372036854775807, -9223372036854775808, 0]', 200,
        columns("9223372036854775807", "-9223372036854775808", "0")),
    ask("int32", "same_int32", '"inputs": [2147483647, -2147483648]', 200, columns("2147483647", "-2147483648")),
    ask("int16", "same_int16", '"inputs": [-32768]', 200, columns("-32768")),
    ask("int8", "same_int8", '"inputs": [-128]', 200, columns("-128")),
    ask("uint8", "same_uint8", '"inputs": [255]', 200, columns("255")),
    ask("int8 is cut from an int32", "same_int8", '"inputs": [300, -129, 2147483647]', 200, columns("44", "127", "-1")),
    ask("uint8 is cut from an int32", "same_uint8", '"inputs": [256, -1]', 200, columns("0", "255")),
    ask("int16 is cut from an int32", "same_int16", '"inputs": [40000]', 200, columns("-25536")),
    ask("uint32", "same_uint32", '"inputs": [4294967295]', 200, columns("4294967295")),
    ask("uint64", "same_uint64", '"inputs": [18446744073709551615]', 200, columns("18446744073709551615")),
    ask("bool", "same_bool", '"inputs": [true, false]', 200, columns("true", "false")),
    ask("strings", "same_string", r'"inputs": ["a/\"\\\b\f\n\r\t\u0001\u00e9\ud83d\ude00", {"b64": "YQ=="}, ""]', 200,
        columns(r'"a/\"\\\b\f\n\r\t\u0001é😀"', '"a"', '""')),
    ask("bytes in rows", "text", '"instances": [{"b64": "YWI="}, "c"]', 200,
        b'{\n    "predictions": [\n        {\n            "raw_bytes": {\n                "b64": "YWI="\n            },\n'
        b'            "upper": "AB"\n        },\n'
        b'        {\n            "raw_bytes": {\n                "b64": "Yw=="\n            },\n            "upper": "C"\n        }\n    ]\n}'),
    ask("bytes in columns", "text", '"inputs": ["a"]', 200,
        b'{\n    "outputs": {\n        "raw_bytes": [\n            {\n                "b64": "YQ=="\n            }\n        ],\n'
        b'        "upper": [\n            "A"\n'
        b'        ]\n    }\n}'),
    ask("defaults are not used by REST", "defaults", '"instances": [{"a": 1}]', 400,
        'Failed to process element: 0 of \'instances\' list. JSON object: {\n    "a": 1\n} keys must be equal to: a,b'),
)

ZIPPED = gzip.compress(ONE.encode())
Predict.rows(
    "rest",
    ("REST predict", "a gzip body", "POST", V + "half:predict", ZIPPED, 200, rows("2.5"), JSON, None, {"Content-Encoding": "gzip"}),
    ("REST predict", "the request's content type is not looked at", "POST", V + "half:predict", ONE, 200, rows("2.5"), JSON, None,
     {"Content-Type": "text/xml"}),
    ("REST predict", "not even as binary", "POST", V + "half:predict", ONE, 200, rows("2.5"), JSON, None, {"Content-Type": "application/octet-stream"}),
)


class Wrong(Table):
    """What is wrong with a body, word for word."""


def element(i, why, key=None):
    return "Failed to process element: %d%s of 'instances' list. Error: INVALID_ARGUMENT: %s" % (i, " key: %s" % key if key else "", why)


def no(text, kind, wanted):
    return "JSON Value: %s Type: %s is not of expected type: %s" % (text, kind, wanted)


Wrong.rows(
    "rest",
    predict("empty", "", 400, "JSON Parse error: The document is empty"),
    predict("a NUL", "\0{", 400, "JSON Parse error: The document is empty. at offset: 0"),
    predict("empty lists and long numbers in what is shown", '{"a": [], "instances": {"b": {}, "c": 5.924060223704473, "d": 1e-7}}', 400,
            'JSON Value: {\n    "a": [],\n    "instances": {\n        "b": {},\n        "c": 5.924060223704473,\n        "d": 1e-7\n    }\n} Excepting '
            "'instances' to be an list/array"),
    predict("blank", "  ", 400, "JSON Parse error: The document is empty. at offset: 2"),
    predict("no JSON", "instances = [1, 2]", 400, "JSON Parse error: Invalid value. at offset: 0"),
    predict("cut in a list", '{"instances": [1.0', 400, "JSON Parse error: Missing a comma or ']' after an array element. at offset: 18"),
    predict("cut in an object", '{"instances": [1.0]', 400, "JSON Parse error: Missing a comma or '}' after an object member. at offset: 19"),
    predict("no colon", '{"instances" [1.0]}', 400, "JSON Parse error: Missing a colon after a name of object member. at offset: 13"),
    predict("no name", "{1: 2}", 400, "JSON Parse error: Missing a name for object member. at offset: 1"),
    predict("a comma at the end", '{"instances": [1.0,]}', 400, "JSON Parse error: Invalid value. at offset: 19"),
    predict("more behind it", '{"instances": [1.0]} x', 400, "JSON Parse error: The document root must not be followed by other values. at offset: 21"),
    predict("a string without end", '{"instances": ["a', 400, "JSON Parse error: Missing a closing quotation mark in string. at offset: 17"),
    predict("a wrong escape", r'{"instances": ["\x"]}', 400, "JSON Parse error: Invalid escape character in string. at offset: 16"),
    predict("a line end in a string", '{"instances": ["a\n"]}', 400, "JSON Parse error: Invalid escape character in string. at offset: 17"),
    predict("a wrong hex digit", r'{"instances": ["\u00g0"]}', 400, "JSON Parse error: Incorrect hex digit after \\u escape in string. at offset: 16"),
    predict("half a surrogate", r'{"instances": ["\ud800"]}', 400, "JSON Parse error: The surrogate pair in string is invalid. at offset: 16"),
    predict("a number too large", '{"instances": [1e999]}', 400, "JSON Parse error: Number too big to be stored in double. at offset: 15"),
    predict("no fraction", '{"instances": [1.]}', 400, "JSON Parse error: Miss fraction part in number. at offset: 17"),
    predict("no exponent", '{"instances": [1e]}', 400, "JSON Parse error: Miss exponent in number. at offset: 17"),
    predict("no object", "[1, 2]", 400, "JSON Value: [\n    1,\n    2\n] Is not object"),
    predict("a number", "1", 400, "JSON Value: 1 Is not object"),
    predict("neither", '{"x": 1}', 400, "Missing 'inputs' or 'instances' key"),
    predict("both", '{"instances": [1], "inputs": [1]}', 400,
            'JSON Value: {\n    "instances": [\n        1\n    ],\n    "inputs": [\n        1\n    ]\n} Not formatted correctly expecting only one of '
            "'inputs' or 'instances' keys to exist "),
    predict("instances that are no list", '{"instances": 1}', 400, "JSON Value: {\n    \"instances\": 1\n} Excepting 'instances' to be an list/array"),
    predict("no instances", '{"instances": []}', 400, "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array"),
    predict("a signature that is no string", '{"signature_name": 100}', 400,
            "JSON Value: {\n    \"signature_name\": 100\n} not formatted correctly. 'signature_name' key must be a string value."),
    predict("no such signature", '{"signature_name": "s", "instances": [1]}', 400, 'Serving signature name: "s" not found in signature def',
            section="signature missing"),
    predict("a string for a float", '{"instances": ["x"]}', 400, element(0, no('"x"', "String", "float"))),
    predict("a string for a float in columns", '{"inputs": ["x"]}', 400, no('"x"', "String", "float")),
    predict("null", '{"inputs": [null]}', 400, no("null", "Null", "float")),
    predict("a boolean", '{"inputs": [true]}', 400, no("true", "True", "float")),
    predict("an object", '{"inputs": [{"a": 1}]}', 400, no('{\n    "a": 1\n}', "Object", "float")),
    predict("base64 for a float", '{"inputs": [{"b64": "YQ=="}]}', 400, no('{\n    "b64": "YQ=="\n}', "Object", "float")),
    ask("a float for an integer", "same_int32", '"inputs": [1.5]', 400, no("1.5", "Number", "int32")),
    ask("a whole float for an integer", "same_int64", '"inputs": [1.0]', 400, no("1.0", "Number", "int64")),
    ask("too large an integer", "same_int32", '"inputs": [2147483648]', 400, no("2147483648", "Number", "int32")),
    ask("too large an integer for any", "same_int8", '"inputs": [2147483648]', 400, no("2147483648", "Number", "int8")),
    ask("a negative for an unsigned", "same_uint32", '"inputs": [-1]', 400, no("-1", "Number", "uint32")),
    ask("a number for a string", "same_string", '"inputs": [1]', 400, no("1", "Number", "string")),
    ask("a number for a boolean", "same_bool", '"inputs": [1]', 400, no("1", "Number", "bool")),
    ask("an object for a string", "same_string", '"inputs": [{"c": 1}]', 400, 'JSON Value: {\n    "c": 1\n} not formatted correctly for base64 data'),
    ask("no base64", "same_string", '"inputs": [{"b64": "*"}]', 400, "Unable to base64 decode"),
    ask("a dtype that JSON has not", "same_complex64", '"inputs": [1]', 501, "Conversion of JSON Value: 1 to type: complex64"),
    ask("half", "same_half", '"inputs": [1]', 501, "Conversion of JSON Value: 1 to type: half"),
    ask("too large for a float", "same_float", '"inputs": [16777216]', 400, "Cannot convert JSON value: 16777216 to float without loss of precision."),
    ask("beyond a float", "same_float", '"inputs": [1e39]', 400, "Cannot convert JSON value: 1e+39 to float without loss of precision."),
    ask("too large for a double", "same_double", '"inputs": [9007199254740992]', 400,
        "Cannot convert JSON value: 9007199254740992 to double without loss of precision."),
    predict("lists of several lengths", '{"inputs": [[1], [1, 2]]}', 400, "Encountered list at unexpected size: 2 at level: 1 expected size: 1"),
    predict("a list among values", '{"inputs": [1, [1]]}', 400, "Encountered list at unexpected level: 1 expected < 1"),
    predict("a value among lists", '{"inputs": [[1], 1]}', 400, "JSON Value: 1 found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
    predict("rows of several sizes", '{"instances": [[1, 2, 3], [1, 2]]}', 400, element(1, "Expecting tensor size: 3 but got: 2")),
    predict("rows of several shapes", '{"instances": [[1, 2], [[1, 2]]]}', 400, element(1, "Expecting shape [2] but got: [1,2]")),
    predict("rows of several shapes in objects", '{"instances": [{"x": [1, 2]}, {"x": [[1], [2]]}]}', 400,
            element(1, "Expecting shape [2] but got: [2,1]", "x")),
    predict("a list after an object", '{"instances": [{"x": 1}, 1]}', 400, "Expecting object but got list at item 1 of input list"),
    predict("an object after a list", '{"instances": [1, {"x": 1}]}', 400, "Expecting value/list but got object at item 1 of input list"),
    predict("another name", '{"instances": [{"k": 1}]}', 400, element(0, "JSON object: does not have named input: k", "k")),
    predict("another name in columns", '{"inputs": {"k": 1}}', 400, "Missing named input: x in 'inputs' object."),
    ask("a missing name in columns", "two", '"inputs": {"a": [1]}', 400, "Missing named input: b in 'inputs' object."),
    ask("a plain list for several inputs", "two", '"instances": [1, 2]', 400,
        "instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map"),
    ask("a plain list for several inputs in columns", "two", '"inputs": [1, 2]', 400,
        "inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map"),
    ask("a missing key", "two", '"instances": [{"a": 1}]', 400,
        "Failed to process element: 0 of 'instances' list. JSON object: {\n    \"a\": 1\n} keys must be equal to: a,b"),
    ask("a wrong value in an object", "two", '"instances": [{"a": 1, "b": 2}, {"a": 1, "b": "z"}]', 400, element(1, no('"z"', "String", "int64"), "b")),
    ask("a signature without inputs", "no_inputs", '"inputs": {}', 400, "Failed to get input map for signature: no_inputs"),
    ask("a scalar in rows", "scalar", '"instances": [1, 2]', 400, "Tensor name: total has no shape information ", "row form"),
    ask("unequal rows", "uneven", '"instances": [1]', 400, re.compile("Tensor name: [ab] has inconsistent batch size: [12] expecting: [12]"), "row form"),
    ask("a scalar in columns", "scalar", '"inputs": [1, 2]', 200, b'{\n    "outputs": 3.0\n}', "row form"),
    ask("a sparse input", "sparse", '"instances": [[1, 2, 3]]', 404, "FeedInputs: unable to find feed output "),
    ask("a sparse output", "sparse_out", '"inputs": [1]', 404, "FetchOutputs node : not found"),
    ask("the kernel says", "serving_default", '"instances": [[1, 2, 3]]', 400,
        "Matrix size-incompatible: In[0]: [1,3], In[1]: [4,2]\n\t [[{{node MatMul}}]]", "wrong shape"),
    predict("a long value is cut", '{"inputs": ["%s"]}' % ("x" * 400), 400, re.compile(
        r'^\{\n    "error": "JSON Value: \\"x{255}.{0,24} Type: String is not of expected type: float"\n\}$')),
)


class Examples(Table):
    """classify and regress."""


def examples(case, method, signature, body, status, wanted):
    return "REST " + method, case, "POST", V + "all:" + method, '{"signature_name": "%s", %s}' % (signature, body), status, wanted


Examples.rows(
    "rest",
    examples("classes and scores", "classify", "classify", '"examples": [{"x": 1.0, "w": ["a", "b"]}, {"x": [2.5], "w": ["c", {"b64": "ZA=="}]}]', 200,
             b'{\n    "results": [[["a", 1.0], ["b", 2.0]], [["c", 2.5], ["d", 5.0]]\n    ]\n}'),
    examples("classes", "classify", "classes_only", '"examples": [{"w": ["a", "b"]}]', 200, b'{\n    "results": [[["a", 0.0], ["b", 0.0]]\n    ]\n}'),
    examples("labels that are no text", "classify", "classes_only", '"examples": [{"w": ["a", {"b64": "/w=="}]}]', 200,
             re.compile('^\\{\n    "results": \\[\\[\\["a", 0.0\\], \\["\ufffd", 0.0\\]\\]\n    \\]\n\\}$')),
    examples("values", "regress", "regress", '"examples": [{"x": 1.0}, {"x": 2.5}]', 200, b'{\n    "results": [2.0, 3.5]\n}'),
    examples("context", "regress", "regress", '"context": {"x": 2.0}, "examples": [{}, {"x": 4.0}]', 200, b'{\n    "results": [3.0, 5.0]\n}'),
    examples("no such signature", "regress", "s", '"examples": [{}]', 400, "No signature was found with the name: s"),
    examples("no examples", "classify", "classify", '"x": 1', 400,
             'JSON Value: {\n    "signature_name": "classify",\n    "x": 1\n} When method is classify, key \'examples\' is expected and was not found'),
    examples("no list", "classify", "classify", '"examples": 1', 400,
             'JSON Value: {\n    "signature_name": "classify",\n    "examples": 1\n} Expecting \'examples\' value to be an list/array'),
    examples("an empty list", "classify", "classify", '"examples": []', 400,
             'JSON Value: {\n    "signature_name": "classify",\n    "examples": []\n} \'examples\' value is an empty array'),
    examples("an example that is no object", "classify", "classify", '"examples": [1]', 400, "Example must be JSON object but got JSON Number"),
    examples("null", "classify", "classify", '"examples": [{"x": null}]', 400, "Feature: x has element with unexpected JSON type: Null"),
    examples("an object", "classify", "classify", '"examples": [{"x": {"y": 1}}]', 400, "Feature: x has element with unexpected JSON type: Object"),
    examples("a list in a list", "classify", "classify", '"examples": [{"x": [[1.0]]}]', 400, "Feature: x has element with unexpected JSON type: Array"),
    examples("several types", "classify", "classify", '"examples": [{"x": [1.0, 1]}]', 400, "Unexpected element type in feature: x expecting type: float"),
    examples("too large an integer", "classify", "classify", '"examples": [{"x": 9223372036854775808}]', 400,
             "Feature: x has uint64 element. Only int64 is supported."),
    examples("another type than the model's", "regress", "regress", '"examples": [{"x": 1}]', 400,
             "Name: <unknown>, Key: x, Index: 0.  Data types don't match. Data type: int64 but expected type: float\n\t "
             "[[{{node ParseExample/ParseExampleV2}}]]"),
    ("REST classify", "an empty body", "POST", V + "all:classify", "", 400, "JSON Parse error: The document is empty"),
)


class ExamplesAsTurnery(Examples):
    program = TURNERY_SERVE


class CutAsTurnery(Table):
    """No number is cut."""
    program = TURNERY_SERVE


CutAsTurnery.rows(
    "rest",
    ask("too large an int8", "same_int8", '"inputs": [128]', 400, no("128", "Number", "int8")),
    ask("too small a uint8", "same_uint8", '"inputs": [-1]', 400, no("-1", "Number", "uint8")),
    ask("too large an int16", "same_int16", '"inputs": [32768]', 400, no("32768", "Number", "int16")),
)


class WrongAsTurnery(Wrong):
    """Bodies of JSON are refused with the same words under both names; but more dtypes are read."""
    program = TURNERY_SERVE
    test_REST_predict__half = test_REST_predict__a_dtype_that_JSON_has_not = None


if __name__ == "__main__":
    unittest.main()
