"""Arrays that are known to be full of one number, as a program is gone through.

Numbers are computed only where every backend gives the same bits: what IEEE 754 rounds exactly, as
long as the result is neither NaN, infinite nor subnormal, which some processors flush to 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from numpygrad._dtypes import DType
from numpygrad._lazy.program import Aval, Instruction, Value

Constant: TypeAlias = "Callable[[Known, Instruction], Any]"
"""The NumPy scalar that the result of a call is full of; `None` if it is not known."""


class Known:
    """What is known of the values before an instruction."""

    def __init__(self, inputs: tuple[Aval, ...]) -> None:
        self.avals: list[Aval | None] = list(inputs)
        self.calls: list[Instruction | None] = [None] * len(inputs)
        """What made each value; none of inputs."""
        self.uniform: dict[int, Any] = {}
        """NumPy scalars of the arrays that are known to be full of one number."""

    def add(self, call: Instruction) -> None:
        """Take in what the next instruction gives."""
        self.avals.append(call.aval)
        self.calls.append(call)

    def scalar(self, x: Any) -> Any:
        """The one number in an operand: a Python scalar, or of a uniform array; else `None`."""
        if type(x) is Value:
            return self.uniform.get(x.index)
        return x if type(x) is float or type(x) is int or type(x) is bool else None

    def fits(self, x: Any, call: Instruction) -> bool:
        """Whether an operand is an array of the shape and dtype of the call's result."""
        return type(x) is Value and self.avals[x.index] == call.aval

    def source(self, x: Any, names: frozenset[str]) -> Value:
        """What such calls made `x` of, one after the other."""
        while (call := self.calls[x.index]) is not None and call.name in names and movable(call):
            x = call.args[0]
        found: Value = x
        return found


def movable(call: Instruction) -> bool:
    """Whether a call takes one array and no device, to which it might move it."""
    return bool(call.args) and type(call.args[0]) is Value and "device" not in call.params


def _filled(c: float) -> Constant:
    return lambda known, call: _of_dtype(call, c)


def _of_dtype(call: Instruction, c: Any) -> Any:
    """A scalar of the dtype of the result, if it holds it."""
    if call.aval is None or call.aval.dtype.kind == "c":
        return None
    try:
        return call.aval.dtype.type(c)
    except (OverflowError, ValueError, TypeError):
        return None


def _full(known: Known, call: Instruction) -> Any:
    value = call.args[1] if len(call.args) > 1 else call.params.get("fill_value")
    return _of_dtype(call, value) if type(value) in (bool, int, float) else None


def _kept(known: Known, call: Instruction) -> Any:
    """Of what moves elements about: the number that its argument is full of."""
    return known.uniform.get(call.args[0].index) if movable(call) else None


def _cast(known: Known, call: Instruction) -> Any:
    """The number in another dtype, if that holds it exactly."""
    c = _kept(known, call)
    if c is None or (found := _of_dtype(call, c)) is None:
        return None
    return found if _is_plain(found) and found == c else None


def _operands(known: Known, call: Instruction) -> list[Any] | None:
    """The operands as scalars of one dtype; `None` unless all are numbers, one of an array."""
    if call.params:
        return None
    dtype: DType | None = None
    found = []
    for x in call.args:
        c = known.scalar(x)
        if c is None:
            return None
        if type(x) is Value:
            if dtype is not None and c.dtype != dtype:
                return None
            dtype = c.dtype
        found.append(c)
    if dtype is None or (dtype.kind != "f" and any(type(c) is float for c in found)):
        return None
    try:
        return [dtype.type(c) for c in found]
    except OverflowError:
        return None


def _is_plain(c: Any) -> bool:
    """Whether a number is neither NaN nor infinite nor so small that it may be flushed to 0."""
    if c.dtype.kind != "f":
        return True
    return bool(c == 0 or np.finfo(c.dtype).tiny <= abs(c) < np.inf)


def _computed(function: Callable[..., Any], kinds: str = "iuf") -> Constant:
    """The result of `function`, which gives the same bits wherever it is computed."""

    def constant(known: Known, call: Instruction) -> Any:
        numbers = _operands(known, call)
        if numbers is None or call.aval is None or numbers[0].dtype.kind not in kinds:
            return None
        if not all(map(_is_plain, numbers)):
            return None
        c = function(*numbers)
        return c if c.dtype == call.aval.dtype and _is_plain(c) else None

    return constant


def _logical(known: Known, call: Instruction) -> Any:
    """All true or all false, also if only one operand is known and settles it."""
    settles = np.bool(call.name.endswith("or"))
    if call.aval is None or call.aval.dtype.kind != "b":
        return None
    numbers = [known.scalar(x) for x in call.args]
    if any(c is not None and bool(c) == settles for c in numbers):
        return settles
    return None if None in numbers else ~settles


def _where(known: Known, call: Instruction) -> Any:
    """The number of the branch that is taken everywhere, or of both."""
    if len(call.args) != 3 or call.params:
        return None
    holds, c1, c2 = map(known.scalar, call.args)
    if holds is not None:
        c = c1 if holds else c2
        return None if c is None else _of_dtype(call, c)
    return None


_COMPARISONS = (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)
_EXACT = (np.add, np.subtract, np.multiply, np.negative, np.square)
_MOVING = (
    *("reshape", "expand_dims", "squeeze", "permute_dims", "matrix_transpose", "flip"),
    *("broadcast_to", "spread", "select", "contiguous"),
)

CONSTANTS: dict[str, Constant] = {
    **dict.fromkeys(("zeros", "zeros_like"), _filled(0)),
    **dict.fromkeys(("ones", "ones_like"), _filled(1)),
    **dict.fromkeys(("full", "full_like"), _full),
    **dict.fromkeys(_MOVING, _kept),
    **dict.fromkeys(("cast", "astype", "asarray", "positive"), _cast),
    **{function.__name__: _computed(function) for function in _EXACT},
    **{function.__name__: _computed(function) for function in _COMPARISONS},
    **dict.fromkeys(("bitwise_and", "bitwise_or", "logical_and", "logical_or"), _logical),
    **dict.fromkeys(("bitwise_invert", "logical_not"), _computed(np.logical_not, "b")),
    "divide": _computed(np.divide, "f"),
    "isfinite": _computed(np.isfinite),
    "where": _where,
}
