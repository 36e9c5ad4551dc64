"""Constant folding: calls that give what they were given, and arrays full of one number.

Every identity here is exact, bit for bit, whatever the values: NaN, infinities and -0.0 too. So
`add(x, 0.0)` stays, as it makes 0.0 of -0.0, and `multiply(x, 0.0)`, which keeps NaN. Complex
numbers have almost none: their product with 1 is NaN where one part is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from numpygrad._lazy.program import Instruction, Program, Value
from numpygrad._lazy.rewriting import redirected, rewritten
from numpygrad._lazy.uniform import CONSTANTS, Known, movable

Rule: TypeAlias = "Callable[[Known, Instruction], int | Instruction | None]"
"""The number of the value that a call gives, or a cheaper call; `None` if there is neither."""


def with_folded_constants(program: Program) -> Program:
    """The program without calls that change nothing, and with numbers for arrays full of them.

    What is not read any more stays in its place, for `without_dead_code` to take out.
    """
    known = Known(program.inputs)
    moved: dict[int, int] = {}
    calls = []
    with np.errstate(all="ignore"):
        for number, recorded in enumerate(program.instructions, len(program.inputs)):
            call = redirected(recorded, moved) if moved else recorded
            if call.aval is not None:
                if rule := RULES.get(call.name):
                    found = rule(known, call)
                    if type(found) is int:
                        moved[number] = found
                    elif found is not None:
                        call = found  # type: ignore[assignment]  # an instruction, if no number
                constant = CONSTANTS.get(call.name)
                if constant and (c := constant(known, call)) is not None:
                    known.uniform[number] = c
            known.add(call)
            calls.append(call)
    if not moved and all(map(_is, calls, program.instructions)):
        return program
    return rewritten(program, calls, moved)


def _is(call: Instruction, other: Instruction) -> bool:
    return call is other


RESHAPING = frozenset({"reshape", "expand_dims", "squeeze"})
SPREADING = frozenset({"broadcast_to", "spread"})


def _same(known: Known, call: Instruction) -> int | None:
    """Of calls that change shape or dtype alone: their argument, if it has both already."""
    return call.args[0].index if movable(call) and known.fits(call.args[0], call) else None


def _reshape(known: Known, call: Instruction) -> int | Instruction | None:
    return _from_source(known, call, RESHAPING, skips=call.name == "reshape")


def _spread(known: Known, call: Instruction) -> int | Instruction | None:
    return _from_source(known, call, SPREADING, skips=True)


def _from_source(
    known: Known, call: Instruction, names: frozenset[str], *, skips: bool
) -> int | Instruction | None:
    """What a chain of reshapes, or of broadcasts, began with, if it is back there.

    Else the call on that instead, if it `skips` what is between.
    """
    if not movable(call):
        return None
    source = known.source(call.args[0], names)
    if known.fits(source, call):
        return source.index
    if skips and source != call.args[0]:
        return _with_args(call, (source, *call.args[1:]))
    return None


def _permute(known: Known, call: Instruction) -> int | Instruction | None:
    """Permutations one after the other as one, or none."""
    axes = _axes(call)
    if axes is None:
        return None
    x = call.args[0]
    inner = known.calls[x.index]
    if inner is not None and (first := _axes(inner)) is not None:
        x = inner.args[0]
        axes = tuple(first[axis] for axis in axes)
    if axes == tuple(range(len(axes))):
        found: int = x.index
        return found
    skips = call.name == "permute_dims" and x is not call.args[0]
    return _with_args(call, (x, axes)) if skips else None


def _axes(call: Instruction) -> tuple[int, ...] | None:
    """Which axis of its array each axis of a transposed one is."""
    if call.aval is None or not movable(call):
        return None
    ndim = len(call.aval.shape)
    if call.name == "matrix_transpose":
        return (*range(ndim - 2), ndim - 1, ndim - 2)
    if call.name != "permute_dims" or len(call.args) != 2:
        return None
    return tuple(axis % ndim for axis in call.args[1])


def _select(known: Known, call: Instruction) -> int | None:
    key = call.params.get("key")
    parts = key if type(key) is tuple else (key,)
    whole = all(part is ... or (type(part) is slice and part == slice(None)) for part in parts)
    return _same(known, call) if whole else None


def _conj(known: Known, call: Instruction) -> int | None:
    if call.aval is not None and call.aval.dtype.kind != "c":
        return _same(known, call)
    return _involution(known, call)


def _involution(known: Known, call: Instruction) -> int | None:
    """Of calls that undo themselves: what was given to the first of two."""
    if len(call.args) != 1 or type(call.args[0]) is not Value:
        return None
    inner = known.calls[call.args[0].index]
    if inner is None or inner.name != call.name or len(inner.args) != 1:
        return None
    return inner.args[0].index if known.fits(inner.args[0], call) else None


def _cast(known: Known, call: Instruction) -> int | None:
    """The array itself, also if it was cast to a wider dtype of its kind and is cast back."""
    if not movable(call):
        return None
    inner = known.calls[call.args[0].index]
    if inner is not None and inner.name in ("cast", "astype") and movable(inner) and inner.aval:
        first = inner.args[0]
        dtype, wider = known.avals[first.index], inner.aval
        widens = dtype is not None and dtype.dtype.kind == wider.dtype.kind
        if widens and known.fits(first, call) and wider.dtype.itemsize >= dtype.dtype.itemsize:
            found: int = first.index
            return found
    return _same(known, call)


def _arithmetic(known: Known, call: Instruction) -> int | Instruction | None:
    """The other operand, if one is the neutral number; else a number for a uniform array."""
    if len(call.args) != 2 or call.params:
        return None
    x1, x2 = call.args
    for x, other in ((x1, x2), (x2, x1)) if call.name in ("add", "multiply") else ((x1, x2),):
        c = known.scalar(other)
        if c is None or not _is_neutral(call, c):
            continue
        if known.fits(x, call):
            return x.index  # type: ignore[no-any-return]  # fits: a Value
        if (found := _respread(known, call, other, x)) is not None:
            return found
    return _comparison(known, call)


def _respread(known: Known, call: Instruction, neutral: Any, x: Any) -> Instruction | None:
    """A small operand, spread as the neutral one was: what their product, say, is."""
    if type(neutral) is not Value or type(x) is not Value:
        return None
    spreading = known.calls[neutral.index]
    if spreading is None or spreading.name not in SPREADING or not movable(spreading):
        return None
    small, shape = known.avals[x.index], call.aval
    if small is None or shape != spreading.aval or small.dtype != spreading.aval.dtype:  # type: ignore[union-attr]  # not None
        return None
    return _with_args(spreading, (x, *spreading.args[1:]))


def _is_neutral(call: Instruction, c: Any) -> bool:
    """Whether `x + c`, `x * c`, ... is `x` for all real `x`."""
    if call.aval is None or call.aval.dtype.kind not in "iuf":
        return False
    if call.name in ("multiply", "divide"):
        return bool(c == 1)
    if call.name not in ("add", "subtract") or c != 0:
        return False
    # x - 0.0 and x + -0.0 are x for every x; the other two make 0.0 of -0.0 or the reverse.
    return call.aval.dtype.kind != "f" or (math.copysign(1.0, c) < 0) == (call.name == "add")


def _comparison(known: Known, call: Instruction) -> Instruction | None:
    """The call with a number for a uniform array, if the other array gives shape and dtype."""
    if len(call.args) != 2 or call.params:
        return None
    x1, x2 = call.args
    if type(x1) is not Value or type(x2) is not Value:
        return None
    if (c2 := _number(known, x2)) is not None and _governs(known, x1, x2, call):
        return _with_args(call, (x1, c2))
    if (c1 := _number(known, x1)) is not None and _governs(known, x2, x1, call):
        return _with_args(call, (c1, x2))
    return None


def _number(known: Known, x: Value) -> float | int | None:
    """The number that a uniform array is full of, if a Python scalar says it exactly."""
    c = known.uniform.get(x.index)
    if c is None or c.dtype.kind not in "iuf" or c != c:  # noqa: PLR0124 (NaN)
        return None
    found: float | int = c.item()
    return found


def _governs(known: Known, x: Value, uniform: Value, call: Instruction) -> bool:
    """Whether the call has the same shape and dtype with a number for an array beside `x`."""
    aval, other = known.avals[x.index], known.avals[uniform.index]
    if aval is None or other is None or call.aval is None:
        return False
    return aval.dtype == other.dtype and aval.shape == call.aval.shape


def _where(known: Known, call: Instruction) -> int | Instruction | None:
    if len(call.args) != 3 or call.params:
        return None
    condition, x1, x2 = call.args
    holds = known.scalar(condition)
    if holds is not None or (type(x1) is Value and x1 == x2):
        taken = x1 if holds is None or holds else x2
        return taken.index if known.fits(taken, call) else None
    if type(x1) is Value and type(x2) is Value:
        if (c2 := _number(known, x2)) is not None and _governs(known, x1, x2, call):
            return _with_args(call, (condition, x1, c2))
        if (c1 := _number(known, x1)) is not None and _governs(known, x2, x1, call):
            return _with_args(call, (condition, c1, x2))
    return None


def _logical(known: Known, call: Instruction) -> int | None:
    """The other operand, if one is all true in a conjunction, or all false in a disjunction."""
    if len(call.args) != 2:
        return None
    x1, x2 = call.args
    neutral = call.name.endswith("and")
    for x, other in ((x1, x2), (x2, x1)):
        c = known.scalar(other)
        if (type(c) is bool or type(c) is np.bool) and c == neutral and known.fits(x, call):
            found: int = x.index
            return found
    return None


def _with_args(call: Instruction, args: tuple[Any, ...]) -> Instruction:
    return Instruction(call.name, call.kernel, args, call.params, call.aval)


RULES: dict[str, Rule] = {
    **dict.fromkeys(("asarray", "positive"), _same),
    **dict.fromkeys(("cast", "astype"), _cast),
    **dict.fromkeys(RESHAPING, _reshape),
    **dict.fromkeys(SPREADING, _spread),
    **dict.fromkeys(("permute_dims", "matrix_transpose"), _permute),
    **dict.fromkeys(("negative", "bitwise_invert", "logical_not"), _involution),
    **dict.fromkeys(("add", "subtract", "multiply", "divide"), _arithmetic),
    **dict.fromkeys(("maximum", "minimum", "equal", "not_equal"), _comparison),
    **dict.fromkeys(("less", "less_equal", "greater", "greater_equal"), _comparison),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "logical_and", "logical_or"), _logical),
    "conj": _conj,
    "select": _select,
    "where": _where,
}
