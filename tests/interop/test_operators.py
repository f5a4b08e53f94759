# SPDX-License-Identifier: Apache-2.0
"""Operators against live TensorFlow: every family of operators/ with random shapes, dtypes, attributes and values, from a
seed that is printed (TURNERY_SEED sets it; the same one each time where CI is set). One round of all families, and as many more as fit into TURNERY_SECONDS (60)."""
import glob
import os
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN_CASES = os.environ.get("GOLDEN_CASES", os.path.join(HERE, "..", "..", "build", "tests", "golden_cases"))


def families():
    names = [os.path.basename(p)[:-3] for p in glob.glob(os.path.join(HERE, "operators", "*.py"))]
    return sorted(n for n in names if n not in ("case", "freeze"))


def draw(names, seed, folder):
    """Writes the cases of each family, in a process of its own: some of TensorFlow's checks end the process. The names of those
    families over which it ended."""
    todo, ended = list(names), []
    while todo:
        p = subprocess.run([sys.executable, os.path.join(HERE, "operators", "freeze.py"), "--seed", str(seed), "--to", folder, *todo],
                           capture_output=True, timeout=900)
        if p.returncode > 0:
            raise AssertionError("seed %d: %s" % (seed, p.stderr.decode(errors="replace")[-2000:]))
        todo = [n for n in todo if not os.path.exists(os.path.join(folder, n + ".jsonl"))]
        if p.returncode < 0:
            ended.append(todo.pop(0))
    return ended


# Prints what the registry of gradients has, in the form of golden/tensorflow/gradients.txt: name, yes or none.
REGISTRY = """
import importlib, pkgutil
import tensorflow as tf
import tensorflow.python.ops as folder
from tensorflow.python.framework import ops
for m in pkgutil.iter_modules(folder.__path__, folder.__name__ + "."):
    if not m.name.endswith("_test"):
        try:
            importlib.import_module(m.name)
        except ImportError:
            pass
for name in sorted(ops.gradient_registry._registry):
    print("%s\\t%s" % (name, "none" if ops.gradient_registry.lookup(name) is None else "yes"))
"""
ALWAYS_NONE = {"ArgMax", "ArgMin", "Ceil", "Floor", "FloorDiv", "LoopCond", "Rint", "Round", "TruncateDiv"}
ALWAYS_FAIL = {"QuantizeAndDequantizeV4Grad", "SparseDenseCwiseAdd", "SparseSparseMaximum", "SparseSparseMinimum"}
ALWAYS_FAIL |= {"TensorArray%s%s" % (k, v) for k in ("Read", "Write", "Gather", "Scatter", "Concat", "Split") for v in ("", "V2")}


class Operators(unittest.TestCase):
    def test_registry_of_gradients(self):
        tensorflow = os.path.join(HERE, "..", "golden", "tensorflow")
        with open(os.path.join(tensorflow, "gradients.txt")) as f:
            frozen = dict(line.rstrip("\n").split("\t") for line in f)
        with open(os.path.join(tensorflow, "op_sigs.txt")) as f:
            known = {line.split("\t")[0] for line in f}
        out = subprocess.run([sys.executable, "-c", REGISTRY], capture_output=True, timeout=600, check=True).stdout.decode()
        theirs = dict(line.split("\t") for line in out.splitlines() if "\t" in line)
        theirs = {n: "none" if n in ALWAYS_NONE else what for n, what in theirs.items() if n in known and n not in ALWAYS_FAIL}
        self.assertEqual(theirs, frozen)

    def compare(self, family, seed, path):
        p = subprocess.run([GOLDEN_CASES, path], capture_output=True, timeout=600)
        out = p.stdout.decode(errors="replace").splitlines()
        bad = [a + "  " + b for a, b in zip(out, out[1:] + [""]) if a.startswith("not ok")]
        self.assertEqual(p.returncode, 0, "seed %d, %s: %d cases differ\n%s\n%s" % (
            seed, family, len(bad), "\n".join(bad[:20]), p.stderr.decode(errors="replace")[-300:]))

    def round(self, seed):
        with tempfile.TemporaryDirectory() as folder:
            for family in draw(families(), seed, folder):
                print("TensorFlow ended itself over %s, " % family, end="", file=sys.stderr, flush=True)
            for file in sorted(os.listdir(folder)):
                with self.subTest(family=file, seed=seed):
                    self.compare(file, seed, os.path.join(folder, file))

    def test_against_tensorflow(self):
        seed = int(os.environ.get("TURNERY_SEED", 1 if "CI" in os.environ else time.time()))
        end = time.time() + float(os.environ.get("TURNERY_SECONDS", 60))
        while True:
            print("seed %d, " % seed, end="", file=sys.stderr, flush=True)
            self.round(seed)
            seed += 1
            if time.time() > end:
                break


if __name__ == "__main__":
    unittest.main()
