# SPDX-License-Identifier: Apache-2.0
"""Graphs that are legal and unusual: functions with types left open, attributes that newer or older TensorFlow writes, anonymous
variables, containers, old forms of saving."""
import numpy as np
import tensorflow as tf
from google.protobuf import text_format

from zoo import Refused, entry, graph, v1
from zoo_v1 import dense, old


def parsed(text):
    return text_format.Parse(text, v1.GraphDef())


def run_both(z, graph_def, feeds, names):
    with tf.Graph().as_default() as g, v1.Session() as s:
        tf.import_graph_def(graph_def, name="")
        want = s.run(names, feeds)
    z.graph_def(graph_def, feeds, names, want)


F = 'attr { key: "T" value { type: DT_FLOAT } } '
X = 'node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } } '


@entry
def odd_defaults(z):
    """Attributes that are left out have their defaults; device and colocation names mean nothing; underscored attributes neither."""
    text = X + 'node { name: "m" op: "MatMul" input: "x" input: "x" device: "/job:worker/replica:0/task:7/device:GPU:3" ' + F + 'attr { key: "_class" value { list { s: "loc:@x" } } } '
    text += 'attr { key: "_output_shapes" value { list { shape { dim { size: -1 } dim { size: -1 } } } } } } '
    text += 'node { name: "s" op: "Sum" input: "m" input: "a" ' + F + '} node { name: "a" op: "Const" attr { key: "dtype" value { type: DT_INT32 } } attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape {} int_val: 1 } } } } '
    text += 'node { name: "r" op: "LeakyRelu" input: "s" } node { name: "g" op: "Gather" input: "m" input: "a" attr { key: "Tparams" value { type: DT_FLOAT } } attr { key: "Tindices" value { type: DT_INT32 } } } '
    run_both(z, parsed(text), {"x:0": z.f32(3, 3)}, ["s:0", "r:0", "g:0"])


@entry
def odd_constants(z):
    """Every way to write a constant: bytes, one value for many, fewer values than elements, nothing at all."""
    def const(name, dtype, body):
        return 'node { name: "%s" op: "Const" attr { key: "dtype" value { type: %s } } attr { key: "value" value { tensor { dtype: %s %s } } } } ' % (name, dtype, dtype, body)
    shape = "tensor_shape { dim { size: 2 } dim { size: 3 } } "
    rows = {"a": ("DT_FLOAT", shape + "float_val: 1.5"), "b": ("DT_INT64", shape + "int64_val: 1 int64_val: -7"), "c": ("DT_HALF", shape + "half_val: 15360"), "d": ("DT_BOOL", shape + "bool_val: true"),
            "e": ("DT_COMPLEX64", shape + "scomplex_val: 1 scomplex_val: 2"), "f": ("DT_STRING", shape + 'string_val: "x" string_val: "y"'), "g": ("DT_DOUBLE", shape), "h": ("DT_UINT8", shape + "int_val: 200"),
            "i": ("DT_BFLOAT16", shape + "half_val: 16256"), "j": ("DT_INT32", "tensor_shape { dim { size: 0 } }"), "k": ("DT_FLOAT", 'tensor_shape { dim { size: 2 } } tensor_content: "\\000\\000\\200?\\000\\000\\000@"'),
            "l": ("DT_UINT32", shape + "uint32_val: 4000000000"), "m": ("DT_UINT64", shape + "uint64_val: 18000000000000000000"), "n": ("DT_INT16", shape + "int_val: -3"), "o": ("DT_STRING", "tensor_shape {} string_val: \"\"")}
    run_both(z, parsed("".join(const(k, *v) for k, v in rows.items())), {}, [k + ":0" for k in rows if k != "i"])


@entry
def odd_versions(z):
    text = X + 'node { name: "y" op: "Relu" input: "x:0" input: "^z" ' + F + '} node { name: "z" op: "NoOp" } '
    for versions in ("", "versions { producer: 21 }", "versions { producer: 2000 min_consumer: 12 }", "versions { producer: 24 bad_consumers: 3 }"):
        run_both(z, parsed(text + versions), {"x:0": z.f32(3)}, ["y:0"])


@entry
def odd_old_operators(z):
    """Operators that TensorFlow keeps for old graphs."""
    raw = tf.raw_ops
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32, [3, 3])
        i = tf.constant([1, 0])
        outs = [raw.Gather(params=x, indices=i), raw.Concat(concat_dim=0, values=[x, x]), raw.Add(x=x, y=x), raw.Div(x=x, y=x + 5), raw.Softmax(logits=x), raw.Select(condition=x > 0, x=x, y=-x),
                raw.BatchMatMul(x=x[None], y=x[None]), raw.Reverse(tensor=x, dims=[True, False]), raw.Unique(x=i)[0], raw.ListDiff(x=tf.range(4), y=i)[0], raw.BatchToSpace(input=tf.tile(x[None, :2, :2, None], [4, 1, 1, 1]), crops=[[0, 0], [0, 0]], block_size=2),
                raw.SparseToDense(sparse_indices=[[0, 1]], output_shape=[2, 2], sparse_values=[3.0], default_value=0.0), raw.StridedSlice(input=x, begin=[0], end=[2], strides=[1]), raw.Max(input=x, axis=[0]), raw.Where(condition=x > 0),
                raw.Invert(x=i), raw.Cross(a=x, b=x + 1), raw.MatrixBandPart(input=x, num_lower=0, num_upper=1), raw.MatrixDiag(diagonal=x), raw.ResizeBilinear(images=x[None, :, :, None], size=[5, 5]), raw.LRN(input=x[None, :, :, None]),
                raw.BiasAddV1(value=x, bias=x[0]), raw.MaxPool(input=x[None, :, :, None], ksize=[1, 2, 2, 1], strides=[1, 1, 1, 1], padding="SAME"), raw.FusedBatchNorm(x=x[None, :, :, None], scale=[1.0], offset=[0.0], mean=[0.1], variance=[2.0], is_training=False)[0],
                raw.Bitcast(input=x, type=tf.int32),
                raw.DynamicStitch(indices=[[0, 2], [1]], data=[x[:2], x[2:]]), raw.SpaceToDepth(input=x[None, :2, :2, None], block_size=2), raw.PlaceholderWithDefault(input=x, shape=[None, 3]), raw.Pad(input=x, paddings=[[1, 1], [0, 0]])]
        z.session(outs, {x: z.f32(3, 3)})


@old
def odd_initialized_by_assets(z):
    """A legacy_init_op and a variable that is initialized from a constant when the model is loaded."""
    x = v1.placeholder(tf.float32, [None, 3], "x")
    y = dense(x, 2, "a")
    local = v1.get_local_variable("count", [], initializer=v1.zeros_initializer())
    with v1.Session() as s:
        s.run([v1.global_variables_initializer(), v1.local_variables_initializer()])
        z.saved_model(s, {"x": x}, {"y": y + local, "x": x}, [{"x": z.f32(2, 3)}], main_op=tf.group(v1.local_variables_initializer()))


@old
def odd_sharded_partitioned(z):
    """Checkpoints of several files, a tensor in slices."""
    x = v1.placeholder(tf.float32, [2, 6])
    with v1.variable_scope("p", partitioner=v1.fixed_size_partitioner(3)):
        w = v1.get_variable("w", [6, 4])
    with tf.device("/cpu:0"):
        y = tf.matmul(x, tf.convert_to_tensor(w)) + v1.get_variable("b", [4])
    loss = tf.reduce_sum(tf.square(y - 1.0))
    z.train(loss, v1.train.MomentumOptimizer(0.01, 0.9).minimize(loss), {x: z.f32(2, 6)})


@entry
def odd_anonymous_variables(z):
    text = ""
    for k in ("a", "b"):
        text += 'node { name: "%s" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "shape" value { shape {} } } attr { key: "shared_name" value { s: "same" } } attr { key: "container" value { s: "%s" } } } ' % (k, k)
        text += 'node { name: "v%s" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "value" value { tensor { dtype: DT_FLOAT tensor_shape {} float_val: %d } } } } ' % (k, 3 + ord(k))
        text += 'node { name: "i%s" op: "AssignVariableOp" input: "%s" input: "v%s" attr { key: "dtype" value { type: DT_FLOAT } } } ' % (k, k, k)
        text += 'node { name: "r%s" op: "ReadVariableOp" input: "%s" input: "^ia" input: "^ib" attr { key: "dtype" value { type: DT_FLOAT } } } ' % (k, k)
    run_both(z, parsed(text), {}, ["ra:0", "rb:0"])


@entry
def odd_function_effects(z):
    """A function that is not fetched and has effects; control outputs; a function that returns its argument and a constant."""
    m = tf.Module()
    m.v = tf.Variable(1.0)

    @tf.function
    def effect(x):
        m.v.assign_add(tf.reduce_sum(x))

    @tf.function
    def through(x):
        return x, tf.constant(2.0), x

    def f(x):
        effect(x)
        a, b, c = through(x)
        effect(a)
        return {"v": m.v.read_value(), "a": a, "b": b, "c": c}
    z.function(f, z.f32(3), module=m, specs=[tf.TensorSpec([3], tf.float32, "x")])


@entry
def odd_deep_calls(z):
    f = lambda x: x * 0.99 + 0.1
    for _ in range(40):
        f = tf.function((lambda g: lambda x: g(x) + 0.01)(f), autograph=False)
    z.function(lambda x: {"y": f(x)}, z.f32(3))


@entry
def odd_empty_signature_names(z):
    """Keys and names with slashes, dots and letters of other languages."""
    m = tf.Module()
    m.f = tf.function(lambda **k: {"out/put.1": k["a_b"] * 2.0, "Ausgabe": k["c"] + 1}, input_signature=None)
    g = m.f.get_concrete_function(a_b=tf.TensorSpec([None], tf.float32, "a_b"), c=tf.TensorSpec([], tf.int32, "c"))
    folder = z.path("m")
    tf.saved_model.save(m, folder, signatures={"sig.nature/x": g})
    z.ask(folder, "sig.nature/x", {"a_b": np.float32([1, 2]), "c": np.int32(4)}, {"out/put.1": np.float32([2, 4]), "Ausgabe": np.int32(5)})


@old
def odd_trained_by_function(z):
    """Variables captured by a Defun, gradients by SymbolicGradient's successor."""
    w = v1.get_variable("w", [3, 2], use_resource=True)

    @tf.function
    def net(x):
        return tf.nn.relu(tf.matmul(x, w))

    @tf.function
    def loss_of(x):
        y = net(x)
        for _ in tf.range(2):
            y = y * 0.5 + net(x)
        return tf.reduce_sum(tf.square(y - 1.0))
    x = v1.placeholder(tf.float32, [None, 3])
    loss = loss_of(x)
    z.train(loss, v1.train.AdamOptimizer(0.05).minimize(loss), {x: z.f32(4, 3)})
@entry
def odd_polymorphic_function(z):
    """A library function whose nodes' types are the caller's."""
    text = X + 'node { name: "y" op: "twice" input: "x" ' + F + '} node { name: "n" op: "Cast" input: "x" attr { key: "SrcT" value { type: DT_FLOAT } } attr { key: "DstT" value { type: DT_INT32 } } } '
    text += 'node { name: "m" op: "twice" input: "n" attr { key: "T" value { type: DT_INT32 } } } node { name: "c" op: "PartitionedCall" input: "x" attr { key: "Tin" value { list { type: DT_FLOAT } } } '
    text += 'attr { key: "Tout" value { list { type: DT_FLOAT } } } attr { key: "f" value { func { name: "outer" attr { key: "U" value { type: DT_FLOAT } } attr { key: "k" value { i: 1 } } } } } } '
    text += 'versions { producer: 1395 } library { function { signature { name: "twice" input_arg { name: "a" type_attr: "T" } output_arg { name: "b" type_attr: "T" } attr { name: "T" type: "type" } } '
    text += 'node_def { name: "s" op: "AddV2" input: "a" input: "a" attr { key: "T" value { placeholder: "T" } } } ret { key: "b" value: "s:z:0" } } '
    text += 'function { signature { name: "outer" input_arg { name: "a" type_attr: "U" } output_arg { name: "b" type_attr: "U" } attr { name: "U" type: "type" } attr { name: "k" type: "int" } } '
    text += 'node_def { name: "t" op: "twice" input: "a" attr { key: "T" value { placeholder: "U" } } } '
    text += 'node_def { name: "p" op: "Pack" input: "t:b:0" attr { key: "T" value { placeholder: "U" } } attr { key: "axis" value { placeholder: "k" } } attr { key: "N" value { i: 1 } } } ret { key: "b" value: "p:output:0" } } }'
    x = z.f32(2, 3)  # (Python does not import such functions, the runtime does)
    z.graph_def(parsed(text), {"x:0": x}, ["y:0", "m:0", "c:0"], [x + x, x.astype(np.int32) * 2, (x + x)[:, None]])
