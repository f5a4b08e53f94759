# SPDX-License-Identifier: Apache-2.0
"""PyTorch modes: eager (default Adam), fused (Adam fused=True), cl (fused and
channels_last), compile (inductor, fused Adam), compile_cl, sparse (sparse
embedding gradients with SparseAdam), padded (no packing of sequences)."""
import os
import time

import common as C

a = C.args()
_t = time.perf_counter()
import torch
import torch.nn as nn
import torch.nn.functional as F
IMPORT_S = time.perf_counter() - _t

torch.set_num_threads(a.threads)


def init_like_keras(m):
    for mod in m.modules():
        if isinstance(mod, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)):
            nn.init.xavier_uniform_(mod.weight)
            if mod.bias is not None:
                nn.init.zeros_(mod.bias)
        elif isinstance(mod, nn.Embedding):
            nn.init.uniform_(mod.weight, -0.05, 0.05)
        elif isinstance(mod, nn.GRU):
            for k, p in mod.named_parameters():
                nn.init.zeros_(p) if "bias" in k else nn.init.xavier_uniform_(p)
    return m


def tensors(w, d, cl=False):
    def conv(x):
        t = torch.from_numpy(x)
        if w in ("W4", "W6") and t.dim() == 4:
            t = t.permute(0, 3, 1, 2)
            t = t.contiguous(memory_format=torch.channels_last) if cl else t.contiguous()
        if w == "W3":
            t = t.permute(0, 2, 1).contiguous()
        return t.long() if t.dtype == torch.int32 else t
    return tuple(conv(x) for x in d[0]), conv(d[1])


def main(w, make_model, loss_fn, default="eager,fused,compile"):
    data = C.data(w)
    if a.infer:
        return infer(w, make_model, data)
    modes = {}
    for mode in (a.modes or default).split(","):
        def make(mode=mode):
            torch.manual_seed(1)
            cl = "cl" in mode
            m = init_like_keras(make_model(mode, a.keep))
            if cl:
                m = m.to(memory_format=torch.channels_last)
            m.train()
            ts = [tensors(w, d, cl) for d in data]
            if a.opt == "sgd":
                opts = [torch.optim.SGD(m.parameters(), 0.01, momentum=0.9, fused=mode != "eager")]
            elif mode == "sparse":
                emb = list(m.embed.parameters())
                opts = [torch.optim.SparseAdam(emb, C.LR),
                        torch.optim.Adam([p for p in m.parameters() if p is not emb[0]], C.LR, fused=True)]
            elif mode == "eager":
                opts = [torch.optim.Adam(m.parameters(), C.LR)]
            else:
                opts = [torch.optim.Adam(m.parameters(), C.LR, fused=True)]

            def fwd(ins, y):
                return loss_fn(y, m(*ins))
            if mode.startswith("compile"):
                fwd = torch.compile(fwd)

            def step(ins, y):
                for o in opts:
                    o.zero_grad(set_to_none=True)
                loss = fwd(ins, y)
                loss.backward()
                for o in opts:
                    o.step()
                return loss

            def block():
                for ins, y in ts:
                    loss = step(ins, y)
                return loss.item()
            return (lambda: step(*ts[0]).item()), block
        holder = {}

        def first(make=make, holder=holder):
            fs, holder["block"] = make()
            fs()
        modes[mode] = (first, lambda holder=holder: holder["block"]())
    C.run_blocks(w, "pytorch", modes, a, IMPORT_S)


def infer(w, make_model, data):
    import warnings
    warnings.filterwarnings("ignore")
    torch.manual_seed(1)
    m = init_like_keras(make_model("padded", 1.0)).eval()
    for batch in (1, 32):
        ins = tensors(w, (C.infer_inputs(w, batch), data[0][1]))[0]
        with torch.inference_mode():
            C.latency(w, "pytorch", "eager", batch, a.threads, lambda: m(*ins))

        def attempt(mode, build):
            try:
                fn = build()
                C.latency(w, "pytorch" if mode != "onnx" else "onnxruntime", mode, batch, a.threads, fn)
            except Exception as e:
                C.emit(workload=C.TITLE[w], w=w, peer="pytorch", mode=mode, infer_batch=batch,
                       error=("%s: %s" % (type(e).__name__, e))[:250])

        def script():
            with torch.no_grad():
                t = torch.jit.freeze(torch.jit.trace(m, ins))
                if a.export and batch == 1:
                    torch.jit.save(t, os.path.join(a.export, w + ".pt"))
                t = torch.jit.optimize_for_inference(t)

            def fn():
                with torch.inference_mode():
                    return t(*ins)
            return fn

        def comp():
            import torch._inductor.config as ic
            ic.freezing = True
            torch._dynamo.reset()
            c = torch.compile(m)

            def fn():
                with torch.no_grad():
                    return c(*ins)
            return fn

        def onnx():
            import io
            import contextlib
            import tempfile
            import onnxruntime as ort
            p = os.path.join(a.export or tempfile.mkdtemp(), "%s_b%d.onnx" % (w, batch))
            names = ["x%d" % i for i in range(len(ins))]
            with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
                torch.onnx.export(m, ins, p, input_names=names, output_names=["y"], dynamo=False)
            so = ort.SessionOptions()
            so.intra_op_num_threads = a.threads
            s = ort.InferenceSession(p, so, providers=["CPUExecutionProvider"])
            feed = {k: v.numpy() for k, v in zip(names, ins)}
            return lambda: s.run(None, feed)

        for mode, b in (("torchscript", script), ("compile", comp), ("onnx", onnx)):
            if not a.modes or mode in a.modes:
                attempt(mode, b)
