# SPDX-License-Identifier: Apache-2.0
"""Lists, arrays, stacks, maps and queues of tensors."""
from case import *


def list_of(items, element_shape=-1):
    t = items[0].dtype
    h = raw.EmptyTensorList(element_shape=np.array(element_shape, I32), max_num_elements=-1, element_dtype=t)
    for x in items:
        h = raw.TensorListPushBack(input_handle=h, tensor=x)
    return h


def stacked(h, t, shape=-1):
    return raw.TensorListStack(input_handle=h, element_shape=np.array(shape, I32), element_dtype=t)


def gathers(rng):
    for t in (F32, F64, I32, STRING):
        shape = shape_of(rng, int(rng.integers(0, 3)), 3, 0)
        n = int(rng.integers(1, 5))
        items = [texts(rng, ["a", "bc", ""], *shape) if t == STRING else draw(rng, t, *shape) for _ in range(n)]
        at = rng.integers(0, n, rng.integers(1, 6)).astype(I32)
        yield case("TensorListGather", lambda i, *x: raw.TensorListGather(
            input_handle=list_of(x), indices=i, element_shape=np.array(-1, I32), element_dtype=x[0].dtype), at, *items,
            grad=range(1, n + 1) if t in FLOATS else [])
    a, b = draw(rng, F32, 2), draw(rng, F32, 3)
    for at, items in (([0, 2], (a, a)), ([-1], (a, a)), ([0, 1], (a, b)), ([], (a, a))):
        yield case("TensorListGather", lambda i, *x: raw.TensorListGather(
            input_handle=list_of(x), indices=i, element_shape=np.array(-1, I32), element_dtype=tf.float32), np.array(at, I32), *items)
    yield case("TensorListGather", lambda i, x: raw.TensorListGather(
        input_handle=raw.TensorListSetItem(input_handle=raw.TensorListReserve(
            element_shape=np.array([2], I32), num_elements=4, element_dtype=tf.float32), index=1, item=x),
        indices=i, element_shape=np.array([2], I32), element_dtype=tf.float32), np.array([0, 1, 3], I32), a)


def scatters(rng):
    for t in (F32, I64, STRING):
        n, shape = int(rng.integers(1, 5)), shape_of(rng, int(rng.integers(0, 3)), 3, 0)
        x = texts(rng, ["a", "bc"], n, *shape) if t == STRING else draw(rng, t, n, *shape)
        at = rng.permutation(n).astype(I32)
        grad = [0] if t == F32 else []
        def v1_form(x, i, shape=shape):
            return stacked(raw.TensorListScatter(tensor=x, indices=i, element_shape=np.array(shape, I32)), x.dtype)
        def v2_form(x, i, shape=shape, n=n):
            h = raw.TensorListScatterV2(tensor=x, indices=i, element_shape=np.array(shape, I32), num_elements=n + 2)
            return [raw.TensorListLength(input_handle=h)] + ([stacked(h, x.dtype, shape)] if x.dtype != tf.string else [])
        yield case("TensorListScatter", v1_form, x, at, grad=grad)
        yield case("TensorListScatterV2", v2_form, x, at, grad=grad)
        if t != STRING:
            old = draw(rng, t, n + 1, *shape)
            def into(x, i, y):
                h = raw.TensorListFromTensor(tensor=y, element_shape=np.array(-1, I32))
                return stacked(raw.TensorListScatterIntoExistingList(input_handle=h, tensor=x, indices=i), x.dtype)
            yield case("TensorListScatterIntoExistingList", into, x, at, old, grad=[0, 2] if t == F32 else [])
    x = draw(rng, F32, 2, 3)
    for at, n, shape in (([0, -1], -1, 3), ([0, 5], 4, 3), ([0, 5], -2, 3), ([0, 1], 2, 4), ([0], 2, 3), ([1, 3], -1, 3)):
        yield case("TensorListScatterV2", lambda x, i, n=n, shape=shape: raw.TensorListLength(input_handle=raw.TensorListScatterV2(
            tensor=x, indices=i, element_shape=np.array([shape], I32), num_elements=n)), x, np.array(at, I32), shapes="unknown")


def splits(rng):
    for t in (F32, I32, STRING):
        lengths = rng.integers(0, 4, rng.integers(1, 5)).astype(I64)
        shape = (int(lengths.sum()),) + shape_of(rng, int(rng.integers(0, 3)), 3, 0)
        x = texts(rng, ["a", "bc"], *shape) if t == STRING else draw(rng, t, *shape)
        def both(x, n, shape=shape):
            h = raw.TensorListSplit(tensor=x, element_shape=np.array((-1,) + shape[1:], I32), lengths=n)
            y = raw.TensorListConcatV2(input_handle=h, element_shape=np.array((-1,) + shape[1:], I32),
                                       leading_dims=np.array([], I64), element_dtype=x.dtype)
            return [y.tensor, y.lengths, raw.TensorListLength(input_handle=h)]
        yield case("TensorListSplit", both, x, lengths, grad=[0] if t == F32 else [])
    x = draw(rng, F32, 4, 2)
    for n, shape in (([1, 2], (-1, 2)), ([1, 5], (-1, 2)), ([-1, 5], (-1, 2)), ([1, 3], (-1, 3)), ([2, 2], (2, 2))):
        yield case("TensorListSplit", lambda x, n, shape=shape: raw.TensorListLength(input_handle=raw.TensorListSplit(
            tensor=x, element_shape=np.array(shape, I32), lengths=n)), x, np.array(n, I64), shapes="unknown")


def concats(rng):
    for t in (F32, F64):
        n, tail = int(rng.integers(1, 4)), shape_of(rng, int(rng.integers(0, 2)), 3, 0)
        items = [draw(rng, t, int(rng.integers(0, 4)), *tail) for _ in range(n)]
        def v1_form(*x, tail=tail):
            return list(raw.TensorListConcat(input_handle=list_of(x), element_dtype=x[0].dtype))
        yield case("TensorListConcat", v1_form, *items, grad=range(n))
    a, b, s = draw(rng, F32, 2, 3), draw(rng, F32, 2, 4), draw(rng, F32)
    for items in ((a, b), (s, s), (a, a)):
        yield case("TensorListConcat", lambda *x: list(raw.TensorListConcat(input_handle=list_of(x), element_dtype=tf.float32)), *items)
    def unset(x, n, shape):
        h = raw.TensorListSetItem(input_handle=raw.TensorListReserve(element_shape=np.array([-1, 3], I32), num_elements=3,
                                                                    element_dtype=tf.float32), index=1, item=x)
        return list(raw.TensorListConcatV2(input_handle=h, element_shape=np.array(shape, I32), leading_dims=n, element_dtype=tf.float32))
    for n, shape in (([1, 2, 2], (-1, 3)), ([], (2, 3)), ([], (-1, 3))):
        yield case("TensorListConcatV2", lambda x, n, shape=shape: unset(x, n, shape), a, np.array(n, I64))
    def empty(shape):
        h = raw.EmptyTensorList(element_shape=np.array(-1, I32), max_num_elements=-1, element_dtype=tf.float32)
        return list(raw.TensorListConcatV2(input_handle=h, element_shape=np.array(shape, I32), leading_dims=np.array([], I64),
                                           element_dtype=tf.float32))
    for shape in ((-1, 3), (-1, -1)):
        yield case("TensorListConcatV2", lambda shape=shape: empty(shape))


def batches(rng):
    a, b = draw(rng, F32, 2, 3), draw(rng, F32, 2, 3)
    def joined(x, y):
        h = [raw.TensorListFromTensor(tensor=v, element_shape=np.array([3], I32)) for v in (x, y)]
        return stacked(raw.TensorListConcatLists(input_a=h[0], input_b=h[1], element_dtype=tf.float32), tf.float32)
    yield case("TensorListConcatLists", joined, a, b)
    def pushed(x, y):
        h = tf.stack([raw.TensorListFromTensor(tensor=x, element_shape=np.array([3], I32)) for _ in range(2)])
        h = raw.TensorListPushBackBatch(input_handles=h, tensor=y)
        return [stacked(h[0], tf.float32), stacked(h[1], tf.float32)]
    yield case("TensorListPushBackBatch", pushed, a, b)
    yield case("TensorListPushBackBatch", pushed, a, draw(rng, F32, 3, 3), shapes="unknown")


def cases(rng):
    yield from gathers(rng)
    yield from scatters(rng)
    yield from splits(rng)
    yield from concats(rng)
    yield from batches(rng)
