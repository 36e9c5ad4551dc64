"""Matrices of special form."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpygrad._array import Array, Operand
from numpygrad._dispatch import as_array, promoted
from numpygrad.errors import ShapeError
from numpygrad.ops.creation import zeros
from numpygrad.ops.elementwise import conj
from numpygrad.ops.indexing import take
from numpygrad.ops.manipulation import broadcast_shapes, broadcast_to, concat, flip, reshape
from numpygrad.scipy._floats import constant


def block_diag(*arrs: Operand) -> Array:
    """The matrix with the given ones along its diagonal, and zeros elsewhere.

    (..., m_i, n_i) -> (..., sum of m_i, sum of n_i); stacks broadcast. A vector is a row.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import linalg
    >>> print(linalg.block_diag(npg.ones((1, 2)), npg.array([[3.0]])))
    [[1. 1. 0.]
     [0. 0. 3.]]
    """
    if not arrs:
        raise ShapeError("block_diag() needs one matrix or more, got none")
    blocks = [
        reshape(x, (1,) * (2 - x.ndim) + x.shape) if x.ndim < 2 else x
        for x in promoted("block_diag", *arrs)
    ]
    stack = broadcast_shapes(*(x.shape[:-2] for x in blocks))
    width = sum(x.shape[-1] for x in blocks)
    rows, before = [], 0
    for x in blocks:
        m, n = x.shape[-2:]
        parts = [
            zeros((*stack, m, k), dtype=x.dtype, device=x.device)
            for k in (before, width - before - n)
        ]
        rows.append(concat([parts[0], broadcast_to(x, (*stack, m, n)), parts[1]], axis=-1))
        before += n
    return concat(rows, axis=-2)


def toeplitz(c: Operand, r: Operand | None = None) -> Array:
    """The matrix of constant diagonals with first column `c` and first row `r`.

    (m,), (n,) -> (m, n). `r` is the conjugate of `c` by default; its first element is not used.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import linalg
    >>> print(linalg.toeplitz(npg.array([1.0, 2.0, 3.0]), npg.array([1.0, 4.0])))
    [[1. 4.]
     [2. 1.]
     [3. 2.]]
    """
    column = as_array("toeplitz", c)
    column, row = promoted("toeplitz", column, conj(column) if r is None else r)
    if column.ndim != 1 or row.ndim != 1:
        raise ShapeError(f"toeplitz() needs vectors, got shapes {column.shape} and {row.shape}")
    m, n = column.shape[0], row.shape[0]
    diagonals = concat([flip(column), row[1:]])
    places = np.arange(m)[::-1, None] + np.arange(n)[None, :]
    return _placed(diagonals, places)


def circulant(c: Operand) -> Array:
    """The matrix whose columns are `c`, each moved down by one more: (..., n) -> (..., n, n).

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import linalg
    >>> print(linalg.circulant(npg.array([1.0, 2.0, 3.0])))
    [[1. 3. 2.]
     [2. 1. 3.]
     [3. 2. 1.]]
    """
    c = as_array("circulant", c)
    if not c.ndim:
        raise ShapeError("circulant() needs a vector, got a number")
    steps = np.arange(c.shape[-1])
    return _placed(c, (steps[:, None] - steps[None, :]) % max(c.shape[-1], 1))


def _placed(x: Array, places: np.ndarray[Any, Any]) -> Array:
    """The elements along the last axis, in the shape of their places."""
    return reshape(
        take(x, constant(places.reshape(-1), x), axis=-1), (*x.shape[:-1], *places.shape)
    )
