# SPDX-License-Identifier: Apache-2.0
"""Fourier transforms of every length, over one to three dimensions, with gradients; sound."""
import struct

from case import *

TOL = {C64: (1e-4, 1e-4), C128: (1e-10, 1e-10)}


def size(rng):
    return int(pick(rng, *range(1, 20), 23, 37, 41, 64, 97, 100))


def complex_ones(rng):
    for n, name in [(1, "FFT"), (1, "IFFT"), (2, "FFT2D"), (2, "IFFT2D"), (3, "FFT3D"), (3, "IFFT3D")]:
        for t in [C64, C128]:
            dims = [size(rng)] if n == 1 else [int(v) for v in rng.integers(1, 8, n)]
            batch = pick(rng, (), (2,), (2, 1), (0,))
            yield case(name, lambda x: getattr(raw, name)(input=x), draw(rng, t, *batch, *dims), grad=[0], tol=TOL[t])
    yield case("FFT2D", lambda x: raw.FFT2D(input=x), draw(rng, C64, 3), shapes="unknown")
    yield case("FFT", lambda x: raw.FFT(input=x), draw(rng, C64, 3, 0))


def real_ones(rng):
    for n in [1, 2, 3]:
        for t, c in [(F32, C64), (F64, C128)]:
            dims = [size(rng)] if n == 1 else [int(v) for v in rng.integers(1, 8, n)]
            batch = pick(rng, (), (2,), (2, 1), (0,))
            more = int(rng.integers(0, 2))
            name = "RFFT" + ("" if n == 1 else "%dD" % n)
            x = draw(rng, t, *batch, *dims[:-1], dims[-1] + more)
            yield case(name, lambda x, l: getattr(raw, name)(input=x, fft_length=l, Tcomplex=c), x, I32(dims),
                       grad=[0] if n < 3 and not more else [], tol=TOL[c])
            y = draw(rng, c, *batch, *dims[:-1], dims[-1] // 2 + 1 + more)
            yield case("I" + name, lambda x, l: getattr(raw, "I" + name)(input=x, fft_length=l, Treal=t), y, I32(dims),
                       grad=[0] if n < 3 and not more else [], tol=TOL[c])
    x = draw(rng, F32, 2, 5)
    for length in [[6], [5, 5], [-3]]:
        yield case("RFFT", lambda x, l: raw.RFFT(input=x, fft_length=l), x, I32(length), shapes="unknown")
    yield case("IRFFT", lambda x: raw.IRFFT(input=x, fft_length=[10]), draw(rng, C64, 2, 5))
    yield case("RFFT", lambda x: raw.RFFT(input=x, fft_length=[4], Tcomplex=C128), x)


def wav(rng, kind=1, channels=1, rate=8000, bits=16, more=b"", before=b"", after=b"", count=5):
    fmt = struct.pack("<HHIIHH", kind, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits) + more
    data = rng.bytes(count * channels * bits // 8)
    body = b"WAVE" + before + b"fmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", len(data)) + data + after
    return b"RIFF" + struct.pack("<I", len(body)) + body


def sound(rng):
    for channels in [1, 2, 3]:
        data, kw = wav(rng, channels=channels), dict(desired_channels=int(rng.integers(-1, 4)), desired_samples=int(rng.integers(-1, 9)))
        yield case("DecodeWav", lambda d: raw.DecodeWav(contents=d, **kw), data)
        yield case("DecodeWav", lambda d: raw.DecodeWav(contents=d), data[:int(rng.integers(0, len(data)))])
        yield case("EncodeWav", lambda x, r: raw.EncodeWav(audio=x, sample_rate=r), draw(rng, F32, int(rng.integers(0, 5)), channels),
                   I32(rng.integers(1, 50000)))
    for kw in [dict(bits=8), dict(bits=24), dict(kind=3, bits=32), dict(more=b"\0\0"), dict(more=b"\0" * 24), dict(before=b"LIST\1\0\0\0a"),
               dict(after=b"LIST\2\0\0\0ab"), dict(after=b"data\2\0\0\0\5\0"), dict(channels=0), dict(rate=0), dict(count=0)]:
        yield case("DecodeWav", lambda d: raw.DecodeWav(contents=d), wav(rng, **kw))
    yield case("EncodeWav", lambda x: raw.EncodeWav(audio=x, sample_rate=0), draw(rng, F32, 2, 1))
    yield case("EncodeWav", lambda x: raw.EncodeWav(audio=x, sample_rate=1), F32([[np.nan, np.inf, -np.inf, 0.9999]]))
    for window in [2, 5, int(rng.integers(2, 33)), 1, 40]:
        kw = dict(window_size=window, stride=int(rng.integers(1, 8)), magnitude_squared=bool(rng.integers(0, 2)))
        yield case("AudioSpectrogram", lambda x: raw.AudioSpectrogram(input=x, **kw), draw(rng, F32, 35, int(rng.integers(1, 3))),
                   tol=(1e-4, 1e-5))
    for bins, rate, kw in [(33, 16000, {}), (129, 8000, dict(dct_coefficient_count=5, filterbank_channel_count=10)), (33, 6000, {}),
                           (1, 16000, {}), (33, 0, {}), (33, 16000, dict(lower_frequency_limit=5000.0)), (20, 3000, dict(upper_frequency_limit=900.0)),
                           (33, 16000, dict(dct_coefficient_count=41))]:
        yield case("Mfcc", lambda x, r: raw.Mfcc(spectrogram=x, sample_rate=r, **kw), draw(rng, F32, 2, 2, bins, low=0), I32(rate),
                   tol=(1e-3, 1e-3))


def cases(rng):
    yield from sound(rng)
    yield from complex_ones(rng)
    yield from real_ones(rng)
