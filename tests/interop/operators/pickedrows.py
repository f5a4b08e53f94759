# SPDX-License-Identifier: Apache-2.0
"""Gradients of sums of picked rows that name the rows: of embeddings of several ids."""
from case import *


def cases(rng):
    for op in ("Sum", "Mean", "SqrtN"):
        name = "SparseSegment%sGradV2" % op
        f = getattr(raw, name)

        def build(g, a, s, n, f=f):
            y = f(grad=g, indices=a, segment_ids=s, dense_output_dim0=n)
            return [y.output, y.sorted_unique_indices]
        for t in (F32, F64, F16):
            i = pick(rng, I32, I64)
            n, segments = int(rng.integers(0, 8)), int(rng.integers(1, 5))
            ids = np.sort(rng.integers(0, segments, n)).astype(pick(rng, I32, I64))
            yield case(name, build, draw(rng, t, segments, *shape_of(rng, int(rng.integers(0, 3)), 3)), rng.integers(0, 6, n).astype(i), ids, np.array(6, I32))
        g = draw(rng, F32, 2, 3)
        for at, ids, n in (([0, 6], [0, 1], 6), ([0, -1], [0, 1], 6), ([1, 2], [0, 2], 6), ([1, 2], [-1, 0], 6), ([5, 1, 5, 1], [0, 0, 1, 1], 6)):
            yield case(name, build, g, np.array(at, I32), np.array(ids, I32), np.array(n, I32))
