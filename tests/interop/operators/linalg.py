# SPDX-License-Identifier: Apache-2.0
"""Linear algebra: what is only determined up to signs or an order is compared by products."""
from case import *
from containers import old_nodes

TOL = {F32: (2e-3, 2e-4), F64: (1e-8, 1e-9), C64: (2e-3, 2e-4), C128: (1e-8, 1e-9), F16: (2e-2, 2e-2)}


SOME = (F32, C128)  # dtypes whose gradients are looked at


def batch(rng):
    return shape_of(rng, int(rng.integers(0, 3)), 3, 0.05)


def matrix(rng, t, b, m, n, boost=0.0):
    """Well conditioned when boosted."""
    return (draw(rng, t, *b, m, n, low=-1, high=1) + boost * np.eye(m, n)).astype(t)


def definite(rng, t, b, n):
    a = draw(rng, t, *b, n, n, low=-1, high=1)
    return (a @ np.conj(np.swapaxes(a, -1, -2)) + n * np.eye(n)).astype(t)


def hermitian(rng, t, b, n):
    a = draw(rng, t, *b, n, n, low=-1, high=1)
    return (a + np.conj(np.swapaxes(a, -1, -2)) + np.diag(np.arange(n) * 3)).astype(t)


def factors(rng):
    for t in (F32, F64, C64, C128):
        b, n = batch(rng), int(rng.integers(1, 6))
        yield case("Cholesky", lambda x: raw.Cholesky(input=x), definite(rng, t, b, n), grad=[0] if t in SOME else [], tol=TOL[t])
        b, n = batch(rng), int(rng.integers(1, 6))
        yield case("Lu", lambda x: list(raw.Lu(input=x, output_idx_type=tf.int64)), matrix(rng, t, b, n, n, 2), tol=TOL[t])
        for full in (False, True):
            b, m, n = batch(rng), int(rng.integers(1, 6)), int(rng.integers(1, 6))
            yield case("Qr", lambda x, f=full: list(raw.Qr(input=x, full_matrices=f)), matrix(rng, t, b, m, n, 2),
                       grad=[0] if t in SOME and (not full or m <= n) else [], tol=TOL[t], shapes="known")
    l = np.tril(matrix(rng, F32, (2,), 3, 3, 3))
    yield case("CholeskyGrad", lambda l, d: raw.CholeskyGrad(l=l, grad=d), l.astype(F32), draw(rng, F32, 2, 3, 3), tol=TOL[F32])
    yield case("BatchCholesky", lambda x: raw.Cholesky(input=x), definite(rng, F32, (2, 2), 3), tol=TOL[F32])
    for bad in ((2, 3), (3,)):
        yield case("Cholesky", lambda x: raw.Cholesky(input=x), draw(rng, F32, *bad), shapes="unknown")
    yield case("Cholesky", lambda x: tf.math.is_nan(raw.Cholesky(input=x))[0, 0], np.array([[1, 2], [2, 1]], F32))
    yield case("Lu", lambda x: list(raw.Lu(input=x)), np.zeros((2, 2), F32))
    for s in ((0, 3), (2, 0)):
        yield case("Qr", lambda x: list(raw.Qr(input=x, full_matrices=True)), np.zeros(s, F32))


def spectra(rng):
    for t in (F32, F64, C64, C128):
        b, n = batch(rng), int(rng.integers(1, 6))
        def eigh(x):
            e, v = raw.SelfAdjointEigV2(input=x)
            return [e, tf.matmul(v * tf.expand_dims(e, -2), v, adjoint_b=True), tf.matmul(v, v, adjoint_a=True)]
        def eigh_grad(x):
            e, v = raw.SelfAdjointEigV2(input=x)
            return [e, tf.abs(v)]
        yield case("SelfAdjointEigV2", eigh, hermitian(rng, t, b, n), tol=TOL[t])
        yield case("SelfAdjointEigV2", eigh_grad, hermitian(rng, t, b, n), grad=[0] if t in SOME else [], tol=(1e-2, 1e-2) if t in (F32, C64) else (1e-6, 1e-6))
        yield case("SelfAdjointEigV2", lambda x: raw.SelfAdjointEigV2(input=x, compute_v=False).e, hermitian(rng, t, b, n), grad=[0] if t in SOME else [], tol=TOL[t])
        for full in (False, True):
            b, m, n = batch(rng), int(rng.integers(1, 6)), int(rng.integers(1, 6))
            def svd(x, f=full, p=min(m, n)):
                s, u, v = raw.Svd(input=x, full_matrices=f)
                return [s, tf.matmul(u[..., :p] * tf.expand_dims(s, -2), v[..., :p], adjoint_b=True),
                        tf.matmul(u, u, adjoint_a=True), tf.matmul(v, v, adjoint_a=True)]
            yield case("Svd", svd, matrix(rng, t, b, m, n), tol=TOL[t], shapes="known")
            def svd_grad(x, f=full, p=min(m, n)):
                s, u, v = raw.Svd(input=x, full_matrices=f)
                return [s, tf.abs(u[..., :p]), tf.abs(v[..., :p])]
            if abs(m - n) <= 1 or not full:
                a = matrix(rng, t, b, m, n) + (np.arange(m)[:, None] == np.arange(n)) * (3 + 2 * np.arange(n))
                yield case("Svd", svd_grad, a.astype(t), grad=[0] if t in SOME else [], tol=(1e-2, 1e-2) if t in (F32, C64) else (1e-6, 1e-6), shapes="known")
        yield case("Svd", lambda x: raw.Svd(input=x, compute_uv=False).s, matrix(rng, t, b, m, n), grad=[0] if t in SOME else [], tol=TOL[t])
        out = tf.complex64 if t in (F32, C64) else tf.complex128
        def eig(x, out=out):
            e, v = raw.Eig(input=x, Tout=out)
            y = tf.matmul(v * tf.expand_dims(e, -2), tf.linalg.inv(v))
            return [y, tf.reduce_sum(tf.abs(v) ** 2, -2), tf.sort(tf.abs(e), -1)]
        n = int(rng.integers(1, 6))
        yield case("Eig", eig, (matrix(rng, t, b, n, n) + np.diag(np.arange(n) * 2)).astype(t), tol=TOL[t])
        yield case("Eig", lambda x, out=out: tf.reduce_sum(raw.Eig(input=x, Tout=out).e ** 3, -1),
                   (matrix(rng, t, b, n, n) + np.diag(np.arange(n) * 2)).astype(t), grad=[0] if t in SOME else [], tol=TOL[t])
    yield case("Eig", lambda x: raw.Eig(input=x, Tout=tf.complex64, compute_v=False).e, np.array([[np.nan]], F32))
    yield case("Svd", lambda x: list(raw.Svd(input=x)), np.array([[np.nan]], F32))
    yield case("Svd", lambda x: list(raw.Svd(input=x, full_matrices=True)), np.zeros((0, 3), F32))
    yield case("SelfAdjointEigV2", lambda x: list(raw.SelfAdjointEigV2(input=x)), np.zeros((2, 3), F32), shapes="unknown")


def solutions(rng):
    for t in (F32, F64, C64, C128):
        for adjoint in (False, True):
            b, n, k = batch(rng), int(rng.integers(1, 6)), int(rng.integers(0, 4))
            a = matrix(rng, t, b, n, n, 3)
            yield case("MatrixInverse", lambda x, j=adjoint: raw.MatrixInverse(input=x, adjoint=j), a, grad=[0] if t in SOME else [], tol=TOL[t])
            yield case("MatrixSolve", lambda x, y, j=adjoint: raw.MatrixSolve(matrix=x, rhs=y, adjoint=j), a,
                       draw(rng, t, *b, n, k), grad=[0, 1] if t in SOME else [], tol=TOL[t])
            for lower in (False, True):
                wide = b[:-1] + (1,) if b and rng.random() < 0.5 else b
                yield case("MatrixTriangularSolve", lambda x, y, j=adjoint, l=lower: raw.MatrixTriangularSolve(
                    matrix=x, rhs=y, adjoint=j, lower=l), a, draw(rng, t, *wide, n, k), grad=[0, 1] if t in SOME else [], tol=TOL[t])
                bands = int(rng.integers(1, n + 1))
                d = draw(rng, t, *b, bands, n)
                d[..., 0 if lower else bands - 1, :] += 5
                yield case("BandedTriangularSolve", lambda x, y, j=adjoint, l=lower: raw.BandedTriangularSolve(
                    matrix=x, rhs=y, adjoint=j, lower=l), d, draw(rng, t, *b, n, k), grad=[0, 1] if t in SOME else [], tol=TOL[t])
        for fast in (True, False):
            b, m, n, k = batch(rng), int(rng.integers(1, 6)), int(rng.integers(1, 6)), int(rng.integers(1, 4))
            l2 = np.float64(rng.choice([0.0, 0.5])) if fast else np.float64(0)
            yield case("MatrixSolveLs", lambda x, y, z, f=fast: raw.MatrixSolveLs(matrix=x, rhs=y, l2_regularizer=z, fast=f),
                       matrix(rng, t, b, m, n, 2), draw(rng, t, *b, m, k), l2, grad=[0, 1] if fast and t == F32 else [],
                       tol=TOL[t], shapes="known")
        b, n = batch(rng), int(rng.integers(0, 5))
        yield case("MatrixDeterminant", lambda x: raw.MatrixDeterminant(input=x), matrix(rng, t, b, n, n, 1), grad=[0] if t in SOME else [], tol=TOL[t])
        yield case("LogMatrixDeterminant", lambda x: list(raw.LogMatrixDeterminant(input=x)), matrix(rng, t, b, n, n, 1), tol=TOL[t])
        yield case("LogMatrixDeterminant", lambda x: raw.LogMatrixDeterminant(input=x).log_abs_determinant,
                   matrix(rng, t, b, n, n, 2), grad=[0] if t == F32 else [], tol=TOL[t])
        yield case("MatrixSquareRoot", lambda x: raw.MatrixSquareRoot(input=x), definite(rng, t, b, n), grad=[0] if t == F32 else [], tol=TOL[t],
                   shapes="known")
    for t in (C64, C128):
        yield case("MatrixLogarithm", lambda x: raw.MatrixLogarithm(input=x), matrix(rng, t, (2,), 3, 3, 3), tol=TOL[t])
    z = np.zeros((2, 2), F32)
    yield case("MatrixInverse", lambda x: raw.MatrixInverse(input=x), z)
    yield case("MatrixInverse", lambda x: raw.MatrixInverse(input=x), np.zeros((2, 0, 0), F32))
    yield case("MatrixInverse", lambda x: raw.MatrixInverse(input=x), np.eye(2, dtype=F16) * 2)
    yield case("MatrixSolve", lambda x, y: raw.MatrixSolve(matrix=x, rhs=y), z, z)
    yield case("MatrixTriangularSolve", lambda x, y: raw.MatrixTriangularSolve(matrix=x, rhs=y), np.array([[1, 5], [2, 0]], F32), np.ones((2, 1), F32))
    yield case("MatrixSolve", lambda x, y: raw.MatrixSolve(matrix=x, rhs=y), np.eye(2, dtype=F32), np.zeros((3, 2), F32), shapes="unknown")
    yield case("MatrixSolve", lambda x, y: raw.MatrixSolve(matrix=x, rhs=y), np.zeros((2, 2, 2), F32), np.zeros((3, 2, 2), F32), shapes="unknown")
    yield case("MatrixSolveLs", lambda x, y: raw.MatrixSolveLs(matrix=x, rhs=y, l2_regularizer=0.0), z, z)
    yield case("MatrixSolveLs", lambda x, y: raw.MatrixSolveLs(matrix=x, rhs=y, l2_regularizer=0.0, fast=False), np.diag([2, 0]).astype(F32), z + 1)
    yield case("MatrixSolveLs", lambda x, y: raw.MatrixSolveLs(matrix=x, rhs=y, l2_regularizer=-1.0), z, z)
    yield case("BandedTriangularSolve", lambda x, y: raw.BandedTriangularSolve(matrix=x, rhs=y), z, z)
    yield case("MatrixDeterminant", lambda x: raw.MatrixDeterminant(input=x), z)
    yield case("LogMatrixDeterminant", lambda x: list(raw.LogMatrixDeterminant(input=x)), z)
    yield case("MatrixSquareRoot", lambda x: raw.MatrixSquareRoot(input=x), -np.eye(1, dtype=F32))


def tridiagonals(rng):
    for t in (F32, F64, C64, C128):
        b, n, k = batch(rng), int(rng.integers(1, 6)), int(rng.integers(1, 4))
        d = draw(rng, t, *b, 3, n)
        d[..., 1, :] += 5
        rhs = draw(rng, t, *b, n, k)
        for pivot in (True, False):
            yield case("TridiagonalSolve", lambda x, y, p=pivot: raw.TridiagonalSolve(diagonals=x, rhs=y, partial_pivoting=p), d, rhs,
                       grad=[0, 1] if t in SOME else [], tol=TOL[t])
        yield case("TridiagonalMatMul", lambda a, m, c, y: raw.TridiagonalMatMul(superdiag=a, maindiag=m, subdiag=c, rhs=y),
                   *[draw(rng, t, *b, 1, n) for _ in range(3)], rhs, grad=range(4) if t in SOME else [], tol=TOL[t])
    d = np.array([[1, 2, 0], [0, 0, 6], [0, 7, 8]], F32)
    yield case("TridiagonalSolve", lambda x, y: raw.TridiagonalSolve(diagonals=x, rhs=y), d, np.ones((3, 1), F32), tol=TOL[F32])
    yield case("TridiagonalSolve", lambda x, y: raw.TridiagonalSolve(diagonals=x, rhs=y), np.zeros((3, 2), F32), np.ones((2, 1), F32))
    yield case("TridiagonalSolve", lambda x, y: raw.TridiagonalSolve(diagonals=x, rhs=y), np.zeros((2, 2), F32), np.ones((2, 1), F32), shapes="unknown")


def old(rng):
    """Operators that only graphs of their time may have."""
    for t, name in ((F32, "FLOAT"), (F64, "DOUBLE"), (C64, "COMPLEX64"), (C128, "COMPLEX128")):
        for scale in (0.1, 3):
            yield case("MatrixExponential", lambda x, n=name: old_nodes(26, {"x": x}, ["y:0"], "y MatrixExponential x | T=DT_" + n),
                       (scale * draw(rng, t, 2, 3, 3)).astype(t), tol=TOL[t])
    for t, name in ((F32, "FLOAT"), (F64, "DOUBLE")):
        def joined(x, n=name):
            y, = old_nodes(10, {"x": x}, ["y:0"], "y SelfAdjointEig x | T=DT_" + n)
            return [y[..., 0, :], tf.abs(y[..., 1:, :])]
        b = draw(rng, t, 2, 3, 3)
        yield case("BatchMatrixDiag", lambda x, n=name: old_nodes(13, {"x": x}, ["d:0", "p:0", "s:0"], """
            d BatchMatrixDiag x | T=DT_%s
            p BatchMatrixDiagPart d | T=DT_%s
            s BatchMatrixSetDiag d x | T=DT_%s""" % (n, n, n)), draw(rng, t, 2, 3), tol=TOL[t])
        yield case("BatchMatrixBandPart", lambda x, n=name: old_nodes(13, {"x": x, "z": tf.constant(0, tf.int64)}, ["b:0"],
                                                                     "b BatchMatrixBandPart x z z | T=DT_" + n), b, tol=TOL[t])
        yield case("SelfAdjointEig", joined, hermitian(rng, t, (2,), 3), tol=TOL[t])


def larger(rng):
    """More rows than are done at once; matrices are made of a few numbers each, so that cases stay small."""
    def whole(x, n, t):
        k = tf.cast(tf.range(n), t)
        return tf.tensordot(x, tf.stack([tf.sin(k * (i + 1)) for i in range(x.shape[0])]), [[0], [0]])[:, None] * tf.cos(k * k) + tf.sin(k[:, None] * k + 1)
    for t in (F32, F64):
        n, tol = int(rng.integers(66, 80)), (1e-2, 1e-3) if t == F32 else (1e-7, 1e-8)
        def full(x, n=n, t=t):
            return whole(x, n, t)
        def both(x):
            a = full(x)
            return a + tf.transpose(a)
        def one(name, f):
            return case(name, f, draw(rng, t, 3), tol=tol, shapes="known")
        yield one("Eig", lambda x: tf.reduce_sum(raw.Eig(input=full(x), Tout=tf.complex128 if t == F64 else tf.complex64).e ** 2))
        yield one("SelfAdjointEigV2", lambda x: raw.SelfAdjointEigV2(input=both(x))[0])
        def joined(x):
            e, v = raw.SelfAdjointEigV2(input=both(x))
            return tf.matmul(v * e, v, transpose_b=True)[:4]
        yield one("SelfAdjointEigV2", joined)
        def product(x, columns=n):
            s, u, v = raw.Svd(input=full(x)[:, :columns])
            return s, tf.matmul(u * s, v, transpose_b=True)[:4]
        yield one("Svd", product)
        yield one("Svd", lambda x: product(x, 40))
        def complete(x):
            u = raw.Svd(input=full(x)[:, :9], full_matrices=True)[1]
            return tf.matmul(u, u, transpose_a=True)[-4:]
        yield one("Svd", complete)
        yield one("Qr", lambda x: tf.matmul(*raw.Qr(input=full(x)[:, :50]))[-4:])
        for adjoint in (False, True):
            yield one("MatrixSolve", lambda x: tf.matmul(full(x), raw.MatrixSolve(matrix=full(x), rhs=tf.eye(n, dtype=t) * 2, adjoint=adjoint), adjoint_a=adjoint)[-4:])
        yield one("MatrixInverse", lambda x: tf.matmul(raw.MatrixInverse(input=full(x)), full(x))[-4:])
        yield one("Cholesky", lambda x: raw.Cholesky(input=tf.matmul(full(x), full(x), transpose_b=True) / n + tf.eye(n, dtype=t))[-3:])
    for n in (5, 9, 17, 24):
        yield case("Eig", lambda x: tf.reduce_sum(raw.Eig(input=x, Tout=tf.complex128).e ** 3), draw(rng, F64, n, n))
        yield case("Eig", lambda x: tf.reduce_sum(raw.Eig(input=x, Tout=tf.complex128).e ** 3), draw(rng, C128, n, n))
        yield case("SelfAdjointEigV2", lambda x: raw.SelfAdjointEigV2(input=x + tf.linalg.adjoint(x)).e, draw(rng, C128, n, n), tol=(1e-9, 1e-9))
        yield case("Svd", lambda x: raw.Svd(input=x).s, draw(rng, C128, n, n + 3), tol=(1e-9, 1e-9))


def cases(rng):
    yield from factors(rng)
    yield from spectra(rng)
    yield from solutions(rng)
    yield from tridiagonals(rng)
    yield from old(rng)
    yield from larger(rng)
