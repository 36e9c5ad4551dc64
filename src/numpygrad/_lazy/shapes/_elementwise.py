"""Results of kernels that act element by element."""

from __future__ import annotations

from typing import Any

from numpygrad._dtypes import DType, bool_, promote
from numpygrad._lazy.program import Aval
from numpygrad._lazy.shapes._fitting import (
    SCALARS,
    Rule,
    aval,
    broadcast,
    common,
    floating,
    given,
    real_of,
    shape_of,
    weak,
)


def _special(*names: str) -> frozenset[str]:
    """Kernels of `numpygrad.scipy.special`."""
    return frozenset(f"scipy.special.{name}" for name in names)


FLOATING_UNARY = frozenset(
    {"acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "erf", "exp", "expm1"}
    | {"log", "log10", "log1p", "log2", "reciprocal", "sigmoid", "sin", "sinh"}
    | {"softplus", "sqrt", "tan", "tanh"}
    | _special("digamma", "entr", "erfc", "erfcinv", "erfcx", "erfinv", "expit", "gamma")
    | _special("gammaln", "i0", "i0e", "i1", "i1e", "j0", "j1", "log_expit", "log_ndtr", "loggamma")
    | _special("logit", "ndtr", "ndtri", "y0", "y1")
)
KEEPING_UNARY = frozenset(
    {"bitwise_invert", "ceil", "conj", "contiguous", "floor", "negative", "positive", "relu"}
    | {"stop_gradient"}
    | {"round", "sign", "square", "trunc"}
)
REAL_UNARY = frozenset({"abs", "imag", "real"})
PREDICATES = frozenset({"isfinite", "isinf", "isnan", "logical_not", "signbit"})

UNARY = FLOATING_UNARY | KEEPING_UNARY | REAL_UNARY
"""Kernels of one array whose result has its shape and, if it is real and floating, its dtype."""

FLOATING_BINARY = frozenset(
    {"atan2", "copysign", "divide", "excess", "hypot", "logaddexp", "nextafter"}
    | _special("beta", "betaln", "gammainc", "gammaincc", "kl_div", "rel_entr", "xlog1py", "xlogy")
    | _special("zeta")
)
PROMOTING_BINARY = frozenset(
    {"add", "bitwise_and", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift"}
    | {"bitwise_xor", "clip_high", "clip_low", "floor_divide", "guarded_multiply", "maximum"}
    | {"minimum", "multiply", "pow", "remainder", "subtract"}
)
COMPARISONS = frozenset(
    {"equal", "greater", "greater_equal", "less", "less_equal", "not_equal"}
    | {"logical_and", "logical_or", "logical_xor"}
)

BINARY = FLOATING_BINARY | PROMOTING_BINARY
"""Kernels of two arrays whose result has their shape and dtype, if these are the same for both and
the dtype is floating; with a Python float, those of the array."""

TERNARY = _special("betainc")
"""Kernels of three arrays, floating and of one dtype, whose result has their shape and dtype."""


def _keeping(x: Any, /) -> Aval:
    return aval(x.shape, x.dtype)


def _floating_unary(x: Any, /) -> Aval:
    return aval(x.shape, floating(x.dtype))


def _real(x: Any, /) -> Aval:
    return aval(x.shape, real_of(x.dtype))


def _predicate(x: Any, /) -> Aval:
    return aval(x.shape, bool_)


def _promoting(name: str) -> Rule:
    def binary(x1: Any, x2: Any, /) -> Aval:
        if type(x2) in SCALARS:
            if type(x1) in SCALARS:
                return aval((), common(x1, x2))
            return aval(x1.shape, weak(x1.dtype, type(x2)))
        if type(x1) in SCALARS:
            return aval(x2.shape, weak(x2.dtype, type(x1)))
        shape, dtype = x1.shape, x1.dtype
        shape2, dtype2 = x2.shape, x2.dtype
        return aval(
            shape if shape == shape2 else broadcast(name, shape, shape2),
            dtype if dtype is dtype2 else promote(dtype, dtype2),
        )

    return binary


def _floating(name: str) -> Rule:
    promoting: Any = _promoting(name)

    def binary(x1: Any, x2: Any, /) -> Aval:
        found: Aval = promoting(x1, x2)
        shape, dtype = found
        wanted = floating(dtype)
        return found if wanted is dtype else aval(shape, wanted)

    return binary


def _ternary(name: str) -> Rule:
    def ternary(x1: Any, x2: Any, x3: Any, /) -> Aval:
        shapes = (shape_of(x) for x in (x1, x2, x3))
        return aval(broadcast(name, *shapes), floating(common(x1, x2, x3)))

    return ternary


def _comparing(name: str) -> Rule:
    def binary(x1: Any, x2: Any, /) -> Aval:
        shape = () if type(x1) in SCALARS else x1.shape
        if type(x2) not in SCALARS:
            shape2 = x2.shape
            if shape != shape2:
                shape = broadcast(name, shape, shape2)
        return aval(shape, bool_)

    return binary


def _where(condition: Any, x1: Any, x2: Any, /) -> Aval:
    shape = condition.shape
    dtype: DType | None = None
    if type(x1) not in SCALARS:
        dtype = x1.dtype
        if x1.shape != shape:
            return _where_broadcast(condition, x1, x2)
    if type(x2) not in SCALARS:
        if x2.shape != shape:
            return _where_broadcast(condition, x1, x2)
        if dtype is not None and x2.dtype is dtype:
            return aval(shape, dtype)
    return aval(shape, common(x1, x2))


def _where_broadcast(condition: Any, x1: Any, x2: Any) -> Aval:
    shape = broadcast("where", condition.shape, shape_of(x1), shape_of(x2))
    return aval(shape, common(x1, x2))


def _clip_both(x: Any, low: Any, high: Any, /) -> Aval:
    shape = broadcast("clip_both", x.shape, shape_of(low), shape_of(high))
    return aval(shape, common(x, low, high))


def _clip(x: Any, /, min: Any = None, max: Any = None) -> Aval:
    """The dtype is that of `x`, as the standard has it."""
    bounds = [shape_of(bound) for bound in (min, max) if bound is not None]
    return aval(broadcast("clip", x.shape, *bounds), x.dtype)


def cast(x: Any, /, dtype: Any, *, copy: bool = True, device: Any = None) -> Aval:
    """`cast` and `astype`."""
    return aval(x.shape, given(dtype, x.dtype))


RULES: dict[str, Rule] = {
    **dict.fromkeys(KEEPING_UNARY, _keeping),
    **dict.fromkeys(FLOATING_UNARY, _floating_unary),
    **dict.fromkeys(REAL_UNARY, _real),
    **dict.fromkeys(PREDICATES, _predicate),
    **{name: _promoting(name) for name in PROMOTING_BINARY},
    **{name: _floating(name) for name in FLOATING_BINARY},
    **{name: _ternary(name) for name in TERNARY},
    **{name: _comparing(name) for name in COMPARISONS},
    "astype": cast,
    "cast": cast,
    "clip": _clip,
    "clip_both": _clip_both,
    "where": _where,
}
