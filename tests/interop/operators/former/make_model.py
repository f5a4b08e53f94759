#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/models/boosted_trees: a SavedModel as estimators of boosted trees exported it. The graph and its Saver are
those of TensorFlow's own boosted_trees_ops; the values are drawn; the answers are a former TensorFlow's (session.py).

usage: FORMER_TENSORFLOW=FOLDER make_model.py FOLDER
"""
import json
import os
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from case import I32, raw, tf, v1  # noqa: E402
from former import boosted_trees, session  # noqa: E402
from tensorflow.core.protobuf import saved_model_pb2  # noqa: E402
from tensorflow.python.ops import boosted_trees_ops  # noqa: E402

CLASSES = 3


def graph():
    """The predictions of a classifier of two numbers, by quantiles, and of a word."""
    length, width = v1.placeholder(tf.float32, [None], "length"), v1.placeholder(tf.float32, [None, 1], "width")
    color = v1.placeholder(tf.int32, [None, 2], "color")
    quantiles = boosted_trees_ops.QuantileAccumulator(epsilon=0.01, num_streams=2, num_quantiles=10, name="features")
    trees = boosted_trees_ops.TreeEnsemble("boosted_trees", stamp_token=0)
    buckets = boosted_trees_ops.boosted_trees_bucketize([length, v1.squeeze(width, 1)], quantiles.get_bucket_boundaries())
    logits = raw.BoostedTreesPredict(tree_ensemble_handle=trees.resource_handle, bucketized_features=[*buckets, color], logits_dimension=CLASSES)
    return {"length": length, "width": width, "color": color}, {"logits": logits, "probabilities": tf.nn.softmax(logits), "class_ids": tf.argmax(logits, 1)}


def values(rng):
    text, _ = boosted_trees.ensemble(rng, 4, CLASSES, 3, 1, 3)
    return {"stamp": np.int64(4), "serialized": np.array(text, object), "bounds": [np.sort(rng.normal(size=n)).astype(np.float32) for n in (6, 4)]}


def write_checkpoint(prefix, names, given):
    with v1.Graph().as_default(), v1.Session() as s:
        tensors = [given["serialized"] if "serialized" in n else given["stamp"] if "stamp" in n else given["bounds"][int(n[-1])] for n in names]
        s.run(raw.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=[""] * len(names), tensors=[tf.constant(t) for t in tensors]))
        s.run(raw.MergeV2Checkpoints(checkpoint_prefixes=[prefix], destination_prefix=prefix + "_", delete_old_dirs=False))
    for ext in (".index", ".data-00000-of-00001"):
        os.replace(prefix + "_" + ext, prefix + ext)


def main(folder):
    rng = np.random.default_rng(7)
    model = os.path.join(folder, "saved_model", "1")
    os.makedirs(os.path.join(model, "variables"), exist_ok=True)
    with v1.Graph().as_default():
        ins, outs = graph()
        saver = v1.train.Saver(sharded=True)
        names = [s.name for o in v1.get_collection(v1.GraphKeys.SAVEABLE_OBJECTS) for s in o.specs]
        meta = v1.train.export_meta_graph(saver_def=saver.saver_def, strip_default_attrs=True)
        meta.meta_info_def.tags.append("serve")
        info = lambda ts: {k: v1.saved_model.build_tensor_info(t) for k, t in ts.items()}
        meta.signature_def["serving_default"].CopyFrom(v1.saved_model.build_signature_def(info(ins), info(outs), "tensorflow/serving/predict"))
    with open(os.path.join(model, "saved_model.pb"), "wb") as f:
        f.write(saved_model_pb2.SavedModel(saved_model_schema_version=1, meta_graphs=[meta]).SerializeToString(deterministic=True))
    write_checkpoint(os.path.join(model, "variables", "variables"), names, values(rng))
    cases = []
    for n in (1, 5):
        case = os.path.join(folder, "cases", "%02d" % len(cases))
        feeds = {"length": rng.normal(size=n).astype(np.float32), "width": rng.normal(size=(n, 1)).astype(np.float32), "color": rng.integers(0, 4, (n, 2)).astype(I32)}
        got = dict(zip(sorted(outs), session.ask(model, {ins[k].name: x for k, x in feeds.items()}, [outs[k].name for k in sorted(outs)])))
        row = {"dir": "cases/%02d" % len(cases), "signature": "serving_default"}
        for side, arrays in (("inputs", feeds), ("outputs", got)):
            os.makedirs(os.path.join(case, side), exist_ok=True)
            for k, a in arrays.items():
                np.save(os.path.join(case, side, k + ".npy"), a)
            row[side] = {k: {"file": k + ".npy", "dtype": a.dtype.name, "shape": list(a.shape)} for k, a in sorted(arrays.items())}
        cases.append(row)
    describe = lambda ts: {k: {"tensor": t.name, "dtype": t.dtype.name, "shape": [d if d is not None else -1 for d in t.shape.as_list()]} for k, t in sorted(ts.items())}
    manifest = {"name": "boosted_trees", "what": "a classifier of boosted trees, with the boundaries of its buckets, both restored by the graph's Saver",
                "made_with": {"tensorflow": "2.21.0", "answers": "2.6.0", "api": "boosted_trees_ops.TreeEnsemble, QuantileAccumulator, export_meta_graph"},
                "level": "advanced", "tolerance": {"rtol": 1e-5, "atol": 1e-6}, "artifacts": [{"type": "saved_model", "path": "saved_model/1", "tags": ["serve"]}],
                "signatures": {"serving_default": {"method_name": "tensorflow/serving/predict", "inputs": describe(ins), "outputs": describe(outs)}}, "cases": cases}
    json.dump(manifest, open(os.path.join(folder, "manifest.json"), "w"), indent=1)


if __name__ == "__main__":
    main(sys.argv[1])
