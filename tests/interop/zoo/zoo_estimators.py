# SPDX-License-Identifier: Apache-2.0
"""Whole estimators as they were exported: every kind of feature column under linear, deep, wide & deep and boosted-trees heads,
rankers that take lists of examples, and their training graphs with partitioned tables and two optimizers."""
import numpy as np
import tensorflow as tf
from tensorflow.python.feature_column import feature_column_v2 as v2

from zoo import entry, v1
from zoo_columns import example
from zoo_v1 import dense, old

fc = tf.feature_column
c1 = v1.feature_column
info = v1.saved_model.utils.build_tensor_info
CLASSIFY, REGRESS, PREDICT = ("tensorflow/serving/" + m for m in ("classify", "regress", "predict"))

ROWS = [dict(age=22.0, income=[1.5, 2.5], job="clerk", hobby=["chess", "go", "tennis"], weight=[0.5, 1.0, 2.0], zip=[94110], visits=[3, 4, 4], sex="f"),
        dict(age=47.25, income=[-0.5, 0.25], job="pilot", hobby=["go"], weight=[3.0], zip=[10001], visits=[9], sex="m"),
        dict(age=64.0, income=[0.0, 7.0], job="", sex="x"),
        dict(age=18.0, income=[4.0, 1.0], job="baker", hobby=["unknown", "go", "go"], weight=[1.0, 1.0, 0.0], zip=[5, 94110], visits=[0], sex="m"),
        dict(age=39.9, income=[2.0, 2.0], job="clerk", hobby=["tennis"], weight=[-1.0], zip=[77], visits=[1, 2], sex="f")]
EXAMPLES = np.array([example(**r) for r in ROWS], object)


def signature(inputs, outputs, method):
    return v1.saved_model.signature_def_utils.build_signature_def({k: info(t) for k, t in inputs.items()}, {k: info(t) for k, t in outputs.items()}, method)


def export(z, session, signatures, cases, tags=("serve",), folder=None):
    """signatures: name -> (inputs, outputs, method); cases: name -> feeds by input's key."""
    folder = folder or z.path("export%d" % z.n)
    build = v1.saved_model.builder.SavedModelBuilder(folder)
    build.add_meta_graph_and_variables(session, list(tags), {k: signature(*s) for k, s in signatures.items()}, main_op=v1.tables_initializer(),
                                       assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS), strip_default_attrs=True)
    build.save()
    for name, feeds in cases.items():
        inputs, outputs, _ = signatures[name]
        for feed in feeds if isinstance(feeds, list) else [feeds]:
            want = session.run(outputs, {inputs[k]: v for k, v in feed.items()})
            z.ask(folder, name, feed, want, ",".join(tags))


def started():
    s = v1.Session()
    s.run([v1.global_variables_initializer(), v1.local_variables_initializer(), v1.tables_initializer()])
    return s


def all_columns(z):
    words = z.path("jobs.txt")
    with open(words, "w") as f:
        f.write("clerk\npilot\nbaker")
    age, income = fc.numeric_column("age"), fc.numeric_column("income", (2,), default_value=[0.0, 1.0], normalizer_fn=lambda x: tf.math.log1p(tf.abs(x)))
    ages = fc.bucketized_column(age, [20, 30, 40, 50, 60])
    incomes = fc.bucketized_column(fc.numeric_column("income", (2,), default_value=[0.0, 1.0]), [0.0, 1.0, 2.0])
    job = fc.categorical_column_with_vocabulary_file("job", words, default_value=2)
    hobby = fc.categorical_column_with_vocabulary_list("hobby", ["chess", "go", "tennis"], num_oov_buckets=2)
    weighted = fc.weighted_categorical_column(fc.categorical_column_with_hash_bucket("hobby", 6), "weight")
    zips = fc.categorical_column_with_hash_bucket("zip", 20, tf.int64)
    visits = fc.categorical_column_with_identity("visits", 5, default_value=4)
    sex = fc.categorical_column_with_vocabulary_list("sex", ["f", "m"], dtype=tf.string, default_value=0)
    crosses = [fc.crossed_column([ages, "job"], 30), fc.crossed_column(["job", hobby, visits], 50, hash_key=7), fc.crossed_column([incomes, ages], 17)]
    return age, income, ages, incomes, job, hobby, weighted, zips, visits, sex, crosses


@old
def estimator_wide_deep(z):
    """DNNLinearCombinedClassifier: FTRL for the wide part, Adagrad for the deep one, three classes by name, all signatures."""
    age, income, ages, incomes, job, hobby, weighted, zips, visits, sex, crosses = all_columns(z)
    wide = [ages, job, hobby, weighted, zips, visits, sex, *crosses]
    deep = [age, income, incomes, fc.indicator_column(job), fc.indicator_column(weighted), fc.embedding_column(hobby, 3, "sqrtn"), fc.embedding_column(weighted, 2),
            fc.embedding_column(crosses[1], 4, max_norm=1.0), *c1.shared_embedding_columns([zips, fc.categorical_column_with_hash_bucket("zip2", 20, tf.int64)], 2), fc.indicator_column(visits)]
    examples = v1.placeholder(tf.string, [None], "input_example_tensor")
    spec = c1.make_parse_example_spec(wide + deep)
    features = v1.parse_example(examples, spec)
    with v1.variable_scope("linear", partitioner=v1.min_max_variable_partitioner(3, min_slice_size=16)):
        linear = c1.linear_model(features, wide, units=3)
    with v1.variable_scope("dnn", partitioner=v1.min_max_variable_partitioner(3, min_slice_size=16)):
        h = c1.input_layer(features, deep)
        deep_logits = dense(dense(dense(h, 8, "hiddenlayer_0", tf.nn.relu), 4, "hiddenlayer_1", tf.nn.elu), 3, "logits")
    logits = linear + deep_logits
    p = tf.nn.softmax(logits, name="probabilities")
    names = tf.constant(["low", "mid", "high"])
    ids = tf.argmax(logits, -1)
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(tf.range(3, dtype=tf.int64), names), "?")
    classes = tf.expand_dims(table.lookup(ids), -1)
    everything = tf.tile(names[None], [tf.shape(p)[0], 1])
    labels = v1.placeholder(tf.int64, [None, 1])
    weights = v1.placeholder_with_default(tf.ones([1, 1]), [None, 1])
    loss = v1.losses.sparse_softmax_cross_entropy(labels, logits, tf.squeeze(weights + tf.zeros_like(labels, tf.float32), 1), reduction=v1.losses.Reduction.SUM)
    step = v1.train.get_or_create_global_step()
    rate = min(0.2, 1.0 / np.sqrt(len(wide)))
    group = tf.group(v1.train.AdagradOptimizer(0.05).minimize(loss, var_list=v1.get_collection(v1.GraphKeys.TRAINABLE_VARIABLES, "dnn")),
                     v1.train.FtrlOptimizer(rate, l1_regularization_strength=0.01).minimize(loss, var_list=v1.get_collection(v1.GraphKeys.TRAINABLE_VARIABLES, "linear")))
    with tf.control_dependencies([group]):
        train = v1.assign_add(step, 1).op
    v1.summary.scalar("loss", loss)
    v1.summary.scalar("dnn/fraction_of_zero_values", tf.nn.zero_fraction(h))
    z.train(loss, train, {examples: EXAMPLES, labels: np.int64([[0], [1], [2], [1], [0]]), weights: np.float32([[1], [2], [0.5], [1], [0]])}, extra=[logits])
    with started() as s:
        s.run(train, {examples: EXAMPLES, labels: np.int64([[0], [1], [2], [1], [0]])})
        inputs = {"inputs": examples}
        feed = [{"inputs": EXAMPLES}, {"inputs": EXAMPLES[2:3]}]
        export(z, s, {"serving_default": (inputs, {"scores": p, "classes": everything}, CLASSIFY), "classification": (inputs, {"scores": p, "classes": everything}, CLASSIFY),
                      "predict": ({"examples": examples}, {"logits": logits, "probabilities": p, "class_ids": ids[:, None], "classes": classes, "all_classes": everything}, PREDICT)},
               {"serving_default": feed, "predict": {"examples": EXAMPLES}})


@old
def estimator_linear_regressor(z):
    """Regression with label dimension 1 and an offset column, parsed as the feature columns' wrapper of TensorFlow 1.4 did."""
    age, income, ages, incomes, job, hobby, weighted, zips, visits, sex, crosses = all_columns(z)
    cols = [age, income, ages, job, hobby, weighted, crosses[0]]
    examples = v1.placeholder(tf.string, [None], "input_example_tensor")
    features = v1.parse_example(examples, fc.make_parse_example_spec(cols))
    state = {}
    y = c1.linear_model(features, cols, units=1, sparse_combiner="sqrtn", cols_to_vars=state)
    zeros = v1.add_n([tf.nn.zero_fraction(v) for vs in state.values() for v in (vs if isinstance(vs, list) else [vs])])
    label = v1.placeholder(tf.float32, [None, 1])
    loss = v1.losses.mean_squared_error(label, y)
    op = v1.train.ProximalAdagradOptimizer(0.1, l1_regularization_strength=0.05, l2_regularization_strength=0.01).minimize(loss, v1.train.get_or_create_global_step())
    z.train(loss, op, {examples: EXAMPLES, label: z.f32(5, 1)}, extra=[zeros, v1.get_collection(v1.GraphKeys.GLOBAL_STEP)[0].read_value()])
    with started() as s:
        export(z, s, {"serving_default": ({"inputs": examples}, {"outputs": y}, REGRESS), "regression": ({"inputs": examples}, {"outputs": tf.squeeze(y, 1)}, REGRESS),
                      "predict": ({"examples": examples}, {"predictions": y}, PREDICT)},
               {"serving_default": {"inputs": EXAMPLES}, "regression": {"inputs": EXAMPLES}, "predict": {"examples": EXAMPLES}})


class Manager(v2.StateManager):
    """Keeps what columns make: variables and tables."""

    def __init__(self):
        self.of, self.resources = {}, {}

    def create_variable(self, column, name, shape, dtype=None, trainable=True, use_resource=True, initializer=None):
        self.of[column, name] = v1.get_variable(column.name + "/" + name, shape, dtype or tf.float32, initializer, trainable=trainable, use_resource=use_resource)

    def get_variable(self, column, name):
        return self.of[column, name]

    def add_resource(self, column, name, resource):
        self.resources[column, name] = resource

    def has_resource(self, column, name):
        return (column, name) in self.resources

    def get_resource(self, column, name):
        return self.resources[column, name]


@old
def estimator_dense_features(z):
    """The columns' classes of TensorFlow 2 (DenseFeatures' own code is gone with Keras 2): shared embeddings of the new kind, state in
    a manager; and raw receivers with sparse placeholders."""
    ids = v2.categorical_column_with_identity("visits", 12)
    other = v2.categorical_column_with_identity("clicks", 12)
    hobby = v2.categorical_column_with_vocabulary_list("hobby", ["chess", "go"], num_oov_buckets=1)
    cols = [*v2.shared_embedding_columns_v2([ids, other], 3, combiner="sum"), v2.embedding_column(hobby, 2), v2.indicator_column(hobby),
            v2.indicator_column(v2.crossed_column(["hobby", v2.bucketized_column(v2.numeric_column("age"), [30.0])], 9)), v2.numeric_column("age")]
    manager = Manager()
    for c in cols:
        c.create_state(manager)
    features = {"visits": v1.sparse_placeholder(tf.int64, [None, None], "visits"), "clicks": v1.sparse_placeholder(tf.int64, [None, None], "clicks"),
                "hobby": v1.placeholder(tf.string, [None, 2], "hobby"), "age": v1.placeholder(tf.float32, [None, 1], "age")}
    cache = v2.FeatureTransformationCache(features)
    out = tf.concat([c.get_dense_tensor(cache, manager) for c in sorted(cols, key=lambda c: c.name)], 1)
    y = dense(out, 2, "y")

    def sparse(rows):
        ix = [[i, j] for i, r in enumerate(rows) for j in range(len(r))]
        return v1.SparseTensorValue(np.int64(ix).reshape(-1, 2), np.int64(sum(rows, [])), np.int64([len(rows), max(map(len, rows))]))
    with started() as s:
        given = {features["visits"]: sparse([[1, 2], [], [3]]), features["clicks"]: sparse([[0], [11, 11], []]), features["hobby"]: np.array([["go", ""], ["x", "chess"], ["", ""]], object),
                 features["age"]: np.float32([[10], [30], [31]])}
        folder = z.path("raw")
        build = v1.saved_model.builder.SavedModelBuilder(folder)
        build.add_meta_graph_and_variables(s, ["serve"], {"serving_default": signature(features, {"x": out, "y": y}, PREDICT)}, main_op=v1.tables_initializer())
        build.save()
        want = s.run([out, y], given)
    feeds = {}
    for t, v in given.items():
        name = next(k for k, f in features.items() if f is t)
        feeds.update({name + "." + p: getattr(v, p) for p in v._fields} if isinstance(v, v1.SparseTensorValue) else {name: v})
    z.ask(folder, "serving_default", feeds, {"x": want[0], "y": want[1]})


@old
def estimator_sequence(z):
    """Sequence columns over an LSTM: sequence_input_layer of tf.contrib's days, with a context column."""
    from tensorflow.python.feature_column import sequence_feature_column as sfc
    watched = sfc.sequence_categorical_column_with_hash_bucket("watched", 10)
    seen = sfc.sequence_categorical_column_with_vocabulary_list("seen", ["a", "b"], num_oov_buckets=1)
    price = sfc.sequence_numeric_column("price", normalizer_fn=lambda x: x / 10.0)
    cols = [v2.embedding_column(watched, 3), v2.indicator_column(seen), price]
    s = v1.placeholder(tf.string, [None], "examples")
    features = v1.parse_example(s, fc.make_parse_example_spec(cols + [fc.numeric_column("age")]))

    manager, cache = Manager(), v2.FeatureTransformationCache(features)
    parts = []
    for c in cols:
        c.create_state(manager)
        with v1.variable_scope(c.name):
            dense_, length = c.get_sequence_dense_tensor(cache, manager)
        parts.append(dense_)
    x = tf.concat(parts, -1)
    h = tf.cumsum(dense(tf.reshape(x, [-1, 7]), 4, "h"), axis=0)
    y = tf.reshape(h, [tf.shape(x)[0], -1, 4])
    rows = np.array([example(age=1.0, watched=["x", "y", "z"], seen=["a", "q", "b"], price=[1.0, 2.0, 3.0]), example(age=2.0, watched=["y"], seen=["b"], price=[9.0]), example(age=3.0)], object)
    with started() as session:
        export(z, session, {"serving_default": ({"examples": s}, {"x": x, "length": length, "y": y, "age": features["age"]}, PREDICT)}, {"serving_default": [{"examples": rows}, {"examples": rows[1:2]}]})


def lists(contexts, examples):
    """ExampleListWithContext as TensorFlow Ranking's EIE: field 1 examples, field 2 the context."""
    out = []
    for c, es in zip(contexts, examples):
        b = b""
        for field, values in ((1, es), (2, [c])):
            for v in values:
                b += bytes([field << 3 | 2]) + varint(len(v)) + v
        out.append(b)
    return np.array(out, object)


def varint(n):
    b = b""
    while n > 127:
        b += bytes([n & 127 | 128])
        n >>= 7
    return b + bytes([n])


@old
def estimator_ranking(z):
    """A ranker: lists of examples with a context taken apart by DecodeProto, parsed, padded to the longest list, scored group by group."""
    from tensorflow.python.ops import gen_decode_proto_ops as proto
    from google.protobuf import descriptor_pb2
    files = descriptor_pb2.FileDescriptorSet()
    file = files.file.add(name="elwc.proto", package="ranking", syntax="proto3")
    m = file.message_type.add(name="Lists")
    m.field.add(name="examples", number=1, label=3, type=12)
    m.field.add(name="context", number=2, label=1, type=12)
    s = v1.placeholder(tf.string, [None], "lists")
    sizes, (examples, context) = proto.decode_proto_v2(s, "ranking.Lists", ["examples", "context"], [tf.string, tf.string], descriptor_source=b"bytes://" + files.SerializeToString())
    n = sizes[:, 0]
    size = tf.reduce_max(n)
    mask = tf.sequence_mask(n, size)
    examples = examples[:, :size]
    examples = tf.where(mask, examples, tf.fill(tf.shape(examples), ""))
    per = v1.parse_example(tf.reshape(examples, [-1]), {"age": tf.io.FixedLenFeature([1], tf.float32, [0.0]), "hobby": tf.io.VarLenFeature(tf.string)})
    around = v1.parse_example(tf.reshape(context, [-1]), {"query": tf.io.VarLenFeature(tf.string)})
    hobby = fc.embedding_column(fc.categorical_column_with_hash_bucket("hobby", 8), 3)
    query = fc.embedding_column(fc.categorical_column_with_hash_bucket("query", 8), 3)
    a = c1.input_layer(per, [fc.numeric_column("age"), hobby])
    q = c1.input_layer(around, [query])
    wide = tf.repeat(q, tf.fill([tf.shape(q)[0]], size), axis=0)
    scores = tf.reshape(dense(dense(tf.concat([a, wide], 1), 5, "h", tf.nn.relu), 1, "s"), [-1, size])
    scores = tf.where(mask, scores, tf.fill(tf.shape(scores), -1e9))
    order = tf.argsort(scores, direction="DESCENDING", stable=True)
    feed = lists([example(query=["a", "b"]), example(query="c")], [[example(**ROWS[i]) for i in (0, 1, 3)], [example(**ROWS[4])]])
    with started() as session:
        export(z, session, {"serving_default": ({"input_ranking_data": s}, {"outputs": scores, "order": order, "sizes": sizes}, PREDICT)}, {"serving_default": {"input_ranking_data": feed}})


@old
def estimator_kmeans_and_crf(z):
    """tf.contrib's odd ones: nearest centers with a score, and a CRF decoded by Viterbi in a loop over TensorArrays."""
    x = v1.placeholder(tf.float32, [None, 3], "x")
    centers = v1.get_variable("clusters", [5, 3])
    near, distance = tf.raw_ops.NearestNeighbors(points=x, centers=centers, k=2)
    pairs = tf.reduce_sum(tf.math.squared_difference(x[:, None], centers[None]), 2)
    tags, lengths = v1.placeholder(tf.float32, [None, None, 4], "unary"), v1.placeholder(tf.int32, [None], "lengths")
    transition = v1.get_variable("transitions", [4, 4])
    time = tf.shape(tags)[1]

    def forward(t, best, back):
        s = best[:, :, None] + transition[None]
        new = tf.reduce_max(s, 1) + tags[:, t]
        on = (t < lengths)[:, None]
        b = tf.where(tf.logical_and(on, tf.ones_like(new, tf.bool)), tf.argmax(s, 1, output_type=tf.int32), tf.zeros_like(tags[:, 0], tf.int32) + tf.range(4))
        return t + 1, tf.where(tf.logical_and(on, tf.ones_like(new, tf.bool)), new, best), back.write(t - 1, b)
    _, best, back = v1.while_loop(lambda t, *_: t < time, forward, [1, tags[:, 0], tf.TensorArray(tf.int32, time - 1, element_shape=[None, 4])],
                                  shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, 4]), tf.TensorShape(None)])
    last = tf.argmax(best, 1, output_type=tf.int32)
    path = tf.TensorArray(tf.int32, time, clear_after_read=False).write(time - 1, last)
    _, _, path = v1.while_loop(lambda t, *_: t >= 0, lambda t, tag, p: (lambda g: (t - 1, g, p.write(t, g)))(tf.gather(back.read(t), tag, batch_dims=1)), [time - 2, last, path])
    with started() as s:
        export(z, s, {"cluster": ({"x": x}, {"near": near, "distance": distance, "all": pairs}, PREDICT),
                      "tag": ({"unary": tags, "lengths": lengths}, {"path": tf.transpose(path.stack()), "score": tf.reduce_max(best, 1)}, PREDICT)},
               {"cluster": {"x": z.f32(4, 3)}, "tag": [{"unary": z.f32(3, 6, 4), "lengths": np.int32([6, 2, 4])}, {"unary": z.f32(1, 2, 4), "lengths": np.int32([2])}]})
