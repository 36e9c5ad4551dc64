"""Which instructions of a program run as one: elementwise calls with the reductions of their rows.

A group runs over `size` elements, those of its largest arrays in row-major order, whatever their
shapes: `reshape` between its members is nothing to do. Cutting that line at the lengths in `cuts`
gives the axes in which every operand is either there or repeated::

    y = (x - mean(x, axis=2, keepdims=True)) * gain        x: (8, 128, 64), gain: (64,)

is a group of 65,536 elements, cut at 64. The mean is of the rows; a member is `FULL` if it has all
of the elements, `ROW` if one for each row of `row` elements, and `FINAL` if it is a sum that is
known only when all of the elements have been seen: no member reads it.

Instructions are placed from the last to the first: each goes where it is first read, into the group
that reads it if that can be, so that intermediate results are short-lived.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from numpygrad._program import Instruction, Program, Value, values_in
from numpygrad.typing import Shape

ELEMENTWISE = frozenset(
    ["abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "cast", "ceil", "clip_both", "copysign", "cos", "cosh", "divide", "equal", "erf", "exp", "expm1", "floor", "floor_divide", "greater", "greater_equal", "guarded_multiply", "hypot", "isfinite", "isinf", "isnan", "less", "less_equal", "log", "log10", "log1p", "log2", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor", "maximum", "minimum", "multiply", "negative", "nextafter", "not_equal", "positive", "pow", "reciprocal", "remainder", "round", "sign", "signbit", "sin", "sinh", "sqrt", "square", "subtract", "tan", "tanh", "trunc", "where"]
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
class _Group:
    """A group as it grows, or a single step, which has no size."""

    place: int
    size: int = 0
    row: int = 0
    cuts: tuple[int, ...] = ()
    members: dict[int, str] = field(default_factory=dict)


class _Placing:
    """A program's instructions on their way into steps."""

    def __init__(
        self,
        program: Program,
        smallest: int,
        row_bytes: int,
        accepts: Callable[[Instruction], bool],
    ) -> None:
        self.program = program
        self.smallest = smallest
        self.row_bytes = row_bytes
        self.count = len(program.inputs)
        self.avals = [*program.inputs, *(call.aval for call in program.instructions)]
        self.operands = seen_through(program)
        self.needed = [math.inf] * len(self.avals)
        """The first place at which each value is read. Steps have even places; the views that a
        step reads are made just before it, at an odd one."""
        self.readers: dict[int, list[tuple[_Group, int]]] = {}
        """The groups that read a value, and the member that does."""
        self.seen_at: dict[int, list[float]] = {v: [math.inf] for v in program.outputs}
        """Where values are read by calls that run by themselves, or wanted in the end."""
        self.seen_at |= {v: [math.inf] for v, _ in program.updates}
        self.owner: dict[int, _Group] = {}
        """The groups of the instructions."""
        self.fusible = [accepts(call) and self._may_fuse(call) for call in program.instructions]
        self.last = 0

    def _may_fuse(self, call: Instruction) -> bool:
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
        return known and aval.dtype.kind == "f" and type(call.args[0]) is Value

    def steps(self) -> list[Step]:
        """The steps, in the order in which they are to run."""
        ordered: list[tuple[float, int, _Group]] = []
        for i in reversed(range(len(self.program.instructions))):
            number, call = self.count + i, self.program.instructions[i]
            if self.needed[number] == math.inf and number not in self.seen_at:
                continue
            if self.fusible[i]:
                group = self._home(i)
                if group is not None:
                    self.owner[i] = group
                    if len(group.members) == 1:
                        ordered.append((group.place, i, group))
                    continue
            place: float
            if call.name in VIEWS or not call.reads:
                need = self.needed[number]
                # What is only wanted in the end is made in the end.
                place = 1 if need == math.inf else need - (need % 2 == 0)
            else:
                place = self._new_place()
            for read in call.reads:
                self.needed[read] = min(self.needed[read], place)
                self.seen_at.setdefault(read, []).append(place)
            ordered.append((place, i, _Group(int(place), members={i: FULL})))
        singles = [(place, i, group) for place, i, group in ordered if not group.size]
        calls = sorted(group.place for place, _, group in singles if not group.place % 2)
        groups = self._merged([group for _, _, group in ordered if group.size], calls)
        everything = singles + [(g.place, 0, g) for g in groups]
        return [_step(g) for _, _, g in sorted(everything, key=lambda entry: entry[:2])]

    def _new_place(self) -> int:
        self.last -= 2
        return self.last

    def _home(self, i: int) -> _Group | None:
        """The group an instruction joins, or begins; `None` if it runs by itself."""
        number = self.count + i
        need = self.needed[number]
        candidates = {id(g): g for g, _ in self.readers.get(number, ()) if g.place == need}
        for base in self._bases(i):
            for g, _ in self.readers.get(base, ()):
                if g.place <= need:
                    candidates[id(g)] = g
        for group in sorted(candidates.values(), key=lambda g: -g.place):
            if self._lengthens(i, group) or not self._join(group, i):
                continue
            return group
        size = self._size(i)
        if size < self.smallest:
            return None
        group = _Group(0, size)
        if not self._join(group, i, at_new_place=True):
            return None
        return group

    def _bases(self, i: int) -> list[int]:
        call = self.program.instructions[i]
        return [self.operands[x.index].base for x in call.args if type(x) is Value]

    def _size(self, i: int) -> int:
        """How many elements an instruction goes over."""
        call = self.program.instructions[i]
        if call.name in ELEMENTWISE:
            return math.prod(self._shape(self.count + i))
        return math.prod(self._shape(call.args[0].index))

    def _shape(self, number: int) -> Shape:
        aval = self.avals[number]
        assert aval is not None  # noqa: S101 (only kernels of one result are fused)
        return aval.shape

    def _bytes(self, number: int) -> int:
        aval = self.avals[number]
        return math.prod(aval.shape) * aval.dtype.itemsize if aval is not None else 0

    def _lengthens(self, i: int, group: _Group) -> bool:
        """Whether running it later would keep more memory alive than running it at once."""
        if group.place == self.last:
            return False
        # What could join the group too would not be in memory at all.
        longer = sum(
            self._bytes(base)
            for base in set(self._bases(i))
            if base >= self.count
            and self.needed[base] == math.inf
            and not self.fusible[base - self.count]
        )
        return longer > self._bytes(self.count + i)

    def _join(self, group: _Group, i: int, *, at_new_place: bool = False) -> bool:
        """Make an instruction a member, if everything fits: whether it did."""
        fit = self._fit(group, i)
        if fit is None:
            return False
        if at_new_place:
            group.place = self._new_place()
        role, group.row, group.cuts = fit
        group.members[i] = role
        for base in self._bases(i):
            self.needed[base] = min(self.needed[base], group.place)
            self.readers.setdefault(base, []).append((group, i))
        return True

    def _fit(self, group: _Group, i: int) -> tuple[str, int, tuple[int, ...]] | None:
        """The role of an instruction in a group, with the group's row and cuts then."""
        call = self.program.instructions[i]
        number = self.count + i
        shape = self._shape(number)
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
            whole = self._shape(call.args[0].index)
            if math.prod(whole) != group.size:
                return None
            cuts = set(group.cuts)
            for x in call.args:
                seen = self.operands[x.index].shape
                if self._shape(x.index) != whole or math.prod(seen) != group.size:
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

    def _row_read(self, group: _Group, number: int) -> int:
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
        over = self._shape(self.count + i) if call.name in ELEMENTWISE else None
        for x in call.args:
            if type(x) is Value and self.operands[x.index].base == number:
                yield self.operands[x.index].shape, over or self._shape(x.index)

    def _readable(self, group: _Group, number: int, role: str, row: int) -> bool:
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
            lengths = list(self._shape(base))
        cuts = {n * inner for n in cuts_of(lengths)}
        return cuts | {inner} - {1}

    def _is_strided(self, base: int) -> bool:
        if base < self.count:
            return False
        name = self.program.instructions[base - self.count].name
        return name in VIEWS and name not in RESHAPES

    def _merged(self, groups: list[_Group], calls: list[int]) -> list[_Group]:
        """The groups, neighbours with no call between them as one where that can be.

        And those that only give sums joined to the earlier group that makes what they read.
        """
        made = {self.count + i: g for g in groups for i in g.members}
        found: list[_Group] = []
        for group in sorted(groups, key=lambda g: g.place):
            before = found[-1] if found else None
            if before is not None and self._are_neighbours(before, group, calls):
                union = self._union(before, group, group.place)
                if union is not None:
                    found.pop()
                    found.append(union)
                    made |= dict.fromkeys((self.count + i for i in union.members), union)
                    continue
            home = self._maker(group, made)
            union = self._union(home, group, home.place) if home in found and home else None
            if union is None:
                found.append(group)
                continue
            found[found.index(home)] = union  # type: ignore[arg-type]  # not None, as it is found
            made |= dict.fromkeys((self.count + i for i in union.members), union)
        return found

    def _are_neighbours(self, first: _Group, second: _Group, calls: list[int]) -> bool:
        """Whether nothing that runs between two groups reads what the first one makes."""
        if first.size != second.size or bisect(calls, first.place) != bisect(calls, second.place):
            return False
        return not any(
            first.place < place < second.place
            for i in first.members
            for place in self.seen_at.get(self.count + i, ())
        )

    def _maker(self, group: _Group, made: dict[int, _Group]) -> _Group | None:
        """The one group that makes what a group of sums reads, beside inputs; if it is so."""
        own = {self.count + i for i in group.members}
        for i, role in group.members.items():
            number = self.count + i
            readers = (self.owner.get(j) for _, j in self.readers.get(number, ()))
            if role == FULL and (number in self.seen_at or any(g is not group for g in readers)):
                return None
        read = {b for i in group.members for b in self._bases(i)} - own
        makers = {id(made[b]): made[b] for b in read if b in made}
        if len(makers) != 1 or any(b not in made and b >= self.count for b in read):
            return None
        return next(iter(makers.values()))

    def _union(self, first: _Group, second: _Group, place: int) -> _Group | None:
        """Two groups as one, if the members of the second can read those of the first there."""
        if first.size != second.size:
            return None
        union = _Group(place, first.size)
        readers, self.readers = self.readers, {}
        members = sorted({*first.members, *second.members}, reverse=True)
        fits = all(self._join(union, i) for i in members)
        self.readers = readers
        if not fits:
            return None
        self.owner |= dict.fromkeys(members, union)
        return union


def _step(group: _Group) -> Step:
    order = sorted(group.members)
    roles = tuple(group.members[i] for i in order)
    return Step(tuple(order), group.size, group.cuts, group.row, roles)


def steps(
    program: Program,
    *,
    smallest: int,
    row_bytes: int,
    accepts: Callable[[Instruction], Any] = lambda call: True,
) -> list[Step]:
    """The steps of a program, in an order in which they can run.

    Instructions that nothing reads are left out. Views seen through by all who read them are, too.

    Parameters
    ----------
    program : Program
    smallest : int
        How many elements a group has at least.
    row_bytes : int
        How large a row may be that a group reads again after it was reduced.
    accepts : callable
        Whether the executor can fuse an instruction of a known name.
    """
    return _Placing(program, smallest, row_bytes, accepts).steps()


def reads_of(call: Instruction) -> list[int]:
    """The numbers of the values a call reads."""
    return [value.index for value in values_in((*call.args, *call.params.values()))]
