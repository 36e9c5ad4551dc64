"""CUDA C for elementwise calls: the same functions on the same types as CuPy's own kernels call.

Left out are calls of complex numbers, those whose kernels CuPy or this backend make of several
steps (`floor_divide`, `remainder`), and division of integers. They run as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from numpygrad._lazy.program import Aval, Instruction, Value

Avals = Sequence[Aval | None]

TYPES: dict[Any, str] = {
    np.dtype(name): text
    for name, text in {
        "bool": "bool",
        "int8": "signed char",
        "int16": "short",
        "int32": "int",
        "int64": "long long",
        "uint8": "unsigned char",
        "uint16": "unsigned short",
        "uint32": "unsigned int",
        "uint64": "unsigned long long",
        "float32": "float",
        "float64": "double",
    }.items()
}
"""What CuPy calls dtypes in C."""

COMPARISONS = {
    "equal": "{0} == {1}",
    "greater": "{0} > {1}",
    "greater_equal": "{0} >= {1}",
    "less": "{0} < {1}",
    "less_equal": "{0} <= {1}",
    "not_equal": "{0} != {1}",
}
ARITHMETIC = {
    "add": "{0} + {1}",
    "multiply": "{0} * {1}",
    "negative": "-{0}",
    "positive": "{0}",
    "square": "{0} * {0}",
    "subtract": "{0} - {1}",
}
BITS = {
    "bitwise_and": "{0} & {1}",
    "bitwise_or": "{0} | {1}",
    "bitwise_xor": "{0} ^ {1}",
}
MAXIMUM = "({0} != {0} ? {0} : {1} != {1} ? {1} : fmax({0}, {1}))"
MINIMUM = "({0} != {0} ? {0} : {1} != {1} ? {1} : fmin({0}, {1}))"
"""With NaN where one of them is, which `fmin` would pass over."""

SAME_NAME = (
    *("acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "erf", "exp"),
    *("expm1", "floor", "log", "log10", "log1p", "log2", "sin", "sinh", "sqrt", "tan", "tanh"),
    "trunc",
)
FLOATING = {
    **ARITHMETIC,
    **{name: f"{name}({{0}})" for name in SAME_NAME},
    **{name: f"{name}({{0}}, {{1}})" for name in ("atan2", "copysign", "hypot", "pow")},
    "abs": "fabs({0})",
    "clip_both": MINIMUM.format(MAXIMUM, "{2}"),
    "divide": "{0} / {1}",
    "excess": "({0} == {1} && isinf({0}) ? ({type})0 : {0} - {1})",
    "guarded_multiply": (
        "({1} == 0 && !isfinite({0}) ? ({type})0 : {0})"
        " * ({0} == 0 && !isfinite({1}) ? ({type})0 : {1})"
    ),
    "maximum": MAXIMUM,
    "minimum": MINIMUM,
    "reciprocal": "({type})1 / {0}",
    "round": "rint({0})",
    "sign": "({0} > 0 || {0} < 0 ? copysign(({type})1, {0}) : {0} - {0})",
}
FLOATING_TESTS = {
    **COMPARISONS,
    **{name: f"{name}({{0}})" for name in ("isfinite", "isinf", "isnan", "signbit")},
}
INTEGER = {
    **ARITHMETIC,
    **BITS,
    "bitwise_invert": "~{0}",
    "maximum": "{0} > {1} ? {0} : {1}",
    "minimum": "{0} < {1} ? {0} : {1}",
}
BOOLEAN = {
    **BITS,
    "bitwise_invert": "!{0}",
    "equal": "{0} == {1}",
    "logical_and": "{0} && {1}",
    "logical_not": "!{0}",
    "logical_or": "{0} || {1}",
    "logical_xor": "{0} != {1}",
    "not_equal": "{0} != {1}",
}
OF_KIND: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "b": ({}, BOOLEAN),
    "f": (FLOATING, FLOATING_TESTS),
    "i": (INTEGER, COMPARISONS),
    "u": (INTEGER, COMPARISONS),
}
"""For operands of a kind, the expressions of that dtype, and those that are true or false."""


class Formula(NamedTuple):
    """An elementwise call in C."""

    text: str
    """The expression, with fields for the operands and for `type`, that they are of."""
    dtype: Any
    """What operands are converted to; of `where` those that are chosen from."""


def formula(call: Instruction, avals: Avals) -> Formula | None:
    """The formula of a call; `None` if it has to run by itself."""
    if call.aval is None or call.aval.dtype not in TYPES:
        return None
    if not all(type(x) in {Value, bool, float, int} for x in call.args):
        return None
    dtypes = [_dtype(x, avals) for x in call.args]
    if any(d not in TYPES for d, x in zip(dtypes, call.args, strict=True) if type(x) is Value):
        return None
    if call.name == "cast":
        return _cast(call, dtypes)
    if call.params:
        return None
    chosen = [*zip(call.args, dtypes, strict=True)]
    if call.name == "where":
        if dtypes[0] != np.bool_:
            return None
        chosen = chosen[1:]
    arrays = [dtype for x, dtype in chosen if type(x) is Value]
    working = np.result_type(*arrays) if arrays else call.aval.dtype
    if any(d.kind != working.kind or (d != working and d.kind != "f") for d in arrays):
        return None
    if not all(type(x) is Value or _has_literal(x, working) for x in call.args):
        return None
    same, tests = OF_KIND[working.kind]
    if call.name == "where" and call.aval.dtype == working:
        return Formula("{0} ? {1} : {2}", working)
    if call.name in same and call.aval.dtype == working:
        return Formula(same[call.name], working)
    if call.name in tests and call.aval.dtype == np.bool_:
        return Formula(tests[call.name], working)
    return None


def _dtype(x: Any, avals: Avals) -> Any:
    aval = avals[x.index] if type(x) is Value else None
    return None if aval is None else aval.dtype


def _cast(call: Instruction, dtypes: list[Any]) -> Formula | None:
    """Of what fits or wraps around: what C leaves open of floating numbers stays CuPy's."""
    assert call.aval is not None  # noqa: S101 (seen before)
    if len(dtypes) != 1 or call.params.keys() - {"dtype"}:
        return None
    target = call.aval.dtype
    if dtypes[0] is None or (dtypes[0].kind == "f" and target.kind in "iu"):
        return None
    return Formula("{0} != 0" if target.kind == "b" else "{0}", dtypes[0])


def _has_literal(x: Any, dtype: Any) -> bool:
    """Whether a Python scalar is one that a kernel of this dtype takes without another dtype."""
    if type(x) is bool:
        return True
    if dtype.kind == "f":
        return type(x) is float or abs(x) < 2**63
    if dtype.kind == "b" or type(x) is float:
        return False
    limits = np.iinfo(dtype)
    return bool(limits.min <= x <= limits.max) and abs(x) < 2**63


def literal(x: Any, dtype: Any) -> str:
    """A Python scalar in C; that of a floating dtype is the one NumPy rounds it to."""
    if dtype.kind == "b":
        return "true" if x else "false"
    if dtype.kind != "f":
        return f"({TYPES[dtype]}){int(x)}LL"
    with np.errstate(over="ignore"):
        value = float(dtype.type(x))
    if math.isfinite(value):
        return f"({TYPES[dtype]}){value!r}"
    bits = int(np.float64(value).view(np.uint64))
    return f"({TYPES[dtype]})__longlong_as_double({bits:#x}LL)"


def written(call: Instruction, avals: Avals, name: Callable[[Value], str]) -> str:
    """The expression of a call, whose values have names."""
    found = formula(call, avals)
    assert found is not None  # noqa: S101 (only calls with one are in groups)
    operands = []
    for place, x in enumerate(call.args):
        dtype = _dtype(x, avals)
        if type(x) is not Value:
            operands.append(literal(x, found.dtype))
        elif dtype == found.dtype or (call.name == "where" and place == 0):
            operands.append(name(x))
        else:
            operands.append(f"({TYPES[found.dtype]}){name(x)}")
    return found.text.format(*operands, type=TYPES[found.dtype])
