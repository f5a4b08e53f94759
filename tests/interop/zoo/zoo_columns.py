# SPDX-License-Identifier: Apache-2.0
"""Feature columns and what estimators export: serialized tf.Examples are parsed, go through columns, and come out under the
signatures of classification, regression and prediction."""
import numpy as np
import tensorflow as tf

from zoo import graph, v1
from zoo_v1 import dense, old

fc = tf.feature_column
c1 = v1.feature_column


def example(**features):
    e = tf.train.Example()
    for k, v in features.items():
        v = np.atleast_1d(v).tolist()
        f = e.features.feature[k]
        if v and isinstance(v[0], (bytes, str)):
            f.bytes_list.value.extend([x.encode() if isinstance(x, str) else x for x in v])
        elif v and isinstance(v[0], int):
            f.int64_list.value.extend(v)
        else:
            f.float_list.value.extend(v)
    return e.SerializeToString()


EXAMPLES = np.array([example(age=33.0, city="rome", tags=["a", "b", "zz"], n=3, w=[0.5, 1.5, 2.0], id=[1, 2]),
                     example(age=71.5, city="oslo", tags=["c"], n=7, w=[1.0], id=[9]),
                     example(age=5.0, city="nowhere", n=0),
                     example(age=40.0, city="bern", tags=["b", "b"], n=2, w=[1.0, 3.0], id=[1, 1, 4])], object)


def columns(z):
    vocabulary = z.path("cities.txt")
    with open(vocabulary, "w") as f:
        f.write("rome\noslo\nbern\nparis\n")
    age = fc.numeric_column("age", default_value=1.0, normalizer_fn=lambda x: (x - 30.0) / 10.0)
    buckets = fc.bucketized_column(fc.numeric_column("age", default_value=1.0), [18.0, 40.0, 65.0])
    city = fc.categorical_column_with_vocabulary_file("city", vocabulary, 4, num_oov_buckets=2)
    tags = fc.categorical_column_with_vocabulary_list("tags", ["a", "b", "c"], num_oov_buckets=1)
    hashed = fc.categorical_column_with_hash_bucket("tags", 11)
    n = fc.categorical_column_with_identity("n", 6, default_value=0)
    ids = fc.categorical_column_with_hash_bucket("id", 7, tf.int64)
    return age, buckets, city, tags, hashed, n, ids


def export(z, receiver, outputs, methods=("serving_default",), train=None):
    """SavedModel by hand as estimators write it: signatures per head, tables' init op, assets."""
    folder = z.path("export")
    build = v1.saved_model.builder.SavedModelBuilder(folder)
    info = v1.saved_model.utils.build_tensor_info
    signatures = {name: v1.saved_model.signature_def_utils.build_signature_def({"inputs" if m != "tensorflow/serving/predict" else "examples": info(receiver)},
                                                                              {k: info(t) for k, t in out.items()}, m) for name, (m, out) in outputs.items()}
    with v1.Session() as s:
        s.run([v1.global_variables_initializer(), v1.local_variables_initializer(), v1.tables_initializer()])
        build.add_meta_graph_and_variables(s, ["serve"], signatures, assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS),
                                           main_op=v1.tables_initializer() if not v1.get_collection("saved_model_main_op") else None, strip_default_attrs=True)
        build.save()
        for name, (m, out) in outputs.items():
            want = s.run(out, {receiver: EXAMPLES})
            z.ask(folder, name, {"examples" if "predict" in m else "inputs": EXAMPLES}, want)


@old
def columns_linear(z):
    age, buckets, city, tags, hashed, n, ids = columns(z)
    cols = [age, buckets, city, fc.weighted_categorical_column(tags, "w"), n, ids, fc.crossed_column([buckets, "city"], 13)]
    s = v1.placeholder(tf.string, [None], "input_example_tensor")
    features = v1.parse_example(s, fc.make_parse_example_spec(cols))
    y = c1.linear_model(features, cols, units=3, sparse_combiner="mean")
    classes = tf.tile(tf.constant(["a", "b", "c"])[None], [tf.shape(y)[0], 1])
    export(z, s, {"serving_default": ("tensorflow/serving/classify", {"scores": tf.nn.softmax(y), "classes": classes}),
                  "predict": ("tensorflow/serving/predict", {"logits": y, "class_ids": tf.argmax(y, 1)[:, None]}),
                  "regression": ("tensorflow/serving/regress", {"outputs": y[:, :1]})})


@old
def columns_dnn(z):
    age, buckets, city, tags, hashed, n, ids = columns(z)
    cols = [age, buckets, fc.indicator_column(city), fc.embedding_column(tags, 3), fc.indicator_column(n),
            fc.embedding_column(ids, 2, combiner="sum", max_norm=0.5), fc.indicator_column(fc.crossed_column(["city", "tags"], 5))]
    s = v1.placeholder(tf.string, [None], "input_example_tensor")
    features = v1.parse_example(s, fc.make_parse_example_spec(cols))
    x = c1.input_layer(features, cols)
    y = dense(dense(x, 5, "h", tf.nn.relu), 1, "logits")
    p = tf.sigmoid(y)
    two = tf.concat([1 - p, p], 1)
    export(z, s, {"serving_default": ("tensorflow/serving/classify", {"scores": two, "classes": tf.as_string(tf.tile(tf.range(2)[None], [tf.shape(y)[0], 1]))}),
                  "predict": ("tensorflow/serving/predict", {"logistic": p, "logits": y, "probabilities": two, "x": x})})


@old
def columns_shared(z):
    a = c1.categorical_column_with_identity("n", 10) if hasattr(c1, "categorical_column_with_identity") else fc.categorical_column_with_identity("n", 10)
    b = fc.categorical_column_with_identity("id", 10)
    cols = c1.shared_embedding_columns([a, b], 3)
    s = v1.placeholder(tf.string, [None])
    features = v1.parse_example(s, c1.make_parse_example_spec(cols))
    x = c1.input_layer(features, cols)
    export(z, s, {"serving_default": ("tensorflow/serving/predict", {"x": x})})


@old
def columns_raw_receiver(z):
    """Inputs one by one instead of examples, with an embedding that is trained sparsely."""
    age, city, y = v1.placeholder(tf.float32, [None, 1], "age"), v1.placeholder(tf.string, [None, 1], "city"), v1.placeholder(tf.float32, [None, 1])
    cols = [fc.numeric_column("age"), fc.embedding_column(fc.categorical_column_with_hash_bucket("city", 9), 4)]
    logits = dense(c1.input_layer({"age": age, "city": city}, cols), 1, "out")
    loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=logits))
    step = v1.train.FtrlOptimizer(0.2).minimize(loss, v1.train.get_or_create_global_step())
    feed = {age: np.float32([[1], [2], [0.5]]), city: np.array([["a"], ["b"], ["a"]], object), y: np.float32([[1], [0], [1]])}
    z.train(loss, step, feed)
    with v1.Session() as s:
        s.run([v1.global_variables_initializer(), v1.tables_initializer()])
        z.saved_model(s, {"age": age, "city": city}, {"p": tf.sigmoid(logits)}, [{"age": feed[age], "city": feed[city]}])


@old
def columns_sparse_by_hand(z):
    """n-grams, hash buckets and vocabularies with sparse tensors, as text classifiers of the time were."""
    s = v1.placeholder(tf.string, [None], "text")
    words = v1.string_split(v1.strings.regex_replace(v1.strings.lower(s), "[^a-z ]", ""), " ")
    table = tf.lookup.StaticVocabularyTable(tf.lookup.KeyValueTensorInitializer(tf.constant(["the", "cat", "dog"]), tf.constant([0, 1, 2], tf.int64)), 4)
    ids = tf.SparseTensor(words.indices, table.lookup(words.values), words.dense_shape)
    e = v1.get_variable("e", [7, 3])
    bag = v1.nn.embedding_lookup_sparse(e, ids, None, combiner="mean")
    safe = v1.nn.safe_embedding_lookup_sparse(e, ids, None, combiner="sqrtn")
    ragged = tf.RaggedTensor.from_sparse(words)
    grams = tf.strings.ngrams(ragged, 2, separator=" ")
    hashed = tf.strings.to_hash_bucket_fast(grams, 16)
    counts = tf.sparse.to_dense(hashed.to_sparse())
    length = tf.cast(tf.math.segment_sum(tf.ones_like(words.values, tf.int64), words.indices[:, 0]), tf.int32)
    w = v1.get_variable("w", [16, 2])
    linear = v1.nn.embedding_lookup_sparse(w, hashed.to_sparse(), None, combiner="sum")
    with v1.Session() as session:
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        z.saved_model(session, {"text": s}, {"bag": bag, "safe": safe, "grams": counts, "length": length, "linear": linear, "words": v1.sparse_tensor_to_dense(words, "")},
                      [{"text": np.array(["The cat, the dog!", "a big cat sat on it", "dog dog"], object)}], main_op=v1.tables_initializer())


@old
def columns_sequence(z):
    s = v1.placeholder(tf.string, [None])
    context, seq, lengths = tf.io.parse_sequence_example(s, {"age": tf.io.FixedLenFeature([], tf.float32, 7.0)},
                                                         {"words": tf.io.VarLenFeature(tf.string), "x": tf.io.FixedLenSequenceFeature([2], tf.float32), "k": tf.io.RaggedFeature(tf.int64)})

    def sequence(age, words, x, k):
        e = tf.train.SequenceExample()
        if age is not None:
            e.context.feature["age"].float_list.value.append(age)
        for w in words:
            e.feature_lists.feature_list["words"].feature.add().bytes_list.value.append(w)
        for v in x:
            e.feature_lists.feature_list["x"].feature.add().float_list.value.extend(v)
        for v in k:
            e.feature_lists.feature_list["k"].feature.add().int64_list.value.extend(v)
        return e.SerializeToString()
    feed = np.array([sequence(3.0, [b"a", b"b"], [[1, 2], [3, 4]], [[1, 2], [3]]), sequence(None, [b"c"], [[5, 6]], [[]])], object)
    z.session([context["age"], v1.sparse_tensor_to_dense(seq["words"], ""), seq["x"], lengths["x"], seq["k"].flat_values], {s: feed})
