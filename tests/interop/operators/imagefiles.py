# SPDX-License-Identifier: Apache-2.0
"""Files of images: PNG of every kind of pixel, GIF, BMP and JPEG, whole, damaged and given to the wrong operator."""
import struct
import zlib

from case import *


# ==== writers of what TensorFlow does not write ====

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(rng, w, h, depth, kind, trns=False, interlaced=False):
    """Any pixels: kind is PNG's (0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGBA)."""
    per = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]

    def rows(w, h):
        return b"".join(b"\0" + rng.bytes((w * per * depth + 7) // 8) for _ in range(h)) if w and h else b""
    data = rows(w, h)
    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
        data = b"".join(rows(len(range(x, w, dx)), len(range(y, h, dy))) for x, y, dx, dy in passes)
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, kind, 0, 0, interlaced))
    if kind == 3:
        out += chunk(b"PLTE", rng.bytes(3 << depth))
    if trns:
        out += chunk(b"tRNS", rng.bytes(2 if kind == 3 else 2 * per))
    return out + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def lzw(numbers, bits):
    clear, out, acc, n = 1 << bits, bytearray(), 0, 0
    codes = [(clear, bits + 1)]
    table, free, width, seen = {(i,): i for i in range(clear)}, clear + 2, bits + 1, ()
    for p in numbers:
        if seen + (p,) in table:
            seen += (p,)
            continue
        codes.append((table[seen], width))
        if free < 4096:
            table[seen + (p,)] = free
            width += free == 1 << width and width < 12
            free += 1
        else:
            codes.append((clear, width))
            table, free, width = {(i,): i for i in range(clear)}, clear + 2, bits + 1
        seen = (p,)
    codes += [(table[seen], width), (clear + 1, width)]
    for code, width in codes:
        acc |= code << n
        n += width
        while n >= 8:
            out.append(acc & 255)
            acc, n = acc >> 8, n - 8
    return bytes(out) + (bytes([acc & 255]) if n else b"")


def frame(rng, x, y, w, h, bits, own_colours=False, transparent=None, interlaced=False):
    numbers = rng.integers(0, 1 << bits, w * h).tolist()
    out = b"" if transparent is None else b"\x21\xf9\x04\x09\0\0" + bytes([transparent]) + b"\0"
    flags = (0x80 | bits - 1 if own_colours else 0) | (0x40 if interlaced else 0)
    out += b"\x2c" + struct.pack("<HHHHB", x, y, w, h, flags) + (rng.bytes(3 << bits) if own_colours else b"")
    data = lzw(numbers, max(bits, 2))
    blocks = b"".join(bytes([len(data[i:i + 255])]) + data[i:i + 255] for i in range(0, len(data), 255))
    return out + bytes([max(bits, 2)]) + blocks + b"\0"


def gif(rng, w, h, frames, bits, colours=True):
    head = b"GIF89a" + struct.pack("<HHBBB", w, h, 0x80 | bits - 1 if colours else 0, 0, 0)
    return head + (rng.bytes(3 << bits) if colours else b"") + b"".join(frames) + b"\x3b"


def bmp(rng, w, h, bits):
    data = rng.bytes((bits // 8 * w + 3) // 4 * 4 * abs(h))
    return (b"BM" + struct.pack("<IHHI", 54 + len(data), 0, 0, 54) +
            struct.pack("<IiiHHIIiiII", 40, w, h, 1, bits, 0, len(data), 0, 0, 0, 0) + data)


def smooth(rng, h, w, c):
    y, x = np.mgrid[:h, :w]
    waves = [np.sin(y * rng.uniform(0, 0.5) + x * rng.uniform(0, 0.5) + k) for k in range(c)]
    return (np.stack(waves, -1) * 100 + 120 + rng.uniform(-8, 8, (h, w, c))).astype(U8)


def jpeg(rng, h, w, c, **kw):
    with v1.Session(graph=v1.Graph()) as s, s.graph.as_default():
        return s.run(raw.EncodeJpeg(image=smooth(rng, h, w, c), **kw))


CMYK = base64.b64decode(
    "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAoHB4jHhkoIyEjLSsoMDxkQTw3Nzx7WF1JZJGAmZaPgIyKoLTmw6Cq2q2KjMj/y9ru9f///5vB////+v/m/f/4/8AA"
    "FAgABAAFBEMRAE0RAFkRAEsRAP/EABUAAQEAAAAAAAAAAAAAAAAAAAMC/8QAIhAAAgIBBAEFAAAAAAAAAAAAAQIDEQAEEiFBYTFxcpGx/9oADgRDAE0AWQBL"
    "AAA/AG0sKSghlFKOAPcj8AwtTMdNs2qrBgRTdUa68V9ZDznTyuFRGpittZ4HI784azOsStHSFvWlBvgHv5HP/9k=")


# ==== the cases ====

def pngs(rng):
    for depth, kind in [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (8, 2), (16, 2), (1, 3), (2, 3), (4, 3), (8, 3), (8, 4), (16, 4),
                        (8, 6), (16, 6)]:
        trns, interlaced = bool(kind in (0, 2, 3) and rng.integers(0, 2)), bool(rng.integers(0, 2))
        data = png(rng, int(rng.integers(1, 12)), int(rng.integers(1, 9)), depth, kind, trns, interlaced)
        channels, dtype = int(pick(rng, 0, 0, 1, 3, 4)), pick(rng, tf.uint8, tf.uint16)
        yield case("DecodePng", lambda d: raw.DecodePng(contents=d, channels=channels, dtype=dtype), data)
        dtype, channels = pick(rng, tf.uint8, tf.uint16, tf.float32), int(pick(rng, 0, 1, 3, 4))
        yield case("DecodeImage", lambda d: raw.DecodeImage(contents=d, channels=channels, dtype=dtype), data)
    op = pick(rng, raw.DecodeJpeg, raw.DecodeGif, raw.DecodeBmp)
    yield case("DecodePng", lambda d: op(contents=d), data)
    yield case("DecodePng", lambda d: raw.DecodePng(contents=d), data[:int(rng.integers(0, len(data)))])
    for c in range(1, 5):
        dtype, shape = pick(rng, U8, U16), pick(rng, (3, 5, c), (2, 4, 3, c), (0, 2, 2, c), (1, 0, 3, c))
        level = int(rng.integers(-1, 10))
        yield case("EncodePng", lambda x: raw.EncodePng(image=x, compression=level),
                   rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True))
    yield case("EncodePng", lambda x: raw.EncodePng(image=x), draw(rng, U8, 3, 3, 5))
    yield case("EncodePng", lambda x: raw.EncodePng(image=x, compression=12), draw(rng, U8, 3, 3, 3))


def gifs(rng):
    for _ in range(8):
        bits, frames = int(rng.integers(1, 9)), []
        for _ in range(int(rng.integers(1, 4))):
            x, y = (int(v) for v in rng.integers(0, 4, 2))
            w, h = (int(v) for v in rng.integers(1, 20, 2))
            transparent = pick(rng, None, int(rng.integers(0, 1 << bits)))
            frames.append(frame(rng, x, y, w, h, bits, bool(rng.integers(0, 2)), transparent, bool(rng.integers(0, 2))))
        data = gif(rng, 9, 9, frames, bits, rng.random() < 0.8)
        yield case("DecodeGif", lambda d: raw.DecodeGif(contents=d), data)
        dtype, all_of = pick(rng, tf.uint8, tf.uint16, tf.float32), bool(rng.integers(0, 2))
        yield case("DecodeImage", lambda d: raw.DecodeImage(contents=d, dtype=dtype, expand_animations=all_of), data)
        op = pick(rng, raw.DecodeJpeg, raw.DecodePng, raw.DecodeBmp)
        yield case("DecodeGif", lambda d: op(contents=d, channels=int(pick(rng, 0, 3, 3, 1))), data)
        yield case("DecodeGif", lambda d: raw.DecodeGif(contents=d), data[:int(rng.integers(0, len(data)))])
    yield case("DecodeGif", lambda d: raw.DecodeGif(contents=d), gif(rng, 65, 66, [frame(rng, 0, 0, 65, 66, 8)], 8))


def bmps(rng):
    for bits in [8, 24, 32, 16]:
        h, channels = int(rng.choice([-5, -1, 1, 4])), int(pick(rng, 0, 1, 3, 4))
        data = bmp(rng, int(rng.integers(1, 9)), h, bits)
        dtype = tf.uint8 if h < 0 else pick(rng, tf.uint8, tf.uint16, tf.float32)  # TensorFlow ends on the others
        yield case("DecodeBmp", lambda d: raw.DecodeBmp(contents=d, channels=channels), data)
        yield case("DecodeBmp", lambda d: raw.DecodeImage(contents=d, channels=channels, dtype=dtype), data)
        yield case("DecodeBmp", lambda d: raw.DecodeBmp(contents=d), data[:-1])
        yield case("DecodeBmp", lambda d: raw.DecodePng(contents=d), data)
    for w, h in [(0, 1), (1, 0), (-1, 1), (1 << 30, 1 << 30)]:
        yield case("DecodeBmp", lambda d: raw.DecodeBmp(contents=d),
                   data[:18] + struct.pack("<iiHH", w, h, 1, 24) + data[30:])


def jpegs(rng):
    for _ in range(8):
        h, w, c = int(rng.integers(1, 28)), int(rng.integers(1, 28)), int(rng.choice([1, 3]))
        passes = bool(rng.integers(0, 2))
        data = jpeg(rng, h, w, c, quality=int(rng.integers(20, 100)), progressive=passes,
                    chroma_downsampling=bool(rng.integers(0, 2)))
        kw = dict(channels=int(rng.choice([0, 1, 3])), ratio=int(rng.choice([1, 1, 2, 4, 8])), fancy_upscaling=bool(rng.integers(0, 2)),
                  dct_method=str(rng.choice(["", "INTEGER_FAST", "INTEGER_ACCURATE"])))
        yield case("DecodeJpeg", lambda d: raw.DecodeJpeg(contents=d, **kw), data)
        top, left = int(rng.integers(-1, h)), int(rng.integers(0, w))
        window = np.array([top, left, rng.integers(1, h + 2), rng.integers(1, w + 2)], I32)
        if rng.integers(0, 2):
            window = np.array([0, left, h, w - left], I32)
        kw["ratio"] = 1
        yield case("DecodeAndCropJpeg", lambda d, b: raw.DecodeAndCropJpeg(contents=d, crop_window=b, **kw), data, window)
        dtype = pick(rng, tf.uint8, tf.uint16, tf.float32)
        yield case("DecodeJpeg", lambda d: raw.DecodeImage(contents=d, dtype=dtype), data)
        yield case("ExtractJpegShape", lambda d: raw.ExtractJpegShape(contents=d), data)
        cut = data[:int(rng.integers(1, len(data)))]
        yield case("DecodeJpeg", lambda d: raw.DecodeJpeg(contents=d), cut)
        yield case("DecodeJpeg", lambda d: raw.DecodeJpeg(contents=d, try_recover_truncated=True), data[:-2])
    yield case("DecodeJpeg", lambda d: raw.DecodeJpeg(contents=d, channels=int(rng.choice([0, 3]))), CMYK)
    yield case("ExtractJpegShape", lambda d: raw.ExtractJpegShape(contents=d, output_type=tf.int64), CMYK)
    yield case("ExtractJpegShape", lambda d: raw.ExtractJpegShape(contents=d), data[:30])
    for kw in [dict(channels=4), dict(ratio=3), dict(dct_method="X"), dict(channels=2)]:
        yield case("DecodeJpeg", lambda d: raw.DecodeJpeg(contents=d, **kw), data)
    yield case("DecodeGif", lambda d: raw.DecodeGif(contents=d), data)
    yield case("DecodeBmp", lambda d: raw.DecodeBmp(contents=d), data)
    for text in [b"", b"text", b"\xff\xd8\xff"]:
        yield case("DecodeJpeg", lambda d: raw.DecodeJpeg(contents=d), text)


def jpeg_writing(rng):
    for _ in range(6):
        x = smooth(rng, int(rng.integers(1, 24)), int(rng.integers(1, 24)), int(rng.choice([1, 3])))
        kw = dict(quality=int(rng.integers(0, 101)), progressive=bool(rng.integers(0, 2)), optimize_size=bool(rng.integers(0, 2)),
                  chroma_downsampling=bool(rng.integers(0, 2)), density_unit=str(rng.choice(["in", "cm"])),
                  x_density=int(rng.integers(1, 500)), xmp_metadata=str(rng.choice(["", "<x/>"])))
        yield case("EncodeJpeg", lambda x: raw.EncodeJpeg(image=x, **kw), x)
        yield case("EncodeJpegVariableQuality", lambda x, q: raw.EncodeJpegVariableQuality(images=x, quality=q), x,
                   I32(rng.integers(-5, 106)))
    for kw in [dict(format="rgb"), dict(format="grayscale"), dict(quality=101)]:
        yield case("EncodeJpeg", lambda x: raw.EncodeJpeg(image=x, **kw), smooth(rng, 2, 3, int(rng.choice([1, 3]))))
    yield case("EncodeJpeg", lambda x: raw.EncodeJpeg(image=x), draw(rng, U8, 2, 3, 2))
    yield case("EncodeJpeg", lambda x: raw.EncodeJpeg(image=x), draw(rng, U8, 0, 3, 3))


def cases(rng):
    yield from pngs(rng)
    yield from gifs(rng)
    yield from bmps(rng)
    yield from jpegs(rng)
    yield from jpeg_writing(rng)
