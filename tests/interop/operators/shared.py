# SPDX-License-Identifier: Apache-2.0
"""What the operators of a session share by name: barriers, staging areas with keys, mutexes, kept tensors, batches."""
from case import *
from containers import Line
from tensorflow.python.ops import gen_data_flow_ops as flow

TYPES = [tf.float32, tf.string]


class Bars:
    """A barrier of a number and a text."""
    def __init__(self, shapes=((), ())):
        self.do, self.handle = Line(), flow.barrier(TYPES, shapes=[list(s) for s in shapes])

    def put(self, keys, at, values):
        return self.do(flow.barrier_insert_many, handle=self.handle, keys=keys, values=values, component_index=at)

    def take(self, n, **kw):
        i, k, v = self.do(flow.barrier_take_many, handle=self.handle, num_elements=n, component_types=TYPES, **kw)
        return [i, k, *v]

    def close(self, cancel=False):
        self.do(flow.barrier_close, handle=self.handle, cancel_pending_enqueues=cancel)

    def sizes(self):
        return [self.do(op, handle=self.handle) for op in (flow.barrier_ready_size, flow.barrier_incomplete_size)]


def barriers(rng):
    keys = np.array([b"a", b"b", b"c"], object)
    def use(*steps, shapes=((), ())):
        def build(x, y):
            b, out = Bars(shapes), []
            for what, *args in steps:
                kw = args.pop() if args and isinstance(args[-1], dict) else {}
                if what == "put":
                    which, at = args
                    b.put(tf.gather(keys, np.array(which, I32)), at, tf.gather([x, y][at % 2], np.array(which, I32)))
                else:
                    out += getattr(b, what)(*args, **kw) or []
            return (out + b.sizes())[::-1]
        return build
    order = [int(i) for i in rng.permutation(3)]
    small = dict(allow_small_batch=True)
    some = ("put", [0, 1, 2], 0), ("put", order[:2], 1)
    x, y = draw(rng, F32, 3), texts(rng, ["p", "qr", ""], 3)
    for steps in ((*some, ("sizes",), ("take", 1), ("put", order[2:], 1), ("sizes",), ("take", 2)), (*some, ("take", 2)),
                  (("put", [1], 0), ("put", [0, 2], 1), ("put", order, 0)),
                  (("put", [2], 0), ("put", [1, 0], 0), ("put", [0], 1), ("put", [2, 1], 1), ("take", 3)),
                  (*some, ("close",), ("sizes",), ("take", 5, small)), (*some, ("close",), ("take", 4)),
                  (*some, ("close", True), ("sizes",), ("take", 5, small)), (*some, ("close", True), ("take", 1, small), ("take", 3)),
                  (*some, ("close",), ("put", order[2:], 1), ("take", 3)), (*some, ("close",), ("put", order[:1], 1)),
                  (*some, ("close", True), ("put", order[2:], 1)), (("close",), ("put", [0], 0)), (("close",), ("put", [], 0)),
                  (("close",), ("take", 0)), (("take", 0),), (("close",), ("close",)), (("close", True), ("close", True)),
                  (("put", [0], 0), ("put", [0], 0)), (("put", [0, 0], 0),), (*some, ("put", order[:1], 1)), (("put", [0], 2),)):
        yield case("Barrier", use(*steps), x, y)
    yield case("Barrier", use(*some, ("take", 2), shapes=((2,), (1, 1))), draw(rng, F32, 3, 2), texts(rng, ["p", "qr"], 3, 1, 1))
    yield case("Barrier", use(*some, shapes=((0,), ())), draw(rng, F32, 3, 0), y)
    for shapes in ((), ((),), ((None,), ())):
        yield case("Barrier", use(*some, shapes=shapes), x, y)


class Area:
    """A staging area with keys of a number and a text."""
    def __init__(self, kind, **kw):
        self.do, self.kind, self.common = Line(), kind, kw

    def run(self, op, dtypes=TYPES, **kw):
        return self.do(getattr(raw, self.kind + op), dtypes=dtypes, shared_name="area", **kw, **self.common)

    def put(self, key, at, *values):
        self.run("MapStage", key=I64(key), indices=np.array(at, I32), values=list(values))
        return []

    def some(self, op, at, **kw):
        out = self.run(op, [TYPES[i % 2] for i in at], indices=np.array(at, I32), **kw)
        return [out[0], *out[1]] if op.endswith("NoKey") else list(out)

    def get(self, key, at):
        return self.some("MapUnstage", at, key=I64(key))

    def peek(self, key, at):
        return self.some("MapPeek", at, key=I64(key))

    def pop(self, at):
        return self.some("MapUnstageNoKey", at)

    def clear(self):
        self.run("MapClear")
        return []

    def sizes(self):
        return [self.run("MapSize"), self.run("MapIncompleteSize")]


def areas(rng):
    both = [0, 1]
    def use(kind, steps, **kw):
        def build(x, y):
            a, out = Area(kind, **kw), []
            for what, *args in steps:
                if what == "put":
                    args = args + [[x, y][i % 2] for i in args[1]]
                out += getattr(a, what)(*args)
            return (out + a.sizes())[::-1]
        return build
    k = [int(i) for i in rng.permutation(9)[:3] - 4]
    x, y = draw(rng, F32, 2), texts(rng, ["p", "qr"])
    for kind in ("", "Ordered"):
        for steps in ((("put", k[0], both), ("put", k[1], [0]), ("sizes",), ("put", k[1], [1]), ("peek", k[0], [1]), ("get", k[1], both),
                       ("sizes",), ("pop", [1]), ("sizes",), ("pop", [0])),
                      (("put", k[0], both), ("clear",)), (("put", k[0], [1]), ("clear",)), (("put", k[0], both), ("put", k[0], both)),
                      (("put", k[0], [1]), ("put", k[0], both), ("get", k[0], both), ("put", k[0], [0]), ("get", k[0], [0])),
                      (("put", k[0], [1]), ("put", k[0], [1])), (("put", k[0], [1, 0]),), (("put", k[0], [0, 0]),), (("put", k[0], [2]),),
                      (("put", k[0], [-1]),), (("put", k[0], both), ("get", k[0], [1, 0])), (("put", k[0], both), ("get", k[0], [2])),
                      (("put", k[0], both), ("get", k[0], [1]), ("get", k[0], [1])), (("put", k[0], both), ("get", k[0], [1]), ("peek", k[0], [0])),
                      (("put", k[0], both), ("get", k[0], [1]), ("peek", k[0], [1]))):
            yield case(kind + "MapStage", use(kind, steps), x, y)
    fill = [("put", i, both) for i in k]
    yield case("OrderedMapStage", use("Ordered", fill + [("pop", both)] * 3), x, y)
    yield case("MapStage", use("", fill, capacity=3), x, y)
    yield case("MapStage", use("", fill[:1], memory_limit=4), x, y)
    yield case("MapStage", use("", fill[:1], memory_limit=100), x, y)


def sessions(rng):
    def section(x):
        lock = raw.MutexLock(mutex=raw.MutexV2(shared_name="m"))
        with v1.control_dependencies([lock]):
            x = x * 2
        with v1.control_dependencies([x]):
            done = raw.ConsumeMutexLock(mutex_lock=lock)
        with v1.control_dependencies([done]):
            return tf.identity(x)
    yield case("MutexLock", section, draw(rng, F32, 2))
    yield case("CriticalSection", lambda x: tf.CriticalSection(name="c").execute(lambda: x + 1), draw(rng, F32, 2))
    yield case("GetSessionHandle", lambda x: tf.identity(raw.GetSessionHandle(value=x)), draw(rng, F32, 2))
    def lost(h):
        with v1.control_dependencies([raw.DeleteSessionTensor(handle=h)]):
            return tf.identity(h)
    for h in ("GetSessionHandle;9;", "", "a"):
        yield case("GetSessionTensor", lambda h: raw.GetSessionTensor(handle=h, dtype=tf.float32), np.array(h.encode(), object))
        yield case("DeleteSessionTensor", lost, np.array(h.encode(), object))


def batches(rng):
    def batch(*x, **kw):
        kw = {**dict(num_batch_threads=1, max_batch_size=5, batch_timeout_micros=0, grad_timeout_micros=0), **kw}
        return raw.Batch(in_tensors=list(x), **kw)
    def use(*x, **kw):
        values, index, id_ = batch(*x, **kw)
        return [*values, index[:, 1:], tf.equal(index[:, 0], id_)]
    x, y = draw(rng, F32, 2, 3), texts(rng, ["a", "bc"], 2)
    for kw in ({}, dict(allowed_batch_sizes=[1, 4, 5]), dict(allowed_batch_sizes=[2, 5]), dict(allowed_batch_sizes=[4, 6]),
               dict(allowed_batch_sizes=[4, 3, 5])):
        yield case("Batch", lambda x, y, kw=kw: use(x, y, **kw), x, y)
    yield case("Batch", use, draw(rng, F32, 6, 1))
    yield case("Batch", use, x, draw(rng, F32, 3))
    yield case("Batch", lambda x: list(batch(x).batched_tensors), draw(rng, F32, 0, 2))
    def whole(x, scale):
        values, index, id_ = batch(x)
        return raw.Unbatch(batched_tensor=values[0] * scale, batch_index=index, id=id_, timeout_micros=1000)
    yield case("Unbatch", whole, x, F32(3))
    def part(x, index, id_):
        return raw.Unbatch(batched_tensor=x, batch_index=index, id=id_, timeout_micros=1000)
    x = draw(rng, F32, 3, 2)
    for index, id_ in (([[7, 0, 3]], 7), ([[7, 0, 1], [8, 1, 3]], 8), ([[7, 0, 1], [8, 1, 3]], 7), ([[7, 0, 1]], 9), ([[7, 0, 4]], 7),
                       ([[7, 1, 2]], 7)):
        yield case("Unbatch", part, x, np.array(index, I64), I64(id_))
    def grad(x, index, dy, id_):
        return raw.UnbatchGrad(original_input=x, batch_index=index, grad=dy, id=id_)
    yield case("UnbatchGrad", grad, x, np.array([[7, 0, 3]], I64), draw(rng, F32, 3, 2), I64(7))
    yield case("UnbatchGrad", grad, x[:0], np.zeros((0, 3), I64), draw(rng, F32, 3, 2), I64(7))


def cases(rng):
    yield from barriers(rng)
    yield from areas(rng)
    yield from sessions(rng)
    yield from batches(rng)
