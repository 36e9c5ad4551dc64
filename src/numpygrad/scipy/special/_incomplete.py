"""Incomplete gamma and beta functions, differentiable with respect to their last argument."""

from __future__ import annotations

import math
from typing import Any

from numpygrad._array import Array, Operand
from numpygrad._dispatch import apply, apply_two
from numpygrad._op import POSITIVE, REAL_KINDS, Domain, elementwise
from numpygrad._series import STIRLING_FROM, stirling
from numpygrad.scipy.special._series import log1p_less, refuse


def gammainc(a: Operand, x: Operand, /) -> Array:
    """The regularized lower incomplete gamma function at `x >= 0`, for `a > 0`.

    Differentiable with respect to `x`.

    Raises
    ------
    DerivativeError
        In differentiation with respect to `a`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> npg.scipy.special.gammainc(1.0, npg.array([0.0, 1.0]))
    Array([0.        , 0.63212056])
    """
    return apply_two(gammainc, a, x)


def gammaincc(a: Operand, x: Operand, /) -> Array:
    """The regularized upper incomplete gamma function: `1 - gammainc(a, x)` without cancellation.

    Differentiable with respect to `x`.

    Raises
    ------
    DerivativeError
        In differentiation with respect to `a`.
    """
    return apply_two(gammaincc, a, x)


def betainc(a: Operand, b: Operand, x: Operand, /) -> Array:
    """The regularized incomplete beta function at `x` in [0, 1], for `a > 0` and `b > 0`.

    Differentiable with respect to `x`.

    Raises
    ------
    DerivativeError
        In differentiation with respect to `a` or `b`.
    """
    return apply(betainc, a, b, x)


def _gamma_density(xp: Any, a: Any, x: Any) -> Any:
    """`x**(a - 1) * exp(-x) / gamma(a)`.

    For large `a` by Stirling's series, as factors of 1e300 and more would cancel; the powers of
    small `a` are kept, whose derivatives are right at 0.
    """
    large = a >= STIRLING_FROM
    small_a = xp.where(large, 1.0, a)
    # exp(-x) is 0 long before the limit.
    power = xp.minimum(x, 1e3 * xp.ones_like(x)) ** (small_a - 1.0)
    plain = power * xp.exp(-x - xp.scipy.special.gammaln(small_a))
    a = xp.where(large, a, STIRLING_FROM)
    bounded = xp.minimum(x, 1e4 * a)  # likewise
    exponent = a * log1p_less(xp, (bounded - a) / a, bounded / a) - stirling(a)
    root = xp.sqrt(a * (0.5 / math.pi))
    return xp.where(large, root * xp.exp(exponent) / xp.where(x == 0, 1.0, x), plain)


def _beta_density(xp: Any, a: Any, b: Any, x: Any) -> Any:
    """`x**(a - 1) * (1 - x)**(b - 1) / beta(a, b)`, likewise."""
    special = xp.scipy.special
    large = (a >= STIRLING_FROM) & (b >= STIRLING_FROM)
    mixed = ((a >= STIRLING_FROM) | (b >= STIRLING_FROM)) & ~large
    small_a, small_b = xp.where(large | mixed, 1.0, a), xp.where(large | mixed, 1.0, b)
    powers = x ** (small_a - 1.0) * (1.0 - x) ** (small_b - 1.0)
    plain = powers * xp.exp(-special.betaln(small_a, small_b))
    one_a, one_b = xp.where(mixed, a, 1.0), xp.where(mixed, b, 1.0)
    logarithms = special.xlogy(one_a - 1.0, x) + special.xlog1py(one_b - 1.0, -x)
    plain = xp.where(mixed, xp.exp(logarithms - special.betaln(one_a, one_b)), plain)
    a, b = xp.where(large, a, STIRLING_FROM), xp.where(large, b, STIRLING_FROM)
    total = a + b
    mean, rest = a / total, b / total
    away = x - mean
    exponent = a * log1p_less(xp, away / mean, x / mean)
    exponent = exponent + b * log1p_less(xp, -away / rest, (1.0 - x) / rest)
    exponent = exponent + stirling(total) - stirling(a) - stirling(b)
    root = xp.sqrt(a / total * b * (0.5 / math.pi))
    inside = (x > 0) & (x < 1)
    product = xp.where(inside, x * (1.0 - x), 1.0)
    return xp.where(large, root * xp.exp(exponent) / product, plain)


elementwise(
    gammainc,
    lambda a_shape: refuse("gammainc", "a", "x"),
    _gamma_density,
    dtype="float",
    domain=POSITIVE,
    kinds=REAL_KINDS,
)
elementwise(
    gammaincc,
    lambda a_shape: refuse("gammaincc", "a", "x"),
    lambda xp, a, x: -_gamma_density(xp, a, x),
    dtype="float",
    domain=POSITIVE,
    kinds=REAL_KINDS,
)
elementwise(
    betainc,
    lambda a_shape: refuse("betainc", "a", "x"),
    lambda b_shape: refuse("betainc", "b", "x"),
    _beta_density,
    dtype="float",
    domain=(POSITIVE, POSITIVE, Domain(0.1, 0.9)),
    kinds=REAL_KINDS,
)
