"""Products with logarithms, entropies, and the logistic function with its inverse."""

from __future__ import annotations

from typing import Any

from numpygrad._array import Array, Operand
from numpygrad._dispatch import apply_two, apply_unary
from numpygrad._op import POSITIVE, REAL_KINDS, Domain, elementwise


def xlogy(x1: Operand, x2: Operand, /) -> Array:
    """`x1 * log(x2)`, real; 0 where `x1` is 0, and there the derivative by `x2` is 0 too.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x1, x2 = npg.array([0.0, 3.0]), npg.array([0.0, 2.0], requires_grad=True)
    >>> npg.scipy.special.xlogy(x1, x2).sum().backward()
    >>> x2.grad
    Array([0. , 1.5])
    """
    return apply_two(xlogy, x1, x2)


def xlog1py(x1: Operand, x2: Operand, /) -> Array:
    """`x1 * log1p(x2)`, real; 0 where `x1` is 0, and there the derivative by `x2` is 0 too."""
    return apply_two(xlog1py, x1, x2)


def entr(x: Array, /) -> Array:
    """`-x * log(x)`, real; 0 at 0, where the derivative is inf, and -inf below."""
    return apply_unary(entr, x)


def rel_entr(x1: Operand, x2: Operand, /) -> Array:
    """`x1 * log(x1 / x2)`, real; 0 where `x1` is 0, inf outside of `x1 >= 0` and `x2 > 0`.

    The derivatives where both are 0 are taken as 0.
    """
    return apply_two(rel_entr, x1, x2)


def kl_div(x1: Operand, x2: Operand, /) -> Array:
    """`x1 * log(x1 / x2) - x1 + x2`, real; `x2` where `x1` is 0, inf where one is negative.

    The derivative by `x1` where both are 0 is taken as 0.
    """
    return apply_two(kl_div, x1, x2)


def expit(x: Array, /) -> Array:
    """The logistic function `1 / (1 + exp(-x))`, real.

    Its derivative, unlike that of `numpygrad.sigmoid`, is accurate where the function is nearly 1.
    """
    return apply_unary(expit, x)


def logit(x: Array, /) -> Array:
    """`log(x / (1 - x))`, for `x` in [0, 1]. The derivative at the ends is inf."""
    return apply_unary(logit, x)


def log_expit(x: Array, /) -> Array:
    """`log(expit(x))` without underflow, real."""
    return apply_unary(log_expit, x)


def _over(xp: Any, x1: Any, x2: Any) -> Any:
    """`x1 / x2`, 0 where both are 0; linear in `x1` even there."""
    return x1 / xp.where((x1 == 0) & (x2 == 0), 1.0, x2)


def _log_ratio(xp: Any, x1: Any, x2: Any) -> Any:
    """`log(x1 / x2)` without overflow, nor cancellation where they are close; 0 of two zeros."""
    nothing = (x1 == 0) & (x2 == 0)
    x1, x2 = xp.where(nothing, 1.0, x1), xp.where(nothing, 1.0, x2)
    close = xp.abs(x1 - x2) < 0.25 * x2
    near = xp.log1p(xp.where(close, x1 - x2, 0.0) / xp.where(close, x2, 1.0))
    return xp.where(close, near, xp.log(x1) - xp.log(x2))


def _rel_entr_slope(xp: Any, x1: Any, x2: Any) -> Any:
    return xp.where((x1 == 0) & (x2 == 0), 0.0, _log_ratio(xp, x1, x2) + 1.0)


elementwise(
    xlogy,
    lambda xp, x2: xp.log(x2),
    _over,
    dtype="float",
    domain=POSITIVE,
    kinds=REAL_KINDS,
)
elementwise(
    xlog1py,
    lambda xp, x2: xp.log1p(x2),
    lambda xp, x1, x2: _over(xp, x1, 1.0 + x2),
    dtype="float",
    domain=POSITIVE,
    kinds=REAL_KINDS,
)
elementwise(entr, lambda xp, x: -xp.log(x) - 1.0, dtype="float", domain=POSITIVE, kinds=REAL_KINDS)
elementwise(
    rel_entr,
    _rel_entr_slope,
    lambda xp, x1, x2: -_over(xp, x1, x2),
    dtype="float",
    domain=POSITIVE,
    kinds=REAL_KINDS,
)
elementwise(
    kl_div,
    _log_ratio,
    lambda xp, x1, x2: 1.0 - _over(xp, x1, x2),
    dtype="float",
    domain=POSITIVE,
    kinds=REAL_KINDS,
)
elementwise(
    expit,
    lambda xp, x: xp.scipy.special.expit(x) * xp.scipy.special.expit(-x),
    dtype="float",
    kinds=REAL_KINDS,
)
elementwise(
    logit,
    lambda x: 1.0 / x + 1.0 / (1.0 - x),
    dtype="float",
    domain=Domain(0.1, 0.9),
    kinds=REAL_KINDS,
)
elementwise(log_expit, lambda xp, x: xp.scipy.special.expit(-x), dtype="float", kinds=REAL_KINDS)
