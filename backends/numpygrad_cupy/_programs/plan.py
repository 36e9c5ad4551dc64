"""How a program is divided into kernels of its own and calls that run as they are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from numpygrad._dtypes import DType
from numpygrad._lazy.fusion import VIEWS, Operand, Step, reduced_axes, runs, seen_through
from numpygrad._lazy.grouping import steps
from numpygrad._lazy.program import Program, Report, Value
from numpygrad_cupy._programs.expressions import TYPES, formula, written

Shape = tuple[int, ...]

MEMBERS = 96
"""Calls in a kernel at most: of long ones a compiler takes longer than of several short ones."""
PARAMETERS = 3800
"""Bytes that a kernel is given at most; CUDA has room for 4 KB."""
SUMS = {"mean": "y0 = a / {count}", "sum": "y0 = a"}
"""Reductions that a kernel computes with what they reduce, and what it makes of the sum."""


@dataclass(slots=True, eq=False)
class Unit:
    """Instructions that run as one: a kernel, or a single call as it is, which has no `dims`."""

    instructions: tuple[int, ...]
    dims: Shape = ()
    """The axes that a kernel goes over; operands have them, or are repeated along them."""
    reduction: int | None = None
    """The instruction that sums up what the last one of the others gives."""


class Plan:
    """The units of a program, in the order in which they run."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.count = len(program.inputs)
        self.avals = [*program.inputs, *(call.aval for call in program.instructions)]
        self.operands = seen_through(program)
        self.wanted = {*program.outputs, *(v for v, _ in program.updates)}
        self._readers: dict[int, set[int]] = {}
        for i, call in enumerate(program.instructions):
            for v in call.reads:
                self._readers.setdefault(v, set()).add(i)
                self._readers.setdefault(self.operands[v].base, set()).add(i)
        self.units: list[Unit] = []
        found = steps(
            program,
            smallest=2,
            row_bytes=0,
            accepts=lambda call: formula(call, self.avals) is not None,
        )
        for step in found:
            self.units += self._parts(step)
        self._sum_up()
        self.reads = [self._read_by(unit) for unit in self.units]
        last = {v: t for t, read in enumerate(self.reads) for v in read}
        self.made = [self._made_by(t, last) for t in range(len(self.units))]
        """The values that each unit gives."""
        self.done: list[list[int]] = [[] for _ in self.units]
        """The values that nobody reads after a unit."""
        for v, t in last.items():
            if v not in self.wanted:
                self.done[t].append(v)

    def _parts(self, step: Step) -> list[Unit]:
        """A step as a unit, or as several if it is too long for one kernel."""
        if not step.size:
            return [Unit(step.instructions)]
        dims = _between(step)
        found: list[Unit] = []
        part: list[int] = []
        for i in step.instructions:
            if part and not self._fits([*part, i], dims):
                found.append(Unit(tuple(part), dims))
                part = []
            part.append(i)
        return [*found, Unit(tuple(part), dims)]

    def _fits(self, members: Sequence[int], dims: Shape) -> bool:
        """Whether one kernel can take these members."""
        own = {self.count + i for i in members}
        read = {operand for i in members for operand in self._operands_of(i)}
        arrays = sum(operand.base not in own for operand in read)
        arrays += sum(v in self.wanted or not self._readers[v] <= {*members} for v in own)
        return len(members) <= MEMBERS and arrays * (16 + 16 * len(dims)) <= PARAMETERS

    def _operands_of(self, i: int) -> list[Operand]:
        """What an elementwise instruction reads, in the order of its arrays."""
        return [self.operands[v] for v in self.program.instructions[i].reads]

    def leaves(self, unit: Unit) -> list[Operand]:
        """What a kernel reads, each in the shape in which its loop does."""
        own = {self.count + i for i in unit.instructions}
        found: dict[Operand, None] = {}
        for i in unit.instructions:
            for operand in self._operands_of(i):
                if operand.base not in own:
                    found[self._leaf(unit, i, operand)] = None
        return [*found]

    def _leaf(self, unit: Unit, i: int, operand: Operand) -> Operand:
        if unit.reduction is not None:
            return operand
        return Operand(operand.base, folded(operand.shape, self.shape(self.count + i), unit.dims))

    def shape(self, v: int) -> Shape:
        """The shape of a value."""
        aval = self.avals[v]
        assert aval is not None  # noqa: S101 (only calls of one result are in kernels)
        return aval.shape

    def _bytes(self, v: int) -> int:
        aval = self.avals[v]
        return 0 if aval is None else math.prod(aval.shape) * aval.dtype.itemsize

    def _read_by(self, unit: Unit) -> set[int]:
        if unit.dims:
            return {leaf.base for leaf in self.leaves(unit)}
        return {*self.program.instructions[unit.instructions[0]].reads}

    def _made_by(self, t: int, last: dict[int, int]) -> list[int]:
        unit = self.units[t]
        if unit.reduction is not None:
            return [self.count + unit.reduction]
        values = [self.count + i for i in unit.instructions]
        return [v for v in values if not unit.dims or v in self.wanted or last.get(v, -1) > t]

    def _sum_up(self) -> None:
        """Let sums compute what they are of, where that saves writing it down and reading it."""
        makers = {self.count + i: u for u in self.units if u.dims for i in u.instructions}
        readers: dict[int, list[Unit]] = {}
        for unit in self.units:
            for v in self._read_by(unit):
                readers.setdefault(v, []).append(unit)
        placed = []
        written = {v for v in makers if v in self.wanted or v in readers}
        for unit in self.units:
            v = self._summed(unit)
            maker = makers.get(v)
            if maker is not None and v not in self.wanted and readers[v] == [unit]:
                placed.append(self._joined(maker, unit.instructions[0], v, written) or unit)
            else:
                placed.append(unit)
        needed = {*self.wanted}
        self.units = []
        for unit in reversed(placed):
            if unit.dims and unit.reduction is None:
                unit.instructions = self._needed(unit, needed)
                if len(unit.instructions) == 1 and self._has_arrays(unit.instructions[0]):
                    unit.dims = ()
            if unit.instructions:
                needed |= self._read_by(unit)
                self.units.insert(0, unit)

    def _summed(self, unit: Unit) -> int:
        """The value that a sum is of; -1 of any other unit."""
        call = self.program.instructions[unit.instructions[0]]
        plain = call.name in SUMS and call.params.keys() <= {"axis", "keepdims"}
        if unit.dims or not plain or len(call.args) != 1 or type(call.args[0]) is not Value:
            return -1
        v = call.args[0].index
        aval = self.avals[v]
        same = aval is not None and call.aval is not None and aval.dtype == call.aval.dtype
        if aval is None or not same or aval.dtype.kind != "f" or aval.dtype not in TYPES:
            return -1
        return v if reduced_axes(call, len(aval.shape)) else -1

    def _joined(self, maker: Unit, i: int, v: int, written: set[int]) -> Unit | None:
        """A sum with the members of a group that make `v`, of which some are written anyway."""
        shape = self.shape(v)
        own = {self.count + j for j in maker.instructions} - written
        members: set[int] = set()
        todo = [v]
        while todo:
            w = todo.pop()
            if w in members:
                continue
            if self.shape(w) != shape:
                return None
            members.add(w)
            read = (operand.base for operand in self._operands_of(w - self.count))
            todo += [base for base in read if base in own]
        unit = Unit(tuple(sorted(w - self.count for w in members)), shape, i)
        leaves = self.leaves(unit)
        if np.broadcast_shapes(*(leaf.shape for leaf in leaves)) != shape:
            return None
        if sum(self._bytes(leaf.base) for leaf in leaves) > 2 * self._bytes(v):
            return None
        return unit if self._fits(unit.instructions, shape) else None

    def _has_arrays(self, i: int) -> bool:
        """Whether the arrays that an instruction reads are made, not just seen through."""
        return all(self.operands[v].base == v for v in self.program.instructions[i].reads)

    def _needed(self, unit: Unit, needed: set[int]) -> tuple[int, ...]:
        """The members that have to be computed for the values that are read of them."""
        found: list[int] = []
        live = {*needed}
        for i in reversed(unit.instructions):
            if self.count + i in live:
                found.append(i)
                live |= {operand.base for operand in self._operands_of(i)}
        return tuple(reversed(found))

    def body(self, unit: Unit) -> list[str]:
        """Statements that define `v0`, `v1`, ... by the leaves, which are `x0`, `x1`, ..."""
        places = {self.count + i: f"v{k}" for k, i in enumerate(unit.instructions)}
        leaves = {leaf: f"x{k}" for k, leaf in enumerate(self.leaves(unit))}
        lines = []
        for i in unit.instructions:

            def name(x: Value, i: int = i) -> str:
                operand = self.operands[x.index]
                return places.get(operand.base) or leaves[self._leaf(unit, i, operand)]

            call = self.program.instructions[i]
            text = written(call, self.avals, name)
            lines.append(f"const {self.ctype(self.count + i)} {places[self.count + i]} = {text};")
        return lines

    def dtype(self, v: int) -> DType:
        """The dtype of a value."""
        aval = self.avals[v]
        assert aval is not None  # noqa: S101 (only calls of one result are in kernels)
        return aval.dtype

    def ctype(self, v: int) -> str:
        """The type of a value in C."""
        return TYPES[self.dtype(v)]

    def report(self) -> Report:
        """What there is to tell of it."""
        groups = []
        alive: set[int] = set()
        most, largest, moved = 0, 0, 0
        for t, unit in enumerate(self.units):
            members = unit.instructions
            if unit.reduction is not None:
                members = (*members, unit.reduction)
            if len(members) > 1:
                groups.append(members)
            if self.program.instructions[members[-1]].name not in VIEWS:
                alive |= {*self.made[t]} - self.wanted
                moved += sum(self._bytes(v) for v in (*self.made[t], *self.reads[t]))
            most = max(most, len(alive))
            largest = max(largest, sum(map(self._bytes, alive)))
            alive -= {*self.done[t]}
        return Report(tuple(groups), most, largest, moved)


def _between(step: Step) -> Shape:
    """The lengths of the axes that the cuts of a group leave, from the first to the last."""
    behind = sorted({1, *step.cuts, step.size})
    return tuple(b // a for a, b in itertools.pairwise(behind))[::-1]


def folded(operand: Shape, shape: Shape, dims: Shape) -> Shape:
    """The shape of an operand that is read over `shape`, in axes that `dims` are the lengths of.

    `(3, 1, 5)` over `(3, 4, 5)` is `(3, 1, 5)` in `(3, 4, 5)` too, and `(5,)` is `(1, 5)` in
    `(12, 5)`.
    """
    stretches = runs(operand, shape)
    found = []
    for length in reversed(dims):
        n, there = stretches[-1]
        found.append(length if there else 1)
        stretches[-1] = (n // length, there)
        if n == length:
            stretches.pop()
    return tuple(reversed(found))
