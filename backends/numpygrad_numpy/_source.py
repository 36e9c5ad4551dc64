"""A plan as Python: one function, a line for each call, without a loop or a look-up at run time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from numpygrad._fusion import RESHAPES
from numpygrad._program import Instruction, Value, values_in
from numpygrad_numpy._calls import (
    OPERATORS,
    REDUCERS,
    basic_key,
    constant,
    elementwise_function,
    guarded_multiply,
    into,
    is_plain_reduction,
    reduction_axes,
)
from numpygrad_numpy._memory import Results
from numpygrad_numpy._plan import Buffer, Plan
from numpygrad_numpy._scalars import Numbers, divided, guarded, in_numbers

Raw = Any


def copied(x: Raw) -> Raw:
    """A copy in row-major order."""
    return np.array(x, order="C")


def ordered(x: Raw) -> Raw:
    """An array of nobody else's, in row-major order; scalars as they are."""
    return x if isinstance(x, np.generic) or x.flags.c_contiguous else np.array(x, order="C")


def owned(x: Raw, *others: Raw) -> Raw:
    """What an unknown kernel gave, copied if its memory may be somebody else's."""
    if isinstance(x, np.generic):
        return x
    alone = x.base is None and x.flags.c_contiguous and not any(x is other for other in others)
    return x if alone else np.array(x, order="C")


class Writer(Numbers):
    """Writes the function of a plan: `run(inputs, block)`, where `block` are the arrays in it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.lines: list[str] = []
        self.scope: dict[str, Any] = {
            **{"copied": copied, "ordered": ordered, "owned": owned},
            **{"divided": divided, "guarded": guarded, "array": np.array, "float64": np.float64},
        }
        self.names: dict[int, str] = {}
        self.known: dict[Any, str] = {}
        self.free: list[str] = []
        self.registers = 0
        self.held: Counter[str] = Counter()
        """How many values the registers of numbers are part of."""
        self.parts: dict[int, list[str]] = {}
        """The elements of values that are Python's numbers, beside or instead of an array."""
        self.numbers = in_numbers(plan.program, plan.is_single, plan.limits.numbers)
        self.layouts: dict[int, Raw] = {}
        """Stand-ins, of the strides and without memory, for values whose layout is known."""
        self.dying: list[list[int]] = [[] for _ in plan.steps]
        for v, t in plan.last.items():
            if v >= plan.count and t < plan.end:
                self.dying[t].append(v)

    def written(self) -> Callable[..., list[Raw]]:
        """The function."""
        plan = self.plan
        for k in range(plan.count):
            self.names[k] = f"i{k}"
        for t, step in enumerate(plan.steps):
            if t in plan.tiles:
                self._group(t)
            else:
                self._single(plan.count + step.instructions[0])
            for v in self.dying[t]:
                self._release(v)
        results = self._results()
        self._updates()
        head = ["def run(inputs, block):"]
        if plan.count:
            head.append(f"    {''.join(f'i{k}, ' for k in range(plan.count))} = inputs")
        if plan.buffers:
            head.append(f"    {''.join(f'b{k}, ' for k in range(len(plan.buffers)))} = block")
        self.source = "\n".join([*head, *(f"    {x}" for x in [*self.lines, results])])
        exec(compile(self.source, "<program>", "exec"), self.scope)  # noqa: S102 (written above)
        run: Callable[..., list[Raw]] = self.scope["run"]
        return run

    def _global(self, item: Any, hint: str = "g") -> str:
        try:
            key = (type(item), item) if type(item) is not np.ndarray else (repr(item), item.dtype)
            name = self.known.get(key)
        except TypeError:
            key = ("at", id(item))
            name = self.known.get(key)
        if name is None:
            name = self.known[key] = f"{hint}{len(self.known)}"
            self.scope[name] = item
        return name

    def _new_register(self) -> str:
        if self.free:
            return self.free.pop()
        self.registers += 1
        return f"r{self.registers}"

    def _register(self, v: int) -> str:
        name = self.names[v] = self._new_register()
        return name

    def number(self) -> str:
        """A register for a number."""
        return self._new_register()

    def _name(self, v: int) -> str:
        """The name of a value as an array, put together if it is numbers so far."""
        name = self.names.get(v)
        if name is None:
            parts = self.parts[v]
            name = self._register(v)
            one = not self.plan.avals[v].shape  # type: ignore[union-attr]  # numbers are an array's
            text = f"float64({parts[0]})" if one else f"array(({', '.join(parts)},))"
            self.lines.append(f"{name} = {text}")
        return name

    def parts_of(self, v: int) -> list[str]:
        """The names of a value's elements, taken apart if it is an array so far."""
        parts = self.parts.get(v)
        if parts is None:
            parts = self.parts[v] = [self.number() for _ in range(self.plan.sizes[v])]
            self.held.update(parts)
            one = not self.plan.avals[v].shape  # type: ignore[union-attr]  # numbers are an array's
            text = f"{self.names[v]}.item()" if one else f"{self.names[v]}.tolist()"
            self.lines.append(f"{parts[0] if one else ', '.join(parts) + ','} = {text}")
        return parts

    def _release(self, v: int) -> None:
        for part in self.parts.get(v, ()):
            if part[0] == "r":
                self.held[part] -= 1
                if not self.held[part]:
                    self.free.append(part)
        name = self.names.get(v, "")
        if not name.startswith("r"):
            return
        self.free.append(name)
        aval = self.plan.avals[v]
        if aval is None or self.plan.sizes[v] > self.plan.limits.out_pays:
            self.lines.append(f"{name} = None")

    def _render(self, item: Any) -> str:
        """An argument in the source."""
        kind = type(item)
        if kind is Value:
            return self._name(item.index)
        if (kind is tuple or kind is list) and any(values_in(item)):
            inside = "".join(f"{self._render(x)}, " for x in item)
            return f"({inside})" if kind is tuple else f"[{inside}]"
        if item is None or kind is int or kind is bool:
            return repr(item)
        return self._global(item)

    def _target(self, v: int) -> str:
        """The memory that a value is written into, made ready."""
        plan = self.plan
        aval = plan.avals[v]
        if v in plan.places:
            name = f"b{plan.places[v]}"
        elif v in plan.targets:
            self.names[v] = f"i{plan.targets[v]}"
            return self.names[v]
        else:
            name = f"o{plan.handed[v]}"
            if v in plan.in_place:
                self.names[v] = name
                self.layouts[v] = _stand_in(aval)
                return name
            take = self._global(Results(aval.shape, aval.dtype).take)  # type: ignore[union-attr]  # written
            self.lines.append(f"{name} = {take}()")
        self.names[v] = name
        self.layouts[v] = _stand_in(aval)
        return name

    def _group(self, t: int) -> None:
        tiles = self.plan.tiles[t]
        given = [self._name(feed.base) for feed in tiles.feeds]
        given += [self._target(v) for v in tiles.writes]
        results = "".join(f"{self._register(v)}, " for v in tiles.finals)
        call = f"{self._global(tiles, 'tiles')}({', '.join(given)})"
        self.lines.append(f"{results}= {call}" if results else call)

    def _single(self, v: int) -> None:
        plan = self.plan
        call = plan.call(v)
        if v in self.numbers:
            self.write_numbers(v, call, call.aval.shape)  # type: ignore[union-attr]  # an array's
            self.held.update(self.parts[v])
            return
        if plan.is_view(v) and self._view(v, call):
            return
        if v in plan.targets or plan.is_written(v):
            arguments = self._arguments(call)
            self._write(v, call, arguments, self._target(v))
            return
        text = self._expression(v, call)
        name = self._register(v)
        self.lines.append(f"{name} = {text}")

    def _arguments(self, call: Instruction) -> list[str]:
        if elementwise_function(call) is None:
            return [self._render(x) for x in call.args]
        program = self.plan.program
        zero_d = all(program.aval(r).shape == () for r in call.reads)  # type: ignore[union-attr]  # arrays
        return [
            self._render(x if type(x) is Value or zero_d else constant(program, call, x))
            for x in call.args
        ]

    def _expression(self, v: int, call: Instruction) -> str:
        """A call whose result NumPy makes room for."""
        function = elementwise_function(call)
        if function is None and not is_plain_reduction(call):
            return self._plain(call)
        given = self._arguments(call)
        if function is not None:
            avals = [self.plan.avals[r] for r in call.reads]
            floats = all(a is not None and a.dtype.kind == "f" for a in avals)
            if isinstance(function, np.ufunc):
                if floats and call.name in OPERATORS:
                    return f" {OPERATORS[call.name]} ".join(given)
                return f"{self._global(function)}({', '.join(given)})"
            return self._plain(call)
        reduce = self._global(REDUCERS[call.name].reduce)
        ndim = len(self.plan.avals[call.reads[0]].shape)  # type: ignore[union-attr]  # an array
        axes, keep = reduction_axes(call, ndim), bool(call.params.get("keepdims"))
        text = f"{reduce}({given[0]}, {axes}, None, None, {keep})"
        return f"{text} / {self._reduced(v, call)}" if call.name == "mean" else text

    def _reduced(self, v: int, call: Instruction) -> int:
        return self.plan.sizes[call.reads[0]] // max(self.plan.sizes[v], 1)

    def _plain(self, call: Instruction) -> str:
        given = [self._render(x) for x in call.args]
        given += [f"{name}={self._render(x)}" for name, x in call.params.items()]
        return f"{self._global(call.kernel)}({', '.join(given)})"

    def _write(self, v: int, call: Instruction, given: list[str], out: str) -> None:
        """The lines of a call that is given memory for its result."""
        plan = self.plan
        lines = self.lines
        function = elementwise_function(call)
        if call.name == "cast":
            lines.append(f"{out}[...] = {given[0]}")
        elif call.name == "guarded_multiply":
            lines.append(f"{self._global(guarded_multiply)}({', '.join(given)}, {out})")
        elif function is not None:
            lines.append(f"{self._global(function)}({', '.join(given)}, {into(function, out)})")
        elif is_plain_reduction(call):
            ndim = len(self.plan.avals[call.reads[0]].shape)  # type: ignore[union-attr]  # an array
            axes, keep = reduction_axes(call, ndim), bool(call.params.get("keepdims"))
            reduce = self._global(REDUCERS[call.name].reduce)
            lines.append(f"{reduce}({given[0]}, {axes}, None, {out}, {keep})")
            if call.name == "mean":
                divide = self._global(np.divide)
                lines.append(f"{divide}({out}, {self._reduced(v, call)}, {out})")
        elif call.name == "matmul":
            self._matmul(v, call, given, out)
        elif call.name == "concat":
            axis = call.params.get("axis", 0)
            lines.append(f"{self._global(np.concatenate)}({given[0]}, {axis}, {out})")
        elif call.name == "stack":
            axis = call.params.get("axis", 0)
            ndim = len(call.aval.shape)  # type: ignore[union-attr]  # written
            before = ":, " * (axis % ndim)
            for position, x in enumerate(call.args[0]):
                lines.append(f"{out}[{before}{position}] = {self._render(x)}")
        elif call.name == "scatter":
            lines.append(f"{out}.fill(0)")
            self._add(call, out, given[0], assign=True)
        elif call.name == "put":
            if v not in plan.in_place:
                lines.append(f"{out}[...] = {given[0]}")
            lines.append(f"{out}[{self._render(call.params['key'])}] = {given[1]}")
        else:
            if v not in plan.in_place:
                lines.append(f"{out}[...] = {given[0]}")
            self._add(call, out, given[1], assign=False)

    def _add(self, call: Instruction, out: str, x: str, *, assign: bool) -> None:
        key = self._render(call.params["key"])
        if basic_key(call):
            self.lines.append(f"{out}[{key}] {'=' if assign else '+='} {x}")
        else:
            self.lines.append(f"{self._global(np.add.at)}({out}, {key}, {x})")

    def _matmul(self, v: int, call: Instruction, given: list[str], out: str) -> None:
        plan = self.plan
        first, second = (plan.avals[x.index].shape for x in call.args)  # type: ignore[union-attr]  # arrays
        if len(first) > 2 and len(second) == 2 and v in self.layouts:
            rows = self._reshaped(call.args[0].index, (-1, first[-1]))
            whole = self._reshaped(v, (-1, second[-1]))
            if rows and whole:
                given, out = [rows, given[1]], whole
        self.lines.append(f"{self._global(np.matmul)}({', '.join(given)}, {out})")

    def _reshaped(self, v: int, shape: tuple[int, ...]) -> str | None:
        """A view in another shape, if it is known that there is one."""
        layout = self.layouts.get(v)
        if layout is None:
            return None
        try:
            np.reshape(layout, shape, copy=False)
        except ValueError:
            return None
        name = self.names[v]
        if name[0] != "b":
            return f"{name}.reshape({shape})"
        return self._static(int(name[1:]), lambda x: x.reshape(shape), layout)[0]

    def _static(self, source: int, view: Callable[[Raw], Raw], layout: Raw) -> tuple[str, Raw]:
        """A view of an array in the block, made with it."""
        stand_in = view(layout)
        buffers = self.plan.buffers
        buffers.append(Buffer(0, stand_in.shape, stand_in.dtype, source, view))
        return f"b{len(buffers) - 1}", stand_in

    def _view(self, v: int, call: Instruction) -> bool:
        """Write a view; whether it is one. Those of arrays in the block are made once and for all."""
        plan = self.plan
        u = call.args[0].index
        aval = plan.avals[v]
        if aval is None:
            return False
        view = _view_of(call, aval.shape)
        layout = self.layouts.get(u)
        name = self._name(u)
        if layout is not None and name[0] == "b":
            if call.name in RESHAPES and not _is_view(layout, aval.shape):
                return False
            self.names[v], self.layouts[v] = self._static(int(name[1:]), view, layout)
            return True
        if call.name in RESHAPES:
            text = f"{name}.reshape({aval.shape})"
        elif call.name == "permute_dims":
            axes = call.args[1] if len(call.args) > 1 else call.params["axes"]
            text = f"{name}.transpose({axes})"
        elif call.name in {"select", "gather"} and aval.shape:
            text = f"{name}[{self._render(call.params['key'])}]"
        else:
            text = self._plain(call)
        register = self._register(v)
        self.lines.append(f"{register} = {text}")
        return True

    def _results(self) -> str:
        """The statement that gives the outputs, each with memory of its own."""
        plan = self.plan
        taken = {*range(plan.count), *plan.targets, *plan.places}
        inputs = [f"i{k}" for k in range(plan.count)]
        found: list[str] = []
        for position, v in enumerate(plan.program.outputs):
            name = self._name(v)
            base = plan._base(v)
            if plan.roots[v] & taken:
                text = f"copied({name})"
            elif base in plan.handed:
                text = name
            elif plan.is_sole(v):
                text = f"ordered({name})"
            else:
                text = f"owned({', '.join([name, *inputs, *found])})"
            taken |= plan.roots[v]
            self.lines.append(f"q{position} = {text}")
            found.append(f"q{position}")
        return f"return [{', '.join(found)}]"

    def _updates(self) -> None:
        """The lines that write updates that have not been written where they were made."""
        plan = self.plan
        rest = [(v, k) for v, k in plan.program.updates if plan.targets.get(v) != k]
        written = {*plan.targets, *(k for _, k in plan.program.updates)}
        names = [self._name(v) for v, _ in rest]
        for position, (v, _) in enumerate(rest):
            if len(rest) > 1 and plan.roots[v] & written:
                self.lines.append(f"u{position} = copied({names[position]})")
                names[position] = f"u{position}"
        self.lines += [f"i{k}[...] = {name}" for name, (_, k) in zip(names, rest, strict=True)]


def _view_of(call: Instruction, shape: tuple[int, ...]) -> Callable[[Raw], Raw]:
    """What makes a view of an array that is large."""
    if call.name in RESHAPES:
        return lambda x: x.reshape(shape)
    if call.name in {"broadcast_to", "spread"}:
        return lambda x: np.broadcast_to(x, shape)
    args, params, kernel = call.args[1:], call.params, call.kernel
    return lambda x: kernel(x, *args, **params)


def _is_view(layout: Raw, shape: tuple[int, ...]) -> bool:
    try:
        np.reshape(layout, shape, copy=False)
    except ValueError:
        return False
    return True


def _stand_in(aval: Any) -> Raw:
    """An array of a shape and row-major strides without memory; not to be read."""
    strides = [aval.dtype.itemsize * math.prod(aval.shape[a + 1 :]) for a in range(len(aval.shape))]
    one = np.empty(1, aval.dtype)
    return np.lib.stride_tricks.as_strided(one, aval.shape, strides)


def written(plan: Plan) -> Callable[..., list[Raw]]:
    """The function of a plan."""
    return Writer(plan).written()
