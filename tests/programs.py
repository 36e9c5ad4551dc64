"""Programs built call by call, and drawn at random: what executors are tested with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from numpygrad._backend import find_backend
from numpygrad._program import Aval, Instruction, Program, Value, mapped

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
        with np.errstate(all="ignore"):
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
        return function(*mapped(args, self.values.__getitem__), **given)

    def program(
        self, *outputs: Value, updates: tuple[tuple[Value, Value], ...] = ()
    ) -> Program:
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
BINARY = ["add", "subtract", "multiply", "maximum", "minimum"]
COMPARING = ["greater", "less_equal", "equal"]
LENGTHS = [1, 2, 2, 4, 4, 8]


@st.composite
def programs(draw: Any) -> tuple[Program, list[Any]]:
    """A program and its inputs; all that it computes is exact, whatever the order."""
    pick: Callable[[Any], Any] = lambda items: draw(st.sampled_from(items))  # noqa: E731
    base = tuple(pick(LENGTHS) for _ in range(draw(st.integers(1, 3))))
    shapes = [base, base, *(_thinned(draw, base) for _ in range(2))]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    inputs = [
        rng.integers(-3, 4, shape).astype(pick(["f4", "f4", "f8"]))[()] for shape in shapes
    ]
    builder = Builder(*inputs)
    for _ in range(draw(st.integers(1, 22))):
        _step(draw, pick, builder)
    wanted = st.integers(0, len(builder.values) - 1).map(Value)
    outputs = draw(st.lists(wanted, min_size=1, max_size=4))
    updates = []
    if draw(st.booleans()):
        for k in builder.given:
            fitting = [
                Value(i)
                for i, x in enumerate(builder.values)
                if (np.shape(x), x.dtype) == builder.inputs[k.index] and i != k.index
            ]
            if fitting and np.shape(builder.values[k.index]):
                updates.append((pick(fitting[::-1]), k))
    return builder.program(*outputs, updates=tuple(updates)), inputs


def _thinned(draw: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    thin = tuple(n if draw(st.booleans()) else 1 for n in shape)
    return thin[draw(st.integers(0, len(thin))) :]


def _step(draw: Any, pick: Callable[[Any], Any], builder: Builder) -> None:
    values = builder.values
    arrays = [i for i, x in enumerate(values) if x.dtype.kind == "f"]
    masks = [i for i, x in enumerate(values) if x.dtype.kind == "b"]
    recent = arrays[-6:] if draw(st.booleans()) else arrays
    i = pick(recent)
    x, shape = Value(i), np.shape(values[i])
    kind = pick(KINDS)
    name, function, args, params = kind, None, (x,), {}  # type: ignore[var-annotated]
    if kind == "unary":
        name = pick(UNARY)
    elif kind in {"binary", "comparing"}:
        name = pick(BINARY if kind == "binary" else COMPARING)
        other = pick([Value(pick(arrays)), Value(pick(arrays)), 2.0, 0.5, -1.0, 0])
        args = (x, other) if draw(st.booleans()) else (other, x)
    elif kind == "where":
        if not masks:
            return
        args = (Value(pick(masks)), x, pick([Value(pick(arrays)), 0.0]))
    elif kind == "cast":
        x = Value(pick(masks)) if masks and draw(st.booleans()) else x
        args, params = (x,), {"dtype": np.dtype(pick(["f4", "f8"]))}
    elif kind == "reduction":
        name = pick(["sum", "sum", "mean", "max", "min"])
        axes = tuple(a for a in range(len(shape)) if draw(st.booleans()))
        axis = pick([axes, axes, None, tuple(range(1, len(shape))), tuple(range(len(shape) - 1))])
        params = {"axis": axis, "keepdims": draw(st.booleans())}
    elif kind == "vecdot":
        if not shape:
            return
        args = (x, Value(pick([j for j in arrays if np.shape(values[j]) == shape])))
    elif kind == "reshape":
        size = math.prod(shape)
        args = (x, pick([(size,), (1, *shape), (size // shape[-1], shape[-1]) if shape else ()]))
    elif kind == "permute_dims":
        args = (x, tuple(draw(st.permutations(range(len(shape))))))
    elif kind == "spread":
        args = (x, (*((2,) if draw(st.booleans()) else ()), *(pick([n, 4]) if n == 1 else n for n in shape)))
    elif kind == "select":
        if not shape:
            return
        params = {"key": pick([(0,), (slice(None, None, 2),), (..., 0), (slice(0, 1),), (None,)])}
    elif kind == "gather":
        if not shape:
            return
        params = {"key": (np.array([0, shape[0] - 1, 0]),)}
    elif kind == "scatter":
        params = {"key": pick([(0,), (slice(0, 2 * shape[0], 2) if shape else 0,)])}
        params["shape"] = (2 * shape[0], *shape[1:]) if params["key"] != (0,) else (2, *shape)
        if not shape and params["key"] != (0,):
            return
    elif kind in {"put", "add_at"}:
        if not shape:
            return
        args, params = (x, pick([Value(pick(arrays)), x])), {"key": (slice(0, 1),)}
    elif kind in {"concat", "stack"}:
        same = [j for j in arrays if (np.shape(values[j]), values[j].dtype) == (shape, values[i].dtype)]
        if not shape:
            return
        args = ([x, Value(pick(same))],)  # type: ignore[assignment]
        params = {"axis": draw(st.integers(0, len(shape) - 1))}
    elif kind == "matmul":
        if len(shape) < 2:
            return
        y = Value(pick([j for j in arrays if np.ndim(values[j]) >= 2]))
        args = (x, y)
    elif kind == "unknown":
        function = pick([itself, reversed_rows, np.flip, np.cumsum])
        if not shape:
            return
        name = "something"
    function = function or kernel(name)
    try:
        with np.errstate(all="ignore"):
            out = builder.evaluate(function, args, params)
    except ValueError:  # shapes that do not fit
        return
    if np.size(out) > 512 or not _is_exact(out):
        return
    builder.add(Instruction(name, function, args, params, Aval(np.shape(out), out.dtype)), out)


def _is_exact(x: Any) -> bool:
    if x.dtype.kind != "f":
        return True
    return bool((np.abs(x) < LARGEST).all() and (x * 64 == np.floor(x * 64)).all())


KINDS = [
    *["unary"] * 2,
    *["binary"] * 7,
    *["reduction"] * 4,
    *["reshape", "permute_dims", "spread", "select", "gather", "scatter", "put", "add_at"],
    *["concat", "stack", "matmul", "unknown", "where", "cast", "comparing", "comparing", "vecdot"],
]
