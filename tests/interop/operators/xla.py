# SPDX-License-Identifier: Apache-2.0
"""Operators of XLA in plain graphs: slices at places that are moved so far that they lie within, marks for compilers."""
from case import *
from tensorflow.compiler.tf2xla.ops import gen_xla_ops as xla
import tensorflow.compiler.tf2xla.python.xla  # its gradients

ANY = [BOOL, I8, I16, I32, I64, U8, U16, U32, U64, F16, BF16, F32, F64, C64, C128]


def places(rng, rank, index):
    return rng.integers(-3, 9, rank).astype(index)


def cases(rng):
    for n, t in enumerate(ANY):
        index = (I32, I64)[n % 2]
        rank = n % 4
        shape = shape_of(rng, rank)
        part = tuple(int(rng.integers(0 if rng.random() < 0.2 else min(1, d), d + 1)) for d in shape)
        x, at = draw(rng, t, *shape), places(rng, rank, index)
        size = np.array(part, index)
        yield case("XlaDynamicSlice", lambda x, at, size=size: xla.xla_dynamic_slice(x, at, size), x, at, ours=False)
        yield case("XlaDynamicSlice", xla.xla_dynamic_slice, x, at, size, ours=False)
        yield case("XlaDynamicUpdateSlice", xla.xla_dynamic_update_slice, x, draw(rng, t, *part), at, ours=False)
    x, far = draw(rng, F32, 4, 5), np.array([2 ** 40, -2 ** 40], I64)
    yield case("XlaDynamicSlice", xla.xla_dynamic_slice, x, far, np.array([2, 3], I64), ours=False)
    yield case("XlaDynamicUpdateSlice", xla.xla_dynamic_update_slice, x, draw(rng, F32, 2, 3), far, ours=False)
    for at, size in (([0, 0], [5, 2]), ([0, 0], [-1, 2]), ([0], [1, 2]), ([0, 0], [2]), ([[0, 0]], [1, 1]), ([0, 0], [[1, 1]])):
        yield case("XlaDynamicSlice", xla.xla_dynamic_slice, x, np.array(at, I32), np.array(size, I32), shapes="unknown", ours=False)
    for update, at in (((5, 2), [0, 0]), ((2,), [0, 0]), ((2, 2), [0]), ((2, 2), [[0, 0]])):
        yield case("XlaDynamicUpdateSlice", xla.xla_dynamic_update_slice, x, draw(rng, F32, *update), np.array(at, I32), shapes="unknown", ours=False)
    # What is written into stays as it was where somebody else reads it; in a loop nobody does.
    yield case("XlaDynamicUpdateSlice", lambda x, u: (xla.xla_dynamic_update_slice(x, u, [1, 1]) + x, x * 2), x, draw(rng, F32, 2, 3), ours=False)
    def filled(x, u):
        return v1.while_loop(lambda i, c: i < 6, lambda i, c: (i + 1, xla.xla_dynamic_update_slice(c, u * tf.cast(i, F32), [i, 1])), [0, x])[1]
    yield case("XlaDynamicUpdateSlice", filled, x, draw(rng, F32, 1, 3), ours=False)
    for t in (F32, I32, BOOL):
        yield case("XlaSharding", lambda x: xla.xla_sharding(x, sharding="", unspecified_dims=[0]), draw(rng, t, 2, 3))
        yield case("XlaOptimizationBarrier", lambda x, y: xla.xla_optimization_barrier([x, y]), draw(rng, t, 2, 3), draw(rng, F32, 2))
    yield case("XlaSharding", lambda x: xla.xla_sharding(x * x), draw(rng, F32, 2, 3), grad=[0])
