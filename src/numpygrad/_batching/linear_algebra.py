"""Products as few large ones as can be; the standard's linear algebra is of stacks anyway."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from numpygrad._batching.fitting import aligned, named, with_ndim
from numpygrad._batching.mapped import Mapped, data_of
from numpygrad._batching.reductions import reduction

Rule = Callable[..., Any]

NARROW = 16
"""Columns up to which many products are made one by transposing: each alone would be slow."""


def _matmul(xp: Any, x1: Any, x2: Any, /) -> Any:
    if type(x2) is not Mapped:
        return _rows_times(xp, x1, x2)
    if type(x1) is not Mapped:
        return _times_columns(xp, x1, x2)
    return _stacks(xp, x1, x2)


def _rows_times(xp: Any, x1: Mapped, x2: Any) -> Any:
    """A product with the same second factor for all: one with all rows."""
    if x2.ndim > 2:
        return _stacks(xp, x1, x2)
    if x2.ndim == 2 and x1.ndim > 1:
        rows = xp.reshape(x1.array, (-1, x1.shape[-1])) if x1.array.size else None
        if rows is not None:
            return xp.reshape(xp.matmul(rows, x2), (*x1.array.shape[:-1], x2.shape[-1]))
    return xp.matmul(x1.array, x2)


def _times_columns(xp: Any, x1: Any, x2: Mapped) -> Any:
    """A product with the same first factor for all."""
    if x2.ndim == 1 and x1.ndim <= 2:
        return xp.matmul(x2.array, x1 if x1.ndim == 1 else xp.matrix_transpose(x1))
    if x1.ndim == 1:
        return xp.matmul(x1, x2.array)
    if x1.ndim == 2 and x2.shape[-1] <= NARROW:
        columns = Mapped(xp.matrix_transpose(x2.array))
        return xp.matrix_transpose(_rows_times(xp, columns, xp.matrix_transpose(x1)))
    return _stacks(xp, x1, x2)


def _stacks(xp: Any, x1: Any, x2: Any) -> Any:
    """Products of stacks of matrices, vectors being rows on the left and columns on the right."""
    ndim = max(x1.ndim, x2.ndim, 2)
    row, column = x1.ndim == 1, x2.ndim == 1
    left = with_ndim(xp, x1, ndim) if not row else _as_matrices(xp, x1, ndim, -2)
    right = with_ndim(xp, x2, ndim) if not column else _as_matrices(xp, x2, ndim, -1)
    found = xp.matmul(left, right)
    dropped = tuple(axis for axis, given in ((-2, row), (-1, column)) if given)
    return xp.squeeze(found, axis=dropped) if dropped else found


def _as_matrices(xp: Any, x: Any, ndim: int, axis: int) -> Any:
    """Vectors as rows (axis -2 of length 1) or columns (axis -1)."""
    matrix = (1, *x.shape) if axis == -2 else (*x.shape, 1)
    if type(x) is not Mapped:
        return xp.reshape(x, matrix)
    return xp.reshape(x.array, (x.array.shape[0], *(1,) * (ndim - 2), *matrix))


def _tensordot(xp: Any, x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    if isinstance(axes, int):
        axes = (range(x1.ndim - axes, x1.ndim), range(axes))
    axes1, axes2 = ([a % x.ndim for a in given] for x, given in zip((x1, x2), axes, strict=True))
    if type(x2) is not Mapped:
        return xp.tensordot(x1.array, x2, axes=([a + 1 for a in axes1], axes2))
    if type(x1) is not Mapped:
        found = xp.tensordot(x1, x2.array, axes=(axes1, [a + 1 for a in axes2]))
        return xp.moveaxis(found, x1.ndim - len(axes1), 0)
    free1 = [i for i in range(x1.ndim) if i not in axes1]
    free2 = [i for i in range(x2.ndim) if i not in axes2]
    shape1, shape2 = ([x.shape[i] for i in f] for x, f in ((x1, free1), (x2, free2)))
    size, shared = x1.array.shape[0], math.prod(x1.shape[a] for a in axes1)
    left = _permuted(xp, x1, (*free1, *axes1), (size, math.prod(shape1), shared))
    right = _permuted(xp, x2, (*axes2, *free2), (size, shared, math.prod(shape2)))
    return xp.reshape(xp.matmul(left, right), (size, *shape1, *shape2))


def _permuted(xp: Any, x: Mapped, order: Sequence[int], shape: Sequence[int]) -> Any:
    return xp.reshape(xp.permute_dims(x.array, (0, *(i + 1 for i in order))), tuple(shape))


def _from_the_end(name: str) -> Rule:
    def rule(xp: Any, x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
        from_end = axis if axis < 0 else axis - max(x1.ndim, x2.ndim)
        return named(xp, name)(*aligned(xp, x1, x2), axis=from_end)

    return rule


def _outer(xp: Any, x1: Any, x2: Any, /) -> Any:
    column = _as_matrices(xp, x1, 2, -1)
    return column * _as_matrices(xp, x2, 2, -2)


def _solve(xp: Any, x1: Any, x2: Any, /) -> Any:
    if x2.ndim > 1:
        return xp.linalg.solve(*aligned(xp, x1, x2))
    if type(x1) is not Mapped and x1.ndim == 2:  # one factorisation for all
        return xp.matrix_transpose(xp.linalg.solve(x1, xp.matrix_transpose(x2.array)))
    left = data_of(x1)
    right = _as_matrices(xp, x2, max(x1.ndim, 2), -1)
    return xp.squeeze(xp.linalg.solve(left, right), axis=-1)


def _equations(name: str) -> Rule:
    """Of equations in stacks of matrices that broadcast."""

    def rule(xp: Any, *operands: Any, **options: Any) -> Any:
        return named(xp, name)(*aligned(xp, *operands), **options)

    return rule


def _stacked(name: str) -> Rule:
    def rule(xp: Any, x: Any, /, *args: Any, **params: Any) -> Any:
        if type(x) is not Mapped or any(type(p) is Mapped for p in (*args, *params.values())):
            return NotImplemented
        return named(xp, name)(x.array, *args, **params)

    return rule


STACKED = (
    *("adjugate", "cholesky", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "inv"),
    *("matrix_norm", "matrix_power", "matrix_rank", "matrix_transpose", "pinv", "qr", "slogdet"),
    *("svd", "svdvals", "trace"),
)

RULES: dict[str, Rule] = {
    **{f"linalg.{name}": _stacked(f"linalg.{name}") for name in STACKED},
    "linalg.cross": _from_the_end("linalg.cross"),
    "linalg.matmul": _matmul,
    "linalg.outer": _outer,
    "linalg.solve": _solve,
    "linalg.tensordot": _tensordot,
    "linalg.vecdot": _from_the_end("vecdot"),
    "linalg.vector_norm": reduction("linalg.vector_norm"),
    **{
        f"scipy.linalg.{name}": _equations(f"scipy.linalg.{name}")
        for name in ("banded_solution", "solve_sylvester", "solve_triangular")
    },
    "scipy.linalg.expm": _stacked("scipy.linalg.expm"),
    "matmul": _matmul,
    "tensordot": _tensordot,
    "vecdot": _from_the_end("vecdot"),
}
