"""Functions run again in backward instead of being kept: `checkpoint`."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad.errors import DerivativeError, VersionError

T = npg.Array


def along(f: Callable[[T], T]) -> Callable[[T], T]:
    """The derivative of `f` in one direction."""
    return lambda x: npg.jvp(f, (x,), (npg.array([1.0, -2.0]),))[1].sum()


def slope(f: Callable[[T], T]) -> Callable[[T], T]:
    """The gradient of `f`, summed with weights."""
    return lambda x: (npg.grad(f)(x) * npg.array([0.5, 1.0])).sum()


DERIVATIVES: dict[str, Callable[..., Any]] = {
    "value": lambda f: f,
    "grad": npg.grad,
    "jvp": along,
    "grad grad": lambda f: npg.grad(slope(f)),
    "jvp grad": lambda f: along(slope(f)),
    "grad jvp": lambda f: npg.grad(along(f)),
    "jvp jvp": lambda f: along(along(f)),
    "third": lambda f: npg.grad(slope(lambda x: slope(f)(x))),
}
MODES: dict[str, Callable[..., Any]] = {
    "eager": lambda f, x: f(x),
    "lazy": lambda f, x: npg.lazy()(f)(x),
    "compiled": lambda f, x: npg.compile(f)(x),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("derivative", DERIVATIVES)
def test_derivatives_of_nested_checkpoints(device: str, derivative: str, mode: str) -> None:
    w = npg.array([2.0, 3.0], requires_grad=True)
    x = npg.array([0.3, 0.7])

    def segment(x: T) -> T:
        return npg.sin(x * w) * npg.exp(-x)

    inner = npg.checkpoint(segment)
    outer = npg.checkpoint(lambda x: inner(inner(x)) + x * w)

    def kept(x: T) -> T:
        y = segment(x)
        return (segment(segment(y)) + y * w).sum()

    take = DERIVATIVES[derivative]
    found = MODES[mode](take(lambda x: outer(inner(x)).sum()), x)
    expected = take(kept)(x)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-11)
    if mode == "compiled":
        return
    found.sum().backward()
    gradient = w.grad
    w.grad = None
    expected.sum().backward()
    np.testing.assert_allclose(gradient.numpy(), w.grad.numpy(), rtol=1e-11)


def test_gradients_with_respect_to_closures_alone(device: str) -> None:
    w = npg.array([2.0, 3.0], requires_grad=True)
    v = w * w
    f = npg.checkpoint(lambda x: npg.sin(x * w) * v)
    y = f(npg.array([0.3, 0.7]))
    y.sum().backward()
    found, w.grad = w.grad, None
    (npg.sin(npg.array([0.3, 0.7]) * w) * (w * w)).sum().backward()
    np.testing.assert_allclose(found.numpy(), w.grad.numpy(), rtol=1e-12)


def test_structures_and_what_is_no_array(device: str) -> None:
    @npg.checkpoint
    def f(tree: dict[str, Any], *, power: int = 2) -> dict[str, Any]:
        """Doc."""
        index = npg.argmax(tree["x"])
        return {"y": [tree["x"] ** power * tree["n"]], "i": index, "text": "text", "none": None}

    assert f.__doc__ == "Doc."
    x = npg.array([1.0, 2.0], requires_grad=True)
    found = f({"x": x, "n": 3, "mask": npg.asarray([True, False])}, power=3)
    assert (found["text"], found["none"], int(found["i"])) == ("text", None, 1)
    found["y"][0].sum().backward()
    assert x.grad.tolist() == [9.0, 36.0]


def test_complex(device: str) -> None:
    f = npg.checkpoint(lambda z: npg.exp(z) * npg.conj(z))
    z = npg.array([0.3 + 0.2j, -1.0j])

    def loss(f: Callable[[T], T]) -> Callable[[T], T]:
        return lambda z: npg.real(f(z) * f(f(z))).sum()

    found, expected = npg.grad(loss(f))(z), npg.grad(loss(f.__wrapped__))(z)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-12)


@pytest.mark.parametrize("own", [True, False])
def test_random_numbers_are_the_same_the_second_time(device: str, own: bool) -> None:
    generator = npg.random.Generator(5) if own else None

    def noise() -> T:
        return generator.random((3,)) if generator else npg.random.random((3,))

    @npg.checkpoint
    def dropped(x: T) -> T:
        return npg.where(noise() < 0.5, 0.0, x * noise())

    npg.random.seed(3)
    x = npg.ones(3, requires_grad=True)
    y = dropped(x)
    after = noise().tolist()
    y.sum().backward()
    assert x.grad.tolist() == y.tolist()
    assert noise().tolist() != after
    y = dropped(x)
    x.grad = None
    expected = noise() if own else npg.random.default_generator().state
    dropped(x)
    del expected
    y.sum().backward()
    assert x.grad.tolist() == y.tolist()


def test_drawing_goes_on_where_it_was_after_backward(device: str) -> None:
    npg.random.seed(3)
    f = npg.checkpoint(lambda x: x * npg.random.random((3,)))
    x = npg.ones(3, requires_grad=True)
    f(x).sum().backward()
    found = npg.random.random((3,)).tolist()
    npg.random.seed(3)
    npg.random.random((3,))
    assert npg.random.random((3,)).tolist() == found


def test_a_generator_made_inside(device: str) -> None:
    f = npg.checkpoint(lambda x: x * npg.random.Generator(7).random((3,)))
    x = npg.ones(3, requires_grad=True)
    y = f(x)
    y.sum().backward()
    assert x.grad.tolist() == y.tolist()


def test_a_generator_seeded_anew_meanwhile_is_refused(device: str) -> None:
    npg.random.seed(3)
    npg.random.random((1,))
    f = npg.checkpoint(lambda x: x * npg.random.random((3,)))
    x = npg.ones(3, requires_grad=True)
    y = f(x)
    npg.random.seed(4)
    with pytest.raises(DerivativeError, match="draws random numbers that cannot be the same"):
        y.sum().backward()


def test_a_generator_seeded_alike_meanwhile_draws_the_same(device: str) -> None:
    npg.random.seed(3)
    f = npg.checkpoint(lambda x: x * npg.random.random((3,)))
    x = npg.ones(3, requires_grad=True)
    y = f(x)
    npg.random.seed(3)
    y.sum().backward()
    assert x.grad.tolist() == y.tolist()
    assert npg.random.random((3,)).tolist() == y.tolist()


def test_other_random_numbers_are_refused(device: str) -> None:
    numbers = np.random.default_rng(3)
    f = npg.checkpoint(lambda x: x * float(numbers.random()))
    y = f(npg.ones(3, requires_grad=True))
    with pytest.raises(DerivativeError, match="run again for its derivative, and is not what"):
        y.sum().backward()


@pytest.mark.parametrize("change", [1e-3, npg.nan, npg.inf])
def test_a_change_is_seen(device: str, change: float) -> None:
    values = iter([1.0, 1.0 + change])
    f = npg.checkpoint(lambda x: x * npg.array([next(values), 1e3 if change < 1 else 1.0]))
    y = f(npg.ones(2, requires_grad=True))
    with pytest.raises(DerivativeError, match="other values"):
        y.sum().backward()


def test_the_last_bits_may_differ(device: str) -> None:
    values = iter([1.0, 1.0 + 1e-15])
    x = npg.ones(2, requires_grad=True)
    npg.checkpoint(lambda x: x * next(values))(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [1.0, 1.0])


def test_nan_and_inf_are_the_same_again(device: str) -> None:
    f = npg.checkpoint(lambda x: x * npg.array([npg.nan, npg.inf, 1.0]))
    x = npg.ones(3, requires_grad=True)
    f(x).sum().backward()
    assert x.grad.tolist()[1:] == [npg.inf, 1.0]


@pytest.mark.parametrize("tracked", [True, False])
def test_a_closure_written_since_is_an_error(device: str, tracked: bool) -> None:
    w = npg.array([2.0, 3.0], requires_grad=tracked)
    f = npg.checkpoint(lambda x: npg.relu(x + w) * 2.0)
    y = f(npg.ones(2, requires_grad=True)).sum()
    with npg.no_grad():
        w[0] = -5.0
    with pytest.raises(DerivativeError, match=r"output 0 has other values\. An array"):
        y.backward()


def test_a_closure_replaced_since_is_an_error(device: str) -> None:
    closed = {"w": npg.array([2.0, 3.0], requires_grad=True)}
    f = npg.checkpoint(lambda x: x * closed["w"])
    y = f(npg.ones(2, requires_grad=True)).sum()
    closed["w"] = closed["w"] * 1.0
    with pytest.raises(DerivativeError, match="it depends on other tracked arrays"):
        y.backward()


def test_an_argument_written_since_is_an_error(device: str) -> None:
    x = npg.ones(2, requires_grad=True) * 1.0
    for n in (npg.ones(2), x):
        y = npg.checkpoint(lambda x, n: x * n)(x, n).sum()
        n[0] = 5.0
        with pytest.raises(VersionError, match="its saved argument"):
            y.backward()


@pytest.mark.parametrize("target", ["argument", "view", "constant", "closure", "parameter"])
def test_a_write_to_what_was_made_outside_is_refused(device: str, target: str) -> None:
    closure, parameter = npg.ones(2), npg.ones(2, requires_grad=True)

    @npg.checkpoint
    def f(x: T, n: T) -> T:
        y = x * n * parameter
        where = {"argument": x, "view": x[1:], "constant": n, "closure": closure}
        where.get(target, parameter)[...] = 1.0
        return y

    x = npg.array([1.0, 2.0], requires_grad=True) * 1.0
    with pytest.raises((DerivativeError, VersionError), match=r"in place|in-place"):
        f(x, npg.ones(2))


def test_writes_inside_are_legal(device: str) -> None:
    @npg.checkpoint
    def f(x: T) -> tuple[T, T]:
        y = npg.zeros(3)
        y[0] = x[0] * x[1]
        y[1:] += x
        z = y * y
        z *= 2.0
        return y, z

    x = npg.array([2.0, 3.0])
    for take in (
        lambda f: npg.grad(lambda x: (f(x)[0] * f(x)[1]).sum()),
        lambda f: along(lambda x: f(x)[1]),
    ):
        np.testing.assert_allclose(take(f)(x).numpy(), take(f.__wrapped__)(x).numpy(), rtol=1e-12)


def test_the_result_may_be_written_to(device: str) -> None:
    f = npg.checkpoint(lambda x: x * x)
    x = npg.array([2.0, 3.0], requires_grad=True)
    y = f(x)
    y *= 5.0
    y.sum().backward()
    assert x.grad.tolist() == [20.0, 30.0]


def test_the_result_has_memory_of_its_own(device: str) -> None:
    closure = npg.ones(2)
    x = npg.ones(2, requires_grad=True) * 1.0
    for f in (lambda x: x, lambda x: (x * 1.0, closure)[1], lambda x: x[:]):
        y = npg.checkpoint(f)(x)
        y[0] = 7.0
        assert closure.tolist() == [1.0, 1.0]
        assert x.tolist() == [1.0, 1.0]


def test_nothing_is_kept_where_nothing_is_tracked(device: str) -> None:
    f = npg.checkpoint(lambda x: x * 2.0)
    assert not f(npg.ones(2)).requires_grad
    with npg.no_grad():
        assert not f(npg.ones(2, requires_grad=True)).requires_grad


def test_in_vmap(device: str) -> None:
    f = npg.checkpoint(lambda x: npg.sin(x) * x)
    x = npg.array([[0.1, 0.2], [0.3, 0.4]])
    expected = np.cos(x.numpy()) * x.numpy() + np.sin(x.numpy())
    inside = npg.vmap(npg.grad(lambda x: f(x).sum()))(x)
    np.testing.assert_allclose(inside.numpy(), expected, rtol=1e-12)
    around = npg.grad(lambda x: npg.vmap(f)(x).sum())(x)
    np.testing.assert_allclose(around.numpy(), expected, rtol=1e-12)
    _, pullback = npg.vjp(f, x[0])
    (rows,) = npg.vmap(pullback)(npg.eye(2))
    np.testing.assert_allclose(rows.numpy(), np.diag(expected[0]), rtol=1e-12)
    rows = npg.jacobian(f)(x[0])
    np.testing.assert_allclose(rows.numpy(), np.diag(expected[0]), rtol=1e-12)


def peak(step: Callable[[T], T], steps: int) -> int:
    """Bytes that NumPy had at most, of forward and backward through a chain."""
    x = npg.ones(50_000, requires_grad=True)
    tracemalloc.start()
    try:
        y = x
        for _ in range(steps):
            y = step(y)
        y.sum().backward()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_chain_needs_less_memory() -> None:
    def step(x: T) -> T:
        for _ in range(8):
            x = npg.tanh(x)
        return x

    array = 50_000 * 8
    kept, made_again = peak(step, 20), peak(npg.checkpoint(step), 20)
    assert kept > 20 * 8 * array
    assert made_again < (20 + 8 + 10) * array
    segments = npg.checkpoint(lambda x: step(step(step(step(x)))))
    assert peak(segments, 5) < (5 + 32 + 10) * array
    once = npg.checkpoint(step)
    twice = npg.checkpoint(lambda x: once(once(once(once(x)))))
    assert peak(twice, 5) < (5 + 4 + 8 + 10) * array


class Holder:
    """An object of a class that is not registered."""

    def __init__(self, x: T) -> None:
        self.x = x


aside: list[Any] = []

LEAKS: dict[str, Callable[[T], Any]] = {
    "list outside": lambda x: (aside.append(npg.sin(x)), x * 2.0)[1],
    "argument outside": lambda x: (aside.append(x), x * 2.0)[1],
    "nothing but a list outside": lambda x: aside.append(npg.sin(x)),
    "generator": lambda x: (npg.sin(a) for a in x),
    "map": lambda x: map(npg.sin, x),
    "object": lambda x: Holder(npg.sin(x)),
    "object beside an array": lambda x: (x * 2.0, Holder(npg.sin(x))),
    "set": lambda x: {npg.sin(x)},
    "function": lambda x: lambda: npg.sin(x),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_what_leaves_it_beside_its_result_is_refused(device: str, leak: str) -> None:
    try:
        f = npg.checkpoint(LEAKS[leak])
        with pytest.raises(DerivativeError, match=r"is still held.*Return it, or hold npg\.copy"):
            npg.grad(lambda x: (f(x), x.sum())[1])(npg.array([0.3, 0.7]))
        f(npg.array([0.3, 0.7]))
    finally:
        aside.clear()


def test_what_has_no_history_may_leave_it(device: str) -> None:
    w = npg.array([2.0, 3.0], requires_grad=True)

    @npg.checkpoint
    def f(x: T) -> tuple[T, Holder]:
        y = npg.sin(x)
        aside.extend([npg.copy(y.detach()), npg.copy(y[1:].detach()), y.numpy(), w * 2.0])
        return y * w, Holder(npg.copy(npg.stop_gradient(y)))

    x = npg.array([0.3, 0.7], requires_grad=True)
    try:
        (f(x)[0].sum() + aside[3].sum()).backward()
        np.testing.assert_allclose(w.grad.numpy(), np.sin(x.numpy()) + 2.0, rtol=1e-6)
    finally:
        aside.clear()


def test_a_result_without_a_derivative_is_no_leak(device: str) -> None:
    f = npg.checkpoint(npg.argmax)
    assert npg.grad(lambda x: x[f(x)])(npg.array([1.0, 2.0])).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("garbage", [True, False])
def test_cycles_are_no_leaks(device: str, garbage: bool) -> None:
    def f(x: T) -> T:
        held: list[Any] = [npg.sin(x)]
        held.append(held)
        if garbage:
            gc.collect()  # which makes it old
        return held[0] * 2.0

    x = npg.array([0.3, 0.7])
    found = npg.grad(lambda x: npg.checkpoint(f)(x).sum())(x)
    np.testing.assert_allclose(found.numpy(), 2 * np.cos(x.numpy()), rtol=1e-12)


def test_nothing_is_collected_where_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "collect", lambda *_: pytest.fail("collected"))
    npg.grad(lambda x: npg.checkpoint(npg.sin)(x).sum())(npg.ones(2))
