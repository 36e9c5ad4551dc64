"""Hooks, kept gradients, and what looks on while ops are recorded."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad.errors import AnomalyError, GraphError, ShapeError, VersionError
from numpygrad.testing import guard_saved


def leaf(*values: float, device: str = "cpu") -> npg.Array:
    return npg.array(values, device=device, requires_grad=True)


# Hooks


def test_a_hook_of_a_leaf_may_change_its_gradient(device: str) -> None:
    x = leaf(3.0, -4.0, device=device)
    x.register_hook(lambda g: g * 2)

    (x * x).sum().backward()

    assert x.grad is not None
    assert x.grad.tolist() == [12.0, -16.0]


def test_a_hook_of_a_computed_array_changes_what_flows_on(device: str) -> None:
    x = leaf(1.0, 2.0, device=device)
    y = x * 3
    y.register_hook(lambda g: g * 10)

    y.sum().backward()

    assert x.grad is not None
    assert x.grad.tolist() == [30.0, 30.0]


def test_a_hook_sees_the_complete_gradient_once() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3
    seen: list[list[float]] = []
    early = y * 2
    y.register_hook(lambda g: seen.append(g.tolist()))

    (early + y * y).sum().backward()

    assert seen == [[2.0 + 6.0, 2.0 + 12.0]]


def test_hooks_run_in_order_and_can_be_removed() -> None:
    x = leaf(1.0)
    first = x.register_hook(lambda g: g + 1)
    x.register_hook(lambda g: g * 10)

    x.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [20.0]

    first.remove()
    first.remove()
    x.grad = None
    x.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [10.0]


def test_a_hook_may_take_itself_away() -> None:
    x = leaf(1.0)

    def once(g: npg.Array) -> npg.Array:
        handle.remove()
        return g * 10

    handle = x.register_hook(once)
    x.sum().backward()
    x.sum().backward()

    assert x.grad is not None
    assert x.grad.tolist() == [11.0]


def test_a_hook_of_one_of_several_results() -> None:
    x = npg.array(np.diag([1.0, 2.0]), requires_grad=True)
    w, _ = npg.linalg.eigh(x)
    w.register_hook(lambda g: g * 2)

    w.sum().backward()

    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.eye(2))


def test_a_hook_of_what_create_graph_records_is_differentiated() -> None:
    x = leaf(2.0)
    y = x * x
    y.register_hook(lambda g: g * x)

    y.sum().backward(create_graph=True)
    assert x.grad is not None
    first = x.grad
    x.grad = None
    first.sum().backward()

    assert x.grad is not None
    assert x.grad.tolist() == [8.0]  # of 2 x * x


def test_a_hook_may_write_into_what_it_is_given() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1
    y.register_hook(lambda g: g.fill(7.0))

    y.sum().backward()

    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    "hook",
    [lambda g: g.sum(), lambda g: g.astype("float32"), lambda g: g.numpy()],
    ids=["shape", "dtype", "no Array"],
)
def test_a_hook_of_another_kind_is_refused_and_nothing_accumulates(
    hook: Callable[[npg.Array], Any],
) -> None:
    x = leaf(1.0, 2.0)
    y = x * 1
    y.register_hook(hook)

    with pytest.raises(ShapeError, match="a hook returns None or an Array like the gradient"):
        y.sum().backward()
    assert x.grad is None


def test_a_hook_of_an_untracked_array_is_refused() -> None:
    with pytest.raises(GraphError, match=r"register_hook\(\) of an array that does not require"):
        npg.zeros(2).register_hook(lambda g: g)
    with pytest.raises(GraphError, match=r"retain_grad\(\) of an array that does not require"):
        npg.zeros(2).retain_grad()


def test_a_computed_array_can_keep_its_gradient(device: str) -> None:
    x = leaf(1.0, 2.0, device=device)
    y = x * 3
    assert y.grad is None
    y.retain_grad()
    y.retain_grad()

    loss = (y * y).sum()
    loss.backward(retain_graph=True)
    loss.backward()

    assert y.grad is not None
    assert y.grad.tolist() == [12.0, 24.0]
    assert x.grad is not None
    assert x.grad.tolist() == [36.0, 72.0]


def test_a_leaf_keeps_its_gradient_once_whether_asked_or_not() -> None:
    x = leaf(1.0, 2.0)
    (x * 3).sum().backward()

    x.retain_grad()
    (x * 5).sum().backward()

    assert x.grad is not None
    assert x.grad.tolist() == [8.0, 8.0]


def test_a_kept_gradient_that_create_graph_records_adds_up_recorded() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3
    y.retain_grad()

    loss = (y * y).sum()
    loss.backward(create_graph=True)
    loss.backward(create_graph=True)
    assert y.grad is not None
    x.grad = None
    y.grad.sum().backward()

    assert x.grad is not None
    assert x.grad.tolist() == [12.0, 12.0]  # of 2 * 2 y


def test_what_a_hook_returned_and_keeps_is_not_written_into(device: str) -> None:
    x = leaf(1.0, 2.0, 3.0, device=device)
    y = x * 1
    y[0] = 5.0
    kept: list[npg.Array] = []

    def hook(g: npg.Array) -> npg.Array:
        kept.append(g * 2)
        return kept[0]

    y.register_hook(hook)
    y[1] = 7.0

    y.sum().backward()

    assert kept[0].tolist() == [2.0, 0.0, 2.0]
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 0.0, 2.0]


def test_hooks_keep_no_graph_alive() -> None:
    x = leaf(1.0)
    y = x * 2
    y.retain_grad()
    node = weakref.ref(y._node)

    del y
    gc.collect()

    assert node() is None


def test_grad_fn_has_a_readable_name() -> None:
    x = leaf(1.0)

    assert repr(npg.sin(x).grad_fn).startswith("<sin node")
    assert "eigenvectors" in repr(npg.linalg.eigh(x.reshape(1, 1)).eigenvectors.grad_fn)
    assert x.grad_fn is None


# Anomalies


def test_the_op_and_the_line_of_the_first_nan_are_named(device: str) -> None:
    exponent = leaf(2.0, 3.0, device=device)

    with npg.detect_anomaly():
        y = (-2.0) ** exponent  # this line
        with pytest.raises(AnomalyError, match="backward of pow made the first NaN") as caught:
            (y * 2).sum().backward()

    assert "test_watching.py" in str(caught.value)
    assert "# this line" in str(caught.value)


def test_no_anomaly_leaves_the_gradient_as_it_is(device: str) -> None:
    x = leaf(0.0, 4.0, device=device)

    with npg.detect_anomaly():
        npg.where(x > 0, npg.sqrt(x), 0.0).sum().backward()
        w, v = npg.linalg.eigh(npg.stack([x, x[::-1]]))
        ((v * w) @ v.mT).sum().backward()

    assert x.grad is not None
    assert np.all(np.isfinite(x.grad.numpy()))


def test_what_first_derivatives_take_from_a_result_adds_up(device: str) -> None:
    x = npg.asarray([[1.0 + 0j, 2j], [-2j, 3.0]], device=device)
    weights = npg.asarray([[1.0 + 0j, 2.0 + 1j], [3j, 4.0]], device=device)

    def exponential(x: npg.Array) -> npg.Array:
        w, v = npg.linalg.eigh(x)
        return npg.sum(npg.real((v * npg.exp(w)) @ npg.conj(v).mT * weights))

    def slope(x: npg.Array) -> npg.Array:  # on the phase of `v` only parts of its cotangent depend
        return npg.sum(npg.real(npg.grad(exponential)(x) * weights.mT))

    with npg.detect_anomaly():
        found = npg.grad(slope)(x)

    np.testing.assert_array_equal(found.numpy(), npg.grad(slope)(x).numpy())


def test_a_nan_that_comes_in_is_not_blamed_on_an_op() -> None:
    x = leaf(1.0, 2.0)

    with npg.detect_anomaly():
        y = npg.exp(x)
        y.backward(npg.asarray([np.nan, 1.0]))

    assert x.grad is not None
    assert np.isnan(x.grad.numpy()[0])


def test_a_stale_value_is_told_with_the_lines_of_both_ops() -> None:
    x = leaf(1.0, 2.0)

    with npg.detect_anomaly():
        y = x * 1
        z = npg.sin(y)  # saved here
        y += 1  # and written here
        with pytest.raises(VersionError, match=r"saved by .*# saved here, .*# and written here"):
            z.sum().backward()


# Checksums of what was saved


def test_a_raw_write_into_a_saved_value_is_found() -> None:
    x = leaf(1.0, 2.0)

    with guard_saved():
        y = npg.sin(x).sum()
        x.numpy()[0] = 5.0
        with pytest.raises(VersionError, match=r"sin: its saved x .* without numpygrad's"):
            y.backward()
    assert x.grad is None


def test_a_raw_write_into_a_saved_output_is_found() -> None:
    x = leaf(1.0, 2.0)

    with guard_saved():
        y = npg.exp(x)
        y.numpy()[0] = 5.0
        with pytest.raises(VersionError, match="exp: its saved output"):
            y.sum().backward()


def test_writes_into_what_was_not_saved_are_none_of_its_business(device: str) -> None:
    x = leaf(1.0, 2.0, device=device)

    with guard_saved():
        y = x * 1
        z = npg.exp(y)
        y += 1
        z.sum().backward()

    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), np.exp([1.0, 2.0]))


def test_a_write_that_numpygrad_made_is_told_by_its_version() -> None:
    x = leaf(1.0, 2.0)

    with guard_saved():
        y = x * 1
        z = npg.sin(y)
        y += 1
        with pytest.raises(VersionError, match="was mutated by an in-place operation"):
            z.sum().backward()


def test_a_raw_write_can_be_told() -> None:
    x = leaf(1.0, 2.0)
    y = npg.sin(x).sum()

    x.numpy()[0] = 5.0
    npg.increment_version(x)

    with pytest.raises(VersionError, match="increment_version"):
        y.backward()


def test_guard_saved_checks_all_results_of_an_op_with_several() -> None:
    x = npg.array([[2.0, 1.0], [1.0, 3.0]], requires_grad=True)
    with guard_saved():
        w, v = npg.linalg.eigh(x)
        (w.sum() + v.sum()).backward()
    with guard_saved():
        w, v = npg.linalg.eigh(x)
        v.numpy()[0, 0] += 1.0
        with pytest.raises(VersionError, match="eigh: its saved output"):
            v.sum().backward()
