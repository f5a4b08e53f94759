# SPDX-License-Identifier: Apache-2.0
"""Our server beside a stand-in for TensorFlow Serving (TensorFlow's C API behind gRPC C++), in the same rounds, asked by the same
load generator: calls a second, latency, the server's CPU for a call, as ratios (median and range over rounds). The
stand-in, the load generator and the models are what `standin`, `loadclient` and `make_models.py` in TOOLS make (see
its README); nothing of them is needed otherwise.

usage: compare.py --turnery BUILD/turnery --tools TOOLS --tflib libtensorflow_cc.so.2 [--cells mlp:1:8,...] [--rounds 5]
                  [--seconds 1] [--layouts "async,1,1 async,2,2 async,4,2"] [--startup]
"""
import argparse
import json
import os
import socket
import statistics
import subprocess
import tempfile
import time

SHAPES = {"half_plus_two": [], "mlp": [32], "mobilenet": [96, 96, 3], "gru": [20, 528], "gru_unrolled": [20, 528]}
CELLS = ("half_plus_two:1:1 half_plus_two:1:8 mlp:1:1 mlp:1:8 mlp:32:1 mlp:32:8 gru:1:8 gru:32:8 gru_unrolled:1:8 "
         "mobilenet:1:8 mobilenet:32:1").replace(" ", ",")
WANTED = {("half_plus_two", 1): 3, ("mlp", 1): 3, ("mlp", 32): 2, ("gru", 1): 2, ("gru", 32): 2, ("mobilenet", 1): 1.4,
          ("mobilenet", 32): 1.4}
ap = argparse.ArgumentParser()
for k in ("turnery", "tools", "tflib"):
    ap.add_argument("--" + k, required=True)
ap.add_argument("--cells", default=CELLS)
ap.add_argument("--rounds", type=int, default=5)
ap.add_argument("--seconds", type=float, default=1)
ap.add_argument("--layouts", default="async,1,1 async,2,2 async,4,2")
ap.add_argument("--startup", action="store_true")
A = ap.parse_args()
MODELS = os.path.join(A.tools, "models")
procs = []


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def spawn(*argv):
    procs.append(subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    return procs[-1].pid


def standin(model, layout):
    kind, threads, queues = layout.split(",")
    port = free_port()
    pid = spawn(A.tools + "/build/standin", "--listen=127.0.0.1:%d" % port, "--mode=tf", "--tflib=" + A.tflib,
                "--model=%s/%s/1" % (MODELS, model), "--name=" + model, "--server=" + kind, "--threads=" + threads, "--cqs=" + queues,
                "--inter=-1", "--intra=1")
    return port, pid


def ours(models):
    with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False) as f:
        f.write("model_config_list {\n%s}\n" % "".join(
            '  config { name: "%s" base_path: "%s" model_platform: "tensorflow" }\n' % (m, os.path.join(os.path.abspath(MODELS), m)) for m in models))
    port = free_port()
    return port, spawn(A.turnery, "serve", "--port=%d" % port, "--model_config_file=" + f.name)


def client(port, pid, model, batch, *more):
    shape = "x".join(map(str, [batch] + SHAPES[model]))
    p = subprocess.run([A.tools + "/build/loadclient", "--target=127.0.0.1:%d" % port, "--model=" + model, "--input=x:float:" + shape,
                        "--server-pid=%d" % pid, *more], capture_output=True, text=True, timeout=120)
    if p.returncode:
        raise SystemExit("loadclient, %s at port %d: %s" % (model, port, p.stderr.strip()))
    return json.loads(p.stdout)


def spread(values):
    return "%6.2f (%.2f - %.2f)" % (statistics.median(values), min(values), max(values))


def load(cell, layouts, our_port, our_pid, standins):
    model, batch, flight = cell.split(":")
    rows = []
    for _ in range(A.rounds):
        args = ("--concurrency=" + flight, "--seconds=%g" % A.seconds, "--warmup=0.2")
        mine = client(our_port, our_pid, model, int(batch), *args)
        theirs = [client(*standins[model, layout], model, int(batch), *args) for layout in layouts]
        rows.append((max(t["rps"] for t in theirs), min(t["p50_us"] for t in theirs), min(t["server_cpu_us"] for t in theirs), mine))
    m = [r[3] for r in rows]
    print("%-14s %5s %6s  %9.0f %8.0f %8.0f %7.1f %7.1f   %s   %s   %s   %s" % (
        model, batch, flight, statistics.median(x["rps"] for x in m), statistics.median(x["p50_us"] for x in m),
        statistics.median(x["p99_us"] for x in m), statistics.median(x["server_cpu_us"] for x in m), m[-1]["server_rss_kb"] / 1024,
        spread([r[3]["rps"] / r[0] for r in rows]), spread([r[1] / r[3]["p50_us"] for r in rows]),
        spread([r[2] / r[3]["server_cpu_us"] for r in rows]), WANTED.get((model, int(batch)), "")), flush=True)


def startup(model):
    """Process start to first answer, of a process that nobody waited for."""
    ms = []
    for _ in range(A.rounds):
        t0 = time.monotonic_ns()
        port, pid = ours([model])
        r = client(port, pid, model, 1, "--once", "--wait=60", "--t0=%d" % t0)
        ms.append(r["first_answer_ms"])
        procs[-1].terminate()
        procs[-1].wait()
    print("%-14s first answer %s ms, %.1f MB" % (model, spread(ms), r["rss_kb"] / 1024), flush=True)


try:
    cells = [c for c in A.cells.split(",") if c]
    models = sorted({c.split(":")[0] for c in cells})
    if A.startup:
        for m in models:
            startup(m)
    else:
        layouts = A.layouts.split()
        standins = {(m, l): standin(m, l) for m in models for l in layouts}
        port, pid = ours(models)
        for (m, _), (p, i) in list(standins.items()) + [((m, ""), (port, pid)) for m in models]:
            client(p, i, m, 1, "--once", "--wait=60")
        print("model          batch flight  calls/s      p50      p99  CPU us      MB   calls/s: ours / theirs   p50: theirs / ours"
              "       CPU: theirs / ours        wanted")
        for c in cells:
            load(c, layouts, port, pid, standins)
finally:
    for p in procs:
        if p.poll() is None:
            p.terminate()
