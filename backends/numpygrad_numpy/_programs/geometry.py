"""How the elements of a group are cut into tiles."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np

from numpygrad._lazy.fusion import Step

Shape = tuple[int, ...]


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
    return tuple(a // b for a, b in itertools.pairwise(behind))
