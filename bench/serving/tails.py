# SPDX-License-Identifier: Apache-2.0
"""The slow end of a server's answers, ours beside itself in the same rounds: batch sizes drawn from 1 to 64 beside 64 alone; a version
that changes while a model of 100 MB is loaded, beside the same traffic undisturbed. Ratios of p99 (median and range over rounds),
and whether anything failed. The model that is asked is MODEL (a folder with one version of a SavedModel, whose input is INPUT); the large one is made here.

Who asks while versions change is `turnery bench`, which never sleeps while it waits, or with --loadclient the load generator of compare.py's
TOOLS, which does as other clients do (then INPUT of the shape SHAPE, as in 1x32).

usage: tails.py --turnery BUILD/turnery --model MODEL [--input x] [--rounds 5] [--seconds 3] [--concurrency 1] [--rate 0]
                [--loadclient TOOLS/build/loadclient --shape 1]
"""
import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

ap = argparse.ArgumentParser()
for k in ("turnery", "model"):
    ap.add_argument("--" + k, required=True, type=os.path.abspath)
ap.add_argument("--input", default="x")
ap.add_argument("--rounds", type=int, default=5)
ap.add_argument("--seconds", type=float, default=3)
ap.add_argument("--concurrency", type=int, default=1)
ap.add_argument("--loadclient", type=os.path.abspath)
ap.add_argument("--shape", default="1")
ap.add_argument("--rate", type=float, default=0, help="questions a second; 0: each answer is followed by the next")
A = ap.parse_args()
HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLE = os.path.join(HERE, "../../examples/regression/curve_fitting.c")


def large_model(work):
    """A SavedModel with 105 MB of weights: the example with a wide layer."""
    source = os.path.join(work, "wide.c")
    with open(EXAMPLE) as f, open(source, "w") as out:
        out.write(f.read().replace(".max = 4096", ".max = 8192"))
    run = ("--logdir=" + os.path.join(work, "runs"),)
    subprocess.run([A.turnery, "train", source, "--hidden=5120", "--max_steps=1", "--validate_every=0", *run], check=True, capture_output=True)
    to = os.path.join(work, "export")
    subprocess.run([A.turnery, "export", "latest", "--to", to, *run], check=True, capture_output=True)
    return next(d for d, _, files in os.walk(to) if "saved_model.pb" in files)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, work, large):
        self.base = os.path.join(work, "small"), os.path.join(work, "large")
        for b in self.base:
            os.makedirs(b)
        config = os.path.join(work, "models.conf")
        with open(config, "w") as f:
            f.write("model_config_list {\n%s}\n" % "".join('config { name: "%s" base_path: "%s" model_platform: "tensorflow" }\n'
                                                          % (os.path.basename(b), b) for b in self.base))
        source = next(os.path.join(A.model, d) for d in sorted(os.listdir(A.model)) if d.isdigit())
        self.source, self.version = source, 0
        self.next_version(0)
        self.next_version(1, large)
        self.port, self.rest = free_port(), free_port()
        self.process = subprocess.Popen([A.turnery, "serve", "--port=%d" % self.port, "--rest_api_port=%d" % self.rest, "--model_config_file=" + config,
                                         "--file_system_poll_wait_seconds=1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def next_version(self, which, source=None):
        """Appears at once, as a rename does it."""
        self.version += 1
        parts = os.path.join(self.base[which], "parts")
        shutil.copytree(source or self.source, parts, copy_function=os.link if which else shutil.copy2) # 105 MB are there already
        os.rename(parts, os.path.join(self.base[which], str(self.version)))

    def available(self, which):
        url = "http://127.0.0.1:%d/v1/models/%s" % (self.rest, os.path.basename(self.base[which]))
        out = subprocess.run(["curl", "-s", url], capture_output=True, text=True).stdout
        return [int(v) for v in re.findall(r'"version": "(\d+)",\s*"state": "AVAILABLE"', out)]

    def client(self):
        """Asks one thing for --seconds."""
        if not A.loadclient:
            return self.bench()
        return subprocess.Popen([A.loadclient, "--target=127.0.0.1:%d" % self.port, "--model=small", "--input=%s:float:%s" % (A.input, A.shape),
                                 "--concurrency=%d" % A.concurrency, "--seconds=%g" % A.seconds, "--warmup=0.3", "--server-pid=%d" % self.process.pid],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def bench(self, *more):
        return subprocess.Popen([A.turnery, "bench", "--server=127.0.0.1:%d" % self.port, "--model=small", "--input=%s=random" % A.input, "--json",
                                 "--seconds=%g" % A.seconds, "--warmup=0.3", "--concurrency=%d" % A.concurrency, "--rate=%g" % A.rate, "--seed=1", *more],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def answers(process):
    out, err = process.communicate()
    if process.returncode:
        raise SystemExit("bench: " + err)
    r = json.loads(out.strip().splitlines()[-1])
    return r if "latency_ms" in r else {"latency_ms": {"p99": r["p99_us"] / 1000}, "failed": r["errors"]}


def wait_for(server, which, version):
    for _ in range(600):
        if version in server.available(which):
            return
        time.sleep(0.1)
    raise SystemExit("version %d is not there after a minute" % version)


def tell(what, pairs):
    before, after = ([r["latency_ms"]["p99"] for r in rows] for rows in zip(*pairs))
    ratios = [b / a for a, b in zip(before, after)]
    print("%-44s %5.2f (%.2f - %.2f) of %s ms" % (what, statistics.median(ratios), min(ratios), max(ratios),
                                                  ", ".join("%.3f" % a for a in before)), flush=True)


def mixed(server):
    pairs = [(answers(server.bench("--batch=64")), answers(server.bench("--batch=1", "--most_batch=64"))) for _ in range(A.rounds)]
    tell("p99, batches of 1 to 64 beside 64", pairs)


def swaps(server, large):
    pairs, failed, overlapped = [], 0, 0
    for _ in range(A.rounds):
        quiet = answers(server.client())
        asking = server.client()
        time.sleep(0.5)
        server.next_version(1, large)
        one = server.version
        server.next_version(0)
        two = server.version
        busy = answers(asking)
        overlapped += one in server.available(1) and two in server.available(0)
        wait_for(server, 1, one)
        wait_for(server, 0, two)
        time.sleep(2) # until the batch sizes that it expects are planned, too
        pairs.append((quiet, busy))
        failed += quiet["failed"] + busy["failed"]
    tell("p99, a swap and a load of 105 MB beside quiet", pairs)
    print("%d failed; in %d of %d rounds both versions came while it was asked" % (failed, overlapped, A.rounds))


with tempfile.TemporaryDirectory() as work:
    big = large_model(work)
    server = Server(work, big)
    try:
        wait_for(server, 0, 1)
        mixed(server)
        swaps(server, big)
    finally:
        server.process.terminate()
        server.process.wait()
