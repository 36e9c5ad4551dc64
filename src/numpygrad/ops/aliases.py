"""NumPy's functions that the standard has under another name and signature."""

from __future__ import annotations

from numpygrad._array import Array
from numpygrad.ops.manipulation import permute_dims, reshape
from numpygrad.ops.statistical import cumulative_prod, cumulative_sum


def cumprod(x: Array, axis: int | None = None, *, keepdims: bool = False) -> Array:
    """Products of the elements so far along `axis`; of the flattened array by default, as NumPy.

    The result has the shape of `x` with an axis, and without one if `keepdims`.
    """
    if axis is not None:
        return cumulative_prod(x, axis=axis)
    out = cumulative_prod(reshape(x, (-1,)))
    return reshape(out, x.shape) if keepdims else out


def cumsum(x: Array, axis: int | None = None, *, keepdims: bool = False) -> Array:
    """Sums of the elements so far along `axis`; of the flattened array by default, as NumPy.

    The result has the shape of `x` with an axis, and without one if `keepdims`.
    """
    if axis is not None:
        return cumulative_sum(x, axis=axis)
    out = cumulative_sum(reshape(x, (-1,)))
    return reshape(out, x.shape) if keepdims else out


def transpose(x: Array, axes: tuple[int, ...] | None = None) -> Array:
    """The axes of `x` in the order `axes`; reversed by default, as NumPy."""
    return permute_dims(x, tuple(range(x.ndim))[::-1] if axes is None else axes)
