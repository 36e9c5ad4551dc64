"""Programs built call by call, and drawn at random: what executors are tested with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from numpygrad._backend import find_backend
from numpygrad._lazy.program import Aval, Instruction, Program, Value, mapped

LARGEST = 1 << 10
"""Numbers drawn stay below, and are multiples of 1/64: sums of them are exact in any order."""


def kernel(name: str) -> Callable[..., Any]:
    """A kernel of NumPy's namespace."""
    found: Any = find_backend("numpy").xp
    for part in name.split("."):
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]  # a namespace's attributes are of any type


class Builder:
    """A program in the making, and the values it has for the inputs given."""

    def __init__(self, *inputs: Any) -> None:
        self.values: list[Any] = [np.asarray(x) for x in inputs]
        self.inputs = tuple(Aval(x.shape, x.dtype) for x in self.values)
        self.calls: list[Instruction] = []

    @property
    def given(self) -> list[Value]:
        """The inputs."""
        return [Value(i) for i in range(len(self.inputs))]

    def call(self, name: str, *args: Any, **params: Any) -> Value:
        """The result of one of NumPy's kernels."""
        return self.call_of(name, kernel(name), *args, **params)

    def call_of(self, name: str, function: Callable[..., Any], *args: Any, **params: Any) -> Value:
        """The result of any function."""
        out = self.evaluate(function, args, params)
        aval = None if isinstance(out, tuple) else Aval(np.shape(out), out.dtype)
        return self.add(Instruction(name, function, args, params, aval), out)

    def add(self, call: Instruction, value: Any) -> Value:
        """The result of a call whose value is known."""
        self.calls.append(call)
        self.values.append(value)
        return Value(len(self.values) - 1)

    def evaluate(self, function: Callable[..., Any], args: Any, params: dict[str, Any]) -> Any:
        """What a call gives."""
        given = {name: mapped(item, self.values.__getitem__) for name, item in params.items()}
        with np.errstate(all="ignore"):
            return function(*mapped(args, self.values.__getitem__), **given)

    def program(self, *outputs: Value, updates: tuple[tuple[Value, Value], ...] = ()) -> Program:
        """The program."""
        return Program(
            self.inputs,
            tuple(self.calls),
            tuple(v.index for v in outputs),
            tuple((v.index, k.index) for v, k in updates),
        )


def itself(x: Any) -> Any:
    """Its argument: a kernel whose result shares the memory of what it was given."""
    return x


def reversed_rows(x: Any) -> Any:
    """A view that the executor does not know."""
    return x[::-1]


UNARY = ["abs", "negative", "floor", "sign", "positive", "square"]
BINARY = ["add", "subtract", "multiply", "maximum", "minimum", "guarded_multiply"]
COMPARING = ["greater", "less_equal", "equal"]
LENGTHS = [1, 2, 2, 4, 4, 8]
SCALARS = [2.0, 0.5, -1.0, 0]


@st.composite
def programs(draw: Any) -> tuple[Program, list[Any]]:
    """A program and its inputs; all that it computes is exact, whatever the order."""
    base = tuple(draw(st.lists(st.sampled_from(LENGTHS), min_size=1, max_size=3)))
    shapes = [base, base, _thinned(draw, base), _thinned(draw, base)]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    dtypes = [draw(st.sampled_from(["f4", "f4", "f8"])) for _ in shapes]
    inputs = [rng.integers(-3, 4, s).astype(d)[()] for s, d in zip(shapes, dtypes, strict=True)]
    drawing = _Drawing(draw, Builder(*inputs))
    for _ in range(draw(st.integers(1, 22))):
        drawing.step()
    builder = drawing.builder
    wanted = st.integers(0, len(builder.values) - 1).map(Value)
    outputs = draw(st.lists(wanted, min_size=1, max_size=4))
    updates = []
    for k in builder.given if draw(st.booleans()) else ():
        aval = builder.inputs[k.index]
        alike = [
            Value(i)
            for i, x in enumerate(builder.values)
            if (np.shape(x), x.dtype) == aval and i != k.index
        ]
        if alike and aval.shape:
            updates.append((draw(st.sampled_from(alike[::-1])), k))
    return builder.program(*outputs, updates=tuple(updates)), inputs


def _thinned(draw: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to another."""
    thin = tuple(n if draw(st.booleans()) else 1 for n in shape)
    return thin[draw(st.integers(0, len(thin))) :]


class _Drawing:
    """Calls drawn at random, added to a program if their results are exact."""

    def __init__(self, draw: Any, builder: Builder) -> None:
        self.draw = draw
        self.builder = builder

    def pick(self, items: Any) -> Any:
        """One of some items."""
        return self.draw(st.sampled_from(items))

    def of_kind(self, kind: str) -> list[int]:
        """The values of real floating numbers, or of booleans."""
        return [i for i, x in enumerate(self.builder.values) if x.dtype.kind == kind]

    def step(self) -> None:
        """Add a call; or none, if what was drawn does not fit."""
        arrays = self.of_kind("f")
        i = self.pick(arrays[-6:] if self.draw(st.booleans()) else arrays)
        kind = self.pick(KINDS)
        drawn = getattr(self, kind)(Value(i), np.shape(self.builder.values[i]))
        if drawn is None:
            return
        name, args, params = drawn
        function = UNKNOWN.get(name) or kernel(name)
        try:
            out = self.builder.evaluate(function, args, params)
        except ValueError:  # shapes that do not fit
            return
        if np.size(out) <= 512 and _is_exact(out):
            aval = Aval(np.shape(out), out.dtype)
            self.builder.add(Instruction(name, function, args, params, aval), out)

    def unary(self, x: Value, shape: Any) -> Any:
        """A function of one array."""
        return self.pick(UNARY), (x,), {}

    def binary(self, x: Value, shape: Any, names: Any = BINARY) -> Any:
        """A function of two arrays, or of one and a number."""
        name = self.pick(names)
        others = [Value(i) for i in self.of_kind("f")]
        other = self.pick([*others, *others, *SCALARS] if name != "guarded_multiply" else others)
        return name, (x, other) if self.draw(st.booleans()) else (other, x), {}

    def comparing(self, x: Value, shape: Any) -> Any:
        """A comparison."""
        return self.binary(x, shape, COMPARING)

    def where(self, x: Value, shape: Any) -> Any:
        """A choice."""
        if masks := self.of_kind("b"):
            other = self.pick([Value(self.pick(self.of_kind("f"))), 0.0, 1])
            args = (x, other) if self.draw(st.booleans()) else (other, x)
            return "where", (Value(self.pick(masks)), *args), {}
        return None

    def cast(self, x: Value, shape: Any) -> Any:
        """A conversion."""
        x = self.pick([x, *map(Value, self.of_kind("b"))])
        return "cast", (x,), {"dtype": np.dtype(self.pick(["f4", "f8"]))}

    def reduction(self, x: Value, shape: Any) -> Any:
        """A reduction; often of the last or of the first axes."""
        some = tuple(a for a in range(len(shape)) if self.draw(st.booleans()))
        last, first = tuple(range(1, len(shape))), tuple(range(len(shape) - 1))
        params = {
            "axis": self.pick([some, None, last, first]),
            "keepdims": self.pick([True, False]),
        }
        return self.pick(["sum", "sum", "mean", "max", "min"]), (x,), params

    def vecdot(self, x: Value, shape: Any) -> Any:
        """Products of rows."""
        same = [i for i in self.of_kind("f") if np.shape(self.builder.values[i]) == shape]
        return ("vecdot", (x, Value(self.pick(same))), {}) if shape else None

    def reshape(self, x: Value, shape: Any) -> Any:
        """Another shape."""
        rows = (math.prod(shape[:-1]), *shape[-1:])
        return "reshape", (x, self.pick([(math.prod(shape),), (1, *shape), rows])), {}

    def permute_dims(self, x: Value, shape: Any) -> Any:
        """Another order of axes."""
        return "permute_dims", (x, tuple(self.draw(st.permutations(range(len(shape)))))), {}

    def spread(self, x: Value, shape: Any) -> Any:
        """A broadcast array."""
        wide = tuple(self.pick([n, 4]) if n == 1 else n for n in shape)
        return "spread", (x, self.pick([wide, (2, *wide)])), {}

    def select(self, x: Value, shape: Any) -> Any:
        """A basic index."""
        keys = [(0,), 0, (slice(None, None, 2),), (..., 0), (slice(0, 1),), (None,)]
        return (self.pick(["select", "gather"]), (x,), {"key": self.pick(keys)}) if shape else None

    def gather(self, x: Value, shape: Any) -> Any:
        """An index of integers, with repeats."""
        return ("gather", (x,), {"key": (np.array([0, shape[0] - 1, 0]),)}) if shape else None

    def scatter(self, x: Value, shape: Any) -> Any:
        """What is placed among zeros."""
        if shape and self.draw(st.booleans()):
            key, wide = self.pick(
                [((slice(0, None, 2),), 2 * shape[0]), ((np.zeros(shape[0], int),), 3)]
            )
            return "scatter", (x,), {"key": key, "shape": (wide, *shape[1:])}
        return "scatter", (x,), {"key": (1,), "shape": (2, *shape)}

    def put(self, x: Value, shape: Any) -> Any:
        """A write; or an addition in place."""
        value = Value(self.pick(self.of_kind("f")))
        key = self.pick([(slice(0, 1),), (0,), 0])
        return (self.pick(["put", "add_at"]), (x, value), {"key": key}) if shape else None

    def stack(self, x: Value, shape: Any) -> Any:
        """Arrays joined."""
        values = self.builder.values
        aval = (shape, values[x.index].dtype)
        same = [i for i in self.of_kind("f") if (np.shape(values[i]), values[i].dtype) == aval]
        name = self.pick(["concat", "stack"]) if shape else "stack"
        axis = self.draw(st.integers(0, max(len(shape) - 1, 0)))
        return name, ([x, Value(self.pick(same)), x],), {"axis": axis}

    def matmul(self, x: Value, shape: Any) -> Any:
        """A product of matrices."""
        matrices = [i for i in self.of_kind("f") if np.ndim(self.builder.values[i]) > 1]
        return ("matmul", (x, Value(self.pick(matrices))), {}) if len(shape) > 1 else None

    def unknown(self, x: Value, shape: Any) -> Any:
        """A call that the executor knows nothing of."""
        return (self.pick([*UNKNOWN]), (x,), {}) if shape else None


def _is_exact(x: Any) -> bool:
    if x.dtype.kind != "f":
        return True
    return bool((np.abs(x) < LARGEST).all() and (x * 64 == np.floor(x * 64)).all())


UNKNOWN = {"itself": itself, "reversed": reversed_rows, "flip": np.flip, "running": np.cumsum}
KINDS = [
    *["unary"] * 2,
    *["binary"] * 7,
    *["reduction"] * 4,
    *["reshape", "permute_dims", "spread", "select", "select", "gather", "scatter", "scatter"],
    *["put", "stack", "matmul", "unknown", "where", "cast", "comparing", "comparing", "vecdot"],
]
