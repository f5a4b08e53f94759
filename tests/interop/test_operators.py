# SPDX-License-Identifier: Apache-2.0
"""Operators against live TensorFlow: every family of operators/ with random shapes, dtypes, attributes and values, from a
seed that is printed (TURNERY_SEED sets it). One round of all families, and as many more as fit into TURNERY_SECONDS (60)."""
import glob
import importlib
import os
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "operators"))
GOLDEN_CASES = os.environ.get("GOLDEN_CASES", os.path.join(HERE, "..", "..", "build", "tests", "golden_cases"))


def families():
    names = [os.path.basename(p)[:-3] for p in glob.glob(os.path.join(HERE, "operators", "*.py"))]
    return sorted(n for n in names if n not in ("case", "freeze"))


class Operators(unittest.TestCase):
    def round(self, family, seed):
        import case
        lines, _ = case.lines(importlib.import_module(family), seed)
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", delete=False) as f:
            f.writelines(line + "\n" for line in lines)
        p = subprocess.run([GOLDEN_CASES, f.name], capture_output=True, timeout=600)
        out = p.stdout.decode(errors="replace").splitlines()
        bad = [a + "  " + b for a, b in zip(out, out[1:] + [""]) if a.startswith("not ok")]
        if p.returncode == 0:
            os.unlink(f.name)
        self.assertEqual(p.returncode, 0, "seed %d, %s: %d of %d cases differ (%s)\n%s\n%s" % (
            seed, family, len(bad), len(lines), f.name, "\n".join(bad[:20]), p.stderr.decode(errors="replace")[-300:]))

    def test_against_tensorflow(self):
        seed = int(os.environ.get("TURNERY_SEED", time.time()))
        end = time.time() + float(os.environ.get("TURNERY_SECONDS", 60))
        print("seed %d " % seed, end="", file=sys.stderr, flush=True)
        while True:
            for family in families():
                with self.subTest(family=family, seed=seed):
                    self.round(family, seed)
            seed += 1
            if time.time() > end:
                break


if __name__ == "__main__":
    unittest.main()
