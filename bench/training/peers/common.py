# SPDX-License-Identifier: Apache-2.0
"""Data, step counts, arithmetic counts and output shared by every peer script.

Imports only numpy and the standard library, so that it adds nothing to the
import time of either peer.
"""
import argparse
import json
import os
import resource
import sys
import time

T0 = time.perf_counter()

# steps in one timed block (also the number of distinct batches), and batch size
STEPS = {"W1": 300, "W2": 3, "W3": 50, "W4": 3, "W5": 20, "W6": 6}
BATCH = {"W1": 64, "W2": 64, "W3": 32, "W4": 8, "W5": 32, "W6": 128}
TITLE = {
    "W1": "curve_fitting", "W2": "gru_recommender", "W3": "ts_autoencoder",
    "W4": "segmentation_unet", "W5": "qa_ranker", "W6": "mnist_cnn",
}
LR = 1e-3


def args(extra=None):
    p = argparse.ArgumentParser()
    p.add_argument("--modes", default="")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--blocks", type=int, default=4)
    p.add_argument("--limit", type=float, default=45, help="start no further block after so many seconds")
    p.add_argument("--opt", default="adam", choices=["adam", "sgd"])
    p.add_argument("--keep", type=float, default=1.0, help="dropout keep probability (W2)")
    p.add_argument("--infer", action="store_true", help="measure inference latency instead of training")
    p.add_argument("--export", default="", help="directory for the exported inference models")
    a = p.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(a.threads))
    os.environ.setdefault("MKL_NUM_THREADS", str(a.threads))
    return a


def data(w):
    """One list of (inputs tuple, target) per step of a block; fixed seed."""
    import numpy as np
    r = np.random.default_rng(7)
    n, b = STEPS[w], BATCH[w]
    out = []
    f32 = np.float32
    for _ in range(n):
        if w == "W1":
            x = r.uniform(-2, 2, (b, 1)).astype(f32)
            y = (np.sin(3 * x) + 0.05 * r.standard_normal((b, 1))).astype(f32)
            out.append(((x,), y))
        elif w == "W2":
            x = r.standard_normal((b, 20, 528)).astype(f32)
            t = r.standard_normal((b, 20, 125)).astype(f32)
            t /= np.linalg.norm(t, axis=-1, keepdims=True)
            c = (r.random((b, 20, 3)) < 0.1).astype(f32)
            y = np.concatenate([t, c], -1)
            lens = r.integers(5, 21, b)
            m = (np.arange(20)[None, :] < lens[:, None])[..., None]
            out.append(((x * m,), (y * m).astype(f32)))
        elif w == "W3":
            t = np.arange(240, dtype=f32)[None, :, None]
            ph = r.uniform(0, 6.28, (b, 1, 12)).astype(f32)
            fr = r.uniform(0.02, 0.2, (b, 1, 12)).astype(f32)
            x = np.sin(fr * t + ph) + 0.1 * r.standard_normal((b, 240, 12)).astype(f32)
            x = ((x - x.mean()) / x.std()).astype(f32)
            out.append(((x,), x))
        elif w == "W4":
            x = r.standard_normal((b, 128, 128, 3)).astype(f32)
            y = ((x[..., 0] > 0).astype(np.int32) + 2 * (x[..., 1] > 0)).astype(np.int32)
            out.append(((x,), y))
        elif w == "W5":
            a_ = r.integers(0, 20000, (b, 40)).astype(np.int32)
            b_ = r.integers(0, 20000, (b, 40)).astype(np.int32)
            f = r.standard_normal((b, 10)).astype(f32)
            y = (f[:, 0] > 0).astype(np.int32)
            out.append(((a_, b_, f), y))
        elif w == "W6":
            y = r.integers(0, 10, b).astype(np.int32)
            x = 0.3 * r.standard_normal((b, 28, 28, 1)).astype(f32)
            for i, k in enumerate(y):
                x[i, 2 * k:2 * k + 6, 4:20] += 1.0
            out.append(((x.astype(f32),), y))
    return out


def flops(w):
    """(forward, training step) multiply-add arithmetic per batch, convolutions
    and matrix products only; W2 counts the valid time steps only (mean 12.5)."""
    b = BATCH[w]
    L = []  # (forward flops, needs gradient with respect to its input)

    def dense(i, o, rows=b, g=True):
        L.append((2 * rows * i * o, g))

    def conv(positions, k, i, o, g=True):
        L.append((2 * positions * k * i * o, g))

    if w == "W1":
        dense(1, 64, g=False), dense(64, 64), dense(64, 1)
    elif w == "W2":
        rows = sum(int((d[0][0].any(-1)).sum()) for d in data(w)) / STEPS[w]
        for layer in range(2):
            dense(528, 1584, rows, g=layer > 0)
            dense(528, 1584, rows)
        dense(528, 128, rows)
    elif w == "W3":
        conv(b * 120, 5, 12, 32, g=False), conv(b * 60, 5, 32, 64)
        dense(3840, 23), dense(23, 3840)
        conv(b * 60, 5, 64, 32), conv(b * 120, 5, 32, 12)
    elif w == "W4":
        c = 3
        hw = 128
        for i, o in enumerate((16, 32, 64, 128)):
            conv(b * hw * hw, 9, c, o, g=i > 0), conv(b * hw * hw, 9, o, o)
            c, hw = o, hw // 2
        hw = 16
        for o in (64, 32, 16):
            conv(b * hw * hw, 4, 2 * o, o)
            hw *= 2
            conv(b * hw * hw, 9, 2 * o, o), conv(b * hw * hw, 9, o, o)
        conv(b * hw * hw, 1, 16, 4)
    elif w == "W5":
        for k in (2, 3, 4):
            conv(2 * b * (41 - k), k, 128, 64)
        dense(394, 128), dense(128, 2)
    elif w == "W6":
        conv(b * 676, 9, 1, 32, g=False), conv(b * 576, 9, 32, 64)
        dense(9216, 128), dense(128, 10)
    fwd = sum(f for f, _ in L)
    return fwd, sum(f * (3 if g else 2) for f, g in L)


def rss_mb():
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def median(v):
    v = sorted(v)
    n = len(v)
    return v[n // 2] if n % 2 else (v[n // 2 - 1] + v[n // 2]) / 2


def emit(**kw):
    print(json.dumps(kw), flush=True)


def cpu_now():
    """(busy seconds of the machine, of this process, stolen seconds)."""
    with open("/proc/stat") as f:
        v = [int(x) / os.sysconf("SC_CLK_TCK") for x in f.readline().split()[1:9]]
    t = os.times()
    return v[0] + v[1] + v[2] + v[5] + v[6], t.user + t.system, v[7]


def run_blocks(w, peer, modes, a, import_s):
    """modes: dict name -> (first_step() , block() -> last loss). Blocks of the
    modes are interleaved (A B A B)."""
    n, b = STEPS[w], BATCH[w]
    name = TITLE[w] + ("_sgd" if a.opt == "sgd" else "") + ("_keep%.1f" % a.keep if a.keep < 1 else "")
    first, times, loss, bad, other, own = {}, {}, {}, {}, {}, {}
    for m, (fs, blk) in modes.items():
        if times and time.perf_counter() - T0 > a.limit:
            bad[m] = "not run: time limit"
            continue
        try:
            t = time.perf_counter()
            fs()
            first[m] = time.perf_counter() - t
            blk()  # warm-up block
            times[m] = []
        except Exception as e:  # a mode that a peer cannot do is a result too
            bad[m] = ("%s: %s" % (type(e).__name__, str(e)))[:300]
    for i in range(a.blocks):
        if i and time.perf_counter() - T0 > a.limit:
            break
        for m in times:
            c = cpu_now()
            t = time.perf_counter()
            loss[m] = modes[m][1]()
            t = time.perf_counter() - t
            times[m].append(t)
            d = [y - x for x, y in zip(c, cpu_now())]
            other.setdefault(m, []).append(round(max(0.0, d[0] - d[1]) / t, 2))
            own.setdefault(m, []).append(round(d[1] / t, 2))
    for m, ts in times.items():
        med, best = median(ts) / n, min(ts) / n
        emit(workload=name, w=w, peer=peer, mode=m, steps_per_s=round(1 / med, 3),
             samples_per_s=round(b / med, 1), best_steps_per_s=round(1 / best, 3),
             first_step_s=round(first[m], 3), import_s=round(import_s, 3),
             total_wall_s=round(time.perf_counter() - T0, 2), peak_rss_mb=rss_mb(),
             final_loss=round(float(loss[m]), 5), threads=a.threads,
             shared_process=len(modes) > 1, other_cores=other[m], own_cores=own[m], ms_per_step=[round(t / n * 1e3, 4) for t in ts])
    for m, e in bad.items():
        emit(workload=name, w=w, peer=peer, mode=m, threads=a.threads, error=e)


def latency(w, peer, mode, batch, threads, fn, budget=0.5):
    for _ in range(5):
        fn()
    ts = []
    end = time.perf_counter() + budget
    while (time.perf_counter() < end or len(ts) < 15) and len(ts) < 5000:
        t = time.perf_counter()
        fn()
        ts.append(time.perf_counter() - t)
    ts.sort()
    emit(workload=TITLE[w], w=w, peer=peer, mode=mode, infer_batch=batch, threads=threads,
         p50_us=round(ts[len(ts) // 2] * 1e6, 1), p99_us=round(ts[min(len(ts) - 1, int(len(ts) * 0.99))] * 1e6, 1),
         min_us=round(ts[0] * 1e6, 1), calls=len(ts))


def infer_inputs(w, batch):
    import numpy as np
    ins = data(w)
    if BATCH[w] < batch:
        k = -(-batch // BATCH[w])
        cat = [np.concatenate([ins[i % len(ins)][0][j] for i in range(k)]) for j in range(len(ins[0][0]))]
    else:
        cat = ins[0][0]
    return [np.ascontiguousarray(c[:batch]) for c in cat]
