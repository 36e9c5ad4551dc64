"""Cubic interpolation: splines, and a monotone one."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpygrad._array import Array, Operand
from numpygrad._dispatch import as_arrays
from numpygrad._kernels import holds
from numpygrad.errors import DTypeError, ShapeError
from numpygrad.ops.creation import ones_like, zeros_like
from numpygrad.ops.elementwise import abs, sign  # noqa: A004 (the standard's name)
from numpygrad.ops.manipulation import (
    broadcast_to,
    concat,
    moveaxis,
    normalized_axis,
    reshape,
    stack,
)
from numpygrad.ops.searching import where
from numpygrad.ops.statistical import max, sum  # noqa: A004 (the standard's names)
from numpygrad.ops.utility import all, diff  # noqa: A004 (the standard's name)
from numpygrad.scipy._floats import constant, floated
from numpygrad.scipy.interpolate._pieces import Extrapolate, PPoly, require_increasing
from numpygrad.scipy.linalg import solve_banded

End = tuple[int, Any]
"""An order of derivative, 1 or 2, and its value at an end."""

NAMED: dict[str, End] = {"clamped": (1, 0.0), "natural": (2, 0.0)}


class CubicSpline(PPoly):
    """The piecewise cubic through some values that has two continuous derivatives.

    Parameters
    ----------
    x
        The places, a vector of two or more that increase.
    y
        The values, real or complex, along `axis`.
    axis
        The axis of `y` that stands for the places.
    bc_type
        What holds at the ends: `"not-a-knot"`, the first and second piece are one cubic, and so are
        the last two; `"natural"`, the second derivative is 0; `"clamped"`, the first is;
        `"periodic"`, values and derivatives are those of the other end; or a pair, for each end one
        of the names but the last, or an order of derivative, 1 or 2, and its value, an array of the
        shape of `y` without `axis`.
    extrapolate
        Whether the first and last piece go on beyond the ends, as by default, or `"periodic"`, the
        default of a periodic spline. If not, the function is NaN there.

    Raises
    ------
    ShapeError
        If `x` is no vector of two or more places, or `y` has not as many values.
    ValueError
        If the places do not increase, `bc_type` is unknown, or the first and last values of a
        periodic spline differ.

    Notes
    -----
    The slopes at the places solve a banded equation: in time proportional to their number on NumPy
    and JAX. float32 stays float32, where SciPy gives float64.

    Source: C. de Boor, "A Practical Guide to Splines" (1978), chapter IV.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import interpolate
    >>> x = npg.linspace(0.0, 3.0, 4)
    >>> y = npg.array([0.0, 1.0, 8.0, 27.0], requires_grad=True)
    >>> f = interpolate.CubicSpline(x, y)
    >>> print(f(npg.array([0.5, 1.5])), npg.round(f(2.0, 1)))
    [0.125 3.375] 12.0
    >>> f(2.5).backward()  # of y, as Lagrange's polynomials are there
    >>> print(y.grad)
    [ 0.0625 -0.3125  0.9375  0.3125]
    """

    def __init__(
        self,
        x: Operand,
        y: Operand,
        axis: int = 0,
        bc_type: str | tuple[str | End, str | End] = "not-a-knot",
        extrapolate: Extrapolate = None,
    ) -> None:
        x, y, axis = _places("CubicSpline", x, y, axis)
        if extrapolate is None:
            extrapolate = "periodic" if bc_type == "periodic" else True
        slopes = _spline_slopes(x, reshape(y, (y.shape[0], -1)), bc_type, y.shape[1:])
        super().__init__(_hermite(x, y, reshape(slopes, y.shape)), x, extrapolate, axis)


class PchipInterpolator(PPoly):
    """The piecewise cubic through some real values that increases and decreases where they do.

    It has one continuous derivative, which is 0 where the values turn; there, and where two values
    are equal, derivatives with respect to `y` are those of the 0 that was chosen.

    Parameters
    ----------
    x
        The places, a vector of two or more that increase.
    y
        The values along `axis`.
    extrapolate
        Whether the first and last piece go on beyond the ends, as by default. If not, the function
        is NaN there.

    Source: F. N. Fritsch, J. Butland, SIAM J. Sci. Stat. Comput. 5 (1984), 300; at the ends
    C. Moler, "Numerical Computing with MATLAB" (2004), section 3.6.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import interpolate
    >>> f = interpolate.PchipInterpolator(npg.array([0.0, 1.0, 2.0]), npg.array([0.0, 1.0, 1.0]))
    >>> print(f(npg.array([0.5, 1.5])))
    [0.6875 1.    ]
    """

    def __init__(
        self, x: Operand, y: Operand, axis: int = 0, extrapolate: Extrapolate = None
    ) -> None:
        x, y, axis = _places("PchipInterpolator", x, y, axis)
        if y.dtype.kind == "c":
            raise DTypeError("PchipInterpolator() needs real values; complex ones do not increase")
        super().__init__(_hermite(x, y, _monotone_slopes(x, y)), x, extrapolate, axis)


def _places(name: str, x: Operand, y: Operand, axis: int) -> tuple[Array, Array, int]:
    """Places and values as floating arrays, the axis of the places in front."""
    places, values = (floated(a) for a in as_arrays(name, (x, y)))
    if places.dtype.kind == "c":
        raise DTypeError(f"{name}() needs real places, got {places.dtype}")
    axis = normalized_axis(name, axis, values.ndim)
    if places.ndim != 1 or places.shape[0] < 2 or places.shape[0] != values.shape[axis]:
        raise ShapeError(
            f"{name}() needs a vector of two or more places and a value for each, got shapes "
            f"{places.shape} and {values.shape}, axis {axis}"
        )
    require_increasing(name, places)
    return places, moveaxis(values, axis, 0), axis


def _column(x: Array, like: Array) -> Array:
    """A vector along the first axis of `like`."""
    return reshape(x, (-1, *(1,) * (like.ndim - 1)))


def _hermite(x: Array, y: Array, slopes: Array) -> Array:
    """The coefficients of cubics with some values and slopes at the places."""
    step = _column(diff(x), y)
    mean = diff(y, axis=0) / step
    bend = (slopes[:-1] + slopes[1:] - 2 * mean) / step
    return stack([bend / step, (mean - slopes[:-1]) / step - bend, slopes[:-1], y[:-1]])


def _ends(bc_type: Any) -> tuple[Any, Any]:
    """What holds at each end: a name, or an order of derivative and its value."""
    pair = (bc_type, bc_type) if isinstance(bc_type, str) else tuple(bc_type)
    if len(pair) == 2:
        first, last = (NAMED.get(end, end) if isinstance(end, str) else end for end in pair)
        known = [
            end == "not-a-knot" if isinstance(end, str) else len(end) == 2 and end[0] in (1, 2)
            for end in (first, last)
        ]
        if known == [True, True]:
            return first, last
    raise ValueError(
        "CubicSpline(): bc_type is 'not-a-knot', 'natural', 'clamped', 'periodic', or a pair of "
        f"such names or (order, value) with order 1 or 2, not {bc_type!r}"
    )


def _spline_slopes(x: Array, y: Array, bc_type: Any, rest: tuple[int, ...]) -> Array:
    """The slopes at the places, (n, k), from the values."""
    step = diff(x)
    mean = diff(y, axis=0) / step[:, None]
    if isinstance(bc_type, str) and bc_type == "periodic":
        return _periodic_slopes(step, mean, y)
    first, last = _ends(bc_type)
    n = x.shape[0]
    if n == 2:
        first, last = ((1, None) if end == "not-a-knot" else end for end in (first, last))
    elif n == 3 and first == "not-a-knot" == last:
        # One parabola: its slope in the middle is the mean by the other step's length.
        middle = (step[1] * mean[0] + step[0] * mean[1]) / (step[0] + step[1])
        return stack([2 * mean[0] - middle, middle, 2 * mean[1] - middle])
    inner = 3 * (step[1:, None] * mean[:-1] + step[:-1, None] * mean[1:])
    start, finish = (
        _end(end, step if side == 0 else step[::-1], mean if side == 0 else mean[::-1], rest, side)
        for side, end in enumerate((first, last))
    )
    none = zeros_like(step[:1])
    above = concat([none, start[1], step[:-1]])
    diagonal = concat([start[0], 2 * (step[:-1] + step[1:]), finish[0]])
    below = concat([step[1:], finish[1], none])
    right = concat([start[2], inner, finish[2]])
    return solve_banded((1, 1), stack([above, diagonal, below]), right)


def _end(
    end: Any, step: Array, mean: Array, rest: tuple[int, ...], side: int
) -> tuple[Array, Array, Array]:
    """The equation at an end, steps and slopes counted from there: two factors, the right side."""
    one = ones_like(step[:1])
    if end == "not-a-knot":
        both = step[:1] + step[1:2]
        right = ((step[0] + 2 * both) * step[1] * mean[0] + step[0] ** 2 * mean[1]) / both
        return step[1:2], both, right[None, :] if right.ndim == 1 else right
    order, value = end
    if value is None:
        return one, 0 * one, mean[:1]
    given = value if isinstance(value, Array) else constant(np.asarray(value) * 1.0, mean)
    if given.shape not in ((), rest):
        raise ShapeError(f"CubicSpline(): an end's value needs shape {rest}, got {given.shape}")
    row = reshape(given, (1, -1)) + zeros_like(mean[:1])
    if order == 1:
        return one, 0 * one, row
    turned = -0.5 if side == 0 else 0.5
    return 2 * step[:1], step[:1], turned * row * step[0] ** 2 + 3 * mean[:1] * step[0]


def _periodic_slopes(step: Array, mean: Array, y: Array) -> Array:
    """Of a periodic spline: equations in a ring, opened at the last place but one."""
    gap = abs(y[0] - y[-1]).detach()
    scale = max(abs(y)).detach() if y.size else gap
    if not holds(all(gap <= 1e-8 * scale), unknown=True):
        raise ValueError("CubicSpline(): a periodic spline needs its first and last values equal")
    n = step.shape[0]
    if n == 1:
        return concat([0 * mean, 0 * mean])
    if n == 2:
        slope = sum(mean / step[:, None], axis=0) / sum(1 / step)
        return broadcast_to(slope, (3, *slope.shape)) + 0
    before = concat([step[-1:], step[:-1]])
    last_mean = concat([mean[-1:], mean[:-1]])
    right = 3 * (step[:, None] * last_mean + before[:, None] * mean)
    diagonal = 2 * (before + step)
    # Row i: step[i] * s[i - 1] + diagonal[i] * s[i] + before[i] * s[i + 1]. The last s is apart.
    none = zeros_like(step[:1])
    bands = stack(
        [
            concat([none, before[: n - 2]]),
            diagonal[: n - 1],
            concat([step[1 : n - 1], none]),
        ]
    )
    column = concat([step[:1], *[none] * (n - 3), before[n - 2 : n - 1]])
    found = solve_banded((1, 1), bands, concat([right[: n - 1], column[:, None]], axis=1))
    free, forced = found[:, :-1], found[:, -1]
    across = diagonal[-1] - step[-1] * forced[-1] - before[-1] * forced[0]
    last = (right[-1] - step[-1] * free[-1] - before[-1] * free[0]) / across
    slopes = free - forced[:, None] * last[None, :]
    return concat([slopes, last[None, :], slopes[:1]])


def _monotone_slopes(x: Array, y: Array) -> Array:
    """The weighted harmonic means of the slopes beside each place, 0 where they differ in sign."""
    step = _column(diff(x), y)
    mean = diff(y, axis=0) / step
    if x.shape[0] == 2:
        return concat([mean, mean])
    h0, h1, m0, m1 = step[:-1], step[1:], mean[:-1], mean[1:]
    turns = (sign(m0) != sign(m1)) | (m0 == 0) | (m1 == 0)
    safe0, safe1 = where(turns, 1.0, m0), where(turns, 1.0, m1)
    near, far = h0 + 2 * h1, 2 * h0 + h1
    inner = where(turns, 0.0, 3 * (h0 + h1) / (near / safe0 + far / safe1))
    start = _monotone_end(step[:1], step[1:2], mean[:1], mean[1:2])
    finish = _monotone_end(step[-1:], step[-2:-1], mean[-1:], mean[-2:-1])
    return concat([start, inner, finish])


def _monotone_end(h0: Array, h1: Array, m0: Array, m1: Array) -> Array:
    """The slope of a parabola through three points at the first, kept in shape."""
    slope = ((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1)
    steep = (sign(m0) != sign(m1)) & (abs(slope) > 3 * abs(m0))
    return where(sign(slope) != sign(m0), 0.0, where(steep, 3 * m0, slope))
