"""Programs of views and writes as data, and four machines that run them and must agree.

A program is drawn as rows of small numbers. `Run` reads them against what is alive, so that any
row means something and any can be left out, and keeps the statements that came of it:

- `Ndarrays` runs them on NumPy, whose views and writes say what every value is;
- `Replay` runs them as a pure function: a write gives its root a new value, by index arithmetic,
  and a view is read again. Many inputs side by side, moved a little each: their differences are
  the derivative;
- `Arrays` runs them on a device, and `Tensors` on PyTorch, as far as PyTorch can say them.
"""

from __future__ import annotations

import contextlib
import functools
import operator
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import numpygrad as npg
from numpygrad.errors import DerivativeError, GraphError, VersionError

SHAPES = ((3,), (2, 3), (4,))
LARGEST = 24
RANGE = 30.0
REFUSALS = (VersionError, DerivativeError, GraphError, ValueError)

Call = Callable[..., Any]


class Row(NamedTuple):
    """One statement before it is known what is alive: numbers to choose with."""

    kind: str
    first: int
    second: int
    third: int
    fourth: int
    mode: int


class Source(NamedTuple):
    """What is written: a literal, an array, an array's sum, or a step along a gradient."""

    kind: str
    array: int = -1
    literal: Any = None


class Statement(NamedTuple):
    """One statement; arrays go by number."""

    kind: str
    out: int
    operands: tuple[int, ...] = ()
    name: str = ""
    param: Any = None
    source: Source | None = None
    quiet: bool = False


# What statements can say


def _ties(x: Any) -> Any:
    return (x == x.max()) / (x == x.max()).sum()


def _ordered(x: Any, base: Any) -> Any:
    return np.take_along_axis(x, np.argsort(base, axis=-1, kind="stable"), axis=-1)


UNARY: dict[str, tuple[Callable[[Any], bool], Call]] = {
    "positive": (lambda x: True, lambda xp, x: +x),
    "scaled": (lambda x: True, lambda xp, x: 0.5 * x),
    "shifted": (lambda x: True, lambda xp, x: x + 1.0),
    "negative": (lambda x: True, lambda xp, x: -x),
    "sin": (lambda x: True, lambda xp, x: xp.sin(x)),
    "tanh": (lambda x: True, lambda xp, x: xp.tanh(x)),
    "exp": (lambda x: x.max(initial=0) < 3, lambda xp, x: xp.exp(x)),
    "square": (lambda x: True, lambda xp, x: x**2),
    "sqrt": (lambda x: x.min(initial=1) > 0.1, lambda xp, x: xp.sqrt(x)),
    "log": (lambda x: x.min(initial=1) > 0.1, lambda xp, x: xp.log(x)),
    "sum": (lambda x: True, lambda xp, x: xp.sum(x)),
    "rows": (lambda x: x.ndim > 0, lambda xp, x: xp.sum(x, axis=0)),
    "mean": (lambda x: x.size > 0, lambda xp, x: xp.mean(x)),
    "prod": (lambda x: x.ndim > 0, lambda xp, x: xp.prod(x, axis=-1)),
    "max": (lambda x: x.size > 0, lambda xp, x: xp.max(x)),
    "running": (lambda x: x.ndim == 1, lambda xp, x: xp.cumulative_sum(x)),
    "sorted": (lambda x: x.ndim > 0, lambda xp, x: xp.sort(x)),
    "twice": (lambda x: x.ndim > 0 and 2 * x.size <= LARGEST, lambda xp, x: xp.concat([x, x])),
}
"""Where an op of one array may be used, and the op, on the namespace of a machine."""

BINARY: dict[str, tuple[Callable[[Any, Any], bool], Call]] = {
    "add": (lambda x, y: True, lambda xp, x, y: x + y),
    "subtract": (lambda x, y: True, lambda xp, x, y: x - y),
    "multiply": (lambda x, y: True, lambda xp, x, y: x * y),
    "divide": (lambda x, y: np.abs(y).min(initial=1) > 0.2, lambda xp, x, y: x / y),
    "where": (lambda x, y: True, lambda xp, x, y: xp.where(x > y, x, 2.0 * y)),
    "maximum": (lambda x, y: True, lambda xp, x, y: xp.maximum(x, y)),
    "matmul": (
        lambda x, y: 0 < x.ndim == y.ndim < 3 and x.shape[-1] == y.shape[0],
        lambda xp, x, y: xp.matmul(x, y),
    ),
    "stack": (
        lambda x, y: x.shape == y.shape and 2 * x.size <= LARGEST,
        lambda xp, x, y: xp.stack([x, y]),
    ),
}

CHOICES: dict[str, Call] = {
    "max": lambda x, base: (x * _ties(base)).sum(),
    "sorted": _ordered,
    "where": lambda x, y, x0, y0: np.where(x0 > y0, x, 2.0 * y),
    "maximum": lambda x, y, x0, y0: np.where(x0 > y0, x, np.where(x0 < y0, y, (x + y) / 2)),
}
"""Ops that choose between elements, with the choices made by other values."""

UPDATES: dict[str, tuple[Callable[[Any, Any], bool], Call, Call]] = {
    "+=": (lambda x, y: True, operator.add, operator.iadd),
    "-=": (lambda x, y: True, operator.sub, operator.isub),
    "*=": (lambda x, y: True, operator.mul, operator.imul),
    "/=": (lambda x, y: np.abs(y).min(initial=1) > 0.2, operator.truediv, operator.itruediv),
    "**=": (
        lambda x, y: (x.min(initial=1) > 0.2 and np.abs(y).max(initial=0) < 4) or _is_power(y),
        operator.pow,
        operator.ipow,
    ),
}
"""Where an in-place operator may be used, the operator it is the in-place form of, and it."""


def _is_power(y: Any) -> bool:
    return y.ndim == 0 and y in (1.0, 2.0, 3.0)


BASIC: tuple[Any, ...] = (
    ...,
    0,
    -1,
    slice(1, None),
    slice(None, -1),
    slice(None, None, 2),
    slice(None, None, -1),
    slice(-1, None, -2),
    None,
    (..., None),
    (0, ...),
    (..., 0),
    (..., slice(1, None)),
    (..., slice(None, None, -1)),
    (slice(None), 1),
    (slice(None), None),
    (slice(None, None, -1), slice(None, None, 2)),
    (1, slice(None, None, -1)),
    (None, ..., -1),
    (0, 1),
    (),
    slice(1, 1),
)

ADVANCED: tuple[Any, ...] = (
    np.array([1, 0, 1]),
    np.array([-1, 0]),
    np.array([[0, 1], [1, 0]]),
    (..., np.array([2, 0, 2])),
    (np.array([0, 1, 0]), np.array([1, 2, 1])),
    (slice(None, None, -1), np.array([1, 1])),
    (0, np.array([2, 1])),
    (None, np.array([1, 0])),
)


def _fits(shape: tuple[int, ...], key: Any) -> bool:
    try:
        return bool(np.zeros(shape)[key].size <= LARGEST)
    except IndexError:
        return False


@functools.cache
def basic_keys(shape: tuple[int, ...]) -> list[Any]:
    """Keys of ints, slices, `...` and `None` that fit."""
    return [key for key in BASIC if _fits(shape, key)]


@functools.cache
def advanced_keys(shape: tuple[int, ...]) -> list[Any]:
    """Keys with integer arrays, and masks, that fit."""
    size = int(np.prod(shape))
    masks: list[Any] = [np.arange(size).reshape(shape) % 3 != 1]
    if len(shape) > 1:
        masks += [np.arange(shape[0]) % 2 == 0, (..., np.arange(shape[-1]) != 1)]
    return [key for key in ADVANCED if _fits(shape, key)] + masks


@functools.cache
def views(shape: tuple[int, ...]) -> list[tuple[str, Any]]:
    """Views of an array of a shape: a function's name and its parameter."""
    size, ndim = int(np.prod(shape)), len(shape)
    found: list[tuple[str, Any]] = [("select", key) for key in basic_keys(shape)]
    found += [("reshape", (-1,)), ("reshape", (1, size))] if size else []
    found += [("reshape", (n, size // n)) for n in (2, 3) if size and size % n == 0]
    if ndim > 1:
        found += [("permute_dims", tuple(range(ndim))[::-1]), ("flip", -1)]
    if ndim > 2:
        found += [("permute_dims", (1, 2, 0))]
    if ndim:
        found += [("flip", 0)]
    if ones := tuple(i for i, n in enumerate(shape) if n == 1):
        found += [("squeeze", ones), ("squeeze", ones[0])]
    if ndim < 3:
        found += [("expand_dims", 0), ("expand_dims", -1)]
        found += [("broadcast_to", (2, *shape))] if 2 * size <= LARGEST else []
        found += [("broadcast_to", (1, *shape))]
    return [view for view in found if view[0] != "select" or _axes(shape, view[1]) < 4]


def _axes(shape: tuple[int, ...], key: Any) -> int:
    return int(np.ndim(np.zeros(shape)[key]))


def all_axes(key: Any) -> Any:
    """The key with an ellipsis, so that NumPy gives a view of a single element too."""
    keys = key if isinstance(key, tuple) else (key,)
    return key if any(k is ... for k in keys) else (*keys, ...)


def weights(number: int, shape: tuple[int, ...]) -> np.ndarray:
    """The factors by which the elements of an array count in a loss."""
    return 0.4 + (np.arange(int(np.prod(shape))).reshape(shape) * 5 + number * 3) % 7 / 10.0


# The machines


class Machine:
    """What all machines share: how a statement is taken apart."""

    def __init__(self) -> None:
        self.arrays: dict[int, Any] = {}

    def run(self, s: Statement) -> None:
        """Run one statement."""
        with self.mode(s.quiet):
            found = self.result(s, *(self.arrays[i] for i in s.operands))
        if s.out >= 0:
            self.arrays[s.out] = found
        if s.kind == "drop":
            del self.arrays[s.operands[0]]

    def result(self, s: Statement, *operands: Any) -> Any:
        """What a statement gives, if anything."""
        if s.kind in ("leaf", "constant"):
            return self.create(s.param, leaf=s.kind == "leaf", number=s.out)
        if s.kind == "view":
            return self.view(operands[0], s.name, s.param)
        if s.kind == "op":
            return self.op(s.name, *operands)
        if s.kind == "track":
            self.track(operands[0], s.operands[0])
        elif s.kind == "detach":
            return self.detach(operands[0])
        elif s.kind == "gather":
            return self.gather(operands[0], s.param)
        elif s.kind == "masked":
            self.masked(operands[0], s.param, s.source.literal)  # type: ignore[union-attr]  # it has one
        elif s.kind == "sort":
            self.sort(operands[0])
        elif s.kind == "set":
            self.set(operands[0], s.param, self.value(s.source, operands))
        elif s.kind == "update":
            self.update(operands[0], s.name, self.value(s.source, operands))
        elif s.kind == "update at":
            self.update_at(operands[0], s.param, s.name, self.value(s.source, operands))
        elif s.kind == "backward":
            self.backward(*operands, number=s.operands[0])
        return None

    def value(self, source: Any, operands: Any) -> Any:
        """What is to be written."""
        if source.kind in ("scalar", "constant"):
            return self.literal(source.literal)
        if source.kind == "step":
            return self.step(source.array)
        return operands[1] if source.kind == "array" else self.op("sum", operands[1])

    def mode(self, quiet: bool) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext()

    create: Call
    view: Call
    op: Call
    track: Call
    detach: Call
    gather: Call
    masked: Call
    sort: Call
    set: Call
    update: Call
    update_at: Call
    backward: Call
    literal: Call
    step: Call


class Ndarrays(Machine):
    """NumPy's own views and writes; every operand is copied first, as NumPy may overlap them."""

    def __init__(self, gradients: dict[int, np.ndarray | None]) -> None:
        super().__init__()
        self.gradients = gradients

    def create(self, values: np.ndarray, *, leaf: bool, number: int) -> np.ndarray:
        return values.copy()

    def view(self, x: np.ndarray, name: str, param: Any) -> np.ndarray:
        if name == "select":
            return x[all_axes(param)]
        if name == "reshape":
            return x.reshape(param) if x.flags.c_contiguous else x.reshape(param).copy()
        found: np.ndarray = getattr(np, name)(x, param)
        return found

    def op(self, name: str, *operands: np.ndarray) -> np.ndarray:
        row = UNARY[name][1] if name in UNARY else BINARY[name][1]
        return np.array(row(np, *operands), order="C")

    def track(self, x: np.ndarray, number: int) -> None:
        pass

    def detach(self, x: np.ndarray) -> np.ndarray:
        return x[...]

    def gather(self, x: np.ndarray, key: Any) -> np.ndarray:
        return np.array(x[key], order="C")

    def masked(self, x: np.ndarray, bound: float, value: float) -> None:
        x[x > bound] = value

    def sort(self, x: np.ndarray) -> None:
        x.sort(kind="stable")

    def set(self, x: np.ndarray, key: Any, value: Any) -> None:
        x[key] = np.array(value)

    def update(self, x: np.ndarray, name: str, value: Any) -> None:
        x[...] = UPDATES[name][1](x, value)

    def update_at(self, x: np.ndarray, key: Any, name: str, value: Any) -> None:
        x[key] = UPDATES[name][1](x[key], value)

    def backward(self, x: np.ndarray, *, number: int) -> None:
        pass

    def literal(self, value: Any) -> Any:
        return value

    def step(self, number: int) -> Any:
        return 0.1 * self.gradients[number]  # type: ignore[operator]  # it has one


class Storage:
    """One memory region as the replay knows it: a value for each history."""

    def __init__(self) -> None:
        self.histories: list[History] = []


class History:
    """What the elements of a root were computed from: lanes of shape (lanes, elements)."""

    def __init__(self, storage: Storage, lanes: np.ndarray, state: str) -> None:
        self.storage = storage
        self.lanes = lanes
        self.state = state  # "constant", "leaf" or "computed"
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
        self.shapes: dict[int, tuple[int, ...]] = {}

    def mode(self, quiet: bool) -> contextlib.AbstractContextManager[Any]:
        self.quiet = quiet
        return contextlib.nullcontext()

    def run(self, s: Statement) -> None:
        super().run(s)
        if s.kind == "view" and s.quiet and self.arrays[s.out].history.state != "constant":
            self.cut.add(s.out)
        elif s.kind == "view" and s.operands[0] in self.cut:
            self.cut.add(s.out)

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
        lanes, places = self.fixed(x.history.lanes), x.places.reshape(-1)
        first = 1 + self.used
        for k, place in enumerate(places):
            lanes[first + k, place] += 1j * EPSILON
        if self.second:
            further = np.arange(1 + ELEMENTS, self.count)
            lanes[further[:, None], places] += 1j * EPSILON * weights(5, places.shape)
            for k, place in enumerate(places):
                lanes[first + ELEMENTS + k, place] += STEP
                lanes[first + 2 * ELEMENTS + k, place] -= STEP
        self.used += places.size
        self.leaves[number] = slice(first, first + places.size)
        self.gradients[number] = None
        self.shapes[number] = x.places.shape
        self.arrays[number] = x._replace(history=History(x.history.storage, lanes, "leaf"))
        self.cut.discard(number)

    def view(self, x: Replayed, name: str, param: Any) -> Replayed:
        places = x.places
        if name == "reshape" and not np.array_equal(
            places.reshape(-1), places.reshape(-1)[:1] + np.arange(places.size)
        ):
            return self.new(_each(lambda a: a.reshape(param), self.read(x)))
        if name == "select":
            places = places[all_axes(param)]
        elif name == "reshape":
            places = places.reshape(param)
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
        history = History(x.history.storage, self.fixed(x.history.lanes), "constant")
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
        if _is_basic(key):
            self.update(x._replace(places=x.places[all_axes(key)]), name, value)
            return
        read = self.read(x)
        new = _each(UPDATES[name][1], _each(lambda a: a[key], read), value)
        self.write(x, x.places[key], Lanes(new.lanes, new.tracked or read.tracked))

    def write(self, x: Replayed, places: np.ndarray, value: Lanes) -> None:
        """A new value for the root of an array."""
        lanes = _broadcast(value.lanes, places.shape)
        history = x.history
        recorded = not self.quiet and (value.tracked or history.state == "computed")
        base = history.lanes[0].real.copy()
        base[places] = lanes[0].real
        moved = base - history.lanes[0].real
        for other in history.storage.histories:
            if other is not history or not recorded:
                other.lanes = other.lanes + moved
        if recorded:
            history.lanes = history.lanes.copy()
            history.lanes[:, places] = lanes
            history.state = "computed"
            self.cut -= {i for i in self.cut if self.arrays[i].history is history}

    def backward(self, x: Replayed, *, number: int) -> None:
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

    def tracked(self, number: int) -> bool:
        """Whether an array requires grad."""
        return self.arrays[number].history.state != "constant" and number not in self.cut

    def refusal(self, s: Statement) -> str:
        """Whether a statement `must`, `may` or `must not` be refused."""
        if s.kind == "backward":
            return "may"
        if s.kind not in WRITES:
            return "must not"
        x = self.arrays[s.operands[0]]
        if x.read_only:
            return "must"
        if s.quiet:
            return "must not"
        history, tracked = x.history, False
        self.quiet = False
        if s.source is not None and s.source.kind in ("array", "sum"):
            tracked = self.read(self.arrays[s.operands[1]]).tracked
        if s.kind == "sort" or (s.kind == "update at" and not _is_basic(s.param)):
            tracked = tracked or self.read(x).tracked
        if tracked and history.state == "leaf":
            return "must"
        if (tracked or history.state == "computed") and len(history.storage.histories) > 1:
            return "may"
        return "must not"


WRITES = ("set", "update", "update at", "masked", "sort")


def _is_basic(key: Any) -> bool:
    keys = key if isinstance(key, tuple) else (key,)
    return not any(isinstance(k, np.ndarray) for k in keys)


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


class Arrays(Machine):
    """numpygrad on a device."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device

    def mode(self, quiet: bool) -> contextlib.AbstractContextManager[Any]:
        return npg.no_grad() if quiet else contextlib.nullcontext()

    def create(self, values: np.ndarray, *, leaf: bool, number: int) -> npg.Array:
        return npg.array(values, requires_grad=leaf, device=self.device)

    def view(self, x: npg.Array, name: str, param: Any) -> npg.Array:
        if name == "select":
            return x[param]
        found: npg.Array = (
            npg.flip(x, axis=param) if name == "flip" else getattr(npg, name)(x, param)
        )
        return found

    def op(self, name: str, *operands: npg.Array) -> npg.Array:
        row = UNARY[name][1] if name in UNARY else BINARY[name][1]
        found: npg.Array = row(npg, *operands)
        return found

    def track(self, x: npg.Array, number: int) -> None:
        x.requires_grad_()

    def detach(self, x: npg.Array) -> npg.Array:
        return x.detach()

    def gather(self, x: npg.Array, key: Any) -> npg.Array:
        return x[key]

    def masked(self, x: npg.Array, bound: float, value: float) -> None:
        x[x > bound] = value

    def sort(self, x: npg.Array) -> None:
        x.sort()

    def set(self, x: npg.Array, key: Any, value: Any) -> None:
        x[key] = value

    def update(self, x: npg.Array, name: str, value: Any) -> None:
        assert UPDATES[name][2](x, value) is x

    def update_at(self, x: npg.Array, key: Any, name: str, value: Any) -> None:
        x[key] = UPDATES[name][2](x[key], value)

    def backward(self, x: npg.Array, *, number: int) -> None:
        self.loss([number]).backward(retain_graph=True)

    def literal(self, value: Any) -> Any:
        return value

    def step(self, number: int) -> Any:
        return 0.1 * self.arrays[number].grad

    def loss(self, numbers: list[int]) -> npg.Array:
        """The sum of some arrays' weighted elements."""
        terms = [npg.sum(self.arrays[i] * weights(i, self.arrays[i].shape)) for i in numbers]
        return functools.reduce(operator.add, terms)

    def values(self) -> dict[int, np.ndarray]:
        """The values of all arrays, copied."""
        return {i: np.array(x.numpy()) for i, x in self.arrays.items()}


class Tensors(Machine):
    """PyTorch, where it can say the statement; `Inexpressible` where it cannot."""

    def __init__(self, replay: Replay, torch: Any) -> None:
        super().__init__()
        self.torch = torch
        self.gradients = replay.gradients

    def mode(self, quiet: bool) -> contextlib.AbstractContextManager[Any]:
        mode: contextlib.AbstractContextManager[Any] = self.torch.set_grad_enabled(not quiet)
        return mode

    def create(self, values: np.ndarray, *, leaf: bool, number: int) -> Any:
        return self.torch.tensor(values, requires_grad=leaf)

    def view(self, x: Any, name: str, param: Any) -> Any:
        if name == "select":
            return x[self.key(param)]
        if name == "flip":
            raise Inexpressible
        if name == "reshape":
            return x.view(param) if x.is_contiguous() else x.reshape(param).clone()
        name = {"permute_dims": "permute", "expand_dims": "unsqueeze"}.get(name, name)
        return getattr(self.torch, name)(x, param)

    def key(self, key: Any) -> Any:
        """A key as PyTorch takes it, which has no negative steps."""
        keys = key if isinstance(key, tuple) else (key,)
        if any(isinstance(k, slice) and (k.step or 1) < 0 for k in keys):
            raise Inexpressible
        found = tuple(self.torch.tensor(k) if isinstance(k, np.ndarray) else k for k in keys)
        return found if isinstance(key, tuple) else found[0]

    def op(self, name: str, *operands: Any) -> Any:
        torch = self.torch
        others: dict[str, Call] = {
            "positive": torch.clone,
            "max": lambda x: torch.amax(x, dim=tuple(range(x.ndim))),
            "running": lambda x: torch.cumsum(x, 0),
            "sorted": lambda x: torch.sort(x, stable=True).values,
            "rows": lambda x: torch.sum(x, dim=0),
            "prod": lambda x: torch.prod(x, dim=-1),
        }
        row = UNARY[name][1] if name in UNARY else BINARY[name][1]
        call = others.get(name, functools.partial(row, torch))
        return call(*operands).contiguous()

    def track(self, x: Any, number: int) -> None:
        if x._is_view():
            raise Inexpressible
        x.requires_grad_()

    def detach(self, x: Any) -> Any:
        return x.detach()

    def gather(self, x: Any, key: Any) -> Any:
        return x[self.key(key)].contiguous()

    def masked(self, x: Any, bound: float, value: float) -> None:
        x[x > bound] = value

    def sort(self, x: Any) -> None:
        x[...] = self.op("sorted", x)

    def set(self, x: Any, key: Any, value: Any) -> None:
        x[self.key(key)] = self.apart(x, value)

    def update(self, x: Any, name: str, value: Any) -> None:
        UPDATES[name][2](x, self.apart(x, value))

    def update_at(self, x: Any, key: Any, name: str, value: Any) -> None:
        key = self.key(key)
        x[key] = UPDATES[name][2](x[key], self.apart(x, value))

    def apart(self, x: Any, value: Any) -> Any:
        """A copy of what may overlap, which PyTorch refuses or gets wrong."""
        return value.clone() if isinstance(value, self.torch.Tensor) else value

    def backward(self, x: Any, *, number: int) -> None:
        self.loss([number]).backward(retain_graph=True)

    def literal(self, value: Any) -> Any:
        return self.torch.tensor(value) if isinstance(value, np.ndarray) else value

    def step(self, number: int) -> Any:
        return 0.1 * self.arrays[number].grad

    def loss(self, numbers: list[int]) -> Any:
        """The sum of some tensors' weighted elements."""
        tensor = self.torch.tensor
        terms = [(self.arrays[i] * tensor(weights(i, self.arrays[i].shape))).sum() for i in numbers]
        return functools.reduce(operator.add, terms)


class Inexpressible(Exception):
    """A statement that PyTorch has no words for."""
