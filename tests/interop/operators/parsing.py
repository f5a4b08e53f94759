# SPDX-License-Identifier: Apache-2.0
"""Operators that parse records: tf.Example, tf.SequenceExample, CSV, JSON, base64, tensors as bytes."""
from case import *

WORDS = ["", "a", "bc", "\u00e9"]
OF = {F32: "float_list", I64: "int64_list", STRING: "bytes_list"}
TF = {F32: tf.float32, I64: tf.int64, STRING: tf.string}


def feature(rng, t, n):
    f = tf.train.Feature()
    values = texts(rng, WORDS, n) if t == STRING else draw(rng, t, n)
    getattr(f, OF[t]).value.extend(values.tolist())
    return f


def example(rng, plan):
    """plan: name -> (dtype, values, chance to be there)"""
    e = tf.train.Example()
    for name, (t, n, chance) in plan.items():
        if rng.random() < chance:
            e.features.feature[name].CopyFrom(feature(rng, t, n() if callable(n) else n))
    return e.SerializeToString()


def sequence(rng, context, lists):
    e = tf.train.SequenceExample()
    for name, (t, n, chance) in context.items():
        if rng.random() < chance:
            e.context.feature[name].CopyFrom(feature(rng, t, n() if callable(n) else n))
    for name, (t, n, chance) in lists.items():
        if rng.random() < chance:
            fs = e.feature_lists.feature_list[name]
            for _ in range(rng.integers(0, 4)):
                fs.feature.append(feature(rng, t, n() if callable(n) else n))
    return e.SerializeToString()


def flat(op, **kw):
    return tf.nest.flatten(op(**kw))


def without_batch(out):
    """The results of ParseSequenceExampleV2; of a scalar record TensorFlow leaves the batch's row splits as they happen to be."""
    if out[9].shape.rank != 3:
        out[5], out[14] = tf.shape(out[5]), tf.shape(out[14])
    return out


def strings(*s):
    return np.array(s, object)


def default(rng, t, *shape):
    return texts(rng, WORDS, *shape) if t == STRING else draw(rng, t, *shape)


def examples(rng):
    some = lambda: int(rng.integers(0, 4))
    for _ in range(6):
        t, u, v = (pick(rng, F32, I64, STRING) for _ in range(3))
        plan = {"s": (t, some, .7), "d": (u, 2, .7), "e": (u, 2, 1), "v": (v, lambda: 2 * some(), .8), "r": (t, some, .7)}
        batch = strings(*[example(rng, plan) for _ in range(3)])
        defaults = default(rng, u, 2), default(rng, u, 0), default(rng, v, 1)
        shapes = [[2], [2, 1], [None, 2]]
        yield case("ParseExample", lambda b, x, y, z, t=t, s=shapes: flat(raw.ParseExample,
            serialized=b, names=tf.zeros([0], tf.string), sparse_keys=["s", "absent"], dense_keys=["d", "e", "v"],
            dense_defaults=[x, y, z], sparse_types=[TF[t], tf.int64], dense_shapes=s), batch, *defaults)
        split = pick(rng, tf.int32, tf.int64)
        for x in (batch, batch[0]):
            yield case("ParseExampleV2", lambda b, x, y, z, t=t, s=shapes, split=split: flat(raw.ParseExampleV2,
                serialized=b, names=tf.zeros([0], tf.string), sparse_keys=["s"], dense_keys=["d", "e", "v"],
                ragged_keys=["r", "absent"], dense_defaults=[x, y, z], num_sparse=1, sparse_types=[TF[t]],
                ragged_value_types=[TF[t], tf.int64], ragged_split_types=[split, tf.int32], dense_shapes=s), x, *defaults)
        yield case("ParseSingleExample", lambda b, x, y, z, t=t, s=shapes: flat(raw.ParseSingleExample,
            serialized=b, dense_defaults=[x, y, z], num_sparse=1, sparse_keys=["s"], dense_keys=["d", "e", "v"],
            sparse_types=[TF[t]], dense_shapes=s), batch[1], *defaults)
    one = lambda b: flat(raw.ParseExample,
        serialized=b, names=tf.zeros([0], tf.string), sparse_keys=["s"], dense_keys=["d"],
        dense_defaults=[tf.zeros([0])], sparse_types=[tf.float32], dense_shapes=[[2]])
    for plan in ({}, {"d": (F32, 3, 1)}, {"d": (I64, 2, 1)}, {"d": (F32, 2, 1), "s": (STRING, 2, 1)}):
        yield case("ParseExample", one, strings(example(rng, {"d": (F32, 2, 1)}), example(rng, plan)))
    yield case("ParseExample", one, strings(b"\x0a\xff"))
    yield case("ParseExample", one, strings())
    single = lambda b: flat(raw.ParseSingleExample, serialized=b, dense_defaults=[tf.zeros([0])], num_sparse=0, sparse_keys=[],
                                              dense_keys=["d"], sparse_types=[], dense_shapes=[[2]])
    for s in (example(rng, {}), b"nonsense", example(rng, {"d": (F32, 1, 1)})):
        yield case("ParseSingleExample", single, np.array(s, object))


def sequences(rng):
    some = lambda: int(rng.integers(0, 4))
    for _ in range(6):
        t, u = (pick(rng, F32, I64, STRING) for _ in range(2))
        context = {"s": (t, some, .7), "d": (u, 2, .7), "r": (u, some, .7)}
        lists = {"ls": (t, some, .7), "ld": (u, 2, .7), "le": (t, 1, 1), "lr": (u, some, .7)}
        batch = strings(*[sequence(rng, context, lists) for _ in range(3)])
        d = default(rng, u, 2)
        common = dict(context_sparse_types=[TF[t]], context_dense_shapes=[[2]],
                      feature_list_dense_types=[TF[u], TF[t]], feature_list_sparse_types=[TF[t]],
                      feature_list_dense_shapes=[[2], [1, 1]])
        yield case("ParseSequenceExample", lambda b, d, c=common: flat(raw.ParseSequenceExample,
            serialized=b, debug_name=tf.zeros([0], tf.string), context_dense_defaults=[d],
            feature_list_dense_missing_assumed_empty=["ld"], context_sparse_keys=["s"], context_dense_keys=["d"],
            feature_list_sparse_keys=["ls"], feature_list_dense_keys=["ld", "le"], Ncontext_sparse=1, Ncontext_dense=1,
            Nfeature_list_sparse=1, Nfeature_list_dense=2, **c), batch, d)
        split = pick(rng, tf.int32, tf.int64)
        for x in (batch, batch[0]):
            yield case("ParseSequenceExampleV2", lambda b, d, c=common, u=u, split=split: without_batch(flat(raw.ParseSequenceExampleV2,
                serialized=b, debug_name=tf.zeros([0], tf.string), context_sparse_keys=["s"], context_dense_keys=["d"],
                context_ragged_keys=["r"], feature_list_sparse_keys=["ls"], feature_list_dense_keys=["ld", "le"],
                feature_list_ragged_keys=["lr"], feature_list_dense_missing_assumed_empty=[True, False],
                context_dense_defaults=[d], Ncontext_sparse=1, Nfeature_list_sparse=1, Nfeature_list_dense=2,
                context_ragged_value_types=[TF[u]], context_ragged_split_types=[split],
                feature_list_ragged_value_types=[TF[u]], feature_list_ragged_split_types=[split], **c)), x, d, shapes="known")
        yield case("ParseSingleSequenceExample", lambda b, d, c=common: flat(raw.ParseSingleSequenceExample,
            serialized=b, feature_list_dense_missing_assumed_empty=["ld"], context_sparse_keys=["s"],
            context_dense_keys=["d"], feature_list_sparse_keys=["ls"], feature_list_dense_keys=["ld", "le"],
            context_dense_defaults=[d], debug_name="", **c), batch[2], d)
    lists = lambda b: flat(raw.ParseSequenceExample,
        serialized=b, debug_name=tf.zeros([0], tf.string), context_dense_defaults=[],
        feature_list_dense_missing_assumed_empty=[], context_sparse_keys=[], context_dense_keys=[],
        feature_list_sparse_keys=[], feature_list_dense_keys=["d"], Nfeature_list_dense=1,
        feature_list_dense_types=[tf.float32], feature_list_dense_shapes=[[2]])
    single = lambda b: flat(raw.ParseSingleSequenceExample,
        serialized=b, feature_list_dense_missing_assumed_empty=tf.zeros([0], tf.string), context_sparse_keys=[],
        context_dense_keys=[], feature_list_sparse_keys=[], feature_list_dense_keys=["d"], context_dense_defaults=[],
        debug_name="", feature_list_dense_types=[tf.float32], feature_list_dense_shapes=[[2]])
    whole = tf.train.SequenceExample()
    for n in (2, 2, 3):
        whole.feature_lists.feature_list["d"].feature.append(feature(rng, F32, n))
    other = tf.train.SequenceExample()
    other.feature_lists.feature_list["d"].feature.append(feature(rng, I64, 2))
    empty = tf.train.SequenceExample()
    empty.feature_lists.feature_list["d"].feature.add()
    for s in (whole.SerializeToString(), other.SerializeToString(), empty.SerializeToString(), b"", b"\x12\x7f"):
        yield case("ParseSequenceExample", lists, strings(s))
        yield case("ParseSingleSequenceExample", single, np.array(s, object))


def csv(rng):
    lines = strings('1,2.5,"x, ""y""",7', "3,,abc,\n", ' -4 ,1e3,"",12', "5,nan,NA,1")
    defaults = lambda a, b, c, d: dict(record_defaults=[np.array(a, np.int32), np.array(b, np.float32), np.array(c, object),
                                                        np.array(d, np.int64)])
    decode = lambda x, **kw: raw.DecodeCSV(records=x, **kw)
    for d in (defaults([0], [1.5], ["none"], [9]), defaults([], [0], [""], [0]), defaults([1], [], ["a"], [2]),
              defaults(1, 2, "s", 3)):
        yield case("DecodeCSV", lambda x, d=d: decode(x, **d), lines)
        yield case("DecodeCSV", lambda x, d=d: decode(x, na_value="NA", **d), lines.reshape(2, 2))
    some = dict(record_defaults=[np.array([0], np.float64), np.array(["d"], object)])
    for columns in ([1, 2], [0, 3], [2, 1], [0, 9], [0]):
        yield case("DecodeCSV", lambda x, c=columns: decode(x, select_cols=c, **some), strings("1,2,3,4", "5,,7,8"))
    two = dict(record_defaults=[np.array(["x"], object)] * 2)
    for line in ("a,b", "a", "a,b,c", "a,", ",", "", '"a,b', 'a"b,c', '"a"b,c', '"a",b', '"a\nb",c', "\na,b\r\n", 'a,"', 'a,""',
                 "a;b", '"a"";b"";",c', "\n"):
        yield case("DecodeCSV", lambda x: decode(x, **two), strings(line))
        yield case("DecodeCSV", lambda x: decode(x, use_quote_delim=False, **two), strings(line))
        yield case("DecodeCSV", lambda x: decode(x, field_delim=";", **two), strings(line))
    for t in (np.int32, np.int64, np.float32, np.float64):
        for text in ("12", "-1", "2147483648", "9223372036854775808", "1.5", "x", " 3 ", "+4", "1e400", "inf", "0x10"):
            yield case("DecodeCSV", lambda x, t=t: decode(x, record_defaults=[np.array([0], t)]), strings(text))


def as_bytes(rng):
    for s in ("YWI", "YWI=", "YWIj", "YWIj=", "Y", "YW==", "YW=", "YR", "-_", "+/", "a=b", "====", "", "YW I"):
        yield case("DecodeBase64", lambda x: raw.DecodeBase64(input=x), strings(s, "YQ"))
    words = strings(b"", b"a", b"ab", b"abc", b"\xff\xfe\xfb\xbf").reshape(1, 5)
    for pad in (True, False):
        yield case("EncodeBase64", lambda x, p=pad: raw.EncodeBase64(input=x, pad=p), words)
    import gzip
    import zlib
    for kind, f in (("", bytes), ("ZLIB", zlib.compress), ("GZIP", gzip.compress)):
        good = strings(f(b"hello" * 20), f(b""))
        yield case("DecodeCompressed", lambda x, k=kind: raw.DecodeCompressed(bytes=x, compression_type=k), good)
    for n in (6, 0, -4, 3, 8):
        for t in (tf.int16, tf.uint8, tf.float32, tf.bfloat16):
            yield case("DecodePaddedRaw", lambda x, n=n, t=t: raw.DecodePaddedRaw(input_bytes=x, fixed_length=n, out_type=t),
                       strings("abcd", "abcdefghi", ""))
    for t in (tf.int16, tf.int32, tf.uint8, tf.float64):
        yield case("DecodePaddedRaw", lambda x, t=t: raw.DecodePaddedRaw(
            input_bytes=x, fixed_length=8, out_type=t, little_endian=False), strings("abcd", "abc", ""))
    for x in (texts(rng, WORDS, 3), texts(rng, WORDS + ["x" * 70], 2, 3), draw(rng, I64, 2, 3), draw(rng, F32, 4), draw(rng, U8, 3, 40),
              np.array(3), np.zeros((0, 2))):
        yield case("Fingerprint", lambda x: raw.Fingerprint(data=x, method="farmhash64"), x)
    yield case("Fingerprint", lambda x: raw.Fingerprint(data=x, method="other"), draw(rng, I64, 2))


def json(rng):
    """Fed to ParseExample, since the order of a map's bytes is nobody's."""
    read = lambda x: flat(raw.ParseExample, serialized=raw.DecodeJSONExample(json_examples=x), names=tf.zeros([0], tf.string),
                          sparse_keys=["f", "i", "s"], dense_keys=[], dense_defaults=[], dense_shapes=[],
                          sparse_types=[tf.float32, tf.int64, tf.string])
    f = lambda inner: '{"features":{"feature":{%s}}}' % inner
    for text in (f('"f":{"floatList":{"value":[1,"NaN",2.5,"Infinity"]}},"i":{"int64_list":{"value":[1,"2",-3]}}'),
                 f('"s":{"bytesList":{"value":["YWI=","","-_8="]}}'), f('"f":{}'), f('"f":{"floatList":{}}'), "{}", '{"features":{}}',
                 '{"features":null}', '{"x":1}', f('"f":{"floatList":{"value":["x"]}}'), "nope", "", "[]", f('"f":{"floatList":{"value":1}}'),
                 f('"i":{"int64List":{"value":[1.5]}}'), f('"i":{"int64List":{"value":[2.0]}}'), f('"s":{"bytesList":{"value":["?"]}}'), f('"s":{"other":{}}')):
        yield case("DecodeJSONExample", read, strings(text))


def tensors(rng):
    from sparse import sparse
    for t in (F32, F64, F16, I8, I16, I32, I64, U8, U16, U32, U64, BOOL, C64, STRING):
        x = texts(rng, WORDS, 2, 3) if t == STRING else draw(rng, t, *shape_of(rng, int(rng.integers(0, 3))))
        yield case("SerializeTensor", lambda x: raw.SerializeTensor(tensor=x), x)
        yield case("ParseTensor", lambda s, t=x.dtype: raw.ParseTensor(serialized=s, out_type=tf.string if t == object else t),
                   np.array(tf.make_tensor_proto(x).SerializeToString(), object))
    for s in (b"\x08\x01", b"", b"xx", tf.make_tensor_proto([1, 2]).SerializeToString()):
        yield case("ParseTensor", lambda s: raw.ParseTensor(serialized=s, out_type=tf.float32), np.array(s, object))
    for t in (F32, I64, STRING):
        one, many = sparse(rng, t, (2, 3)), sparse(rng, t, (3, 2, 2))
        make = lambda op, i, v, s, **kw: op(sparse_indices=i, sparse_values=v, sparse_shape=s, **kw)
        yield case("SerializeSparse", lambda *x: make(raw.SerializeSparse, *x), *one)
        yield case("SerializeManySparse", lambda *x: make(raw.SerializeManySparse, *x), *many)
        of = tf.string if t == STRING else tf.as_dtype(t)
        for out in (tf.string, tf.variant):
            yield case("DeserializeSparse", lambda *x, o=out, of=of: raw.DeserializeSparse(
                serialized_sparse=make(raw.SerializeSparse, *x, out_type=o), dtype=of), *one)
            yield case("DeserializeSparse", lambda *x, o=out, of=of: raw.DeserializeSparse(
                serialized_sparse=make(raw.SerializeManySparse, *x, out_type=o), dtype=of), *many)
        yield case("DeserializeManySparse", lambda *x, of=of: raw.DeserializeManySparse(
            serialized_sparse=make(raw.SerializeManySparse, *x), dtype=of), *many)
        yield case("DeserializeManySparse", lambda *x: raw.DeserializeManySparse(
            serialized_sparse=make(raw.SerializeManySparse, *x), dtype=tf.float64), *many)
        for shared in ("", "name"):
            yield case("TakeManySparseFromTensorsMap", lambda *x, of=of, s=shared: raw.TakeManySparseFromTensorsMap(
                sparse_handles=make(raw.AddManySparseToTensorsMap, *x, shared_name=s or "m%d" % len(x)), dtype=of,
                shared_name=s or "m%d" % len(x)), *many)
            yield case("TakeManySparseFromTensorsMap", lambda *x, of=of, s=shared: raw.TakeManySparseFromTensorsMap(
                sparse_handles=tf.expand_dims(make(raw.AddSparseToTensorsMap, *x, shared_name="q"), 0), dtype=of,
                shared_name="q"), *one)
    for i in ([[1, 0], [0, 0]], [[0, 0], [5, 0]], [[0], [1]]):
        yield case("SerializeManySparse", lambda *x: make(raw.SerializeManySparse, *x), np.array(i), np.ones(2, np.float32),
                   np.full(len(i[0]), 3))


def cases(rng):
    for part in (examples, sequences, csv, as_bytes, json, tensors):
        yield from part(rng)
