# SPDX-License-Identifier: Apache-2.0
"""Dtypes that the other families do not draw: of images, of shapes, of indices, pairs of dtypes."""
from case import *

REAL = FLOATS + INTS
LOOSE = {F16: (6e-2, 6e-2), BF16: (2e-1, 2e-1), F32: (1e-5, 1e-5), F64: (1e-5, 1e-5)}


def sizes(rng):
    """What images may be made of; gradients of floats alone."""
    for t in REAL:
        x, size = draw(rng, t, 2, 3, 4, 2, low=0, high=9), rng.integers(1, 8, 2).astype(I32)
        kw = pick(rng, dict(align_corners=True), dict(half_pixel_centers=True), {})
        for op in (raw.ResizeBilinear, raw.ResizeBicubic, raw.ResizeArea, raw.ResizeNearestNeighbor):
            more = {k: v for k, v in kw.items() if k != "half_pixel_centers"} if op == raw.ResizeArea else kw
            yield case(op.__name__, lambda x, s, op=op, kw=more: op(images=x, size=s, **kw), x, size, tol=LOOSE.get(t, (1e-5, 1e-5)))
        boxes = np.array([[.1, .2, .7, .8], [.9, .8, -.2, .1]], F32)
        at, size = np.array([1, 0], I32), np.array([3, 2], I32)
        yield case("CropAndResize", lambda x, b, i, s: raw.CropAndResize(image=x, boxes=b, box_ind=i, crop_size=s), x, boxes, at, size, tol=(1e-4, 1e-4))
        dy = draw(rng, F32, 2, 3, 2, 2)
        yield case("CropAndResizeGradBoxes", lambda d, x, b, i: raw.CropAndResizeGradBoxes(grads=d, image=x, boxes=b, box_ind=i), dy, x, boxes, at, tol=(1e-4, 1e-3))
    dy, boxes = draw(rng, F32, 2, 3, 2, 2), np.array([[.1, .2, .7, .8], [.9, .8, -.2, .1]], F32)
    for t in (F16, F32, F64):
        yield case("CropAndResizeGradImage", lambda d, b, i, s, t=t: raw.CropAndResizeGradImage(grads=d, boxes=b, box_ind=i, image_size=s, T=t), dy, boxes,
                   np.array([1, 0], I32), np.array([2, 5, 4, 2], I32), tol=LOOSE[t])
    for t in FLOATS:
        for op in (raw.ResizeBilinearGrad, raw.ResizeBicubicGrad, raw.ResizeNearestNeighborGrad):
            if op == raw.ResizeNearestNeighborGrad:
                yield case(op.__name__, lambda d: raw.ResizeNearestNeighborGrad(grads=d, size=[3, 2]), draw(rng, t, 2, 5, 4, 2), tol=(1e-12, 1e-12) if t == F64 else LOOSE[t])
            else:
                yield case(op.__name__, lambda d, x, op=op: op(grads=d, original_image=x), draw(rng, F32, 2, 5, 4, 2), draw(rng, t, 2, 3, 2, 2), tol=LOOSE[t])


def pools(rng):
    kw = dict(ksize=[1, 2, 2, 1, 1], strides=[1, 1, 2, 1, 1], padding="SAME")
    for t in FLOATS:
        x = draw(rng, t, 1, 3, 4, 3, 2)
        yield case("AvgPool3D", lambda x: raw.AvgPool3D(input=x, **kw), x, grad=[0] if t != BF16 else [], tol=LOOSE[t])
        yield case("MaxPool3D", lambda x: raw.MaxPool3D(input=x, **kw), x, grad=[0] if t != BF16 else [], tol=LOOSE[t])
    for t in REAL:
        x = (rng.permutation(1 * 3 * 4 * 3 * 2) + 1).reshape(1, 3, 4, 3, 2).astype(t)
        yield case("MaxPool3DGradGrad", lambda x, d: raw.MaxPool3DGradGrad(orig_input=x, orig_output=raw.MaxPool3D(input=x, **kw) if x.dtype.is_floating else tf.cast(
            raw.MaxPool3D(input=tf.cast(x, tf.float32), **kw), x.dtype), grad=d, **kw), x, draw(rng, t, 1, 3, 4, 3, 2), tol=LOOSE.get(t))
        flat = (rng.permutation(2 * 4 * 4 * 2) + 1).reshape(2, 4, 4, 2).astype(t)
        two = dict(ksize=np.array([1, 2, 2, 1], I32), strides=np.array([1, 2, 2, 1], I32), padding="VALID")
        yield case("MaxPoolGradV2", lambda x, d: raw.MaxPoolGradV2(orig_input=x, orig_output=raw.MaxPoolV2(input=x, **two), grad=d, **two), flat, draw(rng, t, 2, 2, 2, 2), tol=LOOSE.get(t))
        yield case("MaxPoolGradGradV2", lambda x, d: raw.MaxPoolGradGradV2(orig_input=x, orig_output=raw.MaxPoolV2(input=x, **two), grad=d, **two), flat, draw(rng, t, 2, 4, 4, 2), tol=LOOSE.get(t))


def bits(rng):
    every = [F16, BF16, F32, F64, C64, C128] + INTS
    for a in every:
        for b in every:
            n, m = np.dtype(a).itemsize, np.dtype(b).itemsize
            shape = (2, 3, m // n) if m > n else (2, 3)
            if rng.random() < 0.5 and (np.dtype(b).kind in "iu"):
                yield case("Bitcast", lambda x, b=b: raw.Bitcast(input=x, type=tf.as_dtype(b)), draw(rng, a, *shape))
            elif rng.random() < 0.5:
                yield case("Bitcast", lambda x, a=a, b=b: raw.Bitcast(input=raw.Bitcast(input=x, type=tf.as_dtype(b)), type=tf.as_dtype(a)), draw(rng, a, *shape))


def arithmetic(rng):
    for t in REAL:
        x, y = draw(rng, t, 3, 4), draw(rng, t, 4, low=1, high=5)
        for op in (raw.Div, raw.FloorMod, raw.FloorDiv, raw.Mod, raw.TruncateDiv, raw.TruncateMod, raw.RealDiv):
            yield case(op.__name__, lambda x, y, op=op: op(x=x, y=y), x, y, tol=LOOSE.get(t))
        yield case("Square", lambda x: raw.Square(x=x), x, tol=LOOSE.get(t))


def indices(rng):
    for t in (I16, I32, I64):
        yield case("GatherV2", lambda x, i: raw.GatherV2(params=x, indices=i, axis=1), draw(rng, F32, 2, 5), rng.integers(0, 5, (2, 2)).astype(t))
        yield case("UnsortedSegmentSum", lambda x, i: raw.UnsortedSegmentSum(data=x, segment_ids=i, num_segments=4), draw(rng, F32, 6, 2), rng.integers(0, 4, 6).astype(t))
    for a in (I32, I64):
        yield case("ConcatOffset", lambda x, y: raw.ConcatOffset(concat_dim=1, shape=[x, y]), np.array([2, 3], a), np.array([2, 4], a))
        for b in (I32, I64):
            for op in (raw.SparseSegmentSumGrad, raw.SparseSegmentMeanGrad, raw.SparseSegmentSqrtNGrad):
                yield case(op.__name__, lambda d, i, s, op=op: op(grad=d, indices=i, segment_ids=s, output_dim0=5), draw(rng, F32, 3, 2),
                           rng.integers(0, 5, 6).astype(a), np.sort(rng.integers(0, 3, 6)).astype(b))
            for op in (raw.SparseSegmentSumGradV2, raw.SparseSegmentMeanGradV2, raw.SparseSegmentSqrtNGradV2):
                yield case(op.__name__, lambda d, i, s, op=op: list(op(grad=d, indices=i, segment_ids=s, dense_output_dim0=5)), draw(rng, F32, 3, 2),
                           rng.integers(0, 5, 6).astype(a), np.sort(rng.integers(0, 3, 6)).astype(b))
        yield case("RaggedTensorToSparse", lambda s, v: list(raw.RaggedTensorToSparse(rt_nested_splits=[s], rt_dense_values=v)), np.array([0, 2, 2, 3], a), draw(rng, F32, 3))
        yield case("Conv3DBackpropInputV2", lambda s, f, d: raw.Conv3DBackpropInputV2(input_sizes=s, filter=f, out_backprop=d, strides=[1] * 5, padding="SAME"),
                   np.array([1, 2, 3, 2, 2], a), draw(rng, F32, 2, 1, 2, 2, 3), draw(rng, F32, 1, 2, 3, 2, 3), tol=(1e-4, 1e-5))


def shapes(rng):
    key, counter = rng.integers(0, 2 ** 60, 1).astype(U64), rng.integers(0, 2 ** 60, 2).astype(U64)
    for a in (I32, I64):
        n = np.array([2, 5], a)
        for op, kw in ((raw.StatelessRandomUniformV2, {}), (raw.StatelessRandomNormalV2, {}), (raw.StatelessTruncatedNormalV2, {}), (raw.StatelessRandomUniformFullIntV2, dict(dtype=tf.int32)),
                       (raw.StatelessRandomUniformIntV2, dict(minval=np.int64(-5), maxval=np.int64(9))), (raw.StatelessRandomGammaV3, dict(alpha=np.array([.5, 1, 2, 3, 4], F32)))):
            yield case(op.__name__, lambda n, k, c, op=op, kw=kw: op(shape=n, key=k, counter=c, alg=1, **kw), n, key, counter, tol=(1e-4, 1e-5))
        for s in (I32, I64, U32, U64):
            yield case("StatelessRandomUniformFullInt", lambda n, s: raw.StatelessRandomUniformFullInt(shape=n, seed=s, dtype=tf.uint64), n, np.array([5, 9], s))
        yield case("StatelessMultinomial", lambda x, s, a=a: raw.StatelessMultinomial(logits=x, num_samples=7, seed=s, output_dtype=a), draw(rng, F32, 2, 4), np.array([5, 9], I64))
        yield from lists(rng, a)


def lists(rng, a):
    t = tf.float32
    s = np.array([2], a)
    x = draw(rng, F32, 4, 2)
    def stacked(h):
        return raw.TensorListStack(input_handle=h, element_shape=[2], element_dtype=t)
    yield case("TensorListFromTensor", lambda x, s: stacked(raw.TensorListFromTensor(tensor=x, element_shape=s)), x, s)
    yield case("TensorListReserve", lambda x, s: stacked(raw.TensorListSetItem(input_handle=raw.TensorListReserve(element_shape=s, num_elements=2, element_dtype=t), index=1, item=x[0])), x, s)
    yield case("EmptyTensorList", lambda x, s: stacked(raw.TensorListPushBack(input_handle=raw.EmptyTensorList(element_shape=s, max_num_elements=-1, element_dtype=t), tensor=x[1])), x, s)
    yield case("TensorListElementShape", lambda x, s, a=a: raw.TensorListElementShape(input_handle=raw.TensorListFromTensor(tensor=x, element_shape=s), shape_type=a), x, s)
    yield case("TensorListScatter", lambda x, s: stacked(raw.TensorListScatter(tensor=x, indices=[3, 1, 0, 2], element_shape=s)), x, s)
    yield case("TensorListScatterV2", lambda x, s: stacked(raw.TensorListScatterV2(tensor=x, indices=[3, 1, 0, 2], element_shape=s, num_elements=5)), x, s)
    yield case("TensorListConcatV2", lambda x, s: list(raw.TensorListConcatV2(input_handle=raw.TensorListFromTensor(tensor=x, element_shape=s), element_shape=s, leading_dims=np.array([], I64), element_dtype=t)), x, s)
    yield case("TensorListSplit", lambda x, s: raw.TensorListStack(input_handle=raw.TensorListSplit(tensor=x, element_shape=s, lengths=np.array([2, 2], I64)), element_shape=[2, 2], element_dtype=t),
               x, np.array([-1, 2], a))


def cases(rng):
    yield from sizes(rng)
    yield from pools(rng)
    yield from bits(rng)
    yield from arithmetic(rng)
    yield from indices(rng)
    yield from shapes(rng)
    # Of the first shape not even the rank is known ahead: nor is where the second begins.
    yield case("ConcatOffset", lambda x: raw.ConcatOffset(concat_dim=1, shape=[tf.unique(x)[0], [3, 5]]), np.array([3, 4, 3], I32))
