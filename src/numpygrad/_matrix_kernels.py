"""Kernels of `numpygrad.scipy.linalg` written in the standard, for backends that lack them."""

from __future__ import annotations

from typing import Any

from numpygrad._kernels import device_of
from numpygrad.typing import RawArray

PADE = (
    *(64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0),
    *(129060195264000.0, 10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0),
    *(40840800.0, 960960.0, 16380.0, 182.0, 1.0),
)
"""The coefficients (26 - k)! 13! / (26! k! (13 - k)!) of degree 13, times a common factor."""

LARGEST = {4: 3.925724783138660, 8: 5.371920351148152}
"""The norm up to which that degree is exact in each precision (of so many bytes)."""


def _identity(xp: Any, x: RawArray) -> RawArray:
    return xp.eye(x.shape[-1], dtype=x.dtype, device=device_of(x))


def expm(xp: Any, x: RawArray) -> RawArray:
    """By scaling and squaring of the approximation of degree 13.

    Source: N. J. Higham, "The scaling and squaring method for the matrix exponential revisited",
    SIAM J. Matrix Anal. Appl. 26 (2005), 1179.
    """
    if 0 in x.shape:
        return xp.asarray(x, copy=True)
    single = x.dtype in (xp.float32, xp.complex64)
    norm = xp.max(xp.sum(xp.abs(x), axis=-2), axis=-1)
    ratio = norm / LARGEST[4 if single else 8]
    ratio = xp.where(xp.isfinite(ratio) & (ratio > 1.0), ratio, xp.ones_like(ratio))
    count = xp.ceil(xp.log2(ratio))[..., None, None]
    x = x / xp.astype(2.0**count, x.dtype)
    one = _identity(xp, x)
    x2 = x @ x
    x4 = x2 @ x2
    x6 = x2 @ x4
    b = PADE
    odd = x6 @ (b[13] * x6 + b[11] * x4 + b[9] * x2)
    odd = x @ (odd + b[7] * x6 + b[5] * x4 + b[3] * x2 + b[1] * one)
    even = x6 @ (b[12] * x6 + b[10] * x4 + b[8] * x2)
    even = even + b[6] * x6 + b[4] * x4 + b[2] * x2 + b[0] * one
    y = xp.linalg.solve(even - odd, even + odd)
    for squared in range(int(xp.max(count))):
        y = xp.where(squared < count, y @ y, y)
    return y


def solve_triangular(
    xp: Any, a: RawArray, b: RawArray, *, lower: bool, unit_diagonal: bool
) -> RawArray:
    """By the solution of general equations."""
    offset = 1 if unit_diagonal else 0
    a = xp.tril(a, k=-offset) if lower else xp.triu(a, k=offset)
    return xp.linalg.solve(a + _identity(xp, a) if unit_diagonal else a, b)


def dense(xp: Any, ab: RawArray, *, lower: int, upper: int) -> RawArray:
    """The matrices whose diagonals, from the upper ones down, are the rows of `ab`."""
    n = ab.shape[-1]
    steps = xp.arange(n, device=device_of(ab))
    below = steps[:, None] - steps[None, :]
    total = xp.zeros((*ab.shape[:-2], n, n), dtype=ab.dtype, device=device_of(ab))
    for row in range(lower + upper + 1):
        total = xp.where(below == row - upper, ab[..., row, :][..., None, :], total)
    return total


def banded_solution(xp: Any, ab: RawArray, b: RawArray, *, lower: int, upper: int) -> RawArray:
    """By the solution of general equations."""
    return xp.linalg.solve(dense(xp, ab, lower=lower, upper=upper), b)


def solve_sylvester(xp: Any, a: RawArray, b: RawArray, q: RawArray) -> RawArray:
    """As equations for all elements of the solution, with Kronecker's product."""
    m, n = a.shape[-1], b.shape[-1]
    left = a[..., :, None, :, None] * _identity(xp, b)[None, :, None, :]
    right = _identity(xp, a)[:, None, :, None] * xp.matrix_transpose(b)[..., None, :, None, :]
    matrix = left + right
    matrix = xp.reshape(matrix, (*matrix.shape[:-4], m * n, m * n))
    x = xp.linalg.solve(matrix, xp.reshape(q, (*q.shape[:-2], m * n, 1)))
    return xp.reshape(x, (*x.shape[:-2], m, n))
