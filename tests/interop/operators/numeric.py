# SPDX-License-Identifier: Apache-2.0
"""Numbers of sequences and streams: Sobol points, first centers of clusters, rounding by chance; what dual coordinate ascent is
made of."""
from case import *


def created(op, inputs, outputs, **attrs):
    """An operation that tf.raw_ops does not have."""
    def attr(v):
        return v1.AttrValue(type=v.as_datatype_enum) if isinstance(v, tf.DType) else v1.AttrValue(tensor=v)
    return v1.get_default_graph().create_op(op, inputs, outputs, attrs={k: attr(v) for k, v in attrs.items()}).outputs


def sobol(rng):
    def sample(d, n, skip, t=F32): return raw.SobolSample(dim=d, num_results=n, skip=skip, dtype=t)
    for t in (F32, F64):
        for d, n, skip in ((1, 5, 0), (2, 9, 1), (7, 40, int(rng.integers(0, 9999))), (161, 3, int(rng.integers(0, 2**20))), (3, 700, 5)):
            yield case("SobolSample", lambda d, n, s, t=t: sample(d, n, s, t), I32(d), I32(n), I32(skip))
    for d, n, skip in ((0, 1, 0), (21201, 1, 0), (1, 0, 0), (1, 1, -1), (1, 2**30, 2**30)):
        yield case("SobolSample", sample, I32(d), I32(n), I32(skip))
    yield case("SobolSample", sample, np.zeros(1, I32), I32(1), I32(1), shapes="unknown")


def clusters(rng):
    for n in range(8):
        seed = I64(rng.integers(-2**40, 2**62))
        yield case("KMC2ChainInitialization", lambda d, s: raw.KMC2ChainInitialization(distances=d, seed=s),
                   draw(rng, F32, int(rng.integers(1, 30)), low=0, high=9), seed)
        points = draw(rng, F32, int(rng.integers(4, 20)), int(rng.integers(1, 5)), low=-9, high=9)
        yield case("KmeansPlusPlusInitialization", lambda p, k, s, r: raw.KmeansPlusPlusInitialization(
            points=p, num_to_sample=k, seed=s, num_retries_per_sample=r), points, I64(rng.integers(1, 5)), seed, I64(rng.integers(-1, 4)))
    def plus(p, k): return raw.KmeansPlusPlusInitialization(points=p, num_to_sample=k, seed=3, num_retries_per_sample=0)
    for p, k in ((points, 0), (points, len(points) + 1), (points[:0], 1), (points[0], 1), (points, np.ones(1, I64))):
        yield case("KmeansPlusPlusInitialization", plus, p, np.asarray(k, I64), shapes="unknown")
    for d, s in ((np.zeros(0, F32), 1), (np.zeros((2, 2), F32), 1), (np.zeros(2, F32), [1])):
        yield case("KMC2ChainInitialization", lambda d, s: raw.KMC2ChainInitialization(distances=d, seed=s), d, np.asarray(s, I64), shapes="unknown")


def casts(rng):
    for t in (F16, BF16, F32, F64):
        for to in (tf.int8, tf.int16, tf.int32):
            x = draw(rng, t, int(rng.integers(1, 40)), low=-9, high=9)
            x[rng.random(len(x)) < 0.2] = 3
            special = np.array([np.inf, -np.inf, np.nan, 127, 127.5, -128.5, 1e9, -0.5], F64).astype(t)
            key, counter = rng.integers(0, 2**63, 1).astype(U64), rng.integers(0, 2**63, 2).astype(U64)
            for v in (x, np.concatenate([special, x])):
                yield case("StochasticCastToInt", lambda x, k, c, a, to=to: created(
                    "StochasticCastToInt", [x, k, c, a], [to], Tin=x.dtype, Tout=to), v, key, counter, I32(pick(rng, 1, 3)))
    for k, c, a in ((1, 2, 2), (2, 2, 1), (1, 1, 1), (1, 1, 3)):
        yield case("StochasticCastToInt", lambda x, k, c, a: created("StochasticCastToInt", [x, k, c, a], [tf.int32], Tin=tf.float32, Tout=tf.int32),
                   draw(rng, F32, 3), np.ones(k, U64), np.ones(c, U64), I32(a), shapes="unknown")


def examples(rng):
    words = ["", "a", "bc", "\0\0\0", "0123456789abcdef", "x" * 17] + ["".join(chr(c) for c in rng.integers(32, 127, n))
                                                                    for n in (5, 8, 15, 31, 33, 64, 65, 127, 143, 144, 145, 200, 271, 272, 273, 400, 999)]
    yield case("SdcaFprint", lambda x: raw.SdcaFprint(input=x), np.array([w.encode() for w in words], object))
    yield case("SdcaFprint", lambda x: raw.SdcaFprint(input=x), np.array([], object))
    yield case("SdcaFprint", lambda x: raw.SdcaFprint(input=x), np.array([[b"a"]], object), shapes="unknown")
    from tensorflow.python.ops import gen_sdca_ops
    for n in range(3):
        values = [draw(rng, F32, *shape_of(rng, int(rng.integers(0, 3)), 5)) for _ in range(n)]
        def shrink(*xs):
            refs = Refs()
            vs = [refs.new(x) for x in xs]
            refs.run(gen_sdca_ops.sdca_shrink_l1, weights=vs, l1=0.5, l2=1.25)
            return [refs.read(v) for v in vs]
        if n:
            yield case("SdcaShrinkL1", shrink, *values, shapes="known")


def constants(rng):
    for a in (draw(rng, F32, 2, 3), np.array([b"a", b"bc"], object), I64(7), np.zeros((0, 2), F64)):
        yield case("HostConst", lambda p=tf.make_tensor_proto(a): created("HostConst", [], [tf.as_dtype(p.dtype)], value=p, dtype=tf.as_dtype(p.dtype)))
    yield case("HostConst", lambda x, p=tf.make_tensor_proto(F32(2)): created("HostConst", [], [tf.float32], value=p, dtype=tf.float32)[0] * x,
               draw(rng, F32, 3), grad=[0])
    yield case("IsTensorFloat32Enabled", lambda: created("IsTensorFloat32Enabled", [], [tf.bool]))


LOSSES = ("logistic_loss", "squared_loss", "hinge_loss", "smooth_hinge_loss", "poisson_loss")


def ascent(rng, loss, n, sparse, dense, valued, **given):
    """A step for n examples, each of which has features of its own: the order in which they come is chance in TensorFlow."""
    ids, rows = [], []
    for _ in range(sparse):
        own = rng.permutation(1000)[:4 * n].reshape(n, 4)
        rows.append(np.concatenate([np.full(int(rng.integers(0, 4)), e) for e in range(n)] or [np.zeros(0)]).astype(I64))
        ids.append(np.array([own[e, k] for e in range(n) for k in range(int((rows[-1] == e).sum()))], I64))
    known = [np.unique(np.concatenate([i, rng.integers(1000, 2000, 3)])) for i in ids]
    values = [draw(rng, F32, len(i)) for i in ids[:valued]]
    labels = rng.integers(0, 2, n).astype(F32) if loss != "squared_loss" else draw(rng, F32, n)
    state = np.zeros((n, 4), F32)
    state[:, 0] = rng.uniform(0, 0.9, n) * np.where(labels > 0, 1, -1) * (loss != "poisson_loss")
    x = [draw(rng, F32, n, 3) * (np.arange(n) == 0)[:, None].astype(F32) for _ in range(dense)]
    parts = [rows, ids, values, x, [rng.uniform(0.5, 2, n).astype(F32)], [labels], known, [draw(rng, F32, len(k), low=-0.3, high=0.3) for k in known],
             [draw(rng, F32, 3, low=-0.3, high=0.3) for _ in x], [state]]
    kw = dict(loss_type=loss, l1=float(rng.uniform(0, 0.2)), l2=float(rng.uniform(0.5, 2)), num_loss_partitions=int(rng.integers(1, 4)),
              num_inner_iterations=1)
    names = ("sparse_example_indices", "sparse_feature_indices", "sparse_feature_values", "dense_features", "example_weights", "example_labels",
             "sparse_indices", "sparse_weights", "dense_weights", "example_state_data")
    return names, parts, {**kw, **given}


def ascent_case(names, parts, kw, old=False, shapes="any"):
    sizes = [len(p) for p in parts]
    def build(*flat):
        flat, args = list(flat), {}
        for name, n in zip(names, sizes):
            take, flat = flat[:n], flat[n:]
            args[name] = take[0] if name.startswith("example_") else take
        args["example_state_data"] += 0.0  # TensorFlow writes into what it is given, be it what was fed
        adaptive = kw.get("adaptive", False)
        rest = {k: v for k, v in kw.items() if k != "adaptive"}
        state, sparse, dense = raw.SdcaOptimizer(adaptative=adaptive, **args, **rest) if old else raw.SdcaOptimizerV2(adaptive=adaptive, **args, **rest)
        return [state, *sparse, *dense]
    return case("SdcaOptimizer" + "V2" * (not old), build, *[a for p in parts for a in p], tol=(1e-4, 1e-5), shapes=shapes)


def ascents(rng):
    for loss in LOSSES:
        yield ascent_case(*ascent(rng, loss, int(rng.integers(2, 6)), 2, 0, int(rng.integers(0, 3))), old=bool(rng.integers(2)))
        yield ascent_case(*ascent(rng, loss, int(rng.integers(2, 6)), 1, 1, 1))
        yield ascent_case(*ascent(rng, loss, 1, 1, 2, 1, adaptive=bool(rng.integers(2))))
    def wrong(change, loss="hinge_loss"):
        names, parts, kw = ascent(rng, loss, 3, 1, 1, 1)
        change(dict(zip(names, parts)), parts)
        return ascent_case(names, parts, kw, shapes="unknown")
    def labels(p, _): p["example_labels"][0][1] = -1
    def features(p, _): p["sparse_feature_indices"][0] = np.append(p["sparse_feature_indices"][0][:-1], 999999) if len(p["sparse_feature_indices"][0]) else np.array([1])
    def lengths(p, _): p["sparse_feature_indices"][0] = np.append(p["sparse_feature_indices"][0], 1)
    def twice(p, _):
        p["sparse_example_indices"][0], p["sparse_feature_values"][0] = np.array([0, 0], I64), np.ones(2, F32)
        p["sparse_feature_indices"][0] = np.repeat(p["sparse_indices"][0][:1], 2)
    def state(p, _): p["example_state_data"][0] = np.zeros((3, 3), F32)
    def fewer(p, _): p["example_labels"][0] = np.zeros(2, F32)
    def wide(p, _): p["dense_weights"][0] = np.zeros(2, F32)
    def flat(p, _): p["dense_features"][0] = np.zeros(3, F32)
    for change in (labels, features, lengths, twice, state, fewer, wide, flat):
        yield wrong(change)
    yield wrong(labels, "poisson_loss")


def calibration(rng):
    for n in range(8):
        kw = dict(id=v1.AttrValue(s=b"1"), calibration_method=v1.AttrValue(i=int(rng.integers(1, 6))), num_bins=v1.AttrValue(i=int(rng.integers(0, 9))),
                  min_percentile=v1.AttrValue(f=1), max_percentile=v1.AttrValue(f=99))
        x = draw(rng, F32, *shape_of(rng, int(rng.integers(0, 4))), low=-9, high=20)
        yield case("CustomAggregator", lambda x, kw=kw: v1.get_default_graph().create_op(
            "CustomAggregator", [x], [tf.float32] * 3 + [tf.int64], attrs=kw).outputs, x)


def cases(rng):
    for part in (sobol, clusters, casts, examples, constants, ascents, calibration):
        yield from part(rng)
