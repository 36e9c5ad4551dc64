"""Programs as they suit NumPy: calls that it does better than those they are recorded as."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from numpygrad._lazy.fusion import BROADCASTS, ELEMENTWISE, VIEWS, reduced_axes
from numpygrad._lazy.program import Instruction, Program, Value
from numpygrad_numpy import _kernels
from numpygrad_numpy._programs.calls import (
    LAID_OUT,
    Sizes,
    basic_key,
    is_basic_gather,
    is_plain_reduction,
)
from numpygrad_numpy._programs.layouts import is_view, stand_in, view_of
from numpygrad_numpy._programs.products import LONGEST_ROW, SUMMED_PRODUCTS, summed_products

Raw = Any


class _Calls:
    """A program's calls, as they are replaced."""

    def __init__(self, program: Program, limits: Sizes) -> None:
        self.limits = limits
        self.copies: dict[int, int] = {}
        """The copy in row-major order of each value of which there is one."""
        self.count = len(program.inputs)
        self.calls = list(program.instructions)
        self.avals = [*program.inputs, *(call.aval for call in program.instructions)]
        self.uses = [0] * len(self.avals)
        for call in program.instructions:
            for v in call.reads:
                self.uses[v] += 1
        for v in (*program.outputs, *(v for v, _ in program.updates)):
            self.uses[v] += 1

    def made_by(self, x: Any, *names: str) -> tuple[Any, ...]:
        """The arguments of the call that makes `x`, if it is of such a name; else none."""
        if type(x) is not Value or x.index < self.count:
            return ()
        call = self.calls[x.index - self.count]
        return call.args if call.name in names else ()

    def unspread(self, x: Any) -> Any:
        """What an operand was made of by broadcasting, if it was."""
        while source := self.made_by(x, *BROADCASTS):
            x = source[0]
        return x

    def broadcasts(self, args: Sequence[Any], call: Instruction) -> bool:
        """Whether the shapes of such operands give that of a call's result."""
        shapes = [self.avals[x.index].shape for x in args if type(x) is Value]  # type: ignore[union-attr]  # arrays
        return call.aval is not None and np.broadcast_shapes(*shapes) == call.aval.shape

    def layout(self, x: Any) -> Raw:
        """A stand-in for a value, if what it is a view of lies in row-major order."""
        views = []
        while x.index >= self.count:
            call = self.calls[x.index - self.count]
            if call.aval is None or not (call.name in VIEWS or is_basic_gather(call)):
                break
            views.append(view_of(call, call.aval.shape))
            x = call.args[0]
        aval = self.avals[x.index]
        found = None if aval is None else stand_in(aval)
        for view in reversed(views):
            found = view(found)
        return found


def suited(program: Program, limits: Sizes) -> Program:
    """The program with other calls, of the same results."""
    found = _Calls(program, limits)
    changed = False
    for i, call in enumerate(found.calls):
        for rule in RULES.get(call.name, (_without_spreading,)):
            better = rule(found, found.calls[i])
            if better is not None:
                found.calls[i] = better
                if better.name == LAID_OUT:
                    found.copies[better.args[0].index] = found.count + i
                changed = True
    return replace(program, instructions=tuple(found.calls)) if changed else program


def _without_spreading(calls: _Calls, call: Instruction) -> Instruction | None:
    """Small operands instead of those that were made of them by broadcasting."""
    if call.name not in ELEMENTWISE or call.aval is None or len(call.args) < 2:
        return None
    args = list(call.args)
    for position, x in enumerate(args):
        found = calls.unspread(x)
        given = [*args[:position], found, *args[position + 1 :]]
        if found is not x and calls.broadcasts(given, call):
            args = given
    return None if tuple(args) == call.args else replace(call, args=tuple(args))


def _guarded(calls: _Calls, call: Instruction) -> Instruction | None:
    """One call for a product that is guarded against 0 * inf: to look for NaN in it is cheaper.

    Recorded by a pass that is itself recorded, it is nine calls.
    """
    first, second = (_guarded_factor(calls, x) for x in call.args)
    if first is None or second is None or first != second[::-1]:
        return None
    avals = [calls.avals[x.index] for x in first if type(x) is Value]
    if len(avals) < 2 or any(aval is None or aval.dtype.kind != "f" for aval in avals):
        return None
    if not calls.broadcasts(first, call):
        return None
    return Instruction("guarded_multiply", _kernels.guarded_multiply, first, {}, call.aval)


def _guarded_factor(calls: _Calls, x: Any) -> tuple[Any, Any] | None:
    """What is a factor unless it is infinite where the other factor is 0, and that other one.

    Of either, what it was made of by broadcasting.
    """
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
    factor, other = calls.unspread(chosen[2]), calls.unspread(zero[0])
    return (factor, other) if finite and calls.unspread(finite[0]) == factor else None


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


def _laid_out(calls: _Calls, call: Instruction) -> Instruction | None:
    """A copy into memory that is given, of a view in an order that has no view of the new shape.

    Or a view of the copy that there is already.
    """
    if call.aval is None or type(call.args[0]) is not Value:
        return None
    if math.prod(call.aval.shape) <= calls.limits.out_pays:
        return None
    layout = calls.layout(call.args[0])
    if layout is None or is_view(layout, call.aval.shape):
        return None
    copy = calls.copies.get(call.args[0].index)
    if copy is not None:
        return replace(call, args=(Value(copy), *call.args[1:]))
    return replace(call, name=LAID_OUT)


def _summed_products(calls: _Calls, call: Instruction) -> Instruction | None:
    """Rows of products that are only added up, where no tiles are cut of them."""
    x = call.args[0]
    factors = calls.made_by(x, "guarded_multiply", "multiply") or calls.made_by(x, "square") * 2
    if not factors or call.aval is None or not is_plain_reduction(call) or calls.uses[x.index] > 1:
        return None
    aval = calls.avals[x.index]
    if aval is None or aval.dtype.kind != "f":
        return None
    if any(type(f) is not Value or calls.avals[f.index] != aval for f in factors):
        return None
    limits, last = calls.limits, len(aval.shape) - 1
    if not limits.out_pays < math.prod(aval.shape) < limits.fused:
        return None
    if reduced_axes(call, last + 1) != (last,) or aval.shape[last] > LONGEST_ROW:
        return None
    params = {
        "shape": call.aval.shape,
        "divisor": aval.shape[last] if call.name == "mean" else 1,
        "guarded": calls.calls[x.index - calls.count].name == "guarded_multiply",
    }
    return Instruction(SUMMED_PRODUCTS, summed_products, factors, params, call.aval)


RULES: dict[str, tuple[Callable[[_Calls, Instruction], Instruction | None], ...]] = {
    "add": (_without_spreading, _adding),
    "mean": (_summed_products,),
    "multiply": (_guarded, _without_spreading),
    "reshape": (_laid_out,),
    "sum": (_summed_products,),
}
