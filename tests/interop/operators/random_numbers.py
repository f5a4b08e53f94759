# SPDX-License-Identifier: Apache-2.0
"""Random numbers that TensorFlow draws one after another: the very same ones are wanted."""
from case import *

CLOSE = {F16: (2e-3, 1e-6), F32: (2e-6, 1e-7), F64: (1e-13, 1e-14), I32: (0, 0), I64: (0, 0)}


def seeds(rng):
    return dict(seed=int(rng.integers(1, 1000)), seed2=int(rng.integers(1, 1000)))


def gammas(rng):
    for t in (F16, F32, F64):
        alpha = np.array([0.3, 1.0, 2.5, 30.0], t)[: int(rng.integers(1, 5))]
        shape = np.array(shape_of(rng, int(rng.integers(0, 3)), 4, 0.1), I32)
        yield case("RandomGamma", lambda s, a, k=seeds(rng): raw.RandomGamma(shape=s, alpha=a, **k), shape, alpha,
                   grad=[1] if t != F16 else [], tol=CLOSE[t] if t == F16 else (1e-4, 1e-5))
        whole = np.array(list(shape) + [len(alpha)], I32)
        pair = rng.integers(0, 1000, 2).astype(I64)
        yield case("StatelessRandomGammaV2", lambda s, k, a: raw.StatelessRandomGammaV2(shape=s, seed=k, alpha=a), whole, pair, alpha,
                   grad=[2] if t != F16 else [], tol=CLOSE[t] if t == F16 else (1e-4, 1e-5))
        key, counter = rng.integers(0, 2 ** 60, 1).astype(U64), rng.integers(0, 2 ** 60, 2).astype(U64)
        yield case("StatelessRandomGammaV3", lambda s, k, c, a: raw.StatelessRandomGammaV3(shape=s, key=k, counter=c, alg=1, alpha=a),
                   whole, key, counter, alpha, tol=CLOSE[t])
    yield case("StatelessRandomGammaV2", lambda s, k, a: raw.StatelessRandomGammaV2(shape=s, seed=k, alpha=a), np.array([3, 2], I32), pair,
               np.ones(3, F32), shapes="unknown")
    for t in (F32, F64):
        a = rng.uniform(0.2, 8, 12).astype(t)
        yield case("RandomGammaGrad", lambda a, x: raw.RandomGammaGrad(alpha=a, sample=x), a, (a * rng.uniform(0.3, 2, 12)).astype(t),
                   tol=(1e-4, 1e-5) if t == F32 else (1e-6, 1e-7))


def poissons(rng):
    for t in (F16, F32, F64, I32, I64):
        rate = np.array([1, 3, 12, 40]).astype(t)[int(rng.integers(0, 2)):]
        shape = np.array(shape_of(rng, int(rng.integers(0, 3)), 4, 0.1), I32)
        out = pick(rng, tf.float32, tf.int32, tf.int64, tf.float64)
        yield case("RandomPoissonV2", lambda s, a, k=seeds(rng), o=out: raw.RandomPoissonV2(shape=s, rate=a, dtype=o, **k), shape, rate, tol=(0, 0))
        pair = rng.integers(0, 1000, 2).astype(I64)
        whole = np.array(list(shape) + [len(rate)], I32)
        yield case("StatelessRandomPoisson", lambda s, k, a, o=out: raw.StatelessRandomPoisson(shape=s, seed=k, lam=a, dtype=o), whole, pair, rate,
                   tol=(0, 0))


def binomials(rng):
    for t in (F32, F64, I32):
        counts = np.array([[3.0], [50.0], [200.0]]).astype(t)
        probs = np.array([0.1, 0.4, 0.8, 0.95]).astype(t) if t != I32 else np.array([0, 1]).astype(t)
        pair = rng.integers(0, 1000, 2).astype(I64)
        shape = np.array([int(rng.integers(1, 4)), 3, len(probs)], I32)
        yield case("StatelessRandomBinomial", lambda s, k, n, p: raw.StatelessRandomBinomial(shape=s, seed=k, counts=n, probs=p, dtype=tf.int64),
                   shape, pair, counts, probs)
    def stateful(s, n, p, state):
        v = Resources()
        h = v.new(state + np.int64(0))  # TensorFlow changes it in place
        x = v.run(raw.StatefulRandomBinomial, resource=h, algorithm=np.int64(1), shape=s, counts=n, probs=p, dtype=tf.float64)
        return [x, v.read(h)]
    yield case("StatefulRandomBinomial", stateful, np.array([2, 3, 4], I32), np.array([[3.0], [50.0], [200.0]]), np.array([0.1, 0.4, 0.8, 0.95]),
               rng.integers(0, 2 ** 40, 3).astype(I64), shapes="known")


def truncated(rng):
    """Where bounds hold much of the normal numbers, little of them, a tail, one side."""
    bounds = ((-2, 2), (-0.7, 0.9), (0.1, 5), (3, 5), (3, 3.1), (3, np.inf), (-np.inf, -1), (-6, -4))
    for t in (F16, F32, F64):
        for low, high in bounds:
            mean, deviation = t(rng.uniform(-1, 1)), t(rng.uniform(0.5, 2))
            p = [mean, deviation, t(mean + low * deviation), t(mean + high * deviation)]
            n = np.array(shape_of(rng, int(rng.integers(0, 3)), 9, 0.1), pick(rng, I32, I64))
            yield case("ParameterizedTruncatedNormal", lambda n, *p, k=seeds(rng): raw.ParameterizedTruncatedNormal(
                shape=n, means=p[0], stdevs=p[1], minvals=p[2], maxvals=p[3], **k), n, *p, tol=CLOSE[t])
            yield case("StatelessParameterizedTruncatedNormal", lambda n, k, *p: raw.StatelessParameterizedTruncatedNormal(
                shape=n, seed=k, means=p[0], stddevs=p[1], minvals=p[2], maxvals=p[3]), n, rng.integers(0, 1000, 2).astype(I64), *p,
                       grad=[2, 3, 4, 5] if t != F16 and np.isfinite(low + high) else [], tol=(2e-4, 1e-4) if t == F32 else (1e-8, 1e-9) if t == F64 else CLOSE[t])
    t = F32
    for shape, parts in (((5, 3), ((3,), (), (1,), (3,))), ((5, 3, 2), ((3, 1), (2,), (), (1, 1))), ((4, 2), ((3,), (), (), ())), ((0, 2), ((2,), (), (), ())), ((3, 250), ((3,), (3,), (1,), ()))):
        low = [draw(rng, t, *s, low=a, high=b) for s, (a, b) in zip(parts, ((-1, 1), (0.5, 2), (-3, 0), (1, 4)))]
        yield case("StatelessParameterizedTruncatedNormal", lambda n, k, *p: raw.StatelessParameterizedTruncatedNormal(
            shape=n, seed=k, means=p[0], stddevs=p[1], minvals=p[2], maxvals=p[3]), np.array(shape, I32), rng.integers(0, 1000, 2).astype(I64), *low, grad=[2, 3, 4, 5], tol=(2e-4, 1e-4), shapes="unknown")
        yield case("ParameterizedTruncatedNormal", lambda n, *p, k=seeds(rng): raw.ParameterizedTruncatedNormal(
            shape=n, means=p[0], stdevs=p[1], minvals=p[2], maxvals=p[3], **k), np.array(shape, I32), *low, tol=CLOSE[t], shapes="unknown")
    for low in ((0, -1, -2, 2), (0, 1, 3, 2), (0, 1, -np.inf, np.inf), (0, 0, -1, 1)):
        yield case("StatelessParameterizedTruncatedNormal", lambda n, k, *p: raw.StatelessParameterizedTruncatedNormal(
            shape=n, seed=k, means=p[0], stddevs=p[1], minvals=p[2], maxvals=p[3]), np.array([4], I32), np.array([1, 2], I64), *(t(x) for x in low), shapes="unknown")
    yield case("ParameterizedTruncatedNormal", lambda n, *p: raw.ParameterizedTruncatedNormal(shape=n, means=p[0], stdevs=p[1], minvals=p[2], maxvals=p[3], seed=3, seed2=4),
               np.array([150, 2], I32), t(0), t(1), t(-1.5), t(2))


def multinomials(rng):
    for t in (F32, F64, F16, I32):
        x = draw(rng, t, int(rng.integers(1, 4)), int(rng.integers(1, 7)), low=-2, high=3)
        n = np.int32(rng.integers(0, 9))
        yield case("Multinomial", lambda x, n, k=seeds(rng): raw.Multinomial(logits=x, num_samples=n, **k), x, n)
        yield case("StatelessMultinomial", lambda x, n, k: raw.StatelessMultinomial(logits=x, num_samples=n, seed=k, output_dtype=tf.int32), x, n,
                   rng.integers(0, 1000, 2).astype(I64))
    x = np.array([[1, np.inf, 2, -np.inf]], F32)
    yield case("Multinomial", lambda x, n: raw.Multinomial(logits=x, num_samples=n, seed=1, seed2=2), x, np.int32(6))
    for x, n in ((np.zeros((2, 0), F32), 3), (np.zeros((2, 3), F32), -1)):
        yield case("Multinomial", lambda x, n: raw.Multinomial(logits=x, num_samples=n, seed=1, seed2=2), x, np.int32(n), shapes="unknown")


def states(rng):
    def build(op, shape_first=False, **kw):
        def run(s, state):
            v = Resources()
            h = v.new(state)
            extra = dict(algorithm=np.int64(1))
            out = [v.run(op, resource=h, shape=s, **extra, **kw), v.run(op, resource=h, shape=s, **extra, **kw)]
            return out + [v.read(h)]
        return run
    for op, kw in ((raw.StatefulUniform, dict(dtype=tf.float32)), (raw.StatefulUniform, dict(dtype=tf.float64)),
                   (raw.StatefulStandardNormalV2, dict(dtype=tf.float32)), (raw.StatefulTruncatedNormal, dict(dtype=tf.float32)),
                   (raw.StatefulUniformFullInt, dict(dtype=tf.int64)), (raw.StatefulUniformFullInt, dict(dtype=tf.uint32)),
                   (raw.StatefulUniformInt, dict(minval=np.int32(-3), maxval=np.int32(9)))):
        yield case("Stateful", build(op, **kw), np.array(shape_of(rng, int(rng.integers(0, 3)), 5, 0), I64),
                   rng.integers(0, 2 ** 62, 3).astype(I64), tol=(1e-5, 1e-6), shapes="known")
    def skip(state):
        v = Resources()
        h = v.new(state)
        v.run(raw.RngSkip, resource=h, algorithm=np.int64(1), delta=np.int64(5))
        x = v.run(raw.RngReadAndSkip, resource=h, alg=np.int32(1), delta=np.uint64(7))
        return [x, v.read(h)]
    yield case("RngSkip", skip, np.array([2 ** 62, 7, 9], I64), shapes="known")
    yield case("RngSkip", skip, np.array([7, 9], I64), shapes="known")


def samplers(rng):
    for name in ("UniformCandidateSampler", "LogUniformCandidateSampler", "LearnedUnigramCandidateSampler", "ThreadUnsafeUnigramCandidateSampler",
                 "FixedUnigramCandidateSampler"):
        for unique in (False, True):
            size, n, columns = int(rng.integers(6, 40)), int(rng.integers(1, 6)), int(rng.integers(1, 4))
            more = dict(unigrams=[float(x) for x in rng.integers(1, 9, size - 1)], num_reserved_ids=1, distortion=0.75) if name[0] == "F" else {}
            yield case(name, lambda t, k=seeds(rng), name=name, unique=unique, size=size, n=n, columns=columns, more=more: list(getattr(raw, name)(
                true_classes=t, num_true=columns, num_sampled=n, unique=unique, range_max=size, **more, **k)),
                rng.integers(0, size, (int(rng.integers(1, 4)), columns)), tol=(1e-5, 1e-6))
    yield case("AllCandidateSampler", lambda t: list(raw.AllCandidateSampler(true_classes=t, num_true=2, num_sampled=5, unique=True, seed=1, seed2=1)),
               rng.integers(0, 5, (3, 2)))
    for t, kw in (([[1, 9]], dict(range_max=4)), ([[1, 2]], dict(range_max=4, unique=True)), ([[1, -1]], dict(range_max=9))):
        yield case("UniformCandidateSampler", lambda t, kw=kw: list(raw.UniformCandidateSampler(
            true_classes=t, num_true=2, num_sampled=5, seed=1, seed2=2, **{"unique": False, **kw})), np.array(t, I64), shapes="unknown")
    for _ in range(3):
        yield case("ComputeAccidentalHits", lambda t, d: list(raw.ComputeAccidentalHits(true_classes=t, sampled_candidates=d, num_true=2)),
                   rng.integers(0, 6, (3, 2)), rng.integers(0, 6, 5))


def shuffles(rng):
    op = lambda v, k, c, a=1: raw.StatelessShuffle(value=v, key=k, counter=c, alg=a)
    for t in (F32, I64, STRING, BOOL, F16, C64):
        shape = pick(rng, (9,), (4, 3), (130,), (1,), (0, 2), ())
        v = texts(rng, ["a", "b", "c"], *shape) if t == STRING else draw(rng, t, *shape)
        yield case("StatelessShuffle", op, v, draw(rng, U64, 1), draw(rng, U64, 2))
    for k, c, a in ((1, 2, 3), (2, 2, 1), (1, 2, 2), (1, 3, 1)):
        yield case("StatelessShuffle", lambda v, k, c, a=a: op(v, k, c, a), draw(rng, F32, 5), draw(rng, U64, k), draw(rng, U64, c), shapes="unknown")
    yield case("StatelessShuffle", op, draw(rng, F32, 5), np.uint64(3), draw(rng, U64, 2), shapes="unknown")
    index = lambda i, s, m, rounds=4: raw.RandomIndexShuffle(index=i, seed=s, max_index=m, rounds=rounds)
    for t in (I32, U32, I64, U64):
        for st in (I32, U32, I64, U64):
            m = int(rng.integers(1, pick(rng, 3, 100, 10**6, 2**31 - 1)))
            i = rng.integers(0, m + 1, 6).astype(t)
            rounds = pick(rng, 4, 4, 6, 32)
            yield case("RandomIndexShuffle", lambda i, s, m, rounds=rounds: index(i, s, m, rounds), i, draw(rng, st, 3, high=2**30), t(m))
            yield case("RandomIndexShuffle", lambda i, s, m, rounds=rounds: index(i, s, m, rounds), i[0], draw(rng, st, 3), t(m))
            yield case("RandomIndexShuffle", index, i, draw(rng, st, 6, 3), np.array([m] * 6, t))
    for i, s, m in ((3, 3, 2**40), (2**60, 3, 2**63 - 1), (11, 3, 9), (-1, 3, 9), (3, 3, -1), ([], 3, 9), ([[3]], 3, 9), ([3, 4], (1, 3), 9), (3, (1, 3), 9),
                    ([3], (2, 3), 9), (3, (2, 3), 9), (3, 3, [9]), (3, 3, [9, 9]), ([3, 4], 2, 9), ([3, 4, 5], 3, [9, 10]), (0, 3, 0)):
        yield case("RandomIndexShuffle", index, np.array(i, I64), draw(rng, I32, *np.atleast_1d(s)), np.array(m, I64), shapes="unknown")


def cases(rng):
    yield from gammas(rng)
    yield from poissons(rng)
    yield from binomials(rng)
    yield from multinomials(rng)
    yield from states(rng)
    yield from samplers(rng)
    yield from shuffles(rng)
    yield from truncated(rng)
