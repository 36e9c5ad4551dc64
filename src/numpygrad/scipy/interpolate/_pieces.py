"""Polynomials in pieces."""

from __future__ import annotations

import math
from typing import Literal

from numpygrad._array import Array, Operand
from numpygrad._dispatch import as_arrays
from numpygrad._kernels import holds
from numpygrad.errors import ShapeError
from numpygrad.ops.creation import zeros
from numpygrad.ops.elementwise import floor
from numpygrad.ops.indexing import take
from numpygrad.ops.manipulation import concat, moveaxis, normalized_axis, reshape, stack
from numpygrad.ops.searching import searchsorted, where
from numpygrad.ops.statistical import cumulative_sum
from numpygrad.ops.utility import all, diff  # noqa: A004 (the standard's name)
from numpygrad.scipy._floats import floated

Extrapolate = bool | Literal["periodic"] | None


class PPoly:
    """A function that is a polynomial between each two of some places.

    Parameters
    ----------
    c
        Coefficients (k, m, ...), those of the highest power first: in the piece from `x[i]` to
        `x[i + 1]` the function is the sum of `c[j, i] * (t - x[i])**(k - 1 - j)` over j.
    x
        The m + 1 places, increasing.
    extrapolate
        Whether the first and last piece go on beyond their ends, as by default; or `"periodic"`.
        If not, the function is NaN there.
    axis
        The axis of the result that stands for the points of evaluation, the first by default.

    Raises
    ------
    ShapeError
        If `c` has no two dimensions, or not as many pieces as `x`.
    ValueError
        If the places do not increase.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import interpolate
    >>> f = interpolate.PPoly(npg.array([[1.0, 0.0], [0.0, 1.0]]), npg.array([0.0, 1.0, 3.0]))
    >>> print(f(npg.array([0.5, 2.0])), f.integrate(0.0, 3.0))
    [0.5 1. ] 2.5
    """

    def __init__(
        self, c: Operand, x: Operand, extrapolate: Extrapolate = None, axis: int = 0
    ) -> None:
        self.c, self.x = as_arrays(type(self).__name__, (c, x))
        self.c, self.x = floated(self.c), floated(self.x)
        self.extrapolate = True if extrapolate is None else extrapolate
        if self.c.ndim < 2 or self.x.ndim != 1 or self.c.shape[1] != self.x.shape[0] - 1:
            raise ShapeError(
                f"PPoly() needs coefficients (k, m, ...) and m + 1 places, got {self.c.shape} and "
                f"{self.x.shape}"
            )
        self.axis = normalized_axis("PPoly", axis, self.c.ndim - 1)
        require_increasing("PPoly", self.x)

    def __call__(self, x: Operand, nu: int = 0, extrapolate: Extrapolate = None) -> Array:
        """The function, or its derivative of order `nu`, at points of any shape."""
        if nu < 0:
            return self.antiderivative(-nu)(x, extrapolate=extrapolate)
        extrapolate = self.extrapolate if extrapolate is None else extrapolate
        points = floated(as_arrays("PPoly", (self.x, x))[1])
        flat = reshape(points, (-1,))
        if extrapolate == "periodic":
            start = self.x[0]
            period = self.x[-1] - start
            flat = flat - period * floor((flat - start) / period)
        pieces = piece_of(self.x, flat)
        rest = self.c.shape[2:]
        away = reshape(flat - take(self.x, pieces), (-1, *(1,) * len(rest)))
        chosen = take(self.c, pieces, axis=1)
        k = self.c.shape[0]
        total = zeros((flat.shape[0], *rest), dtype=self.c.dtype, device=self.c.device)
        for j in range(k - nu):
            power = k - 1 - j
            total = total * away + chosen[j] * float(math.perm(power, nu))
        if not extrapolate:
            outside = (flat < self.x[0]) | (flat > self.x[-1])
            total = where(reshape(outside, away.shape), math.nan, total)
        total = reshape(total, (*points.shape, *rest))
        n = points.ndim
        return moveaxis(total, tuple(range(n)), tuple(range(self.axis, self.axis + n)))

    def derivative(self, nu: int = 1) -> PPoly:
        """The derivative of order `nu`, again in pieces."""
        if nu < 0:
            return self.antiderivative(-nu)
        k = self.c.shape[0]
        if nu >= k:
            return PPoly(0.0 * self.c[-1:], self.x, self.extrapolate, self.axis)
        parts = [self.c[j] * float(math.perm(k - 1 - j, nu)) for j in range(k - nu)]
        return PPoly(stack(parts), self.x, self.extrapolate, self.axis)

    def antiderivative(self, nu: int = 1) -> PPoly:
        """The integral from the first place on, `nu` times; without periods."""
        if nu <= 0:
            return self.derivative(-nu)
        k = self.c.shape[0]
        parts = [self.c[j] / (k - j) for j in range(k)]
        length = reshape(diff(self.x), (-1, *(1,) * (self.c.ndim - 2)))
        total = parts[0]
        for part in parts[1:]:
            total = total * length + part
        ends = cumulative_sum(total * length, axis=0)
        start = concat([0.0 * ends[:1], ends[:-1]])
        extrapolate = False if self.extrapolate is False else None
        found = PPoly(stack([*parts, start]), self.x, extrapolate, self.axis)
        return found if nu == 1 else found.antiderivative(nu - 1)

    def integrate(self, a: Operand, b: Operand, extrapolate: Extrapolate = None) -> Array:
        """The integral from `a` to `b`."""
        extrapolate = self.extrapolate if extrapolate is None else extrapolate
        integral = self.antiderivative()
        _, low, high = as_arrays("PPoly", (self.x, a, b))
        if extrapolate != "periodic":
            return integral(high, extrapolate=extrapolate) - integral(low, extrapolate=extrapolate)
        start, end = self.x[0], self.x[-1]
        period = end - start
        whole = integral(end, extrapolate=True)
        turns = [floor((x - start) / period) for x in (low, high)]
        within = [
            integral(x - period * n, extrapolate=True)
            for x, n in zip((low, high), turns, strict=True)
        ]
        return within[1] - within[0] + (turns[1] - turns[0]) * whole


def piece_of(x: Array, points: Array) -> Array:
    """Which pieces between places points are in; beyond the places the first or last."""
    places = searchsorted(x.detach(), points.detach(), side="right") - 1
    last = x.shape[0] - 2
    places = where(places < 0, 0, places)
    return where(places > last, last, places)


def require_increasing(name: str, x: Array) -> None:
    """`ValueError` unless the elements of a vector increase, or cannot be known yet."""
    if not holds(all(diff(x.detach()) > 0), unknown=True):
        raise ValueError(f"{name}() needs places that increase, each greater than the one before")
