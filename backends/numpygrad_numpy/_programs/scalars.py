"""Arrays of a few float64 numbers, computed as Python floats.

NumPy takes 0.5 us for `x * y` of three numbers each, Python 0.1 us for three products, which are
the same bits. Taking an array apart and putting it together cost 0.1 and 0.35 us, so that a call is
computed in numbers where that saves more than it costs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from numpygrad._lazy.fusion import BROADCASTS
from numpygrad._lazy.program import Instruction, Program, Value
from numpygrad_numpy._programs.calls import OPERATORS, elementwise_function
from numpygrad_numpy._programs.plan import Plan

Raw = Any
Shape = tuple[int, ...]

FEW = 4
"""How many numbers an array has at most."""

_APART, _TOGETHER, _CALL, _NUMBER = 100, 350, 450, 40
"""Nanoseconds: to take an array apart, put it together, call a ufunc, compute a number."""
_ITEM, _SCALAR = 50, 80
"""The same of an array of no dimensions: to take apart; to put together and to compute."""

ARITHMETIC = frozenset({*OPERATORS, "guarded_multiply", "negative", "positive", "square"})


def divided(a: float, b: float) -> float:
    """The quotient by 0, of which Python makes an error."""
    return float(np.divide(a, b))


def guarded(a: float, b: float) -> float:
    """The product without the factor that is not finite where the other is 0."""
    flat = b == 0 and not math.isfinite(a)
    silent = a == 0 and not math.isfinite(b)
    return (0.0 if flat else a) * (0.0 if silent else b)


def in_numbers(program: Program, single: Callable[[int], bool], least: int) -> set[int]:
    """The values to be computed as numbers, of those for which `single` holds."""
    count = len(program.inputs)
    shapes = [_few(program, v) for v in range(count + len(program.instructions))]
    found = {
        count + i
        for i, call in enumerate(program.instructions)
        if shapes[count + i] is not None
        and single(count + i)
        and _is_possible(call, shapes, count + i)
    }
    arithmetic = [v for v in found if program.instructions[v - count].name in ARITHMETIC]
    if len(arithmetic) < least:
        return set()
    whole = {*program.outputs, *(v for v, _ in program.updates)}
    readers: dict[int, list[int]] = {}
    for i, call in enumerate(program.instructions):
        for v in call.reads:
            readers.setdefault(v, []).append(count + i)
    doubtful = arithmetic
    while doubtful:
        worse = [v for v in doubtful if _cost(program, v, found, readers, whole, shapes) > 0]
        found.difference_update(worse)
        near = {
            w for v in worse for w in (*program.instructions[v - count].reads, *readers.get(v, ()))
        }
        doubtful = [
            v for v in near if v in found and program.instructions[v - count].name in ARITHMETIC
        ]
    return found


def _few(program: Program, v: int) -> Shape | None:
    """The shape of a value, if it is a few float64 numbers."""
    aval = program.aval(v)
    if aval is None or aval.dtype != np.float64 or len(aval.shape) > 1:
        return None
    return aval.shape if 0 < math.prod(aval.shape) <= FEW else None


def position(call: Instruction) -> int | None:
    """The one place that a call's key picks in one dimension."""
    key = call.params.get("key")
    if type(key) is tuple and len(key) == 1:
        (key,) = key
    return key if type(key) is int else None


def _is_possible(call: Instruction, shapes: list[Shape | None], v: int) -> bool:
    if any(shapes[r] is None for r in call.reads):
        return False
    shape = shapes[v]
    if call.name in ARITHMETIC:
        known = all(type(x) in {Value, float, int, bool} for x in call.args)
        known = known and not any(type(x) is int and x.bit_length() > 64 for x in call.args)
        return bool(known and not call.params and elementwise_function(call) is not None)
    if call.name in {"select", "gather"}:
        return position(call) is not None and len(call.params) == 1 and shape == ()
    if call.name == "stack":
        return bool(shapes[call.args[0][0].index] == () and call.params.get("axis", 0) == 0)
    if call.name in {"scatter", "add_at"}:
        return position(call) is not None and shapes[call.args[-1].index] == ()
    return call.name in BROADCASTS and shapes[call.args[0].index] == ()


def _cost(
    program: Program,
    v: int,
    found: set[int],
    readers: dict[int, list[int]],
    whole: set[int],
    shapes: list[Shape | None],
) -> int:
    """What a call costs in numbers, less what it costs NumPy."""
    shape = shapes[v]
    apart = sum(
        _APART if shapes[r] else _ITEM
        for r in set(program.instructions[v - len(program.inputs)].reads)
        if r not in found and r >= len(program.inputs)
    )
    together = v in whole or any(reader not in found for reader in readers.get(v, ()))
    if not shape:
        return apart + together * _SCALAR - _SCALAR
    return apart + together * _TOGETHER + shape[0] * _NUMBER - _CALL


class Numbers:
    """Writes the lines of calls that are computed in numbers.

    `names` are those of the values that are arrays; `register` gives a new name for a number.
    """

    def __init__(
        self, plan: Plan, names: dict[int, str], lines: list[str], register: Callable[[], str]
    ) -> None:
        self.values = in_numbers(plan.program, plan.is_single, plan.limits.numbers)
        """The values that are computed in numbers."""
        self._plan = plan
        self._names = names
        self._lines = lines
        self._register = register
        self._parts: dict[int, list[str]] = {}
        """The elements of values, beside an array or instead of it."""
        self._held: Counter[str] = Counter()
        """How many values a number is part of."""

    def together(self, v: int) -> str:
        """What makes an array of a value's numbers."""
        parts = self._parts[v]
        return f"array(({', '.join(parts)},))" if self._shape(v) else f"float64({parts[0]})"

    def released(self, v: int) -> list[str]:
        """The names that are free once a value is not read any more."""
        parts = [part for part in self._parts.get(v, ()) if part[0] == "r"]
        self._held.subtract(parts)
        return [part for part in set(parts) if not self._held[part]]

    def _shape(self, v: int) -> Shape:
        aval = self._plan.avals[v]
        return () if aval is None else aval.shape

    def _parts_of(self, v: int) -> list[str]:
        """The names of a value's elements, taken apart if it is an array so far."""
        parts = self._parts.get(v)
        if parts is None:
            parts = self._parts[v] = [self._register() for _ in range(self._plan.sizes[v])]
            self._held.update(parts)
            if self._shape(v):
                self._lines.append(f"{', '.join(parts)}, = {self._names[v]}.tolist()")
            else:
                self._lines.append(f"{parts[0]} = {self._names[v]}.item()")
        return parts

    def write(self, v: int) -> None:
        """Write the lines that compute a value."""
        parts = self._parts[v] = self._written(self._plan.call(v), math.prod(self._shape(v)))
        self._held.update(parts)

    def _written(self, call: Instruction, count: int) -> list[str]:
        if call.name in ARITHMETIC:
            given = [self._spread(x, count) for x in call.args]
            return [self._computed(call.name, *items) for items in zip(*given, strict=True)]
        if call.name == "stack":
            return [self._parts_of(x.index)[0] for x in call.args[0]]
        parts = self._parts_of(call.args[0].index)
        place = position(call)
        if place is None:
            return parts * count
        if call.name == "scatter":
            return [parts[0] if i == place % count else "0.0" for i in range(count)]
        if call.name == "add_at":
            added = self._computed("add", parts[place], self._parts_of(call.args[1].index)[0])
            return [added if i == place % count else part for i, part in enumerate(parts)]
        return [parts[place]]

    def _spread(self, x: Any, count: int) -> list[str]:
        if type(x) is not Value:
            number = float(x)
            return [repr(number) if math.isfinite(number) else f"float('{number}')"] * count
        parts = self._parts_of(x.index)
        return parts if len(parts) == count else parts * count

    def _computed(self, name: str, a: str, b: str = "") -> str:
        if name == "add" and a == b == "0.0":
            return a
        if name == "positive":
            return a
        result = self._register()
        if name == "divide":
            text = f"{a} / {b} if {b} else divided({a}, {b})"
        elif name == "negative":
            text = f"-{a}"
        elif name == "square":
            text = f"{a} * {a}"
        else:
            text = f"{a} {OPERATORS.get(name, '*')} {b}"
        self._lines.append(f"{result} = {text}")
        if name == "guarded_multiply":
            self._lines.append(f"if {result} != {result}: {result} = guarded({a}, {b})")
        return result
