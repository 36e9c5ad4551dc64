"""NumPy's functions that the standard has under another name and signature."""

from __future__ import annotations

from numpygrad._array import Array
from numpygrad.ops.manipulation import permute_dims, reshape
from numpygrad.ops.statistical import cumulative_prod, cumulative_sum


def cumprod(x: Array, axis: int | None = None) -> Array:
    """Products of the elements so far along `axis`; of the flattened array by default, as NumPy."""
    return cumulative_prod(reshape(x, (-1,)) if axis is None else x, axis=axis or 0)


def cumsum(x: Array, axis: int | None = None) -> Array:
    """Sums of the elements so far along `axis`; of the flattened array by default, as NumPy."""
    return cumulative_sum(reshape(x, (-1,)) if axis is None else x, axis=axis or 0)


def transpose(x: Array, axes: tuple[int, ...] | None = None) -> Array:
    """The axes of `x` in the order `axes`; reversed by default, as NumPy."""
    return permute_dims(x, tuple(range(x.ndim))[::-1] if axes is None else axes)
