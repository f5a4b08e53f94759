# SPDX-License-Identifier: Apache-2.0
"""Lists, arrays, stacks, maps and queues of tensors."""
from tensorflow.core.framework import types_pb2

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


def old_nodes(producer, inputs, fetch, nodes):
    """Nodes of operators that new graphs may not have: lines "name op input... | attr=value ..." in a graph of their time."""
    g = v1.GraphDef()
    g.versions.producer = producer
    for line in nodes.strip().splitlines():
        head, _, attrs = line.strip().partition("|")
        name, op, *more = head.split()
        node = g.node.add(name=name, op=op, input=more)
        for a in attrs.split():
            k, v = a.split("=")
            if v in ("true", "false"):
                node.attr[k].b = v == "true"
            elif v.startswith("DT_"):
                node.attr[k].type = getattr(types_pb2, v)
            else:
                node.attr[k].s = v.encode()
    return tf.import_graph_def(g, inputs, fetch, name="")


ARRAY = """
ta {kind} n | dtype=DT_FLOAT clear_after_read=false dynamic_size={dynamic}
w0 TensorArrayWrite{v} ta zero a f | T=DT_FLOAT
w1 TensorArrayWrite{v} ta one b w0 | T=DT_FLOAT
r TensorArrayRead{v} ta one w1 | dtype=DT_FLOAT
g TensorArrayGather{v} ta both w1 | dtype=DT_FLOAT
c TensorArrayConcat{v} ta w1 | dtype=DT_FLOAT
s TensorArraySize{v} ta w1
"""
SPREAD = """
ta {kind} n | dtype=DT_FLOAT clear_after_read=false dynamic_size=false
w0 TensorArrayScatter{v} ta both x f | T=DT_FLOAT
g TensorArrayGather{v} ta both w0 | dtype=DT_FLOAT
"""
SPLIT = """
ta {kind} n | dtype=DT_FLOAT clear_after_read=false dynamic_size=false
w0 TensorArraySplit{v} ta x lengths f | T=DT_FLOAT
c TensorArrayConcat{v} ta w0 | dtype=DT_FLOAT
"""
PACK = """
ta TensorArray n | dtype=DT_FLOAT clear_after_read=false dynamic_size=false
w0 TensorArrayUnpack ta x f | T=DT_FLOAT
p TensorArrayPack ta w0 | dtype=DT_FLOAT
"""
GRADIENT = """
ta {kind} n | dtype=DT_FLOAT clear_after_read=false dynamic_size=false
w0 TensorArrayWrite{v} ta zero a f | T=DT_FLOAT
d {grad} ta w0 | source=gradients
d0 TensorArrayWrite{v} d zero a w0 | T=DT_FLOAT
d1 TensorArrayWrite{v} d zero b d0 | T=DT_FLOAT
r TensorArrayRead{v} d zero d1 | dtype=DT_FLOAT
"""
STACK = """
s Stack | elem_type=DT_FLOAT
p StackPush s a | T=DT_FLOAT
q StackPush s b ^p | T=DT_FLOAT
r StackPop s ^q | elem_type=DT_FLOAT
t StackPop s ^r | elem_type=DT_FLOAT
c StackClose s ^t
u Identity t ^c | T=DT_FLOAT
"""


def old(rng):
    x, a, b = draw(rng, F32, 2, 3), draw(rng, F32, 3), draw(rng, F32, 3)
    def inputs(**kw):
        known = dict(n=np.int32(2), zero=np.int32(0), one=np.int32(1), f=np.float32(0), both=np.array([1, 0], I32),
                     lengths=np.array([2, 0], I64))
        return {**{k: tf.constant(v) for k, v in known.items()}, **kw}
    def only(text, **kw):
        used = {w for line in text.splitlines() for w in line.partition("|")[0].split()[2:]}
        return {k: v for k, v in inputs(**kw).items() if k in used}
    def run(producer, text, fetch, **kw):
        return old_nodes(producer, only(text, **kw), fetch, text)
    for kind, v, producer in (("TensorArrayV2", "V2", 20), ("TensorArray", "", 10)):
        text = ARRAY.format(kind=kind, v=v, dynamic="false")
        yield case(kind, lambda a, b, t=text, p=producer: run(p, t, ["r:0", "g:0", "c:0", "c:1", "s:0"], a=a, b=b), a, b)
        text2 = SPREAD.format(kind=kind, v=v)
        yield case(kind + "Scatter", lambda x, t=text2, p=producer: run(p, t, ["g:0"], x=x), x)
        text3 = SPLIT.format(kind=kind, v=v)
        yield case(kind + "Split", lambda x, t=text3, p=producer: run(p, t, ["c:0", "c:1"], x=x), x)
        text4 = GRADIENT.format(kind=kind, v=v, grad="TensorArrayGrad" + v)
        yield case(kind + "Grad", lambda a, b, t=text4, p=producer: run(p, t, ["r:0"], a=a, b=b), a, b)
    yield case("TensorArrayPack", lambda x: run(10, PACK, ["p:0"], x=x), x)
    yield case("TensorArrayPack", lambda x: run(10, PACK, ["p:0"], x=x), draw(rng, F32, 3, 2))
    yield case("Stack", lambda a, b: run(10, STACK, ["r:0", "u:0"], a=a, b=b), a, b)


class Line:
    """Operators one after another."""
    def __init__(self):
        self.last = []

    def __call__(self, op, **kw):
        with v1.control_dependencies(self.last):
            out = op(**kw)
        one = out[0] if isinstance(out, (list, tuple)) else out
        self.last = [one.op if hasattr(one, "op") else one]
        return out


QUEUES = dict(FIFOQueueV2={}, PaddingFIFOQueueV2={}, RandomShuffleQueueV2=dict(seed=3, seed2=5), PriorityQueueV2={})


def queue(kind, types, shapes, **kw):
    return getattr(raw, kind)(component_types=types, shapes=shapes, **{**QUEUES[kind], **kw})


def queues(rng):
    for kind in ("FIFOQueueV2", "RandomShuffleQueueV2", "FIFOQueueV2", "RandomShuffleQueueV2"):
        n = int(rng.integers(4, 8))
        x, y = draw(rng, F32, n, 2), texts(rng, ["a", "bc"], n)
        def all_forms(x, y, kind=kind, n=n, a=int(rng.integers(0, 3))):
            do, q = Line(), queue(kind, [tf.float32, tf.string], [[2], []])
            do(raw.QueueEnqueueV2, handle=q, components=[x[0], y[0]])
            do(raw.QueueEnqueueManyV2, handle=q, components=[x[1:], y[1:]])
            one = do(raw.QueueDequeueV2, handle=q, component_types=[tf.float32, tf.string])
            size = do(raw.QueueSizeV2, handle=q)
            some = do(raw.QueueDequeueManyV2, handle=q, n=a, component_types=[tf.float32, tf.string])
            open_ = do(raw.QueueIsClosedV2, handle=q)
            do(raw.QueueCloseV2, handle=q)
            closed = do(raw.QueueIsClosedV2, handle=q)
            rest = do(raw.QueueDequeueUpToV2, handle=q, n=9, component_types=[tf.float32, tf.string])
            return [*one, size, *some, open_, closed, *rest]
        yield case(kind, all_forms, x, y, shapes="known")
    def padded(a, b, c):
        do, q = Line(), queue("PaddingFIFOQueueV2", [tf.float32], [[None, 2]])
        for v in (a, b, c):
            do(raw.QueueEnqueueV2, handle=q, components=[v])
        return do(raw.QueueDequeueManyV2, handle=q, n=3, component_types=[tf.float32])
    yield case("PaddingFIFOQueueV2", padded, *[draw(rng, F32, int(rng.integers(0, 4)), 2) for _ in range(3)])
    def by_priority(p, x):
        do, q = Line(), queue("PriorityQueueV2", [tf.float32], [[]])
        do(raw.QueueEnqueueManyV2, handle=q, components=[p, x])
        return do(raw.QueueDequeueManyV2, handle=q, n=3, component_types=[tf.int64, tf.float32])
    yield case("PriorityQueueV2", by_priority, rng.permutation(4), draw(rng, F32, 4))
    x = draw(rng, F32, 2)
    def refused(first, then, shapes=[[2]], close=False):
        def build(x):
            do, q = Line(), queue("FIFOQueueV2", [tf.float32], shapes)
            if first is not None:
                do(raw.QueueEnqueueV2, handle=q, components=[first(x)])
            if close:
                do(raw.QueueCloseV2, handle=q)
            return then(do, q, x)
        return build
    one = lambda do, q, x: do(raw.QueueDequeueV2, handle=q, component_types=[tf.float32])
    many = lambda n: lambda do, q, x: do(raw.QueueDequeueManyV2, handle=q, n=n, component_types=[tf.float32])
    def again(do, q, x):
        do(raw.QueueEnqueueV2, handle=q, components=[x])
        return do(raw.QueueSizeV2, handle=q)
    def two(do, q, x):
        one(do, q, x)
        return one(do, q, x)
    for name, build in (("a", refused(lambda x: x, two, close=True)), ("b", refused(lambda x: x[0], one)),
                        ("c", refused(lambda x: x, again, close=True)), ("d", refused(lambda x: x, many(1), [])),
                        ("e", refused(lambda x: x, many(-1))), ("f", refused(lambda x: x, many(2), close=True)),
                        ("g", refused(lambda x: tf.cast(x, tf.float64), one)), ("h", refused(lambda x: x, many(0)))):
        yield case("FIFOQueueV2", build, x)


def maps(rng):
    def use(k1, k2, x, y):
        m = raw.TensorMapInsert(input_handle=raw.EmptyTensorMap(), key=k1, value=x)
        m = raw.TensorMapInsert(input_handle=m, key=k2, value=y)
        less = raw.TensorMapErase(input_handle=m, key=k1, value_dtype=x.dtype)
        again = raw.TensorMapInsert(input_handle=m, key=k2, value=x)
        look = lambda h, k: raw.TensorMapLookup(input_handle=h, key=k, value_dtype=x.dtype)
        return [look(m, k1), look(m, k2), look(again, k2), raw.TensorMapSize(input_handle=m), raw.TensorMapSize(input_handle=less),
                raw.TensorMapHasKey(input_handle=less, key=k1), raw.TensorMapHasKey(input_handle=less, key=k2),
                raw.TensorMapStackKeys(input_handle=less, key_dtype=k1.dtype)]
    a, b = draw(rng, F32, 2), draw(rng, F32, 3)
    yield case("TensorMap", use, np.int64(3), np.int64(5), a, b)
    yield case("TensorMap", use, np.array([1, 2], I32), np.array([1, 3], I32), a, b)
    yield case("TensorMap", use, np.array(b"k", object), np.array(b"l", object), a, b)
    for op in ("TensorMapLookup", "TensorMapErase"):
        def missing(k, x, op=op):
            m = raw.TensorMapInsert(input_handle=raw.EmptyTensorMap(), key=k, value=x)
            h = getattr(raw, op)(input_handle=m, key=k + 1, value_dtype=x.dtype)
            return h if op == "TensorMapLookup" else raw.TensorMapSize(input_handle=h)
        yield case(op, missing, np.int64(3), a)


def cases(rng):
    yield from gathers(rng)
    yield from scatters(rng)
    yield from splits(rng)
    yield from concats(rng)
    yield from batches(rng)
    yield from old(rng)
    yield from queues(rng)
    yield from maps(rng)
