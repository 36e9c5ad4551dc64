"""JAX's kernels for `numpygrad.scipy.special`: those it lacks, and those that lose digits in it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import jax.scipy.special as library
from jax import jit

from numpygrad import _kernels
from numpygrad._backend import Namespace
from numpygrad._series import STIRLING_FROM, stirling
from numpygrad_jax import _bessel

Raw = Any


def _sign_of_gamma(x: Raw) -> Raw:
    """Its sign, NaN at poles below 0; JAX's own cannot be compiled outside of 64 bits."""
    floor = jnp.floor(x)
    odd = (x < 0) & (jnp.remainder(floor, 2.0) != 0) | ((x == 0) & jnp.signbit(x))
    return jnp.where((x < 0) & (x == floor), jnp.nan, jnp.where(odd, -1.0, 1.0))


def gamma(x: Raw) -> Raw:
    """By powers where large: JAX takes the exponential of a logarithm, which loses 3 digits."""
    large = x >= STIRLING_FROM
    safe = jnp.where(large, x, STIRLING_FROM)
    root = jnp.power(safe, 0.5 * safe - 0.25)  # its square overflows before the function does
    found = root * jnp.exp(-safe) * root * (math.sqrt(2.0 * math.pi) * jnp.exp(stirling(safe)))
    found = jnp.where(x > 172.0, jnp.inf, found)
    safe = jnp.where(large, 1.0, x)
    return jnp.where(large, found, _sign_of_gamma(safe) * jnp.exp(library.gammaln(safe)))


def betaln(a: Raw, b: Raw) -> Raw:
    """By Stirling's series where one argument is large: JAX's has errors of 2e-7.

    Source: A. R. DiDonato and A. H. Morris, ACM Transactions on Mathematical Software 18 (1992),
    section 2.
    """
    p, q = jnp.minimum(a, b), jnp.maximum(a, b)
    large = (p > 0) & (q >= STIRLING_FROM)
    endless = large & jnp.isinf(q)
    plain = library.gammaln(a) + library.gammaln(b) - library.gammaln(a + b)
    p, q = jnp.where(large, p, 1.0), jnp.where(large & ~endless, q, STIRLING_FROM)
    drop = stirling(q) - stirling(p + q) + (p - (q - 0.5) * jnp.log1p(p / q) - p * jnp.log(p + q))
    found = jnp.where(large, library.gammaln(p) + drop, plain)
    return jnp.where(endless, -jnp.inf, found)


def beta(a: Raw, b: Raw) -> Raw:
    """With the sign that the logarithm lacks."""
    signs = _sign_of_gamma(a) * _sign_of_gamma(b) * _sign_of_gamma(a + b)
    return signs * jnp.exp(betaln(a, b))


def digamma(x: Raw) -> Raw:
    """With the infinities of both sides of 0."""
    return jnp.where(x == 0, -jnp.copysign(jnp.inf, x), library.digamma(jnp.where(x == 0, 1.0, x)))


def erfinv(x: Raw) -> Raw:
    """By the normal distribution near 1, where JAX's keeps 11 digits."""
    size = jnp.abs(x)
    away = jnp.sign(x) * -math.sqrt(0.5) * library.ndtri(0.5 * (1.0 - size))
    return jnp.where(size < 0.5, library.erfinv(jnp.where(size < 0.5, x, 0.0)), away)


def erfcinv(x: Raw) -> Raw:
    """By the normal distribution."""
    return -math.sqrt(0.5) * library.ndtri(0.5 * x)


def log_expit(x: Raw) -> Raw:
    """`-log(1 + exp(-x))`."""
    return jnp.minimum(x, 0.0) - jnp.log1p(jnp.exp(-jnp.abs(x)))


def log_ndtr(x: Raw) -> Raw:
    """By `erfcx` and `erfc`: JAX's keeps 3 digits where it is nearly 0."""
    lower = x < -1.0
    scaled = _kernels.erfcx(jnp, jnp.where(lower, x, -1.0) * -math.sqrt(0.5))
    tail = jnp.log(0.5 * scaled) - 0.5 * x * x
    upper = jnp.log1p(-0.5 * library.erfc(jnp.where(lower, -1.0, x) * math.sqrt(0.5)))
    return jnp.where(lower, tail, upper)


def loggamma(x: Raw) -> Raw:
    """Of real numbers: NaN below 0, where it is complex."""
    return jnp.where(x < 0, jnp.nan, library.gammaln(x))


def logit(x: Raw) -> Raw:
    """By `log1p` around a half, where the quotient is nearly 1."""
    middle = (x > 0.43) & (x < 0.6)
    near = jnp.where(middle, x, 0.5)
    away = jnp.where(middle, 0.5, x)
    inside = jnp.log1p((2.0 * near - 1.0) / (1.0 - near))
    return jnp.where(middle, inside, jnp.log(away / (1.0 - away)))


def rel_entr(x: Raw, y: Raw) -> Raw:
    """By `log1p` where the two are close; below -0.25 XLA's has errors of 3e-14."""
    inside = (x > 0) & (y > 0)
    u, v = jnp.where(inside, x, 1.0), jnp.where(inside, y, 1.0)
    close = jnp.abs(u - v) < 0.25 * v
    near = jnp.log1p(jnp.where(close, u - v, 0.0) / v)
    found = u * jnp.where(close, near, jnp.log(u) - jnp.log(v))
    outside = jnp.where((x == 0) & (y >= 0), 0.0, jnp.inf)
    return jnp.where(inside, found, jnp.where(jnp.isnan(x + y), jnp.nan, outside))


def zeta(x: Raw, q: Raw) -> Raw:
    """NaN for negative `q`, where JAX's has no meaning; and no underflow for large `q`."""
    large = q > 1e10
    found = library.zeta(x, jnp.where((q > 0) & ~large, q, 1.0))
    far = jnp.where(large, q, 1.0) ** (1.0 - x) * (1.0 / (x - 1.0) + 0.5 / q)
    found = jnp.where(large & (x > 1), far, found)
    return jnp.where(q > 0, found, jnp.where((q == 0) & (x > 1), jnp.inf, jnp.nan))


def _in_float64(function: Callable[..., Raw]) -> Callable[..., Raw]:
    """As SciPy computes for float32: in it, some arguments would keep only 2 digits of 7."""

    @functools.wraps(function)
    def kernel(*args: Raw) -> Raw:
        dtype = jnp.result_type(*args)
        return function(*(jnp.asarray(x, jnp.float64) for x in args)).astype(dtype)

    return kernel


_PLAIN = (
    *(library.entr, library.erfc, library.expit, library.ndtr, library.ndtri),
    *(library.xlog1py, library.xlogy),
    *(erfcinv, erfinv, log_expit, log_ndtr, logit, rel_entr),
)
_CAREFUL: tuple[Callable[..., Raw], ...] = (
    *(library.betainc, library.gammainc, library.gammaincc, library.gammaln),
    *(library.kl_div, beta, betaln, digamma, gamma, loggamma, zeta),
)

KERNELS: dict[str, Callable[..., Raw]] = {
    **{function.__name__: jit(function) for function in _PLAIN},
    **{function.__name__: jit(_in_float64(function)) for function in _CAREFUL},
    **{name: jit(_in_float64(function)) for name, function in _bessel.KERNELS.items()},
    "erfcx": jit(functools.partial(_kernels.erfcx, jnp)),
}


def load() -> Namespace:
    """The namespace."""
    return Namespace(library, KERNELS, extensions={})
