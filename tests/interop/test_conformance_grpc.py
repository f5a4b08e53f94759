# SPDX-License-Identifier: Apache-2.0
"""What TensorFlow Serving answers over gRPC, row by row: asked with the stubs of tensorflow-serving-api, under the name
tensorflow_model_server and as `turnery serve`. Code, message and the whole response are compared."""
import re
import unittest

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import (classification_pb2, get_model_metadata_pb2, get_model_status_pb2, predict_pb2,
                                     prediction_service_pb2_grpc)

from conformance import TURNERY_SERVE, Table, floats, inputs, int64s, outputs, spec, tensor, world

TWO = inputs(a=floats(1, 2), b=int64s(3, 4))
X = inputs(x=tensor("DT_FLOAT", [1], 2))
SHAPED = inputs(x=tensor("DT_FLOAT", [1, 4], 1, 2, 3, 4))


def answered(name, version, signature="serving_default"):
    return spec(name, signature, version)


def half(version=123, name="half", y="3"):
    return outputs(y=tensor("DT_FLOAT", [1], y)) + answered(name, version)


class Models(Table):
    """Which model, version, label, signature."""


Models.rows(
    "grpc",
    ("unknown model", "predict", "Predict", spec("nobody") + X, "NOT_FOUND", "Servable not found for request: Latest(nobody)"),
    ("unknown model", "classify", "Classify", spec("nobody"), "NOT_FOUND", "Servable not found for request: Latest(nobody)"),
    ("unknown model", "regress", "Regress", spec("nobody"), "NOT_FOUND", "Servable not found for request: Latest(nobody)"),
    ("unknown model", "multi inference", "MultiInference", "tasks { %s }" % spec("nobody"), "NOT_FOUND",
     "Servable not found for request: Latest(nobody)"),
    ("unknown model", "metadata", "GetModelMetadata", spec("nobody") + 'metadata_field: "signature_def"', "NOT_FOUND",
     "Servable not found for request: Latest(nobody)"),
    ("unknown version", "predict", "Predict", spec("half", version=99) + X, "NOT_FOUND", "Servable not found for request: Specific(half, 99)"),
    ("unknown version", "of an unknown model", "Predict", spec("nobody", version=99), "NOT_FOUND",
     "Servable not found for request: Specific(nobody, 99)"),
    ("unknown version", "metadata", "GetModelMetadata", spec("half", version=99) + 'metadata_field: "signature_def"', "NOT_FOUND",
     "Servable not found for request: Specific(half, 99)"),
    ("unknown version", "that is not loaded", "Predict", spec("three", version=3) + X, "NOT_FOUND",
     "Servable not found for request: Specific(three, 3)"),
    ("unknown version", "zero", "Predict", spec("half", version=0) + X, "NOT_FOUND", "Servable not found for request: Specific(half, 0)"),
    ("unknown label", "predict", "Predict", spec("half", label="L") + X, "INVALID_ARGUMENT", "Unrecognized servable version label: L"),
    ("unknown label", "of a model with others", "Predict", spec("three", label="L") + X, "INVALID_ARGUMENT",
     "Unrecognized servable version label: L"),
    ("unknown label", "metadata", "GetModelMetadata", spec("half", label="L") + 'metadata_field: "signature_def"', "INVALID_ARGUMENT",
     "Unrecognized servable version label: L"),
    ("empty model name", "predict", "Predict", spec("") + X, "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    ("empty model name", "classify", "Classify", spec(""), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    ("empty model name", "metadata", "GetModelMetadata", spec("") + 'metadata_field: "signature_def"', "INVALID_ARGUMENT",
     "ModelSpec has no name specified."),
    ("missing ModelSpec", "predict", "Predict", X, "INVALID_ARGUMENT", "Missing ModelSpec"),
    ("missing ModelSpec", "classify", "Classify", "", "INVALID_ARGUMENT", "Missing ModelSpec"),
    ("missing ModelSpec", "regress", "Regress", "", "INVALID_ARGUMENT", "Missing ModelSpec"),
    ("missing ModelSpec", "status", "GetModelStatus", "", "INVALID_ARGUMENT", "Missing ModelSpec"),
    ("missing ModelSpec", "metadata", "GetModelMetadata", 'metadata_field: "signature_def"', "INVALID_ARGUMENT", "Missing ModelSpec"),
    ("signature missing", "predict", "Predict", spec("half", "s") + X, "FAILED_PRECONDITION", 'Serving signature key "s" not found.'),
    ("default signature", "answers with its name and the version used", "Predict", spec("half") + X, "OK", half()),
    ("default signature", "named", "Predict", spec("half", "serving_default") + X, "OK", half()),
    ("default signature", "a name with a space", "Predict", spec("a b") + X, "OK", half(7, "a b")),
    ("version choice", "none is the highest", "Predict", spec("three") + X, "OK", half(2, "three")),
    ("version choice", "specific", "Predict", spec("three", version=1) + X, "OK", half(1, "three")),
    ("version choice", "label", "Predict", spec("three", label="stable") + X, "OK", half(1, "three")),
)


class ModelsAsTurnery(Models):
    """The replies of the gRPC API are the same under both names."""
    program = TURNERY_SERVE


class Inputs(Table):
    """What is wrong with inputs and outputs."""


SIZE = "input size does not match signature: "
NOT_THERE = ("Signature input alias: %s(feed name: %s) not found in request and no default value provided. "
             "Inputs expected to be in the request {%s}, or default input alias set: %s")
Inputs.rows(
    "grpc",
    ("input count differs", "one is missing", "Predict", spec("all", "two") + inputs(a=floats(1)), "INVALID_ARGUMENT",
     SIZE + "1!=2 len({a}) != len({a,b}). Sent extra: {}. Missing but required: {b}."),
    ("input count differs", "none", "Predict", spec("all", "two"), "INVALID_ARGUMENT",
     SIZE + "0!=2 len({}) != len({a,b}). Sent extra: {}. Missing but required: {a,b}."),
    ("input count differs", "too many", "Predict", spec("all", "two") + TWO + inputs(z=floats(1), c=floats(1)), "INVALID_ARGUMENT",
     SIZE + "4!=2 len({a,b,c,z}) != len({a,b}). Sent extra: {c,z}. Missing but required: {}."),
    ("input count differs", "one wrong and one more", "Predict", spec("half") + inputs(p=floats(1), q=floats(1)), "INVALID_ARGUMENT",
     SIZE + "2!=1 len({p,q}) != len({x}). Sent extra: {p,q}. Missing but required: {x}."),
    ("right count wrong alias", "one", "Predict", spec("half") + inputs(y=floats(1)), "INVALID_ARGUMENT", NOT_THERE % ("x", "x:0", "y", "")),
    ("right count wrong alias", "of two", "Predict", spec("all", "two") + inputs(a=floats(1), c=floats(1)), "INVALID_ARGUMENT",
     NOT_THERE % ("b", "b:0", "a,c", "")),
    ("defaults", "fewer inputs", "Predict", spec("all", "defaults") + inputs(a=floats(1)), "OK",
     outputs(sum=floats(11)) + answered("all", 1, "defaults")),
    ("defaults", "all inputs", "Predict", spec("all", "defaults") + inputs(a=floats(1), b=int64s(2)), "OK",
     outputs(sum=floats(3)) + answered("all", 1, "defaults")),
    ("defaults", "none for this one", "Predict", spec("all", "defaults") + inputs(b=int64s(2)), "INVALID_ARGUMENT", NOT_THERE % ("a", "a:0", "b", "b")),
    ("defaults", "no inputs at all", "Predict", spec("all", "defaults"), "INVALID_ARGUMENT", NOT_THERE % ("a", "a:0", "", "b")),
    ("defaults", "extra name", "Predict", spec("all", "defaults") + inputs(a=floats(1), c=floats(1)), "INVALID_ARGUMENT",
     "Inputs contains invalid name. Used request inputs: a, request input: a,c"),
    ("defaults", "too many", "Predict", spec("all", "defaults") + TWO + inputs(c=floats(1)), "INVALID_ARGUMENT",
     SIZE + "3!=2 len({a,b,c}) != len({a,b}). Sent extra: {c}. Missing but required: {}."),
    ("malformed TensorProto", "content of a wrong size", "Predict",
     spec("half") + inputs(x='dtype: DT_FLOAT tensor_shape { dim { size: 1 } } tensor_content: "abc"'), "INVALID_ARGUMENT", "tensor parsing error: x"),
    ("malformed TensorProto", "no dtype", "Predict", spec("half") + inputs(x="tensor_shape { dim { size: 1 } } float_val: 1"), "INVALID_ARGUMENT",
     "tensor parsing error: x"),
    ("malformed TensorProto", "a negative dimension", "Predict", spec("half") + inputs(x=tensor("DT_FLOAT", [-1], 1)), "INVALID_ARGUMENT",
     "tensor parsing error: x"),
    ("malformed TensorProto", "unknown rank", "Predict", spec("half") + inputs(x="dtype: DT_FLOAT tensor_shape { unknown_rank: true } float_val: 1"),
     "INVALID_ARGUMENT", "tensor parsing error: x"),
    ("malformed TensorProto", "an absurd shape", "Predict", spec("half") + inputs(x=tensor("DT_FLOAT", [1 << 40, 1 << 40], 1)), "INVALID_ARGUMENT",
     "tensor parsing error: x"),
    ("malformed TensorProto", "of two", "Predict", spec("all", "two") + inputs(a=floats(1), b="tensor_shape { dim { size: 1 } }"), "INVALID_ARGUMENT",
     "tensor parsing error: b"),
    ("wrong dtype", "double for float", "Predict", spec("half") + inputs(x=tensor("DT_DOUBLE", [1], 1)), "INVALID_ARGUMENT",
     "Expects arg[0] to be float but double is provided"),
    ("wrong dtype", "string for float", "Predict", spec("half") + inputs(x=tensor("DT_STRING", [1], "a")), "INVALID_ARGUMENT",
     "Expects arg[0] to be float but string is provided"),
    ("wrong dtype", "of the second", "Predict", spec("all", "two") + inputs(a=floats(1), b=tensor("DT_INT32", [1], 1)), "INVALID_ARGUMENT",
     "Expects arg[1] to be int64 but int32 is provided"),
    ("wrong shape", "the kernel says", "Predict", spec("all") + inputs(x=tensor("DT_FLOAT", [1, 3], 1, 2, 3)), "INVALID_ARGUMENT",
     "Matrix size-incompatible: In[0]: [1,3], In[1]: [4,2]\n\t [[{{node MatMul}}]]"),
    ("wrong shape", "is not looked at", "Predict", spec("half") + inputs(x=tensor("DT_FLOAT", [1, 1, 2], 2, 4)), "OK",
     outputs(y=tensor("DT_FLOAT", [1, 1, 2], 3, 4)) + answered("half", 123)),
    ("output filter", "one", "Predict", spec("all", "two") + TWO + 'output_filter: "twice"', "OK",
     outputs(twice=int64s(6, 8)) + answered("all", 1, "two")),
    ("output filter", "empty is all", "Predict", spec("all", "two") + TWO, "OK",
     outputs(sum=floats(4, 6), twice=int64s(6, 8)) + answered("all", 1, "two")),
    ("output filter", "unknown", "Predict", spec("all", "two") + TWO + 'output_filter: "z"', "INVALID_ARGUMENT",
     "output tensor alias not found in signature: z Outputs expected to be in the set {sum,twice}."),
    ("output filter", "twice", "Predict", spec("all", "two") + TWO + 'output_filter: "sum" output_filter: "sum"', "INVALID_ARGUMENT",
     "duplicate output tensor alias: sum"),
    ("output filter", "inputs are looked at first", "Predict", spec("all", "two") + 'output_filter: "z"', "INVALID_ARGUMENT",
     SIZE + "0!=2 len({}) != len({a,b}). Sent extra: {}. Missing but required: {a,b}."),
    ("signatures", "without inputs", "Predict", spec("all", "no_inputs"), "OK", outputs(y=floats(1, 2)) + answered("all", 1, "no_inputs")),
    ("signatures", "one tensor as several outputs", "Predict", spec("all", "one_tensor_twice") + inputs(x=floats(1)), "OK",
     outputs(a=floats(2), b=floats(2), c=floats(1)) + answered("all", 1, "one_tensor_twice")),
    ("signatures", "one tensor as several inputs", "Predict", spec("all", "fed_twice") + inputs(p=floats(1), q=floats(2)), "INVALID_ARGUMENT",
     'Endpoint "x:0" fed more than once.'),
    ("signatures", "the graph has a default", "Predict", spec("all", "graph_default") + inputs(d=floats(5)), "OK",
     outputs(y=floats(6)) + answered("all", 1, "graph_default")),
    ("signatures", "the graph's default is no signature's", "Predict", spec("all", "graph_default"), "INVALID_ARGUMENT",
     SIZE + "0!=1 len({}) != len({d}). Sent extra: {}. Missing but required: {d}."),
    ("sparse", "an input", "Predict", spec("all", "sparse") + inputs(p=floats(1)), "NOT_FOUND", "FeedInputs: unable to find feed output "),
    ("sparse", "before dtypes are looked at", "Predict", spec("all", "sparse_and_dense") + inputs(p=floats(1), a=int64s(1)), "NOT_FOUND",
     "FeedInputs: unable to find feed output "),
    ("sparse", "behind what is malformed", "Predict", spec("all", "sparse_and_dense") + inputs(p=floats(1), a="dtype: DT_FLOAT tensor_shape { dim { size: -1 } }"),
     "INVALID_ARGUMENT", "tensor parsing error: a"),
    ("sparse", "an output", "Predict", spec("all", "sparse_out") + inputs(a=floats(1)), "NOT_FOUND", "FetchOutputs node : not found"),
    ("sparse", "an output that is not wanted", "Predict", spec("all", "sparse_out") + inputs(a=floats(1)) + 'output_filter: "twice"', "OK",
     outputs(twice=floats(2)) + answered("all", 1, "sparse_out")),
    ("sparse", "its parts", "Predict", spec("all", "sparse_parts") + inputs(
        indices=tensor("DT_INT64", [2, 2], 0, 1, 1, 0), values=floats(5, 6), shape=int64s(2, 3)), "OK",
     outputs(y=tensor("DT_FLOAT", [2, 3], 0, 5, 0, 6, 0, 0)) + answered("all", 1, "sparse_parts")),
    ("method_name check", "off by default", "Predict", spec("all", "other_method") + X, "OK",
     outputs(y=floats(2)) + answered("all", 1, "other_method")),
)


class Checked(Table):
    flags = ("--enable_signature_method_name_check",)


Checked.rows(
    "grpc",
    ("method_name check", "another method", "Predict", spec("all", "other_method") + X, "INTERNAL",
     "Expected prediction signature method_name to be one of {tensorflow/serving/predict, tensorflow/serving/classify, "
     "tensorflow/serving/regress}. Was: some/other/method"),
    ("method_name check", "predict", "Predict", spec("half") + X, "OK", half()),
    ("method_name check", "classify", "Classify", spec("half"), "INVALID_ARGUMENT",
     "Expected classification signature method_name to be tensorflow/serving/classify. Was: tensorflow/serving/predict"),
    ("method_name check", "regress", "Regress", spec("all", "classify"), "INVALID_ARGUMENT",
     "Expected regression signature method_name to be tensorflow/serving/regress. Was: tensorflow/serving/classify"),
)


def example(x=None, w=()):
    features = '' if x is None else 'feature { key: "x" value { float_list { value: %s } } }' % x
    if w:
        features += 'feature { key: "w" value { bytes_list { %s } } }' % " ".join('value: "%s"' % v for v in w)
    return "features { %s }" % features


def listed(*xs):
    return "input { example_list { %s } }" % " ".join("examples { %s }" % x for x in xs)


def classes(*rows):
    one = lambda label, score: "classes { %s %s }" % ('label: "%s"' % label if label else "", "score: %s" % score if score is not None else "")
    return "result { %s }" % " ".join("classifications { %s }" % " ".join(one(*c) for c in row) for row in rows)


def values(*xs):
    return "result { %s }" % " ".join("regressions { value: %s }" % x for x in xs)


class Examples(Table):
    """Classify, Regress and MultiInference."""


AB = example(1, "ab")
PARSE, NEEDED = "\n\t [[{{node ParseExample/ParseExampleV2}}]]", "\n\t [[{{node ParseExample_1/ParseExampleV2}}]]"
Examples.rows(
    "grpc",
    ("classify", "classes and scores", "Classify", spec("all", "classify") + listed(AB, example(2, "cd")), "OK",
     classes([("a", 1), ("b", 2)], [("c", 2), ("d", 4)]) + answered("all", 1, "classify")),
    ("classify", "classes", "Classify", spec("all", "classes_only") + listed(AB), "OK",
     classes([("a", None), ("b", None)]) + answered("all", 1, "classes_only")),
    ("classify", "scores", "Classify", spec("half", "classify_x_to_y") + listed(example(2)), "OK",
     classes([("", 3)]) + answered("half", 123, "classify_x_to_y")),
    ("classify", "context is put before each example", "Classify", spec("half", "classify_x_to_y") +
     "input { example_list_with_context { examples { } examples { %s } context { %s } } }" % (example(4), example(2)), "OK",
     classes([("", 3)], [("", 4)]) + answered("half", 123, "classify_x_to_y")),
    ("classify", "no such signature", "Classify", spec("half", "s") + listed(AB), "INVALID_ARGUMENT", "No signature was found with the name: s"),
    ("classify", "input is empty", "Classify", spec("all", "classify"), "INVALID_ARGUMENT", "Input is empty."),
    ("classify", "list is empty", "Classify", spec("all", "classify") + listed(), "INVALID_ARGUMENT", "Input is empty."),
    ("classify", "two inputs", "Classify", spec("all", "two") + listed(AB), "INVALID_ARGUMENT", "Expected one input Tensor."),
    ("classify", "input of another name", "Classify", spec("half") + listed(AB), "FAILED_PRECONDITION",
     re.compile("^No classification inputs found in SignatureDef: ")),
    ("classify", "neither classes nor scores", "Classify", spec("all", "neither") + listed(AB), "FAILED_PRECONDITION",
     re.compile('^Expected classification signature outputs to contain at least one of "classes" or "scores"\\. Signature was: ')),
    ("classify", "scores of one dimension", "Classify", spec("all", "scores_flat") + listed(AB), "INVALID_ARGUMENT",
     "Expected Tensor shape: [batch_size num_classes] but got [1]"),
    ("classify", "scores that are no floats", "Classify", spec("all", "scores_int") + listed(AB), "INVALID_ARGUMENT",
     "Expected scores Tensor of DT_FLOAT. Got: DT_INT32"),
    ("classify", "a feature of another length", "Classify", spec("all", "classify") + listed(example(w="a")), "INVALID_ARGUMENT",
     "Name: <unknown>, Key: w, Index: 0.  Number of bytes values != expected.  Values size: 1 but output shape: [2]" + PARSE),
    ("classify", "a feature of another type", "Classify", spec("all", "classify") + listed(AB, example(w="ab").replace('"w"', '"x"')), "INVALID_ARGUMENT",
     "Name: <unknown>, Key: x, Index: 1.  Data types don't match. Data type: string but expected type: float" + PARSE),
    ("classify", "a feature that is not there", "Classify", spec("all", "needed") + listed(example()), "INVALID_ARGUMENT",
     "Name: <unknown>, Feature: n (data type: int64) is required but could not be found." + NEEDED),
    ("classify", "a feature that is no multiple", "Classify", spec("all", "needed") + listed(
        'features { feature { key: "n" value { int64_list { value: 1 } } } feature { key: "m" value { float_list { value: 1 } } } }'), "INVALID_ARGUMENT",
     "Name: <unknown>, Key: m, Index: 0.  Number of float values is not a multiple of stride length. Saw 1 values but output shape is: [?,2]" + NEEDED),
    ("regress", "a vector", "Regress", spec("all", "regress") + listed(example(1), example(2)), "OK",
     values(2, 3) + answered("all", 1, "regress")),
    ("regress", "a column", "Regress", spec("all", "regress_column") + listed(example(1)), "OK", values(2) + answered("all", 1, "regress_column")),
    ("regress", "a matrix", "Regress", spec("all", "regress_wide") + listed(example(1)), "INVALID_ARGUMENT",
     "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [1,2]"),
    ("regress", "no such signature", "Regress", spec("half", "s") + listed(AB), "INVALID_ARGUMENT", "No signature was found with the name: s"),
    ("regress", "input is empty", "Regress", spec("all", "regress"), "INVALID_ARGUMENT", "Input is empty."),
    ("regress", "two outputs", "Regress", spec("all", "classify") + listed(AB), "INVALID_ARGUMENT", "Expected one output Tensor."),
    ("regress", "output of another name", "Regress", spec("all", "neither") + listed(AB), "FAILED_PRECONDITION",
     re.compile("^No regression outputs found in SignatureDef: ")),
)


def task(name, signature, method):
    return 'tasks { %s method_name: "%s" }' % (spec(name, signature), method)


CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"
Examples.rows(
    "grpc",
    ("multi inference", "both", "MultiInference",
     task("all", "classify", CLASSIFY) + task("all", "regress", REGRESS) + listed(AB), "OK",
     "results { %s classification_%s } results { %s regression_%s }" % (
         answered("all", 1, "classify"), classes([("a", 1), ("b", 2)]), answered("all", 1, "regress"), values(2))),
    ("multi inference", "several models", "MultiInference",
     task("all", "classify", CLASSIFY) + task("half", "regress_x_to_y", REGRESS) + listed(AB), "INVALID_ARGUMENT",
     "All ModelSpecs in a MultiInferenceRequest must access the same model name."),
    ("multi inference", "twice the same", "MultiInference", 2 * task("all", "regress", REGRESS) + listed(AB), "INVALID_ARGUMENT",
     "Duplicate evaluation of signature: regress"),
    ("multi inference", "no such signature", "MultiInference", task("all", "s", REGRESS) + listed(AB), "INVALID_ARGUMENT",
     "Requested signature not found in model graph: s"),
    ("multi inference", "another method", "MultiInference", task("all", "regress", "tensorflow/serving/predict") + listed(AB), "UNIMPLEMENTED",
     "Unsupported signature method_name: tensorflow/serving/predict"),
    ("multi inference", "a task without a name", "MultiInference", task("all", "regress", REGRESS) + task("", "classify", CLASSIFY) + listed(AB),
     "INVALID_ARGUMENT", "Found ModelSpec with an empty model name."),
    ("multi inference", "no tasks", "MultiInference", listed(AB), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    ("multi inference", "input is empty", "MultiInference", task("all", "regress", REGRESS), "INVALID_ARGUMENT", "Input is empty."),
)


def signatures_of_all(test, response):
    m = get_model_metadata_pb2.SignatureDefMap()
    test.assertEqual(list(response.metadata), ["signature_def"])
    test.assertTrue(response.metadata["signature_def"].Unpack(m))
    test.assertEqual(str(response.model_spec), str(text_format.Parse('name: "all" version { value: 1 }', type(response.model_spec)())))
    with open(world.path("all", "1", "saved_model.pb"), "rb") as f:
        from tensorflow.core.protobuf import saved_model_pb2
        saved = saved_model_pb2.SavedModel.FromString(f.read()).meta_graphs[0].signature_def
    test.assertEqual(set(m.signature_def), set(saved))
    for name, s in m.signature_def.items():
        saved[name].ClearField("defaults")
        test.assertEqual(s, saved[name], name)


AVAILABLE = "state: AVAILABLE status { }"


class About(Table):
    """Metadata and status."""


About.rows(
    "grpc",
    ("metadata", "all signatures, without defaults", "GetModelMetadata", spec("all") + 'metadata_field: "signature_def"', "OK", signatures_of_all),
    ("metadata", "no field", "GetModelMetadata", spec("half"), "INVALID_ARGUMENT",
     "GetModelMetadataRequest must specify at least one metadata_field"),
    ("metadata", "another field", "GetModelMetadata", spec("half") + 'metadata_field: "signature_def" metadata_field: "F"', "INVALID_ARGUMENT",
     "Metadata field F is not supported"),
    ("metadata", "the field is looked at before the model", "GetModelMetadata", spec("nobody"), "INVALID_ARGUMENT",
     "GetModelMetadataRequest must specify at least one metadata_field"),
    ("status", "all versions", "GetModelStatus", spec("three"), "OK",
     "model_version_status { version: 2 %s } model_version_status { version: 1 %s }" % (AVAILABLE, AVAILABLE)),
    ("status", "one version", "GetModelStatus", spec("three", version=1), "OK", "model_version_status { version: 1 %s }" % AVAILABLE),
    ("status", "a label is passed over", "GetModelStatus", spec("three", label="no such label"), "OK",
     "model_version_status { version: 2 %s } model_version_status { version: 1 %s }" % (AVAILABLE, AVAILABLE)),
    ("status", "unknown model", "GetModelStatus", spec("nobody"), "NOT_FOUND", "Could not find any versions of model nobody"),
    ("status", "unknown version", "GetModelStatus", spec("half", version=9), "NOT_FOUND", "Could not find version 9 of model half"),
    ("status", "unknown version of an unknown model", "GetModelStatus", spec("nobody", version=9), "NOT_FOUND",
     "Could not find version 9 of model nobody"),
    ("status", "empty name", "GetModelStatus", spec(""), "NOT_FOUND", re.compile("^Could not find any versions of model ")),
)


class Tensors(Table):
    """Requests' tensors in all forms, responses' in typed fields."""


def same(dtype, asked, given):
    return ("response tensors", "%s %s" % (dtype, asked), "Predict", spec("all", "same_" + dtype) + inputs(v=asked), "OK",
            outputs(v=given) + answered("all", 1, "same_" + dtype))


def shaped(dtype, n, rest):
    return "dtype: %s tensor_shape { dim { size: %d } } %s" % (dtype, n, rest)


def both(name, dtype, n, content, typed):
    """From tensor_content, and from typed fields, to typed fields."""
    wanted = shaped(dtype, n, typed)
    return [same(name, shaped(dtype, n, 'tensor_content: "%s"' % "".join("\\x%02x" % b for b in content)), wanted), same(name, wanted, wanted)]


Tensors.rows(
    "grpc",
    *both("float", "DT_FLOAT", 2, np.float32([1.5, -2]).tobytes(), "float_val: 1.5 float_val: -2"),
    *both("double", "DT_DOUBLE", 2, np.float64([1.5, -2]).tobytes(), "double_val: 1.5 double_val: -2"),
    *both("int8", "DT_INT8", 2, np.int8([1, -2]).tobytes(), "int_val: 1 int_val: -2"),
    *both("uint8", "DT_UINT8", 2, np.uint8([1, 254]).tobytes(), "int_val: 1 int_val: 254"),
    *both("int16", "DT_INT16", 2, np.int16([1, -2]).tobytes(), "int_val: 1 int_val: -2"),
    *both("uint16", "DT_UINT16", 2, np.uint16([1, 65534]).tobytes(), "int_val: 1 int_val: 65534"),
    *both("int32", "DT_INT32", 2, np.int32([1, -2]).tobytes(), "int_val: 1 int_val: -2"),
    *both("int64", "DT_INT64", 2, np.int64([1, -2]).tobytes(), "int64_val: 1 int64_val: -2"),
    *both("uint32", "DT_UINT32", 2, np.uint32([1, 4294967295]).tobytes(), "uint32_val: 1 uint32_val: 4294967295"),
    *both("uint64", "DT_UINT64", 2, np.uint64([1, 2**64 - 1]).tobytes(), "uint64_val: 1 uint64_val: 18446744073709551615"),
    *both("bool", "DT_BOOL", 2, b"\x01\x00", "bool_val: true bool_val: false"),
    *both("half", "DT_HALF", 2, np.float16([1, -2]).tobytes(), "half_val: 15360 half_val: 49152"),
    *both("complex64", "DT_COMPLEX64", 1, np.complex64([1 - 2j]).tobytes(), "scomplex_val: 1 scomplex_val: -2"),
    same("string", shaped("DT_STRING", 2, 'string_val: "a\\000b" string_val: ""'), shaped("DT_STRING", 2, 'string_val: "a\\000b" string_val: ""')),
    same("float", shaped("DT_FLOAT", 3, "float_val: 1 float_val: 7"), shaped("DT_FLOAT", 3, "float_val: 1 float_val: 7 float_val: 7")),
    same("float", shaped("DT_FLOAT", 3, ""), shaped("DT_FLOAT", 3, "float_val: 0 float_val: 0 float_val: 0")),
    same("int64", shaped("DT_INT64", 2, "int64_val: 5"), shaped("DT_INT64", 2, "int64_val: 5 int64_val: 5")),
    same("string", shaped("DT_STRING", 2, 'string_val: "a"'), shaped("DT_STRING", 2, 'string_val: "a" string_val: "a"')),
    same("float", "dtype: DT_FLOAT tensor_shape { } float_val: 4", "dtype: DT_FLOAT tensor_shape { } float_val: 4"),
    same("float", shaped("DT_FLOAT", 0, ""), shaped("DT_FLOAT", 0, "")),
    same("float", shaped("DT_FLOAT", 1, "float_val: 1 float_val: 2"), shaped("DT_FLOAT", 1, "float_val: 1")),
)


class Content(Table):
    flags = ("--enable_serialization_as_tensor_content",)


Content.rows(
    "grpc",
    ("response tensors", "as content", "Predict", spec("half") + X, "OK",
     outputs(y='dtype: DT_FLOAT tensor_shape { dim { size: 1 } } tensor_content: "\\000\\000@@"') + answered("half", 123)),
    ("response tensors", "strings as content", "Predict", spec("all", "same_string") + inputs(v=tensor("DT_STRING", [2], "a", "bc")), "OK",
     outputs(v='dtype: DT_STRING tensor_shape { dim { size: 2 } } tensor_content: "\\001\\002abc"') + answered("all", 1, "same_string")),
)


class Errors(Table):
    """How gRPC itself answers."""

    def test_messages_are_cut_at_1024_bytes(self):
        code, message, _ = self.call("Predict", spec("n" * 2000))
        whole = "Servable not found for request: Latest(" + "n" * 2000 + ")"
        self.assertEqual((code, message), ("NOT_FOUND", whole[:1024] + "...TRUNCATED"))

    def test_a_message_of_1024_bytes_is_whole(self):
        n = 1024 - len("Servable not found for request: Latest()")
        code, message, _ = self.call("Predict", spec("n" * n))
        self.assertEqual((code, message), ("NOT_FOUND", "Servable not found for request: Latest(" + "n" * n + ")"))

    def test_a_message_of_many_names_is_cut(self):
        names = ["input_%03d" % i for i in range(400)]
        code, message, _ = self.call("Predict", spec("half") + inputs(**{n: floats(1) for n in names}))
        self.assertEqual((code, message), ("INVALID_ARGUMENT", (SIZE + "400!=1 len({" + ",".join(names))[:1024] + "...TRUNCATED"))

    def test_a_request_that_is_no_message(self):
        with grpc.insecure_channel(self.server.grpc) as channel:
            for path in ("PredictionService/Predict", "PredictionService/Classify", "ModelService/GetModelStatus"):
                with self.assertRaises(grpc.RpcError) as c:
                    channel.unary_unary("/tensorflow.serving." + path)(b"\xff\xff\xff", timeout=60)
                self.assertEqual(c.exception.code(), grpc.StatusCode.INTERNAL, path)

    def test_methods_that_are_not_there(self):
        with grpc.insecure_channel(self.server.grpc) as channel:
            for path in ("/tensorflow.serving.PredictionService/Nothing", "/tensorflow.ProfilerService/Profile", "/no.Such/Method"):
                with self.assertRaises(grpc.RpcError) as c:
                    channel.unary_unary(path)(b"", timeout=60)
                self.assertEqual(c.exception.code(), grpc.StatusCode.UNIMPLEMENTED, path)


if __name__ == "__main__":
    unittest.main()
