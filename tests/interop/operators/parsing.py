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


def cases(rng):
    for part in (examples, sequences):
        yield from part(rng)
