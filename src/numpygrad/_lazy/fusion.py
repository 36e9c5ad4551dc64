"""What groups of instructions that run as one are: elementwise calls with reductions of their rows.

A group runs over `size` elements, those of its largest arrays in row-major order, whatever their
shapes: `reshape` between its members is nothing to do. Cutting that line at the lengths in `cuts`
gives the axes in which every operand is either there or repeated::

    y = (x - mean(x, axis=2, keepdims=True)) * gain        x: (8, 128, 64), gain: (64,)

is a group of 65,536 elements, cut at 64. The mean is of the rows; a member is `FULL` if it has all
of the elements, `ROW` if one for each row of `row` elements, and `FINAL` if it is a sum that is
known only when all of the elements have been seen: no member reads it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from numpygrad._dtypes import DType
from numpygrad._lazy.program import Instruction, Program, Value
from numpygrad.typing import Shape

ELEMENTWISE = frozenset(
    {
        *("abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh"),
        *("bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_or"),
        *("bitwise_right_shift", "bitwise_xor", "cast", "ceil", "clip_both", "copysign"),
        *("cos", "cosh", "divide", "equal", "erf", "excess", "exp", "expm1", "floor"),
        *("floor_divide",),
        *("greater", "greater_equal", "guarded_multiply", "hypot", "isfinite", "isinf"),
        *("isnan", "less", "less_equal", "log", "log10", "log1p", "log2", "logaddexp"),
        *("logical_and", "logical_not", "logical_or", "logical_xor", "maximum", "minimum"),
        *("multiply", "negative", "nextafter", "not_equal", "positive", "pow", "reciprocal"),
        *("remainder", "round", "sign", "signbit", "sin", "sinh", "sqrt", "square"),
        *("subtract", "tan", "tanh", "trunc", "where"),
    }
)
REDUCTIONS = frozenset({"max", "mean", "min", "prod", "sum"})
RESHAPES = frozenset({"expand_dims", "reshape", "squeeze"})
BROADCASTS = frozenset({"broadcast_to", "spread"})
VIEWS = RESHAPES | BROADCASTS | {"diagonals", "flip", "matrix_transpose", "permute_dims", "select"}
"""Kernels that look at memory in another way, where the backend's arrays have strides."""

FULL, ROW, FINAL = "full", "row", "final"


class Step(NamedTuple):
    """Instructions to be run as one, or a single one in its own right, whose `size` is 0."""

    instructions: tuple[int, ...]
    size: int = 0
    cuts: tuple[int, ...] = ()
    row: int = 0
    roles: tuple[str, ...] = ()


class Operand(NamedTuple):
    """A value as seen through views: `base` reshaped to `shape`, from which it broadcasts."""

    base: int
    shape: Shape


def seen_through(program: Program) -> list[Operand]:
    """For every value, what it is a reshaped and then broadcast view of; itself, if of nothing."""
    found = [Operand(i, aval.shape) for i, aval in enumerate(program.inputs)]
    for number, call in enumerate(program.instructions, len(found)):
        shape = call.aval.shape if call.aval is not None else ()
        operand = Operand(number, shape)
        if call.name in RESHAPES or call.name in BROADCASTS:
            source = call.args[0]
            base, seen = found[source.index]
            if call.name in BROADCASTS:
                operand = Operand(base, seen)
            elif math.prod(seen) == math.prod(shape):
                operand = Operand(base, shape)
        found.append(operand)
    return found


def runs(operand: Shape, shape: Shape) -> list[tuple[int, bool]]:
    """Lengths of the stretches of axes of `shape` that an operand has, or is repeated along."""
    found: list[tuple[int, bool]] = []
    for m, n in zip((1,) * (len(shape) - len(operand)) + operand, shape, strict=True):
        if n == 1:
            continue
        if found and found[-1][1] is (m == n):
            found[-1] = (found[-1][0] * n, m == n)
        else:
            found.append((n, m == n))
    return found


def cuts_of(lengths: Iterable[int]) -> set[int]:
    """Numbers of elements behind each boundary between axes of these lengths."""
    behind = list(itertools.accumulate(reversed(list(lengths)), lambda a, b: a * b))
    return {n for n in behind[:-1] if n > 1}


def reduced_axes(call: Instruction, ndim: int) -> tuple[int, ...]:
    """The axes that a reduction goes over, counted from the front."""
    axis = call.params.get("axis")
    given = range(ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return tuple(sorted(a % ndim for a in given))


@dataclass(slots=True, eq=False)
class Group:
    """A group as it grows, or a single step, which has no size."""

    place: int
    size: int = 0
    row: int = 0
    cuts: tuple[int, ...] = ()
    members: dict[int, str] = field(default_factory=dict)


class Fitting:
    """What fits into a group of a program's instructions."""

    def __init__(self, program: Program, row_bytes: int) -> None:
        self.program = program
        self.row_bytes = row_bytes
        self.count = len(program.inputs)
        self.avals = [*program.inputs, *(call.aval for call in program.instructions)]
        self.operands = seen_through(program)
        self.readers: dict[int, list[tuple[Group, int]]] = {}
        """The groups that read a value, and the member that does."""

    def may_fuse(self, call: Instruction) -> bool:
        """Whether a call is of a kind that groups are made of."""
        aval = call.aval
        if aval is None or aval.dtype.kind not in "biuf":
            return False
        if call.name in ELEMENTWISE:
            simple = all(type(x) in {Value, float, int, bool} for x in call.args)
            return simple and math.prod(aval.shape) > 1
        if call.name in REDUCTIONS:
            known = call.params.keys() <= {"axis", "keepdims"}
        else:
            known = call.name == "vecdot" and not call.params
        if not known or aval.dtype.kind != "f" or type(call.args[0]) is not Value:
            return False
        return all(self.itemtype(v) == aval.dtype for v in call.reads)

    def bases(self, i: int) -> list[int]:
        """The values an instruction reads, seen through views."""
        call = self.program.instructions[i]
        return [self.operands[x.index].base for x in call.args if type(x) is Value]

    def size(self, i: int) -> int:
        """How many elements an instruction goes over."""
        call = self.program.instructions[i]
        if call.name in ELEMENTWISE:
            return math.prod(self.shape(self.count + i))
        return math.prod(self.shape(call.args[0].index))

    def shape(self, number: int) -> Shape:
        """The shape of a value."""
        aval = self.avals[number]
        assert aval is not None  # noqa: S101 (only kernels of one result are fused)
        return aval.shape

    def bytes(self, number: int) -> int:
        """What a value takes."""
        aval = self.avals[number]
        return math.prod(aval.shape) * aval.dtype.itemsize if aval is not None else 0

    def fit(self, group: Group, i: int) -> tuple[str, int, tuple[int, ...]] | None:
        """The role of an instruction in a group, with the group's row and cuts then."""
        call = self.program.instructions[i]
        number = self.count + i
        shape = self.shape(number)
        count = math.prod(shape)
        row = group.row
        if call.name in ELEMENTWISE:
            inner = 1
            if count == group.size:
                role = FULL
            else:
                role, inner = ROW, self._row_read(group, number)
                if not inner or (row and row != inner) or count * inner != group.size:
                    return None
                row = inner
            cuts = {*group.cuts, *({row} if row else ())}
            for x in call.args:
                if type(x) is Value:
                    cuts |= self._operand_cuts(x.index, shape, inner)
        else:
            whole = self.shape(call.args[0].index)
            if math.prod(whole) != group.size:
                return None
            cuts = set(group.cuts)
            for x in call.args:
                seen = self.operands[x.index].shape
                if self.shape(x.index) != whole or math.prod(seen) != group.size:
                    return None
                cuts |= self._operand_cuts(x.index, whole, 1)
            axes = (len(whole) - 1,) if call.name == "vecdot" else reduced_axes(call, len(whole))
            kept = tuple(1 if a in axes else n for a, n in enumerate(whole))
            found = self._reduction(call.name, runs(kept, whole), group.row, self._itemsize(number))
            if found is None:
                return None
            role, row, cut = found
            cuts |= {cut} - {0, group.size}
        if not self._readable(group, number, role, row):
            return None
        ordered = sorted(cuts)
        if any(b % a for a, b in itertools.pairwise([*ordered, group.size])):
            return None
        return role, row, tuple(ordered)

    def itemtype(self, number: int) -> DType | None:
        """The dtype of a value."""
        aval = self.avals[number]
        return None if aval is None else aval.dtype

    def _itemsize(self, number: int) -> int:
        aval = self.avals[number]
        return aval.dtype.itemsize if aval is not None else 0

    def _reduction(
        self, name: str, pattern: list[tuple[int, bool]], row: int, itemsize: int
    ) -> tuple[str, int, int] | None:
        """Role, row and cut of a reduction whose kept and reduced axes are so many elements."""
        if len(pattern) == 1 and not pattern[0][1] and name != "vecdot":
            return FINAL, row, 0
        if len(pattern) != 2:
            return None
        inner = pattern[1][0]
        if inner * itemsize > self.row_bytes:
            return None
        if pattern[0][1]:
            return (ROW, inner, inner) if row in {0, inner} else None
        return (FINAL, row, inner) if name != "vecdot" else None

    def _row_read(self, group: Group, number: int) -> int:
        """The length of the rows for each of which a value has one element, where it is read."""
        for reader, i in self.readers.get(number, ()):
            if reader is not group:
                continue
            for operand, shape in self._reads(number, i):
                if math.prod(shape) == group.size:
                    pattern = runs(operand, shape)
                    if len(pattern) == 2 and pattern[0][1]:
                        inner = pattern[1][0]
                        return inner if inner * self._itemsize(number) <= self.row_bytes else 0
                    return 0
        return group.row

    def _reads(self, number: int, i: int) -> Iterable[tuple[Shape, Shape]]:
        """The shapes in which an instruction reads a value, and over which it goes."""
        call = self.program.instructions[i]
        over = self.shape(self.count + i) if call.name in ELEMENTWISE else None
        for x in call.args:
            if type(x) is Value and self.operands[x.index].base == number:
                yield self.operands[x.index].shape, over or self.shape(x.index)

    def _readable(self, group: Group, number: int, role: str, row: int) -> bool:
        """Whether the members that read a value can, if it is made in the group in this role."""
        for reader, i in self.readers.get(number, ()):
            if reader is not group:
                continue
            if role == FINAL:
                return False
            reduces = self.program.instructions[i].name not in ELEMENTWISE
            for operand, shape in self._reads(number, i):
                pattern = runs(operand, shape)
                over = math.prod(shape)
                if len(pattern) == 1 and pattern[0][1]:
                    fits = over == (group.size if role == FULL else group.size // row)
                    fits = fits and not (reduces and role == ROW)
                else:
                    fits = (
                        role == ROW
                        and not reduces
                        and pattern == [(group.size // row, True), (row, False)]
                    )
                if not fits:
                    return False
        return True

    def _operand_cuts(self, index: int, shape: Shape, inner: int) -> set[int]:
        """The cuts that reading a value over `shape` asks for, each element `inner` times."""
        base, seen = self.operands[index]
        pattern = runs(seen, shape)
        lengths = [n for n, _ in pattern]
        if pattern and len(pattern) == 1 and pattern[0][1] and self._is_strided(base):
            # Memory in another order is walked along its own axes.
            lengths = list(self.shape(base))
        cuts = {n * inner for n in cuts_of(lengths)}
        return cuts | {inner} - {1}

    def _is_strided(self, base: int) -> bool:
        if base < self.count:
            return False
        name = self.program.instructions[base - self.count].name
        return name in VIEWS and name not in RESHAPES
