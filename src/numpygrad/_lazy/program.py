"""A program: what lazy mode recorded, as a straight line of instructions that a backend runs.

Values have numbers. The inputs come first, then the results of the instructions, in order: the
value `i` of a program with `n` inputs is input `i`, or the result of instruction `i - n`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from numpygrad._dtypes import DType
from numpygrad.typing import RawArray, Shape


class Aval(NamedTuple):
    """What is known of an array before it has values."""

    shape: Shape
    dtype: DType


@dataclass(frozen=True, slots=True)
class Value:
    """Stands in the arguments of an instruction for the value of that number."""

    index: int

    def __repr__(self) -> str:
        return f"%{self.index}"


@dataclass(frozen=True, slots=True, eq=False)
class Instruction:
    """A call of one of the backend's kernels: `kernel(*args, **params)`.

    Among the arguments, and in tuples and lists inside them, `Value`s stand for arrays; everything
    else is passed as it is: axes, shapes, dtypes, Python scalars, keys with slices.
    """

    name: str
    """The kernel's name in the backend's namespace: `"multiply"`, `"linalg.solve"`."""
    kernel: Callable[..., Any]
    """Takes and gives raw arrays of the backend."""
    args: tuple[Any, ...]
    params: dict[str, Any]
    aval: Aval | None
    """Shape and dtype of the result; `None` of a kernel with several results, which `part` takes
    apart: an instruction named `"part"`, whose args are the value and a position."""

    @property
    def reads(self) -> tuple[int, ...]:
        """The numbers of the values it reads, in the order they are met."""
        return tuple(value.index for value in values_in((*self.args, *self.params.values())))

    def replaced(self, numbers: Callable[[int], Any]) -> Instruction:
        """The same call with `numbers(index)` in place of each value."""
        return Instruction(
            self.name,
            self.kernel,
            mapped(self.args, numbers),
            {name: mapped(given, numbers) for name, given in self.params.items()},
            self.aval,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Instructions with what goes in and what comes out."""

    inputs: tuple[Aval, ...]
    instructions: tuple[Instruction, ...]
    outputs: tuple[int, ...]
    """The numbers of the values that are wanted; a number may come twice, and may be an input's."""
    updates: tuple[tuple[int, int], ...] = ()
    """Pairs of a value's number and an input's, of one shape and dtype: the value is written into
    the input's memory once nothing has to read what was there. Only for mutable backends."""
    names: dict[int, str] = field(default_factory=dict)
    """Names of values, for explanations."""

    def aval(self, index: int) -> Aval | None:
        """Shape and dtype of a value."""
        n = len(self.inputs)
        return self.inputs[index] if index < n else self.instructions[index - n].aval


class Report(NamedTuple):
    """How an executor runs a program, for explanations and drawings."""

    groups: tuple[tuple[int, ...], ...]
    """Numbers of the instructions (not of values) that run as one, for groups of two and more."""
    buffers: int
    """How many buffers hold all intermediate results."""
    arena: int
    """Their size, in bytes."""
    moved: int
    """Bytes read from and written to whole arrays in one run."""


Runner: TypeAlias = "Callable[[Sequence[RawArray]], list[RawArray]]"
"""Runs a program: takes the inputs, gives the outputs.

Each output has memory of its own, in row-major order where that can be seen, which neither an input
nor another output nor a later run shares. May be called by several threads at once. May have an
attribute `report`, a `Report`.
"""

Executor: TypeAlias = "Callable[[Program], Runner]"


def values_in(tree: Any) -> Iterator[Value]:
    """The `Value`s in nested tuples and lists."""
    for item in tree:
        if type(item) is Value:
            yield item
        elif type(item) is tuple or type(item) is list:
            yield from values_in(item)


def mapped(tree: Any, numbers: Callable[[int], Any]) -> Any:
    """Nested tuples and lists with `numbers(index)` in place of each `Value`."""
    if type(tree) is Value:
        return numbers(tree.index)
    if type(tree) is tuple or type(tree) is list:
        return type(tree)(mapped(item, numbers) for item in tree)
    return tree


def _alone(x: RawArray, handed_out: set[int]) -> RawArray:
    """An output in memory of its own, as far as that can be seen."""
    if id(x) in handed_out or getattr(x, "base", None) is not None:
        x = x.copy() if hasattr(x, "copy") else x.__array_namespace__().asarray(x, copy=True)
    handed_out.add(id(x))
    return x


def last_uses(program: Program) -> list[list[int]]:
    """For each instruction the values that nothing reads after it, and that are not wanted."""
    count = len(program.inputs)
    last = dict.fromkeys((*program.outputs, *(value for value, _ in program.updates)), -1)
    done: list[list[int]] = [[] for _ in program.instructions]
    for position in reversed(range(len(program.instructions))):
        for number in program.instructions[position].reads:
            if last.setdefault(number, position) == position and number >= count:
                done[position].append(number)
    return done


def interpreter(program: Program) -> Runner:
    """Runs the kernels one after the other: for backends without an executor of their own.

    Outputs that may share memory, views and values that are wanted twice, are copied.
    """
    done = last_uses(program)
    calls = [(call.kernel, call.args, call.params) for call in program.instructions]

    def run(inputs: Sequence[RawArray]) -> list[RawArray]:
        values = list(inputs)
        for (kernel, args, params), finished in zip(calls, done, strict=True):
            given = {name: mapped(item, values.__getitem__) for name, item in params.items()}
            values.append(kernel(*mapped(args, values.__getitem__), **given))
            for number in finished:
                values[number] = None
        handed_out: set[int] = {id(x) for x in inputs}
        outputs = [_alone(values[index], handed_out) for index in program.outputs]
        news = [_alone(values[value], handed_out) for value, _ in program.updates]
        for (_, written), new in zip(program.updates, news, strict=True):
            inputs[written][...] = new
        return outputs

    return run
