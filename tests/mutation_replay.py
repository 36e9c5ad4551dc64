"""Programs that write in place, run as pure functions: what their gradients are.

A write gives its root a new value, by index arithmetic, and a view is read again when it is used.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from mutation_machines import Machine
from mutation_programs import (
    BINARY,
    UNARY,
    UPDATES,
    WRITES,
    Source,
    Statement,
    all_axes,
    is_basic,
    weights,
)

Call = Callable[..., Any]


def _ties(x: Any) -> Any:
    return (x == x.max()) / (x == x.max()).sum()


def _ordered(x: Any, base: Any) -> Any:
    return np.take_along_axis(x, np.argsort(base, axis=-1, kind="stable"), axis=-1)


CHOICES: dict[str, Call] = {
    "max": lambda x, base: (x * _ties(base)).sum(),
    "sorted": _ordered,
    "where": lambda x, y, x0, y0: np.where(x0 > y0, x, 2.0 * y),
    "maximum": lambda x, y, x0, y0: np.where(x0 > y0, x, np.where(x0 < y0, y, (x + y) / 2)),
}
"""Ops that choose between elements, with the choices made by other values."""


class Storage:
    """One memory region as the replay knows it: a value for each history."""

    def __init__(self) -> None:
        self.histories: list[History] = []


class History:
    """What elements were computed from: lanes of shape (lanes, elements).

    They are the storage's elements; but of a leaf that shows an element at several places, those
    at `origins`, as a gradient belongs to each place.
    """

    def __init__(
        self, storage: Storage, lanes: np.ndarray, state: str, origins: np.ndarray | None = None
    ) -> None:
        self.storage = storage
        self.lanes = lanes
        self.state = state  # "constant", "leaf" or "computed"
        self.origins = np.arange(lanes.shape[1]) if origins is None else origins
        storage.histories.append(self)


class Replayed(NamedTuple):
    """An array of the replay: where its elements are, and what it may be used for."""

    history: History
    places: np.ndarray
    read_only: bool = False


class Lanes(NamedTuple):
    """Values in all lanes, and whether they are tracked."""

    lanes: np.ndarray
    tracked: bool


EPSILON = 1e-30
STEP = 1e-5
ELEMENTS = 24


class Replay(Machine):
    """A pure function of the leaves' elements, each moved in a lane of its own.

    Lane 0 is the program as it is. The lanes after it have one element moved along the imaginary
    axis, by so little that nothing is lost to rounding: what comes out, divided by the distance, is
    the derivative. For second derivatives, further lanes have all elements moved so along one
    direction, and one element along the real axis. Whatever is chosen by value is chosen by lane 0.
    What is not recorded moves all lanes alike.
    """

    def __init__(self, *, second: bool) -> None:
        super().__init__()
        self.second = second
        self.count = 1 + ELEMENTS * (3 if second else 1)
        self.used = 0
        self.leaves: dict[int, slice] = {}
        self.gradients: dict[int, np.ndarray | None] = {}
        self.quiet = False
        self.cut: set[int] = set()
        self.chains: dict[int, set[int]] = {}
        self.shapes: dict[int, tuple[int, ...]] = {}

    @contextlib.contextmanager
    def mode(self, s: Statement) -> Iterator[None]:
        self.quiet = s.quiet
        yield
        self.quiet = False

    def run(self, s: Statement) -> None:
        if s.kind == "set" and self.is_own(s.operands[0], s.param, s.source):
            return
        joins = s.kind in ("set", "update") or (s.kind == "update at" and is_basic(s.param))
        if joins and not s.quiet and s.source.kind == "array":  # type: ignore[union-attr]  # it has one
            self.join(s.operands[0])
        super().run(s)
        self.cut &= set(self.arrays)
        if s.kind == "view":
            self.chains[s.out] = {s.out} | self.chains.get(s.operands[0], {s.operands[0]})
            tracked = self.arrays[s.out].history.state != "constant"
            if s.operands[0] in self.cut or (s.quiet and tracked):
                self.cut.add(s.out)

    def join(self, number: int) -> None:
        """Have a view made without recording join the graph, as one does that is written to."""
        if self.arrays[number].history.state == "computed":
            self.cut -= self.chains.get(number, set())

    def has_room(self, size: int) -> bool:
        """Whether there are lanes left for a leaf of so many elements."""
        return self.used + size <= ELEMENTS

    def base(self, x: Replayed) -> np.ndarray:
        """The values of an array."""
        values: np.ndarray = x.history.lanes[0, x.places].real
        return values

    def read(self, x: Replayed | Lanes) -> Lanes:
        """The array's values in all lanes, as an op sees them."""
        if isinstance(x, Lanes):
            return x
        lanes = x.history.lanes[:, x.places]
        tracked = x.history.state != "constant" and not self.quiet
        if any(self.arrays.get(i) is x for i in self.cut):
            tracked = False
        return Lanes(lanes if tracked else self.fixed(lanes), tracked)

    def fixed(self, lanes: np.ndarray) -> np.ndarray:
        """Lane 0 in all lanes."""
        return np.repeat(lanes[:1].real, self.count, axis=0).astype(complex)

    def new(self, value: Lanes) -> Replayed:
        """A root of its own."""
        lanes = value.lanes
        state = "computed" if value.tracked else "constant"
        history = History(Storage(), lanes.reshape(self.count, -1), state)
        shape = lanes.shape[1:]
        return Replayed(history, np.arange(int(np.prod(shape))).reshape(shape))

    def create(self, values: np.ndarray, *, leaf: bool, number: int) -> Replayed:
        x = self.new(self.literal(values))
        if leaf:
            x.history.storage.histories.clear()
            self.track(x, number)
        return self.arrays[number] if leaf else x

    def track(self, x: Replayed, number: int) -> None:
        known, places = x.history, x.places
        lanes, origins = self.fixed(known.lanes), known.origins
        if np.unique(places).size < places.size:  # each place has a gradient of its own
            flat = places.reshape(-1)
            lanes, origins = lanes[:, flat], origins[flat]
            places = np.arange(flat.size).reshape(places.shape)
        history = History(known.storage, lanes, "leaf", origins)
        self.arrays[number] = x._replace(history=history, places=places)
        first, flat = 1 + self.used, places.reshape(-1)
        for k, place in enumerate(flat):
            lanes[first + k, place] += 1j * EPSILON
        if self.second:
            further = np.arange(1 + ELEMENTS, self.count)
            lanes[further[:, None], flat] += 1j * EPSILON * weights(5, flat.shape)
            for k, place in enumerate(flat):
                lanes[first + ELEMENTS + k, place] += STEP
                lanes[first + 2 * ELEMENTS + k, place] -= STEP
        self.used += flat.size
        self.leaves[number] = slice(first, first + flat.size)
        self.gradients[number] = None
        self.shapes[number] = places.shape
        self.cut.discard(number)

    def view(self, x: Replayed, name: str, param: Any) -> Replayed:
        places = x.places
        if name == "reshape" and not _reshapes_in_place(x.history.origins[places], param):
            return self.new(_each(lambda a: a.reshape(param), self.read(x)))
        if name == "select":
            places = places[all_axes(param)]
        elif name == "reshape":
            places = places.reshape(param)
        elif name == "diagonal":
            places = np.diagonal(places, param, -2, -1)
        else:
            places = getattr(np, name)(places, param)
        return x._replace(places=places, read_only=x.read_only or name == "broadcast_to")

    def op(self, name: str, *operands: Any) -> Any:
        row = UNARY[name][1] if name in UNARY else BINARY[name][1]
        read = [self.read(x) for x in operands]
        function = functools.partial(row, np)
        if name in CHOICES:
            base = [x.lanes[0].real for x in read]
            function = lambda *xs: CHOICES[name](*xs, *base)  # noqa: E731
        found = _each(function, *read)
        return self.new(Lanes(found.lanes, found.tracked and not self.quiet))

    def detach(self, x: Replayed) -> Replayed:
        known = x.history
        history = History(known.storage, self.fixed(known.lanes), "constant", known.origins)
        return x._replace(history=history)

    def gather(self, x: Replayed, key: Any) -> Replayed:
        return self.new(_each(lambda a: a[key], self.read(x)))

    def literal(self, value: Any) -> Lanes:
        values = np.asarray(value, dtype=complex)
        return Lanes(np.repeat(values[None], self.count, axis=0), False)

    def step(self, number: int) -> Lanes:
        return self.literal(0.1 * self.gradients[number])  # type: ignore[operator]  # it has one

    def set(self, x: Replayed, key: Any, value: Any) -> None:
        self.write(x, x.places[key], self.read(value))

    def masked(self, x: Replayed, bound: float, value: float) -> None:
        self.write(x, x.places[self.base(x) > bound], self.literal(value))

    def sort(self, x: Replayed) -> None:
        base = self.base(x)
        self.write(x, x.places, _each(lambda a: _ordered(a, base), self.read(x)))

    def update(self, x: Replayed, name: str, value: Any) -> None:
        value = self.read(value)
        old = Lanes(x.history.lanes[:, x.places], False)
        new = _each(UPDATES[name][1], old, value)
        self.write(x, x.places, Lanes(new.lanes, value.tracked))

    def update_at(self, x: Replayed, key: Any, name: str, value: Any) -> None:
        value = self.read(value)
        if is_basic(key):
            self.update(x._replace(places=x.places[all_axes(key)]), name, value)
            return
        read = self.read(x)
        new = _each(UPDATES[name][1], _each(lambda a: a[key], read), value)
        self.write(x, x.places[key], Lanes(new.lanes, new.tracked or read.tracked))

    def at(self, x: Replayed, key: Any, name: str, value: Any) -> Replayed:
        old, value = self.read(x), self.read(value)
        region = old.lanes[0][key].shape
        lanes, new = _broadcast(value.lanes, region), old.lanes.copy()
        for k in range(self.count):
            own = new[k, ...]  # with the dots an array, if of no dimensions
            if name == "add":
                np.add.at(own, key, lanes[k])
            else:
                own[key] = lanes[k]
        return self.new(Lanes(new, old.tracked or value.tracked))

    def write(self, x: Replayed, places: np.ndarray, value: Lanes) -> None:
        """A new value for the root of an array."""
        lanes = _broadcast(value.lanes, places.shape)
        history = x.history
        recorded = not self.quiet and (value.tracked or history.state == "computed")
        old = history.lanes[0].real
        new = old.copy()
        new[places] = lanes[0].real
        for other in history.storage.histories:
            if other is not history or not recorded:
                moved = other.lanes - old[other.origins]
                other.lanes = new[other.origins] + moved  # in this order lanes that agree still do
        if recorded:
            history.lanes = history.lanes.copy()
            history.lanes[:, places] = lanes
            history.state = "computed"
            self.cut -= {i for i, x in self.arrays.items() if x.history is history}

    def backward(self, number: int, *, retain: bool) -> None:
        self.add_gradient(self.loss([number]))

    def loss(self, numbers: list[int]) -> np.ndarray:
        """The sum of some arrays' weighted elements, in all lanes."""
        total = np.zeros(self.count, complex)
        for i in numbers:
            lanes = self.read(self.arrays[i]).lanes
            total = total + (lanes * weights(i, lanes.shape[1:])).reshape(self.count, -1).sum(1)
        return total

    def gradient(self, loss: np.ndarray, leaf: int) -> np.ndarray:
        """The derivative of a loss by a leaf."""
        return (loss[self.leaves[leaf]].imag / EPSILON).reshape(self.shapes[leaf])

    def second_gradient(self, loss: np.ndarray, leaf: int) -> np.ndarray:
        """The derivative by a leaf of a loss' derivative along the direction of all leaves."""
        own = self.leaves[leaf]
        up = loss[own.start + ELEMENTS : own.stop + ELEMENTS].imag
        down = loss[own.start + 2 * ELEMENTS : own.stop + 2 * ELEMENTS].imag
        return ((up - down) / EPSILON / (2 * STEP)).reshape(self.shapes[leaf])

    def add_gradient(self, loss: np.ndarray) -> None:
        """What backward does to the gradients of all leaves it reaches."""
        for leaf, known in self.gradients.items():
            self.gradients[leaf] = self.gradient(loss, leaf) + (0.0 if known is None else known)

    def is_own(self, x: int, key: Any, source: Source | None) -> bool:
        """Whether a write changes nothing: an array's own elements to where they are."""
        if source is None or source.kind != "array":
            return False
        target, value = self.arrays[x], self.arrays[source.array]
        own = value.history is target.history
        return own and np.array_equal(target.places[key], value.places)

    def is_of_leaf(self, s: Statement) -> bool:
        """Whether a statement writes to a leaf, or a view of one."""
        return s.kind in WRITES and self.arrays[s.operands[0]].history.state == "leaf"

    def tracked(self, number: int) -> bool:
        """Whether an array requires grad."""
        return self.arrays[number].history.state != "constant" and number not in self.cut

    def refusal(self, s: Statement) -> str:
        """What a statement must be refused as; or whether it `may` be, or `must not`."""
        if s.kind == "backward":
            return "may"
        if s.kind not in WRITES:
            return "must not"
        x = self.arrays[s.operands[0]]
        if x.read_only:
            return "read-only"
        if s.quiet:
            return "must not"
        if s.kind == "set" and self.is_own(s.operands[0], s.param, s.source):
            return "may"
        history, tracked = x.history, False
        if s.source is not None and s.source.kind in ("array", "sum"):
            tracked = self.read(self.arrays[s.operands[1]]).tracked
        if s.kind == "sort" or (s.kind == "update at" and not is_basic(s.param)):
            tracked = tracked or self.read(x).tracked
        if tracked and history.state == "leaf":
            return "leaf" if len(history.storage.histories) == 1 else "detached leaf"
        if (tracked or history.state == "computed") and len(history.storage.histories) > 1:
            return "may"
        return "must not"


def _reshapes_in_place(memory: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether elements that lie at these places can take a shape without being moved."""
    if not memory.size:
        return True
    steps = [
        int(np.diff(memory, axis=i).flat[0]) if n > 1 else 0 for i, n in enumerate(memory.shape)
    ]
    layout = np.lib.stride_tricks.as_strided(np.empty(1, np.int8), memory.shape, steps)
    try:
        np.reshape(layout, shape, copy=False)
    except ValueError:
        return False
    return True


def _each(function: Call, *operands: Lanes) -> Lanes:
    lanes = zip(*(x.lanes for x in operands), strict=True)
    found = np.stack([np.asarray(function(*values)) for values in lanes])
    return Lanes(found, any(x.tracked for x in operands))


def _broadcast(lanes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Lanes of values for a region of a shape."""
    own = lanes.shape[1:]
    own = own[max(len(own) - len(shape), 0) :]
    lanes = lanes.reshape(len(lanes), *(1,) * (len(shape) - len(own)), *own)
    return np.broadcast_to(lanes, (len(lanes), *shape))
