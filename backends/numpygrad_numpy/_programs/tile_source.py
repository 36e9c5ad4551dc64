"""A group of calls as Python that runs them tile by tile."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from numpygrad._lazy.fusion import ELEMENTWISE, FINAL, FULL, ROW, Operand, Step, reduced_axes, runs
from numpygrad._lazy.program import Instruction, Program, Value
from numpygrad_numpy._programs.calls import (
    GIVEN_MEMORY,
    Sizes,
    choice,
    choosing,
    constant,
    in_row,
    into,
    works_in_place,
)
from numpygrad_numpy._programs.geometry import Feed, Geometry, Shape, dims_of

REDUCE: dict[str, tuple[Any, float]] = {
    "sum": (np.add, -0.0),
    "mean": (np.add, -0.0),
    "max": (np.maximum, -math.inf),
    "min": (np.minimum, math.inf),
    "prod": (np.multiply, 1.0),
}
"""The ufunc of each reduction, and what changes no number that it meets."""


class TileSource:
    """A group as Python: the function that runs tiles, and what it is to be given.

    `feeds` says which arrays it reads, `writes` which values it writes, in this order; `finals`
    which values it gives.
    """

    def __init__(
        self,
        program: Program,
        step: Step,
        operands: Sequence[Operand],
        escaping: Sequence[int],
        functions: Mapping[int, Callable[..., Any]],
        sizes: Sizes,
    ) -> None:
        self._program = program
        self.count = len(program.inputs)
        self._operands = operands
        self.roles = dict(zip(step.instructions, step.roles, strict=True))
        self._functions = functions
        self._step = step
        self._sizes = sizes
        dims = dims_of(step)
        self.writes = [v for v in escaping if self.roles[v - self.count] != FINAL]
        self.finals = [self.count + i for i in step.instructions if self.roles[i] == FINAL]
        rows = step.cuts.index(step.row) + 1 if step.row else 0
        deepest = len(dims) - 1 - max([rows, *map(self.kept_axes, self.finals)])
        names, lives = self._lives()
        itemsize = max(self.dtype(v).itemsize for v in (*names, *self.writes, *self.finals))
        arrays = max(1, lives + len(self._outside()) + len(self.writes))
        elements = min(sizes.tile_bytes // (arrays * itemsize), step.size // sizes.fewest_tiles)
        elements = max(sizes.tile_least, elements)
        axis = 0
        while axis < deepest and math.prod(dims[axis + 1 :]) > elements:
            axis += 1
        inner = math.prod(dims[axis + 1 :])
        count = -(-dims[axis] // max(1, elements // inner))
        self.geometry = Geometry(dims, axis, -(-dims[axis] // count), rows)
        self.feeds: list[Feed] = []
        self._feed_names: dict[tuple[int, Shape], str] = {}
        self._globals: dict[str, Any] = {}
        self.run = self._compiled()

    def dtype(self, value: int) -> Any:
        """The dtype of a value."""
        aval = self._program.aval(value)
        return np.dtype("b1") if aval is None else aval.dtype

    def shape(self, value: int) -> Shape:
        """The shape of a value."""
        aval = self._program.aval(value)
        return () if aval is None else aval.shape

    def call(self, value: int) -> Instruction:
        """The instruction that makes a value."""
        return self._program.instructions[value - self.count]

    def over(self, value: int) -> Shape:
        """The shape that a member goes over."""
        call = self.call(value)
        return self.shape(value if call.name in ELEMENTWISE else call.args[0].index)

    def kept_axes(self, final: int) -> int:
        """How many trailing axes of the group a sum over leading axes keeps."""
        whole = self.over(final)
        axes = reduced_axes(self.call(final), len(whole))
        kept = math.prod(n for a, n in enumerate(whole) if a not in axes)
        return self._step.cuts.index(kept) + 1 if kept > 1 else 0

    def _outside(self) -> set[tuple[int, Shape]]:
        """The arrays read from outside, and in which form."""
        return {
            (base, self._form(base, seen, over))
            for i in self._step.instructions
            for base, seen, over in self._bases(self.count + i)
            if base - self.count not in self.roles
        }

    def _bases(self, value: int) -> list[tuple[int, Shape, Shape]]:
        over = self.over(value)
        return [(*self._operands[x.index], over) for x in self.call(value).args if type(x) is Value]

    def _form(self, base: int, seen: Shape, over: Shape) -> Shape:
        """The shape in which an operand broadcasts to the group's axes."""
        pattern = runs(seen, over)
        inner = self._step.size // math.prod(over)
        if inner > 1:
            pattern.append((inner, False))
        form = []
        left, there = 1, True
        stretches = iter(pattern)
        for n in dims_of(self._step):
            if left == 1:
                left, there = next(stretches, (1, True))
            form.append(n if there else 1)
            left //= n
        return tuple(form)

    def _lives(self) -> tuple[dict[int, str], int]:
        """Buffers of the values that live in tiles alone, by value; how many full ones there are.

        A buffer goes from a value to the next when the first was read for the last time; to the
        result of that very call too, if it is of the same dtype.
        """
        last: dict[int, int] = {}
        for i in self._step.instructions:
            for base, _, _ in self._bases(self.count + i):
                last[base] = i
        free: dict[tuple[Any, str], list[str]] = {}
        names: dict[int, str] = {}
        self.buffers: dict[str, tuple[Any, str]] = {}
        for i in self._step.instructions:
            value = self.count + i
            read = {base for base, _, _ in self._bases(value)}
            done = [b for b in read if b in names and last[b] == i]
            # What other functions read in parts must not be written meanwhile.
            at_once = works_in_place(self._functions.get(i))
            if at_once:
                self._release(done, names, free)
            if value not in self.writes and self.roles[i] != FINAL:
                kind = (self.dtype(value), self.roles[i])
                stack = free.setdefault(kind, [])
                name = stack.pop() if stack else f"b{len(self.buffers)}"
                self.buffers.setdefault(name, kind)
                names[value] = name
                if value not in last:
                    stack.append(name)
            if not at_once:
                self._release(done, names, free)
        self._names = names
        return names, sum(1 for _, role in self.buffers.values() if role == FULL)

    def _release(
        self, values: list[int], names: dict[int, str], free: dict[tuple[Any, str], list[str]]
    ) -> None:
        for value in values:
            free.setdefault(self.buffers[names[value]], []).append(names[value])

    def _global(self, item: Any) -> str:
        for name, known in self._globals.items():
            if known is item:
                return name
        name = f"g{len(self._globals)}"
        self._globals[name] = item
        return name

    def _feed(self, base: int, form: Shape) -> str:
        name = self._feed_names.get((base, form))
        if name is None:
            name = self._feed_names[base, form] = f"x{len(self.feeds)}"
            dims, axis = self.geometry.dims, self.geometry.axis
            ahead = form[: axis + 1]
            sliced = any(n > 1 for n in ahead)
            spread = (*dims[: axis + 1], *form[axis + 1 :])
            self.feeds.append(
                Feed(
                    base,
                    form,
                    spread if sliced and form != spread else None,
                    sliced,
                    math.prod(form),
                )
            )
        return name

    def _compiled(self) -> Callable[..., None]:
        """The function that runs tiles: keys, sums, arrays read and written, buffers."""
        body: list[str] = []
        for i in self._step.instructions:
            body += self._lines(self.count + i)
        slices = []
        for feed, name in zip(self.feeds, self._feed_names.values(), strict=True):
            if feed.sliced:
                slices.append(f"{name.replace('x', 'a')} = {name}[key]")
        slices += [f"o{v} = y{v}[key]" for v in self.writes]
        names = [
            "keys",
            *(f"p{v}" for v in self.finals),
            *self._feed_names.values(),
            *(f"y{v}" for v in self.writes),
            *self.buffers,
        ]
        source = "\n".join(
            [
                f"def tiles({', '.join(names)}):",
                "    for key in keys:",
                *(f"        {line}" for line in [*slices, *body]),
            ]
        )
        self.source = source
        scope = self._globals
        exec(compile(source, "<tiles>", "exec"), scope)  # noqa: S102 (written above)
        function: Callable[..., None] = scope["tiles"]
        return function

    def _lines(self, value: int) -> list[str]:
        """What one member does to a tile."""
        call = self.call(value)
        over = self.over(value)
        given = []
        target = self._names.get(value, f"o{value}")
        for x in call.args:
            if type(x) is not Value:
                given.append(self._constant(call, constant(self._program, call, x), target))
                continue
            base, seen = self._operands[x.index]
            if base - self.count in self.roles:
                given.append(self._names.get(base, f"o{base}"))
            else:
                name = self._feed(base, self._form(base, seen, over))
                sliced = self.feeds[int(name[1:])].sliced
                given.append(name.replace("x", "a") if sliced else name)
        if call.name in ELEMENTWISE:
            function = self._functions[value - self.count]
            arguments = ", ".join(given)
            if call.name == "cast":
                return [f"{target}[...] = {arguments}"]
            if isinstance(function, np.ufunc):
                return [f"{self._global(function)}({arguments}, {into(function, target)})"]
            if call.name in GIVEN_MEMORY and self.dtype(value).kind == "f":
                return [f"{self._global(GIVEN_MEMORY[call.name])}({arguments}, {target})"]
            if choosing(self._program, call):
                function, given = choice(self._program, call, given)
                return [f"{self._global(function)}({', '.join([*given, target])})"]
            return [f"{target}[...] = {self._global(function)}({arguments})"]
        return self._reduction(value, call, given, target)

    def _constant(self, call: Instruction, x: Any, target: str) -> str:
        """A number, or a row of it as long as the last axis of a tile."""
        axis, dims = self.geometry.axis, self.geometry.dims
        varies = axis == len(dims) - 1
        length = self.geometry.step if varies else dims[-1]
        row = in_row(call.kernel, x, length, self._sizes)
        name = self._global(row)
        return f"{name}[:{target}.shape[-1]]" if varies and row is not x else name

    def _reduction(self, value: int, call: Instruction, given: list[str], target: str) -> list[str]:
        ndim = len(self.geometry.dims) - self.geometry.axis
        rows = self.geometry.rows
        if call.name == "vecdot":
            if rows > 1:
                flat = f"(-1, {self._step.row})"
                given = [f"{name}.reshape({flat})" for name in given]
                target = f"{target}.reshape(-1)"
            else:
                target = f"{target}[..., 0]"
            return [f"{self._global(np.vecdot)}({', '.join(given)}, {target})"]
        ufunc, _ = REDUCE[call.name]
        reduce = self._global(ufunc.reduce)
        (x,) = given
        if self.roles[value - self.count] == ROW:
            axes = tuple(range(ndim - rows, ndim))
            lines = [f"{reduce}({x}, {axes}, None, {target}, True)"]
            if call.name == "mean":
                count = self._global(np.asarray(self._step.row, self.dtype(value)))
                lines.append(f"{self._global(np.divide)}({target}, {count}, {target})")
            return lines
        kept = self.kept_axes(value)
        axes = tuple(range(ndim - kept))
        total = f"{reduce}({x}, {axes})"
        return [f"{self._global(ufunc)}(p{value}, {total}, {into(ufunc, f'p{value}')})"]

    def may_overwrite(self, value: int, old: int) -> bool:
        """Whether each tile of `old` has been read for the last time when `value` is written."""
        if self.roles.get(value - self.count) != FULL:
            return False
        reading = [
            (i, self._form(base, seen, over))
            for i in self._step.instructions
            for base, seen, over in self._bases(self.count + i)
            if base == old
        ]
        own = value - self.count
        # Other functions than ufuncs read their arguments again when they have begun to write.
        until = own if works_in_place(self._functions.get(own)) else own - 1
        return all(i <= until and form == self.geometry.dims for i, form in reading)
