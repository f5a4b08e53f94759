# SPDX-License-Identifier: Apache-2.0
"""Fourier transforms of every length, over one to three dimensions, with gradients; sound."""
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


def cases(rng):
    yield from complex_ones(rng)
    yield from real_ones(rng)
