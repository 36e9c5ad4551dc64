"""Programs on CuPy: elementwise calls in kernels of their own, everything else as it is.

Written against CuPy's documentation and sources, tested over a stand-in for it, and not yet
measured; `tests/test_cupy_executor.py` has tests that run where a GPU is.

A group of elementwise calls becomes one `cupy.ElementwiseKernel`, which reads and writes each array
once, and a sum of what such calls give becomes a `cupy.ReductionKernel` where nobody else wants it.
CuPy compiles the kernels when they are first run, and keeps them on disk. Products and sums are not
contracted to fused operations, so the bits are those of eager execution; but sums that a kernel
computes may be added up in another order.

Values are dropped when they have been read for the last time, and CuPy's memory pool gives their
memory to later ones. With `NUMPYGRAD_CUDA_GRAPH=1` in the environment, programs that never wait for
the device are captured as CUDA graphs, see `numpygrad_cupy._programs.graph`.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import cupy

from numpygrad._lazy.program import Instruction, Program, Report, Runner, mapped
from numpygrad_cupy._programs.expressions import literal
from numpygrad_cupy._programs.graph import Graph, may_capture, owner
from numpygrad_cupy._programs.plan import SUMS, Plan, Unit

Raw = Any
Values = list[Any]

OPTIONS = ("-fmad=false",)


def _as_it_is(number: int, call: Instruction) -> Callable[[Values], None]:
    def run(values: Values) -> None:
        given = {name: mapped(x, values.__getitem__) for name, x in call.params.items()}
        values[number] = call.kernel(*mapped(call.args, values.__getitem__), **given)

    return run


def _parameters(plan: Plan, numbers: Sequence[int], letter: str) -> str:
    """Parameters of a kernel, of the types of values."""
    dtypes = [plan.dtype(v).name for v in numbers]
    return ", ".join(f"{dtype} {letter}{k}" for k, dtype in enumerate(dtypes))


def _elementwise(plan: Plan, unit: Unit, made: Sequence[int]) -> Callable[[Values], None]:
    leaves = plan.leaves(unit)
    position = {plan.count + i: k for k, i in enumerate(unit.instructions)}
    lines = [*plan.body(unit), *(f"y{k} = v{position[v]};" for k, v in enumerate(made))]
    kernel = cupy.ElementwiseKernel(
        _parameters(plan, [leaf.base for leaf in leaves], "x"),
        _parameters(plan, made, "y"),
        "\n".join(lines),
        f"numpygrad_{plan.program.instructions[unit.instructions[-1]].name}",
        no_return=True,
        options=OPTIONS,
    )
    shapes = [(v, plan.shape(v), plan.dtype(v)) for v in made]

    def run(values: Values) -> None:
        given = [values[v] if values[v].shape == s else values[v].reshape(s) for v, s in leaves]
        for v, shape, dtype in shapes:
            values[v] = made_here = cupy.empty(shape, dtype)
            given.append(made_here if shape == unit.dims else made_here.reshape(unit.dims))
        kernel(*given)

    return run


def _summing(plan: Plan, unit: Unit, number: int) -> Callable[[Values], None]:
    leaves = plan.leaves(unit)
    call = plan.program.instructions[number - plan.count]
    reduced = math.prod(unit.dims) // math.prod(plan.shape(number))
    types = [plan.ctype(leaf.base) for leaf in leaves]
    taken = ", ".join(f"const {type_} x{k}" for k, type_ in enumerate(types))
    body = [*plan.body(unit), f"return v{len(unit.instructions) - 1};"]
    kernel = cupy.ReductionKernel(
        _parameters(plan, [leaf.base for leaf in leaves], "x"),
        _parameters(plan, [number], "y"),
        f"mapped({', '.join(f'x{k}' for k in range(len(leaves)))})",
        "a + b",
        SUMS[call.name].format(count=literal(reduced, plan.dtype(number))),
        "0",
        f"numpygrad_{call.name}",
        preamble="\n".join(
            [f"__device__ inline {plan.ctype(number)} mapped({taken}) {{", *body, "}"]
        ),
        options=OPTIONS,
    )

    def run(values: Values) -> None:
        given = [values[v] if values[v].shape == s else values[v].reshape(s) for v, s in leaves]
        values[number] = kernel(*given, **call.params)

    return run


def _step(plan: Plan, t: int) -> Callable[[Values], None]:
    """What runs a unit: reads and sets values by their numbers."""
    unit, made = plan.units[t], plan.made[t]
    if unit.reduction is not None:
        return _summing(plan, unit, made[0])
    if unit.dims:
        return _elementwise(plan, unit, made)
    return _as_it_is(made[0], plan.program.instructions[unit.instructions[0]])


class Running:
    """Runs one program; several threads may at once."""

    def __init__(self, program: Program) -> None:
        plan = Plan(program)
        self.report: Report = plan.report()
        self._unset = [None] * len(program.instructions)
        self._wanted = [*program.outputs, *(v for v, _ in program.updates)]
        self._written = [k for _, k in program.updates]
        self._steps = [(_step(plan, t), plan.done[t]) for t in range(len(plan.units))]
        asked = os.environ.get("NUMPYGRAD_CUDA_GRAPH") == "1"
        self._may_capture = asked and may_capture(program)
        self._graph: Graph | None = None
        self._lock = threading.Lock()

    def __call__(self, inputs: Sequence[Raw]) -> list[Raw]:
        """The outputs."""
        with cupy.cuda.Device(inputs[0].device) if inputs else contextlib.nullcontext():
            graph = self._captured(inputs) if self._may_capture else None
            if graph is None:
                kept = {id(owner(x)) for x in inputs}
                return self._handed_out(inputs, self._computed(inputs), kept)
            with graph.replayed(inputs) as (values, kept):
                return self._handed_out(inputs, values, kept)

    def _captured(self, inputs: Sequence[Raw]) -> Graph | None:
        """The program as a graph; `None` from when on CuPy or CUDA once have refused it."""
        with self._lock:
            if self._graph is None and self._may_capture:
                try:
                    self._graph = Graph(self._computed, inputs)
                except Exception:  # what is wrong with the program itself is raised without
                    self._may_capture = False
            return self._graph

    def _computed(self, inputs: Sequence[Raw]) -> list[Raw]:
        """What is wanted: the outputs, then what is written into inputs."""
        values = [*inputs, *self._unset]
        for step, done in self._steps:
            step(values)
            for number in done:
                values[number] = None
        return [values[v] for v in self._wanted]

    def _handed_out(self, inputs: Sequence[Raw], values: list[Raw], kept: set[int]) -> list[Raw]:
        """The outputs, each in memory of its own, once inputs are written.

        Arrays that are `kept`, by their ids, are not handed out, and nor are views of them.
        """
        count = len(values) - len(self._written)
        outputs = []
        for x in values[:count]:
            whole = owner(x)
            fresh = id(whole) not in kept and x.flags.c_contiguous and x.size == whole.size
            outputs.append(x if fresh else x.copy())
            kept.add(id(owner(outputs[-1])))
        given = {id(owner(x)) for x in inputs}
        # What may be in the memory of an input is read before any of them is written.
        news = [x.copy() if id(owner(x)) in given else x for x in values[count:]]
        for k, new in zip(self._written, news, strict=True):
            inputs[k][...] = new
        return outputs


def execute(program: Program) -> Runner:
    """What runs a program."""
    return Running(program)
