"""The steps a program runs in: which of its instructions run as one, and in which order.

Instructions are placed from the last to the first: each goes where it is first read, into the group
that reads it if that can be, so that intermediate results are short-lived.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Callable
from typing import Any

from numpygrad._lazy.fusion import FULL, VIEWS, Fitting, Group, Step
from numpygrad._lazy.program import Instruction, Program

MANY = 16
"""How many of the groups that read a value are tried for another call that reads it."""


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
        self.fitting = Fitting(program, row_bytes)
        self.count = len(program.inputs)
        self.smallest = smallest
        self.needed = [math.inf] * len(self.fitting.avals)
        """The first place at which each value is read. Steps have even places; the views that a
        step reads are made just before it, at an odd one."""
        self.seen_at: dict[int, list[float]] = {v: [math.inf] for v in program.outputs}
        """Where values are read by calls that run by themselves, or wanted in the end."""
        self.seen_at |= {v: [math.inf] for v, _ in program.updates}
        self.owner: dict[int, Group] = {}
        """The groups of the instructions."""
        self.fusible = [
            accepts(call) and self.fitting.may_fuse(call) for call in program.instructions
        ]
        self.last = 0

    def steps(self) -> list[Step]:
        """The steps, in the order in which they are to run."""
        ordered: list[tuple[float, int, Group]] = []
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
            ordered.append((place, i, Group(int(place), members={i: FULL})))
        singles = [(place, i, group) for place, i, group in ordered if not group.size]
        calls = sorted(group.place for place, _, group in singles if not group.place % 2)
        groups = self._merged([group for _, _, group in ordered if group.size], calls)
        everything = singles + [(g.place, 0, g) for g in groups]
        return [_step(g) for _, _, g in sorted(everything, key=lambda entry: entry[:2])]

    def _new_place(self) -> int:
        self.last -= 2
        return self.last

    def _home(self, i: int) -> Group | None:
        """The group an instruction joins, or begins; `None` if it runs by itself."""
        number = self.count + i
        need = self.needed[number]
        candidates = {id(g): g for g, _ in self.fitting.readers.get(number, ()) if g.place == need}
        for base in self.fitting.bases(i):
            # The first to be found were placed last; of very many the last will do.
            for g, _ in self.fitting.readers.get(base, ())[-MANY:]:
                if g.place <= need:
                    candidates[id(g)] = g
        for group in sorted(candidates.values(), key=lambda g: -g.place):
            if self._lengthens(i, group) or not self._join(group, i):
                continue
            return group
        size = self.fitting.size(i)
        if size < self.smallest:
            return None
        group = Group(0, size)
        if not self._join(group, i, at_new_place=True):
            return None
        return group

    def _lengthens(self, i: int, group: Group) -> bool:
        """Whether running it later would keep more memory alive than running it at once."""
        if group.place == self.last:
            return False
        # What could join the group too would not be in memory at all.
        longer = sum(
            self.fitting.bytes(base)
            for base in set(self.fitting.bases(i))
            if base >= self.count
            and self.needed[base] == math.inf
            and not self.fusible[base - self.count]
        )
        return longer > self.fitting.bytes(self.count + i)

    def _join(self, group: Group, i: int, *, at_new_place: bool = False) -> bool:
        """Make an instruction a member, if everything fits: whether it did."""
        fit = self.fitting.fit(group, i)
        if fit is None:
            return False
        if at_new_place:
            group.place = self._new_place()
        role, group.row, group.cuts = fit
        group.members[i] = role
        for base in self.fitting.bases(i):
            self.needed[base] = min(self.needed[base], group.place)
            self.fitting.readers.setdefault(base, []).append((group, i))
        return True

    def _merged(self, groups: list[Group], calls: list[int]) -> list[Group]:
        """The groups, neighbours with no call between them as one where that can be.

        And those that only give sums joined to the earlier group that makes what they read.
        """
        made = {self.count + i: g for g in groups for i in g.members}
        found: list[Group] = []
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

    def _are_neighbours(self, first: Group, second: Group, calls: list[int]) -> bool:
        """Whether nothing that runs between two groups reads what the first one makes."""
        if first.size != second.size or bisect(calls, first.place) != bisect(calls, second.place):
            return False
        return not any(
            first.place < place < second.place
            for i in first.members
            for place in self.seen_at.get(self.count + i, ())
        )

    def _maker(self, group: Group, made: dict[int, Group]) -> Group | None:
        """The one group that makes what a group of sums reads, beside inputs; if it is so."""
        own = {self.count + i for i in group.members}
        for i, role in group.members.items():
            number = self.count + i
            readers = (self.owner.get(j) for _, j in self.fitting.readers.get(number, ()))
            if role == FULL and (number in self.seen_at or any(g is not group for g in readers)):
                return None
        read = {b for i in group.members for b in self.fitting.bases(i)} - own
        makers = {id(made[b]): made[b] for b in read if b in made}
        if len(makers) != 1 or any(b not in made and b >= self.count for b in read):
            return None
        return next(iter(makers.values()))

    def _union(self, first: Group, second: Group, place: int) -> Group | None:
        """Two groups as one, if the members of the second can read those of the first there."""
        if first.size != second.size:
            return None
        union = Group(place, first.size)
        readers, self.fitting.readers = self.fitting.readers, {}
        members = sorted({*first.members, *second.members}, reverse=True)
        fits = all(self._join(union, i) for i in members)
        self.fitting.readers = readers
        if not fits:
            return None
        self.owner |= dict.fromkeys(members, union)
        return union


def _step(group: Group) -> Step:
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
