#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the goldens of families of operators, tests/golden/cases/FAMILY.jsonl, with the answers of the TensorFlow that is
installed. Not needed to build or test.

usage: freeze.py FAMILY...
"""
import importlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import case  # noqa: E402

for name in sys.argv[1:]:
    lines, refused = case.lines(importlib.import_module(name), 7)
    with open(os.path.join(HERE, "..", "..", "golden", "cases", name + ".jsonl"), "w") as f:
        f.writelines(line + "\n" for line in lines)
    print("%s: %d cases" % (name, len(lines)))
    for why in refused:
        print("  TensorFlow refuses %s" % why)
