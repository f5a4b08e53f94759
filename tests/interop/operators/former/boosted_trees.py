# SPDX-License-Identifier: Apache-2.0
"""Boosted trees: ensembles kept, restored, grown and asked, and the quantiles that make their buckets. TensorFlow had kernels for them until 2.8 or so; the answers are
those of 2.6."""
import struct

from case import *


# ==== the ensemble's message ==== written by hand: its declaration went with the kernels

def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while n >= 128:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def whole(number, n):
    return varint(number << 3) + varint(n) if n else b""


def real(number, x):
    return varint(number << 3 | 5) + struct.pack("<f", x) if x else b""


def message(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def reals(number, xs):
    return message(number, b"".join(struct.pack("<f", x) for x in xs)) if len(xs) else b""


def leaf(logits):
    return real(3, logits[0]) if len(logits) == 1 else message(1, reals(1, logits))


def logits(rng, dims):
    return rng.uniform(-1, 1, dims).astype(F32)


def tree(rng, depth, dims, features, columns):
    """A tree's nodes, the children of a node after it; each of another kind."""
    nodes = []
    def grow(level):
        at = len(nodes)
        nodes.append(None)
        if level == depth or (level and rng.random() < 0.3):
            nodes[at] = message(1, leaf(logits(rng, dims)))
            return at
        left, right = grow(level + 1), grow(level + 1)
        before = message(2, leaf(logits(rng, dims))) if at or rng.random() < 0.5 else b""
        head = whole(1, int(rng.integers(features))) + whole(2, int(rng.integers(0, 4))) + whole(3, left) + whole(4, right) + whole(5, int(rng.integers(columns)))
        nodes[at] = message(pick(rng, 2, 2, 3), head) + message(777, real(1, float(rng.uniform(-1, 1))) + before)
        return at
    grow(0)
    return nodes


def ensemble(rng, trees, dims=1, features=2, columns=1, depth=3, pruned=False):
    out, sizes = b"", []
    for _ in range(trees):
        nodes = tree(rng, depth, dims, features, columns)
        sizes.append(len(nodes))
        out += message(1, b"".join(message(1, n) for n in nodes))
    out += reals(2, rng.uniform(0.1, 1, trees).astype(F32))
    for k, n in enumerate(sizes):
        changes = b"".join(message(4, whole(1, int(rng.integers(n))) + reals(2, logits(rng, dims))) for _ in range(n + 2)) if pruned else b""
        out += message(3, whole(2, 2) + whole(3, k + 1 < trees or pruned) + changes)
    return out + message(4, whole(1, trees) + whole(2, 2 * trees) + whole(3, 1) + whole(4, max(sizes, default=0))), sizes


# ==== ensembles ====

class Kept:
    """A resource: made, then used in the order of calls."""
    def __init__(self, make, handle, name):
        self.handle = handle(shared_name=name)
        self.last = [make(self.handle)]

    def run(self, op, **kw):
        with v1.control_dependencies(self.last):
            out = op(**kw)
        first = out[0] if isinstance(out, (list, tuple)) else out
        self.last = [first.op if hasattr(first, "op") else first]
        return out


def trees_of(stamp, text):
    make = lambda h: raw.BoostedTreesCreateEnsemble(tree_ensemble_handle=h, stamp_token=stamp, tree_ensemble_serialized=text)
    return Kept(make, raw.BoostedTreesEnsembleResourceHandleOp, "trees")


def buckets(rng, rows, features, columns=1):
    return [rng.integers(0, 5, (rows, columns) if columns > 1 or rng.random() < 0.3 else (rows,)).astype(I32) for _ in range(features)]


def predictions(rng):
    for n, dims, columns in ((1, 1, 1), (3, 1, 1), (2, 3, 1), (3, 2, 2), (0, 1, 1), (5, 1, 2)):
        text, _ = ensemble(rng, n, dims, 2, columns, int(rng.integers(1, 4)))
        rows = int(rng.integers(1, 7))
        def predict(text, *x, dims=dims):
            t = trees_of(1, text)
            return t.run(raw.BoostedTreesPredict, tree_ensemble_handle=t.handle, bucketized_features=list(x), logits_dimension=dims)
        yield case("BoostedTreesPredict", predict, text, *buckets(rng, rows, 2, columns))
        if n and dims == 1:
            def debug(text, *x):
                t = trees_of(1, text)
                return t.run(raw.BoostedTreesExampleDebugOutputs, tree_ensemble_handle=t.handle, bucketized_features=list(x), logits_dimension=1)
            yield case("BoostedTreesExampleDebugOutputs", debug, text, *buckets(rng, rows, 2, columns))
    text, _ = ensemble(rng, 2)
    def nothing(text, *x):
        t = trees_of(1, text)
        return t.run(raw.BoostedTreesPredict, tree_ensemble_handle=t.handle, bucketized_features=list(x), logits_dimension=1)
    yield case("BoostedTreesPredict", nothing, text, *buckets(rng, 0, 2))
    def two(text, *x):
        t = trees_of(1, text)
        return t.run(raw.BoostedTreesExampleDebugOutputs, tree_ensemble_handle=t.handle, bucketized_features=list(x), logits_dimension=2)
    yield case("BoostedTreesExampleDebugOutputs", two, text, *buckets(rng, 2, 2))


def training_predictions(rng):
    for n, dims, pruned in ((0, 1, False), (1, 1, False), (3, 1, False), (2, 3, False), (3, 1, True), (2, 2, True)):
        text, sizes = ensemble(rng, n, dims, 2, 1, 2, pruned)
        rows = int(rng.integers(1, 9))
        tree = rng.integers(0, max(n, 1), rows).astype(I32)
        node = np.array([rng.integers(-1, sizes[k]) if n else 0 for k in tree], I32)
        def predict(text, tree, node, *x, dims=dims):
            t = trees_of(1, text)
            return t.run(raw.BoostedTreesTrainingPredict, tree_ensemble_handle=t.handle, cached_tree_ids=tree, cached_node_ids=node,
                         bucketized_features=list(x), logits_dimension=dims)
        yield case("BoostedTreesTrainingPredict", predict, text, tree, node, *buckets(rng, rows, 2))


def keeping(rng):
    for n in (0, 1, 3):
        text, _ = ensemble(rng, n)
        other, _ = ensemble(rng, 2, 2)
        def kept(text, other):
            t = trees_of(7, text)
            first = t.run(raw.BoostedTreesSerializeEnsemble, tree_ensemble_handle=t.handle)
            states = t.run(raw.BoostedTreesGetEnsembleStates, tree_ensemble_handle=t.handle)
            there = t.run(raw.IsBoostedTreesEnsembleInitialized, tree_ensemble_handle=t.handle)
            t.run(raw.BoostedTreesCreateEnsemble, tree_ensemble_handle=t.handle, stamp_token=9, tree_ensemble_serialized=other)
            same = t.run(raw.BoostedTreesSerializeEnsemble, tree_ensemble_handle=t.handle)
            t.run(raw.BoostedTreesDeserializeEnsemble, tree_ensemble_handle=t.handle, stamp_token=8, tree_ensemble_serialized=other)
            changed = t.run(raw.BoostedTreesSerializeEnsemble, tree_ensemble_handle=t.handle)
            return [*first, *states, there, *same, *changed]
        yield case("BoostedTreesDeserializeEnsemble", kept, text, other)
    handle = lambda: raw.BoostedTreesEnsembleResourceHandleOp(shared_name="trees")
    yield case("IsBoostedTreesEnsembleInitialized", lambda: raw.IsBoostedTreesEnsembleInitialized(tree_ensemble_handle=handle()))
    yield case("BoostedTreesSerializeEnsemble", lambda: raw.BoostedTreesSerializeEnsemble(tree_ensemble_handle=handle()))
    yield case("BoostedTreesPredict", lambda x: raw.BoostedTreesPredict(tree_ensemble_handle=handle(), bucketized_features=[x], logits_dimension=1), np.zeros(2, I32))
    def bad(text):
        with v1.control_dependencies([raw.BoostedTreesCreateEnsemble(tree_ensemble_handle=handle(), stamp_token=1, tree_ensemble_serialized=text)]):
            return tf.constant(1)
    yield case("BoostedTreesCreateEnsemble", bad, b"\x0a\xff")


# ==== growing ====

def statistics(rng):
    for n, nodes, buckets in ((1, 1, 3), (2, 4, 4), (3, 3, 1)):
        rows = int(rng.integers(0, 9))
        node, g, h = rng.integers(0, nodes, rows).astype(I32), draw(rng, F32, rows, 1), draw(rng, F32, rows, 1, low=0)
        x = [rng.integers(0, buckets, rows).astype(I32) for _ in range(n)]
        yield case("BoostedTreesMakeStatsSummary", lambda node, g, h, *x, nodes=nodes, buckets=buckets: raw.BoostedTreesMakeStatsSummary(
            node_ids=node, gradients=g, hessians=h, bucketized_features_list=list(x), max_splits=nodes, num_buckets=buckets), node, g, h, *x)
        g, h = draw(rng, F32, rows, 2), draw(rng, F32, rows, pick(rng, 2, 4), low=0)
        yield case("BoostedTreesAggregateStats", lambda node, g, h, x, nodes=nodes, buckets=buckets: raw.BoostedTreesAggregateStats(
            node_ids=node, gradients=g, hessians=h, feature=x, max_splits=nodes, num_buckets=buckets), node, g, h, rng.integers(-1, buckets, (rows, n)).astype(I32))
        stats = np.stack([draw(rng, F32, nodes, buckets), draw(rng, F32, nodes, buckets, low=0)], 2)
        l1, l2, complexity, least = F32(pick(rng, 0, 0.3)), F32(pick(rng, 0, 0.5)), F32(pick(rng, 0, 0.1)), F32(pick(rng, 0, 1))
        first = int(rng.integers(0, nodes))
        yield case("BoostedTreesCalculateBestGainsPerFeature", lambda nodes_of, s, l1, l2, c, w, nodes=nodes: [t for ts in raw.BoostedTreesCalculateBestGainsPerFeature(
            node_id_range=nodes_of, stats_summary_list=[s, s * 0.5], l1=l1, l2=l2, tree_complexity=c, min_node_weight=w, max_splits=nodes) for t in ts],
            np.array([first, nodes], I32), stats, l1, l2, complexity, least)


def growing(rng):
    """Layers added as an estimator adds them; the ensemble after each."""
    for pruning in (0, 1, 2, 2):
        features, rows, nodes, buckets, layers = int(rng.integers(1, 4)), int(rng.integers(5, 40)), 8, 4, int(rng.integers(2, 5))
        x, y = [rng.integers(0, buckets, rows).astype(I32) for _ in range(features)], draw(rng, F32, rows, 1)
        depth, rate, complexity, centred = int(rng.integers(1, 4)), F32(0.3), F32(pick(rng, 0, 0.02, 0.3)), rng.random() < 0.5
        def grown(y, mean, *x, p=pruning, f=features, layers=layers, depth=depth, rate=rate, c=complexity, centred=centred):
            t, out, logits = trees_of(0, b""), [], tf.zeros_like(y)
            tree, node = tf.zeros_like(x[0]), tf.zeros_like(x[0]) - 1
            def keep():
                out.extend(t.run(raw.BoostedTreesSerializeEnsemble, tree_ensemble_handle=t.handle))
                out.extend(t.run(raw.BoostedTreesGetEnsembleStates, tree_ensemble_handle=t.handle))
            for _ in range(2 if centred else 0):
                out.append(t.run(raw.BoostedTreesCenterBias, tree_ensemble_handle=t.handle, mean_gradients=mean, mean_hessians=[[1.]], l1=0.01, l2=0.1))
                keep()
            for _ in range(layers):
                more, tree, node = t.run(raw.BoostedTreesTrainingPredict, tree_ensemble_handle=t.handle, cached_tree_ids=tree, cached_node_ids=node, bucketized_features=list(x),
                                         logits_dimension=1)
                logits += more
                out.extend([logits, tree, node])
                nodes_of = t.run(raw.BoostedTreesGetEnsembleStates, tree_ensemble_handle=t.handle)[4]
                s = raw.BoostedTreesMakeStatsSummary(node_ids=node, gradients=logits - y, hessians=tf.ones_like(y), bucketized_features_list=list(x), max_splits=nodes,
                                                     num_buckets=buckets)
                best = raw.BoostedTreesCalculateBestGainsPerFeature(node_id_range=nodes_of, stats_summary_list=tf.unstack(s, f), l1=0., l2=0.1, tree_complexity=c,
                                                                    min_node_weight=0.5, max_splits=nodes)
                t.run(raw.BoostedTreesUpdateEnsemble, tree_ensemble_handle=t.handle, feature_ids=list(range(f)), node_ids=best.node_ids_list, gains=best.gains_list,
                      thresholds=best.thresholds_list, left_node_contribs=best.left_node_contribs_list, right_node_contribs=best.right_node_contribs_list, max_depth=depth,
                      learning_rate=rate, pruning_mode=p)
                keep()
            return out
        yield case("BoostedTreesUpdateEnsemble", grown, y, draw(rng, F32, 1, 1), *x)


def growing_v2(rng):
    for dims, pruning in ((1, 0), (2, 0), (1, 1), (3, 2), (1, 2)):
        groups, layers = int(rng.integers(1, 3)), int(rng.integers(1, 4))
        def grown(rate, *given, d=dims, p=pruning, groups=groups, layers=layers):
            t, out = trees_of(0, b""), []
            for layer in range(layers):
                some = given[layer * groups * 7:(layer + 1) * groups * 7]
                part = lambda k: [some[g * 7 + k] for g in range(groups)]
                t.run(raw.BoostedTreesUpdateEnsembleV2, tree_ensemble_handle=t.handle, feature_ids=part(0), dimension_ids=part(1), node_ids=part(2), gains=part(3),
                      thresholds=[tf.cast(v, tf.int32) for v in part(0)], left_node_contribs=part(4), right_node_contribs=part(5), split_types=part(6), max_depth=2, learning_rate=rate,
                      pruning_mode=p, logits_dimension=d)
                out.extend(t.run(raw.BoostedTreesSerializeEnsemble, tree_ensemble_handle=t.handle))
                out.extend(t.run(raw.BoostedTreesGetEnsembleStates, tree_ensemble_handle=t.handle))
            return out
        given = []
        for layer in range(layers):
            nodes = np.array([0] if layer % 2 == 0 else [1, 2], I32)
            types = [b"INEQUALITY_DEFAULT_LEFT", b"INEQUALITY_DEFAULT_RIGHT"] + ([b"EQUALITY_DEFAULT_RIGHT"] if pruning != 2 else [])
            for g in range(groups):
                n = len(nodes)
                given += [rng.integers(0, 4, n).astype(I32), rng.integers(0, 3, n).astype(I32), nodes, draw(rng, F32, n) + (5 if pruning == 1 else 0), draw(rng, F32, n, dims), draw(rng, F32, n, dims), texts(rng, types, n)]
        yield case("BoostedTreesUpdateEnsembleV2", grown, F32(0.5), *given)


# ==== quantiles ====

def numbers(rng, n):
    return draw(rng, F32, n) if rng.random() < 0.6 else rng.integers(-3, 4, n).astype(F32)


def streams_of(n, eps=0.1):
    make = lambda h: raw.BoostedTreesCreateQuantileStreamResource(quantile_stream_resource_handle=h, epsilon=eps, num_streams=n)
    return Kept(make, raw.BoostedTreesQuantileStreamResourceHandleOp, "quantiles")


def quantiles(rng):
    for n, rows in ((1, 1), (2, 7), (1, 60), (3, 200), (1, 0)):
        x, eps = [numbers(rng, rows) for _ in range(n)], F32(pick(rng, 0.01, 0.1, 0.3))
        w = rng.integers(0, 4, pick(rng, 1, rows) or 1).astype(F32) if rows != 1 else np.ones(1, F32)
        yield case("BoostedTreesMakeQuantileSummaries", lambda w, *x, eps=eps: raw.BoostedTreesMakeQuantileSummaries(float_values=list(x), example_weights=w, epsilon=eps), w, *x)
        for exact in (False, True):
            k, rounds = int(rng.integers(3, 12)), int(rng.integers(1, 4))
            def flushed(w, *x, n=n, k=k, eps=eps, exact=exact, rounds=rounds):
                t = streams_of(n, float(eps))
                for i in range(rounds):
                    s = raw.BoostedTreesMakeQuantileSummaries(float_values=[v * (i + 1) for v in x], example_weights=w, epsilon=eps)
                    t.run(raw.BoostedTreesQuantileStreamResourceAddSummaries, quantile_stream_resource_handle=t.handle, summaries=s)
                t.run(raw.BoostedTreesQuantileStreamResourceFlush, quantile_stream_resource_handle=t.handle, num_buckets=k, generate_quantiles=exact)
                return t.run(raw.BoostedTreesQuantileStreamResourceGetBucketBoundaries, quantile_stream_resource_handle=t.handle, num_features=n)
            if not exact or rows:
                yield case("BoostedTreesQuantileStreamResourceFlush", flushed, np.ones(1, F32), *x)
        def summaries(w, *x, n=n, eps=eps):
            t = streams_of(n, float(eps))
            for _ in range(3):
                s = raw.BoostedTreesMakeQuantileSummaries(float_values=list(x), example_weights=w, epsilon=eps)
                t.run(raw.BoostedTreesQuantileStreamResourceAddSummaries, quantile_stream_resource_handle=t.handle, summaries=s)
            return t.run(raw.BoostedTreesFlushQuantileSummaries, quantile_stream_resource_handle=t.handle, num_features=n)
        yield case("BoostedTreesFlushQuantileSummaries", summaries, w, *x)
    yield case("BoostedTreesMakeQuantileSummaries", lambda w, x: raw.BoostedTreesMakeQuantileSummaries(float_values=[x], example_weights=w, epsilon=0.1), np.ones(2, F32), np.ones(3, F32))


def boundaries(rng):
    a, b = np.sort(draw(rng, F32, 4)), np.sort(draw(rng, F32, 2))
    def restored(a, b):
        t = streams_of(2)
        before = t.run(raw.BoostedTreesQuantileStreamResourceGetBucketBoundaries, quantile_stream_resource_handle=t.handle, num_features=2)
        there = t.run(raw.IsBoostedTreesQuantileStreamResourceInitialized, quantile_stream_resource_handle=t.handle)
        t.run(raw.BoostedTreesQuantileStreamResourceDeserialize, quantile_stream_resource_handle=t.handle, bucket_boundaries=[a, b])
        return [*before, there, *t.run(raw.BoostedTreesQuantileStreamResourceGetBucketBoundaries, quantile_stream_resource_handle=t.handle, num_features=2)]
    yield case("BoostedTreesQuantileStreamResourceDeserialize", restored, a, b)
    handle = lambda: raw.BoostedTreesQuantileStreamResourceHandleOp(shared_name="quantiles")
    yield case("IsBoostedTreesQuantileStreamResourceInitialized", lambda: raw.IsBoostedTreesQuantileStreamResourceInitialized(quantile_stream_resource_handle=handle()))
    yield case("BoostedTreesQuantileStreamResourceGetBucketBoundaries",
               lambda: raw.BoostedTreesQuantileStreamResourceGetBucketBoundaries(quantile_stream_resource_handle=handle(), num_features=1))
    def made(eps, n):
        with v1.control_dependencies([raw.BoostedTreesCreateQuantileStreamResource(quantile_stream_resource_handle=handle(), epsilon=eps, num_streams=n)]):
            return tf.constant(1)
    for eps, n in ((0., 1), (0.1, -1), (0.1, 2), ([0.1], 1)):
        yield case("BoostedTreesCreateQuantileStreamResource", made, np.array(eps, F32), np.int64(n))


def bucketize(rng):
    for n, rows, bounds in ((1, 5, 3), (2, 8, 6), (1, 3, 0), (2, 0, 4), (1, 9, 1)):
        x = [np.append(draw(rng, F32, rows), rng.choice([np.nan, np.inf, -np.inf], min(rows, 1)).astype(F32)) for _ in range(n)]
        b = [np.sort(draw(rng, F32, bounds)) for _ in range(n)]
        yield case("BoostedTreesBucketize", lambda *v, n=n: raw.BoostedTreesBucketize(float_values=list(v[:n]), bucket_boundaries=list(v[n:])), *x, *b)
    yield case("BoostedTreesBucketize", lambda x, b: raw.BoostedTreesBucketize(float_values=[x], bucket_boundaries=[b]), draw(rng, F32, 3), draw(rng, F32, 2, 2), shapes="unknown")


def cases(rng):
    for family in (predictions, training_predictions, keeping, statistics, growing, growing_v2, quantiles, boundaries, bucketize):
        yield from family(rng)
