"""Functions that NumPy has and the standard lacks, made of those it has; signatures are NumPy's.

`numpygrad.ops.order_statistics` has the ones that go by rank or leave NaN out.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np

from numpygrad._array import Array, Operand
from numpygrad._dispatch import as_array, promoted
from numpygrad._dtypes import DEFAULT_FLOAT
from numpygrad.errors import ShapeError
from numpygrad.ops.at import at
from numpygrad.ops.creation import asarray, full, zeros
from numpygrad.ops.data_types import astype, finfo
from numpygrad.ops.elementwise import (
    abs,
    equal,
    isfinite,
    isnan,
    less_equal,
    logical_and,
    logical_or,
    multiply,
)
from numpygrad.ops.indexing import diagonal, take
from numpygrad.ops.linear_algebra import matmul, tensordot
from numpygrad.ops.manipulation import concat, normalized_axis, permute_dims, reshape
from numpygrad.ops.searching import where
from numpygrad.ops.utility import all as all_of


def allclose(
    a: Array,
    b: Operand,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    equal_nan: bool = False,
) -> Array:
    """Whether all elements are equal within tolerances, as a 0-d array; see `isclose`."""
    return all_of(isclose(a, b, rtol, atol, equal_nan))


def array_equal(a1: Array, a2: Array) -> bool:
    """Whether two arrays have one shape and equal elements."""
    x1, x2 = as_array("array_equal", a1), as_array("array_equal", a2)
    return x1.shape == x2.shape and bool(all_of(equal(x1, x2)))


def atleast_1d(x: Array) -> Array:
    """`x`, a 0-d array with an axis of length 1."""
    x = as_array("atleast_1d", x)
    return x if x.ndim else reshape(x, (1,))


def atleast_2d(x: Array) -> Array:
    """`x`, with axes of length 1 in front if it has fewer than two."""
    x = as_array("atleast_2d", x)
    return x if x.ndim >= 2 else reshape(x, (1, -1))


def column_stack(arrays: Sequence[Array]) -> Array:
    """A matrix of these columns: one-dimensional arrays, and matrices of several."""
    columns = [as_array("column_stack", x) for x in arrays]
    return concat([reshape(x, (-1, 1)) if x.ndim < 2 else x for x in columns], axis=1)


def diag(v: Array, k: int = 0) -> Array:
    """The matrix with `v` on its diagonal `k`, of a matrix that diagonal.

    `k` counts diagonals upwards from the main one. A matrix gives a view.

    Examples
    --------
    >>> import numpygrad as npg
    >>> npg.diag(npg.array([1.0, 2.0])).tolist()
    [[1.0, 0.0], [0.0, 2.0]]
    """
    x = as_array("diag", v)
    if x.ndim == 2:
        return diagonal(x, k, 0, 1)
    if x.ndim != 1:
        raise ShapeError(f"diag() takes a vector or a matrix, got shape {x.shape}")
    n = x.shape[0] + max(k, -k)
    rows = np.arange(x.shape[0]) + max(-k, 0)
    columns = np.arange(x.shape[0]) + max(k, 0)
    return at(zeros((n, n), dtype=x.dtype, device=x.device))[rows, columns].set(x)


def dot(a: Array, b: Array) -> Array:
    """Products of `a` and `b` summed over the last axis of `a` and the last but one of `b`.

    As NumPy's: of vectors the inner product, of matrices the matrix product, of a 0-d array the
    elementwise one; stacks are combined with each other, where `matmul` broadcasts them.

    Raises
    ------
    ShapeError
        If the two lengths differ.
    """
    x1, x2 = promoted("dot", a, b)
    if not x1.ndim or not x2.ndim:
        return multiply(x1, x2)
    if x2.ndim == 1 or (x1.ndim <= 2 and x2.ndim == 2):
        return matmul(x1, x2)
    return tensordot(x1, x2, axes=((-1,), (-2,)))


def hstack(arrays: Sequence[Array]) -> Array:
    """The arrays joined along their second axis; vectors along their only one."""
    joined = [atleast_1d(x) for x in arrays]
    return concat(joined, axis=0 if joined and joined[0].ndim == 1 else 1)


def inner(a: Array, b: Array) -> Array:
    """Products of `a` and `b` summed over the last axis of both.

    Raises
    ------
    ShapeError
        If the two lengths differ.
    """
    x1, x2 = promoted("inner", a, b)
    if not x1.ndim or not x2.ndim:
        return multiply(x1, x2)
    return tensordot(x1, x2, axes=((-1,), (-1,)))


def isclose(
    a: Array,
    b: Operand,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    equal_nan: bool = False,
) -> Array:
    """Whether `abs(a - b) <= atol + rtol * abs(b)` elementwise; infinities are close if equal.

    NaN is close to NaN only with `equal_nan`.
    """
    x1, x2 = promoted("isclose", a, b)
    if not x1._type.is_floating:  # differences of unsigned integers wrap, booleans have none
        x1, x2 = astype(x1, DEFAULT_FLOAT), astype(x2, DEFAULT_FLOAT)
    finite = isfinite(x2)
    first, second = where(finite, x1, 0.0), where(finite, x2, 0.0)
    # Of the largest numbers the eighths are compared, whose difference does not overflow.
    bound = finfo(x1.dtype).max / 64
    huge = logical_or(abs(first * 0.125) > bound, abs(second * 0.125) > bound)
    scale = where(huge, 0.125, 1.0)
    first, second = where(huge, first * 0.125, first), where(huge, second * 0.125, second)
    near = logical_and(less_equal(abs(first - second), atol * scale + rtol * abs(second)), finite)
    found = logical_or(near, equal(x1, x2))
    return logical_or(found, logical_and(isnan(x1), isnan(x2))) if equal_nan else found


def outer(a: Array, b: Array) -> Array:
    """All products of an element of `a` and one of `b`, both flattened: a matrix."""
    x1, x2 = as_array("outer", a), as_array("outer", b)
    return multiply(reshape(x1, (-1, 1)), reshape(x2, (1, -1)))


PadMode = Literal["constant", "edge", "reflect", "symmetric", "wrap"]


def pad(
    x: Array,
    pad_width: int | Sequence[Any],
    mode: PadMode = "constant",
    *,
    constant_values: float = 0.0,
) -> Array:
    """`x` with elements added before and after, along each axis.

    Parameters
    ----------
    x
        Any array.
    pad_width
        How many: a number, a pair (before, after), or a pair for each axis.
    mode
        What is added: one value, or elements of `x`, as in `numpy.pad`. Gradients flow to those.
    constant_values
        The value, of mode `"constant"`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> print(npg.pad(npg.array([1.0, 2.0, 3.0]), 2, mode="reflect"))
    [3. 2. 1. 2. 3. 2. 1.]
    """
    x = as_array("pad", x)
    if mode not in get_args(PadMode):
        raise ValueError(f"pad(): mode is one of {', '.join(get_args(PadMode))}, not {mode!r}")
    try:
        widths = np.broadcast_to(np.asarray(pad_width, dtype=np.int64), (x.ndim, 2)).tolist()
    except ValueError as error:
        raise ShapeError(
            f"pad() of {x.ndim} dimensions takes a number, a pair, or as many pairs, not "
            f"{pad_width!r}"
        ) from error
    if any(n < 0 for width in widths for n in width):
        raise ValueError(f"pad() adds a number of elements >= 0, not {pad_width!r}")
    if mode == "constant":
        return _framed(x, widths, constant_values)
    for axis, (before, after) in enumerate(widths):
        if before or after:
            places = np.pad(np.arange(x.shape[axis]), (before, after), mode=mode)
            x = take(x, asarray(places, device=x.device), axis=axis)
    return x


def _framed(x: Array, widths: list[list[int]], value: float) -> Array:
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape, widths, strict=True))
    frame = full(shape, value, dtype=x.dtype, device=x.device)
    key = tuple(slice(b, b + n) for n, (b, _) in zip(x.shape, widths, strict=True))
    return at(frame)[key].set(x)


def ravel(x: Array) -> Array:
    """The elements of `x` in one dimension; a view where `reshape` gives one."""
    return reshape(x, (-1,))


def split(x: Array, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Array]:
    """The parts of `x` along an axis, as views: so many of one length, or cut at these indices.

    Raises
    ------
    ShapeError
        If the length cannot be divided by the number of parts.
    """
    x = as_array("split", x)
    axis = normalized_axis("split", axis, x.ndim)
    length = x.shape[axis]
    if isinstance(indices_or_sections, (int, np.integer)):
        parts = operator.index(indices_or_sections)
        if parts <= 0 or length % parts:
            raise ShapeError(f"split() of {length} elements into {parts} equal parts is not whole")
        cuts = list(range(0, length + 1, length // parts)) if length else [0] * (parts + 1)
    else:
        cuts = [0, *map(operator.index, indices_or_sections), length]
    before = (slice(None),) * axis
    return [x[(*before, slice(a, b))] for a, b in pairwise(cuts)]


def swapaxes(x: Array, axis1: int, axis2: int) -> Array:
    """`x` with two axes exchanged; a view."""
    x = as_array("swapaxes", x)
    order = list(range(x.ndim))
    one, two = (normalized_axis("swapaxes", axis, x.ndim) for axis in (axis1, axis2))
    order[one], order[two] = two, one
    return permute_dims(x, tuple(order))


def vstack(arrays: Sequence[Array]) -> Array:
    """The arrays joined along their first axis; vectors are rows."""
    return concat([atleast_2d(x) for x in arrays], axis=0)
