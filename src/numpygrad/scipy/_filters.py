"""What filters of images are made of: weights of Gaussians, and what lies beyond an edge."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from numpygrad._array import Array
from numpygrad.ops.elementwise import exp
from numpygrad.ops.indexing import take
from numpygrad.ops.manipulation import concat, flip
from numpygrad.ops.statistical import sum  # noqa: A004 (the standard's name)
from numpygrad.scipy._floats import constant
from numpygrad.scipy._sliding import extended

Places: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"

SAME = {"grid-mirror": "reflect", "grid-constant": "constant", "grid-wrap": "wrap"}
"""Other names of ways to go on."""


def gaussian(width: Array, order: int, radius: int) -> Array:
    """Weights of a Gaussian, or of its derivative, a polynomial times it."""
    x = constant(np.arange(-radius, radius + 1.0), width)
    steep = 1.0 / (width * width)
    bell = exp(-0.5 * steep * x * x)
    bell = bell / sum(bell)
    # (q * bell)' = (q' - x * q * steep) * bell
    coefficients: list[Array | float] = [1.0]
    for _ in range(order):
        known = [*coefficients, 0.0, 0.0]
        coefficients = [
            (i + 1) * known[i + 1] - (known[i - 1] * steep if i else 0.0)
            for i in range(len(coefficients) + 1)
        ]
    polynomial: Array | float = 0.0
    for c in reversed(coefficients):
        polynomial = polynomial * x + c
    return flip(polynomial * bell)


def beyond(name: str, x: Array, axis: int, size: int, mode: str, cval: float, origin: int) -> Array:
    """`x` with what a filter of some size sees beyond the edges along an axis."""
    mode = SAME.get(mode, mode)
    before, after = size // 2 + origin, size - size // 2 - 1 - origin
    if before < 0 or after < 0:
        raise ValueError(f"{name}(): origin {origin} moves {size} weights off their elements")
    n = x.shape[axis]
    if mode == "constant":
        return extended(x, axis, -before, before + n + after, cval)
    if mode not in ("reflect", "nearest", "mirror", "wrap"):
        raise ValueError(
            f"{name}(): mode is 'reflect', 'constant', 'nearest', 'mirror' or 'wrap', not {mode!r}"
        )
    if not n or not (before or after):
        return x
    parts = [
        take(x, constant(_inside(places, n, mode), x), axis=axis)
        for places in (np.arange(-before, 0), np.arange(n, n + after))
    ]
    return concat([parts[0], x, parts[1]], axis=axis)


def _inside(places: Places, n: int, mode: str) -> Places:
    """The elements that stand for those at places beyond the edges."""
    if mode == "nearest":
        return np.clip(places, 0, n - 1)
    if mode == "wrap":
        return places % n
    if mode == "reflect":
        places = places % (2 * n)
        return np.where(places < n, places, 2 * n - 1 - places)
    period = max(2 * n - 2, 1)
    places = places % period
    return np.where(places < n, places, period - places)
