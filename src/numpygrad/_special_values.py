"""Values at zeros, infinities and NaN that libraries get wrong, by the standard's tables.

A backend puts `repaired` behind those functions of its library that deviate for complex arrays,
`reflected` around those that lose the sign of a zero, and `floor_divide` behind its own. All of it
is array code on `xp`, without a branch on values, so that it can be traced.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import truediv
from typing import Any, TypeAlias

from numpygrad.typing import RawArray

Row: TypeAlias = tuple[RawArray, Any, Any]
"""Where a row holds, and the real and the imaginary part of the result there."""

Rows: TypeAlias = Callable[[Any, RawArray, RawArray], list[Row]]
"""From a namespace and the parts of the argument to rows, of which a later one has precedence."""

Function: TypeAlias = Callable[[RawArray], RawArray]
Joined: TypeAlias = Callable[[RawArray, RawArray], RawArray]
"""Makes a complex array of its parts: `re + 1j * im` would make NaN of infinite ones."""

INF, NAN = math.inf, math.nan

ODD = frozenset({"asin", "asinh", "atan", "atanh", "sin", "sinh", "tan", "tanh"})
EVEN = frozenset({"cos", "cosh"})


def repaired(xp: Any, name: str, x: RawArray, y: RawArray, joined: Joined) -> RawArray:
    """`y`, a library's `name(x)` of a complex array, with the special values of the standard."""
    real, imag = xp.real(y), xp.imag(y)
    for where, special_real, special_imag in COMPLEX[name](xp, xp.real(x), xp.imag(x)):
        real = xp.where(where, special_real, real)
        imag = xp.where(where, special_imag, imag)
    return joined(real, imag)


def reflected(xp: Any, name: str, function: Function, x: RawArray, joined: Joined) -> RawArray:
    """`function(x)` by its values above the real axis, and if it is odd or even, right of 0.

    Its symmetries then hold exactly, also on branch cuts: `sqrt(-2 - 0j)` is below the axis, where
    a library that overlooks the sign of zero has it above.
    """
    a, b = xp.real(x), xp.imag(x)
    below, left = xp.signbit(b), xp.signbit(a)
    odd, even = name in ODD, name in EVEN
    # Not abs(), whose derivative at 0 would be lost where a tracer differentiates this.
    y = function(joined(xp.where(left, -a, a) if odd or even else a, xp.where(below, -b, b)))
    real, imag = xp.real(y), xp.imag(y)
    real = xp.where(left, -real, real) if odd else real
    return joined(real, xp.where(below ^ left if even else below, -imag, imag))


def complex_sign(
    xp: Any, x: RawArray, divided: Callable[[RawArray, RawArray], RawArray] = truediv
) -> RawArray:
    """`x / abs(x)` of complex numbers, `divided` by real ones, and of any zero the positive one."""
    size = xp.abs(x)
    zero = size == 0
    return xp.where(zero, 0.0, divided(x, xp.where(zero, 1.0, size)))


def floor_divide(
    xp: Any, x1: RawArray, x2: RawArray, plain: Callable[[RawArray, RawArray], RawArray]
) -> RawArray:
    """`plain(x1, x2)` of real floating arrays; at infinities and zeros, `floor(x1 / x2)`.

    Python, and most libraries with it, has NaN for `inf // 2` and -1 for `1 // -inf`.
    """
    exact = (x1 == 0) | (x2 == 0) | (xp.isinf(x1) ^ xp.isinf(x2))
    return xp.where(exact, x1 / x2, plain(x1, x2))


def _acos(xp: Any, a: RawArray, b: RawArray) -> list[Row]:
    lost = xp.isnan(b)
    return [(lost & xp.isfinite(a), NAN, NAN), (lost & (a == 0), math.pi / 2, NAN)]


def _acosh(xp: Any, a: RawArray, b: RawArray) -> list[Row]:
    lost = xp.isnan(b)
    return [(lost & xp.isfinite(a), NAN, NAN), (lost & (a == 0), NAN, math.pi / 2)]


def _asinh(xp: Any, a: RawArray, b: RawArray) -> list[Row]:
    lost = xp.isnan(a)
    return [(lost & xp.isfinite(b), NAN, NAN), (lost & (b == 0), NAN, b)]


def _atanh(xp: Any, a: RawArray, b: RawArray) -> list[Row]:
    lost = xp.isnan(b)
    return [
        (xp.isnan(a) & ~xp.isinf(b), NAN, NAN),
        (lost & xp.isfinite(a), NAN, NAN),
        (lost & (a == 0), a, NAN),
        (lost & xp.isinf(a), xp.copysign(0.0, a), NAN),
    ]


def _cosh(xp: Any, a: RawArray, b: RawArray) -> list[Row]:
    wild = ~xp.isfinite(b)
    return [
        (b == 0, xp.cosh(a), xp.where(xp.signbit(a), -b, b)),
        (wild & (a == 0), NAN, 0.0),
        (wild & xp.isinf(a), INF, NAN),
    ]


def _exp(xp: Any, a: RawArray, b: RawArray) -> list[Row]:
    wild = ~xp.isfinite(b)
    return [(wild & (a == -INF), 0.0, 0.0), (wild & (a == INF), INF, NAN)]


def _expm1(xp: Any, a: RawArray, b: RawArray) -> list[Row]:
    wild = ~xp.isfinite(b)
    on_axis = xp.where(a == 0, 0.0, xp.expm1(a))
    return [(b == 0, on_axis, b), (wild & (a == -INF), -1.0, 0.0), (wild & (a == INF), INF, NAN)]


def _log(xp: Any, a: RawArray, b: RawArray) -> list[Row]:
    return [((xp.isinf(a) & xp.isnan(b)) | (xp.isnan(a) & xp.isinf(b)), INF, NAN)]


def _sinh(xp: Any, a: RawArray, b: RawArray) -> list[Row]:
    return [(~xp.isfinite(b) & ((a == 0) | xp.isinf(a)), a, NAN)]


def _sqrt(xp: Any, a: RawArray, b: RawArray) -> list[Row]:
    lost = xp.isnan(b)
    return [
        (lost & (a == -INF), NAN, INF),
        (lost & (a == INF), INF, NAN),
        (xp.isinf(b), INF, b),
    ]


def _tanh(xp: Any, a: RawArray, b: RawArray) -> list[Row]:
    # C has the sign of sin(2 b) in the imaginary part at infinities, the standard that of b.
    return [
        (~xp.isfinite(b) & (a == 0), a, NAN),
        (xp.isinf(a), xp.copysign(1.0, a), xp.copysign(0.0, b)),
    ]


def _turned(rows: Rows) -> Rows:
    """Of the function that is `-1j * f(x * 1j)`, the rows, given those of `f`."""
    return lambda xp, a, b: [(where, im, -re) for where, re, im in rows(xp, -b, a)]


def _cos(xp: Any, a: RawArray, b: RawArray) -> list[Row]:
    """As `cosh(x * 1j)`."""
    return _cosh(xp, -b, a)


COMPLEX: dict[str, Rows] = {
    "acos": _acos,
    "acosh": _acosh,
    "asin": _turned(_asinh),
    "asinh": _asinh,
    "atan": _turned(_atanh),
    "atanh": _atanh,
    "cos": _cos,
    "cosh": _cosh,
    "exp": _exp,
    "expm1": _expm1,
    "log": _log,
    "log10": _log,
    "log1p": _log,
    "log2": _log,
    "sin": _turned(_sinh),
    "sinh": _sinh,
    "sqrt": _sqrt,
    "tan": _turned(_tanh),
    "tanh": _tanh,
}
"""Where libraries deviate from the standard for complex arrays, and what it has there."""
