# SPDX-License-Identifier: Apache-2.0
"""Optionals: some tensors or none, their zeros and sums, also in lists."""
from case import *


def of(*x):
    return raw.OptionalFromValue(components=list(x))


def values(o, *like):
    return raw.OptionalGetValue(optional=o, output_types=[x.dtype for x in like], output_shapes=[x.shape for x in like])


def cases(rng):
    for t in (F32, I64, STRING, BOOL):
        shape = shape_of(rng, int(rng.integers(0, 3)), 3)
        x = texts(rng, ["a", ""], *shape) if t == STRING else draw(rng, t, *shape)
        y = draw(rng, F32, 2)
        yield case("OptionalFromValue", lambda x, y: [*values(of(x, y), x, y), raw.OptionalHasValue(optional=of(x))], x, y,
                   grad=[0, 1] if t == F32 else [])
    x, y = draw(rng, F32, 2, 3), draw(rng, F32, 2, 3)
    yield case("OptionalNone", lambda x: [raw.OptionalHasValue(optional=raw.OptionalNone()), x + 0.0], x)
    yield case("OptionalGetValue", lambda x: values(raw.OptionalNone(), x), x)
    yield case("OptionalGetValue", lambda x: values(of(x), x, x), x)
    yield case("OptionalGetValue", lambda x: raw.OptionalGetValue(optional=of(x), output_types=[tf.int32], output_shapes=[x.shape]), x)
    yield case("OptionalGetValue", lambda x: values(raw.EmptyTensorList(element_shape=-1, max_num_elements=-1, element_dtype=tf.float32), x), x)
    yield case("ZerosLike", lambda x, y: values(raw.ZerosLike(x=of(x, y)), x, y), x, y)
    yield case("ZerosLike", lambda x: raw.OptionalHasValue(optional=raw.ZerosLike(x=raw.OptionalNone())) | (x[0, 0] > 9), x)
    yield case("AddN", lambda x, y: values(raw.AddN(inputs=[of(x, y), of(y, y), of(x, x)]), x, y), x, y)
    yield case("AddN", lambda x: raw.OptionalHasValue(optional=raw.AddN(inputs=[of(x), raw.OptionalNone()])), x)

    def in_list(x, y):
        h = raw.EmptyTensorList(element_shape=np.zeros(0, I32), max_num_elements=-1, element_dtype=tf.variant)
        for o in (of(x), raw.OptionalNone(), of(y)):
            h = raw.TensorListPushBack(input_handle=h, tensor=o)
        sums = raw.AddN(inputs=[h, raw.ZerosLike(x=h), h])
        item = raw.TensorListGetItem(input_handle=sums, index=2, element_shape=np.zeros(0, I32), element_dtype=tf.variant)
        return values(item, x)
    yield case("AddN", in_list, x, y)
