# SPDX-License-Identifier: Apache-2.0
"""Our inference and onnxruntime's in one run: blocks of both in turn, so that each pair sees the same machine. Prints the
time of an answer (median, 99th percentile, least) and how many times longer than ours (of the least times; the median and
the range over pairs of blocks, by their medians). Outputs are compared too.

--cpu counts the processor's time instead: for one thread on a machine that is busy otherwise.

usage: compare.py OURS FOLDER [--models W1,W2] [--batch 1,32] [--threads 1,2] [--blocks 9] [--cpu]
"""
import argparse
import json
import os
import subprocess
import tempfile
import time

import numpy as np
import onnxruntime as ort

import onnx_models as M

TARGETS = {("W1", 1): 3, ("W2", 1): 1.5, ("W5", 1): 1.5, ("W6", 1): 1.2}


class Ours:
    def __init__(self, program, folder, threads, inputs, tmp):
        files = []
        for k, x in enumerate(inputs):
            files.append(os.path.join(tmp, "x%d.npy" % k))
            np.save(files[-1], x)
        env = dict(os.environ, OMP_NUM_THREADS=str(threads))
        self.p = subprocess.Popen([program, folder, str(threads)] + files, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  env=env, text=True)
        self.start = json.loads(self.p.stdout.readline())

    def ask(self, text):
        self.p.stdin.write(text + "\n")
        self.p.stdin.flush()
        return json.loads(self.p.stdout.readline())

    def close(self):
        self.p.stdin.close()
        self.p.wait()


class Onnx:
    def __init__(self, name, folder, threads, inputs):
        w = np.load(os.path.join(folder, name + ".npz"))
        model = M.MODELS[name]([w["arr_%d" % k] for k in range(len(w.files))])
        o = ort.SessionOptions()
        o.intra_op_num_threads = threads
        self.s = ort.InferenceSession(model.SerializeToString(), o, providers=["CPUExecutionProvider"])
        self.feed = {"x%d" % k: M.channels_first(name, x) for k, x in enumerate(inputs)}

    def run(self, n, clock=time.perf_counter_ns):
        us = []
        for _ in range(n):
            t = clock()
            self.y = self.s.run(None, self.feed)[0]
            us.append((clock() - t) / 1e3)
        us.sort()
        return {"p50": us[n // 2], "p99": us[n - 1 - n // 100], "min": us[0]}


def merged(blocks):
    return [float(f([b[k] for b in blocks])) for k, f in (("p50", np.median), ("p99", np.median), ("min", np.min))]


def compare(a, name, batch, threads, tmp):
    inputs = M.inputs(name, batch)
    ours = Ours(a.ours, os.path.join(a.folder, name), threads, inputs, tmp)
    theirs = Onnx(name, a.folder, threads, inputs)
    y = os.path.join(tmp, "y.npy")
    ours.ask("save " + y)
    theirs.run(3)
    want, got = M.channels_last(name, theirs.y), np.load(y)
    error = float(np.abs(want - got).max())
    n = max(3, min(2000, int(a.block_ms * 1e3 / theirs.run(3)["p50"])))
    pairs = []
    for _ in range(a.blocks):
        if a.cpu:
            pairs.append((ours.ask("cpu %d" % n), theirs.run(n, time.process_time_ns)))
        else:
            pairs.append((ours.ask("run %d" % n), theirs.run(n)))
        time.sleep(0.01)  # neither side's threads still spin when the other's turn comes
    ours.close()
    us, them = merged([p[0] for p in pairs]), merged([p[1] for p in pairs])
    ratios = sorted(p[1]["p50"] / p[0]["p50"] for p in pairs)
    target = TARGETS.get((name, batch), 1)
    print("%-5s %5d %7d  %9.1f %9.1f %9.1f  %9.1f %9.1f %9.1f  %6.2f  %6.2f (%.2f - %.2f)  %4.1f  %.1e  %5.1f + %.1f ms" % (
        name, batch, threads, *us, *them, them[2] / us[2], ratios[len(ratios) // 2], ratios[0], ratios[-1], target, error,
        ours.start["load_ms"], ours.start["first_ms"]), flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("ours")
    p.add_argument("folder")
    p.add_argument("--models", default=",".join(M.MODELS))
    p.add_argument("--batch", default="1,32")
    p.add_argument("--threads", default="1,2")
    p.add_argument("--blocks", type=int, default=9)
    p.add_argument("--cpu", action="store_true")
    p.add_argument("--block_ms", type=float, default=60)
    a = p.parse_args()
    print("%-5s %5s %7s  %29s  %29s  %6s  %s" % ("", "batch", "threads", "ours: p50, p99, least (us)", "onnxruntime",
                                                 "least", "by blocks (range)   wanted  difference  load + first answer"))
    with tempfile.TemporaryDirectory() as tmp:
        for name in a.models.split(","):
            for batch in map(int, a.batch.split(",")):
                for threads in map(int, a.threads.split(",")):
                    compare(a, name, batch, threads, tmp)


if __name__ == "__main__":
    main()
