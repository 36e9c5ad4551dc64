"""Writes in place: what they leave alone, what they refuse, and what they cost in the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad.errors import DerivativeError, ShapeError, VersionError


def leaf(*values: float) -> npg.Array:
    return npg.array(values, requires_grad=True)


# What was saved and not written to


@pytest.mark.parametrize(
    "write",
    [
        lambda y: y.__setitem__(0, 9.0),
        lambda y: y.__setitem__(slice(None, 2), 9.0),
        lambda y: y[:2].fill(9.0),
        lambda y: npg.increment_version(y[:2]),
    ],
    ids=["element", "slice", "view", "told"],
)
def test_a_write_beside_what_was_saved_leaves_it(
    write: Callable[[npg.Array], None], device: str
) -> None:
    x = leaf(1.0, 2.0, 3.0, 4.0)
    y = x * 1.0
    z = npg.sin(y[2:]).sum()

    with npg.no_grad():
        write(y)
    z.backward()

    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), [0.0, 0.0, *np.cos([3.0, 4.0])])


@pytest.mark.parametrize("part", [slice(None), slice(2, 3), slice(None, None, -1)], ids=str)
def test_a_write_into_what_was_saved_is_told(part: slice, device: str) -> None:
    x = leaf(1.0, 2.0, 3.0, 4.0)
    y = x * 1.0
    z = npg.sin(y[2:]).sum()

    with npg.no_grad():
        y[part] = 9.0

    with pytest.raises(VersionError, match="sin: its saved x"):
        z.backward()


def test_a_row_times_a_matrix_that_it_is_a_row_of_keeps_its_own_values(device: str) -> None:
    x = npg.array([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = x * 1.0

    y *= y[0]
    y.sum().backward()

    assert y.tolist() == [[1.0, 4.0], [3.0, 8.0]]
    assert x.grad is not None
    assert x.grad.tolist() == [[2.0 + 3.0, 4.0 + 4.0], [1.0, 2.0]]


# What is refused


def test_values_of_more_axes_than_the_region_are_told_with_both_shapes(device: str) -> None:
    x = npg.zeros((2, 3))

    x[0] = npg.ones((1, 1, 3))

    assert x.tolist() == [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    with pytest.raises(ShapeError, match=r"shape \(3, 1\) into a region of shape \(3,\)"):
        x[1] = npg.ones((3, 1))


def test_a_tracked_write_into_what_a_leaf_is_a_view_of_is_refused(device: str) -> None:
    x = npg.zeros(3)
    view = x[:2].requires_grad_()

    with pytest.raises(VersionError, match="into a leaf that requires grad"):
        x[0] = leaf(1.0)[0]
    assert view.tolist() == [0.0, 0.0]


def test_a_recorded_write_beside_a_detached_alias_is_refused(device: str) -> None:
    y = leaf(1.0, 2.0) * 1.0
    alias = y.detach()

    with pytest.raises(DerivativeError, match="with a detached alias is not supported"):
        y[0] = 5.0
    assert alias.tolist() == [1.0, 2.0]


def test_a_write_into_a_detached_alias_is_no_part_of_the_graph(device: str) -> None:
    y = leaf(1.0, 2.0) * 1.0
    alias = y.detach()

    alias[0] = 5.0

    assert not alias.requires_grad
    assert alias.tolist() == y.tolist() == [5.0, 2.0]


@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize(
    "write", [lambda v: v.__setitem__(0, 5.0), lambda v: v.__iadd__(1.0)], ids=["set", "add"]
)
def test_a_read_only_view_is_refused(
    write: Callable[[npg.Array], Any], requires_grad: bool, device: str
) -> None:
    x = npg.array([1.0, 2.0], requires_grad=requires_grad)
    view = npg.broadcast_to(x * 1.0, (2, 2))[0]

    with pytest.raises(ValueError, match="read-only view made by broadcast_to"):
        write(view)
    assert view.tolist() == [1.0, 2.0]


# What it costs


@pytest.mark.parametrize("name", ["__iadd__", "__isub__"])
def test_adding_to_a_part_takes_one_node(name: str, device: str) -> None:
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1.0
    before = y.grad_fn

    y[1:] = getattr(y[1:], name)(x[:2])

    assert y.grad_fn is not None
    assert repr(y.grad_fn).startswith("<add_at node")
    assert y.grad_fn.parents[0] is before
