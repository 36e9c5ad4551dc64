"""Groups of elementwise calls and reductions, run tile by tile: each tile stays in the cache.

The bits are those of the whole calls, row by row too, but for sums over all elements and over
leading axes: these are added up tile by tile, in an order that the number of threads has no part
in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from numpygrad._fusion import ELEMENTWISE, FINAL, FULL, ROW, Operand, Step, reduced_axes, runs
from numpygrad._program import Instruction, Program, Value
from numpygrad_numpy._calls import Sizes, constant, guarded_multiply, into
from numpygrad_numpy._memory import ALIGNMENT, scratch
from numpygrad_numpy._threads import shared_out, thread_count

Raw = Any
Shape = tuple[int, ...]

_REDUCE: dict[str, tuple[Any, float]] = {
    "sum": (np.add, -0.0),
    "mean": (np.add, -0.0),
    "max": (np.maximum, -math.inf),
    "min": (np.minimum, math.inf),
    "prod": (np.multiply, 1.0),
}
"""The ufunc of each reduction, and what changes no number that it meets."""


class Feed(NamedTuple):
    """How an array outside a group is read: reshaped, then broadcast over what tiles divide."""

    base: int
    form: Shape
    spread: Shape | None
    sliced: bool
    size: int


class Geometry(NamedTuple):
    """How the elements of a group are cut into tiles: along one axis, within those before it."""

    dims: Shape
    axis: int
    step: int
    rows: int
    """How many trailing axes make up a row."""

    def tile(self, length: int) -> Shape:
        """The shape of a tile of such a length."""
        return (length, *self.dims[self.axis + 1 :])

    def row_tile(self, length: int) -> Shape:
        """The same with one element for each row."""
        return (length, *self.row_dims[self.axis + 1 :])

    @property
    def row_dims(self) -> Shape:
        """The axes, those of rows at length 1."""
        cut = len(self.dims) - self.rows
        return (*self.dims[:cut], *(1,) * self.rows)

    def keys(self) -> tuple[list[Any], list[Any]]:
        """What picks each tile: those of full length, and the rest."""
        n, whole = self.dims[self.axis], self.dims[self.axis] // self.step * self.step
        outer = np.ndindex(*self.dims[: self.axis]) if self.axis else [()]
        places = [tuple(map(int, place)) for place in outer]

        def key(place: Shape, start: int, stop: int) -> Any:
            return (*place, slice(start, stop)) if place else slice(start, stop)

        full = [key(p, i, i + self.step) for p in places for i in range(0, whole, self.step)]
        rest = [key(p, whole, n) for p in places] if whole < n else []
        return full, rest


def dims_of(step: Step) -> Shape:
    """The axes of a group: its line of elements, cut."""
    behind = [step.size, *reversed(step.cuts), 1]
    return tuple(a // b for a, b in zip(behind, behind[1:], strict=False))


class Tiles:
    """A group ready to run: takes the arrays it reads and writes, gives the sums it ends in.

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
        self._count = len(program.inputs)
        self._operands = operands
        self._roles = dict(zip(step.instructions, step.roles, strict=True))
        self._functions = functions
        self._step = step
        dims = dims_of(step)
        self.writes = [v for v in escaping if self._roles[v - self._count] != FINAL]
        self.finals = [self._count + i for i in step.instructions if self._roles[i] == FINAL]
        rows = step.cuts.index(step.row) + 1 if step.row else 0
        deepest = len(dims) - 1 - max([rows, *map(self._kept_axes, self.finals)])
        names, lives = self._lives()
        itemsize = max(self._dtype(v).itemsize for v in (*names, *self.writes, *self.finals))
        arrays = max(1, lives + len(self._outside()) + len(self.writes))
        elements = max(sizes.tile_least, sizes.tile_bytes // (arrays * itemsize))
        axis = 0
        while axis < deepest and math.prod(dims[axis + 1 :]) > elements:
            axis += 1
        inner = math.prod(dims[axis + 1 :])
        count = -(-dims[axis] // max(1, elements // inner))
        self.geometry = Geometry(dims, axis, -(-dims[axis] // count), rows)
        self.feeds: list[Feed] = []
        self._feed_names: dict[tuple[int, Shape], str] = {}
        self._globals: dict[str, Any] = {}
        self._run = self._compiled()
        self._lay_out()
        self.parallel = step.size >= sizes.parallel
        full, rest = self.geometry.keys()
        chunks = sizes.chunks if self.parallel or self.finals else 1
        size = -(-len(full) // chunks)
        self._chunks = [(full[i : i + size], False) for i in range(0, len(full), size)]
        if rest:
            self._chunks.append((rest, True))
        self._rest = dims[axis] % self.geometry.step

    def _dtype(self, value: int) -> Any:
        aval = self._program.aval(value)
        return np.dtype("b1") if aval is None else aval.dtype

    def _shape(self, value: int) -> Shape:
        aval = self._program.aval(value)
        return () if aval is None else aval.shape

    def _call(self, value: int) -> Instruction:
        return self._program.instructions[value - self._count]

    def _over(self, value: int) -> Shape:
        """The shape that a member goes over."""
        call = self._call(value)
        return self._shape(value if call.name in ELEMENTWISE else call.args[0].index)

    def _kept_axes(self, final: int) -> int:
        """How many trailing axes of the group a sum over leading axes keeps."""
        whole = self._over(final)
        axes = reduced_axes(self._call(final), len(whole))
        kept = math.prod(n for a, n in enumerate(whole) if a not in axes)
        return self._step.cuts.index(kept) + 1 if kept > 1 else 0

    def _outside(self) -> set[tuple[int, Shape]]:
        """The arrays read from outside, and in which form."""
        return {
            (base, self._form(base, seen, over))
            for i in self._step.instructions
            for base, seen, over in self._bases(self._count + i)
            if base - self._count not in self._roles
        }

    def _bases(self, value: int) -> list[tuple[int, Shape, Shape]]:
        over = self._over(value)
        return [
            (*self._operands[x.index], over) for x in self._call(value).args if type(x) is Value
        ]

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
            for base, _, _ in self._bases(self._count + i):
                last[base] = i
        free: dict[tuple[Any, str], list[str]] = {}
        names: dict[int, str] = {}
        self._buffers: dict[str, tuple[Any, str]] = {}
        for i in self._step.instructions:
            value = self._count + i
            read = {base for base, _, _ in self._bases(value)}
            done = [b for b in read if b in names and last[b] == i]
            # What is read in parts, by other calls than ufuncs, must not be written meanwhile.
            at_once = isinstance(self._functions.get(i), np.ufunc)
            if at_once:
                self._release(done, names, free)
            if value not in self.writes and self._roles[i] != FINAL:
                kind = (self._dtype(value), self._roles[i])
                stack = free.setdefault(kind, [])
                name = stack.pop() if stack else f"b{len(self._buffers)}"
                self._buffers.setdefault(name, kind)
                names[value] = name
                if value not in last:
                    stack.append(name)
            if not at_once:
                self._release(done, names, free)
        self._names = names
        return names, sum(1 for _, role in self._buffers.values() if role == FULL)

    def _release(
        self, values: list[int], names: dict[int, str], free: dict[tuple[Any, str], list[str]]
    ) -> None:
        for value in values:
            free.setdefault(self._buffers[names[value]], []).append(names[value])

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
            body += self._lines(self._count + i)
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
            *self._buffers,
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
        call = self._call(value)
        over = self._over(value)
        given = []
        for x in call.args:
            if type(x) is not Value:
                given.append(self._global(constant(self._program, call, x)))
                continue
            base, seen = self._operands[x.index]
            if base - self._count in self._roles:
                given.append(self._names.get(base, f"o{base}"))
            else:
                name = self._feed(base, self._form(base, seen, over))
                sliced = self.feeds[int(name[1:])].sliced
                given.append(name.replace("x", "a") if sliced else name)
        target = self._names.get(value, f"o{value}")
        if call.name in ELEMENTWISE:
            function = self._functions[value - self._count]
            arguments = ", ".join(given)
            if call.name == "cast":
                return [f"{target}[...] = {arguments}"]
            if isinstance(function, np.ufunc):
                return [f"{self._global(function)}({arguments}, {into(function, target)})"]
            if call.name == "guarded_multiply" and self._dtype(value).kind == "f":
                return [f"{self._global(guarded_multiply)}({arguments}, {target})"]
            return [f"{target}[...] = {self._global(function)}({arguments})"]
        return self._reduction(value, call, given, target)

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
        ufunc, _ = _REDUCE[call.name]
        reduce = self._global(ufunc.reduce)
        (x,) = given
        if self._roles[value - self._count] == ROW:
            axes = tuple(range(ndim - rows, ndim))
            lines = [f"{reduce}({x}, {axes}, None, {target}, True)"]
            if call.name == "mean":
                count = self._global(np.asarray(self._step.row, self._dtype(value)))
                lines.append(f"{self._global(np.divide)}({target}, {count}, {target})")
            return lines
        kept = self._kept_axes(value)
        axes = tuple(range(ndim - kept))
        total = f"{reduce}({x}, {axes})"
        return [f"{self._global(ufunc)}(p{value}, {total}, {into(ufunc, f'p{value}')})"]

    def may_overwrite(self, value: int, old: int) -> bool:
        """Whether each tile of `old` has been read for the last time when `value` is written."""
        if self._roles.get(value - self._count) != FULL:
            return False
        reading = [
            (i, self._form(base, seen, over))
            for i in self._step.instructions
            for base, seen, over in self._bases(self._count + i)
            if base == old
        ]
        return all(i <= value - self._count and form == self.geometry.dims for i, form in reading)

    def __call__(self, *arrays: Raw) -> list[Raw]:
        """The sums; what else the group makes is in the arrays given after those it reads."""
        geometry = self.geometry
        count = len(self.feeds)
        given = [self._fed(feed, x) for feed, x in zip(self.feeds, arrays, strict=False)]
        written: list[Raw] = []
        strided: list[tuple[Raw, Raw]] = []
        for v, y in zip(self.writes, arrays[count:], strict=True):
            role = self._roles[v - self._count]
            dims = geometry.dims if role == FULL else geometry.row_dims
            if not y.flags.c_contiguous:  # an input to be updated
                strided.append((y, np.empty(dims, y.dtype)))
            written.append(y.reshape(dims) if y.flags.c_contiguous else strided[-1][1])
        parts = []
        for v in self.finals:
            kept = geometry.dims[len(geometry.dims) - self._kept_axes(v) :]
            _, neutral = _REDUCE[self._call(v).name]
            parts.append(np.full((len(self._chunks), *kept), neutral, self._dtype(v)))

        def worker() -> Callable[[int], None]:
            buffers = self._scratch()

            def chunk(number: int) -> None:
                keys, rest = self._chunks[number]
                sums = [p[number, ...] for p in parts]
                own = [b[: self._rest] for b in buffers] if rest else buffers
                self._run(keys, *sums, *given, *written, *own)

            return chunk

        threads = thread_count() if self.parallel else 1
        shared_out(worker, len(self._chunks), threads)
        for y, made in strided:
            y[...] = made.reshape(y.shape)
        return [self._total(v, p) for v, p in zip(self.finals, parts, strict=True)]

    def _fed(self, feed: Feed, x: Raw) -> Raw:
        if not feed.sliced and feed.size == 1:
            return x.reshape(())  # for which ufuncs have a shorter way than for one of length 1
        if x.shape != feed.form:
            x = x.reshape(feed.form)
        if feed.spread is not None:
            x = np.broadcast_to(x, feed.spread)
        return x if feed.sliced else x[(0,) * self.geometry.axis]

    def _total(self, value: int, parts: Raw) -> Raw:
        call = self._call(value)
        ufunc, _ = _REDUCE[call.name]
        total = ufunc.reduce(parts, 0)
        if call.name == "mean":
            total = total / (math.prod(self._over(value)) // total.size)
        shape = self._shape(value)
        return total if total.shape == shape else total.reshape(shape)

    def _scratch(self) -> list[Raw]:
        """Buffers for a tile, in this thread's memory."""
        block = scratch(self._scratch_size)
        return [np.ndarray(shape, dtype, block, offset) for offset, shape, dtype in self._places]

    def _lay_out(self) -> None:
        """Find the buffers their places in a thread's memory."""
        self._places: list[tuple[int, Shape, Any]] = []
        self._scratch_size = 0
        geometry = self.geometry
        for dtype, role in self._buffers.values():
            shape = (geometry.tile if role == FULL else geometry.row_tile)(geometry.step)
            self._places.append((self._scratch_size, shape, dtype))
            size = math.prod(shape) * dtype.itemsize
            self._scratch_size += -(-size // ALIGNMENT) * ALIGNMENT
