# SPDX-License-Identifier: Apache-2.0
"""Our inference and onnxruntime's in one run, as compare.py, but of the graph that a peer's script exports with PyTorch, and of
the script's own inputs: sentences of W2 are 5 to 20 steps long there, where compare.py's are all 20. The weights of the two sides
differ, so answers are not compared. Prints how many times longer onnxruntime takes than ours (of the least times; the median and
the range over pairs of blocks, by their medians).

usage: compare_exported.py OURS FOLDER PEERS [--models W2,W6] [--batch 1,32] [--threads 1,2] [--blocks 7]
       OURS: the program of ours.c. FOLDER: make_models.py's. PEERS: a folder with common.py, torch_runner.py and w*_torch.py
Run by an interpreter that has torch, onnx and onnxruntime.
"""
import argparse
import contextlib
import glob
import importlib
import io
import os
import sys
import tempfile
import time

import onnxruntime as ort

from compare import Ours


def peer(folder, name, threads):
    """The script's model and torch_runner, common. The runner reads the arguments of the process when it is imported."""
    sys.path.insert(0, folder)
    sys.argv = [sys.argv[0], "--infer", "--threads", str(threads)]
    import common
    import torch_runner
    made = []
    torch_runner.main = lambda w, make_model, *rest: made.append(make_model)
    script = os.path.basename(glob.glob(os.path.join(folder, name.lower() + "_*_torch.py"))[0])
    importlib.import_module(script[:-3])
    torch_runner.torch.manual_seed(1)
    return torch_runner.init_like_keras(made[0]("padded", 1.0)).eval(), torch_runner, common


def exported(model, runner, common, name, batch, threads):
    """A session of the exported graph, what it is fed, and the inputs as TensorFlow's model takes them."""
    raw = common.infer_inputs(name, batch)
    inputs = runner.tensors(name, (raw, common.data(name)[0][1]))[0]
    names = ["x%d" % i for i in range(len(inputs))]
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as tmp, runner.torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
        path = os.path.join(tmp, "model.onnx")
        runner.torch.onnx.export(model, inputs, path, input_names=names, output_names=["y"], dynamo=False)
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session, {k: v.numpy() for k, v in zip(names, inputs)}, raw


def run(session, feed, n):
    us = []
    for _ in range(n):
        t = time.perf_counter_ns()
        session.run(None, feed)
        us.append((time.perf_counter_ns() - t) / 1e3)
    us.sort()
    return {"p50": us[n // 2], "min": us[0]}


def compare(a, name, batch, threads):
    session, feed, raw = exported(*peer(a.peers, name, threads), name, batch, threads)
    n = max(3, min(2000, int(6e4 / run(session, feed, 3)["p50"])))
    with tempfile.TemporaryDirectory() as tmp:
        ours = Ours(a.ours, os.path.join(a.folder, name), threads, raw, tmp)
        ours.ask("run 5")
        pairs = []
        for _ in range(a.blocks):
            pairs.append((ours.ask("run %d" % n), run(session, feed, n)))
            time.sleep(0.01)  # neither side's threads still spin when the other's turn comes
        ours.close()
    least = [min(p[k]["min"] for p in pairs) for k in (0, 1)]
    ratios = sorted(p[1]["p50"] / p[0]["p50"] for p in pairs)
    print("%-4s batch %2d  threads %d  ours %9.1f us  onnxruntime %9.1f us  %5.2f  %5.2f (%.2f - %.2f)" % (
        name, batch, threads, *least, least[1] / least[0], ratios[len(ratios) // 2], ratios[0], ratios[-1]), flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("ours")
    p.add_argument("folder")
    p.add_argument("peers")
    p.add_argument("--models", default="W1,W2,W3,W4,W5,W6")
    p.add_argument("--batch", default="1,32")
    p.add_argument("--threads", default="1,2")
    p.add_argument("--blocks", type=int, default=7)
    a = p.parse_args()
    for name in a.models.split(","):
        for batch in map(int, a.batch.split(",")):
            for threads in map(int, a.threads.split(",")):
                child = os.fork()  # the runner sets the number of threads of its process once
                if child == 0:
                    compare(a, name, batch, threads)
                    os._exit(0)
                if os.waitpid(child, 0)[1]:
                    sys.exit("%s, batch %d: failed" % (name, batch))


if __name__ == "__main__":
    main()
