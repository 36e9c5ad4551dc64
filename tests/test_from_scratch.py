"""The engine that `docs/explanation/from-scratch.md` builds works, over any namespace."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from test_docs import blocks

import numpygrad as npg

Raw: TypeAlias = "np.ndarray[Any, Any]"

PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "from-scratch.md"
CODE = "".join(block for _, block in blocks(PAGE.read_text()))
LINES = 150
HERE = "numpy:cpu"  # what is compared with, as it takes least time


@pytest.fixture(scope="module")
def engine() -> dict[str, Any]:
    """The names that the page's blocks define, run one after the other."""
    names: dict[str, Any] = {}
    exec(compile(CODE, str(PAGE), "exec"), names)  # noqa: S102 (our own page)
    return names


def scope(device: str) -> AbstractContextManager[None]:
    """What a device's library needs around it to compute in 64 bits."""
    backend = npg.zeros(1, device=device)._type.backend
    return nullcontext() if backend.scope is None else backend.scope()


def raw(values: Raw, device: str) -> Any:
    """A raw array of the library of a device, whether or not NumPy can write to it."""
    return npg.array(values, device=device).data


def mlp(xp: Any, p: Any) -> Any:
    """Matrix products, broadcasting over rows and from nothing, and a reduction."""
    hidden = xp.tanh(p[0:2, :] @ p[2:5, :] + p[5, :] - 0.5 * p[5:6, :])
    return xp.sum(xp.exp(-hidden * hidden) / (2.0 + xp.cos(hidden)))


def indexed(xp: Any, p: Any) -> Any:
    """Elements used twice, views of views, a reshape and a transpose."""
    columns = xp.reshape(p, shape=(3, 6)).mT[1:4, :]
    return xp.sum(xp.sin(columns * p[0:3, 0:3])) + p[1, 1] * p[1, 1] * xp.log(
        3.0 + p[2, 0] * p[1, 1]
    )


def reduced(xp: Any, p: Any) -> Any:
    """Sums over each axis, in broadcast products, and a stack of matrices times one matrix."""
    rows, columns = xp.sum(p, axis=(1,)), xp.sum(p, axis=(-2,))
    stack = xp.broadcast_to(p, shape=(2, 6, 3)) @ (xp.reshape(columns, shape=(3, 1)) * columns)
    return xp.sum(stack * stack) + xp.sum(1.0 / (rows * rows + 4.0) - rows)


FUNCTIONS = [mlp, indexed, reduced]
Program: TypeAlias = Callable[[Any, Any], Any]


@pytest.fixture
def point(rng: np.random.Generator) -> Raw:
    return rng.uniform(-1.0, 1.0, (6, 3))


def test_it_has_at_most_150_lines() -> None:
    assert len(CODE.splitlines()) <= LINES


@pytest.mark.parametrize("function", FUNCTIONS)
def test_gradients_are_numpygrads_and_those_of_differences(
    engine: dict[str, Any], function: Program, device: str, point: Raw
) -> None:
    with scope(device):
        found = engine["grad"](lambda p: function(engine["ops"], p))(
            engine["Array"](raw(point, device))
        )
    assert found.node is None
    expected = npg.grad(lambda p: function(npg, p))(npg.array(point, device=HERE))
    np.testing.assert_allclose(npg.array(found.data).numpy(), expected.numpy(), rtol=1e-11)
    step = 1e-6
    for place in [(0, 0), (1, 1), (5, 2)]:
        shift = np.zeros_like(point)
        shift[place] = step
        ends = [function(npg, npg.array(point + s, device=HERE)).item() for s in (shift, -shift)]
        difference = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(expected.numpy()[place], difference, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_second_derivatives_are_numpygrads_and_those_of_differences(
    engine: dict[str, Any], function: Program, device: str, point: Raw, rng: np.random.Generator
) -> None:
    grad, ops, Array = engine["grad"], engine["ops"], engine["Array"]  # noqa: N806 (a class)
    direction = np.asarray(rng.standard_normal(point.shape))
    with scope(device):
        along = Array(raw(direction, device))
        slope = grad(lambda p: function(ops, p))
        found = grad(lambda p: ops.sum(slope(p) * along))(Array(raw(point, device)))
    product = npg.array(found.data).numpy()

    def gradient(values: Raw) -> npg.Array:
        found: npg.Array = npg.grad(lambda p: function(npg, p))(npg.array(values, device=HERE))
        return found

    expected = npg.jvp(
        npg.grad(lambda p: function(npg, p)),
        (npg.array(point, device=HERE),),
        (npg.array(direction, device=HERE),),
    )[1]
    np.testing.assert_allclose(product, expected.numpy(), rtol=1e-10, atol=1e-12)
    step = 1e-5 * direction
    difference = (gradient(point + step) - gradient(point - step)).numpy() / 2e-5
    np.testing.assert_allclose(product, difference, rtol=1e-5, atol=1e-7)


def test_third_derivatives_and_repeated_indices(engine: dict[str, Any]) -> None:
    grad, ops, Array = engine["grad"], engine["ops"], engine["Array"]  # noqa: N806 (a class)
    x = Array(np.asarray(0.7))
    np.testing.assert_allclose(grad(grad(grad(ops.exp)))(x).data, np.exp(0.7), rtol=1e-12)
    np.testing.assert_allclose(grad(grad(grad(lambda x: x / (1.0 - x))))(x).data, 6 / 0.3**4)
    index = np.array([0, 0, 2])
    square = grad(lambda x: ops.sum(x[index] * x[index]))(Array(np.array([1.0, 2.0, 3.0])))
    np.testing.assert_array_equal(square.data, [4.0, 0.0, 6.0])


def test_what_nothing_reaches_has_gradient_zero(engine: dict[str, Any]) -> None:
    grad, Array = engine["grad"], engine["Array"]  # noqa: N806 (a class)
    found = grad(lambda x: Array(np.asarray(2.0)))(Array(np.array([1.0, 2.0])))
    np.testing.assert_array_equal(found.data, [0.0, 0.0])
    found = grad(lambda x: grad(lambda y: x * x)(Array(np.asarray(1.0))))(Array(np.asarray(3.0)))
    assert found.data == 0.0


def test_nested_gradients_are_not_confused(engine: dict[str, Any]) -> None:
    # d/dx of x * d/dy (x + y) is 1; an engine that takes the one for the other says 2.
    grad, Array = engine["grad"], engine["Array"]  # noqa: N806 (a class)
    found = grad(lambda x: x * grad(lambda y: x + y)(x))(Array(np.asarray(1.0)))
    assert found.data == 1.0


def test_a_node_saves_what_its_rules_read(engine: dict[str, Any]) -> None:
    ops, Node = engine["ops"], engine["Node"]  # noqa: N806 (a class)
    x = engine["Array"](np.array([1.0]), Node(None, (), (1,), {}))
    assert set(ops.exp(x).node.saved) == {"y"}
    assert set(ops.sin(x).node.saved) == {"x"}
    assert set((x + 1.0).node.saved) == set()
    assert set((x * 2.0).node.saved) == {"x2"}
    assert set((np.asarray([2.0]) * x).node.saved) == {"x2"}


def test_a_number_takes_the_dtype_of_the_array_beside_it(engine: dict[str, Any]) -> None:
    x = engine["Array"](np.ones(2, np.float32))
    assert engine["grad"](lambda x: engine["ops"].sum(x * x * 0.5))(x).data.dtype == np.float32
