# SPDX-License-Identifier: Apache-2.0
"""Operators of one and of two arguments, element by element: every dtype that TensorFlow's CPU kernels take, broadcasting,
empty shapes, values at the edges."""
from case import *

ANY = FLOATS + INTS + [C64, C128]
EDGES = np.array([0., -0., 1, -1, np.inf, -np.inf, np.nan, 0.5, -0.5, 1e-30, -1e30, 88.5, -104.0, 3.0])

# name -> (dtypes, low, high, differentiable)
UNARY = {
    "Abs": (FLOATS + [I8, I16, I32, I64], -3, 3, 1), "Acos": (FLOATS, -.9, .9, 1), "Acosh": (FLOATS + [C64], 1.1, 4, 1),
    "Asin": (FLOATS, -.9, .9, 1), "Asinh": (FLOATS + [C64], -3, 3, 1), "Atan": (FLOATS, -3, 3, 1), "Atanh": (FLOATS + [C64], -.9, .9, 1),
    "Ceil": (FLOATS, -5, 5, 0), "Cos": (FLOATS + [C64, C128], -3, 3, 1), "Cosh": (FLOATS + [C64], -3, 3, 1), "Digamma": (FLOATS, .2, 5, 1),
    "Erf": (FLOATS, -2, 2, 1), "Erfc": (FLOATS, -2, 2, 1), "Erfinv": ([F32, F64], -.9, .9, 1), "Exp": (FLOATS + [C64, C128], -3, 3, 1),
    "Expm1": (FLOATS, -2, 2, 1), "Floor": (FLOATS, -5, 5, 0), "Inv": (FLOATS + [C64], .2, 3, 1), "Invert": (INTS, None, None, 0),
    "Lgamma": (FLOATS, .2, 6, 1), "Log": (FLOATS + [C64, C128], .1, 5, 1), "Log1p": (FLOATS, -.5, 5, 1), "LogicalNot": ([BOOL], 0, 0, 0),
    "Ndtri": ([F32, F64], .05, .95, 1), "Neg": (FLOATS + [I8, I16, I32, I64, C64, C128], -3, 3, 1), "Reciprocal": (FLOATS + [C64], .2, 3, 1),
    "Relu": (FLOATS + [I8, I16, I32, I64, U8, U16], None, None, 1), "Relu6": (FLOATS + [I32, I64, U8], None, None, 1),
    "Rint": (FLOATS, -5, 5, 0), "Round": (FLOATS, -5, 5, 0), "Rsqrt": (FLOATS + [C64], .1, 5, 1), "Selu": (FLOATS, None, None, 1),
    "Sigmoid": (FLOATS + [C64], -4, 4, 1), "Sign": (FLOATS + [I8, I16, I32, I64, C64], -3, 3, 1), "Sin": (FLOATS + [C64, C128], -3, 3, 1),
    "Sinh": (FLOATS + [C64], -3, 3, 1), "Softplus": (FLOATS, None, None, 1), "Softsign": (FLOATS, None, None, 1), "Elu": (FLOATS, None, None, 1),
    "Sqrt": (FLOATS + [C64, C128], .1, 5, 1), "Square": (FLOATS + [I32, I64, C64], -3, 3, 1), "Tan": (FLOATS + [C64], -1, 1, 1),
    "Tanh": (FLOATS + [C64, C128], -3, 3, 1), "IsFinite": (FLOATS, None, None, 0), "IsInf": (FLOATS, None, None, 0), "IsNan": (FLOATS, None, None, 0),
    "Conj": ([C64, C128], None, None, 1), "Real": ([C64, C128], None, None, 1), "Imag": ([C64, C128], None, None, 1),
    "ComplexAbs": ([C64, C128], None, None, 1), "Angle": ([C64, C128], None, None, 1), "ZerosLike": (ANY + [BOOL], None, None, 0),
    "OnesLike": (ANY + [BOOL], None, None, 0),
}
ARGUMENT = {"ZerosLike": "x", "OnesLike": "x", "Relu": "features", "Relu6": "features", "Selu": "features", "Softplus": "features",
            "Softsign": "features", "Elu": "features", "Real": "input", "Imag": "input", "Angle": "input", "Conj": "input"}
NOT_AT_EDGES = {"Erf", "Digamma", "Lgamma", "Ndtri", "Erfinv", "Acosh", "Asinh", "Atanh", "Cosh", "Sinh", "Tan", "Sin", "Cos"}

ORDERED = FLOATS + INTS
# name -> (dtypes, low, high, which inputs are differentiable)
BINARY = {
    "Add": (FLOATS + [I8, I16, I32, I64, U8, C64, C128], -3, 3, 1), "AddV2": (ANY, None, None, 1), "Sub": (ANY, None, None, 1),
    "Mul": (ANY, None, None, 1), "Div": (ANY, 1, 4, 1), "RealDiv": (FLOATS + [C64, C128], .5, 3, 1), "DivNoNan": (FLOATS + [C64], -1, 1, 1),
    "MulNoNan": (FLOATS + [C64], -1, 1, 1), "FloorDiv": (ORDERED, 1, 6, 0), "FloorMod": (ORDERED, 1, 6, 0), "TruncateDiv": (INTS, 1, 6, 0),
    "TruncateMod": ([I32, I64, F32, F64], 1, 6, 0), "Mod": ([I32, I64, F32, F64, F16, BF16], 1, 6, 0), "Maximum": (ORDERED, None, None, 1),
    "Minimum": (ORDERED, None, None, 1), "Pow": ([F32, F64, F16, C64, C128], .2, 2, 1), "SquaredDifference": (FLOATS + [I32, I64, C64], -3, 3, 1),
    "Atan2": (FLOATS, .2, 3, 1), "Xdivy": ([F16, F32, F64, C64], .2, 3, 1), "Xlogy": ([F16, F32, F64, C64], .2, 3, 1),
    "Xlog1py": ([F16, F32, F64], .2, 3, 1), "Igamma": ([F32, F64], .3, 4, 0), "Igammac": ([F32, F64], .3, 4, 0), "Zeta": ([F32, F64], 1.5, 4, 0),
    "Polygamma": ([F32, F64], 1, 3, 0), "BitwiseAnd": (INTS, None, None, 0), "BitwiseOr": (INTS, None, None, 0), "BitwiseXor": (INTS, None, None, 0),
    "LeftShift": (INTS, 0, 5, 0), "RightShift": (INTS, 0, 5, 0), "Equal": (ANY + [BOOL], 0, 3, 0), "NotEqual": (ANY + [BOOL], 0, 3, 0),
    "Greater": (ORDERED, 0, 3, 0), "GreaterEqual": (ORDERED, 0, 3, 0), "Less": (ORDERED, 0, 3, 0), "LessEqual": (ORDERED, 0, 3, 0),
    "LogicalAnd": ([BOOL], 0, 0, 0), "LogicalOr": ([BOOL], 0, 0, 0), "NextAfter": ([F32, F64], -2, 2, 0), "Complex": ([F32, F64], -2, 2, 1),
}
WHOLE = {"Zeta": ("x", "q"), "Polygamma": ("a", "x"), "Igamma": ("a", "x"), "Igammac": ("a", "x"), "NextAfter": ("x1", "x2"),
         "Atan2": ("y", "x"), "Complex": ("real", "imag")}


def broadcastable(rng):
    """Two shapes that broadcast (mostly)."""
    full = shape_of(rng, int(rng.integers(0, 5)), 4, 0.08)
    a, b = (tuple(1 if rng.random() < .3 else d for d in full) for _ in range(2))
    a = a[int(rng.integers(0, len(a) + 1)):] if rng.random() < .4 else a
    if rng.random() < .06 and b:
        b = b[:-1] + (b[-1] + 2,)
    return (a, b) if rng.random() < .5 else (b, a)


def unary(rng, op, spec):
    dtypes, low, high, grad = spec
    t = pick(rng, *dtypes)
    x = draw(rng, t, *shape_of(rng, int(rng.integers(0, 4)), 6), low=low, high=high)
    if np.dtype(t).kind == "f" or t == BF16:
        if op not in NOT_AT_EDGES and rng.random() < .3:
            x, grad = np.clip(EDGES, -6e4, 6e4).astype(t) if t == F16 else EDGES.astype(t), False
    if np.dtype(t).kind in "iub":
        grad = False
    arg = ARGUMENT.get(op, "x")
    return case(op, lambda x: getattr(raw, op)(**{arg: x}), x, grad=[0] if grad else [])


def binary(rng, op, spec):
    dtypes, low, high, grad = spec
    t = pick(rng, *dtypes)
    a, b = broadcastable(rng)
    x, y = draw(rng, t, *a, low=low, high=high), draw(rng, t, *b, low=low, high=high)
    if op in ("Div", "FloorDiv", "FloorMod", "TruncateDiv", "TruncateMod", "Mod") and np.dtype(t).kind != "u":
        x = draw(rng, t, *a)
        if rng.random() < .5:
            y = -y
    if op == "Polygamma":
        x = np.round(x)
    if op in ("FloorDiv", "Mod", "Div") and np.dtype(t).kind in "iu" and rng.random() < .1 and y.size and x.size:
        y.flat[0] = 0
    keys = WHOLE.get(op, ("x", "y"))
    real = np.dtype(t).kind not in "iub"
    more = {"Tout": C64 if t == F32 else C128} if op == "Complex" else {}
    tol = (1e-3, 1e-4) if op in ("Zeta", "Polygamma", "Igamma", "Igammac") and t == F32 else None
    return case(op, lambda x, y: getattr(raw, op)(**dict(zip(keys, (x, y))), **more), x, y, grad=[0, 1] if grad and real else [], tol=tol)


def clips(rng):
    t = pick(rng, *FLOATS, I32, I64, U8)
    x = draw(rng, t, *shape_of(rng, 2))
    yield case("ClipByValue", lambda x: raw.ClipByValue(t=x, clip_value_min=tf.cast(-1 if t != U8 else 1, t), clip_value_max=tf.cast(1, t)), x)
    t = pick(rng, *ANY, BOOL)
    shape = shape_of(rng, 2)
    yield case("SelectV2", lambda c, x, y: raw.SelectV2(condition=c, t=x, e=y), draw(rng, BOOL, shape[0], 1), draw(rng, t, *shape),
               draw(rng, t, shape[1]), grad=[1, 2] if np.dtype(t).kind not in "iub" else [])
    yield case("Select", lambda c, x, y: raw.Select(condition=c, x=x, y=y), draw(rng, BOOL, shape[0]), draw(rng, t, *shape),
               draw(rng, t, *shape), grad=[1, 2] if np.dtype(t).kind not in "iub" else [])
    a, b = pick(rng, *ANY, BOOL), pick(rng, *ANY, BOOL)
    x = draw(rng, a, *shape_of(rng, 2), **({} if np.dtype(a).kind in "cb" else {"low": 0, "high": 5}))
    yield case("Cast", lambda x: raw.Cast(x=x, DstT=b), x)
    yield case("LeakyRelu", lambda x: raw.LeakyRelu(features=x, alpha=.3), draw(rng, pick(rng, *FLOATS), 3, 4), grad=[0])
    yield case("AddN", lambda *x: raw.AddN(inputs=list(x)), *[draw(rng, a, 2, 3) for _ in range(3)]) if a != BOOL else clip_nothing(rng)
    yield case("Betainc", lambda a, b, x: raw.Betainc(a=a, b=b, x=x), draw(rng, F32, 4, low=.5, high=3), draw(rng, F32, 4, low=.5, high=3),
               draw(rng, F32, 4, low=.1, high=.9), tol=(1e-3, 1e-4))


def clip_nothing(rng):
    return case("Identity", lambda x: raw.Identity(input=x), draw(rng, BOOL, 3))


def cases(rng):
    for _ in range(2):
        for op, spec in UNARY.items():
            yield unary(rng, op, spec)
        for op, spec in BINARY.items():
            yield binary(rng, op, spec)
        yield from clips(rng)
