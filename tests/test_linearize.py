"""The derivative at one place as a function, and what stops derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad.errors import DeviceError, ShapeError, VersionError

T = npg.Array


def function(x: T, tree: dict[str, T]) -> tuple[T, dict[str, T]]:
    return npg.sin(x) @ tree["a"], {"y": tree["b"] * npg.exp(x)}


def primals() -> tuple[T, dict[str, T]]:
    x = npg.array([0.3, 0.7])
    return x, {"a": npg.array([[1.0, 2.0], [3.0, 4.0]]), "b": npg.array(2.0)}


MODES: dict[str, Callable[..., Any]] = {
    "eager": lambda f: f(),
    "lazy": lambda f: npg.lazy()(f)(),
    "compiled": lambda f: npg.compile(f)(),
}


@pytest.mark.parametrize("mode", MODES)
def test_linearize_is_jvp(device: str, mode: str) -> None:
    at = primals()
    tangents = [primals(), (at[0] * 3.0, {"a": at[1]["a"] * 0.0, "b": npg.array(1.0)})]

    def both() -> Any:
        value, pushforward = npg.linearize(function, *at)
        return value, [pushforward(*t) for t in tangents]

    value, found = MODES[mode](both)
    for t, pushed in zip(tangents, found, strict=True):
        expected_value, expected = npg.jvp(function, at, t)
        for a, b in ((value, expected_value), (pushed, expected)):
            np.testing.assert_allclose(a[0].numpy(), b[0].numpy(), rtol=1e-12)
            np.testing.assert_allclose(a[1]["y"].numpy(), b[1]["y"].numpy(), rtol=1e-12)
            assert not a[0].requires_grad


def test_the_function_is_called_once(device: str) -> None:
    calls = []

    def counted(x: T) -> T:
        calls.append(1)
        return x * x

    _, pushforward = npg.linearize(counted, npg.array([1.0, 2.0]))
    for _ in range(3):
        assert pushforward(npg.ones(2)).tolist() == [2.0, 4.0]
    assert len(calls) == 1


def test_it_is_linear(device: str) -> None:
    _, pushforward = npg.linearize(lambda x: npg.sin(x) / x, npg.array([1.0, 2.0]))
    s, t = npg.array([1.0, -2.0]), npg.array([0.5, 3.0])
    np.testing.assert_allclose(
        pushforward(2.0 * s - t).numpy(), (2.0 * pushforward(s) - pushforward(t)).numpy()
    )


def test_it_is_where_it_was_though_the_primal_is_overwritten(device: str) -> None:
    x = npg.array([1.0, 2.0])
    _, pushforward = npg.linearize(lambda x: x * x, x)
    x[...] = 100.0
    assert pushforward(npg.ones(2)).tolist() == [2.0, 4.0]


@pytest.mark.parametrize(
    "function",
    [lambda x, w: x @ w, lambda x, w: x * w[0], lambda x, w: npg.linalg.solve(w, x)],
    ids=["matmul", "multiply", "solve"],
)
def test_a_closure_overwritten_since_is_an_error(
    device: str, function: Callable[[T, T], T]
) -> None:
    w = npg.array([[1.0, 2.0], [3.0, 5.0]])
    _, pushforward = npg.linearize(lambda x: function(x, w), npg.array([1.0, 2.0]))
    w[0, 0] = 7.0
    with pytest.raises(VersionError, match="mutated by an in-place operation"):
        pushforward(npg.ones(2))


def test_outer_derivatives_flow_through_all(device: str) -> None:
    x, t = npg.array([0.3, 0.7]), npg.array([1.0, 2.0])
    found = npg.grad(lambda x: npg.linearize(npg.sin, x)[1](t).sum())(x)
    np.testing.assert_allclose(found.numpy(), (-npg.sin(x) * t).numpy())
    found = npg.grad(lambda t: (npg.linearize(npg.sin, x)[1](t) ** 2).sum())(t)
    np.testing.assert_allclose(found.numpy(), (2 * npg.cos(x) ** 2 * t).numpy())
    w = npg.array([2.0, 3.0], requires_grad=True)
    value, pushforward = npg.linearize(lambda x: x * w, x)
    pushforward(t).sum().backward()
    assert w.grad.tolist() == t.tolist()
    w.grad = None
    value.sum().backward()
    assert w.grad.tolist() == x.tolist()


def test_what_does_not_fit_is_refused(device: str, other_device: str) -> None:
    _, pushforward = npg.linearize(lambda x: x * x, npg.array([1.0, 2.0]))
    with pytest.raises(ShapeError, match=r"nested as \(\*,\), not as"):
        pushforward(npg.ones(2), npg.ones(2))
    with pytest.raises(ShapeError, match=r"the shape of its primal, \(2,\), not \(3,\)"):
        pushforward(npg.ones(3))
    with pytest.raises(DeviceError, match="a tangent is on the device of its primal"):
        pushforward(npg.ones(2, device=other_device))
    assert pushforward(npg.ones(2, dtype="float32")).dtype == "float64"


def test_a_linear_op_in_forward_mode_sees_what_was_overwritten(device: str) -> None:
    w = npg.ones((2, 2))

    def overwriting(x: T) -> T:
        y = x @ w
        w[...] = 0.0
        return y

    with pytest.raises(VersionError, match="matmul: its saved x2"):
        npg.jvp(overwriting, (npg.ones(2),), (npg.ones(2),))


@pytest.mark.parametrize("mode", MODES)
def test_stop_gradient(device: str, mode: str) -> None:
    x = npg.array([1.0, 2.0])

    def stopped(x: T) -> T:
        still = npg.stop_gradient({"x": [x * x], "n": 3, "none": None})
        assert still["n"] == 3
        assert still["none"] is None
        return (still["x"][0] * x).sum()

    assert MODES[mode](lambda: npg.grad(stopped)(x)).tolist() == [1.0, 4.0]
    assert MODES[mode](lambda: npg.jvp(stopped, (x,), (x,))[1]).tolist() == 9.0
    assert MODES[mode](lambda: npg.grad(lambda x: npg.grad(stopped)(x).sum())(x)).tolist() == [
        0.0,
        0.0,
    ]


def test_stop_gradient_in_vmap(device: str) -> None:
    x = npg.array([1.0, 2.0])
    mapped = npg.vmap(lambda x: npg.stop_gradient(x) * x)
    assert npg.grad(lambda x: mapped(x).sum())(x).tolist() == [1.0, 2.0]
