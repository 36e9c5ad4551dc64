"""Memory that two names share: what one of them writes, the other's gradient must not get wrong."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import numpygrad as npg
from numpygrad.errors import VersionError


def leaf(*values: float) -> npg.Array:
    return npg.array(values, requires_grad=True)


def test_a_saved_output_is_kept_from_writes_through_a_view(device: str) -> None:
    x, z = leaf(1.0, 2.0), leaf(4.0, 5.0)
    y = x / z
    view = y[:]
    with npg.no_grad():
        view *= 10

    y.sum().backward()

    assert z.grad is not None
    np.testing.assert_allclose(z.grad.numpy(), [-1 / 16, -2 / 25])
    assert view.tolist() == y.tolist() == [2.5, 4.0]


def test_an_in_place_quotient_keeps_its_own_output(device: str) -> None:
    x, z = leaf(1.0, 2.0), leaf(4.0, 5.0)
    y = x + 0
    view = y[:]
    y /= z
    with npg.no_grad():
        y *= 10

    y.sum().backward()

    assert z.grad is not None
    np.testing.assert_allclose(z.grad.numpy(), [-1 / 16, -2 / 25])
    assert view.tolist() == y.tolist()


def test_a_view_of_a_python_scalar_may_be_written_to(device: str) -> None:
    y = npg.reshape(2.5, (1,))
    y[...] = 7.0

    assert (npg.array([1.0, 1.0]) * 2.5).tolist() == [2.5, 2.5]


def test_a_pullback_does_not_see_later_writes_to_its_primals(device: str) -> None:
    p = npg.array([1.0, 2.0])
    _, pullback = npg.vjp(lambda x: x * x, p)
    p += 10

    assert pullback(npg.ones(2))[0].tolist() == [2.0, 4.0]


def test_a_pullback_does_not_see_later_writes_to_its_value(device: str) -> None:
    y, pullback = npg.vjp(npg.exp, npg.array([0.0, 0.0]))
    y *= 0

    assert pullback(npg.ones(2))[0].tolist() == [1.0, 1.0]


def test_a_differentiated_function_may_write_into_its_argument(device: str) -> None:
    def f(x: npg.Array) -> npg.Array:
        x[0] = 5.0
        return (x * x).sum()

    p = npg.array([1.0, 2.0])

    assert npg.grad(f)(p).tolist() == [0.0, 4.0]  # what is overwritten does not count
    assert p.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("kind", ["ndarray", "Array", "mask"])
def test_an_index_may_be_overwritten_after_use(device: str, kind: str) -> None:
    x = leaf(1.0, 2.0, 3.0)
    values = np.array([True, True, False]) if kind == "mask" else np.array([0, 1])
    key = values if kind == "ndarray" else npg.array(values)
    y = (x[key] * npg.array([1.0, 10.0])).sum()
    key[:] = values[::-1].copy() if kind == "mask" else 2
    y.backward()

    assert x.grad.tolist() == [1.0, 10.0, 0.0]


def test_an_ndarray_operand_may_be_refilled_after_use(device: str) -> None:
    w, batch = leaf(3.0, 4.0), np.array([1.0, 2.0])
    loss = (w * batch).sum()
    batch[:] = 100
    loss.backward()

    assert w.grad.tolist() == [1.0, 2.0]


def test_a_leaf_that_is_a_view_stays_a_leaf(device: str) -> None:
    v = npg.array([1.0, 2.0])[:1]
    v.requires_grad = True
    with pytest.raises(VersionError, match="leaf"):
        v *= leaf(3.0)

    v *= 2.0
    assert v.is_leaf
    assert v.tolist() == [2.0]


def test_a_value_of_more_axes_than_its_place_is_written_if_they_have_length_1(device: str) -> None:
    x = npg.array([1.0, 2.0])
    x[...] = npg.array([[5.0, 6.0]])

    assert x.tolist() == [5.0, 6.0]


def test_complex_scalars_that_differ_in_the_sign_of_zero_are_two(device: str) -> None:
    mask, z = npg.array([True]), npg.array([1 + 0j])
    npg.where(mask, complex(-4.0, 0.0), z)

    below = npg.where(mask, complex(-4.0, -0.0), z)
    assert np.signbit(below.numpy().imag).tolist() == [True]


def test_repeated_places_give_the_gradient_to_the_last_value_written(device: str) -> None:
    x, v = leaf(1.0, 2.0, 3.0), leaf(5.0, 7.0)
    y = x * 1.0
    y[[0, 0]] = v
    y.sum().backward()

    assert y.tolist() == [7.0, 2.0, 3.0]
    assert v.grad.tolist() == [0.0, 1.0]
    assert x.grad.tolist() == [0.0, 1.0, 1.0]


def test_gradients_of_two_arguments_share_no_memory(device: str) -> None:
    a, b = npg.grad(lambda x, y: (2.0 * (x + y)).sum(), (0, 1))(npg.ones(2), npg.ones(2))
    a[0] = 7.0

    assert b.tolist() == [2.0, 2.0]


def test_detaching_again_and_again_keeps_nothing() -> None:
    x = leaf(1.0)
    for _ in range(1000):
        x.detach()

    assert len(x._alias.storage.views) < 100


def test_detach_does_not_keep_the_history_alive() -> None:
    x = leaf(1.0)
    y = x * 2.0
    node = weakref.ref(y._node)
    y = y.detach()
    gc.collect()

    assert node() is None
    assert y.tolist() == [2.0]
