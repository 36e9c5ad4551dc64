"""Where the values of a program are: in the block, in memory that is handed out, or NumPy's own."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from numpygrad._lazy.fusion import (
    ELEMENTWISE,
    RESHAPES,
    VIEWS,
    Step,
    seen_through,
)
from numpygrad._lazy.grouping import steps
from numpygrad._lazy.program import Instruction, Program, Report
from numpygrad_numpy._programs.calls import (
    FRESH,
    GIVEN_MEMORY,
    LAID_OUT,
    Sizes,
    can_tile,
    choosing,
    elementwise_function,
    is_basic_gather,
    is_plain_reduction,
    works_in_place,
)
from numpygrad_numpy._programs.memory import Request, laid_out
from numpygrad_numpy._programs.suiting import suited
from numpygrad_numpy._programs.tile_source import TileSource

Raw = Any
Shape = tuple[int, ...]


class Buffer(NamedTuple):
    """An array in the block, at an offset; or, if it has a source, a view of an earlier one."""

    offset: int
    shape: Shape
    dtype: Any
    source: int | None = None
    view: Any = None


class Plan:
    """A program's steps, and where each value is.

    `roots` says whose memory a value may share: values that have memory of their own stand for it.
    """

    def __init__(self, program: Program, limits: Sizes) -> None:
        self.program = program = suited(program, limits)
        self.limits = limits
        self.count = len(program.inputs)
        self.avals = [*program.inputs, *(call.aval for call in program.instructions)]
        self.sizes = [0 if aval is None else math.prod(aval.shape) for aval in self.avals]
        self.steps = self._ordered()
        self.end = len(self.steps)
        self.made: dict[int, int] = dict.fromkeys(range(self.count), -1)
        """The step that makes a value."""
        for t, step in enumerate(self.steps):
            for i in step.instructions:
                self.made[self.count + i] = t
        self.operands = seen_through(program) if any(s.size for s in self.steps) else []
        self.reads: list[set[int]] = [self._read_by(step) for step in self.steps]
        self.last: dict[int, int] = {}
        """The last step that reads a value; the end, if it is an output."""
        for t, read in enumerate(self.reads):
            for v in read:
                self.last[v] = t
        kept = {*program.outputs, *(v for v, _ in program.updates)}
        self.last |= dict.fromkeys(kept, self.end)
        self.tiles: dict[int, TileSource] = {}
        for t, step in enumerate(self.steps):
            if step.size:
                self.tiles[t] = self._tiles(step)
        self.roots: dict[int, frozenset[int]] = {}
        self._find_roots()
        self.ends: dict[int, int] = {}
        """The last step in which the memory that a value has of its own is looked at."""
        for v, roots in self.roots.items():
            for root in roots:
                self.ends[root] = max(self.ends.get(root, -1), self.last.get(v, self.made[v]))
        self.targets: dict[int, int] = {}
        """The inputs that values are written into where they are made, by value."""
        for v, k in program.updates:
            if v not in self.targets and k not in self.targets.values() and self._goes_to(v, k):
                self.targets[v] = k
        self.handed: dict[int, int] = {}
        """The values that are made in memory to be handed out, and the outputs that they are."""
        for position, v in enumerate(program.outputs):
            base = self._base(v)
            if self.is_written(base) and base not in self.handed and base not in self.targets:
                self.handed[base] = position
        self.buffers: list[Buffer] = []
        self.places: dict[int, int] = {}
        """The buffers that values are in."""
        self.in_place: set[int] = set()
        """The results of writes that are what was written into."""
        self._hand_back()
        self.size = self._lay_out()

    def _ordered(self) -> list[Step]:
        program = self.program
        if max(self.sizes, default=0) >= self.limits.fused:
            return steps(
                program,
                smallest=self.limits.fused,
                row_bytes=self.limits.row_bytes,
                accepts=can_tile,
            )
        live = {*program.outputs, *(v for v, _ in program.updates)}
        found = []
        for i in reversed(range(len(program.instructions))):
            if self.count + i in live:
                live.update(program.instructions[i].reads)
                found.append(Step((i,)))
        return found[::-1]

    def call(self, v: int) -> Instruction:
        """The instruction that makes a value."""
        return self.program.instructions[v - self.count]

    def _read_by(self, step: Step) -> set[int]:
        if not step.size:
            return set(self.program.instructions[step.instructions[0]].reads)
        own = {self.count + i for i in step.instructions}
        calls = [self.program.instructions[i] for i in step.instructions]
        return {self.operands[v].base for call in calls for v in call.reads} - own

    def _tiles(self, step: Step) -> TileSource:
        own = set(step.instructions)
        t = self.made[self.count + step.instructions[0]]
        escaping = [v for i in step.instructions if self.last.get(v := self.count + i, t) > t]
        functions = {
            i: function
            for i in own
            if (function := elementwise_function(self.program.instructions[i])) is not None
        }
        return TileSource(self.program, step, self.operands, escaping, functions, self.limits)

    def is_single(self, v: int) -> bool:
        """Whether a value is made by a call of its own, in memory that NumPy makes room for."""
        t = self.made.get(v)
        single = t is not None and t not in self.tiles and v not in self.targets
        return single and not self.is_written(v)

    def is_view(self, v: int) -> bool:
        """Whether a value is a view of its call's first argument, or may be."""
        call = self.call(v)
        return call.name in VIEWS or is_basic_gather(call)

    def _find_roots(self) -> None:
        for v in range(self.count):
            self.roots[v] = frozenset((v,))
        for t, step in enumerate(self.steps):
            for i in step.instructions:
                v = self.count + i
                call = self.program.instructions[i]
                if t in self.tiles or (not self.is_view(v) and is_fresh(call)):
                    self.roots[v] = frozenset((v,))
                    continue
                shared = frozenset().union(*(self.roots[r] for r in call.reads))
                self.roots[v] = shared if call.name in VIEWS else shared | {v}

    def is_sole(self, v: int) -> bool:
        """Whether a value's memory is its own, or that of values that were made for this run."""
        return all(
            root >= self.count and (self.made[root] in self.tiles or is_fresh(self.call(root)))
            for root in self.roots[v]
        )

    def is_known(self, v: int) -> bool:
        """Whether the call that makes a value is one that cannot fail."""
        call = self.call(v)
        if call.aval is None:
            return False
        return (
            call.name in VIEWS
            or elementwise_function(call) is not None
            or writes(self.program, call)
        )

    def is_written(self, v: int) -> bool:
        """Whether a value is written into memory that is given to the call."""
        if v < self.count or v not in self.made:
            return False
        if self.made[v] in self.tiles:
            return v in self.tiles[self.made[v]].writes
        return self.sizes[v] > self.limits.out_pays and writes(self.program, self.call(v))

    def _base(self, v: int) -> int:
        """What a value is a reshaped view of, as long as it is the memory in order."""
        while v >= self.count and self.call(v).name in RESHAPES:
            v = self.call(v).args[0].index
        return v

    def _goes_to(self, v: int, k: int) -> bool:
        """Whether a value can be written into an input's memory where it is made.

        Nothing looks at what was there afterwards, and nothing that follows can fail.
        """
        if v < self.count or self.roots[v] != frozenset((v,)) or self.avals[v] != self.avals[k]:
            return False
        t = self.made[v]
        if self.ends[k] > t or v in self.program.outputs:
            return False
        if t in self.tiles:
            if v not in self.tiles[t].writes:
                return False
        elif not isinstance(elementwise_function(self.call(v)), np.ufunc):
            return False
        if self.ends[k] == t and not self.may_overwrite(t, v, k):
            return False
        later = (self.count + i for step in self.steps[t + 1 :] for i in step.instructions)
        return all(self.is_known(w) for w in later)

    def may_overwrite(self, t: int, v: int, old: int) -> bool:
        """Whether step `t` reads what `old` shares no later, place by place, than it writes `v`."""
        if self.avals[v] is None or self.avals[old] is None or self.sizes[v] != self.sizes[old]:
            return False
        if self.avals[v].dtype != self.avals[old].dtype:  # type: ignore[union-attr]  # not None
            return False
        if any(old in self.roots[r] and r != old for r in self.reads[t]):
            return False
        if t in self.tiles:
            return self.tiles[t].may_overwrite(v, old)
        call = self.call(v)
        if call.name in {"put", "add_at"}:
            return [r for r in call.reads if r == old] == [call.args[0].index]
        function = elementwise_function(call)
        return works_in_place(function) and self.avals[v] == self.avals[old]

    def _hand_back(self) -> None:
        """Make what is written into in memory to be handed out, if the result is."""
        for v, position in list(self.handed.items()):
            while self.call(v).name in {"put", "add_at"} and self.made[v] not in self.tiles:
                old = self.call(v).args[0].index
                t = self.made[v]
                alone = self.is_written(old) and old not in self.handed and old not in self.targets
                if not alone or self.ends[old] != t or not self.may_overwrite(t, v, old):
                    break
                self.in_place.add(v)
                self.handed[old] = position
                v = old  # noqa: PLW2901 (on to the write before)

    def _lay_out(self) -> int:
        requests: list[Request] = []
        shared: dict[int, int] = {}
        for t, step in enumerate(self.steps):
            for i in step.instructions:
                v = self.count + i
                if not self.is_written(v) or v in self.handed or v in self.targets:
                    continue
                end = self.ends.get(v, t)
                aval = self.avals[v]
                size = self.sizes[v] * aval.dtype.itemsize  # type: ignore[union-attr]  # written
                for old in self.reads[t]:
                    at = shared.get(old)
                    if at is not None and requests[at].last == t and self.may_overwrite(t, v, old):
                        requests[at] = requests[at]._replace(last=end)
                        shared[v] = at
                        if self.call(v).name in {"put", "add_at"}:
                            self.in_place.add(v)
                        break
                else:
                    shared[v] = len(requests)
                    requests.append(Request(size, t, end))
        offsets, total = laid_out(requests)
        self.requests = len(requests)
        for v, at in shared.items():
            aval = self.avals[v]
            self.places[v] = len(self.buffers)
            self.buffers.append(Buffer(offsets[at], aval.shape, aval.dtype))  # type: ignore[union-attr]  # written
        return total

    def report(self) -> Report:
        """What there is to tell of it."""
        groups = tuple(step.instructions for step in self.steps if len(step.instructions) > 1)
        moved = 0
        for t, step in enumerate(self.steps):
            made = [self.count + i for i in step.instructions]
            if t in self.tiles:
                made = [*self.tiles[t].writes, *self.tiles[t].finals]
            elif self.is_view(made[0]):
                continue
            moved += sum(self._bytes(v) for v in [*made, *self.reads[t]])
        return Report(groups, self.requests, self.size, moved)

    def _bytes(self, v: int) -> int:
        aval = self.avals[v]
        return 0 if aval is None else self.sizes[v] * aval.dtype.itemsize


def is_fresh(call: Instruction) -> bool:
    """Whether a call's result shares no memory with what it is given."""
    if call.aval is None:
        return False
    if call.name in FRESH or is_plain_reduction(call):
        return True
    return call.name in ELEMENTWISE and elementwise_function(call) is not None


def writes(program: Program, call: Instruction) -> bool:
    """Whether a call is written with memory for its result, where that is large."""
    if call.aval is None:
        return False
    if call.name in {"matmul", "concat", "stack", "scatter", "put", "add_at", LAID_OUT}:
        return True
    if call.name in GIVEN_MEMORY and call.aval.dtype.kind == "f":
        return True
    if choosing(program, call):
        return True
    function = elementwise_function(call)
    return isinstance(function, np.ufunc) or call.name == "cast" or is_plain_reduction(call)
