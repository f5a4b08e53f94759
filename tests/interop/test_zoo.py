# SPDX-License-Identifier: Apache-2.0
"""A zoo of models (the folder beside this file) gives TensorFlow's answers; as many of them as fit into ZOO_SECONDS (300)."""
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))


class Zoo(unittest.TestCase):
    def test_zoo(self):
        """In a process of its own: models of TensorFlow 1 change what is the default."""
        argv = [sys.executable, os.path.join(HERE, "zoo", "zoo.py"), "-v", "--seconds", os.environ.get("ZOO_SECONDS", "300")]
        p = subprocess.run(argv, capture_output=True, text=True)
        self.assertEqual(p.returncode, 0, p.stderr[-2000:])
        words = [line.split(None, 2) for line in p.stdout.splitlines()]
        lines = [line for line in words if len(line) > 1 and line[0] in ("equal", "lacks", "differs", "error", "broken")]
        kinds = [line[0] for line in lines]
        self.assertGreater(kinds.count("equal"), 0.8 * len(kinds), p.stdout[-2000:])
        for line in lines:
            with self.subTest(line[1]):
                self.assertNotIn(line[0], ("differs", "error", "broken"), " ".join(line))
        print(p.stdout.splitlines()[-1], file=sys.stderr)
