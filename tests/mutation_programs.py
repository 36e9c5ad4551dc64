"""Programs that write in place, as data: how they are drawn, read and shown.

A program is drawn as rows of small numbers. `Reader` reads them against what is alive, so that any
row means something and any can be left out; what it gives are the statements that all machines run.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

if TYPE_CHECKING:
    from mutation_machines import Ndarrays
    from mutation_replay import Replay

SHAPES = ((3,), (2, 3), (4,))
LARGEST = 24
"""Elements that an array may have."""
RANGE = 30.0
"""How far from 0 they may be."""
SCALARS = (0.5, 2.0, -1.0, 3.0, 1.0)
WRITES = ("set", "update", "update at", "masked", "sort")

Call = Callable[..., Any]


class Row(NamedTuple):
    """One statement before it is known what is alive: numbers to choose with."""

    kind: str
    first: int
    second: int
    third: int
    fourth: int
    mode: int
    lazy: bool = False


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
    lazy: bool = False


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
    keys = key if isinstance(key, tuple) else (key,)
    if 0 in shape and any(isinstance(k, slice) for k in keys):
        return False  # the standard leaves slices that begin beyond the end to the library
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
    if not shape:
        return []
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
        found += [("diagonal", 0), ("diagonal", 1)]
    if ndim > 2:
        found += [("permute_dims", (*range(1, ndim), 0))]
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


def is_basic(key: Any) -> bool:
    """Whether a key gives a view: it has no arrays."""
    keys = key if isinstance(key, tuple) else (key,)
    return not any(isinstance(k, np.ndarray) for k in keys)


KINDS = (
    "drop",  # the first is what programs shrink to, and of few arrays none is dropped
    *("view",) * 5,
    *("unary",) * 4,
    *("binary",) * 4,
    *("set",) * 5,
    *("update",) * 4,
    *("update at",) * 4,
    *("gather", "gather", "at", "masked", "sort", "fill", "leaf", "constant"),
    *("detach", "detach", "track", "track"),
    *("backward", "backward", "realize"),
)
"""Kinds of rows, as often as they are drawn."""


def rows() -> st.SearchStrategy[list[Row]]:
    """Programs before they are read."""
    number = st.integers(0, 40)
    numbers = (number, number, number, number, st.integers(0, 12))
    row = st.builds(Row, st.sampled_from(KINDS), *numbers, st.booleans())
    return st.lists(row, min_size=4, max_size=16)


class Reader:
    """Statements from rows, by what is alive."""

    def __init__(self, ndarrays: Ndarrays, replay: Replay) -> None:
        self.ndarrays = ndarrays
        self.replay = replay
        self.created = 0

    def start(self, row: int) -> list[Statement]:
        """The statements that every program begins with."""
        shape = SHAPES[row % len(SHAPES)]
        other = {3: (2, 3), 4: (4,), 2: (3,)}[shape[0]]
        return [
            self._new("leaf", shape, 0),
            self._new("leaf", other, 1),
            Statement("op", self._number(), (0,), "scaled"),
            Statement("op", self._number(), (1,), "positive"),
        ]

    def read(self, row: Row) -> Statement | None:
        """The statement that a row means here, if any."""
        found = self._read(row)
        return None if found is None else found._replace(lazy=row.lazy)

    def _read(self, row: Row) -> Statement | None:
        kind = row.kind
        if kind in ("leaf", "constant"):
            return self._create(row)
        x = self._pick(row.first)
        values = self.ndarrays.arrays[x]
        quiet = row.mode == 12
        if kind == "view":
            options = views(values.shape)
            name, param = options[row.second % len(options)]
            return Statement("view", self._number(), (x,), name, param, quiet=quiet)
        if kind == "gather":
            options = advanced_keys(values.shape)
            if not options:
                return None
            key = options[row.second % len(options)]
            return Statement("gather", self._number(), (x,), "", key, quiet=quiet)
        if kind in ("unary", "binary"):
            return self._op(row, x, quiet=quiet)
        if kind == "detach":
            return Statement("detach", self._number(), (x,))
        if kind == "track":
            # What was computed before from what is a leaf now has no one second derivative.
            if self.replay.tracked(x) or self.replay.second:
                return None
            if not self.replay.has_room(values.size):
                return None
            return Statement("track", -1, (x,))
        if kind == "backward":
            name = "release" if row.mode == 5 else "retain"
            return Statement("backward", -1, (x,), name) if self.replay.tracked(x) else None
        if kind == "realize":
            return Statement("realize", -1, (x,))
        if kind == "drop":
            return Statement("drop", -1, (x,)) if len(self.ndarrays.arrays) > 4 else None
        return self._write(row, x, quiet=row.mode > 10)

    def _number(self) -> int:
        self.created += 1
        return self.created - 1

    def _pick(self, chosen: int) -> int:
        """The number of an array; the latest first."""
        alive = list(self.ndarrays.arrays)
        return alive[-1 - chosen % len(alive)]

    def _new(self, kind: str, shape: tuple[int, ...], seed: int) -> Statement:
        size = int(np.prod(shape))
        values = ((np.arange(size) * 7 + 3 * seed) % 11 - 3.5).reshape(shape) / 4.0
        return Statement(kind, self._number(), param=values)

    def _create(self, row: Row) -> Statement | None:
        shape = SHAPES[row.first % len(SHAPES)]
        if row.kind == "leaf" and not self.replay.has_room(int(np.prod(shape))):
            return None
        return self._new(row.kind, shape, row.second)

    def _op(self, row: Row, x: int, *, quiet: bool) -> Statement | None:
        alive = self.ndarrays.arrays
        if row.kind == "unary":
            name = list(UNARY)[row.second % len(UNARY)]
            fits = UNARY[name][0](alive[x])
            operands: tuple[int, ...] = (x,)
        else:
            name = list(BINARY)[row.second % len(BINARY)]
            others = [i for i in reversed(alive) if self._pairs(name, alive[x], alive[i])]
            fits = bool(others)
            operands = (x, others[row.third % len(others)]) if fits else (x,)
        if not fits:
            return None
        result = self.ndarrays.op(name, *(alive[i] for i in operands))
        if not self._is_tame(result):
            return None
        return Statement("op", self._number(), operands, name, quiet=quiet)

    @staticmethod
    def _pairs(name: str, x: np.ndarray, y: np.ndarray) -> bool:
        if not BINARY[name][0](x, y):
            return False
        if name == "matmul":
            return True
        shape = _common(x.shape, y.shape)
        return shape is not None and int(np.prod(shape)) <= LARGEST

    @staticmethod
    def _is_tame(values: np.ndarray) -> bool:
        return bool(np.all(np.isfinite(values)) and np.abs(values).max(initial=0) <= RANGE)

    def _write(self, row: Row, x: int, *, quiet: bool) -> Statement | None:
        values = self.ndarrays.arrays[x]
        if row.kind == "masked":
            bound = (0.2, -1.0, 50.0)[row.second % 3]
            source = Source("scalar", literal=SCALARS[row.third % 5])
            return Statement("masked", -1, (x,), "", bound, source, quiet)
        if row.kind == "sort":
            return Statement("sort", -1, (x,), quiet=quiet) if values.ndim else None
        key: Any = ...
        if row.kind in ("set", "update at", "at"):
            keys = [*basic_keys(values.shape), *advanced_keys(values.shape)]
            key = keys[row.second % len(keys)]
        region = values[key]
        if row.kind in ("set", "fill"):
            if row.kind == "fill":
                row = row._replace(fourth=0)
            source = self._source(row, region.shape, x)
            if self.replay.cut and self.replay.is_own(x, key, source):
                return None  # of a view without history it means two things: a constant, no change
            operands = (x, source.array) if source.array >= 0 else (x,)
            return Statement("set", -1, operands, "", key, source, quiet)
        if row.kind == "at":
            return self._at(row, x, key)
        name = list(UPDATES)[row.third % len(UPDATES)]
        source = self._source(row, region.shape, x)
        if row.kind == "update" and row.fourth % 2 and np.any(self.replay.gradients.get(x, 0)):
            name, source = "-=", Source("step", x)
        operand = self._value(source)
        if not UPDATES[name][0](region, operand) or (
            name == "**=" and source.kind != "scalar" and region.min(initial=1) < 0.2
        ):
            name = "-="
        if not self._is_tame(np.asarray(UPDATES[name][1](region, operand))):
            return None
        operands = (x, source.array) if source.kind in ("array", "sum") else (x,)
        return Statement(row.kind, -1, operands, name, key, source, quiet)

    def _at(self, row: Row, x: int, key: Any) -> Statement | None:
        source = self._source(row, self.ndarrays.arrays[x][key].shape, x)
        if source.kind == "sum" or not self._is_tame(
            self.ndarrays.at(self.ndarrays.arrays[x], key, "add", self._value(source))
        ):
            return None
        operands = (x, source.array) if source.array >= 0 else (x,)
        name = ("add", "set")[row.mode % 2]
        return Statement("at", self._number(), operands, name, key, source)

    def _source(self, row: Row, region: tuple[int, ...], x: int) -> Source:
        """Something to write into a region of a shape."""
        choice = row.fourth % 6
        if choice == 1:
            return Source("constant", literal=weights(row.third, region))
        if choice > 1:
            alive = self.ndarrays.arrays
            fitting = [i for i in reversed(alive) if _common(alive[i].shape, region) == region]
            if fitting and choice < 5:
                return Source("array", fitting[row.third % len(fitting)])
            return Source("sum", self._pick(row.third))
        return Source("scalar", literal=SCALARS[row.third % 5])

    def _value(self, source: Source) -> np.ndarray:
        if source.kind == "step":
            return np.asarray(self.ndarrays.step(source.array))
        if source.kind in ("array", "sum"):
            values = self.ndarrays.arrays[source.array]
            return values if source.kind == "array" else np.sum(values)
        return np.asarray(source.literal)


def _common(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        return None


def show(statements: list[tuple[Statement, type[Exception] | None]]) -> str:
    """The statements as a program to run in this folder; what was refused is so marked."""
    lines = [
        "import numpy as np, numpygrad as npg",
        "from mutation_programs import BINARY, UNARY, weights",
    ]
    for s, error in statements:
        body = _source_of(s)
        note = f"  # {error.__name__}" if error is not None else ""
        modes = ["npg.no_grad()"] * s.quiet + ["npg.lazy()"] * s.lazy
        lines.append((f"with {', '.join(modes)}: " if modes else "") + body + note)
    return "\n".join(lines)


def _source_of(s: Statement) -> str:
    names = [f"a{i}" for i in s.operands]
    out, x = f"a{s.out}", names[0] if names else ""
    if s.kind in ("leaf", "constant"):
        leaf = ", requires_grad=True" if s.kind == "leaf" else ""
        return f"{out} = npg.array({s.param.tolist()}{leaf})"
    if s.kind == "view" and s.name == "select":
        return f"{out} = {x}[{_key_source(s.param)}]"
    if s.name == "diagonal":
        return f"{out} = npg.linalg.diagonal({x}, offset={s.param})"
    if s.kind == "view":
        return f"{out} = npg.{s.name}({x}, {'axis=' if s.name == 'flip' else ''}{s.param})"
    if s.kind == "op":
        table = "UNARY" if s.name in UNARY else "BINARY"
        return f"{out} = {table}['{s.name}'][1](npg, {', '.join(names)})"
    if s.kind == "gather":
        return f"{out} = {x}[{_key_source(s.param)}]"
    if s.kind == "detach":
        return f"{out} = {x}.detach()"
    simple = {
        "track": f"{x}.requires_grad_()",
        "drop": f"del {x}",
        "sort": f"{x}.sort()",
        "realize": f"{x}.realize()",
        "backward": f"{_loss_source(x)}.backward(retain_graph={s.name == 'retain'})",
    }
    if s.kind in simple:
        return simple[s.kind]
    source: Any = s.source
    literal = source.literal
    value = {
        "scalar": str(literal),
        "constant": f"np.array({literal.tolist()})" if source.kind == "constant" else "",
        "array": f"a{source.array}",
        "sum": f"npg.sum(a{source.array})",
        "step": f"0.1 * a{source.array}.grad",
    }[source.kind]
    if s.kind == "at":
        return f"{out} = npg.at({x})[{_key_source(s.param)}].{s.name}({value})"
    if s.kind == "masked":
        return f"{x}[{x} > {s.param}] = {value}"
    key = f"[{_key_source(s.param)}]" if s.kind != "update" else ""
    return f"{x}{key} {'=' if s.kind == 'set' else s.name} {value}"


def _loss_source(x: str) -> str:
    return f"npg.sum({x} * weights({x[1:]}, {x}.shape))" if x else ""


def _key_source(key: Any) -> str:
    if isinstance(key, tuple):
        return ", ".join(map(_key_source, key)) + ("," if len(key) == 1 else "") if key else "()"
    if isinstance(key, slice):
        parts = ["" if k is None else str(k) for k in (key.start, key.stop, key.step)]
        return ":".join(parts if parts[2] else parts[:2])
    if isinstance(key, np.ndarray):
        return f"np.array({key.tolist()})"
    return "..." if key is ... else str(key)
