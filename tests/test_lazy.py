"""Lazy mode: what is recorded, when it runs, and that writes, views and errors mean the same."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad import Array
from numpygrad._dispatch import settle
from numpygrad._samples import Sample, samples
from numpygrad.errors import ShapeError, VersionError
from numpygrad.testing import guard_saved

SAMPLES = list(samples())


@pytest.fixture
def runs() -> Any:
    """A deferred array, and how often its function ran."""
    count: list[int] = []

    def make(values: Any) -> Array:
        def function() -> Any:
            count.append(1)
            return values

        return Array.deferred(function, shape=np.shape(values))

    make.count = count  # type: ignore[attr-defined]  # a note on the function
    return make


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_shape_and_dtype_before_are_those_after(sample: Sample) -> None:
    for dtype in ("float64", "float32"):
        operands = [npg.asarray(v, device="cpu") for v in sample.operands(dtype)]
        compare([sample], [operands], rtol=1e-5 if dtype == "float32" else 1e-12)


def test_many_ops_in_one_program(device: str) -> None:
    # XLA takes minutes for all of them; test_ops.py compiles each, with its gradient.
    chosen = SAMPLES[::8] if "jax" in device else SAMPLES
    operands = [[npg.asarray(v, device=device) for v in s.operands("float64")] for s in chosen]
    compare(chosen, operands, rtol=1e-12)


def compare(chosen: list[Sample], operands: list[list[Array]], *, rtol: float) -> None:
    """Run samples lazily, all as one program, and compare with eager results."""
    with npg.lazy():
        results = [sample.call(*x) for sample, x in zip(chosen, operands, strict=True)]
    found = [y for result in results for y in _each(result)]
    before = [(y.shape, y.dtype, y.device) for y in found]
    settle(found)
    assert before == [(y.shape, y.dtype, y.device) for y in found]
    expected = [
        z for sample, x in zip(chosen, operands, strict=True) for z in _each(sample.call(*x))
    ]
    assert before == [(z.shape, z.dtype, z.device) for z in expected]
    for y, z in zip(found, expected, strict=True):
        np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=rtol, atol=1e-14)


def _each(result: Any) -> list[Array]:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def test_nothing_runs_before_a_value_is_wanted(runs: Any) -> None:
    x = runs([1.0, 2.0])
    with npg.lazy():
        y = npg.exp(x) + x
    assert y.values is None
    assert not runs.count
    y.realize()
    assert y.values is not None
    assert len(runs.count) == 1


def test_only_what_is_wanted_runs_and_each_op_once(runs: Any) -> None:
    x, other = runs([1.0, 2.0]), runs([3.0])
    with npg.lazy():
        middle = x * 2
        y = middle + 1
        unwanted = other + 1
    y.realize()
    middle.realize()
    (x + 1).realize()
    assert len(runs.count) == 1
    assert unwanted.values is None


def test_what_a_loop_carries_is_kept_once_it_is_seen_to_be_wanted_again() -> None:
    state = npg.array([1.0, 2.0])
    for step in range(4):
        with npg.lazy():
            for _ in range(4):
                state = npg.cos(state) * 2
            total = npg.exp(state).sum()
        total.realize()
        # Computed on the way and forgotten, until a program that needs it again has run.
        assert (state._data.value is None) == (step % 2 == 0)


def test_names_that_are_still_there_do_not_keep_calls_from_being_fused() -> None:
    w = npg.array([1.0, 2.0], requires_grad=True)
    with npg.lazy():
        first = npg.sin(w)
        second = first * first
        loss = second.sum()
        loss.backward()
    assert first.values is None
    np.testing.assert_array_equal(second.numpy(), np.sin([1.0, 2.0]) ** 2)


@pytest.mark.parametrize(
    "use",
    [
        lambda y: y.item(),
        lambda y: bool(y),
        lambda y: float(y),
        lambda y: str(y),
        lambda y: repr(y),
        lambda y: y.numpy(),
        lambda y: y.tolist(),
        lambda y: np.asarray(y),
        lambda y: y.data,
        lambda y: npg.nonzero(npg.reshape(y, (1,))),
    ],
    ids=["item", "bool", "float", "str", "repr", "numpy", "tolist", "asarray", "data", "nonzero"],
)
def test_uses_of_values_compute_them(use: Any, device: str) -> None:
    x = npg.array(2.0, device=device)
    with npg.lazy():
        y = x * 3
        assert y.values is None
        use(y)
    assert y.item() == 6.0


def test_ops_outside_of_lazy_mode_compute_deferred_operands(device: str) -> None:
    with npg.lazy():
        y = npg.array([1.0, 2.0], device=device) * 3
    z = y + 1
    assert z.values is not None
    np.testing.assert_array_equal(z.numpy(), [4.0, 7.0])


def test_backward_of_a_recorded_loss_is_one_program(device: str) -> None:
    w = npg.array([1.0, 2.0, 3.0], requires_grad=True, device=device)
    before = npg.lazy_stats().programs
    with npg.lazy():
        loss = (npg.sin(w) * w).sum()
        loss.backward()
    assert npg.lazy_stats().programs == before + 1
    assert loss.values is not None
    assert w.grad is not None
    np.testing.assert_allclose(w.grad.numpy(), np.cos(w.numpy()) * w.numpy() + np.sin(w.numpy()))


def test_backward_outside_of_a_loss_recorded_inside(device: str) -> None:
    w = npg.array([1.0, 2.0], requires_grad=True, device=device)
    with npg.lazy():
        loss = (w**3).sum()
    loss.backward()
    assert w.grad is not None
    np.testing.assert_allclose(w.grad.numpy(), [3.0, 12.0])


def test_a_graph_recorded_partly_in_each_mode(device: str) -> None:
    w = npg.array([0.5, 1.5], requires_grad=True, device=device)
    x = npg.exp(w)
    with npg.lazy():
        y = npg.tanh(x) * w
    z = (y * npg.exp(y)).sum()
    with npg.lazy():
        (z * 2).backward()

    def f(w: Array) -> Array:
        y = npg.tanh(npg.exp(w)) * w
        return 2 * (y * npg.exp(y)).sum()

    assert w.grad is not None
    np.testing.assert_allclose(w.grad.numpy(), npg.grad(f)(w.detach()).numpy(), rtol=1e-12)


def test_higher_derivatives(device: str) -> None:
    x = npg.array([0.5, 1.0], requires_grad=True, device=device)
    with npg.lazy():
        y = (x**4).sum()
        y.backward(create_graph=True)
        assert x.grad is not None
        g = x.grad
        x.grad = None
        g.sum().backward()
    np.testing.assert_allclose(g.numpy(), 4 * x.numpy() ** 3)
    np.testing.assert_allclose(x.grad.numpy(), 12 * x.numpy() ** 2)


def test_functional_derivatives_stay_deferred_until_wanted(device: str) -> None:
    x = npg.array([0.5, 1.0], device=device)
    with npg.lazy():
        g = npg.grad(lambda x: npg.sin(x).sum())(x)
        value, tangent = npg.jvp(npg.sin, (x,), (npg.ones_like(x),))
    assert g.values is None
    assert tangent.values is None
    np.testing.assert_allclose(g.numpy(), np.cos(x.numpy()))
    np.testing.assert_allclose(tangent.numpy(), np.cos(x.numpy()))
    np.testing.assert_allclose(value.numpy(), np.sin(x.numpy()))


def test_a_loop_of_equal_steps_compiles_once(device: str) -> None:
    w = npg.array([1.0, 2.0], requires_grad=True, device=device)
    before = npg.lazy_stats()
    for step in range(5):
        rate = 0.1 / (step + 1)
        with npg.lazy():
            loss = ((w * rate - 1.0) ** 2).sum()
            loss.backward()
            with npg.no_grad():
                w -= rate * w.grad
        w.grad = None
    after = npg.lazy_stats()
    assert after.compiled - before.compiled <= 2  # the step, and the update
    assert after.programs - before.programs == 10


def test_lazy_and_eager_training_agree_bit_for_bit_where_nothing_is_reassociated() -> None:
    rng = np.random.default_rng(0)
    x = npg.array(rng.standard_normal((8, 3)))
    finals = []
    for mode in (npg.lazy, npg._modes.eager):
        w = npg.array(np.arange(12.0).reshape(3, 4) / 10, requires_grad=True)
        for _ in range(3):
            with mode():
                (npg.tanh(x @ w) ** 2).backward(npg.ones((8, 4)))
                with npg.no_grad():
                    w -= 0.1 * w.grad
            w.grad = None
        finals.append(w.numpy())
    np.testing.assert_array_equal(*finals)


class TestWrites:
    def test_a_write_outside_does_not_reach_what_was_recorded_before(self, device: str) -> None:
        x = npg.array([1.0, 2.0], device=device)
        with npg.lazy():
            y = x * 2
        x[0] = 100.0
        x += 1
        np.testing.assert_array_equal(y.numpy(), [2.0, 4.0])
        np.testing.assert_array_equal(x.numpy(), [101.0, 3.0])

    def test_nor_does_one_through_a_view(self, device: str) -> None:
        x = npg.array([[1.0, 2.0], [3.0, 4.0]], device=device)
        row = x[0]
        with npg.lazy():
            y = x.sum(axis=0)
            z = row * 1
        row += 10
        np.testing.assert_array_equal(y.numpy(), [4.0, 6.0])
        np.testing.assert_array_equal(z.numpy(), [1.0, 2.0])
        np.testing.assert_array_equal(x.numpy(), [[11.0, 12.0], [3.0, 4.0]])

    def test_nor_one_into_a_result_that_others_read(self, device: str) -> None:
        with npg.lazy():
            x = npg.array([1.0, 2.0], device=device) * 2
            y = x + 1
            z = y * 3
        y.realize()
        y[0] = 100.0
        np.testing.assert_array_equal(z.numpy(), [9.0, 15.0])

    def test_a_write_into_an_array_made_outside_happens_at_once(self, device: str) -> None:
        x = npg.array([1.0, 2.0], device=device)
        view = x[:1]
        with npg.lazy():
            x += npg.array([10.0, 10.0], device=device) * 2
            assert x.values is not None
            view *= 2
        np.testing.assert_array_equal(x.numpy(), [42.0, 22.0])

    def test_a_write_into_a_deferred_array_is_deferred(self, device: str) -> None:
        x = npg.array([1.0, 2.0, 3.0], device=device)
        with npg.lazy():
            y = x * 2
            view = y[1:]
            view += 10
            y[0] = view[1]
            assert y.values is None
        np.testing.assert_array_equal(y.numpy(), [16.0, 14.0, 16.0])
        np.testing.assert_array_equal(view.numpy(), [14.0, 16.0])

    def test_realized_views_share_memory_again(self, device: str) -> None:
        with npg.lazy():
            y = npg.array([1.0, 2.0, 3.0], device=device) * 2
            view = y[1:]
            other = y.detach()
        view.realize()
        y.realize()
        y[1] = 50.0
        view[1] = 60.0
        np.testing.assert_array_equal(y.numpy(), [2.0, 50.0, 60.0])
        np.testing.assert_array_equal(view.numpy(), [50.0, 60.0])
        np.testing.assert_array_equal(other.numpy(), [2.0, 50.0, 60.0])

    def test_a_deferred_view_of_an_array_made_outside_sees_writes_to_it(self, device: str) -> None:
        x = npg.array([1.0, 2.0, 3.0], device=device)
        with npg.lazy():
            view = x[1:]
        x[1] = 20.0
        np.testing.assert_array_equal(view.numpy(), [20.0, 3.0])
        view += 1
        np.testing.assert_array_equal(x.numpy(), [1.0, 21.0, 4.0])

    def test_two_results_never_share_memory(self) -> None:
        x = npg.array([1.0, 2.0])
        with npg.lazy():
            y, z = x * 2, x * 2
            same = npg.reshape(npg.positive(y), (2,), copy=True)
        y.realize()
        z.realize()
        y[0] = 9.0
        np.testing.assert_array_equal(z.numpy(), [2.0, 4.0])
        np.testing.assert_array_equal(same.numpy(), [2.0, 4.0])

    def test_a_write_to_what_was_saved_is_an_error_as_in_eager_mode(self, device: str) -> None:
        x = npg.array([1.0, 2.0], requires_grad=True, device=device)
        with npg.lazy():
            h = x * 2
            y = npg.sin(h).sum()
            with npg.no_grad():
                h += 1
            with pytest.raises(VersionError, match="sin: its saved x"):
                y.backward()

    def test_recorded_writes_into_a_deferred_array(self, device: str) -> None:
        w = npg.array([1.0, 2.0, 3.0], requires_grad=True, device=device)
        with npg.lazy():
            y = w * 1
            y[1:] = y[:2] + w[0]
            (y * y).sum().backward()
        v = npg.array([1.0, 2.0, 3.0], requires_grad=True, device=device)
        y = v * 1
        y[1:] = y[:2] + v[0]
        (y * y).sum().backward()
        assert w.grad is not None
        assert v.grad is not None
        np.testing.assert_allclose(w.grad.numpy(), v.grad.numpy())


def test_errors_of_shape_are_raised_where_the_op_is(device: str) -> None:
    x, y = npg.ones((2, 3), device=device), npg.ones((4,), device=device)
    with npg.lazy():
        with pytest.raises(ShapeError, match=r"add\(\) needs shapes that broadcast"):
            _ = x + y
        with pytest.raises(ValueError, match="matmul"):
            _ = x @ y


def test_a_promise_of_shape_that_is_not_kept() -> None:
    x = Array.deferred(lambda: [1.0, 2.0], shape=3)
    with pytest.raises(ShapeError, match="promised"):
        x.realize()


def test_zero_times_infinity_is_zero_where_a_branch_is_not_taken(device: str) -> None:
    x = npg.array([0.0, 4.0], requires_grad=True, device=device)
    with npg.lazy():
        npg.where(x > 0, npg.sqrt(x), 0.0).sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), [0.0, 0.25])


def test_hooks_and_retained_gradients(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True, device=device)
    with npg.lazy():
        h = x * 3
        h.retain_grad()
        h.register_hook(lambda g: g * 2)
        (h * h).sum().backward()
    assert x.grad is not None
    assert h.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), [36.0, 72.0])


def test_guard_saved_and_anomalies_are_found_in_lazy_mode_too() -> None:
    x = npg.array(-2.0, requires_grad=True)
    with npg.lazy(), npg.detect_anomaly():
        y = (x ** npg.array(3.0, requires_grad=True)) * 2
        with pytest.raises(npg.errors.AnomalyError, match="backward of pow"):
            y.backward()
    with npg.lazy(), guard_saved():
        (npg.sin(x) * 2).backward()
    assert x.grad is not None


def test_modes_nest_and_are_restored() -> None:
    assert not npg.is_lazy()
    with npg.lazy():
        assert npg.is_lazy()
        with npg.no_grad():
            assert npg.is_lazy()
        with pytest.raises(ZeroDivisionError), npg.lazy():
            raise ZeroDivisionError
        assert npg.is_lazy()
    assert not npg.is_lazy()


def test_mode_persists_until_it_is_changed() -> None:
    npg.mode("lazy")
    try:
        assert npg.is_lazy()
        assert (npg.ones(2) + 1).values is None
        with pytest.raises(ValueError, match="'eager' or 'lazy'"):
            npg.mode("quick")
        assert npg.is_lazy()
    finally:
        npg.mode("eager")
    assert not npg.is_lazy()
    assert (npg.ones(2) + 1).values is not None


def test_lazy_mode_is_a_decorator() -> None:
    @npg.lazy()
    def f(x: Array) -> Array:
        return x * 2

    assert f(npg.ones(2)).values is None


def test_threads_have_modes_of_their_own() -> None:
    seen = []
    with npg.lazy():
        thread = threading.Thread(target=lambda: seen.append(npg.is_lazy()))
        thread.start()
        thread.join()
    assert seen == [False]


def test_threads_realize_one_graph_together() -> None:
    with npg.lazy():
        x = npg.array(np.arange(1000.0)) * 2
        results = [x + i for i in range(8)]
    threads = [threading.Thread(target=r.realize) for r in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, r in enumerate(results):
        np.testing.assert_array_equal(r.numpy(), np.arange(1000.0) * 2 + i)


def test_long_graphs_do_not_recurse() -> None:
    x = npg.array(1.0, requires_grad=True)
    with npg.lazy():
        y = x
        for _ in range(30_000):
            y = y + 1.0
        y.backward()
    assert y.item() == 30_001.0
    assert x.grad is not None
    assert x.grad.item() == 1.0


class TestDrawnPrograms:
    """What programs drawn at random have found, reduced."""

    def test_a_view_that_a_write_outdates_is_read_as_it_is_then(self, device: str) -> None:
        x = npg.array([1.0, 2.0], device=device)
        with npg.lazy():
            view = x[...]
            x += 1.0
            y = npg.zeros(2, device=device) + view
            x[...] = 0.5
            z = npg.sum(view)
        np.testing.assert_array_equal(y.numpy(), [2.0, 3.0])
        assert z.item() == 1.0

    def test_a_backward_that_was_refused_is_refused_for_the_same_again(self, device: str) -> None:
        x = npg.array([1.0, 2.0], requires_grad=True, device=device)
        with npg.lazy():
            y = npg.matmul(x * 0.5, x)
            x += 0.5
            y[...] = 0.5
            for _ in range(2):
                with pytest.raises(VersionError):
                    npg.sum(y * 2.0).backward()

    def test_an_output_saved_outside_and_then_overwritten(self, device: str) -> None:
        x = npg.array([1.0, 2.0], requires_grad=True, device=device)
        y = npg.exp(x)
        y *= y + y
        with npg.lazy():
            npg.sum(y).backward()
        assert x.grad is not None
        np.testing.assert_allclose(x.grad.numpy(), 4 * np.exp([2.0, 4.0]))

    def test_a_write_through_the_first_view_of_a_single_element(self, device: str) -> None:
        x = npg.array([1.0, 2.0], device=device)
        y = +x[0]
        with npg.lazy():
            y[...] += 0.5
        assert y.item() == 1.5

    def test_a_mask_recorded_inside_in_a_backward_pass_outside(self, device: str) -> None:
        x = npg.array([1.0, 2.0], requires_grad=True, device=device)
        with npg.lazy():
            y = x * x
            y[y > 2.0] = 0.5
        npg.sum(y).backward(create_graph=True)
        assert x.grad is not None
        np.testing.assert_array_equal(x.grad.numpy(), [2.0, 0.0])

    def test_backward_of_what_a_mask_picked(self, device: str) -> None:
        x = npg.array([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, device=device)
        with npg.lazy():
            y = x[x > 1.5] * 2.0
            z = x[..., np.array([True, False])] * 3.0
            (npg.sum(y) + npg.sum(z)).backward()
        assert x.grad is not None
        np.testing.assert_array_equal(x.grad.numpy(), [[3.0, 2.0], [5.0, 2.0]])


@pytest.mark.parametrize("n", [3, 5000])
def test_a_copy_among_other_terms_is_sent_back_lazily(n: int, device: str) -> None:
    x = npg.ones(n, requires_grad=True, device=device)
    with npg.lazy():
        part, y = x[0], x.copy()
        (y.sum() + (x * 2).sum() + part + (x * 3).sum()).backward()
    assert x.grad.tolist() == [7.0] + [6.0] * (n - 1)


def test_lazy_cotangents_go_to_another_device_and_on_from_there(device: str) -> None:
    x = npg.ones(3, requires_grad=True, device="numpy:cpu")
    with npg.lazy():
        y = x.to(device)
        ((y * y).sum() + y[0] + (x * 2).sum().to(device)).backward()
    assert x.grad.tolist() == [5.0, 4.0, 4.0]
    assert x.grad.device == "cpu"
