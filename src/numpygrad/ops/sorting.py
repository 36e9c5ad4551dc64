"""Sorting functions of the standard."""

from __future__ import annotations

from typing import Any

from numpygrad._array import Array
from numpygrad._dispatch import apply_one, as_array
from numpygrad._op import REAL_KINDS, discrete, nonlinear
from numpygrad.ops.indexing import along_key
from numpygrad.ops.manipulation import normalized_axis


def argsort(x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """Indices that sort `x` along `axis`."""
    x = as_array("argsort", x)
    axis = normalized_axis("argsort", axis, x.ndim)
    return apply_one(argsort, x, axis=axis, descending=descending, stable=stable)


def sort(x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """`x` sorted along `axis`. The derivative goes to the elements selected, at ties in order."""
    x = as_array("sort", x)
    axis = normalized_axis("sort", axis, x.ndim)
    return apply_one(sort, x, axis=axis, descending=descending, stable=stable)


def _sort_pull(xp: Any, g: Any, x: Any, axis: int, descending: bool, stable: bool) -> Any:
    order = xp.argsort(x, axis=axis, descending=descending, stable=stable)
    return xp.scatter(g, key=along_key(xp, x.shape, order, axis), shape=x.shape)


def _sort_push(xp: Any, g: Any, x: Any, axis: int, descending: bool, stable: bool) -> Any:
    order = xp.argsort(x, axis=axis, descending=descending, stable=stable)
    return xp.take_along_axis(g, order, axis=axis)


discrete(argsort, kinds=REAL_KINDS)
nonlinear(sort, _sort_pull, dtype="promote", jvp=_sort_push, kinds=REAL_KINDS)
