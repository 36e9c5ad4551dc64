"""Linear algebra of the standard's main namespace."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from numpygrad._array import Array
from numpygrad._dispatch import apply, apply_two, as_array, promoted, require_broadcast
from numpygrad._op import linear
from numpygrad.errors import ShapeError
from numpygrad.ops.manipulation import (
    expand_dims,
    moveaxis,
    normalized_axes,
    permute_dims,
    reshape,
    squeeze,
)


def matmul(x1: Array, x2: Array, /) -> Array:
    """Matrix product: (..., m, k), (..., k, n) -> (..., m, n); leading axes broadcast.

    A one-dimensional operand is a row on the left, a column on the right, an axis the result lacks.

    Raises
    ------
    ShapeError
        If the inner lengths differ, or an operand is 0-d.
    """
    if not (type(x1) is type(x2) is Array and x1._type is x2._type):  # 4 us less if they are alike
        x1, x2 = promoted("matmul", x1, x2)
    shape1, shape2 = x1._data.shape, x2._data.shape
    n1, n2 = len(shape1), len(shape2)
    if not n1 or not n2 or shape1[-1] != shape2[-2 if n2 > 1 else -1]:
        inner = "x1.shape[-1] == x2.shape[-2]" if n2 > 1 else "x1.shape[-1] == x2.shape[-1]"
        raise ShapeError(f"matmul() needs {inner}, got {shape1} and {shape2}")
    if n1 <= 2 and n2 <= 2:
        return apply_two(matmul, x1, x2)
    if n2 == 1:
        return squeeze(matmul(x1, expand_dims(x2, axis=1)), -1)
    if n1 == 1:
        return squeeze(matmul(expand_dims(x1, axis=0), x2), -2)
    if n2 == 2:
        # One product of matrices instead of a stack of them, and the same for both gradients.
        rows = reshape(x1, (math.prod(shape1[:-1]), shape1[-1]))
        return reshape(apply(matmul, rows, x2), (*shape1[:-1], shape2[-1]))
    try:
        return apply_two(matmul, x1, x2)
    except (ValueError, TypeError):
        require_broadcast("matmul", shape1[:-2], shape2[:-2], of=(shape1, shape2))
        raise


def matrix_transpose(x: Array, /) -> Array:
    """The last two axes exchanged; a view."""
    x = as_array("matrix_transpose", x)
    if x.ndim < 2:
        raise ShapeError(f"matrix_transpose() needs two dimensions or more, got {x.shape}")
    return permute_dims(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def tensordot(
    x1: Array, x2: Array, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2
) -> Array:
    """Products of `x1` and `x2` summed over pairs of axes: last and first, or those listed."""
    x1, x2 = promoted("tensordot", x1, x2)
    if isinstance(axes, int):
        if axes < 0 or axes > min(x1.ndim, x2.ndim):
            raise ShapeError(f"tensordot() over {axes} axes of shapes {x1.shape} and {x2.shape}")
        over1, over2 = tuple(range(x1.ndim - axes, x1.ndim)), tuple(range(axes))
    else:
        over1 = normalized_axes("tensordot", tuple(axes[0]), x1.ndim)
        over2 = normalized_axes("tensordot", tuple(axes[1]), x2.ndim)
    if [x1.shape[a] for a in over1] != [x2.shape[a] for a in over2]:
        raise ShapeError(
            f"tensordot() over axes {axes} of shapes {x1.shape} and {x2.shape}: lengths differ"
        )
    return apply(tensordot, x1, x2, axes=(over1, over2))


def vecdot(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """The sum over `axis` of `conj(x1) * x2`; the other axes broadcast."""
    x1, x2 = promoted("vecdot", x1, x2)
    if not -min(x1.ndim, x2.ndim) <= axis < 0:
        raise IndexError(
            f"vecdot(): axis {axis} is not a negative axis of both {x1.shape} and {x2.shape}"
        )
    if x1.shape[axis] != x2.shape[axis]:
        raise ShapeError(
            f"vecdot() over axis {axis} of shapes {x1.shape} and {x2.shape}: lengths differ"
        )
    if axis != -1:
        x1, x2 = moveaxis(x1, axis, -1), moveaxis(x2, axis, -1)
    try:
        return apply_two(vecdot, x1, x2)
    except (ValueError, TypeError):
        require_broadcast("vecdot", x1.shape[:-1], x2.shape[:-1], of=(x1.shape, x2.shape))
        raise


def _to_left(xp: Any, g: Any, x2: Any) -> Any:
    if len(x2.shape) == 1:
        return g[..., None] * x2 if g.shape else g * x2
    if len(g.shape) == 1:  # a row was multiplied
        return xp.matmul(x2, g)
    return xp.matmul(g, xp.matrix_transpose(x2))


def _to_right(xp: Any, g: Any, x1: Any) -> Any:
    if len(x1.shape) == 1:
        return x1[:, None] * g if g.shape else x1 * g
    if len(g.shape) == 1:  # it multiplied a column
        return xp.matmul(g, x1)
    return xp.matmul(xp.matrix_transpose(x1), g)


def _other_axes(ndim: int, axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(axis for axis in range(ndim) if axis not in axes)


def _summed_with_right(xp: Any, g: Any, x2: Any, axes: Any) -> Any:
    """`g` times `x2` over the axes that both kept, in the order of the axes of `x1`."""
    over1, over2 = axes
    kept2 = _other_axes(len(x2.shape), over2)
    ndim = len(g.shape) - len(kept2)
    found = xp.tensordot(g, x2, axes=(tuple(range(ndim, len(g.shape))), kept2))
    places = (*_other_axes(ndim + len(over1), over1), *(over1[i] for i in np.argsort(over2)))
    return xp.permute_dims(found, tuple(np.argsort(places).tolist()))


def _summed_with_left(xp: Any, g: Any, x1: Any, axes: Any) -> Any:
    """`x1` times `g`, likewise, in the order of the axes of `x2`."""
    over1, over2 = axes
    kept1 = _other_axes(len(x1.shape), over1)
    found = xp.tensordot(x1, g, axes=(kept1, tuple(range(len(kept1)))))
    ndim = len(g.shape) - len(kept1) + len(over2)
    places = (*(over2[i] for i in np.argsort(over1)), *_other_axes(ndim, over2))
    return xp.permute_dims(found, tuple(np.argsort(places).tolist()))


linear(matmul, _to_left, _to_right)
linear(tensordot, _summed_with_right, _summed_with_left)
# The adjoint of x1 -> sum(conj(x1) x2) is g -> conj(g) x2: it is linear over the reals alone.
linear(
    vecdot,
    lambda xp, g, x2: xp.conj(g[..., None] * x2),
    lambda xp, g, x1: g[..., None] * xp.conj(x1),
)
