# SPDX-License-Identifier: Apache-2.0
"""Unicode text, distances between sequences, tensors as text, joined segments."""
from case import *
from sparse import sparse

PIECES = [b"a", b"\xc3\xa9", b"\xe2\x82\xac", b"\xf0\x9f\x98\x80", b"\x00", b"\x01", b"\x1f", b"\x7f", b"\xc0", b"\xff", b"\xe2\x82", b"\x80",
          b"\xed\xa0\x80", b"\xf0\x9f", b"\xf4\x90\x80\x80", b"\xc3", b"\xe0\x80", b"\xef\xbb\xbf", b"\xef\xbf\xbe", b"z"]


def broken(rng, *shape):
    out = np.empty(shape, object)
    for i in np.ndindex(*shape):
        out[i] = b"".join(PIECES[k] for k in rng.integers(0, len(PIECES), rng.integers(0, 8)))
    return out


def sound(rng, encoding, *shape):
    letters = "a\u00e9\u20ac\U0001f600\u0001z" if encoding not in ("US-ASCII", "ISO-8859-1") else "abz"
    out = np.empty(shape, object)
    for i in np.ndindex(*shape):
        s = "".join(letters[k] for k in rng.integers(0, len(letters), rng.integers(0, 6)))
        out[i] = s.encode(encoding.lower().replace("-be", "be").replace("-le", "le"))
    return out


def unicode(rng):
    for errors in ("replace", "ignore", "strict"):
        for controls in (False, True):
            for op in ("UnicodeDecode", "UnicodeDecodeWithOffsets"):
                kw = dict(input_encoding="UTF-8", errors=errors, replacement_char=0xfffd if controls else 63,
                          replace_control_characters=controls, Tsplits=tf.int64 if "With" in op else pick(rng, tf.int32, tf.int64))
                for _ in range(3):
                    yield case(op, lambda x, op=op, kw=kw: getattr(raw, op)(input=x, **kw), broken(rng, 4))
                yield case(op, lambda x, op=op, kw=kw: getattr(raw, op)(input=x, **kw), sound(rng, "UTF-8", 2, 2))
            for to in ("UTF-8", "UTF-16-BE", "UTF-32-BE"):
                for _ in range(2):
                    yield case("UnicodeTranscode", lambda x, e=errors, c=controls, to=to: raw.UnicodeTranscode(
                        input=x, input_encoding="UTF-8", output_encoding=to, errors=e, replace_control_characters=c), broken(rng, 3))
    for encoding in ("UTF-8", "UTF-16-BE", "UTF-16-LE", "UTF-32-BE", "UTF-32-LE", "US-ASCII", "ISO-8859-1"):
        x = sound(rng, encoding, 4)
        yield case("UnicodeDecodeWithOffsets", lambda x, e=encoding: raw.UnicodeDecodeWithOffsets(input=x, input_encoding=e), x)
        for to in ("UTF-8", "UTF-16-BE", "UTF-32-BE"):
            yield case("UnicodeTranscode", lambda x, e=encoding, to=to: raw.UnicodeTranscode(
                input=x, input_encoding=e, output_encoding=to), x)
        y = np.array([s[:-1] if s else b"\xd8" for s in x] + [b"\xd8\x00\x00\x41", b"\xff", b"\x00\xd8\x41\x00", b"\x00\x11\x00\x00"], object)
        yield case("UnicodeDecodeWithOffsets", lambda x, e=encoding: raw.UnicodeDecodeWithOffsets(input=x, input_encoding=e), y)
    yield case("UnicodeDecode", lambda x: raw.UnicodeDecode(input=x, input_encoding="nonsense"), np.array(["a"], object))
    yield case("UnicodeDecode", lambda x: raw.UnicodeDecode(input=x, input_encoding="utf-8"), np.zeros((0,), object))
    for errors in ("replace", "ignore", "strict"):
        for to in ("UTF-8", "UTF-16-BE", "UTF-32-BE"):
            v = rng.choice([65, 0xe9, 0x20ac, 0x1f600, 0xd800, -1, 0x110000, 0xfffe, 0xfdd0, 0], 8).astype(np.int32)
            yield case("UnicodeEncode", lambda v, s, e=errors, to=to: raw.UnicodeEncode(
                input_values=v, input_splits=s, errors=e, output_encoding=to), v, np.array([0, 3, 3, 8]))
    for splits in ([0, 9], [1, 8], [0, 5, 3, 8], [], [0, 4], [0]):
        yield case("UnicodeEncode", lambda v, s: raw.UnicodeEncode(input_values=v, input_splits=s, output_encoding="UTF-8"),
                   np.full(8, 65, np.int32), np.array(splits, np.int32))


def distances(rng):
    for t in (I64, STRING, I32, F32, U8):
        for normalize in (True, False):
            for rank in (1, 2, 3):
                shape = tuple(rng.integers(1, 4, rank - 1))
                a, b = ([*sparse(rng, t, shape + (5,))] for _ in range(2))
                for x in (a, b):
                    x[1] = texts(rng, "ab", len(x[1])) if t == STRING else draw(rng, t, len(x[1]), low=0, high=3)
                yield case("EditDistance", lambda *x, n=normalize: raw.EditDistance(
                    hypothesis_indices=x[0], hypothesis_values=x[1], hypothesis_shape=x[2], truth_indices=x[3], truth_values=x[4],
                    truth_shape=x[5], normalize=n), *a, *b)
    two = lambda *x: raw.EditDistance(hypothesis_indices=x[0], hypothesis_values=x[1], hypothesis_shape=x[2], truth_indices=x[3],
                                      truth_values=x[4], truth_shape=x[5])
    yield case("EditDistance", two, *sparse(rng, I64, (2, 3)), *sparse(rng, I64, (2, 3, 2)))
    yield case("EditDistance", two, *sparse(rng, I64, (2, 3)), *sparse(rng, I64, (3, 5)))
    yield case("EditDistance", two, np.array([[0, 7]]), np.array([1]), np.array([2, 3]), *sparse(rng, I64, (2, 3)))


def formats(rng):
    for t in (F32, F64, F16, BF16, I8, I16, I32, I64, U8, U16, U32, U64, BOOL, STRING, C64):
        for shape in ((), (9,), (2, 3), (7, 7), (2, 2, 3), (0,), (2, 0)):
            x = texts(rng, ["a", "", "b c", "q\"\n\\"], *shape) if t == STRING else draw(rng, t, *shape)
            yield case("StringFormat", lambda x, n=int(rng.integers(-1, 4)): raw.StringFormat(
                inputs=[x], template="<%s>", summarize=n or 1), x)
    x = np.array([0.1, 1 / 3, 1e10, 1e-7, np.nan, np.inf, -np.inf, 1e5, 1234567, -0.0])
    for t in (np.float32, np.float64):
        yield case("StringFormat", lambda x: raw.StringFormat(inputs=[x, x], template="{} and {}", placeholder="{}", summarize=-1), x.astype(t))
    for template in ("x", "%s %s", "%s"):
        yield case("StringFormat", lambda x, s=template: raw.StringFormat(inputs=[x], template=s), draw(rng, F32, 2))
    yield case("StringFormat", lambda: raw.StringFormat(inputs=[], template="nothing"))


def joined(rng):
    words = ["a", "bc", "", "\u00e9"]
    for ids_shape, shape in (((6,), (6,)), ((4,), (4, 2)), ((2, 3), (2, 3)), ((0,), (0, 2))):
        for it in (I32, I64):
            yield case("UnsortedSegmentJoin", lambda x, i, n, s=pick(rng, "", "-"): raw.UnsortedSegmentJoin(
                inputs=x, segment_ids=i, num_segments=n, separator=s), texts(rng, words, *shape),
                draw(rng, it, *ids_shape, low=0, high=3), np.array(3, pick(rng, np.int32, np.int64)))
    for ids, n in (([0, 3], 3), ([0, -1], 3), ([0, 1], -1), ([0], 3), ([0, 1], 0)):
        yield case("UnsortedSegmentJoin", lambda x, i, n: raw.UnsortedSegmentJoin(inputs=x, segment_ids=i, num_segments=n),
                   texts(rng, words, 2), np.array(ids), np.array(n, np.int32))


def cases(rng):
    for part in (unicode, distances, formats, joined):
        yield from part(rng)
    yield case("UnicodeTranscode", lambda x: raw.UnicodeTranscode(input=x, input_encoding="UTF-8", output_encoding="UTF-8", errors="strict",
                                                                  replace_control_characters=True), np.array([b"a\x01"], object))
