"""A plan as Python: one function, a line for each call, without a loop or a look-up at run time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numpygrad._lazy.fusion import RESHAPES
from numpygrad._lazy.program import Instruction, Value, values_in
from numpygrad_numpy._programs.calls import (
    OPERATORS,
    REDUCERS,
    constant,
    elementwise_function,
    in_row,
    is_plain_reduction,
    reduction_axes,
)
from numpygrad_numpy._programs.layouts import copied, is_view, ordered, stand_in, view_of
from numpygrad_numpy._programs.memory import Results
from numpygrad_numpy._programs.plan import Buffer, Plan
from numpygrad_numpy._programs.scalars import Numbers, divided, guarded
from numpygrad_numpy._programs.tiles import Tiles
from numpygrad_numpy._programs.writing import write

Raw = Any


class Writer:
    """Writes the function of a plan: `run(inputs, block)`, where `block` are the arrays in it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.lines: list[str] = []
        self.scope: dict[str, Any] = {
            "copied": copied,
            "ordered": ordered,
            "divided": divided,
            "guarded": guarded,
            "array": np.array,
            "float64": np.float64,
        }
        self.names: dict[int, str] = {}
        self.known: dict[Any, str] = {}
        self.free: list[str] = []
        self.registers = 0
        self.numbers = Numbers(plan, self.names, self.lines, self._new_register)
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

    def named(self, item: Any, hint: str = "g") -> str:
        """The name of an object in the function's globals."""
        key: Any = ("at", id(item))
        if type(item) is np.ndarray and not item.ndim:
            key = (item.dtype, repr(item))
        elif type(item) in {float, complex, str, np.dtype}:
            key = (type(item), repr(item))  # which tells 0.0 from -0.0
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

    def name(self, v: int) -> str:
        """The name of a value as an array, put together if it is numbers so far."""
        name = self.names.get(v)
        if name is None:
            text = self.numbers.together(v)
            name = self._register(v)
            self.lines.append(f"{name} = {text}")
        return name

    def _release(self, v: int) -> None:
        self.free += self.numbers.released(v)
        name = self.names.get(v, "")
        if not name.startswith("r"):
            return
        self.free.append(name)
        aval = self.plan.avals[v]
        if aval is None or self.plan.sizes[v] > self.plan.limits.out_pays:
            self.lines.append(f"{name} = None")

    def rendered(self, item: Any) -> str:
        """An argument in the source."""
        kind = type(item)
        if kind is Value:
            return self.name(item.index)
        if (kind is tuple or kind is list) and any(values_in(item)):
            inside = "".join(f"{self.rendered(x)}, " for x in item)
            return f"({inside})" if kind is tuple else f"[{inside}]"
        if item is None or kind is int or kind is bool:
            return repr(item)
        return self.named(item)

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
                self.layouts[v] = stand_in(aval)
                return name
            take = self.named(Results(aval.shape, aval.dtype).take)  # type: ignore[union-attr]  # written
            self.lines.append(f"{name} = {take}()")
        self.names[v] = name
        self.layouts[v] = stand_in(aval)
        return name

    def _group(self, t: int) -> None:
        source = self.plan.tiles[t]
        tiles = Tiles(source, self.plan.steps[t].size, self.plan.limits)
        given = [self.name(feed.base) for feed in source.feeds]
        given += [self._target(v) for v in source.writes]
        results = "".join(f"{self._register(v)}, " for v in source.finals)
        call = f"{self.named(tiles, 'tiles')}({', '.join(given)})"
        self.lines.append(f"{results}= {call}" if results else call)

    def _single(self, v: int) -> None:
        plan = self.plan
        call = plan.call(v)
        if v in self.numbers.values:
            self.numbers.write(v)
            return
        if plan.is_view(v) and self._view(v, call):
            return
        if v in plan.targets or plan.is_written(v):
            arguments = self._arguments(call)
            write(self, v, arguments, self._target(v))
            return
        text = self._expression(v, call)
        name = self._register(v)
        self.lines.append(f"{name} = {text}")

    def _arguments(self, call: Instruction) -> list[str]:
        if elementwise_function(call) is None:
            return [self.rendered(x) for x in call.args]
        program = self.plan.program
        if all(program.aval(r).shape == () for r in call.reads):  # type: ignore[union-attr]  # arrays
            return [self.rendered(x) for x in call.args]
        last = call.aval.shape[-1]  # type: ignore[union-attr]  # elementwise
        given = [x if type(x) is Value else constant(program, call, x) for x in call.args]
        return [self.rendered(in_row(call.kernel, x, last, self.plan.limits)) for x in given]

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
                return f"{self.named(function)}({', '.join(given)})"
            return self._plain(call)
        reduce = self.named(REDUCERS[call.name].reduce)
        ndim = len(self.plan.avals[call.reads[0]].shape)  # type: ignore[union-attr]  # an array
        axes, keep = reduction_axes(call, ndim), bool(call.params.get("keepdims"))
        text = f"{reduce}({given[0]}, {axes}, None, None, {keep})"
        return f"{text} / {self.reduced(v, call)}" if call.name == "mean" else text

    def reduced(self, v: int, call: Instruction) -> int:
        """How many elements go into each of a reduction's results."""
        return self.plan.sizes[call.reads[0]] // max(self.plan.sizes[v], 1)

    def _plain(self, call: Instruction) -> str:
        given = [self.rendered(x) for x in call.args]
        given += [f"{name}={self.rendered(x)}" for name, x in call.params.items()]
        return f"{self.named(call.kernel)}({', '.join(given)})"

    def reshaped(self, v: int, shape: tuple[int, ...]) -> str | None:
        """A view in another shape, if it is known that there is one."""
        layout = self.layouts.get(v)
        if layout is None:
            return None
        if not is_view(layout, shape):
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
        """Write a view; whether it is one. Those in the block are made once and for all."""
        plan = self.plan
        u = call.args[0].index
        aval = plan.avals[v]
        if aval is None:
            return False
        view = view_of(call, aval.shape)
        layout = self.layouts.get(u)
        name = self.name(u)
        if layout is not None and name[0] == "b":
            if call.name in RESHAPES and not is_view(layout, aval.shape):
                return False
            self.names[v], self.layouts[v] = self._static(int(name[1:]), view, layout)
            return True
        if call.name in RESHAPES:
            text = f"{name}.reshape({aval.shape})"
        elif call.name == "permute_dims":
            axes = call.args[1] if len(call.args) > 1 else call.params["axes"]
            text = f"{name}.transpose({axes})"
        elif call.name == "matrix_transpose":
            text = f"{name}.mT"
        elif call.name in {"select", "gather"} and aval.shape:
            text = f"{name}[{self.rendered(call.params['key'])}]"
        else:
            text = self._plain(call)
        register = self._register(v)
        self.lines.append(f"{register} = {text}")
        return True

    def _results(self) -> str:
        """The statement that gives the outputs, each with memory of its own."""
        plan = self.plan
        taken = {*range(plan.count), *plan.targets, *plan.places}
        found: list[str] = []
        for position, v in enumerate(plan.program.outputs):
            name = self.name(v)
            base = plan._base(v)
            if plan.roots[v] & taken or not plan.is_sole(v):
                text = f"copied({name})"
            elif base in plan.handed:
                text = name
            else:
                text = f"ordered({name})"
            taken |= plan.roots[v]
            self.lines.append(f"q{position} = {text}")
            found.append(f"q{position}")
        return f"return [{', '.join(found)}]"

    def _updates(self) -> None:
        """The lines that write updates that have not been written where they were made."""
        plan = self.plan
        rest = [(v, k) for v, k in plan.program.updates if plan.targets.get(v) != k]
        written = {*plan.targets, *(k for _, k in plan.program.updates)}
        names = [self.name(v) for v, _ in rest]
        for position, (v, _) in enumerate(rest):
            if len(rest) > 1 and plan.roots[v] & written:
                self.lines.append(f"u{position} = copied({names[position]})")
                names[position] = f"u{position}"
        self.lines += [f"i{k}[...] = {name}" for name, (_, k) in zip(names, rest, strict=True)]
