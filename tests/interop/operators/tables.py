# SPDX-License-Identifier: Apache-2.0
"""Lookup tables: made, filled, asked; in TensorFlow 1's form with references, with resources, without a name."""
from case import *

WORDS = ["", "a", "b", "c", "\u00e9"]


def tf_type(t):
    return tf.string if t == STRING else tf.as_dtype(t)


def draw_any(rng, t, *shape):
    return texts(rng, WORDS, *shape) if t == STRING else draw(rng, t, *shape)


def keys_of(rng, t, n):
    """n different keys"""
    if t == STRING:
        return np.array([("k%d" % i).encode() for i in rng.permutation(50)[:n]], object)
    return rng.permutation(50)[:n].astype(t)


def after(ops, f):
    with tf.control_dependencies(ops):
        return f()


def fixed(rng):
    for k, v in ((STRING, I64), (I64, STRING), (I64, F32), (STRING, F32), (STRING, STRING), (I32, I32), (I64, I64)):
        keys, values = keys_of(rng, k, 4), draw_any(rng, v, 4)
        ask = np.concatenate([keys[:2], keys_of(rng, k, 4)]).reshape(2, 3)
        d = draw_any(rng, v)
        for old in (True, False):
            two = "" if old else "V2"

            def build(keys, values, ask, d, k=k, v=v, two=two):
                t = getattr(raw, "HashTable" + two)(key_dtype=tf_type(k), value_dtype=tf_type(v))
                init = getattr(raw, "InitializeTable" + two)(table_handle=t, keys=keys, values=values)
                return after([init], lambda: [
                    getattr(raw, "LookupTableFind" + two)(table_handle=t, keys=ask, default_value=d),
                    getattr(raw, "LookupTableSize" + two)(table_handle=t)])
            yield case("LookupTableFind" + two, build, keys, values, ask, d)

    def anonymous(keys, values):
        t = raw.AnonymousHashTable(key_dtype=tf.string, value_dtype=tf.int64)
        init = raw.LookupTableImportV2(table_handle=t, keys=keys, values=values)
        return after([init], lambda: [raw.LookupTableFindV2(table_handle=t, keys=keys, default_value=tf.constant(-1, tf.int64)),
                                      raw.LookupTableSizeV2(table_handle=t)])
    yield case("AnonymousHashTable", anonymous, keys_of(rng, STRING, 3), np.array([1, 2, 3]))
    yield case("AnonymousHashTable", anonymous, np.array(["a", "a"], object), np.array([1, 2]))
    yield case("AnonymousHashTable", anonymous, np.array(["a", "a"], object), np.array([2, 2]))
    yield case("AnonymousHashTable", anonymous, keys_of(rng, STRING, 3), np.array([1, 2]))

    def empty(keys):
        t = raw.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)
        return raw.LookupTableFindV2(table_handle=t, keys=keys, default_value=tf.constant(-1, tf.int64))
    yield case("LookupTableFindV2", empty, keys_of(rng, STRING, 3))


def changing(rng):
    makers = {
        "MutableHashTable": lambda op, k, v, s: op(key_dtype=k, value_dtype=v),
        "MutableHashTableV2": lambda op, k, v, s: op(key_dtype=k, value_dtype=v),
        "AnonymousMutableHashTable": lambda op, k, v, s: op(key_dtype=k, value_dtype=v),
        "MutableHashTableOfTensors": lambda op, k, v, s: op(key_dtype=k, value_dtype=v, value_shape=s),
        "MutableHashTableOfTensorsV2": lambda op, k, v, s: op(key_dtype=k, value_dtype=v, value_shape=s),
        "AnonymousMutableHashTableOfTensors": lambda op, k, v, s: op(key_dtype=k, value_dtype=v, value_shape=s),
        "MutableDenseHashTableV2": lambda op, k, v, s: op(empty_key=empty(k, 0), deleted_key=empty(k, 1), value_dtype=v,
                                                          value_shape=s),
        "AnonymousMutableDenseHashTable": lambda op, k, v, s: op(empty_key=empty(k, 0), deleted_key=empty(k, 1), value_dtype=v,
                                                                 value_shape=s),
    }
    empty = lambda k, i: tf.constant(["\x00empty", "\x00deleted"][i]) if k == tf.string else tf.constant(-1 - i, k)
    for name, make in makers.items():
        for k, v in ((STRING, I64), (I64, F32), (I64, I64), (STRING, F32), (I64, STRING)):
            if "Dense" in name and v == STRING:
                continue
            shape = (2,) if "Tensors" in name or ("Dense" in name and rng.random() < 0.5) else ()
            keys, values = keys_of(rng, k, 4), draw_any(rng, v, 4, *shape)
            more, others = keys_of(rng, k, 3), draw_any(rng, v, 3, *shape)
            ask = np.concatenate([keys[:2], more[:1], keys_of(rng, k, 2)])
            two = "V2" if "V2" in name or "Anonymous" in name else ""

            def build(keys, values, more, others, ask, d, name=name, make=make, k=k, v=v, s=shape, two=two):
                t = make(getattr(raw, name), tf_type(k), tf_type(v), list(s))
                first = getattr(raw, "LookupTableInsert" + two)(table_handle=t, keys=keys, values=values)
                second = after([first], lambda: getattr(raw, "LookupTableInsert" + two)(table_handle=t, keys=more, values=others))
                ops = [second]
                if two:
                    ops = [after(ops, lambda: raw.LookupTableRemoveV2(table_handle=t, keys=keys[:1]))]
                return after(ops, lambda: [
                    getattr(raw, "LookupTableFind" + two)(table_handle=t, keys=ask, default_value=d),
                    getattr(raw, "LookupTableSize" + two)(table_handle=t)])
            yield case(name, build, keys, values, more, others, ask, draw_any(rng, v, *shape))
    dense = lambda key: lambda values, d: after([], lambda: (lambda t: after(
        [raw.LookupTableInsertV2(table_handle=t, keys=tf.constant(key, tf.int64), values=values)],
        lambda: raw.LookupTableFindV2(table_handle=t, keys=tf.constant(key, tf.int64), default_value=d)))(
            raw.MutableDenseHashTableV2(empty_key=tf.constant(-1, tf.int64), deleted_key=tf.constant(-2, tf.int64),
                                        value_dtype=tf.float32)))
    for key in ([-1], [-2], [3]):
        yield case("MutableDenseHashTableV2", dense(key), draw(rng, F32, 1), draw(rng, F32))

    def exported(keys, values):
        t = raw.MutableHashTableV2(key_dtype=tf.int64, value_dtype=tf.float32)
        k, v = after([raw.LookupTableImportV2(table_handle=t, keys=keys, values=values)],
                     lambda: raw.LookupTableExportV2(table_handle=t, Tkeys=tf.int64, Tvalues=tf.float32))
        order = tf.argsort(k)
        return tf.gather(k, order), tf.gather(v, order)
    yield case("LookupTableExportV2", exported, keys_of(rng, I64, 5), draw(rng, F32, 5))

    def dense_exported(key, how, shape):
        """Buckets as they lie in memory; keys that share one are there in any order."""
        def build(keys, values):
            t = raw.MutableDenseHashTableV2(empty_key=tf.constant(-1, key), deleted_key=tf.constant(-2, key),
                                            value_dtype=tf.float32, value_shape=shape, initial_num_buckets=8)
            k, v = after([getattr(raw, how)(table_handle=t, keys=keys, values=values)],
                         lambda: raw.LookupTableExportV2(table_handle=t, Tkeys=key, Tvalues=tf.float32))
            order = tf.argsort(k[:, 0], stable=True)
            return [tf.gather(k, order), tf.gather(v, order), raw.LookupTableSizeV2(table_handle=t)]
        return build
    for key in (I64, I32):
        keys = np.arange(7, 70, 9)[:rng.integers(1, 7)]
        yield case("LookupTableExportV2", dense_exported(tf_type(key), "LookupTableInsertV2", [2]), keys.astype(key), draw(rng, F32, len(keys), 2))
    buckets = np.array([-1, -1, 10, -1, 3, -1, -1, -1])[:, None]
    held = np.where(buckets < 0, 0, draw(rng, F32, 8, 1)).astype(F32)
    yield case("LookupTableImportV2", dense_exported(tf.int64, "LookupTableImportV2", []), buckets, held)
    yield case("LookupTableImportV2", dense_exported(tf.int64, "LookupTableImportV2", []), buckets[:, 0], held[:, 0])
    for n, load in ((9, 0.8), (2, 0.8), (8, 1.0)):
        yield case("MutableDenseHashTableV2", lambda n=n, load=load: raw.LookupTableSizeV2(
            table_handle=raw.MutableDenseHashTableV2(empty_key=tf.constant(-1, tf.int64), deleted_key=tf.constant(-2, tf.int64), value_dtype=tf.float32,
                                                     initial_num_buckets=n, max_load_factor=load)))


def cases(rng):
    for part in (fixed, changing):
        yield from part(rng)
