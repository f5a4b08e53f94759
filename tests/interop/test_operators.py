# SPDX-License-Identifier: Apache-2.0
"""Operators against live TensorFlow: every family of operators/ with random shapes, dtypes, attributes and values, from a
seed that is printed (TURNERY_SEED sets it; the same one each time where CI is set). One round of all families, and as many more as fit into TURNERY_SECONDS (60)."""
import glob
import importlib
import os
import subprocess
import sys
import tempfile
import time
import traceback
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "operators"))
GOLDEN_CASES = os.environ.get("GOLDEN_CASES", os.path.join(HERE, "..", "..", "build", "tests", "golden_cases"))


def families():
    names = [os.path.basename(p)[:-3] for p in glob.glob(os.path.join(HERE, "operators", "*.py"))]
    return sorted(n for n in names if n not in ("case", "freeze"))


def draw(family, seed, path):
    """Writes the family's cases; False: TensorFlow ended the process, as some of its checks do. In a process of its own,
    begun before TensorFlow has threads."""
    import case
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            lines, _ = case.lines(importlib.import_module(family), seed)
            with open(path, "w") as f:
                f.writelines(line + "\n" for line in lines)
            status = 0
        except BaseException:
            traceback.print_exc()
        os._exit(status)
    status = os.waitpid(pid, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise AssertionError("seed %d, %s: no cases" % (seed, family))
    return os.WIFEXITED(status)


class Operators(unittest.TestCase):
    def round(self, family, seed):
        path = os.path.join(tempfile.gettempdir(), "turnery_%s_%d.jsonl" % (family, seed))
        if not draw(family, seed, path):
            print("seed %d, %s: TensorFlow ended itself " % (seed, family), end="", file=sys.stderr, flush=True)
            return
        p = subprocess.run([GOLDEN_CASES, path], capture_output=True, timeout=600)
        out = p.stdout.decode(errors="replace").splitlines()
        bad = [a + "  " + b for a, b in zip(out, out[1:] + [""]) if a.startswith("not ok")]
        if p.returncode == 0:
            os.unlink(path)
        self.assertEqual(p.returncode, 0, "seed %d, %s: %d cases differ (%s)\n%s\n%s" % (
            seed, family, len(bad), path, "\n".join(bad[:20]), p.stderr.decode(errors="replace")[-300:]))

    def test_against_tensorflow(self):
        seed = int(os.environ.get("TURNERY_SEED", 1 if "CI" in os.environ else time.time()))
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
