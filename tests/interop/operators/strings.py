# SPDX-License-Identifier: Apache-2.0
"""Strings: measured, cut, joined, split, hashed, converted, matched."""
from case import *

WORDS = ["", "a", "Hello World", "ÄÖÜ straße", "日本語 テキスト", "  spaced\tout \n", "1,2,,3", "x=1;y=2", b"\xff\x00\xfe", "a.b.c", "ab" * 20, "ıſ", "12.5e-3"]
NUMBERS = ["0", "-1", " 42 ", "3.5", "-2.25e3", "1e10", "nan", "-inf", "+7", "0x1f", "2147483647", "9223372036854775807", ".5", "5."]
BAD = ["", "abc", "1 2", "1e", "99999999999999999999", "3.5.1", "--1"]
PATTERNS = ["a", "[a-z]+", "^a.*$", r"\d+", r"(\w)(\w)", "", "b*", "(a|b)+?", r"\s", "[^,]*", r"\bb", "(?i)HELLO", r"x{2,3}|a{1}", r"\.", "[[:alpha:]]+"]


def shapes(rng):
    return shape_of(rng, int(rng.integers(0, 3)), 4, .05)


def simple(rng):
    x = texts(rng, WORDS, *shapes(rng))
    yield case("StringLength", lambda x: raw.StringLength(input=x, unit=pick(rng, "BYTE", "UTF8_CHAR")), x)
    for op in ("StringLower", "StringUpper"):
        yield case(op, lambda x: getattr(raw, op)(input=x, encoding=pick(rng, "", "utf-8")), x)
    yield case("StringStrip", lambda x: raw.StringStrip(input=x), x)
    n = int(rng.integers(1, 4))
    parts = [texts(rng, WORDS, *(x.shape if rng.random() < .7 else ())) for _ in range(n)]
    yield case("StringJoin", lambda *x: raw.StringJoin(inputs=list(x), separator=pick(rng, "", "-", ", ")), *parts)
    t = pick(rng, I32, I64)
    yield case("Substr", lambda x, p, n: raw.Substr(input=x, pos=p, len=n, unit=pick(rng, "BYTE", "UTF8_CHAR")), texts(rng, ["Hello", "日本語", "abcdef"], 3),
               rng.integers(-4, 5 if rng.random() < .2 else 3, pick(rng, (), (3,))).astype(t), np.array(rng.integers(0, 4), t), shapes="known")
    for op in ("StringToHashBucket", "StringToHashBucketFast"):
        key = {"string_tensor" if op == "StringToHashBucket" else "input": 0}
        yield case(op, lambda x: getattr(raw, op)(**{k: x for k in key}, num_buckets=int(rng.integers(1, 10**6))), x)
    yield case("StringToHashBucketStrong", lambda x: raw.StringToHashBucketStrong(input=x, num_buckets=int(rng.integers(1, 1000)),
                                                                                  key=[int(v) for v in rng.integers(0, 2**40, 2)]), x)
    yield case("RegexFullMatch", lambda x, p: raw.RegexFullMatch(input=x, pattern=p), x, np.array(pick(rng, *PATTERNS), object))
    yield case("StaticRegexFullMatch", lambda x: raw.StaticRegexFullMatch(input=x, pattern=pick(rng, *PATTERNS)), x)
    rewrite = pick(rng, "", "<\\0>", "X", r"\\")
    yield case("RegexReplace", lambda x, p: raw.RegexReplace(input=x, pattern=p, rewrite=rewrite, replace_global=bool(rng.integers(0, 2))), x,
               np.array(pick(rng, *PATTERNS), object))
    yield case("StaticRegexReplace", lambda x: raw.StaticRegexReplace(input=x, pattern=r"(\w)(\w)", rewrite=r"\2\1", replace_global=bool(rng.integers(0, 2))), x)


def splits(rng):
    x = texts(rng, WORDS, int(rng.integers(1, 5)))
    yield case("StringSplitV2", lambda x, s: raw.StringSplitV2(input=x, sep=s, maxsplit=pick(rng, -1, 1, 2)), x, np.array(pick(rng, "", ",", " ", "b", ",,"), object))
    yield case("StringSplit", lambda x, s: raw.StringSplit(input=x, delimiter=s, skip_empty=bool(rng.integers(0, 2))), x, np.array(pick(rng, "", ",", ", ;"), object))
    y = texts(rng, WORDS, *[int(v) for v in rng.integers(1, 4, int(rng.integers(1, 4)))])
    axes = np.unique(rng.integers(-y.ndim, 0, int(rng.integers(0, 3)))).astype(I32)
    yield case("ReduceJoin", lambda x, a: raw.ReduceJoin(inputs=x, reduction_indices=a, keep_dims=bool(rng.integers(0, 2)), separator="+"), y, axes)
    data = texts(rng, ["a", "bb", "c", "dé"], 7)
    t = pick(rng, I32, I64)
    rows = np.array([0, 2, 2, 7], t)
    how = dict(separator=pick(rng, "|", ""), ngram_widths=[int(v) for v in rng.integers(1, 4, int(rng.integers(1, 3)))], left_pad=pick(rng, "", "<"), right_pad=pick(rng, "", ">"),
               pad_width=int(rng.integers(-1, 3)), preserve_short_sequences=bool(rng.integers(0, 2)))
    yield case("StringNGrams", lambda d, s: raw.StringNGrams(data=d, data_splits=s, **how), data, rows)


def conversions(rng):
    t = pick(rng, F32, F64, I32, I64)
    words = NUMBERS if rng.random() < .5 else [w for w in NUMBERS if w.strip().lstrip("+-").isdigit() and len(w) < 11]
    yield case("StringToNumber", lambda x: raw.StringToNumber(string_tensor=x, out_type=t), texts(rng, words, 3))
    yield case("StringToNumber", lambda x: raw.StringToNumber(string_tensor=x, out_type=t), texts(rng, BAD, 1))
    t = pick(rng, F32, F64, I8, I32, I64, U8, BOOL, C64, F16)
    how = dict(precision=pick(rng, -1, 2, 5), width=pick(rng, -1, 6), fill=pick(rng, "", "0", " "))
    if np.dtype(t).kind in "iub":
        how["precision"] = -1
    if np.dtype(t).kind == "f":
        how.update(pick(rng, {}, {"scientific": True}, {"shortest": True}))
    x = draw(rng, t, 2, 3)
    yield case("AsString", lambda x: raw.AsString(input=x, **how), x)
    t = pick(rng, F16, F32, F64, I8, I16, I32, I64, U8, U16, BOOL)
    n = np.dtype(t).itemsize * int(rng.integers(0, 4))
    raws = np.array([bytes(rng.integers(0, 2 if t == BOOL else 100, n, dtype=U8)) for _ in range(2)], object)
    yield case("DecodeRaw", lambda x: raw.DecodeRaw(bytes=x, out_type=t, little_endian=bool(rng.integers(0, 2))), raws)
    yield case("Equal", lambda x, y: raw.Equal(x=x, y=y), texts(rng, WORDS[:4], 5), texts(rng, WORDS[:4], 5))
    yield case("Add", lambda x, y: raw.Add(x=x, y=y), texts(rng, WORDS, 3), texts(rng, WORDS, 3))


def malformed(rng):
    """Case of what is no UTF-8: each longest beginning of a character is one error."""
    pieces = [b"A", b"\xc3\x89", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xf0\x80\x80\x80", b"\xe2\x82", b"\xf0\x9f\x98", b"\xf8\x88\x80\x80\x80",
              b"\xe1\xc3", b"\xff", b"\xed\x9f\xbf", b"\xf4\x8f\xbf\xbf"]
    words = [b"".join(pick(rng, *pieces) for _ in range(int(rng.integers(1, 4)))) for _ in range(12)]
    for op in ("StringLower", "StringUpper"):
        yield case(op, lambda x: getattr(raw, op)(input=x, encoding="utf-8"), np.array(pieces + words, object))


CHARACTERS = "aAzZ09_-.,;:!?'\"()[]{} \t\n$€+<=>^`~|\u00a0\u0301éÉßøαΩσΣжЖאب中あアー가ǅªº²½Ⅷ\u200b\u2028\ufffd\U0001f600\U00010400\u0378\ue000"
CLASSES = ["Any"] + list("LMNPSZC") + "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co".split() + \
    "Latin Greek Cyrillic Han Hiragana Katakana Hangul Arabic Hebrew Thai Devanagari Common Inherited Deseret".split()


def unicode_classes(rng):
    chars = np.array(list(CHARACTERS) + [b"\xff", b"", b"\xc3", "ab"], object)
    full = lambda p: case("StaticRegexFullMatch", lambda x: raw.StaticRegexFullMatch(input=x, pattern=p), chars)
    for name in CLASSES:
        yield full(pick(rng, r"\p{%s}", r"\P{%s}", r"[\p{%s}]", r"[^\p{%s}]", r"\p{^%s}", r"\P{^%s}", r"\p{%s}+") % name)
    for p in (r"\pL", r"\PN", r"[\pL\d]", r"[\p{N}-z]", r"(?i)\p{Lu}x", r"[[:^alpha:]\p{Greek}]", r"\p{foo}", r"\p{Cn}", r"\p{lu}", r"\p{L", r"\p", r"[\p",
              r"\p{}", r"\p{^}", r"\pé", r"[\pZ\pP]{2,}", r"[^\pL\pN]"):
        yield full(p)
    words = np.array(["Hello, wörld! 123 αβγ—«x»", "日本語テキスト。No 5", "", "İstanbul’da 2½ €", b"bad\xff\xfebytes, ok."], object)
    for p in (r"\p{P}", r"[^\p{L}\p{N}\s]+", r"(\pL+)(\pN*)", r"[\p{Han}\p{Katakana}]", r"\p{Lu}\p{Ll}+", r"(?i)[\p{Lo}x]+", r"\P{L}+|\p{Lu}"):
        yield case("StaticRegexReplace", lambda x, p=p: raw.StaticRegexReplace(input=x, pattern=p, rewrite="<\\0>"), words)


def unicode_characters(rng):
    yield case("UnicodeScript", lambda x: raw.UnicodeScript(input=x), np.array([ord(c) for c in CHARACTERS] + [-1, 0x110000, 0xd800, 0x10ffff, -2**31], I32))
    for shape in ((400,), (3, 0), ()):
        yield case("UnicodeScript", lambda x: raw.UnicodeScript(input=x), draw(rng, I32, *shape, low=0, high=pick(rng, 0x110000, 0x3000)))
    words = list(CHARACTERS) + ["ΑΣ", "ΑΣ Σ", "Σ", "ΑΣΑ", "Α.Σ", "ΑΣ.", "ΑΣ.Α", "Α\u00adΣ", "İI", "ŉß", "ﬃﬀ", "aΣ̈", "1Σ", "AΣ1", "ΑΣ'Α", "ᾳᾼΐ", "straße", "ΣΣ", "ⅧΣ", "Σa",
                                "ʰΣ", "a^Σ", "aΣ^b", b"\xffA\xce\xa3", b"A\xce\xa3\xff", "ǰẖև"]
    for op in ("StringLower", "StringUpper"):
        yield case(op, lambda x: getattr(raw, op)(input=x, encoding="utf-8"), np.array(words, object))
    alphabet = ["Α", "σ", "Σ", ".", "'", " ", "1", "̈", "ª", "ß", "\u00ad", ":", "·", "-", "_"]
    some = np.array(["".join(pick(rng, *alphabet) for _ in range(int(rng.integers(2, 7)))) + "Σ" + pick(rng, *alphabet) * int(rng.integers(0, 2)) + pick(rng, "", "α")
                     for _ in range(60)], object)
    yield case("StringLower", lambda x: raw.StringLower(input=x, encoding="utf-8"), some)


def cases(rng):
    for _ in range(4):
        for family in (simple, splits, conversions):
            yield from family(rng)
    yield from malformed(rng)
    yield from unicode_classes(rng)
    yield from unicode_characters(rng)
