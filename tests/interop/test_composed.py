# SPDX-License-Identifier: Apache-2.0
"""Models composed by chance (the folder `composed`) give TensorFlow's answers and are trained on as there; as many as fit into
COMPOSED_SECONDS (120); where CI is set, the same ones each time. The seed is printed with each that differs."""
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))


class Composed(unittest.TestCase):
    def test_composed(self):
        """In a process of its own: graphs of TensorFlow 1 change what is the default."""
        argv = [sys.executable, os.path.join(HERE, "composed", "composed.py"), "--seconds", os.environ.get("COMPOSED_SECONDS", "120")]
        argv += ["--seed", "1", "--count", "120"] if "CI" in os.environ else []
        p = subprocess.run(argv, capture_output=True, text=True)
        self.assertEqual(p.returncode, 0, p.stderr[-2000:])
        wrong = [line for line in p.stdout.splitlines() if line.split(None, 1)[:1] in (["differs"], ["error"], ["lacks"])]
        self.assertEqual(wrong, [], p.stdout[-3000:])
        self.assertIn(" equal", p.stdout.splitlines()[-1])
        print(p.stdout.splitlines()[-1], file=sys.stderr)
