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


def ftrl(rng):
    """With the linear slot multiplied by the rate."""
    for rows in (False, True):
        for v2 in (False, True):
            for t in (F32, F64):
                kw = dict(lr=F64(.1), l1=F64(.02), l2=F64(.3), lr_power=F64(pick(rng, -0.5, -0.3)))
                if v2:
                    kw["l2_shrinkage"] = F64(.05)
                kw = {k: v.astype(t) for k, v in kw.items()}

                def build(a, b, c, g, i, kw=kw, rows=rows, v2=v2):
                    s = Resources()
                    v, n, m = s.new(a), s.new(b), s.new(c)
                    op = getattr(raw, "Resource%sApplyFtrl%s" % ("Sparse" * rows, "V2" * v2))
                    s.run(op, var=v, accum=n, linear=m, grad=g, multiply_linear_by_lr=True, **(dict(indices=i) if rows else {}), **kw)
                    return [s.read(x) for x in (v, n, m)]
                yield case("Ftrl", build, draw(rng, t, 4, 3), draw(rng, t, 4, 3, low=.1, high=1), draw(rng, t, 4, 3), draw(rng, t, 2 if rows else 4, 3),
                           np.array([3, 1], I32), shapes="known")


def gradients_added_up(rng):
    """Accumulators of gradients, by reference and as resources."""
    from tensorflow.python.ops import gen_data_flow_ops as ops
    for kind in ("MEAN", "SUM"):
        for resource in (False, True):
            prefix = "resource_" * resource
            new, apply, count, take, step = [getattr(ops, prefix + n) for n in (
                "conditional_accumulator", "accumulator_apply_gradient", "accumulator_num_accumulated", "accumulator_take_gradient",
                "accumulator_set_global_step")]
            for t in (F32, F64, F16):
                for shape in ([2], [None], None):
                    def build(x, y, z, new=new, apply=apply, count=count, take=take, step=step, t=t, kind=kind, shape=shape):
                        s = Refs()
                        a = new(tf.as_dtype(t), shape, shared_name="a", reduction_type=kind)
                        s.run(apply, handle=a, local_step=0, gradient=x)
                        s.run(apply, handle=a, local_step=5, gradient=y)
                        out = [s.run(count, handle=a), s.run(take, handle=a, num_required=1, dtype=tf.as_dtype(t)), s.run(count, handle=a)]
                        s.run(apply, handle=a, local_step=0, gradient=y)  # too old
                        s.run(apply, handle=a, local_step=1, gradient=z)
                        out += [s.run(count, handle=a)]
                        s.run(step, handle=a, new_global_step=9)
                        s.run(apply, handle=a, local_step=8, gradient=y)
                        return out + [s.run(take, handle=a, num_required=0 + 1, dtype=tf.as_dtype(t))]
                    yield case("ConditionalAccumulator", build, draw(rng, t, 2), draw(rng, t, 2), draw(rng, t, 2), shapes="known")

    def refused(shape, t, num):
        def build(x, y):
            s = Refs()
            a = ops.conditional_accumulator(tf.float32, shape, shared_name="b")
            s.run(ops.accumulator_apply_gradient, handle=a, local_step=0, gradient=x)
            s.run(ops.accumulator_apply_gradient, handle=a, local_step=0, gradient=y)
            return s.run(ops.accumulator_take_gradient, handle=a, num_required=num, dtype=tf.as_dtype(t))
        return build
    x, y = draw(rng, F32, 2), draw(rng, F32, 3)
    for build, other in ((refused([2], F32, 1), y), (refused(None, F32, 1), y), (refused(None, F32, 0), x), (refused(None, F32, -1), x), (refused([2], F32, 2), x)):
        yield case("AccumulatorTakeGradient", build, x, other, shapes="known")


def sparse_gradients_added_up(rng):
    from tensorflow.python.ops import gen_data_flow_ops as ops
    for kind in ("MEAN", "SUM"):
        for t in (F32, F64):
            for shape in ([5, 2], [None, 2], None):
                def build(i, x, j, y, kind=kind, t=t, shape=shape):
                    s = Refs()
                    a = ops.sparse_conditional_accumulator(tf.as_dtype(t), shape, shared_name="a", reduction_type=kind)
                    add = lambda step, i, x, known: s.run(ops.sparse_accumulator_apply_gradient, handle=a, local_step=step, gradient_indices=i, gradient_values=x,
                                                          gradient_shape=tf.constant([5, 2] if known else [], tf.int64), has_known_shape=known)
                    add(0, i, x, True)
                    add(0, j, y, False)
                    add(3, i, y, True)
                    with v1.control_dependencies(s.last):
                        got = ops.sparse_accumulator_take_gradient(a, 1, tf.as_dtype(t))
                    s.last = [got.indices.op]
                    out = list(got)
                    add(0, i, x, True)
                    return out + [s.run(ops.accumulator_num_accumulated, handle=a)]
                for i, j in (([0, 2, 4], [1, 2, 4]), ([2, 0, 2], [3, 2, 2])):
                    yield case("SparseConditionalAccumulator", build, np.array(i), draw(rng, t, 3, 2), np.array(j), draw(rng, t, 3, 2), shapes="known")

    def refused(shape, i, x, given):
        def build(i, x, given):
            s = Refs()
            a = ops.sparse_conditional_accumulator(tf.float32, shape, shared_name="b")
            s.run(ops.sparse_accumulator_apply_gradient, handle=a, local_step=0, gradient_indices=i, gradient_values=x, gradient_shape=given, has_known_shape=True)
            with v1.control_dependencies(s.last):
                return list(ops.sparse_accumulator_take_gradient(a, 1, tf.float32))
        return case("SparseAccumulatorApplyGradient", build, np.array(i, I64), x, np.array(given, I64), shapes="known")
    x = draw(rng, F32, 1, 2)
    for shape, i, given in (([4, 2], [1], [4, 3]), ([4, 2], [7], [4, 2]), ([4, 2], [1, 2], [4, 2]), ([4, 2], [1], [4]), (None, [1], [4]), (None, [1], [4, 3]),
                            ([3, 2], [1], [4, 2]), ([4, 2], [1], [4, 2])):
        yield refused(shape, i, x, given)


def staged(rng):
    kw = dict(dtypes=[tf.float32, tf.string], shared_name="st")
    for index in (0, 1, 2, -1):
        def build(x, w, index=index):
            s = Refs()
            stage = lambda a: s.run(raw.Stage, values=[a, w], shared_name="st")
            stage(x)
            stage(x * 2.)
            stage(x * 3.)
            with v1.control_dependencies(s.last):
                peeked = raw.StagePeek(index=index, **kw)
            s.last = [peeked[0].op]
            n = s.run(raw.StageSize, **kw)
            with v1.control_dependencies(s.last):
                first = raw.Unstage(**kw)
            s.last = [first[0].op, n.op]
            m = s.run(raw.StageSize, **kw)
            s.run(raw.StageClear, **kw)
            return list(peeked) + [n] + list(first) + [m, s.run(raw.StageSize, **kw)]
        if 0 <= index < 3:
            yield case("Stage", build, draw(rng, F32, 2), texts(rng, ["a", "b"], 3))

UPDATES = {  # what is after Apply: slots, scalars
    "GradientDescent": ([], ["alpha"]),
    "Momentum": (["accum"], ["lr", "momentum"]),
    "KerasMomentum": (["accum"], ["lr", "momentum"]),
    "Adagrad": (["accum"], ["lr"]),
    "AdagradV2": (["accum"], ["lr", "epsilon"]),
    "Adadelta": (["accum", "accum_update"], ["lr", "rho", "epsilon"]),
    "Adam": (["m", "v"], ["beta1_power", "beta2_power", "lr", "beta1", "beta2", "epsilon"]),
    "RMSProp": (["ms", "mom"], ["lr", "rho", "momentum", "epsilon"]),
    "CenteredRMSProp": (["mg", "ms", "mom"], ["lr", "rho", "momentum", "epsilon"]),
}


def complex_updates(rng):
    """Optimizers of complex numbers, whose scalars are complex too; by reference and as resources, dense and of rows."""
    from tensorflow.python.ops import gen_training_ops
    functions = {n.replace("_", ""): getattr(gen_training_ops, n) for n in dir(gen_training_ops) if n == n.lower()}
    for kind, (slots, scalars) in UPDATES.items():
        for resource in (False, True):
            for rows in (False, True):
                op = functions.get(("%s%sApply%s" % ("Resource" * resource, "Sparse" * rows, kind)).lower())
                for t in (C64, C128) if op else ():
                    kw = {}
                    if kind.endswith("Momentum") or (kind == "Adam"):
                        kw["use_nesterov"] = pick(rng, False, True)
                    if kind.startswith("Adagrad"):
                        kw["update_slots"] = pick(rng, False, True, True)
                    low = -1 if rng.random() < .5 else .05  # or the numbers of a real training

                    def build(w, g, i, numbers, *given, op=op, kind=kind, slots=slots, scalars=scalars, resource=resource, rows=rows, kw=kw):
                        s = (Resources if resource else Refs)()
                        v = [s.new(x) for x in (w,) + given]
                        named = dict(zip(slots, v[1:]), **{n: numbers[k] for k, n in enumerate(scalars)}, **kw)
                        named["delta" if kind == "GradientDescent" else "grad"] = g
                        s.run(op, var=v[0], **named, **(dict(indices=i) if rows else {}))
                        return [s.read(x) for x in v]
                    count = int(rng.integers(0, 4)) if rows else 4
                    yield case(kind, build, draw(rng, t, 4, 3), draw(rng, t, count, 3), rng.integers(0, 4, count).astype(pick(rng, I32, I64)),
                               draw(rng, t, len(scalars), low=low, high=1), *[draw(rng, t, 4, 3) for _ in slots],
                               tol=(2e-4, 2e-5) if t == C64 else (1e-9, 1e-10), shapes="known")


def cases(rng):
    yield from slices(rng)
    yield from rows(rng)
    yield from references(rng)
    yield from values(rng)
    yield from ftrl(rng)
    yield from gradients_added_up(rng)
    yield from sparse_gradients_added_up(rng)
    yield from staged(rng)
    yield from complex_updates(rng)
