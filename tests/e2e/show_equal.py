# SPDX-License-Identifier: Apache-2.0
"""Compares what `turnery show --json` says with dumps made by TensorFlow: every value of the dump must be there.

usage: show_equal.py events|records DUMP.json < what show said
"""
import base64
import json
import struct
import sys


def single(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def number(x):
    return {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}.get(x, x) if isinstance(x, str) else x


def raw(x):
    """The bytes of a string, which is in base64 or not: which of the two is a matter of taste."""
    return base64.b64decode(x["b64"]) if isinstance(x, dict) else x.encode()


def same(want, got, at):
    if isinstance(want, dict) and set(want) == {"b64"}:
        assert raw(want) == raw(got), at
    elif isinstance(want, dict):
        assert isinstance(got, dict), at
        for key in want:
            if key != "pixels":  # what is in the picture, which is compared as it is encoded
                assert key in got, "%s: no %s" % (at, key)
                same(want[key], got[key], "%s.%s" % (at, key))
    elif isinstance(want, list):
        assert isinstance(got, list) and len(want) == len(got), at
        for i, pair in enumerate(zip(want, got)):
            same(*pair, "%s[%d]" % (at, i))
    elif isinstance(want, float) or isinstance(got, float):
        w, g = number(want), number(got)
        assert w == g or (w != w and g != g) or (abs(w) < 3e38 and single(w) == single(g)), "%s: %s, not %s" % (at, got, want)
    else:
        assert want == got, "%s: %s, not %s" % (at, got, want)


def feature(f):
    return {"kind": f["kind"], "value": f["values"]} if f["kind"] else {"kind": None}


def message(record):
    features = {f["feature"]: feature(f) for f in record["features"]}
    if record["kind"] == "example":
        return features
    return {"context": features, "feature_lists": {l["feature"]: [feature(s) for s in l["steps"]] for l in record["feature_lists"]}}


said, dump = json.load(sys.stdin), json.load(open(sys.argv[2]))
if sys.argv[1] == "events":
    same(dump, said["events"], "events")
    assert said["count"] == len(dump)
else:
    got = [message(r) for r in said["records"]]
    want = [r["message"] for r in dump]
    empty = [i for i, w in enumerate(want) if not any(w.values())]  # an empty message is an Example and a SequenceExample
    for i in empty:
        got[i] = want[i] = {}
    same(want, got, "records")
    assert [r["bytes"] for r in said["records"]] == [len(base64.b64decode(r["serialized_b64"])) for r in dump]
