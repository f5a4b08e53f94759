# SPDX-License-Identifier: Apache-2.0
"""Connectionist temporal classification: the loss, its gradient, decoders."""
from case import *


def sparse_labels(rng, batch, most, classes):
    indices, values = [], []
    for b in range(batch):
        for k in range(rng.integers(1, most + 1)):
            indices.append([b, k])
            values.append(rng.integers(0, classes - 1))
    return np.array(indices, I64), np.array(values, I32)


def loss(**kw):
    def build(x, i, v, n):
        y = raw.CTCLoss(inputs=x, labels_indices=i, labels_values=v, sequence_length=n, **kw)
        return [y.loss, y.gradient]
    return build


def loss_only(**kw):
    return lambda x, i, v, n: raw.CTCLoss(inputs=x, labels_indices=i, labels_values=v, sequence_length=n, **kw).loss


def losses(rng):
    for k in range(6):
        t = F64 if k == 5 else F32
        time, batch, classes = rng.integers(4, 9), rng.integers(1, 4), rng.integers(2, 7)
        i, v = sparse_labels(rng, batch, 3, classes)
        n = rng.integers(3, time + 1, batch).astype(I32)
        kw = dict(preprocess_collapse_repeated=bool(rng.integers(2)), ctc_merge_repeated=bool(rng.integers(2)))
        x = draw(rng, t, time, batch, classes)
        yield case("CTCLoss", loss(**kw), x, i, v, n, tol=(1e-4, 1e-5))
        yield case("CTCLoss", loss_only(**kw), x, i, v, n, grad=[0], tol=(1e-4, 1e-5))
    x = draw(rng, F32, 3, 1, 4)
    one = np.array([[0, 0]], I64)
    two = np.array([[0, 0], [0, 1]], I64)
    for i, v, n in ((one, [1], 3), (one, [3], 3), (one, [4], 3), (one, [-1], 3), (one, [1], 0), (one, [1], 4), (one, [1], -1),
                    (two, [3, 1], 3), (two, [1, 3], 3), (two, [1, 1], 2), (two, [1, 2], 1), (two[::-1], [1, 2], 3),
                    (one[:0], [], 3), (one + 1, [1], 3), (two * 0, [1, 2], 3)):
        yield case("CTCLoss", loss(), x, i, np.array(v, I32), np.array([n], I32))
    yield case("CTCLoss", loss(ignore_longer_outputs_than_inputs=True), x, two, np.array([1, 2], I32), np.array([1], I32))
    x[1, 0, 0] = 1000
    yield case("CTCLoss", loss(), x, two, np.array([1, 2], I32), np.array([3], I32), tol=(1e-4, 1e-5))


def greedy(rng):
    for k in range(5):
        time, batch, classes = rng.integers(1, 9), rng.integers(1, 4), rng.integers(1, 5)
        x = draw(rng, F64 if k == 4 else F32, time, batch, classes)
        n = rng.integers(0, time + 1, batch).astype(I32)
        kw = dict(merge_repeated=bool(rng.integers(2)), blank_index=int(rng.integers(-classes, classes)))
        yield case("CTCGreedyDecoder", lambda x, n, kw=kw: list(raw.CTCGreedyDecoder(inputs=x, sequence_length=n, **kw)), x, n)
    yield case("CTCGreedyDecoder", lambda x, n: list(raw.CTCGreedyDecoder(inputs=x, sequence_length=n)), x, n + 20)
    yield case("CTCGreedyDecoder", lambda x, n: list(raw.CTCGreedyDecoder(inputs=x, sequence_length=n, blank_index=9)), x, n)


def beams(rng):
    def build(width, paths, merge):
        def run(x, n):
            y = raw.CTCBeamSearchDecoder(inputs=x, sequence_length=n, beam_width=width, top_paths=paths, merge_repeated=merge)
            return [*y.decoded_indices, *y.decoded_values, *y.decoded_shape, y.log_probability]
        return run
    for k in range(8):
        time, batch, classes = rng.integers(4, 10), rng.integers(1, 4), rng.integers(3, 6)
        x = draw(rng, F64 if k == 7 else F32, time, batch, classes, low=-4, high=4)
        n = rng.integers(2, time + 1, batch).astype(I32)
        width = int(rng.integers(2, 12))
        yield case("CTCBeamSearchDecoder", build(width, int(rng.integers(1, min(width, 4) + 1)), bool(rng.integers(2))), x, n, tol=(1e-5, 1e-5))
    yield case("CTCBeamSearchDecoder", build(3, 4, True), x, n)
    yield case("CTCBeamSearchDecoder", build(4, 4, True), x[:, :, :2], np.zeros(len(n), I32))


def cases(rng):
    yield from losses(rng)
    yield from greedy(rng)
    yield from beams(rng)
