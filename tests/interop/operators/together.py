# SPDX-License-Identifier: Apache-2.0
"""Dtypes that go only with certain others: what changing one attribute at a time (dtypes.py) does not reach."""
from case import *


def normalizations(rng):
    for t in (F16, BF16):
        four, pair = draw(rng, t, 2, 3, 3, 2), [draw(rng, F32, 2, low=.5) for _ in range(4)]
        for name in ("FusedBatchNormV3", "FusedBatchNormV2"):
            for training in (True, False):
                yield case(name, lambda x, s, o, m, v: getattr(raw, name)(x=x, scale=s, offset=o, mean=m, variance=v, is_training=training).y, four, *pair)
        yield case("FusedBatchNormGradV2", lambda d, x, s, a, b: list(raw.FusedBatchNormGradV2(
            y_backprop=d, x=x, scale=s, reserve_space_1=a, reserve_space_2=b))[:3], draw(rng, t, 2, 3, 3, 2), four, *pair[:3])
        yield case("FusedBatchNormGradV3", lambda d, x, s, a, b: list(raw.FusedBatchNormGradV3(
            y_backprop=d, x=x, scale=s, reserve_space_1=a, reserve_space_2=b, reserve_space_3=b))[:3], draw(rng, t, 2, 3, 3, 2), four, *pair[:3])


def integers(rng):
    for t in (I8, I16, I32, I64):
        for out in (tf.float32, tf.float64):
            yield case("IsotonicRegression", lambda x: list(raw.IsotonicRegression(input=x, output_dtype=out)), draw(rng, t, 2, 4))
    for a in (I8, U8):
        for b in (I8, U8):
            yield case("BatchMatMulV3", lambda x, y: raw.BatchMatMulV3(x=x, y=y, Tout=tf.int32), draw(rng, a, 2, 3), draw(rng, b, 3, 2))
    for t in (U32, U64):
        yield case("MaxPoolGradV2", lambda x, y, d: raw.MaxPoolGradV2(orig_input=x, orig_output=y, grad=d, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID"),
                   draw(rng, t, 1, 4, 4, 1), draw(rng, t, 1, 2, 2, 1), draw(rng, t, 1, 2, 2, 1))


def quantized(rng):
    for mode in ("MIN_COMBINED", "MIN_FIRST", "SCALED"):
        for t in (tf.qint8, tf.quint8):
            for out in (tf.bfloat16, tf.float32):
                yield case("Dequantize", lambda x: raw.Dequantize(input=tf.bitcast(x, t), min_range=-1., max_range=2., mode=mode, dtype=out),
                           draw(rng, U8, 7, low=0, high=256))


def isotonic_rows(rng):
    """Rows are along the last axis, of any rank; TensorFlow's gradient takes but matrices."""
    for shape in ((5,), (2, 3, 4), (2, 1, 2, 5), (2, 0, 3), (3, 2, 0)):
        yield case("IsotonicRegression", lambda x: list(raw.IsotonicRegression(input=x)), draw(rng, F32, *shape))


def cases(rng):
    for part in (normalizations, integers, quantized, isotonic_rows):
        yield from part(rng)
