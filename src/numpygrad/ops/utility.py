"""Utility functions of the standard."""

from __future__ import annotations

from numpygrad._array import Array
from numpygrad._dispatch import apply_one, as_array
from numpygrad._op import discrete
from numpygrad.ops.elementwise import positive
from numpygrad.ops.manipulation import concat, normalized_axes, normalized_axis
from numpygrad.typing import Axis


def all(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether all elements over `axis` are true, or not zero; true of no elements."""
    x = as_array("all", x)
    return apply_one(all, x, axis=normalized_axes("all", axis, x.ndim), keepdims=keepdims)


def any(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether any element over `axis` is true, or not zero; false of no elements."""
    x = as_array("any", x)
    return apply_one(any, x, axis=normalized_axes("any", axis, x.ndim), keepdims=keepdims)


def diff(
    x: Array,
    /,
    *,
    axis: int = -1,
    n: int = 1,
    prepend: Array | None = None,
    append: Array | None = None,
) -> Array:
    """Differences of neighbours along `axis`, `n` times; of `x` between `prepend` and `append`."""
    x = as_array("diff", x)
    axis = normalized_axis("diff", axis, x.ndim)
    if n < 0:
        raise ValueError(f"diff() needs n >= 0, got {n}")
    if n == 0:
        return positive(x)
    parts = [part for part in (prepend, x, append) if part is not None]
    out = concat(parts, axis=axis) if len(parts) > 1 else x
    before = (slice(None),) * axis
    for _ in range(min(n, out.shape[axis])):
        out = out[(*before, slice(1, None))] - out[(*before, slice(None, -1))]
    return out


discrete(all)
discrete(any)
