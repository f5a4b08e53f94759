#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the goldens of families of operators, tests/golden/cases/FAMILY.jsonl, with the answers of the TensorFlow that is
installed. Not needed to build or test.

usage: freeze.py [--seed N --to FOLDER] FAMILY...     (other cases, elsewhere: to try)
       FORMER_TENSORFLOW=FOLDER freeze.py former/FAMILY...     (operators that are no longer in TensorFlow: former/session.py)
"""
import argparse
import importlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import case  # noqa: E402

args = argparse.ArgumentParser()
args.add_argument("--seed", type=int, default=7)
args.add_argument("--to", default=os.path.join(HERE, "..", "..", "golden", "cases"))
args.add_argument("families", nargs="+")
args = args.parse_args()
for name in args.families:
    if name.startswith("former/"):
        case.use_former()
    lines, refused = case.lines(importlib.import_module(name.replace("/", ".")), args.seed)
    name = os.path.basename(name)
    with open(os.path.join(args.to, name + ".jsonl"), "w") as f:
        f.writelines(line + "\n" for line in lines)
    print("%s: %d cases" % (name, len(lines)))
    for why in refused:
        print("  TensorFlow refuses %s" % why)
