"""What the derivatives of special functions share: polynomials, Stirling's series, refusals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from numpygrad.errors import DerivativeError

STIRLING_FROM = 16.0
"""Where `stirling` has the accuracy of float64."""

_STIRLING = (-691 / 360360, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12)


def horner(coefficients: Sequence[float], x: Any) -> Any:
    """The polynomial in `x`, its highest coefficient first."""
    total: Any = coefficients[0]
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total


def stirling(a: Any) -> Any:
    """`gammaln(a) - (a - 0.5) * log(a) + a - log(2 * pi) / 2`, for large `a`.

    Source: NIST Digital Library of Mathematical Functions, 5.11.1.
    """
    inverse = 1.0 / a
    return inverse * horner(_STIRLING, inverse * inverse)


def log1p_less(xp: Any, t: Any, ratio: Any) -> Any:
    """`log(ratio) - t`, where `t` is `ratio - 1` without the rounding."""
    near = xp.abs(t) < 0.25
    away = xp.log(xp.where(near, 1.0, ratio))
    return xp.where(near, xp.log1p(xp.where(near, t, 0.0)), away) - t


def refuse(name: str, parameter: str, other: str) -> NoReturn:
    """Raises that an op has no derivative with respect to one of its arrays."""
    raise DerivativeError(
        f"{name}() has a derivative with respect to {other}, none with respect to {parameter}. "
        f"Pass {parameter}.detach(), if it is to count as a constant"
    )
