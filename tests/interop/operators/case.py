# SPDX-License-Identifier: Apache-2.0
"""A case: a small graph, what it is fed, and what TensorFlow makes of it; a line of JSON for tests/golden/golden_cases.c.

A family of operators is a file beside this one with `cases(rng)`, a generator of case(..). Everything in a case comes from
rng, so that a seed is all there is to know of it.
"""
import base64
import json

import numpy as np
import tensorflow as tf
from google.protobuf import text_format

v1, raw = tf.compat.v1, tf.raw_ops
v1.disable_eager_execution()
v1.disable_control_flow_v2()

BOOL, STRING = np.bool_, np.object_
I8, I16, I32, I64 = np.int8, np.int16, np.int32, np.int64
U8, U16, U32, U64 = np.uint8, np.uint16, np.uint32, np.uint64
F16, F32, F64, BF16 = np.float16, np.float32, np.float64, tf.bfloat16.as_numpy_dtype
C64, C128 = np.complex64, np.complex128
FLOATS, INTS = [F16, BF16, F32, F64], [I8, I16, I32, I64, U8, U16, U32, U64]
TOLERANCE = {"float16": (4e-3, 4e-3), "bfloat16": (3e-2, 3e-2), "float32": (2e-5, 2e-6), "complex64": (2e-5, 2e-6)}


# ==== drawing ====

def draw(rng, dtype, *shape, low=None, high=None):
    """An array of any dtype: floats within [low, high) (-2 to 2), integers (-9 to 9, unsigned 0 to 9), booleans."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        low = (0 if dtype.kind == "u" else -9) if low is None else low
        return rng.integers(low, 10 if high is None else high, shape).astype(dtype)
    low, high = -2 if low is None else low, 2 if high is None else high
    x = rng.uniform(low, high, shape)
    if dtype.kind == "c":
        x = x + 1j * rng.uniform(low, high, shape)
    return np.asarray(x).astype(dtype)


def texts(rng, words, *shape):
    """An array of strings, each one of the words (bytes or str)."""
    words = [w.encode() if isinstance(w, str) else w for w in words]
    out = np.empty(shape, object)
    for i in np.ndindex(*shape):
        out[i] = words[rng.integers(len(words))]
    return out


def pick(rng, *choices):
    return choices[rng.integers(len(choices))]


def shape_of(rng, rank, most=5, zero=0.1):
    """A shape of the rank; each dimension is 0 with a small probability."""
    return tuple(0 if rng.random() < zero else int(rng.integers(1, most + 1)) for _ in range(rank))


class Refs:
    """Variables of TensorFlow 1: made, assigned, used in the order of calls, read."""
    def __init__(self):
        self.last = []

    def new(self, value):
        v = raw_ref(value)
        with v1.control_dependencies(self.last):
            self.last = [v1.assign(v, value, validate_shape=False).op]
        return v

    def run(self, op, **kw):
        with v1.control_dependencies(self.last):
            out = op(**kw)
        self.last = [out.op if hasattr(out, "op") else out]
        return out

    def read(self, v):
        with v1.control_dependencies(self.last):
            return tf.identity(v)


def raw_ref(value):
    from tensorflow.python.ops import gen_state_ops
    return gen_state_ops.variable_v2(shape=value.shape, dtype=value.dtype)


class Resources(Refs):
    """The same with resource variables."""
    def new(self, value):
        name = "v%d" % len(v1.get_default_graph().get_operations())
        h = raw.VarHandleOp(dtype=value.dtype, shape=value.shape, shared_name=name)
        with v1.control_dependencies(self.last):
            self.last = [raw.AssignVariableOp(resource=h, value=value)]
        h.value_dtype = value.dtype
        return h

    def read(self, v):
        with v1.control_dependencies(self.last):
            return raw.ReadVariableOp(resource=v, dtype=v.value_dtype)


# ==== making ====

class Case:
    def __init__(self, name, build, inputs, grad, tol, shapes, ours):
        self.name, self.build, self.grad, self.tol, self.shapes, self.ours = name, build, grad, tol, shapes, ours
        self.inputs = [np.asarray(x, object) if np.asarray(x).dtype.kind in "SU" else np.asarray(x) for x in inputs]


def case(name, build, *inputs, grad=(), tol=None, shapes="any", ours=True):
    """build(placeholders) gives one result or several. grad: the inputs to differentiate by. tol: (relative, absolute), by
    dtype when not given. shapes: what the graph knows of its inputs' shapes, "known", "unknown" or "any" (the case's own
    choice). ours: gradients can be added by tn_gradients, too."""
    return Case(name, build, inputs, list(grad), tol, shapes, ours)


def text_of(s):
    s = s.encode() if isinstance(s, str) else bytes(s)
    try:
        return s.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(s).decode()}


def array(x):
    """A single string stays bytes: numpy's own would lose zeros at its end."""
    return np.asarray(x, object) if isinstance(x, (bytes, str)) else np.asarray(x)


def record(value, dtype=None):
    a = array(value)
    if a.dtype.kind in "OSU":
        return {"t": "string", "s": list(a.shape), "v": [text_of(s) for s in a.astype(object).ravel()]}
    t = (dtype or tf.as_dtype(a.dtype)).name
    names = {"float16": "half", "float32": "float", "float64": "double"}
    return {"t": names.get(t, t), "s": list(a.shape), "b": base64.b64encode(np.ascontiguousarray(a).tobytes()).decode()}


def tolerance(c, arrays):
    if c.tol:
        return list(c.tol)
    known = [TOLERANCE[a.dtype.name] for a in arrays if hasattr(a, "dtype") and a.dtype.name in TOLERANCE]
    return list(max(known, default=(1e-9, 1e-10)))


def placeholders(c, known):
    out = []
    for k, x in enumerate(c.inputs):
        t = tf.string if x.dtype == object else tf.as_dtype(x.dtype)
        out.append(v1.placeholder(t, x.shape if known else None, "in_%d" % k))
    return out


def add_gradients(c, ph, outs, got, rng):
    """Seeds for the results that are numbers, and TensorFlow's gradients: (feeds, {k: node})."""
    ys = [k for k, o in enumerate(outs) if o.dtype.is_floating or o.dtype.is_complex]
    seeds = {k: v1.placeholder(outs[k].dtype, np.shape(got[k]), "seed_%d" % k) for k in ys}
    ds = v1.gradients([outs[k] for k in ys], [ph[k] for k in c.grad], grad_ys=[seeds[k] for k in ys])
    ds = [tf.convert_to_tensor(d) if d is not None else None for d in ds]
    grads = {k: tf.identity(d, "grad_%d" % k) for k, d in zip(c.grad, ds) if d is not None}
    feeds = {}
    for k in ys:
        feeds[seeds[k]] = draw(rng, outs[k].dtype.as_numpy_dtype, *np.shape(got[k]), low=-1, high=1)
    return feeds, grads


def config():
    o = v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    o.graph_options.optimizer_options.opt_level = v1.OptimizerOptions.L0
    o.graph_options.rewrite_options.disable_meta_optimizer = True
    return o


def session(g):
    return v1.Session(graph=g, config=config())


REFUSALS = (tf.errors.OpError,)


def use_former():
    """Answers are those of a former TensorFlow from now on."""
    global session, REFUSALS
    from former import session as former
    session, REFUSALS = former.Session, (former.Refused,)


def named(outs):
    outs = list(outs) if isinstance(outs, (list, tuple)) else [outs]
    return [tf.identity(o, "out_%d" % k) for k, o in enumerate(outs)]


def error_code(e):
    return {v: k for k, v in vars(tf.errors).items() if isinstance(v, int)}[e.error_code]


def says(e):
    """The line of the message that tells what is wrong."""
    told = [line.strip() for line in e.message.split("\n") if line.strip() and not line.lstrip().startswith("[[")]
    return told[-1][:200] if told else ""


def gradients(c, g, ph, outs, got, feed, rng):
    """What the record says of them: nothing where TensorFlow has none."""
    try:
        seeds, grads = add_gradients(c, ph, outs, got, rng)
        with v1.Session(graph=g, config=config()) as s:
            values = s.run(grads, {**feed, **seeds})
    except (LookupError, tf.errors.OpError):
        return {}
    return {"ours": c.ours, "seed": {p.op.name: record(x) for p, x in seeds.items()}, "grad": {"grad_%d" % k: record(x) for k, x in values.items()}}


def run(c, known, rng):
    """The case's record."""
    rec = {"name": c.name}
    with v1.Graph().as_default() as g:
        v1.set_random_seed(7)
        ph = placeholders(c, known)
        outs = named(c.build(*ph))
        feed = dict(zip(ph, c.inputs))
        with session(g) as s:
            try:
                got = s.run(outs, feed)
            except REFUSALS as e:
                if e.error_code in (tf.errors.UNIMPLEMENTED, tf.errors.INTERNAL) or "No OpKernel was registered" in e.message:
                    raise TypeError(says(e)) from e  # no kernel for these dtypes, a variant fetched
                got, rec["error"], rec["says"] = None, error_code(e), says(e)
        rec["in"] = {p.op.name: record(x, p.dtype) for p, x in zip(ph, c.inputs)}
        if got is not None:
            got = [array(x) for x in got]
            rec["out"] = {o.op.name: record(x, o.dtype) for o, x in zip(outs, got)}
            rec["tol"] = tolerance(c, got + c.inputs)
            if c.grad:
                rec.update(gradients(c, g, ph, outs, got, feed, rng))
        rec["graph"] = text_format.MessageToString(bare(g.as_graph_def()), as_one_line=True)
    return rec


def inlined(graph):
    """With the nodes of functions that XLA compiles in the place of their calls: TensorFlow has some operators there only."""
    from tensorflow.python.framework.function_def_to_graph import function_def_to_graph_def
    functions, out, became = {f.signature.name: f for f in graph.library.function}, tf.compat.v1.GraphDef(), {}
    for n in graph.node:
        f = functions.get(n.attr["f"].func.name) if "_XlaMustCompile" in n.attr else None
        if not f:
            out.node.add().CopyFrom(n)
            continue
        body, tensors = function_def_to_graph_def(f)
        name = {a.name: i for a, i in zip(f.signature.input_arg, n.input)}
        for b in body.node[len(f.signature.input_arg):]:
            out.node.add().CopyFrom(b)
            out.node[-1].name = n.name + "/" + b.name
            out.node[-1].input[:] = [name.get(i.split(":")[0]) or n.name + "/" + i for i in b.input]
        for k, a in enumerate(f.signature.output_arg):
            became[n.name + ":%d" % k if k else n.name] = n.name + "/" + tensors[f.ret[a.name]]
    for n in out.node:
        n.input[:] = [became.get(i, i) for i in n.input]
    out.versions.CopyFrom(graph.versions)
    return out if became else graph


def bare(graph):
    """Without what only says a second time what types there are."""
    graph = inlined(graph)
    for nodes in [graph.node] + [f.node_def for f in graph.library.function]:
        for n in nodes:
            n.ClearField("experimental_type")
    return graph


def lines(family, seed):
    """The family's cases as text, a line each. A case that TensorFlow refuses when it is built, whatever is known of the
    shapes, is none."""
    rng = np.random.default_rng(seed)
    out, refused = [], []
    for n, c in enumerate(family.cases(rng)):
        draws = np.random.default_rng([seed, n])
        first = draws.random() < 0.5 if c.shapes == "any" else c.shapes == "known"
        why = None
        for known in [first, not first] if c.shapes == "any" else [first]:
            try:
                out.append(json.dumps(run(c, known, draws), ensure_ascii=False))
                why = None
                break
            except (ValueError, TypeError) as e:
                why = e
        if why:
            refused.append("%s: %s" % (c.name, str(why).split("\n")[0][:160]))
    return out, refused
