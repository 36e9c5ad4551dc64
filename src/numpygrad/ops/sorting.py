"""Sorting functions of the standard."""

from __future__ import annotations

from numpygrad._array import Array
from numpygrad._dispatch import apply_one, as_array
from numpygrad._op import REAL_KINDS, discrete
from numpygrad.ops.indexing import take_along_axis
from numpygrad.ops.manipulation import normalized_axis


def argsort(x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """Indices that sort `x` along `axis`."""
    x = as_array("argsort", x)
    axis = normalized_axis("argsort", axis, x.ndim)
    return apply_one(argsort, x, axis=axis, descending=descending, stable=stable)


def sort(x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """`x` sorted along `axis`. The derivative goes to the elements selected, at ties in order."""
    x = as_array("sort", x)
    if x._node is None:
        axis = normalized_axis("sort", axis, x.ndim)
        return apply_one(sort, x, axis=axis, descending=descending, stable=stable)
    order = argsort(x, axis=axis, descending=descending, stable=stable)
    return take_along_axis(x, order, axis=axis)


discrete(argsort, kinds=REAL_KINDS)
discrete(sort, kinds=REAL_KINDS)  # of untracked arrays; of others it is composed of two ops
