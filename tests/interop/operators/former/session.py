# SPDX-License-Identifier: Apache-2.0
"""Sessions of a TensorFlow that is no longer current, for operators whose kernels were taken out of it: its shared library's C
interface, in a process of its own that needs no package of that TensorFlow's Python.

FORMER_TENSORFLOW: the folder `tensorflow` of an unpacked wheel (tensorflow-cpu 2.6). As a program: requests on stdin, answers on stdout.
"""
import ctypes
import os
import pickle
import subprocess
import sys

import numpy as np

# TensorFlow's numbers of the dtypes.
DTYPES = {1: np.float32, 2: np.float64, 3: np.int32, 4: np.uint8, 5: np.int16, 6: np.int8, 9: np.int64, 10: np.bool_, 7: np.object_}
NUMBERS = {np.dtype(t): n for n, t in DTYPES.items()}
P = ctypes.c_void_p


class Port(ctypes.Structure):
    _fields_ = [("op", P), ("index", ctypes.c_int)]


class Library:
    def __init__(self, folder):
        mode = os.RTLD_LAZY | os.RTLD_GLOBAL
        ctypes.CDLL(os.path.join(folder, "libtensorflow_framework.so.2"), mode)
        self.lib = ctypes.CDLL(os.path.join(folder, "python", "_pywrap_tensorflow_internal.so"), mode)
        for name in ("TF_NewStatus TF_NewGraph TF_NewBuffer TF_NewBufferFromString TF_NewImportGraphDefOptions TF_NewSessionOptions TF_NewSession "
                     "TF_LoadSessionFromSavedModel TF_GraphOperationByName TF_AllocateTensor TF_TensorData TF_StringGetDataPointer").split():
            getattr(self.lib, name).restype = P
        self.lib.TF_Message.restype = ctypes.c_char_p
        for name in ("TF_Dim", "TF_TensorByteSize", "TF_StringGetSize"):
            getattr(self.lib, name).restype = ctypes.c_int64
        self.status = P(self.lib.TF_NewStatus())

    def check(self):
        code = self.lib.TF_GetCode(self.status)
        if code:
            raise Refused(code, self.lib.TF_Message(self.status).decode(errors="replace"))

    def tensor(self, a):
        a = np.ascontiguousarray(a)
        dims = (ctypes.c_int64 * max(a.ndim, 1))(*a.shape)
        size = 24 * a.size if a.dtype == object else a.nbytes
        t = P(self.lib.TF_AllocateTensor(NUMBERS[a.dtype], dims, a.ndim, ctypes.c_size_t(size)))
        data = self.lib.TF_TensorData(t)
        for i, s in enumerate(a.ravel() if a.dtype == object else []):
            self.lib.TF_StringInit(P(data + 24 * i))
            self.lib.TF_StringCopy(P(data + 24 * i), ctypes.c_char_p(s), ctypes.c_size_t(len(s)))
        if a.dtype != object and a.size:
            ctypes.memmove(data, a.ctypes.data, a.nbytes)
        return t

    def array(self, t):
        shape = [self.lib.TF_Dim(t, i) for i in range(self.lib.TF_NumDims(t))]
        a = np.empty(shape, DTYPES[self.lib.TF_TensorType(t)])
        data = self.lib.TF_TensorData(t)
        if a.dtype != object:
            if a.size:
                ctypes.memmove(a.ctypes.data, data, a.nbytes)
            return a
        for i in range(a.size):
            s = P(data + 24 * i)
            a.ravel()[i] = ctypes.string_at(self.lib.TF_StringGetDataPointer(s), self.lib.TF_StringGetSize(s))
        return a

    def ports(self, graph, names):
        out = (Port * max(len(names), 1))()
        for i, name in enumerate(names):
            op, index = name.rsplit(":", 1)
            out[i] = Port(self.lib.TF_GraphOperationByName(graph, op.encode()), int(index))
        return out

    def of_graph(self, graph, graph_def):
        lib = self.lib
        lib.TF_GraphImportGraphDef(graph, P(lib.TF_NewBufferFromString(graph_def, ctypes.c_size_t(len(graph_def)))),
                                   P(lib.TF_NewImportGraphDefOptions()), self.status)
        self.check()
        return P(lib.TF_NewSession(graph, P(lib.TF_NewSessionOptions()), self.status))

    def of_saved_model(self, graph, folder):
        tags = (ctypes.c_char_p * 1)(b"serve")
        return P(self.lib.TF_LoadSessionFromSavedModel(P(self.lib.TF_NewSessionOptions()), None, folder.encode(), tags, 1, graph, None, self.status))

    def run(self, model, feeds, fetches):
        """model: a GraphDef's bytes, or the folder of a SavedModel."""
        lib, graph = self.lib, P(self.lib.TF_NewGraph())
        session = self.of_graph(graph, model) if isinstance(model, bytes) else self.of_saved_model(graph, model)
        self.check()
        ins = (P * max(len(feeds), 1))(*[self.tensor(a) for a in feeds.values()])
        outs = (P * max(len(fetches), 1))()
        lib.TF_SessionRun(session, None, self.ports(graph, list(feeds)), ins, len(feeds), self.ports(graph, fetches), outs, len(fetches), None, 0, None,
                          self.status)
        self.check()
        return [self.array(P(t)) for t in outs[:len(fetches)]]


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.error_code, self.message = code, message


class Ended(TypeError):
    """The process ended: one of TensorFlow's checks."""


class Session:
    """As tf.compat.v1.Session, of what a case needs."""
    process = None

    def __init__(self, graph):
        self.graph = graph

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def run(self, fetches, feed):
        return ask(self.graph.as_graph_def().SerializeToString(), {p.name: np.asarray(x) for p, x in feed.items()}, [f.name for f in fetches])


def ask(*request):
    p = Session.process
    if p is None or p.poll() is not None:
        p = Session.process = subprocess.Popen([sys.executable, os.path.abspath(__file__)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        pickle.dump(request, p.stdin)
        p.stdin.flush()
        kind, got = pickle.load(p.stdout)
    except (EOFError, BrokenPipeError) as e:
        p.wait()
        raise Ended("the former TensorFlow ended itself") from e
    if kind == "refused":
        raise Refused(*got)
    return got


def serve():
    library, answers = Library(os.environ["FORMER_TENSORFLOW"]), os.fdopen(os.dup(1), "wb")
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = "ok", library.run(*request)
        except Refused as e:
            answer = "refused", (e.error_code, e.message)
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    serve()
