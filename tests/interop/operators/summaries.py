# SPDX-License-Identifier: Apache-2.0
"""TensorFlow 1's summaries: the bytes of Summary messages."""
from case import *

REAL = [F32, F64, F16, BF16, I8, I16, I32, I64, U8, U16, U32, U64]


def tag(*names):
    return np.array(names, object) if len(names) != 1 else np.array(names[0], object)


def numbers(rng):
    for t in REAL:
        yield case("ScalarSummary", lambda g, x: raw.ScalarSummary(tags=g, values=x), tag("loss"), draw(rng, t))
        yield case("HistogramSummary", lambda g, x: raw.HistogramSummary(tag=g, values=x), tag("w"), draw(rng, t, 3, 4))
    yield case("ScalarSummary", lambda g, x: raw.ScalarSummary(tags=g, values=x), tag("a", "b/c", "\u00e9"), draw(rng, F32, 3))
    yield case("ScalarSummary", lambda g, x: raw.ScalarSummary(tags=g, values=x), tag("a", "b"), draw(rng, F32, 3))
    yield case("ScalarSummary", lambda g, x: raw.ScalarSummary(tags=g, values=x), tag("a"), np.array(np.nan, np.float32))
    for x in ([], [0, 0], [1e-13, -1e-13, 1e30, -1e30], [np.nan, 1], [np.inf], [5]):
        yield case("HistogramSummary", lambda g, x: raw.HistogramSummary(tag=g, values=x), tag("h"), np.array(x, np.float32))


def tensors(rng):
    for t in (F32, I64, BOOL, C64):
        x = draw(rng, t, 2, 2)
        yield case("TensorSummaryV2", lambda g, x: raw.TensorSummaryV2(
            tag=g, tensor=x, serialized_summary_metadata=tf.constant(b"\n\x03\n\x01p")), tag("t"), x)
    yield case("TensorSummaryV2", lambda g, x: raw.TensorSummaryV2(
        tag=g, tensor=x, serialized_summary_metadata=tf.constant(b"\xff")), tag("t"), draw(rng, F32, 2))
    one = lambda g, x: raw.ScalarSummary(tags=g, values=x)
    yield case("MergeSummary", lambda x, y: raw.MergeSummary(inputs=[one("a", x), one("b", y), raw.HistogramSummary(
        tag="c", values=x)]), draw(rng, F32), draw(rng, F32))
    yield case("MergeSummary", lambda x, y: raw.MergeSummary(inputs=[one("a", x), one("a", y)]), draw(rng, F32), draw(rng, F32))
    yield case("MergeSummary", lambda x: raw.MergeSummary(inputs=[x]), tag(b"\xff\xff"))


def pictures(rng):
    """Images as far as compression leaves one way of writing them."""
    for most in (1, 2, 3):
        for t in (F32, U8, F16, F64):
            for shape in ((2, 3, 4, 1), (1, 2, 2, 3), (3, 1, 1, 4)):
                yield case("ImageSummary", lambda g, x, n=most: raw.ImageSummary(tag=g, tensor=x, max_images=n), tag("i"),
                           draw(rng, t, *shape, low=0 if t == U8 or rng.random() < .5 else None))
    x = draw(rng, F32, 1, 2, 2, 3)
    x[0, 0, 0, 1], x[0, 1, 1, 2] = np.nan, np.inf
    yield case("ImageSummary", lambda g, x: raw.ImageSummary(tag=g, tensor=x), tag("i"), x)
    yield case("ImageSummary", lambda g, x: raw.ImageSummary(tag=g, tensor=x), tag("i"), np.zeros((1, 2, 2, 1), np.float32))
    for shape in ((2, 2, 1), (1, 2, 2, 2), (0, 2, 2, 1)):
        yield case("ImageSummary", lambda g, x: raw.ImageSummary(tag=g, tensor=x), tag("i"), draw(rng, F32, *shape), shapes="unknown")


def sounds(rng):
    for shape in ((2, 5), (2, 5, 2), (4, 3, 1)):
        for most in (1, 3):
            x = draw(rng, F32, *shape)
            yield case("AudioSummaryV2", lambda g, x, n=most: raw.AudioSummaryV2(tag=g, tensor=x, sample_rate=8000.0, max_outputs=n),
                       tag("s"), x)


def cases(rng):
    for part in (numbers, tensors, pictures, sounds):
        yield from part(rng)
