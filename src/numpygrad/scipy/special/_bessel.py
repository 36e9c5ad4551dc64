"""Bessel functions of orders 0 and 1, and the modified ones."""

from __future__ import annotations

import math
from typing import Any

from numpygrad._array import Array
from numpygrad._dispatch import apply_unary
from numpygrad._op import NONZERO, POSITIVE, REAL_KINDS, elementwise
from numpygrad._series import horner


def j0(x: Array, /) -> Array:
    """Bessel function of the first kind of order 0 at `x`, real."""
    return apply_unary(j0, x)


def j1(x: Array, /) -> Array:
    """Bessel function of the first kind of order 1 at `x`, real."""
    return apply_unary(j1, x)


def y0(x: Array, /) -> Array:
    """Bessel function of the second kind of order 0 at `x`, real; -inf at 0, NaN below."""
    return apply_unary(y0, x)


def y1(x: Array, /) -> Array:
    """Bessel function of the second kind of order 1 at `x`, real; -inf at 0, NaN below."""
    return apply_unary(y1, x)


def i0(x: Array, /) -> Array:
    """Modified Bessel function of the first kind of order 0 at `x`, real."""
    return apply_unary(i0, x)


def i1(x: Array, /) -> Array:
    """Modified Bessel function of the first kind of order 1 at `x`, real."""
    return apply_unary(i1, x)


def i0e(x: Array, /) -> Array:
    """`exp(-abs(x)) * i0(x)` without overflow, real. The derivative at 0 is taken as 0.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x = npg.array([1.0, 1e6], requires_grad=True)
    >>> npg.scipy.special.i0e(x).sum().backward()
    >>> x.grad
    Array([-2.57849192e-01, -1.99471215e-10])
    """
    return apply_unary(i0e, x)


def i1e(x: Array, /) -> Array:
    """`exp(-abs(x)) * i1(x)` without overflow, real."""
    return apply_unary(i1e, x)


def _over_x_series(sign: int) -> tuple[float, ...]:
    """Of `j1(x) / x` and `i1(x) / x` in powers of `x**2`, highest first: enough of them up to 1."""
    return tuple(
        (0.25 * sign) ** k / (2 * math.factorial(k) * math.factorial(k + 1))
        for k in reversed(range(11))
    )


_J1_OVER_X = _over_x_series(-1)
_I1_OVER_X = _over_x_series(1)


def _hankel(order: int, k: int) -> float:
    """The coefficient of `(-1 / x)**k` in `i_e(x) * sqrt(2 * pi * x)`.

    Source: NIST Digital Library of Mathematical Functions, 10.40.1.
    """
    numerator = 1
    for j in range(1, k + 1):
        numerator *= 4 * order * order - (2 * j - 1) * (2 * j - 1)
    return float(numerator / (math.factorial(k) * 8**k))


_ASYMPTOTIC_FROM = 30.0
_DIFFERENCE = tuple((-1) ** k * (_hankel(0, k) - _hankel(1, k)) for k in reversed(range(1, 17)))
"""Of `(i0e(x) - i1e(x)) * sqrt(2 * pi) * x**1.5` in powers of `1 / x`, highest first."""


def _j1_over_x(xp: Any, x: Any) -> Any:
    near = xp.abs(x) < 1.0
    away = xp.where(near, 1.0, x)
    small = xp.where(near, x, 0.0)
    return xp.where(near, horner(_J1_OVER_X, small * small), xp.scipy.special.j1(away) / away)


def _y1_slope(xp: Any, x: Any, y: Any) -> Any:
    """`y0(x) - y1(x) / x`; at 0, where two infinities differ, the pole itself."""
    here = x == 0
    slope = xp.scipy.special.y0(xp.where(here, 1.0, x)) - y / xp.where(here, 1.0, x)
    return xp.where(here, xp.where(here, x + 0.0, 1.0) ** -2.0, slope)


def _i1_slope(xp: Any, x: Any) -> Any:
    """`i0(x) - i1(x) / x`, whose two terms may overflow; near 0 by the series of the second.

    At infinity it is infinite as the exponential function, with all its derivatives.
    """
    endless = xp.isinf(x)
    end = xp.abs(xp.where(endless, x, 0.0))
    x = xp.where(endless, 1.0, x)
    special = xp.scipy.special
    near = xp.abs(x) < 1.0
    small = xp.where(near, x, 0.0)
    away = xp.where(near, 1.0, x)
    scaled = special.i0e(away) - special.i1e(away) / away
    by_series = special.i0(small) - horner(_I1_OVER_X, small * small)
    slope = xp.where(near, by_series, xp.exp(xp.abs(away)) * scaled)
    return xp.where(endless, xp.exp(end), slope)


def _difference(xp: Any, x: Any) -> Any:
    """`i0e(x) - i1e(x)` of positive `x`, by the asymptotic series where they cancel."""
    far = x >= _ASYMPTOTIC_FROM
    inverse = 1.0 / xp.where(far, x, _ASYMPTOTIC_FROM)
    series = horner(_DIFFERENCE, inverse) * inverse * xp.sqrt(inverse * (0.5 / math.pi))
    near = xp.where(far, 1.0, x)
    return xp.where(far, series, xp.scipy.special.i0e(near) - xp.scipy.special.i1e(near))


def _i1e_slope(xp: Any, x: Any) -> Any:
    """`i0e(x) - i1e(x) * (sign(x) + 1 / x)`."""
    size = xp.abs(x)
    near = size < 1.0
    away = xp.where(near, 1.0, size)
    small = xp.where(near, size, 0.0)
    by_series = xp.exp(-small) * horner(_I1_OVER_X, small * small)
    over_x = xp.where(near, by_series, xp.scipy.special.i1e(away) / away)
    return _difference(xp, size) - over_x


elementwise(j0, lambda xp, x: -xp.scipy.special.j1(x), dtype="float", kinds=REAL_KINDS)
elementwise(
    j1,
    lambda xp, x: xp.scipy.special.j0(x) - _j1_over_x(xp, x),
    dtype="float",
    kinds=REAL_KINDS,
)
elementwise(
    y0, lambda xp, x: -xp.scipy.special.y1(x), dtype="float", domain=POSITIVE, kinds=REAL_KINDS
)
elementwise(y1, _y1_slope, dtype="float", domain=POSITIVE, kinds=REAL_KINDS)
elementwise(i0, lambda xp, x: xp.scipy.special.i1(x), dtype="float", kinds=REAL_KINDS)
elementwise(i1, _i1_slope, dtype="float", kinds=REAL_KINDS)
elementwise(
    i0e,
    lambda xp, x: -xp.sign(x) * _difference(xp, xp.abs(x)),
    dtype="float",
    domain=NONZERO,
    kinds=REAL_KINDS,
)
elementwise(i1e, _i1e_slope, dtype="float", domain=NONZERO, kinds=REAL_KINDS)
