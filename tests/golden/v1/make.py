#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes checkpoints as Saver's V1 did, by the operators that its graphs have: one file, and one of two shards, each with a
partitioned tensor.

usage: make.py [FOLDER]     (with TensorFlow 2.21; FOLDER: this one)
"""
import os
import sys

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import gen_io_ops

W = np.arange(6, dtype=np.float32).reshape(2, 3)
P = np.arange(10, dtype=np.float64).reshape(5, 2) / 2
WORDS = np.array([b"red", b"", b"blue"], object)
OTHERS = [np.arange(0 if t[0] in "ub" else -1, 3 if t[0] in "ub" else 2).astype(t)
          for t in ("float16", "int8", "int16", "int32", "int64", "uint8", "uint16", "complex64", "complex128", "bool")]


def make(to):
    def save(file, names, slices, values):
        gen_io_ops.save_slices(os.path.join(to, file), names, slices, [tf.constant(v) for v in values])

    save("old", ["w", "p", "p", "words"] + ["t_" + v.dtype.name for v in OTHERS], ["", "5 2 0,3:-", "5 2 3,2:-", ""] + [""] * len(OTHERS),
         [W, P[:3], P[3:], WORDS] + OTHERS)
    save("parts-00000-of-00002", ["p", "w"], ["5 2 0,3:-", ""], [P[:3], W])
    save("parts-00001-of-00002", ["a", "p"], ["", "5 2 3,2:-"], [W[0], P[3:]])


if __name__ == "__main__":
    make(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__)))
