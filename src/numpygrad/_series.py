"""Polynomials and Stirling's series, of raw arrays and of Arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
