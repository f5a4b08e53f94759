#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes cases.txt: what TensorFlow gives for each operator of mathematics with each dtype its CPU kernels take.

usage: make.py OP_DEFS.jsonl > cases.txt     (with TensorFlow; op definitions as JSON lines)

One case a line: operator, attributes, inputs, results, separated by tabs; tensors as tests/unit/op_case.h
writes them, separated by "; ".
"""
import json
import os
import sys

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
os.environ['TF_ENABLE_ONEDNN_OPTS'] = '0'
import numpy as np
import tensorflow as tf

rng = np.random.RandomState(1)
defs = {o['op']: o for o in map(json.loads, open(sys.argv[1]))}
NP = {'float': np.float32, 'double': np.float64, 'half': np.float16, 'bfloat16': tf.bfloat16.as_numpy_dtype,
      'complex64': np.complex64, 'complex128': np.complex128, 'bool': np.bool_}
NP.update({k: getattr(np, k) for k in 'int8 int16 int32 int64 uint8 uint16 uint32 uint64'.split()})
NAME = {np.dtype(v): k for k, v in NP.items()}


def number(v):
    if isinstance(v, (complex, np.complexfloating)):
        return '%s%s%si' % (number(v.real), '' if v.imag < 0 or np.signbit(v.imag) else '+', number(v.imag))
    if isinstance(v, (bool, np.bool_)):
        return '%d' % v
    return str(v) if v.dtype != NP['bfloat16'] else str(np.float32(v))


def text(a):
    a = np.asarray(a)
    shape = '[%s]' % ','.join(map(str, a.shape)) if a.ndim else ''
    return ' '.join([NAME[a.dtype] + shape] + [number(v) for v in a.ravel()])


def value(shape, dtype, low=-3, high=3):
    n = NP[dtype]
    if dtype == 'bool':
        return rng.rand(*shape) > .5
    if 'complex' in dtype:
        return (rng.uniform(low, high, shape) + 1j * rng.uniform(low, high, shape)).astype(n)
    if 'int' in dtype:
        low, high = (max(low, 0), max(high, 0)) if dtype[0] == 'u' else (low, high)
        return np.array(rng.randint(int(np.floor(low)), int(np.ceil(high)) + 1, shape)).astype(n)
    return np.array(np.round(rng.uniform(low, high, shape), 3)).astype(n)


def case(op, inputs, attrs='', renamed={}, **kw):
    names = [renamed.get(a['name'], a['name']) for a in defs[op]['in']]
    args = {names[0]: inputs} if defs[op]['in'][0].get('number') else dict(zip(names, inputs))
    try:
        out = getattr(tf.raw_ops, op)(**args, **kw)
    except Exception:  # no kernel for this dtype
        return
    out = list(out) if isinstance(out, (list, tuple)) else [out]
    print('\t'.join([op, attrs, '; '.join(map(text, inputs)), '; '.join(text(o.numpy()) for o in out)]))


def types(op, attr='T'):
    row = [a for a in defs[op]['attr'] if a['name'] == attr][0]
    if 'default' in row:  # called from Python, TensorFlow takes other dtypes as the default one
        return [row['default']]
    return [t for t in dict.fromkeys(row.get('allowed') or list(NP)) if t in NP]


def i32(*v):
    return np.array(v if len(v) > 1 else v[0], np.int32)


POSITIVE, INSIDE = (.3, 3), (-.9, .9)
UNARY = {'Sqrt': POSITIVE, 'Rsqrt': POSITIVE, 'Log': POSITIVE, 'Log1p': (-.8, 3), 'Asin': INSIDE, 'Acos': INSIDE,
         'Acosh': (1.1, 4), 'Atanh': INSIDE, 'Erfinv': INSIDE, 'Ndtri': (.05, .95), 'Lgamma': (.3, 8), 'Digamma': (.3, 8),
         'Tan': (-1.2, 1.2), 'Reciprocal': (.5, 3), 'Inv': (.5, 3), 'Relu6': (-3, 9)}
for op in ('Abs Neg Sign Square Sqrt Rsqrt Reciprocal Inv Exp Expm1 Log Log1p Sin Cos Tan Asin Acos Atan Sinh Cosh Tanh Asinh '
           'Acosh Atanh Sigmoid Erf Erfc Erfinv Ndtri Lgamma Digamma Floor Ceil Round Rint IsNan IsInf IsFinite Invert Relu '
           'Relu6 Elu Selu Softplus Softsign LeakyRelu L2Loss').split():
    for t in types(op):
        if op != 'Round' or 'int' not in t:  # TensorFlow 2.21 gives 0 for all integers
            case(op, [value((3, 3), t, *UNARY.get(op, (-3, 3)))])

LEFT = {'Pow': POSITIVE, 'Igamma': (.5, 3), 'Igammac': (.5, 3), 'Zeta': (1.5, 4), 'Polygamma': (1, 1)}
RIGHT = {'Pow': (0, 3), 'LeftShift': (0, 6), 'RightShift': (0, 6), 'Igamma': (.5, 3), 'Igammac': (.5, 3), 'Zeta': (1.5, 3),
         'Xlogy': (.5, 3), 'Xlog1py': (.5, 3)}
for op in ('Add AddV2 Sub Mul Div RealDiv DivNoNan MulNoNan FloorDiv FloorMod Mod TruncateDiv TruncateMod Pow '
           'SquaredDifference Maximum Minimum Atan2 Xdivy Xlogy Xlog1py Less LessEqual Greater GreaterEqual Equal NotEqual '
           'BitwiseAnd BitwiseOr BitwiseXor LeftShift RightShift Igamma Igammac NextAfter Polygamma Zeta').split():
    for t in types(op):
        divides = 'Div' in op or 'Mod' in op
        x, y = value((2, 1, 3), t, *LEFT.get(op, (-3, 3))), value((2, 3), t, *RIGHT.get(op, (1, 4) if divides else (-3, 3)))
        case(op, [x, y])
        if divides and t[0] != 'u':
            case(op, [x, -y])

for op in ('TanhGrad SigmoidGrad SqrtGrad RsqrtGrad ReciprocalGrad ReluGrad Relu6Grad EluGrad SeluGrad SoftplusGrad '
           'SoftsignGrad LeakyReluGrad').split():
    for t in types(op):
        case(op, [value((2, 3), t, .5, 2), value((2, 3), t)])

for op in 'Sum Mean Prod Max Min EuclideanNorm'.split():
    for t in types(op):
        if op == 'EuclideanNorm' and t in ('int8', 'uint8'):
            continue  # TensorFlow's sum of squares overflows
        for axes in ([1], [0, 2], [0, 1, 2]):
            low, high = (.5, 1.5) if op == 'Prod' else (-3, 3)
            case(op, [value((2, 3, 2), t, low, high), i32(axes)], 'keep_dims=true', {'reduction_indices': 'axis'}, keep_dims=True)
for op in ('ArgMax', 'ArgMin'):
    for t in types(op):
        case(op, [value((2, 4, 2), t), i32(1)])
for op in ('Cumsum', 'Cumprod'):
    for t in types(op):
        for ex in (False, True):
            case(op, [value((2, 4), t, -2, 2), i32(1)], 'exclusive=%s reverse=%s' % (str(ex).lower(), str(not ex).lower()),
                 exclusive=ex, reverse=not ex)
for t in types('CumulativeLogsumexp'):
    case('CumulativeLogsumexp', [value((2, 3), t), i32(1)])
for op in 'Sum Mean Prod Max Min'.split():
    for t in types('Segment' + op):
        case('Segment' + op, [value((6, 2), t, -2, 2), i32(0, 0, 1, 3, 3, 3)])
    if op != 'Mean':
        for t in types('UnsortedSegment' + op):
            case('UnsortedSegment' + op, [value((6, 2), t, -2, 2), i32(3, 0, 1, -1, 3, 0), i32(4)])
for a in (False, True):
    for b in (False, True):
        for t in types('MatMul'):
            case('MatMul', [value((3, 2) if a else (2, 3), t), value((2, 3) if b else (3, 2), t)],
                 'transpose_a=%s transpose_b=%s' % (str(a).lower(), str(b).lower()), transpose_a=a, transpose_b=b)
        for t in types('BatchMatMulV2'):
            case('BatchMatMulV2', [value((2, 1, 3, 2) if a else (2, 1, 2, 3), t), value((2, 2, 3) if b else (2, 3, 2), t)],
                 'adj_x=%s adj_y=%s' % (str(a).lower(), str(b).lower()), adj_x=a, adj_y=b)
for equation, *shapes in [('ab,bc->ac', (2, 3), (3, 2)), ('ba,bc->ca', (2, 3), (2, 2)), ('...ab,...bc->...ca', (1, 2, 3), (2, 3, 1)),
                          ('aab->ab', (2, 2, 3)), ('abc->ca', (2, 2, 3)), ('a->aa', (3,)), ('bhqk,bkhd->bqhd', (1, 2, 2, 3), (1, 3, 2, 2))]:
    for t in ('float', 'double', 'half', 'int32', 'int64', 'complex64', 'complex128'):
        case('Einsum', [value(s, t) for s in shapes], 'equation=' + equation, equation=equation)
for t in types('Cross'):
    case('Cross', [value((2, 3), t), value((2, 3), t)])
for t in types('TopKV2'):
    case('TopKV2', [value((2, 6), t, -100, 100), i32(3)])
for s in NP:
    for d in NP:
        case('Cast', [value((4,), s, 0 if 'u' in s[:1] + d[:1] else -100, 100)], 'DstT=' + d, DstT=tf.as_dtype(NP[d]))
for t in types('AddN'):
    case('AddN', [value((2, 2), t) for _ in range(4)])
for t in types('ClipByValue'):
    case('ClipByValue', [value((2, 3), t), value((), t, -1, 0), value((), t, 1, 1)])
for t in NP:
    case('Select', [value((2,), 'bool'), value((2, 2), t), value((2, 2), t)], '', {'t': 'x', 'e': 'y'})
    case('SelectV2', [value((2, 1), 'bool'), value((2,), t), value((2, 2), t)])
    case('MatrixBandPart', [value((2, 2, 3), t), np.array(1), np.array(0)])
    case('MatrixDiagV3', [value((2, 3, 2), t), i32(-1, 1), i32(-1), i32(-1), value((), t)])
for t in types('Range', 'Tidx'):
    case('Range', [np.array(v).astype(NP[t]) for v in (1, 9, 2)])
for t in types('LinSpace'):
    case('LinSpace', [value((), t, 0, 1), value((), t, 2, 3), i32(5)])
