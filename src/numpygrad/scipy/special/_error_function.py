"""The error function's kin, and the normal distribution, with their inverses."""

from __future__ import annotations

import math
from typing import Any

from numpygrad._array import Array
from numpygrad._dispatch import apply_unary
from numpygrad._op import REAL_KINDS, UNIT, Domain, elementwise
from numpygrad._series import horner
from numpygrad.ops.special import erf_slope


def erfc(x: Array, /) -> Array:
    """`1 - erf(x)` without cancellation, real."""
    return apply_unary(erfc, x)


def erfcx(x: Array, /) -> Array:
    """`exp(x**2) * erfc(x)` without overflow for positive `x`, real."""
    return apply_unary(erfcx, x)


def erfinv(x: Array, /) -> Array:
    """Inverse of `erf`, for `x` in [-1, 1]. The derivative at the ends is inf."""
    return apply_unary(erfinv, x)


def erfcinv(x: Array, /) -> Array:
    """Inverse of `erfc`, for `x` in [0, 2]. The derivative at the ends is -inf."""
    return apply_unary(erfcinv, x)


def ndtr(x: Array, /) -> Array:
    """Distribution function of the standard normal distribution at `x`, real."""
    return apply_unary(ndtr, x)


def log_ndtr(x: Array, /) -> Array:
    """Logarithm of `ndtr(x)` without underflow, real; -5e17 at -1e9.

    The derivative is accurate in both tails too.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x = npg.array([-1000.0, 0.0], requires_grad=True)
    >>> npg.scipy.special.log_ndtr(x).sum().backward()
    >>> x.grad
    Array([1.00000100e+03, 7.97884561e-01])
    """
    return apply_unary(log_ndtr, x)


def ndtri(x: Array, /) -> Array:
    """Inverse of `ndtr`, for `x` in [0, 1]. The derivative at the ends is inf."""
    return apply_unary(ndtri, x)


_ASYMPTOTIC_FROM = 8.0
_ASYMPTOTIC = tuple(
    math.prod(range(1, 2 * k + 2, 2)) * (-0.5) ** k / math.sqrt(math.pi)
    for k in reversed(range(20))
)
"""Of `-x**2` times the derivative of `erfcx`, in powers of `x**-2`, the highest first."""

_NORMAL = 1.0 / math.sqrt(2.0 * math.pi)


def _erfcx_slope(xp: Any, x: Any, y: Any) -> Any:
    """`2 * x * y - 2 / sqrt(pi)`, by the asymptotic series where these cancel.

    Source: NIST Digital Library of Mathematical Functions, 7.12.1.
    """
    far = x >= _ASYMPTOTIC_FROM
    inverse = 1.0 / xp.where(far, x, _ASYMPTOTIC_FROM)
    square = inverse * inverse
    plain = 2.0 * xp.where(far, 0.0, x) * y - 2.0 / math.sqrt(math.pi)
    return xp.where(far, -square * horner(_ASYMPTOTIC, square), plain)


def _bounded(xp: Any, x: Any) -> Any:
    """`x` where `exp(-0.5 * x**2)` is not 0: derivatives at infinity are then 0, not NaN."""
    return xp.clip(x, -40.0, 40.0)


def _normal_density(xp: Any, x: Any) -> Any:
    x = _bounded(xp, x)
    return _NORMAL * xp.exp(-0.5 * x * x)


def _log_ndtr_slope(xp: Any, x: Any) -> Any:
    """Density over distribution function: in the lower tail both are 0, but not their ratio."""
    upper = x > 9.0  # where the latter is 1, and `erfcx` comes to overflow
    lower = x < -1e8  # where two terms of the asymptotic series suffice, and squares overflow
    scaled = xp.scipy.special.erfcx(xp.where(upper | lower, 0.0, x) * -math.sqrt(0.5))
    slope = xp.where(upper, _normal_density(xp, x), math.sqrt(2.0 / math.pi) / scaled)
    far = xp.where(lower, x, -1.0)
    return xp.where(lower, -far - 1.0 / far, slope)


_ANY = Domain(-3.0, 3.0)
"""Any real number; at infinity the derivative may be infinite."""

elementwise(erfc, lambda xp, x: -erf_slope(xp, x), dtype="float", kinds=REAL_KINDS)
elementwise(erfcx, _erfcx_slope, dtype="float", domain=_ANY, kinds=REAL_KINDS)
elementwise(
    erfinv,
    lambda xp, y: (0.5 * math.sqrt(math.pi)) * xp.exp(y * y),
    dtype="float",
    domain=UNIT,
    kinds=REAL_KINDS,
)
elementwise(
    erfcinv,
    lambda xp, y: (-0.5 * math.sqrt(math.pi)) * xp.exp(y * y),
    dtype="float",
    domain=Domain(0.1, 1.9),
    kinds=REAL_KINDS,
)
elementwise(ndtr, _normal_density, dtype="float", kinds=REAL_KINDS)
elementwise(log_ndtr, _log_ndtr_slope, dtype="float", domain=_ANY, kinds=REAL_KINDS)
elementwise(
    ndtri,
    lambda xp, y: math.sqrt(2.0 * math.pi) * xp.exp(0.5 * y * y),
    dtype="float",
    domain=Domain(0.1, 0.9),
    kinds=REAL_KINDS,
)
