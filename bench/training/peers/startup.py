# SPDX-License-Identifier: Apache-2.0
"""Start-up cost: import, load one model, one prediction. First argument: what.
  tf MODEL_DIR | tf_import | torch PT_FILE | torch_import | onnx ONNX_FILE
Needs a model exported with --infer --export DIR (W6)."""
import json
import os
import resource
import sys
import time

T0 = time.perf_counter()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
what = sys.argv[1]
load = pred = 0.0
import numpy as np
x = np.zeros((1, 28, 28, 1), np.float32)
if what.startswith("tf"):
    import tensorflow as tf
    t1 = time.perf_counter()
    if what == "tf":
        m = tf.saved_model.load(sys.argv[2])
        f = m.signatures["serving_default"]
        t2 = time.perf_counter()
        f(x0=tf.constant(x))["y"].numpy()
        load, pred = t2 - t1, time.perf_counter() - t2
elif what.startswith("torch"):
    import torch
    t1 = time.perf_counter()
    if what == "torch":
        with torch.inference_mode():
            m = torch.jit.load(sys.argv[2])
            t2 = time.perf_counter()
            m(torch.zeros(1, 1, 28, 28)).numpy()
        load, pred = t2 - t1, time.perf_counter() - t2
else:
    import onnxruntime as ort
    t1 = time.perf_counter()
    s = ort.InferenceSession(sys.argv[2], providers=["CPUExecutionProvider"])
    t2 = time.perf_counter()
    s.run(None, {"x0": x.transpose(0, 3, 1, 2)})
    load, pred = t2 - t1, time.perf_counter() - t2
print(json.dumps({"startup": what, "import_s": round(t1 - T0, 3), "load_s": round(load, 3), "predict_s": round(pred, 3),
                  "total_s": round(time.perf_counter() - T0, 3),
                  "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)}))
