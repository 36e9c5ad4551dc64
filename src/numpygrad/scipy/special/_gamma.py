"""The gamma function and its kin: logarithms, derivatives, beta functions, the Hurwitz zeta."""

from __future__ import annotations

import math
from typing import Any

from numpygrad._array import Array, Operand
from numpygrad._dispatch import apply_two, apply_unary, as_array
from numpygrad._op import ABOVE_ONE, POSITIVE, REAL_KINDS, elementwise
from numpygrad.errors import DTypeError
from numpygrad.ops import RULE_NAMESPACE
from numpygrad.ops.searching import where
from numpygrad.scipy.special._series import refuse


def gamma(x: Array, /) -> Array:
    """The gamma function of `x`, real; NaN at negative integers, inf from 171.63 on.

    Examples
    --------
    >>> import numpygrad as npg
    >>> npg.scipy.special.gamma(npg.array([1.0, 5.0]))
    Array([ 1., 24.])
    """
    return apply_unary(gamma, x)


def gammaln(x: Array, /) -> Array:
    """Logarithm of the absolute value of the gamma function of `x`, real.

    The derivative is `digamma(x)`.
    """
    return apply_unary(gammaln, x)


def loggamma(x: Array, /) -> Array:
    """Logarithm of the gamma function of `x`, real; NaN below 0, where that is complex."""
    return apply_unary(loggamma, x)


def digamma(x: Array, /) -> Array:
    """Derivative of `gammaln` at `x`, real; NaN at negative integers.

    Its own derivatives are Hurwitz zeta functions, below 0 by reflection.
    """
    return apply_unary(digamma, x)


psi = digamma


def polygamma(n: int | Operand, x: Array, /) -> Array:
    """Derivative of `digamma` of the order `n`, an integer or an array of some, at `x`.

    Below 0 it is what the backend's `zeta` is there: NaN on JAX, but for orders 0 and 1.

    Raises
    ------
    ValueError
        If an integer `n` is negative.
    DTypeError
        If an array `n` is not of integers: of the order there is no derivative.

    Examples
    --------
    >>> import numpygrad as npg
    >>> npg.scipy.special.polygamma(1, npg.array([1.0, 2.0]))
    Array([1.64493407, 0.64493407])
    """
    if isinstance(n, int):
        return _polygamma(n, as_array("polygamma", x))
    order = as_array("polygamma", n)
    if order.dtype.kind not in "iu":
        raise DTypeError(f"polygamma() needs integers n, got {order.dtype}; use n.astype('int64')")
    return where(order == 0, digamma(x), _of_orders(order, x))


def _polygamma(n: int, x: Array) -> Array:
    if n < 0:
        raise ValueError(f"polygamma() needs n >= 0, got {n}")
    if n == 0:
        return digamma(x)
    if n == 1:
        found: Array = _trigamma(RULE_NAMESPACE, x)
        return found
    return (-1.0) ** (n + 1) * math.gamma(n + 1) * zeta(n + 1.0, x)


def _of_orders(n: Array, x: Array) -> Array:
    signs = where(n % 2 == 0, -1.0, 1.0)
    return signs * gamma(n + 1.0) * zeta(n + 1.0, x)


def beta(a: Operand, b: Operand, /) -> Array:
    """The beta function `gamma(a) * gamma(b) / gamma(a + b)`, real."""
    return apply_two(beta, a, b)


def betaln(a: Operand, b: Operand, /) -> Array:
    """Logarithm of the absolute value of the beta function of `a` and `b`, real.

    Derivatives keep their relative accuracy where one argument is much larger than the other.
    """
    return apply_two(betaln, a, b)


def zeta(x: Operand, q: Operand | None = None, /) -> Array:
    """The Hurwitz zeta function: the sum over `k >= 0` of `(k + q)**-x`, for `x > 1` and `q > 0`.

    Differentiable with respect to `q`, which is 1 by default: Riemann's zeta function.

    Raises
    ------
    DerivativeError
        In differentiation with respect to `x`.
    """
    return apply_two(zeta, x, 1.0 if q is None else q)


_DIGAMMA_SERIES = (1 / 12, -691 / 32760, 1 / 132, -1 / 240, 1 / 252, -1 / 120, 1 / 12)
"""Of `log(x) - 1 / (2 * x) - digamma(x)` in powers of `x**-2`, highest first, from 12 on.

Source: NIST Digital Library of Mathematical Functions, 5.11.2.
"""


_EULER = 0.57721566490153286


def _trigamma(xp: Any, x: Any) -> Any:
    """`zeta(2, x)`; by reflection below 0, where some backends' zeta does not go.

    Source: NIST Digital Library of Mathematical Functions, 5.15.6.
    """
    zeta = xp.scipy.special.zeta
    below = x < 0
    cosecant = math.pi / xp.sin(math.pi * xp.where(below, x - xp.round(x), 0.5))
    reflected = cosecant * cosecant - zeta(2.0, xp.where(below, 1.0 - x, 1.0))
    return xp.where(below, reflected, zeta(2.0, xp.where(below, 1.0, x)))


def _digamma_difference(xp: Any, a: Any, b: Any) -> Any:
    """`digamma(a) - digamma(a + b)`.

    Where `b` is smaller than `a` the two cancel: 1e8 and 1 would leave 7 digits of 16. There the
    terms of the recurrence up to 12, and of the asymptotic series from there, are subtracted one by
    one. At the pole, `-1 / a` is what has the derivatives by `a`; at infinity it is `-b / a`.
    """
    digamma = xp.scipy.special.digamma
    pole, end = a == 0, (a == math.inf) & (xp.abs(b) < math.inf)
    at_pole = -1.0 / xp.where(pole, a + 0.0, 1.0) - digamma(xp.where(pole, b, 1.0))
    at_end = -xp.where(end, b, 0.0) / xp.where(end, a, 1.0)
    a = xp.where(pole | end, 1.0, a)
    close = (a > 0) & (b > 0) & (b < a) & (a < math.inf)
    plain = digamma(a) - digamma(a + b)
    u = xp.where(close, a, 1.0)
    b = xp.where(close, b, 0.5)
    total: Any = 0.0
    for _ in range(12):
        total = total - b / u / (u + b)
        u = u + 1.0
    v = u + b
    p, q = 1.0 / (u * u), 1.0 / (v * v)
    # p**k - q**k is (p - q) times the sum of p**i * q**(k - 1 - i).
    share, power, series = 1.0, q, 0.0
    for coefficient in reversed(_DIGAMMA_SERIES):
        series = series + coefficient * share
        share, power = p * share + power, power * q
    series = series * (b * p) * ((u + v) * q)
    found = xp.where(close, total - xp.log1p(b / u) - b / u / (2.0 * v) - series, plain)
    return xp.where(pole, at_pole - _EULER, xp.where(end, at_end, found))


def _beta_slope(xp: Any, a: Any, b: Any, y: Any) -> Any:
    """The derivative of `beta` by `a`; 0 at infinity, where it is 0 times infinity."""
    end = (xp.isinf(a) | xp.isinf(b)) & (a > 0) & (b > 0)
    a, b = xp.where(end, 1.0, a), xp.where(end, 1.0, b)
    return xp.where(end, 0.0, y * _digamma_difference(xp, a, b))


elementwise(
    gamma,
    lambda xp, x, y: y * xp.scipy.special.digamma(x),
    dtype="float",
    domain=POSITIVE,
    kinds=REAL_KINDS,
)
elementwise(
    gammaln,
    lambda xp, x: xp.scipy.special.digamma(x),
    dtype="float",
    domain=POSITIVE,
    kinds=REAL_KINDS,
)
elementwise(
    loggamma,
    lambda xp, x: xp.scipy.special.digamma(x),
    dtype="float",
    domain=POSITIVE,
    kinds=REAL_KINDS,
)
elementwise(digamma, _trigamma, dtype="float", domain=POSITIVE, kinds=REAL_KINDS)
elementwise(
    beta,
    lambda xp, a, b, y: _beta_slope(xp, a, b, y),
    lambda xp, a, b, y: _beta_slope(xp, b, a, y),
    dtype="float",
    domain=POSITIVE,
    kinds=REAL_KINDS,
)
elementwise(
    betaln,
    lambda xp, a, b: _digamma_difference(xp, a, b),
    lambda xp, a, b: _digamma_difference(xp, b, a),
    dtype="float",
    domain=POSITIVE,
    kinds=REAL_KINDS,
)
elementwise(
    zeta,
    lambda x_shape: refuse("zeta", "x", "q"),
    lambda xp, x, q: -x * xp.scipy.special.zeta(x + 1.0, q),
    dtype="float",
    domain=(ABOVE_ONE, POSITIVE),
    kinds=REAL_KINDS,
)
