# SPDX-License-Identifier: Apache-2.0
"""Operators of XLA in plain graphs: slices at places that are moved so far that they lie within, marks for compilers; and
those that jax2tf writes, of which TensorFlow has no kernels but in functions that it compiles."""
from case import *
from tensorflow.compiler.tf2xla.ops import gen_xla_ops as xla
from tensorflow.compiler.xla import xla_data_pb2 as data
import tensorflow.compiler.tf2xla.python.xla  # its gradients

ANY = [BOOL, I8, I16, I32, I64, U8, U16, U32, U64, F16, BF16, F32, F64, C64, C128]
NUMBERS = [t for t in ANY if t is not BOOL]


def places(rng, rank, index):
    return rng.integers(-3, 9, rank).astype(index)


def compiled(f):
    return tf.function(f, jit_compile=True, autograph=False)


def dots(rng):
    """Products with axes in any order: batch, contracted and free ones."""
    shared = dict(zip("abcdefgh", (2, 3, 1, 4, 2, 3, 5, 2)))
    def dot(l, r, batch, contracted, t, of=None, u=None, shapes="any", **dims):
        d = {**shared, **dims}
        n = data.DotDimensionNumbers(
            lhs_contracting_dimensions=[l.index(c) for c in contracted], rhs_contracting_dimensions=[r.index(c) for c in contracted],
            lhs_batch_dimensions=[l.index(c) for c in batch], rhs_batch_dimensions=[r.index(c) for c in batch]).SerializeToString()
        x, y = (draw(rng, k, *[d[c] for c in s]) for s, k in ((l, t), (r, u or t)))
        return case("XlaDotV2", compiled(lambda x, y: xla.xla_dot_v2(x, y, n, b"", tf.as_dtype(of or t))), x, y, shapes=shapes, ours=False)
    for t in NUMBERS:
        yield dot("ab", "bd", "", "b", t)
        yield dot("eab", "ebd", "e", "b", t)
    for l, r, batch, contracted in (("a", "a", "", "a"), ("", "", "", ""), ("ab", "", "", ""), ("b", "d", "", ""), ("abcd", "dbca", "ca", "bd"),
                                    ("gabe", "aegd", "ae", "g"), ("gaeb", "aegd", "ea", "g"), ("ba", "db", "", "b"), ("abg", "bga", "abg", ""),
                                    ("abcde", "fedcb", "dc", "be")):
        yield dot(l, r, batch, contracted, F32)
        yield dot(l, r, batch, contracted, I32)
    for t, of in ((I8, I32), (U8, U32), (BF16, F32), (F16, F32), (F32, F64), (I16, I64)):
        yield dot("ab", "bd", "", "b", t, of)
    yield dot("ab", "bd", "", "b", I8, I32, U8)
    yield dot("ab", "bd", "", "b", F32, b=0)
    yield dot("ab", "bd", "", "b", F32, a=0)
    yield dot("ab", "bd", "", "b", F32, BF16, shapes="unknown")
    n = data.DotDimensionNumbers(lhs_contracting_dimensions=[1], rhs_contracting_dimensions=[0]).SerializeToString()
    yield case("XlaDot", compiled(lambda x, y: xla.xla_dot(x, y, n, b"")), draw(rng, F32, 2, 3), draw(rng, F32, 3, 4), ours=False)
    for l, r, lb, rb, lc, rc in (((2, 3), (4, 5), (), (), (1,), (0,)), ((2, 3), (3, 3), (0,), (0,), (1,), (1,)),
                                 ((2, 3), (3, 4), (), (), (1,), ()), ((2, 3), (2, 3), (0,), (0,), (0,), (0,)), ((2, 3), (3, 4), (), (), (-1,), (0,))):
        m = data.DotDimensionNumbers(lhs_contracting_dimensions=lc, rhs_contracting_dimensions=rc, lhs_batch_dimensions=lb,
                                     rhs_batch_dimensions=rb).SerializeToString()
        yield case("XlaDotV2", compiled(lambda x, y, m=m: xla.xla_dot_v2(x, y, m, b"", tf.float32)), draw(rng, F32, *l), draw(rng, F32, *r),
                   shapes="unknown", ours=False)


def gathers(rng):
    def gather(x, i, sizes, offset, collapsed, start, vector, between=(), at=(), index=I32, shapes="any"):
        n = data.GatherDimensionNumbers(offset_dims=offset, collapsed_slice_dims=collapsed, start_index_map=start, index_vector_dim=vector,
                                        operand_batching_dims=between, start_indices_batching_dims=at).SerializeToString()
        i, sizes = np.asarray(i, index), np.array(sizes, index)
        return case("XlaGather", compiled(lambda x, i: xla.xla_gather(x, i, sizes, n, False)), x, i, shapes=shapes, ours=False)
    for n, t in enumerate(ANY):
        yield gather(draw(rng, t, 4, 3), [[0], [3], [-2], [9]], [1, 3], [1], [0], [0], 1, index=(I32, I64)[n % 2])
    x = draw(rng, F32, 4, 3, 5)
    places = lambda *s: rng.integers(-2, 7, s)
    yield gather(x, places(2, 6, 1), [1, 3, 5], [2, 3], [0], [0], 2)           # rows
    yield gather(x, places(6), [4, 1, 5], [0, 2], [1], [1], 1)                 # without an index vector
    yield gather(x, places(6, 3), [1, 1, 1], [], [0, 1, 2], [0, 1, 2], 1)      # elements
    yield gather(x, places(6, 2), [2, 2, 1], [0, 2], [2], [2, 0], 1)           # windows, dimensions mixed
    yield gather(x, places(2, 6), [2, 3, 2], [1, 2, 3], [], [0, 2], 0)         # the index vector first
    yield gather(x, places(3), [2, 2, 4], [0, 1, 2], [], [0, 1, 2], 0)         # one slice
    yield gather(x, places(0, 1), [1, 3, 5], [1, 2], [0], [0], 1)
    yield gather(x, np.zeros((2, 0)), [4, 3, 5], [1, 2, 3], [], [], 1)
    yield gather(x, places(2, 1), [1, 0, 5], [1, 2], [0], [0], 1)
    yield gather(x, places(4, 6, 1), [1, 1, 5], [2], [1], [1], 2, [0], [0])    # with a batch in both
    yield gather(x, places(3, 6, 4, 1), [1, 1, 1], [], [2], [2], 3, [0, 1], [2, 0])
    for sizes, offset, collapsed, start in (([2, 3, 5], [1, 2], [0], [0]), ([1, 4, 5], [1, 2], [0], [0]), ([1, 3], [1, 2], [0], [0]),
                                            ([1, 3, 5], [1, 3], [0], [0]), ([1, 3, 5], [1], [0], [0]), ([1, 3, 5], [1, 2], [0], [0, 1]),
                                            ([1, 3, 5], [1, 2], [0], [3])):
        yield gather(x, places(2, 1), sizes, offset, collapsed, start, 1, shapes="unknown")


def convolutions(rng):
    """lhs, rhs, out: the order of n (batch, in rhs out features), c (features) and the spatial dimensions."""
    def conv(lhs, rhs, out, l, r, strides=None, padding=None, spread=None, dilation=None, groups=1, batches=1, t=F32, index=I32):
        n = len(lhs) - 2
        d = lambda order, *names: {k: v for k, v in zip(names, (order.index("n"), order.index("c"), [order.index(c) for c in "hwd"[:n]]))}
        numbers = data.ConvolutionDimensionNumbers(
            **d(lhs, "input_batch_dimension", "input_feature_dimension", "input_spatial_dimensions"),
            **d(rhs, "kernel_output_feature_dimension", "kernel_input_feature_dimension", "kernel_spatial_dimensions"),
            **d(out, "output_batch_dimension", "output_feature_dimension", "output_spatial_dimensions")).SerializeToString()
        ones, none = [1] * n, [[0, 0]] * n
        window = [np.array(v, index) for v in (strides or ones, padding or none, spread or ones, dilation or ones, groups)]
        x, f = draw(rng, t, *[l[c] for c in lhs]), draw(rng, t, *[r[c] for c in rhs])
        return case("XlaConvV2", compiled(lambda x, f: xla.xla_conv_v2(x, f, *window, numbers, b"", tf.as_dtype(t), batch_group_count=batches)), x, f,
                    ours=False)
    image, filter = dict(n=2, c=3, h=5, w=6, d=4), dict(n=4, c=3, h=2, w=3, d=2)
    usual = "nhwc", "hwcn", "nhwc"
    for n, t in enumerate((F32, F64, F16, BF16, I32)):
        yield conv(*usual, image, filter, t=t, index=(I32, I64)[n % 2])
    for orders in (("nchw", "nchw", "nchw"), ("cnhw", "hwnc", "hwnc"), ("nhwc", "hwcn", "cnhw"), ("chwn", "chwn", "hwnc")):
        yield conv(*orders, image, filter)
        yield conv(*orders, image, filter, [2, 1], [[1, 0], [2, 1]], [1, 2], [2, 1])
    for strides, padding, spread, dilation in (([2, 3], [[1, 1], [0, 2]], None, None), (None, [[1, 2], [2, 0]], None, [2, 2]),
                                               (None, [[1, 1], [2, 2]], [2, 3], None), (None, [[-1, 0], [0, -2]], None, None),
                                               ([2, 2], [[-3, 4], [3, -4]], [3, 2], [1, 2]), (None, [[5, -5], [0, 0]], None, None),
                                               (None, [[0, 0], [-3, -2]], None, None), (None, [[-2, -2], [0, 0]], None, None)):
        yield conv(*usual, image, filter, strides, padding, spread, dilation)
    yield conv("nhc", "hcn", "nhc", image, filter, [2], [[1, 1]])
    yield conv("nhwdc", "hwdcn", "nhwdc", image, filter, [1, 2, 1], [[1, 1], [0, 0], [0, 1]])
    yield conv(*usual, {**image, "c": 6}, filter, groups=2)
    yield conv("nchw", "nchw", "nchw", {**image, "c": 3}, {**filter, "c": 1, "n": 6}, groups=3, padding=[[1, 0], [1, 1]])
    for orders in (usual, ("cnhw", "hwnc", "nhwc"), ("chwn", "nchw", "hwnc")):
        yield conv(*orders, {**image, "n": 4}, filter, batches=2)
        yield conv(*orders, {**image, "n": 4}, filter, padding=[[1, 1], [1, 1]], spread=[2, 1], batches=4)
    for none in ({"n": 0}, {"h": 0}):
        yield conv(*usual, {**image, **none}, filter, padding=[[1, 1], [0, 0]])
    yield conv(*usual, {**image, "c": 0}, {**filter, "c": 0})


def pads(rng):
    def pad(x, low, high, interior, index=I32, shapes="any"):
        by = [np.array(v, index) for v in (low, high, interior)]
        return case("XlaPad", compiled(lambda x, v: xla.xla_pad(x, v, *by)), x, draw(rng, x.dtype), shapes=shapes, ours=False)
    for n, t in enumerate(ANY):
        yield pad(draw(rng, t, 2, 3), [1, 0], [0, 2], [0, 1], (I32, I64)[n % 2])
    x = draw(rng, F32, 4, 5)
    for low, high, interior in (([0, 0], [0, 0], [0, 0]), ([-1, 0], [0, -2], [0, 0]), ([-2, 1], [1, -3], [2, 1]), ([-3, -6], [-2, 4], [1, 3]),
                                ([-5, 0], [3, 0], [0, 0]), ([2, 0], [-5, 0], [0, 0]), ([0, -9], [0, 9], [0, 0]), ([-4, 0], [0, 0], [0, 0])):
        yield pad(x, low, high, interior)
    yield pad(draw(rng, F32), [], [], [])
    yield pad(draw(rng, F32, 0, 3), [2, 0], [1, 0], [3, 1])
    for low, high, interior in (([-5, 0], [0, 0], [0, 0]), ([0], [0], [0]), ([0, 0], [0, 0], [-1, 0]), ([0, 0], [0, 0], [0]), ([[0, 0]], [0, 0], [0, 0])):
        yield pad(x, low, high, interior, shapes="unknown")


def cases(rng):
    yield from dots(rng)
    yield from gathers(rng)
    yield from pads(rng)
    yield from convolutions(rng)
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
