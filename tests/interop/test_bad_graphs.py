# SPDX-License-Identifier: Apache-2.0
"""The codes that tests/golden/bad has frozen are those of the TensorFlow at hand."""
import unittest

import bad_graphs


class BadGraphs(unittest.TestCase):
    def test_codes(self):
        self.assertEqual(bad_graphs.check(), 0)


if __name__ == "__main__":
    unittest.main()
