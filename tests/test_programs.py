"""Random programs: every backend gives the same values, and gradients that differences confirm.

Hypothesis draws a program as data: ops, views, writes in place, blocks of `no_grad`. The same
program runs on ndarrays, where a view is a view and a write a write; that run is a pure function
of its inputs, so its differences are the derivative. NUMPYGRAD_HYPOTHESIS_PROFILE=long runs long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import DEVICES
from finite_differences import gradients
from hypothesis import given, settings, target
from hypothesis import strategies as st

import numpygrad as npg
from numpygrad.errors import DerivativeError, VersionError


class Step(NamedTuple):
    """One statement: a name in a table, and which of the arrays so far it works on."""

    kind: str
    name: str
    operands: tuple[int, ...]


Run = Callable[..., Any]

UNARY: dict[str, Run] = {
    "sin": lambda xp, x: xp.sin(x),
    "tanh": lambda xp, x: xp.tanh(x),
    "exp": lambda xp, x: xp.exp(0.3 * xp.tanh(x)),
    "square": lambda xp, x: x**2,
    "cube": lambda xp, x: 0.1 * x**3,
    "sqrt": lambda xp, x: xp.sqrt(1.0 + x * x),
    "log": lambda xp, x: xp.log(2.0 + xp.cos(x)),
    "negative": lambda xp, x: -x,
    "reciprocal": lambda xp, x: 1.0 / (2.0 + x * x),
    "scaled": lambda xp, x: 0.5 * x + 1,
    "reversed power": lambda xp, x: 2.0 ** xp.tanh(x),
    "atan": lambda xp, x: xp.arctan(x),
    "expm1": lambda xp, x: xp.expm1(0.2 * xp.sin(x)),
    "itself": lambda xp, x: +x,
}

BINARY: dict[str, Run] = {
    "add": lambda xp, x, y: x + y,
    "subtract": lambda xp, x, y: x - y,
    "multiply": lambda xp, x, y: x * y,
    "divide": lambda xp, x, y: x / (2.0 + y * y),
    "hypot": lambda xp, x, y: xp.hypot(x, 1.0 + y * y),
    "logaddexp": lambda xp, x, y: xp.logaddexp(x, y),
    "where": lambda xp, x, y: xp.where(x + WEIGHTS + 0.007 > y, x, 2.0 * y),
    "atan2": lambda xp, x, y: xp.arctan2(x, 2.0 + y * y),
    "matmul": lambda xp, x, y: 0.3 * (x @ y),
    "outer": lambda xp, x, y: 0.3 * (x[:, :1] @ y[:1, :]),
}

REDUCTIONS: dict[str, Run] = {
    "sum": lambda xp, x: x + 0.2 * xp.sum(x, axis=0),
    "sum of all": lambda xp, x: x * (0.1 * xp.sum(x)),
    "mean": lambda xp, x: x - xp.mean(x, axis=1, keepdims=True),
    "prod": lambda xp, x: x * xp.tanh(xp.prod(x, axis=-1)[:, None]),
    "max": lambda xp, x: x + xp.max(x + WEIGHTS, axis=0),
    "cumsum": lambda xp, x: 0.3 * xp.cumsum(x, axis=1),
    "var": lambda xp, x: x + xp.var(x),
    "norm": lambda xp, x: x / xp.sqrt(1.0 + xp.sum(x * x, axis=(0, 1))),
}

SHAPES: dict[str, Run] = {
    "concat": lambda xp, x: xp.concatenate([x[1:], x[:1]]),
    "roll": lambda xp, x: xp.roll(x, 1, axis=1),
    "gather": lambda xp, x: x[np.array([2, 0, 2])],
    "mask": lambda xp, x: x * x[MASK].sum(),
    "stack": lambda xp, x: xp.stack([x, 2.0 * x])[1],
    "broadcast": lambda xp, x: xp.broadcast_to(x[0], (3, 3)) + x,
    "reshape": lambda xp, x: x.reshape(9)[::-1].reshape((3, 3)) * 1.0,
    "repeat": lambda xp, x: xp.repeat(x[:, 0], 3).reshape((3, 3)),
    "tril": lambda xp, x: xp.tril(x),
    "astype": lambda xp, x: x.astype("float64"),
}

VIEWS: dict[str, Run] = {
    "transposed": lambda xp, x: x.T,
    "reversed": lambda xp, x: x[::-1],
    "rows reversed": lambda xp, x: x[:, ::-1],
    "everything": lambda xp, x: x[...],
    "flat and back": lambda xp, x: x[None][0],
    "both": lambda xp, x: x.T[::-1, :],
}

WRITES: dict[str, Run] = {
    "row": lambda xp, x, y: x.__setitem__(0, y[1]),
    "column": lambda xp, x, y: x.__setitem__((slice(None), 1), y[0]),
    "element": lambda xp, x, y: x.__setitem__((1, 2), y[2, 0]),
    "all": lambda xp, x, y: x.__setitem__(..., y),
    "constant": lambda xp, x, y: x.__setitem__(slice(1, 3), 0.5),
    "scatter": lambda xp, x, y: x.__setitem__(np.array([2, 0]), y[:2]),
    "masked": lambda xp, x, y: x.__setitem__(MASK, 0.25),
    "iadd": lambda xp, x, y: x.__iadd__(y),
    "imul": lambda xp, x, y: x.__imul__(y),
    "isub row": lambda xp, x, y: x[1].__isub__(y[0]),
    "imul constant": lambda xp, x, y: x.__imul__(0.5),
    "iadd column": lambda xp, x, y: x[:, 0].__iadd__(y[2]),
    "ipow": lambda xp, x, y: x.__ipow__(2),
}

WEIGHTS = np.array([[0.0, 0.013, 0.029], [0.031, 0.047, 0.053], [0.061, 0.071, 0.083]])
MASK = np.array([[True, False, True], [False, False, True], [True, True, False]])

PURE = {"unary": (UNARY, 1), "binary": (BINARY, 2), "reduce": (REDUCTIONS, 1), "shape": (SHAPES, 1)}
MUTATING = {**PURE, "view": (VIEWS, 1), "write": (WRITES, 2), "detach": ({"detach": None}, 1)}


def steps(kinds: dict[str, Any], longest: int) -> st.SearchStrategy[list[Step]]:
    """Programs of these kinds of statements."""

    def of_kind(kind: str) -> st.SearchStrategy[Step]:
        table, count = kinds[kind]
        operand = st.integers(0, longest + 2)
        return st.builds(
            Step, st.just(kind), st.sampled_from(list(table)), st.tuples(*[operand] * count)
        )

    return st.lists(st.one_of(*map(of_kind, kinds)), min_size=1, max_size=longest)


def perform(
    program: list[Step], xp: Any, inputs: list[Any], constant: Callable[[Any], Any]
) -> tuple[Any, list[Any]]:
    """A number that depends on all arrays the program makes, and those arrays.

    `constant` gives an array's values cut off from what they were computed from.
    """
    arrays = [+x for x in inputs]
    for kind, name, operands in program:
        chosen = [arrays[i % len(arrays)] for i in operands]
        if kind == "write":
            if (
                xp is np
            ):  # which copies v[0] = x[1] wrongly where strides differ and memory overlaps
                chosen[1] = chosen[1].copy()
            WRITES[name](xp, *chosen)
        elif kind == "detach":
            arrays.append(constant(chosen[0]))
        else:
            table = MUTATING[kind][0]
            arrays.append(table[name](xp, *chosen))
    total = 0.0
    for i, x in enumerate(arrays):
        total = total + xp.sum(xp.sin(x) * (0.3 + 0.1 * i))
    return total, arrays


def inputs() -> list[np.ndarray]:
    """Two matrices, every element well away from the others."""
    rng = np.random.default_rng(7)
    return [rng.normal(size=(3, 3)), rng.normal(size=(3, 3)) + 0.5]


def replay(program: list[Step], constants: list[np.ndarray] | None = None) -> Callable[..., float]:
    """The program on ndarrays, with what it detached held fixed at `constants`."""

    def function(*arguments: np.ndarray) -> float:
        held = iter(constants or [])
        return float(
            perform(
                program, np, list(arguments), lambda x: next(held).copy() if constants else x.copy()
            )[0]
        )

    return function


def detached_values(program: list[Step]) -> list[np.ndarray]:
    """What the program detaches, at the given inputs."""
    found: list[np.ndarray] = []

    def keep(x: np.ndarray) -> np.ndarray:
        found.append(np.array(x))
        return x.copy()

    perform(program, np, inputs(), keep)
    return found


def run(program: list[Step], where: str) -> tuple[float, list[np.ndarray], list[np.ndarray]]:
    """Value, arrays and gradients on a device."""
    with npg.device(where):
        leaves = [npg.array(x, requires_grad=True) for x in inputs()]
        total, arrays = perform(program, npg, leaves, lambda x: npg.copy(x.detach()))
        total.backward()
        grads = [np.zeros((3, 3)) if x.grad is None else x.grad.numpy() for x in leaves]
        return total.item(), [a.detach().numpy() for a in arrays], grads


def assert_agrees(program: list[Step], where: str) -> None:
    """Values and gradients on a device are those of the replay."""
    with np.errstate(all="ignore"):
        expected, ndarrays = perform(program, np, inputs(), lambda x: x.copy())
        if not np.all(np.abs(np.concatenate([a.reshape(-1) for a in ndarrays])) < 50.0):
            return
    value, arrays, grads = run(program, where)
    np.testing.assert_allclose(value, expected, rtol=1e-10, atol=1e-10)
    for array, ndarray in zip(arrays, ndarrays, strict=True):
        np.testing.assert_allclose(array, ndarray, rtol=1e-10, atol=1e-10)
    replayed = replay(program, detached_values(program))
    for found, wanted in zip(grads, gradients(replayed, inputs()), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-4)


@settings(max_examples=4 * settings().max_examples)
@given(program=steps(PURE, 8))
def test_pure_programs_have_the_gradients_of_their_differences(program: list[Step]) -> None:
    target(float(len(program)))
    assert_agrees(program, "cpu")


@settings(max_examples=8 * settings().max_examples)
@given(program=steps(MUTATING, 10))
def test_programs_with_writes_have_the_gradients_of_their_differences_or_raise(
    program: list[Step],
) -> None:
    try:
        assert_agrees(program, "cpu")
    except (VersionError, DerivativeError):
        # A saved value was overwritten: an error, never a wrong number.
        assert any(step.kind == "write" for step in program)


@pytest.mark.parametrize("where", [d for d in DEVICES if d != "cpu"])
@given(program=steps(MUTATING, 6))
def test_programs_agree_with_numpy_on_every_backend(where: str, program: list[Step]) -> None:
    with np.errstate(all="ignore"):
        outcomes = []
        for place in ("cpu", where):
            try:
                outcomes.append(run(program, place))
            except (VersionError, DerivativeError) as error:
                outcomes.append(type(error))
    first, second = outcomes
    if isinstance(first, type) or isinstance(second, type):
        assert first is second
        return
    if not np.isfinite(first[0]) or abs(first[0]) > 1e6:
        return
    np.testing.assert_allclose(second[0], first[0], rtol=1e-9, atol=1e-9)
    for found, expected in zip(second[1] + second[2], first[1] + first[2], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)


@settings(max_examples=4 * settings().max_examples)
@given(program=steps(MUTATING, 8), positions=st.sets(st.integers(0, 7), max_size=3))
def test_statements_under_no_grad_change_values_not_history(
    program: list[Step], positions: set[int]
) -> None:
    """Under `no_grad` a program gives the same values, and its results carry no gradient."""
    with np.errstate(all="ignore"):
        _, expected = perform(program, np, inputs(), lambda x: x.copy())
    leaves = [npg.array(x, requires_grad=True, device="cpu") for x in inputs()]
    arrays = [+x for x in leaves]
    for i, (kind, name, operands) in enumerate(program):
        chosen = [arrays[k % len(arrays)] for k in operands]
        with npg.no_grad() if i in positions else npg.enable_grad():
            if kind == "write":
                try:
                    WRITES[name](npg, *chosen)
                except DerivativeError:
                    return
            elif kind == "detach":
                arrays.append(npg.copy(chosen[0].detach()))
            else:
                arrays.append(MUTATING[kind][0][name](npg, *chosen))
                if i in positions and kind != "view":
                    assert not arrays[-1].requires_grad
    for array, ndarray in zip(arrays, expected, strict=True):
        np.testing.assert_allclose(array.numpy(), ndarray, rtol=1e-10, atol=1e-10)


@given(program=steps(PURE, 6))
def test_forward_and_reverse_mode_agree(program: list[Step]) -> None:
    rng = np.random.default_rng(3)
    tangents = [npg.array(t, device="cpu") for t in rng.normal(size=(2, 3, 3))]
    primals = [npg.array(x, device="cpu") for x in inputs()]
    f = lambda *x: perform(program, npg, list(x), npg.copy)[0]  # noqa: E731
    value, tangent = npg.jvp(f, primals, tangents)
    again, pullback = npg.vjp(f, *primals)
    pulled = pullback(npg.array(1.0, device="cpu"))
    reverse = sum((g * t).sum().item() for g, t in zip(pulled, tangents, strict=True))
    assert value.item() == again.item()
    if np.isfinite(reverse) and abs(reverse) < 1e6:
        np.testing.assert_allclose(tangent.item(), reverse, rtol=1e-8, atol=1e-8)


@given(program=steps(PURE, 4))
def test_second_derivatives_are_symmetric_between_modes(program: list[Step]) -> None:
    primal = npg.array(inputs()[0], device="cpu")
    other = npg.array(inputs()[1], device="cpu")
    t = npg.array(np.random.default_rng(3).normal(size=(3, 3)), device="cpu")
    f = lambda x: perform(program, npg, [x, other], npg.copy)[0]  # noqa: E731
    forward_over_reverse = npg.jvp(npg.grad(f), (primal,), (t,))[1].numpy()
    reverse_over_reverse = npg.grad(lambda x: (npg.grad(f)(x) * t).sum())(primal).numpy()
    if np.all(np.abs(forward_over_reverse) < 1e6):
        np.testing.assert_allclose(forward_over_reverse, reverse_over_reverse, rtol=1e-7, atol=1e-7)
