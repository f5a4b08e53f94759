# SPDX-License-Identifier: Apache-2.0
"""Parts of variables and values replaced; references; temporary variables."""
from case import *
from tensorflow.python.ops import gen_array_ops, gen_state_ops


def slices(rng):
    for t in (F32, I64, BOOL, C64):
        x = draw(rng, t, 3, 4, 2)
        for spec, shape in ((dict(begin=[0, 1], end=[2, 4], strides=[1, 2]), (2, 2, 2)), (dict(begin=[2, 3], end=[0, 0], strides=[-1, -2]), (2, 2, 2)),
                            (dict(begin=[1], end=[2], strides=[1], shrink_axis_mask=1), (4, 2)),
                            (dict(begin=[0, 1], end=[0, 2], strides=[1, 1], ellipsis_mask=1), (3, 4, 1))):
            v = draw(rng, t, *pick(rng, shape, shape, (), shape[-1:]))
            yield case("TensorStridedSliceUpdate", lambda x, v, s=spec: raw.TensorStridedSliceUpdate(input=x, value=v, **s), x, v,
                       grad=[0, 1] if t == F32 else [])
            def resource(x, v, s=spec):
                r = Resources()
                h = r.new(x)
                r.run(raw.ResourceStridedSliceAssign, ref=h, value=v, **s)
                return r.read(h)
            def reference(x, v, s=spec):
                r = Refs()
                h = r.new(x)
                r.run(gen_array_ops.strided_slice_assign, ref=h, value=v, **s)
                return r.read(h)
            yield case("ResourceStridedSliceAssign", resource, x, v, shapes="known")
            yield case("StridedSliceAssign", reference, x, v, shapes="known")
    x = draw(rng, F32, 3, 4)
    for v, spec in (((2,), dict(begin=[0, 0], end=[2, 3], strides=[1, 1])), ((3,), dict(begin=[5], end=[6], strides=[1], shrink_axis_mask=1)),
                    ((0, 3), dict(begin=[0, 0], end=[0, 3], strides=[1, 1])), ((3,), dict(begin=[0, 0], end=[2, 3], strides=[0, 1]))):
        yield case("TensorStridedSliceUpdate", lambda x, v, s=spec: raw.TensorStridedSliceUpdate(input=x, value=v, **s), x, draw(rng, F32, *v), shapes="unknown")


def rows(rng):
    for name in ("InplaceAdd", "InplaceSub", "InplaceUpdate"):
        for t in (F32, I32, F64):
            n, m = int(rng.integers(1, 5)), int(rng.integers(0, 4))
            tail = shape_of(rng, int(rng.integers(0, 3)), 3, 0)
            yield case(name, lambda x, i, v, op=getattr(raw, name): op(x=x + x - x, i=i, v=v), draw(rng, t, n, *tail), rng.integers(-3, 6, m).astype(I32),
                       draw(rng, t, m, *tail))
        for i, v in (([1], (2, 4)), ([1, 2], (2, 3)), (1, (4,))):
            yield case(name, lambda x, i, v, op=getattr(raw, name): op(x=x + x, i=i, v=v), draw(rng, F32, 3, 4), np.array(i, I32), draw(rng, F32, *v), shapes="unknown")


def references(rng):
    a, b = draw(rng, F32, 2), draw(rng, F32, 2)
    def chosen(a, b, i):
        r = Refs()
        v, w = r.new(a), r.new(b)
        with v1.control_dependencies(r.last):
            x = gen_array_ops.ref_identity(gen_control.ref_select(index=i, inputs=[v, w]))
            return tf.identity(x)
    from tensorflow.python.ops import gen_control_flow_ops as gen_control
    for i in (0, 1):
        yield case("RefSelect", chosen, a, b, np.int32(i), shapes="known")
    def temporary(a, b):
        v = gen_state_ops.temporary_variable(shape=a.shape, dtype=a.dtype, var_name="sum")
        v = gen_state_ops.assign(v, a)
        v = gen_state_ops.assign_add(v, b)
        return gen_state_ops.destroy_temporary_variable(v, var_name="sum")
    yield case("TemporaryVariable", temporary, a, b, shapes="known")


def values(rng):
    x = draw(rng, F32, 2, 3)
    yield case("DeepCopy", lambda x: raw.DeepCopy(x=x), x)
    yield case("Empty", lambda s: raw.Empty(shape=s, dtype=tf.float64, init=True), np.array([2, 0, 3], I32))
    yield case("ParallelConcat", lambda a, b: raw.ParallelConcat(values=[a, b], shape=[2, 3]), x[:1], x[1:], shapes="known")


def cases(rng):
    yield from slices(rng)
    yield from rows(rng)
    yield from references(rng)
    yield from values(rng)
