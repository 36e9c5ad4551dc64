"""Programs as they suit NumPy: calls that it does better than those they are recorded as."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from numpygrad._lazy.fusion import BROADCASTS, ELEMENTWISE
from numpygrad._lazy.program import Instruction, Program, Value
from numpygrad_numpy import _kernels
from numpygrad_numpy._programs.calls import basic_key

Raw = Any


class _Calls:
    """A program's calls, as they are replaced."""

    def __init__(self, program: Program) -> None:
        self.count = len(program.inputs)
        self.calls = list(program.instructions)
        self.avals = [*program.inputs, *(call.aval for call in program.instructions)]
        self.uses = [0] * len(self.avals)
        for call in program.instructions:
            for v in call.reads:
                self.uses[v] += 1
        for v in (*program.outputs, *(v for v, _ in program.updates)):
            self.uses[v] += 1

    def made_by(self, x: Any, *names: str) -> Sequence[Any]:
        """The arguments of the call that makes `x`, if it is of such a name; else none."""
        if type(x) is not Value or x.index < self.count:
            return ()
        call = self.calls[x.index - self.count]
        return call.args if call.name in names else ()


def suited(program: Program) -> Program:
    """The program with other calls, of the same results."""
    found = _Calls(program)
    changed = False
    for i, call in enumerate(found.calls):
        for rule in RULES.get(call.name, (_without_spreading,)):
            better = rule(found, found.calls[i])
            if better is not None:
                found.calls[i] = better
                changed = True
    return replace(program, instructions=tuple(found.calls)) if changed else program


def _without_spreading(calls: _Calls, call: Instruction) -> Instruction | None:
    """Small operands instead of those that were made of them by broadcasting."""
    if call.name not in ELEMENTWISE or call.aval is None or len(call.args) < 2:
        return None
    args = list(call.args)
    for position, x in enumerate(args):
        found = x
        while source := calls.made_by(found, *BROADCASTS):
            found = source[0]
        if found is x:
            continue
        given = [*args[:position], found, *args[position + 1 :]]
        shapes = [calls.avals[a.index].shape for a in given if type(a) is Value]  # type: ignore[union-attr]  # arrays
        if np.broadcast_shapes(*shapes) == call.aval.shape:
            args = given
    return None if tuple(args) == call.args else replace(call, args=tuple(args))


def _guarded(calls: _Calls, call: Instruction) -> Instruction | None:
    """One call for a product that is guarded against 0 * inf: to look for NaN in it is cheaper.

    Recorded by a pass that is itself recorded, it is nine calls.
    """
    first, second = (_guarded_factor(calls, x) for x in call.args)
    if first is None or second is None or (first[0], first[1]) != (second[1], second[0]):
        return None
    avals = [calls.avals[x.index] for x in (first[0], second[0]) if type(x) is Value]
    if len(avals) < 2 or any(aval is None or aval.dtype.kind != "f" for aval in avals):
        return None
    kernel = _kernels.guarded_multiply
    return Instruction("guarded_multiply", kernel, (first[0], second[0]), {}, call.aval)


def _guarded_factor(calls: _Calls, x: Any) -> tuple[Any, Any] | None:
    """What is a factor unless it is infinite where the other factor is 0, and that other one."""
    chosen = calls.made_by(x, "where")
    if not chosen or chosen[1] != 0:
        return None
    both = calls.made_by(chosen[0], "bitwise_and")
    if not both:
        return None
    zero, infinite = calls.made_by(both[0], "equal"), calls.made_by(both[1], "bitwise_invert")
    if not zero or not infinite or zero[1] != 0:
        return None
    finite = calls.made_by(infinite[0], "isfinite")
    return (chosen[2], zero[0]) if finite and finite[0] == chosen[2] else None


def _adding(calls: _Calls, call: Instruction) -> Instruction | None:
    """Elements added where they belong, instead of zeros with them in it everywhere."""
    for x, other in (call.args, call.args[::-1]):
        if type(x) is not Value or not calls.made_by(x, "scatter") or type(other) is not Value:
            continue
        scattering = calls.calls[x.index - calls.count]
        spread = calls.avals[x.index] != call.aval or calls.avals[other.index] != call.aval
        if calls.uses[x.index] == 1 and basic_key(scattering) and not spread:
            args, key = (other, scattering.args[0]), {"key": scattering.params["key"]}
            return Instruction("add_at", _kernels.add_at, args, key, call.aval)
    return None


RULES: dict[str, tuple[Callable[[_Calls, Instruction], Instruction | None], ...]] = {
    "add": (_without_spreading, _adding),
    "multiply": (_guarded, _without_spreading),
}
