#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes goldens of single operators with TensorFlow: those that need variables, arrays or stacks, operators of gradients, and
rarer ones. Not needed to build or test; kept so that the files can be made again.

usage: make_ops.py FOLDER [PATTERN...]     (with TensorFlow 2.x and numpy)
"""
import base64, fnmatch, json, os, sys

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
import tensorflow as tf
from tensorflow.python.ops import gen_state_ops

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "interop", "operators"))
from case import Refs, Resources

tf1, raw = tf.compat.v1, tf.raw_ops
tf1.disable_eager_execution()
tf1.disable_control_flow_v2()
root, patterns = sys.argv[1], sys.argv[2:] or ["*"]
rng = np.random.default_rng(7)
F, I, L = np.float32, np.int32, np.int64
cases = []


def f(*shape, low=-2, high=2, dtype=F):
    return rng.uniform(low, high, shape).astype(dtype)


def case(name, build, *inputs, grad=None, tol=(1e-4, 1e-5)):
    """build(placeholders) gives the results; grad: inputs to differentiate by."""
    cases.append((name, build, inputs, grad, tol))


def as_json(a):
    if isinstance(a, bytes):
        try:
            return a.decode()
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(a).decode()}
    return [as_json(x) for x in a] if a.ndim else as_json(a.item())


def save(folder, name, value):
    value = np.asarray(value)
    rec = {"dtype": value.dtype.name if value.dtype != object else "string", "shape": list(value.shape)}
    if value.dtype == object or value.dtype.kind in "SU":
        rec.update(dtype="string", file=name + ".json")
        json.dump(as_json(value.astype(object)), open(os.path.join(folder, rec["file"]), "w"))
    elif value.dtype.name == "bfloat16":
        rec.update(stored_as="uint16", file=name + ".npy")
        np.save(os.path.join(folder, rec["file"]), value.view(np.uint16))
    else:
        rec["file"] = name + ".npy"
        np.save(os.path.join(folder, rec["file"]), value)
    return rec


def types(graph):
    return sorted({op.type for op in graph.get_operations()})


def write(folder, name, graph):
    with open(os.path.join(folder, name), "wb") as out:
        out.write(graph.as_graph_def().SerializeToString(deterministic=True))


def make(name, build, inputs, grad, tol):
    folder = os.path.join(root, name)
    os.makedirs(folder, exist_ok=True)
    op, _, case_name = name.partition("_")
    rec = {"op": op, "case": case_name, "level": "core", "tolerance": {"rtol": tol[0], "atol": tol[1]}}
    for with_grad in [False, True] if grad else [False]:
        with tf1.Graph().as_default() as g:
            np_in = [np.asarray(x) for x in inputs]
            ph = [tf1.placeholder(tf.as_dtype(x.dtype) if x.dtype.kind not in "OSU" else tf.string, x.shape, "in_%d" % k)
                  for k, x in enumerate(np_in)]
            outs = build(*ph)
            outs = list(outs) if isinstance(outs, (list, tuple)) else [outs]
            outs = [tf.identity(o, "out_%d" % k) for k, o in enumerate(outs)]
            feed = dict(zip(ph, np_in))
            if with_grad:
                real = [o for o in outs if o.dtype.is_floating]
                seeds = [tf1.placeholder(o.dtype, o.shape, "gseed_%d" % k)
                         for k, o in enumerate(outs) if o.dtype.is_floating]
                grads = tf1.gradients(real, [ph[k] for k in grad], grad_ys=seeds)
                grads = {k: tf.identity(tf.convert_to_tensor(d), "grad_%d" % k) for k, d in zip(grad, grads) if d is not None}
            with tf1.Session(graph=g) as s:
                if not with_grad:
                    got = s.run(outs, feed)
                    rec["op_types"] = types(g)
                    rec["inputs"] = {"in_%d" % k: save(folder, "in_%d" % k, x) for k, x in enumerate(np_in)}
                    rec["outputs"] = {"out_%d" % k: save(folder, "out_%d" % k, x) for k, x in enumerate(got)}
                    rec["differentiable"] = bool(grad)
                    write(folder, "graph.pb", g)
                    shapes = [np.shape(x) for x in got]
                else:
                    values = {t: rng.uniform(-1, 1, t.shape.as_list() if t.shape.is_fully_defined()
                                             else shapes[int(t.op.name.split("_")[1])]).astype(t.dtype.as_numpy_dtype) for t in seeds}
                    feed.update(values)
                    rec["grad_seeds"] = {t.op.name: save(folder, t.op.name, v) for t, v in values.items()}
                    rec["gradients"] = {"grad_%d" % k: save(folder, "grad_%d" % k, s.run(d, feed)) for k, d in grads.items()}
                    rec["op_types_grad_graph"] = types(g)
                    write(folder, "graph_grad.pb", g)
    json.dump(rec, open(os.path.join(folder, "case.json"), "w"), indent=1)


def raw_of(op, x, kw):
    return getattr(raw, op)(**{"string_tensor" if op == "StringToHashBucket" else "input": x}, **kw)


# ==== variables ====

def steps(kind, op, slots, args, n_vars, repeat=2):
    """An optimizer's operator, run `repeat` times; results: the variable and its slots."""
    def build(*ph):
        s = kind()
        v = [s.new(x) for x in ph[:n_vars]]
        kw = dict(zip(slots, v))
        kw.update({k: (ph[n_vars + a] if isinstance(a, int) and not isinstance(a, bool) else a) for k, a in args.items()})
        for _ in range(repeat):
            s.run(getattr(raw, op), **kw)
        return [s.read(x) for x in v]
    return build


def c(v, t=F):
    return np.asarray(v, t)


optimizers = {
    "GradientDescent": (["var"], dict(alpha=c(.1)), "delta"),
    "Momentum": (["var", "accum"], dict(lr=c(.1), momentum=c(.9)), "grad"),
    "Adagrad": (["var", "accum"], dict(lr=c(.1)), "grad"),
    "AdagradV2": (["var", "accum"], dict(lr=c(.1), epsilon=c(1e-3)), "grad"),
    "Adam": (["var", "m", "v"], dict(beta1_power=c(.9), beta2_power=c(.999), lr=c(.01), beta1=c(.9), beta2=c(.999), epsilon=c(1e-7)), "grad"),
    "RMSProp": (["var", "ms", "mom"], dict(lr=c(.1), rho=c(.9), momentum=c(.8), epsilon=c(1e-3)), "grad"),
    "CenteredRMSProp": (["var", "mg", "ms", "mom"], dict(lr=c(.1), rho=c(.9), momentum=c(.8), epsilon=c(1e-3)), "grad"),
    "Ftrl": (["var", "accum", "linear"], dict(lr=c(.1), l1=c(.01), l2=c(.02), lr_power=c(-.5)), "grad"),
    "FtrlV2": (["var", "accum", "linear"], dict(lr=c(.1), l1=c(.01), l2=c(.02), l2_shrinkage=c(.03), lr_power=c(-.5)), "grad"),
    "Adadelta": (["var", "accum", "accum_update"], dict(lr=c(.5), rho=c(.9), epsilon=c(1e-3)), "grad"),
    "AdagradDA": (["var", "gradient_accumulator", "gradient_squared_accumulator"],
                  dict(lr=c(.1), l1=c(.01), l2=c(.02), global_step=c(3, L)), "grad"),
    "ProximalGradientDescent": (["var"], dict(alpha=c(.1), l1=c(.01), l2=c(.02)), "delta"),
    "ProximalAdagrad": (["var", "accum"], dict(lr=c(.1), l1=c(.01), l2=c(.02)), "grad"),
    "AdaMax": (["var", "m", "v"], dict(beta1_power=c(.9), lr=c(.01), beta1=c(.9), beta2=c(.999), epsilon=c(1e-7)), "grad"),
    "AddSign": (["var", "m"], dict(lr=c(.1), alpha=c(1.), sign_decay=c(.9), beta=c(.9)), "grad"),
    "PowerSign": (["var", "m"], dict(lr=c(.1), logbase=c(1.), sign_decay=c(.9), beta=c(.9)), "grad"),
    "KerasMomentum": (["var", "accum"], dict(lr=c(.1), momentum=c(.9)), "grad"),
    "AdamWithAmsgrad": (["var", "m", "v", "vhat"],
                        dict(beta1_power=c(.9), beta2_power=c(.999), lr=c(.01), beta1=c(.9), beta2=c(.999), epsilon=c(1e-7)), "grad"),
}
for name, (slots, scalars, grad_name) in optimizers.items():
    for prefix, kind in (("", Refs), ("Resource", Resources)):
        n = len(slots)
        keep = [f(5, 3)] + [f(5, 3, low=.1, high=1) for _ in slots[1:]]
        dense, sparse = prefix + "Apply" + name, prefix + "SparseApply" + name
        if hasattr(raw, dense):
            flags = {"use_nesterov": True} if name in ("Momentum", "KerasMomentum", "Adam") else {}
            for variant, extra in [("a", {})] + ([("nesterov", flags)] if flags else []):
                args = dict(zip(scalars, range(1, len(scalars) + 1)), **{grad_name: 0}, **extra)
                case(dense + "_" + variant, steps(kind, dense, slots, args, n), *keep, f(5, 3), *scalars.values())
        if hasattr(raw, sparse):
            args = dict(zip(scalars, range(2, len(scalars) + 2)), grad=0, indices=1)
            case(sparse + "_a", steps(kind, sparse, slots, args, n), *keep, f(3, 3), c([4, 0, 4], I if prefix else L), *scalars.values())


def on_variable(kind, op, names, n_out=True, **fixed):
    def build(value, *ph):
        s = kind()
        v = s.new(value)
        s.run(getattr(raw, op), **dict(zip(names, (v,) + ph)), **fixed)
        return s.read(v)
    return build


for prefix, kind, first in (("", Refs, "ref"), ("Resource", Resources, "resource")):
    for op in ("Update", "Add", "Sub", "Mul", "Div", "Min", "Max"):
        names = [first, "indices", "updates"]
        case(prefix + "Scatter" + op + "_a", on_variable(kind, prefix + "Scatter" + op, names), f(5, 3), c([[3, 0], [1, 3]], I),
             f(2, 2, 3, low=.5))
    case(prefix + "ScatterUpdate_scalar", on_variable(kind, prefix + "ScatterUpdate", [first, "indices", "updates"]), f(5, 3),
         c([3, 0], L), c(9.))
    for op in ("Update", "Add", "Sub", "Min", "Max"):
        names = ["ref", "indices", "updates"]
        case(prefix + "ScatterNd" + op + "_a", on_variable(kind, prefix + "ScatterNd" + op, names), f(5, 3), c([[3, 0], [1, 2]], I), f(2))
case("AssignAdd_a", on_variable(Refs, "AssignAdd", ["ref", "value"]), f(4, 2), f(4, 2))
case("AssignSub_a", on_variable(Refs, "AssignSub", ["ref", "value"]), f(4, 2), f(4, 2))
case("Assign_a", on_variable(Refs, "Assign", ["ref", "value"]), f(4, 2), f(4, 2))
case("AssignVariableOp_a", on_variable(Resources, "AssignVariableOp", ["resource", "value"]), f(4, 2), f(4, 2))
case("AssignAddVariableOp_a", on_variable(Resources, "AssignAddVariableOp", ["resource", "value"]), f(4, 2), f(4, 2))
case("AssignSubVariableOp_a", on_variable(Resources, "AssignSubVariableOp", ["resource", "value"]), f(4, 2), f(4, 2))


def counting(kind, op, first):
    def build(value):
        s = kind()
        v = s.new(value)
        kw = {"T": tf.int64} if kind is Resources else {}
        outs = [s.run(getattr(raw, op), **{first: v}, limit=5, **kw) for _ in range(2)]
        return outs + [s.read(v)]
    return build


case("CountUpTo_a", counting(Refs, "CountUpTo", "ref"), c(2, L))
case("ResourceCountUpTo_a", counting(Resources, "ResourceCountUpTo", "resource"), c(2, L))


def initialized(value):
    s = Refs()
    empty = gen_state_ops.variable_v2(shape=[2], dtype=tf.float32)
    before = raw.IsVariableInitialized(ref=empty)
    v = s.new(value)
    return before, s.run(raw.IsVariableInitialized, ref=v)


def initialized_resource(value):
    s = Resources()
    empty = raw.VarHandleOp(dtype=tf.float32, shape=[2], shared_name="empty")
    before = raw.VarIsInitializedOp(resource=empty)
    v = s.new(value)
    return before, s.run(raw.VarIsInitializedOp, resource=v), s.run(raw.VariableShape, input=v, out_type=tf.int64)


case("IsVariableInitialized_a", initialized, f(2))
case("VarIsInitializedOp_a", initialized_resource, f(2, 3))


def rows(op):
    def build(value, indices):
        s = Resources()
        v = s.new(value)
        return s.run(getattr(raw, op), resource=v, indices=indices, dtype=tf.float32)
    return build


case("ResourceGather_a", rows("ResourceGather"), f(5, 3), c([[3, 0], [1, 3]], I))
case("ResourceGatherNd_a", rows("ResourceGatherNd"), f(5, 3), c([[3, 0], [1, 2]], L))


# ==== stacks and arrays ====

def stack(a, b):
    h = raw.StackV2(max_size=-1, elem_type=tf.float32)
    p = raw.StackPushV2(handle=h, elem=a)
    with tf1.control_dependencies([p]):
        q = raw.StackPushV2(handle=h, elem=b)
    with tf1.control_dependencies([q]):
        x = raw.StackPopV2(handle=h, elem_type=tf.float32)
    with tf1.control_dependencies([x]):
        y = raw.StackPopV2(handle=h, elem_type=tf.float32)
    with tf1.control_dependencies([y]):
        close = raw.StackCloseV2(handle=h)
    with tf1.control_dependencies([close]):
        return tf.identity(x), tf.identity(y), p


case("StackV2_a", stack, f(2, 3), f(4))


def array_write(a, b):
    ta = tf.TensorArray(tf.float32, 3, clear_after_read=False, infer_shape=False)
    ta = ta.write(0, a).write(1, b).write(2, a * b)
    return ta.read(1), ta.read(2) * ta.read(2), ta.stack(), ta.size()


def array_unstack(a, i):
    ta = tf.TensorArray(tf.float32, 4, clear_after_read=False).unstack(a)
    return ta.gather(i), ta.read(2), ta.read(2) * 3.


def array_split(a, lengths):
    ta = tf.TensorArray(tf.float32, 3, infer_shape=False, clear_after_read=False).split(a, lengths)
    joined = ta.concat()
    return joined * joined, ta.read(1)


def array_grow(a):
    ta = tf.TensorArray(tf.float32, 0, dynamic_size=True, element_shape=[3])
    ta = ta.write(2, a).write(0, a + 1.)
    n = ta.size()
    closed = ta.write(1, a).stack()
    with tf1.control_dependencies([closed, n]):
        done = ta.close()
    with tf1.control_dependencies([done]):
        return tf.identity(closed), tf.identity(n)


case("TensorArrayWriteV3_a", array_write, f(2, 3), f(2, 3), grad=[0, 1])
case("TensorArrayScatterV3_a", array_unstack, f(4, 3), c([3, 0, 1], I), grad=[0])
case("TensorArraySplitV3_a", array_split, f(6, 2), c([1, 3, 2], L), grad=[0])
case("TensorArrayV3_grow", array_grow, f(3))

# ==== array ====
case("ConcatOffset_a", lambda a, b, d: raw.ConcatOffset(concat_dim=d, shape=[a, b]), c([2, 3, 4], I), c([2, 5, 4], I), c(1, I))
case("ParallelDynamicStitch_a", lambda i, j, x, y: raw.ParallelDynamicStitch(indices=[i, j], data=[x, y]), c([0, 3], I), c([[1, 2]], I),
     f(2, 2), f(1, 2, 2), grad=[2, 3])
case("ScatterNdNonAliasingAdd_a", lambda x, i, u: raw.ScatterNdNonAliasingAdd(input=x, indices=i, updates=u), f(5, 2), c([[1], [3], [1]], I),
     f(3, 2), grad=[0, 2])
case("TensorScatterMin_a", lambda x, i, u: raw.TensorScatterMin(tensor=x, indices=i, updates=u), f(5, 2), c([[1], [3]], I), f(2, 2), grad=[0, 2])
case("GuaranteeConst_a", lambda x: raw.GuaranteeConst(input=x), f(3))
case("MirrorPadGrad_reflect", lambda x, p: raw.MirrorPadGrad(input=x, paddings=p, mode="REFLECT"), f(6, 7), c([[1, 2], [2, 1]], I), grad=[0])
case("MirrorPadGrad_symmetric", lambda x, p: raw.MirrorPadGrad(input=x, paddings=p, mode="SYMMETRIC"), f(7, 7), c([[1, 3], [2, 1]], L), grad=[0])
case("StridedSliceGrad_a", lambda s, b, e, t, d: raw.StridedSliceGrad(shape=s, begin=b, end=e, strides=t, dy=d), c([4, 5], I), c([3, 0], I),
     c([0, 5], I), c([-2, 2], I), f(2, 3), grad=[4])
case("SpaceToBatch_a", lambda x, p: raw.SpaceToBatch(input=x, paddings=p, block_size=2), f(2, 3, 4, 2), c([[0, 1], [1, 1]], I), grad=[0])
case("BatchToSpace_a", lambda x, p: raw.BatchToSpace(input=x, crops=p, block_size=2), f(8, 2, 3, 2), c([[0, 1], [1, 1]], I), grad=[0])
case("ConjugateTranspose_a", lambda x, p: raw.ConjugateTranspose(x=x, perm=p), (f(2, 3) + 1j * f(2, 3)).astype(np.complex64), c([1, 0], I))
case("Reverse_a", lambda x: raw.Reverse(tensor=x, dims=[True, False, True]), f(2, 3, 4), grad=[0])
case("ListDiff_a", lambda x, y: list(raw.ListDiff(x=x, y=y)), c([5, 1, 7, 5, 3], I), c([1, 3, 9], I))
case("ListDiff_string", lambda x, y: list(raw.ListDiff(x=x, y=y, out_idx=tf.int64)), np.array([b"a", b"bc", b""], object),
     np.array([b"bc"], object))
case("UniqueV2_axis", lambda x, a: list(raw.UniqueV2(x=x, axis=a)), c([[1, 2, 1], [3, 4, 3]], I), c([1], L))
case("UniqueWithCounts_a", lambda x: list(raw.UniqueWithCounts(x=x)), c([1.5, 2, 1.5, -0.0, 0.0]))
case("UniqueWithCountsV2_a", lambda x, a: list(raw.UniqueWithCountsV2(x=x, axis=a)), c([[1, 2], [1, 2], [0, 2]], L), c([0], L))
for k, how in enumerate(("a-b", "b-a", "intersection", "union")):
    case("DenseToDenseSetOperation_%d" % k,
         lambda x, y, how=how: list(raw.DenseToDenseSetOperation(set1=x, set2=y, set_operation=how, validate_indices=False)),
         c([[1, 5, 9, 5], [3, 3, 0, 2]], L), c([[5, 1, 2], [4, 4, 0]], L))

# ==== pieces of networks ====
x4, w4 = f(2, 7, 6, 3), f(3, 2, 3, 4)
case("BiasAddV1_a", lambda x, b: raw.BiasAddV1(value=x, bias=b), f(4, 3), f(3), grad=[0, 1])
case("BiasAddGrad_a", lambda d: raw.BiasAddGrad(out_backprop=d), f(2, 3, 4), grad=[0])
case("BiasAddGrad_nchw", lambda d: raw.BiasAddGrad(out_backprop=d, data_format="NCHW"), f(2, 3, 4, 5), grad=[0])
case("BiasAdd_nchw", lambda d, b: raw.BiasAdd(value=d, bias=b, data_format="NCHW"), f(2, 3, 4, 5), f(3), grad=[0, 1])
case("LRNGrad_a", lambda d, x, y: raw.LRNGrad(input_grads=d, input_image=x, output_image=y, depth_radius=2, bias=1.5, alpha=.3, beta=.6),
     f(1, 2, 2, 6), f(1, 2, 2, 6), f(1, 2, 2, 6))
for v, extra in (("", {}), ("V2", {}), ("V3", dict(data_format="NCHW")), ("V3", dict(exponential_avg_factor=.3))):
    for training in (True, False):
        shape = (2, 3, 4, 5) if "data_format" in extra else (2, 4, 5, 3)
        given = [f(3), f(3, low=.5)]
        def norm(x, s, o, m, q, v=v, training=training, extra=extra):
            return list(getattr(raw, "FusedBatchNorm" + v)(x=x, scale=s, offset=o, mean=m, variance=q, is_training=training, **extra))[:3]
        tag = "".join(str(t)[:4].lower() for t in extra.values()).replace(".", "") or "plain"
        second = training and "exponential_avg_factor" not in extra
        if second:
            given = [np.zeros(0, F), np.zeros(0, F)]
        case("FusedBatchNorm%s_%s_%s" % (v, tag, "train" if training else "infer"),
             lambda *a, norm=norm: norm(*a)[:1], f(*shape), f(3, low=.5), f(3), *given, grad=[0, 1, 2])
        case("FusedBatchNorm%s_%s_%s_all" % (v, tag, "train" if training else "infer"), norm, f(*shape), f(3, low=.5), f(3), *given)


def pool(op, **kw):
    return lambda *a: getattr(raw, op)(**dict(zip(names_of[op], a)), ksize=[1, 3, 2, 1], strides=[1, 2, 1, 1], padding="SAME", **kw)


names_of = {"MaxPoolGrad": ("orig_input", "orig_output", "grad"), "MaxPoolGradGrad": ("orig_input", "orig_output", "grad"),
            "AvgPoolGrad": ("orig_input_shape", "grad"), "MaxPoolGradWithArgmax": ("input", "grad", "argmax"),
            "MaxPoolGradGradWithArgmax": ("input", "grad", "argmax")}
with tf1.Graph().as_default(), tf1.Session() as s:
    y4, at4 = s.run(raw.MaxPoolWithArgmax(input=tf.constant(x4), ksize=[1, 3, 2, 1], strides=[1, 2, 1, 1], padding="SAME"))
case("MaxPoolGrad_a", pool("MaxPoolGrad"), x4, y4, f(*y4.shape), grad=[2])
case("MaxPoolGradGrad_a", pool("MaxPoolGradGrad"), x4, y4, f(*x4.shape))
case("AvgPoolGrad_a", pool("AvgPoolGrad"), c(x4.shape, I), f(*y4.shape), grad=[1])
case("MaxPoolGradWithArgmax_a", pool("MaxPoolGradWithArgmax"), x4, f(*y4.shape), at4)
case("MaxPoolV2_a", lambda x, k, s: raw.MaxPoolV2(input=x, ksize=k, strides=s, padding="VALID"), x4, c([1, 2, 2, 1], I), c([1, 1, 2, 1], I), grad=[0])
case("MaxPool_explicit", lambda x: raw.MaxPool(input=x, ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1], padding="EXPLICIT",
                                               explicit_paddings=[0, 0, 1, 0, 2, 1, 0, 0]), x4)
case("MaxPoolWithArgmax_batch", lambda x: list(raw.MaxPoolWithArgmax(input=x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID",
                                                                    Targmax=tf.int32, include_batch_in_index=True)), x4)
case("Conv3D_grads", lambda x, w: raw.Conv3D(input=x, filter=w, strides=[1, 1, 2, 1, 1], padding="SAME"), f(1, 4, 5, 4, 2), f(2, 3, 2, 2, 3), grad=[0, 1])
case("Conv2D_dilated", lambda x, w: raw.Conv2D(input=x, filter=w, strides=[1, 1, 1, 1], padding="SAME", dilations=[1, 2, 2, 1]), x4, w4, grad=[0, 1])
case("DepthwiseConv2dNative_wide", lambda x, w: raw.DepthwiseConv2dNative(input=x, filter=w, strides=[1, 2, 2, 1], padding="VALID"), x4,
     f(3, 3, 3, 2), grad=[0, 1])
case("ResizeBilinear_int", lambda x, z: raw.ResizeBilinear(images=x, size=z), rng.integers(0, 255, (1, 3, 4, 2)).astype(np.uint8), c([5, 3], I))
case("ResizeNearestNeighbor_half", lambda x, z: raw.ResizeNearestNeighbor(images=x, size=z, half_pixel_centers=True), f(1, 5, 4, 2), c([3, 9], I), grad=[0])
case("ResizeBicubic_half", lambda x, z: raw.ResizeBicubic(images=x, size=z, half_pixel_centers=True), f(1, 5, 4, 2), c([7, 9], I), grad=[0])
case("CropAndResize_nearest", lambda x, b, i: raw.CropAndResize(image=x, boxes=b, box_ind=i, crop_size=[3, 2], method="nearest", extrapolation_value=7.),
     f(2, 4, 5, 3), c([[0, 0, 1, 1], [.2, .1, .9, 1.2], [.8, .7, .1, .3]]), c([0, 1, 1], I))
case("SoftmaxCrossEntropyWithLogits_broadcast", lambda x, y: raw.SoftmaxCrossEntropyWithLogits(features=x, labels=y)[0], f(4, 3), f(1, 3, low=0, high=1))

# ==== random numbers ====
key, counter = c([123456789012345], np.uint64), c([5, 9], np.uint64)
for op in ("StatelessRandomUniformV2", "StatelessRandomNormalV2", "StatelessTruncatedNormalV2"):
    case(op + "_a", lambda s, k, n, op=op: getattr(raw, op)(shape=s, key=k, counter=n, alg=1), c([3, 5], I), key, counter)
case("StatelessRandomUniformIntV2_a", lambda s, k, n: raw.StatelessRandomUniformIntV2(shape=s, key=k, counter=n, alg=1, minval=-3, maxval=9), c([11], I),
     key, counter)
case("StatelessRandomUniformFullIntV2_a", lambda s, k, n: raw.StatelessRandomUniformFullIntV2(shape=s, key=k, counter=n, alg=1, dtype=tf.uint64), c([5], I),
     key, counter)
case("StatelessRandomUniformInt_a", lambda s, k: raw.StatelessRandomUniformInt(shape=s, seed=k, minval=c(-3, L), maxval=c(9, L)), c([11], I), c([3, 4], L))
case("StatelessRandomUniformFullInt_a", lambda s, k: raw.StatelessRandomUniformFullInt(shape=s, seed=k, dtype=tf.int32), c([7], I), c([3, 4], I))
case("StatelessRandomGetKeyCounter_a", lambda k: list(raw.StatelessRandomGetKeyCounter(seed=k)), c([3, 4], L))
case("StatelessRandomGetKeyCounterAlg_a", lambda k: list(raw.StatelessRandomGetKeyCounterAlg(seed=k))[:2], c([-3, 4], I))
case("RandomShuffle_a", lambda x: raw.RandomShuffle(value=x, seed=3, seed2=4), f(7, 2))
case("RandomShuffle_vector", lambda x: raw.RandomShuffle(value=x, seed=3, seed2=5), c(range(9), I))

# ==== strings ====
words = np.array([b"  Hello ", b"", b"\xc3\x84b\n", b"x"], object)
case("StringStrip_a", lambda x: raw.StringStrip(input=x), words)
case("StringLower_utf8", lambda x: raw.StringLower(input=x, encoding="utf-8"), words)
case("StringUpper_utf8", lambda x: raw.StringUpper(input=x, encoding="utf-8"), np.array("straße, œuvre, ελιά, жук, ÿ".encode(), object))
case("ShardedFilename_a", lambda b, i, n: raw.ShardedFilename(basename=b, shard=i, num_shards=n), np.array(b"dir/name", object), c(3, I), c(12, I))
for k, kw in enumerate((dict(precision=3), dict(scientific=True), dict(shortest=True), dict(width=9, fill="0"), dict(width=12, fill="-"))):
    case("AsString_%d" % k, lambda x, kw=kw: raw.AsString(input=x, **kw), c([1.5, -0.1, 1e10, np.inf], np.float64))
case("AsString_int", lambda x: raw.AsString(input=x, width=5, fill=" "), c([1, -20, 300], np.int16))
case("AsString_bool", lambda x: raw.AsString(input=x), c([True, False], bool))
case("AsString_complex", lambda x: raw.AsString(input=x, precision=2), c([1 + 2j, -.5j], np.complex64))

lengths = np.array([bytes((i * 7 + k * 13) % 251 for k in range(i)) for i in list(range(0, 70)) + [127, 128, 129, 200, 1000]], object)
for op, kw in (("StringToHashBucketFast", {}), ("StringToHashBucketStrong", dict(key=[123, -45])), ("StringToHashBucket", {})):
    kw["num_buckets"] = 1 << 62
    case(op + "_lengths", lambda x, op=op, kw=kw: raw_of(op, x, kw), lengths)
lines = np.array([b" a  b c ", b"", b"x,y,,z", b"\tq\n"], object)
for k, (sep, most) in enumerate(((b"", -1), (b"", 1), (b",", -1), (b",", 2), (b", ", -1), (b" ", -1))):
    case("StringSplitV2_%d" % k, lambda x, s, most=most: list(raw.StringSplitV2(input=x, sep=s, maxsplit=most)), lines, np.array(sep, object))
for k, (sep, skip) in enumerate(((b" ,", True), (b" ,", False), (b"", True))):
    case("StringSplit_%d" % k, lambda x, s, skip=skip: list(raw.StringSplit(input=x, delimiter=s, skip_empty=skip)), lines, np.array(sep, object))
tokens = np.array([b"a", b"bb", b"c", b"d", b"e"], object)
for k, (widths, pad, keep) in enumerate((([2, 3], 0, False), ([3], -1, False), ([4], 1, True), ([6], 0, True), ([1, 2], 5, False))):
    case("StringNGrams_%d" % k, lambda x, s, w=widths, p=pad, q=keep: list(raw.StringNGrams(
        data=x, data_splits=s, separator="|", ngram_widths=w, left_pad="<", right_pad=">", pad_width=p, preserve_short_sequences=q)),
         tokens, c([0, 3, 3, 5], L))
grid = np.array([[b"a", b"b", b"c"], [b"d", b"e", b"f"]], object)
for k, (axes, keep) in enumerate((([0], False), ([1, 0], False), ([0, 1], True), ([-1], True), ([], False))):
    case("ReduceJoin_%d" % k, lambda x, a, q=keep: raw.ReduceJoin(inputs=x, reduction_indices=a, keep_dims=q, separator="."), grid, c(axes, I))
for k, (pattern, rewrite) in enumerate((("[aeiou]+", "<\\0>"), ("(.)(.)", "\\2\\1"), ("", "-"), ("(?i)A|\\s+$", ""))):
    case("StaticRegexReplace_%d" % k, lambda x, p=pattern, w=rewrite: raw.StaticRegexReplace(input=x, pattern=p, rewrite=w), words)
case("StaticRegexFullMatch_a", lambda x: raw.StaticRegexFullMatch(input=x, pattern="\\s*[A-Za-z]*\\s*"), words)
case("RegexFullMatch_a", lambda x, p: raw.RegexFullMatch(input=x, pattern=p), words, np.array(b".*\\n?", object))
case("RegexReplace_a", lambda x, p, w: raw.RegexReplace(input=x, pattern=p, rewrite=w), words, np.array(b"l+", object), np.array(b"L", object))


def example(**features):
    e = tf.train.Example()
    for k, v in features.items():
        kind = {int: "int64_list", float: "float_list", bytes: "bytes_list"}[type(v[0])]
        getattr(e.features.feature[k], kind).value.extend(v)
    return e.SerializeToString(deterministic=True)


examples = np.array([example(d=[1.5, 2.5], s=[3, 4, 5], t=[b"x"], v=[1.0, 2.0]), example(d=[7.0, 8.0], v=[3.0, 4.0, 5.0, 6.0]),
                     example(s=[9], t=[b"", b"yz"], u=[1])], object)
name = np.array([], object)
key = lambda k: np.array(k.encode(), object)
keys = lambda *k: np.array([x.encode() for x in k], object)
none = tf.zeros([0], tf.string)
case("ParseExample_a", lambda x, n, s, t, d, u, v, dd, du, dv: [o for os in raw.ParseExample(
    serialized=x, names=n, sparse_keys=[s, t], dense_keys=[d, u, v], dense_defaults=[dd, du, dv], sparse_types=[tf.int64, tf.string],
    dense_shapes=[[2], [], [None, 2]]) for o in (os if isinstance(os, list) else [os])],
     examples, name, key("s"), key("t"), key("d"), key("u"), key("v"), f(2), c(-1, L), c(9.))
for tag, x in (("a", examples), ("scalar", examples[0])):
    case("ParseExampleV2_" + tag, lambda x, n, s, d, r, dd: [o for os in raw.ParseExampleV2(
        serialized=x, names=n, sparse_keys=s, dense_keys=d, ragged_keys=r, dense_defaults=[dd], num_sparse=1, sparse_types=[tf.int64],
        ragged_value_types=[tf.string, tf.float32], ragged_split_types=[tf.int32, tf.int64], dense_shapes=[[2]]) for o in os],
         x, name, keys("s"), keys("d"), keys("t", "v"), f(2))

# ==== sparse and ragged tensors, tables ====
case("SparseFillEmptyRows_a", lambda i, v, s, d: list(raw.SparseFillEmptyRows(indices=i, values=v, dense_shape=s, default_value=d)),
     c([[3, 1], [1, 0], [3, 0]], L), f(3), c([5, 2], L), c(.5), grad=[1, 3])
case("SparseFillEmptyRows_string", lambda i, v, s, d: list(raw.SparseFillEmptyRows(indices=i, values=v, dense_shape=s, default_value=d)),
     np.zeros((0, 2), L), np.array([], object), c([2, 3], L), np.array(b"d", object))
case("SparseReshape_a", lambda i, s, n: list(raw.SparseReshape(input_indices=i, input_shape=s, new_shape=n)),
     c([[0, 1, 2], [1, 0, 0], [1, 2, 3]], L), c([2, 3, 4], L), c([-1, 6], L))
case("RaggedTensorToSparse_a", lambda a, b, v: list(raw.RaggedTensorToSparse(rt_nested_splits=[a, b], rt_dense_values=v)),
     c([0, 2, 2, 3], L), c([0, 1, 4, 5], L), f(5, 2))
for tag, shape in (("any", -1), ("cut", [-1, 2, 2]), ("wide", [4, 3, 4])):
    case("RaggedTensorToTensor_" + tag, lambda s, v, d, a, b: raw.RaggedTensorToTensor(
        shape=s if s.shape.rank else tf.constant(-1, tf.int64), values=v, default_value=d, row_partition_tensors=[a, b],
        row_partition_types=["ROW_SPLITS", "ROW_SPLITS"]), c(shape, L), c([1, 2, 3, 4, 5], I), c(-1, I), c([0, 2, 2, 3], L), c([0, 1, 4, 5], L))
case("RaggedTensorToTensor_ids", lambda s, v, d, n, a: raw.RaggedTensorToTensor(
    shape=s, values=v, default_value=d, row_partition_tensors=[n, a], row_partition_types=["FIRST_DIM_SIZE", "VALUE_ROWIDS"]),
     c([-1, -1, 2], L), f(4, 2), c([7, 8]), c(4, L), c([0, 0, 2, 2], L))


def fixed_table(k, v, q, d):
    h = raw.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64, shared_name="fixed")
    with tf1.control_dependencies([raw.InitializeTableV2(table_handle=h, keys=k, values=v)]):
        again = raw.LookupTableImportV2(table_handle=h, keys=k, values=v)
    with tf1.control_dependencies([again]):
        return raw.LookupTableFindV2(table_handle=h, keys=q, default_value=d), raw.LookupTableSizeV2(table_handle=h)


def changing_table(k, v, q, d):
    h = raw.MutableHashTableV2(key_dtype=tf.int64, value_dtype=tf.string)
    with tf1.control_dependencies([raw.LookupTableInsertV2(table_handle=h, keys=k, values=v)]):
        more = raw.LookupTableInsertV2(table_handle=h, keys=k[:1], values=v[1:2])
    with tf1.control_dependencies([more]):
        found = raw.LookupTableFindV2(table_handle=h, keys=q, default_value=d)
    with tf1.control_dependencies([found]):
        less = raw.LookupTableRemoveV2(table_handle=h, keys=k[1:])
    with tf1.control_dependencies([less]):
        return [found] + list(raw.LookupTableExportV2(table_handle=h, Tkeys=tf.int64, Tvalues=tf.string))


case("HashTableV2_a", fixed_table, np.array([b"a", b"", b"bc"], object), c([5, 6, 7], L), np.array([[b"bc", b"x"], [b"", b"a"]], object), c(-1, L))
case("MutableHashTableV2_a", changing_table, c([1, 2], L), np.array([b"x", b"yy"], object), c([2, 3, 1], L), np.array(b"none", object))

for name, build, inputs, grad, tol in cases:
    if any(fnmatch.fnmatch(name, q) for q in patterns):
        try:
            make(name, build, inputs, grad, tol)
        except Exception as e:
            print("%s: %s" % (name, str(e)[:300]))
print("%d cases" % len(cases))
