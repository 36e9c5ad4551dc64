"""Bessel functions of orders 0 and 1: JAX lacks them, and cannot compile the modified ones it has.

At least not where its 64 bits are off when it compiles. Up to `NEAR` by Chebyshev series, made of
the Taylor series in exact arithmetic when first used, or by the Taylor series itself, whose terms
are positive for the modified ones; beyond by Hankel's asymptotic expansion. Errors are below 4e-15
of the functions' envelope.

Source: NIST Digital Library of Mathematical Functions, 10.2.2, 10.8.1, 10.8.2, 10.17.3, 10.17.4,
10.25.2, 10.40.1 and 18.3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
from jax import Array

NEAR = 18
"""Where the smallest term of the asymptotic expansion, about `exp(-2 * x)`, is 2e-16."""

_TERMS = 48


def _factor(order: int, k: int) -> Fraction:
    """Of `x**(2 * k + order)` in the Bessel function of the first kind."""
    return Fraction((-1) ** k, 4**k * 2**order * math.factorial(k) * math.factorial(k + order))


def _harmonic(k: int) -> Fraction:
    return sum((Fraction(1, j) for j in range(1, k + 1)), Fraction(0))


def _first(order: int) -> list[Fraction]:
    """Of `j(x) / x**order` in powers of `x**2`."""
    return [_factor(order, k) for k in range(_TERMS)]


def _second(order: int) -> list[Fraction]:
    """Of what `y(x) * pi / 2` has beside the logarithm and `-1 / x`, over `x**order`, likewise."""
    numbers = [(_harmonic(k) + _harmonic(k + order)) / 2 for k in range(_TERMS)]
    return [-_factor(order, k) * number for k, number in enumerate(numbers)]


def _chebyshev(taylor: Sequence[Fraction]) -> tuple[float, ...]:
    """The same series in shifted Chebyshev polynomials of `(x / NEAR)**2`."""
    scaled = [a * NEAR ** (2 * k) * Fraction(2, 4**k) for k, a in enumerate(taylor)]
    found = [
        float(sum(scaled[k] * math.comb(2 * k, k - j) for k in range(j, len(scaled))))
        for j in range(len(scaled))
    ]
    found[0] /= 2
    kept = [j for j, c in enumerate(found) if abs(c) > 1e-18]
    return tuple(found[: kept[-1] + 1])


def _sum_of(coefficients: Sequence[float], t: Array) -> Array:
    """The series at `t` in [0, 1], by Clenshaw's recurrence."""
    double = 4.0 * t - 2.0
    following, this = jnp.zeros_like(t), jnp.zeros_like(t)
    for c in coefficients[:0:-1]:
        following, this = this, double * this - following + c
    return 0.5 * double * this - following + coefficients[0]


def _term(order: int, k: int) -> float:
    """Of the asymptotic expansion in `1 / x`, but for its sign."""
    factors = [4 * order * order - (2 * j - 1) ** 2 for j in range(1, k + 1)]
    return float(Fraction(math.prod(factors), math.factorial(k) * 8**k))


def _hankel(order: int, odd: int) -> list[float]:
    """Its even or odd terms in `x**-2`, highest first."""
    found = [(-1) ** (k // 2) * _term(order, k) for k in range(odd, 2 * NEAR, 2)]
    return found[::-1]


def _far(order: int, x: Array) -> tuple[Array, Array]:
    """The functions of the first and of the second kind beyond `NEAR`."""
    inverse = 1.0 / x
    square = inverse * inverse
    p = jnp.polyval(np.asarray(_hankel(order, 0), x.dtype), square)
    q = jnp.polyval(np.asarray(_hankel(order, 1), x.dtype), square) * inverse
    cosine, sine = jnp.cos(x), jnp.sin(x)
    # Of x - pi / 4 and x - 3 * pi / 4, without rounding the difference.
    c, s = (cosine + sine, sine - cosine) if order == 0 else (sine - cosine, -sine - cosine)
    size = jnp.sqrt(inverse / math.pi)
    return size * (p * c - q * s), size * (p * s + q * c)


def _first_kind(order: int) -> Callable[[Array], Array]:
    def function(x: Array) -> Array:
        size = jnp.abs(x)
        near = jnp.minimum(size, NEAR)
        inside = _sum_of(_chebyshev(_first(order)), (near / NEAR) ** 2) * near**order
        found = jnp.where(size < NEAR, inside, _far(order, jnp.maximum(size, NEAR))[0])
        return jnp.where(x < 0, -found, found) if order == 1 else found

    return function


def _second_kind(order: int) -> Callable[[Array], Array]:
    def function(x: Array) -> Array:
        near = jnp.clip(x, 0.0, NEAR)
        t = (near / NEAR) ** 2
        first = _sum_of(_chebyshev(_first(order)), t) * near**order
        rest = _sum_of(_chebyshev(_second(order)), t) * near**order
        logarithm = jnp.log(0.5 * near) + np.euler_gamma
        inside = logarithm * first + rest - (1.0 / near if order == 1 else 0.0)
        inside = jnp.where(x == 0, -jnp.inf, inside * (2.0 / math.pi))
        found = jnp.where(x < NEAR, inside, _far(order, jnp.maximum(x, NEAR))[1])
        return jnp.where(x < 0, jnp.nan, found)

    return function


def _scaled(order: int) -> Callable[[Array], Array]:
    """The modified function of the first kind times `exp(-abs(x))`."""

    def function(x: Array) -> Array:
        size = jnp.abs(x)
        near = jnp.minimum(size, NEAR)
        taylor = [abs(float(a)) for a in reversed(_first(order))]
        inside = jnp.polyval(np.asarray(taylor), near * near) * near**order * jnp.exp(-near)
        inverse = 1.0 / jnp.maximum(size, NEAR)
        terms = [(-1) ** k * _term(order, k) for k in reversed(range(2 * NEAR))]
        far = jnp.polyval(np.asarray(terms), inverse) * jnp.sqrt(inverse * (0.5 / math.pi))
        found = jnp.where(size < NEAR, inside, far)
        return jnp.where(x < 0, -found, found) if order == 1 else found

    return function


def _modified(order: int) -> Callable[[Array], Array]:
    scaled = _scaled(order)

    def function(x: Array) -> Array:
        root = jnp.exp(0.5 * jnp.abs(x))  # its square overflows before the function does
        return root * scaled(x) * root

    return function


KERNELS: dict[str, Callable[..., Array]] = {
    "i0": _modified(0),
    "i0e": _scaled(0),
    "i1": _modified(1),
    "i1e": _scaled(1),
    "j0": _first_kind(0),
    "j1": _first_kind(1),
    "y0": _second_kind(0),
    "y1": _second_kind(1),
}
