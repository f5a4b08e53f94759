# SPDX-License-Identifier: Apache-2.0
"""CSR sparse matrices: made, taken apart, transposed, multiplied, factored; two and three dimensions."""
from case import *

T4 = (F32, F64, C64, C128)


def dims(rng, *last):
    """A shape of a matrix or of a batch of some, and the same with other last dimensions."""
    return (int(rng.integers(1, 4)), *last) if rng.random() < 0.5 else last


def coo(rng, t, shape, part=0.5):
    """Indices in order, values, dense shape."""
    at = np.argwhere(rng.random(shape) < part).astype(I64)
    return at, draw(rng, t, len(at)), np.array(shape, I64)


def csr(i, v, d):
    """The dense shape is known when the graph is built: TensorFlow wants to know the rank."""
    return raw.SparseTensorToCSRSparseMatrix(indices=i, values=v, dense_shape=d)


def dense(m, t):
    return raw.CSRSparseMatrixToDense(sparse_input=m, type=t)


def parts(m, t, b=0):
    return list(raw.CSRSparseMatrixComponents(csr_sparse_matrix=m, index=b, type=t))


def conversions(rng):
    for t in T4:
        for s in (dims(rng, 3, 4), dims(rng, *pick(rng, (1, 5), (4, 0), (0, 2)))):
            i, v, d = coo(rng, t, s)
            yield case("SparseTensorToCSRSparseMatrix", lambda i, v, d=d, t=t: dense(csr(i, v, d), t), i, v, grad=[1], shapes="known")
            yield case("CSRSparseMatrixToSparseTensor", lambda i, v, d=d, t=t: list(raw.CSRSparseMatrixToSparseTensor(
                sparse_matrix=csr(i, v, d), type=t)), i, v, grad=[1], shapes="known")
            b = int(rng.integers(0, d[0])) if len(s) == 3 else 0
            yield case("CSRSparseMatrixComponents", lambda i, v, d=d, t=t, b=b: parts(csr(i, v, d), t, b), i, v, shapes="known")
            yield case("SparseMatrixNNZ", lambda i, v, d=d: raw.SparseMatrixNNZ(sparse_matrix=csr(i, v, d)), i, v, shapes="known")
            x = draw(rng, t, *s)
            yield case("DenseToCSRSparseMatrix", lambda x, i, t=t: dense(raw.DenseToCSRSparseMatrix(dense_input=x, indices=i), t), x, i,
                       grad=[0], shapes="known")
            yield case("SparseMatrixTranspose", lambda i, v, d=d, t=t, c=bool(rng.integers(2)): dense(
                raw.SparseMatrixTranspose(input=csr(i, v, d), conjugate=c, type=t), t), i, v, grad=[1], shapes="known")
            yield case("Conj", lambda i, v, d=d, t=t: dense(raw.Conj(input=csr(i, v, d)), t), i, v, shapes="known")


def wrong(rng):
    v, d = draw(rng, F32, 2), np.array([2, 3], I64)
    for i, s in (([[0, 0], [0, 3]], d), ([[0, 0], [-1, 2]], d), ([[1, 0], [0, 2]], d), ([[0, 2], [0, 1]], d), ([[0, 1], [0, 1]], d),
                 (np.zeros((2, 3)), [0, 2, 2]), ([[0, 0, 1], [2, 0, 0]], [2, 2, 2])):
        yield case("SparseTensorToCSRSparseMatrix", lambda i, v, s=np.array(s, I64): parts(csr(i, v, s), F32), np.array(i, I64), v, shapes="known")
        yield case("CSRSparseMatrixToDense", lambda i, v, s=np.array(s, I64): dense(csr(i, v, s), F32), np.array(i, I64), v, shapes="known")
    i, v, d = coo(rng, F32, (2, 3))
    for b in (-1, 1):
        yield case("CSRSparseMatrixComponents", lambda i, v, b=b: parts(csr(i, v, d), F32, b), i, v, shapes="known")
    yield case("CSRSparseMatrixComponents", lambda i, v: parts(csr(i, v, d), F64), i, v, shapes="known")
    yield case("CSRSparseMatrixToDense", lambda i, v: dense(csr(i, v, d), F64), i, v, shapes="known")
    yield case("CSRSparseMatrixToSparseTensor", lambda i, v: list(raw.CSRSparseMatrixToSparseTensor(sparse_matrix=csr(i, v, d), type=F64)),
               i, v, shapes="known")
    yield case("SparseMatrixTranspose", lambda i, v: dense(raw.SparseMatrixTranspose(input=csr(i, v, d), type=F64), F64), i, v, shapes="known")
    for at in ([[0, 0], [0, 3]], [[-1, 0], [0, 1]]):
        yield case("DenseToCSRSparseMatrix", lambda x, i: dense(raw.DenseToCSRSparseMatrix(dense_input=x, indices=i), F32),
                   draw(rng, F32, 2, 3), np.array(at, I64), shapes="known")


def sides(rng):
    """Attributes that transpose or adjoin the operands."""
    def one(k):
        return pick(rng, {}, {"transpose_" + k: True}, {"adjoint_" + k: True})
    return {**one("a"), **one("b")}


def swapped(s, how, k):
    return (*s[:-2], s[-1], s[-2]) if "transpose_" + k in how or "adjoint_" + k in how else s


def products(rng):
    for n in range(12):
        t, how = T4[n % 4], sides(rng)
        out = {k: True for k in ("transpose_output", "conjugate_output") if rng.random() < 0.4}
        b, m, k, p = (pick(rng, (), (int(rng.integers(1, 4)),)), *(int(x) for x in rng.integers(1, 5, 3)))
        i, v, d = coo(rng, t, swapped((*b, m, k), how, "a"))
        y = draw(rng, t, *swapped((*b, k, p), how, "b"))
        yield case("SparseMatrixMatMul", lambda i, v, y, d=d, how={**how, **out}: raw.SparseMatrixMatMul(a=csr(i, v, d), b=y, **how),
                   i, v, y, grad=[1, 2], shapes="known")
        j, w, e = coo(rng, t, swapped((*b, k, p), how, "b"))
        yield case("SparseMatrixSparseMatMul", lambda i, v, j, w, d=d, e=e, t=t, how=how: dense(raw.SparseMatrixSparseMatMul(
            a=csr(i, v, d), b=csr(j, w, e), type=t, **how), t), i, v, j, w, grad=[1, 3], shapes="known")
        yield case("SparseMatrixSparseMatMul", lambda i, v, j, w, d=d, e=e, t=t, how=how: parts(raw.SparseMatrixSparseMatMul(
            a=csr(i, v, d), b=csr(j, w, e), type=t, **how), t), i, v, j, w, shapes="known")
    i, v, d = coo(rng, F32, (2, 3))
    y = draw(rng, F32, 4, 2)
    unknown = np.array([2, 3], I64)  # fed: TensorFlow sees only when it runs that they do not fit
    yield case("SparseMatrixMatMul", lambda i, v, y: raw.SparseMatrixMatMul(a=csr(i, v, d), b=y), i, v, y, shapes="unknown")
    yield case("SparseMatrixMatMul", lambda i, v, y, u: raw.SparseMatrixMatMul(a=csr(i, v, tf.reshape(u, [2])), b=y), i, v, y, unknown, shapes="known")
    yield case("SparseMatrixMatMul", lambda i, v, y: raw.SparseMatrixMatMul(a=csr(i, v, d), b=y), i, v, draw(rng, F64, 3, 2), shapes="known")
    yield case("SparseMatrixMatMul", lambda i, v, y, u: raw.SparseMatrixMatMul(a=csr(i, v, tf.reshape(u, [2])), b=tf.reshape(y, [2, 2, 2])), i, v, y,
               unknown, shapes="known")
    yield case("SparseMatrixSparseMatMul", lambda i, v, u: dense(raw.SparseMatrixSparseMatMul(
        a=csr(i, v, tf.reshape(u, [2])), b=csr(i, v, tf.reshape(u, [2])), type=F32), F32), i, v, unknown, shapes="known")
    a = np.array([[np.inf, 1], [np.nan, 0]], F32)
    at = np.argwhere(np.ones((2, 2))).astype(I64)
    yield case("SparseMatrixSparseMatMul", lambda v: dense(raw.SparseMatrixSparseMatMul(a=csr(at, v, [2, 2]), b=csr(at, v, [2, 2]), type=F32), F32),
               a.ravel(), shapes="known")
    yield case("SparseMatrixMatMul", lambda v, y: raw.SparseMatrixMatMul(a=csr(at, v, [2, 2]), b=y), a.ravel(), a, shapes="known")


def definite(rng, t, s):
    """Hermitian with many zeros, positive definite; all of its elements but some zeros."""
    n = s[-1]
    a = np.where(rng.random(s) < 0.3, draw(rng, t, *s), 0)
    a = a + np.conj(np.swapaxes(a, -1, -2)) + 4 * n * np.eye(n)
    return a.astype(t)


def factors(rng):
    for n in range(12):
        t, size = T4[n % 4], int(rng.integers(1, 8))
        s = dims(rng, size, size)
        a = definite(rng, t, s)
        at = np.argwhere(a != 0).astype(I64)
        def make(x, at=at): return raw.DenseToCSRSparseMatrix(dense_input=x, indices=at)
        def amd(x, make=make): return tf.sort(raw.SparseMatrixOrderingAMD(input=make(x)), axis=-1)
        yield case("SparseMatrixOrderingAMD", amd, a, shapes="known")
        order = np.argsort(rng.random(s[:-1]), axis=-1).astype(I32)
        def factor(x, p, make=make, t=t): return raw.SparseMatrixSparseCholesky(input=make(x), permutation=p, type=t)
        yield case("SparseMatrixSparseCholesky", lambda x, p, f=factor, t=t: dense(f(x, p), t), a, order, shapes="known")
        yield case("SparseMatrixSparseCholesky", lambda x, p, f=factor, t=t: parts(f(x, p), t), a, order, shapes="known")
        def whole(x, make=make, t=t):
            m = make(x)
            l = dense(raw.SparseMatrixSparseCholesky(input=m, permutation=raw.SparseMatrixOrderingAMD(input=m), type=t), t)
            return tf.reduce_sum(tf.math.log(tf.abs(tf.linalg.diag_part(l))), axis=-1)
        yield case("SparseMatrixSparseCholesky", whole, a, shapes="known", tol=(1e-4, 1e-4))
    a, p = definite(rng, F32, (4, 4)), np.array([2, 0, 3, 1], I32)
    at = np.argwhere(a != 0).astype(I64)
    def make(x): return raw.DenseToCSRSparseMatrix(dense_input=x, indices=at)
    yield case("SparseMatrixSparseCholesky", lambda x, p: dense(raw.SparseMatrixSparseCholesky(input=make(x), permutation=p, type=F32), F32),
               -a, p, shapes="known")
    yield case("SparseMatrixSparseCholesky", lambda x, p: dense(raw.SparseMatrixSparseCholesky(input=make(x), permutation=p, type=F64), F64),
               a, p, shapes="known")
    yield case("SparseMatrixSparseCholesky", lambda x, p: dense(raw.SparseMatrixSparseCholesky(input=make(x), permutation=p, type=F32), F32),
               a, p[:3], shapes="unknown")
    yield case("SparseMatrixOrderingAMD", lambda i, v, u: raw.SparseMatrixOrderingAMD(input=csr(i, v, tf.reshape(u, [2]))),
               *coo(rng, F32, (2, 3)), shapes="known")


def cases(rng):
    for part in (conversions, wrong, products, factors):
        yield from part(rng)
