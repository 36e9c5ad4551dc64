"""Linear interpolation, along a line and on a grid."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, Literal

from numpygrad._array import Array, Operand
from numpygrad._dispatch import as_array, as_arrays
from numpygrad._kernels import holds
from numpygrad.errors import ShapeError
from numpygrad.ops.creation import asarray
from numpygrad.ops.elementwise import floor
from numpygrad.ops.indexing import take
from numpygrad.ops.manipulation import broadcast_arrays, concat, reshape, stack
from numpygrad.ops.searching import where
from numpygrad.ops.sorting import argsort
from numpygrad.ops.utility import any  # noqa: A004 (the standard's name)
from numpygrad.scipy._floats import floated
from numpygrad.scipy.interpolate._pieces import piece_of, require_increasing


def interp(
    x: Operand,
    xp: Operand,
    fp: Operand,
    left: Operand | None = None,
    right: Operand | None = None,
    period: float | None = None,
) -> Array:
    """The broken line through the points (`xp`, `fp`), at `x`: as `numpy.interp`.

    Parameters
    ----------
    x
        Where it is evaluated, of any shape.
    xp, fp
        Places that increase, unless there is a period, and the values there, real or complex.
    left, right
        The values before the first place and after the last; by default those there.
    period
        The length after which it repeats itself.

    Raises
    ------
    ShapeError
        If `xp` and `fp` are not vectors of one length.
    ValueError
        If the places do not increase.

    Notes
    -----
    At a place, where the line has a kink, the derivative is that to its right.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import interpolate
    >>> x = npg.array([0.5, 1.5], requires_grad=True)
    >>> y = interpolate.interp(x, npg.array([0.0, 1.0, 2.0]), npg.array([0.0, 2.0, 6.0]))
    >>> npg.sum(y).backward()
    >>> print(y, x.grad)
    [1. 4.] [2. 4.]
    """
    points, places, values = (floated(a) for a in as_arrays("interp", (x, xp, fp)))
    if places.ndim != 1 or places.shape != values.shape or not places.shape[0]:
        raise ShapeError(
            f"interp() needs a place for each value, got shapes {places.shape} and {values.shape}"
        )
    if period is not None:
        if not period:
            raise ValueError("interp(): a period is not 0")
        points, places = (a - abs(period) * floor(a / abs(period)) for a in (points, places))
        order = argsort(places.detach())
        places, values = take(places, order), take(values, order)
        places = concat([places[-1:] - abs(period), places, places[:1] + abs(period)])
        values = concat([values[-1:], values, values[:1]])
    require_increasing("interp", places)
    first = values[0] if left is None else left
    last = values[-1] if right is None else right
    if places.shape[0] == 1:
        return where(points < places[0], first, where(points > places[0], last, values[0]))
    flat = reshape(points, (-1,))
    pieces = piece_of(places, flat)
    x0, x1 = take(places, pieces), take(places, pieces + 1)
    y0, y1 = take(values, pieces), take(values, pieces + 1)
    found = reshape(y0 + (flat - x0) / (x1 - x0) * (y1 - y0), points.shape)
    return where(points < places[0], first, where(points > places[-1], last, found))


class RegularGridInterpolator:
    """Interpolation of values on a grid of any number of dimensions.

    Parameters
    ----------
    points
        The places along each axis of the grid, vectors that increase.
    values
        The values on the grid, (m_1, ..., m_d, ...), real or complex; further axes are carried on.
    method
        `"linear"` along each axis, or `"nearest"`.
    bounds_error
        Whether a point outside of the grid is an error. It is not looked for where values are not
        known, as in `compile`.
    fill_value
        The value outside; `None` continues the grid.

    Raises
    ------
    ShapeError
        If places and values do not fit, or in a call the points.
    ValueError
        If places do not increase, `method` is unknown, or in a call a point is outside.

    Notes
    -----
    Derivatives are with respect to the values, the points, and for `"linear"` the places; where a
    point is at a place, that to its right.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import interpolate
    >>> x, y = npg.array([0.0, 1.0, 2.0]), npg.array([0.0, 2.0])
    >>> f = interpolate.RegularGridInterpolator((x, y), x[:, None] * y)
    >>> print(f(npg.array([[1.5, 1.0], [0.5, 0.5]])))
    [1.5  0.25]
    """

    def __init__(
        self,
        points: Sequence[Operand],
        values: Operand,
        method: Literal["linear", "nearest"] = "linear",
        bounds_error: bool = True,
        fill_value: Operand | None = math.nan,
    ) -> None:
        self.values = floated(as_array("RegularGridInterpolator", values))
        given = as_arrays("RegularGridInterpolator", (self.values, *points))[1:]
        self.grid = tuple(floated(x) for x in given)
        self.method = method
        self.bounds_error = bounds_error
        self.fill_value = fill_value
        lengths = tuple(x.shape[0] if x.ndim == 1 else -1 for x in self.grid)
        if lengths != self.values.shape[: len(lengths)] or min(lengths, default=0) < 2:
            raise ShapeError(
                "RegularGridInterpolator() needs a vector of two or more places for each axis of "
                f"the grid, got {[x.shape for x in self.grid]} and values {self.values.shape}"
            )
        for x in self.grid:
            require_increasing("RegularGridInterpolator", x)
        self._check(method)

    def _check(self, method: str) -> None:
        if method not in ("linear", "nearest"):
            raise ValueError(
                f"RegularGridInterpolator(): method is 'linear' or 'nearest', not {method!r}"
            )

    def __call__(
        self, xi: Operand | Sequence[Operand], method: Literal["linear", "nearest"] | None = None
    ) -> Array:
        """The values at points (..., d), or at a tuple of d coordinates that broadcast."""
        method = self.method if method is None else method
        self._check(method)
        d = len(self.grid)
        points = floated(self._coordinates(xi))
        if points.ndim == 1 and d == 1 and points.shape != (1,):
            points = points[:, None]
        if not points.ndim or points.shape[-1] != d:
            raise ShapeError(
                f"RegularGridInterpolator() of {d} axes needs points (..., {d}), got {points.shape}"
            )
        flat = reshape(points, (-1, d))
        outside = (flat[:, 0] < self.grid[0][0]) | (flat[:, 0] > self.grid[0][-1])
        for i, x in enumerate(self.grid[1:], 1):
            outside = outside | (flat[:, i] < x[0]) | (flat[:, i] > x[-1])
        if self.bounds_error and holds(any(outside)):
            raise ValueError(
                "RegularGridInterpolator(): a point is outside of the grid; pass "
                "bounds_error=False, and fill_value=None to continue it"
            )
        pieces = [piece_of(x, flat[:, i]) for i, x in enumerate(self.grid)]
        found = self._nearest(flat, pieces) if method == "nearest" else self._linear(flat, pieces)
        if not self.bounds_error and self.fill_value is not None:
            rest = (1,) * (found.ndim - 1)
            found = where(reshape(outside, (-1, *rest)), self.fill_value, found)
        return reshape(found, (*points.shape[:-1], *found.shape[1:]))

    def _coordinates(self, xi: Any) -> Array:
        """Points as one array, of an array or of one for each axis, which broadcast."""
        name = "RegularGridInterpolator"
        if isinstance(xi, tuple):
            _, *parts = as_arrays(name, (self.values, *map(self._array, xi)))
            return stack(broadcast_arrays(*parts), axis=-1)
        return as_arrays(name, (self.values, self._array(xi)))[1]

    def _array(self, x: Any) -> Any:
        """A list as an array beside the values."""
        return asarray(x, device=self.values.device) if isinstance(x, list) else x

    def _shares(self, flat: Array, pieces: list[Array]) -> list[Array]:
        """Where points are in their pieces along each axis, from 0 to 1."""
        lows = [take(x, p) for x, p in zip(self.grid, pieces, strict=True)]
        highs = [take(x, p + 1) for x, p in zip(self.grid, pieces, strict=True)]
        return [
            (flat[:, i] - low) / (high - low)
            for i, (low, high) in enumerate(zip(lows, highs, strict=True))
        ]

    def _linear(self, flat: Array, pieces: list[Array]) -> Array:
        shares = self._shares(flat, pieces)
        total: Array | None = None
        for corner in itertools.product((0, 1), repeat=len(pieces)):
            at = self.values[tuple(p + c for p, c in zip(pieces, corner, strict=True))]
            weight = math.prod(
                (s if c else 1 - s for s, c in zip(shares, corner, strict=True)), start=1.0
            )
            term = reshape(weight, (-1, *(1,) * (at.ndim - 1))) * at  # type: ignore[arg-type]  # an Array
            total = term if total is None else total + term
        assert total is not None  # noqa: S101 (there is a corner)
        return total

    def _nearest(self, flat: Array, pieces: list[Array]) -> Array:
        shares = self._shares(flat.detach(), pieces)
        places = zip(pieces, shares, strict=True)
        return self.values[tuple(where(s <= 0.5, p, p + 1) for p, s in places)]
