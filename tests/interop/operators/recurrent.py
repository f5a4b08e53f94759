# SPDX-License-Identifier: Apache-2.0
"""LSTM and GRU cells and sequences as single operators."""
from case import *

NAMES = ["x", "cs_prev", "h_prev", "w", "wci", "wcf", "wco", "b"]


def weights(rng, t, steps, batch, n_in, cell):
    x = draw(rng, t, steps, batch, n_in) if steps is not None else draw(rng, t, batch, n_in)
    return [x, draw(rng, t, batch, cell), draw(rng, t, batch, cell), draw(rng, t, n_in + cell, 4 * cell, low=-1, high=1),
            draw(rng, t, cell), draw(rng, t, cell), draw(rng, t, cell), draw(rng, t, 4 * cell)]


def outputs_of(y):
    return [getattr(y, k) for k in ("i", "cs", "f", "o", "ci", "co", "h")]


def lstm_cells(rng):
    for t in (F32, F16):
        for peephole in (False, True):
            batch, n_in, cell = rng.integers(1, 5, 3)
            v = weights(rng, t, None, batch, n_in, cell)
            clip = float(rng.choice([-1.0, 0.0, 0.5, 3.0]))
            tol = (1e-4, 1e-5) if t == F32 else (2e-2, 1e-2)
            kw = dict(forget_bias=float(rng.uniform(0, 2)), cell_clip=clip, use_peephole=peephole)
            yield case("LSTMBlockCell", lambda *a, kw=kw: outputs_of(raw.LSTMBlockCell(**dict(zip(NAMES, a)), **kw)), *v,
                       tol=tol)
            states = [draw(rng, t, batch, cell, low=0, high=1) for _ in range(8)]
            names = NAMES + ["i", "cs", "f", "o", "ci", "co", "cs_grad", "h_grad"]
            def gradient(*a, names=names, peephole=peephole):
                y = raw.LSTMBlockCellGrad(**dict(zip(names, a)), use_peephole=peephole)
                return [y.cs_prev_grad, y.dicfo] + ([y.wci_grad, y.wcf_grad, y.wco_grad] if peephole else [])
            yield case("LSTMBlockCellGrad", gradient, *v, *states, tol=tol)
    v = weights(rng, F32, None, 2, 3, 4)
    for i, shape in ((0, (3, 3)), (1, (2, 5)), (2, (1, 4)), (3, (7, 15)), (7, (15,))):
        bad = list(v)
        bad[i] = draw(rng, F32, *shape)
        yield case("LSTMBlockCell", lambda *a: outputs_of(raw.LSTMBlockCell(**dict(zip(NAMES, a)))), *bad)


def sequences(rng):
    for name in ("BlockLSTM", "BlockLSTMV2"):
        op = getattr(raw, name)
        for t, sizes in ((F32, None), (F32, None), (F32, (1, 1, 1, 1)), (F32, (4, 0, 2, 3)), (F16, None)):
            steps, batch, n_in, cell = sizes or rng.integers(1, 5, 4)
            v = weights(rng, t, steps, batch, n_in, cell)
            most = np.int64(rng.integers(0, steps + 1) if sizes is None else steps)
            kw = dict(use_peephole=bool(rng.integers(2)), cell_clip=float(rng.choice([0.0, 0.7])))
            if name == "BlockLSTM":
                kw["forget_bias"] = float(rng.uniform(0, 2))
            tol = (1e-4, 1e-5) if t == F32 else (3e-2, 2e-2)
            def build(n, *a, op=op, kw=kw):
                return outputs_of(op(seq_len_max=n, **dict(zip(NAMES, a)), **kw))
            def last(n, *a, op=op, kw=kw):
                y = op(seq_len_max=n, **dict(zip(NAMES, a)), **kw)
                return [y.cs, y.h]
            yield case(name, build if most == steps else last, most, *v, tol=tol)  # other outputs are unset after `most`
            grad = [1, 2, 3, 4, 8] + ([5, 6, 7] if kw["use_peephole"] else [])
            if name == "BlockLSTMV2" and batch:  # whose gradient TensorFlow builds with the gates of the first version in it
                names = NAMES + ["i", "cs", "f", "o", "ci", "co", "h", "cs_grad", "h_grad"]
                states = [draw(rng, t, steps, batch, cell, low=0, high=1) for _ in range(9)]
                def gradient(n, *a, names=names, p=kw["use_peephole"]):
                    y = list(raw.BlockLSTMGradV2(seq_len_max=n, **dict(zip(names, a)), use_peephole=p))
                    return y if p else y[:4] + y[7:]
                yield case("BlockLSTMGradV2", gradient, most, *v, *states, tol=(1e-3, 1e-4) if t == F32 else (5e-2, 5e-2))
            elif t == F32 and batch:
                yield case(name + "Grad", last, most, *v, grad=grad, tol=(1e-3, 1e-4))


def gru(rng):
    names = ["x", "h_prev", "w_ru", "w_c", "b_ru", "b_c"]
    for batch, n_in, cell in (rng.integers(1, 6, 3), rng.integers(1, 20, 3), (1, 1, 1)):
        v = [draw(rng, F32, batch, n_in), draw(rng, F32, batch, cell), draw(rng, F32, n_in + cell, 2 * cell),
             draw(rng, F32, n_in + cell, cell), draw(rng, F32, 2 * cell), draw(rng, F32, cell)]
        yield case("GRUBlockCell", lambda *a: list(raw.GRUBlockCell(**dict(zip(names, a)))), *v)
        s = [draw(rng, F32, batch, cell, low=0, high=1) for _ in range(4)]
        yield case("GRUBlockCellGrad", lambda *a: list(raw.GRUBlockCellGrad(**dict(zip(names + ["r", "u", "c", "d_h"], a)))),
                   *v, *s)
    v[2] = draw(rng, F32, 3, 3)
    yield case("GRUBlockCell", lambda *a: list(raw.GRUBlockCell(**dict(zip(names, a)))), *v)


def cases(rng):
    yield from lstm_cells(rng)
    yield from sequences(rng)
    yield from gru(rng)
